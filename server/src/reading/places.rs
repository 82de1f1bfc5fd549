//! One number for every place directly inside a unit, side by side: what a map of villages or communes shows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sync_protocol::access::Action;
use sync_protocol::count::VISIT_ITSELF;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::indicator::*;
use sync_protocol::row::RowType;
use sync_protocol::workflow::VisitStatus;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::figures::{Asked, Reason, figure_view, label};
use super::{Answer, Label, Named, Page, ReadError, Reading, Scoped};
use crate::storage::VisitFilter;
use crate::work::commits_of;

/// Which numbers are wanted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PlacesQuery {
    /// A province, for its communes, or a commune, for its villages.
    pub unit: Uuid,
    /// A reporting month, `YYYY-MM`. Without it: the one that today lies in.
    #[param(example = "2026-12")]
    pub month: Option<String>,
    /// As for the figures.
    pub span: Option<String>,
    /// As for the figures.
    pub view: Option<String>,
    /// `visits`, `days_since_visit`, `households_reached`, an indicator, or a kind of activity. Without it: visits.
    pub measure: Option<String>,
}

/// The number of one place. Numbers are exact, as in the figures.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PlaceFigure {
    /// The village or commune.
    pub of: Named,
    /// Its official code: places come in this order.
    pub code: String,
    /// The value, exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value as people write it, at most two decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<Label>,
    /// Above the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numerator: Option<String>,
    /// Below the line; absent where the number is no share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denominator: Option<String>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty: Option<Reason>,
    /// It may still change.
    pub provisional: bool,
}

/// One number for every place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PlaceFigures {
    /// In which unit.
    pub unit: Named,
    /// The last month of the period, `YYYY-MM`.
    pub month: String,
    /// The period in words.
    pub period: Label,
    /// First and last day.
    pub days: [String; 2],
    /// `official` or `provisional`.
    pub view: &'static str,
    /// `commune` or `village`.
    pub level: &'static str,
    /// What is measured.
    pub measure: String,
    /// Its name.
    pub label: Label,
    /// `count`, `percent`, `points`, `ratio` or `days`.
    pub measured_in: &'static str,
    /// Whether more is better: `up` or `down`.
    pub better: &'static str,
    /// How it is counted, in words.
    pub formula: Label,
    /// The places, in the order of their codes.
    pub places: Vec<PlaceFigure>,
}

/// Whose shapes are wanted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ShapesQuery {
    /// A province or commune: the shapes of what lies directly inside it.
    pub unit: Uuid,
}

/// Where a place lies. Corners are east and north in millionths of a degree.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PlaceShape {
    /// The village or commune.
    pub id: Uuid,
    /// Its middle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point: Option<[i32; 2]>,
    /// Its areas and the holes in them.
    pub rings: Vec<Vec<[i32; 2]>>,
}

/// The item of a team score that says which part of the households was reached.
const HOUSEHOLDS_REACHED: &str = "t01_households_reached";

/// What is measured.
enum Measure<'i> {
    Visits,
    DaysSinceVisit,
    HouseholdsReached(&'i ScoreItem),
    Indicator(&'i Indicator),
    Kind(&'i str, Formula),
}

impl<'i> Measure<'i> {
    fn parse(indicators: &'i Indicators, code: &'i str) -> Answer<Self> {
        Ok(match code {
            "visits" => Self::Visits,
            "days_since_visit" => Self::DaysSinceVisit,
            "households_reached" => Self::HouseholdsReached(
                indicators.score_item(HOUSEHOLDS_REACHED).ok_or(ReadError::BadValue("measure"))?,
            ),
            code => match (indicators.indicator(code), indicators.achieved_formula(code)) {
                (Some(indicator), _) => Self::Indicator(indicator),
                (None, Some(formula)) => Self::Kind(code, formula),
                (None, None) => return Err(ReadError::BadValue("measure")),
            },
        })
    }

    fn label(&self, indicators: &Indicators) -> Label {
        match self {
            Self::Visits => label("Chuyến thăm", "Visits"),
            Self::DaysSinceVisit => label("Số ngày từ chuyến thăm gần nhất", "Days since the last visit"),
            Self::HouseholdsReached(item) => label(&item.vi, &item.en),
            Self::Indicator(indicator) => label(&indicator.vi, &indicator.en),
            Self::Kind(code, _) => {
                let kind = indicators.catalogue().kind(code);
                kind.map_or_else(|| label(code, code), |kind| label(&kind.vi, &kind.en))
            }
        }
    }

    fn formula(&self, indicators: &Indicators, view: View) -> Label {
        use sync_protocol::catalogue::Lang::{En, Vi};
        let of = |formula: &Formula| label(&indicators.describe(formula, Vi), &indicators.describe(formula, En));
        match (self, view) {
            (Self::Visits, View::Official) => {
                label("Số chuyến thăm đã duyệt, theo ngày thăm trong kỳ", "Approved visits, by the day of the visit")
            }
            (Self::Visits, View::Provisional) => label(
                "Số chuyến thăm máy chủ đã xác nhận, ở mọi trạng thái, theo ngày thăm trong kỳ; không tính chuyến đã hủy ghi",
                "Visits that the server holds, in any status, by the day of the visit; void ones left out",
            ),
            (Self::DaysSinceVisit, _) => label(
                "Số ngày từ chuyến thăm gần nhất, ở mọi trạng thái, đến hôm nay hoặc đến hết kỳ nếu kỳ đã qua",
                "Days from the last visit, in any status, to today, or to the end of the period where that is over",
            ),
            (Self::HouseholdsReached(item), _) => of(&item.formula),
            (Self::Indicator(indicator), _) => of(&indicator.formula),
            (Self::Kind(_, formula), _) => of(formula),
        }
    }

    fn better(&self) -> &'static str {
        match self {
            Self::DaysSinceVisit => "down",
            Self::Indicator(indicator) if indicator.direction == Direction::Down => "down",
            _ => "up",
        }
    }

    fn measured_in(&self) -> &'static str {
        match self {
            Self::Visits | Self::Kind(..) => FigureUnit::Count.code(),
            Self::DaysSinceVisit => "days",
            Self::HouseholdsReached(_) => FigureUnit::Percent.code(),
            Self::Indicator(indicator) => indicator.unit.code(),
        }
    }
}

impl Reading {
    /// Gives one number for every place directly inside a unit.
    pub async fn places(&self, by: UserId, query: PlacesQuery) -> Answer<PlaceFigures> {
        let month = query.month.unwrap_or_else(|| self.this_month());
        let asked = Asked::parse(query.unit, &month, query.span.as_deref(), query.view.as_deref(), None)?;
        let measure = query.measure.unwrap_or_else(|| "visits".to_owned());
        Measure::parse(Indicators::shipped(), &measure)?;
        self.read(by, move |scoped| scoped.places(asked, &measure)).await
    }
}

impl Reading {
    /// Gives the shapes of the places directly inside a unit, as far as the operator's file has them.
    pub async fn shapes(&self, by: UserId, query: ShapesQuery) -> Answer<Page<PlaceShape>> {
        let month = self.this_month();
        let asked = Asked::parse(query.unit, &month, None, None, None)?;
        let places = self.read(by, move |scoped| scoped.codes_inside(asked)).await?;
        let shape = |(id, code): (UnitId, String)| {
            let shape = self.shapes.of(&code)?;
            Some(PlaceShape { id: id.0, point: shape.point, rings: shape.rings.clone() })
        };
        Ok(Page { items: places.into_iter().filter_map(shape).collect(), next: None })
    }
}

impl Scoped<'_> {
    /// The places directly inside a unit with their codes.
    fn codes_inside(&mut self, asked: Asked) -> Answer<Vec<(UnitId, String)>> {
        let scope = self.figure_scope(asked)?;
        let parts: Vec<&Scope> = match scope.level {
            Level::Commune | Level::Village => scope.parts.iter().collect(),
            _ => scope.communes_inside(),
        };
        let mut codes = Vec::new();
        for part in parts {
            let own = self.register(RowType::UNIT, part.unit.0)?.map(|(_, register)| register);
            let identity: Option<UnitIdentity> = own.and_then(|own| own.group(unit::IDENTITY));
            codes.extend(identity.map(|identity| (part.unit, identity.code)));
        }
        Ok(codes)
    }

    fn places(&mut self, asked: Asked, code: &str) -> Answer<PlaceFigures> {
        let indicators = Indicators::shipped();
        let measure = Measure::parse(indicators, code)?;
        let scope = self.figure_scope(asked)?;
        let (level, parts): (_, Vec<&Scope>) = match scope.level {
            Level::Village => return Err(ReadError::BadValue("unit")),
            Level::Commune => ("village", scope.parts.iter().collect()),
            _ => ("commune", scope.communes_inside()),
        };
        let visits = match measure {
            Measure::Visits => self.visits_by_village(&scope, asked)?,
            _ => BTreeMap::new(),
        };
        let mut places = Vec::new();
        for part in parts {
            let Some(own) = self.register(RowType::UNIT, part.unit.0)?.map(|(_, register)| register) else { continue };
            let identity: Option<UnitIdentity> = own.group(unit::IDENTITY);
            let place = PlaceFigure {
                of: self.unit_named(part.unit)?,
                code: identity.map(|identity| identity.code).unwrap_or_default(),
                value: None,
                shown: None,
                numerator: None,
                denominator: None,
                empty: None,
                provisional: self.is_open(part, asked)?,
            };
            places.push(match &measure {
                Measure::Visits => {
                    let units = part.units();
                    whole(place, units.iter().filter_map(|unit| visits.get(unit)).sum())
                }
                Measure::DaysSinceVisit => match self.days_since_visit(part, asked)? {
                    Some(days) => whole(place, days.into()),
                    None => PlaceFigure { empty: Some(never()), ..place },
                },
                _ => self.measured(place, part, &measure, asked)?,
            });
        }
        places.sort_by(|a, b| (&a.code, a.of.id).cmp(&(&b.code, b.of.id)));
        Ok(PlaceFigures {
            unit: self.unit_named(asked.unit)?,
            month: asked.month(),
            period: asked.words(),
            days: [asked.period.from.to_string(), asked.period.to.to_string()],
            view: asked.view_code(),
            level,
            measure: code.to_owned(),
            label: measure.label(indicators),
            measured_in: measure.measured_in(),
            better: measure.better(),
            formula: measure.formula(indicators, asked.view),
            places,
        })
    }

    /// What indicators say of one place.
    fn measured(
        &mut self,
        place: PlaceFigure,
        part: &Scope,
        measure: &Measure<'_>,
        asked: Asked,
    ) -> Answer<PlaceFigure> {
        let indicators = Indicators::shipped();
        let asked = Asked { unit: part.unit, ..asked };
        let facts = self.facts(part, asked)?;
        let (period, view, position) = (asked.period, asked.view, Some(commits_of(self.tx)?));
        let situation = Situation { scope: part, period, open: place.provisional, view, position, targets: &[] };
        let history = History::of(indicators, &facts, period);
        let (figure, formula) = match measure {
            Measure::Indicator(indicator) => {
                (Some(indicators.figure(indicator, &history, &situation)), &indicator.formula)
            }
            Measure::HouseholdsReached(item) => {
                (Some(indicators.item_share(item, &history, &situation)), &item.formula)
            }
            Measure::Kind(code, formula) => (indicators.achieved(code, &history, &situation), formula),
            Measure::Visits | Measure::DaysSinceVisit => return Ok(place),
        };
        let figure = figure.ok_or(ReadError::BadValue("measure"))?;
        let shown = figure_view(&figure, measure.label(indicators), formula, asked, false);
        Ok(PlaceFigure {
            value: shown.value,
            shown: shown.shown,
            numerator: shown.numerator,
            denominator: shown.denominator,
            empty: shown.empty,
            provisional: shown.provisional,
            ..place
        })
    }

    /// Visits of the months of the period, village by village.
    fn visits_by_village(&mut self, scope: &Scope, asked: Asked) -> Answer<BTreeMap<UnitId, u64>> {
        let (units, mut visits) = (scope.units(), BTreeMap::new());
        for month in asked.span.months() {
            for (cell, n) in self.tx.counts(&units, Some(month))? {
                let counts = asked.view == View::Provisional || cell.status == VisitStatus::Approved;
                if cell.kind == VISIT_ITSELF && counts {
                    *visits.entry(cell.village).or_default() += n;
                }
            }
        }
        Ok(visits)
    }

    /// Days from the last visit to today or to the end of the period, whichever is earlier; `None` before the first.
    fn days_since_visit(&mut self, part: &Scope, asked: Asked) -> Answer<Option<u32>> {
        self.function(Action::ReadCounts)?;
        let until = Day::of_ms(self.now.0).min(asked.period.to);
        let filter = VisitFilter {
            scopes: part.units().into_iter().map(ScopeId::from).collect(),
            to: Some(until),
            limit: usize::MAX,
            ..VisitFilter::default()
        };
        let visits = self.tx.visits(&filter)?;
        let last = visits.iter().filter(|visit| !visit.is_void).map(|visit| visit.day).max();
        Ok(last.map(|last| until.0 - last.0))
    }
}

fn whole(place: PlaceFigure, number: u64) -> PlaceFigure {
    let value = Fraction::whole(number.into());
    use sync_protocol::catalogue::Lang::{En, Vi};
    let shown = Label { vi: value.spelled(Vi), en: value.spelled(En) };
    PlaceFigure { value: Some(value.to_string()), numerator: Some(value.to_string()), shown: Some(shown), ..place }
}

fn never() -> Reason {
    Reason { code: "never_visited", text: label("Chưa có chuyến thăm nào.", "There has been no visit yet.") }
}
