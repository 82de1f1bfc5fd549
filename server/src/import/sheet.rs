//! A table as an office hands it over: the first sheet of a workbook, or a CSV file. Everything is bounded before it is read.

use std::io::{Cursor, Read};

use calamine::{Data, Reader, Xlsx};
use sync_protocol::ids::Day;
use zip::ZipArchive;

/// Largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 20 * 1024 * 1024;
/// Most bytes that a workbook may unpack to.
const UNPACKED_BYTES_MAX: u64 = 100 * 1024 * 1024;
/// Most rows below the headings.
pub const ROWS_MAX: usize = 100_000;
/// Most columns.
const COLUMNS_MAX: usize = 100;
/// Longest text of a cell, in characters; no field takes more.
const CELL_CHARS_MAX: usize = 2_000;
/// The day that a spreadsheet calls 25,569.
const EPOCH_SERIAL: f64 = 25_569.0;

/// Why a file is not read at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", self.en())]
pub enum SheetFault {
    /// Neither a workbook nor text.
    Unreadable,
    /// Text that is not UTF-8.
    NotUtf8,
    /// Macros, or links to other files.
    NotPlain,
    /// It unpacks to more than is taken.
    Unpacked,
    /// More rows or columns than are taken.
    TooLarge,
    /// Nothing below the headings.
    Empty,
}

impl SheetFault {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotUtf8 => "not_utf8",
            Self::NotPlain => "not_plain",
            Self::Unpacked => "unpacks_too_large",
            Self::TooLarge => "too_many_rows",
            Self::Empty => "empty",
        }
    }

    /// What to do, in Vietnamese.
    pub fn vi(self) -> &'static str {
        match self {
            Self::Unreadable => "Không đọc được tệp. Hãy lưu lại thành Excel (.xlsx) hoặc CSV UTF-8 rồi gửi lại.",
            Self::NotUtf8 => {
                "Tệp CSV không phải UTF-8 nên tiếng Việt sẽ bị lỗi. Hãy lưu lại dạng “CSV UTF-8” hoặc Excel (.xlsx)."
            }
            Self::NotPlain => {
                "Tệp có macro hoặc liên kết đến tệp khác. Hãy chép dữ liệu sang một tệp .xlsx mới rồi gửi lại."
            }
            Self::Unpacked => "Tệp Excel quá lớn sau khi giải nén. Hãy chia nhỏ rồi gửi từng phần.",
            Self::TooLarge => "Tệp có quá 100.000 dòng hoặc quá 100 cột. Hãy chia nhỏ rồi gửi từng phần.",
            Self::Empty => "Tệp không có dòng dữ liệu nào dưới dòng tiêu đề.",
        }
    }

    /// The same in English.
    pub fn en(self) -> &'static str {
        match self {
            Self::Unreadable => "The file cannot be read. Save it as Excel (.xlsx) or CSV UTF-8 and send it again.",
            Self::NotUtf8 => {
                "The CSV file is not UTF-8, so Vietnamese would be spoilt. Save it as CSV UTF-8 or Excel (.xlsx)."
            }
            Self::NotPlain => "The file has macros or links to other files. Copy its data into a new .xlsx file.",
            Self::Unpacked => "The workbook is too large once unpacked. Send it in parts.",
            Self::TooLarge => "The file has more than 100,000 rows or 100 columns. Send it in parts.",
            Self::Empty => "There is no row below the headings.",
        }
    }
}

/// One cell.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Cell {
    /// Nothing.
    #[default]
    Blank,
    /// Text, without white space at its ends.
    Text(String),
    /// A number of a workbook: it has lost leading zeros.
    Number(f64),
    /// A day of a workbook.
    Day(Day),
    /// What a formula could not work out.
    Broken,
}

impl Cell {
    fn of_text(text: &str) -> Self {
        let text = text.trim().trim_matches('\u{feff}');
        if text.is_empty() { Self::Blank } else { Self::Text(text.chars().take(CELL_CHARS_MAX + 1).collect()) }
    }

    fn of_workbook(data: &Data) -> Self {
        match data {
            Data::Empty => Self::Blank,
            Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => Self::of_text(text),
            Data::Int(number) => Self::Number(*number as f64),
            Data::Float(number) => Self::Number(*number),
            Data::Bool(truth) => Self::of_text(if *truth { "1" } else { "0" }),
            Data::DateTime(moment) => {
                // No time zone is meant: the day is the one that the sheet shows.
                let days = moment.as_f64().floor() - EPOCH_SERIAL;
                if (0.0..1_000_000.0).contains(&days) { Self::Day(Day(days as u32)) } else { Self::Broken }
            }
            _ => Self::Broken,
        }
    }

    /// As text: a whole number without a point.
    pub fn text(&self) -> String {
        match self {
            Self::Blank | Self::Broken => String::new(),
            Self::Text(text) => text.clone(),
            Self::Number(number) if number.fract() == 0.0 => format!("{number:.0}"),
            Self::Number(number) => number.to_string(),
            Self::Day(day) => day.to_string(),
        }
    }
}

/// Headings and rows.
#[derive(Clone, PartialEq, Debug)]
pub struct Sheet {
    /// The first row that is not empty.
    pub heads: Vec<String>,
    /// The rows below that are not empty, with their numbers as the spreadsheet shows them.
    pub rows: Vec<(u32, Vec<Cell>)>,
}

/// Reads a file. What it is, its first bytes say; names and content types are only claims.
///
/// # Errors
/// [`SheetFault`]; what stands in the file is never part of it.
pub fn read(bytes: &[u8]) -> Result<Sheet, SheetFault> {
    if bytes.starts_with(b"PK\x03\x04") { of_workbook(bytes) } else { of_text(bytes) }
}

fn of_workbook(bytes: &[u8]) -> Result<Sheet, SheetFault> {
    check_archive(bytes)?;
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(|_| SheetFault::Unreadable)?;
    let range = book.worksheet_range_at(0).ok_or(SheetFault::Unreadable)?.map_err(|_| SheetFault::Unreadable)?;
    let first = range.start().map_or(0, |start| start.0);
    let rows = range.rows().zip(first..).map(|(row, at)| (at + 1, row.iter().map(Cell::of_workbook).collect()));
    sheet(rows)
}

/// Unpacks a workbook once and throws it away: what it claims about its size is not to be trusted.
fn check_archive(bytes: &[u8]) -> Result<(), SheetFault> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| SheetFault::Unreadable)?;
    let mut left = UNPACKED_BYTES_MAX;
    for at in 0..archive.len() {
        let file = archive.by_index(at).map_err(|_| SheetFault::Unreadable)?;
        let is_plain =
            file.name().map(|name| !name.ends_with("vbaProject.bin") && !name.starts_with("xl/externalLinks/"));
        if !is_plain.map_err(|_| SheetFault::Unreadable)? {
            return Err(SheetFault::NotPlain);
        }
        let unpacked = std::io::copy(&mut file.take(left + 1), &mut std::io::sink());
        left = left.checked_sub(unpacked.map_err(|_| SheetFault::Unreadable)?).ok_or(SheetFault::Unpacked)?;
    }
    Ok(())
}

fn of_text(bytes: &[u8]) -> Result<Sheet, SheetFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| SheetFault::NotUtf8)?;
    let text = text.trim_start_matches('\u{feff}');
    if text.contains('\0') {
        return Err(SheetFault::Unreadable);
    }
    let head = text.lines().find(|line| !line.trim().is_empty()).ok_or(SheetFault::Empty)?;
    // Excel of a Vietnamese desk separates by semicolons; what the headings hold most is what separates.
    let count = |separator: u8| head.bytes().filter(|byte| *byte == separator).count();
    let separator = [b'\t', b';', b','].into_iter().max_by_key(|separator| count(*separator)).unwrap_or(b',');
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(text.as_bytes());
    let mut faulty = false;
    let rows = reader.records().map_while(|record| record.inspect_err(|_| faulty = true).ok()).map(|record| {
        // The reader counts empty lines, and what is left of the line break before, to the record.
        let (byte, line) = record.position().map_or((0, 0), |position| (position.byte() as usize, position.line()));
        let breaks = text.as_bytes()[byte..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let at = line + breaks.filter(|byte| **byte == b'\n').count() as u64;
        (u32::try_from(at).unwrap_or(u32::MAX), record.iter().map(Cell::of_text).collect())
    });
    let read = sheet(rows);
    if faulty { Err(SheetFault::Unreadable) } else { read }
}

fn sheet(rows: impl Iterator<Item = (u32, Vec<Cell>)>) -> Result<Sheet, SheetFault> {
    let mut rows = rows.filter(|(_, cells)| cells.iter().any(|cell| *cell != Cell::Blank));
    let heads: Vec<String> = rows.next().ok_or(SheetFault::Empty)?.1.iter().map(Cell::text).collect();
    let mut kept = Vec::new();
    for (at, mut cells) in rows {
        // Cells that only carry a format are no columns.
        while cells.last() == Some(&Cell::Blank) {
            cells.pop();
        }
        if kept.len() == ROWS_MAX || cells.len() > COLUMNS_MAX {
            return Err(SheetFault::TooLarge);
        }
        kept.push((at, cells));
    }
    if kept.is_empty() { Err(SheetFault::Empty) } else { Ok(Sheet { heads, rows: kept }) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn text(cells: &[&str]) -> Vec<Cell> {
        cells.iter().map(|cell| Cell::of_text(cell)).collect()
    }

    #[test]
    fn csv_is_read_with_the_separator_that_its_headings_use() {
        for (separator, mark) in [(",", ""), (";", "\u{feff}"), ("\t", "")] {
            let line = |cells: [&str; 2]| cells.join(separator);
            let file = format!("{mark}{}\r\n\r\n{}\r\n", line(["Thôn", "Tên"]), line(["Nà Khoang", "Tổ 1"]));
            let sheet = read(file.as_bytes()).unwrap();
            assert_eq!(sheet.heads, ["Thôn", "Tên"]);
            assert_eq!(sheet.rows, [(3, text(&["Nà Khoang", "Tổ 1"]))], "{separator:?}");
        }
        let quoted = read("a,b\n\"x, y\",\"hai\ndòng\"\nc,d\n".as_bytes()).unwrap();
        assert_eq!(
            quoted.rows,
            [(2, text(&["x, y", "hai\ndòng"])), (4, text(&["c", "d"]))],
            "lines as an editor counts"
        );
    }

    #[test]
    fn what_is_no_table_is_refused_with_what_to_do() {
        // "Thôn" in the code page that Excel falls back to.
        assert_eq!(read(b"Th\xf4n,T\xean\nA,B\n"), Err(SheetFault::NotUtf8));
        assert_eq!(read(b"\xd0\xcf\x11\xe0 an old .xls"), Err(SheetFault::NotUtf8));
        assert_eq!(read(b"PK\x03\x04 no archive"), Err(SheetFault::Unreadable));
        assert_eq!(read(b""), Err(SheetFault::Empty));
        assert_eq!(read("Thôn;Tên\n;\n".as_bytes()), Err(SheetFault::Empty));
        let long = format!("a\n{}", "1\n".repeat(ROWS_MAX + 1));
        assert_eq!(read(long.as_bytes()), Err(SheetFault::TooLarge));
        let wide = format!("a\n{}\n", vec!["1"; COLUMNS_MAX + 1].join(","));
        assert_eq!(read(wide.as_bytes()), Err(SheetFault::TooLarge));
    }

    fn archive(name: &str, zeros: usize) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        for _ in 0..zeros.div_ceil(1 << 20) {
            archive.write_all(&vec![0; 1 << 20]).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn a_workbook_that_is_a_trap_is_not_opened() {
        let bomb = archive("xl/worksheets/sheet1.xml", 101 << 20);
        assert!(bomb.len() < 200_000, "a hundred mebibytes in {} bytes", bomb.len());
        assert_eq!(read(&bomb), Err(SheetFault::Unpacked));
        assert_eq!(read(&archive("xl/vbaProject.bin", 10)), Err(SheetFault::NotPlain));
        assert_eq!(read(&archive("xl/externalLinks/externalLink1.xml", 10)), Err(SheetFault::NotPlain));
        assert_eq!(read(&archive("readme.txt", 10)), Err(SheetFault::Unreadable));
    }

    #[test]
    fn numbers_and_days_of_a_workbook_are_what_the_sheet_shows() {
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        let date = rust_xlsxwriter::Format::new().set_num_format("dd/mm/yyyy");
        sheet.write(1, 0, "Thôn").unwrap().write(1, 1, "Từ ngày").unwrap().write(1, 2, "Số").unwrap();
        let day = rust_xlsxwriter::ExcelDateTime::from_ymd(2026, 11, 22).unwrap();
        sheet.write(3, 0, " Nà Khoang ").unwrap().write_with_format(3, 1, &day, &date).unwrap();
        sheet.write(3, 2, 912_345_678).unwrap();
        let read = read(&book.save_to_buffer().unwrap()).unwrap();
        assert_eq!(read.heads, ["Thôn", "Từ ngày", "Số"]);
        let cells =
            [Cell::Text("Nà Khoang".into()), Cell::Day(Day::parse("2026-11-22").unwrap()), Cell::Number(912_345_678.0)];
        assert_eq!(read.rows, [(4, cells.to_vec())], "rows are numbered as the sheet shows them");
        assert_eq!(read.rows[0].1[2].text(), "912345678");
    }
}
