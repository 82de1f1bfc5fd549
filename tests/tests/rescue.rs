//! A rescue file: visits that cannot be sent are carried to the server by hand, and are there once.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use client_core::store::VisitEntry;
use client_core::sync::rescue_file;
use serde_json::{Value, json};
use sync_protocol::catalogue::Catalogue;
use sync_protocol::cbor::Ext;
use sync_protocol::entity::{Activity, VisitContent};
use sync_protocol::ids::*;
use tests::{Desk, Phone, Program, ServerProcess, now, text};

fn record(phone: &mut Phone, village: UnitId, team: TeamId, household: HouseholdId) -> String {
    let answers = json!({ "step": "activated", "age_14_plus": true, "outcome": "done" });
    let fields = Catalogue::shipped().from_json_fields("vneid_level2", &answers).unwrap();
    let content = VisitContent {
        village,
        team,
        household: Some(household),
        visit_type: "household".into(),
        day: Day::of_ms(now().0),
        minutes: Some(15),
        activities: vec![Activity { kind: "vneid_level2".into(), fields, id: None, ext: Ext::default() }],
        members: vec![],
        result: None,
        summary: None,
        place: None,
        catalogue: Catalogue::shipped().version().into(),
        partner_org: None,
        quantity_reason: None,
        ext: Ext::default(),
    };
    let entry = VisitEntry { content, submit: true, plan: None };
    phone.store.record_visit(entry, phone.clock(), &mut phone.random).unwrap().row.to_string()
}

#[test]
fn a_rescue_file_brings_unsent_visits_once_however_often_it_is_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program { path: env!("CARGO_BIN_EXE_journey").into(), before: vec!["as-server".into()] };
    let data = folder.path().join("server");
    let data_text = data.to_str().unwrap();
    let seeded = program.output(&["--data", data_text, "demo-seed", "--json", "--visits", "0"]).unwrap();
    let seeded: Value = serde_json::from_str(&seeded).unwrap();
    let mut server = ServerProcess::start(&program, &data).unwrap();
    let accounts = seeded["accounts"].as_array().unwrap();
    let officer = accounts.iter().find(|account| account["role"] == "commune_officer").unwrap();
    let password = text(&seeded, "password").unwrap();
    let officer = Desk::sign_in(&server.url(), &text(officer, "phone").unwrap(), &password).unwrap();
    let village: UnitId = seeded["villages"][0].as_str().unwrap().parse().unwrap();
    let team: TeamId = seeded["teams"][0].as_str().unwrap().parse().unwrap();
    let place = text(&officer.get(&format!("/api/v1/units/{village}")).unwrap(), "full_name").unwrap();
    let member = accounts.iter().find(|one| one["role"] == "member" && one["place"] == json!(place)).unwrap();

    let code = officer.post(&format!("/api/v1/users/{}/enrolment-code", text(member, "user").unwrap()), &json!({}));
    let mut phone = Phone::new("Mẫu", &folder.path().join("phones"), now()).unwrap();
    phone.enrol(&server.url(), &text(&code.unwrap(), "code").unwrap()).unwrap();
    phone.sync(&server.url()).unwrap();
    let houses = phone.store.households().unwrap();
    let mut saved: BTreeSet<String> =
        houses[..3].iter().map(|house| record(&mut phone, village, team, house.id)).collect();

    let write = |phone: &mut Phone, name: &str| {
        let file = rescue_file(&mut phone.store, &mut phone.random).unwrap();
        let path = folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(&path, &file.bytes).unwrap();
        (path, file)
    };
    let (path, file) = write(&mut phone, "first.thonso");
    assert_eq!((file.ops, file.visits), (3, 3));
    let label = houses[0].label.as_bytes();
    assert!(!file.bytes.windows(label.len()).any(|bytes| bytes == label), "the file shows no household");

    server.kill().unwrap();
    let take = |path: &str| -> Value {
        serde_json::from_str(&program.output(&["--data", data_text, "import-rescue", "--json", path]).unwrap()).unwrap()
    };
    let counts = |taken: &Value| ["ops", "known", "applied", "rejected"].map(|name| taken[name].as_u64().unwrap());
    assert_eq!(counts(&take(&path)), [3, 0, 3, 0]);
    assert_eq!(counts(&take(&path)), [3, 3, 0, 0], "a second time changes nothing");

    // The phone does not know of it, goes on, and syncs later; the old file is still harmless.
    server.restart().unwrap();
    saved.insert(record(&mut phone, village, team, houses[3].id));
    let summary = phone.sync(&server.url()).unwrap();
    assert_eq!((summary.rejected, summary.new_epochs), (0, 0));
    server.kill().unwrap();
    let taken = take(&path);
    assert_eq!((counts(&taken), &taken["problems"]), ([3, 3, 0, 0], &json!([])));

    // What was changed on the way is not taken in.
    saved.insert(record(&mut phone, village, team, houses[4].id));
    let (path, file) = write(&mut phone, "second.thonso");
    let mut changed = file.bytes.clone();
    changed[file.bytes.len() / 2] ^= 1;
    let spoilt = folder.path().join("spoilt.thonso");
    std::fs::write(&spoilt, changed).unwrap();
    assert!(program.output(&["--data", data_text, "import-rescue", spoilt.to_str().unwrap()]).is_err());
    // The phone falls into the river: the file is all there is.
    drop(phone);
    assert_eq!(counts(&take(&path)), [1, 0, 1, 0]);

    server.restart().unwrap();
    let visits = officer.list(&format!("/api/v1/visits?village={village}")).unwrap();
    assert_eq!(visits.len(), saved.len(), "each visit is there once");
    assert_eq!(visits.iter().map(|visit| text(visit, "id").unwrap()).collect::<BTreeSet<_>>(), saved);
    server.kill().unwrap();
    assert_eq!(program.output(&["--data", data_text, "doctor"]).unwrap().trim(), "ok");
}
