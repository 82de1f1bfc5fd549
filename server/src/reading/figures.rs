//! Indicators of a unit, worked out from its rows, each opened down to the activities behind it.
//!
//! Up to the commune a figure rests on every row of the villages. Above, the communes are worked out one by one and add
//! up; what a commune came to is kept in memory for as long as nothing in it changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sync_protocol::access::Action;
use sync_protocol::calendar::{CutOff, Period as Span, PeriodKind};
use sync_protocol::catalogue::Lang;
use sync_protocol::entity::{MemberIdentity, team_member};
use sync_protocol::ids::*;
use sync_protocol::indicator::*;
use sync_protocol::row::{RowType, read_row};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::*;
use crate::work::commits_of;

/// Which figures are wanted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FigureQuery {
    /// A village, commune or province.
    pub unit: Uuid,
    /// A reporting month, `YYYY-MM`: it runs from the 15th of the month before to the 14th. Without it: the one that
    /// today lies in.
    #[param(example = "2026-12")]
    pub month: Option<String>,
    /// `month`, or the `quarter`, `half_year` or `year` that the month lies in. Without it: the month.
    pub span: Option<String>,
    /// `official` counts approved activities only; `provisional` also those that wait for a decision. Without it:
    /// official.
    pub view: Option<String>,
    /// Only the activities of this team.
    pub team: Option<Uuid>,
}

/// Which list behind a figure is wanted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BehindQuery {
    /// A village or commune.
    pub unit: Uuid,
    /// A reporting month, `YYYY-MM`.
    #[param(example = "2026-12")]
    pub month: String,
    /// As for the figures.
    pub span: Option<String>,
    /// As for the figures.
    pub view: Option<String>,
    /// Only the activities of this team.
    pub team: Option<Uuid>,
    /// At most so many items, 1 to 200.
    pub limit: Option<u16>,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// Why a figure has no value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Reason {
    /// The stable code.
    pub code: &'static str,
    /// In words, with what to do.
    pub text: Label,
}

/// One figure with all that is needed to judge it. Numbers are exact: a whole number, or `numerator/denominator`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FigureView {
    /// The indicator, or the kind of activity.
    pub code: String,
    /// Its name.
    pub label: Label,
    /// `percent`, `count`, `points`, `ratio`.
    pub unit: &'static str,
    /// The value, exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value as people write it, at most two decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<Label>,
    /// Above the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numerator: Option<String>,
    /// Below the line; absent where the figure is no share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denominator: Option<String>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty: Option<Reason>,
    /// The value was above 100 percent and is given as 100.
    pub capped: bool,
    /// Approved activities behind it.
    pub approved: u64,
    /// Submitted activities that wait for a decision and would go into it.
    pub submitted: u64,
    /// The part of them that is approved, in percent, exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_approved: Option<String>,
    /// It may still change.
    pub provisional: bool,
    /// How sure the definition is; absent for kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
    /// Villages that reported, of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reporting: Option<[u64; 2]>,
    /// The target of the file, exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether the target is met; absent where there is no target or no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<bool>,
    /// The formula in words.
    pub formula: Label,
    /// The list behind the numerator; absent where the asker sees counts only, and above the commune.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
}

/// A set of indicators with its figures.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SetView {
    /// The set.
    pub code: String,
    /// Its name.
    pub label: Label,
    /// Whether the shares for recognition are reached; absent for a set without such a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recognised: Option<bool>,
    /// Mandatory indicators: met, of all.
    pub mandatory: [usize; 2],
    /// The others: met, of all.
    pub optional: [usize; 2],
    /// The figures, in the order of the set.
    pub figures: Vec<FigureView>,
}

/// Figures.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FiguresView {
    /// The unit.
    pub unit: Named,
    /// The last month of the period, `YYYY-MM`.
    pub month: String,
    /// The period in words.
    pub period: Label,
    /// First and last day.
    pub days: [String; 2],
    /// `official` or `provisional`.
    pub view: &'static str,
    /// The period still takes changes.
    pub open: bool,
    /// How many units of work the store had seen: two answers with the same number rest on the same rows.
    pub position: u64,
    /// Version of the indicators.
    pub indicators: String,
    /// Version of the activity catalogue.
    pub catalogue: String,
    /// The sets that hold on the last day.
    pub sets: Vec<SetView>,
    /// What each kind of activity achieved in the period.
    pub kinds: Vec<FigureView>,
}

/// One thing that a figure rests on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct BehindView {
    /// `activity`, `village`, `team`, `member`, `case`, `recognition`, `entry`.
    pub what: &'static str,
    /// Its id; of an entry the id of the unit.
    pub id: Uuid,
    /// Of a village, a team, a member or an entry: what it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of an activity: its visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visit: Option<Uuid>,
    /// Of an activity: its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Of an activity: the day of its visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// Of an activity: the village.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub village: Option<Named>,
    /// Where it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// For what figures are asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) unit: UnitId,
    pub(super) span: Span,
    pub(super) period: Period,
    pub(super) view: View,
    pub(super) team: Option<TeamId>,
}

impl Asked {
    pub(super) fn parse(
        unit: Uuid,
        month: &str,
        span: Option<&str>,
        view: Option<&str>,
        team: Option<Uuid>,
    ) -> Answer<Self> {
        let month = Month::parse(month).ok_or(ReadError::BadValue("month"))?;
        let kind = PeriodKind::from_code(span.unwrap_or("month")).ok_or(ReadError::BadValue("span"))?;
        let span = Span::of_month(kind, month);
        let (from, to) = span.days(CutOff::default()).ok_or(ReadError::BadValue("month"))?;
        let view = match view.unwrap_or("official") {
            "official" => View::Official,
            "provisional" => View::Provisional,
            _ => return Err(ReadError::BadValue("view")),
        };
        Ok(Self { unit: UnitId(unit), span, period: Period { from, to }, view, team: team.map(TeamId) })
    }

    /// The last month of the period, `YYYY-MM`.
    pub(super) fn month(self) -> String {
        self.span.last_month().to_string()
    }

    /// The period in words.
    pub(super) fn words(self) -> Label {
        Label { vi: self.span.vi(), en: self.span.en() }
    }

    pub(super) fn view_code(self) -> &'static str {
        match self.view {
            View::Official => "official",
            View::Provisional => "provisional",
        }
    }

    fn link(self, code: &str) -> String {
        let (month, span) = (self.span.last_month(), self.span.kind().code());
        let team = self.team.map(|team| format!("&team={team}")).unwrap_or_default();
        let view = self.view_code();
        format!("/api/v1/figures/{code}/behind?unit={}&month={month}&span={span}&view={view}{team}", self.unit)
    }
}

/// A commune with the first and the last day of a period.
type Place = (UnitId, Day, Day);
/// What a commune came to, with the state of the rows that it rests on.
type Came = ([u8; 32], Arc<History>);

/// What communes came to.
#[derive(Default)]
pub(super) struct Known(Mutex<BTreeMap<Place, Came>>);

/// How many communes and periods are kept; then all are let go.
const KNOWN_MAX: usize = 4_096;

impl Known {
    fn get(&self, of: Place, rows: [u8; 32]) -> Option<Arc<History>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&of).filter(|(at, _)| *at == rows).map(|(_, history)| Arc::clone(history))
    }

    fn put(&self, of: Place, rows: [u8; 32], history: Arc<History>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(of, (rows, history));
    }
}

impl Reading {
    /// The reporting month that today lies in.
    pub(super) fn this_month(&self) -> String {
        sync_protocol::decide::reporting_month(Day::of_ms((self.clock)().0)).to_string()
    }

    /// Works out the figures of a unit.
    pub async fn figures(&self, by: UserId, query: FigureQuery) -> Answer<FiguresView> {
        let month = query.month.unwrap_or_else(|| self.this_month());
        let asked = Asked::parse(query.unit, &month, query.span.as_deref(), query.view.as_deref(), query.team)?;
        let known = Arc::clone(&self.known);
        self.read(by, move |scoped| scoped.figures(asked, &known)).await
    }

    /// Opens a figure: what its numerator rests on.
    pub async fn behind(&self, by: UserId, code: String, query: BehindQuery) -> Answer<Page<BehindView>> {
        let asked = Asked::parse(query.unit, &query.month, query.span.as_deref(), query.view.as_deref(), query.team)?;
        let after = cursor::to_contribution(query.cursor.as_deref())?;
        let limit = page_size(query.limit);
        let filter = asked.link(&code);
        self.read_noted(by, "figure.open", None, move |scoped| {
            let page = scoped.behind(asked, &code, after, limit)?;
            let entry = Entry {
                scope: asked.unit.into(),
                object: None,
                outcome: page.items.len().to_string(),
                filter: Some(filter.clone()),
            };
            Ok((page, entry))
        })
        .await
    }
}

impl Scoped<'_> {
    fn figures(&mut self, asked: Asked, known: &Known) -> Answer<FiguresView> {
        let scope = self.figure_scope(asked)?;
        let open = self.is_open(&scope, asked)?;
        let position = commits_of(self.tx)?;
        let history = self.history(&scope, asked, known)?;
        let situation = Situation {
            scope: &scope,
            period: asked.period,
            open,
            view: asked.view,
            position: Some(position),
            targets: &[],
        };
        let indicators = Indicators::shipped();
        let sheet = indicators.sheet(&history, &situation);
        let opens = matches!(scope.level, Level::Commune | Level::Village) && self.reads_all(&scope);
        let figures: BTreeMap<String, Figure> =
            sheet.indicators.iter().map(|figure| (figure.indicator.clone(), figure.clone())).collect();
        let sets = indicators.sets().iter().filter(|set| set.valid.on(asked.period.to));
        let sets = sets.map(|set| set_view(set, &figures, asked, opens)).collect();
        let kinds = sheet.kinds.iter().filter_map(|figure| kind_view(figure, asked, opens)).collect();
        Ok(FiguresView {
            unit: self.unit_named(asked.unit)?,
            month: asked.month(),
            period: asked.words(),
            days: [asked.period.from.to_string(), asked.period.to.to_string()],
            view: asked.view_code(),
            open,
            position,
            indicators: indicators.version().to_owned(),
            catalogue: indicators.catalogue().version().to_owned(),
            sets,
            kinds,
        })
    }

    /// The unit with what was inside it on the last day, where the asker may have numbers of it.
    pub(super) fn figure_scope(&mut self, asked: Asked) -> Answer<Scope> {
        self.function(Action::ReadCounts)?;
        if !self.covers(Action::ReadCounts, asked.unit)? {
            return Err(ReadError::NotFound);
        }
        self.scope_on(asked.unit, asked.period.to)?.ok_or(ReadError::NotFound)
    }

    /// Whether a commune of the unit has a month of the period that still takes changes.
    pub(super) fn is_open(&mut self, scope: &Scope, asked: Asked) -> Answer<bool> {
        let own = self.register(RowType::UNIT, scope.unit.0)?.map(|(_, register)| register);
        takes_changes(&scope.communes(&own, asked.period.to), asked.span, |month| {
            Ok::<_, ReadError>(self.register(RowType::PERIOD, month)?.map(|(_, register)| register))
        })
    }

    fn reads_all(&self, scope: &Scope) -> bool {
        scope.units().into_iter().all(|unit| self.may(Action::ReadRows, unit.into()))
    }

    /// A unit with what was inside it on a day.
    pub(super) fn scope_on(&mut self, unit: UnitId, day: Day) -> Answer<Option<Scope>> {
        let (units, _) = self.below(unit, Some(day))?;
        let mut registers = Vec::new();
        for unit in units {
            registers.extend(self.register(RowType::UNIT, unit.0)?.map(|(_, register)| register));
        }
        Ok(Scope::of_units(unit, &registers, day))
    }

    /// What the figures of a unit rest on.
    fn history(&mut self, scope: &Scope, asked: Asked, known: &Known) -> Answer<History> {
        let indicators = Indicators::shipped();
        if matches!(scope.level, Level::Commune | Level::Village) {
            let facts = self.facts(scope, asked)?;
            return Ok(History::of(indicators, &facts, asked.period));
        }
        let mut sum = History::of(indicators, &self.facts_of(&[scope.unit])?, asked.period);
        for commune in scope.communes_inside() {
            let part = self.condensed(commune, asked, known)?;
            sum.merge(&part).map_err(|fault| damaged(fault.code()))?;
        }
        Ok(sum)
    }

    /// What a commune came to, from memory where nothing has changed in it.
    fn condensed(&mut self, commune: &Scope, asked: Asked, known: &Known) -> Answer<Arc<History>> {
        let key = (commune.unit, asked.period.from, asked.period.to);
        let rows = self.rows_hash(commune)?;
        if asked.team.is_none()
            && let Some(history) = known.get(key, rows)
        {
            return Ok(history);
        }
        let facts = self.facts(commune, asked)?;
        let indicators = Indicators::shipped();
        let situation = Situation {
            scope: commune,
            period: asked.period,
            open: true,
            view: View::Official,
            position: None,
            targets: &[],
        };
        let whole = History::of(indicators, &facts, asked.period);
        let history = Arc::new(indicators.condense(&whole, &situation));
        if asked.team.is_none() {
            known.put(key, rows, Arc::clone(&history));
        }
        Ok(history)
    }

    /// Names the state of all rows of a unit and of what is inside it.
    fn rows_hash(&mut self, scope: &Scope) -> Answer<[u8; 32]> {
        let mut hasher = blake3::Hasher::new();
        for unit in scope.units() {
            hasher.update(unit.as_bytes());
            for (id, bucket) in self.tx.buckets_of(unit.into())? {
                hasher.update(&[id.class as u8]).update(&id.quarter.to_be_bytes());
                hasher.update(&bucket.gen_.to_be_bytes()).update(&bucket.head.to_be_bytes());
            }
        }
        Ok(*hasher.finalize().as_bytes())
    }

    /// All facts of a unit and of what is inside it.
    pub(super) fn facts(&mut self, scope: &Scope, asked: Asked) -> Answer<Vec<Fact>> {
        let mut facts = self.facts_of(&scope.units())?;
        if let Some(team) = asked.team {
            facts.retain(|fact| !matches!(fact, Fact::Activity(activity) if activity.team != team));
        }
        Ok(facts)
    }

    /// The facts of the rows in these scopes.
    pub(super) fn facts_of(&mut self, units: &[UnitId]) -> Answer<Vec<Fact>> {
        let mut gathered = Gathered::default();
        for (unit, ty) in units.iter().flat_map(|unit| Gathered::TYPES.map(|ty| (unit, ty))) {
            let mut after = None;
            loop {
                let page = self.tx.rows_of((*unit).into(), ty, after, SCAN_PAGE)?;
                let is_last = page.len() < SCAN_PAGE;
                for bytes in page {
                    let row = read_row(&bytes).map_err(|_| damaged("row"))?;
                    after = Some(row.id());
                    gathered.add(row);
                }
                if is_last {
                    break;
                }
            }
        }
        Ok(gathered.facts())
    }

    fn behind(
        &mut self,
        asked: Asked,
        code: &str,
        after: Option<Contribution>,
        limit: usize,
    ) -> Answer<Page<BehindView>> {
        let scope = self.figure_scope(asked)?;
        if !matches!(scope.level, Level::Commune | Level::Village) || !self.reads_all(&scope) {
            return Err(ReadError::NotFound);
        }
        let indicators = Indicators::shipped();
        let formula = match indicators.indicator(code) {
            Some(indicator) => indicator.formula.clone(),
            None => match indicators.score_item(code) {
                Some(item) => item.formula.clone(),
                None => indicators.achieved_formula(code).ok_or(ReadError::NotFound)?,
            },
        };
        let mut facts = self.facts(&scope, asked)?;
        if let Some(team) = asked.team.filter(|_| indicators.score_item(code).is_some()) {
            facts = team_facts(&facts, team);
        }
        let situation = Situation {
            scope: &scope,
            period: asked.period,
            open: true,
            view: asked.view,
            position: None,
            targets: &[],
        };
        let mut found = indicators.explain(&formula, &facts, &situation, after, limit + 1);
        let more = found.len() > limit;
        found.truncate(limit);
        let activities: BTreeMap<ActivityId, &ActivityFact> = facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Activity(activity) => Some((activity.id, &**activity)),
                Fact::Row(_) => None,
            })
            .collect();
        let next = found.last().filter(|_| more).map(|last| cursor::of_contribution(*last));
        let mut items = Vec::new();
        for contribution in found {
            items.push(self.behind_view(contribution, &activities)?);
        }
        Ok(Page { items, next })
    }

    fn behind_view(
        &mut self,
        contribution: Contribution,
        activities: &BTreeMap<ActivityId, &ActivityFact>,
    ) -> Answer<BehindView> {
        let plain = |what, id| BehindView {
            what,
            id,
            name: None,
            visit: None,
            kind: None,
            day: None,
            village: None,
            link: None,
        };
        Ok(match contribution {
            Contribution::Activity { visit, activity } => {
                let fact = activities.get(&activity);
                BehindView {
                    visit: Some(visit.0),
                    kind: fact.map(|fact| fact.kind.clone()),
                    day: fact.map(|fact| fact.day.to_string()),
                    village: fact.map(|fact| self.unit_named(fact.village)).transpose()?,
                    link: Some(format!("/api/v1/visits/{visit}")),
                    ..plain("activity", activity.0)
                }
            }
            Contribution::Village(unit) => BehindView { name: Some(self.unit_name(unit)?), ..plain("village", unit.0) },
            Contribution::Team(team) => BehindView { name: Some(self.team_named(team)?.name), ..plain("team", team.0) },
            Contribution::Member(member) => {
                let found = self.register(RowType::TEAM_MEMBER, member.0)?;
                let who = found.and_then(|(_, member)| member.group::<MemberIdentity>(team_member::IDENTITY));
                let name = who.map(|who| self.user_named(who.user).map(|user| user.name)).transpose()?;
                BehindView { name, ..plain("member", member.0) }
            }
            Contribution::Case(case) => {
                BehindView { link: Some(format!("/api/v1/cases/{case}")), ..plain("case", case.0) }
            }
            Contribution::Recognition(id) => plain("recognition", id),
            Contribution::Entry(unit) => BehindView { name: Some(self.unit_name(unit)?), ..plain("entry", unit.0) },
        })
    }
}

pub(super) fn label(vi: &str, en: &str) -> Label {
    Label { vi: vi.to_owned(), en: en.to_owned() }
}

fn set_view(set: &IndicatorSet, figures: &BTreeMap<String, Figure>, asked: Asked, opens: bool) -> SetView {
    let indicators = Indicators::shipped();
    let check = indicators.check_set(set, figures, &Overrides::new());
    let of = |indicator: &Indicator| {
        let figure = figures.get(&indicator.code)?;
        let met = match indicator.met(figure, &Overrides::new()) {
            Met::Yes => Some(true),
            Met::No => Some(false),
            Met::NoTarget | Met::Empty(_) => None,
        };
        Some(FigureView {
            basis: Some(figure.basis.clone()),
            target: indicator.target.map(|target| Fraction::from(target).to_string()),
            met,
            ..figure_view(figure, label(&indicator.vi, &indicator.en), &indicator.formula, asked, opens)
        })
    };
    SetView {
        code: set.code.clone(),
        label: label(&set.vi, &set.en),
        recognised: set.recognition.as_ref().map(|_| check.recognised),
        mandatory: [check.mandatory.0, check.mandatory.1],
        optional: [check.optional.0, check.optional.1],
        figures: set.indicators.iter().filter_map(of).collect(),
    }
}

fn kind_view(figure: &Figure, asked: Asked, opens: bool) -> Option<FigureView> {
    let indicators = Indicators::shipped();
    let kind = indicators.catalogue().kind(&figure.indicator)?;
    let formula = indicators.achieved_formula(&kind.code)?;
    Some(figure_view(figure, label(&kind.vi, &kind.en), &formula, asked, opens))
}

pub(super) fn figure_view(figure: &Figure, label: Label, formula: &Formula, asked: Asked, opens: bool) -> FigureView {
    let indicators = Indicators::shipped();
    let shown = |value: Fraction| Label { vi: value.spelled(Lang::Vi), en: value.spelled(Lang::En) };
    let reason = |empty: Empty| Reason {
        code: empty.code(),
        text: Label { vi: empty.words(Lang::Vi).to_owned(), en: empty.words(Lang::En).to_owned() },
    };
    FigureView {
        code: figure.indicator.clone(),
        label,
        unit: figure.unit.code(),
        value: figure.value.map(|value| value.to_string()),
        shown: figure.value.map(shown),
        numerator: figure.numerator.map(|value| value.to_string()),
        denominator: figure.denominator.map(|value| value.to_string()),
        empty: figure.empty.map(reason),
        capped: figure.capped,
        approved: figure.approved,
        submitted: figure.submitted,
        share_approved: figure.share_approved().map(|share| share.times(Fraction::whole(100)).to_string()),
        provisional: figure.provisional,
        basis: None,
        reporting: figure.reporting.map(|(reported, all)| [reported, all]),
        target: None,
        met: None,
        formula: Label { vi: indicators.describe(formula, Lang::Vi), en: indicators.describe(formula, Lang::En) },
        list: opens.then(|| asked.link(&figure.indicator)),
    }
}
