//! The formula language: a closed set of types, read strictly and checked against the catalogue.
//!
//! A key that is not known here would change what a figure means, so inside a formula it is an error.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use super::{FigureUnit, Lists, Problem};
use crate::catalogue::{Catalogue, Condition, Decimal, FieldType, Kind, Lang, Scalar, StateValue};

/// What a condition calls the class of the household at which the activity took place.
pub const HOUSEHOLD_CLASS: &str = "household.class";
const CLASSES: [&str; 4] = ["normal", "poor", "near_poor", "policy"];
const RECOGNITION_STATUSES: [&str; 5] = ["proposed", "verified", "granted", "refused", "revoked"];
const RECOGNISED: [&str; 2] = ["digital_citizen", "digital_commune"];
/// Attributes of a village with a history (docs/DOMAIN.md §3).
const VILLAGE_ATTRIBUTES: [&str; 8] = [
    "mobile_tech_best",
    "operators_ok",
    "fibre_available",
    "grid_power",
    "public_wifi",
    "common_languages",
    "distance_to_commune_km",
    "access",
];
/// Stands for all kinds.
const ALL_KINDS: &str = "*";

/// How a number is got. Counts may stand above and below the line of a ratio; shares stand alone.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Formula {
    /// One count over another; without a value when the lower one is missing or 0.
    Ratio {
        /// Above the line.
        num: Box<Formula>,
        /// Below the line.
        den: Box<Formula>,
    },
    /// Activities of the kinds, repeats left out.
    ActivityCount {
        /// Codes of kinds; `*` for all.
        kinds: Vec<String>,
        /// What is counted.
        count: Counting,
        /// Over which time.
        period: Span,
        /// The number that is added up when quantities are counted.
        #[serde(default)]
        quantity_field: Option<String>,
        /// Answers that the activity must have; `household.class` asks for the class of the household.
        #[serde(default, rename = "where")]
        wanted: Option<Condition>,
    },
    /// Subjects whose newest state has the value.
    StateCount {
        /// Whose state: `person`, `household`, `business`, `product`, `market`, `village`.
        subject: String,
        /// The state.
        state: String,
        /// The value.
        equals: Scalar,
    },
    /// The newest answer per subject on or before the end of the period, added up.
    LatestField {
        /// The kind that asks.
        kind: String,
        /// The field that answers; a whole number.
        field: String,
        /// Per which subject.
        aggregate: Over,
    },
    /// Villages of which every attribute has one of the values.
    VillageCount {
        /// Attributes with their values.
        #[serde(rename = "where")]
        wanted: Condition,
    },
    /// Teams in force on the last day.
    TeamCount {
        /// Only those with so many approved activities.
        #[serde(default)]
        min_approved_activities: Option<u64>,
        /// `month`: so many in each reporting month of the period.
        #[serde(default)]
        period: Option<ActivePeriod>,
    },
    /// Memberships in force on the last day.
    MemberCount {
        /// Only those with so many approved activities.
        #[serde(default)]
        min_approved_activities: Option<u64>,
        /// `month`: so many in each reporting month of the period.
        #[serde(default)]
        period: Option<ActivePeriod>,
    },
    /// Cases that stand in one of the statuses on the last day, of all opened until then.
    CaseShare {
        /// Codes of kinds with the case workflow.
        kinds: Vec<String>,
        /// Statuses of the case workflow.
        statuses: Vec<String>,
        /// Whether they must have got there inside the limit.
        within: Within,
    },
    /// Subjects with a recognition that stands in one of the statuses on the last day.
    RecognitionCount {
        /// `digital_citizen` or `digital_commune`.
        what: String,
        /// Statuses of a recognition.
        status: Vec<String>,
    },
    /// Mean over the unit's targets of the part achieved, each at most the whole.
    TargetCompletion {},
    /// Activities handed in within so many days of the visit, of those handed in.
    TimelinessShare {
        /// Most days between visit and handing in.
        days: u32,
    },
    /// Activities approved without ever having been returned, of those approved.
    NotReturnedShare {},
    /// The base number in force on the last day.
    Denominator {
        /// Its code.
        code: String,
    },
    /// The number that the officer typed for the period.
    Manual {
        /// Its code.
        code: String,
    },
}

/// What an activity count counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counting {
    /// Each activity.
    Activities,
    /// The answers to a number.
    Quantity,
    /// Each person once.
    DistinctPersons,
    /// Each household once.
    DistinctHouseholds,
    /// Each business once.
    DistinctBusinesses,
    /// Each village once.
    DistinctVillages,
}

impl Counting {
    /// Whose ids are kept to count each once; `None` when activities or quantities are counted.
    pub fn subject(self) -> Option<&'static str> {
        match self {
            Self::Activities | Self::Quantity => None,
            Self::DistinctPersons => Some("person"),
            Self::DistinctHouseholds => Some("household"),
            Self::DistinctBusinesses => Some("business"),
            Self::DistinctVillages => Some("village"),
        }
    }
}

/// Over which time activities are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// Within the period.
    Period,
    /// From the beginning to the end of the period.
    Cumulative,
}

/// In what part of the period a team must be active.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivePeriod {
    /// Anywhere in it.
    Period,
    /// In each of its reporting months.
    Month,
}

/// Per which subject the newest answer is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// Villages in force.
    SumOverVillages,
    /// Households.
    SumOverHouseholds,
    /// Markets.
    SumOverMarkets,
}

impl Over {
    /// The subject's word in the catalogue.
    pub fn subject(self) -> &'static str {
        match self {
            Self::SumOverVillages => "village",
            Self::SumOverHouseholds => "household",
            Self::SumOverMarkets => "market",
        }
    }
}

/// Whether a case has to be settled in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Within {
    /// On or before the day on which it was due.
    UnitSla,
    /// At any time.
    Any,
}

const TYPES: [&str; 14] = [
    "ratio",
    "activity_count",
    "state_count",
    "latest_field",
    "village_count",
    "team_count",
    "member_count",
    "case_share",
    "recognition_count",
    "target_completion",
    "timeliness_share",
    "not_returned_share",
    "denominator",
    "manual",
];

type Wrong = (String, Problem);

fn wrong<T>(path: &str, problem: Problem) -> Result<T, Wrong> {
    Err((path.to_owned(), problem))
}

impl Formula {
    /// Reads and checks a formula. On an error: the path to the place, and what is wrong there.
    pub(super) fn read(json: &Json, path: &str, catalogue: &Catalogue, lists: &Lists) -> Result<Self, Wrong> {
        check_types(json, path)?;
        let read = Self::deserialize(json).or_else(|error| wrong(path, Problem::Malformed(error.to_string())))?;
        read.check(path, catalogue, lists)?;
        Ok(read)
    }

    /// Whether the number is a share of one by itself.
    pub fn is_share(&self) -> bool {
        matches!(
            self,
            Self::Ratio { .. }
                | Self::CaseShare { .. }
                | Self::TargetCompletion {}
                | Self::TimelinessShare { .. }
                | Self::NotReturnedShare {}
        )
    }

    /// Whether the number is typed as a percentage.
    pub(super) fn is_percent_typed(&self, lists: &Lists) -> bool {
        let percent = |code| lists.manual_inputs.get(code).is_some_and(|input| input.unit == FigureUnit::Percent);
        matches!(self, Self::Manual { code } if percent(code))
    }

    /// Whether the number would depend on the unit's own targets.
    pub fn uses_targets(&self) -> bool {
        match self {
            Self::Ratio { num, den } => num.uses_targets() || den.uses_targets(),
            Self::TargetCompletion {} => true,
            _ => false,
        }
    }

    /// The parts that are counted, left to right.
    pub fn terms(&self) -> Vec<&Self> {
        match self {
            Self::Ratio { num, den } => vec![num, den],
            term => vec![term],
        }
    }

    fn check(&self, path: &str, catalogue: &Catalogue, lists: &Lists) -> Result<(), Wrong> {
        match self {
            Self::Ratio { num, den } => {
                for (part, name) in [(num, "num"), (den, "den")] {
                    let path = format!("{path}.{name}");
                    if part.is_share() || part.is_percent_typed(lists) {
                        return wrong(&path, Problem::NotACount);
                    }
                    part.check(&path, catalogue, lists)?;
                }
                Ok(())
            }
            Self::ActivityCount { kinds, count, quantity_field, wanted, .. } => {
                let kinds = read_kinds(kinds, path, catalogue)?;
                match (*count == Counting::Quantity, quantity_field) {
                    (true, Some(field)) => {
                        for kind in &kinds {
                            whole_number(kind, field, &format!("{path}.quantity_field"))?;
                        }
                    }
                    (false, None) => {}
                    _ => return wrong(&format!("{path}.quantity_field"), Problem::QuantityField),
                }
                let asks = |subject: &str| {
                    matches!(subject, "household" | "village")
                        || kinds.iter().any(|kind| kind.fields.iter().any(|f| f.reference.as_deref() == Some(subject)))
                };
                if count.subject().is_some_and(|subject| !asks(subject)) {
                    return wrong(&format!("{path}.count"), Problem::UnknownSubject);
                }
                wanted.iter().try_for_each(|wanted| check_wanted(wanted, &kinds, &format!("{path}.where")))
            }
            Self::StateCount { subject, state, equals } => check_state(subject, state, equals, path, catalogue),
            Self::LatestField { kind, field, aggregate } => {
                let Some(kind) = catalogue.kind(kind) else {
                    return wrong(&format!("{path}.kind"), Problem::UnknownKind);
                };
                if kind.subject != aggregate.subject() {
                    return wrong(&format!("{path}.aggregate"), Problem::UnknownSubject);
                }
                whole_number(kind, field, &format!("{path}.field"))
            }
            Self::VillageCount { wanted } => {
                let unknown = wanted.0.keys().find(|attribute| !VILLAGE_ATTRIBUTES.contains(&attribute.as_str()));
                match unknown {
                    Some(attribute) => wrong(&format!("{path}.where.{attribute}"), Problem::UnknownField),
                    None if wanted.0.is_empty() => wrong(&format!("{path}.where"), Problem::UnknownField),
                    None => Ok(()),
                }
            }
            Self::CaseShare { kinds, statuses, .. } => {
                let found = read_kinds(kinds, path, catalogue)?;
                if !found.iter().all(|kind| kind.is_case()) {
                    return wrong(&format!("{path}.kinds"), Problem::NotACase);
                }
                let workflow = catalogue.file().workflows.get("case");
                let known = |status: &String| workflow.is_some_and(|workflow| workflow.statuses.contains(status));
                check_all(statuses, known, &format!("{path}.statuses"), Problem::UnknownStatus)
            }
            Self::RecognitionCount { what, status } => {
                if !RECOGNISED.contains(&what.as_str()) {
                    return wrong(&format!("{path}.what"), Problem::UnknownSubject);
                }
                let known = |status: &String| RECOGNITION_STATUSES.contains(&status.as_str());
                check_all(status, known, &format!("{path}.status"), Problem::UnknownStatus)
            }
            Self::Denominator { code } if !lists.denominators.contains_key(code) => {
                wrong(&format!("{path}.code"), Problem::UnknownDenominator)
            }
            Self::Manual { code } if !lists.manual_inputs.contains_key(code) => {
                wrong(&format!("{path}.code"), Problem::UnknownManual)
            }
            _ => Ok(()),
        }
    }
}

fn check_types(json: &Json, path: &str) -> Result<(), Wrong> {
    match json.get("type").and_then(Json::as_str) {
        None if Decimal::parse(&json.to_string()) == Some(Decimal::from_int(0)) => {
            wrong(path, Problem::ZeroDenominator)
        }
        None => wrong(path, Problem::Malformed("a formula needs a type".to_owned())),
        Some(name) if !TYPES.contains(&name) => wrong(path, Problem::UnknownFormula),
        Some("ratio") => ["num", "den"]
            .into_iter()
            .try_for_each(|part| check_types(json.get(part).unwrap_or(&Json::Null), &format!("{path}.{part}"))),
        Some(_) => Ok(()),
    }
}

fn check_all(codes: &[String], known: impl Fn(&String) -> bool, path: &str, problem: Problem) -> Result<(), Wrong> {
    if !codes.is_empty() && codes.iter().all(known) { Ok(()) } else { wrong(path, problem) }
}

fn read_kinds<'c>(codes: &[String], path: &str, catalogue: &'c Catalogue) -> Result<Vec<&'c Kind>, Wrong> {
    let path = format!("{path}.kinds");
    match codes {
        [all] if all == ALL_KINDS => Ok(catalogue.kinds().iter().collect()),
        [] => wrong(&path, Problem::UnknownKind),
        codes => codes
            .iter()
            .map(|code| catalogue.kind(code).ok_or_else(|| (format!("{path}.{code}"), Problem::UnknownKind)))
            .collect(),
    }
}

fn whole_number(kind: &Kind, field: &str, path: &str) -> Result<(), Wrong> {
    match kind.field(field).map(|field| field.field_type) {
        None => wrong(path, Problem::UnknownField),
        Some(FieldType::Int | FieldType::MoneyVnd) => Ok(()),
        Some(_) => wrong(path, Problem::WrongFieldType),
    }
}

fn check_wanted(wanted: &Condition, kinds: &[&Kind], path: &str) -> Result<(), Wrong> {
    for (code, values) in &wanted.0 {
        let path = format!("{path}.{code}");
        if values.is_empty() {
            return wrong(&path, Problem::UnknownOption);
        }
        if code == HOUSEHOLD_CLASS {
            let known = |value: &Scalar| matches!(value, Scalar::Text(class) if CLASSES.contains(&class.as_str()));
            if !values.iter().all(known) {
                return wrong(&path, Problem::UnknownOption);
            }
            continue;
        }
        for kind in kinds {
            let Some(field) = kind.field(code) else { return wrong(&path, Problem::UnknownField) };
            for value in values {
                let fits = match (value, field.field_type) {
                    (Scalar::Text(option), FieldType::Enum | FieldType::MultiEnum) => {
                        if !field.choices().iter().any(|choice| choice.code == *option) {
                            return wrong(&path, Problem::UnknownOption);
                        }
                        true
                    }
                    (Scalar::Bool(_), FieldType::Bool) | (Scalar::Int(_), FieldType::Int | FieldType::MoneyVnd) => true,
                    (Scalar::Text(_), FieldType::Text | FieldType::Code) => true,
                    _ => false,
                };
                if !fits {
                    return wrong(&path, Problem::WrongFieldType);
                }
            }
        }
    }
    Ok(())
}

/// A state must be set by an answer of some kind: one that follows a case is not an activity's to count.
fn check_state(subject: &str, state: &str, equals: &Scalar, path: &str, catalogue: &Catalogue) -> Result<(), Wrong> {
    let mut found = false;
    for kind in catalogue.kinds() {
        for rule in kind.sets_state.iter().filter(|rule| rule.subject == subject && rule.state == state) {
            let fits = match (&rule.value, equals) {
                (StateValue::Fixed(_), Scalar::Bool(_)) => !rule.when.0.contains_key("status"),
                (StateValue::Field { field }, equals) => kind.field(field).is_some_and(|field| {
                    matches!(
                        (field.field_type, equals),
                        (FieldType::Bool, Scalar::Bool(_))
                            | (FieldType::Int | FieldType::MoneyVnd, Scalar::Int(_))
                            | (FieldType::Enum | FieldType::Text | FieldType::Code, Scalar::Text(_))
                    )
                }),
                _ => false,
            };
            if !fits {
                return wrong(&format!("{path}.equals"), Problem::WrongFieldType);
            }
            found = true;
        }
    }
    if found { Ok(()) } else { wrong(&format!("{path}.state"), Problem::UnknownState) }
}

/// Whether an activity's kind is one of a formula's.
pub(super) fn names_kind(kinds: &[String], kind: &str) -> bool {
    kinds.iter().any(|named| named == ALL_KINDS || named == kind)
}

/// Points in proportion to a value, up to all of them.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Scale {
    /// `points = max_points * min(1, value / full_at)`.
    Linear {
        /// The value that earns all points; above 0, at most a million.
        full_at: Decimal,
    },
}

// ---------------------------------------------------------------------------------------------------------------------
// Words

impl Formula {
    pub(super) fn describe(&self, lang: Lang, catalogue: &Catalogue, lists: &Lists) -> String {
        let say = |vi: &str, en: &str| if lang == Lang::Vi { vi.to_owned() } else { en.to_owned() };
        let part = |formula: &Self| formula.describe(lang, catalogue, lists);
        let kind = |code: &str| catalogue.label(code, lang).unwrap_or(code).to_owned();
        let quoted = |words: &str| if lang == Lang::Vi { format!("«{words}»") } else { format!("“{words}”") };
        match self {
            Self::Ratio { num, den } => format!("({}) ÷ ({})", part(num), part(den)),
            Self::ActivityCount { kinds, count, period, quantity_field, wanted } => {
                let first = kinds.first().map_or("", String::as_str);
                let counted = match count {
                    Counting::Activities => say("Số hoạt động đã duyệt", "Approved activities"),
                    Counting::Quantity => {
                        let field = quantity_field.as_deref().unwrap_or_default();
                        let label = catalogue.field_label(first, field, lang).unwrap_or(field);
                        format!("{} {}", say("Tổng", "Sum of"), quoted(label))
                    }
                    Counting::DistinctPersons => say("Số người (mỗi người một lần)", "Persons, each once"),
                    Counting::DistinctHouseholds => say("Số hộ (mỗi hộ một lần)", "Households, each once"),
                    Counting::DistinctBusinesses => {
                        say("Số cơ sở kinh doanh (mỗi cơ sở một lần)", "Businesses, each once")
                    }
                    Counting::DistinctVillages => say("Số thôn (mỗi thôn một lần)", "Villages, each once"),
                };
                let named = if first == ALL_KINDS {
                    say("mọi loại hoạt động", "all kinds")
                } else {
                    kinds.iter().map(|code| quoted(&kind(code))).collect::<Vec<_>>().join(", ")
                };
                let time = match period {
                    Span::Period => say("trong kỳ", "in the period"),
                    Span::Cumulative => say("lũy kế đến hết kỳ", "from the start to the end of the period"),
                };
                let condition = wanted.as_ref().map_or(String::new(), |wanted| {
                    format!("{}{}", say(", với ", ", where "), spell_condition(wanted, first, lang, catalogue))
                });
                format!(
                    "{counted}: {named}, {time}{condition}{}",
                    say(", không tính lần lặp lại", ", repeats left out")
                )
            }
            Self::StateCount { subject, state, equals } => {
                let setters = catalogue
                    .kinds()
                    .iter()
                    .filter(|kind| kind.sets_state.iter().any(|rule| rule.subject == *subject && rule.state == *state));
                let named = setters.map(|kind| quoted(kind.label(lang))).collect::<Vec<_>>().join(", ");
                let (who, value) = (subject_word(subject, lang), spell_scalar(equals, lang));
                match lang {
                    Lang::Vi => format!("Số {who} mà kết quả đã duyệt mới nhất của {named} là: {value}"),
                    Lang::En => format!("Number of {who} for which the newest approved {named} says: {value}"),
                }
            }
            Self::LatestField { kind: code, field, aggregate } => {
                let label = quoted(catalogue.field_label(code, field, lang).unwrap_or(field));
                let (kind, subject) = (quoted(&kind(code)), subject_word(aggregate.subject(), lang));
                match lang {
                    Lang::Vi => format!("Tổng {label} theo {kind} mới nhất đã duyệt của từng {subject}"),
                    Lang::En => format!("Sum of {label} over {subject}, from the newest approved {kind} of each"),
                }
            }
            Self::VillageCount { wanted } => {
                format!("{} {}", say("Số thôn có", "Villages with"), spell_condition(wanted, "", lang, catalogue))
            }
            Self::TeamCount { min_approved_activities, period } => {
                let who = say("Số tổ", "Teams");
                format!("{who}{}", spell_active(*min_approved_activities, *period, lang))
            }
            Self::MemberCount { min_approved_activities, period } => {
                let who = say("Số thành viên", "Members");
                format!("{who}{}", spell_active(*min_approved_activities, *period, lang))
            }
            Self::CaseShare { kinds, statuses, within } => {
                let named = kinds.iter().map(|code| quoted(&kind(code))).collect::<Vec<_>>().join(", ");
                let limit = match within {
                    Within::UnitSla => say(" đúng hạn", " in time"),
                    Within::Any => String::new(),
                };
                let settled = statuses.iter().map(|status| status_word(status, lang)).collect::<Vec<_>>().join(", ");
                match lang {
                    Lang::Vi => format!("Số việc {named} đã đến bước {settled}{limit} ÷ tổng số việc đã mở"),
                    Lang::En => format!("Cases of {named} that are {settled}{limit} ÷ all cases opened"),
                }
            }
            Self::RecognitionCount { what, status } => {
                let what = match (what.as_str(), lang) {
                    ("digital_citizen", Lang::Vi) => "công dân số",
                    ("digital_citizen", Lang::En) => "digital citizens",
                    (_, Lang::Vi) => "xã chuyển đổi số",
                    (_, Lang::En) => "digital communes",
                };
                let status = status.iter().map(|status| status_word(status, lang)).collect::<Vec<_>>().join(", ");
                format!("{} {what}: {status}", say("Số", "Number of"))
            }
            Self::TargetCompletion {} => say(
                "Bình quân mức đạt các chỉ tiêu được giao (mỗi chỉ tiêu tối đa 100%)",
                "Mean part achieved of the assigned targets, each at most 100%",
            ),
            Self::TimelinessShare { days } => match lang {
                Lang::Vi => format!("Số hoạt động gửi trong {days} ngày sau chuyến thăm ÷ số hoạt động đã gửi"),
                Lang::En => format!("Activities handed in within {days} days of the visit ÷ all handed in"),
            },
            Self::NotReturnedShare {} => say(
                "Số hoạt động được duyệt, chưa lần nào bị trả lại ÷ số hoạt động được duyệt",
                "Activities approved and never returned ÷ all approved",
            ),
            Self::Denominator { code } => {
                lists.denominators.get(code).map_or(code.clone(), |base| base.label(lang).to_owned())
            }
            Self::Manual { code } => {
                let label = lists.manual_inputs.get(code).map_or(code.as_str(), |input| input.label(lang));
                format!("{} ({})", label, say("cán bộ xã nhập", "typed by the officer"))
            }
        }
    }
}

fn spell_active(min: Option<u64>, period: Option<ActivePeriod>, lang: Lang) -> String {
    let Some(min) = min else { return String::new() };
    match (lang, period) {
        (Lang::Vi, Some(ActivePeriod::Month)) => format!(" có ít nhất {min} hoạt động đã duyệt mỗi tháng"),
        (Lang::Vi, _) => format!(" có ít nhất {min} hoạt động đã duyệt trong kỳ"),
        (Lang::En, Some(ActivePeriod::Month)) => format!(" with at least {min} approved activities in each month"),
        (Lang::En, _) => format!(" with at least {min} approved activities in the period"),
    }
}

fn spell_scalar(value: &Scalar, lang: Lang) -> String {
    match (value, lang) {
        (Scalar::Bool(true), Lang::Vi) => "có".to_owned(),
        (Scalar::Bool(false), Lang::Vi) => "không".to_owned(),
        (Scalar::Bool(true), Lang::En) => "yes".to_owned(),
        (Scalar::Bool(false), Lang::En) => "no".to_owned(),
        (Scalar::Int(number), _) => number.to_string(),
        (Scalar::Text(text), _) => text.clone(),
    }
}

fn spell_condition(wanted: &Condition, kind: &str, lang: Lang, catalogue: &Catalogue) -> String {
    let one = |(field, values): (&String, &Vec<Scalar>)| {
        let option = |value: &Scalar| {
            let label = match value {
                Scalar::Text(option) => catalogue.option_label(kind, field, option, lang),
                _ => None,
            };
            label.map_or_else(|| class_word(&spell_scalar(value, lang), lang).to_owned(), str::to_owned)
        };
        let name = match (attribute_word(field, lang), catalogue.field_label(kind, field, lang)) {
            (_, Some(label)) => label,
            (word, None) => word,
        };
        let or = if lang == Lang::Vi { " hoặc " } else { " or " };
        format!("{name} = {}", values.iter().map(option).collect::<Vec<_>>().join(or))
    };
    wanted.0.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// A word in Vietnamese and English by its code; the code itself where there is none.
fn word<'w>(words: &[(&str, &'w str, &'w str)], code: &'w str, lang: Lang) -> &'w str {
    let found = words.iter().find(|(known, ..)| *known == code);
    found.map_or(code, |(_, vi, en)| if lang == Lang::Vi { vi } else { en })
}

fn subject_word(code: &str, lang: Lang) -> &str {
    let words = [
        ("person", "người", "persons"),
        ("household", "hộ", "households"),
        ("business", "cơ sở kinh doanh", "businesses"),
        ("product", "sản phẩm", "products"),
        ("market", "chợ", "markets"),
        ("village", "thôn", "villages"),
    ];
    word(&words, code, lang)
}

fn class_word(code: &str, lang: Lang) -> &str {
    let words = [
        ("normal", "hộ thường", "no class"),
        ("poor", "hộ nghèo", "poor"),
        ("near_poor", "hộ cận nghèo", "near-poor"),
        ("policy", "hộ chính sách", "policy"),
    ];
    word(&words, code, lang)
}

fn attribute_word(code: &str, lang: Lang) -> &str {
    let words = [
        (HOUSEHOLD_CLASS, "diện hộ", "household class"),
        ("mobile_tech_best", "sóng di động tốt nhất", "best mobile signal"),
        ("fibre_available", "dịch vụ cáp quang", "fibre service"),
        ("grid_power", "điện lưới", "grid power"),
        ("public_wifi", "wifi công cộng", "public wifi"),
    ];
    word(&words, code, lang)
}

fn status_word(code: &str, lang: Lang) -> &str {
    let words = [
        ("open", "đã mở", "open"),
        ("acknowledged", "đã tiếp nhận", "acknowledged"),
        ("forwarded", "đã chuyển", "forwarded"),
        ("resolved", "đã giải quyết", "resolved"),
        ("rejected", "đã từ chối", "rejected"),
        ("closed", "đã đóng", "closed"),
        ("proposed", "đã đề nghị", "proposed"),
        ("verified", "đã xác minh", "verified"),
        ("granted", "đã công nhận", "granted"),
        ("refused", "không công nhận", "refused"),
        ("revoked", "đã thu hồi", "revoked"),
    ];
    word(&words, code, lang)
}

/// The distinct terms of all formulas, each with its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms(Vec<Formula>);

impl Terms {
    pub(super) fn add(&mut self, formula: &Formula) {
        for term in formula.terms() {
            if self.at(term).is_none() {
                self.0.push(term.clone());
            }
        }
    }
    pub(super) fn at(&self, term: &Formula) -> Option<usize> {
        self.0.iter().position(|known| known == term)
    }
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Formula)> {
        self.0.iter().enumerate()
    }
}

/// What achieves a target on a kind: its activities that were done, repeats left out.
pub(super) fn achieved_of(kind: &Kind) -> Formula {
    let done = Condition(BTreeMap::from([("outcome".to_owned(), vec![Scalar::Text("done".to_owned())])]));
    Formula::ActivityCount {
        kinds: vec![kind.code.clone()],
        count: Counting::Activities,
        period: Span::Period,
        quantity_field: None,
        wanted: kind.field("outcome").is_some().then_some(done),
    }
}
