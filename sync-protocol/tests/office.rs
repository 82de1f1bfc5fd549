//! What the commune steers with: campaigns, targets, base numbers, reports, recognitions, courses, support.

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use proptest::prelude::*;
use support::*;
use sync_protocol::access::Role;
use sync_protocol::campaign::{Campaign, CampaignStatus};
use sync_protocol::catalogue::Decimal;
use sync_protocol::cbor::{Cbor, Raw};
use sync_protocol::decide::Decision;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::indicator::{Period, RowData, derive::row_fact};
use sync_protocol::op::*;
use sync_protocol::outcome::{Code, Verdict};
use sync_protocol::row::{Class, Register, RowType, Ver};
use sync_protocol::units::TargetId;
use uuid::Uuid;

const PROVINCE: u8 = 0x30;
const SEEN: Ver = Ver(u64::MAX);

fn refused(decision: &Decision, code: Code) {
    assert_eq!((decision.verdict, decision.code), (Verdict::Rejected, Some(code)), "{:?}", decision.field);
}

fn refused_at(decision: &Decision, code: Code, field: &str) {
    refused(decision, code);
    assert_eq!(decision.field.as_deref(), Some(field));
}

fn refused_by(decision: &Decision, code: Code, rule: &str) {
    refused(decision, code);
    assert_eq!(decision.rule.as_deref(), Some(rule));
}

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}
fn month(text: &str) -> Month {
    Month::parse(text).unwrap()
}
fn unit(number: u8) -> UnitId {
    UnitId(id(number))
}
fn on(world: &mut World, text: &str) {
    world.received = day(text).begins().0 + 8 * 3_600_000;
}

/// A province above the commune, and its officer, whose grant reaches the communes.
fn province(world: &mut World) -> Person {
    let mut admin = world.admin.clone();
    let groups = unit_groups("province", "Tỉnh Mẫu", Uuid::nil());
    let body = CreateRow { scope: ScopeId(Uuid::nil()), groups, id: Some(id(PROVINCE)), ext: ext() };
    world.applied(&mut admin, Intent::UnitCreate(body));
    let parent = UnitParent { parent: unit(PROVINCE), from: Day(20_270), former: vec![], ext: ext() };
    let above = set(id(COMMUNE), SEEN, [(unit::PARENT, Raw(parent.cbor()))]);
    world.applied(&mut admin, Intent::UnitSet(above));
    world.admin = admin;
    Person::new(0xa7, Role::ProvinceOfficer, &[PROVINCE, COMMUNE])
}

// ---- Campaigns -----------------------------------------------------------------------------------------------------

fn frame(kind: &str, from: &str, to: &str, weekly: Option<u8>) -> CampaignFrame {
    let kinds = vec!["dvc_account".to_owned(), "dvc_submission".to_owned()];
    CampaignFrame { kind: kind.into(), from: day(from), to: day(to), weekly, yearly: None, kinds, ext: ext() }
}

fn titled(title: &str) -> (u8, Raw) {
    let said = CampaignWords { title: title.into(), theme: None, partners: vec![], daily_report: true, ext: ext() };
    (campaign::WORDS, Raw(said.cbor()))
}

fn drive() -> [(u8, Raw); 2] {
    [(campaign::FRAME, Raw(frame("drive", "2026-11-25", "2026-12-10", None).cbor())), titled("Ra quân")]
}

fn thursdays(from: &str, to: &str) -> [(u8, Raw); 2] {
    let frame = frame("thursday_online", from, to, Some(4));
    [(campaign::FRAME, Raw(frame.cbor())), titled("Thứ năm trực tuyến")]
}

fn targets(list: &[(u8, &str, u64)]) -> (u8, Raw) {
    let target = |(of, kind, value): &(u8, &str, u64)| CampaignTarget {
        unit: unit(*of),
        kind: (*kind).to_owned(),
        value: *value,
        ext: ext(),
    };
    (campaign::TARGETS, Raw(CampaignTargets { targets: list.iter().map(target).collect(), ext: ext() }.cbor()))
}

fn publish(campaign: Uuid, base_ver: Ver) -> Intent {
    Intent::CampaignPublish(PublishCampaign { campaign: CampaignId(campaign), base_ver, ext: ext() })
}

fn close(campaign: Uuid) -> Intent {
    Intent::CampaignClose(CloseCampaign { campaign: CampaignId(campaign), ext: ext() })
}

fn campaign_of(world: &World, of: u8, row: Uuid) -> Campaign {
    Campaign::read(unit(of), world.state.get(RowType::CAMPAIGN, row)).unwrap()
}

#[test]
fn a_campaign_is_drafted_published_and_closed_by_its_own_office() {
    let mut world = World::new();
    let (mut officer, mut leader) = (world.officer.clone(), world.leader.clone());
    refused(&world.send(&mut leader, Intent::CampaignCreate(create(COMMUNE, drive()))), Code::NotFound);
    let row = world.created(&mut officer, Intent::CampaignCreate(create(COMMUNE, drive())));
    assert_eq!(world.state.registers[&(RowType::CAMPAIGN, row)].0, ScopeId(id(COMMUNE)));
    assert_eq!(RowType::CAMPAIGN.class(), Class::Notice);
    assert_eq!(campaign_of(&world, COMMUNE, row).status(day("2026-11-25")), CampaignStatus::Draft);
    world.applied(&mut officer, Intent::CampaignSet(set(row, SEEN, [titled("Ra quân tháng 11")])));
    refused(&world.send(&mut leader, publish(row, SEEN)), Code::NotFound);
    world.applied(&mut officer, publish(row, SEEN));
    assert_eq!(campaign_of(&world, COMMUNE, row).status(day("2026-11-25")), CampaignStatus::Running);
    refused(&world.send(&mut officer, publish(row, SEEN)), Code::WrongState);
    refused(&world.send(&mut officer, Intent::CampaignSet(set(row, SEEN, [titled("Khác")]))), Code::WrongState);

    on(&mut world, "2026-11-30");
    refused(&world.send(&mut leader, close(row)), Code::NotFound);
    world.applied(&mut officer, close(row));
    let closed = campaign_of(&world, COMMUNE, row);
    assert_eq!((closed.to, closed.status(day("2026-12-01"))), (day("2026-11-30"), CampaignStatus::Closed));
    refused(&world.send(&mut officer, close(row)), Code::WrongState);
}

#[test]
fn a_campaign_that_is_closed_before_it_begins_never_counts() {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    let row = world.created(&mut officer, Intent::CampaignCreate(create(COMMUNE, drive())));
    world.applied(&mut officer, publish(row, SEEN));
    world.applied(&mut officer, close(row));
    assert!(!campaign_of(&world, COMMUNE, row).published);
    let late = Intent::CampaignSet(set(row, SEEN, [targets(&[(COMMUNE, "dvc_account", 5)])]));
    refused(&world.send(&mut officer, late), Code::WrongState);
}

#[test]
fn the_form_of_a_campaign_is_checked_at_once_and_its_sense_when_it_is_published() {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    let mut send =
        |scope: u8, groups: Vec<(u8, Raw)>| world.send(&mut officer, Intent::CampaignCreate(create(scope, groups)));
    refused_at(&send(VILLAGE, drive().to_vec()), Code::BadValue, "scope");
    refused_at(&send(COMMUNE, drive()[..1].to_vec()), Code::BadValue, "groups[2]");
    let framed = |frame: CampaignFrame| vec![(campaign::FRAME, Raw(frame.cbor())), titled("Ra quân")];
    let good = frame("drive", "2026-11-25", "2026-12-10", None);
    let unknown = CampaignFrame { kind: "party".into(), ..good.clone() };
    refused_at(&send(COMMUNE, framed(unknown)), Code::BadValue, "frame.kind");
    refused_at(
        &send(COMMUNE, framed(CampaignFrame { weekly: Some(8), ..good.clone() })),
        Code::BadValue,
        "frame.weekly",
    );
    let both = CampaignFrame { weekly: Some(4), yearly: Some((10, 10)), ..good.clone() };
    refused_at(&send(COMMUNE, framed(both)), Code::BadValue, "frame.weekly");
    refused_at(&send(COMMUNE, vec![drive()[0].clone(), titled("")]), Code::BadValue, "words.title");
    let state = CampaignState { published: Some(Day(1)), closed: None, ext: ext() };
    let published = [drive().to_vec(), vec![(campaign::STATE, Raw(state.cbor()))]].concat();
    refused(&send(COMMUNE, published), Code::NotAllowed);

    for (frame, rule) in [
        (CampaignFrame { to: day("2026-11-01"), ..good.clone() }, "campaign_reversed"),
        (CampaignFrame { kinds: vec!["no_such".into()], ..good.clone() }, "campaign_unknown_kind"),
        (CampaignFrame { weekly: Some(4), ..good }, "campaign_bad_recurrence"),
    ] {
        let row = world.created(&mut officer, Intent::CampaignCreate(create(COMMUNE, framed(frame))));
        refused_by(&world.send(&mut officer, publish(row, SEEN)), Code::CampaignFault, rule);
    }
}

#[test]
fn two_recurring_campaigns_of_a_unit_do_not_meet_unless_one_is_over() {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    let mut draft = |world: &mut World, from, to| {
        world.created(&mut officer, Intent::CampaignCreate(create(COMMUNE, thursdays(from, to))))
    };
    let first = draft(&mut world, "2026-11-01", "2026-12-31");
    let second = draft(&mut world, "2026-12-01", "2027-01-31");
    world.applied(&mut officer, publish(second, SEEN));
    refused_by(&world.send(&mut officer, publish(first, SEEN)), Code::CampaignFault, "campaign_overlap");
    world.applied(&mut officer, close(second));
    world.applied(&mut officer, publish(first, SEEN));
}

#[test]
fn an_edit_from_an_older_view_is_refused() {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    let mut desk = officer.on_another_phone();
    let row = world.created(&mut officer, Intent::CampaignCreate(create(COMMUNE, drive())));
    let seen = world.state.get(RowType::CAMPAIGN, row).ver;
    world.applied(&mut officer, Intent::CampaignSet(set(row, seen, [titled("Một")])));
    refused(&world.send(&mut desk, Intent::CampaignSet(set(row, seen, [titled("Hai")]))), Code::ContentChanged);
    refused(&world.send(&mut desk, publish(row, seen)), Code::ContentChanged);
    world.applied(&mut officer, Intent::CampaignSet(set(row, seen, [titled("Ba")])));
    world.applied(&mut desk, publish(row, SEEN));
}

#[test]
fn a_commune_adds_its_own_target_to_the_provinces_campaign_and_takes_none_away() {
    let mut world = World::new();
    let (mut above, mut officer) = (province(&mut world), world.officer.clone());
    let groups = [drive().to_vec(), vec![targets(&[(PROVINCE, "dvc_account", 1_000)])]].concat();
    let row = world.created(&mut above, Intent::CampaignCreate(create(PROVINCE, groups)));
    let add = |list: &[(u8, &str, u64)]| Intent::CampaignSet(set(row, Ver(0), [targets(list)]));
    refused(&world.send(&mut officer, add(&[(COMMUNE, "dvc_account", 20)])), Code::NotFound);
    world.applied(&mut above, publish(row, SEEN));
    world.applied(&mut officer, add(&[(COMMUNE, "dvc_account", 20), (VILLAGE, "dvc_account", 5)]));
    for (list, rule) in [
        ((COMMUNE, "dvc_account", 1), "target_exists"),
        ((COMMUNE, "dvc_submission", 0), "target_zero"),
        ((COMMUNE, "vneid_level2", 1), "target_not_counted"),
    ] {
        refused_by(&world.send(&mut officer, add(&[list])), Code::CampaignFault, rule);
    }
    refused(&world.send(&mut officer, add(&[(PROVINCE, "dvc_submission", 1)])), Code::NotFound);
    refused(&world.send(&mut officer, add(&[])), Code::NotFound);
    let mut foreign = Person::new(0xa9, Role::CommuneOfficer, &[FOREIGN_COMMUNE]);
    let outside = add(&[(FOREIGN_COMMUNE, "dvc_account", 3)]);
    refused_by(&world.send(&mut foreign, outside), Code::CampaignFault, "campaign_elsewhere");
    refused(&world.send(&mut officer, Intent::CampaignSet(set(row, SEEN, [titled("Khác")]))), Code::NotFound);
    let found = campaign_of(&world, PROVINCE, row);
    let path = [unit(PROVINCE), unit(COMMUNE), unit(VILLAGE)];
    let values: Vec<u64> = found.targets_for(&path).map(|(_, _, value)| value).collect();
    assert_eq!(values, [1_000, 20, 5]);
}

/// Targets that units add come to the same, in whatever order they arrive.
#[test]
fn the_order_in_which_targets_are_added_does_not_count() {
    let added = [(COMMUNE, "dvc_account", 7), (VILLAGE, "dvc_account", 5), (OTHER_VILLAGE, "dvc_submission", 3)];
    let values = |order: [usize; 3]| {
        let mut world = World::new();
        let mut officer = world.officer.clone();
        let row = world.created(&mut officer, Intent::CampaignCreate(create(COMMUNE, drive())));
        world.applied(&mut officer, publish(row, SEEN));
        for at in order {
            let mut phone = officer.on_another_phone();
            world.applied(&mut phone, Intent::CampaignSet(set(row, Ver(0), [targets(&added[at..=at])])));
        }
        world.state.get(RowType::CAMPAIGN, row).groups[&campaign::TARGETS].value.clone()
    };
    assert_eq!(values([0, 1, 2]), values([2, 0, 1]));
    assert_eq!(values([0, 1, 2]), values([1, 2, 0]));
}

#[test]
fn a_draft_whose_kinds_changed_keeps_no_target_for_what_does_not_count() {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    let groups = [drive().to_vec(), vec![targets(&[(COMMUNE, "dvc_account", 9)])]].concat();
    let row = world.created(&mut officer, Intent::CampaignCreate(create(COMMUNE, groups)));
    let only =
        CampaignFrame { kinds: vec!["dvc_submission".into()], ..frame("drive", "2026-11-25", "2026-12-10", None) };
    world.applied(&mut officer, Intent::CampaignSet(set(row, SEEN, [(campaign::FRAME, Raw(only.cbor()))])));
    refused_by(&world.send(&mut officer, publish(row, SEEN)), Code::CampaignFault, "target_not_counted");
    // A draft's targets may be written anew.
    world.applied(&mut officer, Intent::CampaignSet(set(row, SEEN, [targets(&[(COMMUNE, "dvc_submission", 4)])])));
    world.applied(&mut officer, publish(row, SEEN));
}

// ---- Announcements -------------------------------------------------------------------------------------------------

fn announce(of: u8, title: &str, from: &str, to: &str) -> Intent {
    Intent::AnnouncementPublish(PublishAnnouncement {
        unit: unit(of),
        title: title.into(),
        body: "Thứ bảy, 8 giờ, tại nhà văn hoá thôn.".into(),
        from: day(from),
        to: day(to),
        ext: ext(),
    })
}

#[test]
fn an_announcement_is_out_at_once_and_can_only_be_taken_back() {
    let mut world = World::new();
    on(&mut world, "2026-11-20");
    let (mut officer, mut leader) = (world.officer.clone(), world.leader.clone());
    let good = || announce(COMMUNE, "Ngày chuyển đổi số", "2026-11-21", "2026-11-22");
    refused(&world.send(&mut leader, good()), Code::NotFound);
    let row = world.created(&mut officer, good());
    let stored = world.state.get(RowType::ANNOUNCEMENT, row);
    let said: AnnouncementWords = stored.group(announcement::WORDS).unwrap();
    assert_eq!((said.from, said.to), (day("2026-11-21"), day("2026-11-22")));
    assert!(!said.unit_name.is_empty(), "phones of villages do not have the commune's row");
    let withdraw =
        || Intent::AnnouncementWithdraw(WithdrawAnnouncement { announcement: AnnouncementId(row), ext: ext() });
    refused(&world.send(&mut leader, withdraw()), Code::NotFound);
    world.applied(&mut officer, withdraw());
    refused(&world.send(&mut officer, withdraw()), Code::WrongState);
}

#[test]
fn an_announcement_is_of_a_commune_or_province_in_days_to_come_and_names_no_number() {
    let mut world = World::new();
    on(&mut world, "2026-11-20");
    let mut officer = world.officer.clone();
    for (intent, field, rule) in [
        (announce(COMMUNE, "Họp", "2026-11-22", "2026-11-21"), "to", "before_from"),
        (announce(COMMUNE, "Họp", "2026-11-01", "2026-11-19"), "to", "in_past"),
        (announce(VILLAGE, "Họp", "2026-11-20", "2026-11-21"), "unit", "wrong_level"),
    ] {
        let decision = world.send(&mut officer, intent);
        refused_at(&decision, Code::BadValue, field);
        refused_by(&decision, Code::BadValue, rule);
    }
    let numbered = world.send(&mut officer, announce(COMMUNE, "Gọi 0912345678", "2026-11-20", "2026-11-21"));
    refused_at(&numbered, Code::BadValue, "title");
    refused_at(&world.send(&mut officer, announce(COMMUNE, "", "2026-11-20", "2026-11-21")), Code::BadValue, "title");
}

// ---- Targets -------------------------------------------------------------------------------------------------------

fn goal(value: &str) -> (u8, Raw) {
    let goal = TargetGoal { indicator: None, kind: Some("vneid_level2".into()), value: value.into(), ext: ext() };
    (target::GOAL, Raw(goal.cbor()))
}

fn clears() -> TargetClears {
    TargetClears {
        task: Some("Kích hoạt định danh mức 2.".into()),
        person: Some("Tổ thôn Mẫu".into()),
        from: Some(day("2026-11-15")),
        due: Some(day("2026-12-14")),
        product: Some("Danh sách số lượng theo thôn".into()),
        resource: Some("Hai máy tính bảng".into()),
        ext: ext(),
    }
}

fn clear(clears: TargetClears) -> (u8, Raw) {
    (target::CLEARS, Raw(clears.cbor()))
}

fn publish_target(target: Uuid, base_ver: Ver) -> Intent {
    Intent::TargetPublish(PublishTarget { target: TargetId(target), base_ver, ext: ext() })
}

#[test]
fn a_target_is_published_once_it_is_clear_in_all_five_respects() {
    let mut world = World::new();
    let (mut officer, mut leader) = (world.officer.clone(), world.leader.clone());
    refused(&world.send(&mut leader, Intent::TargetCreate(create(VILLAGE, [goal("40")]))), Code::NotFound);
    let row = world.created(&mut officer, Intent::TargetCreate(create(VILLAGE, [])));
    let empty = world.send(&mut officer, publish_target(row, SEEN));
    refused_at(&empty, Code::TargetIncomplete, "task");
    let all =
        "task_empty,person_empty,from_empty,due_empty,product_empty,resource_empty,value_not_positive,unknown_goal";
    assert_eq!(empty.rule.as_deref(), Some(all));
    let half = TargetClears { person: None, due: None, ..clears() };
    world.applied(&mut officer, Intent::TargetSet(set(row, SEEN, [goal("40"), clear(half)])));
    refused_by(&world.send(&mut officer, publish_target(row, SEEN)), Code::TargetIncomplete, "person_empty,due_empty");
    world.applied(&mut officer, Intent::TargetSet(set(row, SEEN, [clear(clears())])));
    refused(&world.send(&mut leader, publish_target(row, SEEN)), Code::NotFound);
    world.applied(&mut officer, publish_target(row, SEEN));
    refused(&world.send(&mut officer, publish_target(row, SEEN)), Code::WrongState);
    refused(&world.send(&mut officer, Intent::TargetSet(set(row, SEEN, [goal("1")]))), Code::WrongState);
}

#[test]
fn the_form_of_a_target_is_checked_and_an_older_view_refused() {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    let row = world.created(&mut officer, Intent::TargetCreate(create(VILLAGE, [goal("40")])));
    let seen = world.state.get(RowType::TARGET, row).ver;
    let mut send = |groups: Vec<(u8, Raw)>| world.send(&mut officer, Intent::TargetSet(set(row, SEEN, groups)));
    refused_at(&send(vec![goal("4o")]), Code::BadValue, "goal.value");
    let two = TargetGoal {
        indicator: Some("vneid_level2_rate".into()),
        kind: Some("vneid_level2".into()),
        value: "1".into(),
        ext: ext(),
    };
    refused_at(&send(vec![(target::GOAL, Raw(two.cbor()))]), Code::BadValue, "goal");
    let told = TargetClears { task: Some("Gọi 0912345678.".into()), ..clears() };
    refused_at(&send(vec![clear(told)]), Code::BadValue, "clears.task");
    refused_at(&send(vec![]), Code::BadValue, "groups");
    let state = TargetState { role: "member".into(), published: Some(Day(1)), ext: ext() };
    refused(&send(vec![(target::STATE, Raw(state.cbor()))]), Code::NotAllowed);
    let mut desk = officer.on_another_phone();
    world.applied(&mut officer, Intent::TargetSet(set(row, seen, [goal("50")])));
    refused(&world.send(&mut desk, Intent::TargetSet(set(row, seen, [goal("60")]))), Code::ContentChanged);
    refused(&world.send(&mut desk, publish_target(row, seen)), Code::ContentChanged);
}

#[test]
fn a_commune_does_not_lower_what_the_province_asks() {
    let mut world = World::new();
    let (mut above, mut officer) = (province(&mut world), world.officer.clone());
    let row = world.created(&mut above, Intent::TargetCreate(create(COMMUNE, [goal("400"), clear(clears())])));
    refused(&world.send(&mut officer, Intent::TargetSet(set(row, SEEN, [goal("1")]))), Code::NotAllowed);
    refused(&world.send(&mut officer, publish_target(row, SEEN)), Code::NotAllowed);
    world.applied(&mut above, publish_target(row, SEEN));
}

// ---- Numbers -------------------------------------------------------------------------------------------------------

fn households(of: u8, value: u64, base_ver: Option<Ver>) -> SetDenominator {
    SetDenominator {
        unit: unit(of),
        code: "households".into(),
        from: day("2026-01-01"),
        value,
        source: "Niên giám thống kê 2025".into(),
        base_ver,
        ext: ext(),
    }
}

#[test]
fn a_base_number_has_one_row_for_each_unit_code_and_day() {
    let mut world = World::new();
    let (mut officer, mut leader) = (world.officer.clone(), world.leader.clone());
    let send = |world: &mut World, who: &mut Person, body| world.send(who, Intent::DenominatorSet(body));
    refused(&send(&mut world, &mut leader, households(VILLAGE, 90, None)), Code::NotFound);
    refused(&send(&mut world, &mut officer, households(FOREIGN_VILLAGE, 90, None)), Code::NotFound);
    assert_eq!(send(&mut world, &mut officer, households(VILLAGE, 90, None)).verdict, Verdict::Applied);
    let mut desk = officer.on_another_phone();
    refused(&send(&mut world, &mut desk, households(VILLAGE, 95, None)), Code::ContentChanged);
    assert_eq!(send(&mut world, &mut desk, households(VILLAGE, 95, Some(SEEN))).verdict, Verdict::Applied);
    let later = SetDenominator { from: day("2026-07-01"), ..households(VILLAGE, 97, None) };
    assert_eq!(send(&mut world, &mut desk, later).verdict, Verdict::Applied);
    let row = denominator_id(unit(VILLAGE), "households", day("2026-01-01"));
    let fact = row_fact(world.state.get(RowType::DENOMINATOR, row)).unwrap();
    let expected = RowData::Denominator {
        unit: unit(VILLAGE),
        code: "households".into(),
        from: day("2026-01-01"),
        value: 95,
        source: "Niên giám thống kê 2025".into(),
    };
    assert_eq!(fact.row, expected);
    assert_eq!(world.state.registers.keys().filter(|(ty, _)| *ty == RowType::DENOMINATOR).count(), 2);
}

#[test]
fn a_base_number_names_a_code_of_its_level_and_a_source() {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    let mut send = |body| world.send(&mut officer, Intent::DenominatorSet(body));
    let coded = |code: &str| SetDenominator { code: code.into(), ..households(VILLAGE, 1, None) };
    refused_at(&send(coded("no_such")), Code::BadValue, "code");
    refused_by(&send(coded("teams")), Code::BadValue, "follows_from_rows");
    refused_by(&send(coded("population")), Code::BadValue, "wrong_level");
    refused_at(
        &send(SetDenominator { source: String::new(), ..households(VILLAGE, 1, None) }),
        Code::BadValue,
        "source",
    );
    // A commune's own number goes before the sum of its villages.
    assert_eq!(send(households(COMMUNE, 900, None)).verdict, Verdict::Applied);
}

#[test]
fn a_typed_number_belongs_to_a_commune_and_a_period() {
    let mut world = World::new();
    let (mut officer, mut leader) = (world.officer.clone(), world.leader.clone());
    let typed = |code: &str, value: &str| SetManual {
        unit: unit(COMMUNE),
        code: code.into(),
        period: "quarter".into(),
        month: month("2026-11"),
        value: value.into(),
        source: "Bộ phận một cửa".into(),
        base_ver: None,
        ext: ext(),
    };
    let good = typed("feedback_satisfied_pct", "92.50");
    refused(&world.send(&mut leader, Intent::ManualSet(good.clone())), Code::NotFound);
    world.applied(&mut officer, Intent::ManualSet(good.clone()));
    let mut send = |body| world.send(&mut officer, Intent::ManualSet(body));
    // Another month of the same quarter is the same number.
    let again = send(SetManual { month: month("2026-12"), value: "93".into(), ..good.clone() });
    assert_eq!(again.verdict, Verdict::Applied);
    refused_at(&send(typed("feedback_satisfied_pct", "100.1")), Code::BadValue, "value");
    refused_at(&send(typed("dossiers_total", "-1")), Code::BadValue, "value");
    refused_at(&send(typed("no_such", "1")), Code::BadValue, "code");
    refused_at(&send(SetManual { period: "week".into(), ..good.clone() }), Code::BadValue, "period");
    refused_at(&send(SetManual { month: Month(u32::MAX), ..good.clone() }), Code::BadValue, "month");
    refused_by(&send(SetManual { unit: unit(VILLAGE), ..good.clone() }), Code::BadValue, "wrong_level");
    refused_at(&send(SetManual { source: String::new(), ..good }), Code::BadValue, "source");
    let mut desk = officer.on_another_phone();
    let unseen = typed("feedback_satisfied_pct", "10");
    refused(&world.send(&mut desk, Intent::ManualSet(unseen)), Code::ContentChanged);
    let row = manual_number_id(unit(COMMUNE), "feedback_satisfied_pct", "quarter", month("2026-10"));
    let fact = row_fact(world.state.get(RowType::MANUAL_NUMBER, row)).unwrap();
    let period = Period { from: day("2026-09-15"), to: day("2026-12-14") };
    let (of, code) = (unit(COMMUNE), "feedback_satisfied_pct".to_owned());
    assert_eq!(fact.row, RowData::Manual { unit: of, code, period, value: Decimal::from_int(93) });
}

// ---- Reports -------------------------------------------------------------------------------------------------------

fn save(of: u8, kind: &str, at: &str, texts: &[(&str, &str)]) -> SaveReport {
    let texts = texts.iter().map(|(section, said)| ((*section).to_owned(), (*said).to_owned())).collect();
    SaveReport { unit: unit(of), kind: kind.into(), month: month(at), texts, base_ver: Some(SEEN), ext: ext() }
}

fn submit(of: u8, kind: &str, at: &str) -> SubmitReport {
    let snapshot = Some([7; 32]);
    SubmitReport { unit: unit(of), kind: kind.into(), month: month(at), snapshot, base_ver: Some(SEEN), ext: ext() }
}

fn send_back(report: Uuid, base_ver: Ver, reason: &str) -> Intent {
    Intent::ReportReturn(ReturnReport { report: ReportId(report), base_ver, reason: reason.into(), ext: ext() })
}

fn accept(report: Uuid, base_ver: Ver) -> Intent {
    Intent::ReportAccept(AcceptReport { report: ReportId(report), base_ver, ext: ext() })
}

fn report(world: &World, of: u8, kind: &str, at: &str) -> (Uuid, Register, ReportState) {
    let row = report_id(unit(of), kind, month(at));
    let register = world.state.get(RowType::REPORT, row).clone();
    let state = register.group(report::STATE).unwrap();
    (row, register, state)
}

#[test]
fn a_report_is_written_handed_in_returned_and_accepted() {
    let mut world = World::new();
    let (mut leader, mut member, mut officer) = (world.leader.clone(), world.member.clone(), world.officer.clone());
    on(&mut world, "2026-11-15");
    let text = save(VILLAGE, "team_month", "2026-11", &[("difficulties", "Sóng yếu.")]);
    refused(&world.send(&mut member, Intent::ReportSave(text.clone())), Code::NotFound);
    world.applied(&mut leader, Intent::ReportSave(text.clone()));
    world.applied(&mut leader, Intent::ReportSubmit(submit(VILLAGE, "team_month", "2026-11")));
    let (row, register, state) = report(&world, VILLAGE, "team_month", "2026-11");
    assert_eq!((state.status.as_str(), state.late, state.due), ("submitted", false, Some(day("2026-11-15"))));
    assert_eq!(state.snapshot, Some([7; 32]));
    refused(&world.send(&mut leader, Intent::ReportSave(text.clone())), Code::WrongState);
    refused(&world.send(&mut leader, accept(row, SEEN)), Code::NotFound);
    refused(&world.send(&mut officer, send_back(row, SEEN, "")), Code::ReasonMissing);
    refused(&world.send(&mut officer, accept(row, Ver(1))), Code::ContentChanged);
    world.applied(&mut officer, send_back(row, register.ver, "Thiếu số liệu tập huấn."));
    refused(&world.send(&mut officer, accept(row, SEEN)), Code::WrongState);

    // It was in time when it was first handed in, and stays so.
    on(&mut world, "2026-11-20");
    world.applied(&mut leader, Intent::ReportSave(text));
    world.applied(&mut leader, Intent::ReportSubmit(submit(VILLAGE, "team_month", "2026-11")));
    world.applied(&mut officer, accept(row, SEEN));
    let (_, _, state) = report(&world, VILLAGE, "team_month", "2026-11");
    assert_eq!((state.status.as_str(), state.late), ("accepted", false));
    let after = Intent::ReportSubmit(submit(VILLAGE, "team_month", "2026-11"));
    refused(&world.send(&mut leader, after), Code::WrongState);
}

#[test]
fn a_late_report_is_taken_and_marked_and_one_of_the_future_refused() {
    let mut world = World::new();
    let mut leader = world.leader.clone();
    on(&mut world, "2026-11-16");
    world.applied(&mut leader, Intent::ReportSubmit(submit(VILLAGE, "team_month", "2026-11")));
    assert!(report(&world, VILLAGE, "team_month", "2026-11").2.late, "the 15th was the last day");
    // The month of December runs from 15 November on.
    world.applied(&mut leader, Intent::ReportSubmit(submit(VILLAGE, "team_month", "2026-12")));
    let future = Intent::ReportSubmit(submit(VILLAGE, "team_month", "2027-01"));
    refused_by(&world.send(&mut leader, future), Code::BadValue, "in_future");
}

#[test]
fn each_report_has_its_own_hands() {
    let mut world = World::new();
    let mut above = province(&mut world);
    let (mut leader, mut officer) = (world.leader.clone(), world.officer.clone());
    let quarter = Intent::ReportSubmit(submit(COMMUNE, "quarter", "2026-08"));
    refused(&world.send(&mut above, quarter.clone()), Code::NotAllowed);
    world.applied(&mut officer, quarter);
    let (row, ..) = report(&world, COMMUNE, "quarter", "2026-09");
    refused(&world.send(&mut officer, accept(row, SEEN)), Code::NotAllowed);
    world.applied(&mut above, accept(row, SEEN));
    let own = Intent::ReportSubmit(submit(PROVINCE, "province_month", "2026-11"));
    world.applied(&mut above, own);
    let (row, ..) = report(&world, PROVINCE, "province_month", "2026-11");
    refused(&world.send(&mut above, accept(row, SEEN)), Code::NotAllowed);
    refused_at(
        &world.send(&mut leader, Intent::ReportSubmit(submit(VILLAGE, "commune_month", "2026-11"))),
        Code::BadValue,
        "unit",
    );
    refused_at(
        &world.send(&mut leader, Intent::ReportSubmit(submit(VILLAGE, "diary", "2026-11"))),
        Code::BadValue,
        "kind",
    );
}

#[test]
fn the_texts_of_a_report_are_in_order_and_hold_no_numbers_of_persons() {
    let mut world = World::new();
    let mut leader = world.leader.clone();
    let mut send = |texts: &[(&str, &str)]| {
        world.send(&mut leader, Intent::ReportSave(save(VILLAGE, "team_month", "2026-11", texts)))
    };
    for wrong in [&[("b", "Hai."), ("a", "Một.")][..], &[("a", "Một."), ("a", "Hai.")]] {
        refused_at(&send(wrong), Code::BadValue, "texts");
    }
    refused_at(&send(&[("a b", "Một.")]), Code::BadValue, "texts");
    refused_by(&send(&[("a", "Gọi 0912345678.")]), Code::BadValue, "phone_number");
    assert_eq!(send(&[("a", "Một."), ("b", "Hai.")]).verdict, Verdict::Applied);
    let mut deputy = leader.on_another_phone();
    let unseen = SaveReport { base_ver: None, ..save(VILLAGE, "team_month", "2026-11", &[("a", "Ba.")]) };
    refused(&world.send(&mut deputy, Intent::ReportSave(unseen)), Code::ContentChanged);
}

// ---- Recognition ---------------------------------------------------------------------------------------------------

fn citizen() -> ProposeRecognition {
    ProposeRecognition {
        unit: unit(VILLAGE),
        what: "digital_citizen".into(),
        subject: id(0x55),
        set: "digital_citizen_2023".into(),
        consent: true,
        ext: ext(),
    }
}

fn step(recognition: Uuid, to: &str) -> AdvanceRecognition {
    let recognition = RecognitionId(recognition);
    AdvanceRecognition { recognition, to: to.into(), number: None, day: None, reason: None, ext: ext() }
}

#[test]
fn a_citizen_is_proposed_verified_granted_and_revoked() {
    let mut world = World::new();
    let (mut member, mut leader, mut officer) = (world.member.clone(), world.leader.clone(), world.officer.clone());
    let row = world.created(&mut member, Intent::RecognitionPropose(citizen()));
    let send = |world: &mut World, who: &mut Person, body| world.send(who, Intent::RecognitionAdvance(body));
    refused(&send(&mut world, &mut member, step(row, "verified")), Code::NotFound);
    refused(&send(&mut world, &mut officer, step(row, "verified")), Code::NotAllowed);
    refused(&send(&mut world, &mut leader, step(row, "granted")), Code::WrongState);
    refused_at(&send(&mut world, &mut leader, step(row, "famous")), Code::BadValue, "to");
    world.applied(&mut leader, Intent::RecognitionAdvance(step(row, "verified")));
    refused_at(&send(&mut world, &mut officer, step(row, "granted")), Code::BadValue, "number");
    let granted =
        AdvanceRecognition { number: Some("21/QĐ-UBND".into()), day: Some(day("2026-11-19")), ..step(row, "granted") };
    let ahead = AdvanceRecognition { day: Some(day("2026-11-21")), ..granted.clone() };
    refused_at(&send(&mut world, &mut officer, ahead), Code::BadValue, "day");
    refused(&send(&mut world, &mut leader, granted.clone()), Code::NotAllowed);
    world.applied(&mut officer, Intent::RecognitionAdvance(granted));
    refused(&send(&mut world, &mut officer, step(row, "revoked")), Code::ReasonMissing);
    let revoked = AdvanceRecognition { reason: Some("Cấp nhầm.".into()), ..step(row, "revoked") };
    world.applied(&mut officer, Intent::RecognitionAdvance(revoked));

    let fact = row_fact(world.state.get(RowType::RECOGNITION, row)).unwrap();
    let today = Day::of_ms(NOW);
    let steps = [(today, "proposed"), (today, "verified"), (day("2026-11-19"), "granted"), (today, "revoked")];
    let steps = steps.map(|(day, to)| (day, to.to_owned())).to_vec();
    let what = "digital_citizen".to_owned();
    assert_eq!(fact.row, RowData::Recognition { id: row, what, subject: Some(id(0x55)), steps });
}

#[test]
fn a_person_is_proposed_with_consent_by_the_team_of_the_village() {
    let mut world = World::new();
    let (mut member, mut officer, mut stranger) = (world.member.clone(), world.officer.clone(), world.stranger.clone());
    refused(&world.send(&mut stranger, Intent::RecognitionPropose(citizen())), Code::NotFound);
    refused(&world.send(&mut officer, Intent::RecognitionPropose(citizen())), Code::NotAllowed);
    let mut send = |body| world.send(&mut member, Intent::RecognitionPropose(body));
    refused_at(&send(ProposeRecognition { consent: false, ..citizen() }), Code::ConsentMissing, "consent");
    refused_at(&send(ProposeRecognition { set: "commune_basic_17".into(), ..citizen() }), Code::BadValue, "set");
    refused_at(&send(ProposeRecognition { what: "digital_family".into(), ..citizen() }), Code::BadValue, "what");
}

#[test]
fn a_commune_proposes_itself_and_the_province_decides() {
    let mut world = World::new();
    let (mut above, mut officer) = (province(&mut world), world.officer.clone());
    let commune = ProposeRecognition {
        unit: unit(COMMUNE),
        what: "digital_commune".into(),
        subject: id(COMMUNE),
        set: "commune_basic_17".into(),
        consent: false,
        ext: ext(),
    };
    let other = ProposeRecognition { subject: id(FOREIGN_COMMUNE), ..commune.clone() };
    refused_at(&world.send(&mut officer, Intent::RecognitionPropose(other)), Code::BadValue, "unit");
    let row = world.created(&mut officer, Intent::RecognitionPropose(commune));
    refused(&world.send(&mut officer, Intent::RecognitionAdvance(step(row, "verified"))), Code::NotAllowed);
    world.applied(&mut above, Intent::RecognitionAdvance(step(row, "verified")));
    let refusal = AdvanceRecognition { reason: Some("Chưa đủ chỉ tiêu.".into()), ..step(row, "refused") };
    let numbered = AdvanceRecognition { number: Some("1".into()), ..refusal.clone() };
    refused_at(&world.send(&mut above, Intent::RecognitionAdvance(numbered)), Code::BadValue, "number");
    world.applied(&mut above, Intent::RecognitionAdvance(refusal));
}

// ---- Courses and support -------------------------------------------------------------------------------------------

#[test]
fn a_course_that_was_held_is_entered_with_its_counts() {
    let mut world = World::new();
    let (mut officer, mut leader) = (world.officer.clone(), world.leader.clone());
    let run = CourseRun {
        course: "safe_internet".into(),
        unit: unit(COMMUNE),
        day: day("2026-11-19"),
        trainer: "Cán bộ Sở".into(),
        participants: 30,
        women: 18,
        aged_60: 4,
        ext: ext(),
    };
    refused(&world.send(&mut leader, Intent::CourseRunRecord(run.clone())), Code::NotFound);
    let row = world.created(&mut officer, Intent::CourseRunRecord(run.clone()));
    assert_eq!(world.state.get(RowType::COURSE_RUN, row).group::<CourseRun>(course_run::RUN), Some(run.clone()));
    let mut send = |body| world.send(&mut officer, Intent::CourseRunRecord(body));
    refused_at(&send(CourseRun { women: 31, ..run.clone() }), Code::BadValue, "women");
    refused_at(&send(CourseRun { aged_60: 31, ..run.clone() }), Code::BadValue, "aged_60");
    refused_by(&send(CourseRun { day: day("2026-11-21"), ..run.clone() }), Code::BadValue, "in_future");
    refused_at(&send(CourseRun { course: "một".into(), ..run.clone() }), Code::BadValue, "course");
    refused_at(&send(CourseRun { trainer: String::new(), ..run }), Code::BadValue, "trainer");
}

/// The member of the world as a member of its team, with an account.
fn membership(world: &mut World) -> TeamMemberId {
    let mut admin = world.admin.clone();
    let user = sync_protocol::decide::User {
        id: world.member.user(),
        display_name: "Thành viên mẫu".into(),
        phone: "0912345678".into(),
        unit: unit(COMMUNE),
        grants_rev: 5,
        active: true,
    };
    world.state.users.insert(user.id, user);
    let add = AddMember {
        team: world.team,
        user: world.member.user(),
        display_name: "Thành viên mẫu".into(),
        position: "member".into(),
        organisation: "youth".into(),
        from: Day(20_300),
        ext: ext(),
    };
    TeamMemberId(world.created(&mut admin, Intent::MemberAdd(add)))
}

fn attempt(member: TeamMemberId, right: u32, of: u32) -> SetCourseResult {
    SetCourseResult { member, course: "safe_internet".into(), right, of, ext: ext() }
}

#[test]
fn a_member_enters_their_own_attempts_and_nobody_elses() {
    let mut world = World::new();
    let row = membership(&mut world);
    let (mut member, mut colleague, mut stranger) =
        (world.member.clone(), world.colleague.clone(), world.stranger.clone());
    refused(&world.send(&mut colleague, Intent::CourseResultSet(attempt(row, 9, 10))), Code::NotAllowed);
    refused(&world.send(&mut stranger, Intent::CourseResultSet(attempt(row, 9, 10))), Code::NotFound);
    refused_at(&world.send(&mut member, Intent::CourseResultSet(attempt(row, 0, 0))), Code::BadValue, "right");
    refused_at(&world.send(&mut member, Intent::CourseResultSet(attempt(row, 11, 10))), Code::BadValue, "right");
    let fact = row_fact(world.state.get(RowType::TEAM_MEMBER, row.0)).unwrap();
    let (team, user) = (world.team, member.user());
    assert_eq!(fact.row, RowData::Member { id: row, team, user, from: Day(20_300), to: None });
    let fact = row_fact(world.state.get(RowType::TEAM, team.0)).unwrap();
    assert_eq!(fact.row, RowData::Team { team, from: Day(20_270), to: None });
}

proptest! {
    /// Attempts from two phones add up, and the best stays, in whatever order they arrive.
    #[test]
    fn attempts_add_up_in_any_order(scores in prop::collection::vec((0u32..=10, any::<bool>()), 1..6)) {
        let mut world = World::new();
        let row = membership(&mut world);
        let mut phones = [world.member.clone(), world.member.on_another_phone()];
        for (right, which) in &scores {
            world.applied(&mut phones[usize::from(*which)], Intent::CourseResultSet(attempt(row, *right, 10)));
        }
        let register = world.state.get(RowType::COURSE_RESULT, course_result_id(row, "safe_internet"));
        let record: CourseRecord = register.group(course_result::RECORD).unwrap();
        let best = scores.iter().map(|(right, _)| *right).max().unwrap();
        prop_assert_eq!((record.right, record.of, record.attempts as usize), (best, 10, scores.len()));
    }
}

#[test]
fn a_teams_month_is_signed_once_and_a_signature_taken_back_with_a_reason() {
    let mut world = World::new();
    let (mut officer, mut leader) = (world.officer.clone(), world.leader.clone());
    let sign = SignSupport {
        team: world.team,
        month: month("2026-11"),
        measure: "visits".into(),
        found: 5,
        minimum: 4,
        amount_vnd: 500_000,
        ext: ext(),
    };
    let mut foreign = sign.clone();
    foreign.team = world.foreign_team;
    refused(&world.send(&mut leader, Intent::SupportSign(sign.clone())), Code::NotFound);
    refused(&world.send(&mut officer, Intent::SupportSign(foreign)), Code::NotFound);
    let mut send = |body| world.send(&mut officer, Intent::SupportSign(body));
    refused_by(&send(SignSupport { found: 3, ..sign.clone() }), Code::BadValue, "support_not_earned");
    refused_at(&send(SignSupport { measure: "km".into(), ..sign.clone() }), Code::BadValue, "measure");
    refused_by(&send(SignSupport { month: month("2027-01"), ..sign.clone() }), Code::BadValue, "in_future");
    assert_eq!(send(sign.clone()).verdict, Verdict::Applied);
    refused(&send(sign.clone()), Code::AlreadyExists);
    let certificate = SupportId(support_id(world.team, month("2026-11")));
    let revoke = |reason: &str| Intent::SupportRevoke(RevokeSupport { certificate, reason: reason.into(), ext: ext() });
    refused(&world.send(&mut leader, revoke("Nhầm tổ.")), Code::NotFound);
    refused(&world.send(&mut officer, revoke("")), Code::ReasonMissing);
    world.applied(&mut officer, revoke("Nhầm tổ."));
    refused(&world.send(&mut officer, revoke("Nhầm tổ.")), Code::WrongState);
    world.applied(&mut officer, Intent::SupportSign(sign));
    let row = world.state.get(RowType::SUPPORT_CERTIFICATE, certificate.0);
    assert!(!row.groups.contains_key(&support_certificate::REVOKED), "signed anew");
}
