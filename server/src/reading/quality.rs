//! What in the visits of a team is worth a second look. A question, never a verdict: it changes no status, and the team
//! sees it some working days before the commune does.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sync_protocol::access::Action;
use sync_protocol::calendar::Holidays;
use sync_protocol::catalogue::{Catalogue, Kind};
use sync_protocol::ids::*;
use sync_protocol::indicator::Gathered;
use sync_protocol::quality::{
    SeenVisit, Signal, Thresholds, WATCHED_DAYS, is_watched, shown_to_the_office_from, signals_of_span,
};
use sync_protocol::row::{Row, RowType};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::visits::day;
use super::*;
use crate::storage::VisitFilter;

/// Most days of one look.
const DAYS_MAX: u32 = 62;
/// Days of a look when nothing is asked; around one visit, to either side.
const DAYS_DEFAULT: u32 = 30;
/// Most visits of one look.
const VISITS_MAX: usize = 5_000;
const PAGE: usize = 500;

/// Where to look.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QualityQuery {
    /// A village, or a commune with its villages.
    pub unit: Uuid,
    /// Only this team.
    pub team: Option<Uuid>,
    /// From this day of visit; 30 days before `to` unless told.
    pub from: Option<String>,
    /// Up to and with this day; today unless told. At most 62 days in all.
    pub to: Option<String>,
}

/// What was noticed in a team's visits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct TeamSignals {
    /// The team.
    pub team: Named,
    /// The weightiest first.
    pub signals: Vec<SignalView>,
    /// How many more the team has to itself for some working days yet.
    pub with_the_team: usize,
}

/// Something that is worth a second look, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SignalView {
    /// The stable code.
    pub code: String,
    /// `low`, `medium`, `high`.
    pub weight: String,
    /// What was noticed, with the numbers.
    pub words: Label,
    /// The visits behind it.
    pub visits: Vec<Uuid>,
}

fn view(signal: Signal) -> SignalView {
    SignalView {
        code: signal.noticed.code().to_owned(),
        weight: signal.noticed.weight().code().to_owned(),
        words: Label { vi: signal.noticed.vi(), en: signal.noticed.en() },
        visits: signal.visits.into_iter().map(|visit| visit.0).collect(),
    }
}

impl Reading {
    /// Lists what was noticed, team by team.
    pub async fn quality(&self, by: UserId, query: QualityQuery) -> Answer<Page<TeamSignals>> {
        self.read_noted(by, "list.quality", None, move |scoped| {
            let scopes = scoped.scopes(Action::ReadRows, Some(UnitId(query.unit)))?;
            let to = day(query.to.as_deref(), "to")?.unwrap_or(Day::of_ms(scoped.now.0));
            let from = day(query.from.as_deref(), "from")?.unwrap_or(Day(to.0.saturating_sub(DAYS_DEFAULT - 1)));
            if from > to || to.0 - from.0 >= DAYS_MAX {
                return Err(ReadError::BadValue("from"));
            }
            let teams = scoped.seen(scopes, query.team.map(TeamId), from, to)?;
            let mut items = Vec::new();
            for (team, visits) in teams {
                let all = signals_of_span(&visits, (from, to), None, &Thresholds::default());
                let (shown, kept) = scoped.shown(team, &visits, all)?;
                if !shown.is_empty() || kept > 0 {
                    let signals = shown.into_iter().map(view).collect();
                    items.push(TeamSignals { team: scoped.team_named(team)?, signals, with_the_team: kept });
                }
            }
            let entry = Entry {
                scope: ScopeId(query.unit),
                object: None,
                outcome: items.len().to_string(),
                filter: query.team.map(|team| format!("team={team}")),
            };
            Ok((Page { items, next: None }, entry))
        })
        .await
    }
}

impl Scoped<'_> {
    /// What was noticed about one visit, as far as the asker sees it yet.
    pub(super) fn signals_of(
        &mut self,
        scope: ScopeId,
        team: TeamId,
        visit: VisitId,
        on: Day,
    ) -> Answer<Vec<SignalView>> {
        let (from, to) = (Day(on.0.saturating_sub(DAYS_DEFAULT)), Day(on.0 + DAYS_DEFAULT));
        let teams = self.seen(vec![scope], Some(team), from, to)?;
        let Some(visits) = teams.get(&team) else { return Ok(Vec::new()) };
        let about = |signal: &Signal| signal.visits.contains(&visit);
        let all = signals_of_span(visits, (from, to), None, &Thresholds::default()).into_iter().filter(about).collect();
        Ok(self.shown(team, visits, all)?.0.into_iter().map(view).collect())
    }

    /// The visits of a span as quality is looked at, team by team.
    fn seen(
        &mut self,
        scopes: Vec<ScopeId>,
        team: Option<TeamId>,
        from: Day,
        to: Day,
    ) -> Answer<BTreeMap<TeamId, Vec<SeenVisit>>> {
        let all = VisitFilter { scopes, team, from: Some(from), to: Some(to), limit: PAGE, ..VisitFilter::default() };
        let before = |kind: &Kind| VisitFilter {
            kind: Some(kind.code.clone()),
            from: Some(Day(from.0.saturating_sub(WATCHED_DAYS))),
            to: Some(Day(from.0.saturating_sub(1))),
            ..all.clone()
        };
        let watched = Catalogue::shipped().kinds().iter().filter(|kind| is_watched(kind)).map(before);
        let filters: Vec<VisitFilter> = std::iter::once(all.clone()).chain(watched).collect();
        let mut gathered = Gathered::default();
        let (mut count, mut households) = (0, BTreeSet::new());
        for mut filter in filters {
            loop {
                let page = self.tx.visits(&filter)?;
                let is_last = page.len() < PAGE;
                filter.after = page.last().map(|visit| (visit.received, visit.visit));
                count += page.len();
                if count > VISITS_MAX {
                    return Err(ReadError::BadValue("from"));
                }
                for visit in page {
                    let events =
                        [(RowType::VISIT_RECORDED, visit.visit.0), (RowType::VISIT_CORRECTED, visit.content.0)];
                    for (ty, id) in events {
                        if let Some((_, event)) = self.event(ty, EventId(id))? {
                            gathered.add(Row::Event(event));
                        }
                    }
                    if let Some((_, state)) = self.register(RowType::VISIT_STATE, visit.visit.0)? {
                        gathered.add(Row::Register(state));
                    }
                    households.extend(visit.household);
                }
                if is_last {
                    break;
                }
            }
        }
        for household in households {
            for id in BTreeSet::from([household, self.household_root(household)?]) {
                if let Some((_, row)) = self.register(RowType::HOUSEHOLD, id.0)? {
                    gathered.add(Row::Register(row));
                }
            }
        }
        Ok(gathered.seen(Catalogue::shipped()))
    }

    /// Parts what the asker sees from what the team has to itself for now; gives how many those are.
    fn shown(&mut self, team: TeamId, visits: &[SeenVisit], all: Vec<Signal>) -> Answer<(Vec<Signal>, usize)> {
        let place = self.register(RowType::TEAM, team.0)?.map(|(scope, _)| scope);
        let is_own = place.is_some_and(|scope| self.sees_names(scope));
        let today = Day::of_ms(self.now.0);
        let received: BTreeMap<VisitId, Day> = visits.iter().map(|seen| (seen.visit, seen.received)).collect();
        let is_due = |signal: &Signal| {
            if signal.is_flagged(visits) {
                return true;
            }
            let last = signal.visits.iter().filter_map(|visit| received.get(visit)).max().copied().unwrap_or(today);
            shown_to_the_office_from(last, Holidays::shipped()) <= today
        };
        let before = all.len();
        let shown: Vec<Signal> = if is_own { all } else { all.into_iter().filter(is_due).collect() };
        let kept = before - shown.len();
        Ok((shown, kept))
    }
}
