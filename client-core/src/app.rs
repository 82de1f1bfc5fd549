//! The messages that a screen sends: one name, arguments in JSON, an answer in JSON. Screens hold no rule; whatever is
//! asked or wanted goes through here to the store.
//!
//! Every call that writes carries `call`, 16 random bytes that the screen drew when the person pressed. They become the
//! op's salt: a call that is repeated because its answer was lost saves nothing a second time (docs/PROTOCOL.md, I6).

mod args;
mod form;
mod views;

#[cfg(feature = "ts")]
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use sync_protocol::calendar::{Period as Span, PeriodKind};
use sync_protocol::catalogue::Catalogue;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::course::Courses;
use sync_protocol::decide::reporting_month;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::indicator::{Indicators, View};
use sync_protocol::op::{ApproveVisit, CreateRow, Intent, MoveRow, ResolveCase, ReturnVisit, VisitRef, VoidVisit};
use sync_protocol::qr::{PaymentQr, acquirers};
use sync_protocol::row::{ByKey, GroupKey, RowType};
use sync_protocol::workflow::VisitStatus;
use uuid::Uuid;

pub use args::*;
pub use form::VisitForm;
pub use views::*;

use crate::error::{Error, Refused};
use crate::store::*;
use crate::sync::{Event, Failure, Instruction, Session, rescue_file};
use crate::{Random, Store};

/// Why a call did not do what was asked.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Problem {
    /// A stable code.
    pub code: String,
    /// In plain Vietnamese.
    pub vi: String,
    /// In plain English.
    pub en: String,
    /// What it is about: a field, or `activities[2].step`.
    pub field: Option<String>,
    /// Everything that is wrong with a form, each at its field.
    pub findings: Vec<FormFinding>,
}

impl Problem {
    fn new(code: &str, vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code: code.to_owned(), vi: vi.into(), en: en.into(), field: None, findings: Vec::new() }
    }

    /// The page asked for something that this core does not know: the two are of different versions.
    fn usage(detail: impl std::fmt::Display) -> Self {
        Self::new(
            "bad_call",
            format!("Màn hình và phần lõi không khớp ({detail}). Hãy tải lại trang; dữ liệu đã lưu vẫn còn."),
            format!("Page and core do not fit ({detail}). Reload the page; everything saved is still there."),
        )
    }

    fn of_practice() -> Self {
        Self::new(
            "practice",
            "Đang tập dượt: không gửi và không xuất được.",
            "This is practice: nothing can be sent or written.",
        )
    }

    fn of_findings(findings: Vec<FormFinding>) -> Self {
        let first = findings.first();
        Self {
            code: "validation_failed".into(),
            vi: first.map_or_else(String::new, |finding| finding.vi.clone()),
            en: first.map_or_else(String::new, |finding| finding.en.clone()),
            field: first.and_then(|finding| finding.field.clone()),
            findings,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let mut problem = Self::new(error.code(), error.vi(), error.en());
        if let Error::Refused(Refused { field, .. }) = error {
            problem.field = field;
        }
        problem
    }
}

/// What would reach beyond a practice store.
const NOT_IN_PRACTICE: [&str; 4] = ["device_key", "enrolled", "access_token", "rescue_export"];

/// What a call ends with.
pub type Answer<T> = Result<T, Problem>;

/// A phone: its store, its session with the server, and the messages of its screens.
pub struct App {
    store: Store,
    session: Session,
    random: Box<dyn Random>,
    is_practice: bool,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Declares every message once: the dispatcher and the description for TypeScript come from the same list.
macro_rules! messages {
    ($($(#[doc = $doc:literal])+ $name:ident($args:ty) -> $answer:ty;)+) => {
        impl App {
            /// Names of all messages.
            pub const MESSAGES: &'static [&'static str] = &[$(stringify!($name),)+];

            /// Answers a message.
            ///
            /// # Errors
            /// A [`Problem`] that a person can act on.
            pub fn call(&mut self, name: &str, args: Json, now: ClaimedMs) -> Answer<Json> {
                if self.is_practice && NOT_IN_PRACTICE.contains(&name) {
                    return Err(Problem::of_practice());
                }
                match name {
                    $(stringify!($name) => give(self.$name(read::<$args>(args)?, now)?),)+
                    _ => Err(Problem::usage(name)),
                }
            }
        }

        /// The messages and their types as TypeScript.
        #[cfg(feature = "ts")]
        pub fn typescript() -> String {
            use ts_rs::TS;
            let config = ts_rs::Config::new().with_large_int("number");
            let mut types = Types { config, texts: BTreeMap::new() };
            Problem::visit_dependencies(&mut types);
            types.put::<Problem>();
            types.put::<crate::sync::SyncSummary>();
            $(types.put::<$args>(); types.put::<$answer>();)+
            let mut text = String::from("// Made from client-core/src/app.rs by `cargo xtask web`; not to be edited.\n\n");
            text.extend(types.texts.into_values());
            text.push_str("/** Every message: its arguments and its answer. */\nexport interface Messages {\n");
            $(
                text.push_str("  /**"); $(text.push_str($doc);)+ text.push_str(" */\n");
                text.push_str(&format!(
                    "  {}: [{}, {}];\n", stringify!($name), <$args as TS>::name(&types.config), <$answer as TS>::name(&types.config)
                ));
            )+
            text.push_str("}\n");
            text
        }
    };
}

#[cfg(feature = "ts")]
struct Types {
    config: ts_rs::Config,
    /// By name: the order in which they are met differs between builds.
    texts: BTreeMap<String, String>,
}

#[cfg(feature = "ts")]
impl Types {
    fn put<T: ts_rs::TS + 'static + ?Sized>(&mut self) {
        use ts_rs::TypeVisitor;
        T::visit_dependencies(self);
        T::visit_generics(self);
        self.visit::<T>();
    }
}

#[cfg(feature = "ts")]
impl ts_rs::TypeVisitor for Types {
    fn visit<T: ts_rs::TS + 'static + ?Sized>(&mut self) {
        // What has no file of its own is written where it is used; it may have no name either.
        if T::output_path().is_none() {
            return;
        }
        let name = T::ident(&self.config);
        if self.texts.contains_key(&name) {
            return;
        }
        let text = format!("{}export {}\n\n", T::docs().unwrap_or_default(), T::decl(&self.config));
        self.texts.insert(name, text);
        T::visit_dependencies(self);
        T::visit_generics(self);
    }
}

fn read<T: DeserializeOwned>(args: Json) -> Answer<T> {
    serde_json::from_value(args).map_err(Problem::usage)
}

fn give<T: Serialize>(answer: T) -> Answer<Json> {
    serde_json::to_value(answer).map_err(Problem::usage)
}

messages! {
    /// Who uses this phone, what waits, what day it is.
    state(NoArgs) -> AppState;
    /// The device's public key for an enrolment, SEC1 compressed, in hex. Made on first use.
    device_key(NoArgs) -> String;
    /// Keeps what the server gave at an enrolment.
    enrolled(EnrolAnswer) -> AppState;
    /// The access token for JSON calls.
    access_token(NoArgs) -> String;
    /// The home screen.
    today(OnDay) -> TodayView;
    /// The villages where this person works, each with its teams.
    places(NoArgs) -> Vec<PlaceView>;
    /// Colleagues.
    members(NoArgs) -> Vec<MemberView>;
    /// What is still owed from earlier visits, and planned visits.
    plans(PlansArgs) -> Vec<PlanView>;
    /// Households: all, or those that fit what was typed.
    households(HouseholdsArgs) -> Vec<HouseholdHit>;
    /// One household with its history.
    household(ById) -> HouseholdView;
    /// Households that may be the one that somebody is about to enter.
    similar(NewHouseholdArgs) -> Vec<Similar>;
    /// Enters a household.
    household_create(HouseholdCreateArgs) -> Saved;
    /// Changes a household.
    household_set(HouseholdSetArgs) -> Saved;
    /// Sends a household to another village.
    household_move(HouseholdMoveArgs) -> Saved;
    /// Visits.
    visits(VisitsArgs) -> Vec<VisitLineView>;
    /// One visit with its answers, its review and its way to the server.
    visit(ById) -> VisitView;
    /// Visits that were sent back, with the reviewer's words.
    returned(NoArgs) -> Vec<Returned>;
    /// What the rules would say about a form as it stands.
    form_check(FormArgs) -> Vec<FormFinding>;
    /// Drafts, the last one touched first.
    drafts(NoArgs) -> Vec<DraftView>;
    /// One draft.
    draft(ById) -> DraftView;
    /// Begins a draft: from here on nothing that is typed gets lost.
    draft_begin(DraftBeginArgs) -> DraftView;
    /// Begins a draft that corrects a visit.
    draft_correct(DraftCorrectArgs) -> DraftView;
    /// Keeps what a form holds now, right or not yet.
    draft_keep(DraftKeepArgs) -> DraftView;
    /// Throws a draft away.
    draft_discard(ById) -> NoArgs;
    /// Finishes a draft: it becomes a visit or a correction.
    draft_finish(DraftFinishArgs) -> Saved;
    /// Hands a visit in.
    visit_submit(WriteArgs) -> Saved;
    /// Declares a visit void.
    visit_void(VisitVoidArgs) -> Saved;
    /// Sends a visit back (leaders).
    visit_return(VisitReturnArgs) -> Saved;
    /// Approves a visit (officers).
    visit_approve(WriteArgs) -> Saved;
    /// Plans a visit.
    plan_create(PlanCreateArgs) -> Saved;
    /// Calls a planned visit off.
    plan_cancel(PlanCancelArgs) -> Saved;
    /// Cases in which people disagree.
    conflicts(ConflictsArgs) -> Vec<ConflictView>;
    /// Settles one with one of its sides.
    conflict_settle(ConflictSettleArgs) -> Saved;
    /// The counts of a reporting month: recorded, confirmed, approved.
    counts(MonthArgs) -> Counts;
    /// Why a visit counts where it does.
    explain(ById) -> Explanation;
    /// What in the visits of one's own teams is worth a second look, and why.
    signals(OnDay) -> Vec<SignalView>;
    /// The figures of a village, worked out here.
    figures(FiguresArgs) -> FiguresView;
    /// Every op that is kept.
    outbox(NoArgs) -> Vec<OutboxOp>;
    /// Ops that were refused or are kept for later.
    attention(NoArgs) -> Vec<OutboxOp>;
    /// A refused op has been dealt with.
    dismiss(ById) -> NoArgs;
    /// What is not sent yet, as a file that only the server can read: for when it cannot be sent.
    rescue_export(NoArgs) -> RescueExport;
    /// Announcements in force today.
    announcements(OnDay) -> Vec<AnnouncementView>;
    /// Campaigns that hold for a village, with its own counts.
    campaigns(CampaignsArgs) -> Vec<CampaignView>;
    /// Cases from the field of the villages on this phone, with their answers.
    field_cases(NoArgs) -> Vec<FieldCase>;
    /// The courses that this phone carries, with the person's own results.
    courses(NoArgs) -> Vec<CourseView>;
    /// One course: its cards and its questions.
    course(CourseArgs) -> CourseContentView;
    /// Scores a quiz and keeps the result.
    quiz(QuizArgs) -> QuizView;
    /// What an activity can name: businesses, products, markets, persons, needs.
    subjects(SubjectsArgs) -> Vec<SubjectView>;
    /// Enters a business.
    business_create(BusinessCreateArgs) -> Saved;
    /// Enters a product.
    product_create(ProductCreateArgs) -> Saved;
    /// Enters a person, who agreed to it.
    person_create(PersonCreateArgs) -> Saved;
    /// The teams that this person leads, with their members and targets.
    team_overview(OnDay) -> Vec<TeamOverview>;
    /// The catalogue of activities: what a form asks.
    catalogue(NoArgs) -> Json;
    /// Reads a payment code. Account and name are dropped while reading.
    payment_code(PaymentCodeArgs) -> PaymentCodeView;
    /// Looks for damage: pages, proofs, everything derived.
    doctor(NoArgs) -> DoctorView;
}

impl App {
    /// A phone on an open store.
    pub fn new(store: Store, random: Box<dyn Random>) -> Self {
        Self { store, session: Session::new(), random, is_practice: false }
    }

    /// A phone to practise on: a made-up village in memory. It talks to no server and is gone when it is dropped.
    ///
    /// # Errors
    /// [`Problem`] when there is no memory for it.
    pub fn practice(display_name: &str, mut random: Box<dyn Random>) -> Answer<Self> {
        let store = Store::practice(display_name, &mut *random)?;
        Ok(Self { store, session: Session::new(), random, is_practice: true })
    }

    /// The store, for a host that does more than screens do.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Begins a sync. `pressed`: a person asked for it.
    pub fn sync_start(&mut self, pressed: bool, now: ClaimedMs) -> Answer<Instruction> {
        self.sync(Event::Start { now, user_pressed: pressed })
    }

    /// What the server answered, whole or cut.
    pub fn sync_received(&mut self, body: Vec<u8>, now: ClaimedMs) -> Answer<Instruction> {
        self.sync(Event::Received { body, now })
    }

    /// There was no answer. `status` is HTTP's, 0 when nothing came; `retry_after_s` what the server asked for.
    pub fn sync_failed(&mut self, status: u16, retry_after_s: u64, now: ClaimedMs) -> Answer<Instruction> {
        self.sync(Event::Failed { kind: Failure::of_status(status, retry_after_s), now })
    }

    fn sync(&mut self, event: Event) -> Answer<Instruction> {
        if self.is_practice {
            return Err(Problem::of_practice());
        }
        Ok(self.session.on(&mut self.store, &mut *self.random, event)?)
    }

    fn save(&mut self, call: Uuid, intent: Intent, now: ClaimedMs) -> Answer<Saved> {
        Ok(self.store.save_once(intent, Salt(*call.as_bytes()), now)?)
    }

    fn state(&mut self, _: NoArgs, now: ClaimedMs) -> Answer<AppState> {
        let drafts = self.store.drafts()?.len() as u64;
        Ok(AppState {
            identity: self.store.identity()?,
            sync: self.store.sync_state()?,
            drafts,
            day: Day::of_ms(now.0).to_string(),
            month: reporting_month(Day::of_ms(now.0)).to_string(),
            schema: SCHEMA,
            catalogue: Catalogue::shipped().version().to_owned(),
            practice: self.is_practice,
        })
    }

    fn device_key(&mut self, _: NoArgs, _: ClaimedMs) -> Answer<String> {
        let key = self.store.device_public_key(&mut *self.random)?;
        Ok(key.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn enrolled(&mut self, answer: EnrolAnswer, now: ClaimedMs) -> Answer<AppState> {
        self.store.enrol(answer.enrolment().ok_or_else(|| Problem::usage("enrolment"))?, &mut *self.random)?;
        self.state(NoArgs {}, now)
    }

    fn access_token(&mut self, _: NoArgs, _: ClaimedMs) -> Answer<String> {
        Ok(self.store.tokens()?.1)
    }

    fn today(&mut self, args: OnDay, now: ClaimedMs) -> Answer<TodayView> {
        let today = self.store.today(self.day(args.day.as_deref(), now)?)?;
        let visits = today.visits.iter().map(|visit| self.visit_line(visit)).collect::<Answer<_>>()?;
        Ok(TodayView {
            day: today.day,
            plans: today.plans,
            visits,
            follow_ups: today.follow_ups,
            drafts: today.drafts,
            returned: today.returned,
            not_yet_synced: today.not_yet_synced,
            needs_attention: today.needs_attention,
            conflicts: self.store.cases(true)?.len() as u64,
        })
    }

    fn places(&mut self, _: NoArgs, _: ClaimedMs) -> Answer<Vec<PlaceView>> {
        let Some(identity) = self.store.identity()? else { return Ok(Vec::new()) };
        let units = self.store.units()?;
        let teams = self.store.teams()?;
        let members = self.store.members()?;
        let mine =
            |team: &TeamView| members.iter().any(|member| member.user == identity.user && member.team == team.id);
        let mut places = Vec::new();
        for unit in units.iter().filter(|unit| unit.level == "village") {
            let roles: Vec<String> = identity
                .holdings
                .iter()
                .filter(|held| held.scope == unit.id.into())
                .map(|held| held.role.clone())
                .collect();
            if roles.is_empty() {
                continue;
            }
            let parent = unit.parent.and_then(|parent| units.iter().find(|unit| unit.id == parent));
            let mut here: Vec<TeamView> =
                teams.iter().filter(|team| team.unit == unit.id || Some(team.unit) == unit.parent).cloned().collect();
            // A person's own team first, then that of the village, then that of the commune.
            here.sort_by_key(|team| (!mine(team), team.unit != unit.id));
            places.push(PlaceView {
                village: unit.clone(),
                commune: parent.map(|parent| parent.name.clone()),
                roles,
                teams: here,
            });
        }
        Ok(places)
    }

    fn members(&mut self, _: NoArgs, _: ClaimedMs) -> Answer<Vec<MemberView>> {
        Ok(self.store.members()?)
    }

    fn plans(&mut self, args: PlansArgs, now: ClaimedMs) -> Answer<Vec<PlanView>> {
        let today = Day::of_ms(now.0);
        Ok(if args.follow_ups { self.store.follow_ups(today)? } else { self.store.plans(!args.all, today)? })
    }

    fn households(&mut self, args: HouseholdsArgs, _: ClaimedMs) -> Answer<Vec<HouseholdHit>> {
        let limit = args.limit.unwrap_or(50) as usize;
        if !args.query.trim().is_empty() {
            return Ok(self.store.search_households(&args.query, limit)?);
        }
        let mut all = self.store.households()?;
        all.truncate(limit);
        Ok(all)
    }

    fn household(&mut self, args: ById, now: ClaimedMs) -> Answer<HouseholdView> {
        let page = self.store.household(HouseholdId(args.id), 30, Day::of_ms(now.0))?;
        let visits = page.visits.iter().map(|visit| self.visit_line(visit)).collect::<Answer<_>>()?;
        Ok(HouseholdView {
            household: page.household,
            seen_ver: page.seen_ver.0.to_string(),
            class: page.class,
            adults_15_plus: page.adults_15_plus,
            consent: page.consent.map(|consent| ConsentView {
                purposes: consent.purposes,
                given: consent.given.to_string(),
                withdrawn: consent.withdrawn.map(|day| day.to_string()),
            }),
            conflicts: page.cases.len() as u64,
            visits,
            plans: page.plans,
        })
    }

    fn similar(&mut self, args: NewHouseholdArgs, _: ClaimedMs) -> Answer<Vec<Similar>> {
        let NewHouseholdArgs { village, label, landmark, head, phone } = args;
        Ok(self.store.similar_households(&NewHousehold {
            scope: village.map(ScopeId),
            label,
            landmark,
            head,
            phone,
        })?)
    }

    fn household_create(&mut self, args: HouseholdCreateArgs, now: ClaimedMs) -> Answer<Saved> {
        let groups = args.groups.groups(None, Day::of_ms(now.0))?;
        let body = CreateRow {
            scope: ScopeId(args.village),
            groups: ByKey(groups.into_iter().collect()),
            id: None,
            ext: Ext::default(),
        };
        self.save(args.call, Intent::HouseholdCreate(body), now)
    }

    fn household_set(&mut self, args: HouseholdSetArgs, now: ClaimedMs) -> Answer<Saved> {
        let page = self.store.household(HouseholdId(args.id), 0, Day::of_ms(now.0))?;
        let groups = args.groups.groups(Some(&page), Day::of_ms(now.0))?;
        let body = sync_protocol::op::SetGroups {
            id: args.id,
            base_ver: ver(&args.seen_ver)?,
            groups: ByKey(groups.into_iter().collect()),
            ext: Ext::default(),
        };
        self.save(args.call, Intent::HouseholdSet(body), now)
    }

    fn household_move(&mut self, args: HouseholdMoveArgs, now: ClaimedMs) -> Answer<Saved> {
        let body = MoveRow { id: args.id, base_ver: ver(&args.seen_ver)?, to: ScopeId(args.to), ext: Ext::default() };
        self.save(args.call, Intent::HouseholdMove(body), now)
    }

    fn visits(&mut self, args: VisitsArgs, now: ClaimedMs) -> Answer<Vec<VisitLineView>> {
        let status = match args.status.as_deref() {
            Some(code) => Some(VisitStatus::from_code(code).ok_or_else(|| Problem::usage(code))?),
            None => None,
        };
        let day = |day: &Option<String>| day.as_deref().map(|day| self.day(Some(day), now)).transpose();
        let filter = VisitFilter {
            household: args.household.map(HouseholdId),
            status,
            from: day(&args.from)?,
            to: day(&args.to)?,
            limit: args.limit.unwrap_or(100) as usize,
        };
        self.store.visits(&filter)?.iter().map(|visit| self.visit_line(visit)).collect()
    }

    fn visit(&mut self, args: ById, _: ClaimedMs) -> Answer<VisitView> {
        let id = VisitId(args.id);
        let page = self.store.visit(id)?;
        let form = VisitForm::of_content(&page.content, &page.activities);
        Ok(VisitView {
            line: self.visit_line(&page.summary)?,
            delivery: page.delivery,
            form,
            content_awaited: page.content_awaited,
            activities: page.activities,
            review: page.review,
            conflicts: page.cases.iter().map(|case| case.0).collect(),
            author_name: page.author_name,
        })
    }

    fn returned(&mut self, _: NoArgs, _: ClaimedMs) -> Answer<Vec<Returned>> {
        Ok(self.store.returned()?)
    }

    fn form_check(&mut self, args: FormArgs, now: ClaimedMs) -> Answer<Vec<FormFinding>> {
        Ok(match self.content(&args.form, None) {
            Ok(content) => match self.findings(&content) {
                findings if findings.iter().any(|finding| finding.severity == "error") => findings,
                findings => match self.store.check_visit(&content, now) {
                    Ok(()) => findings,
                    Err(Error::Refused(refused)) => vec![FormFinding::of_refused(refused)],
                    Err(error) => return Err(error.into()),
                },
            },
            Err(problem) if !problem.findings.is_empty() => problem.findings,
            Err(problem) => return Err(problem),
        })
    }

    fn drafts(&mut self, _: NoArgs, _: ClaimedMs) -> Answer<Vec<DraftView>> {
        let drafts = self.store.drafts()?;
        drafts.into_iter().map(|draft| self.draft_view(draft)).collect()
    }

    fn draft(&mut self, args: ById, _: ClaimedMs) -> Answer<DraftView> {
        let draft = self.store.draft(args.id)?;
        self.draft_view(draft)
    }

    fn draft_begin(&mut self, args: DraftBeginArgs, now: ClaimedMs) -> Answer<DraftView> {
        let body = self.draft_body(args.form, None)?;
        let id = self.store.begin_draft_once(&body, Salt(*args.call.as_bytes()), now)?;
        self.draft(ById { id }, now)
    }

    fn draft_correct(&mut self, args: DraftCorrectArgs, now: ClaimedMs) -> Answer<DraftView> {
        let visit = VisitId(args.visit);
        // A correction that was begun goes on where it was left.
        if let Some(begun) = self.store.drafts()?.into_iter().find(|draft| draft.body.corrects == Some(visit)) {
            return self.draft_view(begun);
        }
        let page = self.store.visit(visit)?;
        let form = VisitForm::of_content(&page.content, &page.activities);
        let body = DraftBody {
            content: page.content,
            plan: None,
            corrects: Some(visit),
            base_ver: Some(self.store.visit_base_ver(visit)?),
            form: Some(serde_json::to_string(&form).map_err(Problem::usage)?),
            ext: Ext::default(),
        };
        let id = self.store.begin_draft_once(&body, Salt(*args.call.as_bytes()), now)?;
        self.draft(ById { id }, now)
    }

    fn draft_keep(&mut self, args: DraftKeepArgs, now: ClaimedMs) -> Answer<DraftView> {
        let before = self.store.draft(args.id)?;
        let body = self.draft_body(args.form, Some(before.body))?;
        self.store.update_draft(args.id, &body, now)?;
        self.draft(ById { id: args.id }, now)
    }

    fn draft_discard(&mut self, args: ById, _: ClaimedMs) -> Answer<NoArgs> {
        self.store.discard_draft(args.id)?;
        Ok(NoArgs {})
    }

    fn draft_finish(&mut self, args: DraftFinishArgs, now: ClaimedMs) -> Answer<Saved> {
        // The answer of the first attempt may have been lost with the page.
        if let Some(saved) = self.store.saved_row(args.id)? {
            return Ok(saved);
        }
        let before = self.store.draft(args.id)?;
        let content = self.content(&args.form, before.body.corrects)?;
        let errors: Vec<FormFinding> =
            self.findings(&content).into_iter().filter(|finding| finding.severity == "error").collect();
        if !errors.is_empty() {
            return Err(Problem::of_findings(errors));
        }
        let form = serde_json::to_string(&args.form).map_err(Problem::usage)?;
        let body = DraftBody { content, plan: args.form.plan.map(PlanId), form: Some(form), ..before.body };
        self.store.update_draft(args.id, &body, now)?;
        Ok(self.store.finish_draft(args.id, args.submit)?)
    }

    fn visit_submit(&mut self, args: WriteArgs, now: ClaimedMs) -> Answer<Saved> {
        self.save(args.call, Intent::VisitSubmit(VisitRef { visit: VisitId(args.id), ext: Ext::default() }), now)
    }

    fn visit_void(&mut self, args: VisitVoidArgs, now: ClaimedMs) -> Answer<Saved> {
        let reason = VoidReason { code: args.code, text: args.text, ext: Ext::default() };
        let body = VoidVisit { visit: VisitId(args.id), reason: Raw(reason.cbor()), ext: Ext::default() };
        self.save(args.call, Intent::VisitVoid(body), now)
    }

    fn visit_return(&mut self, args: VisitReturnArgs, now: ClaimedMs) -> Answer<Saved> {
        let visit = VisitId(args.id);
        let hash = self.store.visit(visit)?.hash;
        let reasons = args.reasons.into_iter().map(ReturnReasonArgs::reason).collect();
        let body = ReturnVisit { visit, hash, reasons, note: args.note, ext: Ext::default() };
        self.save(args.call, Intent::VisitReturn(body), now)
    }

    fn visit_approve(&mut self, args: WriteArgs, now: ClaimedMs) -> Answer<Saved> {
        let visit = VisitId(args.id);
        let hash = self.store.visit(visit)?.hash;
        self.save(args.call, Intent::VisitApprove(ApproveVisit { visit, hash, batch: None, ext: Ext::default() }), now)
    }

    fn plan_create(&mut self, args: PlanCreateArgs, now: ClaimedMs) -> Answer<Saved> {
        let task = PlanTask {
            village: UnitId(args.village),
            household: args.household.map(HouseholdId),
            visit_type: args.visit_type,
            planned_for: self.day(Some(&args.day), now)?,
            kinds: args.kinds,
            note: args.note,
            follows: args.follows.map(VisitId),
            ext: Ext::default(),
        };
        let assignee = PlanAssignee { team: TeamId(args.team), user: args.user.map(UserId), ext: Ext::default() };
        let groups = [(plan::TASK, Raw(task.cbor())), (plan::ASSIGNEE, Raw(assignee.cbor()))];
        let body = CreateRow {
            scope: ScopeId(args.village),
            groups: ByKey(groups.into_iter().collect()),
            id: None,
            ext: Ext::default(),
        };
        self.save(args.call, Intent::PlanCreate(body), now)
    }

    fn plan_cancel(&mut self, args: PlanCancelArgs, now: ClaimedMs) -> Answer<Saved> {
        let body = sync_protocol::op::CancelPlan { plan: PlanId(args.id), reason: args.reason, ext: Ext::default() };
        self.save(args.call, Intent::PlanCancel(body), now)
    }

    fn conflicts(&mut self, args: ConflictsArgs, _: ClaimedMs) -> Answer<Vec<ConflictView>> {
        let mut views = Vec::new();
        for case in self.store.cases(!args.all)? {
            let household = match case.ty {
                RowType::HOUSEHOLD => Some(HouseholdId(case.subject)),
                RowType::VISIT_STATE => self.store.visit(VisitId(case.subject))?.summary.household,
                _ => None,
            };
            views.push(ConflictView {
                id: case.id.0,
                seen_ver: self.store.seen_ver(RowType::CASE, case.id.0)?.0.to_string(),
                about: about(case.ty).to_owned(),
                group: case.group,
                subject: case.subject,
                household_label: household.map(|id| self.store.household_label(id)).transpose()?.flatten(),
                sides: case
                    .sides
                    .into_iter()
                    .map(|side| ConflictSideView {
                        words: side.words,
                        visit: side.content.map(|content| VisitForm::of_content(&content, &[])),
                        author_name: side.author_name,
                        at_ms: side.at.map(|at| at.0),
                    })
                    .collect(),
                open: case.open,
            });
        }
        Ok(views)
    }

    fn conflict_settle(&mut self, args: ConflictSettleArgs, now: ClaimedMs) -> Answer<Saved> {
        let case = self.store.case(CaseId(args.id))?;
        let side = case.sides.get(args.side as usize).ok_or(Error::NotFound)?;
        let body = ResolveCase {
            case: case.id,
            base_ver: ver(&args.seen_ver)?,
            value: side.value.clone(),
            ext: Ext::default(),
        };
        self.save(args.call, Intent::CaseResolve(body), now)
    }

    fn counts(&mut self, args: MonthArgs, now: ClaimedMs) -> Answer<Counts> {
        let month = self.month(args.month.as_deref(), now)?;
        Ok(self.store.counts(month)?)
    }

    fn explain(&mut self, args: ById, _: ClaimedMs) -> Answer<Explanation> {
        Ok(self.store.explain(VisitId(args.id))?)
    }

    fn signals(&mut self, args: OnDay, now: ClaimedMs) -> Answer<Vec<SignalView>> {
        let day = self.day(args.day.as_deref(), now)?;
        Ok(self.store.signals(day)?)
    }

    fn figures(&mut self, args: FiguresArgs, now: ClaimedMs) -> Answer<FiguresView> {
        let month = self.month(args.month.as_deref(), now)?;
        let span = args.span.as_deref().unwrap_or("month");
        let kind = PeriodKind::from_code(span).ok_or_else(|| Problem::usage(span))?;
        let span = Span::of_month(kind, month);
        let (view, rows) =
            if args.official { (View::Official, RowsOf::Server) } else { (View::Provisional, RowsOf::Phone) };
        let figures = self.store.figures(UnitId(args.unit), span, view, rows)?;
        Ok(FiguresView::of(&figures, Indicators::shipped()))
    }

    fn announcements(&mut self, args: OnDay, now: ClaimedMs) -> Answer<Vec<AnnouncementView>> {
        let day = self.day(args.day.as_deref(), now)?;
        Ok(self.store.announcements(day)?)
    }

    fn campaigns(&mut self, args: CampaignsArgs, now: ClaimedMs) -> Answer<Vec<CampaignView>> {
        let day = self.day(args.day.as_deref(), now)?;
        Ok(self.store.campaigns(UnitId(args.village), day)?)
    }

    fn field_cases(&mut self, _: NoArgs, _: ClaimedMs) -> Answer<Vec<FieldCase>> {
        Ok(self.store.field_cases()?)
    }

    fn courses(&mut self, _: NoArgs, _: ClaimedMs) -> Answer<Vec<CourseView>> {
        Ok(self.store.courses()?)
    }

    fn course(&mut self, args: CourseArgs, _: ClaimedMs) -> Answer<CourseContentView> {
        Ok(CourseContentView::of(Courses::shipped().course(&args.code).ok_or(Error::NotFound)?))
    }

    fn quiz(&mut self, args: QuizArgs, now: ClaimedMs) -> Answer<QuizView> {
        let chosen: Vec<BTreeSet<String>> = args.chosen.into_iter().map(|codes| codes.into_iter().collect()).collect();
        let taken = self.store.take_quiz_once(&args.code, &chosen, Salt(*args.call.as_bytes()), now)?;
        Ok(QuizView { right: taken.right, of: taken.of, passed: taken.passed })
    }

    fn outbox(&mut self, _: NoArgs, _: ClaimedMs) -> Answer<Vec<OutboxOp>> {
        Ok(self.store.outbox()?)
    }

    fn attention(&mut self, _: NoArgs, _: ClaimedMs) -> Answer<Vec<OutboxOp>> {
        Ok(self.store.needs_attention()?)
    }

    fn dismiss(&mut self, args: ById, _: ClaimedMs) -> Answer<NoArgs> {
        self.store.dismiss(OpUid(args.id))?;
        Ok(NoArgs {})
    }

    fn subjects(&mut self, args: SubjectsArgs, _: ClaimedMs) -> Answer<Vec<SubjectView>> {
        let wanted = SubjectFilter {
            village: ScopeId(args.village),
            household: args.household.map(HouseholdId),
            business: args.business.map(BusinessId),
        };
        Ok(match args.of.as_str() {
            "business" => self.store.businesses_to_pick(wanted)?,
            "product" => self.store.products_to_pick(wanted)?,
            "person" => self.store.persons_to_pick(wanted)?,
            "case" => self.store.device_needs(wanted)?,
            "market" => {
                let view = |market: MarketView| SubjectView {
                    id: market.id.0,
                    name: market.name,
                    detail: None,
                    words: market.days,
                    here: false,
                    waiting: false,
                };
                self.store.markets()?.into_iter().map(view).collect()
            }
            other => return Err(Problem::usage(other)),
        })
    }

    fn business_create(&mut self, args: BusinessCreateArgs, now: ClaimedMs) -> Answer<Saved> {
        let body = create(args.village, args.groups());
        self.save(args.call, Intent::BusinessCreate(body), now)
    }

    fn product_create(&mut self, args: ProductCreateArgs, now: ClaimedMs) -> Answer<Saved> {
        let body = create(args.village, args.groups());
        self.save(args.call, Intent::ProductCreate(body), now)
    }

    fn person_create(&mut self, args: PersonCreateArgs, now: ClaimedMs) -> Answer<Saved> {
        let body = create(args.village, args.groups(Day::of_ms(now.0)));
        self.save(args.call, Intent::PersonCreate(body), now)
    }

    fn team_overview(&mut self, args: OnDay, now: ClaimedMs) -> Answer<Vec<TeamOverview>> {
        let day = self.day(args.day.as_deref(), now)?;
        Ok(self.store.team_overview(day)?)
    }

    fn rescue_export(&mut self, _: NoArgs, now: ClaimedMs) -> Answer<RescueExport> {
        let drafts = self.store.drafts()?.len() as u64;
        let file = rescue_file(&mut self.store, &mut *self.random)?;
        let bytes = file.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("thon-so-cuu-ho-{}.thonso", Day::of_ms(now.0));
        Ok(RescueExport { name, bytes, ops: file.ops, visits: file.visits, drafts })
    }

    fn catalogue(&mut self, _: NoArgs, _: ClaimedMs) -> Answer<Json> {
        serde_json::from_str(Catalogue::SHIPPED_JSON).map_err(Problem::usage)
    }

    fn payment_code(&mut self, args: PaymentCodeArgs, _: ClaimedMs) -> Answer<PaymentCodeView> {
        let code =
            PaymentQr::parse(args.text.trim()).map_err(|fault| Problem::new(fault.code(), fault.vi(), fault.en()))?;
        Ok(PaymentCodeView {
            acquirers: acquirers(&code.bin).map(|acquirer| acquirer.name.to_owned()).collect(),
            bin: code.bin.clone(),
            amount_vnd: code.amount_vnd,
            fields: Catalogue::shipped().to_json_fields(&code.answers()),
        })
    }

    fn doctor(&mut self, _: NoArgs, _: ClaimedMs) -> Answer<DoctorView> {
        let integrity = self.store.integrity()?;
        let derived = self.store.rebuild_check()?;
        let buckets = self.store.bucket_reports()?;
        let sound = integrity.is_empty() && derived.is_empty() && buckets.iter().all(|bucket| bucket.digest_right);
        Ok(DoctorView {
            sound,
            faults: integrity.into_iter().chain(derived).collect(),
            rows: buckets.iter().map(|bucket| bucket.rows).sum(),
            bytes_used: self.store.bytes_used()?,
        })
    }

    fn day(&self, text: Option<&str>, now: ClaimedMs) -> Answer<Day> {
        match text {
            None => Ok(Day::of_ms(now.0)),
            Some(text) => Day::parse(text).ok_or_else(|| {
                let mut problem = Problem::new("bad_value", "Ngày không đúng.", "This is not a day.");
                problem.field = Some("day".into());
                problem
            }),
        }
    }

    fn month(&self, text: Option<&str>, now: ClaimedMs) -> Answer<Month> {
        match text {
            None => Ok(reporting_month(Day::of_ms(now.0))),
            Some(text) => Month::parse(text).ok_or_else(|| Problem::usage(text)),
        }
    }

    fn visit_line(&mut self, visit: &VisitSummary) -> Answer<VisitLineView> {
        let household_label = visit.household.map(|id| self.store.household_label(id)).transpose()?.flatten();
        let page = self.store.visit(visit.id)?;
        Ok(VisitLineView {
            id: visit.id.0,
            village: visit.scope.0,
            household: visit.household.map(|id| id.0),
            household_label,
            author: visit.author.0,
            author_name: page.author_name,
            day: visit.day.clone(),
            visit_type: page.content.visit_type.clone(),
            kinds: page.content.activities.iter().map(|activity| activity.kind.clone()).collect(),
            result: page.content.result.clone(),
            status: visit.status.clone(),
            delivery: page.delivery,
            void: visit.void,
            disputed: visit.disputed,
            flags: visit.flags.iter().map(|flag| (*flag).to_owned()).collect(),
        })
    }

    /// The content that a form stands for. Ids of activities that a correction continues are kept.
    fn content(&mut self, form: &VisitForm, corrects: Option<VisitId>) -> Answer<VisitContent> {
        let before = match corrects {
            Some(visit) => Some(self.store.visit(visit)?),
            None => None,
        };
        form.content(before.as_ref()).map_err(Problem::of_findings)
    }

    fn findings(&self, content: &VisitContent) -> Vec<FormFinding> {
        form::findings(content)
    }

    fn draft_body(&mut self, form: VisitForm, before: Option<DraftBody>) -> Answer<DraftBody> {
        let corrects = before.as_ref().and_then(|before| before.corrects);
        let text = serde_json::to_string(&form).map_err(Problem::usage)?;
        // What does not read yet stays in the form; the content holds what does.
        let content = match self.content(&form, corrects) {
            Ok(content) => content,
            Err(_) => form.bones().map_err(Problem::of_findings)?,
        };
        Ok(match before {
            Some(before) => DraftBody { content, plan: form.plan.map(PlanId), form: Some(text), ..before },
            None => DraftBody {
                content,
                plan: form.plan.map(PlanId),
                corrects: None,
                base_ver: None,
                form: Some(text),
                ext: Ext::default(),
            },
        })
    }

    fn draft_view(&mut self, draft: Draft) -> Answer<DraftView> {
        let read = draft.body.form.as_deref().and_then(|text| serde_json::from_str::<VisitForm>(text).ok());
        let form = match read {
            Some(form) => form,
            // A draft that another host began has no form of ours.
            None => VisitForm::of_content(&draft.body.content, &[]),
        };
        let household = form.household.map(HouseholdId);
        Ok(DraftView {
            id: draft.id,
            changed_ms: draft.changed.0,
            scope_lost: draft.scope_lost,
            corrects: draft.body.corrects.map(|visit| visit.0),
            household_label: household.map(|id| self.store.household_label(id)).transpose()?.flatten(),
            form,
        })
    }
}

fn create(village: Uuid, groups: Vec<(GroupKey, Raw)>) -> CreateRow {
    CreateRow { scope: ScopeId(village), groups: ByKey(groups.into_iter().collect()), id: None, ext: Ext::default() }
}

/// What a case is about, as a code for the screen.
fn about(ty: RowType) -> &'static str {
    match ty {
        RowType::HOUSEHOLD => "household",
        RowType::VISIT_STATE => "visit",
        RowType::PERSON => "person",
        RowType::BUSINESS => "business",
        RowType::PRODUCT => "product",
        RowType::PLAN => "plan",
        _ => "other",
    }
}

fn ver(text: &str) -> Answer<sync_protocol::row::Ver> {
    text.parse().map(sync_protocol::row::Ver).map_err(Problem::usage)
}
