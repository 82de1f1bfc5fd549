//! Reports from outside: layouts that cannot be right, counts that agree with figures, and what a document shows.
#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sync_protocol::calendar::{self, PeriodKind, Report};
use sync_protocol::catalogue::{Decimal, Lang};
use sync_protocol::ids::*;
use sync_protocol::indicator::*;
use sync_protocol::report::*;
use sync_protocol::row::Ver;
use sync_protocol::value::Value;
use sync_protocol::workflow::VisitStatus;
use unicode_normalization::is_nfc;
use uuid::Uuid;

const COMMUNE: UnitId = UnitId(Uuid::from_u128(100));
const VILLAGE: UnitId = UnitId(Uuid::from_u128(101));

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn month() -> Period {
    Period { from: day("2026-10-15"), to: day("2026-11-14") }
}

fn scope() -> Scope {
    let village = Scope { unit: VILLAGE, level: Level::Village, parts: vec![] };
    Scope { unit: COMMUNE, level: Level::Commune, parts: vec![village] }
}

fn situation(scope: &Scope) -> Situation<'_> {
    Situation { scope, period: month(), open: false, view: View::Official, position: Some(7), targets: &[] }
}

fn activity(n: u128, kind: &str, on: &str, house: u128, fields: &[(&str, Value)]) -> Fact {
    Fact::Activity(Box::new(ActivityFact {
        id: ActivityId(Uuid::from_u128(n)),
        visit: VisitId(Uuid::from_u128(n + 1_000_000)),
        kind: kind.to_owned(),
        fields: fields.iter().map(|(field, value)| ((*field).to_owned(), value.clone())).collect(),
        day: day(on),
        village: VILLAGE,
        household: Some(HouseholdId(Uuid::from_u128(house))),
        household_class: None,
        team: TeamId(Uuid::from_u128(201)),
        members: BTreeSet::new(),
        status: VisitStatus::Approved,
        returned: false,
        submitted: Some(day(on)),
        void: false,
    }))
}

fn person(n: u128, outcome: &str) -> Vec<(&'static str, Value)> {
    vec![("person", Value::Ref(Uuid::from_u128(n))), ("outcome", Value::Text(outcome.to_owned()))]
}

fn counts_with(report: Report, facts: &[Fact], targets: &[(&str, i64)]) -> Counts {
    let targets = targets.iter().map(|(kind, target)| ((*kind).to_owned(), Decimal::from_int(*target))).collect();
    let layout = Layouts::shipped().report(report).unwrap();
    Counts::of(layout, Indicators::shipped(), facts, &situation(&scope()), &targets, &Overrides::new())
}

fn input(report: Report, level: Level, counts: Counts) -> ReportInput<'static> {
    ReportInput {
        report,
        layouts: Layouts::shipped(),
        indicators: Indicators::shipped(),
        issuer: "Ủy ban nhân dân xã Việt Hồng".to_owned(),
        superior: "Tỉnh Lào Cai".to_owned(),
        place: "Việt Hồng".to_owned(),
        unit: ReportUnit {
            id: COMMUNE, level, name: "Xã Việt Hồng".to_owned(), path: vec!["Tỉnh Lào Cai".to_owned()]
        },
        team: None,
        period: calendar::Period::of_month(PeriodKind::Month, Month::parse("2026-11").unwrap()),
        days: month(),
        dated: day("2026-11-18"),
        as_of: day("2026-11-18"),
        position: Some(7),
        open: false,
        status: ReportStatus::Submitted,
        late: false,
        texts: BTreeMap::new(),
        comparison: None,
        teams: vec![],
        counts,
        overrides: Overrides::new(),
        parts: vec![],
        campaign: None,
        sample: false,
    }
}

fn commune_report(facts: &[Fact], targets: &[(&str, i64)]) -> ReportDocument {
    let counts = counts_with(Report::CommuneMonth, facts, targets);
    build(&input(Report::CommuneMonth, Level::Commune, counts), Lang::Vi).unwrap()
}

fn table<'d>(document: &'d ReportDocument, code: &str) -> &'d Table {
    document.tables().find(|table| table.code == code).unwrap()
}

/// The cell in the row that begins with a text.
fn cell<'t>(table: &'t Table, row: &str, column: &str) -> &'t Cell {
    let at = table.columns.iter().position(|one| one.code == column).unwrap();
    let begins = |line: &&Row| line.cells[0].shown(Lang::Vi).starts_with(row);
    &table.rows.iter().find(begins).unwrap().cells[at]
}

const VNEID: &str = "Kích hoạt định danh";

// ---------------------------------------------------------------------------------------------------------------------
// Layouts

/// The shipped file with one text replaced, and what loading it says: code, report, section, path.
fn refused(old: &str, new: &str) -> (&'static str, String) {
    assert!(Layouts::SHIPPED_JSON.contains(old), "{old}");
    let error = Layouts::load(&Layouts::SHIPPED_JSON.replacen(old, new, 1), Indicators::shipped()).unwrap_err();
    (error.code(), error.to_string())
}

#[test]
fn the_shipped_layouts_load_and_are_composed() {
    assert!(is_nfc(Layouts::SHIPPED_JSON));
    for report in [Report::TeamMonth, Report::CommuneMonth, Report::ProvinceMonth] {
        assert!(Layouts::shipped().report(report).is_some());
    }
}

#[test]
fn a_layout_that_cannot_be_right_is_refused_with_its_place() {
    let cases = [
        (r#""code": "team_month""#, r#""code": "team_week""#, "unknown_report", "report team_week"),
        (
            r#""sets": ["commune_basic_17""#,
            r#""sets": ["commune_basic_18""#,
            "unknown_set",
            "section indicators, at blocks[0].sets",
        ),
        (
            r#""kinds": ["citizen_feedback""#,
            r#""kinds": ["feedback""#,
            "unknown_case",
            "report team_month, section cases",
        ),
        (r#"{"kind": "vneid_level2"}"#, r#"{"kind": "vneid"}"#, "unknown_kind", "section units, at blocks[0].columns"),
        (r#"{"indicator": "b14_vneid2"}"#, r#"{"indicator": "b99"}"#, "unknown_indicator", "blocks[0].columns"),
        (r#""field": "language""#, r#""field": "minutes""#, "wrong_field_type", "blocks[0].field"),
        (r#""sums": ["items""#, r#""sums": ["stickers""#, "unknown_field", "blocks[1].sums"),
        (r#""top": 10"#, r#""top": 0"#, "bad_top", "section results, at blocks[1].top"),
        (r#"{"type": "teams"}"#, r#"{"type": "late_list"}"#, "misplaced_block", "section members"),
        (r#"{"type": "teams"}"#, r#"{"type": "pie_chart"}"#, "malformed", "section members, at blocks[0]"),
        (r#"{"type": "teams"}"#, r#"{"type": "teams", "hidden": true}"#, "malformed", "section members, at blocks[0]"),
        (r#""vi": "Tổ chức tổ", "en": "The team""#, r#""vi": "", "en": "The team""#, "bad_label", "section members"),
        (r#""code": "members""#, r#""code": "cases""#, "duplicate_code", "report team_month, section cases"),
        (
            r#""columns": ["activities", "persons""#,
            r#""columns": ["activities", "activities""#,
            "duplicate_code",
            "columns",
        ),
    ];
    for (old, new, code, place) in cases {
        let (found, said) = refused(old, new);
        assert_eq!(found, code, "{said}");
        assert!(said.contains(place), "{said}");
    }
    assert_eq!(refused(r#""schema_version": 1"#, r#""schema_version": 2"#).0, "schema");
}

#[test]
fn a_new_section_needs_no_code() {
    let new = Layouts::SHIPPED_JSON.replacen(
        r#"{"type": "teams"}"#,
        r#"{"type": "breakdown", "vi": "Hồ sơ theo mức độ", "en": "By level", "kind": "dvc_submission", "field": "level", "sums": []}"#,
        1,
    );
    let layouts = Layouts::load(&new, Indicators::shipped()).unwrap();
    let layout = layouts.report(Report::TeamMonth).unwrap();
    let fields = [("level", Value::Text("full".into())), ("outcome", Value::Text("done".into()))];
    let facts = [activity(1, "dvc_submission", "2026-11-01", 1, &fields)];
    let none = BTreeMap::new();
    let counts = Counts::of(layout, Indicators::shipped(), &facts, &situation(&scope()), &none, &Overrides::new());
    let input = ReportInput { layouts: &layouts, ..input(Report::TeamMonth, Level::Commune, counts) };
    let document = build(&input, Lang::Vi).unwrap();
    let shown = cell(table(&document, "dvc_submission_by_level"), "Toàn trình", "activities").shown(Lang::Vi);
    assert_eq!(shown, "1");
}

// ---------------------------------------------------------------------------------------------------------------------
// Counts

#[test]
fn the_year_never_holds_less_than_the_period() {
    let january = Period { from: day("2025-12-15"), to: day("2026-01-14") };
    assert_eq!(since_new_year(january).from, day("2025-12-15"));
    assert_eq!(since_new_year(month()).from, day("2026-01-01"));
}

#[test]
fn a_household_passes_a_funnel_step_by_step() {
    let done = [("outcome", Value::Text("done".into()))];
    let order = [("outcome", Value::Text("done".into())), ("first_order", Value::Bool(true))];
    let facts = [
        activity(1, "ecom_buyer_account", "2026-02-01", 1, &order),
        activity(2, "ecom_seller_stall", "2026-03-01", 1, &done),
        activity(3, "ecom_product_listing", "2026-11-01", 1, &done),
        activity(4, "ecom_buyer_account", "2026-03-01", 2, &done),
        // A stall without a buyer's account: reached, not through.
        activity(5, "ecom_seller_stall", "2026-03-01", 3, &done),
        // After the period.
        activity(6, "ecom_seller_stall", "2026-11-15", 2, &done),
    ];
    let counts = counts_with(Report::CommuneMonth, &facts, &[]);
    let steps: Vec<_> = counts.funnels["ecommerce_funnel"].iter().map(|step| (step.reached, step.through)).collect();
    assert_eq!(steps, [(2, 2), (2, 1), (1, 1), (1, 1)]);
}

#[test]
fn cases_count_by_where_they_stand_on_the_last_day() {
    let case = |n: u128, ver: u64, opened: &str, steps: &[(&str, &str)]| {
        let steps = steps.iter().map(|(on, status)| (day(on), (*status).to_owned())).collect();
        let (id, kind) = (CaseId(Uuid::from_u128(n)), "citizen_feedback".to_owned());
        let due = Some(Day(day(opened).0 + 7));
        Fact::Row(RowFact { ver: Ver(ver), row: RowData::Case { id, kind, opened: day(opened), due, steps } })
    };
    let facts = [
        case(1, 1, "2026-10-20", &[("2026-10-22", "resolved")]),
        case(2, 1, "2026-10-20", &[("2026-10-30", "resolved")]),
        // Reopened: the last answer counts, and it came after the period.
        case(3, 1, "2026-10-20", &[("2026-10-21", "closed"), ("2026-10-25", "open"), ("2026-11-20", "resolved")]),
        // Answered before the period.
        case(4, 1, "2026-09-01", &[("2026-09-03", "resolved")]),
        // Of two versions, the newer holds.
        case(5, 1, "2026-11-13", &[]),
        case(5, 2, "2026-11-13", &[("2026-11-14", "rejected")]),
        case(6, 1, "2026-11-20", &[]),
    ];
    let found = counts_with(Report::CommuneMonth, &facts, &[]).cases["citizen_feedback"];
    assert_eq!(found, CaseCount { opened: 4, answered: 3, on_time: 2, pending: 1, overdue: 1 });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a report counts as done is what the kind achieved, whatever repeats there are and in whatever order they come.
    #[test]
    fn done_is_what_was_achieved(
        rows in prop::collection::vec((0u128..6, 0usize..3, 0u32..90, 0usize..3), 0..40),
        turn in 0usize..40,
    ) {
        let outcomes = ["done", "already", "not_done"];
        let statuses = [VisitStatus::Approved, VisitStatus::Submitted, VisitStatus::Returned];
        let mut facts: Vec<Fact> = rows.iter().enumerate().map(|(at, (who, outcome, after, status))| {
            let on = Day(day("2026-09-01").0 + after).to_string();
            let Fact::Activity(mut made) = activity(at as u128, "vneid_level2", &on, *who, &person(*who, outcomes[*outcome]))
            else { unreachable!() };
            made.status = statuses[*status];
            Fact::Activity(made)
        }).collect();
        let turn = turn % facts.len().max(1);
        facts.rotate_left(turn);
        let counts = counts_with(Report::CommuneMonth, &facts, &[]);
        let kind = &counts.kinds["vneid_level2"];
        prop_assert_eq!(kind.achieved.value, Some(Fraction::whole(kind.count.with(&["done"]).into())));
        prop_assert_eq!(kind.count.outcomes.values().sum::<u64>(), kind.count.activities);
        prop_assert!(kind.cumulative.value >= kind.achieved.value);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Documents

#[test]
fn what_is_missing_says_so() {
    let document = commune_report(&[], &[]);
    let key_products = cell(table(&document, "indicators"), "Tỷ lệ sản phẩm chủ lực, OCOP", "value");
    assert_eq!(key_products.value, CellValue::Dash(Missing::Figure(Empty::DenominatorMissing)));
    let note = &table(&document, "indicators").notes[key_products.note.unwrap()];
    assert!(note.starts_with("Thiếu số gốc"), "{note}");
    let missing = |item: &&Item| matches!(item, Item::Paragraph { text, missing: true } if text.contains("Chưa nhập"));
    let items = document.sections.iter().flat_map(|section| &section.items);
    assert_eq!(items.filter(missing).count(), 4);
    assert!(document.head.title == "BÁO CÁO" && document.head.subject.ends_with("tháng 11/2026"));
    assert_eq!(document.head.body, "ỦY BAN NHÂN DÂN XÃ VIỆT HỒNG");
    assert_eq!(document.head.place_date, "Việt Hồng, ngày 18 tháng 11 năm 2026");
}

#[test]
fn what_was_typed_is_shown_line_by_line() {
    let mut input = input(Report::CommuneMonth, Level::Commune, counts_with(Report::CommuneMonth, &[], &[]));
    input.texts.insert("next".to_owned(), "Việc một.\n\nViệc hai.".to_owned());
    let document = build(&input, Lang::Vi).unwrap();
    let texts: Vec<&str> = document.sections[6]
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Paragraph { text, missing: false } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(texts[texts.len() - 2..], ["Phương hướng kỳ tới: Việc một.", "Việc hai."]);
}

#[test]
fn above_a_hundred_percent_is_capped_and_flagged() {
    let facts: Vec<Fact> = (1..=6).map(|n| activity(n, "vneid_level2", "2026-11-01", n, &person(n, "done"))).collect();
    let document = commune_report(&facts, &[("vneid_level2", 5)]);
    let kinds = table(&document, "kinds");
    let reached = cell(kinds, VNEID, "completion");
    assert_eq!(reached.value, CellValue::Percent(Fraction::whole(100)));
    assert!(kinds.notes[reached.note.unwrap()].contains("Vượt chỉ tiêu"));
    let whole = commune_report(&facts, &[("vneid_level2", 8)]);
    let reached = cell(table(&whole, "kinds"), VNEID, "completion");
    assert_eq!((reached.shown(Lang::Vi).as_str(), reached.note), ("75", None));
}

#[test]
fn a_repeat_is_left_out_and_told() {
    let facts = [
        activity(1, "vneid_level2", "2026-09-01", 1, &person(1, "done")),
        activity(2, "vneid_level2", "2026-11-01", 1, &person(1, "done")),
        activity(3, "vneid_level2", "2026-11-01", 1, &person(2, "done")),
    ];
    let document = commune_report(&facts, &[]);
    let kinds = table(&document, "kinds");
    let shown = ["activities", "persons", "households", "done", "cumulative"]
        .map(|column| cell(kinds, VNEID, column).shown(Lang::Vi));
    assert_eq!(shown, ["1", "1", "1", "1", "2"]);
    assert!(kinds.remarks.iter().any(|remark| remark == "Không tính 1 hoạt động lặp lại."));
}

#[test]
fn every_number_names_the_list_behind_it() {
    let facts = [activity(1, "vneid_level2", "2026-11-01", 1, &person(1, "done"))];
    let document = commune_report(&facts, &[("vneid_level2", 5)]);
    for code in ["kinds", "indicators", "cases"] {
        let cells = table(&document, code).rows.iter().flat_map(|row| &row.cells);
        for cell in cells.filter(|cell| matches!(cell.value, CellValue::Count(_))) {
            // A target is no count of anything.
            assert!(cell.reference.is_some() || code == "indicators", "{code}: {cell:?}");
        }
    }
    let done = cell(table(&document, "kinds"), VNEID, "done").reference.clone().unwrap();
    assert_eq!((done.code.as_str(), done.part.as_str(), done.scope), ("vneid_level2", "done", COMMUNE.0));
    assert_eq!(done.period, month());
    let year = cell(table(&document, "kinds"), VNEID, "cumulative").reference.clone().unwrap();
    assert_eq!(year.period.from, day("2026-01-01"));
    let columns = document
        .tables()
        .flat_map(|table| table.columns.iter().map(|column| format!("{}.{}", table.code, column.code)));
    let known: BTreeSet<&str> = document.dictionary.iter().map(|entry| entry.code.as_str()).collect();
    columns.for_each(|code| assert!(known.contains(code.as_str()), "{code}"));
    assert!(known.contains("b14_vneid2") && known.contains("vneid_level2"));
}

fn part(n: u128, name: &str, counts: &Counts) -> Part {
    let kinds = counts.kinds.iter().map(|(code, kind)| (code.clone(), kind.achieved.clone())).collect();
    Part {
        unit: ReportUnit { id: UnitId(Uuid::from_u128(n)), level: Level::Commune, name: name.into(), path: vec![] },
        teams: 3,
        members: 12,
        kinds,
        figures: BTreeMap::new(),
        report: Submission {
            status: ReportStatus::Submitted,
            submitted: Some(day("2026-11-19")),
            due: day("2026-11-18"),
        },
    }
}

fn persons_done(from: u128, count: u128) -> Vec<Fact> {
    (from..from + count).map(|n| activity(n, "vneid_level2", "2026-11-01", n, &person(n, "done"))).collect()
}

fn province(parts: &[(&str, u128)], status: ReportStatus) -> ReportDocument {
    let all: Vec<Fact> =
        parts.iter().zip(1u128..).flat_map(|((_, count), at)| persons_done(at * 1_000, *count)).collect();
    let mut input = input(Report::ProvinceMonth, Level::Province, counts_with(Report::ProvinceMonth, &all, &[]));
    input.parts = (1u128..)
        .zip(parts)
        .map(|(n, (name, count))| {
            let counts = counts_with(Report::ProvinceMonth, &persons_done(n * 1_000, *count), &[]);
            let mut part = part(n, name, &counts);
            part.report.status = status;
            part
        })
        .collect();
    build(&input, Lang::Vi).unwrap()
}

#[test]
fn above_commune_level_few_persons_are_hidden_and_cannot_be_worked_out() {
    let document = province(&[("Xã A", 3), ("Xã B", 9), ("Xã C", 40), ("Xã D", 0)], ReportStatus::Submitted);
    let units = table(&document, "units");
    let shown = |name| cell(units, name, "vneid_level2").shown(Lang::Vi);
    // The province's sum is known, so one more is withheld; nothing is nobody's number.
    assert_eq!(["Xã A", "Xã B", "Xã C", "Xã D"].map(shown), [FEW, DASH, "40", "0"]);
    assert_eq!(cell(units, "Xã B", "vneid_level2").value, CellValue::Dash(Missing::Withheld));
    assert_eq!(cell(units, "Xã A", "teams").shown(Lang::Vi), "3");
    // The commune itself sees its own number.
    let own = commune_report(&persons_done(1, 3), &[]);
    assert_eq!(cell(table(&own, "kinds"), VNEID, "done").shown(Lang::Vi), "3");
    // A hidden outcome cannot be had from the row's sum either.
    let mut facts = persons_done(1, 20);
    facts.extend((100..103).map(|n| activity(n, "vneid_level2", "2026-11-01", n, &person(n, "already"))));
    let counts = counts_with(Report::ProvinceMonth, &facts, &[]);
    let document = build(&input(Report::ProvinceMonth, Level::Province, counts), Lang::Vi).unwrap();
    let kinds = table(&document, "kinds");
    assert_eq!(cell(kinds, VNEID, "already").value, CellValue::Few);
    assert_eq!(cell(kinds, VNEID, "done").value, CellValue::Dash(Missing::Withheld));
}

#[test]
fn late_reports_are_listed() {
    let late = province(&[("Xã A", 9)], ReportStatus::Submitted);
    assert_eq!(cell(table(&late, "late_list"), "Xã A", "days_late").shown(Lang::Vi), "1");
    assert_eq!(cell(table(&late, "late_list"), "Xã A", "submitted").shown(Lang::Vi), "19/11/2026");
    // Given back: it is not in. On its last day it is not late yet.
    let returned = province(&[("Xã A", 9)], ReportStatus::Returned);
    assert!(returned.tables().all(|table| table.code != "late_list"));
}

#[test]
fn what_is_provisional_or_crosses_a_reform_says_so() {
    let mut input = input(Report::CommuneMonth, Level::Commune, counts_with(Report::CommuneMonth, &[], &[]));
    let lines = |input: &ReportInput<'_>| build(input, Lang::Vi).unwrap().head.lines.join("\n");
    assert!(!lines(&input).contains("tạm tính"));
    input.open = true;
    input.late = true;
    input.comparison = Some("Địa giới thay đổi.".to_owned());
    let said = lines(&input);
    assert!(said.contains("tạm tính") && said.contains("gửi muộn") && said.contains("Địa giới thay đổi."), "{said}");
}

#[test]
fn everything_a_document_says_is_composed() {
    let facts = persons_done(1, 7);
    for lang in [Lang::Vi, Lang::En] {
        let counts = counts_with(Report::CommuneMonth, &facts, &[]);
        let document = build(&input(Report::CommuneMonth, Level::Commune, counts), lang).unwrap();
        assert!(is_nfc(&format!("{document:?}")));
    }
}
