//! `cargo xtask trial`: a real server and many phones as processes, killed and cut off at random, then counted.

use std::fs;
use std::process::Command;

use crate::args::Trial;
use crate::demo::{fresh_name, from_here, is_new, make};
use crate::needs::{self, Wanted};
use crate::run::{Failure, cargo, release_program, step};

pub(crate) fn run(options: &Trial) -> Result<(), Failure> {
    needs::check(Wanted::default())?;
    step(&mut cargo(["build", "--release", "--package", "thonso-server", "--package", "tests", "--bins"]))?;
    let dir = options.data.as_deref().map_or_else(fresh_name, from_here);
    if !is_new(&dir)? {
        return Err(Failure::new(format!("`{}` is not empty; the trial needs a new folder", dir.display())));
    }
    make(&dir)?;
    let mut trial = Command::new(release_program("trial")?);
    trial.arg("--server").arg(release_program("thonso")?).arg("--dir").arg(&dir);
    for (name, value) in
        [("--phones", options.phones.into()), ("--minutes", options.minutes.into()), ("--seed", options.seed)]
    {
        let value: u64 = value;
        trial.arg(name).arg(value.to_string());
    }
    if options.without_full_disks {
        trial.arg("--without-full-disks");
    }
    match step(&mut trial) {
        Ok(_) => {
            if options.data.is_none() {
                // Left-over files are a nuisance, not a failure of the trial.
                fs::remove_dir_all(&dir).ok();
            }
            Ok(())
        }
        Err(failure) => {
            let message = format!("{}\nxtask: its files are kept in {}", failure.message, dir.display());
            Err(Failure { message, ..failure })
        }
    }
}
