//! What in a team's visits is worth a second look, and why, with the numbers.
//!
//! A signal is a question to a reviewer, never a verdict: every pattern here also has honest causes. Input is one
//! team's visits, void ones left out; the same visits in any order give the same signals.
//! Source: docs/DOMAIN.md §6, "Flags". Codes that `row::flag` has mean the same here.

mod seen;

pub use seen::is_watched;

use std::collections::{BTreeMap, BTreeSet};

use crate::calendar::{Holidays, Weekday, vi_date};
use crate::catalogue::QUANTITY_CAP;
use crate::fold::fold;
use crate::ids::{Day, UserId, VisitId};
use crate::row::flag;

/// For so many working days after a visit arrived, what was noticed in it is shown to its team alone.
pub const TEAM_FIRST_DAYS: u32 = 3;

/// From which day on the commune sees what was noticed in visits of which the last arrived on `received`: the team first
/// gets [`TEAM_FIRST_DAYS`] working days to look at it and put right what is wrong. Where the holidays are not known yet,
/// weekends alone are left out.
pub fn shown_to_the_office_from(received: Day, holidays: &Holidays) -> Day {
    let is_working = |day: Day| holidays.is_working(day).unwrap_or(!Weekday::of(day).is_weekend());
    let (mut day, mut left) = (received, TEAM_FIRST_DAYS);
    while left > 0 {
        day = Day(day.0 + 1);
        left -= u32::from(is_working(day));
    }
    day
}

/// A place in thousandths of a degree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// North.
    pub lat_e3: i32,
    /// East.
    pub lon_e3: i32,
}

/// A commune's bounding box, both corners inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// South-western corner.
    pub min: Place,
    /// North-eastern corner.
    pub max: Place,
}

impl Bounds {
    fn contains(&self, place: Place) -> bool {
        (self.min.lat_e3..=self.max.lat_e3).contains(&place.lat_e3)
            && (self.min.lon_e3..=self.max.lon_e3).contains(&place.lon_e3)
    }
}

/// One activity, as far as it is looked at.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SeenActivity {
    /// Its kind.
    pub kind: String,
    /// Whom it is about, as an opaque key of the person, household or business and of the answers that `dedupe` names;
    /// `None` when nobody in particular.
    pub subject: Option<[u8; 16]>,
    /// Whether its outcome is `done`.
    pub is_done: bool,
    /// Whether a second one for the same subject is a repeat (the catalogue's `dedupe`).
    pub once_per_subject: bool,
    /// Free texts.
    pub texts: Vec<String>,
    /// Counts of people or households in a tally, empty for other kinds.
    pub tally: Vec<u64>,
    /// Content addresses of its photos.
    pub photos: Vec<[u8; 32]>,
    /// Whether evidence that the catalogue asks for is missing.
    pub evidence_missing: bool,
    /// Numbers that do not fall from one approved activity to the next without a reason.
    pub watched: Option<Watched>,
}

/// The numbers of an activity of a kind with the rule `drop_against_last_approved`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watched {
    /// What they are about, as an opaque key: the village, for a tally.
    pub about: [u8; 16],
    /// By how many percent they may fall.
    pub percent: u32,
    /// The numbers: code of the field, what it is called in Vietnamese and in English, and how much.
    pub numbers: Vec<(String, String, String, u64)>,
}

/// One visit of the team.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenVisit {
    /// Which one.
    pub visit: VisitId,
    /// Who recorded it.
    pub author: UserId,
    /// The day of the visit, as entered.
    pub day: Day,
    /// The day on which it arrived at the server; on the phone, today.
    pub received: Day,
    /// The day on which it was entered, by the phone's clock.
    pub entered: Day,
    /// Minute of that day at which it was entered, 0 to 1439.
    pub entered_minute: u32,
    /// How long the visit took, in minutes.
    pub minutes: Option<u32>,
    /// Where it was, rounded.
    pub place: Option<Place>,
    /// Whether it is approved.
    pub approved: bool,
    /// What a reviewer sees flagged anyway: bits of `row::flag`.
    pub flags: u32,
    /// What was done.
    pub activities: Vec<SeenActivity>,
}

/// From when on a pattern is worth a look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thresholds {
    /// Most activities by one member on one day.
    pub activities_a_day: u32,
    /// Fewest whole minutes per activity.
    pub minutes_per_activity: u32,
    /// Longest visit, in minutes.
    pub minutes_max: u32,
    /// Longest sum of one member's visits of a day, in minutes.
    pub minutes_a_day_max: u32,
    /// Farthest that two places of one member on one day may lie apart, in metres.
    pub metres_a_day_max: u64,
    /// Most days by which a visit may arrive later.
    pub late_days: u32,
    /// Visits for other days that one member enters on one day.
    pub back_dated_visits: usize,
    /// Visits with the same free text.
    pub same_text_visits: usize,
    /// Fewest characters of a free text that is compared, folded: short answers are alike by nature.
    pub same_text_chars: usize,
    /// Fewest tally numbers that are looked at.
    pub round_numbers_min: usize,
    /// Share of them that is a multiple of ten, in percent.
    pub round_percent: usize,
    /// First and last minute of the day at which people visit: `night` is outside.
    pub awake: (u32, u32),
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            activities_a_day: QUANTITY_CAP,
            minutes_per_activity: 2,
            minutes_max: 8 * 60,
            minutes_a_day_max: 14 * 60,
            metres_a_day_max: 60_000,
            late_days: 7,
            back_dated_visits: 8,
            same_text_visits: 4,
            same_text_chars: 20,
            round_numbers_min: 5,
            round_percent: 80,
            awake: (5 * 60, 22 * 60 - 1),
        }
    }
}

/// How much a signal asks for a look.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Weight {
    /// Often harmless.
    Low,
    /// Worth a look.
    Medium,
    /// To be looked at before approval.
    High,
}

impl Weight {
    /// The stable code.
    pub fn code(self) -> &'static str {
        ["low", "medium", "high"][self as usize]
    }
}

/// What was noticed. The numbers are those that the sentences name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Noticed {
    /// Arrived long after its day.
    Late {
        /// Days between.
        days: u32,
        /// Days that are usual.
        usual: u32,
    },
    /// The day of the visit lies after the day of arrival.
    FutureDay {
        /// The day of the visit.
        day: Day,
    },
    /// Many activities of one member on one day.
    Quantity {
        /// The day.
        day: Day,
        /// How many.
        found: usize,
        /// How many are usual.
        usual: u32,
    },
    /// Evidence that the catalogue asks for is missing.
    EvidenceMissing {
        /// Activities without it.
        found: usize,
    },
    /// Entered at night.
    NightHours {
        /// Minute of the day.
        minute: u32,
    },
    /// Too short for what was done.
    TooShort {
        /// Minutes.
        minutes: u32,
        /// Activities.
        activities: usize,
        /// Minutes per activity that are usual.
        usual: u32,
    },
    /// Longer than a visit lasts.
    TooLong {
        /// Minutes.
        minutes: u32,
        /// Longest usual visit.
        usual: u32,
    },
    /// One member's visits of a day are longer than a day of work.
    LongDay {
        /// The day.
        day: Day,
        /// Minutes.
        minutes: u64,
        /// Longest usual day.
        usual: u32,
    },
    /// Places of one member on one day lie far apart.
    FarApart {
        /// The day.
        day: Day,
        /// Kilometres at least.
        kilometres: u64,
        /// Kilometres that are usual.
        usual: u64,
    },
    /// Outside the commune's box.
    OutsideCommune,
    /// The same free text in several visits.
    SameText {
        /// How many visits.
        found: usize,
    },
    /// One member entered many visits of other days on one day.
    BackDated {
        /// The day of entry.
        entered: Day,
        /// How many visits.
        found: usize,
        /// For how many different days.
        days: usize,
    },
    /// Most numbers of the tallies of a visit are multiples of ten.
    RoundNumbers {
        /// How many are.
        round: usize,
        /// Of how many.
        of: usize,
    },
    /// The same success for the same subject again.
    Repeat {
        /// The kind.
        kind: String,
        /// How often.
        found: usize,
    },
    /// One photo in several visits.
    SamePhoto {
        /// How many visits.
        found: usize,
    },
    /// A number of a tally falls against the last approved one.
    Shrinks {
        /// What it is called in Vietnamese.
        vi: String,
        /// In English.
        en: String,
        /// What was approved.
        before: u64,
        /// What it is now.
        now: u64,
        /// By how many percent it may fall.
        usual: u32,
    },
}

impl Noticed {
    /// Stable code; that of the flag where `row::flag` has one.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Late { .. } => "late",
            Self::FutureDay { .. } => "future_day",
            Self::Quantity { .. } => "quantity_cap",
            Self::EvidenceMissing { .. } => "evidence_missing",
            Self::NightHours { .. } => "night_hours",
            Self::TooShort { .. } => "too_short",
            Self::TooLong { .. } => "too_long",
            Self::LongDay { .. } => "long_day",
            Self::FarApart { .. } => "far_apart",
            Self::OutsideCommune => "outside_commune",
            Self::SameText { .. } => "same_text",
            Self::BackDated { .. } => "back_dated",
            Self::RoundNumbers { .. } => "round_numbers",
            Self::Repeat { .. } => "repeat",
            Self::SamePhoto { .. } => "same_photo",
            Self::Shrinks { .. } => "not_shrinking",
        }
    }

    /// How much it asks for a look.
    pub fn weight(&self) -> Weight {
        match self {
            Self::SamePhoto { .. } | Self::BackDated { .. } | Self::FutureDay { .. } | Self::LongDay { .. } => {
                Weight::High
            }
            Self::NightHours { .. } | Self::RoundNumbers { .. } | Self::Late { .. } => Weight::Low,
            _ => Weight::Medium,
        }
    }

    /// What was noticed, in plain Vietnamese.
    pub fn vi(&self) -> String {
        match self {
            Self::Late { days, usual } => format!("Gửi đến sau ngày thăm {days} ngày (thường không quá {usual})."),
            Self::FutureDay { day } => format!("Ngày thăm {} ở sau ngày gửi đến.", vi_date(*day)),
            Self::Quantity { day, found, usual } => {
                format!("Một thành viên có {found} hoạt động trong ngày {} (thường không quá {usual}).", vi_date(*day))
            }
            Self::EvidenceMissing { found } => format!("Có {found} hoạt động thiếu minh chứng."),
            Self::NightHours { minute } => format!("Ghi lúc {}, ngoài giờ thường đi thăm.", clock(*minute)),
            Self::TooShort { minutes, activities, usual } => format!(
                "Chuyến thăm {minutes} phút cho {activities} hoạt động (thường ít nhất {usual} phút mỗi hoạt động)."
            ),
            Self::TooLong { minutes, usual } => {
                format!("Chuyến thăm kéo dài {minutes} phút (thường không quá {usual}).")
            }
            Self::LongDay { day, minutes, usual } => format!(
                "Các chuyến thăm của một thành viên trong ngày {} cộng lại {minutes} phút (thường không quá {usual}).",
                vi_date(*day)
            ),
            Self::FarApart { day, kilometres, usual } => format!(
                "Trong ngày {}, các điểm thăm của một thành viên cách nhau ít nhất {kilometres} km \
                 (thường không quá {usual}).",
                vi_date(*day)
            ),
            Self::OutsideCommune => "Vị trí nằm ngoài địa bàn xã.".to_owned(),
            Self::SameText { found } => format!("Cùng một đoạn ghi chú xuất hiện trong {found} chuyến thăm."),
            Self::BackDated { entered, found, days } => {
                format!("Ngày {}, một thành viên ghi {found} chuyến thăm của {days} ngày khác.", vi_date(*entered))
            }
            Self::RoundNumbers { round, of } => format!("{round} trong {of} số liệu tổng hợp là số tròn chục."),
            Self::Repeat { kind, found } => {
                format!("Cùng một đối tượng có {found} lần hoàn thành cùng loại hoạt động ({kind}).")
            }
            Self::SamePhoto { found } => format!("Cùng một ảnh được dùng trong {found} chuyến thăm."),
            Self::Shrinks { vi, before, now, usual, .. } => {
                format!("“{vi}” giảm từ {before} (đã duyệt) xuống {now}, quá {usual}%.")
            }
        }
    }

    /// What was noticed, in plain English.
    pub fn en(&self) -> String {
        match self {
            Self::Late { days, usual } => format!("Arrived {days} days after the visit (usually at most {usual})."),
            Self::FutureDay { day } => format!("The day of the visit, {day}, lies after the day of arrival."),
            Self::Quantity { day, found, usual } => {
                format!("One member has {found} activities on {day} (usually at most {usual}).")
            }
            Self::EvidenceMissing { found } => format!("{found} activities have no evidence."),
            Self::NightHours { minute } => format!("Entered at {}, outside the usual hours.", clock(*minute)),
            Self::TooShort { minutes, activities, usual } => format!(
                "The visit took {minutes} minutes for {activities} activities (usually at least {usual} minutes each)."
            ),
            Self::TooLong { minutes, usual } => {
                format!("The visit took {minutes} minutes (usually at most {usual}).")
            }
            Self::LongDay { day, minutes, usual } => {
                format!("One member's visits on {day} add up to {minutes} minutes (usually at most {usual}).")
            }
            Self::FarApart { day, kilometres, usual } => {
                format!("On {day} one member's visits lie at least {kilometres} km apart (usually at most {usual}).")
            }
            Self::OutsideCommune => "The place lies outside the commune.".to_owned(),
            Self::SameText { found } => format!("The same note is in {found} visits."),
            Self::BackDated { entered, found, days } => {
                format!("On {entered} one member entered {found} visits of {days} other days.")
            }
            Self::RoundNumbers { round, of } => format!("{round} of {of} tally numbers are multiples of ten."),
            Self::Repeat { kind, found } => {
                format!("The same subject has {found} successes of the same kind ({kind}).")
            }
            Self::SamePhoto { found } => format!("The same photo is in {found} visits."),
            Self::Shrinks { en, before, now, usual, .. } => {
                format!("“{en}” falls from {before} (approved) to {now}, by more than {usual}%.")
            }
        }
    }
}

fn clock(minute: u32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// Something noticed, with the visits that it is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Signal {
    /// What.
    pub noticed: Noticed,
    /// Where, in the order of the ids.
    pub visits: Vec<VisitId>,
}

/// Visits under a key, each once.
type Groups<'a, K> = BTreeMap<K, BTreeMap<VisitId, &'a SeenVisit>>;

/// A kind of activity and whom it is about.
type KindOfSubject<'a> = (&'a str, [u8; 16]);

/// For so many days before a span the numbers that are watched are compared with: tallies are a month apart.
pub const WATCHED_DAYS: u32 = 400;

/// Looks at one team's visits of a span of days, and behind them at the numbers of the time before. Every signal is about at
/// least one visit of the span.
pub fn signals_of_span(
    visits: &[SeenVisit],
    (from, to): (Day, Day),
    bounds: Option<&Bounds>,
    limits: &Thresholds,
) -> Vec<Signal> {
    let is_inside = |visit: &SeenVisit| (from..=to).contains(&visit.day);
    let mut looked_at = Vec::new();
    for visit in visits {
        if is_inside(visit) {
            looked_at.push(visit.clone());
        } else if visit.day < from && visit.day.0 + WATCHED_DAYS >= from.0 {
            // Of what lies before, only the numbers count: nothing else of it is told again.
            let only_watched = |activity: &SeenActivity| SeenActivity {
                kind: activity.kind.clone(),
                watched: activity.watched.clone(),
                ..SeenActivity::default()
            };
            let activities = visit.activities.iter().filter(|one| one.watched.is_some()).map(only_watched).collect();
            looked_at.push(SeenVisit { activities, ..visit.clone() });
        }
    }
    let inside: BTreeSet<VisitId> =
        looked_at.iter().filter(|visit| is_inside(visit)).map(|visit| visit.visit).collect();
    let mut found = signals(&looked_at, bounds, limits);
    found.retain(|signal| signal.visits.iter().any(|visit| inside.contains(visit)));
    found
}

impl Signal {
    /// Whether every visit behind it bears a flag of the same name: then it is no news to a reviewer.
    pub fn is_flagged(&self, visits: &[SeenVisit]) -> bool {
        let bit = flag::CODES.iter().find(|(_, code)| *code == self.noticed.code()).map_or(0, |(bit, _)| *bit);
        let bears = |id: &VisitId| visits.iter().any(|visit| visit.visit == *id && visit.flags & bit != 0);
        bit != 0 && self.visits.iter().all(bears)
    }
}

/// Looks at one team's visits. Signals come with the weightiest first, then by what was noticed and where.
pub fn signals(visits: &[SeenVisit], bounds: Option<&Bounds>, limits: &Thresholds) -> Vec<Signal> {
    let mut found = Vec::new();
    for visit in visits {
        of_one(visit, bounds, limits, &mut found);
    }
    of_days(visits, limits, &mut found);
    of_texts(visits, limits, &mut found);
    of_repeats(visits, &mut found);
    of_photos(visits, &mut found);
    of_watched(visits, &mut found);
    found.sort_by(|a, b| b.noticed.weight().cmp(&a.noticed.weight()).then_with(|| a.cmp(b)));
    found
}

fn of_one(visit: &SeenVisit, bounds: Option<&Bounds>, limits: &Thresholds, found: &mut Vec<Signal>) {
    let mut add = |holds: bool, noticed: Noticed| {
        if holds {
            found.push(Signal { noticed, visits: vec![visit.visit] });
        }
    };
    let days = visit.received.0.saturating_sub(visit.day.0);
    add(days > limits.late_days, Noticed::Late { days, usual: limits.late_days });
    add(visit.day > visit.received, Noticed::FutureDay { day: visit.day });
    let minute = visit.entered_minute;
    add(!(limits.awake.0..=limits.awake.1).contains(&minute), Noticed::NightHours { minute });
    let missing = visit.activities.iter().filter(|activity| activity.evidence_missing).count();
    add(missing > 0, Noticed::EvidenceMissing { found: missing });
    if let Some(minutes) = visit.minutes {
        let (activities, usual) = (visit.activities.len(), limits.minutes_per_activity);
        let is_short = u64::from(minutes) < u64::from(usual) * activities as u64;
        add(is_short, Noticed::TooShort { minutes, activities, usual });
        add(minutes > limits.minutes_max, Noticed::TooLong { minutes, usual: limits.minutes_max });
    }
    let is_outside = visit.place.zip(bounds).is_some_and(|(place, bounds)| !bounds.contains(place));
    add(is_outside, Noticed::OutsideCommune);
    let tally: Vec<u64> = visit.activities.iter().flat_map(|activity| activity.tally.iter().copied()).collect();
    // Nought is a frequent true answer.
    let of = tally.iter().filter(|count| **count > 0).count();
    let round = tally.iter().filter(|count| **count > 0 && **count % 10 == 0).count();
    let is_round = of > 0 && of >= limits.round_numbers_min && round * 100 >= limits.round_percent * of;
    add(is_round, Noticed::RoundNumbers { round, of });
}

fn ids(group: &BTreeMap<VisitId, &SeenVisit>) -> Vec<VisitId> {
    group.keys().copied().collect()
}

fn of_days(visits: &[SeenVisit], limits: &Thresholds, found: &mut Vec<Signal>) {
    let mut by_day: Groups<'_, (UserId, Day)> = BTreeMap::new();
    let mut by_entry: Groups<'_, (UserId, Day)> = BTreeMap::new();
    for visit in visits {
        by_day.entry((visit.author, visit.day)).or_default().insert(visit.visit, visit);
        if visit.day < visit.entered {
            by_entry.entry((visit.author, visit.entered)).or_default().insert(visit.visit, visit);
        }
    }
    for ((_, day), group) in &by_day {
        let mut add = |holds: bool, noticed: Noticed| {
            if holds {
                found.push(Signal { noticed, visits: ids(group) });
            }
        };
        let (day, usual) = (*day, limits.activities_a_day);
        let activities: usize = group.values().map(|visit| visit.activities.len()).sum();
        add(activities as u64 > u64::from(usual), Noticed::Quantity { day, found: activities, usual });
        let minutes: u64 = group.values().filter_map(|visit| visit.minutes).map(u64::from).sum();
        let usual = limits.minutes_a_day_max;
        // A single long visit is told as such.
        add(group.len() > 1 && minutes > u64::from(usual), Noticed::LongDay { day, minutes, usual });
        let metres = spread_metres(group.values().filter_map(|visit| visit.place));
        let (kilometres, usual) = (metres / 1_000, limits.metres_a_day_max / 1_000);
        add(metres > limits.metres_a_day_max, Noticed::FarApart { day, kilometres, usual });
    }
    for ((_, entered), group) in &by_entry {
        if group.len() >= limits.back_dated_visits {
            let days = group.values().map(|visit| visit.day).collect::<BTreeSet<_>>().len();
            let noticed = Noticed::BackDated { entered: *entered, found: group.len(), days };
            found.push(Signal { noticed, visits: ids(group) });
        }
    }
}

/// How far apart the two farthest of some places lie at least, in metres: by latitude alone or by longitude alone.
///
/// A thousandth of a degree is 110 m to the north, and in Việt Nam (8° to 24° north) 101 to 110 m to the east; the
/// lower figures are used, so that no distance is made larger than it is.
fn spread_metres(places: impl Iterator<Item = Place>) -> u64 {
    let places: Vec<Place> = places.collect();
    let width = |of: fn(&Place) -> i32| {
        let (least, most) = (places.iter().map(of).min(), places.iter().map(of).max());
        least.zip(most).map_or(0, |(least, most)| u64::from(most.abs_diff(least)))
    };
    (width(|place| place.lat_e3) * 110).max(width(|place| place.lon_e3) * 101)
}

fn of_texts(visits: &[SeenVisit], limits: &Thresholds, found: &mut Vec<Signal>) {
    let mut by_text: Groups<'_, String> = BTreeMap::new();
    for visit in visits {
        for text in visit.activities.iter().flat_map(|activity| &activity.texts).map(|text| fold(text)) {
            if text.chars().count() >= limits.same_text_chars {
                by_text.entry(text).or_default().insert(visit.visit, visit);
            }
        }
    }
    let many = by_text.values().filter(|group| group.len() > 1 && group.len() >= limits.same_text_visits);
    found.extend(many.map(|group| Signal { noticed: Noticed::SameText { found: group.len() }, visits: ids(group) }));
}

fn of_repeats(visits: &[SeenVisit], found: &mut Vec<Signal>) {
    let mut times: BTreeMap<KindOfSubject<'_>, (usize, BTreeSet<VisitId>)> = BTreeMap::new();
    for visit in visits {
        for activity in visit.activities.iter().filter(|activity| activity.is_done && activity.once_per_subject) {
            if let Some(subject) = activity.subject {
                let (count, visits) = times.entry((&activity.kind, subject)).or_default();
                *count += 1;
                visits.insert(visit.visit);
            }
        }
    }
    for ((kind, _), (count, visits)) in times.into_iter().filter(|(_, (count, _))| *count > 1) {
        let noticed = Noticed::Repeat { kind: kind.to_owned(), found: count };
        found.push(Signal { noticed, visits: visits.into_iter().collect() });
    }
}

fn of_photos(visits: &[SeenVisit], found: &mut Vec<Signal>) {
    let mut by_photo: Groups<'_, [u8; 32]> = BTreeMap::new();
    for visit in visits {
        for photo in visit.activities.iter().flat_map(|activity| &activity.photos) {
            by_photo.entry(*photo).or_default().insert(visit.visit, visit);
        }
    }
    // One photo may show two activities of one visit.
    let shared = by_photo.values().filter(|group| group.len() > 1);
    found.extend(shared.map(|group| Signal { noticed: Noticed::SamePhoto { found: group.len() }, visits: ids(group) }));
}

/// Numbers of one kind about one thing, by the day of the visit, each with whether it is approved.
type Series<'a> = BTreeMap<(Day, VisitId), (bool, &'a Watched)>;

/// Each number against the last approved one before it, by the day of the visit.
fn of_watched(visits: &[SeenVisit], found: &mut Vec<Signal>) {
    let mut series: BTreeMap<KindOfSubject<'_>, Series<'_>> = BTreeMap::new();
    for visit in visits {
        for activity in &visit.activities {
            if let Some(watched) = &activity.watched {
                let place = (visit.day, visit.visit);
                series.entry((&activity.kind, watched.about)).or_default().insert(place, (visit.approved, watched));
            }
        }
    }
    for of_one in series.values() {
        let mut last: Option<(VisitId, &Watched)> = None;
        for ((_, visit), (approved, watched)) in of_one {
            for (code, vi, en, now) in &watched.numbers {
                let before = last.and_then(|(at, last)| {
                    let same = last.numbers.iter().find(|(known, ..)| known == code);
                    same.map(|(.., before)| (at, *before))
                });
                if let Some((at, before)) = before
                    && u128::from(before.saturating_sub(*now)) * 100 > u128::from(before) * u128::from(watched.percent)
                {
                    let (vi, en, usual) = (vi.clone(), en.clone(), watched.percent);
                    let noticed = Noticed::Shrinks { vi, en, before, now: *now, usual };
                    let mut visits = vec![at, *visit];
                    visits.sort();
                    found.push(Signal { noticed, visits });
                }
            }
            if *approved {
                last = Some((*visit, watched));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::is_nfc;
    use uuid::Uuid;

    use super::*;

    const DAY: Day = Day(20_770);

    fn id(n: u8) -> VisitId {
        VisitId(Uuid::from_bytes([n; 16]))
    }

    fn visit(n: u8) -> SeenVisit {
        SeenVisit {
            visit: id(n),
            author: UserId(Uuid::from_bytes([1; 16])),
            day: DAY,
            received: DAY,
            entered: DAY,
            entered_minute: 9 * 60,
            minutes: Some(40),
            place: Some(Place { lat_e3: 21_700, lon_e3: 104_900 }),
            approved: false,
            flags: 0,
            activities: vec![SeenActivity { kind: "vneid_level2".into(), is_done: true, ..Default::default() }],
        }
    }

    fn with(n: u8, change: impl FnOnce(&mut SeenVisit)) -> SeenVisit {
        let mut visit = visit(n);
        change(&mut visit);
        visit
    }

    const BOX: Bounds =
        Bounds { min: Place { lat_e3: 21_650, lon_e3: 104_850 }, max: Place { lat_e3: 21_750, lon_e3: 104_950 } };

    fn found(visits: &[SeenVisit]) -> Vec<Signal> {
        signals(visits, Some(&BOX), &Thresholds::default())
    }

    fn codes(visits: &[SeenVisit]) -> Vec<&'static str> {
        found(visits).iter().map(|signal| signal.noticed.code()).collect()
    }

    #[test]
    fn ordinary_visits_give_no_signal() {
        let visits: Vec<_> = (1..=7).map(visit).collect();
        assert_eq!(codes(&visits), [""; 0]);
        assert_eq!(codes(&[]), [""; 0]);
    }

    #[test]
    fn each_limit_of_a_single_visit_is_told_just_beyond_it() {
        type Change = fn(&mut SeenVisit);
        let cases: [(&[&str], Change); 18] = [
            (&[], |v| v.received = Day(DAY.0 + 7)),
            (&["late"], |v| v.received = Day(DAY.0 + 8)),
            (&["future_day"], |v| v.day = Day(DAY.0 + 1)),
            (&[], |v| v.entered_minute = 5 * 60),
            (&["night_hours"], |v| v.entered_minute = 5 * 60 - 1),
            (&[], |v| v.entered_minute = 22 * 60 - 1),
            (&["night_hours"], |v| v.entered_minute = 22 * 60),
            (&["evidence_missing"], |v| v.activities[0].evidence_missing = true),
            (&[], |v| v.minutes = Some(2)),
            (&["too_short"], |v| v.minutes = Some(1)),
            (&[], |v| v.minutes = Some(480)),
            (&["too_long"], |v| v.minutes = Some(481)),
            (&[], |v| v.place = Some(BOX.max)),
            (&["outside_commune"], |v| v.place = Some(Place { lat_e3: 21_751, ..BOX.max })),
            (&["outside_commune"], |v| v.place = Some(Place { lon_e3: 104_849, ..BOX.min })),
            (&[], |v| v.activities[0].tally = vec![10, 20, 30, 41, 52, 0]),
            (&["round_numbers"], |v| v.activities[0].tally = vec![10, 20, 30, 40, 52, 0]),
            (&[], |v| v.activities[0].tally = vec![10, 20, 30, 40, 0, 0, 0]),
        ];
        for (at, (expected, change)) in cases.into_iter().enumerate() {
            assert_eq!(codes(&[with(1, change)]), expected, "case {at}");
        }
        let unknown = with(1, |v| (v.place, v.minutes) = (None, None));
        assert_eq!(codes(&[unknown]), [""; 0], "what was not entered is no signal");
        assert_eq!(
            signals(&[with(1, |v| v.place = Some(Place { lat_e3: 0, lon_e3: 0 }))], None, &Thresholds::default()),
            []
        );
    }

    #[test]
    fn a_day_of_one_member_is_looked_at_as_a_whole() {
        let many = |n, count| with(n, |v| v.activities = vec![SeenActivity::default(); count]);
        assert_eq!(codes(&[many(1, 15), many(2, 15)]), [""; 0]);
        let signal = found(&[many(1, 15), many(2, 16)]).remove(0);
        assert_eq!(signal.noticed, Noticed::Quantity { day: DAY, found: 31, usual: 30 });
        assert_eq!(signal.visits, [id(1), id(2)]);
        let other = with(3, |v| (v.author, v.activities) = (UserId(Uuid::nil()), vec![SeenActivity::default(); 16]));
        assert_eq!(codes(&[many(1, 15), other]), [""; 0], "two members are two people");

        let long = |n, minutes| with(n, |v| v.minutes = Some(minutes));
        assert_eq!(codes(&[long(1, 420), long(2, 420)]), [""; 0]);
        assert_eq!(codes(&[long(1, 420), long(2, 421)]), ["long_day"]);

        let at = |n, lat_e3, lon_e3| with(n, |v| v.place = Some(Place { lat_e3, lon_e3 }));
        let apart = |far| signals(&[at(1, 21_000, 104_000), far], None, &Thresholds::default());
        assert_eq!(apart(at(2, 21_545, 104_594)), []);
        let far = Noticed::FarApart { day: DAY, kilometres: 60, usual: 60 };
        assert_eq!(apart(at(2, 21_546, 104_000)), [Signal { noticed: far, visits: vec![id(1), id(2)] }]);
        assert_eq!(apart(with(2, |v| v.place = None)), []);
        let next_day =
            with(2, |v| (v.day, v.place) = (Day(DAY.0 - 1), Some(Place { lat_e3: 22_541, lon_e3: 104_000 })));
        assert_eq!(apart(next_day), [], "there was a night to travel");
    }

    #[test]
    fn many_visits_entered_afterwards_on_one_day_are_told_together() {
        let back = |n: u8| with(n, |v| v.day = Day(DAY.0 - 1 - u32::from(n % 3)));
        let seven: Vec<_> = (1..=7).map(back).collect();
        assert_eq!(codes(&seven), [""; 0]);
        let eight: Vec<_> = (1..=8).map(back).collect();
        let signal = found(&eight).remove(0);
        assert_eq!(signal.noticed, Noticed::BackDated { entered: DAY, found: 8, days: 3 });
        assert_eq!(signal.visits.len(), 8);
        let same_day: Vec<_> = (1..=20).map(visit).collect();
        assert_eq!(codes(&same_day), [""; 0]);
    }

    #[test]
    fn the_same_note_in_four_visits_is_told_however_it_is_written() {
        let note = |n, text: &str| with(n, |v| v.activities[0].texts = vec![text.to_owned()]);
        let notes = ["Đã hướng dẫn bà con cài đặt.", "đã hướng dẫn bà con cài đặt", "Da huong dan, ba con cai dat"];
        let mut visits: Vec<_> = (1..).zip(notes).map(|(n, text)| note(n, text)).collect();
        assert_eq!(codes(&visits), [""; 0]);
        visits.push(note(4, notes[0]));
        assert_eq!(
            found(&visits),
            [Signal { noticed: Noticed::SameText { found: 4 }, visits: (1..=4).map(id).collect() }]
        );
        let short: Vec<_> = (1..=9).map(|n| note(n, "Gia đình vắng nhà.")).collect();
        assert_eq!(codes(&short), [""; 0], "short answers are alike by nature");
        let twice = with(1, |v| v.activities[0].texts = vec![notes[0].to_owned(); 9]);
        assert_eq!(codes(&[twice]), [""; 0], "one visit says it once");
    }

    #[test]
    fn a_second_success_and_a_shared_photo_are_told_with_both_visits() {
        let success = |n| {
            with(n, |v| {
                let activity = &mut v.activities[0];
                (activity.subject, activity.once_per_subject) = (Some([7; 16]), true);
            })
        };
        let noticed = Noticed::Repeat { kind: "vneid_level2".into(), found: 2 };
        assert_eq!(found(&[success(2), success(1)]), [Signal { noticed, visits: vec![id(1), id(2)] }]);
        let change = |change: fn(&mut SeenActivity)| {
            let mut other = success(2);
            change(&mut other.activities[0]);
            codes(&[success(1), other])
        };
        assert_eq!(change(|activity| activity.is_done = false), [""; 0]);
        assert_eq!(change(|activity| activity.once_per_subject = false), [""; 0]);
        assert_eq!(change(|activity| activity.subject = Some([8; 16])), [""; 0]);
        assert_eq!(change(|activity| activity.subject = None), [""; 0]);
        assert_eq!(change(|activity| activity.kind = "dvc_account".into()), [""; 0]);

        let photo = |n, of: u8| with(n, |v| v.activities[0].photos = vec![[of; 32], [of; 32]]);
        assert_eq!(codes(&[photo(1, 1), photo(2, 2)]), [""; 0]);
        assert_eq!(found(&[photo(1, 1), photo(2, 1)])[0].noticed, Noticed::SamePhoto { found: 2 });
    }

    #[test]
    fn codes_are_those_of_the_flags_where_there_is_one() {
        let flags: BTreeSet<_> = flag::CODES.iter().map(|(_, code)| *code).collect();
        for noticed in every() {
            let is_flag = flags.contains(noticed.code());
            let expected = matches!(
                noticed,
                Noticed::Late { .. }
                    | Noticed::FutureDay { .. }
                    | Noticed::Quantity { .. }
                    | Noticed::EvidenceMissing { .. }
                    | Noticed::NightHours { .. }
            );
            assert_eq!(is_flag, expected, "{}", noticed.code());
        }
    }

    fn every() -> [Noticed; 15] {
        [
            Noticed::Late { days: 8, usual: 7 },
            Noticed::FutureDay { day: DAY },
            Noticed::Quantity { day: DAY, found: 31, usual: 30 },
            Noticed::EvidenceMissing { found: 2 },
            Noticed::NightHours { minute: 1_385 },
            Noticed::TooShort { minutes: 3, activities: 5, usual: 2 },
            Noticed::TooLong { minutes: 500, usual: 480 },
            Noticed::LongDay { day: DAY, minutes: 900, usual: 840 },
            Noticed::FarApart { day: DAY, kilometres: 71, usual: 60 },
            Noticed::OutsideCommune,
            Noticed::SameText { found: 4 },
            Noticed::BackDated { entered: DAY, found: 9, days: 3 },
            Noticed::RoundNumbers { round: 4, of: 5 },
            Noticed::Repeat { kind: "vneid_level2".into(), found: 2 },
            Noticed::SamePhoto { found: 2 },
        ]
    }

    /// The numbers of a sentence, dates left out.
    fn numbers(text: &str) -> Vec<u64> {
        let words = text.split(|c: char| !(c.is_ascii_digit() || c == '/' || c == '-' || c == ':' || c == '_'));
        let mut found: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn both_sentences_explain_with_the_same_numbers_and_accuse_nobody() {
        let mut codes = BTreeSet::new();
        for noticed in every() {
            let (vi, en) = (noticed.vi(), noticed.en());
            assert!(is_nfc(&vi) && vi.ends_with('.') && en.ends_with('.'), "{vi} {en}");
            assert_eq!(numbers(&vi), numbers(&en), "{vi} {en}");
            assert!(codes.insert(noticed.code()));
            for word in ["fraud", "fake", "cheat", "gian lận", "giả mạo", "bịa"] {
                assert!(!en.contains(word) && !vi.contains(word), "{vi} {en}");
            }
        }
        assert_eq!(Noticed::NightHours { minute: 1_385 }.vi(), "Ghi lúc 23:05, ngoài giờ thường đi thăm.");
        assert!(Noticed::LongDay { day: DAY, minutes: 900, usual: 840 }.vi().contains(&vi_date(DAY)));
    }

    #[test]
    fn the_weightiest_signals_come_first() {
        let night = with(1, |v| (v.entered_minute, v.activities[0].photos) = (0, vec![[1; 32]]));
        let short = with(2, |v| (v.minutes, v.activities[0].photos) = (Some(0), vec![[1; 32]]));
        let weights: Vec<_> = found(&[night, short]).iter().map(|signal| signal.noticed.weight().code()).collect();
        assert_eq!(weights, ["high", "medium", "low"]);
    }

    prop_compose! {
        fn any_visit()(
            author in 0u8..2, day in 0u32..3, later in 0u32..10, minute in 0u32..1440,
            minutes in proptest::option::of(0u32..600), lat in 21_600i32..21_800,
            tally in proptest::collection::vec(0u64..50, 0..8), photo in 0u8..40, subject in 0u8..20,
        ) -> SeenVisit {
            with(0, |v| {
                v.author = UserId(Uuid::from_bytes([author; 16]));
                (v.day, v.entered, v.entered_minute, v.minutes) = (Day(100 + day), Day(100 + later), minute, minutes);
                v.place = Some(Place { lat_e3: lat, lon_e3: 104_900 });
                let activity = &mut v.activities[0];
                (activity.tally, activity.photos, activity.subject) = (tally, vec![[photo; 32]], Some([subject; 16]));
                activity.once_per_subject = true;
            })
        }
    }

    proptest! {
        #[test]
        fn the_order_of_the_visits_does_not_matter(
            mut visits in proptest::collection::vec(any_visit(), 0..30), turn in 0usize..30,
        ) {
            for (n, visit) in (0u8..).zip(&mut visits) {
                visit.visit = id(n);
            }
            let before = found(&visits);
            let by = turn.min(visits.len());
            visits.rotate_left(by);
            prop_assert_eq!(found(&visits), before);
        }

        #[test]
        fn signals_name_visits_that_are_there_once_and_in_order(
            mut visits in proptest::collection::vec(any_visit(), 0..30),
        ) {
            for (n, visit) in (0u8..).zip(&mut visits) {
                visit.visit = id(n);
            }
            for signal in found(&visits) {
                prop_assert!(!signal.visits.is_empty() && signal.visits.is_sorted_by(|a, b| a < b));
                prop_assert!(signal.visits.iter().all(|id| visits.iter().any(|visit| visit.visit == *id)));
            }
        }
    }
}
