//! The messages of the screens, as a page sends them: JSON in, JSON out, on a real store.

#![allow(clippy::unwrap_used)]

mod support;

use client_core::app::{App, Problem};
use client_core::sync::{Instruction, Transport};
use client_core::{ClaimedMs, Random};
use serde_json::{Value, json};
use support::*;
use sync_protocol::access::Role;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::{MemberIdentity, TargetGoal, TargetState, household, target, team_member};
use sync_protocol::ids::{Day, HouseholdId};
use sync_protocol::op::{Intent, MergeHouseholds};
use sync_protocol::row::RowType;

/// 2026-11-20, ten in the morning in Việt Nam.
const NOW: ClaimedMs = ClaimedMs(1_795_143_600_000);

/// A member's phone on a small server.
fn phone() -> (MiniServer, App) {
    let (server, store, random) = world();
    (server, App::new(store, Box::new(random)))
}

fn ask(app: &mut App, name: &str, args: Value) -> Value {
    app.call(name, args, NOW).unwrap_or_else(|problem| panic!("{name}: {problem:?}"))
}

fn refused(app: &mut App, name: &str, args: Value) -> Problem {
    app.call(name, args, NOW).expect_err("it is refused")
}

fn call(n: u64) -> Value {
    json!(id(0xca11_0000 + n))
}

/// A whole conversation, as the worker leads it.
fn sync(app: &mut App, server: &mut MiniServer) {
    let mut link = Link::to(server);
    let mut step = app.sync_start(true, NOW).unwrap();
    while let Instruction::Send(bytes) = step {
        step = match link.exchange(&bytes) {
            Ok(body) => app.sync_received(body, NOW).unwrap(),
            Err(failure) => panic!("{failure:?}"),
        };
    }
    assert!(matches!(step, Instruction::Finished(_)), "{step:?}");
}

/// The same note in four visits is asked about on the phone, before anything was sent; the rules are the server's.
#[test]
fn what_is_worth_a_second_look_is_told_on_the_phone_itself() {
    let (mut server, mut app) = phone();
    let mut visits = Vec::new();
    for n in 0..4 {
        let answers = json!({ "topics": ["safe_internet"], "can_do_alone": true, "outcome": "done", "note": "Đã hướng dẫn cả nhà làm." });
        let activities = json!([{ "kind": "digital_skill_coaching", "fields": answers }]);
        let mut form = with(&form(Some(11)), activities);
        form["day"] = json!(format!("2026-11-{}", 14 + n));
        let draft = ask(&mut app, "draft_begin", json!({ "call": call(700 + n), "form": form }));
        let before = ask(&mut app, "signals", json!({}));
        assert_eq!(before, json!([]), "three are no signal");
        ask(&mut app, "draft_finish", json!({ "id": draft["id"], "form": form, "submit": true }));
        visits.push(draft["id"].as_str().unwrap().to_owned());
    }
    let found = ask(&mut app, "signals", json!({}));
    visits.sort();
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    assert_eq!((&found[0]["code"], &found[0]["visits"]), (&json!("same_text"), &json!(visits)));
    assert_eq!(found[0]["vi"], "Cùng một đoạn ghi chú xuất hiện trong 4 chuyến thăm.");
    assert_eq!(ask(&mut app, "signals", json!({ "day": "2026-12-31" })), json!([]), "old visits are left alone");

    // The same rows on a phone of the office say nothing: there the team is asked first.
    sync(&mut app, &mut server);
    server.grant(user(1), &[(village_a(), Role::CommuneOfficer)]);
    sync(&mut app, &mut server);
    assert!(ask(&mut app, "visits", json!({})).as_array().is_some_and(|visits| visits.len() >= 4));
    assert_eq!(ask(&mut app, "signals", json!({})), json!([]));
}

fn form(household: Option<u64>) -> Value {
    json!({
        "village": village_a(), "team": team(), "household": household.map(id), "visit_type": "household",
        "day": "2026-11-20",
    })
}

fn with(form: &Value, activities: Value) -> Value {
    let mut form = form.clone();
    form["activities"] = activities;
    form
}

fn done() -> Value {
    json!([{"kind": "vneid_level2", "fields": {"step": "activated", "age_14_plus": true, "outcome": "done"}}])
}

#[test]
fn every_message_of_the_list_is_answered_or_names_what_is_wrong_with_its_arguments() {
    let (_, mut app) = phone();
    for name in App::MESSAGES {
        if let Err(problem) = app.call(name, json!({}), NOW) {
            assert!(!problem.vi.is_empty() && !problem.en.is_empty(), "{name}");
            assert_ne!(problem.code, "core_failed", "{name}");
        }
    }
    assert_eq!(refused(&mut app, "no_such_message", json!({})).code, "bad_call");
    // A page of another version must not half work.
    assert_eq!(refused(&mut app, "state", json!({"more": 1})).code, "bad_call");
}

#[test]
fn a_form_that_is_half_filled_outlives_everything_and_becomes_a_visit() {
    let (mut server, mut app) = phone();
    let begun = ask(&mut app, "draft_begin", json!({"call": call(1), "form": form(Some(11))}));
    let draft = begun["id"].clone();
    assert_eq!(begun["household_label"], "Nguyễn Văn Nam");

    // Half an answer, which the rules would not take, is kept as it stands.
    let half = with(&form(Some(11)), json!([{"kind": "vneid_level2", "fields": {"step": "not a step"}}]));
    ask(&mut app, "draft_keep", json!({"id": draft, "form": half}));
    let kept = ask(&mut app, "drafts", json!({}));
    assert_eq!(kept[0]["form"]["activities"][0]["fields"]["step"], "not a step");

    let problem = refused(&mut app, "draft_finish", json!({"id": draft, "form": half, "submit": true}));
    assert_eq!(problem.code, "validation_failed");
    let finding = problem.findings.iter().find(|finding| finding.field.as_deref() == Some("step")).unwrap();
    assert_eq!((finding.activity, finding.severity.as_str()), (Some(0), "error"));
    assert_eq!(ask(&mut app, "drafts", json!({})).as_array().unwrap().len(), 1, "refused, and still here");

    let whole = with(&form(Some(11)), done());
    assert_eq!(ask(&mut app, "form_check", json!({"form": whole})), json!([]));
    let saved = ask(&mut app, "draft_finish", json!({"id": draft, "form": whole, "submit": true}));
    assert_eq!(saved["row"], draft, "the id was there before the first save, and stays");
    // The page went away before it heard the answer, and asks again.
    let again = ask(&mut app, "draft_finish", json!({"id": draft, "form": whole, "submit": true}));
    assert_eq!((&again["uid"], &again["n"]), (&saved["uid"], &saved["n"]));
    assert_eq!(ask(&mut app, "drafts", json!({})), json!([]));

    let visit = ask(&mut app, "visit", json!({"id": draft}));
    assert_eq!(visit["delivery"], "recorded");
    assert_eq!(visit["form"]["activities"][0]["fields"]["step"], "activated");
    assert_eq!(ask(&mut app, "state", json!({}))["sync"]["waiting"], 1);
    sync(&mut app, &mut server);
    assert_eq!(ask(&mut app, "visit", json!({"id": draft}))["delivery"], "confirmed");
    let today = ask(&mut app, "today", json!({}));
    assert_eq!(today["visits"][0]["household_label"], "Nguyễn Văn Nam");
    assert_eq!(today["not_yet_synced"], 0);
}

#[test]
fn a_number_of_a_person_is_refused_in_the_notes_of_a_visit_too() {
    let (_, mut app) = phone();
    let mut form = with(&form(Some(11)), done());
    form["summary"] = json!("Số căn cước 015123456789");
    let draft = ask(&mut app, "draft_begin", json!({"call": call(1), "form": form}));
    let findings = ask(&mut app, "form_check", json!({"form": form}));
    assert_eq!(findings[0]["field"], "summary");
    assert_eq!(findings[0]["code"], "forbidden_number");
    let finish = |form: &Value| json!({"id": draft["id"], "form": form, "submit": true});
    assert_eq!(refused(&mut app, "draft_finish", finish(&form)).field.as_deref(), Some("summary"));
    form["summary"] = json!("Hỏi thêm về ví điện tử, hẹn 14/12/2026.");
    ask(&mut app, "draft_finish", finish(&form));
}

#[test]
fn a_returned_visit_is_put_right_from_the_form_that_was_sent() {
    let (mut server, mut app) = phone();
    let draft =
        ask(&mut app, "draft_begin", json!({"call": call(1), "form": with(&form(Some(11)), done())}))["id"].clone();
    ask(&mut app, "draft_finish", json!({"id": draft, "form": with(&form(Some(11)), done()), "submit": true}));
    sync(&mut app, &mut server);
    let visit = sync_protocol::ids::VisitId(draft.as_str().unwrap().parse().unwrap());
    server.review(user(9), visit, Some("Ghi lại kết quả giúp tôi."));
    sync(&mut app, &mut server);

    let returned = ask(&mut app, "returned", json!({}));
    assert_eq!(returned[0]["review"]["reasons"][0]["code"], "wrong_answer");
    let correction = ask(&mut app, "draft_correct", json!({"call": call(2), "visit": draft}));
    assert_eq!(correction["corrects"], draft);
    // Somebody who was called away finds the same correction again.
    assert_eq!(ask(&mut app, "draft_correct", json!({"call": call(3), "visit": draft}))["id"], correction["id"]);
    let mut form = correction["form"].clone();
    form["activities"][0]["fields"]["outcome"] = json!("already");
    ask(&mut app, "draft_finish", json!({"id": correction["id"], "form": form, "submit": true}));
    assert_eq!(ask(&mut app, "returned", json!({})), json!([]));
    sync(&mut app, &mut server);
    let visit = ask(&mut app, "visit", json!({"id": draft}));
    assert_eq!((&visit["line"]["status"], &visit["delivery"]), (&json!("submitted"), &json!("confirmed")));
    assert_eq!(visit["activities"][0]["fields"]["outcome"], "already");
    assert_eq!(visit["form"]["activities"][0]["id"], visit["activities"][0]["id"], "the activity is the same one");
}

#[test]
fn who_settles_two_corrections_sees_what_each_of_them_says() {
    let (mut server, mut app) = phone();
    server.grant(user(2), &[(village_a(), Role::TeamLeader)]);
    let (store, random) = server.phone(user(2), 2);
    let mut colleague = App::new(store, Box::new(random));
    let draft =
        ask(&mut app, "draft_begin", json!({"call": call(1), "form": with(&form(Some(11)), done())}))["id"].clone();
    ask(&mut app, "draft_finish", json!({"id": draft, "form": with(&form(Some(11)), done()), "submit": false}));
    sync(&mut app, &mut server);
    sync(&mut colleague, &mut server);

    // Both correct it unseen.
    for (n, phone, outcome) in [(2, &mut app, "not_done"), (3, &mut colleague, "partly")] {
        let correction = ask(phone, "draft_correct", json!({"call": call(n), "visit": draft}));
        let mut form = correction["form"].clone();
        form["activities"][0]["fields"]["outcome"] = json!(outcome);
        form["activities"][0]["fields"]["failure_reason"] = json!("old_device");
        ask(phone, "draft_finish", json!({"id": correction["id"], "form": form, "submit": false}));
    }
    sync(&mut app, &mut server);
    sync(&mut colleague, &mut server);

    let conflicts = ask(&mut colleague, "conflicts", json!({"all": false}));
    let said: Vec<&Value> = conflicts[0]["sides"]
        .as_array()
        .unwrap()
        .iter()
        .map(|side| &side["visit"]["activities"][0]["fields"]["outcome"])
        .collect();
    assert!(said.contains(&&json!("not_done")) && said.contains(&&json!("partly")), "{conflicts}");
}

#[test]
fn a_side_of_a_conflict_about_consent_says_agreed_refused_or_withdrawn() {
    let (mut server, mut app) = phone();
    let seen = ask(&mut app, "household", json!({"id": id(13)}))["seen_ver"].clone();
    let refused = json!({
        "purposes": [], "notice_version": "1", "language": "vi", "method": "spoken_witnessed", "withdrawn": false,
    });
    let groups = json!({"consent": refused});
    ask(&mut app, "household_set", json!({"call": call(4), "id": id(13), "seen_ver": seen, "groups": groups}));
    sync(&mut app, &mut server);
    // The desk finds that two households are one; they had answered differently.
    let mut ver = |n| {
        let seen = ask(&mut app, "household", json!({"id": id(n)}))["seen_ver"].as_str().unwrap().parse().unwrap();
        sync_protocol::row::Ver(seen)
    };
    let merge = MergeHouseholds {
        winner: HouseholdId(id(11)),
        loser: HouseholdId(id(13)),
        winner_ver: ver(11),
        loser_ver: ver(13),
        reason: None,
        ext: Ext::default(),
    };
    server.desk(user(9), Intent::HouseholdMerge(merge));
    sync(&mut app, &mut server);
    let conflicts = ask(&mut app, "conflicts", json!({"all": false}));
    let about = conflicts.as_array().unwrap().iter().find(|one| one["group"] == household::CONSENT).unwrap();
    let words: Vec<&str> =
        about["sides"].as_array().unwrap().iter().map(|side| side["words"].as_str().unwrap()).collect();
    assert_eq!(words, ["agreed", "refused"]);
}

#[test]
fn the_same_press_saves_once_and_another_press_saves_again() {
    let (_, mut app) = phone();
    let args = |n: u64| json!({"call": call(n), "village": village_a(), "groups": {"label": "nhà cuối xóm"}});
    let first = ask(&mut app, "household_create", args(1));
    assert_eq!(ask(&mut app, "household_create", args(1)), first);
    assert_ne!(ask(&mut app, "household_create", args(2))["row"], first["row"]);
    let found = ask(&mut app, "households", json!({"query": "cuoi xom"}));
    assert_eq!(found.as_array().unwrap().len(), 2);

    let begin = json!({"call": call(3), "form": form(Some(11))});
    let draft = ask(&mut app, "draft_begin", begin.clone());
    let filled = with(&form(Some(11)), done());
    ask(&mut app, "draft_keep", json!({"id": draft["id"], "form": filled}));
    let again = ask(&mut app, "draft_begin", begin);
    assert_eq!(again["form"]["activities"][0]["kind"], "vneid_level2", "what was typed since is not thrown away");
}

#[test]
fn what_is_personal_needs_consent_and_goes_with_it() {
    let (_, mut app) = phone();
    let village = village_a();
    let named =
        json!({"call": call(1), "village": village, "groups": {"label": "nhà ven suối", "head": "Hoàng Văn Thử"}});
    assert_eq!(refused(&mut app, "household_create", named).code, "consent_missing");
    let consent = json!({"purposes": ["visit_log"], "notice_version": "1", "language": "vi",
        "method": "spoken_witnessed", "withdrawn": false});
    let groups = json!({"label": "nhà ven suối", "head": "Hoàng Văn Thử", "phone": "0912 000 111", "consent": consent});
    let row = ask(&mut app, "household_create", json!({"call": call(2), "village": village, "groups": groups}))["row"]
        .clone();
    let page = ask(&mut app, "household", json!({"id": row}));
    assert_eq!(page["household"]["head"], "Hoàng Văn Thử");
    let wrong = json!({"call": call(3), "id": row, "seen_ver": page["seen_ver"], "groups": {"phone": "12"}});
    let problem = refused(&mut app, "household_set", wrong);
    assert_eq!((problem.code.as_str(), problem.field.as_deref()), ("bad_value", Some("phone")));

    let mut taken_back = consent;
    taken_back["withdrawn"] = json!(true);
    let set = json!({"call": call(4), "id": row, "seen_ver": page["seen_ver"], "groups": {"consent": taken_back}});
    ask(&mut app, "household_set", set);
    let page = ask(&mut app, "household", json!({"id": row}));
    assert_eq!((&page["household"]["head"], &page["household"]["phone"]), (&Value::Null, &Value::Null));
    assert_eq!(page["consent"]["withdrawn"], "2026-11-20");
}

#[test]
fn a_phone_that_nobody_is_enrolled_on_says_so() {
    let store = client_core::Store::open(client_core::Location::Memory, None).unwrap();
    let mut random = Seeded(5);
    let mut drawn = [0; 16];
    random.fill(&mut drawn);
    let mut app = App::new(store, Box::new(random));
    assert_eq!(ask(&mut app, "state", json!({}))["identity"], Value::Null);
    assert_eq!(ask(&mut app, "places", json!({})), json!([]));
    assert_eq!(refused(&mut app, "draft_begin", json!({"call": call(1)})).code, "bad_call");
    let problem = app.sync_start(true, NOW).expect_err("there is nobody to sync for");
    assert_eq!(problem.code, "not_enrolled");
    assert_eq!(ask(&mut app, "device_key", json!({})).as_str().unwrap().len(), 66);
}

#[test]
fn a_place_names_its_team_and_what_one_is_there() {
    let (mut server, mut app) = phone();
    server.grant(user(1), &[(village_a(), Role::Member), (village_a(), Role::TeamLeader)]);
    sync(&mut app, &mut server);
    let places = ask(&mut app, "places", json!({}));
    assert_eq!(places.as_array().unwrap().len(), 1);
    assert_eq!(places[0]["roles"], json!(["member", "team_leader"]));
    assert_eq!(places[0]["teams"][0]["id"], json!(team()));
}

#[test]
fn a_quiz_is_scored_here_and_its_right_answers_are_not_given_away() {
    let (mut server, mut app) = phone();
    let who = MemberIdentity { team: team(), user: user(1), display_name: "Giàng A Páo".into(), ext: Ext::default() };
    server.put_register(village_a().into(), RowType::TEAM_MEMBER, id(920), [(team_member::IDENTITY, Raw(who.cbor()))]);
    sync(&mut app, &mut server);
    let courses = ask(&mut app, "courses", json!({}));
    let code = courses[0]["code"].clone();
    assert_eq!((&courses[0]["attempts"], &courses[0]["passed"]), (&json!(0), &json!(false)));
    let course = ask(&mut app, "course", json!({"code": code}));
    assert!(!course.to_string().contains("\"right\""), "{course}");
    let questions = course["questions"].as_array().unwrap().len();
    let none: Vec<Vec<String>> = vec![vec![]; questions];
    let attempt = json!({"call": call(1), "code": code, "chosen": none});
    let taken = ask(&mut app, "quiz", attempt.clone());
    assert_eq!((&taken["right"], &taken["of"], &taken["passed"]), (&json!(0), &json!(questions), &json!(false)));
    ask(&mut app, "quiz", attempt);
    assert_eq!(ask(&mut app, "courses", json!({}))[0]["attempts"], 1, "the same press is the same attempt");
    assert_eq!(refused(&mut app, "course", json!({"code": "none"})).code, "not_found");
}

#[test]
fn a_payment_code_keeps_the_bank_and_nothing_of_the_account() {
    let (_, mut app) = phone();
    let problem = refused(&mut app, "payment_code", json!({"text": "https://example.org"}));
    assert!(!problem.code.is_empty() && problem.code != "bad_call", "{problem:?}");
    let code = "00020101021138570010A00000072701270006970405011312345678901230208QRIBFTTA53037045802VN6304EF9A";
    let read = ask(&mut app, "payment_code", json!({"text": format!("  {code}\n")}));
    assert_eq!((&read["bin"], &read["fields"]["acquirer_bin"]), (&json!("970405"), &json!("970405")));
    assert!(!read.to_string().contains("1234567890123"), "the account: {read}");
}

#[test]
fn practice_is_a_whole_visit_that_nothing_leaves() {
    let mut app = App::practice("Vàng Thị Mỷ", Box::new(Seeded(7))).unwrap();
    assert_eq!(ask(&mut app, "state", json!({}))["practice"], true);
    let households = ask(&mut app, "households", json!({"query": ""}));
    assert_eq!(households.as_array().unwrap().len(), 5);
    let found = ask(&mut app, "households", json!({"query": "mau 2"}));
    assert_eq!(found[0]["label"], "Hộ mẫu 2: nhà sàn");
    let place = &ask(&mut app, "places", json!({}))[0];
    let form = json!({
        "village": place["village"]["id"], "team": place["teams"][0]["id"], "household": found[0]["id"],
        "visit_type": "household", "day": "2026-11-20", "activities": done(),
    });
    let draft = ask(&mut app, "draft_begin", json!({"call": call(1), "form": form}))["id"].clone();
    assert_eq!(ask(&mut app, "form_check", json!({"form": form})), json!([]));
    ask(&mut app, "draft_finish", json!({"id": draft, "form": form, "submit": true}));
    assert_eq!(ask(&mut app, "visits", json!({})).as_array().unwrap().len(), 1);
    for name in ["rescue_export", "device_key", "access_token"] {
        assert_eq!(refused(&mut app, name, json!({})).code, "practice", "{name}");
    }
    assert_eq!(app.sync_start(true, NOW).unwrap_err().code, "practice");
}

#[test]
fn a_business_and_its_product_are_entered_once_and_offered_from_then_on() {
    let (mut server, mut app) = phone();
    let business = json!({
        "call": call(1), "village": village_a(), "household": id(11), "name": " Quán nước bà Nam ", "kind": "shop",
    });
    let saved = ask(&mut app, "business_create", business.clone());
    assert_eq!(ask(&mut app, "business_create", business)["row"], saved["row"], "one press, one business");
    let product = json!({
        "call": call(2), "village": village_a(), "business": saved["row"], "name": "Chè tươi", "category": "crop",
    });
    ask(&mut app, "product_create", product);
    let list = |app: &mut App, of: &str, household: u64| {
        ask(app, "subjects", json!({"of": of, "village": village_a(), "household": id(household)}))
    };
    let businesses = list(&mut app, "business", 11);
    assert_eq!((&businesses[0]["name"], &businesses[0]["here"]), (&json!("Quán nước bà Nam"), &json!(true)));
    assert_eq!(businesses[0]["waiting"], true);
    assert_eq!(list(&mut app, "business", 12)[0]["here"], false, "another household sees it too, further down");
    let products = list(&mut app, "product", 11);
    assert_eq!((&products[0]["name"], &products[0]["words"]), (&json!("Chè tươi"), &json!("Quán nước bà Nam")));
    let other = json!({"of": "product", "village": village_a(), "business": id(99)});
    assert_eq!(ask(&mut app, "subjects", other), json!([]));

    // A village that keeps no persons says so, in words.
    let consent = json!({
        "purposes": ["visit_log"], "notice_version": "1", "language": "vi", "method": "spoken_witnessed",
        "withdrawn": false,
    });
    let person = json!({
        "call": call(3), "village": village_a(), "household": id(11), "name": "Nguyễn Thị Mẫu", "consent": consent,
    });
    assert_eq!(refused(&mut app, "person_create", person).code, "persons_not_kept");
    assert_eq!(list(&mut app, "person", 11), json!([]));

    sync(&mut app, &mut server);
    assert_eq!(list(&mut app, "business", 11)[0]["waiting"], false);
    assert_eq!(ask(&mut app, "attention", json!({})), json!([]));
}

#[test]
fn whoever_leads_a_team_sees_what_it_did_and_nobody_else_does() {
    let (mut server, mut app) = phone();
    assert_eq!(ask(&mut app, "team_overview", json!({})), json!([]), "a member leads none");
    for (n, name) in [(1, "Vàng Thị Mỷ"), (2, "Sùng A Mẫu")] {
        let who = MemberIdentity { team: team(), user: user(n), display_name: name.into(), ext: Ext::default() };
        let values = vec![(team_member::IDENTITY, Raw(who.cbor()))];
        server.put_register(village_a().into(), RowType::TEAM_MEMBER, id(0x7e00 + n), values);
    }
    for (n, published) in [(1, Some(Day(20_000))), (2, None)] {
        let goal =
            TargetGoal { indicator: None, kind: Some("vneid_level2".into()), value: "10".into(), ext: Ext::default() };
        let state = TargetState { role: "commune_officer".into(), published, ext: Ext::default() };
        let values = vec![(target::GOAL, Raw(goal.cbor())), (target::STATE, Raw(state.cbor()))];
        server.put_register(village_a().into(), RowType::TARGET, id(0x7a00 + n), values);
    }
    server.grant(user(1), &[(village_a(), Role::TeamLeader)]);
    sync(&mut app, &mut server);
    let record = |app: &mut App, n: u64, household: u64| {
        let form = with(&form(Some(household)), done());
        let draft = ask(app, "draft_begin", json!({"call": call(n), "form": form}))["id"].clone();
        ask(app, "draft_finish", json!({"id": draft, "form": form, "submit": true}));
    };
    record(&mut app, 1, 11);
    sync(&mut app, &mut server);
    record(&mut app, 2, 12);
    let teams = ask(&mut app, "team_overview", json!({}));
    assert_eq!(teams[0]["team"]["id"], json!(team()));
    assert_eq!((&teams[0]["recorded"], &teams[0]["confirmed"]), (&json!(2), &json!(1)));
    let members = teams[0]["members"].as_array().unwrap();
    let shown = |at: usize| (&members[at]["name"], &members[at]["recorded"], &members[at]["quiet_days"]);
    assert_eq!(shown(0), (&json!("Sùng A Mẫu"), &json!(0), &Value::Null), "whoever was never seen comes first");
    assert_eq!(shown(1), (&json!("Vàng Thị Mỷ"), &json!(2), &json!(0)));
    assert_eq!(members[1]["confirmed"], 1);
    let target = &teams[0]["targets"][0];
    assert_eq!((&target["own"], &target["goal"], &target["so_far"]), (&json!(true), &json!("10"), &json!("2")));
    assert_eq!(teams[0]["targets"].as_array().unwrap().len(), 1, "a draft of a target is nobody's business");

    let later = ask(&mut app, "team_overview", json!({"day": "2026-12-04"}));
    let mine = &later[0]["members"][1];
    assert_eq!((&mine["quiet_days"], &mine["last_day"]), (&json!(14), &json!("2026-11-20")));
}
