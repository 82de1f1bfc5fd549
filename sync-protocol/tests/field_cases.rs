//! Cases from the field: opened by hand or by an activity, moved on by whoever is in charge, answered in time or late.

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::collections::BTreeMap;

use support::*;
use sync_protocol::access::{Holding, Role};
use sync_protocol::case_flow::{Case, CaseKind};
use sync_protocol::cbor::Raw;
use sync_protocol::decide::Decision;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::indicator::{RowData, derive::row_fact};
use sync_protocol::op::*;
use sync_protocol::outcome::{Code, Verdict};
use sync_protocol::row::{Register, RowType, Ver};
use sync_protocol::value::Value;

fn refused(decision: &Decision, code: Code) {
    assert_eq!((decision.verdict, decision.code), (Verdict::Rejected, Some(code)), "{:?}", decision.field);
}

fn refused_by(decision: &Decision, code: Code, rule: &str) {
    refused(decision, code);
    assert_eq!(decision.rule.as_deref(), Some(rule));
}

fn refused_at(decision: &Decision, code: Code, field: &str) {
    refused(decision, code);
    assert_eq!(decision.field.as_deref(), Some(field));
}

fn open(unit: u8, kind: &str, text: &str) -> OpenCase {
    OpenCase { unit: UnitId(id(unit)), kind: kind.into(), household: None, text: text.into(), other: None, ext: ext() }
}

fn advance(case: CaseId, to: &str, text: &str) -> Intent {
    let text = (!text.is_empty()).then(|| text.to_owned());
    Intent::CaseAdvance(AdvanceCase { case, to: to.into(), text, ext: ext() })
}

fn need(id: Option<ActivityId>) -> Activity {
    let fields = BTreeMap::from([
        ("need".to_owned(), Value::Codes(vec!["smartphone".into()])),
        ("priority_class".to_owned(), Value::Text("poor".into())),
        ("quantity".to_owned(), Value::Int(1)),
    ]);
    Activity { kind: "device_need".into(), fields, id, ext: ext() }
}

fn with(world: &World, activities: Vec<Activity>) -> VisitContent {
    VisitContent { activities, ..world.content() }
}

fn row(world: &World, case: CaseId) -> &Register {
    world.state.get(RowType::CASE, case.0)
}

fn flow(world: &World, case: CaseId) -> CaseFlow {
    row(world, case).group(case::FLOW).unwrap()
}

fn status(world: &World, case: CaseId) -> &'static str {
    Case::read(row(world, case)).unwrap().status().code()
}

fn cases(world: &World) -> Vec<CaseId> {
    let all = world.state.registers.keys().filter(|(ty, _)| *ty == RowType::CASE);
    all.map(|(_, id)| CaseId(*id)).collect()
}

fn on(world: &mut World, day: &str) {
    world.received = Day::parse(day).unwrap().begins().0 + 8 * 3_600_000;
}

/// The ids of the first activity of a visit that a person records, and of its case.
fn recorded(world: &mut World, activities: Vec<Activity>) -> (VisitId, ActivityId, CaseId) {
    let content = with(world, activities);
    let mut member = world.member.clone();
    let op = world.op(World::record(&content, false));
    let decision = world.deliver(&mut member, &op);
    assert_eq!(decision.verdict, Verdict::Applied, "{:?} {:?}", decision.code, decision.field);
    world.member = member;
    let activity = activity_id(EventId(op.row_id()), op.at, 0);
    (VisitId(op.row_id()), activity, field_case_id(activity, CaseKind::DeviceNeed))
}

// ---- By hand -------------------------------------------------------------------------------------------------------

#[test]
fn a_case_is_opened_by_whoever_is_in_the_field_and_lies_where_the_village_sees_it() {
    let mut world = World::new();
    let (mut member, mut stranger) = (world.member.clone(), world.stranger.clone());
    let body = OpenCase {
        household: Some(world.household),
        ..open(VILLAGE, "citizen_feedback", "Đường vào thôn hỏng.")
    };
    let case = CaseId(world.created(&mut member, Intent::CaseOpen(body.clone())));
    assert_eq!(world.state.registers[&(RowType::CASE, case.0)].0, ScopeId(id(VILLAGE)));
    let found = flow(&world, case);
    assert_eq!((found.opened_by, found.role.as_str(), found.household), (member.user(), "member", body.household));
    assert_eq!((found.opened, found.text), (Day::of_ms(NOW), Some("Đường vào thôn hỏng.".to_owned())));
    assert_eq!(status(&world, case), "open");

    refused(&world.send(&mut stranger, Intent::CaseOpen(body.clone())), Code::NotFound);
    let mut send = |body: OpenCase| world.send(&mut member, Intent::CaseOpen(body));
    refused_at(&send(OpenCase { kind: "conflict".into(), ..body.clone() }), Code::BadValue, "kind");
    refused_at(&send(OpenCase { text: String::new(), ..body.clone() }), Code::BadValue, "text");
    let told = OpenCase { text: "Gọi 0912345678.".into(), ..body.clone() };
    refused_by(&send(told), Code::BadValue, "phone_number");
    let foreign = OpenCase { household: Some(HouseholdId(id(9))), ..body };
    refused_at(&send(foreign), Code::NotFound, "household");
}

#[test]
fn a_duplicate_names_two_households_that_whoever_opens_it_may_see() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let one = world.household;
    let two = HouseholdId(
        world.created(&mut member, Intent::HouseholdCreate(create(VILLAGE, [label("nhà bên suối"), class("poor")]))),
    );
    let pair = |other: HouseholdId| OpenCase {
        household: Some(one),
        other: Some(other),
        ..open(VILLAGE, "duplicate", "Có thể là một nhà.")
    };
    let case = CaseId(world.created(&mut member, Intent::CaseOpen(pair(two))));
    let found = flow(&world, case);
    assert_eq!((found.household, found.other), (Some(one), Some(two)));
    let mut send = |body: OpenCase| world.send(&mut member, Intent::CaseOpen(body));
    refused_at(&send(pair(one)), Code::BadValue, "other");
    refused_at(&send(OpenCase { household: None, ..pair(two) }), Code::BadValue, "other");
    refused_at(&send(OpenCase { kind: "device_need".into(), ..pair(two) }), Code::BadValue, "other");
    refused_at(&send(pair(HouseholdId(id(9)))), Code::NotFound, "other");
}

#[test]
fn a_privacy_officer_opens_requests_about_ones_own_data_and_nothing_else() {
    let mut world = World::new();
    let mut privacy = Person::new(0xa6, Role::PrivacyOfficer, &[COMMUNE, VILLAGE]);
    refused(&world.send(&mut privacy, Intent::CaseOpen(open(VILLAGE, "device_need", "Cần máy."))), Code::NotAllowed);
    on(&mut world, "2026-11-18");
    let request = Intent::CaseOpen(open(VILLAGE, "data_subject_request", "Xin xem dữ liệu."));
    let case = CaseId(world.created(&mut privacy, request));
    assert_eq!(flow(&world, case).due.unwrap().to_string(), "2026-11-20", "two working days, by law");
    // A commune officer holds no key to it, also when the same person is a privacy officer elsewhere.
    let mut officer = world.officer.clone();
    refused(&world.send(&mut officer, advance(case, "acknowledged", "")), Code::NotAllowed);
    // Whoever is both acts in the role that fits, not in the one that ranks higher.
    let both = Holding { scope: ScopeId(id(VILLAGE)), role: Role::PrivacyOfficer, ended: None };
    officer.principal.holdings.push(both);
    let need = CaseId(world.created(&mut officer, Intent::CaseOpen(open(VILLAGE, "device_need", "Cần máy."))));
    world.applied(&mut officer, advance(need, "acknowledged", ""));
    world.applied(&mut officer, advance(case, "acknowledged", ""));
}

#[test]
fn a_case_that_a_member_opened_before_losing_the_village_is_taken() {
    let mut world = World::new();
    let mut member = world.member.clone();
    member.lose_grants(NOW);
    assert_eq!(
        world.send(&mut member, Intent::CaseOpen(open(VILLAGE, "scam_report", "Có người lừa."))).verdict,
        Verdict::Applied
    );
}

// ---- Step by step --------------------------------------------------------------------------------------------------

#[test]
fn a_case_goes_its_way_and_every_step_is_kept() {
    let mut world = World::new();
    let (mut member, mut officer) = (world.member.clone(), world.officer.clone());
    let case = CaseId(world.created(&mut member, Intent::CaseOpen(open(VILLAGE, "coverage_gap_report", "Mất sóng."))));
    refused(&world.send(&mut member, advance(case, "acknowledged", "")), Code::NotAllowed);
    refused_by(&world.send(&mut officer, advance(case, "resolved", "Xong.")), Code::WrongState, "case_wrong_state");
    refused_at(&world.send(&mut officer, advance(case, "done", "")), Code::BadValue, "to");
    world.applied(&mut officer, advance(case, "acknowledged", ""));
    refused_by(&world.send(&mut officer, advance(case, "forwarded", "")), Code::BadValue, "case_text_missing");
    world.applied(&mut officer, advance(case, "forwarded", "Viettel Yên Bái"));
    assert_eq!(flow(&world, case).receiver.as_deref(), Some("Viettel Yên Bái"));
    let secret = advance(case, "resolved", "Số tài khoản 0011223344556.");
    refused_by(&world.send(&mut officer, secret), Code::BadValue, "case_text_forbidden_number");
    world.applied(&mut officer, advance(case, "resolved", "Trạm phát sóng mới đặt trong tháng 12."));
    let mut stranger = world.stranger.clone();
    refused(&world.send(&mut stranger, advance(case, "closed", "")), Code::NotFound);
    world.applied(&mut member, advance(case, "closed", ""));
    refused(&world.send(&mut officer, advance(case, "open", "")), Code::BadValue);
    world.applied(&mut officer, advance(case, "open", "Vẫn mất sóng."));
    assert_eq!(flow(&world, case).receiver, None, "nobody was asked since");

    let steps: CaseSteps = row(&world, case).group(case::STEPS).unwrap();
    let said: Vec<_> = steps.steps.iter().map(|step| (step.to.as_str(), step.role.as_str())).collect();
    let expected = [
        ("acknowledged", "commune_officer"),
        ("forwarded", "commune_officer"),
        ("resolved", "commune_officer"),
        ("closed", "member"),
        ("open", "commune_officer"),
    ];
    assert_eq!(said, expected);
    assert_eq!(Case::read(row(&world, case)).unwrap().reopened_count(), 1);
}

#[test]
fn of_two_who_answer_a_case_the_second_is_told() {
    let mut world = World::new();
    let (mut member, mut officer) = (world.member.clone(), world.officer.clone());
    let case = CaseId(world.created(&mut member, Intent::CaseOpen(open(VILLAGE, "device_need", "Cần máy."))));
    world.applied(&mut officer, advance(case, "acknowledged", ""));
    for (first, second) in [("resolved", "rejected"), ("rejected", "resolved")] {
        let mut world = world.clone();
        let mut other = officer.on_another_phone();
        world.applied(&mut officer.clone(), advance(case, first, "Đã xem xét."));
        refused(&world.send(&mut other, advance(case, second, "Đã xem xét.")), Code::WrongState);
        assert_eq!(status(&world, case), first);
    }
}

#[test]
fn the_province_answers_what_was_forwarded_though_it_holds_no_village() {
    let mut world = World::new();
    let (mut member, mut officer) = (world.member.clone(), world.officer.clone());
    let mut province = Person::new(0xa7, Role::ProvinceOfficer, &[0x30, COMMUNE]);
    let case = CaseId(world.created(&mut member, Intent::CaseOpen(open(VILLAGE, "device_need", "Cần máy."))));
    world.applied(&mut officer, advance(case, "acknowledged", ""));
    refused(&world.send(&mut province, advance(case, "resolved", "Đã cấp.")), Code::NotAllowed);
    world.applied(&mut officer, advance(case, "forwarded", "Sở Khoa học và Công nghệ"));
    let mut elsewhere = Person::new(0xa8, Role::ProvinceOfficer, &[FOREIGN_COMMUNE]);
    refused(&world.send(&mut elsewhere, advance(case, "resolved", "Đã cấp.")), Code::NotFound);
    world.applied(&mut province, advance(case, "resolved", "Đã cấp."));
}

#[test]
fn a_server_clock_that_was_set_back_stops_no_case() {
    let mut world = World::new();
    let (mut member, mut officer) = (world.member.clone(), world.officer.clone());
    let case = CaseId(world.created(&mut member, Intent::CaseOpen(open(VILLAGE, "device_need", "Cần máy."))));
    world.received = NOW - 3 * DAY_MS;
    world.applied(&mut officer, advance(case, "acknowledged", ""));
    let steps: CaseSteps = row(&world, case).group(case::STEPS).unwrap();
    assert_eq!(steps.steps[0].day, Day::of_ms(NOW));
}

#[test]
fn a_deadline_counts_the_working_days_over_tet_and_runs_anew_when_reopened() {
    let mut world = World::new();
    let (mut member, mut officer) = (world.member.clone(), world.officer.clone());
    on(&mut world, "2026-02-12");
    let case = CaseId(world.created(&mut member, Intent::CaseOpen(open(VILLAGE, "citizen_feedback", "Đường hỏng."))));
    let due = |world: &World| flow(world, case).due.map(|day| day.to_string());
    assert_eq!(due(&world).as_deref(), Some("2026-02-26"), "Friday the 13th, then Monday the 23rd after Tết");
    world.applied(&mut officer, advance(case, "acknowledged", ""));
    world.applied(&mut officer, advance(case, "resolved", "Sẽ sửa."));
    world.applied(&mut member, advance(case, "closed", ""));
    on(&mut world, "2026-03-02");
    world.applied(&mut officer, advance(case, "open", "Chưa sửa."));
    assert_eq!(due(&world).as_deref(), Some("2026-03-09"));
}

#[test]
fn holidays_that_nobody_knows_yet_leave_a_case_without_a_deadline() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let case = CaseId(world.created(&mut member, Intent::CaseOpen(open(VILLAGE, "device_need", "Cần máy."))));
    assert_eq!(flow(&world, case).due, None);
}

#[test]
fn a_conflict_is_not_stepped_and_a_case_from_the_field_not_chosen() {
    let mut world = World::new();
    let (mut member, mut colleague, mut leader) = (world.member.clone(), world.colleague.clone(), world.leader.clone());
    let (base, household) = (world.household().ver, world.household.0);
    world.applied(&mut member, Intent::HouseholdSet(set(household, base, [class("poor")])));
    let clash = Intent::HouseholdSet(set(household, base, [class("near_poor")]));
    let conflict = world.send(&mut colleague, clash).case.unwrap();
    refused(&world.send(&mut leader, advance(conflict, "acknowledged", "")), Code::CaseOtherKind);
    let case = CaseId(world.created(&mut member, Intent::CaseOpen(open(VILLAGE, "device_need", "Cần máy."))));
    let value = class("poor").1;
    let resolve = ResolveCase { case, base_ver: Ver(u64::MAX), value, ext: ext() };
    refused(&world.send(&mut leader, Intent::CaseResolve(resolve)), Code::CaseOtherKind);
    assert_eq!(row_fact(row(&world, conflict)), None);
}

// ---- By an activity ------------------------------------------------------------------------------------------------

#[test]
fn an_activity_that_outlives_its_visit_opens_its_case_in_the_same_decision() {
    let mut world = World::new();
    let (visit, activity, case) = recorded(&mut world, vec![need(None), account("done")]);
    assert_eq!(cases(&world), [case], "one for the need, none for the account");
    let found = flow(&world, case);
    assert_eq!((found.visit, found.activity, found.household), (Some(visit), Some(activity), Some(world.household)));
    assert_eq!((found.kind.as_str(), found.opened_by), ("device_need", world.member.user()));
    assert_eq!(status(&world, case), "open");
}

#[test]
fn a_correction_that_keeps_the_activity_opens_no_second_case() {
    let mut world = World::new();
    let (visit, activity, case) = recorded(&mut world, vec![need(None)]);
    let before = row(&world, case).clone();
    let mut member = world.member.clone();
    let kept = with(&world, vec![account("done"), need(Some(activity))]);
    world.applied(&mut member, World::correct(visit, Ver(u64::MAX), &kept, false));
    assert_eq!(cases(&world), [case]);
    assert_eq!(*row(&world, case), before);
}

#[test]
fn an_activity_that_is_gone_takes_its_untouched_case_along_and_brings_it_back() {
    let mut world = World::new();
    let (visit, activity, case) = recorded(&mut world, vec![need(None)]);
    let (mut member, mut officer) = (world.member.clone(), world.officer.clone());
    let correct = |world: &World, activities| World::correct(visit, Ver(u64::MAX), &with(world, activities), false);
    let gone = correct(&world, vec![account("done")]);
    world.applied(&mut member, gone);
    assert_eq!(flow(&world, case).withdrawn, Some(Day::of_ms(NOW)));
    refused_by(&world.send(&mut officer, advance(case, "acknowledged", "")), Code::WrongState, "withdrawn");
    let fact = row_fact(row(&world, case)).unwrap();
    assert!(matches!(&fact.row, RowData::Case { kind, .. } if kind.is_empty()), "it counts nowhere: {fact:?}");
    let back = correct(&world, vec![need(Some(activity))]);
    world.applied(&mut member, back);
    assert_eq!(flow(&world, case).withdrawn, None);
    world.applied(&mut officer, advance(case, "acknowledged", ""));
    // Once somebody has taken it up, it stays whatever becomes of the visit.
    let gone = correct(&world, vec![account("done")]);
    world.applied(&mut member, gone);
    world.applied(&mut member, World::void(visit));
    assert_eq!((flow(&world, case).withdrawn, status(&world, case)), (None, "acknowledged"));
}

#[test]
fn a_void_visit_takes_its_untouched_case_along() {
    let mut world = World::new();
    let (visit, _, case) = recorded(&mut world, vec![need(None)]);
    let mut member = world.member.clone();
    world.applied(&mut member, World::void(visit));
    assert_eq!(flow(&world, case).withdrawn, Some(Day::of_ms(NOW)));
}

#[test]
fn a_foreign_visit_that_names_the_activity_moves_nothing() {
    let mut world = World::new();
    let (_, activity, case) = recorded(&mut world, vec![need(None)]);
    let before = row(&world, case).clone();
    let (other, ..) = recorded(&mut world, vec![need(Some(activity))]);
    let mut member = world.member.clone();
    world.applied(&mut member, World::void(other));
    assert_eq!((cases(&world), row(&world, case)), (vec![case], &before));
}

/// Whichever of two corrections arrives first: the cases are those of the content that holds in the end.
#[test]
fn settling_two_corrections_leaves_the_cases_of_the_chosen_one() {
    for chosen in [0, 1] {
        for first in [0, 1] {
            let mut world = World::new();
            let (visit, activity, case) = recorded(&mut world, vec![need(None)]);
            let mut team = [world.member.clone(), world.colleague.clone()];
            let contents = [with(&world, vec![need(Some(activity))]), with(&world, vec![account("done")])];
            let base = world.visit_state(visit).ver;
            let mut conflict = None;
            for at in [first, 1 - first] {
                let decision = world.send(&mut team[at], World::correct(visit, base, &contents[at], false));
                conflict = conflict.or(decision.case);
            }
            let conflict = conflict.unwrap();
            let hash = content_hash(&sync_protocol::cbor::Cbor::cbor(&contents[chosen]));
            let sides: CaseSides = row(&world, conflict).group(case::SIDES).unwrap();
            let value = sides.sides.into_iter().map(|side| side.value).find(|value: &Raw| {
                let pointer: VisitPointer = sync_protocol::cbor::read(&value.0).unwrap();
                pointer.hash == hash
            });
            let resolve = ResolveCase { case: conflict, base_ver: Ver(u64::MAX), value: value.unwrap(), ext: ext() };
            let mut leader = world.leader.clone();
            world.applied(&mut leader, Intent::CaseResolve(resolve));
            let is_open = flow(&world, case).withdrawn.is_none();
            assert_eq!(is_open, chosen == 0, "chosen {chosen}, first {first}");
        }
    }
}

#[test]
fn an_indicator_sees_a_case_as_it_went() {
    let mut world = World::new();
    on(&mut world, "2026-02-12");
    let (_, _, case) = recorded(&mut world, vec![need(None)]);
    let mut officer = world.officer.clone();
    on(&mut world, "2026-02-13");
    world.applied(&mut officer, advance(case, "acknowledged", ""));
    let fact = row_fact(row(&world, case)).unwrap();
    let day = |text| Day::parse(text).unwrap();
    let steps = vec![(day("2026-02-12"), "open".to_owned()), (day("2026-02-13"), "acknowledged".to_owned())];
    let (kind, opened, due) = ("device_need".to_owned(), day("2026-02-12"), Some(day("2026-02-26")));
    assert_eq!((fact.ver, fact.row), (row(&world, case).ver, RowData::Case { id: case, kind, opened, due, steps }));
}
