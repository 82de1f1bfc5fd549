use std::io::Cursor;

use calamine::{Data, Reader, Xlsx};
use sync_protocol::calendar::Report;
use sync_protocol::catalogue::Lang;
use sync_protocol::report::{Cell, CellValue, FEW, Item, ReportDocument, RowStyle};

use super::*;

const REPORTS: [Report; 3] = [Report::CommuneMonth, Report::ProvinceMonth, Report::TeamMonth];

fn document(report: Report) -> ReportDocument {
    sample::sample(report, Lang::Vi).unwrap()
}

/// A document in which every text that people type is hostile.
fn hostile(text: &str) -> ReportDocument {
    let mut document = document(Report::CommuneMonth);
    document.head.subject = text.to_owned();
    for section in &mut document.sections {
        for item in &mut section.items {
            match item {
                Item::Paragraph { text: words, .. } => *words = text.to_owned(),
                Item::Table(table) => {
                    table.title = text.to_owned();
                    table.rows[0].cells[0] = Cell::text(text);
                }
            }
        }
    }
    document
}

#[test]
fn the_same_document_gives_the_same_bytes() {
    for report in REPORTS {
        let (one, other) = (document(report), document(report));
        assert_eq!(one, other);
        assert!(xlsx(&one).unwrap() == xlsx(&other).unwrap());
        assert!(pdf(&one).unwrap() == pdf(&other).unwrap());
        assert!(html(&one) == html(&other) && json(&one) == json(&other));
        assert!(csv(&one).unwrap() == csv(&other).unwrap());
    }
}

#[test]
fn a_sample_says_so_in_every_format() {
    let document = document(Report::CommuneMonth);
    let words = "MẪU – số liệu minh họa";
    assert!(html(&document).contains(words) && json(&document).contains(words));
    let (title, _) = sheet(&document, 0);
    assert!(title.contains(words), "{title}");
}

fn sheet(document: &ReportDocument, at: usize) -> (String, Vec<Vec<Data>>) {
    let mut book: Xlsx<_> = calamine::open_workbook_from_rs(Cursor::new(xlsx(document).unwrap())).unwrap();
    let range = book.worksheet_range_at(at).unwrap().unwrap();
    let rows: Vec<Vec<Data>> = range.rows().map(<[Data]>::to_vec).collect();
    (rows[0][0].to_string(), rows)
}

#[test]
fn a_spreadsheet_read_back_has_the_totals_of_the_document() {
    for report in REPORTS {
        let document = document(report);
        let (_, rows) = sheet(&document, 0);
        let mut seen = 0;
        for row in document.tables().flat_map(|table| &table.rows).filter(|row| row.style == RowStyle::Total) {
            let wanted: Vec<f64> = row
                .cells
                .iter()
                .filter_map(|cell| match &cell.value {
                    CellValue::Count(number) => Some(number.num() as f64),
                    _ => None,
                })
                .collect();
            let numbers = |row: &Vec<Data>| -> Vec<f64> {
                row.iter()
                    .filter_map(|cell| if let Data::Float(number) = cell { Some(*number) } else { None })
                    .collect()
            };
            assert!(rows.iter().any(|row| numbers(row) == wanted), "{wanted:?}");
            seen += 1;
        }
        assert!(seen > 0);
        let (_, dictionary) = sheet(&document, 1);
        assert_eq!(dictionary.len(), document.dictionary.len() + 1);
    }
}

#[test]
fn typed_text_is_never_markup() {
    let page = html(&hostile("<script>alert('x')</script> & \"y\""));
    assert!(
        !page.contains("<script")
            && page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;")
    );
    for outside in ["http:", "https:", "url(", "src=", "href=", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn typed_text_is_never_a_formula() {
    for text in ["=HYPERLINK(\"http://x\")", "+1", "-1", "@SUM(1)", "\t=1"] {
        let document = hostile(text);
        for (table, bytes) in csv(&document).unwrap() {
            let read = String::from_utf8(bytes).unwrap();
            let mut rows = csv::ReaderBuilder::new()
                .delimiter(b';')
                .from_reader(read.strip_prefix('\u{FEFF}').unwrap().as_bytes());
            for cell in rows.records().flat_map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()) {
                assert!(!cell.starts_with(['=', '+', '-', '@', '\t']), "{table}: {cell}");
            }
        }
        let mut book: Xlsx<_> = calamine::open_workbook_from_rs(Cursor::new(xlsx(&document).unwrap())).unwrap();
        assert!(book.worksheet_formula("Báo cáo").unwrap().is_empty());
    }
}

#[test]
fn what_is_hidden_is_in_no_file() {
    let document = document(Report::ProvinceMonth);
    let hidden = document.tables().flat_map(|table| &table.rows).flat_map(|row| &row.cells);
    assert!(hidden.filter(|cell| cell.value == CellValue::Few).count() > 0);
    let read: serde_json::Value = serde_json::from_str(&json(&document)).unwrap();
    let mut few = 0;
    walk(&read, &mut |object| {
        if object.get("type").and_then(serde_json::Value::as_str) == Some("few") {
            few += 1;
            assert!(object.get("num").is_none() && object["shown"] == FEW);
        }
    });
    assert!(few > 0);
}

fn walk(value: &serde_json::Value, visit: &mut impl FnMut(&serde_json::Map<String, serde_json::Value>)) {
    match value {
        serde_json::Value::Object(object) => {
            visit(object);
            object.values().for_each(|value| walk(value, visit));
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

#[test]
fn every_letter_of_a_report_is_in_the_fonts() {
    for (report, lang) in REPORTS.iter().flat_map(|report| [(*report, Lang::Vi), (*report, Lang::En)]) {
        let document = sample::sample(report, lang).unwrap();
        assert_eq!(pdf::missing_letters(&format!("{document:?}")), "");
    }
    assert_eq!(pdf::missing_letters("ẰẲẴẮẶƯƠĐđữựợỡ ¹²³⁴⁵⁶⁷⁸⁹ – …"), "");
    assert!(pdf(&document(Report::CommuneMonth)).unwrap().starts_with(b"%PDF-"));
}

#[test]
fn a_certificate_is_one_page_and_its_code_holds_number_commune_and_date_only() {
    for lang in [Lang::Vi, Lang::En] {
        let paper = sample::certificate(lang);
        assert_eq!(paper.qr_text(), "00/QĐ-UBND\nXã Mẫu Thượng\n2026-11-14");
        let bytes = certificate(&paper, lang).unwrap();
        assert_eq!(bytes, certificate(&paper, lang).unwrap(), "the same paper gives the same bytes");
        let pages = bytes.windows(11).filter(|window| window == b"/Type /Page").count();
        assert!(bytes.starts_with(b"%PDF") && pages <= 2, "one page and the list of pages: {pages}");
    }
}

#[test]
fn every_report_has_a_sample_at_every_level_that_says_so() {
    for (report, level) in sample::SAMPLES {
        for lang in [Lang::Vi, Lang::En] {
            let document = sample::sample_at(report, level, lang).unwrap();
            assert!(document.full_title().contains(if lang == Lang::Vi { "MẪU" } else { "SAMPLE" }));
            assert!(document.tables().count() > 0, "{report:?}");
        }
    }
}
