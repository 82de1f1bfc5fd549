//! From a visit's rows to what is looked at: the one way, for phone and server.

use super::{Place, SeenActivity, SeenVisit, Watched};
use crate::catalogue::{ActivityContent, ActivityFacts, Catalogue, Check, EvidencePolicy, FieldType, Kind, code};
use crate::ids::{ClaimedMs, Day};
use crate::indicator::{ActivityFact, Fact, VisitFact, claim, subject_of};
use crate::row::Event;
use crate::value::Value;
use crate::workflow::VisitStatus;

const MINUTE_MS: u64 = 60_000;
const MINUTES_A_DAY: u64 = 24 * 60;
/// Milliseconds by which Vietnamese wall time runs ahead of UTC.
const UTC_PLUS_7_MS: u64 = 7 * 3_600_000;

/// Minute of the day in Việt Nam.
fn minute_of(at: ClaimedMs) -> u32 {
    let minutes = at.0.saturating_add(UTC_PLUS_7_MS) / MINUTE_MS % MINUTES_A_DAY;
    u32::try_from(minutes).unwrap_or(0)
}

fn first_half(hash: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    half
}

impl SeenVisit {
    /// From a visit: `fact` is what holds of it, `recorded` the event that first recorded it, `held` the one whose content holds.
    pub(crate) fn of(fact: &VisitFact<'_>, recorded: &Event, held: &Event, catalogue: &Catalogue) -> Self {
        let facts = fact.activities();
        let activities = facts.iter().filter_map(|fact| match fact {
            Fact::Activity(activity) => Some(activity_of(activity, catalogue)),
            Fact::Row(_) => None,
        });
        let mut activities: Vec<SeenActivity> = activities.collect();
        // A summary is of the visit; it is compared like the notes of its first activity.
        if let (Some(first), Some(summary)) = (activities.first_mut(), &fact.content.summary) {
            first.texts.push(summary.clone());
        }
        let narrow =
            |(lat, lon): (i64, i64)| Some(Place { lat_e3: i32::try_from(lat).ok()?, lon_e3: i32::try_from(lon).ok()? });
        Self {
            visit: fact.visit,
            author: fact.author,
            day: fact.content.day,
            received: Day::of_ms(recorded.received.0),
            entered: Day::of_ms(recorded.at.0),
            entered_minute: minute_of(recorded.at),
            minutes: fact.content.minutes,
            place: fact.content.place.and_then(narrow),
            approved: fact.status == VisitStatus::Approved,
            flags: held.flags,
            activities,
        }
    }
}

fn watched_percent(kind: &Kind) -> Option<u32> {
    kind.rules.iter().find_map(|rule| match rule.check {
        Some(Check::DropAgainstLastApproved { percent }) => Some(percent),
        _ => None,
    })
}

/// Whether the numbers of a kind of activity are watched from one approved activity to the next.
pub fn is_watched(kind: &Kind) -> bool {
    watched_percent(kind).is_some()
}

fn activity_of(activity: &ActivityFact, catalogue: &Catalogue) -> SeenActivity {
    let kind = catalogue.kind(&activity.kind);
    let answers = |wanted: FieldType| {
        let fields = kind.iter().flat_map(|kind| &kind.fields).filter(move |field| field.field_type == wanted);
        fields.filter_map(|field| activity.fields.get(&field.code).map(|answer| (field, answer)))
    };
    let claimed = kind.and_then(|kind| claim(kind, activity));
    let texts = answers(FieldType::Text).filter_map(|(_, answer)| match answer {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    });
    let photos = answers(FieldType::Photo).filter_map(|(_, answer)| match answer {
        Value::Photos(photos) => Some(photos.clone()),
        _ => None,
    });
    let watched = kind.and_then(|kind| {
        let percent = watched_percent(kind)?;
        let numbers = answers(FieldType::Int).filter_map(|(field, answer)| match answer {
            Value::Int(number) => {
                Some((field.code.clone(), field.vi.clone(), field.en.clone(), u64::try_from(*number).ok()?))
            }
            _ => None,
        });
        let about = *subject_of(Some(kind), &kind.subject, activity)?.as_bytes();
        Some(Watched { about, percent, numbers: numbers.collect() })
    });
    let content = ActivityContent { kind: activity.kind.clone(), fields: activity.fields.clone() };
    let facts = ActivityFacts {
        visit_day: activity.day,
        evidence: &[],
        last_approved: None,
        evidence_policy: EvidencePolicy::FlagOnly,
    };
    let findings = catalogue.validate(&content, &facts);
    SeenActivity {
        kind: activity.kind.clone(),
        subject: claimed.map(first_half),
        is_done: activity.fields.get("outcome") == Some(&Value::Text("done".to_owned())),
        once_per_subject: claimed.is_some(),
        texts: texts.collect(),
        tally: watched.iter().flat_map(|watched| watched.numbers.iter().map(|(.., number)| *number)).collect(),
        photos: photos.flatten().collect(),
        evidence_missing: findings.iter().any(|finding| finding.code == code::EVIDENCE_MISSING),
        watched,
    }
}
