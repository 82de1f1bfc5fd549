//! The layouts that ship: every report for every level that has it, and a document that is kept comes back as it was.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use sync_protocol::calendar::Report;
use sync_protocol::catalogue::Lang;
use sync_protocol::cbor::{Malformed, check};
use sync_protocol::ids::Day;
use sync_protocol::indicator::{Empty, Fraction, Indicators, Level, Period};
use sync_protocol::report::*;
use uuid::Uuid;

#[test]
fn commune_and_province_have_their_own_layout_of_the_longer_reports() {
    let layouts = Layouts::shipped();
    for report in [Report::Quarter, Report::HalfYear, Report::Year, Report::EcomFunnel] {
        let of = |level| layouts.at(report, level).unwrap();
        let compares = |layout: &ReportLayout| layout.blocks().any(|block| matches!(block, Block::Units { .. }));
        let (commune, province) = (of(Level::Commune), of(Level::Province));
        assert!(!compares(commune) && compares(province), "{report:?}");
        assert_eq!((commune.number.as_str(), province.number.as_str()), ("BC-UBND", "BC-SKHCN"), "{report:?}");
        let shows_indicators = commune.blocks().any(|block| matches!(block, Block::Indicators { .. }));
        assert_eq!(shows_indicators, report != Report::EcomFunnel, "{report:?}");
    }
    let funnel = |report| {
        let layout = layouts.at(report, Level::Commune).unwrap();
        layout.blocks().find(|block| matches!(block, Block::Funnel { .. })).cloned()
    };
    assert_eq!(funnel(Report::EcomFunnel), funnel(Report::CommuneMonth), "one rule for the steps");
}

#[test]
fn a_layout_of_a_level_is_loaded_once_and_only_a_province_compares_communes() {
    let load = |text: String| Layouts::load(&text, Indicators::shipped());
    let commune = |text: &str| text.replace("\"level\": \"province\"", "\"level\": \"commune\"");
    let misplaced = load(commune(Layouts::SHIPPED_JSON)).unwrap_err();
    assert_eq!(misplaced.code(), "misplaced_block");
    let unknown = load(Layouts::SHIPPED_JSON.replace("\"level\": \"province\"", "\"level\": \"country\"")).unwrap_err();
    assert_eq!(unknown.code(), "malformed");
    let twice = load(Layouts::SHIPPED_JSON.replacen("\n   \"level\": \"province\",", "", 1)).unwrap_err();
    assert!(["misplaced_block", "duplicate_code"].contains(&twice.code()), "{twice}");
}

fn document() -> ReportDocument {
    let reference = Reference {
        what: Counted::Kind,
        code: "vneid_level2".into(),
        part: "done".into(),
        scope: Uuid::from_u128(7),
        period: Period { from: Day(20_000), to: Day(20_029) },
    };
    let cell = |value: CellValue| Cell { value, reference: Some(reference.clone()), note: Some(0) };
    let row = |style, name: &str, value| Row { style, cells: vec![Cell::text(name), cell(value)] };
    let column = |code: &str| Column { code: code.into(), title: format!("Cột {code}"), is_text: false, weight: 10 };
    let table = Table {
        code: "kinds".into(),
        title: "Kết quả".into(),
        columns: vec![column("name"), column("activities")],
        rows: vec![
            Row { style: RowStyle::Group, cells: vec![Cell::text("Chính quyền số"), Cell::of(CellValue::Blank)] },
            row(RowStyle::Plain, "VNeID", CellValue::Count(Fraction::whole(3))),
            row(RowStyle::Plain, "Ví", CellValue::Dash(Missing::Figure(Empty::NoTargets))),
            row(RowStyle::Plain, "Thẻ", CellValue::Few),
            row(RowStyle::Plain, "Ngày", CellValue::Day(Day(20_010))),
            row(RowStyle::Total, "Cộng", CellValue::Percent(Fraction::new(1, 3).unwrap())),
        ],
        notes: vec!["Chưa có.".into()],
        remarks: vec!["Số liệu lấy đến ngày 22/11/2026.".into()],
    };
    let paragraph = |text: &str, missing| Item::Paragraph { text: text.into(), missing };
    ReportDocument {
        code: "commune_month".into(),
        lang: Lang::Vi,
        sample: false,
        versions: ["1", "2", "3"].map(str::to_owned),
        scope: Uuid::from_u128(7),
        period: Period { from: Day(20_000), to: Day(20_029) },
        as_of: Day(20_030),
        position: Some(5),
        head: Head {
            superior: "TỈNH".into(),
            body: "ỦY BAN".into(),
            number: "Số:".into(),
            place_date: "Xã".into(),
            title: "BÁO CÁO".into(),
            subject: "Kết quả".into(),
            lines: vec!["(Từ ngày …)".into()],
        },
        sections: vec![Section {
            code: "results".into(),
            title: "I. Kết quả".into(),
            items: vec![paragraph("Khó khăn: sóng yếu.", false), Item::Table(table), paragraph("Chưa nhập.", true)],
        }],
        signature: Signature {
            recipients_title: "Nơi nhận:".into(),
            recipients: vec!["Lưu".into()],
            signatory: vec!["CHỦ TỊCH".into()],
            hint: "(Ký)".into(),
        },
        dictionary: vec![Entry {
            code: "kinds.activities".into(),
            name: ["Lượt", "Activities"].map(str::to_owned),
            meaning: ["Số lượt", "How many"].map(str::to_owned),
            formula: Default::default(),
            numerator: String::new(),
            denominator: String::new(),
            source: "hoạt động".into(),
        }],
    }
}

fn cell_of(document: &mut ReportDocument, row: usize) -> &mut CellValue {
    match &mut document.sections[0].items[1] {
        Item::Table(table) => &mut table.rows[row].cells[1].value,
        Item::Paragraph { .. } => unreachable!("the second item is the table"),
    }
}

#[test]
fn a_kept_report_comes_back_as_it_was_and_damage_does_not_pass() {
    let vi = document();
    let en = ReportDocument { lang: Lang::En, ..document() };
    let bytes = freeze(&vi, &en);
    assert_eq!((thaw(&bytes, Lang::Vi).unwrap(), thaw(&bytes, Lang::En).unwrap()), (vi.clone(), en));
    assert_eq!(
        bytes,
        freeze(&thaw(&bytes, Lang::Vi).unwrap(), &thaw(&bytes, Lang::En).unwrap()),
        "one way to write it"
    );
    assert!(thaw(&bytes[..bytes.len() - 1], Lang::Vi).is_err());
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    assert_ne!(snapshot_hash(&bytes), snapshot_hash(&other));
}

#[test]
fn a_report_of_more_cells_than_an_item_from_outside_may_have_comes_back_too() {
    let mut vi = document();
    if let Item::Table(table) = &mut vi.sections[0].items[1] {
        let row = table.rows[1].clone();
        table.rows.extend(std::iter::repeat_n(row, 2_000));
    }
    let bytes = freeze(&vi, &ReportDocument { lang: Lang::En, ..vi.clone() });
    assert_eq!(check(&bytes), Err(Malformed::TooManyItems), "larger than what travels");
    assert_eq!(thaw(&bytes, Lang::Vi).unwrap(), vi);
}

#[test]
fn the_figures_have_one_name_whatever_the_day_and_another_when_a_number_or_text_changes() {
    let name = document().figures_hash();
    let mut later = document();
    (later.as_of, later.position) = (Day(20_040), Some(99));
    later.head.lines = vec!["Trạng thái: đã gửi.".into()];
    later.head.place_date = "Mai".into();
    assert_eq!(later.figures_hash(), name);
    let mut number = document();
    *cell_of(&mut number, 1) = CellValue::Count(Fraction::whole(4));
    let mut text = document();
    text.sections[0].items[0] = Item::Paragraph { text: "Khó khăn: không.".into(), missing: false };
    for changed in [number, text] {
        assert_ne!(changed.figures_hash(), name);
    }
}

#[test]
fn differences_name_table_row_and_column_and_say_what_was_and_what_is() {
    assert_eq!(differences(&document(), &document()), []);
    let mut now = document();
    *cell_of(&mut now, 1) = CellValue::Count(Fraction::whole(1_234));
    match &mut now.sections[0].items[1] {
        Item::Table(table) => drop(table.rows.remove(3)),
        Item::Paragraph { .. } => unreachable!("the second item is the table"),
    }
    let found = differences(&document(), &now);
    let told: Vec<_> = found
        .iter()
        .map(|one| (one.row.as_str(), one.column.as_str(), one.was.as_deref(), one.is.as_deref()))
        .collect();
    let expected = [
        ("Chính quyền số, VNeID", "activities", Some("3"), Some("1.234")),
        ("Chính quyền số, Thẻ", "activities", Some(FEW), None),
    ];
    assert_eq!(told, expected);
    assert_eq!(found[0].words(Lang::Vi), "Kết quả – Chính quyền số, VNeID – Cột activities: 3 nay là 1.234");
    now.say_differs(2, &found);
    let said = now.head.lines.last().unwrap();
    assert!(said.starts_with("Khác với phiên bản 2 đã lưu ở:") && said.ends_with("nay là không có."), "{said}");
    let mut silent = now.clone();
    silent.head.lines.clear();
    assert_eq!(now.figures_hash(), silent.figures_hash(), "saying so changes no figure");
}
