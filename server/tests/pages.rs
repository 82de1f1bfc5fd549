//! What the desk's pages stand on: a session in a cookie, and a unit at a glance.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod desk;

use std::sync::atomic::Ordering;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use desk::*;
use serde_json::json;
use server::accounts::{DESK_IDLE_MS, DESK_LIFE_MS};
use server::auth::password::Secret;
use server::storage::{Device, Session};
use sync_protocol::cbor::Ext;
use sync_protocol::ids::*;
use sync_protocol::op::{AddMember, Intent};

const PASSWORD: &str = "ruong-bac-thang-mua-lua-chin";

/// The officer comes in through the page's door; gives the cookie as a browser sends it back.
async fn signed_in(world: &World) -> String {
    let secret = Secret::new(PASSWORD.to_owned());
    world.app.accounts.set_password_on_the_machine(user(OFFICER), secret).await.unwrap();
    let body = json!({ "phone": format!("05300000{OFFICER}"), "password": PASSWORD });
    let answer = world.send(TestRequest::post().uri("/api/v1/auth/desk").set_json(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.body.get("access_token").is_none(), "no token reaches a script");
    let cookie = answer.headers["set-cookie"].clone();
    for word in ["__Host-thonso=", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    cookie.split(';').next().unwrap().to_owned()
}

fn with(cookie: &str, method: Method, path: &str) -> TestRequest {
    TestRequest::default().method(method).uri(path).insert_header(("cookie", cookie.to_owned()))
}

#[actix_web::test]
async fn a_page_reads_with_its_cookie_and_changes_only_from_a_page_of_ours() {
    for world in worlds().await {
        let cookie = signed_in(&world).await;
        let me = world.send(with(&cookie, Method::GET, "/api/v1/me")).await;
        assert_eq!((me.status, me.body["user"].as_str()), (200, Some(user(OFFICER).to_string().as_str())));

        let visit = world.record(MEMBER, VILLAGE, 1).await;
        let body = json!({ "content_hash": world.hash(visit).await });
        let approve = || with(&cookie, Method::POST, &format!("/api/v1/visits/{visit}/approve")).set_json(&body);
        // A cookie travels by itself: whoever cannot say that a page of ours asks, changes nothing.
        for request in [
            approve(),
            approve().insert_header(("sec-fetch-site", "same-site")),
            approve().insert_header(("sec-fetch-site", "none")),
            approve().insert_header(("host", "desk.example")).insert_header(("origin", "https://other.example")),
        ] {
            assert_eq!(world.send(request).await.status, 403);
        }
        let approved = world.send(approve().insert_header(("sec-fetch-site", "same-origin"))).await;
        assert_eq!(approved.status, 200, "{}", approved.text);
    }
}

#[actix_web::test]
async fn a_browser_without_fetch_metadata_is_known_by_its_origin() {
    for world in worlds().await {
        let cookie = signed_in(&world).await;
        let leave = with(&cookie, Method::POST, "/api/v1/auth/sign-out")
            .insert_header(("host", "desk.example"))
            .insert_header(("origin", "https://desk.example"));
        let left = world.send(leave).await;
        assert_eq!(left.status, 204);
        assert!(left.headers["set-cookie"].contains("Max-Age=0"), "{}", left.headers["set-cookie"]);
        assert_eq!(world.send(with(&cookie, Method::GET, "/api/v1/me")).await.status, 401);
    }
}

#[actix_web::test]
async fn a_pause_or_a_long_day_ends_the_session_and_use_keeps_it() {
    for world in worlds().await {
        let cookie = signed_in(&world).await;
        let at = |ms: u64| world.clock.store(NOW + ms, Ordering::SeqCst);
        let status = async || world.send(with(&cookie, Method::GET, "/api/v1/me")).await.status;
        // Used every half an hour it lasts, up to twelve hours.
        let mut used = 0;
        while used + DESK_IDLE_MS <= DESK_LIFE_MS {
            used += DESK_IDLE_MS;
            at(used);
            assert_eq!(status().await, 200, "after {used} ms");
        }
        at(DESK_LIFE_MS + 1);
        assert_eq!(status().await, 401);

        at(0);
        let cookie = signed_in(&world).await;
        // What a page asks by itself does not keep it open.
        at(DESK_IDLE_MS);
        let by_itself = with(&cookie, Method::GET, "/api/v1/me").insert_header(("x-unattended", "1"));
        assert_eq!(world.send(by_itself).await.status, 200);
        at(DESK_IDLE_MS + 1);
        assert_eq!(world.send(with(&cookie, Method::GET, "/api/v1/me")).await.status, 401);
    }
}

#[actix_web::test]
async fn a_cookie_is_neither_made_up_nor_a_phones() {
    for world in worlds().await {
        let cookie = signed_in(&world).await;
        let mut forged = cookie.clone();
        let last = if forged.pop() == Some('A') { 'E' } else { 'A' };
        forged.push(last);
        for cookie in [forged.as_str(), "__Host-thonso=", "__Host-thonso=AAAA"] {
            assert_eq!(world.send(with(cookie, Method::GET, "/api/v1/me")).await.status, 401, "{cookie}");
        }
        // The session of a device is none of a desk, whoever could write its cookie.
        let session = Session {
            id: 777,
            user: user(OFFICER),
            device: Some(DeviceId(uuid(200))),
            refresh_gen: 0,
            created: ServerMs(NOW),
            last_used: ServerMs(NOW),
            revoked: None,
        };
        world.store.write(move |tx| tx.put_session(&session)).await.unwrap();
        let phones = format!("__Host-thonso={}", world.app.accounts.desk_cookie(777));
        assert_eq!(world.send(with(&phones, Method::GET, "/api/v1/me")).await.status, 401);
    }
}

async fn member_with_phone(world: &World, n: u8, last_seen: u64) {
    let id = uuid(n + 50);
    let device = Device {
        id: DeviceId(id),
        user: user(n),
        public_key: vec![n; 65],
        label: "máy thử".into(),
        created: ServerMs(NOW - 90 * DAY_MS),
        revoked: None,
        last_seen: ServerMs(last_seen),
    };
    world.store.write(move |tx| tx.put_device(&device)).await.unwrap();
    let add = AddMember {
        team: world.team,
        user: user(n),
        display_name: format!("Lò Văn {n}"),
        position: "member".into(),
        organisation: "youth".into(),
        from: Day(20_000),
        ext: Ext::default(),
    };
    perform(&world.app, OFFICER, vec![Intent::MemberAdd(add)]).await;
}

#[actix_web::test]
async fn a_commune_at_a_glance_says_what_waits_who_is_silent_and_what_is_open() {
    for world in worlds().await {
        member_with_phone(&world, MEMBER, NOW - DAY_MS).await;
        member_with_phone(&world, SECOND, NOW - 8 * DAY_MS).await;
        let earlier = world.record(MEMBER, VILLAGE, 20).await;
        world.clock.fetch_add(1000, Ordering::SeqCst);
        world.approved(3).await;
        world.record(MEMBER, VILLAGE, 0).await;
        let first = world.get(OFFICER, format!("/api/v1/visits/{earlier}")).await;

        let glance = world.get(OFFICER, format!("/api/v1/overview?unit={}", uuid(COMMUNE))).await;
        assert_eq!(glance.status, 200, "{}", glance.text);
        let view = &glance.body;
        // 2026-11-22 lies in the reporting month that ends on 14 December; twenty days before lies in the one before.
        assert_eq!((view["month"].as_str(), &view["days"]), (Some("2026-12"), &json!(["2026-11-15", "2026-12-14"])));
        assert_eq!((&view["now"]["visits"], &view["now"]["approved"]), (&json!(2), &json!(1)));
        assert_eq!(view["before"]["visits"], 1);
        assert_eq!((&view["waiting"], &view["activities_today"]), (&json!(2), &json!(1)));
        assert_eq!(view["waiting_since"], first.body["received_at"]);
        let places = view["places"].as_array().unwrap();
        assert_eq!(places.len(), 2);
        let village = places.iter().find(|place| place["unit"]["id"] == json!(uuid(VILLAGE))).unwrap();
        assert_eq!((&village["now"]["visits"], &village["before"]["visits"]), (&json!(2), &json!(1)));
        let team = &view["teams"][0];
        assert_eq!((&team["members"], &team["with_phone"], &team["quiet"]), (&json!(2), &json!(2), &json!(1)));
        assert_eq!((&team["heard_at"], &team["now"]["visits"]), (&json!("2026-11-21T02:00:00.000Z"), &json!(2)));
        assert_eq!(view["open"], json!({ "conflicts": 0, "field_cases": 0, "overdue": 0 }));
    }
}

#[actix_web::test]
async fn the_head_changes_with_what_one_may_see_and_with_nothing_else() {
    for world in worlds().await {
        let head = async |n: u8| world.app.reading.head(user(n)).await.unwrap();
        let (own, foreign) = (head(OFFICER).await, head(FOREIGN_OFFICER).await);
        // Reading leaves a trace in the audit, and no news.
        world.get(OFFICER, "/api/v1/visits").await;
        assert_eq!(head(OFFICER).await, own);
        world.record(MEMBER, VILLAGE, 1).await;
        assert_ne!(head(OFFICER).await, own);
        assert_eq!(head(FOREIGN_OFFICER).await, foreign);
    }
}

#[actix_web::test]
async fn a_province_sees_its_communes_and_no_team() {
    for world in worlds().await {
        world.record(MEMBER, VILLAGE, 1).await;
        let glance = world.get(PROVINCE_OFFICER, format!("/api/v1/overview?unit={}", uuid(PROVINCE))).await;
        assert_eq!(glance.status, 200, "{}", glance.text);
        let places = glance.body["places"].as_array().unwrap();
        assert_eq!(places.len(), 2);
        let commune = places.iter().find(|place| place["unit"]["id"] == json!(uuid(COMMUNE))).unwrap();
        assert_eq!((&commune["now"]["visits"], &glance.body["waiting"]), (&json!(1), &json!(1)));
        assert_eq!(glance.body["teams"], json!([]));
        for hidden in ["waiting_since", "activities_today", "open"] {
            assert!(glance.body.get(hidden).is_none(), "{hidden}");
        }
        let foreign = world.get(FOREIGN_OFFICER, format!("/api/v1/overview?unit={}", uuid(COMMUNE))).await;
        assert_eq!(foreign.status, 404);
    }
}
