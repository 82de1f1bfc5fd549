//! The line between phones and server, at its worst.
//!
//! It reads a request whole, then by chance does one kind of harm to this exchange. What it counts has happened: a fault
//! that was chosen but came too late is not counted.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tests::Fallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::sleep;

use crate::chance::Chance;

/// Longest message that is read.
const MESSAGE_MAX: usize = 16 << 20;
/// How long a throttled direction is endured before the connection breaks.
const PATIENCE: Duration = Duration::from_secs(5);

/// What may happen to an exchange.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Fault {
    /// Nothing.
    Passed,
    /// Both directions wait before they start.
    Delayed,
    /// One to ten kilobytes a second; a long message breaks off.
    Throttled,
    /// The connection is reset when a part of the request has reached the server.
    ResetInRequest,
    /// The connection is reset when a part of the answer has reached the phone.
    ResetInAnswer,
    /// The server has answered; the phone hears nothing of it.
    AnswerSwallowed,
    /// The connection is taken, and nobody is there.
    HalfOpen,
    /// The request arrives a second time on another connection: before, together with, or after the first.
    Duplicated,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: [Self; 8] = [
        Self::Passed,
        Self::Delayed,
        Self::Throttled,
        Self::ResetInRequest,
        Self::ResetInAnswer,
        Self::AnswerSwallowed,
        Self::HalfOpen,
        Self::Duplicated,
    ];

    /// Its name in the result.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Delayed => "delayed",
            Self::Throttled => "throttled",
            Self::ResetInRequest => "reset_in_request",
            Self::ResetInAnswer => "reset_in_answer",
            Self::AnswerSwallowed => "answers_swallowed",
            Self::HalfOpen => "half_open",
            Self::Duplicated => "duplicated",
        }
    }

    fn draw(chance: &mut Chance) -> Self {
        match chance.within(0, 100) {
            0..40 => Self::Passed,
            40..50 => Self::Delayed,
            50..56 => Self::Throttled,
            56..67 => Self::ResetInRequest,
            67..78 => Self::ResetInAnswer,
            78..88 => Self::AnswerSwallowed,
            88..91 => Self::HalfOpen,
            _ => Self::Duplicated,
        }
    }
}

/// What the line saw.
#[derive(Default)]
pub(crate) struct Seen {
    faults: Mutex<BTreeMap<Fault, u64>>,
    statuses: Mutex<BTreeMap<u16, u64>>,
    /// Exchanges that the server's death broke.
    pub(crate) broken_by_death: AtomicU64,
}

impl Seen {
    /// How often a fault happened.
    pub(crate) fn times(&self, fault: Fault) -> u64 {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).get(&fault).copied().unwrap_or(0)
    }

    /// How often the server answered with each status.
    pub(crate) fn statuses(&self) -> BTreeMap<u16, u64> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, fault: Fault) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner).entry(fault).or_default() += 1;
    }

    fn answered(&self, answer: &[u8]) {
        let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        *self.statuses.lock().unwrap_or_else(PoisonError::into_inner).entry(status.unwrap_or(0)).or_default() += 1;
    }
}

/// The line, running.
pub(crate) struct Proxy {
    /// Where phones find it.
    pub(crate) address: SocketAddr,
    /// What it saw.
    pub(crate) seen: Arc<Seen>,
    /// Whether it does harm.
    pub(crate) harmful: Arc<AtomicBool>,
}

struct Line {
    server: SocketAddr,
    seed: u64,
    seen: Arc<Seen>,
    harmful: Arc<AtomicBool>,
}

impl Proxy {
    /// Starts one in front of a server.
    pub(crate) fn start(runtime: &tokio::runtime::Runtime, server: &str, seed: u64) -> Fallible<Self> {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let proxy =
            Self { address: listener.local_addr()?, seen: Arc::default(), harmful: Arc::new(AtomicBool::new(true)) };
        let (seen, harmful) = (Arc::clone(&proxy.seen), Arc::clone(&proxy.harmful));
        let line = Arc::new(Line { server: server.parse()?, seed, seen, harmful });
        runtime.spawn(async move {
            let mut number = 0;
            loop {
                match listener.accept().await {
                    Ok((phone, _)) => {
                        number += 1;
                        let (line, chance) = (Arc::clone(&line), Chance::new(line.seed, number));
                        tokio::spawn(async move { line.serve(phone, chance).await });
                    }
                    // Out of file handles for a moment.
                    Err(_) => sleep(Duration::from_millis(10)).await,
                }
            }
        });
        Ok(proxy)
    }
}

impl Line {
    /// Exchange after exchange on one connection, until one of them breaks it.
    async fn serve(self: Arc<Self>, mut phone: TcpStream, mut chance: Chance) {
        let mut server = None;
        while let Some(request) = message(&mut phone).await {
            if self.exchange(&mut phone, &mut server, &request, &mut chance).await.is_none() {
                // With a zero linger, what is dropped is reset.
                drop(phone.set_zero_linger());
                if let Some(server) = &server {
                    drop(server.set_zero_linger());
                }
                return;
            }
        }
    }

    /// One exchange. `None` when the connection is to be reset.
    async fn exchange(
        self: &Arc<Self>,
        phone: &mut TcpStream,
        server: &mut Option<TcpStream>,
        request: &[u8],
        chance: &mut Chance,
    ) -> Option<()> {
        let fault = if self.harmful.load(Ordering::SeqCst) { Fault::draw(chance) } else { Fault::Passed };
        if fault == Fault::HalfOpen {
            self.seen.count(fault);
            sleep(Duration::from_millis(chance.within(1_000, 2_500))).await;
            return None;
        }
        if server.is_none() {
            *server = self.dial(chance).await;
        }
        let Some(server) = server else {
            self.seen.broken_by_death.fetch_add(1, Ordering::SeqCst);
            return None;
        };
        let second = if fault == Fault::Duplicated { chance.within(0, 3) } else { u64::MAX };
        match fault {
            Fault::Delayed => sleep(Duration::from_millis(chance.within(50, 1_500))).await,
            Fault::ResetInRequest => {
                let sent = chance.within(1, request.len() as u64) as usize;
                server.write_all(&request[..sent]).await.ok()?;
                server.flush().await.ok()?;
                sleep(Duration::from_millis(chance.within(0, 20))).await;
                self.seen.count(fault);
                return None;
            }
            _ => {}
        }
        if second == 0 {
            self.send_again(request, chance).await;
        }
        let bytes_a_second = chance.within(1_000, 10_000);
        if fault == Fault::Throttled {
            if !slowly(server, request, bytes_a_second).await {
                self.seen.count(fault);
                return None;
            }
        } else {
            server.write_all(request).await.ok()?;
        }
        if second == 1 {
            self.send_again(request, chance).await;
        }
        let Some(answer) = message(server).await else {
            self.seen.broken_by_death.fetch_add(1, Ordering::SeqCst);
            return None;
        };
        self.seen.answered(&answer);
        match fault {
            Fault::AnswerSwallowed => {
                self.seen.count(fault);
                return None;
            }
            Fault::ResetInAnswer => {
                let sent = chance.within(1, answer.len() as u64) as usize;
                phone.write_all(&answer[..sent]).await.ok()?;
                phone.flush().await.ok()?;
                // What was sent must be taken before the reset makes it void.
                sleep(Duration::from_millis(chance.within(0, 40))).await;
                self.seen.count(fault);
                return None;
            }
            Fault::Delayed => sleep(Duration::from_millis(chance.within(50, 1_500))).await,
            _ => {}
        }
        if fault == Fault::Throttled {
            let whole = slowly(phone, &answer, bytes_a_second).await;
            self.seen.count(fault);
            return whole.then_some(());
        }
        phone.write_all(&answer).await.ok()?;
        if second == 2 {
            let (line, request, mut chance) = (Arc::clone(self), request.to_vec(), chance.clone());
            tokio::spawn(async move {
                sleep(Duration::from_millis(chance.within(0, 3_000))).await;
                line.send_again(&request, &mut chance).await;
            });
        }
        if matches!(fault, Fault::Passed | Fault::Delayed) {
            self.seen.count(fault);
        }
        Some(())
    }

    /// The same request on a connection of its own. Counted when the server has answered it.
    async fn send_again(&self, request: &[u8], chance: &mut Chance) {
        let Some(mut server) = self.dial(chance).await else { return };
        if server.write_all(request).await.is_ok()
            && let Some(answer) = message(&mut server).await
        {
            self.seen.answered(&answer);
            self.seen.count(Fault::Duplicated);
        }
    }

    /// A connection to the server. Each comes from an address of its own, as phones do: the server limits attempts by
    /// address.
    async fn dial(&self, chance: &mut Chance) -> Option<TcpStream> {
        let [a, b, c] = [(1, 200), (0, 250), (2, 250)].map(|(from, to)| chance.within(from, to) as u8);
        let socket = TcpSocket::new_v4().ok()?;
        // Where loopback is a single address, all come from there.
        drop(socket.bind(SocketAddr::from((Ipv4Addr::new(127, a, b, c), 0))));
        socket.connect(self.server).await.ok()
    }
}

/// Sends a message at so many bytes a second; `false` when that took too long or broke.
async fn slowly(to: &mut TcpStream, message: &[u8], bytes_a_second: u64) -> bool {
    let began = Instant::now();
    for chunk in message.chunks((bytes_a_second / 20).max(1) as usize) {
        if began.elapsed() > PATIENCE || to.write_all(chunk).await.is_err() {
            return false;
        }
        sleep(Duration::from_millis(50)).await;
    }
    true
}

/// Reads one message of HTTP/1.1 whole: head, then as many bytes as it says. `None` when the connection ended before.
async fn message(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let whole = end + 4 + length.unwrap_or(0_usize);
            if whole > MESSAGE_MAX {
                return None;
            }
            while bytes.len() < whole {
                if from.read_buf(&mut bytes).await.ok()? == 0 {
                    return None;
                }
            }
            return Some(bytes);
        }
        if bytes.len() > MESSAGE_MAX || from.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
