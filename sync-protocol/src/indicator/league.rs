//! League tables: units of one level, side by side by one figure.

use std::collections::{BTreeMap, BTreeSet};

use super::evaluate::{Figure, FigureUnit};
use super::{Direction, Fraction, Level};
use crate::ids::UnitId;

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
