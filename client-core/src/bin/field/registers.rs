//! `persons`, `businesses`, `products`, `targets`: what this phone holds beside households and visits.

use serde_json::json;
use sync_protocol::catalogue::Catalogue;
use sync_protocol::ids::HouseholdId;
use uuid::Uuid;

use super::{Answer, Field, Outcome, done};

impl Field {
    pub(crate) fn persons(&mut self, household: Option<Uuid>) -> Outcome<Answer> {
        let found = self.store.persons(household.map(HouseholdId))?;
        let mut lines = Vec::new();
        for one in &found {
            let name = one.name.clone().unwrap_or_else(|| self.say("(không còn tên)", "(no name any more)"));
            let known = [&one.birth_band, &one.gender].into_iter().flatten().cloned();
            let phone = one.phone_last3.iter().map(|digits| format!("…{digits}"));
            lines.push(format!("{}  {name}  {}", one.id, known.chain(phone).collect::<Vec<_>>().join("  ")));
        }
        done(json!(found), lines)
    }

    pub(crate) fn businesses(&mut self) -> Outcome<Answer> {
        let found = self.store.businesses()?;
        let lines = found.iter().map(|one| format!("{}  {}  {}", one.id.0, one.name, one.kind)).collect();
        done(json!(found), lines)
    }

    pub(crate) fn products(&mut self) -> Outcome<Answer> {
        let found = self.store.products()?;
        let mut lines = Vec::new();
        for one in &found {
            let of = one.business_name.clone().unwrap_or_else(|| one.business.0.to_string());
            let stars = match one.ocop_stars {
                0 => String::new(),
                stars => self.say(format!("  OCOP {stars} sao"), format!("  OCOP {stars} stars")),
            };
            lines.push(format!("{}  {}  {of}  {}{stars}", one.id, one.name, one.category));
        }
        done(json!(found), lines)
    }

    pub(crate) fn targets(&mut self) -> Outcome<Answer> {
        let found = self.store.targets()?;
        let mut lines = Vec::new();
        for one in &found {
            let code = one.indicator.as_ref().or(one.kind.as_ref()).cloned().unwrap_or_default();
            let kind = one.kind.as_ref().and_then(|kind| Catalogue::shipped().kind(kind));
            let what = kind.map_or(code, |kind| self.say(kind.vi.clone(), kind.en.clone()));
            let due = match &one.due {
                Some(due) => self.say(format!(", đến {due}"), format!(", until {due}")),
                None => String::new(),
            };
            lines.push(format!("{}  {what}: {}{due}", one.id, one.value));
            let who = one.person.iter().map(|person| self.say(format!("Phụ trách: {person}"), format!("By {person}")));
            lines.extend(one.task.iter().cloned().chain(who).map(|line| format!("  {line}")));
        }
        done(json!(found), lines)
    }
}
