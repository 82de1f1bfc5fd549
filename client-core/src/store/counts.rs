//! Numbers, with their reasons. *Recorded* is what this phone shows, sent or not; *confirmed* is what the server has;
//! *approved* is the part of confirmed that was approved. Phone and server call the same function.

use sync_protocol::catalogue::Catalogue;
use sync_protocol::count::{CountKey, VISIT_ITSELF, contributions, is_achieved};
use sync_protocol::decide::reporting_month;
use sync_protocol::ids::*;
use sync_protocol::workflow::VisitStatus;

use super::index::{Side, status_of};
use super::{Db, Store};
use crate::error::{Error, Result};

const OF_MONTH: &str = "
SELECT village, team, kind, outcome, status, recorded, confirmed FROM cell
WHERE month = :month AND (recorded <> 0 OR confirmed <> 0)
";

/// One cell of the count.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Cell {
    /// The village.
    pub village: UnitId,
    /// The team.
    pub team: TeamId,
    /// The kind of activity; empty for visits themselves.
    pub kind: String,
    /// The outcome; for visits `done`, `absent`, `refused`.
    pub outcome: String,
    /// The status; a code of the visit workflow.
    pub status: String,
    /// How many this phone shows.
    pub recorded: i64,
    /// How many the server has.
    pub confirmed: i64,
}

/// The same three numbers that are shown everywhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct CountTotals {
    /// What this phone shows, sent or not.
    pub recorded: i64,
    /// What the server has.
    pub confirmed: i64,
    /// What of it was approved.
    pub approved: i64,
}

/// The counts of a reporting month.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Counts {
    /// The month, `YYYY-MM`.
    pub month: String,
    /// The server's clock, in ms, at the last complete answer: confirmed numbers are as of then. 0 before the first.
    pub consistent_at_ms: u64,
    /// Visits.
    pub visits: CountTotals,
    /// Activities.
    pub activities: CountTotals,
    /// Activities with the outcome "done".
    pub achieved: CountTotals,
    /// The cells behind them.
    pub cells: Vec<Cell>,
}

/// One thing that a visit counts as.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ExplainedCell {
    /// The kind of activity; empty for the visit itself.
    pub kind: String,
    /// The outcome.
    pub outcome: String,
    /// Whether it counts as achieved.
    pub achieved: bool,
}

/// Why a visit counts where it does.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Explanation {
    /// The visit.
    pub visit: VisitId,
    /// The day as the person entered it.
    pub day: String,
    /// The reporting month, which runs from the 15th of the month before to the 14th.
    pub month: String,
    /// The village.
    pub village: UnitId,
    /// The team.
    pub team: TeamId,
    /// The status as shown; a code of the visit workflow.
    pub status: String,
    /// Void: it counts nowhere.
    pub void: bool,
    /// What it counts as on this phone.
    pub recorded: Vec<ExplainedCell>,
    /// What it counts as at the server; empty while it has not arrived.
    pub confirmed: Vec<ExplainedCell>,
    /// Whether the server has approved it.
    pub approved: bool,
}

fn explained(keys: &[CountKey]) -> Vec<ExplainedCell> {
    keys.iter()
        .map(|key| ExplainedCell {
            kind: key.kind.clone(),
            outcome: key.outcome.clone(),
            achieved: is_achieved(Catalogue::shipped(), key),
        })
        .collect()
}

impl Db<'_> {
    /// Visits recorded and confirmed, of all months.
    pub(crate) fn visit_totals(&mut self) -> Result<(u64, u64)> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT coalesce(sum(recorded), 0), coalesce(sum(confirmed), 0) FROM cell WHERE kind = :kind",
            )?
            .query_row([VISIT_ITSELF], |row| {
                Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs()))
            })?)
    }
}

impl Store {
    /// The counts of a reporting month.
    pub fn counts(&mut self, month: Month) -> Result<Counts> {
        self.read(|db| {
            let rows: Vec<(i64, i64, String, String, u8, i64, i64)> = {
                let mut statement = db.conn.prepare_cached(OF_MONTH)?;
                statement
                    .query_map([month.0], |r| {
                        Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?))
                    })?
                    .collect::<rusqlite::Result<_>>()?
            };
            let mut counts = Counts {
                month: month.to_string(),
                consistent_at_ms: db.link()?.consistent_ms,
                visits: CountTotals::default(),
                activities: CountTotals::default(),
                achieved: CountTotals::default(),
                cells: Vec::new(),
            };
            for (village, team, kind, outcome, status, recorded, confirmed) in rows {
                let status = status_of(status);
                let (village, team) = (UnitId(db.uuid(village)?), TeamId(db.uuid(team)?));
                let key = CountKey { village, month, team, kind, outcome, status };
                let achieved = is_achieved(Catalogue::shipped(), &key);
                let add = |totals: &mut CountTotals| {
                    totals.recorded += recorded;
                    totals.confirmed += confirmed;
                    totals.approved += if status == VisitStatus::Approved { confirmed } else { 0 };
                };
                if key.kind == VISIT_ITSELF {
                    add(&mut counts.visits);
                } else {
                    add(&mut counts.activities);
                    if achieved {
                        add(&mut counts.achieved);
                    }
                }
                let CountKey { village, team, kind, outcome, .. } = key;
                let status = status.code().to_owned();
                counts.cells.push(Cell { village, team, kind, outcome, status, recorded, confirmed });
            }
            let order =
                |cell: &Cell| (cell.village, cell.team, cell.kind.clone(), cell.outcome.clone(), cell.status.clone());
            counts.cells.sort_by_key(order);
            Ok(counts)
        })
    }

    /// Why a visit counts where it does.
    pub fn explain(&mut self, visit: VisitId) -> Result<Explanation> {
        self.read(|db| {
            let shown = db.visit_view(visit.0, Side::Visible)?.ok_or(Error::NotFound)?;
            let base = db.visit_view(visit.0, Side::Base)?;
            let keys = |view: &super::index::VisitView| {
                contributions(&view.content, view.status, view.pointer.voided_by.is_some())
            };
            Ok(Explanation {
                visit,
                day: shown.content.day.to_string(),
                month: reporting_month(shown.content.day).to_string(),
                village: shown.content.village,
                team: shown.content.team,
                status: shown.status.code().to_owned(),
                void: shown.pointer.voided_by.is_some(),
                recorded: explained(&keys(&shown)),
                confirmed: base.as_ref().map_or_else(Vec::new, |base| explained(&keys(base))),
                approved: base.is_some_and(|b| b.status == VisitStatus::Approved && b.pointer.voided_by.is_none()),
            })
        })
    }
}
