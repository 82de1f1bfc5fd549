//! What commune and province tell a village, on its phone; courses taken without a connection.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;

use support::*;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::course::Courses;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::row::RowType;

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn now(server: &MiniServer) -> ClaimedMs {
    ClaimedMs(server.now)
}

fn campaign(
    server: &mut MiniServer,
    scope: UnitId,
    n: u64,
    weekly: Option<u8>,
    targets: &[(UnitId, u64)],
    is_out: bool,
) {
    let ext = Ext::default;
    let frame = CampaignFrame {
        kind: if weekly.is_some() { "thursday_online" } else { "drive" }.into(),
        from: day("2026-11-16"),
        to: day("2026-11-30"),
        weekly,
        yearly: None,
        kinds: vec!["vneid_level2".into()],
        ext: ext(),
    };
    let title = format!("Đợt {n}");
    let words = CampaignWords { title, theme: None, partners: vec![], daily_report: false, ext: ext() };
    let target = |(unit, value): &(UnitId, u64)| CampaignTarget {
        unit: *unit,
        kind: "vneid_level2".into(),
        value: *value,
        ext: ext(),
    };
    let targets = CampaignTargets { targets: targets.iter().map(target).collect(), ext: ext() };
    let state = CampaignState { published: is_out.then(|| day("2026-11-15")), closed: None, ext: ext() };
    let values = [
        (campaign::FRAME, Raw(frame.cbor())),
        (campaign::WORDS, Raw(words.cbor())),
        (campaign::TARGETS, Raw(targets.cbor())),
        (campaign::STATE, Raw(state.cbor())),
    ];
    server.put_register(scope.into(), RowType::CAMPAIGN, id(n), values);
}

fn announcement(server: &mut MiniServer, n: u64, from: &str, to: &str, withdrawn: bool) {
    let said = AnnouncementWords {
        title: format!("Thông báo {n}"),
        body: "Thứ bảy, tại nhà văn hoá thôn.".into(),
        from: day(from),
        to: day(to),
        unit_name: "Xã Mường Thử".into(),
        ext: Ext::default(),
    };
    let withdrawn = withdrawn.then(|| day(from));
    let stands = AnnouncementState { published: day(from), withdrawn, ext: Ext::default() };
    let values = [(announcement::WORDS, Raw(said.cbor())), (announcement::STATE, Raw(stands.cbor()))];
    server.put_register(commune().into(), RowType::ANNOUNCEMENT, id(n), values);
}

#[test]
fn what_runs_today_is_shown_with_the_village_s_own_counts_and_every_target_from_above() {
    let (mut server, mut store, mut random) = world();
    let province = UnitId(id(900));
    server.above.insert(province.into());
    campaign(&mut server, commune(), 901, None, &[(commune(), 40), (village_a(), 5), (village_b(), 7)], true);
    // 2026-11-20 is a Friday: a campaign of Thursdays runs, but not today.
    campaign(&mut server, province, 902, Some(4), &[(province, 900)], true);
    campaign(&mut server, commune(), 903, None, &[], false);
    let at = now(&server);
    store.record_visit(entry(Some(11), "done", true), at, &mut random).unwrap();
    store.record_visit(entry(Some(12), "already", true), at, &mut random).unwrap();
    sync(&mut store, &mut random, &mut server);
    assert_eq!(store.base_dump().unwrap(), server.expected(user(1)));

    let found = store.campaigns(village_a(), day("2026-11-20")).unwrap();
    let shown: Vec<_> = found.iter().map(|view| (view.id.0, view.is_campaign_day)).collect();
    assert_eq!(shown, [(id(901), true), (id(902), false)], "a draft is shown to nobody");
    let line = &found[0].lines[0];
    assert_eq!((line.on_day, line.so_far), (1, 1), "who already had it does not count");
    assert_eq!(line.targets, [(commune(), 40), (village_a(), 5)]);
    assert_eq!((found[1].lines[0].so_far, found[1].lines[0].targets.as_slice()), (0, [(province, 900)].as_slice()));
    assert!(store.campaigns(village_a(), day("2026-11-26")).unwrap().iter().all(|view| view.is_campaign_day));
    assert!(store.campaigns(village_a(), day("2026-12-01")).unwrap().is_empty());
}

#[test]
fn announcements_are_shown_while_they_are_in_force_and_go_with_the_unit_that_made_them() {
    let (mut server, mut store, mut random) = world();
    announcement(&mut server, 911, "2026-11-19", "2026-11-21", false);
    announcement(&mut server, 912, "2026-11-20", "2026-11-20", true);
    announcement(&mut server, 913, "2026-11-21", "2026-11-25", false);
    let market = MarketIdentity { name: "Chợ phiên Mường Thử".into(), ext: Ext::default() };
    server.put_register(commune().into(), RowType::MARKET, id(914), [(market::IDENTITY, Raw(market.cbor()))]);
    sync(&mut store, &mut random, &mut server);
    let seen = |store: &mut client_core::Store, on: &str| -> Vec<uuid::Uuid> {
        store.announcements(day(on)).unwrap().iter().map(|one| one.id.0).collect()
    };
    assert_eq!(seen(&mut store, "2026-11-20"), [id(911)]);
    assert_eq!(seen(&mut store, "2026-11-21"), [id(913), id(911)]);
    assert_eq!(store.markets().unwrap()[0].name, "Chợ phiên Mường Thử");

    // The village comes to lie in another commune: nothing of the old one stays, its own rows do.
    server.above = BTreeSet::from([ScopeId(id(950))]);
    let summary = sync(&mut store, &mut random, &mut server);
    assert_eq!(summary.purged, [(commune().into(), 4)]);
    assert!(seen(&mut store, "2026-11-20").is_empty() && store.markets().unwrap().is_empty());
    assert_eq!(store.base_dump().unwrap(), server.expected(user(1)));
    assert_eq!(store.household(HouseholdId(id(11)), 1, Day(0)).unwrap().household.id, HouseholdId(id(11)));
}

#[test]
fn a_quiz_taken_without_a_connection_arrives_and_the_best_attempt_stays() {
    let (mut server, mut store, mut random) = world();
    let who = MemberIdentity { team: team(), user: user(1), display_name: "Giàng A Páo".into(), ext: Ext::default() };
    server.put_register(village_a().into(), RowType::TEAM_MEMBER, id(920), [(team_member::IDENTITY, Raw(who.cbor()))]);
    sync(&mut store, &mut random, &mut server);
    let course = &Courses::shipped().all()[0];
    let right: Vec<BTreeSet<String>> = course.questions.iter().map(|question| question.right.clone()).collect();
    let at = now(&server);
    assert!(!store.take_quiz(&course.code, &right[..1], at, &mut random).unwrap().passed);
    assert!(store.take_quiz(&course.code, &right, at, &mut random).unwrap().passed);
    store.take_quiz(&course.code, &[], at, &mut random).unwrap();
    let all = u32::try_from(right.len()).unwrap();
    let standing = |store: &mut client_core::Store| {
        let view = store.courses().unwrap().into_iter().find(|view| view.code == course.code).unwrap();
        (view.best, view.attempts, view.passed)
    };
    assert_eq!(standing(&mut store), (Some((all, all)), 3, true));
    let summary = sync(&mut store, &mut random, &mut server);
    assert_eq!(summary.applied, 3);
    assert_eq!(store.base_dump().unwrap(), server.expected(user(1)));
    assert_eq!(standing(&mut store), (Some((all, all)), 3, true));
    assert!(store.outbox().unwrap().iter().all(|op| op.code.is_none()));
}
