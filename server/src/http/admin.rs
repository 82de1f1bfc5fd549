//! Units, teams, members, roles, accounts, reporting months, the audit trail.

use std::collections::BTreeMap;

use actix_web::web::{self, Data};
use serde::Deserialize;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::phone_number;
use sync_protocol::row::ByKey;
use sync_protocol::text::clean;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::error::{ChangeRefusals, HttpError, Refusals};
use super::extract::{Caller, Id, Json, Once, Query, day, ver};
use super::visits::{Changed, perform};
use crate::reading::Page;
use crate::reading::country::{CountryQuery, CountryUnit};
use crate::reading::people::{GrantQuery, GrantView, MemberView, TeamQuery, TeamView, UserQuery, UserView};
use crate::reading::trail::{TrailEntry, TrailQuery};
use crate::reading::units::{PeriodQuery, PeriodView, UnitQuery, UnitView};

type Answer<T> = Result<web::Json<T>, HttpError>;

fn raw(value: &impl Cbor) -> Raw {
    Raw(value.cbor())
}

fn optional_day(text: Option<&str>, field: &str) -> Result<Option<Day>, HttpError> {
    text.map(|text| day(text, field)).transpose()
}

/// Enters an account. Secrets never travel here.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The name.
    pub display_name: String,
    /// The phone number that becomes the sign-in name, in any usual form.
    pub phone: String,
    /// The unit under which the account is kept.
    pub unit: Uuid,
}

/// Enters a village. The levels above come from the official lists.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVillage {
    /// The commune.
    pub parent: Uuid,
    /// `<commune code>-<nnn>`.
    pub code: String,
    /// `thon`, `ban`, `xom`, `to_dan_pho`, `khu_pho`.
    pub unit_type: String,
    /// Name without the type.
    pub name: String,
    /// Name with the type.
    pub full_name: String,
    /// Name in the local language.
    #[serde(default)]
    pub local_name: Option<String>,
    /// First day in force.
    pub from: String,
}

/// Changes a unit; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitChange {
    /// The version that was looked at.
    pub base_ver: String,
    /// What it is.
    #[serde(default)]
    pub identity: Option<UnitIdentityChange>,
    /// Where it belongs.
    #[serde(default)]
    pub parent: Option<UnitParentChange>,
    /// From when to when it is in force.
    #[serde(default)]
    pub validity: Option<ValidityChange>,
}

/// What a unit is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitIdentityChange {
    /// `village` for all that is not in the official lists.
    pub level: String,
    /// The official code; for villages `<commune code>-<nnn>`.
    pub code: String,
    /// The type.
    pub unit_type: String,
    /// Name without the type.
    pub name: String,
    /// Name with the type.
    pub full_name: String,
    /// Name in the local language.
    #[serde(default)]
    pub local_name: Option<String>,
}

/// Where a unit belongs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitParentChange {
    /// The unit above.
    pub parent: Uuid,
    /// Since when.
    pub from: String,
}

/// From when to when something holds.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidityChange {
    /// First day.
    pub from: String,
    /// First day on which it no longer holds.
    #[serde(default)]
    pub to: Option<String>,
}

/// Sets a team up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTeam {
    /// Its village or commune.
    pub unit: Uuid,
    /// `village` or `commune`.
    pub level: String,
    /// Its name.
    pub name: String,
    /// First day.
    pub from: String,
    /// The decision that set it up.
    #[serde(default)]
    pub decision: Option<DecisionBody>,
}

/// A decision on paper.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    /// Its number.
    pub number: String,
    /// Its date.
    pub day: String,
}

/// Takes a person into a team; the role in the team's unit comes with it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMember {
    /// The user.
    pub user: Uuid,
    /// The name that colleagues see.
    pub display_name: String,
    /// `leader`, `deputy`, `member`.
    pub position: String,
    /// Where the member comes from: `youth`, `women`, `farmers`, …
    pub organisation: String,
    /// First day.
    pub from: String,
}

/// Ends a membership or a role.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// First day on which it no longer holds.
    pub to: String,
}

/// Gives a role.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    /// To whom.
    pub user: Uuid,
    /// Which.
    pub role: String,
    /// For which unit; the nil id stands for the installation.
    pub unit: Uuid,
    /// First day.
    pub from: String,
    /// Number of the decision.
    #[serde(default)]
    pub decision: Option<String>,
}

/// Opens or closes a reporting month.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// The commune.
    pub commune: Uuid,
    /// The month, `YYYY-MM`.
    pub month: String,
    /// Whether it takes changes.
    pub open: bool,
}

/// Lists accounts.
#[utoipa::path(get, path = "/api/v1/users", tag = "administration",
    params(UserQuery), responses((status = 200, body = Page<UserView>), Refusals))]
pub async fn users(app: Data<App>, caller: Caller, query: Query<UserQuery>) -> Answer<Page<UserView>> {
    Ok(web::Json(app.reading.users(caller.user(), query.0).await?))
}

/// Enters an account.
#[utoipa::path(post, path = "/api/v1/users", tag = "administration",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn create_user(app: Data<App>, caller: Caller, once: Once, body: Json<NewUser>) -> Answer<Changed> {
    let phone = phone_number::normalise(&body.0.phone);
    let phone = phone.map_err(|fault| HttpError::bad_value_because("phone", fault.to_string()))?;
    let display_name = clean(&body.0.display_name);
    let intent = CreateUser { display_name, phone, unit: UnitId(body.0.unit), ext: Ext::default() };
    perform(&app, caller, once, Intent::UserCreate(intent), None).await
}

/// Lists the units below one, or the one with a code.
#[utoipa::path(get, path = "/api/v1/units", tag = "administration",
    params(UnitQuery), responses((status = 200, body = Page<UnitView>), Refusals))]
pub async fn units(app: Data<App>, caller: Caller, query: Query<UnitQuery>) -> Answer<Page<UnitView>> {
    Ok(web::Json(app.reading.units(caller.user(), query.0).await?))
}

/// Shows one unit.
#[utoipa::path(get, path = "/api/v1/units/{id}", tag = "administration",
    params(("id" = Uuid, Path, description = "The unit")),
    responses((status = 200, body = UnitView), Refusals))]
pub async fn unit(app: Data<App>, caller: Caller, id: Id) -> Answer<UnitView> {
    Ok(web::Json(app.reading.unit(caller.user(), UnitId(id.0)).await?))
}

/// Finds a unit of the country by its code on a day, and what became of it since.
#[utoipa::path(get, path = "/api/v1/country/unit", tag = "administration",
    params(CountryQuery), responses((status = 200, body = CountryUnit), Refusals))]
pub async fn country_unit(app: Data<App>, caller: Caller, query: Query<CountryQuery>) -> Answer<CountryUnit> {
    Ok(web::Json(app.reading.country_unit(caller.user(), query.0).await?))
}

/// Enters a village.
#[utoipa::path(post, path = "/api/v1/units", tag = "administration",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn create_village(app: Data<App>, caller: Caller, once: Once, body: Json<NewVillage>) -> Answer<Changed> {
    let body = body.0;
    let from = day(&body.from, "from")?;
    let identity = UnitIdentity {
        level: "village".into(),
        code: body.code,
        unit_type: body.unit_type,
        name: clean(&body.name),
        full_name: clean(&body.full_name),
        local_name: body.local_name.as_deref().map(clean).filter(|name| !name.is_empty()),
        ext: Ext::default(),
    };
    let parent = UnitParent { parent: UnitId(body.parent), from, former: vec![], ext: Ext::default() };
    let validity = Validity { from, to: None, ext: Ext::default() };
    let groups = BTreeMap::from([
        (unit::IDENTITY, raw(&identity)),
        (unit::PARENT, raw(&parent)),
        (unit::VALIDITY, raw(&validity)),
    ]);
    let intent = CreateRow { scope: ScopeId(body.parent), groups: ByKey(groups), id: None, ext: Ext::default() };
    perform(&app, caller, once, Intent::UnitCreate(intent), None).await
}

/// Changes a unit.
#[utoipa::path(patch, path = "/api/v1/units/{id}", tag = "administration",
    params(
        ("id" = Uuid, Path, description = "The unit"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn change_unit(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<UnitChange>,
) -> Answer<Changed> {
    let UnitChange { base_ver, identity, parent, validity } = body.0;
    let mut groups = BTreeMap::new();
    if let Some(identity) = identity {
        let value = UnitIdentity {
            level: identity.level,
            code: identity.code,
            unit_type: identity.unit_type,
            name: clean(&identity.name),
            full_name: clean(&identity.full_name),
            local_name: identity.local_name.as_deref().map(clean).filter(|name| !name.is_empty()),
            ext: Ext::default(),
        };
        groups.insert(unit::IDENTITY, raw(&value));
    }
    if let Some(parent) = parent {
        let from = day(&parent.from, "parent.from")?;
        groups.insert(
            unit::PARENT,
            raw(&UnitParent { parent: UnitId(parent.parent), from, former: vec![], ext: Ext::default() }),
        );
    }
    if let Some(validity) = validity {
        let from = day(&validity.from, "validity.from")?;
        let to = optional_day(validity.to.as_deref(), "validity.to")?;
        groups.insert(unit::VALIDITY, raw(&Validity { from, to, ext: Ext::default() }));
    }
    let base_ver = ver(&base_ver, "base_ver")?;
    let intent = SetGroups { id: id.0, base_ver, groups: ByKey(groups), ext: Ext::default() };
    perform(&app, caller, once, Intent::UnitSet(intent), Some(id.0)).await
}

/// Lists teams.
#[utoipa::path(get, path = "/api/v1/teams", tag = "administration",
    params(TeamQuery), responses((status = 200, body = Page<TeamView>), Refusals))]
pub async fn teams(app: Data<App>, caller: Caller, query: Query<TeamQuery>) -> Answer<Page<TeamView>> {
    Ok(web::Json(app.reading.teams(caller.user(), query.0).await?))
}

/// Shows one team.
#[utoipa::path(get, path = "/api/v1/teams/{id}", tag = "administration",
    params(("id" = Uuid, Path, description = "The team")),
    responses((status = 200, body = TeamView), Refusals))]
pub async fn team(app: Data<App>, caller: Caller, id: Id) -> Answer<TeamView> {
    Ok(web::Json(app.reading.team(caller.user(), TeamId(id.0)).await?))
}

/// Sets a team up.
#[utoipa::path(post, path = "/api/v1/teams", tag = "administration",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn create_team(app: Data<App>, caller: Caller, once: Once, body: Json<NewTeam>) -> Answer<Changed> {
    let body = body.0;
    let identity =
        TeamIdentity { level: body.level, unit: UnitId(body.unit), name: clean(&body.name), ext: Ext::default() };
    let validity = Validity { from: day(&body.from, "from")?, to: None, ext: Ext::default() };
    let mut groups = BTreeMap::from([(team::IDENTITY, raw(&identity)), (team::VALIDITY, raw(&validity))]);
    if let Some(decision) = body.decision {
        let day = day(&decision.day, "decision.day")?;
        let value = TeamDecision { number: clean(&decision.number), day, ext: Ext::default() };
        groups.insert(team::DECISION, raw(&value));
    }
    let intent = CreateRow { scope: ScopeId(body.unit), groups: ByKey(groups), id: None, ext: Ext::default() };
    perform(&app, caller, once, Intent::TeamCreate(intent), None).await
}

/// Lists the members of a team, former ones too.
#[utoipa::path(get, path = "/api/v1/teams/{id}/members", tag = "administration",
    params(("id" = Uuid, Path, description = "The team")),
    responses((status = 200, body = Page<MemberView>), Refusals))]
pub async fn members(app: Data<App>, caller: Caller, id: Id) -> Answer<Page<MemberView>> {
    Ok(web::Json(app.reading.members(caller.user(), TeamId(id.0)).await?))
}

/// Takes a person into a team.
#[utoipa::path(post, path = "/api/v1/teams/{id}/members", tag = "administration",
    params(
        ("id" = Uuid, Path, description = "The team"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn add_member(app: Data<App>, caller: Caller, once: Once, id: Id, body: Json<NewMember>) -> Answer<Changed> {
    let body = body.0;
    let intent = AddMember {
        team: TeamId(id.0),
        user: UserId(body.user),
        display_name: clean(&body.display_name),
        position: body.position,
        organisation: body.organisation,
        from: day(&body.from, "from")?,
        ext: Ext::default(),
    };
    perform(&app, caller, once, Intent::MemberAdd(intent), None).await
}

/// Ends a membership, and with it the role that came with it.
#[utoipa::path(post, path = "/api/v1/members/{id}/end", tag = "administration",
    params(
        ("id" = Uuid, Path, description = "The membership"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn end_member(app: Data<App>, caller: Caller, once: Once, id: Id, body: Json<End>) -> Answer<Changed> {
    let to = day(&body.0.to, "to")?;
    let intent = EndMember { member: TeamMemberId(id.0), to, ext: Ext::default() };
    perform(&app, caller, once, Intent::MemberEnd(intent), Some(id.0)).await
}

/// Lists roles: of a user, or for a unit.
#[utoipa::path(get, path = "/api/v1/grants", tag = "administration",
    params(GrantQuery), responses((status = 200, body = Page<GrantView>), Refusals))]
pub async fn grants(app: Data<App>, caller: Caller, query: Query<GrantQuery>) -> Answer<Page<GrantView>> {
    Ok(web::Json(app.reading.grants(caller.user(), query.0).await?))
}

/// Gives a role.
#[utoipa::path(post, path = "/api/v1/grants", tag = "administration",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn give_grant(app: Data<App>, caller: Caller, once: Once, body: Json<NewGrant>) -> Answer<Changed> {
    let body = body.0;
    let intent = GiveGrant {
        user: UserId(body.user),
        role: body.role,
        unit: UnitId(body.unit),
        from: day(&body.from, "from")?,
        decision: body.decision.as_deref().map(clean).filter(|decision| !decision.is_empty()),
        ext: Ext::default(),
    };
    perform(&app, caller, once, Intent::GrantGive(intent), None).await
}

/// Takes a role back.
#[utoipa::path(post, path = "/api/v1/grants/{id}/end", tag = "administration",
    params(
        ("id" = Uuid, Path, description = "The grant"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn end_grant(app: Data<App>, caller: Caller, once: Once, id: Id, body: Json<End>) -> Answer<Changed> {
    let to = day(&body.0.to, "to")?;
    let intent = EndGrant { grant: GrantId(id.0), to, ext: Ext::default() };
    perform(&app, caller, once, Intent::GrantEnd(intent), Some(id.0)).await
}

/// Lists reporting months of a commune with their days, the latest first, and whether they take changes.
#[utoipa::path(get, path = "/api/v1/periods", tag = "administration",
    params(PeriodQuery), responses((status = 200, body = Page<PeriodView>), Refusals))]
pub async fn periods(app: Data<App>, caller: Caller, query: Query<PeriodQuery>) -> Answer<Page<PeriodView>> {
    Ok(web::Json(app.reading.periods(caller.user(), query.0).await?))
}

/// Opens or closes a reporting month.
#[utoipa::path(post, path = "/api/v1/periods", tag = "administration",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn set_period(app: Data<App>, caller: Caller, once: Once, body: Json<Period>) -> Answer<Changed> {
    let month = Month::parse(&body.0.month).ok_or_else(|| HttpError::bad_value("month"))?;
    let commune = UnitId(body.0.commune);
    let intent = SetPeriod { commune, month, open: body.0.open, ext: Ext::default() };
    let id = period_id(commune, month);
    perform(&app, caller, once, Intent::PeriodSet(intent), Some(id)).await
}

/// Reads the audit trail of a unit.
#[utoipa::path(get, path = "/api/v1/audit", tag = "administration",
    params(TrailQuery), responses((status = 200, body = Page<TrailEntry>), Refusals))]
pub async fn audit(app: Data<App>, caller: Caller, query: Query<TrailQuery>) -> Answer<Page<TrailEntry>> {
    Ok(web::Json(app.reading.trail(caller.user(), query.0).await?))
}
