//! From a stored row to the fact that a figure rests on.

use super::{Period, RowData, RowFact};
use crate::calendar::{self, CutOff, PeriodKind};
use crate::case_flow::CaseStatus;
use crate::catalogue::Decimal;
use crate::entity::*;
use crate::ids::{CaseId, TeamId, TeamMemberId};
use crate::row::{Register, RowType};

/// What a register says to the indicators. `None` for rows that no figure rests on, for one that left its scope, and for
/// one that this version cannot read.
///
/// A case that fell with its activity has no kind any more: it counts nowhere, and takes the place of what was counted.
pub fn row_fact(register: &Register) -> Option<RowFact> {
    let row = match register.ty {
        RowType::TEAM => {
            let Validity { from, to, .. } = register.group(team::VALIDITY)?;
            RowData::Team { team: TeamId(register.id), from, to }
        }
        RowType::TEAM_MEMBER => {
            let MemberIdentity { team, user, .. } = register.group(team_member::IDENTITY)?;
            let Validity { from, to, .. } = register.group(team_member::VALIDITY)?;
            RowData::Member { id: TeamMemberId(register.id), team, user, from, to }
        }
        RowType::CASE => {
            let CaseFlow { kind, opened, due, withdrawn, .. } = register.group(case::FLOW)?;
            let taken: CaseSteps = register.group(case::STEPS)?;
            let first = (opened, CaseStatus::Open.code().to_owned());
            let kind = if withdrawn.is_some() { String::new() } else { kind };
            let steps = [first].into_iter().chain(taken.steps.into_iter().map(|step| (step.day, step.to))).collect();
            RowData::Case { id: CaseId(register.id), kind, opened, due, steps }
        }
        RowType::RECOGNITION => {
            let RecognitionSubject { what, subject, .. } = register.group(recognition::SUBJECT)?;
            let taken: RecognitionSteps = register.group(recognition::STEPS)?;
            let steps = taken.steps.into_iter().map(|step| (step.day, step.to)).collect();
            RowData::Recognition { id: register.id, what, subject, steps }
        }
        RowType::DENOMINATOR => {
            let DenominatorValue { unit, code, from, value, source, .. } = register.group(denominator::VALUE)?;
            RowData::Denominator { unit, code, from, value, source }
        }
        RowType::MANUAL_NUMBER => {
            let ManualValue { unit, code, period, month, value, .. } = register.group(manual_number::VALUE)?;
            let period = calendar::Period::of_month(PeriodKind::from_code(&period)?, month);
            let (from, to) = period.days(CutOff::default())?;
            RowData::Manual { unit, code, period: Period { from, to }, value: Decimal::parse(&value)? }
        }
        _ => return None,
    };
    Some(RowFact { ver: register.ver, row })
}
