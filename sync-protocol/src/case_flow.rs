//! The way of a case from the field: feedback, needs, coverage gaps, frauds, requests about one's own data, duplicates.
//!
//! Open, acknowledged, forwarded, then resolved or rejected, then closed; a closed case may be reopened. Who may take
//! which step, what must be said with it, by when it must be answered, and whether it was.
//! Source: docs/DOMAIN.md §7 and the catalogue's `workflows.case`. Conflicts of two entries are not among them: see
//! `decide`.

use std::collections::BTreeMap;

use crate::access::Role;
use crate::calendar::{CalendarError, DueStatus, Holidays, due_status};
use crate::entity::{CaseFlow, CaseSteps, case};
use crate::ids::{Day, UnitId};
use crate::row::Register;
use crate::text::{TextLimit, check_text, forbidden_numbers};

/// What a case is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CaseKind {
    /// Phản ánh, kiến nghị.
    CitizenFeedback,
    /// A household without a usable device.
    DeviceNeed,
    /// Vùng lõm sóng.
    CoverageGapReport,
    /// An attempted or successful fraud.
    ScamReport,
    /// Somebody asks to see, correct or erase what is kept about them. Handled by the privacy officer.
    DataSubjectRequest,
    /// Two entries that may be one household. Handled by the team leader as well.
    Duplicate,
}

impl CaseKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::CitizenFeedback,
        Self::DeviceNeed,
        Self::CoverageGapReport,
        Self::ScamReport,
        Self::DataSubjectRequest,
        Self::Duplicate,
    ];

    /// The stable code; where the catalogue has such a kind of activity, its code.
    pub fn code(self) -> &'static str {
        match self {
            Self::CitizenFeedback => "citizen_feedback",
            Self::DeviceNeed => "device_need",
            Self::CoverageGapReport => "coverage_gap_report",
            Self::ScamReport => "scam_report",
            Self::DataSubjectRequest => "data_subject_request",
            Self::Duplicate => "duplicate",
        }
    }

    /// Reads the stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whoever may settle it in the commune.
    fn is_handled_by(self, role: Role) -> bool {
        match self {
            Self::DataSubjectRequest => role == Role::PrivacyOfficer,
            Self::Duplicate => matches!(role, Role::TeamLeader | Role::CommuneOfficer),
            _ => role == Role::CommuneOfficer,
        }
    }

    /// Whether the province may answer it once it was forwarded. Never where it would show a person.
    fn goes_to_the_province(self) -> bool {
        !matches!(self, Self::DataSubjectRequest | Self::Duplicate)
    }

    /// Whether a role may open such a case.
    pub fn may_open(self, role: Role) -> bool {
        matches!(role, Role::Member | Role::TeamLeader | Role::CommuneOfficer) || self.is_handled_by(role)
    }
}

/// A case's status.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CaseStatus {
    /// Nobody in charge has looked at it.
    Open,
    /// Somebody in charge has taken it up.
    Acknowledged,
    /// Sent on to whoever can settle it.
    Forwarded,
    /// Answered: settled.
    Resolved,
    /// Answered: it cannot be done.
    Rejected,
    /// The village has the answer.
    Closed,
}

impl CaseStatus {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::Acknowledged, Self::Forwarded, Self::Resolved, Self::Rejected, Self::Closed];

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Forwarded => "forwarded",
            Self::Resolved => "resolved",
            Self::Rejected => "rejected",
            Self::Closed => "closed",
        }
    }

    /// Reads the stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

/// What must be said with a step.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// To whom it goes.
    Receiver,
    /// What the household is told.
    Answer,
    /// Why.
    Reason,
}

impl Needs {
    /// The stable code; empty when nothing is needed.
    pub fn code(self) -> &'static str {
        ["", "receiver", "answer", "reason"][self as usize]
    }

    fn vi(self) -> &'static str {
        ["", "nơi nhận", "câu trả lời", "lý do"][self as usize]
    }

    /// What is written down must be text of our kind, and no place for numbers of persons.
    fn check(self, text: &str) -> Result<(), CaseRefused> {
        let limit = if self == Self::Receiver { TextLimit::NAME } else { TextLimit::NOTE };
        if self == Self::Nothing {
            return Ok(());
        }
        if text.is_empty() {
            return Err(CaseRefused::Missing(self));
        }
        if check_text(text, limit).is_err() {
            return Err(CaseRefused::BadText(self));
        }
        if forbidden_numbers(text).is_empty() { Ok(()) } else { Err(CaseRefused::ForbiddenNumber(self)) }
    }
}

/// Why a case does not move.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CaseRefused {
    /// No step leads there from here.
    #[error("A case that is {} cannot become {}. Reload it and choose one of its next steps.", .0.code(), .1.code())]
    WrongState(CaseStatus, CaseStatus),
    /// The step exists, but not for this role.
    #[error("Your role may not do this. Ask whoever is in charge of such cases.")]
    NotAllowed,
    /// What must be said with the step is missing.
    #[error("The {} is missing. Write it, then send again.", .0.code())]
    Missing(Needs),
    /// Too long, not trimmed, or with characters that no text of ours has.
    #[error("The {} is too long or has characters that cannot be used. Write it again.", .0.code())]
    BadText(Needs),
    /// Holds a personal, telephone or account number.
    #[error("The {} holds a personal, telephone or account number. Remove the number.", .0.code())]
    ForbiddenNumber(Needs),
    /// The step lies before the case's last one.
    #[error("The step is dated before the case's last one. Correct the day.")]
    BackInTime,
}

impl CaseRefused {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::WrongState(..) => "case_wrong_state",
            Self::NotAllowed => "case_not_allowed",
            Self::Missing(_) => "case_text_missing",
            Self::BadText(_) => "case_text_bad",
            Self::ForbiddenNumber(_) => "case_text_forbidden_number",
            Self::BackInTime => "case_back_in_time",
        }
    }

    /// In plain Vietnamese, with what to do.
    pub fn vi(self) -> String {
        match self {
            Self::WrongState(..) => "Vụ việc không còn ở trạng thái cho phép làm việc này. Hãy tải lại vụ việc.".into(),
            Self::NotAllowed => "Vai trò của anh/chị không được làm việc này. Hãy báo người phụ trách.".into(),
            Self::Missing(what) => format!("Còn thiếu {}. Hãy ghi rõ rồi gửi lại.", what.vi()),
            Self::BadText(what) => {
                format!("Nội dung {} quá dài hoặc có ký tự không dùng được. Hãy viết lại.", what.vi())
            }
            Self::ForbiddenNumber(what) => {
                format!("Nội dung {} có số cá nhân, số điện thoại hoặc số tài khoản. Hãy xóa số đó.", what.vi())
            }
            Self::BackInTime => "Ngày xử lý sớm hơn bước trước đó. Hãy sửa lại ngày.".into(),
        }
    }
}

/// Checks one step and says what must be written with it.
///
/// The steps are those of the catalogue's `workflows.case`. Where it names the commune officer, requests about one's
/// own data go to the privacy officer, and duplicates to the team leader too; neither goes to the province, and a
/// duplicate is never forwarded.
///
/// # Errors
/// [`CaseRefused::WrongState`] or [`CaseRefused::NotAllowed`].
pub fn transition(kind: CaseKind, from: CaseStatus, to: CaseStatus, role: Role) -> Result<Needs, CaseRefused> {
    use CaseStatus::*;
    let in_charge = kind.is_handled_by(role);
    let province = role == Role::ProvinceOfficer && kind.goes_to_the_province();
    let team = matches!(role, Role::Member | Role::TeamLeader);
    let (allowed, needs) = match (from, to) {
        (Open, Acknowledged) => (in_charge, Needs::Nothing),
        (Acknowledged, Forwarded) if kind != CaseKind::Duplicate => (in_charge, Needs::Receiver),
        (Acknowledged, Resolved) => (in_charge, Needs::Answer),
        (Acknowledged, Rejected) => (in_charge, Needs::Reason),
        (Forwarded, Resolved) => (in_charge || province, Needs::Answer),
        (Forwarded, Rejected) => (in_charge || province, Needs::Reason),
        (Resolved, Closed) => (in_charge || team, Needs::Nothing),
        (Rejected, Closed) => (in_charge, Needs::Nothing),
        (Closed, Open) => (in_charge, Needs::Reason),
        _ => return Err(CaseRefused::WrongState(from, to)),
    };
    if allowed { Ok(needs) } else { Err(CaseRefused::NotAllowed) }
}

/// One step that was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaseStep {
    /// Where it led.
    pub to: CaseStatus,
    /// On which day.
    pub day: Day,
    /// Receiver, answer or reason; empty when none was needed.
    pub text: String,
}

/// A case and all its steps; none is ever lost. A stored case is read by taking its steps again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    kind: CaseKind,
    unit: UnitId,
    opened: Day,
    steps: Vec<CaseStep>,
}

impl Case {
    /// A new case of a village or commune.
    ///
    /// # Errors
    /// [`CaseRefused::NotAllowed`] when the role may not open such a case.
    pub fn open(kind: CaseKind, unit: UnitId, role: Role, day: Day) -> Result<Self, CaseRefused> {
        if !kind.may_open(role) {
            return Err(CaseRefused::NotAllowed);
        }
        Ok(Self { kind, unit, opened: day, steps: Vec::new() })
    }

    /// Reads a stored case by taking its steps again. `None` when the row is no case from the field, or holds something
    /// that this version does not know.
    pub fn read(register: &Register) -> Option<Self> {
        let flow: CaseFlow = register.group(case::FLOW)?;
        let kind = CaseKind::from_code(&flow.kind)?;
        let mut read = Self::open(kind, flow.unit, Role::from_code(&flow.role)?, flow.opened).ok()?;
        for step in register.group::<CaseSteps>(case::STEPS)?.steps {
            let (to, role) = (CaseStatus::from_code(&step.to)?, Role::from_code(&step.role)?);
            read.advance(to, role, step.text.as_deref().unwrap_or_default(), step.day).ok()?;
        }
        Some(read)
    }

    /// Takes one step. On an error nothing has changed.
    ///
    /// # Errors
    /// A [`CaseRefused`]. `text` must be empty where nothing is needed, else [`CaseRefused::BadText`].
    pub fn advance(&mut self, to: CaseStatus, role: Role, text: &str, day: Day) -> Result<(), CaseRefused> {
        let needs = transition(self.kind, self.status(), to, role)?;
        needs.check(text)?;
        if needs == Needs::Nothing && !text.is_empty() {
            return Err(CaseRefused::BadText(needs));
        }
        if day < self.last_day() {
            return Err(CaseRefused::BackInTime);
        }
        self.steps.push(CaseStep { to, day, text: text.to_owned() });
        Ok(())
    }

    /// What it is about.
    pub fn kind(&self) -> CaseKind {
        self.kind
    }

    /// Where it stands.
    pub fn status(&self) -> CaseStatus {
        self.steps.last().map_or(CaseStatus::Open, |step| step.to)
    }

    /// The steps since it was first opened, in order.
    pub fn steps(&self) -> &[CaseStep] {
        &self.steps
    }

    /// How often it was reopened.
    pub fn reopened_count(&self) -> usize {
        self.steps.iter().filter(|step| step.to == CaseStatus::Open).count()
    }

    /// To whom it was last forwarded.
    pub fn receiver(&self) -> Option<&str> {
        self.last(&[CaseStatus::Forwarded]).map(|step| step.text.as_str())
    }

    /// The answer since it was last opened: of `resolved` or `rejected`.
    pub fn answer(&self) -> Option<&CaseStep> {
        self.last(&[CaseStatus::Resolved, CaseStatus::Rejected])
    }

    /// The day of the last step, or on which it was opened.
    pub fn last_day(&self) -> Day {
        self.steps.last().map_or(self.opened, |step| step.day)
    }

    /// The day from which the deadline runs: when it was opened, or last reopened.
    pub fn runs_from(&self) -> Day {
        self.steps.iter().rev().find(|step| step.to == CaseStatus::Open).map_or(self.opened, |step| step.day)
    }

    fn last(&self, statuses: &[CaseStatus]) -> Option<&CaseStep> {
        let since_open = self.steps.iter().rev().take_while(|step| step.to != CaseStatus::Open);
        since_open.into_iter().find(|step| statuses.contains(&step.to))
    }

    /// The last day on which an answer is in time.
    ///
    /// # Errors
    /// [`CalendarError::HolidaysUnknown`].
    pub fn due(&self, terms: &CaseTerms, holidays: &Holidays) -> Result<Day, CalendarError> {
        holidays.add_working_days(self.runs_from(), terms.working_days(self.kind, self.unit))
    }

    /// Whether it was answered in time, or how the deadline stands. Being forwarded stops no clock.
    ///
    /// # Errors
    /// [`CalendarError::HolidaysUnknown`].
    pub fn timeliness(
        &self,
        terms: &CaseTerms,
        holidays: &Holidays,
        today: Day,
        soon_days: u32,
    ) -> Result<Timeliness, CalendarError> {
        let due = self.due(terms, holidays)?;
        Ok(match self.answer() {
            Some(answer) if answer.day <= due => Timeliness::OnTime,
            Some(_) => Timeliness::Late,
            None => Timeliness::Pending(due_status(due, today, soon_days)),
        })
    }
}

/// Whether a case was answered in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timeliness {
    /// Not answered yet; how its deadline stands.
    Pending(DueStatus),
    /// Answered by the last day.
    OnTime,
    /// Answered after it.
    Late,
}

/// How many working days there are for an answer, per kind and unit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CaseTerms {
    /// What a unit set for itself.
    pub of_unit: BTreeMap<(UnitId, CaseKind), u32>,
    /// What holds for all units.
    pub of_kind: BTreeMap<CaseKind, u32>,
}

impl CaseTerms {
    /// Working days when nothing else is set.
    pub const DEFAULT: u32 = 5;
    /// Working days that the law gives for a request about one's own data; a unit may set fewer, never more.
    pub const DATA_SUBJECT_MAX: u32 = 2;

    /// The working days for a kind in a unit: the unit's own, else those of the kind, else the default.
    pub fn working_days(&self, kind: CaseKind, unit: UnitId) -> u32 {
        let set = self.of_unit.get(&(unit, kind)).or_else(|| self.of_kind.get(&kind)).copied();
        let days = set.unwrap_or(Self::DEFAULT);
        if kind == CaseKind::DataSubjectRequest { days.min(Self::DATA_SUBJECT_MAX) } else { days }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::is_nfc;
    use uuid::Uuid;

    use super::*;

    const UNIT: UnitId = UnitId(Uuid::from_bytes([1; 16]));

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    /// The steps of each kind: from, to, what is needed, the roles that may take it.
    fn table(kind: CaseKind) -> Vec<(&'static str, &'static str, &'static str, &'static [&'static str])> {
        match kind {
            CaseKind::DataSubjectRequest => vec![
                ("open", "acknowledged", "", &["privacy_officer"]),
                ("acknowledged", "forwarded", "receiver", &["privacy_officer"]),
                ("acknowledged", "resolved", "answer", &["privacy_officer"]),
                ("acknowledged", "rejected", "reason", &["privacy_officer"]),
                ("forwarded", "resolved", "answer", &["privacy_officer"]),
                ("forwarded", "rejected", "reason", &["privacy_officer"]),
                ("resolved", "closed", "", &["member", "team_leader", "privacy_officer"]),
                ("rejected", "closed", "", &["privacy_officer"]),
                ("closed", "open", "reason", &["privacy_officer"]),
            ],
            CaseKind::Duplicate => vec![
                ("open", "acknowledged", "", &["team_leader", "commune_officer"]),
                ("acknowledged", "resolved", "answer", &["team_leader", "commune_officer"]),
                ("acknowledged", "rejected", "reason", &["team_leader", "commune_officer"]),
                ("forwarded", "resolved", "answer", &["team_leader", "commune_officer"]),
                ("forwarded", "rejected", "reason", &["team_leader", "commune_officer"]),
                ("resolved", "closed", "", &["member", "team_leader", "commune_officer"]),
                ("rejected", "closed", "", &["team_leader", "commune_officer"]),
                ("closed", "open", "reason", &["team_leader", "commune_officer"]),
            ],
            _ => vec![
                ("open", "acknowledged", "", &["commune_officer"]),
                ("acknowledged", "forwarded", "receiver", &["commune_officer"]),
                ("acknowledged", "resolved", "answer", &["commune_officer"]),
                ("acknowledged", "rejected", "reason", &["commune_officer"]),
                ("forwarded", "resolved", "answer", &["commune_officer", "province_officer"]),
                ("forwarded", "rejected", "reason", &["commune_officer", "province_officer"]),
                ("resolved", "closed", "", &["member", "team_leader", "commune_officer"]),
                ("rejected", "closed", "", &["commune_officer"]),
                ("closed", "open", "reason", &["commune_officer"]),
            ],
        }
    }

    #[test]
    fn every_step_of_every_kind_is_for_the_roles_of_its_table_and_no_others() {
        for kind in CaseKind::ALL {
            let rows = table(kind);
            for from in CaseStatus::ALL {
                for to in CaseStatus::ALL {
                    let row = rows.iter().find(|row| (row.0, row.1) == (from.code(), to.code()));
                    for role in Role::ALL {
                        let found = transition(kind, from, to, role);
                        match row {
                            None => assert_eq!(found, Err(CaseRefused::WrongState(from, to))),
                            Some((.., by)) if !by.contains(&role.code()) => {
                                assert_eq!(found, Err(CaseRefused::NotAllowed), "{kind:?} {from:?} {to:?} {role:?}");
                            }
                            Some((_, _, needs, _)) => {
                                assert_eq!(found.map(Needs::code), Ok(*needs), "{kind:?} {from:?} {to:?} {role:?}");
                            }
                        }
                    }
                }
            }
        }
    }

    /// The shipped catalogue states the workflow for its kinds; the code must say exactly the same.
    #[test]
    fn the_catalogue_states_the_same_steps() {
        let catalogue: serde_json::Value =
            serde_json::from_str(include_str!("../data/activity-catalogue.json")).unwrap();
        let mut stated: Vec<_> = catalogue["workflows"]["case"]["transitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let by: Vec<_> = row["by"].as_array().unwrap().iter().map(|role| role.as_str().unwrap()).collect();
                let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
                (text("from"), text("to"), text("needs"), by)
            })
            .collect();
        let mut ours: Vec<_> = table(CaseKind::CitizenFeedback)
            .into_iter()
            .map(|(from, to, needs, by)| (from.to_owned(), to.to_owned(), needs.to_owned(), by.to_vec()))
            .collect();
        stated.sort();
        ours.sort();
        assert_eq!(stated, ours);
        for kind in catalogue["kinds"].as_array().unwrap().iter().filter(|kind| kind["workflow"] == "case") {
            assert!(CaseKind::from_code(kind["code"].as_str().unwrap()).is_some(), "{}", kind["code"]);
        }
    }

    #[test]
    fn teams_and_those_in_charge_open_cases() {
        for kind in CaseKind::ALL {
            for role in Role::ALL {
                let may = matches!(role, Role::Member | Role::TeamLeader | Role::CommuneOfficer)
                    || (kind == CaseKind::DataSubjectRequest && role == Role::PrivacyOfficer);
                assert_eq!(Case::open(kind, UNIT, role, Day(20_000)).is_ok(), may, "{kind:?} {role:?}");
            }
        }
    }

    fn answered(on: &str) -> Case {
        let mut case = Case::open(CaseKind::CitizenFeedback, UNIT, Role::Member, day("2026-11-06")).unwrap();
        case.advance(CaseStatus::Acknowledged, Role::CommuneOfficer, "", day("2026-11-09")).unwrap();
        case.advance(CaseStatus::Forwarded, Role::CommuneOfficer, "Phòng Kinh tế", day("2026-11-10")).unwrap();
        case.advance(CaseStatus::Resolved, Role::ProvinceOfficer, "Đã sửa đường truyền.", day(on)).unwrap();
        case
    }

    #[test]
    fn an_answer_is_in_time_up_to_the_fifth_working_day() {
        let (terms, holidays, today) = (CaseTerms::default(), Holidays::shipped(), day("2026-11-20"));
        assert_eq!(answered("2026-11-13").due(&terms, holidays), Ok(day("2026-11-13")));
        for (on, expected) in [("2026-11-13", Timeliness::OnTime), ("2026-11-14", Timeliness::Late)] {
            assert_eq!(answered(on).timeliness(&terms, holidays, today, 2), Ok(expected), "{on}");
        }
        let open = Case::open(CaseKind::DeviceNeed, UNIT, Role::Member, day("2026-11-06")).unwrap();
        for (today, expected) in [
            ("2026-11-06", DueStatus::Open),
            ("2026-11-11", DueStatus::DueSoon),
            ("2026-11-13", DueStatus::DueSoon),
            ("2026-11-14", DueStatus::Overdue),
        ] {
            let found = open.timeliness(&terms, holidays, day(today), 2);
            assert_eq!(found, Ok(Timeliness::Pending(expected)), "{today}");
        }
        let late_in_the_year = Case::open(CaseKind::DeviceNeed, UNIT, Role::Member, day("2026-12-28")).unwrap();
        let unknown = late_in_the_year.timeliness(&terms, holidays, today, 2);
        assert_eq!(unknown.unwrap_err().code(), "holidays_unknown");
    }

    #[test]
    fn a_reopened_case_runs_anew_and_keeps_its_first_answer() {
        let mut case = answered("2026-11-12");
        assert_eq!(case.receiver(), Some("Phòng Kinh tế"));
        case.advance(CaseStatus::Closed, Role::TeamLeader, "", day("2026-11-13")).unwrap();
        let by_team = case.advance(CaseStatus::Open, Role::TeamLeader, "Vẫn mất sóng.", day("2026-11-16"));
        assert_eq!(by_team, Err(CaseRefused::NotAllowed));
        let no_reason = case.advance(CaseStatus::Open, Role::CommuneOfficer, "", day("2026-11-16"));
        assert_eq!(no_reason, Err(CaseRefused::Missing(Needs::Reason)));
        assert_eq!(case.reopened_count(), 0);
        case.advance(CaseStatus::Open, Role::CommuneOfficer, "Vẫn mất sóng.", day("2026-11-16")).unwrap();
        assert_eq!((case.reopened_count(), case.status()), (1, CaseStatus::Open));
        assert_eq!((case.answer(), case.receiver()), (None, None));
        assert_eq!(case.due(&CaseTerms::default(), Holidays::shipped()), Ok(day("2026-11-23")));
        assert!(case.steps().iter().any(|step| step.text == "Đã sửa đường truyền."));
        assert_eq!(case.kind(), CaseKind::CitizenFeedback);
    }

    #[test]
    fn what_is_written_is_checked() {
        let mut case = Case::open(CaseKind::ScamReport, UNIT, Role::Member, day("2026-11-06")).unwrap();
        let before = case.clone();
        let officer = Role::CommuneOfficer;
        let stray = case.advance(CaseStatus::Acknowledged, officer, "thừa", day("2026-11-06"));
        assert_eq!(stray, Err(CaseRefused::BadText(Needs::Nothing)));
        let early = case.advance(CaseStatus::Acknowledged, officer, "", day("2026-11-05"));
        assert_eq!(early, Err(CaseRefused::BackInTime));
        assert_eq!(case, before, "a refused step changes nothing");
        case.advance(CaseStatus::Acknowledged, officer, "", day("2026-11-06")).unwrap();
        for (to, text, expected) in [
            (CaseStatus::Resolved, "", CaseRefused::Missing(Needs::Answer)),
            (CaseStatus::Rejected, "", CaseRefused::Missing(Needs::Reason)),
            (CaseStatus::Forwarded, "", CaseRefused::Missing(Needs::Receiver)),
            (CaseStatus::Resolved, " ", CaseRefused::BadText(Needs::Answer)),
            (CaseStatus::Resolved, "Gọi 0912345678", CaseRefused::ForbiddenNumber(Needs::Answer)),
        ] {
            let found = case.advance(to, officer, text, day("2026-11-06")).unwrap_err();
            assert_eq!(found, expected);
            assert!(is_nfc(&found.vi()) && found.code().starts_with("case_") && found.to_string().ends_with('.'));
        }
    }

    #[test]
    fn terms_are_set_per_unit_and_kind_but_the_law_caps_requests() {
        let other = UnitId(Uuid::from_bytes([2; 16]));
        let mut terms = CaseTerms::default();
        assert_eq!(terms.working_days(CaseKind::ScamReport, UNIT), 5);
        assert_eq!(terms.working_days(CaseKind::DataSubjectRequest, UNIT), 2);
        terms.of_kind.insert(CaseKind::ScamReport, 3);
        terms.of_unit.insert((UNIT, CaseKind::ScamReport), 1);
        terms.of_unit.insert((UNIT, CaseKind::DataSubjectRequest), 10);
        assert_eq!(terms.working_days(CaseKind::ScamReport, UNIT), 1);
        assert_eq!(terms.working_days(CaseKind::ScamReport, other), 3);
        assert_eq!(terms.working_days(CaseKind::DataSubjectRequest, UNIT), 2);
        terms.of_unit.insert((UNIT, CaseKind::DataSubjectRequest), 1);
        assert_eq!(terms.working_days(CaseKind::DataSubjectRequest, UNIT), 1);
    }

    proptest! {
        /// Whatever is tried, the case only ever stands where its table leads, and an answered case has an answer.
        #[test]
        fn no_case_leaves_its_table(
            tries in proptest::collection::vec((0usize..6, 0usize..8, any::<bool>()), 0..40), kind in 0usize..6,
        ) {
            let kind = CaseKind::ALL[kind];
            let mut case = Case::open(kind, UNIT, Role::Member, Day(20_000)).unwrap();
            for (to, role, says) in tries {
                let before = case.status();
                let text = if says { "Lý do" } else { "" };
                if case.advance(CaseStatus::ALL[to], Role::ALL[role], text, Day(20_000)).is_ok() {
                    let step = (before.code(), case.status().code());
                    let row = table(kind).into_iter().find(|row| (row.0, row.1) == step);
                    prop_assert_eq!(row.map(|row| row.2.is_empty()), Some(!says));
                }
                let is_answered =
                    matches!(case.status(), CaseStatus::Resolved | CaseStatus::Rejected | CaseStatus::Closed);
                prop_assert_eq!(case.answer().is_some(), is_answered);
                prop_assert_eq!(CaseStatus::from_code(case.status().code()), Some(case.status()));
            }
        }
    }
}
