//! Running other programs: what is run is said first, how long it took is said after.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What stopped a command, in words, and the exit code that tells of it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) code: u8,
}

impl Failure {
    /// A failure with the ordinary exit code.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }
}

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable when it runs this program; the compiled-in path serves a program started by hand.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let manifest = manifest.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    manifest.parent().map(Path::to_path_buf).unwrap_or(manifest)
}

/// A cargo command in the workspace's folder, by the same cargo that runs this program.
pub(crate) fn cargo<'a>(words: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).current_dir(root());
    command
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={}", name.to_string_lossy(), quoted(&value.to_string_lossy())));
        }
    }
    let program = Path::new(command.get_program());
    // `CARGO` holds a full path; people type the name.
    let is_cargo = program.file_stem().is_some_and(|stem| stem == "cargo");
    words.push(if is_cargo { "cargo".to_owned() } else { quoted(&program.to_string_lossy()) });
    words.extend(command.get_args().map(|word| quoted(&word.to_string_lossy())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Runs one step with its output passed through. Fails with the exact command line to repeat.
pub(crate) fn step(command: &mut Command) -> Result<Duration, Failure> {
    let line = line(command);
    println!("xtask: {line}");
    let start = Instant::now();
    let status = command.status().map_err(|error| Failure::new(format!("cannot start `{line}`: {error}")))?;
    let elapsed = start.elapsed();
    if status.success() {
        println!("xtask: done in {}", Elapsed(elapsed));
        return Ok(elapsed);
    }
    // A program ended by a signal has no exit code of its own.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(1);
    Err(Failure { message: format!("FAILED after {} ({status}): {line}", Elapsed(elapsed)), code })
}

/// Whether a program starts and ends well; its output is of no interest.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The folder that cargo builds into, wherever configuration or environment put it.
pub(crate) fn target_dir() -> Result<PathBuf, Failure> {
    let mut command = cargo(["metadata", "--no-deps", "--format-version", "1"]);
    let line = line(&command);
    let cannot = |why: String| Failure::new(format!("cannot learn the build folder from `{line}`: {why}"));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| cannot(error.to_string()))?;
    let mut metadata = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut metadata).map_err(|error| cannot(error.to_string()))?;
    }
    let status = child.wait().map_err(|error| cannot(error.to_string()))?;
    if !status.success() {
        return Err(cannot(status.to_string()));
    }
    json_text(&metadata, "target_directory").map(PathBuf::from).ok_or_else(|| cannot("no such field".to_owned()))
}

/// The text value of the last `"key":"…"` in a JSON document written without spaces, as cargo writes it.
///
/// The last, because the field wanted stands after the list of packages, whose own metadata is free text.
pub(crate) fn json_text(json: &str, key: &str) -> Option<String> {
    let needle = format!("\"{key}\":\"");
    let mut rest = json[json.rfind(&needle)? + needle.len()..].chars();
    let mut text = String::new();
    loop {
        match rest.next()? {
            '"' => return Some(text),
            '\\' => match rest.next()? {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'u' => {
                    let digits: String = rest.by_ref().take(4).collect();
                    text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                c @ ('"' | '\\' | '/') => text.push(c),
                _ => return None,
            },
            c => text.push(c),
        }
    }
}

/// A built program in the release folder.
pub(crate) fn release_program(name: &str) -> Result<PathBuf, Failure> {
    let path = target_dir()?.join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if path.is_file() { Ok(path) } else { Err(Failure::new(format!("the build left no `{}`", path.display()))) }
}

/// A duration for people: tenths of seconds, then minutes.
pub(crate) struct Elapsed(pub(crate) Duration);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..60 => write!(f, "{seconds}.{} s", self.0.subsec_millis() / 100),
            _ => write!(f, "{} min {:02} s", seconds / 60, seconds % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_folder_is_read_from_cargos_answer() {
        let json =
            r#"{"packages":[{"metadata":{"target_directory":"wrong"}}],"target_directory":"C:\\a \"b\"\/\u0111"}"#;
        assert_eq!(json_text(json, "target_directory").as_deref(), Some(r#"C:\a "b"/đ"#));
        assert_eq!(json_text(json, "workspace_root"), None);
        assert_eq!(json_text(r#"{"target_directory":"cut"#, "target_directory"), None);
    }

    #[test]
    fn a_printed_command_can_be_typed_again() {
        let mut command = Command::new("/some/where/cargo");
        command.args(["clippy", "--", "-D", "warnings", "it's"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(line(&command), r"RUSTDOCFLAGS='-D warnings' cargo clippy -- -D warnings 'it'\''s'");
    }

    #[test]
    fn elapsed_times_read_well() {
        assert_eq!(Elapsed(Duration::from_millis(1_290)).to_string(), "1.2 s");
        assert_eq!(Elapsed(Duration::from_secs(605)).to_string(), "10 min 05 s");
    }

    #[cfg(unix)]
    #[test]
    fn a_failed_step_names_its_command_and_passes_on_its_code() {
        let failure = step(Command::new("sh").args(["-c", "exit 7"])).expect_err("it exits with 7");
        assert_eq!(failure.code, 7);
        assert!(failure.message.ends_with("sh -c 'exit 7'"), "{}", failure.message);
        let failure = step(&mut Command::new("thonso-no-such-program")).expect_err("it cannot start");
        assert_eq!(failure.code, 1);
    }
}
