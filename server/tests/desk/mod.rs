//! A desk over a store in memory: units, people with their roles, and requests as they come from a browser.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web::Data;
use serde_json::{Value as Json, json};
use server::accounts::{Accounts, Parts};
use server::auth::password::PasswordHasherPool;
use server::auth::throttle::{Limits, Throttle};
use server::auth::token::{AccessTokens, SessionId};
use server::desk::Desk;
use server::http::{App, configure};
use server::keys::{CursorKey, Pepper, TokenKey};
use server::reading::Reading;
use server::shapes::Shapes;
use server::storage::memory::MemoryStorage;
use server::storage::sqlite::SqliteStorage;
use server::storage::{Session, Storage, Store};
use server::sync::{Clock, Random, SERVER_EPOCH_KEY, Secrets, SyncService};
use server::work::Work;
use sync_protocol::access::{INSTALLATION, Role};
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::decide::{Change, Grant, User};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::outcome::Verdict;
use sync_protocol::row::ByKey;
use sync_protocol::value::Value;
use uuid::Uuid;

/// 2026-11-22, nine in the morning in Việt Nam.
pub const NOW: u64 = 1_795_312_800_000;
/// The operator's file of places: one village of the commune.
pub const SHAPES: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"code":"04611"},
    "geometry":{"type":"Point","coordinates":[104.5,21.25]}}]}"#;
pub const DAY_MS: u64 = 86_400_000;
pub const PROVINCE: u8 = 5;
pub const COMMUNE: u8 = 10;
pub const VILLAGE: u8 = 11;
pub const SIBLING: u8 = 12;
pub const FOREIGN_COMMUNE: u8 = 15;
pub const FOREIGN_VILLAGE: u8 = 16;
pub const ADMIN: u8 = 40;
pub const MEMBER: u8 = 41;
pub const SECOND: u8 = 42;
pub const LEADER: u8 = 43;
pub const OFFICER: u8 = 44;
pub const FOREIGN_MEMBER: u8 = 45;
pub const FOREIGN_OFFICER: u8 = 46;
pub const PROVINCE_OFFICER: u8 = 47;
pub const AUDITOR: u8 = 48;
pub const PRIVACY: u8 = 49;
pub const HEAD: &str = "Giàng A Páo";
pub const PHONE: &str = "0912345678";

pub fn uuid(n: u8) -> Uuid {
    Uuid::from_bytes([n; 16])
}

pub fn user(n: u8) -> UserId {
    UserId(uuid(n))
}

pub fn scope(n: u8) -> ScopeId {
    ScopeId(uuid(n))
}

pub struct World {
    pub app: Data<App>,
    pub store: Store,
    pub clock: Arc<AtomicU64>,
    pub tokens: AccessTokens,
    pub team: TeamId,
    pub house: HouseholdId,
    pub foreign_team: TeamId,
    pub foreign_house: HouseholdId,
    pub _folder: Option<tempfile::TempDir>,
}

pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Json,
    pub text: String,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("-")
    }
}

/// The same desk on both engines.
pub async fn worlds() -> Vec<World> {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteStorage::open(&folder.path().join("store.sqlite3")).unwrap();
    vec![world(Arc::new(MemoryStorage::default()), None).await, world(Arc::new(sqlite), Some(folder)).await]
}

pub fn groups(values: Vec<(u8, Vec<u8>)>) -> ByKey<Raw> {
    ByKey(values.into_iter().map(|(key, value)| (key, Raw(value))).collect())
}

pub fn unit(id: u8, parent: Uuid, level: &str) -> Intent {
    let identity = UnitIdentity {
        level: level.into(),
        code: format!("046{id}"),
        unit_type: "thon".into(),
        name: format!("Số {id}"),
        full_name: format!("Nơi số {id}"),
        local_name: None,
        ext: Ext::default(),
    };
    let parent_group = UnitParent { parent: UnitId(parent), from: Day(20_000), former: vec![], ext: Ext::default() };
    let validity = Validity { from: Day(20_000), to: None, ext: Ext::default() };
    Intent::UnitCreate(CreateRow {
        scope: ScopeId(parent),
        groups: groups(vec![
            (unit::IDENTITY, identity.cbor()),
            (unit::PARENT, parent_group.cbor()),
            (unit::VALIDITY, validity.cbor()),
        ]),
        id: Some(uuid(id)),
        ext: Ext::default(),
    })
}

pub fn team(village: u8) -> Intent {
    let identity =
        TeamIdentity { level: "village".into(), unit: UnitId(uuid(village)), name: "Tổ".into(), ext: Ext::default() };
    let validity = Validity { from: Day(20_000), to: None, ext: Ext::default() };
    let groups = groups(vec![(team::IDENTITY, identity.cbor()), (team::VALIDITY, validity.cbor())]);
    Intent::TeamCreate(CreateRow { scope: scope(village), groups, id: None, ext: Ext::default() })
}

pub fn household(village: u8) -> Intent {
    let label = HouseholdLabel { label: "nhà đầu suối".into(), landmark: None, ext: Ext::default() };
    let head = HouseholdHead { display_name: HEAD.into(), ext: Ext::default() };
    let phone = HouseholdPhone { phone: PHONE.into(), ext: Ext::default() };
    let class = HouseholdClass { class: "poor".into(), ext: Ext::default() };
    let consent = Consent {
        purposes: vec!["visit_log".into()],
        notice_version: "2026.1".into(),
        language: "vi".into(),
        method: "spoken_witnessed".into(),
        given: Day(20_000),
        withdrawn: None,
        ext: Ext::default(),
    };
    let groups = groups(vec![
        (household::LABEL, label.cbor()),
        (household::HEAD, head.cbor()),
        (household::PHONE, phone.cbor()),
        (household::CLASS, class.cbor()),
        (household::CONSENT, consent.cbor()),
    ]);
    Intent::HouseholdCreate(CreateRow { scope: scope(village), groups, id: None, ext: Ext::default() })
}

pub async fn world(storage: Arc<dyn Storage>, folder: Option<tempfile::TempDir>) -> World {
    let store = Store(storage);
    let time = Arc::new(AtomicU64::new(NOW));
    let ticking = Arc::clone(&time);
    let clock: Clock = Arc::new(move || ServerMs(ticking.load(Ordering::SeqCst)));
    let drawn = AtomicU64::new(0);
    let random: Random = Arc::new(move |bytes: &mut [u8]| {
        let seed = blake3::hash(&drawn.fetch_add(1, Ordering::SeqCst).to_be_bytes());
        bytes.copy_from_slice(&seed.as_bytes()[..bytes.len()]);
    });
    let secrets = Secrets::of(&CursorKey::from_bytes([5; 32]));
    let (at, chance) = (Arc::clone(&clock), Arc::clone(&random));
    let sync = Arc::new(SyncService::new(store.clone(), secrets.clone(), 1, at, chance, Box::new(|_| {})));
    let keys = || AccessTokens::new("test", "test", &[TokenKey::from_seed([7; 32], ServerMs(NOW))]).unwrap();
    let accounts = Arc::new(Accounts::new(Parts {
        store: store.clone(),
        hashers: PasswordHasherPool::start(Pepper::from_bytes([9; 32]), NonZeroUsize::MIN).unwrap(),
        tokens: keys(),
        throttle: Throttle::new(Limits::default()),
        secrets,
        pepper: Pepper::from_bytes([9; 32]),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
    }));
    let desk = Arc::new(Desk::new(store.clone(), Arc::clone(&sync), Arc::clone(&clock), Arc::clone(&random)));
    let reading = Reading::new(store.clone(), Arc::clone(&clock), Arc::clone(&random));
    let reading = Arc::new(reading.with_shapes(Shapes::parse(SHAPES.as_bytes()).unwrap()));
    let accepting = Arc::new(AtomicBool::new(true));
    let app = App { store: store.clone(), sync, accounts, desk, reading, clock, random, accepting };
    let app = Data::new(app);
    enter_people(&store).await;
    let units = vec![
        unit(PROVINCE, INSTALLATION.0, "province"),
        unit(COMMUNE, uuid(PROVINCE), "commune"),
        unit(VILLAGE, uuid(COMMUNE), "village"),
        unit(SIBLING, uuid(COMMUNE), "village"),
        unit(FOREIGN_COMMUNE, uuid(PROVINCE), "commune"),
        unit(FOREIGN_VILLAGE, uuid(FOREIGN_COMMUNE), "village"),
    ];
    perform(&app, ADMIN, units).await;
    let team_id = |ids: Vec<Uuid>| TeamId(ids[0]);
    let own = team_id(perform(&app, OFFICER, vec![team(VILLAGE)]).await);
    let foreign = team_id(perform(&app, FOREIGN_OFFICER, vec![team(FOREIGN_VILLAGE)]).await);
    let house = perform(&app, LEADER, vec![household(VILLAGE)]).await[0];
    let foreign_house = perform(&app, FOREIGN_MEMBER, vec![household(FOREIGN_VILLAGE)]).await[0];
    World {
        app,
        store,
        clock: time,
        tokens: keys(),
        team: own,
        house: HouseholdId(house),
        foreign_team: foreign,
        foreign_house: HouseholdId(foreign_house),
        _folder: folder,
    }
}

/// Accounts with their roles, and a session for each.
pub async fn enter_people(store: &Store) {
    let people = [
        (ADMIN, Role::Admin, INSTALLATION.0),
        (MEMBER, Role::Member, uuid(VILLAGE)),
        (SECOND, Role::Member, uuid(VILLAGE)),
        (LEADER, Role::TeamLeader, uuid(VILLAGE)),
        (OFFICER, Role::CommuneOfficer, uuid(COMMUNE)),
        (FOREIGN_MEMBER, Role::Member, uuid(FOREIGN_VILLAGE)),
        (FOREIGN_OFFICER, Role::CommuneOfficer, uuid(FOREIGN_COMMUNE)),
        (PROVINCE_OFFICER, Role::ProvinceOfficer, uuid(PROVINCE)),
        (AUDITOR, Role::Auditor, uuid(COMMUNE)),
        (PRIVACY, Role::PrivacyOfficer, uuid(COMMUNE)),
    ];
    store
        .write(move |tx| {
            tx.put_meta(SERVER_EPOCH_KEY, &1u16.to_be_bytes())?;
            let mut work = Work::new(tx, ServerMs(NOW));
            for (n, role, unit) in people {
                work.tx().put_session(&Session {
                    id: u64::from(n),
                    user: user(n),
                    device: None,
                    refresh_gen: 0,
                    created: ServerMs(NOW),
                    last_used: ServerMs(NOW),
                    revoked: None,
                })?;
                let account = User {
                    id: user(n),
                    display_name: format!("Lò Văn {n}"),
                    phone: format!("05300000{n}"),
                    unit: UnitId(unit),
                    grants_rev: 1,
                    active: true,
                };
                let grant = Grant {
                    id: GrantId(uuid(n + 100)),
                    user: user(n),
                    role: role.code().into(),
                    unit: UnitId(unit),
                    from: Day(20_000),
                    to: None,
                    ended: None,
                    decision: None,
                };
                work.apply(vec![Change::PutUser(account), Change::PutGrant(grant)])?;
            }
            work.finish()
        })
        .await
        .unwrap();
}

pub async fn perform(app: &App, by: u8, intents: Vec<Intent>) -> Vec<Uuid> {
    let done = app.desk.perform(user(by), intents).await.unwrap();
    for (outcome, _) in &done {
        assert_eq!(outcome.verdict, Verdict::Applied, "{outcome:?}");
    }
    done.into_iter().map(|(_, id)| id).collect()
}

impl World {
    pub fn token(&self, n: u8) -> String {
        let session = SessionId(Uuid::from_u64_pair(0, u64::from(n)));
        self.tokens.issue(user(n), None, session, ServerMs(self.clock.load(Ordering::SeqCst))).unwrap()
    }

    pub async fn send(&self, request: TestRequest) -> Answer {
        let app = self.app.clone();
        let service = init_service(actix_web::App::new().configure(move |config| configure(config, app))).await;
        let response = call_service(&service, request.to_request()).await;
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        let text = String::from_utf8_lossy(&read_body(response).await).into_owned();
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Json::Null), text }
    }

    pub fn request(&self, by: u8, method: Method, path: &str) -> TestRequest {
        let bearer = format!("Bearer {}", self.token(by));
        TestRequest::default().method(method).uri(path).insert_header(("authorization", bearer))
    }

    pub async fn get(&self, by: u8, path: impl Into<String>) -> Answer {
        self.send(self.request(by, Method::GET, &path.into())).await
    }

    pub async fn post(&self, by: u8, path: impl Into<String>, body: Json) -> Answer {
        self.send(self.request(by, Method::POST, &path.into()).set_json(body)).await
    }

    pub fn content(&self, village: u8, days_ago: u32, outcome: &str) -> VisitContent {
        let (team, house) =
            if village == VILLAGE { (self.team, self.house) } else { (self.foreign_team, self.foreign_house) };
        let mut fields = BTreeMap::from([
            ("person".to_owned(), Value::Ref(uuid(77 + days_ago as u8))),
            ("step".to_owned(), Value::Text("activated".into())),
            ("age_14_plus".to_owned(), Value::Bool(true)),
            ("outcome".to_owned(), Value::Text(outcome.into())),
        ]);
        if outcome != "done" {
            fields.insert("step".to_owned(), Value::Text("told".into()));
            fields.insert("failure_reason".to_owned(), Value::Text("no_smartphone".into()));
        }
        VisitContent {
            village: UnitId(uuid(village)),
            team,
            household: Some(house),
            visit_type: "household".into(),
            day: Day(Day::of_ms(NOW).0 - days_ago),
            minutes: Some(20),
            activities: vec![Activity { kind: "vneid_level2".into(), fields, id: None, ext: Ext::default() }],
            members: vec![],
            result: None,
            summary: Some("Đã hướng dẫn cả nhà.".into()),
            place: None,
            catalogue: "2026.1".into(),
            partner_org: None,
            quantity_reason: None,
            ext: Ext::default(),
        }
    }

    pub async fn record(&self, by: u8, village: u8, days_ago: u32) -> Uuid {
        let content = Raw(self.content(village, days_ago, "done").cbor());
        let intent = Intent::VisitRecord(RecordVisit { content, submit: true, plan: None, ext: Ext::default() });
        perform(&self.app, by, vec![intent]).await[0]
    }

    pub async fn hash(&self, visit: Uuid) -> String {
        let answer = self.get(OFFICER, &format!("/api/v1/visits/{visit}")).await;
        answer.body["content_hash"].as_str().unwrap().to_owned()
    }

    /// Records a visit and approves it.
    pub async fn approved(&self, days_ago: u32) -> Uuid {
        let visit = self.record(MEMBER, VILLAGE, days_ago).await;
        let body = json!({ "content_hash": self.hash(visit).await });
        let approved = self.post(OFFICER, format!("/api/v1/visits/{visit}/approve"), body).await;
        assert_eq!(approved.status, 200, "{}", approved.text);
        visit
    }
}
