//! `cargo xtask browser`: the pages in a real browser, against a server of their own on loopback.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::needs;
use crate::run::{Failure, cargo, root, step, succeeds, target_dir};
use crate::web;

/// Makes the pages and the server that carries them, then runs the journeys. Words are passed on: names of journeys, or
/// `--screenshots FOLDER`.
pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    needs::check_browser()?;
    web::run(false)?;
    step(&mut cargo(["build", "--package", "thonso-server"]))?;
    let folder = root().join("tests/browser");
    let mut install = Command::new("npm");
    step(install.current_dir(&folder).args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    let server = target_dir()?.join("debug").join(format!("thonso{}", std::env::consts::EXE_SUFFIX));
    let mut journeys = Command::new("node");
    journeys.current_dir(&folder).arg("run.mjs").args(words);
    journeys.env("THONSO_SERVER", server);
    journeys.env("CHROMIUM", chromium().unwrap_or_else(|| "chromium".into()));
    step(&mut journeys).map(drop)
}

/// The browser: named by `CHROMIUM`, or found where systems put it.
pub(crate) fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let usual = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].map(PathBuf::from);
    let is_there = |path: &Path| path.is_file() && succeeds(Command::new(path).args(["--version", "--no-sandbox"]));
    named.into_iter().chain(usual).find(|path| is_there(path))
}
