//! Refusals that no other test reaches: every text and every reference of an op is checked, not only the common ones.

#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;

use support::*;
use sync_protocol::access::{Access, Action, Ended, Holding, Principal, Role, authorise};
use sync_protocol::cbor::{Cbor, Raw};
use sync_protocol::decide::Decision;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::outcome::{Code, Verdict};
use sync_protocol::row::{RowType, Ver};

/// Turns the direction of writing round; no text of ours may hold it.
const BAD: &str = "a\u{202e}b";

fn refused_at(decision: &Decision, code: Code, field: &str) {
    let got = (decision.verdict, decision.code, decision.field.as_deref());
    assert_eq!(got, (Verdict::Rejected, Some(code), Some(field)));
}

fn plan_of(world: &World, change: impl FnOnce(&mut PlanTask)) -> Vec<(u8, Raw)> {
    let mut task = PlanTask {
        village: UnitId(id(VILLAGE)),
        household: Some(world.household),
        visit_type: "household".into(),
        planned_for: Day(20_780),
        kinds: vec![],
        note: None,
        follows: None,
        ext: ext(),
    };
    change(&mut task);
    let assignee = PlanAssignee { team: world.team, user: None, ext: ext() };
    vec![(plan::TASK, Raw(task.cbor())), (plan::ASSIGNEE, Raw(assignee.cbor()))]
}

#[test]
fn a_household_with_an_unreadable_landmark_is_refused() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let place = |landmark: &str| {
        let value = HouseholdLabel { label: "nhà".into(), landmark: Some(landmark.into()), ext: ext() };
        Intent::HouseholdCreate(create(VILLAGE, [(household::LABEL, Raw(value.cbor()))]))
    };
    world.applied(&mut member, place("cạnh suối"));
    refused_at(&world.send(&mut member, place(BAD)), Code::BadValue, "landmark");
}

#[test]
fn a_plan_is_made_for_its_own_village_with_a_readable_note_and_not_yet_done() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let send = |world: &mut World, member: &mut Person, groups: Vec<(u8, Raw)>| {
        world.send(member, Intent::PlanCreate(create(VILLAGE, groups)))
    };
    let groups = plan_of(&world, |task| task.note = Some("mang máy in".into()));
    assert_eq!(send(&mut world, &mut member, groups).verdict, Verdict::Applied);
    let groups = plan_of(&world, |task| task.note = Some(BAD.into()));
    refused_at(&send(&mut world, &mut member, groups), Code::BadValue, "task.note");
    let groups = plan_of(&world, |task| task.village = UnitId(id(OTHER_VILLAGE)));
    refused_at(&send(&mut world, &mut member, groups), Code::NotFound, "task.village");

    let visit = world.visit(true);
    for (visit, reason) in [(Some(visit), None), (None, Some("đi vắng".to_owned()))] {
        let status = PlanStatus { status: "planned".into(), visit, reason, ext: ext() };
        let mut groups = plan_of(&world, |_| ());
        groups.push((plan::STATUS, Raw(status.cbor())));
        refused_at(&send(&mut world, &mut member, groups), Code::BadValue, "status");
    }
}

#[test]
fn the_local_name_of_a_unit_is_checked_like_its_others() {
    let mut world = World::new();
    let mut admin = world.admin.clone();
    let named = |local_name: &str| {
        let raw = unit_groups("village", "Mẫu", id(COMMUNE)).0.remove(&unit::IDENTITY).expect("an identity");
        let mut identity = UnitIdentity::from_cbor(&raw.0).expect("an identity");
        identity.local_name = Some(local_name.into());
        Intent::UnitSet(set(id(VILLAGE), Ver(u64::MAX), [(unit::IDENTITY, Raw(identity.cbor()))]))
    };
    world.applied(&mut admin, named("Bản Mẫu"));
    refused_at(&world.send(&mut admin, named(BAD)), Code::BadValue, "identity.local_name");
}

#[test]
fn what_an_admin_names_must_be_there() {
    let mut world = World::new();
    let mut admin = world.admin.clone();
    let parent = id(9);
    let groups = unit_groups("village", "Mẫu", parent);
    let orphan = Intent::UnitCreate(CreateRow { scope: ScopeId(parent), groups, id: None, ext: ext() });
    refused_at(&world.send(&mut admin, orphan), Code::NotFound, "parent");

    let groups = [(team::IDENTITY, Raw(vec![0xa0])), (team::VALIDITY, Raw(vec![0xa0]))];
    refused_at(&world.send(&mut admin, Intent::TeamCreate(create(9, groups))), Code::NotFound, "scope");

    let user = UserId(id(9));
    let add = |team: TeamId| {
        Intent::MemberAdd(AddMember {
            team,
            user,
            display_name: "Lò Thị Mẫu".into(),
            position: "member".into(),
            organisation: "youth_union".into(),
            from: Day(20_700),
            ext: ext(),
        })
    };
    refused_at(&world.send(&mut admin, add(TeamId(id(9)))), Code::NotFound, "team");
    let team = world.team;
    refused_at(&world.send(&mut admin, add(team)), Code::NotFound, "user");
}

#[test]
fn a_grant_names_a_unit_that_is_there_and_a_readable_decision() {
    let mut world = World::new();
    let mut admin = world.admin.clone();
    let body = CreateUser {
        display_name: "Giàng A Mẫu".into(),
        phone: "0912345678".into(),
        unit: UnitId(id(COMMUNE)),
        ext: ext(),
    };
    let user = UserId(world.created(&mut admin, Intent::UserCreate(body)));
    let give = |unit: u8, decision: &str| {
        Intent::GrantGive(GiveGrant {
            user,
            role: "auditor".into(),
            unit: UnitId(id(unit)),
            from: Day(20_700),
            decision: Some(decision.into()),
            ext: ext(),
        })
    };
    refused_at(&world.send(&mut admin, give(9, "12/QĐ-UBND")), Code::NotFound, "unit");
    refused_at(&world.send(&mut admin, give(COMMUNE, BAD)), Code::BadValue, "decision");
    world.applied(&mut admin, give(COMMUNE, "12/QĐ-UBND"));
}

#[test]
fn a_move_leads_to_a_unit_that_is_there() {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    // A right to a unit that the lists do not hold, as after a restore from an older copy.
    officer.principal.holdings.push(Holding { scope: ScopeId(id(9)), role: Role::CommuneOfficer, ended: None });
    let body = MoveRow { id: world.household.0, base_ver: Ver::first(1), to: ScopeId(id(9)), ext: ext() };
    refused_at(&world.send(&mut officer, Intent::HouseholdMove(body)), Code::NotFound, "to");
}

#[test]
fn who_settles_a_case_about_a_unit_must_be_allowed_to_write_units() {
    let mut world = World::new();
    let mut admin = world.admin.clone();
    let mut desk = admin.on_another_phone();
    let named = |name: &str| {
        let raw = unit_groups("village", name, id(COMMUNE)).0.remove(&unit::IDENTITY).expect("an identity");
        Intent::UnitSet(set(id(VILLAGE), Ver::first(1), [(unit::IDENTITY, raw)]))
    };
    world.applied(&mut admin, named("Một"));
    let clash = world.send(&mut desk, named("Hai"));
    assert_eq!(clash.verdict, Verdict::AppliedWithCase, "{:?}", clash.code);
    let case = clash.case.expect("a case");
    let value = world.sides(case).pop().expect("a side");
    let settle = Intent::CaseResolve(ResolveCase { case, base_ver: Ver(u64::MAX), value: value.clone(), ext: ext() });
    // A team leader settles cases of households, and writes no units.
    let mut leader = world.leader.clone();
    assert_eq!(world.send(&mut leader, settle.clone()).verdict, Verdict::Rejected);
    let mut officer = world.officer.clone();
    world.applied(&mut officer, settle);
    let unit = world.state.get(RowType::UNIT, id(VILLAGE)).clone();
    assert_eq!(unit.groups[&unit::IDENTITY].value, value);
}

#[test]
fn who_settles_a_case_about_a_team_must_be_allowed_to_write_teams() {
    let mut world = World::new();
    let mut admin = world.admin.clone();
    let mut desk = admin.on_another_phone();
    let team = world.team.0;
    let named = |name: &str| {
        let identity =
            TeamIdentity { level: "village".into(), unit: UnitId(id(VILLAGE)), name: name.into(), ext: ext() };
        Intent::TeamSet(set(team, Ver::first(1), [(team::IDENTITY, Raw(identity.cbor()))]))
    };
    world.applied(&mut admin, named("Tổ một"));
    let case = world.send(&mut desk, named("Tổ hai")).case.expect("a case");
    let value = world.sides(case).pop().expect("a side");
    let settle = Intent::CaseResolve(ResolveCase { case, base_ver: Ver(u64::MAX), value, ext: ext() });
    let mut leader = world.leader.clone();
    let decision = world.send(&mut leader, settle.clone());
    assert_eq!((decision.verdict, decision.code), (Verdict::Rejected, Some(Code::NotFound)));
    let mut officer = world.officer.clone();
    world.applied(&mut officer, settle);
}

#[test]
fn a_settled_value_is_checked_like_an_entered_one() {
    let mut world = World::new();
    let (mut member, mut colleague, mut leader) = (world.member.clone(), world.colleague.clone(), world.leader.clone());
    let (base, household) = (world.household().ver, world.household.0);
    let entered = |text: &str| Intent::HouseholdSet(set(household, base, [class(text)]));
    world.applied(&mut member, entered("poor"));
    let case = world.send(&mut colleague, entered("near_poor")).case.expect("a case");
    let settled = |text: &str| {
        Intent::CaseResolve(ResolveCase { case, base_ver: Ver(u64::MAX), value: class(text).1, ext: ext() })
    };
    refused_at(&world.send(&mut leader, settled("rich")), Code::BadValue, "class");
    world.applied(&mut leader, settled("policy"));
}

#[test]
fn a_new_unit_and_a_new_team_are_checked_whole() {
    let mut world = World::new();
    let mut admin = world.admin.clone();
    let mut village = |spoil: fn(&mut BTreeMap<u8, Raw>)| {
        let mut groups = unit_groups("village", "Mới", id(COMMUNE)).0;
        spoil(&mut groups);
        world.send(&mut admin, Intent::UnitCreate(create(COMMUNE, groups)))
    };
    assert_eq!(village(|_| ()).verdict, Verdict::Applied);
    refused_at(&village(|groups| drop(groups.remove(&unit::VALIDITY))), Code::BadValue, "groups[3]");
    refused_at(&village(|groups| drop(groups.insert(unit::PARENT, Raw(vec![0xa0])))), Code::BadValue, "parent");
    let unreadable = village(|groups| *groups = unit_groups("village", BAD, id(COMMUNE)).0);
    refused_at(&unreadable, Code::BadValue, "identity.name");

    let identity =
        TeamIdentity { level: "village".into(), unit: UnitId(id(VILLAGE)), name: "Tổ mới".into(), ext: ext() };
    let endless = [(team::IDENTITY, Raw(identity.cbor()))];
    refused_at(&world.send(&mut admin, Intent::TeamCreate(create(VILLAGE, endless))), Code::BadValue, "groups[3]");
    let decision = TeamDecision { number: BAD.into(), day: Day(20_280), ext: ext() };
    let decided = [(team::DECISION, Raw(decision.cbor()))];
    let decided = Intent::TeamSet(set(world.team.0, Ver::first(1), decided));
    refused_at(&world.send(&mut admin, decided), Code::BadValue, "decision.number");
}

#[test]
fn the_strongest_of_several_grants_answers() {
    let scope = ScopeId(id(VILLAGE));
    let ended = |at: u64| Some(Ended { rev: 6, at: ServerMs(at) });
    let answer = |holdings: &[(Role, Option<Ended>)]| {
        let holdings = holdings.iter().map(|(role, ended)| Holding { scope, role: *role, ended: *ended }).collect();
        let principal = Principal { user: UserId(id(1)), grants_rev: 6, holdings };
        authorise(&principal, Action::WriteVisit, scope, Some(5), ServerMs(NOW))
    };
    let (member, leader) = (Role::Member, Role::TeamLeader);
    let strongest = member.max(leader);
    for (a, b) in [(member, leader), (leader, member)] {
        assert_eq!(answer(&[(a, None), (b, None)]), Access::Allowed(strongest));
        assert_eq!(answer(&[(a, ended(NOW)), (b, ended(NOW))]), Access::Late(strongest));
        // A grant that holds outweighs one that has ended, wherever it stands in the list.
        assert_eq!(answer(&[(a, None), (b, ended(NOW))]), Access::Allowed(a));
        assert_eq!(answer(&[(a, ended(NOW)), (b, None)]), Access::Allowed(b));
    }
}

#[test]
fn codes_are_given_by_leaders_officers_and_admins_and_teams_seen_by_all() {
    let scope = ScopeId(id(VILLAGE));
    let mut who = BTreeMap::new();
    for role in Role::ALL {
        let holding = Holding { scope, role, ended: None };
        let principal = Principal { user: UserId(id(1)), grants_rev: 1, holdings: vec![holding] };
        let may = |action| authorise(&principal, action, scope, None, ServerMs(NOW)).role().is_some();
        assert!(may(Action::ReadTeams), "{role:?}");
        assert_eq!(may(Action::ReadRows), role.reads_rows() || role == Role::Auditor, "{role:?}");
        who.insert(role.code(), (may(Action::GiveCode), may(Action::ReadCounts)));
    }
    let given: Vec<&str> = who.iter().filter(|(_, may)| may.0).map(|(code, _)| *code).collect();
    let blind: Vec<&str> = who.iter().filter(|(_, may)| !may.1).map(|(code, _)| *code).collect();
    assert_eq!(given, ["admin", "commune_officer", "team_leader"]);
    assert_eq!(blind, ["admin", "privacy_officer"]);
}

#[test]
fn a_day_begins_at_midnight_in_viet_nam() {
    let day = Day::of_ms(NOW);
    let begins = day.begins().0;
    assert_eq!((Day::of_ms(begins), Day::of_ms(begins - 1)), (day, Day(day.0 - 1)));
}
