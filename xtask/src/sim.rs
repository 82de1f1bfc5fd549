//! `cargo xtask sim`: builds the simulator and runs it. It is built with the museum, which no product has.

use std::process::Command;

use crate::needs::{self, Wanted};
use crate::run::{Failure, cargo, release_program, step};

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    needs::check(Wanted::default())?;
    step(&mut cargo(["build", "--release", "--package", "tests", "--features", "sim", "--bin", "sim"]))?;
    step(Command::new(release_program("sim")?).args(words)).map(drop)
}
