//! The way of a recognition: proposed, verified, then granted or refused; what was granted may be revoked.
//!
//! Source: docs/DOMAIN.md §10.

use crate::access::Role;
use crate::workflow::Refused;

/// As what somebody is recognised.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum What {
    /// Công dân số.
    DigitalCitizen,
    /// Xã chuyển đổi số.
    DigitalCommune,
}

impl What {
    /// The stable code.
    pub fn code(self) -> &'static str {
        ["digital_citizen", "digital_commune"][self as usize]
    }

    /// Reads the stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::DigitalCitizen, Self::DigitalCommune].into_iter().find(|what| what.code() == code)
    }

    /// Whether a role may propose it: the team a person, the commune itself.
    pub fn may_propose(self, role: Role) -> bool {
        match self {
            Self::DigitalCitizen => matches!(role, Role::Member | Role::TeamLeader),
            Self::DigitalCommune => role == Role::CommuneOfficer,
        }
    }
}

/// Where a recognition stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Status {
    /// Somebody asks for it.
    Proposed,
    /// The criteria were looked at.
    Verified,
    /// It holds.
    Granted,
    /// It was not given.
    Refused,
    /// It was taken back.
    Revoked,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Proposed, Self::Verified, Self::Granted, Self::Refused, Self::Revoked];

    /// The stable code.
    pub fn code(self) -> &'static str {
        ["proposed", "verified", "granted", "refused", "revoked"][self as usize]
    }

    /// Reads the stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

/// What must be said with a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Number and day of the decision.
    Decision,
    /// Why.
    Reason,
}

/// Checks one step and says what must be said with it. A person's is verified by the team leader and granted by the
/// commune; a commune's is appraised by the province throughout.
///
/// # Errors
/// [`Refused::WrongState`] or [`Refused::NotAllowed`].
pub fn transition(what: What, from: Status, to: Status, role: Role) -> Result<Needs, Refused> {
    use Status::{Granted, Proposed, Revoked, Verified};
    let (verifier, granter) = match what {
        What::DigitalCitizen => (Role::TeamLeader, Role::CommuneOfficer),
        What::DigitalCommune => (Role::ProvinceOfficer, Role::ProvinceOfficer),
    };
    let (by, needs) = match (from, to) {
        (Proposed, Verified) => (verifier, Needs::Nothing),
        (Verified, Granted) => (granter, Needs::Decision),
        (Verified, Status::Refused) | (Granted, Revoked) => (granter, Needs::Reason),
        _ => return Err(Refused::WrongState),
    };
    if role == by { Ok(needs) } else { Err(Refused::NotAllowed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_these_and_no_others() {
        let steps = |what| -> Vec<(&str, &str, &str, Needs)> {
            let mut found = Vec::new();
            for (from, to) in Status::ALL.iter().flat_map(|from| Status::ALL.map(|to| (*from, to))) {
                for role in Role::ALL {
                    if let Ok(needs) = transition(what, from, to, role) {
                        found.push((from.code(), to.code(), role.code(), needs));
                    }
                }
            }
            found
        };
        let table = |verifier, granter| {
            vec![
                ("proposed", "verified", verifier, Needs::Nothing),
                ("verified", "granted", granter, Needs::Decision),
                ("verified", "refused", granter, Needs::Reason),
                ("granted", "revoked", granter, Needs::Reason),
            ]
        };
        assert_eq!(steps(What::DigitalCitizen), table("team_leader", "commune_officer"));
        assert_eq!(steps(What::DigitalCommune), table("province_officer", "province_officer"));
        for what in [What::DigitalCitizen, What::DigitalCommune] {
            assert_eq!(What::from_code(what.code()), Some(what));
        }
        for status in Status::ALL {
            assert_eq!(Status::from_code(status.code()), Some(status));
        }
        let early = transition(What::DigitalCitizen, Status::Proposed, Status::Granted, Role::CommuneOfficer);
        assert_eq!(early, Err(Refused::WrongState));
    }
}
