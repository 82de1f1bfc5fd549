//! Reports that one can stand behind: what is handed in is what was seen, stays as it was, and later differences are named.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod desk;

use desk::*;
use serde_json::{Value as Json, json};

fn ask(code: &str, more: &str) -> String {
    format!("/api/v1/reports/{code}?unit={}&month=2026-12{more}", uuid(COMMUNE))
}

fn hand_in(seen: &Json) -> Json {
    json!({ "unit": uuid(COMMUNE), "month": "2026-12", "seen": seen })
}

#[actix_web::test]
async fn nobody_hands_in_other_figures_than_those_they_saw() {
    for world in worlds().await {
        world.approved(1).await;
        let seen = world.get(OFFICER, ask("commune_month", "")).await;
        let (hash, version) = (seen.body["figures_hash"].clone(), seen.body["version"].clone());
        assert_eq!((hash.as_str().map(str::len), version), (Some(64), Json::Null), "{}", seen.text);
        assert_eq!(seen.headers["x-report-figures"], hash.as_str().unwrap());
        let english = world.get(OFFICER, ask("commune_month", "&lang=en")).await;
        assert_eq!(english.body["figures_hash"], hash, "one name in both languages");
        let again = world.get(OFFICER, ask("commune_month", "")).await;
        assert_eq!(again.body["figures_hash"], hash, "reading alone changes nothing");

        world.approved(2).await;
        let path = "/api/v1/reports/commune_month/submit";
        let stale = world.post(OFFICER, path, hand_in(&hash)).await;
        assert_eq!((stale.status, stale.code()), (409, "content_changed"), "{}", stale.text);
        assert_eq!(world.get(OFFICER, ask("commune_month", "&version=1")).await.status, 404, "nothing was kept");
        let bad = world.post(OFFICER, path, hand_in(&json!("12"))).await;
        assert_eq!((bad.status, bad.body["field"].as_str()), (400, Some("seen")), "{}", bad.text);

        let fresh = world.get(OFFICER, ask("commune_month", "")).await;
        let done = world.post(OFFICER, path, hand_in(&fresh.body["figures_hash"])).await;
        assert_eq!(done.status, 200, "{}", done.text);
        let kept = world.get(OFFICER, ask("commune_month", "&version=1")).await;
        assert_eq!(kept.body["figures_hash"], fresh.body["figures_hash"], "{}", kept.text);
        let kinds = |answer: &Answer| answer.body["sections"][2]["items"][0]["rows"].clone();
        assert!(kinds(&kept).is_array() && kinds(&kept) == kinds(&fresh), "line by line what was seen");
    }
}

#[actix_web::test]
async fn a_version_stays_and_the_live_report_says_where_it_differs() {
    for world in worlds().await {
        world.approved(1).await;
        let done = world.post(OFFICER, "/api/v1/reports/commune_month/submit", hand_in(&Json::Null)).await;
        assert_eq!(done.status, 200, "without what was seen the server names the figures itself: {}", done.text);
        let first = world.get(OFFICER, ask("commune_month", "&version=1")).await;
        let pdf = world.get(OFFICER, ask("commune_month", "&version=1&format=pdf")).await;
        assert!(pdf.status == 200 && pdf.text.starts_with("%PDF"));
        let live = world.get(OFFICER, ask("commune_month", "")).await;
        assert_eq!((&live.body["version"], &live.body["changed"]), (&json!(1), &json!([])), "{}", live.text);

        world.approved(2).await;
        let live = world.get(OFFICER, ask("commune_month", "")).await;
        let changed = live.body["changed"].as_array().unwrap().clone();
        let line = changed.iter().find(|line| line["table"] == "kinds" && line["column"] == "activities").unwrap();
        assert_eq!((&line["was"], &line["is"]), (&json!("1"), &json!("2")), "{changed:?}");
        let said = live.body["head"]["lines"].as_array().unwrap().last().unwrap().as_str().unwrap();
        assert!(said.starts_with("Khác với phiên bản 1"), "{said}");
        let english = world.get(OFFICER, ask("commune_month", "&lang=en&format=html")).await;
        assert!(english.text.contains("Differs from stored version 1"), "{}", english.text);
        let same = world.get(OFFICER, ask("commune_month", "&version=1")).await;
        assert_eq!(same.text, first.text, "a version is never another one");

        // Given back, put right and handed in again: the next version, beside the first.
        let path = format!("/api/v1/report-rows/{}/review", done.body["id"].as_str().unwrap());
        let back = json!({ "base_ver": done.body["ver"], "reason": "Thiếu một thôn." });
        let back = world.post(PROVINCE_OFFICER, &path, back).await;
        assert_eq!(back.status, 200, "{}", back.text);
        let mut again = hand_in(&live.body["figures_hash"]);
        again["base_ver"] = back.body["ver"].clone();
        let again = world.post(OFFICER, "/api/v1/reports/commune_month/submit", again).await;
        assert_eq!(again.status, 200, "{}", again.text);
        let versions = world.get(OFFICER, ask("commune_month/versions", "")).await;
        let list = versions.body.as_array().unwrap();
        let told: Vec<_> = list.iter().map(|one| (&one["version"], &one["event"], &one["by"]["name"])).collect();
        let by = json!(format!("Lò Văn {OFFICER}"));
        let submitted = json!("submitted");
        assert_eq!(told, [(&json!(1), &submitted, &by), (&json!(2), &submitted, &by)], "{}", versions.text);
        assert_ne!(list[0]["figures"], list[1]["figures"]);
        assert_eq!(list[0]["as_of"], "2026-11-22");
        assert_eq!(world.get(OFFICER, ask("commune_month", "&version=1")).await.text, first.text);
        assert_eq!(world.get(OFFICER, ask("commune_month", "")).await.body["version"], 2);
        assert_eq!(world.get(FOREIGN_OFFICER, ask("commune_month", "&version=1")).await.status, 404);
        assert_eq!(world.get(FOREIGN_OFFICER, ask("commune_month/versions", "")).await.status, 404);
    }
}

#[actix_web::test]
async fn closing_a_month_keeps_its_report() {
    for world in worlds().await {
        world.approved(1).await;
        let body = |open: bool| json!({ "commune": uuid(COMMUNE), "month": "2026-12", "open": open });
        let closed = world.post(OFFICER, "/api/v1/periods", body(false)).await;
        assert_eq!(closed.status, 200, "{}", closed.text);
        let versions = world.get(OFFICER, ask("commune_month/versions", "")).await;
        let told: Vec<_> =
            versions.body.as_array().unwrap().iter().map(|one| (&one["event"], &one["by"]["name"])).collect();
        assert_eq!(told, [(&json!("closed"), &json!(format!("Lò Văn {OFFICER}")))], "{}", versions.text);
        let kept = world.get(OFFICER, ask("commune_month", "&version=1")).await;
        assert!(!kept.text.contains("Số liệu tạm tính"), "it was closed: {}", kept.text);
    }
}

#[actix_web::test]
async fn longer_reports_and_the_funnel_are_there_for_commune_and_province() {
    let world = worlds().await.remove(0);
    world.approved(1).await;
    for (code, words) in
        [("quarter", "quý IV/2026"), ("half_year", "2026"), ("year", "năm 2026"), ("ecom_funnel", "tháng 12/2026")]
    {
        let commune = world.get(OFFICER, ask(code, "")).await;
        assert!(commune.status == 200 && commune.text.contains(words), "{code}: {}", commune.text);
        let path = format!("/api/v1/reports/{code}?unit={}&month=2026-12", uuid(PROVINCE));
        let province = world.get(PROVINCE_OFFICER, path).await;
        assert_eq!(province.status, 200, "{code}: {}", province.text);
        assert!(province.text.contains("Nơi số 10") && province.text.contains("Nơi số 15"), "{code} compares communes");
        let village = world.get(OFFICER, format!("/api/v1/reports/{code}?unit={}&month=2026-12", uuid(VILLAGE))).await;
        assert_eq!((village.status, village.body["field"].as_str()), (400, Some("unit")), "{code}");
    }
    let nobody = world.post(OFFICER, "/api/v1/reports/ecom_funnel/submit", hand_in(&Json::Null)).await;
    assert_eq!(
        (nobody.status, nobody.body["field"].as_str()),
        (422, Some("unit")),
        "the funnel is for reading: {}",
        nobody.text
    );
}
