//! Cases from the field: what they are about, how they stand, by when they are due.

use serde::{Deserialize, Serialize};
use sync_protocol::access::Action;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::row::{Register, RowType};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::*;

/// Which cases are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FieldCaseQuery {
    /// A village, or a commune with its villages. Without it: wherever the asker may read cases.
    pub unit: Option<Uuid>,
    /// Of this kind.
    pub kind: Option<String>,
    /// In this status: `open`, `acknowledged`, `forwarded`, `resolved`, `rejected`, `closed`.
    pub status: Option<String>,
    /// Behind this place.
    pub cursor: Option<String>,
    /// At most so many: 50 unless told, 200 at most.
    pub limit: Option<u16>,
}

/// A case from the field. It names no person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FieldCaseView {
    /// The case.
    pub id: Uuid,
    /// The village or commune.
    pub unit: Named,
    /// Its kind.
    pub kind: String,
    /// Its status.
    pub status: String,
    /// The day on which it was opened.
    #[schema(format = Date)]
    pub opened: String,
    /// The last day on which an answer is in time; absent where the holidays are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub due: Option<String>,
    /// Not answered, and the last day is over.
    pub overdue: bool,
    /// Whose need or word it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub household: Option<Uuid>,
    /// The visit on which it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visit: Option<Uuid>,
    /// What it is about, when no activity says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// To whom it was last forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// What was done about it, in order.
    pub steps: Vec<StepView>,
}

/// One step of a case.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct StepView {
    /// Where it came to.
    pub to: String,
    /// The day.
    #[schema(format = Date)]
    pub day: String,
    /// Receiver, answer or reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Reading {
    /// Lists cases from the field; those that fell with their activity are left out.
    pub async fn field_cases(&self, by: UserId, query: FieldCaseQuery) -> Answer<Page<FieldCaseView>> {
        self.read_noted(by, "list.field_cases", None, move |scoped| {
            let scopes = scoped.scopes(Action::ReadRows, query.unit.map(UnitId))?;
            let (from, limit) = (cursor::to_row(query.cursor.as_deref())?, page_size(query.limit));
            let (items, place) = scoped.walk(&scopes, RowType::CASE, from, limit, |scoped, scope, register| {
                let view = scoped.field_case(scope, &register)?;
                Ok(view.filter(|view| {
                    query.kind.as_ref().is_none_or(|kind| *kind == view.kind)
                        && query.status.as_ref().is_none_or(|status| *status == view.status)
                }))
            })?;
            let entry = Entry {
                scope: query.unit.map_or_else(|| home_scope(&scoped.principal), ScopeId),
                object: None,
                outcome: items.len().to_string(),
                filter: query.status.clone(),
            };
            Ok((Page { items, next: place.map(cursor::of_row) }, entry))
        })
        .await
    }
}

impl Scoped<'_> {
    fn field_case(&mut self, scope: ScopeId, register: &Register) -> Answer<Option<FieldCaseView>> {
        let (Some(flow), Some(taken)) =
            (register.group::<CaseFlow>(case::FLOW), register.group::<CaseSteps>(case::STEPS))
        else {
            return Ok(None);
        };
        if flow.withdrawn.is_some() {
            return Ok(None);
        }
        let status = taken.steps.last().map_or("open", |step| step.to.as_str()).to_owned();
        let waits = matches!(status.as_str(), "open" | "acknowledged" | "forwarded");
        let today = Day::of_ms(self.now.0);
        let step = |step: CaseStepTaken| StepView { to: step.to, day: step.day.to_string(), text: step.text };
        Ok(Some(FieldCaseView {
            id: register.id,
            unit: self.unit_named(scope.into())?,
            kind: flow.kind,
            status,
            opened: flow.opened.to_string(),
            due: flow.due.map(|due| due.to_string()),
            overdue: waits && flow.due.is_some_and(|due| due < today),
            household: flow.household.map(|household| household.0),
            visit: flow.visit.map(|visit| visit.0),
            text: flow.text,
            receiver: flow.receiver,
            steps: taken.steps.into_iter().map(step).collect(),
        }))
    }
}
