//! League tables and team scores: units of one level or teams side by side, and what a team's score is made of. Never
//! persons.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sync_protocol::access::Action;
use sync_protocol::calendar::Period as Span;
use sync_protocol::catalogue::{Decimal, Lang};
use sync_protocol::entity::{TeamIdentity, Validity, team};
use sync_protocol::ids::*;
use sync_protocol::indicator::*;
use sync_protocol::report::since_new_year;
use sync_protocol::row::RowType;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::figures::{Asked, FigureView, figure_view, label};
use super::{Answer, Label, Named, ReadError, Reading, Scoped};
use crate::work::commits_of;

/// Which league table is wanted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LeagueQuery {
    /// A province, whose communes are compared, or a commune, whose villages are; with `score` the teams inside it.
    pub unit: Uuid,
    /// The reporting month, `YYYY-MM`. Without it: the one that today lies in.
    #[param(example = "2026-12")]
    pub month: Option<String>,
    /// What is compared: an indicator, or what a kind of activity achieved …
    pub indicator: Option<String>,
    /// … or a team score, for example `team_activity_100`.
    pub score: Option<String>,
    /// `official` or `provisional`. Without it: official.
    pub view: Option<String>,
}

/// A place in a league table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct StandingView {
    /// From 1; equal values share it, and the next one is left out.
    pub rank: u32,
    /// The unit or team.
    pub of: Named,
    /// What is compared, exact: percent, points, or a count per adult.
    pub value: String,
    /// As people write it; a count is given for 1,000 adults.
    pub shown: Label,
    /// Places gained since the month before; negative when lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<i64>,
    /// It may still change.
    pub provisional: bool,
}

/// Somebody who is not ranked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ApartView {
    /// The unit or team.
    pub of: Named,
    /// `out_of_coverage`, `too_small`, `empty`.
    pub reason: &'static str,
    /// In words.
    pub text: Label,
}

/// A league table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct LeagueView {
    /// In which unit.
    pub unit: Named,
    /// The month, `YYYY-MM`.
    pub month: String,
    /// The period in words.
    pub period: Label,
    /// `commune`, `village` or `team`.
    pub level: &'static str,
    /// The indicator, kind or score.
    pub code: String,
    /// Its name.
    pub label: Label,
    /// `percent`, `points`, or `per_1000_adults`.
    pub measure: &'static str,
    /// Fewest adults or else households with which one is ranked.
    pub minimum: [u64; 2],
    /// By rank.
    pub places: Vec<StandingView>,
    /// Listed apart.
    pub apart: Vec<ApartView>,
}

/// Which month of a team is wanted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ScoreQuery {
    /// The reporting month, `YYYY-MM`. Without it: the one that today lies in.
    #[param(example = "2026-12")]
    pub month: Option<String>,
    /// `official` or `provisional`. Without it: official.
    pub view: Option<String>,
}

/// One item of a team score.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ScoreItemView {
    /// What it can earn.
    pub max_points: u32,
    /// What it earned, exact to a thousandth; absent where it has no value and is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<Label>,
    /// Its value, its formula in words, and the list behind it.
    pub figure: FigureView,
}

/// A team's score of a month.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ScoreView {
    /// The team.
    pub team: Named,
    /// Where it works.
    pub unit: Named,
    /// The month, `YYYY-MM`.
    pub month: String,
    /// The period in words.
    pub period: Label,
    /// The score set.
    pub code: String,
    /// Its name.
    pub label: Label,
    /// How sure the set is.
    pub basis: String,
    /// Of the full points, exact; absent when no item has a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<String>,
    /// As people write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<Label>,
    /// What the items with a value could earn.
    pub possible: u32,
    /// The band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<Label>,
    /// It may still change.
    pub provisional: bool,
    /// In the order of the set.
    pub items: Vec<ScoreItemView>,
}

/// What is compared.
enum Compared<'i> {
    Indicator(&'i Indicator),
    Kind(String),
    Score(&'i ScoreSet),
}

/// A team with the unit that it works in.
type TeamAt = (TeamId, UnitId);

impl Reading {
    /// Makes a league table, compared with the month before.
    pub async fn league(&self, by: UserId, query: LeagueQuery) -> Answer<LeagueView> {
        let month = query.month.unwrap_or_else(|| self.this_month());
        let asked = Asked::parse(query.unit, &month, None, query.view.as_deref(), None)?;
        if query.indicator.is_some() == query.score.is_some() {
            return Err(ReadError::BadValue("indicator"));
        }
        self.read(by, move |scoped| scoped.league(asked, query.indicator.as_deref(), query.score.as_deref())).await
    }

    /// Works out a team's score.
    pub async fn team_score(&self, by: UserId, id: TeamId, query: ScoreQuery) -> Answer<ScoreView> {
        let month = query.month.unwrap_or_else(|| self.this_month());
        self.read(by, move |scoped| {
            let found = scoped.register(RowType::TEAM, id.0)?;
            let (_, register) = scoped.within(Action::ReadTeams, found)?;
            let identity: TeamIdentity = register.group(team::IDENTITY).ok_or(ReadError::NotFound)?;
            let asked = Asked::parse(identity.unit.0, &month, None, query.view.as_deref(), Some(id.0))?;
            scoped.score_view((id, identity.unit), asked)
        })
        .await
    }
}

impl Scoped<'_> {
    fn league(&mut self, asked: Asked, indicator: Option<&str>, score: Option<&str>) -> Answer<LeagueView> {
        let indicators = Indicators::shipped();
        let compared = match (indicator, score) {
            (Some(code), _) => match indicators.indicator(code) {
                Some(indicator) => Compared::Indicator(indicator),
                None if indicators.achieved_formula(code).is_some() => Compared::Kind(code.to_owned()),
                None => return Err(ReadError::BadValue("indicator")),
            },
            (None, code) => {
                let set = indicators.score_set(code.unwrap_or_default()).ok_or(ReadError::BadValue("score"))?;
                Compared::Score(set)
            }
        };
        let scope = self.figure_scope(asked)?;
        if scope.level == Level::Village && !matches!(compared, Compared::Score(_)) {
            return Err(ReadError::BadValue("unit"));
        }
        let direction = match &compared {
            Compared::Indicator(indicator) => indicator.direction,
            Compared::Kind(_) | Compared::Score(_) => Direction::Up,
        };
        let rules = LeagueRules::default();
        let before = asked.before()?;
        let wrong = |error: LeagueError| super::damaged(error.code());
        let last = rank(&self.entries(&compared, before)?, direction, rules, None).map_err(wrong)?;
        let entries = self.entries(&compared, asked)?;
        let league = rank(&entries, direction, rules, Some(&last)).map_err(wrong)?;
        let unit = entries.first().map_or(FigureUnit::Percent, |entry| entry.figure.unit);
        let (code, name) = match &compared {
            Compared::Indicator(indicator) => (indicator.code.clone(), label(&indicator.vi, &indicator.en)),
            Compared::Kind(code) => {
                let of = |lang| indicators.catalogue().label(code, lang).unwrap_or_default();
                (code.clone(), label(of(Lang::Vi), of(Lang::En)))
            }
            Compared::Score(set) => (set.code.clone(), label(&set.vi, &set.en)),
        };
        let is_score = matches!(compared, Compared::Score(_));
        let named = |scoped: &mut Self, id: UnitId| match is_score {
            true => scoped.team_named(TeamId(id.0)),
            false => scoped.unit_named(id),
        };
        let (mut places, mut apart) = (Vec::new(), Vec::new());
        for place in league.places {
            let of_thousand = if unit == FigureUnit::Count { Fraction::whole(1_000) } else { Fraction::ONE };
            let shown = place.value.times(of_thousand);
            places.push(StandingView {
                rank: place.rank,
                of: named(self, place.unit)?,
                value: place.value.to_string(),
                shown: Label { vi: shown.spelled(Lang::Vi), en: shown.spelled(Lang::En) },
                change: place.change,
                provisional: place.provisional,
            });
        }
        for (id, reason) in league.apart {
            apart.push(ApartView {
                of: named(self, id)?,
                reason: reason.code(),
                text: label(reason.words(Lang::Vi), reason.words(Lang::En)),
            });
        }
        Ok(LeagueView {
            unit: self.unit_named(asked.unit)?,
            month: asked.month(),
            period: asked.words(),
            level: match (is_score, scope.level) {
                (true, _) => "team",
                (false, Level::Commune) => "village",
                (false, _) => "commune",
            },
            code,
            label: name,
            measure: if unit == FigureUnit::Count { "per_1000_adults" } else { unit.code() },
            minimum: [rules.adults_min, rules.households_min],
            places,
            apart,
        })
    }

    /// Everyone who takes part, in the asked period.
    fn entries(&mut self, compared: &Compared<'_>, asked: Asked) -> Answer<Vec<LeagueEntry>> {
        let Some(scope) = self.scope_on(asked.unit, asked.period.to)? else { return Ok(Vec::new()) };
        if let Compared::Score(set) = compared {
            let mut entries = Vec::new();
            for (team, unit) in self.teams_in(&scope, asked.period.to)? {
                let asked = Asked { unit, team: Some(team), ..asked };
                if let Some((_, _, entry)) = self.score(set, (team, unit), asked)? {
                    entries.push(entry);
                }
            }
            return Ok(entries);
        }
        let parts: Vec<&Scope> = match scope.level {
            Level::Commune => scope.parts.iter().collect(),
            _ => scope.communes_inside(),
        };
        let indicators = Indicators::shipped();
        let position = Some(commits_of(self.tx)?);
        let mut entries = Vec::new();
        for part in parts {
            let asked = Asked { unit: part.unit, ..asked };
            let facts = self.facts(part, asked)?;
            let open = self.is_open(part, asked)?;
            let (period, view) = (asked.period, asked.view);
            let situation = Situation { scope: part, period, open, view, position, targets: &[] };
            let history = History::of(indicators, &facts, period);
            let figure = match compared {
                Compared::Indicator(indicator) => indicators.figure(indicator, &history, &situation),
                Compared::Kind(code) => {
                    indicators.achieved(code, &history, &situation).ok_or(ReadError::BadValue("indicator"))?
                }
                Compared::Score(_) => continue,
            };
            entries.push(entry(part, part.unit, part.level, figure, &facts, (&history, &situation)));
        }
        Ok(entries)
    }

    /// The teams of a unit and of what is inside it, that are in force on a day.
    fn teams_in(&mut self, scope: &Scope, day: Day) -> Answer<Vec<TeamAt>> {
        let mut teams = Vec::new();
        for unit in scope.units() {
            for register in self.registers_of(unit, RowType::TEAM)? {
                let validity: Option<Validity> = register.group(team::VALIDITY);
                if validity.is_some_and(|validity| validity.from <= day && validity.to.is_none_or(|to| day < to)) {
                    teams.push((TeamId(register.id), unit));
                }
            }
        }
        Ok(teams)
    }

    /// A team's score, the situation's period, and its line in a league table; `None` when its unit was not there yet.
    fn score(
        &mut self,
        set: &ScoreSet,
        (team, unit): TeamAt,
        asked: Asked,
    ) -> Answer<Option<(TeamScore, bool, LeagueEntry)>> {
        let Some(inside) = self.scope_on(unit, asked.period.to)? else { return Ok(None) };
        let indicators = Indicators::shipped();
        let open = self.is_open(&inside, asked)?;
        let (goals, _) = self.targets(&inside, asked)?;
        let scope = Scope { unit, level: Level::Team, parts: vec![inside] };
        let facts = team_facts(&self.facts_of(&scope.parts[0].units())?, team);
        let (period, view, position) = (asked.period, asked.view, Some(commits_of(self.tx)?));
        let situation = Situation { scope: &scope, period, open, view, position, targets: &[] };
        let reached = completions(&goals, &facts, &situation);
        let situation = Situation { targets: &reached, ..situation };
        let history = History::of(indicators, &facts, period);
        let score = indicators.team_score(set, &history, &situation);
        let figure = score.figure(set, &situation);
        let line = entry(&scope.parts[0], UnitId(team.0), Level::Team, figure, &facts, (&history, &situation));
        Ok(Some((score, open, line)))
    }

    fn score_view(&mut self, (team, unit): TeamAt, asked: Asked) -> Answer<ScoreView> {
        let indicators = Indicators::shipped();
        let set = indicators.score_set_on(asked.period.to).ok_or(ReadError::NotFound)?;
        let (score, _, _) = self.score(set, (team, unit), asked)?.ok_or(ReadError::NotFound)?;
        let opens = self.may(Action::ReadRows, unit.into());
        let points = |milli: i128| {
            let points = Fraction::new(milli, 1_000).unwrap_or(Fraction::ZERO);
            Label { vi: points.spelled(Lang::Vi), en: points.spelled(Lang::En) }
        };
        let items = set.items.iter().zip(&score.items).map(|(item, earned)| ScoreItemView {
            max_points: earned.max_points,
            points: earned.points_milli.map(points),
            figure: figure_view(&earned.figure, label(&item.vi, &item.en), &item.formula, asked, opens),
        });
        Ok(ScoreView {
            team: self.team_named(team)?,
            unit: self.unit_named(unit)?,
            month: asked.month(),
            period: asked.words(),
            code: set.code.clone(),
            label: label(&set.vi, &set.en),
            basis: set.basis.clone(),
            points: score.points.map(|points| points.to_string()),
            shown: score.points.map(|points| Label { vi: points.spelled(Lang::Vi), en: points.spelled(Lang::En) }),
            possible: score.possible,
            band: score.band.as_ref().map(|band| label(&band.vi, &band.en)),
            provisional: score.provisional,
            items: items.collect(),
        })
    }
}

/// How far each of the year's targets by kind is reached since the beginning of the year.
fn completions(goals: &BTreeMap<String, Decimal>, facts: &[Fact], situation: &Situation<'_>) -> Vec<Fraction> {
    let indicators = Indicators::shipped();
    let year = Situation { period: since_new_year(situation.period), ..*situation };
    let history = History::of(indicators, facts, year.period);
    let reached = |(kind, goal): (&String, &Decimal)| {
        let value = indicators.achieved(kind, &history, &year)?.value.unwrap_or(Fraction::ZERO);
        value.over(Fraction::from(*goal))
    };
    goals.iter().filter_map(reached).collect()
}

/// A line of a league table with the base numbers that decide whether it is ranked.
fn entry(
    part: &Scope,
    of: UnitId,
    level: Level,
    figure: Figure,
    facts: &[Fact],
    (history, situation): (&History, &Situation<'_>),
) -> LeagueEntry {
    let indicators = Indicators::shipped();
    let situation = Situation { scope: part, ..*situation };
    let base = |code: &str| indicators.base_number(code, history, &situation);
    let villages: Vec<UnitId> =
        if part.level == Level::Village { vec![part.unit] } else { part.parts.iter().map(|one| one.unit).collect() };
    // A commune is without coverage on the days on which every village is.
    let uncovered = villages.iter().map(|village| days_uncovered(facts, *village, situation.period)).min();
    LeagueEntry {
        unit: of,
        level,
        figure,
        adults: base("adults_15_plus"),
        households: base("households"),
        days_uncovered: uncovered.unwrap_or(0),
        days: situation.period.to.0 + 1 - situation.period.from.0,
    }
}

impl Asked {
    /// The same for the period before.
    fn before(self) -> Answer<Self> {
        let span: Span = self.span.previous().ok_or(ReadError::BadValue("month"))?;
        let view = match self.view {
            View::Official => "official",
            View::Provisional => "provisional",
        };
        let month = span.last_month().to_string();
        Self::parse(self.unit.0, &month, Some(span.kind().code()), Some(view), self.team.map(|team| team.0))
    }
}
