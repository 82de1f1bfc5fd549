//! Base: an exact copy of the server's buckets, row by row, with the cursor and the proof of each.
//!
//! A row is kept once per bucket that has it. What is shown is the live row with the highest version; a tombstone that
//! arrives before its row's new home hides nothing until a response was complete (docs/PROTOCOL.md, S11).

use rusqlite::{OptionalExtension, params};
use sync_protocol::cbor::{Cbor, Malformed};
use sync_protocol::digest::{self, BucketState, Digest};
use sync_protocol::ids::*;
use sync_protocol::museum::{self, Exhibit};
use sync_protocol::row::{BucketId, Class, Event, Register, Row, RowType, Ver, read_row};
use sync_protocol::wire::{Cursor, Cursors, Head, RowsFrame};
use uuid::Uuid;

use super::Db;
use super::pack::{ver_column, ver_of};
use crate::error::{Error, Result};

const BUCKETS: &str = "
SELECT lid, scope, class, quarter, staged, gen, seq, mac, cnt, sum, mark, reloading, recount_day, reload_day
FROM bucket
";
const ADD_BUCKET: &str = "
INSERT INTO bucket (scope, class, quarter, staged, gen, seq, mac, cnt, sum)
VALUES (:scope, :class, :quarter, :staged, :gen, 0, zeroblob(8), 0, 0)
";
const SET_BUCKET: &str = "
UPDATE bucket
SET gen = :gen, seq = :seq, mac = :mac, cnt = :cnt, sum = :sum, mark = :mark, reloading = :reloading,
    recount_day = :recount_day, reload_day = :reload_day
WHERE lid = :lid
";
const ROW: &str = "SELECT ver, gone, row FROM base WHERE ty = :ty AND id = :id AND bucket = :bucket";
const VERSIONS: &str = "SELECT bucket, ver, gone FROM base WHERE ty = :ty AND id = :id";
const PUT: &str = "
INSERT INTO base (ty, id, bucket, ver, gone, mark, row)
VALUES (:ty, :id, :bucket, :ver, :gone, :mark, :row)
ON CONFLICT (ty, id, bucket) DO UPDATE
SET ver = excluded.ver, gone = excluded.gone, mark = excluded.mark, row = excluded.row
";
const DELETE: &str = "DELETE FROM base WHERE ty = :ty AND id = :id AND bucket = :bucket";
const UNMARK: &str = "UPDATE base SET mark = :mark WHERE bucket = :bucket";
const SEEN: &str = "UPDATE base SET mark = :mark WHERE ty = :ty AND id = :id AND bucket = :bucket";
const DERIVED_IN: &str = "
SELECT 4, i.id FROM household d JOIN ident i ON i.lid = d.lid WHERE d.scope = :scope
UNION ALL SELECT 5, i.id FROM plan d JOIN ident i ON i.lid = d.lid WHERE d.scope = :scope
UNION ALL SELECT 7, i.id FROM dispute d JOIN ident i ON i.lid = d.lid WHERE d.scope = :scope
UNION ALL SELECT 32, id FROM visit WHERE scope = :scope
";
const OF_BUCKET: &str = "SELECT ty, id, ver, mark FROM base WHERE bucket = :bucket";
const HELD: &str = "SELECT scope, ver, row FROM held WHERE ty = :ty AND id = :id";
const HOLD: &str = "
INSERT INTO held (ty, id, scope, ver, row)
VALUES (:ty, :id, :scope, :ver, :row)
ON CONFLICT (ty, id) DO UPDATE SET scope = excluded.scope, ver = excluded.ver, row = excluded.row
";

/// One bucket as this phone has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bucket {
    pub(crate) lid: i64,
    pub(crate) scope: i64,
    pub(crate) id: BucketId,
    pub(crate) staged: bool,
    pub(crate) gen_: u32,
    pub(crate) seq: u64,
    pub(crate) mac: [u8; 8],
    pub(crate) digest: Digest,
    pub(crate) mark: bool,
    pub(crate) reloading: Reloading,
    pub(crate) recount_day: u32,
    pub(crate) reload_day: u32,
}

/// Whether a bucket is being loaded afresh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reloading {
    /// No.
    Not,
    /// Yes; what is here at a higher version stays.
    Keeping,
    /// Yes, because what is here may be wrong: lower versions replace higher ones.
    Replacing,
}

impl Reloading {
    fn column(self) -> u8 {
        match self {
            Self::Not => 0,
            Self::Keeping => 1,
            Self::Replacing => 2,
        }
    }
}

/// What became of a frame of rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Applied {
    /// Its rows are here and the cursor moved.
    Taken {
        /// Rows that could not be read and were left out.
        unreadable: u32,
    },
    /// It was here before.
    Known,
    /// It does not follow what is here.
    Gap,
}

/// One bucket, for the doctor.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct BucketReport {
    /// Whose rows.
    pub scope: ScopeId,
    /// `control`, `register` or `event`.
    pub class: String,
    /// Quarter of receipt; 0 where there is none.
    pub quarter: u16,
    /// Generation.
    pub gen_: u32,
    /// How far it was read.
    pub seq: u64,
    /// Number of rows, tombstones too.
    pub rows: u64,
    /// Whether count and sum agree with the rows.
    pub digest_right: bool,
    /// Whether it is being loaded afresh.
    pub reloading: bool,
}

/// What the comparison with the server's proof said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum DigestCheck {
    /// The copy is a copy.
    Agrees,
    /// The counters were wrong, the rows were right.
    Recounted,
    /// Something differs: the buckets that do are asked for.
    AskHeads,
    /// Something differs, and today's repairs were tried: it is reported.
    Differs,
}

/// A row of the base before it is read.
pub(super) struct Stored {
    pub(super) scope: i64,
    pub(super) ver: Ver,
    pub(super) row: Vec<u8>,
}

impl Db<'_> {
    /// Reads the buckets once per transaction series.
    fn load_buckets(&mut self) -> Result<()> {
        if !self.cache.buckets.is_empty() {
            return Ok(());
        }
        let rows: Vec<(Bucket, u8)> = {
            let mut statement = self.conn.prepare_cached(BUCKETS)?;
            statement
                .query_map([], |row| {
                    let bucket = Bucket {
                        lid: row.get("lid")?,
                        scope: row.get("scope")?,
                        id: BucketId {
                            scope: ScopeId(Uuid::nil()),
                            class: Class::Control,
                            quarter: row.get("quarter")?,
                        },
                        staged: row.get("staged")?,
                        gen_: row.get("gen")?,
                        seq: row.get::<_, i64>("seq")? as u64,
                        mac: row.get("mac")?,
                        digest: Digest {
                            count: row.get::<_, i64>("cnt")? as u64,
                            sum: row.get::<_, i64>("sum")? as u64,
                        },
                        mark: row.get("mark")?,
                        reloading: match row.get::<_, u8>("reloading")? {
                            0 => Reloading::Not,
                            1 => Reloading::Keeping,
                            _ => Reloading::Replacing,
                        },
                        recount_day: row.get("recount_day")?,
                        reload_day: row.get("reload_day")?,
                    };
                    Ok((bucket, row.get("class")?))
                })?
                .collect::<rusqlite::Result<_>>()?
        };
        for (mut bucket, class) in rows {
            bucket.id.class = Class::from_u8(class).ok_or(Error::StoreDamaged)?;
            bucket.id.scope = ScopeId(self.uuid(bucket.scope)?);
            self.cache.bucket_ids.insert((bucket.id, bucket.staged), bucket.lid);
            self.cache.buckets.insert(bucket.lid, bucket);
        }
        Ok(())
    }

    /// All buckets of the live copy, or of the one that waits for the swap, in the order of their ids.
    pub(crate) fn buckets(&mut self, staged: bool) -> Result<Vec<Bucket>> {
        self.load_buckets()?;
        let mut found: Vec<Bucket> = self.cache.buckets.values().filter(|b| b.staged == staged).copied().collect();
        found.sort_by_key(|bucket| bucket.id);
        Ok(found)
    }

    fn bucket(&mut self, id: BucketId, staged: bool) -> Result<Option<Bucket>> {
        self.load_buckets()?;
        Ok(self.cache.bucket_ids.get(&(id, staged)).and_then(|lid| self.cache.buckets.get(lid)).copied())
    }

    pub(super) fn bucket_of(&mut self, lid: i64) -> Result<Bucket> {
        self.load_buckets()?;
        self.cache.buckets.get(&lid).copied().ok_or(Error::StoreDamaged)
    }

    fn new_bucket(&mut self, id: BucketId, staged: bool, gen_: u32) -> Result<Bucket> {
        let scope = self.lid(id.scope.as_bytes())?;
        self.conn.prepare_cached(ADD_BUCKET)?.execute(
            rusqlite::named_params! {":scope": scope, ":class": id.class as u8, ":quarter": id.quarter, ":staged": staged, ":gen": gen_},
        )?;
        let lid = self.conn.last_insert_rowid();
        let (seq, mac, digest) = (0, [0; 8], Digest::default());
        let bucket = Bucket {
            lid,
            scope,
            id,
            staged,
            gen_,
            seq,
            mac,
            digest,
            mark: false,
            reloading: Reloading::Not,
            recount_day: 0,
            reload_day: 0,
        };
        self.cache.bucket_ids.insert((id, staged), lid);
        self.cache.buckets.insert(lid, bucket);
        Ok(bucket)
    }

    pub(crate) fn set_bucket(&mut self, bucket: Bucket) -> Result<()> {
        self.conn.prepare_cached(SET_BUCKET)?.execute(rusqlite::named_params! {
            ":gen": bucket.gen_, ":seq": bucket.seq as i64, ":mac": bucket.mac, ":cnt": bucket.digest.count as i64,
            ":sum": bucket.digest.sum as i64, ":mark": bucket.mark, ":reloading": bucket.reloading.column(),
            ":recount_day": bucket.recount_day, ":reload_day": bucket.reload_day, ":lid": bucket.lid,
        })?;
        self.cache.buckets.insert(bucket.lid, bucket);
        Ok(())
    }

    /// How far everything was read, for the next request.
    pub(crate) fn cursors(&mut self, staged: bool) -> Result<Cursors> {
        let buckets = self.buckets(staged)?;
        Ok(Cursors(
            buckets
                .iter()
                .filter(|bucket| bucket.seq > 0)
                .map(|b| Cursor { bucket: b.id, gen_: b.gen_, seq: b.seq, mac: b.mac })
                .collect(),
        ))
    }

    /// Takes a frame of rows with its cursor. `fresh` says that this response has not started this bucket yet.
    pub(crate) fn apply_rows(&mut self, frame: &RowsFrame, staged: bool, fresh: bool) -> Result<Applied> {
        let Some(id) = frame.bucket() else { return Ok(Applied::Taken { unreadable: 0 }) };
        let mut bucket = match self.bucket(id, staged)? {
            Some(bucket) => bucket,
            None => self.new_bucket(id, staged, frame.gen_)?,
        };
        let continues = frame.from == bucket.seq && (frame.gen_ == bucket.gen_ || bucket.seq == 0);
        let continues = continues || (museum::on(Exhibit::CursorBeforeRows) && frame.to == bucket.seq);
        let continues =
            continues || (museum::on(Exhibit::GapGivenUp) && frame.from > bucket.seq && frame.gen_ == bucket.gen_);
        if !continues {
            if frame.gen_ == bucket.gen_ && frame.to <= bucket.seq && !(frame.from == 0 && fresh) {
                return Ok(Applied::Known);
            }
            if frame.from != 0 || !fresh {
                return Ok(Applied::Gap);
            }
            let how = if frame.gen_ == bucket.gen_ { Reloading::Keeping } else { Reloading::Replacing };
            bucket = self.start_reload(bucket, how)?;
        }
        if frame.to < frame.from {
            return Ok(Applied::Gap);
        }
        let mut unreadable = 0;
        for bytes in &frame.rows {
            match read_row(&bytes.0) {
                Ok(row) if row.ty().class() == id.class => self.put_base(&mut bucket, &row, &bytes.0)?,
                _ => unreadable += 1,
            }
        }
        bucket.gen_ = frame.gen_;
        bucket.seq = frame.to;
        bucket.mac = frame.mac;
        self.set_bucket(bucket)?;
        Ok(Applied::Taken { unreadable })
    }

    /// Starts to load a bucket afresh: its rows stay until the new ones are all here, then those not seen go.
    pub(crate) fn start_reload(&mut self, mut bucket: Bucket, how: Reloading) -> Result<Bucket> {
        if bucket.reloading != Reloading::Not {
            self.conn.prepare_cached(UNMARK)?.execute(params![!bucket.mark, bucket.lid])?;
        } else {
            bucket.mark = !bucket.mark;
        }
        bucket.reloading = how;
        bucket.seq = 0;
        self.set_bucket(bucket)?;
        Ok(bucket)
    }

    fn put_base(&mut self, bucket: &mut Bucket, row: &Row, bytes: &[u8]) -> Result<()> {
        let (ty, id, ver) = (row.ty(), row.id(), row.ver());
        let before: Option<(Ver, bool, Vec<u8>)> = self
            .conn
            .prepare_cached(ROW)?
            .query_row(params![ty.0, id.as_bytes(), bucket.lid], |r| Ok((ver_of(r.get(0)?), r.get(1)?, r.get(2)?)))
            .optional()?;
        if let Some((old, _, _)) = &before
            && *old >= ver
            && bucket.reloading != Reloading::Replacing
        {
            if bucket.reloading == Reloading::Keeping {
                self.conn.prepare_cached(SEEN)?.execute(params![bucket.mark, ty.0, id.as_bytes(), bucket.lid])?;
            }
            return Ok(());
        }
        #[cfg(feature = "museum")]
        if museum::on(Exhibit::OwnEditRemovesAccess) && row.is_tombstone() && self.moved_by_this_phone(id)? {
            return Ok(());
        }
        self.intern(row)?;
        let gone = row.is_tombstone();
        if let Some((old, was_gone, packed)) = before {
            bucket.digest.remove(ty, id, old);
            if gone && !was_gone && !bucket.staged && !museum::on(Exhibit::TombstoneAtOnce) {
                self.conn.prepare_cached(HOLD)?.execute(params![
                    ty.0,
                    id.as_bytes(),
                    bucket.scope,
                    ver_column(old),
                    packed
                ])?;
            }
        }
        bucket.digest.add(ty, id, ver);
        let packed = self.pack(id, bytes)?;
        self.conn.prepare_cached(PUT)?.execute(params![
            ty.0,
            id.as_bytes(),
            bucket.lid,
            ver_column(ver),
            gone,
            bucket.mark,
            packed
        ])?;
        if bucket.staged {
            return Ok(());
        }
        // The bucket's own counters are written with its cursor, at the end of the frame.
        self.reindex(ty, id)
    }

    /// Gives short numbers to the ids that will appear again.
    pub(super) fn intern(&mut self, row: &Row) -> Result<()> {
        match row {
            Row::Event(event) => {
                self.lid(event.author.as_bytes())?;
                if let Ok(content) = sync_protocol::op::read_content(&event.body) {
                    self.lid(content.village.as_bytes())?;
                    self.lid(content.team.as_bytes())?;
                    if let Some(household) = content.household {
                        self.lid(household.as_bytes())?;
                    }
                }
            }
            Row::Register(register) if register.ty != RowType::VISIT_STATE => {
                self.lid(register.id.as_bytes())?;
            }
            Row::Register(_) | Row::Opaque { .. } => {}
        }
        Ok(())
    }

    /// The row of the base that is shown: live, of the highest version.
    pub(super) fn base_row(&mut self, ty: RowType, id: Uuid) -> Result<Option<Stored>> {
        let mut best: Option<(Ver, i64, i64)> = None;
        let versions: Vec<(i64, i64, bool)> = {
            let mut statement = self.conn.prepare_cached(VERSIONS)?;
            statement
                .query_map(params![ty.0, id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<rusqlite::Result<_>>()?
        };
        let tombstone = versions.iter().any(|(_, _, gone)| *gone);
        for (lid, ver, gone) in versions {
            let bucket = self.bucket_of(lid)?;
            if !bucket.staged && !gone && best.is_none_or(|(best, _, _)| ver_of(ver) > best) {
                best = Some((ver_of(ver), lid, bucket.scope));
            }
        }
        if tombstone {
            let held: Option<Stored> = self
                .conn
                .prepare_cached(HELD)?
                .query_row(params![ty.0, id.as_bytes()], |row| {
                    Ok(Stored { scope: row.get(0)?, ver: ver_of(row.get(1)?), row: row.get(2)? })
                })
                .optional()?;
            if let Some(held) = held
                && best.is_none_or(|(best, _, _)| held.ver > best)
            {
                return Ok(Some(held));
            }
        }
        let Some((ver, bucket, scope)) = best else { return Ok(None) };
        let row = self.conn.prepare_cached(ROW)?.query_row(params![ty.0, id.as_bytes(), bucket], |row| row.get(2))?;
        Ok(Some(Stored { scope, ver, row }))
    }

    /// The version of the base's live row, or of the one that stays visible until the answer is complete; what a person's
    /// edit says they were looking at.
    pub(crate) fn base_ver(&mut self, ty: RowType, id: Uuid) -> Result<Option<Ver>> {
        let versions: Vec<(i64, i64, bool)> = {
            let mut statement = self.conn.prepare_cached(VERSIONS)?;
            statement
                .query_map(params![ty.0, id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<rusqlite::Result<_>>()?
        };
        let mut best = None;
        for (lid, ver, gone) in versions {
            if !gone && !self.bucket_of(lid)?.staged {
                best = best.max(Some(ver_of(ver)));
            }
        }
        if best.is_none() && !museum::on(Exhibit::HeldRowUnseen) {
            let held =
                self.conn.prepare_cached(HELD)?.query_row(params![ty.0, id.as_bytes()], |row| row.get(1)).optional()?;
            best = held.map(ver_of);
        }
        Ok(best)
    }

    /// Whether the base has, or had, a row in a scope: its tombstone, or an older version than the one shown elsewhere.
    pub(super) fn base_was_in(&mut self, scope: ScopeId, ty: RowType, id: Uuid) -> Result<bool> {
        let buckets: Vec<i64> = {
            let mut statement = self.conn.prepare_cached(VERSIONS)?;
            statement.query_map(params![ty.0, id.as_bytes()], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        };
        for lid in buckets {
            let bucket = self.bucket_of(lid)?;
            if !bucket.staged && bucket.id.scope == scope {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads a stored register.
    pub(super) fn stored_register(&mut self, ty: RowType, id: Uuid, stored: &Stored) -> Result<(ScopeId, Register)> {
        let bytes = self.unpack(ty, id, stored.ver, &stored.row)?;
        Ok((ScopeId(self.uuid(stored.scope)?), Register::from_cbor(&bytes)?))
    }

    /// Reads a stored event.
    pub(super) fn stored_event(&mut self, ty: RowType, id: Uuid, stored: &Stored) -> Result<(ScopeId, Event)> {
        let bytes = self.unpack(ty, id, stored.ver, &stored.row)?;
        Ok((ScopeId(self.uuid(stored.scope)?), Event::from_cbor(&bytes)?))
    }

    /// Ends a complete response: rows that were not seen in a reload go, and tombstones take effect.
    pub(crate) fn complete_base(&mut self, staged: bool) -> Result<()> {
        for mut bucket in self.buckets(staged)? {
            if bucket.reloading == Reloading::Not {
                continue;
            }
            let unseen: Vec<(u8, Uuid, Ver)> = self
                .rows_of(bucket.lid)?
                .into_iter()
                .filter(|row| row.3 != bucket.mark)
                .map(|r| (r.0, r.1, r.2))
                .collect();
            for (ty, id, ver) in unseen {
                self.conn.prepare_cached(DELETE)?.execute(params![ty, id.as_bytes(), bucket.lid])?;
                bucket.digest.remove(RowType(ty), id, ver);
                if !staged {
                    self.reindex(RowType(ty), id)?;
                }
            }
            bucket.reloading = Reloading::Not;
            self.set_bucket(bucket)?;
        }
        if staged {
            return Ok(());
        }
        let held: Vec<(u8, [u8; 16])> = {
            let mut statement = self.conn.prepare_cached("SELECT ty, id FROM held")?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?
        };
        if !held.is_empty() {
            self.conn.execute("DELETE FROM held", [])?;
            for (ty, id) in held {
                self.reindex(RowType(ty), Uuid::from_bytes(id))?;
            }
        }
        Ok(())
    }

    fn rows_of(&mut self, bucket: i64) -> Result<Vec<(u8, Uuid, Ver, bool)>> {
        let mut statement = self.conn.prepare_cached(OF_BUCKET)?;
        Ok(statement
            .query_map([bucket], |row| {
                Ok((row.get(0)?, Uuid::from_bytes(row.get(1)?), ver_of(row.get(2)?), row.get(3)?))
            })?
            .collect::<rusqlite::Result<_>>()?)
    }

    fn states(&mut self, staged: bool) -> Result<Vec<BucketState>> {
        #[cfg(feature = "museum")]
        if museum::on(Exhibit::DerivedInChecksum) {
            return self.states_with_predictions(staged);
        }
        Ok(self
            .buckets(staged)?
            .iter()
            .filter(|bucket| bucket.seq > 0)
            .map(|b| BucketState { bucket: b.id, gen_: b.gen_, head: b.seq, digest: b.digest })
            .collect())
    }

    /// Compares what is here with the server's proof, and climbs the first rung of the repair ladder if they differ.
    /// Each rung is tried once per bucket and server day. `counted` is the day on which the rows were last counted anew.
    pub(crate) fn check_digest(
        &mut self,
        staged: bool,
        proof: [u8; 8],
        day: Day,
        counted: &mut u32,
    ) -> Result<DigestCheck> {
        let agrees = digest::fold(&self.states(staged)?) == proof;
        // Counters say what arrived. Once a day the rows themselves are asked: bad storage changes no counter (P16).
        if agrees && (*counted == day.0 || museum::on(Exhibit::RowsNeverCounted)) {
            return Ok(DigestCheck::Agrees);
        }
        *counted = day.0;
        let buckets = self.buckets(staged)?;
        let unlimited = museum::on(Exhibit::HealWithoutLimit);
        let mut right = true;
        for mut bucket in buckets.iter().copied().filter(|bucket| agrees || bucket.recount_day != day.0 || unlimited) {
            let mut digest = Digest::default();
            self.rows_of(bucket.lid)?.iter().for_each(|(ty, id, ver, _)| digest.add(RowType(*ty), *id, *ver));
            right &= digest == bucket.digest;
            bucket.digest = digest;
            bucket.recount_day = day.0;
            self.set_bucket(bucket)?;
        }
        if agrees && right {
            return Ok(DigestCheck::Agrees);
        }
        if digest::fold(&self.states(staged)?) == proof {
            return Ok(DigestCheck::Recounted);
        }
        let untried = buckets.iter().any(|bucket| bucket.reload_day != day.0) || buckets.is_empty() || unlimited;
        Ok(if untried { DigestCheck::AskHeads } else { DigestCheck::Differs })
    }

    /// Second rung: buckets that differ from the server's heads are loaded afresh. Gives how many.
    pub(crate) fn reload_differing(&mut self, staged: bool, heads: &[Head], day: Day) -> Result<u32> {
        let mut reloaded = 0;
        for bucket in self.buckets(staged)? {
            let head = heads.iter().find(|head| head.bucket() == Some(bucket.id));
            let right = head.is_some_and(|head| {
                (head.gen_, head.head) == (bucket.gen_, bucket.seq)
                    && Digest { count: head.count, sum: head.sum } == bucket.digest
            });
            let tried = bucket.reload_day == day.0 && !museum::on(Exhibit::HealWithoutLimit);
            let kept = bucket.seq == 0 || museum::on(Exhibit::NoPurge);
            if right || tried || (head.is_none() && kept) {
                continue;
            }
            if head.is_none() {
                self.drop_bucket(bucket, !staged)?;
            } else {
                let mut bucket = self.start_reload(bucket, Reloading::Replacing)?;
                bucket.reload_day = day.0;
                self.set_bucket(bucket)?;
            }
            reloaded += 1;
        }
        Ok(reloaded)
    }

    fn drop_bucket(&mut self, bucket: Bucket, shown: bool) -> Result<u64> {
        let rows = self.rows_of(bucket.lid)?;
        for (ty, id, _, _) in &rows {
            self.conn.prepare_cached(DELETE)?.execute(params![ty, id.as_bytes(), bucket.lid])?;
        }
        self.conn.execute("DELETE FROM bucket WHERE lid = :lid", [bucket.lid])?;
        self.cache.buckets.clear();
        self.cache.bucket_ids.clear();
        if shown {
            for (ty, id, _, _) in &rows {
                self.reindex(RowType(*ty), *id)?;
            }
        }
        Ok(rows.len() as u64)
    }

    /// Throws away what was loaded for a swap that will not happen.
    pub(crate) fn clear_staged(&mut self) -> Result<()> {
        for bucket in self.buckets(true)? {
            self.drop_bucket(bucket, false)?;
        }
        Ok(())
    }

    /// Puts the copy that was loaded after a server restore in the place of the old one, in one go.
    pub(crate) fn swap_staged(&mut self) -> Result<()> {
        self.conn.execute("DELETE FROM base WHERE bucket IN (SELECT lid FROM bucket WHERE staged = 0)", [])?;
        self.conn.execute("DELETE FROM bucket WHERE staged = 0", [])?;
        self.conn.execute("UPDATE bucket SET staged = 0, reloading = 0", [])?;
        self.conn.execute("DELETE FROM held", [])?;
        self.cache.buckets.clear();
        self.cache.bucket_ids.clear();
        self.rebuild_derived()
    }

    /// Forgets everything of a scope: rows, predictions, search words. Ops stay. Gives the number of rows.
    pub(crate) fn purge_scope(&mut self, scope: ScopeId) -> Result<u64> {
        let Some(lid) = self.known_lid(scope.as_bytes())? else { return Ok(0) };
        let overlay: Vec<(u8, [u8; 16])> = {
            let mut statement = self.conn.prepare_cached("SELECT ty, id FROM overlay WHERE scope = :scope")?;
            statement.query_map([lid], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?
        };
        let held: Vec<(u8, [u8; 16])> = {
            let mut statement = self.conn.prepare_cached("SELECT ty, id FROM held WHERE scope = :scope")?;
            statement.query_map([lid], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?
        };
        self.conn.execute("DELETE FROM overlay WHERE scope = :scope", [lid])?;
        self.conn.execute("DELETE FROM held WHERE scope = :scope", [lid])?;
        let mut rows = 0;
        for staged in [true, false] {
            for bucket in self.buckets(staged)? {
                if bucket.id.scope == scope {
                    rows += self.drop_bucket(bucket, !staged)?;
                }
            }
        }
        // What is derived goes by its own scope too: a row that bad storage took away must not leave its words behind.
        let derived: Vec<(u8, [u8; 16])> = {
            let mut statement = self.conn.prepare_cached(DERIVED_IN)?;
            statement.query_map([lid], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?
        };
        let derived = derived.into_iter().filter(|_| !museum::on(Exhibit::WordsOutliveRows));
        for (ty, id) in overlay.into_iter().chain(held).chain(derived) {
            self.reindex(RowType(ty), Uuid::from_bytes(id))?;
        }
        self.drop_empty_cells()?;
        self.merge_search()?;
        self.forget_idents()?;
        Ok(rows)
    }

    /// Drops the short numbers that nothing uses any more.
    fn forget_idents(&mut self) -> Result<()> {
        let mut used: std::collections::HashSet<i64> = std::collections::HashSet::new();
        let columns = "
            SELECT scope FROM bucket UNION SELECT scope FROM overlay UNION SELECT scope FROM held
            UNION SELECT lid FROM household UNION SELECT lid FROM plan UNION SELECT lid FROM dispute
            UNION SELECT household FROM visit WHERE household IS NOT NULL UNION SELECT author FROM visit
            UNION SELECT village FROM cell UNION SELECT team FROM cell";
        {
            let mut statement = self.conn.prepare_cached(columns)?;
            for lid in statement.query_map([], |row| row.get::<_, i64>(0))? {
                used.insert(lid?);
            }
            for table in ["base", "overlay", "held"] {
                let mut statement = self.conn.prepare(&format!("SELECT row FROM {table}"))?;
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    super::pack::collect_idents(
                        row.get_ref(0)?.as_blob().map_err(|_| Error::StoreDamaged)?,
                        &mut used,
                    )?;
                }
            }
        }
        let all: Vec<i64> = {
            let mut statement = self.conn.prepare_cached("SELECT lid FROM ident")?;
            statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        };
        for lid in all.into_iter().filter(|lid| !used.contains(lid)) {
            self.conn.prepare_cached("DELETE FROM ident WHERE lid = :lid")?.execute([lid])?;
        }
        self.cache.lids.clear();
        self.cache.ids.clear();
        Ok(())
    }

    /// Counts every bucket again and compares; changes nothing.
    pub(super) fn bucket_reports(&mut self) -> Result<Vec<BucketReport>> {
        let mut reports = Vec::new();
        for bucket in self.buckets(false)? {
            let mut digest = Digest::default();
            self.rows_of(bucket.lid)?.iter().for_each(|(ty, id, ver, _)| digest.add(RowType(*ty), *id, *ver));
            let class = match bucket.id.class {
                Class::Control => "control",
                Class::Register => "register",
                Class::Notice => "notice",
                Class::Event => "event",
            };
            reports.push(BucketReport {
                scope: bucket.id.scope,
                class: class.to_owned(),
                quarter: bucket.id.quarter,
                gen_: bucket.gen_,
                seq: bucket.seq,
                rows: bucket.digest.count,
                digest_right: digest == bucket.digest,
                reloading: bucket.reloading != Reloading::Not,
            });
        }
        Ok(reports)
    }

    /// All rows of a type that are in the live base, by id.
    pub(super) fn ids_of_type(&mut self, ty: RowType) -> Result<Vec<Uuid>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id FROM base WHERE ty = :ty UNION SELECT id FROM overlay WHERE ty = :ty
             UNION SELECT id FROM held WHERE ty = :ty ORDER BY id",
        )?;
        Ok(statement
            .query_map([ty.0], |row| row.get::<_, [u8; 16]>(0).map(Uuid::from_bytes))?
            .collect::<rusqlite::Result<_>>()?)
    }
}

/// Checks the shape of a row that the phone itself made.
pub(super) fn cbor_of(row: &Row) -> Result<Vec<u8>, Malformed> {
    let bytes = row.cbor();
    sync_protocol::cbor::check(&bytes)?;
    Ok(bytes)
}
