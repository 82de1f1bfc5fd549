//! Figures of an old period beside those of a new one, over the reforms between. What cannot be compared says why.
//!
//! For figures that add up: counts and sums. A rate is compared by its numerator and its denominator. Source:
//! docs/DOMAIN.md §3, last paragraph.

use std::collections::{BTreeMap, BTreeSet};

use super::{Level, Relation, Units, in_sentence, vietnamese_date};
use crate::catalogue::Lang;
use crate::ids::{Day, UnitId};

/// The figures of one period, each under the row that was in force on its day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Figures {
    /// A day of the period on which all its units were in force; usually the last one.
    pub day: Day,
    /// One figure per unit.
    pub units: BTreeMap<UnitId, i64>,
    /// The same figure per village; only needed of units that were divided.
    pub villages: BTreeMap<UnitId, i64>,
}

/// Why an old figure cannot be stated for a new unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NotComparable {
    /// This unit has a figure but was not in force on the day of its period.
    NotInForce(UnitId),
    /// The data does not say what this unit came from, or what became of it.
    UnknownSuccession(UnitId),
    /// No old figure of this unit.
    NoFigure(UnitId),
    /// This unit was divided, and its villages, or figures or places of some of them, are not known.
    NeedsVillages(UnitId),
    /// The figures of this divided unit's villages do not add up to its own.
    VillagesDiffer(UnitId),
    /// The sum is larger than a figure can be.
    TooLarge(UnitId),
}

impl NotComparable {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotInForce(_) => "not_in_force",
            Self::UnknownSuccession(_) => "unknown_succession",
            Self::NoFigure(_) => "no_figure",
            Self::NeedsVillages(_) => "needs_villages",
            Self::VillagesDiffer(_) => "villages_differ",
            Self::TooLarge(_) => "too_large",
        }
    }

    /// The unit to blame.
    pub fn unit(self) -> UnitId {
        match self {
            Self::NotInForce(row)
            | Self::UnknownSuccession(row)
            | Self::NoFigure(row)
            | Self::NeedsVillages(row)
            | Self::VillagesDiffer(row)
            | Self::TooLarge(row) => row,
        }
    }

    /// One sentence for people, with what to do.
    pub fn text(self, units: &Units, lang: Lang) -> String {
        let name = units.unit(self.unit()).map_or_else(|| self.unit().to_string(), |unit| unit.full_name.clone());
        let inside = in_sentence(&name);
        match (lang, self) {
            (Lang::Vi, Self::NotInForce(_)) => {
                format!(
                    "Không so sánh được: {inside} không có hiệu lực vào ngày của kỳ. Hãy ghi số liệu vào đúng đơn vị."
                )
            }
            (Lang::En, Self::NotInForce(_)) => {
                format!("Not comparable: {name} was not in force in the period. Give the figure to the right unit.")
            }
            (Lang::Vi, Self::UnknownSuccession(_)) => {
                format!("Không so sánh được: không rõ quan hệ kế tiếp của {inside}. Hãy bổ sung quan hệ kế tiếp.")
            }
            (Lang::En, Self::UnknownSuccession(_)) => {
                format!("Not comparable: the succession of {name} is not known. Add it.")
            }
            (Lang::Vi, Self::NoFigure(_)) => {
                format!("Không so sánh được: thiếu số liệu kỳ trước của {inside}. Hãy bổ sung số liệu.")
            }
            (Lang::En, Self::NoFigure(_)) => format!("Not comparable: {name} has no earlier figure. Add it."),
            (Lang::Vi, Self::NeedsVillages(_)) => {
                format!("Không so sánh được: {inside} đã bị chia. Hãy bổ sung số liệu theo từng thôn.")
            }
            (Lang::En, Self::NeedsVillages(_)) => {
                format!("Not comparable: {name} was divided. Add the figures of all its villages.")
            }
            (Lang::Vi, Self::VillagesDiffer(_)) => {
                format!("Không so sánh được: tổng số liệu các thôn khác số liệu của {inside}. Hãy sửa cho khớp.")
            }
            (Lang::En, Self::VillagesDiffer(_)) => {
                format!("Not comparable: the villages of {name} do not add up to its figure. Correct them.")
            }
            (Lang::Vi, Self::TooLarge(_)) => format!("Không so sánh được: số liệu của {inside} quá lớn."),
            (Lang::En, Self::TooLarge(_)) => format!("Not comparable: the figure of {name} is too large."),
        }
    }
}

/// One unit of the new period with both figures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The unit.
    pub unit: UnitId,
    /// The old figure for what is this unit today, or every reason why there is none.
    pub old: Result<i64, BTreeSet<NotComparable>>,
    /// The new figure, if there is one.
    pub new: Option<i64>,
    /// The old units whose figures, or parts of them, are in `old`.
    pub from: BTreeSet<UnitId>,
    /// How: the same unit, a sum of whole units, or villages. `None` when no unit changed.
    pub basis: Option<Relation>,
}

impl Line {
    /// One sentence for people that says how the old figure was made, or why there is none.
    pub fn text(&self, units: &Units, lang: Lang) -> String {
        if let Err(reasons) = &self.old {
            return reasons.iter().map(|reason| reason.text(units, lang)).collect::<Vec<_>>().join(" ");
        }
        let names = self.from.iter().filter_map(|row| units.unit(*row)).map(|unit| in_sentence(&unit.full_name));
        let names = names.collect::<Vec<_>>().join(", ");
        match (lang, self.basis) {
            (Lang::Vi, None) => "Cùng một đơn vị trong cả hai kỳ.".to_owned(),
            (Lang::En, None) => "The same unit in both periods.".to_owned(),
            (Lang::Vi, Some(Relation::Kept)) => format!("Số liệu kỳ trước là của {names}, được giữ nguyên."),
            (Lang::En, Some(Relation::Kept)) => format!("The earlier figure is that of {names}, which was kept."),
            (Lang::Vi, Some(Relation::Merged)) => format!("Số liệu kỳ trước là tổng của {names}."),
            (Lang::En, Some(Relation::Merged)) => format!("The earlier figure is the sum of {names}."),
            (Lang::Vi, Some(Relation::Part)) => {
                format!("Số liệu kỳ trước là tổng của {names}; đơn vị bị chia được tính theo từng thôn.")
            }
            (Lang::En, Some(Relation::Part)) => {
                format!("The earlier figure is the sum of {names}; divided units were counted by village.")
            }
        }
    }
}

/// Two periods side by side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// Day of the old period.
    pub old_day: Day,
    /// Day of the new period.
    pub new_day: Day,
    /// A line per unit of the new period that has a figure in it or something in the old one; by row.
    pub lines: Vec<Line>,
    /// Old figures that no line can show, with the reason.
    pub left_over: BTreeMap<UnitId, NotComparable>,
}

impl Comparison {
    /// Whether units changed between the two days, so that the comparison must say so.
    pub fn crosses_reform(&self) -> bool {
        !self.left_over.is_empty() || self.lines.iter().any(|line| line.basis.is_some())
    }

    /// The sentence over the whole table; `None` when no unit changed.
    pub fn text(&self, lang: Lang) -> Option<String> {
        let (from, to) = (vietnamese_date(self.old_day), vietnamese_date(self.new_day));
        self.crosses_reform().then(|| match lang {
            Lang::Vi => {
                format!("Địa giới thay đổi giữa ngày {from} và ngày {to}; số liệu kỳ trước được quy về đơn vị mới.")
            }
            Lang::En => format!(
                "Units changed between {} and {}; earlier figures are restated for the new units.",
                self.old_day, self.new_day
            ),
        })
    }
}

/// Restates the figures of an old period for the units of a new one.
///
/// Whole units add up. A divided unit needs the figure of each of its villages, which must add up to its own; a village
/// counts where it, or what became of it, lies on the new day. Nothing is estimated.
pub fn compare(units: &Units, old: &Figures, new: &Figures) -> Comparison {
    let in_force = |row: UnitId, day| units.unit(row).is_some_and(|unit| unit.is_valid_on(day));
    let mut wanted: BTreeSet<UnitId> = new.units.keys().copied().collect();
    let mut left_over = BTreeMap::new();
    for row in old.units.keys() {
        if !in_force(*row, old.day) {
            left_over.insert(*row, NotComparable::NotInForce(*row));
            continue;
        }
        let after = units.successors(*row, new.day);
        if !after.unknown.is_empty() {
            left_over.insert(*row, NotComparable::UnknownSuccession(*row));
        }
        wanted.extend(after.units);
    }
    let lines = wanted.into_iter().map(|row| match in_force(row, new.day) {
        true => line(units, old, new, row),
        false => Line {
            unit: row,
            old: Err(BTreeSet::from([NotComparable::NotInForce(row)])),
            new: new.units.get(&row).copied(),
            from: BTreeSet::new(),
            basis: None,
        },
    });
    let lines = lines.collect();
    Comparison { old_day: old.day, new_day: new.day, lines, left_over }
}

fn line(units: &Units, old: &Figures, new: &Figures, unit: UnitId) -> Line {
    let before = units.predecessors(unit, new.day, old.day);
    let mut reasons: BTreeSet<NotComparable> =
        before.unknown.iter().map(|row| NotComparable::UnknownSuccession(*row)).collect();
    let mut basis = before.steps.iter().map(|step| step.relation).max();
    if basis == Some(Relation::Kept) && before.units.len() > 1 {
        basis = Some(Relation::Merged);
    }
    let mut sum = Some(0i64);
    for row in &before.units {
        match share(units, old, *row, unit, new.day) {
            Ok(value) => sum = sum.and_then(|sum| sum.checked_add(value)),
            Err(reason) => {
                reasons.insert(reason);
            }
        }
    }
    let old = match sum {
        Some(sum) if reasons.is_empty() => Ok(sum),
        None if reasons.is_empty() => Err(BTreeSet::from([NotComparable::TooLarge(unit)])),
        _ => Err(reasons),
    };
    Line { unit, old, new: new.units.get(&unit).copied(), from: before.units, basis }
}

/// How much of an old unit's figure belongs to a new unit.
fn share(units: &Units, old: &Figures, row: UnitId, new: UnitId, on: Day) -> Result<i64, NotComparable> {
    let figure = *old.units.get(&row).ok_or(NotComparable::NoFigure(row))?;
    let after = units.successors(row, on);
    if !after.unknown.is_empty() {
        return Err(NotComparable::UnknownSuccession(row));
    }
    if after.units.len() == 1 {
        return Ok(figure);
    }
    let villages = units.children(row, old.day);
    if villages.is_empty() || villages.iter().any(|village| village.level != Level::Village) {
        return Err(NotComparable::NeedsVillages(row));
    }
    let (mut here, mut all) = (0i64, 0i64);
    for village in villages {
        let value = *old.villages.get(&village.row_id).ok_or(NotComparable::NeedsVillages(row))?;
        let now = units.successors(village.row_id, on);
        let lies_in: BTreeSet<_> =
            now.units.iter().filter_map(|village| units.parent(*village, on)).map(|it| it.row_id).collect();
        let (Some(commune), 1, true) = (lies_in.first(), lies_in.len(), now.unknown.is_empty()) else {
            return Err(NotComparable::NeedsVillages(row));
        };
        if !after.units.contains(commune) {
            return Err(NotComparable::NeedsVillages(row));
        }
        all = all.checked_add(value).ok_or(NotComparable::TooLarge(row))?;
        if *commune == new {
            here = here.checked_add(value).ok_or(NotComparable::TooLarge(row))?;
        }
    }
    if all == figure { Ok(here) } else { Err(NotComparable::VillagesDiffer(row)) }
}
