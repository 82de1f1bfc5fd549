//! What in the visits of one's own teams is worth a second look: told on the phone first, worked out from the same rows by the
//! same rules as at the server.

use sync_protocol::catalogue::Catalogue;
use sync_protocol::ids::*;
use sync_protocol::quality::{Thresholds, signals};

use super::Store;
use super::index::Side;
use crate::error::Result;

/// For so many days back visits are looked at; the server's desk does the same unless told otherwise.
const DAYS: u32 = 30;

/// Something that is worth a second look, and why. A question, never a verdict.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SignalView {
    /// The stable code.
    pub code: String,
    /// `low`, `medium`, `high`.
    pub weight: String,
    /// What was noticed, with the numbers, in Vietnamese.
    pub vi: String,
    /// The same in English.
    pub en: String,
    /// The visits behind it.
    pub visits: Vec<VisitId>,
}

impl Store {
    /// What is worth a second look in the visits of the last 30 days up to `today`, team by team, the weightiest first.
    pub fn signals(&mut self, today: Day) -> Result<Vec<SignalView>> {
        self.read(|db| {
            let teams = db.gathered(Side::Visible, |_| true)?.seen(Catalogue::shipped());
            let mut all = Vec::new();
            for (_, mut visits) in teams {
                visits.retain(|visit| visit.day.0 + DAYS > today.0);
                all.extend(signals(&visits, None, &Thresholds::default()));
            }
            let view = |signal: sync_protocol::quality::Signal| SignalView {
                code: signal.noticed.code().to_owned(),
                weight: signal.noticed.weight().code().to_owned(),
                vi: signal.noticed.vi(),
                en: signal.noticed.en(),
                visits: signal.visits,
            };
            Ok(all.into_iter().map(view).collect())
        })
    }
}
