//! The desk's doors for registers and programmes: what is sent is what the store holds afterwards, and what the rules
//! refuse is refused with the name of the member that was sent.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod desk;

use actix_web::http::Method;
use desk::*;
use serde_json::{Value as Json, json};
use server::work::Work;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::decide::State;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::{Intent, RecordVisit};
use sync_protocol::row::{GroupKey, Register, RowType};
use sync_protocol::value::Value;
use uuid::Uuid;

async fn patch(world: &World, by: u8, path: String, body: Json) -> Answer {
    world.send(world.request(by, Method::PATCH, &path).set_json(body)).await
}

/// The row that a change was about.
fn done(answer: &Answer) -> Uuid {
    assert_eq!((answer.status, &answer.body["verdict"]), (200, &json!("applied")), "{}", answer.text);
    answer.body["id"].as_str().unwrap().parse().unwrap()
}

/// The version that a change made.
fn made(answer: &Answer) -> Json {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["ver"].clone()
}

fn refused(answer: &Answer, status: u16, code: &str, field: Option<&str>) {
    let found = (answer.status, answer.code(), answer.body["field"].as_str());
    assert_eq!(found, (status, code, field), "{}", answer.text);
}

async fn row(world: &World, ty: RowType, id: Uuid) -> (ScopeId, Register) {
    world.store.read(move |tx| Work::new(tx, ServerMs(NOW)).register(ty, id)).await.unwrap().unwrap()
}

async fn held<T: Cbor>(world: &World, ty: RowType, id: Uuid, key: GroupKey) -> T {
    row(world, ty, id).await.1.group(key).unwrap()
}

async fn unit_ver(world: &World, unit: u8) -> Json {
    world.get(OFFICER, format!("/api/v1/units/{}", uuid(unit))).await.body["ver"].clone()
}

async fn keep_persons(world: &World) {
    let body = json!({ "base_ver": unit_ver(world, VILLAGE).await, "privacy": "person" });
    done(&patch(world, OFFICER, format!("/api/v1/units/{}/privacy", uuid(VILLAGE)), body).await);
}

/// A second officer in the commune: nobody's own edits are ever unseen by themselves.
async fn second_officer(world: &World) -> u8 {
    let grant =
        json!({ "user": uuid(AUDITOR), "role": "commune_officer", "unit": uuid(COMMUNE), "from": "2026-01-01" });
    assert_eq!(world.post(ADMIN, "/api/v1/grants", grant).await.status, 200);
    AUDITOR
}

fn new_person(world: &World) -> Json {
    json!({ "unit": uuid(VILLAGE), "household": world.house.0, "name": " Giàng  Thị Mỷ ", "birth_band": "18-39",
        "phone_last3": "678", "consent": { "purposes": ["visit_log"], "notice_version": "2026.1", "language": "vi",
        "method": "spoken_witnessed", "given": "2026-11-20" } })
}

#[actix_web::test]
async fn a_person_is_entered_and_changed_where_persons_are_kept() {
    const PATH: &str = "/api/v1/persons";
    for world in worlds().await {
        refused(&world.post(LEADER, PATH, new_person(&world)).await, 422, "persons_not_kept", None);
        keep_persons(&world).await;
        let entered = world.post(LEADER, PATH, new_person(&world)).await;
        let id = done(&entered);
        let name: PersonName = held(&world, RowType::PERSON, id, person::NAME).await;
        assert_eq!(name.display_name, "Giàng Thị Mỷ", "cleaned as the phone does");
        let home: PersonHousehold = held(&world, RowType::PERSON, id, person::HOUSEHOLD).await;
        assert_eq!(home.household, world.house);

        let path = format!("{PATH}/{id}");
        let change = json!({ "base_ver": made(&entered), "gender": "female", "birth_band": "40-59" });
        let changed = patch(&world, MEMBER, path.clone(), change).await;
        done(&changed);
        let gender: PersonGender = held(&world, RowType::PERSON, id, person::GENDER).await;
        let band: PersonBirth = held(&world, RowType::PERSON, id, person::BIRTH).await;
        assert_eq!((gender.gender.as_str(), band.band.as_str()), ("female", "40-59"));
        // Two people who did not see each other's answer: a case, and the guarded name stays.
        let rename = |ver: Json, name: &str| json!({ "base_ver": ver, "name": name });
        done(&patch(&world, MEMBER, path.clone(), rename(made(&changed), "Giàng Thị Mị")).await);
        let stale = patch(&world, LEADER, path.clone(), rename(made(&changed), "Giàng Thị My")).await;
        assert_eq!(stale.body["verdict"], "applied_with_case", "{}", stale.text);
        assert!(stale.body["case"].is_string());
        let name: PersonName = held(&world, RowType::PERSON, id, person::NAME).await;
        assert_eq!(name.display_name, "Giàng Thị Mị");

        // Withdrawn consent takes the name out of the row.
        let mut consent = new_person(&world)["consent"].clone();
        consent["withdrawn"] = json!("2026-11-22");
        let ver = row(&world, RowType::PERSON, id).await.1.ver.0.to_string();
        let withdrawn = json!({ "base_ver": ver, "consent": consent });
        assert_eq!(patch(&world, LEADER, path.clone(), withdrawn).await.status, 200);
        assert!(!row(&world, RowType::PERSON, id).await.1.groups.contains_key(&person::NAME));

        let with = |member: &str, value: Json| {
            let mut body = new_person(&world);
            body[member] = value;
            body
        };
        let mut never = new_person(&world);
        never["consent"]["given"] = json!("hôm nay");
        for (by, body, status, code, field) in [
            (OFFICER, new_person(&world), 403, "not_allowed", None),
            (FOREIGN_MEMBER, new_person(&world), 404, "not_found", None),
            (LEADER, with("name", json!("Mỷ 1990")), 422, "bad_value", Some("name")),
            (LEADER, with("birth_band", json!("30")), 422, "bad_value", Some("birth_band")),
            (LEADER, with("phone_last3", json!("78")), 422, "bad_value", Some("phone_last3")),
            (LEADER, with("groups", json!({})), 400, "validation_failed", Some("groups")),
            (LEADER, never, 400, "validation_failed", Some("consent.given")),
        ] {
            refused(&world.post(by, PATH, body).await, status, code, field);
        }
        let ver = made(&changed);
        refused(&patch(&world, FOREIGN_MEMBER, path.clone(), rename(ver.clone(), "A")).await, 404, "not_found", None);
        let nothing = patch(&world, LEADER, path.clone(), json!({ "base_ver": ver })).await;
        refused(&nothing, 400, "validation_failed", Some("body"));
        let bad_ver = patch(&world, LEADER, path, rename(json!("one"), "Mỷ")).await;
        refused(&bad_ver, 400, "validation_failed", Some("base_ver"));
    }
}

#[actix_web::test]
async fn markets_businesses_and_products_hang_together() {
    for world in worlds().await {
        let market = json!({ "unit": uuid(COMMUNE), "identity": { "name": "Chợ  phiên Tả Phìn" }, "days": "Chủ nhật" });
        let opened = world.post(OFFICER, "/api/v1/markets", market.clone()).await;
        let market_id = done(&opened);
        let name: MarketIdentity = held(&world, RowType::MARKET, market_id, market::IDENTITY).await;
        assert_eq!(name.name, "Chợ phiên Tả Phìn");
        let business = json!({ "unit": uuid(VILLAGE), "identity": { "name": "Quán cô Mỷ", "kind": "stall" },
            "owner_household": world.house.0, "market": market_id });
        let founded = world.post(MEMBER, "/api/v1/businesses", business.clone()).await;
        let business_id = done(&founded);
        let sells: BusinessMarket = held(&world, RowType::BUSINESS, business_id, business::MARKET).await;
        let owner: BusinessOwner = held(&world, RowType::BUSINESS, business_id, business::OWNER).await;
        assert_eq!((sells.market.0, owner.household), (market_id, world.house));
        let product = json!({ "unit": uuid(VILLAGE), "ocop_stars": 3,
            "identity": { "business": business_id, "name": "Mật ong bạc hà", "category": "food" } });
        let made_first = world.post(MEMBER, "/api/v1/products", product.clone()).await;
        let product_id = done(&made_first);
        let stars: ProductOcop = held(&world, RowType::PRODUCT, product_id, product::OCOP).await;
        assert_eq!(stars.stars, 3);

        // Changing: what is left out stays.
        let change = json!({ "base_ver": made(&opened), "days": "ngày 2 và 7  âm lịch" });
        done(&patch(&world, OFFICER, format!("/api/v1/markets/{market_id}"), change).await);
        let days: MarketDays = held(&world, RowType::MARKET, market_id, market::DAYS).await;
        let name: MarketIdentity = held(&world, RowType::MARKET, market_id, market::IDENTITY).await;
        assert_eq!((days.days.as_str(), name.name.as_str()), ("ngày 2 và 7 âm lịch", "Chợ phiên Tả Phìn"));
        let path = format!("/api/v1/businesses/{business_id}");
        let rename = |name: &str| json!({ "base_ver": made(&founded), "identity": { "name": name, "kind": "shop" } });
        done(&patch(&world, MEMBER, path.clone(), rename("Tạp hóa cô Mỷ")).await);
        let stale = patch(&world, LEADER, path.clone(), rename("Tạp hóa Mỷ")).await;
        assert_eq!(stale.body["verdict"], "applied_with_case", "{}", stale.text);
        let path_of_product = format!("/api/v1/products/{product_id}");
        let stars = |n: u8| json!({ "base_ver": made(&made_first), "ocop_stars": n });
        done(&patch(&world, MEMBER, path_of_product.clone(), stars(4)).await);
        let stale = patch(&world, LEADER, path_of_product.clone(), stars(5)).await;
        assert_eq!(stale.body["verdict"], "applied_with_case", "{}", stale.text);
        let other = second_officer(&world).await;
        let path_of_market = format!("/api/v1/markets/{market_id}");
        let days = json!({ "base_ver": made(&opened), "days": "thứ Bảy" });
        let stale = patch(&world, other, path_of_market.clone(), days).await;
        assert_eq!(stale.body["verdict"], "applied_with_case", "{}", stale.text);

        let with = |body: &Json, path: &str, value: Json| {
            let mut body = body.clone();
            *body.pointer_mut(path).unwrap() = value;
            body
        };
        let (markets, businesses, products) = ("/api/v1/markets", "/api/v1/businesses", "/api/v1/products");
        let bad = (422, "bad_value");
        for (by, path, body, (status, code), field) in [
            (LEADER, markets, market.clone(), (403, "not_allowed"), None),
            (FOREIGN_OFFICER, markets, market.clone(), (404, "not_found"), None),
            (OFFICER, markets, with(&market, "/unit", json!(uuid(VILLAGE))), bad, Some("unit")),
            (OFFICER, markets, with(&market, "/identity/name", json!(" ")), bad, Some("identity.name")),
            (OFFICER, businesses, business.clone(), (403, "not_allowed"), None),
            (MEMBER, businesses, with(&business, "/identity/kind", json!("bank")), bad, Some("identity.kind")),
            (MEMBER, businesses, with(&business, "/identity/name", json!("012345678901")), bad, Some("identity.name")),
            (MEMBER, businesses, with(&business, "/market", json!(uuid(3))), (404, "not_found"), None),
            (OFFICER, products, product.clone(), (403, "not_allowed"), None),
            (MEMBER, products, with(&product, "/ocop_stars", json!(6)), bad, Some("ocop_stars")),
            (MEMBER, products, with(&product, "/identity/category", json!("đồ ăn")), bad, Some("identity.category")),
        ] {
            refused(&world.post(by, path, body).await, status, code, field);
        }
        for path in [path, path_of_product, path_of_market] {
            let nothing = patch(&world, MEMBER, path, json!({ "base_ver": "1" })).await;
            refused(&nothing, 400, "validation_failed", Some("body"));
        }
    }
}

#[actix_web::test]
async fn a_village_says_what_it_is_like_and_how_much_of_people_it_keeps() {
    for world in worlds().await {
        let path = |unit: u8, what: &str| format!("/api/v1/units/{}/{what}", uuid(unit));
        let seen = unit_ver(&world, VILLAGE).await;
        let entry = |code: &str, value: Json| json!({ "code": code, "from": "2026-01-01", "value": value });
        let write = |history: Vec<Json>| json!({ "base_ver": seen, "attributes": history });
        let history = vec![
            entry("distance_to_commune_km", json!(12)),
            entry("fibre_available", json!(false)),
            entry("mobile_tech_best", json!("4g")),
            entry("operators_ok", json!(["vinaphone", "viettel"])),
        ];
        done(&patch(&world, OFFICER, path(VILLAGE, "attributes"), write(history.clone())).await);
        let stands: UnitAttributes = held(&world, RowType::UNIT, uuid(VILLAGE), unit::ATTRIBUTES).await;
        let values: Vec<Value> = stands.history.into_iter().map(|entry| entry.value).collect();
        let operators = Value::Codes(vec!["viettel".into(), "vinaphone".into()]);
        // What stands is shown, so that the next change writes the whole of it.
        let shown = world.get(OFFICER, format!("/api/v1/units/{}", uuid(VILLAGE))).await.body;
        let mut as_shown = history.clone();
        as_shown[3]["value"] = json!(["viettel", "vinaphone"]);
        assert_eq!(shown["attributes"], json!(as_shown));
        assert_eq!(shown["privacy"], "household", "what holds where nobody has chosen");
        assert_eq!(values, [Value::Int(12), Value::Bool(false), Value::Text("4g".into()), operators]);
        let other = second_officer(&world).await;
        let stale = patch(&world, other, path(VILLAGE, "attributes"), write(vec![history[0].clone()])).await;
        assert_eq!(stale.body["verdict"], "applied_with_case", "{}", stale.text);

        for (mode, by, status) in [("person", OFFICER, 200), ("tally", OFFICER, 200), ("household", LEADER, 403)] {
            let body = json!({ "base_ver": unit_ver(&world, VILLAGE).await, "privacy": mode });
            let answer = patch(&world, by, path(VILLAGE, "privacy"), body).await;
            assert_eq!(answer.status, status, "{}", answer.text);
        }
        let privacy: UnitPrivacy = held(&world, RowType::UNIT, uuid(VILLAGE), unit::PRIVACY).await;
        assert_eq!(privacy.mode, "tally");
        let shown = world.get(OFFICER, format!("/api/v1/units/{}", uuid(VILLAGE))).await.body;
        assert_eq!(shown["privacy"], "tally");
        let looser = json!({ "base_ver": seen, "privacy": "person" });
        let stale = patch(&world, other, path(VILLAGE, "privacy"), looser.clone()).await;
        assert_eq!(stale.body["verdict"], "applied_with_case", "nobody loosens it unseen: {}", stale.text);

        let bad = (422, "bad_value");
        let (reversed, wrong) = (vec![history[1].clone(), history[0].clone()], vec![entry("access", json!("plane"))]);
        let no_day = vec![json!({ "code": "access", "from": "hôm nay", "value": "car" })];
        let mode = json!({ "base_ver": seen, "privacy": "all" });
        for (by, unit, what, body, (status, code), field) in [
            (LEADER, VILLAGE, "attributes", write(history.clone()), (403, "not_allowed"), None),
            (FOREIGN_OFFICER, VILLAGE, "attributes", write(history.clone()), (404, "not_found"), None),
            (OFFICER, COMMUNE, "attributes", write(history.clone()), bad, Some("attributes")),
            (OFFICER, VILLAGE, "attributes", write(reversed), bad, Some("attributes[1]")),
            (OFFICER, VILLAGE, "attributes", write(wrong), bad, Some("attributes[0]")),
            (OFFICER, VILLAGE, "attributes", write(no_day), (400, "validation_failed"), Some("attributes[0].from")),
            (OFFICER, VILLAGE, "privacy", mode, bad, Some("privacy")),
            (OFFICER, COMMUNE, "privacy", looser.clone(), bad, Some("privacy")),
            (FOREIGN_OFFICER, VILLAGE, "privacy", looser, (404, "not_found"), None),
        ] {
            refused(&patch(&world, by, path(unit, what), body).await, status, code, field);
        }
    }
}

fn new_campaign() -> Json {
    json!({ "unit": uuid(COMMUNE),
        "frame": { "kind": "drive", "from": "2026-11-22", "to": "2026-12-10", "kinds": ["vneid_level2"] },
        "words": { "title": " Ra quân  mùa đông ", "partners": ["Đoàn xã"] },
        "targets": [{ "unit": uuid(VILLAGE), "kind": "vneid_level2", "value": 30 }] })
}

#[actix_web::test]
async fn a_campaign_is_drafted_changed_published_and_closed() {
    const PATH: &str = "/api/v1/campaigns";
    for world in worlds().await {
        let drafted = world.post(OFFICER, PATH, new_campaign()).await;
        let id = done(&drafted);
        let (scope, draft) = row(&world, RowType::CAMPAIGN, id).await;
        let words: CampaignWords = draft.group(campaign::WORDS).unwrap();
        let targets: CampaignTargets = draft.group(campaign::TARGETS).unwrap();
        assert_eq!((scope.0, words.title.as_str()), (uuid(COMMUNE), "Ra quân mùa đông"));
        assert_eq!((targets.targets[0].unit.0, targets.targets[0].value), (uuid(VILLAGE), 30));

        let path = format!("{PATH}/{id}");
        let retitle = json!({ "base_ver": made(&drafted), "words": { "title": "Ra quân", "daily_report": true } });
        let changed = patch(&world, OFFICER, path.clone(), retitle.clone()).await;
        done(&changed);
        let words: CampaignWords = held(&world, RowType::CAMPAIGN, id, campaign::WORDS).await;
        assert_eq!((words.title.as_str(), words.daily_report), ("Ra quân", true));
        // Nothing of a campaign is merged: whoever has not seen it looks again.
        let other = second_officer(&world).await;
        let stale = json!({ "base_ver": made(&drafted) });
        refused(&patch(&world, other, path.clone(), retitle.clone()).await, 409, "content_changed", None);
        let publish = format!("{path}/publish");
        refused(&world.post(other, publish.clone(), stale).await, 409, "content_changed", None);

        let seen = json!({ "base_ver": made(&changed) });
        refused(&world.post(LEADER, publish.clone(), seen.clone()).await, 403, "not_allowed", None);
        refused(&world.post(FOREIGN_OFFICER, publish.clone(), seen.clone()).await, 404, "not_found", None);
        let published = world.post(other, publish.clone(), seen.clone()).await;
        done(&published);
        let stands: CampaignState = held(&world, RowType::CAMPAIGN, id, campaign::STATE).await;
        assert_eq!((stands.published, stands.closed), (Some(Day::of_ms(NOW)), None));
        refused(&world.post(OFFICER, publish, seen).await, 409, "wrong_state", None);
        // What is out takes more targets and nothing else.
        let ver = made(&published);
        let target = json!([{ "unit": uuid(SIBLING), "kind": "vneid_level2", "value": 20 }]);
        let more = json!({ "base_ver": ver, "targets": target });
        done(&patch(&world, OFFICER, path.clone(), more.clone()).await);
        let targets: CampaignTargets = held(&world, RowType::CAMPAIGN, id, campaign::TARGETS).await;
        assert_eq!(targets.targets.len(), 2);
        refused(&patch(&world, OFFICER, path.clone(), more).await, 422, "campaign_fault", Some("targets"));
        refused(&patch(&world, OFFICER, path.clone(), retitle).await, 409, "wrong_state", None);

        let close = format!("{path}/close");
        refused(&world.post(LEADER, close.clone(), json!({})).await, 403, "not_allowed", None);
        refused(&world.post(FOREIGN_OFFICER, close.clone(), json!({})).await, 404, "not_found", None);
        done(&world.post(OFFICER, close.clone(), json!({})).await);
        let stands: CampaignState = held(&world, RowType::CAMPAIGN, id, campaign::STATE).await;
        assert_eq!(stands.closed, Some(Day::of_ms(NOW)));
        refused(&world.post(OFFICER, close, json!({})).await, 409, "wrong_state", None);

        // A campaign that ends before it begins may be drafted, and is not published.
        let with = |path: &str, value: Json| {
            let mut body = new_campaign();
            *body.pointer_mut(path).unwrap() = value;
            body
        };
        let reversed = world.post(OFFICER, PATH, with("/frame/to", json!("2026-11-01"))).await;
        let publish = format!("{PATH}/{}/publish", done(&reversed));
        let fault = world.post(OFFICER, publish, json!({ "base_ver": made(&reversed) })).await;
        refused(&fault, 422, "campaign_fault", None);
        assert!(fault.body["rule"].is_string(), "{}", fault.text);
        let bad = (422, "bad_value");
        for (by, body, (status, code), field) in [
            (LEADER, new_campaign(), (403, "not_allowed"), None),
            (FOREIGN_OFFICER, new_campaign(), (404, "not_found"), None),
            (OFFICER, with("/unit", json!(uuid(VILLAGE))), bad, Some("unit")),
            (OFFICER, with("/frame/kind", json!("party")), bad, Some("frame.kind")),
            (OFFICER, with("/words/title", json!("")), bad, Some("words.title")),
            (OFFICER, with("/frame/from", json!("mai")), (400, "validation_failed"), Some("frame.from")),
            (OFFICER, with("/targets/0/unit", json!(uuid(FOREIGN_VILLAGE))), (404, "not_found"), None),
        ] {
            refused(&world.post(by, PATH, body).await, status, code, field);
        }
    }
}

#[actix_web::test]
async fn a_recognition_goes_its_way_step_by_step() {
    const PATH: &str = "/api/v1/recognitions";
    for world in worlds().await {
        keep_persons(&world).await;
        let person = done(&world.post(LEADER, "/api/v1/persons", new_person(&world)).await);
        let propose = json!({ "unit": uuid(VILLAGE), "what": "digital_citizen", "subject": person,
            "set": "digital_citizen_2023", "consent": true });
        let id = done(&world.post(MEMBER, PATH, propose.clone()).await);
        let subject: RecognitionSubject = held(&world, RowType::RECOGNITION, id, recognition::SUBJECT).await;
        assert_eq!((subject.subject, subject.consent), (Some(person), true));

        let advance = format!("{PATH}/{id}/advance");
        let verify = json!({ "to": "verified" });
        refused(&world.post(MEMBER, advance.clone(), verify.clone()).await, 403, "not_allowed", None);
        done(&world.post(LEADER, advance.clone(), verify.clone()).await);
        refused(&world.post(LEADER, advance.clone(), verify).await, 409, "wrong_state", None);
        let grant = json!({ "to": "granted", "number": " 12/QĐ-UBND ", "day": "2026-11-20" });
        for (by, body, (status, code), field) in [
            (FOREIGN_OFFICER, grant.clone(), (404, "not_found"), None),
            (OFFICER, json!({ "to": "granted", "number": "12/QĐ" }), (422, "bad_value"), Some("day")),
            (
                OFFICER,
                json!({ "to": "granted", "number": "1", "day": "20/11" }),
                (400, "validation_failed"),
                Some("day"),
            ),
            (OFFICER, json!({ "to": "crowned" }), (422, "bad_value"), Some("to")),
            (OFFICER, json!({ "to": "refused", "reason": " " }), (422, "reason_missing"), None),
        ] {
            refused(&world.post(by, advance.clone(), body).await, status, code, field);
        }
        done(&world.post(OFFICER, advance.clone(), grant).await);
        done(&world.post(OFFICER, advance, json!({ "to": "revoked", "reason": "Cấp nhầm." })).await);
        let steps: RecognitionSteps = held(&world, RowType::RECOGNITION, id, recognition::STEPS).await;
        let way: Vec<&str> = steps.steps.iter().map(|step| step.to.as_str()).collect();
        assert_eq!(way, ["proposed", "verified", "granted", "revoked"]);
        let granted = (steps.steps[2].number.as_deref(), Some(steps.steps[2].day));
        assert_eq!(granted, (Some("12/QĐ-UBND"), Day::parse("2026-11-20")));
        assert_eq!(steps.steps[3].reason.as_deref(), Some("Cấp nhầm."));

        let with = |member: &str, value: Json| {
            let mut body = propose.clone();
            body[member] = value;
            body
        };
        for (by, body, (status, code), field) in [
            (OFFICER, propose.clone(), (403, "not_allowed"), None),
            (FOREIGN_MEMBER, propose.clone(), (404, "not_found"), None),
            (PROVINCE_OFFICER, propose.clone(), (403, "not_allowed"), None),
            (MEMBER, with("what", json!("digital_village")), (422, "bad_value"), Some("what")),
            (MEMBER, with("set", json!("novel")), (422, "bad_value"), Some("set")),
            (MEMBER, with("consent", json!(false)), (422, "consent_missing"), Some("consent")),
        ] {
            refused(&world.post(by, PATH, body).await, status, code, field);
        }
    }
}

#[actix_web::test]
async fn courses_and_the_best_attempt_are_kept() {
    for world in worlds().await {
        let run = json!({ "unit": uuid(COMMUNE), "course": "safe_online", "day": "2026-11-20", "trainer": " Cô  Hoa ",
            "participants": 12, "women": 7 });
        let path = "/api/v1/course-runs";
        let id = done(&world.post(OFFICER, path, run.clone()).await);
        let kept: CourseRun = held(&world, RowType::COURSE_RUN, id, course_run::RUN).await;
        assert_eq!((kept.trainer.as_str(), kept.participants, kept.women, kept.aged_60), ("Cô Hoa", 12, 7, 0));
        let with = |member: &str, value: Json| {
            let mut body = run.clone();
            body[member] = value;
            body
        };
        for (by, body, (status, code), field) in [
            (LEADER, run.clone(), (403, "not_allowed"), None),
            (FOREIGN_OFFICER, run.clone(), (404, "not_found"), None),
            (OFFICER, with("women", json!(13)), (422, "bad_value"), Some("women")),
            (OFFICER, with("day", json!("2026-11-23")), (422, "bad_value"), Some("day")),
            (OFFICER, with("day", json!("hôm qua")), (400, "validation_failed"), Some("day")),
            (OFFICER, with("trainer", json!("")), (422, "bad_value"), Some("trainer")),
        ] {
            refused(&world.post(by, path, body).await, status, code, field);
        }

        let join = json!({ "user": uuid(MEMBER), "display_name": "Lò Văn Một", "position": "member",
            "organisation": "youth", "from": "2026-01-01" });
        let members = format!("/api/v1/teams/{}/members", world.team);
        let member = done(&world.post(OFFICER, members, join).await);
        let attempt = |right: u32| json!({ "member": member, "course": "safe_online", "right": right, "of": 5 });
        let path = "/api/v1/course-results";
        let mut ids = Vec::new();
        for right in [3, 5, 4] {
            ids.push(done(&world.post(MEMBER, path, attempt(right)).await));
        }
        assert!(ids.iter().all(|id| *id == course_result_id(TeamMemberId(member), "safe_online")), "one row: {ids:?}");
        let kept: CourseRecord = held(&world, RowType::COURSE_RESULT, ids[0], course_result::RECORD).await;
        assert_eq!((kept.right, kept.of, kept.attempts), (5, 5, 3));
        refused(&world.post(LEADER, path, attempt(5)).await, 403, "not_allowed", None);
        refused(&world.post(OFFICER, path, attempt(5)).await, 403, "not_allowed", None);
        refused(&world.post(FOREIGN_MEMBER, path, attempt(5)).await, 404, "not_found", None);
        refused(&world.post(MEMBER, path, attempt(6)).await, 422, "bad_value", Some("right"));
    }
}

#[actix_web::test]
async fn the_server_counts_what_the_commune_signs() {
    const PATH: &str = "/api/v1/support-certificates";
    for world in worlds().await {
        let ask = json!({ "team": world.team.0, "month": "2026-12" });
        for days_ago in 1..=3 {
            world.approved(days_ago).await;
        }
        // Handed in or void is not approved, and the month before is another one.
        let waits = world.record(MEMBER, VILLAGE, 4).await;
        let void = world.record(MEMBER, VILLAGE, 5).await;
        let reason = json!({ "code": "duplicate" });
        assert_eq!(world.post(OFFICER, format!("/api/v1/visits/{void}/void"), reason).await.status, 200);
        world.approved(10).await;
        let short = world.post(OFFICER, PATH, ask.clone()).await;
        refused(&short, 409, "support_not_earned", Some("month"));
        let missing = &short.body["errors"][0];
        assert!(missing["detail_vi"].as_str().unwrap().contains("3 chuyến thăm được duyệt"), "{}", short.text);
        assert!(missing["detail_en"].as_str().unwrap().contains("3 approved visits"), "{}", short.text);

        let hash = json!({ "content_hash": world.hash(waits).await });
        assert_eq!(world.post(OFFICER, format!("/api/v1/visits/{waits}/approve"), hash).await.status, 200);
        let key = Uuid::from_u128(7);
        let keyed = || world.request(OFFICER, Method::POST, PATH).insert_header(("idempotency-key", key.to_string()));
        let signed = world.send(keyed().set_json(&ask)).await;
        let id = done(&signed);
        assert_eq!(id, support_id(world.team, Month::parse("2026-12").unwrap()));
        let kept: Certificate = held(&world, RowType::SUPPORT_CERTIFICATE, id, support_certificate::CERTIFICATE).await;
        assert_eq!((kept.measure.as_str(), kept.found, kept.minimum, kept.amount_vnd), ("visits", 4, 4, 500_000));
        let export = format!("{PATH}/export?unit={}&month=2026-12&format=csv", uuid(COMMUNE));
        assert!(world.get(OFFICER, &export).await.text.contains(";4;4;500000"));
        // A repeat finds the first outcome, though there would be more to count by now.
        world.approved(6).await;
        let again = world.send(keyed().set_json(&ask)).await;
        assert_eq!((again.status, &again.body), (200, &signed.body), "{}", again.text);
        refused(&world.post(OFFICER, PATH, ask.clone()).await, 409, "already_exists", None);

        let with = |member: &str, value: Json| {
            let mut body = ask.clone();
            body[member] = value;
            body
        };
        for (by, body, (status, code), field) in [
            (LEADER, ask.clone(), (403, "not_allowed"), None),
            (FOREIGN_OFFICER, ask.clone(), (404, "not_found"), None),
            (OFFICER, with("team", json!(world.foreign_team.0)), (404, "not_found"), None),
            (OFFICER, with("team", json!(uuid(3))), (404, "not_found"), None),
            (OFFICER, with("month", json!("tháng 12")), (400, "validation_failed"), Some("month")),
            (OFFICER, with("month", json!("2027-06")), (422, "bad_value"), Some("month")),
            (OFFICER, with("found", json!(99)), (400, "validation_failed"), Some("found")),
        ] {
            refused(&world.post(by, PATH, body).await, status, code, field);
        }

        let revoke = format!("{PATH}/{id}/revoke");
        let reason = json!({ "reason": "Đếm nhầm." });
        refused(&world.post(LEADER, revoke.clone(), reason.clone()).await, 403, "not_allowed", None);
        refused(&world.post(FOREIGN_OFFICER, revoke.clone(), reason.clone()).await, 404, "not_found", None);
        refused(&world.post(OFFICER, revoke.clone(), json!({ "reason": "" })).await, 422, "reason_missing", None);
        done(&world.post(OFFICER, revoke.clone(), reason.clone()).await);
        let back: Revocation = held(&world, RowType::SUPPORT_CERTIFICATE, id, support_certificate::REVOKED).await;
        assert_eq!((back.reason.as_str(), back.by), ("Đếm nhầm.", user(OFFICER)));
        refused(&world.post(OFFICER, revoke, reason).await, 409, "wrong_state", None);
        // What was taken back may be signed again, with what there is now.
        done(&world.post(OFFICER, PATH, ask).await);
        let kept: Certificate = held(&world, RowType::SUPPORT_CERTIFICATE, id, support_certificate::CERTIFICATE).await;
        assert_eq!(kept.found, 5);
    }
}

#[actix_web::test]
async fn a_communes_own_team_is_paid_for_visits_in_its_villages_on_days_in_the_month() {
    let world = worlds().await.remove(0);
    let team = json!({ "unit": uuid(COMMUNE), "level": "commune", "name": "Tổ xã", "from": "2026-01-01" });
    let team = done(&world.post(OFFICER, "/api/v1/teams", team).await);
    let visit = async |days_ago: u32| {
        let content = VisitContent { team: TeamId(team), ..world.content(VILLAGE, days_ago, "done") };
        let body = RecordVisit { content: Raw(content.cbor()), submit: true, plan: None, ext: Ext::default() };
        let visit = perform(&world.app, MEMBER, vec![Intent::VisitRecord(body)]).await[0];
        let hash = json!({ "content_hash": world.hash(visit).await });
        done(&world.post(OFFICER, format!("/api/v1/visits/{visit}/approve"), hash).await);
    };
    // 15 November is the first day of December's month; the 14th belongs to November's.
    for days_ago in [1, 2, 7, 8] {
        visit(days_ago).await;
    }
    let ask = json!({ "team": team, "month": "2026-12" });
    let short = world.post(OFFICER, "/api/v1/support-certificates", ask.clone()).await;
    refused(&short, 409, "support_not_earned", Some("month"));
    visit(3).await;
    let id = done(&world.post(OFFICER, "/api/v1/support-certificates", ask).await);
    let (scope, row) = row(&world, RowType::SUPPORT_CERTIFICATE, id).await;
    let kept: Certificate = row.group(support_certificate::CERTIFICATE).unwrap();
    assert_eq!((scope.0, kept.found), (uuid(COMMUNE), 4));
    // The village's own team has nothing of it.
    let ask = json!({ "team": world.team.0, "month": "2026-12" });
    let none = world.post(OFFICER, "/api/v1/support-certificates", ask).await;
    assert!(none.body["errors"][0]["detail_en"].as_str().unwrap().contains("0 approved visits"), "{}", none.text);
}
