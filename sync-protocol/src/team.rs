//! Teams through time: who belongs to one, who leads it, whether it is active, what it is owed, what members learnt.
//!
//! Source: docs/DOMAIN.md §8. A period ends on the first day on which it no longer holds, as in `entity::Validity`.

use std::collections::{BTreeMap, BTreeSet};

use crate::calendar::{CutOff, vi_date};
use crate::ids::{Day, Month, TeamId, TeamMemberId, UserId, VisitId};

/// A member's place in the team.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Position {
    /// Tổ trưởng.
    Leader,
    /// Tổ phó.
    Deputy,
    /// Thành viên.
    Member,
}

impl Position {
    /// All of them, in the order of a list.
    pub const ALL: [Self; 3] = [Self::Leader, Self::Deputy, Self::Member];

    /// The stable code.
    pub fn code(self) -> &'static str {
        ["leader", "deputy", "member"][self as usize]
    }

    /// Reads the stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|position| position.code() == code)
    }
}

/// One person's place in one team over one period.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Membership {
    /// The row.
    pub id: TeamMemberId,
    /// The team.
    pub team: TeamId,
    /// The person.
    pub user: UserId,
    /// As what.
    pub position: Position,
    /// First day.
    pub from: Day,
    /// First day on which it no longer holds; `None` while it does.
    pub to: Option<Day>,
}

impl Membership {
    /// Whether it holds on a day.
    pub fn holds_on(&self, day: Day) -> bool {
        self.from <= day && self.to.is_none_or(|to| day < to)
    }

    /// The first day that both hold; they overlap exactly then.
    fn first_shared_day(&self, other: &Self) -> Option<Day> {
        let day = self.from.max(other.from);
        (self.holds_on(day) && other.holds_on(day)).then_some(day)
    }
}

/// Why a membership cannot be entered. Names the rows, never the persons.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TeamFault {
    /// It ends before it begins, or on the same day.
    #[error("Membership {row} ends on or before its first day. Correct its days.")]
    Reversed {
        /// The row.
        row: TeamMemberId,
    },
    /// A row of that id is there already.
    #[error("Membership {row} exists already. Change that one instead.")]
    Exists {
        /// The row.
        row: TeamMemberId,
    },
    /// The person is a member of the team already.
    #[error("Memberships {first} and {second} are of one person and overlap from {day} on. End one before the other.")]
    Overlap {
        /// The row that is there.
        first: TeamMemberId,
        /// The row to be entered.
        second: TeamMemberId,
        /// The first day that both hold.
        day: Day,
    },
    /// The team has a leader already.
    #[error("Memberships {first} and {second} both lead the team from {day} on. End one before the other.")]
    TwoLeaders {
        /// The row that is there.
        first: TeamMemberId,
        /// The row to be entered.
        second: TeamMemberId,
        /// The first day that both hold.
        day: Day,
    },
    /// The member to be replaced is not one on that day.
    #[error("Membership {row} does not hold on {day}. Choose a current member.")]
    NotAMember {
        /// The row.
        row: TeamMemberId,
        /// The day of the change.
        day: Day,
    },
}

impl TeamFault {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Reversed { .. } => "membership_reversed",
            Self::Exists { .. } => "membership_exists",
            Self::Overlap { .. } => "membership_overlap",
            Self::TwoLeaders { .. } => "two_leaders",
            Self::NotAMember { .. } => "not_a_member",
        }
    }

    /// In plain Vietnamese, with what to do.
    pub fn vi(self) -> String {
        match self {
            Self::Reversed { row } => {
                format!("Ngày kết thúc của bản ghi thành viên {row} không sau ngày bắt đầu. Hãy sửa lại ngày.")
            }
            Self::Exists { row } => format!("Bản ghi thành viên {row} đã có. Hãy sửa bản ghi đó."),
            Self::Overlap { first, second, day } => format!(
                "Hai bản ghi {first} và {second} của cùng một người trùng thời gian từ {}. \
                 Hãy kết thúc một bản ghi trước.",
                vi_date(day)
            ),
            Self::TwoLeaders { first, second, day } => format!(
                "Hai bản ghi {first} và {second} cùng là tổ trưởng từ {}. Hãy kết thúc một bản ghi trước.",
                vi_date(day)
            ),
            Self::NotAMember { row, day } => {
                format!(
                    "Bản ghi {row} không còn là thành viên vào {}. Hãy chọn thành viên đang tham gia.",
                    vi_date(day)
                )
            }
        }
    }
}

/// Checks a membership against those that are there, of any team.
///
/// One person holds one place in a team at a time, and a team has one leader at a time. A person may be in several
/// teams.
///
/// # Errors
/// A [`TeamFault`], for the first row that stands against it.
pub fn check_member(existing: &[Membership], new: &Membership) -> Result<(), TeamFault> {
    if new.to.is_some_and(|to| to <= new.from) {
        return Err(TeamFault::Reversed { row: new.id });
    }
    for other in existing {
        if other.id == new.id {
            return Err(TeamFault::Exists { row: new.id });
        }
        let Some(day) = other.first_shared_day(new).filter(|_| other.team == new.team) else { continue };
        let (first, second) = (other.id, new.id);
        if other.user == new.user {
            return Err(TeamFault::Overlap { first, second, day });
        }
        if other.position == Position::Leader && new.position == Position::Leader {
            return Err(TeamFault::TwoLeaders { first, second, day });
        }
    }
    Ok(())
}

/// Replaces one member by another from a day on, in the same place. Gives all rows with the change; no row is lost.
///
/// A place that the successor held in the team ends on that day.
///
/// # Errors
/// [`TeamFault::NotAMember`] unless `leaving` held the day before `day` and on it, else what [`check_member`] finds.
pub fn substitute(
    existing: &[Membership],
    leaving: TeamMemberId,
    row: TeamMemberId,
    successor: UserId,
    day: Day,
) -> Result<Vec<Membership>, TeamFault> {
    let left = existing
        .iter()
        .find(|member| member.id == leaving && member.holds_on(day) && member.from < day)
        .ok_or(TeamFault::NotAMember { row: leaving, day })?;
    let new = Membership { id: row, user: successor, from: day, ..left.clone() };
    let mut all = existing.to_vec();
    for member in &mut all {
        let ends = member.id == leaving || (member.user == successor && member.team == left.team && member.from < day);
        if ends && member.holds_on(day) {
            member.to = Some(day);
        }
    }
    check_member(&all, &new)?;
    all.push(new);
    Ok(all)
}

/// The members of a team on a day: leader, deputies, members, each by row id.
pub fn members_on(all: &[Membership], team: TeamId, day: Day) -> Vec<&Membership> {
    let mut members: Vec<_> = all.iter().filter(|member| member.team == team && member.holds_on(day)).collect();
    members.sort_by_key(|member| (member.position, member.id));
    members
}

/// The leader of a team on a day.
pub fn leader_on(all: &[Membership], team: TeamId, day: Day) -> Option<&Membership> {
    members_on(all, team, day).into_iter().find(|member| member.position == Position::Leader)
}

/// Fewest members of an active team.
pub const MEMBERS_MIN: usize = 2;

/// Why a team stands on the officer's list of inactive teams.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Inactive {
    /// Fewer than [`MEMBERS_MIN`] members.
    TooFewMembers {
        /// How many there are.
        found: usize,
    },
    /// No activity of the month was approved.
    NoApprovedActivity,
}

impl Inactive {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooFewMembers { .. } => "too_few_members",
            Self::NoApprovedActivity => "no_approved_activity",
        }
    }

    /// In plain Vietnamese, with what to do.
    pub fn vi(self) -> String {
        match self {
            Self::TooFewMembers { found } => {
                format!("Tổ chỉ còn {found} thành viên, cần ít nhất {MEMBERS_MIN}. Hãy bổ sung thành viên.")
            }
            Self::NoApprovedActivity => {
                "Trong tháng chưa có hoạt động nào được duyệt. Hãy kiểm tra các chuyến thăm chờ duyệt.".into()
            }
        }
    }

    /// In plain English, with what to do.
    pub fn en(self) -> String {
        match self {
            Self::TooFewMembers { found } => {
                format!("The team has {found} members and needs at least {MEMBERS_MIN}. Add members.")
            }
            Self::NoApprovedActivity => {
                "No activity of the month was approved. Look at the visits that wait for approval.".into()
            }
        }
    }
}

/// Why a team is inactive; empty when it is active. Members count as of `day`; `visits` as in [`support_certificate`].
pub fn inactive(
    all: &[Membership],
    team: TeamId,
    day: Day,
    month: Month,
    visits: &[ApprovedVisit],
    cut_off: CutOff,
) -> Vec<Inactive> {
    // The same person may hold rows in two places only by a fault; a person counts once.
    let users: BTreeSet<UserId> = members_on(all, team, day).into_iter().map(|member| member.user).collect();
    let mut reasons = Vec::new();
    if users.len() < MEMBERS_MIN {
        reasons.push(Inactive::TooFewMembers { found: users.len() });
    }
    if count(Measure::Activities, month, visits, cut_off) == 0 {
        reasons.push(Inactive::NoApprovedActivity);
    }
    reasons
}

/// An approved visit of one team, as far as it shows that the team was active.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ApprovedVisit {
    /// Which one; the same visit twice counts once.
    pub visit: VisitId,
    /// Its day.
    pub day: Day,
    /// How many activities it has.
    pub activities: u32,
}

/// What is counted for the monthly support.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Measure {
    /// Approved visits.
    Visits,
    /// Days with an approved visit.
    Days,
    /// Activities of approved visits.
    Activities,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Visits, Self::Days, Self::Activities];

    /// Reads the stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.code() == code)
    }

    /// The stable code.
    pub fn code(self) -> &'static str {
        ["visits", "days", "activities"][self as usize]
    }

    /// What is counted, in Vietnamese.
    pub fn vi(self) -> &'static str {
        ["chuyến thăm được duyệt", "ngày có chuyến thăm được duyệt", "hoạt động được duyệt"][self as usize]
    }

    /// What is counted, in English.
    pub fn en(self) -> &'static str {
        ["approved visits", "days with an approved visit", "approved activities"][self as usize]
    }
}

fn count(measure: Measure, month: Month, visits: &[ApprovedVisit], cut_off: CutOff) -> u64 {
    let of_month: BTreeMap<VisitId, &ApprovedVisit> = visits
        .iter()
        .filter(|visit| Month::of_day(visit.day, cut_off.day()) == month)
        .map(|visit| (visit.visit, visit))
        .collect();
    match measure {
        Measure::Visits => of_month.len() as u64,
        Measure::Days => of_month.values().map(|visit| visit.day).collect::<BTreeSet<_>>().len() as u64,
        Measure::Activities => of_month.values().map(|visit| u64::from(visit.activities)).sum(),
    }
}

/// What a province asks for its monthly support, and what it pays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SupportTerms {
    /// What is counted.
    pub measure: Measure,
    /// How many are asked for.
    pub minimum: u64,
    /// Whole đồng per team and month.
    pub amount_vnd: u64,
}

impl Default for SupportTerms {
    fn default() -> Self {
        Self { measure: Measure::Visits, minimum: 4, amount_vnd: 500_000 }
    }
}

/// That a team was active in a reporting month. The commune signs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SupportCertificate {
    /// The team.
    pub team: TeamId,
    /// The reporting month.
    pub month: Month,
    /// What was counted.
    pub measure: Measure,
    /// How many there were.
    pub found: u64,
    /// Whole đồng.
    pub amount_vnd: u64,
}

/// Why no certificate is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "The team has {found} {} in {month}, {} fewer than the {minimum} asked for. Approve the visits that wait, if any.",
    .measure.en(),
    .minimum - .found
)]
pub struct SupportRefused {
    /// The reporting month.
    pub month: Month,
    /// What was counted.
    pub measure: Measure,
    /// How many there are.
    pub found: u64,
    /// How many are asked for.
    pub minimum: u64,
}

impl SupportRefused {
    /// The stable code of every one.
    pub const CODE: &str = "support_not_earned";

    /// How many are missing.
    pub fn missing(&self) -> u64 {
        self.minimum - self.found
    }

    /// Stable code.
    pub fn code(&self) -> &'static str {
        Self::CODE
    }

    /// In plain Vietnamese, with what to do.
    pub fn vi(&self) -> String {
        format!(
            "Tổ có {} {} trong tháng {}, còn thiếu {} so với mức {}. Hãy duyệt các chuyến thăm đang chờ, nếu có.",
            self.found,
            self.measure.vi(),
            format_args!("{}/{}", self.month.0 % 12 + 1, self.month.0 / 12),
            self.missing(),
            self.minimum
        )
    }
}

/// Certifies a team's month, from the team's approved visits of any month.
///
/// # Errors
/// [`SupportRefused`] with what is missing.
pub fn support_certificate(
    team: TeamId,
    month: Month,
    visits: &[ApprovedVisit],
    terms: SupportTerms,
    cut_off: CutOff,
) -> Result<SupportCertificate, SupportRefused> {
    let SupportTerms { measure, minimum, amount_vnd } = terms;
    let found = count(measure, month, visits, cut_off);
    if found < minimum {
        return Err(SupportRefused { month, measure, found, minimum });
    }
    Ok(SupportCertificate { team, month, measure, found, amount_vnd })
}

// ---------------------------------------------------------------------------------------------------------------------
// Training

/// What one attempt at a quiz brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Score {
    /// Questions answered fully right.
    pub right: u32,
    /// Questions asked.
    pub of: u32,
}

impl Score {
    /// Whether at least `percent` of the questions were right. A quiz without questions is never passed.
    pub fn reaches(self, percent: u32) -> bool {
        self.of > 0 && u64::from(self.right) * 100 >= u64::from(percent) * u64::from(self.of)
    }

    fn is_better_than(self, other: Self) -> bool {
        u64::from(self.right) * u64::from(other.of) > u64::from(other.right) * u64::from(self.of)
    }
}

/// Scores one attempt: a question is right when exactly its right options were chosen.
///
/// A question that was not answered, and one that nothing could answer rightly, is wrong; answers beyond the last
/// question are passed over.
pub fn score(right: &[BTreeSet<String>], chosen: &[BTreeSet<String>]) -> Score {
    let hits = right.iter().zip(chosen).filter(|(right, chosen)| !right.is_empty() && right == chosen).count();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Score { right: number(hits), of: number(right.len()) }
}

/// A member's attempts at one quiz: the best score and how many there were.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QuizRecord {
    /// The best score; of equal ones the first.
    pub best: Option<Score>,
    /// How often it was tried.
    pub attempts: u32,
}

impl QuizRecord {
    /// The record after one more attempt.
    pub fn with(self, score: Score) -> Self {
        let best = self.best.filter(|best| !score.is_better_than(*best)).unwrap_or(score);
        Self { best: Some(best), attempts: self.attempts.saturating_add(1) }
    }
}

/// How a member stands with a course.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CourseResult {
    /// Nothing read, nothing tried.
    NotStarted,
    /// Something is still missing.
    InProgress,
    /// All read (or attended), and the quiz passed if there is one.
    Completed,
}

impl CourseResult {
    /// The stable code.
    pub fn code(self) -> &'static str {
        ["not_started", "in_progress", "completed"][self as usize]
    }
}

/// How a member stands with a course of `cards` cards, of which `read` were read; attending a class counts as reading
/// all. `pass_percent` is `None` for a course without a quiz.
pub fn course_result(read: u32, cards: u32, quiz: QuizRecord, pass_percent: Option<u32>) -> CourseResult {
    let passed = pass_percent.is_none_or(|percent| quiz.best.is_some_and(|best| best.reaches(percent)));
    if read == 0 && quiz.attempts == 0 {
        CourseResult::NotStarted
    } else if read >= cards && passed {
        CourseResult::Completed
    } else {
        CourseResult::InProgress
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::is_nfc;
    use uuid::Uuid;

    use super::*;

    const TEAM: TeamId = TeamId(Uuid::from_bytes([1; 16]));

    fn row(n: u8) -> TeamMemberId {
        TeamMemberId(Uuid::from_bytes([n; 16]))
    }

    fn user(n: u8) -> UserId {
        UserId(Uuid::from_bytes([n; 16]))
    }

    fn member(n: u8, who: u8, position: Position, from: u32, to: Option<u32>) -> Membership {
        Membership { id: row(n), team: TEAM, user: user(who), position, from: Day(from), to: to.map(Day) }
    }

    use Position::{Deputy, Leader, Member};

    #[test]
    fn overlapping_memberships_are_refused_with_both_rows() {
        let there = [member(1, 1, Leader, 100, Some(200)), member(2, 2, Member, 100, None)];
        let overlap = check_member(&there, &member(3, 1, Member, 199, None)).unwrap_err();
        assert_eq!(overlap, TeamFault::Overlap { first: row(1), second: row(3), day: Day(199) });
        for text in [overlap.vi(), overlap.to_string()] {
            assert!(
                text.contains(&row(1).to_string()) && text.contains(&row(3).to_string()) && is_nfc(&text),
                "{text}"
            );
        }
        assert_eq!(check_member(&there, &member(3, 1, Member, 200, None)), Ok(()), "the last day is not held");
        assert_eq!(check_member(&there, &member(3, 1, Member, 50, Some(100))), Ok(()));
        let elsewhere = Membership { team: TeamId(Uuid::from_bytes([9; 16])), ..member(3, 1, Leader, 150, None) };
        assert_eq!(check_member(&there, &elsewhere), Ok(()), "one person may be in two teams");
        let reversed = check_member(&there, &member(3, 3, Member, 150, Some(150)));
        assert_eq!(reversed, Err(TeamFault::Reversed { row: row(3) }));
        assert_eq!(check_member(&there, &member(2, 3, Member, 150, None)), Err(TeamFault::Exists { row: row(2) }));
    }

    #[test]
    fn a_team_has_one_leader_at_a_time() {
        let there = [member(1, 1, Leader, 100, Some(200))];
        let two = check_member(&there, &member(2, 2, Leader, 150, None)).unwrap_err();
        assert_eq!(two, TeamFault::TwoLeaders { first: row(1), second: row(2), day: Day(150) });
        assert!(two.vi().contains("tổ trưởng") && is_nfc(&two.vi()));
        assert_eq!(check_member(&there, &member(2, 2, Leader, 200, None)), Ok(()));
        assert_eq!(check_member(&there, &member(2, 2, Deputy, 150, None)), Ok(()));
        assert_eq!(check_member(&[member(1, 1, Deputy, 100, None)], &member(2, 2, Deputy, 100, None)), Ok(()));
    }

    #[test]
    fn a_substitution_keeps_history_and_gives_the_place() {
        let there = [member(1, 1, Leader, 100, None), member(2, 2, Deputy, 100, None)];
        let all = substitute(&there, row(1), row(3), user(2), Day(150)).unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(leader_on(&all, TEAM, Day(149)).map(|member| member.id), Some(row(1)));
        assert_eq!(leader_on(&all, TEAM, Day(150)).map(|member| member.id), Some(row(3)));
        let on = |day| members_on(&all, TEAM, Day(day)).into_iter().map(|member| member.id).collect::<Vec<_>>();
        assert_eq!(on(149), [row(1), row(2)]);
        assert_eq!(on(150), [row(3)], "the deputy became leader, nobody is there twice");
        assert_eq!(on(99), []);
        for (leaving, day) in [(row(9), 150), (row(1), 100), (row(1), 99)] {
            let refused = substitute(&there, leaving, row(3), user(2), Day(day));
            assert_eq!(refused, Err(TeamFault::NotAMember { row: leaving, day: Day(day) }));
        }
        let taken = substitute(&there, row(1), row(2), user(3), Day(150));
        assert_eq!(taken, Err(TeamFault::Exists { row: row(2) }));
    }

    fn visits(days: &[(u8, &str, u32)]) -> Vec<ApprovedVisit> {
        days.iter()
            .map(|(n, day, activities)| ApprovedVisit {
                visit: VisitId(Uuid::from_bytes([*n; 16])),
                day: Day::parse(day).unwrap(),
                activities: *activities,
            })
            .collect()
    }

    #[test]
    fn a_team_of_one_or_without_approved_work_is_inactive() {
        let (month, cut_off, day) = (Month::parse("2026-11").unwrap(), CutOff::default(), Day(20_771));
        let two = [member(1, 1, Leader, 100, None), member(2, 2, Member, 100, None)];
        let worked = visits(&[(1, "2026-11-14", 1)]);
        assert_eq!(inactive(&two, TEAM, day, month, &worked, cut_off), []);
        assert_eq!(inactive(&two[..1], TEAM, day, month, &worked, cut_off), [Inactive::TooFewMembers { found: 1 }]);
        for other in [visits(&[(1, "2026-11-15", 1)]), visits(&[(1, "2026-11-14", 0)])] {
            let found = inactive(&two, TEAM, day, month, &other, cut_off);
            assert_eq!(found, [Inactive::NoApprovedActivity]);
        }
        let both = inactive(&[], TEAM, day, month, &[], cut_off);
        assert_eq!(
            both.iter().map(|reason| reason.code()).collect::<Vec<_>>(),
            ["too_few_members", "no_approved_activity"]
        );
        assert!(both.iter().all(|reason| is_nfc(&reason.vi()) && reason.en().ends_with('.')));
    }

    #[test]
    fn four_approved_visits_of_the_month_earn_the_support() {
        let (month, cut_off) = (Month::parse("2026-11").unwrap(), CutOff::default());
        let mut done = visits(&[
            (1, "2026-10-15", 1),
            (2, "2026-11-14", 3),
            (3, "2026-11-14", 1),
            (3, "2026-11-14", 1),
            (4, "2026-11-15", 1),
            (5, "2026-10-14", 1),
        ]);
        let refused = support_certificate(TEAM, month, &done, SupportTerms::default(), cut_off).unwrap_err();
        assert_eq!((refused.found, refused.missing()), (3, 1));
        assert!(refused.vi().contains("tháng 11/2026, còn thiếu 1") && is_nfc(&refused.vi()), "{}", refused.vi());
        assert!(refused.to_string().contains("3 approved visits in 2026-11, 1 fewer"), "{refused}");
        done.extend(visits(&[(6, "2026-11-01", 1)]));
        let given = support_certificate(TEAM, month, &done, SupportTerms::default(), cut_off).unwrap();
        assert_eq!((given.found, given.amount_vnd, given.team, given.month), (4, 500_000, TEAM, month));
        for (measure, found) in [(Measure::Visits, 4), (Measure::Days, 3), (Measure::Activities, 6)] {
            let terms = SupportTerms { measure, minimum: found, amount_vnd: 1 };
            assert_eq!(support_certificate(TEAM, month, &done, terms, cut_off).map(|given| given.found), Ok(found));
            let more = SupportTerms { minimum: found + 1, ..terms };
            assert!(support_certificate(TEAM, month, &done, more, cut_off).is_err(), "{}", measure.code());
        }
    }

    fn options(options: &[&str]) -> BTreeSet<String> {
        options.iter().map(|&option| option.to_owned()).collect()
    }

    #[test]
    fn a_question_is_right_only_with_exactly_its_options() {
        let right = [options(&["a"]), options(&["b", "c"]), options(&["d"])];
        let of = |chosen: &[BTreeSet<String>]| score(&right, chosen).right;
        assert_eq!(of(&[options(&["a"]), options(&["c", "b"]), options(&["d"])]), 3);
        assert_eq!(of(&[options(&["a", "b"]), options(&["b"]), options(&[])]), 0);
        assert_eq!(of(&[options(&["a"])]), 1);
        assert_eq!(score(&[options(&[])], &[options(&[])]), Score { right: 0, of: 1 });
    }

    #[test]
    fn the_best_attempt_and_their_number_are_kept() {
        let tries = [Score { right: 3, of: 5 }, Score { right: 4, of: 5 }, Score { right: 4, of: 6 }];
        let record = tries.into_iter().fold(QuizRecord::default(), QuizRecord::with);
        assert_eq!(record, QuizRecord { best: Some(Score { right: 4, of: 5 }), attempts: 3 });
        assert!(record.best.unwrap().reaches(80) && !record.best.unwrap().reaches(81));
        assert!(!Score { right: 0, of: 0 }.reaches(0));
    }

    #[test]
    fn a_course_is_completed_with_all_cards_and_the_quiz() {
        let passed = QuizRecord::default().with(Score { right: 4, of: 5 });
        let none = QuizRecord::default();
        for (read, quiz, percent, result) in [
            (0, none, Some(80), "not_started"),
            (1, none, Some(80), "in_progress"),
            (5, none, Some(80), "in_progress"),
            (4, passed, Some(80), "in_progress"),
            (0, passed, Some(80), "in_progress"),
            (5, passed, Some(90), "in_progress"),
            (5, passed, Some(80), "completed"),
            (5, none, None, "completed"),
        ] {
            assert_eq!(course_result(read, 5, quiz, percent).code(), result, "{read} {quiz:?} {percent:?}");
        }
    }

    proptest! {
        /// However rows are entered, no day has two leaders or one person twice.
        #[test]
        fn what_was_entered_one_by_one_never_overlaps(
            rows in proptest::collection::vec((0u8..4, 0usize..3, 0u32..20, proptest::option::of(0u32..25)), 0..14),
        ) {
            let mut all: Vec<Membership> = Vec::new();
            for (n, (who, position, from, to)) in rows.into_iter().enumerate() {
                let new = member(n as u8 + 1, who, Position::ALL[position], from, to);
                let clashes = (0..30).map(Day).any(|day| new.holds_on(day) && all.iter().any(|other| {
                    let two_leaders = other.position == Leader && new.position == Leader;
                    other.holds_on(day) && (other.user == new.user || two_leaders)
                }));
                let is_reversed = to.is_some_and(|to| to <= from);
                prop_assert_eq!(check_member(&all, &new).is_err(), clashes || is_reversed);
                if !clashes && !is_reversed {
                    all.push(new);
                }
            }
            for day in (0..30).map(Day) {
                let members = members_on(&all, TEAM, day);
                let users: BTreeSet<_> = members.iter().map(|member| member.user).collect();
                prop_assert_eq!(users.len(), members.len());
                prop_assert!(members.iter().filter(|member| member.position == Leader).count() <= 1);
            }
        }
    }
}
