//! The activity catalogue: what a valid activity is, on the phone and on the server alike.
//!
//! The catalogue is data and travels as a bundle. Newer ones load in older apps: keys that are not known here are
//! passed over, while everything this model does know is checked for consistency when it is loaded.
//! Source: docs/GLOSSARY.md, "Activity catalogue"; the file itself carries the meaning of its codes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use regex_lite::Regex;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::ids::{Day, Month};
use crate::text::{TextLimit, check_text, clean, clean_lines, forbidden_numbers};
use crate::value::Value;

/// Stable codes of the findings that are not rules of the catalogue. Never renamed or reused.
pub mod code {
    /// A required answer is missing or empty, also when another answer makes it required.
    pub const REQUIRED: &str = "required";
    /// The answer has another type than the field.
    pub const WRONG_TYPE: &str = "wrong_type";
    /// The kind of activity is not in the catalogue.
    pub const UNKNOWN_KIND: &str = "unknown_kind";
    /// The kind was retired on or before the day of the visit. Carried, not refused.
    pub const RETIRED_KIND: &str = "retired_kind";
    /// The field is not in the catalogue. Carried, not refused.
    pub const UNKNOWN_FIELD: &str = "unknown_field";
    /// The field is one of those that must never be stored.
    pub const FORBIDDEN_FIELD: &str = "forbidden_field";
    /// The option is not in the field's list.
    pub const UNKNOWN_OPTION: &str = "unknown_option";
    /// The option is in the list, but this kind does not offer it.
    pub const OPTION_NOT_ALLOWED: &str = "option_not_allowed";
    /// The option was retired on or before the day of the visit. Carried, not refused.
    pub const RETIRED_OPTION: &str = "retired_option";
    /// The same option twice.
    pub const DUPLICATE_OPTION: &str = "duplicate_option";
    /// Fewer options chosen than asked for.
    pub const TOO_FEW: &str = "too_few";
    /// More photos than allowed.
    pub const TOO_MANY: &str = "too_many";
    /// The number is above the field's maximum.
    pub const ABOVE_MAX: &str = "above_max";
    /// The number is below the field's minimum.
    pub const BELOW_MIN: &str = "below_min";
    /// The text does not match the field's pattern.
    pub const PATTERN: &str = "pattern";
    /// A number with a fraction that is not written as plain digits with at most one dot.
    pub const BAD_DECIMAL: &str = "bad_decimal";
    /// No existing day as `YYYY-MM-DD`.
    pub const BAD_DATE: &str = "bad_date";
    /// No RFC 3339 moment with offset.
    pub const BAD_DATETIME: &str = "bad_datetime";
    /// No month as `YYYY-MM`.
    pub const BAD_MONTH: &str = "bad_month";
    /// No https link.
    pub const BAD_URL: &str = "bad_url";
    /// No place on earth.
    pub const BAD_PLACE: &str = "bad_place";
    /// The place is finer than the field's precision.
    pub const PRECISION: &str = "precision";
    /// Free text contains a personal number, a telephone number or something like an account.
    pub const FORBIDDEN_NUMBER: &str = "forbidden_number";
    /// Less evidence than the kind asks for.
    pub const EVIDENCE_MISSING: &str = "evidence_missing";
    /// The visit lies in the future.
    pub const VISIT_DATE_NOT_FUTURE: &str = "visit_date_not_future";
    /// The visit lies further back than the open window.
    pub const VISIT_DATE_WINDOW: &str = "visit_date_window";
    /// One member recorded more activities on a day than is usual.
    pub const QUANTITY_CAP: &str = "quantity_cap";
}

/// The schema of the file that this model reads.
pub const SCHEMA_VERSION: u32 = 1;
/// Largest catalogue that is loaded, in bytes.
pub const CATALOGUE_BYTES_MAX: usize = 1 << 20;
/// Prefix of kinds that a unit adds for itself.
pub const OWN_KIND_PREFIX: &str = "x_";

// ---------------------------------------------------------------------------------------------------------------------
// The model of the file

/// Which of the two languages of the interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lang {
    /// Vietnamese, the first-class one.
    Vi,
    /// English.
    En,
}

/// A code with its labels: a pillar, a group, an option of a list.
#[derive(Clone, Debug, Deserialize)]
pub struct Choice {
    /// Stable code.
    pub code: String,
    /// Label in Vietnamese.
    pub vi: String,
    /// Label in English.
    pub en: String,
    /// First day on which it is no longer offered.
    #[serde(default, deserialize_with = "day_or_none")]
    pub retired_on: Option<Day>,
}

/// What the answer to a field looks like.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// [`Value::Text`], composed and trimmed.
    Text,
    /// [`Value::Int`].
    Int,
    /// [`Value::Text`] of plain digits with at most one dot; see [`Decimal`].
    Decimal,
    /// [`Value::Bool`].
    Bool,
    /// [`Value::Text`] `YYYY-MM-DD`.
    Date,
    /// [`Value::Text`], RFC 3339 with offset.
    Datetime,
    /// [`Value::Text`] `YYYY-MM`.
    PeriodMonth,
    /// [`Value::Text`], one code.
    Enum,
    /// [`Value::Codes`].
    MultiEnum,
    /// [`Value::Ref`].
    Ref,
    /// [`Value::Int`], whole đồng.
    MoneyVnd,
    /// [`Value::Photos`].
    Photo,
    /// [`Value::Place`].
    Geo,
    /// [`Value::Text`] that matches the field's pattern.
    Code,
    /// [`Value::Text`], an https link.
    Url,
}

impl FieldType {
    fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Decimal | Self::MoneyVnd)
    }
    fn is_choice(self) -> bool {
        matches!(self, Self::Enum | Self::MultiEnum)
    }
    /// Types that a unit's own kinds may use: nothing that names a person, a picture or a place.
    fn is_simple(self) -> bool {
        !matches!(self, Self::Ref | Self::Photo | Self::Geo)
    }
}

/// Who may see an answer, and what must not be in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// Needs consent; masked by default.
    Personal,
    /// For the team and the commune officer only.
    Restricted,
    /// Scanned for numbers that must not be stored.
    FreeText,
    /// Must not be stored; no field may carry it.
    Never,
}

/// A value in a condition.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// Compared with a yes-or-no answer.
    Bool(bool),
    /// Compared with a whole number.
    Int(i64),
    /// Compared with a code or a text; for several codes, one equal code is enough.
    Text(String),
}

/// Field codes with the answers that fulfil the condition. All fields must fit, each with any one of its values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition(pub BTreeMap<String, Vec<Scalar>>);

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMany {
            Many(Vec<Scalar>),
            One(Scalar),
        }
        let raw = BTreeMap::<String, OneOrMany>::deserialize(deserializer)?;
        let values = |one_or_many| match one_or_many {
            OneOrMany::Many(values) => values,
            OneOrMany::One(value) => vec![value],
        };
        Ok(Self(raw.into_iter().map(|(field, wanted)| (field, values(wanted))).collect()))
    }
}

impl Condition {
    /// Whether the answers fulfil the condition. A missing answer never does.
    pub fn holds(&self, fields: &BTreeMap<String, Value>) -> bool {
        self.0.iter().all(|(field, wanted)| fields.get(field).is_some_and(|value| meets(value, wanted)))
    }
}

pub(crate) fn meets(value: &Value, wanted: &[Scalar]) -> bool {
    wanted.iter().any(|wanted| match (wanted, value) {
        (Scalar::Bool(wanted), Value::Bool(value)) => wanted == value,
        (Scalar::Int(wanted), Value::Int(value)) => wanted == value,
        (Scalar::Text(wanted), Value::Text(value)) => wanted == value,
        (Scalar::Text(wanted), Value::Codes(codes)) => codes.contains(wanted),
        _ => false,
    })
}

/// One question of a kind.
#[derive(Clone, Debug, Deserialize)]
pub struct Field {
    /// Stable code; the key of the answer.
    pub code: String,
    /// Shape of the answer.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// Label in Vietnamese.
    pub vi: String,
    /// Label in English.
    pub en: String,
    /// Help in Vietnamese.
    #[serde(default)]
    pub help_vi: Option<String>,
    /// Help in English.
    #[serde(default)]
    pub help_en: Option<String>,
    /// Whether an answer must be given whatever the other answers are.
    #[serde(default)]
    pub required: bool,
    /// Other answers that make this one required.
    #[serde(default)]
    pub required_if: Option<Condition>,
    /// What a reference names.
    #[serde(default, rename = "ref")]
    pub reference: Option<String>,
    /// Who may see the answer.
    #[serde(default)]
    pub sensitivity: Option<Sensitivity>,
    /// The field's own options; instead of `list`.
    #[serde(default)]
    pub options: Vec<Choice>,
    /// Name of a shared list; instead of `options`.
    #[serde(default)]
    pub list: Option<String>,
    /// Those codes of the list that this field offers; all when absent.
    #[serde(default)]
    pub allow: Option<Vec<String>>,
    /// Smallest number.
    #[serde(default)]
    pub min: Option<Decimal>,
    /// Largest number.
    #[serde(default)]
    pub max: Option<Decimal>,
    /// Fewest options chosen, when any is.
    #[serde(default)]
    pub min_items: Option<usize>,
    /// Longest text, in characters.
    #[serde(default)]
    pub max_length: Option<usize>,
    /// Most photos.
    #[serde(default)]
    pub max_count: Option<usize>,
    /// Regular expression of a code; it says itself where it is anchored.
    #[serde(default)]
    pub pattern: Option<String>,
    /// Decimals of a degree that are kept, at most three.
    #[serde(default)]
    pub precision_decimals: Option<u8>,
    /// Name of a list of proposals for a text; not binding.
    #[serde(default)]
    pub suggest: Option<String>,
    #[serde(skip)]
    regex: Option<Regex>,
    #[serde(skip)]
    choices: Vec<Choice>,
    #[serde(skip)]
    withheld: BTreeSet<String>,
}

impl Field {
    /// The label in one language.
    pub fn label(&self, lang: Lang) -> &str {
        pick(lang, &self.vi, &self.en)
    }
    /// The options offered, from the field itself or from its list, in the order of the file.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }
    /// Whether the answer is scanned for numbers that must not be stored.
    pub fn is_free_text(&self) -> bool {
        self.sensitivity == Some(Sensitivity::FreeText)
    }
    /// What the text of this field may be.
    pub fn text_limit(&self) -> TextLimit {
        let default = match self.field_type {
            FieldType::Url => TextLimit { max_chars: 300, newline: false },
            _ if self.is_free_text() => TextLimit::NOTE,
            _ => TextLimit::NAME,
        };
        TextLimit { max_chars: self.max_length.unwrap_or(default.max_chars), ..default }
    }
    /// Most photos when the field sets no limit of its own.
    pub const PHOTOS_DEFAULT: usize = 3;
}

/// How grave a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The activity cannot be submitted as it is.
    Error,
    /// Accepted and marked for review.
    Warn,
    /// To be read, nothing else.
    Info,
}

/// What a rule compares.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Check {
    /// `left` is at most `right`; skipped when either is empty.
    Le {
        /// Field code.
        left: String,
        /// Field code.
        right: String,
    },
    /// Every one of `fields` is at most `right`; each is skipped when it or `right` is empty.
    AllLe {
        /// Field codes.
        fields: Vec<String>,
        /// Field code.
        right: String,
    },
    /// When `given` holds, `then` must hold too.
    Implies {
        /// The condition.
        #[serde(rename = "if")]
        given: Condition,
        /// What follows from it.
        then: Condition,
    },
    /// No number falls by more than `percent` against the last approved activity of the same kind and unit.
    DropAgainstLastApproved {
        /// 1 to 100.
        percent: u32,
    },
}

/// A rule of a kind. Without a check it is a hint for people and is not enforced.
#[derive(Clone, Debug, Deserialize)]
pub struct Rule {
    /// Stable code; the code of the finding.
    pub code: String,
    /// Severity of the finding.
    pub severity: Severity,
    /// What is compared.
    #[serde(default)]
    pub check: Option<Check>,
    /// Wording in Vietnamese.
    pub vi: String,
    /// Wording in English.
    pub en: String,
}

/// Something that shows that an activity took place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// A photo.
    Photo,
    /// A link.
    Link,
    /// A reference number of an office.
    Reference,
}

/// Whether a kind asks for evidence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceMode {
    /// Not asked for.
    #[default]
    None,
    /// May be added.
    Optional,
    /// At least `min` items of each listed type.
    Required,
    /// At least `min` items of the listed types taken together.
    RequiredAny,
}

/// The evidence of a kind.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Evidence {
    /// Whether it is asked for.
    pub mode: EvidenceMode,
    /// Types that count.
    #[serde(default)]
    pub types: Vec<EvidenceKind>,
    /// Fewest items; 1 when absent.
    #[serde(default)]
    pub min: Option<usize>,
    /// Advice in Vietnamese.
    #[serde(default)]
    pub note_vi: Option<String>,
    /// Advice in English.
    #[serde(default)]
    pub note_en: Option<String>,
}

/// Within what a repeat is a repeat.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DedupeScope {
    /// Every activity counts.
    #[default]
    None,
    /// The same person.
    Person,
    /// The same household.
    Household,
    /// The same business.
    Business,
    /// The same product.
    Product,
    /// The same market.
    Market,
    /// The same village.
    Village,
}

/// For how long a repeat is a repeat.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DedupeWindow {
    /// For good.
    Ever,
    /// Within a day.
    Day,
    /// Within a reporting month.
    Month,
    /// Within half a year.
    HalfYear,
    /// Within a year.
    Year,
    /// While the case is open.
    OpenCase,
}

/// An answer that takes part in recognising a repeat: `field`, or `field=value` for "only with this answer".
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DedupeOn {
    /// Field code.
    pub field: String,
    /// The answer that counts.
    pub equals: Option<String>,
}

impl<'de> Deserialize<'de> for DedupeOn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.split_once('=') {
            Some((field, value)) => Self { field: field.to_owned(), equals: Some(value.to_owned()) },
            None => Self { field: text, equals: None },
        })
    }
}

/// When a second activity is stored as a repeat and not counted.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Dedupe {
    /// Within what.
    pub scope: DedupeScope,
    /// For how long; absent when every activity counts.
    #[serde(default)]
    pub window: Option<DedupeWindow>,
    /// Answers that must be equal.
    #[serde(default)]
    pub on: Vec<DedupeOn>,
}

/// What a state becomes.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(untagged)]
pub enum StateValue {
    /// As given.
    Fixed(bool),
    /// The answer to a field.
    Field {
        /// Field code.
        field: String,
    },
    /// The first field divided by the second.
    Ratio {
        /// Two field codes.
        ratio: [String; 2],
    },
    /// All answers with their date; the only word is `all_fields`.
    Snapshot {
        /// What is kept.
        snapshot: String,
    },
}

/// A state that an approved activity sets on its subject.
#[derive(Clone, Debug, Deserialize)]
pub struct StateRule {
    /// Whose state.
    pub subject: String,
    /// Stable code of the state.
    pub state: String,
    /// What it becomes.
    pub value: StateValue,
    /// On which answers; for a case also its `status`.
    pub when: Condition,
}

/// A kind of activity.
#[derive(Clone, Debug, Deserialize)]
pub struct Kind {
    /// Stable code. A unit's own kinds begin with `x_`.
    pub code: String,
    /// Label in Vietnamese.
    pub vi: String,
    /// Label in English.
    pub en: String,
    /// Pillar code.
    pub pillar: String,
    /// Group code.
    pub group: String,
    /// What the activity is about.
    pub subject: String,
    /// What is counted.
    pub count_unit: String,
    /// `visit` or `case`.
    pub workflow: String,
    /// The questions, in order.
    pub fields: Vec<Field>,
    /// Rules over several answers.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What must be shown.
    #[serde(default)]
    pub evidence: Evidence,
    /// What it changes about its subject.
    #[serde(default)]
    pub sets_state: Vec<StateRule>,
    /// When a repeat is not counted.
    #[serde(default)]
    pub dedupe: Dedupe,
    /// Weight in a team's score.
    #[serde(default)]
    pub points: u32,
    /// Release in which the forms offer it, 1 or 2. Not a rule: an answer is valid in either.
    #[serde(default = "one")]
    pub release_phase: u32,
    /// Remark of the file's authors.
    #[serde(default)]
    pub note: Option<String>,
    /// First day on which it is no longer offered.
    #[serde(default, deserialize_with = "day_or_none")]
    pub retired_on: Option<Day>,
}

impl Kind {
    /// The label in one language.
    pub fn label(&self, lang: Lang) -> &str {
        pick(lang, &self.vi, &self.en)
    }
    /// The rule by which activities of this kind are counts, tied to no household: a membership that is nobody's business.
    pub fn counts_only(&self) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.code == "counts_only")
    }

    /// The field of that code.
    pub fn field(&self, code: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.code == code)
    }
    /// Whether it lives on as a case after its visit.
    pub fn is_case(&self) -> bool {
        self.workflow == "case"
    }
    /// Whether a unit added it for itself.
    pub fn is_own(&self) -> bool {
        self.code.starts_with(OWN_KIND_PREFIX)
    }
    /// Whether forms still offer it on a day.
    pub fn is_offered_on(&self, day: Day) -> bool {
        self.retired_on.is_none_or(|retired| day < retired)
    }
    /// Rules without a check: what the form tells people, never a finding.
    pub fn hints(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| rule.check.is_none())
    }
}

/// One step of a workflow.
#[derive(Clone, Debug, Deserialize)]
pub struct Transition {
    /// Status before.
    pub from: String,
    /// Status after.
    pub to: String,
    /// Roles that may take it.
    pub by: Vec<String>,
    /// What must be said with it.
    #[serde(default)]
    pub needs: Option<String>,
    /// In words, when it is open.
    #[serde(default)]
    pub only_if: Option<String>,
}

/// The statuses of a visit or a case and the steps between them.
#[derive(Clone, Debug, Deserialize)]
pub struct Workflow {
    /// In words, what it is for.
    #[serde(default)]
    pub applies_to: Option<String>,
    /// Status codes.
    pub statuses: Vec<String>,
    /// Steps.
    pub transitions: Vec<Transition>,
}

/// A rule that holds for all kinds; the helpers below and the server enforce them.
#[derive(Clone, Debug, Deserialize)]
pub struct CommonRule {
    /// Stable code.
    pub code: String,
    /// Severity of the finding.
    pub severity: Severity,
    /// Wording in Vietnamese.
    pub vi: String,
    /// Wording in English.
    pub en: String,
}

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
pub struct CatalogueFile {
    /// Version of the model.
    pub schema_version: u32,
    /// Version of the content; travels with each activity.
    pub catalogue_version: String,
    /// Languages of the labels.
    #[serde(default)]
    pub language: Vec<String>,
    /// What the file is.
    #[serde(default)]
    pub about: String,
    /// The four pillars.
    pub pillars: Vec<Choice>,
    /// Groups for the forms.
    pub groups: Vec<Choice>,
    /// `visit` and `case`.
    pub workflows: BTreeMap<String, Workflow>,
    /// Meaning of the field types, in words.
    #[serde(default)]
    pub field_types: BTreeMap<String, String>,
    /// Meaning of the sensitivities, in words.
    #[serde(default)]
    pub sensitivity: BTreeMap<String, String>,
    /// Field codes that must never exist.
    #[serde(default)]
    pub forbidden_fields: BTreeSet<String>,
    /// Meaning of the state values, in words.
    #[serde(default)]
    pub state_values: BTreeMap<String, String>,
    /// Meaning of the checks, in words.
    #[serde(default)]
    pub rule_checks: BTreeMap<String, String>,
    /// Rules for all kinds.
    #[serde(default)]
    pub common_rules: Vec<CommonRule>,
    /// Meaning of the evidence modes, in words.
    #[serde(default)]
    pub evidence_modes: BTreeMap<String, String>,
    /// Shared lists of options.
    pub lists: BTreeMap<String, Vec<Choice>>,
    /// The kinds, in order.
    pub kinds: Vec<Kind>,
}

fn one() -> u32 {
    1
}

fn pick<'a>(lang: Lang, vi: &'a str, en: &'a str) -> &'a str {
    match lang {
        Lang::Vi => vi,
        Lang::En => en,
    }
}

fn day_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Day>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| read_day(&text).ok_or_else(|| D::Error::custom("not a day as YYYY-MM-DD"))).transpose()
}

fn read_day(text: &str) -> Option<Day> {
    // Written back, so that only the one canonical form of a day passes.
    Day::parse(text).filter(|day| day.to_string() == text)
}

/// An exact number with up to nine decimals; floats would not compare the same everywhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Decimal(i128);

impl Decimal {
    /// Most digits behind the dot.
    pub const FRACTION_DIGITS: usize = 9;
    /// Most digits before the dot.
    pub const WHOLE_DIGITS: usize = 18;
    const ONE: i128 = 1_000_000_000;

    /// Reads digits with at most one dot between digits, optionally behind a minus sign. No exponent, no plus sign.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (digits, ""),
        };
        if whole.is_empty() || whole.len() > Self::WHOLE_DIGITS || fraction.len() > Self::FRACTION_DIGITS {
            return None;
        }
        let mut scaled: i128 = 0;
        let padding = std::iter::repeat_n(b'0', Self::FRACTION_DIGITS - fraction.len());
        for digit in whole.bytes().chain(fraction.bytes()).chain(padding) {
            if !digit.is_ascii_digit() {
                return None;
            }
            scaled = scaled * 10 + i128::from(digit - b'0');
        }
        Some(Self(if negative { -scaled } else { scaled }))
    }

    /// The same number, exactly.
    pub fn from_int(number: i64) -> Self {
        Self(i128::from(number) * Self::ONE)
    }

    fn is_whole(self) -> bool {
        self.0 % Self::ONE == 0
    }

    /// Rounded to so many decimals, halves away from zero, and given as a count of the last one.
    pub(crate) fn rounded(self, decimals: u8) -> i128 {
        let step = (u32::from(decimals)..9).fold(1i128, |step, _| step * 10);
        let half = if self.0 < 0 { -step / 2 } else { step / 2 };
        (self.0 + half) / step
    }

    /// With a thousands separator and a decimal mark, for people.
    pub(crate) fn spelled(self, lang: Lang) -> String {
        let (thousands, mark) = match lang {
            Lang::Vi => ('.', ','),
            Lang::En => (',', '.'),
        };
        let plain = self.to_string();
        let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
        let mut spelled = String::new();
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at).is_multiple_of(3) && !spelled.ends_with('-') {
                spelled.push(thousands);
            }
            spelled.push(digit);
        }
        if !fraction.is_empty() {
            spelled.push(mark);
            spelled.push_str(fraction);
        }
        spelled
    }
}

impl std::fmt::Display for Decimal {
    /// The canonical form: no needless zeros, no dot without a fraction.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) = (self.0.abs() / Self::ONE, self.0.abs() % Self::ONE);
        let fraction = format!("{fraction:09}");
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            fraction => write!(f, "{sign}{whole}.{fraction}"),
        }
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        Self::parse(&number.to_string()).ok_or_else(|| D::Error::custom("not a number with at most nine decimals"))
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Loading

/// Why a catalogue cannot be used. Says nothing about any household: catalogues hold no personal data.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Larger than [`CATALOGUE_BYTES_MAX`].
    #[error("the catalogue has {bytes} bytes, more than {CATALOGUE_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not JSON, or not of this model.
    #[error("the catalogue cannot be read")]
    Json(#[source] serde_json::Error),
    /// Of a model that this app does not know.
    #[error("the catalogue has schema {found}, this app knows {SCHEMA_VERSION}")]
    Schema {
        /// What it says it is.
        found: u64,
    },
    /// Contradicts itself.
    #[error("the catalogue contradicts itself at {at}: {problem}")]
    Inconsistent {
        /// Where, for example `vneid_level2.step`.
        at: String,
        /// What.
        problem: Problem,
    },
}

/// What is wrong inside a catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Problem {
    /// Codes are lower-case ASCII letters, digits and underscores, up to 64 of them.
    #[error("the code is malformed")]
    BadCode,
    /// The code occurs twice among its siblings.
    #[error("the code occurs twice")]
    DuplicateCode,
    /// A label is empty or no proper text.
    #[error("a label is missing or malformed")]
    BadLabel,
    /// A pillar, group or workflow does not exist.
    #[error("a pillar, group or workflow does not exist")]
    UnknownParent,
    /// The field is one of those that must never exist.
    #[error("the field must never be stored")]
    ForbiddenField,
    /// The list does not exist.
    #[error("the list does not exist")]
    UnknownList,
    /// A choice needs either a list or options, and nothing else may have them.
    #[error("exactly choices have a list or options")]
    BadChoices,
    /// An allowed, compared or demanded option does not exist.
    #[error("the option does not exist")]
    UnknownOption,
    /// The pattern is missing, misplaced or does not compile.
    #[error("the pattern is missing, misplaced or malformed")]
    BadPattern,
    /// The minimum exceeds the maximum, or a bound does not fit the type.
    #[error("the bounds do not fit")]
    BadBounds,
    /// A field is named that the kind does not have.
    #[error("the field does not exist")]
    UnknownField,
    /// The field that is named has a type for which the rule makes no sense.
    #[error("the field has the wrong type for this")]
    WrongFieldType,
    /// An error or a warning that nothing checks, or a check with senseless numbers.
    #[error("the rule cannot be checked")]
    BadRule,
    /// Evidence is required, but no type is named or the number is zero.
    #[error("the evidence cannot be satisfied")]
    BadEvidence,
    /// A repeat needs both a scope and a window.
    #[error("the repeat rule is incomplete")]
    BadDedupe,
    /// A state is set to something unknown.
    #[error("the state rule is malformed")]
    BadState,
    /// A status is named that the workflow does not have.
    #[error("the status does not exist")]
    UnknownStatus,
    /// A unit's own kind uses a type that is reserved for core kinds.
    #[error("a unit's own kind may only use simple types")]
    NotSimple,
}

fn inconsistent(at: impl Into<String>, problem: Problem) -> CatalogueError {
    CatalogueError::Inconsistent { at: at.into(), problem }
}

/// A catalogue that has been checked. Cloning shares it.
#[derive(Clone)]
pub struct Catalogue(Arc<Loaded>);

struct Loaded {
    file: CatalogueFile,
    by_code: BTreeMap<String, usize>,
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Catalogue({})", self.version())
    }
}

impl Catalogue {
    /// The text of the catalogue that ships with the app.
    pub const SHIPPED_JSON: &'static str = include_str!("../data/activity-catalogue.json");

    /// The catalogue that ships with the app; read once.
    pub fn shipped() -> &'static Self {
        static SHIPPED: OnceLock<Catalogue> = OnceLock::new();
        SHIPPED
            .get_or_init(|| Self::load(Self::SHIPPED_JSON).expect("the shipped catalogue is loaded by our own tests"))
    }

    /// Reads and checks a catalogue.
    ///
    /// # Errors
    /// [`CatalogueError`] for the first thing found wrong; then nothing of the file is used.
    pub fn load(json: &str) -> Result<Self, CatalogueError> {
        #[derive(Deserialize)]
        struct Head {
            schema_version: u64,
        }
        if json.len() > CATALOGUE_BYTES_MAX {
            return Err(CatalogueError::TooLarge { bytes: json.len() });
        }
        // The version first: a newer model would otherwise be reported as broken JSON.
        let head: Head = serde_json::from_str(json).map_err(CatalogueError::Json)?;
        if head.schema_version != u64::from(SCHEMA_VERSION) {
            return Err(CatalogueError::Schema { found: head.schema_version });
        }
        let mut file: CatalogueFile = serde_json::from_str(json).map_err(CatalogueError::Json)?;
        file.check_shared()?;
        let mut by_code = BTreeMap::new();
        let mut kinds = std::mem::take(&mut file.kinds);
        for (at, kind) in kinds.iter_mut().enumerate() {
            check_code(&kind.code, &kind.code)?;
            if by_code.insert(kind.code.clone(), at).is_some() {
                return Err(inconsistent(&*kind.code, Problem::DuplicateCode));
            }
            kind.prepare(&file)?;
        }
        file.kinds = kinds;
        Ok(Self(Arc::new(Loaded { file, by_code })))
    }

    /// Version of the content, which travels with each activity.
    pub fn version(&self) -> &str {
        &self.0.file.catalogue_version
    }

    /// Everything the file says.
    pub fn file(&self) -> &CatalogueFile {
        &self.0.file
    }

    /// All kinds in the order of the file.
    pub fn kinds(&self) -> &[Kind] {
        &self.0.file.kinds
    }

    /// The kind of that code.
    pub fn kind(&self, code: &str) -> Option<&Kind> {
        self.0.by_code.get(code).and_then(|at| self.0.file.kinds.get(*at))
    }

    /// The options of a shared list.
    pub fn list(&self, name: &str) -> Option<&[Choice]> {
        self.0.file.lists.get(name).map(Vec::as_slice)
    }

    /// The label of a kind.
    pub fn label(&self, kind: &str, lang: Lang) -> Option<&str> {
        Some(self.kind(kind)?.label(lang))
    }

    /// The label of a field.
    pub fn field_label(&self, kind: &str, field: &str, lang: Lang) -> Option<&str> {
        Some(self.kind(kind)?.field(field)?.label(lang))
    }

    /// The label of an option of a field.
    pub fn option_label(&self, kind: &str, field: &str, option: &str, lang: Lang) -> Option<&str> {
        let choice = self.kind(kind)?.field(field)?.choices.iter().find(|choice| choice.code == option)?;
        Some(pick(lang, &choice.vi, &choice.en))
    }
}

fn check_code(code: &str, at: &str) -> Result<(), CatalogueError> {
    let well_formed = !code.is_empty()
        && code.len() <= 64
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if well_formed { Ok(()) } else { Err(inconsistent(at, Problem::BadCode)) }
}

fn check_labels(vi: &str, en: &str, at: &str) -> Result<(), CatalogueError> {
    let proper =
        |label: &str| !label.is_empty() && check_text(label, TextLimit { max_chars: 300, newline: false }).is_ok();
    if proper(vi) && proper(en) { Ok(()) } else { Err(inconsistent(at, Problem::BadLabel)) }
}

fn check_choices(choices: &[Choice], at: &str) -> Result<(), CatalogueError> {
    let mut seen = BTreeSet::new();
    for choice in choices {
        let at = format!("{at}.{}", choice.code);
        check_code(&choice.code, &at)?;
        check_labels(&choice.vi, &choice.en, &at)?;
        if !seen.insert(&choice.code) {
            return Err(inconsistent(at, Problem::DuplicateCode));
        }
    }
    Ok(())
}

impl CatalogueFile {
    fn check_shared(&self) -> Result<(), CatalogueError> {
        check_choices(&self.pillars, "pillars")?;
        check_choices(&self.groups, "groups")?;
        for (name, choices) in &self.lists {
            check_code(name, name)?;
            check_choices(choices, name)?;
        }
        for (name, workflow) in &self.workflows {
            let known = |status: &String| workflow.statuses.contains(status);
            if !workflow.transitions.iter().all(|step| known(&step.from) && known(&step.to)) {
                return Err(inconsistent(format!("workflows.{name}"), Problem::UnknownStatus));
            }
        }
        let mut seen = BTreeSet::new();
        for rule in &self.common_rules {
            if !seen.insert(&rule.code) {
                return Err(inconsistent(format!("common_rules.{}", rule.code), Problem::DuplicateCode));
            }
        }
        Ok(())
    }
}

impl Kind {
    /// Checks the kind against the file and resolves its options and patterns.
    fn prepare(&mut self, file: &CatalogueFile) -> Result<(), CatalogueError> {
        let here = self.code.clone();
        check_labels(&self.vi, &self.en, &here)?;
        let workflow = file.workflows.get(&self.workflow);
        let known = |choices: &[Choice], code: &str| choices.iter().any(|choice| choice.code == code);
        if !known(&file.pillars, &self.pillar) || !known(&file.groups, &self.group) || workflow.is_none() {
            return Err(inconsistent(here, Problem::UnknownParent));
        }
        let own = self.is_own();
        let mut seen = BTreeSet::new();
        for field in &mut self.fields {
            let at = format!("{here}.{}", field.code);
            field.prepare(file, &at)?;
            if own && !field.field_type.is_simple() {
                return Err(inconsistent(at, Problem::NotSimple));
            }
            if !seen.insert(field.code.clone()) {
                return Err(inconsistent(at, Problem::DuplicateCode));
            }
        }
        for field in &self.fields {
            if let Some(condition) = &field.required_if {
                self.check_condition(condition, &format!("{here}.{}.required_if", field.code))?;
            }
        }
        let mut seen = BTreeSet::new();
        for rule in &self.rules {
            let at = format!("{here}.{}", rule.code);
            check_code(&rule.code, &at)?;
            check_labels(&rule.vi, &rule.en, &at)?;
            if !seen.insert(&rule.code) {
                return Err(inconsistent(at, Problem::DuplicateCode));
            }
            self.check_rule(rule, &at)?;
        }
        let asks = matches!(self.evidence.mode, EvidenceMode::Required | EvidenceMode::RequiredAny);
        if asks && (self.evidence.types.is_empty() || self.evidence.min == Some(0)) {
            return Err(inconsistent(format!("{here}.evidence"), Problem::BadEvidence));
        }
        self.check_dedupe()?;
        self.check_states(workflow)
    }

    fn check_rule(&self, rule: &Rule, at: &str) -> Result<(), CatalogueError> {
        match &rule.check {
            None if rule.severity == Severity::Info => Ok(()),
            None => Err(inconsistent(at, Problem::BadRule)),
            Some(Check::Le { left, right }) => {
                self.check_number(left, at)?;
                self.check_number(right, at)
            }
            Some(Check::AllLe { fields, right }) => {
                self.check_number(right, at)?;
                fields.iter().try_for_each(|field| self.check_number(field, at))
            }
            Some(Check::Implies { given, then }) => {
                self.check_condition(given, at)?;
                self.check_condition(then, at)
            }
            Some(Check::DropAgainstLastApproved { percent: 1..=100 }) => Ok(()),
            Some(Check::DropAgainstLastApproved { .. }) => Err(inconsistent(at, Problem::BadRule)),
        }
    }

    fn check_number(&self, code: &str, at: &str) -> Result<(), CatalogueError> {
        match self.field(code) {
            None => Err(inconsistent(at, Problem::UnknownField)),
            Some(field) if !field.field_type.is_number() => Err(inconsistent(at, Problem::WrongFieldType)),
            Some(_) => Ok(()),
        }
    }

    fn check_condition(&self, condition: &Condition, at: &str) -> Result<(), CatalogueError> {
        for (code, wanted) in &condition.0 {
            let field = self.field(code).ok_or_else(|| inconsistent(at, Problem::UnknownField))?;
            for wanted in wanted {
                let fits = match wanted {
                    Scalar::Bool(_) => field.field_type == FieldType::Bool,
                    Scalar::Int(_) => matches!(field.field_type, FieldType::Int | FieldType::MoneyVnd),
                    Scalar::Text(_) => !field.field_type.is_number() && field.field_type != FieldType::Bool,
                };
                if !fits {
                    return Err(inconsistent(at, Problem::WrongFieldType));
                }
                if let (true, Scalar::Text(option)) = (field.field_type.is_choice(), wanted)
                    && !field.choices.iter().any(|choice| choice.code == *option)
                {
                    return Err(inconsistent(at, Problem::UnknownOption));
                }
            }
        }
        Ok(())
    }

    fn check_dedupe(&self) -> Result<(), CatalogueError> {
        let at = format!("{}.dedupe", self.code);
        if (self.dedupe.scope == DedupeScope::None) != self.dedupe.window.is_none() {
            return Err(inconsistent(at, Problem::BadDedupe));
        }
        for on in &self.dedupe.on {
            let field = self.field(&on.field).ok_or_else(|| inconsistent(&*at, Problem::UnknownField))?;
            if let Some(option) = &on.equals
                && field.field_type.is_choice()
                && !field.choices.iter().any(|choice| choice.code == *option)
            {
                return Err(inconsistent(at, Problem::UnknownOption));
            }
        }
        Ok(())
    }

    fn check_states(&self, workflow: Option<&Workflow>) -> Result<(), CatalogueError> {
        for rule in &self.sets_state {
            let at = format!("{}.sets_state.{}", self.code, rule.state);
            check_code(&rule.state, &at)?;
            let mut when = rule.when.clone();
            // The status of a case is no answer, but a state may depend on it.
            if self.is_case()
                && let Some(statuses) = when.0.remove("status")
            {
                let known = |status: &Scalar| match (status, workflow) {
                    (Scalar::Text(status), Some(workflow)) => workflow.statuses.contains(status),
                    _ => false,
                };
                if !statuses.iter().all(known) {
                    return Err(inconsistent(at, Problem::UnknownStatus));
                }
            }
            self.check_condition(&when, &at)?;
            match &rule.value {
                StateValue::Fixed(_) => {}
                StateValue::Field { field } if self.field(field).is_some() => {}
                StateValue::Field { .. } => return Err(inconsistent(at, Problem::UnknownField)),
                StateValue::Ratio { ratio } => ratio.iter().try_for_each(|field| self.check_number(field, &at))?,
                StateValue::Snapshot { snapshot } if snapshot == "all_fields" => {}
                StateValue::Snapshot { .. } => return Err(inconsistent(at, Problem::BadState)),
            }
        }
        Ok(())
    }
}

impl Field {
    fn prepare(&mut self, file: &CatalogueFile, at: &str) -> Result<(), CatalogueError> {
        let wrong = |problem| Err(inconsistent(at, problem));
        check_code(&self.code, at)?;
        check_labels(&self.vi, &self.en, at)?;
        if file.forbidden_fields.contains(&self.code) || self.sensitivity == Some(Sensitivity::Never) {
            return wrong(Problem::ForbiddenField);
        }
        let ty = self.field_type;
        let misplaced = (self.allow.is_some() && self.list.is_none())
            || (ty != FieldType::MultiEnum && self.min_items.is_some())
            || (ty.is_choice() && self.list.is_some() != self.options.is_empty())
            || (!ty.is_choice() && (self.list.is_some() || !self.options.is_empty()));
        if misplaced {
            return wrong(Problem::BadChoices);
        }
        self.choices = match &self.list {
            None => self.options.clone(),
            Some(name) => match file.lists.get(name) {
                Some(choices) => choices.clone(),
                None => return wrong(Problem::UnknownList),
            },
        };
        check_choices(&self.choices, at)?;
        if let Some(allow) = &self.allow {
            if !allow.iter().all(|code| self.choices.iter().any(|choice| choice.code == *code)) {
                return wrong(Problem::UnknownOption);
            }
            let (offered, withheld) = self.choices.drain(..).partition(|choice| allow.contains(&choice.code));
            self.choices = offered;
            self.withheld = Vec::into_iter(withheld).map(|choice: Choice| choice.code).collect();
        }
        if self.min_items.is_some_and(|min| min > self.choices.len()) {
            return wrong(Problem::BadBounds);
        }
        self.check_bounds(at)?;
        self.regex = match (&self.pattern, ty) {
            (Some(pattern), FieldType::Code | FieldType::Text) => match Regex::new(pattern) {
                Ok(regex) => Some(regex),
                Err(_) => return wrong(Problem::BadPattern),
            },
            (None, FieldType::Code) | (Some(_), _) => return wrong(Problem::BadPattern),
            (None, _) => None,
        };
        Ok(())
    }

    fn check_bounds(&self, at: &str) -> Result<(), CatalogueError> {
        let ty = self.field_type;
        let bounds = || self.min.iter().chain(&self.max);
        let takes_length = matches!(ty, FieldType::Text | FieldType::Code | FieldType::Url);
        let fits = (ty.is_number() || bounds().next().is_none())
            && (ty == FieldType::Decimal || bounds().all(|bound| bound.is_whole()))
            && !matches!((self.min, self.max), (Some(min), Some(max)) if min > max)
            && self.max_length.is_none_or(|max| (1..=TextLimit::NOTE.max_chars).contains(&max) && takes_length)
            && self.max_count.is_none_or(|max| max > 0 && ty == FieldType::Photo)
            // Finer places are never stored; see `Value::Place`.
            && self.precision_decimals.is_none_or(|decimals| decimals <= 3 && ty == FieldType::Geo);
        if fits { Ok(()) } else { Err(inconsistent(at, Problem::BadBounds)) }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Validating

/// What a person answered: the content of one activity. How it travels: docs/PROTOCOL.md, "Answers".
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ActivityContent {
    /// Code of the kind.
    pub kind: String,
    /// Answers by field code. An answer that was not given is absent.
    pub fields: BTreeMap<String, Value>,
}

/// What happens when required evidence is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EvidencePolicy {
    /// An error: the activity cannot be submitted.
    Enforce,
    /// A warning with the same code, for releases and devices that cannot take photos.
    FlagOnly,
}

/// What validation must know besides the answers.
#[derive(Clone, Copy, Debug)]
pub struct ActivityFacts<'a> {
    /// Day of the visit.
    pub visit_day: Day,
    /// One entry per item attached to the activity.
    pub evidence: &'a [EvidenceKind],
    /// What missing evidence means.
    pub evidence_policy: EvidencePolicy,
    /// Answers of the last approved activity of the same kind and unit, if there is one.
    pub last_approved: Option<&'a BTreeMap<String, Value>>,
}

/// One thing that is wrong with an activity or worth a look. Never repeats an answer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// How grave.
    pub severity: Severity,
    /// Stable: one of [`code`], a code of [`crate::text::TextFault`], or the catalogue's rule.
    pub code: String,
    /// The field it belongs to.
    pub field: Option<String>,
    /// Wording in Vietnamese.
    pub vi: String,
    /// Wording in English.
    pub en: String,
}

impl Finding {
    fn new(severity: Severity, code: &str, field: Option<&str>, vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { severity, code: code.to_owned(), field: field.map(str::to_owned), vi: vi.into(), en: en.into() }
    }

    /// About a field of the catalogue: the wording follows the field's label.
    fn at(severity: Severity, code: &str, field: &Field, vi: &str, en: &str) -> Self {
        let (vi, en) = (format!("«{}»: {vi}", field.vi), format!("“{}”: {en}", field.en));
        Self::new(severity, code, Some(&field.code), vi, en)
    }

    /// Whether it keeps the activity from being submitted.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl Catalogue {
    /// Checks an activity against its kind. The one validator, for phone and server; it never changes an answer.
    ///
    /// Findings come in the order of the form, then rules, evidence and unknown fields; no finding means that nothing
    /// was found. An empty text, an empty choice or an empty set of photos counts as no answer. Rules without a check
    /// are hints ([`Kind::hints`]) and give no finding.
    ///
    /// Evidence is asked for unless the outcome is `not_done` or `refused`: then there is nothing to show. A filled
    /// link or photo field counts as evidence of its kind. Retired kinds and options are only warned about, because a
    /// phone with an older catalogue may have recorded them in good faith.
    pub fn validate(&self, activity: &ActivityContent, facts: &ActivityFacts<'_>) -> Vec<Finding> {
        let Some(kind) = self.kind(&activity.kind) else { return vec![unknown_kind()] };
        let mut findings = Vec::new();
        if !kind.is_offered_on(facts.visit_day) {
            findings.push(Finding::new(
                Severity::Warn,
                code::RETIRED_KIND,
                None,
                "Loại hoạt động này đã ngừng sử dụng vào ngày thăm.",
                "This kind of activity was no longer in use on the day of the visit.",
            ));
        }
        for field in &kind.fields {
            match activity.fields.get(&field.code) {
                Some(value) if !is_empty(value) => field.check(value, facts.visit_day, &mut findings),
                // An empty value of another type is still of another type.
                Some(value) if !field.fits_type(value) => findings.push(field.wrong_type()),
                _ if field.is_required(&activity.fields) => findings.push(field.missing()),
                _ => {}
            }
        }
        for rule in &kind.rules {
            rule.check(kind, activity, facts, &mut findings);
        }
        findings.extend(kind.check_evidence(activity, facts));
        for (name, value) in activity.fields.iter().filter(|(name, _)| kind.field(name).is_none()) {
            findings.extend(self.check_unknown_field(name, value));
        }
        findings
    }

    fn check_unknown_field(&self, name: &str, value: &Value) -> Vec<Finding> {
        if self.0.file.forbidden_fields.contains(name) {
            return vec![Finding::new(
                Severity::Error,
                code::FORBIDDEN_FIELD,
                Some(name),
                "Không được lưu thông tin này.",
                "This information must not be stored.",
            )];
        }
        let mut findings = vec![Finding::new(
            Severity::Warn,
            code::UNKNOWN_FIELD,
            Some(name),
            "Mục này chưa có trong danh mục đang dùng; nội dung vẫn được giữ nguyên.",
            "This item is not in the catalogue in use; its content is kept as it is.",
        )];
        // Carried unread, but never as a way round the limits on text.
        let texts: &[String] = match value {
            Value::Text(text) => std::slice::from_ref(text),
            Value::Codes(codes) => codes,
            _ => &[],
        };
        if let Some(fault) = texts.iter().find_map(|text| check_text(text, TextLimit::NOTE).err()) {
            findings.push(Finding::new(
                Severity::Error,
                fault.code(),
                Some(name),
                "Nội dung có ký tự không dùng được hoặc quá dài.",
                "The content has characters that cannot be used or is too long.",
            ));
        }
        findings
    }

    /// The outcome of an activity, if its kind has one and the answer is one of the catalogue's.
    pub fn outcome<'a>(&self, activity: &'a ActivityContent) -> Option<&'a str> {
        let field = self.kind(&activity.kind)?.field("outcome")?;
        match activity.fields.get("outcome")? {
            Value::Text(code) if field.choices.iter().any(|choice| choice.code == *code) => Some(code),
            _ => None,
        }
    }

    /// Whether the activity counts as an achievement: its outcome is `done`. "Already had it" counts for coverage, not
    /// here; a case has no outcome and is counted by being recorded. The same rule as [`crate::count::is_achieved`].
    pub fn counts_as_done(&self, activity: &ActivityContent) -> bool {
        self.outcome(activity) == Some("done")
    }
}

fn unknown_kind() -> Finding {
    Finding::new(
        Severity::Error,
        code::UNKNOWN_KIND,
        None,
        "Loại hoạt động không có trong danh mục.",
        "This kind of activity is not in the catalogue.",
    )
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Text(text) => text.is_empty(),
        Value::Codes(codes) => codes.is_empty(),
        Value::Photos(photos) => photos.is_empty(),
        _ => false,
    }
}

/// The number of an answer; `None` for anything else and for digits that are no number.
fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Int(number) => Some(Decimal::from_int(*number)),
        Value::Text(digits) => Decimal::parse(digits),
        _ => None,
    }
}

impl Field {
    fn is_required(&self, fields: &BTreeMap<String, Value>) -> bool {
        self.required || self.required_if.as_ref().is_some_and(|condition| condition.holds(fields))
    }

    fn missing(&self) -> Finding {
        let (vi, en) = match self.field_type {
            FieldType::Enum | FieldType::MultiEnum | FieldType::Bool | FieldType::Ref => {
                ("chưa chọn.", "not chosen yet.")
            }
            FieldType::Photo => ("chưa có ảnh.", "no photo yet."),
            _ => ("chưa điền.", "not filled in yet."),
        };
        Finding::at(Severity::Error, code::REQUIRED, self, vi, en)
    }

    fn wrong_type(&self) -> Finding {
        let (vi, en) = ("câu trả lời không đúng kiểu dữ liệu.", "the answer has the wrong type.");
        Finding::at(Severity::Error, code::WRONG_TYPE, self, vi, en)
    }

    fn fits_type(&self, value: &Value) -> bool {
        match self.field_type {
            FieldType::Bool => matches!(value, Value::Bool(_)),
            FieldType::Int | FieldType::MoneyVnd => matches!(value, Value::Int(_)),
            FieldType::MultiEnum => matches!(value, Value::Codes(_)),
            FieldType::Ref => matches!(value, Value::Ref(id) if !id.is_nil()),
            FieldType::Photo => matches!(value, Value::Photos(_)),
            FieldType::Geo => matches!(value, Value::Place { .. }),
            FieldType::Text
            | FieldType::Decimal
            | FieldType::Date
            | FieldType::Datetime
            | FieldType::PeriodMonth
            | FieldType::Enum
            | FieldType::Code
            | FieldType::Url => matches!(value, Value::Text(_)),
        }
    }

    /// Checks one answer that was given.
    fn check(&self, value: &Value, visit_day: Day, findings: &mut Vec<Finding>) {
        if !self.fits_type(value) {
            findings.push(self.wrong_type());
            return;
        }
        let mut error =
            |code: &str, vi: &str, en: &str| findings.push(Finding::at(Severity::Error, code, self, vi, en));
        match value {
            Value::Int(_) => self.check_range(value, findings),
            Value::Codes(codes) => self.check_codes(codes, visit_day, findings),
            Value::Photos(photos) => {
                let max = self.max_count.unwrap_or(Self::PHOTOS_DEFAULT);
                if photos.len() > max {
                    error(code::TOO_MANY, &format!("nhiều nhất {max} ảnh."), &format!("at most {max} photos."));
                }
            }
            Value::Place { lat_e3, lon_e3 } => {
                let step = 10_i32.pow(3 - u32::from(self.precision_decimals.unwrap_or(3).min(3)));
                if !(-90_000..=90_000).contains(lat_e3) || !(-180_000..=180_000).contains(lon_e3) {
                    error(code::BAD_PLACE, "tọa độ không hợp lệ.", "no valid position.");
                } else if lat_e3 % step != 0 || lon_e3 % step != 0 {
                    error(code::PRECISION, "vị trí chi tiết hơn mức cho phép.", "the position is finer than allowed.");
                }
            }
            Value::Text(text) => self.check_text_value(text, visit_day, findings),
            Value::Bool(_) | Value::Ref(_) => {}
        }
    }

    fn check_text_value(&self, text: &str, visit_day: Day, findings: &mut Vec<Finding>) {
        let mut error =
            |code: &str, vi: &str, en: &str| findings.push(Finding::at(Severity::Error, code, self, vi, en));
        match self.field_type {
            FieldType::Enum => self.check_codes(&[text.to_owned()], visit_day, findings),
            FieldType::Decimal if Decimal::parse(text).is_some() => {
                self.check_range(&Value::Text(text.to_owned()), findings)
            }
            FieldType::Decimal => error(code::BAD_DECIMAL, "không phải là số hợp lệ.", "not a valid number."),
            FieldType::Date if read_day(text).is_none() => {
                error(code::BAD_DATE, "ngày không hợp lệ.", "not a valid date.");
            }
            FieldType::Datetime if !is_rfc3339(text) => {
                error(code::BAD_DATETIME, "ngày giờ không hợp lệ.", "not a valid date and time.");
            }
            FieldType::PeriodMonth if Month::parse(text).is_none_or(|month| month.to_string() != text) => {
                error(code::BAD_MONTH, "tháng không hợp lệ.", "not a valid month.");
            }
            FieldType::Text | FieldType::Code | FieldType::Url => {
                let limit = self.text_limit();
                if let Err(fault) = check_text(text, limit) {
                    let (vi, en) = fault_words(fault, limit);
                    error(fault.code(), &vi, &en);
                    return;
                }
                if self.field_type == FieldType::Url && !is_https_link(text) {
                    let (vi, en) = (
                        "đường dẫn phải bắt đầu bằng https:// và có tên miền.",
                        "must be an https:// link with a host name.",
                    );
                    error(code::BAD_URL, vi, en);
                }
                if self.regex.as_ref().is_some_and(|regex| !regex.is_match(text)) {
                    error(code::PATTERN, "không đúng định dạng.", "does not have the expected form.");
                }
                if self.is_free_text() && !forbidden_numbers(text).is_empty() {
                    error(
                        code::FORBIDDEN_NUMBER,
                        "có dãy số giống số căn cước, số điện thoại hoặc số tài khoản; hãy xóa dãy số đó.",
                        "contains a number like a personal, telephone or account number; please remove it.",
                    );
                }
            }
            _ => {}
        }
    }

    fn check_range(&self, value: &Value, findings: &mut Vec<Finding>) {
        let Some(number) = number(value) else { return };
        // An amount of money is never negative, whether or not the catalogue says so.
        let min = self.min.or((self.field_type == FieldType::MoneyVnd).then_some(Decimal(0)));
        if let Some(min) = min.filter(|min| number < *min) {
            let vi = format!("không được nhỏ hơn {}.", min.spelled(Lang::Vi));
            let en = format!("must not be less than {}.", min.spelled(Lang::En));
            findings.push(Finding::at(Severity::Error, code::BELOW_MIN, self, &vi, &en));
        }
        if let Some(max) = self.max.filter(|max| number > *max) {
            let vi = format!("không được vượt quá {}.", max.spelled(Lang::Vi));
            let en = format!("must not be more than {}.", max.spelled(Lang::En));
            findings.push(Finding::at(Severity::Error, code::ABOVE_MAX, self, &vi, &en));
        }
    }

    fn check_codes(&self, codes: &[String], visit_day: Day, findings: &mut Vec<Finding>) {
        let mut add =
            |severity, code: &str, vi: &str, en: &str| findings.push(Finding::at(severity, code, self, vi, en));
        let offered = |code: &String| self.choices.iter().find(|choice| choice.code == *code);
        if codes.iter().any(|code| offered(code).is_none() && !self.withheld.contains(code)) {
            let (vi, en) = ("lựa chọn không có trong danh mục.", "the option is not in the catalogue.");
            add(Severity::Error, code::UNKNOWN_OPTION, vi, en);
        }
        if codes.iter().any(|code| self.withheld.contains(code)) {
            let (vi, en) = (
                "lựa chọn này không dùng cho loại hoạt động này.",
                "the option is not offered for this kind of activity.",
            );
            add(Severity::Error, code::OPTION_NOT_ALLOWED, vi, en);
        }
        if codes.iter().filter_map(offered).any(|choice| choice.retired_on.is_some_and(|retired| visit_day >= retired))
        {
            let (vi, en) = (
                "lựa chọn này đã ngừng sử dụng vào ngày thăm.",
                "the option was no longer in use on the day of the visit.",
            );
            add(Severity::Warn, code::RETIRED_OPTION, vi, en);
        }
        if codes.iter().collect::<BTreeSet<_>>().len() < codes.len() {
            add(Severity::Error, code::DUPLICATE_OPTION, "một lựa chọn bị lặp lại.", "an option is chosen twice.");
        }
        if let Some(min) = self.min_items.filter(|min| codes.len() < *min) {
            let (vi, en) = (format!("chọn ít nhất {min} mục."), format!("choose at least {min}."));
            add(Severity::Error, code::TOO_FEW, &vi, &en);
        }
    }
}

fn fault_words(fault: crate::text::TextFault, limit: TextLimit) -> (String, String) {
    use crate::text::TextFault;
    match fault {
        TextFault::TooLong => {
            (format!("dài quá {} ký tự.", limit.max_chars), format!("longer than {} characters.", limit.max_chars))
        }
        TextFault::Control => ("có ký tự điều khiển không dùng được.".into(), "contains a control character.".into()),
        TextFault::Bidi => {
            ("có ký tự đảo chiều chữ.".into(), "contains a character that changes the reading direction.".into())
        }
        TextFault::ZeroWidth => ("có ký tự vô hình.".into(), "contains an invisible character.".into()),
        TextFault::NotNfc => {
            ("chữ chưa ở dạng chuẩn Unicode (NFC).".into(), "is not in Unicode normalisation form C.".into())
        }
        TextFault::NotTrimmed => {
            ("có khoảng trắng thừa ở đầu hoặc cuối.".into(), "has white space at its beginning or end.".into())
        }
    }
}

/// `YYYY-MM-DDTHH:MM:SS`, optionally with a fraction, and `Z` or an offset.
fn is_rfc3339(text: &str) -> bool {
    fn pair(text: &str, max: u32) -> bool {
        text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse().is_ok_and(|n: u32| n <= max)
    }
    fn clock(text: &str) -> bool {
        text.split_once(':').is_some_and(|(hour, minute)| pair(hour, 23) && pair(minute, 59))
    }
    let parts = || {
        let (day, rest) = text.split_once('T')?;
        let (time, offset) = rest.split_at_checked(rest.find(['Z', '+', '-'])?)?;
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let (hour_minute, second) = time.rsplit_once(':')?;
        Some((day, hour_minute, second, fraction, offset))
    };
    parts().is_some_and(|(day, hour_minute, second, fraction, offset)| {
        read_day(day).is_some()
            && clock(hour_minute)
            && pair(second, 59)
            && (1..=9).contains(&fraction.len())
            && fraction.bytes().all(|byte| byte.is_ascii_digit())
            && (offset == "Z" || offset.strip_prefix(['+', '-']).is_some_and(clock))
    })
}

/// An https link: a host name with a dot, no user name, nothing that could break out of an attribute.
fn is_https_link(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.contains('.')
        && host.split('.').all(label)
        && port.parse::<u16>().is_ok_and(|port| port > 0)
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && !rest.contains(|c: char| c.is_whitespace() || c.is_control() || "\"'<>`{}|\\^".contains(c))
}

impl Rule {
    fn check(&self, kind: &Kind, activity: &ActivityContent, facts: &ActivityFacts<'_>, findings: &mut Vec<Finding>) {
        let mut broken = |field: &str| {
            findings.push(Finding::new(self.severity, &self.code, Some(field), &*self.vi, &*self.en));
        };
        // Answers of another type have their own finding and are passed over here.
        let answer = |fields: &BTreeMap<String, Value>, code: &str| {
            let value = fields.get(code)?;
            kind.field(code).filter(|field| field.fits_type(value)).and_then(|_| number(value))
        };
        let exceeds = |left: &str, right: &str| {
            answer(&activity.fields, left)
                .zip(answer(&activity.fields, right))
                .is_some_and(|(left, right)| left > right)
        };
        match &self.check {
            Some(Check::Le { left, right }) if exceeds(left, right) => broken(left),
            None | Some(Check::Le { .. }) => {}
            Some(Check::AllLe { fields, right }) => {
                fields.iter().filter(|left| exceeds(left, right)).for_each(|left| broken(left));
            }
            Some(Check::Implies { given, then }) => {
                let unmet = |(field, wanted): &(&String, &Vec<Scalar>)| {
                    !activity.fields.get(*field).is_some_and(|value| meets(value, wanted))
                };
                if given.holds(&activity.fields)
                    && let Some((field, _)) = then.0.iter().find(unmet)
                {
                    broken(field);
                }
            }
            Some(Check::DropAgainstLastApproved { percent }) => {
                let Some(last) = facts.last_approved else { return };
                for field in kind.fields.iter().filter(|field| field.field_type.is_number()) {
                    let pair = answer(last, &field.code).zip(answer(&activity.fields, &field.code));
                    let drops = |before: i128, now: i128| (before - now) * 100 > before.abs() * i128::from(*percent);
                    if pair.is_some_and(|(before, now)| drops(before.0, now.0)) {
                        broken(&field.code);
                    }
                }
            }
        }
    }
}

impl Kind {
    fn check_evidence(&self, activity: &ActivityContent, facts: &ActivityFacts<'_>) -> Option<Finding> {
        if let Some(Value::Text(outcome)) = activity.fields.get("outcome")
            && matches!(outcome.as_str(), "not_done" | "refused")
        {
            return None;
        }
        let count = |wanted: EvidenceKind| {
            let answers = self.fields.iter().filter_map(|field| match (wanted, activity.fields.get(&field.code)?) {
                (EvidenceKind::Photo, Value::Photos(photos)) if field.field_type == FieldType::Photo => {
                    Some(photos.len())
                }
                (EvidenceKind::Link, Value::Text(link)) if field.field_type == FieldType::Url => {
                    Some(usize::from(!link.is_empty()))
                }
                _ => None,
            });
            facts.evidence.iter().filter(|kind| **kind == wanted).count() + answers.sum::<usize>()
        };
        let min = self.evidence.min.unwrap_or(1);
        let types = &self.evidence.types;
        let enough = match self.evidence.mode {
            EvidenceMode::None | EvidenceMode::Optional => true,
            EvidenceMode::Required => types.iter().all(|kind| count(*kind) >= min),
            EvidenceMode::RequiredAny => types.iter().map(|kind| count(*kind)).sum::<usize>() >= min,
        };
        if enough {
            return None;
        }
        let severity = match facts.evidence_policy {
            EvidencePolicy::Enforce => Severity::Error,
            EvidencePolicy::FlagOnly => Severity::Warn,
        };
        let words = |lang: Lang, joint: &str| {
            let word = |kind: &EvidenceKind| match kind {
                EvidenceKind::Photo => pick(lang, "ảnh", "photo"),
                EvidenceKind::Link => pick(lang, "đường dẫn", "link"),
                EvidenceKind::Reference => pick(lang, "mã hồ sơ", "reference number"),
            };
            types.iter().map(word).collect::<Vec<_>>().join(joint)
        };
        let any = self.evidence.mode == EvidenceMode::RequiredAny;
        let vi =
            format!("Thiếu minh chứng: cần ít nhất {min} {}.", words(Lang::Vi, if any { " hoặc " } else { " và " }));
        let en = format!(
            "Evidence is missing: at least {min} {} needed.",
            words(Lang::En, if any { " or " } else { " and " })
        );
        Some(Finding::new(severity, code::EVIDENCE_MISSING, None, vi, en))
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Rules for all kinds

/// Days back for which a visit may be entered without an officer opening the period.
pub const VISIT_WINDOW_DAYS: u32 = 60;
/// Days by which a phone's clock may run ahead.
pub const CLOCK_TOLERANCE_DAYS: u32 = 1;
/// Activities of one member on one day above which a reason is asked for.
pub const QUANTITY_CAP: u32 = 30;

/// Checks the day of a visit: not after `today` (one day of tolerance for clocks), not further back than the window
/// unless a commune officer opened it. Source: the catalogue's `visit_date_not_future` and `visit_date_window`.
pub fn validate_visit_day(day: Day, today: Day, window_opened: bool) -> Vec<Finding> {
    if day.0 > today.0.saturating_add(CLOCK_TOLERANCE_DAYS) {
        let (vi, en) = ("Ngày thăm không được ở tương lai.", "The day of the visit must not lie in the future.");
        return vec![Finding::new(Severity::Error, code::VISIT_DATE_NOT_FUTURE, None, vi, en)];
    }
    if !window_opened && day.0.saturating_add(VISIT_WINDOW_DAYS) < today.0 {
        return vec![Finding::new(
            Severity::Error,
            code::VISIT_DATE_WINDOW,
            None,
            format!("Ngày thăm đã quá {VISIT_WINDOW_DAYS} ngày; cần cán bộ xã mở kỳ."),
            format!("The visit is more than {VISIT_WINDOW_DAYS} days back; the commune officer must open the period."),
        )];
    }
    Vec::new()
}

/// Warns when one member has recorded more than [`QUANTITY_CAP`] activities on one day, this one included.
/// Source: the catalogue's `quantity_cap`.
pub fn check_quantity(activities_of_the_day: u32) -> Option<Finding> {
    (activities_of_the_day > QUANTITY_CAP).then(|| {
        Finding::new(
            Severity::Warn,
            code::QUANTITY_CAP,
            None,
            format!("Đã ghi trên {QUANTITY_CAP} hoạt động trong ngày; hãy nêu lý do."),
            format!("More than {QUANTITY_CAP} activities on one day; please give the reason."),
        )
    })
}

// ---------------------------------------------------------------------------------------------------------------------
// Answers as JSON, for forms and exports

impl Catalogue {
    /// Turns a form's JSON object into typed answers. Says nothing about whether they are valid: see
    /// [`Catalogue::validate`].
    ///
    /// Typed text is cleaned, decimals get their canonical form, places are rounded to the field's precision (halves
    /// away from zero). `null`, empty texts and empty arrays are no answers and are left out. Whole numbers may come as
    /// strings of digits, because browsers round large ones. A field that the kind does not have is carried if its
    /// JSON is a truth value, a whole number, a text or an array of texts.
    ///
    /// # Errors
    /// Findings for every answer whose JSON does not fit its field, or for an unknown kind.
    pub fn from_json_fields(
        &self,
        kind: &str,
        json: &serde_json::Value,
    ) -> Result<BTreeMap<String, Value>, Vec<Finding>> {
        let kind = self.kind(kind).ok_or_else(|| vec![unknown_kind()])?;
        let wrong = |field: Option<&str>| {
            let (vi, en) = ("Câu trả lời không đúng kiểu dữ liệu.", "The answer has the wrong type.");
            Finding::new(Severity::Error, code::WRONG_TYPE, field, vi, en)
        };
        let object = json.as_object().ok_or_else(|| vec![wrong(None)])?;
        let mut fields = BTreeMap::new();
        let mut findings = Vec::new();
        for (name, json) in object.iter().filter(|(_, json)| !json.is_null()) {
            let read = match kind.field(name) {
                Some(field) => field.read_json(json).map_err(|code| match code {
                    code::BAD_DECIMAL => field.bad_decimal(),
                    _ => field.wrong_type(),
                }),
                None => guess_json(json).ok_or_else(|| wrong(Some(name))),
            };
            match read {
                Ok(value) if is_empty(&value) => {}
                Ok(value) => {
                    fields.insert(name.clone(), value);
                }
                Err(finding) => findings.push(finding),
            }
        }
        if findings.is_empty() { Ok(fields) } else { Err(findings) }
    }

    /// The opposite of [`Catalogue::from_json_fields`]: references as UUID strings, photos as hexadecimal, places as
    /// two decimal strings, whole numbers that a browser would round as strings.
    pub fn to_json_fields(&self, fields: &BTreeMap<String, Value>) -> serde_json::Value {
        fields.iter().map(|(name, value)| (name.clone(), write_json(value))).collect::<serde_json::Map<_, _>>().into()
    }
}

/// Whole numbers up to here survive a browser.
const JSON_INT_MAX: u64 = (1 << 53) - 1;

impl Field {
    fn bad_decimal(&self) -> Finding {
        let (vi, en) = ("không phải là số hợp lệ.", "not a valid number.");
        Finding::at(Severity::Error, code::BAD_DECIMAL, self, vi, en)
    }

    fn read_json(&self, json: &serde_json::Value) -> Result<Value, &'static str> {
        use serde_json::Value as Json;
        let read = match (self.field_type, json) {
            (FieldType::Bool, Json::Bool(value)) => Some(Value::Bool(*value)),
            (FieldType::Int | FieldType::MoneyVnd, Json::Number(number)) => number.as_i64().map(Value::Int),
            (FieldType::Decimal, Json::Number(_) | Json::String(_)) => {
                let text = decimal_text(json).unwrap_or_default();
                if text.is_empty() {
                    return Ok(Value::Text(text));
                }
                let decimal = Decimal::parse(&text).ok_or(code::BAD_DECIMAL)?;
                Some(Value::Text(decimal.to_string()))
            }
            (FieldType::MultiEnum, Json::Array(codes)) => strings(codes).map(Value::Codes),
            (FieldType::Photo, Json::Array(photos)) => strings(photos)
                .and_then(|photos| photos.iter().map(|photo| read_hex(photo)).collect::<Option<Vec<_>>>())
                .map(Value::Photos),
            (FieldType::Geo, Json::Object(place)) => self.read_place(place),
            (FieldType::Text, Json::String(text)) if self.is_free_text() => Some(Value::Text(clean_lines(text))),
            // An emptied input of a form: no answer, whatever the type.
            (_, Json::String(text)) if clean(text).is_empty() => Some(Value::Text(String::new())),
            (FieldType::Int | FieldType::MoneyVnd, Json::String(digits)) => read_int(digits.trim()).map(Value::Int),
            (FieldType::Ref, Json::String(id)) => Uuid::try_parse(id.trim()).ok().map(Value::Ref),
            (FieldType::Bool | FieldType::MultiEnum | FieldType::Photo | FieldType::Geo, Json::String(_)) => None,
            (_, Json::String(text)) => Some(Value::Text(clean(text))),
            _ => None,
        };
        read.ok_or(code::WRONG_TYPE)
    }

    fn read_place(&self, place: &serde_json::Map<String, serde_json::Value>) -> Option<Value> {
        let decimals = self.precision_decimals.unwrap_or(3).min(3);
        let step = 10_i128.pow(3 - u32::from(decimals));
        let degrees = |name: &str| {
            let text = decimal_text(place.get(name)?)?;
            // Positions come with more decimals than a `Decimal` holds; those do not decide how a half is rounded.
            let digits_max = text.find('.').map_or(text.len(), |dot| dot + 1 + Decimal::FRACTION_DIGITS);
            let kept = text.get(..digits_max).unwrap_or(&text);
            let rest = text.get(digits_max..).unwrap_or("");
            if !rest.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            i32::try_from(Decimal::parse(kept)?.rounded(decimals) * step).ok()
        };
        Some(Value::Place { lat_e3: degrees("lat")?, lon_e3: degrees("lon")? })
    }
}

/// The digits of a JSON number or string. A number's own text is used, so nothing is rounded on the way.
fn decimal_text(json: &serde_json::Value) -> Option<String> {
    match json {
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::String(text) => Some(text.trim().to_owned()),
        _ => None,
    }
}

fn read_int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn strings(array: &[serde_json::Value]) -> Option<Vec<String>> {
    array.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

fn guess_json(json: &serde_json::Value) -> Option<Value> {
    match json {
        serde_json::Value::Bool(value) => Some(Value::Bool(*value)),
        serde_json::Value::Number(number) => number.as_i64().map(Value::Int),
        serde_json::Value::String(text) => Some(Value::Text(clean_lines(text))),
        serde_json::Value::Array(items) => strings(items).map(Value::Codes),
        _ => None,
    }
}

fn read_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let nibble = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(nibble(0)? * 16 + nibble(1)?).ok()?;
    }
    Some(bytes)
}

fn write_json(value: &Value) -> serde_json::Value {
    let degrees = |thousandths: i32| {
        let sign = if thousandths < 0 { "-" } else { "" };
        format!("{sign}{}.{:03}", thousandths.unsigned_abs() / 1_000, thousandths.unsigned_abs() % 1_000)
    };
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Int(number) if number.unsigned_abs() > JSON_INT_MAX => number.to_string().into(),
        Value::Int(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Codes(codes) => codes.clone().into(),
        Value::Ref(id) => id.to_string().into(),
        Value::Photos(photos) => photos
            .iter()
            .map(|photo| photo.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            .collect::<Vec<_>>()
            .into(),
        Value::Place { lat_e3, lon_e3 } => serde_json::json!({ "lat": degrees(*lat_e3), "lon": degrees(*lon_e3) }),
    }
}
