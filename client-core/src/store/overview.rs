//! What a leader wants to know of the team, from the rows that this phone holds.

use std::collections::BTreeMap;

use serde::Serialize;
use sync_protocol::access::Role;
use sync_protocol::calendar::{Period as Span, PeriodKind};
use sync_protocol::catalogue::Catalogue;
use sync_protocol::count::contributions;
use sync_protocol::decide::reporting_month;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::indicator::{Indicators, View};
use sync_protocol::row::RowType;
use sync_protocol::workflow::VisitStatus;

use super::{RowsOf, Store, TeamView, VisitFilter, VisitSummary};
use crate::error::Result;

/// A team, its members and the targets of its village in a reporting month.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TeamOverview {
    /// The team.
    pub team: TeamView,
    /// Visits of the month in its villages, as this phone shows them.
    pub recorded: u64,
    /// Those among them that the server has.
    pub confirmed: u64,
    /// Its members: whoever was quiet the longest comes first.
    pub members: Vec<MemberActivity>,
    /// Published targets that are in force.
    pub targets: Vec<TargetProgress>,
}

/// What a member did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct MemberActivity {
    /// Who.
    pub user: UserId,
    /// The name that colleagues see.
    pub name: String,
    /// `leader`, `deputy`, `member`.
    pub position: Option<String>,
    /// The day of the last visit that is known here; a phone keeps those of 90 days.
    pub last_day: Option<String>,
    /// Days since then.
    pub quiet_days: Option<u32>,
    /// Visits of the month.
    pub recorded: u64,
    /// Those among them that the server has.
    pub confirmed: u64,
}

/// A target and how far the village is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TargetProgress {
    /// Set for the village itself, not for a unit above it.
    pub own: bool,
    /// What is counted, in Vietnamese.
    pub vi: String,
    /// In English.
    pub en: String,
    /// How much is wanted, in digits.
    pub goal: String,
    /// What the village has, as this phone shows it; absent when it cannot be worked out here.
    pub so_far: Option<String>,
    /// Last day.
    pub due: Option<String>,
}

impl Store {
    /// The teams that the person at this phone leads, as of a day. Empty for whoever leads none.
    pub fn team_overview(&mut self, today: Day) -> Result<Vec<TeamOverview>> {
        let Some(identity) = self.identity()? else { return Ok(Vec::new()) };
        let units = self.units()?;
        let members = self.members()?;
        let mut views = Vec::new();
        for team in self.teams()? {
            let leads = |role: &str| matches!(Role::from_code(role), Some(Role::TeamLeader | Role::CommuneOfficer));
            let villages: Vec<UnitId> = units
                .iter()
                .filter(|unit| unit.level == "village" && (unit.id == team.unit || unit.parent == Some(team.unit)))
                .map(|unit| unit.id)
                .collect();
            let reaches = |scope: ScopeId| {
                scope == team.unit.into() || villages.iter().any(|village| ScopeId::from(*village) == scope)
            };
            let by_role = identity.holdings.iter().any(|held| leads(&held.role) && reaches(held.scope));
            let mine = members.iter().find(|member| member.user == identity.user && member.team == team.id);
            let by_position =
                mine.is_some_and(|member| matches!(member.position.as_deref(), Some("leader" | "deputy")));
            if !by_role && !by_position {
                continue;
            }
            let all = self.visits(&VisitFilter::default())?;
            let visits: Vec<VisitSummary> =
                all.into_iter().filter(|visit| !visit.void && reaches(visit.scope)).collect();
            let month = reporting_month(today);
            let in_month =
                |visit: &VisitSummary| Day::parse(&visit.day).is_some_and(|day| reporting_month(day) == month);
            let pair = |of: &dyn Fn(&VisitSummary) -> bool| {
                let counted = visits.iter().filter(|visit| in_month(visit) && of(visit));
                counted.fold((0, 0), |(all, sent), visit| (all + 1, sent + u64::from(!visit.waiting)))
            };
            let mut active: Vec<MemberActivity> = members
                .iter()
                .filter(|member| member.team == team.id)
                .map(|member| {
                    let days = visits.iter().filter(|visit| visit.author == member.user);
                    let last = days.filter_map(|visit| Day::parse(&visit.day)).max();
                    let (recorded, confirmed) = pair(&|visit| visit.author == member.user);
                    MemberActivity {
                        user: member.user,
                        name: member.display_name.clone(),
                        position: member.position.clone(),
                        last_day: last.map(|day| day.to_string()),
                        quiet_days: last.map(|day| today.0.saturating_sub(day.0)),
                        recorded,
                        confirmed,
                    }
                })
                .collect();
            active.sort_by_key(|member| std::cmp::Reverse(member.quiet_days.unwrap_or(u32::MAX)));
            let (recorded, confirmed) = pair(&|_| true);
            let targets = self.targets_of(&villages, &visits, today)?;
            views.push(TeamOverview { team, recorded, confirmed, members: active, targets });
        }
        Ok(views)
    }

    fn targets_of(&mut self, villages: &[UnitId], visits: &[VisitSummary], today: Day) -> Result<Vec<TargetProgress>> {
        let mut goals = Vec::new();
        self.read(|db| {
            for id in db.ids_of_type(RowType::TARGET)? {
                let Some((scope, row)) = db.visible_register(RowType::TARGET, id)? else { continue };
                let (Some(goal), Some(state)) =
                    (row.group::<TargetGoal>(target::GOAL), row.group::<TargetState>(target::STATE))
                else {
                    continue;
                };
                let clears = row.group::<TargetClears>(target::CLEARS);
                let (from, due) = clears.map_or((None, None), |clears| (clears.from, clears.due));
                let running = from.is_none_or(|from| from <= today) && due.is_none_or(|due| today <= due);
                if state.published.is_some() && running {
                    goals.push((scope, goal, from, due));
                }
            }
            Ok(())
        })?;
        // Visits are read once, and only when a target counts them.
        let mut done: BTreeMap<String, Vec<Day>> = BTreeMap::new();
        if goals.iter().any(|(_, goal, ..)| goal.kind.is_some()) {
            for visit in visits {
                let content = self.visit(visit.id)?.content;
                for key in contributions(&content, VisitStatus::Done, false) {
                    if key.outcome == "done" {
                        done.entry(key.kind).or_default().push(content.day);
                    }
                }
            }
        }
        let (indicators, catalogue) = (Indicators::shipped(), Catalogue::shipped());
        let mut views = Vec::new();
        for (scope, goal, from, due) in goals {
            let (vi, en, so_far) = if let Some(code) = &goal.indicator {
                let Some(indicator) = indicators.indicator(code) else { continue };
                let so_far = match villages {
                    [village] => self.indicator_now(*village, code, today)?,
                    _ => None,
                };
                (indicator.vi.clone(), indicator.en.clone(), so_far)
            } else if let Some(kind) = goal.kind.as_deref().and_then(|code| catalogue.kind(code)) {
                let days = done.get(&kind.code).map_or(&[][..], Vec::as_slice);
                let counted = days.iter().filter(|day| from.is_none_or(|from| from <= **day) && **day <= today);
                (kind.vi.clone(), kind.en.clone(), Some(counted.count().to_string()))
            } else {
                continue;
            };
            let own = villages.iter().any(|village| ScopeId::from(*village) == scope);
            views.push(TargetProgress { own, vi, en, goal: goal.value, so_far, due: due.map(|day| day.to_string()) });
        }
        views.sort_by(|a, b| (!a.own, &a.due, &a.vi).cmp(&(!b.own, &b.due, &b.vi)));
        Ok(views)
    }

    fn indicator_now(&mut self, village: UnitId, code: &str, today: Day) -> Result<Option<String>> {
        let span = Span::of_month(PeriodKind::Month, reporting_month(today));
        let figures = self.figures(village, span, View::Provisional, RowsOf::Phone)?;
        let figure = figures.sheet.indicators.iter().find(|figure| figure.indicator == code);
        Ok(figure.and_then(|figure| figure.value).map(|value| value.to_string()))
    }
}
