//! `cargo xtask test`: everything that must hold before a change goes in.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::args::Test;
use crate::browser;
use crate::needs::{self, Wanted};
use crate::run::{Elapsed, Failure, cargo, step};

/// What is run. Order: cheap before dear, so that a slip in formatting costs seconds.
pub(crate) fn run(options: &Test) -> Result<(), Failure> {
    let start = Instant::now();
    needs::check(Wanted { rust_components: true, cargo_deny: options.deny })?;
    if !options.without_pages {
        needs::check_web()?;
        needs::check_browser()?;
    }

    let mut took: Vec<(&str, Duration)> = Vec::new();
    for (name, mut command) in steps(options) {
        took.push((name, step(&mut command)?));
    }
    if options.without_pages {
        println!("xtask: SKIPPED the pages and the browser: --without-pages");
    } else {
        let begun = Instant::now();
        browser::run(&[])?;
        took.push(("browser", begun.elapsed()));
    }
    if options.deny || needs::has_cargo_deny() {
        // Advisories are left out: they need a fresh copy of a database over the network (docs/KNOWN-ADVISORIES.md).
        took.push(("deny", step(&mut cargo(["deny", "check", "licenses", "bans", "sources"]))?));
    } else {
        println!("xtask: SKIPPED licences, bans and sources: cargo-deny is not installed");
        println!("xtask:   `cargo install --locked cargo-deny` adds it; `cargo xtask test --deny` insists on it");
    }

    let parts: Vec<String> = took.iter().map(|(name, took)| format!("{name} {}", Elapsed(*took))).collect();
    println!("xtask: all well in {} ({})", Elapsed(start.elapsed()), parts.join(", "));
    Ok(())
}

fn steps(options: &Test) -> Vec<(&'static str, Command)> {
    let mut steps = vec![("fmt", cargo(["fmt", "--all", "--check"]))];
    if !options.quick {
        steps.push(("clippy", cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])));
    }
    steps.push(("test", cargo(["test", "--workspace"])));
    if !options.quick {
        let mut doc = cargo(["doc", "--workspace", "--no-deps"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        steps.push(("doc", doc));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(options: &Test) -> Vec<&'static str> {
        steps(options).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn quick_leaves_out_clippy_and_docs_and_never_the_tests() {
        assert_eq!(names(&Test::default()), ["fmt", "clippy", "test", "doc"]);
        assert_eq!(names(&Test { quick: true, ..Test::default() }), ["fmt", "test"]);
    }
}
