//! What in the visits of one's own teams is worth a second look: told on the phone first, worked out from the same rows by the
//! same rules as at the server.

use sync_protocol::access::Role;
use sync_protocol::catalogue::Catalogue;
use sync_protocol::ids::*;
use sync_protocol::quality::{Signal, Thresholds, signals_of_span};

use super::index::Side;
use super::{Held, Store};
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
    /// What is worth a second look in the visits of the last 30 days up to `today`, team by team, the weightiest first. Only
    /// where the user works in the team: the office sees it later, at the desk.
    pub fn signals(&mut self, today: Day) -> Result<Vec<SignalView>> {
        let holdings = self.identity()?.map(|identity| identity.holdings).unwrap_or_default();
        let works_in = |scope: ScopeId| {
            let is_team = |held: &Held| matches!(Role::from_code(&held.role), Some(Role::Member | Role::TeamLeader));
            holdings.iter().any(|held| held.scope == scope && is_team(held))
        };
        self.read(|db| {
            let teams = db.gathered(Side::Visible, works_in)?.seen(Catalogue::shipped());
            let span = (Day(today.0.saturating_sub(DAYS - 1)), today);
            let found = teams.values().flat_map(|visits| signals_of_span(visits, span, None, &Thresholds::default()));
            let view = |signal: Signal| SignalView {
                code: signal.noticed.code().to_owned(),
                weight: signal.noticed.weight().code().to_owned(),
                vi: signal.noticed.vi(),
                en: signal.noticed.en(),
                visits: signal.visits,
            };
            Ok(found.map(view).collect())
        })
    }
}
