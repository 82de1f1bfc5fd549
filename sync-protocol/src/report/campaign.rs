//! What a report says of a campaign on one of its days.

use std::collections::{BTreeMap, BTreeSet};

use crate::campaign::{Achievement, Campaign, DayCount, day_counts};
use crate::ids::{Day, TeamId, UnitId};

/// A day of a campaign in a unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CampaignDay {
    /// Its title.
    pub title: String,
    /// The day.
    pub day: Day,
    /// What the whole unit did, for each kind that counts.
    pub kinds: Vec<CampaignKindLine>,
    /// What each unit inside did, in order; those that neither did anything nor have a target are left out.
    pub units: Vec<CampaignUnitLine>,
    /// Names of the units that are left out.
    pub quiet: Vec<String>,
}

/// What was done of a kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CampaignKindLine {
    /// The kind.
    pub kind: String,
    /// How much.
    pub count: DayCount,
    /// The unit's own target.
    pub target: Option<u64>,
}

/// What a unit inside did of a kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CampaignUnitLine {
    /// The unit's name.
    pub unit: String,
    /// By whom, in order: the team's name, and how much.
    pub teams: Vec<(String, DayCount)>,
    /// Kind, sum of all teams, and the unit's own target.
    pub whole: CampaignKindLine,
}

impl DayCount {
    fn add(&mut self, other: &Self) {
        self.on_day += other.on_day;
        self.so_far += other.so_far;
        self.approved += other.approved;
    }
}

impl CampaignDay {
    /// Counts a day. `parts` are the units inside with their names and the villages that they stand for, in order;
    /// without `teams` their teams are not told apart.
    pub fn of(
        campaign: &Campaign,
        (title, unit, day): (String, UnitId, Day),
        all: &[Achievement],
        parts: &[(UnitId, String, BTreeSet<UnitId>)],
        teams: Option<&BTreeMap<TeamId, String>>,
    ) -> Self {
        let counts = day_counts(all, day);
        let sum = |kind: &str, inside: &dyn Fn(UnitId) -> bool| {
            let mut sum = DayCount::default();
            let fits = counts.iter().filter(|((village, _, of), _)| *of == kind && inside(*village));
            fits.for_each(|(_, count)| sum.add(count));
            sum
        };
        let target = |unit: &UnitId, kind: &str| campaign.targets.get(unit).and_then(|own| own.get(kind)).copied();
        let (mut units, mut quiet) = (Vec::new(), Vec::new());
        for (id, name, villages) in parts {
            let before = units.len();
            for kind in &campaign.kinds {
                let count = sum(kind, &|village| villages.contains(&village));
                let target = target(id, kind);
                if count == DayCount::default() && target.is_none() {
                    continue;
                }
                let mut by_team: BTreeMap<TeamId, DayCount> = BTreeMap::new();
                for ((village, team, of), count) in &counts {
                    if of == kind && villages.contains(village) {
                        by_team.entry(*team).or_default().add(count);
                    }
                }
                let named = |(team, count)| Some((teams?.get(&team).cloned().unwrap_or_default(), count));
                let mut teams: Vec<(String, DayCount)> = by_team.into_iter().filter_map(named).collect();
                teams.sort_by_cached_key(|(name, _)| crate::fold::sort_key(name));
                let whole = CampaignKindLine { kind: kind.clone(), count, target };
                units.push(CampaignUnitLine { unit: name.clone(), teams, whole });
            }
            if units.len() == before {
                quiet.push(name.clone());
            }
        }
        let line = |kind: &String| CampaignKindLine {
            kind: kind.clone(),
            count: sum(kind, &|_| true),
            target: target(&unit, kind),
        };
        Self { title, day, kinds: campaign.kinds.iter().map(line).collect(), units, quiet }
    }
}
