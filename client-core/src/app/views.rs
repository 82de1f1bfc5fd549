//! Answers of the messages that the store does not already give in their final shape.

use serde::Serialize;
use serde_json::Value as Json;
use sync_protocol::catalogue::{Finding, Severity};
use sync_protocol::course::{Course, CourseWords};
use sync_protocol::indicator::{Empty, Figure, Indicators};
use uuid::Uuid;

use super::VisitForm;
use crate::error::Refused;
use crate::store::*;

macro_rules! views {
    ($($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* pub $field:ident: $ty:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug, Serialize)]
        #[cfg_attr(feature = "ts", derive(ts_rs::TS))]
        pub struct $name { $($(#[$field_doc])* pub $field: $ty,)+ }
    )+};
}

views! {
    /// What every screen shows at its top.
    pub struct AppState {
        /// Who uses this phone; nobody before an enrolment.
        pub identity: Option<Identity>,
        /// How the talk with the server stands.
        pub sync: SyncState,
        /// Drafts.
        pub drafts: u64,
        /// Today in Việt Nam, `YYYY-MM-DD`, by this phone's clock.
        pub day: String,
        /// The reporting month of today, `YYYY-MM`.
        pub month: String,
        /// The store's schema.
        pub schema: u32,
        /// The catalogue's version.
        pub catalogue: String,
        /// A made-up village to practise on, not the real one.
        pub practice: bool,
    }
    /// The home screen.
    pub struct TodayView {
        /// The day, `YYYY-MM-DD`.
        pub day: String,
        /// Plans for today or before.
        pub plans: Vec<PlanView>,
        /// Visits of today.
        pub visits: Vec<VisitLineView>,
        /// Plans in which something is owed from an earlier visit.
        pub follow_ups: u64,
        /// Drafts.
        pub drafts: u64,
        /// Visits that were sent back.
        pub returned: u64,
        /// Ops that wait to be sent or answered.
        pub not_yet_synced: u64,
        /// Ops that were refused or are kept for later.
        pub needs_attention: u64,
        /// Cases in which people disagree.
        pub conflicts: u64,
    }
    /// A village where this person works.
    pub struct PlaceView {
        /// The village.
        pub village: UnitView,
        /// Name of its commune.
        pub commune: Option<String>,
        /// What this person is there: codes of roles.
        pub roles: Vec<String>,
        /// Teams that work there, the person's own first.
        pub teams: Vec<TeamView>,
    }
    /// What a household agreed to.
    pub struct ConsentView {
        /// Codes of purposes.
        pub purposes: Vec<String>,
        /// When, `YYYY-MM-DD`.
        pub given: String,
        /// When it was taken back.
        pub withdrawn: Option<String>,
    }
    /// One household.
    pub struct HouseholdView {
        /// Its line in a list.
        pub household: HouseholdHit,
        /// The version that an edit is based on; a 64-bit number as text.
        pub seen_ver: String,
        /// Its class.
        pub class: Option<String>,
        /// People aged 15 and over.
        pub adults_15_plus: Option<u32>,
        /// What it agreed to.
        pub consent: Option<ConsentView>,
        /// Open cases about it.
        pub conflicts: u64,
        /// Visits, the latest first.
        pub visits: Vec<VisitLineView>,
        /// Plans that are still open.
        pub plans: Vec<PlanView>,
    }
    /// A visit in a list.
    pub struct VisitLineView {
        /// Which one.
        pub id: Uuid,
        /// Its village.
        pub village: Uuid,
        /// The household.
        pub household: Option<Uuid>,
        /// What the household is called here.
        pub household_label: Option<String>,
        /// Who recorded it.
        pub author: Uuid,
        /// The name, where it is known here.
        pub author_name: Option<String>,
        /// The day, `YYYY-MM-DD`.
        pub day: String,
        /// A code of the catalogue's `visit_type` list.
        pub visit_type: String,
        /// What was done: kinds of activity.
        pub kinds: Vec<String>,
        /// `absent` or `refused`, when nothing could be done.
        pub result: Option<String>,
        /// A code of the visit workflow.
        pub status: String,
        /// How far it has come on its way to the server.
        pub delivery: Delivery,
        /// Declared void.
        pub void: bool,
        /// People disagree about it.
        pub disputed: bool,
        /// What a reviewer should look at: stable codes.
        pub flags: Vec<String>,
    }
    /// One visit.
    pub struct VisitView {
        /// Its line in a list.
        pub line: VisitLineView,
        /// How far it has come.
        pub delivery: Delivery,
        /// What it says, as a form.
        pub form: VisitForm,
        /// The valid content has not arrived; the one recorded first stands in.
        pub content_awaited: bool,
        /// Its activities with their ids.
        pub activities: Vec<ActivityView>,
        /// The last review.
        pub review: Option<ReviewView>,
        /// Open cases about it.
        pub conflicts: Vec<Uuid>,
        /// Who recorded it, where the name is known here.
        pub author_name: Option<String>,
    }
    /// A draft.
    pub struct DraftView {
        /// The id of the visit that it will be; for a correction, of the correction.
        pub id: Uuid,
        /// When it was last changed, by this phone's clock.
        pub changed_ms: u64,
        /// Its village is no longer among the user's: it is kept, but cannot be handed in.
        pub scope_lost: bool,
        /// The visit that it corrects.
        pub corrects: Option<Uuid>,
        /// What the household is called here.
        pub household_label: Option<String>,
        /// What the form holds.
        pub form: VisitForm,
    }
    /// One thing that is wrong with a form, or worth a look.
    pub struct FormFinding {
        /// `error`: it cannot be saved as it is; `warn`: a reviewer will see it.
        pub severity: String,
        /// A stable code.
        pub code: String,
        /// Index of the activity.
        pub activity: Option<u32>,
        /// The field it belongs to.
        pub field: Option<String>,
        /// In plain Vietnamese.
        pub vi: String,
        /// In plain English.
        pub en: String,
    }
    /// A case in which people disagree.
    pub struct ConflictView {
        /// Which one.
        pub id: Uuid,
        /// The version that a settling is based on; a 64-bit number as text.
        pub seen_ver: String,
        /// `household`, `visit`, `person`, `business`, `product`, `plan`, `other`.
        pub about: String,
        /// The field group.
        pub group: u8,
        /// The row.
        pub subject: Uuid,
        /// What the household is called here.
        pub household_label: Option<String>,
        /// What people said.
        pub sides: Vec<ConflictSideView>,
        /// Still to be settled.
        pub open: bool,
    }
    /// One answer in a conflict.
    pub struct ConflictSideView {
        /// The value, for people: a name, a number, a code; the id of its event for what a visit says.
        pub words: String,
        /// What the visit says on this side, where that is what people disagree about.
        pub visit: Option<VisitForm>,
        /// Who gave it, where the name is known here.
        pub author_name: Option<String>,
        /// When, as the device's clock claimed, in ms since 1970.
        pub at_ms: Option<u64>,
    }
    /// The figures of a unit for a period.
    pub struct FiguresView {
        /// First day, `YYYY-MM-DD`.
        pub from: String,
        /// Last day, `YYYY-MM-DD`.
        pub to: String,
        /// The server's clock, in ms, at the last complete answer. 0 before the first.
        pub consistent_at_ms: u64,
        /// Indicators.
        pub indicators: Vec<FigureView>,
        /// What each kind of activity came to.
        pub kinds: Vec<FigureView>,
    }
    /// One figure.
    pub struct FigureView {
        /// Code of the indicator or kind.
        pub code: String,
        /// Its name in Vietnamese.
        pub vi: String,
        /// Its name in English.
        pub en: String,
        /// `percent`, `count`, …
        pub unit: String,
        /// The value in decimal digits; absent when `empty` says why.
        pub value: Option<String>,
        /// Above the line.
        pub numerator: Option<String>,
        /// Below the line.
        pub denominator: Option<String>,
        /// Why there is no value: a stable code.
        pub empty: Option<String>,
        /// Approved activities behind it.
        pub approved: u64,
        /// Submitted activities that are not approved yet.
        pub submitted: u64,
        /// The period is open, or submitted activities are counted in.
        pub provisional: bool,
    }
    /// Words in both languages.
    pub struct WordsView {
        /// In Vietnamese.
        pub vi: String,
        /// In English.
        pub en: String,
    }
    /// A course to read and its quiz.
    pub struct CourseContentView {
        /// Its code.
        pub code: String,
        /// Its title.
        pub title: WordsView,
        /// How long it takes, in minutes.
        pub minutes: u32,
        /// How many of a hundred answers must be right.
        pub pass_percent: u32,
        /// What is read.
        pub cards: Vec<CardView>,
        /// What is asked. Which answers are right stays in the core.
        pub questions: Vec<QuestionView>,
    }
    /// One card to read.
    pub struct CardView {
        /// Its title.
        pub title: WordsView,
        /// What it says.
        pub text: WordsView,
    }
    /// One question of a quiz.
    pub struct QuestionView {
        /// What is asked.
        pub text: WordsView,
        /// More than one answer is right.
        pub several: bool,
        /// What can be chosen.
        pub options: Vec<OptionView>,
    }
    /// One answer that can be chosen.
    pub struct OptionView {
        /// Its code within the question.
        pub code: String,
        /// In Vietnamese.
        pub vi: String,
        /// In English.
        pub en: String,
    }
    /// How an attempt at a quiz went.
    pub struct QuizView {
        /// Questions answered right.
        pub right: u32,
        /// Questions asked.
        pub of: u32,
        /// Enough of them.
        pub passed: bool,
    }
    /// What a payment code says that may be kept.
    pub struct PaymentCodeView {
        /// Names of the banks or wallets behind it.
        pub acquirers: Vec<String>,
        /// The bank's number.
        pub bin: String,
        /// The amount of a code made for one payment, in đồng.
        pub amount_vnd: Option<u64>,
        /// Answers to the kind `payment_qr_point`.
        pub fields: Json,
    }
    /// What a look for damage found.
    pub struct DoctorView {
        /// Nothing is wrong.
        pub sound: bool,
        /// What is.
        pub faults: Vec<String>,
        /// Rows of the server that are held here.
        pub rows: u64,
        /// Bytes in use.
        pub bytes_used: u64,
    }
}

impl CourseContentView {
    pub(super) fn of(course: &Course) -> Self {
        let words = |words: &CourseWords| WordsView { vi: words.vi.clone(), en: words.en.clone() };
        Self {
            code: course.code.clone(),
            title: words(&course.title),
            minutes: course.minutes,
            pass_percent: course.pass_percent,
            cards: course
                .cards
                .iter()
                .map(|card| CardView { title: words(&card.title), text: words(&card.text) })
                .collect(),
            questions: course
                .questions
                .iter()
                .map(|question| QuestionView {
                    text: words(&question.text),
                    several: question.right.len() > 1,
                    options: question
                        .options
                        .iter()
                        .map(|one| OptionView { code: one.code.clone(), vi: one.vi.clone(), en: one.en.clone() })
                        .collect(),
                })
                .collect(),
        }
    }
}

/// What is not sent yet, as a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct RescueExport {
    /// What the file is called.
    pub name: String,
    /// Its bytes in hex. Only the server can read them.
    pub bytes: String,
    /// Changes in it.
    pub ops: u64,
    /// Visits among them.
    pub visits: u64,
    /// Drafts, which are not in it: they are no visits yet.
    pub drafts: u64,
}

impl FormFinding {
    pub(super) fn of(index: usize, finding: Finding) -> Self {
        Self {
            severity: if finding.severity == Severity::Error { "error" } else { "warn" }.to_owned(),
            code: finding.code,
            activity: u32::try_from(index).ok(),
            field: finding.field,
            vi: finding.vi,
            en: finding.en,
        }
    }

    /// What the rules refuse: `activities[2].step` names the activity and its field.
    pub(super) fn of_refused(refused: Refused) -> Self {
        let place = refused.field.as_deref().and_then(|field| field.strip_prefix("activities["));
        let (activity, field) = match place.and_then(|place| place.split_once(']')) {
            Some((index, rest)) => (index.parse().ok(), rest.strip_prefix('.').map(str::to_owned)),
            None => (None, refused.field),
        };
        Self { severity: "error".into(), code: refused.code, activity, field, vi: refused.vi, en: refused.en }
    }
}

impl FiguresView {
    pub(super) fn of(figures: &FigureSheet, indicators: &Indicators) -> Self {
        let catalogue = sync_protocol::catalogue::Catalogue::shipped();
        let view = |figure: &Figure, vi: String, en: String| FigureView {
            code: figure.indicator.clone(),
            vi,
            en,
            unit: figure.unit.code().to_owned(),
            value: figure.value.map(|value| value.to_string()),
            numerator: figure.numerator.map(|value| value.to_string()),
            denominator: figure.denominator.map(|value| value.to_string()),
            empty: figure.empty.map(|empty| Empty::code(empty).to_owned()),
            approved: figure.approved,
            submitted: figure.submitted,
            provisional: figure.provisional,
        };
        let of_indicator = |figure: &Figure| {
            let indicator = indicators.indicator(&figure.indicator)?;
            Some(view(figure, indicator.vi.clone(), indicator.en.clone()))
        };
        let of_kind = |figure: &Figure| {
            let kind = catalogue.kind(&figure.indicator)?;
            Some(view(figure, kind.vi.clone(), kind.en.clone()))
        };
        Self {
            from: figures.period.from.to_string(),
            to: figures.period.to.to_string(),
            consistent_at_ms: figures.consistent_at_ms,
            indicators: figures.sheet.indicators.iter().filter_map(of_indicator).collect(),
            kinds: figures.sheet.kinds.iter().filter_map(of_kind).collect(),
        }
    }
}
