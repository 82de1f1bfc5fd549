//! Who may do what where. One function decides; default is no.
//!
//! The server builds a `Principal` from its store for every request (roles and scopes are in no token); the phone builds
//! one from what the control frame told it, for predictions. Source: docs/DOMAIN.md §2, security decisions in docs/SECURITY.

use std::collections::BTreeSet;

use crate::ids::{ScopeId, ServerMs, UserId};

/// What a grant makes somebody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Thành viên tổ.
    Member,
    /// Tổ trưởng.
    TeamLeader,
    /// Cán bộ chuyển đổi số cấp xã.
    CommuneOfficer,
    /// Cán bộ cấp huyện; reads only, ended with the districts.
    DistrictOfficer,
    /// Cán bộ cấp tỉnh; aggregates, no person data.
    ProvinceOfficer,
    /// Người phụ trách bảo vệ dữ liệu cá nhân.
    PrivacyOfficer,
    /// Kiểm tra, giám sát; reads only.
    Auditor,
    /// Quản trị; no person data.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Member,
        Self::TeamLeader,
        Self::CommuneOfficer,
        Self::DistrictOfficer,
        Self::ProvinceOfficer,
        Self::PrivacyOfficer,
        Self::Auditor,
        Self::Admin,
    ];

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::TeamLeader => "team_leader",
            Self::CommuneOfficer => "commune_officer",
            Self::DistrictOfficer => "district_officer",
            Self::ProvinceOfficer => "province_officer",
            Self::PrivacyOfficer => "privacy_officer",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    /// Reads the stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }

    /// Whether rows about households and visits are sent to a holder's phone.
    pub fn reads_rows(self) -> bool {
        matches!(self, Self::Member | Self::TeamLeader | Self::CommuneOfficer)
    }
}

/// The scope of an admin's grant: the installation itself.
pub const INSTALLATION: ScopeId = ScopeId(uuid::Uuid::nil());

/// How long work done under a grant that has ended since is still taken, in milliseconds: 30 days (docs/PROTOCOL.md, D8).
pub const LATE_GRACE_MS: u64 = 30 * 86_400_000;

/// One role in one scope, expanded from a grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holding {
    /// Where.
    pub scope: ScopeId,
    /// What.
    pub role: Role,
    /// When it ended, if it did.
    pub ended: Option<Ended>,
}

/// The end of a holding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// The revision of the user's grants that took it away.
    pub rev: u64,
    /// When, by the server's clock.
    pub at: ServerMs,
}

/// Who is asking, with everything they hold or lately held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Principal {
    /// The user.
    pub user: UserId,
    /// Revision of the user's grants.
    pub grants_rev: u64,
    /// What they hold or held.
    pub holdings: Vec<Holding>,
}

/// What somebody wants to do. A new action does not compile until `authorise` decides it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    /// Read households, visits, plans and cases of a scope.
    ReadRows,
    /// Read counts without persons.
    ReadCounts,
    /// Read units and teams.
    ReadTeams,
    /// Enter a household.
    EnterHousehold,
    /// Change a household; also who sees the names of a place.
    WriteHousehold,
    /// Send a household to another village, or take one in.
    MoveHousehold,
    /// Merge households, or undo it.
    MergeHousehold,
    /// Enter or change a person.
    WritePerson,
    /// Enter or change a business or a product.
    WriteBusiness,
    /// Enter or change a market.
    WriteMarket,
    /// Record, correct, hand in or void a visit.
    WriteVisit,
    /// Plan a visit.
    WritePlan,
    /// Send a visit back.
    ReturnVisit,
    /// Approve a visit.
    ApproveVisit,
    /// Settle a conflict case.
    ResolveCase,
    /// Enter or change a unit.
    WriteUnit,
    /// Set up or change a team and its members.
    WriteTeam,
    /// Give or take a role inside a team.
    GrantTeamRole,
    /// Give or take any other role.
    GrantOfficeRole,
    /// Enter an account, set its password, revoke its devices.
    WriteUser,
    /// Give out a code that brings a member's phone in.
    GiveCode,
    /// Open or close a reporting month.
    SetPeriod,
    /// Open a case from the field. Which kinds: `CaseKind::may_open`.
    OpenCase,
    /// Take a case from the field one step on. Which steps: `case_flow::transition`.
    AdvanceCase,
    /// Run a campaign, or add a target to one.
    WriteCampaign,
    /// Set a target.
    WriteTarget,
    /// Enter a base number, or type a number for a period.
    WriteFigures,
    /// Propose a person or a commune for recognition.
    ProposeRecognition,
    /// Take a recognition one step on. Which steps: `recognition_flow::transition`.
    AdvanceRecognition,
    /// Write and hand in a report.
    WriteReport,
    /// Return or accept a report.
    ReviewReport,
    /// Enter a course that was held.
    RecordCourse,
    /// Enter one's own attempt at a course's quiz.
    WriteOwnResult,
    /// Sign that a team was active in a month, or take the signature back.
    SignSupport,
}

/// The answer, with the role that gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Yes.
    Allowed(Role),
    /// The grant has ended, but the op is honest work from before: take it, and say so.
    Late(Role),
    /// No.
    Denied,
}

impl Access {
    /// The role, unless denied.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Allowed(role) | Self::Late(role) => Some(role),
            Self::Denied => None,
        }
    }
}

fn may(role: Role, action: Action) -> bool {
    use Action::*;
    use Role::*;
    match action {
        ReadRows => matches!(role, Member | TeamLeader | CommuneOfficer | Auditor),
        ReadCounts => !matches!(role, Admin | PrivacyOfficer),
        ReadTeams => true,
        // The commune enters the list of its households; names and what is done there are the team's.
        EnterHousehold => matches!(role, Member | TeamLeader | CommuneOfficer),
        WriteHousehold | WritePerson | WriteBusiness | WriteVisit | WritePlan => matches!(role, Member | TeamLeader),
        MoveHousehold | MergeHousehold | ResolveCase => matches!(role, TeamLeader | CommuneOfficer),
        ReturnVisit => matches!(role, TeamLeader | CommuneOfficer),
        ApproveVisit | SetPeriod | WriteMarket => matches!(role, CommuneOfficer),
        WriteUnit | WriteTeam | GrantTeamRole | WriteUser => matches!(role, CommuneOfficer | Admin),
        GiveCode => matches!(role, TeamLeader | CommuneOfficer | Admin),
        GrantOfficeRole => matches!(role, Admin),
        OpenCase => matches!(role, Member | TeamLeader | CommuneOfficer | PrivacyOfficer),
        AdvanceCase => matches!(role, Member | TeamLeader | CommuneOfficer | ProvinceOfficer | PrivacyOfficer),
        WriteFigures | SignSupport => matches!(role, CommuneOfficer),
        WriteCampaign | WriteTarget | ReviewReport | RecordCourse => matches!(role, CommuneOfficer | ProvinceOfficer),
        ProposeRecognition => matches!(role, Member | TeamLeader | CommuneOfficer),
        AdvanceRecognition | WriteReport => matches!(role, TeamLeader | CommuneOfficer | ProvinceOfficer),
        WriteOwnResult => matches!(role, Member | TeamLeader),
    }
}

/// What a person may have done in good faith before they learned that their grant had ended. Everything else (roles,
/// teams, units, months, reviews, moves) gets no grace: the revision on an op is only what its device claims.
fn is_field_work(action: Action) -> bool {
    use Action::*;
    matches!(action, EnterHousehold | WriteHousehold | WritePerson | WriteBusiness | WriteVisit | WritePlan | OpenCase)
}

/// Decides whether a principal may act in a scope.
///
/// `op_rev` is the revision stamped on the op (`None` for reads and desk work, which get no grace); `now` is the server's
/// clock. The strongest role that may do it answers. An admin's grant holds everywhere, for what an admin may do.
pub fn authorise(principal: &Principal, action: Action, scope: ScopeId, op_rev: Option<u64>, now: ServerMs) -> Access {
    let mut best = Access::Denied;
    for access in answers(principal, action, scope, op_rev, now) {
        best = match (best, access) {
            (Access::Allowed(a), Access::Allowed(b)) => Access::Allowed(a.max(b)),
            (Access::Late(a), Access::Late(b)) => Access::Late(a.max(b)),
            (Access::Allowed(_), _) => best,
            _ => access,
        };
    }
    best
}

/// Every role by which a principal may act in a scope, for workflows in which a stronger role is not a wider one. The
/// arguments are those of [`authorise`].
pub fn roles(
    principal: &Principal,
    action: Action,
    scope: ScopeId,
    op_rev: Option<u64>,
    now: ServerMs,
) -> BTreeSet<Role> {
    answers(principal, action, scope, op_rev, now).filter_map(Access::role).collect()
}

/// What each holding answers, where it does not deny.
fn answers(
    principal: &Principal,
    action: Action,
    scope: ScopeId,
    op_rev: Option<u64>,
    now: ServerMs,
) -> impl Iterator<Item = Access> {
    principal.holdings.iter().filter_map(move |holding| {
        let here = holding.scope == scope || (holding.role == Role::Admin && holding.scope == INSTALLATION);
        if !here || !may(holding.role, action) {
            return None;
        }
        match (holding.ended, op_rev) {
            (None, _) => Some(Access::Allowed(holding.role)),
            (Some(ended), Some(rev))
                if is_field_work(action) && rev < ended.rev && now.0 <= ended.at.0.saturating_add(LATE_GRACE_MS) =>
            {
                Some(Access::Late(holding.role))
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn principal(holdings: Vec<Holding>) -> Principal {
        Principal { user: UserId(Uuid::from_bytes([1; 16])), grants_rev: 9, holdings }
    }
    fn scope(n: u8) -> ScopeId {
        ScopeId(Uuid::from_bytes([n; 16]))
    }

    #[test]
    fn a_role_holds_only_in_its_scope() {
        let member = principal(vec![Holding { scope: scope(1), role: Role::Member, ended: None }]);
        let now = ServerMs(0);
        assert_eq!(authorise(&member, Action::WriteVisit, scope(1), None, now), Access::Allowed(Role::Member));
        assert_eq!(authorise(&member, Action::WriteVisit, scope(2), None, now), Access::Denied);
        assert_eq!(authorise(&member, Action::ApproveVisit, scope(1), None, now), Access::Denied);
    }

    #[test]
    fn work_from_before_a_grant_ended_is_taken_for_thirty_days_and_no_longer() {
        let ended = Some(Ended { rev: 8, at: ServerMs(1_000) });
        let moved = principal(vec![Holding { scope: scope(1), role: Role::Member, ended }]);
        let ask = |rev, now| authorise(&moved, Action::WriteVisit, scope(1), rev, ServerMs(now));
        assert_eq!(ask(Some(7), 1_000 + LATE_GRACE_MS), Access::Late(Role::Member));
        assert_eq!(ask(Some(7), 1_001 + LATE_GRACE_MS), Access::Denied);
        assert_eq!(ask(Some(8), 2_000), Access::Denied);
        assert_eq!(ask(None, 2_000), Access::Denied);
    }

    #[test]
    fn only_field_work_outlives_a_grant() {
        let ended = Some(Ended { rev: 8, at: ServerMs(1_000) });
        for role in Role::ALL {
            let former = principal(vec![Holding { scope: scope(1), role, ended }]);
            for action in [
                Action::ReturnVisit,
                Action::ApproveVisit,
                Action::ResolveCase,
                Action::MoveHousehold,
                Action::MergeHousehold,
                Action::WriteMarket,
                Action::WriteUnit,
                Action::WriteTeam,
                Action::GrantTeamRole,
                Action::GrantOfficeRole,
                Action::WriteUser,
                Action::SetPeriod,
                Action::AdvanceCase,
                Action::WriteCampaign,
                Action::WriteTarget,
                Action::WriteFigures,
                Action::ProposeRecognition,
                Action::AdvanceRecognition,
                Action::WriteReport,
                Action::ReviewReport,
                Action::RecordCourse,
                Action::WriteOwnResult,
                Action::SignSupport,
            ] {
                assert_eq!(
                    authorise(&former, action, scope(1), Some(1), ServerMs(2_000)),
                    Access::Denied,
                    "{action:?}"
                );
            }
        }
    }

    #[test]
    fn an_admin_administers_everywhere_and_reads_no_person() {
        let admin = principal(vec![Holding { scope: INSTALLATION, role: Role::Admin, ended: None }]);
        assert_eq!(authorise(&admin, Action::WriteTeam, scope(3), None, ServerMs(0)), Access::Allowed(Role::Admin));
        assert_eq!(authorise(&admin, Action::ReadRows, scope(3), None, ServerMs(0)), Access::Denied);
    }

    #[test]
    fn only_an_admin_of_the_installation_acts_outside_a_scope() {
        for (held, role) in [(INSTALLATION, Role::CommuneOfficer), (scope(1), Role::Admin)] {
            let who = principal(vec![Holding { scope: held, role, ended: None }]);
            assert_eq!(authorise(&who, Action::WriteTeam, scope(3), None, ServerMs(0)), Access::Denied, "{role:?}");
        }
    }

    #[test]
    fn nobody_above_the_commune_reads_rows() {
        for role in [Role::ProvinceOfficer, Role::DistrictOfficer, Role::Admin, Role::PrivacyOfficer] {
            let who = principal(vec![Holding { scope: scope(1), role, ended: None }]);
            assert_eq!(authorise(&who, Action::ReadRows, scope(1), None, ServerMs(0)), Access::Denied, "{role:?}");
        }
    }

    #[test]
    fn what_the_commune_steers_with_lies_in_the_hands_that_the_field_gave_it() {
        let who_may = |action| -> Vec<&str> {
            let may = |role: &Role| {
                let who = principal(vec![Holding { scope: scope(1), role: *role, ended: None }]);
                assert!(roles(&who, action, scope(2), None, ServerMs(0)).is_empty(), "{action:?} elsewhere");
                let found = roles(&who, action, scope(1), None, ServerMs(0));
                assert_eq!(found.first().copied(), authorise(&who, action, scope(1), None, ServerMs(0)).role());
                !found.is_empty()
            };
            Role::ALL.into_iter().filter(may).map(Role::code).collect()
        };
        let (team, officer, province) = (["member", "team_leader"], "commune_officer", "province_officer");
        let [member, leader] = team;
        assert_eq!(who_may(Action::OpenCase), [member, leader, officer, "privacy_officer"]);
        assert_eq!(who_may(Action::AdvanceCase), [member, leader, officer, province, "privacy_officer"]);
        for action in [Action::WriteCampaign, Action::WriteTarget, Action::ReviewReport, Action::RecordCourse] {
            assert_eq!(who_may(action), [officer, province], "{action:?}");
        }
        for action in [Action::WriteFigures, Action::SignSupport] {
            assert_eq!(who_may(action), [officer], "{action:?}");
        }
        assert_eq!(who_may(Action::ProposeRecognition), [member, leader, officer]);
        for action in [Action::AdvanceRecognition, Action::WriteReport] {
            assert_eq!(who_may(action), [leader, officer, province], "{action:?}");
        }
        assert_eq!(who_may(Action::WriteOwnResult), team);
        assert_eq!(who_may(Action::EnterHousehold), [member, leader, officer]);
        assert_eq!(who_may(Action::WriteHousehold), team, "who may change a household sees its names");
    }

    #[test]
    fn each_role_of_a_person_is_told_apart() {
        let hold = |role| Holding { scope: scope(1), role, ended: None };
        let both = principal(vec![hold(Role::PrivacyOfficer), hold(Role::CommuneOfficer), hold(Role::Auditor)]);
        let found = roles(&both, Action::AdvanceCase, scope(1), None, ServerMs(0));
        assert_eq!(found, BTreeSet::from([Role::CommuneOfficer, Role::PrivacyOfficer]));
    }
}
