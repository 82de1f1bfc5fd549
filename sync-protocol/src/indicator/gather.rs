//! From the rows of a scope to facts: the one way, for phone and server.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::facts::{Fact, VisitFact};
use crate::calendar::Period as Span;
use crate::entity::*;
use crate::ids::*;
use crate::op::read_content;
use crate::row::{Event, Register, Row, RowType};
use crate::workflow::VisitStatus;

/// The rows of one village, as they travel, in any order; of each row its newest version.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    events: BTreeMap<EventId, Event>,
    states: BTreeMap<VisitId, Register>,
    classes: BTreeMap<HouseholdId, String>,
}

impl Gathered {
    /// The types of the rows that it wants.
    pub const TYPES: [RowType; 4] =
        [RowType::HOUSEHOLD, RowType::VISIT_STATE, RowType::VISIT_RECORDED, RowType::VISIT_CORRECTED];

    /// Takes a row in. Rows on which no figure rests are passed over.
    pub fn add(&mut self, row: Row) {
        match row {
            Row::Event(event) => {
                self.events.insert(event.id, event);
            }
            Row::Register(register) if register.ty == RowType::VISIT_STATE => {
                self.states.insert(VisitId(register.id), register);
            }
            Row::Register(register) if register.ty == RowType::HOUSEHOLD => {
                let class: Option<HouseholdClass> = register.group(household::CLASS);
                self.classes.extend(class.map(|class| (HouseholdId(register.id), class.class)));
            }
            Row::Register(_) | Row::Opaque { .. } => {}
        }
    }

    /// The facts, in the order of the visits' ids.
    pub fn facts(&self) -> Vec<Fact> {
        let recorded = self.events.values().filter(|event| event.row_type() == RowType::VISIT_RECORDED);
        recorded.flat_map(|recorded| self.visit(recorded).unwrap_or_default()).collect()
    }

    /// The facts of one visit; `None` when its rows do not read, or stand in a way that only a newer version knows.
    fn visit(&self, recorded: &Event) -> Option<Vec<Fact>> {
        let initial = crate::decide::initial_state(recorded);
        let state = self.states.get(&recorded.visit_id()).unwrap_or(&initial);
        let pointer: VisitPointer = state.group(visit_state::CONTENT)?;
        let value: VisitStatusValue = state.group(visit_state::STATUS)?;
        // A correction that is not here yet: what was recorded stands in for it.
        let held = self.events.get(&pointer.event).unwrap_or(recorded);
        let content = read_content(&held.body).ok()?;
        let class = content.household.and_then(|household| self.classes.get(&household));
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
        Some(fact.activities())
    }
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
