//! `cargo xtask web`: the pages that the server carries. The core is compiled to WebAssembly, the messages are written down as
//! TypeScript, the field app is bundled, everything is packed. What has not changed is not made again.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::needs;
use crate::run::{Failure, cargo, root, step, succeeds, target_dir};

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "web";

/// What the pages are made of.
const SOURCES: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "client-core/Cargo.toml",
    "client-core/src",
    "docs/openapi.json",
    "sync-protocol/Cargo.toml",
    "sync-protocol/data",
    "sync-protocol/src",
    "web",
    "xtask/src/web.rs",
];

/// The pages: their folder, the one they are made into, how, and the most that they may weigh, in bytes as sent. A phone loads
/// all of the field app at its first opening; a desk loads the page it opens.
const PAGES: &[(&str, &str, &[&str], u64)] =
    &[("field", "app", &["check", "build"], 1_100_000), ("desk", "desk", &["types", "check", "build"], 250_000)];

/// Where the compiler for WebAssembly comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Toolchain {
    /// rustup has the target installed.
    Rustup,
    /// Debian's compiler, which builds the standard library itself.
    Debian,
}

/// Makes the pages, unless they are there and nothing has changed.
pub(crate) fn run(force: bool) -> Result<(), Failure> {
    let stamp = target_dir()?.join("web.stamp");
    let has_pages = PAGES.iter().all(|(_, made, ..)| root().join("web/dist").join(made).join("index.html").is_file());
    let before = fingerprint()?;
    if !force && has_pages && fs::read_to_string(&stamp).is_ok_and(|found| found == before) {
        println!("xtask: the pages are as their sources are");
        return Ok(());
    }
    needs::check_web()?;
    let toolchain = toolchain().ok_or_else(|| Failure::new("no compiler for WebAssembly"))?;
    let pack = || cargo(["run", "--quiet", "--package", "web-pack", "--"]);
    step(pack().args(["types", "web/field/src/core/api.ts"]))?;
    let wasm = core(toolchain)?;
    step(pack().arg("bindings").arg(&wasm).arg("web/field/src/core/wasm"))?;
    for (name, made, scripts, most) in PAGES {
        let folder = root().join("web").join(name);
        step(npm(&folder).args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))?;
        for script in *scripts {
            step(npm(&folder).args(["run", "--silent", script]))?;
        }
        let made = format!("web/dist/{made}");
        step(pack().args(["compress", &made]))?;
        weigh(name, &root().join(&made), *most)?;
    }
    // The types are written again above; a stamp of before would be stale at once if they had changed.
    fs::write(&stamp, fingerprint()?)
        .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", stamp.display())))
}

/// Compiles the core; gives the file.
fn core(toolchain: Toolchain) -> Result<PathBuf, Failure> {
    // The compiler differs from the native one: a folder of its own keeps both from building everything anew.
    let folder = target_dir()?.join("wasm");
    let mut build = match toolchain {
        Toolchain::Rustup => cargo([]),
        Toolchain::Debian => {
            let mut build = Command::new("/usr/bin/cargo");
            build.current_dir(root());
            for name in ["RUSTUP_TOOLCHAIN", "RUSTC", "CARGO", "RUSTDOC", "RUSTC_WRAPPER"] {
                build.env_remove(name);
            }
            let path = std::env::var("PATH").unwrap_or_default();
            // Its own tools before the shims of rustup.
            build.env("PATH", format!("/usr/bin:{path}")).env("RUSTC_BOOTSTRAP", "1");
            build.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-19");
            build.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-Zunstable-options -Cpanic=immediate-abort");
            build
        }
    };
    build.args(["build", "--locked", "--profile", PROFILE, "--package", "field-web", "--target", TARGET]);
    if toolchain == Toolchain::Debian {
        build.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
    }
    build.env("CARGO_TARGET_DIR", &folder);
    build.env("CC_wasm32_unknown_unknown", clang().unwrap_or("clang"));
    build.env("AR_wasm32_unknown_unknown", llvm_ar().unwrap_or("llvm-ar"));
    build.env("CFLAGS_wasm32_unknown_unknown", C_FLAGS.join(" "));
    build.env("SQLITE_WASM_RS_FLAGS", SQLITE_FLAGS.join(" "));
    step(&mut build)?;
    Ok(folder.join(TARGET).join(PROFILE).join("field_web.wasm"))
}

/// Small before quick: SQLite and zstd are the larger half of the core. Of zstd's ways to pack, the phone needs the two that
/// are small; every way of unpacking stays.
const C_FLAGS: &[&str] = &[
    "-Oz",
    "-DZSTD_LIB_MINIFY",
    "-DHUF_FORCE_DECOMPRESS_X1=1",
    "-DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT=1",
    "-DZSTD_NO_INLINE=1",
    "-DZSTD_STRIP_ERROR_STRINGS=1",
    "-DZSTD_EXCLUDE_GREEDY_BLOCK_COMPRESSOR",
    "-DZSTD_EXCLUDE_LAZY_BLOCK_COMPRESSOR",
    "-DZSTD_EXCLUDE_LAZY2_BLOCK_COMPRESSOR",
    "-DZSTD_EXCLUDE_BTLAZY2_BLOCK_COMPRESSOR",
    "-DZSTD_EXCLUDE_BTOPT_BLOCK_COMPRESSOR",
    "-DZSTD_EXCLUDE_BTULTRA_BLOCK_COMPRESSOR",
];

/// Parts of SQLite that the store does not use.
const SQLITE_FLAGS: &[&str] = &[
    "-USQLITE_ENABLE_BYTECODE_VTAB",
    "-USQLITE_ENABLE_COLUMN_METADATA",
    "-USQLITE_ENABLE_DBPAGE_VTAB",
    "-USQLITE_ENABLE_DBSTAT_VTAB",
    "-USQLITE_ENABLE_MATH_FUNCTIONS",
    "-USQLITE_ENABLE_OFFSET_SQL_FUNC",
    "-USQLITE_ENABLE_PREUPDATE_HOOK",
    "-USQLITE_ENABLE_RTREE",
    "-USQLITE_ENABLE_SESSION",
    "-USQLITE_ENABLE_STMTVTAB",
    "-USQLITE_ENABLE_UNKNOWN_SQL_FUNCTION",
    "-DSQLITE_OMIT_AUTHORIZATION",
    "-DSQLITE_OMIT_COMPLETE",
    "-DSQLITE_OMIT_DESERIALIZE",
    "-DSQLITE_OMIT_GET_TABLE",
    "-DSQLITE_OMIT_JSON",
    "-DSQLITE_OMIT_PROGRESS_CALLBACK",
    "-DSQLITE_OMIT_TCL_VARIABLE",
];

fn npm(folder: &Path) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(folder);
    command
}

/// The compiler to use: rustup's where the target is installed, else Debian's. `THONSO_WASM=debian` insists on the latter, so
/// that every machine ships the same bytes. Nothing is ever downloaded here.
fn toolchain() -> Option<Toolchain> {
    let debian_only = std::env::var("THONSO_WASM").is_ok_and(|wanted| wanted == "debian");
    if !debian_only && rustup_has_target() {
        return Some(Toolchain::Rustup);
    }
    has_debian().then_some(Toolchain::Debian)
}

fn rustup_has_target() -> bool {
    let listed = Command::new("rustup").args(["target", "list", "--installed"]).stderr(Stdio::null()).output();
    listed.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).lines().any(|line| line == TARGET))
}

/// Debian's compiler is there, with the sources of the standard library, and is new enough for the workspace.
fn has_debian() -> bool {
    let version = Command::new("/usr/bin/rustc").arg("--version").stderr(Stdio::null()).output();
    let minor = version.ok().and_then(|output| minor_of(&String::from_utf8_lossy(&output.stdout)));
    let sources = Path::new("/usr/lib/rustlib/src/rust/library/std/Cargo.toml").is_file();
    minor.is_some_and(|minor| minor >= 95) && sources && succeeds(Command::new("wasm-ld-19").arg("--version"))
}

/// `rustc 1.96.0 (…)` gives 96.
fn minor_of(version: &str) -> Option<u32> {
    version.strip_prefix("rustc 1.")?.split('.').next()?.parse().ok()
}

fn clang() -> Option<&'static str> {
    ["clang-19", "clang"].into_iter().find(|name| succeeds(Command::new(name).arg("--version")))
}

fn llvm_ar() -> Option<&'static str> {
    ["llvm-ar-19", "llvm-ar"].into_iter().find(|name| succeeds(Command::new(name).arg("--version")))
}

/// Whether everything is there that compiles the core.
pub(crate) fn has_compiler() -> bool {
    toolchain().is_some() && clang().is_some() && llvm_ar().is_some()
}

/// Whether Node is there and new enough for the bundler.
pub(crate) fn has_node() -> bool {
    let version = Command::new("node").arg("--version").stderr(Stdio::null()).output();
    let major = version.ok().and_then(|output| {
        String::from_utf8_lossy(&output.stdout).strip_prefix('v')?.split('.').next()?.parse::<u32>().ok()
    });
    major.is_some_and(|major| major >= 20) && succeeds(Command::new("npm").arg("--version"))
}

/// What the sources hold, as text that changes with any of them.
fn fingerprint() -> Result<String, Failure> {
    let mut hasher = DefaultHasher::new();
    for name in SOURCES {
        add(&root().join(name), &mut hasher)?;
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn add(path: &Path, hasher: &mut DefaultHasher) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Made, not written.
    if ["node_modules", "dist", "wasm", "contract.d.ts"].contains(&name.as_ref()) {
        return Ok(());
    }
    let cannot = |error: std::io::Error| Failure::new(format!("cannot read `{}`: {error}", path.display()));
    hasher.write(name.as_bytes());
    if path.is_dir() {
        let mut entries: Vec<PathBuf> = fs::read_dir(path)
            .map_err(cannot)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(cannot)?;
        entries.sort();
        entries.iter().try_for_each(|entry| add(entry, hasher))
    } else {
        hasher.write(&fs::read(path).map_err(cannot)?);
        Ok(())
    }
}

/// What all pages of a folder weigh, packed as they are sent; fails when they have grown past the guard.
fn weigh(name: &str, folder: &Path, most: u64) -> Result<(), Failure> {
    let total = sent(folder).map_err(|error| Failure::new(format!("cannot weigh the pages: {error}")))?;
    println!("xtask: the pages of `{name}` weigh {} kB as sent", total.div_ceil(1_000));
    if total > most {
        return Err(Failure::new(format!("the pages of `{name}` weigh {total} bytes; the guard is {most}")));
    }
    Ok(())
}

/// Bytes of a folder's files as a browser that reads brotli gets them. Icons of an installation are no part of it.
fn sent(folder: &Path) -> std::io::Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            total += sent(&path)?;
        } else if ending != "br" && ending != "png" {
            let packed = PathBuf::from(format!("{}.br", path.display()));
            total += fs::metadata(if packed.is_file() { &packed } else { &path })?.len();
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compilers_version_is_read() {
        assert_eq!(minor_of("rustc 1.96.0 (ac68faa20 2026-05-25)"), Some(96));
        assert_eq!(minor_of("rustc 2.0.0"), None);
        assert_eq!(minor_of("cargo 1.96.0"), None);
    }

    #[test]
    fn what_is_sent_is_the_packed_file_where_there_is_one() {
        let folder = crate::demo::fresh_name();
        fs::create_dir_all(folder.join("assets")).expect("it can be made");
        for (name, bytes) in [("index.html", 100), ("index.html.br", 40), ("icon.png", 999), ("assets/a.js", 7)] {
            fs::write(folder.join(name), vec![0; bytes]).expect("it can be written");
        }
        assert_eq!(sent(&folder).expect("it can be read"), 47);
        fs::remove_dir_all(&folder).expect("it can be removed");
    }
}
