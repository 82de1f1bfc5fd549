//! Whether a unit meets its targets, whether a person meets the criteria, and what a team scores.

use std::collections::{BTreeMap, BTreeSet};

use super::evaluate::{Empty, Figure, FigureUnit, Situation};
use super::facts::{Fact, History, state_set, subject_of};
use super::{Band, CitizenSet, Direction, Fraction, Indicator, IndicatorSet, Indicators, Needs, Scale, ScoreSet};
use crate::catalogue::{Catalogue, Decimal};
use crate::ids::{Day, PersonId};
use crate::value::Value;
use crate::workflow::VisitStatus;

/// Targets that a unit set in place of the file's, by indicator.
pub type Overrides = BTreeMap<String, Decimal>;

/// How a figure stands against its target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Met {
    /// It is met.
    Yes,
    /// It is not met.
    No,
    /// There is no target.
    NoTarget,
    /// There is no value.
    Empty(Empty),
}

impl Indicator {
    /// The target that holds for a unit.
    pub fn target_for(&self, overrides: &Overrides) -> Option<Decimal> {
        overrides.get(&self.code).copied().or(self.target)
    }

    /// Whether the figure meets the target that holds for the unit; compared exactly, never as it is shown.
    pub fn met(&self, figure: &Figure, overrides: &Overrides) -> Met {
        let Some(target) = self.target_for(overrides) else { return Met::NoTarget };
        let Some(value) = figure.value else { return Met::Empty(figure.empty.unwrap_or(Empty::NoData)) };
        let target = Fraction::from(target);
        let met = match self.direction {
            Direction::Up => value >= target,
            Direction::Down => value <= target,
        };
        if met { Met::Yes } else { Met::No }
    }
}

/// How a unit stands against a set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetCheck {
    /// Each indicator of the set, in order.
    pub indicators: Vec<(String, Met)>,
    /// Mandatory ones: met, of all.
    pub mandatory: (usize, usize),
    /// The others: met, of all.
    pub optional: (usize, usize),
    /// The set that is required as well.
    pub required: Option<Box<SetCheck>>,
    /// Whether the shares are reached here and in what is required. Never for a set without a recognition rule.
    pub recognised: bool,
    /// A figure is provisional: the result may still change.
    pub provisional: bool,
}

impl Indicators {
    /// Checks a set against the unit's figures, by indicator. A figure that is not given counts as empty.
    pub fn check_set(&self, set: &IndicatorSet, figures: &BTreeMap<String, Figure>, overrides: &Overrides) -> SetCheck {
        let required = set.requires.as_ref().and_then(|code| self.set(code));
        let required = required.map(|set| Box::new(self.check_set(set, figures, overrides)));
        let met = |indicator: &Indicator| match figures.get(&indicator.code) {
            Some(figure) => indicator.met(figure, overrides),
            None => Met::Empty(Empty::NoData),
        };
        let indicators: Vec<_> = set.indicators.iter().map(|one| (one.code.clone(), met(one))).collect();
        let share = |mandatory: bool| {
            let of = set.indicators.iter().zip(&indicators).filter(|(one, _)| one.mandatory == mandatory);
            (of.clone().filter(|(_, (_, met))| *met == Met::Yes).count(), of.count())
        };
        let (mandatory, optional) = (share(true), share(false));
        let reached = |(met, of): (usize, usize), share: Decimal| {
            Fraction::whole(met as i128) >= Fraction::from(share).times(Fraction::whole(of as i128))
        };
        let recognised = set
            .recognition
            .as_ref()
            .is_some_and(|rule| reached(mandatory, rule.mandatory_share) && reached(optional, rule.optional_share))
            && required.as_ref().is_none_or(|required| required.recognised);
        let provisional = set.indicators.iter().any(|one| figures.get(&one.code).is_some_and(|f| f.provisional))
            || required.as_ref().is_some_and(|required| required.provisional);
        SetCheck { indicators, mandatory, optional, required, recognised, provisional }
    }
}

/// How a person stands against one criterion.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CriterionCheck {
    /// The criterion.
    pub code: String,
    /// Its group; 0 where the set has none.
    pub group: u32,
    /// Whether it is met.
    pub met: bool,
    /// States that are still lacking; of those of which one is enough, all.
    pub lacking: Vec<String>,
}

/// How a person stands against the criteria of a digital citizen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CitizenCheck {
    /// Each criterion, in order.
    pub criteria: Vec<CriterionCheck>,
    /// Per group: met, of all.
    pub groups: BTreeMap<u32, (usize, usize)>,
    /// Whether the person is surely old enough; the band's youngest age decides, an unknown one never suffices.
    pub of_age: bool,
    /// Of age, and every criterion met.
    pub fulfilled: bool,
}

impl CitizenSet {
    /// Checks a person's states. `age_from` is the youngest age of the person's band.
    pub fn check(&self, states: &BTreeMap<String, bool>, age_from: Option<u32>) -> CitizenCheck {
        let holds = |state: &String| states.get(state) == Some(&true);
        let lacking = |needs: &Needs| match needs {
            Needs::AllStates(wanted) => wanted.iter().filter(|state| !holds(state)).cloned().collect(),
            Needs::AnyStates(wanted) if wanted.iter().any(holds) => Vec::new(),
            Needs::AnyStates(wanted) => wanted.clone(),
        };
        let mut groups: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
        let mut criteria = Vec::new();
        for criterion in &self.criteria {
            let mut lacks: Vec<String> = lacking(&criterion.needs);
            lacks.extend(criterion.plus.as_ref().map(lacking).unwrap_or_default());
            let (code, group, met) = (criterion.code.clone(), criterion.group, lacks.is_empty());
            let counted = groups.entry(group).or_default();
            *counted = (counted.0 + usize::from(met), counted.1 + 1);
            criteria.push(CriterionCheck { code, group, met, lacking: lacks });
        }
        let of_age = age_from.is_some_and(|age| age >= self.min_age);
        let fulfilled = of_age && criteria.iter().all(|criterion| criterion.met);
        CitizenCheck { criteria, groups, of_age, fulfilled }
    }
}

/// What approved activities made of a person's states until the end of a day; the newest holds.
pub fn person_states<'f>(
    catalogue: &Catalogue,
    facts: impl IntoIterator<Item = &'f Fact>,
    person: PersonId,
    until: Day,
) -> BTreeMap<String, bool> {
    let mut newest = BTreeMap::new();
    for fact in facts {
        let Fact::Activity(activity) = fact else { continue };
        let Some(kind) = catalogue.kind(&activity.kind) else { continue };
        let counts = activity.status == VisitStatus::Approved && !activity.void && activity.day <= until;
        if !counts || subject_of(Some(kind), "person", activity) != Some(person.0) {
            continue;
        }
        let states: BTreeSet<&String> =
            kind.sets_state.iter().filter(|rule| rule.subject == "person").map(|rule| &rule.state).collect();
        for state in states {
            if let Some(Value::Bool(value)) = state_set(kind, "person", state, activity) {
                let found = (activity.day, activity.id, value);
                let held = newest.entry(state.clone()).or_insert(found);
                *held = found.max(*held);
            }
        }
    }
    newest.into_iter().map(|(state, (_, _, value))| (state, value)).collect()
}

/// What one item of a team score earned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TeamItem {
    /// Its value.
    pub figure: Figure,
    /// What it can earn.
    pub max_points: u32,
    /// Thousandths of a point, halves upwards; `None` when the figure is empty and the item is left out.
    pub points_milli: Option<i128>,
}

/// A team's score.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TeamScore {
    /// Each item, in order.
    pub items: Vec<TeamItem>,
    /// Of the full points, in proportion to what the items with a value could earn: a team that nobody brought a case
    /// is not marked down for it. `None` when no item has a value.
    pub points: Option<Fraction>,
    /// What the items with a value could earn.
    pub possible: u32,
    /// The band.
    pub band: Option<Band>,
    /// The period is open, or submitted activities are counted in.
    pub provisional: bool,
}

impl TeamScore {
    /// The score as a figure, for league tables and snapshots.
    pub fn figure(&self, set: &ScoreSet, situation: &Situation<'_>) -> Figure {
        let most = |count: fn(&Figure) -> u64| self.items.iter().map(|item| count(&item.figure)).max().unwrap_or(0);
        Figure {
            indicator: set.code.clone(),
            unit: FigureUnit::Points,
            numerator: self.points,
            denominator: None,
            value: self.points,
            empty: self.points.is_none().then_some(Empty::NoData),
            capped: false,
            day: situation.period.to,
            position: situation.position,
            approved: most(|figure| figure.approved),
            submitted: most(|figure| figure.submitted),
            provisional: self.provisional,
            basis: set.basis.clone(),
            reporting: None,
            ext: Default::default(),
        }
    }
}

impl Indicators {
    /// Works out a team's score. The history holds that team's activities, memberships and cases.
    pub fn team_score(&self, set: &ScoreSet, history: &History, situation: &Situation<'_>) -> TeamScore {
        let item = |item: &super::ScoreItem| {
            let figure = self.work_out(&item.code, FigureUnit::Ratio, "", &item.formula, history, situation);
            let Scale::Linear { full_at } = &item.scale;
            let reached = figure.value.and_then(|value| value.over(Fraction::from(*full_at)));
            let max = Fraction::whole(item.max_points.into());
            let points = reached.map(|share| share.clamp(Fraction::ZERO, Fraction::ONE).times(max).round_parts(1_000));
            TeamItem { figure, max_points: item.max_points, points_milli: points }
        };
        let items: Vec<_> = set.items.iter().map(item).collect();
        let with_value = || items.iter().filter(|item| item.points_milli.is_some());
        let possible: u32 = with_value().map(|item| item.max_points).sum();
        let earned: i128 = with_value().filter_map(|item| item.points_milli).sum();
        let points = Fraction::new(earned * i128::from(set.total_points), i128::from(possible) * 1_000);
        let band =
            points.and_then(|points| set.bands.iter().find(|band| points >= Fraction::whole(band.min.into())).cloned());
        let provisional = items.iter().any(|item| item.figure.provisional);
        TeamScore { items, points, possible, band, provisional }
    }
}
