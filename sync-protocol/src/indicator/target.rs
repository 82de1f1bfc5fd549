//! Targets: the five clears, how a whole is shared out, and how a target stands.

use std::collections::BTreeSet;

use super::{Fraction, Indicators};
use crate::catalogue::Decimal;
use crate::entity::{TargetClears, TargetGoal, target};
use crate::ids::{Day, UnitId};
use crate::row::Register;

/// What a target is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Goal {
    /// The value of an indicator.
    Indicator(String),
    /// Activities of a kind that are done, repeats left out.
    Kind(String),
}

/// A target as it is written, before it is published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// For which unit.
    pub unit: UnitId,
    /// What is to be reached.
    pub goal: Goal,
    /// How much of it; above 0.
    pub value: Decimal,
    /// Rõ việc: what is to be done.
    pub task: String,
    /// Rõ người: the person or team that answers for it.
    pub person: String,
    /// Rõ thời gian: the first day.
    pub from: Option<Day>,
    /// Rõ thời gian: the last day.
    pub due: Option<Day>,
    /// Rõ sản phẩm: what proves it.
    pub product: String,
    /// Rõ nguồn lực: money, devices, partners.
    pub resource: String,
}

macro_rules! target_codes {
    ($($(#[$doc:meta])* $variant:ident $text:literal $field:literal $vi:literal $en:literal,)+) => {
        /// Why a target cannot be published.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum TargetCode { $($(#[$doc])* $variant,)+ }

        impl TargetCode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
            /// The stable code.
            pub fn text(self) -> &'static str { match self { $(Self::$variant => $text,)+ } }
            /// The field that it is about.
            pub fn field(self) -> &'static str { match self { $(Self::$variant => $field,)+ } }
            /// In plain Vietnamese, with what to do.
            pub fn vi(self) -> &'static str { match self { $(Self::$variant => $vi,)+ } }
            /// In plain English, with what to do.
            pub fn en(self) -> &'static str { match self { $(Self::$variant => $en,)+ } }
        }
    };
}

target_codes! {
    /// No task.
    TaskEmpty "task_empty" "task"
        "Chưa rõ việc. Hãy ghi việc phải làm." "The task is missing. Say what is to be done.",
    /// Nobody answers for it.
    PersonEmpty "person_empty" "person"
        "Chưa rõ người. Hãy chọn người hoặc tổ chịu trách nhiệm."
        "Nobody is named. Choose the person or team that answers for it.",
    /// No first day.
    FromEmpty "from_empty" "from"
        "Chưa rõ thời gian. Hãy chọn ngày bắt đầu." "The time is not clear. Choose the first day.",
    /// No last day.
    DueEmpty "due_empty" "due"
        "Chưa rõ thời gian. Hãy chọn hạn hoàn thành." "The time is not clear. Choose the last day.",
    /// Nothing proves it.
    ProductEmpty "product_empty" "product"
        "Chưa rõ sản phẩm. Hãy ghi số liệu, danh sách, ảnh hoặc quyết định làm minh chứng."
        "The product is missing. Name the number, list, photo or decision that proves it.",
    /// No means.
    ResourceEmpty "resource_empty" "resource"
        "Chưa rõ nguồn lực. Hãy ghi kinh phí, thiết bị hoặc đơn vị phối hợp."
        "The resources are missing. Name money, devices or partners.",
    /// The last day comes before the first.
    DueBeforeFrom "due_before_from" "due"
        "Hạn hoàn thành trước ngày bắt đầu. Hãy chọn lại." "The last day lies before the first. Choose again.",
    /// Nothing is asked for.
    ValueNotPositive "value_not_positive" "value"
        "Mức giao phải lớn hơn 0." "The target must be above 0.",
    /// No such indicator or kind.
    UnknownGoal "unknown_goal" "goal"
        "Không có chỉ tiêu hoặc loại hoạt động này. Hãy chọn lại." "There is no such indicator or kind. Choose again.",
    /// The goal would depend on this very target.
    CyclicGoal "cyclic_goal" "goal"
        "Chỉ tiêu này được tính từ chính các mức giao. Hãy chọn chỉ tiêu khác."
        "This indicator is worked out from the targets themselves. Choose another.",
}

/// One thing that stands in the way of publishing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: {}", .0.field(), .0.en())]
pub struct TargetFinding(pub TargetCode);

impl Target {
    /// Reads a stored target of a unit; what a draft leaves open is empty, and no goal is one that nobody knows.
    pub fn read(unit: UnitId, register: &Register) -> Self {
        let goal: Option<TargetGoal> = register.group(target::GOAL);
        let clears: Option<TargetClears> = register.group(target::CLEARS);
        let word = |pick: fn(&TargetClears) -> &Option<String>| {
            clears.as_ref().and_then(|clears| pick(clears).clone()).unwrap_or_default()
        };
        let value = goal.as_ref().and_then(|goal| Decimal::parse(&goal.value)).unwrap_or(Decimal::from_int(0));
        Self {
            unit,
            goal: match goal {
                Some(TargetGoal { indicator: Some(code), .. }) => Goal::Indicator(code),
                goal => Goal::Kind(goal.and_then(|goal| goal.kind).unwrap_or_default()),
            },
            value,
            task: word(|clears| &clears.task),
            person: word(|clears| &clears.person),
            from: clears.as_ref().and_then(|clears| clears.from),
            due: clears.as_ref().and_then(|clears| clears.due),
            product: word(|clears| &clears.product),
            resource: word(|clears| &clears.resource),
        }
    }

    /// Checks that nothing stands in the way of publishing.
    ///
    /// # Errors
    /// A finding for each of the five that is empty, and for all else that is wrong.
    pub fn check(&self, indicators: &Indicators) -> Result<(), Vec<TargetFinding>> {
        let blank = |text: &str| text.trim().is_empty();
        let (known, cyclic) = match &self.goal {
            Goal::Indicator(code) => match indicators.indicator(code) {
                Some(indicator) => (true, indicator.formula.uses_targets()),
                None => (false, false),
            },
            Goal::Kind(code) => (indicators.catalogue().kind(code).is_some(), false),
        };
        let wrong = [
            (blank(&self.task), TargetCode::TaskEmpty),
            (blank(&self.person), TargetCode::PersonEmpty),
            (self.from.is_none(), TargetCode::FromEmpty),
            (self.due.is_none(), TargetCode::DueEmpty),
            (blank(&self.product), TargetCode::ProductEmpty),
            (blank(&self.resource), TargetCode::ResourceEmpty),
            (self.from.zip(self.due).is_some_and(|(from, due)| due < from), TargetCode::DueBeforeFrom),
            (self.value <= Decimal::from_int(0), TargetCode::ValueNotPositive),
            (!known, TargetCode::UnknownGoal),
            (cyclic, TargetCode::CyclicGoal),
        ];
        let found: Vec<_> =
            wrong.into_iter().filter(|(wrong, _)| *wrong).map(|(_, code)| TargetFinding(code)).collect();
        if found.is_empty() { Ok(()) } else { Err(found) }
    }
}

/// Parts against the whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cascade {
    /// What the whole asks for.
    pub whole: Fraction,
    /// What the parts add up to.
    pub parts: Fraction,
    /// What the parts leave open; negative when they ask for more.
    pub open: Fraction,
}

/// Sets the targets of the parts against that of the whole. Only counts add up: percentages have to be split by their
/// numerators.
pub fn cascade(whole: Decimal, parts: &[Decimal]) -> Cascade {
    const BILLION: i128 = 1_000_000_000;
    let scaled = |decimal: Decimal| decimal.rounded(9);
    let sum: i128 = parts.iter().map(|part| scaled(*part)).sum();
    let exact = |scaled: i128| Fraction::new(scaled, BILLION).unwrap_or(Fraction::ZERO);
    Cascade { whole: exact(scaled(whole)), parts: exact(sum), open: exact(scaled(whole) - sum) }
}

/// Why a whole cannot be shared out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SplitError {
    /// No unit has any population.
    #[error("no unit has adults entered; enter the denominators first")]
    NoPopulation,
    /// A unit occurs twice.
    #[error("unit {0} occurs twice")]
    DuplicateUnit(UnitId),
}

impl SplitError {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoPopulation => "no_population",
            Self::DuplicateUnit(_) => "duplicate_unit",
        }
    }
}

/// Shares out a whole by adult population, in whole numbers that add up to it exactly: each unit gets its share rounded
/// down, and what is left goes one by one to the largest remainders; of equal ones, to the lower id. In order of id.
///
/// # Errors
/// [`SplitError`] when there is nobody to share among, or a unit comes twice.
pub fn split(whole: u64, adults: &[(UnitId, u64)]) -> Result<Vec<(UnitId, u64)>, SplitError> {
    let mut seen = BTreeSet::new();
    if let Some((unit, _)) = adults.iter().find(|(unit, _)| !seen.insert(*unit)) {
        return Err(SplitError::DuplicateUnit(*unit));
    }
    let population: u128 = adults.iter().map(|(_, adults)| u128::from(*adults)).sum();
    if population == 0 {
        return Err(SplitError::NoPopulation);
    }
    let mut shares: Vec<(UnitId, u128, u128)> = adults
        .iter()
        .map(|(unit, adults)| {
            let product = u128::from(whole) * u128::from(*adults);
            (*unit, product / population, product % population)
        })
        .collect();
    let left = u128::from(whole) - shares.iter().map(|(_, share, _)| share).sum::<u128>();
    shares.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(&b.0)));
    for (at, share) in (0u128..).zip(&mut shares) {
        share.1 += u128::from(at < left);
    }
    shares.sort_by_key(|(unit, ..)| *unit);
    Ok(shares.into_iter().map(|(unit, share, _)| (unit, u64::try_from(share).unwrap_or(whole))).collect())
}

/// How a target stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TargetStatus {
    /// Its first day lies ahead, or nothing is done and nothing is behind yet.
    NotStarted,
    /// Under way and not behind.
    OnTrack,
    /// The part done is more than the margin behind the part of the time that is gone.
    AtRisk,
    /// Reached.
    Done,
    /// Not reached, and its last day is over.
    Overdue,
}

impl TargetStatus {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::OnTrack => "on_track",
            Self::AtRisk => "at_risk",
            Self::Done => "done",
            Self::Overdue => "overdue",
        }
    }
}

/// How a target stands on a day. `done` is the part achieved, 1 for all of it; `margin` is in hundredths, 15 by default.
/// The time gone counts whole days, `today` included.
pub fn target_status(from: Day, due: Day, today: Day, done: Fraction, margin: u32) -> TargetStatus {
    if done >= Fraction::ONE {
        return TargetStatus::Done;
    }
    if today > due {
        return TargetStatus::Overdue;
    }
    if today < from {
        return TargetStatus::NotStarted;
    }
    let days = |first: Day, last: Day| i128::from(last.0) - i128::from(first.0) + 1;
    let (gone, all) = (days(from, today), days(from, due));
    let expected = Fraction::new(gone * 100 - i128::from(margin) * all, all * 100).unwrap_or(Fraction::ZERO);
    match done {
        done if done < expected => TargetStatus::AtRisk,
        done if done <= Fraction::ZERO => TargetStatus::NotStarted,
        _ => TargetStatus::OnTrack,
    }
}
