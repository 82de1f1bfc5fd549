//! What the facts say for the blocks of a layout: outcomes, persons, sessions, steps of a funnel, cases.
//!
//! Repeats are told by the same rule as in every figure, so that what is done here is what a kind achieved there.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::{ALL_KINDS, Block, ReportLayout, Step};
use crate::calendar::CutOff;
use crate::case_flow::CaseStatus;
use crate::catalogue::{Catalogue, Decimal};
use crate::ids::*;
use crate::indicator::{
    ActivityFact, Claim, Fact, Figure, Fraction, History, Indicators, Overrides, Period, RowData, SetCheck, Situation,
    View, claim, stands_since, subject_of,
};
use crate::team::{ApprovedVisit, Inactive, Membership, inactive, members_on};
use crate::value::Value;
use crate::workflow::VisitStatus;

/// From 1 January of the year of a period's last day to that day; from its first day where that lies earlier, so that
/// the year never holds less than the period.
pub fn since_new_year(period: Period) -> Period {
    let (year, ..) = period.to.civil();
    let new_year = Day::from_civil(year, 1, 1).unwrap_or(period.from);
    Period { from: new_year.min(period.from), to: period.to }
}

/// Activities, repeats left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KindCount {
    /// How many.
    pub activities: u64,
    /// How many more were repeats.
    pub repeats: u64,
    /// Different persons.
    pub persons: BTreeSet<uuid::Uuid>,
    /// Different households.
    pub households: BTreeSet<HouseholdId>,
    /// By outcome; activities of a kind without outcomes are in none.
    pub outcomes: BTreeMap<String, u64>,
}

impl KindCount {
    /// With these outcomes.
    pub fn with(&self, outcomes: &[&str]) -> u64 {
        outcomes.iter().filter_map(|outcome| self.outcomes.get(*outcome)).sum()
    }

    fn add(&mut self, other: &Self) {
        self.activities += other.activities;
        self.repeats += other.repeats;
        self.persons.extend(&other.persons);
        self.households.extend(&other.households);
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(outcome.clone()).or_default() += count;
        }
    }
}

/// What stands in the row of a kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KindFigures {
    /// In the period.
    pub count: KindCount,
    /// What it achieved in the period.
    pub achieved: Figure,
    /// What it achieved since the beginning of the year ([`since_new_year`]).
    pub cumulative: Figure,
    /// The year's target.
    pub target: Option<Decimal>,
}

/// Activities with one answer, and the sums of other answers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BreakdownLine {
    /// How many.
    pub activities: u64,
    /// In the order of the block's `sums`.
    pub sums: Vec<i128>,
}

/// Households at a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FunnelStep {
    /// That fit this step, whatever the others.
    pub reached: u64,
    /// That fit this step and every one before.
    pub through: u64,
}

/// Cases of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CaseCount {
    /// Opened in the period.
    pub opened: u64,
    /// Answered in the period, and still so on its last day.
    pub answered: u64,
    /// Of those, by the last day of the limit.
    pub on_time: u64,
    /// Not answered on the last day.
    pub pending: u64,
    /// Of those, with a limit that is over.
    pub overdue: u64,
}

/// Everything that a layout asks of the facts of one unit or team.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// By kind, for the kinds that the layout shows.
    pub kinds: BTreeMap<String, KindFigures>,
    /// All of these kinds; a person helped with two things is one.
    pub all: KindCount,
    /// Why things could not be done, by code of the reason.
    pub reasons: BTreeMap<String, u64>,
    /// By table, then by option; the empty option stands for no answer.
    pub breakdowns: BTreeMap<String, BTreeMap<String, BreakdownLine>>,
    /// By table, a number per step.
    pub funnels: BTreeMap<String, Vec<FunnelStep>>,
    /// By indicator.
    pub figures: BTreeMap<String, Figure>,
    /// By set; only sets that somebody can be recognised by.
    pub checks: BTreeMap<String, SetCheck>,
    /// By kind of case.
    pub cases: BTreeMap<String, CaseCount>,
}

impl Counts {
    /// Counts what the layout shows. `targets` are the year's targets by kind, `overrides` the unit's own targets by
    /// indicator; `situation` says for whom, for when, and which activities count.
    pub fn of(
        layout: &ReportLayout,
        indicators: &Indicators,
        facts: &[Fact],
        situation: &Situation<'_>,
        targets: &BTreeMap<String, Decimal>,
        overrides: &Overrides,
    ) -> Self {
        let catalogue = indicators.catalogue();
        let period = situation.period;
        let year = Situation { period: since_new_year(period), ..*situation };
        let history = History::of(indicators, facts, period);
        let year_history = History::of(indicators, facts, year.period);
        let activities = Activities::of(catalogue, facts, period, situation.view);
        let mut counts = Self::default();
        for block in layout.blocks() {
            match block {
                Block::Kinds { kinds, .. } => {
                    for code in shown_kinds(catalogue, kinds) {
                        let achieved = indicators.achieved(code, &history, situation);
                        let cumulative = indicators.achieved(code, &year_history, &year);
                        let (Some(achieved), Some(cumulative)) = (achieved, cumulative) else { continue };
                        let (count, target) = (activities.of_kind(catalogue, code), targets.get(code).copied());
                        counts.all.add(&count);
                        let figures = KindFigures { count, achieved, cumulative, target };
                        counts.kinds.insert(code.to_owned(), figures);
                    }
                }
                Block::FailureReasons { .. } => counts.reasons = activities.reasons(),
                Block::Breakdown { kind, field, sums, .. } => {
                    counts.breakdowns.insert(block.table(), activities.breakdown(kind, field, sums));
                }
                Block::Funnel { steps, .. } => {
                    counts.funnels.insert(block.table(), funnel(facts, steps, situation));
                }
                Block::Indicators { sets } => {
                    for set in sets.iter().filter_map(|code| indicators.set(code)) {
                        for indicator in &set.indicators {
                            let figure = indicators.figure(indicator, &history, situation);
                            counts.figures.insert(indicator.code.clone(), figure);
                        }
                    }
                    for set in sets.iter().filter_map(|code| indicators.set(code)) {
                        if set.recognition.is_some() {
                            let check = indicators.check_set(set, &counts.figures, overrides);
                            counts.checks.insert(set.code.clone(), check);
                        }
                    }
                }
                Block::Cases { kinds } => {
                    for kind in kinds {
                        counts.cases.insert(kind.clone(), cases(facts, kind, period));
                    }
                }
                Block::Typed { .. } | Block::Teams {} | Block::Units { .. } | Block::LateList {} => {}
                Block::CampaignKinds {} | Block::CampaignUnits {} => {}
            }
        }
        counts
    }
}

impl Counts {
    /// Adds what another unit counted, as a province adds its communes. Indicators do not add up: those of the whole are
    /// set by [`Counts::with_figures`].
    pub fn add(&mut self, part: &Self) {
        for (kind, theirs) in &part.kinds {
            let Some(ours) = self.kinds.get_mut(kind) else {
                self.kinds.insert(kind.clone(), KindFigures { target: None, ..theirs.clone() });
                continue;
            };
            ours.count.add(&theirs.count);
            for (sum, more) in [(&mut ours.achieved, &theirs.achieved), (&mut ours.cumulative, &theirs.cumulative)] {
                add_number(&mut sum.numerator, more.numerator);
                add_number(&mut sum.value, more.value);
                sum.approved += more.approved;
                sum.submitted += more.submitted;
                sum.provisional |= more.provisional;
            }
        }
        self.all.add(&part.all);
        for (reason, count) in &part.reasons {
            *self.reasons.entry(reason.clone()).or_default() += count;
        }
        for (table, lines) in &part.breakdowns {
            let ours = self.breakdowns.entry(table.clone()).or_default();
            for (option, line) in lines {
                let sum = ours.entry(option.clone()).or_default();
                sum.activities += line.activities;
                sum.sums.resize(line.sums.len(), 0);
                sum.sums.iter_mut().zip(&line.sums).for_each(|(sum, more)| *sum += more);
            }
        }
        for (table, steps) in &part.funnels {
            let ours = self.funnels.entry(table.clone()).or_default();
            ours.resize(steps.len(), FunnelStep::default());
            for (sum, step) in ours.iter_mut().zip(steps) {
                sum.reached += step.reached;
                sum.through += step.through;
            }
        }
        for (kind, count) in &part.cases {
            let sum = self.cases.entry(kind.clone()).or_default();
            sum.opened += count.opened;
            sum.answered += count.answered;
            sum.on_time += count.on_time;
            sum.pending += count.pending;
            sum.overdue += count.overdue;
        }
    }

    /// The same with the figures of the whole, and the year's targets of its own.
    pub fn with_figures(
        mut self,
        layout: &ReportLayout,
        indicators: &Indicators,
        figures: &[Figure],
        targets: &BTreeMap<String, Decimal>,
        overrides: &Overrides,
    ) -> Self {
        self.figures.clear();
        self.checks.clear();
        let by_code: BTreeMap<String, Figure> =
            figures.iter().map(|figure| (figure.indicator.clone(), figure.clone())).collect();
        for block in layout.blocks() {
            let Block::Indicators { sets } = block else { continue };
            for set in sets.iter().filter_map(|code| indicators.set(code)) {
                let own =
                    set.indicators.iter().filter_map(|one| Some((one.code.clone(), by_code.get(&one.code)?.clone())));
                self.figures.extend(own);
                if set.recognition.is_some() {
                    self.checks.insert(set.code.clone(), indicators.check_set(set, &by_code, overrides));
                }
            }
        }
        for (kind, figures) in &mut self.kinds {
            figures.target = targets.get(kind).copied();
        }
        self
    }
}

fn add_number(sum: &mut Option<Fraction>, more: Option<Fraction>) {
    *sum = match (*sum, more) {
        (Some(ours), Some(more)) => Some(Fraction::whole(ours.num() + more.num())),
        (ours, more) => ours.or(more),
    };
}

/// The kinds that a block shows, in the order of the catalogue for `*`, else in its own.
pub(super) fn shown_kinds<'k>(catalogue: &'k Catalogue, kinds: &'k [String]) -> Vec<&'k str> {
    if kinds == [ALL_KINDS] {
        catalogue.kinds().iter().filter(|kind| !kind.is_case()).map(|kind| kind.code.as_str()).collect()
    } else {
        kinds.iter().map(String::as_str).collect()
    }
}

fn counts(activity: &ActivityFact, view: View) -> bool {
    let status = match view {
        View::Official => activity.status == VisitStatus::Approved,
        View::Provisional => matches!(activity.status, VisitStatus::Approved | VisitStatus::Submitted),
    };
    status && !activity.void
}

fn text<'a>(activity: &'a ActivityFact, field: &str) -> Option<&'a str> {
    match activity.fields.get(field) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// The activities of a period, each with whether it is a repeat of one before.
struct Activities<'f>(Vec<(&'f ActivityFact, bool)>);

impl<'f> Activities<'f> {
    fn of(catalogue: &Catalogue, facts: &'f [Fact], period: Period, view: View) -> Self {
        let mut all: Vec<&ActivityFact> = facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Activity(activity) if counts(activity, view) && activity.day <= period.to => Some(&**activity),
                _ => None,
            })
            .collect();
        all.sort_by_key(|activity| (activity.day, activity.id));
        let mut seen: BTreeSet<Claim> = BTreeSet::new();
        let repeat = |activity: &ActivityFact| {
            let claim = catalogue.kind(&activity.kind).and_then(|kind| claim(kind, activity));
            claim.is_some_and(|claim| !seen.insert(claim))
        };
        let told: Vec<bool> = all.iter().copied().map(repeat).collect();
        Self(all.into_iter().zip(told).filter(|(activity, _)| activity.day >= period.from).collect())
    }

    fn firsts(&self) -> impl Iterator<Item = &'f ActivityFact> {
        self.0.iter().filter(|(_, repeat)| !repeat).map(|(activity, _)| *activity)
    }

    fn of_kind(&self, catalogue: &Catalogue, kind: &str) -> KindCount {
        let mut count = KindCount::default();
        for (activity, repeat) in self.0.iter().filter(|(activity, _)| activity.kind == kind) {
            count.repeats += u64::from(*repeat);
            if *repeat {
                continue;
            }
            count.activities += 1;
            count.persons.extend(subject_of(catalogue.kind(kind), "person", activity));
            count.households.extend(activity.household);
            if let Some(outcome) = text(activity, "outcome") {
                *count.outcomes.entry(outcome.to_owned()).or_default() += 1;
            }
        }
        count
    }

    fn reasons(&self) -> BTreeMap<String, u64> {
        let mut reasons = BTreeMap::new();
        for reason in self.firsts().filter_map(|activity| text(activity, "failure_reason")) {
            *reasons.entry(reason.to_owned()).or_default() += 1;
        }
        reasons
    }

    /// Only of what was done.
    fn breakdown(&self, kind: &str, field: &str, sums: &[String]) -> BTreeMap<String, BreakdownLine> {
        let mut lines: BTreeMap<String, BreakdownLine> = BTreeMap::new();
        let done = |activity: &&ActivityFact| {
            activity.kind == kind && text(activity, "outcome").is_none_or(|outcome| outcome == "done")
        };
        for activity in self.firsts().filter(done) {
            let line = lines.entry(text(activity, field).unwrap_or_default().to_owned()).or_default();
            line.activities += 1;
            line.sums.resize(sums.len(), 0);
            for (sum, field) in line.sums.iter_mut().zip(sums) {
                if let Some(Value::Int(number)) = activity.fields.get(field) {
                    *sum += i128::from(*number);
                }
            }
        }
        lines
    }
}

/// Households at each step on the last day of the period, whenever they took it.
fn funnel(facts: &[Fact], steps: &[Step], situation: &Situation<'_>) -> Vec<FunnelStep> {
    let mut through: Option<BTreeSet<HouseholdId>> = None;
    let mut found = Vec::new();
    for step in steps {
        let fits = |fact: &Fact| match fact {
            Fact::Activity(activity)
                if counts(activity, situation.view)
                    && activity.day <= situation.period.to
                    && activity.kind == step.kind
                    && step.wanted.holds(&activity.fields) =>
            {
                activity.household
            }
            _ => None,
        };
        let reached: BTreeSet<HouseholdId> = facts.iter().filter_map(fits).collect();
        let still = through.map_or_else(|| reached.clone(), |before| before.intersection(&reached).copied().collect());
        found.push(FunnelStep { reached: reached.len() as u64, through: still.len() as u64 });
        through = Some(still);
    }
    found
}

fn cases(facts: &[Fact], wanted: &str, period: Period) -> CaseCount {
    // Of several versions of a case, the newest holds.
    let mut newest = BTreeMap::new();
    for fact in facts {
        if let Fact::Row(row) = fact
            && let RowData::Case { id, kind, .. } = &row.row
            && kind == wanted
        {
            let held = newest.entry(*id).or_insert(row);
            *held = (*held).max(row);
        }
    }
    let is_answer = |status: &str| {
        let answers = [CaseStatus::Resolved, CaseStatus::Rejected, CaseStatus::Closed];
        CaseStatus::from_code(status).is_some_and(|status| answers.contains(&status))
    };
    let mut count = CaseCount::default();
    for row in newest.values() {
        let RowData::Case { opened, due, steps, .. } = &row.row else { continue };
        if *opened > period.to {
            continue;
        }
        count.opened += u64::from(*opened >= period.from);
        match stands_since(steps, is_answer, period.to) {
            None => {
                count.pending += 1;
                count.overdue += u64::from(due.is_some_and(|due| due < period.to));
            }
            Some(day) if day >= period.from => {
                count.answered += 1;
                count.on_time += u64::from(due.is_some_and(|due| day <= due));
            }
            Some(_) => {}
        }
    }
    count
}

/// A team in a period.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TeamLine {
    /// The team.
    pub team: TeamId,
    /// Its name.
    pub name: String,
    /// Members on the last day.
    pub members: u64,
    /// Memberships that began in the period.
    pub joined: u64,
    /// Memberships that ended in the period.
    pub left: u64,
    /// Why it is inactive; empty when it is active.
    pub inactive: Vec<Inactive>,
}

impl TeamLine {
    /// From all memberships, and the team's approved visits of the month.
    pub fn of(
        team: TeamId,
        name: &str,
        all: &[Membership],
        visits: &[ApprovedVisit],
        (month, cut_off): (Month, CutOff),
        period: Period,
    ) -> Self {
        let within = |day: Day| (period.from..=period.to).contains(&day);
        let own = || all.iter().filter(|member| member.team == team);
        Self {
            team,
            name: name.to_owned(),
            members: members_on(all, team, period.to).len() as u64,
            joined: own().filter(|member| within(member.from)).count() as u64,
            left: own().filter(|member| member.to.is_some_and(within)).count() as u64,
            inactive: inactive(all, team, period.to, month, visits, cut_off),
        }
    }
}
