//! Accounts, roles and teams: for whoever administers them, and for colleagues.

use serde::{Deserialize, Serialize};
use sync_protocol::access::{Action, INSTALLATION, Role, authorise};
use sync_protocol::decide::{Grant, User};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::phone_number::{mask, mask_name};
use sync_protocol::row::{Register, RowType};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::*;

/// What may be done, by the names under which it is shown.
const RIGHTS: [(Action, &str); 22] = [
    (Action::ReadRows, "read_rows"),
    (Action::ReadCounts, "read_counts"),
    (Action::ReadTeams, "read_teams"),
    (Action::EnterHousehold, "enter_household"),
    (Action::WriteHousehold, "write_household"),
    (Action::MoveHousehold, "move_household"),
    (Action::MergeHousehold, "merge_household"),
    (Action::WritePerson, "write_person"),
    (Action::WriteBusiness, "write_business"),
    (Action::WriteMarket, "write_market"),
    (Action::WriteVisit, "write_visit"),
    (Action::WritePlan, "write_plan"),
    (Action::ReturnVisit, "return_visit"),
    (Action::ApproveVisit, "approve_visit"),
    (Action::ResolveCase, "resolve_case"),
    (Action::WriteUnit, "write_unit"),
    (Action::WriteTeam, "write_team"),
    (Action::GrantTeamRole, "grant_team_role"),
    (Action::GrantOfficeRole, "grant_office_role"),
    (Action::WriteUser, "write_user"),
    (Action::GiveCode, "give_code"),
    (Action::SetPeriod, "set_period"),
];

/// Who is asking, and what they may do where.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct MeView {
    /// The user.
    pub user: Uuid,
    /// The name.
    pub display_name: String,
    /// Revision of the user's grants; a 64-bit number as text.
    pub grants_rev: String,
    /// Roles as they were given.
    pub grants: Vec<GrantView>,
    /// Every place where the user may do something.
    pub places: Vec<PlaceView>,
}

/// A place with what the asker may do there.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct PlaceView {
    /// The unit; the nil id stands for the installation.
    pub unit: Named,
    /// Its roles there.
    pub roles: Vec<String>,
    /// What may be done.
    pub rights: Vec<String>,
}

/// Whose units are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    /// A village, or a commune with its villages.
    pub unit: Option<Uuid>,
}

/// An account.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct UserView {
    /// The user.
    pub id: Uuid,
    /// The name.
    pub display_name: String,
    /// The sign-in name, shortened.
    pub phone: String,
    /// The unit under which the account is kept.
    pub unit: Named,
    /// Whether the account is in use.
    pub active: bool,
}

/// Which teams are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TeamQuery {
    /// A village, or a commune with its villages. Without it: wherever the asker may read teams.
    pub unit: Option<Uuid>,
    /// Behind this place.
    pub cursor: Option<String>,
    /// At most so many: 50 unless told, 200 at most.
    pub limit: Option<u16>,
}

/// A team.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct TeamView {
    /// The team.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// `commune` or `village`.
    pub level: String,
    /// Its village or commune.
    pub unit: Named,
    /// Number of the decision that set it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// First day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub from: Option<String>,
    /// First day on which it no longer exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub to: Option<String>,
    /// Its version; a 64-bit number as text.
    pub ver: String,
}

/// A membership.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct MemberView {
    /// The membership; also the id of the role that came with it.
    pub id: Uuid,
    /// The team.
    pub team: Uuid,
    /// The user.
    pub user: Uuid,
    /// The name that colleagues see; shortened above the commune.
    pub display_name: String,
    /// `leader`, `deputy`, `member`.
    pub position: String,
    /// Where the member comes from.
    pub organisation: String,
    /// First day.
    #[schema(format = Date)]
    pub from: String,
    /// First day on which it no longer holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub to: Option<String>,
}

/// Whose roles are wanted: one of the two.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GrantQuery {
    /// Of this user, as far as the asker administers the units.
    pub user: Option<Uuid>,
    /// For this unit; the nil id stands for the installation.
    pub unit: Option<Uuid>,
}

/// A role given to a user for a unit and a period.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct GrantView {
    /// Which one.
    pub id: Uuid,
    /// To whom.
    pub user: Named,
    /// The role.
    pub role: String,
    /// For which unit.
    pub unit: Named,
    /// First day.
    #[schema(format = Date)]
    pub from: String,
    /// First day on which it no longer holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub to: Option<String>,
    /// Number of the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
}

impl Reading {
    /// Who is asking.
    pub async fn me(&self, by: UserId) -> Answer<MeView> {
        self.read(by, move |scoped| {
            let user = scoped.tx.user(by)?.ok_or(ReadError::NotFound)?;
            let grants = scoped.tx.grants_of(by)?;
            let grants = grants.iter().filter(|grant| grant.ended.is_none()).map(|grant| scoped.grant_view(grant));
            let grants = grants.collect::<Answer<Vec<GrantView>>>()?;
            let mut places: BTreeMap<ScopeId, Vec<String>> = BTreeMap::new();
            for holding in scoped.principal.holdings.iter().filter(|holding| holding.ended.is_none()) {
                let roles = places.entry(holding.scope).or_default();
                if !roles.iter().any(|role| role == holding.role.code()) {
                    roles.push(holding.role.code().to_owned());
                }
            }
            let mut views = Vec::new();
            for (scope, roles) in places {
                let may = |action| authorise(&scoped.principal, action, scope, None, scoped.now).role().is_some();
                let rights = RIGHTS.iter().filter(|(action, _)| may(*action)).map(|(_, name)| (*name).to_owned());
                let rights = rights.collect();
                views.push(PlaceView { unit: scoped.unit_named(scope.into())?, roles, rights });
            }
            Ok(MeView {
                user: by.0,
                display_name: user.display_name,
                grants_rev: user.grants_rev.to_string(),
                grants,
                places: views,
            })
        })
        .await
    }

    /// Lists accounts.
    pub async fn users(&self, by: UserId, query: UserQuery) -> Answer<Page<UserView>> {
        self.read_noted(by, "list.users", None, move |scoped| {
            let scopes = match query.unit.map(UnitId) {
                Some(unit) if ScopeId::from(unit) == INSTALLATION => {
                    scoped.function(Action::WriteUser)?;
                    if !scoped.may(Action::WriteUser, INSTALLATION) {
                        return Err(ReadError::NotFound);
                    }
                    vec![INSTALLATION]
                }
                unit => scoped.scopes(Action::WriteUser, unit)?,
            };
            let mut items = Vec::new();
            for scope in &scopes {
                for user in scoped.tx.users_of((*scope).into())? {
                    items.push(scoped.user_view(&user)?);
                }
            }
            let entry = Entry {
                scope: query.unit.map_or_else(|| home_scope(&scoped.principal), ScopeId),
                object: None,
                outcome: items.len().to_string(),
                filter: None,
            };
            Ok((Page { items, next: None }, entry))
        })
        .await
    }

    /// Lists teams.
    pub async fn teams(&self, by: UserId, query: TeamQuery) -> Answer<Page<TeamView>> {
        self.read(by, move |scoped| {
            let scopes = scoped.scopes(Action::ReadTeams, query.unit.map(UnitId))?;
            let (from, limit) = (cursor::to_row(query.cursor.as_deref())?, page_size(query.limit));
            let (items, place) =
                scoped.walk(&scopes, RowType::TEAM, from, limit, |scoped, _, register| scoped.team_view(&register))?;
            Ok(Page { items, next: place.map(cursor::of_row) })
        })
        .await
    }

    /// Shows one team.
    pub async fn team(&self, by: UserId, id: TeamId) -> Answer<TeamView> {
        self.read(by, move |scoped| {
            let found = scoped.register(RowType::TEAM, id.0)?;
            let (_, register) = scoped.within(Action::ReadTeams, found)?;
            scoped.team_view(&register)?.ok_or(ReadError::NotFound)
        })
        .await
    }

    /// Lists the members of a team, former ones too.
    pub async fn members(&self, by: UserId, team: TeamId) -> Answer<Page<MemberView>> {
        self.read(by, move |scoped| {
            let found = scoped.register(RowType::TEAM, team.0)?;
            let (scope, _) = scoped.within(Action::ReadTeams, found)?;
            let is_shortened = scoped.is_far_above(scope);
            let (items, _) = scoped.walk(&[scope], RowType::TEAM_MEMBER, None, usize::MAX, |_, _, register| {
                Ok(member_view(&register, is_shortened).filter(|member| member.team == team.0))
            })?;
            Ok(Page { items, next: None })
        })
        .await
    }

    /// Lists roles.
    pub async fn grants(&self, by: UserId, query: GrantQuery) -> Answer<Page<GrantView>> {
        self.read_noted(by, "list.grants", None, move |scoped| {
            let grants = match (query.user.map(UserId), query.unit.map(UnitId)) {
                (Some(user), None) => {
                    let account = scoped.tx.user(user)?.map(|account| (account.unit.into(), account));
                    if user != by {
                        scoped.within(Action::GrantTeamRole, account)?;
                    }
                    let mut grants = scoped.tx.grants_of(user)?;
                    grants.retain(|grant| user == by || scoped.may(Action::GrantTeamRole, grant.unit.into()));
                    grants
                }
                (None, Some(unit)) => {
                    scoped.function(Action::GrantTeamRole)?;
                    if !scoped.may(Action::GrantTeamRole, unit.into()) || !scoped.unit_exists(unit)? {
                        return Err(ReadError::NotFound);
                    }
                    scoped.tx.grants_for(unit)?
                }
                _ => return Err(ReadError::BadValue("user")),
            };
            let views = grants.iter().map(|grant| scoped.grant_view(grant));
            let items = views.collect::<Answer<Vec<GrantView>>>()?;
            let entry = Entry {
                scope: query.unit.map_or_else(|| home_scope(&scoped.principal), ScopeId),
                object: query.user,
                outcome: items.len().to_string(),
                filter: None,
            };
            Ok((Page { items, next: None }, entry))
        })
        .await
    }
}

impl Scoped<'_> {
    /// Who looks at a place from far above sees no whole names.
    pub(super) fn is_far_above(&self, scope: ScopeId) -> bool {
        let near =
            [Role::Member, Role::TeamLeader, Role::CommuneOfficer, Role::PrivacyOfficer, Role::Auditor, Role::Admin];
        !self.holds(&near, scope)
    }

    fn user_view(&mut self, user: &User) -> Answer<UserView> {
        Ok(UserView {
            id: user.id.0,
            display_name: user.display_name.clone(),
            phone: mask(&user.phone),
            unit: self.unit_named(user.unit)?,
            active: user.active,
        })
    }

    fn team_view(&mut self, register: &Register) -> Answer<Option<TeamView>> {
        let Some(identity) = register.group::<TeamIdentity>(team::IDENTITY) else { return Ok(None) };
        let validity: Option<Validity> = register.group(team::VALIDITY);
        Ok(Some(TeamView {
            id: register.id,
            name: identity.name,
            level: identity.level,
            unit: self.unit_named(identity.unit)?,
            decision: register.group::<TeamDecision>(team::DECISION).map(|decision| decision.number),
            from: validity.as_ref().map(|validity| validity.from.to_string()),
            to: validity.and_then(|validity| validity.to).map(|to| to.to_string()),
            ver: register.ver.0.to_string(),
        }))
    }

    fn grant_view(&mut self, grant: &Grant) -> Answer<GrantView> {
        Ok(GrantView {
            id: grant.id.0,
            user: self.user_named(grant.user)?,
            role: grant.role.clone(),
            unit: self.unit_named(grant.unit)?,
            from: grant.from.to_string(),
            to: grant.to.map(|to| to.to_string()),
            decision: grant.decision.clone(),
        })
    }
}

fn member_view(register: &Register, is_shortened: bool) -> Option<MemberView> {
    let identity: MemberIdentity = register.group(team_member::IDENTITY)?;
    let position: MemberPosition = register.group(team_member::POSITION)?;
    let validity: Validity = register.group(team_member::VALIDITY)?;
    let name = identity.display_name;
    Some(MemberView {
        id: register.id,
        team: identity.team.0,
        user: identity.user.0,
        display_name: if is_shortened { mask_name(&name) } else { name },
        position: position.position,
        organisation: position.organisation,
        from: validity.from.to_string(),
        to: validity.to.map(|to| to.to_string()),
    })
}
