//! Reports of a unit or team for a month, made from the rows.

use std::collections::BTreeMap;

use serde::Deserialize;
use sync_protocol::calendar::{CutOff, Report};
use sync_protocol::catalogue::{Decimal, Lang};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::indicator::*;
use sync_protocol::report::{
    Counts, Layouts, NoLayout, Part, ReportDocument, ReportInput, ReportLayout, ReportStatus, ReportUnit, Submission,
    TeamLine, build, since_new_year,
};
use sync_protocol::row::{Register, RowType};
use sync_protocol::team::{ApprovedVisit, Membership, Position};
use sync_protocol::units::{self, Figures as UnitFigures};
use sync_protocol::workflow::VisitStatus;
use utoipa::IntoParams;
use uuid::Uuid;

use super::figures::Asked;
use super::{Answer, Entry, ReadError, Reading, SCAN_PAGE, Scoped, country, damaged, register_of};
use crate::work::commits_of;

/// Which report is wanted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// A commune (`commune_month`), a province (`province_month`), or the unit of a team (`team_month`).
    pub unit: Uuid,
    /// The reporting month, `YYYY-MM`.
    #[param(example = "2026-12")]
    pub month: String,
    /// The team, for `team_month`.
    pub team: Option<Uuid>,
    /// `vi` or `en`. Without it: `vi`.
    pub lang: Option<String>,
}

/// Since when the province's digital matters lie with its department of science (docs/DOMAIN.md §2).
const DEPARTMENT_OF_SCIENCE: &str = "2025-03-01";

impl Reading {
    /// Makes a report.
    pub async fn report(&self, by: UserId, code: String, query: ReportQuery) -> Answer<ReportDocument> {
        let report = Report::from_code(&code).ok_or(ReadError::NotFound)?;
        let lang = match query.lang.as_deref().unwrap_or("vi") {
            "vi" => Lang::Vi,
            "en" => Lang::En,
            _ => return Err(ReadError::BadValue("lang")),
        };
        if (report == Report::TeamMonth) != query.team.is_some() {
            return Err(ReadError::BadValue("team"));
        }
        let asked =
            Asked::parse(query.unit, &query.month, Some(report.period_kind().code()), Some("official"), query.team)?;
        self.read_noted(by, "report.read", Some(query.unit), move |scoped| {
            let document = scoped.report(report, asked, lang)?;
            let entry = Entry {
                scope: asked.unit.into(),
                object: Some(asked.unit.0),
                outcome: "read".to_owned(),
                filter: Some(format!("{code} {}", asked.span.last_month())),
            };
            Ok((document, entry))
        })
        .await
    }
}

impl Scoped<'_> {
    fn report(&mut self, report: Report, asked: Asked, lang: Lang) -> Answer<ReportDocument> {
        let layouts = Layouts::shipped();
        let layout = layouts.report(report).ok_or(ReadError::NotFound)?;
        let scope = self.figure_scope(asked)?;
        let level = match report {
            Report::ProvinceMonth => Level::Province,
            Report::TeamMonth => scope.level,
            _ => Level::Commune,
        };
        if scope.level != level {
            return Err(ReadError::BadValue("unit"));
        }
        let indicators = Indicators::shipped();
        let open = self.is_open(&scope, asked)?;
        let position = Some(commits_of(self.tx)?);
        let situation =
            Situation { scope: &scope, period: asked.period, open, view: View::Official, position, targets: &[] };
        let (targets, overrides) = self.targets(&scope, asked)?;
        let (counts, teams, parts) = if level == Level::Province {
            let Inside { counts, parts, figures } = self.communes(layout, asked, &situation)?;
            (counts.with_figures(layout, indicators, &figures, &targets, &overrides), Vec::new(), parts)
        } else {
            let facts = self.facts(&scope, asked)?;
            let counts = Counts::of(layout, indicators, &facts, &situation, &targets, &overrides);
            (counts, self.team_lines(&scope, &facts, asked)?, Vec::new())
        };
        let today = Day::of_ms(self.now.0);
        let own = self.own_report(report, asked)?;
        let unit = self.report_unit(&scope, asked.period.to)?;
        let (issuer, superior) = self.issuer(report, asked, &unit)?;
        let place = self.register(RowType::UNIT, asked.unit.0)?;
        let place = place.and_then(|(_, unit)| unit.group::<UnitIdentity>(unit::IDENTITY)).map(|unit| unit.name);
        let input = ReportInput {
            report,
            layouts,
            indicators,
            issuer,
            superior,
            place: place.unwrap_or_default(),
            unit,
            team: asked.team,
            period: asked.span,
            days: asked.period,
            dated: today,
            as_of: today,
            position,
            open,
            status: own.submission.status,
            late: own.late,
            texts: own.texts,
            comparison: comparison(&scope, asked, lang),
            teams,
            counts,
            overrides,
            parts,
            sample: false,
        };
        build(&input, lang).map_err(|NoLayout| ReadError::NotFound)
    }

    /// Every commune worked out by itself, and their sum: counts, parts, and the figures of the whole.
    fn communes(&mut self, layout: &ReportLayout, asked: Asked, situation: &Situation<'_>) -> Answer<Inside> {
        let indicators = Indicators::shipped();
        let mut sum = Counts::default();
        let mut history = History::of(indicators, &self.facts_of(&[situation.scope.unit])?, asked.period);
        let mut parts = Vec::new();
        for commune in situation.scope.communes_inside() {
            let facts = self.facts(commune, asked)?;
            let own = Situation { scope: commune, ..*situation };
            sum.add(&Counts::of(layout, indicators, &facts, &own, &BTreeMap::new(), &Overrides::new()));
            let of_commune = History::of(indicators, &facts, asked.period);
            let sheet = indicators.sheet(&of_commune, &own);
            history.merge(&indicators.condense(&of_commune, &own)).map_err(|fault| damaged(fault.code()))?;
            let lines = self.team_lines(commune, &facts, asked)?;
            let by_code = |figures: Vec<Figure>| -> BTreeMap<String, Figure> {
                figures.into_iter().map(|figure| (figure.indicator.clone(), figure)).collect()
            };
            let asked = Asked { unit: commune.unit, ..asked };
            parts.push(Part {
                unit: self.report_unit(commune, asked.period.to)?,
                teams: lines.len() as u64,
                members: lines.iter().map(|line| line.members).sum(),
                kinds: by_code(sheet.kinds),
                figures: by_code(sheet.indicators),
                report: self.own_report(Report::CommuneMonth, asked)?.submission,
            });
        }
        parts.sort_by_cached_key(|part| sync_protocol::fold::sort_key(&part.unit.name));
        let sheet = indicators.sheet(&history, situation);
        Ok(Inside { counts: sum, parts, figures: sheet.indicators })
    }

    fn report_unit(&mut self, scope: &Scope, day: Day) -> Answer<ReportUnit> {
        let mut path = Vec::new();
        let mut next = Some(scope.unit);
        while let Some(unit) = next {
            let Some((_, register)) = self.register(RowType::UNIT, unit.0)? else { break };
            path.extend(register.group::<UnitIdentity>(unit::IDENTITY).map(|unit| unit.full_name));
            next = register.group::<UnitParent>(unit::PARENT).map(|above| above.on(day)).filter(|above| *above != unit);
        }
        let name = if path.is_empty() { String::new() } else { path.remove(0) };
        Ok(ReportUnit { id: scope.unit, level: scope.level, name, path })
    }

    /// Who issues a report, and the body above.
    fn issuer(&mut self, report: Report, asked: Asked, unit: &ReportUnit) -> Answer<(String, String)> {
        let committee = |name: &str| format!("Ủy ban nhân dân {}", lower_first(name));
        Ok(match report {
            Report::ProvinceMonth => {
                let is_science = Day::parse(DEPARTMENT_OF_SCIENCE).is_none_or(|since| asked.period.to >= since);
                let department =
                    if is_science { "Sở Khoa học và Công nghệ" } else { "Sở Thông tin và Truyền thông" };
                (department.to_owned(), committee(&unit.name))
            }
            Report::TeamMonth => {
                let team = asked.team.map(|team| self.team_named(team)).transpose()?;
                let above = if unit.level == Level::Village { unit.path.first() } else { Some(&unit.name) };
                (team.map(|team| team.name).unwrap_or_default(), committee(above.map_or("", String::as_str)))
            }
            _ => (committee(&unit.name), unit.path.last().cloned().unwrap_or_default()),
        })
    }

    /// The year's published targets of the unit: by kind, and by indicator.
    fn targets(&mut self, scope: &Scope, asked: Asked) -> Answer<(BTreeMap<String, Decimal>, Overrides)> {
        let (mut kinds, mut overrides) = (BTreeMap::new(), Overrides::new());
        for register in self.registers_of(scope.unit, RowType::TARGET)? {
            let state: Option<TargetState> = register.group(target::STATE);
            let target = Target::read(scope.unit, &register);
            let holds = target.from.is_some_and(|from| from <= asked.period.to)
                && target.due.is_some_and(|due| asked.period.from <= due);
            if holds && state.is_some_and(|state| state.published.is_some()) {
                match target.goal {
                    Goal::Kind(kind) => drop(kinds.insert(kind, target.value)),
                    Goal::Indicator(code) => drop(overrides.insert(code, target.value)),
                }
            }
        }
        Ok((kinds, overrides))
    }

    fn registers_of(&mut self, unit: UnitId, ty: RowType) -> Answer<Vec<Register>> {
        let mut registers: Vec<Register> = Vec::new();
        loop {
            let after = registers.last().map(|register| register.id);
            let page = self.tx.rows_of(unit.into(), ty, after, SCAN_PAGE)?;
            let is_last = page.len() < SCAN_PAGE;
            for bytes in page {
                registers.push(register_of(&bytes)?);
            }
            if is_last {
                return Ok(registers);
            }
        }
    }

    fn team_lines(&mut self, scope: &Scope, facts: &[Fact], asked: Asked) -> Answer<Vec<TeamLine>> {
        let (mut teams, mut members) = (Vec::new(), Vec::new());
        for unit in scope.units() {
            for register in self.registers_of(unit, RowType::TEAM)? {
                let validity: Option<Validity> = register.group(team::VALIDITY);
                let holds = validity.is_some_and(|validity| {
                    validity.from <= asked.period.to && validity.to.is_none_or(|to| asked.period.to < to)
                });
                let name = register.group::<TeamIdentity>(team::IDENTITY).map(|team| team.name);
                let id = TeamId(register.id);
                if holds && asked.team.is_none_or(|team| team == id) {
                    teams.push((id, name.unwrap_or_default()));
                }
            }
            members.extend(self.registers_of(unit, RowType::TEAM_MEMBER)?.iter().filter_map(membership));
        }
        let mut visits: BTreeMap<TeamId, BTreeMap<VisitId, ApprovedVisit>> = BTreeMap::new();
        for fact in facts {
            if let Fact::Activity(activity) = fact
                && activity.status == VisitStatus::Approved
                && !activity.void
            {
                let visit = ApprovedVisit { visit: activity.visit, day: activity.day, activities: 0 };
                let of_team = visits.entry(activity.team).or_default();
                of_team.entry(activity.visit).or_insert(visit).activities += 1;
            }
        }
        let month = (asked.span.last_month(), CutOff::default());
        teams.sort_by_cached_key(|(_, name)| sync_protocol::fold::sort_key(name));
        let lines = teams.into_iter().map(|(team, name)| {
            let approved: Vec<ApprovedVisit> =
                visits.get(&team).into_iter().flat_map(|all| all.values().copied()).collect();
            TeamLine::of(team, &name, &members, &approved, month, asked.period)
        });
        Ok(lines.collect())
    }

    /// What was typed into the unit's own report, and where it stands.
    fn own_report(&mut self, report: Report, asked: Asked) -> Answer<OwnReport> {
        let month = asked.span.last_month();
        let due = report.due(month, CutOff::default()).unwrap_or(asked.period.to);
        let row = self.register(RowType::REPORT, report_id(asked.unit, report.code(), month))?;
        let row = row.map(|(_, row)| row);
        let state: Option<ReportState> = row.as_ref().and_then(|row| row.group(report::STATE));
        let texts: Option<ReportTexts> = row.as_ref().and_then(|row| row.group(report::TEXTS));
        let status =
            state.as_ref().and_then(|state| ReportStatus::ALL.into_iter().find(|status| status.code() == state.status));
        let status = status.unwrap_or(ReportStatus::Draft);
        let submitted = state.as_ref().filter(|_| status.is_in()).map(|state| state.day);
        Ok(OwnReport {
            submission: Submission { status, submitted, due },
            late: state.is_some_and(|state| state.late),
            texts: texts.map(|texts| texts.texts.into_iter().collect()).unwrap_or_default(),
        })
    }
}

/// What the communes of a province come to.
struct Inside {
    /// Added up.
    counts: Counts,
    /// One by one.
    parts: Vec<Part>,
    /// The indicators of the whole.
    figures: Vec<Figure>,
}

/// A unit's own report as far as it was written.
struct OwnReport {
    submission: Submission,
    late: bool,
    texts: BTreeMap<String, String>,
}

fn membership(register: &Register) -> Option<Membership> {
    let who: MemberIdentity = register.group(team_member::IDENTITY)?;
    let position: MemberPosition = register.group(team_member::POSITION)?;
    let validity: Validity = register.group(team_member::VALIDITY)?;
    Some(Membership {
        id: TeamMemberId(register.id),
        team: who.team,
        user: who.user,
        position: Position::from_code(&position.position)?,
        from: validity.from,
        to: validity.to,
    })
}

/// What must be said when units changed since the year began, to which the cumulative numbers go back.
fn comparison(scope: &Scope, asked: Asked, lang: Lang) -> Option<String> {
    let country = country::country()?;
    let began = since_new_year(asked.period).from;
    let mine = country.predecessors(scope.unit, asked.period.to, began);
    let old = UnitFigures {
        day: began,
        units: mine.units.iter().map(|unit| (*unit, 0)).collect(),
        villages: BTreeMap::new(),
    };
    let new = UnitFigures { day: asked.period.to, units: [(scope.unit, 0)].into(), villages: BTreeMap::new() };
    units::compare(country, &old, &new).text(lang)
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
