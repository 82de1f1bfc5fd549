//! Finding a household while somebody stands in front of it: any part of its names, without tones, by initials, by the
//! last digits of its phone. And asking "is it one of these?" before a new one is entered.

use sync_protocol::entity::*;
use sync_protocol::fold::{fold, matches_name, sort_key};
use sync_protocol::ids::*;
use sync_protocol::row::{Register, RowType};
use sync_protocol::similar::{Description, Folded, compare, local_digits};

use super::{Db, Store};
use crate::error::Result;

const MATCH: &str = "
SELECT rowid, name, label, landmark, phone FROM household_search WHERE household_search MATCH :expression LIMIT :limit
";
/// Most characters of a query that are looked at.
const QUERY_CHARS_MAX: usize = 100;
const WORDS_MAX: usize = 10;
/// Fewest digits that are tried as the end of a phone number.
const PHONE_DIGITS_MIN: usize = 3;
const CANDIDATES_MAX: usize = 500;

/// A household in a list.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct HouseholdHit {
    /// Which one.
    pub id: HouseholdId,
    /// Its village.
    pub scope: ScopeId,
    /// What the village calls it.
    pub label: String,
    /// A landmark.
    pub landmark: Option<String>,
    /// The head, with consent.
    pub head: Option<String>,
    /// The phone, with consent.
    pub phone: Option<String>,
    /// No longer there.
    pub closed: bool,
    /// Something about it has not reached the server.
    pub waiting: bool,
}

/// A household that somebody is about to enter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewHousehold {
    /// The village.
    pub scope: Option<ScopeId>,
    /// What the village calls it.
    pub label: String,
    /// A landmark.
    pub landmark: Option<String>,
    /// The head.
    pub head: Option<String>,
    /// The phone, as typed.
    pub phone: Option<String>,
}

/// A household that may be the one that somebody is about to enter.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Similar {
    /// The household.
    pub household: HouseholdHit,
    /// Why: codes of [`sync_protocol::similar::Reason`].
    pub reasons: Vec<&'static str>,
    /// How much speaks for it; higher is more.
    pub score: u32,
}

struct Candidate {
    lid: i64,
    name: String,
    label: String,
    landmark: String,
    phone: String,
}

fn is_phone_like(query: &str) -> bool {
    !query.is_empty() && query.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '.' | '-' | '+' | '(' | ')'))
}

/// Words joined for FTS5. Folded words hold letters and digits only, so quoting them is enough.
fn all_of(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\" *")).collect();
    format!("{{name label landmark}} : ({})", words.join(" AND "))
}

fn ending(digits: &str) -> String {
    format!("phone : \"{}\" *", digits.chars().rev().collect::<String>())
}

impl Db<'_> {
    fn candidates(&mut self, expression: &str) -> Result<Vec<Candidate>> {
        let mut statement = self.conn.prepare_cached(MATCH)?;
        Ok(statement
            .query_map(rusqlite::params![expression, CANDIDATES_MAX as i64], |row| {
                Ok(Candidate {
                    lid: row.get(0)?,
                    name: row.get(1)?,
                    label: row.get(2)?,
                    landmark: row.get(3)?,
                    phone: row.get(4)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?)
    }

    pub(super) fn hit(&mut self, lid: i64) -> Result<Option<HouseholdHit>> {
        let id = self.uuid(lid)?;
        let Some((scope, register)) = self.visible_register(RowType::HOUSEHOLD, id)? else { return Ok(None) };
        let waiting = self.is_predicted(RowType::HOUSEHOLD, id)?;
        Ok(Some(hit_of(HouseholdId(id), scope, &register, waiting)))
    }

    fn search(&mut self, query: &str, limit: usize) -> Result<Vec<HouseholdHit>> {
        let query: String = query.chars().take(QUERY_CHARS_MAX).collect();
        let folded = fold(&query);
        let words: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).take(WORDS_MAX).collect();
        if words.is_empty() {
            return self.households_where("1", limit);
        }
        let mut expression = all_of(&words);
        let phone = local_digits(&query);
        if is_phone_like(query.trim()) && phone.len() >= PHONE_DIGITS_MIN {
            expression = format!("({expression}) OR {}", ending(&phone));
        }
        let mut found = self.candidates(&expression)?;
        let rank = |c: &Candidate| {
            let place = if c.name.starts_with(&folded) {
                0
            } else if matches_name(&query, &c.name) && !c.name.is_empty() {
                1
            } else if matches_name(&query, &c.label) {
                2
            } else {
                3
            };
            (place, c.name.is_empty(), c.name.clone(), c.label.clone(), c.landmark.clone(), c.phone.clone(), c.lid)
        };
        found.sort_by_cached_key(rank);
        let mut hits = Vec::new();
        for candidate in found {
            if hits.len() >= limit {
                break;
            }
            hits.extend(self.hit(candidate.lid)?);
        }
        Ok(hits)
    }

    pub(super) fn households_where(&mut self, condition: &str, limit: usize) -> Result<Vec<HouseholdHit>> {
        let lids: Vec<i64> = {
            let mut statement = self.conn.prepare_cached(&format!("SELECT lid FROM household WHERE {condition}"))?;
            statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        };
        let mut hits = Vec::new();
        for lid in lids {
            hits.extend(self.hit(lid)?);
        }
        hits.sort_by_cached_key(|hit| sort_key(hit.head.as_deref().unwrap_or(&hit.label)));
        hits.truncate(limit);
        Ok(hits)
    }

    fn similar(&mut self, new: &NewHousehold) -> Result<Vec<Similar>> {
        let folded = |label: &str, others: [&Option<String>; 3]| {
            let [landmark, head, phone] = others.map(|text| text.as_deref().unwrap_or_default());
            Folded::of(&Description { label, landmark, head, phone })
        };
        let entered = folded(&new.label, [&new.landmark, &new.head, &new.phone]);
        let mut parts = Vec::new();
        if entered.phone().len() >= PHONE_DIGITS_MIN {
            parts.push(ending(entered.phone()));
        }
        let words: Vec<String> = entered.words().map(|word| format!("\"{word}\" *")).collect();
        if !words.is_empty() {
            parts.push(format!("{{name label}} : ({})", words.join(" OR ")));
        }
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for candidate in self.candidates(&parts.join(" OR "))? {
            let Some(household) = self.hit(candidate.lid)? else { continue };
            let known = folded(&household.label, [&household.landmark, &household.head, &household.phone]);
            let likeness = compare(&entered, &known);
            if likeness.is_similar() && new.scope.is_none_or(|scope| scope == household.scope) {
                let reasons = likeness.reasons.iter().map(|reason| reason.code()).collect();
                found.push(Similar { household, reasons, score: likeness.score });
            }
        }
        found.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| a.household.id.cmp(&b.household.id)));
        found.truncate(5);
        Ok(found)
    }
}

fn hit_of(id: HouseholdId, scope: ScopeId, register: &Register, waiting: bool) -> HouseholdHit {
    let label = register.group::<HouseholdLabel>(household::LABEL);
    HouseholdHit {
        id,
        scope,
        landmark: label.as_ref().and_then(|label| label.landmark.clone()),
        label: label.map_or_else(String::new, |label| label.label),
        head: register.group::<HouseholdHead>(household::HEAD).map(|head| head.display_name),
        phone: register.group::<HouseholdPhone>(household::PHONE).map(|phone| phone.phone),
        closed: register.group::<HouseholdStatus>(household::STATUS).is_some_and(|status| status.status == "closed"),
        waiting,
    }
}

impl Store {
    /// Households that fit what was typed, best first: parts of names, labels and landmarks without tones, initials,
    /// the end of a phone number. An empty query gives all, in Vietnamese order.
    pub fn search_households(&mut self, query: &str, limit: usize) -> Result<Vec<HouseholdHit>> {
        self.read(|db| db.search(query, limit))
    }

    /// All households, in Vietnamese order.
    pub fn households(&mut self) -> Result<Vec<HouseholdHit>> {
        self.read(|db| db.households_where("1", usize::MAX))
    }

    /// "Is it one of these?": asked before a household is entered.
    pub fn similar_households(&mut self, new: &NewHousehold) -> Result<Vec<Similar>> {
        self.read(|db| db.similar(new))
    }
}
