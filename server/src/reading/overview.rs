//! A unit at a glance: what waits, what the month has brought, which teams are silent and which phones are not heard.
//!
//! Every number comes from a projection or from a short list; what is behind it is named, so that it can be opened.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sync_protocol::access::Action;
use sync_protocol::count::VISIT_ITSELF;
use sync_protocol::decide::reporting_month;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::row::RowType;
use sync_protocol::workflow::VisitStatus;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::counts::{Tally, days_of};
use super::*;
use crate::storage::VisitFilter;

/// Days without contact after which a phone is called quiet. Source: docs/DOMAIN.md, "Roles and scope of data".
pub const QUIET_DAYS: u64 = 7;
const DAY_MS: u64 = 86_400_000;

/// Which unit is looked at.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OverviewQuery {
    /// A commune or a province.
    pub unit: Uuid,
    /// The reporting month, `YYYY-MM`. Without it: the present one.
    #[param(example = "2026-12")]
    pub month: Option<String>,
}

/// A unit at a glance.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct OverviewView {
    /// The unit.
    pub unit: Named,
    /// The reporting month.
    pub month: String,
    /// Its first and last day.
    pub days: [String; 2],
    /// When this was counted, by the server's clock.
    #[schema(format = DateTime)]
    pub counted_at: String,
    /// The month so far.
    pub now: Tally,
    /// The whole month before.
    pub before: Tally,
    /// Activities of today's visits, as far as they have arrived; absent above the commune.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activities_today: Option<u32>,
    /// Visits of any month that wait for a decision.
    pub waiting: u32,
    /// When the oldest of them arrived; absent above the commune.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub waiting_since: Option<String>,
    /// The units below with the month so far, in no particular order of language.
    pub places: Vec<OverviewPlace>,
    /// Teams; none above the commune.
    pub teams: Vec<OverviewTeam>,
    /// What people must settle; absent above the commune.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenView>,
}

/// A unit below, with what it did.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct OverviewPlace {
    /// The unit.
    pub unit: Named,
    /// Its month so far.
    pub now: Tally,
    /// The whole month before.
    pub before: Tally,
}

/// A team, and whether it is heard of.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct OverviewTeam {
    /// The team.
    pub team: Named,
    /// Its village or commune.
    pub unit: Named,
    /// Members today.
    pub members: u32,
    /// Members with a phone that may be used.
    pub with_phone: u32,
    /// Members with such a phone none of which was heard for [`QUIET_DAYS`] days: what they recorded meanwhile is not known here.
    pub quiet: u32,
    /// When any of its phones was heard last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub heard_at: Option<String>,
    /// Its month so far.
    pub now: Tally,
}

/// What people must settle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, ToSchema)]
pub struct OpenView {
    /// Disagreements between phones.
    pub conflicts: u32,
    /// Cases from the field that are not closed.
    pub field_cases: u32,
    /// Those past their day.
    pub overdue: u32,
}

impl Reading {
    /// A number that changes whenever a row changes in any scope that the asker holds; tells nothing else.
    pub async fn head(&self, by: UserId) -> Answer<u64> {
        self.read(by, |scoped| {
            let scopes: BTreeSet<ScopeId> = scoped.principal.holdings.iter().map(|holding| holding.scope).collect();
            let mut hasher = blake3::Hasher::new();
            for scope in scopes {
                for (bucket, row) in scoped.tx.buckets_of(scope)? {
                    hasher.update(bucket.scope.as_bytes());
                    hasher.update(&[bucket.class as u8]);
                    hasher.update(&bucket.quarter.to_be_bytes());
                    hasher.update(&row.head.to_be_bytes());
                }
            }
            let digest = hasher.finalize();
            let (first, _) = digest.as_bytes().split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
            Ok(u64::from_be_bytes(*first))
        })
        .await
    }

    /// Shows a unit at a glance.
    pub async fn overview(&self, by: UserId, query: OverviewQuery) -> Answer<OverviewView> {
        let month = query.month.as_deref().map(|month| Month::parse(month).ok_or(ReadError::BadValue("month")));
        let month = month.transpose()?;
        self.read(by, move |scoped| scoped.overview(UnitId(query.unit), month)).await
    }
}

/// The months of a tally side by side.
#[derive(Clone, Copy, Default)]
struct TwoMonths {
    now: Tally,
    before: Tally,
}

impl Scoped<'_> {
    fn overview(&mut self, unit: UnitId, month: Option<Month>) -> Answer<OverviewView> {
        self.function(Action::ReadCounts)?;
        if !self.covers(Action::ReadCounts, unit)? || !self.unit_exists(unit)? {
            return Err(ReadError::NotFound);
        }
        let today = Day::of_ms(self.now.0);
        let month = month.unwrap_or_else(|| reporting_month(today));
        let before = Month(month.0.saturating_sub(1));
        let (first, last) = days_of(month).ok_or(ReadError::BadValue("month"))?;
        let near = self.may(Action::ReadRows, unit.into());

        let mut all = TwoMonths::default();
        let mut waiting = 0u32;
        let mut places = Vec::new();
        let mut teams: BTreeMap<TeamId, Tally> = BTreeMap::new();
        let below = self.tx.units_below(unit)?;
        for place in std::iter::once(unit).chain(below) {
            // The unit itself may have visits of its own: counter duty, a meeting of the commune.
            let villages = if place == unit { vec![unit] } else { self.below(place, None)?.0 };
            let mut here = TwoMonths::default();
            for (cell, n) in self.tx.counts(&villages, Some(month))? {
                here.now.add(&cell, n, false);
                teams.entry(cell.team).or_default().add(&cell, n, false);
            }
            for (cell, n) in self.tx.counts(&villages, Some(before))? {
                here.before.add(&cell, n, false);
            }
            for (cell, n) in self.tx.counts(&villages, None)? {
                if cell.kind == VISIT_ITSELF && cell.status == VisitStatus::Submitted {
                    waiting = waiting.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
                }
            }
            all.now.join(&here.now);
            all.before.join(&here.before);
            if place != unit {
                places.push(OverviewPlace { unit: self.unit_named(place)?, now: here.now, before: here.before });
            }
        }
        places.sort_by(|one, other| one.unit.name.cmp(&other.unit.name));

        let mut view = OverviewView {
            unit: self.unit_named(unit)?,
            month: month.to_string(),
            days: [first.to_string(), last.to_string()],
            counted_at: rfc3339(self.now.0),
            now: all.now,
            before: all.before,
            activities_today: None,
            waiting,
            waiting_since: None,
            places,
            teams: Vec::new(),
            open: None,
        };
        if near {
            let scopes = self.scopes(Action::ReadRows, Some(unit))?;
            let oldest = VisitFilter {
                scopes: scopes.clone(),
                status: Some(VisitStatus::Submitted),
                team: None,
                author: None,
                households: Vec::new(),
                kind: None,
                flags: 0,
                from: None,
                to: None,
                after: None,
                limit: 1,
            };
            view.waiting_since = self.tx.visits(&oldest)?.first().map(|visit| rfc3339(visit.received.0));
            view.open = Some(self.open_things(&scopes, today)?);
            let (listed, today_done) = self.teams_at_a_glance(&scopes, today, &teams)?;
            (view.teams, view.activities_today) = (listed, Some(today_done));
        }
        Ok(view)
    }

    fn open_things(&mut self, scopes: &[ScopeId], today: Day) -> Answer<OpenView> {
        let mut open = OpenView::default();
        self.walk(scopes, RowType::CASE, None, usize::MAX, |_, _, register| {
            if let Some(flow) = register.group::<CaseFlow>(case::FLOW) {
                let taken = register.group::<CaseSteps>(case::STEPS).and_then(|taken| taken.steps.last().cloned());
                let is_open =
                    taken.is_none_or(|step| matches!(step.to.as_str(), "open" | "acknowledged" | "forwarded"));
                if is_open && flow.withdrawn.is_none() {
                    open.field_cases += 1;
                    open.overdue += u32::from(flow.due.is_some_and(|due| due < today));
                }
            } else if register.group::<CaseStatusValue>(case::STATUS).is_some_and(|status| status.status == "open") {
                open.conflicts += 1;
            }
            Ok(None::<()>)
        })?;
        Ok(open)
    }

    fn teams_at_a_glance(
        &mut self,
        scopes: &[ScopeId],
        today: Day,
        tallies: &BTreeMap<TeamId, Tally>,
    ) -> Answer<(Vec<OverviewTeam>, u32)> {
        let is_now = |validity: Option<Validity>| {
            validity.is_none_or(|validity| validity.from <= today && validity.to.is_none_or(|to| today < to))
        };
        let (members, _) = self.walk(scopes, RowType::TEAM_MEMBER, None, usize::MAX, |_, _, register| {
            let identity = register.group::<MemberIdentity>(team_member::IDENTITY);
            Ok(identity.filter(|_| is_now(register.group(team_member::VALIDITY))).map(|one| (one.team, one.user)))
        })?;
        let (found, _) = self.walk(scopes, RowType::TEAM, None, usize::MAX, |_, _, register| {
            let identity = register.group::<TeamIdentity>(team::IDENTITY);
            Ok(identity.filter(|_| is_now(register.group(team::VALIDITY))).map(|one| (TeamId(register.id), one)))
        })?;
        let mut of_team: BTreeMap<TeamId, BTreeSet<UserId>> = BTreeMap::new();
        for (team, user) in members {
            of_team.entry(team).or_default().insert(user);
        }
        let everybody: BTreeSet<UserId> = of_team.values().flatten().copied().collect();
        let mut activities_today = 0u32;
        let mut heard: BTreeMap<UserId, ServerMs> = BTreeMap::new();
        for user in everybody {
            activities_today = activities_today.saturating_add(self.tx.activities_on(user, today)?);
            let phones = self.tx.devices_of(user)?.into_iter().filter(|device| device.revoked.is_none());
            if let Some(last) = phones.map(|device| device.last_seen).max() {
                heard.insert(user, last);
            }
        }
        let quiet_since = ServerMs(self.now.0.saturating_sub(QUIET_DAYS * DAY_MS));
        let mut teams = Vec::new();
        for (team, identity) in found {
            let users = of_team.remove(&team).unwrap_or_default();
            let last: Vec<ServerMs> = users.iter().filter_map(|user| heard.get(user).copied()).collect();
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            teams.push(OverviewTeam {
                team: Named { id: team.0, name: identity.name },
                unit: self.unit_named(identity.unit)?,
                members: count(users.len()),
                with_phone: count(last.len()),
                quiet: count(last.iter().filter(|at| **at < quiet_since).count()),
                heard_at: last.iter().max().map(|at| rfc3339(at.0)),
                now: tallies.get(&team).copied().unwrap_or_default(),
            });
        }
        teams.sort_by(|one, other| (&one.unit.name, &one.team.name).cmp(&(&other.unit.name, &other.team.name)));
        Ok((teams, activities_today))
    }
}

impl Tally {
    /// Adds another tally.
    fn join(&mut self, other: &Tally) {
        let Tally { visits, activities, achieved, approved, submitted, returned, confirmed } = other;
        for (to, from) in [
            (&mut self.visits, visits),
            (&mut self.activities, activities),
            (&mut self.achieved, achieved),
            (&mut self.approved, approved),
            (&mut self.submitted, submitted),
            (&mut self.returned, returned),
            (&mut self.confirmed, confirmed),
        ] {
            *to = to.saturating_add(*from);
        }
    }
}
