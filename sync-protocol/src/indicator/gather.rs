//! From the rows of a scope to facts: the one way, for phone and server.

use std::collections::BTreeMap;
use std::convert::Infallible;

use uuid::Uuid;

use super::derive::row_fact;
use super::facts::{Fact, RowData, RowFact, VisitFact};
use crate::calendar::Period as Span;
use crate::catalogue::Catalogue;
use crate::entity::*;
use crate::household::{alias_of, root};
use crate::ids::*;
use crate::op::read_content;
use crate::quality::SeenVisit;
use crate::row::{Event, Register, Row, RowType};
use crate::workflow::VisitStatus;

/// The rows of a unit, as they travel, in any order; of each row its newest version.
///
/// Rows of several villages go into one of these: a household may have been merged into one of another village.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    events: BTreeMap<EventId, Event>,
    states: BTreeMap<VisitId, Register>,
    classes: BTreeMap<HouseholdId, String>,
    aliases: BTreeMap<HouseholdId, HouseholdId>,
    rows: Vec<RowFact>,
}

impl Gathered {
    /// The types of the rows that it wants.
    pub const TYPES: [RowType; 11] = [
        RowType::UNIT,
        RowType::TEAM,
        RowType::TEAM_MEMBER,
        RowType::HOUSEHOLD,
        RowType::VISIT_STATE,
        RowType::CASE,
        RowType::DENOMINATOR,
        RowType::MANUAL_NUMBER,
        RowType::RECOGNITION,
        RowType::VISIT_RECORDED,
        RowType::VISIT_CORRECTED,
    ];

    /// Takes a row in. Rows on which no figure rests are passed over.
    pub fn add(&mut self, row: Row) {
        match row {
            Row::Event(event) => {
                self.events.insert(event.id, event);
            }
            Row::Register(register) => match register.ty {
                RowType::VISIT_STATE => {
                    self.states.insert(VisitId(register.id), register);
                }
                RowType::HOUSEHOLD => {
                    let id = HouseholdId(register.id);
                    let class: Option<HouseholdClass> = register.group(household::CLASS);
                    self.classes.extend(class.map(|class| (id, class.class)));
                    self.aliases.extend(alias_of(&register).map(|into| (id, into)));
                }
                RowType::UNIT => self.rows.extend(attribute_facts(&register)),
                _ => self.rows.extend(row_fact(&register)),
            },
            Row::Opaque { .. } => {}
        }
    }

    /// The facts: of visits in the order of their ids, then of all other rows.
    pub fn facts(&self) -> Vec<Fact> {
        let facts = |recorded| self.visit(recorded, |fact| fact.activities()).unwrap_or_default();
        let visits = self.recorded().flat_map(facts);
        visits.chain(self.rows.iter().cloned().map(Fact::Row)).collect()
    }

    /// The visits as quality is looked at, team by team, void ones left out.
    pub fn seen(&self, catalogue: &Catalogue) -> BTreeMap<TeamId, Vec<SeenVisit>> {
        let mut teams: BTreeMap<TeamId, Vec<SeenVisit>> = BTreeMap::new();
        for recorded in self.recorded() {
            let seen = self.visit(recorded, |fact| {
                let held = self.events.get(&fact.event).unwrap_or(recorded);
                (!fact.void).then(|| (fact.content.team, SeenVisit::of(fact, recorded, held, catalogue)))
            });
            if let Some((team, seen)) = seen.flatten() {
                teams.entry(team).or_default().push(seen);
            }
        }
        teams
    }

    fn recorded(&self) -> impl Iterator<Item = &Event> {
        self.events.values().filter(|event| event.row_type() == RowType::VISIT_RECORDED)
    }

    /// The household that stands for one, after doubles were merged.
    fn root(&self, household: HouseholdId) -> HouseholdId {
        let root = root(household, |id| Ok::<_, Infallible>(self.aliases.get(&id).copied()));
        root.unwrap_or_else(|never| match never {})
    }

    /// What is made of one visit; `None` when its rows do not read, or stand in a way that only a newer version knows.
    fn visit<T>(&self, recorded: &Event, make: impl FnOnce(&VisitFact<'_>) -> T) -> Option<T> {
        let initial = crate::decide::initial_state(recorded);
        let state = self.states.get(&recorded.visit_id()).unwrap_or(&initial);
        let pointer: VisitPointer = state.group(visit_state::CONTENT)?;
        let value: VisitStatusValue = state.group(visit_state::STATUS)?;
        // A correction that is not here yet: what was recorded stands in for it.
        let held = self.events.get(&pointer.event).unwrap_or(recorded);
        let mut content = read_content(&held.body).ok()?;
        let visited = content.household;
        content.household = visited.map(|household| self.root(household));
        let class = [content.household, visited].into_iter().flatten().find_map(|id| self.classes.get(&id));
        let handed_in = value.handed_in.or(recorded.submitted.then_some(recorded.received));
        let fact = VisitFact {
            visit: recorded.visit_id(),
            event: held.id,
            at: held.at,
            author: recorded.author,
            content: &content,
            household_class: class.map(String::as_str),
            status: VisitStatus::from_code(&value.status)?,
            returned: value.was_returned,
            submitted: handed_in.map(|at| Day::of_ms(at.0)),
            void: pointer.voided_by.is_some(),
        };
        Some(make(&fact))
    }
}

/// What a village's row says of it: one fact for each attribute and day.
fn attribute_facts(village: &Register) -> Vec<RowFact> {
    let attributes: Option<UnitAttributes> = village.group(unit::ATTRIBUTES);
    let fact = |entry: AttributeFrom| RowFact {
        ver: village.ver,
        row: RowData::Village {
            village: UnitId(village.id),
            attribute: entry.code,
            from: entry.from,
            value: entry.value,
        },
    };
    attributes.map_or_else(Vec::new, |attributes| attributes.history.into_iter().map(fact).collect())
}

/// Whether a reporting month of the period still takes changes in one of the communes. `month` gives the row of a
/// commune's month by its id, where there is one: a month is open until it is closed.
///
/// # Errors
/// What `month` fails with.
pub fn takes_changes<E>(
    communes: &[UnitId],
    span: Span,
    mut month: impl FnMut(Uuid) -> Result<Option<Register>, E>,
) -> Result<bool, E> {
    for commune in communes {
        for of in span.months() {
            let status = month(period_id(*commune, of))?.and_then(|row| row.group::<PeriodStatus>(period::STATUS));
            if status.is_none_or(|status| status.open) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
