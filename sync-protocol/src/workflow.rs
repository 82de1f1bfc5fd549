//! Who may move a visit on, and to where. Source: docs/DOMAIN.md §6 and the catalogue's `workflows.visit`.

use crate::access::Role;

/// A visit's status.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum VisitStatus {
    /// Somebody is to go. Lives in a plan. Next: in progress or cancelled.
    Planned,
    /// Being written; lives on the phone as a draft. Next: done.
    InProgress,
    /// Recorded, not yet handed in. Next: submitted, or in progress again.
    Done,
    /// Handed in; the team can no longer change it. Next: returned or approved.
    Submitted,
    /// Sent back with reasons. Next: in progress.
    Returned,
    /// Approved by the commune. Next: returned, while the period is open.
    Approved,
    /// A plan that was called off. Final.
    Cancelled,
}

impl VisitStatus {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Planned, Self::InProgress, Self::Done, Self::Submitted, Self::Returned, Self::Approved, Self::Cancelled];

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::InProgress => "in_progress",
            Self::Done => "done",
            Self::Submitted => "submitted",
            Self::Returned => "returned",
            Self::Approved => "approved",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

/// Why a visit, or a recognition, may not move on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// No transition leads there from here.
    WrongState,
    /// The transition exists, but not for this role.
    NotAllowed,
    /// The reporting month is closed.
    PeriodClosed,
}

/// Checks one transition.
///
/// `period_open` matters only for taking an approval back.
pub fn transition(from: VisitStatus, to: VisitStatus, role: Role, period_open: bool) -> Result<(), Refused> {
    use VisitStatus::*;
    let team = matches!(role, Role::Member | Role::TeamLeader);
    let allowed = match (from, to) {
        (Planned, InProgress | Cancelled)
        | (InProgress, Done)
        | (Done, InProgress | Submitted)
        | (Returned, InProgress) => team,
        (Submitted, Returned) => matches!(role, Role::TeamLeader | Role::CommuneOfficer),
        (Submitted, Approved) => role == Role::CommuneOfficer,
        (Approved, Returned) => {
            if role == Role::CommuneOfficer && !period_open {
                return Err(Refused::PeriodClosed);
            }
            role == Role::CommuneOfficer
        }
        _ => return Err(Refused::WrongState),
    };
    if allowed { Ok(()) } else { Err(Refused::NotAllowed) }
}

/// Checks the way that a correction takes: reopen, write, finish, and hand in if wanted. Gives the status it ends in.
pub fn correction(from: VisitStatus, role: Role, submit: bool) -> Result<VisitStatus, Refused> {
    use VisitStatus::*;
    transition(from, InProgress, role, true)?;
    transition(InProgress, Done, role, true)?;
    if submit {
        transition(Done, Submitted, role, true)?;
    }
    Ok(if submit { Submitted } else { Done })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shipped catalogue states the workflow; the code must say exactly the same.
    #[test]
    fn the_code_and_the_catalogue_allow_the_same_transitions() {
        let catalogue: serde_json::Value =
            serde_json::from_str(include_str!("../data/activity-catalogue.json")).unwrap();
        let rows = catalogue["workflows"]["visit"]["transitions"].as_array().unwrap();
        for from in VisitStatus::ALL {
            for to in VisitStatus::ALL {
                let row = rows.iter().find(|row| row["from"] == from.code() && row["to"] == to.code());
                for role in Role::ALL {
                    let by_file =
                        row.is_some_and(|row| row["by"].as_array().unwrap().iter().any(|by| by == role.code()));
                    assert_eq!(transition(from, to, role, true).is_ok(), by_file, "{from:?} -> {to:?} by {role:?}");
                }
                let only_while_open = row.is_some_and(|row| row["only_if"] == "reporting period still open");
                let closed = transition(from, to, Role::CommuneOfficer, false) == Err(Refused::PeriodClosed);
                assert_eq!(closed, only_while_open, "{from:?} -> {to:?}");
            }
        }
    }

    #[test]
    fn a_visit_in_review_cannot_be_corrected() {
        assert_eq!(correction(VisitStatus::Submitted, Role::Member, true), Err(Refused::WrongState));
        assert_eq!(correction(VisitStatus::Approved, Role::TeamLeader, true), Err(Refused::WrongState));
        assert_eq!(correction(VisitStatus::Returned, Role::Member, true), Ok(VisitStatus::Submitted));
        assert_eq!(correction(VisitStatus::Done, Role::Member, false), Ok(VisitStatus::Done));
        assert_eq!(correction(VisitStatus::Returned, Role::CommuneOfficer, true), Err(Refused::NotAllowed));
    }
}
