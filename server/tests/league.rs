//! League tables, team scores and the papers that follow from them: fair, openable, and never a person in them.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod desk;

use desk::*;
use serde_json::json;
use sync_protocol::cbor::{Cbor, Ext};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use uuid::Uuid;

async fn base(world: &World, village: u8, code: &str, value: u64) {
    let body = json!({ "unit": uuid(village), "code": code, "from": "2026-01-01", "value": value, "source": "UBND" });
    assert_eq!(world.post(OFFICER, "/api/v1/denominators", body).await.status, 200);
}

#[actix_web::test]
async fn villages_are_compared_per_head_and_the_small_ones_stand_apart() {
    for world in worlds().await {
        world.approved(1).await;
        let path = format!("/api/v1/league?unit={}&month=2026-12&indicator=vneid_level2", uuid(COMMUNE));
        let unknown = world.get(OFFICER, &path).await;
        assert_eq!((unknown.status, &unknown.body["places"]), (200, &json!([])), "{}", unknown.text);
        assert_eq!(unknown.body["apart"][0]["reason"], "too_small", "without a base nobody is ranked");
        base(&world, VILLAGE, "adults_15_plus", 200).await;
        base(&world, SIBLING, "adults_15_plus", 29).await;
        base(&world, SIBLING, "households", 19).await;
        let league = world.get(OFFICER, &path).await;
        let place = &league.body["places"][0];
        assert_eq!((&place["rank"], &place["of"]["id"]), (&json!(1), &json!(uuid(VILLAGE))), "{}", league.text);
        assert_eq!((&place["value"], &place["shown"]["vi"]), (&json!("1/200"), &json!("5")), "a count is per head");
        assert_eq!((&league.body["measure"], &place["provisional"]), (&json!("per_1000_adults"), &json!(true)));
        assert_eq!(league.body["apart"][0]["of"]["id"], json!(uuid(SIBLING)), "one too small: {}", league.text);
        // Twenty households are enough to be ranked; against the month before, nobody has moved.
        base(&world, SIBLING, "households", 20).await;
        base(&world, SIBLING, "adults_15_plus", 30).await;
        let both = world.get(OFFICER, &path).await;
        let ranks: Vec<_> = both.body["places"].as_array().unwrap().iter().map(|place| &place["rank"]).collect();
        assert_eq!(ranks, [&json!(1), &json!(2)], "{}", both.text);
        assert_eq!(both.body["places"][1]["change"], -1, "both were first with nothing the month before");
        for (bad, status, field) in [
            (path.replace("&indicator=vneid_level2", ""), 400, Some("indicator")),
            (path.replace("vneid_level2", "novel"), 400, Some("indicator")),
            (path.replace(&uuid(COMMUNE).to_string(), &uuid(VILLAGE).to_string()), 400, Some("unit")),
        ] {
            let refused = world.get(OFFICER, &bad).await;
            assert_eq!((refused.status, refused.body["field"].as_str()), (status, field), "{}", refused.text);
        }
        assert_eq!(world.get(FOREIGN_OFFICER, &path).await.status, 404);
        assert!(!both.text.contains("Lò Văn"), "never persons");
    }
}

#[actix_web::test]
async fn a_village_without_a_network_for_most_of_the_month_is_not_ranked() {
    let world = worlds().await.remove(0);
    base(&world, VILLAGE, "adults_15_plus", 200).await;
    let shown = world.get(OFFICER, format!("/api/v1/units/{}", uuid(VILLAGE))).await;
    let history = [("none", "2026-11-10"), ("4g", "2026-12-05")].map(|(tech, from)| AttributeFrom {
        code: "mobile_tech_best".into(),
        from: Day::parse(from).unwrap(),
        value: sync_protocol::value::Value::Text(tech.into()),
        ext: Ext::default(),
    });
    let attributes = UnitAttributes { history: history.into(), ext: Ext::default() };
    let base_ver = sync_protocol::row::Ver(shown.body["ver"].as_str().unwrap().parse().unwrap());
    let groups = groups(vec![(unit::ATTRIBUTES, attributes.cbor())]);
    let set = Intent::UnitSet(SetGroups { id: uuid(VILLAGE), base_ver, groups, ext: Ext::default() });
    perform(&world.app, OFFICER, vec![set]).await;
    let league = |month: &str| format!("/api/v1/league?unit={}&month={month}&indicator=vneid_level2", uuid(COMMUNE));
    let december = world.get(OFFICER, league("2026-12")).await;
    let reason = |answer: &Answer| {
        let apart = answer.body["apart"].as_array().unwrap().clone();
        apart.into_iter().find(|one| one["of"]["id"] == json!(uuid(VILLAGE))).map(|one| one["reason"].clone())
    };
    assert_eq!(reason(&december), Some(json!("out_of_coverage")), "20 of 30 days: {}", december.text);
    assert_eq!(reason(&world.get(OFFICER, league("2026-11")).await), None, "5 of 31 days do not matter");
}

#[actix_web::test]
async fn the_villages_of_a_map_have_one_number_each() {
    for world in worlds().await {
        world.approved(1).await;
        let path = |more: &str| format!("/api/v1/figures/places?unit={}{more}", uuid(COMMUNE));
        let visits = world.get(OFFICER, path("")).await;
        let values = |answer: &Answer, field: &str| {
            let places = answer.body["places"].as_array().unwrap().clone();
            places.into_iter().map(|place| (place["of"]["id"].clone(), place[field].clone())).collect::<Vec<_>>()
        };
        let (first, second) = (json!(uuid(VILLAGE)), json!(uuid(SIBLING)));
        let both = |a, b| vec![(first.clone(), a), (second.clone(), b)];
        assert_eq!(visits.body["month"], "2026-12", "without a month: the one of today: {}", visits.text);
        assert_eq!(visits.body["days"], json!(["2026-11-15", "2026-12-14"]));
        assert_eq!(visits.body["level"], "village");
        assert_eq!(values(&visits, "value"), both(json!("1"), json!("0")), "{}", visits.text);
        let before = world.get(OFFICER, path("&month=2026-09")).await;
        assert_eq!(values(&before, "value"), both(json!("0"), json!("0")), "{}", before.text);
        // A number of a kind and an indicator are those of the village's own figures.
        for code in ["vneid_level2", "b14_vneid2"] {
            let map = world.get(OFFICER, path(&format!("&measure={code}"))).await;
            let own = world.get(OFFICER, format!("/api/v1/figures?unit={}", uuid(VILLAGE))).await;
            let sets = own.body["sets"].as_array().unwrap().iter().map(|set| &set["figures"]);
            let mut figures = sets.chain([&own.body["kinds"]]).flat_map(|figures| figures.as_array().unwrap());
            let figure = figures.find(|figure| figure["code"] == code).unwrap();
            for field in ["value", "empty", "denominator"] {
                assert_eq!(map.body["places"][0][field], figure[field], "{code} {field}: {}", map.text);
            }
        }
        // The part of the households: nothing is said where nobody entered how many there are.
        let reached = path("&measure=households_reached");
        let unknown = world.get(OFFICER, &reached).await;
        assert_eq!(unknown.body["places"][0]["empty"]["code"], "denominator_missing", "{}", unknown.text);
        base(&world, VILLAGE, "households", 50).await;
        let known = world.get(OFFICER, &reached).await;
        assert_eq!(known.body["places"][0]["shown"]["vi"], "2", "one of fifty: {}", known.text);
        // A place without a visit says so and has no number of days.
        let quiet = world.get(OFFICER, path("&measure=days_since_visit")).await;
        assert_eq!(quiet.body["places"][1]["empty"]["code"], "never_visited", "{}", quiet.text);
        assert_eq!(quiet.body["better"], "down");
        let days = quiet.body["places"][0]["value"].as_str().unwrap().parse::<u64>().unwrap();
        world.clock.fetch_add(3 * DAY_MS, std::sync::atomic::Ordering::Relaxed);
        let later = world.get(OFFICER, path("&measure=days_since_visit")).await;
        assert_eq!(later.body["places"][0]["value"], json!((days + 3).to_string()), "{}", later.text);

        let shapes = format!("/api/v1/shapes?unit={}", uuid(COMMUNE));
        let known = world.get(OFFICER, &shapes).await;
        let village = json!({ "id": uuid(VILLAGE), "point": [104_500_000, 21_250_000], "rings": [] });
        assert_eq!(known.body["items"], json!([village]), "the sibling is not in the operator's file: {}", known.text);
        assert_eq!(world.get(FOREIGN_OFFICER, &shapes).await.status, 404);
        let province = format!("/api/v1/figures/places?unit={}", uuid(PROVINCE));
        let communes = world.get(PROVINCE_OFFICER, &province).await;
        assert_eq!((&communes.body["level"], &communes.body["places"][0]["value"]), (&json!("commune"), &json!("1")));
        for (bad, status, field) in [
            (path("&measure=novel"), 400, Some("measure")),
            (path("").replace(&uuid(COMMUNE).to_string(), &uuid(VILLAGE).to_string()), 400, Some("unit")),
        ] {
            let refused = world.get(OFFICER, &bad).await;
            assert_eq!((refused.status, refused.body["field"].as_str()), (status, field), "{}", refused.text);
        }
        assert_eq!(world.get(FOREIGN_OFFICER, path("")).await.status, 404);
        assert!(!visits.text.contains(HEAD), "never persons");
    }
}

#[actix_web::test]
async fn a_teams_score_opens_item_by_item() {
    for world in worlds().await {
        base(&world, VILLAGE, "households", 50).await;
        base(&world, VILLAGE, "adults_15_plus", 200).await;
        let visit = world.approved(1).await;
        let path = format!("/api/v1/teams/{}/score?month=2026-12", world.team);
        let score = world.get(LEADER, &path).await;
        assert_eq!(score.status, 200, "{}", score.text);
        let items = score.body["items"].as_array().unwrap();
        assert_eq!((items.len(), score.body["provisional"].clone()), (9, json!(true)));
        let reached = &items[0]["figure"];
        assert_eq!((&reached["numerator"], &reached["denominator"]), (&json!("1"), &json!("50")), "{}", score.text);
        assert!(items.iter().any(|item| item["points"].is_null()), "an item that cannot have a value is left out");
        let possible: u64 =
            items.iter().filter(|item| !item["points"].is_null()).map(|i| i["max_points"].as_u64().unwrap()).sum();
        assert_eq!(score.body["possible"], possible);
        for item in items {
            let list = world.get(LEADER, item["figure"]["list"].as_str().unwrap()).await;
            assert_eq!(list.status, 200, "{}: {}", item["figure"]["code"], list.text);
        }
        let behind = world.get(LEADER, reached["list"].as_str().unwrap()).await;
        assert_eq!(behind.body["items"][0]["visit"], json!(visit), "{}", behind.text);
        let teams = format!("/api/v1/figures/m01_teams/behind?unit={}&month=2026-12", uuid(VILLAGE));
        let teams = world.get(OFFICER, teams).await;
        assert_eq!(teams.body["items"][0]["name"], score.body["team"]["name"], "what is no visit has a name");
        assert_eq!(world.get(FOREIGN_OFFICER, &path).await.status, 404);

        let table = format!("/api/v1/league?unit={}&month=2026-12&score=team_activity_100", uuid(COMMUNE));
        let table = world.get(OFFICER, table).await;
        assert_eq!(table.body["level"], "team", "{}", table.text);
        assert_eq!(table.body["places"][0]["of"]["id"], json!(world.team.0));
        assert_eq!(table.body["places"][0]["value"], score.body["points"]);
    }
}

async fn advance(world: &World, by: u8, id: Uuid, to: &str, number: Option<&str>) {
    let number = number.map(str::to_owned);
    let step = AdvanceRecognition {
        recognition: RecognitionId(id),
        to: to.into(),
        number,
        day: (to == "granted").then(|| Day::parse("2026-11-20").unwrap()),
        reason: (to == "revoked").then(|| "Cấp nhầm.".to_owned()),
        ext: Ext::default(),
    };
    perform(&world.app, by, vec![Intent::RecognitionAdvance(step)]).await;
}

#[actix_web::test]
async fn a_recognition_that_is_granted_has_a_certificate_without_a_person() {
    for world in worlds().await {
        let propose = ProposeRecognition {
            unit: UnitId(uuid(COMMUNE)),
            what: "digital_commune".into(),
            subject: uuid(COMMUNE),
            set: "commune_basic_17".into(),
            consent: false,
            ext: Ext::default(),
        };
        let id = perform(&world.app, OFFICER, vec![Intent::RecognitionPropose(propose)]).await[0];
        let path = format!("/api/v1/recognitions/{id}/certificate");
        assert_eq!(world.get(OFFICER, &path).await.status, 404, "not before it is granted");
        advance(&world, PROVINCE_OFFICER, id, "verified", None).await;
        advance(&world, PROVINCE_OFFICER, id, "granted", Some("12/QĐ-UBND")).await;
        let file = world.get(OFFICER, &path).await;
        assert_eq!((file.status, file.headers["content-type"].as_str()), (200, "application/pdf"), "{}", file.text);
        assert!(file.text.starts_with("%PDF"));
        assert_eq!(world.get(FOREIGN_OFFICER, &path).await.status, 404);
        advance(&world, PROVINCE_OFFICER, id, "revoked", None).await;
        assert_eq!(world.get(OFFICER, &path).await.status, 404, "not after it is revoked");
    }
}

#[actix_web::test]
async fn the_support_certificates_of_a_month_are_a_list_for_payment() {
    for world in worlds().await {
        let sign = SignSupport {
            team: world.team,
            month: Month::parse("2026-11").unwrap(),
            measure: "visits".into(),
            found: 5,
            minimum: 4,
            amount_vnd: 500_000,
            ext: Ext::default(),
        };
        perform(&world.app, OFFICER, vec![Intent::SupportSign(sign)]).await;
        let ask =
            |more: &str| format!("/api/v1/support-certificates/export?unit={}&month=2026-11{more}", uuid(COMMUNE));
        let csv = world.get(OFFICER, ask("&format=csv")).await;
        assert_eq!(csv.status, 200, "{}", csv.text);
        let lines: Vec<&str> = csv.text.trim_start_matches('\u{feff}').lines().collect();
        assert_eq!(lines.len(), 3, "{}", csv.text);
        assert!(lines[1].contains("Tổ;Nơi số 11;chuyến thăm được duyệt;5;4;500000"), "{}", lines[1]);
        assert!(lines[2].contains("500000"), "the sum: {}", lines[2]);
        let english = world.get(OFFICER, ask("&format=csv&lang=en")).await;
        assert!(english.text.contains("approved visits"), "{}", english.text);
        assert!(world.get(OFFICER, ask("")).await.text.starts_with("PK"));
        assert_eq!(world.get(OFFICER, ask("&format=pdf")).await.status, 400);
        assert_eq!(world.get(MEMBER, ask("")).await.status, 403);
        assert_eq!(world.get(FOREIGN_OFFICER, ask("")).await.status, 404);
        let shown = support_id(world.team, Month::parse("2026-11").unwrap());
        let certificate = SupportId(shown);
        let back = RevokeSupport { certificate, reason: "Đếm nhầm.".into(), ext: Ext::default() };
        perform(&world.app, OFFICER, vec![Intent::SupportRevoke(back)]).await;
        let after = world.get(OFFICER, ask("&format=csv")).await;
        assert_eq!(after.text.lines().count(), 2, "taken back is not paid: {}", after.text);
    }
}
