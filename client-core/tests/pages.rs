//! What a person's day is made of: plans, drafts, corrections, and the lists of places and colleagues.

#![allow(clippy::unwrap_used)]

mod support;

use client_core::store::{DraftBody, VisitFilter};
use client_core::{Error, Store};
use support::*;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::row::{RowType, Ver};
use sync_protocol::workflow::VisitStatus;

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn now(server: &MiniServer) -> ClaimedMs {
    ClaimedMs(server.now)
}

fn plan(store: &mut Store, on: &str, owed: &[&str], at: ClaimedMs, random: &mut Seeded) -> PlanId {
    let task = PlanTask {
        village: village_a(),
        household: Some(HouseholdId(id(12))),
        visit_type: "household".into(),
        planned_for: day(on),
        kinds: owed.iter().map(|kind| (*kind).to_owned()).collect(),
        note: Some("mang máy in".into()),
        follows: None,
        ext: Ext::default(),
    };
    let assignee = PlanAssignee { team: team(), user: Some(user(1)), ext: Ext::default() };
    PlanId(store.create_plan(&task, &assignee, at, random).unwrap().row)
}

fn draft(corrects: Option<VisitId>, base_ver: Option<Ver>) -> DraftBody {
    let content = content(Some(11), "done");
    DraftBody { content, plan: None, corrects, base_ver, form: None, ext: Ext::default() }
}

#[test]
fn a_plan_is_for_today_until_a_visit_carries_it_out_or_somebody_calls_it_off() {
    let (mut server, mut store, mut random) = world();
    let at = now(&server);
    let late = plan(&mut store, "2026-11-18", &[], at, &mut random);
    let owed = plan(&mut store, "2026-11-20", &["vneid_level2"], at, &mut random);
    let later = plan(&mut store, "2026-12-01", &[], at, &mut random);
    let today = day("2026-11-20");
    for waiting in [true, false] {
        let page = store.today(today).unwrap();
        let seen: Vec<_> = page.plans.iter().map(|plan| (plan.id, plan.overdue, plan.waiting)).collect();
        assert_eq!(seen, [(late, true, waiting), (owed, false, waiting)]);
        assert_eq!((page.plans[0].household_label.as_deref(), page.follow_ups), (Some("Đặng Thị Hường"), 1));
        assert_eq!(page.not_yet_synced, if waiting { 3 } else { 0 });
        sync(&mut store, &mut random, &mut server);
    }
    let follow_ups = store.follow_ups(today).unwrap();
    assert_eq!((follow_ups.len(), follow_ups[0].id, follow_ups[0].user), (1, owed, Some(user(1))));

    let mut entry = entry(Some(12), "done", true);
    entry.plan = Some(owed);
    let visit = VisitId(store.record_visit(entry, at, &mut random).unwrap().row);
    store.cancel_plan(late, Some("Gia đình đi vắng.".into()), at, &mut random).unwrap();
    for _ in 0..2 {
        let open: Vec<_> = store.plans(true, today).unwrap().iter().map(|plan| plan.id).collect();
        assert_eq!(open, [later]);
        let all: Vec<_> =
            store.plans(false, today).unwrap().into_iter().map(|plan| (plan.status, plan.visit)).collect();
        let expected = [("cancelled", None), ("done", Some(visit)), ("planned", None)];
        assert_eq!(all, expected.map(|(status, visit)| (status.to_owned(), visit)));
        assert!(store.follow_ups(today).unwrap().is_empty());
        sync(&mut store, &mut random, &mut server);
    }
    assert_eq!(store.rebuild_check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_draft_is_changed_thrown_away_or_becomes_the_visit_whose_id_it_had() {
    let (server, mut store, mut random) = world();
    let at = now(&server);
    let kept = store.begin_draft(&draft(None, None), at, &mut random).unwrap();
    let dropped = store.begin_draft(&draft(None, None), at, &mut random).unwrap();
    assert_eq!(store.today(day("2026-11-20")).unwrap().drafts, 2);
    store.discard_draft(dropped).unwrap();
    assert!(matches!(store.discard_draft(dropped), Err(Error::NotFound)));
    assert!(matches!(store.draft(dropped), Err(Error::NotFound)));

    // A draft may be about another village than the one it was begun in, but is then not handed in from there.
    let mut body = draft(None, None);
    body.form = Some("nửa chừng".into());
    store.update_draft(kept, &body, ClaimedMs(at.0 + 1)).unwrap();
    let found = store.draft(kept).unwrap();
    assert_eq!((found.body, found.at, found.changed), (body, at, ClaimedMs(at.0 + 1)));
    assert_eq!(store.finish_draft(kept, true).unwrap().row, kept);
    assert!(store.drafts().unwrap().is_empty());
    assert_eq!(store.today(day("2026-11-20")).unwrap().visits[0].id, VisitId(kept));
}

#[test]
fn a_correction_is_drafted_from_what_holds_and_replaces_it() {
    let (mut server, mut store, mut random) = world();
    let at = now(&server);
    let visit = VisitId(store.record_visit(entry(Some(11), "done", false), at, &mut random).unwrap().row);
    sync(&mut store, &mut random, &mut server);
    let draft = store.begin_correction(visit, at, &mut random).unwrap();
    let mut body = store.draft(draft).unwrap().body;
    assert_eq!((&body.content, body.corrects), (&content(Some(11), "done"), Some(visit)));
    assert_eq!(body.base_ver, Some(store.visit_base_ver(visit).unwrap()));
    body.content = content(Some(11), "already");
    store.update_draft(draft, &body, at).unwrap();
    store.finish_draft(draft, true).unwrap();
    for _ in 0..2 {
        assert_eq!(store.visit(visit).unwrap().content, content(Some(11), "already"));
        assert_eq!(store.visits(&VisitFilter::default()).unwrap().len(), 1);
        assert_eq!(store.activities_on(user(1), day("2026-11-20")).unwrap(), 1);
        sync(&mut store, &mut random, &mut server);
    }
}

#[test]
fn a_form_is_checked_without_being_saved() {
    let (server, mut store, _) = world();
    store.check_visit(&content(Some(11), "done"), now(&server)).unwrap();
    let mut wrong = content(Some(11), "done");
    wrong.activities.clear();
    let refused = store.check_visit(&wrong, now(&server));
    assert!(matches!(&refused, Err(Error::Refused(refused)) if refused.code == "nothing_done"), "{refused:?}");
    assert!(store.outbox().unwrap().is_empty());
}

#[test]
fn visits_are_found_by_household_status_and_day_and_void_ones_do_not_count() {
    let (mut server, mut store, mut random) = world();
    let at = now(&server);
    let first = VisitId(store.record_visit(entry(Some(11), "done", false), at, &mut random).unwrap().row);
    let second = VisitId(store.record_visit(entry(Some(12), "done", true), at, &mut random).unwrap().row);
    let on = day("2026-11-20");
    assert_eq!(store.activities_on(user(1), on).unwrap(), 2);
    assert_eq!(store.activities_on(user(2), on).unwrap(), 0);
    store.void_visit(first, "duplicate", None, at, &mut random).unwrap();
    for _ in 0..2 {
        let mut found = |filter: VisitFilter| -> Vec<(VisitId, bool)> {
            store.visits(&filter).unwrap().iter().map(|visit| (visit.id, visit.void)).collect()
        };
        let of = |n: u64| VisitFilter { household: Some(HouseholdId(id(n))), ..VisitFilter::default() };
        assert_eq!(found(of(11)), [(first, true)]);
        assert_eq!(found(of(12)), [(second, false)]);
        assert_eq!(found(of(99)), []);
        let handed_in = VisitFilter { status: Some(VisitStatus::Submitted), ..VisitFilter::default() };
        assert_eq!(found(handed_in), [(second, false)]);
        assert_eq!(found(VisitFilter { to: Some(day("2026-11-19")), ..VisitFilter::default() }), []);
        assert_eq!(store.activities_on(user(1), on).unwrap(), 1);
        sync(&mut store, &mut random, &mut server);
    }
}

#[test]
fn places_teams_and_colleagues_come_with_the_villages() {
    let (mut server, mut store, mut random) = world();
    for (n, name) in [(71, "Vàng Thị Mẫu"), (72, "Ân Văn Mẫu")] {
        let who = MemberIdentity { team: team(), user: user(n), display_name: name.into(), ext: Ext::default() };
        let position =
            MemberPosition { position: "member".into(), organisation: "youth_union".into(), ext: Ext::default() };
        let values = [(team_member::IDENTITY, Raw(who.cbor())), (team_member::POSITION, Raw(position.cbor()))];
        server.put_register(village_a().into(), RowType::TEAM_MEMBER, id(n), values);
    }
    sync(&mut store, &mut random, &mut server);
    let units = store.units().unwrap();
    assert_eq!(units.iter().map(|unit| (unit.id, unit.parent)).collect::<Vec<_>>(), [(village_a(), Some(commune()))]);
    let teams = store.teams().unwrap();
    assert_eq!(teams.iter().map(|team| (team.id, team.unit)).collect::<Vec<_>>(), [(team(), village_a())]);
    let members = store.members().unwrap();
    let names: Vec<_> = members.iter().map(|member| (member.display_name.as_str(), member.user)).collect();
    assert_eq!(names, [("Ân Văn Mẫu", user(72)), ("Vàng Thị Mẫu", user(71))]);
    assert!(members.iter().all(|member| member.team == team()));
}
