//! A report as bytes: spreadsheet, PDF, page for printing, CSV, JSON. Every renderer takes the neutral document and adds
//! looks only. The same document gives the same bytes.

mod html;
mod json;
mod pdf;
pub mod sample;
mod tables;
mod xlsx;

use sync_protocol::catalogue::Lang;
use sync_protocol::ids::Day;
use sync_protocol::report::ReportDocument;

/// Why a document could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The spreadsheet.
    #[error("the spreadsheet cannot be written: {0}")]
    Xlsx(#[from] rust_xlsxwriter::XlsxError),
    /// The PDF.
    #[error("the PDF cannot be written: {0}")]
    Pdf(String),
    /// A CSV file.
    #[error("the CSV file cannot be written: {0}")]
    Csv(String),
}

/// A spreadsheet: the report, and a second sheet with what every column and figure means.
///
/// # Errors
/// [`ExportError::Xlsx`] when a limit of the format is passed.
pub fn xlsx(document: &ReportDocument) -> Result<Vec<u8>, ExportError> {
    Ok(xlsx::render(document)?)
}

/// A PDF on A4 with embedded fonts.
///
/// # Errors
/// [`ExportError::Pdf`] when the fonts cannot be read or a limit of the format is passed.
pub fn pdf(document: &ReportDocument) -> Result<Vec<u8>, ExportError> {
    pdf::render(document)
}

/// What a certificate of a recognition says. No person: the name is written in by hand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    /// What it certifies, for example `Công dân số`.
    pub title: String,
    /// The body that issues it.
    pub issuer: String,
    /// The commune by its full name.
    pub commune: String,
    /// Where it is signed.
    pub place: String,
    /// The unit that is recognised; `None` for a person.
    pub holder: Option<String>,
    /// The criteria by name.
    pub set: String,
    /// Number of the decision.
    pub number: String,
    /// Day of the decision.
    pub date: Day,
}

impl Certificate {
    /// What the QR code holds: number, commune and date, a line each, and nothing else.
    pub fn qr_text(&self) -> String {
        format!("{}\n{}\n{}", self.number, self.commune, self.date)
    }
}

/// A certificate as a PDF of one page.
///
/// # Errors
/// [`ExportError::Pdf`] when the fonts cannot be read or the text is too long for a QR code.
pub fn certificate(of: &Certificate, lang: Lang) -> Result<Vec<u8>, ExportError> {
    pdf::certificate(of, lang)
}

/// One page that prints on A4; it loads nothing.
pub fn html(document: &ReportDocument) -> String {
    html::render(document)
}

/// A CSV file per table, by the table's code.
///
/// # Errors
/// [`ExportError::Csv`].
pub fn csv(document: &ReportDocument) -> Result<Vec<(String, Vec<u8>)>, ExportError> {
    tables::render(document)
}

/// The document and its dictionary for programs.
pub fn json(document: &ReportDocument) -> String {
    json::render(document)
}

/// The same, to be carried on in a larger answer.
pub fn json_value(document: &ReportDocument) -> serde_json::Value {
    json::value(document)
}

/// Every file of a report with its name: `commune-month.pdf`, `commune-month-kinds.csv`, ….
///
/// # Errors
/// [`ExportError`] of whichever format failed.
pub fn files(document: &ReportDocument) -> Result<Vec<(String, Vec<u8>)>, ExportError> {
    let name = document.code.replace('_', "-");
    let mut files = vec![
        (format!("{name}.xlsx"), xlsx(document)?),
        (format!("{name}.pdf"), pdf(document)?),
        (format!("{name}.html"), html(document).into_bytes()),
        (format!("{name}.json"), json(document).into_bytes()),
    ];
    files.extend(csv(document)?.into_iter().map(|(table, bytes)| (format!("{name}-{table}.csv"), bytes)));
    Ok(files)
}

/// The language as web pages name it.
fn lang_code(lang: Lang) -> &'static str {
    if lang == Lang::Vi { "vi" } else { "en" }
}

/// What the footnote of a cell is marked with: `¹` to `⁹`, then `(10)`; some faces have no raised zero.
fn mark(note: usize) -> String {
    const RAISED: [&str; 9] = ["¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"];
    RAISED.get(note).map_or_else(|| format!("({})", note + 1), |digit| (*digit).to_owned())
}

#[cfg(test)]
mod tests;
