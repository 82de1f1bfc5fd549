//! View: the base with the ops that it does not show yet replayed on top, by the same `decide` that the server runs.
//!
//! An op stays in the overlay until the base holds the version that its outcome names, or an answer was complete; never
//! merely until a cursor has passed it (docs/PROTOCOL.md, section 9).

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};
use sync_protocol::access::Principal;
use sync_protocol::catalogue::Catalogue;
use sync_protocol::cbor::{Cbor, Raw};
use sync_protocol::decide::{self, Change, Context, Decision, Grant, State, User};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::merge::Lineage;
use sync_protocol::op::*;
use sync_protocol::outcome::{Code, Verdict};
use sync_protocol::row::{ByKey, Event, GroupKey, Register, Row, RowType, Ver};
use sync_protocol::wire::no_ext;
use uuid::Uuid;

use super::base::Stored;
use super::pack::{ver_column, ver_of};
use super::{Db, Store, kv};
use crate::Random;
use crate::error::{Error, Refused, Result};

const OVERLAY: &str = "SELECT scope, ver, row FROM overlay WHERE ty = :ty AND id = :id";
const PUT: &str = "
INSERT INTO overlay (ty, id, scope, ver, row)
VALUES (:ty, :id, :scope, :ver, :row)
ON CONFLICT (ty, id) DO UPDATE SET scope = excluded.scope, ver = excluded.ver, row = excluded.row
";
const EVENTS: [RowType; 3] = [RowType::VISIT_RECORDED, RowType::VISIT_CORRECTED, RowType::VISIT_VOIDED];

/// What was saved. It is on the disk.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Saved {
    /// What names the op for ever.
    pub uid: OpUid,
    /// Its number in the outbox.
    pub n: u64,
    /// The row that it creates or changes.
    pub row: Uuid,
    /// A case that it will open, as far as this phone can tell.
    pub case: Option<CaseId>,
    /// Why the server is expected to keep it for later.
    pub deferred: Option<String>,
}

/// A visit as a form gives it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VisitEntry {
    /// What was done.
    pub content: VisitContent,
    /// Handed in at once.
    pub submit: bool,
    /// The plan that it carries out.
    pub plan: Option<PlanId>,
}

/// The row that an op is about: the one whose version its outcome names. `None` for accounts and grants, which are no
/// rows.
pub(super) fn target(op: &Op) -> Option<(RowType, Uuid)> {
    Some(match Intent::of(op)?.ok()? {
        Intent::HouseholdCreate(_) => (RowType::HOUSEHOLD, op.row_id()),
        Intent::HouseholdSet(body) => (RowType::HOUSEHOLD, body.id),
        Intent::HouseholdMove(body) => (RowType::HOUSEHOLD, body.id),
        Intent::HouseholdMerge(body) => (RowType::HOUSEHOLD, body.winner.0),
        Intent::HouseholdUnmerge(body) => (RowType::HOUSEHOLD, body.loser.0),
        Intent::PersonCreate(_) => (RowType::PERSON, op.row_id()),
        Intent::PersonSet(body) => (RowType::PERSON, body.id),
        Intent::BusinessCreate(_) => (RowType::BUSINESS, op.row_id()),
        Intent::BusinessSet(body) => (RowType::BUSINESS, body.id),
        Intent::ProductCreate(_) => (RowType::PRODUCT, op.row_id()),
        Intent::ProductSet(body) => (RowType::PRODUCT, body.id),
        Intent::MarketCreate(_) => (RowType::MARKET, op.row_id()),
        Intent::MarketSet(body) => (RowType::MARKET, body.id),
        Intent::VisitRecord(_) => (RowType::VISIT_RECORDED, op.row_id()),
        Intent::VisitSubmit(body) => (RowType::VISIT_STATE, body.visit.0),
        Intent::VisitCorrect(body) => (RowType::VISIT_STATE, body.visit.0),
        Intent::VisitVoid(body) => (RowType::VISIT_STATE, body.visit.0),
        Intent::VisitReturn(body) => (RowType::VISIT_STATE, body.visit.0),
        Intent::VisitApprove(body) => (RowType::VISIT_STATE, body.visit.0),
        Intent::PlanCreate(_) => (RowType::PLAN, op.row_id()),
        Intent::PlanSet(body) => (RowType::PLAN, body.id),
        Intent::PlanCancel(body) => (RowType::PLAN, body.plan.0),
        Intent::CaseResolve(body) => (RowType::CASE, body.case.0),
        Intent::CaseOpen(_) => (RowType::CASE, op.row_id()),
        Intent::CaseAdvance(body) => (RowType::CASE, body.case.0),
        Intent::UnitCreate(body) => (RowType::UNIT, body.id.unwrap_or_else(|| op.row_id())),
        Intent::UnitSet(body) => (RowType::UNIT, body.id),
        Intent::TeamCreate(_) => (RowType::TEAM, op.row_id()),
        Intent::TeamSet(body) => (RowType::TEAM, body.id),
        Intent::MemberAdd(_) => (RowType::TEAM_MEMBER, op.row_id()),
        Intent::MemberEnd(body) => (RowType::TEAM_MEMBER, body.member.0),
        Intent::PeriodSet(body) => (RowType::PERIOD, period_id(body.commune, body.month)),
        Intent::CampaignCreate(_) => (RowType::CAMPAIGN, op.row_id()),
        Intent::CampaignSet(body) => (RowType::CAMPAIGN, body.id),
        Intent::CampaignPublish(body) => (RowType::CAMPAIGN, body.campaign.0),
        Intent::CampaignClose(body) => (RowType::CAMPAIGN, body.campaign.0),
        Intent::TargetCreate(_) => (RowType::TARGET, op.row_id()),
        Intent::TargetSet(body) => (RowType::TARGET, body.id),
        Intent::TargetPublish(body) => (RowType::TARGET, body.target.0),
        Intent::DenominatorSet(body) => (RowType::DENOMINATOR, denominator_id(body.unit, &body.code, body.from)),
        Intent::ManualSet(body) => {
            (RowType::MANUAL_NUMBER, manual_number_id(body.unit, &body.code, &body.period, body.month))
        }
        Intent::RecognitionPropose(_) => (RowType::RECOGNITION, op.row_id()),
        Intent::RecognitionAdvance(body) => (RowType::RECOGNITION, body.recognition.0),
        Intent::ReportSave(body) => (RowType::REPORT, report_id(body.unit, &body.kind, body.month)),
        Intent::ReportSubmit(body) => (RowType::REPORT, report_id(body.unit, &body.kind, body.month)),
        Intent::ReportReturn(body) => (RowType::REPORT, body.report.0),
        Intent::ReportAccept(body) => (RowType::REPORT, body.report.0),
        Intent::CourseRunRecord(_) => (RowType::COURSE_RUN, op.row_id()),
        Intent::CourseResultSet(body) => (RowType::COURSE_RESULT, course_result_id(body.member, &body.course)),
        Intent::SupportSign(body) => (RowType::SUPPORT_CERTIFICATE, support_id(body.team, body.month)),
        Intent::SupportRevoke(body) => (RowType::SUPPORT_CERTIFICATE, body.certificate.0),
        Intent::ReorganisationRecord(RecordReorganisation { id, .. })
        | Intent::ReorganisationUndo(ReorganisationRef { id, .. }) => (RowType::REORGANISATION, id),
        Intent::AnnouncementPublish(_) => (RowType::ANNOUNCEMENT, op.row_id()),
        Intent::AnnouncementWithdraw(body) => (RowType::ANNOUNCEMENT, body.announcement.0),
        Intent::GrantGive(_) | Intent::GrantEnd(_) | Intent::UserCreate(_) => return None,
    })
}

/// What `decide` asks, answered from what is visible.
struct Visible<'d, 'a>(&'d mut Db<'a>);

impl State for Visible<'_, '_> {
    type Error = Error;

    fn register(&mut self, ty: RowType, id: Uuid) -> Result<Option<(ScopeId, Register)>> {
        // Units, teams and months are asked for again and again while many ops are replayed.
        let steady = matches!(ty, RowType::UNIT | RowType::TEAM | RowType::PERIOD);
        if steady && let Some(known) = self.0.cache.rows.get(&(ty.0, id)) {
            return Ok(known.clone());
        }
        let found = self.0.visible_register(ty, id)?;
        if steady {
            self.0.cache.rows.insert((ty.0, id), found.clone());
        }
        Ok(found)
    }

    fn registers_in(&mut self, scope: ScopeId, ty: RowType) -> Result<Vec<Register>> {
        let mut found = Vec::new();
        for id in self.0.ids_of_type(ty)? {
            let visible = self.0.visible_register(ty, id)?;
            found.extend(visible.filter(|(at, _)| *at == scope).map(|(_, register)| register));
        }
        Ok(found)
    }

    fn has_left(&mut self, scope: ScopeId, ty: RowType, id: Uuid) -> Result<bool> {
        match self.0.visible_register(ty, id)? {
            Some((at, _)) if at == scope => Ok(false),
            _ => self.0.base_was_in(scope, ty, id),
        }
    }

    fn event(&mut self, id: EventId) -> Result<Option<(ScopeId, Event)>> {
        self.0.visible_event(id)
    }

    /// The cap per day is a matter between server and reviewer; a prediction leaves that flag alone.
    fn activities_on(&mut self, _: UserId, _: Day) -> Result<u32> {
        Ok(0)
    }

    fn author_of(&mut self, epoch: Epoch) -> Result<Option<UserId>> {
        let own: bool = self
            .0
            .conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM outbox WHERE epoch = :epoch)")?
            .query_row([epoch.0 as i64], |row| row.get(0))?;
        if own { Ok(Some(self.0.identity_row()?.user)) } else { Ok(None) }
    }

    // Accounts and grants are not on phones; ops about them are made at the desk.
    fn user(&mut self, _: UserId) -> Result<Option<User>> {
        Ok(None)
    }
    fn user_by_phone(&mut self, _: &str) -> Result<Option<UserId>> {
        Ok(None)
    }
    fn grant(&mut self, _: GrantId) -> Result<Option<Grant>> {
        Ok(None)
    }
    fn grants_of(&mut self, _: UserId) -> Result<Vec<Grant>> {
        Ok(Vec::new())
    }
}

/// What every prediction of one transaction shares.
pub(super) struct Forecast {
    principal: Principal,
    lineage: Lineage,
    server_epoch: u16,
    server_ms: u64,
}

impl Db<'_> {
    fn overlay_row(&mut self, ty: RowType, id: Uuid) -> Result<Option<Stored>> {
        Ok(self
            .conn
            .prepare_cached(OVERLAY)?
            .query_row(params![ty.0, id.as_bytes()], |row| {
                Ok(Stored { scope: row.get(0)?, ver: ver_of(row.get(1)?), row: row.get(2)? })
            })
            .optional()?)
    }

    /// The register that is shown, with its scope.
    pub(crate) fn visible_register(&mut self, ty: RowType, id: Uuid) -> Result<Option<(ScopeId, Register)>> {
        let stored = match self.overlay_row(ty, id)? {
            Some(stored) => Some(stored),
            None => self.base_row(ty, id)?,
        };
        stored.map(|stored| self.stored_register(ty, id, &stored)).transpose()
    }

    /// The register as the server has it.
    pub(super) fn base_register(&mut self, ty: RowType, id: Uuid) -> Result<Option<(ScopeId, Register)>> {
        let stored = self.base_row(ty, id)?;
        stored.map(|stored| self.stored_register(ty, id, &stored)).transpose()
    }

    /// The event that is shown, whatever sort it is.
    pub(crate) fn visible_event(&mut self, id: EventId) -> Result<Option<(ScopeId, Event)>> {
        for ty in EVENTS {
            if let Some(stored) = self.overlay_row(ty, id.0)? {
                return self.stored_event(ty, id.0, &stored).map(Some);
            }
        }
        self.base_event(id)
    }

    /// The event as the server has it.
    pub(super) fn base_event(&mut self, id: EventId) -> Result<Option<(ScopeId, Event)>> {
        for ty in EVENTS {
            if let Some(stored) = self.base_row(ty, id.0)? {
                return self.stored_event(ty, id.0, &stored).map(Some);
            }
        }
        Ok(None)
    }

    /// Whether a row's prediction is shown instead of the server's.
    pub(super) fn is_predicted(&mut self, ty: RowType, id: Uuid) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM overlay WHERE ty = :ty AND id = :id)")?
            .query_row(params![ty.0, id.as_bytes()], |row| row.get(0))?)
    }

    pub(super) fn forecast(&mut self) -> Result<Forecast> {
        let link = self.link()?;
        Ok(Forecast {
            principal: self.principal()?,
            lineage: self.lineage()?,
            server_epoch: link.server_epoch,
            server_ms: link.server_ms,
        })
    }

    /// Asks `decide` what an op will do.
    fn predict(&mut self, forecast: &Forecast, epoch: Epoch, n: u64, op: &Op) -> Result<Decision> {
        let context = Context {
            principal: &forecast.principal,
            epoch,
            n,
            lineage: &forecast.lineage,
            server_epoch: forecast.server_epoch,
            // A phone that woke up in 1970 still knows that the server's clock has been further.
            received: ServerMs(op.at.0.max(forecast.server_ms)),
            catalogue: Catalogue::shipped(),
        };
        decide::decide(&mut Visible(self), &context, op)
    }

    /// Puts the predicted rows into the overlay; gives their names.
    fn overlay_changes(&mut self, changes: &[Change]) -> Result<Vec<(RowType, Uuid)>> {
        let mut touched = Vec::new();
        for change in changes {
            let (scope, row) = match change {
                Change::PutRegister { scope, register } => (*scope, Row::Register(register.clone())),
                Change::Move { to, register, .. } => (*to, Row::Register(register.clone())),
                Change::PutEvent { scope, event } => (*scope, Row::Event(event.clone())),
                Change::PutUser(_) | Change::PutGrant(_) => continue,
            };
            self.intern(&row)?;
            let scope = self.lid(scope.as_bytes())?;
            let packed = self.pack(row.id(), &super::base::cbor_of(&row)?)?;
            self.conn.prepare_cached(PUT)?.execute(params![
                row.ty().0,
                row.id().as_bytes(),
                scope,
                ver_column(row.ver()),
                packed
            ])?;
            self.cache.rows.remove(&(row.ty().0, row.id()));
            touched.push((row.ty(), row.id()));
        }
        Ok(touched)
    }

    /// Saves an op: number, chain, prediction, everything that is derived from it.
    pub(super) fn save(&mut self, op: &Op) -> Result<Saved> {
        let outbox = self.outbox()?;
        let forecast = self.forecast()?;
        let decision = self.predict(&forecast, outbox.epoch, outbox.last_n + 1, op)?;
        if decision.verdict == Verdict::Rejected {
            return Err(Error::Refused(Refused::of(&decision)));
        }
        let n = self.append(op)?;
        for (ty, id) in self.overlay_changes(&decision.changes)? {
            self.reindex(ty, id)?;
        }
        let row = target(op).map_or_else(|| op.row_id(), |(_, id)| id);
        let deferred = decision.code.map(|code| code.text().to_owned());
        Ok(Saved { uid: op.uid(), n, row, case: decision.case, deferred })
    }

    /// What an op that is in the outbox already gave when it was saved.
    fn saved(&mut self, uid: OpUid) -> Result<Option<Saved>> {
        let found: Option<(i64, Vec<u8>)> = self
            .conn
            .prepare_cached("SELECT n, bytes FROM op WHERE uid = :uid")?
            .query_row([uid.as_bytes()], |line| Ok((line.get(0)?, line.get(1)?)))
            .optional()?;
        let Some((n, bytes)) = found else { return Ok(None) };
        let op = Op::read(&bytes)?;
        let row = target(&op).map_or_else(|| op.row_id(), |(_, id)| id);
        Ok(Some(Saved { uid, n: n.unsigned_abs(), row, case: None, deferred: None }))
    }

    /// Replays the ops that the base does not show yet. Linear in their number.
    pub(crate) fn rebuild_overlay(&mut self) -> Result<()> {
        let mut touched: BTreeSet<(RowType, Uuid)> = {
            let mut statement = self.conn.prepare_cached("SELECT ty, id FROM overlay")?;
            statement
                .query_map([], |row| Ok((RowType(row.get(0)?), Uuid::from_bytes(row.get(1)?))))?
                .collect::<rusqlite::Result<_>>()?
        };
        self.conn.execute("DELETE FROM overlay", [])?;
        self.cache.rows.clear();
        let ops = self.overlay_ops()?;
        if !ops.is_empty() {
            let forecast = self.forecast()?;
            for stored in ops {
                let Ok(op) = Op::read(&stored.bytes) else { continue };
                let decision = self.predict(&forecast, stored.epoch, stored.n, &op)?;
                touched.extend(self.overlay_changes(&decision.changes)?);
            }
        }
        for (ty, id) in touched {
            self.reindex(ty, id)?;
        }
        self.set_kv_flag(kv::OVERLAY_DIRTY, false)
    }
}

impl Store {
    /// Saves an intent. When this returns, it is on the disk and shown everywhere.
    ///
    /// `now` is this phone's clock; it becomes part of the op for people to read.
    ///
    /// # Errors
    /// [`Error::Refused`] when the rules do not take it: nothing was saved, and the person can correct it now.
    pub fn save(&mut self, intent: Intent, now: ClaimedMs, random: &mut dyn Random) -> Result<Saved> {
        let mut salt = [0; 16];
        random.fill(&mut salt);
        self.write(|db| {
            let grants_rev = db.control()?.grants_rev;
            db.save(&intent.into_op(Salt(salt), now, grants_rev))
        })
    }

    /// Saves an intent under a salt that the caller drew. The same call again, with the same salt and moment, saves nothing
    /// a second time and gives what the first one gave.
    ///
    /// # Errors
    /// As [`Store::save`].
    pub fn save_once(&mut self, intent: Intent, salt: Salt, now: ClaimedMs) -> Result<Saved> {
        self.write(|db| {
            let grants_rev = db.control()?.grants_rev;
            let op = intent.into_op(salt, now, grants_rev);
            match db.saved(op.uid())? {
                Some(saved) => Ok(saved),
                None => db.save(&op),
            }
        })
    }

    /// What was saved as the row or event `row`, while its op is kept. `None` when there is no such op.
    pub fn saved_row(&mut self, row: Uuid) -> Result<Option<Saved>> {
        let ops = self.outbox()?;
        self.read(|db| {
            for op in ops.iter().rev() {
                let bytes: Option<Vec<u8>> = db
                    .conn
                    .prepare_cached("SELECT bytes FROM op WHERE uid = :uid")?
                    .query_row([op.uid.as_bytes()], |line| line.get(0))
                    .optional()?;
                if bytes.and_then(|bytes| Op::read(&bytes).ok()).is_some_and(|op| op.row_id() == row) {
                    return db.saved(op.uid);
                }
            }
            Ok(None)
        })
    }

    /// Records a visit in one step, without a draft.
    pub fn record_visit(&mut self, entry: VisitEntry, now: ClaimedMs, random: &mut dyn Random) -> Result<Saved> {
        let VisitEntry { content, submit, plan } = entry;
        let body = RecordVisit { content: Raw(content.cbor()), submit, plan, ext: no_ext() };
        self.save(Intent::VisitRecord(body), now, random)
    }

    /// Hands in a recorded visit.
    pub fn submit_visit(&mut self, visit: VisitId, now: ClaimedMs, random: &mut dyn Random) -> Result<Saved> {
        self.save(Intent::VisitSubmit(VisitRef { visit, ext: no_ext() }), now, random)
    }

    /// Corrects a visit: the whole content, as it should have been.
    ///
    /// `seen` is [`Store::visit_base_ver`] as of when the person opened the visit: what came in since then was not seen,
    /// and must become a case rather than be overwritten (P11).
    pub fn correct_visit(
        &mut self,
        visit: VisitId,
        seen: Ver,
        content: &VisitContent,
        submit: bool,
        now: ClaimedMs,
        random: &mut dyn Random,
    ) -> Result<Saved> {
        let body = CorrectVisit { visit, base_ver: seen, content: Raw(content.cbor()), submit, ext: no_ext() };
        self.save(Intent::VisitCorrect(body), now, random)
    }

    /// Declares a visit void. `code` is one of `duplicate`, `wrong_household`, `entered_by_mistake`, `other`.
    pub fn void_visit(
        &mut self,
        visit: VisitId,
        code: &str,
        text: Option<String>,
        now: ClaimedMs,
        random: &mut dyn Random,
    ) -> Result<Saved> {
        let reason = VoidReason { code: code.to_owned(), text, ext: no_ext() };
        let body = VoidVisit { visit, reason: Raw(reason.cbor()), ext: no_ext() };
        self.save(Intent::VisitVoid(body), now, random)
    }

    /// Enters a household. Its id is in the answer's `row`.
    pub fn create_household(
        &mut self,
        scope: ScopeId,
        groups: impl IntoIterator<Item = (GroupKey, Raw)>,
        now: ClaimedMs,
        random: &mut dyn Random,
    ) -> Result<Saved> {
        let groups = ByKey(groups.into_iter().collect());
        self.save(Intent::HouseholdCreate(CreateRow { scope, groups, id: None, ext: no_ext() }), now, random)
    }

    /// Sets field groups of a household.
    ///
    /// `seen` is [`Store::seen_ver`] as of when the person opened the household (P11).
    pub fn set_household(
        &mut self,
        household: HouseholdId,
        seen: Ver,
        groups: impl IntoIterator<Item = (GroupKey, Raw)>,
        now: ClaimedMs,
        random: &mut dyn Random,
    ) -> Result<Saved> {
        let groups = ByKey(groups.into_iter().collect());
        self.save(
            Intent::HouseholdSet(SetGroups { id: household.0, base_ver: seen, groups, ext: no_ext() }),
            now,
            random,
        )
    }

    /// Plans a visit. Its id is in the answer's `row`.
    pub fn create_plan(
        &mut self,
        task: &PlanTask,
        assignee: &PlanAssignee,
        now: ClaimedMs,
        random: &mut dyn Random,
    ) -> Result<Saved> {
        let groups =
            ByKey([(plan::TASK, Raw(task.cbor())), (plan::ASSIGNEE, Raw(assignee.cbor()))].into_iter().collect());
        let body = CreateRow { scope: task.village.into(), groups, id: None, ext: no_ext() };
        self.save(Intent::PlanCreate(body), now, random)
    }

    /// Calls off a planned visit.
    pub fn cancel_plan(
        &mut self,
        plan: PlanId,
        reason: Option<String>,
        now: ClaimedMs,
        random: &mut dyn Random,
    ) -> Result<Saved> {
        self.save(Intent::PlanCancel(CancelPlan { plan, reason, ext: no_ext() }), now, random)
    }

    /// Settles a case with one of its sides or, where an answer can be typed, a third value.
    ///
    /// `seen` is [`Store::seen_ver`] as of when the person read the sides: whoever settles must have seen them all (C8).
    pub fn resolve_case(
        &mut self,
        case: CaseId,
        seen: Ver,
        value: Raw,
        now: ClaimedMs,
        random: &mut dyn Random,
    ) -> Result<Saved> {
        self.save(Intent::CaseResolve(ResolveCase { case, base_ver: seen, value, ext: no_ext() }), now, random)
    }

    /// The version of a row that this phone's user is looking at: the server's, never a predicted one, because a
    /// predicted number may come to mean somebody else's change. 0 for a row that only this phone has.
    pub fn seen_ver(&mut self, ty: RowType, id: Uuid) -> Result<Ver> {
        self.read(|db| Ok(db.base_ver(ty, id)?.unwrap_or_default()))
    }

    /// The version that a correction of a visit is based on: its state's, or its event's before it had one.
    pub fn visit_base_ver(&mut self, visit: VisitId) -> Result<Ver> {
        self.read(|db| match db.base_ver(RowType::VISIT_STATE, visit.0)? {
            Some(ver) => Ok(ver),
            None => Ok(db.base_ver(RowType::VISIT_RECORDED, visit.0)?.unwrap_or_default()),
        })
    }

    /// What the rules would say about a visit, without saving it.
    ///
    /// # Errors
    /// [`Error::Refused`] with the first thing that is wrong.
    pub fn check_visit(&mut self, content: &VisitContent, now: ClaimedMs) -> Result<()> {
        let body = RecordVisit { content: Raw(content.cbor()), submit: true, plan: None, ext: no_ext() };
        self.read(|db| {
            let outbox = db.outbox()?;
            let forecast = db.forecast()?;
            let op = Intent::VisitRecord(body).into_op(Salt([0; 16]), now, forecast.principal.grants_rev);
            let decision = db.predict(&forecast, outbox.epoch, outbox.last_n + 1, &op)?;
            match decision.verdict {
                Verdict::Rejected => Err(Error::Refused(Refused::of(&decision))),
                _ => Ok(()),
            }
        })
    }
}

/// A refusal that this crate itself finds before `decide` is asked.
pub(super) fn refused(code: Code, field: &str) -> Error {
    Error::Refused(Refused::new(code, Some(field.to_owned()), None))
}
