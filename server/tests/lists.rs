//! What is entered at the desk is listed there: by page, in a stable order, to whom it concerns, with a trace.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod desk;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use actix_web::http::Method;
use desk::*;
use serde_json::{Value as Json, json};
use uuid::Uuid;

/// Every list.
const LISTS: [&str; 13] = [
    "targets",
    "denominators",
    "manual-numbers",
    "report-rows",
    "campaigns",
    "recognitions",
    "course-runs",
    "course-results",
    "support-certificates",
    "markets",
    "businesses",
    "products",
    "persons",
];

async fn enter(world: &World, by: u8, path: &str, body: Json) -> Json {
    let answer = world.post(by, format!("/api/v1/{path}"), body).await;
    assert_eq!((answer.status, &answer.body["verdict"]), (200, &json!("applied")), "{path}: {}", answer.text);
    answer.body
}

async fn items(world: &World, by: u8, path: impl AsRef<str>) -> Vec<Json> {
    let answer = world.get(by, format!("/api/v1/{}", path.as_ref())).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["items"].as_array().unwrap().clone()
}

fn id(entered: &Json) -> Uuid {
    entered["id"].as_str().unwrap().parse().unwrap()
}

async fn keep_persons(world: &World) {
    let ver = world.get(OFFICER, format!("/api/v1/units/{}", uuid(VILLAGE))).await.body["ver"].clone();
    let path = format!("/api/v1/units/{}/privacy", uuid(VILLAGE));
    let body = json!({ "base_ver": ver, "privacy": "person" });
    assert_eq!(world.send(world.request(OFFICER, Method::PATCH, &path).set_json(body)).await.status, 200);
}

fn person(world: &World, name: &str) -> Json {
    json!({ "unit": uuid(VILLAGE), "household": world.house.0, "name": name, "birth_band": "18-39",
        "phone_last3": "678", "consent": { "purposes": ["visit_log"], "notice_version": "2026.1", "language": "vi",
        "method": "spoken_witnessed", "given": "2026-11-20" } })
}

fn target(unit: u8) -> Json {
    json!({ "unit": uuid(unit), "kind": "vneid_level2", "value": "40", "task": "Kích hoạt tại nhà" })
}

fn campaign(unit: u8, from: &str) -> Json {
    json!({ "unit": uuid(unit), "frame": { "kind": "drive", "from": from, "to": "2026-12-10", "kinds": ["vneid_level2"] },
        "words": { "title": "Ra quân mùa đông", "partners": ["Đoàn xã"] },
        "targets": [{ "unit": uuid(unit), "kind": "vneid_level2", "value": 30 }] })
}

async fn publish(world: &World, by: u8, campaign: &Json) {
    let path = format!("campaigns/{}/publish", id(campaign));
    enter(world, by, &path, json!({ "base_ver": campaign["ver"] })).await;
}

#[actix_web::test]
async fn whoever_may_not_read_a_place_learns_nothing_of_its_lists() {
    let world = worlds().await.remove(0);
    for list in LISTS {
        let path = |unit: u8| format!("/api/v1/{list}?unit={}", uuid(unit));
        assert_eq!(world.get(OFFICER, path(COMMUNE)).await.status, 200, "{list}");
        let foreign = world.get(FOREIGN_OFFICER, path(COMMUNE)).await;
        let absent = world.get(OFFICER, path(200)).await;
        assert_eq!(
            (foreign.status, absent.status, foreign.body["code"].clone()),
            (404, 404, json!("not_found")),
            "{list}"
        );
        for by in [ADMIN, PRIVACY] {
            assert_eq!(world.get(by, path(COMMUNE)).await.status, 403, "{list} {by}");
        }
        let rows = ["course-results", "support-certificates", "businesses", "products", "persons"].contains(&list);
        let status = if rows { 403 } else { 200 };
        assert_eq!(world.get(PROVINCE_OFFICER, path(PROVINCE)).await.status, status, "{list}: a province sees no rows");
        for bad in ["after=AAAA", "after=", "cursor=x", "limit=no", "units=1"] {
            let answer = world.get(OFFICER, format!("/api/v1/{list}?{bad}")).await;
            let field = if bad.starts_with("cursor") { "after" } else { bad.split('=').next().unwrap() };
            let found = (answer.status, answer.code(), answer.body["field"].as_str());
            assert_eq!(found, (400, "validation_failed", Some(field)), "{list}?{bad}: {}", answer.text);
        }
    }
}

#[actix_web::test]
async fn a_list_goes_page_by_page_and_every_row_comes_once() {
    for world in worlds().await {
        let mut entered = BTreeSet::new();
        for (number, unit) in [(1, VILLAGE), (2, SIBLING), (3, VILLAGE), (4, COMMUNE), (5, VILLAGE)] {
            let body = json!({ "unit": uuid(unit), "code": "adults_15_plus", "from": format!("2026-0{number}-01"),
                "value": 200 + number, "source": "UBND" });
            entered.insert(id(&enter(&world, OFFICER, "denominators", body).await));
        }
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/denominators?unit={}&limit=2{after}", uuid(COMMUNE));
            let page = world.get(OFFICER, &path).await;
            assert_eq!(world.get(OFFICER, &path).await.body, page.body, "the order is stable");
            seen.extend(page.body["items"].as_array().unwrap().iter().map(id));
            let Some(next) = page.body["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!((seen.len(), seen.into_iter().collect::<BTreeSet<_>>()), (5, entered));
        let of_village =
            items(&world, LEADER, format!("denominators?unit={}&code=adults_15_plus", uuid(VILLAGE))).await;
        assert_eq!(of_village.len(), 3);
        let first = of_village.iter().find(|item| item["from"] == "2026-01-01").unwrap();
        assert_eq!(
            (&first["value"], &first["source"], &first["unit"]["name"]),
            (&json!(201), &json!("UBND"), &json!("Nơi số 11"))
        );
        assert_eq!(first["by"]["name"], "Lò Văn 44");
        assert!(items(&world, LEADER, "denominators?code=households").await.is_empty());
    }
}

#[actix_web::test]
async fn persons_are_as_short_as_everywhere_and_their_reading_leaves_a_trace() {
    for world in worlds().await {
        keep_persons(&world).await;
        enter(&world, LEADER, "persons", person(&world, "Giàng Thị Mỷ")).await;
        let path = format!("persons?unit={}&household={}", uuid(VILLAGE), world.house);
        let shown = async |by: u8| {
            let mut found = items(&world, by, &path).await;
            assert_eq!(found.len(), 1);
            found.remove(0)
        };
        let (team, commune, auditor) = (shown(MEMBER).await, shown(OFFICER).await, shown(AUDITOR).await);
        assert_eq!(
            (&team["name"], &team["phone_last3"], &team["is_masked"]),
            (&json!("Giàng Thị Mỷ"), &json!("678"), &json!(false))
        );
        for far in [&commune, &auditor] {
            assert_eq!((&far["name"], &far["is_masked"]), (&json!("Giàng T. M."), &json!(true)));
            assert!(far["phone_last3"].is_null());
        }
        assert_eq!((&commune["birth_band"], &commune["household"]), (&json!("18-39"), &json!(world.house)));
        assert!(items(&world, OFFICER, format!("persons?household={}", uuid(9))).await.is_empty());
        let trail = world.get(AUDITOR, format!("/api/v1/audit?scope={}", uuid(VILLAGE))).await;
        let entries: Vec<&Json> =
            trail.body["items"].as_array().unwrap().iter().filter(|entry| entry["action"] == "list.persons").collect();
        assert_eq!(entries.len(), 3, "{}", trail.text);
        assert_eq!((&entries[1]["actor"], &entries[1]["outcome"]), (&json!(uuid(OFFICER)), &json!("1")));
        assert_eq!(entries[1]["reason"], format!("household={}", world.house));
    }
}

#[actix_web::test]
async fn markets_businesses_and_products_name_each_other() {
    for world in worlds().await {
        let market = json!({ "unit": uuid(COMMUNE), "identity": { "name": "Chợ phiên Tả Phìn" }, "days": "Chủ nhật" });
        let market = id(&enter(&world, OFFICER, "markets", market).await);
        let stall = json!({ "unit": uuid(VILLAGE), "identity": { "name": "Quán cô Mỷ", "kind": "stall" },
            "owner_household": world.house.0, "market": market });
        let stall = id(&enter(&world, MEMBER, "businesses", stall).await);
        let honey = json!({ "unit": uuid(VILLAGE), "ocop_stars": 3,
            "identity": { "business": stall, "name": "Mật ong bạc hà", "category": "food" } });
        enter(&world, MEMBER, "products", honey).await;
        let at_village = items(&world, MEMBER, format!("markets?unit={}", uuid(VILLAGE))).await;
        assert_eq!(
            (at_village.len(), &at_village[0]["days"]),
            (1, &json!("Chủ nhật")),
            "the commune's market is the team's"
        );
        let found = items(&world, OFFICER, format!("businesses?market={market}")).await;
        assert_eq!(
            (&found[0]["name"], &found[0]["market"]["name"]),
            (&json!("Quán cô Mỷ"), &json!("Chợ phiên Tả Phìn"))
        );
        assert!(items(&world, OFFICER, format!("businesses?market={}", uuid(9))).await.is_empty());
        let found = items(&world, OFFICER, format!("products?business={stall}")).await;
        assert_eq!((&found[0]["business"]["name"], &found[0]["ocop_stars"]), (&json!("Quán cô Mỷ"), &json!(3)));
        assert!(items(&world, FOREIGN_OFFICER, "businesses").await.is_empty());
    }
}

#[actix_web::test]
async fn drafts_are_for_those_who_may_publish_them() {
    for world in worlds().await {
        let draft = enter(&world, OFFICER, "targets", target(COMMUNE)).await;
        let drive = enter(&world, OFFICER, "campaigns", campaign(COMMUNE, "2026-11-22")).await;
        let above = enter(&world, PROVINCE_OFFICER, "campaigns", campaign(PROVINCE, "2026-11-20")).await;
        let own = items(&world, OFFICER, "targets?status=draft").await;
        assert_eq!((own.len(), id(&own[0]), &own[0]["status"]), (1, id(&draft), &json!("draft")));
        assert_eq!(own[0]["missing"], json!(["due", "from", "person", "product", "resource"]));
        for by in [LEADER, AUDITOR] {
            assert!(items(&world, by, "targets").await.is_empty(), "{by}");
            assert!(items(&world, by, "campaigns").await.is_empty(), "{by}");
        }
        assert!(items(&world, FOREIGN_OFFICER, "campaigns").await.is_empty());
        assert_eq!(items(&world, OFFICER, "campaigns").await.len(), 1, "not the province's draft");

        publish(&world, OFFICER, &drive).await;
        publish(&world, PROVINCE_OFFICER, &above).await;
        let mut whole = target(COMMUNE);
        for (field, text) in
            [("person", "Tổ"), ("from", "2026-01-01"), ("due", "2026-12-31"), ("product", "Sổ"), ("resource", "Máy")]
        {
            whole[field] = json!(text);
        }
        let clear = enter(&world, OFFICER, "targets", whole).await;
        let path = format!("targets/{}/publish", id(&clear));
        enter(&world, OFFICER, &path, json!({ "base_ver": clear["ver"] })).await;
        let seen = items(&world, LEADER, format!("targets?unit={}", uuid(VILLAGE))).await;
        assert_eq!((seen.len(), id(&seen[0]), &seen[0]["published"]), (1, id(&clear), &json!("2026-11-22")));
        let ids = |found: Vec<Json>| found.iter().map(id).collect::<BTreeSet<_>>();
        let both = BTreeSet::from([id(&drive), id(&above)]);
        for by in [LEADER, OFFICER, AUDITOR] {
            assert_eq!(
                ids(items(&world, by, "campaigns?status=running").await),
                both,
                "{by}: what holds here is told here"
            );
        }
        let on = ids(items(&world, LEADER, "campaigns?on=2026-11-21").await);
        assert_eq!(on, BTreeSet::from([id(&above)]), "the other one begins a day later");
        assert_eq!(ids(items(&world, FOREIGN_OFFICER, "campaigns").await), BTreeSet::from([id(&above)]));
        let refused = world.get(OFFICER, "/api/v1/campaigns?status=party").await;
        assert_eq!((refused.status, refused.body["field"].as_str()), (400, Some("status")));
    }
}

#[actix_web::test]
async fn a_campaign_shows_its_days_with_what_was_achieved_and_what_the_daily_count_has() {
    for world in worlds().await {
        let drive = enter(&world, OFFICER, "campaigns", campaign(COMMUNE, "2026-11-20")).await;
        let path = format!("/api/v1/campaigns/{}/days", id(&drive));
        assert_eq!(world.get(OFFICER, &path).await.status, 404, "a draft has no days");
        publish(&world, OFFICER, &drive).await;
        world.record(MEMBER, VILLAGE, 3).await; // the day before it began
        world.approved(1).await;
        world.record(MEMBER, VILLAGE, 0).await;
        let void = world.record(MEMBER, VILLAGE, 0).await;
        let code = json!({ "code": "duplicate" });
        assert_eq!(world.post(OFFICER, format!("/api/v1/visits/{void}/void"), code).await.status, 200);
        world.clock.fetch_add(10 * 3_600_000, Ordering::SeqCst); // seven in the evening: after the cut
        world.record(MEMBER, VILLAGE, 0).await;

        let days = world.get(OFFICER, &path).await;
        let line = |day: &Json| {
            let line = &day["lines"][0];
            ["done", "so_far", "approved", "reported"].map(|number| line[number].as_u64().unwrap())
        };
        let found = days.body["items"].as_array().unwrap();
        let dates: Vec<&str> = found.iter().map(|day| day["day"].as_str().unwrap()).collect();
        assert_eq!(dates, ["2026-11-20", "2026-11-21", "2026-11-22"], "{}", days.text);
        // What came in on the 22nd by five o'clock is in its daily count, the visit of the day before with it.
        assert_eq!(found.iter().map(line).collect::<Vec<_>>(), [[0, 0, 0, 0], [1, 1, 1, 0], [2, 3, 1, 2]]);
        assert_eq!(found[2]["lines"][0]["target"], json!(30));

        let first = world.get(OFFICER, format!("{path}?limit=2")).await;
        let next = first.body["next"].as_str().unwrap();
        let second = world.get(OFFICER, format!("{path}?limit=2&after={next}")).await;
        assert_eq!(second.body["items"], json!([found[2]]));
        assert!(second.body["next"].is_null());
        assert_eq!(world.get(OFFICER, format!("{path}?after=zz")).await.body["field"], "after");

        let of = async |by: u8, unit: u8| world.get(by, format!("{path}?unit={}", uuid(unit))).await;
        assert_eq!(of(LEADER, VILLAGE).await.body["items"][2]["lines"][0]["so_far"], json!(3));
        assert_eq!(of(OFFICER, SIBLING).await.body["items"][2]["lines"][0]["so_far"], json!(0));
        assert_eq!(of(PROVINCE_OFFICER, COMMUNE).await.status, 200);
        assert_eq!((of(LEADER, COMMUNE).await.status, of(FOREIGN_OFFICER, COMMUNE).await.status), (404, 404));
        assert_eq!(of(OFFICER, FOREIGN_VILLAGE).await.status, 404);
    }
}

#[actix_web::test]
async fn numbers_reports_courses_and_recognitions_are_listed_as_they_stand() {
    for world in worlds().await {
        let number = json!({ "unit": uuid(COMMUNE), "code": "dossiers_total", "span": "quarter", "month": "2026-10",
            "value": "120", "source": "Một cửa" });
        enter(&world, OFFICER, "manual-numbers", number).await;
        let found = items(&world, AUDITOR, "manual-numbers?month=2026-12").await;
        assert_eq!((found.len(), &found[0]["span"], &found[0]["value"]), (1, &json!("quarter"), &json!("120")));
        assert_eq!(found[0]["days"], json!(["2026-09-15", "2026-12-14"]));
        assert!(items(&world, OFFICER, "manual-numbers?month=2026-10").await.is_empty(), "the period ends in December");

        let saved = json!({ "unit": uuid(COMMUNE), "month": "2026-12", "texts": { "difficulties": "Sóng yếu." } });
        let saved = world.post(OFFICER, "/api/v1/reports/commune_month/save", saved).await;
        assert_eq!(saved.status, 200, "{}", saved.text);
        let found = items(&world, PROVINCE_OFFICER, "report-rows?kind=commune_month&month=2026-12&status=draft").await;
        assert_eq!(
            (found.len(), &found[0]["unit"]["id"], &found[0]["late"]),
            (1, &json!(uuid(COMMUNE)), &json!(false))
        );
        assert_eq!((&found[0]["days"], &found[0]["due"]), (&json!(["2026-11-15", "2026-12-14"]), &json!("2026-12-18")));
        assert!(items(&world, OFFICER, "report-rows?month=2026-11").await.is_empty());
        assert_eq!(world.get(OFFICER, "/api/v1/report-rows?month=12").await.body["field"], "month");

        let run = json!({ "unit": uuid(COMMUNE), "course": "nhan_biet_lua_dao", "day": "2026-11-20", "trainer": "Vàng Thị Hoa",
            "participants": 12, "women": 7 });
        enter(&world, OFFICER, "course-runs", run).await;
        let near = items(&world, OFFICER, "course-runs?course=nhan_biet_lua_dao").await;
        let far = items(&world, PROVINCE_OFFICER, "course-runs").await;
        assert_eq!((&near[0]["trainer"], &near[0]["women"]), (&json!("Vàng Thị Hoa"), &json!(7)));
        assert_eq!((&far[0]["trainer"], &far[0]["participants"]), (&json!("Vàng T. H."), &json!(12)));
        assert!(near[0]["title"]["vi"].is_string());

        let join = json!({ "user": uuid(MEMBER), "display_name": "Lò Văn Một", "position": "member",
            "organisation": "youth", "from": "2026-01-01" });
        let member = id(&enter(&world, OFFICER, &format!("teams/{}/members", world.team), join).await);
        for right in [3, 5] {
            let attempt = json!({ "member": member, "course": "nhan_biet_lua_dao", "right": right, "of": 5 });
            enter(&world, MEMBER, "course-results", attempt).await;
        }
        let found = items(&world, OFFICER, format!("course-results?member={member}")).await;
        assert_eq!((found.len(), &found[0]["member"]["name"]), (1, &json!("Lò Văn Một")));
        assert_eq!((&found[0]["right"], &found[0]["attempts"]), (&json!(5), &json!(2)));

        keep_persons(&world).await;
        let who = id(&enter(&world, LEADER, "persons", person(&world, "Giàng Thị Mỷ")).await);
        let propose = json!({ "unit": uuid(VILLAGE), "what": "digital_citizen", "subject": who,
            "set": "digital_citizen_2023", "consent": true });
        let one = id(&enter(&world, MEMBER, "recognitions", propose).await);
        enter(&world, LEADER, &format!("recognitions/{one}/advance"), json!({ "to": "verified" })).await;
        let path = "recognitions?what=digital_citizen&status=verified";
        let (team, commune) = (items(&world, LEADER, path).await, items(&world, OFFICER, path).await);
        assert_eq!(
            (&team[0]["subject"]["name"], &commune[0]["subject"]["name"]),
            (&json!("Giàng Thị Mỷ"), &json!("Giàng T. M."))
        );
        let way: Vec<&Json> = commune[0]["steps"].as_array().unwrap().iter().map(|step| &step["to"]).collect();
        assert_eq!(way, ["proposed", "verified"]);
        assert!(commune[0]["certificate"].is_null());
        let number = json!({ "to": "granted", "number": "12/QĐ-UBND", "day": "2026-11-20" });
        enter(&world, OFFICER, &format!("recognitions/{one}/advance"), number).await;
        let granted = items(&world, OFFICER, "recognitions?status=granted").await;
        let certificate = granted[0]["certificate"].as_str().unwrap();
        assert_eq!(world.get(OFFICER, certificate).await.status, 200);
        assert!(items(&world, PROVINCE_OFFICER, "recognitions").await.is_empty(), "persons are not for the province");
    }
}

#[actix_web::test]
async fn support_is_looked_at_before_it_is_signed_and_listed_after() {
    for world in worlds().await {
        let preview = format!("/api/v1/support-certificates/preview?team={}&month=2026-12", world.team);
        for days_ago in 1..=3 {
            world.approved(days_ago).await;
        }
        world.record(MEMBER, VILLAGE, 4).await;
        let short = world.get(OFFICER, &preview).await.body;
        assert_eq!((&short["found"], &short["minimum"], &short["missing"]), (&json!(3), &json!(4), &json!(1)));
        assert_eq!((&short["earned"], short["visits"].as_array().unwrap().len()), (&json!(false), 3));
        assert_eq!(short["visits"][0]["day"], "2026-11-19", "by day");
        assert!(items(&world, OFFICER, "support-certificates").await.is_empty(), "looking signs nothing");
        world.approved(5).await;
        let enough = world.get(OFFICER, &preview).await.body;
        assert_eq!(
            (&enough["earned"], &enough["missing"], &enough["certificate"]),
            (&json!(true), &json!(0), &Json::Null)
        );
        let ask = json!({ "team": world.team.0, "month": "2026-12" });
        let signed = id(&enter(&world, OFFICER, "support-certificates", ask).await);
        assert_eq!(world.get(OFFICER, &preview).await.body["certificate"], json!(signed));
        enter(&world, OFFICER, &format!("support-certificates/{signed}/revoke"), json!({ "reason": "Đếm nhầm." }))
            .await;
        assert!(world.get(OFFICER, &preview).await.body["certificate"].is_null());
        let path = format!("support-certificates?team={}&month=2026-12", world.team);
        let found = items(&world, LEADER, &path).await;
        assert_eq!((found.len(), &found[0]["found"], &found[0]["amount_vnd"]), (1, &json!(4), &json!(500_000)));
        assert_eq!(found[0]["revoked"]["reason"], "Đếm nhầm.");
        assert!(items(&world, LEADER, "support-certificates?month=2026-11").await.is_empty());
        for (by, status) in [(LEADER, 403), (FOREIGN_OFFICER, 404), (PROVINCE_OFFICER, 403)] {
            assert_eq!(world.get(by, &preview).await.status, status, "{by}");
        }
        let absent = format!("/api/v1/support-certificates/preview?team={}&month=2026-12", uuid(3));
        assert_eq!(world.get(OFFICER, absent).await.status, 404);
    }
}
