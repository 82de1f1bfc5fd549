//! What tests across crates share: a server as a process of its own, a phone with a real file, an officer at the desk.

pub mod made_up;
pub mod province;
pub mod rng;
#[cfg(feature = "sim")]
pub mod sim;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use client_core::http::{OsRandom, Server};
use client_core::sync::{Ended, Failure, SyncSummary, Transport, drive};
use client_core::{Location, Store};
use serde_json::{Value, json};
use sync_protocol::ids::ClaimedMs;

/// What a step of a story can fail with; the text is for people.
pub type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// The machine's clock.
pub fn now() -> ClaimedMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ClaimedMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// How to start the server: a program and the words before its own arguments.
#[derive(Clone, Debug)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// Words before the server's own.
    pub before: Vec<String>,
}

impl Program {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.before);
        command
    }

    /// Runs a command of the server to its end and gives what it printed.
    pub fn output(&self, arguments: &[&str]) -> Fallible<String> {
        let output = self.command().args(arguments).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            return Err(format!("`{}` ended with {}: {said}", arguments.join(" "), output.status).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// A running server process. Killed when dropped.
pub struct ServerProcess {
    program: Program,
    data: PathBuf,
    child: Child,
    /// Where it listens; the same after a restart.
    pub address: String,
}

impl ServerProcess {
    /// Starts a server on a data folder, on a free port of the loopback address.
    pub fn start(program: &Program, data: &Path) -> Fallible<Self> {
        let (child, address) = Self::spawn(program, data, "127.0.0.1:0")?;
        Ok(Self { program: program.clone(), data: data.to_owned(), child, address })
    }

    fn spawn(program: &Program, data: &Path, listen: &str) -> Fallible<(Child, String)> {
        let mut child = program
            .command()
            .arg("--data")
            .arg(data)
            .args(["serve", "--listen", listen])
            .env("THONSO_LOG_FILTER", "warn")
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        match line.trim().strip_prefix("listening on http://") {
            Some(address) => Ok((child, address.to_owned())),
            None => {
                drop(child.kill());
                Err(format!("the server did not start: {line}").into())
            }
        }
    }

    /// The base address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends the process as a power cut would: SIGKILL, no good-bye.
    pub fn kill(&mut self) -> Fallible<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again on the same folder and port.
    pub fn restart(&mut self) -> Fallible<()> {
        let (child, address) = Self::spawn(&self.program, &self.data, &self.address)?;
        self.child = child;
        self.address = address;
        Ok(())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where in a sync the server dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Death {
    /// Half of the request has arrived.
    MidRequest,
    /// The request has arrived; whether it was committed is left to chance.
    AtOnce,
    /// The first byte of the answer is here: it was committed, and the phone does not learn of it.
    AnswerLost,
}

/// A connection on which the server is killed.
pub struct DyingServer<'s> {
    /// The server.
    pub server: &'s mut ServerProcess,
    /// When it dies.
    pub death: Death,
}

impl Transport for DyingServer<'_> {
    fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, Failure> {
        let address = self.server.address.clone();
        let mut stream = TcpStream::connect(&address).map_err(|_| Failure::Network)?;
        let head = format!("POST /sync HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n", request.len());
        let sent = if self.death == Death::MidRequest { request.len() / 2 } else { request.len() };
        let written = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&request[..sent]));
        written.and_then(|()| stream.flush()).map_err(|_| Failure::Network)?;
        if self.death == Death::AnswerLost {
            stream.read_exact(&mut [0]).map_err(|_| Failure::Network)?;
        }
        self.server.kill().map_err(|_| Failure::Network)?;
        Err(Failure::Network)
    }
}

/// A phone without a screen: a real file, the real session.
pub struct Phone {
    /// Who carries it.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The open store.
    pub store: Store,
    /// Randomness.
    pub random: OsRandom,
    /// What its clock showed when the story began; nothing may depend on it.
    pub clock_began: ClaimedMs,
    began: ClaimedMs,
    presses: u64,
}

impl Phone {
    /// A phone that was never used, with a clock that is right or not.
    pub fn new(name: &str, folder: &Path, clock: ClaimedMs) -> Fallible<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}.sqlite3", name.to_lowercase()));
        Ok(Self {
            name: name.to_owned(),
            store: open(&path)?,
            path,
            random: OsRandom,
            clock_began: clock,
            began: now(),
            presses: 0,
        })
    }

    /// What its clock shows.
    pub fn clock(&self) -> ClaimedMs {
        ClaimedMs(self.clock_began.0 + now().0.saturating_sub(self.began.0))
    }

    /// Brings it in with a code.
    pub fn enrol(&mut self, url: &str, code: &str) -> Fallible<()> {
        let label = format!("Máy của {}", self.name);
        Server::new(url).enrol(&mut self.store, &mut self.random, code, &label).map_err(|error| error.en())?;
        Ok(())
    }

    /// Syncs over a transport, as if a person had pressed the button. Each press comes a good minute after the last by
    /// the phone's clock, because more often it would be asked to wait.
    pub fn sync_over(&mut self, transport: &mut dyn Transport) -> Fallible<SyncSummary> {
        self.presses += 1;
        let ahead = self.presses * 61_000;
        let shown = self.clock().0 + ahead;
        let mut clock = || ClaimedMs(shown);
        let summary = drive(&mut self.store, &mut self.random, transport, &mut clock, true);
        Ok(summary.map_err(|error| error.en())?)
    }

    /// Syncs to the end.
    pub fn sync(&mut self, url: &str) -> Fallible<SyncSummary> {
        let summary = self.sync_over(&mut Server::new(url))?;
        if summary.ended == Ended::Complete {
            Ok(summary)
        } else {
            Err(format!("{}: the sync ended with {:?} {:?}", self.name, summary.ended, summary.problems).into())
        }
    }

    /// Copies the file with what lies beside it, as a backup app would.
    pub fn copy_to(&mut self, folder: &Path) -> Fallible<()> {
        std::fs::create_dir_all(folder)?;
        for suffix in ["", "-wal", "-shm"] {
            let from = beside(&self.path, suffix);
            if from.exists() {
                std::fs::copy(&from, beside(&folder.join("copy.sqlite3"), suffix))?;
            }
        }
        Ok(())
    }

    /// Puts an old copy in the file's place and opens it, as after a restore.
    pub fn restore_from(self, folder: &Path) -> Fallible<Self> {
        let Self { name, path, store, random, clock_began, began, presses } = self;
        drop(store);
        for suffix in ["", "-wal", "-shm"] {
            let (from, to) = (beside(&folder.join("copy.sqlite3"), suffix), beside(&path, suffix));
            if to.exists() {
                std::fs::remove_file(&to)?;
            }
            if from.exists() {
                std::fs::copy(&from, &to)?;
            }
        }
        Ok(Self { name, store: open(&path)?, path, random, clock_began, began, presses })
    }

    /// Whether some bytes stand anywhere in the file or what lies beside it.
    pub fn file_holds(&self, needle: &[u8]) -> Fallible<bool> {
        for suffix in ["", "-wal"] {
            let path = beside(&self.path, suffix);
            if path.exists() && std::fs::read(path)?.windows(needle.len()).any(|window| window == needle) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn open(path: &Path) -> Fallible<Store> {
    Ok(Store::open(Location::File(path.to_owned()), None).map_err(|error| error.en())?)
}

/// An account at the desk: JSON over HTTP.
pub struct Desk {
    agent: ureq::Agent,
    base: String,
    token: String,
}

impl Desk {
    /// Signs in.
    pub fn sign_in(url: &str, phone: &str, password: &str) -> Fallible<Self> {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let mut desk = Self { agent: config.new_agent(), base: url.to_owned(), token: String::new() };
        let signed_in = desk.post("/api/v1/auth/sign-in", &json!({ "phone": phone, "password": password }))?;
        desk.token = text(&signed_in, "access_token")?;
        Ok(desk)
    }

    /// Reads.
    pub fn get(&self, path: &str) -> Fallible<Value> {
        let request = self.agent.get(format!("{}{path}", self.base)).header("authorization", self.bearer());
        answer(path, request.call()?)
    }

    /// Changes.
    pub fn post(&self, path: &str, body: &Value) -> Fallible<Value> {
        let request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("authorization", self.bearer())
            .header("content-type", "application/json");
        answer(path, request.send(body.to_string().as_bytes())?)
    }

    /// All items of a list.
    pub fn list(&self, path: &str) -> Fallible<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{joint}limit=100{cursor}"))?;
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }
}

fn answer(path: &str, mut response: ureq::http::Response<ureq::Body>) -> Fallible<Value> {
    let status = response.status();
    let body = response.body_mut().read_to_string()?;
    if status.is_success() {
        return Ok(serde_json::from_str(&body).unwrap_or(Value::Null));
    }
    Err(format!("{path}: {status} {body}").into())
}

/// A text member of an answer.
pub fn text(value: &Value, name: &str) -> Fallible<String> {
    Ok(value[name].as_str().ok_or_else(|| format!("no {name} in {value}"))?.to_owned())
}
