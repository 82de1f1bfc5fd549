//! Campaigns, and what was achieved for them day by day.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sync_protocol::access::Action;
use sync_protocol::campaign::{Achievement, Campaign, CampaignStatus, achievements};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::read_content;
use sync_protocol::row::{Register, RowType};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::lists::{Listing, list_query, one_of};
use super::*;
use crate::storage::VisitFilter;

/// Visits that are read at once.
const VISITS_PAGE: usize = 500;

list_query! {
    /// Which campaigns are wanted. Those of the units above come along, as they do on phones.
    CampaignQuery {
        /// `draft`, `published`, `running`, `closed`. Drafts are shown to those who may publish them.
        status: String,
        /// Only published ones that this day lies in.
        on: String,
    }
}

/// A campaign.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct CampaignView {
    /// The campaign.
    pub id: Uuid,
    /// The commune or province that holds it.
    pub unit: Named,
    /// `peak_month`, `peak_week`, `digital_day`, …
    pub kind: String,
    /// Its title.
    pub title: String,
    /// Its theme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theme: Option<String>,
    /// Partner organisations.
    pub partners: Vec<String>,
    /// A daily report is asked for.
    pub daily_report: bool,
    /// First day.
    #[schema(format = Date)]
    pub from: String,
    /// Last day; the day on which it was closed, when that was earlier.
    #[schema(format = Date)]
    pub to: String,
    /// Weekly on one day: 1 is Monday, 7 Sunday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly: Option<u8>,
    /// Yearly on one date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yearly: Option<YearlyView>,
    /// Kinds of activity that count.
    pub kinds: Vec<String>,
    /// What units are to reach.
    pub targets: Vec<CampaignTargetView>,
    /// `draft`, `published`, `running`, `closed`.
    pub status: String,
    /// The day on which it was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub published: Option<String>,
    /// The day on which it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub closed: Option<String>,
    /// Where its days are listed, once it is published; add `unit` for one unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<String>,
    /// Its version; a 64-bit number as text.
    pub ver: String,
}

/// A date of every year.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct YearlyView {
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

/// How many activities of a kind a unit is to reach.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct CampaignTargetView {
    /// Whose.
    pub unit: Named,
    /// The kind.
    pub kind: String,
    /// How many.
    pub value: u64,
}

/// Which days of a campaign are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CampaignDayQuery {
    /// What was achieved in this unit and below it. Without it: in the campaign's own unit.
    pub unit: Option<Uuid>,
    /// Behind this place: `next` of the page before. `cursor` means the same.
    #[serde(alias = "cursor")]
    pub after: Option<String>,
    /// At most so many: 50 unless told, 200 at most.
    pub limit: Option<u16>,
}

/// A day of a campaign.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct CampaignDayView {
    /// The day.
    #[schema(format = Date)]
    pub day: String,
    /// Whether the campaign is held on it.
    pub held: bool,
    /// One line for each kind that counts.
    pub lines: Vec<CampaignDayLine>,
}

/// What was achieved of a kind, on a day and up to it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct CampaignDayLine {
    /// The kind.
    pub kind: String,
    /// Of visits on this day, whenever they came in: as phones count.
    pub done: u64,
    /// Of visits up to this day.
    pub so_far: u64,
    /// Those of `so_far` whose visits are approved.
    pub approved: u64,
    /// In the daily count of this day: what came in until 17:00, and after that of the day before.
    pub reported: u64,
    /// What the unit is to reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<u64>,
}

impl Reading {
    /// Lists campaigns.
    pub async fn campaigns(&self, by: UserId, query: CampaignQuery) -> Answer<Page<CampaignView>> {
        one_of(query.status.as_ref(), &["draft", "published", "running", "closed"], "status")?;
        let on = query.on.as_deref().map(|on| Day::parse(on).ok_or(ReadError::BadValue("on"))).transpose()?;
        let listing = query.page("list.campaigns", Action::ReadCounts, RowType::CAMPAIGN).told_from_above();
        self.listed(by, listing, move |scoped, scope, register| {
            let Some((campaign, view)) = scoped.campaign_view(scope, register)? else { return Ok(None) };
            let fits = query.status.as_ref().is_none_or(|status| *status == view.status)
                && on.is_none_or(|on| campaign.published && (campaign.from..=campaign.to).contains(&on));
            Ok(fits.then_some(view))
        })
        .await
    }

    /// Shows what a campaign achieved day by day: every day up to today on which it was held or something was counted.
    pub async fn campaign_days(
        &self,
        by: UserId,
        id: CampaignId,
        query: CampaignDayQuery,
    ) -> Answer<Page<CampaignDayView>> {
        self.read_noted(by, "campaign.days", Some(id.0), move |scoped| {
            let after = cursor::to_seq(query.after.as_deref()).map_err(|_| ReadError::BadValue("after"))?;
            let (scope, campaign) = scoped.campaign(id)?;
            let unit = query.unit.map_or(campaign.unit, UnitId);
            let all = scoped.achievements(&campaign, unit, Day::of_ms(scoped.now.0))?;
            let mut items = scoped.campaign_days(&campaign, unit, &all);
            items.retain(|(day, _)| u64::from(day.0) > after);
            let limit = page_size(query.limit);
            let next = items.get(limit).and(items.get(limit.saturating_sub(1))).map(|(day, _)| u64::from(day.0));
            items.truncate(limit);
            let entry = Entry {
                scope,
                object: Some(id.0),
                outcome: items.len().to_string(),
                filter: query.unit.map(|unit| format!("unit={unit}")),
            };
            let items = items.into_iter().map(|(_, view)| view).collect();
            Ok((Page { items, next: next.map(cursor::of_seq) }, entry))
        })
        .await
    }
}

impl Scoped<'_> {
    fn campaign_view(&mut self, scope: ScopeId, register: &Register) -> Answer<Option<(Campaign, CampaignView)>> {
        let Some(campaign) = Campaign::read(scope.into(), register) else { return Ok(None) };
        let (Some(frame), Some(words), Some(state)) = (
            register.group::<CampaignFrame>(campaign::FRAME),
            register.group::<CampaignWords>(campaign::WORDS),
            register.group::<CampaignState>(campaign::STATE),
        ) else {
            return Ok(None);
        };
        if state.published.is_none() && !self.may(Action::WriteCampaign, scope) {
            return Ok(None);
        }
        let status = match campaign.status(Day::of_ms(self.now.0)) {
            // Published, and closed before it began: it holds on no day.
            CampaignStatus::Draft if state.published.is_some() => CampaignStatus::Closed,
            status => status,
        };
        let mut targets = Vec::new();
        for (unit, own) in &campaign.targets {
            for (kind, value) in own {
                targets.push(CampaignTargetView { unit: self.unit_named(*unit)?, kind: kind.clone(), value: *value });
            }
        }
        let view = CampaignView {
            id: register.id,
            unit: self.unit_named(scope.into())?,
            kind: frame.kind,
            title: words.title,
            theme: words.theme,
            partners: words.partners,
            daily_report: words.daily_report,
            from: campaign.from.to_string(),
            to: campaign.to.to_string(),
            weekly: frame.weekly,
            yearly: frame.yearly.map(|(month, day)| YearlyView { month, day }),
            kinds: frame.kinds,
            targets,
            status: status.code().to_owned(),
            published: state.published.map(|day| day.to_string()),
            closed: state.closed.map(|day| day.to_string()),
            days: campaign.published.then(|| format!("/api/v1/campaigns/{}/days", register.id)),
            ver: register.ver.0.to_string(),
        };
        Ok(Some((campaign, view)))
    }

    /// A published campaign that the asker is told of: of a unit in which they read counts, or of one above.
    pub(super) fn campaign(&mut self, id: CampaignId) -> Answer<(ScopeId, Campaign)> {
        let scopes = self.scopes(Action::ReadCounts, None)?;
        let scopes = self.with_above(scopes)?;
        let found = self.register(RowType::CAMPAIGN, id.0)?.filter(|(scope, _)| scopes.contains(scope));
        let (scope, register) = found.ok_or(ReadError::NotFound)?;
        let campaign = Campaign::read(scope.into(), &register).filter(|campaign| campaign.published);
        Ok((scope, campaign.ok_or(ReadError::NotFound)?))
    }

    /// What was achieved for a campaign in a unit and below it, by visits up to a day. The asker must read counts there.
    pub(super) fn achievements(&mut self, campaign: &Campaign, unit: UnitId, upto: Day) -> Answer<Vec<Achievement>> {
        if !self.covers(Action::ReadCounts, unit)? || !self.unit_exists(unit)? {
            return Err(ReadError::NotFound);
        }
        let day = upto.min(campaign.to).max(campaign.from);
        let (inside, _) = self.below(campaign.unit, Some(day))?;
        let inside: BTreeSet<UnitId> = inside.into_iter().collect();
        let (mut units, _) = self.below(unit, Some(day))?;
        units.retain(|unit| inside.contains(unit));
        if units.is_empty() {
            return Err(ReadError::NotFound);
        }
        let mut filter = VisitFilter {
            scopes: units.into_iter().map(ScopeId::from).collect(),
            from: Some(campaign.from),
            to: Some(day),
            limit: VISITS_PAGE,
            ..VisitFilter::default()
        };
        let mut all = Vec::new();
        loop {
            let page = self.tx.visits(&filter)?;
            filter.after = page.last().map(|visit| (visit.received, visit.visit));
            let is_last = page.len() < VISITS_PAGE;
            for visit in page {
                if visit.is_void || !visit.kinds.iter().any(|kind| campaign.kinds.contains(kind)) {
                    continue;
                }
                let content = match self.event(RowType::VISIT_RECORDED, visit.content)? {
                    None => self.event(RowType::VISIT_CORRECTED, visit.content)?,
                    recorded => recorded,
                };
                let content = content.and_then(|(_, event)| read_content(&event.body).ok());
                let content = content.ok_or_else(|| damaged("content of a visit"))?;
                all.extend(achievements(campaign, &content, visit.status, visit.is_void, visit.received));
            }
            if is_last {
                return Ok(all);
            }
        }
    }

    fn campaign_days(&self, campaign: &Campaign, unit: UnitId, all: &[Achievement]) -> Vec<(Day, CampaignDayView)> {
        let today = Day::of_ms(self.now.0);
        let counted = all.iter().flat_map(|one| [one.day, one.counted]);
        let days: BTreeSet<Day> = campaign.days().chain(counted).filter(|day| *day <= today).collect();
        let own = campaign.targets.get(&unit);
        let mut lines: BTreeMap<&str, CampaignDayLine> = BTreeMap::new();
        for kind in &campaign.kinds {
            let target = own.and_then(|own| own.get(kind)).copied();
            let (done, so_far, approved, reported) = (0, 0, 0, 0);
            lines.insert(kind, CampaignDayLine { kind: kind.clone(), done, so_far, approved, reported, target });
        }
        let mut by_day: BTreeMap<Day, Vec<&Achievement>> = BTreeMap::new();
        let mut by_count: BTreeMap<Day, Vec<&Achievement>> = BTreeMap::new();
        for one in all {
            by_day.entry(one.day).or_default().push(one);
            by_count.entry(one.counted).or_default().push(one);
        }
        let mut views = Vec::new();
        for day in days {
            for line in lines.values_mut() {
                (line.done, line.reported) = (0, 0);
            }
            for one in by_day.get(&day).into_iter().flatten() {
                if let Some(line) = lines.get_mut(one.kind.as_str()) {
                    line.done += 1;
                    line.so_far += 1;
                    line.approved += u64::from(one.approved);
                }
            }
            for one in by_count.get(&day).into_iter().flatten() {
                if let Some(line) = lines.get_mut(one.kind.as_str()) {
                    line.reported += 1;
                }
            }
            let held = campaign.is_campaign_day(day);
            let lines = lines.values().cloned().collect();
            views.push((day, CampaignDayView { day: day.to_string(), held, lines }));
        }
        views
    }
}
