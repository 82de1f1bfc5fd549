//! What the village asked for and what became of it: cases from the field with their answers, recognitions with their steps.

use serde::Serialize;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::row::RowType;

use super::Store;
use crate::error::Result;

/// A case from the field, as its village sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct FieldCase {
    /// Which one.
    pub id: CaseId,
    /// The village or commune.
    pub unit: UnitId,
    /// A code of `case_flow::CaseKind`.
    pub kind: String,
    /// Where it came to: `open`, or the last step.
    pub status: String,
    /// The day on which it was opened, `YYYY-MM-DD`.
    pub opened: String,
    /// The last day on which an answer is in time.
    pub due: Option<String>,
    /// What it is about, when no activity says so.
    pub text: Option<String>,
    /// What was done about it, in order.
    pub steps: Vec<StepView>,
}

/// One step of a case or of a recognition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct StepView {
    /// Where it came to.
    pub to: String,
    /// The day, `YYYY-MM-DD`.
    pub day: String,
    /// Receiver, answer, reason, or number of the decision.
    pub text: Option<String>,
}

/// A recognition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RecognitionView {
    /// Which one.
    pub id: RecognitionId,
    /// The village of the person, or the commune.
    pub unit: UnitId,
    /// `digital_citizen`, `digital_commune`.
    pub what: String,
    /// The person, or the commune; absent once anonymised.
    pub subject: Option<uuid::Uuid>,
    /// The set of criteria.
    pub set: String,
    /// Its way, in order; the first is `proposed`.
    pub steps: Vec<StepView>,
}

impl Store {
    /// Cases from the field that this phone holds, the latest first. Those that fell with their activity are left out.
    pub fn field_cases(&mut self) -> Result<Vec<FieldCase>> {
        self.read(|db| {
            let mut found = Vec::new();
            for id in db.ids_of_type(RowType::CASE)? {
                let Some((_, register)) = db.visible_register(RowType::CASE, id)? else { continue };
                let Some(flow) = register.group::<CaseFlow>(case::FLOW).filter(|flow| flow.withdrawn.is_none()) else {
                    continue;
                };
                let steps = register.group::<CaseSteps>(case::STEPS).map(|taken| taken.steps).unwrap_or_default();
                let step = |step: CaseStepTaken| StepView { to: step.to, day: step.day.to_string(), text: step.text };
                let view = FieldCase {
                    id: CaseId(id),
                    unit: flow.unit,
                    kind: flow.kind,
                    status: steps.last().map_or("open", |step| step.to.as_str()).to_owned(),
                    opened: flow.opened.to_string(),
                    due: flow.due.map(|due| due.to_string()),
                    text: flow.text,
                    steps: steps.into_iter().map(step).collect(),
                };
                found.push((flow.opened, view));
            }
            found.sort_by_key(|(opened, view)| (std::cmp::Reverse(*opened), view.id));
            Ok(found.into_iter().map(|(_, view)| view).collect())
        })
    }

    /// Recognitions that this phone holds, with their steps.
    pub fn recognitions(&mut self) -> Result<Vec<RecognitionView>> {
        self.read(|db| {
            let mut found = Vec::new();
            for id in db.ids_of_type(RowType::RECOGNITION)? {
                let Some((scope, register)) = db.visible_register(RowType::RECOGNITION, id)? else { continue };
                let Some(subject) = register.group::<RecognitionSubject>(recognition::SUBJECT) else { continue };
                let way = register.group::<RecognitionSteps>(recognition::STEPS);
                let step = |step: RecognitionStep| StepView {
                    to: step.to,
                    day: step.day.to_string(),
                    text: step.number.or(step.reason),
                };
                found.push(RecognitionView {
                    id: RecognitionId(id),
                    unit: scope.into(),
                    what: subject.what,
                    subject: subject.subject,
                    set: subject.set,
                    steps: way.map(|way| way.steps).unwrap_or_default().into_iter().map(step).collect(),
                });
            }
            Ok(found)
        })
    }
}
