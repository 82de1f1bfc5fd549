//! Units through time: look-ups by day, the rules of the data, successions over several reforms, comparisons over them.

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "a test may fail here")]

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::catalogue::Lang;
use sync_protocol::ids::{Day, UnitId};
use sync_protocol::units::*;
use unicode_normalization::is_nfc;
use uuid::Uuid;

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn id(n: u128) -> UnitId {
    UnitId(Uuid::from_u128(n))
}

fn set<const N: usize>(rows: [u128; N]) -> BTreeSet<UnitId> {
    rows.map(id).into()
}

/// A unit with its own number as code; `parents` as (parent, from, to), days as text, "" for none.
fn unit(n: u128, level: Level, name: &str, from: &str, to: &str, parents: &[(u128, &str, &str)]) -> Unit {
    let unit_type = match level {
        Level::Province => UnitType::Tinh,
        Level::District => UnitType::Huyen,
        Level::Commune => UnitType::Xa,
        Level::Village => UnitType::Thon,
    };
    let span = |(parent, from, to): &(u128, &str, &str)| ParentSpan {
        parent: id(*parent),
        from: day(from),
        to: Day::parse(to),
    };
    Unit {
        row_id: id(n),
        level,
        code: n.to_string(),
        unit_type,
        name: name.to_owned(),
        full_name: format!("{} {name}", unit_type.label_vi()),
        parents: parents.iter().map(span).collect(),
        valid_from: day(from),
        valid_to: Day::parse(to),
    }
}

fn step(old: u128, new: u128, effective: &str, relation: Relation) -> Succession {
    Succession { old: id(old), new: id(new), effective: day(effective), relation }
}

const START: &str = "2021-11-01";
const R1: &str = "2025-07-01";
const R2: &str = "2027-01-01";

/// A province with a district and communes 11 (kept as 21), 12 and 13 (13 divided, the rest into 22), and a second
/// reform that merges 21 and 22 into 31. Villages 102 and 103 lie in commune 13, 101 in 12; 103 is divided in 2027.
fn data() -> (Vec<Unit>, Vec<Succession>) {
    use Level::*;
    let units = vec![
        unit(1, Province, "Yên Bái", START, "", &[]),
        unit(2, District, "Văn Chấn", START, R1, &[(1, START, R1)]),
        unit(11, Commune, "Gia Hội", START, R1, &[(2, START, R1)]),
        unit(12, Commune, "Nậm Búng", START, R1, &[(2, START, R1)]),
        unit(13, Commune, "Đại Lịch", START, R1, &[(2, START, R1)]),
        unit(21, Commune, "Gia Hội", R1, R2, &[(1, R1, R2)]),
        unit(22, Commune, "Nậm Búng", R1, R2, &[(1, R1, R2)]),
        unit(23, Commune, "Chấn Thịnh", R1, "", &[(1, R1, "")]),
        unit(31, Commune, "Văn Chấn", R2, "", &[(1, R2, "")]),
        unit(101, Village, "Nà Kè", START, "", &[(12, START, R1), (22, R1, R2), (31, R2, "")]),
        unit(102, Village, "Khe Cam", START, "", &[(13, START, R1), (22, R1, R2), (31, R2, "")]),
        unit(103, Village, "Khe Trang", START, R2, &[(13, START, R1), (23, R1, R2)]),
        unit(104, Village, "Khe Trang Trên", R2, "", &[(23, R2, "")]),
        unit(105, Village, "Khe Trang Dưới", R2, "", &[(23, R2, "")]),
    ];
    let successions = vec![
        step(1, 1, R1, Relation::Kept),
        step(11, 21, R1, Relation::Kept),
        step(12, 22, R1, Relation::Merged),
        step(13, 22, R1, Relation::Part),
        step(13, 23, R1, Relation::Part),
        step(21, 31, R2, Relation::Merged),
        step(22, 31, R2, Relation::Merged),
        step(103, 104, R2, Relation::Part),
        step(103, 105, R2, Relation::Part),
    ];
    (units, successions)
}

fn exceptions() -> Exceptions {
    Exceptions::from([(Fault::ClosedWithoutSuccessor, id(2))])
}

fn units() -> Units {
    let (units, successions) = data();
    Units::new(units, successions, day(START), &exceptions()).unwrap()
}

/// The breaches after a change of the data, as (code, row).
fn breaches(change: impl FnOnce(&mut Vec<Unit>, &mut Vec<Succession>)) -> Vec<(&'static str, u128)> {
    let (mut units, mut successions) = data();
    change(&mut units, &mut successions);
    let issues = Units::new(units, successions, day(START), &exceptions()).err().unwrap_or_default();
    issues.iter().map(|issue| (issue.fault.code(), issue.row.0.as_u128())).collect()
}

fn at(units: &mut [Unit], n: u128) -> &mut Unit {
    units.iter_mut().find(|unit| unit.row_id == id(n)).unwrap()
}

#[test]
fn tiers_are_three_until_june_2025_and_two_since() {
    let units = units();
    let above = |row, on| units.ancestors(id(row), day(on)).iter().map(|unit| unit.row_id).collect::<Vec<_>>();
    assert_eq!(TWO_TIERS_FROM, day(R1));
    assert_eq!(above(101, "2025-06-30"), [id(12), id(2), id(1)]);
    assert_eq!(above(101, R1), [id(22), id(1)]);
    assert_eq!(above(101, "2021-10-31"), []);
    assert_eq!(
        units.full_path(id(101), day("2025-06-30")).unwrap(),
        "Thôn Nà Kè, xã Nậm Búng, huyện Văn Chấn, tỉnh Yên Bái"
    );
    assert_eq!(units.full_path(id(101), day(R1)).unwrap(), "Thôn Nà Kè, xã Nậm Búng, tỉnh Yên Bái");
    assert_eq!(units.full_path(id(12), day(R1)), None);
    let below = |row, on| units.children(id(row), day(on)).iter().map(|unit| unit.row_id).collect::<Vec<_>>();
    assert_eq!(below(13, "2025-06-30"), [id(102), id(103)]);
    assert_eq!(below(13, R1), []);
    assert_eq!(below(22, R1), [id(101), id(102)]);
    assert_eq!(below(1, R1), [id(21), id(22), id(23)]);
}

#[test]
fn every_rule_of_the_data_names_the_row_that_breaks_it() {
    let step_13_to_22 = step(13, 22, R1, Relation::Part);
    assert_eq!(breaches(|_, _| {}), []);
    let closed = |row| ("closed_without_successor", row);
    let opened = |row| ("opened_without_predecessor", row);
    assert_eq!(breaches(|units, _| units.push(units[0].clone())), [("duplicate_row", 1)]);
    assert_eq!(breaches(|_, steps| steps[0].new = id(99)), [("unknown_row", 99)]);
    assert_eq!(breaches(|_, steps| steps[0].old = id(99)), [("unknown_row", 99)]);
    assert_eq!(breaches(|units, _| at(units, 104).parents[0].parent = id(99)), [("unknown_row", 104)]);
    assert!(breaches(|units, _| at(units, 13).valid_to = Some(day(START))).contains(&("empty_validity", 13)));
    assert_eq!(breaches(|units, _| at(units, 105).code = "104".to_owned()), [("overlap", 105)]);
    assert_eq!(breaches(|units, _| at(units, 104).parents.clear()), [("parent_gap", 104)]);
    assert_eq!(breaches(|units, _| at(units, 101).parents[1].from = day("2025-08-01")), [("parent_gap", 101)]);
    assert_eq!(breaches(|units, _| at(units, 101).parents[0].to = Some(day("2025-06-01"))), [("parent_gap", 101)]);
    assert_eq!(breaches(|units, _| at(units, 104).parents[0].to = Some(day("2028-01-01"))), [("parent_gap", 104)]);
    assert_eq!(breaches(|units, _| at(units, 104).parents[0].parent = id(1)), [("parent_level", 104)]);
    assert_eq!(breaches(|units, _| at(units, 11).parents[0].parent = id(1)), [("parent_level", 11)]);
    let own = |units: &mut Vec<Unit>| at(units, 104).parents[0].parent = id(104);
    assert_eq!(breaches(|units, _| own(units)), [("parent_level", 104), ("parent_cycle", 104)]);
    assert_eq!(breaches(|units, _| at(units, 104).parents[0].parent = id(21)), [("outlives_parent", 104)]);
    assert_eq!(breaches(|units, _| at(units, 102).parents[1].parent = id(31)), [("outlives_parent", 102)]);
    assert_eq!(breaches(|_, steps| steps.retain(|step| step.old != id(11))), [closed(11), opened(21)]);
    let late = |steps: &mut Vec<Succession>| steps[1].effective = day("2025-07-02");
    assert_eq!(breaches(|_, steps| late(steps)), [("effective_differs", 11), ("effective_differs", 21)]);
    assert_eq!(breaches(|_, steps| steps[0].relation = Relation::Merged), [("effective_differs", 1)]);
    assert_eq!(
        breaches(|_, steps| steps.push(step(11, 22, R1, Relation::Kept))).first(),
        Some(&("kept_not_one_to_one", 11))
    );
    assert_eq!(breaches(|_, steps| steps[2].relation = Relation::Kept), [("kept_not_one_to_one", 12)]);
    assert_eq!(breaches(|_, steps| steps.push(step(12, 23, R1, Relation::Part))), [("merged_twice", 12)]);
    assert_eq!(breaches(|_, steps| steps.retain(|step| step != &step_13_to_22)), [("part_alone", 13)]);
    assert!(breaches(|_, steps| steps.push(steps[3])).contains(&("succession_twice", 13)));
    assert_eq!(
        breaches(|_, steps| steps[1] = step(11, 103, R1, Relation::Merged)),
        [opened(21), ("effective_differs", 103), ("succession_level", 11)]
    );
    let back = breaches(|_, steps| steps.push(step(31, 12, R2, Relation::Merged)));
    assert!(back.contains(&("succession_cycle", 31)), "{back:?}");
}

#[test]
fn an_exception_excuses_one_row_and_must_be_needed() {
    let (list, successions) = data();
    let issues = Units::new(list.clone(), successions.clone(), day(START), &Exceptions::new()).unwrap_err();
    assert_eq!(issues.len(), 1);
    let text = issues[0].to_string();
    assert!(text.contains("closed_without_successor") && text.contains("district 2 Huyện Văn Chấn"), "{text}");
    let too_many = Exceptions::from([(Fault::ClosedWithoutSuccessor, id(2)), (Fault::Overlap, id(11))]);
    let issues = Units::new(list, successions, day(START), &too_many).unwrap_err();
    assert_eq!((issues.len(), issues[0].fault, issues[0].row), (1, Fault::ExceptionUnused, id(11)));
}

#[test]
fn words_are_there_in_both_languages() {
    for fault in Fault::ALL {
        assert_eq!(Fault::from_code(fault.code()), Some(*fault));
        assert!(is_nfc(fault.vi()) && fault.vi().ends_with('.') && fault.en().ends_with('.'), "{fault:?}");
    }
    assert!(is_nfc(CannotUndo::VI) && CannotUndo::EN.ends_with('.'));
    for reason in BlockReason::ALL {
        assert!(is_nfc(reason.vi()) && reason.vi().ends_with('.') && reason.en().ends_with('.'), "{reason:?}");
    }
}

#[test]
fn successors_are_followed_over_several_reforms() {
    let units = units();
    let to = |row, on| units.successors(id(row), day(on));
    assert_eq!((to(11, R1).units, to(11, R1).is_exact()), (set([21]), true));
    assert_eq!((to(11, R2).units, to(11, R2).is_exact()), (set([31]), true));
    assert_eq!((to(13, R1).units, to(13, R1).is_exact()), (set([22, 23]), false));
    assert_eq!(to(13, R2).units, set([31, 23]));
    assert_eq!((to(13, "2025-06-30").units, to(1, R2).units), (set([13]), set([1])));
    assert_eq!((to(103, R2).units, to(103, R2).is_exact()), (set([104, 105]), false), "villages have successors too");
    assert_eq!((to(2, R1).unknown, to(2, R1).is_exact()), (set([2]), false));
    assert_eq!(to(99, R1).unknown, set([99]), "a row that is not there has no successor");
    let from = |row, on, back| units.predecessors(id(row), day(on), day(back)).units;
    assert_eq!(from(31, R2, R1), set([21, 22]));
    assert_eq!(from(31, R2, "2025-06-30"), set([11, 12, 13]));
    assert_eq!(from(22, R1, R1), set([22]));
    let mapped = units.map(&set([11, 13]), day(R1));
    assert_eq!(mapped.iter().map(|mapping| mapping.units.len()).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn what_became_of_a_unit_is_said_in_words() {
    let units = units();
    let text = |row, on, lang| units.successors(id(row), day(on)).text(&units, lang);
    assert_eq!(text(11, R1, Lang::Vi), "Xã Gia Hội được giữ nguyên thành xã Gia Hội từ ngày 01/07/2025.");
    assert_eq!(text(12, R1, Lang::Vi), "Xã Nậm Búng nhập toàn bộ vào xã Nậm Búng từ ngày 01/07/2025.");
    let divided =
        "Xã Đại Lịch được chia về xã Nậm Búng, xã Chấn Thịnh (từ ngày 01/07/2025); phải xác định theo từng thôn.";
    assert_eq!(text(13, R1, Lang::Vi), divided);
    assert!(text(13, R1, Lang::En).ends_with("(from 2025-07-01); its villages must decide."));
    assert_eq!(text(13, "2025-06-30", Lang::Vi), "Xã Đại Lịch không thay đổi.");
    assert_eq!(text(2, R1, Lang::En), "Huyện Văn Chấn: the data does not name a successor.");
}

fn figures<const N: usize>(on: &str, units: [(u128, i64); N], villages: &[(u128, i64)]) -> Figures {
    Figures {
        day: day(on),
        units: units.into_iter().map(|(row, value)| (id(row), value)).collect(),
        villages: villages.iter().map(|(row, value)| (id(*row), *value)).collect(),
    }
}

fn olds(comparison: &Comparison) -> BTreeMap<u128, Result<i64, Vec<&'static str>>> {
    let old = |line: &Line| line.old.clone().map_err(|reasons| reasons.iter().map(|reason| reason.code()).collect());
    comparison.lines.iter().map(|line| (line.unit.0.as_u128(), old(line))).collect()
}

#[test]
fn old_figures_are_restated_for_new_units_and_never_silently() {
    let units = units();
    let new = figures("2025-07-31", [(21, 9), (22, 9), (23, 9)], &[]);
    let old = [(11, 10), (12, 20), (13, 30)];

    let without = compare(&units, &figures("2025-06-30", old, &[]), &new);
    let needs = Err(vec!["needs_villages"]);
    assert_eq!(olds(&without), BTreeMap::from([(21, Ok(10)), (22, needs.clone()), (23, needs.clone())]));
    assert_eq!(
        without.lines[1].text(&units, Lang::Vi),
        "Không so sánh được: xã Đại Lịch đã bị chia. Hãy bổ sung số liệu theo từng thôn."
    );

    let with = compare(&units, &figures("2025-06-30", old, &[(102, 12), (103, 18)]), &new);
    assert_eq!(olds(&with), BTreeMap::from([(21, Ok(10)), (22, Ok(32)), (23, Ok(18))]));
    let basis: Vec<_> = with.lines.iter().map(|line| line.basis).collect();
    assert_eq!(basis, [Some(Relation::Kept), Some(Relation::Part), Some(Relation::Part)]);
    assert!(with.lines[1].text(&units, Lang::Vi).contains("tính theo từng thôn"));
    assert!(with.text(Lang::Vi).unwrap().starts_with("Địa giới thay đổi giữa ngày 30/06/2025 và ngày 31/07/2025"));

    let one_missing = compare(&units, &figures("2025-06-30", old, &[(102, 30)]), &new);
    assert_eq!(olds(&one_missing)[&22], needs);
    let (mut list, successions) = data();
    at(&mut list, 102).parents[1].parent = id(21);
    let elsewhere = Units::new(list, successions, day(START), &exceptions()).unwrap();
    let gone = compare(&elsewhere, &figures("2025-06-30", old, &[(102, 12), (103, 18)]), &new);
    assert_eq!(olds(&gone)[&23], needs, "a village in a commune that does not succeed its own");
    let differ = compare(&units, &figures("2025-06-30", old, &[(102, 12), (103, 17)]), &new);
    assert_eq!(olds(&differ)[&23], Err(vec!["villages_differ"]));
    let missing = compare(&units, &figures("2025-06-30", [(13, 30)], &[(102, 12), (103, 18)]), &new);
    assert_eq!(
        olds(&missing),
        BTreeMap::from([(21, Err(vec!["no_figure"])), (22, Err(vec!["no_figure"])), (23, Ok(18)),])
    );
}

#[test]
fn a_comparison_goes_over_two_reforms_and_over_the_division_of_a_village() {
    let units = units();
    let old = figures("2025-06-30", [(11, 10), (12, 20), (13, 30)], &[(102, 12), (103, 18)]);
    let compared = compare(&units, &old, &figures(R2, [(31, 1)], &[]));
    assert_eq!(olds(&compared), BTreeMap::from([(23, Ok(18)), (31, Ok(42))]));
    assert_eq!(compared.lines.iter().map(|line| line.new).collect::<Vec<_>>(), [None, Some(1)]);
}

#[test]
fn an_old_figure_without_a_place_is_left_over_with_its_reason() {
    let units = units();
    let compared = compare(&units, &figures("2025-06-30", [(2, 60)], &[]), &figures(R1, [], &[]));
    assert_eq!(compared.left_over, BTreeMap::from([(id(2), NotComparable::UnknownSuccession(id(2)))]));
    let wrong = compare(&units, &figures("2025-06-30", [(21, 1)], &[]), &figures(R1, [(11, 1)], &[]));
    assert_eq!(wrong.left_over, BTreeMap::from([(id(21), NotComparable::NotInForce(id(21)))]));
    assert_eq!(olds(&wrong), BTreeMap::from([(11, Err(vec!["not_in_force"]))]));
    let same = compare(&units, &figures(R1, [(21, 1)], &[]), &figures("2026-01-01", [(21, 2)], &[]));
    assert_eq!((same.text(Lang::En), same.lines[0].basis), (None, None));
    let huge = figures("2025-07-01", [(21, i64::MAX), (22, 1)], &[]);
    assert_eq!(olds(&compare(&units, &huge, &figures(R2, [], &[])))[&31], Err(vec!["too_large"]));
}
