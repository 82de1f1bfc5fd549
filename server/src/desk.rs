//! The desk's door for changes: what an officer or admin does is an op, decided by the same `decide` as a phone's.
//!
//! Each user has one outbox at the desk, with a device id and, as a rule, an epoch that follow from the user's id. Its ops
//! get numbers, a chain, outcomes and audit entries like any other. Source: docs/ARCHITECTURE.md, "One door".

use std::collections::BTreeMap;
use std::sync::Arc;

use sync_protocol::access::{Action, INSTALLATION, Principal, Role, authorise};
use sync_protocol::calendar::CutOff;
use sync_protocol::case_flow::{Case, CaseKind, CaseStatus};
use sync_protocol::catalogue::Catalogue;
use sync_protocol::cbor::{self, Cbor, Ext, Raw};
use sync_protocol::decide::{Context, Decision, State, decide};
use sync_protocol::entity::{Batch, CaseSides, CaseSubject, case};
use sync_protocol::ids::*;
use sync_protocol::merge::Lineage;
use sync_protocol::op::{AdvanceCase, ApproveVisit, Chain, Intent, Op, OpenCase, ResolveCase, SignSupport};
use sync_protocol::outcome::{Code, Outcome, Verdict};
use sync_protocol::row::{RowType, Ver};
use sync_protocol::team::{SupportRefused, SupportTerms, support_certificate};
use uuid::Uuid;

use crate::principal::principal;
use crate::reading::duplicates::waiting_case;
use crate::reading::plain;
use crate::reading::support::approved_visits;
use crate::storage::{LoggedOp, Outbox, Result, StorageError, Store, Tx};
use crate::sync::{Clock, Random, SyncService, decision_scope, verdict_text};
use crate::work::{AuditBody, Work, audit_body};

/// Most visits that are approved in one go.
pub const BULK_VISITS_MAX: usize = 200;
/// For so many days a repeated request with the same key finds the outcome of the first one.
pub const KEY_DAYS: u64 = 7;
/// One in so many of the visits without a flag must have been looked at (domain: approval by sample).
const SAMPLE_ONE_IN: usize = 10;
const DAY_MS: u64 = 86_400_000;

/// What became of one op of the desk, with the id of the row that it made, if it made one.
pub type Done = (Outcome, Uuid);

/// The desk's half of writing.
pub struct Desk {
    pub(crate) store: Store,
    sync: Arc<SyncService>,
    catalogue: &'static Catalogue,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
}

/// One visit of an approval by sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pick {
    /// The visit.
    pub visit: VisitId,
    /// The content that it had when the list was made.
    pub hash: [u8; 16],
    /// Whether the officer opened it.
    pub looked_at: bool,
}

/// What is missing before visits may be approved together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SampleGap {
    /// Flagged visits that nobody looked at.
    pub flagged: Vec<VisitId>,
    /// How many visits without a flag must be looked at.
    pub needed: usize,
    /// How many were.
    pub looked_at: usize,
}

/// Why an approval by sample was not even tried.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    /// No visits, too many, or one of them twice.
    #[error("1 to {BULK_VISITS_MAX} different visits are expected")]
    BadList,
    /// Nobody with this role approves.
    #[error("not allowed")]
    NotAllowed,
    /// The sample is too small.
    #[error("not enough visits were looked at")]
    Sample(SampleGap),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// How a case is settled.
#[derive(Clone, PartialEq, Debug)]
pub enum Choice {
    /// By one of its sides, counted from 0.
    Side(usize),
    /// By a third answer, as `plain` writes it.
    Value(serde_json::Value),
}

/// Why a case was not even tried.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// There is no such side, or the value does not read as what the case is about.
    #[error("{0} is not one of the answers")]
    BadChoice(&'static str),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a support certificate was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SupportError {
    /// The team did not reach the terms; with what is missing, unless that was caught up with since.
    #[error("the terms are not reached")]
    NotEarned(Option<SupportRefused>),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Desk {
    /// Builds it.
    pub fn new(store: Store, sync: Arc<SyncService>, clock: Clock, random: Random) -> Self {
        Self { store, sync, catalogue: Catalogue::shipped(), clock, random }
    }

    pub(crate) fn server_epoch(&self) -> u16 {
        self.sync.server_epoch()
    }

    /// Does what a user wants, all in one transaction; each intent gets its own outcome.
    pub async fn perform(&self, by: UserId, intents: Vec<Intent>) -> Result<Vec<Done>> {
        self.perform_once(by, None, intents).await
    }

    /// Like `perform`, but the same user, key and intents have their effect only once within [`KEY_DAYS`]: a repeat
    /// gets the outcomes of the first time.
    pub async fn perform_once(&self, by: UserId, key: Option<Uuid>, intents: Vec<Intent>) -> Result<Vec<Done>> {
        let work = self.performance(by, key, intents);
        self.store.write(move |tx| work.run(tx)).await
    }

    /// Does what a job asks for in one transaction, or nothing: an op that is not applied ends in
    /// [`StorageError::GivenUp`] with a [`RefusedOp`].
    pub(crate) async fn together<T: Send + 'static>(
        &self,
        by: UserId,
        mut job: impl FnMut(&mut Together<'_, '_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let work = self.performance(by, None, Vec::new());
        self.store.write(move |tx| work.together(tx, &mut job)).await
    }

    fn performance(&self, by: UserId, key: Option<Uuid>, intents: Vec<Intent>) -> Performance {
        Performance {
            by,
            key,
            intents,
            device: device_of(by),
            now: (self.clock)(),
            server_epoch: self.sync.server_epoch(),
            catalogue: self.catalogue,
            random: Arc::clone(&self.random),
        }
    }

    /// Approves visits by sample: every flagged one and one in ten of the others must have been looked at. Each approval
    /// is an op of its own and says that it was one of many.
    pub async fn approve_by_sample(
        &self,
        by: UserId,
        key: Option<Uuid>,
        picks: Vec<Pick>,
    ) -> std::result::Result<Vec<Done>, BulkError> {
        let different: BTreeMap<VisitId, &Pick> = picks.iter().map(|pick| (pick.visit, pick)).collect();
        if picks.is_empty() || picks.len() > BULK_VISITS_MAX || different.len() != picks.len() {
            return Err(BulkError::BadList);
        }
        let (now, asked) = ((self.clock)(), picks.clone());
        let seen = self.store.read(move |tx| {
            let caller = principal(tx, by, now)?;
            if !has_function(&caller, Action::ApproveVisit, now) {
                return Ok(None);
            }
            let mut seen = Vec::new();
            for pick in &asked {
                // What is not theirs or has changed meanwhile is refused later, one by one; it neither helps nor harms.
                if let Some(visit) = tx.visit(pick.visit)?
                    && authorise(&caller, Action::ApproveVisit, visit.scope, None, now).role().is_some()
                    && visit.hash == pick.hash
                {
                    seen.push((*pick, visit.flags != 0 || visit.is_disputed));
                }
            }
            Ok(Some(seen))
        });
        let seen = seen.await?.ok_or(BulkError::NotAllowed)?;
        check_sample(&seen).map_err(BulkError::Sample)?;
        let size = u32::try_from(picks.len()).unwrap_or(u32::MAX);
        let intents = picks.iter().map(|pick| {
            let batch = Batch { size, looked_at: pick.looked_at, ext: Ext::default() };
            let (visit, hash) = (pick.visit, pick.hash);
            Intent::VisitApprove(ApproveVisit { visit, hash, batch: Some(batch), ext: Ext::default() })
        });
        Ok(self.perform_once(by, key, intents.collect()).await?)
    }

    /// Settles a case by one of its sides or by a third answer.
    pub async fn resolve_case(
        &self,
        by: UserId,
        key: Option<Uuid>,
        id: CaseId,
        base_ver: Ver,
        choice: Choice,
    ) -> std::result::Result<Done, ResolveError> {
        let now = (self.clock)();
        let found = self.store.read(move |tx| {
            let caller = principal(tx, by, now)?;
            let found = Work::new(tx, now).register(RowType::CASE, id.0)?;
            Ok(found.filter(|(scope, _)| authorise(&caller, Action::ResolveCase, *scope, None, now).role().is_some()))
        });
        let value = match (found.await?, choice) {
            // Not there, or not theirs: `decide` says so, and says the same for both.
            (None, _) => Raw(0u8.cbor()),
            (Some((_, case)), Choice::Side(at)) => {
                let sides = case.group::<CaseSides>(case::SIDES).map(|sides| sides.sides).unwrap_or_default();
                sides.into_iter().nth(at).ok_or(ResolveError::BadChoice("side"))?.value
            }
            (Some((_, case)), Choice::Value(value)) => {
                let subject: Option<CaseSubject> = case.group(case::SUBJECT);
                subject
                    .and_then(|subject| plain::read_group(RowType(subject.ty), subject.group, &value))
                    .ok_or(ResolveError::BadChoice("value"))?
            }
        };
        let intent = Intent::CaseResolve(ResolveCase { case: id, base_ver, value, ext: Ext::default() });
        let mut done = self.perform_once(by, key, vec![intent]).await?;
        done.pop().ok_or(ResolveError::Storage(StorageError::Busy))
    }

    /// Says that two households are not the same: opens a case about the pair, or takes the one that waits, and rejects it,
    /// all of it or nothing. Gives the case, or what became of the step that was refused.
    pub async fn not_the_same(
        &self,
        by: UserId,
        first: HouseholdId,
        second: HouseholdId,
        reason: String,
    ) -> Result<std::result::Result<CaseId, Outcome>> {
        let done = self.together(by, move |together| {
            let mut scopes = Vec::new();
            for household in [first, second] {
                scopes.extend(together.work.register(RowType::HOUSEHOLD, household.0)?.map(|(scope, _)| scope));
            }
            let places = scopes.iter().copied().collect();
            let waiting = waiting_case(together.work.tx(), &places, first, second)?;
            let advance = |case: CaseId, to: CaseStatus, text: Option<String>| {
                Intent::CaseAdvance(AdvanceCase { case, to: to.code().to_owned(), text, ext: Ext::default() })
            };
            let (case, is_open) = match waiting {
                Some(row) => (CaseId(row.id), Case::read(&row).is_some_and(|case| case.status() == CaseStatus::Open)),
                None => {
                    let body = OpenCase {
                        unit: UnitId(scopes.first().map_or(first.0, |scope| scope.0)),
                        kind: CaseKind::Duplicate.code().to_owned(),
                        household: Some(first),
                        text: reason.clone(),
                        other: Some(second),
                        ext: Ext::default(),
                    };
                    (CaseId(together.take(Intent::CaseOpen(body))?), true)
                }
            };
            if is_open {
                together.take(advance(case, CaseStatus::Acknowledged, None))?;
            }
            together.take(advance(case, CaseStatus::Rejected, Some(reason.clone())))?;
            Ok(case)
        });
        match done.await {
            Err(StorageError::GivenUp(why)) => match why.downcast::<RefusedOp>() {
                Ok(refused) => Ok(Err(refused.outcome)),
                Err(why) => Err(StorageError::GivenUp(why)),
            },
            done => done.map(Ok),
        }
    }

    /// Signs that a team was active in a month. What was counted is worked out from the approved visits in the same
    /// transaction, never taken from whoever asks; measure, minimum and amount are those of the terms in force.
    pub async fn sign_support(
        &self,
        by: UserId,
        key: Option<Uuid>,
        team: TeamId,
        month: Month,
    ) -> std::result::Result<Done, SupportError> {
        let mut work = self.performance(by, key, Vec::new());
        let signed = self.store.write(move |tx| {
            let terms = SupportTerms::default();
            let visits = approved_visits(tx, work.now, team, month)?;
            let (found, refused) = match support_certificate(team, month, &visits, terms, CutOff::default()) {
                Ok(certificate) => (certificate.found, None),
                Err(refused) => (refused.found, Some(refused)),
            };
            let measure = terms.measure.code().to_owned();
            let SupportTerms { minimum, amount_vnd, .. } = terms;
            let body = SignSupport { team, month, measure, found, minimum, amount_vnd, ext: Ext::default() };
            // Whether somebody may sign, and whether it is enough, is for `decide` to say.
            work.intents = vec![Intent::SupportSign(body)];
            Ok((work.run(tx)?.pop(), refused))
        });
        let (done, refused) = signed.await?;
        let done = done.ok_or(SupportError::Storage(StorageError::Busy))?;
        if done.0.rule.as_deref() == Some(SupportRefused::CODE) {
            return Err(SupportError::NotEarned(refused));
        }
        Ok(done)
    }
}

/// Checks an approval by sample. The second half of each pair says whether a reviewer should look at the visit.
fn check_sample(picks: &[(Pick, bool)]) -> std::result::Result<(), SampleGap> {
    let flagged = picks.iter().filter(|(pick, is_flagged)| *is_flagged && !pick.looked_at);
    let flagged: Vec<VisitId> = flagged.map(|(pick, _)| pick.visit).collect();
    let plain: Vec<&Pick> = picks.iter().filter(|(_, is_flagged)| !is_flagged).map(|(pick, _)| pick).collect();
    let needed = plain.len().div_ceil(SAMPLE_ONE_IN);
    let looked_at = plain.iter().filter(|pick| pick.looked_at).count();
    if flagged.is_empty() && looked_at >= needed { Ok(()) } else { Err(SampleGap { flagged, needed, looked_at }) }
}

fn hash_of(purpose: &[u8], user: UserId) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(purpose);
    hasher.update(user.as_bytes());
    *hasher.finalize().as_bytes()
}

/// The device id under which a user's desk stands; no phone has it.
fn device_of(user: UserId) -> DeviceId {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash_of(b"thonso/desk-device/1", user)[..16]);
    DeviceId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// The epoch that a user's desk has unless somebody took it.
fn first_epoch_of(user: UserId) -> Epoch {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash_of(b"thonso/desk/1", user)[..8]);
    Epoch(u64::from_be_bytes(bytes))
}

/// Whether a principal may do something anywhere: if not, it is not a function of theirs at all.
pub fn has_function(principal: &Principal, action: Action, now: ServerMs) -> bool {
    let mut holdings = principal.holdings.iter();
    holdings.any(|holding| authorise(principal, action, holding.scope, None, now).role().is_some())
}

/// The functions of which one is needed for an intent.
fn functions(intent: &Intent) -> &'static [Action] {
    match intent {
        Intent::HouseholdCreate(_) => &[Action::EnterHousehold],
        Intent::HouseholdSet(_) => &[Action::WriteHousehold],
        Intent::HouseholdMove(_) => &[Action::MoveHousehold],
        Intent::HouseholdMerge(_) | Intent::HouseholdUnmerge(_) => &[Action::MergeHousehold],
        Intent::PersonCreate(_) | Intent::PersonSet(_) => &[Action::WritePerson],
        Intent::BusinessCreate(_) | Intent::BusinessSet(_) | Intent::ProductCreate(_) | Intent::ProductSet(_) => {
            &[Action::WriteBusiness]
        }
        Intent::MarketCreate(_) | Intent::MarketSet(_) => &[Action::WriteMarket],
        Intent::VisitRecord(_) | Intent::VisitSubmit(_) | Intent::VisitCorrect(_) => &[Action::WriteVisit],
        Intent::VisitVoid(_) => &[Action::WriteVisit, Action::ReturnVisit],
        Intent::VisitReturn(_) => &[Action::ReturnVisit],
        Intent::VisitApprove(_) => &[Action::ApproveVisit],
        Intent::PlanCreate(_) | Intent::PlanSet(_) | Intent::PlanCancel(_) => &[Action::WritePlan],
        Intent::CaseResolve(_) => &[Action::ResolveCase],
        Intent::CaseOpen(_) => &[Action::OpenCase],
        Intent::CaseAdvance(_) => &[Action::AdvanceCase],
        Intent::UnitCreate(_) | Intent::UnitSet(_) => &[Action::WriteUnit],
        Intent::TeamCreate(_) | Intent::TeamSet(_) | Intent::MemberAdd(_) | Intent::MemberEnd(_) => {
            &[Action::WriteTeam]
        }
        Intent::GrantGive(body) => match Role::from_code(&body.role) {
            Some(Role::Member | Role::TeamLeader) => &[Action::GrantTeamRole],
            Some(_) => &[Action::GrantOfficeRole],
            None => &[Action::GrantTeamRole, Action::GrantOfficeRole],
        },
        Intent::GrantEnd(_) => &[Action::GrantTeamRole, Action::GrantOfficeRole],
        Intent::UserCreate(_) => &[Action::WriteUser],
        Intent::PeriodSet(_) => &[Action::SetPeriod],
        Intent::CampaignCreate(_) | Intent::CampaignSet(_) | Intent::CampaignPublish(_) | Intent::CampaignClose(_) => {
            &[Action::WriteCampaign]
        }
        Intent::AnnouncementPublish(_) | Intent::AnnouncementWithdraw(_) => &[Action::WriteCampaign],
        Intent::TargetCreate(_) | Intent::TargetSet(_) | Intent::TargetPublish(_) => &[Action::WriteTarget],
        Intent::DenominatorSet(_) | Intent::ManualSet(_) => &[Action::WriteFigures],
        Intent::RecognitionPropose(_) => &[Action::ProposeRecognition],
        Intent::RecognitionAdvance(_) => &[Action::AdvanceRecognition],
        Intent::ReportSave(_) | Intent::ReportSubmit(_) => &[Action::WriteReport],
        Intent::ReportReturn(_) | Intent::ReportAccept(_) => &[Action::ReviewReport],
        Intent::CourseRunRecord(_) => &[Action::RecordCourse],
        Intent::CourseResultSet(_) => &[Action::WriteOwnResult],
        Intent::SupportSign(_) | Intent::SupportRevoke(_) => &[Action::SignSupport],
        Intent::ReorganisationRecord(_) | Intent::ReorganisationUndo(_) => &[Action::GrantOfficeRole],
    }
}

/// The writing part: runs in one transaction, perhaps more than once.
struct Performance {
    by: UserId,
    key: Option<Uuid>,
    intents: Vec<Intent>,
    device: DeviceId,
    now: ServerMs,
    server_epoch: u16,
    catalogue: &'static Catalogue,
    random: Random,
}

/// The op that kept a transaction from being done, and what became of it.
#[derive(Debug, thiserror::Error)]
#[error("{name} about {object} was refused: {}", .outcome.code.as_deref().unwrap_or("refused"))]
pub struct RefusedOp {
    /// The op's name.
    pub name: &'static str,
    /// The row that it was about.
    pub object: Uuid,
    /// What became of it.
    pub outcome: Outcome,
}

/// Ops that are taken together or not at all.
pub(crate) struct Together<'p, 't> {
    performance: &'p Performance,
    outbox: Outbox,
    /// Who asks.
    pub(crate) principal: Principal,
    /// What they are decided on. What was read past it from the transaction does not show the ops taken so far.
    pub(crate) work: Work<'t>,
}

impl Together<'_, '_> {
    /// The server's clock.
    pub(crate) fn now(&self) -> ServerMs {
        self.performance.now
    }

    /// Takes one op; gives the id of the row that it makes, if it makes one of its own.
    pub(crate) fn take(&mut self, intent: Intent) -> Result<Uuid> {
        let (name, object) = (intent.name().text(), target(&intent));
        self.offer(intent)?.map_err(|(row, outcome)| {
            StorageError::GivenUp(Box::new(RefusedOp { name, object: object.unwrap_or(row), outcome }))
        })
    }

    /// Offers one op; gives the row's id, or the id that the row would have had and what became of the op. Whoever goes on
    /// after a refusal must end with [`StorageError::GivenUp`].
    pub(crate) fn offer(&mut self, intent: Intent) -> Result<std::result::Result<Uuid, (Uuid, Outcome)>> {
        let performance = self.performance;
        let (op, _) = performance.op(&mut self.work, 0, &intent, self.principal.grants_rev)?;
        let outcome = performance.take(&mut self.work, &mut self.outbox, &self.principal, &intent, &op)?;
        Ok(if outcome.verdict == Verdict::Applied { Ok(op.row_id()) } else { Err((op.row_id(), outcome)) })
    }
}

impl Performance {
    fn together<T>(&self, tx: &mut dyn Tx, job: &mut impl FnMut(&mut Together<'_, '_>) -> Result<T>) -> Result<T> {
        let principal = principal(tx, self.by, self.now)?;
        let outbox = self.outbox(tx)?;
        let before = outbox.last_n;
        let mut work = Work::new(tx, self.now);
        work.know_author(outbox.epoch, self.by);
        let mut together = Together { performance: self, outbox, principal, work };
        let answer = job(&mut together)?;
        let Together { outbox, mut work, .. } = together;
        if outbox.last_n > before {
            work.tx().put_outbox(&outbox)?;
            work.finish()?;
        }
        Ok(answer)
    }

    fn run(&self, tx: &mut dyn Tx) -> Result<Vec<Done>> {
        let mut principal = principal(tx, self.by, self.now)?;
        let mut outbox = self.outbox(tx)?;
        let before = outbox.last_n;
        let mut work = Work::new(tx, self.now);
        work.know_author(outbox.epoch, self.by);
        let mut done = Vec::new();
        for (index, intent) in self.intents.iter().enumerate() {
            let (op, earlier) = self.op(&mut work, index, intent, principal.grants_rev)?;
            if let Some(outcome) = earlier {
                done.push((outcome, op.row_id()));
                continue;
            }
            let outcome = self.take(&mut work, &mut outbox, &principal, intent, &op)?;
            // What changed may have been the author's own rights.
            principal.grants_rev = work.user(self.by)?.map_or(principal.grants_rev, |user| user.grants_rev);
            done.push((outcome, op.row_id()));
        }
        if outbox.last_n > before {
            work.tx().put_outbox(&outbox)?;
            work.finish()?;
        }
        Ok(done)
    }

    /// The user's outbox at the desk. Its epoch follows from the user's id, which others know: should a phone have taken
    /// it first, the desk draws another and remembers it.
    fn outbox(&self, tx: &mut dyn Tx) -> Result<Outbox> {
        let name = format!("desk_epoch/{}", self.by);
        let drawn = tx.meta(&name)?.and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()).map(u64::from_be_bytes);
        let mut epoch = drawn.map_or_else(|| first_epoch_of(self.by), Epoch);
        let is_own = |outbox: &Outbox| outbox.user == self.by && outbox.device == self.device;
        match tx.outbox(epoch)? {
            Some(outbox) if is_own(&outbox) => return Ok(outbox),
            Some(_) => {
                let mut bytes = [0; 8];
                (self.random)(&mut bytes);
                epoch = Epoch(u64::from_be_bytes(bytes));
                tx.put_meta(&name, &bytes)?;
            }
            None => {}
        }
        Ok(Outbox {
            epoch,
            device: self.device,
            user: self.by,
            parent: None,
            last_n: 0,
            chain: Chain::start(self.device, epoch),
            durable_upto: 0,
        })
    }

    /// Makes the op of an intent, or finds the one that the same request made before.
    fn op(&self, work: &mut Work<'_>, index: usize, intent: &Intent, grants_rev: u64) -> Result<(Op, Option<Outcome>)> {
        let mut salt = [0; 16];
        let Some(key) = self.key else {
            (self.random)(&mut salt);
            return Ok((intent.clone().into_op(Salt(salt), ClaimedMs(self.now.0), grants_rev), None));
        };
        let draft = intent.clone().into_op(Salt(salt), ClaimedMs(0), grants_rev);
        let asked = match intent {
            // What the server counted is not part of what was asked: it may be another number by the time of a repeat.
            Intent::SupportSign(body) => {
                let SignSupport { team, month, .. } = *body;
                let (measure, ext) = (String::new(), Ext::default());
                SignSupport { team, month, measure, found: 0, minimum: 0, amount_vnd: 0, ext }.cbor()
            }
            _ => draft.body.0.clone(),
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"thonso/desk-key/1");
        hasher.update(self.by.as_bytes());
        hasher.update(key.as_bytes());
        hasher.update(&(index as u64).to_be_bytes());
        hasher.update(&draft.code.to_be_bytes());
        hasher.update(&asked);
        salt.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        // The moment is part of what names an op, so it has to come out the same: the first millisecond of a day.
        let today = self.now.0 / DAY_MS;
        let at = |days_ago: u64| Op { salt, at: ClaimedMs(today.saturating_sub(days_ago) * DAY_MS), ..draft.clone() };
        for days_ago in 0..KEY_DAYS {
            let op = at(days_ago);
            if let Some((epoch, n)) = work.tx().op_by_uid(op.uid())?
                && let Some(known) = work.tx().op(epoch, n)?
                && let Ok(outcome) = cbor::read::<Outcome>(&known.outcome)
            {
                return Ok((op, Some(outcome)));
            }
        }
        Ok((at(0), None))
    }

    fn take(
        &self,
        work: &mut Work<'_>,
        outbox: &mut Outbox,
        principal: &Principal,
        intent: &Intent,
        op: &Op,
    ) -> Result<Outcome> {
        let n = outbox.last_n + 1;
        let bytes = op.cbor();
        let lineage = Lineage::default();
        let decision = if functions(intent).iter().any(|action| has_function(principal, *action, self.now)) {
            let context = Context {
                principal,
                epoch: outbox.epoch,
                n,
                lineage: &lineage,
                server_epoch: self.server_epoch,
                received: self.now,
                catalogue: self.catalogue,
            };
            decide(work, &context, op)?
        } else {
            not_a_function()
        };
        let outcome = decision.outcome(n);
        let chain = outbox.chain.then(&bytes);
        let is_kept = matches!(decision.verdict, Verdict::Deferred | Verdict::Rejected);
        self.note(work, principal, intent, op, &decision);
        work.apply(decision.changes)?;
        work.tx().put_op(&LoggedOp {
            epoch: outbox.epoch,
            n,
            uid: Some(op.uid()),
            chain,
            outcome: outcome.cbor(),
            body: is_kept.then_some(bytes),
            received: self.now,
        })?;
        outbox.last_n = n;
        outbox.chain = chain;
        Ok(outcome)
    }

    /// Writes the audit entry of an op.
    fn note(&self, work: &mut Work<'_>, principal: &Principal, intent: &Intent, op: &Op, decision: &Decision) {
        let mut salt = [0; 16];
        (self.random)(&mut salt);
        let scope = decision_scope(decision).unwrap_or_else(|| home_scope(principal));
        let action = intent.name().text();
        let body = audit_body(salt, self.now, self.by, action, verdict_text(decision));
        work.audit(scope, AuditBody { object: Some(target(intent).unwrap_or_else(|| op.row_id())), ..body });
    }
}

/// Where an entry goes that changed nothing: the first place that the actor holds.
pub fn home_scope(principal: &Principal) -> ScopeId {
    let mut held = principal.holdings.iter().filter(|holding| holding.ended.is_none());
    held.next().or(principal.holdings.first()).map_or(INSTALLATION, |holding| holding.scope)
}

/// The row that an intent is about, when it is about one that exists.
fn target(intent: &Intent) -> Option<Uuid> {
    match intent {
        Intent::HouseholdSet(body)
        | Intent::PersonSet(body)
        | Intent::BusinessSet(body)
        | Intent::ProductSet(body)
        | Intent::MarketSet(body)
        | Intent::PlanSet(body)
        | Intent::UnitSet(body)
        | Intent::TeamSet(body)
        | Intent::CampaignSet(body)
        | Intent::TargetSet(body) => Some(body.id),
        Intent::HouseholdMove(body) => Some(body.id),
        Intent::HouseholdMerge(body) => Some(body.winner.0),
        Intent::HouseholdUnmerge(body) => Some(body.loser.0),
        Intent::VisitSubmit(body) => Some(body.visit.0),
        Intent::VisitCorrect(body) => Some(body.visit.0),
        Intent::VisitVoid(body) => Some(body.visit.0),
        Intent::VisitReturn(body) => Some(body.visit.0),
        Intent::VisitApprove(body) => Some(body.visit.0),
        Intent::PlanCancel(body) => Some(body.plan.0),
        Intent::CaseResolve(body) => Some(body.case.0),
        Intent::CaseAdvance(body) => Some(body.case.0),
        Intent::CampaignPublish(body) => Some(body.campaign.0),
        Intent::CampaignClose(body) => Some(body.campaign.0),
        Intent::TargetPublish(body) => Some(body.target.0),
        Intent::RecognitionAdvance(body) => Some(body.recognition.0),
        Intent::ReportReturn(body) => Some(body.report.0),
        Intent::ReportAccept(body) => Some(body.report.0),
        Intent::SupportRevoke(body) => Some(body.certificate.0),
        Intent::MemberEnd(body) => Some(body.member.0),
        Intent::GrantEnd(body) => Some(body.grant.0),
        Intent::UnitCreate(body) => body.id,
        Intent::ReorganisationRecord(body) => Some(body.id),
        Intent::ReorganisationUndo(body) => Some(body.id),
        Intent::AnnouncementWithdraw(body) => Some(body.announcement.0),
        Intent::HouseholdCreate(_)
        | Intent::PersonCreate(_)
        | Intent::BusinessCreate(_)
        | Intent::ProductCreate(_)
        | Intent::MarketCreate(_)
        | Intent::VisitRecord(_)
        | Intent::PlanCreate(_)
        | Intent::TeamCreate(_)
        | Intent::MemberAdd(_)
        | Intent::GrantGive(_)
        | Intent::UserCreate(_)
        | Intent::PeriodSet(_)
        | Intent::CaseOpen(_)
        | Intent::CampaignCreate(_)
        | Intent::AnnouncementPublish(_)
        | Intent::TargetCreate(_)
        | Intent::DenominatorSet(_)
        | Intent::ManualSet(_)
        | Intent::RecognitionPropose(_)
        | Intent::ReportSave(_)
        | Intent::ReportSubmit(_)
        | Intent::CourseRunRecord(_)
        | Intent::CourseResultSet(_)
        | Intent::SupportSign(_) => None,
    }
}

/// Somebody asks for what their role does not have anywhere. `decide` would say "not found", because it never tells what
/// exists; that the desk has no such button for them is no secret.
fn not_a_function() -> Decision {
    Decision {
        verdict: Verdict::Rejected,
        code: Some(Code::NotAllowed),
        field: None,
        rule: None,
        ver: None,
        case: None,
        changes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(flagged: usize, looked_at_flagged: usize, plain: usize, looked_at_plain: usize) -> Vec<(Pick, bool)> {
        let mut n = 0;
        let mut pick = |looked_at: bool, is_flagged: bool| {
            n += 1;
            (Pick { visit: VisitId(Uuid::from_u128(n)), hash: [0; 16], looked_at }, is_flagged)
        };
        let mut all: Vec<_> = (0..flagged).map(|at| pick(at < looked_at_flagged, true)).collect();
        all.extend((0..plain).map(|at| pick(at < looked_at_plain, false)));
        all
    }

    #[test]
    fn every_flagged_visit_and_a_tenth_of_the_others_must_be_looked_at() {
        for (flagged, seen_flagged, plain, seen_plain, enough) in [
            (0, 0, 1, 1, true),
            (0, 0, 1, 0, false),
            (0, 0, 10, 1, true),
            (0, 0, 11, 1, false),
            (0, 0, 11, 2, true),
            (3, 3, 0, 0, true),
            (3, 2, 10, 10, false),
        ] {
            let checked = check_sample(&picks(flagged, seen_flagged, plain, seen_plain));
            assert_eq!(checked.is_ok(), enough, "{flagged} {seen_flagged} {plain} {seen_plain}");
        }
        let gap = check_sample(&picks(2, 1, 21, 0)).unwrap_err();
        assert_eq!((gap.flagged.len(), gap.needed, gap.looked_at), (1, 3, 0));
    }

    #[test]
    fn each_user_has_a_desk_outbox_of_their_own() {
        let (one, two) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        assert_ne!(first_epoch_of(one), first_epoch_of(two));
        assert_ne!(device_of(one), device_of(two));
        assert_eq!(first_epoch_of(one), first_epoch_of(one));
    }
}
