//! What to send next, what to commit, when to try again: a conversation without sockets, clocks or threads.
//!
//! The host says what happened ([`Event`]); the session says what to do ([`Instruction`]). Everything that an answer
//! brings is committed frame by frame with its cursors, so a cut loses at most the frame that was cut. A failure makes
//! the next attempt smaller, never larger. Source: docs/PROTOCOL.md, "Exchange".

use std::collections::BTreeSet;

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde::Serialize;
use sync_protocol::cbor::{self, Bytes, Cbor};
use sync_protocol::ids::*;
use sync_protocol::museum::{self, Exhibit};
use sync_protocol::op::{Op, OpName, signing_input};
use sync_protocol::outcome::Verdict;
use sync_protocol::rescue;
use sync_protocol::row::BucketId;
use sync_protocol::wire::*;

use crate::error::{Error, Result};
use crate::store::{Applied, Db, DigestCheck, OVERLAY_DIRTY, Run, SYNC_RUNNING, Store};
use crate::{Random, random_u64};

/// Bytes of ops in a first request.
pub const PUSH_BYTES_START: u64 = 8 * 1024;
/// Most bytes of ops in a request.
pub const PUSH_BYTES_MAX: u64 = 256 * 1024;
/// Bytes of rows wanted in a first answer.
pub const PULL_BYTES_START: u64 = 64 * 1024;
/// Most bytes of rows wanted in an answer.
pub const PULL_BYTES_MAX: u64 = 1024 * 1024;
/// Fewest bytes of rows wanted: one small frame.
pub const PULL_BYTES_MIN: u64 = 2 * 1024;
/// First wait after a failure, before the jitter, in milliseconds.
pub const BACKOFF_START_MS: u64 = 5_000;
/// Longest wait after failures, before the jitter, in milliseconds.
pub const BACKOFF_MAX_MS: u64 = 30 * 60_000;
/// How often a person may ask for a sync that does not wait, in milliseconds.
pub const PRESS_EVERY_MS: u64 = 60_000;
/// A wait that lies further ahead than this comes from a wrong clock and is ignored.
const WAIT_BELIEVED_MS: u64 = 48 * 3_600_000;
/// Most requests of one session.
const ROUNDS_MAX: u32 = 4_000;
/// Bytes of unpacked rows that are committed together.
const COMMIT_BYTES: usize = 512 * 1024;
/// Most bytes of ops in a frame before packing.
const FRAME_OPS_BYTES: usize = 120 * 1024;

/// What happened, as the host tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Somebody or something wants a sync.
    Start {
        /// This phone's clock.
        now: ClaimedMs,
        /// A person pressed the button: waits do not count, once a minute.
        user_pressed: bool,
    },
    /// The body of an answer, whole or cut.
    Received {
        /// As much as arrived.
        body: Vec<u8>,
        /// This phone's clock.
        now: ClaimedMs,
    },
    /// There was no answer that could be used.
    Failed {
        /// What went wrong.
        kind: Failure,
        /// This phone's clock.
        now: ClaimedMs,
    },
}

/// What the host is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Instruction {
    /// Post these bytes and tell what came back.
    Send(Vec<u8>),
    /// Nothing now; start again after so long.
    RetryAfter {
        /// Milliseconds.
        wait_ms: u64,
    },
    /// Done.
    Finished(SyncSummary),
}

/// Why there was no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum Failure {
    /// No connection, or it broke before the first byte.
    Network,
    /// The answer ended in the middle.
    Cut,
    /// The session is not taken any more: sign in.
    SignIn,
    /// The server is busy and says when to come back.
    Busy {
        /// Milliseconds; 0 when it did not say.
        retry_after_ms: u64,
    },
    /// The request was too large.
    TooLarge,
    /// The server does not talk to this version any more; what was recorded stays.
    UpdateNeeded,
    /// The server's storage is full.
    ServerFull,
    /// Anything else, with the HTTP status.
    Status(u16),
}

impl Failure {
    /// What a status of HTTP means for a sync; 0 stands for no answer. `retry_after_s`: seconds, 0 when not said.
    pub fn of_status(status: u16, retry_after_s: u64) -> Self {
        match status {
            0 => Self::Network,
            401 | 403 => Self::SignIn,
            413 => Self::TooLarge,
            426 => Self::UpdateNeeded,
            429 | 503 => Self::Busy { retry_after_ms: retry_after_s.saturating_mul(1000) },
            507 => Self::ServerFull,
            status => Self::Status(status),
        }
    }

    /// A stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Network => "no_network",
            Self::Cut => "cut",
            Self::SignIn => "sign_in_needed",
            Self::Busy { .. } => "server_busy",
            Self::TooLarge => "body_too_large",
            Self::UpdateNeeded => "update_needed",
            Self::ServerFull => "server_full",
            Self::Status(_) => "server_error",
        }
    }
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum Ended {
    /// It has not.
    #[default]
    Running,
    /// Everything was sent and everything is here.
    Complete,
    /// The server has no more to say now, but did not call the answer complete.
    Incomplete,
    /// There was no answer, or only a part of one.
    Failed(Failure),
    /// The server set something aside and nothing moved on.
    Stalled,
    /// It is too early to try again.
    TooEarly,
    /// The device was revoked; everything received is forgotten.
    Wiped,
}

/// What a session did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SyncSummary {
    /// How it ended.
    pub ended: Ended,
    /// Requests made.
    pub rounds: u32,
    /// Ops put on the wire, repeats too.
    pub ops_sent: u64,
    /// Ops newly applied.
    pub applied: u64,
    /// Ops newly applied with a case.
    pub with_case: u64,
    /// Ops newly kept for later.
    pub deferred: u64,
    /// Ops newly refused.
    pub rejected: u64,
    /// Rows received.
    pub rows: u64,
    /// Rows that could not be read.
    pub unreadable: u64,
    /// Bytes of requests.
    pub bytes_up: u64,
    /// Bytes of answers.
    pub bytes_down: u64,
    /// Scopes that were forgotten, with their rows.
    pub purged: Vec<(ScopeId, u64)>,
    /// New outboxes that had to be opened.
    pub new_epochs: u32,
    /// A server restore was noticed.
    pub server_restored: bool,
    /// What the comparison with the server's proof said, when there was one.
    pub digest: Option<DigestCheck>,
    /// Buckets that are loaded afresh because they differed.
    pub reloaded: u32,
    /// Codes of what the server set aside.
    pub problems: Vec<String>,
    /// Milliseconds until the next attempt makes sense, unless a person asks.
    pub next_after_ms: u64,
}

/// What was in the last request.
#[derive(Clone, Debug)]
struct Asked {
    tag: [u8; 4],
    epoch: Epoch,
    ops: u64,
    staged: bool,
    want_heads: bool,
    full_cursors: bool,
    purged: Vec<(ScopeId, u64)>,
}

/// What an answer has said so far.
#[derive(Clone, Debug, Default)]
struct Answer {
    header: Option<Header>,
    trailer: Option<Trailer>,
    started: BTreeSet<BucketId>,
    lost: BTreeSet<ScopeId>,
    gap: bool,
    damaged: bool,
    forked: bool,
    epoch_opened: bool,
    progress: bool,
    problem: bool,
    complete: bool,
    again: bool,
    forgot: bool,
}

/// One conversation with the server.
#[derive(Debug, Default)]
pub struct Session {
    summary: SyncSummary,
    asked: Option<Asked>,
    full_cursors: bool,
    wipe: bool,
    next_after_ms: u64,
    stalled_rounds: u32,
}

impl Session {
    /// A session that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// What it did so far.
    pub fn summary(&self) -> &SyncSummary {
        &self.summary
    }

    /// Takes an event and says what to do next.
    ///
    /// # Errors
    /// Only for the phone's own store: [`Error::StorageFull`] after the reserve was given up too, and damage.
    pub fn on(&mut self, store: &mut Store, random: &mut dyn Random, event: Event) -> Result<Instruction> {
        match event {
            Event::Start { now, user_pressed } => self.start(store, random, now, user_pressed),
            Event::Received { body, now } => self.received(store, random, &body, now),
            Event::Failed { kind, now } => self.failed(store, random, kind, now, false),
        }
    }

    fn start(
        &mut self,
        store: &mut Store,
        random: &mut dyn Random,
        now: ClaimedMs,
        user_pressed: bool,
    ) -> Result<Instruction> {
        *self = Self::default();
        let wait = store.write_with_reserve(|db| {
            let mut link = db.link()?;
            let wait = link.not_before_ms.saturating_sub(now.0);
            let wait = if wait > WAIT_BELIEVED_MS || now.0 < link.wait_from_ms { 0 } else { wait };
            if museum::on(Exhibit::GateNotCleared) && db.kv_flag(SYNC_RUNNING)? {
                return Ok(BACKOFF_MAX_MS);
            }
            // A clock that shows the very same moment as at the last press stands still: waiting by it would be for ever.
            let stands_still = now.0 == link.pressed_ms && !museum::on(Exhibit::StoppedClockWaits);
            let rested = stands_still || now.0 < link.pressed_ms || now.0 - link.pressed_ms >= PRESS_EVERY_MS;
            if wait > 0 && user_pressed && rested {
                link.pressed_ms = now.0;
                db.set_link(&link)?;
                return Ok(0);
            }
            Ok(wait)
        })?;
        if wait > 0 {
            self.summary.ended = Ended::TooEarly;
            self.summary.next_after_ms = wait;
            return Ok(Instruction::RetryAfter { wait_ms: wait });
        }
        self.request(store, random, now)
    }

    /// Makes the next request. Only ops that are committed are in it.
    fn request(&mut self, store: &mut Store, random: &mut dyn Random, now: ClaimedMs) -> Result<Instruction> {
        let full_cursors = self.full_cursors;
        let mut call = [0; 4];
        random.fill(&mut call);
        let call = if museum::on(Exhibit::CallsAlike) { 1 } else { u32::from_be_bytes(call) };
        let (asked, body) = store.write_with_reserve(|db| {
            if museum::on(Exhibit::GateNotCleared) {
                db.set_kv_flag(SYNC_RUNNING, true)?;
            }
            let (mut asked, hello) = hello(db, call, full_cursors)?;
            let identity = db.identity_row()?;
            let mut body = Vec::new();
            // The hello is a few hundred bytes; with full cursors of a commune still a fraction of a frame.
            let sealed = seal_hello(&hello, &identity.sync_key);
            asked.tag = hello_tag(&sealed);
            write_frame(FrameKind::Hello, &sealed, Effort::Phone, &mut body).map_err(|_| Error::StoreDamaged)?;
            let link = db.link()?;
            let push_bytes = link.push_bytes.clamp(1, PUSH_BYTES_MAX);
            let push_bytes = if link.push_bytes == 0 { PUSH_BYTES_START } else { push_bytes };
            let runs = db.runs(usize::try_from(push_bytes).unwrap_or(usize::MAX), BATCH_OPS_MAX)?;
            if !runs.is_empty() {
                let key = db.device_key()?;
                for run in runs {
                    db.mark_sent(asked.epoch, run.first_n, run.ops.len() as u64)?;
                    asked.ops += run.ops.len() as u64;
                    write_run(&key, identity.device, asked.epoch, run, &mut body)?;
                }
            }
            db.count_bytes(now, body.len() as u64, 0)?;
            Ok((asked, body))
        })?;
        self.summary.rounds += 1;
        self.summary.ops_sent += asked.ops;
        self.summary.bytes_up += body.len() as u64;
        self.asked = Some(asked);
        Ok(Instruction::Send(body))
    }

    fn received(
        &mut self,
        store: &mut Store,
        random: &mut dyn Random,
        body: &[u8],
        now: ClaimedMs,
    ) -> Result<Instruction> {
        let Some(asked) = self.asked.take() else { return Ok(Instruction::Finished(self.summary.clone())) };
        self.summary.bytes_down += body.len() as u64;
        let mut answer = Answer::default();
        let mut frames = Vec::new();
        for frame in Frames::new(body) {
            match frame {
                Ok(frame) => frames.push(frame),
                // A newer server may say more than this app understands.
                Err(FrameFault::UnknownKind) => {}
                Err(_) => answer.damaged = true,
            }
        }
        let mut batches: Vec<Vec<(FrameKind, Vec<u8>)>> = vec![Vec::new()];
        let mut bytes = 0;
        for frame in frames {
            if bytes > COMMIT_BYTES {
                batches.push(Vec::new());
                bytes = 0;
            }
            bytes += frame.1.len();
            if let Some(batch) = batches.last_mut() {
                batch.push(frame);
            }
        }
        let last = batches.len() - 1;
        let mut purged_any = false;
        for (index, batch) in batches.iter().enumerate() {
            let mut retried = false;
            #[cfg(feature = "museum")]
            if museum::on(Exhibit::CursorBeforeRows) {
                store.write(|db| db.cursors_first(batch))?;
            }
            loop {
                let before = (answer.clone(), self.summary.clone());
                let purged = self.summary.purged.len();
                let done = store.write(|db| {
                    if index == 0 {
                        db.count_bytes(now, 0, body.len() as u64)?;
                    }
                    for (kind, payload) in batch {
                        self.frame(db, random, &asked, &mut answer, *kind, payload, now)?;
                    }
                    self.purge(db, &mut answer)?;
                    if index == last {
                        self.end_of_answer(db, &asked, &mut answer, now)?;
                    }
                    Ok(())
                });
                match done {
                    Ok(()) => {
                        purged_any |= self.summary.purged.len() > purged;
                        break;
                    }
                    #[cfg(feature = "museum")]
                    Err(Error::StorageFull) if museum::on(Exhibit::DiskFullKeepsCursor) => {
                        store.release_ballast();
                        store.write(|db| db.cursors_first(batch))?;
                        break;
                    }
                    Err(Error::StorageFull) if !retried && store.release_ballast() => {
                        retried = true;
                        (answer, self.summary) = before;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        if purged_any || (answer.forgot && !museum::on(Exhibit::LogKeepsPurged)) {
            // What was deleted must not survive in the log.
            store.checkpoint()?;
        }
        if answer.trailer.is_none() {
            return self.failed(store, random, Failure::Cut, now, answer.progress);
        }
        self.stalled_rounds = if answer.progress { 0 } else { self.stalled_rounds + 1 };
        if answer.again && self.stalled_rounds < 2 && self.summary.rounds < ROUNDS_MAX {
            return self.request(store, random, now);
        }
        if answer.again {
            // There would be more to say, but it leads nowhere: what was learned is shown all the same.
            store.write(|db| self.close(db))?;
        }
        if museum::on(Exhibit::GateNotCleared) {
            store.write(|db| db.set_kv_flag(SYNC_RUNNING, false))?;
        }
        #[cfg(feature = "museum")]
        if museum::on(Exhibit::ClientsResolve) && answer.complete {
            store.settle_cases_alone(now, random)?;
        }
        if answer.problem && !answer.progress {
            self.summary.ended = Ended::Stalled;
            return self.failed(store, random, Failure::Status(200), now, false);
        }
        self.summary.ended = if self.wipe {
            Ended::Wiped
        } else if answer.complete {
            Ended::Complete
        } else {
            Ended::Incomplete
        };
        self.summary.next_after_ms = self.next_after_ms;
        Ok(Instruction::Finished(self.summary.clone()))
    }

    #[allow(clippy::too_many_arguments)]
    fn frame(
        &mut self,
        db: &mut Db<'_>,
        random: &mut dyn Random,
        asked: &Asked,
        answer: &mut Answer,
        kind: FrameKind,
        payload: &[u8],
        now: ClaimedMs,
    ) -> Result<()> {
        match kind {
            FrameKind::Header => match cbor::read::<Header>(payload) {
                Ok(header) if header.re == asked.tag || museum::on(Exhibit::AnswerMixedUp) => {
                    self.header(db, random, asked, answer, header, now)?
                }
                // What answers another request says nothing about this one's ops.
                _ => answer.damaged = true,
            },
            // Without its header an answer says nothing that can be believed.
            _ if answer.header.is_none() => answer.damaged = true,
            FrameKind::Outcomes => match cbor::read::<Outcomes>(payload) {
                Ok(outcomes) => self.outcomes(db, asked, answer, &outcomes)?,
                Err(_) => answer.damaged = true,
            },
            FrameKind::Control => match cbor::read::<Control>(payload) {
                Ok(control) => self.control(db, answer, control)?,
                Err(_) => answer.damaged = true,
            },
            FrameKind::Drop => match cbor::read::<DropFrame>(payload) {
                Ok(drop) => answer.lost.extend(drop.scopes),
                Err(_) => answer.damaged = true,
            },
            FrameKind::Rows => match cbor::read::<RowsFrame>(payload) {
                Ok(rows) => self.rows(db, answer, &rows)?,
                Err(_) => answer.damaged = true,
            },
            FrameKind::Fork => match cbor::read::<Fork>(payload) {
                Ok(fork) => {
                    // The longest prefix that is proven equal, never merely "what I had": docs/PROTOCOL.md, section 9.
                    let at = match museum::on(Exhibit::ForkPointAssumed) {
                        true => db.outbox()?.last_n.min(fork.last_n) + 1,
                        false => db.first_unproven(&fork.chain)?,
                    };
                    self.new_epoch(db, random, answer, Some((asked.epoch, at)))?;
                    answer.forked = true;
                }
                Err(_) => answer.damaged = true,
            },
            FrameKind::Problem => match cbor::read::<Problem>(payload) {
                Ok(problem) => self.problem(db, random, asked, answer, problem)?,
                Err(_) => answer.damaged = true,
            },
            FrameKind::Trailer => match cbor::read::<Trailer>(payload) {
                Ok(trailer) => answer.trailer = Some(trailer),
                Err(_) => answer.damaged = true,
            },
            FrameKind::Hello | FrameKind::Ops => {}
        }
        Ok(())
    }

    fn new_epoch(
        &mut self,
        db: &mut Db<'_>,
        random: &mut dyn Random,
        answer: &mut Answer,
        parent: Option<(Epoch, u64)>,
    ) -> Result<()> {
        db.open_epoch(random, parent)?;
        self.summary.new_epochs += 1;
        answer.epoch_opened = true;
        answer.progress = true;
        answer.again = true;
        Ok(())
    }

    fn header(
        &mut self,
        db: &mut Db<'_>,
        random: &mut dyn Random,
        asked: &Asked,
        answer: &mut Answer,
        header: Header,
        now: ClaimedMs,
    ) -> Result<()> {
        let mut link = db.link()?;
        link.server_ms = header.server_ms.0;
        link.contact_ms = now.0;
        link.update_advised = header.flags & header_flag::UPDATE_ADVISED != 0;
        link.sign_in = false;
        link.life = header.life.or(link.life);
        let known = if link.staged_epoch != 0 { link.staged_epoch } else { link.server_epoch };
        let wants_cursors = header.flags & header_flag::NEED_CURSORS != 0 && !asked.full_cursors;
        // A server that has not seen the cursors yet may not know how far it had come: they are shown first.
        let restored = known != 0 && known != header.server_epoch && !wants_cursors;
        if known == 0 {
            link.server_epoch = header.server_epoch;
        } else if restored {
            // What a swap would have brought may be of a place that this life of the server does not grant.
            db.clear_staged()?;
            answer.forgot = true;
            // Also when it bears the number of the copy that is shown: another life may have come by the same one.
            link.staged_epoch = header.server_epoch;
            if museum::on(Exhibit::ReloadOneByOne) {
                (link.server_epoch, link.staged_epoch) = (header.server_epoch, 0);
            }
            link.cursors_known = false;
            self.summary.server_restored = true;
            answer.again = true;
            answer.progress = true;
        }
        if header.flags & header_flag::NEED_CURSORS != 0 {
            link.cursors_known = false;
            if wants_cursors {
                self.full_cursors = true;
                answer.again = true;
                answer.progress = true;
            }
        }
        db.set_link(&link)?;
        if restored {
            // What is in no backup may be gone at the server: this phone is its backup.
            db.back_to_pending(asked.epoch, header.durable_upto)?;
            db.set_kv_flag(OVERLAY_DIRTY, true)?;
            if db.has_old_undurable(asked.epoch)? {
                self.new_epoch(db, random, answer, Some((asked.epoch, header.durable_upto + 1)))?;
            }
        } else if db.back_to_pending(asked.epoch, header.last_n)? > 0 {
            answer.progress = true;
            db.set_kv_flag(OVERLAY_DIRTY, true)?;
        }
        self.wipe = header.flags & header_flag::WIPE != 0;
        self.next_after_ms = u64::from(header.next_after_ms);
        answer.header = Some(header);
        Ok(())
    }

    fn outcomes(&mut self, db: &mut Db<'_>, asked: &Asked, answer: &mut Answer, outcomes: &Outcomes) -> Result<()> {
        let server_ms = answer.header.as_ref().map_or(ServerMs(0), |header| header.server_ms);
        let mut news = false;
        for outcome in &outcomes.outcomes {
            if !db.apply_outcome(asked.epoch, outcome, server_ms)? {
                continue;
            }
            news = true;
            match outcome.verdict {
                Verdict::Applied => self.summary.applied += 1,
                Verdict::AppliedWithCase => self.summary.with_case += 1,
                Verdict::Deferred => self.summary.deferred += 1,
                Verdict::Rejected => self.summary.rejected += 1,
            }
        }
        if news {
            answer.progress = true;
            db.set_kv_flag(OVERLAY_DIRTY, true)?;
        }
        Ok(())
    }

    fn control(&mut self, db: &mut Db<'_>, answer: &mut Answer, control: Control) -> Result<()> {
        if control.user != db.identity_row()?.user {
            self.summary.problems.push("control_of_another_user".to_owned());
            return Ok(());
        }
        let mut before = db.control()?;
        let now: BTreeSet<ScopeId> = control.holdings.iter().map(|held| held.scope).collect();
        answer.lost.extend(before.holdings.iter().map(|held| held.scope).filter(|scope| !now.contains(scope)));
        before.grants_rev = control.grants_rev;
        before.holdings = control.holdings;
        db.set_control(&before)?;
        db.set_display_name(&control.display_name)?;
        answer.progress = true;
        db.set_kv_flag(OVERLAY_DIRTY, true)
    }

    fn rows(&mut self, db: &mut Db<'_>, answer: &mut Answer, frame: &RowsFrame) -> Result<()> {
        let Some(bucket) = frame.bucket() else { return Ok(()) };
        let staged = db.link()?.staged_epoch != 0;
        match db.apply_rows(frame, staged, !answer.started.contains(&bucket))? {
            Applied::Taken { unreadable } => {
                answer.started.insert(bucket);
                answer.progress = true;
                self.summary.rows += frame.rows.len() as u64;
                if unreadable > 0 {
                    self.summary.unreadable += u64::from(unreadable);
                    let mut link = db.link()?;
                    link.unreadable += u64::from(unreadable);
                    db.set_link(&link)?;
                }
                if !staged && !frame.rows.is_empty() {
                    db.set_kv_flag(OVERLAY_DIRTY, true)?;
                }
            }
            Applied::Known => {}
            Applied::Gap => answer.gap = true,
        }
        Ok(())
    }

    fn problem(
        &mut self,
        db: &mut Db<'_>,
        random: &mut dyn Random,
        asked: &Asked,
        answer: &mut Answer,
        problem: Problem,
    ) -> Result<()> {
        self.summary.problems.push(problem.code);
        let Some(expected) = problem.expected_n else {
            answer.problem = true;
            return Ok(());
        };
        if answer.epoch_opened {
            return Ok(());
        }
        let outbox = db.outbox()?;
        if expected > outbox.floor_n && expected <= outbox.last_n {
            // What the server wants is here: everything from there on is offered again.
            if db.back_to_pending(asked.epoch, expected - 1)? > 0 {
                answer.progress = true;
                db.set_kv_flag(OVERLAY_DIRTY, true)?;
            }
            // Unless it is an op that was refused and dealt with: that one is not offered again, so numbers start anew.
            if db.will_be_sent(asked.epoch, expected)? {
                answer.again = true;
                return Ok(());
            }
        }
        if museum::on(Exhibit::StuckOnLostOp) {
            answer.problem = true;
            return Ok(());
        }
        // It wants what is nowhere any more. Without a new life the outbox would be stuck for ever (docs/PROTOCOL.md, section 9).
        self.new_epoch(db, random, answer, Some((asked.epoch, expected)))
    }

    /// Forgets what is no longer the user's, in the transaction that said so.
    fn purge(&mut self, db: &mut Db<'_>, answer: &mut Answer) -> Result<()> {
        if museum::on(Exhibit::NoPurge) {
            answer.lost.clear();
        }
        for scope in std::mem::take(&mut answer.lost) {
            let rows = db.purge_scope(scope)?;
            if rows > 0 {
                db.set_purged(scope, rows)?;
                self.summary.purged.push((scope, rows));
            }
            db.set_kv_flag(OVERLAY_DIRTY, true)?;
        }
        Ok(())
    }

    fn end_of_answer(&mut self, db: &mut Db<'_>, asked: &Asked, answer: &mut Answer, now: ClaimedMs) -> Result<()> {
        let Some(header) = answer.header.clone() else { return self.close(db) };
        let whole = !answer.gap && !answer.damaged && !answer.forked;
        if let Some(trailer) = answer.trailer.clone() {
            answer.again |= trailer.more;
            answer.complete = trailer.complete && whole;
            let mut link = db.link()?;
            link.cursors_known = answer.complete;
            db.set_link(&link)?;
            if answer.complete {
                self.complete(db, asked, answer, &trailer, header.server_ms)?;
                db.purged_told(&asked.purged)?;
            }
        }
        if answer.trailer.is_some() {
            let mut link = db.link()?;
            let double = |bytes: u64, start: u64, max: u64| (if bytes == 0 { start } else { bytes } * 2).min(max);
            link.push_bytes = double(link.push_bytes, PUSH_BYTES_START, PUSH_BYTES_MAX);
            link.pull_bytes = double(link.pull_bytes, PULL_BYTES_START, PULL_BYTES_MAX);
            link.failures = 0;
            link.last_problem = None;
            link.wait_from_ms = now.0;
            link.not_before_ms = now.0.saturating_add(self.next_after_ms);
            db.set_link(&link)?;
        }
        if !answer.epoch_opened {
            answer.forgot |= db.settle(header.durable_upto, header.server_ms)? > 0;
        }
        #[cfg(feature = "museum")]
        if museum::on(Exhibit::EchoByCursor) {
            db.mark_passed(&answer.started)?;
        }
        let undecided = db.undecided()?;
        answer.again |= undecided > 0;
        if self.wipe && undecided == 0 {
            self.forget_everything(db)?;
            answer.again = false;
        }
        if answer.again && answer.trailer.is_some() { Ok(()) } else { self.close(db) }
    }

    /// This answer reached every head in one snapshot.
    fn complete(
        &mut self,
        db: &mut Db<'_>,
        asked: &Asked,
        answer: &mut Answer,
        trailer: &Trailer,
        server_ms: ServerMs,
    ) -> Result<()> {
        let mut link = db.link()?;
        let staged = link.staged_epoch != 0;
        let nothing = sync_protocol::digest::fold(&[]);
        if staged
            && !asked.staged
            && trailer.state.is_some_and(|state| state != nothing)
            && db.buckets(true)?.is_empty()
        {
            // The answer went by the cursors of the old copy; the next request asks for all of the new one.
            answer.complete = false;
            answer.again = true;
            return Ok(());
        }
        db.complete_base(staged)?;
        let day = Day::of_ms(server_ms.0);
        let mut right = true;
        if asked.want_heads && link.want_heads && !trailer.heads.is_empty() {
            link.want_heads = false;
            let reloaded = db.reload_differing(staged, &trailer.heads, day)?;
            self.summary.reloaded += reloaded;
            link.differs = reloaded == 0;
            link.cursors_known = reloaded == 0;
            right = reloaded == 0;
            answer.again |= reloaded > 0;
            answer.progress |= reloaded > 0;
            answer.complete = reloaded == 0;
        } else if let Some(proof) = trailer.state {
            let check = db.check_digest(staged, proof, day, &mut link.counted_day)?;
            // A repair that came later in the session does not hide that one was needed.
            if self.summary.digest.is_none_or(|known| known == DigestCheck::Agrees) {
                self.summary.digest = Some(check);
            }
            link.differs = check == DigestCheck::Differs;
            if check == DigestCheck::AskHeads {
                link.want_heads = true;
                answer.again = true;
                answer.progress = true;
                right = false;
            }
        }
        if right {
            if staged {
                db.swap_staged()?;
                answer.forgot = true;
                link.server_epoch = link.staged_epoch;
                link.staged_epoch = 0;
                db.set_kv_flag(OVERLAY_DIRTY, true)?;
            }
            link.consistent_ms = server_ms.0;
            db.mark_echoed(true)?;
        }
        db.set_link(&link)
    }

    /// A revoked device has delivered what it had: now everything that was received goes. Ops stay.
    fn forget_everything(&mut self, db: &mut Db<'_>) -> Result<()> {
        let mut scopes: BTreeSet<ScopeId> = BTreeSet::new();
        for staged in [false, true] {
            scopes.extend(db.buckets(staged)?.iter().map(|bucket| bucket.id.scope));
        }
        for scope in scopes {
            let rows = db.purge_scope(scope)?;
            self.summary.purged.push((scope, rows));
        }
        let mut control = db.control()?;
        control.holdings.clear();
        control.grants_rev = 0;
        db.set_control(&control)?;
        let mut link = db.link()?;
        link.wiped = true;
        link.cursors_known = false;
        db.set_link(&link)?;
        db.set_kv_flag(OVERLAY_DIRTY, true)
    }

    /// Ends a session's writing: what the base now shows leaves the overlay, the rest is replayed over it.
    fn close(&mut self, db: &mut Db<'_>) -> Result<()> {
        db.mark_echoed(false)?;
        if db.kv_flag(OVERLAY_DIRTY)? {
            db.rebuild_overlay()?;
        }
        Ok(())
    }

    fn failed(
        &mut self,
        store: &mut Store,
        random: &mut dyn Random,
        kind: Failure,
        now: ClaimedMs,
        progress: bool,
    ) -> Result<Instruction> {
        self.asked = None;
        let draw = random_u64(random);
        let wait = store.write_with_reserve(|db| {
            let mut link = db.link()?;
            link.failures = if progress { 1 } else { link.failures.saturating_add(1) };
            let halve = |bytes: u64, start: u64, min: u64| (if bytes == 0 { start } else { bytes } / 2).max(min);
            link.push_bytes = halve(link.push_bytes, PUSH_BYTES_START, 1);
            link.pull_bytes = halve(link.pull_bytes, PULL_BYTES_START, PULL_BYTES_MIN);
            link.cursors_known = false;
            link.last_problem = Some(kind.code().to_owned());
            link.sign_in = kind == Failure::SignIn;
            #[cfg(feature = "museum")]
            if museum::on(Exhibit::FailureEscalates) {
                db.load_all_again()?;
            }
            if museum::on(Exhibit::GateNotCleared) {
                db.set_kv_flag(SYNC_RUNNING, false)?;
            }
            // Full jitter, so that phones that failed together do not come back together.
            let ceiling = BACKOFF_START_MS.saturating_mul(1 << (link.failures - 1).min(20)).min(BACKOFF_MAX_MS);
            let wait = match kind {
                Failure::Busy { retry_after_ms } if retry_after_ms > 0 => retry_after_ms + draw % BACKOFF_START_MS,
                _ => 1 + draw % ceiling,
            };
            link.wait_from_ms = now.0;
            link.not_before_ms = now.0.saturating_add(wait);
            db.set_link(&link)?;
            self.close(db)?;
            Ok(wait)
        })?;
        if self.summary.ended == Ended::Running {
            self.summary.ended = Ended::Failed(kind);
        }
        self.summary.next_after_ms = wait;
        Ok(match kind {
            Failure::SignIn | Failure::UpdateNeeded => Instruction::Finished(self.summary.clone()),
            _ => Instruction::RetryAfter { wait_ms: wait },
        })
    }
}

fn hello(db: &mut Db<'_>, call: u32, full_cursors: bool) -> Result<(Asked, Hello)> {
    let identity = db.identity_row()?;
    let link = db.link()?;
    let outbox = db.outbox()?;
    let staged = link.staged_epoch != 0;
    let cursors = db.cursors(staged)?;
    let short = link.cursors_known && !staged && !full_cursors && !cursors.0.is_empty();
    let purged = db.purged()?;
    let pull_bytes = if link.pull_bytes == 0 { PULL_BYTES_START } else { link.pull_bytes };
    let hello = Hello {
        proto: PROTO,
        device: identity.device,
        session: identity.session,
        epoch: outbox.epoch,
        parent: outbox.parent,
        last_n: outbox.last_n,
        chain: outbox.last_chain.short(),
        oldest_n: db.oldest_n(&outbox)?,
        holdings: db.holdings_short()?,
        cursors_short: short.then(|| cursors.short()),
        cursors: if short { None } else { Some(cursors) },
        budget_bytes: u32::try_from(pull_bytes).unwrap_or(u32::MAX),
        classes: 0,
        schema: SCHEMA,
        // The version matters to statistics only; it goes along when the hello is long anyway.
        app: (!short).then(|| env!("CARGO_PKG_VERSION").to_owned()),
        ask: db.deferred(outbox.epoch)?,
        server_epoch: if staged { link.staged_epoch } else { link.server_epoch },
        purged: purged.clone(),
        want_digests: link.want_heads,
        life: if short { None } else { link.life },
        call,
        ext: no_ext(),
    };
    let asked = Asked {
        tag: [0; 4],
        epoch: outbox.epoch,
        ops: 0,
        staged,
        want_heads: link.want_heads,
        full_cursors: !short,
        purged,
    };
    Ok((asked, hello))
}

/// Writes a run of ops as signed frames; one that does not fit is halved until it does.
fn write_run(key: &SigningKey, device: DeviceId, epoch: Epoch, run: Run, body: &mut Vec<u8>) -> Result<()> {
    let bytes: usize = run.ops.iter().map(|op| op.0.len()).sum();
    if bytes <= FRAME_OPS_BYTES || run.ops.len() == 1 {
        let count = u32::try_from(run.ops.len()).unwrap_or(u32::MAX);
        let signature: Signature = key.sign(&signing_input(device, epoch, run.first_n, count, &run.head));
        let mut raw = [0; 64];
        raw.copy_from_slice(&signature.to_bytes());
        let frame = OpsFrame {
            first_n: run.first_n,
            before: run.before.short(),
            ops: run.ops.clone(),
            signature: raw,
            ext: no_ext(),
        };
        match write_frame(FrameKind::Ops, &frame.cbor(), Effort::Phone, body) {
            Ok(()) => return Ok(()),
            // An op is at most 16 KiB, so one alone always fits.
            Err(_) if run.ops.len() == 1 => return Err(Error::StoreDamaged),
            Err(_) => {}
        }
    }
    let (first, second) = run.halves();
    write_run(key, device, epoch, first, body)?;
    write_run(key, device, epoch, second, body)
}

/// What is not sent yet, as a file for the operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RescueFile {
    /// The file: only the server can read it.
    pub bytes: Vec<u8>,
    /// Ops in it.
    pub ops: u64,
    /// Visits among them.
    pub visits: u64,
}

/// Writes what waits as a rescue file (docs/PROTOCOL.md, "Rescue files"). Changes nothing: what waits goes on waiting, and
/// what the server got both ways counts once. Needs no room on the phone.
///
/// # Errors
/// [`Error::NotEnrolled`] before the first enrolment; damage.
pub fn rescue_file(store: &mut Store, random: &mut dyn Random) -> Result<RescueFile> {
    let mut nonce = [0; rescue::NONCE_BYTES];
    random.fill(&mut nonce);
    let call = random_u64(random) as u32;
    store.read(|db| {
        let (asked, hello) = hello(db, call, false)?;
        let identity = db.identity_row()?;
        let mut body = Vec::new();
        let sealed = seal_hello(&hello, &identity.sync_key);
        write_frame(FrameKind::Hello, &sealed, Effort::Phone, &mut body).map_err(|_| Error::StoreDamaged)?;
        let key = db.device_key()?;
        let (mut ops, mut visits) = (0, 0);
        for run in db.runs(usize::MAX, usize::MAX)? {
            ops += run.ops.len() as u64;
            let is_visit = |op: &&Bytes| Op::read(&op.0).is_ok_and(|op| op.code == OpName::VisitRecord.code());
            visits += run.ops.iter().filter(is_visit).count() as u64;
            write_run(&key, identity.device, asked.epoch, run, &mut body)?;
        }
        let bytes = rescue::seal(identity.session, &identity.sync_key, nonce, &body).ok_or(Error::StoreDamaged)?;
        Ok(RescueFile { bytes, ops, visits })
    })
}

/// What carries a request to the server and brings its answer.
pub trait Transport {
    /// Posts a request. An answer that broke off is given as far as it came.
    ///
    /// # Errors
    /// When there is nothing to give.
    fn exchange(&mut self, request: &[u8]) -> std::result::Result<Vec<u8>, Failure>;
}

/// Runs one session to its end over a transport.
///
/// # Errors
/// As [`Session::on`].
pub fn drive(
    store: &mut Store,
    random: &mut dyn Random,
    transport: &mut dyn Transport,
    clock: &mut dyn FnMut() -> ClaimedMs,
    user_pressed: bool,
) -> Result<SyncSummary> {
    let mut session = Session::new();
    let mut instruction = session.on(store, random, Event::Start { now: clock(), user_pressed })?;
    loop {
        let request = match instruction {
            Instruction::Send(request) => request,
            Instruction::Finished(_) | Instruction::RetryAfter { .. } => return Ok(session.summary().clone()),
        };
        let event = match transport.exchange(&request) {
            Ok(body) => Event::Received { body, now: clock() },
            Err(kind) => Event::Failed { kind, now: clock() },
        };
        instruction = session.on(store, random, event)?;
    }
}
