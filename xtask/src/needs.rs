//! What the build needs beyond Rust and the package registry, checked before the long build instead of in its middle.
//!
//! SQLite comes as SQLCipher and is compiled here; its cipher is the system's libcrypto, found by the linker (on Apple
//! systems CommonCrypto, which is always there). So a C compiler and OpenSSL's headers and library must be there.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{Failure, cargo, succeeds};
use crate::{browser, web};

/// Something that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// No C compiler that makes a program.
    CCompiler,
    /// OpenSSL's headers or its libcrypto.
    OpenSsl,
    /// `cargo fmt` or `cargo clippy`.
    RustComponents,
    /// `cargo deny`, only where it was asked for.
    CargoDeny,
    /// A compiler for WebAssembly, for Rust and for C.
    WasmCompiler,
    /// Node 20 or newer, with npm.
    Node,
    /// Chromium, for the browser tests.
    Chromium,
}

impl Missing {
    fn what(self) -> &'static str {
        match self {
            Self::CCompiler => "a C compiler (SQLite, zstd and BLAKE3 are compiled from C)",
            Self::OpenSsl => "OpenSSL's headers and libcrypto (SQLCipher is built against them)",
            Self::RustComponents => "rustfmt and clippy",
            Self::CargoDeny => "cargo-deny",
            Self::WasmCompiler => "a compiler for WebAssembly (the field app runs the core in the browser)",
            Self::Node => "Node 20 or newer, with npm (it bundles the pages)",
            Self::Chromium => "Chromium (the pages are tried in it)",
        }
    }
}

/// Which tools a command will use.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted {
    /// `cargo fmt` and `cargo clippy`.
    pub(crate) rust_components: bool,
    /// `cargo deny`.
    pub(crate) cargo_deny: bool,
}

/// Fails with the one line to type if something lacks.
pub(crate) fn check(wanted: Wanted) -> Result<(), Failure> {
    let missing = find(wanted);
    if missing.is_empty() {
        println!("xtask: everything the build needs is here");
        return Ok(());
    }
    Err(Failure::new(advice(&missing, Installer::of_this_machine(), is_root())))
}

/// Fails with the one line to type if something lacks that makes the pages.
pub(crate) fn check_web() -> Result<(), Failure> {
    let mut missing = Vec::new();
    if !web::has_compiler() {
        missing.push(Missing::WasmCompiler);
    }
    if !web::has_node() {
        missing.push(Missing::Node);
    }
    demand(&missing)
}

/// Fails with the one line to type if there is no browser to try the pages in.
pub(crate) fn check_browser() -> Result<(), Failure> {
    let missing = if browser::chromium().is_some() { vec![] } else { vec![Missing::Chromium] };
    demand(&missing)
}

fn demand(missing: &[Missing]) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(advice(missing, Installer::of_this_machine(), is_root())))
}

/// Whether `cargo deny` can be run.
pub(crate) fn has_cargo_deny() -> bool {
    succeeds(&mut cargo(["deny", "--version"]))
}

fn find(wanted: Wanted) -> Vec<Missing> {
    let mut missing = Vec::new();
    if !links("int main(void) { return 0; }\n", &[]) {
        missing.push(Missing::CCompiler);
    }
    // Without a compiler nothing can be tried, but a bare machine has no headers either: name both in one go.
    let needs_openssl = !cfg!(target_vendor = "apple");
    if needs_openssl && !links(USES_LIBCRYPTO, &openssl_flags()) && (missing.is_empty() || !has_openssl_header()) {
        missing.push(Missing::OpenSsl);
    }
    if wanted.rust_components
        && !(succeeds(&mut cargo(["fmt", "--version"])) && succeeds(&mut cargo(["clippy", "--version"])))
    {
        missing.push(Missing::RustComponents);
    }
    if wanted.cargo_deny && !has_cargo_deny() {
        missing.push(Missing::CargoDeny);
    }
    missing
}

/// The least that SQLCipher asks of OpenSSL: its headers, and a symbol of libcrypto.
const USES_LIBCRYPTO: &str = "#include <openssl/evp.h>\nint main(void) { return EVP_sha512() == 0; }\n";

/// The places that SQLite's build script looks at, so that whoever sets them is not told to install a package.
fn openssl_flags() -> Vec<String> {
    let dir = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let mut flags = Vec::new();
    let home = dir("OPENSSL_DIR");
    if let Some(include) = dir("OPENSSL_INCLUDE_DIR").or_else(|| home.as_ref().map(|home| home.join("include"))) {
        flags.push(format!("-I{}", include.display()));
    }
    let libs = dir("OPENSSL_LIB_DIR").map(|lib| vec![lib]);
    let libs = libs.or_else(|| home.map(|home| vec![home.join("lib64"), home.join("lib")]));
    flags.extend(libs.unwrap_or_default().iter().map(|lib| format!("-L{}", lib.display())));
    flags.push("-lcrypto".to_owned());
    flags
}

fn has_openssl_header() -> bool {
    Path::new("/usr/include/openssl/evp.h").is_file()
}

/// Whether the C compiler that Rust's build scripts would call makes a program of this source.
fn links(source: &str, flags: &[String]) -> bool {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    // `CC` may carry words of its own, such as `ccache gcc`.
    let mut words = compiler.split_whitespace();
    let Some(program) = words.next() else { return false };
    let out = std::env::temp_dir().join(format!("thonso-needs-{}", std::process::id()));
    let child = Command::new(program)
        .args(words)
        .args(["-x", "c", "-", "-o"])
        .arg(&out)
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    // A compiler that ends early closes the pipe; its exit status tells, not this write.
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(source.as_bytes()).ok();
    }
    let linked = child.wait().is_ok_and(|status| status.success());
    std::fs::remove_file(&out).ok();
    linked
}

/// How this machine installs packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Installer {
    Apt,
    Dnf,
    Apk,
    Pacman,
    Zypper,
    Apple,
    Unknown,
}

impl Installer {
    fn of_this_machine() -> Self {
        if cfg!(target_vendor = "apple") {
            return Self::Apple;
        }
        let known = [
            ("apt-get", Self::Apt),
            ("dnf", Self::Dnf),
            ("apk", Self::Apk),
            ("pacman", Self::Pacman),
            ("zypper", Self::Zypper),
        ];
        let found = known.iter().find(|(program, _)| succeeds(Command::new(program).arg("--version")));
        found.map_or(Self::Unknown, |(_, installer)| *installer)
    }

    fn command(self) -> &'static str {
        match self {
            Self::Apt => "apt-get install -y",
            Self::Dnf => "dnf install -y",
            Self::Apk => "apk add",
            Self::Pacman => "pacman -S --needed",
            Self::Zypper => "zypper install -y",
            Self::Apple | Self::Unknown => "",
        }
    }

    /// The packages that bring it here; none for what Rust itself installs.
    fn packages(self, missing: Missing) -> &'static [&'static str] {
        match (missing, self) {
            (Missing::RustComponents | Missing::CargoDeny, _) | (_, Self::Apple | Self::Unknown) => &[],
            (Missing::WasmCompiler, Self::Apt) => {
                &["clang-19", "llvm-19", "lld-19", "rustc-web", "cargo-web", "rust-web-src"]
            }
            (Missing::WasmCompiler, _) => &["clang", "llvm"],
            (Missing::Node, Self::Apk | Self::Pacman | Self::Apt) => &["nodejs", "npm"],
            (Missing::Node, Self::Dnf) => &["nodejs"],
            (Missing::Node, Self::Zypper) => &["nodejs20", "npm20"],
            (Missing::Chromium, _) => &["chromium"],
            (Missing::CCompiler, Self::Apt) => &["gcc", "libc6-dev"],
            (Missing::CCompiler, Self::Apk) => &["gcc", "musl-dev"],
            (Missing::CCompiler, Self::Dnf | Self::Pacman | Self::Zypper) => &["gcc"],
            (Missing::OpenSsl, Self::Apt) => &["libssl-dev"],
            (Missing::OpenSsl, Self::Dnf) => &["openssl-devel"],
            (Missing::OpenSsl, Self::Apk) => &["openssl-dev"],
            (Missing::OpenSsl, Self::Pacman) => &["openssl"],
            (Missing::OpenSsl, Self::Zypper) => &["libopenssl-devel"],
        }
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// What is missing, then one line to type.
fn advice(missing: &[Missing], installer: Installer, root: bool) -> String {
    let mut text = String::from("this machine lacks something:\n");
    for one in missing {
        text.push_str("  - ");
        text.push_str(one.what());
        text.push('\n');
    }
    let packages: Vec<&str> = missing.iter().flat_map(|one| installer.packages(*one)).copied().collect();
    let mut commands = Vec::new();
    if !packages.is_empty() {
        let sudo = if root { "" } else { "sudo " };
        commands.push(format!("{sudo}{} {}", installer.command(), packages.join(" ")));
    }
    if installer == Installer::Apple && missing.contains(&Missing::CCompiler) {
        commands.push("xcode-select --install".to_owned());
    }
    if missing.contains(&Missing::RustComponents) {
        commands.push("rustup component add rustfmt clippy".to_owned());
    }
    if missing.contains(&Missing::WasmCompiler) && installer != Installer::Apt {
        commands.push("rustup target add wasm32-unknown-unknown".to_owned());
    }
    if missing.contains(&Missing::CargoDeny) {
        commands.push("cargo install --locked cargo-deny".to_owned());
    }
    if commands.is_empty() {
        text.push_str("install it with your system's package manager, then repeat the command");
    } else {
        text.push_str("type this, then repeat the command:\n  ");
        text.push_str(&commands.join(" && "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_is_one_line_to_type() {
        let missing = [Missing::CCompiler, Missing::OpenSsl, Missing::RustComponents];
        let text = advice(&missing, Installer::Apt, false);
        let last = text.lines().last().unwrap_or_default().trim();
        assert_eq!(
            last, "sudo apt-get install -y gcc libc6-dev libssl-dev && rustup component add rustfmt clippy",
            "{text}"
        );
        assert_eq!(text.lines().filter(|line| line.starts_with("  - ")).count(), missing.len());
    }

    #[test]
    fn root_is_not_told_to_use_sudo() {
        assert!(advice(&[Missing::OpenSsl], Installer::Dnf, true).ends_with("\n  dnf install -y openssl-devel"));
    }

    #[test]
    fn an_unknown_system_is_told_what_lacks_and_no_made_up_command() {
        let text = advice(&[Missing::OpenSsl], Installer::Unknown, false);
        assert!(text.contains("libcrypto") && text.ends_with("repeat the command"), "{text}");
        assert!(!text.contains("type this"), "{text}");
    }

    #[test]
    fn every_known_installer_has_packages_for_both_c_needs() {
        for installer in [Installer::Apt, Installer::Dnf, Installer::Apk, Installer::Pacman, Installer::Zypper] {
            for missing in [Missing::CCompiler, Missing::OpenSsl] {
                assert!(!installer.packages(missing).is_empty(), "{installer:?} {missing:?}");
            }
        }
    }

    #[test]
    fn a_source_that_is_not_c_does_not_link() {
        assert!(!links("this is not C\n", &[]));
        assert!(!links("int main(void) { return 0; }\n", &["-lthonso_no_such_library".to_owned()]));
    }
}
