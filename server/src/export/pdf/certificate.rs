//! The certificate of a recognition: one page with a QR code that says no more than the page.

use qrcodegen::{QrCode, QrCodeEcc};
use sync_protocol::calendar::vi_date;
use sync_protocol::catalogue::Lang;
use sync_protocol::report::COUNTRY;

use super::{Align, BOTTOM, FONTS, Face, Flow, LEFT, Mark, RIGHT, Style, TOP};
use crate::export::{Certificate, ExportError};

/// Side of the QR code, in points: 30 mm.
const QR_SIDE: f32 = 85.0;
/// Light modules around it, as the standard asks.
const QUIET: i32 = 4;
/// How far the frame stands outside of the text.
const FRAME: f32 = 14.0;

pub(in crate::export) fn render(of: &Certificate, lang: Lang) -> Result<Vec<u8>, ExportError> {
    let wrong = |what: &str| ExportError::Pdf(what.to_owned());
    let [regular, bold, italic] = FONTS.map(Face::load);
    let faces = regular.zip(bold).zip(italic).map(|((regular, bold), italic)| [regular, bold, italic]);
    let faces = faces.ok_or_else(|| wrong("a font cannot be read"))?;
    let code = QrCode::encode_text(&of.qr_text(), QrCodeEcc::Medium).map_err(|_| wrong("too long for a QR code"))?;
    let mut flow = Flow { faces, pages: vec![Vec::new()], y: TOP + 10.0 };
    let pick = |vi: &'static str, en: &'static str| if lang == Lang::Vi { vi } else { en };
    let (year, month, day) = of.date.civil();

    let middle = LEFT + (RIGHT - LEFT) * 0.42;
    let (left, right) = ((LEFT, middle - 6.0), (middle, RIGHT));
    let issuer = of.issuer.to_uppercase();
    let mut y = flow.column(&[(&issuer, Style::Bold, 11.0)], left, flow.y);
    flow.rule((left.0 + left.1) / 2.0, y + 3.0, 60.0);
    let number = format!("{} {}", pick("Số:", "No."), of.number);
    y = flow.column(&[(&number, Style::Regular, 11.5)], left, y + 8.0);
    let other = flow.column(&[(COUNTRY[0], Style::Bold, 11.0), (COUNTRY[1], Style::Bold, 12.0)], right, flow.y);
    flow.rule((right.0 + right.1) / 2.0, other + 3.0, 150.0);
    flow.y = y.max(other) + 100.0;

    let mut line = |text: &str, style: Style, size: f32, after: f32| {
        flow.paragraph(text, style, size, Align::Centre);
        flow.space(after);
    };
    line(pick("GIẤY CHỨNG NHẬN", "CERTIFICATE"), Style::Bold, 24.0, 6.0);
    line(&of.title.to_uppercase(), Style::Bold, 16.0, 28.0);
    line(&of.issuer, Style::Regular, 14.0, 2.0);
    line(pick("chứng nhận", "certifies that"), Style::Italic, 13.0, 10.0);
    match &of.holder {
        Some(holder) => line(holder, Style::Bold, 18.0, 10.0),
        None => {
            // The name is written in by hand: no file with a person's name leaves the system.
            line(pick("Ông/Bà: ……………………………………………………", "Mr/Ms: ……………………………………………………"), Style::Regular, 14.0, 2.0);
            line(&format!("{} {}", pick("Nơi ở:", "Of:"), of.commune), Style::Regular, 14.0, 10.0);
        }
    }
    line(pick("đã đạt các tiêu chí của", "has met the criteria of"), Style::Italic, 13.0, 2.0);
    line(&of.set, Style::Bold, 14.0, 10.0);
    let decided = match lang {
        Lang::Vi => format!("theo Quyết định số {} ngày {}.", of.number, vi_date(of.date)),
        Lang::En => format!("by decision {} of {}.", of.number, of.date),
    };
    line(&decided, Style::Regular, 13.0, 80.0);

    let top = flow.y;
    let dated = match lang {
        Lang::Vi => format!("{}, ngày {day:02} tháng {month:02} năm {year}", of.place),
        Lang::En => format!("{}, {}", of.place, of.date),
    };
    let signed = [
        (dated.as_str(), Style::Italic, 11.5),
        (pick("TM. ỦY BAN NHÂN DÂN", "FOR THE PEOPLE'S COMMITTEE"), Style::Bold, 12.0),
        (pick("CHỦ TỊCH", "CHAIRPERSON"), Style::Bold, 12.0),
        (pick("(Ký, ghi rõ họ tên, đóng dấu)", "(Signature, full name, seal)"), Style::Italic, 10.5),
    ];
    flow.column(&signed, (middle, RIGHT), top);
    flow.code(&code, LEFT, top);
    let said = pick("Mã QR chỉ ghi số quyết định, đơn vị và ngày.", "The QR code holds only number, commune and date.");
    for (at, text) in flow.wrap(said, Style::Italic, 8.5, middle - LEFT - 10.0).into_iter().enumerate() {
        let y = top + QR_SIDE + 14.0 + at as f32 * 10.5;
        flow.put(&text, Style::Italic, 8.5, Align::Left, (LEFT, middle), y);
    }
    flow.border(FRAME);
    flow.border(FRAME - 3.0);
    let title = format!("{} – {}", of.title, of.number);
    flow.bytes(title, lang, of.date, false)
}

impl Flow {
    /// Draws a QR code with its light edge.
    fn code(&mut self, code: &QrCode, x: f32, y: f32) {
        let step = QR_SIDE / (code.size() + 2 * QUIET) as f32;
        for row in 0..code.size() {
            for column in 0..code.size() {
                if code.get_module(column, row) {
                    let at = |place: i32| (place + QUIET) as f32 * step;
                    // A hair wider, so that no light lines stand between neighbours.
                    self.mark(Mark::Fill { x: x + at(column), y: y + at(row), side: step + 0.05 });
                }
            }
        }
    }

    fn border(&mut self, outside: f32) {
        let (left, right) = (LEFT - outside, RIGHT + outside);
        let (top, bottom) = (TOP - outside, BOTTOM + outside);
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        for side in corners.windows(2) {
            self.mark(Mark::Line { from: side[0], to: side[1] });
        }
    }
}
