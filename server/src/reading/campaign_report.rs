//! The report of a day of a campaign: that day and so far, by unit and team, against what the campaign asks for.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::calendar::{Period as Span, PeriodKind, Report};
use sync_protocol::catalogue::Lang;
use sync_protocol::entity::*;
use sync_protocol::fold::sort_key;
use sync_protocol::ids::*;
use sync_protocol::indicator::{Indicators, Level, Overrides, Period};
use sync_protocol::report::{CampaignDay, Counts, Layouts, NoLayout, ReportDocument, ReportInput, ReportStatus, build};
use sync_protocol::row::RowType;
use uuid::Uuid;

use super::figures::Asked;
use super::papers::language;
use super::reports::Shown;
use super::{Answer, Entry, ReadError, Reading, Scoped};
use crate::work::commits_of;

/// Which day of which campaign is reported, and for whom.
#[derive(Clone, Debug)]
pub struct CampaignReportQuery {
    /// A commune or province in which the campaign holds.
    pub unit: Uuid,
    /// The campaign.
    pub campaign: Option<Uuid>,
    /// The day, `YYYY-MM-DD`. Without it: today.
    pub day: Option<String>,
    /// `vi` or `en`. Without it: `vi`.
    pub lang: Option<String>,
}

impl Reading {
    /// Makes the report of a day of a campaign.
    pub async fn campaign_report(&self, by: UserId, query: CampaignReportQuery) -> Answer<Shown> {
        let lang = language(query.lang.as_deref())?;
        let campaign = CampaignId(query.campaign.ok_or(ReadError::BadValue("campaign"))?);
        let day = query.day.as_deref().map(|day| Day::parse(day).ok_or(ReadError::BadValue("day"))).transpose()?;
        self.read_noted(by, "report.read", Some(query.unit), move |scoped| {
            let day = day.unwrap_or(Day::of_ms(scoped.now.0));
            let [vi, en] = scoped.campaign_documents(campaign, UnitId(query.unit), day)?;
            let figures = vi.figures_hash();
            let document = if lang == Lang::Vi { vi } else { en };
            let entry = Entry {
                scope: ScopeId(query.unit),
                object: Some(query.unit),
                outcome: "read".to_owned(),
                filter: Some(format!("{} {campaign} {day}", Report::CampaignDay.code())),
            };
            Ok((Shown { document, figures, version: None, changed: Vec::new() }, entry))
        })
        .await
    }
}

impl Scoped<'_> {
    fn campaign_documents(&mut self, id: CampaignId, unit: UnitId, day: Day) -> Answer<[ReportDocument; 2]> {
        let today = Day::of_ms(self.now.0);
        let month = sync_protocol::decide::reporting_month(day);
        let asked = Asked::parse(unit.0, &month.to_string(), Some("month"), Some("official"), None)?;
        let asked = Asked { period: Period { from: day, to: day }, ..asked };
        let scope = self.figure_scope(asked)?;
        let (at, campaign) = self.campaign(id)?;
        if !matches!(scope.level, Level::Commune | Level::Province) {
            return Err(ReadError::BadValue("unit"));
        }
        if day < campaign.from || day > today {
            return Err(ReadError::BadValue("day"));
        }
        let words = self.register(RowType::CAMPAIGN, id.0)?;
        let words = words.and_then(|(_, register)| register.group::<CampaignWords>(campaign::WORDS));
        let title = words.map(|words| words.title).unwrap_or_default();
        let all = self.achievements(&campaign, unit, day)?;

        // Below a province the communes stand side by side, below a commune its villages with their teams.
        let by_team = scope.level == Level::Commune;
        let mut parts: Vec<(UnitId, String, BTreeSet<UnitId>)> = Vec::new();
        for part in if by_team { scope.parts.iter().collect() } else { scope.communes_inside() } {
            // A commune's campaign asks nothing of its neighbours.
            if at == ScopeId::from(unit) || by_team || part.unit == campaign.unit || self.lies_above(&campaign, unit)? {
                parts.push((part.unit, self.unit_name(part.unit)?, part.units().into_iter().collect()));
            }
        }
        parts.sort_by_cached_key(|(_, name, _)| sort_key(name));
        let mut teams = BTreeMap::new();
        for team in all.iter().map(|one| one.team).collect::<BTreeSet<TeamId>>() {
            teams.insert(team, self.team_named(team)?.name);
        }
        let counted = CampaignDay::of(&campaign, (title, unit, day), &all, &parts, by_team.then_some(&teams));

        let own = self.report_unit(&scope, day)?;
        let (issuer, superior) = self.issuer(Report::CampaignDay, asked, &own)?;
        let place = self.register(RowType::UNIT, unit.0)?;
        let place = place.and_then(|(_, unit)| unit.group::<UnitIdentity>(unit::IDENTITY)).map(|unit| unit.name);
        let input = ReportInput {
            report: Report::CampaignDay,
            layouts: Layouts::shipped(),
            indicators: Indicators::shipped(),
            issuer,
            superior,
            place: place.unwrap_or_default(),
            unit: own,
            team: None,
            period: Span::of_month(PeriodKind::Month, month),
            days: Period { from: campaign.from, to: day },
            dated: today,
            as_of: today,
            position: Some(commits_of(self.tx)?),
            // Until every visit is decided, what is not approved may still change.
            open: all.iter().any(|one| !one.approved),
            status: ReportStatus::Draft,
            late: false,
            texts: BTreeMap::new(),
            comparison: None,
            teams: Vec::new(),
            counts: Counts::default(),
            overrides: Overrides::new(),
            parts: Vec::new(),
            campaign: Some(counted),
            sample: false,
        };
        let made = |lang| build(&input, lang).map_err(|NoLayout| ReadError::NotFound);
        Ok([made(Lang::Vi)?, made(Lang::En)?])
    }

    /// Whether a campaign comes from above a unit.
    fn lies_above(&mut self, campaign: &sync_protocol::campaign::Campaign, unit: UnitId) -> Answer<bool> {
        let mut next = self.parent(unit)?;
        for _ in 0..4 {
            match next {
                Some(above) if above == campaign.unit => return Ok(true),
                Some(above) => next = self.parent(above)?,
                None => return Ok(false),
            }
        }
        Ok(false)
    }
}
