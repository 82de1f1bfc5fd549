//! For every rule that the shipped catalogue states, an activity that passes and one that breaks exactly that rule.
//!
//! Everything here is made from the file itself, read as plain JSON beside the validator's own model: a new kind, field,
//! option or bound is covered without a change here. A key that is neither shown by an example nor listed below as
//! words for people fails the test, and so does a rule for which no refused example can be made.

#![allow(missing_docs)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::Strategy;
use proptest::strategy::ValueTree;
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use regex_lite::Regex;
use serde_json::Value as Json;
use support::*;
use sync_protocol::access::Role;
use sync_protocol::catalogue::{
    ActivityContent, ActivityFacts, Catalogue, CatalogueError, EvidenceKind, EvidencePolicy, Finding, Problem,
    QUANTITY_CAP, Severity, VISIT_WINDOW_DAYS, check_quantity, validate_visit_day,
};
use sync_protocol::cbor::{Cbor, Raw};
use sync_protocol::decide::{Change, Decision};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::Intent;
use sync_protocol::outcome::{Code, Verdict};
use sync_protocol::row::{Ver, flag};
use sync_protocol::value::Value;
use sync_protocol::workflow::{Refused, VisitStatus, transition};
use uuid::Uuid;

type Answers = BTreeMap<String, Value>;

// ---------------------------------------------------------------------------------------------------------------------
// What the keys of the file are
// ---------------------------------------------------------------------------------------------------------------------

/// Keys that state a rule: the tests below show an example of each.
const RULES: &[(&str, &str)] = &[
    ("file", "schema_version"),
    ("file", "forbidden_fields"),
    ("common_rule", "code"),
    ("common_rule", "severity"),
    ("visit workflow", "statuses"),
    ("visit workflow", "transitions"),
    ("choice", "code"),
    ("choice", "retired_on"),
    ("kind", "code"),
    ("kind", "retired_on"),
    ("field", "code"),
    ("field", "type"),
    ("field", "required"),
    ("field", "required_if"),
    ("field", "list"),
    ("field", "options"),
    ("field", "allow"),
    ("field", "min"),
    ("field", "max"),
    ("field", "min_items"),
    ("field", "max_length"),
    ("field", "max_count"),
    ("field", "pattern"),
    ("field", "precision_decimals"),
    ("field", "sensitivity"),
    ("rule", "code"),
    ("rule", "severity"),
    ("rule", "check"),
    ("evidence", "mode"),
    ("evidence", "types"),
    ("evidence", "min"),
];

/// Keys that no activity can break, with what they are instead.
const NO_RULES: &[(&str, &str, &str)] = &[
    ("file", "catalogue_version", "travels with a visit"),
    ("file", "language", "which labels there are"),
    ("file", "about", "words"),
    ("file", "pillars", "headings of forms and reports"),
    ("file", "groups", "headings of forms"),
    ("file", "workflows", "walked"),
    ("file", "field_types", "words about `type`"),
    ("file", "sensitivity", "words about `sensitivity`"),
    ("file", "state_values", "words about `sets_state`"),
    ("file", "rule_checks", "words about `check`"),
    ("file", "common_rules", "walked"),
    ("file", "evidence_modes", "words about `mode`"),
    ("file", "lists", "walked"),
    ("file", "kinds", "walked"),
    ("common_rule", "vi", "words"),
    ("common_rule", "en", "words"),
    ("visit workflow", "applies_to", "words"),
    // The cases of this workflow are not kept yet; conflict cases have rules of their own.
    ("case workflow", "applies_to", "words"),
    ("case workflow", "statuses", "no rows yet"),
    ("case workflow", "transitions", "no rows yet"),
    ("choice", "vi", "label"),
    ("choice", "en", "label"),
    ("kind", "vi", "label"),
    ("kind", "en", "label"),
    ("kind", "pillar", "heading; checked when the file is loaded"),
    ("kind", "group", "heading; checked when the file is loaded"),
    ("kind", "workflow", "what becomes of it after the visit; checked when the file is loaded"),
    ("kind", "subject", "whose state it changes"),
    ("kind", "count_unit", "heading of counts"),
    ("kind", "sets_state", "what follows from an approval; checked when the file is loaded"),
    ("kind", "dedupe", "a repeat is stored and not counted, never refused; checked when the file is loaded"),
    ("kind", "points", "weight in a score"),
    ("kind", "release_phase", "whether forms offer it; an answer is valid in either"),
    ("kind", "note", "words"),
    ("kind", "fields", "walked"),
    ("kind", "rules", "walked"),
    ("kind", "evidence", "walked"),
    ("field", "vi", "label"),
    ("field", "en", "label"),
    ("field", "help_vi", "words"),
    ("field", "help_en", "words"),
    ("field", "ref", "what a form offers to choose from; those rows are not kept yet"),
    ("field", "suggest", "proposals, not binding"),
    ("rule", "vi", "words of the finding"),
    ("rule", "en", "words of the finding"),
    ("evidence", "note_vi", "words"),
    ("evidence", "note_en", "words"),
];

/// Sensitivities that say who sees an answer, and with whose consent its subject is kept: nothing in the answer itself
/// can break them.
const SHOWN_NOT_CHECKED: &[&str] = &["personal", "restricted"];

/// Lists that no field uses: what a visit says of itself, and the way of a case.
const LISTS_OUTSIDE_FIELDS: &[&str] = &["visit_type", "case_status"];

/// Where a rule stands: path, shape of the object, key.
type Place = (String, &'static str, String);

fn file() -> Json {
    serde_json::from_str(Catalogue::SHIPPED_JSON).expect("the shipped file is JSON")
}

fn items(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}

fn word<'a>(json: &'a Json, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_default()
}

fn words(json: &Json) -> Vec<String> {
    items(json).iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

fn keys(path: &str, shape: &'static str, object: &Json, places: &mut BTreeSet<Place>) {
    for key in object.as_object().expect("an object").keys() {
        places.insert((path.to_owned(), shape, key.clone()));
    }
}

/// Every key of the file with its place.
fn places(file: &Json) -> BTreeSet<Place> {
    let mut places = BTreeSet::new();
    keys("", "file", file, &mut places);
    for rule in items(&file["common_rules"]) {
        keys(word(rule, "code"), "common_rule", rule, &mut places);
    }
    for (name, workflow) in file["workflows"].as_object().expect("workflows") {
        let shape = match name.as_str() {
            "visit" => "visit workflow",
            "case" => "case workflow",
            other => panic!("nothing here moves `{other}` on"),
        };
        keys(name, shape, workflow, &mut places);
    }
    for (name, list) in file["lists"].as_object().expect("lists") {
        for choice in items(list) {
            keys(&format!("{name}.{}", word(choice, "code")), "choice", choice, &mut places);
        }
    }
    for kind in items(&file["kinds"]) {
        let here = word(kind, "code");
        keys(here, "kind", kind, &mut places);
        for field in items(&kind["fields"]) {
            let at = format!("{here}.{}", word(field, "code"));
            keys(&at, "field", field, &mut places);
            for choice in items(&field["options"]) {
                keys(&format!("{at}.{}", word(choice, "code")), "choice", choice, &mut places);
            }
        }
        for rule in items(&kind["rules"]) {
            keys(&format!("{here}.{}", word(rule, "code")), "rule", rule, &mut places);
        }
        keys(here, "evidence", &kind["evidence"], &mut places);
    }
    places
}

// ---------------------------------------------------------------------------------------------------------------------
// Numbers and conditions, read from the file
// ---------------------------------------------------------------------------------------------------------------------

/// One, in thousand millionths: the finest number that an answer holds.
const ONE: i128 = 1_000_000_000;

/// `None` for digits that are no number.
fn scaled(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    Some(sign * format!("{whole}{fraction:0<9}").parse::<i128>().ok()?)
}

fn spelled(number: i128) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let text = format!("{sign}{}.{:09}", number.abs() / ONE, number.abs() % ONE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn bound(field: &Json, key: &str) -> Option<i128> {
    scaled(&field[key].as_number()?.to_string())
}

fn is_number(field: &Json) -> bool {
    matches!(word(field, "type"), "int" | "decimal" | "money_vnd")
}

fn numeric(field: &Json, number: i128) -> Value {
    match word(field, "type") {
        "decimal" => Value::Text(spelled(number)),
        _ => Value::Int(i64::try_from(number / ONE).expect("a bound of the file")),
    }
}

fn amount(value: Option<&Value>) -> Option<i128> {
    match value? {
        Value::Int(number) => Some(i128::from(*number) * ONE),
        Value::Text(text) => scaled(text),
        _ => None,
    }
}

/// The smallest difference between two answers of a field.
fn step(field: &Json) -> i128 {
    if word(field, "type") == "decimal" { 1 } else { ONE }
}

/// The answers of a condition, one or several for each field.
fn wanted(condition: &Json) -> Vec<(String, Vec<Json>)> {
    let several = |json: &Json| json.as_array().cloned().unwrap_or_else(|| vec![json.clone()]);
    condition.as_object().expect("a condition").iter().map(|(field, json)| (field.clone(), several(json))).collect()
}

fn is(value: Option<&Value>, wanted: &Json) -> bool {
    match value {
        Some(Value::Bool(value)) => wanted == value,
        Some(Value::Int(number)) => wanted == number,
        Some(Value::Text(text)) => wanted == text,
        Some(Value::Codes(codes)) => codes.iter().any(|code| wanted == code),
        _ => false,
    }
}

fn holds(condition: &Json, answers: &Answers) -> bool {
    wanted(condition).iter().all(|(field, some)| some.iter().any(|one| is(answers.get(field), one)))
}

/// Longest text of a field, in characters.
fn longest(field: &Json) -> usize {
    field["max_length"].as_u64().unwrap_or(60) as usize
}

/// A text of a field's pattern.
fn of_pattern(field: &Json, pattern: &str) -> String {
    let inner = pattern.strip_prefix('^').unwrap_or(pattern);
    let texts = string_regex(inner.strip_suffix('$').unwrap_or(inner)).expect("a pattern that texts are made from");
    let mut runner = TestRunner::deterministic();
    let mut drawn = (0..100).map(|_| texts.new_tree(&mut runner).expect("a text").current());
    drawn.find(|text| !text.is_empty() && text.chars().count() <= longest(field)).expect("a text short enough")
}

// ---------------------------------------------------------------------------------------------------------------------
// Making activities of one kind
// ---------------------------------------------------------------------------------------------------------------------

struct Maker<'a> {
    file: &'a Json,
    kind: &'a Json,
}

impl Maker<'_> {
    fn code(&self) -> &str {
        word(self.kind, "code")
    }

    fn fields(&self) -> &[Json] {
        items(&self.kind["fields"])
    }

    fn field(&self, code: &str) -> &Json {
        self.fields().iter().find(|field| word(field, "code") == code).expect("a field that a rule names")
    }

    /// The codes that a field offers.
    fn options(&self, field: &Json) -> Vec<String> {
        let all = match field["list"].as_str() {
            Some(list) => &self.file["lists"][list],
            None => &field["options"],
        };
        let allowed = field["allow"].as_array();
        let offered = |code: &&str| allowed.is_none_or(|allowed| allowed.iter().any(|some| some == code));
        items(all).iter().map(|choice| word(choice, "code")).filter(offered).map(str::to_owned).collect()
    }

    /// An answer with this option, and with others where several are asked for.
    fn chosen(&self, field: &Json, option: &str) -> Value {
        if word(field, "type") == "enum" {
            return Value::Text(option.to_owned());
        }
        let others = self.options(field).into_iter().filter(|other| other != option);
        Value::Codes(std::iter::once(option.to_owned()).chain(others).take(least(field).max(1)).collect())
    }

    fn sample(&self, field: &Json) -> Value {
        let text = |text: &str| Value::Text(text.to_owned());
        match word(field, "type") {
            "int" | "decimal" | "money_vnd" => numeric(field, bound(field, "min").unwrap_or(ONE)),
            "bool" => Value::Bool(true),
            "date" => text("2026-11-10"),
            "datetime" => text("2026-11-10T08:30:00+07:00"),
            "period_month" => text("2026-11"),
            "enum" | "multi_enum" => self.chosen(field, &self.options(field)[0]),
            "ref" => Value::Ref(Uuid::from_bytes([7; 16])),
            "photo" => Value::Photos(vec![[7; 32]]),
            "geo" => Value::Place { lat_e3: 22_000, lon_e3: 104_000 },
            "url" => text("https://vi-du.vn/a"),
            "text" | "code" => match field["pattern"].as_str() {
                Some(pattern) => Value::Text(of_pattern(field, pattern)),
                None => text("ệ"),
            },
            other => panic!("no answer of the type {other}"),
        }
    }

    /// Fills what is required and brings the other answers into line with the pinned ones.
    fn settle(&self, answers: &mut Answers, pinned: &[&str]) {
        let mut pinned: BTreeSet<String> = pinned.iter().map(|code| (*code).to_owned()).collect();
        for _ in 0..20 {
            let before = answers.clone();
            for field in self.fields() {
                let code = word(field, "code");
                let asked = field["required"] == true
                    || field.get("required_if").is_some_and(|condition| holds(condition, answers));
                if asked && !answers.contains_key(code) && !pinned.contains(code) {
                    answers.insert(code.to_owned(), self.sample(field));
                }
            }
            for check in items(&self.kind["rules"]).iter().filter_map(|rule| rule.get("check")) {
                match word(check, "type") {
                    "le" => self.raise(word(check, "left"), word(check, "right"), answers, &mut pinned),
                    "all_le" => {
                        for left in words(&check["fields"]) {
                            self.raise(&left, word(check, "right"), answers, &mut pinned);
                        }
                    }
                    "implies" if holds(&check["if"], answers) => self.follow(check, answers, &mut pinned),
                    _ => {}
                }
            }
            if *answers == before {
                return;
            }
        }
    }

    /// Makes `left` at most `right`, by the larger of two changes that are free.
    fn raise(&self, left: &str, right: &str, answers: &mut Answers, pinned: &mut BTreeSet<String>) {
        let both = amount(answers.get(left)).zip(amount(answers.get(right)));
        let Some((low, high)) = both.filter(|(low, high)| low > high) else { return };
        // Within the bounds of the field that is changed, even where that is not enough.
        let most = bound(self.field(right), "max").unwrap_or(low);
        let least = bound(self.field(left), "min").unwrap_or(high);
        let (change, to) = if pinned.contains(right) { (left, high.max(least)) } else { (right, low.min(most)) };
        if pinned.insert(change.to_owned()) {
            answers.insert(change.to_owned(), numeric(self.field(change), to));
        }
    }

    /// Makes an implication hold: its consequence, or else not its condition.
    fn follow(&self, check: &Json, answers: &mut Answers, pinned: &mut BTreeSet<String>) {
        for (code, some) in wanted(&check["then"]) {
            if some.iter().any(|one| is(answers.get(&code), one)) {
                continue;
            }
            if pinned.insert(code.clone()) {
                answers.insert(code.clone(), self.one_of(&code, &some[0]));
            } else if let Some((given, some)) =
                wanted(&check["if"]).into_iter().find(|(given, _)| pinned.insert(given.clone()))
            {
                answers.extend(self.none_of(&given, &some).map(|value| (given, value)));
            }
        }
    }

    fn one_of(&self, code: &str, wanted: &Json) -> Value {
        match wanted {
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => Value::Int(number.as_i64().expect("a whole number")),
            other => self.chosen(self.field(code), other.as_str().expect("an option")),
        }
    }

    /// An answer that is none of these.
    fn none_of(&self, code: &str, some: &[Json]) -> Option<Value> {
        let field = self.field(code);
        match word(field, "type") {
            "bool" => [true, false].into_iter().find(|value| !some.contains(&Json::Bool(*value))).map(Value::Bool),
            "enum" | "multi_enum" => {
                let free = |option: &String| !some.iter().any(|one| one == option);
                self.options(field).into_iter().find(free).map(|option| self.chosen(field, &option))
            }
            _ => {
                let (min, max) = (bound(field, "min").unwrap_or(0), bound(field, "max").unwrap_or(ONE * ONE));
                let numbers = (0..=some.len()).map(|n| numeric(field, min + n as i128 * ONE));
                numbers
                    .filter(|value| amount(Some(value)) <= Some(max))
                    .find(|value| !some.iter().any(|one| is(Some(value), one)))
            }
        }
    }

    /// A valid activity with every field answered.
    fn full(&self) -> Answers {
        self.with(&[])
    }

    /// A full activity with these answers; `None` leaves one out.
    fn with(&self, changes: &[(&str, Option<Value>)]) -> Answers {
        let mut answers: Answers =
            self.fields().iter().map(|field| (word(field, "code").to_owned(), self.sample(field))).collect();
        for (code, value) in changes {
            match value {
                Some(value) => answers.insert((*code).to_owned(), value.clone()),
                None => answers.remove(*code),
            };
        }
        let pinned: Vec<&str> = changes.iter().map(|(code, _)| *code).collect();
        self.settle(&mut answers, &pinned);
        answers
    }

    fn activity(&self, fields: Answers) -> ActivityContent {
        ActivityContent { kind: self.code().to_owned(), fields }
    }

    /// Rules over several numbers that a field takes part in.
    fn compared(&self, code: &str) -> BTreeSet<&str> {
        let named = |check: &Json| {
            let sides = [word(check, "left"), word(check, "right")];
            sides.contains(&code) || words(&check["fields"]).iter().any(|field| field == code)
        };
        let rules = items(&self.kind["rules"]).iter().filter(|rule| rule.get("check").is_some_and(named));
        rules.map(|rule| word(rule, "code")).collect()
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Judging them
// ---------------------------------------------------------------------------------------------------------------------

/// The day of every visit here.
fn visit_day() -> Day {
    Day::of_ms(NOW)
}

const EVIDENCE: [EvidenceKind; 3] = [EvidenceKind::Photo, EvidenceKind::Link, EvidenceKind::Reference];
/// As much as any kind asks for.
const PLENTY: &[EvidenceKind] = [EVIDENCE; 20].as_flattened();

fn facts(evidence: &[EvidenceKind]) -> ActivityFacts<'_> {
    ActivityFacts { visit_day: visit_day(), evidence, evidence_policy: EvidencePolicy::Enforce, last_approved: None }
}

fn names(findings: &[Finding]) -> Vec<(&str, &str, Severity)> {
    findings.iter().map(|found| (&*found.code, found.field.as_deref().unwrap_or_default(), found.severity)).collect()
}

struct Examples {
    world: World,
    shown: BTreeMap<Place, [usize; 2]>,
}

impl Examples {
    fn new() -> Self {
        Self { world: World::new(), shown: BTreeMap::new() }
    }

    /// Sends a visit with this one activity; to a household, unless the kind may not be tied to one.
    fn record(&self, activity: &ActivityContent) -> Decision {
        let mut world = self.world.clone();
        let mut content = world.content();
        if Catalogue::shipped().kind(&activity.kind).is_some_and(|kind| kind.counts_only().is_some()) {
            (content.household, content.visit_type) = (None, "group".into());
        }
        content.activities =
            vec![Activity { kind: activity.kind.clone(), fields: activity.fields.clone(), id: None, ext: ext() }];
        let mut member = world.member.clone();
        world.send(&mut member, World::record(&content, true))
    }

    fn show(&mut self, place: &Place, refused: bool) {
        self.shown.entry(place.clone()).or_default()[usize::from(refused)] += 1;
    }

    /// What showed one key showed others with it.
    fn same(&mut self, place: &Place, others: [Place; 2]) {
        let shown = self.shown.get(place).copied().unwrap_or_default();
        self.shown.extend(others.map(|other| (other, shown)));
    }

    /// An activity that keeps a rule: nothing is found, and a visit with it is recorded.
    fn passes(&mut self, place: &Place, activity: &ActivityContent) {
        let findings = Catalogue::shipped().validate(activity, &facts(PLENTY));
        assert_eq!(findings, [], "{place:?} {activity:?}");
        assert_eq!(self.record(activity).verdict, Verdict::Applied, "{place:?} {activity:?}");
        self.show(place, false);
    }

    /// An activity that breaks one rule: exactly that is found, and a visit with it is refused for it. Only beyond a
    /// bound there may be no number that keeps a comparison with another field, whose bounds are no wider.
    fn refused(&mut self, place: &Place, maker: &Maker<'_>, answers: Answers, (code, field): (&str, &str)) {
        let activity = maker.activity(answers);
        let findings = Catalogue::shipped().validate(&activity, &facts(PLENTY));
        let found = names(&findings);
        assert!(found.contains(&(code, field, Severity::Error)), "{place:?} {found:?} {activity:?}");
        let compared = maker.compared(field);
        let unavoidable = |code: &str| matches!(&*place.2, "min" | "max") && compared.contains(code);
        let beside = found.iter().filter(|found| found.0 != code || found.1 != field);
        assert!(beside.clone().all(|found| unavoidable(found.0)), "{place:?} {found:?} {activity:?}");
        let decision = self.record(&activity);
        assert_eq!((decision.verdict, decision.code), (Verdict::Rejected, Some(Code::ValidationFailed)), "{place:?}");
        assert_eq!(decision.rule.as_deref(), Some(found[0].0), "{place:?}");
        assert_eq!(decision.field, Some(format!("activities[0].{}", found[0].1)), "{place:?}");
        self.show(place, true);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The rules of a field
// ---------------------------------------------------------------------------------------------------------------------

/// Answers of the wrong kind or form, with what is said of them.
fn malformed(maker: &Maker<'_>, field: &Json) -> Vec<(Value, &'static str)> {
    let text = |text: &str| Value::Text(text.to_owned());
    let other = if word(field, "type") == "photo" { Value::Bool(true) } else { Value::Photos(vec![[1; 32]]) };
    let mut bad = vec![(other, "wrong_type")];
    let more = match word(field, "type") {
        "text" => {
            vec![(text("e\u{302}"), "not_nfc"), (text(" ệ"), "not_trimmed"), (text("a\u{0}"), "control_character")]
        }
        "int" | "money_vnd" => vec![(text("1"), "wrong_type"), (text("1.5"), "wrong_type")],
        "decimal" => vec![(Value::Int(1), "wrong_type"), (text("1,5"), "bad_decimal"), (text("1e3"), "bad_decimal")],
        "bool" => vec![(text("true"), "wrong_type"), (Value::Int(1), "wrong_type")],
        "date" => vec![(text("2026-02-29"), "bad_date"), (text("29/01/2026"), "bad_date")],
        "datetime" => vec![(text("2026-11-10T08:30:00"), "bad_datetime"), (text("2026-11-10"), "bad_datetime")],
        "period_month" => vec![(text("2026-13"), "bad_month"), (text("11/2026"), "bad_month")],
        "enum" => vec![(Value::Codes(vec![maker.options(field)[0].clone()]), "wrong_type")],
        "multi_enum" => vec![(text(&maker.options(field)[0]), "wrong_type")],
        "ref" => vec![(Value::Ref(Uuid::nil()), "wrong_type"), (text("07"), "wrong_type")],
        "photo" => vec![(text("anh.jpg"), "wrong_type")],
        "geo" => vec![(Value::Place { lat_e3: 91_000, lon_e3: 0 }, "bad_place"), (text("22,104"), "wrong_type")],
        "url" => vec![(text("http://vi-du.vn"), "bad_url"), (text("vi-du"), "bad_url")],
        "code" => vec![(Value::Int(1), "wrong_type")],
        other => panic!("no wrong answer of the type {other}"),
    };
    bad.extend(more);
    bad
}

fn show_field(examples: &mut Examples, maker: &Maker<'_>, field: &Json) {
    let code = word(field, "code");
    let full = maker.full();
    for (key, rule) in field.as_object().expect("a field") {
        let place = (format!("{}.{code}", maker.code()), "field", key.clone());
        let good = |examples: &mut Examples, value: Option<Value>| {
            examples.passes(&place, &maker.activity(maker.with(&[(code, value)])));
        };
        let bad = |examples: &mut Examples, value: Option<Value>, finding: &str| {
            examples.refused(&place, maker, maker.with(&[(code, value)]), (finding, code));
        };
        let count = rule.as_u64().unwrap_or_default() as usize;
        match key.as_str() {
            // An answer under another name is carried for a newer catalogue, and seen.
            "code" => {
                good(examples, full.get(code).cloned());
                let other = format!("{code}_khac");
                let activity = maker.activity(maker.with(&[(&other, Some(Value::Int(1)))]));
                let findings = Catalogue::shipped().validate(&activity, &facts(PLENTY));
                assert_eq!(names(&findings), [("unknown_field", &*other, Severity::Warn)]);
                assert_eq!(flags(&examples.record(&activity)) & flag::UNKNOWN_FIELD, flag::UNKNOWN_FIELD);
                examples.show(&place, true);
            }
            "type" => {
                good(examples, full.get(code).cloned());
                for (value, finding) in malformed(maker, field) {
                    bad(examples, Some(value), finding);
                }
                if word(field, "type") == "multi_enum" {
                    let option = maker.options(field)[0].clone();
                    bad(examples, Some(Value::Codes(vec![option; 1 + least(field)])), "duplicate_option");
                }
            }
            "required" if rule == true => {
                good(examples, full.get(code).cloned());
                bad(examples, None, "required");
            }
            "required" => good(examples, full.get(code).filter(|_| field.get("required_if").is_some()).cloned()),
            "required_if" => {
                for (given, some) in wanted(rule) {
                    for one in &some {
                        let mut changes = first_of(maker, rule);
                        changes.insert(given.clone(), maker.one_of(&given, one));
                        let changes: Vec<_> =
                            changes.iter().map(|(code, value)| (&**code, Some(value.clone()))).collect();
                        examples.passes(&place, &maker.activity(maker.with(&changes)));
                        let without = [&changes[..], &[(code, None)]].concat();
                        examples.refused(&place, maker, maker.with(&without), ("required", code));
                    }
                    let other = maker.none_of(&given, &some).expect("an answer that asks for nothing");
                    examples.passes(&place, &maker.activity(maker.with(&[(&given, Some(other)), (code, None)])));
                }
            }
            "list" | "options" => {
                for option in maker.options(field) {
                    good(examples, Some(maker.chosen(field, &option)));
                }
                bad(examples, Some(maker.chosen(field, "khong_co")), "unknown_option");
            }
            "allow" => {
                for option in words(rule) {
                    good(examples, Some(maker.chosen(field, &option)));
                }
                let list = items(&maker.file["lists"][word(field, "list")]).iter().map(|choice| word(choice, "code"));
                for withheld in list.filter(|option| !words(rule).iter().any(|allowed| allowed == option)) {
                    bad(examples, Some(maker.chosen(field, withheld)), "option_not_allowed");
                }
            }
            "min_items" => {
                let options = maker.options(field);
                good(examples, Some(Value::Codes(options[..count].to_vec())));
                let finding = if count > 1 { "too_few" } else { "required" };
                bad(examples, Some(Value::Codes(options[..count - 1].to_vec())), finding);
            }
            "min" | "max" => {
                let bound = bound(field, key).expect("a number");
                good(examples, Some(numeric(field, bound)));
                let (beyond, finding) =
                    if key == "min" { (bound - step(field), "below_min") } else { (bound + step(field), "above_max") };
                bad(examples, Some(numeric(field, beyond)), finding);
            }
            "max_length" => {
                let long = |length: usize| match (word(field, "type"), maker.sample(field)) {
                    ("url", Value::Text(link)) => format!("{link:a<length$}"),
                    _ => "ệ".repeat(length),
                };
                if field.get("pattern").is_none() {
                    good(examples, Some(Value::Text(long(count))));
                } else {
                    good(examples, full.get(code).cloned());
                }
                bad(examples, Some(Value::Text(long(count + 1))), "too_long");
            }
            "max_count" => {
                good(examples, Some(Value::Photos(vec![[1; 32]; count])));
                bad(examples, Some(Value::Photos(vec![[1; 32]; count + 1])), "too_many");
            }
            "pattern" => {
                let regex = Regex::new(rule.as_str().expect("a pattern")).expect("a pattern");
                let Some(Value::Text(fits)) = full.get(code) else { panic!("a text at {place:?}") };
                good(examples, full.get(code).cloned());
                let changed =
                    ["!".into(), format!("{fits}!"), format!("{fits} {fits}"), fits.to_lowercase(), fits[1..].into()];
                let misfit =
                    |text: &String| !text.is_empty() && text.chars().count() <= longest(field) && !regex.is_match(text);
                let misfits: Vec<String> = changed.into_iter().filter(misfit).collect();
                assert!(!misfits.is_empty(), "{place:?}");
                for misfit in misfits {
                    bad(examples, Some(Value::Text(misfit)), "pattern");
                }
            }
            "precision_decimals" => {
                let step = 10_i32.pow(3 - u32::try_from(count).expect("decimals"));
                good(examples, Some(Value::Place { lat_e3: 22 * step, lon_e3: -104 * step }));
                if step > 1 {
                    bad(examples, Some(Value::Place { lat_e3: 22 * step + 1, lon_e3: 0 }), "precision");
                }
                // Finer places cannot be kept at all: what a form gives is rounded.
                let form = serde_json::json!({ code: { "lat": "22.4999999", "lon": "104.5000001" } });
                let read = Catalogue::shipped().from_json_fields(maker.code(), &form).expect("a place");
                let rounded = |thousandths: i32| (thousandths + step / 2) / step * step;
                let kept = Value::Place { lat_e3: rounded(22_500), lon_e3: rounded(104_500) };
                assert_eq!(read.get(code), Some(&kept), "{place:?}");
                examples.show(&place, true);
            }
            "sensitivity" if SHOWN_NOT_CHECKED.contains(&rule.as_str().unwrap_or_default()) => {}
            "sensitivity" => {
                assert_eq!(rule, "free_text", "{place:?}: a sensitivity without an example");
                good(examples, Some(Value::Text("Đã thu 1.234.000 đ".into())));
                for number in ["001099001234", "082 123 456", "0912.345.678", "19036789012345"] {
                    bad(examples, Some(Value::Text(format!("số {number}"))), "forbidden_number");
                }
            }
            _ => {}
        }
    }
}

/// Fewest options of an answer.
fn least(field: &Json) -> usize {
    field["min_items"].as_u64().unwrap_or(1) as usize
}

/// For each field of a condition the first of its answers.
fn first_of(maker: &Maker<'_>, condition: &Json) -> Answers {
    wanted(condition).into_iter().map(|(field, some)| (field.clone(), maker.one_of(&field, &some[0]))).collect()
}

fn flags(decision: &Decision) -> u32 {
    match &decision.changes[..] {
        [Change::PutEvent { event, .. }, ..] => event.flags,
        other => panic!("no visit in {other:?} {:?}", decision.code),
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The rules of a kind
// ---------------------------------------------------------------------------------------------------------------------

fn show_rule(examples: &mut Examples, maker: &Maker<'_>, rule: &Json) {
    let (code, check) = (word(rule, "code"), &rule["check"]);
    let place = |key: &str| (format!("{}.{code}", maker.code()), "rule", key.to_owned());
    let mut cases: Vec<(Answers, Answers, String)> = Vec::new();
    match word(check, "type") {
        // Words for people, without a finding.
        "" => {
            assert_eq!(rule["severity"], "info", "{}.{code} is never checked", maker.code());
            return;
        }
        "le" => cases.push(compare(maker, word(check, "left"), word(check, "right"))),
        "all_le" => {
            cases.extend(words(&check["fields"]).iter().map(|left| compare(maker, left, word(check, "right"))));
        }
        "implies" => {
            for (given, some) in wanted(&check["if"]) {
                for (then, consequences) in wanted(&check["then"]) {
                    for (one, consequence) in some.iter().flat_map(|one| consequences.iter().map(move |so| (one, so))) {
                        let mut good = first_of(maker, &check["if"]);
                        good.extend(first_of(maker, &check["then"]));
                        good.insert(given.clone(), maker.one_of(&given, one));
                        good.insert(then.clone(), maker.one_of(&then, consequence));
                        let mut bad: BTreeMap<&str, Option<Value>> =
                            good.iter().map(|(code, value)| (&**code, Some(value.clone()))).collect();
                        let good: Vec<_> = bad.clone().into_iter().collect();
                        bad.insert(&then, maker.none_of(&then, &consequences));
                        let bad: Vec<_> = bad.into_iter().collect();
                        cases.push((maker.with(&good), maker.with(&bad), then.clone()));
                    }
                }
            }
        }
        "drop_against_last_approved" => return show_drop(examples, maker, rule),
        other => panic!("no example of a rule of the type {other}"),
    }
    assert!(!cases.is_empty(), "{}.{code} compares nothing", maker.code());
    for (good, bad, field) in cases {
        let activity = maker.activity(bad.clone());
        let findings = Catalogue::shipped().validate(&activity, &facts(PLENTY));
        let found = findings.iter().find(|found| found.code == code).expect("the rule's finding");
        assert_eq!((&*found.vi, &*found.en), (word(rule, "vi"), word(rule, "en")));
        examples.passes(&place("check"), &maker.activity(good));
        if severity(rule) == Severity::Error {
            examples.refused(&place("check"), maker, bad, (code, &field));
        } else {
            assert_eq!(names(&findings), [(code, &*field, severity(rule))]);
            assert_eq!(examples.record(&activity).verdict, Verdict::Applied);
            examples.show(&place("check"), true);
        }
    }
    examples.same(&place("check"), [place("code"), place("severity")]);
}

fn severity(rule: &Json) -> Severity {
    serde_json::from_value(rule["severity"].clone()).expect("a severity")
}

/// `left` equal to `right`, and one step above it.
fn compare(maker: &Maker<'_>, left: &str, right: &str) -> (Answers, Answers, String) {
    let (low, high) = (maker.field(left), maker.field(right));
    let base = bound(low, "min").max(bound(high, "min")).unwrap_or(ONE);
    let answers =
        |above: i128| maker.with(&[(left, Some(numeric(low, base + above))), (right, Some(numeric(high, base)))]);
    (answers(0), answers(step(low)), left.to_owned())
}

/// Every number at its largest before, and then just at and just below what may be left of it.
fn show_drop(examples: &mut Examples, maker: &Maker<'_>, rule: &Json) {
    let code = word(rule, "code");
    let kept = i128::from(100 - rule["check"]["percent"].as_u64().expect("percent"));
    let place = |key: &str| (format!("{}.{code}", maker.code()), "rule", key.to_owned());
    for field in maker.fields().iter().filter(|field| is_number(field)) {
        let name = word(field, "code");
        let before = bound(field, "max").expect("a largest number");
        let last = maker.with(&[(name, Some(numeric(field, before)))]);
        let least = (before * kept + 100 * step(field) - 1) / (100 * step(field)) * step(field);
        for (now, found) in [(least, None), (least - step(field), Some((code, name, severity(rule))))] {
            let mut answers = last.clone();
            answers.insert(name.to_owned(), numeric(field, now));
            maker.settle(&mut answers, &[name]);
            let facts = ActivityFacts { last_approved: Some(&last), ..facts(PLENTY) };
            let findings = Catalogue::shipped().validate(&maker.activity(answers), &facts);
            assert_eq!(names(&findings), found.into_iter().collect::<Vec<_>>(), "{code} at {name}");
            examples.show(&place("check"), found.is_some());
        }
    }
    examples.same(&place("check"), [place("code"), place("severity")]);
}

fn show_evidence(examples: &mut Examples, maker: &Maker<'_>) {
    let evidence = &maker.kind["evidence"];
    let types: Vec<EvidenceKind> = serde_json::from_value(evidence["types"].clone()).unwrap_or_default();
    let min = evidence["min"].as_u64().unwrap_or(1) as usize;
    // Without the answers that are evidence themselves.
    let shows = |field: &&Json| matches!(word(field, "type"), "photo" | "url");
    let none: Vec<(&str, Option<Value>)> =
        maker.fields().iter().filter(shows).map(|field| (word(field, "code"), None)).collect();
    let activity = maker.activity(maker.with(&none));
    let count = |kind: EvidenceKind, number: usize| vec![kind; number];
    let judge = |shown: &[EvidenceKind], evidence_policy| {
        Catalogue::shipped().validate(&activity, &ActivityFacts { evidence_policy, ..facts(shown) })
    };
    let mut enough: Vec<Vec<EvidenceKind>> = Vec::new();
    let mut too_few: Vec<Vec<EvidenceKind>> = Vec::new();
    match word(evidence, "mode") {
        "none" | "optional" => enough.push(vec![]),
        "required" => {
            let of = |short: Option<EvidenceKind>| {
                types.iter().flat_map(|kind| count(*kind, if Some(*kind) == short { min - 1 } else { min })).collect()
            };
            enough.push(of(None));
            too_few.extend(types.iter().map(|short| of(Some(*short))));
        }
        "required_any" => {
            enough.extend(types.iter().map(|kind| count(*kind, min)));
            too_few.extend(types.iter().map(|kind| count(*kind, min - 1)));
        }
        other => panic!("no example of evidence that is {other}"),
    }
    if let "required" | "required_any" = word(evidence, "mode") {
        let others = EVIDENCE.iter().filter(|kind| !types.contains(kind));
        too_few.extend(others.map(|other| count(*other, min)));
        assert_eq!(flags(&examples.record(&activity)) & flag::EVIDENCE_MISSING, flag::EVIDENCE_MISSING);
    }
    for key in evidence.as_object().expect("evidence").keys().filter(|key| !key.starts_with("note")) {
        let place = (maker.code().to_owned(), "evidence", key.clone());
        for shown in &enough {
            assert_eq!(judge(shown, EvidencePolicy::Enforce), [], "{place:?} {shown:?}");
            examples.show(&place, false);
        }
        for shown in &too_few {
            for (policy, severity) in
                [(EvidencePolicy::Enforce, Severity::Error), (EvidencePolicy::FlagOnly, Severity::Warn)]
            {
                let findings = judge(shown, policy);
                assert_eq!(names(&findings), [("evidence_missing", "", severity)], "{place:?} {shown:?}");
            }
            examples.show(&place, true);
        }
    }
}

fn show_kind(examples: &mut Examples, maker: &Maker<'_>) {
    let place = (maker.code().to_owned(), "kind", "code".to_owned());
    examples.passes(&place, &maker.activity(maker.full()));
    let mut least = maker.full();
    least.retain(|code, _| maker.field(code)["required"] == true);
    maker.settle(&mut least, &[]);
    examples.passes(&place, &maker.activity(least));
    let unknown = ActivityContent { kind: format!("{}_khac", maker.code()), fields: maker.full() };
    let findings = Catalogue::shipped().validate(&unknown, &facts(PLENTY));
    assert_eq!(names(&findings), [("unknown_kind", "", Severity::Error)]);
    // The server keeps it for a catalogue that knows the kind.
    let decision = examples.record(&unknown);
    assert_eq!((decision.verdict, decision.code), (Verdict::Deferred, Some(Code::NeedsServerUpdate)));
    examples.show(&place, true);
}

// ---------------------------------------------------------------------------------------------------------------------
// All of it
// ---------------------------------------------------------------------------------------------------------------------

#[test]
fn every_key_of_the_file_is_a_rule_or_known_to_be_none() {
    let none: BTreeSet<_> = NO_RULES.iter().map(|(shape, key, _)| (*shape, *key)).collect();
    for (path, shape, key) in places(&file()) {
        let key = key.as_str();
        assert!(RULES.contains(&(shape, key)) || none.contains(&(shape, key)), "{path}: `{key}` of a {shape}");
    }
    assert!(RULES.iter().all(|rule| !none.contains(rule)));
}

#[test]
fn every_rule_has_an_activity_that_passes_and_one_that_is_refused() {
    let file = file();
    let mut examples = Examples::new();
    for kind in items(&file["kinds"]) {
        let maker = Maker { file: &file, kind };
        show_kind(&mut examples, &maker);
        maker.fields().iter().for_each(|field| show_field(&mut examples, &maker, field));
        items(&kind["rules"]).iter().for_each(|rule| show_rule(&mut examples, &maker, rule));
        show_evidence(&mut examples, &maker);
    }

    let mut counts: BTreeMap<(&str, String), [usize; 3]> = BTreeMap::new();
    let shapes = ["kind", "field", "rule", "evidence"];
    for place @ (path, shape, key) in &places(&file) {
        if !shapes.contains(shape) || !RULES.contains(&(*shape, key)) || key == "retired_on" {
            continue;
        }
        let [passed, refused] = examples.shown.get(place).copied().unwrap_or_default();
        let object = at(&file, path, shape);
        let cannot_be_broken = match key.as_str() {
            "required" => object[key] == false,
            "sensitivity" => SHOWN_NOT_CHECKED.contains(&word(object, key)),
            "mode" | "types" | "min" => matches!(word(object, "mode"), "none" | "optional"),
            // A hint: words for people.
            "code" | "severity" if *shape == "rule" => object.get("check").is_none(),
            _ => false,
        };
        let counted = counts.entry((shape, key.clone())).or_default();
        counted[0] += 1;
        counted[1] += passed;
        counted[2] += refused;
        assert!(cannot_be_broken || (passed > 0 && refused > 0), "no examples of `{key}` at {path}");
        assert!(!cannot_be_broken || refused == 0, "`{key}` at {path} can be broken after all");
    }
    for ((shape, key), [places, passed, refused]) in &counts {
        println!("{shape:>10} {key:<20} {places:>4} places, {passed:>5} pass, {refused:>5} refused");
        assert!(*passed > 0 || key == "sensitivity", "{shape} {key}");
        assert!(*refused > 0, "{shape} {key}");
    }
}

/// The object at a path of [`places`].
fn at<'a>(file: &'a Json, path: &str, shape: &str) -> &'a Json {
    let (kind, inner) = path.split_once('.').unwrap_or((path, ""));
    let find = |list: &'a Json, code: &str| items(list).iter().find(|item| word(item, "code") == code).expect("a code");
    let kind = find(&file["kinds"], kind);
    match shape {
        "kind" => kind,
        "evidence" => &kind["evidence"],
        "field" => find(&kind["fields"], inner),
        _ => find(&kind["rules"], inner),
    }
}

#[test]
fn what_is_retired_is_flagged_from_its_day_on() {
    let mut retired = file();
    let day = Json::from(visit_day().to_string());
    for kind in retired["kinds"].as_array_mut().expect("kinds") {
        kind["retired_on"] = day.clone();
        for field in kind["fields"].as_array_mut().expect("fields") {
            for choice in field.get_mut("options").and_then(Json::as_array_mut).into_iter().flatten() {
                choice["retired_on"] = day.clone();
            }
        }
    }
    for (_, list) in retired["lists"].as_object_mut().expect("lists") {
        for choice in list.as_array_mut().expect("a list") {
            choice["retired_on"] = day.clone();
        }
    }
    let catalogue = Catalogue::load(&retired.to_string()).expect("a catalogue");
    for kind in items(&retired["kinds"]) {
        let maker = Maker { file: &retired, kind };
        let activity = maker.activity(maker.full());
        let on = |visit_day| catalogue.validate(&activity, &ActivityFacts { visit_day, ..facts(PLENTY) });
        assert_eq!(on(Day(visit_day().0 - 1)), [], "{}", maker.code());
        let mut expected = vec![("retired_kind", "", Severity::Warn)];
        let choices = maker.fields().iter().filter(|field| word(field, "type").ends_with("enum"));
        expected.extend(choices.map(|field| ("retired_option", word(field, "code"), Severity::Warn)));
        assert_eq!(names(&on(visit_day())), expected, "{}", maker.code());
    }
}

#[test]
fn what_must_never_be_stored_is_no_answer_and_no_field() {
    let file = file();
    let examples = Examples::new();
    let forbidden = words(&file["forbidden_fields"]);
    assert!(!forbidden.is_empty());
    for (kind, name) in items(&file["kinds"]).iter().flat_map(|kind| forbidden.iter().map(move |name| (kind, name))) {
        let maker = Maker { file: &file, kind };
        let activity = maker.activity(maker.with(&[(name, Some(Value::Int(1)))]));
        let findings = Catalogue::shipped().validate(&activity, &facts(PLENTY));
        assert_eq!(names(&findings), [("forbidden_field", &**name, Severity::Error)]);
        assert_eq!(examples.record(&activity).rule.as_deref(), Some("forbidden_field"));
    }
    let refused = |change: &dyn Fn(&mut Json)| {
        let mut changed = file.clone();
        change(&mut changed);
        match Catalogue::load(&changed.to_string()) {
            Err(CatalogueError::Inconsistent { problem, .. }) => Some(problem),
            _ => None,
        }
    };
    for name in &forbidden {
        let problem = refused(&|file| file["kinds"][0]["fields"][0]["code"] = name.as_str().into());
        assert_eq!(problem, Some(Problem::ForbiddenField), "{name}");
    }
    let never = refused(&|file| file["kinds"][0]["fields"][0]["sensitivity"] = "never".into());
    assert_eq!(never, Some(Problem::ForbiddenField));
    let mut newer = file.clone();
    newer["schema_version"] = 2.into();
    assert!(matches!(Catalogue::load(&newer.to_string()), Err(CatalogueError::Schema { found: 2 })));
}

#[test]
fn the_rules_for_all_kinds_hold() {
    let today = visit_day();
    let codes =
        |findings: Vec<Finding>| findings.into_iter().map(|found| (found.code, found.severity)).collect::<Vec<_>>();
    let file = file();
    for rule in items(&file["common_rules"]) {
        let code = word(rule, "code");
        let expected = [(code.to_owned(), severity(rule))];
        let mut world = World::new();
        match code {
            "visit_date_not_future" => {
                assert_eq!(codes(validate_visit_day(Day(today.0 + 1), today, false)), []);
                assert_eq!(codes(validate_visit_day(Day(today.0 + 2), today, false)), expected);
            }
            "visit_date_window" => {
                let first = Day(today.0 - VISIT_WINDOW_DAYS);
                assert_eq!(codes(validate_visit_day(first, today, false)), []);
                assert_eq!(codes(validate_visit_day(Day(first.0 - 1), today, true)), [], "opened by the commune");
                assert_eq!(codes(validate_visit_day(Day(first.0 - 1), today, false)), expected);
            }
            "unit_valid_on_date" => {
                let (mut admin, mut member) = (world.admin.clone(), world.member.clone());
                let ended = Validity { from: Day(20_270), to: Some(today), ext: ext() };
                let groups = [(unit::VALIDITY, Raw(ended.cbor()))];
                world.applied(&mut admin, Intent::UnitSet(set(id(VILLAGE), Ver::first(1), groups)));
                let content = world.content();
                let before = VisitContent { day: Day(today.0 - 1), ..content.clone() };
                world.applied(&mut member, World::record(&before, true));
                let decision = world.send(&mut member, World::record(&content, true));
                assert_eq!(decision.code, Some(Code::UnitNotInForce));
            }
            "member_active_on_date" => {
                let content = world.content();
                let (mut member, mut stranger) = (world.member.clone(), world.stranger.clone());
                world.applied(&mut member, World::record(&content, true));
                assert_eq!(world.send(&mut stranger, World::record(&content, true)).verdict, Verdict::Rejected);
            }
            "quantity_cap" => {
                assert_eq!(check_quantity(QUANTITY_CAP), None);
                assert_eq!(codes(check_quantity(QUANTITY_CAP + 1).into_iter().collect()), expected);
            }
            other => panic!("nothing keeps the rule `{other}`"),
        }
    }
}

#[test]
fn every_list_is_asked_by_a_field_or_by_a_visit_or_household() {
    let file = file();
    let fields = items(&file["kinds"]).iter().flat_map(|kind| items(&kind["fields"]));
    let used: BTreeSet<&str> = fields.map(|field| word(field, "list")).collect();
    for name in file["lists"].as_object().expect("lists").keys() {
        assert!(used.contains(&**name) != LISTS_OUTSIDE_FIELDS.contains(&&**name), "{name}");
    }
    let codes = |name: &str| -> Vec<String> {
        items(&file["lists"][name]).iter().map(|choice| word(choice, "code").to_owned()).collect()
    };
    let mut world = World::new();
    let mut member = world.member.clone();
    for visit_type in codes("visit_type") {
        let content = VisitContent { visit_type, ..world.content() };
        world.applied(&mut member, World::record(&content, true));
    }
    let content = VisitContent { visit_type: "khong_co".into(), ..world.content() };
    let decision = world.send(&mut member, World::record(&content, true));
    assert_eq!((decision.verdict, decision.field.as_deref()), (Verdict::Deferred, Some("visit_type")));
    for value in codes("household_class") {
        let body = create(VILLAGE, [label("nhà"), class(&value)]);
        world.applied(&mut member, Intent::HouseholdCreate(body));
    }
    let body = create(VILLAGE, [label("nhà"), class("khong_co")]);
    let decision = world.send(&mut member, Intent::HouseholdCreate(body));
    assert_eq!((decision.code, decision.field.as_deref()), (Some(Code::BadValue), Some("class")));
    assert_eq!(codes("case_status"), words(&file["workflows"]["case"]["statuses"]));
}

#[test]
fn a_visit_takes_the_steps_of_the_file_and_no_others() {
    let file = file();
    let workflow = &file["workflows"]["visit"];
    assert_eq!(words(&workflow["statuses"]), VisitStatus::ALL.map(VisitStatus::code));
    let mut steps = 0;
    for (from, to) in VisitStatus::ALL.into_iter().flat_map(|from| VisitStatus::ALL.map(|to| (from, to))) {
        let of = |step: &&Json| word(step, "from") == from.code() && word(step, "to") == to.code();
        let step = items(&workflow["transitions"]).iter().find(of);
        steps += usize::from(step.is_some());
        for role in Role::ALL {
            let expected = match step {
                None => Err(Refused::WrongState),
                Some(step) if words(&step["by"]).iter().any(|by| by == role.code()) => Ok(()),
                Some(_) => Err(Refused::NotAllowed),
            };
            assert_eq!(transition(from, to, role, true), expected, "{from:?} {to:?} {role:?}");
            let closed = match step.and_then(|step| step["only_if"].as_str()) {
                Some("reporting period still open") if expected.is_ok() => Err(Refused::PeriodClosed),
                Some("reporting period still open") | None => expected,
                Some(other) => panic!("nothing asks whether {other}"),
            };
            assert_eq!(transition(from, to, role, false), closed, "{from:?} {to:?} {role:?}");
        }
        // What a step needs to have said with it: only a return needs anything.
        let needs = step.and_then(|step| step["needs"].as_str());
        assert_eq!(needs, (step.is_some() && to == VisitStatus::Returned).then_some("reason"), "{from:?} {to:?}");
    }
    assert_eq!(steps, items(&workflow["transitions"]).len());

    let mut world = World::new();
    let mut officer = world.officer.clone();
    let visit = world.visit(true);
    let hash = world.hash(visit);
    let Intent::VisitReturn(mut body) = World::send_back(visit, hash) else { panic!("a return") };
    body.reasons.clear();
    assert_eq!(world.send(&mut officer, Intent::VisitReturn(body)).code, Some(Code::ReasonMissing));
    world.applied(&mut officer, World::send_back(visit, hash));
}
