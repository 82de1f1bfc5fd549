//! Visits as a reviewer reads them: the list, and one visit with everything that happened to it.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sync_protocol::access::Action;
use sync_protocol::catalogue::{Catalogue, Lang};
use sync_protocol::cbor::Cbor;
use sync_protocol::decide::initial_state;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::{activities_with_ids, read_content};
use sync_protocol::row::{Event, Register, RowType, flag};
use sync_protocol::workflow::VisitStatus;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::plain::{self, Sight};
use super::quality::SignalView;
use super::*;
use crate::storage::{VisitFilter, VisitSummary};

/// Whether void visits are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoidVisits {
    /// Left out: the list then holds exactly the visits that count.
    #[default]
    Exclude,
    /// Listed with the others.
    Include,
    /// Only these.
    Only,
}

/// Which visits are wanted. All conditions must hold.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VisitQuery {
    /// A village, or a commune with its villages. Without it: wherever the asker may read visits.
    pub unit: Option<Uuid>,
    /// The same as `unit`, for who has a village at hand.
    pub village: Option<Uuid>,
    /// By this team.
    pub team: Option<Uuid>,
    /// Recorded by this person.
    pub member: Option<Uuid>,
    /// At this household, or at one that was merged into it.
    pub household: Option<Uuid>,
    /// In this status.
    #[param(example = "submitted")]
    pub status: Option<String>,
    /// With an activity of this kind.
    pub kind: Option<String>,
    /// With all of these flags, separated by commas.
    #[param(example = "late,night_hours")]
    pub flag: Option<String>,
    /// From this day, `YYYY-MM-DD`.
    pub from: Option<String>,
    /// Up to and with this day.
    pub to: Option<String>,
    /// Whether void visits are listed.
    #[param(inline)]
    #[serde(default)]
    pub void: VoidVisits,
    /// Behind this place.
    pub cursor: Option<String>,
    /// At most so many: 50 unless told, 200 at most.
    pub limit: Option<u16>,
}

impl VisitQuery {
    fn filter(&self, scopes: Vec<ScopeId>) -> Answer<VisitFilter> {
        let status = self.status.as_deref().map(|code| {
            let known = VisitStatus::from_code(code);
            known.ok_or(ReadError::BadValue("status"))
        });
        let mut flags = 0;
        for code in self.flag.iter().flat_map(|codes| codes.split(',')) {
            let bit = flag::CODES.iter().find(|(_, known)| *known == code).map(|(bit, _)| bit);
            flags |= bit.ok_or(ReadError::BadValue("flag"))?;
        }
        if let Some(kind) = &self.kind
            && Catalogue::shipped().kind(kind).is_none()
        {
            return Err(ReadError::BadValue("kind"));
        }
        Ok(VisitFilter {
            scopes,
            status: status.transpose()?,
            team: self.team.map(TeamId),
            author: self.member.map(UserId),
            households: self.household.map(HouseholdId).into_iter().collect(),
            kind: self.kind.clone(),
            flags,
            from: day(self.from.as_deref(), "from")?,
            to: day(self.to.as_deref(), "to")?,
            after: cursor::to_visit(self.cursor.as_deref())?,
            limit: page_size(self.limit) + 1,
        })
    }

    /// What was asked, in ids and codes, for the audit.
    fn summary(&self) -> String {
        let id = |id: Option<Uuid>| id.map(|id| id.to_string());
        let parts = [
            ("unit", id(self.unit.or(self.village))),
            ("team", id(self.team)),
            ("member", id(self.member)),
            ("household", id(self.household)),
            ("status", self.status.clone()),
            ("kind", self.kind.clone()),
            ("flag", self.flag.clone()),
            ("from", self.from.clone()),
            ("to", self.to.clone()),
        ];
        let set = parts.into_iter().filter_map(|(name, value)| value.map(|value| format!("{name}={value}")));
        set.collect::<Vec<_>>().join(" ")
    }
}

/// Reads a day that may be left out.
pub(super) fn day(text: Option<&str>, field: &'static str) -> Answer<Option<Day>> {
    text.map(|text| Day::parse(text).ok_or(ReadError::BadValue(field))).transpose()
}

/// A visit in a list.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct VisitLine {
    /// The visit.
    pub id: Uuid,
    /// The village.
    pub village: Named,
    /// The team.
    pub team: Named,
    /// Who recorded it.
    pub author: Named,
    /// At whose house; only what the village calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub household: Option<Named>,
    /// The day of the visit, as it was entered.
    #[schema(format = Date)]
    pub day: String,
    /// The status.
    pub status: String,
    /// Declared void; counts nowhere.
    pub is_void: bool,
    /// Two people disagree about its content; a case is open.
    pub is_disputed: bool,
    /// What a reviewer should look at.
    pub flags: Vec<String>,
    /// Kinds of its activities.
    pub kinds: Vec<String>,
    /// When the server received it.
    #[schema(format = DateTime)]
    pub received_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    pub changed_at: String,
    /// What an approval or a return binds to.
    pub content_hash: String,
    /// Version of the visit's state; a 64-bit number as text.
    pub ver: String,
}

/// One visit.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct VisitView {
    /// As in the list.
    #[serde(flatten)]
    pub line: VisitLine,
    /// The household, masked as the asker's role demands; absent when there is none or it is somewhere else now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub household_view: Option<HouseholdMark>,
    /// The content that holds now.
    pub content: ContentView,
    /// The last review.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<ReviewView>,
    /// What in it is worth a second look, and why; the commune sees it some working days after the team.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<SignalView>,
    /// The open case about the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<Uuid>,
    /// Everything that was said about the visit, in the order of arrival.
    pub events: Vec<EventView>,
}

/// A household beside a visit.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct HouseholdMark {
    /// The household.
    pub id: Uuid,
    /// What the village calls it.
    pub label: String,
    /// The head's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Whether name and phone are shortened.
    pub is_masked: bool,
}

/// What was done on a visit.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ContentView {
    /// Hash of this content.
    pub content_hash: String,
    /// Sort of visit.
    pub visit_type: String,
    /// Its label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visit_type_label: Option<Label>,
    /// The day.
    #[schema(format = Date)]
    pub day: String,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
    /// Who came along.
    pub members: Vec<Named>,
    /// `absent` or `refused`, when nothing could be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// In free words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Latitude and longitude in thousandths of a degree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place_e3: Option<[i64; 2]>,
    /// A partner organisation that took part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner_org: Option<String>,
    /// Why so many activities in one day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity_reason: Option<String>,
    /// Version of the catalogue that the form came from.
    pub catalogue: String,
    /// What was done.
    pub activities: Vec<ActivityView>,
}

/// One activity.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ActivityView {
    /// The activity.
    pub id: Uuid,
    /// Its kind.
    pub kind: String,
    /// Label of the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// The answers by field code, as forms and exports write them.
    #[schema(value_type = Object)]
    pub fields: Json,
    /// The answers again with labels, in the order of the form.
    pub answers: Vec<AnswerView>,
}

/// One answer, for people.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AnswerView {
    /// Code of the field.
    pub field: String,
    /// Label of the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// Labels of the options chosen; empty for answers that are not chosen from a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Label>,
}

/// What a reviewer decided.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ReviewView {
    /// `returned` or `approved`.
    pub decision: String,
    /// Who.
    pub by: Named,
    /// When, by the server's clock.
    #[schema(format = DateTime)]
    pub at: String,
    /// The content that the reviewer saw.
    pub content_hash: String,
    /// Why it was returned.
    pub reasons: Vec<ReasonView>,
    /// The reviewer's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How many were approved together, when by sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    /// Whether this one was looked at, when it was one of many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<bool>,
}

/// One reason for a return, at the place it is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonView {
    /// `wrong_answer`, `missing_answer`, `evidence_unclear`, `duplicate`, `wrong_household`, `wrong_day`, `other`.
    pub code: String,
    /// Index of the activity, from 0; left out when the reason is about the visit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<u32>,
    /// Code of the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The reviewer's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// One event of a visit.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct EventView {
    /// The event.
    pub id: Uuid,
    /// `recorded`, `corrected` or `voided`.
    pub event: String,
    /// Who wrote it.
    pub author: Named,
    /// When it was made, as the device's clock claimed.
    #[schema(format = DateTime)]
    pub claimed_at: String,
    /// When the server received it.
    #[schema(format = DateTime)]
    pub received_at: String,
    /// What a reviewer should look at.
    pub flags: Vec<String>,
    /// Handed in at once.
    pub submitted: bool,
    /// Whether this is the content that holds now.
    pub is_current: bool,
    /// What it says, unless it declares the visit void.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentView>,
    /// Why the visit is void: a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub void_code: Option<String>,
    /// Why the visit is void: in free words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub void_text: Option<String>,
}

impl Reading {
    /// Lists visits, oldest received first.
    pub async fn visits(&self, by: UserId, query: VisitQuery) -> Answer<Page<VisitLine>> {
        self.read_noted(by, "list.visits", None, move |scoped| {
            let unit = query.unit.or(query.village).map(UnitId);
            let scopes = scoped.scopes(Action::ReadRows, unit)?;
            let mut filter = query.filter(scopes)?;
            if let Some(household) = query.household {
                filter.households = scoped.household_family(HouseholdId(household))?;
            }
            let home = home_scope(&scoped.principal);
            let mut found = scoped.tx.visits(&filter)?;
            let more = found.len() == filter.limit;
            found.truncate(filter.limit - 1);
            let last = found.last().map(|visit| (visit.received, visit.visit));
            let next = if more { last.map(cursor::of_visit) } else { None };
            found.retain(|visit| match query.void {
                VoidVisits::Exclude => !visit.is_void,
                VoidVisits::Include => true,
                VoidVisits::Only => visit.is_void,
            });
            let lines = found.iter().map(|visit| scoped.visit_line(visit));
            let items = lines.collect::<Answer<Vec<VisitLine>>>()?;
            let entry = Entry {
                scope: unit.map_or(home, ScopeId::from),
                object: None,
                outcome: items.len().to_string(),
                filter: Some(query.summary()),
            };
            Ok((Page { items, next }, entry))
        })
        .await
    }

    /// Shows one visit.
    pub async fn visit(&self, by: UserId, id: VisitId) -> Answer<VisitView> {
        self.read_noted(by, "read.visit", Some(id.0), move |scoped| {
            let found = scoped.tx.visit(id)?.map(|visit| (visit.scope, visit));
            let (scope, summary) = scoped.within(Action::ReadRows, found)?;
            let view = scoped.visit_view(&summary)?;
            Ok((view, Entry { scope, object: Some(id.0), outcome: "read".into(), filter: None }))
        })
        .await
    }
}

impl Scoped<'_> {
    pub(super) fn sight(&self, scope: ScopeId) -> Sight {
        Sight { names: self.sees_names(scope), restricted: self.sees_restricted(scope) }
    }

    fn visit_line(&mut self, visit: &VisitSummary) -> Answer<VisitLine> {
        Ok(VisitLine {
            id: visit.visit.0,
            village: self.unit_named(visit.scope.into())?,
            team: self.team_named(visit.team)?,
            author: self.user_named(visit.author)?,
            household: match visit.household {
                Some(id) => Some(self.household_named(visit.scope, id)?),
                None => None,
            },
            day: visit.day.to_string(),
            status: visit.status.code().to_owned(),
            is_void: visit.is_void,
            is_disputed: visit.is_disputed,
            flags: flag::codes(visit.flags).into_iter().map(str::to_owned).collect(),
            kinds: visit.kinds.clone(),
            received_at: rfc3339(visit.received.0),
            changed_at: rfc3339(visit.changed.0),
            content_hash: hex(&visit.hash),
            ver: visit.ver.0.to_string(),
        })
    }

    /// A household as far as it is in this scope, read through what it was merged into: one that moved away says nothing
    /// any more.
    fn household_here(&mut self, scope: ScopeId, id: HouseholdId) -> Answer<Option<Register>> {
        for id in [self.household_root(id)?, id] {
            if let Some((at, register)) = self.register(RowType::HOUSEHOLD, id.0)?
                && at == scope
            {
                return Ok(Some(register));
            }
        }
        Ok(None)
    }

    fn household_named(&mut self, scope: ScopeId, id: HouseholdId) -> Answer<Named> {
        let Some(register) = self.household_here(scope, id)? else {
            return Ok(Named { id: id.0, name: String::new() });
        };
        let label = register.group::<HouseholdLabel>(household::LABEL);
        Ok(Named { id: register.id, name: label.map(|label| label.label).unwrap_or_default() })
    }

    fn visit_view(&mut self, summary: &VisitSummary) -> Answer<VisitView> {
        let (scope, id) = (summary.scope, summary.visit);
        let recorded = self.event(RowType::VISIT_RECORDED, id.into())?.ok_or_else(|| damaged("visit"))?.1;
        let stored = self.register(RowType::VISIT_STATE, id.0)?.map(|(_, state)| state);
        let state = stored.clone().unwrap_or_else(|| initial_state(&recorded));
        let pointer: VisitPointer = state.group(visit_state::CONTENT).ok_or_else(|| damaged("visit state"))?;
        let mut events = vec![recorded];
        // Without a stored state nothing but the recording has happened.
        if stored.is_some() {
            events.extend(self.later_events(scope, id, pointer.voided_by)?);
        }
        events.sort_by_key(|event| (event.received, event.row_type(), event.n, event.id));
        let current = events.iter().find(|event| event.id == pointer.event).ok_or_else(|| damaged("visit"))?;
        let content = self.content_view(scope, current)?;
        let views = events.iter().map(|event| self.event_view(scope, event, pointer.event));
        let views = views.collect::<Answer<Vec<EventView>>>()?;
        Ok(VisitView {
            line: self.visit_line(summary)?,
            household_view: match summary.household {
                Some(household) => self.household_mark(scope, household)?,
                None => None,
            },
            content,
            review: match state.group::<Review>(visit_state::REVIEW) {
                Some(review) => Some(self.review_view(review)?),
                None => None,
            },
            signals: self.signals_of(scope, summary.team, id, summary.day)?,
            case: state.groups.get(&visit_state::CONTENT).and_then(|group| group.case).map(|case| case.0),
            events: views,
        })
    }

    /// Corrections are few, so those of a village are looked through; the one that voids a visit is known by its id.
    fn later_events(&mut self, scope: ScopeId, id: VisitId, voided_by: Option<EventId>) -> Answer<Vec<Event>> {
        let mut events = Vec::new();
        let mut after = None;
        loop {
            let rows = self.tx.rows_of(scope, RowType::VISIT_CORRECTED, after, SCAN_PAGE)?;
            for bytes in &rows {
                let event = event_of(bytes)?;
                after = Some(event.id.0);
                if event.visit == Some(id) {
                    events.push(event);
                }
            }
            if rows.len() < SCAN_PAGE {
                break;
            }
        }
        if let Some(voided_by) = voided_by {
            events.extend(self.event(RowType::VISIT_VOIDED, voided_by)?.map(|(_, event)| event));
        }
        Ok(events)
    }

    pub(super) fn household_mark(&mut self, scope: ScopeId, id: HouseholdId) -> Answer<Option<HouseholdMark>> {
        let Some(register) = self.household_here(scope, id)? else { return Ok(None) };
        let sight = self.sight(scope);
        let text = |key, name: &str| {
            let shown =
                register.groups.get(&key).map(|group| plain::group(RowType::HOUSEHOLD, key, &group.value, sight));
            shown.and_then(|shown| shown.get(name).and_then(Json::as_str).map(str::to_owned))
        };
        Ok(Some(HouseholdMark {
            id: register.id,
            label: text(household::LABEL, "label").unwrap_or_default(),
            head: text(household::HEAD, "display_name"),
            phone: text(household::PHONE, "phone"),
            is_masked: !sight.names,
        }))
    }

    pub(super) fn content_view(&mut self, scope: ScopeId, event: &Event) -> Answer<ContentView> {
        let content = read_content(&event.body).map_err(|_| damaged("content"))?;
        let (catalogue, sight) = (Catalogue::shipped(), self.sight(scope));
        let members = content.members.iter().map(|member| self.user_named(*member));
        let members = members.collect::<Answer<Vec<Named>>>()?;
        let activities = activities_with_ids(event.id, event.at, &content);
        let activities = activities.into_iter().map(|(id, activity)| activity_view(catalogue, id, activity, sight));
        Ok(ContentView {
            content_hash: hex(&content_hash(&event.body.0)),
            visit_type_label: choice_label(catalogue, "visit_type", &content.visit_type),
            visit_type: content.visit_type.clone(),
            day: content.day.to_string(),
            minutes: content.minutes,
            members,
            result: content.result.clone(),
            summary: content.summary.clone(),
            place_e3: content.place.map(|(lat, lon)| [lat, lon]),
            partner_org: content.partner_org.clone(),
            quantity_reason: content.quantity_reason.clone(),
            catalogue: content.catalogue.clone(),
            activities: activities.collect(),
        })
    }

    fn event_view(&mut self, scope: ScopeId, event: &Event, current: EventId) -> Answer<EventView> {
        let is_void = event.row_type() == RowType::VISIT_VOIDED;
        let reason = if is_void { VoidReason::from_cbor(&event.body.0).ok() } else { None };
        Ok(EventView {
            id: event.id.0,
            event: match event.row_type() {
                RowType::VISIT_RECORDED => "recorded",
                RowType::VISIT_CORRECTED => "corrected",
                _ => "voided",
            }
            .into(),
            author: self.user_named(event.author)?,
            claimed_at: rfc3339(event.at.0),
            received_at: rfc3339(event.received.0),
            flags: flag::codes(event.flags).into_iter().map(str::to_owned).collect(),
            submitted: event.submitted,
            is_current: event.id == current,
            content: if is_void { None } else { Some(self.content_view(scope, event)?) },
            void_code: reason.as_ref().map(|reason| reason.code.clone()),
            void_text: reason.and_then(|reason| reason.text),
        })
    }

    fn review_view(&mut self, review: Review) -> Answer<ReviewView> {
        let reason = |reason: ReturnReason| {
            let ReturnReason { code, activity, field, text, .. } = reason;
            ReasonView { code, activity, field, text }
        };
        Ok(ReviewView {
            decision: review.decision,
            by: self.user_named(review.by)?,
            at: rfc3339(review.at.0),
            content_hash: hex(&review.hash),
            reasons: review.reasons.into_iter().map(reason).collect(),
            note: review.note,
            batch_size: review.batch.as_ref().map(|batch| batch.size),
            looked_at: review.batch.map(|batch| batch.looked_at),
        })
    }
}

fn choice_label(catalogue: &Catalogue, list: &str, code: &str) -> Option<Label> {
    let choice = catalogue.list(list)?.iter().find(|choice| choice.code == code)?;
    Some(Label { vi: choice.vi.clone(), en: choice.en.clone() })
}

fn label(find: impl Fn(Lang) -> Option<String>) -> Option<Label> {
    Some(Label { vi: find(Lang::Vi)?, en: find(Lang::En)? })
}

fn activity_view(catalogue: &Catalogue, id: ActivityId, activity: &Activity, sight: Sight) -> ActivityView {
    let fields = plain::answers(catalogue, activity, sight);
    let kind = &activity.kind;
    let order = |code: &str| {
        let at = catalogue.kind(kind).and_then(|kind| kind.fields.iter().position(|field| field.code == code));
        at.unwrap_or(usize::MAX)
    };
    let mut shown: Vec<(&String, &Json)> = fields.as_object().into_iter().flatten().collect();
    shown.sort_by_key(|(code, _)| (order(code), (*code).clone()));
    let answers = shown.into_iter().map(|(code, value)| {
        let options = match value {
            Json::String(option) => vec![option.as_str()],
            Json::Array(options) => options.iter().filter_map(Json::as_str).collect(),
            _ => vec![],
        };
        let option_label =
            |option: &str| label(|lang| catalogue.option_label(kind, code, option, lang).map(str::to_owned));
        AnswerView {
            field: code.clone(),
            label: label(|lang| catalogue.field_label(kind, code, lang).map(str::to_owned)),
            options: options.into_iter().filter_map(option_label).collect(),
        }
    });
    ActivityView {
        id: id.0,
        kind: kind.clone(),
        label: label(|lang| catalogue.label(kind, lang).map(str::to_owned)),
        answers: answers.collect(),
        fields,
    }
}
