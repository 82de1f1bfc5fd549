//! Frozen reports: what was handed in stays what was handed in, and what has changed since is named line by line.
//!
//! A document is one canonical sequence of bytes. What somebody hands in is named by the hash of its figures, which leaves
//! out what changes without them: the day, how far the rows went, where the report stands. Source: docs/PROTOCOL.md, W7.

use std::collections::BTreeMap;

use super::document::*;
use crate::catalogue::Lang;
use crate::cbor::{Cbor, Ext, IntMap, IntMapWriter, Malformed, Raw};
use crate::ids::Day;
use crate::indicator::{Empty, Period};

macro_rules! as_map {
    ($($name:ident { $($key:literal => $field:ident: $sort:ident,)+ })+) => {$(
        impl Cbor for $name {
            fn to_cbor(&self, out: &mut Vec<u8>) {
                let mut map = IntMapWriter::with_ext(&Ext::default());
                $(as_map!(@put $sort map, $key, self.$field);)+
                map.finish(out);
            }
            fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
                let mut map = IntMap::parse(bytes)?;
                let read = Self { $($field: as_map!(@get $sort map, $key),)+ };
                if map.entries().next().is_some() { Err(Malformed::WrongShape) } else { Ok(read) }
            }
        }
    )+};
    (@put req $map:ident, $key:literal, $value:expr) => { $map.put($key, &$value) };
    (@put opt $map:ident, $key:literal, $value:expr) => { if let Some(value) = &$value { $map.put($key, value) } };
    (@put note $map:ident, $key:literal, $value:expr) => { if let Some(at) = $value { $map.put($key, &(at as u64)) } };
    (@put list $map:ident, $key:literal, $value:expr) => { $map.put($key, &$value.to_vec()) };
    (@put days $map:ident, $key:literal, $value:expr) => { $map.put($key, &($value.from, $value.to)) };
    (@get req $map:ident, $key:literal) => { $map.req($key)? };
    (@get opt $map:ident, $key:literal) => { $map.opt($key)? };
    (@get note $map:ident, $key:literal) => {
        $map.opt::<u64>($key)?.map(usize::try_from).transpose().map_err(|_| Malformed::WrongShape)?
    };
    (@get list $map:ident, $key:literal) => {
        $map.req::<Vec<String>>($key)?.try_into().map_err(|_| Malformed::WrongShape)?
    };
    (@get days $map:ident, $key:literal) => {{
        let (from, to): (Day, Day) = $map.req($key)?;
        Period { from, to }
    }};
}

as_map! {
    ReportDocument {
        0 => code: req,
        1 => lang: req,
        2 => sample: req,
        3 => versions: list,
        4 => scope: req,
        5 => period: days,
        6 => as_of: req,
        7 => position: opt,
        8 => head: req,
        9 => sections: req,
        10 => signature: req,
        11 => dictionary: req,
    }
    Head {
        0 => superior: req,
        1 => body: req,
        2 => number: req,
        3 => place_date: req,
        4 => title: req,
        5 => subject: req,
        6 => lines: req,
    }
    Signature {
        0 => recipients_title: req,
        1 => recipients: req,
        2 => signatory: req,
        3 => hint: req,
    }
    Section {
        0 => code: req,
        1 => title: req,
        2 => items: req,
    }
    Table {
        0 => code: req,
        1 => title: req,
        2 => columns: req,
        3 => rows: req,
        4 => notes: req,
        5 => remarks: req,
    }
    Column {
        0 => code: req,
        1 => title: req,
        2 => is_text: req,
        3 => weight: req,
    }
    Row {
        0 => style: req,
        1 => cells: req,
    }
    Cell {
        0 => value: req,
        1 => reference: opt,
        2 => note: note,
    }
    Reference {
        0 => what: req,
        1 => code: req,
        2 => part: req,
        3 => scope: req,
        4 => period: days,
    }
    Entry {
        0 => code: req,
        1 => name: list,
        2 => meaning: list,
        3 => formula: list,
        4 => numerator: req,
        5 => denominator: req,
        6 => source: req,
    }
}

/// Writes one of a closed list by its place.
macro_rules! as_place {
    ($($name:ty: [$($variant:expr),+];)+) => {$(
        impl Cbor for $name {
            fn to_cbor(&self, out: &mut Vec<u8>) {
                let place = [$($variant),+].iter().position(|one| one == self).unwrap_or_default();
                (place as u64).to_cbor(out);
            }
            fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
                let place = usize::try_from(u64::from_cbor(bytes)?).map_err(|_| Malformed::WrongShape)?;
                [$($variant),+].get(place).copied().ok_or(Malformed::WrongShape)
            }
        }
    )+};
}

as_place! {
    Lang: [Lang::Vi, Lang::En];
    RowStyle: [RowStyle::Plain, RowStyle::Group, RowStyle::Total];
    Counted: [Counted::Kind, Counted::Indicator, Counted::Case, Counted::Team];
    Missing: [
        Missing::Figure(Empty::NoData),
        Missing::Figure(Empty::DenominatorMissing),
        Missing::Figure(Empty::DenominatorZero),
        Missing::Figure(Empty::ManualMissing),
        Missing::Figure(Empty::NoTargets),
        Missing::NoTarget,
        Missing::NotAsked,
        Missing::NothingThere,
        Missing::Withheld,
        Missing::NotReported,
        Missing::NotSubmitted
    ];
}

impl Cbor for Item {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        match self {
            Self::Paragraph { text, missing } => (u8::from(*missing), text.clone()).to_cbor(out),
            Self::Table(table) => (2u8, Raw(table.cbor())).to_cbor(out),
        }
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        match <(u8, Raw)>::from_cbor(bytes)? {
            (2, Raw(table)) => Ok(Self::Table(Table::from_cbor(&table)?)),
            (missing @ (0 | 1), Raw(text)) => {
                Ok(Self::Paragraph { text: String::from_cbor(&text)?, missing: missing == 1 })
            }
            _ => Err(Malformed::WrongShape),
        }
    }
}

impl Cbor for CellValue {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        let (sort, value) = match self {
            Self::Blank => (0u8, 0u8.cbor()),
            Self::Text(text) => (1, text.cbor()),
            Self::Count(count) => (2, count.cbor()),
            Self::Percent(percent) => (3, percent.cbor()),
            Self::Day(day) => (4, day.cbor()),
            Self::Few => (5, 0u8.cbor()),
            Self::Dash(missing) => (6, missing.cbor()),
        };
        (sort, Raw(value)).to_cbor(out);
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        let (sort, Raw(value)) = <(u8, Raw)>::from_cbor(bytes)?;
        let nothing = |value: &[u8]| if u8::from_cbor(value)? == 0 { Ok(()) } else { Err(Malformed::WrongShape) };
        Ok(match sort {
            0 => nothing(&value).map(|()| Self::Blank)?,
            1 => Self::Text(Cbor::from_cbor(&value)?),
            2 => Self::Count(Cbor::from_cbor(&value)?),
            3 => Self::Percent(Cbor::from_cbor(&value)?),
            4 => Self::Day(Cbor::from_cbor(&value)?),
            5 => nothing(&value).map(|()| Self::Few)?,
            6 => Self::Dash(Cbor::from_cbor(&value)?),
            _ => return Err(Malformed::WrongShape),
        })
    }
}

impl ReportDocument {
    /// The hash of its figures: `BLAKE3("thonso/report-figures/1" ‖ bytes)`, 32 bytes, where the bytes are those of the
    /// document without day, position, head lines, date of the paper, remarks and dictionary. Two documents of one
    /// language with the same hash show the same sections, tables, cells and typed texts.
    pub fn figures_hash(&self) -> [u8; 32] {
        let mut bare = self.clone();
        (bare.as_of, bare.position) = (Day(0), None);
        bare.head.place_date.clear();
        bare.head.lines.clear();
        bare.dictionary.clear();
        for item in bare.sections.iter_mut().flat_map(|section| &mut section.items) {
            if let Item::Table(table) = item {
                table.remarks.clear();
            }
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"thonso/report-figures/1").update(&bare.cbor());
        *hasher.finalize().as_bytes()
    }

    /// Says in the head how it differs from a version that was handed in: at most three lines by name, then how many.
    pub fn say_differs(&mut self, version: u32, changed: &[Difference]) {
        const NAMED: usize = 3;
        let Some(words) = changed.first().map(|_| {
            let named: Vec<String> = changed.iter().take(NAMED).map(|one| one.words(self.lang)).collect();
            let rest = changed.len().saturating_sub(NAMED);
            match (self.lang, rest) {
                (Lang::Vi, 0) => format!("Khác với phiên bản {version} đã lưu ở: {}.", named.join("; ")),
                (Lang::Vi, _) => {
                    format!("Khác với phiên bản {version} đã lưu ở: {}; và {rest} chỗ khác.", named.join("; "))
                }
                (Lang::En, 0) => format!("Differs from stored version {version} in: {}.", named.join("; ")),
                (Lang::En, _) => {
                    format!("Differs from stored version {version} in: {}; and {rest} more.", named.join("; "))
                }
            }
        }) else {
            return;
        };
        self.head.lines.push(words);
    }
}

/// The hash that names stored bytes: `BLAKE3("thonso/report-snapshot/1" ‖ bytes)`, 32 bytes.
pub fn snapshot_hash(bytes: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"thonso/report-snapshot/1").update(bytes);
    *hasher.finalize().as_bytes()
}

/// Writes a report as it is kept: in Vietnamese, then in English.
pub fn freeze(vi: &ReportDocument, en: &ReportDocument) -> Vec<u8> {
    vec![vi.clone(), en.clone()].cbor()
}

/// Reads a report that was kept, in one language.
///
/// # Errors
/// [`Malformed`] when the bytes are not the one way to write it.
pub fn thaw(bytes: &[u8], lang: Lang) -> Result<ReportDocument, Malformed> {
    // Our own bytes, named by their hash: a large commune has more cells than an item from outside may have.
    let kept = Vec::<ReportDocument>::from_cbor(bytes)?;
    kept.into_iter().find(|document| document.lang == lang).ok_or(Malformed::WrongShape)
}

/// Something that a report shows otherwise than an earlier version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Code of the table; of the section, for running text.
    pub table: String,
    /// Its title.
    pub title: String,
    /// What the row is about, with the heading that it stands under; empty for running text.
    pub row: String,
    /// Code of the column; empty for running text.
    pub column: String,
    /// Its title.
    pub column_title: String,
    /// What was shown; `None` where there was no such line.
    pub was: Option<String>,
    /// What is shown now; `None` where there is no such line any more.
    pub is: Option<String>,
}

impl Difference {
    /// In words, without a full stop.
    pub fn words(&self, lang: Lang) -> String {
        let place = if self.row.is_empty() {
            self.title.clone()
        } else {
            format!("{} – {} – {}", self.title, self.row, self.column_title)
        };
        let or_none = |text: &Option<String>| match text {
            Some(text) if self.row.is_empty() => format!("“{text}”"),
            Some(text) => text.clone(),
            None => if lang == Lang::Vi { "không có" } else { "none" }.to_owned(),
        };
        let (was, is) = (or_none(&self.was), or_none(&self.is));
        if lang == Lang::Vi { format!("{place}: {was} nay là {is}") } else { format!("{place}: {was} is now {is}") }
    }
}

/// A place in a report: section or table, row, which of equal rows, column.
type Spot = (String, String, usize, String);

/// What stands at every place, in the order of the document.
struct Places {
    order: Vec<Spot>,
    shown: BTreeMap<Spot, (String, String, String)>,
}

fn places(document: &ReportDocument) -> Places {
    let mut places = Places { order: Vec::new(), shown: BTreeMap::new() };
    let mut add = |spot: Spot, title: &str, column: &str, text: String| {
        places.order.push(spot.clone());
        places.shown.insert(spot, (title.to_owned(), column.to_owned(), text));
    };
    for section in &document.sections {
        let mut paragraphs = 0;
        for item in &section.items {
            match item {
                Item::Paragraph { text, .. } => {
                    let spot = (section.code.clone(), String::new(), paragraphs, String::new());
                    add(spot, &section.title, "", text.clone());
                    paragraphs += 1;
                }
                Item::Table(table) => {
                    let mut group = String::new();
                    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
                    for row in &table.rows {
                        let name = row.cells.first().map(|cell| cell.shown(document.lang)).unwrap_or_default();
                        if row.style == RowStyle::Group {
                            group = name;
                            continue;
                        }
                        let name = match (row.style, group.as_str()) {
                            (RowStyle::Plain, group) if !group.is_empty() => format!("{group}, {name}"),
                            _ => name,
                        };
                        let nth = seen.entry(name.clone()).or_default();
                        for (column, cell) in table.columns.iter().zip(&row.cells).skip(1) {
                            let spot = (table.code.clone(), name.clone(), *nth, column.code.clone());
                            add(spot, &table.title, &column.title, cell.shown(document.lang));
                        }
                        *nth += 1;
                    }
                }
            }
        }
    }
    places
}

/// What `now` shows otherwise than `before`, in the order of `now`; what it no longer shows comes last. Both must be of
/// one language.
pub fn differences(before: &ReportDocument, now: &ReportDocument) -> Vec<Difference> {
    let (old, new) = (places(before), places(now));
    let gone = old.order.iter().filter(|spot| !new.shown.contains_key(*spot));
    let differ = |spot: &Spot| {
        let (was, is) = (old.shown.get(spot), new.shown.get(spot));
        let (title, column_title, _) = is.or(was)?;
        let (was, is) = (was.map(|(_, _, text)| text), is.map(|(_, _, text)| text));
        (was != is).then(|| Difference {
            table: spot.0.clone(),
            title: title.clone(),
            row: spot.1.clone(),
            column: spot.3.clone(),
            column_title: column_title.clone(),
            was: was.cloned(),
            is: is.cloned(),
        })
    };
    new.order.iter().chain(gone).filter_map(differ).collect()
}
