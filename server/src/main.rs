//! `thonso`: the server.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::cli::main(std::env::args_os())
}
