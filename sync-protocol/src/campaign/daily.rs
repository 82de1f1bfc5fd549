//! What was achieved for a campaign, day by day: for the list of its days, and for the report of a day.

use std::collections::BTreeMap;

use super::{CUT_MINUTE_DEFAULT, Campaign, daily_count_day};
use crate::catalogue::Catalogue;
use crate::count::{contributions, is_achieved};
use crate::entity::VisitContent;
use crate::ids::{Day, ServerMs, TeamId, UnitId};
use crate::workflow::VisitStatus;

/// One achieved activity that counts towards a campaign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Achievement {
    /// The village.
    pub village: UnitId,
    /// The team.
    pub team: TeamId,
    /// The kind of activity.
    pub kind: String,
    /// The day of the visit; the count of the whole campaign goes by it.
    pub day: Day,
    /// The day whose daily count first holds it ([`daily_count_day`]).
    pub counted: Day,
    /// Its visit is approved.
    pub approved: bool,
}

/// What a visit achieved for a campaign. `entered` is when the store first held it: what comes in after the cut is in the
/// daily count of the next day. Nothing of a void visit. The village must lie in the campaign's unit.
pub fn achievements(
    campaign: &Campaign,
    content: &VisitContent,
    status: VisitStatus,
    is_void: bool,
    entered: ServerMs,
) -> Vec<Achievement> {
    let catalogue = Catalogue::shipped();
    let on = Day::of_ms(entered.0);
    let minute = u32::try_from(entered.0.saturating_sub(on.begins().0) / 60_000).unwrap_or(u32::MAX);
    let counted = daily_count_day(content.day, on, minute, CUT_MINUTE_DEFAULT);
    contributions(content, status, is_void)
        .into_iter()
        .filter(|key| is_achieved(catalogue, key) && campaign.counts(&key.kind, content.day, &[campaign.unit]))
        .map(|key| Achievement {
            village: key.village,
            team: key.team,
            kind: key.kind,
            day: content.day,
            counted,
            approved: status == VisitStatus::Approved,
        })
        .collect()
}

/// How much was achieved up to a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DayCount {
    /// In the daily count of the day.
    pub on_day: u64,
    /// In the daily counts up to the day.
    pub so_far: u64,
    /// Those of `so_far` whose visits are approved.
    pub approved: u64,
}

/// Counts per village, team and kind as the daily count of a day has them; what is only counted later is left out.
pub fn day_counts(all: &[Achievement], day: Day) -> BTreeMap<(UnitId, TeamId, &str), DayCount> {
    let mut counts: BTreeMap<(UnitId, TeamId, &str), DayCount> = BTreeMap::new();
    for one in all.iter().filter(|one| one.counted <= day) {
        let count = counts.entry((one.village, one.team, &one.kind)).or_default();
        count.on_day += u64::from(one.counted == day);
        count.so_far += 1;
        count.approved += u64::from(one.approved);
    }
    counts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::super::CampaignKind;
    use super::*;
    use crate::entity::Activity;
    use crate::ids::CampaignId;
    use crate::value::Value;

    const UNIT: UnitId = UnitId(Uuid::from_bytes([1; 16]));
    const VILLAGE: UnitId = UnitId(Uuid::from_bytes([2; 16]));
    const TEAM: TeamId = TeamId(Uuid::from_bytes([3; 16]));

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn drive() -> Campaign {
        Campaign {
            id: CampaignId(Uuid::from_bytes([7; 16])),
            unit: UNIT,
            kind: CampaignKind::Drive,
            from: day("2026-11-20"),
            to: day("2026-11-25"),
            recurrence: None,
            kinds: BTreeSet::from(["vneid_level2".to_owned()]),
            published: true,
            targets: BTreeMap::new(),
        }
    }

    fn visit(on: &str, activities: &[(&str, &str)]) -> VisitContent {
        let activity = |(kind, outcome): &(&str, &str)| Activity {
            kind: (*kind).to_owned(),
            fields: BTreeMap::from([("outcome".to_owned(), Value::Text((*outcome).to_owned()))]),
            id: None,
            ext: Default::default(),
        };
        VisitContent {
            village: VILLAGE,
            team: TEAM,
            household: None,
            visit_type: "household".into(),
            day: day(on),
            minutes: None,
            activities: activities.iter().map(activity).collect(),
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

    fn at(text: &str, hour: u64) -> ServerMs {
        ServerMs(day(text).begins().0 + hour * 3_600_000)
    }

    #[test]
    fn what_is_entered_after_the_cut_is_in_the_next_daily_count_and_in_one_only() {
        let content =
            visit("2026-11-21", &[("vneid_level2", "done"), ("vneid_level2", "already"), ("vnpt_pay", "done")]);
        let found = |hour| achievements(&drive(), &content, VisitStatus::Submitted, false, at("2026-11-21", hour));
        let all: Vec<Achievement> = found(9).into_iter().chain(found(18)).collect();
        assert_eq!(all.len(), 2, "done, of a kind that counts");
        let count = |on: &str| day_counts(&all, day(on)).remove(&(VILLAGE, TEAM, "vneid_level2")).unwrap_or_default();
        let of = |on| (count(on).on_day, count(on).so_far);
        assert_eq!(
            [of("2026-11-20"), of("2026-11-21"), of("2026-11-22"), of("2026-11-23")],
            [(0, 0), (1, 1), (1, 2), (0, 2)]
        );
        assert_eq!(count("2026-11-23").approved, 0);
    }

    #[test]
    fn void_visits_and_days_outside_count_nowhere() {
        let done = [("vneid_level2", "done")];
        let found = |on: &str, is_void| {
            achievements(&drive(), &visit(on, &done), VisitStatus::Approved, is_void, at("2026-11-22", 9)).len()
        };
        assert_eq!((found("2026-11-21", false), found("2026-11-21", true), found("2026-11-19", false)), (1, 0, 0));
    }
}
