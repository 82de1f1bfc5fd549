//! A visit's form as a screen holds it, and the content that it stands for.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sync_protocol::catalogue::{ActivityContent, ActivityFacts, Catalogue, EvidencePolicy, Severity, code};
use sync_protocol::cbor::Ext;
use sync_protocol::entity::{Activity, VisitContent};
use sync_protocol::ids::*;
use sync_protocol::text::forbidden_numbers;
use uuid::Uuid;

use super::FormFinding;
use crate::store::{ActivityView, VisitPage};

/// A visit as a form holds it: finished or not, right or not.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "ts", ts(optional_fields))]
pub struct VisitForm {
    /// The village.
    pub village: Uuid,
    /// The team.
    pub team: Uuid,
    /// The household; left out for group sessions and counter duty.
    pub household: Option<Uuid>,
    /// A code of the catalogue's `visit_type` list.
    pub visit_type: String,
    /// The day, `YYYY-MM-DD`.
    pub day: String,
    /// How long it took, in minutes.
    pub minutes: Option<u32>,
    /// Who came along.
    #[serde(default)]
    pub members: Vec<Uuid>,
    /// What was done.
    #[serde(default)]
    pub activities: Vec<ActivityForm>,
    /// `absent` or `refused`, when nothing could be done.
    pub result: Option<String>,
    /// In free words.
    pub summary: Option<String>,
    /// A partner organisation that took part.
    pub partner_org: Option<String>,
    /// Why so many activities in one day.
    pub quantity_reason: Option<String>,
    /// Where it was: latitude and longitude in thousandths of a degree.
    pub place: Option<[i64; 2]>,
    /// The plan that it carries out.
    pub plan: Option<Uuid>,
}

/// One activity of a form.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "ts", ts(optional_fields))]
pub struct ActivityForm {
    /// A kind of the catalogue.
    pub kind: String,
    /// The answers so far, by field code.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(type = "Record<string, JsonValue>"))]
    pub fields: serde_json::Map<String, Json>,
    /// The activity that a correction continues.
    pub id: Option<Uuid>,
}

impl VisitForm {
    /// The form of a visit that is there.
    pub(super) fn of_content(content: &VisitContent, activities: &[ActivityView]) -> Self {
        let ids = |index: usize| activities.get(index).map(|activity| activity.id.0);
        Self {
            village: content.village.0,
            team: content.team.0,
            household: content.household.map(|id| id.0),
            visit_type: content.visit_type.clone(),
            day: content.day.to_string(),
            minutes: content.minutes,
            members: content.members.iter().map(|user| user.0).collect(),
            activities: content
                .activities
                .iter()
                .enumerate()
                .map(|(index, activity)| ActivityForm {
                    kind: activity.kind.clone(),
                    fields: match Catalogue::shipped().to_json_fields(&activity.fields) {
                        Json::Object(fields) => fields,
                        _ => Default::default(),
                    },
                    id: ids(index),
                })
                .collect(),
            result: content.result.clone(),
            summary: content.summary.clone(),
            partner_org: content.partner_org.clone(),
            quantity_reason: content.quantity_reason.clone(),
            place: content.place.map(|(lat, lon)| [lat, lon]),
            plan: None,
        }
    }

    /// What holds whatever the answers are: where, when, whose house. For a draft that does not read yet.
    pub(super) fn bones(&self) -> Result<VisitContent, Vec<FormFinding>> {
        let day = Day::parse(&self.day).ok_or_else(|| vec![bad_day()])?;
        Ok(VisitContent {
            village: UnitId(self.village),
            team: TeamId(self.team),
            household: self.household.map(HouseholdId),
            visit_type: self.visit_type.clone(),
            day,
            minutes: None,
            activities: Vec::new(),
            members: Vec::new(),
            result: None,
            summary: None,
            place: None,
            catalogue: Catalogue::shipped().version().to_owned(),
            partner_org: None,
            quantity_reason: None,
            ext: Ext::default(),
        })
    }

    /// The content that the form stands for. What a correction does not know of the visit before it is kept.
    ///
    /// # Errors
    /// Every answer that does not read, each at its field.
    pub(super) fn content(&self, before: Option<&VisitPage>) -> Result<VisitContent, Vec<FormFinding>> {
        let bones = self.bones()?;
        let mut findings = Vec::new();
        let mut activities = Vec::new();
        for (index, activity) in self.activities.iter().enumerate() {
            let answers = Json::Object(activity.fields.iter().filter(|(_, v)| !v.is_null()).map(own).collect());
            match Catalogue::shipped().from_json_fields(&activity.kind, &answers) {
                Ok(fields) => activities.push(Activity {
                    kind: activity.kind.clone(),
                    fields,
                    id: activity.id.map(ActivityId),
                    ext: before
                        .and_then(|page| page.content.activities.get(index))
                        .filter(|before| before.kind == activity.kind)
                        .map_or_else(Ext::default, |before| before.ext.clone()),
                }),
                Err(wrong) => findings.extend(wrong.into_iter().map(|finding| FormFinding::of(index, finding))),
            }
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        let filled =
            |text: &Option<String>| text.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
        Ok(VisitContent {
            minutes: self.minutes,
            activities,
            members: self.members.iter().copied().map(UserId).collect(),
            result: self.result.clone(),
            summary: filled(&self.summary),
            place: self.place.map(|[lat, lon]| (lat, lon)),
            partner_org: filled(&self.partner_org),
            quantity_reason: filled(&self.quantity_reason),
            ext: before.map_or_else(Ext::default, |before| before.content.ext.clone()),
            ..bones
        })
    }
}

fn own((key, value): (&String, &Json)) -> (String, Json) {
    (key.clone(), value.clone())
}

fn bad_day() -> FormFinding {
    FormFinding {
        severity: "error".into(),
        code: "bad_value".into(),
        activity: None,
        field: Some("day".into()),
        vi: "Ngày không đúng.".into(),
        en: "This is not a day.".into(),
    }
}

fn has_forbidden_number(words: &str) -> bool {
    !forbidden_numbers(words).is_empty()
}

/// The words of the catalogue's own finding about a free text.
fn forbidden_number(field: &str) -> FormFinding {
    FormFinding {
        severity: "error".into(),
        code: code::FORBIDDEN_NUMBER.into(),
        activity: None,
        field: Some(field.into()),
        vi: "Có dãy số giống số căn cước, số điện thoại hoặc số tài khoản; hãy xóa dãy số đó.".into(),
        en: "Contains a number like a personal, telephone or account number; please remove it.".into(),
    }
}

/// What the catalogue says about every activity, each at its place, and what is wrong with the free words of the visit.
pub(super) fn findings(content: &VisitContent) -> Vec<FormFinding> {
    let words = [
        ("summary", &content.summary),
        ("partner_org", &content.partner_org),
        ("quantity_reason", &content.quantity_reason),
    ];
    let numbered = words.into_iter().filter(|(_, words)| words.as_deref().is_some_and(has_forbidden_number));
    let mut found: Vec<FormFinding> = numbered.map(|(field, _)| forbidden_number(field)).collect();
    for (index, activity) in content.activities.iter().enumerate() {
        let facts = ActivityFacts {
            visit_day: content.day,
            evidence: &[],
            evidence_policy: EvidencePolicy::FlagOnly,
            last_approved: None,
        };
        let content = ActivityContent { kind: activity.kind.clone(), fields: activity.fields.clone() };
        let findings = Catalogue::shipped().validate(&content, &facts);
        found.extend(findings.into_iter().filter(|f| f.severity != Severity::Info).map(|f| FormFinding::of(index, f)));
    }
    found
}
