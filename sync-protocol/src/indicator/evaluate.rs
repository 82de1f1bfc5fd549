//! From facts to figures, and from a figure back to what it rests on.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use uuid::Uuid;

use super::facts::{ActivityFact, Cell, Fact, History, RowData, Tally};
use super::formula::{ActivePeriod, Formula, Span, Within};
use super::{Fraction, Indicator, Indicators, Level, Period};
use crate::catalogue::{Lang, meets};
use crate::cbor::{Cbor, Malformed};
use crate::decide::reporting_month;
use crate::entity::{UnitIdentity, UnitParent, Validity, unit};
use crate::ids::*;
use crate::int_map;
use crate::row::Register;
use crate::value::Value;
use crate::workflow::VisitStatus;

/// A unit with the units inside it that are in force on the last day of the period.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    /// The unit; for a team, the unit that the team belongs to.
    pub unit: UnitId,
    /// Its level.
    pub level: Level,
    /// The units directly inside; for a team, the villages that it serves.
    pub parts: Vec<Scope>,
}

impl Scope {
    /// A unit with what was inside it on a day, from the rows of units; `None` when the unit is not among them.
    pub fn of_units<'r>(unit: UnitId, units: impl IntoIterator<Item = &'r Register>, day: Day) -> Option<Self> {
        let mut levels = BTreeMap::new();
        let mut inside: BTreeMap<UnitId, Vec<UnitId>> = BTreeMap::new();
        for register in units {
            let id = UnitId(register.id);
            let identity: Option<UnitIdentity> = register.group(unit::IDENTITY);
            let Some(level) = identity.and_then(|identity| Level::from_code(&identity.level)) else { continue };
            levels.insert(id, level);
            let in_force = register
                .group::<Validity>(unit::VALIDITY)
                .is_none_or(|validity| validity.from <= day && validity.to.is_none_or(|to| day < to));
            if let Some(parent) = register.group::<UnitParent>(unit::PARENT)
                && in_force
            {
                inside.entry(parent.on(day)).or_default().push(id);
            }
        }
        Self::build(unit, &levels, &inside)
    }

    fn build(unit: UnitId, levels: &BTreeMap<UnitId, Level>, inside: &BTreeMap<UnitId, Vec<UnitId>>) -> Option<Self> {
        let level = *levels.get(&unit)?;
        // Only downwards, so that a circle in the rows ends.
        let below =
            inside.get(&unit).into_iter().flatten().filter(|part| levels.get(part).is_some_and(|at| *at > level));
        let mut parts: Vec<Self> = below.filter_map(|part| Self::build(*part, levels, inside)).collect();
        parts.sort_by_key(|part| part.unit);
        Some(Self { unit, level, parts })
    }

    /// The communes whose reporting months decide whether figures of the unit may still change: those inside it, and of
    /// a village the one in which it lay on a day.
    pub fn communes<'r>(&self, units: impl IntoIterator<Item = &'r Register>, day: Day) -> Vec<UnitId> {
        if self.level != Level::Village {
            return self.of_level(Level::Commune).into_iter().collect();
        }
        let village = units.into_iter().find(|register| UnitId(register.id) == self.unit);
        let above = village.and_then(|village| village.group::<UnitParent>(unit::PARENT));
        above.map(|above| above.on(day)).into_iter().collect()
    }

    /// The unit itself if it is a commune, else the communes inside it.
    pub fn communes_inside(&self) -> Vec<&Self> {
        if self.level == Level::Commune {
            return vec![self];
        }
        self.parts.iter().flat_map(Self::communes_inside).collect()
    }

    /// The unit and everything inside it.
    pub fn units(&self) -> Vec<UnitId> {
        std::iter::once(self.unit).chain(self.parts.iter().flat_map(Self::units)).collect()
    }

    fn of_level(&self, level: Level) -> BTreeSet<UnitId> {
        let own = (self.level == level).then_some(self.unit);
        own.into_iter().chain(self.parts.iter().flat_map(|part| part.of_level(level))).collect()
    }

    /// What is known of the unit itself, or else the sum over its parts. A part of which nothing is known leaves the
    /// whole unknown: a base that is too small would make every rate too high.
    fn sum(&self, of: &impl Fn(UnitId) -> Option<Fraction>) -> Option<Fraction> {
        if let Some(own) = of(self.unit) {
            return Some(own);
        }
        let parts = self.parts.iter().map(|part| part.sum(of)).collect::<Option<Vec<_>>>()?;
        parts.into_iter().reduce(add)
    }
}

fn add(a: Fraction, b: Fraction) -> Fraction {
    Fraction::new(a.num() * b.den() + b.num() * a.den(), a.den() * b.den()).unwrap_or(Fraction::ZERO)
}

/// All figures of a unit for a period.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sheet {
    /// Every indicator of every set, in the order of the file.
    pub indicators: Vec<Figure>,
    /// What each kind of activity achieved, in the order of the catalogue.
    pub kinds: Vec<Figure>,
}

/// Which activities a figure counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// Approved ones.
    Official,
    /// Approved and submitted ones.
    Provisional,
}

/// For whom and when figures are worked out.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'s> {
    /// The unit.
    pub scope: &'s Scope,
    /// The period; figures that are no count of a period hold on its last day.
    pub period: Period,
    /// Whether the period still takes changes.
    pub open: bool,
    /// Which activities count.
    pub view: View,
    /// How far the rows go: a position of the store, for whoever asks how fresh the figure is.
    pub position: Option<u64>,
    /// Of each target of the unit, the part that is achieved.
    pub targets: &'s [Fraction],
}

/// How a figure is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FigureUnit {
    /// Of a hundred, at most a hundred.
    Percent,
    /// A number.
    Count,
    /// Points of a score.
    Points,
    /// A quotient that is no percentage: per member, per household.
    Ratio,
}

/// Why a figure has no value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Empty {
    /// Nothing was reported that it could rest on.
    NoData,
    /// The base number is not entered for the unit or for one of its parts.
    DenominatorMissing,
    /// The base is 0.
    DenominatorZero,
    /// The officer has not typed the number for the period.
    ManualMissing,
    /// The unit has no targets.
    NoTargets,
}

impl Empty {
    const ALL: [Self; 5] =
        [Self::NoData, Self::DenominatorMissing, Self::DenominatorZero, Self::ManualMissing, Self::NoTargets];

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoData => "no_data",
            Self::DenominatorMissing => "denominator_missing",
            Self::DenominatorZero => "denominator_zero",
            Self::ManualMissing => "manual_missing",
            Self::NoTargets => "no_targets",
        }
    }

    /// In words, with what to do.
    pub fn words(self, lang: Lang) -> &'static str {
        let (vi, en) = match self {
            Self::NoData => ("Chưa có số liệu.", "Nothing has been reported yet."),
            Self::DenominatorMissing => (
                "Thiếu số gốc của đơn vị hoặc của một đơn vị bên trong; cán bộ xã cần nhập.",
                "A base number is missing for the unit or one of its parts; the officer must enter it.",
            ),
            Self::DenominatorZero => ("Số gốc bằng 0 nên không tính tỷ lệ.", "The base is 0, so there is no rate."),
            Self::ManualMissing => (
                "Chưa nhập số của kỳ; cán bộ xã cần nhập.",
                "The number of the period is not typed in; the officer must enter it.",
            ),
            Self::NoTargets => ("Chưa được giao chỉ tiêu.", "No targets have been assigned."),
        };
        if lang == Lang::Vi { vi } else { en }
    }
}

macro_rules! cbor_by_code {
    ($type:ty, $all:expr, $code:expr) => {
        /// As its stable code.
        impl Cbor for $type {
            fn to_cbor(&self, out: &mut Vec<u8>) {
                $code(*self).to_owned().to_cbor(out);
            }
            fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
                let code = String::from_cbor(bytes)?;
                $all.into_iter().find(|known| $code(*known) == code).ok_or(Malformed::WrongShape)
            }
        }
    };
}
cbor_by_code!(Empty, Empty::ALL, Empty::code);
cbor_by_code!(FigureUnit, [Self::Percent, Self::Count, Self::Points, Self::Ratio], FigureUnit::code);

impl FigureUnit {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Percent => "percent",
            Self::Count => "count",
            Self::Points => "points",
            Self::Ratio => "ratio",
        }
    }
}

int_map! {
    /// The value of an indicator, with all that is needed to judge it.
    pub struct Figure {
        /// The indicator or score item.
        0 => indicator: req String,
        /// How to read the value.
        1 => unit: req FigureUnit,
        /// Above the line, where it is known.
        2 => numerator: opt Fraction,
        /// Below the line; absent too where the figure is no share.
        3 => denominator: opt Fraction,
        /// The value; absent when `empty` says why.
        4 => value: opt Fraction,
        /// Why there is no value.
        5 => empty: opt Empty,
        /// The value was above 100 percent and is given as 100.
        6 => capped: flag bool,
        /// The last day of the period.
        7 => day: req Day,
        /// How far the rows went.
        8 => position: opt u64,
        /// Approved activities behind it.
        9 => approved: num u64,
        /// Submitted activities that are not approved yet and would go into it.
        10 => submitted: num u64,
        /// The period is open, or submitted activities are counted in.
        11 => provisional: flag bool,
        /// How sure the definition is: a code of the file's `basis`; empty for score items.
        12 => basis: req String,
        /// Villages that reported, of all, where the figure is a sum over villages.
        13 => reporting: opt (u64, u64),
    }
}

impl Figure {
    /// The part of the activities behind it that is approved; `None` when there are none.
    pub fn share_approved(&self) -> Option<Fraction> {
        Fraction::new(i128::from(self.approved), i128::from(self.approved) + i128::from(self.submitted))
    }
}

/// What a figure's numerator rests on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Contribution {
    /// An activity of a visit.
    Activity {
        /// Its visit.
        visit: VisitId,
        /// The activity.
        activity: ActivityId,
    },
    /// A village.
    Village(UnitId),
    /// A team in force.
    Team(TeamId),
    /// A membership in force.
    Member(TeamMemberId),
    /// A case.
    Case(CaseId),
    /// A recognition.
    Recognition(Uuid),
    /// A number that was entered for this unit.
    Entry(UnitId),
}

/// A formula worked out, before it is read as percent or count.
#[derive(Default)]
struct Measured {
    numerator: Option<Result<Fraction, Empty>>,
    denominator: Option<Result<Fraction, Empty>>,
    approved: u64,
    submitted: u64,
    reporting: Option<(u64, u64)>,
}

impl Measured {
    fn count(number: i128) -> Self {
        Self { numerator: Some(Ok(Fraction::whole(number))), ..Self::default() }
    }
    fn of(numerator: Result<Fraction, Empty>) -> Self {
        Self { numerator: Some(numerator), ..Self::default() }
    }
    fn share(part: i128, of: i128) -> Self {
        let denominator = if of == 0 { Err(Empty::NoData) } else { Ok(Fraction::whole(of)) };
        Self { denominator: Some(denominator), ..Self::count(part) }
    }

    fn value(&self) -> Result<Fraction, Empty> {
        let numerator = self.numerator.unwrap_or(Err(Empty::NoData))?;
        match self.denominator {
            None => Ok(numerator),
            Some(denominator) => numerator.over(denominator?).ok_or(Empty::DenominatorZero),
        }
    }
}

/// Both lanes of a term, before the period and in it.
struct Cells {
    before: Cell,
    now: Cell,
}

impl Cells {
    fn all(&self) -> Cell {
        let mut all = self.before.clone();
        all.merge(&self.now);
        all
    }
}

impl Indicators {
    /// Works out an indicator.
    pub fn figure(&self, indicator: &Indicator, history: &History, situation: &Situation<'_>) -> Figure {
        self.work_out(&indicator.code, indicator.unit, &indicator.basis, &indicator.formula, history, situation)
    }

    /// What an item of a team score measures, as a share in percent, for a unit as well as for a team.
    pub fn item_share(&self, item: &super::ScoreItem, history: &History, situation: &Situation<'_>) -> Figure {
        self.work_out(&item.code, FigureUnit::Percent, "", &item.formula, history, situation)
    }

    /// What a kind achieved in the period: its activities that were done, repeats left out.
    pub fn achieved(&self, kind: &str, history: &History, situation: &Situation<'_>) -> Option<Figure> {
        let formula = self.achieved_formula(kind)?;
        Some(self.work_out(kind, FigureUnit::Count, "", &formula, history, situation))
    }

    /// The formula of what a kind achieved; `None` for a kind that the catalogue does not know.
    pub fn achieved_formula(&self, kind: &str) -> Option<Formula> {
        self.catalogue().kind(kind).map(super::formula::achieved_of)
    }

    /// Works out everything.
    pub fn sheet(&self, history: &History, situation: &Situation<'_>) -> Sheet {
        let indicators = self.sets().iter().flat_map(|set| &set.indicators);
        let kinds = self.catalogue().kinds().iter();
        Sheet {
            indicators: indicators.map(|indicator| self.figure(indicator, history, situation)).collect(),
            kinds: kinds.filter_map(|kind| self.achieved(&kind.code, history, situation)).collect(),
        }
    }

    pub(super) fn work_out(
        &self,
        code: &str,
        unit: FigureUnit,
        basis: &str,
        formula: &Formula,
        history: &History,
        situation: &Situation<'_>,
    ) -> Figure {
        let work = Work { indicators: self, history, situation };
        let measured = work.measure(formula);
        let mut value = measured.value();
        let hundred = Fraction::whole(100);
        let mut capped = false;
        if unit == FigureUnit::Percent {
            let percent = value.map(|share| if formula.is_share() { share.times(hundred) } else { share });
            capped = percent.is_ok_and(|percent| percent > hundred);
            value = percent.map(|percent| percent.min(hundred));
        }
        Figure {
            indicator: code.to_owned(),
            unit,
            numerator: measured.numerator.and_then(Result::ok),
            denominator: measured.denominator.and_then(Result::ok),
            value: value.ok(),
            empty: value.err(),
            capped,
            day: situation.period.to,
            position: situation.position,
            approved: measured.approved,
            submitted: measured.submitted,
            provisional: situation.open || situation.view == View::Provisional,
            basis: basis.to_owned(),
            reporting: measured.reporting,
            ext: Default::default(),
        }
    }

    /// The same history with what each count comes to in place of what it rests on: small, and it adds up with those of
    /// other units. What counts once counts once within each of them: a repeat is looked for inside a commune, because
    /// above it nobody sees whom it is about (docs/DOMAIN.md §10).
    pub fn condense(&self, history: &History, situation: &Situation<'_>) -> History {
        let mut condensed = History { before: Tally::new(self), now: Tally::new(self) };
        condensed.now.rows = history.newest_rows();
        for (at, term) in self.terms().iter() {
            let counted = matches!(
                term,
                Formula::ActivityCount { .. } | Formula::StateCount { .. } | Formula::LatestField { .. }
            );
            let lanes = [
                (&history.before.approved, &mut condensed.before.approved),
                (&history.before.submitted, &mut condensed.before.submitted),
                (&history.now.approved, &mut condensed.now.approved),
                (&history.now.submitted, &mut condensed.now.submitted),
            ];
            for (lane, into) in lanes {
                if let Some(cell) = lane.get(&at) {
                    let only_how_many = || Cell { activities: cell.activities, ..Cell::default() };
                    into.insert(at, if counted { only_how_many() } else { cell.clone() });
                }
            }
            if counted {
                let comes_to = |view| {
                    Work { indicators: self, history, situation: &Situation { view, ..*situation } }.comes_to(term)
                };
                let (official, provisional) = (comes_to(View::Official), comes_to(View::Provisional));
                let more = (provisional.0 - official.0, provisional.1 - official.1);
                let lanes = [(official, &mut condensed.now.approved), (more, &mut condensed.now.submitted)];
                for ((sum, known), into) in lanes {
                    if (sum, known) != (0, 0) {
                        let cell = into.entry(at).or_default();
                        (cell.sum, cell.known) = (sum, known);
                    }
                }
            }
        }
        condensed
    }

    /// What the numerator of a formula rests on, in order, from behind `after` on, at most `limit` of it. The facts are
    /// those that the figure was worked out from.
    pub fn explain(
        &self,
        formula: &Formula,
        facts: &[Fact],
        situation: &Situation<'_>,
        after: Option<Contribution>,
        limit: usize,
    ) -> Vec<Contribution> {
        let term = formula.terms()[0];
        let history = History::of(self, facts, situation.period);
        let work = Work { indicators: self, history: &history, situation };
        let mut found = work.row_contributions(term);
        let cells = work.cells(term);
        let all = cells.all();
        for fact in facts {
            if let Fact::Activity(activity) = fact
                && work.contributes(term, activity, &cells, &all)
            {
                found.insert(Contribution::Activity { visit: activity.visit, activity: activity.id });
            }
        }
        found.into_iter().filter(|found| after.is_none_or(|after| *found > after)).take(limit).collect()
    }
}

struct Work<'w> {
    indicators: &'w Indicators,
    history: &'w History,
    situation: &'w Situation<'w>,
}

fn last_step(steps: &[(Day, String)], on: Day) -> Option<&str> {
    steps.iter().rev().find(|(day, _)| *day <= on).map(|(_, status)| status.as_str())
}

/// The day on which a case came to the statuses in which it still stands on a day; `None` when it does not stand there.
pub(crate) fn stands_since(steps: &[(Day, String)], holds: impl Fn(&str) -> bool, on: Day) -> Option<Day> {
    let until_then = steps.iter().rev().filter(|(day, _)| *day <= on);
    until_then.take_while(|(_, status)| holds(status)).last().map(|(day, _)| *day)
}

/// Whether the case stands in one of the statuses on a day; inside its limit when that is asked for. What counts is the
/// day on which it came there and stayed: a case that was reopened is late or in time by its last answer.
fn settled(steps: &[(Day, String)], statuses: &[String], within: Within, due: Option<Day>, on: Day) -> bool {
    let since = stands_since(steps, |status| statuses.iter().any(|wanted| wanted == status), on);
    since.is_some_and(|day| within == Within::Any || due.is_some_and(|due| day <= due))
}

impl Work<'_> {
    fn end(&self) -> Day {
        self.situation.period.to
    }

    fn in_force(&self, from: Day, to: Option<Day>) -> bool {
        from <= self.end() && to.is_none_or(|to| self.end() < to)
    }

    fn cell(&self, tally: &Tally, term: &Formula) -> Cell {
        let Some(at) = self.indicators.terms().at(term) else { return Cell::default() };
        let mut cell = tally.approved.get(&at).cloned().unwrap_or_default();
        if self.situation.view == View::Provisional
            && let Some(submitted) = tally.submitted.get(&at)
        {
            cell.merge(submitted);
        }
        cell
    }

    fn cells(&self, term: &Formula) -> Cells {
        Cells { before: self.cell(&self.history.before, term), now: self.cell(&self.history.now, term) }
    }

    fn measure(&self, formula: &Formula) -> Measured {
        if let Formula::Ratio { num, den } = formula {
            let (num, den) = (self.measure(num), self.measure(den));
            return Measured {
                numerator: num.numerator,
                denominator: den.numerator,
                approved: num.approved + den.approved,
                submitted: num.submitted + den.submitted,
                reporting: num.reporting,
            };
        }
        let mut measured = self.term(formula);
        let tallies = match formula {
            Formula::ActivityCount { period: Span::Period, .. }
            | Formula::TeamCount { .. }
            | Formula::MemberCount { .. }
            | Formula::TimelinessShare { .. }
            | Formula::NotReturnedShare {} => vec![&self.history.now],
            _ => vec![&self.history.before, &self.history.now],
        };
        if let Some(at) = self.indicators.terms().at(formula) {
            for tally in tallies {
                measured.approved += tally.approved.get(&at).map_or(0, |cell| cell.activities);
                measured.submitted += tally.submitted.get(&at).map_or(0, |cell| cell.activities);
            }
        }
        measured
    }

    fn term(&self, term: &Formula) -> Measured {
        match term {
            Formula::Ratio { .. } => Measured::default(),
            Formula::ActivityCount { .. } | Formula::StateCount { .. } => Measured::count(self.comes_to(term).0),
            Formula::LatestField { aggregate, .. } => {
                let (sum, known) = self.comes_to(term);
                let villages = self.situation.scope.of_level(Level::Village).len();
                let reporting = (aggregate.subject() == "village").then_some((known as u64, villages as u64));
                let sum = if known == 0 { Err(Empty::NoData) } else { Ok(Fraction::whole(sum)) };
                Measured { reporting, ..Measured::of(sum) }
            }
            Formula::VillageCount { .. } => {
                let (found, known, all) = self.villages(term);
                let number = if known == 0 { Err(Empty::NoData) } else { Ok(Fraction::whole(found.len() as i128)) };
                Measured { reporting: Some((known, all)), ..Measured::of(number) }
            }
            Formula::TeamCount { .. } => Measured::count(self.teams(term).len() as i128),
            Formula::MemberCount { .. } => Measured::count(self.members(term).len() as i128),
            Formula::CaseShare { kinds, .. } => {
                let opened = self.history.rows().filter(|row| match row {
                    RowData::Case { kind, opened, .. } => kinds.contains(kind) && *opened <= self.end(),
                    _ => false,
                });
                Measured::share(self.cases(term).len() as i128, opened.count() as i128)
            }
            Formula::RecognitionCount { .. } => {
                let subjects: BTreeSet<Uuid> = self.recognitions(term).into_values().collect();
                Measured::count(subjects.len() as i128)
            }
            Formula::TargetCompletion {} => {
                // Each part is rounded down to nine decimals, so that any number of targets adds up without overflow.
                const PARTS: i128 = 1_000_000_000;
                let parts = self.situation.targets.iter();
                let sum: i128 = parts.map(|part| (*part).clamp(Fraction::ZERO, Fraction::ONE).floor_parts(PARTS)).sum();
                let mean = Fraction::new(sum, PARTS * self.situation.targets.len() as i128);
                Measured::of(mean.ok_or(Empty::NoTargets))
            }
            Formula::TimelinessShare { .. } => {
                let cell = self.cells(term).now;
                Measured::share(cell.sum, i128::from(cell.activities))
            }
            Formula::NotReturnedShare {} => {
                let cell = self.cells(term).now;
                Measured::share(cell.sum, i128::from(cell.activities))
            }
            Formula::Denominator { code } => Measured::of(self.base(code).ok_or(Empty::DenominatorMissing)),
            Formula::Manual { code } => Measured::of(self.typed(code).ok_or(Empty::ManualMissing)),
        }
    }

    /// What a count over activities comes to, and how many newest answers stand behind it; 0 for every other term.
    fn comes_to(&self, term: &Formula) -> (i128, i128) {
        let cells = self.cells(term);
        match term {
            Formula::ActivityCount { count, period, .. } => {
                let (cell, before) = match period {
                    Span::Period => (cells.now, cells.before),
                    Span::Cumulative => (cells.all(), Cell::default()),
                };
                let number = match count.subject() {
                    Some(_) => cell.sum + cell.subjects.len() as i128,
                    None => cell.counted(&before),
                };
                (number, 0)
            }
            Formula::StateCount { equals, .. } => {
                let all = cells.all();
                let equal = all.latest.values().filter(|latest| meets(&latest.value, std::slice::from_ref(equals)));
                (all.sum + equal.count() as i128, 0)
            }
            Formula::LatestField { .. } => {
                let all = cells.all();
                let (sum, known) = (all.sum, all.known);
                let latest = self.latest_in_scope(term, all);
                let numbers = latest.values().map(|value| match value {
                    Value::Int(number) => i128::from(*number),
                    _ => 0,
                });
                (numbers.fold(sum, i128::saturating_add), known + latest.len() as i128)
            }
            _ => (0, 0),
        }
    }

    /// The newest answers; of villages only those in force, so that a village that was split or merged is not added to
    /// its successors.
    fn latest_in_scope(&self, term: &Formula, all: Cell) -> BTreeMap<Uuid, Value> {
        let villages = self.situation.scope.of_level(Level::Village);
        let over_villages = matches!(term, Formula::LatestField { aggregate, .. } if aggregate.subject() == "village");
        let latest = all.latest.into_iter().map(|((subject, _), latest)| (subject, latest.value));
        latest.filter(|(subject, _)| !over_villages || villages.contains(&UnitId(*subject))).collect()
    }

    /// The villages that fit; how many have all the attributes known; how many there are.
    fn villages(&self, term: &Formula) -> (BTreeSet<UnitId>, u64, u64) {
        let Formula::VillageCount { wanted } = term else { return Default::default() };
        let mut known: BTreeMap<(UnitId, &str), (Day, &Value)> = BTreeMap::new();
        let all = self.cells(term).all();
        for ((village, attribute), latest) in &all.latest {
            known.insert((UnitId(*village), attribute), (latest.day, &latest.value));
        }
        for row in self.history.rows() {
            // What the officer's row says of a day goes before what an activity found on that day.
            if let RowData::Village { village, attribute, from, value } = row
                && *from <= self.end()
                && known.get(&(*village, attribute.as_str())).is_none_or(|(day, _)| day <= from)
            {
                known.insert((*village, attribute), (*from, value));
            }
        }
        let villages = self.situation.scope.of_level(Level::Village);
        let (mut found, mut complete) = (BTreeSet::new(), 0);
        for village in &villages {
            let answer = |attribute: &String| known.get(&(*village, attribute.as_str())).map(|(_, value)| *value);
            complete += u64::from(wanted.0.keys().all(|attribute| answer(attribute).is_some()));
            if wanted.0.iter().all(|(attribute, values)| answer(attribute).is_some_and(|value| meets(value, values))) {
                found.insert(*village);
            }
        }
        (found, complete, villages.len() as u64)
    }

    fn is_active(
        &self,
        cell: &Cell,
        who: (TeamId, Option<UserId>),
        min: Option<u64>,
        by: Option<ActivePeriod>,
    ) -> bool {
        let Some(min) = min else { return true };
        let months = reporting_month(self.situation.period.from).0..=reporting_month(self.end()).0;
        let mut counts = months.map(|month| cell.active.get(&(who.0, who.1, Month(month))).copied().unwrap_or(0));
        match by {
            Some(ActivePeriod::Month) => counts.all(|count| count >= min),
            _ => counts.sum::<u64>() >= min,
        }
    }

    fn teams(&self, term: &Formula) -> BTreeSet<TeamId> {
        let Formula::TeamCount { min_approved_activities, period } = term else { return BTreeSet::new() };
        let cell = self.cells(term).now;
        let team = |row: &RowData| match row {
            RowData::Team { team, from, to } if self.in_force(*from, *to) => {
                self.is_active(&cell, (*team, None), *min_approved_activities, *period).then_some(*team)
            }
            _ => None,
        };
        self.history.rows().filter_map(team).collect()
    }

    fn members(&self, term: &Formula) -> BTreeSet<TeamMemberId> {
        let Formula::MemberCount { min_approved_activities, period } = term else { return BTreeSet::new() };
        let cell = self.cells(term).now;
        let member = |row: &RowData| match row {
            RowData::Member { id, team, user, from, to } if self.in_force(*from, *to) => {
                self.is_active(&cell, (*team, Some(*user)), *min_approved_activities, *period).then_some(*id)
            }
            _ => None,
        };
        self.history.rows().filter_map(member).collect()
    }

    fn cases(&self, term: &Formula) -> BTreeSet<CaseId> {
        let Formula::CaseShare { kinds, statuses, within } = term else { return BTreeSet::new() };
        let case = |row: &RowData| match row {
            RowData::Case { id, kind, opened, due, steps } if kinds.contains(kind) && *opened <= self.end() => {
                settled(steps, statuses, *within, *due, self.end()).then_some(*id)
            }
            _ => None,
        };
        self.history.rows().filter_map(case).collect()
    }

    /// Recognitions with whom they are about: somebody recognised under two sets is one person.
    fn recognitions(&self, term: &Formula) -> BTreeMap<Uuid, Uuid> {
        let Formula::RecognitionCount { what: wanted, status } = term else { return BTreeMap::new() };
        let recognition = |row: &RowData| match row {
            RowData::Recognition { id, what, subject, steps } if what == wanted => {
                let stands =
                    last_step(steps, self.end()).is_some_and(|last| status.iter().any(|status| status == last));
                stands.then_some((*id, subject.unwrap_or(*id)))
            }
            _ => None,
        };
        self.history.rows().filter_map(recognition).collect()
    }

    /// The base number in force. What follows from the rows is counted, all else was entered.
    fn base(&self, code: &str) -> Option<Fraction> {
        let base = self.indicators.denominator(code)?;
        let count = |number: usize| Some(Fraction::whole(number as i128));
        match (base.entered_by.as_str(), code) {
            ("system", "villages") => count(self.situation.scope.of_level(Level::Village).len()),
            ("system", "communes") => count(self.situation.scope.of_level(Level::Commune).len()),
            ("system", "teams") => {
                count(self.teams(&Formula::TeamCount { min_approved_activities: None, period: None }).len())
            }
            ("system", _) => {
                count(self.members(&Formula::MemberCount { min_approved_activities: None, period: None }).len())
            }
            _ => {
                let entries = self.entries(code);
                self.situation.scope.sum(&|unit| entries.get(&unit).map(|(_, value)| Fraction::whole((*value).into())))
            }
        }
    }

    /// Per unit the entry in force: the one that began last, on or before the last day.
    fn entries(&self, wanted: &str) -> BTreeMap<UnitId, (Day, u64)> {
        let mut entries: BTreeMap<UnitId, (Day, u64)> = BTreeMap::new();
        for row in self.history.rows() {
            if let RowData::Denominator { unit, code, from, value, .. } = row
                && code == wanted
                && *from <= self.end()
                && entries.get(unit).is_none_or(|(day, _)| day < from)
            {
                entries.insert(*unit, (*from, *value));
            }
        }
        entries
    }

    /// What was typed for exactly this period.
    fn typed_entries(&self, wanted: &str) -> BTreeMap<UnitId, Fraction> {
        let typed = self.history.rows().filter_map(|row| match row {
            RowData::Manual { unit, code, period, value } if code == wanted && *period == self.situation.period => {
                Some((*unit, Fraction::from(*value)))
            }
            _ => None,
        });
        typed.collect()
    }

    fn typed(&self, code: &str) -> Option<Fraction> {
        let typed = self.typed_entries(code);
        let own = |unit: UnitId| typed.get(&unit).copied();
        match self.indicators.lists().manual_inputs.get(code)?.unit {
            FigureUnit::Count => self.situation.scope.sum(&own),
            // Percentages of parts do not add up.
            _ => own(self.situation.scope.unit),
        }
    }

    fn entered(&self, units: impl Fn(UnitId) -> bool) -> BTreeSet<Contribution> {
        fn walk(scope: &Scope, has: &impl Fn(UnitId) -> bool, found: &mut BTreeSet<Contribution>) {
            if has(scope.unit) {
                found.insert(Contribution::Entry(scope.unit));
            } else {
                scope.parts.iter().for_each(|part| walk(part, has, found));
            }
        }
        let mut found = BTreeSet::new();
        walk(self.situation.scope, &units, &mut found);
        found
    }

    fn row_contributions(&self, term: &Formula) -> BTreeSet<Contribution> {
        match term {
            Formula::VillageCount { .. } => self.villages(term).0.into_iter().map(Contribution::Village).collect(),
            Formula::TeamCount { .. } => self.teams(term).into_iter().map(Contribution::Team).collect(),
            Formula::MemberCount { .. } => self.members(term).into_iter().map(Contribution::Member).collect(),
            Formula::CaseShare { .. } => self.cases(term).into_iter().map(Contribution::Case).collect(),
            Formula::RecognitionCount { .. } => {
                self.recognitions(term).into_keys().map(Contribution::Recognition).collect()
            }
            Formula::Denominator { code } => {
                let entries = self.entries(code);
                self.entered(|unit| entries.contains_key(&unit))
            }
            Formula::Manual { code } => {
                let entries = self.typed_entries(code);
                self.entered(|unit| entries.contains_key(&unit))
            }
            _ => BTreeSet::new(),
        }
    }

    fn contributes(&self, term: &Formula, activity: &ActivityFact, cells: &Cells, all: &Cell) -> bool {
        let counts = match activity.status {
            _ if activity.void || activity.day > self.end() => false,
            VisitStatus::Approved => true,
            VisitStatus::Submitted => self.situation.view == View::Provisional,
            _ => false,
        };
        let Some(alone) = self.history.now.alone(term, activity).filter(|_| counts) else { return false };
        let in_period = activity.day >= self.situation.period.from;
        match term {
            Formula::ActivityCount { period: Span::Period, .. } => {
                in_period
                    && cells.now.keeps(&alone, activity.id)
                    && alone.firsts.keys().all(|claim| !cells.before.firsts.contains_key(claim))
            }
            Formula::ActivityCount { .. } => all.keeps(&alone, activity.id),
            Formula::StateCount { equals, .. } => {
                all.keeps(&alone, activity.id)
                    && alone.latest.values().all(|latest| meets(&latest.value, std::slice::from_ref(equals)))
            }
            Formula::LatestField { .. } => {
                all.keeps(&alone, activity.id) && !self.latest_in_scope(term, alone).is_empty()
            }
            Formula::TimelinessShare { .. } | Formula::NotReturnedShare {} => in_period && alone.sum > 0,
            _ => false,
        }
    }
}
