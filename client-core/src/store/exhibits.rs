//! What the exhibits of the museum need of the store. Only with the feature `museum`; no release has it.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};
use sync_protocol::cbor::{self, Bytes};
use sync_protocol::digest::{BucketState, Digest};
use sync_protocol::entity::{CaseSides, CaseStatusValue, CaseSubject, case};
use sync_protocol::ids::*;
use sync_protocol::op::{Intent, Op, SetGroups};
use sync_protocol::row::{BucketId, ByKey, RowType};
use sync_protocol::wire::{FrameKind, RowsFrame, no_ext};
use uuid::Uuid;

use super::base::{Bucket, Reloading};
use super::outbox::{COLUMNS, StoredOp, stored};
use super::{Db, Store};
use crate::Random;
use crate::error::{Error, Result};

impl Store {
    /// `ClientsResolve`: of every open case about a household, this person's own side holds again.
    pub(crate) fn settle_cases_alone(&mut self, now: ClaimedMs, random: &mut dyn Random) -> Result<()> {
        self.write(|db| {
            let me = db.identity_row()?.user;
            let grants_rev = db.control()?.grants_rev;
            for id in db.ids_of_type(RowType::CASE)? {
                let Some((_, found)) = db.base_register(RowType::CASE, id)? else { continue };
                let is_open = found.group::<CaseStatusValue>(case::STATUS).is_some_and(|it| it.status == "open");
                let Some(subject) = found.group::<CaseSubject>(case::SUBJECT) else { continue };
                let sides = found.group::<CaseSides>(case::SIDES).map(|sides| sides.sides).unwrap_or_default();
                let Some(mine) = sides.into_iter().find(|side| side.author == Some(me)) else { continue };
                let ty = RowType(subject.ty);
                let Some((_, row)) = db.base_register(ty, subject.id)? else { continue };
                let holds = row.groups.get(&subject.group).is_some_and(|group| group.value == mine.value);
                if !is_open || holds || ty != RowType::HOUSEHOLD || db.undecided()? > 0 {
                    continue;
                }
                let mut salt = [0; 16];
                random.fill(&mut salt);
                let groups = ByKey([(subject.group, mine.value)].into_iter().collect());
                let body = SetGroups { id: row.id, base_ver: row.ver, groups, ext: no_ext() };
                match db.save(&Intent::HouseholdSet(body).into_op(Salt(salt), now, grants_rev)) {
                    Ok(_) | Err(Error::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })
    }
}

impl Db<'_> {
    /// `CursorBeforeRows`, `DiskFullKeepsCursor`: the cursors of the frames that would be taken, without their rows.
    pub(crate) fn cursors_first(&mut self, frames: &[(FrameKind, Vec<u8>)]) -> Result<()> {
        let staged = self.link()?.staged_epoch != 0;
        for (kind, payload) in frames {
            let Ok(frame) = cbor::read::<RowsFrame>(payload) else { continue };
            let known = self.buckets(staged)?.into_iter().find(|bucket| Some(bucket.id) == frame.bucket());
            if let Some(bucket) = known
                && *kind == FrameKind::Rows
                && (bucket.gen_, bucket.seq) == (frame.gen_, frame.from)
            {
                self.set_bucket(Bucket { seq: frame.to, mac: frame.mac, ..bucket })?;
            }
        }
        Ok(())
    }

    /// `EchoByCursor`: answered ops whose bucket brought rows in this answer.
    pub(crate) fn mark_passed(&mut self, buckets: &BTreeSet<BucketId>) -> Result<()> {
        let sql = format!("SELECT {COLUMNS} FROM op WHERE state = 2 AND verdict IN (0, 1)");
        let ops: Vec<StoredOp> =
            self.conn.prepare_cached(&sql)?.query_map([], stored)?.collect::<rusqlite::Result<_>>()?;
        for op in ops {
            let Some((ty, id)) = Op::read(&op.bytes).ok().as_ref().and_then(super::view::target) else { continue };
            let scope: Option<i64> = self
                .conn
                .prepare_cached("SELECT scope FROM overlay WHERE ty = :ty AND id = :id")?
                .query_row(params![ty.0, id.as_bytes()], |row| row.get(0))
                .optional()?;
            let Some(scope) = scope else { continue };
            let scope = ScopeId(self.uuid(scope)?);
            if buckets.iter().any(|bucket| bucket.scope == scope && bucket.class == ty.class()) {
                self.conn.prepare_cached("UPDATE op SET state = 3 WHERE seq = :seq")?.execute([op.seq])?;
            }
        }
        Ok(())
    }

    /// `OwnEditRemovesAccess`: whether an op that is still kept moved this household.
    pub(super) fn moved_by_this_phone(&mut self, household: Uuid) -> Result<bool> {
        let ops: Vec<Bytes> = self
            .conn
            .prepare_cached("SELECT bytes FROM op")?
            .query_map([], |row| row.get(0).map(Bytes))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(ops.iter().any(|op| match Op::read(&op.0).ok().as_ref().and_then(Intent::of) {
            Some(Ok(Intent::HouseholdMove(body))) => body.id == household,
            _ => false,
        }))
    }

    /// `DerivedInChecksum`: the states of the buckets, with the predictions that lie over them counted in.
    pub(super) fn states_with_predictions(&mut self, staged: bool) -> Result<Vec<BucketState>> {
        let mut states = Vec::new();
        for bucket in self.buckets(staged)?.into_iter().filter(|bucket| bucket.seq > 0) {
            let predicted: Vec<u8> = self
                .conn
                .prepare_cached("SELECT ty FROM overlay WHERE scope = :scope")?
                .query_map([bucket.scope], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let more = predicted.into_iter().filter(|ty| RowType(*ty).class() == bucket.id.class).count() as u64;
            let digest = Digest { count: bucket.digest.count + more, ..bucket.digest };
            states.push(BucketState { bucket: bucket.id, gen_: bucket.gen_, head: bucket.seq, digest });
        }
        Ok(states)
    }

    /// `FailureEscalates`: every bucket from its beginning.
    pub(crate) fn load_all_again(&mut self) -> Result<()> {
        for bucket in self.buckets(false)? {
            self.start_reload(bucket, Reloading::Keeping)?;
        }
        Ok(())
    }
}
