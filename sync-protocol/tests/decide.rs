//! What every op does, whom it is refused, and what no order of arrival can lose.

#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use support::*;
use sync_protocol::access::{Holding, INSTALLATION, Role};
use sync_protocol::cbor::{Cbor, Raw};
use sync_protocol::decide::{Change, Decision, decide_bytes};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::merge::Lineage;
use sync_protocol::op::*;
use sync_protocol::outcome::{Code, Verdict};
use sync_protocol::row::{ByKey, Event, ROW_BYTES_MAX, RowType, Ver, flag};
use sync_protocol::value::Value;
use uuid::Uuid;

fn refused(decision: &Decision, code: Code) {
    assert_eq!((decision.verdict, decision.code), (Verdict::Rejected, Some(code)), "{:?}", decision.field);
}

fn refused_at(decision: &Decision, code: Code, field: &str) {
    refused(decision, code);
    assert_eq!(decision.field.as_deref(), Some(field));
}

fn deferred(decision: &Decision) {
    assert_eq!((decision.verdict, decision.code), (Verdict::Deferred, Some(Code::NeedsServerUpdate)));
}

fn event(decision: &Decision) -> &Event {
    decision
        .changes
        .iter()
        .find_map(|change| match change {
            Change::PutEvent { event, .. } => Some(event),
            _ => None,
        })
        .expect("an event")
}

// ---- Every op, from bytes ------------------------------------------------------------------------------------------

#[test]
fn bytes_that_are_no_op_are_refused_and_stop_nobody() {
    let mut world = World::new();
    let good = {
        let content = world.content();
        world.op(World::record(&content, true)).cbor()
    };
    let person = world.member.clone();
    let mut state = world.state.clone();
    let mut decide = |bytes: &[u8]| {
        let Ok(decision) = decide_bytes(&mut state, &world.context(&person), bytes);
        decision
    };
    for bytes in [&[][..], &[0xff; 40], &good[..good.len() - 1], &[0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0], &[0xa0]] {
        refused(&decide(bytes), Code::Malformed);
    }
    let deep = [vec![0x81; 100], vec![0]].concat();
    assert_eq!(decide(&deep).rule.as_deref(), Some("too_deep"));
    assert_eq!(decide(&good).verdict, Verdict::Applied);
}

#[test]
fn an_op_may_have_exactly_16_kib() {
    let mut world = World::new();
    let mut content = world.content();
    let mut note = |bytes: usize| {
        content.ext.0.insert(99, "x".repeat(bytes).cbor());
        world.op(World::record(&content, true)).cbor()
    };
    let overhead = note(15_000).len() - 15_000;
    let exact = note(OP_BYTES_MAX - overhead);
    let above = note(OP_BYTES_MAX - overhead + 1);
    assert_eq!((exact.len(), above.len()), (OP_BYTES_MAX, OP_BYTES_MAX + 1));
    let person = world.member.clone();
    let decide = |bytes: &[u8]| {
        let Ok(decision) = decide_bytes(&mut world.state.clone(), &world.context(&person), bytes);
        decision
    };
    assert_eq!(decide(&exact).verdict, Verdict::Applied);
    refused(&decide(&above), Code::OpTooLarge);
}

#[test]
fn names_and_kinds_of_a_newer_app_wait_for_the_server() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let content = world.content();
    let mut op = world.op(World::record(&content, true));
    op.code = 0x7fff;
    deferred(&world.deliver(&mut member, &op));

    let mut newer = content.clone();
    newer.activities[0].kind = "hologram_lesson".into();
    let decision = world.send(&mut member, World::record(&newer, true));
    deferred(&decision);
    assert_eq!(decision.field.as_deref(), Some("activities[0]"));

    let mut newer = content;
    newer.visit_type = "by_drone".into();
    deferred(&world.send(&mut member, World::record(&newer, true)));
}

#[test]
fn keys_of_a_newer_app_reach_the_row_untouched() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let mut content = world.content();
    content.ext.0.insert(60, "mới".to_owned().cbor());
    content.activities[0].ext.0.insert(70, 5u8.cbor());
    let decision = world.send(&mut member, World::record(&content, true));
    assert_eq!(event(&decision).body, Raw(content.cbor()));

    let mut head = HouseholdLabel { label: "nhà".into(), landmark: None, ext: ext() };
    head.ext.0.insert(9, true.cbor());
    let unknown = (200, Raw("mới".to_owned().cbor()));
    let groups = [(household::LABEL, Raw(head.cbor())), unknown.clone()];
    let household = world.created(&mut member, Intent::HouseholdCreate(create(VILLAGE, groups)));
    let row = world.state.get(RowType::HOUSEHOLD, household).clone();
    assert_eq!((row.groups[&200].value.clone(), row.groups[&1].value.clone()), (unknown.1, Raw(head.cbor())));
    // An edit by an app that knows nothing of group 200 leaves it alone.
    world.applied(&mut member, Intent::HouseholdSet(set(household, row.ver, [label("nhà khác")])));
    assert_eq!(world.state.get(RowType::HOUSEHOLD, household).groups[&200], row.groups[&200]);
}

#[test]
fn no_op_makes_a_row_that_a_phone_cannot_read() {
    let mut world = World::new();
    let mut member = world.member.clone();
    // Deep enough for an op, too deep once it stands in a case beside another answer.
    let deep = |end: u8| Raw([vec![0x81; 12], vec![end]].concat());
    world.applied(&mut member, Intent::HouseholdSet(set(world.household.0, Ver::first(1), [(200, deep(1))])));
    let mut colleague = world.colleague.clone();
    let clash = Intent::HouseholdSet(set(world.household.0, Ver::first(1), [(200, deep(2))]));
    refused(&world.send(&mut colleague, clash), Code::Malformed);
    // Many large groups would outgrow a frame.
    let wide = |key: u8| (key, Raw("x".repeat(9_000).cbor()));
    world.applied(&mut member, Intent::HouseholdSet(set(world.household.0, Ver(u64::MAX), [wide(201)])));
    world.applied(&mut member, Intent::HouseholdSet(set(world.household.0, Ver(u64::MAX), [wide(202)])));
    let third = world.send(&mut member, Intent::HouseholdSet(set(world.household.0, Ver(u64::MAX), [wide(203)])));
    refused(&third, Code::OpTooLarge);
    assert_eq!(third.rule.as_deref(), Some("row_too_large"));
}

#[test]
fn a_row_may_have_exactly_24_kib() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let household = world.household.0;
    let wide = |key: u8, bytes: usize| {
        Intent::HouseholdSet(set(household, Ver(u64::MAX), [(key, Raw("x".repeat(bytes).cbor()))]))
    };
    world.applied(&mut member, wide(201, 12_000));
    world.applied(&mut member, wide(202, 12_000));
    let overhead = world.household().cbor().len() - 12_000;
    world.applied(&mut member, wide(202, ROW_BYTES_MAX - overhead));
    assert_eq!(world.household().cbor().len(), ROW_BYTES_MAX);
    refused(&world.send(&mut member, wide(202, ROW_BYTES_MAX - overhead + 1)), Code::OpTooLarge);
}

// ---- Recording a visit ---------------------------------------------------------------------------------------------

#[test]
fn a_visit_is_recorded_as_it_was_sent() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let content = world.content();
    let op = world.op(World::record(&content, false));
    let decision = world.deliver(&mut member, &op);
    let event = event(&decision);
    assert_eq!((event.id.0, event.author, event.flags), (op.row_id(), member.user(), 0));
    assert_eq!((&event.body, event.submitted, decision.ver), (&Raw(content.cbor()), false, Some(Ver::first(1))));
    assert_eq!(world.status(event.visit_id()), "done");
    let handed_in = world.visit(true);
    assert_eq!(world.status(handed_in), "submitted");
}

#[test]
fn an_activity_has_an_id_of_its_own_or_of_its_place() {
    let world = World::new();
    let (event, at, own) = (EventId(id(1)), ClaimedMs(NOW), ActivityId(id(2)));
    let mut content = world.content();
    content.activities = vec![account("done"), Activity { id: Some(own), ..account("partly") }, account("already")];
    let with_ids = activities_with_ids(event, at, &content);
    let ids: Vec<ActivityId> = with_ids.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [activity_id(event, at, 0), own, activity_id(event, at, 2)]);
    assert!(with_ids.iter().map(|(_, activity)| *activity).eq(&content.activities));
}

#[test]
fn a_visit_must_name_what_is_there_and_answer_what_is_asked() {
    let mut world = World::new();
    let mut member = world.member.clone();
    type Spoil = fn(&mut VisitContent, &World);
    let cases: &[(Spoil, Code, &str)] = &[
        (|c, w| c.team = w.foreign_team, Code::NotFound, "team"),
        (|c, _| c.team = TeamId(id(9)), Code::NotFound, "team"),
        (|c, w| c.household = Some(w.foreign_household), Code::NotFound, "household"),
        (|c, _| c.household = Some(HouseholdId(id(9))), Code::NotFound, "household"),
        (|c, _| c.result = Some("asleep".into()), Code::BadValue, "result"),
        (|c, _| c.summary = Some("a\u{202e}b".into()), Code::BadValue, "summary"),
        (|c, _| c.partner_org = Some(String::new()), Code::BadValue, "partner_org"),
        (|c, _| c.minutes = Some(1_441), Code::BadValue, "minutes"),
        (|c, _| c.place = Some((90_001, 0)), Code::BadValue, "place"),
        (|c, _| c.catalogue = "a\nb".into(), Code::BadValue, "catalogue"),
        (|c, _| c.members = vec![UserId(id(1)); 21], Code::BadValue, "members"),
        (|c, _| c.activities = vec![account("done"); 51], Code::BadValue, "activities"),
        (|c, _| drop(c.activities[0].fields.remove("outcome")), Code::ValidationFailed, "activities[0].outcome"),
        (
            |c, _| drop(c.activities[0].fields.insert("otp".into(), Value::Text("1".into()))),
            Code::ValidationFailed,
            "activities[0].otp",
        ),
    ];
    for (spoil, code, field) in cases {
        let mut content = world.content();
        spoil(&mut content, &world);
        refused_at(&world.send(&mut member, World::record(&content, true)), *code, field);
    }
    let nothing = VisitContent { activities: vec![], ..world.content() };
    refused(&world.send(&mut member, World::record(&nothing, true)), Code::NothingDone);
    let absent = VisitContent { activities: vec![], result: Some("absent".into()), ..world.content() };
    world.applied(&mut member, World::record(&absent, true));
    let body = RecordVisit { content: Raw(vec![0x05]), submit: true, plan: None, ext: ext() };
    refused(&world.send(&mut member, Intent::VisitRecord(body)), Code::Malformed);
}

#[test]
fn a_visit_may_be_as_large_as_the_limits_say() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let largest = VisitContent {
        minutes: Some(1_440),
        members: (0..20).map(|n| UserId(id(n))).collect(),
        activities: vec![account("done"); 50],
        place: Some((-90_000, 180_000)),
        ..world.content()
    };
    world.applied(&mut member, World::record(&largest, true));
    for place in [(90_000, 180_001), (-90_001, 0), (0, -180_001)] {
        let nowhere = VisitContent { place: Some(place), ..world.content() };
        refused_at(&world.send(&mut member, World::record(&nowhere, true)), Code::BadValue, "place");
    }
}

#[test]
fn what_the_catalogue_only_warns_of_is_flagged() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let flags = |world: &mut World, member: &mut Person, activities: Vec<Activity>| {
        let content = VisitContent { activities, ..world.content() };
        event(&world.applied(member, World::record(&content, true))).flags
    };
    let mut newer = account("done");
    newer.fields.insert("colour".into(), Value::Text("đỏ".into()));
    assert_eq!(flags(&mut world, &mut member, vec![newer.clone()]), flag::UNKNOWN_FIELD);
    newer.fields.insert("shape".into(), Value::Text("tròn".into()));
    let fields = [
        ("case", Value::Ref(id(1))),
        ("item", Value::Text("smartphone".into())),
        ("donor", Value::Text("Hội mẫu".into())),
        ("receipt_signed", Value::Bool(true)),
        ("outcome", Value::Text("done".into())),
    ];
    let fields = fields.into_iter().map(|(code, value)| (code.to_owned(), value)).collect();
    let without_photo = Activity { kind: "device_handover".into(), fields, id: None, ext: ext() };
    // Twice the same fault is no less a fault.
    let all = vec![newer.clone(), newer, without_photo.clone(), without_photo];
    assert_eq!(flags(&mut world, &mut member, all), flag::UNKNOWN_FIELD | flag::EVIDENCE_MISSING);
}

#[test]
fn a_kind_that_only_counts_is_never_tied_to_a_household() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let answers = [
        ("installed_count", Value::Int(4)),
        ("used_for_meeting", Value::Bool(true)),
        ("outcome", Value::Text("done".into())),
        ("cell_meeting_date", Value::Text(world.content().day.to_string())),
    ];
    let mut content = world.content();
    content.activities[0].kind = "party_handbook_install".into();
    content.activities[0].fields = answers.map(|(code, value)| (code.to_owned(), value)).into();
    let at_home = world.send(&mut member, World::record(&content, false));
    refused_at(&at_home, Code::ValidationFailed, "activities[0]");
    assert_eq!(at_home.rule.as_deref(), Some("counts_only"));
    let meeting = VisitContent { household: None, visit_type: "group".into(), ..content };
    world.applied(&mut member, World::record(&meeting, false));
}

#[test]
fn a_unit_that_was_not_in_force_takes_no_visit() {
    let mut world = World::new();
    let (mut admin, mut member) = (world.admin.clone(), world.member.clone());
    let ended = Validity { from: Day(20_270), to: Some(Day(Day::of_ms(NOW).0 - 10)), ext: ext() };
    let groups = [(unit::VALIDITY, Raw(ended.cbor()))];
    world.applied(&mut admin, Intent::UnitSet(set(id(VILLAGE), Ver::first(1), groups)));
    let now = world.content();
    refused_at(&world.send(&mut member, World::record(&now, true)), Code::UnitNotInForce, "village");
    let before = VisitContent { day: Day(now.day.0 - 11), ..now };
    world.applied(&mut member, World::record(&before, true));
    let decision = world.send(&mut member, Intent::HouseholdCreate(create(VILLAGE, [label("nhà")])));
    refused(&decision, Code::UnitNotInForce);
}

#[test]
fn a_unit_takes_visits_from_its_first_day_on() {
    let mut world = World::new();
    let (mut admin, mut member) = (world.admin.clone(), world.member.clone());
    let today = Day::of_ms(NOW);
    let validity = Validity { from: today, to: None, ext: ext() };
    let groups = [(unit::VALIDITY, Raw(validity.cbor()))];
    world.applied(&mut admin, Intent::UnitSet(set(id(VILLAGE), Ver::first(1), groups)));
    let on = |world: &World, day: u32| World::record(&VisitContent { day: Day(day), ..world.content() }, true);
    let (first_day, day_before) = (on(&world, today.0), on(&world, today.0 - 1));
    world.applied(&mut member, first_day);
    refused_at(&world.send(&mut member, day_before), Code::UnitNotInForce, "village");
}

#[test]
fn odd_days_and_hours_are_flagged_and_never_refused() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let today = Day::of_ms(NOW);
    let mut flags = |world: &mut World, day: u32| {
        let content = VisitContent { day: Day(day), household: None, ..world.content() };
        let decision = world.applied(&mut member, World::record(&content, true));
        event(&decision).flags
    };
    assert_eq!(flags(&mut world, today.0), 0);
    assert_eq!(flags(&mut world, today.0 - 7), 0);
    assert_eq!(flags(&mut world, today.0 - 8), flag::LATE);
    assert_eq!(flags(&mut world, today.0 - 60), flag::LATE);
    assert_eq!(flags(&mut world, today.0 - 61), flag::LATE | flag::OLD_DAY);
    assert_eq!(flags(&mut world, today.0 + 1), flag::FUTURE_DAY);
    // `at` is taken a minute later each time.
    let minute = |hour: u64, minute: u64| today.begins().0 + (hour * 60 + minute - 1) * 60_000;
    for (hour, min, expected) in [(4, 59, flag::NIGHT), (5, 0, 0), (21, 59, 0), (22, 0, flag::NIGHT)] {
        world.at = minute(hour, min);
        assert_eq!(flags(&mut world, today.0), expected, "{hour}:{min}");
    }
    world.at = 0;
    assert_eq!(flags(&mut world, today.0), 0, "a clock that stands at 1970 flags nothing but its hour");
}

#[test]
fn more_than_thirty_activities_on_a_day_are_flagged() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let content = VisitContent { activities: vec![account("done"); 15], ..world.content() };
    for expected in [0, 0, flag::QUANTITY] {
        let decision = world.applied(&mut member, World::record(&content, true));
        assert_eq!(event(&decision).flags, expected);
    }
    // A correction adds none to the day; for the rest it is flagged like any visit.
    let visit = world.visit(false);
    world.received += 8 * DAY_MS;
    let correction = world.applied(&mut member, World::correct(visit, Ver::first(1), &content, true));
    assert_eq!(event(&correction).flags, flag::LATE);
}

#[test]
fn a_visit_carries_a_plan_out() {
    let mut world = World::new();
    let (mut member, mut leader) = (world.member.clone(), world.leader.clone());
    let plan = world.created(&mut leader, Intent::PlanCreate(create(VILLAGE, plan_groups(&world))));
    let content = world.content();
    let record = |plan: Uuid| {
        let body = RecordVisit { content: Raw(content.cbor()), submit: true, plan: Some(PlanId(plan)), ext: ext() };
        Intent::VisitRecord(body)
    };
    let op = world.op(record(plan));
    let decision = world.deliver(&mut member, &op);
    assert_eq!(decision.verdict, Verdict::Applied);
    let status: PlanStatus = world.state.get(RowType::PLAN, plan).group(plan::STATUS).unwrap();
    assert_eq!((status.status.as_str(), status.visit), ("done", Some(VisitId(op.row_id()))));
    // A second visit for the same plan is a fact too, and leaves the plan as it is.
    world.applied(&mut member, record(plan));
    assert_eq!(world.state.get(RowType::PLAN, plan).group::<PlanStatus>(plan::STATUS), Some(status));
    refused_at(&world.send(&mut member, record(id(9))), Code::NotFound, "plan");
    refused(&world.send(&mut leader, cancel(plan)), Code::WrongState);
}

// ---- Who may -------------------------------------------------------------------------------------------------------

#[test]
fn what_is_not_ones_own_is_not_told_apart_from_what_is_not_there() {
    let mut world = World::new();
    let mut stranger = world.stranger.clone();
    let visit = world.visit(true);
    let hash = world.hash(visit);
    let foreign = world.content();
    let not_there = VisitContent { village: UnitId(id(9)), ..foreign.clone() };
    let there = world.send(&mut stranger, World::record(&foreign, true));
    let absent = world.send(&mut stranger, World::record(&not_there, true));
    assert_eq!(there, absent);
    refused(&there, Code::NotFound);

    for (there, absent) in [
        (World::submit(visit), World::submit(VisitId(id(9)))),
        (World::void(visit), World::void(VisitId(id(9)))),
        (World::approve(visit, hash), World::approve(VisitId(id(9)), hash)),
        (World::send_back(visit, hash), World::send_back(VisitId(id(9)), hash)),
        (
            World::correct(visit, Ver::first(1), &foreign, true),
            World::correct(VisitId(id(9)), Ver::first(1), &foreign, true),
        ),
        (
            Intent::HouseholdSet(set(world.household.0, Ver::first(1), [label("x")])),
            Intent::HouseholdSet(set(id(9), Ver::first(1), [label("x")])),
        ),
        (
            Intent::HouseholdMove(relocate(world.household.0, FOREIGN_VILLAGE)),
            Intent::HouseholdMove(relocate(id(9), FOREIGN_VILLAGE)),
        ),
        (
            Intent::UnitSet(set(id(VILLAGE), Ver::first(1), unit_groups("village", "x", id(COMMUNE)).0)),
            Intent::UnitSet(set(id(9), Ver::first(1), unit_groups("village", "x", id(COMMUNE)).0)),
        ),
    ] {
        let there = world.send(&mut stranger, there);
        refused(&there, Code::NotFound);
        assert_eq!(there, world.send(&mut stranger, absent));
    }
    assert_eq!(world.status(visit), "submitted");
}

#[test]
fn work_from_before_a_grant_ended_is_taken_and_flagged_until_the_grace_is_over() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let visit = world.visit(false);
    member.n = world.member.n;
    member.lose_grants(NOW);
    world.received = NOW + 30 * DAY_MS;
    let content = VisitContent { day: Day::of_ms(world.received), ..world.content() };
    let decision = world.applied(&mut member, World::record(&content, true));
    assert_eq!(event(&decision).flags, flag::AFTER_GRANT_ENDED);
    world.applied(&mut member, World::correct(visit, Ver::first(1), &content, false));
    world.applied(&mut member, Intent::HouseholdSet(set(world.household.0, Ver::first(1), [label("nhà mới sơn")])));

    // What is elsewhere was never theirs, and what is theirs to read is not theirs to write.
    let elsewhere = VisitContent { village: UnitId(id(FOREIGN_VILLAGE)), ..world.content() };
    refused(&world.send(&mut member, World::record(&elsewhere, true)), Code::NotFound);
    let mut officer = world.officer.clone();
    refused(&world.send(&mut officer, World::record(&content, true)), Code::NotFound);

    // Made after the phone had learned of it: not honest work from before.
    world.grants_rev = 6;
    refused(&world.send(&mut member, World::record(&content, true)), Code::GrantEnded);
    world.grants_rev = 5;
    world.received += 1;
    refused(&world.send(&mut member, World::record(&content, true)), Code::GrantEnded);
    refused(&world.send(&mut member, World::correct(visit, Ver::first(1), &content, false)), Code::GrantEnded);
    refused(&world.send(&mut member, World::submit(visit)), Code::GrantEnded);
}

#[test]
fn a_former_officer_settles_gives_and_closes_nothing() {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    let visit = world.visit(true);
    let user = world.state_user(0xc1);
    officer.lose_grants(NOW);
    let hash = world.hash(visit);
    for intent in [
        World::approve(visit, hash),
        World::send_back(visit, hash),
        Intent::GrantGive(give(user, "member", VILLAGE)),
        Intent::PeriodSet(SetPeriod { commune: UnitId(id(COMMUNE)), month: Month(24_322), open: false, ext: ext() }),
        Intent::HouseholdMove(relocate(world.household.0, OTHER_VILLAGE)),
    ] {
        refused(&world.send(&mut officer, intent), Code::NotFound);
    }
}

// ---- The workflow of a visit -----------------------------------------------------------------------------------------

#[test]
fn a_visit_goes_from_the_member_to_the_officer_and_back() {
    let mut world = World::new();
    let (mut officer, mut leader) = (world.officer.clone(), world.leader.clone());
    let visit = world.visit(false);
    let mut member = world.member.clone();
    let first = world.hash(visit);
    refused(&world.send(&mut officer, World::approve(visit, first)), Code::WrongState);
    assert_eq!(world.applied(&mut member, World::submit(visit)).ver, Some(Ver(Ver::first(1).0 + 1)));
    refused(&world.send(&mut member, World::submit(visit)), Code::WrongState);
    refused(&world.send(&mut leader, World::approve(visit, first)), Code::NotFound);

    world.applied(&mut leader, World::send_back(visit, first));
    assert_eq!(world.status(visit), "returned");
    let review: Review = world.visit_state(visit).group(visit_state::REVIEW).unwrap();
    assert_eq!((review.decision.as_str(), review.by, review.reasons.len()), ("returned", leader.user(), 1));

    let content = VisitContent { activities: vec![account("not_done")], ..world.content() };
    let ver = world.visit_state(visit).ver;
    let correction = world.applied(&mut member, World::correct(visit, ver, &content, true));
    assert_eq!(world.status(visit), "submitted");
    assert_eq!(world.pointer(visit).event, event(&correction).id);
    assert_eq!(event(&correction).visit, Some(visit));

    // An approval is of what the reviewer saw.
    refused(&world.send(&mut officer, World::approve(visit, first)), Code::ContentChanged);
    let second = world.hash(visit);
    assert_eq!(second, content_hash(&content.cbor()));
    world.applied(&mut officer, World::approve(visit, second));
    assert_eq!(world.status(visit), "approved");
    refused(&world.send(&mut officer, World::approve(visit, second)), Code::WrongState);
    refused(&world.send(&mut leader, World::send_back(visit, second)), Code::NotAllowed);
    world.applied(&mut officer, World::send_back(visit, second));
    assert_eq!(world.status(visit), "returned");
}

#[test]
fn a_return_needs_reasons_that_can_be_read() {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    let visit = world.visit(true);
    let hash = world.hash(visit);
    let body = |reasons: Vec<ReturnReason>, note: Option<&str>| {
        let note = note.map(str::to_owned);
        Intent::VisitReturn(ReturnVisit { visit, hash, reasons, note, ext: ext() })
    };
    let reason = |code: &str, field: &str, text: &str| ReturnReason {
        code: code.into(),
        activity: None,
        field: Some(field.into()),
        text: Some(text.into()),
        ext: ext(),
    };
    refused(&world.send(&mut officer, body(vec![], None)), Code::ReasonMissing);
    let too_many = vec![reason("other", "f", "t"); 31];
    refused_at(&world.send(&mut officer, body(too_many, None)), Code::BadValue, "reasons");
    let bad = vec![reason("because", "f", "t")];
    refused_at(&world.send(&mut officer, body(bad, None)), Code::BadValue, "reasons[0].code");
    let bad = vec![reason("other", "f", "t"), reason("other", "a\u{1b}[31m", "t")];
    refused_at(&world.send(&mut officer, body(bad, None)), Code::BadValue, "reasons[1].field");
    let bad = vec![reason("other", "f", "a\0b")];
    refused_at(&world.send(&mut officer, body(bad, None)), Code::BadValue, "reasons[0].text");
    let good = vec![reason("other", "f", "t"); 30];
    refused_at(&world.send(&mut officer, body(good.clone(), Some(""))), Code::BadValue, "note");
    world.applied(&mut officer, body(good, Some("Xem lại.\nCảm ơn.")));
}

#[test]
fn nobody_reviews_a_visit_that_they_made_or_took_part_in() {
    let mut world = World::new();
    let mut both = world.officer.clone();
    both.principal.holdings.push(Holding { scope: ScopeId(id(VILLAGE)), role: Role::Member, ended: None });
    let content = world.content();
    let own = VisitId(world.created(&mut both, World::record(&content, true)));
    let hash = world.hash(own);
    refused(&world.send(&mut both, World::approve(own, hash)), Code::OwnVisit);
    refused(&world.send(&mut both, World::send_back(own, hash)), Code::OwnVisit);

    let mut member = world.member.clone();
    let with_officer = VisitContent { members: vec![both.user()], ..content };
    let joined = VisitId(world.created(&mut member, World::record(&with_officer, true)));
    let hash = world.hash(joined);
    refused(&world.send(&mut both, World::approve(joined, hash)), Code::OwnVisit);
}

#[test]
fn who_took_part_is_said_by_the_correction_that_holds() {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    let visit = world.visit(false);
    let mut member = world.member.clone();
    let joined = VisitContent { members: vec![officer.user()], ..world.content() };
    let correction = world.applied(&mut member, World::correct(visit, Ver::first(1), &joined, true));
    let hash = world.hash(visit);
    refused(&world.send(&mut officer, World::approve(visit, hash)), Code::OwnVisit);
    // The event of the correction is no visit of its own.
    let event = VisitId(event(&correction).id.0);
    refused(&world.send(&mut officer, World::approve(event, hash)), Code::NotFound);
}

#[test]
fn a_visit_in_a_state_of_a_newer_server_waits_for_the_update() {
    let mut world = World::new();
    let visit = world.visit(false);
    let mut state = world.visit_state(visit);
    let status = VisitStatusValue { status: "archived".into(), handed_in: None, was_returned: false, ext: ext() };
    state.groups.get_mut(&visit_state::STATUS).expect("a status").value = Raw(status.cbor());
    world.state.registers.insert((RowType::VISIT_STATE, visit.0), (ScopeId(id(VILLAGE)), state));
    let mut member = world.member.clone();
    deferred(&world.send(&mut member, World::submit(visit)));
}

#[test]
fn a_closed_month_keeps_its_approvals_and_flags_what_arrives() {
    let mut world = World::new();
    let (mut officer, mut leader, mut member) = (world.officer.clone(), world.leader.clone(), world.member.clone());
    let (visit, waiting) = (world.visit(true), world.visit(true));
    member.n = world.member.n;
    let hash = world.hash(visit);
    world.applied(&mut officer, World::approve(visit, hash));
    let month = Month::of_day(Day::of_ms(NOW), 14);
    let period = |open| SetPeriod { commune: UnitId(id(COMMUNE)), month, open, ext: ext() };
    refused(&world.send(&mut leader, Intent::PeriodSet(period(false))), Code::NotFound);
    world.applied(&mut officer, Intent::PeriodSet(period(false)));
    refused(&world.send(&mut officer, World::send_back(visit, hash)), Code::PeriodClosed);
    world.applied(&mut officer, World::send_back(waiting, hash));
    let content = world.content();
    let late = world.applied(&mut member, World::record(&content, true));
    assert_eq!(event(&late).flags, flag::PERIOD_CLOSED);
    let before = world.state.get(RowType::PERIOD, period_id(UnitId(id(COMMUNE)), month)).ver;
    let opened = world.applied(&mut officer, Intent::PeriodSet(period(true)));
    assert!(opened.ver > Some(before));
    world.applied(&mut officer, World::send_back(visit, hash));
    let unknown = SetPeriod { commune: UnitId(id(9)), ..period(true) };
    refused(&world.send(&mut officer, Intent::PeriodSet(unknown)), Code::NotFound);
}

#[test]
fn a_void_visit_stays_and_takes_nothing_more() {
    let mut world = World::new();
    let (mut officer, mut leader) = (world.officer.clone(), world.leader.clone());
    let visit = world.visit(false);
    let mut member = world.member.clone();
    let bad = |code: &str| {
        let reason = VoidReason { code: code.into(), text: None, ext: ext() };
        Intent::VisitVoid(VoidVisit { visit, reason: Raw(reason.cbor()), ext: ext() })
    };
    refused_at(&world.send(&mut member, bad("boring")), Code::BadValue, "reason.code");
    let decision = world.applied(&mut member, World::void(visit));
    assert_eq!(world.pointer(visit).voided_by, Some(event(&decision).id));
    let (content, hash) = (world.content(), world.hash(visit));
    for intent in [
        World::void(visit),
        World::submit(visit),
        World::correct(visit, Ver(u64::MAX), &content, true),
        World::correct(visit, Ver::first(1), &content, true),
    ] {
        refused(&world.send(&mut member, intent), Code::WrongState);
    }
    refused(&world.send(&mut officer, World::approve(visit, hash)), Code::WrongState);

    // Handed in: only the commune may void it.
    let submitted = world.visit(true);
    refused(&world.send(&mut leader, World::void(submitted)), Code::WrongState);
    world.applied(&mut officer, World::void(submitted));
    let approved = world.visit(true);
    let hash = world.hash(approved);
    world.applied(&mut officer, World::approve(approved, hash));
    refused(&world.send(&mut officer, World::void(approved)), Code::WrongState);
}

#[test]
fn a_visit_stays_in_its_village() {
    let mut world = World::new();
    let visit = world.visit(false);
    let mut member = world.member.clone();
    let elsewhere = VisitContent { village: UnitId(id(OTHER_VILLAGE)), ..world.content() };
    let decision = world.send(&mut member, World::correct(visit, Ver::first(1), &elsewhere, true));
    refused_at(&decision, Code::BadValue, "village");
}

#[test]
fn a_correction_that_crossed_a_submission_or_an_approval_becomes_a_case() {
    for approved in [false, true] {
        let mut world = World::new();
        let (mut colleague, mut officer, mut leader) =
            (world.colleague.clone(), world.officer.clone(), world.leader.clone());
        let visit = world.visit(false);
        let mut member = world.member.clone();
        world.applied(&mut member, World::submit(visit));
        let hash = world.hash(visit);
        if approved {
            world.applied(&mut officer, World::approve(visit, hash));
        }
        let status = world.status(visit);
        // The colleague still saw a visit that nobody had handed in.
        let content = VisitContent { minutes: Some(45), ..world.content() };
        let crossed = world.send(&mut colleague, World::correct(visit, Ver::first(1), &content, true));
        assert_eq!(crossed.verdict, Verdict::AppliedWithCase);
        assert_eq!((world.status(visit), world.hash(visit)), (status, hash), "the reviewer's content was changed");
        let case = crossed.case.unwrap();
        let sides = world.sides(case);
        assert_eq!(sides.len(), 2);
        let corrected = event(&crossed).id;
        assert!(world.state.events.contains_key(&corrected));
        if !approved {
            refused(&world.send(&mut officer, World::approve(visit, hash)), Code::CaseOpen);
        }
        // Only one of the two can be chosen; a third cannot be made up.
        let base = world.state.get(RowType::CASE, case.0).ver;
        let resolve = |value: Raw| Intent::CaseResolve(ResolveCase { case, base_ver: base, value, ext: ext() });
        refused_at(&world.send(&mut leader, resolve(Raw(vec![0xa0]))), Code::BadValue, "value");
        world.applied(&mut leader, resolve(sides[1].clone()));
        assert_eq!(world.pointer(visit).event, corrected);
        // What was approved was the other content: it must be looked at again.
        assert_eq!(world.status(visit), "submitted");
        let hash = world.hash(visit);
        world.applied(&mut officer, World::approve(visit, hash));
    }
}

#[test]
fn choosing_the_approved_side_keeps_the_approval() {
    let mut world = World::new();
    let (mut colleague, mut officer) = (world.colleague.clone(), world.officer.clone());
    let visit = world.visit(true);
    let hash = world.hash(visit);
    world.applied(&mut officer, World::approve(visit, hash));
    let content = VisitContent { minutes: Some(45), ..world.content() };
    let case = world.send(&mut colleague, World::correct(visit, Ver(0), &content, true)).case.unwrap();
    let (sides, base_ver) = (world.sides(case), world.state.get(RowType::CASE, case.0).ver);
    let month = Month::of_day(Day::of_ms(NOW), 14);
    let closed = SetPeriod { commune: UnitId(id(COMMUNE)), month, open: false, ext: ext() };
    world.applied(&mut officer, Intent::PeriodSet(closed));
    let resolve = |value: &Raw| Intent::CaseResolve(ResolveCase { case, base_ver, value: value.clone(), ext: ext() });
    refused(&world.send(&mut officer, resolve(&sides[1])), Code::PeriodClosed);
    world.applied(&mut officer, resolve(&sides[0]));
    assert_eq!((world.status(visit).as_str(), world.hash(visit)), ("approved", hash));
}

#[test]
fn ones_own_submission_is_no_surprise() {
    let mut world = World::new();
    let visit = world.visit(false);
    let mut member = world.member.clone();
    world.applied(&mut member, World::submit(visit));
    let content = VisitContent { minutes: Some(45), ..world.content() };
    let decision = world.send(&mut member, World::correct(visit, Ver::first(1), &content, true));
    refused(&decision, Code::WrongState);
}

#[test]
fn a_correction_that_crossed_a_return_is_the_answer_to_it() {
    let mut world = World::new();
    let (mut colleague, mut officer) = (world.colleague.clone(), world.officer.clone());
    let visit = world.visit(true);
    let hash = world.hash(visit);
    world.applied(&mut officer, World::send_back(visit, hash));
    let content = VisitContent { minutes: Some(45), ..world.content() };
    world.applied(&mut colleague, World::correct(visit, Ver::first(1), &content, true));
    assert_eq!((world.status(visit).as_str(), world.hash(visit)), ("submitted", content_hash(&content.cbor())));
}

#[test]
fn two_unseen_corrections_are_both_kept_and_a_void_outlives_the_case() {
    let mut world = World::new();
    let (mut colleague, mut leader) = (world.colleague.clone(), world.leader.clone());
    let visit = world.visit(false);
    let mut member = world.member.clone();
    let with = |minutes: u32, world: &World| VisitContent { minutes: Some(minutes), ..world.content() };
    let mine = with(40, &world);
    world.applied(&mut member, World::correct(visit, Ver::first(1), &mine, false));
    let theirs = with(50, &world);
    let clash = world.send(&mut colleague, World::correct(visit, Ver::first(1), &theirs, false));
    assert_eq!(clash.verdict, Verdict::AppliedWithCase);
    let (case, theirs_event) = (clash.case.unwrap(), event(&clash).id);
    assert_eq!(world.pointer(visit).event, theirs_event);
    // A third correction by somebody who has seen both still joins the open case.
    let third = with(60, &world);
    let joined = world.send(&mut leader, World::correct(visit, Ver(u64::MAX), &third, false));
    assert_eq!((joined.verdict, joined.case), (Verdict::AppliedWithCase, Some(case)));
    assert_eq!(world.sides(case).len(), 3);
    world.applied(&mut member, World::void(visit));
    let base_ver = world.state.get(RowType::CASE, case.0).ver;
    let value = world.sides(case)[0].clone();
    world.applied(&mut leader, Intent::CaseResolve(ResolveCase { case, base_ver, value, ext: ext() }));
    assert!(world.pointer(visit).voided_by.is_some(), "settling a case brought a void visit back");
    assert_eq!(world.status(visit), "done", "settling a case handed a visit in");
}

// ---- Households: field groups that meet ------------------------------------------------------------------------------

#[test]
fn different_groups_never_clash_and_equal_answers_agree() {
    let mut world = World::new();
    let (mut member, mut colleague) = (world.member.clone(), world.colleague.clone());
    let base = world.household().ver;
    let edit = |groups: Vec<(u8, Raw)>| Intent::HouseholdSet(set(world.household.0, base, groups));
    let (first, second, third) = (edit(vec![label("mái đỏ")]), edit(vec![people(4)]), edit(vec![label("mái đỏ")]));
    world.applied(&mut member, first);
    world.applied(&mut colleague, second);
    world.applied(&mut colleague, third);
    let household = world.household();
    assert_eq!(household.groups[&household::LABEL].stamps.len(), 2);
    assert!(household.groups.values().all(|group| group.case.is_none()));
    let empty = Intent::HouseholdSet(set(world.household.0, base, []));
    refused_at(&world.send(&mut member, empty), Code::BadValue, "groups");
}

#[test]
fn the_later_arrival_is_shown_unless_the_group_is_guarded() {
    let mut world = World::new();
    let (mut member, mut colleague, mut leader) = (world.member.clone(), world.colleague.clone(), world.leader.clone());
    let base = world.household().ver;
    let id = world.household.0;
    world.applied(&mut member, Intent::HouseholdSet(set(id, base, [label("mái đỏ"), class("poor")])));
    let clash =
        world.send(&mut colleague, Intent::HouseholdSet(set(id, base, [label("mái xanh"), class("near_poor")])));
    assert_eq!(clash.verdict, Verdict::AppliedWithCase);
    let household = world.household();
    assert_eq!(household.groups[&household::LABEL].value, label("mái xanh").1);
    assert_eq!(household.groups[&household::CLASS].value, class("poor").1, "a guarded value was replaced unseen");
    let (about_label, about_class) =
        (household.groups[&household::LABEL].case.unwrap(), household.groups[&household::CLASS].case.unwrap());
    assert_ne!(about_label, about_class);
    assert_eq!(world.sides(about_class), [class("poor").1, class("near_poor").1]);
    let sides: CaseSides = world.state.get(RowType::CASE, about_class.0).group(case::SIDES).unwrap();
    assert_eq!(sides.sides[0].author, Some(member.user()));
    assert_eq!(sides.sides[1].author, Some(colleague.user()));
    // A third answer joins the same case.
    let third = world.send(&mut leader, Intent::HouseholdSet(set(id, base, [class("policy")])));
    assert_eq!((third.verdict, third.case), (Verdict::AppliedWithCase, Some(about_class)));
    assert_eq!(world.sides(about_class).len(), 3);
}

#[test]
fn four_equal_answers_are_remembered_and_a_fifth_opens_a_case() {
    let mut world = World::new();
    let (base, household) = (world.household().ver, world.household.0);
    let answer = |world: &mut World, number: u8, text: &str| {
        let mut person = Person::new(number, Role::Member, &[VILLAGE]);
        world.send(&mut person, Intent::HouseholdSet(set(household, base, [label(text)])))
    };
    for number in 0xb1..=0xb4 {
        assert_eq!(answer(&mut world, number, "mái đỏ").verdict, Verdict::Applied);
    }
    let case = answer(&mut world, 0xb5, "mái đỏ").case.expect("a case");
    // What stands there is a side already, and no new one when the next answer joins.
    assert_eq!(answer(&mut world, 0xb6, "mái xanh").case, Some(case));
    assert_eq!(world.sides(case), [label("mái đỏ").1, label("mái đỏ").1, label("mái xanh").1]);
}

#[test]
fn a_value_entered_while_a_case_is_open_is_in_the_case() {
    let mut world = World::new();
    let (mut member, mut colleague, mut leader) = (world.member.clone(), world.colleague.clone(), world.leader.clone());
    let (base, id) = (world.household().ver, world.household.0);
    world.applied(&mut member, Intent::HouseholdSet(set(id, base, [label("a")])));
    let clash = world.send(&mut colleague, Intent::HouseholdSet(set(id, base, [label("b")])));
    let case = clash.case.unwrap();
    let seen_case = world.state.get(RowType::CASE, case.0).ver;
    // The member has seen both and writes a third answer; the leader settles without having seen it.
    let third = world.send(&mut member, Intent::HouseholdSet(set(id, world.household().ver, [label("c")])));
    assert_eq!(third.case, Some(case));
    let resolve = |base_ver: Ver, value: Raw| Intent::CaseResolve(ResolveCase { case, base_ver, value, ext: ext() });
    refused(&world.send(&mut leader, resolve(seen_case, label("a").1)), Code::ContentChanged);
    let mut late = world.leader.on_another_phone();
    let fourth = world.send(&mut late, Intent::HouseholdSet(set(id, base, [label("d")])));
    assert_eq!(fourth.case, Some(case));
    assert_eq!(world.sides(case), [label("a").1, label("b").1, label("c").1, label("d").1]);
    let now = world.state.get(RowType::CASE, case.0).ver;
    world.applied(&mut leader, resolve(now, label("đã hỏi lại: e").1));
    let household = world.household();
    assert_eq!(household.groups[&household::LABEL].value, label("đã hỏi lại: e").1);
    assert!(household.groups[&household::LABEL].case.is_none());
    refused(&world.send(&mut colleague, resolve(now, label("b").1)), Code::NotFound);
    refused(&world.send(&mut late, resolve(now, label("b").1)), Code::AlreadyResolved);
    let bad = world.send(&mut leader, resolve(Ver(0), Raw(vec![0xa0])));
    refused(&bad, Code::AlreadyResolved);
}

#[test]
fn a_side_of_ones_own_does_not_hide_the_ones_before_it() {
    let mut world = World::new();
    let (mut member, mut colleague, mut leader) = (world.member.clone(), world.colleague.clone(), world.leader.clone());
    let (base, id) = (world.household().ver, world.household.0);
    world.applied(&mut member, Intent::HouseholdSet(set(id, base, [label("a")])));
    let case = world.send(&mut colleague, Intent::HouseholdSet(set(id, base, [label("b")]))).case.unwrap();
    let seen_case = world.state.get(RowType::CASE, case.0).ver;
    world.send(&mut member, Intent::HouseholdSet(set(id, world.household().ver, [label("c")])));
    // The leader, who has seen a and b, adds an answer and settles: c would go unread.
    world.send(&mut leader, Intent::HouseholdSet(set(id, base, [label("d")])));
    let resolve = |base_ver: Ver| Intent::CaseResolve(ResolveCase { case, base_ver, value: label("d").1, ext: ext() });
    refused(&world.send(&mut leader, resolve(seen_case)), Code::ContentChanged);
    let now = world.state.get(RowType::CASE, case.0).ver;
    world.applied(&mut leader, resolve(now));
}

#[test]
fn a_restored_phone_clashes_with_its_own_lost_future() {
    let mut world = World::new();
    let (base, id) = (world.household().ver, world.household.0);
    let mut member = world.member.clone();
    world.applied(&mut member, Intent::HouseholdSet(set(id, base, [label("trước")])));
    // Restored to a copy from before that edit, under a new epoch whose past ends before it.
    let mut restored = member.on_another_phone();
    restored.lineage = Lineage(vec![(member.epoch, member.n)]);
    let decision = world.send(&mut restored, Intent::HouseholdSet(set(id, base, [label("sau")])));
    assert_eq!(decision.verdict, Verdict::AppliedWithCase);
}

#[test]
fn a_phone_restored_to_a_copy_that_has_its_edit_does_not_clash_with_it() {
    let mut world = World::new();
    let (base, id) = (world.household().ver, world.household.0);
    let mut member = world.member.clone();
    world.applied(&mut member, Intent::HouseholdSet(set(id, base, [label("trước")])));
    let mut restored = member.on_another_phone();
    restored.lineage = Lineage(vec![(member.epoch, member.n + 1)]);
    world.applied(&mut restored, Intent::HouseholdSet(set(id, base, [label("sau")])));
}

#[test]
fn a_name_or_a_phone_needs_consent() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let id = world.household.0;
    let edit = |groups: Vec<(u8, Raw)>| Intent::HouseholdSet(set(id, Ver(u64::MAX), groups));
    refused_at(&world.send(&mut member, edit(vec![head_of("Chủ hộ mẫu")])), Code::ConsentMissing, "head");
    refused_at(&world.send(&mut member, edit(vec![phone("0912345678")])), Code::ConsentMissing, "phone");
    let withdrawn = vec![head_of("Chủ hộ mẫu"), consent(Some(Day(20_701)))];
    refused(&world.send(&mut member, edit(withdrawn)), Code::ConsentMissing);
    world.applied(&mut member, edit(vec![head_of("Chủ hộ mẫu"), consent(None)]));
    world.applied(&mut member, edit(vec![phone("0912345678")]));
    refused_at(&world.send(&mut member, edit(vec![phone("+84912345678")])), Code::BadValue, "phone");
    let without = create(VILLAGE, [label("nhà"), phone("0912345678")]);
    refused(&world.send(&mut member, Intent::HouseholdCreate(without)), Code::ConsentMissing);
}

#[test]
fn a_household_takes_only_values_that_make_sense() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let odd_consent = |purpose: &str, method: &str| {
        let consent = Consent {
            purposes: vec![purpose.into()],
            notice_version: "2026.1".into(),
            language: "vi".into(),
            method: method.into(),
            given: Day(1),
            withdrawn: None,
            ext: ext(),
        };
        (household::CONSENT, Raw(consent.cbor()))
    };
    let status = HouseholdStatus { status: "burnt".into(), ext: ext() };
    for (group, field) in [
        (label(""), "label"),
        (label("a\nb"), "label"),
        (label(&"x".repeat(121)), "label"),
        (class("rich"), "class"),
        (people(31), "adults_15_plus"),
        ((household::STATUS, Raw(status.cbor())), "status"),
        (odd_consent("marketing", "guardian"), "consent.purposes"),
        (odd_consent("photo", "shouted"), "consent.method"),
        ((household::CLASS, Raw(vec![0x05])), "class"),
    ] {
        let intent = Intent::HouseholdSet(set(world.household.0, Ver(u64::MAX), [group]));
        refused_at(&world.send(&mut member, intent), Code::BadValue, field);
    }
    world.applied(&mut member, Intent::HouseholdSet(set(world.household.0, Ver(u64::MAX), [people(30)])));
    let unlabelled = Intent::HouseholdCreate(create(VILLAGE, [class("poor")]));
    refused_at(&world.send(&mut member, unlabelled), Code::BadValue, "groups[1]");
    let foreign = Intent::HouseholdCreate(create(FOREIGN_VILLAGE, [label("nhà")]));
    refused(&world.send(&mut member, foreign), Code::NotFound);
}

fn relocate(household: Uuid, to: u8) -> MoveRow {
    MoveRow { id: household, base_ver: Ver(u64::MAX), to: ScopeId(id(to)), ext: ext() }
}

#[test]
fn a_household_that_moved_takes_visits_but_no_edits_from_the_old_village() {
    let mut world = World::new();
    let (mut member, mut colleague, mut officer) =
        (world.member.clone(), world.colleague.clone(), world.officer.clone());
    let (base, household) = (world.household().ver, world.household.0);
    // An open case goes along.
    world.applied(&mut member, Intent::HouseholdSet(set(household, base, [label("a")])));
    let case = world.send(&mut colleague, Intent::HouseholdSet(set(household, base, [label("b")]))).case.unwrap();
    refused(&world.send(&mut member, Intent::HouseholdMove(relocate(household, OTHER_VILLAGE))), Code::NotFound);
    refused(&world.send(&mut officer, Intent::HouseholdMove(relocate(household, FOREIGN_VILLAGE))), Code::NotFound);
    refused(&world.send(&mut officer, Intent::HouseholdMove(relocate(household, VILLAGE))), Code::WrongState);
    world.applied(&mut officer, Intent::HouseholdMove(relocate(household, OTHER_VILLAGE)));
    let other = ScopeId(id(OTHER_VILLAGE));
    assert_eq!(world.state.registers[&(RowType::HOUSEHOLD, household)].0, other);
    assert_eq!(world.state.registers[&(RowType::CASE, case.0)].0, other);

    let edit = Intent::HouseholdSet(set(household, base, [label("c")]));
    refused(&world.send(&mut member, edit), Code::MovedAway);
    let content = world.content();
    let visit = world.applied(&mut member, World::record(&content, true));
    assert_eq!(event(&visit).flags, flag::HOUSEHOLD_MOVED);
    let mut leader = world.leader.clone();
    let base_ver = world.state.get(RowType::CASE, case.0).ver;
    let resolve = ResolveCase { case, base_ver, value: label("a").1, ext: ext() };
    refused(&world.send(&mut leader, Intent::CaseResolve(resolve.clone())), Code::NotFound);
    world.applied(&mut officer, Intent::CaseResolve(resolve));
}

#[test]
fn a_new_server_epoch_gives_new_versions() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let household = world.household.0;
    world.server_epoch = 2;
    let ver = world.applied(&mut member, Intent::HouseholdSet(set(household, Ver::first(1), [label("a")]))).ver;
    assert_eq!(ver, Some(Ver::first(2)));
    // A server that forgot its epoch never goes back.
    world.server_epoch = 1;
    let ver = world.applied(&mut member, Intent::HouseholdSet(set(household, Ver::first(2), [label("b")]))).ver;
    assert_eq!(ver, Some(Ver(Ver::first(2).0 + 1)));
}

// ---- Plans -----------------------------------------------------------------------------------------------------------

fn plan_groups(world: &World) -> Vec<(u8, Raw)> {
    let task = PlanTask {
        village: UnitId(id(VILLAGE)),
        household: Some(world.household),
        visit_type: "household".into(),
        planned_for: Day(21_000),
        kinds: vec!["vneid_level2".into()],
        note: None,
        follows: None,
        ext: ext(),
    };
    let assignee = PlanAssignee { team: world.team, user: None, ext: ext() };
    vec![(plan::TASK, Raw(task.cbor())), (plan::ASSIGNEE, Raw(assignee.cbor()))]
}

fn cancel(plan: Uuid) -> Intent {
    Intent::PlanCancel(CancelPlan { plan: PlanId(plan), reason: Some("Gia đình đi vắng.".into()), ext: ext() })
}

#[test]
fn a_plan_is_made_changed_and_called_off() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let groups = plan_groups(&world);
    let plan = world.created(&mut member, Intent::PlanCreate(create(VILLAGE, groups.clone())));
    let other = PlanAssignee { team: world.commune_team, user: Some(member.user()), ext: ext() };
    let assign = |team: &PlanAssignee| [(plan::ASSIGNEE, Raw(team.cbor()))];
    world.applied(&mut member, Intent::PlanSet(set(plan, Ver::first(1), assign(&other))));
    for team in [world.foreign_team, TeamId(id(9))] {
        let foreign = PlanAssignee { team, user: None, ext: ext() };
        let decision = world.send(&mut member, Intent::PlanSet(set(plan, Ver(u64::MAX), assign(&foreign))));
        refused_at(&decision, Code::NotFound, "assignee.team");
    }
    let status = PlanStatus { status: "done".into(), visit: None, reason: None, ext: ext() };
    let by_hand = [(plan::STATUS, Raw(status.cbor()))];
    refused(&world.send(&mut member, Intent::PlanSet(set(plan, Ver(u64::MAX), by_hand))), Code::NotAllowed);
    world.applied(&mut member, cancel(plan));
    refused(&world.send(&mut member, cancel(plan)), Code::WrongState);
    refused(&world.send(&mut member, cancel(id(9))), Code::NotFound);

    let mut foreign = groups.clone();
    let mut task = PlanTask::from_cbor(&foreign[0].1.0).unwrap();
    task.household = Some(world.foreign_household);
    foreign[0].1 = Raw(task.cbor());
    let decision = world.send(&mut member, Intent::PlanCreate(create(VILLAGE, foreign)));
    refused_at(&decision, Code::NotFound, "task.household");
    let decision = world.send(&mut member, Intent::PlanCreate(create(VILLAGE, groups[..1].to_vec())));
    refused_at(&decision, Code::BadValue, "groups[2]");
}

// ---- Units, teams, members, accounts, roles --------------------------------------------------------------------------

impl World {
    /// An account.
    fn state_user(&mut self, number: u8) -> UserId {
        let mut officer = self.officer.clone();
        let body = CreateUser {
            display_name: "Thành viên mẫu".into(),
            phone: format!("09123456{number:02}").chars().take(10).collect(),
            unit: UnitId(id(COMMUNE)),
            ext: ext(),
        };
        let user = UserId(self.created(&mut officer, Intent::UserCreate(body)));
        self.officer = officer;
        user
    }
}

fn give(user: UserId, role: &str, unit: u8) -> GiveGrant {
    let unit = if unit == 0 { UnitId(Uuid::nil()) } else { UnitId(id(unit)) };
    GiveGrant { user, role: role.into(), unit, from: Day(20_700), decision: None, ext: ext() }
}

#[test]
fn an_account_is_entered_once_per_phone_number() {
    let mut world = World::new();
    let (mut officer, mut leader) = (world.officer.clone(), world.leader.clone());
    let body = |phone: &str, unit: u8| {
        let display_name = "Thành viên mẫu".into();
        Intent::UserCreate(CreateUser { display_name, phone: phone.into(), unit: UnitId(id(unit)), ext: ext() })
    };
    let user = UserId(world.created(&mut officer, body("0912345678", COMMUNE)));
    assert_eq!(world.state.users[&user].grants_rev, 0);
    refused_at(&world.send(&mut officer, body("0912345678", COMMUNE)), Code::AlreadyExists, "phone");
    refused_at(&world.send(&mut officer, body("12", COMMUNE)), Code::BadValue, "phone");
    refused(&world.send(&mut officer, body("0912345679", FOREIGN_COMMUNE)), Code::NotFound);
    refused(&world.send(&mut leader, body("0912345679", VILLAGE)), Code::NotFound);
}

#[test]
fn a_membership_brings_a_grant_and_takes_it_away() {
    let mut world = World::new();
    let (mut officer, mut member) = (world.officer.clone(), world.member.clone());
    let user = world.state_user(11);
    officer.n = world.officer.n;
    let team = world.team;
    let add = |team: TeamId, position: &str, organisation: &str| {
        Intent::MemberAdd(AddMember {
            team,
            user,
            display_name: "Thành viên mẫu".into(),
            position: position.into(),
            organisation: organisation.into(),
            from: Day(20_700),
            ext: ext(),
        })
    };
    refused(&world.send(&mut member, add(team, "member", "youth")), Code::NotFound);
    refused_at(&world.send(&mut officer, add(team, "boss", "youth")), Code::BadValue, "position");
    refused_at(&world.send(&mut officer, add(team, "member", "party")), Code::BadValue, "organisation");
    refused_at(&world.send(&mut officer, add(TeamId(id(9)), "member", "youth")), Code::NotFound, "team");
    let membership = world.created(&mut officer, add(team, "leader", "other"));
    let grant = world.state.grants[&GrantId(membership)].clone();
    assert_eq!((grant.role.as_str(), grant.unit, grant.ended), ("team_leader", UnitId(id(VILLAGE)), None));
    assert_eq!(world.state.users[&user].grants_rev, 1);

    let end =
        |member: Uuid, to: u32| Intent::MemberEnd(EndMember { member: TeamMemberId(member), to: Day(to), ext: ext() });
    refused_at(&world.send(&mut officer, end(membership, 20_699)), Code::BadValue, "to");
    refused(&world.send(&mut member, end(membership, 20_800)), Code::NotFound);
    world.applied(&mut officer, end(membership, 20_800));
    assert_eq!(world.state.users[&user].grants_rev, 2);
    let grant = &world.state.grants[&GrantId(membership)];
    assert_eq!((grant.to, grant.ended), (Some(Day(20_800)), Some((2, ServerMs(NOW)))));
    refused(&world.send(&mut officer, end(membership, 20_800)), Code::WrongState);
    refused(&world.send(&mut officer, end(id(9), 20_800)), Code::NotFound);
}

#[test]
fn a_membership_that_ends_on_its_first_day_has_held_that_day() {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    let user = world.state_user(13);
    officer.n = world.officer.n;
    let body = AddMember {
        team: world.team,
        user,
        display_name: "Thành viên mẫu".into(),
        position: "member".into(),
        organisation: "youth".into(),
        from: Day(20_700),
        ext: ext(),
    };
    let member = world.created(&mut officer, Intent::MemberAdd(body));
    // The grant was taken away before; that is not done twice.
    let grant = GrantId(member);
    world.applied(&mut officer, Intent::GrantEnd(EndGrant { grant, to: Day(20_700), ext: ext() }));
    let before = (world.state.grants.clone(), world.state.users.clone());
    let end = EndMember { member: TeamMemberId(member), to: Day(20_700), ext: ext() };
    world.applied(&mut officer, Intent::MemberEnd(end));
    assert_eq!((&world.state.grants, &world.state.users), (&before.0, &before.1));
    let validity: Option<Validity> = world.state.get(RowType::TEAM_MEMBER, member).group(team_member::VALIDITY);
    assert_eq!(validity.map(|validity| (validity.from, validity.to)), Some((Day(20_700), Some(Day(20_701)))));
}

#[test]
fn an_officer_gives_team_roles_in_the_commune_and_an_admin_the_others() {
    let mut world = World::new();
    let (mut officer, mut admin, mut leader) = (world.officer.clone(), world.admin.clone(), world.leader.clone());
    let user = world.state_user(12);
    officer.n = world.officer.n;
    let ask = |world: &mut World, who: &mut Person, role: &str, unit: u8| {
        world.send(who, Intent::GrantGive(give(user, role, unit)))
    };
    assert_eq!(ask(&mut world, &mut officer, "member", VILLAGE).verdict, Verdict::Applied);
    assert_eq!(ask(&mut world, &mut admin, "commune_officer", COMMUNE).verdict, Verdict::Applied);
    assert_eq!(ask(&mut world, &mut admin, "admin", 0).verdict, Verdict::Applied);
    assert_eq!(world.state.users[&user].grants_rev, 3);
    for (role, unit, code) in [
        ("member", FOREIGN_VILLAGE, Code::NotFound),
        ("commune_officer", COMMUNE, Code::NotFound),
        ("admin", 0, Code::NotFound),
        ("king", COMMUNE, Code::BadValue),
    ] {
        refused(&ask(&mut world, &mut officer, role, unit), code);
    }
    refused(&ask(&mut world, &mut leader, "member", VILLAGE), Code::NotFound);
    refused(&ask(&mut world, &mut admin, "member", 0), Code::NotFound);
    refused(&ask(&mut world, &mut admin, "admin", COMMUNE), Code::NotFound);

    let grant = *world.state.grants.iter().find(|(_, grant)| grant.role == "admin").unwrap().0;
    let end = Intent::GrantEnd(EndGrant { grant, to: Day(20_800), ext: ext() });
    refused(&world.send(&mut officer, end.clone()), Code::NotFound);
    world.applied(&mut admin, end.clone());
    assert_eq!(world.state.users[&user].grants_rev, 4);
    refused(&world.send(&mut admin, end), Code::WrongState);
}

#[test]
fn villages_are_the_communes_and_the_levels_above_are_not() {
    let mut world = World::new();
    let (mut officer, mut admin) = (world.officer.clone(), world.admin.clone());
    let body = |level: &str, parent: u8, chosen: Option<Uuid>| {
        let groups = unit_groups(level, "Mới", id(parent));
        Intent::UnitCreate(CreateRow { scope: ScopeId(id(parent)), groups, id: chosen, ext: ext() })
    };
    let village = world.created(&mut officer, body("village", COMMUNE, None));
    assert_eq!(world.state.registers[&(RowType::UNIT, village)].0, ScopeId(village));
    refused(&world.send(&mut officer, body("commune", COMMUNE, None)), Code::NotAllowed);
    refused(&world.send(&mut officer, body("village", FOREIGN_COMMUNE, None)), Code::NotFound);
    refused_at(&world.send(&mut officer, body("village", COMMUNE, Some(id(7)))), Code::NotAllowed, "id");
    refused(&world.send(&mut admin, body("village", COMMUNE, Some(id(VILLAGE)))), Code::AlreadyExists);
    let orphan = CreateRow { groups: ByKey(BTreeMap::new()), ..create(COMMUNE, []) };
    refused_at(&world.send(&mut officer, Intent::UnitCreate(orphan)), Code::BadValue, "groups[1]");
    let elsewhere = CreateRow { groups: unit_groups("village", "x", id(FOREIGN_COMMUNE)), ..create(COMMUNE, []) };
    refused_at(&world.send(&mut officer, Intent::UnitCreate(elsewhere)), Code::NotFound, "parent");

    let groups = |level: &str, parent: u8| unit_groups(level, "Đổi", id(parent)).0;
    let rename: Vec<_> = groups("village", COMMUNE).into_iter().collect();
    world.applied(&mut officer, Intent::UnitSet(set(id(VILLAGE), Ver(u64::MAX), rename)));
    let away = Intent::UnitSet(set(id(VILLAGE), Ver(u64::MAX), groups("village", FOREIGN_COMMUNE)));
    refused_at(&world.send(&mut officer, away), Code::NotFound, "parent");
    for (unit, level) in [(VILLAGE, "commune"), (COMMUNE, "village"), (COMMUNE, "commune")] {
        let identity = BTreeMap::from([(unit::IDENTITY, groups(level, COMMUNE)[&unit::IDENTITY].clone())]);
        let promote = Intent::UnitSet(set(id(unit), Ver(u64::MAX), identity));
        refused_at(&world.send(&mut officer, promote), Code::NotAllowed, "identity");
    }
    let validity = Validity { from: Day(5), to: Some(Day(5)), ext: ext() };
    let empty = Intent::UnitSet(set(id(VILLAGE), Ver(u64::MAX), [(unit::VALIDITY, Raw(validity.cbor()))]));
    refused_at(&world.send(&mut officer, empty), Code::BadValue, "validity.to");
}

#[test]
fn a_team_belongs_to_the_unit_that_it_is_entered_in() {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    let body = |scope: u8, unit: u8, level: &str| {
        let identity =
            TeamIdentity { level: level.into(), unit: UnitId(id(unit)), name: "Tổ mới".into(), ext: ext() };
        let validity = Validity { from: Day(20_270), to: None, ext: ext() };
        Intent::TeamCreate(create(scope, [(1, Raw(identity.cbor())), (3, Raw(validity.cbor()))]))
    };
    let team = world.created(&mut officer, body(VILLAGE, VILLAGE, "village"));
    refused_at(&world.send(&mut officer, body(VILLAGE, OTHER_VILLAGE, "village")), Code::NotFound, "identity.unit");
    refused_at(&world.send(&mut officer, body(VILLAGE, VILLAGE, "street")), Code::BadValue, "identity.level");
    refused(&world.send(&mut officer, body(FOREIGN_VILLAGE, FOREIGN_VILLAGE, "village")), Code::NotFound);
    let decision = TeamDecision { number: "12/QĐ-UBND".into(), day: Day(20_280), ext: ext() };
    let groups = [(team::DECISION, Raw(decision.cbor()))];
    world.applied(&mut officer, Intent::TeamSet(set(team, Ver::first(1), groups)));
}

// ---- Laws --------------------------------------------------------------------------------------------------------------

/// One edit in the exhaustive check: which phone, which value, how much of the server's history it had seen.
#[derive(Clone, Copy, Debug)]
struct Edit {
    phone: usize,
    value: usize,
    seen: usize,
}

/// Plays edits of one group in the order of arrival and checks P11: a value is shown, in the open case, or was replaced
/// by somebody who knew it.
fn nothing_is_lost(edits: &[Edit], group: fn(usize) -> (u8, Raw), start: &World) -> bool {
    let mut world = start.clone();
    let mut phones = [world.member.clone(), world.colleague.clone()];
    let id = world.household.0;
    let mut vers = vec![world.household().ver];
    let mut known: Vec<Vec<usize>> = Vec::new();
    for (index, edit) in edits.iter().enumerate() {
        let seen = edit.seen.min(index);
        let intent = Intent::HouseholdSet(set(id, vers[seen], [group(edit.value)]));
        let decision = world.send(&mut phones[edit.phone], intent);
        assert!(matches!(decision.verdict, Verdict::Applied | Verdict::AppliedWithCase), "{:?}", decision.code);
        vers.push(world.household().ver);
        let own = (0..index).filter(|other| edits[*other].phone == edit.phone);
        known.push((0..seen).chain(own).collect());
    }
    let household = world.household();
    let key = group(0).0;
    let shown = &household.groups[&key].value;
    let sides = household.groups[&key].case.map(|case| world.sides(case)).unwrap_or_default();
    edits.iter().enumerate().all(|(index, edit)| {
        let value = group(edit.value).1;
        let replaced = (index + 1..edits.len()).any(|later| known[later].contains(&index));
        *shown == value || sides.contains(&value) || replaced
    })
}

/// P11, exhaustively: two phones, up to four edits of one group in every order, from every view of the past.
#[test]
fn no_order_of_arrival_loses_an_unseen_value() {
    fn ordinary(value: usize) -> (u8, Raw) {
        label(["a", "b", "c"][value])
    }
    fn guarded(value: usize) -> (u8, Raw) {
        class(["poor", "near_poor", "policy"][value])
    }
    let start = World::new();
    let mut played = 0;
    for length in 1..=4usize {
        // Per edit: phone, value, and how many of the edits before it had been seen. Phones and values are alike, so the
        // first edit may be of the first phone with the first value.
        let options: Vec<usize> = (0..length).map(|index| if index == 0 { 1 } else { 2 * 3 * (index + 1) }).collect();
        let total: usize = options.iter().product();
        for mut code in 0..total {
            let edits: Vec<Edit> = options
                .iter()
                .map(|option| {
                    let digit = code % option;
                    code /= option;
                    Edit { phone: digit % 2, value: digit / 2 % 3, seen: digit / 6 }
                })
                .collect();
            for group in [ordinary as fn(usize) -> (u8, Raw), guarded] {
                assert!(nothing_is_lost(&edits, group, &start), "{edits:?}");
                played += 1;
            }
        }
    }
    assert_eq!(played, 2 * (1 + 12 + 216 + 5_184));
}

/// Ops of many sorts about the rows of the small world.
fn intents(world: &World, visit: VisitId) -> Vec<Intent> {
    let content = world.content();
    let household = world.household.0;
    let base = Ver::first(1);
    vec![
        World::record(&content, true),
        World::correct(visit, base, &content, true),
        World::submit(visit),
        World::void(visit),
        World::approve(visit, world.hash(visit)),
        World::send_back(visit, world.hash(visit)),
        Intent::HouseholdCreate(create(VILLAGE, [label("nhà")])),
        Intent::HouseholdSet(set(household, base, [label("a"), class("poor")])),
        Intent::HouseholdSet(set(household, base, [label("b"), class("policy")])),
        Intent::HouseholdMove(relocate(household, OTHER_VILLAGE)),
        Intent::PlanCreate(create(VILLAGE, plan_groups(world))),
        cancel(id(9)),
        Intent::UnitSet(set(id(VILLAGE), base, unit_groups("village", "x", id(COMMUNE)).0)),
        Intent::PeriodSet(SetPeriod { commune: UnitId(id(COMMUNE)), month: Month(24_322), open: false, ext: ext() }),
        Intent::UserCreate(CreateUser {
            display_name: "Thành viên mẫu".into(),
            phone: "0912345678".into(),
            unit: UnitId(id(COMMUNE)),
            ext: ext(),
        }),
        Intent::GrantGive(give(world.member.user(), "member", VILLAGE)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// P12: whatever the bytes, there is an answer, and rows stay readable.
    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let world = World::new();
        let person = world.officer.clone();
        let Ok(decision) = decide_bytes(&mut world.state.clone(), &world.context(&person), &bytes);
        check(&decision, 1);
    }

    /// P12 again, closer to home: a valid op with a few bytes changed, cut or put in.
    #[test]
    fn a_damaged_op_gets_an_answer(
        which in any::<prop::sample::Index>(),
        person in 0usize..6,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..4),
    ) {
        let mut world = World::new();
        let visit = world.visit(true);
        let all = intents(&world, visit);
        let op = world.op(all[which.index(all.len())].clone());
        let mut bytes = op.cbor();
        for (place, byte, how) in changes {
            let at = place.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        let people = [
            &world.admin, &world.member, &world.colleague, &world.leader, &world.officer, &world.stranger,
        ];
        let person = people[person].clone();
        let Ok(decision) = decide_bytes(&mut world.state.clone(), &world.context(&person), &bytes);
        check(&decision, 1);
        let Ok(again) = decide_bytes(&mut world.state.clone(), &world.context(&person), &bytes);
        prop_assert_eq!(&decision, &again);
        world.state.apply(&decision.changes);
    }

    /// P15: clocks decide nothing. With the same ops under other clocks, every verdict, code, version and value is the
    /// same. What may differ: the claimed times themselves (`Event::at`, `Side::at`), the flag for night hours, and the
    /// first 48 bits of ids that derive from the op (events, rows, cases, uids), which repeat the claimed time.
    #[test]
    fn clocks_decide_nothing(
        order in prop::collection::vec((any::<prop::sample::Index>(), 0usize..4), 1..8),
        clocks in prop::collection::vec(any::<u64>(), 8),
    ) {
        let play = |clocks: &[u64]| {
            let mut world = World::new();
            let visit = world.visit(true);
            let all = intents(&world, visit);
            let mut people = [
                world.member.clone(), world.colleague.clone(), world.leader.clone(), world.officer.clone(),
            ];
            let mut verdicts = Vec::new();
            for (index, (which, person)) in order.iter().enumerate() {
                let mut op = world.op(all[which.index(all.len())].clone());
                op.at = ClaimedMs(clocks.get(index).copied().unwrap_or(op.at.0));
                let decision = world.deliver(&mut people[*person], &op);
                verdicts.push((decision.verdict, decision.code, decision.field, decision.rule, decision.ver, decision.case.is_some()));
            }
            let household = world.household();
            let values: Vec<(u8, Raw, bool)> = household.groups.iter().map(|(key, group)| (*key, group.value.clone(), group.case.is_some())).collect();
            let flags: Vec<u32> = {
                let mut flags: Vec<u32> = world.state.events.values().map(|(_, event)| event.flags & !flag::NIGHT).collect();
                flags.sort_unstable();
                flags
            };
            let cases = household.groups.values().filter_map(|group| group.case).map(|case| world.sides(case)).collect::<Vec<_>>();
            (verdicts, values, flags, cases, world.status(visit), world.hash(visit))
        };
        prop_assert_eq!(play(&[]), play(&clocks));
    }
}

#[test]
fn whoever_wrote_the_correction_that_holds_does_not_approve_it() {
    let mut world = World::new();
    let mut both = world.officer.clone();
    both.principal.holdings.push(Holding { scope: ScopeId(id(VILLAGE)), role: Role::Member, ended: None });
    let visit = world.visit(false);
    let base = world.visit_state(visit).ver;
    let content = world.content();
    world.applied(&mut both, World::correct(visit, base, &content, true));
    let hash = world.hash(visit);
    refused(&world.send(&mut both, World::approve(visit, hash)), Code::OwnVisit);
    let mut other = Person { epoch: Epoch(77), ..Person::new(0xb0, Role::CommuneOfficer, &[COMMUNE, VILLAGE]) };
    world.applied(&mut other, World::approve(visit, hash));
}

#[test]
fn an_officer_hangs_a_village_under_a_commune_of_theirs_and_nowhere_else() {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    let under = |unit: u8, parent: u8| {
        let parent = UnitParent { parent: UnitId(id(parent)), from: Day(20_270), former: vec![], ext: ext() };
        Intent::UnitSet(set(id(unit), Ver(u64::MAX), [(unit::PARENT, Raw(parent.cbor()))]))
    };
    for (unit, parent) in [(VILLAGE, VILLAGE), (VILLAGE, OTHER_VILLAGE), (COMMUNE, VILLAGE)] {
        refused_at(&world.send(&mut officer, under(unit, parent)), Code::BadValue, "parent");
    }
    world.applied(&mut officer, under(VILLAGE, COMMUNE));
    // A village below a village is no village either.
    let body = create(VILLAGE, unit_groups("village", "Mới", id(VILLAGE)).0);
    refused_at(&world.send(&mut officer, Intent::UnitCreate(body)), Code::BadValue, "parent");
}

#[test]
fn a_village_under_another_commune_keeps_what_it_lay_in() {
    let (mut world, other) = (World::new(), id(0x77));
    let mut admin = world.admin.clone();
    let mut groups = unit_groups("commune", "Mới", Uuid::nil());
    let validity = Validity { from: Day(20_000), to: None, ext: ext() };
    groups.0.insert(unit::VALIDITY, Raw(validity.cbor()));
    let new = CreateRow { scope: INSTALLATION, groups, id: Some(other), ext: ext() };
    world.applied(&mut admin, Intent::UnitCreate(new));
    let under = |parent: Uuid, from: u32, former: Vec<FormerParent>| {
        let parent = UnitParent { parent: UnitId(parent), from: Day(from), former, ext: ext() };
        Intent::UnitSet(set(id(VILLAGE), Ver(u64::MAX), [(unit::PARENT, Raw(parent.cbor()))]))
    };
    let parent =
        |world: &World| -> UnitParent { world.state.get(RowType::UNIT, id(VILLAGE)).group(unit::PARENT).unwrap() };
    let before = parent(&world);
    let invented = vec![FormerParent { parent: UnitId(id(9)), from: Day(5), ext: ext() }];
    world.applied(&mut admin, under(other, 20_700, invented));
    let after = parent(&world);
    let spans = [(before.parent, before.from, Some(Day(20_700))), (UnitId(other), Day(20_700), None)];
    assert_eq!(after.spans(), spans, "the list comes from the row");
    let on = [0, 20_699, 20_700].map(|day| after.on(Day(day)));
    assert_eq!(on, [before.parent, before.parent, UnitId(other)]);

    // The team of the old commune is still a team of the village; its month is the one that counts on an old day.
    let mut member = world.member.clone();
    let content = VisitContent { team: world.commune_team, ..world.content() };
    world.applied(&mut member, World::record(&content, true));
    let foreign = VisitContent { team: world.foreign_team, ..world.content() };
    refused_at(&world.send(&mut member, World::record(&foreign, true)), Code::NotFound, "team");

    // Back from the same first day on: as if it had never moved.
    world.applied(&mut admin, under(before.parent.0, before.from.0, vec![]));
    assert_eq!(parent(&world), before);
    let backwards = vec![FormerParent { parent: UnitId(other), from: Day(20_900), ext: ext() }];
    refused_at(&world.send(&mut admin, under(before.parent.0, 20_800, backwards)), Code::BadValue, "parent.former");
}

#[test]
fn a_reorganisation_is_entered_and_taken_back_by_an_admin() {
    let mut world = World::new();
    let mut admin = world.admin.clone();
    let what = ReorganisationWhat {
        effective: Day(20_270),
        basis: "1673/NQ-UBTVQH15".into(),
        communes: vec![UnitId(id(COMMUNE))],
        closed: vec![],
        opened: vec![UnitId(id(COMMUNE))],
        moves: vec![],
        ext: ext(),
    };
    let record = |scope: u8, basis: &str| {
        let what = ReorganisationWhat { basis: basis.into(), ..what.clone() };
        Intent::ReorganisationRecord(RecordReorganisation { id: id(0x23), scope: ScopeId(id(scope)), what, ext: ext() })
    };
    let undo = || Intent::ReorganisationUndo(ReorganisationRef { id: id(0x23), ext: ext() });
    let mut officer = world.officer.clone();
    refused(&world.send(&mut officer, record(COMMUNE, "1/NQ")), Code::NotFound);
    refused(&world.send(&mut officer, undo()), Code::NotFound);
    refused(&world.send(&mut admin, undo()), Code::NotFound);
    refused_at(&world.send(&mut admin, record(COMMUNE, "")), Code::BadValue, "basis");
    refused_at(&world.send(&mut admin, record(0x66, "1/NQ")), Code::NotFound, "scope");
    world.applied(&mut admin, record(COMMUNE, "1/NQ"));
    refused(&world.send(&mut admin, record(COMMUNE, "1/NQ")), Code::AlreadyExists);
    world.applied(&mut admin, undo());
    refused(&world.send(&mut admin, undo()), Code::WrongState);
    let commune = world.state.get(RowType::UNIT, id(COMMUNE));
    let validity: Validity = commune.group(unit::VALIDITY).unwrap();
    assert_eq!(validity.to, Some(validity.from), "what it opened was never in force");
    world.applied(&mut admin, record(COMMUNE, "1/NQ"));
}

#[test]
fn name_and_phone_go_with_the_consent() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let household = world.household;
    let head = HouseholdHead { display_name: "Lò Văn Mẫu".into(), ext: ext() };
    let agreed = Consent {
        purposes: vec!["visit_log".into()],
        notice_version: "2026.1".into(),
        language: "vi".into(),
        method: "spoken_witnessed".into(),
        given: Day(20_400),
        withdrawn: None,
        ext: ext(),
    };
    let consent = |consent: &Consent| (household::CONSENT, Raw(consent.cbor()));
    let groups = [consent(&agreed), (household::HEAD, Raw(head.cbor()))];
    world.applied(&mut member, Intent::HouseholdSet(set(household.0, Ver(u64::MAX), groups)));
    assert!(world.household().groups.contains_key(&household::HEAD));
    let withdrawn = Consent { withdrawn: Some(Day(20_410)), ..agreed };
    let groups = [consent(&withdrawn)];
    world.applied(&mut member, Intent::HouseholdSet(set(household.0, Ver(u64::MAX), groups)));
    assert!(!world.household().groups.contains_key(&household::HEAD));
    assert!(world.household().groups.contains_key(&household::LABEL));
}
