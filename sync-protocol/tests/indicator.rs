//! Indicators from outside: every figure of the shipped file by hand, and the laws that figures obey.
#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sync_protocol::catalogue::{Catalogue, Decimal, Lang};
use sync_protocol::cbor::Cbor;
use sync_protocol::entity::{Activity, VisitContent, activity_id};
use sync_protocol::ids::*;
use sync_protocol::indicator::*;
use sync_protocol::row::Ver;
use sync_protocol::value::Value;
use sync_protocol::workflow::VisitStatus;
use unicode_normalization::is_nfc;
use uuid::Uuid;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn fraction(num: i128, den: i128) -> Fraction {
    Fraction::new(num, den).unwrap()
}

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn shipped() -> &'static Indicators {
    Indicators::shipped()
}

const COMMUNE: UnitId = UnitId(Uuid::from_u128(100));
const UPPER: UnitId = UnitId(Uuid::from_u128(101));
const LOWER: UnitId = UnitId(Uuid::from_u128(102));
const TEAM: TeamId = TeamId(Uuid::from_u128(201));
const OTHER_TEAM: TeamId = TeamId(Uuid::from_u128(202));

fn village(unit: UnitId) -> Scope {
    Scope { unit, level: Level::Village, parts: vec![] }
}

fn commune() -> Scope {
    Scope { unit: COMMUNE, level: Level::Commune, parts: vec![village(UPPER), village(LOWER)] }
}

fn month() -> Period {
    Period { from: day("2026-10-15"), to: day("2026-11-14") }
}

fn official(scope: &Scope) -> Situation<'_> {
    Situation { scope, period: month(), open: false, view: View::Official, position: Some(7), targets: &[] }
}

/// An approved activity of the upper village; each has its own number.
fn activity(n: u128, kind: &str, on: &str, fields: &[(&str, Value)]) -> ActivityFact {
    ActivityFact {
        id: ActivityId(id(n)),
        visit: VisitId(id(n + 1_000_000)),
        kind: kind.to_owned(),
        fields: fields.iter().map(|(field, value)| ((*field).to_owned(), value.clone())).collect(),
        day: day(on),
        village: UPPER,
        household: None,
        household_class: None,
        team: TEAM,
        members: BTreeSet::from([UserId(id(301))]),
        status: VisitStatus::Approved,
        returned: false,
        submitted: Some(day(on)),
        void: false,
    }
}

fn fact(activity: ActivityFact) -> Fact {
    Fact::Activity(Box::new(activity))
}

fn row(row: RowData) -> Fact {
    Fact::Row(RowFact { ver: Ver(1), row })
}

fn done(subject: &'static str, n: u128, more: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    [(subject, Value::Ref(id(n))), ("outcome", text("done"))].into_iter().chain(more.iter().cloned()).collect()
}

fn base(unit: UnitId, code: &str, value: u64) -> Fact {
    let (code, source) = (code.to_owned(), "Niên giám thống kê".to_owned());
    row(RowData::Denominator { unit, code, from: day("2026-01-01"), value, source })
}

fn case(n: u128, kind: &str, due: &str, steps: &[(&str, &str)]) -> Fact {
    let steps: Vec<_> = steps.iter().map(|(on, status)| (day(on), (*status).to_owned())).collect();
    row(RowData::Case { id: CaseId(id(n)), kind: kind.to_owned(), opened: steps[0].0, due: Some(day(due)), steps })
}

fn recognition(n: u128, person: u128, steps: &[(&str, &str)]) -> Fact {
    let steps = steps.iter().map(|(on, status)| (day(on), (*status).to_owned())).collect();
    row(RowData::Recognition { id: id(n), what: "digital_citizen".to_owned(), subject: Some(id(person)), steps })
}

fn attribute(village: UnitId, attribute: &str, value: Value) -> Fact {
    row(RowData::Village { village, attribute: attribute.to_owned(), from: day("2026-01-01"), value })
}

fn member(n: u128, team: TeamId, user: u128) -> Fact {
    let from = day("2026-01-01");
    row(RowData::Member { id: TeamMemberId(id(n)), team, user: UserId(id(user)), from, to: None })
}

fn tally(n: u128, on: &str, village: UnitId, numbers: [i64; 9]) -> Fact {
    let fields = [
        "households_fibre",
        "adults_smartphone",
        "adults_payment",
        "adults_vneid2",
        "adults_citizen_app",
        "adults_trained",
        "adults_e_health",
        "adults_signature",
        "agri_households_ecom",
    ];
    let fields: Vec<_> = fields.into_iter().zip(numbers.map(Value::Int)).collect();
    let team = if village == UPPER { TEAM } else { OTHER_TEAM };
    fact(ActivityFact { village, team, ..activity(n, "village_tally", on, &fields) })
}

/// A commune of two villages and two teams in which every shipped indicator has something to count.
fn world() -> Vec<Fact> {
    let mut facts = vec![
        attribute(UPPER, "mobile_tech_best", text("4g")),
        attribute(LOWER, "mobile_tech_best", text("2g")),
        attribute(UPPER, "fibre_available", Value::Bool(true)),
        attribute(LOWER, "fibre_available", Value::Bool(true)),
        base(UPPER, "households", 100),
        base(LOWER, "households", 60),
        base(UPPER, "adults_15_plus", 200),
        base(LOWER, "adults_15_plus", 100),
        base(UPPER, "adults_18_plus", 150),
        base(LOWER, "adults_18_plus", 90),
        base(UPPER, "poor_households", 8),
        base(COMMUNE, "agri_households", 80),
        base(COMMUNE, "businesses", 4),
        base(COMMUNE, "key_products", 5),
        base(COMMUNE, "cultural_houses", 2),
        base(COMMUNE, "commune_staff", 12),
        tally(1, "2026-08-01", UPPER, [10, 100, 50, 90, 80, 20, 20, 5, 4]),
        tally(2, "2026-11-01", UPPER, [40, 150, 90, 140, 100, 60, 50, 10, 12]),
        tally(3, "2026-09-20", LOWER, [24, 60, 30, 70, 50, 30, 40, 5, 8]),
        // After the period: not seen.
        tally(4, "2026-11-15", LOWER, [60, 100, 100, 100, 100, 100, 100, 100, 60]),
        case(
            10,
            "citizen_feedback",
            "2026-10-27",
            &[("2026-10-20", "open"), ("2026-10-25", "resolved"), ("2026-11-10", "closed")],
        ),
        case(11, "citizen_feedback", "2026-10-27", &[("2026-10-20", "open"), ("2026-10-30", "resolved")]),
        case(12, "citizen_feedback", "2026-11-06", &[("2026-11-01", "open")]),
        case(
            13,
            "citizen_feedback",
            "2026-10-21",
            &[("2026-10-16", "open"), ("2026-10-18", "resolved"), ("2026-10-30", "open")],
        ),
        case(14, "device_need", "2026-10-27", &[("2026-10-20", "open"), ("2026-11-01", "resolved")]),
        case(15, "coverage_gap_report", "2026-10-27", &[("2026-10-20", "open"), ("2026-11-02", "resolved")]),
        case(16, "coverage_gap_report", "2026-10-27", &[("2026-10-20", "open"), ("2026-11-20", "resolved")]),
        case(17, "coverage_gap_report", "2026-10-27", &[("2026-10-20", "open"), ("2026-11-02", "rejected")]),
        recognition(20, 400, &[("2026-10-01", "proposed"), ("2026-10-20", "granted")]),
        recognition(21, 400, &[("2026-10-21", "granted")]),
        recognition(22, 401, &[("2026-12-01", "granted")]),
        recognition(23, 402, &[("2026-10-20", "granted"), ("2026-11-01", "revoked")]),
        recognition(24, 403, &[("2025-05-05", "granted")]),
        member(30, TEAM, 301),
        member(31, TEAM, 302),
        member(32, OTHER_TEAM, 303),
    ];
    for team in [TEAM, OTHER_TEAM] {
        facts.push(row(RowData::Team { team, from: day("2026-01-01"), to: None }));
    }
    let manual = [
        ("work_files_online_pct", "95.5"),
        ("dossiers_online", "150"),
        ("dossiers_full_online", "60"),
        ("dossiers_total", "200"),
        ("staff_trained", "9"),
        ("feedback_satisfied_pct", "88"),
    ];
    for (code, value) in manual {
        let (code, value) = (code.to_owned(), decimal(value));
        facts.push(row(RowData::Manual { unit: COMMUNE, code, period: month(), value }));
    }
    let valid = |valid| ("qr_valid", Value::Bool(valid));
    let stage = |crop: &str| [("stage", text("granted")), ("crop", text(crop))];
    let market =
        |n, total, qr| done("market", n, &[("stalls_total", Value::Int(total)), ("stalls_qr", Value::Int(qr))]);
    let phones = |number| [("phones_2g_only", Value::Int(number)), ("outcome", text("done"))];
    let app = [("app", text("vneid"))];
    let with = |mut fields: Vec<(&'static str, Value)>, outcome: &str| {
        fields.push(("outcome", text(outcome)));
        fields
    };
    let activities = [
        activity(40, "payment_qr_point", "2026-11-01", &done("business", 500, &[valid(true)])),
        activity(41, "payment_qr_point", "2026-06-01", &with(done("business", 501, &[valid(true)]), "already")),
        activity(42, "payment_qr_point", "2026-11-01", &done("business", 502, &[valid(false)])),
        activity(43, "ecom_product_listing", "2026-11-01", &done("product", 600, &[])),
        activity(44, "ecom_product_listing", "2026-11-01", &with(done("product", 601, &[]), "already")),
        activity(45, "ecom_product_listing", "2026-11-01", &with(done("product", 602, &[]), "not_done")),
        activity(46, "traceability_label", "2026-11-02", &done("product", 600, &[("scan_ok", Value::Bool(true))])),
        activity(47, "public_wifi_point", "2026-11-02", &[("working", Value::Bool(true)), ("outcome", text("done"))]),
        activity(51, "market_4_0_round", "2026-08-03", &market(700, 20, 5)),
        activity(52, "market_4_0_round", "2026-11-03", &market(700, 40, 30)),
        activity(53, "market_4_0_round", "2026-11-03", &market(701, 10, 5)),
        activity(54, "growing_area_code", "2026-11-03", &done("business", 500, &stage("chè"))),
        activity(55, "growing_area_code", "2026-11-04", &done("business", 500, &stage("chè"))),
        activity(56, "growing_area_code", "2026-03-04", &done("business", 500, &stage("quế"))),
        activity(57, "ecom_buyer_account", "2026-11-04", &done("person", 400, &[("marketplace", text("other"))])),
        activity(58, "ecom_buyer_account", "2026-11-05", &done("person", 400, &[("marketplace", text("other"))])),
        activity(59, "ecom_buyer_account", "2026-11-05", &[("outcome", text("done"))]),
        activity(60, "ecom_seller_stall", "2026-11-05", &done("business", 500, &[])),
        activity(61, "ecom_seller_stall", "2026-11-05", &with(done("business", 500, &[]), "already")),
        activity(62, "ecom_seller_stall", "2026-11-05", &done("business", 503, &[])),
        activity(63, "digital_skill_session", "2026-10-20", &[("participants", Value::Int(20))]),
        activity(64, "digital_skill_session", "2026-05-01", &[("participants", Value::Int(15))]),
        activity(65, "citizen_app_install", "2026-06-01", &done("person", 400, &app)),
        activity(66, "citizen_app_install", "2026-11-05", &done("person", 400, &app)),
        activity(67, "citizen_app_install", "2026-11-05", &done("person", 401, &app)),
        activity(68, "citizen_app_install", "2026-11-05", &with(done("person", 402, &app), "already")),
    ];
    facts.extend(activities.into_iter().map(fact));
    for (n, on, household, number) in
        [(48, "2026-09-01", 800, 3), (49, "2026-11-02", 800, 2), (50, "2026-10-20", 801, 1)]
    {
        let household = Some(HouseholdId(id(household)));
        facts.push(fact(ActivityFact { household, ..activity(n, "household_survey", on, &phones(number)) }));
    }
    // None of these counts anywhere: recorded only, returned, void.
    for (n, status, void) in
        [(70, VisitStatus::Done, false), (71, VisitStatus::Returned, false), (72, VisitStatus::Approved, true)]
    {
        let install = activity(n, "citizen_app_install", "2026-11-06", &done("person", 900 + n, &app));
        facts.push(fact(ActivityFact { status, void, ..install }));
    }
    facts
}

fn figure(code: &str, facts: &[Fact], situation: &Situation<'_>) -> Figure {
    let history = History::of(shipped(), facts, situation.period);
    shipped().figure(shipped().indicator(code).unwrap(), &history, situation)
}

/// (code, value as a fraction, whether the shipped target is met)
const BY_HAND: [(&str, (i128, i128), Met); 37] = [
    ("b01_mobile_broadband_villages", (50, 1), Met::No),
    ("b02_fibre_villages", (100, 1), Met::Yes),
    ("b03_fibre_households", (40, 1), Met::No),
    ("b04_adult_smartphones", (70, 1), Met::Yes),
    ("b05_work_files_online", (191, 2), Met::No),
    ("b06_online_submissions", (75, 1), Met::Yes),
    ("b07_staff_trained", (75, 1), Met::No),
    ("b08_feedback_on_time", (25, 1), Met::No),
    ("b09_teams_active", (50, 1), Met::No),
    ("b10_payment_accounts", (40, 1), Met::No),
    ("b11_qr_stalls", (50, 1), Met::Yes),
    ("b12_agri_households_ecom", (25, 1), Met::No),
    ("b13_key_products_listed", (40, 1), Met::No),
    ("b14_vneid2", (70, 1), Met::Yes),
    ("b15_citizen_app", (50, 1), Met::No),
    ("b16_trained_adults", (30, 1), Met::No),
    ("b17_e_health", (30, 1), Met::No),
    ("a01_public_wifi", (50, 1), Met::No),
    ("a02_2g_only", (1, 1), Met::Yes),
    ("a03_full_online", (30, 1), Met::No),
    ("a04_feedback_satisfied", (88, 1), Met::No),
    ("a05_market_4_0", (70, 1), Met::No),
    ("a06_traceable_products", (20, 1), Met::No),
    ("a07_digital_citizens", (5, 6), Met::No),
    ("a08_digital_signature", (5, 1), Met::No),
    ("m01_teams", (2, 1), Met::NoTarget),
    ("m02_app_users", (50, 1), Met::No),
    ("m03_cashless", (40, 1), Met::No),
    ("m04_qr_points", (3, 1), Met::No),
    ("m05_products", (2, 1), Met::No),
    ("m06_growing_codes", (2, 1), Met::No),
    ("m07_digital_citizens", (2, 1), Met::No),
    ("m08_gaps_closed", (100, 3), Met::No),
    ("m09_buyer_accounts", (2, 1), Met::No),
    ("m10_stalls", (2, 1), Met::No),
    ("m11_trained_households", (35, 1), Met::No),
    ("m12_app_installs", (2, 1), Met::No),
];

#[test]
fn every_shipped_indicator_comes_out_as_worked_out_by_hand() {
    let (facts, scope) = (world(), commune());
    let all: Vec<&str> = shipped().sets().iter().flat_map(|set| &set.indicators).map(|one| one.code.as_str()).collect();
    assert_eq!(all, BY_HAND.map(|(code, ..)| code));
    for (code, (num, den), met) in BY_HAND {
        let found = figure(code, &facts, &official(&scope));
        assert_eq!(found.value, Some(fraction(num, den)), "{code}: {found:?}");
        assert_eq!(shipped().indicator(code).unwrap().met(&found, &Overrides::new()), met, "{code}");
        assert!(!found.provisional && !found.capped && found.empty.is_none(), "{code}");
    }
}

#[test]
fn a_figure_carries_what_is_needed_to_judge_it() {
    let (facts, scope) = (world(), commune());
    let found = figure("b03_fibre_households", &facts, &official(&scope));
    assert_eq!((found.numerator, found.denominator), (Some(fraction(64, 1)), Some(fraction(160, 1))));
    assert_eq!((found.day, found.position, found.reporting), (day("2026-11-14"), Some(7), Some((2, 2))));
    assert_eq!((found.basis.as_str(), found.share_approved()), ("published_target", Some(Fraction::ONE)));
    let open = Situation { open: true, ..official(&scope) };
    assert!(figure("b03_fibre_households", &facts, &open).provisional);
}

#[test]
fn submitted_activities_are_shown_as_provisional_and_never_official() {
    let scope = commune();
    let submitted = |n, person| {
        let install = activity(n, "citizen_app_install", "2026-11-05", &done("person", person, &[]));
        fact(ActivityFact { status: VisitStatus::Submitted, ..install })
    };
    let facts = [
        fact(activity(1, "citizen_app_install", "2026-11-01", &done("person", 400, &[]))),
        // The same person again, not yet approved: a repeat.
        submitted(2, 400),
        submitted(3, 401),
    ];
    let found = figure("m12_app_installs", &facts, &official(&scope));
    assert_eq!((found.value, found.approved, found.submitted), (Some(fraction(1, 1)), 1, 2));
    assert_eq!(found.share_approved(), Some(fraction(1, 3)));
    let provisional = Situation { view: View::Provisional, ..official(&scope) };
    let found = figure("m12_app_installs", &facts, &provisional);
    assert_eq!((found.value, found.provisional), (Some(fraction(2, 1)), true));
}

#[test]
fn a_person_counts_once_and_nobody_counts_towards_no_coverage() {
    let scope = commune();
    let vneid = |n, on: &str, fields: &[(&str, Value)]| fact(activity(n, "vneid_level2", on, fields));
    let facts = [
        vneid(1, "2026-09-01", &done("person", 400, &[])),
        vneid(2, "2026-11-01", &done("person", 400, &[])),
        vneid(3, "2026-11-01", &done("person", 401, &[])),
        vneid(4, "2026-10-20", &[("person", Value::Ref(id(402))), ("outcome", text("not_done"))]),
        vneid(5, "2026-11-02", &done("person", 402, &[])),
        vneid(6, "2026-11-02", &[("outcome", text("done"))]),
        vneid(7, "2026-11-02", &[("person", Value::Ref(id(403))), ("outcome", text("already"))]),
    ];
    // 401, 402 after a failed try, and one whom nobody named; 400 was counted before the period.
    let history = History::of(shipped(), &facts, month());
    let achieved = shipped().achieved("vneid_level2", &history, &official(&scope)).unwrap();
    assert_eq!(achieved.value, Some(fraction(3, 1)));

    // Coverage: 400 to 403, each once, "already" too, and nothing for the unnamed one.
    let json = shipped_with(
        r#""formula": {"type": "team_count"}"#,
        r#""formula": {"type": "state_count", "subject": "person", "state": "vneid2", "equals": true}"#,
    );
    let own = Indicators::load(&json, Catalogue::shipped()).unwrap();
    let history = History::of(&own, &facts, month());
    let covered = own.figure(own.indicator("m01_teams").unwrap(), &history, &official(&scope));
    assert_eq!(covered.value, Some(fraction(4, 1)));
}

#[test]
fn a_repeat_is_left_out_and_a_failed_try_is_no_first_of_a_success() {
    let stall = |n, outcome: &str| {
        let fields = [("business", Value::Ref(id(500))), ("outcome", text(outcome))];
        fact(activity(n, "ecom_seller_stall", "2026-11-05", &fields))
    };
    let scope = village(UPPER);
    let set = shipped().score_set("team_activity_100").unwrap();
    let activities = |facts: &[Fact]| {
        let score = shipped().team_score(set, &History::of(shipped(), facts, month()), &official(&scope));
        score.items[1].figure.numerator
    };
    assert_eq!(activities(&[stall(1, "not_done"), stall(2, "done")]), Some(fraction(2, 1)));
    assert_eq!(activities(&[stall(1, "done"), stall(2, "done")]), Some(Fraction::ONE));
}

#[test]
fn a_visit_gives_a_fact_for_each_activity_under_the_activitys_own_id() {
    let kept = ActivityId(id(5));
    let made = |id| Activity {
        kind: "vneid_level2".to_owned(),
        fields: BTreeMap::from([("outcome".to_owned(), text("done"))]),
        id,
        ext: Default::default(),
    };
    let content = VisitContent {
        village: UPPER,
        team: TEAM,
        household: Some(HouseholdId(id(800))),
        visit_type: "household".to_owned(),
        day: day("2026-11-01"),
        minutes: None,
        activities: vec![made(None), made(Some(kept))],
        members: vec![UserId(id(302))],
        result: None,
        summary: None,
        place: None,
        catalogue: "2026.1".to_owned(),
        partner_org: None,
        quantity_reason: None,
        ext: Default::default(),
    };
    let visit = VisitFact {
        visit: VisitId(id(1)),
        event: EventId(id(2)),
        at: ClaimedMs(3),
        author: UserId(id(301)),
        content: &content,
        household_class: Some("poor"),
        status: VisitStatus::Approved,
        returned: false,
        submitted: None,
        void: false,
    };
    let facts = visit.activities();
    let [Fact::Activity(first), Fact::Activity(second)] = &facts[..] else { panic!("two activities") };
    assert_eq!((first.id, second.id), (activity_id(EventId(id(2)), ClaimedMs(3), 0), kept));
    assert_eq!(first.members, BTreeSet::from([UserId(id(301)), UserId(id(302))]));
    let scope = commune();
    let history = History::of(shipped(), &facts, month());
    let achieved = shipped().achieved("vneid_level2", &history, &official(&scope)).unwrap();
    assert_eq!(achieved.value, Some(fraction(2, 1)));
}

#[test]
fn the_newest_answer_holds_and_one_day_is_decided_the_same_everywhere() {
    let scope = commune();
    let mut facts = vec![
        base(UPPER, "households", 100),
        base(LOWER, "households", 60),
        tally(1, "2026-11-01", UPPER, [40, 0, 0, 0, 0, 0, 0, 0, 0]),
        tally(2, "2026-11-01", UPPER, [16, 0, 0, 0, 0, 0, 0, 0, 0]),
    ];
    let found = figure("b03_fibre_households", &facts, &official(&scope));
    assert_eq!((found.value, found.reporting), (Some(fraction(10, 1)), Some((1, 2))));
    facts.reverse();
    assert_eq!(figure("b03_fibre_households", &facts, &official(&scope)).value, Some(fraction(10, 1)));
    // A village that is no longer in force is not added to what came after it.
    let gone = Scope { unit: COMMUNE, level: Level::Commune, parts: vec![village(LOWER)] };
    assert_eq!(figure("b03_fibre_households", &facts, &official(&gone)).empty, Some(Empty::NoData));
}

#[test]
fn a_rate_above_a_hundred_is_capped_and_flagged() {
    let scope = village(UPPER);
    let facts = [base(UPPER, "households", 30), tally(1, "2026-11-01", UPPER, [40, 0, 0, 0, 0, 0, 0, 0, 0])];
    let found = figure("b03_fibre_households", &facts, &official(&scope));
    assert_eq!((found.value, found.capped), (Some(fraction(100, 1)), true));
    assert_eq!((found.numerator, found.denominator), (Some(fraction(40, 1)), Some(fraction(30, 1))));
}

#[test]
fn what_cannot_be_worked_out_says_why_and_is_never_nought() {
    let scope = commune();
    let fibre = tally(1, "2026-11-01", UPPER, [40, 0, 0, 0, 0, 0, 0, 0, 0]);
    let empty = |code: &str, facts: &[Fact]| {
        let found = figure(code, facts, &official(&scope));
        assert_eq!(found.value, None, "{code}");
        found.empty.unwrap()
    };
    let code = "b03_fibre_households";
    // One village of two has no base: the sum would be too small.
    assert_eq!(empty(code, &[fibre.clone(), base(UPPER, "households", 100)]), Empty::DenominatorMissing);
    let nought = [fibre.clone(), base(UPPER, "households", 0), base(LOWER, "households", 0)];
    assert_eq!(empty(code, &nought), Empty::DenominatorZero);
    assert_eq!(empty(code, &[base(COMMUNE, "households", 160)]), Empty::NoData);
    assert_eq!(empty("b05_work_files_online", &[]), Empty::ManualMissing);
    assert_eq!(empty("b08_feedback_on_time", &[]), Empty::NoData);
    assert_eq!(empty("b01_mobile_broadband_villages", &[]), Empty::NoData);
    for reason in
        [Empty::NoData, Empty::DenominatorMissing, Empty::DenominatorZero, Empty::ManualMissing, Empty::NoTargets]
    {
        assert!(is_nfc(reason.words(Lang::Vi)) && reason.words(Lang::En).ends_with('.'));
    }
}

#[test]
fn the_base_in_force_on_the_last_day_holds_and_a_correction_supersedes() {
    let scope = village(UPPER);
    let entry = |ver, from: &str, value| {
        let (code, source) = ("households".to_owned(), "Xã".to_owned());
        let row = RowData::Denominator { unit: UPPER, code, from: day(from), value, source };
        Fact::Row(RowFact { ver: Ver(ver), row })
    };
    let fibre = tally(1, "2026-11-01", UPPER, [40, 0, 0, 0, 0, 0, 0, 0, 0]);
    let rate = |entries: &[Fact]| {
        let facts: Vec<_> = entries.iter().chain([&fibre]).cloned().collect();
        figure("b03_fibre_households", &facts, &official(&scope)).denominator
    };
    let (old, wrong, right) = (entry(9, "2025-01-01", 50), entry(1, "2026-01-01", 70), entry(2, "2026-01-01", 80));
    assert_eq!(rate(&[old.clone(), wrong.clone(), right.clone(), entry(1, "2026-11-15", 90)]), Some(fraction(80, 1)));
    assert_eq!(rate(&[right, old, wrong]), Some(fraction(80, 1)));
    assert_eq!(rate(&[entry(1, "2026-11-15", 90)]), None);
}

#[test]
fn a_unit_without_its_own_entry_adds_up_its_parts() {
    let scope = Scope { unit: UnitId(id(1)), level: Level::Province, parts: vec![commune(), village(UnitId(id(103)))] };
    let manual = |unit, code: &str, value| {
        row(RowData::Manual { unit, code: code.to_owned(), period: month(), value: decimal(value) })
    };
    let facts = [
        manual(COMMUNE, "dossiers_online", "10"),
        manual(UnitId(id(103)), "dossiers_online", "5"),
        manual(COMMUNE, "dossiers_total", "40"),
        manual(UnitId(id(103)), "dossiers_total", "20"),
        manual(COMMUNE, "work_files_online_pct", "50"),
        manual(UnitId(id(103)), "work_files_online_pct", "50"),
    ];
    assert_eq!(figure("b06_online_submissions", &facts, &official(&scope)).value, Some(fraction(25, 1)));
    // Percentages do not add up.
    assert_eq!(figure("b05_work_files_online", &facts, &official(&scope)).empty, Some(Empty::ManualMissing));
}

#[test]
fn a_figure_opens_what_is_behind_it_page_by_page() {
    let (facts, scope) = (world(), commune());
    let behind = |code: &str, after, limit| {
        let formula = &shipped().indicator(code).unwrap().formula;
        shipped().explain(formula, &facts, &official(&scope), after, limit)
    };
    let of = |n: u128| Contribution::Activity { visit: VisitId(id(n + 1_000_000)), activity: ActivityId(id(n)) };
    assert_eq!(behind("m12_app_installs", None, 10), [of(65), of(67)]);
    assert_eq!(behind("m12_app_installs", None, 1), [of(65)]);
    assert_eq!(behind("m12_app_installs", Some(of(65)), 10), [of(67)]);
    assert_eq!(behind("b03_fibre_households", None, 10), [of(2), of(3)]);
    assert_eq!(behind("b11_qr_stalls", None, 10), [of(40), of(41)]);
    assert_eq!(behind("b08_feedback_on_time", None, 10), [Contribution::Case(CaseId(id(10)))]);
    assert_eq!(behind("b01_mobile_broadband_villages", None, 10), [Contribution::Village(UPPER)]);
    assert_eq!(behind("b09_teams_active", None, 10), [Contribution::Team(TEAM)]);
    assert_eq!(behind("b06_online_submissions", None, 10), [Contribution::Entry(COMMUNE)]);
    assert_eq!(behind("m07_digital_citizens", None, 10), [20, 21, 24].map(|n| Contribution::Recognition(id(n))));
}

// --- sets ------------------------------------------------------------------------------------------------------------

/// Figures of a set of which only the named ones reach their target.
fn figures(met: &[&str]) -> BTreeMap<String, Figure> {
    let (scope, history) = (commune(), History::of(shipped(), &[], month()));
    let one = |indicator: &Indicator| {
        let better = (indicator.direction == Direction::Up) == met.contains(&indicator.code.as_str());
        let value = Some(fraction(if better { 100 } else { 0 }, 1));
        let figure = shipped().figure(indicator, &history, &official(&scope));
        (indicator.code.clone(), Figure { value, empty: None, ..figure })
    };
    shipped().sets().iter().flat_map(|set| &set.indicators).map(one).collect()
}

#[test]
fn a_digital_commune_meets_all_mandatory_and_three_tenths_of_the_further_indicators() {
    let set = |code: &str| shipped().set(code).unwrap();
    let of = |code: &str, mandatory: bool| -> Vec<&str> {
        set(code).indicators.iter().filter(|one| one.mandatory == mandatory).map(|one| one.code.as_str()).collect()
    };
    let check = |code: &str, met: &[&str]| shipped().check_set(set(code), &figures(met), &Overrides::new());
    let (mandatory, further) = (of("commune_basic_17", true), of("commune_basic_17", false));
    assert_eq!((mandatory.len(), further.len()), (13, 4));
    // 30% of 4 is 1.2: one is too few, two suffice.
    let one = check("commune_basic_17", &[&mandatory[..], &further[..1]].concat());
    assert_eq!((one.mandatory, one.optional, one.recognised), ((13, 13), (1, 4), false));
    let basic = [&mandatory[..], &further[..2]].concat();
    assert!(check("commune_basic_17", &basic).recognised);
    assert!(!check("commune_basic_17", &[&mandatory[1..], &further[..]].concat()).recognised);

    let advanced = [of("commune_advanced_8", true), of("commune_advanced_8", false)].concat();
    assert!(!check("commune_advanced_8", &advanced).recognised, "the basic set is required too");
    assert!(check("commune_advanced_8", &[basic, advanced].concat()).recognised);
    // Watched, never recognised.
    assert!(!shipped().check_set(set("province_monitor_12"), &figures(&[]), &Overrides::new()).recognised);
}

#[test]
fn a_unit_may_set_its_own_target_and_an_empty_figure_never_meets_one() {
    let (scope, facts) = (commune(), world());
    let indicator = shipped().indicator("a02_2g_only").unwrap();
    let found = figure("a02_2g_only", &facts, &official(&scope));
    assert_eq!(indicator.met(&found, &Overrides::new()), Met::Yes);
    let own = Overrides::from([("a02_2g_only".to_owned(), decimal("0.99"))]);
    assert_eq!(indicator.met(&found, &own), Met::No);
    let empty = figure("a02_2g_only", &[], &official(&scope));
    assert_eq!(indicator.met(&empty, &Overrides::new()), Met::Empty(Empty::NoData));
}

#[test]
fn a_digital_citizen_is_told_what_is_met_and_what_is_lacking() {
    let states = |held: &[&str]| held.iter().map(|state| ((*state).to_owned(), true)).collect::<BTreeMap<_, _>>();
    let set = shipped().citizen_set_on(day("2023-04-20")).unwrap();
    assert_eq!(set.code, "digital_citizen_2023");
    let most = ["has_smartphone", "own_sim", "vneid2", "dvc_account", "payment_account", "citizen_app", "e_health"];
    let check =
        set.check(&states(&[&most[..], &["basic_skills", "safe_internet", "law_commitment"]].concat()), Some(18));
    assert_eq!(check.groups, BTreeMap::from([(1, (5, 6)), (2, (2, 2)), (3, (1, 1))]));
    assert_eq!(
        (check.criteria[0].met, check.criteria[0].lacking.as_slice()),
        (false, &["internet_access".to_owned()][..])
    );
    assert!(!check.fulfilled);
    let all = states(&[&most[..], &["internet_access", "basic_skills", "safe_internet", "law_commitment"]].concat());
    assert!(set.check(&all, Some(18)).fulfilled);
    assert!(!set.check(&all, Some(15)).fulfilled && !set.check(&all, None).of_age);

    let pilot = shipped().citizen_set_on(day("2023-04-19")).unwrap();
    assert_eq!((pilot.code.as_str(), pilot.criteria.len()), ("digital_citizen_2022", 6));
    let some = ["has_smartphone", "internet_access", "basic_skills", "safe_internet", "e_health", "payment_account"];
    let check = pilot.check(&states(&some), Some(60));
    let lacking: Vec<_> =
        check.criteria.iter().filter(|one| !one.met).map(|one| (one.code.as_str(), &one.lacking[..])).collect();
    let wanted = ["learning_platform".to_owned(), "citizen_app".to_owned()];
    assert_eq!(lacking, [("c5_shop_pay", &["ecom_buyer".to_owned()][..]), ("c6_learn_id", &wanted[..])]);
    assert!(pilot.check(&states(&[&some[..], &["ecom_buyer", "citizen_app"]].concat()), Some(60)).fulfilled);
}

#[test]
fn a_persons_states_come_from_the_newest_approved_activities() {
    let check = |n, on: &str, sim| {
        let fields = [("own_sim", Value::Bool(sim)), ("knows_basics", Value::Bool(true))];
        activity(n, "digital_citizen_check", on, &done("person", 400, &fields))
    };
    let returned = ActivityFact { status: VisitStatus::Returned, ..check(3, "2026-11-03", true) };
    let facts = [check(2, "2026-11-01", false), check(1, "2026-10-01", true), returned].map(fact);
    let states = |until: &str| person_states(Catalogue::shipped(), &facts, PersonId(id(400)), day(until));
    let of = |sim| BTreeMap::from([("own_sim".to_owned(), sim), ("basic_skills".to_owned(), true)]);
    assert_eq!(states("2026-11-14"), of(false));
    assert_eq!(states("2026-10-15"), of(true));
}

#[test]
fn a_team_score_adds_up_its_items_and_leaves_out_what_it_cannot_have() {
    let help = |n, household, class: &str| ActivityFact {
        household: Some(HouseholdId(id(household))),
        household_class: Some(class.to_owned()),
        ..activity(n, "digital_address", "2026-11-01", &[("outcome", text("done"))])
    };
    let mut facts = vec![
        member(30, TEAM, 301),
        member(31, TEAM, 302),
        base(UPPER, "households", 100),
        base(UPPER, "poor_households", 8),
    ];
    let late = Some(day("2026-11-09"));
    facts.extend(
        [
            help(1, 800, "poor"),
            help(2, 801, "normal"),
            ActivityFact { submitted: late, ..help(3, 802, "near_poor") },
            ActivityFact { returned: true, ..activity(4, "digital_skill_session", "2026-11-02", &[]) },
            ActivityFact { status: VisitStatus::Submitted, ..help(5, 803, "poor") },
        ]
        .map(fact),
    );
    let scope = Scope { unit: UPPER, level: Level::Team, parts: vec![village(UPPER)] };
    let targets = [fraction(1, 2), fraction(3, 2)];
    let situation = Situation { targets: &targets, ..official(&scope) };
    let history = History::of(shipped(), &facts, month());
    let set = shipped().score_set("team_activity_100").unwrap();
    let score = shipped().team_score(set, &history, &situation);
    let points: Vec<_> = score.items.iter().map(|item| item.points_milli).collect();
    // 3/100 of a tenth; 4/2 of 8; 3/4; 1/2 of 0.8; 3/4 of 0.9; 3/4 of 0.95; held; 2/8 of a tenth; no case.
    let wanted = [6_000, 3_750, 15_000, 6_250, 8_333, 7_895, 5_000, 5_000].map(Some);
    assert_eq!(points, [&wanted[..], &[None]].concat());
    assert_eq!(score.items[8].figure.empty, Some(Empty::NoData));
    assert_eq!((score.possible, score.points), (95, Some(fraction(5_722_800, 95_000))));
    assert_eq!(score.band.unwrap().code, "fair");

    facts.push(case(10, "device_need", "2026-11-01", &[("2026-10-20", "open"), ("2026-11-01", "resolved")]));
    let history = History::of(shipped(), &facts, month());
    let score = shipped().team_score(set, &history, &situation);
    assert_eq!((score.possible, score.points), (100, Some(fraction(62_228, 1_000))));
    let ranked = score.figure(set, &situation);
    assert_eq!((ranked.unit, ranked.value), (FigureUnit::Points, score.points));
    assert_eq!((ranked.approved, ranked.submitted), (4, 1));
    let open = Situation { open: true, ..situation };
    assert!(shipped().team_score(set, &history, &open).figure(set, &open).provisional);
}

// --- loading ---------------------------------------------------------------------------------------------------------

fn shipped_with(old: &str, new: &str) -> String {
    assert!(Indicators::SHIPPED_JSON.contains(old), "{old}");
    Indicators::SHIPPED_JSON.replacen(old, new, 1)
}

#[test]
fn a_broken_file_is_refused_with_its_set_indicator_and_key() {
    let fibre = r#""code": "b03_fibre_households""#;
    let tally = r#""kind": "village_tally", "field": "households_fibre""#;
    let basic = "commune_basic_17";
    let b03 = "b03_fibre_households";
    let broken = [
        (
            "unknown_formula",
            basic,
            b03,
            "formula.num",
            r#"{"type": "latest_field", "kind": "village_tally", "field": "households_fibre""#,
            r#"{"type": "script", "kind": "village_tally", "field": "households_fibre""#,
        ),
        (
            "unknown_kind",
            basic,
            b03,
            "formula.num.kind",
            tally,
            r#""kind": "village_count", "field": "households_fibre""#,
        ),
        ("unknown_field", basic, b03, "formula.num.field", tally, r#""kind": "village_tally", "field": "fibre""#),
        ("wrong_field_type", basic, b03, "formula.num.field", tally, r#""kind": "village_tally", "field": "note""#),
        (
            "malformed",
            basic,
            b03,
            "formula",
            tally,
            r#""kind": "village_tally", "except": 1, "field": "households_fibre""#,
        ),
        ("unknown_denominator", basic, b03, "formula.den.code", r#""code": "households"}"#, r#""code": "houses"}"#),
        (
            "zero_denominator",
            basic,
            "b06_online_submissions",
            "formula.den",
            r#""den": {"type": "manual", "code": "dossiers_total"}"#,
            r#""den": 0"#,
        ),
        (
            "not_a_count",
            basic,
            "b06_online_submissions",
            "formula.num",
            r#""num": {"type": "manual", "code": "dossiers_online"}"#,
            r#""num": {"type": "manual", "code": "work_files_online_pct"}"#,
        ),
        (
            "unknown_manual",
            basic,
            "b05_work_files_online",
            "formula.code",
            r#"{"type": "manual", "code": "work_files_online_pct"}"#,
            r#"{"type": "manual", "code": "work_files"}"#,
        ),
        ("duplicate_code", basic, "b02_fibre_villages", "code", fibre, r#""code": "b02_fibre_villages""#),
        (
            "wrong_direction",
            "commune_advanced_8",
            "a02_2g_only",
            "direction",
            r#""direction": "down""#,
            r#""direction": "sideways""#,
        ),
        (
            "unknown_status",
            basic,
            "b08_feedback_on_time",
            "formula.statuses",
            r#"["resolved", "rejected", "closed"]"#,
            r#"["answered"]"#,
        ),
        (
            "unknown_state",
            basic,
            "b11_qr_stalls",
            "formula.num.state",
            r#""state": "qr_point""#,
            r#""state": "qr_code""#,
        ),
        (
            "unknown_option",
            "province_monitor_12",
            "m04_qr_points",
            "formula.where.outcome",
            r#"["done", "already"]"#,
            r#"["doen"]"#,
        ),
        ("unknown_basis", basic, b03, "basis", "\"basis\": \"published_target\"", "\"basis\": \"hearsay\""),
        ("bad_target", basic, b03, "target", "\"target\": 85", "\"target\": 850"),
        ("weight_sum", "team_activity_100", "", "items", "\"max_points\": 15", "\"max_points\": 16"),
        ("bad_scale", "team_activity_100", "t02_activities", "scale.full_at", "\"full_at\": 8}", "\"full_at\": 0}"),
        (
            "bad_bands",
            "team_activity_100",
            "",
            "bands",
            "\"code\": \"weak\", \"min\": 0",
            "\"code\": \"weak\", \"min\": 10",
        ),
        (
            "overlapping_validity",
            "digital_citizen_2023",
            "",
            "valid_from",
            "\"valid_from\": \"2023-04-20\"",
            "\"valid_from\": \"2023-04-19\"",
        ),
        (
            "overlapping_validity",
            "commune_advanced_8",
            "",
            "valid_from",
            "\"requires\": \"commune_basic_17\"",
            "\"valid_from\": \"2026-02-01\", \"valid_to\": \"2026-02-01\"",
        ),
        (
            "unknown_set",
            "commune_advanced_8",
            "",
            "requires",
            "\"requires\": \"commune_basic_17\"",
            "\"requires\": \"basic\"",
        ),
        (
            "cyclic_reference",
            "commune_advanced_8",
            "",
            "requires",
            "\"requires\": \"commune_basic_17\"",
            "\"requires\": \"commune_advanced_8\"",
        ),
        (
            "malformed",
            basic,
            "",
            "recognition",
            r#""recognition": {"mandatory_share": 1.0"#,
            r#""recognition": {"waived": true, "mandatory_share": 1.0"#,
        ),
        (
            "wrong_unit",
            "province_monitor_12",
            "m01_teams",
            "unit",
            "\"unit\": \"count\",\n     \"formula\": {\"type\": \"team_count\"}",
            "\"unit\": \"percent\",\n     \"formula\": {\"type\": \"team_count\"}",
        ),
    ];
    for (code, set, indicator, path, old, new) in broken {
        let error = Indicators::load(&shipped_with(old, new), Catalogue::shipped()).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        let IndicatorError::At { set: at_set, indicator: at_indicator, path: at_path, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!((at_set.as_str(), at_indicator.as_str(), at_path.as_str()), (set, indicator, path), "{error}");
    }
    let newer = shipped_with("\"schema_version\": 1", "\"schema_version\": 2");
    assert_eq!(Indicators::load(&newer, Catalogue::shipped()).unwrap_err().code(), "schema");
    assert_eq!(Indicators::load("[", Catalogue::shipped()).unwrap_err().code(), "json");
}

#[test]
fn what_bears_on_no_figure_may_be_added() {
    let json = shipped_with("\"target\": 85,", "\"target\": 85, \"colour\": \"green\",");
    assert!(Indicators::load(&json, Catalogue::shipped()).is_ok());
}

#[test]
fn every_formula_reads_as_words_in_both_languages() {
    let formulas = shipped().sets().iter().flat_map(|set| set.indicators.iter().map(|one| &one.formula));
    let items = &shipped().score_set("team_activity_100").unwrap().items;
    for formula in formulas.chain(items.iter().map(|item| &item.formula)) {
        for lang in [Lang::Vi, Lang::En] {
            let words = shipped().describe(formula, lang);
            assert!(is_nfc(&words) && !words.contains('_'), "{words}");
        }
    }
    let say = |code: &str, lang| shipped().describe(&shipped().indicator(code).unwrap().formula, lang);
    let wanted = "(Tổng «Hộ có cáp quang» theo «Số liệu tổng hợp thôn, bản» mới nhất đã duyệt của từng thôn) ÷ (Số hộ)";
    assert_eq!(say("b03_fibre_households", Lang::Vi), wanted);
    assert!(say("m12_app_installs", Lang::En).starts_with("Approved activities: “"));
}

// --- laws ------------------------------------------------------------------------------------------------------------

/// Small numbers of everything, so that repeats, ties and clashes are common.
fn any_fact() -> impl Strategy<Value = Fact> {
    let kinds = prop::sample::select(vec![
        "citizen_app_install",
        "vneid_level2",
        "ecom_buyer_account",
        "payment_qr_point",
        "village_tally",
        "household_survey",
    ]);
    let outcome = prop::sample::select(vec!["done", "already", "not_done"]);
    let status = prop::sample::select(vec![VisitStatus::Approved, VisitStatus::Submitted, VisitStatus::Returned]);
    let days = day("2026-10-10").0..day("2026-11-20").0;
    let one = (kinds, outcome, status, days, 0u128..4, 0i64..50, any::<bool>());
    let activities = one.prop_map(|(kind, outcome, status, on, subject, number, upper)| {
        let mut fields = vec![
            ("outcome", text(outcome)),
            ("households_fibre", Value::Int(number)),
            ("phones_2g_only", Value::Int(number)),
            ("qr_valid", Value::Bool(number % 2 == 0)),
        ];
        if subject > 0 {
            fields.extend([("person", Value::Ref(id(subject))), ("business", Value::Ref(id(subject)))]);
        }
        let household = (subject > 1).then(|| HouseholdId(id(subject)));
        let village = if upper { UPPER } else { LOWER };
        let made = activity(0, kind, "2026-11-01", &fields);
        fact(ActivityFact { day: Day(on), status, village, household, returned: !upper, ..made })
    });
    let rows = (0u64..3, 0u32..3, 0u64..200, any::<bool>()).prop_map(|(ver, later, value, upper)| {
        let (unit, code) = (if upper { UPPER } else { LOWER }, "households".to_owned());
        let from = Day(day("2026-11-01").0 + later * 7);
        Fact::Row(RowFact {
            ver: Ver(ver),
            row: RowData::Denominator { unit, code, from, value, source: String::new() },
        })
    });
    prop_oneof![4 => activities, 1 => rows]
}

/// Facts of which each activity has its own id.
fn any_facts() -> impl Strategy<Value = Vec<Fact>> {
    prop::collection::vec(any_fact(), 0..40).prop_map(|mut facts| {
        for (n, fact) in (1..).zip(&mut facts) {
            if let Fact::Activity(activity) = fact {
                activity.id = ActivityId(id(n));
                activity.visit = VisitId(id(n));
            }
        }
        facts
    })
}

fn is_in(fact: &Fact, village: UnitId) -> bool {
    match fact {
        Fact::Activity(activity) => activity.village == village,
        Fact::Row(RowFact { row: RowData::Denominator { unit, .. }, .. }) => *unit == village,
        Fact::Row(row) => panic!("{row:?}"),
    }
}

/// The same facts, with nobody known in both villages.
fn apart(facts: &[Fact]) -> Vec<Fact> {
    let elsewhere = |uuid: Uuid| id(uuid.as_u128() + 1_000);
    let move_up = |fact: &Fact| match fact {
        Fact::Activity(activity) if activity.village == UPPER => {
            let mut activity = activity.clone();
            activity.household = activity.household.map(|household| HouseholdId(elsewhere(household.0)));
            for answer in activity.fields.values_mut() {
                if let Value::Ref(uuid) = answer {
                    *uuid = elsewhere(*uuid);
                }
            }
            Fact::Activity(activity)
        }
        fact => fact.clone(),
    };
    facts.iter().map(move_up).collect()
}

fn all_figures(history: &History, view: View) -> Vec<Figure> {
    let scope = commune();
    let situation = Situation { view, ..official(&scope) };
    let indicators = shipped().sets().iter().flat_map(|set| &set.indicators);
    let mut figures: Vec<_> = indicators.map(|one| shipped().figure(one, history, &situation)).collect();
    figures.push(shipped().achieved("vneid_level2", history, &situation).unwrap());
    let score = shipped().team_score(shipped().score_set("team_activity_100").unwrap(), history, &situation);
    figures.extend(score.items.into_iter().map(|item| item.figure));
    figures
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_order_and_no_partition_changes_a_figure(
        (facts, shuffled) in any_facts().prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        parts in prop::collection::vec(0usize..4, 40),
        turned in any::<bool>(),
    ) {
        let whole = History::of(shipped(), &facts, month());
        let mut split: Vec<Vec<Fact>> = vec![vec![]; 4];
        for (fact, part) in shuffled.into_iter().zip(parts) {
            split[part].push(fact);
        }
        if turned {
            split.reverse();
        }
        let (mut before, mut now) = (Tally::new(shipped()), Tally::new(shipped()));
        for part in &split {
            let (mut part_before, mut part_now) = (Tally::new(shipped()), Tally::new(shipped()));
            for fact in part {
                match fact {
                    Fact::Activity(activity) if activity.day > month().to => {}
                    Fact::Activity(activity) if activity.day < month().from => part_before.add(fact),
                    _ => part_now.add(fact),
                }
            }
            before.merge(&part_before).unwrap();
            now.merge(&part_now).unwrap();
        }
        let merged = History::new(before, now).unwrap();
        prop_assert_eq!(&merged, &whole);
        for view in [View::Official, View::Provisional] {
            prop_assert_eq!(all_figures(&merged, view), all_figures(&whole, view));
        }
    }

    #[test]
    fn condensing_changes_no_figure_and_units_that_share_nobody_add_up(facts in any_facts()) {
        let scope = commune();
        let whole = History::of(shipped(), &facts, month());
        let condensed = shipped().condense(&whole, &official(&scope));
        let apart = apart(&facts);
        let together = History::of(shipped(), &apart, month());
        let mut sum = History::of(shipped(), [], month());
        for village in [LOWER, UPPER] {
            let (part, scope) = (apart.iter().filter(|fact| is_in(fact, village)), self::village(village));
            let part = History::of(shipped(), part, month());
            sum.merge(&shipped().condense(&part, &official(&scope))).unwrap();
        }
        for view in [View::Official, View::Provisional] {
            prop_assert_eq!(all_figures(&condensed, view), all_figures(&whole, view));
            prop_assert_eq!(all_figures(&shipped().condense(&condensed, &official(&scope)), view), all_figures(&whole, view));
            prop_assert_eq!(all_figures(&sum, view), all_figures(&together, view));
        }
    }

    #[test]
    fn a_person_is_never_counted_twice_for_a_kind(facts in any_facts()) {
        let scope = commune();
        let wanted = |fact: &&Fact| matches!(fact, Fact::Activity(a) if a.kind == "vneid_level2"
            && a.status == VisitStatus::Approved && a.day <= month().to
            && a.fields.get("outcome") == Some(&text("done")));
        let mut persons = BTreeMap::new();
        let mut unnamed = 0;
        for fact in facts.iter().filter(wanted) {
            let Fact::Activity(activity) = fact else { continue };
            match activity.fields.get("person") {
                Some(person) => {
                    let first = persons.entry(person.clone()).or_insert(activity.day);
                    *first = activity.day.min(*first);
                }
                None => unnamed += i128::from(activity.day >= month().from),
            }
        }
        let new = persons.values().filter(|first| **first >= month().from).count() as i128;
        let history = History::of(shipped(), &facts, month());
        let achieved = shipped().achieved("vneid_level2", &history, &official(&scope)).unwrap();
        prop_assert_eq!(achieved.value, Some(fraction(new + unnamed, 1)));
    }

    #[test]
    fn what_a_count_opens_is_as_long_as_the_count(facts in any_facts()) {
        let scope = commune();
        for view in [View::Official, View::Provisional] {
            let situation = Situation { view, ..official(&scope) };
            let formula = &shipped().indicator("m12_app_installs").unwrap().formula;
            let behind = shipped().explain(formula, &facts, &situation, None, usize::MAX);
            let value = figure("m12_app_installs", &facts, &situation).value;
            prop_assert_eq!(value, Some(fraction(behind.len() as i128, 1)));
        }
    }

    #[test]
    fn a_percentage_is_between_nought_and_a_hundred_or_says_why_not(facts in any_facts()) {
        for figure in all_figures(&History::of(shipped(), &facts, month()), View::Official) {
            prop_assert_eq!(figure.value.is_none(), figure.empty.is_some());
            if figure.unit == FigureUnit::Percent {
                prop_assert!(figure.value.is_none_or(|value| value >= Fraction::ZERO && value <= fraction(100, 1)));
                prop_assert!(!figure.capped || figure.value == Some(fraction(100, 1)));
            }
        }
    }

    #[test]
    fn a_whole_is_shared_out_to_the_last_one(
        whole in 0u64..1_000_000, adults in prop::collection::btree_map(0u128..40, 0u64..5_000, 1..20),
    ) {
        let adults: Vec<_> = adults.into_iter().map(|(unit, adults)| (UnitId(id(unit)), adults)).collect();
        let population: u64 = adults.iter().map(|(_, adults)| adults).sum();
        prop_assume!(population > 0);
        let shares = split(whole, &adults).unwrap();
        prop_assert_eq!(shares.iter().map(|(_, share)| share).sum::<u64>(), whole);
        for ((unit, adults), (of, share)) in adults.iter().zip(&shares) {
            prop_assert_eq!(unit, of);
            let exact = fraction(i128::from(whole) * i128::from(*adults), population.into());
            let off = (fraction(i128::from(*share), 1), exact);
            prop_assert!(off.0 > fraction(exact.num() - exact.den(), exact.den()));
            prop_assert!(off.0 < fraction(exact.num() + exact.den(), exact.den()));
        }
        let mut turned = adults.clone();
        turned.reverse();
        prop_assert_eq!(split(whole, &turned).unwrap(), shares);
    }

    #[test]
    fn a_table_does_not_depend_on_the_order_of_its_entries(
        (entries, shuffled) in prop::collection::vec((0i128..5, 0u64..60, 0u32..31), 0..12)
            .prop_map(|entries| entries.into_iter().zip(1..).map(|((v, adults, off), n)| entry(n, v, adults, off)).collect::<Vec<_>>())
            .prop_flat_map(|entries| (Just(entries.clone()), Just(entries).prop_shuffle())),
    ) {
        let table = |entries: &[LeagueEntry]| rank(entries, Direction::Up, LeagueRules::default(), None).unwrap();
        prop_assert_eq!(table(&entries), table(&shuffled));
    }
}

#[test]
fn tallies_of_different_files_are_not_added_up() {
    let other = Indicators::load(&shipped_with("\"full_at\": 8}", "\"full_at\": 9}"), Catalogue::shipped()).unwrap();
    assert_eq!(Tally::new(shipped()).merge(&Tally::new(&other)), Err(MixedTallies));
    assert!(History::new(Tally::new(shipped()), Tally::new(&other)).is_err());
}

// --- league tables, targets, snapshots -------------------------------------------------------------------------------

fn entry(n: u128, value: i128, adults: u64, days_uncovered: u32) -> LeagueEntry {
    let scope = commune();
    let figure = figure("b03_fibre_households", &[], &official(&scope));
    let figure = Figure { value: Some(fraction(value, 1)), empty: None, ..figure };
    let (unit, level) = (UnitId(id(n)), Level::Village);
    LeagueEntry { unit, level, figure, adults: Some(adults), households: Some(10), days_uncovered, days: 30 }
}

#[test]
fn equal_values_share_a_rank_and_small_or_cut_off_units_are_listed_apart() {
    let table = |entries: &[LeagueEntry], last: Option<&League>| {
        rank(entries, Direction::Up, LeagueRules::default(), last).unwrap()
    };
    let last = table(&[entry(1, 10, 30, 0), entry(2, 20, 30, 0), entry(3, 30, 30, 0)], None);
    let mut empty = entry(8, 0, 30, 0);
    empty.figure.value = None;
    let now = [
        entry(1, 50, 30, 0),
        entry(2, 40, 30, 15),
        entry(3, 40, 30, 0),
        entry(4, 10, 30, 0),
        entry(5, 90, 30, 16),
        entry(6, 90, 29, 0),
        LeagueEntry { households: Some(20), ..entry(7, 5, 29, 0) },
        empty,
    ];
    let table = table(&now, Some(&last));
    let places: Vec<_> = table.places.iter().map(|place| (place.rank, place.unit, place.change)).collect();
    let unit = |n| UnitId(id(n));
    let wanted = [(1, 1, Some(2)), (2, 2, Some(0)), (2, 3, Some(-1)), (4, 4, None), (5, 7, None)];
    assert_eq!(places, wanted.map(|(rank, n, change)| (rank, unit(n), change)));
    let apart = [(unit(5), Unranked::OutOfCoverage), (unit(6), Unranked::TooSmall), (unit(8), Unranked::Empty)];
    assert_eq!(table.apart, BTreeMap::from(apart));
}

#[test]
fn counts_are_compared_per_head_and_only_like_with_like() {
    let scope = commune();
    let count = |n, value, adults| {
        let figure = figure("m01_teams", &[], &official(&scope));
        LeagueEntry { figure: Figure { value: Some(fraction(value, 1)), ..figure }, ..entry(n, 0, adults, 0) }
    };
    let rules = LeagueRules::default();
    let table = rank(&[count(1, 10, 100), count(2, 8, 40)], Direction::Up, rules, None).unwrap();
    assert_eq!((table.places[0].unit, table.places[0].value), (UnitId(id(2)), fraction(1, 5)));
    let down = rank(&[entry(1, 10, 50, 0), entry(2, 8, 50, 0)], Direction::Down, rules, None).unwrap();
    assert_eq!(down.places[0].unit, UnitId(id(2)));

    let refused = |entries: &[LeagueEntry]| rank(entries, Direction::Up, rules, None).unwrap_err().code();
    assert_eq!(refused(&[entry(1, 1, 50, 0), count(2, 1, 50)]), "mixed_indicators");
    assert_eq!(refused(&[entry(1, 1, 50, 0), entry(1, 1, 50, 0)]), "duplicate_unit");
    let commune = LeagueEntry { level: Level::Commune, ..entry(2, 1, 50, 0) };
    assert_eq!(refused(&[entry(1, 1, 50, 0), commune]), "mixed_levels");
}

fn target() -> Target {
    Target {
        unit: COMMUNE,
        goal: Goal::Indicator("b14_vneid2".to_owned()),
        value: decimal("70"),
        task: "Kích hoạt định danh mức 2".to_owned(),
        person: "Tổ thôn Thượng".to_owned(),
        from: Some(day("2026-11-01")),
        due: Some(day("2026-11-20")),
        product: "Số liệu và danh sách".to_owned(),
        resource: "2 máy của xã".to_owned(),
    }
}

#[test]
fn a_target_is_published_only_when_all_five_are_clear() {
    let found = |target: &Target| -> Vec<TargetCode> {
        target.check(shipped()).err().unwrap_or_default().into_iter().map(|finding| finding.0).collect()
    };
    assert_eq!(found(&target()), []);
    let (task, person, product, resource) = Default::default();
    let empty = Target { task, person, product, resource, from: None, due: None, ..target() };
    let names: Vec<_> = found(&empty).into_iter().map(TargetCode::field).collect();
    assert_eq!(names, ["task", "person", "from", "due", "product", "resource"]);
    assert_eq!(found(&Target { task: "  ".to_owned(), ..target() }), [TargetCode::TaskEmpty]);
    assert_eq!(found(&Target { due: Some(day("2026-10-31")), ..target() }), [TargetCode::DueBeforeFrom]);
    assert_eq!(found(&Target { value: decimal("0"), ..target() }), [TargetCode::ValueNotPositive]);
    assert_eq!(found(&Target { goal: Goal::Kind("vneid".to_owned()), ..target() }), [TargetCode::UnknownGoal]);
    assert_eq!(found(&Target { goal: Goal::Kind("vneid_level2".to_owned()), ..target() }), []);
    for code in TargetCode::ALL {
        assert!(is_nfc(code.vi()) && code.vi().ends_with('.') && code.en().ends_with('.'), "{}", code.text());
    }
}

#[test]
fn a_target_on_what_is_worked_out_from_targets_would_go_round_in_a_circle() {
    let json = shipped_with(
        r#""formula": {"type": "manual", "code": "work_files_online_pct"}"#,
        r#""formula": {"type": "target_completion"}"#,
    );
    let own = Indicators::load(&json, Catalogue::shipped()).unwrap();
    let round = Target { goal: Goal::Indicator("b05_work_files_online".to_owned()), ..target() };
    assert_eq!(round.check(&own), Err(vec![TargetFinding(TargetCode::CyclicGoal)]));
}

#[test]
fn a_target_stands_by_its_part_done_and_the_time_gone() {
    // 20 days; on the 10th half of the time is gone, so 35% is the limit.
    let status = |today: &str, percent| {
        target_status(day("2026-11-01"), day("2026-11-20"), day(today), fraction(percent, 100), 15)
    };
    for (today, percent, wanted) in [
        ("2026-10-31", 0, "not_started"),
        ("2026-11-03", 0, "not_started"),
        ("2026-11-04", 0, "at_risk"),
        ("2026-11-10", 35, "on_track"),
        ("2026-11-10", 34, "at_risk"),
        ("2026-11-20", 99, "on_track"),
        ("2026-11-21", 99, "overdue"),
        ("2026-11-21", 100, "done"),
    ] {
        assert_eq!(status(today, percent).code(), wanted, "{today} {percent}");
    }
}

#[test]
fn parts_are_shown_against_the_whole() {
    let shown = cascade(decimal("100"), &[decimal("30.5"), decimal("60")]);
    assert_eq!((shown.parts, shown.open), (fraction(181, 2), fraction(19, 2)));
    assert_eq!(cascade(decimal("1"), &[decimal("3")]).open, fraction(-2, 1));
    let unit = |n| UnitId(id(n));
    // 10 over 1 : 1 : 1: the odd one goes to the lowest id.
    let shares = split(10, &[(unit(3), 7), (unit(1), 7), (unit(2), 7)]).unwrap();
    assert_eq!(shares, [(unit(1), 4), (unit(2), 3), (unit(3), 3)]);
    assert_eq!(split(10, &[(unit(1), 0)]), Err(SplitError::NoPopulation));
    assert_eq!(split(10, &[(unit(1), 1), (unit(1), 1)]), Err(SplitError::DuplicateUnit(unit(1))));
}

#[test]
fn a_frozen_snapshot_is_followed_by_a_new_version_and_never_changed() {
    let (facts, scope) = (world(), commune());
    let draft = |facts: &[Fact], position| {
        let situation = Situation { position, ..official(&scope) };
        let set = shipped().set("commune_basic_17").unwrap();
        let figures = set.indicators.iter().rev().map(|one| figure(&one.code, facts, &situation)).collect();
        Snapshot {
            unit: COMMUNE,
            set: set.code.clone(),
            indicators: shipped().version().to_owned(),
            from: month().from,
            to: month().to,
            version: 0,
            previous: None,
            figures,
            ext: Default::default(),
        }
    };
    let Frozen::New(first) = freeze(draft(&facts, Some(7)), None) else { panic!("the first is new") };
    assert_eq!((first.version, first.previous), (1, None));
    assert_eq!(Snapshot::read(&first.cbor()), Ok(first.clone()));
    assert_eq!(freeze(draft(&facts, Some(8)), Some(&first)), Frozen::Unchanged);

    let mut changed = facts.clone();
    changed.push(tally(99, "2026-11-10", UPPER, [41, 0, 0, 0, 0, 0, 0, 0, 0]));
    let Frozen::New(second) = freeze(draft(&changed, Some(8)), Some(&first)) else { panic!("a change is new") };
    assert_eq!((second.version, second.previous), (2, Some(first.hash())));
    assert!(second.follows(&first) && second.hash() != first.hash());
    let tampered = Snapshot { figures: vec![], ..first.clone() };
    assert!(!second.follows(&tampered));
    let other = Snapshot { unit: UPPER, ..draft(&facts, None) };
    assert_eq!(freeze(other, Some(&first)), Frozen::NotTheSame);
}
