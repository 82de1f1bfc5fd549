//! One page that prints on A4. It names no other resource, holds no script, and escapes everything.

use std::fmt::Write;

use sync_protocol::report::{COUNTRY, CellValue, Item, ReportDocument, RowStyle, Table};

use super::{lang_code, mark};

const STYLE: &str = "\
@page{size:A4;margin:20mm 15mm 20mm 25mm}\
body{font:13pt/1.35 'Times New Roman','Liberation Serif',Tinos,serif;color:#000;max-width:180mm;margin:auto}\
.head{display:flex;justify-content:space-between;text-align:center;font-size:12pt}.head>div{width:49%}\
.head p,.title p{margin:0}.motto{text-decoration:underline;text-underline-offset:4px}\
.title{text-align:center;margin:1em 0}h1{font-size:14pt;margin:1em 0 0}h2{font-size:13pt;margin:1em 0 .3em}\
h3{font-size:11pt;font-style:italic;margin:.8em 0 .3em;break-after:avoid}h2{break-after:avoid}\
table{border-collapse:collapse;width:100%;font-size:10pt;line-height:1.2}thead{display:table-header-group}\
tr{break-inside:avoid}th,td{border:1px solid #444;padding:2px 4px;vertical-align:top;overflow-wrap:break-word}\
th{background:#eee;text-align:center;vertical-align:middle}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
.group td{font-weight:bold;background:#f6f6f6}.total td{font-weight:bold}.notes{font-size:9pt;margin:.2em 0}\
.notes p{margin:0}.missing{font-style:italic}.foot{display:flex;justify-content:space-between;margin-top:2em;break-inside:avoid}\
.foot p{margin:0}.sign{text-align:center;min-width:45%}.small{font-size:11pt}.strong{font-weight:bold}";

pub(super) fn render(document: &ReportDocument) -> String {
    let mut page = Page(String::new());
    let (head, lang) = (&document.head, lang_code(document.lang));
    let title = format!("{} – {}", document.full_title(), head.subject);
    page.raw(&format!("<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\"><title>"));
    page.text(&title);
    page.raw(&format!("</title><style>{STYLE}</style></head><body><div class=\"head\"><div>"));
    page.element("p", "", &head.superior);
    page.element("p", "strong", &head.body);
    page.element("p", "", &head.number);
    page.raw("</div><div>");
    page.element("p", "strong", COUNTRY[0]);
    page.element("p", "strong motto", COUNTRY[1]);
    page.element("p", "missing", &head.place_date);
    page.raw("</div></div><div class=\"title\">");
    page.element("h1", "", &document.full_title());
    page.element("p", "strong", &head.subject);
    head.lines.iter().for_each(|line| page.element("p", "small", line));
    page.raw("</div>");
    for section in &document.sections {
        page.element("h2", "", &section.title);
        for item in &section.items {
            match item {
                Item::Paragraph { text, missing } => page.element("p", if *missing { "missing" } else { "" }, text),
                Item::Table(table) => page.table(table, document),
            }
        }
    }
    let signature = &document.signature;
    page.raw("<div class=\"foot\"><div class=\"small\">");
    page.element("p", "strong missing", &signature.recipients_title);
    signature.recipients.iter().for_each(|line| page.element("p", "", &format!("- {line};")));
    page.raw("</div><div class=\"sign\">");
    signature.signatory.iter().for_each(|line| page.element("p", "strong", line));
    page.element("p", "missing", &signature.hint);
    page.raw("</div></div></body></html>\n");
    page.0
}

struct Page(String);

impl Page {
    fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    fn text(&mut self, text: &str) {
        for char in text.chars() {
            match char {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                char => self.0.push(char),
            }
        }
    }

    fn element(&mut self, name: &str, class: &str, text: &str) {
        let _ = write!(self.0, "<{name} class=\"{class}\">");
        self.text(text);
        let _ = write!(self.0, "</{name}>");
    }

    fn table(&mut self, table: &Table, document: &ReportDocument) {
        self.element("h3", "", &table.title);
        self.raw("<table><thead><tr>");
        let whole: u32 = table.columns.iter().map(|column| column.weight).sum();
        for column in &table.columns {
            let _ = write!(self.0, "<th style=\"width:{}%\">", column.weight * 100 / whole.max(1));
            self.text(&column.title);
            self.raw("</th>");
        }
        self.raw("</tr></thead><tbody>");
        for row in &table.rows {
            if row.style == RowStyle::Group {
                let _ = write!(self.0, "<tr class=\"group\"><td colspan=\"{}\">", table.columns.len());
                row.cells.first().inspect(|cell| self.text(&cell.shown(document.lang)));
                self.raw("</td></tr>");
                continue;
            }
            self.raw(if row.style == RowStyle::Total { "<tr class=\"total\">" } else { "<tr>" });
            for cell in &row.cells {
                self.raw(if matches!(cell.value, CellValue::Text(_)) { "<td>" } else { "<td class=\"n\">" });
                self.text(&cell.shown(document.lang));
                cell.note.inspect(|note| self.text(&mark(*note)));
                self.raw("</td>");
            }
            self.raw("</tr>");
        }
        self.raw("</tbody></table><div class=\"notes\">");
        for (at, note) in table.notes.iter().enumerate() {
            self.element("p", "", &format!("{} {note}", mark(at)));
        }
        table.remarks.iter().for_each(|remark| self.element("p", "", remark));
        self.raw("</div>");
    }
}
