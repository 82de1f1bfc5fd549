//! The whole country under the rules: 63 provinces become 34, and 10,035 communes 3,321, on 2025-07-01.

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "a test may fail here")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use sync_protocol::catalogue::Lang;
use sync_protocol::ids::Day;
use sync_protocol::units::*;

static COUNTRY: LazyLock<Units> = LazyLock::new(|| load(|_, _, _| {}).unwrap_or_else(|issues| panic!("{}", issues[0])));

type Change = fn(&mut Vec<UnitRow>, &mut Vec<SuccessionRow>, &mut Exceptions);

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn rows(file: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    file.lines().skip(1).map(|line| line.split(',').collect())
}

fn level(code: &str) -> Level {
    Level::from_code(code).unwrap()
}

fn load(change: Change) -> Result<Units, Vec<Issue>> {
    let unit = |row: Vec<&str>| UnitRow {
        level: level(row[0]),
        code: row[1].to_owned(),
        valid_from: day(row[2]),
        valid_to: Day::parse(row[3]),
        unit_type: UnitType::from_code(row[4]).unwrap(),
        name: row[5].to_owned(),
        full_name: row[6].to_owned(),
        parent: Level::from_code(row[7]).map(|level| (level, row[8].to_owned())),
    };
    let succession = |row: Vec<&str>| SuccessionRow {
        old: (level(row[0]), row[1].to_owned()),
        new: (level(row[2]), row[3].to_owned()),
        effective: day(row[4]),
        relation: Relation::from_code(row[5]).unwrap(),
    };
    let exception = |row: Vec<&str>| (Fault::from_code(row[0]).unwrap(), unit_id(level(row[1]), row[2], day(row[3])));
    let mut units = rows(include_str!("../../server/data/admin_units.csv")).map(unit).collect();
    let mut successions = rows(include_str!("../../server/data/admin_succession.csv")).map(succession).collect();
    let mut exceptions = rows(include_str!("../../server/data/admin_exceptions.csv")).map(exception).collect();
    change(&mut units, &mut successions, &mut exceptions);
    Units::from_rows(&units, &successions, day("2021-11-01"), &exceptions)
}

#[test]
fn the_country_keeps_the_rules_and_the_counts() {
    for (on, provinces, districts, communes) in [
        ("2022-08-08", 63, 705, 10_599),
        ("2024-12-15", 63, 704, 10_462),
        ("2025-06-30", 63, 696, 10_035),
        ("2025-07-01", 34, 0, 3_321),
        ("2026-04-30", 34, 0, 3_321),
    ] {
        let count = |level| COUNTRY.on(level, day(on)).count();
        let counts = (count(Level::Province), count(Level::District), count(Level::Commune));
        assert_eq!(counts, (provinces, districts, communes), "{on}");
    }
}

#[test]
fn every_commune_and_province_of_june_2025_is_found_again_and_nothing_else_is() {
    let (before, after) = (day("2025-06-30"), day("2025-07-01"));
    for (kind, divided) in [(Level::Province, 0), (Level::Commune, 441)] {
        let old: BTreeSet<_> = COUNTRY.on(kind, before).map(|unit| unit.row_id).collect();
        let mapped = COUNTRY.map(&old, after);
        assert!(mapped.iter().all(|mapping| mapping.unknown.is_empty() && !mapping.units.is_empty()));
        let new: BTreeSet<_> = mapped.iter().flat_map(|mapping| mapping.units.iter().copied()).collect();
        let there: BTreeSet<_> = COUNTRY.on(kind, after).map(|unit| unit.row_id).collect();
        // Five special zones were districts.
        let from_districts: Vec<_> = there.difference(&new).map(|row| &COUNTRY.unit(*row).unwrap().full_name).collect();
        assert_eq!(from_districts.len(), if kind == Level::Commune { 5 } else { 0 }, "{from_districts:?}");
        assert_eq!(mapped.iter().filter(|mapping| !mapping.is_exact()).count(), divided);
        for row in there {
            let back = COUNTRY.predecessors(row, after, before);
            assert!(back.unknown.is_empty() && !back.units.is_empty());
        }
    }
}

#[test]
fn a_code_is_no_identity_and_a_path_has_the_tiers_of_its_day() {
    let find = |code, on: &str| COUNTRY.get(Level::Commune, code, day(on)).unwrap();
    let path = |code, on: &str| COUNTRY.full_path(find(code, on).row_id, day(on)).unwrap();
    assert_eq!(path("04636", "2025-06-30"), "Xã Gia Hội, huyện Văn Chấn, tỉnh Yên Bái");
    assert_eq!(path("04636", "2025-07-01"), "Xã Gia Hội, tỉnh Lào Cai");
    assert_ne!(find("04252", "2025-06-30").row_id, find("04252", "2025-07-01").row_id);
}

#[test]
fn successors_cross_two_reforms() {
    let on = day("2026-05-01");
    let long_thanh = COUNTRY.get(Level::Commune, "26368", day("2025-06-30")).unwrap();
    let mapping = COUNTRY.successors(long_thanh.row_id, on);
    let names: Vec<_> = mapping.units.iter().map(|row| COUNTRY.full_path(*row, on).unwrap()).collect();
    assert_eq!(names, ["Phường Long Thành, thành phố Đồng Nai"]);
    assert!(mapping.is_exact());
    let split = COUNTRY.get(Level::Commune, "05467", day("2025-06-30")).unwrap();
    let text = COUNTRY.successors(split.row_id, on).text(&COUNTRY, Lang::Vi);
    assert!(text.starts_with("Phường Cam Giá được chia về phường "), "{text}");
}

#[test]
fn a_changed_country_is_refused_with_the_row_at_fault() {
    let cases: [(Change, &str, &str); 5] = [
        (|units, _, _| units.retain(|unit| unit.code != "15" || unit.valid_to.is_some()), "unknown_row", "province 15"),
        (
            |_, steps, _| steps.retain(|step| step.old.1 != "04636"),
            "closed_without_successor",
            "commune 04636 Xã Gia Hội",
        ),
        (
            |_, _, known| known.retain(|(fault, _)| *fault != Fault::EffectiveDiffers),
            "effective_differs",
            "commune 04762 Xã Bạch Hà",
        ),
        (
            |_, _, known| {
                known.pop_first();
            },
            "closed_without_successor",
            "",
        ),
        (
            |_, _, known| known.extend([(Fault::Overlap, unit_id(Level::Province, "01", Day(18_932)))]),
            "exception_unused",
            "",
        ),
    ];
    for (change, code, label) in cases {
        let issues = load(change).unwrap_err();
        let named = issues.iter().any(|issue| issue.fault.code() == code && issue.label.starts_with(label));
        assert!(named, "{code}: {}", issues[0]);
    }
}

#[test]
fn figures_of_all_communes_are_restated_without_losing_one() {
    let (before, after) = (day("2025-06-30"), day("2025-07-01"));
    let old: BTreeMap<_, _> = COUNTRY.on(Level::Commune, before).map(|unit| (unit.row_id, 1)).collect();
    let old = Figures { day: before, units: old, villages: BTreeMap::new() };
    let compared = compare(&COUNTRY, &old, &Figures { day: after, units: BTreeMap::new(), villages: BTreeMap::new() });
    assert!(compared.left_over.is_empty());
    let whole: i64 = compared.lines.iter().filter_map(|line| line.old.as_ref().ok()).sum();
    let refused: BTreeSet<_> =
        compared.lines.iter().filter(|line| line.old.is_err()).flat_map(|line| &line.from).collect();
    assert_eq!(usize::try_from(whole).unwrap() + refused.len(), 10_035, "each is summed once or refused");
    let reason = |line: &Line| line.old.as_ref().err().and_then(|reasons| reasons.first().copied());
    assert!(compared.lines.iter().filter_map(reason).all(|reason| reason.code() == "needs_villages"
        || reason.code() == "no_figure" && COUNTRY.unit(reason.unit()).unwrap().level == Level::District));
}
