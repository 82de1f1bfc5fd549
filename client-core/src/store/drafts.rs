//! Drafts: what is being written. They never leave the phone, and they outlive everything but the person's own hand.
//!
//! A draft fixes salt and moment when it begins, so the visit's id is known, and stays, before the first save.

use rusqlite::{OptionalExtension, params};
use sync_protocol::cbor::{self, Cbor, Raw};
use sync_protocol::entity::VisitContent;
use sync_protocol::ids::*;
use sync_protocol::int_map;
use sync_protocol::op::{CorrectVisit, Intent, RecordVisit};
use sync_protocol::outcome::Code;
use sync_protocol::row::Ver;
use sync_protocol::wire::no_ext;
use uuid::Uuid;

use super::{Db, Saved, Store};
use crate::Random;
use crate::error::{Error, Result};

const PUT: &str = "
INSERT INTO draft (id, salt, at, scope, changed, body) VALUES (:id, :salt, :at, :scope, :changed, :body)
ON CONFLICT (id) DO UPDATE SET scope = excluded.scope, changed = excluded.changed, body = excluded.body
";

int_map! {
    /// What a draft holds.
    pub struct DraftBody {
        /// The content so far.
        0 => content: req VisitContent,
        /// The plan that it carries out.
        1 => plan: opt PlanId,
        /// The visit that it corrects.
        2 => corrects: opt VisitId,
        /// For a correction: the version that the person was looking at.
        3 => base_ver: opt Ver,
        /// What a form keeps for itself: half-typed answers that are no content yet.
        4 => form: opt String,
    }
}

/// A draft.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    /// The id of the visit that it will be; for a correction, of the correction.
    pub id: Uuid,
    /// When it was begun, by this phone's clock.
    pub at: ClaimedMs,
    /// When it was last changed.
    pub changed: ClaimedMs,
    /// Its village is no longer among the user's: it is kept, but cannot be handed in.
    pub scope_lost: bool,
    /// What it holds.
    pub body: DraftBody,
}

struct StoredDraft {
    id: Uuid,
    salt: [u8; 16],
    at: ClaimedMs,
    changed: ClaimedMs,
    scope: ScopeId,
    body: Vec<u8>,
}

impl Db<'_> {
    fn draft(&mut self, id: Uuid) -> Result<StoredDraft> {
        self.conn
            .prepare_cached("SELECT id, salt, at, changed, scope, body FROM draft WHERE id = :id")?
            .query_row([id.as_bytes()], stored)
            .optional()?
            .ok_or(Error::NotFound)
    }

    fn put_draft(&mut self, draft: &StoredDraft) -> Result<()> {
        self.conn.prepare_cached(PUT)?.execute(params![
            draft.id.as_bytes(),
            draft.salt,
            draft.at.0 as i64,
            draft.scope.as_bytes(),
            draft.changed.0 as i64,
            draft.body
        ])?;
        Ok(())
    }

    fn read_draft(&mut self, stored: StoredDraft) -> Result<Draft> {
        let held = self.control()?.holdings.iter().any(|held| held.scope == stored.scope);
        Ok(Draft {
            id: stored.id,
            at: stored.at,
            changed: stored.changed,
            scope_lost: !held,
            body: cbor::read(&stored.body)?,
        })
    }

    pub(super) fn draft_count(&mut self) -> Result<u64> {
        Ok(self.conn.prepare_cached("SELECT count(*) FROM draft")?.query_row([], |row| row.get::<_, i64>(0))? as u64)
    }
}

fn stored(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredDraft> {
    Ok(StoredDraft {
        id: Uuid::from_bytes(row.get("id")?),
        salt: row.get("salt")?,
        at: ClaimedMs(row.get::<_, i64>("at")? as u64),
        changed: ClaimedMs(row.get::<_, i64>("changed")? as u64),
        scope: ScopeId::from_bytes(row.get("scope")?),
        body: row.get("body")?,
    })
}

impl Store {
    /// Begins a draft. Gives the id that the visit will have.
    ///
    /// # Errors
    /// [`Error::StorageFull`] when there is no room left: said before the form is filled, not after.
    pub fn begin_draft(&mut self, body: &DraftBody, now: ClaimedMs, random: &mut dyn Random) -> Result<Uuid> {
        let mut salt = [0; 16];
        random.fill(&mut salt);
        self.begin_draft_once(body, Salt(salt), now)
    }

    /// Begins a draft under a salt that the caller drew. The same call again leaves the draft as it is by now.
    ///
    /// # Errors
    /// As [`Store::begin_draft`].
    pub fn begin_draft_once(&mut self, body: &DraftBody, Salt(salt): Salt, now: ClaimedMs) -> Result<Uuid> {
        if !self.has_room() {
            return Err(Error::StorageFull);
        }
        let id = derive_id(DerivedTag::Row, now, &salt, 0);
        let scope = body.content.village.into();
        let bytes = body.cbor();
        self.write(|db| match db.draft(id) {
            Err(Error::NotFound) => {
                db.put_draft(&StoredDraft { id, salt, at: now, changed: now, scope, body: bytes })?;
                Ok(id)
            }
            before => before.map(|draft| draft.id),
        })
    }

    /// Begins a draft that corrects a visit, with what holds now.
    pub fn begin_correction(&mut self, visit: VisitId, now: ClaimedMs, random: &mut dyn Random) -> Result<Uuid> {
        let content = self.visit(visit)?.content;
        let base_ver = Some(self.visit_base_ver(visit)?);
        let body = DraftBody { content, plan: None, corrects: Some(visit), base_ver, form: None, ext: no_ext() };
        self.begin_draft(&body, now, random)
    }

    /// Replaces what a draft holds.
    pub fn update_draft(&mut self, id: Uuid, body: &DraftBody, now: ClaimedMs) -> Result<()> {
        let bytes = body.cbor();
        self.write(|db| {
            let before = db.draft(id)?;
            let scope = body.content.village.into();
            db.put_draft(&StoredDraft { changed: now, body: bytes, scope, ..before })
        })
    }

    /// One draft.
    pub fn draft(&mut self, id: Uuid) -> Result<Draft> {
        self.read(|db| {
            let stored = db.draft(id)?;
            db.read_draft(stored)
        })
    }

    /// All drafts, the last one touched first. Those of lost villages too.
    pub fn drafts(&mut self) -> Result<Vec<Draft>> {
        self.read(|db| {
            let stored: Vec<StoredDraft> = {
                let mut statement = db
                    .conn
                    .prepare_cached("SELECT id, salt, at, changed, scope, body FROM draft ORDER BY changed DESC, id")?;
                statement.query_map([], stored)?.collect::<rusqlite::Result<_>>()?
            };
            stored.into_iter().map(|draft| db.read_draft(draft)).collect()
        })
    }

    /// Throws a draft away, because the person said so.
    pub fn discard_draft(&mut self, id: Uuid) -> Result<()> {
        self.write(|db| match db.conn.prepare_cached("DELETE FROM draft WHERE id = :id")?.execute([id.as_bytes()])? {
            0 => Err(Error::NotFound),
            _ => Ok(()),
        })
    }

    /// Finishes a draft: it becomes an op, and is gone as a draft, in one step.
    ///
    /// # Errors
    /// [`Error::Refused`]: the draft stays as it is.
    pub fn finish_draft(&mut self, id: Uuid, submit: bool) -> Result<Saved> {
        self.write(|db| {
            let draft = db.draft(id)?;
            let body: DraftBody = cbor::read(&draft.body)?;
            if ScopeId::from(body.content.village) != draft.scope {
                return Err(super::view::refused(Code::BadValue, "village"));
            }
            let content = Raw(body.content.cbor());
            let intent = match (body.corrects, body.base_ver) {
                (Some(visit), base_ver) => Intent::VisitCorrect(CorrectVisit {
                    visit,
                    base_ver: base_ver.unwrap_or_default(),
                    content,
                    submit,
                    ext: no_ext(),
                }),
                (None, _) => Intent::VisitRecord(RecordVisit { content, submit, plan: body.plan, ext: no_ext() }),
            };
            let grants_rev = db.control()?.grants_rev;
            let saved = db.save(&intent.into_op(Salt(draft.salt), draft.at, grants_rev))?;
            db.conn.prepare_cached("DELETE FROM draft WHERE id = :id")?.execute([id.as_bytes()])?;
            Ok(saved)
        })
    }
}
