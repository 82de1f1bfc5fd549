//! The project's commands: `cargo xtask test`, `cargo xtask demo`, `cargo xtask trial`, `cargo xtask bench`.
//!
//! This crate depends on nothing, not even on the product, so that it builds in seconds on a fresh machine and can say
//! what is missing before the long build starts. It decides nothing about the product: it runs other programs.

mod args;
mod bench;
mod browser;
mod coverage;
mod demo;
mod needs;
mod run;
mod sim;
mod test;
mod trial;
mod web;

use std::process::ExitCode;

use args::Command;

/// The command line itself was wrong, as opposed to something that failed while it was carried out.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    if let Some(code) = coverage::as_compiler() {
        return code;
    }
    let command = match args::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(usage) => {
            eprintln!("xtask: {usage}\nxtask: `cargo xtask help` lists the commands");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let outcome = match command {
        Command::Help => {
            print!("{}", args::HELP);
            Ok(())
        }
        Command::Test(options) => test::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Trial(options) => trial::run(&options),
        Command::Sim(words) => sim::run(&words),
        Command::Bench => bench::run(),
        Command::Web { force } => web::run(force),
        Command::Browser(words) => browser::run(&words),
        Command::Coverage { seeds, gaps } => coverage::run(seeds, gaps),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}
