//! The report of a day of a campaign, in every format.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod desk;

use std::sync::atomic::Ordering;

use desk::*;
use serde_json::{Value as Json, json};

async fn running(world: &World, by: u8, unit: u8, targets: Json) -> String {
    let body = json!({ "unit": uuid(unit),
        "frame": { "kind": "drive", "from": "2026-11-20", "to": "2026-12-10", "kinds": ["vneid_level2"] },
        "words": { "title": "Ra quân mùa đông", "daily_report": true }, "targets": targets });
    let drafted = world.post(by, "/api/v1/campaigns", body).await;
    assert_eq!(drafted.status, 200, "{}", drafted.text);
    let id = drafted.body["id"].as_str().unwrap().to_owned();
    let seen = json!({ "base_ver": drafted.body["ver"] });
    assert_eq!(world.post(by, format!("/api/v1/campaigns/{id}/publish"), seen).await.status, 200);
    id
}

fn ask(campaign: &str, unit: u8, more: &str) -> String {
    format!("/api/v1/reports/campaign_day?unit={}&campaign={campaign}{more}", uuid(unit))
}

fn table(answer: &Answer, code: &str) -> String {
    assert_eq!(answer.status, 200, "{code}: {}", answer.text);
    answer.text.trim_start_matches('\u{feff}').to_owned()
}

#[actix_web::test]
async fn a_day_of_a_campaign_is_reported_by_village_and_team_against_the_target() {
    for world in worlds().await {
        let target = |unit: u8, value: u64| json!({ "unit": uuid(unit), "kind": "vneid_level2", "value": value });
        let targets = json!([target(COMMUNE, 10), target(VILLAGE, 2), target(SIBLING, 4)]);
        let campaign = running(&world, OFFICER, COMMUNE, targets).await;
        world.approved(1).await;
        world.record(MEMBER, VILLAGE, 0).await;
        world.clock.fetch_add(10 * 3_600_000, Ordering::SeqCst); // seven in the evening: after the cut
        world.record(MEMBER, VILLAGE, 0).await;

        let csv = async |code: &str, day: &str| {
            let more = format!("&day={day}&format=csv&table={code}");
            table(&world.get(OFFICER, ask(&campaign, COMMUNE, &more)).await, code)
        };
        let whole = csv("campaign", "2026-11-22").await;
        let line = whole.lines().find(|line| line.contains("định danh")).unwrap_or_else(|| panic!("{whole}"));
        assert!(line.ends_with(";2;2;1;10;20;"), "that day, so far, approved, target, percent: {line}");
        let units = csv("campaign_units", "2026-11-22").await;
        let of = |name: &str| units.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{units}"));
        assert!(of("Nơi số 11").contains(";Tổ;2;2;1;2;100"), "the team, and the village's target: {units}");
        assert!(
            of("Nơi số 12").ends_with(";;0;0;0;4;0;"),
            "a village with a target that has done nothing is there: {units}"
        );
        let before = csv("campaign", "2026-11-21").await;
        assert!(before.lines().any(|line| line.ends_with(";0;0;0;10;0;")), "what came in later is not in it: {before}");

        let shown = world.get(OFFICER, ask(&campaign, COMMUNE, "")).await;
        assert_eq!(shown.body["head"]["subject"], "Kết quả chiến dịch “Ra quân mùa đông”, ngày 22/11/2026");
        assert!(shown.text.contains("Số liệu tạm tính"), "not everything is approved");
        assert!(shown.body["figures_hash"].is_string());
        let pdf = world.get(OFFICER, ask(&campaign, COMMUNE, "&format=pdf")).await;
        assert!(pdf.status == 200 && pdf.text.starts_with("%PDF"));
        let xlsx = world.get(OFFICER, ask(&campaign, COMMUNE, "&format=xlsx&day=2026-11-22")).await;
        assert!(xlsx.status == 200 && xlsx.headers["content-disposition"].contains("2026-11-22.xlsx"));
        let english = world.get(OFFICER, ask(&campaign, COMMUNE, "&lang=en&format=html")).await;
        assert!(english.text.contains("Results of the campaign “Ra quân mùa đông”"), "{}", english.text);

        world.clock.fetch_add(DAY_MS, Ordering::SeqCst);
        let next = csv("campaign", "2026-11-23").await;
        assert!(
            next.lines().any(|line| line.ends_with(";1;3;1;10;30;")),
            "the late one counts on the next day: {next}"
        );
    }
}

#[actix_web::test]
async fn a_campaign_from_above_is_reported_in_the_commune_and_side_by_side_in_the_province() {
    for world in worlds().await {
        let targets = json!([{ "unit": uuid(COMMUNE), "kind": "vneid_level2", "value": 20 }]);
        let campaign = running(&world, PROVINCE_OFFICER, PROVINCE, targets).await;
        for days_ago in 0..2 {
            world.record(MEMBER, VILLAGE, days_ago).await;
        }
        let more = "&format=csv&table=campaign";
        let commune = table(&world.get(OFFICER, ask(&campaign, COMMUNE, more)).await, "campaign");
        assert!(commune.lines().any(|line| line.ends_with(";2;2;0;20;10;")), "{commune}");
        let more = "&format=csv&table=campaign_units";
        let province = table(&world.get(PROVINCE_OFFICER, ask(&campaign, PROVINCE, more)).await, "campaign_units");
        let line = province.lines().find(|line| line.starts_with("Nơi số 10")).unwrap_or_else(|| panic!("{province}"));
        assert!(
            !line.contains("Tổ") && line.contains(";<5;<5;0;20;<5;"),
            "small numbers of persons are hidden: {province}"
        );
        let foreign = world.get(FOREIGN_OFFICER, ask(&campaign, COMMUNE, "")).await;
        assert_eq!(foreign.status, 404);
    }
}

#[actix_web::test]
async fn what_is_asked_wrongly_is_named() {
    let world = worlds().await.remove(0);
    let campaign = running(&world, OFFICER, COMMUNE, Json::Null).await;
    for (more, status, field) in [
        ("&day=2026-11-19", 400, Some("day")),
        ("&day=2026-11-23", 400, Some("day")),
        ("&day=mai", 400, Some("day")),
        ("&month=2026-12", 400, Some("month")),
        ("&version=1", 400, Some("version")),
        ("&lang=fr", 400, Some("lang")),
    ] {
        let answer = world.get(OFFICER, ask(&campaign, COMMUNE, more)).await;
        assert_eq!((answer.status, answer.body["field"].as_str()), (status, field), "{more}: {}", answer.text);
    }
    let path = |code: &str, more: &str| format!("/api/v1/reports/{code}?unit={}{more}", uuid(COMMUNE));
    for (code, more, field) in [
        ("campaign_day", "", "campaign"),
        ("commune_month", "&month=2026-12&day=2026-11-22", "day"),
        ("commune_month", "", "month"),
    ] {
        assert_eq!(world.get(OFFICER, path(code, more)).await.body["field"], field, "{code}{more}");
    }
    let village = world.get(OFFICER, ask(&campaign, VILLAGE, "")).await;
    assert_eq!((village.status, village.body["field"].as_str()), (400, Some("unit")));
    assert_eq!(world.get(OFFICER, ask(&uuid(9).to_string(), COMMUNE, "")).await.status, 404);
    let hand_in = json!({ "unit": uuid(COMMUNE), "month": "2026-12" });
    assert_eq!(
        world.post(OFFICER, "/api/v1/reports/campaign_day/submit", hand_in).await.status,
        422,
        "nobody hands it in"
    );
}
