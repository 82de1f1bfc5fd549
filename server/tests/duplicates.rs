//! Households that may be one: found across villages, told with reasons, and not told again once somebody has said no.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod desk;

use actix_web::http::Method;
use desk::*;
use serde_json::{Value as Json, json};
use sync_protocol::cbor::{Cbor, Ext};
use sync_protocol::entity::*;
use sync_protocol::op::*;
use sync_protocol::row::Ver;
use uuid::Uuid;

const LIST: &str = "Thôn,Nhà,Mốc,Số người từ 15 tuổi\n\
                    Nơi số 11,Nhà bà Mỷ bán bún,cạnh cầu treo,2\n\
                    Nơi số 12,Bà Mỷ bán bún,canh cau treo,2\n\
                    Nơi số 12,Nhà đầu suối,,3\n\
                    Nơi số 12,Nhà trưởng bản cũ,,3\n";

async fn filled() -> Vec<World> {
    let worlds = worlds().await;
    for world in &worlds {
        let path = format!("/api/v1/imports/households?unit={}&dry_run=false", uuid(COMMUNE));
        let done = world.send(world.request(OFFICER, Method::POST, &path).set_payload(LIST)).await;
        assert_eq!((done.status, &done.body["entered"]), (200, &json!(4)), "{}", done.text);
    }
    worlds
}

async fn pairs(world: &World, by: u8, unit: u8) -> Vec<Json> {
    let answer = world.get(by, format!("/api/v1/duplicates?unit={}", uuid(unit))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["items"].as_array().unwrap().clone()
}

fn id(side: &Json) -> Uuid {
    side["id"].as_str().unwrap().parse().unwrap()
}

async fn dismiss(world: &World, by: u8, pair: &Json) -> Answer {
    let body = json!({ "first": id(&pair["first"]), "second": id(&pair["second"]), "reason": "Hai chị em, hai nhà." });
    world.post(by, "/api/v1/duplicates/dismiss", body).await
}

#[actix_web::test]
async fn doubles_are_found_across_villages_with_what_speaks_for_them() {
    for world in filled().await {
        let found = pairs(&world, OFFICER, COMMUNE).await;
        let labels = |pair: &Json| {
            let mut labels = ["first", "second"].map(|side| pair[side]["label"].as_str().unwrap().to_owned());
            labels.sort();
            labels
        };
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(labels(&found[0]), ["Bà Mỷ bán bún", "Nhà bà Mỷ bán bún"], "the most alike first");
        assert_eq!(labels(&found[1]), ["Nhà đầu suối", "nhà đầu suối"]);
        let codes: Vec<&str> =
            found[0]["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["similar_label", "similar_landmark"]);
        assert_eq!(found[0]["reasons"][0]["words"]["vi"], "tên gọi gần giống");
        // Of a double across villages, the team of one sees nothing.
        assert!(pairs(&world, LEADER, VILLAGE).await.is_empty());
        let named = found[1]["first"]["head"].as_str().or(found[1]["second"]["head"].as_str());
        assert_eq!(named, Some("Giàng A. P."), "names are as short here as everywhere at the desk");
    }
}

#[actix_web::test]
async fn a_pair_goes_page_by_page_and_only_where_the_asker_may_read() {
    let world = filled().await.remove(0);
    let page = |cursor: String| format!("/api/v1/duplicates?unit={}&limit=1{cursor}", uuid(COMMUNE));
    let first = world.get(OFFICER, page(String::new())).await;
    let next = first.body["next"].as_str().unwrap().to_owned();
    let second = world.get(OFFICER, page(format!("&cursor={next}"))).await;
    assert_ne!(first.body["items"][0]["first"]["id"], second.body["items"][0]["first"]["id"]);
    assert!(second.body["next"].is_null());
    for (by, status) in [(FOREIGN_OFFICER, 404), (PROVINCE_OFFICER, 403), (ADMIN, 403)] {
        assert_eq!(world.get(by, format!("/api/v1/duplicates?unit={}", uuid(COMMUNE))).await.status, status, "{by}");
    }
}

#[actix_web::test]
async fn what_is_not_the_same_is_not_asked_again_until_the_case_is_opened_anew() {
    for world in filled().await {
        let found = pairs(&world, OFFICER, COMMUNE).await;
        let (refused, foreign) =
            (dismiss(&world, MEMBER, &found[1]).await, dismiss(&world, FOREIGN_OFFICER, &found[1]).await);
        assert_eq!(
            (refused.status, foreign.status),
            (404, 404),
            "a team sees one of the two only, another commune none"
        );
        let done = dismiss(&world, OFFICER, &found[1]).await;
        assert_eq!(done.status, 200, "{}", done.text);
        let left = pairs(&world, OFFICER, COMMUNE).await;
        assert_eq!(left, found[..1], "the other pair stays");

        let case = done.body["case"].as_str().unwrap();
        let step = |to: &'static str, text: Option<&'static str>| {
            world.post(OFFICER, format!("/api/v1/field-cases/{case}/advance"), json!({ "to": to, "text": text }))
        };
        assert_eq!(step("closed", None).await.status, 200);
        assert_eq!(pairs(&world, OFFICER, COMMUNE).await.len(), 1, "closed after it was rejected: still no pair");
        assert_eq!(step("open", Some("Xem lại theo đề nghị của tổ.")).await.status, 200);
        let again = pairs(&world, OFFICER, COMMUNE).await;
        assert_eq!((again.len(), again[1]["case"].as_str()), (2, Some(case)), "the pair comes with its case");
        let same = dismiss(&world, OFFICER, &again[1]).await;
        assert_eq!((same.status, same.body["case"].as_str()), (200, Some(case)), "the case that waits is taken");
    }
}

#[actix_web::test]
async fn what_is_not_the_same_is_asked_again_when_one_of_them_is_described_otherwise() {
    for world in filled().await {
        let found = pairs(&world, OFFICER, COMMUNE).await;
        assert_eq!(dismiss(&world, OFFICER, &found[1]).await.status, 200);
        assert_eq!(pairs(&world, OFFICER, COMMUNE).await.len(), 1);
        let set = async |key: u8, value: Vec<u8>| {
            let seen = world.get(LEADER, format!("/api/v1/households/{}", world.house)).await.body["ver"].clone();
            let base_ver = Ver(seen.as_str().unwrap().parse().unwrap());
            let groups = groups(vec![(key, value)]);
            let body = SetGroups { id: world.house.0, base_ver, groups, ext: Ext::default() };
            perform(&world.app, LEADER, vec![Intent::HouseholdSet(body)]).await
        };
        set(household::PEOPLE, HouseholdPeople { adults_15_plus: 4, ext: Ext::default() }.cbor()).await;
        assert_eq!(pairs(&world, OFFICER, COMMUNE).await.len(), 1, "how many live there says nothing of who they are");
        let landmark = Some("gần trường học".to_owned());
        set(household::LABEL, HouseholdLabel { label: "nhà đầu suối".into(), landmark, ext: Ext::default() }.cbor())
            .await;
        let again = pairs(&world, OFFICER, COMMUNE).await;
        assert_eq!((again.len(), &again[1]["case"]), (2, &Json::Null));
        assert_eq!(dismiss(&world, OFFICER, &again[1]).await.status, 200);
        assert_eq!(pairs(&world, OFFICER, COMMUNE).await.len(), 1, "and said again");
    }
}

#[actix_web::test]
async fn a_dismissal_without_a_reason_leaves_nothing_behind() {
    let world = filled().await.remove(0);
    let found = pairs(&world, OFFICER, COMMUNE).await;
    let body = json!({ "first": id(&found[0]["first"]), "second": id(&found[0]["second"]), "reason": " " });
    let refused = world.post(OFFICER, "/api/v1/duplicates/dismiss", body).await;
    assert_eq!((refused.status, refused.code(), refused.body["field"].as_str()), (422, "bad_value", Some("text")));
    assert_eq!(pairs(&world, OFFICER, COMMUNE).await, found);
    let cases = world.get(OFFICER, format!("/api/v1/field-cases?unit={}&kind=duplicate", uuid(COMMUNE))).await;
    assert_eq!(cases.body["items"], json!([]));
}
