//! The empty table of a list: headings to fill in below, and on a second sheet what each column takes.

use rust_xlsxwriter::{Format, Workbook, XlsxError};
use sync_protocol::catalogue::Lang;

use super::columns::{Column, Sort};

const COLUMN_WIDTH: f64 = 26.0;
const WORDS_WIDTH: f64 = 70.0;

fn heading(column: &Column, lang: Lang) -> String {
    let mark = if column.required { " *" } else { "" };
    format!("{}{mark}", if lang == Lang::Vi { column.vi } else { column.en })
}

/// A workbook to fill in. All cells below the headings are text, so that a phone number keeps its zero.
///
/// # Errors
/// When a limit of the format is passed.
pub fn template(sort: Sort, lang: Lang) -> Result<Vec<u8>, XlsxError> {
    let pick = |vi: &'static str, en: &'static str| if lang == Lang::Vi { vi } else { en };
    let plain = Format::new().set_font_name("Times New Roman").set_font_size(12);
    let bold = plain.clone().set_bold().set_background_color(0xEEEEEE);
    let (text, wrapped) = (plain.clone().set_num_format("@"), plain.clone().set_text_wrap());
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.set_name(pick("Danh sách", "List"))?.set_freeze_panes(1, 0)?;
    for (at, column) in (0..).zip(sort.columns()) {
        sheet.set_column_width(at, COLUMN_WIDTH)?.set_column_format(at, &text)?;
        sheet.write_with_format(0, at, heading(column, lang), &bold)?;
    }
    let help = book.add_worksheet();
    help.set_name(pick("Cách ghi", "How to fill in"))?;
    let heads = [pick("Cột", "Column"), pick("Bắt buộc", "Required"), pick("Ghi gì", "What to write")];
    for (at, words) in (0..).zip(heads) {
        help.set_column_width(at, if at == 2 { WORDS_WIDTH } else { COLUMN_WIDTH })?;
        help.write_with_format(0, at, words, &bold)?;
    }
    for (row, column) in (1..).zip(sort.columns()) {
        let is_required = if column.required { pick("có", "yes") } else { pick("không", "no") };
        let takes = if lang == Lang::Vi { column.takes.vi() } else { column.takes.en() };
        help.write_with_format(row, 0, heading(column, lang).trim_end_matches(" *"), &plain)?;
        help.write_with_format(row, 1, is_required, &plain)?;
        help.write_with_format(row, 2, takes, &wrapped)?;
    }
    book.save_to_buffer()
}
