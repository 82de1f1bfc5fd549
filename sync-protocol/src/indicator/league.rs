//! League tables: units of one level, side by side by one figure.

use std::collections::{BTreeMap, BTreeSet};

use super::evaluate::{Figure, FigureUnit, Situation};
use super::facts::{Fact, History, RowData};
use super::{Direction, Formula, Fraction, Indicators, Level, Period};
use crate::catalogue::Lang;
use crate::ids::{Day, TeamId, UnitId};
use crate::row::Ver;
use crate::value::Value;

/// The attribute of a village that says how it is covered, and the value of one that is not.
const COVERAGE: (&str, &str) = ("mobile_tech_best", "none");

/// When a unit is large enough to be ranked: either number suffices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeagueRules {
    /// Fewest adults.
    pub adults_min: u64,
    /// Fewest households.
    pub households_min: u64,
}

impl Default for LeagueRules {
    fn default() -> Self {
        Self { adults_min: 30, households_min: 20 }
    }
}

/// A unit that takes part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeagueEntry {
    /// The unit.
    pub unit: UnitId,
    /// Its level.
    pub level: Level,
    /// Its figure; a count is divided by the adults.
    pub figure: Figure,
    /// Its adults, where known.
    pub adults: Option<u64>,
    /// Its households, where known.
    pub households: Option<u64>,
    /// Days of the period without coverage.
    pub days_uncovered: u32,
    /// Days of the period.
    pub days: u32,
}

/// A place in the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// From 1; equal values share it, and the next one is left out.
    pub rank: u32,
    /// The unit.
    pub unit: UnitId,
    /// What is compared: percent, points, a ratio, or a count per adult.
    pub value: Fraction,
    /// Places gained since the table before; negative when lost, `None` when the unit was not in it.
    pub change: Option<i64>,
    /// The value may still change.
    pub provisional: bool,
}

/// Why a unit is listed apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Unranked {
    /// Without coverage for more than half of the period.
    OutOfCoverage,
    /// Fewer adults and households than the table asks for, or neither known.
    TooSmall,
    /// Without a value.
    Empty,
}

impl Unranked {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::OutOfCoverage => "out_of_coverage",
            Self::TooSmall => "too_small",
            Self::Empty => "empty",
        }
    }

    /// In words.
    pub fn words(self, lang: Lang) -> &'static str {
        let (vi, en) = match self {
            Self::OutOfCoverage => (
                "Không có sóng quá nửa kỳ nên không xếp hạng.",
                "No network for more than half of the period: not ranked.",
            ),
            Self::TooSmall => (
                "Dưới 30 người từ 15 tuổi và dưới 20 hộ, hoặc chưa nhập số gốc, nên không xếp hạng.",
                "Fewer than 30 adults and 20 households, or no base numbers entered: not ranked.",
            ),
            Self::Empty => ("Chưa có số liệu.", "No figures yet."),
        };
        if lang == Lang::Vi { vi } else { en }
    }
}

/// A league table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct League {
    /// By rank, units of one rank by id.
    pub places: Vec<Place>,
    /// The units listed apart, with the reason.
    pub apart: BTreeMap<UnitId, Unranked>,
}

/// Why entries cannot be ranked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LeagueError {
    /// Units of different levels; rank each level by itself.
    #[error("unit {0} is of another level than the rest; rank each level by itself")]
    MixedLevels(UnitId),
    /// Figures of different indicators or units.
    #[error("unit {0} comes with another indicator than the rest")]
    MixedIndicators(UnitId),
    /// The same unit twice.
    #[error("unit {0} occurs twice")]
    DuplicateUnit(UnitId),
}

impl LeagueError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MixedLevels(_) => "mixed_levels",
            Self::MixedIndicators(_) => "mixed_indicators",
            Self::DuplicateUnit(_) => "duplicate_unit",
        }
    }
}

/// Ranks units. `last` is the table of the period before.
///
/// # Errors
/// [`LeagueError`] when the entries cannot be compared.
pub fn rank(
    entries: &[LeagueEntry],
    direction: Direction,
    rules: LeagueRules,
    last: Option<&League>,
) -> Result<League, LeagueError> {
    let mut league = League::default();
    let mut seen = BTreeSet::new();
    for entry in entries {
        let (first, unit) = (&entries[0], entry.unit);
        if !seen.insert(unit) {
            return Err(LeagueError::DuplicateUnit(unit));
        }
        if entry.level != first.level {
            return Err(LeagueError::MixedLevels(unit));
        }
        if (&entry.figure.indicator, entry.figure.unit) != (&first.figure.indicator, first.figure.unit) {
            return Err(LeagueError::MixedIndicators(unit));
        }
        match compared(entry, rules) {
            Ok(value) => {
                let provisional = entry.figure.provisional;
                league.places.push(Place { rank: 0, unit, value, change: None, provisional });
            }
            Err(reason) => {
                league.apart.insert(unit, reason);
            }
        }
    }
    league.places.sort_by(|a, b| {
        let better = if direction == Direction::Up { b.value.cmp(&a.value) } else { a.value.cmp(&b.value) };
        better.then(a.unit.cmp(&b.unit))
    });
    let mut rank = 0;
    let mut held = None;
    for (at, place) in (1..).zip(&mut league.places) {
        if held != Some(place.value) {
            (rank, held) = (at, Some(place.value));
        }
        place.rank = rank;
        let before = last.and_then(|last| last.places.iter().find(|before| before.unit == place.unit));
        place.change = before.map(|before| i64::from(before.rank) - i64::from(rank));
    }
    Ok(league)
}

fn compared(entry: &LeagueEntry, rules: LeagueRules) -> Result<Fraction, Unranked> {
    if u64::from(entry.days_uncovered) * 2 > u64::from(entry.days) {
        return Err(Unranked::OutOfCoverage);
    }
    let enough = |number: Option<u64>, min: u64| number.is_some_and(|number| number >= min);
    if !enough(entry.adults, rules.adults_min) && !enough(entry.households, rules.households_min) {
        return Err(Unranked::TooSmall);
    }
    let value = entry.figure.value.ok_or(Unranked::Empty)?;
    match entry.figure.unit {
        FigureUnit::Count => {
            let adults = Fraction::whole(entry.adults.unwrap_or(0).into());
            value.over(adults).ok_or(Unranked::Empty)
        }
        _ => Ok(value),
    }
}

/// On how many days of a period a village had no mobile network at all, as its row says. Days of which nothing is known
/// count as covered.
pub fn days_uncovered(facts: &[Fact], village: UnitId, period: Period) -> u32 {
    let mut history: BTreeMap<Day, (Ver, bool)> = BTreeMap::new();
    for fact in facts {
        let Fact::Row(row) = fact else { continue };
        let RowData::Village { village: of, attribute, from, value } = &row.row else { continue };
        if *of == village && attribute == COVERAGE.0 {
            let said = (row.ver, *value == Value::Text(COVERAGE.1.to_owned()));
            let held = history.entry(*from).or_insert(said);
            *held = (*held).max(said);
        }
    }
    let ends = history.keys().skip(1).copied().chain([Day(u32::MAX)]);
    let spans = history.iter().zip(ends).filter(|((_, (_, uncovered)), _)| *uncovered);
    let days = |from: Day, next: Day| {
        let (from, to) = (from.max(period.from), Day(next.0.saturating_sub(1)).min(period.to));
        (to.0 + 1).saturating_sub(from.0)
    };
    spans.map(|((from, _), next)| days(*from, next)).sum()
}

/// Of the facts of a unit, those that a team's score rests on: its own activities and members, and what belongs to the
/// unit as a whole.
pub fn team_facts(facts: &[Fact], team: TeamId) -> Vec<Fact> {
    let is_own = |fact: &&Fact| match fact {
        Fact::Activity(activity) => activity.team == team,
        Fact::Row(row) => match &row.row {
            RowData::Team { team: of, .. } | RowData::Member { team: of, .. } => *of == team,
            _ => true,
        },
    };
    facts.iter().filter(is_own).cloned().collect()
}

impl Indicators {
    /// A base number of a unit as it is on the last day of the period; `None` when it is not known for all of it.
    pub fn base_number(&self, code: &str, history: &History, situation: &Situation<'_>) -> Option<u64> {
        let formula = Formula::Denominator { code: code.to_owned() };
        let figure = self.work_out(code, FigureUnit::Count, "", &formula, history, situation);
        figure.value.and_then(|value| u64::try_from(value.floor_parts(1)).ok())
    }
}
