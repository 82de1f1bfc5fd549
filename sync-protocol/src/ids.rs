//! Identifiers. Each names one kind of thing; none is ever used for ordering.
//!
//! Ids are UUIDv7-shaped and made on the phone, before any contact. Ids of things that an op creates are *derived* from
//! the op's salt (`derive_id`), so they do not travel, cannot be chosen by a hostile client, and say nothing once the
//! salt is erased. Source: docs/PROTOCOL.md, "Identifiers".

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "ts", derive(ts_rs::TS))]
        pub struct $name(pub Uuid);

        impl $name {
            /// The 16 bytes that travel.
            pub fn as_bytes(&self) -> &[u8; 16] { self.0.as_bytes() }
            /// Reads the 16 bytes that travel.
            pub fn from_bytes(bytes: [u8; 16]) -> Self { Self(Uuid::from_bytes(bytes)) }
            /// Reads a byte slice; `None` unless it is exactly 16 bytes long.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> { Uuid::from_slice(bytes).ok().map(Self) }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }
        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> { Uuid::try_parse(text).map(Self) }
        }
    )+};
}

typed_ids! {
    /// An administrative unit's row: one unit over one period of validity. Never a bare official code, which is reused.
    UnitId;
    /// The smallest cell of territory that a person may be granted: the row id of a village, or of a commune for the
    /// few rows that belong to the commune itself.
    ScopeId;
    /// A community digital team.
    TeamId;
    /// One person's membership of one team over one period.
    TeamMemberId;
    /// A person with an account.
    UserId;
    /// One installation of the app, not one person: families share phones.
    DeviceId;
    /// A role given to a user for a unit and a period.
    GrantId;
    /// A household.
    HouseholdId;
    /// A person of a household. Exists only with consent.
    PersonId;
    /// A business.
    BusinessId;
    /// A product of a business.
    ProductId;
    /// A market.
    MarketId;
    /// A planned visit.
    PlanId;
    /// A visit; also the id of the event that recorded it.
    VisitId;
    /// An immutable event: a recorded visit, a correction, a void.
    EventId;
    /// One activity inside a visit.
    ActivityId;
    /// Something that people must settle: a conflict of two entries, a need, feedback.
    CaseId;
    /// A campaign.
    CampaignId;
    /// A recognition.
    RecognitionId;
    /// A report.
    ReportId;
    /// A support certificate.
    SupportId;
    /// An announcement.
    AnnouncementId;
    /// What names an op whatever device, epoch and number it arrives under.
    OpUid;
}

impl From<UnitId> for ScopeId {
    fn from(unit: UnitId) -> Self {
        Self(unit.0)
    }
}
impl From<ScopeId> for UnitId {
    fn from(scope: ScopeId) -> Self {
        Self(scope.0)
    }
}
impl From<VisitId> for EventId {
    fn from(visit: VisitId) -> Self {
        Self(visit.0)
    }
}

/// One continuous life of one outbox. Random, drawn by the phone; a restored or cloned file gets a new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Epoch(pub u64);

/// 16 random bytes inside every op, so that the hashes that stay behind after an erasure cannot be guessed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt(…)")
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, as a device's clock claimed. For people to read; it decides nothing (P15).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ClaimedMs(pub u64);

/// Milliseconds since 1970-01-01T00:00:00Z by the server's clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ServerMs(pub u64);

/// A calendar day in Việt Nam: days since 1970-01-01 in UTC+7, as the person entered it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Day(pub u32);

impl Day {
    /// Milliseconds by which Vietnamese wall time runs ahead of UTC. There is no summer time.
    const UTC_PLUS_7_MS: u64 = 7 * 3_600_000;

    /// The day on which a moment falls in Việt Nam.
    pub fn of_ms(ms: u64) -> Self {
        Self(u32::try_from(ms.saturating_add(Self::UTC_PLUS_7_MS) / 86_400_000).unwrap_or(u32::MAX))
    }

    /// The moment at which the day begins in Việt Nam.
    pub fn begins(self) -> ServerMs {
        ServerMs((u64::from(self.0) * 86_400_000).saturating_sub(Self::UTC_PLUS_7_MS))
    }

    /// (year, month 1-12, day 1-31) of the proleptic Gregorian calendar.
    pub fn civil(self) -> (i64, u32, u32) {
        // Days to civil date with eras of 400 years that start on 1 March.
        let z = i64::from(self.0) + 719_468;
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_index + 2) / 5 + 1;
        let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, u32::try_from(month).unwrap_or(0), u32::try_from(day).unwrap_or(0))
    }

    /// The day of a civil date; `None` for a date that does not exist or lies before 1970.
    pub fn from_civil(year: i64, month: u32, day: u32) -> Option<Self> {
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1970..=9999).contains(&year) {
            return None;
        }
        let shifted = if month <= 2 { year - 1 } else { year };
        let era = shifted.div_euclid(400);
        let year_of_era = shifted.rem_euclid(400);
        let month_index = i64::from(if month > 2 { month - 3 } else { month + 9 });
        let day_of_year = (153 * month_index + 2) / 5 + i64::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let found = Self(u32::try_from(era * 146_097 + day_of_era - 719_468).ok()?);
        (found.civil() == (year, month, day)).then_some(found)
    }

    /// Reads `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 10
            || !bytes.iter().enumerate().all(|(at, b)| if at == 4 || at == 7 { *b == b'-' } else { b.is_ascii_digit() })
        {
            return None;
        }
        Self::from_civil(text[..4].parse().ok()?, text[5..7].parse().ok()?, text[8..].parse().ok()?)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A reporting month, `year * 12 + month - 1`. By default it runs from the 15th of the month before to the 14th.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Month(pub u32);

impl Month {
    /// The last day of a reporting month; days after it belong to the next month (docs/DOMAIN.md §11).
    pub const LAST_DAY_DEFAULT: u32 = 14;

    /// The reporting month of a day, for months that end on `last_day`; 0 means calendar months.
    pub fn of_day(day: Day, last_day: u32) -> Self {
        let (year, month, day_of_month) = day.civil();
        let index = u32::try_from(year).unwrap_or(0) * 12 + month - 1;
        Self(if last_day != 0 && day_of_month > last_day { index + 1 } else { index })
    }

    /// Reads `YYYY-MM`.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        if !year.bytes().chain(month.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (year, month): (u32, u32) = (year.parse().ok()?, month.parse().ok()?);
        ((1970..=9999).contains(&year) && (1..=12).contains(&month) && text.len() == 7)
            .then(|| Self(year * 12 + month - 1))
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 12, self.0 % 12 + 1)
    }
}

/// What a derived id names; part of what is hashed, so that two kinds of thing never share an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DerivedTag {
    /// The op itself.
    Op,
    /// The event or register that the op creates.
    Row,
    /// The `index`-th activity of a visit's content.
    Activity,
    /// The `index`-th conflict case that the op opens.
    Case,
    /// The case that an activity opens; `index` is the place of its kind.
    FieldCase,
    /// The one row of its type for a unit and a key; `index` is part of the key.
    Keyed,
}

/// Derives a UUIDv7-shaped id from a secret of 16 bytes.
///
/// The first 48 bits are `at`, so that ids keep their place near others of their day; the other bits come from
/// `BLAKE3("thonso/id/1" ‖ tag ‖ secret ‖ index)`. Source: docs/PROTOCOL.md, "Identifiers", I2.
pub fn derive_id(tag: DerivedTag, at: ClaimedMs, secret: &[u8; 16], index: u32) -> Uuid {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"thonso/id/1");
    hasher.update(&[match tag {
        DerivedTag::Op => 0,
        DerivedTag::Row => 1,
        DerivedTag::Activity => 2,
        DerivedTag::Case => 3,
        DerivedTag::FieldCase => 4,
        DerivedTag::Keyed => 5,
    }]);
    hasher.update(secret);
    hasher.update(&index.to_be_bytes());
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    bytes[..6].copy_from_slice(&at.0.to_be_bytes()[2..]);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_in_vietnamese_time() {
        // 2025-06-30T17:00:00Z is midnight of 1 July in Hà Nội.
        assert_eq!(Day::of_ms(1_751_302_800_000).to_string(), "2025-07-01");
        assert_eq!(Day::of_ms(1_751_302_799_999).to_string(), "2025-06-30");
    }

    #[test]
    fn every_day_of_two_centuries_survives_the_calendar() {
        for day in 0..73_000 {
            let (year, month, day_of_month) = Day(day).civil();
            assert_eq!(Day::from_civil(year, month, day_of_month), Some(Day(day)));
            assert_eq!(Day::parse(&Day(day).to_string()), Some(Day(day)));
        }
        assert_eq!(Day::parse("2025-02-29"), None);
        assert_eq!(Day::parse("2025-13-01"), None);
        assert_eq!(Day::parse("25-1-1"), None);
        assert_eq!(Day::parse("2026-+1-01"), None);
        assert_eq!(Month::parse("2026-+1"), None);
    }

    #[test]
    fn a_reporting_month_runs_from_the_15th_to_the_14th() {
        let month = |text: &str, last| Month::of_day(Day::parse(text).unwrap(), last).to_string();
        assert_eq!(month("2026-11-14", 14), "2026-11");
        assert_eq!(month("2026-11-15", 14), "2026-12");
        assert_eq!(month("2026-12-15", 14), "2027-01");
        assert_eq!(month("2026-12-31", 0), "2026-12");
        assert_eq!(Month::parse("2026-11").unwrap().to_string(), "2026-11");
        assert_eq!(Month::parse("2026-13"), None);
    }

    #[test]
    fn derived_ids_are_version_7_and_differ_by_every_input() {
        let at = ClaimedMs(1_760_000_000_000);
        let base = derive_id(DerivedTag::Row, at, &[7; 16], 0);
        assert_eq!(base.get_version_num(), 7);
        assert_eq!(base.get_variant(), uuid::Variant::RFC4122);
        for other in [
            derive_id(DerivedTag::Op, at, &[7; 16], 0),
            derive_id(DerivedTag::Row, ClaimedMs(at.0 + 1), &[7; 16], 0),
            derive_id(DerivedTag::Row, at, &[8; 16], 0),
            derive_id(DerivedTag::Row, at, &[7; 16], 1),
        ] {
            assert_ne!(base, other);
        }
    }
}
