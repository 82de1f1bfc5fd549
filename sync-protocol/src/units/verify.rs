//! The rules that units and successions must keep together. A breach names the row, the day and the remedy.

use std::collections::{BTreeMap, BTreeSet};

use super::{Level, Relation, Succession, TWO_TIERS_FROM, Unit, Units};
use crate::ids::{Day, UnitId};

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident $code:literal $vi:literal $en:literal,)+) => {
        /// A rule of the data that is broken.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Fault { $($(#[$doc])* $variant,)+ }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
            /// The stable code.
            pub fn code(self) -> &'static str { match self { $(Self::$variant => $code,)+ } }
            /// Reads the stable code.
            pub fn from_code(code: &str) -> Option<Self> { Self::ALL.iter().copied().find(|it| it.code() == code) }
            /// In plain Vietnamese, with what to do.
            pub fn vi(self) -> &'static str { match self { $(Self::$variant => $vi,)+ } }
            /// In plain English, with what to do.
            pub fn en(self) -> &'static str { match self { $(Self::$variant => $en,)+ } }
        }
    };
}

faults! {
    /// Two units with one row id.
    DuplicateRow "duplicate_row"
        "Dòng này có hai lần. Hãy xóa một dòng."
        "The row is there twice. Remove one.",
    /// A parent or a succession names a row that does not exist.
    UnknownRow "unknown_row"
        "Đơn vị được nhắc đến nhưng không có trong danh sách. Hãy thêm đơn vị hoặc sửa mã."
        "The unit is referred to but is not in the list. Add it or correct the code.",
    /// `valid_to` is not after `valid_from`.
    EmptyValidity "empty_validity"
        "Ngày hết hiệu lực phải sau ngày bắt đầu. Hãy sửa ngày."
        "The unit must end after it begins. Correct the dates.",
    /// Two units of one level have one code on one day.
    Overlap "overlap"
        "Hai đơn vị cùng mã có hiệu lực trong cùng một ngày. Hãy sửa ngày của một trong hai."
        "Two units have this code on the same day. Correct the dates of one.",
    /// On some day of its validity the unit has no parent, or more than one; or a province has one.
    ParentGap "parent_gap"
        "Có ngày đơn vị không có, hoặc có hơn một, đơn vị cấp trên. Hãy sửa các khoảng thời gian."
        "On this day the unit has no parent, or more than one. Correct the periods of its parents.",
    /// A district in a district, a commune in a province before 2025-07-01 or in a district since, …
    ParentLevel "parent_level"
        "Đơn vị cấp trên không đúng cấp vào ngày này. Hãy sửa đơn vị cấp trên."
        "The parent is not of the level above on this day. Correct the parent.",
    /// Following the parents leads back to the unit.
    ParentCycle "parent_cycle"
        "Đi ngược lên cấp trên lại gặp chính đơn vị này. Hãy sửa đơn vị cấp trên."
        "Going up from the unit leads back to it. Correct the parents.",
    /// The unit lies in a parent that does not exist on some of those days.
    OutlivesParent "outlives_parent"
        "Đơn vị vẫn thuộc cấp trên vào ngày cấp trên không có hiệu lực. Hãy chuyển nó sang cấp trên khác."
        "The unit lies in a parent that does not exist on this day. Give it another parent from then on.",
    /// A closed unit has no successor.
    ClosedWithoutSuccessor "closed_without_successor"
        "Đơn vị đã kết thúc nhưng không có đơn vị kế tiếp. Hãy bổ sung đơn vị kế tiếp."
        "The unit ended without a successor. Add its succession.",
    /// A unit above the villages was opened after the data begins and came from nothing.
    OpenedWithoutPredecessor "opened_without_predecessor"
        "Đơn vị mới lập nhưng không rõ từ đơn vị nào. Hãy bổ sung đơn vị trước đó."
        "The unit was opened without a predecessor. Add what it came from.",
    /// The old unit does not end, or the new one does not begin, on the succession's day.
    EffectiveDiffers "effective_differs"
        "Ngày hiệu lực của việc kế tiếp khác ngày kết thúc hoặc ngày bắt đầu của đơn vị. Hãy sửa ngày."
        "The succession's day is not the day on which the unit ends or begins. Correct one of them.",
    /// `kept` with a second successor or a second predecessor.
    KeptNotOneToOne "kept_not_one_to_one"
        "Đơn vị giữ nguyên chỉ được có một đơn vị trước và một đơn vị sau. Hãy sửa quan hệ kế tiếp."
        "A kept unit has one successor, which has no other predecessor. Correct the relation.",
    /// `merged` with a second successor.
    MergedTwice "merged_twice"
        "Đơn vị nhập toàn bộ chỉ được có một đơn vị kế tiếp. Nếu bị chia, hãy ghi là chia tách."
        "A unit that went whole has one successor. If it was divided, say so in each row.",
    /// `part` with a single successor.
    PartAlone "part_alone"
        "Đơn vị bị chia phải có ít nhất hai đơn vị kế tiếp. Hãy bổ sung, hoặc ghi là nhập toàn bộ."
        "A divided unit has at least two successors. Add the other, or call it merged.",
    /// The same succession is listed twice.
    SuccessionTwice "succession_twice"
        "Quan hệ kế tiếp này có hai lần. Hãy xóa một dòng."
        "The succession is there twice. Remove one.",
    /// A unit is followed by one of another level.
    SuccessionLevel "succession_level"
        "Đơn vị kế tiếp khác cấp. Hãy kiểm tra lại mã và cấp."
        "The successor is of another level. Check level and code.",
    /// Following the successions leads back to the unit.
    SuccessionCycle "succession_cycle"
        "Đi theo các đơn vị kế tiếp lại gặp chính đơn vị này. Hãy sửa quan hệ kế tiếp."
        "Following the successors leads back to the unit. Correct the successions.",
    /// An exception names a breach that does not occur.
    ExceptionUnused "exception_unused"
        "Ngoại lệ này không còn đúng với dữ liệu. Hãy xóa ngoại lệ."
        "The data no longer has the breach that this exception excuses. Remove the exception.",
}

/// Breaches that the data is known to have, each with the row that [`Issue::row`] names.
pub type Exceptions = BTreeSet<(Fault, UnitId)>;

/// One breach.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
#[error("{}: {label}, row {row}{}, on {day}: {}", .fault.code(),
    .other.map(|other| format!(" (with row {other})")).unwrap_or_default(), .fault.en())]
pub struct Issue {
    /// The rule.
    pub fault: Fault,
    /// The row at fault.
    pub row: UnitId,
    /// Level, code and full name of the row.
    pub label: String,
    /// The other row concerned: a parent, the other unit of a succession or of a code.
    pub other: Option<UnitId>,
    /// The day on which it shows.
    pub day: Day,
}

impl Issue {
    pub(super) fn of(fault: Fault, unit: &Unit, other: Option<UnitId>, day: Day) -> Self {
        let label = format!("{} {} {}", unit.level.code(), unit.code, unit.full_name);
        Self { fault, row: unit.row_id, label, other, day }
    }
}

/// The issues that no exception excuses, and the exceptions that excuse nothing; sorted.
pub(super) fn without(issues: Vec<Issue>, exceptions: &Exceptions, units: &Units) -> Vec<Issue> {
    let found: Exceptions = issues.iter().map(|issue| (issue.fault, issue.row)).collect();
    let unused = exceptions.difference(&found).map(|(fault, row)| match units.unit(*row) {
        Some(unit) => {
            Issue { label: fault.code().to_owned(), ..Issue::of(Fault::ExceptionUnused, unit, None, unit.valid_from) }
        }
        None => Issue {
            fault: Fault::ExceptionUnused,
            row: *row,
            label: fault.code().to_owned(),
            other: None,
            day: Day::default(),
        },
    });
    let left = issues.iter().filter(|issue| !exceptions.contains(&(issue.fault, issue.row))).cloned();
    left.chain(unused).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Every breach of every rule but [`Fault::DuplicateRow`].
pub(super) fn issues(units: &Units, begins: Day) -> Vec<Issue> {
    let mut issues = Vec::new();
    for rows in units.by_code.values().flat_map(BTreeMap::values) {
        for pair in rows.windows(2) {
            let (first, second) = (&units.units[&pair[0]], &units.units[&pair[1]]);
            if first.is_valid_on(second.valid_from) {
                issues.push(Issue::of(Fault::Overlap, second, Some(first.row_id), second.valid_from));
            }
        }
    }
    for unit in units.all() {
        of_unit(units, unit, begins, &mut issues);
        of_parents(units, unit, &mut issues);
    }
    let key = |step: &Succession| (step.old, step.new, step.effective);
    for pair in units.successions.windows(2).filter(|pair| key(&pair[0]) == key(&pair[1])) {
        if let Some(old) = units.unit(pair[0].old) {
            issues.push(Issue::of(Fault::SuccessionTwice, old, Some(pair[0].new), pair[0].effective));
        }
    }
    for succession in &units.successions {
        of_succession(units, succession, &mut issues);
    }
    issues
}

fn of_unit(units: &Units, unit: &Unit, begins: Day, issues: &mut Vec<Issue>) {
    if let Some(to) = unit.valid_to {
        if to <= unit.valid_from {
            issues.push(Issue::of(Fault::EmptyValidity, unit, None, to));
        }
        if units.successions_of(unit.row_id).iter().all(|step| step.new == unit.row_id) {
            issues.push(Issue::of(Fault::ClosedWithoutSuccessor, unit, None, to));
        }
    }
    // Villages are recorded when a team first goes there, not when they were founded.
    if unit.level != Level::Village
        && unit.valid_from != begins
        && units.successions_into(unit.row_id).iter().all(|step| step.old == unit.row_id)
    {
        issues.push(Issue::of(Fault::OpenedWithoutPredecessor, unit, None, unit.valid_from));
    }
}

fn of_parents(units: &Units, unit: &Unit, issues: &mut Vec<Issue>) {
    let mut next = (unit.level != Level::Province).then_some(unit.valid_from);
    for span in &unit.parents {
        let mut issue = |fault, day| issues.push(Issue::of(fault, unit, Some(span.parent), day));
        if next != Some(span.from) {
            issue(Fault::ParentGap, span.from);
        }
        next = span.to.filter(|to| Some(*to) != unit.valid_to);
        if span.to.is_none() && unit.valid_to.is_some() || span.to.is_some_and(|to| to <= span.from) {
            issue(Fault::ParentGap, span.from);
        }
        let Some(parent) = units.unit(span.parent) else {
            issue(Fault::UnknownRow, span.from);
            continue;
        };
        if !parent.is_valid_on(span.from) {
            issue(Fault::OutlivesParent, span.from);
        } else if let Some(to) = parent.valid_to.filter(|to| span.to.is_none_or(|end| *to < end)) {
            issue(Fault::OutlivesParent, to);
        }
        let last_day = span.to.map_or(Day(u32::MAX), |to| Day(to.0.saturating_sub(1)));
        if let Some(day) = [span.from, last_day].into_iter().find(|day| !fits(unit.level, parent.level, *day)) {
            issue(Fault::ParentLevel, day.min(TWO_TIERS_FROM.max(span.from)));
            let above = std::iter::successors(Some(parent), |above| units.parent(above.row_id, span.from));
            if above.take(units.units.len()).any(|above| above.row_id == unit.row_id) {
                issue(Fault::ParentCycle, span.from);
            }
        }
    }
    if let Some(day) = next {
        issues.push(Issue::of(Fault::ParentGap, unit, None, day));
    }
}

/// Whether a unit of one level may lie directly in one of another on a day.
fn fits(level: Level, above: Level, day: Day) -> bool {
    match level {
        Level::Province => false,
        Level::District => above == Level::Province && day < TWO_TIERS_FROM,
        Level::Commune => above == if day < TWO_TIERS_FROM { Level::District } else { Level::Province },
        Level::Village => above == Level::Commune,
    }
}

fn of_succession(units: &Units, succession: &Succession, issues: &mut Vec<Issue>) {
    let Succession { old, new, effective, relation } = *succession;
    let (old, new) = match (units.unit(old), units.unit(new)) {
        (Some(old), Some(new)) => (old, new),
        (known, _) => {
            let (row, label) = if known.is_some() { (new, "successor") } else { (old, "predecessor") };
            let other = Some(if row == new { old } else { new });
            issues.push(Issue { fault: Fault::UnknownRow, row, label: label.to_owned(), other, day: effective });
            return;
        }
    };
    let mut issue = |fault, unit: &Unit, other: &Unit| {
        issues.push(Issue::of(fault, unit, Some(other.row_id), effective));
    };
    if old.level != new.level {
        issue(Fault::SuccessionLevel, old, new);
    }
    let is_same = old.row_id == new.row_id;
    let ends = if is_same { old.is_valid_on(effective) } else { old.valid_to == Some(effective) };
    let begins = is_same || new.valid_from == effective;
    if !ends || (is_same && relation != Relation::Kept) {
        issue(Fault::EffectiveDiffers, old, new);
    }
    if !begins {
        issue(Fault::EffectiveDiffers, new, old);
    }
    // Along right days the beginnings rise, so a cycle needs a wrong one.
    if (!ends || !begins) && !is_same && leads_to(units, new.row_id, old.row_id) {
        issue(Fault::SuccessionCycle, old, new);
    }
    let same_day = |steps: &[Succession]| steps.iter().filter(|step| step.effective == effective).count();
    let (after, before) = (same_day(units.successions_of(old.row_id)), same_day(units.successions_into(new.row_id)));
    match relation {
        Relation::Kept if after != 1 || before != 1 => issue(Fault::KeptNotOneToOne, old, new),
        Relation::Merged if after != 1 => issue(Fault::MergedTwice, old, new),
        Relation::Part if after == 1 => issue(Fault::PartAlone, old, new),
        _ => {}
    }
}

fn leads_to(units: &Units, from: UnitId, goal: UnitId) -> bool {
    let (mut waiting, mut seen) = (vec![from], BTreeSet::new());
    while let Some(row) = waiting.pop() {
        if row == goal {
            return true;
        }
        if seen.insert(row) {
            waiting.extend(units.successions_of(row).iter().map(|step| step.new));
        }
    }
    false
}
