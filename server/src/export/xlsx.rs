//! A spreadsheet: numbers are numbers. The report stands on the first sheet, what its columns and figures mean on the
//! second.

use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Workbook, Worksheet, XlsxError,
};
use sync_protocol::catalogue::Lang;
use sync_protocol::ids::Day;
use sync_protocol::indicator::Fraction;
use sync_protocol::report::{COUNTRY, Cell, CellValue, Item, ReportDocument, Row, RowStyle, Table};

use super::mark;

const A4: u8 = 9;
const NAME_WIDTH: f64 = 46.0;
const NUMBER_WIDTH: f64 = 12.0;
const LINE_HEIGHT: f64 = 15.0;

pub(super) fn render(document: &ReportDocument) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let title = format!("{} – {}", document.full_title(), document.head.subject);
    let made = moment(document.as_of)?;
    let properties = DocProperties::new().set_title(&title).set_author("Thôn Số").set_creation_datetime(&made);
    workbook.set_properties(&properties);
    report(workbook.add_worksheet(), document)?;
    dictionary(workbook.add_worksheet(), document)?;
    workbook.save_to_buffer()
}

fn pick<'w>(document: &ReportDocument, vi: &'w str, en: &'w str) -> &'w str {
    if document.lang == Lang::Vi { vi } else { en }
}

fn moment(day: Day) -> Result<ExcelDateTime, XlsxError> {
    let (year, month, day) = day.civil();
    ExcelDateTime::from_ymd(u16::try_from(year).unwrap_or(1970), month as u8, day as u8)
}

fn plain() -> Format {
    Format::new().set_font_name("Times New Roman").set_font_size(11)
}

fn boxed() -> Format {
    plain().set_border(FormatBorder::Thin).set_align(FormatAlign::Top).set_text_wrap()
}

fn header() -> Format {
    boxed()
        .set_bold()
        .set_background_color(0xEEEEEE)
        .set_align(FormatAlign::Center)
        .set_align(FormatAlign::VerticalCenter)
}

fn report(sheet: &mut Worksheet, document: &ReportDocument) -> Result<(), XlsxError> {
    let columns =
        document.tables().map(|table| layout(table).last().map_or(0, |span| span.1)).max().unwrap_or(0).max(4);
    sheet.set_name(pick(document, "Báo cáo", "Report"))?;
    sheet.set_paper_size(A4).set_print_fit_to_pages(1, 0).set_footer("&R&P/&N");
    if columns > 7 {
        sheet.set_landscape();
    }
    sheet.set_column_width(0, NAME_WIDTH)?;
    for column in 1..=columns {
        sheet.set_column_width(column, NUMBER_WIDTH)?;
    }
    let head = &document.head;
    let (bold, centre) = (plain().set_bold(), plain().set_align(FormatAlign::Center).set_text_wrap());
    let strong = centre.clone().set_bold();
    sheet.merge_range(0, 0, 0, columns, &format!("{} – {}", document.full_title(), head.subject), &strong)?;
    sheet.set_row_height(0, 2.0 * LINE_HEIGHT)?;
    // The title and the names stay in sight.
    sheet.set_freeze_panes(1, 1)?;
    let rows = [(&*head.superior, COUNTRY[0]), (&*head.body, COUNTRY[1]), (&*head.number, &*head.place_date)];
    for (row, (left, right)) in (1..).zip(rows) {
        sheet.write_string_with_format(row, 0, left, if row == 2 { &strong } else { &centre })?;
        sheet.merge_range(row, 1, row, columns, right, if row < 3 { &strong } else { &centre })?;
    }
    let mut row = 5;
    for line in &head.lines {
        sheet.merge_range(row, 0, row, columns, line, &centre)?;
        sheet.set_row_height(row, height(line, NAME_WIDTH + f64::from(columns) * NUMBER_WIDTH))?;
        row += 1;
    }
    for section in &document.sections {
        row += 1;
        sheet.write_string_with_format(row, 0, &section.title, &bold)?;
        row += 1;
        for item in &section.items {
            row = match item {
                Item::Paragraph { text, .. } => line(sheet, row, columns, text, &plain().set_text_wrap())?,
                Item::Table(one) => table(sheet, row, columns, one, document)?,
            };
        }
    }
    row += 1;
    let signature = &document.signature;
    sheet.write_string_with_format(row, 0, &signature.recipients_title, &bold)?;
    for (at, recipient) in (row + 1..).zip(&signature.recipients) {
        sheet.write_string_with_format(at, 0, format!("- {recipient};"), &plain())?;
    }
    let lines = signature.signatory.iter().map(|line| (line, &strong)).chain([(&signature.hint, &centre)]);
    for (at, (text, format)) in (row..).zip(lines) {
        sheet.merge_range(at, 1, at, columns, text, format)?;
    }
    Ok(())
}

/// A line of text over the whole width; the next free row.
fn line(sheet: &mut Worksheet, row: u32, columns: u16, text: &str, format: &Format) -> Result<u32, XlsxError> {
    sheet.merge_range(row, 0, row, columns, text, &format.clone().set_align(FormatAlign::Top))?;
    sheet.set_row_height(row, height(text, NAME_WIDTH + f64::from(columns) * NUMBER_WIDTH))?;
    Ok(row + 1)
}

fn height(text: &str, width: f64) -> f64 {
    LINE_HEIGHT * (text.chars().count() as f64 / width).ceil().max(1.0)
}

/// First and last column of the sheet for each column of the table: wide texts behind the first take several.
fn layout(table: &Table) -> Vec<(u16, u16)> {
    let mut next = 0;
    let place = |(at, column): (usize, &sync_protocol::report::Column)| {
        let span = if at == 0 || !column.is_text { 1 } else { (column.weight / 10).max(1) as u16 };
        next += span;
        (next - span, next - 1)
    };
    table.columns.iter().enumerate().map(place).collect()
}

fn table(
    sheet: &mut Worksheet,
    mut row: u32,
    columns: u16,
    table: &Table,
    document: &ReportDocument,
) -> Result<u32, XlsxError> {
    let places = layout(table);
    sheet.write_string_with_format(row, 0, &table.title, &plain().set_italic())?;
    row += 1;
    let width = |(first, last): (u16, u16)| {
        if first == 0 { NAME_WIDTH } else { f64::from(last - first + 1) * NUMBER_WIDTH }
    };
    let mut tallest = LINE_HEIGHT;
    for (column, place) in table.columns.iter().zip(&places) {
        text(sheet, row, *place, &column.title, &header())?;
        // Bold words break earlier than letters are counted.
        tallest = tallest.max(height(&column.title, width(*place) * 0.75));
    }
    sheet.set_row_height(row, tallest)?;
    row += 1;
    let last = places.last().map_or(0, |place| place.1);
    for entry in &table.rows {
        if entry.style == RowStyle::Group {
            let words = entry.cells.first().map_or_else(String::new, |cell| cell.shown(document.lang));
            text(sheet, row, (0, last), &words, &boxed().set_bold().set_background_color(0xF6F6F6))?;
            row += 1;
            continue;
        }
        let mut tallest = LINE_HEIGHT;
        for (cell, place) in entry.cells.iter().zip(&places) {
            put(sheet, row, *place, cell, entry, document)?;
            if let CellValue::Text(words) = &cell.value {
                tallest = tallest.max(height(words, width(*place)));
            }
        }
        sheet.set_row_height(row, tallest)?;
        row += 1;
    }
    let notes = table.notes.iter().enumerate().map(|(at, note)| format!("{} {note}", mark(at)));
    let format = plain().set_font_size(9).set_italic().set_text_wrap();
    for text in notes.chain(table.remarks.iter().cloned()) {
        row = line(sheet, row, columns, &text, &format)?;
    }
    Ok(row)
}

fn text(
    sheet: &mut Worksheet,
    row: u32,
    (first, last): (u16, u16),
    words: &str,
    format: &Format,
) -> Result<(), XlsxError> {
    if first == last {
        sheet.write_string_with_format(row, first, words, format)?;
    } else {
        sheet.merge_range(row, first, row, last, words, format)?;
    }
    Ok(())
}

fn put(
    sheet: &mut Worksheet,
    row: u32,
    place: (u16, u16),
    cell: &Cell,
    line: &Row,
    document: &ReportDocument,
) -> Result<(), XlsxError> {
    let format = if line.style == RowStyle::Total { boxed().set_bold() } else { boxed() };
    let right = format.clone().set_align(FormatAlign::Right);
    match &cell.value {
        CellValue::Count(number) => {
            let shape = if number.den() == 1 { "#,##0" } else { "#,##0.00" };
            sheet.write_number_with_format(row, place.0, float(*number), &right.set_num_format(shape))?;
        }
        CellValue::Percent(number) => {
            sheet.write_number_with_format(row, place.0, float(*number), &right.set_num_format("#,##0.00"))?;
        }
        CellValue::Day(day) => {
            let format = right.set_num_format("dd/mm/yyyy");
            sheet.write_datetime_with_format(row, place.0, moment(*day)?, &format)?;
        }
        CellValue::Text(_) | CellValue::Blank => {
            let note = cell.note.map(mark).unwrap_or_default();
            text(sheet, row, place, &format!("{}{note}", cell.shown(document.lang)), &format)?;
        }
        CellValue::Few | CellValue::Dash(_) => {
            let note = cell.note.map(mark).unwrap_or_default();
            text(sheet, row, place, &format!("{}{note}", cell.shown(document.lang)), &right)?;
        }
    }
    Ok(())
}

/// What a spreadsheet holds: a float. Counts stay exact far beyond what a country has.
fn float(number: Fraction) -> f64 {
    number.num() as f64 / number.den() as f64
}

fn dictionary(sheet: &mut Worksheet, document: &ReportDocument) -> Result<(), XlsxError> {
    sheet.set_name(pick(document, "Giải thích", "Dictionary"))?;
    sheet.set_paper_size(A4).set_landscape().set_print_fit_to_pages(1, 0).set_repeat_rows(0, 0)?;
    sheet.set_freeze_panes(1, 1)?;
    let titles = [
        ("Mã / Code", 26.0),
        ("Tên", 30.0),
        ("Name", 30.0),
        ("Ý nghĩa", 34.0),
        ("Meaning", 34.0),
        ("Công thức", 44.0),
        ("Formula", 44.0),
        ("Tử số / Numerator", 30.0),
        ("Mẫu số / Denominator", 26.0),
        ("Nguồn / Source", 26.0),
        ("Tính đến / As of", 14.0),
    ];
    for (column, (title, width)) in (0..).zip(titles) {
        sheet.write_string_with_format(0, column, title, &header())?;
        sheet.set_column_width(column, width)?;
    }
    for (row, entry) in (1..).zip(&document.dictionary) {
        let ([name_vi, name_en], [vi, en], [formula_vi, formula_en]) = (&entry.name, &entry.meaning, &entry.formula);
        let words = [
            &entry.code,
            name_vi,
            name_en,
            vi,
            en,
            formula_vi,
            formula_en,
            &entry.numerator,
            &entry.denominator,
            &entry.source,
        ];
        for (column, words) in (0..).zip(words) {
            sheet.write_string_with_format(row, column, words, &boxed())?;
        }
        let format = boxed().set_num_format("dd/mm/yyyy");
        sheet.write_datetime_with_format(row, 10, moment(document.as_of)?, &format)?;
    }
    Ok(())
}
