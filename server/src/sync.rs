//! The exchange with a phone: ops in, outcomes and rows out. One request, one answer.
//!
//! Source: docs/PROTOCOL.md, "Sync session". What an op does is decided in `sync_protocol::decide`; this module keeps the
//! order, the proofs and the scope.

#[cfg(feature = "museum")]
mod exhibits;
mod rescue;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use sync_protocol::access::{Principal, Role};
use sync_protocol::catalogue::Catalogue;
use sync_protocol::cbor::{self, Bytes, Cbor, Ext};
use sync_protocol::decide::{Context, Decision, State, decide_bytes};
use sync_protocol::digest::{BucketState, fold};
use sync_protocol::ids::*;
use sync_protocol::merge::Lineage;
use sync_protocol::museum::{self, Exhibit};
use sync_protocol::op::{Chain, Intent, Op, OpName, signing_input};
use sync_protocol::outcome::{Code, Outcome, Verdict};
use sync_protocol::row::{BucketId, Class};
use sync_protocol::wire::*;

use crate::keys::CursorKey;
use crate::principal::{above, principal};
use crate::storage::{BucketRow, Device, LoggedOp, Outbox, StorageError, Store, Tx};
use crate::work::{AuditBody, Work, commits_of, wire_gen};

pub use rescue::{RescueError, RescueTaken};

/// Most bytes of rows in one answer when the phone names no budget.
const BUDGET_DEFAULT: usize = 256 * 1024;
/// Most bytes of rows in one answer.
const BUDGET_MAX: usize = 4 * 1024 * 1024;
/// Bytes of rows that go into one frame before packing.
const FRAME_ROWS_BYTES: usize = 64 * 1024;
/// Most devices whose cursors are remembered.
const REMEMBERED_MAX: usize = 50_000;
/// Most chain values in a fork answer.
const FORK_CHAIN_MAX: u64 = 2_000;

/// Why there is no answer in frames.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The body does not start with a hello that can be read. 400.
    #[error("the request does not start with a readable hello: {0}")]
    NoHello(String),
    /// The protocol version is too old or too new. 426.
    #[error("the protocol version is not spoken here")]
    Version,
    /// The session is unknown, ended, or the seal is wrong. 401.
    #[error("the session is not valid")]
    Session,
    /// Too many ops in one request. 413.
    #[error("too many ops in one request")]
    TooManyOps,
    /// The store failed. 503 or 507.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Fills bytes with randomness. Passed in, so that a simulation can repeat itself.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;
/// Tells the server's time. Passed in for the same reason.
pub type Clock = Arc<dyn Fn() -> ServerMs + Send + Sync>;

/// The server's half of the protocol.
pub struct SyncService {
    store: Store,
    catalogue: &'static Catalogue,
    secrets: Secrets,
    server_epoch: AtomicU16,
    lives: Lives,
    frame_rows_bytes: usize,
    clock: Clock,
    random: Random,
    remembered: Mutex<HashMap<DeviceId, ([u8; 8], Cursors)>>,
    on_new_epoch: Box<dyn Fn(u16) + Send + Sync>,
    #[cfg(feature = "museum")]
    heads_before: Mutex<BTreeMap<BucketId, u64>>,
}

/// Keys that are derived from the one secret that lies beside the store.
#[derive(Clone)]
pub struct Secrets {
    cursor: [u8; 32],
    sync: [u8; 32],
    refresh: [u8; 32],
    desk: [u8; 32],
    life: [u8; 32],
}

impl Secrets {
    /// Derives them.
    pub fn of(key: &CursorKey) -> Self {
        let derive = |purpose: &str| blake3::derive_key(purpose, key.as_bytes());
        Self {
            cursor: derive("thonso 2026 cursor"),
            sync: derive("thonso 2026 sync session"),
            refresh: derive("thonso 2026 refresh token"),
            desk: derive("thonso 2026 desk session"),
            life: derive("thonso 2026 life of the store"),
        }
    }

    /// The key with which a session seals its hellos. Not stored: whoever reads the store cannot call as a phone.
    pub fn sync_key(&self, session: u64) -> [u8; 32] {
        *blake3::keyed_hash(&self.sync, &session.to_be_bytes()).as_bytes()
    }

    /// The proof in the `generation`-th refresh token of a session.
    pub fn refresh_proof(&self, session: u64, generation: u32) -> [u8; 32] {
        let mut input = session.to_be_bytes().to_vec();
        input.extend_from_slice(&generation.to_be_bytes());
        *blake3::keyed_hash(&self.refresh, &input).as_bytes()
    }

    /// The proof in the cookie of a desk's session. Not stored either.
    pub fn desk_proof(&self, session: u64) -> [u8; 32] {
        *blake3::keyed_hash(&self.desk, &session.to_be_bytes()).as_bytes()
    }

    /// The proof that this server told a phone in which life it read.
    fn life_proof(&self, claim: &[u8]) -> [u8; 4] {
        let mut proof = [0; 4];
        proof.copy_from_slice(&blake3::keyed_hash(&self.life, claim).as_bytes()[..4]);
        proof
    }

    fn cursor_mac(&self, bucket: BucketId, gen_: u32, seq: u64) -> [u8; 8] {
        let mut hasher = blake3::Hasher::new_keyed(&self.cursor);
        hasher.update(bucket.scope.as_bytes());
        hasher.update(&[bucket.class as u8]);
        hasher.update(&bucket.quarter.to_be_bytes());
        hasher.update(&gen_.to_be_bytes());
        hasher.update(&seq.to_be_bytes());
        let mut mac = [0; 8];
        mac.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        mac
    }
}

/// The lives of this store: each start of the server on it, with how many units of work it had seen by then.
///
/// Whoever has read rows in a life that is not in the list, or further on in one than it lasted, has read what the store
/// no longer holds. Cursors alone do not tell: after a restore the same number of changes brings the same positions.
#[derive(Default)]
struct Lives(Vec<Life>);

/// One life: its number from 1, a few random bytes, and the units of work before it.
struct Life {
    number: u32,
    nonce: [u8; 2],
    commits: u64,
}

impl Lives {
    const KEY: &'static str = "lives";
    /// Most lives that are kept; what was read in an older one is not questioned.
    const KEPT: usize = 4_096;
    const BYTES: usize = 14;

    fn begin(tx: &mut dyn Tx, nonce: [u8; 2]) -> Result<Self, StorageError> {
        let Self(mut lives) = Self::of(tx)?;
        let number = lives.last().map_or(1, |life| life.number.saturating_add(1));
        lives.push(Life { number, nonce, commits: commits_of(tx)? });
        lives.drain(..lives.len().saturating_sub(Self::KEPT));
        let bytes: Vec<u8> = lives.iter().flat_map(Life::bytes).collect();
        tx.put_meta(Self::KEY, &bytes)?;
        Ok(Self(lives))
    }

    /// The lives that are written down.
    fn of(tx: &mut dyn Tx) -> Result<Self, StorageError> {
        let bytes = tx.meta(Self::KEY)?.unwrap_or_default();
        Ok(Self(bytes.chunks_exact(Self::BYTES).filter_map(Life::read).collect()))
    }

    /// What an answer says that was read at some number of units of work: number, nonce, work, and 4 bytes of proof.
    fn token(&self, commits: u64, secrets: &Secrets) -> Option<[u8; 16]> {
        let life = self.0.last()?;
        let mut token = [0; 16];
        token[..4].copy_from_slice(&life.number.to_be_bytes());
        token[4..6].copy_from_slice(&life.nonce);
        token[6..12].copy_from_slice(&commits.to_be_bytes()[2..]);
        let proof = secrets.life_proof(&token[..12]);
        token[12..].copy_from_slice(&proof);
        Some(token)
    }

    /// Whether what was read then is no longer part of this store's past. What proves nothing is not believed.
    fn is_lost(&self, token: [u8; 16], secrets: &Secrets) -> bool {
        let (claim, proof) = token.split_at(12);
        let (Some(oldest), Some(last)) = (self.0.first(), self.0.last()) else { return false };
        let number = u32::from_be_bytes([claim[0], claim[1], claim[2], claim[3]]);
        if proof != secrets.life_proof(claim) || number < oldest.number {
            return false;
        }
        let commits = claim[6..12].iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
        let at = self.0.partition_point(|life| life.number < number);
        match (self.0.get(at), self.0.get(at + 1)) {
            (Some(life), _) if life.nonce != claim[4..6] => true,
            // A life lasted until the next began; the present one is still going on.
            (Some(_), Some(next)) => commits > next.commits,
            (Some(_), None) => false,
            (None, _) => number > last.number,
        }
    }
}

impl Life {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (commits, _) = rest.split_first_chunk()?;
        let (number, commits) = (u32::from_be_bytes(*number), u64::from_be_bytes(*commits));
        Some(Self { number, nonce: *nonce, commits })
    }

    fn bytes(&self) -> Vec<u8> {
        [&self.number.to_be_bytes()[..], &self.nonce, &self.commits.to_be_bytes()].concat()
    }
}

/// A request taken apart.
struct Request {
    sealed: SealedHello,
    ops: Vec<(u32, OpsFrame)>,
    problems: Vec<Problem>,
}

/// Who is calling, checked.
struct Caller {
    user: UserId,
    public_key: VerifyingKey,
    is_revoked: bool,
}

/// What came of the ops of a request.
#[derive(Default)]
struct Pushed {
    outcomes: Vec<Outcome>,
    problems: Vec<Problem>,
    fork: Option<Fork>,
    last_n: u64,
    durable_upto: u64,
    #[cfg(feature = "museum")]
    apart: (Vec<LoggedOp>, Option<Outbox>),
}

/// What a phone may read, and from where on.
struct Reading<'h> {
    hello: &'h Hello,
    cursors: BTreeMap<BucketId, Cursor>,
    scopes: BTreeSet<ScopeId>,
    /// Units above the scopes, of which the notices are read and nothing else.
    above: BTreeSet<ScopeId>,
    /// Some of them are dropped first: their notices come with the next answer.
    held_back: bool,
}

/// The rows part of an answer.
struct Pulled {
    frames: Vec<u8>,
    commits: u64,
    reached: BTreeMap<BucketId, Cursor>,
    trailer: Trailer,
}

fn problem(code: impl ToString, frame: u32, expected_n: Option<u64>) -> Problem {
    Problem { code: code.to_string(), frame, expected_n, ext: Ext::default() }
}

impl SyncService {
    /// Builds the service. `on_new_epoch` is told when the server's epoch was raised, so that it is kept outside the
    /// store too.
    pub fn new(
        store: Store,
        secrets: Secrets,
        server_epoch: u16,
        clock: Clock,
        random: Random,
        on_new_epoch: Box<dyn Fn(u16) + Send + Sync>,
    ) -> Self {
        Self {
            store,
            catalogue: Catalogue::shipped(),
            secrets,
            server_epoch: AtomicU16::new(server_epoch),
            lives: Lives::default(),
            frame_rows_bytes: FRAME_ROWS_BYTES,
            clock,
            random,
            remembered: Mutex::new(HashMap::new()),
            on_new_epoch,
            #[cfg(feature = "museum")]
            heads_before: Mutex::default(),
        }
    }

    /// Sends at most so many bytes of rows in a frame, before packing.
    pub fn with_frames_of(self, bytes: usize) -> Self {
        Self { frame_rows_bytes: bytes.min(FRAME_ROWS_BYTES), ..self }
    }

    /// Notes that the server has started on its store, so that answers can say in which life of it they were read.
    pub fn begin_life(mut self) -> Result<Self, StorageError> {
        let mut nonce = [0; 2];
        (self.random)(&mut nonce);
        self.lives = match self.store.write_blocking(move |tx| Lives::begin(tx, nonce)) {
            // Reading goes on where nothing can be written; what is not written down is no life of its own.
            Err(StorageError::Full) => self.store.read_blocking(|tx| Lives::of(tx))?,
            begun => begun?,
        };
        Ok(self)
    }

    /// The server's epoch.
    pub fn server_epoch(&self) -> u16 {
        self.server_epoch.load(Ordering::SeqCst)
    }

    /// Answers one request.
    pub async fn exchange(self: &Arc<Self>, body: &[u8]) -> Result<Vec<u8>, SyncError> {
        let mut request = read_request(body)?;
        let now = (self.clock)();
        let hello = request.sealed.hello.clone();
        let caller = self.authenticate(&request.sealed).await?;
        let cursors = match (&hello.cursors, hello.cursors_short) {
            (Some(cursors), _) => Some(cursors.clone()),
            (None, None) => Some(Cursors::default()),
            (None, Some(short)) => self.recall(hello.device, short),
        };
        #[cfg(feature = "museum")]
        let cursors = self.believed(hello.device).or(cursors);
        if let Some(cursors) = &hello.cursors
            && let Some(seen) = self.later_life(cursors, hello.life).await?
        {
            // Before ops are taken in: they would push the heads past the cursors and hide the restore.
            self.raise_epoch(seen, now).await?;
        }
        if cursors.is_none() {
            // Without the cursors a restore could hide behind the ops: the phone is asked for them, and sends the ops
            // again with them.
            request.ops.clear();
        }
        #[cfg(feature = "museum")]
        self.note_heads(caller.user, now).await?;
        let pushed = self.push(&request, &caller, now).await?;
        self.answer(&request.sealed, &caller, cursors, pushed, request.problems, now).await
    }

    async fn authenticate(&self, sealed: &SealedHello) -> Result<Caller, SyncError> {
        let hello = &sealed.hello;
        if hello.proto != PROTO {
            return Err(SyncError::Version);
        }
        // The seal first: it costs no look-up, and nobody without a session learns anything.
        if !sealed.is_sealed_by(&self.secrets.sync_key(hello.session)) {
            return Err(SyncError::Session);
        }
        let (session, device) = (hello.session, hello.device);
        let found = self
            .store
            .read(move |tx| {
                let Some(session) = tx.session(session)? else { return Ok(None) };
                let Some(device) = tx.device(device)? else { return Ok(None) };
                let user = tx.user(session.user)?;
                Ok(user.map(|user| (session, device, user)))
            })
            .await?;
        let Some((session, device, user)) = found else { return Err(SyncError::Session) };
        if session.device != Some(device.id) || device.user != session.user || !user.active {
            return Err(SyncError::Session);
        }
        // A revoked device may still deliver; it reads nothing any more.
        let is_revoked = device.revoked.is_some();
        if session.revoked.is_some() && !is_revoked {
            return Err(SyncError::Session);
        }
        let public_key = VerifyingKey::from_sec1_bytes(&device.public_key).map_err(|_| SyncError::Session)?;
        Ok(Caller { user: session.user, public_key, is_revoked })
    }

    async fn push(&self, request: &Request, caller: &Caller, now: ServerMs) -> Result<Pushed, SyncError> {
        let hello = request.sealed.hello.clone();
        let known = {
            let (epoch, ask) = (hello.epoch, hello.ask.clone());
            let (user, device) = (caller.user, hello.device);
            self.store
                .read(move |tx| {
                    let outbox = tx.outbox(epoch)?;
                    let mut news = Vec::new();
                    // Epochs of colleagues are no secret; what became of their ops is none of the caller's business.
                    if outbox.as_ref().is_some_and(|outbox| outbox.user == user && outbox.device == device) {
                        for n in &ask {
                            if let Some(op) = tx.op(epoch, *n)? {
                                news.extend(outcome_now(tx, &op)?);
                            }
                        }
                    }
                    Ok((outbox, news))
                })
                .await?
        };
        let (outbox, news) = known;
        if request.ops.is_empty() {
            let mut pushed = Pushed { outcomes: news.clone(), ..Pushed::default() };
            match outbox {
                Some(outbox) if outbox.user != caller.user || outbox.device != hello.device => {
                    pushed.problems.push(problem("epoch_taken", 0, None));
                    return Ok(pushed);
                }
                Some(outbox) => {
                    pushed.last_n = outbox.last_n;
                    if is_same(&outbox, &hello) || museum::on(Exhibit::DurableUnproven) {
                        pushed.durable_upto = outbox.durable_upto;
                    }
                    if forked(&outbox, &hello) {
                        let (store, hello) = (self.store.clone(), hello.clone());
                        pushed.fork = Some(store.read(move |tx| fork_answer(tx, &outbox, &hello)).await?);
                    }
                    return Ok(pushed);
                }
                // An empty outbox needs no row yet; one with a past must be known before its ops are judged.
                None if hello.parent.is_none() || hello.last_n == 0 => return Ok(pushed),
                None => {}
            }
        }
        let push = Push {
            frames: request.ops.clone(),
            hello,
            user: caller.user,
            public_key: caller.public_key,
            is_revoked: caller.is_revoked,
            now,
            server_epoch: self.server_epoch(),
            catalogue: self.catalogue,
            random: Arc::clone(&self.random),
        };
        let mut pushed = self.store.write(move |tx| push.run(tx)).await?;
        #[cfg(feature = "museum")]
        self.store_apart(std::mem::take(&mut pushed.apart)).await?;
        pushed.outcomes.extend(news);
        Ok(pushed)
    }

    async fn answer(
        self: &Arc<Self>,
        sealed: &SealedHello,
        caller: &Caller,
        remembered: Option<Cursors>,
        pushed: Pushed,
        mut problems: Vec<Problem>,
        now: ServerMs,
    ) -> Result<Vec<u8>, SyncError> {
        let hello = &sealed.hello;
        problems.extend(pushed.problems);
        let wants_rows = pushed.fork.is_none() && !caller.is_revoked;
        let mut flags = 0;
        if caller.is_revoked {
            flags |= header_flag::WIPE;
        }
        if remembered.is_none() {
            flags |= header_flag::NEED_CURSORS;
        }
        let server_epoch = self.server_epoch();
        let mut pulled = None;
        let mut control = None;
        let mut dropped = Vec::new();
        if let (Some(cursors), true) = (&remembered, wants_rows) {
            let read = self.pull(hello, caller.user, cursors, now).await?;
            (control, pulled) = (read.0, Some(read.1));
            dropped = read.2;
        }

        // With rows, or when the phone names a life: else nothing that it holds has changed.
        let read_at = match &pulled {
            Some(pulled) if hello.life.is_some() || !pulled.frames.is_empty() => Some(pulled.commits),
            None if hello.life.is_some() => Some(self.store.read(commits_of).await?),
            _ => None,
        };
        let mut out = Vec::new();
        let mut frame = |kind, message: &dyn Fn() -> Vec<u8>| write_frame(kind, &message(), Effort::Server, &mut out);
        let header = Header {
            server_epoch,
            server_ms: now,
            last_n: pushed.last_n,
            durable_upto: pushed.durable_upto,
            next_after_ms: 0,
            flags,
            re: sealed.tag(),
            life: read_at.and_then(|commits| self.lives.token(commits, &self.secrets)),
            ext: Ext::default(),
        };
        let too_large = |fault: FrameFault| StorageError::Failed(Box::new(fault));
        frame(FrameKind::Header, &|| header.cbor()).map_err(too_large)?;
        if let Some(fork) = &pushed.fork {
            frame(FrameKind::Fork, &|| fork.cbor()).map_err(too_large)?;
        }
        for problem in &problems {
            frame(FrameKind::Problem, &|| problem.cbor()).map_err(too_large)?;
        }
        for chunk in pushed.outcomes.chunks(100) {
            let outcomes = Outcomes { outcomes: chunk.to_vec(), ext: Ext::default() };
            frame(FrameKind::Outcomes, &|| outcomes.cbor()).map_err(too_large)?;
        }
        if let Some(control) = &control {
            frame(FrameKind::Control, &|| control.cbor()).map_err(too_large)?;
        }
        if !dropped.is_empty() {
            let drop = DropFrame { scopes: dropped, ext: Ext::default() };
            frame(FrameKind::Drop, &|| drop.cbor()).map_err(too_large)?;
        }
        let trailer = match pulled {
            Some(pulled) => {
                out.extend_from_slice(&pulled.frames);
                let cursors = Cursors(pulled.reached.into_values().collect());
                self.remember(hello.device, cursors);
                pulled.trailer
            }
            None => Trailer { complete: false, state: None, more: false, heads: vec![], ext: Ext::default() },
        };
        write_frame(FrameKind::Trailer, &trailer.cbor(), Effort::Server, &mut out).map_err(too_large)?;
        Ok(out)
    }

    /// Reads on one snapshot what the caller may see and has not got.
    async fn pull(
        self: &Arc<Self>,
        hello: &Hello,
        user: UserId,
        cursors: &Cursors,
        now: ServerMs,
    ) -> Result<(Option<Control>, Pulled, Vec<ScopeId>), SyncError> {
        let (service, hello, cursors) = (Arc::clone(self), hello.clone(), cursors.clone());
        let read = self.store.read(move |tx| {
            let principal = principal(tx, user, now)?;
            let holdings = held_roles(&principal);
            let control = if holdings_short(principal.grants_rev, &holdings) == hello.holdings {
                None
            } else {
                let name = tx.user(user)?.map(|user| user.display_name).unwrap_or_default();
                Some(Control {
                    grants_rev: principal.grants_rev,
                    user,
                    display_name: name,
                    holdings: holdings.clone(),
                    schema_min: SCHEMA_MIN,
                    seal_key: None,
                    ext: Ext::default(),
                })
            };
            let scopes: BTreeSet<ScopeId> = holdings
                .iter()
                .filter(|held| Role::from_code(&held.role).is_some_and(Role::reads_rows))
                .map(|held| held.scope)
                .collect();
            let reads_notices = hello.schema >= SCHEMA_NOTICES;
            let mut above = if reads_notices { above(tx, &scopes)? } else { BTreeSet::new() };
            let may_hold = |bucket: &BucketId| {
                scopes.contains(&bucket.scope) || (bucket.class == Class::Notice && above.contains(&bucket.scope))
            };
            let foreign = cursors.0.iter().map(|cursor| cursor.bucket).filter(|bucket| !may_hold(bucket));
            let mut dropped: Vec<ScopeId> = foreign.map(|bucket| bucket.scope).collect();
            dropped.dedup();
            // A phone forgets a scope whole. What it may still read of it comes when it has.
            let before = above.len();
            above.retain(|scope| !dropped.contains(scope));
            let reading = Reading {
                hello: &hello,
                cursors: cursors.0.iter().map(|cursor| (cursor.bucket, *cursor)).collect(),
                scopes,
                held_back: above.len() < before,
                above,
            };
            let pulled = service.read_rows(tx, &reading)?;
            Ok((control, pulled, dropped))
        });
        Ok(read.await?)
    }

    fn read_rows(&self, tx: &mut dyn Tx, reading: &Reading<'_>) -> Result<Pulled, StorageError> {
        let server_epoch = self.server_epoch();
        let hello = reading.hello;
        let budget = match hello.budget_bytes {
            0 => BUDGET_DEFAULT,
            wanted => BUDGET_MAX.min(wanted as usize),
        };
        let class_max = if hello.classes == 0 { Class::Notice as u8 } else { hello.classes - 1 };
        let mut buckets: Vec<(BucketId, BucketRow)> = Vec::new();
        for scope in &reading.scopes {
            buckets.extend(tx.buckets_of(*scope)?);
        }
        for scope in &reading.above {
            buckets.extend(tx.buckets_of(*scope)?.into_iter().filter(|(id, _)| id.class == Class::Notice));
        }
        if hello.schema < SCHEMA_NOTICES {
            buckets.retain(|(id, _)| id.class != Class::Notice);
        }
        let mut pulled = Pulled {
            frames: Vec::new(),
            commits: commits_of(tx)?,
            reached: BTreeMap::new(),
            trailer: Trailer {
                complete: !reading.held_back,
                state: None,
                more: reading.held_back,
                heads: vec![],
                ext: Ext::default(),
            },
        };
        // Control first, then registers, then notices, then events with the newest quarter first.
        let mut order = buckets.clone();
        order.sort_by_key(|(id, _)| (id.class.sent(), std::cmp::Reverse(id.quarter), id.scope));
        for (id, bucket) in &order {
            if id.class as u8 > class_max {
                pulled.trailer.complete = false;
                continue;
            }
            let gen_ = wire_gen(server_epoch, bucket);
            let from = reading.cursors.get(id).and_then(|cursor| self.goes_on(cursor, bucket)).unwrap_or(0);
            let mut reached = from;
            while reached < bucket.head {
                if pulled.frames.len() >= budget {
                    pulled.trailer.complete = false;
                    pulled.trailer.more = true;
                    break;
                }
                let rows = tx.rows_after(*id, reached, self.frame_rows_bytes)?;
                let Some((last, _)) = rows.last() else {
                    // Positions at the end belong to rows that moved forward; nothing is missing.
                    reached = bucket.head;
                    break;
                };
                let end = if *last >= bucket.head { bucket.head } else { *last };
                #[cfg(feature = "museum")]
                let rows = self.as_exhibited(*id, bucket.head, from == 0, rows);
                self.write_rows(*id, gen_, reached, end, &rows, &mut pulled.frames)?;
                reached = end;
            }
            let mac = self.secrets.cursor_mac(*id, gen_, reached);
            pulled.reached.insert(*id, Cursor { bucket: *id, gen_, seq: reached, mac });
        }
        if pulled.trailer.complete || hello.want_digests {
            let state = |(id, bucket): &(BucketId, BucketRow)| BucketState {
                bucket: *id,
                gen_: wire_gen(server_epoch, bucket),
                head: bucket.head,
                digest: bucket.digest,
            };
            buckets.sort_by_key(|(id, _)| *id);
            let states: Vec<BucketState> = buckets.iter().filter(|(_, row)| row.head > 0).map(state).collect();
            if pulled.trailer.complete {
                pulled.trailer.state = Some(fold(&states));
            }
            if hello.want_digests {
                pulled.trailer.heads = states
                    .iter()
                    .map(|state| Head {
                        scope: state.bucket.scope,
                        class: state.bucket.class as u8,
                        quarter: state.bucket.quarter,
                        gen_: state.gen_,
                        head: state.head,
                        count: state.digest.count,
                        sum: state.digest.sum,
                        ext: Ext::default(),
                    })
                    .collect();
            }
        }
        Ok(pulled)
    }

    fn is_genuine(&self, cursor: &Cursor) -> bool {
        cursor.mac == self.secrets.cursor_mac(cursor.bucket, cursor.gen_, cursor.seq)
    }

    /// The position behind which reading goes on; nothing when the bucket is loaded from its beginning.
    fn goes_on(&self, cursor: &Cursor, bucket: &BucketRow) -> Option<u64> {
        let fits = self.is_genuine(cursor) && cursor.gen_ == wire_gen(self.server_epoch(), bucket);
        (fits && (bucket.floor..=bucket.head).contains(&cursor.seq)).then_some(cursor.seq)
    }

    /// Whether a phone has read what this store never held: further than it has come, in a later epoch, or in a life that
    /// it does not know of. Then it was put back to an older copy, perhaps with everything that lay beside it. Gives the
    /// highest epoch that shows it.
    async fn later_life(self: &Arc<Self>, cursors: &Cursors, life: Option<[u8; 16]>) -> Result<Option<u16>, SyncError> {
        let (service, cursors) = (Arc::clone(self), cursors.clone());
        let read = self.store.read(move |tx| {
            let own = service.server_epoch();
            let is_lost = life.is_some_and(|life| service.lives.is_lost(life, &service.secrets))
                && !museum::on(Exhibit::RestoreUnnoticed);
            let mut seen = is_lost.then_some(own);
            for cursor in cursors.0.iter().filter(|cursor| service.is_genuine(cursor)) {
                let epoch = u16::try_from(cursor.gen_ >> 16).unwrap_or(u16::MAX);
                let is_ahead = epoch == own && cursor.seq > tx.bucket(cursor.bucket)?.map_or(0, |bucket| bucket.head);
                if (epoch > own && !museum::on(Exhibit::EpochNumberAgain)) || is_ahead {
                    seen = seen.max(Some(epoch));
                }
            }
            Ok(seen.filter(|_| !museum::on(Exhibit::RestoreKeepsEpoch)))
        });
        Ok(read.await?)
    }

    /// Writes rows as one frame, or as two halves where they do not fit.
    fn write_rows(
        &self,
        id: BucketId,
        gen_: u32,
        from: u64,
        to: u64,
        rows: &[(u64, Vec<u8>)],
        out: &mut Vec<u8>,
    ) -> Result<(), StorageError> {
        let message = RowsFrame {
            scope: id.scope,
            class: id.class as u8,
            quarter: id.quarter,
            gen_,
            from,
            to,
            mac: self.secrets.cursor_mac(id, gen_, to),
            rows: rows.iter().map(|(_, body)| Bytes(body.clone())).collect(),
            ext: Ext::default(),
        };
        match write_message(FrameKind::Rows, &message, Effort::Server, out) {
            Ok(()) => Ok(()),
            Err(_) if rows.len() > 1 => {
                let (first, second) = rows.split_at(rows.len() / 2);
                let middle = first.last().map_or(from, |(seq, _)| *seq);
                self.write_rows(id, gen_, from, middle, first, out)?;
                self.write_rows(id, gen_, middle, to, second, out)
            }
            Err(fault) => Err(StorageError::Failed(Box::new(fault))),
        }
    }

    fn recall(&self, device: DeviceId, short: [u8; 8]) -> Option<Cursors> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(&device).filter(|(known, _)| *known == short).map(|(_, cursors)| cursors.clone())
    }

    /// Remembers what the phone holds if it takes all of the answer. A memory, never a need: it may be emptied any time.
    fn remember(&self, device: DeviceId, cursors: Cursors) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX && !remembered.contains_key(&device) {
            remembered.clear();
        }
        remembered.insert(device, (cursors.short(), cursors));
    }

    async fn raise_epoch(&self, seen: u16, now: ServerMs) -> Result<u16, SyncError> {
        let raised = self
            .store
            .write(move |tx| {
                let stored = server_epoch_of(tx)?;
                // Two requests may find out at once.
                if stored > seen {
                    return Ok(stored);
                }
                let raised = next_epoch(seen.max(stored), now);
                tx.put_meta(SERVER_EPOCH_KEY, &raised.to_be_bytes())?;
                Ok(raised)
            })
            .await?;
        self.server_epoch.fetch_max(raised, Ordering::SeqCst);
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).clear();
        tracing::error!(server_epoch = raised, "the store is older than what phones hold; a new server epoch begins");
        (self.on_new_epoch)(raised);
        Ok(raised)
    }
}

/// Where the server's epoch is kept in the store; it is also kept outside.
pub const SERVER_EPOCH_KEY: &str = "server_epoch";

/// The epoch after an old one. It goes by the hour: a server that is put back together with everything that lay beside it,
/// twice, must not come to a number again that phones know from a life between.
pub fn next_epoch(old: u16, now: ServerMs) -> u16 {
    /// 2026-01-01T00:00:00Z.
    const COUNTED_FROM_MS: u64 = 1_767_225_600_000;
    let hours = now.0.saturating_sub(COUNTED_FROM_MS) / 3_600_000;
    if museum::on(Exhibit::EpochNumberAgain) {
        return old.saturating_add(1);
    }
    u16::try_from(hours).unwrap_or(0).max(old.saturating_add(1))
}

/// The server's epoch as the store knows it; 0 in a new store.
pub fn server_epoch_of(tx: &mut dyn Tx) -> Result<u16, StorageError> {
    let bytes = tx.meta(SERVER_EPOCH_KEY)?;
    Ok(bytes.and_then(|bytes| <[u8; 2]>::try_from(bytes).ok()).map_or(0, u16::from_be_bytes))
}

fn read_request(body: &[u8]) -> Result<Request, SyncError> {
    let request = read_frames(body)?;
    if request.ops.iter().map(|(_, frame)| frame.ops.len()).sum::<usize>() > BATCH_OPS_MAX {
        return Err(SyncError::TooManyOps);
    }
    Ok(request)
}

/// Takes a request apart, however many ops are in it.
fn read_frames(body: &[u8]) -> Result<Request, SyncError> {
    let mut frames = Frames::new(body).enumerate();
    let sealed = match frames.next() {
        Some((_, Ok((FrameKind::Hello, payload)))) => {
            SealedHello::read(&payload).map_err(|fault| SyncError::NoHello(fault.to_string()))?
        }
        Some((_, Err(fault))) => return Err(SyncError::NoHello(fault.to_string())),
        Some(_) | None => return Err(SyncError::NoHello("no_hello".into())),
    };
    let mut request = Request { sealed, ops: Vec::new(), problems: Vec::new() };
    for (at, frame) in frames {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        match frame {
            Ok((FrameKind::Ops, payload)) => match cbor::read::<OpsFrame>(&payload) {
                Ok(ops) => request.ops.push((at, ops)),
                Err(fault) => request.problems.push(problem(fault, at, None)),
            },
            Ok(_) => request.problems.push(problem("frame_kind_unexpected", at, None)),
            Err(fault) => request.problems.push(problem(fault, at, None)),
        }
    }
    Ok(request)
}

fn held_roles(principal: &Principal) -> Vec<HeldRole> {
    let held = principal.holdings.iter().filter(|holding| holding.ended.is_none());
    let pairs: BTreeSet<(ScopeId, &str)> = held.map(|holding| (holding.scope, holding.role.code())).collect();
    pairs.into_iter().map(|(scope, role)| HeldRole { scope, role: role.to_owned(), ext: Ext::default() }).collect()
}

/// Whether the calling outbox is proven to be the one that the server knows.
fn is_same(outbox: &Outbox, hello: &Hello) -> bool {
    hello.last_n == outbox.last_n && hello.chain == outbox.chain.short()
}

/// Whether the calling outbox is not the one that the server knows.
fn forked(outbox: &Outbox, hello: &Hello) -> bool {
    if museum::on(Exhibit::NoForkCheck) {
        return false;
    }
    hello.last_n < outbox.last_n || (hello.last_n == outbox.last_n && hello.chain != outbox.chain.short())
}

fn fork_answer(tx: &mut dyn Tx, outbox: &Outbox, hello: &Hello) -> Result<Fork, StorageError> {
    let oldest = if hello.oldest_n == 0 { hello.last_n } else { hello.oldest_n.saturating_sub(1) };
    let to = outbox.last_n.min(hello.last_n);
    let from = oldest.max(to.saturating_sub(FORK_CHAIN_MAX));
    let mut chain: Vec<(u64, [u8; 8])> = Vec::new();
    if from == 0 {
        chain.push((0, Chain::start(outbox.device, outbox.epoch).short()));
    }
    chain.extend(tx.chains(outbox.epoch, from.max(1), to)?.into_iter().map(|(n, chain)| (n, chain.short())));
    Ok(Fork { last_n: outbox.last_n, chain, ext: Ext::default() })
}

/// The writing part of a request.
struct Push {
    frames: Vec<(u32, OpsFrame)>,
    hello: Hello,
    user: UserId,
    public_key: VerifyingKey,
    is_revoked: bool,
    now: ServerMs,
    server_epoch: u16,
    catalogue: &'static Catalogue,
    random: Random,
}

impl Push {
    /// Takes the ops in. Runs in one transaction; whatever the ops are, the answer is an outcome for each.
    fn run(&self, tx: &mut dyn Tx) -> Result<Pushed, StorageError> {
        let hello = &self.hello;
        let mut pushed = Pushed::default();
        let outbox = match tx.outbox(hello.epoch)? {
            Some(outbox) if outbox.user != self.user || outbox.device != hello.device => {
                pushed.problems.push(problem("epoch_taken", 0, None));
                return Ok(pushed);
            }
            Some(outbox) => outbox,
            None => Outbox {
                epoch: hello.epoch,
                device: hello.device,
                user: self.user,
                parent: self.parent(tx)?,
                last_n: 0,
                chain: Chain::start(hello.device, hello.epoch),
                durable_upto: 0,
            },
        };
        if outbox.last_n > 0 && forked(&outbox, hello) {
            pushed.last_n = outbox.last_n;
            pushed.fork = Some(fork_answer(tx, &outbox, hello)?);
            return Ok(pushed);
        }
        if let Some(device) = tx.device(hello.device)? {
            tx.put_device(&Device { last_seen: self.now, ..device })?;
        }
        let lineage = lineage_of(tx, &outbox)?;
        let principal = principal(tx, self.user, self.now)?;
        let mut work = Work::new(tx, self.now);
        work.know_author(outbox.epoch, self.user);
        let proven = if is_same(&outbox, hello) || museum::on(Exhibit::DurableUnproven) { u64::MAX } else { 0 };
        let mut taking = Taking { outbox, lineage, principal, pushed, proven };
        for (at, frame) in &self.frames {
            if !self.take_frame(&mut work, &mut taking, *at, frame)? {
                break;
            }
        }
        #[cfg(feature = "museum")]
        if museum::on(Exhibit::OutcomeApart) {
            work.finish()?;
            taking.pushed.last_n = taking.outbox.last_n;
            taking.pushed.apart.1 = Some(taking.outbox);
            return Ok(taking.pushed);
        }
        work.tx().put_outbox(&taking.outbox)?;
        work.finish()?;
        taking.pushed.last_n = taking.outbox.last_n;
        // What is safe is said only of ops that are proven to be the caller's: a clone has other ones under the same numbers.
        taking.pushed.durable_upto = taking.outbox.durable_upto.min(taking.proven);
        Ok(taking.pushed)
    }

    /// A past is believed only of the same person's outbox on the same device.
    fn parent(&self, tx: &mut dyn Tx) -> Result<Option<(Epoch, u64)>, StorageError> {
        let Some((epoch, at)) = self.hello.parent else { return Ok(None) };
        let parent = tx.outbox(epoch)?;
        Ok(parent.filter(|parent| parent.user == self.user && parent.device == self.hello.device).map(|_| (epoch, at)))
    }

    /// Takes one frame in; `false` when later frames cannot follow it.
    fn take_frame(
        &self,
        work: &mut Work<'_>,
        taking: &mut Taking,
        at: u32,
        frame: &OpsFrame,
    ) -> Result<bool, StorageError> {
        let expected = taking.outbox.last_n + 1;
        if frame.first_n == 0 || frame.first_n > expected {
            taking.pushed.problems.push(problem("expected_n", at, Some(expected)));
            return Ok(false);
        }
        let before = if frame.first_n == expected {
            Some(taking.outbox.chain)
        } else if frame.first_n == 1 {
            Some(Chain::start(taking.outbox.device, taking.outbox.epoch))
        } else {
            work.tx().op(taking.outbox.epoch, frame.first_n - 1)?.map(|op| op.chain)
        };
        let unchecked = museum::on(Exhibit::NoForkCheck);
        let Some(before) = before.filter(|chain| chain.short() == frame.before || unchecked) else {
            taking.pushed.fork = Some(fork_answer(work.tx(), &taking.outbox, &self.hello)?);
            return Ok(false);
        };
        let chains: Vec<Chain> = frame
            .ops
            .iter()
            .scan(before, |chain, op| {
                *chain = chain.then(&op.0);
                Some(*chain)
            })
            .collect();
        let head = chains.last().copied().unwrap_or(before);
        let count = u32::try_from(frame.ops.len()).unwrap_or(u32::MAX);
        let input = signing_input(taking.outbox.device, taking.outbox.epoch, frame.first_n, count, &head);
        let signed = Signature::from_slice(&frame.signature)
            .is_ok_and(|signature| self.public_key.verify(&input, &signature).is_ok());
        if !signed && !unchecked {
            taking.pushed.problems.push(problem("bad_signature", at, None));
            return Ok(false);
        }
        #[cfg(feature = "museum")]
        if museum::on(Exhibit::UploadsReorder) {
            return self.take_backwards(work, taking, frame, &chains);
        }
        taking.proven = taking.proven.max(frame.first_n - 1);
        for ((n, op), chain) in (frame.first_n..).zip(&frame.ops).zip(chains) {
            if n < expected {
                // Sent again: the same op gets the same outcome; another op under the same number is a fork.
                let known = work.tx().op(taking.outbox.epoch, n)?;
                match known.filter(|known| known.chain == chain || unchecked) {
                    Some(known) => taking.pushed.outcomes.extend(outcome_now(work.tx(), &known)?),
                    None => {
                        taking.pushed.fork = Some(fork_answer(work.tx(), &taking.outbox, &self.hello)?);
                        return Ok(false);
                    }
                }
            } else {
                let outcome = self.take_op(work, taking, n, &op.0, chain)?;
                taking.pushed.outcomes.push(outcome);
            }
            taking.proven = taking.proven.max(n);
        }
        Ok(true)
    }

    fn take_op(
        &self,
        work: &mut Work<'_>,
        taking: &mut Taking,
        n: u64,
        bytes: &[u8],
        chain: Chain,
    ) -> Result<Outcome, StorageError> {
        let op = Op::read(bytes).ok();
        if op.is_none() && museum::on(Exhibit::DecodeErrorAbortsBatch) {
            return Err(StorageError::Failed("an op that cannot be read".into()));
        }
        let uid = op.as_ref().map(Op::uid);
        let epoch = taking.outbox.epoch;
        let mut body = None;
        let home = match uid {
            Some(uid) if !museum::on(Exhibit::NoOpUid) => home_of(work.tx(), uid)?,
            _ => None,
        };
        let outcome = match &home {
            // The same intent under another identity: a restored phone, a new enrolment. It had its effect, or was
            // refused; only what waits is looked at again.
            Some((_, outcome)) if outcome.verdict != Verdict::Deferred => Outcome { n, ..outcome.clone() },
            _ => {
                let mut decision = if self.is_revoked {
                    deferred(Code::DeviceRevoked)
                } else {
                    let context = Context {
                        principal: &taking.principal,
                        epoch,
                        n,
                        lineage: &taking.lineage,
                        server_epoch: self.server_epoch,
                        received: self.now,
                        catalogue: self.catalogue,
                    };
                    decide_bytes(work, &context, bytes)?
                };
                // What follows an op that waits must wait with it.
                if decision.code == Some(Code::NotFound)
                    && let Some(visit) = op.as_ref().and_then(target_visit)
                    && waits(work.tx(), epoch, visit)?
                {
                    decision = deferred(Code::NeedsServerUpdate);
                }
                let outcome = decision.outcome(n);
                if let Some((waiting, _)) = &home
                    && decision.verdict != Verdict::Deferred
                {
                    let known = Outcome { n: waiting.n, ..outcome.clone() };
                    work.tx().put_op(&LoggedOp { outcome: known.cbor(), body: None, ..waiting.clone() })?;
                }
                if matches!(decision.verdict, Verdict::Deferred | Verdict::Rejected) {
                    body = Some(bytes.to_vec());
                }
                self.note(work, taking, op.as_ref(), &decision);
                work.apply(decision.changes)?;
                // What changed may have been the author's own rights.
                if op.as_ref().is_some_and(|op| (0x0505..=0x0509).contains(&op.code)) {
                    taking.principal.grants_rev =
                        work.user(self.user)?.map_or(taking.principal.grants_rev, |user| user.grants_rev);
                }
                outcome
            }
        };
        let logged = LoggedOp { epoch, n, uid, chain, outcome: outcome.cbor(), body, received: self.now };
        #[cfg(feature = "museum")]
        if museum::on(Exhibit::OutcomeApart) {
            taking.pushed.apart.0.push(logged);
            (taking.outbox.last_n, taking.outbox.chain) = (n, chain);
            return Ok(outcome);
        }
        work.tx().put_op(&logged)?;
        taking.outbox.last_n = n;
        taking.outbox.chain = chain;
        Ok(outcome)
    }

    /// Writes the audit entry of an op.
    fn note(&self, work: &mut Work<'_>, taking: &Taking, op: Option<&Op>, decision: &Decision) {
        let mut salt = [0; 16];
        (self.random)(&mut salt);
        let scope = decision_scope(decision)
            .or_else(|| taking.principal.holdings.first().map(|holding| holding.scope))
            .unwrap_or(sync_protocol::access::INSTALLATION);
        let body = AuditBody {
            salt,
            at: self.now,
            actor: self.user,
            device: Some(self.hello.device),
            action: op
                .and_then(|op| OpName::from_code(op.code))
                .map_or_else(|| "op.unknown".to_owned(), |name| name.text().to_owned()),
            object: op.map(Op::row_id),
            outcome: verdict_text(decision).to_owned(),
            reason: None,
            ext: Ext::default(),
        };
        work.audit(scope, body);
    }
}

/// The scope that a decision changed first.
pub fn decision_scope(decision: &Decision) -> Option<ScopeId> {
    use sync_protocol::decide::Change;
    decision.changes.first().map(|change| match change {
        Change::PutRegister { scope, .. } | Change::PutEvent { scope, .. } | Change::Move { from: scope, .. } => *scope,
        Change::PutGrant(grant) => grant.unit.into(),
        Change::PutUser(user) => user.unit.into(),
    })
}

/// A verdict or a code, for the audit.
pub fn verdict_text(decision: &Decision) -> &'static str {
    match (decision.verdict, decision.code) {
        (_, Some(code)) => code.text(),
        (Verdict::AppliedWithCase, None) => "applied_with_case",
        _ => "applied",
    }
}

/// An op that is kept without effect: from a revoked device, or behind another that waits.
fn deferred(code: Code) -> Decision {
    Decision {
        verdict: Verdict::Deferred,
        code: Some(code),
        field: None,
        rule: None,
        ver: None,
        case: None,
        changes: Vec::new(),
    }
}

/// Decides one kept op again, as of when it was received. Gives the outcome when it no longer waits.
pub(crate) fn decide_again(tx: &mut dyn Tx, op: &LoggedOp, server_epoch: u16) -> Result<Option<Outcome>, StorageError> {
    let Some(outbox) = tx.outbox(op.epoch)? else { return Ok(None) };
    let Some(body) = &op.body else { return Ok(None) };
    // The same intent under a later identity follows the first one.
    let uid = Op::read(body).ok().map(|op| op.uid());
    if let Some(uid) = uid
        && tx.op_by_uid(uid)? != Some((op.epoch, op.n))
    {
        return Ok(None);
    }
    let principal = principal(tx, outbox.user, op.received)?;
    let lineage = lineage_of(tx, &outbox)?;
    let mut work = Work::new(tx, op.received);
    let context = Context {
        principal: &principal,
        epoch: op.epoch,
        n: op.n,
        lineage: &lineage,
        server_epoch,
        received: op.received,
        catalogue: Catalogue::shipped(),
    };
    let decision = decide_bytes(&mut work, &context, body)?;
    if decision.verdict == Verdict::Deferred {
        return Ok(None);
    }
    let outcome = decision.outcome(op.n);
    let kept = (decision.verdict == Verdict::Rejected).then(|| body.clone());
    let logged = LoggedOp { outcome: outcome.cbor(), body: kept, ..op.clone() };
    work.apply(decision.changes)?;
    work.tx().put_op(&logged)?;
    work.finish()?;
    Ok(Some(outcome))
}

/// Earlier lives of an outbox: each parent up to where it was left, and its parents in turn.
fn lineage_of(tx: &mut dyn Tx, outbox: &Outbox) -> Result<Lineage, StorageError> {
    const GENERATIONS_MAX: usize = 64;
    let mut lineage = Vec::new();
    let mut next = outbox.parent;
    while let Some((epoch, at)) = next
        && lineage.len() < GENERATIONS_MAX
    {
        lineage.push((epoch, at));
        next = tx.outbox(epoch)?.and_then(|parent| parent.parent);
    }
    Ok(Lineage(lineage))
}

/// What changes while the ops of one request are taken in.
struct Taking {
    outbox: Outbox,
    lineage: Lineage,
    principal: Principal,
    pushed: Pushed,
    /// Up to here the caller's history is proven to be the one that is known here.
    proven: u64,
}

/// Where an op was decided first, with its outcome.
fn home_of(tx: &mut dyn Tx, uid: OpUid) -> Result<Option<(LoggedOp, Outcome)>, StorageError> {
    let Some((epoch, n)) = tx.op_by_uid(uid)? else { return Ok(None) };
    let Some(op) = tx.op(epoch, n)? else { return Ok(None) };
    Ok(cbor::read::<Outcome>(&op.outcome).ok().map(|outcome| (op, outcome)))
}

/// The outcome of an op as it stands now: one that waits follows whatever became of the same intent elsewhere.
fn outcome_now(tx: &mut dyn Tx, op: &LoggedOp) -> Result<Option<Outcome>, StorageError> {
    let Ok(outcome) = cbor::read::<Outcome>(&op.outcome) else { return Ok(None) };
    if outcome.verdict == Verdict::Deferred
        && let Some(uid) = op.body.as_ref().and_then(|body| Op::read(body).ok()).map(|op| op.uid())
        && let Some((_, settled)) = home_of(tx, uid)?
    {
        return Ok(Some(Outcome { n: op.n, ..settled }));
    }
    Ok(Some(outcome))
}

/// The visit that an op is about, if it is about one that exists already.
fn target_visit(op: &Op) -> Option<uuid::Uuid> {
    match Intent::of(op)?.ok()? {
        Intent::VisitSubmit(body) => Some(body.visit.0),
        Intent::VisitCorrect(body) => Some(body.visit.0),
        Intent::VisitVoid(body) => Some(body.visit.0),
        _ => None,
    }
}

/// Whether an op of this outbox that waits would make a row of that id.
fn waits(tx: &mut dyn Tx, epoch: Epoch, row: uuid::Uuid) -> Result<bool, StorageError> {
    const PAGE: usize = 100;
    let mut after = (epoch, 0);
    loop {
        let page = tx.kept_ops(Some(after), PAGE)?;
        for op in page.iter().filter(|op| op.epoch == epoch) {
            let is_waiting =
                cbor::read::<Outcome>(&op.outcome).is_ok_and(|outcome| outcome.verdict == Verdict::Deferred);
            let made = op.body.as_ref().and_then(|body| Op::read(body).ok()).map(|op| op.row_id());
            if is_waiting && made == Some(row) {
                return Ok(true);
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE && last.epoch == epoch => after = (last.epoch, last.n),
            _ => return Ok(false),
        }
    }
}
