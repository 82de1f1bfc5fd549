//! Indicators: what the figures of a unit are, and how they follow from the rows.
//!
//! The sets are data and travel as a bundle, like the activity catalogue: newer ones load in older apps, and everything
//! that bears on a figure is checked when it is loaded. Phone and server work out every figure here, from facts that
//! they add up in a [`Tally`]. Source: docs/DOMAIN.md §10; the file itself carries the meaning of its codes.

pub mod derive;
mod evaluate;
mod facts;
mod formula;
mod fraction;
mod gather;
mod league;
mod recognition;
mod snapshot;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

pub(crate) use evaluate::stands_since;
pub use evaluate::{Contribution, Empty, Figure, FigureUnit, Scope, Sheet, Situation, View};
pub use facts::{ActivityFact, Fact, History, MixedTallies, RowData, RowFact, Tally, VisitFact};
pub(crate) use facts::{Claim, claim, subject_of};
pub use formula::{ActivePeriod, Counting, Formula, HOUSEHOLD_CLASS, Over, Scale, Span, Within};
pub use fraction::Fraction;
pub use gather::{Gathered, takes_changes};
pub use league::{League, LeagueEntry, LeagueError, LeagueRules, Place, Unranked, days_uncovered, rank, team_facts};
pub use recognition::{CitizenCheck, CriterionCheck, Met, Overrides, SetCheck, TeamItem, TeamScore, person_states};
pub use snapshot::{Frozen, Snapshot, freeze};
pub use target::{
    Cascade, Goal, SplitError, Target, TargetCode, TargetFinding, TargetStatus, cascade, split, target_status,
};

use crate::catalogue::{Catalogue, Decimal, Lang};
use crate::ids::Day;
use crate::text::{TextLimit, check_text};

/// The schema of the file that this model reads.
pub const SCHEMA_VERSION: u64 = 1;
/// Largest file that is loaded, in bytes.
pub const INDICATOR_BYTES_MAX: usize = 1 << 20;
/// What the items of a team score add up to, unless the set says otherwise.
const TEAM_POINTS: u32 = 100;
/// Largest value at which a scale may be full.
const FULL_AT_MAX: i128 = 1_000_000;

// ---------------------------------------------------------------------------------------------------------------------
// The model of the file

/// Days from the first to the last, both included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Period {
    /// First day.
    pub from: Day,
    /// Last day.
    pub to: Day,
}

/// When a set holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct Valid {
    /// First day; always until `to` when absent.
    #[serde(default, rename = "valid_from", deserialize_with = "day_or_none")]
    pub from: Option<Day>,
    /// First day on which it no longer holds.
    #[serde(default, rename = "valid_to", deserialize_with = "day_or_none")]
    pub to: Option<Day>,
}

impl Valid {
    /// Whether it holds on a day.
    pub fn on(self, day: Day) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day < to)
    }

    fn overlaps(self, other: Self) -> bool {
        let begins_before_end = |a: Self, b: Self| a.from.zip(b.to).is_none_or(|(from, to)| from < to);
        begins_before_end(self, other) && begins_before_end(other, self)
    }
}

/// What sort of unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A province.
    Province,
    /// A district; none after 2025-06-30.
    District,
    /// A commune.
    Commune,
    /// A village.
    Village,
    /// A team.
    Team,
}

impl Level {
    /// Reads the level of a unit.
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "province" => Some(Self::Province),
            "district" => Some(Self::District),
            "commune" => Some(Self::Commune),
            "village" => Some(Self::Village),
            _ => None,
        }
    }
}

/// Whether more is better.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Met at the target or above.
    Up,
    /// Met at the target or below.
    Down,
}

/// A base number, as the file describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct Base {
    /// Stable code.
    pub code: String,
    /// Label in Vietnamese.
    pub vi: String,
    /// Label in English.
    pub en: String,
    /// `commune_officer`, or `system` for what follows from the rows.
    pub entered_by: String,
    /// The level at which it is entered; above, the parts are added up.
    pub level: Level,
}

/// A number that an officer types for a period.
#[derive(Clone, Debug, Deserialize)]
pub struct ManualInput {
    /// Stable code.
    pub code: String,
    /// Label in Vietnamese.
    pub vi: String,
    /// Label in English.
    pub en: String,
    /// A percentage or a count; only counts are added up over units.
    pub unit: FigureUnit,
}

/// One indicator of a set.
#[derive(Clone, Debug, Deserialize)]
pub struct Indicator {
    /// Stable code.
    pub code: String,
    /// Label in Vietnamese.
    pub vi: String,
    /// Label in English.
    pub en: String,
    /// A pillar of the catalogue.
    pub pillar: String,
    /// Percent or count.
    pub unit: FigureUnit,
    /// How it is got.
    #[serde(skip_deserializing, default = "no_formula")]
    pub formula: Formula,
    /// The default target.
    #[serde(default)]
    pub target: Option<Decimal>,
    /// Whether more is better.
    pub direction: Direction,
    /// How sure the definition is; a code of the file's `basis`.
    pub basis: String,
    /// For which units.
    pub level: Level,
    /// Whether recognition depends on this one alone.
    #[serde(default)]
    pub mandatory: bool,
}

/// Which part of a set must be met.
#[derive(Clone, Debug, Deserialize)]
pub struct RecognitionRule {
    /// Of the mandatory indicators, 0 to 1.
    pub mandatory_share: Decimal,
    /// Of the others, 0 to 1.
    pub optional_share: Decimal,
}

/// A set of indicators.
#[derive(Clone, Debug, Deserialize)]
pub struct IndicatorSet {
    /// Stable code.
    pub code: String,
    /// Label in Vietnamese.
    pub vi: String,
    /// Label in English.
    pub en: String,
    /// For which units.
    pub level: Level,
    /// How sure the set is; a code of the file's `basis`.
    pub basis: String,
    /// When it holds.
    #[serde(flatten)]
    pub valid: Valid,
    /// The set that must be met as well.
    #[serde(default)]
    pub requires: Option<String>,
    /// When a unit that has the set is recognised; `None` for a set that is only watched.
    #[serde(default)]
    pub recognition: Option<RecognitionRule>,
    /// The indicators, in order.
    #[serde(skip)]
    pub indicators: Vec<Indicator>,
}

/// States that a criterion asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Needs {
    /// Every one of them.
    AllStates(Vec<String>),
    /// One of them is enough.
    AnyStates(Vec<String>),
}

/// A criterion of a person's recognition.
#[derive(Clone, Debug, Deserialize)]
pub struct Criterion {
    /// Stable code.
    pub code: String,
    /// Label in Vietnamese.
    pub vi: String,
    /// Label in English.
    pub en: String,
    /// What it asks for.
    pub needs: Needs,
    /// What it asks for as well.
    #[serde(default)]
    pub plus: Option<Needs>,
    /// How sure it is.
    pub basis: String,
    /// The group; 0 where the set has none.
    #[serde(default)]
    pub group: u32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Required {
    All,
}

/// How many criteria a person must meet: so far there is only "all".
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CitizenRule {
    #[serde(rename = "required")]
    _required: Required,
}

/// The criteria of a digital citizen over a span of time.
#[derive(Clone, Debug, Deserialize)]
pub struct CitizenSet {
    /// Stable code.
    pub code: String,
    /// Label in Vietnamese.
    pub vi: String,
    /// Label in English.
    pub en: String,
    /// When it holds.
    #[serde(flatten)]
    pub valid: Valid,
    /// Youngest age.
    pub min_age: u32,
    /// How many must be met.
    #[serde(rename = "rule")]
    _rule: CitizenRule,
    /// The criteria, in order.
    #[serde(skip)]
    pub criteria: Vec<Criterion>,
}

/// One item of a team score.
#[derive(Clone, Debug, Deserialize)]
pub struct ScoreItem {
    /// Stable code.
    pub code: String,
    /// Label in Vietnamese.
    pub vi: String,
    /// Label in English.
    pub en: String,
    /// What it can earn.
    pub max_points: u32,
    /// How its value is got.
    #[serde(skip_deserializing, default = "no_formula")]
    pub formula: Formula,
    /// How the value becomes points.
    pub scale: Scale,
}

/// A band of team scores.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Band {
    /// Stable code.
    pub code: String,
    /// Fewest points.
    pub min: u32,
    /// Label in Vietnamese.
    pub vi: String,
    /// Label in English.
    pub en: String,
}

/// A team score.
#[derive(Clone, Debug, Deserialize)]
pub struct ScoreSet {
    /// Stable code.
    pub code: String,
    /// Label in Vietnamese.
    pub vi: String,
    /// Label in English.
    pub en: String,
    /// How sure the set is; a code of the file's `basis`.
    pub basis: String,
    /// When it holds.
    #[serde(flatten)]
    pub valid: Valid,
    /// What the items add up to.
    #[serde(default = "team_points")]
    pub total_points: u32,
    /// From the highest down; the last begins at 0.
    #[serde(skip)]
    pub bands: Vec<Band>,
    /// The items, in order.
    #[serde(skip)]
    pub items: Vec<ScoreItem>,
}

fn team_points() -> u32 {
    TEAM_POINTS
}

fn no_formula() -> Formula {
    Formula::TargetCompletion {}
}

fn day_or_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Day>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom("not a day as YYYY-MM-DD");
    text.map(|text| Day::parse(&text).ok_or_else(wrong)).transpose()
}

macro_rules! labelled {
    ($($name:ident),+) => {$(
        impl $name {
            /// The label in one language.
            pub fn label(&self, lang: Lang) -> &str {
                if lang == Lang::Vi { &self.vi } else { &self.en }
            }
        }
    )+};
}
labelled!(Base, ManualInput, Indicator, IndicatorSet, Criterion, CitizenSet, ScoreItem, Band, ScoreSet);

// ---------------------------------------------------------------------------------------------------------------------
// Loading

/// Why a file of indicators cannot be used. Then nothing of it is.
#[derive(Debug, thiserror::Error)]
pub enum IndicatorError {
    /// Larger than [`INDICATOR_BYTES_MAX`].
    #[error("the file has {bytes} bytes, more than {INDICATOR_BYTES_MAX}")]
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
    #[error("set {set}, indicator {indicator}, at {path}: {problem}")]
    At {
        /// The set, or the list outside sets.
        set: String,
        /// The indicator, item, criterion or entry; empty when the set itself is meant.
        indicator: String,
        /// The key, for example `formula.num.kind`.
        path: String,
        /// What.
        problem: Problem,
    },
}

impl IndicatorError {
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
        /// What is wrong in a file of indicators, and what to do about it.
        #[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
        pub enum Problem {
            /// A key is missing, unknown where it would change the meaning, or of another type.
            #[error("{0}")]
            Malformed(String),
            $($(#[$doc])* #[error($text)] $variant,)+
        }
        impl Problem {
            /// The stable code.
            pub fn code(&self) -> &'static str {
                match self { Self::Malformed(_) => "malformed", $(Self::$variant => $code,)+ }
            }
        }
    };
}

problems! {
    /// No formula type of this app.
    UnknownFormula "unknown_formula" "the formula type is not known; update the app or use a known type",
    /// No kind of the catalogue.
    UnknownKind "unknown_kind" "the kind is not in the catalogue",
    /// No field of the kind, or no attribute of a village.
    UnknownField "unknown_field" "the field does not exist there",
    /// A field of another type than the formula can use.
    WrongFieldType "wrong_field_type" "the field has the wrong type for this",
    /// No option of the field.
    UnknownOption "unknown_option" "the option does not exist",
    /// No state that an activity sets.
    UnknownState "unknown_state" "no activity sets this state",
    /// No subject of the kinds.
    UnknownSubject "unknown_subject" "the kinds have no such subject",
    /// No denominator of the file.
    UnknownDenominator "unknown_denominator" "the denominator is not in the file",
    /// No manual input of the file.
    UnknownManual "unknown_manual" "the manual input is not in the file",
    /// No status of a case or a recognition.
    UnknownStatus "unknown_status" "the status does not exist",
    /// No pillar of the catalogue.
    UnknownPillar "unknown_pillar" "the pillar is not in the catalogue",
    /// No basis of the file.
    UnknownBasis "unknown_basis" "the basis is not in the file",
    /// `requires` names no set.
    UnknownSet "unknown_set" "the set that is required does not exist",
    /// Not a kind with the case workflow.
    NotACase "not_a_case" "the kind has no case workflow",
    /// A share stands inside a ratio.
    NotACount "not_a_count" "a ratio is made of two counts; a share stands alone",
    /// The lower number is always 0.
    ZeroDenominator "zero_denominator" "the denominator is always 0",
    /// A quantity without its field, or a field without a quantity.
    QuantityField "quantity_field" "exactly a count of quantities names a quantity_field",
    /// The same code twice.
    DuplicateCode "duplicate_code" "the code occurs twice; give each its own",
    /// Lower-case ASCII letters, digits and underscores, up to 64.
    BadCode "bad_code" "the code is malformed",
    /// An empty or improper label.
    BadLabel "bad_label" "a label is missing or malformed",
    /// Neither up nor down.
    WrongDirection "wrong_direction" "the direction is up or down",
    /// A percentage that is none, or a count that is a share.
    WrongUnit "wrong_unit" "the unit does not fit the formula",
    /// Below 0, or above 100 percent.
    BadTarget "bad_target" "the target cannot be reached",
    /// Not between 0 and 1.
    BadShare "bad_share" "a share lies between 0 and 1",
    /// Weights that add up to something else.
    WeightSum "weight_sum" "the points of the items do not add up to what the set says",
    /// Bands that do not go down to 0.
    BadBands "bad_bands" "bands go down from the highest, and the last begins at 0",
    /// A scale that is full at nothing.
    BadScale "bad_scale" "full_at lies above 0 and at most at a million",
    /// Two sets for one day, or a set that ends before it begins.
    Overlap "overlapping_validity" "two sets hold on the same day, or one ends before it begins",
    /// A set that requires itself.
    Cycle "cyclic_reference" "the sets require each other in a circle",
    /// A set without indicators, items or criteria.
    Nothing "empty_set" "the set is empty",
}

/// Denominators and manual inputs by code.
#[derive(Debug, Default)]
struct Lists {
    denominators: BTreeMap<String, Base>,
    manual_inputs: BTreeMap<String, ManualInput>,
}

#[derive(Debug)]
struct Loaded {
    version: String,
    fingerprint: [u8; 32],
    catalogue: Catalogue,
    lists: Lists,
    sets: Vec<IndicatorSet>,
    citizen_sets: Vec<CitizenSet>,
    score_sets: Vec<ScoreSet>,
    terms: formula::Terms,
}

/// A checked file of indicators. Cloning shares it; two are equal when they work out the same figures.
#[derive(Clone)]
pub struct Indicators(Arc<Loaded>);

impl PartialEq for Indicators {
    fn eq(&self, other: &Self) -> bool {
        self.0.fingerprint == other.0.fingerprint
    }
}
impl Eq for Indicators {}

impl std::fmt::Debug for Indicators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Indicators({})", self.version())
    }
}

/// Where the reader is, for its errors.
#[derive(Clone, Copy)]
struct Spot<'s> {
    set: &'s str,
    indicator: &'s str,
}

impl Spot<'_> {
    fn wrong<T>(self, path: &str, problem: Problem) -> Result<T, IndicatorError> {
        let (set, indicator) = (self.set.to_owned(), self.indicator.to_owned());
        Err(IndicatorError::At { set, indicator, path: path.to_owned(), problem })
    }

    fn read<T: DeserializeOwned>(self, json: &Json) -> Result<T, IndicatorError> {
        T::deserialize(json).or_else(|error| self.wrong("", Problem::Malformed(error.to_string())))
    }

    fn valid(self, valid: Valid) -> Result<(), IndicatorError> {
        // A span that ends before it begins does not even overlap itself.
        if valid.overlaps(valid) { Ok(()) } else { self.wrong("valid_from", Problem::Overlap) }
    }

    fn labels(self, code: &str, vi: &str, en: &str) -> Result<(), IndicatorError> {
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if code.is_empty() || code.len() > 64 || !code.bytes().all(letters) {
            return self.wrong("code", Problem::BadCode);
        }
        let proper =
            |label: &str| !label.is_empty() && check_text(label, TextLimit { max_chars: 300, newline: false }).is_ok();
        if proper(vi) && proper(en) { Ok(()) } else { self.wrong("vi, en", Problem::BadLabel) }
    }
}

/// The code of an entry, or what stands in for it in an error.
fn code_of(json: &Json) -> &str {
    json.get("code").and_then(Json::as_str).unwrap_or("?")
}

fn list<'j>(json: &'j Json, key: &str) -> &'j [Json] {
    json.get(key).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

/// Reads a list of entries, each once, none twice.
fn entries<T>(
    json: &Json,
    key: &str,
    set: &str,
    mut read: impl FnMut(&Json, Spot<'_>) -> Result<T, IndicatorError>,
) -> Result<Vec<T>, IndicatorError> {
    let mut seen = BTreeSet::new();
    let one = |json| {
        let spot = Spot { set, indicator: code_of(json) };
        if !seen.insert(spot.indicator.to_owned()) {
            return spot.wrong("code", Problem::DuplicateCode);
        }
        read(json, spot)
    };
    list(json, key).iter().map(one).collect()
}

impl Indicators {
    /// The text of the file that ships with the app.
    pub const SHIPPED_JSON: &'static str = include_str!("../data/indicators.json");

    /// The indicators that ship with the app, for the catalogue that ships with it; read once.
    pub fn shipped() -> &'static Self {
        static SHIPPED: OnceLock<Indicators> = OnceLock::new();
        SHIPPED.get_or_init(|| {
            Self::load(Self::SHIPPED_JSON, Catalogue::shipped()).expect("the shipped file is loaded by our own tests")
        })
    }

    /// Reads and checks a file against the catalogue that its formulas speak of.
    ///
    /// # Errors
    /// [`IndicatorError`] for the first thing found wrong, with its set, indicator and key.
    pub fn load(json: &str, catalogue: &Catalogue) -> Result<Self, IndicatorError> {
        if json.len() > INDICATOR_BYTES_MAX {
            return Err(IndicatorError::TooLarge { bytes: json.len() });
        }
        let file: Json = serde_json::from_str(json).map_err(IndicatorError::Json)?;
        let top = Spot { set: "", indicator: "" };
        let schema = file.get("schema_version").and_then(Json::as_u64).unwrap_or(0);
        if schema != SCHEMA_VERSION {
            return Err(IndicatorError::Schema { found: schema });
        }
        let Some(version) = file.get("indicator_version").and_then(Json::as_str) else {
            return top.wrong("indicator_version", Problem::Malformed("the version is missing".to_owned()));
        };
        let lists = read_lists(&file)?;
        let reader = Reader { file: &file, catalogue, lists: &lists };
        let sets = entries(&file, "sets", "", |json, spot| reader.set(json, spot))?;
        check_required(&sets)?;
        let citizen_sets = entries(&file, "digital_citizen_sets", "", |json, spot| reader.citizen_set(json, spot))?;
        check_validity(&citizen_sets)?;
        let score_sets = entries(&file, "team_score_sets", "", |json, spot| reader.score_set(json, spot))?;

        let mut terms = formula::Terms::default();
        let formulas = sets.iter().flat_map(|set| set.indicators.iter().map(|indicator| &indicator.formula));
        formulas.chain(score_sets.iter().flat_map(|set| set.items.iter().map(|item| &item.formula))).for_each(
            |formula| {
                terms.add(formula);
            },
        );
        catalogue.kinds().iter().for_each(|kind| terms.add(&formula::achieved_of(kind)));
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"thonso/indicators/1");
        hasher.update(catalogue.version().as_bytes()).update(&[0]).update(json.as_bytes());
        let fingerprint = *hasher.finalize().as_bytes();
        let (version, catalogue) = (version.to_owned(), catalogue.clone());
        Ok(Self(Arc::new(Loaded { version, fingerprint, catalogue, lists, sets, citizen_sets, score_sets, terms })))
    }

    /// Version of the content.
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// The catalogue that it was checked against.
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
    }

    /// All sets of indicators, in the order of the file.
    pub fn sets(&self) -> &[IndicatorSet] {
        &self.0.sets
    }

    /// The set of that code.
    pub fn set(&self, code: &str) -> Option<&IndicatorSet> {
        self.0.sets.iter().find(|set| set.code == code)
    }

    /// The indicator of that code, whatever its set.
    pub fn indicator(&self, code: &str) -> Option<&Indicator> {
        self.0.sets.iter().flat_map(|set| &set.indicators).find(|indicator| indicator.code == code)
    }

    /// All sets of criteria for digital citizens.
    pub fn citizen_sets(&self) -> &[CitizenSet] {
        &self.0.citizen_sets
    }

    /// The criteria in force on a day.
    pub fn citizen_set_on(&self, day: Day) -> Option<&CitizenSet> {
        self.0.citizen_sets.iter().find(|set| set.valid.on(day))
    }

    /// The team score of that code.
    pub fn score_set(&self, code: &str) -> Option<&ScoreSet> {
        self.0.score_sets.iter().find(|set| set.code == code)
    }

    /// The item of a team score of that code, whatever its set.
    pub fn score_item(&self, code: &str) -> Option<&ScoreItem> {
        self.0.score_sets.iter().flat_map(|set| &set.items).find(|item| item.code == code)
    }

    /// The team score in force on a day.
    pub fn score_set_on(&self, day: Day) -> Option<&ScoreSet> {
        self.0.score_sets.iter().find(|set| set.valid.on(day))
    }

    /// The base number of that code.
    pub fn denominator(&self, code: &str) -> Option<&Base> {
        self.0.lists.denominators.get(code)
    }

    /// The number of that code that officers type for a period.
    pub fn manual_input(&self, code: &str) -> Option<&ManualInput> {
        self.0.lists.manual_inputs.get(code)
    }

    /// A formula in words, for whoever asks where a figure comes from.
    pub fn describe(&self, formula: &Formula, lang: Lang) -> String {
        formula.describe(lang, &self.0.catalogue, &self.0.lists)
    }

    fn lists(&self) -> &Lists {
        &self.0.lists
    }

    fn terms(&self) -> &formula::Terms {
        &self.0.terms
    }
}

/// Denominators that follow from the rows.
const SYSTEM_BASES: [&str; 4] = ["villages", "communes", "teams", "team_members"];

fn read_lists(file: &Json) -> Result<Lists, IndicatorError> {
    let denominators = entries(file, "denominators", "denominators", |json, spot| {
        let base: Base = spot.read(json)?;
        spot.labels(&base.code, &base.vi, &base.en)?;
        match base.entered_by.as_str() {
            "system" if !SYSTEM_BASES.contains(&base.code.as_str()) => {
                spot.wrong("entered_by", Problem::UnknownDenominator)
            }
            _ => Ok(base),
        }
    })?;
    let manual_inputs = entries(file, "manual_inputs", "manual_inputs", |json, spot| {
        let input: ManualInput = spot.read(json)?;
        spot.labels(&input.code, &input.vi, &input.en)?;
        Ok(input)
    })?;
    Ok(Lists {
        denominators: denominators.into_iter().map(|base| (base.code.clone(), base)).collect(),
        manual_inputs: manual_inputs.into_iter().map(|input| (input.code.clone(), input)).collect(),
    })
}

struct Reader<'r> {
    file: &'r Json,
    catalogue: &'r Catalogue,
    lists: &'r Lists,
}

impl Reader<'_> {
    fn formula(&self, json: &Json, spot: Spot<'_>) -> Result<Formula, IndicatorError> {
        Formula::read(json.get("formula").unwrap_or(&Json::Null), "formula", self.catalogue, self.lists)
            .or_else(|(path, problem)| spot.wrong(&path, problem))
    }

    fn basis(&self, basis: &str, spot: Spot<'_>) -> Result<(), IndicatorError> {
        match self.file.get("basis").and_then(|known| known.get(basis)) {
            Some(_) => Ok(()),
            None => spot.wrong("basis", Problem::UnknownBasis),
        }
    }

    fn set(&self, json: &Json, at: Spot<'_>) -> Result<IndicatorSet, IndicatorError> {
        let at = Spot { set: at.indicator, indicator: "" };
        if let Some(rule) = json.get("recognition").and_then(Json::as_object)
            && let Some(unknown) =
                rule.keys().find(|key| !matches!(key.as_str(), "mandatory_share" | "optional_share" | "basis" | "note"))
        {
            return at.wrong("recognition", Problem::Malformed(format!("unknown key `{unknown}`")));
        }
        let mut set: IndicatorSet = at.read(json)?;
        at.labels(&set.code, &set.vi, &set.en)?;
        at.valid(set.valid)?;
        self.basis(&set.basis, at)?;
        if let Some(rule) = &set.recognition {
            let one = Decimal::from_int(1);
            let proper = |share: Decimal| (Decimal::from_int(0)..=one).contains(&share);
            if !proper(rule.mandatory_share) || !proper(rule.optional_share) {
                return at.wrong("recognition", Problem::BadShare);
            }
        }
        set.indicators = entries(json, "indicators", at.set, |json, spot| self.indicator(json, spot))?;
        if set.indicators.is_empty() { at.wrong("indicators", Problem::Nothing) } else { Ok(set) }
    }

    fn indicator(&self, json: &Json, spot: Spot<'_>) -> Result<Indicator, IndicatorError> {
        if !matches!(json.get("direction").and_then(Json::as_str), Some("up" | "down")) {
            return spot.wrong("direction", Problem::WrongDirection);
        }
        let mut indicator: Indicator = spot.read(json)?;
        spot.labels(&indicator.code, &indicator.vi, &indicator.en)?;
        self.basis(&indicator.basis, spot)?;
        if !self.catalogue.file().pillars.iter().any(|pillar| pillar.code == indicator.pillar) {
            return spot.wrong("pillar", Problem::UnknownPillar);
        }
        indicator.formula = self.formula(json, spot)?;
        let percent = indicator.formula.is_share() || indicator.formula.is_percent_typed(self.lists);
        if indicator.unit != if percent { FigureUnit::Percent } else { FigureUnit::Count } {
            return spot.wrong("unit", Problem::WrongUnit);
        }
        let highest = if percent { Decimal::from_int(100) } else { Decimal::from_int(i64::MAX) };
        if indicator.target.is_some_and(|target| !(Decimal::from_int(0)..=highest).contains(&target)) {
            return spot.wrong("target", Problem::BadTarget);
        }
        Ok(indicator)
    }

    fn citizen_set(&self, json: &Json, at: Spot<'_>) -> Result<CitizenSet, IndicatorError> {
        let at = Spot { set: at.indicator, indicator: "" };
        let mut set: CitizenSet = at.read(json)?;
        at.labels(&set.code, &set.vi, &set.en)?;
        at.valid(set.valid)?;
        set.criteria = entries(json, "criteria", at.set, |json, spot| {
            let criterion: Criterion = spot.read(json)?;
            spot.labels(&criterion.code, &criterion.vi, &criterion.en)?;
            self.basis(&criterion.basis, spot)?;
            for (needs, path) in [(Some(&criterion.needs), "needs"), (criterion.plus.as_ref(), "plus")] {
                let states = match needs {
                    Some(Needs::AllStates(states) | Needs::AnyStates(states)) => states.as_slice(),
                    None => continue,
                };
                let set_by = |state: &String| {
                    let rules = self.catalogue.kinds().iter().flat_map(|kind| &kind.sets_state);
                    rules.into_iter().any(|rule| rule.subject == "person" && rule.state == *state)
                };
                if states.is_empty() || !states.iter().all(set_by) {
                    return spot.wrong(path, Problem::UnknownState);
                }
            }
            Ok(criterion)
        })?;
        if set.criteria.is_empty() { at.wrong("criteria", Problem::Nothing) } else { Ok(set) }
    }

    fn score_set(&self, json: &Json, at: Spot<'_>) -> Result<ScoreSet, IndicatorError> {
        let at = Spot { set: at.indicator, indicator: "" };
        let mut set: ScoreSet = at.read(json)?;
        at.labels(&set.code, &set.vi, &set.en)?;
        at.valid(set.valid)?;
        self.basis(&set.basis, at)?;
        set.bands = entries(json, "bands", at.set, |json, spot| {
            let band: Band = spot.read(json)?;
            spot.labels(&band.code, &band.vi, &band.en)?;
            Ok(band)
        })?;
        if !set.bands.is_sorted_by(|higher, lower| higher.min > lower.min)
            || set.bands.last().is_none_or(|b| b.min != 0)
        {
            return at.wrong("bands", Problem::BadBands);
        }
        set.items = entries(json, "items", at.set, |json, spot| {
            let mut item: ScoreItem = spot.read(json)?;
            spot.labels(&item.code, &item.vi, &item.en)?;
            item.formula = self.formula(json, spot)?;
            let Scale::Linear { full_at } = item.scale;
            let full_at = Fraction::from(full_at);
            if full_at <= Fraction::ZERO || full_at > Fraction::whole(FULL_AT_MAX) {
                return spot.wrong("scale.full_at", Problem::BadScale);
            }
            Ok(item)
        })?;
        let sum: u64 = set.items.iter().map(|item| u64::from(item.max_points)).sum();
        if sum == u64::from(set.total_points) { Ok(set) } else { at.wrong("items", Problem::WeightSum) }
    }
}

fn check_required(sets: &[IndicatorSet]) -> Result<(), IndicatorError> {
    for set in sets {
        let spot = Spot { set: &set.code, indicator: "" };
        let mut next = set.requires.as_ref();
        let mut steps = 0;
        while let Some(code) = next {
            let Some(required) = sets.iter().find(|set| set.code == *code) else {
                return spot.wrong("requires", Problem::UnknownSet);
            };
            steps += 1;
            if steps > sets.len() {
                return spot.wrong("requires", Problem::Cycle);
            }
            next = required.requires.as_ref();
        }
    }
    let mut seen = BTreeSet::new();
    for set in sets {
        for indicator in &set.indicators {
            if !seen.insert(&indicator.code) {
                return Spot { set: &set.code, indicator: &indicator.code }.wrong("code", Problem::DuplicateCode);
            }
        }
    }
    Ok(())
}

fn check_validity(sets: &[CitizenSet]) -> Result<(), IndicatorError> {
    for (at, set) in sets.iter().enumerate() {
        if sets[..at].iter().any(|other| set.valid.overlaps(other.valid)) {
            return Spot { set: &set.code, indicator: "" }.wrong("valid_from", Problem::Overlap);
        }
    }
    Ok(())
}
