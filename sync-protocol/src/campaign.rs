//! Campaigns: their days, what counts towards them, their daily count, and the targets that each level adds.
//!
//! A campaign of a unit holds for all units below it. Source: docs/DOMAIN.md §9.

mod daily;

use std::collections::{BTreeMap, BTreeSet};

pub use daily::{Achievement, DayCount, achievements, day_counts};

use crate::calendar::{Weekday, vi_date};
use crate::catalogue::Catalogue;
use crate::entity::{CampaignFrame, CampaignState, CampaignTargets, campaign};
use crate::ids::{CampaignId, Day, UnitId};
use crate::row::Register;

/// What kind of campaign.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CampaignKind {
    /// Tháng cao điểm: up to 31 days.
    PeakMonth,
    /// Tuần cao điểm: up to 7 days.
    PeakWeek,
    /// Ngày hội chuyển đổi số: one day.
    DigitalDay,
    /// Ngày Chuyển đổi số quốc gia: yearly.
    NationalDay,
    /// The province's own day: yearly.
    ProvinceDay,
    /// Ngày thứ 5 trực tuyến: every Thursday, online public services only.
    ThursdayOnline,
    /// Đợt ra quân theo chủ đề.
    Drive,
    /// Bình dân học vụ số.
    LiteracyMovement,
}

impl CampaignKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::PeakMonth,
        Self::PeakWeek,
        Self::DigitalDay,
        Self::NationalDay,
        Self::ProvinceDay,
        Self::ThursdayOnline,
        Self::Drive,
        Self::LiteracyMovement,
    ];

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::PeakMonth => "peak_month",
            Self::PeakWeek => "peak_week",
            Self::DigitalDay => "digital_day",
            Self::NationalDay => "national_day",
            Self::ProvinceDay => "province_day",
            Self::ThursdayOnline => "thursday_online",
            Self::Drive => "drive",
            Self::LiteracyMovement => "literacy_movement",
        }
    }

    /// Reads the stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Most days from the first to the last.
    fn days_max(self) -> u32 {
        match self {
            Self::DigitalDay => 1,
            Self::PeakWeek => 7,
            Self::PeakMonth => 31,
            _ => 3_660,
        }
    }

    fn takes(self, recurrence: Option<Recurrence>) -> bool {
        match self {
            Self::ThursdayOnline => recurrence == Some(Recurrence::Weekly(Weekday::Thursday)),
            Self::NationalDay | Self::ProvinceDay => matches!(recurrence, Some(Recurrence::Yearly { .. })),
            _ => recurrence.is_none(),
        }
    }
}

/// On which days of its period a campaign is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recurrence {
    /// Every week on one day.
    Weekly(Weekday),
    /// Every year on one date.
    Yearly {
        /// 1 to 12.
        month: u32,
        /// 1 to 31.
        day: u32,
    },
}

/// A campaign of a unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Campaign {
    /// Which one.
    pub id: CampaignId,
    /// The unit that holds it; it holds for all units below.
    pub unit: UnitId,
    /// Its kind.
    pub kind: CampaignKind,
    /// First day.
    pub from: Day,
    /// Last day.
    pub to: Day,
    /// On which of these days; all when `None`.
    pub recurrence: Option<Recurrence>,
    /// Kinds of activity that count.
    pub kinds: BTreeSet<String>,
    /// Whether it was published.
    pub published: bool,
    /// How many activities of a kind each unit is to reach; see [`Campaign::add_target`].
    pub targets: BTreeMap<UnitId, BTreeMap<String, u64>>,
}

/// Where a campaign stands on a day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CampaignStatus {
    /// Not published.
    Draft,
    /// Published, not begun.
    Published,
    /// Between its first and its last day.
    Running,
    /// Over.
    Closed,
}

impl CampaignStatus {
    /// The stable code.
    pub fn code(self) -> &'static str {
        ["draft", "published", "running", "closed"][self as usize]
    }
}

/// Why a campaign or a target is not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CampaignFault {
    /// It ends before it begins.
    #[error("The campaign ends before it begins. Correct its days.")]
    Reversed,
    /// Longer than its kind may be.
    #[error("The campaign has {found} days; a {} has at most {most}. Correct its days.", .kind.code())]
    TooLong {
        /// Its kind.
        kind: CampaignKind,
        /// Its days.
        found: u32,
        /// Most days.
        most: u32,
    },
    /// The recurrence is missing, or is not one of its kind.
    #[error("A {} does not recur like this. Choose its own rule.", .0.code())]
    BadRecurrence(CampaignKind),
    /// No day of the period is a campaign day.
    #[error("No day of the period is a campaign day. Correct the period or the recurrence.")]
    NoDay,
    /// Nothing counts.
    #[error("The campaign counts no kind of activity. Choose at least one.")]
    NoKinds,
    /// Not in the catalogue.
    #[error("The kind {0} is not in the catalogue. Remove it.")]
    UnknownKind(String),
    /// Online Thursdays count online public services only.
    #[error("The kind {0} is no online public service. Remove it.")]
    NotOnline(String),
    /// The unit recurs on that day for a campaign of the same kind already.
    #[error(
        "Campaign {other} of the same unit and kind is held on {day} as well. End it before, or change the period."
    )]
    Overlap {
        /// The other one.
        other: CampaignId,
        /// The first day of both.
        day: Day,
    },
    /// A target for a kind that does not count.
    #[error("The kind {0} does not count in this campaign. Choose one that does.")]
    TargetNotCounted(String),
    /// A target of nothing.
    #[error("The target for {0} is zero. Enter a number.")]
    TargetZero(String),
    /// The unit has that target; targets are never replaced.
    #[error("The unit has a target for {0} already.")]
    TargetExists(String),
    /// The unit is not the campaign's own and not below it.
    #[error("The campaign does not hold for this unit. Choose a unit below its own.")]
    Elsewhere,
}

impl CampaignFault {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Reversed => "campaign_reversed",
            Self::TooLong { .. } => "campaign_too_long",
            Self::BadRecurrence(_) => "campaign_bad_recurrence",
            Self::NoDay => "campaign_no_day",
            Self::NoKinds => "campaign_no_kinds",
            Self::UnknownKind(_) => "campaign_unknown_kind",
            Self::NotOnline(_) => "campaign_not_online",
            Self::Overlap { .. } => "campaign_overlap",
            Self::TargetNotCounted(_) => "target_not_counted",
            Self::TargetZero(_) => "target_zero",
            Self::TargetExists(_) => "target_exists",
            Self::Elsewhere => "campaign_elsewhere",
        }
    }

    /// In plain Vietnamese, with what to do.
    pub fn vi(&self) -> String {
        match self {
            Self::Reversed => "Ngày kết thúc trước ngày bắt đầu. Hãy sửa lại ngày.".into(),
            Self::TooLong { found, most, .. } => {
                format!("Chiến dịch dài {found} ngày, loại này tối đa {most} ngày. Hãy sửa lại ngày.")
            }
            Self::BadRecurrence(_) => "Cách lặp lại không đúng với loại chiến dịch. Hãy chọn lại.".into(),
            Self::NoDay => {
                "Trong thời gian này không có ngày nào của chiến dịch. Hãy sửa thời gian hoặc cách lặp.".into()
            }
            Self::NoKinds => "Chiến dịch chưa có loại hoạt động nào. Hãy chọn ít nhất một loại.".into(),
            Self::UnknownKind(kind) => format!("Loại hoạt động {kind} không có trong danh mục. Hãy bỏ loại này."),
            Self::NotOnline(kind) => {
                format!("Loại hoạt động {kind} không phải dịch vụ công trực tuyến. Hãy bỏ loại này.")
            }
            Self::Overlap { other, day } => format!(
                "Chiến dịch {other} cùng đơn vị, cùng loại cũng diễn ra ngày {}. \
                 Hãy kết thúc trước hoặc đổi thời gian.",
                vi_date(*day)
            ),
            Self::TargetNotCounted(kind) => {
                format!("Loại hoạt động {kind} không tính trong chiến dịch. Hãy chọn loại khác.")
            }
            Self::TargetZero(kind) => format!("Chỉ tiêu cho {kind} đang bằng 0. Hãy nhập số."),
            Self::TargetExists(kind) => format!("Đơn vị đã có chỉ tiêu cho {kind}, không thay được."),
            Self::Elsewhere => "Chiến dịch không áp dụng cho đơn vị này. Hãy chọn đơn vị trực thuộc.".into(),
        }
    }
}

/// Minute of the day at which the daily count is cut: 17:00.
pub const CUT_MINUTE_DEFAULT: u32 = 17 * 60;

/// The day whose daily count first holds an activity: the day of its entry when entered by the cut, else the next;
/// never before the day of the visit. So no activity is in two daily counts, and none is lost. The count of the whole
/// campaign goes by the day of the visit alone.
pub fn daily_count_day(visit_day: Day, entered: Day, entered_minute: u32, cut_minute: u32) -> Day {
    let counted = if entered_minute <= cut_minute { entered } else { Day(entered.0.saturating_add(1)) };
    counted.max(visit_day)
}

impl Campaign {
    /// Reads a stored campaign of a unit. One that was closed early ends on that day. `None` when the row holds something
    /// that this version does not know.
    pub fn read(unit: UnitId, register: &Register) -> Option<Self> {
        let frame: CampaignFrame = register.group(campaign::FRAME)?;
        let state: CampaignState = register.group(campaign::STATE)?;
        let recurrence = match (frame.weekly, frame.yearly) {
            (None, None) => None,
            (Some(day), None) => Some(Recurrence::Weekly(*Weekday::ALL.get(usize::from(day).checked_sub(1)?)?)),
            (None, Some((month, day))) => Some(Recurrence::Yearly { month, day }),
            (Some(_), Some(_)) => return None,
        };
        let mut targets: BTreeMap<UnitId, BTreeMap<String, u64>> = BTreeMap::new();
        if let Some(read) = register.group::<CampaignTargets>(campaign::TARGETS) {
            for target in read.targets {
                targets.entry(target.unit).or_default().insert(target.kind, target.value);
            }
        }
        Some(Self {
            id: CampaignId(register.id),
            unit,
            kind: CampaignKind::from_code(&frame.kind)?,
            from: frame.from,
            to: state.closed.map_or(frame.to, |closed| closed.min(frame.to)),
            recurrence,
            kinds: frame.kinds.into_iter().collect(),
            published: state.published.is_some() && state.closed.is_none_or(|closed| closed >= frame.from),
            targets,
        })
    }

    /// Checks a campaign against the catalogue and against the others.
    ///
    /// # Errors
    /// A [`CampaignFault`], for the first thing found wrong.
    pub fn check(&self, catalogue: &Catalogue, others: &[Self]) -> Result<(), CampaignFault> {
        let days = self.to.0.checked_sub(self.from.0).ok_or(CampaignFault::Reversed)?.saturating_add(1);
        let most = self.kind.days_max();
        if days > most {
            return Err(CampaignFault::TooLong { kind: self.kind, found: days, most });
        }
        if !self.kind.takes(self.recurrence) {
            return Err(CampaignFault::BadRecurrence(self.kind));
        }
        if self.days().next().is_none() {
            return Err(CampaignFault::NoDay);
        }
        if self.kinds.is_empty() {
            return Err(CampaignFault::NoKinds);
        }
        for kind in &self.kinds {
            if catalogue.kind(kind).is_none() {
                return Err(CampaignFault::UnknownKind(kind.clone()));
            }
            if self.kind == CampaignKind::ThursdayOnline && !kind.starts_with("dvc_") {
                return Err(CampaignFault::NotOnline(kind.clone()));
            }
        }
        // Campaigns without recurrence may stand side by side: two drives with two themes.
        let rivals = others.iter().filter(|other| {
            self.recurrence.is_some() && (other.unit, other.kind) == (self.unit, self.kind) && other.id != self.id
        });
        for other in rivals {
            if let Some(day) = self.days().find(|day| other.is_campaign_day(*day)) {
                return Err(CampaignFault::Overlap { other: other.id, day });
            }
        }
        Ok(())
    }

    /// Whether it is held on a day.
    pub fn is_campaign_day(&self, day: Day) -> bool {
        (self.from..=self.to).contains(&day)
            && match self.recurrence {
                None => true,
                Some(Recurrence::Weekly(weekday)) => Weekday::of(day) == weekday,
                Some(Recurrence::Yearly { month, day: of_month }) => {
                    let (_, m, d) = day.civil();
                    (m, d) == (month, of_month)
                }
            }
    }

    /// The days on which it is held, in order.
    pub fn days(&self) -> impl Iterator<Item = Day> {
        (self.from.0..=self.to.0).map(Day).filter(|day| self.is_campaign_day(*day))
    }

    /// Where it stands on a day.
    pub fn status(&self, today: Day) -> CampaignStatus {
        if !self.published {
            CampaignStatus::Draft
        } else if today < self.from {
            CampaignStatus::Published
        } else if today <= self.to {
            CampaignStatus::Running
        } else {
            CampaignStatus::Closed
        }
    }

    /// Whether it holds for a unit, given the unit and all units above it in any order.
    pub fn holds_for(&self, path: &[UnitId]) -> bool {
        path.contains(&self.unit)
    }

    /// Whether an activity counts towards it. `path` as in [`Campaign::holds_for`], of the activity's village.
    pub fn counts(&self, kind: &str, visit_day: Day, path: &[UnitId]) -> bool {
        self.published && self.kinds.contains(kind) && self.is_campaign_day(visit_day) && self.holds_for(path)
    }

    /// Adds a target of a unit of its own; those from above stay. `path` is the unit and all units above it.
    ///
    /// # Errors
    /// A [`CampaignFault`]; then nothing has changed.
    pub fn add_target(&mut self, unit: UnitId, path: &[UnitId], kind: &str, value: u64) -> Result<(), CampaignFault> {
        if !path.contains(&unit) || !self.holds_for(path) {
            return Err(CampaignFault::Elsewhere);
        }
        if !self.kinds.contains(kind) {
            return Err(CampaignFault::TargetNotCounted(kind.to_owned()));
        }
        if value == 0 {
            return Err(CampaignFault::TargetZero(kind.to_owned()));
        }
        let own = self.targets.entry(unit).or_default();
        if own.contains_key(kind) {
            return Err(CampaignFault::TargetExists(kind.to_owned()));
        }
        own.insert(kind.to_owned(), value);
        Ok(())
    }

    /// All targets that a unit sees: (whose, kind, value), from the top level down. `path` from the top to the unit.
    pub fn targets_for<'a>(&'a self, path: &'a [UnitId]) -> impl Iterator<Item = (UnitId, &'a str, u64)> {
        path.iter()
            .filter_map(|unit| self.targets.get(unit).map(|own| (unit, own)))
            .flat_map(|(unit, own)| own.iter().map(|(kind, value)| (*unit, kind.as_str(), *value)))
    }
}

#[cfg(test)]
mod tests {
    use unicode_normalization::is_nfc;
    use uuid::Uuid;

    use super::*;

    const PROVINCE: UnitId = UnitId(Uuid::from_bytes([1; 16]));
    const COMMUNE: UnitId = UnitId(Uuid::from_bytes([2; 16]));
    const VILLAGE: UnitId = UnitId(Uuid::from_bytes([3; 16]));
    const PATH: [UnitId; 3] = [PROVINCE, COMMUNE, VILLAGE];

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn campaign(kind: CampaignKind, from: &str, to: &str, recurrence: Option<Recurrence>) -> Campaign {
        Campaign {
            id: CampaignId(Uuid::from_bytes([7; 16])),
            unit: PROVINCE,
            kind,
            from: day(from),
            to: day(to),
            recurrence,
            kinds: BTreeSet::from(["dvc_account".to_owned(), "dvc_submission".to_owned()]),
            published: true,
            targets: BTreeMap::new(),
        }
    }

    const THURSDAY: Option<Recurrence> = Some(Recurrence::Weekly(Weekday::Thursday));

    fn thursdays() -> Campaign {
        campaign(CampaignKind::ThursdayOnline, "2026-11-01", "2026-11-30", THURSDAY)
    }

    fn check(campaign: &Campaign, others: &[Campaign]) -> Result<(), &'static str> {
        campaign.check(Catalogue::shipped(), others).map_err(|fault| {
            assert!(is_nfc(&fault.vi()) && fault.vi().ends_with('.') && fault.to_string().ends_with('.'), "{fault}");
            fault.code()
        })
    }

    #[test]
    fn thursday_online_is_held_on_thursdays() {
        let days: Vec<_> = thursdays().days().map(|day| day.to_string()).collect();
        assert_eq!(days, ["2026-11-05", "2026-11-12", "2026-11-19", "2026-11-26"]);
        assert!(!thursdays().is_campaign_day(day("2026-12-03")), "after its last day");
        assert_eq!(check(&thursdays(), &[]), Ok(()));
        let friday = Campaign { recurrence: Some(Recurrence::Weekly(Weekday::Friday)), ..thursdays() };
        assert_eq!(check(&friday, &[]), Err("campaign_bad_recurrence"));
        let mut visits = thursdays();
        visits.kinds.insert("vneid_level2".into());
        assert_eq!(check(&visits, &[]), Err("campaign_not_online"));
    }

    #[test]
    fn each_kind_has_its_own_days() {
        let yearly = Some(Recurrence::Yearly { month: 10, day: 10 });
        for kind in CampaignKind::ALL {
            let (longest, recurrence) = match kind {
                CampaignKind::DigitalDay => ("2026-01-01", None),
                CampaignKind::PeakWeek => ("2026-01-07", None),
                CampaignKind::PeakMonth => ("2026-01-31", None),
                CampaignKind::ThursdayOnline => ("2035-12-31", THURSDAY),
                CampaignKind::NationalDay | CampaignKind::ProvinceDay => ("2035-12-31", yearly),
                CampaignKind::Drive | CampaignKind::LiteracyMovement => ("2035-12-31", None),
            };
            for other in [None, THURSDAY, yearly] {
                let found = check(&campaign(kind, "2026-01-01", longest, other), &[]);
                let expected = if other == recurrence { Ok(()) } else { Err("campaign_bad_recurrence") };
                assert_eq!(found, expected, "{kind:?} {other:?}");
            }
            let mut longer = campaign(kind, "2026-01-01", longest, recurrence);
            longer.to = Day(longer.from.0 + kind.days_max());
            assert_eq!(check(&longer, &[]), Err("campaign_too_long"), "{kind:?}");
            assert_eq!(CampaignKind::from_code(kind.code()), Some(kind));
        }
        let twice = campaign(CampaignKind::NationalDay, "2026-01-01", "2027-12-31", yearly);
        assert_eq!(twice.days().collect::<Vec<_>>(), [day("2026-10-10"), day("2027-10-10")]);
    }

    #[test]
    fn what_is_wrong_with_a_campaign_is_named() {
        let drive = || campaign(CampaignKind::Drive, "2026-11-01", "2026-11-30", None);
        assert_eq!(check(&Campaign { to: day("2026-10-31"), ..drive() }, &[]), Err("campaign_reversed"));
        assert_eq!(check(&Campaign { kinds: BTreeSet::new(), ..drive() }, &[]), Err("campaign_no_kinds"));
        let unknown = Campaign { kinds: BTreeSet::from(["no_such".to_owned()]), ..drive() };
        assert_eq!(check(&unknown, &[]), Err("campaign_unknown_kind"));
        let never = Campaign { from: day("2026-11-06"), to: day("2026-11-11"), ..thursdays() };
        assert_eq!(check(&never, &[]), Err("campaign_no_day"));
    }

    #[test]
    fn recurring_campaigns_of_a_unit_do_not_meet() {
        let second = |from, to| Campaign {
            id: CampaignId(Uuid::from_bytes([8; 16])),
            ..campaign(CampaignKind::ThursdayOnline, from, to, THURSDAY)
        };
        let fault = second("2026-11-20", "2026-12-31").check(Catalogue::shipped(), &[thursdays()]);
        assert_eq!(fault, Err(CampaignFault::Overlap { other: thursdays().id, day: day("2026-11-26") }));
        assert_eq!(check(&second("2026-11-20", "2026-12-31"), &[thursdays()]), Err("campaign_overlap"));
        assert_eq!(check(&second("2026-11-27", "2026-12-31"), &[thursdays()]), Ok(()), "no Thursday of both");
        assert_eq!(check(&thursdays(), &[thursdays()]), Ok(()), "not against itself");
        let of_commune = Campaign { unit: COMMUNE, ..thursdays() };
        assert_eq!(check(&second("2026-11-20", "2026-12-31"), &[of_commune]), Ok(()));
        let drive = |n| Campaign {
            id: CampaignId(Uuid::from_bytes([n; 16])),
            ..campaign(CampaignKind::Drive, "2026-11-01", "2026-11-30", None)
        };
        assert_eq!(check(&drive(1), &[drive(2)]), Ok(()), "two themes at a time");
    }

    #[test]
    fn only_its_kinds_on_its_days_below_its_unit_count() {
        let campaign = thursdays();
        assert!(campaign.counts("dvc_account", day("2026-11-19"), &PATH));
        assert!(!campaign.counts("vneid_level2", day("2026-11-19"), &PATH));
        assert!(!campaign.counts("dvc_account", day("2026-11-20"), &PATH));
        assert!(!campaign.counts("dvc_account", day("2026-11-19"), &PATH[1..]));
        let draft = Campaign { published: false, ..campaign };
        assert!(!draft.counts("dvc_account", day("2026-11-19"), &PATH));
    }

    #[test]
    fn the_status_follows_the_day() {
        let at = |text| thursdays().status(day(text)).code();
        let found = ["2026-10-31", "2026-11-01", "2026-11-30", "2026-12-01"].map(at);
        assert_eq!(found, ["published", "running", "running", "closed"]);
        assert_eq!(Campaign { published: false, ..thursdays() }.status(day("2026-11-02")).code(), "draft");
    }

    #[test]
    fn the_daily_count_is_cut_at_five_in_the_afternoon() {
        let at = |visit: &str, entered: &str, minute| {
            daily_count_day(day(visit), day(entered), minute, CUT_MINUTE_DEFAULT).to_string()
        };
        assert_eq!(at("2026-11-19", "2026-11-19", 17 * 60), "2026-11-19");
        assert_eq!(at("2026-11-19", "2026-11-19", 17 * 60 + 1), "2026-11-20");
        assert_eq!(at("2026-11-17", "2026-11-19", 9 * 60), "2026-11-19", "entered later, counted later");
        assert_eq!(at("2026-11-20", "2026-11-19", 9 * 60), "2026-11-20", "never before the visit");
    }

    #[test]
    fn each_level_adds_targets_and_takes_none_away() {
        let mut campaign = thursdays();
        campaign.add_target(PROVINCE, &PATH[..1], "dvc_account", 1_000).unwrap();
        campaign.add_target(VILLAGE, &PATH, "dvc_submission", 5).unwrap();
        campaign.add_target(COMMUNE, &PATH[..2], "dvc_account", 20).unwrap();
        let before = campaign.clone();
        for (unit, path, kind, value, code) in [
            (COMMUNE, &PATH[..2], "dvc_account", 1, "target_exists"),
            (COMMUNE, &PATH[..2], "vneid_level2", 1, "target_not_counted"),
            (COMMUNE, &PATH[..2], "dvc_submission", 0, "target_zero"),
            (COMMUNE, &PATH[1..2], "dvc_submission", 1, "campaign_elsewhere"),
            (COMMUNE, &PATH[..1], "dvc_submission", 1, "campaign_elsewhere"),
        ] {
            let fault = campaign.add_target(unit, path, kind, value).unwrap_err();
            assert_eq!(fault.code(), code);
            assert!(is_nfc(&fault.vi()));
        }
        assert_eq!(campaign, before);
        let seen = |path: &[UnitId]| campaign.targets_for(path).map(|(_, _, value)| value).collect::<Vec<_>>();
        assert_eq!(seen(&PATH), [1_000, 20, 5]);
        assert_eq!(seen(&PATH[..2]), [1_000, 20]);
        assert_eq!(seen(&PATH[..1]), [1_000]);
    }
}
