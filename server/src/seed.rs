//! Filling an installation: the official units, and a sample commune for trying things out. Both go through the same door
//! as everybody's work.

use sync_protocol::access::{INSTALLATION, Role};
use sync_protocol::catalogue::Catalogue;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::outcome::Verdict;
use sync_protocol::row::ByKey;
use uuid::Uuid;

use crate::accounts::AccountError;
use crate::auth::password::Secret;
use crate::sample::{COMMUNE_CODE, SampleCommune, SampleHousehold, SampleTeam, sample_commune};
use crate::startup::{Instance, StartError};
use crate::storage::StorageError;
use crate::units::{Level, UnitIndex, UnitRecord, UnitsError, shipped};

/// Where the store remembers that it holds sample data: a JSON object with what to try first.
pub const SAMPLE_KEY: &str = "sample";
/// The password of the sample's desk accounts. Printed, known to everybody, and only ever set by the sample.
pub const SAMPLE_PASSWORD: &str = "suoi-trong-nang-som";
/// How many intents go into one transaction.
const BATCH: usize = 500;

/// Why filling stopped. What was entered before stays.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The shipped unit data.
    #[error(transparent)]
    Units(#[from] UnitsError),
    /// The store.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The accounts.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The data folder.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The door refused something that should have passed.
    #[error("{what} was refused: {code} {field}")]
    Refused {
        /// What.
        what: &'static str,
        /// The code.
        code: String,
        /// What the code is about.
        field: String,
    },
    /// The installation is not empty.
    #[error("the data folder holds accounts or units already; sample data goes into an empty one only")]
    NotEmpty,
}

/// A sample account that can sign in or be enrolled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SampleAccount {
    /// The user.
    pub user: UserId,
    /// The name.
    pub display_name: String,
    /// The phone number, which is the sign-in name.
    pub phone: String,
    /// What they are.
    pub role: Role,
    /// Where.
    pub place: String,
}

/// What the sample entered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seeded {
    /// Units of the official lists.
    pub units: usize,
    /// The commune's row.
    pub commune: UnitId,
    /// The villages' rows, in the order of their codes.
    pub villages: Vec<UnitId>,
    /// The village teams, in the same order.
    pub teams: Vec<TeamId>,
    /// Households entered.
    pub households: usize,
    /// Visits entered.
    pub visits: usize,
    /// The accounts to try: admin, officers, then leader and members village by village.
    pub accounts: Vec<SampleAccount>,
}

async fn perform(
    instance: &Instance,
    by: UserId,
    what: &'static str,
    intents: Vec<Intent>,
) -> Result<Vec<Uuid>, SeedError> {
    let mut ids = Vec::with_capacity(intents.len());
    for batch in intents.chunks(BATCH) {
        for (outcome, id) in instance.desk.perform(by, batch.to_vec()).await? {
            if outcome.verdict != Verdict::Applied {
                let code = outcome.code.unwrap_or_default();
                let rule = outcome.rule.unwrap_or_default();
                let field = format!("{} {rule}", outcome.field.unwrap_or_default());
                return Err(SeedError::Refused { what, code, field });
            }
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Field groups from their encoded values.
pub fn groups(values: impl IntoIterator<Item = (u8, Vec<u8>)>) -> ByKey<Raw> {
    ByKey(values.into_iter().map(|(key, value)| (key, Raw(value))).collect())
}

fn create(scope: ScopeId, values: Vec<(u8, Vec<u8>)>, id: Option<Uuid>) -> CreateRow {
    CreateRow { scope, groups: groups(values), id, ext: Ext::default() }
}

/// The op that enters an official unit, in force until `to`.
pub fn unit_intent(index: &UnitIndex, record: &UnitRecord, to: Option<Day>) -> Intent {
    let parent = index.parent(record, record.valid_from).map_or(UnitId::from(INSTALLATION), |parent| parent.id);
    let identity = UnitIdentity {
        level: record.level.code().into(),
        code: record.code.clone(),
        unit_type: record.unit_type.code().into(),
        name: record.name.clone(),
        full_name: record.full_name.clone(),
        local_name: None,
        ext: Ext::default(),
    };
    let belongs = UnitParent { parent, from: record.valid_from, former: vec![], ext: Ext::default() };
    let validity = Validity { from: record.valid_from, to, ext: Ext::default() };
    let values =
        vec![(unit::IDENTITY, identity.cbor()), (unit::PARENT, belongs.cbor()), (unit::VALIDITY, validity.cbor())];
    Intent::UnitCreate(create(parent.into(), values, Some(record.id.0)))
}

/// Enters the official provinces, districts and communes with their periods of validity; `provinces` limits it to some
/// province codes, as of any time. Gives the number of units.
pub async fn import_units(instance: &Instance, admin: UserId, provinces: &[&str]) -> Result<usize, SeedError> {
    enter_units(instance, admin, provinces, None).await
}

/// Enters the official units as they stood on a day, with no end in sight: what ended later is left to a
/// reorganisation. Gives the number of units.
pub async fn import_units_on(
    instance: &Instance,
    admin: UserId,
    provinces: &[&str],
    day: Day,
) -> Result<usize, SeedError> {
    enter_units(instance, admin, provinces, Some(day)).await
}

async fn enter_units(
    instance: &Instance,
    admin: UserId,
    provinces: &[&str],
    on: Option<Day>,
) -> Result<usize, SeedError> {
    let index = shipped()?;
    let stood = |record: &UnitRecord| {
        on.is_none_or(|day| record.valid_from <= day && record.valid_to.is_none_or(|to| day < to))
    };
    let mut records: Vec<&UnitRecord> = index
        .records()
        .iter()
        .filter(|record| provinces.is_empty() || provinces.contains(&record.province_code.as_str()))
        .filter(|record| stood(record))
        .collect();
    // A unit above is always entered before the units below it.
    records.sort_by_key(|record| match record.level {
        Level::Province => 0,
        Level::District => 1,
        _ => 2,
    });
    let to = |record: &UnitRecord| record.valid_to.filter(|_| on.is_none());
    let intents: Vec<Intent> = records.into_iter().map(|record| unit_intent(&index, record, to(record))).collect();
    Ok(perform(instance, admin, "a unit", intents).await?.len())
}

/// Fills an empty installation with the official units of the sample's province and the sample commune, and with some
/// visits of each village that wait for the officer.
pub async fn demo(instance: &Instance, seed: u64, visits_each: usize) -> Result<Seeded, SeedError> {
    let is_empty = instance.store.read_blocking(|tx| Ok(tx.audited_scopes()?.is_empty()))?;
    if !is_empty {
        return Err(SeedError::NotEmpty);
    }
    let sample = sample_commune(seed);
    let admin_phone = "0530000001";
    let admin = instance.add_admin("Quản trị hệ thống (mẫu)", admin_phone)?;
    instance.accounts.set_password_on_the_machine(admin, Secret::new(SAMPLE_PASSWORD)).await?;
    // The two provinces that became one keep their history: 10 and 15 until 2025-06-30, 15 since.
    let units = import_units(instance, admin, &[sample.province_code, "10"]).await?;
    let index = shipped()?;
    let commune = index.get(Level::Commune, COMMUNE_CODE, sample.valid_from).ok_or(SeedError::Refused {
        what: "the commune",
        code: "not_found".into(),
        field: COMMUNE_CODE.into(),
    })?;
    let province = index.parent(commune, sample.valid_from).map_or(commune.id, |province| province.id);

    let mut accounts = vec![SampleAccount {
        user: admin,
        display_name: "Quản trị hệ thống (mẫu)".into(),
        phone: admin_phone.into(),
        role: Role::Admin,
        place: "—".into(),
    }];
    for (phone, name, role, unit, place) in [
        ("0530000002", "Nguyễn Thị Hạnh (mẫu)", Role::CommuneOfficer, commune.id, &commune.full_name),
        ("0530000003", "Trần Quốc Việt (mẫu)", Role::ProvinceOfficer, province, &commune.province_code),
    ] {
        let create = CreateUser { display_name: name.into(), phone: phone.into(), unit, ext: Ext::default() };
        let user = UserId(one(perform(instance, admin, "an account", vec![Intent::UserCreate(create)]).await?));
        let grant = GiveGrant {
            user,
            role: role.code().into(),
            unit,
            from: sample.valid_from,
            decision: None,
            ext: Ext::default(),
        };
        perform(instance, admin, "a role", vec![Intent::GrantGive(grant)]).await?;
        instance.accounts.set_password_on_the_machine(user, Secret::new(SAMPLE_PASSWORD)).await?;
        accounts.push(SampleAccount {
            user,
            display_name: name.into(),
            phone: phone.into(),
            role,
            place: place.clone(),
        });
    }
    let officer = accounts[1].user;
    let villages: Vec<Intent> =
        sample.villages.iter().map(|village| village_intent(&sample, commune.id, village)).collect();
    let villages: Vec<UnitId> =
        perform(instance, officer, "a village", villages).await?.into_iter().map(UnitId).collect();
    enter_team(instance, officer, "commune", commune.id, &commune.full_name, &sample.team, &mut accounts).await?;
    let mut teams = Vec::new();
    let (mut households, mut visits) = (0, 0);
    for (village, unit) in sample.villages.iter().zip(&villages) {
        let first = accounts.len();
        let team =
            enter_team(instance, officer, "village", *unit, &village.full_name, &village.team, &mut accounts).await?;
        teams.push(team);
        // The leader comes first in the list; who keeps the household list is the leader.
        let leader = accounts[first].user;
        let intents: Vec<Intent> =
            village.households.iter().map(|household| household_intent(*unit, household, sample.valid_from)).collect();
        let houses: Vec<HouseholdId> =
            perform(instance, leader, "a household", intents).await?.into_iter().map(HouseholdId).collect();
        households += houses.len();
        for n in 0..visits_each {
            let author = accounts[first + n % (accounts.len() - first)].user;
            let house = houses[(n * 37 + visits) % houses.len()];
            let intent = visit_intent(instance, *unit, team, house, visits)?;
            perform(instance, author, "a visit", vec![intent]).await?;
            visits += 1;
        }
    }
    let seeded = Seeded { units, commune: commune.id, villages, teams, households, visits, accounts };
    // A member of the first village's own team is the one to try a phone with.
    let home = sample.villages.first().map(|village| village.full_name.as_str());
    let member = seeded.accounts.iter().find(|account| account.role == Role::Member && Some(&*account.place) == home);
    let mark = serde_json::json!({
        "commune": seeded.commune,
        "member": member.map(|account| account.user),
        "member_name": member.map(|account| &account.display_name),
    });
    instance.store.write(move |tx| tx.put_meta(SAMPLE_KEY, mark.to_string().as_bytes())).await?;
    Ok(seeded)
}

/// A visit as a member would have entered it: kinds, outcomes and reasons take turns.
fn visit_intent(
    instance: &Instance,
    village: UnitId,
    team: TeamId,
    household: HouseholdId,
    n: usize,
) -> Result<Intent, SeedError> {
    let (kind, mut answers) = match n % 5 {
        0 => ("vneid_level2", serde_json::json!({ "step": "activated", "age_14_plus": true })),
        1 => ("payment_account", serde_json::json!({ "kind": "bank_account", "age_15_plus": true })),
        2 => ("safe_internet_guidance", serde_json::json!({ "points_covered": ["otp", "fake_app"] })),
        3 => ("dvc_account", serde_json::json!({ "login_by_vneid": true })),
        _ => ("e_health_insurance", serde_json::json!({ "kind": ["bhyt_card"] })),
    };
    let outcome = ["done", "done", "already", "not_done"][n / 5 % 4];
    answers["outcome"] = outcome.into();
    if outcome == "not_done" {
        answers["failure_reason"] = "no_signal".into();
        answers["note"] = "Sóng yếu ở đầu suối, hẹn chiều thứ Năm quay lại.".into();
        if kind == "vneid_level2" {
            answers["step"] = "told".into();
        }
    }
    let catalogue = Catalogue::shipped();
    let fields = catalogue.from_json_fields(kind, &answers).map_err(|findings| SeedError::Refused {
        what: "a visit",
        code: findings.first().map(|finding| finding.code.clone()).unwrap_or_default(),
        field: kind.into(),
    })?;
    let today = Day::of_ms((instance.clock)().0);
    let content = VisitContent {
        village,
        team,
        household: Some(household),
        visit_type: "household".into(),
        day: Day(today.0 - (n % 10) as u32),
        minutes: Some(15 + (n % 4) as u32 * 5),
        activities: vec![Activity { kind: kind.into(), fields, id: None, ext: Ext::default() }],
        members: vec![],
        result: None,
        summary: None,
        place: None,
        catalogue: catalogue.version().into(),
        partner_org: None,
        quantity_reason: None,
        ext: Ext::default(),
    };
    Ok(Intent::VisitRecord(RecordVisit { content: Raw(content.cbor()), submit: true, plan: None, ext: Ext::default() }))
}

fn one(ids: Vec<Uuid>) -> Uuid {
    ids.first().copied().unwrap_or_default()
}

fn village_intent(sample: &SampleCommune, commune: UnitId, village: &crate::sample::SampleVillage) -> Intent {
    let identity = UnitIdentity {
        level: Level::Village.code().into(),
        code: village.code.clone(),
        unit_type: village.unit_type.code().into(),
        name: village.name.into(),
        full_name: village.full_name.clone(),
        local_name: None,
        ext: Ext::default(),
    };
    let values = vec![
        (unit::IDENTITY, identity.cbor()),
        (
            unit::PARENT,
            UnitParent { parent: commune, from: sample.valid_from, former: vec![], ext: Ext::default() }.cbor(),
        ),
        (unit::VALIDITY, Validity { from: sample.valid_from, to: None, ext: Ext::default() }.cbor()),
    ];
    Intent::UnitCreate(create(commune.into(), values, None))
}

async fn enter_team(
    instance: &Instance,
    officer: UserId,
    level: &str,
    unit: UnitId,
    place: &str,
    team: &SampleTeam,
    accounts: &mut Vec<SampleAccount>,
) -> Result<TeamId, SeedError> {
    let identity = TeamIdentity { level: level.into(), unit, name: team.name.clone(), ext: Ext::default() };
    let decision = TeamDecision { number: team.decision_no.clone(), day: team.decision_date, ext: Ext::default() };
    let validity = Validity { from: team.decision_date, to: None, ext: Ext::default() };
    let values =
        vec![(team::IDENTITY, identity.cbor()), (team::DECISION, decision.cbor()), (team::VALIDITY, validity.cbor())];
    let intent = Intent::TeamCreate(create(unit.into(), values, None));
    let id = TeamId(one(perform(instance, officer, "a team", vec![intent]).await?));
    for member in &team.members {
        let create = CreateUser {
            display_name: member.display_name.clone(),
            phone: member.phone.clone(),
            unit,
            ext: Ext::default(),
        };
        let user = UserId(one(perform(instance, officer, "an account", vec![Intent::UserCreate(create)]).await?));
        let add = AddMember {
            team: id,
            user,
            display_name: member.display_name.clone(),
            position: member.position.code().into(),
            organisation: member.organisation.code().into(),
            from: team.decision_date,
            ext: Ext::default(),
        };
        perform(instance, officer, "a member", vec![Intent::MemberAdd(add)]).await?;
        let role = if member.position.code() == "leader" { Role::TeamLeader } else { Role::Member };
        accounts.push(SampleAccount {
            user,
            display_name: member.display_name.clone(),
            phone: member.phone.clone(),
            role,
            place: place.to_owned(),
        });
    }
    Ok(id)
}

fn household_intent(village: UnitId, sample: &SampleHousehold, day: Day) -> Intent {
    let label = HouseholdLabel {
        label: sample.house_label.clone(),
        landmark: sample.landmark.map(str::to_owned),
        ext: Ext::default(),
    };
    let class = HouseholdClass { class: sample.class.code().into(), ext: Ext::default() };
    let people = HouseholdPeople { adults_15_plus: u32::from(sample.adults_15_plus), ext: Ext::default() };
    let status = HouseholdStatus { status: "active".into(), ext: Ext::default() };
    let mut values = vec![
        (household::LABEL, label.cbor()),
        (household::CLASS, class.cbor()),
        (household::PEOPLE, people.cbor()),
        (household::STATUS, status.cbor()),
    ];
    if sample.consent_visit_log {
        let consent = Consent {
            purposes: vec!["visit_log".into()],
            notice_version: "2026.1".into(),
            language: "vi".into(),
            method: "spoken_witnessed".into(),
            given: day,
            withdrawn: None,
            ext: Ext::default(),
        };
        values.push((household::CONSENT, consent.cbor()));
        if let Some(name) = &sample.head_display_name {
            values.push((household::HEAD, HouseholdHead { display_name: name.clone(), ext: Ext::default() }.cbor()));
        }
        if let Some(phone) = &sample.phone {
            values.push((household::PHONE, HouseholdPhone { phone: phone.clone(), ext: Ext::default() }.cbor()));
        }
    }
    Intent::HouseholdCreate(create(village.into(), values, None))
}
