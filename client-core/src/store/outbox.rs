//! The outbox: every op that this phone made, in order, from the moment it was saved until the server calls it durable.
//!
//! An op's bytes are written once and never changed. Which outbox it lies in, and under which number, may change: a
//! restored file gets a new epoch (docs/PROTOCOL.md, section 9). Only what is committed is ever sent.

use rusqlite::{OptionalExtension, Row as SqlRow, named_params, params};
use sync_protocol::cbor::{Bytes, Cbor};
use sync_protocol::ids::*;
use sync_protocol::merge::Lineage;
use sync_protocol::museum::{self, Exhibit};
use sync_protocol::op::{Chain, Op, OpName};
use sync_protocol::outcome::{Code, Outcome, Verdict};
use sync_protocol::row::RowType;

use super::{Db, Store};
use crate::error::{Error, Result};
use crate::{Random, random_u64};

/// How long a decided op is kept when the server never calls it durable, in milliseconds: 30 days (docs/PROTOCOL.md, section 9).
const KEPT_MS: u64 = 30 * 86_400_000;

const CURRENT: &str = "
SELECT lid, epoch, parent_epoch, parent_n, last_n, last_chain, floor_n, floor_chain, device
FROM outbox ORDER BY lid DESC LIMIT 1
";
const ADD_OUTBOX: &str = "
INSERT INTO outbox (epoch, parent_epoch, parent_n, last_n, last_chain, floor_n, floor_chain, device)
VALUES (:epoch, :parent_epoch, :parent_n, 0, :chain, 0, :chain, :device)
";
const SET_OUTBOX: &str = "
UPDATE outbox SET last_n = :last_n, last_chain = :last_chain, floor_n = :floor_n, floor_chain = :floor_chain
WHERE lid = :lid
";
const APPEND: &str = "
INSERT INTO op (epoch, n, uid, bytes, chain) VALUES (:epoch, :n, :uid, :bytes, :chain)
";
pub(super) const COLUMNS: &str = "seq, epoch, n, bytes, state, verdict, outcome, durable";
const RENUMBER: &str = "
UPDATE op SET epoch = :epoch, n = :n, chain = :chain, state = 0, verdict = NULL, outcome = NULL, decided = NULL
WHERE seq = :seq
";
const DECIDE: &str = "
UPDATE op SET state = 2, verdict = :verdict, outcome = :outcome, decided = coalesce(decided, :decided)
WHERE epoch = :epoch AND n = :n AND (verdict IS NULL OR verdict = 2)
";

/// How far an op has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum OpState {
    /// Saved; sent next time.
    Pending,
    /// Sent; the answer moves it on.
    Sent,
    /// Answered; the row in the answer's rows moves it on.
    Decided,
    /// The server's rows show it; the next backup moves it on.
    Echoed,
    /// In a backup: it is forgotten as soon as nothing needs it.
    Durable,
}

/// One op, for people.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct OutboxOp {
    /// What names it for ever.
    pub uid: OpUid,
    /// The outbox, in decimal digits.
    pub epoch: String,
    /// Its number there.
    pub n: u64,
    /// What it wants: `visit.record/1`.
    pub name: String,
    /// When the intent began, by this phone's clock.
    pub at: ClaimedMs,
    /// How far it has come.
    pub state: OpState,
    /// `applied`, `applied_with_case`, `deferred`, `rejected`; nothing before the answer.
    pub verdict: Option<String>,
    /// The stable code of the answer.
    pub code: Option<String>,
    /// What the code is about.
    pub field: Option<String>,
    /// The rule behind the code.
    pub rule: Option<String>,
    /// The answer in plain Vietnamese.
    pub vi: Option<String>,
    /// The answer in plain English.
    pub en: Option<String>,
    /// The row that it is about.
    pub row: Option<uuid::Uuid>,
    /// Bytes as sent.
    pub bytes: usize,
}

/// The current life of the outbox.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    lid: i64,
    pub(crate) epoch: Epoch,
    pub(crate) parent: Option<(Epoch, u64)>,
    pub(crate) last_n: u64,
    pub(crate) last_chain: Chain,
    pub(crate) floor_n: u64,
    pub(crate) floor_chain: Chain,
    pub(crate) device: DeviceId,
}

/// An op as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredOp {
    pub(crate) seq: i64,
    pub(crate) epoch: Epoch,
    pub(crate) n: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) state: u8,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) outcome: Option<Outcome>,
    durable: bool,
}

/// How many ops stand where.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct OpCounts {
    pub(crate) pending: u64,
    pub(crate) sent: u64,
    pub(crate) deferred: u64,
    pub(crate) refused: u64,
}

/// A run of ops without a gap, as one frame carries it.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) first_n: u64,
    pub(crate) before: Chain,
    pub(crate) ops: Vec<Bytes>,
    pub(crate) head: Chain,
}

impl Run {
    /// The same ops as two runs.
    pub(crate) fn halves(mut self) -> (Self, Self) {
        let rest = self.ops.split_off(self.ops.len() / 2);
        let middle = self.ops.iter().fold(self.before, |chain, op| chain.then(&op.0));
        let second = Self { first_n: self.first_n + self.ops.len() as u64, before: middle, ops: rest, head: self.head };
        self.head = middle;
        (self, second)
    }
}

fn verdict_number(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Applied => 0,
        Verdict::AppliedWithCase => 1,
        Verdict::Deferred => 2,
        Verdict::Rejected => 3,
    }
}

fn verdict_of(number: Option<u8>) -> Option<Verdict> {
    [Verdict::Applied, Verdict::AppliedWithCase, Verdict::Deferred, Verdict::Rejected]
        .into_iter()
        .find(|verdict| Some(verdict_number(*verdict)) == number)
}

pub(super) fn stored(row: &SqlRow<'_>) -> rusqlite::Result<StoredOp> {
    let outcome: Option<Vec<u8>> = row.get("outcome")?;
    Ok(StoredOp {
        seq: row.get("seq")?,
        epoch: Epoch(row.get::<_, i64>("epoch")? as u64),
        n: row.get::<_, i64>("n")? as u64,
        bytes: row.get("bytes")?,
        state: row.get("state")?,
        verdict: verdict_of(row.get("verdict")?),
        outcome: outcome.and_then(|bytes| Outcome::from_cbor(&bytes).ok()),
        durable: row.get("durable")?,
    })
}

impl StoredOp {
    /// Whether its predicted effect is still shown over the base.
    pub(crate) fn in_overlay(&self) -> bool {
        match self.verdict {
            None | Some(Verdict::Deferred) => true,
            Some(Verdict::Rejected) => false,
            Some(Verdict::Applied | Verdict::AppliedWithCase) => self.state < 3,
        }
    }
}

impl Db<'_> {
    /// The current outbox.
    pub(crate) fn outbox(&mut self) -> Result<Outbox> {
        self.conn
            .prepare_cached(CURRENT)?
            .query_row([], |row| {
                let parent: (Option<i64>, Option<i64>) = (row.get("parent_epoch")?, row.get("parent_n")?);
                Ok(Outbox {
                    lid: row.get("lid")?,
                    epoch: Epoch(row.get::<_, i64>("epoch")? as u64),
                    parent: parent.0.zip(parent.1).map(|(epoch, n)| (Epoch(epoch as u64), n as u64)),
                    last_n: row.get::<_, i64>("last_n")? as u64,
                    last_chain: Chain(row.get("last_chain")?),
                    floor_n: row.get::<_, i64>("floor_n")? as u64,
                    floor_chain: Chain(row.get("floor_chain")?),
                    device: DeviceId::from_bytes(row.get("device")?),
                })
            })
            .optional()?
            .ok_or(Error::NotEnrolled)
    }

    fn set_outbox(&mut self, outbox: &Outbox) -> Result<()> {
        self.conn.prepare_cached(SET_OUTBOX)?.execute(named_params! {
            ":last_n": outbox.last_n as i64, ":last_chain": outbox.last_chain.0, ":floor_n": outbox.floor_n as i64,
            ":floor_chain": outbox.floor_chain.0, ":lid": outbox.lid,
        })?;
        Ok(())
    }

    /// The outbox lives behind the current one, for predictions.
    pub(crate) fn lineage(&mut self) -> Result<Lineage> {
        let mut statement =
            self.conn.prepare_cached("SELECT epoch, parent_epoch, parent_n FROM outbox ORDER BY lid DESC")?;
        let lives: Vec<(i64, Option<i64>, Option<i64>)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut lineage = Vec::new();
        let mut next = lives.first().map(|life| life.0);
        for (epoch, parent, n) in lives {
            if Some(epoch) == next
                && let Some((parent, n)) = parent.zip(n)
            {
                lineage.push((Epoch(parent as u64), n as u64));
                next = Some(parent);
            }
        }
        Ok(Lineage(lineage))
    }

    /// Takes an op into the outbox. Gives its number.
    pub(crate) fn append(&mut self, op: &Op) -> Result<u64> {
        self.append_bytes(op.uid(), op.cbor())
    }

    /// Takes the bytes of an op into the outbox. Gives their number.
    pub(super) fn append_bytes(&mut self, uid: OpUid, bytes: Vec<u8>) -> Result<u64> {
        let mut outbox = self.outbox()?;
        outbox.last_n += 1;
        outbox.last_chain = outbox.last_chain.then(&bytes);
        self.conn.prepare_cached(APPEND)?.execute(named_params! {
            ":epoch": outbox.epoch.0 as i64, ":n": outbox.last_n as i64, ":uid": uid.as_bytes(),
            ":bytes": bytes, ":chain": outbox.last_chain.0,
        })?;
        self.set_outbox(&outbox)?;
        Ok(outbox.last_n)
    }

    /// Begins a new life of the outbox and takes into it what the server may not have, in the order in which it was
    /// saved. The bytes of ops stay; their numbers and chain are new. `parent` is the life before, with the first number
    /// that is not proven to be part of its past.
    pub(crate) fn open_epoch(&mut self, random: &mut dyn Random, parent: Option<(Epoch, u64)>) -> Result<()> {
        let device = self.identity_row()?.device;
        let epoch = Epoch(random_u64(random));
        let start = Chain::start(device, epoch);
        self.conn.prepare_cached(ADD_OUTBOX)?.execute(named_params! {
            ":epoch": epoch.0 as i64, ":parent_epoch": parent.map(|(epoch, _)| epoch.0 as i64),
            ":parent_n": parent.map(|(_, n)| n as i64), ":chain": start.0, ":device": device.as_bytes(),
        })?;
        let mut outbox = self.outbox()?;
        let sql = format!("SELECT {COLUMNS} FROM op WHERE durable = 0 ORDER BY seq");
        let ops: Vec<StoredOp> =
            self.conn.prepare_cached(&sql)?.query_map([], stored)?.collect::<rusqlite::Result<_>>()?;
        for op in ops {
            // What is proven to be at the server, and answered, keeps its place in the life where it was answered.
            let answered = op.verdict.is_some_and(|verdict| verdict != Verdict::Deferred);
            let dealt_with = op.verdict == Some(Verdict::Rejected);
            let proven = parent.is_some_and(|(epoch, at)| op.epoch == epoch && op.n < at);
            if answered && (proven || dealt_with) {
                continue;
            }
            outbox.last_n += 1;
            outbox.last_chain = outbox.last_chain.then(&op.bytes);
            self.conn.prepare_cached(RENUMBER)?.execute(named_params! {
                ":epoch": epoch.0 as i64, ":n": outbox.last_n as i64, ":chain": outbox.last_chain.0, ":seq": op.seq,
            })?;
        }
        self.set_outbox(&outbox)?;
        self.set_kv_flag(super::kv::OVERLAY_DIRTY, true)
    }

    /// Whether there is an outbox, and every op above its floor is here.
    pub(crate) fn outbox_is_whole(&mut self) -> Result<bool> {
        let outbox = match self.outbox() {
            Err(Error::NotEnrolled) => return Ok(false),
            outbox => outbox?,
        };
        let here: i64 = self
            .conn
            .prepare_cached("SELECT count(*) FROM op WHERE epoch = :epoch AND n > :floor")?
            .query_row(params![outbox.epoch.0 as i64, outbox.floor_n as i64], |row| row.get(0))?;
        Ok(here as u64 == outbox.last_n - outbox.floor_n)
    }

    /// Ops that wait for an answer, up to so many bytes (but at least one) and so many ops, as runs without a gap.
    pub(crate) fn runs(&mut self, bytes_max: usize, ops_max: usize) -> Result<Vec<Run>> {
        let outbox = self.outbox()?;
        if museum::on(Exhibit::UploadWaitsForWrite) && self.op_counts()?.pending == 0 {
            return Ok(Vec::new());
        }
        let mut statement = self
            .conn
            .prepare_cached("SELECT n, bytes, chain FROM op WHERE verdict IS NULL AND epoch = :epoch ORDER BY n")?;
        let mut rows = statement.query([outbox.epoch.0 as i64])?;
        let mut runs: Vec<Run> = Vec::new();
        let (mut bytes, mut count) = (0, 0);
        while let Some(row) = rows.next()? {
            let (n, op, chain) = (row.get::<_, i64>(0)? as u64, row.get::<_, Vec<u8>>(1)?, Chain(row.get(2)?));
            if count >= ops_max || (count > 0 && bytes + op.len() > bytes_max) {
                break;
            }
            bytes += op.len();
            count += 1;
            match runs.last_mut() {
                Some(run) if run.first_n + run.ops.len() as u64 == n => {
                    run.ops.push(Bytes(op));
                    run.head = chain;
                }
                _ => {
                    let before = self.chain_at(&outbox, n - 1)?.ok_or(Error::StoreDamaged)?;
                    runs.push(Run { first_n: n, before, ops: vec![Bytes(op)], head: chain });
                }
            }
        }
        Ok(runs)
    }

    /// The chain value at a number of the current outbox, where it is known.
    fn chain_at(&self, outbox: &Outbox, n: u64) -> Result<Option<Chain>> {
        if n == 0 {
            return Ok(Some(Chain::start(outbox.device, outbox.epoch)));
        }
        if n == outbox.floor_n {
            return Ok(Some(outbox.floor_chain));
        }
        Ok(self
            .conn
            .prepare_cached("SELECT chain FROM op WHERE epoch = :epoch AND n = :n")?
            .query_row(params![outbox.epoch.0 as i64, n as i64], |row| row.get(0).map(Chain))
            .optional()?)
    }

    /// Notes that ops up to here are on their way.
    pub(crate) fn mark_sent(&mut self, epoch: Epoch, first_n: u64, count: u64) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE op SET state = 1 WHERE epoch = :epoch AND n >= :from AND n < :to AND state = 0")?
            .execute(params![epoch.0 as i64, first_n as i64, (first_n + count) as i64])?;
        Ok(())
    }

    /// The lowest number that would have to be sent again; 0 when there is none.
    pub(crate) fn oldest_n(&mut self, outbox: &Outbox) -> Result<u64> {
        let oldest: Option<i64> = self
            .conn
            .prepare_cached("SELECT min(n) FROM op WHERE epoch = :epoch AND n > :floor")?
            .query_row(params![outbox.epoch.0 as i64, outbox.floor_n as i64], |row| row.get(0))?;
        Ok(oldest.unwrap_or(0) as u64)
    }

    /// Numbers of deferred ops, to ask about.
    pub(crate) fn deferred(&mut self, epoch: Epoch) -> Result<Vec<u64>> {
        let mut statement =
            self.conn.prepare_cached("SELECT n FROM op WHERE epoch = :epoch AND verdict = 2 ORDER BY n LIMIT 500")?;
        Ok(statement
            .query_map([epoch.0 as i64], |row| row.get::<_, i64>(0).map(|n| n as u64))?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// Notes what became of an op. `true` when that is news.
    pub(crate) fn apply_outcome(&mut self, epoch: Epoch, outcome: &Outcome, server_ms: ServerMs) -> Result<bool> {
        let changed = self.conn.prepare_cached(DECIDE)?.execute(named_params! {
            ":verdict": verdict_number(outcome.verdict), ":outcome": outcome.cbor(), ":decided": server_ms.0 as i64,
            ":epoch": epoch.0 as i64, ":n": outcome.n as i64,
        })?;
        Ok(changed > 0)
    }

    /// Ops above what the server holds are pending again, whatever was answered: it was restored, or never had them.
    pub(crate) fn back_to_pending(&mut self, epoch: Epoch, above_n: u64) -> Result<u64> {
        let changed = self
            .conn
            .prepare_cached(
                "UPDATE op SET state = 0, verdict = NULL, outcome = NULL, decided = NULL
                 WHERE epoch = :epoch AND n > :above AND verdict IS NOT NULL AND durable = 0 AND dismissed = 0",
            )?
            .execute(params![epoch.0 as i64, above_n as i64])?;
        Ok(changed as u64)
    }

    /// Whether an op is among those that the next request offers.
    pub(crate) fn will_be_sent(&mut self, epoch: Epoch, n: u64) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM op WHERE epoch = :epoch AND n = :n AND verdict IS NULL)")?
            .query_row(params![epoch.0 as i64, n as i64], |row| row.get(0))?)
    }

    /// Whether ops of an earlier life are not durable yet.
    pub(crate) fn has_old_undurable(&mut self, epoch: Epoch) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM op WHERE epoch <> :epoch AND durable = 0 AND NOT (verdict IS 3))",
            )?
            .query_row([epoch.0 as i64], |row| row.get(0))?)
    }

    /// How many ops wait for an answer.
    pub(crate) fn undecided(&mut self) -> Result<u64> {
        Ok(self
            .conn
            .prepare_cached("SELECT count(*) FROM op WHERE verdict IS NULL")?
            .query_row([], |row| row.get::<_, i64>(0))? as u64)
    }

    /// Finds where two histories of this outbox part: the first number that is not proven to be the same.
    pub(crate) fn first_unproven(&mut self, theirs: &[(u64, [u8; 8])]) -> Result<u64> {
        let outbox = self.outbox()?;
        let mut proven = 0;
        for (n, short) in theirs {
            if *n > proven && self.chain_at(&outbox, *n)?.is_some_and(|chain| chain.short() == *short) {
                proven = *n;
            }
        }
        Ok(proven + 1)
    }

    /// Marks what the server has in a backup, or has had for long, and forgets what nothing needs any more. Gives how
    /// many ops were forgotten.
    pub(crate) fn settle(&mut self, durable_upto: u64, server_ms: ServerMs) -> Result<usize> {
        let mut outbox = self.outbox()?;
        // Answers come in order, so those older than the limit are a prefix.
        let kept_since = server_ms.0.saturating_sub(KEPT_MS) as i64;
        let aged: Option<i64> = self
            .conn
            .prepare_cached("SELECT max(n) FROM op WHERE epoch = :epoch AND decided < :since")?
            .query_row(params![outbox.epoch.0 as i64, kept_since], |row| row.get(0))?;
        let upto = durable_upto.max(aged.unwrap_or(0) as u64).min(outbox.last_n);
        // Never beyond an op that has no answer yet.
        let open: Option<i64> = self
            .conn
            .prepare_cached("SELECT min(n) FROM op WHERE epoch = :epoch AND verdict IS NULL")?
            .query_row([outbox.epoch.0 as i64], |row| row.get(0))?;
        let upto = open.map_or(upto, |open| upto.min(open as u64 - 1));
        if upto > outbox.floor_n
            && let Some(chain) = self.chain_at(&outbox, upto)?
        {
            self.conn
                .prepare_cached("UPDATE op SET durable = 1 WHERE epoch = :epoch AND n <= :upto")?
                .execute(params![outbox.epoch.0 as i64, upto as i64])?;
            outbox.floor_n = upto;
            outbox.floor_chain = chain;
            self.set_outbox(&outbox)?;
        }
        self.conn
            .prepare_cached("UPDATE op SET durable = 1 WHERE epoch <> :epoch AND decided < :since")?
            .execute(params![outbox.epoch.0 as i64, kept_since])?;
        Ok(self
            .conn
            .prepare_cached("DELETE FROM op WHERE durable = 1 AND (state = 3 OR (verdict = 3 AND dismissed = 1))")?
            .execute([])?)
    }

    /// Decided ops whose rows are in the base, or that must be in it because the answer was complete, are echoed.
    pub(crate) fn mark_echoed(&mut self, complete: bool) -> Result<()> {
        if complete || museum::on(Exhibit::OverlayDroppedAtAck) {
            let sql = "UPDATE op SET state = 3 WHERE state = 2 AND verdict IN (0, 1)";
            let echoed = self.conn.prepare_cached(sql)?.execute([])?;
            return self.prediction_ends(echoed > 0);
        }
        let mut echoed = false;
        let sql = format!("SELECT {COLUMNS} FROM op WHERE state = 2 AND verdict IN (0, 1)");
        let ops: Vec<StoredOp> =
            self.conn.prepare_cached(&sql)?.query_map([], stored)?.collect::<rusqlite::Result<_>>()?;
        for op in ops {
            let Some(ver) = op.outcome.as_ref().and_then(|outcome| outcome.ver) else { continue };
            let Ok(read) = Op::read(&op.bytes) else { continue };
            let Some((ty, mut id)) = super::view::target(&read) else { continue };
            // What is done to an alias is done to its root, and the outcome names the root's version.
            if ty == RowType::HOUSEHOLD && read.code != OpName::HouseholdUnmerge.code() {
                id = self.base_household_root(HouseholdId(id))?.0;
            }
            if self.base_ver(ty, id)?.is_some_and(|here| here >= ver) {
                self.conn.prepare_cached("UPDATE op SET state = 3 WHERE seq = :seq")?.execute([op.seq])?;
                echoed = true;
            }
        }
        self.prediction_ends(echoed)
    }

    /// What is echoed is no longer predicted: the overlay must be made anew, whatever else this answer brought.
    fn prediction_ends(&mut self, echoed: bool) -> Result<()> {
        if echoed && !museum::on(Exhibit::EchoLeavesPrediction) {
            self.set_kv_flag(super::kv::OVERLAY_DIRTY, true)?;
        }
        Ok(())
    }

    /// All ops whose prediction is shown, in the order in which they were saved.
    pub(crate) fn overlay_ops(&mut self) -> Result<Vec<StoredOp>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM op WHERE verdict IS NULL OR verdict = 2 OR (verdict < 2 AND state < 3) ORDER BY seq"
        );
        let ops: Vec<StoredOp> =
            self.conn.prepare_cached(&sql)?.query_map([], stored)?.collect::<rusqlite::Result<_>>()?;
        debug_assert!(ops.iter().all(StoredOp::in_overlay));
        Ok(ops)
    }

    pub(crate) fn op_counts(&mut self) -> Result<OpCounts> {
        let count = |db: &Self, condition: &str| -> Result<u64> {
            let sql = format!("SELECT count(*) FROM op WHERE {condition}");
            Ok(db.conn.prepare_cached(&sql)?.query_row([], |row| row.get::<_, i64>(0))? as u64)
        };
        Ok(OpCounts {
            pending: count(self, "verdict IS NULL AND state = 0")?,
            sent: count(self, "verdict IS NULL AND state = 1")?,
            deferred: count(self, "verdict = 2")?,
            refused: count(self, "verdict = 3 AND dismissed = 0")?,
        })
    }

    pub(super) fn ops_where(&mut self, condition: &str) -> Result<Vec<OutboxOp>> {
        let sql = format!("SELECT {COLUMNS} FROM op WHERE {condition} ORDER BY seq");
        let ops: Vec<StoredOp> =
            self.conn.prepare_cached(&sql)?.query_map([], stored)?.collect::<rusqlite::Result<_>>()?;
        Ok(ops.iter().map(for_people).collect())
    }
}

fn for_people(op: &StoredOp) -> OutboxOp {
    let read = Op::read(&op.bytes).ok();
    let code = op.outcome.as_ref().and_then(|outcome| outcome.code.clone());
    let words = code.as_deref().and_then(Code::from_text);
    let state = match (op.durable, op.state) {
        (true, _) => OpState::Durable,
        (_, 0) => OpState::Pending,
        (_, 1) => OpState::Sent,
        (_, 2) => OpState::Decided,
        _ => OpState::Echoed,
    };
    let verdict = op.verdict.map(|verdict| match verdict {
        Verdict::Applied => "applied",
        Verdict::AppliedWithCase => "applied_with_case",
        Verdict::Deferred => "deferred",
        Verdict::Rejected => "rejected",
    });
    OutboxOp {
        uid: read.as_ref().map_or(OpUid(uuid::Uuid::nil()), Op::uid),
        epoch: op.epoch.0.to_string(),
        n: op.n,
        name: match read.as_ref().and_then(|op| OpName::from_code(op.code)) {
            Some(name) => name.text().to_owned(),
            None => "?".to_owned(),
        },
        at: read.as_ref().map_or(ClaimedMs(0), |op| op.at),
        state,
        verdict: verdict.map(str::to_owned),
        field: op.outcome.as_ref().and_then(|outcome| outcome.field.clone()),
        rule: op.outcome.as_ref().and_then(|outcome| outcome.rule.clone()),
        vi: words.map(|code| code.vi().to_owned()),
        en: words.map(|code| code.en().to_owned()),
        row: read.as_ref().and_then(super::view::target).map(|(_, id)| id),
        code,
        bytes: op.bytes.len(),
    }
}

impl Store {
    /// Every op that is still kept, in the order in which they were saved.
    pub fn outbox(&mut self) -> Result<Vec<OutboxOp>> {
        self.read(|db| db.ops_where("1"))
    }

    /// Ops that the server has not answered yet.
    pub fn not_yet_synced(&mut self) -> Result<Vec<OutboxOp>> {
        self.read(|db| db.ops_where("verdict IS NULL"))
    }

    /// Ops that the server refused, until the person has dealt with them, and ops that it keeps for later.
    pub fn needs_attention(&mut self) -> Result<Vec<OutboxOp>> {
        self.read(|db| db.ops_where("(verdict = 3 AND dismissed = 0) OR verdict = 2"))
    }

    /// The person has dealt with a refused op: it is no longer shown.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no refused op of that name.
    pub fn dismiss(&mut self, uid: OpUid) -> Result<()> {
        self.write(|db| {
            let changed = db
                .conn
                .prepare_cached("UPDATE op SET dismissed = 1 WHERE uid = :uid AND verdict = 3")?
                .execute([uid.as_bytes()])?;
            if changed == 0 { Err(Error::NotFound) } else { Ok(()) }
        })
    }

    /// The bytes of an op as they were signed, with their number: for an export of what cannot be sent.
    pub fn op_bytes(&mut self, uid: OpUid) -> Result<Option<Vec<u8>>> {
        self.read(|db| {
            Ok(db
                .conn
                .prepare_cached("SELECT bytes FROM op WHERE uid = :uid")?
                .query_row([uid.as_bytes()], |row| row.get(0))
                .optional()?)
        })
    }
}
