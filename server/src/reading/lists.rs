//! Lists of everything that is entered at the desk: what an office steers with, and the registers of the villages.
//!
//! All of them are read in one way: a page of the rows of one type in the asker's scopes, in the order of scope and id,
//! behind a place. What a row shows is decided row by row, so a draft or a person's row is left out before anything of
//! it is said. Every list leaves an audit entry with the codes and ids that it was asked with, and how many items it had.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sync_protocol::access::Action;
use sync_protocol::calendar::{CutOff, Period, PeriodKind, Report};
use sync_protocol::course::Courses;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::indicator::{Indicators, Target};
use sync_protocol::phone_number::mask_name;
use sync_protocol::recognition_flow::{Status, What};
use sync_protocol::row::{GroupKey, Register, RowType};
use sync_protocol::team::{SupportTerms, support_certificate};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::plain;
use super::support::approved_visits;
use super::*;
use crate::principal::above;

/// Longest code of a filter.
const CODE_CHARS_MAX: usize = 64;

/// Defines the query of a list: every list takes `unit`, `after` and `limit`.
macro_rules! list_query {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $ty:ty,)* })+) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize, IntoParams)]
        #[serde(deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub struct $name {
            /// A unit with what lies directly below it. Without it: wherever the asker may read.
            pub unit: Option<Uuid>,
            /// Behind this place: `next` of the page before. `cursor` means the same.
            #[serde(alias = "cursor")]
            pub after: Option<String>,
            /// At most so many: 50 unless told, 200 at most.
            pub limit: Option<u16>,
            $($(#[$of])* pub $field: Option<$ty>,)*
        }

        impl $name {
            /// Which page of which rows.
            fn page(&self, audit: &'static str, action: Action, ty: RowType) -> Listing {
                let (unit, after, limit) = (self.unit.map(UnitId), self.after.clone(), self.limit);
                let parts: Vec<Option<String>> =
                    vec![$(self.$field.as_ref().map(|value| format!("{}={value}", stringify!($field)))),*];
                let filter = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
                let filter = Some(filter).filter(|filter| !filter.is_empty());
                Listing { audit, action, ty, unit, after, limit, filter, from_above: false }
            }
        }
    )+ };
}

pub(super) use list_query;

list_query! {
    /// Which targets are wanted. Those of the units above come along, as they do on phones.
    TargetQuery {
        /// `draft` or `published`. Drafts are shown to those who may publish them.
        status: String,
    }
    /// Which base numbers are wanted.
    DenominatorQuery {
        /// Of this code.
        code: String,
    }
    /// Which typed numbers are wanted.
    NumberQuery {
        /// Of this code.
        code: String,
        /// Of a period that ends with this reporting month, `YYYY-MM`.
        month: String,
    }
    /// Which reports are wanted: those that somebody has saved or handed in.
    ReportRowQuery {
        /// Of this kind: `team_month`, `commune_month`, …
        kind: String,
        /// Of a period that ends with this reporting month, `YYYY-MM`.
        month: String,
        /// `draft`, `submitted`, `returned`, `accepted`.
        status: String,
    }
    /// Which recognitions are wanted.
    RecognitionQuery {
        /// `digital_citizen` or `digital_commune`.
        what: String,
        /// `proposed`, `verified`, `granted`, `refused`, `revoked`.
        status: String,
    }
    /// Which courses that were held are wanted.
    CourseRunQuery {
        /// Of this course.
        course: String,
    }
    /// Whose results in courses are wanted.
    CourseResultQuery {
        /// Of this course.
        course: String,
        /// Of this membership.
        member: Uuid,
    }
    /// Which support certificates are wanted.
    SupportQuery {
        /// Of this team.
        team: Uuid,
        /// Of this reporting month, `YYYY-MM`.
        month: String,
    }
    /// Which markets are wanted. Those of the units above come along.
    MarketQuery {}
    /// Which businesses are wanted.
    BusinessQuery {
        /// Of this household.
        household: Uuid,
        /// That sell at this market.
        market: Uuid,
    }
    /// Which products are wanted.
    ProductQuery {
        /// Of this business.
        business: Uuid,
    }
    /// Which persons are wanted.
    PersonQuery {
        /// Of this household.
        household: Uuid,
    }
}

/// Which page of which rows.
pub(super) struct Listing {
    /// What the audit entry says was done.
    pub(super) audit: &'static str,
    /// What the asker must be allowed to do in a scope to see its rows.
    pub(super) action: Action,
    /// Rows of this type.
    pub(super) ty: RowType,
    /// In this unit and directly below it.
    pub(super) unit: Option<UnitId>,
    /// Behind this place.
    pub(super) after: Option<String>,
    /// At most so many.
    pub(super) limit: Option<u16>,
    /// For the audit entry: codes and ids.
    pub(super) filter: Option<String>,
    /// Rows of the units above come along: they are notices (docs/PROTOCOL.md, S10a).
    pub(super) from_above: bool,
}

impl Listing {
    /// With what the units above tell.
    pub(super) fn told_from_above(self) -> Self {
        Self { from_above: true, ..self }
    }
}

/// Takes a filter that is a code and nothing else: it stands in the audit entry.
pub(super) fn code(text: Option<&String>, field: &'static str) -> Answer<()> {
    let is_code = |text: &&String| {
        text.len() <= CODE_CHARS_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    if text.is_none_or(|text| is_code(&text)) { Ok(()) } else { Err(ReadError::BadValue(field)) }
}

/// Takes a filter that is one of some codes.
pub(super) fn one_of(text: Option<&String>, codes: &[&str], field: &'static str) -> Answer<()> {
    if text.is_none_or(|text| codes.contains(&text.as_str())) { Ok(()) } else { Err(ReadError::BadValue(field)) }
}

fn month(text: Option<&String>) -> Answer<Option<Month>> {
    text.map(|text| Month::parse(text).ok_or(ReadError::BadValue("month"))).transpose()
}

fn days(kind: PeriodKind, month: Month) -> Option<[String; 2]> {
    let (from, to) = Period::of_month(kind, month).days(CutOff::default())?;
    Some([from.to_string(), to.to_string()])
}

/// A target of a unit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct TargetView {
    /// The target.
    pub id: Uuid,
    /// Whose.
    pub unit: Named,
    /// The indicator that is to reach the value …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indicator: Option<String>,
    /// … or the kind of which so many activities are to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How much.
    pub value: String,
    /// Rõ việc: what is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Rõ người: the person or team that answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Rõ thời gian: the first day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub from: Option<String>,
    /// Rõ thời gian: the last day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub due: Option<String>,
    /// Rõ sản phẩm: what proves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Rõ nguồn lực: money, devices, partners.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// `draft` or `published`.
    pub status: String,
    /// The day on which it was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub published: Option<String>,
    /// Of a draft: the fields that stand in the way of publishing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Its version; a 64-bit number as text.
    pub ver: String,
}

/// A base number of a unit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct DenominatorView {
    /// The row.
    pub id: Uuid,
    /// Whose.
    pub unit: Named,
    /// Its code.
    pub code: String,
    /// First day; it holds until a later one begins.
    #[schema(format = Date)]
    pub from: String,
    /// The number.
    pub value: u64,
    /// Where it was taken from.
    pub source: String,
    /// Who entered it.
    pub by: Named,
    /// Its version; a 64-bit number as text.
    pub ver: String,
}

/// A number that was typed for a period.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct NumberView {
    /// The row.
    pub id: Uuid,
    /// Whose.
    pub unit: Named,
    /// Its code.
    pub code: String,
    /// `month`, `quarter`, `half_year`, `year`.
    pub span: String,
    /// The last reporting month of the period.
    pub month: String,
    /// First and last day of the period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<[String; 2]>,
    /// The number, as it was typed.
    pub value: String,
    /// Where it was taken from.
    pub source: String,
    /// Who entered it.
    pub by: Named,
    /// Its version; a 64-bit number as text.
    pub ver: String,
}

/// How a report stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ReportRowView {
    /// The report's row, for `POST /api/v1/report-rows/{id}/review`.
    pub id: Uuid,
    /// Whose.
    pub unit: Named,
    /// `team_month`, `commune_month`, …
    pub kind: String,
    /// The last reporting month of its period.
    pub month: String,
    /// First and last day of its period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<[String; 2]>,
    /// `draft`, `submitted`, `returned`, `accepted`.
    pub status: String,
    /// Who brought it there.
    pub by: Named,
    /// On which day.
    #[schema(format = Date)]
    pub day: String,
    /// The last day on which it is in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub due: Option<String>,
    /// It was handed in after that.
    pub late: bool,
    /// Why it was sent back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where it is read.
    pub report: String,
    /// Its version; a 64-bit number as text.
    pub ver: String,
}

/// A recognition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct RecognitionView {
    /// The recognition.
    pub id: Uuid,
    /// The village of the person, or the commune.
    pub unit: Named,
    /// `digital_citizen` or `digital_commune`.
    pub what: String,
    /// The person, shortened except for the team, or the commune. Absent once a person's consent was withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Named>,
    /// The set of criteria.
    pub set: String,
    /// `proposed`, `verified`, `granted`, `refused`, `revoked`.
    pub status: String,
    /// How it came there, in order.
    pub steps: Vec<RecognitionStepView>,
    /// Where its certificate is, while it is granted and the asker may print it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Its version; a 64-bit number as text.
    pub ver: String,
}

/// One step of a recognition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct RecognitionStepView {
    /// Where it came to.
    pub to: String,
    /// The day.
    #[schema(format = Date)]
    pub day: String,
    /// By whom.
    pub by: Named,
    /// Number of the decision that grants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Why it was refused or revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A course that was held.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct CourseRunView {
    /// The row.
    pub id: Uuid,
    /// The unit for which it was held.
    pub unit: Named,
    /// The course's code.
    pub course: String,
    /// Its title, where the course is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Label>,
    /// When.
    #[schema(format = Date)]
    pub day: String,
    /// Who taught; shortened above the commune.
    pub trainer: String,
    /// How many came.
    pub participants: u32,
    /// How many of them were women.
    pub women: u32,
    /// How many of them were 60 or older.
    pub aged_60: u32,
    /// Its version; a 64-bit number as text.
    pub ver: String,
}

/// What a member reached in a course.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct CourseResultView {
    /// The row.
    pub id: Uuid,
    /// Where the member works.
    pub unit: Named,
    /// The membership, with the name that colleagues see.
    pub member: Named,
    /// The course's code.
    pub course: String,
    /// Its title, where the course is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Label>,
    /// Questions answered right in the best attempt.
    pub right: u32,
    /// Questions asked in it.
    pub of: u32,
    /// How many attempts there were.
    pub attempts: u32,
    /// Its version; a 64-bit number as text.
    pub ver: String,
}

/// A support certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SupportView {
    /// The certificate.
    pub id: Uuid,
    /// The team.
    pub team: Named,
    /// Where the team works.
    pub unit: Named,
    /// The reporting month.
    pub month: String,
    /// What was counted: `visits`, `days`, `activities`.
    pub measure: String,
    /// How many there were.
    pub found: u64,
    /// How many were asked for.
    pub minimum: u64,
    /// Whole đồng.
    pub amount_vnd: u64,
    /// Who signed.
    pub by: Named,
    /// On which day.
    #[schema(format = Date)]
    pub day: String,
    /// That the signature was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevokedView>,
    /// Its version; a 64-bit number as text.
    pub ver: String,
}

/// That a signature was taken back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct RevokedView {
    /// Why.
    pub reason: String,
    /// By whom.
    pub by: Named,
    /// On which day.
    #[schema(format = Date)]
    pub day: String,
}

/// For which team and month the support is counted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SupportPreviewQuery {
    /// The team.
    pub team: Uuid,
    /// The reporting month, `YYYY-MM`.
    #[param(example = "2026-12")]
    pub month: String,
}

/// What signing would count now. Nothing is changed by looking.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SupportPreview {
    /// The team.
    pub team: Named,
    /// The reporting month.
    pub month: String,
    /// First and last day of the month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<[String; 2]>,
    /// What is counted: `visits`, `days`, `activities`.
    pub measure: String,
    /// How many there are.
    pub found: u64,
    /// How many are asked for.
    pub minimum: u64,
    /// How many are missing.
    pub missing: u64,
    /// Whether it is enough.
    pub earned: bool,
    /// Whole đồng that would be paid.
    pub amount_vnd: u64,
    /// The certificate that is signed already, unless it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Uuid>,
    /// The approved visits of the month, by day.
    pub visits: Vec<SupportVisit>,
}

/// An approved visit that counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SupportVisit {
    /// The visit.
    pub id: Uuid,
    /// Its day.
    #[schema(format = Date)]
    pub day: String,
    /// How many activities it has.
    pub activities: u32,
}

/// A market.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct MarketView {
    /// The market.
    pub id: Uuid,
    /// Of which commune.
    pub unit: Named,
    /// Its name.
    pub name: String,
    /// When it is held, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<String>,
    /// Its version; a 64-bit number as text.
    pub ver: String,
}

/// A business.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct BusinessView {
    /// The business.
    pub id: Uuid,
    /// The village.
    pub unit: Named,
    /// Its name.
    pub name: String,
    /// `farm`, `shop`, `stall`, `cooperative`, `craft`.
    pub kind: String,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub household: Option<Uuid>,
    /// At which market it sells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub market: Option<Named>,
    /// Open cases about it.
    pub cases: Vec<Uuid>,
    /// Its version; a 64-bit number as text.
    pub ver: String,
}

/// A product.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ProductView {
    /// The product.
    pub id: Uuid,
    /// The village.
    pub unit: Named,
    /// Who makes or sells it.
    pub business: Named,
    /// Its name.
    pub name: String,
    /// A code.
    pub category: String,
    /// Its rank in the one-commune-one-product programme, 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocop_stars: Option<u8>,
    /// Open cases about it.
    pub cases: Vec<Uuid>,
    /// Its version; a 64-bit number as text.
    pub ver: String,
}

/// A person.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct PersonView {
    /// The person.
    pub id: Uuid,
    /// The village.
    pub unit: Named,
    /// Where the person lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub household: Option<Uuid>,
    /// The name; shortened except for the team. Absent once consent was withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the name is shortened and the phone left out.
    pub is_masked: bool,
    /// `7-14`, `15-17`, `18-39`, `40-59`, `60+`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth_band: Option<String>,
    /// `female`, `male`, `other`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    /// The last three digits of the phone; for the team only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_last3: Option<String>,
    /// What the person agreed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub consent: Option<Json>,
    /// Open cases about the person.
    pub cases: Vec<Uuid>,
    /// Its version; a 64-bit number as text.
    pub ver: String,
}

fn cases(register: &Register) -> Vec<Uuid> {
    register.groups.values().filter_map(|group| group.case).map(|case| case.0).collect()
}

fn ver(register: &Register) -> String {
    register.ver.0.to_string()
}

fn title(course: &str) -> Option<Label> {
    let course = Courses::shipped().course(course)?;
    Some(Label { vi: course.title.vi.clone(), en: course.title.en.clone() })
}

impl Reading {
    /// One page of rows; `pick` makes an item of a row, or leaves it out.
    pub(super) async fn listed<T: ToSchema + Send + 'static>(
        &self,
        by: UserId,
        listing: Listing,
        mut pick: impl FnMut(&mut Scoped<'_>, ScopeId, &Register) -> Answer<Option<T>> + Send + 'static,
    ) -> Answer<Page<T>> {
        self.read_noted(by, listing.audit, None, move |scoped| {
            let from = cursor::to_row(listing.after.as_deref()).map_err(|_| ReadError::BadValue("after"))?;
            let limit = page_size(listing.limit);
            let mut scopes = scoped.scopes(listing.action, listing.unit)?;
            if listing.from_above {
                scopes = scoped.with_above(scopes)?;
            }
            let (items, place) = scoped
                .walk(&scopes, listing.ty, from, limit, |scoped, scope, register| pick(scoped, scope, &register))?;
            let entry = Entry {
                scope: listing.unit.map_or_else(|| home_scope(&scoped.principal), ScopeId::from),
                object: None,
                outcome: items.len().to_string(),
                filter: listing.filter.clone(),
            };
            Ok((Page { items, next: place.map(cursor::of_row) }, entry))
        })
        .await
    }

    /// Lists targets.
    pub async fn targets(&self, by: UserId, query: TargetQuery) -> Answer<Page<TargetView>> {
        one_of(query.status.as_ref(), &["draft", "published"], "status")?;
        let listing = query.page("list.targets", Action::ReadCounts, RowType::TARGET).told_from_above();
        self.listed(by, listing, move |scoped, scope, register| {
            let view = scoped.target_view(scope, register)?;
            Ok(view.filter(|view| query.status.as_ref().is_none_or(|status| *status == view.status)))
        })
        .await
    }

    /// Lists base numbers.
    pub async fn denominators(&self, by: UserId, query: DenominatorQuery) -> Answer<Page<DenominatorView>> {
        code(query.code.as_ref(), "code")?;
        let listing = query.page("list.denominators", Action::ReadCounts, RowType::DENOMINATOR);
        self.listed(by, listing, move |scoped, _, register| {
            let Some(held) = register.group::<DenominatorValue>(denominator::VALUE) else { return Ok(None) };
            if query.code.as_ref().is_some_and(|code| *code != held.code) {
                return Ok(None);
            }
            Ok(Some(DenominatorView {
                id: register.id,
                unit: scoped.unit_named(held.unit)?,
                code: held.code,
                from: held.from.to_string(),
                value: held.value,
                source: held.source,
                by: scoped.user_named(held.by)?,
                ver: ver(register),
            }))
        })
        .await
    }

    /// Lists typed numbers.
    pub async fn numbers(&self, by: UserId, query: NumberQuery) -> Answer<Page<NumberView>> {
        code(query.code.as_ref(), "code")?;
        let asked = month(query.month.as_ref())?;
        let listing = query.page("list.manual_numbers", Action::ReadCounts, RowType::MANUAL_NUMBER);
        self.listed(by, listing, move |scoped, _, register| {
            let Some(held) = register.group::<ManualValue>(manual_number::VALUE) else { return Ok(None) };
            let kind = PeriodKind::from_code(&held.period);
            let last = kind.map_or(held.month, |kind| Period::of_month(kind, held.month).last_month());
            if query.code.as_ref().is_some_and(|code| *code != held.code) || asked.is_some_and(|asked| asked != last) {
                return Ok(None);
            }
            Ok(Some(NumberView {
                id: register.id,
                unit: scoped.unit_named(held.unit)?,
                code: held.code,
                days: kind.and_then(|kind| days(kind, last)),
                span: held.period,
                month: last.to_string(),
                value: held.value,
                source: held.source,
                by: scoped.user_named(held.by)?,
                ver: ver(register),
            }))
        })
        .await
    }

    /// Lists reports that were saved or handed in.
    pub async fn report_rows(&self, by: UserId, query: ReportRowQuery) -> Answer<Page<ReportRowView>> {
        code(query.kind.as_ref(), "kind")?;
        one_of(query.status.as_ref(), &["draft", "submitted", "returned", "accepted"], "status")?;
        let asked = month(query.month.as_ref())?;
        let listing = query.page("list.reports", Action::ReadCounts, RowType::REPORT);
        self.listed(by, listing, move |scoped, _, register| {
            let (Some(frame), Some(state)) =
                (register.group::<ReportFrame>(report::FRAME), register.group::<ReportState>(report::STATE))
            else {
                return Ok(None);
            };
            let last = last_month(&frame);
            let fits = query.kind.as_ref().is_none_or(|kind| *kind == frame.kind)
                && query.status.as_ref().is_none_or(|status| *status == state.status)
                && asked.is_none_or(|asked| asked == last);
            if fits { scoped.report_row(register, frame, state).map(Some) } else { Ok(None) }
        })
        .await
    }

    /// Lists recognitions; those of persons where the asker reads rows.
    pub async fn recognitions(&self, by: UserId, query: RecognitionQuery) -> Answer<Page<RecognitionView>> {
        one_of(query.what.as_ref(), &[What::DigitalCitizen, What::DigitalCommune].map(What::code), "what")?;
        one_of(query.status.as_ref(), &Status::ALL.map(Status::code), "status")?;
        let listing = query.page("list.recognitions", Action::ReadCounts, RowType::RECOGNITION);
        self.listed(by, listing, move |scoped, scope, register| {
            let view = scoped.recognition_view(scope, register)?;
            Ok(view.filter(|view| {
                query.what.as_ref().is_none_or(|what| *what == view.what)
                    && query.status.as_ref().is_none_or(|status| *status == view.status)
            }))
        })
        .await
    }

    /// Lists courses that were held.
    pub async fn course_runs(&self, by: UserId, query: CourseRunQuery) -> Answer<Page<CourseRunView>> {
        code(query.course.as_ref(), "course")?;
        let listing = query.page("list.course_runs", Action::ReadCounts, RowType::COURSE_RUN);
        self.listed(by, listing, move |scoped, scope, register| {
            let Some(held) = register.group::<CourseRun>(course_run::RUN) else { return Ok(None) };
            if query.course.as_ref().is_some_and(|course| *course != held.course) {
                return Ok(None);
            }
            Ok(Some(CourseRunView {
                id: register.id,
                unit: scoped.unit_named(held.unit)?,
                title: title(&held.course),
                course: held.course,
                day: held.day.to_string(),
                trainer: if scoped.is_far_above(scope) { mask_name(&held.trainer) } else { held.trainer },
                participants: held.participants,
                women: held.women,
                aged_60: held.aged_60,
                ver: ver(register),
            }))
        })
        .await
    }

    /// Lists results in courses.
    pub async fn course_results(&self, by: UserId, query: CourseResultQuery) -> Answer<Page<CourseResultView>> {
        code(query.course.as_ref(), "course")?;
        let listing = query.page("list.course_results", Action::ReadRows, RowType::COURSE_RESULT);
        self.listed(by, listing, move |scoped, scope, register| {
            let Some(held) = register.group::<CourseRecord>(course_result::RECORD) else { return Ok(None) };
            if query.course.as_ref().is_some_and(|course| *course != held.course)
                || query.member.is_some_and(|member| member != held.member.0)
            {
                return Ok(None);
            }
            let member = scoped.register(RowType::TEAM_MEMBER, held.member.0)?;
            let name = member.and_then(|(_, member)| member.group::<MemberIdentity>(team_member::IDENTITY));
            Ok(Some(CourseResultView {
                id: register.id,
                unit: scoped.unit_named(scope.into())?,
                member: Named { id: held.member.0, name: name.map(|name| name.display_name).unwrap_or_default() },
                title: title(&held.course),
                course: held.course,
                right: held.right,
                of: held.of,
                attempts: held.attempts,
                ver: ver(register),
            }))
        })
        .await
    }

    /// Lists support certificates, those that were taken back too.
    pub async fn support_certificates(&self, by: UserId, query: SupportQuery) -> Answer<Page<SupportView>> {
        let asked = month(query.month.as_ref())?;
        let listing = query.page("list.support_certificates", Action::ReadRows, RowType::SUPPORT_CERTIFICATE);
        self.listed(by, listing, move |scoped, scope, register| {
            let Some(held) = register.group::<Certificate>(support_certificate::CERTIFICATE) else { return Ok(None) };
            if query.team.is_some_and(|team| team != held.team.0) || asked.is_some_and(|asked| asked != held.month) {
                return Ok(None);
            }
            let revoked = register.group::<Revocation>(support_certificate::REVOKED);
            Ok(Some(SupportView {
                id: register.id,
                team: scoped.team_named(held.team)?,
                unit: scoped.unit_named(scope.into())?,
                month: held.month.to_string(),
                measure: held.measure,
                found: held.found,
                minimum: held.minimum,
                amount_vnd: held.amount_vnd,
                by: scoped.user_named(held.by)?,
                day: held.day.to_string(),
                revoked: match revoked {
                    Some(Revocation { reason, by, day, .. }) => {
                        Some(RevokedView { reason, by: scoped.user_named(by)?, day: day.to_string() })
                    }
                    None => None,
                },
                ver: ver(register),
            }))
        })
        .await
    }

    /// Counts what signing for a team and month would count now.
    pub async fn support_preview(&self, by: UserId, query: SupportPreviewQuery) -> Answer<SupportPreview> {
        let asked = month(Some(&query.month))?.ok_or(ReadError::BadValue("month"))?;
        let team = TeamId(query.team);
        self.read_noted(by, "support.preview", Some(query.team), move |scoped| {
            let found = scoped.register(RowType::TEAM, team.0)?;
            let (scope, _) = scoped.within(Action::SignSupport, found)?;
            let view = scoped.support_preview(team, asked)?;
            let (outcome, filter) = (view.found.to_string(), Some(view.month.clone()));
            Ok((view, Entry { scope, object: Some(team.0), outcome, filter }))
        })
        .await
    }

    /// Lists markets.
    pub async fn markets(&self, by: UserId, query: MarketQuery) -> Answer<Page<MarketView>> {
        let listing = query.page("list.markets", Action::ReadCounts, RowType::MARKET).told_from_above();
        self.listed(by, listing, move |scoped, scope, register| {
            let Some(identity) = register.group::<MarketIdentity>(market::IDENTITY) else { return Ok(None) };
            Ok(Some(MarketView {
                id: register.id,
                unit: scoped.unit_named(scope.into())?,
                name: identity.name,
                days: register.group::<MarketDays>(market::DAYS).map(|held| held.days),
                ver: ver(register),
            }))
        })
        .await
    }

    /// Lists businesses.
    pub async fn businesses(&self, by: UserId, query: BusinessQuery) -> Answer<Page<BusinessView>> {
        let listing = query.page("list.businesses", Action::ReadRows, RowType::BUSINESS);
        self.listed(by, listing, move |scoped, scope, register| {
            let Some(identity) = register.group::<BusinessIdentity>(business::IDENTITY) else { return Ok(None) };
            let household = register.group::<BusinessOwner>(business::OWNER).map(|owner| owner.household.0);
            let market = register.group::<BusinessMarket>(business::MARKET).map(|at| at.market.0);
            if (query.household.is_some() && query.household != household)
                || (query.market.is_some() && query.market != market)
            {
                return Ok(None);
            }
            Ok(Some(BusinessView {
                id: register.id,
                unit: scoped.unit_named(scope.into())?,
                name: identity.name,
                kind: identity.kind,
                household,
                market: match market {
                    Some(id) => Some(scoped.row_named(RowType::MARKET, id, market::IDENTITY, "name")?),
                    None => None,
                },
                cases: cases(register),
                ver: ver(register),
            }))
        })
        .await
    }

    /// Lists products.
    pub async fn products(&self, by: UserId, query: ProductQuery) -> Answer<Page<ProductView>> {
        let listing = query.page("list.products", Action::ReadRows, RowType::PRODUCT);
        self.listed(by, listing, move |scoped, scope, register| {
            let Some(identity) = register.group::<ProductIdentity>(product::IDENTITY) else { return Ok(None) };
            if query.business.is_some_and(|business| business != identity.business.0) {
                return Ok(None);
            }
            let stars = register.group::<ProductOcop>(product::OCOP).map(|ocop| ocop.stars);
            Ok(Some(ProductView {
                id: register.id,
                unit: scoped.unit_named(scope.into())?,
                business: scoped.row_named(RowType::BUSINESS, identity.business.0, business::IDENTITY, "name")?,
                name: identity.name,
                category: identity.category,
                ocop_stars: stars.filter(|stars| *stars > 0),
                cases: cases(register),
                ver: ver(register),
            }))
        })
        .await
    }

    /// Lists persons.
    pub async fn persons(&self, by: UserId, query: PersonQuery) -> Answer<Page<PersonView>> {
        let listing = query.page("list.persons", Action::ReadRows, RowType::PERSON);
        self.listed(by, listing, move |scoped, scope, register| {
            let household = register.group::<PersonHousehold>(person::HOUSEHOLD).map(|home| home.household.0);
            if query.household.is_some() && query.household != household {
                return Ok(None);
            }
            let sight = scoped.sight(scope);
            let shown = |key: GroupKey| {
                let group = register.groups.get(&key)?;
                Some(plain::group(register.ty, key, &group.value, sight))
            };
            let text = |key, name: &str| shown(key)?.get(name)?.as_str().map(str::to_owned);
            Ok(Some(PersonView {
                id: register.id,
                unit: scoped.unit_named(scope.into())?,
                household,
                name: text(person::NAME, "display_name"),
                is_masked: !sight.names,
                birth_band: text(person::BIRTH, "band"),
                gender: text(person::GENDER, "gender"),
                phone_last3: text(person::PHONE, "phone_last3"),
                consent: shown(person::CONSENT).filter(|consent| !consent.is_null()),
                cases: cases(register),
                ver: ver(register),
            }))
        })
        .await
    }
}

/// The last reporting month of a report's period.
fn last_month(frame: &ReportFrame) -> Month {
    let kind = Report::from_code(&frame.kind).map(Report::period_kind);
    kind.map_or(frame.month, |kind| Period::of_month(kind, frame.month).last_month())
}

impl Scoped<'_> {
    /// How a report stands, from its row.
    pub(super) fn report_row(
        &mut self,
        register: &Register,
        frame: ReportFrame,
        state: ReportState,
    ) -> Answer<ReportRowView> {
        let last = last_month(&frame);
        let kind = Report::from_code(&frame.kind).map(Report::period_kind);
        Ok(ReportRowView {
            id: register.id,
            unit: self.unit_named(frame.unit)?,
            days: kind.and_then(|kind| days(kind, last)),
            month: last.to_string(),
            report: format!("/api/v1/reports/{}?unit={}&month={last}", frame.kind, frame.unit),
            kind: frame.kind,
            status: state.status,
            by: self.user_named(state.by)?,
            day: state.day.to_string(),
            due: state.due.map(|due| due.to_string()),
            late: state.late,
            reason: state.reason,
            ver: ver(register),
        })
    }

    /// These scopes with the units above those of which the asker reads rows.
    pub(super) fn with_above(&mut self, scopes: Vec<ScopeId>) -> Answer<Vec<ScopeId>> {
        let read: BTreeSet<ScopeId> =
            scopes.iter().copied().filter(|scope| self.may(Action::ReadRows, *scope)).collect();
        let mut all: BTreeSet<ScopeId> = above(self.tx, &read)?;
        all.extend(scopes);
        Ok(all.into_iter().collect())
    }

    /// A row that another one names, as the asker may see it.
    fn row_named(&mut self, ty: RowType, id: Uuid, key: GroupKey, member: &str) -> Answer<Named> {
        let Some((scope, register)) = self.register(ty, id)? else { return Ok(Named { id, name: String::new() }) };
        let sight = self.sight(scope);
        let shown = register.groups.get(&key).map(|group| plain::group(ty, key, &group.value, sight));
        let name = shown.as_ref().and_then(|shown| shown.get(member)?.as_str()).unwrap_or_default().to_owned();
        Ok(Named { id, name })
    }

    fn target_view(&mut self, scope: ScopeId, register: &Register) -> Answer<Option<TargetView>> {
        let (Some(goal), Some(state)) =
            (register.group::<TargetGoal>(target::GOAL), register.group::<TargetState>(target::STATE))
        else {
            return Ok(None);
        };
        if state.published.is_none() && !self.may(Action::WriteTarget, scope) {
            return Ok(None);
        }
        let held = Target::read(scope.into(), register);
        let word = |text: String| Some(text).filter(|text| !text.is_empty());
        let missing = match (state.published, held.check(Indicators::shipped())) {
            (None, Err(found)) => {
                let fields: BTreeSet<&str> = found.iter().map(|finding| finding.0.field()).collect();
                fields.into_iter().map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        Ok(Some(TargetView {
            id: register.id,
            unit: self.unit_named(scope.into())?,
            indicator: goal.indicator,
            kind: goal.kind,
            value: goal.value,
            task: word(held.task),
            person: word(held.person),
            from: held.from.map(|day| day.to_string()),
            due: held.due.map(|day| day.to_string()),
            product: word(held.product),
            resource: word(held.resource),
            status: if state.published.is_some() { "published" } else { "draft" }.to_owned(),
            published: state.published.map(|day| day.to_string()),
            missing,
            ver: ver(register),
        }))
    }

    fn recognition_view(&mut self, scope: ScopeId, register: &Register) -> Answer<Option<RecognitionView>> {
        let (Some(held), Some(taken)) = (
            register.group::<RecognitionSubject>(recognition::SUBJECT),
            register.group::<RecognitionSteps>(recognition::STEPS),
        ) else {
            return Ok(None);
        };
        let is_person = held.what == What::DigitalCitizen.code();
        if is_person && !self.may(Action::ReadRows, scope) {
            return Ok(None);
        }
        let subject = match held.subject {
            Some(id) if is_person => Some(self.row_named(RowType::PERSON, id, person::NAME, "display_name")?),
            Some(id) => Some(self.unit_named(UnitId(id))?),
            None => None,
        };
        let mut steps = Vec::new();
        for step in taken.steps {
            steps.push(RecognitionStepView {
                to: step.to,
                day: step.day.to_string(),
                by: self.user_named(step.by)?,
                number: step.number,
                reason: step.reason,
            });
        }
        let status = steps.last().map_or(Status::Proposed.code(), |step| step.to.as_str()).to_owned();
        let prints = status == Status::Granted.code() && self.may(Action::AdvanceRecognition, scope);
        Ok(Some(RecognitionView {
            id: register.id,
            unit: self.unit_named(scope.into())?,
            what: held.what,
            subject,
            set: held.set,
            certificate: prints.then(|| format!("/api/v1/recognitions/{}/certificate", register.id)),
            status,
            steps,
            ver: ver(register),
        }))
    }

    fn support_preview(&mut self, team: TeamId, month: Month) -> Answer<SupportPreview> {
        let terms = SupportTerms::default();
        let mut visits = approved_visits(self.tx, self.now, team, month)?;
        visits.sort_by_key(|visit| (visit.day, visit.visit));
        let (found, missing) = match support_certificate(team, month, &visits, terms, CutOff::default()) {
            Ok(certificate) => (certificate.found, 0),
            Err(refused) => (refused.found, refused.missing()),
        };
        let signed = self.register(RowType::SUPPORT_CERTIFICATE, support_id(team, month))?;
        let signed = signed.filter(|(_, row)| !row.groups.contains_key(&support_certificate::REVOKED));
        Ok(SupportPreview {
            team: self.team_named(team)?,
            month: month.to_string(),
            days: days(PeriodKind::Month, month),
            measure: terms.measure.code().to_owned(),
            found,
            minimum: terms.minimum,
            missing,
            earned: missing == 0,
            amount_vnd: terms.amount_vnd,
            certificate: signed.map(|(_, row)| row.id),
            visits: visits
                .into_iter()
                .map(|visit| SupportVisit {
                    id: visit.visit.0,
                    day: visit.day.to_string(),
                    activities: visit.activities,
                })
                .collect(),
        })
    }
}
