//! A CSV file per table.
//!
//! UTF-8 with a byte-order mark, fields parted by `;`, decimals with a comma and without marks between thousands: so a
//! spreadsheet program set to Vietnamese, where the comma is the decimal mark, opens it with a double click and finds
//! numbers. Programs take the JSON.

use sync_protocol::catalogue::Lang;
use sync_protocol::report::{Cell, CellValue, ReportDocument, RowStyle, Table};

use super::ExportError;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

pub(super) fn render(document: &ReportDocument) -> Result<Vec<(String, Vec<u8>)>, ExportError> {
    document.tables().map(|table| Ok((table.code.clone(), write(document, table)?))).collect()
}

fn write(document: &ReportDocument, table: &Table) -> Result<Vec<u8>, ExportError> {
    let wrong = |error: &dyn std::fmt::Display| ExportError::Csv(error.to_string());
    let mut out = csv::WriterBuilder::new().delimiter(b';').from_writer(BYTE_ORDER_MARK.to_vec());
    let remarks = if document.lang == Lang::Vi { "Ghi chú" } else { "Remarks" };
    let titles = table.columns.iter().map(|column| guard(&column.title));
    out.write_record(titles.chain([remarks.to_owned()])).map_err(|error| wrong(&error))?;
    for row in table.rows.iter().filter(|row| row.style != RowStyle::Group) {
        let mut notes: Vec<usize> = row.cells.iter().filter_map(|cell| cell.note).collect();
        notes.dedup();
        let notes = notes.into_iter().map(|note| table.notes[note].as_str()).collect::<Vec<_>>().join(" ");
        let cells = row.cells.iter().map(|cell| shown(cell, document.lang));
        out.write_record(cells.chain([guard(&notes)])).map_err(|error| wrong(&error))?;
    }
    out.into_inner().map_err(|error| wrong(&error))
}

fn shown(cell: &Cell, lang: Lang) -> String {
    match &cell.value {
        CellValue::Text(text) => guard(text),
        CellValue::Count(_) | CellValue::Percent(_) => {
            let thousands = if lang == Lang::Vi { '.' } else { ',' };
            cell.shown(lang).replace(thousands, "")
        }
        _ => cell.shown(lang),
    }
}

/// Words that a spreadsheet program would take for a formula get an apostrophe in front.
fn guard(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}") } else { text.to_owned() }
}
