//! The phone against a small server: nothing saved is lost, nothing foreign stays, every number agrees.

#![allow(clippy::unwrap_used)]

mod support;

use client_core::store::*;
use client_core::sync::{Ended, Failure, Transport, drive};
use client_core::{Error, Location, Store};
use support::*;
use sync_protocol::access::Role;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::row::*;
use sync_protocol::wire::*;

fn now(server: &MiniServer) -> ClaimedMs {
    ClaimedMs(server.now)
}

/// The copy is a copy, everything derived follows from it, and SQLite finds no damage.
#[track_caller]
fn assert_in_sync(store: &mut Store, server: &MiniServer, user: UserId) {
    assert_eq!(store.base_dump().unwrap(), server.expected(user));
    assert_sound(store);
}

#[track_caller]
fn assert_sound(store: &mut Store) {
    assert_eq!(store.rebuild_check().unwrap(), Vec::<String>::new());
    assert_eq!(store.integrity().unwrap(), Vec::<String>::new());
    assert!(store.bucket_reports().unwrap().iter().all(|bucket| bucket.digest_right));
}

fn class(store: &mut Store, n: u64) -> Option<String> {
    store.household(HouseholdId(id(n)), 5, Day(0)).unwrap().class
}

fn class_group(class: &str) -> [(GroupKey, Raw); 1] {
    [(household::CLASS, Raw(HouseholdClass { class: class.into(), ext: Ext::default() }.cbor()))]
}

#[test]
fn a_visit_goes_up_is_returned_corrected_and_approved_and_every_number_agrees() {
    let (mut server, mut store, mut random) = world();
    let month = Month::parse("2026-12").unwrap();
    let at = now(&server);
    let saved = store.record_visit(entry(Some(11), "done", true), at, &mut random).unwrap();
    let visit = VisitId(saved.row);
    let counts = store.counts(month).unwrap();
    assert_eq!((counts.visits.recorded, counts.visits.confirmed), (1, 0));
    assert_eq!(store.visit(visit).unwrap().delivery, Delivery::Recorded);
    assert!(store.visit(visit).unwrap().summary.waiting);

    let summary = sync(&mut store, &mut random, &mut server);
    assert_eq!((summary.ended, summary.applied), (Ended::Complete, 1));
    assert_in_sync(&mut store, &server, user(1));
    let page = store.visit(visit).unwrap();
    assert_eq!(
        (page.delivery, page.summary.status.as_str(), page.summary.waiting),
        (Delivery::Confirmed, "submitted", false)
    );
    let counts = store.counts(month).unwrap();
    assert_eq!((counts.visits.recorded, counts.visits.confirmed, counts.visits.approved), (1, 1, 0));

    server.review(user(9), visit, Some("Ghi lại kết quả giúp tôi."));
    sync(&mut store, &mut random, &mut server);
    let returned = store.returned().unwrap();
    let review = returned[0].review.as_ref().unwrap();
    assert_eq!(review.note.as_deref(), Some("Ghi lại kết quả giúp tôi."));
    assert_eq!((review.reasons[0].code.as_str(), review.reasons[0].activity), ("wrong_answer", Some(0)));

    let at = now(&server);
    let seen = store.visit_base_ver(visit).unwrap();
    store.correct_visit(visit, seen, &content(Some(11), "already"), true, at, &mut random).unwrap();
    assert!(store.returned().unwrap().is_empty());
    let counts = store.counts(month).unwrap();
    assert_eq!((counts.achieved.recorded, counts.achieved.confirmed), (0, 1));
    sync(&mut store, &mut random, &mut server);
    assert_in_sync(&mut store, &server, user(1));
    server.review(user(9), visit, None);
    sync(&mut store, &mut random, &mut server);
    let counts = store.counts(month).unwrap();
    assert_eq!((counts.visits.recorded, counts.visits.confirmed, counts.visits.approved), (1, 1, 1));
    let why = store.explain(visit).unwrap();
    assert_eq!((why.month.as_str(), why.approved, why.recorded == why.confirmed), ("2026-12", true, true));
    assert!(counts.consistent_at_ms > 0);
}

#[test]
fn nothing_is_saved_that_the_rules_refuse() {
    let (server, mut store, mut random) = world();
    let mut wrong = entry(Some(11), "done", true);
    wrong.content.activities.clear();
    let refused = store.record_visit(wrong, now(&server), &mut random).unwrap_err();
    assert!(matches!(&refused, Error::Refused(refused) if refused.code == "nothing_done"), "{refused:?}");
    let mut foreign = entry(Some(11), "done", true);
    foreign.content.village = village_b();
    assert!(matches!(store.record_visit(foreign, now(&server), &mut random), Err(Error::Refused(_))));
    assert!(store.outbox().unwrap().is_empty());
    assert!(store.visits(&VisitFilter::default()).unwrap().is_empty());
    assert_sound(&mut store);
}

#[test]
fn an_answer_cut_anywhere_is_continued_and_ends_in_the_same_base() {
    let (mut server, _, _) = world();
    server.frame_rows = 2;
    // How long the whole answer to a first request is.
    let (mut probe, mut random) = server.clone().phone(user(1), 2);
    let mut copy = server.clone();
    copy.enrol(&mut probe, user(1), 2, &mut random);
    let mut link = Link::to(&mut copy);
    sync_over(&mut probe, &mut random, &mut link);
    let length = link.answers[0].len();
    for cut in (0..length).step_by(7).chain([length - 1]) {
        let mut server = server.clone();
        let (mut store, mut random) = server.phone(user(1), 3);
        store.device_public_key(&mut random).unwrap();
        let mut link = Link::to(&mut server);
        link.cut = Some((1, cut));
        sync_over(&mut store, &mut random, &mut link);
        assert_sound(&mut store);
        let summary = sync(&mut store, &mut random, &mut server);
        assert_eq!(summary.ended, Ended::Complete, "cut at {cut}");
        assert_in_sync(&mut store, &server, user(1));
    }
}

#[test]
fn a_lost_answer_doubles_nothing_however_often_it_is_lost() {
    let (mut server, mut store, mut random) = world();
    let at = now(&server);
    store.record_visit(entry(Some(11), "done", true), at, &mut random).unwrap();
    let mut lengths = Vec::new();
    for _ in 0..6 {
        let mut link = Link::to(&mut server);
        link.lose = 1;
        let summary = sync_over(&mut store, &mut random, &mut link);
        assert!(matches!(summary.ended, Ended::Failed(_)));
        lengths.push(link.sent[0].len());
    }
    // No failure enlarges the remaining work.
    assert!(lengths.windows(2).skip(1).all(|pair| pair[1] <= pair[0]), "{lengths:?}");
    sync(&mut store, &mut random, &mut server);
    assert_eq!(store.visits(&VisitFilter::default()).unwrap().len(), 1);
    assert_in_sync(&mut store, &server, user(1));
}

#[test]
fn frames_that_come_twice_change_nothing() {
    let (mut server, _, _) = world();
    server.frame_rows = 1;
    let (mut store, mut random) = server.phone(user(1), 5);
    let mut link = Link::to(&mut server);
    link.doubled = true;
    let summary = sync_over(&mut store, &mut random, &mut link);
    assert_eq!(summary.ended, Ended::Complete);
    assert_in_sync(&mut store, &server, user(1));
}

#[test]
fn a_whole_old_answer_that_comes_again_does_not_roll_rows_back() {
    let (mut server, _, _) = world();
    let (mut store, mut random) = server.phone(user(1), 5);
    let mut link = Link::to(&mut server);
    sync_over(&mut store, &mut random, &mut link);
    let old = link.answers[0].clone();
    server.set_class(village_a(), id(11), "poor", 77);
    sync(&mut store, &mut random, &mut server);
    assert_eq!(class(&mut store, 11).as_deref(), Some("poor"));
    let mut replay = Answers(|_: &[u8]| Ok(old.clone()));
    let later = ClaimedMs(server.now);
    drive(&mut store, &mut random, &mut replay, &mut || later, true).unwrap();
    assert_eq!(class(&mut store, 11).as_deref(), Some("poor"), "an older answer rolled a row back");
    server.now += 3_600_000;
    sync(&mut store, &mut random, &mut server);
    assert_in_sync(&mut store, &server, user(1));
}

/// Two colleagues behind a proxy that mixes answers up: "1, applied" is said to the other one's visit.
#[test]
fn an_answer_to_another_request_is_not_taken() {
    use client_core::sync::{Failure, Transport, drive};
    struct Mixed(Option<Vec<u8>>);
    impl Transport for Mixed {
        fn exchange(&mut self, _: &[u8]) -> Result<Vec<u8>, Failure> {
            self.0.take().ok_or(Failure::Network)
        }
    }
    let (mut server, mut store, mut random) = world();
    let (mut other, mut others_random) = server.phone(user(1), 2);
    sync(&mut other, &mut others_random, &mut server);
    let at = now(&server);
    let saved = store.record_visit(entry(Some(11), "done", true), at, &mut random).unwrap();
    other.record_visit(entry(Some(12), "done", true), at, &mut others_random).unwrap();
    let mut link = Link::to(&mut server);
    sync_over(&mut other, &mut others_random, &mut link);
    let foreign = link.answers[0].clone();
    let summary = drive(&mut store, &mut random, &mut Mixed(Some(foreign)), &mut || at, true).unwrap();
    assert_eq!((summary.applied, summary.rows), (0, 0), "{summary:?}");
    assert_eq!(store.not_yet_synced().unwrap()[0].uid, saved.uid, "the visit would never arrive");

    sync(&mut store, &mut random, &mut server);
    sync(&mut other, &mut others_random, &mut server);
    assert_in_sync(&mut store, &server, user(1));
    assert_in_sync(&mut other, &server, user(1));
    assert_eq!(other.visits(&VisitFilter::default()).unwrap().len(), 2);
}

/// The design's own first drafts: "echo when cursor ≥ position" and "overlay dropped at ack, before echo" must both fail here.
#[test]
fn an_edit_is_shown_from_the_moment_it_is_saved_until_the_server_shows_it() {
    let (mut server, mut store, mut random) = world();
    server.frame_rows = 1;
    let at = now(&server);
    let seen = store.seen_ver(RowType::HOUSEHOLD, id(12)).unwrap();
    store.set_household(HouseholdId(id(12)), seen, class_group("near_poor"), at, &mut random).unwrap();
    assert_eq!(class(&mut store, 12).as_deref(), Some("near_poor"));
    // The outcome arrives, the row does not: the answer is cut after the outcomes.
    for cut in (20..400).step_by(3) {
        let (mut server, mut store, mut random) = world();
        server.frame_rows = 1;
        let at = now(&server);
        let seen = store.seen_ver(RowType::HOUSEHOLD, id(12)).unwrap();
        store.set_household(HouseholdId(id(12)), seen, class_group("near_poor"), at, &mut random).unwrap();
        let mut link = Link::to(&mut server);
        link.cut = Some((1, cut));
        sync_over(&mut store, &mut random, &mut link);
        assert_eq!(class(&mut store, 12).as_deref(), Some("near_poor"), "the edit vanished after a cut at {cut}");
        sync(&mut store, &mut random, &mut server);
        assert_eq!(class(&mut store, 12).as_deref(), Some("near_poor"));
        assert_in_sync(&mut store, &server, user(1));
    }
}

#[test]
fn what_came_in_while_a_person_was_looking_is_not_overwritten() {
    let (mut server, mut store, mut random) = world();
    server.set_class(village_a(), id(12), "poor", 77);
    sync(&mut store, &mut random, &mut server);
    let seen = store.seen_ver(RowType::HOUSEHOLD, id(12)).unwrap();
    // The form is open; a colleague's answer arrives behind it.
    server.set_class(village_a(), id(12), "policy", 78);
    sync(&mut store, &mut random, &mut server);
    let at = now(&server);
    store.set_household(HouseholdId(id(12)), seen, class_group("near_poor"), at, &mut random).unwrap();
    sync(&mut store, &mut random, &mut server);
    let cases = store.cases(true).unwrap();
    assert_eq!(cases.len(), 1, "the colleague's answer is kept beside the new one");
    assert_eq!(cases[0].sides.len(), 2);
}

#[test]
fn two_people_who_disagree_unseen_make_a_case_with_both_answers() {
    let (mut server, mut store, mut random) = world();
    server.set_class(village_a(), id(12), "poor", 77);
    sync(&mut store, &mut random, &mut server);
    let at = now(&server);
    server.set_class(village_a(), id(12), "policy", 78);
    let seen = store.seen_ver(RowType::HOUSEHOLD, id(12)).unwrap();
    store.set_household(HouseholdId(id(12)), seen, class_group("near_poor"), at, &mut random).unwrap();
    let seen = store.seen_ver(RowType::HOUSEHOLD, id(12)).unwrap();
    store.set_household(HouseholdId(id(12)), seen, class_group("normal"), at, &mut random).unwrap();
    let summary = sync(&mut store, &mut random, &mut server);
    assert!(summary.with_case >= 1, "{summary:?}");
    assert_in_sync(&mut store, &server, user(1));
    let cases = store.cases(true).unwrap();
    assert_eq!(cases.len(), 1);
    assert!(cases[0].sides.iter().any(|side| side.words == "policy"));
    assert_eq!(class(&mut store, 12).as_deref(), Some("policy"), "a guarded group keeps its value");
    assert_eq!(store.household(HouseholdId(id(12)), 1, Day(0)).unwrap().cases, vec![cases[0].id]);
}

#[test]
fn a_household_that_moves_between_two_villages_never_blinks_out() {
    let (mut server, _, _) = world();
    server.grant(user(1), &[(village_a(), Role::Member), (village_b(), Role::Member)]);
    // One of the two directions brings the tombstone before the new home.
    for (household, name, from, to) in
        [(11, "van nam", village_a(), village_b()), (21, "bimatthonb", village_b(), village_a())]
    {
        for cut in (30..400).step_by(7) {
            let mut server = server.clone();
            let (mut store, mut random) = server.phone(user(1), 4);
            sync(&mut store, &mut random, &mut server);
            server.move_household(id(household), from, to);
            server.frame_rows = 1;
            let mut link = Link::to(&mut server);
            link.cut = Some((1, cut));
            sync_over(&mut store, &mut random, &mut link);
            assert_eq!(store.search_households(name, 5).unwrap().len(), 1, "the household blinked out at {cut}");
            assert_sound(&mut store);
            sync(&mut store, &mut random, &mut server);
            assert_eq!(store.search_households(name, 5).unwrap()[0].scope, to.into());
            assert_in_sync(&mut store, &server, user(1));
        }
    }
}

#[test]
fn a_household_that_leaves_for_a_foreign_village_goes_only_when_the_answer_is_complete() {
    let (mut server, mut store, mut random) = world();
    let at = now(&server);
    store.record_visit(entry(Some(11), "done", false), at, &mut random).unwrap();
    server.move_household(id(11), village_a(), village_b());
    sync(&mut store, &mut random, &mut server);
    assert!(store.search_households("nam", 5).unwrap().is_empty());
    // The visit of the household that went stays a fact.
    assert_eq!(store.visits(&VisitFilter::default()).unwrap().len(), 1);
    assert_in_sync(&mut store, &server, user(1));
}

/// Found by the random worlds: the new home's row arrives before the tombstone, and the outcome before the visit.
#[test]
fn a_visit_to_a_household_that_moved_meanwhile_stays_in_sight_through_every_cut() {
    let (mut server, _, _) = world();
    server.grant(user(1), &[(village_a(), Role::Member), (village_b(), Role::Member)]);
    for household in [11, 12, 13] {
        for cut in (30..500).step_by(11) {
            let mut server = server.clone();
            let (mut store, mut random) = server.phone(user(1), 4);
            sync(&mut store, &mut random, &mut server);
            server.move_household(id(household), village_a(), village_b());
            server.frame_rows = 1;
            let at = now(&server);
            let saved = store.record_visit(entry(Some(household), "done", true), at, &mut random).unwrap();
            let mut link = Link::to(&mut server);
            link.cut = Some((1, cut));
            sync_over(&mut store, &mut random, &mut link);
            assert!(store.visit(VisitId(saved.row)).is_ok(), "the visit vanished after a cut at {cut}");
            sync(&mut store, &mut random, &mut server);
            assert_in_sync(&mut store, &server, user(1));
        }
    }
}

#[test]
fn a_lost_village_leaves_no_byte_in_the_file_and_its_ops_are_still_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phone.db");
    let mut server = MiniServer::new();
    server.put_household(village_a(), 11, "nhà đầu suối", Some("Nguyễn Văn Nam"), None);
    for n in 0..200 {
        server.put_household(
            village_b(),
            500 + n,
            "DAUVETTHONB ở cuối bản",
            Some("Lò Thị DAUVETTHONB"),
            Some("0987654321"),
        );
    }
    server.grant(user(1), &[(village_a(), Role::Member), (village_b(), Role::Member)]);
    let (mut store, mut random) = server.phone_at(Location::File(path.clone()), user(1), 1);
    sync(&mut store, &mut random, &mut server);
    assert_eq!(store.search_households("dauvetthonb", 500).unwrap().len(), 200);
    assert!(found(folder.path(), "DAUVETTHONB"), "the test would see it");
    let mut visit = entry(None, "done", true);
    (visit.content.village, visit.content.team) = (village_b(), TeamId(id(5)));
    visit.content.visit_type = "group".into();
    let draft = DraftBody {
        content: visit.content.clone(),
        plan: None,
        corrects: None,
        base_ver: None,
        form: None,
        ext: Ext::default(),
    };
    let at = now(&server);
    store.begin_draft(&draft, at, &mut random).unwrap();
    store.record_visit(visit, at, &mut random).unwrap();

    server.grant(user(1), &[(village_a(), Role::Member)]);
    let summary = sync(&mut store, &mut random, &mut server);
    assert_eq!(summary.applied, 1, "work from before the move is taken");
    assert_eq!(summary.purged.len(), 1);
    assert_in_sync(&mut store, &server, user(1));
    assert!(store.search_households("dauvetthonb", 5).unwrap().is_empty());
    assert!(store.visits(&VisitFilter::default()).unwrap().is_empty());
    assert!(store.drafts().unwrap()[0].scope_lost);
    for marker in ["DAUVETTHONB", "dauvetthonb", "0987654321", "1234567890"] {
        assert!(!found(folder.path(), marker), "{marker} is still in a file");
    }
    // The server is told once.
    let mut link = Link::to(&mut server);
    sync_over(&mut store, &mut random, &mut link);
    let hello = read_hello(&link.sent[0]);
    assert_eq!(hello.purged.len(), 1);
    let mut link = Link::to(&mut server);
    sync_over(&mut store, &mut random, &mut link);
    assert!(read_hello(&link.sent[0]).purged.is_empty());
}

fn found(folder: &std::path::Path, marker: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(marker.len()).any(|window| window == marker.as_bytes())
    })
}

fn read_hello(request: &[u8]) -> Hello {
    let (_, payload) = Frames::new(request).next().unwrap().unwrap();
    SealedHello::read(&payload).unwrap().hello
}

#[test]
fn an_idle_sync_is_one_small_round_trip_that_names_no_cursor() {
    let (mut server, mut store, mut random) = world();
    let mut link = Link::to(&mut server);
    let summary = sync_over(&mut store, &mut random, &mut link);
    assert_eq!(summary.rounds, 1);
    let hello = read_hello(&link.sent[0]);
    assert!(hello.cursors.is_none() && hello.cursors_short.is_some());
    let (up, down) = (link.sent[0].len(), link.answers[0].len());
    println!("idle: {up} bytes up, {down} bytes down");
    assert!(up + down < 180, "{up} + {down}");
    // A server that forgot asks for them, in the same session.
    server.remembered.clear();
    let summary = sync(&mut store, &mut random, &mut server);
    assert_eq!((summary.rounds, summary.ended), (2, Ended::Complete));
}

#[test]
fn a_phone_restored_from_an_old_copy_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phone.db");
    let (mut server, _, _) = world();
    let (mut store, mut random) = server.phone_at(Location::File(path.clone()), user(1), 6);
    sync(&mut store, &mut random, &mut server);
    let visit = |store: &mut Store, random: &mut Seeded, at: u64| {
        store.record_visit(entry(Some(11), "done", true), ClaimedMs(at), random).unwrap()
    };
    for n in 0..3 {
        visit(&mut store, &mut random, NOW + n);
    }
    sync(&mut store, &mut random, &mut server);
    visit(&mut store, &mut random, NOW + 10);
    drop(store);
    let copy = folder.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    let mut store = Store::open(path.as_path(), None).unwrap();
    for n in 0..2 {
        visit(&mut store, &mut random, NOW + 20 + n);
    }
    sync(&mut store, &mut random, &mut server);
    assert_eq!(store.visits(&VisitFilter::default()).unwrap().len(), 6);
    drop(store);
    // The copy knows four visits, one of them unsent as far as it knows, and goes on by itself.
    let mut store = Store::open(copy.as_path(), None).unwrap();
    let mut random = Seeded(99);
    for n in 0..4 {
        visit(&mut store, &mut random, NOW + 40 + n);
    }
    let summary = sync(&mut store, &mut random, &mut server);
    assert_eq!((summary.ended, summary.new_epochs), (Ended::Complete, 1), "{summary:?}");
    assert_eq!(store.visits(&VisitFilter::default()).unwrap().len(), 10);
    assert_in_sync(&mut store, &server, user(1));
    assert!(store.outbox().unwrap().iter().all(|op| op.verdict.as_deref() == Some("applied")));
    assert!(store.not_yet_synced().unwrap().is_empty());
}

#[test]
fn when_the_server_wants_what_is_nowhere_any_more_a_new_outbox_begins() {
    let (mut server, mut store, mut random) = world();
    let backup = server.clone();
    for n in 0..3 {
        store.record_visit(entry(Some(11), "done", true), ClaimedMs(NOW + n), &mut random).unwrap();
    }
    sync(&mut store, &mut random, &mut server);
    // The server says that these are in a backup; the phone forgets them.
    server.outboxes.values_mut().for_each(|outbox| outbox.durable_upto = 3);
    sync(&mut store, &mut random, &mut server);
    assert!(store.outbox().unwrap().is_empty());
    // And is then restored to a backup that is older than it had promised.
    server.restore(&backup);
    let at = now(&server);
    store.record_visit(entry(Some(12), "done", true), at, &mut random).unwrap();
    let summary = sync(&mut store, &mut random, &mut server);
    assert_eq!((summary.ended, summary.new_epochs), (Ended::Complete, 1), "{summary:?}");
    assert!(store.not_yet_synced().unwrap().is_empty());
    assert_in_sync(&mut store, &server, user(1));
}

#[test]
fn a_restored_server_gets_back_what_it_lost_and_rows_never_mix() {
    let (mut server, mut store, mut random) = world();
    sync(&mut store, &mut random, &mut server);
    let backup = server.clone();
    let at = now(&server);
    store.record_visit(entry(Some(11), "done", true), at, &mut random).unwrap();
    let seen = store.seen_ver(RowType::HOUSEHOLD, id(12)).unwrap();
    store.set_household(HouseholdId(id(12)), seen, class_group("near_poor"), at, &mut random).unwrap();
    server.set_class(village_a(), id(13), "poor", 77);
    sync(&mut store, &mut random, &mut server);
    assert_in_sync(&mut store, &server, user(1));

    server.restore(&backup);
    server.frame_rows = 1;
    server.frames_max = 2;
    // While the new copy comes in, the old one is shown whole.
    let mut link = Link::to(&mut server);
    link.cut = Some((2, 60));
    let summary = sync_over(&mut store, &mut random, &mut link);
    assert!(summary.server_restored);
    assert_eq!(class(&mut store, 13).as_deref(), Some("poor"), "old and new rows were mixed");
    assert_eq!(class(&mut store, 12).as_deref(), Some("near_poor"));
    assert_sound(&mut store);
    server.frames_max = 1_000;
    let summary = sync(&mut store, &mut random, &mut server);
    assert_eq!(summary.ended, Ended::Complete, "{summary:?}");
    assert_in_sync(&mut store, &server, user(1));
    assert_eq!(class(&mut store, 13), None);
    assert_eq!(class(&mut store, 12).as_deref(), Some("near_poor"), "the phone was the backup");
    assert_eq!(store.visits(&VisitFilter::default()).unwrap().len(), 1);
    assert_eq!(store.counts(Month::parse("2026-12").unwrap()).unwrap().visits.confirmed, 1);
}

#[test]
fn a_copy_that_differs_is_found_and_healed_with_the_outbox_untouched() {
    let (mut server, mut store, mut random) = world();
    sync(&mut store, &mut random, &mut server);
    // The server's row changes without a new position: what a lost write on the phone looks like from outside.
    let bucket = server.buckets.get_mut(&BucketId::of(village_a().into(), RowType::HOUSEHOLD, ServerMs(0))).unwrap();
    let place = bucket.places[&(RowType::HOUSEHOLD, id(11))];
    let row = bucket.rows.get_mut(&place).unwrap();
    let mut register = Register::from_cbor(&row.3).unwrap();
    register.ver = Ver(register.ver.0 + 5);
    (row.2, row.3) = (register.ver, register.cbor());
    server.defer_all = true;
    let at = now(&server);
    store.record_visit(entry(Some(12), "done", true), at, &mut random).unwrap();
    let summary = sync(&mut store, &mut random, &mut server);
    assert_eq!(summary.digest, Some(DigestCheck::AskHeads), "{summary:?}");
    assert_eq!((summary.reloaded, summary.ended), (1, Ended::Complete));
    assert_in_sync(&mut store, &server, user(1));
    assert_eq!(store.needs_attention().unwrap().len(), 1);
    // The same again on the same day: it is reported, and not tried in a loop.
    let bucket = server.buckets.get_mut(&BucketId::of(village_a().into(), RowType::HOUSEHOLD, ServerMs(0))).unwrap();
    bucket.rows.get_mut(&place).unwrap().2 = Ver(register.ver.0 + 9);
    server.now -= 3 * 3_600_000;
    let requests = server.requests;
    for _ in 0..4 {
        server.now -= 3_600_000;
        sync(&mut store, &mut random, &mut server);
        server.now += 1;
    }
    assert!(server.requests - requests < 12, "{}", server.requests - requests);
    assert!(store.sync_state().unwrap().differs);
}

#[test]
fn a_refused_op_that_was_dealt_with_does_not_block_what_a_restored_server_has_lost() {
    let (mut server, mut store, mut random) = world();
    sync(&mut store, &mut random, &mut server);
    let backup = server.clone();
    let at = now(&server);
    let saved = store.record_visit(entry(Some(11), "done", true), at, &mut random).unwrap();
    let place = (RowType::TEAM, team().0);
    let control = |(id, _): &(&BucketId, &mut _)| id.class == Class::Control && id.scope == village_a().into();
    let bucket = server.buckets.iter_mut().find(control).unwrap().1;
    let at_seq = bucket.places.remove(&place).unwrap();
    bucket.rows.remove(&at_seq);
    bucket.head += 1;
    bucket.gen_ += 1;
    assert_eq!(sync(&mut store, &mut random, &mut server).rejected, 1);
    store.dismiss(saved.uid).unwrap();
    let seen = store.seen_ver(RowType::HOUSEHOLD, id(12)).unwrap();
    store.set_household(HouseholdId(id(12)), seen, class_group("near_poor"), at, &mut random).unwrap();
    sync(&mut store, &mut random, &mut server);

    // The server wants the refused op again, which nobody offers any more.
    server.restore(&backup);
    let summary = sync(&mut store, &mut random, &mut server);
    assert!(summary.server_restored);
    sync(&mut store, &mut random, &mut server);
    assert!(store.not_yet_synced().unwrap().is_empty(), "what came after the refused op has arrived");
    assert_eq!(class(&mut store, 12).as_deref(), Some("near_poor"));
    assert_in_sync(&mut store, &server, user(1));
}

#[test]
fn a_refused_op_stays_in_sight_until_somebody_has_dealt_with_it() {
    let (mut server, mut store, mut random) = world();
    let at = now(&server);
    let saved = store.record_visit(entry(Some(11), "done", true), at, &mut random).unwrap();
    // Meanwhile the team is dissolved: what the phone could not know.
    let bucket = server
        .buckets
        .iter_mut()
        .find(|(id, _)| id.class == Class::Control && id.scope == village_a().into())
        .unwrap()
        .1;
    let place = bucket.places.remove(&(RowType::TEAM, team().0)).unwrap();
    bucket.rows.remove(&place);
    bucket.head += 1;
    bucket.gen_ += 1;
    let summary = sync(&mut store, &mut random, &mut server);
    assert_eq!(summary.rejected, 1, "{summary:?}");
    assert!(store.visits(&VisitFilter::default()).unwrap().is_empty());
    for _ in 0..3 {
        let attention = store.needs_attention().unwrap();
        assert_eq!(attention.len(), 1);
        assert_eq!((attention[0].uid, attention[0].code.as_deref()), (saved.uid, Some("not_found")));
        assert!(attention[0].vi.is_some() && attention[0].field.as_deref() == Some("team"));
        server.outboxes.values_mut().for_each(|outbox| outbox.durable_upto = 1);
        sync(&mut store, &mut random, &mut server);
    }
    assert!(store.op_bytes(saved.uid).unwrap().is_some(), "all its data is still here");
    store.dismiss(saved.uid).unwrap();
    assert!(store.needs_attention().unwrap().is_empty());
    sync(&mut store, &mut random, &mut server);
    assert!(store.outbox().unwrap().is_empty());
}

#[test]
fn an_op_that_was_forgotten_leaves_no_byte_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, _, _) = world();
    let (mut store, mut random) = server.phone_at(Location::File(folder.path().join("phone.db")), user(1), 1);
    sync(&mut store, &mut random, &mut server);
    let at = now(&server);
    let mut visit = entry(Some(11), "done", true);
    visit.content.summary = Some("DAUVETBITUCHOI".into());
    let saved = store.record_visit(visit, at, &mut random).unwrap();
    // Meanwhile the team is dissolved: the visit is refused, and only its op holds what was written.
    let control = |(id, _): &(&BucketId, &mut _)| id.class == Class::Control && id.scope == village_a().into();
    let bucket = server.buckets.iter_mut().find(control).unwrap().1;
    let place = bucket.places.remove(&(RowType::TEAM, team().0)).unwrap();
    bucket.rows.remove(&place);
    bucket.head += 1;
    bucket.gen_ += 1;
    assert_eq!(sync(&mut store, &mut random, &mut server).rejected, 1);
    store.dismiss(saved.uid).unwrap();
    assert!(found(folder.path(), "DAUVETBITUCHOI"), "the test would see it");
    server.outboxes.values_mut().for_each(|outbox| outbox.durable_upto = 1);
    sync(&mut store, &mut random, &mut server);
    assert!(store.outbox().unwrap().is_empty());
    assert!(!found(folder.path(), "DAUVETBITUCHOI"), "it is still in a file");
}

#[test]
fn what_was_loaded_for_a_server_that_was_restored_once_more_leaves_no_byte_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, _, _) = world();
    let (mut store, mut random) = server.phone_at(Location::File(folder.path().join("phone.db")), user(1), 1);
    sync(&mut store, &mut random, &mut server);
    let backup = server.clone();
    // The restored server grants another village, whose rows begin to come in beside the copy that is shown.
    server.restore(&backup);
    server.grant(user(1), &[(village_a(), Role::Member), (village_b(), Role::Member)]);
    (server.frame_rows, server.frames_max) = (1, 2);
    while !found(folder.path(), "DAU-VET-THON-B") {
        let now = ClaimedMs(server.now);
        server.now += 3_600_000;
        let mut left = 2;
        let mut link = Answers(|request: &[u8]| {
            left -= 1;
            if left < 0 { Err(Failure::Network) } else { server.exchange(request) }
        });
        let summary = drive(&mut store, &mut random, &mut link, &mut || now, true).unwrap();
        assert_ne!(summary.ended, Ended::Complete, "the test comes too late");
    }
    // It is restored once more, to a day when the village was not granted.
    let epoch = server.epoch;
    server.restore(&backup);
    server.epoch = epoch + 1;
    server.frames_max = 1_000;
    let summary = sync(&mut store, &mut random, &mut server);
    assert_eq!(summary.ended, Ended::Complete, "{summary:?}");
    assert_in_sync(&mut store, &server, user(1));
    assert!(!found(folder.path(), "DAU-VET-THON-B"), "it is still in a file");
}

#[test]
fn a_server_that_asks_for_cursors_is_shown_them_before_a_new_copy_begins() {
    let (mut server, mut store, mut random) = world();
    let backup = server.clone();
    server.restore(&backup);
    sync(&mut store, &mut random, &mut server);
    let epoch = server.epoch;
    // It is put back in secret: it knows neither the phone's cursors nor the epoch that they are of.
    server = backup;
    server.now += 3_600_000;
    server.remembered.clear();
    let mut link = Link::to(&mut server);
    sync_over(&mut store, &mut random, &mut link);
    let hello = read_hello(&link.sent[1]);
    assert_eq!(hello.server_epoch, epoch);
    assert!(hello.cursors.is_some_and(|cursors| !cursors.0.is_empty()), "the proof of what was lost is kept back");
}

#[test]
fn an_old_copy_of_a_phone_does_not_take_the_answers_that_the_phone_once_got() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("phone.db"), folder.path().join("copy.db"));
    let (mut server, _, _) = world();
    let (store, mut random) = server.phone_at(Location::File(path.clone()), user(1), 1);
    drop(store);
    std::fs::copy(&path, &copy).unwrap();
    let mut store = Store::open(Location::File(path), None).unwrap();
    let mut link = Link::to(&mut server);
    sync_over(&mut store, &mut random, &mut link);
    let old = link.answers.clone();
    server.grant(user(1), &[(village_b(), Role::Member)]);
    // The copy asks just what the phone asked first, and a confused proxy gives the answer of then.
    let mut store = Store::open(Location::File(copy), None).unwrap();
    let mut replayed = old.into_iter();
    let mut proxy = Answers(|_: &[u8]| replayed.next().ok_or(Failure::Network));
    let now = ClaimedMs(server.now);
    let summary = drive(&mut store, &mut random, &mut proxy, &mut || now, true).unwrap();
    assert_ne!(summary.ended, Ended::Complete, "{summary:?}");
    assert!(store.base_dump().unwrap().is_empty(), "rows of a village that is not granted any more");
}

/// A link that is a function.
struct Answers<F>(F);

impl<F: FnMut(&[u8]) -> Result<Vec<u8>, Failure>> Transport for Answers<F> {
    fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, Failure> {
        (self.0)(request)
    }
}

#[test]
fn a_deferred_op_is_shown_and_asked_about_until_it_is_decided() {
    let (mut server, mut store, mut random) = world();
    server.defer_all = true;
    let at = now(&server);
    let saved = store.record_visit(entry(Some(11), "done", true), at, &mut random).unwrap();
    sync(&mut store, &mut random, &mut server);
    assert_eq!(store.visits(&VisitFilter::default()).unwrap().len(), 1, "a person's own visit stays in sight");
    let mut link = Link::to(&mut server);
    sync_over(&mut store, &mut random, &mut link);
    assert_eq!(read_hello(&link.sent[0]).ask, vec![saved.n]);
    assert_eq!(store.needs_attention().unwrap()[0].verdict.as_deref(), Some("deferred"));
}

#[test]
fn only_what_is_durable_is_forgotten() {
    let (mut server, mut store, mut random) = world();
    for n in 0..5 {
        store.record_visit(entry(Some(11), "done", true), ClaimedMs(NOW + n), &mut random).unwrap();
    }
    sync(&mut store, &mut random, &mut server);
    assert_eq!(store.outbox().unwrap().len(), 5);
    server.outboxes.values_mut().for_each(|outbox| outbox.durable_upto = 3);
    sync(&mut store, &mut random, &mut server);
    assert_eq!(store.outbox().unwrap().iter().map(|op| op.n).collect::<Vec<_>>(), vec![4, 5]);
    let mut link = Link::to(&mut server);
    sync_over(&mut store, &mut random, &mut link);
    assert_eq!(read_hello(&link.sent[0]).oldest_n, 4);
    // Thirty days after the answer even a server without backups lets go.
    server.now += 31 * 86_400_000;
    sync(&mut store, &mut random, &mut server);
    assert!(store.outbox().unwrap().is_empty());
    let at = now(&server);
    store.record_visit(entry(Some(11), "done", true), at, &mut random).unwrap();
    assert_eq!(sync(&mut store, &mut random, &mut server).ended, Ended::Complete);
    assert_in_sync(&mut store, &server, user(1));
}

#[test]
fn a_new_enrolment_of_the_same_person_delivers_what_waits_and_another_person_is_refused() {
    let (mut server, mut store, mut random) = world();
    for n in 0..2 {
        store.record_visit(entry(Some(11), "done", true), ClaimedMs(NOW + n), &mut random).unwrap();
    }
    sync(&mut store, &mut random, &mut server);
    store.record_visit(entry(Some(12), "done", true), ClaimedMs(NOW + 9), &mut random).unwrap();
    server.enrol(&mut store, user(1), 44, &mut random);
    assert_eq!(store.not_yet_synced().unwrap().len(), 3);
    sync(&mut store, &mut random, &mut server);
    assert_eq!(store.visits(&VisitFilter::default()).unwrap().len(), 3);
    assert_in_sync(&mut store, &server, user(1));
    let stranger = Enrolment {
        user: user(2),
        display_name: String::new(),
        device: DeviceId(id(5_000)),
        session: 9,
        sync_key: [0; 32],
        refresh_token: String::new(),
        access_token: String::new(),
        server: None,
    };
    assert!(matches!(store.enrol(stranger, &mut random), Err(Error::OtherUser)));
    assert_eq!(store.visits(&VisitFilter::default()).unwrap().len(), 3);
}

#[test]
fn a_revoked_device_delivers_first_and_then_forgets() {
    let (mut server, mut store, mut random) = world();
    let at = now(&server);
    store.record_visit(entry(Some(11), "done", true), at, &mut random).unwrap();
    server.devices.values_mut().for_each(|device| device.revoked = true);
    let summary = sync(&mut store, &mut random, &mut server);
    assert_eq!((summary.ended, summary.applied), (Ended::Wiped, 1));
    assert!(store.base_dump().unwrap().is_empty());
    assert!(store.households().unwrap().is_empty());
    assert_eq!(store.outbox().unwrap().len(), 1, "ops are kept");
    assert!(store.sync_state().unwrap().wiped);
}

#[test]
fn a_clock_that_is_wrong_by_more_than_a_day_is_told_and_holds_nothing_up() {
    let (mut server, mut store, mut random) = world();
    const DAY_MS: i64 = 86_400_000;
    for (off, is_wrong) in [(DAY_MS, false), (DAY_MS + 1, true), (-DAY_MS - 1, true), (0, false)] {
        let at = now(&server);
        store.record_visit(entry(Some(11), "done", true), at, &mut random).unwrap();
        server.now += 3_600_000;
        let clock = ClaimedMs(server.now.strict_add_signed(off));
        let mut link = Link::to(&mut server);
        let summary = drive(&mut store, &mut random, &mut link, &mut || clock, true).unwrap();
        assert_eq!((summary.ended, summary.applied), (Ended::Complete, 1));
        assert_eq!(store.sync_state().unwrap().clock_wrong, is_wrong, "{off}");
    }
}

#[test]
fn a_failed_attempt_makes_the_next_one_wait_and_smaller_and_a_person_may_insist_once_a_minute() {
    use client_core::sync::{Event, Failure, Instruction, Session};
    let (_, mut store, mut random) = world();
    for n in 0..200 {
        store.record_visit(entry(Some(11), "done", true), ClaimedMs(NOW + n), &mut random).unwrap();
    }
    let mut session = Session::new();
    let mut at = NOW + 10_000_000;
    let mut lengths = Vec::new();
    let mut waits = Vec::new();
    for _ in 0..12 {
        let Instruction::Send(request) =
            session.on(&mut store, &mut random, Event::Start { now: ClaimedMs(at), user_pressed: false }).unwrap()
        else {
            panic!("it waits without a reason")
        };
        lengths.push(request.len());
        let failed = Event::Failed { kind: Failure::Network, now: ClaimedMs(at) };
        let Instruction::RetryAfter { wait_ms } = session.on(&mut store, &mut random, failed).unwrap() else {
            panic!()
        };
        let early = Event::Start { now: ClaimedMs(at), user_pressed: false };
        assert_eq!(session.on(&mut store, &mut random, early).unwrap(), Instruction::RetryAfter { wait_ms });
        waits.push(wait_ms);
        at += wait_ms;
    }
    assert!(lengths.windows(2).skip(1).all(|pair| pair[1] <= pair[0]), "{lengths:?}");
    assert!(lengths[11] < lengths[0] / 4, "{lengths:?}");
    assert!(waits.iter().all(|wait| *wait <= client_core::sync::BACKOFF_MAX_MS + 1));
    assert!(waits.iter().max() > waits.first());

    let failed = |session: &mut Session, store: &mut Store, random: &mut Seeded, at: u64| {
        session
            .on(store, random, Event::Failed { kind: Failure::Busy { retry_after_ms: 600_000 }, now: ClaimedMs(at) })
            .unwrap()
    };
    let press = |session: &mut Session, store: &mut Store, random: &mut Seeded, at: u64| {
        session.on(store, random, Event::Start { now: ClaimedMs(at), user_pressed: true }).unwrap()
    };
    press(&mut session, &mut store, &mut random, at);
    failed(&mut session, &mut store, &mut random, at);
    assert!(matches!(press(&mut session, &mut store, &mut random, at + 1), Instruction::Send(_)));
    failed(&mut session, &mut store, &mut random, at + 1);
    assert!(matches!(press(&mut session, &mut store, &mut random, at + 30_000), Instruction::RetryAfter { .. }));
    assert!(matches!(press(&mut session, &mut store, &mut random, at + 62_000), Instruction::Send(_)));
    // A clock that stands still shows the moment of the last press for ever.
    let stopped = at + 62_000;
    failed(&mut session, &mut store, &mut random, stopped);
    assert!(matches!(press(&mut session, &mut store, &mut random, stopped), Instruction::Send(_)));
    failed(&mut session, &mut store, &mut random, stopped);
    assert!(matches!(press(&mut session, &mut store, &mut random, stopped), Instruction::Send(_)));
    // A clock that was set back by years must not keep the phone silent for years.
    failed(&mut session, &mut store, &mut random, at + 62_000);
    let back = Event::Start { now: ClaimedMs(1_000), user_pressed: false };
    assert!(matches!(session.on(&mut store, &mut random, back).unwrap(), Instruction::Send(_)));
}

#[test]
fn a_phone_whose_clock_is_wrong_still_records_and_delivers() {
    let (mut server, mut store, mut random) = world();
    for (n, clock) in [0, 1_000, 2_145_916_800_000].into_iter().enumerate() {
        let mut visit = entry(Some(11), "done", true);
        visit.content.minutes = Some(n as u32);
        store.record_visit(visit, ClaimedMs(clock), &mut random).unwrap();
    }
    let summary = sync(&mut store, &mut random, &mut server);
    assert_eq!((summary.applied, summary.rejected), (3, 0));
    assert_in_sync(&mut store, &server, user(1));
}

#[test]
fn rubbish_from_the_wire_changes_nothing_and_breaks_nothing() {
    use client_core::sync::{Failure, Transport, drive};
    struct Rubbish(Vec<u8>);
    impl Transport for Rubbish {
        fn exchange(&mut self, _: &[u8]) -> Result<Vec<u8>, Failure> {
            Ok(self.0.clone())
        }
    }
    let (mut server, mut store, mut random) = world();
    let before = store.base_dump().unwrap();
    let mut link = Link::to(&mut server);
    sync_over(&mut store, &mut random, &mut link);
    let honest = link.answers[0].clone();
    let mut at = server.now;
    for seed in 0..400u64 {
        let mut bytes = honest.clone();
        let mut draw = Seeded(seed);
        for _ in 0..3 {
            let mut four = [0; 4];
            client_core::Random::fill(&mut draw, &mut four);
            let place = u32::from_be_bytes(four) as usize % bytes.len();
            bytes[place] ^= four[0] | 1;
        }
        at += 7_200_000;
        drive(&mut store, &mut random, &mut Rubbish(bytes), &mut || ClaimedMs(at), true).unwrap();
    }
    assert_sound(&mut store);
    assert_eq!(store.outbox().unwrap().len(), 0);
    server.now = at + 7_200_000;
    sync(&mut store, &mut random, &mut server);
    server.now += 86_400_000;
    sync(&mut store, &mut random, &mut server);
    assert_in_sync(&mut store, &server, user(1));
    assert_eq!(store.base_dump().unwrap(), before);
}

#[test]
fn thousands_of_waiting_ops_stay_linear() {
    let (server, mut store, mut random) = world();
    let mut server = server;
    let mut took = Vec::new();
    for round in 0..2 {
        let start = std::time::Instant::now();
        for n in 0..1_000u64 {
            let visit = entry(Some(11 + n % 3), "done", true);
            store.record_visit(visit, ClaimedMs(NOW + round * 1_000_000 + n), &mut random).unwrap();
        }
        took.push(start.elapsed());
    }
    println!("1,000 saves: {took:?}");
    assert!(took[1] < took[0] * 3, "saving slows down: {took:?}");
    let start = std::time::Instant::now();
    let summary = sync(&mut store, &mut random, &mut server);
    println!("2,000 pushed and echoed in {:?}: {summary:?}", start.elapsed());
    assert_eq!((summary.ended, summary.applied), (Ended::Complete, 2_000));
    assert_in_sync(&mut store, &server, user(1));
}
