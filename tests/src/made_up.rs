//! Made-up work for stories: answers that the catalogue takes, for any of its kinds.

use std::collections::BTreeMap;

use sync_protocol::catalogue::{Catalogue, Field, FieldType, Kind};
use sync_protocol::ids::{Day, Month};
use sync_protocol::indicator::Fraction;
use sync_protocol::value::Value;
use uuid::Uuid;

use crate::rng::Rng;

/// Answers by field code.
pub type Answers = BTreeMap<String, Value>;

/// Answers to everything that a kind asks for, for an outcome; numbers and choices are drawn.
pub fn answers(kind: &Kind, outcome: &str, day: Day, chance: &mut Rng) -> Answers {
    let mut answers = Answers::new();
    if kind.field("outcome").is_some() {
        answers.insert("outcome".to_owned(), Value::Text(outcome.to_owned()));
    }
    // An answer may make another one required.
    loop {
        let missing = kind.fields.iter().find(|field| {
            let asked = field.required || field.required_if.as_ref().is_some_and(|when| when.holds(&answers));
            asked && !answers.contains_key(&field.code)
        });
        let Some(field) = missing else { return fitting(kind, outcome, answers) };
        answers.insert(field.code.clone(), answer(field, day, chance));
    }
}

fn answer(field: &Field, day: Day, chance: &mut Rng) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    let whole = |number: Option<sync_protocol::catalogue::Decimal>, or: i64| {
        number.map_or(or, |number| i64::try_from(Fraction::from(number).floor_parts(1)).unwrap_or(or))
    };
    match field.field_type {
        FieldType::Text => text("Đã hướng dẫn tại nhà."),
        FieldType::Int => {
            let from = whole(field.min, 0).max(1);
            let to = whole(field.max, from + 9).clamp(from, from + 9);
            Value::Int(chance.between(from as u64, to as u64) as i64)
        }
        FieldType::Decimal => text("5"),
        FieldType::Bool => Value::Bool(true),
        FieldType::Date => Value::Text(day.to_string()),
        FieldType::Datetime => Value::Text(format!("{day}T09:30:00+07:00")),
        FieldType::PeriodMonth => Value::Text(Month::of_day(day, Month::LAST_DAY_DEFAULT).to_string()),
        FieldType::Enum => {
            let codes: Vec<&str> = field.choices().iter().map(|choice| choice.code.as_str()).collect();
            text(chance.pick(&codes).copied().unwrap_or_default())
        }
        FieldType::MultiEnum => {
            let many = field.min_items.unwrap_or(1).max(1);
            Value::Codes(field.choices().iter().take(many).map(|choice| choice.code.clone()).collect())
        }
        FieldType::Ref => {
            let mut bytes = [0; 16];
            chance.fill(&mut bytes);
            Value::Ref(uuid::Builder::from_custom_bytes(bytes).into_uuid())
        }
        FieldType::MoneyVnd => Value::Int(50_000 * chance.between(1, 20) as i64),
        FieldType::Photo => {
            let mut address = [0; 32];
            chance.fill(&mut address);
            Value::Photos(vec![address])
        }
        FieldType::Geo => Value::Place { lat_e3: 21_700, lon_e3: 104_870 },
        FieldType::Code => text("VN-1504-0001"),
        FieldType::Url => text("https://san.example.vn/gian-hang"),
    }
}

/// What goes together: a part is no larger than its whole, and who is done has got to the last step.
fn fitting(kind: &Kind, outcome: &str, mut answers: Answers) -> Answers {
    for (part, whole) in [("adults_smartphone", "adults"), ("stalls_qr", "stalls_total")] {
        if let Some(most) = answers.get(whole).cloned()
            && answers.get(part).is_some_and(|part| *part > most)
        {
            answers.insert(part.to_owned(), most);
        }
    }
    if kind.code == "vneid_level2" && outcome == "done" {
        answers.insert("step".to_owned(), Value::Text("activated".to_owned()));
    }
    answers
}

/// An id that nobody has.
pub fn new_id(chance: &mut Rng) -> Uuid {
    let mut bytes = [0; 16];
    chance.fill(&mut bytes);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The kinds of the shipped catalogue that forms offer on a day.
pub fn kinds_on(day: Day) -> Vec<&'static Kind> {
    Catalogue::shipped().kinds().iter().filter(|kind| kind.is_offered_on(day)).collect()
}

#[cfg(test)]
mod tests {
    use sync_protocol::catalogue::{ActivityContent, ActivityFacts, EvidencePolicy};

    use super::*;

    #[test]
    fn the_catalogue_takes_what_is_made_up_for_any_kind_and_outcome() {
        let day = Day::parse("2025-03-10").unwrap();
        let mut wrong = Vec::new();
        for kind in kinds_on(day) {
            let outcomes = kind
                .field("outcome")
                .map_or(vec![""], |field| field.choices().iter().map(|choice| choice.code.as_str()).collect());
            for outcome in outcomes {
                for seed in 0..40 {
                    let fields = answers(kind, outcome, day, &mut Rng::new(seed));
                    let facts = ActivityFacts {
                        visit_day: day,
                        evidence: &[],
                        last_approved: None,
                        evidence_policy: EvidencePolicy::FlagOnly,
                    };
                    let content = ActivityContent { kind: kind.code.clone(), fields };
                    let findings = Catalogue::shipped().validate(&content, &facts);
                    for finding in findings.iter().filter(|finding| finding.is_error()) {
                        wrong.push(format!("{} {outcome}: {} {:?}", kind.code, finding.code, finding.field));
                    }
                }
            }
        }
        wrong.sort();
        wrong.dedup();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
