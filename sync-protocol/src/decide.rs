//! `decide`: what an op does. The one door for phone, desk, importer and reorganisation.
//!
//! Pure and total: the same state and op give the same decision on every machine (P19); whatever the bytes, there is an
//! answer (P12). The server applies the changes; the phone runs the same function to predict them.
//! Source: docs/PROTOCOL.md, "Deciding".

mod admin;
mod announcements;
mod cases;
mod field_cases;
mod households;
mod merits;
mod office;
mod registers;
mod reports;
mod visits;

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::access::{Access, Action, Principal, Role, authorise, roles};
use crate::calendar::Report;
use crate::catalogue::Catalogue;
use crate::cbor::{Cbor, Malformed};
use crate::ids::*;
use crate::merge::{Lineage, Writer};
use crate::op::{Intent, Op};
use crate::outcome::{Code, Outcome, Verdict};
use crate::row::{Event, ROW_BYTES_MAX, Register, RowType, Stamp, Ver};

/// What `decide` may ask. Reads only; every answer is as of the transaction that will apply the changes.
pub trait State {
    /// What the store can fail with; `decide` passes it on and decides nothing.
    type Error;

    /// A live register with the scope it is in.
    fn register(&mut self, ty: RowType, id: Uuid) -> Result<Option<(ScopeId, Register)>, Self::Error>;
    /// All live registers of a type in a scope, in the order of their ids.
    fn registers_in(&mut self, scope: ScopeId, ty: RowType) -> Result<Vec<Register>, Self::Error>;
    /// Whether a register was in a scope before and left it.
    fn has_left(&mut self, scope: ScopeId, ty: RowType, id: Uuid) -> Result<bool, Self::Error>;
    /// An event with its scope.
    fn event(&mut self, id: EventId) -> Result<Option<(ScopeId, Event)>, Self::Error>;
    /// How many activities a member has on a day already.
    fn activities_on(&mut self, author: UserId, day: Day) -> Result<u32, Self::Error>;
    /// Who owns an outbox, when that is known here.
    fn author_of(&mut self, epoch: Epoch) -> Result<Option<UserId>, Self::Error>;
    /// An account.
    fn user(&mut self, id: UserId) -> Result<Option<User>, Self::Error>;
    /// The account that signs in with a phone number.
    fn user_by_phone(&mut self, phone: &str) -> Result<Option<UserId>, Self::Error>;
    /// A grant.
    fn grant(&mut self, id: GrantId) -> Result<Option<Grant>, Self::Error>;
    /// A user's grants, ended ones too.
    fn grants_of(&mut self, user: UserId) -> Result<Vec<Grant>, Self::Error>;
    /// The hash of what a report shows now (`ReportDocument::figures_hash`, in Vietnamese), with these typed texts; `None`
    /// where the rows for it are not all here. A phone never has them all; a server always answers.
    fn report_figures(&mut self, report: &ReportOf<'_>) -> Result<Option<[u8; 32]>, Self::Error> {
        let _ = report;
        Ok(None)
    }
}

/// A report that is about to be handed in.
#[derive(Clone, Copy, Debug)]
pub struct ReportOf<'r> {
    /// Whose.
    pub unit: UnitId,
    /// Which one.
    pub report: Report,
    /// The last reporting month of its period.
    pub month: Month,
    /// What was typed into it, by code of the place.
    pub texts: &'r [(String, String)],
}

/// An account, without its secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Which one.
    pub id: UserId,
    /// The name.
    pub display_name: String,
    /// `0` and nine digits; the sign-in name.
    pub phone: String,
    /// The unit under which the account is kept.
    pub unit: UnitId,
    /// Revision of the user's grants.
    pub grants_rev: u64,
    /// Whether the account is in use.
    pub active: bool,
}

/// A role given to a user for a unit and a period.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Which one.
    pub id: GrantId,
    /// To whom.
    pub user: UserId,
    /// A code of `Role`.
    pub role: String,
    /// For which unit; the nil id stands for the installation.
    pub unit: UnitId,
    /// First day.
    pub from: Day,
    /// First day on which it no longer holds.
    pub to: Option<Day>,
    /// The revision of the user's grants that ended it, and when.
    pub ended: Option<(u64, ServerMs)>,
    /// Number of the decision.
    pub decision: Option<String>,
}

/// Everything about an op but the op.
pub struct Context<'a> {
    /// Who is asking.
    pub principal: &'a Principal,
    /// The outbox.
    pub epoch: Epoch,
    /// The op's number in it.
    pub n: u64,
    /// Earlier lives of the outbox.
    pub lineage: &'a Lineage,
    /// The server's epoch, for versions.
    pub server_epoch: u16,
    /// The server's clock at receipt (on the phone: its own clock, for a prediction).
    pub received: ServerMs,
    /// The rules of the field.
    pub catalogue: &'a Catalogue,
}

impl Context<'_> {
    /// Where an op stands against a row that the person saw at `base_ver`.
    fn writer(&self, base_ver: Ver) -> Writer<'_> {
        Writer { epoch: self.epoch, n: self.n, base_ver, lineage: self.lineage }
    }

    /// The stamp that the op leaves.
    fn stamp(&self, ver: Ver) -> Stamp {
        Stamp { ver, epoch: self.epoch, n: self.n }
    }

    /// Whether the principal may do this in a scope, as of this op.
    fn may(&self, op: &Op, action: Action, scope: ScopeId) -> Access {
        authorise(self.principal, action, scope, Some(op.grants_rev), self.received)
    }

    /// Every role by which the principal may do this in a scope; not found when there is none.
    fn roles(&self, op: &Op, action: Action, scope: ScopeId) -> Result<BTreeSet<Role>, Refusal> {
        let found = roles(self.principal, action, scope, Some(op.grants_rev), self.received);
        if found.is_empty() { Err(Code::NotFound.into()) } else { Ok(found) }
    }

    /// The server's day.
    fn today(&self) -> Day {
        Day::of_ms(self.received.0)
    }
}

/// One effect of an op. Positions in buckets, projections and audit are the store's business.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A register is new or has a new version.
    PutRegister {
        /// Its scope.
        scope: ScopeId,
        /// The whole register.
        register: Register,
    },
    /// A register leaves one scope for another.
    Move {
        /// The scope it leaves; a tombstone stays there.
        from: ScopeId,
        /// The scope it enters.
        to: ScopeId,
        /// The whole register, at its new version.
        register: Register,
    },
    /// An event happened.
    PutEvent {
        /// Its scope.
        scope: ScopeId,
        /// The event.
        event: Event,
    },
    /// An account is new, or its grants have a new revision.
    PutUser(User),
    /// A grant is new or has ended.
    PutGrant(Grant),
}

/// What an op does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Which way it ended.
    pub verdict: Verdict,
    /// Why, unless simply applied.
    pub code: Option<Code>,
    /// What the code is about.
    pub field: Option<String>,
    /// The rule behind the code.
    pub rule: Option<String>,
    /// The version of the row after the op.
    pub ver: Option<Ver>,
    /// The case that was opened or joined.
    pub case: Option<CaseId>,
    /// Its effects, in order.
    pub changes: Vec<Change>,
}

impl Decision {
    fn applied(ver: Ver, changes: Vec<Change>) -> Self {
        Self { verdict: Verdict::Applied, code: None, field: None, rule: None, ver: Some(ver), case: None, changes }
    }

    fn with_case(mut self, case: Option<CaseId>) -> Self {
        if case.is_some() {
            self.verdict = Verdict::AppliedWithCase;
            self.case = case;
        }
        self
    }

    fn without_effect(verdict: Verdict, refusal: Refusal) -> Self {
        let Refusal { code, field, rule } = refusal;
        Self { verdict, code: Some(code), field, rule, ver: None, case: None, changes: Vec::new() }
    }

    /// The outcome as it travels.
    pub fn outcome(&self, n: u64) -> Outcome {
        Outcome {
            n,
            verdict: self.verdict,
            code: self.code.map(|code| code.text().to_owned()),
            field: self.field.clone(),
            ver: self.ver,
            case: self.case,
            rule: self.rule.clone(),
            ext: Default::default(),
        }
    }
}

/// Why an op has no effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The code.
    pub code: Code,
    /// What it is about.
    pub field: Option<String>,
    /// The rule behind it.
    pub rule: Option<String>,
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self { code, field: None, rule: None }
    }
}

impl Refusal {
    fn at(code: Code, field: impl Into<String>) -> Self {
        Self { code, field: Some(field.into()), rule: None }
    }

    fn by_rule(code: Code, field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { rule: Some(rule.into()), ..Self::at(code, field) }
    }
}

impl From<Malformed> for Refusal {
    fn from(fault: Malformed) -> Self {
        Self { code: Code::Malformed, field: None, rule: Some(fault.to_string()) }
    }
}

/// A step of deciding: goes on, ends in a refusal, or the store failed.
enum Stop<E> {
    Refused(Refusal),
    Store(E),
}

impl<E, R: Into<Refusal>> From<R> for Stop<E> {
    fn from(refusal: R) -> Self {
        Self::Refused(refusal.into())
    }
}

/// Passes a failure of the store on.
fn store<T, E>(result: Result<T, E>) -> Result<T, Stop<E>> {
    result.map_err(Stop::Store)
}

/// Turns an answer of `authorise` into a step: nobody learns whether what is not theirs exists.
fn allowed(access: Access) -> Result<Role, Refusal> {
    access.role().ok_or_else(|| Refusal::from(Code::NotFound))
}

/// Decides an op from its bytes as they arrived.
pub fn decide_bytes<S: State>(state: &mut S, context: &Context<'_>, bytes: &[u8]) -> Result<Decision, S::Error> {
    if bytes.len() > crate::op::OP_BYTES_MAX {
        return Ok(Decision::without_effect(Verdict::Rejected, Code::OpTooLarge.into()));
    }
    match Op::read(bytes) {
        Ok(op) => decide(state, context, &op),
        Err(fault) => Ok(Decision::without_effect(Verdict::Rejected, fault.into())),
    }
}

/// Decides an op.
pub fn decide<S: State>(state: &mut S, context: &Context<'_>, op: &Op) -> Result<Decision, S::Error> {
    let intent = match Intent::of(op) {
        None => return Ok(Decision::without_effect(Verdict::Deferred, Code::NeedsServerUpdate.into())),
        Some(Err(fault)) => return Ok(Decision::without_effect(Verdict::Rejected, fault.into())),
        Some(Ok(intent)) => intent,
    };
    let decided = match &intent {
        Intent::HouseholdCreate(body)
        | Intent::PersonCreate(body)
        | Intent::BusinessCreate(body)
        | Intent::ProductCreate(body)
        | Intent::MarketCreate(body)
        | Intent::PlanCreate(body)
        | Intent::TeamCreate(body) => registers::create(state, context, op, &intent, body),
        Intent::HouseholdSet(body)
        | Intent::PersonSet(body)
        | Intent::BusinessSet(body)
        | Intent::ProductSet(body)
        | Intent::MarketSet(body)
        | Intent::PlanSet(body)
        | Intent::UnitSet(body)
        | Intent::TeamSet(body) => registers::set(state, context, op, &intent, body),
        Intent::HouseholdMerge(body) => households::merge(state, context, op, body),
        Intent::HouseholdUnmerge(body) => households::unmerge(state, context, op, body),
        Intent::HouseholdMove(body) => registers::relocate(state, context, op, body),
        Intent::PlanCancel(body) => registers::cancel_plan(state, context, op, body),
        Intent::VisitRecord(body) => visits::record(state, context, op, body),
        Intent::VisitSubmit(body) => visits::submit(state, context, op, body),
        Intent::VisitCorrect(body) => visits::correct(state, context, op, body),
        Intent::VisitVoid(body) => visits::void(state, context, op, body),
        Intent::VisitReturn(body) => visits::send_back(state, context, op, body),
        Intent::VisitApprove(body) => visits::approve(state, context, op, body),
        Intent::CaseResolve(body) => cases::resolve(state, context, op, body),
        Intent::CaseOpen(body) => field_cases::open(state, context, op, body),
        Intent::CaseAdvance(body) => field_cases::advance(state, context, op, body),
        Intent::UnitCreate(body) => admin::create_unit(state, context, op, body),
        Intent::MemberAdd(body) => admin::add_member(state, context, op, body),
        Intent::MemberEnd(body) => admin::end_member(state, context, op, body),
        Intent::GrantGive(body) => admin::give_grant(state, context, op, body),
        Intent::GrantEnd(body) => admin::end_grant(state, context, op, body),
        Intent::UserCreate(body) => admin::create_user(state, context, op, body),
        Intent::PeriodSet(body) => admin::set_period(state, context, op, body),
        Intent::CampaignCreate(body) => office::create_campaign(state, context, op, body),
        Intent::CampaignSet(body) => office::set_campaign(state, context, op, body),
        Intent::CampaignPublish(body) => office::publish_campaign(state, context, op, body),
        Intent::CampaignClose(body) => office::close_campaign(state, context, op, body),
        Intent::TargetCreate(body) => office::create_target(state, context, op, body),
        Intent::TargetSet(body) => office::set_target(state, context, op, body),
        Intent::TargetPublish(body) => office::publish_target(state, context, op, body),
        Intent::DenominatorSet(body) => office::set_denominator(state, context, op, body),
        Intent::ManualSet(body) => office::set_manual(state, context, op, body),
        Intent::RecognitionPropose(body) => merits::propose(state, context, op, body),
        Intent::RecognitionAdvance(body) => merits::advance(state, context, op, body),
        Intent::ReportSave(body) => reports::save(state, context, op, body),
        Intent::ReportSubmit(body) => reports::submit(state, context, op, body),
        Intent::ReportReturn(body) => reports::send_back(state, context, op, body),
        Intent::ReportAccept(body) => reports::accept(state, context, op, body),
        Intent::CourseRunRecord(body) => merits::record_course(state, context, op, body),
        Intent::CourseResultSet(body) => merits::set_course_result(state, context, op, body),
        Intent::SupportSign(body) => merits::sign_support(state, context, op, body),
        Intent::SupportRevoke(body) => merits::revoke_support(state, context, op, body),
        Intent::ReorganisationRecord(body) => admin::record_reorganisation(state, context, op, body),
        Intent::ReorganisationUndo(body) => admin::undo_reorganisation(state, context, op, body),
        Intent::AnnouncementPublish(body) => announcements::publish(state, context, op, body),
        Intent::AnnouncementWithdraw(body) => announcements::withdraw(state, context, op, body),
    };
    match decided.and_then(|decision| readable(&decision).map(|()| decision).map_err(Stop::Refused)) {
        Ok(decision) => Ok(decision),
        Err(Stop::Refused(refusal)) if refusal.code == Code::NeedsServerUpdate => {
            Ok(Decision::without_effect(Verdict::Deferred, refusal))
        }
        Err(Stop::Refused(refusal)) => Ok(Decision::without_effect(Verdict::Rejected, refusal)),
        Err(Stop::Store(error)) => Err(error),
    }
}

/// No op makes a row that a phone could not read, or that does not fit into a frame: it would block its bucket (P12).
fn readable(decision: &Decision) -> Result<(), Refusal> {
    for change in &decision.changes {
        let row = match change {
            Change::PutRegister { register, .. } | Change::Move { register, .. } => register.cbor(),
            Change::PutEvent { event, .. } => event.cbor(),
            Change::PutUser(_) | Change::PutGrant(_) => continue,
        };
        if row.len() > ROW_BYTES_MAX {
            return Err(Refusal { code: Code::OpTooLarge, field: None, rule: Some("row_too_large".into()) });
        }
        crate::cbor::check(&row)?;
    }
    Ok(())
}

pub use visits::{initial_state, reporting_month};
