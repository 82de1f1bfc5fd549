//! Papers beside the reports: the certificate of a recognition, and the support certificates of a month for payment.

use serde::Deserialize;
use sync_protocol::access::Action;
use sync_protocol::catalogue::Lang;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::indicator::{Fraction, Indicators, Level};
use sync_protocol::report::{
    Cell, CellValue, Column, Entry as Meaning, Head, Item, ReportDocument, Row, RowStyle, Section, Signature, Table,
};
use sync_protocol::row::RowType;
use sync_protocol::team::Measure;
use utoipa::IntoParams;
use uuid::Uuid;

use super::figures::Asked;
use super::{Answer, Entry, ReadError, Reading, Scoped};
use crate::export::Certificate as Paper;

/// Which support certificates are wanted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SupportFileQuery {
    /// The commune.
    pub unit: Uuid,
    /// The reporting month, `YYYY-MM`.
    #[param(example = "2026-12")]
    pub month: String,
    /// `vi` or `en`. Without it: `vi`.
    pub lang: Option<String>,
    /// `xlsx` or `csv`. Without it: `xlsx`.
    pub format: Option<String>,
}

/// Reads the language of a paper.
pub(crate) fn language(code: Option<&str>) -> Answer<Lang> {
    match code.unwrap_or("vi") {
        "vi" => Ok(Lang::Vi),
        "en" => Ok(Lang::En),
        _ => Err(ReadError::BadValue("lang")),
    }
}

impl Reading {
    /// What the certificate of a recognition says. There is one from the day on which it is granted until it is revoked.
    pub async fn recognition_paper(&self, by: UserId, id: Uuid, lang: Lang) -> Answer<Paper> {
        self.read_noted(by, "recognition.certificate", Some(id), move |scoped| {
            let found = scoped.register(RowType::RECOGNITION, id)?;
            let (scope, register) = scoped.within(Action::AdvanceRecognition, found)?;
            let subject: RecognitionSubject = register.group(recognition::SUBJECT).ok_or(ReadError::NotFound)?;
            let steps: RecognitionSteps = register.group(recognition::STEPS).ok_or(ReadError::NotFound)?;
            let granted = steps.steps.last().filter(|step| step.to == "granted").ok_or(ReadError::NotFound)?;
            let number = granted.number.clone().ok_or(ReadError::NotFound)?;
            let (commune, place) = scoped.commune_of(UnitId(scope.0), granted.day)?;
            let indicators = Indicators::shipped();
            let is_person = subject.what == "digital_citizen";
            let set = match is_person {
                true => indicators.citizen_sets().iter().find(|set| set.code == subject.set).map(|set| set.label(lang)),
                false => indicators.set(&subject.set).map(|set| set.label(lang)),
            };
            let title = match (is_person, lang) {
                (true, Lang::Vi) => "Công dân số",
                (true, Lang::En) => "Digital citizen",
                (false, Lang::Vi) => "Xã chuyển đổi số",
                (false, Lang::En) => "Digital commune",
            };
            let paper = Paper {
                title: title.to_owned(),
                issuer: committee(&commune),
                holder: (!is_person).then(|| commune.clone()),
                commune,
                place,
                set: set.unwrap_or(&subject.set).to_owned(),
                number,
                date: granted.day,
            };
            let entry = Entry { scope, object: Some(id), outcome: "read".to_owned(), filter: None };
            Ok((paper, entry))
        })
        .await
    }

    /// The support certificates of a commune's month, as a paper with one table.
    pub async fn support_paper(&self, by: UserId, query: SupportFileQuery) -> Answer<ReportDocument> {
        let lang = language(query.lang.as_deref())?;
        let asked = Asked::parse(query.unit, &query.month, None, None, None)?;
        self.read_noted(by, "support.export", Some(query.unit), move |scoped| {
            let document = scoped.support_paper(asked, lang)?;
            let entry = Entry {
                scope: asked.unit.into(),
                object: Some(asked.unit.0),
                outcome: "read".to_owned(),
                filter: Some(asked.span.last_month().to_string()),
            };
            Ok((document, entry))
        })
        .await
    }
}

/// The people's committee of a commune.
fn committee(commune: &str) -> String {
    let mut letters = commune.chars();
    let lower: String = letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default();
    format!("Ủy ban nhân dân {lower}")
}

impl Scoped<'_> {
    /// The commune that a unit is or lies in on a day: its full name and its name.
    fn commune_of(&mut self, unit: UnitId, day: Day) -> Answer<(String, String)> {
        let mut next = unit;
        loop {
            let (_, register) = self.register(RowType::UNIT, next.0)?.ok_or(ReadError::NotFound)?;
            let identity: UnitIdentity = register.group(unit::IDENTITY).ok_or(ReadError::NotFound)?;
            let above = register.group::<UnitParent>(unit::PARENT).map(|above| above.on(day));
            match above.filter(|above| *above != next && identity.level == "village") {
                Some(above) => next = above,
                None => return Ok((identity.full_name, identity.name)),
            }
        }
    }

    fn support_paper(&mut self, asked: Asked, lang: Lang) -> Answer<ReportDocument> {
        self.function(Action::SignSupport)?;
        if !self.may(Action::SignSupport, asked.unit.into()) {
            return Err(ReadError::NotFound);
        }
        let scope = self.scope_on(asked.unit, asked.period.to)?.ok_or(ReadError::NotFound)?;
        if scope.level != Level::Commune {
            return Err(ReadError::BadValue("unit"));
        }
        let pick = |vi: &str, en: &str| if lang == Lang::Vi { vi.to_owned() } else { en.to_owned() };
        let month = asked.span.last_month();
        let mut lines = Vec::new();
        for unit in scope.units() {
            for register in self.registers_of(unit, RowType::SUPPORT_CERTIFICATE)? {
                let certificate: Option<Certificate> = register.group(support_certificate::CERTIFICATE);
                let revoked: Option<Revocation> = register.group(support_certificate::REVOKED);
                let Some(certificate) = certificate.filter(|one| one.month == month && revoked.is_none()) else {
                    continue;
                };
                let team = self.team_named(certificate.team)?.name;
                lines.push((team, self.unit_name(unit)?, self.user_named(certificate.by)?.name, certificate));
            }
        }
        lines.sort_by_cached_key(|(team, unit, ..)| {
            (sync_protocol::fold::sort_key(unit), sync_protocol::fold::sort_key(team))
        });
        let columns = [
            ("team", ["Tổ", "Team"], ["Tổ được xác nhận", "The team"], true, 30),
            ("unit", ["Địa bàn", "Unit"], ["Nơi tổ hoạt động", "Where the team works"], true, 24),
            ("measure", ["Căn cứ", "Measure"], ["Nội dung được đếm", "What was counted"], true, 18),
            ("found", ["Thực hiện", "Found"], ["Số đếm được trong kỳ", "How many there were"], false, 10),
            (
                "minimum",
                ["Tối thiểu", "Minimum"],
                ["Mức tối thiểu để được hỗ trợ", "How many were asked for"],
                false,
                10,
            ),
            (
                "amount",
                ["Số tiền (đồng)", "Amount (đồng)"],
                ["Mức hỗ trợ của tháng", "Support of the month"],
                false,
                14,
            ),
            ("signed", ["Ngày ký", "Signed on"], ["Ngày xã ký xác nhận", "The day of the signature"], false, 12),
            ("by", ["Người ký", "Signed by"], ["Tài khoản đã ký xác nhận", "The account that signed"], true, 20),
        ];
        let whole = |number: u64| Cell::of(CellValue::Count(Fraction::whole(number.into())));
        let mut rows: Vec<Row> = Vec::new();
        let mut sum: u64 = 0;
        for (team, unit, by, certificate) in &lines {
            sum = sum.saturating_add(certificate.amount_vnd);
            let measure = Measure::from_code(&certificate.measure);
            let measure = measure.map_or(certificate.measure.as_str(), |measure| match lang {
                Lang::Vi => measure.vi(),
                Lang::En => measure.en(),
            });
            let cells = vec![
                Cell::text(team),
                Cell::text(unit),
                Cell::text(measure),
                whole(certificate.found),
                whole(certificate.minimum),
                whole(certificate.amount_vnd),
                Cell::of(CellValue::Day(certificate.day)),
                Cell::text(by),
            ];
            rows.push(Row { style: RowStyle::Plain, cells });
        }
        let mut total = vec![Cell::text(pick("Cộng", "Total"))];
        total.extend((1..columns.len()).map(|at| if at == 5 { whole(sum) } else { Cell::of(CellValue::Blank) }));
        rows.push(Row { style: RowStyle::Total, cells: total });
        let dictionary = columns.iter().map(|(code, name, meaning, ..)| Meaning {
            code: format!("support.{code}"),
            name: name.map(str::to_owned),
            meaning: meaning.map(str::to_owned),
            formula: Default::default(),
            numerator: String::new(),
            denominator: String::new(),
            source: pick("xác nhận đã ký", "certificates that were signed"),
        });
        let table = Table {
            code: "support".to_owned(),
            title: pick("Các tổ được xác nhận", "Teams with a certificate"),
            columns: columns
                .iter()
                .map(|(code, [vi, en], _, is_text, weight)| Column {
                    code: (*code).to_owned(),
                    title: pick(vi, en),
                    is_text: *is_text,
                    weight: *weight,
                })
                .collect(),
            rows,
            notes: Vec::new(),
            remarks: vec![pick("Không gồm xác nhận đã thu hồi.", "Certificates that were taken back are left out.")],
        };
        let (commune, place) = self.commune_of(asked.unit, asked.period.to)?;
        let indicators = Indicators::shipped();
        let today = Day::of_ms(self.now.0);
        let (year, month, day) = today.civil();
        let versions = ["", indicators.version(), indicators.catalogue().version()].map(str::to_owned);
        Ok(ReportDocument {
            code: "support_certificates".to_owned(),
            lang,
            sample: false,
            versions,
            scope: asked.unit.0,
            period: asked.period,
            as_of: today,
            position: None,
            head: Head {
                superior: String::new(),
                body: committee(&commune).to_uppercase(),
                number: String::new(),
                place_date: match lang {
                    Lang::Vi => format!("{place}, ngày {day:02} tháng {month:02} năm {year}"),
                    Lang::En => format!("{place}, {today}"),
                },
                title: pick("DANH SÁCH", "LIST"),
                subject: match lang {
                    Lang::Vi => format!("Tổ được hỗ trợ kinh phí {}", asked.span.vi()),
                    Lang::En => format!("Teams that receive support, {}", asked.span.en()),
                },
                lines: Vec::new(),
            },
            sections: vec![Section {
                code: "support".to_owned(),
                title: table.title.clone(),
                items: vec![Item::Table(table)],
            }],
            signature: Signature {
                recipients_title: pick("Nơi nhận:", "Recipients:"),
                recipients: vec![pick("Kế toán xã", "Commune accountant"), pick("Lưu: VT", "Kept: clerk's office")],
                signatory: vec![
                    pick("TM. ỦY BAN NHÂN DÂN", "FOR THE PEOPLE'S COMMITTEE"),
                    pick("CHỦ TỊCH", "CHAIRPERSON"),
                ],
                hint: pick("(Ký, ghi rõ họ tên, đóng dấu)", "(Signature, full name, seal)"),
            },
            dictionary: dictionary.collect(),
        })
    }
}
