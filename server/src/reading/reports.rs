//! Reports of a unit or team for a month, made from the rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sync_protocol::access::Principal;
use sync_protocol::calendar::{CutOff, Report};
use sync_protocol::catalogue::{Decimal, Lang};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::indicator::*;
use sync_protocol::report::{
    Block, Counts, Difference, Layouts, NoLayout, Part, ReportDocument, ReportInput, ReportLayout, ReportStatus,
    ReportUnit, Submission, TeamLine, build, differences, freeze, since_new_year, snapshot_hash, thaw,
};
use sync_protocol::row::{Register, RowType};
use sync_protocol::team::{ApprovedVisit, Membership, Position};
use sync_protocol::units::{self, Figures as UnitFigures};
use sync_protocol::workflow::VisitStatus;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::figures::Asked;
use super::lists::ReportRowView;
use super::{
    Answer, Entry, Label, Named, ReadError, Reading, SCAN_PAGE, Scoped, country, damaged, hex, register_of, rfc3339,
};
use crate::storage::{StorageError, Tx};
use crate::work::commits_of;

/// Which report is wanted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// A commune or a province (`commune_month`, `province_month`; the longer ones have both), or the unit of a team
    /// (`team_month`).
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

/// A report as it is shown: made now, or kept.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The document.
    pub document: ReportDocument,
    /// What names its figures, whatever the language (`ReportDocument::figures_hash` of the Vietnamese one).
    pub figures: [u8; 32],
    /// The version that it is; of a report made now the last one that it was compared with.
    pub version: Option<u32>,
    /// How it differs from that version. Empty for a version itself.
    pub changed: Vec<Difference>,
}

/// A version of a report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct VersionView {
    /// 1, 2, 3, …
    pub version: u32,
    /// `submitted`, or `closed` when it was kept because the period was closed.
    pub event: String,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Who.
    pub by: Named,
    /// The day on which the figures were taken.
    pub as_of: String,
    /// What names the figures; hexadecimal.
    pub figures: String,
    /// What names the stored bytes; hexadecimal.
    pub hash: String,
}

/// How a report stands, and what is typed into it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ReportStateView {
    /// Its row; absent while nothing was saved or handed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<ReportRowView>,
    /// The places for typed text, in the order of the paper.
    pub texts: Vec<TypedView>,
}

/// A place for typed text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct TypedView {
    /// The code under which it is saved.
    pub code: String,
    /// Its heading.
    pub label: Label,
    /// What was typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A report as it is kept.
pub(crate) struct FrozenReport {
    /// What names its figures.
    pub(crate) figures: [u8; 32],
    /// Its bytes (`report::freeze`).
    pub(crate) body: Vec<u8>,
}

/// Makes a report to be kept, for whoever is entitled to hand it in. `None` where there is no such report: no layout, or
/// the report of a team in a unit that has several.
pub(crate) fn freeze_report(
    tx: &mut dyn Tx,
    now: ServerMs,
    (unit, report, month): (UnitId, Report, Month),
    handed_in: Option<&[(String, String)]>,
) -> Result<Option<FrozenReport>, StorageError> {
    let principal = Principal { user: UserId(Uuid::nil()), grants_rev: 0, holdings: Vec::new() };
    let mut scoped = Scoped::of(tx, principal, now);
    let frozen = (|| {
        let span = Some(report.period_kind().code());
        let mut asked = Asked::parse(unit.0, &month.to_string(), span, Some("official"), None)?;
        let scope = scoped.scope_on(unit, asked.period.to)?.ok_or(ReadError::NotFound)?;
        if report == Report::TeamMonth {
            let teams = scoped.teams_on(unit, asked.period.to)?;
            let [team] = teams[..] else { return Err(ReadError::NotFound) };
            asked.team = Some(team);
        }
        let [vi, en] = scoped.both(report, asked, &scope, handed_in)?;
        Ok(FrozenReport { figures: vi.figures_hash(), body: freeze(&vi, &en) })
    })();
    match frozen {
        Ok(frozen) => Ok(Some(frozen)),
        Err(ReadError::Storage(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

impl Reading {
    /// Makes a report.
    pub async fn report(&self, by: UserId, code: String, query: ReportQuery) -> Answer<ReportDocument> {
        Ok(self.shown_report(by, code, query, None).await?.document)
    }

    /// Makes a report and compares it with the last version that was kept; or gives a version as it was kept.
    pub async fn shown_report(
        &self,
        by: UserId,
        code: String,
        query: ReportQuery,
        version: Option<u32>,
    ) -> Answer<Shown> {
        let report = Report::from_code(&code).ok_or(ReadError::NotFound)?;
        let lang = match query.lang.as_deref().unwrap_or("vi") {
            "vi" => Lang::Vi,
            "en" => Lang::En,
            _ => return Err(ReadError::BadValue("lang")),
        };
        if report == Report::CampaignDay {
            return Err(ReadError::BadValue("campaign"));
        }
        if (report == Report::TeamMonth) != query.team.is_some() {
            return Err(ReadError::BadValue("team"));
        }
        let asked =
            Asked::parse(query.unit, &query.month, Some(report.period_kind().code()), Some("official"), query.team)?;
        self.read_noted(by, "report.read", Some(query.unit), move |scoped| {
            let scope = scoped.figure_scope(asked)?;
            let shown = match version {
                Some(version) => scoped.kept(report, asked, version, lang)?,
                None => scoped.live_report(report, asked, &scope, lang)?,
            };
            let entry = Entry {
                scope: asked.unit.into(),
                object: Some(asked.unit.0),
                outcome: "read".to_owned(),
                filter: Some(format!("{code} {}", asked.span.last_month())),
            };
            Ok((shown, entry))
        })
        .await
    }

    /// How a report stands, and what is typed into it: for whoever may read the report.
    pub async fn report_state(&self, by: UserId, code: String, query: ReportQuery) -> Answer<ReportStateView> {
        let report = Report::from_code(&code).ok_or(ReadError::NotFound)?;
        let asked =
            Asked::parse(query.unit, &query.month, Some(report.period_kind().code()), Some("official"), query.team)?;
        self.read(by, move |scoped| {
            let scope = scoped.figure_scope(asked)?;
            let layout = Layouts::shipped().at(report, scope.level).ok_or(ReadError::NotFound)?;
            let id = report_id(asked.unit, report.code(), asked.span.last_month());
            let found = scoped.register(RowType::REPORT, id)?.map(|(_, register)| register);
            let typed = found.as_ref().and_then(|row| row.group::<ReportTexts>(report::TEXTS));
            let typed: BTreeMap<String, String> = typed.map(|typed| typed.texts).into_iter().flatten().collect();
            let blocks = layout.sections.iter().flat_map(|section| &section.blocks);
            let texts = blocks.filter_map(|block| match block {
                Block::Typed { code, vi, en } => Some(TypedView {
                    code: code.clone(),
                    label: Label { vi: vi.clone(), en: en.clone() },
                    text: typed.get(code).cloned(),
                }),
                _ => None,
            });
            let texts = texts.collect();
            let row = match &found {
                Some(register) => match (register.group(report::FRAME), register.group(report::STATE)) {
                    (Some(frame), Some(state)) => Some(scoped.report_row(register, frame, state)?),
                    _ => None,
                },
                None => None,
            };
            Ok(ReportStateView { row, texts })
        })
        .await
    }

    /// Lists the versions of a report that were kept.
    pub async fn report_versions(&self, by: UserId, code: String, query: ReportQuery) -> Answer<Vec<VersionView>> {
        let report = Report::from_code(&code).ok_or(ReadError::NotFound)?;
        let asked =
            Asked::parse(query.unit, &query.month, Some(report.period_kind().code()), Some("official"), query.team)?;
        self.read(by, move |scoped| {
            scoped.figure_scope(asked)?;
            let mut versions = Vec::new();
            for kept in scoped.tx.snapshots(report_id(asked.unit, report.code(), asked.span.last_month()))? {
                let body = scoped.tx.snapshot(kept.report, kept.version)?.map(|kept| kept.body).unwrap_or_default();
                let document = thaw(&body, Lang::Vi).map_err(|_| damaged("version of a report"))?;
                versions.push(VersionView {
                    version: kept.version,
                    event: kept.event,
                    at: rfc3339(kept.at.0),
                    by: scoped.user_named(kept.by)?,
                    as_of: document.as_of.to_string(),
                    figures: hex(&kept.figures),
                    hash: hex(&kept.hash),
                });
            }
            Ok(versions)
        })
        .await
    }
}

impl Scoped<'_> {
    /// A report made now, and how it differs from the last version that was kept.
    fn live_report(&mut self, report: Report, asked: Asked, scope: &Scope, lang: Lang) -> Answer<Shown> {
        let [vi, en] = self.both(report, asked, scope, None)?;
        let figures = vi.figures_hash();
        let mut document = if lang == Lang::Vi { vi } else { en };
        let kept = self.tx.snapshots(report_id(asked.unit, report.code(), asked.span.last_month()))?;
        let Some(last) = kept.last() else {
            return Ok(Shown { document, figures, version: None, changed: Vec::new() });
        };
        let before = self.thawed(last.report, last.version, lang)?.filter(|(before, _)| before.scope == document.scope);
        let Some((before, _)) = before else {
            return Ok(Shown { document, figures, version: None, changed: Vec::new() });
        };
        let changed = differences(&before, &document);
        document.say_differs(last.version, &changed);
        Ok(Shown { document, figures, version: Some(last.version), changed })
    }

    /// A version as it was kept.
    fn kept(&mut self, report: Report, asked: Asked, version: u32, lang: Lang) -> Answer<Shown> {
        let id = report_id(asked.unit, report.code(), asked.span.last_month());
        let (document, figures) = self.thawed(id, version, lang)?.ok_or(ReadError::NotFound)?;
        if document.scope != asked.team.map_or(asked.unit.0, |team| team.0) {
            return Err(ReadError::NotFound);
        }
        Ok(Shown { document, figures, version: Some(version), changed: Vec::new() })
    }

    /// A version with the hash of its figures; its bytes are checked against their hash.
    fn thawed(&mut self, report: Uuid, version: u32, lang: Lang) -> Answer<Option<(ReportDocument, [u8; 32])>> {
        let Some(kept) = self.tx.snapshot(report, version)? else { return Ok(None) };
        let document = thaw(&kept.body, lang).map_err(|_| damaged("version of a report"))?;
        if snapshot_hash(&kept.body) != kept.hash {
            return Err(damaged("version of a report"));
        }
        Ok(Some((document, kept.figures)))
    }

    /// The teams that a unit has on a day.
    fn teams_on(&mut self, unit: UnitId, day: Day) -> Answer<Vec<TeamId>> {
        let holds = |register: &Register| {
            let validity: Option<Validity> = register.group(team::VALIDITY);
            validity.is_some_and(|validity| validity.from <= day && validity.to.is_none_or(|to| day < to))
        };
        let teams = self.registers_of(unit, RowType::TEAM)?;
        Ok(teams.iter().filter(|team| holds(team)).map(|team| TeamId(team.id)).collect())
    }

    /// A report in Vietnamese and in English. `handed_in` has the typed texts of one that is being handed in.
    fn both(
        &mut self,
        report: Report,
        asked: Asked,
        scope: &Scope,
        handed_in: Option<&[(String, String)]>,
    ) -> Answer<[ReportDocument; 2]> {
        let layouts = Layouts::shipped();
        let layout = layouts.at(report, scope.level).filter(|_| report != Report::CampaignDay);
        let layout = layout.ok_or(ReadError::NotFound)?;
        let level = match report {
            Report::ProvinceMonth => Level::Province,
            Report::TeamMonth => scope.level,
            Report::CommuneMonth => Level::Commune,
            _ if scope.level == Level::Province => Level::Province,
            _ => Level::Commune,
        };
        if scope.level != level {
            return Err(ReadError::BadValue("unit"));
        }
        let indicators = Indicators::shipped();
        let open = self.is_open(scope, asked)?;
        let position = Some(commits_of(self.tx)?);
        let situation = Situation { scope, period: asked.period, open, view: View::Official, position, targets: &[] };
        let (targets, overrides) = self.targets(scope, asked)?;
        let (counts, teams, parts) = if level == Level::Province {
            let Inside { counts, parts, figures } = self.communes((report, layout), asked, &situation)?;
            (counts.with_figures(layout, indicators, &figures, &targets, &overrides), Vec::new(), parts)
        } else {
            let facts = self.facts(scope, asked)?;
            let counts = Counts::of(layout, indicators, &facts, &situation, &targets, &overrides);
            (counts, self.team_lines(scope, &facts, asked)?, Vec::new())
        };
        let today = Day::of_ms(self.now.0);
        let mut own = self.own_report(report, asked)?;
        if let Some(typed) = handed_in {
            own.submission.status = ReportStatus::Submitted;
            own.texts = typed.iter().cloned().collect();
        }
        let unit = self.report_unit(scope, asked.period.to)?;
        let (issuer, superior) = self.issuer(report, asked, &unit)?;
        let place = self.register(RowType::UNIT, asked.unit.0)?;
        let place = place.and_then(|(_, unit)| unit.group::<UnitIdentity>(unit::IDENTITY)).map(|unit| unit.name);
        let mut input = ReportInput {
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
            comparison: comparison(scope, asked, Lang::Vi),
            teams,
            counts,
            overrides,
            parts,
            campaign: None,
            sample: false,
        };
        let vi = build(&input, Lang::Vi).map_err(|NoLayout| ReadError::NotFound)?;
        input.comparison = comparison(scope, asked, Lang::En);
        let en = build(&input, Lang::En).map_err(|NoLayout| ReadError::NotFound)?;
        Ok([vi, en])
    }

    /// Every commune worked out by itself, and their sum: counts, parts, and the figures of the whole.
    fn communes(
        &mut self,
        (report, layout): (Report, &ReportLayout),
        asked: Asked,
        situation: &Situation<'_>,
    ) -> Answer<Inside> {
        let indicators = Indicators::shipped();
        let mut sum = Counts::default();
        let mut history = History::of(indicators, &self.facts_of(&[situation.scope.unit])?, asked.period);
        let mut parts = Vec::new();
        let of_communes = if report == Report::ProvinceMonth { Report::CommuneMonth } else { report };
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
                report: self.own_report(of_communes, asked)?.submission,
            });
        }
        parts.sort_by_cached_key(|part| sync_protocol::fold::sort_key(&part.unit.name));
        let sheet = indicators.sheet(&history, situation);
        Ok(Inside { counts: sum, parts, figures: sheet.indicators })
    }

    pub(super) fn report_unit(&mut self, scope: &Scope, day: Day) -> Answer<ReportUnit> {
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
    pub(super) fn issuer(&mut self, report: Report, asked: Asked, unit: &ReportUnit) -> Answer<(String, String)> {
        let committee = |name: &str| format!("Ủy ban nhân dân {}", lower_first(name));
        Ok(match report {
            _ if unit.level == Level::Province => {
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
    pub(super) fn targets(&mut self, scope: &Scope, asked: Asked) -> Answer<(BTreeMap<String, Decimal>, Overrides)> {
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

    pub(super) fn registers_of(&mut self, unit: UnitId, ty: RowType) -> Answer<Vec<Register>> {
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
