//! The command line, read by hand: three commands do not pay for a parser.

use std::fmt;
use std::path::PathBuf;

/// Where `demo` listens unless told otherwise. Loopback only.
pub(crate) const DEMO_PORT: u16 = 8787;

/// The seed of `demo --once` unless told otherwise.
pub(crate) const DEMO_SEED: u64 = 1;

/// The phones, minutes and seed of `trial` unless told otherwise.
pub(crate) const TRIAL: Trial = Trial { phones: 24, minutes: 2, seed: 1, without_full_disks: false, data: None };

/// The worlds of `coverage` unless told otherwise.
pub(crate) const COVERAGE_SEEDS: u32 = 60;

/// Printed by `help`, on standard output.
pub(crate) const HELP: &str = "\
The project's commands.

cargo xtask test [--quick] [--deny] [--without-pages]
    Checks what the build needs, then formatting, clippy, every test, the API docs, licences and sources with cargo-deny
    where it is installed, and the pages in a real browser. Stops at the first failure.
      --quick   leave out clippy and the API docs
      --deny    fail if cargo-deny is not installed
      --without-pages  where there is no browser, or no compiler for WebAssembly; the result says that this was not run

cargo xtask demo [--port N] [--data DIR] [--without-pages]
    Builds the pages, server and field client, seeds a sample commune when DIR is new, and serves it on loopback until Ctrl-C.
      --port N    listen on 127.0.0.1:N (default 8787; 0 takes any free port, the server prints which)
      --data DIR  keep the data there (default: `demo` in the build folder)
      --without-pages  leave the field app out, where there is no compiler for WebAssembly

cargo xtask web [--force]
    Makes the pages that the server carries, when something of theirs has changed.

cargo xtask browser [NAME …] [--screenshots DIR]
    Makes the pages and tries them in Chromium, on a screen of 360×640: every journey, or those whose names are given.
      --screenshots DIR  writes a picture of every screen instead, in both languages, light and dark

cargo xtask demo --once [--story visit|province] [--seed N] [--data DIR]
    Runs a whole story without a screen. Prints what happened; exits 0 only if every count agrees.
      --story visit     one visit with everything that goes wrong around it: phones, server, lost signal, power cut (default)
      --story province  a year of one province at its true size, with its reorganisations and reports; takes about a quarter
                        of an hour and some GB of disk
      --seed N    the same seed gives the same story (default 1)
      --data DIR  leave the files there for a look (default: a fresh temporary folder, removed after success)

cargo xtask sim [--seeds N] [--start S] [--minutes M] [--jobs J] [--twice] [--complete]
    Plays simulated worlds of phones and a server over disks and networks that fail, and judges them by an independent
    model. Prints one line per broken world and, last, one line of JSON; exits 0 only if nothing broke.
      --seeds N    so many worlds (default 1000), from seed S on (default 0), J at a time (default 2)
      --minutes M  stop after so long
      --twice      play every world twice and compare the fingerprints
      --complete   fail also if a branch that a long run must reach was never taken

cargo xtask sim --replay SEED
    Plays one world; if it breaks, tells the story with what is not needed left out.

cargo xtask sim --museum [--seeds N]
    Switches every known bug on, one after the other; exits 0 only if each is caught within N worlds.

cargo xtask trial [--phones N] [--minutes M] [--seed S] [--data DIR] [--without-full-disks]
    A real server and many phones, each a process, over a line that resets, throttles, swallows and doubles; both
    sides are killed at random, disks fill up. Then everybody syncs and everything is counted; exits 0 only if nothing
    was lost or doubled and every kind of fault really happened. Full disks take root, or user namespaces.
      --phones N   so many processes (default 24 phones)
      --minutes M  so long, the counting aside (default 2 minutes)
      --seed S     the same seed chooses the same harm, the scheduling of processes aside (default seed 1)
      --data DIR   leave the files there for a look (default: a fresh temporary folder, removed after success)
      --without-full-disks  where no small disk can be mounted; the result says that this part was not run

cargo xtask bench
    Runs the benchmarks, then measures the budgets end to end.

cargo xtask coverage [--seeds N] [--gaps]
    Which lines and branches of the protocol, the phone's store and its session are reached by their tests and the
    simulator: a table. Needs LLVM's llvm-profdata and llvm-cov; says how to install them where they lack.
      --seeds N  the simulator plays so many worlds (default 60; 0 leaves it out)
      --gaps     name also what was not reached, by line

cargo xtask help
    This text.

Exit codes: 0 all well, 1 something failed, 2 the command line was not understood; `demo` passes on the code of what
it ran.
";

/// One command line, understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Test(Test),
    Demo(Demo),
    Sim(Vec<String>),
    Trial(Trial),
    Bench,
    Web { force: bool },
    Browser(Vec<String>),
    Coverage { seeds: u32, gaps: bool },
}

/// `cargo xtask test`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Test {
    /// Leave out clippy and the API docs.
    pub(crate) quick: bool,
    /// A missing cargo-deny is a failure instead of a skipped step.
    pub(crate) deny: bool,
    /// Leave out the pages and the browser.
    pub(crate) without_pages: bool,
}

/// `cargo xtask demo`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Demo {
    /// Serve a sample commune until stopped.
    Serve { port: u16, data: Option<PathBuf>, without_pages: bool },
    /// Run a story once, headless.
    Once { seed: u64, data: Option<PathBuf>, story: Story },
}

/// A story without a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    /// One visit and everything that goes wrong around it.
    Visit,
    /// A year of a province.
    Province,
}

/// `cargo xtask trial`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Trial {
    /// Processes that play phones.
    pub(crate) phones: u32,
    /// How long.
    pub(crate) minutes: u32,
    /// What is chosen.
    pub(crate) seed: u64,
    /// No small disk can be mounted here.
    pub(crate) without_full_disks: bool,
    /// Where the files stay.
    pub(crate) data: Option<PathBuf>,
}

/// A command line that was not understood, in words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn usage<T>(message: impl Into<String>) -> Result<T, Usage> {
    Err(Usage(message.into()))
}

/// Reads the words after `cargo xtask`.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Command, Usage> {
    let mut words = words.into_iter();
    let Some(name) = words.next() else { return usage("no command given") };
    let rest: Vec<String> = words.collect();
    let asks_help = rest.iter().any(|word| word == "--help" || word == "-h");
    match name.as_str() {
        "help" | "--help" | "-h" => Ok(Command::Help),
        "test" | "demo" | "sim" | "trial" | "bench" | "coverage" | "web" | "browser" if asks_help => Ok(Command::Help),
        "test" => parse_test(rest).map(Command::Test),
        "demo" => parse_demo(rest).map(Command::Demo),
        // The simulator reads its own words.
        "sim" => Ok(Command::Sim(rest)),
        "trial" => parse_trial(rest).map(Command::Trial),
        "coverage" => parse_coverage(rest),
        // The journeys read their own words.
        "browser" => Ok(Command::Browser(rest)),
        "web" => match rest.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => Ok(Command::Web { force: false }),
            ["--force"] => Ok(Command::Web { force: true }),
            _ => usage("`web` knows only `--force`"),
        },
        "bench" => match rest.first() {
            Some(word) => usage(format!("`bench` takes no options, but got `{word}`")),
            None => Ok(Command::Bench),
        },
        _ => usage(format!("there is no command `{name}`")),
    }
}

fn parse_test(words: Vec<String>) -> Result<Test, Usage> {
    let mut test = Test::default();
    for word in words {
        match word.as_str() {
            "--quick" => test.quick = true,
            "--deny" => test.deny = true,
            "--without-pages" => test.without_pages = true,
            _ => return usage(format!("`test` does not know `{word}`")),
        }
    }
    Ok(test)
}

fn parse_demo(words: Vec<String>) -> Result<Demo, Usage> {
    let (mut once, mut port, mut data, mut seed, mut story) = (false, None, None, None, None);
    let mut without_pages = false;
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
            _ => (word, None),
        };
        if name == "--once" && inline.is_none() {
            once = true;
            continue;
        }
        if name == "--without-pages" && inline.is_none() {
            without_pages = true;
            continue;
        }
        if !matches!(name.as_str(), "--port" | "--data" | "--seed" | "--story") {
            return usage(format!("`demo` does not know `{name}`"));
        }
        let Some(value) = inline.or_else(|| words.next()) else { return usage(format!("`{name}` needs a value")) };
        match name.as_str() {
            "--port" => port = Some(number::<u16>(&name, &value)?),
            "--seed" => seed = Some(number::<u64>(&name, &value)?),
            "--story" => match value.as_str() {
                "visit" => story = Some(Story::Visit),
                "province" => story = Some(Story::Province),
                _ => return usage(format!("`--story` is `visit` or `province`, not `{value}`")),
            },
            _ if value.is_empty() => return usage("`--data` needs the path of a folder"),
            _ => data = Some(PathBuf::from(value)),
        }
    }
    if !once && story.is_some() {
        return usage("`--story` goes with `--once`");
    }
    match (once, port, seed) {
        (true, Some(_), _) => usage("`--port` goes without `--once`: the headless story finds its own free ports"),
        (false, _, Some(_)) => usage("`--seed` goes with `--once`"),
        (true, None, seed) => {
            Ok(Demo::Once { seed: seed.unwrap_or(DEMO_SEED), data, story: story.unwrap_or(Story::Visit) })
        }
        (false, port, None) => Ok(Demo::Serve { port: port.unwrap_or(DEMO_PORT), data, without_pages }),
    }
}

fn parse_trial(words: Vec<String>) -> Result<Trial, Usage> {
    let mut trial = TRIAL;
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
            _ => (word, None),
        };
        if name == "--without-full-disks" && inline.is_none() {
            trial.without_full_disks = true;
            continue;
        }
        if !matches!(name.as_str(), "--phones" | "--minutes" | "--seed" | "--data") {
            return usage(format!("`trial` does not know `{name}`"));
        }
        let Some(value) = inline.or_else(|| words.next()) else { return usage(format!("`{name}` needs a value")) };
        match name.as_str() {
            "--phones" => trial.phones = number::<u32>(&name, &value)?,
            "--minutes" => trial.minutes = number::<u32>(&name, &value)?,
            "--seed" => trial.seed = number::<u64>(&name, &value)?,
            _ if value.is_empty() => return usage("`--data` needs the path of a folder"),
            _ => trial.data = Some(PathBuf::from(value)),
        }
    }
    if trial.phones == 0 || trial.minutes == 0 {
        return usage("`trial` needs at least one phone and one minute");
    }
    Ok(trial)
}

fn parse_coverage(words: Vec<String>) -> Result<Command, Usage> {
    let (mut seeds, mut gaps) = (COVERAGE_SEEDS, false);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value.to_owned()))) {
            ("--gaps", None) => gaps = true,
            ("--seeds", inline) => match inline.or_else(|| words.next()) {
                Some(value) => seeds = number("--seeds", &value)?,
                None => return usage("`--seeds` needs a value"),
            },
            _ => return usage(format!("`coverage` does not know `{word}`")),
        }
    }
    Ok(Command::Coverage { seeds, gaps })
}

fn number<N: std::str::FromStr>(name: &str, value: &str) -> Result<N, Usage> {
    value.parse().or_else(|_| usage(format!("`{name}` needs a whole number in range, not `{value}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, Usage> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn complaint(line: &str) -> String {
        read(line).expect_err(line).to_string()
    }

    #[test]
    fn each_command_has_its_defaults() {
        assert_eq!(read("test"), Ok(Command::Test(Test::default())));
        assert_eq!(read("demo"), Ok(Command::Demo(Demo::Serve { port: DEMO_PORT, data: None, without_pages: false })));
        assert_eq!(
            read("demo --once"),
            Ok(Command::Demo(Demo::Once { seed: DEMO_SEED, data: None, story: Story::Visit }))
        );
        assert_eq!(read("trial"), Ok(Command::Trial(TRIAL)));
        assert_eq!(read("bench"), Ok(Command::Bench));
        assert_eq!(read("coverage"), Ok(Command::Coverage { seeds: COVERAGE_SEEDS, gaps: false }));
        assert_eq!(read("sim --seeds 3"), Ok(Command::Sim(vec!["--seeds".into(), "3".into()])));
    }

    #[test]
    fn options_are_read_in_any_order_and_both_spellings() {
        assert_eq!(
            read("test --deny --quick --without-pages"),
            Ok(Command::Test(Test { quick: true, deny: true, without_pages: true }))
        );
        let served = Ok(Command::Demo(Demo::Serve { port: 0, data: Some("x/y".into()), without_pages: false }));
        assert_eq!(read("demo --data x/y --port 0"), served);
        assert_eq!(read("demo --port=0 --data=x/y"), served);
        let once = Ok(Command::Demo(Demo::Once { seed: 7, data: Some("z".into()), story: Story::Visit }));
        assert_eq!(read("demo --seed 7 --data z --once"), once);
        let year = Demo::Once { seed: DEMO_SEED, data: None, story: Story::Province };
        assert_eq!(read("demo --once --story province"), Ok(Command::Demo(year)));
        let trial = Trial { phones: 200, minutes: 5, seed: 9, without_full_disks: true, data: Some("z".into()) };
        let line = "trial --seed=9 --minutes 5 --without-full-disks --data z --phones 200";
        assert_eq!(read(line), Ok(Command::Trial(trial)));
        assert_eq!(read("coverage --gaps --seeds 0"), Ok(Command::Coverage { seeds: 0, gaps: true }));
        assert_eq!(read("coverage --seeds=7"), Ok(Command::Coverage { seeds: 7, gaps: false }));
    }

    #[test]
    fn help_is_given_wherever_it_is_asked_for() {
        for line in ["help", "--help", "-h", "test --help", "demo -h", "trial --help", "bench --help", "coverage -h"] {
            assert_eq!(read(line), Ok(Command::Help), "{line}");
        }
    }

    #[test]
    fn the_help_text_names_the_defaults_that_hold() {
        assert!(HELP.contains(&format!("default {DEMO_PORT};")));
        assert!(HELP.contains(&format!("(default {DEMO_SEED})")));
        assert!(HELP.contains(&format!("(default {} phones)", TRIAL.phones)));
        assert!(HELP.contains(&format!("(default {} minutes)", TRIAL.minutes)));
        assert!(HELP.contains(&format!("(default seed {})", TRIAL.seed)));
        assert!(HELP.contains(&format!("(default {COVERAGE_SEEDS};")));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert!(complaint("").contains("no command"));
        assert!(complaint("deploy").contains("`deploy`"));
        assert!(complaint("deploy --help").contains("`deploy`"));
        assert!(complaint("test --fast").contains("`--fast`"));
        assert!(complaint("demo here").contains("`here`"));
        assert!(complaint("demo --once=yes").contains("`--once`"));
        assert!(complaint("trial --many").contains("`--many`"));
        assert!(complaint("bench --all").contains("`--all`"));
        assert!(complaint("coverage --all").contains("`--all`"));
    }

    #[test]
    fn values_must_be_there_and_in_range() {
        assert!(complaint("demo --port").contains("needs a value"));
        assert!(complaint("demo --port 65536").contains("`65536`"));
        assert!(complaint("demo --once --seed -1").contains("`-1`"));
        assert!(complaint("demo --data=").contains("folder"));
        assert!(complaint("trial --phones").contains("needs a value"));
        assert!(complaint("coverage --seeds").contains("needs a value"));
        assert!(complaint("coverage --seeds=many").contains("`many`"));
        assert!(complaint("trial --phones 0").contains("at least one"));
        assert!(complaint("trial --minutes=-2").contains("`-2`"));
    }

    #[test]
    fn options_that_do_not_go_together_are_refused() {
        assert!(complaint("demo --once --port 1").contains("--port"));
        assert!(complaint("demo --seed 3").contains("--once"));
        assert!(complaint("demo --story province").contains("--once"));
        assert!(complaint("demo --once --story novel").contains("novel"));
    }
}
