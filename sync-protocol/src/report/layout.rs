//! Layouts: which sections and tables a report has. Data, read strictly and checked against the indicators and their
//! catalogue; what a block works out is Rust.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::calendar::Report;
use crate::case_flow::CaseKind;
use crate::catalogue::{Catalogue, Condition, FieldType, Lang};
use crate::indicator::{Indicators, Level};
use crate::text::{TextLimit, check_text};

/// The schema of the file that this model reads.
pub const SCHEMA_VERSION: u64 = 1;
/// Largest file that is loaded, in bytes.
pub const LAYOUT_BYTES_MAX: usize = 1 << 18;
/// Most of the failure reasons that a block may ask for.
const REASONS_MAX: usize = 20;
/// Stands for all kinds.
pub(super) const ALL_KINDS: &str = "*";

/// Words in both languages.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// In Vietnamese.
    pub vi: String,
    /// In English.
    pub en: String,
}

impl Words {
    /// In one language.
    pub fn of(&self, lang: Lang) -> &str {
        if lang == Lang::Vi { &self.vi } else { &self.en }
    }
}

macro_rules! columns {
    ($($(#[$doc:meta])* $variant:ident $code:literal $vi:literal $en:literal $means_vi:literal $means_en:literal,)+) => {
        /// A column of a table of kinds. Repeats, as the catalogue tells them, are left out of all of them.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum KindColumn { $($(#[$doc])* $variant,)+ }

        impl KindColumn {
            /// The stable code.
            pub fn code(self) -> &'static str { match self { $(Self::$variant => $code,)+ } }
            /// The heading, in vi and en.
            pub fn title(self) -> [&'static str; 2] { match self { $(Self::$variant => [$vi, $en],)+ } }
            /// What it counts, in vi and en.
            pub fn meaning(self) -> [&'static str; 2] { match self { $(Self::$variant => [$means_vi, $means_en],)+ } }
        }
    };
}

columns! {
    /// Activities in the period.
    Activities "activities" "Lượt" "Activities"
        "Số hoạt động trong kỳ, không kể hoạt động lặp lại" "Activities in the period, repeats left out",
    /// Distinct persons.
    Persons "persons" "Người" "Persons"
        "Số người khác nhau được hỗ trợ trong kỳ" "Different persons helped in the period",
    /// Distinct households.
    Households "households" "Hộ" "House-holds"
        "Số hộ khác nhau được hỗ trợ trong kỳ" "Different households helped in the period",
    /// Done.
    Done "done" "Hoàn thành" "Done"
        "Hoạt động có kết quả hoàn thành" "Activities with the outcome done",
    /// Done in part.
    Partly "partly" "Một phần" "Partly"
        "Hoạt động hoàn thành một phần" "Activities done in part",
    /// Had it before.
    Already "already" "Đã có" "Already"
        "Người dân đã có từ trước; không tính là kết quả mới" "Was there before; no new achievement",
    /// Not done, or refused.
    NotDone "not_done" "Chưa được" "Not done"
        "Chưa làm được hoặc người dân từ chối" "Not done, or refused",
    /// Achieved since the beginning of the year.
    Cumulative "cumulative" "Lũy kế năm" "This year"
        "Hoàn thành từ đầu năm đến hết kỳ" "Done from the beginning of the year to the end of the period",
    /// The year's target.
    Target "target" "Chỉ tiêu năm" "Target"
        "Chỉ tiêu năm được giao" "The target of the year",
    /// Cumulative over target.
    Completion "completion" "Đạt (%)" "Reached (%)"
        "Lũy kế năm so với chỉ tiêu năm" "This year's total over the target",
}

/// A column of a table of units.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitColumn {
    /// Teams on the last day.
    Teams,
    /// Members on the last day.
    Members,
    /// What a kind achieved in the period.
    Kind(String),
    /// The value of an indicator.
    Indicator(String),
}

/// A step of a funnel: a household has come so far when one of its activities fits.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// In Vietnamese.
    pub vi: String,
    /// In English.
    pub en: String,
    /// Code of the kind.
    pub kind: String,
    /// Answers that it must have.
    #[serde(rename = "where")]
    pub wanted: Condition,
}

/// A part of a section. The list is closed: each is worked out by its own rule.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Block {
    /// A text that somebody types for the period.
    Typed {
        /// Its code; the key of the text.
        code: String,
        /// Heading in Vietnamese.
        vi: String,
        /// Heading in English.
        en: String,
    },
    /// The teams with members, changes, and why one is inactive.
    Teams {},
    /// The kinds with their outcomes, totals and targets.
    Kinds {
        /// Codes; `*` for all that are no cases.
        kinds: Vec<String>,
        /// In order.
        columns: Vec<KindColumn>,
    },
    /// Households on their way through steps.
    Funnel {
        /// Its code.
        code: String,
        /// Title in Vietnamese.
        vi: String,
        /// Title in English.
        en: String,
        /// In order; at least two.
        steps: Vec<Step>,
    },
    /// Why something could not be done, the most frequent first.
    FailureReasons {
        /// How many at most.
        top: usize,
    },
    /// Activities of a kind by the answer to one field, with sums of others.
    Breakdown {
        /// Title in Vietnamese.
        vi: String,
        /// Title in English.
        en: String,
        /// Code of the kind.
        kind: String,
        /// A field with options.
        field: String,
        /// Fields with whole numbers.
        sums: Vec<String>,
    },
    /// Sets of indicators: value, target, met; and whether the unit could be recognised.
    Indicators {
        /// Codes of the sets.
        sets: Vec<String>,
    },
    /// Cases: opened, answered, in time, overdue.
    Cases {
        /// Codes of the kinds of case.
        kinds: Vec<String>,
    },
    /// The units inside, side by side.
    Units {
        /// In order.
        columns: Vec<UnitColumn>,
    },
    /// Units whose report is missing or came late.
    LateList {},
    /// A day of a campaign: what the whole unit did, by kind, against its target.
    CampaignKinds {},
    /// A day of a campaign: what each unit inside did, by its teams.
    CampaignUnits {},
}

impl Block {
    /// The code of its table, once in a report.
    pub(super) fn table(&self) -> String {
        match self {
            Self::Typed { code, .. } | Self::Funnel { code, .. } => code.clone(),
            Self::Teams {} => "teams".to_owned(),
            Self::Kinds { .. } => "kinds".to_owned(),
            Self::FailureReasons { .. } => "failure_reasons".to_owned(),
            Self::Breakdown { kind, field, .. } => format!("{kind}_by_{field}"),
            Self::Indicators { .. } => "indicators".to_owned(),
            Self::Cases { .. } => "cases".to_owned(),
            Self::Units { .. } => "units".to_owned(),
            Self::LateList {} => "late_list".to_owned(),
            Self::CampaignKinds {} => "campaign".to_owned(),
            Self::CampaignUnits {} => "campaign_units".to_owned(),
        }
    }
}

/// A section of a report.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SectionLayout {
    /// Stable code.
    pub code: String,
    /// `I`, `II`, …
    pub number: String,
    /// Title in Vietnamese.
    pub vi: String,
    /// Title in English.
    pub en: String,
    #[serde(rename = "blocks")]
    _blocks: Json,
    /// In order.
    #[serde(skip)]
    pub blocks: Vec<Block>,
}

/// A report.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportLayout {
    /// A code of [`Report`].
    pub code: String,
    /// For units of this level only; a layout without it serves the others.
    #[serde(default)]
    pub level: Option<Level>,
    /// What it is about, in Vietnamese.
    pub vi: String,
    /// In English.
    pub en: String,
    /// The suffix of the paper's number, for example `BC-UBND`; empty for a paper without one.
    pub number: String,
    /// Who signs, a line each.
    pub signatory: Vec<Words>,
    /// Who gets a copy.
    pub recipients: Vec<Words>,
    #[serde(rename = "sections")]
    _sections: Json,
    /// In order.
    #[serde(skip)]
    pub sections: Vec<SectionLayout>,
}

impl ReportLayout {
    /// All blocks, in order.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.sections.iter().flat_map(|section| &section.blocks)
    }
}

/// Why a file of layouts cannot be used. Then nothing of it is.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Larger than [`LAYOUT_BYTES_MAX`].
    #[error("the file has {bytes} bytes, more than {LAYOUT_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not JSON.
    #[error("the file cannot be read: {0}")]
    Json(#[source] serde_json::Error),
    /// Of a model that this app does not know.
    #[error("the file has schema {found}, this app knows {SCHEMA_VERSION}")]
    Schema {
        /// What it says it is.
        found: u64,
    },
    /// Something in it cannot be right.
    #[error("report {report}, section {section}, at {path}: {problem}")]
    At {
        /// The report.
        report: String,
        /// The section; empty when the report itself is meant.
        section: String,
        /// The key, for example `blocks[1].kinds`.
        path: String,
        /// What.
        problem: LayoutProblem,
    },
}

impl LayoutError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Json(_) => "json",
            Self::Schema { .. } => "schema",
            Self::At { problem, .. } => problem.code(),
        }
    }
}

macro_rules! problems {
    ($($(#[$doc:meta])* $variant:ident $code:literal $text:literal,)+) => {
        /// What is wrong in a file of layouts, and what to do about it.
        #[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
        pub enum LayoutProblem {
            /// A key is missing, unknown, or of another type.
            #[error("{0}")]
            Malformed(String),
            $($(#[$doc])* #[error($text)] $variant,)+
        }
        impl LayoutProblem {
            /// The stable code.
            pub fn code(&self) -> &'static str {
                match self { Self::Malformed(_) => "malformed", $(Self::$variant => $code,)+ }
            }
        }
    };
}

problems! {
    /// No report of the calendar.
    UnknownReport "unknown_report" "the report is not known; use a code of the reporting calendar",
    /// The same code twice, or the same table twice in a report.
    DuplicateCode "duplicate_code" "the code or table occurs twice; give each its own",
    /// Lower-case ASCII letters, digits and underscores, up to 64.
    BadCode "bad_code" "the code is malformed",
    /// An empty or improper label.
    BadLabel "bad_label" "a label is missing or malformed",
    /// No kind of the catalogue.
    UnknownKind "unknown_kind" "the kind is not in the catalogue",
    /// No field of the kind.
    UnknownField "unknown_field" "the kind has no such field",
    /// A field of another type than the block can use.
    WrongFieldType "wrong_field_type" "the field has the wrong type for this",
    /// No set of indicators.
    UnknownSet "unknown_set" "the set is not in the file of indicators",
    /// No indicator.
    UnknownIndicator "unknown_indicator" "the indicator is not in the file of indicators",
    /// No kind of case.
    UnknownCase "unknown_case" "there is no such kind of case",
    /// Nothing in a list that must not be empty.
    Nothing "empty_list" "the list is empty or too short",
    /// More failure reasons than a block may ask for, or none.
    BadTop "bad_top" "ask for 1 to 20 failure reasons",
    /// A block that only a province's report can fill.
    Misplaced "misplaced_block" "this block compares communes; only the reports of a province have them",
}

#[derive(Debug)]
struct Loaded {
    version: String,
    reports: Vec<ReportLayout>,
}

/// A checked file of layouts. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Layouts(Arc<Loaded>);

/// Where the reader is, for its errors.
#[derive(Clone, Copy)]
struct Spot<'s> {
    report: &'s str,
    section: &'s str,
}

impl Spot<'_> {
    fn wrong<T>(self, path: &str, problem: LayoutProblem) -> Result<T, LayoutError> {
        let (report, section) = (self.report.to_owned(), self.section.to_owned());
        Err(LayoutError::At { report, section, path: path.to_owned(), problem })
    }

    fn read<T: DeserializeOwned>(self, path: &str, json: &Json) -> Result<T, LayoutError> {
        T::deserialize(json).or_else(|error| self.wrong(path, LayoutProblem::Malformed(error.to_string())))
    }

    fn list<'j>(self, path: &str, json: &'j Json) -> Result<&'j [Json], LayoutError> {
        match json.as_array() {
            Some(list) if !list.is_empty() => Ok(list),
            _ => self.wrong(path, LayoutProblem::Nothing),
        }
    }

    fn code(self, path: &str, code: &str) -> Result<(), LayoutError> {
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let proper = !code.is_empty() && code.len() <= 64 && code.bytes().all(letters);
        if proper { Ok(()) } else { self.wrong(path, LayoutProblem::BadCode) }
    }

    fn labels<'l>(self, path: &str, labels: impl IntoIterator<Item = &'l str>) -> Result<(), LayoutError> {
        if labels.into_iter().all(is_label) { Ok(()) } else { self.wrong(path, LayoutProblem::BadLabel) }
    }
}

impl Layouts {
    /// The text of the file that ships with the app.
    pub const SHIPPED_JSON: &'static str = include_str!("../../data/report-layouts.json");

    /// The layouts that ship with the app, for the indicators that ship with it; read once.
    pub fn shipped() -> &'static Self {
        static SHIPPED: OnceLock<Layouts> = OnceLock::new();
        SHIPPED.get_or_init(|| {
            Self::load(Self::SHIPPED_JSON, Indicators::shipped()).expect("the shipped file is loaded by our own tests")
        })
    }

    /// Reads and checks a file against the indicators that it shows, and their catalogue.
    ///
    /// # Errors
    /// [`LayoutError`] for the first thing found wrong, with its report, section and key.
    pub fn load(json: &str, indicators: &Indicators) -> Result<Self, LayoutError> {
        if json.len() > LAYOUT_BYTES_MAX {
            return Err(LayoutError::TooLarge { bytes: json.len() });
        }
        let file: Json = serde_json::from_str(json).map_err(LayoutError::Json)?;
        let schema = file.get("schema_version").and_then(Json::as_u64).unwrap_or(0);
        if schema != SCHEMA_VERSION {
            return Err(LayoutError::Schema { found: schema });
        }
        let top = Spot { report: "", section: "" };
        let Some(version) = file.get("layout_version").and_then(Json::as_str) else {
            return top.wrong("layout_version", LayoutProblem::Malformed("the version is missing".to_owned()));
        };
        let mut reports: Vec<ReportLayout> = Vec::new();
        for json in top.list("reports", &file["reports"])? {
            let report = read_report(json, indicators)?;
            if reports.iter().any(|other| other.code == report.code && other.level == report.level) {
                return Spot { report: &report.code, section: "" }.wrong("code", LayoutProblem::DuplicateCode);
            }
            reports.push(report);
        }
        Ok(Self(Arc::new(Loaded { version: version.to_owned(), reports })))
    }

    /// Version of the content.
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// The layout of a report, if the file has one; the first where it has one for each level.
    pub fn report(&self, report: Report) -> Option<&ReportLayout> {
        self.0.reports.iter().find(|layout| layout.code == report.code())
    }

    /// The layout of a report for a unit of a level: the one for that level, else the one for all.
    pub fn at(&self, report: Report, level: Level) -> Option<&ReportLayout> {
        let of = |wanted| self.0.reports.iter().find(|one| one.code == report.code() && one.level == wanted);
        of(Some(level)).or_else(|| of(None))
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && check_text(label, TextLimit { max_chars: 200, newline: false }).is_ok()
}

fn code_of(json: &Json) -> &str {
    json.get("code").and_then(Json::as_str).unwrap_or("?")
}

fn read_report(json: &Json, indicators: &Indicators) -> Result<ReportLayout, LayoutError> {
    let spot = Spot { report: code_of(json), section: "" };
    let mut report: ReportLayout = spot.read("", json)?;
    let Some(known) = Report::from_code(&report.code) else {
        return spot.wrong("code", LayoutProblem::UnknownReport);
    };
    let compares = known == Report::ProvinceMonth || report.level == Some(Level::Province);
    let signatory = report.signatory.iter().flat_map(|words| [&*words.vi, &*words.en]);
    let recipients = report.recipients.iter().flat_map(|words| [&*words.vi, &*words.en]);
    spot.labels("vi, en", [&*report.vi, &*report.en])?;
    spot.labels("signatory", signatory)?;
    spot.labels("recipients", recipients)?;
    let (mut sections, mut tables) = (BTreeSet::new(), BTreeSet::new());
    for json in spot.list("sections", &json["sections"])? {
        let spot = Spot { section: code_of(json), ..spot };
        let mut section: SectionLayout = spot.read("", json)?;
        spot.code("code", &section.code)?;
        spot.labels("vi, en, number", [&*section.vi, &*section.en, &*section.number])?;
        if !sections.insert(section.code.clone()) {
            return spot.wrong("code", LayoutProblem::DuplicateCode);
        }
        for (at, json) in spot.list("blocks", &json["blocks"])?.iter().enumerate() {
            let path = format!("blocks[{at}]");
            let block: Block = spot.read(&path, json)?;
            if let Err((key, problem)) = check_block(&block, compares, indicators) {
                return spot.wrong(&format!("{path}.{key}"), problem);
            }
            spot.code(&format!("{path}.code"), &block.table())?;
            if !tables.insert(block.table()) {
                return spot.wrong(&path, LayoutProblem::DuplicateCode);
            }
            section.blocks.push(block);
        }
        report.sections.push(section);
    }
    Ok(report)
}

fn check_block(block: &Block, compares: bool, indicators: &Indicators) -> Result<(), (&'static str, LayoutProblem)> {
    let catalogue = indicators.catalogue();
    let is = |holds: bool, key: &'static str, problem: LayoutProblem| if holds { Ok(()) } else { Err((key, problem)) };
    let known = |kind: &str| catalogue.kind(kind).is_some();
    match block {
        Block::Typed { vi, en, .. } => is(is_label(vi) && is_label(en), "vi, en", LayoutProblem::BadLabel),
        Block::Teams {} | Block::CampaignKinds {} | Block::CampaignUnits {} => Ok(()),
        Block::Kinds { kinds, columns } => {
            is(!kinds.is_empty(), "kinds", LayoutProblem::Nothing)?;
            is(!columns.is_empty(), "columns", LayoutProblem::Nothing)?;
            let each: BTreeSet<_> = columns.iter().collect();
            is(each.len() == columns.len(), "columns", LayoutProblem::DuplicateCode)?;
            is(kinds == &[ALL_KINDS] || kinds.iter().all(|kind| known(kind)), "kinds", LayoutProblem::UnknownKind)
        }
        Block::Funnel { vi, en, steps, .. } => {
            is(is_label(vi) && is_label(en), "vi, en", LayoutProblem::BadLabel)?;
            is(steps.len() > 1, "steps", LayoutProblem::Nothing)?;
            steps.iter().try_for_each(|step| {
                is(is_label(&step.vi) && is_label(&step.en), "steps", LayoutProblem::BadLabel)?;
                is(known(&step.kind), "steps", LayoutProblem::UnknownKind)?;
                let asked = step.wanted.0.keys().all(|field| field_type(catalogue, &step.kind, field).is_some());
                is(asked, "steps", LayoutProblem::UnknownField)
            })
        }
        Block::FailureReasons { top } => is((1..=REASONS_MAX).contains(top), "top", LayoutProblem::BadTop),
        Block::Breakdown { vi, en, kind, field, sums } => {
            is(is_label(vi) && is_label(en), "vi, en", LayoutProblem::BadLabel)?;
            is(known(kind), "kind", LayoutProblem::UnknownKind)?;
            let of = |field: &str| field_type(catalogue, kind, field);
            is(of(field).is_some(), "field", LayoutProblem::UnknownField)?;
            is(of(field) == Some(FieldType::Enum), "field", LayoutProblem::WrongFieldType)?;
            is(sums.iter().all(|sum| of(sum).is_some()), "sums", LayoutProblem::UnknownField)?;
            is(sums.iter().all(|sum| of(sum) == Some(FieldType::Int)), "sums", LayoutProblem::WrongFieldType)
        }
        Block::Indicators { sets } => {
            is(!sets.is_empty(), "sets", LayoutProblem::Nothing)?;
            is(sets.iter().all(|set| indicators.set(set).is_some()), "sets", LayoutProblem::UnknownSet)
        }
        Block::Cases { kinds } => {
            is(!kinds.is_empty(), "kinds", LayoutProblem::Nothing)?;
            is(kinds.iter().all(|kind| CaseKind::from_code(kind).is_some()), "kinds", LayoutProblem::UnknownCase)
        }
        Block::Units { columns } => {
            is(compares, "type", LayoutProblem::Misplaced)?;
            is(!columns.is_empty(), "columns", LayoutProblem::Nothing)?;
            columns.iter().try_for_each(|column| match column {
                UnitColumn::Kind(kind) => is(known(kind), "columns", LayoutProblem::UnknownKind),
                UnitColumn::Indicator(code) => {
                    is(indicators.indicator(code).is_some(), "columns", LayoutProblem::UnknownIndicator)
                }
                UnitColumn::Teams | UnitColumn::Members => Ok(()),
            })
        }
        Block::LateList {} => is(compares, "type", LayoutProblem::Misplaced),
    }
}

fn field_type(catalogue: &Catalogue, kind: &str, field: &str) -> Option<FieldType> {
    Some(catalogue.kind(kind)?.field(field)?.field_type)
}
