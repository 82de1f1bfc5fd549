//! The desk's interface over HTTP: who may do what, what refusals look like, and that numbers can be explained.
//!
//! Every story runs on both engines. Visits come in as members' ops through the desk's door, where phones' ops meet the
//! same rules.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Once};

use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web::Data;
use serde_json::{Value as Json, json};
use server::accounts::{Accounts, Parts};
use server::auth::password::PasswordHasherPool;
use server::auth::throttle::{Limits, Throttle};
use server::auth::token::{AccessTokens, SessionId};
use server::desk::Desk;
use server::http::{App, ROUTES, configure, openapi, run};
use server::keys::{CursorKey, Pepper, TokenKey};
use server::reading::Reading;
use server::storage::memory::MemoryStorage;
use server::storage::sqlite::SqliteStorage;
use server::storage::{Outbox, Session, Storage, Store};
use server::sync::{Clock, Random, SERVER_EPOCH_KEY, Secrets, SyncService};
use server::work::{Work, rebuild_projections, verify_audit};
use sync_protocol::access::{INSTALLATION, Role};
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::decide::{Change, Grant, User};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::outcome::Verdict;
use sync_protocol::row::{ByKey, Ver};
use sync_protocol::value::Value;
use uuid::Uuid;

/// 2026-11-22, nine in the morning in Việt Nam.
const NOW: u64 = 1_795_312_800_000;
const DAY_MS: u64 = 86_400_000;
const PROVINCE: u8 = 5;
const COMMUNE: u8 = 10;
const VILLAGE: u8 = 11;
const SIBLING: u8 = 12;
const FOREIGN_COMMUNE: u8 = 15;
const FOREIGN_VILLAGE: u8 = 16;
const ADMIN: u8 = 40;
const MEMBER: u8 = 41;
const SECOND: u8 = 42;
const LEADER: u8 = 43;
const OFFICER: u8 = 44;
const FOREIGN_MEMBER: u8 = 45;
const FOREIGN_OFFICER: u8 = 46;
const PROVINCE_OFFICER: u8 = 47;
const AUDITOR: u8 = 48;
const PRIVACY: u8 = 49;
/// A key that fits no op before it.
const KEY: &str = "9b2f7e60-6a0a-4c7e-8c58-6f3d8f1f6a01";
const HEAD: &str = "Giàng A Páo";
const PHONE: &str = "0912345678";

fn uuid(n: u8) -> Uuid {
    Uuid::from_bytes([n; 16])
}

fn user(n: u8) -> UserId {
    UserId(uuid(n))
}

fn scope(n: u8) -> ScopeId {
    ScopeId(uuid(n))
}

struct World {
    app: Data<App>,
    store: Store,
    clock: Arc<AtomicU64>,
    tokens: AccessTokens,
    team: TeamId,
    house: HouseholdId,
    foreign_team: TeamId,
    foreign_house: HouseholdId,
    _folder: Option<tempfile::TempDir>,
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Json,
    text: String,
}

impl Answer {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("-")
    }

    /// The body without what differs between any two requests.
    fn without_id(&self) -> String {
        let mut body = self.body.clone();
        let id = body.as_object_mut().unwrap().remove("request_id").unwrap();
        assert_eq!(id.as_str().map(str::len), Some(16), "every refusal names its request");
        self.text.replace(id.as_str().unwrap(), "")
    }
}

thread_local! {
    /// What was logged on this thread: each test has one of its own, and its handlers run on it.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes to the log of the thread.
struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn worlds() -> Vec<World> {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| tracing_subscriber::fmt().json().with_writer(|| Log).init());
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteStorage::open(&folder.path().join("store.sqlite3")).unwrap();
    vec![world(Arc::new(MemoryStorage::default()), None).await, world(Arc::new(sqlite), Some(folder)).await]
}

fn groups(values: Vec<(u8, Vec<u8>)>) -> ByKey<Raw> {
    ByKey(values.into_iter().map(|(key, value)| (key, Raw(value))).collect())
}

fn unit(id: u8, parent: Uuid, level: &str) -> Intent {
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

fn team(village: u8) -> Intent {
    let identity =
        TeamIdentity { level: "village".into(), unit: UnitId(uuid(village)), name: "Tổ".into(), ext: Ext::default() };
    let validity = Validity { from: Day(20_000), to: None, ext: Ext::default() };
    let groups = groups(vec![(team::IDENTITY, identity.cbor()), (team::VALIDITY, validity.cbor())]);
    Intent::TeamCreate(CreateRow { scope: scope(village), groups, id: None, ext: Ext::default() })
}

fn household(village: u8) -> Intent {
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

async fn world(storage: Arc<dyn Storage>, folder: Option<tempfile::TempDir>) -> World {
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
    let reading = Arc::new(Reading::new(store.clone(), Arc::clone(&clock), Arc::clone(&random)));
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
async fn enter_people(store: &Store) {
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

async fn perform(app: &App, by: u8, intents: Vec<Intent>) -> Vec<Uuid> {
    let done = app.desk.perform(user(by), intents).await.unwrap();
    for (outcome, _) in &done {
        assert_eq!(outcome.verdict, Verdict::Applied, "{outcome:?}");
    }
    done.into_iter().map(|(_, id)| id).collect()
}

impl World {
    fn token(&self, n: u8) -> String {
        let session = SessionId(Uuid::from_u64_pair(0, u64::from(n)));
        self.tokens.issue(user(n), None, session, ServerMs(self.clock.load(Ordering::SeqCst))).unwrap()
    }

    async fn send(&self, request: TestRequest) -> Answer {
        let app = self.app.clone();
        let service = init_service(actix_web::App::new().configure(move |config| configure(config, app))).await;
        let response = call_service(&service, request.to_request()).await;
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        let text = String::from_utf8_lossy(&read_body(response).await).into_owned();
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Json::Null), text }
    }

    fn request(&self, by: u8, method: Method, path: &str) -> TestRequest {
        let bearer = format!("Bearer {}", self.token(by));
        TestRequest::default().method(method).uri(path).insert_header(("authorization", bearer))
    }

    async fn get(&self, by: u8, path: impl Into<String>) -> Answer {
        self.send(self.request(by, Method::GET, &path.into())).await
    }

    async fn post(&self, by: u8, path: impl Into<String>, body: Json) -> Answer {
        self.send(self.request(by, Method::POST, &path.into()).set_json(body)).await
    }

    fn content(&self, village: u8, days_ago: u32, outcome: &str) -> VisitContent {
        let (team, house) =
            if village == VILLAGE { (self.team, self.house) } else { (self.foreign_team, self.foreign_house) };
        let mut fields = BTreeMap::from([
            ("person".to_owned(), Value::Ref(uuid(77))),
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

    async fn record(&self, by: u8, village: u8, days_ago: u32) -> Uuid {
        let content = Raw(self.content(village, days_ago, "done").cbor());
        let intent = Intent::VisitRecord(RecordVisit { content, submit: true, plan: None, ext: Ext::default() });
        perform(&self.app, by, vec![intent]).await[0]
    }

    async fn correct(&self, by: u8, visit: Uuid, base_ver: Ver, minutes: u32) -> Verdict {
        let mut content = self.content(VILLAGE, 0, "done");
        content.minutes = Some(minutes);
        let intent = Intent::VisitCorrect(CorrectVisit {
            visit: VisitId(visit),
            base_ver,
            content: Raw(content.cbor()),
            submit: true,
            ext: Ext::default(),
        });
        self.app.desk.perform(user(by), vec![intent]).await.unwrap()[0].0.verdict
    }

    async fn hash(&self, visit: Uuid) -> String {
        let answer = self.get(OFFICER, &format!("/api/v1/visits/{visit}")).await;
        answer.body["content_hash"].as_str().unwrap().to_owned()
    }

    async fn totals(&self) -> Json {
        let answer = self.get(OFFICER, &format!("/api/v1/counts?unit={}", uuid(COMMUNE))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body["totals"].clone()
    }
}

#[actix_web::test]
async fn a_visit_is_returned_with_reasons_corrected_and_approved_and_every_number_follows() {
    for world in worlds().await {
        let visit = world.record(MEMBER, VILLAGE, 0).await;
        let list = world.get(OFFICER, "/api/v1/visits?status=submitted").await;
        assert_eq!(list.body["items"][0]["id"], json!(visit), "{}", list.text);
        assert_eq!(list.body["items"][0]["author"]["name"], "Lò Văn 41");
        assert_eq!(list.body["items"][0]["household"]["name"], "nhà đầu suối");
        assert_eq!(world.totals().await["submitted"], 1);

        let path = format!("/api/v1/visits/{visit}");
        let seen = world.get(OFFICER, &path).await;
        let hash = seen.body["content_hash"].as_str().unwrap().to_owned();
        let activity = &seen.body["content"]["activities"][0];
        assert_eq!(activity["fields"]["step"], "activated");
        assert_eq!(activity["label"]["en"], Json::from(catalogue_label()));
        let step = activity["answers"].as_array().unwrap().iter().find(|answer| answer["field"] == "step").unwrap();
        assert_eq!(step["options"][0]["en"], "Level 2 activated");
        assert_eq!(seen.body["events"].as_array().unwrap().len(), 1);

        let empty = json!({ "content_hash": hash, "reasons": [] });
        let refused = world.post(OFFICER, &format!("{path}/return"), empty).await;
        assert_eq!((refused.status, refused.code()), (422, "reason_missing"));
        let reasons = json!([{ "code": "wrong_answer", "activity": 0, "field": "step", "text": "Xem lại." }]);
        let back = json!({ "content_hash": hash, "reasons": reasons, "note": "Cảm ơn." });
        let returned = world.post(OFFICER, &format!("{path}/return"), back.clone()).await;
        assert_eq!((returned.status, &returned.body["verdict"]), (200, &json!("applied")), "{}", returned.text);
        let again = world.post(OFFICER, &format!("{path}/return"), back).await;
        assert_eq!((again.status, again.code()), (409, "wrong_state"));
        let seen = world.get(OFFICER, &path).await;
        assert_eq!(seen.body["status"], "returned");
        assert_eq!(seen.body["review"]["reasons"], reasons);
        assert_eq!(seen.body["review"]["by"]["name"], "Lò Văn 44");
        assert_eq!(world.totals().await["returned"], 1);

        let ver = Ver(seen.body["ver"].as_str().unwrap().parse().unwrap());
        assert_eq!(world.correct(MEMBER, visit, ver, 35).await, Verdict::Applied);
        let stale = world.post(OFFICER, &format!("{path}/approve"), json!({ "content_hash": hash })).await;
        assert_eq!((stale.status, stale.code()), (409, "content_changed"));
        let seen = world.get(OFFICER, &path).await;
        assert_eq!((&seen.body["status"], &seen.body["content"]["minutes"]), (&json!("submitted"), &json!(35)));
        let events: Vec<&str> =
            seen.body["events"].as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["recorded", "corrected"]);
        assert_eq!(seen.body["events"][0]["content"]["minutes"], 20, "what was said before stays readable");
        let hash = seen.body["content_hash"].clone();
        let approved = world.post(OFFICER, &format!("{path}/approve"), json!({ "content_hash": hash })).await;
        assert_eq!(approved.status, 200, "{}", approved.text);
        let totals = world.totals().await;
        assert_eq!(
            (&totals["approved"], &totals["submitted"], &totals["confirmed"]),
            (&json!(1), &json!(0), &json!(1))
        );
        assert_eq!((&totals["visits"], &totals["activities"], &totals["achieved"]), (&json!(1), &json!(1), &json!(1)));

        // Counting again from the rows gives the same.
        let visits = world.store.write(rebuild_projections).await.unwrap();
        assert_eq!((visits, world.totals().await), (1, totals));
        assert_eq!(world.store.read(verify_audit).await.unwrap(), []);
    }
}

fn catalogue_label() -> String {
    use sync_protocol::catalogue::{Catalogue, Lang};
    Catalogue::shipped().label("vneid_level2", Lang::En).unwrap().to_owned()
}

#[actix_web::test]
async fn nobody_approves_their_own_visit_and_a_closed_month_keeps_its_approvals() {
    for world in worlds().await {
        let visit = world.record(MEMBER, VILLAGE, 0).await;
        let hash = world.hash(visit).await;
        let own = world.post(
            LEADER,
            format!("/api/v1/visits/{visit}/return"),
            json!({ "content_hash": hash, "reasons": [{ "code": "other" }] }),
        );
        assert_eq!(own.await.status, 200);
        let mine = world.record(LEADER, VILLAGE, 0).await;
        let hash = world.hash(mine).await;
        let body = json!({ "content_hash": hash, "reasons": [{ "code": "other" }] });
        let own = world.post(LEADER, &format!("/api/v1/visits/{mine}/return"), body.clone()).await;
        assert_eq!((own.status, own.code()), (409, "own_visit"));

        let approved = world.post(OFFICER, format!("/api/v1/visits/{mine}/approve"), json!({ "content_hash": hash }));
        assert_eq!(approved.await.status, 200);
        let period = |open: bool| json!({ "commune": uuid(COMMUNE), "month": "2026-12", "open": open });
        let list = format!("/api/v1/periods?unit={}&until=2026-12", uuid(COMMUNE));
        let shown = |answer: Answer| -> Vec<Json> { answer.body["items"].as_array().unwrap().clone() };
        let before = shown(world.get(OFFICER, list.as_str()).await);
        assert_eq!(before.len(), 13);
        assert_eq!(before[0], json!({"month": "2026-12", "from": "2026-11-15", "until": "2026-12-14", "open": true}));
        assert_eq!(world.post(OFFICER, "/api/v1/periods", period(false)).await.status, 200);
        let closed = shown(world.get(OFFICER, list.as_str()).await).into_iter().filter(|one| one["open"] == false);
        assert_eq!(closed.map(|one| one["month"].clone()).collect::<Vec<_>>(), [period(false)["month"].clone()]);
        assert_eq!(world.get(FOREIGN_OFFICER, list.as_str()).await.status, 404);
        let bad = format!("/api/v1/periods?unit={}&until=2026", uuid(COMMUNE));
        assert_eq!(world.get(OFFICER, bad.as_str()).await.code(), "validation_failed");
        let closed = world.post(OFFICER, &format!("/api/v1/visits/{mine}/return"), body.clone()).await;
        assert_eq!((closed.status, closed.code()), (409, "period_closed"));
        assert_eq!(world.post(OFFICER, "/api/v1/periods", period(true)).await.status, 200);
        assert_eq!(world.post(OFFICER, &format!("/api/v1/visits/{mine}/return"), body).await.status, 200);
    }
}

#[actix_web::test]
async fn many_visits_are_approved_together_only_when_enough_were_looked_at() {
    for world in worlds().await {
        let mut visits = Vec::new();
        for _ in 0..11 {
            visits.push(world.record(MEMBER, VILLAGE, 0).await);
        }
        let late = world.record(MEMBER, VILLAGE, 9).await;
        visits.push(late);
        let mut hashes = Vec::new();
        for visit in &visits {
            hashes.push(world.hash(*visit).await);
        }
        let body = |looked_at: &[usize]| {
            let visits = visits.iter().zip(&hashes).enumerate();
            let visits = visits.map(
                |(at, (id, hash))| json!({ "id": id, "content_hash": hash, "looked_at": looked_at.contains(&at) }),
            );
            json!({ "visits": visits.collect::<Vec<_>>() })
        };
        let path = "/api/v1/visits/bulk-approve";
        let none = world.post(OFFICER, path, body(&[0])).await;
        assert_eq!((none.status, none.code()), (422, "sample_incomplete"));
        assert_eq!(none.body["sample"], json!({ "flagged": [late], "needed": 2, "looked_at": 1 }));
        assert_eq!(world.totals().await["approved"], 0, "nothing is half done");
        let few = world.post(OFFICER, path, body(&[0, 11])).await;
        assert_eq!(few.body["sample"], json!({ "flagged": [], "needed": 2, "looked_at": 1 }));
        let doubled = json!({ "visits": [body(&[0])["visits"][0], body(&[0])["visits"][0]] });
        assert_eq!(world.post(OFFICER, path, doubled).await.code(), "validation_failed");
        let not_theirs = world.post(LEADER, path, body(&[0, 1, 11])).await;
        assert_eq!((not_theirs.status, not_theirs.code()), (403, "not_allowed"));

        // One of them changes while the officer looks: the others do not wait for it.
        let (changed, reasons) = (visits[5], json!([{ "code": "other" }]));
        let back = json!({ "content_hash": hashes[5], "reasons": reasons });
        assert_eq!(world.post(LEADER, &format!("/api/v1/visits/{changed}/return"), back).await.status, 200);
        let done = world.post(OFFICER, path, body(&[0, 1, 11])).await;
        assert_eq!(done.status, 200, "{}", done.text);
        let outcomes = done.body["outcomes"].as_array().unwrap();
        assert_eq!(outcomes.len(), 12);
        for (at, outcome) in outcomes.iter().enumerate() {
            let expected = if at == 5 { json!("wrong_state") } else { Json::Null };
            assert_eq!((&outcome["id"], &outcome["code"]), (&json!(visits[at]), &expected));
        }
        assert_eq!(world.totals().await["approved"], 11);
        let unseen = world.get(OFFICER, &format!("/api/v1/visits/{}", visits[2])).await;
        let review = &unseen.body["review"];
        assert_eq!((&review["batch_size"], &review["looked_at"]), (&json!(12), &json!(false)));
    }
}

#[actix_web::test]
async fn names_are_whole_for_the_team_and_shortened_for_the_commune() {
    for world in worlds().await {
        let visit = world.record(MEMBER, VILLAGE, 0).await;
        let house = world.house.0;
        for (who, is_whole) in [(MEMBER, true), (LEADER, true), (OFFICER, false), (AUDITOR, false)] {
            let seen = world.get(who, &format!("/api/v1/visits/{visit}")).await;
            let one = world.get(who, &format!("/api/v1/households/{house}")).await;
            let search = world.post(who, "/api/v1/households/search", json!({ "q": "suoi" })).await;
            assert_eq!((seen.status, one.status, search.status), (200, 200, 200), "{who}: {}", seen.text);
            for (answer, mark) in
                [(&seen, &seen.body["household_view"]), (&one, &one.body), (&search, &search.body["items"][0])]
            {
                assert_eq!(mark["is_masked"], json!(!is_whole), "{who}");
                assert_eq!(mark["label"], "nhà đầu suối");
                assert_eq!(answer.text.contains(HEAD), is_whole, "{who}: {}", answer.text);
                assert_eq!(answer.text.contains(PHONE), is_whole, "{who}: {}", answer.text);
                let expected = if is_whole { (HEAD, PHONE) } else { ("Giàng A. P.", "091•••••78") };
                assert_eq!((&mark["head"], &mark["phone"]), (&json!(expected.0), &json!(expected.1)), "{who}");
            }
            // Who was helped is for the team; the household's class for team and commune.
            let person = &seen.body["content"]["activities"][0]["fields"]["person"];
            assert_eq!(person.is_null(), !is_whole, "{who}");
            assert_eq!(one.body["class"].is_null(), who == AUDITOR, "{who}");
            // A shortened name cannot be found out letter by letter.
            let probe = world.post(who, "/api/v1/households/search", json!({ "q": "giang a pao" })).await;
            assert_eq!(probe.body["items"].as_array().unwrap().len(), usize::from(is_whole), "{who}");
            let initials = world.post(who, "/api/v1/households/search", json!({ "q": "Giàng" })).await;
            assert_eq!(initials.body["items"].as_array().unwrap().len(), 1, "{who}");
        }
        for who in [PROVINCE_OFFICER, PRIVACY, ADMIN] {
            let seen = world.get(who, &format!("/api/v1/visits/{visit}")).await;
            assert_eq!((seen.status, seen.code()), (403, "not_allowed"), "{who}");
        }
        // Every reading of a person's details left its entry; searching left what was asked, not what was typed.
        let trail = world.get(AUDITOR, &format!("/api/v1/audit?scope={}", uuid(VILLAGE))).await;
        let read = |action: &str| {
            let entries = trail.body["items"].as_array().unwrap().iter();
            entries.filter(|entry| entry["action"] == action).count()
        };
        assert_eq!((read("read.visit"), read("read.household")), (4, 4), "{}", trail.text);
        assert!(!trail.text.contains("suoi") && !trail.text.contains("Giàng"), "{}", trail.text);
    }
}

/// H11: a true id of a foreign village and a made-up one are answered alike, to the byte, on every route with an id.
#[actix_web::test]
async fn what_is_foreign_is_answered_like_what_does_not_exist() {
    for world in worlds().await {
        let foreign = world.record(FOREIGN_MEMBER, FOREIGN_VILLAGE, 0).await;
        let hash = "00".repeat(16);
        let day = json!({ "to": "2026-12-01" });
        let unit_change = json!({ "base_ver": "1", "validity": { "from": "2024-01-01" } });
        let moved = json!({ "base_ver": "1", "to": uuid(VILLAGE) });
        let member = json!({
            "user": uuid(MEMBER), "display_name": "Lò", "position": "member", "organisation": "youth",
            "from": "2026-11-22",
        });
        let routes: Vec<(Method, &str, Uuid, Option<Json>)> = vec![
            (Method::GET, "/api/v1/visits/{id}", foreign, None),
            (Method::POST, "/api/v1/visits/{id}/approve", foreign, Some(json!({ "content_hash": hash }))),
            (
                Method::POST,
                "/api/v1/visits/{id}/return",
                foreign,
                Some(json!({ "content_hash": hash, "reasons": [{ "code": "other" }] })),
            ),
            (Method::POST, "/api/v1/visits/{id}/void", foreign, Some(json!({ "code": "duplicate" }))),
            (Method::GET, "/api/v1/households/{id}", world.foreign_house.0, None),
            (Method::POST, "/api/v1/households/{id}/move", world.foreign_house.0, Some(moved)),
            (Method::GET, "/api/v1/units/{id}", uuid(FOREIGN_VILLAGE), None),
            (Method::PATCH, "/api/v1/units/{id}", uuid(FOREIGN_VILLAGE), Some(unit_change)),
            (Method::GET, "/api/v1/teams/{id}", world.foreign_team.0, None),
            (Method::GET, "/api/v1/teams/{id}/members", world.foreign_team.0, None),
            (Method::GET, "/api/v1/visits?unit={id}", uuid(FOREIGN_VILLAGE), None),
            (Method::GET, "/api/v1/cases?scope={id}", uuid(FOREIGN_VILLAGE), None),
            (Method::GET, "/api/v1/counts?unit={id}", uuid(FOREIGN_VILLAGE), None),
            (Method::GET, "/api/v1/teams?unit={id}", uuid(FOREIGN_COMMUNE), None),
            (Method::GET, "/api/v1/users?unit={id}", uuid(FOREIGN_COMMUNE), None),
            (Method::GET, "/api/v1/units?parent={id}", uuid(FOREIGN_COMMUNE), None),
            (Method::GET, "/api/v1/grants?unit={id}", uuid(FOREIGN_COMMUNE), None),
            (Method::GET, "/api/v1/grants?user={id}", uuid(FOREIGN_MEMBER), None),
            (Method::POST, "/api/v1/grants/{id}/end", uuid(FOREIGN_MEMBER + 100), Some(day)),
            (Method::POST, "/api/v1/users/{id}/enrolment-code", uuid(FOREIGN_MEMBER), None),
            (Method::GET, "/api/v1/users/{id}/devices", uuid(FOREIGN_MEMBER), None),
        ];
        for (method, path, foreign, body) in routes {
            let ask = async |id: String| {
                let mut request = world.request(OFFICER, method.clone(), &path.replace("{id}", &id));
                if let Some(body) = &body {
                    request = request.set_json(body);
                }
                world.send(request).await
            };
            let (there, nowhere) = (ask(foreign.to_string()).await, ask(Uuid::from_u128(9).to_string()).await);
            assert_eq!((there.status, there.code()), (404, "not_found"), "{method} {path}: {}", there.text);
            assert_eq!(there.without_id(), nowhere.without_id(), "{method} {path}");
            let names: Vec<&String> = there.headers.keys().collect();
            assert_eq!(names, nowhere.headers.keys().collect::<Vec<_>>(), "{method} {path}");
            if path.contains("/{id}") {
                assert_eq!(ask("no-id".to_owned()).await.without_id(), nowhere.without_id(), "{method} {path}");
            }
        }
        // Nor does a reference in a body tell what exists.
        let add =
            async |team: Uuid| world.post(OFFICER, &format!("/api/v1/teams/{team}/members"), member.clone()).await;
        let (there, nowhere) = (add(world.foreign_team.0).await, add(Uuid::from_u128(9)).await);
        assert_eq!((there.status, nowhere.status), (404, 404), "{} {}", there.text, nowhere.text);
        assert_eq!(there.without_id(), nowhere.without_id());
        // The officer of the other commune does see it: the ids were true.
        assert_eq!(world.get(FOREIGN_OFFICER, &format!("/api/v1/visits/{foreign}")).await.status, 200);
    }
}

#[actix_web::test]
async fn a_function_that_a_role_does_not_have_is_refused_as_such() {
    for world in worlds().await {
        let visit = world.record(MEMBER, VILLAGE, 0).await;
        let hash = world.hash(visit).await;
        let approve = json!({ "content_hash": hash });
        let account = json!({ "display_name": "Lò", "phone": "0530000099", "unit": uuid(VILLAGE) });
        let grant =
            json!({ "user": uuid(MEMBER), "role": "commune_officer", "unit": uuid(COMMUNE), "from": "2026-11-22" });
        let period = json!({ "commune": uuid(COMMUNE), "month": "2026-12", "open": false });
        let refusals: Vec<(u8, &str, Option<Json>)> = vec![
            (MEMBER, "/api/v1/visits/{visit}/approve", Some(approve.clone())),
            (LEADER, "/api/v1/visits/{visit}/approve", Some(approve.clone())),
            (AUDITOR, "/api/v1/visits/{visit}/approve", Some(approve.clone())),
            (ADMIN, "/api/v1/visits/{visit}/approve", Some(approve)),
            (MEMBER, "/api/v1/users", Some(account.clone())),
            (PROVINCE_OFFICER, "/api/v1/users", Some(account)),
            (OFFICER, "/api/v1/grants", Some(grant)),
            (MEMBER, "/api/v1/periods", Some(period.clone())),
            (ADMIN, "/api/v1/periods", Some(period)),
            (ADMIN, "/api/v1/visits", None),
            (PROVINCE_OFFICER, "/api/v1/visits", None),
            (PRIVACY, "/api/v1/visits", None),
            (ADMIN, "/api/v1/cases", None),
            (MEMBER, "/api/v1/users", None),
            (OFFICER, "/api/v1/audit", None),
            (MEMBER, "/api/v1/audit", None),
            (PRIVACY, "/api/v1/counts?unit={commune}", None),
        ];
        for (who, path, body) in refusals {
            let path = path.replace("{visit}", &visit.to_string()).replace("{commune}", &uuid(COMMUNE).to_string());
            let answer = match body {
                Some(body) => world.post(who, &path, body).await,
                None => world.get(who, &path).await,
            };
            assert_eq!((answer.status, answer.code()), (403, "not_allowed"), "{who} {path}: {}", answer.text);
        }
        // What each of them may do is done.
        assert_eq!(world.get(MEMBER, "/api/v1/visits").await.status, 200);
        let province = world.get(PROVINCE_OFFICER, format!("/api/v1/counts?unit={}&group_by=village", uuid(PROVINCE)));
        let province = province.await;
        assert_eq!(province.body["totals"]["visits"], 1, "{}", province.text);
        assert!(province.body["rows"][0]["list"].is_null(), "a province sees no list behind the number");
        assert_eq!(world.get(ADMIN, "/api/v1/audit").await.status, 200);
        assert_eq!(world.get(AUDITOR, &format!("/api/v1/audit?scope={}", uuid(COMMUNE))).await.status, 200);
        assert_eq!(world.get(AUDITOR, "/api/v1/audit").await.status, 404, "not the installation's");
        let me = world.get(OFFICER, "/api/v1/me").await;
        let places = me.body["places"].as_array().unwrap();
        assert_eq!(places.len(), 3, "the commune and its villages: {}", me.text);
        assert!(places.iter().all(|place| place["rights"].as_array().unwrap().contains(&json!("approve_visit"))));
    }
}

/// A list without a unit goes over all places of the asker's, but only over those in which the role that reads is held.
#[actix_web::test]
async fn a_role_in_one_place_reads_nothing_in_another() {
    for world in worlds().await {
        let foreign = world.record(FOREIGN_MEMBER, FOREIGN_VILLAGE, 0).await;
        let own = world.record(MEMBER, VILLAGE, 0).await;
        let grant = json!({
            "user": uuid(OFFICER), "role": "privacy_officer", "unit": uuid(FOREIGN_COMMUNE), "from": "2026-11-22",
        });
        assert_eq!(world.post(ADMIN, "/api/v1/grants", grant).await.status, 200);
        let ids = |answer: &Answer| {
            let items = answer.body["items"].as_array().unwrap().iter();
            items.map(|item| item["id"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(ids(&world.get(OFFICER, "/api/v1/visits").await), [json!(own)]);
        let search = world.post(OFFICER, "/api/v1/households/search", json!({})).await;
        assert_eq!(ids(&search), [json!(world.house)]);
        for path in [format!("/api/v1/visits/{foreign}"), format!("/api/v1/visits?unit={}", uuid(FOREIGN_COMMUNE))] {
            assert_eq!(world.get(OFFICER, path).await.status, 404);
        }
        // What the other role is for is there.
        assert_eq!(world.get(OFFICER, format!("/api/v1/audit?scope={}", uuid(FOREIGN_COMMUNE))).await.status, 200);
        assert_eq!(world.get(OFFICER, format!("/api/v1/audit?scope={}", uuid(COMMUNE))).await.status, 404);
    }
}

/// The epoch of a desk can be computed by whoever knows the user's id. Taking it first must not lock the desk.
#[actix_web::test]
async fn a_phone_that_takes_the_epoch_of_a_desk_does_not_lock_it() {
    for world in worlds().await {
        let hash = blake3::hash(&[&b"thonso/desk/1"[..], user(SECOND).as_bytes()].concat());
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&hash.as_bytes()[..8]);
        let (epoch, device) = (Epoch(u64::from_be_bytes(bytes)), DeviceId(uuid(99)));
        let chain = Chain::start(device, epoch);
        let thief = Outbox { epoch, device, user: user(MEMBER), parent: None, last_n: 0, chain, durable_upto: 0 };
        world.store.write(move |tx| tx.put_outbox(&thief)).await.unwrap();
        world.record(SECOND, VILLAGE, 0).await;
        world.record(SECOND, VILLAGE, 0).await;
        let mut held = Vec::new();
        for (epoch, last_n) in world.store.read(|tx| tx.outboxes()).await.unwrap() {
            let outbox = world.store.read(move |tx| tx.outbox(epoch)).await.unwrap().unwrap();
            held.extend((outbox.user == user(SECOND)).then_some(last_n));
        }
        assert_eq!(held, [2], "one outbox of their own with both ops");
    }
}

#[actix_web::test]
async fn a_request_with_a_key_has_its_effect_once() {
    for world in worlds().await {
        let body = json!({ "display_name": "Vàng Thị Mỷ", "phone": "+84 530 000 090", "unit": uuid(VILLAGE) });
        let send = async |by: u8, key: &str, body: &Json| {
            let request = world.request(by, Method::POST, "/api/v1/users").insert_header(("idempotency-key", key));
            world.send(request.set_json(body)).await
        };
        let first = send(OFFICER, KEY, &body).await;
        assert_eq!(first.status, 200, "{}", first.text);
        let (again, quoted) = (send(OFFICER, KEY, &body).await, send(OFFICER, &format!("\"{KEY}\""), &body).await);
        assert_eq!((&again.text, &quoted.text), (&first.text, &first.text));
        world.clock.fetch_add(5 * DAY_MS, Ordering::SeqCst);
        assert_eq!(send(OFFICER, KEY, &body).await.text, first.text, "days later it is the same request");
        // Without the key, under another key, by somebody else, with another body: another request.
        for answer in [
            world.post(OFFICER, "/api/v1/users", body.clone()).await,
            send(OFFICER, &Uuid::from_u128(5).to_string(), &body).await,
            send(ADMIN, KEY, &body).await,
        ] {
            assert_eq!((answer.status, answer.code()), (409, "already_exists"), "{}", answer.text);
        }
        let other = json!({ "display_name": "Vàng Thị Mỷ", "phone": "0530000091", "unit": uuid(VILLAGE) });
        assert_ne!(send(OFFICER, KEY, &other).await.body["id"], first.body["id"]);
        let bad = send(OFFICER, "key-1", &body).await;
        assert_eq!((bad.status, &bad.body["field"]), (400, &json!("idempotency_key")));
        let users = world.get(OFFICER, &format!("/api/v1/users?unit={}", uuid(VILLAGE))).await;
        let mine = users.body["items"].as_array().unwrap().iter();
        assert_eq!(mine.filter(|user| user["display_name"] == "Vàng Thị Mỷ").count(), 2, "{}", users.text);
        assert!(!users.text.contains("0530000090"), "the list shows phone numbers shortened");
    }
}

#[actix_web::test]
async fn a_conflict_is_shown_side_by_side_and_settled_once() {
    for world in worlds().await {
        let house = world.house.0;
        let seen = world.get(LEADER, &format!("/api/v1/households/{house}")).await;
        let base_ver = Ver(seen.body["ver"].as_str().unwrap().parse().unwrap());
        for (who, name) in [(MEMBER, "Giàng A Páo Lớn"), (SECOND, "Giàng A Sùng")] {
            let head = HouseholdHead { display_name: name.into(), ext: Ext::default() };
            let groups = groups(vec![(household::HEAD, head.cbor())]);
            let intent = Intent::HouseholdSet(SetGroups { id: house, base_ver, groups, ext: Ext::default() });
            world.app.desk.perform(user(who), vec![intent]).await.unwrap();
        }
        let open = world.get(OFFICER, "/api/v1/cases?status=open").await;
        let case = open.body["items"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!((&open.body["items"][0]["group"], &open.body["items"][0]["sides"]), (&json!("head"), &json!(2)));
        let path = format!("/api/v1/cases/{case}");
        let seen = world.get(LEADER, &path).await;
        assert_eq!(seen.body["sides"][1]["value"], json!({ "display_name": "Giàng A Sùng" }), "{}", seen.text);
        assert_eq!(seen.body["sides"][0]["author"]["name"], "Lò Văn 41");
        assert!(world.get(OFFICER, &path).await.text.contains("Giàng A. S."), "the commune sees shortened names");
        let foreign = world.get(FOREIGN_OFFICER, &path).await;
        let nowhere = world.get(FOREIGN_OFFICER, &format!("/api/v1/cases/{}", Uuid::from_u128(9))).await;
        assert_eq!((foreign.status, foreign.without_id()), (404, nowhere.without_id()));

        let ver = seen.body["case"]["ver"].clone();
        let resolve = async |who: u8, body: Json| world.post(who, &format!("{path}/resolve"), body).await;
        let bad = resolve(OFFICER, json!({ "base_ver": ver, "side": 7 })).await;
        assert_eq!((bad.status, &bad.body["field"]), (400, &json!("side")));
        let both = resolve(OFFICER, json!({ "base_ver": ver, "side": 1, "value": {} })).await;
        assert_eq!(both.status, 400);
        let blind = resolve(OFFICER, json!({ "base_ver": "1", "side": 1 })).await;
        assert_eq!((blind.status, blind.code()), (409, "content_changed"));
        let foreign = resolve(FOREIGN_OFFICER, json!({ "base_ver": ver, "side": 1 })).await;
        assert_eq!((foreign.status, foreign.code()), (404, "not_found"));
        let settled = resolve(OFFICER, json!({ "base_ver": ver, "side": 1 })).await;
        assert_eq!(settled.status, 200, "{}", settled.text);
        let late = resolve(LEADER, json!({ "base_ver": ver, "value": { "display_name": "Giàng A Khác" } })).await;
        assert_eq!((late.status, late.code()), (409, "already_resolved"));
        let now = world.get(LEADER, &format!("/api/v1/households/{house}")).await;
        assert_eq!((&now.body["head"], &now.body["cases"]), (&json!("Giàng A Sùng"), &json!([])));
        assert_eq!(world.get(OFFICER, "/api/v1/cases?status=open").await.body["items"], json!([]));
    }
}

#[actix_web::test]
async fn a_household_that_was_merged_is_listed_once_with_its_visits() {
    for world in worlds().await {
        let (winner, loser) = (perform(&world.app, LEADER, vec![household(VILLAGE)]).await[0], world.house.0);
        let visit = world.record(MEMBER, VILLAGE, 0).await;
        let merge = MergeHouseholds {
            winner: HouseholdId(winner),
            loser: HouseholdId(loser),
            winner_ver: Ver(1),
            loser_ver: Ver(1),
            reason: None,
            ext: Ext::default(),
        };
        perform(&world.app, OFFICER, vec![Intent::HouseholdMerge(merge)]).await;
        let list = world.post(LEADER, "/api/v1/households/search", json!({})).await;
        assert_eq!(list.body["items"].as_array().unwrap().len(), 1, "{}", list.text);
        let shown = &list.body["items"][0];
        assert_eq!((&shown["id"], &shown["merged"]), (&json!(winner), &json!([loser])));
        let visits = world.get(LEADER, shown["visits"].as_str().unwrap()).await;
        assert_eq!(visits.body["items"][0]["id"], json!(visit), "{}", visits.text);
        assert_eq!(visits.body["items"][0]["household"]["id"], json!(winner), "a visit is read through the alias");
        let alias = world.get(LEADER, format!("/api/v1/households/{loser}")).await;
        assert_eq!(alias.body["merged_into"], json!(winner), "{}", alias.text);

        let unmerge = UnmergeHousehold { loser: HouseholdId(loser), ext: Ext::default() };
        perform(&world.app, LEADER, vec![Intent::HouseholdUnmerge(unmerge)]).await;
        let list = world.post(LEADER, "/api/v1/households/search", json!({})).await;
        assert_eq!(list.body["items"].as_array().unwrap().len(), 2, "{}", list.text);
    }
}

#[actix_web::test]
async fn a_number_opens_the_list_that_explains_it() {
    for world in worlds().await {
        let kept = world.record(MEMBER, VILLAGE, 0).await;
        let void = world.record(SECOND, VILLAGE, 1).await;
        world.record(MEMBER, VILLAGE, 20).await;
        let path = format!("/api/v1/visits/{void}/void");
        assert_eq!(world.post(OFFICER, &path, json!({ "code": "duplicate", "text": "Hai lần." })).await.status, 200);
        let query = format!("/api/v1/counts?unit={}&month=2026-12&group_by=village,status", uuid(COMMUNE));
        let counts = world.get(OFFICER, &query).await;
        assert_eq!(counts.body["totals"]["visits"], 1, "void counts nowhere, November is another month");
        assert_eq!(counts.body["days"], json!(["2026-11-15", "2026-12-14"]));
        let row = &counts.body["rows"][0];
        assert_eq!((&row["village"]["id"], &row["visits"]), (&json!(uuid(VILLAGE)), &json!(1)));
        let list = world.get(OFFICER, row["list"].as_str().unwrap()).await;
        let ids: Vec<&Json> = list.body["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
        assert_eq!(ids, [&json!(kept)], "{}", list.text);
        let heads = &counts.body["as_of"][uuid(VILLAGE).to_string()];
        assert_eq!(heads["event-2026q4"], "4", "three recordings and one void: {}", counts.text);

        let by_kind = world.get(OFFICER, &format!("/api/v1/counts?unit={}&group_by=kind", uuid(COMMUNE))).await;
        let row = &by_kind.body["rows"][0];
        assert_eq!((&row["kind"], &row["activities"], &row["visits"]), (&json!("vneid_level2"), &json!(2), &json!(0)));
        let list = world.get(OFFICER, row["list"].as_str().unwrap()).await;
        assert_eq!(list.body["items"].as_array().unwrap().len(), 2);
        let only_void = world.get(OFFICER, "/api/v1/visits?void=only").await;
        assert_eq!(only_void.body["items"][0]["id"], json!(void));
        let shown = world.get(OFFICER, &format!("/api/v1/visits/{void}")).await;
        let last = shown.body["events"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&last["event"], &last["void_text"]), (&json!("voided"), &json!("Hai lần.")));
    }
}

#[actix_web::test]
async fn lists_are_filtered_and_paged_without_a_gap() {
    for world in worlds().await {
        let mut all = BTreeSet::new();
        for n in 0..7u64 {
            world.clock.fetch_add(n % 2, Ordering::SeqCst);
            let who = if n < 3 { MEMBER } else { SECOND };
            all.insert(world.record(who, VILLAGE, if n == 6 { 9 } else { 0 }).await.to_string());
        }
        let mut seen = BTreeSet::new();
        let mut path = "/api/v1/visits?limit=2".to_owned();
        let mut pages = 0;
        loop {
            let page = world.get(OFFICER, &path).await;
            let items = page.body["items"].as_array().unwrap().clone();
            assert!(items.len() <= 2);
            for item in items {
                assert!(seen.insert(item["id"].as_str().unwrap().to_owned()), "twice");
            }
            pages += 1;
            let Some(next) = page.body["next"].as_str() else { break };
            path = format!("/api/v1/visits?limit=2&cursor={next}");
        }
        assert_eq!((seen, pages), (all, 4));
        let count = async |query: &str| {
            let answer = world.get(OFFICER, &format!("/api/v1/visits?{query}")).await;
            answer.body["items"].as_array().map_or(usize::MAX, Vec::len)
        };
        assert_eq!(count(&format!("member={}", uuid(MEMBER))).await, 3);
        assert_eq!(count("flag=late").await, 1);
        assert_eq!(count("kind=vneid_level2&status=submitted").await, 7);
        assert_eq!(count("status=approved").await, 0);
        assert_eq!(count("from=2026-11-20").await, 6);
        assert_eq!(count(&format!("village={}", uuid(SIBLING))).await, 0);
        assert_eq!(count(&format!("household={}", world.house)).await, 7);
        for bad in ["status=x", "flag=late,x", "kind=x", "from=x", "cursor=x", "limit=x", "colour=red", "team=x"] {
            let answer = world.get(OFFICER, &format!("/api/v1/visits?{bad}")).await;
            let field = bad.split('=').next().unwrap();
            assert_eq!((answer.status, answer.code()), (400, "validation_failed"), "{bad}");
            assert_eq!(answer.body["field"], json!(field), "{}", answer.text);
        }
        let rows = world.post(LEADER, "/api/v1/households/search", json!({ "limit": 1 })).await;
        assert_eq!((rows.body["items"].as_array().unwrap().len(), &rows.body["next"]), (1, &Json::Null));
    }
}

#[actix_web::test]
async fn villages_teams_members_and_roles_are_administered_by_who_may() {
    for world in worlds().await {
        let village = json!({
            "parent": uuid(COMMUNE), "code": "04610-009", "unit_type": "ban", "name": "Nậm Mẫu",
            "full_name": "Bản Nậm Mẫu", "from": "2026-01-01",
        });
        let village = world.post(OFFICER, "/api/v1/units", village).await;
        assert_eq!(village.status, 200, "{}", village.text);
        let village_id = village.body["id"].as_str().unwrap().to_owned();
        let ver = village.body["ver"].clone();
        let change = json!({ "base_ver": ver, "validity": { "from": "2026-01-01", "to": "2025-01-01" } });
        let bad =
            world.send(world.request(OFFICER, Method::PATCH, &format!("/api/v1/units/{village_id}")).set_json(change));
        let bad = bad.await;
        assert_eq!((bad.status, bad.code(), &bad.body["field"]), (422, "bad_value", &json!("validity.to")));
        let below = world.get(OFFICER, &format!("/api/v1/units?parent={}", uuid(COMMUNE))).await;
        assert_eq!(below.body["items"].as_array().unwrap().len(), 3);
        let before = world.get(OFFICER, &format!("/api/v1/units?parent={}&on=2025-06-01", uuid(COMMUNE))).await;
        assert_eq!(before.body["items"].as_array().unwrap().len(), 2, "{}", before.text);
        // The province above is visible, the sibling commune is not.
        assert_eq!(world.get(OFFICER, &format!("/api/v1/units/{}", uuid(PROVINCE))).await.status, 200);
        assert_eq!(world.get(OFFICER, &format!("/api/v1/units/{}", uuid(FOREIGN_COMMUNE))).await.status, 404);

        let team = json!({ "unit": village_id, "level": "village", "name": "Tổ Nậm Mẫu", "from": "2026-01-01",
            "decision": { "number": "12/QĐ-UBND", "day": "2025-12-30" } });
        let team = world.post(OFFICER, "/api/v1/teams", team).await;
        assert_eq!(team.status, 200, "{}", team.text);
        let members = format!("/api/v1/teams/{}/members", team.body["id"].as_str().unwrap());
        let member = json!({ "user": uuid(SECOND), "display_name": "Lò Văn Hai", "position": "member",
            "organisation": "youth", "from": "2026-01-01" });
        let member = world.post(OFFICER, &members, member).await;
        assert_eq!(member.status, 200, "{}", member.text);
        let me = world.get(SECOND, "/api/v1/me").await;
        assert_eq!(me.body["places"].as_array().unwrap().len(), 2, "two villages now");
        let end = format!("/api/v1/members/{}/end", member.body["id"].as_str().unwrap());
        assert_eq!(world.post(OFFICER, &end, json!({ "to": "2026-11-22" })).await.status, 200);
        let twice = world.post(OFFICER, &end, json!({ "to": "2026-11-22" })).await;
        assert_eq!((twice.status, twice.code()), (409, "wrong_state"));
        assert_eq!(world.get(SECOND, "/api/v1/me").await.body["places"].as_array().unwrap().len(), 1);
        let listed = world.get(OFFICER, &members).await;
        assert_eq!(listed.body["items"][0]["to"], "2026-11-22", "former members stay listed");
        assert!(listed.text.contains("Lò Văn Hai"));
        assert!(
            !world.get(PROVINCE_OFFICER, &members).await.text.contains("Lò Văn Hai"),
            "not in the province's holding"
        );
        // The commune's own team is within the province's sight, its people by initials only.
        let team = json!({ "unit": uuid(COMMUNE), "level": "commune", "name": "Tổ xã", "from": "2026-01-01" });
        let team = world.post(OFFICER, "/api/v1/teams", team).await;
        let members = format!("/api/v1/teams/{}/members", team.body["id"].as_str().unwrap());
        let member = json!({ "user": uuid(LEADER), "display_name": "Lò Văn Ba", "position": "deputy",
            "organisation": "women", "from": "2026-01-01" });
        assert_eq!(world.post(OFFICER, &members, member).await.status, 200);
        for (who, name) in [(OFFICER, "Lò Văn Ba"), (ADMIN, "Lò Văn Ba"), (PROVINCE_OFFICER, "Lò V. B.")] {
            assert_eq!(world.get(who, &members).await.body["items"][0]["display_name"], name, "{who}");
        }

        let grant =
            json!({ "user": uuid(MEMBER), "role": "commune_officer", "unit": uuid(COMMUNE), "from": "2026-11-22" });
        let grant = world.post(ADMIN, "/api/v1/grants", grant).await;
        assert_eq!(grant.status, 200, "{}", grant.text);
        let grants = world.get(ADMIN, &format!("/api/v1/grants?user={}", uuid(MEMBER))).await;
        assert_eq!(grants.body["items"].as_array().unwrap().len(), 2);
        let end = format!("/api/v1/grants/{}/end", grant.body["id"].as_str().unwrap());
        assert_eq!(world.post(ADMIN, &end, json!({ "to": "2026-11-22" })).await.status, 200);
        let moved = json!({ "base_ver": "1", "to": uuid(SIBLING) });
        let moved = world.post(OFFICER, &format!("/api/v1/households/{}/move", world.house), moved).await;
        assert_eq!(moved.status, 200, "{}", moved.text);
        let gone = world.get(MEMBER, &format!("/api/v1/households/{}", world.house)).await;
        assert_eq!((gone.status, gone.code()), (404, "not_found"), "the old village sees nothing of it any more");
    }
}

#[actix_web::test]
async fn the_desk_signs_in_stays_in_and_signs_out() {
    for world in worlds().await {
        let password = json!({ "password": "suoi-trong-nang-som" });
        let set = world.post(ADMIN, &format!("/api/v1/users/{}/password", uuid(OFFICER)), password).await;
        assert_eq!((set.status, set.text.as_str()), (204, ""));
        let sign_in = async |password: &str| {
            let body = json!({ "phone": "05300000 44", "password": password });
            world.send(TestRequest::post().uri("/api/v1/auth/sign-in").set_json(body)).await
        };
        let wrong = sign_in("suoi-trong-nang-chieu").await;
        assert_eq!((wrong.status, wrong.code()), (401, "sign_in_failed"));
        assert_eq!(wrong.headers.get("www-authenticate").map(String::as_str), Some("Bearer"));
        let right = sign_in("suoi-trong-nang-som").await;
        assert_eq!(right.status, 200, "{}", right.text);
        assert_eq!((&right.body["user_id"], &right.body["sync_key"]), (&json!(uuid(OFFICER)), &Json::Null));
        let refresh = json!({ "refresh_token": right.body["refresh_token"] });
        let next = world.send(TestRequest::post().uri("/api/v1/auth/refresh").set_json(refresh)).await;
        assert_eq!(next.status, 200, "{}", next.text);
        let bearer = format!("Bearer {}", next.body["access_token"].as_str().unwrap());
        let ask = |method: Method, path: &str| {
            TestRequest::default().method(method).uri(path).insert_header(("authorization", bearer.clone()))
        };
        assert_eq!(world.send(ask(Method::GET, "/api/v1/me")).await.status, 200);
        assert_eq!(world.send(ask(Method::POST, "/api/v1/auth/sign-out")).await.status, 204);
        let after = world.send(ask(Method::GET, "/api/v1/me")).await;
        assert_eq!((after.status, after.code()), (401, "session_revoked"));
        for _ in 0..5 {
            sign_in("không đúng gì cả").await;
        }
        let slow = sign_in("suoi-trong-nang-som").await;
        assert_eq!((slow.status, slow.code()), (429, "too_many_attempts"));
        assert!(slow.headers["retry-after"].parse::<u64>().unwrap() > 0);

        let code = world.post(LEADER, &format!("/api/v1/users/{}/enrolment-code", uuid(MEMBER)), Json::Null).await;
        assert_eq!(code.body["code"].as_str().map(str::len), Some(8), "{}", code.text);
        let key = p256::ecdsa::SigningKey::from_slice(&[3; 32]).unwrap();
        let public_key = key.verifying_key().to_sec1_point(true).as_bytes().to_vec();
        use base64::Engine;
        let body = json!({
            "code": code.body["code"], "device_label": "Máy của tôi",
            "device_public_key": base64::engine::general_purpose::STANDARD.encode(public_key),
        });
        let enrolled = world.send(TestRequest::post().uri("/api/v1/auth/enrol").set_json(&body)).await;
        assert_eq!((enrolled.status, &enrolled.body["user_id"]), (200, &json!(uuid(MEMBER))), "{}", enrolled.text);
        assert_eq!(enrolled.body["sync_key"].as_str().map(str::len), Some(44));
        assert!(enrolled.body["session_id"].as_str().unwrap().parse::<u64>().is_ok());
        let used = world.send(TestRequest::post().uri("/api/v1/auth/enrol").set_json(&body)).await;
        assert_eq!((used.status, used.code()), (400, "code_invalid"));
        let devices = world.get(LEADER, &format!("/api/v1/users/{}/devices", uuid(MEMBER))).await;
        let device = devices.body["items"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(enrolled.body["device_id"], json!(device));
        let revoke = format!("/api/v1/devices/{device}/revoke");
        assert_eq!(world.post(FOREIGN_OFFICER, &revoke, Json::Null).await.status, 404);
        assert_eq!(world.post(LEADER, &revoke, Json::Null).await.status, 204);
        let devices = world.get(LEADER, &format!("/api/v1/users/{}/devices", uuid(MEMBER))).await;
        assert!(devices.body["items"][0]["revoked_at"].is_string());
    }
}

#[actix_web::test]
async fn every_refusal_is_a_problem_with_a_code_and_words() {
    let world = worlds().await.remove(0);
    let send = async |request: TestRequest| world.send(request).await;
    let deep = format!("{}{}", "[".repeat(100_000 / 4), "]".repeat(100_000 / 4));
    let json_request = |by: u8, path: &str, body: String| {
        world.request(by, Method::POST, path).insert_header(("content-type", "application/json")).set_payload(body)
    };
    let plain = world.request(OFFICER, Method::POST, "/api/v1/users").insert_header(("content-type", "text/plain"));
    let zipped = world.request(OFFICER, Method::POST, "/api/v1/users").insert_header(("content-encoding", "gzip"));
    let visits = "/api/v1/visits/bulk-approve";
    let cases: Vec<(&str, Answer, u16, &str)> = vec![
        ("no such path", send(TestRequest::get().uri("/api/v2/x")).await, 404, "not_found"),
        ("no such method", send(TestRequest::delete().uri("/api/v1/me")).await, 405, "method_not_allowed"),
        ("no token", send(TestRequest::get().uri("/api/v1/me")).await, 401, "token_invalid"),
        (
            "another token",
            send(TestRequest::get().uri("/api/v1/me").insert_header(("authorization", "Bearer x.y.z"))).await,
            401,
            "token_invalid",
        ),
        ("not json", send(json_request(OFFICER, visits, "{".into())).await, 400, "malformed"),
        ("deep json", send(json_request(OFFICER, visits, deep)).await, 400, "too_deep"),
        ("wrong json", send(json_request(OFFICER, visits, "{\"visits\": 1}".into())).await, 400, "validation_failed"),
        ("large", send(json_request(OFFICER, visits, "x".repeat(64 * 1024 + 1))).await, 413, "body_too_large"),
        ("a form", send(plain.set_payload("{}")).await, 415, "content_type_not_allowed"),
        ("compressed", send(zipped.set_payload("{}")).await, 415, "encoding_not_allowed"),
        (
            "compressed sync, without anything else being right",
            send(TestRequest::post().uri("/sync").insert_header(("content-encoding", "gzip"))).await,
            415,
            "encoding_not_allowed",
        ),
        ("empty sync", send(TestRequest::post().uri("/sync")).await, 400, "malformed"),
        ("odd sync", send(TestRequest::post().uri("/sync").set_payload("xx")).await, 400, "malformed"),
        (
            "large sync",
            send(TestRequest::post().uri("/sync").set_payload(vec![0u8; 1024 * 1024 + 1])).await,
            413,
            "body_too_large",
        ),
        ("sync by get", send(TestRequest::get().uri("/sync")).await, 405, "method_not_allowed"),
    ];
    let mut ids = BTreeSet::new();
    for (what, answer, status, code) in cases {
        assert_eq!((answer.status, answer.code()), (status, code), "{what}: {}", answer.text);
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{what}");
        assert_eq!(answer.body["type"], json!(format!("urn:thonso:problem:{code}")), "{what}");
        assert_eq!(answer.body["status"], json!(status), "{what}");
        for words in ["title", "detail_vi", "detail_en"] {
            assert!(answer.body[words].as_str().is_some_and(|words| !words.is_empty()), "{what}: {words}");
        }
        assert!(ids.insert(answer.body["request_id"].as_str().unwrap().to_owned()), "{what}: the id is not its own");
        if what.contains("sync") {
            assert!(!answer.headers.contains_key("x-request-id"), "{what}: bytes that nobody needs");
        } else {
            assert_eq!(answer.headers["x-request-id"], answer.body["request_id"].as_str().unwrap(), "{what}");
            assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{what}");
            assert_eq!(answer.headers["cache-control"], "no-store", "{what}");
            assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{what}");
        }
        assert!(!answer.headers.keys().any(|name| name.starts_with("access-control")), "{what}");
    }
    for (site, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 400), ("none", 400)] {
        let request = json_request(OFFICER, visits, "{}".into()).insert_header(("sec-fetch-site", site));
        assert_eq!(send(request).await.status, status, "{site}");
    }
    let read = world.request(OFFICER, Method::GET, "/api/v1/me").insert_header(("sec-fetch-site", "cross-site"));
    assert_eq!(send(read).await.status, 200, "a link from elsewhere opens");
    let allow = send(TestRequest::delete().uri("/api/v1/users")).await;
    assert_eq!(allow.headers["allow"], "GET, POST");
    // The limits themselves pass: the token is looked at next, then the content.
    let full = send(json_request(OFFICER, visits, format!("{{}}{}", " ".repeat(65_534)))).await;
    assert_eq!(full.code(), "validation_failed");
    let full = send(TestRequest::post().uri("/sync").set_payload(vec![0u8; 1024 * 1024])).await;
    assert_eq!(full.code(), "malformed");
}

#[actix_web::test]
async fn health_tells_whether_work_is_taken() {
    for world in worlds().await {
        let ask = async |path: &str| world.send(TestRequest::get().uri(path)).await;
        let token = world.token(OFFICER);
        let me = async || {
            let request = TestRequest::get().uri("/api/v1/me");
            world.send(request.insert_header(("authorization", format!("Bearer {token}")))).await
        };
        assert_eq!((ask("/health/live").await.status, ask("/health/ready").await.status), (200, 200));
        assert_eq!(ask("/").await.body["openapi"], "/openapi.json");
        world.app.accepting.store(false, Ordering::SeqCst);
        assert_eq!(ask("/health/live").await.status, 200);
        for answer in [ask("/health/ready").await, me().await] {
            assert_eq!((answer.status, answer.code()), (503, "unavailable"));
            assert!(answer.headers["retry-after"].parse::<u64>().unwrap() > 0);
        }
        world.app.accepting.store(true, Ordering::SeqCst);
        assert_eq!(me().await.status, 200);
        world.store.0.close();
        let closed = ask("/health/ready").await;
        assert_eq!((closed.status, closed.code()), (503, "unavailable"));
    }
}

/// The log has what an operator needs and nothing about a person: no address, no query, no body, no token.
#[actix_web::test]
async fn the_log_names_routes_and_never_what_was_asked() {
    let world = worlds().await.remove(0);
    let visit = world.record(MEMBER, VILLAGE, 0).await;
    let answer = world.get(OFFICER, format!("/api/v1/visits/{visit}")).await;
    world.get(OFFICER, format!("/api/v1/visits?member={}", uuid(MEMBER))).await;
    world.get(OFFICER, "/api/v1/nowhere/Giàng".replace('à', "a")).await;
    world.post(OFFICER, "/api/v1/households/search", json!({ "q": "Giàng" })).await;
    let text = String::from_utf8(LOG.with_borrow(Vec::clone)).unwrap();
    let entries: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let fields: Vec<&Json> =
        entries.iter().filter(|entry| entry["target"] == "thonso::access").map(|entry| &entry["fields"]).collect();
    let routes: Vec<&str> = fields.iter().map(|fields| fields["route"].as_str().unwrap()).collect();
    assert_eq!(routes, ["/api/v1/visits/{id}", "/api/v1/visits", "-", "/api/v1/households/search"], "{text}");
    assert_eq!((&fields[0]["method"], &fields[0]["status"]), (&json!("GET"), &json!(200)));
    assert_eq!(fields[0]["request_id"], json!(answer.headers["x-request-id"]));
    assert!(fields[0]["duration_ms"].is_u64());
    for secret in [&visit.to_string(), &uuid(MEMBER).to_string(), "Gi", "Bearer", "nowhere", "suối"] {
        assert!(!text.contains(secret), "{secret} is in the log: {text}");
    }
}

/// The contract and the router say the same: a route without a line in the document fails here, and so does a line
/// without a route.
#[actix_web::test]
async fn the_document_lists_every_route_and_no_other() {
    let world = worlds().await.remove(0);
    let document: Json = serde_json::from_str(&openapi::text()).unwrap();
    let mut written = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            written.insert((method.clone(), path.clone()));
            let words = operation["summary"].as_str().unwrap_or_default();
            assert!(words.ends_with('.') || !words.is_empty(), "{method} {path} says nothing");
            let is_open = operation["security"].as_array().is_some_and(|schemes| {
                schemes.iter().any(|scheme| scheme.as_object().is_some_and(|scheme| scheme.is_empty()))
            });
            // What the document calls open is open, what it does not is not.
            let address = path.replace("{id}", &Uuid::from_u128(9).to_string());
            let request = TestRequest::default().method(method.to_uppercase().parse().unwrap()).uri(&address);
            let answer = world.send(request).await;
            assert_eq!(answer.status == 401, !is_open, "{method} {path}: {}", answer.text);
            assert_ne!(answer.status, 405, "{method} {path}");
            let with_id = operation["parameters"].as_array().is_some_and(|parameters| {
                parameters.iter().any(|parameter| parameter["name"] == "id" && parameter["in"] == "path")
            });
            assert_eq!(with_id, path.contains("{id}"), "{method} {path}");
        }
    }
    let routed: BTreeSet<(String, String)> =
        // The document names a part of a path, the router also says how far it goes.
        ROUTES.iter().map(|(method, path)| ((*method).to_owned(), path.replace(":.*}", "}"))).collect();
    assert_eq!(written, routed);
    assert_eq!(routed.len(), ROUTES.len(), "no route twice");
    // Every reference leads somewhere.
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name} is missing");
    }
    let served = world.send(TestRequest::get().uri("/openapi.json")).await;
    assert_eq!(served.body, document);
}

/// The head of an answer to a phone costs what HTTP asks for and nothing more.
#[actix_web::test]
async fn the_head_of_a_sync_answer_is_lean() {
    use sync_protocol::wire::*;
    let world = worlds().await.remove(1);
    let key = p256::ecdsa::SigningKey::from_slice(&[3; 32]).unwrap();
    let public_key = key.verifying_key().to_sec1_point(true).as_bytes().to_vec();
    let code = world.app.accounts.give_code(user(LEADER), user(MEMBER)).await.unwrap().0;
    let address = std::net::IpAddr::from([127, 0, 0, 1]);
    let phone = world.app.accounts.enrol(&code, &public_key, "máy", address).await.unwrap();
    let device = phone.device.unwrap();
    let hello = Hello {
        device,
        epoch: Epoch(1),
        session: phone.session,
        chain: Chain::start(device, Epoch(1)).short(),
        ..empty_hello()
    };
    let mut body = Vec::new();
    write_frame(FrameKind::Hello, &seal_hello(&hello, &phone.sync_key.unwrap()), Effort::Phone, &mut body).unwrap();

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = run(listener, world.app.clone()).unwrap();
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    let answer = actix_web::rt::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "POST /sync HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len()).unwrap();
        stream.write_all(&body).unwrap();
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while !answer.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "the connection was closed");
            answer.extend_from_slice(&buffer[..read]);
        }
        answer
    });
    let answer = answer.await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let mut names: Vec<&str> = head.lines().skip(1).filter_map(|line| line.split(':').next()).collect();
    names.retain(|name| !name.is_empty());
    names.sort();
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
    assert_eq!(names, ["content-length", "date"], "{head}");
    assert!(end <= 80, "{end} bytes: {head}");
    println!("head of a sync answer: {end} bytes");
    handle.stop(false).await;
    running.await.unwrap().unwrap();
}

fn empty_hello() -> sync_protocol::wire::Hello {
    use sync_protocol::wire::{Hello, PROTO, SCHEMA};
    Hello {
        proto: PROTO,
        device: DeviceId(Uuid::nil()),
        session: 0,
        epoch: Epoch(0),
        parent: None,
        last_n: 0,
        chain: [0; 8],
        oldest_n: 0,
        holdings: [0; 8],
        cursors_short: None,
        cursors: None,
        budget_bytes: 0,
        classes: 0,
        schema: SCHEMA,
        app: None,
        ask: vec![],
        server_epoch: 0,
        purged: vec![],
        want_digests: false,
        life: None,
        call: 1,
        ext: Ext::default(),
    }
}

#[actix_web::test]
async fn a_unit_of_the_country_is_found_by_code_and_day_and_says_what_became_of_it() {
    for world in worlds().await {
        let ask = async |query: &str| world.get(OFFICER, format!("/api/v1/country/unit?{query}")).await;
        let merged = ask("level=commune&code=04633&on=2025-06-30").await.body;
        assert_eq!(merged["unit"]["path"], "Xã Nậm Búng, huyện Văn Chấn, tỉnh Yên Bái");
        assert_eq!((&merged["exact"], &merged["became"][0]["code"]), (&json!(true), &json!("04636")));
        assert_eq!(merged["became"][0]["path"], "Xã Gia Hội, tỉnh Lào Cai");
        assert_eq!(merged["text_vi"], "Xã Nậm Búng nhập toàn bộ vào xã Gia Hội từ ngày 01/07/2025.");
        let before = ask("level=commune&code=04633&on=2024-01-01&until=2025-06-30").await.body;
        assert_eq!((&before["exact"], &before["became"][0]), (&json!(true), &before["unit"]));
        // The code of Yên Bái is that of Lào Cai now: the day decides.
        let then = ask("level=province&code=15&on=2025-06-30&until=2025-06-30").await.body["unit"]["path"].clone();
        assert_eq!(
            (then, &ask("level=province&code=15").await.body["unit"]["path"]),
            (json!("Tỉnh Yên Bái"), &json!("Tỉnh Lào Cai"))
        );
        assert_eq!(ask("level=commune&code=04633").await.code(), "not_found");
        for (query, field) in [
            ("level=village&code=04636-001", "level"),
            ("level=commune&code=04636&on=30.06.2025", "on"),
            ("level=commune&code=04636&on=2026-01-01&until=2025-12-31", "until"),
        ] {
            let refused = ask(query).await;
            assert_eq!((refused.status, &refused.body["field"]), (400, &json!(field)), "{}", refused.text);
        }
    }
}

#[actix_web::test]
async fn a_reorganisation_that_cannot_be_names_every_row_with_the_remedy() {
    for world in worlds().await {
        let preview = "/api/v1/reorganisations/preview?effective=2025-07-01&communes=";
        let commune = uuid(COMMUNE);
        let officer = world.get(OFFICER, &format!("{preview}{commune}")).await;
        assert_eq!((officer.status, officer.code()), (403, "not_allowed"));
        let unknown = world.get(ADMIN, &format!("{preview}99999")).await;
        assert_eq!((unknown.status, unknown.body["field"].as_str()), (400, Some("communes[0]")));
        let shown = world.get(ADMIN, &format!("{preview}{commune}")).await;
        assert_eq!(shown.body["blocks"][0]["code"], "no_successor", "{}", shown.text);
        assert_eq!(shown.body["ends"][0]["id"], json!(commune));
        let body = json!({ "effective": "2025-07-01", "basis": "1/NQ", "communes": [commune] });
        let refused = world.post(ADMIN, "/api/v1/reorganisations", body).await;
        assert_eq!((refused.status, refused.code()), (409, "reorganisation_blocked"), "{}", refused.text);
        let error = &refused.body["errors"][0];
        assert_eq!(
            (error["field"].clone(), error["code"].clone()),
            (json!(format!("unit:{commune}")), json!("no_successor"))
        );
        assert!(error["detail_vi"].as_str().unwrap().starts_with("Nơi số 10 (04610): "));
        let missing = world.post(ADMIN, &format!("/api/v1/reorganisations/{}/undo", uuid(99)), json!({})).await;
        assert_eq!((missing.status, missing.code()), (404, "not_found"));
        let listed = world.get(ADMIN, "/api/v1/reorganisations").await;
        assert_eq!((listed.status, listed.body["items"].clone()), (200, json!([])));
    }
}

#[actix_web::test]
async fn every_indicator_says_its_formula_in_words() {
    for world in worlds().await {
        let file = world.get(OFFICER, "/api/v1/indicators").await.body;
        let mut said = 0;
        for (sets, list) in [("sets", "indicators"), ("team_score_sets", "items")] {
            for entry in file[sets].as_array().unwrap().iter().flat_map(|set| set[list].as_array().unwrap()) {
                let in_words = |lang: &str| entry["formula_text"][lang].as_str().is_some_and(|text| !text.is_empty());
                assert!(in_words("vi") && in_words("en"), "{}", entry["code"]);
                said += 1;
            }
        }
        assert_eq!(said, 17 + 8 + 12 + 9);
        let fibre = &file["sets"][0]["indicators"][1]["formula_text"]["en"];
        assert_eq!(fibre, "(Villages with fibre service = yes) ÷ (Villages)");
    }
}

/// The figure of a kind in an answer.
fn of_kind<'a>(answer: &'a Answer, kind: &str) -> &'a Json {
    let kinds = answer.body["kinds"].as_array().unwrap_or_else(|| panic!("{}", answer.text));
    kinds.iter().find(|figure| figure["code"] == kind).unwrap()
}

#[actix_web::test]
async fn a_figure_counts_a_person_once_says_how_sure_it_is_and_opens_down_to_the_activity() {
    for world in worlds().await {
        // The same person three times: once in the month before, twice in the month.
        world.record(MEMBER, VILLAGE, 20).await;
        let first = world.record(MEMBER, VILLAGE, 1).await;
        let second = world.record(SECOND, VILLAGE, 0).await;
        let ask = |unit, more: &str| format!("/api/v1/figures?unit={}&month=2026-12{more}", uuid(unit));
        let figures = world.get(OFFICER, ask(COMMUNE, "")).await;
        let figure = of_kind(&figures, "vneid_level2");
        assert_eq!((&figure["value"], &figure["submitted"]), (&json!("0"), &json!(2)), "nothing is approved yet");
        assert_eq!((&figures.body["open"], &figure["provisional"]), (&json!(true), &json!(true)));
        let provisional = world.get(OFFICER, ask(COMMUNE, "&view=provisional")).await;
        let repeat = of_kind(&provisional, "vneid_level2");
        assert_eq!(repeat["value"], "0", "helped before the month: a repeat is stored, shown and not counted");
        for visit in [first, second] {
            let path = format!("/api/v1/visits/{visit}/approve");
            let hash = world.hash(visit).await;
            assert_eq!(world.post(OFFICER, &path, json!({ "content_hash": hash })).await.status, 200);
        }
        let figures = world.get(OFFICER, ask(COMMUNE, "")).await;
        let figure = of_kind(&figures, "vneid_level2");
        assert_eq!((&figure["value"], &figure["approved"]), (&json!("1"), &json!(2)), "{figure}");
        assert_eq!((&figure["share_approved"], &figure["shown"]["vi"]), (&json!("100"), &json!("1")));
        let behind = world.get(OFFICER, figure["list"].as_str().unwrap()).await;
        let items = behind.body["items"].as_array().unwrap();
        assert_eq!((items.len(), &items[0]["visit"], &items[0]["kind"]), (1, &json!(first), &json!("vneid_level2")));
        assert_eq!(world.get(OFFICER, items[0]["link"].as_str().unwrap()).await.status, 200);
        // The year holds all three, and counts the first of them, which waits.
        let year = world.get(OFFICER, ask(COMMUNE, "&span=year&view=provisional")).await;
        assert_eq!(of_kind(&year, "vneid_level2")["value"], "1");
        assert_eq!(year.body["days"], json!(["2025-12-15", "2026-12-14"]));
    }
}

#[actix_web::test]
async fn a_province_adds_its_communes_up_and_opens_no_household() {
    for world in worlds().await {
        let ask = |unit| format!("/api/v1/figures?unit={}&month=2026-12&view=provisional", uuid(unit));
        for expected in 1..4u32 {
            world.record(MEMBER, VILLAGE, expected).await;
            world.record(FOREIGN_MEMBER, FOREIGN_VILLAGE, expected).await;
            let province = world.get(PROVINCE_OFFICER, ask(PROVINCE)).await;
            let figure = of_kind(&province, "vneid_level2");
            // One person in each commune, however often; the number of activities grows.
            assert_eq!((&figure["value"], &figure["submitted"]), (&json!("2"), &json!(expected * 2)), "{figure}");
            assert_eq!(figure["list"], Json::Null);
        }
        let behind = format!("/api/v1/figures/vneid_level2/behind?unit={}&month=2026-12", uuid(PROVINCE));
        assert_eq!(world.get(PROVINCE_OFFICER, &behind).await.status, 404);
        let commune = world.get(PROVINCE_OFFICER, ask(COMMUNE)).await;
        assert_eq!(of_kind(&commune, "vneid_level2")["value"], "1");
        assert_eq!(of_kind(&commune, "vneid_level2")["list"], Json::Null, "counts, and no list of persons");
        assert_eq!(world.get(OFFICER, ask(FOREIGN_COMMUNE)).await.status, 404);
        for (query, field) in [("month=2026-13", "month"), ("month=2026-12&span=week", "span")] {
            let refused = world.get(OFFICER, format!("/api/v1/figures?unit={}&{query}", uuid(COMMUNE))).await;
            assert_eq!((refused.status, refused.body["field"].as_str()), (400, Some(field)), "{}", refused.text);
        }
    }
}

#[actix_web::test]
async fn a_report_is_made_from_the_rows_in_every_format() {
    for world in worlds().await {
        for days_ago in [1, 2] {
            let visit = world.record(MEMBER, VILLAGE, days_ago).await;
            let hash = world.hash(visit).await;
            let path = format!("/api/v1/visits/{visit}/approve");
            assert_eq!(world.post(OFFICER, &path, json!({ "content_hash": hash })).await.status, 200);
        }
        let ask =
            |code: &str, unit, more: &str| format!("/api/v1/reports/{code}?unit={}&month=2026-12{more}", uuid(unit));
        let report = world.get(OFFICER, ask("commune_month", COMMUNE, "")).await;
        assert_eq!(report.status, 200, "{}", report.text);
        for words in ["Nơi số 10", "tháng 12/2026", "vneid_level2"] {
            assert!(report.text.contains(words), "{words}: {}", report.text);
        }
        for (format, kind, start) in
            [("xlsx", "spreadsheetml", "PK"), ("pdf", "application/pdf", "%PDF"), ("html", "text/html", "<!")]
        {
            let file = world.get(OFFICER, ask("commune_month", COMMUNE, &format!("&format={format}"))).await;
            assert!(file.headers["content-type"].contains(kind), "{format}: {:?}", file.headers);
            assert!(file.text.starts_with(start), "{format}");
        }
        let english = world.get(OFFICER, ask("commune_month", COMMUNE, "&lang=en")).await;
        assert!(english.status == 200 && english.text != report.text);
        let team = world.get(LEADER, ask("team_month", VILLAGE, &format!("&team={}", world.team))).await;
        assert_eq!(team.status, 200, "{}", team.text);
        let province = world.get(PROVINCE_OFFICER, ask("province_month", PROVINCE, "")).await;
        assert!(province.text.contains("Nơi số 10") && province.text.contains("Nơi số 15"), "{}", province.text);
        for (path, status, field) in [
            (ask("commune_month", COMMUNE, "&format=doc"), 400, Some("format")),
            (ask("commune_month", COMMUNE, "&format=csv"), 400, Some("table")),
            (ask("commune_month", VILLAGE, ""), 400, Some("unit")),
            (ask("commune_month", COMMUNE, "&team=00000000-0000-0000-0000-000000000001"), 400, Some("team")),
            (ask("novel", COMMUNE, ""), 404, None),
            (ask("commune_month", FOREIGN_COMMUNE, ""), 404, None),
        ] {
            let refused = world.get(OFFICER, &path).await;
            assert_eq!((refused.status, refused.body["field"].as_str()), (status, field), "{path}: {}", refused.text);
        }
    }
}

#[actix_web::test]
async fn a_case_from_the_field_is_opened_answered_and_seen_in_the_village() {
    for world in worlds().await {
        let body = json!({ "unit": uuid(VILLAGE), "kind": "coverage_gap_report", "text": "Đầu suối không có sóng." });
        let opened = world.post(MEMBER, "/api/v1/field-cases", body).await;
        assert_eq!(opened.status, 200, "{}", opened.text);
        let list = world.get(OFFICER, format!("/api/v1/field-cases?unit={}&status=open", uuid(COMMUNE))).await;
        let case = &list.body["items"][0];
        assert_eq!((&case["kind"], &case["overdue"]), (&json!("coverage_gap_report"), &json!(false)), "{}", list.text);
        let path = format!("/api/v1/field-cases/{}/advance", case["id"].as_str().unwrap());
        let step = |to: &str, text: Option<&str>| json!({ "to": to, "text": text });
        let skipped = world.post(OFFICER, &path, step("resolved", Some("Xong."))).await;
        assert_eq!((skipped.status, skipped.code()), (409, "wrong_state"));
        assert_eq!(world.post(FOREIGN_OFFICER, &path, step("acknowledged", None)).await.status, 404);
        assert_eq!(world.post(OFFICER, &path, step("acknowledged", None)).await.status, 200);
        let silent = world.post(OFFICER, &path, step("resolved", None)).await;
        assert_eq!((silent.status, silent.body["field"].as_str()), (422, Some("text")), "{}", silent.text);
        assert_eq!(world.post(OFFICER, &path, step("resolved", Some("Nhà mạng đã lắp trạm."))).await.status, 200);
        let seen = world.get(MEMBER, format!("/api/v1/field-cases?unit={}", uuid(VILLAGE))).await;
        assert_eq!(seen.body["items"][0]["steps"][1]["text"], "Nhà mạng đã lắp trạm.", "the answer travels back");
        assert_eq!(world.get(MEMBER, "/api/v1/field-cases?status=closed").await.body["items"], json!([]));
    }
}

#[actix_web::test]
async fn a_report_is_written_handed_in_and_accepted_and_says_so() {
    for world in worlds().await {
        let of = json!({ "unit": uuid(COMMUNE), "month": "2026-11" });
        let mut save = of.clone();
        save["texts"] = json!({ "difficulties": "Sóng yếu ở hai thôn." });
        assert_eq!(world.post(PROVINCE_OFFICER, "/api/v1/reports/commune_month/save", save.clone()).await.status, 403);
        let saved = world.post(OFFICER, "/api/v1/reports/commune_month/save", save).await;
        assert_eq!(saved.status, 200, "{}", saved.text);
        let mut hand_in = of.clone();
        hand_in["base_ver"] = saved.body["ver"].clone();
        let handed_in = world.post(OFFICER, "/api/v1/reports/commune_month/submit", hand_in).await;
        assert_eq!(handed_in.status, 200, "{}", handed_in.text);
        let path = format!("/api/v1/report-rows/{}/review", handed_in.body["id"].as_str().unwrap());
        let blind = world.post(PROVINCE_OFFICER, &path, json!({ "base_ver": saved.body["ver"] })).await;
        assert_eq!((blind.status, blind.code()), (409, "content_changed"), "a verdict on what was not seen");
        let verdict = json!({ "base_ver": handed_in.body["ver"] });
        assert_eq!(world.post(PROVINCE_OFFICER, &path, verdict).await.status, 200);
        let shown =
            world.get(OFFICER, format!("/api/v1/reports/commune_month?unit={}&month=2026-11", uuid(COMMUNE))).await;
        assert!(shown.text.contains("Sóng yếu ở hai thôn.") && shown.text.contains("đã tiếp nhận"), "{}", shown.text);
    }
}

#[actix_web::test]
async fn a_base_number_makes_a_rate_of_a_count_and_a_double_household_counts_as_one() {
    for world in worlds().await {
        let ask = format!("/api/v1/figures?unit={}&month=2026-12&view=provisional", uuid(VILLAGE));
        let base = |value: u64| json!({ "unit": uuid(VILLAGE), "code": "adults_15_plus", "from": "2026-01-01", "value": value, "source": "UBND" });
        assert_eq!(world.post(MEMBER, "/api/v1/denominators", base(200)).await.status, 403);
        assert_eq!(world.post(OFFICER, "/api/v1/denominators", base(200)).await.status, 200);
        let figures = world.get(OFFICER, &ask).await;
        let all: Vec<&Json> = figures.body["sets"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|set| set["figures"].as_array().unwrap())
            .collect();
        assert!(all.iter().any(|figure| figure["denominator"] == "200"), "{}", figures.text);
        // The same house under two labels: two visits, one household.
        let double = perform(&world.app, LEADER, vec![household(VILLAGE)]).await[0];
        world.record(MEMBER, VILLAGE, 1).await;
        let shown = world.get(LEADER, format!("/api/v1/households/{double}")).await;
        let stays = world.get(LEADER, format!("/api/v1/households/{}", world.house)).await;
        let path = format!("/api/v1/households/{double}/merge");
        let body = json!({ "into": world.house, "into_ver": stays.body["ver"], "base_ver": shown.body["ver"], "reason": "Ghi hai lần." });
        let merged = world.post(LEADER, &path, body).await;
        assert_eq!(merged.status, 200, "{} {}", merged.text, shown.text);
        let one = world.get(LEADER, format!("/api/v1/households/{}", world.house)).await;
        assert_eq!(one.body["merged"], json!([double]), "{}", one.text);
        assert_eq!(world.post(LEADER, format!("/api/v1/households/{double}/unmerge"), json!({})).await.status, 200);
        let two = world.get(LEADER, format!("/api/v1/households/{}", world.house)).await;
        assert_eq!(two.body["merged"].as_array().map_or(0, Vec::len), 0, "{}", two.text);
    }
}

#[actix_web::test]
async fn a_target_is_published_when_it_is_clear_in_all_five_respects_and_stands_in_the_report() {
    for world in worlds().await {
        let mut body =
            json!({ "unit": uuid(COMMUNE), "kind": "vneid_level2", "value": "40", "task": "Kích hoạt tại nhà" });
        let drafted = world.post(OFFICER, "/api/v1/targets", body.clone()).await;
        assert_eq!(drafted.status, 200, "{}", drafted.text);
        let id = drafted.body["id"].as_str().unwrap();
        let publish = format!("/api/v1/targets/{id}/publish");
        let early = world.post(OFFICER, &publish, json!({ "base_ver": drafted.body["ver"] })).await;
        let rule = early.body["rule"].as_str().unwrap_or_default();
        for missing in ["person_empty", "from_empty", "due_empty", "product_empty", "resource_empty"] {
            assert!(early.code() == "target_incomplete" && rule.contains(missing), "{missing}: {}", early.text);
        }
        for (field, text) in [
            ("person", "Tổ thôn 11"),
            ("from", "2026-01-01"),
            ("due", "2026-12-31"),
            ("product", "Danh sách"),
            ("resource", "Hai điện thoại"),
        ] {
            body[field] = json!(text);
        }
        body["base_ver"] = drafted.body["ver"].clone();
        let request = world.request(OFFICER, Method::PATCH, &format!("/api/v1/targets/{id}")).set_json(body);
        let clear = world.send(request).await;
        assert_eq!(clear.status, 200, "{}", clear.text);
        assert_eq!(world.post(OFFICER, &publish, json!({ "base_ver": clear.body["ver"] })).await.status, 200);
        let visit = world.record(MEMBER, VILLAGE, 1).await;
        let hash = world.hash(visit).await;
        let approve = format!("/api/v1/visits/{visit}/approve");
        assert_eq!(world.post(OFFICER, &approve, json!({ "content_hash": hash })).await.status, 200);
        let path = format!("/api/v1/reports/commune_month?unit={}&month=2026-12&format=csv&table=kinds", uuid(COMMUNE));
        let table = world.get(OFFICER, path).await;
        let line = table.text.lines().find(|line| line.contains("VNeID")).unwrap_or_else(|| panic!("{}", table.text));
        assert!(line.contains(";40;2,5"), "one of forty: {line}");
    }
}

#[actix_web::test]
async fn an_announcement_is_published_listed_while_in_force_and_taken_back() {
    for world in worlds().await {
        let body = json!({
            "unit": uuid(COMMUNE), "title": "Ngày chuyển đổi số", "body": "Thứ bảy.\nTại nhà văn hoá thôn.",
            "from": "2026-11-01", "to": "2027-01-31",
        });
        assert_ne!(world.post(MEMBER, "/api/v1/announcements", body.clone()).await.status, 200);
        let published = world.post(OFFICER, "/api/v1/announcements", body).await;
        assert_eq!(published.status, 200, "{}", published.text);
        let path = format!("/api/v1/announcements?unit={}&on=2026-12-01", uuid(COMMUNE));
        let listed = world.get(OFFICER, &path).await;
        assert_eq!(listed.body["items"][0]["title"], "Ngày chuyển đổi số", "{}", listed.text);
        assert_eq!(listed.body["items"][0]["body"], "Thứ bảy.\nTại nhà văn hoá thôn.");
        let withdraw = format!("/api/v1/announcements/{}/withdraw", published.body["id"].as_str().unwrap());
        assert_eq!(world.post(OFFICER, &withdraw, json!({})).await.status, 200);
        assert_eq!(world.get(OFFICER, &path).await.body["items"].as_array().map_or(1, Vec::len), 0);
        assert_eq!(world.get(OFFICER, "/api/v1/announcements?on=heute").await.status, 400);
    }
}
