//! From what `decide` makes of people's ops to the facts that figures rest on.

#![allow(missing_docs)]

mod support;

use support::*;
use sync_protocol::catalogue::Catalogue;
use sync_protocol::cbor::{Cbor, Raw};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::indicator::{ActivityFact, Fact, Gathered, RowData};
use sync_protocol::op::*;
use sync_protocol::row::{Row, RowType};
use sync_protocol::value::Value;
use sync_protocol::workflow::VisitStatus;

/// All rows of the village, in an order that is none.
fn facts(world: &World) -> Vec<ActivityFact> {
    let mut gathered = Gathered::default();
    let village = ScopeId(id(VILLAGE));
    for (_, register) in world.state.registers.values().rev().filter(|(scope, _)| *scope == village) {
        gathered.add(Row::Register(register.clone()));
    }
    for (_, event) in world.state.events.values().rev().filter(|(scope, _)| *scope == village) {
        gathered.add(Row::Event(event.clone()));
    }
    let activity = |fact| match fact {
        Fact::Activity(activity) => Some(*activity),
        Fact::Row(_) => None,
    };
    gathered.facts().into_iter().filter_map(activity).collect()
}

fn only(world: &World) -> ActivityFact {
    let [fact] = &facts(world)[..] else { panic!("one visit with one activity") };
    fact.clone()
}

#[test]
fn a_recorded_visit_is_a_fact_with_what_its_rows_say_of_it() {
    let mut world = World::new();
    let visit = world.visit(true);
    let fact = only(&world);
    let content = world.content();
    let ids = activities_with_ids(EventId(visit.0), ClaimedMs(world.at), &content);
    assert_eq!((fact.id, fact.visit, fact.kind.as_str()), (ids[0].0, visit, "dvc_account"));
    assert_eq!((fact.day, fact.village, fact.team), (content.day, content.village, world.team));
    assert_eq!((fact.household, fact.household_class.as_deref()), (Some(world.household), Some("normal")));
    assert_eq!((fact.status, fact.submitted, fact.returned), (VisitStatus::Submitted, Some(Day::of_ms(NOW)), false));
    assert!(fact.members.iter().eq(&[world.member.user()]) && !fact.void);
}

#[test]
fn what_is_corrected_counts_as_corrected_and_keeps_its_activity() {
    let mut world = World::new();
    let visit = world.visit(true);
    let before = only(&world);
    let (mut member, mut officer) = (world.member.clone(), world.officer.clone());
    let hash = world.hash(visit);
    world.applied(&mut officer, World::send_back(visit, hash));
    let mut content = world.content();
    content.activities = vec![Activity { id: Some(before.id), ..account("not_done") }];
    let ver = world.visit_state(visit).ver;
    world.applied(&mut member, World::correct(visit, ver, &content, true));
    let fact = only(&world);
    assert_eq!((fact.id, &fact.fields), (before.id, &account("not_done").fields));
    assert!(fact.returned, "it was sent back once, and that stays known");
}

#[test]
fn a_visit_was_handed_in_when_the_server_first_had_it_so() {
    let mut world = World::new();
    let visit = world.visit(false);
    assert_eq!((only(&world).status, only(&world).submitted), (VisitStatus::Done, None));
    let (mut member, mut officer) = (world.member.clone(), world.officer.clone());
    let handed_in = Day::of_ms(NOW + 3 * DAY_MS);
    world.received = NOW + 3 * DAY_MS;
    world.applied(&mut member, World::submit(visit));
    assert_eq!(only(&world).submitted, Some(handed_in));
    // Sent back and handed in again: the first time still holds.
    world.received = NOW + 5 * DAY_MS;
    let hash = world.hash(visit);
    world.applied(&mut officer, World::send_back(visit, hash));
    let ver = world.visit_state(visit).ver;
    let content = world.content();
    world.applied(&mut member, World::correct(visit, ver, &content, true));
    let hash = world.hash(visit);
    world.applied(&mut officer, World::approve(visit, hash));
    let fact = only(&world);
    assert_eq!((fact.status, fact.submitted, fact.returned), (VisitStatus::Approved, Some(handed_in), true));
}

#[test]
fn a_void_visit_says_so_and_an_unreadable_state_counts_nowhere() {
    let mut world = World::new();
    let visit = world.visit(false);
    let mut member = world.member.clone();
    world.applied(&mut member, World::void(visit));
    assert!(only(&world).void);
    let mut state = world.visit_state(visit);
    let newer = VisitStatusValue { status: "archived".into(), handed_in: None, was_returned: false, ext: ext() };
    state.groups.get_mut(&visit_state::STATUS).unwrap().value = Raw(newer.cbor());
    world.state.registers.insert((RowType::VISIT_STATE, visit.0), (ScopeId(id(VILLAGE)), state));
    assert!(facts(&world).is_empty());
}

#[test]
fn a_merged_household_counts_as_the_one_that_stayed() {
    let mut world = World::new();
    let (mut member, mut leader) = (world.member.clone(), world.leader.clone());
    let visit = world.visit(true);
    let stays =
        world.created(&mut member, Intent::HouseholdCreate(create(VILLAGE, [label("nhà suối"), class("poor")])));
    let merge = MergeHouseholds {
        winner: HouseholdId(stays),
        loser: world.household,
        winner_ver: world.state.get(RowType::HOUSEHOLD, stays).ver,
        loser_ver: world.household().ver,
        reason: None,
        ext: ext(),
    };
    let decision = world.send(&mut leader, Intent::HouseholdMerge(merge));
    assert!(decision.ver.is_some(), "{:?}", decision.code);
    let fact = only(&world);
    assert_eq!((fact.visit, fact.household), (visit, Some(HouseholdId(stays))));
    assert_eq!(fact.household_class.as_deref(), Some("poor"), "the class of the one that stayed");
}

#[test]
fn teams_and_what_a_village_is_like_are_facts_too() {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    let entry = |code: &str, value| AttributeFrom { code: code.into(), from: Day(20_700), value, ext: ext() };
    let history =
        vec![entry("fibre_available", Value::Bool(true)), entry("mobile_tech_best", Value::Text("4g".into()))];
    let attributes = UnitAttributes { history, ext: ext() };
    let ver = world.state.get(RowType::UNIT, id(VILLAGE)).ver;
    let change = set(id(VILLAGE), ver, [(unit::ATTRIBUTES, Raw(attributes.cbor()))]);
    world.applied(&mut officer, Intent::UnitSet(change));
    let mut gathered = Gathered::default();
    for (_, register) in world.state.registers.values() {
        gathered.add(Row::Register(register.clone()));
    }
    let rows: Vec<RowData> = gathered
        .facts()
        .into_iter()
        .filter_map(|fact| match fact {
            Fact::Row(fact) => Some(fact.row),
            Fact::Activity(_) => None,
        })
        .collect();
    let village = |attribute: &str, value| RowData::Village {
        village: UnitId(id(VILLAGE)),
        attribute: attribute.into(),
        from: Day(20_700),
        value,
    };
    assert!(rows.contains(&village("fibre_available", Value::Bool(true))));
    assert!(rows.contains(&village("mobile_tech_best", Value::Text("4g".into()))));
    assert!(rows.contains(&RowData::Team { team: world.team, from: Day(20_270), to: None }));
}

/// What is looked at does not depend on the order in which rows came: so phone and server notice the same.
#[test]
fn what_is_looked_at_is_the_same_in_any_order_of_rows() {
    let mut world = World::new();
    let visits: Vec<VisitId> = (0..3).map(|_| world.visit(true)).collect();
    let mut officer = world.officer.clone();
    let hash = world.hash(visits[1]);
    world.applied(&mut officer, World::send_back(visits[1], hash));
    let village = ScopeId(id(VILLAGE));
    let registers = world.state.registers.values().filter(|(scope, _)| *scope == village);
    let mut rows: Vec<Row> = registers.map(|(_, register)| Row::Register(register.clone())).collect();
    let events = world.state.events.values().filter(|(scope, _)| *scope == village);
    rows.extend(events.map(|(_, event)| Row::Event(event.clone())));
    let seen = |rows: &[Row]| {
        let mut gathered = Gathered::default();
        rows.iter().cloned().for_each(|row| gathered.add(row));
        gathered.seen(Catalogue::shipped())
    };
    let first = seen(&rows);
    assert_eq!(first[&world.team].len(), 3);
    for turn in 1..rows.len() {
        rows.rotate_left(1);
        assert_eq!(seen(&rows), first, "turned by {turn}");
    }
    rows.reverse();
    assert_eq!(seen(&rows), first, "backwards");
}
