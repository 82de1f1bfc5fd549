//! `cargo xtask demo`: the product on this machine, with a sample commune or as a headless story.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::args::{Demo, Story};
use crate::needs::{self, Wanted};
use crate::run::{Failure, cargo, line, release_program, root, step, target_dir};
use crate::web;

pub(crate) fn run(options: &Demo) -> Result<(), Failure> {
    needs::check(Wanted::default())?;
    if matches!(options, Demo::Serve { without_pages: false, .. }) {
        web::run(false)?;
    }
    step(&mut cargo([
        "build",
        "--release",
        "--package",
        "thonso-server",
        "--package",
        "client-core",
        "--package",
        "tests",
        "--bins",
    ]))?;
    match options {
        Demo::Once { seed, data, story } => once(*seed, data.as_deref(), *story),
        Demo::Serve { port, data, .. } => serve(*port, data.as_deref()),
    }
}

/// Runs a whole story headless and passes on how it ended.
fn once(seed: u64, data: Option<&Path>, story: Story) -> Result<(), Failure> {
    let dir = match data {
        Some(dir) => from_here(dir),
        None => fresh_name(),
    };
    let mut told = match story {
        Story::Visit => {
            let mut journey = Command::new(release_program("journey")?);
            journey.arg("--server").arg(release_program("thonso")?);
            journey.arg("--field").arg(release_program("thonso-field")?);
            journey
        }
        Story::Province => Command::new(release_program("province")?),
    };
    told.arg("--dir").arg(&dir).arg("--seed").arg(seed.to_string());
    if !is_new(&dir)? {
        return Err(Failure::new(format!("`{}` is not empty; the story needs a new folder", dir.display())));
    }
    make(&dir)?;
    match step(&mut told) {
        Ok(_) if data.is_none() => {
            // Left-over files are a nuisance, not a failure of the story.
            fs::remove_dir_all(&dir).ok();
            Ok(())
        }
        Ok(_) => Ok(()),
        Err(failure) => {
            let message = format!("{}\nxtask: its files are kept in {}", failure.message, dir.display());
            Err(Failure { message, ..failure })
        }
    }
}

/// Serves the sample commune until Ctrl-C.
fn serve(port: u16, data: Option<&Path>) -> Result<(), Failure> {
    let thonso = release_program("thonso")?;
    let dir = match data {
        Some(dir) => from_here(dir),
        None => target_dir()?.join("demo"),
    };
    if is_new(&dir)? {
        make(&dir)?;
        let seeded = step(Command::new(&thonso).arg("demo-seed").arg("--data").arg(&dir));
        if let Err(failure) = seeded {
            // A half-seeded folder would look like a good one the next time. It was new: nothing of anyone's is in it.
            fs::remove_dir_all(&dir).ok();
            return Err(failure);
        }
    } else {
        println!("xtask: going on with the data in {} (remove the folder to begin anew)", dir.display());
    }
    let mut serve = Command::new(&thonso);
    serve.arg("serve").arg("--data").arg(&dir).arg("--listen").arg(format!("127.0.0.1:{port}"));
    become_program(&mut serve)
}

/// Puts the server in this program's place, so that Ctrl-C and every other signal reach it and nothing else.
#[cfg(unix)]
fn become_program(command: &mut Command) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt as _;
    println!("xtask: {}", line(command));
    println!("xtask: Ctrl-C stops it");
    let error = command.exec();
    Err(Failure::new(format!("cannot start `{}`: {error}", line(command))))
}

/// Runs the server as a child; the console sends Ctrl-C to both.
#[cfg(not(unix))]
fn become_program(command: &mut Command) -> Result<(), Failure> {
    println!("xtask: Ctrl-C stops it");
    step(command).map(|_| ())
}

/// A folder given by a person is meant from where the person stands; the programs run there too, but may move.
pub(crate) fn from_here(dir: &Path) -> PathBuf {
    std::path::absolute(dir).unwrap_or_else(|_| root().join(dir))
}

/// A name in the temporary folder that nobody else has.
pub(crate) fn fresh_name() -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    std::env::temp_dir().join(format!("thonso-demo-{}-{}", std::process::id(), now.as_nanos()))
}

/// Whether nothing is there yet: no such folder, or an empty one.
pub(crate) fn is_new(dir: &Path) -> Result<bool, Failure> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Failure::new(format!("cannot use `{}` for data: {error}", dir.display()))),
    }
}

/// Makes the folder, closed to other people of this machine: it will hold (sample) households.
pub(crate) fn make(dir: &Path) -> Result<(), Failure> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(dir).map_err(|error| Failure::new(format!("cannot make `{}`: {error}", dir.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_new_until_something_lies_in_it() {
        let dir = fresh_name();
        assert!(is_new(&dir).is_ok_and(|new| new), "it does not exist");
        make(&dir).expect("it can be made");
        assert!(is_new(&dir).is_ok_and(|new| new), "it is empty");
        fs::write(dir.join("a"), "").expect("it can be written to");
        assert!(is_new(&dir).is_ok_and(|new| !new), "it holds a file");
        assert!(is_new(&dir.join("a")).is_err(), "a file is no folder");
        fs::remove_dir_all(&dir).expect("it can be removed");
    }
}
