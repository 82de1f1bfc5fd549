//! Weekdays, reporting periods, the days on which reports are due, and working days.
//!
//! The week starts on Monday; thứ Năm is Thursday. Reporting periods are built from reporting months (docs/DOMAIN.md
//! §11). Holidays are data (`data/holidays.json`): a day that the data does not cover is an error, never a guess.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::ids::{Day, Month};

/// A day of the week.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Weekday {
    /// Thứ Hai.
    Monday,
    /// Thứ Ba.
    Tuesday,
    /// Thứ Tư.
    Wednesday,
    /// Thứ Năm.
    Thursday,
    /// Thứ Sáu.
    Friday,
    /// Thứ Bảy.
    Saturday,
    /// Chủ nhật.
    Sunday,
}

impl Weekday {
    /// All of them, from Monday.
    pub const ALL: [Self; 7] =
        [Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday, Self::Saturday, Self::Sunday];

    /// The weekday of a day.
    pub fn of(day: Day) -> Self {
        // 1970-01-01 was a Thursday.
        Self::ALL[((u64::from(day.0) + 3) % 7) as usize]
    }

    /// Saturday or Sunday.
    pub fn is_weekend(self) -> bool {
        matches!(self, Self::Saturday | Self::Sunday)
    }

    /// In Vietnamese.
    pub fn vi(self) -> &'static str {
        ["thứ Hai", "thứ Ba", "thứ Tư", "thứ Năm", "thứ Sáu", "thứ Bảy", "Chủ nhật"][self as usize]
    }

    /// In English.
    pub fn en(self) -> &'static str {
        ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"][self as usize]
    }
}

/// A week of ISO 8601: from Monday to Sunday, in the year of its Thursday.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IsoWeek {
    /// The year that the week counts to.
    pub year: i64,
    /// 1 to 53.
    pub week: u32,
}

impl IsoWeek {
    /// The week of a day up to the year 9999.
    pub fn of(day: Day) -> Self {
        let since_monday = Weekday::of(day) as u64;
        let thursday = Day(u32::try_from(u64::from(day.0) + 3 - since_monday).unwrap_or(u32::MAX));
        let (year, _, _) = thursday.civil();
        let new_year = Day::from_civil(year, 1, 1).unwrap_or(thursday);
        Self { year, week: (thursday.0 - new_year.0) / 7 + 1 }
    }
}

/// What a calendar cannot answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CalendarError {
    /// The cut-off day is not a day of a month.
    #[error("The cut-off day {found} is not between 0 and 31. Enter the last day of the reporting month, or 0.")]
    BadCutOff {
        /// What was asked for.
        found: u32,
    },
    /// No data says which days are off.
    #[error("The holidays of {day} are not known. Load a holiday list that covers {year}.")]
    HolidaysUnknown {
        /// The first day that is not covered.
        day: Day,
        /// Its year.
        year: i64,
    },
    /// The holiday list cannot be read.
    #[error("The holiday list cannot be read: {0}. Load an intact file.")]
    Unreadable(String),
    /// The holiday list contradicts itself.
    #[error("The holiday list is wrong at {at}: {problem}. Correct the file and load it again.")]
    Inconsistent {
        /// Where, for example `years[2026].days_off[0]`.
        at: String,
        /// What.
        problem: HolidayProblem,
    },
}

/// What is wrong inside a holiday list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HolidayProblem {
    /// A version of the file that this app does not know.
    #[error("unknown schema version")]
    Schema,
    /// The day does not exist or lies outside its year.
    #[error("a day outside its year")]
    BadDay,
    /// The last day comes before the first.
    #[error("the last day comes before the first")]
    Reversed,
    /// The year is there twice.
    #[error("the year occurs twice")]
    DuplicateYear,
    /// Only a Saturday or Sunday can be worked in exchange.
    #[error("a working day that is no weekend or is a day off as well")]
    BadWorkingDay,
    /// A fixed holiday on a weekend, and the Monday after it is not off.
    #[error("a fixed holiday on a weekend has no day in lieu")]
    NoDayInLieu,
}

impl CalendarError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadCutOff { .. } => "bad_cut_off",
            Self::HolidaysUnknown { .. } => "holidays_unknown",
            Self::Unreadable(_) => "holidays_unreadable",
            Self::Inconsistent { .. } => "holidays_inconsistent",
        }
    }

    /// In plain Vietnamese, with what to do.
    pub fn vi(&self) -> String {
        match self {
            Self::BadCutOff { found } => {
                format!("Ngày chốt kỳ {found} không nằm trong khoảng 0 đến 31. Hãy nhập ngày cuối kỳ, hoặc 0.")
            }
            Self::HolidaysUnknown { day, year } => {
                format!("Chưa có lịch nghỉ lễ cho ngày {}. Hãy nạp lịch nghỉ lễ năm {year}.", vi_date(*day))
            }
            Self::Unreadable(_) => "Không đọc được lịch nghỉ lễ. Hãy nạp lại tệp nguyên vẹn.".to_owned(),
            Self::Inconsistent { at, .. } => format!("Lịch nghỉ lễ sai tại {at}. Hãy sửa tệp rồi nạp lại."),
        }
    }
}

/// A day as Vietnamese readers write it: `dd/MM/yyyy`.
pub fn vi_date(day: Day) -> String {
    let (year, month, day) = day.civil();
    format!("{day:02}/{month:02}/{year:04}")
}

/// The last day of a reporting month; 0 stands for the end of the calendar month.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CutOff(u32);

impl Default for CutOff {
    fn default() -> Self {
        Self(Month::LAST_DAY_DEFAULT)
    }
}

impl CutOff {
    /// Takes 0 to 31. In a month that is too short for it, the month's own last day counts.
    ///
    /// # Errors
    /// [`CalendarError::BadCutOff`].
    pub fn new(last_day: u32) -> Result<Self, CalendarError> {
        if last_day <= 31 { Ok(Self(last_day)) } else { Err(CalendarError::BadCutOff { found: last_day }) }
    }

    /// The number as configured.
    pub fn day(self) -> u32 {
        self.0
    }
}

fn date(month: Month, day: u32) -> Option<Day> {
    Day::from_civil(i64::from(month.0 / 12), month.0 % 12 + 1, day)
}

/// The last day of a reporting month; `None` before 1970 and after 9999.
fn month_end(month: Month, cut_off: CutOff) -> Option<Day> {
    let next = date(Month(month.0.checked_add(1)?), 1)?;
    let end = Day(next.0.checked_sub(1)?);
    if cut_off.0 == 0 { Some(end) } else { Some(date(month, cut_off.0).unwrap_or(end)) }
}

/// How long a reporting period is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PeriodKind {
    /// One reporting month.
    Month,
    /// Three.
    Quarter,
    /// Six.
    HalfYear,
    /// Twelve.
    Year,
}

impl PeriodKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Month, Self::Quarter, Self::HalfYear, Self::Year];

    /// The stable code.
    pub fn code(self) -> &'static str {
        ["month", "quarter", "half_year", "year"][self as usize]
    }

    /// Reads the stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// How many reporting months it has.
    pub fn months(self) -> u32 {
        [1, 3, 6, 12][self as usize]
    }
}

/// A reporting period: a run of whole reporting months of one year.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Period {
    kind: PeriodKind,
    first: Month,
}

impl Period {
    /// The period of a kind that a reporting month belongs to.
    pub fn of_month(kind: PeriodKind, month: Month) -> Self {
        Self { kind, first: Month(month.0 - month.0 % kind.months()) }
    }

    /// The period of a kind that a day belongs to.
    pub fn of_day(kind: PeriodKind, day: Day, cut_off: CutOff) -> Self {
        Self::of_month(kind, Month::of_day(day, cut_off.0))
    }

    /// How long it is.
    pub fn kind(self) -> PeriodKind {
        self.kind
    }

    /// Its reporting months, in order.
    pub fn months(self) -> impl Iterator<Item = Month> {
        (self.first.0..self.first.0.saturating_add(self.kind.months())).map(Month)
    }

    /// Its last reporting month.
    pub fn last_month(self) -> Month {
        Month(self.first.0.saturating_add(self.kind.months() - 1))
    }

    /// First and last day, both inside; `None` when the period does not lie between 1970 and 9999.
    ///
    /// The first period of 1970 starts on 1 January: there are no days before.
    pub fn days(self, cut_off: CutOff) -> Option<(Day, Day)> {
        let before = Month(self.first.0.checked_sub(1)?);
        let first = month_end(before, cut_off).map_or(Day(0), |day| Day(day.0 + 1));
        Some((first, month_end(self.last_month(), cut_off)?))
    }

    /// Whether a day belongs to it.
    pub fn contains(self, day: Day, cut_off: CutOff) -> bool {
        Self::of_day(self.kind, day, cut_off) == self
    }

    /// The period of the same kind before it; `None` at the start of year 0.
    pub fn previous(self) -> Option<Self> {
        Some(Self { kind: self.kind, first: Month(self.first.0.checked_sub(self.kind.months())?) })
    }

    /// Place in its year, from 1.
    fn number(self) -> u32 {
        self.first.0 % 12 / self.kind.months() + 1
    }

    /// The name in Vietnamese: "tháng 11/2026", "quý IV/2026", "6 tháng đầu năm 2026", "năm 2026".
    pub fn vi(self) -> String {
        let (year, number) = (self.first.0 / 12, self.number());
        match self.kind {
            PeriodKind::Month => format!("tháng {number}/{year}"),
            PeriodKind::Quarter => format!("quý {}/{year}", ["I", "II", "III", "IV"][number as usize - 1]),
            PeriodKind::HalfYear => format!("6 tháng {} năm {year}", if number == 1 { "đầu" } else { "cuối" }),
            PeriodKind::Year => format!("năm {year}"),
        }
    }

    /// The name in English: "November 2026", "Q4 2026", "first half of 2026", "2026".
    pub fn en(self) -> String {
        const MONTHS: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let (year, number) = (self.first.0 / 12, self.number());
        match self.kind {
            PeriodKind::Month => format!("{} {year}", MONTHS[number as usize - 1]),
            PeriodKind::Quarter => format!("Q{number} {year}"),
            PeriodKind::HalfYear => format!("{} half of {year}", if number == 1 { "first" } else { "second" }),
            PeriodKind::Year => year.to_string(),
        }
    }
}

/// A report that is due on a day of its own (docs/DOMAIN.md §11).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Report {
    /// The team's monthly report: day 15.
    TeamMonth,
    /// The commune's monthly report: day 18.
    CommuneMonth,
    /// The province's monthly report: day 20.
    ProvinceMonth,
    /// Day 18 of the last month.
    Quarter,
    /// Day 18 of the last month.
    HalfYear,
    /// Day 18 of the last month.
    Year,
    /// Households on their way into e-commerce, of a month; nobody hands it in.
    EcomFunnel,
    /// A day of a campaign; nobody hands it in.
    CampaignDay,
}

impl Report {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::TeamMonth,
        Self::CommuneMonth,
        Self::ProvinceMonth,
        Self::Quarter,
        Self::HalfYear,
        Self::Year,
        Self::EcomFunnel,
        Self::CampaignDay,
    ];

    /// The stable code.
    pub fn code(self) -> &'static str {
        let codes = ["team_month", "commune_month", "province_month", "quarter", "half_year", "year", "ecom_funnel"];
        codes.get(self as usize).copied().unwrap_or("campaign_day")
    }

    /// Reads the stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|report| report.code() == code)
    }

    /// How long the period is that it is about.
    pub fn period_kind(self) -> PeriodKind {
        match self {
            Self::TeamMonth | Self::CommuneMonth | Self::ProvinceMonth | Self::EcomFunnel | Self::CampaignDay => {
                PeriodKind::Month
            }
            Self::Quarter => PeriodKind::Quarter,
            Self::HalfYear => PeriodKind::HalfYear,
            Self::Year => PeriodKind::Year,
        }
    }

    /// The last day on which it is in time, for the period of `month`; a report handed in later is late.
    ///
    /// It is the first such day of a month after the period's last day: with the cut-off on the 14th it lies in the
    /// last month itself, with calendar months in the next.
    ///
    /// `None` when the period does not lie between 1970 and 9999.
    pub fn due(self, month: Month, cut_off: CutOff) -> Option<Day> {
        let day = match self {
            Self::TeamMonth => 15,
            Self::ProvinceMonth => 20,
            _ => 18,
        };
        let period = Period::of_month(self.period_kind(), month);
        let (_, last) = period.days(cut_off)?;
        let same_month = date(period.last_month(), day)?;
        if same_month > last { Some(same_month) } else { date(Month(period.last_month().0 + 1), day) }
    }
}

/// How a deadline stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DueStatus {
    /// There is time.
    Open,
    /// The last day is near, or is today.
    DueSoon,
    /// The last day has passed.
    Overdue,
}

/// How a deadline stands on a day. It is near from `soon_days` before its last day on; the last day itself is in time.
pub fn due_status(due: Day, today: Day, soon_days: u32) -> DueStatus {
    match due.0.checked_sub(today.0) {
        None => DueStatus::Overdue,
        Some(left) if left <= soon_days => DueStatus::DueSoon,
        Some(_) => DueStatus::Open,
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Working days

#[derive(Deserialize)]
struct HolidayFile {
    schema_version: u32,
    data_version: String,
    fixed: Vec<Fixed>,
    years: Vec<YearFile>,
}

#[derive(Clone, Debug, Deserialize)]
struct Fixed {
    month: u32,
    day: u32,
    #[serde(deserialize_with = "read_day")]
    valid_from: Day,
    vi: String,
    en: String,
}

#[derive(Deserialize)]
struct YearFile {
    year: i64,
    #[serde(deserialize_with = "read_day")]
    known_to: Day,
    days_off: Vec<DaysOff>,
    working_days: Vec<String>,
}

#[derive(Deserialize)]
struct DaysOff {
    #[serde(deserialize_with = "read_day")]
    from: Day,
    #[serde(deserialize_with = "read_day")]
    to: Day,
    vi: String,
    en: String,
}

fn read_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Day, D::Error> {
    let text = String::deserialize(deserializer)?;
    Day::parse(&text).ok_or_else(|| D::Error::custom("not a day as YYYY-MM-DD"))
}

/// The name of a day off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holiday {
    /// In Vietnamese.
    pub vi: String,
    /// In English.
    pub en: String,
}

#[derive(Debug)]
struct Year {
    known_to: Day,
    off: BTreeMap<Day, Holiday>,
    worked: BTreeSet<Day>,
}

/// Which days are off, for the years that the data covers.
#[derive(Debug)]
pub struct Holidays {
    version: String,
    years: BTreeMap<i64, Year>,
}

impl Holidays {
    /// The list that comes with this version.
    pub fn shipped() -> &'static Self {
        static SHIPPED: OnceLock<Holidays> = OnceLock::new();
        SHIPPED.get_or_init(|| {
            Self::load(include_str!("../data/holidays.json")).expect("the shipped list is loaded by our own tests")
        })
    }

    /// Reads a list and checks it as a whole.
    ///
    /// # Errors
    /// [`CalendarError::Unreadable`] or [`CalendarError::Inconsistent`], for the first thing found wrong.
    pub fn load(json: &str) -> Result<Self, CalendarError> {
        let file: HolidayFile =
            serde_json::from_str(json).map_err(|fault| CalendarError::Unreadable(fault.to_string()))?;
        let wrong = |at: String, problem| CalendarError::Inconsistent { at, problem };
        if file.schema_version != 1 {
            return Err(wrong("schema_version".into(), HolidayProblem::Schema));
        }
        let mut years = BTreeMap::new();
        for entry in file.years {
            let at = format!("years[{}]", entry.year);
            let year = Year::read(&file.fixed, &entry, &at).map_err(|(at, problem)| wrong(at, problem))?;
            if years.insert(entry.year, year).is_some() {
                return Err(wrong(at, HolidayProblem::DuplicateYear));
            }
        }
        Ok(Self { version: file.data_version, years })
    }

    /// Version of the data.
    pub fn version(&self) -> &str {
        &self.version
    }

    fn year(&self, day: Day) -> Result<&Year, CalendarError> {
        let (year, _, _) = day.civil();
        let known = self.years.get(&year).filter(|known| day <= known.known_to);
        known.ok_or(CalendarError::HolidaysUnknown { day, year })
    }

    /// The holiday on a day, if it is one.
    ///
    /// # Errors
    /// [`CalendarError::HolidaysUnknown`] when the data does not cover the day.
    pub fn on(&self, day: Day) -> Result<Option<&Holiday>, CalendarError> {
        Ok(self.year(day)?.off.get(&day))
    }

    /// Whether offices work on a day: Monday to Friday without holidays, and weekends worked in exchange.
    ///
    /// # Errors
    /// [`CalendarError::HolidaysUnknown`] when the data does not cover the day.
    pub fn is_working(&self, day: Day) -> Result<bool, CalendarError> {
        Ok(self.year(day)?.is_working(day))
    }

    /// The `n`-th working day after a day, which itself is not counted; with 0 the day itself.
    ///
    /// # Errors
    /// [`CalendarError::HolidaysUnknown`] with the first day that the data does not cover.
    pub fn add_working_days(&self, from: Day, n: u32) -> Result<Day, CalendarError> {
        let mut day = from;
        for _ in 0..n {
            day = Day(day.0.saturating_add(1));
            while !self.is_working(day)? {
                day = Day(day.0.saturating_add(1));
            }
        }
        Ok(day)
    }

    /// How many working days lie after `from` up to and including `to`; 0 when `to` is not later.
    ///
    /// # Errors
    /// [`CalendarError::HolidaysUnknown`] with the first day that the data does not cover.
    pub fn working_days_between(&self, from: Day, to: Day) -> Result<u32, CalendarError> {
        let mut count = 0;
        for day in from.0.saturating_add(1)..=to.0 {
            count += u32::from(self.is_working(Day(day))?);
        }
        Ok(count)
    }
}

impl Year {
    fn is_working(&self, day: Day) -> bool {
        self.worked.contains(&day) || !(Weekday::of(day).is_weekend() || self.off.contains_key(&day))
    }

    fn read(fixed: &[Fixed], entry: &YearFile, at: &str) -> Result<Self, (String, HolidayProblem)> {
        let inside = |day: Day| day.civil().0 == entry.year;
        let mut year = Self { known_to: entry.known_to, off: BTreeMap::new(), worked: BTreeSet::new() };
        if !inside(entry.known_to) {
            return Err((format!("{at}.known_to"), HolidayProblem::BadDay));
        }
        for (index, days) in entry.days_off.iter().enumerate() {
            let at = format!("{at}.days_off[{index}]");
            if !inside(days.from) || !inside(days.to) {
                return Err((at, HolidayProblem::BadDay));
            }
            if days.to < days.from {
                return Err((at, HolidayProblem::Reversed));
            }
            for day in days.from.0..=days.to.0 {
                year.off.insert(Day(day), Holiday { vi: days.vi.clone(), en: days.en.clone() });
            }
        }
        let mut fixed_days = Vec::new();
        for (index, holiday) in fixed.iter().enumerate() {
            let at = format!("fixed[{index}]");
            let day = Day::from_civil(entry.year, holiday.month, holiday.day).ok_or((at, HolidayProblem::BadDay))?;
            if day >= holiday.valid_from {
                year.off.insert(day, Holiday { vi: holiday.vi.clone(), en: holiday.en.clone() });
                fixed_days.push(day);
            }
        }
        for (index, text) in entry.working_days.iter().enumerate() {
            let at = format!("{at}.working_days[{index}]");
            let day = Day::parse(text).filter(|day| inside(*day)).ok_or((at.clone(), HolidayProblem::BadDay))?;
            if !Weekday::of(day).is_weekend() || year.off.contains_key(&day) {
                return Err((at, HolidayProblem::BadWorkingDay));
            }
            year.worked.insert(day);
        }
        // A holiday on a weekend is made up for by a weekday off soon after (Labour Code, art. 111).
        for day in fixed_days.into_iter().filter(|day| Weekday::of(*day).is_weekend()) {
            let monday = Day(day.0 + 7 - Weekday::of(day) as u32);
            if monday <= entry.known_to && !year.off.contains_key(&monday) {
                return Err((format!("{at} {day}"), HolidayProblem::NoDayInLieu));
            }
        }
        Ok(year)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::is_nfc;

    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn month(text: &str) -> Month {
        Month::parse(text).unwrap()
    }

    fn days(kind: PeriodKind, of: &str, cut_off: u32) -> (String, String) {
        let (first, last) = Period::of_month(kind, month(of)).days(CutOff::new(cut_off).unwrap()).unwrap();
        (first.to_string(), last.to_string())
    }

    #[test]
    fn thu_nam_is_thursday_and_the_week_starts_on_monday() {
        assert_eq!(Weekday::of(Day(0)), Weekday::Thursday);
        assert_eq!(Weekday::of(day("2026-11-19")).vi(), "thứ Năm");
        assert_eq!(Weekday::of(day("2026-11-19")).en(), "Thursday");
        assert_eq!(Weekday::of(day("2026-11-22")), Weekday::Sunday);
        for (at, weekday) in Weekday::ALL.into_iter().enumerate() {
            assert_eq!(Weekday::of(Day(day("2026-11-16").0 + at as u32)), weekday);
            assert!(is_nfc(weekday.vi()));
        }
    }

    #[test]
    fn a_week_counts_to_the_year_of_its_thursday() {
        for (text, year, week) in [
            ("1970-01-01", 1970, 1),
            ("1970-01-05", 1970, 2),
            ("2024-12-29", 2024, 52),
            ("2024-12-30", 2025, 1),
            ("2026-12-31", 2026, 53),
            ("2027-01-03", 2026, 53),
            ("2027-01-04", 2027, 1),
            ("2026-11-16", 2026, 47),
            ("2026-11-22", 2026, 47),
        ] {
            assert_eq!(IsoWeek::of(day(text)), IsoWeek { year, week }, "{text}");
        }
    }

    #[test]
    fn periods_are_built_from_reporting_months() {
        let pair = |first: &str, last: &str| (first.to_owned(), last.to_owned());
        assert_eq!(days(PeriodKind::Month, "2026-11", 14), pair("2026-10-15", "2026-11-14"));
        assert_eq!(days(PeriodKind::Month, "2026-01", 14), pair("2025-12-15", "2026-01-14"));
        assert_eq!(days(PeriodKind::Quarter, "2026-11", 14), pair("2026-09-15", "2026-12-14"));
        assert_eq!(days(PeriodKind::HalfYear, "2026-06", 14), pair("2025-12-15", "2026-06-14"));
        assert_eq!(days(PeriodKind::Year, "2026-06", 14), pair("2025-12-15", "2026-12-14"));
        assert_eq!(days(PeriodKind::Month, "2024-02", 0), pair("2024-02-01", "2024-02-29"));
        assert_eq!(days(PeriodKind::Year, "2026-06", 0), pair("2026-01-01", "2026-12-31"));
        // February is too short for a cut-off on the 30th.
        assert_eq!(days(PeriodKind::Month, "2026-02", 30), pair("2026-01-31", "2026-02-28"));
        assert_eq!(days(PeriodKind::Month, "1970-01", 14), pair("1970-01-01", "1970-01-14"));
        assert_eq!(Period::of_month(PeriodKind::Month, Month(0)).days(CutOff::default()), None);
        assert_eq!(CutOff::new(32).unwrap_err().code(), "bad_cut_off");
        assert_eq!(CutOff::default().day(), 14);
    }

    #[test]
    fn periods_have_names_in_both_languages() {
        for (kind, of, vi, en) in [
            (PeriodKind::Month, "2026-01", "tháng 1/2026", "January 2026"),
            (PeriodKind::Month, "2026-12", "tháng 12/2026", "December 2026"),
            (PeriodKind::Quarter, "2026-11", "quý IV/2026", "Q4 2026"),
            (PeriodKind::HalfYear, "2026-06", "6 tháng đầu năm 2026", "first half of 2026"),
            (PeriodKind::HalfYear, "2026-07", "6 tháng cuối năm 2026", "second half of 2026"),
            (PeriodKind::Year, "2026-07", "năm 2026", "2026"),
        ] {
            let period = Period::of_month(kind, month(of));
            assert_eq!((period.vi().as_str(), period.en().as_str()), (vi, en));
            assert_eq!(PeriodKind::from_code(kind.code()), Some(kind));
        }
    }

    #[test]
    fn reports_are_due_after_their_period() {
        for (report, cut_off, due) in [
            (Report::TeamMonth, 14, "2026-12-15"),
            (Report::CommuneMonth, 14, "2026-12-18"),
            (Report::ProvinceMonth, 14, "2026-12-20"),
            (Report::Quarter, 14, "2026-12-18"),
            (Report::HalfYear, 14, "2026-12-18"),
            (Report::Year, 14, "2026-12-18"),
            (Report::TeamMonth, 0, "2027-01-15"),
            (Report::Year, 0, "2027-01-18"),
            (Report::TeamMonth, 15, "2027-01-15"),
            (Report::CommuneMonth, 15, "2026-12-18"),
        ] {
            let found = report.due(month("2026-12"), CutOff::new(cut_off).unwrap());
            assert_eq!(found.map(|day| day.to_string()).as_deref(), Some(due), "{report:?} {cut_off}");
            assert_eq!(Report::from_code(report.code()), Some(report));
        }
        let quarter = Report::Quarter.due(month("2026-10"), CutOff::default());
        assert_eq!(quarter, Some(day("2026-12-18")), "any month of the quarter names it");
    }

    #[test]
    fn the_last_day_is_in_time() {
        let due = day("2026-12-18");
        assert_eq!(due_status(due, day("2026-12-15"), 2), DueStatus::Open);
        assert_eq!(due_status(due, day("2026-12-16"), 2), DueStatus::DueSoon);
        assert_eq!(due_status(due, due, 0), DueStatus::DueSoon);
        assert_eq!(due_status(due, day("2026-12-19"), 2), DueStatus::Overdue);
    }

    #[test]
    fn the_shipped_holidays_are_those_of_the_offices() {
        let holidays = Holidays::load(include_str!("../data/holidays.json")).unwrap();
        assert_eq!(holidays.version(), "2026.1");
        for (text, working) in [
            ("2024-02-07", true),
            ("2024-02-08", false),
            ("2024-02-14", false),
            ("2024-02-15", true),
            ("2024-05-04", true),
            ("2025-04-07", false),
            ("2025-04-26", true),
            ("2025-05-02", false),
            ("2026-01-01", false),
            ("2026-01-10", true),
            ("2026-02-13", true),
            ("2026-02-16", false),
            ("2026-02-20", false),
            ("2026-02-23", true),
            ("2026-04-27", false),
            ("2026-08-22", true),
            ("2026-08-29", false),
            ("2026-09-02", false),
            ("2026-09-03", true),
        ] {
            assert_eq!(holidays.is_working(day(text)), Ok(working), "{text}");
        }
        assert_eq!(holidays.on(day("2026-09-02")).unwrap().unwrap().vi, "Quốc khánh");
        assert_eq!(holidays.on(day("2026-09-05")), Ok(None), "a weekend is no holiday");
        for holiday in holidays.years.values().flat_map(|year| year.off.values()) {
            assert!(is_nfc(&holiday.vi) && !holiday.en.is_empty());
        }
    }

    #[test]
    fn working_days_step_over_weekends_and_holidays() {
        let holidays = Holidays::shipped();
        for (from, n, to) in [
            ("2026-11-13", 5, "2026-11-20"),
            ("2026-11-14", 5, "2026-11-20"),
            ("2026-02-13", 1, "2026-02-23"),
            ("2026-04-24", 2, "2026-04-29"),
            ("2026-08-21", 1, "2026-08-22"),
            ("2025-12-31", 1, "2026-01-05"),
            ("2026-11-14", 0, "2026-11-14"),
        ] {
            assert_eq!(holidays.add_working_days(day(from), n), Ok(day(to)), "{from} + {n}");
        }
        assert_eq!(holidays.working_days_between(day("2026-02-13"), day("2026-02-24")), Ok(2));
        assert_eq!(holidays.working_days_between(day("2026-02-24"), day("2026-02-13")), Ok(0));
    }

    #[test]
    fn what_no_data_covers_is_said_and_not_guessed() {
        let unknown = Holidays::shipped().add_working_days(day("2026-11-20"), 5).unwrap_err();
        assert_eq!(unknown, CalendarError::HolidaysUnknown { day: day("2026-11-24"), year: 2026 });
        assert_eq!(unknown.code(), "holidays_unknown");
        assert!(unknown.vi().contains("24/11/2026") && is_nfc(&unknown.vi()));
        assert!(Holidays::shipped().is_working(day("2027-03-03")).is_err());
        assert!(Holidays::shipped().is_working(day("2023-03-03")).is_err());
    }

    #[test]
    fn a_list_that_contradicts_itself_is_refused() {
        let with = |fixed: &str, year: &str| {
            Holidays::load(&format!(r#"{{"schema_version":1,"data_version":"t","fixed":[{fixed}],"years":[{year}]}}"#))
                .map(|_| ())
                .map_err(|fault| match fault {
                    CalendarError::Inconsistent { problem, .. } => Some(problem),
                    _ => None,
                })
        };
        let year = |known_to: &str, off: &str, worked: &str| {
            format!(r#"{{"year":2026,"known_to":"{known_to}","days_off":[{off}],"working_days":[{worked}]}}"#)
        };
        let off = |from: &str, to: &str| format!(r#"{{"from":"{from}","to":"{to}","vi":"Nghỉ","en":"Off"}}"#);
        let fixed =
            |month, day| format!(r#"{{"month":{month},"day":{day},"valid_from":"2021-01-01","vi":"Lễ","en":"Feast"}}"#);
        let end = "2026-12-31";
        assert_eq!(with("", &year(end, "", "")), Ok(()));
        for (fixed, year, problem) in [
            (String::new(), year("2027-01-01", "", ""), HolidayProblem::BadDay),
            (String::new(), year(end, &off("2025-12-31", "2026-01-01"), ""), HolidayProblem::BadDay),
            (String::new(), year(end, &off("2026-03-03", "2026-03-02"), ""), HolidayProblem::Reversed),
            (String::new(), year(end, "", r#""2026-03-03""#), HolidayProblem::BadWorkingDay),
            (String::new(), year(end, "", r#""2026-02-30""#), HolidayProblem::BadDay),
            (String::new(), format!("{0},{0}", year(end, "", "")), HolidayProblem::DuplicateYear),
            (fixed(2, 30), year(end, "", ""), HolidayProblem::BadDay),
            // 2026-08-01 is a Saturday.
            (fixed(8, 1), year(end, "", ""), HolidayProblem::NoDayInLieu),
        ] {
            assert_eq!(with(&fixed, &year), Err(Some(problem)));
        }
        assert_eq!(with(&fixed(8, 1), &year("2026-08-02", "", "")), Ok(()), "the Monday is not known");
        assert_eq!(with(&fixed(8, 1), &year(end, &off("2026-08-03", "2026-08-03"), "")), Ok(()));
        assert_eq!(Holidays::load("{").unwrap_err().code(), "holidays_unreadable");
        let schema = r#"{"schema_version":2,"data_version":"t","fixed":[],"years":[]}"#;
        assert_eq!(Holidays::load(schema).unwrap_err().code(), "holidays_inconsistent");
    }

    proptest! {
        #[test]
        fn every_day_lies_in_exactly_one_period(at in 0u32..2_000_000, cut_off in 0u32..=31) {
            let (today, cut_off) = (Day(at), CutOff::new(cut_off).unwrap());
            for kind in PeriodKind::ALL {
                let period = Period::of_day(kind, today, cut_off);
                let (first, last) = period.days(cut_off).unwrap();
                prop_assert!(first <= today && today <= last);
                prop_assert!(period.contains(first, cut_off) && period.contains(last, cut_off));
                prop_assert!(!period.contains(Day(last.0 + 1), cut_off));
                prop_assert_eq!(period.months().count() as u32, kind.months());
                if let Some((_, before)) = period.previous().and_then(|period| period.days(cut_off)) {
                    prop_assert_eq!(before.0 + 1, first.0);
                }
            }
            for report in Report::ALL {
                let month = Month::of_day(today, cut_off.day());
                let (_, last) = Period::of_month(report.period_kind(), month).days(cut_off).unwrap();
                prop_assert!(report.due(month, cut_off).is_some_and(|due| due > last && due.0 <= last.0 + 31));
            }
        }

        #[test]
        fn a_week_has_seven_days_of_one_number(week in 0u32..200_000) {
            let monday = 4 + 7 * week;
            prop_assert_eq!(Weekday::of(Day(monday)), Weekday::Monday);
            for day in monday..monday + 7 {
                prop_assert_eq!(IsoWeek::of(Day(day)), IsoWeek::of(Day(monday)));
            }
            prop_assert_ne!(IsoWeek::of(Day(monday + 7)), IsoWeek::of(Day(monday)));
        }

        #[test]
        fn adding_and_counting_working_days_agree(at in 0u32..900, n in 1u32..60) {
            let holidays = Holidays::shipped();
            let from = Day(day("2024-01-01").0 + at);
            if let Ok(to) = holidays.add_working_days(from, n) {
                prop_assert_eq!(holidays.working_days_between(from, to), Ok(n));
                prop_assert_eq!(holidays.is_working(to), Ok(true));
            }
        }
    }
}
