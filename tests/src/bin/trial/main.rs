//! The product under processes: `cargo xtask trial`.
//!
//! A real server, many phones, each a process of its own, and between them a line that resets, throttles, swallows and
//! doubles. Phones and server are killed at random moments, and started again on the same files; a phone's disk and the
//! server's disk fill up and are freed. In the end the line is good, everybody syncs, and everything is counted: each op
//! that a phone called saved must be decided exactly once. Prints what happens, and one line of JSON; ends with 0 only if
//! nothing was lost or doubled, every check held, and every kind of fault has really happened.

mod chance;
mod client;
mod disk;
mod proxy;
mod reckoning;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Parser;
use client_core::{Location, Store};
use serde_json::{Value, json};
use sync_protocol::ids::*;
use tests::{Desk, Fallible, Program, ServerProcess, text};
use uuid::Uuid;

use crate::chance::Chance;
use crate::disk::SmallDisk;
use crate::proxy::{Fault, Proxy};

/// The words after which this program is the server, or a phone.
const AS_SERVER: &str = "as-server";
const AS_CLIENT: &str = "as-client";
/// Room on the small disks, in megabytes, beside what is on them when they are mounted.
const SERVER_ROOM_MB: u64 = 48;
const PHONE_ROOM_MB: u64 = 24;
/// Phones of a village, where there are villages enough.
const PHONES_EACH: usize = 6;
/// How long a full disk is waited for to be noticed.
const NOTICE: Duration = Duration::from_secs(30);

/// The product under processes.
#[derive(Parser)]
struct Arguments {
    /// The server's program; left out, this program plays it.
    #[arg(long)]
    server: Option<PathBuf>,
    /// An empty folder for everything.
    #[arg(long)]
    dir: PathBuf,
    /// Phones, each a process.
    #[arg(long, default_value_t = 24)]
    phones: usize,
    /// How long it goes on, the reckoning aside.
    #[arg(long, default_value_t = 2)]
    minutes: u64,
    /// What is chosen; the scheduling of processes is not.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Content without full disks, where none can be mounted. The result says that they were not tried.
    #[arg(long)]
    without_full_disks: bool,
}

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    match words.nth(1) {
        Some(word) if word == AS_SERVER => return server::cli::main(std::iter::once("thonso".into()).chain(words)),
        Some(word) if word == AS_CLIENT => return client::main(std::iter::once("phone".into()).chain(words)),
        _ => {}
    }
    let arguments = Arguments::parse();
    disk::go_apart();
    match Trial::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\n  FAILED: {error}");
            println!("  seed {}; the phones' files are in {}", arguments.seed, arguments.dir.join("phones").display());
            println!("  the server's folder is {}", arguments.dir.join("server").display());
            ExitCode::FAILURE
        }
    }
}

/// One phone of the trial.
pub(crate) struct Phone {
    number: usize,
    path: PathBuf,
    user: UserId,
    village: usize,
    code: String,
    running: Option<(Child, JoinHandle<()>)>,
    starts: u64,
    again_at: Instant,
}

/// What phones have said.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Every op that a phone called saved: which phone, what it is, which row.
    pub(crate) promised: BTreeMap<Uuid, (usize, String, Uuid)>,
    /// Lines of other kinds, by kind.
    said: BTreeMap<String, u64>,
    /// What should never be said.
    pub(crate) surprises: Vec<String>,
    full_of: BTreeMap<usize, u64>,
    opened: BTreeMap<usize, u64>,
}

impl Ledger {
    fn hear(&mut self, phone: usize, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["saved", uid, name, row] => {
                let (Ok(uid), Ok(row)) = (uid.parse(), row.parse()) else {
                    return self.surprises.push(format!("phone {phone} said {line}"));
                };
                if self.promised.insert(uid, (phone, (*name).to_owned(), row)).is_some() {
                    self.surprises.push(format!("phone {phone} saved {uid} twice"));
                }
            }
            ["full", ..] | ["ended", "storage_full", ..] => {
                *self.full_of.entry(phone).or_default() += 1;
                *self.said.entry(format!("full_{}", words[words.len().min(2) - 1])).or_default() += 1;
            }
            ["sync", ended, ..] => *self.said.entry(format!("sync {ended}")).or_default() += 1,
            ["open"] => *self.opened.entry(phone).or_default() += 1,
            ["refused", ..] => *self.said.entry(line.to_owned()).or_default() += 1,
            ["ended", "code_invalid", ..] => *self.said.entry("code_used".to_owned()).or_default() += 1,
            _ => self.surprises.push(format!("phone {phone} said: {line}")),
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A village with its team and the team's members.
pub(crate) struct Village {
    unit: UnitId,
    team: TeamId,
    members: Vec<UserId>,
}

/// Everything that runs.
struct Trial<'a> {
    arguments: &'a Arguments,
    program: Program,
    began: Instant,
    chance: Chance,
    server: ServerProcess,
    // Behind the server, which is gone before its disk is.
    phone_disk: Option<SmallDisk>,
    server_disk: Option<SmallDisk>,
    data: PathBuf,
    officer: Desk,
    villages: Vec<Village>,
    phones: Vec<Phone>,
    proxy: Proxy,
    ledger: Arc<Mutex<Ledger>>,
    server_kills: u64,
    client_kills: u64,
    processes: u64,
    starts_refused: u64,
    password: String,
    officer_phone: String,
    admin_phone: String,
}

impl<'a> Trial<'a> {
    fn run(arguments: &'a Arguments) -> Fallible<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let mut trial = Self::begin(arguments, &runtime)?;
        let result = trial.go_on();
        for phone in 0..trial.phones.len() {
            trial.stop(phone);
        }
        runtime.shutdown_background();
        result
    }

    fn say(&self, text: impl AsRef<str>) {
        println!("[{:>4} s] {}", self.began.elapsed().as_secs(), text.as_ref());
    }

    fn begin(arguments: &'a Arguments, runtime: &tokio::runtime::Runtime) -> Fallible<Self> {
        let began = Instant::now();
        let program = match &arguments.server {
            Some(path) => Program { path: path.clone(), before: vec![] },
            None => Program { path: std::env::current_exe()?, before: vec![AS_SERVER.into()] },
        };
        std::fs::create_dir_all(arguments.dir.join("phones"))?;
        let data = arguments.dir.join("server");
        let data_text = data.to_str().ok_or("the folder's name is not UTF-8")?;
        let seed = arguments.seed.to_string();
        let seeded = program.output(&["--data", data_text, "demo-seed", "--json", "--visits", "0", "--seed", &seed])?;
        let seeded: Value = serde_json::from_str(&seeded)?;
        let server = ServerProcess::start(&program, &data)?;
        let accounts = seeded["accounts"].as_array().ok_or("no accounts")?;
        let password = text(&seeded, "password")?;
        let phone_of = |role: &str| -> Fallible<String> {
            let account = accounts.iter().find(|account| account["role"] == role).ok_or("no such account")?;
            text(account, "phone")
        };
        let (officer_phone, admin_phone) = (phone_of("commune_officer")?, phone_of("admin")?);
        let officer = Desk::sign_in(&server.url(), &officer_phone, &password)?;
        let units = seeded["villages"].as_array().ok_or("no villages")?;
        let mut villages = Vec::new();
        for (unit, team) in units.iter().zip(seeded["teams"].as_array().ok_or("no teams")?) {
            let (unit, team) = (unit.as_str().ok_or("no village")?, team.as_str().ok_or("no team")?);
            let name = text(&officer.get(&format!("/api/v1/units/{unit}"))?, "full_name")?;
            let members = accounts.iter().filter(|account| account["place"] == json!(name));
            let members = members.map(|member| Ok(text(member, "user")?.parse()?)).collect::<Fallible<_>>()?;
            villages.push(Village { unit: unit.parse()?, team: team.parse()?, members });
        }
        let proxy = Proxy::start(runtime, &server.address, arguments.seed)?;
        let mut trial = Self {
            arguments,
            program,
            began,
            chance: Chance::new(arguments.seed, u64::MAX),
            server,
            phone_disk: None,
            server_disk: None,
            data,
            officer,
            villages,
            phones: Vec::new(),
            proxy,
            ledger: Arc::default(),
            server_kills: 0,
            client_kills: 0,
            processes: 1,
            starts_refused: 0,
            password,
            officer_phone,
            admin_phone,
        };
        trial.say(format!(
            "the server listens on {}, the line on {}; {} villages",
            trial.server.address,
            trial.proxy.address,
            trial.villages.len()
        ));
        trial.villages.truncate((arguments.phones / PHONES_EACH).max(2));
        for number in 0..arguments.phones {
            let folder = arguments.dir.join("phones").join(format!("{number:03}"));
            std::fs::create_dir_all(&folder)?;
            let village = number % trial.villages.len();
            let members = &trial.villages[village].members;
            let user = *members.get(number / trial.villages.len() % members.len().max(1)).ok_or("an empty team")?;
            trial.phones.push(Phone {
                number,
                path: folder.join("phone.sqlite3"),
                user,
                village,
                code: String::new(),
                running: None,
                starts: 0,
                again_at: began,
            });
        }
        Ok(trial)
    }

    fn go_on(&mut self) -> Fallible<()> {
        let minutes = Duration::from_secs(self.arguments.minutes * 60);
        let mut not_run = Vec::new();
        match SmallDisk::over(&self.arguments.dir.join("phones").join("000"), PHONE_ROOM_MB) {
            Ok(disk) => self.phone_disk = Some(disk),
            Err(error) => {
                self.say(format!("NOT RUN: full disks. {error}"));
                not_run.push(error.to_string());
            }
        }
        self.enrol()?;
        self.storm("the storm begins", minutes * 3 / 10)?;
        if self.phone_disk.is_some() {
            self.full_phone(minutes / 10)?;
        }
        self.storm("the storm goes on", minutes * 2 / 10)?;
        let mut server_full = 0;
        if not_run.is_empty() {
            match self.server_on_small_disk() {
                Ok(()) => {
                    for round in 1..=2 {
                        server_full += self.full_server(minutes / 10, round)?;
                    }
                    self.server_on_its_disk()?;
                }
                Err(error) => not_run.push(error.to_string()),
            }
        }
        self.storm("the last storm", minutes * 2 / 10)?;
        self.reckon(server_full, &not_run)
    }

    /// A phone's process. Its standard output is heard by a thread of its own.
    fn start(&mut self, phone: usize) -> Fallible<()> {
        let seed = Chance::new(self.arguments.seed, ((phone as u64) << 32) + self.phones[phone].starts).draw();
        let phone = &mut self.phones[phone];
        let village = &self.villages[phone.village];
        let pause = 50 * self.arguments.phones.max(12) as u64;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(AS_CLIENT).arg("--store").arg(&phone.path);
        command.args(["--server", &format!("http://{}", self.proxy.address), "--code", &phone.code]);
        command.args(["--village", &village.unit.to_string(), "--team", &village.team.to_string()]);
        command.args(["--seed", &seed.to_string(), "--pause", &pause.to_string()]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or("a phone has no output")?;
        let (ledger, number) = (Arc::clone(&self.ledger), phone.number);
        let ear = std::thread::spawn(move || {
            let mut lines = BufReader::new(out);
            let mut line = String::new();
            // A line without its end was cut by a kill: nothing was promised with it.
            while matches!(lines.read_line(&mut line), Ok(1..)) && line.ends_with('\n') {
                lock(&ledger).hear(number, line.trim_end());
                line.clear();
            }
        });
        phone.running = Some((child, ear));
        phone.starts += 1;
        self.processes += 1;
        Ok(())
    }

    /// Ends a phone's process as a power cut would, and hears out what it had said. `true` when it was running.
    fn stop(&mut self, phone: usize) -> bool {
        let Some((mut child, ear)) = self.phones[phone].running.take() else { return false };
        let was_running = matches!(child.try_wait(), Ok(None));
        drop(child.kill());
        drop(child.wait());
        drop(ear.join());
        was_running
    }

    fn kill_phone(&mut self, phone: usize) {
        if self.stop(phone) {
            self.client_kills += 1;
        }
        // Most people switch the phone on at once.
        let later = if self.chance.yes(70) { 0 } else { self.chance.within(100, 3_000) };
        self.phones[phone].again_at = Instant::now() + Duration::from_millis(later);
    }

    /// Starts what is due, and looks after phones that ended by themselves.
    fn tend(&mut self) -> Fallible<()> {
        for phone in 0..self.phones.len() {
            let again_at = self.phones[phone].again_at;
            let Some((child, _)) = &mut self.phones[phone].running else {
                if again_at <= Instant::now() {
                    self.start(phone)?;
                }
                continue;
            };
            let Some(status) = child.try_wait()? else { continue };
            self.stop(phone);
            match status.code().and_then(|code| u8::try_from(code).ok()) {
                Some(client::EXIT_CODE) => self.phones[phone].code = self.new_code(phone)?,
                Some(client::EXIT_FULL) => {}
                _ => lock(&self.ledger).surprises.push(format!("phone {phone} ended by itself with {status}")),
            }
            self.phones[phone].again_at = Instant::now() + Duration::from_millis(500);
        }
        Ok(())
    }

    /// The officer gives out another code: the last one was used, and its answer lost.
    fn new_code(&mut self, phone: usize) -> Fallible<String> {
        let path = format!("/api/v1/users/{}/enrolment-code", self.phones[phone].user);
        text(&self.officer.post(&path, &json!({}))?, "code")
    }

    fn enrol(&mut self) -> Fallible<()> {
        for phone in 0..self.phones.len() {
            self.phones[phone].code = self.new_code(phone)?;
        }
        self.say(format!("{} phones are switched on, and enrol over the bad line", self.phones.len()));
        for phone in 0..self.phones.len() {
            self.start(phone)?;
        }
        let until = Instant::now() + Duration::from_secs(60 + self.phones.len() as u64);
        while lock(&self.ledger).opened.len() < self.phones.len() {
            if Instant::now() > until {
                return Err(format!("only {} phones could be enrolled", lock(&self.ledger).opened.len()).into());
            }
            self.tend()?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn kill_server(&mut self) -> Fallible<()> {
        self.server.kill()?;
        self.server_kills += 1;
        Ok(())
    }

    fn start_server(&mut self) -> Fallible<()> {
        self.processes += 1;
        self.server.restart()
    }

    /// Kills at random moments, for so long.
    fn storm(&mut self, title: &str, long: Duration) -> Fallible<()> {
        self.say(title);
        let began = Instant::now();
        let mut server_dies = began + Duration::from_millis(self.chance.within(500, 4_000));
        let mut phone_dies = began;
        let mut progress = began + Duration::from_secs(10);
        while began.elapsed() < long {
            let now = Instant::now();
            if now >= server_dies {
                self.kill_server()?;
                std::thread::sleep(Duration::from_millis(self.chance.within(0, 400)));
                self.start_server()?;
                server_dies = Instant::now() + Duration::from_millis(self.chance.within(1_000, 6_000));
            }
            if now >= phone_dies {
                let phone = self.chance.place(self.phones.len());
                self.kill_phone(phone);
                phone_dies = now + Duration::from_millis(self.chance.within(20, 500));
            }
            self.tend()?;
            if now >= progress {
                self.tell();
                progress = now + Duration::from_secs(10);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn tell(&self) {
        let saved = lock(&self.ledger).promised.len();
        let faults: u64 = Fault::ALL[1..].iter().map(|fault| self.proxy.seen.times(*fault)).sum();
        self.say(format!(
            "{saved} ops saved; killed: server {}, phones {}; faults on the line {faults}; good exchanges {}",
            self.server_kills,
            self.client_kills,
            self.proxy.seen.times(Fault::Passed)
        ));
    }

    /// The first phone's disk fills up, is full for a while, and is freed. The phone is killed meanwhile, too.
    fn full_phone(&mut self, long: Duration) -> Fallible<()> {
        let full = |trial: &Self| lock(&trial.ledger).full_of.get(&0).copied().unwrap_or(0);
        let (before, began) = (full(self), Instant::now());
        self.say("the disk of phone 000 fills up");
        self.open_full_phone()?;
        while began.elapsed() < long || full(self) == before {
            if began.elapsed() > NOTICE.max(long) {
                return Err("phone 000 did not notice its full disk".into());
            }
            // Whatever becomes free, somebody's camera takes.
            if let Some(disk) = &self.phone_disk {
                disk.fill()?;
            }
            if self.chance.yes(1) {
                self.kill_phone(0);
            }
            self.tend()?;
            std::thread::sleep(Duration::from_millis(20));
        }
        if let Some(disk) = &self.phone_disk {
            disk.give_back()?;
        }
        self.say(format!("phone 000 met its full disk {} times; space is given back", full(self) - before));
        Ok(())
    }

    /// A phone that was left in order, and whose disk has filled up since, is switched on. It has its reserve: it must be
    /// possible to open it.
    fn open_full_phone(&mut self) -> Fallible<()> {
        self.stop(0);
        // A tidy end: no log and no index beside the file. Making them anew takes room.
        drop(Store::open(Location::File(self.phones[0].path.clone()), None).map_err(|error| error.en())?);
        if let Some(disk) = &self.phone_disk {
            disk.fill()?;
        }
        let opened = |trial: &Self| lock(&trial.ledger).opened.get(&0).copied().unwrap_or(0);
        let before = opened(self);
        self.start(0)?;
        while opened(self) == before {
            let ended = match &mut self.phones[0].running {
                Some((phone, _)) => phone.try_wait()?,
                None => None,
            };
            if let Some(status) = ended {
                self.stop(0);
                let what = format!("phone 000 has its reserve, and could not be opened on its full disk: {status}");
                lock(&self.ledger).surprises.push(what);
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn server_on_small_disk(&mut self) -> Fallible<()> {
        self.kill_server()?;
        let held: u64 = std::fs::read_dir(&self.data)?.flatten().filter_map(|f| Some(f.metadata().ok()?.len())).sum();
        let disk = SmallDisk::over(&self.data, held / (1 << 20) + SERVER_ROOM_MB);
        self.start_server()?;
        self.server_disk = Some(disk?);
        self.say("the server is on a small disk");
        Ok(())
    }

    fn server_on_its_disk(&mut self) -> Fallible<()> {
        self.kill_server()?;
        if let Some(disk) = self.server_disk.take() {
            disk.take_away()?;
        }
        self.start_server()?;
        self.say("the server is on its old disk again");
        Ok(())
    }

    /// The server's disk fills up, is full for a while, and is freed. The server is killed meanwhile, and started where
    /// that is possible. Gives how often it said that it is full.
    fn full_server(&mut self, long: Duration, round: u32) -> Fallible<u64> {
        let full = |trial: &Self| trial.proxy.seen.statuses().get(&507).copied().unwrap_or(0);
        let before = full(self);
        // A tidy end empties the log: a long one would have room in itself for a while.
        self.kill_server()?;
        self.doctor()?;
        self.start_server()?;
        if let Some(disk) = &self.server_disk {
            disk.fill()?;
        }
        self.say(format!("the server's disk is full ({round})"));
        let began = Instant::now();
        let mut runs = true;
        while began.elapsed() < long || full(self) == before {
            if began.elapsed() > NOTICE.max(long) {
                return Err("the server did not notice its full disk".into());
            }
            if runs && full(self) > before && self.chance.yes(1) {
                self.kill_server()?;
                runs = false;
            }
            if !runs && self.chance.yes(5) {
                runs = self.start_server().is_ok();
                self.starts_refused += u64::from(!runs);
            }
            if self.chance.yes(5) {
                let phone = self.chance.place(self.phones.len());
                self.kill_phone(phone);
            }
            self.tend()?;
            std::thread::sleep(Duration::from_millis(20));
        }
        if let Some(disk) = &self.server_disk {
            disk.give_back()?;
        }
        let times = full(self) - before;
        self.say(format!("the server said {times} times that its disk is full; space is given back"));
        if !runs {
            self.say("it was killed meanwhile, and could not be started on the full disk");
            self.start_server()?;
        }
        self.storm("the server has room again", long / 2)?;
        Ok(times)
    }

    /// Asks the server's own program whether its file is in order: audit chains, digests.
    fn doctor(&self) -> Fallible<()> {
        let data = self.data.to_str().ok_or("the folder's name is not UTF-8")?;
        self.program.output(&["--data", data, "doctor"])?;
        Ok(())
    }

    /// The line is good, nobody is killed: everything is sent, and everything is counted.
    fn reckon(&mut self, server_full: u64, not_run: &[String]) -> Fallible<()> {
        let stormed = self.began.elapsed().as_secs();
        for phone in 0..self.phones.len() {
            self.stop(phone);
        }
        self.kill_server()?;
        self.start_server()?;
        self.proxy.harmful.store(false, Ordering::SeqCst);
        self.tell();
        self.say("the line is good again; everybody syncs to the end");
        let url = format!("http://{}", self.proxy.address);
        let ledger = std::mem::take(&mut *lock(&self.ledger));
        let mut books = reckoning::phones(&self.phones, &ledger, &url, self.arguments.phones)?;
        self.officer = Desk::sign_in(&self.server.url(), &self.officer_phone, &self.password)?;
        let admin = Desk::sign_in(&self.server.url(), &self.admin_phone, &self.password)?;
        self.say("phones and desk are compared");
        reckoning::desk(&mut books, &ledger, &self.villages, &self.officer, &admin)?;
        self.kill_server()?;
        if let Err(error) = self.doctor() {
            books.wrong.push(format!("the server's doctor says: {error}"));
        }

        let seen = &self.proxy.seen;
        let faults: BTreeMap<&str, u64> = Fault::ALL.iter().map(|fault| (fault.name(), seen.times(*fault))).collect();
        let phone_full: u64 = ledger.full_of.values().sum();
        let mut missing: Vec<String> =
            faults.iter().filter(|(_, times)| **times == 0).map(|(name, _)| (*name).to_owned()).collect();
        let deaths = seen.broken_by_death.load(Ordering::SeqCst);
        for (name, times) in [
            ("kills of the server", self.server_kills),
            ("kills of phones", self.client_kills),
            ("exchanges broken by the server's death", deaths),
            ("a full disk of the server", server_full),
            ("a full disk of a phone", phone_full),
        ] {
            let excused = name.contains("full disk") && self.arguments.without_full_disks;
            if times == 0 && !excused {
                missing.push(name.to_owned());
            }
        }
        let full_disks = if not_run.is_empty() { json!("run") } else { json!(format!("not run: {}", not_run[0])) };
        println!("phones said: {}", json!(ledger.said));
        for line in ledger.surprises.iter().chain(&books.wrong).take(40) {
            println!("  WRONG: {line}");
        }
        println!(
            "{}",
            json!({
                "seed": self.arguments.seed,
                "phones": self.phones.len(),
                "processes": self.processes,
                "kills": { "server": self.server_kills, "clients": self.client_kills },
                "resets": faults["reset_in_request"] + faults["reset_in_answer"],
                "swallowed_answers": faults["answers_swallowed"],
                "line": faults,
                "broken_by_server_death": deaths,
                "answers": seen.statuses(),
                "full_disks": full_disks,
                "disk_full_hits": { "server": server_full, "phone": phone_full, "server_starts_refused": self.starts_refused },
                "ops_saved": ledger.promised.len(),
                "ops_decided": books.decided,
                "visits_at_the_desk": books.visits,
                "cases": books.cases,
                "ops_lost": books.lost,
                "ops_doubled": books.doubled,
                "checks_failed": books.wrong.len() + ledger.surprises.len(),
                "storm_seconds": stormed,
                "seconds": self.began.elapsed().as_secs(),
            })
        );
        if books.lost > 0 || books.doubled > 0 {
            return Err(format!("{} ops lost, {} doubled", books.lost, books.doubled).into());
        }
        if !books.wrong.is_empty() || !ledger.surprises.is_empty() {
            return Err("a check did not hold".into());
        }
        if !missing.is_empty() {
            return Err(format!("not every kind of fault happened: {}", missing.join(", ")).into());
        }
        Ok(())
    }
}

/// Where a phone's file is.
fn name_of(path: &Path) -> String {
    path.display().to_string()
}
