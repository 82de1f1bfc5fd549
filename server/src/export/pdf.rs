//! A PDF on A4: a flow of lines and tables of our own over `krilla`, which embeds the parts of the fonts that are used.
//!
//! Vietnamese needs no shaping once it is composed: every letter with its tones is one glyph. So a line is the sum of its
//! glyphs' widths, and is broken at spaces. Lengths are points.

mod certificate;

use krilla::Document;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};
use sync_protocol::catalogue::Lang;
use sync_protocol::ids::Day;
use sync_protocol::report::{COUNTRY, CellValue, Item, ReportDocument, Row, RowStyle, Table};
use unicode_normalization::UnicodeNormalization;

pub(super) use self::certificate::render as certificate;
use super::{ExportError, lang_code, mark};

const WIDTH: f32 = 595.28;
const HEIGHT: f32 = 841.89;
/// 28 mm left for the binding, 15 mm right, 20 mm above and below.
const LEFT: f32 = 79.4;
const RIGHT: f32 = WIDTH - 42.5;
const TOP: f32 = 56.7;
const BOTTOM: f32 = HEIGHT - 56.7;
const BODY: f32 = 12.0;
const CELL: f32 = 9.0;
const NOTE: f32 = 8.5;
const LEADING: f32 = 1.22;
const PAD: f32 = 2.5;
/// Room right of a number for the mark of its note, so that digits stand below each other.
const MARK: f32 = 6.0;

const FONTS: [&[u8]; 3] = [
    include_bytes!("../../data/fonts/LiberationSerif-Regular.ttf"),
    include_bytes!("../../data/fonts/LiberationSerif-Bold.ttf"),
    include_bytes!("../../data/fonts/LiberationSerif-Italic.ttf"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Regular,
    Bold,
    Italic,
}

#[derive(Clone, Copy)]
enum Align {
    Left,
    Centre,
    Right,
}

struct Face {
    font: Font,
    skrifa: FontRef<'static>,
    em: f32,
}

impl Face {
    fn load(data: &'static [u8]) -> Option<Self> {
        let font = Font::new(data.into(), 0)?;
        let em = font.units_per_em();
        Some(Self { font, skrifa: FontRef::new(data).ok()?, em })
    }

    /// Widths are in parts of the font size. A character that the font lacks becomes its empty box.
    fn glyphs(&self, text: &str) -> Vec<KrillaGlyph> {
        let (letters, metrics) =
            (self.skrifa.charmap(), self.skrifa.glyph_metrics(Size::unscaled(), LocationRef::default()));
        let glyph = |(at, char): (usize, char)| {
            let id = letters.map(char).unwrap_or_default();
            let advance = metrics.advance_width(id).unwrap_or_default() / self.em;
            KrillaGlyph::new(GlyphId::new(id.to_u32()), advance, 0.0, 0.0, 0.0, at..at + char.len_utf8(), None)
        };
        text.char_indices().map(glyph).collect()
    }

    fn width(&self, text: &str, size: f32) -> f32 {
        self.glyphs(text).iter().map(|glyph| glyph.x_advance).sum::<f32>() * size
    }
}

enum Mark {
    Text { x: f32, y: f32, size: f32, style: Style, text: String },
    Line { from: (f32, f32), to: (f32, f32) },
    Shade { x: f32, y: f32, width: f32, height: f32 },
    Fill { x: f32, y: f32, side: f32 },
}

struct Flow {
    faces: [Face; 3],
    pages: Vec<Vec<Mark>>,
    y: f32,
}

pub(super) fn render(document: &ReportDocument) -> Result<Vec<u8>, ExportError> {
    let wrong = |what: &str| ExportError::Pdf(what.to_owned());
    let [regular, bold, italic] = FONTS.map(Face::load);
    let faces = regular.zip(bold).zip(italic).map(|((regular, bold), italic)| [regular, bold, italic]);
    let faces = faces.ok_or_else(|| wrong("a font cannot be read"))?;
    let mut flow = Flow { faces, pages: vec![Vec::new()], y: TOP };
    flow.head(document);
    for section in &document.sections {
        flow.space(6.0);
        let begins_with_table = matches!(section.items.first(), Some(Item::Table(_)));
        flow.keep(if begins_with_table { 130.0 } else { 60.0 });
        flow.paragraph(&section.title, Style::Bold, BODY, Align::Left);
        for item in &section.items {
            match item {
                Item::Paragraph { text, missing } => {
                    flow.paragraph(text, if *missing { Style::Italic } else { Style::Regular }, BODY, Align::Left);
                }
                Item::Table(table) => flow.table(table, document),
            }
        }
    }
    flow.signature(document);
    flow.write(document)
}

impl Flow {
    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    fn new_page(&mut self) {
        self.pages.push(Vec::new());
        self.y = TOP;
    }

    fn keep(&mut self, height: f32) {
        if self.y + height > BOTTOM {
            self.new_page();
        }
    }

    fn space(&mut self, height: f32) {
        self.y += height;
    }

    fn face(&self, style: Style) -> &Face {
        &self.faces[style as usize]
    }

    /// Breaks at spaces; a word that is too wide is broken where it must be.
    fn wrap(&self, text: &str, style: Style, size: f32, width: f32) -> Vec<String> {
        let face = self.face(style);
        let text: String = text.nfc().collect();
        let (mut lines, mut line) = (Vec::new(), String::new());
        for word in text.split_whitespace() {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if face.width(&longer, size) <= width {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for char in word.chars() {
                line.push(char);
                if face.width(&line, size) > width && line.chars().count() > 1 {
                    line.pop();
                    lines.push(std::mem::replace(&mut line, char.to_string()));
                }
            }
        }
        lines.push(line);
        lines
    }

    /// As few lines as they can be, and then as even as they can be: for what is centred.
    fn balance(&self, text: &str, style: Style, size: f32, width: f32) -> Vec<String> {
        let mut best = self.wrap(text, style, size, width);
        let mut narrower = width - 4.0;
        while narrower > width / 2.0 {
            let lines = self.wrap(text, style, size, narrower);
            if lines.len() > best.len() {
                break;
            }
            best = lines;
            narrower -= 4.0;
        }
        best
    }

    fn put(&mut self, text: &str, style: Style, size: f32, align: Align, (left, right): (f32, f32), y: f32) {
        let width = self.face(style).width(text, size);
        let x = match align {
            Align::Left => left,
            Align::Centre => left + (right - left - width) / 2.0,
            Align::Right => right - width,
        };
        self.mark(Mark::Text { x, y, size, style, text: text.to_owned() });
    }

    fn paragraph(&mut self, text: &str, style: Style, size: f32, align: Align) {
        let lines = match align {
            Align::Centre => self.balance(text, style, size, RIGHT - LEFT),
            Align::Left | Align::Right => self.wrap(text, style, size, RIGHT - LEFT),
        };
        for line in lines {
            self.keep(size * LEADING);
            self.put(&line, style, size, align, (LEFT, RIGHT), self.y + size);
            self.space(size * LEADING);
        }
        self.space(2.0);
    }

    /// Lines in a part of the page's width, centred; how far down they reach.
    fn column(&mut self, lines: &[(&str, Style, f32)], span: (f32, f32), mut y: f32) -> f32 {
        for (text, style, size) in lines {
            for line in self.balance(text, *style, *size, span.1 - span.0) {
                self.put(&line, *style, *size, Align::Centre, span, y + size);
                y += size * LEADING;
            }
        }
        y
    }

    fn rule(&mut self, centre: f32, y: f32, width: f32) {
        self.mark(Mark::Line { from: (centre - width / 2.0, y), to: (centre + width / 2.0, y) });
    }

    fn head(&mut self, document: &ReportDocument) {
        let head = &document.head;
        let middle = LEFT + (RIGHT - LEFT) * 0.42;
        let (left, right) = ((LEFT, middle - 6.0), (middle, RIGHT));
        let top = self.y;
        let mut y = self.column(&[(&head.superior, Style::Regular, 11.0), (&head.body, Style::Bold, 11.0)], left, top);
        self.rule((left.0 + left.1) / 2.0, y + 3.0, 60.0);
        y = self.column(&[(&head.number, Style::Regular, 11.5)], left, y + 8.0);
        let mut other = self.column(&[(COUNTRY[0], Style::Bold, 11.0), (COUNTRY[1], Style::Bold, 12.0)], right, top);
        self.rule((right.0 + right.1) / 2.0, other + 3.0, 150.0);
        other = self.column(&[(&head.place_date, Style::Italic, 11.5)], right, other + 8.0);
        self.y = y.max(other) + 14.0;
        self.paragraph(&document.full_title(), Style::Bold, 14.0, Align::Centre);
        self.paragraph(&head.subject, Style::Bold, 13.0, Align::Centre);
        for line in &head.lines {
            self.paragraph(line, Style::Italic, 11.0, Align::Centre);
        }
    }

    fn signature(&mut self, document: &ReportDocument) {
        let signature = &document.signature;
        self.space(14.0);
        self.keep(110.0);
        let (top, middle) = (self.y, LEFT + (RIGHT - LEFT) / 2.0);
        let mut lines = vec![(signature.recipients_title.clone(), Style::Bold)];
        lines.extend(signature.recipients.iter().map(|line| (format!("- {line};"), Style::Regular)));
        let mut y = top;
        for (text, style) in lines {
            for line in self.wrap(&text, style, 10.0, middle - LEFT) {
                self.put(&line, style, 10.0, Align::Left, (LEFT, middle), y + 10.0);
                y += 10.0 * LEADING;
            }
        }
        let signatory: Vec<_> = signature.signatory.iter().map(|line| (line.as_str(), Style::Bold, 12.0)).collect();
        let other = self.column(&signatory, (middle, RIGHT), top);
        self.column(&[(&signature.hint, Style::Italic, 10.5)], (middle, RIGHT), other);
    }

    // -----------------------------------------------------------------------------------------------------------------
    // Tables

    fn table(&mut self, table: &Table, document: &ReportDocument) {
        let whole: u32 = table.columns.iter().map(|column| column.weight).sum();
        let mut edges = vec![LEFT];
        let mut reached = 0;
        for column in &table.columns {
            reached += column.weight;
            edges.push(LEFT + (RIGHT - LEFT) * reached as f32 / whole.max(1) as f32);
        }
        let titles: Vec<String> = table.columns.iter().map(|column| column.title.clone()).collect();
        let head = self.boxes(&titles, Style::Bold, &edges, |_| 0.0);
        let head_height = height(&head);
        self.space(2.0);
        self.keep(CELL * 2.0 + head_height + 40.0);
        self.paragraph(&table.title, Style::Italic, 10.5, Align::Left);
        self.draw_head(&head, &edges);
        for (at, row) in table.rows.iter().enumerate() {
            let style = if row.style == RowStyle::Plain { Style::Regular } else { Style::Bold };
            let whole_width = [LEFT, RIGHT];
            let spans = if row.style == RowStyle::Group { &whole_width[..] } else { &edges };
            let texts: Vec<String> =
                row.cells.iter().take(spans.len() - 1).map(|cell| cell.shown(document.lang)).collect();
            let cells = self.boxes(&texts, style, spans, |at| room(row, at));
            // A heading never stands alone at the foot of a page, nor does a sum at the top of the next.
            let sum_follows = table.rows.get(at + 1).is_some_and(|next| next.style == RowStyle::Total);
            let follows = if row.style == RowStyle::Group || sum_follows { CELL * 3.0 } else { 0.0 };
            if self.y + height(&cells) + follows > BOTTOM {
                self.new_page();
                self.draw_head(&head, &edges);
            }
            self.draw_row(row, &cells, style, spans);
        }
        self.space(3.0);
        let notes = table.notes.iter().enumerate().map(|(at, note)| format!("{} {note}", mark(at)));
        for text in notes.chain(table.remarks.iter().cloned()) {
            for line in self.wrap(&text, Style::Italic, NOTE, RIGHT - LEFT) {
                self.keep(NOTE * LEADING);
                self.put(&line, Style::Italic, NOTE, Align::Left, (LEFT, RIGHT), self.y + NOTE);
                self.space(NOTE * LEADING);
            }
        }
        self.space(4.0);
    }

    fn boxes(&self, texts: &[String], style: Style, edges: &[f32], room: impl Fn(usize) -> f32) -> Vec<Vec<String>> {
        let spans = edges.windows(2).enumerate();
        let fit = |(text, (at, span)): (&String, (usize, &[f32]))| {
            self.wrap(text, style, CELL, span[1] - span[0] - 2.0 * PAD - room(at))
        };
        texts.iter().zip(spans).map(fit).collect()
    }

    fn draw_head(&mut self, head: &[Vec<String>], edges: &[f32]) {
        let (top, height) = (self.y, height(head));
        self.mark(Mark::Shade { x: LEFT, y: top, width: RIGHT - LEFT, height });
        for (lines, span) in head.iter().zip(edges.windows(2)) {
            let mut y = top + (height - lines.len() as f32 * CELL * LEADING) / 2.0;
            for line in lines {
                self.put(line, Style::Bold, CELL, Align::Centre, (span[0], span[1]), y + CELL);
                y += CELL * LEADING;
            }
        }
        self.frame(edges, top, height);
    }

    fn draw_row(&mut self, row: &Row, cells: &[Vec<String>], style: Style, edges: &[f32]) {
        let (top, height) = (self.y, height(cells));
        for (at, (lines, span)) in cells.iter().zip(edges.windows(2)).enumerate() {
            let (left, right) = (span[0] + PAD, span[1] - PAD - room(row, at));
            let align = if is_text(row, at) { Align::Left } else { Align::Right };
            let mut y = top + PAD + CELL;
            let mut end = left;
            for line in lines {
                self.put(line, style, CELL, align, (left, right), y);
                end = if is_text(row, at) { left + self.face(style).width(line, CELL) } else { right };
                y += CELL * LEADING;
            }
            if let Some(note) = row.cells[at].note {
                let span = (end + 0.5, end + MARK);
                self.put(&mark(note), Style::Regular, CELL, Align::Left, span, y - CELL * LEADING);
            }
        }
        self.frame(edges, top, height);
    }

    /// The borders of one row; moves below it.
    fn frame(&mut self, edges: &[f32], top: f32, height: f32) {
        for y in [top, top + height] {
            self.mark(Mark::Line { from: (LEFT, y), to: (RIGHT, y) });
        }
        for x in edges {
            self.mark(Mark::Line { from: (*x, top), to: (*x, top + height) });
        }
        self.y = top + height;
    }

    // -----------------------------------------------------------------------------------------------------------------
    // Bytes

    fn write(self, document: &ReportDocument) -> Result<Vec<u8>, ExportError> {
        let title = format!("{} – {}", document.full_title(), document.head.subject);
        self.bytes(title, document.lang, document.as_of, true)
    }

    /// The file; with `numbers`, every page has its own below.
    fn bytes(self, title: String, lang: Lang, made: Day, numbers: bool) -> Result<Vec<u8>, ExportError> {
        let wrong = |what: &dyn std::fmt::Debug| ExportError::Pdf(format!("{what:?}"));
        let mut pdf = Document::new();
        let (year, month, day) = made.civil();
        let created = DateTime::new(u16::try_from(year).unwrap_or(1970)).month(month as u8).day(day as u8);
        let metadata = Metadata::new().title(title).creator("Thôn Số".to_owned()).creation_date(created);
        pdf.set_metadata(metadata.language(lang_code(lang).to_owned()));
        let pages = self.pages.len();
        for (at, marks) in self.pages.iter().enumerate() {
            let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(|| wrong(&"page size"))?;
            let mut page = pdf.start_page_with(settings);
            let mut surface = page.surface();
            let number = format!("{}/{pages}", at + 1);
            let footer =
                Mark::Text { x: RIGHT - 20.0, y: HEIGHT - 30.0, size: 10.0, style: Style::Regular, text: number };
            for mark in marks.iter().chain(Some(&footer).filter(|_| numbers)) {
                match mark {
                    Mark::Text { x, y, size, style, text } => {
                        let face = self.face(*style);
                        surface.set_stroke(None);
                        surface.set_fill(Some(grey(0)));
                        let at = Point::from_xy(*x, *y);
                        surface.draw_glyphs(at, &face.glyphs(text), face.font.clone(), text, *size, false);
                    }
                    Mark::Line { from, to } => {
                        let mut path = PathBuilder::new();
                        path.move_to(from.0, from.1);
                        path.line_to(to.0, to.1);
                        surface.set_fill(None);
                        surface.set_stroke(Some(Stroke { width: 0.5, ..Stroke::default() }));
                        path.finish().inspect(|path| surface.draw_path(path));
                    }
                    Mark::Shade { x, y, width, height } => {
                        let mut path = PathBuilder::new();
                        Rect::from_xywh(*x, *y, *width, *height).inspect(|rect| path.push_rect(*rect));
                        surface.set_stroke(None);
                        surface.set_fill(Some(grey(235)));
                        path.finish().inspect(|path| surface.draw_path(path));
                    }
                    Mark::Fill { x, y, side } => {
                        let mut path = PathBuilder::new();
                        Rect::from_xywh(*x, *y, *side, *side).inspect(|rect| path.push_rect(*rect));
                        surface.set_stroke(None);
                        surface.set_fill(Some(grey(0)));
                        path.finish().inspect(|path| surface.draw_path(path));
                    }
                }
            }
            surface.finish();
            page.finish();
        }
        pdf.finish().map_err(|error| wrong(&error))
    }
}

fn grey(light: u8) -> Fill {
    Fill { paint: krilla::color::luma::Color::new(light).into(), opacity: NormalizedF32::ONE, ..Fill::default() }
}

fn height(cells: &[Vec<String>]) -> f32 {
    cells.iter().map(Vec::len).max().unwrap_or(1) as f32 * CELL * LEADING + 2.0 * PAD
}

fn is_text(row: &Row, at: usize) -> bool {
    matches!(row.cells[at].value, CellValue::Text(_))
}

fn room(row: &Row, at: usize) -> f32 {
    if is_text(row, at) && row.cells[at].note.is_none() { 0.0 } else { MARK }
}

/// The letters that one of the fonts lacks.
#[cfg(test)]
pub(super) fn missing_letters(text: &str) -> String {
    let faces: Vec<Face> = FONTS.into_iter().filter_map(Face::load).collect();
    let lacks = |char: &char| faces.iter().any(|face| face.skrifa.charmap().map(*char).is_none());
    text.nfc().filter(|char| !char.is_control()).filter(lacks).collect()
}
