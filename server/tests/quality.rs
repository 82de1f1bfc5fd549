//! What is worth a second look is told with its numbers, to the team first and to the commune some working days later; it
//! changes nothing by itself.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod desk;

use std::sync::atomic::Ordering;

use desk::*;
use serde_json::{Value as Json, json};
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::op::{Intent, RecordVisit};
use sync_protocol::value::Value;
use uuid::Uuid;

const NOTE: &str = "Đã hướng dẫn cả nhà cài ứng dụng.";

/// Visits of one member, a day apart, all with the same note.
async fn with_one_note(world: &World, count: u32) -> Vec<Uuid> {
    let mut visits = Vec::new();
    for days_ago in 0..count {
        let mut content = world.content(VILLAGE, days_ago, "done");
        content.summary = Some(NOTE.into());
        let intent = Intent::VisitRecord(RecordVisit {
            content: Raw(content.cbor()),
            submit: true,
            plan: None,
            ext: Ext::default(),
        });
        visits.push(perform(&world.app, MEMBER, vec![intent]).await[0]);
    }
    visits
}

async fn teams(world: &World, by: u8) -> Vec<Json> {
    let answer = world.get(by, format!("/api/v1/quality?unit={}", uuid(VILLAGE))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["items"].as_array().unwrap().clone()
}

fn codes(team: &Json) -> Vec<&str> {
    team["signals"].as_array().unwrap().iter().map(|signal| signal["code"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn the_team_sees_it_first_and_the_commune_after_three_working_days() {
    for world in worlds().await {
        let visits = with_one_note(&world, 4).await;
        for by in [MEMBER, LEADER] {
            let found = teams(&world, by).await;
            assert_eq!(codes(&found[0]), ["same_text"], "{by}");
            let signal = &found[0]["signals"][0];
            assert_eq!(signal["words"]["vi"], "Cùng một đoạn ghi chú xuất hiện trong 4 chuyến thăm.");
            assert_eq!((signal["weight"].as_str(), signal["visits"].as_array().unwrap().len()), (Some("medium"), 4));
        }
        // Sunday 2026-11-22: Wednesday is the third working day.
        for (days, expected) in [(0, 0), (2, 0), (3, 1)] {
            world.clock.store(NOW + days * DAY_MS, Ordering::SeqCst);
            let found = teams(&world, OFFICER).await;
            let shown = codes(&found[0]).len();
            assert_eq!((shown, &found[0]["with_the_team"]), (expected, &json!(1 - expected)), "after {days} days");
            let visit = world.get(OFFICER, format!("/api/v1/visits/{}", visits[0])).await;
            assert_eq!(visit.body["signals"].as_array().map_or(0, Vec::len), expected);
            assert_eq!(visit.body["status"], "submitted", "nothing happens by itself");
        }
    }
}

#[actix_web::test]
async fn three_alike_are_no_signal_and_nobody_else_sees_any() {
    for world in worlds().await {
        with_one_note(&world, 3).await;
        assert!(teams(&world, LEADER).await.is_empty());
        with_one_note(&world, 4).await;
        let path = format!("/api/v1/quality?unit={}", uuid(VILLAGE));
        for (by, status) in [(FOREIGN_OFFICER, 404), (PROVINCE_OFFICER, 403), (ADMIN, 403)] {
            assert_eq!(world.get(by, path.clone()).await.status, status, "{by}");
        }
        for bad in ["from=2026-09-01&to=2026-11-22", "from=2026-11-22&to=2026-11-01", "from=gestern"] {
            let answer = world.get(LEADER, format!("{path}&{bad}")).await;
            assert_eq!((answer.status, answer.code()), (400, "validation_failed"), "{bad}");
        }
    }
}

#[actix_web::test]
async fn what_the_commune_sees_flagged_anyway_is_explained_at_once() {
    for world in worlds().await {
        let content = Raw(world.content(VILLAGE, 9, "done").cbor());
        let intent = Intent::VisitRecord(RecordVisit { content, submit: true, plan: None, ext: Ext::default() });
        let visit = perform(&world.app, MEMBER, vec![intent]).await[0];
        let seen = world.get(OFFICER, format!("/api/v1/visits/{visit}")).await.body;
        assert_eq!(seen["flags"], json!(["late"]));
        assert_eq!(seen["signals"][0]["words"]["vi"], "Gửi đến sau ngày thăm 9 ngày (thường không quá 7).");
    }
}

#[actix_web::test]
async fn a_tally_that_falls_against_the_approved_one_is_asked_about() {
    for world in worlds().await {
        let mut tallies = Vec::new();
        // Tallies are a month apart: what is approved may lie before the days that are looked at.
        for (days_ago, people) in [(62, 100), (31, 81), (0, 60)] {
            let mut content = world.content(VILLAGE, days_ago, "done");
            content.household = None;
            content.visit_type = "village".into();
            let answers = [
                ("period", Value::Text("2026-11".into())),
                ("households", Value::Int(200)),
                ("adults_15_plus", Value::Int(400)),
                ("adults_smartphone", Value::Int(people)),
                ("source", Value::Text("survey".into())),
                ("outcome", Value::Text("done".into())),
            ];
            content.activities[0].kind = "village_tally".into();
            content.activities[0].fields =
                answers.into_iter().map(|(field, answer)| (field.to_owned(), answer)).collect();
            let intent = Intent::VisitRecord(RecordVisit {
                content: Raw(content.cbor()),
                submit: true,
                plan: None,
                ext: Ext::default(),
            });
            tallies.push(perform(&world.app, LEADER, vec![intent]).await[0]);
        }
        // What nobody approved is no measure.
        assert!(!teams(&world, MEMBER).await.iter().any(|team| codes(team).contains(&"not_shrinking")));
        for tally in &tallies[..2] {
            let body = json!({ "content_hash": world.hash(*tally).await });
            assert_eq!(world.post(OFFICER, format!("/api/v1/visits/{tally}/approve"), body).await.status, 200);
        }
        let found = teams(&world, MEMBER).await;
        let fallen: Vec<&Json> =
            found[0]["signals"].as_array().unwrap().iter().filter(|one| one["code"] == "not_shrinking").collect();
        assert_eq!(fallen.len(), 1, "from 100 to 81 is within a fifth: {found:?}");
        let words = fallen[0]["words"]["vi"].as_str().unwrap();
        assert!(words.contains("giảm từ 81 (đã duyệt) xuống 60, quá 20%"), "{words}");
        let mut expected = vec![tallies[1], tallies[2]];
        expected.sort();
        assert_eq!(fallen[0]["visits"], json!(expected));
    }
}
