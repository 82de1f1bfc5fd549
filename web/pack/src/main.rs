//! Makes what the pages need and the server carries. Called by `cargo xtask web`.
//!
//! `types FILE`: the messages of `client_core::app` as TypeScript. `bindings WASM FOLDER`: the core with its JavaScript half.
//! `compress FOLDER`: a `.br` file beside every file that gets smaller by it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["types", file] => types(Path::new(file)),
        ["bindings", wasm, folder] => bindings(Path::new(wasm), Path::new(folder)),
        ["compress", folder] => compress(Path::new(folder)),
        _ => Err("usage: web-pack types FILE | bindings WASM FOLDER | compress FOLDER".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("web-pack: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Written only when it changes, so that what watches the file is not woken for nothing.
fn types(file: &Path) -> Outcome<()> {
    let text = client_core::app::typescript();
    if std::fs::read_to_string(file).ok().as_deref() != Some(&text) {
        std::fs::write(file, text)?;
    }
    Ok(())
}

fn bindings(wasm: &Path, folder: &Path) -> Outcome<()> {
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(wasm)
        .web(true)?
        .typescript(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .out_name("core")
        .generate(folder)?;
    Ok(())
}

fn compress(folder: &Path) -> Outcome<()> {
    for file in files(folder)? {
        if file.extension().is_some_and(|ending| ending == "br") {
            continue;
        }
        let bytes = std::fs::read(&file)?;
        let mut packed = Vec::new();
        let params = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
        brotli::BrotliCompress(&mut bytes.as_slice(), &mut packed, &params)?;
        let mut name = file.clone().into_os_string();
        name.push(".br");
        if packed.len() < bytes.len() {
            std::fs::write(&name, &packed)?;
        }
        println!("{:>9} {:>9}  {}", bytes.len(), packed.len(), file.strip_prefix(folder)?.display());
    }
    Ok(())
}

fn files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
