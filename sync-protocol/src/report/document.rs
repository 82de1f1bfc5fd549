//! A report as a neutral document: what stands where, and what every number rests on. Renderers add looks, never content.

use crate::calendar::vi_date;
use crate::catalogue::Lang;
use crate::ids::Day;
use crate::indicator::{Empty, Fraction, Period};
use uuid::Uuid;

/// What a cell shows in place of a count of persons from 1 to 4 above commune level (docs/DOMAIN.md §4).
pub const FEW: &str = "<5";
/// What stands where there is no value.
pub const DASH: &str = "–";
/// The country's name and motto, which head every official paper; both in Vietnamese whatever the language.
pub const COUNTRY: [&str; 2] = ["CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc"];

/// A whole report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReportDocument {
    /// Code of the report, for example `commune_month`.
    pub code: String,
    /// Language of all texts but the dictionary, which has both.
    pub lang: Lang,
    /// Made of made-up facts; the title says so.
    pub sample: bool,
    /// Versions of the files that it was made with: layouts, indicators, catalogue.
    pub versions: [String; 3],
    /// The unit or team that it is about.
    pub scope: Uuid,
    /// Its days.
    pub period: Period,
    /// The day on which the numbers were taken.
    pub as_of: Day,
    /// How far the rows went.
    pub position: Option<u64>,
    /// What stands above the sections.
    pub head: Head,
    /// In order.
    pub sections: Vec<Section>,
    /// What stands below them.
    pub signature: Signature,
    /// What every column and every row of numbers means.
    pub dictionary: Vec<Entry>,
}

/// What stands above the sections, as in an administrative paper.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// The body above the issuing one, in capitals.
    pub superior: String,
    /// The issuing body, in capitals.
    pub body: String,
    /// The line for the paper's number.
    pub number: String,
    /// Place and date.
    pub place_date: String,
    /// The name of the kind of paper, in capitals.
    pub title: String,
    /// What it is about.
    pub subject: String,
    /// Period, freshness, status and remarks, a line each.
    pub lines: Vec<String>,
}

/// What stands below the sections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// The words above the recipients.
    pub recipients_title: String,
    /// Who gets a copy.
    pub recipients: Vec<String>,
    /// Who signs, in capitals, a line each.
    pub signatory: Vec<String>,
    /// What the signatory does.
    pub hint: String,
}

/// A section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// Stable code.
    pub code: String,
    /// Its number and title.
    pub title: String,
    /// In order.
    pub items: Vec<Item>,
}

/// A part of a section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// Running text.
    Paragraph {
        /// What it says; no line breaks.
        text: String,
        /// It stands in for something that is missing.
        missing: bool,
    },
    /// A table.
    Table(Table),
}

/// A table. Every row has a cell per column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table {
    /// Stable code, once in the document.
    pub code: String,
    /// What stands above it.
    pub title: String,
    /// In order.
    pub columns: Vec<Column>,
    /// In order.
    pub rows: Vec<Row>,
    /// Footnotes; a cell names the place of its own.
    pub notes: Vec<String>,
    /// What is to be said of the whole table.
    pub remarks: Vec<String>,
}

/// A column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// Stable code, once in the table.
    pub code: String,
    /// What stands above it.
    pub title: String,
    /// Texts stand left, all else right.
    pub is_text: bool,
    /// Its width beside the others'.
    pub weight: u32,
}

/// How a row stands out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowStyle {
    /// It does not.
    Plain,
    /// A heading: the first cell spans all.
    Group,
    /// A sum.
    Total,
}

/// A row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// How it stands out.
    pub style: RowStyle,
    /// A cell per column.
    pub cells: Vec<Cell>,
}

/// What a cell holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CellValue {
    /// Nothing, for good.
    Blank,
    /// Words.
    Text(String),
    /// A number of things.
    Count(Fraction),
    /// Of a hundred.
    Percent(Fraction),
    /// A day.
    Day(Day),
    /// From 1 to 4 persons; the number itself is not here.
    Few,
    /// No value; the note of the cell says why.
    Dash(Missing),
}

/// Why a cell has no value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Missing {
    /// The figure has none.
    Figure(Empty),
    /// No target is set.
    NoTarget,
    /// The kind has no such answer.
    NotAsked,
    /// Nothing to divide by.
    NothingThere,
    /// Together with the row's sum it would give a hidden number away.
    Withheld,
    /// The unit gave nothing.
    NotReported,
    /// The unit's report is not in.
    NotSubmitted,
}

impl Missing {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Figure(empty) => empty.code(),
            Self::NoTarget => "no_target",
            Self::NotAsked => "not_asked",
            Self::NothingThere => "nothing_there",
            Self::Withheld => "withheld",
            Self::NotReported => "not_reported",
            Self::NotSubmitted => "not_submitted",
        }
    }

    /// In words, with what to do where something can be done.
    pub fn words(self, lang: Lang) -> &'static str {
        let (vi, en) = match self {
            Self::Figure(empty) => return empty.words(lang),
            Self::NoTarget => ("Chưa giao chỉ tiêu.", "No target is set."),
            Self::NotAsked => ("Loại hoạt động này không hỏi mục đó.", "This kind does not ask for it."),
            Self::NothingThere => ("Trong kỳ không phát sinh nên không tính tỷ lệ.", "There was none, so no rate."),
            Self::Withheld => (
                "Không nêu số này để không suy ra được số dưới 5 người của đơn vị khác.",
                "Not shown, so that no number below 5 persons can be worked out from it.",
            ),
            Self::NotReported => ("Đơn vị chưa có số liệu.", "The unit has no figures yet."),
            Self::NotSubmitted => ("Đơn vị chưa gửi báo cáo; cần đôn đốc.", "The report is not in; remind the unit."),
        };
        if lang == Lang::Vi { vi } else { en }
    }
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Counted {
    /// Activities of a kind.
    Kind,
    /// An indicator.
    Indicator,
    /// Cases of a kind.
    Case,
    /// Teams and members.
    Team,
}

impl Counted {
    /// The stable code.
    pub fn code(self) -> &'static str {
        ["kind", "indicator", "case", "team"][self as usize]
    }
}

/// What a number rests on, so that a page can open the list behind it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Reference {
    /// What is counted.
    pub what: Counted,
    /// Code of the kind or indicator; `*` for all of them.
    pub code: String,
    /// Which part of it: the column, or `field=option` of a breakdown.
    pub part: String,
    /// The unit or team.
    pub scope: Uuid,
    /// Its days.
    pub period: Period,
}

/// A cell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cell {
    /// What it holds.
    pub value: CellValue,
    /// What the number rests on.
    pub reference: Option<Reference>,
    /// Place of its footnote, from 0.
    pub note: Option<usize>,
}

impl Cell {
    /// A cell without reference and note.
    pub fn of(value: CellValue) -> Self {
        Self { value, reference: None, note: None }
    }

    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::of(CellValue::Text(text.into()))
    }

    /// What people read: `1.234,5`, `dd/MM/yyyy`. Percentages come without their sign; the column's title has it.
    pub fn shown(&self, lang: Lang) -> String {
        match &self.value {
            CellValue::Blank => String::new(),
            CellValue::Text(text) => text.clone(),
            CellValue::Count(number) | CellValue::Percent(number) => number.spelled(lang),
            CellValue::Day(day) if lang == Lang::Vi => vi_date(*day),
            CellValue::Day(day) => day.to_string(),
            CellValue::Few => FEW.to_owned(),
            CellValue::Dash(_) => DASH.to_owned(),
        }
    }
}

/// What a column or a row of numbers means.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Entry {
    /// Stable code: `table.column`, or the code of a kind or indicator.
    pub code: String,
    /// Name, in vi and en.
    pub name: [String; 2],
    /// Meaning, in vi and en.
    pub meaning: [String; 2],
    /// The formula in words, in vi and en; empty where there is none.
    pub formula: [String; 2],
    /// Above the line, in the document's language; empty where it is no share.
    pub numerator: String,
    /// Below the line.
    pub denominator: String,
    /// Where the numbers come from, in the document's language.
    pub source: String,
}

impl ReportDocument {
    /// All tables, in order.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.sections.iter().flat_map(|section| &section.items).filter_map(|item| match item {
            Item::Table(table) => Some(table),
            Item::Paragraph { .. } => None,
        })
    }

    /// The title, with the mark of a sample.
    pub fn full_title(&self) -> String {
        match (self.sample, self.lang) {
            (false, _) => self.head.title.clone(),
            (true, Lang::Vi) => format!("{} (MẪU – số liệu minh họa)", self.head.title),
            (true, Lang::En) => format!("{} (SAMPLE – made-up figures)", self.head.title),
        }
    }
}

impl Table {
    /// Says something of the whole table, once.
    pub(super) fn remark(&mut self, text: &str) {
        if !self.remarks.iter().any(|remark| remark == text) {
            self.remarks.push(text.to_owned());
        }
    }

    /// The place of a footnote, which is added unless it is there.
    pub(super) fn note(&mut self, text: &str) -> usize {
        self.notes.iter().position(|note| note == text).unwrap_or_else(|| {
            self.notes.push(text.to_owned());
            self.notes.len() - 1
        })
    }
}
