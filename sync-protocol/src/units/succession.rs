//! What became of a unit, over as many reforms as there were.

use std::collections::BTreeSet;

use super::{Units, in_sentence, vietnamese_date};
use crate::catalogue::Lang;
use crate::ids::{Day, UnitId};

/// What became of a unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Relation {
    /// One to one. A unit that a reform left alone may be its own successor.
    Kept,
    /// Whole into a larger unit.
    Merged,
    /// Split: one old unit has several successions, and only a village can say which part it lies in.
    Part,
}

impl Relation {
    /// Reads the code of a file: `kept`, `merged` or `part`.
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "kept" => Some(Self::Kept),
            "merged" => Some(Self::Merged),
            "part" => Some(Self::Part),
            _ => None,
        }
    }
}

/// One old unit and one of its successors.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Succession {
    /// The old unit's row, valid until the day before `effective`.
    pub old: UnitId,
    /// The new unit's row, valid from `effective`.
    pub new: UnitId,
    /// First day of the new unit.
    pub effective: Day,
    /// What became of the old unit.
    pub relation: Relation,
}

/// What a unit of one day is on another day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The unit asked for.
    pub row: UnitId,
    /// The units that stand for it on the other day.
    pub units: BTreeSet<UnitId>,
    /// The successions on the way, a unit's own continuation left out.
    pub steps: BTreeSet<Succession>,
    /// Units on the way of which the data does not say what became, or what they came from.
    pub unknown: BTreeSet<UnitId>,
}

impl Mapping {
    fn new(row: UnitId) -> Self {
        Self { row, units: BTreeSet::new(), steps: BTreeSet::new(), unknown: BTreeSet::new() }
    }

    /// Of what [`Units::successors`] gives: whether the whole unit is one unit on the other day (kept, merged). If not,
    /// its villages must say where they went, or the data does not know.
    pub fn is_exact(&self) -> bool {
        self.unknown.is_empty() && self.units.len() == 1
    }

    /// Of what [`Units::successors`] gives: one sentence for people that says what became of the unit and whether its
    /// villages must decide.
    pub fn text(&self, units: &Units, lang: Lang) -> String {
        let name = |row: &UnitId| units.unit(*row).map_or_else(|| row.to_string(), |unit| unit.full_name.clone());
        let (old, vi) = (name(&self.row), lang == Lang::Vi);
        let new: Vec<String> = self.units.iter().map(|row| in_sentence(&name(row))).collect();
        let new = new.join(", ");
        let Some(last) = self.steps.iter().map(|step| step.effective).max().filter(|_| self.unknown.is_empty()) else {
            return match (vi, self.unknown.is_empty()) {
                (true, true) => format!("{old} không thay đổi."),
                (false, true) => format!("{old} did not change."),
                (true, false) => format!("{old}: dữ liệu không cho biết đơn vị kế tiếp."),
                (false, false) => format!("{old}: the data does not name a successor."),
            };
        };
        let (day_vi, day_en) = (vietnamese_date(last), last);
        match (vi, self.units.len() > 1, self.steps.iter().all(|step| step.relation == Relation::Kept)) {
            (true, true, _) => {
                format!("{old} được chia về {new} (từ ngày {day_vi}); phải xác định theo từng thôn.")
            }
            (false, true, _) => format!("{old} was divided among {new} (from {day_en}); its villages must decide."),
            (true, _, true) => format!("{old} được giữ nguyên thành {new} từ ngày {day_vi}."),
            (false, _, true) => format!("{old} continues unchanged as {new} from {day_en}."),
            (true, _, false) => format!("{old} nhập toàn bộ vào {new} từ ngày {day_vi}."),
            (false, _, false) => format!("{old} went whole into {new} from {day_en}."),
        }
    }
}

impl Units {
    /// All successions, by old row.
    pub fn successions(&self) -> &[Succession] {
        &self.successions
    }

    /// What is said to have become of a row, its own continuation included.
    pub fn successions_of(&self, row: UnitId) -> &[Succession] {
        self.by_old.get(&row).map_or(&[], Vec::as_slice)
    }

    /// From what a row is said to have come, its own continuation included.
    pub fn successions_into(&self, row: UnitId) -> &[Succession] {
        self.by_new.get(&row).map_or(&[], Vec::as_slice)
    }

    /// What a unit is on a later day. A unit in force on that day stands for itself.
    pub fn successors(&self, row: UnitId, on: Day) -> Mapping {
        let mut mapping = Mapping::new(row);
        let (mut waiting, mut seen) = (vec![row], BTreeSet::new());
        while let Some(row) = waiting.pop() {
            if !seen.insert(row) {
                continue;
            }
            if self.unit(row).is_some_and(|unit| unit.is_valid_on(on)) {
                mapping.units.insert(row);
                continue;
            }
            let steps = self.successions_of(row).iter().filter(|step| step.new != row && step.effective <= on);
            let before = mapping.steps.len();
            for step in steps {
                mapping.steps.insert(*step);
                waiting.push(step.new);
            }
            if mapping.steps.len() == before {
                mapping.unknown.insert(row);
            }
        }
        mapping
    }

    /// What a unit of the day `on` was on the earlier day `back_to`; units that it took in between are among
    /// them. Which of them went there only in part is for [`Units::successors`] to say.
    pub fn predecessors(&self, row: UnitId, on: Day, back_to: Day) -> Mapping {
        let mut mapping = Mapping::new(row);
        let (mut waiting, mut seen) = (vec![(row, on)], BTreeSet::new());
        while let Some((row, until)) = waiting.pop() {
            if !seen.insert((row, until)) {
                continue;
            }
            let steps = self
                .successions_into(row)
                .iter()
                .filter(|step| step.old != row && back_to < step.effective && step.effective <= until);
            let before = mapping.steps.len();
            for step in steps {
                mapping.steps.insert(*step);
                waiting.push((step.old, Day(step.effective.0 - 1)));
            }
            if self.unit(row).is_some_and(|unit| unit.is_valid_on(back_to)) {
                mapping.units.insert(row);
            } else if mapping.steps.len() == before {
                mapping.unknown.insert(row);
            }
        }
        mapping
    }

    /// [`Units::successors`] of many units, in the order of their rows.
    pub fn map(&self, rows: &BTreeSet<UnitId>, on: Day) -> Vec<Mapping> {
        rows.iter().map(|row| self.successors(*row, on)).collect()
    }
}
