//! What a team has to show for a month: its approved visits, for the certificate that the commune signs.

use sync_protocol::access::Principal;
use sync_protocol::calendar::{CutOff, Period, PeriodKind};
use sync_protocol::decide::State;
use sync_protocol::ids::*;
use sync_protocol::op::read_content;
use sync_protocol::row::RowType;
use sync_protocol::team::ApprovedVisit;
use sync_protocol::workflow::VisitStatus;
use uuid::Uuid;

use super::{ReadError, Scoped};
use crate::storage::{StorageError, Tx, VisitFilter, VisitSummary};
use crate::work::Work;

/// Visits that are read at once.
const PAGE: usize = 200;

/// A team's approved visits of a reporting month that nobody declared void: in its own unit and in what lay below that on
/// the month's last day. None for a team or a month that does not exist.
///
/// # Errors
/// What the store fails with.
pub(crate) fn approved_visits(
    tx: &mut dyn Tx,
    now: ServerMs,
    team: TeamId,
    month: Month,
) -> Result<Vec<ApprovedVisit>, StorageError> {
    let Some((first, last)) = Period::of_month(PeriodKind::Month, month).days(CutOff::default()) else {
        return Ok(Vec::new());
    };
    let Some((scope, _)) = Work::new(tx, now).register(RowType::TEAM, team.0)? else { return Ok(Vec::new()) };
    let nobody = Principal { user: UserId(Uuid::nil()), grants_rev: 0, holdings: Vec::new() };
    let mut scoped = Scoped::of(tx, nobody, now);
    let (units, _) = match scoped.below(scope.into(), Some(last)) {
        Ok(units) => units,
        Err(ReadError::Storage(error)) => return Err(error),
        Err(_) => return Ok(Vec::new()),
    };
    let mut filter = VisitFilter {
        scopes: units.into_iter().map(ScopeId::from).collect(),
        status: Some(VisitStatus::Approved),
        team: Some(team),
        from: Some(first),
        to: Some(last),
        limit: PAGE,
        ..VisitFilter::default()
    };
    let mut found: Vec<VisitSummary> = Vec::new();
    loop {
        let page = tx.visits(&filter)?;
        let is_last = page.len() < PAGE;
        filter.after = page.last().map(|visit| (visit.received, visit.visit));
        found.extend(page.into_iter().filter(|visit| !visit.is_void));
        if is_last {
            break;
        }
    }
    let mut work = Work::new(tx, now);
    let mut approved = Vec::new();
    for visit in found {
        let content = work.event(visit.content)?.and_then(|(_, event)| read_content(&event.body).ok());
        let activities = content.map_or(0, |content| u32::try_from(content.activities.len()).unwrap_or(u32::MAX));
        approved.push(ApprovedVisit { visit: visit.visit, day: visit.day, activities });
    }
    Ok(approved)
}
