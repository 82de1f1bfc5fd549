//! House rules, checked from manifests and sources: what may depend on what, and what must be absent where.
//!
//! Every rule is a function from a folder to its breaches, each with file and line. It runs twice: over this repository,
//! where it must find nothing, and over a small made-up one, where it must find what was put there. A rule that cannot
//! fail is not a rule.
//!
//! Sources are read as tokens, not as text: a word in a comment or in a string is not code, and code under
//! `#[cfg(test)]` is told apart. Sources written by macros are not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization as _;

/// One place where a rule is broken.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Breach {
    /// Relative to the repository, with `/`.
    file: String,
    /// From 1; 0 when the file or folder as a whole is meant.
    line: usize,
    what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}: {}", self.file, self.what),
        }
    }
}

fn breach(file: impl Into<String>, line: usize, what: impl Into<String>) -> Breach {
    Breach { file: file.into(), line, what: what.into() }
}

type Rule = fn(&Path) -> Vec<Breach>;

/// Runs a rule over this repository.
fn hold(rule: Rule) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace");
    let breaches = rule(root);
    let list: Vec<String> = breaches.iter().map(Breach::to_string).collect();
    assert!(list.is_empty(), "{} breach(es) of a house rule:\n{}\n", list.len(), list.join("\n"));
}

// ---------------------------------------------------------------------------------------------------------------------
// The rules on this repository
// ---------------------------------------------------------------------------------------------------------------------

#[test]
fn dependencies_point_one_way() {
    hold(dependency_direction);
}

#[test]
fn the_protocol_has_no_io_no_clock_and_no_chance() {
    hold(protocol_is_pure);
}

#[test]
fn sql_stays_in_the_storage_modules() {
    hold(sql_in_storage_only);
}

#[test]
fn http_stays_in_the_http_module() {
    hold(http_at_the_edge_only);
}

#[test]
fn the_servers_layers_look_downwards() {
    hold(layers_of_the_server);
}

#[test]
fn tests_run_always_and_wait_for_nothing() {
    hold(tests_are_honest);
}

#[test]
fn no_folder_stands_at_the_top_without_a_decision() {
    hold(top_level_folders);
}

#[test]
fn migrations_are_numbered_without_gaps() {
    hold(migrations_in_order);
}

#[test]
fn no_file_speaks_of_the_machine_it_was_written_on() {
    hold(no_machine_paths);
}

#[test]
fn pages_have_their_words_in_both_languages() {
    hold(words_of_pages);
}

#[test]
fn one_sqlite_is_in_the_build() {
    hold(one_sqlite);
}

#[test]
fn actix_web_cannot_decompress() {
    hold(no_decompression);
}

// ---------------------------------------------------------------------------------------------------------------------
// Dependency direction
// ---------------------------------------------------------------------------------------------------------------------

/// Folder of a member, and the members that it may depend on in any way, tests included.
const DIRECTION: &[(&str, &[&str])] = &[
    ("sync-protocol", &[]),
    ("client-core", &["sync-protocol"]),
    ("server", &["sync-protocol"]),
    ("tests", &["sync-protocol", "client-core", "server", "faultdisk"]),
    ("tests/faultdisk", &[]),
    ("tests/fuzz", &["sync-protocol", "client-core", "server"]),
    ("web/core", &["client-core"]),
    ("web/pack", &["client-core"]),
    ("xtask", &[]),
];

/// client-core → sync-protocol ← server; tests → all three and its simulated disks; web → client-core, because a page is a
/// phone; xtask → none; and nobody else.
fn dependency_direction(root: &Path) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let workspace = Manifest::load(root, "Cargo.toml", &mut breaches);
    let shared = workspace.table(&["workspace", "dependencies"]);
    for member in workspace.members() {
        let Some((_, allowed)) = DIRECTION.iter().find(|(name, _)| *name == member) else {
            let line = workspace.line_of(&format!("\"{member}\""));
            breaches.push(breach("Cargo.toml", line, format!("member `{member}` is not one of the house's crates")));
            continue;
        };
        let manifest = Manifest::load(root, &format!("{member}/Cargo.toml"), &mut breaches);
        for dependency in manifest.dependencies() {
            let Some(path) = dependency.path(&shared) else { continue };
            let target = path.rsplit('/').next().unwrap_or_default().to_owned();
            if !allowed.contains(&target.as_str()) {
                let what = format!("`{member}` must not depend on `{target}`");
                breaches.push(breach(&manifest.file, dependency.line, what));
            }
        }
    }
    breaches
}

// ---------------------------------------------------------------------------------------------------------------------
// The protocol crate
// ---------------------------------------------------------------------------------------------------------------------

/// Crates whose presence alone would bring I/O, time or chance.
const IMPURE_CRATES: &[&str] =
    &["actix-web", "chrono", "fastrand", "getrandom", "jiff", "rand", "reqwest", "rusqlite", "time", "tokio", "ureq"];

/// Paths that reach the machine, or whose behaviour differs between two runs. A prefix covers what lies below it.
const IMPURE_PATHS: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::UNIX_EPOCH",
];

/// Words that are never right here, however they were imported.
const IMPURE_WORDS: &[(&str, &str)] = &[
    ("HashMap", "its order differs between runs: use BTreeMap"),
    ("HashSet", "its order differs between runs: use BTreeSet"),
    ("RandomState", "it differs between runs"),
    ("SystemTime", "time is an argument here"),
    ("f32", "no floats in rules"),
    ("f64", "no floats in rules"),
    ("new_v4", "ids are arguments here"),
    ("now_v6", "ids are arguments here"),
    ("now_v7", "ids are arguments here"),
    ("thread_rng", "chance is an argument here"),
];

/// What `sync-protocol/clippy.toml` must ban, so that the compiler finds it before this test does.
const CLIPPY_BANS: &[(&str, &[&str])] = &[
    (
        "disallowed-methods",
        &[
            "std::env::var",
            "std::fs::File::open",
            "std::fs::read",
            "std::fs::write",
            "std::thread::sleep",
            "std::thread::spawn",
            "std::time::Instant::now",
            "std::time::SystemTime::now",
        ],
    ),
    ("disallowed-types", &["std::collections::HashMap", "std::collections::HashSet", "std::net::TcpStream"]),
];

/// sync-protocol: same input, same bytes, on every machine.
fn protocol_is_pure(root: &Path) -> Vec<Breach> {
    let mut breaches = Vec::new();

    let manifest = Manifest::load(root, "sync-protocol/Cargo.toml", &mut breaches);
    for dependency in manifest.dependencies().iter().filter(|dependency| !dependency.dev) {
        if IMPURE_CRATES.contains(&dependency.name.as_str()) {
            let what = format!("the protocol must not depend on `{}`", dependency.name);
            breaches.push(breach(&manifest.file, dependency.line, what));
        }
        if dependency.name == "uuid" {
            breaches.extend(maker_features(&manifest.file, dependency.line, &dependency.features()));
        }
    }
    let workspace = Manifest::load(root, "Cargo.toml", &mut breaches);
    if let Some(uuid) = workspace.shared_dependency("uuid") {
        if uuid.defaults() {
            breaches.push(breach(&workspace.file, uuid.line, "uuid needs `default-features = false`"));
        }
        breaches.extend(maker_features(&workspace.file, uuid.line, &uuid.features()));
    }

    let clippy = Manifest::load(root, "sync-protocol/clippy.toml", &mut breaches);
    for (list, paths) in CLIPPY_BANS {
        let banned: BTreeSet<String> = clippy
            .array(list)
            .iter()
            .filter_map(|entry| entry.as_str().or_else(|| entry.get("path").and_then(toml::Value::as_str)))
            .map(str::to_owned)
            .collect();
        for path in paths.iter().filter(|path| !banned.contains(**path)) {
            breaches.push(breach(&clippy.file, 0, format!("`{list}` must name `{path}`")));
        }
    }

    for source in sources(root).iter().filter(|source| source.file.starts_with("sync-protocol/src/")) {
        for path in source.paths().iter().filter(|path| !path.test) {
            if let Some(bad) = IMPURE_PATHS.iter().find(|bad| reaches(&path.text, bad)) {
                breaches.push(breach(&source.file, path.line, format!("`{}` reaches `{bad}`", path.text)));
            }
            let first = path.text.split("::").next().unwrap_or_default();
            // `time::…` is more often the module of std than the crate, and the crate needs a line in the manifest.
            if first != "time" && IMPURE_CRATES.iter().any(|name| name.replace('-', "_") == first) {
                breaches.push(breach(&source.file, path.line, format!("`{}` has no place in the protocol", path.text)));
            }
        }
        for (at, token) in source.tokens.iter().enumerate().filter(|(_, token)| !token.test) {
            if let Some((word, why)) = IMPURE_WORDS.iter().find(|(word, _)| token.is_word(word)) {
                breaches.push(breach(&source.file, token.line, format!("`{word}`: {why}")));
            }
            let is_field = at > 0 && source.tokens[at - 1].is_mark(".");
            if token.kind == Kind::Number && !is_field && is_float(&token.text) {
                breaches.push(breach(&source.file, token.line, format!("`{}`: no floats in rules", token.text)));
            }
            let prints = ["print", "println", "eprint", "eprintln", "dbg"].iter().any(|name| token.is_word(name));
            if prints && source.tokens.get(at + 1).is_some_and(|next| next.is_mark("!")) {
                breaches.push(breach(&source.file, token.line, format!("`{}!` is output", token.text)));
            }
        }
    }
    breaches
}

/// Features of `uuid` that make ids instead of carrying them.
fn maker_features(file: &str, line: usize, features: &[String]) -> Vec<Breach> {
    let makers = ["v1", "v4", "v6", "v7", "fast-rng", "rng-getrandom", "rng-rand"];
    let bad = features.iter().filter(|feature| makers.contains(&feature.as_str()));
    bad.map(|feature| breach(file, line, format!("uuid's `{feature}` makes ids; here ids are arguments"))).collect()
}

/// Whether a path names something at or below another, or everything beside it.
fn reaches(path: &str, bad: &str) -> bool {
    let beside = path.strip_suffix("::*").is_some_and(|all| bad.starts_with(&format!("{all}::")));
    lies_in(path, bad) || beside
}

fn lies_in(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn is_float(number: &str) -> bool {
    let digits = number.to_ascii_lowercase();
    if digits.starts_with("0x") || digits.starts_with("0b") || digits.starts_with("0o") {
        return false;
    }
    let first_letter = digits.find(|c: char| c.is_ascii_alphabetic());
    digits.contains('.') || first_letter.is_some_and(|at| digits[at..].starts_with(['e', 'f']))
}

// ---------------------------------------------------------------------------------------------------------------------
// SQL
// ---------------------------------------------------------------------------------------------------------------------

fn is_storage(file: &str) -> bool {
    file == "server/src/storage.rs"
        || file.starts_with("server/src/storage/")
        || file == "client-core/src/store.rs"
        || file.starts_with("client-core/src/store/")
}

fn may_be_sql_file(file: &str) -> bool {
    is_storage(file) || file.starts_with("server/migrations/") || file.starts_with("client-core/fixtures/")
}

/// Simulated disks for SQLite: test equipment that is tried out with tables of its own, and knows no table of ours.
fn is_equipment(file: &str) -> bool {
    file.starts_with("tests/faultdisk/")
}

/// An experiment about the order in which PostgreSQL shows rows, on tables of its own: SQL, and no table of ours.
const ABOUT_POSTGRES: &str = "tests/tests/postgres_order.rs";

/// SQL, and the crate that runs it, only where a table is owned.
fn sql_in_storage_only(root: &Path) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for source in sources(root).iter().filter(|source| !is_storage(&source.file) && !is_equipment(&source.file)) {
        for token in &source.tokens {
            match token.kind {
                Kind::Text if source.file != ABOUT_POSTGRES => {
                    if let Some(verb) = sql_in(&token.text) {
                        breaches.push(breach(&source.file, token.line, format!("SQL (`{verb}`) outside storage")));
                    }
                }
                Kind::Word if token.text == "rusqlite" => {
                    breaches.push(breach(&source.file, token.line, "rusqlite outside storage"));
                }
                _ => {}
            }
        }
    }
    for file in files(root) {
        if file.ends_with(".sql") && !may_be_sql_file(&file) {
            breaches.push(breach(file, 0, "an SQL file outside storage"));
        }
    }
    for manifest in member_manifests(root, &mut breaches) {
        let owns_tables = manifest.file.starts_with("server/")
            || manifest.file.starts_with("client-core/")
            || is_equipment(&manifest.file);
        for dependency in manifest.dependencies() {
            if dependency.name == "rusqlite" && !owns_tables {
                breaches.push(breach(&manifest.file, dependency.line, "only server and client-core open databases"));
            }
        }
    }
    breaches
}

/// The SQL verb that a text holds, if it holds one.
///
/// In capitals anywhere, as SQL is written here. In other letters only where a text *begins* like a statement that
/// nobody would begin a sentence with, because `select` and `update` are also English.
fn sql_in(text: &str) -> Option<&'static str> {
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    let later = |at: usize, word: &str| words[at + 1..].contains(&word);
    let next = |at: usize, choices: &[&str]| words.get(at + 1).is_some_and(|word| choices.contains(word));
    for (at, word) in words.iter().enumerate() {
        match *word {
            "SELECT" if later(at, "FROM") => return Some("SELECT"),
            "INSERT" if next(at, &["INTO", "OR"]) => return Some("INSERT"),
            "REPLACE" if next(at, &["INTO"]) => return Some("REPLACE"),
            "UPDATE" if later(at, "SET") => return Some("UPDATE"),
            "DELETE" if next(at, &["FROM"]) => return Some("DELETE"),
            "CREATE" if next(at, &["TABLE", "INDEX", "UNIQUE", "VIRTUAL", "TRIGGER", "VIEW", "TEMP"]) => {
                return Some("CREATE");
            }
            "DROP" if next(at, &["TABLE", "INDEX", "TRIGGER", "VIEW"]) => return Some("DROP"),
            "ALTER" if next(at, &["TABLE"]) => return Some("ALTER"),
            "PRAGMA" if at + 1 < words.len() => return Some("PRAGMA"),
            _ => {}
        }
    }
    let begins = |first: &str, second: &str| {
        let matches = |at: usize, word: &str| words.get(at).is_some_and(|found| found.eq_ignore_ascii_case(word));
        matches(0, first) && (second.is_empty() || matches(1, second))
    };
    match () {
        () if begins("insert", "into") => Some("INSERT"),
        () if begins("delete", "from") => Some("DELETE"),
        () if begins("create", "table") => Some("CREATE"),
        () if begins("pragma", "") && words.len() > 1 => Some("PRAGMA"),
        () => None,
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// HTTP and the server's layers
// ---------------------------------------------------------------------------------------------------------------------

/// actix only where requests come in and where the process starts.
fn http_at_the_edge_only(root: &Path) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let edge = ["server/src/main.rs", "server/src/lib.rs", "server/src/startup.rs", "server/src/http.rs"];
    for source in sources(root) {
        let in_src = source.file.contains("/src/");
        let at_edge = edge.contains(&source.file.as_str()) || source.file.starts_with("server/src/http/");
        if !in_src || at_edge {
            continue;
        }
        for token in source.tokens.iter().filter(|token| token.kind == Kind::Word && !token.test) {
            if token.text == "actix" || token.text.starts_with("actix_") {
                breaches.push(breach(&source.file, token.line, format!("`{}` outside server::http", token.text)));
            }
        }
    }
    for manifest in member_manifests(root, &mut breaches) {
        for dependency in manifest.dependencies().iter().filter(|dependency| !dependency.dev) {
            if dependency.name.starts_with("actix") && manifest.file != "server/Cargo.toml" {
                breaches.push(breach(&manifest.file, dependency.line, "only the server serves HTTP"));
            }
        }
    }
    breaches
}

/// The modules that each are one use of the server.
const USES: &[&str] = &["sync", "desk", "reading", "accounts"];

/// http → (sync | desk | reading | accounts) → storage. A rule holds no SQL, a store holds no HTTP status.
fn layers_of_the_server(root: &Path) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for source in sources(root) {
        let Some(module) = source.file.strip_prefix("server/src/") else { continue };
        let module = module.split(['/', '.']).next().unwrap_or_default();
        let is_use = USES.contains(&module);
        if !is_use && module != "storage" {
            continue;
        }
        for token in source.tokens.iter().filter(|token| token.kind == Kind::Word && !token.test) {
            let foreign = match token.text.as_str() {
                "rusqlite" | "actix_web" if is_use => "belongs to another layer",
                "StatusCode" | "HttpResponse" | "ResponseError" | "actix_web" => "HTTP does not reach down here",
                _ => continue,
            };
            breaches.push(breach(&source.file, token.line, format!("`{}`: {foreign}", token.text)));
        }
        for path in source.paths().iter().filter(|path| !path.test) {
            let above =
                if module == "storage" { &["http", "sync", "desk", "reading", "accounts"][..] } else { &["http"] };
            let upwards = above.iter().any(|one| lies_in(&path.text, &format!("crate::{one}")));
            if upwards {
                breaches.push(breach(&source.file, path.line, format!("`{}` looks upwards", path.text)));
            }
        }
    }
    breaches
}

// ---------------------------------------------------------------------------------------------------------------------
// Tests
// ---------------------------------------------------------------------------------------------------------------------

/// No test is skipped, none sleeps, and nothing unfinished is left behind a macro.
fn tests_are_honest(root: &Path) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for source in sources(root) {
        // The story and the measurements are programs: they pace themselves like phones.
        let is_program = source.file.starts_with("tests/src/bin/");
        let next = |at: usize, mark: &str| source.tokens.get(at + 1).is_some_and(|next| next.is_mark(mark));
        for (at, token) in source.tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Word) {
            match token.text.as_str() {
                "todo" | "unimplemented" if next(at, "!") => {
                    breaches.push(breach(&source.file, token.line, format!("`{}!` is left", token.text)));
                }
                "sleep" | "sleep_ms" | "sleep_until" if token.test && !is_program && next(at, "(") => {
                    let what = "a test that sleeps is slow when it passes and wrong when it fails: wait for the event";
                    breaches.push(breach(&source.file, token.line, what));
                }
                _ => {}
            }
        }
        for attribute in source.attributes() {
            let words: Vec<&str> = attribute.words.iter().map(String::as_str).collect();
            let ignores =
                words.first() == Some(&"ignore") || words.first() == Some(&"cfg_attr") && words.contains(&"ignore");
            if ignores {
                breaches.push(breach(&source.file, attribute.line, "an ignored test is not a test"));
            }
        }
    }
    breaches
}

// ---------------------------------------------------------------------------------------------------------------------
// Folders, migrations, texts
// ---------------------------------------------------------------------------------------------------------------------

const TOP_LEVEL: &[&str] = &["sync-protocol", "client-core", "server", "tests", "docs", "xtask", "web", "target"];

/// Only the folders that were decided on, dot folders, and what git ignores.
fn top_level_folders(root: &Path) -> Vec<Breach> {
    let ignored = ignored_folders(root);
    let mut breaches = Vec::new();
    for entry in entries(root) {
        let name = file_name(&entry);
        let known = name.starts_with('.') || TOP_LEVEL.contains(&name.as_str()) || ignored.contains(&name);
        if entry.is_dir() && !known {
            breaches.push(breach(name, 0, "a new top-level folder needs a decision (docs/adr)"));
        }
    }
    breaches
}

/// `NNNN_name.sql` from 0001 on without a gap; the server's engines side by side with the same names.
fn migrations_in_order(root: &Path) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut by_engine: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for engine in entries(&root.join("server/migrations")).iter().filter(|engine| engine.is_dir()) {
        let folder = format!("server/migrations/{}", file_name(engine));
        let names = migrations_of(root, &folder, &mut breaches);
        by_engine.insert(folder, names);
    }
    let everywhere: BTreeSet<String> = by_engine.values().flatten().cloned().collect();
    for (folder, names) in &by_engine {
        for name in everywhere.difference(names) {
            breaches.push(breach(folder, 0, format!("`{name}` is missing; another engine has it")));
        }
    }
    migrations_of(root, "client-core/src/store/sql", &mut breaches);
    breaches
}

fn migrations_of(root: &Path, folder: &str, breaches: &mut Vec<Breach>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut expected = 1;
    for path in entries(&root.join(folder)) {
        let name = file_name(&path);
        let file = format!("{folder}/{name}");
        let number = name.strip_suffix(".sql").and_then(|stem| stem.split_once('_')).and_then(|(digits, rest)| {
            let well_formed = digits.len() == 4 && !rest.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
            well_formed.then(|| digits.parse::<u32>().ok()).flatten()
        });
        match number {
            None => breaches.push(breach(file, 0, "a migration is named NNNN_name.sql")),
            Some(number) if number != expected => {
                breaches.push(breach(file, 0, format!("{expected:04} was expected here")));
                expected = number + 1;
            }
            Some(_) => expected += 1,
        }
        names.insert(name);
    }
    names
}

/// No file may name a folder of the machine it was written on. (The needles are put together, or this file had them.)
fn no_machine_paths(root: &Path) -> Vec<Breach> {
    let needles = ["work", "root"].map(|folder| format!("/{folder}/"));
    let mut breaches = Vec::new();
    for file in files(root) {
        // What is not text is a picture or a database; those are made by programs that this rule covers.
        let Ok(text) = fs::read_to_string(root.join(&file)) else { continue };
        for needle in needles.iter().filter(|needle| text.contains(needle.as_str())) {
            for (number, line) in text.lines().enumerate() {
                if starts_a_path(line, needle) {
                    breaches.push(breach(&file, number + 1, format!("`{needle}` is a path of one machine")));
                }
            }
        }
    }
    breaches
}

/// Whether the needle begins a path, and is not the middle of a longer one such as a web address.
fn starts_a_path(line: &str, needle: &str) -> bool {
    let mut from = 0;
    while let Some(found) = line[from..].find(needle) {
        let at = from + found;
        let before = line[..at].chars().next_back();
        if !before.is_some_and(|c| c.is_alphanumeric() || "._-~}*".contains(c)) {
            return true;
        }
        from = at + 1;
    }
    false
}

// ---------------------------------------------------------------------------------------------------------------------
// Words of pages
// ---------------------------------------------------------------------------------------------------------------------

/// The catalogues of the field app and of the desk, each with the folder of the pages that use it.
const WORDS: [(&str, &str); 2] = [("", "web/field/src/"), ("desk.", "web/desk/src/")];

/// `web/strings/{vi,en}.json` and `web/strings/desk.{vi,en}.json`: the same keys in both, sorted, none empty, each of them used, with the same places to fill in,
/// composed (NFC), and every key that a page names is there. Keys that a page puts together from a code (`tc('status', …)`)
/// are used by their prefix.
fn words_of_pages(root: &Path) -> Vec<Breach> {
    WORDS.iter().flat_map(|(catalogue, pages)| words_of(root, catalogue, pages)).collect()
}

fn words_of(root: &Path, catalogue: &str, pages_in: &str) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let read = |lang: &str, breaches: &mut Vec<Breach>| -> Vec<(String, String)> {
        let file = format!("web/strings/{catalogue}{lang}.json");
        let Ok(text) = fs::read_to_string(root.join(&file)) else { return Vec::new() };
        let words: BTreeMap<String, String> = match serde_json::from_str(&text) {
            Ok(words) => words,
            Err(error) => {
                breaches.push(breach(&file, error.line(), format!("does not read: {error}")));
                return Vec::new();
            }
        };
        let lines: Vec<(usize, &str)> =
            text.lines().enumerate().filter_map(|(at, line)| Some((at + 1, line.trim().strip_prefix('"')?))).collect();
        for pair in lines.windows(2) {
            if pair[0].1.split('"').next() >= pair[1].1.split('"').next() {
                breaches.push(breach(&file, pair[1].0, "keys are sorted, each once"));
            }
        }
        for (key, value) in &words {
            if value.trim().is_empty() {
                breaches.push(breach(&file, 0, format!("`{key}` says nothing")));
            }
            if value.nfc().collect::<String>() != *value {
                breaches.push(breach(&file, 0, format!("`{key}` is not composed (NFC)")));
            }
        }
        words.into_iter().collect()
    };
    let (file_vi, file_en) = (format!("web/strings/{catalogue}vi.json"), format!("web/strings/{catalogue}en.json"));
    let vi = read("vi", &mut breaches);
    let en: BTreeMap<String, String> = read("en", &mut breaches).into_iter().collect();
    let places = |text: &str| -> BTreeSet<String> {
        text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0.to_owned())).collect()
    };
    for (key, value) in &vi {
        match en.get(key) {
            None => breaches.push(breach(&file_en, 0, format!("`{key}` is missing"))),
            // A form for the number one may say "one" instead of giving it.
            Some(other) if places(value) != places(other) && !key.ends_with(".one") => {
                breaches.push(breach(&file_en, 0, format!("`{key}` fills in other places than Vietnamese")));
            }
            Some(_) => {}
        }
    }
    let known: BTreeSet<&str> = vi.iter().map(|(key, _)| key.as_str()).collect();
    for key in en.keys().filter(|key| !known.contains(key.as_str())) {
        breaches.push(breach(&file_vi, 0, format!("`{key}` is missing")));
    }
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut prefixes: BTreeSet<String> = BTreeSet::new();
    let pages = files(root).into_iter().filter(|file| {
        file.starts_with(pages_in) && (file.ends_with(".svelte") || file.ends_with(".ts")) && !file.contains("/wasm/")
    });
    for file in pages {
        let Ok(text) = fs::read_to_string(root.join(&file)) else { continue };
        for (at, line) in text.lines().enumerate() {
            for word in line.split('\'').skip(1).step_by(2) {
                if known.contains(word) {
                    used.insert(word.to_owned());
                }
            }
            for call in line.split("tc('").skip(1) {
                prefixes.extend(call.split('\'').next().map(str::to_owned));
            }
            for call in line.split(" t('").skip(1).chain(line.split("{t('").skip(1)) {
                let key = call.split('\'').next().unwrap_or_default();
                if !known.contains(key) {
                    breaches.push(breach(&file, at + 1, format!("there are no words for `{key}`")));
                }
            }
        }
    }
    for key in known {
        let bare = key.strip_suffix(".one").unwrap_or(key);
        let by_prefix =
            prefixes.iter().any(|prefix| bare.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('.')));
        if !by_prefix && !used.contains(bare) {
            breaches.push(breach(&file_vi, 0, format!("`{key}` is used by no page")));
        }
    }
    breaches
}

// ---------------------------------------------------------------------------------------------------------------------
// What the build holds
// ---------------------------------------------------------------------------------------------------------------------

/// Two copies of SQLite in one process cancel each other's file locks.
fn one_sqlite(root: &Path) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let lock = Manifest::load(root, "Cargo.lock", &mut breaches);
    let packages = lock.array("package");
    let named = |name: &str| -> Vec<String> {
        let found = packages.iter().filter(|package| package.get("name").and_then(toml::Value::as_str) == Some(name));
        found.filter_map(|package| package.get("version")?.as_str().map(str::to_owned)).collect()
    };
    let versions = named("libsqlite3-sys");
    let line = lock.line_of("name = \"libsqlite3-sys\"");
    if versions.len() > 1 {
        breaches.push(breach(&lock.file, line, format!("libsqlite3-sys twice: {}", versions.join(", "))));
    }
    if versions.is_empty() && !named("rusqlite").is_empty() {
        breaches.push(breach(&lock.file, 0, "rusqlite without libsqlite3-sys: where does its SQLite come from?"));
    }
    for other in ["sqlite3-src", "sqlite3-sys"] {
        if !named(other).is_empty() {
            let line = lock.line_of(&format!("name = \"{other}\""));
            breaches.push(breach(&lock.file, line, format!("`{other}` brings a second SQLite")));
        }
    }
    breaches
}

/// actix-web without default features and without `compress-*`: it inflates bodies before it applies limits.
fn no_decompression(root: &Path) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let workspace = Manifest::load(root, "Cargo.toml", &mut breaches);
    match workspace.shared_dependency("actix-web") {
        None => breaches.push(breach(&workspace.file, 0, "actix-web is missing from [workspace.dependencies]")),
        Some(actix) if actix.defaults() => {
            breaches.push(breach(&workspace.file, actix.line, "actix-web needs `default-features = false`"));
        }
        Some(_) => {}
    }
    let shared = workspace.shared_dependencies();
    let members = member_manifests(root, &mut breaches);
    let everywhere = members.iter().map(|manifest| (&manifest.file, manifest.dependencies()));
    for (file, dependencies) in everywhere.chain([(&workspace.file, shared)]) {
        for dependency in dependencies.iter().filter(|one| ["actix-web", "actix-http"].contains(&one.name.as_str())) {
            for feature in dependency.features().iter().filter(|feature| feature.starts_with("compress")) {
                breaches.push(breach(file, dependency.line, format!("{} with `{feature}`", dependency.name)));
            }
            let inherits = dependency.value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
            if file != &workspace.file && (!inherits || dependency.value.get("default-features").is_some()) {
                breaches.push(breach(file, dependency.line, "take actix-web from the workspace, as it is there"));
            }
        }
    }
    breaches
}

// ---------------------------------------------------------------------------------------------------------------------
// Reading folders and manifests
// ---------------------------------------------------------------------------------------------------------------------

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What lies in a folder, by name; nothing if there is no such folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    paths
}

/// Top-level folders that git is told to leave out: `/name` lines of .gitignore.
fn ignored_folders(root: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    text.lines().filter_map(|line| Some(line.trim().strip_prefix('/')?.trim_end_matches('/').to_owned())).collect()
}

/// Every file of the repository, relative and with `/`: no build folders, no git, nothing through a link.
fn files(root: &Path) -> Vec<String> {
    let ignored = ignored_folders(root);
    let mut found = Vec::new();
    let mut waiting: Vec<(PathBuf, String)> = vec![(root.to_path_buf(), String::new())];
    while let Some((folder, prefix)) = waiting.pop() {
        for path in entries(&folder) {
            let name = file_name(&path);
            let relative = format!("{prefix}{name}");
            let Ok(kind) = fs::symlink_metadata(&path).map(|metadata| metadata.file_type()) else { continue };
            if kind.is_file() {
                found.push(relative);
            } else if kind.is_dir() {
                let built = [".git", "target", "node_modules"].contains(&name.as_str());
                let left_out = prefix.is_empty() && ignored.contains(&name);
                if !built && !left_out {
                    waiting.push((path, format!("{relative}/")));
                }
            }
        }
    }
    found.sort();
    found
}

/// A TOML file, with its text for line numbers.
struct Manifest {
    file: String,
    text: String,
    table: toml::Table,
}

impl Manifest {
    /// Reads a file; one that is missing or broken is a breach and then counts as empty.
    fn load(root: &Path, file: &str, breaches: &mut Vec<Breach>) -> Self {
        let text = fs::read_to_string(root.join(file)).unwrap_or_else(|error| {
            breaches.push(breach(file, 0, error.to_string()));
            String::new()
        });
        let table = text.parse::<toml::Table>().unwrap_or_else(|error| {
            breaches.push(breach(file, 0, error.message()));
            toml::Table::new()
        });
        Self { file: file.to_owned(), text, table }
    }

    /// The first line that holds a text, from 1; 0 if none does.
    fn line_of(&self, needle: &str) -> usize {
        self.text.lines().position(|line| line.contains(needle)).map_or(0, |at| at + 1)
    }

    /// The table below these keys; empty if there is none.
    fn table(&self, keys: &[&str]) -> toml::Table {
        let mut table = &self.table;
        for key in keys {
            match table.get(*key).and_then(toml::Value::as_table) {
                Some(below) => table = below,
                None => return toml::Table::new(),
            }
        }
        table.clone()
    }

    fn array(&self, key: &str) -> Vec<toml::Value> {
        self.table.get(key).and_then(toml::Value::as_array).cloned().unwrap_or_default()
    }

    fn members(&self) -> Vec<String> {
        let workspace = self.table(&["workspace"]);
        let members = workspace.get("members").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        members.iter().filter_map(|member| member.as_str().map(str::to_owned)).collect()
    }

    /// Every dependency of a member: ordinary, for tests, for build scripts, for one platform.
    fn dependencies(&self) -> Vec<Dependency> {
        let mut places = vec![self.table.clone()];
        places.extend(self.table(&["target"]).values().filter_map(|target| target.as_table().cloned()));
        let mut found = Vec::new();
        for place in places {
            for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
                let Some(table) = place.get(section).and_then(toml::Value::as_table) else { continue };
                found.extend(self.read_dependencies(table, section == "dev-dependencies"));
            }
        }
        found
    }

    fn shared_dependencies(&self) -> Vec<Dependency> {
        self.read_dependencies(&self.table(&["workspace", "dependencies"]), false)
    }

    fn shared_dependency(&self, name: &str) -> Option<Dependency> {
        self.shared_dependencies().into_iter().find(|dependency| dependency.name == name)
    }

    fn read_dependencies(&self, table: &toml::Table, dev: bool) -> Vec<Dependency> {
        let read = |(key, value): (&String, &toml::Value)| {
            let is_key = |line: &str| {
                let line = line.trim_start();
                let rest = line.strip_prefix(key.as_str()).or_else(|| line.strip_prefix(&format!("\"{key}\"")));
                let header = line.trim_end().strip_suffix(']').is_some_and(|line| line.ends_with(&format!(".{key}")));
                header || rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
            };
            let line = self.text.lines().position(is_key).map_or(0, |at| at + 1);
            // `name = { package = "other" }` is a dependency on `other`, unless it is one of our own (found by path).
            let package = value.get("package").and_then(toml::Value::as_str).unwrap_or(key);
            Dependency { key: key.clone(), name: package.to_owned(), value: value.clone(), line, dev }
        };
        table.iter().map(read).collect()
    }
}

fn member_manifests(root: &Path, breaches: &mut Vec<Breach>) -> Vec<Manifest> {
    let workspace = Manifest::load(root, "Cargo.toml", breaches);
    let members = workspace.members();
    members.iter().map(|member| Manifest::load(root, &format!("{member}/Cargo.toml"), breaches)).collect()
}

/// One line of a dependency table.
struct Dependency {
    /// What the manifest calls it.
    key: String,
    /// What the registry calls it.
    name: String,
    value: toml::Value,
    line: usize,
    dev: bool,
}

impl Dependency {
    fn features(&self) -> Vec<String> {
        let features = self.value.get("features").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        features.iter().filter_map(|feature| feature.as_str().map(str::to_owned)).collect()
    }

    fn defaults(&self) -> bool {
        self.value.get("default-features").and_then(toml::Value::as_bool).unwrap_or(true)
    }

    /// The folder of a dependency inside the workspace, also when the workspace's table says so.
    fn path(&self, shared: &toml::Table) -> Option<String> {
        let own = self.value.get("path").or_else(|| {
            self.value.get("workspace").and_then(toml::Value::as_bool).filter(|inherits| *inherits)?;
            shared.get(&self.key)?.get("path")
        });
        own.and_then(toml::Value::as_str).map(|path| path.trim_end_matches('/').to_owned())
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Reading Rust
// ---------------------------------------------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// An identifier or keyword.
    Word,
    Number,
    /// A string literal of any sort; the token holds what stands between the quotes.
    Text,
    /// `::`, or one other character.
    Mark,
}

#[derive(Debug)]
struct Token {
    line: usize,
    kind: Kind,
    text: String,
    /// Compiled for tests only.
    test: bool,
}

impl Token {
    fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }

    fn is_mark(&self, mark: &str) -> bool {
        self.kind == Kind::Mark && self.text == mark
    }
}

/// A path such as `std::fs::read`; a `use` with braces gives several.
struct FullPath {
    text: String,
    line: usize,
    test: bool,
}

/// The words of one `#[…]` or `#![…]`.
struct Attribute {
    line: usize,
    /// Index of the `#`.
    start: usize,
    /// Index after the `]`.
    end: usize,
    inner: bool,
    words: Vec<String>,
}

impl Attribute {
    fn is_test_only(&self) -> bool {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["cfg", rest @ ..] => rest.contains(&"test") && !rest.contains(&"not") && !rest.contains(&"any"),
            ["cfg_attr", ..] => false,
            // `#[test]`, `#[actix_web::test]`, `#[tokio::test(…)]`.
            words => words.contains(&"test"),
        }
    }
}

struct Source {
    /// Relative to the repository, with `/`.
    file: String,
    tokens: Vec<Token>,
}

/// Every Rust file of the repository, with test-only code marked.
fn sources(root: &Path) -> Vec<Source> {
    let rust = files(root).into_iter().filter(|file| file.ends_with(".rs"));
    let mut sources: Vec<Source> = rust
        .filter_map(|file| {
            let text = fs::read_to_string(root.join(&file)).ok()?;
            Some(Source { tokens: tokens(&text), file })
        })
        .collect();
    let mut test_modules = BTreeSet::new();
    for source in &mut sources {
        test_modules.extend(source.mark_tests());
    }
    for source in &mut sources {
        let stem = source.file.trim_end_matches(".rs").trim_end_matches("/mod");
        let in_test_module =
            test_modules.iter().any(|module| stem == module || stem.starts_with(&format!("{module}/")));
        let in_test_folder = source.file.starts_with("tests/") || source.file.contains("/tests/");
        if in_test_module || in_test_folder || source.file.contains("/benches/") {
            source.tokens.iter_mut().for_each(|token| token.test = true);
        }
    }
    sources
}

impl Source {
    fn attributes(&self) -> Vec<Attribute> {
        let mut found = Vec::new();
        for start in 0..self.tokens.len() {
            if !self.tokens[start].is_mark("#") {
                continue;
            }
            let inner = self.tokens.get(start + 1).is_some_and(|token| token.is_mark("!"));
            let open = start + 1 + usize::from(inner);
            if !self.tokens.get(open).is_some_and(|token| token.is_mark("[")) {
                continue;
            }
            let end = self.after_bracket(open);
            let words = self.tokens[open..end].iter().filter(|token| token.kind == Kind::Word);
            let words = words.map(|token| token.text.clone()).collect();
            found.push(Attribute { line: self.tokens[start].line, start, end, inner, words });
        }
        found
    }

    /// The index after the bracket that closes the one at `open`.
    fn after_bracket(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            if token.kind == Kind::Mark {
                match token.text.as_str() {
                    "(" | "[" | "{" => depth += 1,
                    ")" | "]" | "}" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if depth == 0 {
                    return at + 1;
                }
            }
        }
        self.tokens.len()
    }

    /// Marks what only tests compile, and gives the files (without `.rs`) of modules that only tests compile.
    fn mark_tests(&mut self) -> Vec<String> {
        let mut modules = Vec::new();
        for attribute in self.attributes().iter().filter(|attribute| attribute.is_test_only()) {
            if attribute.inner {
                self.tokens.iter_mut().for_each(|token| token.test = true);
                continue;
            }
            // The item ends with its body, or with `;` if it has none. Brackets before that belong to its head.
            let mut at = attribute.end;
            let end = loop {
                match self.tokens.get(at) {
                    None => break self.tokens.len(),
                    Some(token) if token.is_mark(";") => break at + 1,
                    Some(token) if token.is_mark("{") => break self.after_bracket(at),
                    Some(token) if token.is_mark("(") || token.is_mark("[") => at = self.after_bracket(at),
                    Some(_) => at += 1,
                }
            };
            self.tokens[attribute.start..end].iter_mut().for_each(|token| token.test = true);
            let item = &self.tokens[attribute.end..end];
            let outside = item.iter().position(|token| token.is_word("mod")).filter(|at| item.len() == at + 3);
            if let Some(name) = outside.map(|at| item[at + 1].text.clone()) {
                modules.push(format!("{}/{name}", self.module_folder()));
            }
        }
        modules
    }

    /// The folder in which the modules of this file lie.
    fn module_folder(&self) -> String {
        let stem = self.file.trim_end_matches(".rs");
        match stem.rsplit_once('/') {
            Some((folder, "lib" | "main" | "mod")) => folder.to_owned(),
            _ => stem.to_owned(),
        }
    }

    fn paths(&self) -> Vec<FullPath> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let starts = self.tokens[at].kind == Kind::Word && self.tokens.get(at + 1).is_some_and(|t| t.is_mark("::"));
            at = if starts { self.path_tree(at, "", &mut found) } else { at + 1 };
        }
        found
    }

    /// Reads one path or branch of a `use` tree; gives the index after it.
    fn path_tree(&self, mut at: usize, prefix: &str, found: &mut Vec<FullPath>) -> usize {
        let mut text = prefix.to_owned();
        let start = at;
        while let Some(token) = self.tokens.get(at) {
            let is_part = token.kind == Kind::Word || token.is_mark("*");
            if is_part && !token.is_word("self") {
                if !text.is_empty() {
                    text.push_str("::");
                }
                text.push_str(&token.text);
            } else if token.is_mark("{") {
                // A group: each branch goes on from what has been read so far.
                at += 1;
                while self.tokens.get(at).is_some_and(|token| !token.is_mark("}")) {
                    let begins = self.tokens[at].kind == Kind::Word || self.tokens[at].is_mark("*");
                    let is_name = at > 0 && self.tokens[at - 1].is_word("as");
                    let is_as = self.tokens[at].is_word("as");
                    at = if begins && !is_as && !is_name { self.path_tree(at, &text, found) } else { at + 1 };
                }
                return at + 1;
            } else if !token.is_word("self") {
                break;
            }
            match self.tokens.get(at + 1) {
                Some(next) if next.is_mark("::") => at += 2,
                _ => {
                    at += 1;
                    break;
                }
            }
        }
        if !text.is_empty() {
            let first = &self.tokens[start];
            found.push(FullPath { text, line: first.line, test: first.test });
        }
        at.max(start + 1)
    }
}

/// Takes Rust apart. Comments, lifetimes and character literals are left out.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let get = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found: Vec<Token> = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while at < chars.len() {
        let start_line = line;
        let c = chars[at];
        let mut push = |kind: Kind, text: String| found.push(Token { line: start_line, kind, text, test: false });
        if c.is_whitespace() {
            line += usize::from(c == '\n');
            at += 1;
        } else if c == '/' && get(at + 1) == '/' {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if c == '/' && get(at + 1) == '*' {
            let mut depth = 0_usize;
            while at < chars.len() {
                match (chars[at], get(at + 1)) {
                    ('/', '*') => (depth, at) = (depth + 1, at + 2),
                    ('*', '/') => (depth, at) = (depth - 1, at + 2),
                    (c, _) => {
                        line += usize::from(c == '\n');
                        at += 1;
                    }
                }
                if depth == 0 {
                    break;
                }
            }
        } else if let Some((content, hashes)) = text_start(&chars, at) {
            let (text, end) = text_from(&chars, content, hashes);
            line += chars[at..end].iter().filter(|c| **c == '\n').count();
            push(Kind::Text, text);
            at = end;
        } else if c == '\'' || c == 'b' && get(at + 1) == '\'' {
            at += usize::from(c == 'b') + 1;
            if get(at) == '\\' {
                at += 2;
                while at < chars.len() && chars[at] != '\'' {
                    at += 1;
                }
                at += 1;
            } else if get(at + 1) == '\'' {
                line += usize::from(chars[at] == '\n');
                at += 2;
            } else {
                while is_word(get(at)) {
                    at += 1;
                }
            }
        } else if c.is_ascii_digit() {
            let start = at;
            while is_word(get(at)) {
                at += 1;
            }
            // A fraction, unless this is `1..2`, `1.max(2)` or the `0` of `pair.0.1`.
            let is_field = start > 0 && chars[start - 1] == '.' && (start < 2 || chars[start - 2] != '.');
            let goes_on = get(at) == '.' && get(at + 1) != '.' && !(get(at + 1).is_alphabetic() || get(at + 1) == '_');
            if goes_on && !is_field {
                at += 1;
                while is_word(get(at)) {
                    at += 1;
                }
            }
            push(Kind::Number, chars[start..at].iter().collect());
        } else if is_word(c) {
            let start = if c == 'r' && get(at + 1) == '#' { at + 2 } else { at };
            at = start;
            while is_word(get(at)) {
                at += 1;
            }
            push(Kind::Word, chars[start..at].iter().collect());
        } else if c == ':' && get(at + 1) == ':' {
            push(Kind::Mark, "::".to_owned());
            at += 2;
        } else {
            push(Kind::Mark, c.to_string());
            at += 1;
        }
    }
    found
}

/// Whether a string literal begins here: where its content begins, and for a raw one its number of `#`.
fn text_start(chars: &[char], at: usize) -> Option<(usize, Option<usize>)> {
    let get = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let mut at = at + usize::from(['b', 'c'].contains(&get(at)));
    let raw = get(at) == 'r';
    at += usize::from(raw);
    let hashes = if raw { chars[at.min(chars.len())..].iter().take_while(|c| **c == '#').count() } else { 0 };
    (get(at + hashes) == '"').then_some((at + hashes + 1, raw.then_some(hashes)))
}

/// The content of a string literal, and the index after its last quote or hash.
fn text_from(chars: &[char], mut at: usize, hashes: Option<usize>) -> (String, usize) {
    let mut text = String::new();
    while at < chars.len() {
        match (chars[at], hashes) {
            ('"', None) => return (text, at + 1),
            ('"', Some(hashes)) if chars[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes => {
                return (text, at + 1 + hashes);
            }
            ('\\', None) => {
                // An escape stands between words at most; a blank keeps them apart.
                text.push(' ');
                at += 2;
            }
            (c, _) => {
                text.push(c);
                at += 1;
            }
        }
    }
    (text, at)
}

// ---------------------------------------------------------------------------------------------------------------------
// The rules bite
// ---------------------------------------------------------------------------------------------------------------------

/// A made-up repository in a temporary folder.
struct Made(tempfile::TempDir);

impl Made {
    /// The smallest repository that keeps every rule.
    fn sound() -> Self {
        let made = Self(tempfile::tempdir().expect("a temporary folder can be made"));
        made.file(
            "Cargo.toml",
            r#"
[workspace]
members = ["sync-protocol", "client-core", "server", "tests", "xtask"]

[workspace.dependencies]
sync-protocol = { path = "sync-protocol" }
client-core = { path = "client-core" }
server = { path = "server", package = "thonso-server" }
actix-web = { version = "4", default-features = false, features = ["macros"] }
uuid = { version = "1", default-features = false }
"#,
        );
        made.file("sync-protocol/Cargo.toml", "[dependencies]\nuuid = { workspace = true, features = [\"serde\"] }\n");
        made.file("client-core/Cargo.toml", "[dependencies]\nsync-protocol.workspace = true\nrusqlite = \"1\"\n");
        made.file("server/Cargo.toml", "[dependencies]\nsync-protocol.workspace = true\nactix-web.workspace = true\n");
        made.file("tests/Cargo.toml", "[dependencies]\nserver.workspace = true\nclient-core.workspace = true\n");
        made.file("xtask/Cargo.toml", "[package]\nname = \"xtask\"\n");
        made.file("Cargo.lock", "[[package]]\nname = \"libsqlite3-sys\"\nversion = \"1.0.0\"\n");
        let list = |paths: &[&str]| format!("[\"{}\"]", paths.join("\", \""));
        let bans = CLIPPY_BANS.iter().map(|(name, paths)| format!("{name} = {}\n", list(paths))).collect::<String>();
        made.file("sync-protocol/clippy.toml", &bans);
        made.file("sync-protocol/src/lib.rs", "use std::time::Duration;\nfn f(x: (u8, (u8, u8))) -> u8 { x.1.0 }\n");
        made.file("server/src/main.rs", "use actix_web::App;\n");
        made.file("server/src/http/sync.rs", "use actix_web::HttpResponse;\n");
        made.file("server/src/storage/sqlite.rs", &format!("const READ: &str = \"{}\";\n", sql("SEL#ECT a FR#OM b")));
        made.file("server/migrations/sqlite/0001_init.sql", "");
        made
    }

    fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
        self
    }

    /// Replaces part of a file.
    fn change(&self, path: &str, from: &str, to: &str) -> &Self {
        let text = fs::read_to_string(self.0.path().join(path)).expect("the file is there");
        assert!(text.contains(from), "`{from}` is in {path}");
        self.file(path, &text.replace(from, to))
    }

    /// The places that a rule finds, as `file:line`.
    fn finds(&self, rule: Rule) -> Vec<String> {
        let mut breaches = rule(self.0.path());
        breaches.sort();
        breaches.iter().map(|breach| format!("{}:{}", breach.file, breach.line)).collect()
    }
}

/// SQL for a made-up repository, written so that this file holds none.
fn sql(text: &str) -> String {
    text.replace('#', "")
}

#[test]
fn every_rule_holds_on_a_sound_repository() {
    let rules: [Rule; 11] = [
        dependency_direction,
        protocol_is_pure,
        sql_in_storage_only,
        http_at_the_edge_only,
        layers_of_the_server,
        tests_are_honest,
        top_level_folders,
        migrations_in_order,
        no_machine_paths,
        one_sqlite,
        no_decompression,
    ];
    let made = Made::sound();
    for rule in rules {
        assert_eq!(made.finds(rule), Vec::<String>::new());
    }
}

#[test]
fn a_dependency_against_the_direction_is_found() {
    let made = Made::sound();
    made.file("client-core/Cargo.toml", "[dependencies]\n\n[dev-dependencies]\nserver.workspace = true\n");
    made.file("xtask/Cargo.toml", "[target.'cfg(unix)'.dependencies]\np = { path = \"../sync-protocol\" }\n");
    made.file("sync-protocol/Cargo.toml", "[dependencies.client-core]\npath = \"../client-core\"\n");
    made.change("Cargo.toml", "\"xtask\"", "\"xtask\", \"common\"");
    made.file("common/Cargo.toml", "");
    let expected = ["Cargo.toml:3", "client-core/Cargo.toml:4", "sync-protocol/Cargo.toml:1", "xtask/Cargo.toml:2"];
    assert_eq!(made.finds(dependency_direction), expected);
}

#[test]
fn a_missing_manifest_is_a_breach_and_no_panic() {
    let made = Made::sound();
    fs::remove_file(made.0.path().join("server/Cargo.toml")).expect("it was there");
    assert_eq!(made.finds(dependency_direction), ["server/Cargo.toml:0"]);
}

#[test]
fn io_clock_chance_and_floats_in_the_protocol_are_found() {
    let made = Made::sound();
    let lines = [
        "use std::fs;",
        "use std::{collections::BTreeMap, net::{TcpStream as Wire}, thread};",
        "use std::time::{Duration, Instant};",
        "fn a() { let now = ::std::time::SystemTime::now(); }",
        "use std::collections::HashMap;",
        "fn b(share: f32) {}",
        "const HALF: u8 = (0.5 * 2e3) as u8;",
        "fn c() { getrandom::fill(&mut []); }",
        "use std::time::*;",
        "fn d() { println!(\"x\"); }",
        "fn e() { Uuid::now_v7(); }",
        "mod late { pub fn f() { std::env::var(\"HOME\"); } }",
    ];
    made.file("sync-protocol/src/bad.rs", &lines.join("\n"));
    let found = made.finds(protocol_is_pure);
    let found: BTreeSet<usize> = found.iter().filter_map(|place| place.rsplit(':').next()?.parse().ok()).collect();
    assert_eq!(found, (1..=lines.len()).collect::<BTreeSet<usize>>());
}

#[test]
fn words_that_only_look_impure_are_left_alone() {
    let made = Made::sound();
    made.file(
        "sync-protocol/src/good.rs",
        r##"
//! std::fs and HashMap are banned here.
/* f64 /* nested */ SystemTime */
const TEXT: &str = "HashMap and std::net \" f32";
const RAW: &str = r#"std::thread "quoted" 1.5"#;
const LETTER: char = '"';
const BYTE: u8 = b'\'';
fn range<'a>(pair: &'a (u8, (u8, u8))) -> u8 { for _ in 0..9 {} pair.1.0.max(1) + 0xE1 + 1_usize as u8 }
use std::time::Duration;
use crate::{clock::SystemTimes, fs};
#[cfg(not(any()))]
fn kept() {}
#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    fn half() -> f64 { 0.5 }
}
#[cfg(test)]
mod helpers;
"##,
    );
    made.file("sync-protocol/src/good/helpers.rs", "use std::collections::HashSet;\n");
    made.file("sync-protocol/tests/bytes.rs", "use std::fs;\n");
    assert_eq!(made.finds(protocol_is_pure), Vec::<String>::new());
}

#[test]
fn code_after_a_test_module_is_code_again() {
    let made = Made::sound();
    made.file("sync-protocol/src/bad.rs", "#[cfg(test)]\nuse std::fs;\n#[cfg(test)]\nmod t { }\nuse std::net;\n");
    assert_eq!(made.finds(protocol_is_pure), ["sync-protocol/src/bad.rs:5"]);
}

#[test]
fn an_impure_protocol_manifest_is_found() {
    let made = Made::sound();
    made.file("sync-protocol/Cargo.toml", "[dependencies]\ntokio = \"1\"\nuuid = { features = [\"v7\"] }\n");
    made.change("Cargo.toml", "uuid = { version = \"1\", default-features = false }", "uuid = \"1\"");
    made.change("sync-protocol/clippy.toml", "std::time::SystemTime::now", "std::time::SystemTime::later");
    let expected =
        ["Cargo.toml:10", "sync-protocol/Cargo.toml:2", "sync-protocol/Cargo.toml:3", "sync-protocol/clippy.toml:0"];
    assert_eq!(made.finds(protocol_is_pure), expected);
}

#[test]
fn sql_outside_storage_is_found() {
    let made = Made::sound();
    let query = |text: &str| format!("const Q: &str = \"\n{}\";\n", sql(text));
    made.file("server/src/review.rs", &query("SEL#ECT id\n  FR#OM visit"));
    made.file("server/src/http/review.rs", &query("UPD#ATE visit SE#T state = 1"));
    made.file("client-core/src/sync.rs", &query("ins#ert in#to op values (1)"));
    made.file("tests/src/lib.rs", &query("PRA#GMA user_version"));
    made.file("tests/tests/x.rs", "use rusqlite::Connection;\n");
    made.file(ABOUT_POSTGRES, &format!("{}use rusqlite::Row;\n", query("SEL#ECT seq FR#OM entry")));
    made.file("tests/Cargo.toml", "[dev-dependencies]\nrusqlite.workspace = true\n");
    made.file("docs/query.sql", "");
    made.file("server/src/storage/sqlite/op.rs", "use rusqlite::Transaction;\n");
    made.file("client-core/src/store/sql/0001_init.sql", "");
    made.file("tests/faultdisk/tests/disks.rs", &format!("use rusqlite::Connection;\n{}", query("SEL#ECT a FR#OM b")));
    let expected = [
        "client-core/src/sync.rs:1",
        "docs/query.sql:0",
        "server/src/http/review.rs:1",
        "server/src/review.rs:1",
        "tests/Cargo.toml:2",
        "tests/src/lib.rs:1",
        "tests/tests/postgres_order.rs:3",
        "tests/tests/x.rs:1",
    ];
    assert_eq!(made.finds(sql_in_storage_only), expected);
}

#[test]
fn english_is_not_taken_for_sql() {
    for text in [
        "Select a village from the list",
        "UPDATE the app",
        "delete the draft, then insert the card",
        "create a household",
        "the DELETE method; FROM here",
        "pragma",
    ] {
        assert_eq!(sql_in(text), None, "{text}");
    }
}

#[test]
fn actix_outside_the_edge_is_found() {
    let made = Made::sound();
    made.file("server/src/auth/token.rs", "use std::fmt;\nuse actix_web::HttpRequest;\n");
    made.file("client-core/Cargo.toml", "[dependencies]\nactix-rt = \"2\"\n");
    assert_eq!(made.finds(http_at_the_edge_only), ["client-core/Cargo.toml:2", "server/src/auth/token.rs:2"]);
}

#[test]
fn a_layer_that_looks_upwards_is_found() {
    let made = Made::sound();
    made.file("server/src/sync.rs", "\nuse rusqlite::Connection;\n");
    made.file("server/src/reading/bulk.rs", "use crate::http::error;\n");
    made.file("server/src/storage/memory.rs", "use crate::{sync, http::*};\nfn f() -> StatusCode {}\n");
    made.file("server/src/admin.rs", "use crate::storage::Storage;\n// StatusCode\n");
    let expected = [
        "server/src/reading/bulk.rs:1",
        "server/src/storage/memory.rs:1",
        "server/src/storage/memory.rs:1",
        "server/src/storage/memory.rs:2",
        "server/src/sync.rs:2",
    ];
    assert_eq!(made.finds(layers_of_the_server), expected);
}

#[test]
fn tests_that_are_skipped_or_sleep_or_are_unfinished_are_found() {
    let made = Made::sound();
    let waits = "#[test]\nfn waits() {\n    std::thread::sleep(D);\n}\n#[test]\n#[ignore = \"slow\"]\nfn never() {}\n";
    made.file("server/tests/a.rs", waits);
    made.file("server/src/sync.rs", "fn backs_off() { sleep(D); }\nfn later() { todo!() }\n");
    made.file("client-core/src/store.rs", "#[cfg(test)]\nmod t {\n    fn f() { tokio::time::sleep(D); }\n}\n");
    made.file("tests/src/bin/measure.rs", "fn paces() { sleep(D); }\n");
    made.file("tests/tests/b.rs", "#[cfg_attr(unix, ignore)]\nfn f() { unimplemented!(\"x\") }\n// #[ignore]\n");
    let expected = [
        "client-core/src/store.rs:3",
        "server/src/sync.rs:2",
        "server/tests/a.rs:3",
        "server/tests/a.rs:6",
        "tests/tests/b.rs:1",
        "tests/tests/b.rs:2",
    ];
    assert_eq!(made.finds(tests_are_honest), expected);
}

#[test]
fn a_new_top_level_folder_is_found() {
    let made = Made::sound();
    made.file("utils/lib.rs", "").file(".ci/run", "").file("web/a.css", "").file("demo-data/x", "");
    made.file(".gitignore", "/target\n/demo-data\n*.log\n");
    assert_eq!(made.finds(top_level_folders), ["utils:0"]);
}

#[test]
fn gaps_and_strays_among_migrations_are_found() {
    let made = Made::sound();
    made.file("server/migrations/sqlite/0002_a.sql", "").file("server/migrations/sqlite/0004_c.sql", "");
    for name in ["0001_init.sql", "0002_a.sql", "3_b.sql", "0003_b.sql", "0004_c.sql"] {
        made.file(&format!("server/migrations/postgres/{name}"), "");
    }
    made.file("client-core/src/store/sql/0002_first.sql", "");
    let expected = [
        "client-core/src/store/sql/0002_first.sql:0",
        "server/migrations/postgres/3_b.sql:0",
        "server/migrations/sqlite:0",
        "server/migrations/sqlite:0",
        "server/migrations/sqlite/0004_c.sql:0",
    ];
    assert_eq!(made.finds(migrations_in_order), expected);
}

#[test]
fn a_path_of_one_machine_is_found() {
    let made = Made::sound();
    let here = format!("/{}/main", "work");
    made.file("docs/A.md", &format!("one\nsee {here}\nhttps://example.org{here}\n"));
    made.file(".ci/run", &format!("cd \"{here}\"\n"));
    made.file("target/debug/log", &here).file("server/src/x.rs", &format!("// {here}, in a comment too\n"));
    assert_eq!(made.finds(no_machine_paths), [".ci/run:1", "docs/A.md:2", "server/src/x.rs:1"]);
}

#[test]
fn words_that_lack_or_stray_are_found() {
    let made = Made::sound();
    let vi = "{\n  \"a.b\": \"Có {n}\",\n  \"a.a\": \"Không\",\n  \"c.x\": \"Một\"\n}\n";
    made.file("web/strings/vi.json", vi);
    made.file("web/strings/en.json", "{\n  \"a.a\": \"\",\n  \"a.b\": \"Yes\",\n  \"d\": \"Stray\"\n}\n");
    made.file("web/field/src/A.svelte", "<p>{t('a.b')} {t('a.z')} {tc('c', code)}</p>");
    let found: Vec<String> = words_of_pages(made.0.path()).iter().map(ToString::to_string).collect();
    let wanted = [
        "vi.json:3: keys are sorted",
        "`c.x` is missing",
        "`d` is missing",
        "`a.a` says nothing",
        "`a.b` fills in other places",
        "A.svelte:1: there are no words for `a.z`",
        "`a.a` is used by no page",
    ];
    for wanted in wanted {
        assert!(found.iter().any(|breach| breach.contains(wanted)), "{wanted}: {found:?}");
    }
    assert_eq!(found.len(), wanted.len(), "{found:?}");
}

#[test]
fn a_second_sqlite_is_found() {
    let made = Made::sound();
    let package = |name: &str, version: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
    let twice = package("libsqlite3-sys", "1.0.0") + &package("libsqlite3-sys", "2.0.0");
    made.file("Cargo.lock", &(twice + &package("sqlite3-sys", "1.0.0")));
    assert_eq!(made.finds(one_sqlite), ["Cargo.lock:2", "Cargo.lock:8"]);
    made.file("Cargo.lock", &package("rusqlite", "1.0.0"));
    assert_eq!(made.finds(one_sqlite), ["Cargo.lock:0"]);
}

#[test]
fn a_way_to_decompression_is_found() {
    let made = Made::sound();
    made.file(
        "server/Cargo.toml",
        "[dependencies]\nactix-web = { workspace = true, features = [\"compress-zstd\"] }\n",
    );
    assert_eq!(made.finds(no_decompression), ["server/Cargo.toml:2"]);

    let made = Made::sound();
    made.change("Cargo.toml", "default-features = false, features = [\"macros\"]", "features = [\"compress-gzip\"]");
    made.file("server/Cargo.toml", "[dependencies]\nactix-web = \"4\"\n");
    assert_eq!(made.finds(no_decompression), ["Cargo.toml:9", "Cargo.toml:9", "server/Cargo.toml:2"]);
}
