//! Takes the pages of `web/dist` into the program, when they were made (`cargo xtask web`). Without them the server builds
//! all the same and says where they are missing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo says where"));
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut table = String::from("&[\n");
    for file in files(&dist) {
        let name = file.strip_prefix(&dist).expect("it lies in there").to_string_lossy().replace('\\', "/");
        if name.ends_with(".br") {
            continue;
        }
        let packed = PathBuf::from(format!("{}.br", file.display()));
        let packed = if packed.exists() { format!("Some(include_bytes!({packed:?}))") } else { "None".to_owned() };
        writeln!(table, "    Page {{ path: {name:?}, bytes: include_bytes!({file:?}), packed: {packed} }},")
            .expect("text takes text");
    }
    table.push_str("]\n");
    std::fs::write(out.join("pages.rs"), table).expect("the folder can be written to");
}

/// Every file below a folder, in order; none when there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
