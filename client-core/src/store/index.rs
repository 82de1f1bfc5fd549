//! What lists, search and counts read: derived from the visible rows by one function, so that it can never drift.

use rusqlite::{OptionalExtension, named_params, params};
use sync_protocol::count::{CountKey, contributions};
use sync_protocol::decide::initial_state;
use sync_protocol::entity::*;
use sync_protocol::fold::fold;
use sync_protocol::household::alias_of;
use sync_protocol::ids::*;
use sync_protocol::op::read_content;
use sync_protocol::row::{Event, Register, RowType};
use sync_protocol::workflow::VisitStatus;
use uuid::Uuid;

use super::{Db, Store};
use crate::error::Result;

/// Bits of `visit.bits`.
pub(super) const VOID: u32 = 1;
pub(super) const WAITING: u32 = 2;
pub(super) const DISPUTED: u32 = 4;
pub(super) const FLAGS_SHIFT: u32 = 3;

const PUT_HOUSEHOLD: &str = "
INSERT INTO household (lid, scope, closed) VALUES (:lid, :scope, :closed)
ON CONFLICT (lid) DO UPDATE SET scope = excluded.scope, closed = excluded.closed
";
const PUT_WORDS: &str = "
INSERT INTO household_search (rowid, name, label, landmark, phone) VALUES (:lid, :name, :label, :landmark, :phone)
";
const PUT_PLAN: &str = "
INSERT INTO plan (lid, scope, household, day, status, owed) VALUES (:lid, :scope, :household, :day, :status, :owed)
ON CONFLICT (lid) DO UPDATE SET scope = excluded.scope, household = excluded.household, day = excluded.day,
    status = excluded.status, owed = excluded.owed
";
const PUT_DISPUTE: &str = "
INSERT INTO dispute (lid, scope, open, subject_ty, subject) VALUES (:lid, :scope, :open, :subject_ty, :subject)
ON CONFLICT (lid) DO UPDATE SET scope = excluded.scope, open = excluded.open, subject_ty = excluded.subject_ty,
    subject = excluded.subject
";
const PUT_VISIT: &str = "
INSERT INTO visit (id, scope, household, author, day, status, bits, cells, base_cells)
VALUES (:id, :scope, :household, :author, :day, :status, :bits, :cells, :base_cells)
ON CONFLICT (id) DO UPDATE SET scope = excluded.scope, household = excluded.household, author = excluded.author,
    day = excluded.day, status = excluded.status, bits = excluded.bits, cells = excluded.cells,
    base_cells = excluded.base_cells
";
const FIND_CELL: &str = "
SELECT lid FROM cell
WHERE month = :month AND village = :village AND team = :team AND kind = :kind AND outcome = :outcome AND status = :status
";
const ADD_CELL: &str = "
INSERT INTO cell (village, month, team, kind, outcome, status, recorded, confirmed)
VALUES (:village, :month, :team, :kind, :outcome, :status, 0, 0)
";

/// A visit as one side sees it.
pub(super) struct VisitView {
    pub(super) scope: ScopeId,
    pub(super) recorded: Event,
    pub(super) state: Register,
    pub(super) pointer: VisitPointer,
    pub(super) status: VisitStatus,
    pub(super) content: VisitContent,
    /// When the event that holds the content was made: ids of its activities follow from it.
    pub(super) content_at: ClaimedMs,
    /// The content that the state points to has not arrived; the one recorded first stands in.
    pub(super) stand_in: bool,
}

/// Which rows to look at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// What is shown.
    Visible,
    /// What the server has.
    Base,
}

pub(super) fn status_number(status: VisitStatus) -> u8 {
    VisitStatus::ALL.iter().zip(0u8..).find(|(known, _)| **known == status).map_or(0, |(_, number)| number)
}

pub(super) fn status_of(number: u8) -> VisitStatus {
    VisitStatus::ALL.get(usize::from(number)).copied().unwrap_or(VisitStatus::Done)
}

fn write_lids(lids: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    for lid in lids {
        let mut rest = lid.unsigned_abs();
        while rest >= 0x80 {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
    out
}

pub(super) fn read_lids(bytes: &[u8]) -> Vec<i64> {
    let (mut lids, mut lid, mut shift) = (Vec::new(), 0i64, 0);
    for byte in bytes {
        lid |= i64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 || shift > 56 {
            lids.push(lid);
            (lid, shift) = (0, 0);
        }
    }
    lids
}

impl Db<'_> {
    /// Brings everything that is derived from a row up to date. The only writer of derived tables.
    pub(super) fn reindex(&mut self, ty: RowType, id: Uuid) -> Result<()> {
        self.cache.rows.remove(&(ty.0, id));
        match ty {
            RowType::HOUSEHOLD => self.reindex_household(id),
            RowType::PLAN => self.reindex_plan(id),
            RowType::CASE => self.reindex_case(id),
            RowType::VISIT_RECORDED | RowType::VISIT_STATE => self.reindex_visit(id),
            RowType::VISIT_CORRECTED | RowType::VISIT_VOIDED => match self.visible_event(EventId(id))? {
                Some((_, event)) => self.reindex_visit(event.visit_id().0),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn reindex_household(&mut self, id: Uuid) -> Result<()> {
        let found = self.visible_register(RowType::HOUSEHOLD, id)?;
        let Some(lid) = (match &found {
            Some(_) => Some(self.lid(id.as_bytes())?),
            None => self.known_lid(id.as_bytes())?,
        }) else {
            return Ok(());
        };
        self.conn.prepare_cached("DELETE FROM household_search WHERE rowid = :lid")?.execute([lid])?;
        // One that was merged into another is shown as that one only.
        let Some((scope, register)) = found.filter(|(_, register)| alias_of(register).is_none()) else {
            self.conn.prepare_cached("DELETE FROM household WHERE lid = :lid")?.execute([lid])?;
            return Ok(());
        };
        let scope = self.lid(scope.as_bytes())?;
        let closed = register.group::<HouseholdStatus>(household::STATUS).is_some_and(|s| s.status == "closed");
        self.conn
            .prepare_cached(PUT_HOUSEHOLD)?
            .execute(named_params! {":lid": lid, ":scope": scope, ":closed": closed})?;
        let words = words_of(&register);
        self.conn.prepare_cached(PUT_WORDS)?.execute(named_params! {
            ":lid": lid, ":name": words.name, ":label": words.label, ":landmark": words.landmark, ":phone": words.phone,
        })?;
        Ok(())
    }

    fn reindex_plan(&mut self, id: Uuid) -> Result<()> {
        let found = self.visible_register(RowType::PLAN, id)?;
        let read = found.and_then(|(scope, register)| Some((scope, register.group::<PlanTask>(plan::TASK)?, register)));
        let Some((scope, task, register)) = read else {
            if let Some(lid) = self.known_lid(id.as_bytes())? {
                self.conn.prepare_cached("DELETE FROM plan WHERE lid = :lid")?.execute([lid])?;
            }
            return Ok(());
        };
        let status = match register.group::<PlanStatus>(plan::STATUS).map(|status| status.status).as_deref() {
            Some("done") => 1,
            Some("cancelled") => 2,
            _ => 0,
        };
        let household = match task.household {
            Some(household) => Some(self.lid(household.as_bytes())?),
            None => None,
        };
        let (lid, scope) = (self.lid(id.as_bytes())?, self.lid(scope.as_bytes())?);
        let owed = task.follows.is_some() || !task.kinds.is_empty();
        self.conn.prepare_cached(PUT_PLAN)?.execute(named_params! {
            ":lid": lid, ":scope": scope, ":household": household, ":day": task.planned_for.0, ":status": status,
            ":owed": owed,
        })?;
        Ok(())
    }

    fn reindex_case(&mut self, id: Uuid) -> Result<()> {
        let found = self.visible_register(RowType::CASE, id)?;
        let read =
            found.and_then(|(scope, register)| Some((scope, register.group::<CaseSubject>(case::SUBJECT)?, register)));
        let Some((scope, subject, register)) = read else {
            if let Some(lid) = self.known_lid(id.as_bytes())? {
                self.conn.prepare_cached("DELETE FROM dispute WHERE lid = :lid")?.execute([lid])?;
            }
            return Ok(());
        };
        let open = register.group::<CaseStatusValue>(case::STATUS).is_some_and(|status| status.status == "open");
        let (lid, scope) = (self.lid(id.as_bytes())?, self.lid(scope.as_bytes())?);
        self.conn.prepare_cached(PUT_DISPUTE)?.execute(named_params! {
            ":lid": lid, ":scope": scope, ":open": open, ":subject_ty": subject.ty, ":subject": subject.id.as_bytes(),
        })?;
        Ok(())
    }

    /// A visit as shown, or as the server has it. `None` when its recording is not here or does not read.
    pub(super) fn visit_view(&mut self, id: Uuid, side: Side) -> Result<Option<VisitView>> {
        let event = match side {
            Side::Visible => self.visible_event(EventId(id))?,
            Side::Base => self.base_event(EventId(id))?,
        };
        let Some((scope, recorded)) = event else { return Ok(None) };
        if recorded.row_type() != RowType::VISIT_RECORDED {
            return Ok(None);
        }
        let state = match side {
            Side::Visible => self.visible_register(RowType::VISIT_STATE, id)?,
            Side::Base => self.base_register(RowType::VISIT_STATE, id)?,
        };
        let state = state.map_or_else(|| initial_state(&recorded), |(_, state)| state);
        let initial = || initial_state(&recorded).group::<VisitPointer>(visit_state::CONTENT);
        let Some(pointer) = state.group::<VisitPointer>(visit_state::CONTENT).or_else(initial) else {
            return Ok(None);
        };
        let status = state
            .group::<VisitStatusValue>(visit_state::STATUS)
            .and_then(|status| VisitStatus::from_code(&status.status))
            .unwrap_or(VisitStatus::Done);
        let content = if pointer.event == recorded.id {
            read_content(&recorded.body).ok().map(|content| (content, recorded.at))
        } else {
            let event = match side {
                Side::Visible => self.visible_event(pointer.event)?,
                Side::Base => self.base_event(pointer.event)?,
            };
            event.and_then(|(_, event)| Some((read_content(&event.body).ok()?, event.at)))
        };
        let stand_in = content.is_none();
        let first = || read_content(&recorded.body).ok().map(|content| (content, recorded.at));
        let Some((content, content_at)) = content.or_else(first) else { return Ok(None) };
        Ok(Some(VisitView { scope, recorded, state, pointer, status, content, content_at, stand_in }))
    }

    fn reindex_visit(&mut self, id: Uuid) -> Result<()> {
        let before: Option<(Vec<u8>, Option<Vec<u8>>)> = self
            .conn
            .prepare_cached("SELECT cells, base_cells FROM visit WHERE id = :id")?
            .query_row([id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let predicted =
            self.is_predicted(RowType::VISIT_RECORDED, id)? || self.is_predicted(RowType::VISIT_STATE, id)?;
        let view = self.visit_view(id, Side::Visible)?;
        let keys = view.as_ref().map_or_else(Vec::new, keys_of);
        let base_keys = if predicted {
            let base = self.visit_view(id, Side::Base)?;
            Some(base.as_ref().map_or_else(Vec::new, keys_of))
        } else {
            None
        };
        let cells = self.cells_of(&keys)?;
        let base_cells = match base_keys {
            Some(keys) if !predicted_same(&keys, view.as_ref()) => Some(self.cells_of(&keys)?),
            _ => None,
        };
        let (old_cells, old_base) = match &before {
            Some((cells, base)) => (read_lids(cells), base.as_deref().map_or_else(|| read_lids(cells), read_lids)),
            None => (Vec::new(), Vec::new()),
        };
        let new_base = base_cells.as_deref().unwrap_or(&cells);
        if old_cells != cells || old_base != new_base {
            self.shift_cells(&old_cells, -1, "recorded")?;
            self.shift_cells(&old_base, -1, "confirmed")?;
            self.shift_cells(&cells, 1, "recorded")?;
            self.shift_cells(new_base, 1, "confirmed")?;
        }
        let Some(view) = view else {
            if before.is_some() {
                self.conn.prepare_cached("DELETE FROM visit WHERE id = :id")?.execute([id.as_bytes()])?;
            }
            return Ok(());
        };
        let disputed = view.state.groups.values().any(|group| group.case.is_some());
        let flags = view.recorded.flags;
        let bits = [(VOID, view.pointer.voided_by.is_some()), (WAITING, predicted), (DISPUTED, disputed)]
            .iter()
            .filter(|(_, holds)| *holds)
            .fold(flags << FLAGS_SHIFT, |bits, (bit, _)| bits | bit);
        let household = match view.content.household {
            Some(household) => Some(self.lid(household.as_bytes())?),
            None => None,
        };
        let (scope, author) = (self.lid(view.scope.as_bytes())?, self.lid(view.recorded.author.as_bytes())?);
        self.conn.prepare_cached(PUT_VISIT)?.execute(named_params! {
            ":id": id.as_bytes(), ":scope": scope, ":household": household, ":author": author,
            ":day": view.content.day.0, ":status": status_number(view.status), ":bits": bits,
            ":cells": write_lids(&cells), ":base_cells": base_cells.as_deref().map(write_lids),
        })?;
        Ok(())
    }

    fn cells_of(&mut self, keys: &[CountKey]) -> Result<Vec<i64>> {
        keys.iter().map(|key| self.cell_lid(key)).collect()
    }

    fn cell_lid(&mut self, key: &CountKey) -> Result<i64> {
        if let Some(lid) = self.cache.cells.get(key) {
            return Ok(*lid);
        }
        let (village, team) = (self.lid(key.village.as_bytes())?, self.lid(key.team.as_bytes())?);
        let status = status_number(key.status);
        let found: Option<i64> = self
            .conn
            .prepare_cached(FIND_CELL)?
            .query_row(
                named_params! {
                    ":month": key.month.0, ":village": village, ":team": team, ":kind": key.kind,
                    ":outcome": key.outcome, ":status": status,
                },
                |row| row.get(0),
            )
            .optional()?;
        let lid = match found {
            Some(lid) => lid,
            None => {
                self.conn.prepare_cached(ADD_CELL)?.execute(named_params! {
                    ":village": village, ":month": key.month.0, ":team": team, ":kind": key.kind,
                    ":outcome": key.outcome, ":status": status,
                })?;
                self.conn.last_insert_rowid()
            }
        };
        self.cache.cells.insert(key.clone(), lid);
        Ok(lid)
    }

    fn shift_cells(&mut self, cells: &[i64], by: i64, column: &str) -> Result<()> {
        let sql = format!("UPDATE cell SET {column} = {column} + :by WHERE lid = :lid");
        for lid in cells {
            self.conn.prepare_cached(&sql)?.execute(params![by, lid])?;
        }
        Ok(())
    }

    /// Cells in which nothing counts any more say nothing, and may name a place that is none of ours now.
    pub(super) fn drop_empty_cells(&mut self) -> Result<()> {
        self.conn.execute("DELETE FROM cell WHERE recorded = 0 AND confirmed = 0", [])?;
        self.cache.cells.clear();
        Ok(())
    }

    /// Rewrites the search index in one piece, so that no deleted word stays in it.
    pub(super) fn merge_search(&mut self) -> Result<()> {
        self.conn.execute("INSERT INTO household_search (household_search) VALUES ('optimize')", [])?;
        Ok(())
    }

    /// Makes everything derived anew from base and overlay.
    pub(crate) fn rebuild_derived(&mut self) -> Result<()> {
        for table in ["household", "household_search", "plan", "visit", "dispute", "cell"] {
            self.conn.execute(&format!("DELETE FROM {table}"), [])?;
        }
        self.cache.cells.clear();
        self.cache.rows.clear();
        for ty in [RowType::HOUSEHOLD, RowType::PLAN, RowType::CASE, RowType::VISIT_RECORDED] {
            for id in self.ids_of_type(ty)? {
                self.reindex(ty, id)?;
            }
        }
        Ok(())
    }

    /// Everything derived, in an order and a form that do not depend on how it came about.
    fn derived_lines(&mut self) -> Result<Vec<String>> {
        const LINES: [&str; 6] = [
            "SELECT 'household ' || hex(i.id) || ' ' || hex(s.id) || ' ' || h.closed
             FROM household h JOIN ident i ON i.lid = h.lid JOIN ident s ON s.lid = h.scope",
            "SELECT 'words ' || hex(i.id) || ' ' || f.name || '|' || f.label || '|' || f.landmark || '|' || f.phone
             FROM household_search f JOIN ident i ON i.lid = f.rowid",
            "SELECT 'plan ' || hex(i.id) || ' ' || hex(s.id) || ' ' || coalesce(hex(h.id), '-') || ' ' || p.day || ' ' ||
                p.status || ' ' || p.owed
             FROM plan p JOIN ident i ON i.lid = p.lid JOIN ident s ON s.lid = p.scope
             LEFT JOIN ident h ON h.lid = p.household",
            "SELECT 'case ' || hex(i.id) || ' ' || d.open || ' ' || d.subject_ty || ' ' || hex(d.subject)
             FROM dispute d JOIN ident i ON i.lid = d.lid",
            "SELECT 'visit ' || hex(v.id) || ' ' || hex(s.id) || ' ' || coalesce(hex(h.id), '-') || ' ' || hex(a.id) || ' '
                || v.day || ' ' || v.status || ' ' || v.bits
             FROM visit v JOIN ident s ON s.lid = v.scope JOIN ident a ON a.lid = v.author
             LEFT JOIN ident h ON h.lid = v.household",
            "SELECT 'cell ' || hex(v.id) || ' ' || hex(t.id) || ' ' || c.month || ' ' || c.kind || ' ' || c.outcome || ' '
                || c.status || ' ' || c.recorded || ' ' || c.confirmed
             FROM cell c JOIN ident v ON v.lid = c.village JOIN ident t ON t.lid = c.team
             WHERE c.recorded <> 0 OR c.confirmed <> 0",
        ];
        let mut lines = Vec::new();
        for sql in LINES {
            let mut statement = self.conn.prepare_cached(sql)?;
            for line in statement.query_map([], |row| row.get::<_, String>(0))? {
                lines.push(line?);
            }
        }
        lines.sort();
        Ok(lines)
    }
}

/// Whether the server's side counts the same cells.
fn predicted_same(base: &[CountKey], view: Option<&VisitView>) -> bool {
    view.map_or_else(|| base.is_empty(), |view| keys_of(view) == base)
}

fn keys_of(view: &VisitView) -> Vec<CountKey> {
    contributions(&view.content, view.status, view.pointer.voided_by.is_some())
}

pub(super) struct Words {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) landmark: String,
    pub(super) phone: String,
}

/// The words under which a household is found.
pub(super) fn words_of(register: &Register) -> Words {
    let label = register.group::<HouseholdLabel>(household::LABEL);
    let head = register.group::<HouseholdHead>(household::HEAD);
    let phone = register.group::<HouseholdPhone>(household::PHONE);
    Words {
        name: head.map_or_else(String::new, |head| fold(&head.display_name)),
        landmark: label.as_ref().and_then(|l| l.landmark.as_deref()).map_or_else(String::new, fold),
        label: label.map_or_else(String::new, |label| fold(&label.label)),
        phone: phone.map_or_else(String::new, |phone| phone.phone.chars().rev().collect()),
    }
}

impl Store {
    /// Makes everything derived anew and says where it differed from what was there. Empty is right.
    pub fn rebuild_check(&mut self) -> Result<Vec<String>> {
        self.write(|db| {
            let before = db.derived_lines()?;
            db.rebuild_derived()?;
            let after = db.derived_lines()?;
            let mut differences = Vec::new();
            differences.extend(before.iter().filter(|l| after.binary_search(l).is_err()).map(|l| format!("- {l}")));
            differences.extend(after.iter().filter(|l| before.binary_search(l).is_err()).map(|l| format!("+ {l}")));
            Ok(differences)
        })
    }

    /// Counts of every bucket, with whether its proof agrees with its rows.
    pub fn bucket_reports(&mut self) -> Result<Vec<super::BucketReport>> {
        self.read(|db| db.bucket_reports())
    }

    /// Every row of the base as the server sent it, in a fixed order: for comparing two stores.
    pub fn base_dump(&mut self) -> Result<Vec<(ScopeId, u16, Vec<u8>)>> {
        self.read(|db| {
            type Line = (u8, [u8; 16], i64, i64, Vec<u8>);
            let rows: Vec<Line> = {
                let mut statement = db.conn.prepare_cached("SELECT ty, id, bucket, ver, row FROM base")?;
                statement
                    .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?)))?
                    .collect::<rusqlite::Result<_>>()?
            };
            let mut dump = Vec::new();
            for (ty, id, bucket, ver, row) in rows {
                let bucket = db.bucket_of(bucket)?;
                if !bucket.staged {
                    let ver = super::pack::ver_of(ver);
                    let bytes = db.unpack(RowType(ty), Uuid::from_bytes(id), ver, &row)?;
                    dump.push((bucket.id.scope, bucket.id.quarter, bytes));
                }
            }
            dump.sort();
            Ok(dump)
        })
    }
}
