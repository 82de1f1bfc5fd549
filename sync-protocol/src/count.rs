//! What counts, and where. Phone and server call the same function on the same rows, so their numbers agree.
//!
//! A visit counts once, each of its activities once, under the village, team, reporting month and status that hold now.
//! A void visit counts nowhere. *Recorded* is what the phone holds, sent or not; *confirmed* is what the server holds;
//! *approved* is the part of confirmed whose status is approved. Source: docs/PROTOCOL.md, "Counting".

use crate::catalogue::Catalogue;
use crate::decide::reporting_month;
use crate::entity::VisitContent;
use crate::ids::*;
use crate::value::Value;
use crate::workflow::VisitStatus;

/// The `kind` under which visits themselves are counted; no kind of the catalogue has an empty code.
pub const VISIT_ITSELF: &str = "";

/// One cell of the count.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CountKey {
    /// The village.
    pub village: UnitId,
    /// The reporting month of the day of the visit.
    pub month: Month,
    /// The team.
    pub team: TeamId,
    /// The kind of activity, or `VISIT_ITSELF`.
    pub kind: String,
    /// The outcome of the activity; for visits `absent`, `refused` or `done`; empty where a kind has no outcome.
    pub outcome: String,
    /// The visit's status.
    pub status: VisitStatus,
}

/// The cells that a visit adds one to, each as often as it is listed.
pub fn contributions(content: &VisitContent, status: VisitStatus, is_void: bool) -> Vec<CountKey> {
    if is_void {
        return Vec::new();
    }
    let key = |kind: &str, outcome: &str| CountKey {
        village: content.village,
        month: reporting_month(content.day),
        team: content.team,
        kind: kind.to_owned(),
        outcome: outcome.to_owned(),
        status,
    };
    let visit = key(VISIT_ITSELF, content.result.as_deref().unwrap_or("done"));
    let activities = content.activities.iter().map(|activity| {
        let outcome = match activity.fields.get("outcome") {
            Some(Value::Text(outcome)) => outcome.as_str(),
            _ => "",
        };
        key(&activity.kind, outcome)
    });
    std::iter::once(visit).chain(activities).collect()
}

/// Whether a cell counts as achieved: the outcome `done`. "Already had it" counts for coverage, not for achievement.
pub fn is_achieved(catalogue: &Catalogue, key: &CountKey) -> bool {
    key.outcome == "done" && catalogue.kind(&key.kind).is_some()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use uuid::Uuid;

    use super::*;
    use crate::entity::Activity;

    fn content(outcomes: &[&str]) -> VisitContent {
        let activity = |outcome: &&str| Activity {
            kind: "vneid_level2".into(),
            fields: BTreeMap::from([("outcome".to_owned(), Value::Text((*outcome).to_owned()))]),
            id: None,
            ext: Default::default(),
        };
        VisitContent {
            village: UnitId(Uuid::from_bytes([1; 16])),
            team: TeamId(Uuid::from_bytes([2; 16])),
            household: None,
            visit_type: "household".into(),
            day: Day::parse("2026-11-15").unwrap(),
            minutes: None,
            activities: outcomes.iter().map(activity).collect(),
            members: vec![],
            result: None,
            summary: None,
            place: None,
            catalogue: "2026.1".into(),
            partner_org: None,
            quantity_reason: None,
            ext: Default::default(),
        }
    }

    #[test]
    fn a_visit_counts_once_and_so_does_each_activity() {
        let keys = contributions(&content(&["done", "already", "done"]), VisitStatus::Submitted, false);
        assert_eq!(keys.iter().filter(|key| key.kind == VISIT_ITSELF).count(), 1);
        assert_eq!(keys.iter().filter(|key| key.outcome == "done" && !key.kind.is_empty()).count(), 2);
        assert!(keys.iter().all(|key| key.month.to_string() == "2026-12"));
        let achieved = keys.iter().filter(|key| is_achieved(Catalogue::shipped(), key)).count();
        assert_eq!(achieved, 2);
    }

    #[test]
    fn a_void_visit_counts_nowhere() {
        assert!(contributions(&content(&["done"]), VisitStatus::Done, true).is_empty());
    }
}
