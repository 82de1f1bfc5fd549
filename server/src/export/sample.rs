//! Sample reports: made-up facts of a made-up province, counted by the rules that count real ones.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::calendar::{self, CutOff, PeriodKind, Report};
use sync_protocol::catalogue::{Decimal, Lang};
use sync_protocol::ids::*;
use sync_protocol::indicator::{
    ActivityFact, Fact, History, Indicators, Level, Overrides, Period, RowData, RowFact, Scope, Situation, View,
};
use sync_protocol::report::{
    Counts, Layouts, NoLayout, Part, ReportDocument, ReportInput, ReportStatus, ReportUnit, Submission, TeamLine, build,
};
use sync_protocol::row::Ver;
use sync_protocol::team::{ApprovedVisit, Membership, Position};
use sync_protocol::value::Value;
use sync_protocol::workflow::VisitStatus;
use uuid::Uuid;

use super::Certificate;

const COMMUNES: [&str; 4] = ["Xã Mẫu Thượng", "Xã Mẫu Hạ", "Phường Mẫu Trung", "Xã Mẫu Sơn"];
const PROVINCE: &str = "Tỉnh Mẫu";
const VILLAGES: u128 = 3;
const HOUSEHOLDS: u128 = 160;
/// Activities of a team on a day.
const A_DAY: u128 = 2;
/// 2026-01-05, the first day of work in the sample.
const FIRST_DAY: Day = Day(20_458);
/// The reporting month of the sample: November 2026.
const MONTH: Month = Month(2026 * 12 + 10);

/// The kinds of the sample with an answer that tells one from another, as often as they stand here.
const KINDS: [(&str, &str, &str); 12] = [
    ("vneid_level2", "step", "activated"),
    ("vneid_level2", "step", "activated"),
    ("citizen_app_install", "app", "vneid"),
    ("dvc_account", "", ""),
    ("dvc_submission", "level", "full"),
    ("payment_account", "kind", "bank_account"),
    ("telehealth_install", "platform", "vov_bacsi24"),
    ("e_health_insurance", "", ""),
    ("safe_internet_guidance", "", ""),
    ("digital_skill_coaching", "", ""),
    ("learning_platform", "platform", "bdhvs"),
    ("household_survey", "", ""),
];
const OUTCOMES: [(&str, &str); 8] = [
    ("done", ""),
    ("done", ""),
    ("done", ""),
    ("already", ""),
    ("done", ""),
    ("not_done", "no_smartphone"),
    ("done", ""),
    ("not_done", "no_signal"),
];
const LANGUAGES: [&str; 3] = ["vi", "tyz", "hmn"];
const CHANNELS: [&str; 4] = ["loudspeaker", "zalo_group", "village_meeting", "door_to_door"];

fn unit(commune: u128, village: u128) -> UnitId {
    UnitId(Uuid::from_u128(1_000 + commune * 100 + village))
}

fn team(commune: u128, village: u128) -> TeamId {
    TeamId(Uuid::from_u128(2_000 + commune * 100 + village))
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// The facts of one commune.
struct Facts {
    commune: u128,
    facts: Vec<Fact>,
}

impl Facts {
    fn add(&mut self, kind: &str, village: u128, household: Option<u128>, day: Day, fields: BTreeMap<String, Value>) {
        let number = self.facts.len() as u128 + self.commune * 1_000_000;
        let user = UserId(Uuid::from_u128(3_000 + self.commune * 100 + village * 10));
        self.facts.push(Fact::Activity(Box::new(ActivityFact {
            id: ActivityId(Uuid::from_u128(10_000_000 + number)),
            visit: VisitId(Uuid::from_u128(20_000_000 + number)),
            kind: kind.to_owned(),
            fields,
            day,
            village: unit(self.commune, village),
            household: household
                .map(|house| HouseholdId(Uuid::from_u128(self.commune * 10_000 + village * 1_000 + house))),
            household_class: None,
            team: team(self.commune, village),
            members: BTreeSet::from([user]),
            status: VisitStatus::Approved,
            returned: false,
            submitted: Some(day),
            void: false,
        })));
    }

    fn row(&mut self, row: RowData) {
        self.facts.push(Fact::Row(RowFact { ver: Ver(1), row }));
    }
}

fn answers<const N: usize>(answers: [(&str, Value); N]) -> BTreeMap<String, Value> {
    answers.into_iter().filter(|(field, _)| !field.is_empty()).map(|(field, value)| (field.to_owned(), value)).collect()
}

fn facts_of(commune: u128) -> Vec<Fact> {
    let mut made = Facts { commune, facts: Vec::new() };
    let day = |after: u128| Day(FIRST_DAY.0 + after as u32);
    for village in 1..=VILLAGES {
        // The last team of each commune has done nothing since spring.
        let last = if village == VILLAGES { 90 } else { 310 };
        for step in 0..last * A_DAY {
            let (house, at) = (step * 7 % HOUSEHOLDS, step / A_DAY);
            let mixed = ((step + commune * 977 + village * 131) * 2_654_435_761) >> 9;
            let (kind, field, answer) = KINDS[(mixed % KINDS.len() as u128) as usize];
            let (outcome, reason) = OUTCOMES[(mixed / 3 % OUTCOMES.len() as u128) as usize];
            let person = Uuid::from_u128(40_000_000 + commune * 100_000 + village * 10_000 + house * 10 + mixed % 3);
            let mut fields =
                answers([("person", Value::Ref(person)), ("outcome", text(outcome)), (field, text(answer))]);
            if !reason.is_empty() {
                fields.insert("failure_reason".to_owned(), text(reason));
            }
            made.add(kind, village, Some(house), day(at), fields);
        }
        for house in (0..HOUSEHOLDS).step_by(5) {
            let person = Value::Ref(Uuid::from_u128(50_000_000 + commune * 100_000 + village * 10_000 + house));
            let goods = |number: u128| {
                Value::Ref(Uuid::from_u128(80_000_000 + commune * 100_000 + village * 10_000 + house * 10 + number))
            };
            let (business, product) = (goods(1), goods(2));
            let (at, market, done) =
                (day(house * 2 % 300 + village), ("marketplace", text("postmart")), ("outcome", text("done")));
            let order = ("first_order", Value::Bool(house % 20 == 0));
            made.add(
                "ecom_buyer_account",
                village,
                Some(house),
                at,
                answers([("person", person), market.clone(), done.clone(), order]),
            );
            if house % 10 == 0 {
                let fields = answers([("business", business.clone()), market.clone(), done.clone()]);
                made.add("ecom_seller_stall", village, Some(house), Day(at.0 + 3), fields);
            }
            if house % 20 == 0 {
                let fields = answers([("business", business), ("product", product), market, done]);
                made.add("ecom_product_listing", village, Some(house), Day(at.0 + 9), fields);
            }
        }
        for session in 0..20u128 {
            let place = format!("Nhà văn hóa thôn {village}");
            let people = 14 + (session * 5 + commune * 3 + village) % 23;
            let number = |part: u128| Value::Int((people * part / 10) as i64);
            let language = LANGUAGES[((session + village) % 3) as usize];
            let fields = answers([
                ("outcome", text("done")),
                ("place", text(&place)),
                ("language", text(language)),
                ("participants", number(10)),
                ("participants_female", number(6)),
                ("participants_60_plus", number(2)),
            ]);
            made.add("digital_skill_session", village, None, day(session * 15 + village), fields);
            let channel = CHANNELS[((session + commune) % 4) as usize];
            let fields = answers([
                ("outcome", text("done")),
                ("channel", text(channel)),
                ("topic", text(&format!("Chuyên đề {session}"))),
                ("items", Value::Int(2)),
                ("reach", Value::Int((30 + people * 3) as i64)),
            ]);
            made.add("outreach_communication", village, None, day(session * 15 + village + 4), fields);
        }
        registers(&mut made, village);
    }
    for case in 0..18u128 {
        let kind = ["citizen_feedback", "coverage_gap_report", "device_need"][(case % 3) as usize];
        let opened = day(200 + case * 7);
        let steps = match case % 4 {
            0 | 1 => vec![(opened, "open".to_owned()), (Day(opened.0 + 4), "resolved".to_owned())],
            2 => vec![(opened, "open".to_owned()), (Day(opened.0 + 11), "resolved".to_owned())],
            _ => vec![(opened, "open".to_owned())],
        };
        let (id, due) = (CaseId(Uuid::from_u128(60_000 + commune * 100 + case)), Some(Day(opened.0 + 7)));
        made.row(RowData::Case { id, kind: kind.to_owned(), opened, due, steps });
    }
    made.facts
}

/// What the officer entered of a village, and its last tally. The base of key products is left out on purpose.
fn registers(made: &mut Facts, village: u128) {
    let (commune, place) = (made.commune, unit(made.commune, village));
    let source = "Số liệu minh họa".to_owned();
    for (code, value) in [("households", 240), ("adults_15_plus", 520), ("adults_18_plus", 490)] {
        let row = (code.to_owned(), value + (commune * 30 + village * 12) as u64);
        made.row(RowData::Denominator {
            unit: place,
            code: row.0,
            from: FIRST_DAY,
            value: row.1,
            source: source.clone(),
        });
    }
    if village == 1 {
        for (code, value) in [("commune_staff", 32), ("businesses", 46), ("agri_households", 300)] {
            let (unit, code) = (unit(commune, 0), code.to_owned());
            made.row(RowData::Denominator { unit, code, from: FIRST_DAY, value, source: source.clone() });
        }
        for (code, value) in [("dossiers_total", 412), ("dossiers_online", 331), ("staff_trained", 34)] {
            let (unit, period) = (unit(commune, 0), days());
            made.row(RowData::Manual { unit, code: code.to_owned(), period, value: Decimal::from_int(value) });
        }
    }
    for (attribute, value) in [("mobile_tech_best", text("4g")), ("fibre_available", Value::Bool(village != 2))] {
        made.row(RowData::Village { village: place, attribute: attribute.to_owned(), from: FIRST_DAY, value });
    }
    made.row(RowData::Team { team: team(commune, village), from: FIRST_DAY, to: None });
    for member in memberships(commune).into_iter().filter(|member| member.team == team(commune, village)) {
        let Membership { id, team, user, from, to, .. } = member;
        made.row(RowData::Member { id, team, user, from, to });
    }
    let of =
        |hundredths: u128| Value::Int(((520 + commune * 30) * (hundredths + village * 4 + commune * 2) / 100) as i64);
    let fields = answers([
        ("outcome", text("done")),
        ("period", text("2026-10")),
        ("households_fibre", of(30)),
        ("adults_smartphone", of(70)),
        ("adults_vneid2", of(64)),
        ("adults_citizen_app", of(50)),
        ("adults_payment", of(68)),
        ("adults_e_health", of(46)),
        ("adults_trained", of(61)),
    ]);
    made.add("village_tally", village, None, Day(FIRST_DAY.0 + 290), fields);
}

fn memberships(commune: u128) -> Vec<Membership> {
    let member = |(village, place): (u128, u128)| {
        let number = commune * 100 + village * 10 + place;
        let position = if place == 0 { Position::Leader } else { Position::Member };
        // One came and one left in the month of the sample; the last team has a leader only.
        let late = village == 1 && place == 3;
        let from = if late { Day(days().from.0 + 6) } else { FIRST_DAY };
        let to = (village == 2 && place == 3).then_some(Day(days().from.0 + 12));
        let (id, user) = (TeamMemberId(Uuid::from_u128(70_000 + number)), UserId(Uuid::from_u128(3_000 + number)));
        Membership { id, team: team(commune, village), user, position, from, to }
    };
    let places =
        |village: u128| (0..if village == VILLAGES { 1 } else { 4 + village }).map(move |place| (village, place));
    (1..=VILLAGES).flat_map(places).map(member).collect()
}

fn days() -> Period {
    let period = calendar::Period::of_month(PeriodKind::Month, MONTH);
    let (from, to) = period.days(CutOff::default()).unwrap_or((FIRST_DAY, FIRST_DAY));
    Period { from, to }
}

fn scope_of(commune: u128) -> Scope {
    let village = |village| Scope { unit: unit(commune, village), level: Level::Village, parts: Vec::new() };
    Scope { unit: unit(commune, 0), level: Level::Commune, parts: (1..=VILLAGES).map(village).collect() }
}

/// The days of a report of the sample: the period that ends with its month, or the one that its month lies in.
fn days_of(report: Report) -> Period {
    let period = calendar::Period::of_month(report.period_kind(), MONTH);
    let (from, to) = period.days(CutOff::default()).unwrap_or((FIRST_DAY, FIRST_DAY));
    Period { from, to }
}

fn situation(scope: &Scope, period: Period) -> Situation<'_> {
    Situation { scope, period, open: false, view: View::Official, position: Some(48_210), targets: &[] }
}

fn team_lines(commune: u128, facts: &[Fact]) -> Vec<TeamLine> {
    let line = |village: u128| {
        let visit = |fact: &Fact| match fact {
            Fact::Activity(activity) if activity.team == team(commune, village) => {
                Some(ApprovedVisit { visit: activity.visit, day: activity.day, activities: 1 })
            }
            _ => None,
        };
        let visits: Vec<ApprovedVisit> = facts.iter().filter_map(visit).collect();
        let name = format!("Tổ chuyển đổi số cộng đồng thôn Mẫu {village}");
        let month = (MONTH, CutOff::default());
        TeamLine::of(team(commune, village), &name, &memberships(commune), &visits, month, days())
    };
    (1..=VILLAGES).map(line).collect()
}

fn unit_of(commune: u128) -> ReportUnit {
    let name = COMMUNES[commune as usize - 1].to_owned();
    ReportUnit { id: unit(commune, 0), level: Level::Commune, name, path: vec![PROVINCE.to_owned()] }
}

/// A commune as a line of the province's report.
fn part(commune: u128, report: Submission, days: Period) -> Part {
    let (indicators, facts, scope) = (Indicators::shipped(), facts_of(commune), scope_of(commune));
    let (situation, history) = (situation(&scope, days), History::of(indicators, &facts, days));
    let kinds = indicators.catalogue().kinds().iter();
    let achieved =
        kinds.filter_map(|kind| Some((kind.code.clone(), indicators.achieved(&kind.code, &history, &situation)?)));
    let all = indicators.sets().iter().flat_map(|set| &set.indicators);
    let figures = all.map(|one| (one.code.clone(), indicators.figure(one, &history, &situation)));
    let (kinds, figures) = (achieved.collect(), figures.collect());
    let members = team_lines(commune, &facts).iter().map(|line| line.members).sum();
    Part { unit: unit_of(commune), teams: VILLAGES as u64, members, kinds, figures, report }
}

/// Every report of which there is a sample, with the level of the unit.
pub const SAMPLES: [(Report, Level); 11] = [
    (Report::CommuneMonth, Level::Commune),
    (Report::ProvinceMonth, Level::Province),
    (Report::TeamMonth, Level::Commune),
    (Report::Quarter, Level::Commune),
    (Report::Quarter, Level::Province),
    (Report::HalfYear, Level::Commune),
    (Report::HalfYear, Level::Province),
    (Report::Year, Level::Commune),
    (Report::Year, Level::Province),
    (Report::EcomFunnel, Level::Commune),
    (Report::EcomFunnel, Level::Province),
];

/// A sample of a report of a commune, or of the province where only a province has it.
///
/// # Errors
/// [`NoLayout`] when the shipped file lacks its layout.
pub fn sample(report: Report, lang: Lang) -> Result<ReportDocument, NoLayout> {
    sample_at(report, if report == Report::ProvinceMonth { Level::Province } else { Level::Commune }, lang)
}

/// A sample of a report at a level: [`Level::Province`], or else a commune.
///
/// # Errors
/// [`NoLayout`] when the shipped file lacks its layout.
pub fn sample_at(report: Report, level: Level, lang: Lang) -> Result<ReportDocument, NoLayout> {
    let indicators = Indicators::shipped();
    let Some(layout) = Layouts::shipped().at(report, level) else { return Err(NoLayout) };
    let (is_province, days) = (level == Level::Province, days_of(report));
    let commune = scope_of(1);
    let own = team(1, 1);
    let (facts, scope, teams, unit): (Vec<Fact>, Scope, Vec<TeamLine>, ReportUnit) = if is_province {
        let numbers = 1..=COMMUNES.len() as u128;
        let facts = numbers.clone().flat_map(facts_of).collect();
        let id = UnitId(Uuid::from_u128(999));
        let scope = Scope { unit: id, level: Level::Province, parts: numbers.map(scope_of).collect() };
        let unit = ReportUnit { id, level: Level::Province, name: PROVINCE.to_owned(), path: Vec::new() };
        (facts, scope, Vec::new(), unit)
    } else if report == Report::TeamMonth {
        let of_team = |fact: &Fact| match fact {
            Fact::Activity(activity) => activity.team == own,
            Fact::Row(_) => true,
        };
        let facts: Vec<Fact> = facts_of(1).into_iter().filter(of_team).collect();
        let teams = team_lines(1, &facts).into_iter().filter(|line| line.team == own).collect();
        (facts, commune, teams, unit_of(1))
    } else {
        let facts = facts_of(1);
        let teams = team_lines(1, &facts);
        (facts, commune, teams, unit_of(1))
    };
    let due = |report: Report| report.due(MONTH, CutOff::default()).unwrap_or(days.to);
    let due_of_communes = due(if report == Report::ProvinceMonth { Report::CommuneMonth } else { report });
    let submitted = |status, after: Option<u32>| Submission {
        status,
        submitted: after.map(|after| Day(due_of_communes.0 - 1 + after)),
        due: due_of_communes,
    };
    let parts = if is_province {
        vec![
            part(1, submitted(ReportStatus::Accepted, Some(0)), days),
            part(2, submitted(ReportStatus::Submitted, Some(2)), days),
            part(3, submitted(ReportStatus::Accepted, Some(1)), days),
            part(4, submitted(ReportStatus::Draft, None), days),
        ]
    } else {
        Vec::new()
    };
    let targets = [("vneid_level2", 150), ("payment_account", 90), ("digital_skill_session", 50), ("dvc_account", 80)];
    let targets = targets.map(|(kind, target)| (kind.to_owned(), Decimal::from_int(target))).into();
    let overrides = Overrides::new();
    let counts = Counts::of(layout, indicators, &facts, &situation(&scope, days), &targets, &overrides);
    let texts = [
        ("documents", "Kế hoạch triển khai tháng cao điểm chuyển đổi số; công văn đôn đốc các tổ (minh họa)."),
        (
            "difficulties",
            "Một số thôn sóng yếu, người cao tuổi chưa có điện thoại thông minh (minh họa).\nĐề nghị nhà mạng phủ sóng 4G tại thôn Mẫu 3 (minh họa).",
        ),
        ("next", "Tập trung hỗ trợ hộ chưa có tài khoản thanh toán; tổ chức tập huấn bằng tiếng Tày (minh họa)."),
    ];
    let (issuer, superior, place) = match report {
        _ if is_province => ("Sở Khoa học và Công nghệ", "Ủy ban nhân dân tỉnh Mẫu", "Tỉnh Mẫu"),
        Report::TeamMonth => ("Tổ chuyển đổi số cộng đồng thôn Mẫu 1", "Ủy ban nhân dân xã Mẫu Thượng", "Mẫu Thượng"),
        _ => ("Ủy ban nhân dân xã Mẫu Thượng", "Tỉnh Mẫu", "Mẫu Thượng"),
    };
    let dated = due(report);
    let input = ReportInput {
        report,
        layouts: Layouts::shipped(),
        indicators,
        issuer: issuer.to_owned(),
        superior: superior.to_owned(),
        place: place.to_owned(),
        unit,
        team: (report == Report::TeamMonth).then_some(own),
        period: calendar::Period::of_month(report.period_kind(), MONTH),
        days,
        dated,
        as_of: dated,
        position: situation(&scope, days).position,
        open: false,
        status: ReportStatus::Submitted,
        late: false,
        texts: texts.map(|(code, text)| (code.to_owned(), text.to_owned())).into(),
        comparison: None,
        teams,
        counts,
        overrides,
        parts,
        campaign: None,
        sample: true,
    };
    build(&input, lang)
}

/// A sample of a certificate, for the made-up commune.
pub fn certificate(lang: Lang) -> Certificate {
    let set = Indicators::shipped().citizen_set_on(days().to).map(|set| set.label(lang)).unwrap_or_default();
    let (title, place) = match lang {
        Lang::Vi => ("Công dân số (MẪU)", "Mẫu Thượng"),
        Lang::En => ("Digital citizen (SAMPLE)", "Mẫu Thượng"),
    };
    Certificate {
        title: title.to_owned(),
        issuer: "Ủy ban nhân dân xã Mẫu Thượng".to_owned(),
        commune: COMMUNES[0].to_owned(),
        place: place.to_owned(),
        holder: None,
        set: set.to_owned(),
        number: "00/QĐ-UBND".to_owned(),
        date: days().to,
    }
}
