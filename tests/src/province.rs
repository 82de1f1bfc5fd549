//! A year of one province at its true scale, played through the ordinary door.
//!
//! Yên Bái as it was on 2024-11-15: 173 communes; villages, teams, members and households in the numbers of
//! docs/DOMAIN.md, "Scale". All of them are made up, and so is what they do. Members record and hand in visits, officers
//! approve, return and close months; the two reorganisations of communes that fell into that year come when they came.
//! What was approved is counted beside the server, by hand, and must be what the server reports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use server::reading::figures::FigureQuery;
use server::reading::reports::ReportQuery;
use server::reorganisation::{Assignment, NewReorganisation, PreviewQuery, ToConfirm};
use server::seed::{groups, import_units_on, unit_intent};
use server::startup::{Instance, machine_random};
use server::units::{Level, UnitRecord, shipped, village_code};
use sync_protocol::access::Role;
use sync_protocol::calendar::Weekday;
use sync_protocol::case_flow::CaseKind;
use sync_protocol::catalogue::{Catalogue, Kind};
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::decide::reporting_month;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::outcome::{Outcome, Verdict};
use sync_protocol::report::ReportDocument;
use sync_protocol::row::{Register, RowType, Ver};
use sync_protocol::units::Units;
use sync_protocol::value::Value;
use sync_protocol::workflow::VisitStatus;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Fallible;
use crate::made_up::{answers, kinds_on};
use crate::rng::Rng;

/// The province's code until 2025-06-30.
pub const PROVINCE_CODE: &str = "15";
/// Villages, members of commune teams, of village teams, households (docs/DOMAIN.md, "Scale").
const VILLAGES: usize = 1_356;
const COMMUNE_MEMBERS: usize = 1_744;
const VILLAGE_MEMBERS: usize = 10_851 - COMMUNE_MEMBERS;
const HOUSEHOLDS: usize = 219_238;
/// A member goes out so often: about eight activities a month, two on a visit.
const SLOT_DAYS: u32 = 15;
/// How many authors are served at once.
const AT_ONCE: usize = 64;
/// Most changes of one request at the desk.
const CHANGES_MAX: usize = 250;
/// Of a thousand activities in households, how many are of each kind.
const IN_HOUSEHOLDS: [(&str, u64); 24] = [
    ("citizen_app_install", 200),
    ("vneid_level2", 160),
    ("dvc_account", 100),
    ("dvc_submission", 80),
    ("payment_account", 80),
    ("e_health_insurance", 70),
    ("safe_internet_guidance", 70),
    ("digital_skill_coaching", 60),
    ("household_survey", 50),
    ("ecom_buyer_account", 40),
    ("telehealth_install", 30),
    ("online_selling_coaching", 12),
    ("digital_signature", 10),
    ("digital_address", 10),
    ("ecom_product_listing", 6),
    ("learning_platform", 5),
    ("citizen_feedback", 4),
    ("device_need", 4),
    ("ecom_seller_stall", 3),
    ("traceability_label", 2),
    ("household_business_einvoice", 1),
    ("payment_qr_point", 1),
    ("device_handover", 1),
    ("growing_area_code", 1),
];
/// What teams do for a village as a whole.
const FOR_VILLAGES: [(&str, u64); 6] = [
    ("digital_skill_session", 40),
    ("outreach_communication", 40),
    ("speed_test", 10),
    ("scam_report", 4),
    ("coverage_gap_report", 3),
    ("public_wifi_point", 3),
];

/// What reorganisations are based on in this story.
const BASIS: &str = "Nghị quyết (mẫu)";

/// How large the story is, and where it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Chance.
    pub seed: u64,
    /// Communes; 173 is the whole province.
    pub communes: usize,
    /// Days from 2024-11-15 on.
    pub days: u32,
}

impl Scale {
    /// The whole province for a year.
    pub const TRUE: Self = Self { seed: 1, communes: 173, days: 365 };
}

struct Commune {
    unit: UnitId,
    code: String,
    name: String,
    officer: UserId,
    team: TeamId,
    members: Vec<(UserId, TeamMemberId)>,
    villages: Vec<usize>,
}

struct Village {
    unit: UnitId,
    team: TeamId,
    members: Vec<UserId>,
    houses: Vec<HouseholdId>,
}

/// A visit that waits for its officer.
#[derive(Clone)]
struct Made {
    visit: VisitId,
    village: usize,
    author: UserId,
    content: VisitContent,
    /// The version of its state, once there is one.
    ver: Ver,
    /// Its activities, in order.
    activities: Vec<ActivityId>,
}

impl Made {
    /// The content as a correction sends it: each activity goes on as itself.
    fn corrected(mut self) -> Self {
        for (activity, id) in self.content.activities.iter_mut().zip(&self.activities) {
            activity.id = Some(*id);
        }
        self
    }

    /// The cases that it opened.
    fn cases(&self) -> impl Iterator<Item = CaseId> {
        let of =
            |(id, activity): (&ActivityId, &Activity)| Some(field_case_id(*id, CaseKind::from_code(&activity.kind)?));
        self.activities.iter().zip(&self.content.activities).filter_map(of)
    }
}

/// What was counted by hand.
#[derive(Default)]
pub struct ByHand {
    /// Approved activities with the outcome "done", by village, month and kind.
    pub done: BTreeMap<(UnitId, Month, String), u64>,
    /// Approved activities of the kind `vneid_level2` that were done, with whom: person, village, day.
    pub vneid: Vec<(Option<Uuid>, UnitId, Day)>,
    /// Visits approved.
    pub approved: u64,
    /// Visits recorded.
    pub recorded: u64,
    /// Visits sent back, and handed in again.
    pub returned: u64,
    /// Visits declared void.
    pub void: u64,
    /// Activities recorded.
    pub activities: u64,
}

/// A province being played.
pub struct Province {
    /// The server.
    pub instance: Arc<Instance>,
    /// The admin of the installation.
    pub admin: UserId,
    /// An officer of the province.
    pub officer: UserId,
    /// The province's row.
    pub unit: UnitId,
    /// What was counted by hand.
    pub by_hand: ByHand,
    time: Arc<AtomicU64>,
    scale: Scale,
    chance: Rng,
    communes: Vec<Commune>,
    villages: Vec<Village>,
    waiting: Vec<Made>,
    returned: BTreeMap<UserId, Vec<Made>>,
    phones: u64,
}

/// The first day of the story.
pub fn first_day() -> Day {
    Day::from_civil(2024, 11, 15).unwrap_or(Day(0))
}

fn refused(what: &str, outcome: &Outcome) -> Box<dyn std::error::Error> {
    let code = outcome.code.clone().unwrap_or_default();
    format!("{what} was refused: {code} {:?} {:?}", outcome.field, outcome.rule).into()
}

fn create(scope: UnitId, values: Vec<(u8, Vec<u8>)>) -> CreateRow {
    CreateRow { scope: scope.into(), groups: groups(values), id: None, ext: Ext::default() }
}

/// Base numbers of a commune of so many villages.
fn bases_of(villages: usize) -> [(&'static str, u64); 3] {
    let villages = villages as u64;
    [("agri_households", villages * 90), ("businesses", villages * 6), ("key_products", villages * 4)]
}

/// Shares a number out: the first parts get one more.
fn share(whole: usize, parts: usize, part: usize) -> usize {
    whole / parts + usize::from(part < whole % parts)
}

impl Province {
    /// A new installation in an empty folder, with the province as it was on the first day.
    pub async fn begin(folder: &Path, scale: Scale) -> Fallible<Self> {
        let time = Arc::new(AtomicU64::new(0));
        let ticking = Arc::clone(&time);
        let clock: server::sync::Clock = Arc::new(move || ServerMs(ticking.load(Ordering::SeqCst)));
        let instance = Instance::open(folder, "province", clock, machine_random())?;
        let admin = instance.add_admin("Quản trị hệ thống (mẫu)", "0530000000")?;
        let mut province = Self {
            instance: Arc::new(instance),
            admin,
            officer: admin,
            unit: UnitId(Uuid::nil()),
            by_hand: ByHand::default(),
            time,
            scale,
            chance: Rng::new(scale.seed),
            communes: Vec::new(),
            villages: Vec::new(),
            waiting: Vec::new(),
            returned: BTreeMap::new(),
            phones: 0,
        };
        province.set_day(first_day());
        province.enter_units().await?;
        Ok(province)
    }

    /// Five in the afternoon of a day.
    fn set_day(&self, day: Day) {
        self.time.store(day.begins().0 + 17 * 3_600_000, Ordering::SeqCst);
    }

    /// How many communes, villages, teams, members and households there are.
    pub fn sizes(&self) -> [usize; 5] {
        let members = self.communes.iter().map(|commune| commune.members.len()).sum::<usize>()
            + self.villages.iter().map(|village| village.members.len()).sum::<usize>();
        let houses = self.villages.iter().map(|village| village.houses.len()).sum();
        [self.communes.len(), self.villages.len(), self.communes.len() + self.villages.len(), members, houses]
    }

    async fn perform(&self, by: UserId, what: &str, intents: Vec<Intent>) -> Fallible<Vec<Uuid>> {
        let mut ids = Vec::with_capacity(intents.len());
        for batch in intents.chunks(CHANGES_MAX) {
            for (outcome, id) in self.instance.desk.perform(by, batch.to_vec()).await? {
                if outcome.verdict != Verdict::Applied {
                    return Err(refused(what, &outcome));
                }
                ids.push(id);
            }
        }
        Ok(ids)
    }

    async fn account(&mut self, unit: UnitId) -> Fallible<UserId> {
        self.phones += 1;
        let create = CreateUser {
            display_name: format!("Thành viên {} (mẫu)", self.phones),
            phone: format!("0531{:06}", self.phones),
            unit,
            ext: Ext::default(),
        };
        Ok(UserId(self.perform(self.admin, "an account", vec![Intent::UserCreate(create)]).await?[0]))
    }

    async fn grant(&self, user: UserId, role: Role, unit: UnitId, from: Day) -> Fallible<()> {
        let decision = Some("01/QĐ-UBND".to_owned());
        let give = GiveGrant { user, role: role.code().into(), unit, from, decision, ext: Ext::default() };
        self.perform(self.admin, "a role", vec![Intent::GrantGive(give)]).await.map(|_| ())
    }

    async fn enter_units(&mut self) -> Fallible<()> {
        let day = first_day();
        import_units_on(&self.instance, self.admin, &[PROVINCE_CODE], day).await?;
        let index = shipped()?;
        let province = index.get(Level::Province, PROVINCE_CODE, day).ok_or("no such province")?;
        self.unit = province.id;
        self.officer = self.account(province.id).await?;
        self.grant(self.officer, Role::ProvinceOfficer, province.id, day).await?;
        let mut communes: Vec<&UnitRecord> = (index.records().iter())
            .filter(|record| record.level == Level::Commune && record.province_code == PROVINCE_CODE)
            .filter(|record| record.valid_from <= day && record.valid_to.is_none_or(|to| day < to))
            .collect();
        communes.sort_by(|a, b| a.code.cmp(&b.code));
        let all = communes.len();
        communes.truncate(self.scale.communes);
        let villages = VILLAGES * communes.len() / all;
        for (n, record) in communes.iter().enumerate() {
            self.enter_commune(record, n, all, share(villages, communes.len(), n)).await?;
        }
        Ok(())
    }

    async fn enter_commune(&mut self, record: &UnitRecord, n: usize, all: usize, villages: usize) -> Fallible<()> {
        let officer = self.account(record.id).await?;
        self.grant(officer, Role::CommuneOfficer, record.id, first_day()).await?;
        let (team, members) =
            self.enter_team(officer, record.id, "commune", &record.full_name, share(COMMUNE_MEMBERS, all, n)).await?;
        let mut commune = Commune {
            unit: record.id,
            code: record.code.clone(),
            name: record.name.clone(),
            officer,
            team,
            members,
            villages: Vec::new(),
        };
        self.enter_bases(officer, record.id, &bases_of(villages), first_day()).await?;
        for number in 1..=villages {
            let at = self.villages.len();
            let village = self.enter_village(&commune, number, at).await?;
            commune.villages.push(at);
            self.villages.push(village);
        }
        self.communes.push(commune);
        Ok(())
    }

    async fn enter_village(&mut self, commune: &Commune, number: usize, at: usize) -> Fallible<Village> {
        let day = first_day();
        let identity = UnitIdentity {
            level: "village".into(),
            code: village_code(&commune.code, u16::try_from(number)?),
            unit_type: "thon".into(),
            name: format!("{} {number}", commune.name),
            full_name: format!("Thôn {} {number}", commune.name),
            local_name: None,
            ext: Ext::default(),
        };
        let values = vec![
            (unit::IDENTITY, identity.cbor()),
            (unit::PARENT, UnitParent { parent: commune.unit, from: day, former: vec![], ext: Ext::default() }.cbor()),
            (unit::VALIDITY, Validity { from: day, to: None, ext: Ext::default() }.cbor()),
            (unit::ATTRIBUTES, self.attributes(day).cbor()),
        ];
        let intent = Intent::UnitCreate(create(commune.unit, values));
        let unit = UnitId(self.perform(commune.officer, "a village", vec![intent]).await?[0]);
        let members = share(VILLAGE_MEMBERS, VILLAGES, at);
        let (team, members) = self.enter_team(commune.officer, unit, "village", &identity.full_name, members).await?;
        let members: Vec<UserId> = members.into_iter().map(|(user, _)| user).collect();
        let houses = (0..share(HOUSEHOLDS, VILLAGES, at)).map(|n| self.household(unit, n)).collect();
        let houses = self.perform(members[0], "a household", houses).await?;
        let homes = houses.len() as u64;
        let bases = [("households", homes), ("adults_15_plus", homes * 3), ("poor_households", homes * 13 / 100)];
        self.enter_bases(commune.officer, unit, &bases, day).await?;
        Ok(Village { unit, team, members, houses: houses.into_iter().map(HouseholdId).collect() })
    }

    /// What a village is like: 8 of 98 lie without mobile broadband, one in five has no fibre (docs/DOMAIN.md §1).
    fn attributes(&mut self, from: Day) -> UnitAttributes {
        let tech = if self.chance.chance(8) { "2g" } else { "4g" };
        let entry = |code: &str, value| AttributeFrom { code: code.into(), from, value, ext: Ext::default() };
        let history = vec![
            entry("fibre_available", Value::Bool(self.chance.chance(80))),
            entry("mobile_tech_best", Value::Text(tech.into())),
        ];
        UnitAttributes { history, ext: Ext::default() }
    }

    async fn enter_bases(&self, officer: UserId, unit: UnitId, bases: &[(&str, u64)], from: Day) -> Fallible<()> {
        let base = |(code, value): &(&str, u64)| {
            let (code, source) = ((*code).to_owned(), "Số liệu mẫu".to_owned());
            Intent::DenominatorSet(SetDenominator {
                unit,
                code,
                from,
                value: *value,
                source,
                base_ver: None,
                ext: Ext::default(),
            })
        };
        self.perform(officer, "a base number", bases.iter().map(base).collect()).await.map(|_| ())
    }

    async fn enter_team(
        &mut self,
        officer: UserId,
        unit: UnitId,
        level: &str,
        place: &str,
        members: usize,
    ) -> Fallible<(TeamId, Vec<(UserId, TeamMemberId)>)> {
        let mut users = Vec::new();
        for _ in 0..members {
            users.push(self.account(unit).await?);
        }
        let day = Day::of_ms((self.instance.clock)().0);
        let team = self.new_team(officer, unit, level, place, day).await?;
        let members = self.join(officer, team, &users, day).await?;
        Ok((team, users.into_iter().zip(members).collect()))
    }

    async fn new_team(&self, officer: UserId, unit: UnitId, level: &str, place: &str, day: Day) -> Fallible<TeamId> {
        let name = format!("Tổ chuyển đổi số cộng đồng {place}");
        let identity = TeamIdentity { level: level.into(), unit, name, ext: Ext::default() };
        let decision = TeamDecision { number: "12/QĐ-UBND".into(), day, ext: Ext::default() };
        let validity = Validity { from: day, to: None, ext: Ext::default() };
        let values = vec![
            (team::IDENTITY, identity.cbor()),
            (team::DECISION, decision.cbor()),
            (team::VALIDITY, validity.cbor()),
        ];
        let intent = Intent::TeamCreate(create(unit, values));
        Ok(TeamId(self.perform(officer, "a team", vec![intent]).await?[0]))
    }

    async fn join(&self, officer: UserId, team: TeamId, users: &[UserId], from: Day) -> Fallible<Vec<TeamMemberId>> {
        let member = |(n, user): (usize, &UserId)| {
            Intent::MemberAdd(AddMember {
                team,
                user: *user,
                display_name: format!("Thành viên {} (mẫu)", n + 1),
                position: if n == 0 { "leader" } else { "member" }.into(),
                organisation: ["village_head", "youth", "women", "farmers", "teacher", "health", "veterans"][n % 7]
                    .into(),
                from,
                ext: Ext::default(),
            })
        };
        let intents = users.iter().enumerate().map(member).collect();
        Ok(self.perform(officer, "a member", intents).await?.into_iter().map(TeamMemberId).collect())
    }

    fn household(&mut self, village: UnitId, n: usize) -> Intent {
        let label = HouseholdLabel { label: format!("Nhà số {}", n + 1), landmark: None, ext: Ext::default() };
        let class = match self.chance.below(100) {
            0..13 => "poor",
            13..23 => "near_poor",
            23..29 => "policy",
            _ => "normal",
        };
        let class = HouseholdClass { class: class.into(), ext: Ext::default() };
        let adults = u32::try_from(self.chance.between(2, 5)).unwrap_or(2);
        let people = HouseholdPeople { adults_15_plus: adults, ext: Ext::default() };
        let values = vec![
            (household::LABEL, label.cbor()),
            (household::CLASS, class.cbor()),
            (household::PEOPLE, people.cbor()),
        ];
        Intent::HouseholdCreate(create(village, values))
    }

    /// Plays one day; days come in order.
    pub async fn play_day(&mut self, day: Day) -> Fallible<()> {
        self.set_day(day);
        self.reorganise(day).await?;
        self.members_go_out(day).await?;
        if Weekday::of(day) == Weekday::Monday {
            self.officers_review().await?;
        }
        if day.civil().2 == 18 {
            self.close_month(Month(reporting_month(day).0 - 1)).await?;
        }
        Ok(())
    }

    /// The members whose turn it is record what they did lately, and correct what came back.
    async fn members_go_out(&mut self, day: Day) -> Fallible<()> {
        let mut turns: Vec<(UserId, TeamId, usize)> = Vec::new();
        for (at, village) in self.villages.iter().enumerate() {
            let mine =
                village.members.iter().enumerate().filter(|(n, _)| (*n + at) as u32 % SLOT_DAYS == day.0 % SLOT_DAYS);
            turns.extend(mine.map(|(_, user)| (*user, village.team, at)));
        }
        for (at, commune) in self.communes.iter().enumerate() {
            let mine =
                commune.members.iter().enumerate().filter(|(n, _)| (*n + at) as u32 % SLOT_DAYS == day.0 % SLOT_DAYS);
            for (n, (user, _)) in mine {
                turns.push((*user, commune.team, commune.villages[(n + day.0 as usize) % commune.villages.len()]));
            }
        }
        let mut work = Vec::new();
        for (user, team, village) in turns {
            let mut visits = Vec::new();
            for _ in 0..self.chance.between(1, 3) {
                visits.push(self.visit(team, village, day));
            }
            if self.villages[village].members[0] == user && day.0 % (2 * SLOT_DAYS) < SLOT_DAYS {
                visits.push(self.tally(team, village, day));
            }
            let corrections = self.returned.remove(&user).unwrap_or_default();
            work.push((user, village, visits, corrections));
        }
        let instance = &self.instance;
        let jobs = work.into_iter().map(|(user, village, visits, corrections)| {
            let desk = Arc::clone(&instance.desk);
            async move {
                let mut intents: Vec<Intent> = visits.iter().map(record).collect();
                intents.extend(corrections.iter().map(correct));
                let done = desk.perform(user, intents).await;
                (user, village, visits, corrections, done)
            }
        });
        for (user, village, visits, corrections, done) in together(jobs).await? {
            let done = done?;
            for ((outcome, id), content) in done.iter().zip(&visits) {
                if outcome.verdict != Verdict::Applied {
                    return Err(refused("a visit", outcome));
                }
                self.by_hand.recorded += 1;
                self.by_hand.activities += content.activities.len() as u64;
                let at = ClaimedMs((self.instance.clock)().0);
                let activities = activities_with_ids(EventId(*id), at, content);
                self.waiting.push(Made {
                    visit: VisitId(*id),
                    village,
                    author: user,
                    content: content.clone(),
                    ver: outcome.ver.unwrap_or_default(),
                    activities: activities.into_iter().map(|(id, _)| id).collect(),
                });
            }
            for ((outcome, _), made) in done.iter().skip(visits.len()).zip(corrections) {
                if outcome.verdict != Verdict::Applied {
                    return Err(refused("a correction", outcome));
                }
                self.waiting.push(Made { ver: outcome.ver.unwrap_or_default(), ..made });
            }
        }
        Ok(())
    }

    fn visit(&mut self, team: TeamId, at: usize, today: Day) -> VisitContent {
        let whole_village = self.chance.chance(12);
        let village = &self.villages[at];
        let day = Day(today.0 - self.chance.below(6) as u32).max(first_day());
        let household = if whole_village { None } else { self.chance.pick(&village.houses).copied() };
        let unit = village.unit;
        let mut kinds: Vec<&'static Kind> = Vec::new();
        let many = if whole_village { 1 } else { self.chance.between(1, 3) };
        for _ in 0..many {
            let kind = self.kind(if whole_village { &FOR_VILLAGES } else { &IN_HOUSEHOLDS });
            if !kinds.iter().any(|known| known.code == kind.code) {
                kinds.push(kind);
            }
        }
        let activities = kinds.into_iter().map(|kind| self.activity(kind, household, day)).collect();
        VisitContent {
            village: unit,
            team,
            household,
            visit_type: if whole_village { "village" } else { "household" }.into(),
            day,
            minutes: Some(20),
            activities,
            members: vec![],
            result: None,
            summary: None,
            place: None,
            catalogue: Catalogue::shipped().version().into(),
            partner_org: None,
            quantity_reason: None,
            ext: Ext::default(),
        }
    }

    /// What a leader counts once a month: more every month, of a number that stays.
    fn tally(&mut self, team: TeamId, at: usize, day: Day) -> VisitContent {
        let kinds = kinds_on(first_day());
        let kind = kinds.iter().find(|kind| kind.code == "village_tally").copied().unwrap_or(kinds[0]);
        let mut fields = answers(kind, "done", day, &mut self.chance);
        let homes = self.villages[at].houses.len() as i64;
        let (adults, months) = (homes * 3, i64::from((day.0 - first_day().0) / 30));
        for (field, of, start) in [
            ("households", homes, 100),
            ("adults_15_plus", adults, 100),
            ("adults_smartphone", adults, 55),
            ("households_fibre", homes, 20),
            ("adults_vneid2", adults, 40),
            ("adults_citizen_app", adults, 35),
            ("adults_payment", adults, 10),
            ("adults_e_health", adults, 20),
            ("adults_trained", adults, 25),
        ] {
            fields.insert(field.to_owned(), Value::Int(of * (start + 2 * months).min(100) / 100));
        }
        let activity = Activity { kind: kind.code.clone(), fields, id: None, ext: Ext::default() };
        VisitContent {
            household: None,
            visit_type: "village".into(),
            activities: vec![activity],
            day,
            ..self.visit(team, at, day)
        }
    }

    fn kind(&mut self, weights: &[(&str, u64)]) -> &'static Kind {
        let all: u64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut left = self.chance.draw() % all;
        let code = weights.iter().find(|(_, weight)| {
            let here = left < *weight;
            left = left.saturating_sub(*weight);
            here
        });
        let kinds = kinds_on(first_day());
        let found = code.and_then(|(code, _)| kinds.iter().find(|kind| kind.code == *code).copied());
        found.unwrap_or(kinds[0])
    }

    fn activity(&mut self, kind: &Kind, household: Option<HouseholdId>, day: Day) -> Activity {
        let outcome = match self.chance.below(100) {
            0..72 => "done",
            72..84 => "already",
            84..88 => "partly",
            88..96 => "not_done",
            _ => "refused",
        };
        let mut fields = answers(kind, outcome, day, &mut self.chance);
        // One in three names the person; a household has a handful, so that repeats come about.
        if kind.field("person").is_some()
            && let Some(household) = household
            && self.chance.chance(33)
        {
            let mut bytes = *household.as_bytes();
            bytes[0] = bytes[0].wrapping_add(1 + self.chance.below(4) as u8);
            fields.insert("person".to_owned(), Value::Ref(Uuid::from_bytes(bytes)));
        }
        Activity { kind: kind.code.clone(), fields, id: None, ext: Ext::default() }
    }

    /// Every Monday: most visits are approved, some sent back, a few declared void, some left lying.
    async fn officers_review(&mut self) -> Fallible<()> {
        let mut by_village: BTreeMap<usize, Vec<Made>> = BTreeMap::new();
        for made in std::mem::take(&mut self.waiting) {
            if self.chance.chance(6) {
                self.waiting.push(made);
            } else {
                by_village.entry(made.village).or_default().push(made);
            }
        }
        let mut work: Vec<(UserId, Vec<(Made, Deed)>)> = Vec::new();
        for commune in &self.communes {
            let mut mine = Vec::new();
            for made in commune.villages.iter().filter_map(|village| by_village.remove(village)).flatten() {
                let review = match self.chance.below(100) {
                    0..3 => Deed::Return,
                    3 => Deed::Void,
                    _ => Deed::Approve,
                };
                mine.push((made, review));
            }
            for batch in mine.chunks(CHANGES_MAX) {
                work.push((commune.officer, batch.to_vec()));
            }
        }
        let instance = &self.instance;
        let jobs = work.into_iter().map(|(officer, batch)| {
            let desk = Arc::clone(&instance.desk);
            async move {
                let intents: Vec<Vec<Intent>> = batch.iter().map(|(made, review)| review.intents(made)).collect();
                let firsts: Vec<usize> =
                    intents.iter().scan(0, |at, of| Some(std::mem::replace(at, *at + of.len()))).collect();
                let done = desk.perform(officer, intents.into_iter().flatten().collect()).await;
                let done = done.map(|done| {
                    let all = done.iter().find(|(outcome, _)| outcome.verdict != Verdict::Applied).cloned();
                    (all, firsts.into_iter().filter_map(|at| done.get(at).cloned()).collect::<Vec<_>>())
                });
                (batch, done)
            }
        });
        for (batch, done) in together(jobs).await? {
            let (refusal, done) = done?;
            if let Some((outcome, _)) = refusal {
                return Err(refused("a review", &outcome));
            }
            for ((outcome, _), (made, review)) in done.into_iter().zip(batch) {
                match review {
                    Deed::Approve => self.count(&made),
                    Deed::Void => self.by_hand.void += 1,
                    Deed::Return => {
                        self.by_hand.returned += 1;
                        let made = Made { ver: outcome.ver.unwrap_or_default(), ..made }.corrected();
                        self.returned.entry(made.author).or_default().push(made);
                    }
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, made: &Made) {
        let content = &made.content;
        self.by_hand.approved += 1;
        for activity in &content.activities {
            if activity.fields.get("outcome") != Some(&Value::Text("done".into())) {
                continue;
            }
            let key = (content.village, reporting_month(content.day), activity.kind.clone());
            *self.by_hand.done.entry(key).or_default() += 1;
            if activity.kind == "vneid_level2" {
                let person = match activity.fields.get("person") {
                    Some(Value::Ref(person)) => Some(*person),
                    _ => None,
                };
                self.by_hand.vneid.push((person, content.village, content.day));
            }
        }
    }

    async fn close_month(&self, month: Month) -> Fallible<()> {
        let kind = "commune_month".to_owned();
        let typed = |code: &str, text: &str| (code.to_owned(), text.to_owned());
        for commune in &self.communes {
            let unit = commune.unit;
            let texts = vec![
                typed("difficulties", "Một số thôn sóng yếu; nhiều hộ chưa có điện thoại thông minh (mẫu)."),
                typed("documents", "Kế hoạch tháng của tổ chuyển đổi số cộng đồng (mẫu)."),
                typed("next", "Tiếp tục đi từng ngõ, gõ từng nhà (mẫu)."),
            ];
            let set = SetPeriod { commune: unit, month, open: false, ext: Ext::default() };
            let save = SaveReport { unit, kind: kind.clone(), month, texts, base_ver: None, ext: Ext::default() };
            let close = vec![Intent::PeriodSet(set), Intent::ReportSave(save)];
            let saved = self.instance.desk.perform(commune.officer, close).await?;
            let [(_, _), (outcome, _)] = &saved[..] else { return Err("two answers were expected".into()) };
            let base_ver = Some(outcome.ver.ok_or_else(|| refused("a report", outcome))?);
            let submit =
                SubmitReport { unit, kind: kind.clone(), month, snapshot: None, base_ver, ext: Ext::default() };
            self.perform(commune.officer, "a report", vec![Intent::ReportSubmit(submit)]).await?;
        }
        Ok(())
    }

    /// The reorganisations of communes that came on a day: looked at, then applied group by group, each in one step.
    async fn reorganise(&mut self, day: Day) -> Fallible<()> {
        let query = |communes: Option<String>| PreviewQuery {
            effective: day.to_string(),
            province: communes.is_none().then(|| PROVINCE_CODE.to_owned()),
            communes,
            ..PreviewQuery::default()
        };
        let country = server::units::country()?;
        let mine: BTreeSet<UnitId> = self.communes.iter().map(|commune| commune.unit).collect();
        let ends: BTreeSet<UnitId> = country
            .successions()
            .iter()
            .filter(|succession| succession.effective == day && mine.contains(&succession.old))
            .map(|succession| succession.old)
            .collect();
        let unnamed = self.ended_without_a_name(&ends, day)?;
        if ends.is_empty() && unnamed.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let (mut villages, mut by_hand, mut applied) = (0, 0, 0);
        for group in groups_of(&country, &ends, day) {
            let communes = group.iter().map(ToString::to_string).collect::<Vec<_>>();
            let preview =
                self.instance.desk.preview_reorganisation(self.admin, query(Some(communes.join(",")))).await?;
            villages += preview.communes.iter().map(|commune| commune.villages).sum::<u64>();
            by_hand += preview.by_hand.len();
            // What the resolution leaves open is drawn; a person would look at the map.
            let assignments = preview.by_hand.iter().filter_map(|open| {
                let choice = self.chance.pick(&open.choices)?;
                Some(Assignment { kind: open.item.kind.clone(), id: open.item.id, commune: choice.id.to_string() })
            });
            let assignments = assignments.collect();
            let body = NewReorganisation { effective: day.to_string(), basis: BASIS.to_owned(), communes, assignments };
            let done = self.instance.desk.apply_reorganisation(self.admin, body).await?;
            applied += 1;
            for role in done.to_confirm {
                self.confirm(&role, day).await?;
            }
        }
        for commune in &unnamed {
            by_hand += self.rehang(*commune, day).await?;
        }
        self.regroup(day).await?;
        println!(
            "  {day}: {} communes become others in {applied} reorganisations, {villages} villages keep themselves; {} more end \
             without a named successor; {by_hand} places were chosen by hand; {} communes now ({:.1} s)",
            ends.len(),
            unnamed.len(),
            self.communes.len(),
            began.elapsed().as_secs_f64()
        );
        Ok(())
    }

    /// Communes here that ended on a day, and of which the shipped list does not say what became of them.
    fn ended_without_a_name(&self, named: &BTreeSet<UnitId>, day: Day) -> Fallible<Vec<UnitId>> {
        let index = shipped()?;
        let ended = |unit: &UnitId| {
            let record = index.records().iter().find(|record| record.id == *unit);
            record.is_some_and(|record| record.valid_to == Some(day)) && !named.contains(unit)
        };
        Ok(self.communes.iter().map(|commune| commune.unit).filter(ended).collect())
    }

    /// An admin hangs the villages of an ended commune into another one by hand: the one that took its code over, or else
    /// one of its district, drawn. Gives how many villages.
    async fn rehang(&mut self, old: UnitId, day: Day) -> Fallible<usize> {
        let index = shipped()?;
        let find = |unit: UnitId| index.records().iter().find(|record| record.id == unit);
        let record = find(old).ok_or("no such commune")?;
        let district = index.parent(record, Day(day.0 - 1)).map(|district| district.id);
        let same_code = index.get(Level::Commune, &record.code, day);
        let near: Vec<UnitId> = self
            .communes
            .iter()
            .map(|commune| commune.unit)
            .filter(|unit| {
                find(*unit).is_some_and(|record| {
                    record.valid_to.is_none_or(|to| day < to)
                        && index.parent(record, day).map(|district| district.id) == district
                })
            })
            .collect();
        let target = match same_code {
            Some(record) => record.id,
            None => *self.chance.pick(&near).ok_or("no commune nearby")?,
        };
        let mut intents = Vec::new();
        if let Some(record) = same_code
            && self.instance.store.read_blocking(|tx| tx.live(RowType::UNIT, target.0))?.is_none()
        {
            intents.push(unit_intent(&index, record, None));
        }
        let villages = self.communes.iter().find(|commune| commune.unit == old).map(|commune| commune.villages.clone());
        let villages = villages.unwrap_or_default();
        let set = |unit: UnitId, key: u8, value: Vec<u8>, base_ver: Ver| {
            Intent::UnitSet(SetGroups { id: unit.0, base_ver, groups: groups([(key, value)]), ext: Ext::default() })
        };
        for at in &villages {
            let unit = self.villages[*at].unit;
            let parent = UnitParent { parent: target, from: day, former: vec![], ext: Ext::default() };
            intents.push(set(unit, unit::PARENT, parent.cbor(), self.ver_of(unit)?));
        }
        let validity = Validity { from: record.valid_from, to: Some(day), ext: Ext::default() };
        intents.push(set(old, unit::VALIDITY, validity.cbor(), self.ver_of(old)?));
        self.perform(self.admin, "a village's new commune", intents).await?;
        Ok(villages.len())
    }

    fn ver_of(&self, unit: UnitId) -> Fallible<Ver> {
        let row = self.instance.store.read_blocking(|tx| tx.live(RowType::UNIT, unit.0))?;
        let row = row.and_then(|(_, row)| Register::from_cbor(&row).ok());
        Ok(row.map(|row| row.ver).ok_or("no such unit")?)
    }

    /// A role that a reorganisation gave is given for good, and the provisional one ends.
    async fn confirm(&self, role: &ToConfirm, day: Day) -> Fallible<()> {
        let Some(known) = Role::from_code(&role.role) else { return Ok(()) };
        self.grant(UserId(role.user.id), known, UnitId(role.unit.id), day).await?;
        let end = EndGrant { grant: GrantId(role.grant), to: day, ext: Ext::default() };
        self.perform(self.admin, "a role's end", vec![Intent::GrantEnd(end)]).await.map(|_| ())
    }

    /// Finds each village's commune anew; new communes get a team of their own from the old ones' members.
    async fn regroup(&mut self, day: Day) -> Fallible<()> {
        let parents = self.instance.store.read_blocking(|tx| {
            let mut parents = BTreeMap::new();
            for (at, village) in self.villages.iter().enumerate() {
                let row = tx.live(RowType::UNIT, village.unit.0)?.map(|(_, row)| row);
                let row = row.and_then(|row| Register::from_cbor(&row).ok());
                parents.insert(at, row.and_then(|row| row.group::<UnitParent>(unit::PARENT)).map(|above| above.parent));
            }
            Ok(parents)
        })?;
        let before = std::mem::take(&mut self.communes);
        let old_of: BTreeMap<usize, usize> = before
            .iter()
            .enumerate()
            .flat_map(|(n, commune)| commune.villages.iter().map(move |at| (*at, n)))
            .collect();
        let mut after: BTreeMap<UnitId, (usize, Vec<usize>)> = BTreeMap::new();
        for (at, parent) in parents {
            let parent = parent.ok_or("a village without a commune")?;
            let main = old_of.get(&at).copied().unwrap_or(0);
            after.entry(parent).or_insert_with(|| (main, Vec::new())).1.push(at);
        }
        let mut moved: BTreeSet<usize> = BTreeSet::new();
        let mut before: BTreeMap<usize, Commune> = before.into_iter().enumerate().collect();
        let mains: Vec<(UnitId, usize, Vec<usize>)> =
            after.into_iter().map(|(unit, (main, villages))| (unit, main, villages)).collect();
        for (unit, main, villages) in mains {
            if before.get(&main).is_some_and(|commune| commune.unit == unit) {
                if let Some(commune) = before.remove(&main) {
                    self.communes.push(Commune { villages, ..commune });
                }
                continue;
            }
            let merged: BTreeSet<usize> = villages.iter().filter_map(|at| old_of.get(at).copied()).collect();
            let officer = before.get(&main).map_or(self.admin, |commune| commune.officer);
            self.grant(officer, Role::CommuneOfficer, unit, day).await?;
            let mut users = Vec::new();
            for old in merged.into_iter().filter(|old| moved.insert(*old)) {
                let members = before.get(&old).map(|commune| commune.members.clone()).unwrap_or_default();
                let end = |member: &(UserId, TeamMemberId)| {
                    Intent::MemberEnd(EndMember { member: member.1, to: day, ext: Ext::default() })
                };
                self.perform(self.admin, "a membership's end", members.iter().map(end).collect()).await?;
                users.extend(members.into_iter().map(|(user, _)| user));
            }
            let place = self.name_of(unit)?;
            let team = self.new_team(self.admin, unit, "commune", &place, day).await?;
            let members = self.join(self.admin, team, &users, day).await?;
            let members = users.into_iter().zip(members).collect();
            self.enter_bases(officer, unit, &bases_of(villages.len()), day).await?;
            let name = place;
            self.communes.push(Commune { unit, code: String::new(), name, officer, team, members, villages });
        }
        self.follow_province(day).await
    }

    /// The province's own officer goes on in the province that holds the communes now.
    async fn follow_province(&mut self, day: Day) -> Fallible<()> {
        let index = shipped()?;
        let now = index.get(Level::Province, PROVINCE_CODE, day).ok_or("no such province")?.id;
        if now != self.unit {
            self.unit = now;
            self.grant(self.officer, Role::ProvinceOfficer, now, day).await?;
        }
        Ok(())
    }

    fn name_of(&self, unit: UnitId) -> Fallible<String> {
        let row = self.instance.store.read_blocking(|tx| tx.live(RowType::UNIT, unit.0))?;
        let row = row.and_then(|(_, row)| Register::from_cbor(&row).ok());
        let identity = row.and_then(|row| row.group::<UnitIdentity>(unit::IDENTITY));
        Ok(identity.map(|identity| identity.full_name).ok_or("a unit without a name")?)
    }

    /// The unit of the commune with the most villages, and its officer: whose report is shown.
    pub fn largest_commune(&self) -> (UnitId, UserId) {
        let largest = self.communes.iter().max_by_key(|commune| (commune.villages.len(), commune.unit));
        largest.map_or((self.unit, self.officer), |commune| (commune.unit, commune.officer))
    }

    /// Makes a report of a unit and writes all its files; gives the document.
    pub async fn report(
        &self,
        by: UserId,
        code: &str,
        unit: UnitId,
        month: Month,
        to: &Path,
    ) -> Fallible<ReportDocument> {
        let query = ReportQuery { unit: unit.0, month: month.to_string(), team: None, lang: None };
        let document = self.instance.reading.report(by, code.to_owned(), query).await?;
        std::fs::create_dir_all(to)?;
        for (name, bytes) in server::export::files(&document)? {
            std::fs::write(to.join(name), bytes)?;
        }
        Ok(document)
    }

    /// Compares what the server reports of the whole province with what was counted by hand, down to each village: the
    /// raw counts of every kind, and for one kind the figure in which a person counts once within a commune.
    pub async fn reconcile(&self) -> Fallible<u64> {
        let mut checked = 0;
        let villages: Vec<UnitId> = self.villages.iter().map(|village| village.unit).collect();
        let counted = self.instance.store.read_blocking(|tx| tx.counts(&villages, None))?;
        let mut theirs: BTreeMap<(UnitId, Month, String), u64> = BTreeMap::new();
        for (key, n) in counted {
            if key.status == VisitStatus::Approved && key.outcome == "done" && !key.kind.is_empty() {
                *theirs.entry((key.village, key.month, key.kind)).or_default() += n;
            }
        }
        if theirs != self.by_hand.done {
            return Err("the server's counts are not what was counted by hand".into());
        }
        checked += theirs.values().sum::<u64>();
        for commune in &self.communes {
            let villages: BTreeSet<UnitId> = commune.villages.iter().map(|at| self.villages[*at].unit).collect();
            for month in [reporting_month(first_day()), Month(reporting_month(first_day()).0 + 9)] {
                let query = FigureQuery {
                    unit: commune.unit.0,
                    month: Some(month.to_string()),
                    span: None,
                    view: None,
                    team: None,
                };
                let figures = self.instance.reading.figures(commune.officer, query).await?;
                let figure = figures.kinds.iter().find(|figure| figure.code == "vneid_level2");
                let theirs = figure.and_then(|figure| figure.value.clone()).unwrap_or_default();
                // Before the reorganisations the unit had other villages: then there is nothing to compare with.
                let ours = self.vneid_of(&villages, month).to_string();
                if figures.days[0].as_str() >= "2025-07-01" && theirs != ours {
                    return Err(format!("{}: the figure is {theirs}, by hand {ours}", commune.unit).into());
                }
                checked += 1;
            }
        }
        Ok(checked)
    }

    /// Persons whose first success was approved in a month, and successes without a person's name.
    fn vneid_of(&self, villages: &BTreeSet<UnitId>, month: Month) -> usize {
        let mut first: BTreeMap<Uuid, Day> = BTreeMap::new();
        let mut unnamed = 0;
        for (person, village, day) in self.by_hand.vneid.iter().filter(|(_, village, _)| villages.contains(village)) {
            let _ = village;
            match person {
                Some(person) => {
                    let known = first.entry(*person).or_insert(*day);
                    *known = (*known).min(*day);
                }
                None => unnamed += usize::from(reporting_month(*day) == month),
            }
        }
        unnamed + first.values().filter(|day| reporting_month(**day) == month).count()
    }
}

/// Communes that end on a day, in groups that share a new commune.
fn groups_of(country: &Units, ends: &BTreeSet<UnitId>, day: Day) -> Vec<BTreeSet<UnitId>> {
    let mut groups: Vec<(BTreeSet<UnitId>, BTreeSet<UnitId>)> = Vec::new();
    for old in ends {
        let mut news: BTreeSet<UnitId> =
            country.successions_of(*old).iter().filter(|next| next.effective == day).map(|next| next.new).collect();
        let mut olds = BTreeSet::from([*old]);
        let (same, others): (Vec<_>, Vec<_>) = groups.into_iter().partition(|(_, theirs)| !theirs.is_disjoint(&news));
        for (more_olds, more_news) in same {
            olds.extend(more_olds);
            news.extend(more_news);
        }
        groups = others;
        groups.push((olds, news));
    }
    groups.into_iter().map(|(olds, _)| olds).collect()
}

/// What an officer does with a visit.
#[derive(Clone, Copy)]
enum Deed {
    Approve,
    Return,
    Void,
}

impl Deed {
    /// What the officer does: an approved visit's cases are answered on the spot.
    fn intents(self, made: &Made) -> Vec<Intent> {
        let mut intents = vec![self.intent(made)];
        if matches!(self, Self::Approve) {
            for case in made.cases() {
                let step = |to: &str, text: Option<&str>| {
                    let text = text.map(str::to_owned);
                    Intent::CaseAdvance(AdvanceCase { case, to: to.to_owned(), text, ext: Ext::default() })
                };
                intents.extend([step("acknowledged", None), step("resolved", Some("Đã xử lý, báo lại thôn."))]);
            }
        }
        intents
    }

    fn intent(self, made: &Made) -> Intent {
        let (visit, hash) = (made.visit, content_hash(&made.content.cbor()));
        match self {
            Self::Approve => Intent::VisitApprove(ApproveVisit { visit, hash, batch: None, ext: Ext::default() }),
            Self::Return => {
                let reason = ReturnReason {
                    code: "evidence_unclear".into(),
                    activity: Some(0),
                    field: None,
                    text: None,
                    ext: Ext::default(),
                };
                Intent::VisitReturn(ReturnVisit { visit, hash, reasons: vec![reason], note: None, ext: Ext::default() })
            }
            Self::Void => {
                let reason = VoidReason { code: "duplicate".into(), text: None, ext: Ext::default() };
                Intent::VisitVoid(VoidVisit { visit, reason: Raw(reason.cbor()), ext: Ext::default() })
            }
        }
    }
}

fn record(content: &VisitContent) -> Intent {
    let content = Raw(content.cbor());
    Intent::VisitRecord(RecordVisit { content, submit: true, plan: None, ext: Ext::default() })
}

fn correct(made: &Made) -> Intent {
    Intent::VisitCorrect(CorrectVisit {
        visit: made.visit,
        base_ver: made.ver,
        content: Raw(made.content.cbor()),
        submit: true,
        ext: Ext::default(),
    })
}

/// Runs jobs, a number of them at once; results come in the order of the jobs.
async fn together<T: Send + 'static>(
    jobs: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Fallible<Vec<T>> {
    let mut running = JoinSet::new();
    let mut results = BTreeMap::new();
    for (n, job) in jobs.enumerate() {
        if running.len() >= AT_ONCE
            && let Some(done) = running.join_next().await
        {
            let (n, result) = done?;
            results.insert(n, result);
        }
        running.spawn(async move { (n, job.await) });
    }
    while let Some(done) = running.join_next().await {
        let (n, result) = done?;
        results.insert(n, result);
    }
    Ok(results.into_values().collect())
}
