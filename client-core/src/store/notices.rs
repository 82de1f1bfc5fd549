//! What commune and province tell a village: announcements in force, campaigns that hold today, markets.

use std::collections::BTreeMap;

use serde::Serialize;
use sync_protocol::campaign::{Campaign, CampaignStatus};
use sync_protocol::count::contributions;
use sync_protocol::entity::*;
use sync_protocol::fold::sort_key;
use sync_protocol::ids::*;
use sync_protocol::row::{Register, RowType};
use sync_protocol::workflow::VisitStatus;
use uuid::Uuid;

use super::{Db, Store, VisitFilter};
use crate::error::{Error, Result};

/// An announcement in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct AnnouncementView {
    /// Which one.
    pub id: AnnouncementId,
    /// Who speaks.
    pub unit_name: String,
    /// What it is about.
    pub title: String,
    /// What it says.
    pub body: String,
    /// First day, `YYYY-MM-DD`.
    pub from: String,
    /// Last day.
    pub to: String,
}

/// A campaign that holds for a village.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct CampaignView {
    /// Which one.
    pub id: CampaignId,
    /// A code of `campaign::CampaignKind`.
    pub kind: String,
    /// Its title.
    pub title: String,
    /// Its theme.
    pub theme: Option<String>,
    /// First day, `YYYY-MM-DD`.
    pub from: String,
    /// Last day.
    pub to: String,
    /// The day asked for is one of its days: of a weekly one only some are.
    pub is_campaign_day: bool,
    /// What counts, with the village's own counts.
    pub lines: Vec<CampaignLine>,
}

/// What a village did for one kind of a campaign: achieved activities, as this phone shows them, sent or not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct CampaignLine {
    /// The kind of activity.
    pub kind: String,
    /// On the day asked for.
    pub on_day: u64,
    /// Since it began, up to that day.
    pub so_far: u64,
    /// Day by day, where there were any.
    pub by_day: BTreeMap<String, u64>,
    /// Targets that the village sees, from the top level down: whose, and how many.
    pub targets: Vec<(UnitId, u64)>,
}

/// A market.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MarketView {
    /// Which one.
    pub id: MarketId,
    /// Of which commune.
    pub unit: UnitId,
    /// Its name.
    pub name: String,
    /// When it is held, in words.
    pub days: Option<String>,
}

impl Store {
    /// Announcements that are in force on a day, the newest first.
    pub fn announcements(&mut self, day: Day) -> Result<Vec<AnnouncementView>> {
        self.read(|db| {
            let mut found = Vec::new();
            for (_, register) in db.notices(RowType::ANNOUNCEMENT)? {
                let (Some(said), Some(stands)) = (
                    register.group::<AnnouncementWords>(announcement::WORDS),
                    register.group::<AnnouncementState>(announcement::STATE),
                ) else {
                    continue;
                };
                if stands.withdrawn.is_none() && (said.from..=said.to).contains(&day) {
                    found.push((stands.published, AnnouncementId(register.id), said));
                }
            }
            found.sort_by_key(|(published, id, _)| (std::cmp::Reverse(*published), *id));
            Ok(found
                .into_iter()
                .map(|(_, id, said)| AnnouncementView {
                    id,
                    unit_name: said.unit_name,
                    title: said.title,
                    body: said.body,
                    from: said.from.to_string(),
                    to: said.to.to_string(),
                })
                .collect())
        })
    }

    /// Campaigns that run on a day and hold for a village, with what the village did for them.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the phone does not know the village.
    pub fn campaigns(&mut self, village: UnitId, day: Day) -> Result<Vec<CampaignView>> {
        let units = self.units()?;
        let here = units.iter().find(|unit| unit.id == village).ok_or(Error::NotFound)?;
        let communes: Vec<UnitId> =
            units.iter().filter(|unit| unit.level == "village").filter_map(|unit| unit.parent).collect();
        let rows = self.read(|db| db.notices(RowType::CAMPAIGN))?;
        let mut views = Vec::new();
        for (scope, register) in rows {
            let Some(campaign) = Campaign::read(scope.into(), &register) else { continue };
            let Some(words) = register.group::<CampaignWords>(campaign::WORDS) else { continue };
            // Rows of units above the communes are here for the villages of this phone alone: they need no name.
            let province = (!communes.contains(&campaign.unit)).then_some(campaign.unit);
            let path: Vec<UnitId> = province.into_iter().chain(here.parent).chain([village]).collect();
            if campaign.status(day) != CampaignStatus::Running || !campaign.holds_for(&path) {
                continue;
            }
            let lines = self.campaign_lines(&campaign, &path, village, day)?;
            views.push(CampaignView {
                id: campaign.id,
                kind: campaign.kind.code().to_owned(),
                title: words.title,
                theme: words.theme,
                from: campaign.from.to_string(),
                to: campaign.to.to_string(),
                is_campaign_day: campaign.is_campaign_day(day),
                lines,
            });
        }
        views.sort_by_cached_key(|view| (!view.is_campaign_day, sort_key(&view.title), view.id));
        Ok(views)
    }

    fn campaign_lines(
        &mut self,
        campaign: &Campaign,
        path: &[UnitId],
        village: UnitId,
        day: Day,
    ) -> Result<Vec<CampaignLine>> {
        let mut counts: BTreeMap<String, BTreeMap<Day, u64>> = BTreeMap::new();
        let filter = VisitFilter { from: Some(campaign.from), to: Some(day), ..VisitFilter::default() };
        for visit in self.visits(&filter)? {
            if visit.void || visit.scope != ScopeId::from(village) {
                continue;
            }
            let content = self.visit(visit.id)?.content;
            let keys = contributions(&content, VisitStatus::Done, false);
            for key in keys.iter().filter(|key| key.outcome == "done") {
                if campaign.counts(&key.kind, content.day, path) {
                    *counts.entry(key.kind.clone()).or_default().entry(content.day).or_default() += 1;
                }
            }
        }
        Ok(campaign
            .kinds
            .iter()
            .map(|kind| {
                let by_day = counts.remove(kind).unwrap_or_default();
                let targets = campaign.targets_for(path).filter(|target| target.1 == kind);
                CampaignLine {
                    kind: kind.clone(),
                    on_day: by_day.get(&day).copied().unwrap_or_default(),
                    so_far: by_day.values().sum(),
                    targets: targets.map(|(unit, _, value)| (unit, value)).collect(),
                    by_day: by_day.into_iter().map(|(day, count)| (day.to_string(), count)).collect(),
                }
            })
            .collect())
    }

    /// Markets of the communes that this phone's villages lie in.
    pub fn markets(&mut self) -> Result<Vec<MarketView>> {
        self.read(|db| {
            let mut views = Vec::new();
            for (scope, register) in db.notices(RowType::MARKET)? {
                let Some(identity) = register.group::<MarketIdentity>(market::IDENTITY) else { continue };
                views.push(MarketView {
                    id: MarketId(register.id),
                    unit: scope.into(),
                    name: identity.name,
                    days: register.group::<MarketDays>(market::DAYS).map(|held| held.days),
                });
            }
            views.sort_by_cached_key(|view| (sort_key(&view.name), view.id));
            Ok(views)
        })
    }
}

impl Db<'_> {
    fn notices(&mut self, ty: RowType) -> Result<Vec<(ScopeId, Register)>> {
        let ids: Vec<Uuid> = self.ids_of_type(ty)?;
        let mut rows = Vec::new();
        for id in ids {
            rows.extend(self.visible_register(ty, id)?);
        }
        Ok(rows)
    }
}
