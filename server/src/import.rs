//! Bringing in whole lists: villages, teams, members, households, from a spreadsheet as an office has it.
//!
//! A list goes in whole or not at all, through the same door as everything else: every row is one or two ops of the asker.
//! A dry run takes the same way and is given up at the end, so that it finds what the real run would find. A row that is
//! there already counts as known and is left alone: the same file may be sent twice. Source: docs/API.md, "Lists".

pub mod columns;
pub mod sheet;
mod template;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sync_protocol::access::{Action, authorise};
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::decide::State;
use sync_protocol::entity::*;
use sync_protocol::fold::fold;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::outcome::{Code, Outcome};
use sync_protocol::phone_number::{self, PhoneFault};
use sync_protocol::row::{ByKey, Register, RowType};
use sync_protocol::text::{TextFault, TextLimit, check_text, clean};
use utoipa::ToSchema;
use uuid::Uuid;

use self::columns::{Column, Sort, Takes, VILLAGE_TYPES};
use self::sheet::{Cell, Sheet, SheetFault};
pub use self::template::template;
use crate::desk::{Desk, Together, has_function};
use crate::problem::FieldProblem;
use crate::storage::{Result as Stored, StorageError};
use crate::work::stored_row;

/// Most faults that are told one by one.
pub const FAULTS_MAX: usize = 1_000;
/// Rows of one village that are read at a time.
const PAGE: usize = 1_000;

/// What a list did, or would do.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ImportView {
    /// What the rows are: `villages`, `teams`, `members`, `households`.
    pub sort: String,
    /// Whether this was only tried.
    pub dry_run: bool,
    /// Rows below the headings.
    pub rows: usize,
    /// Rows that were entered; in a dry run, that would be.
    pub entered: usize,
    /// Rows that were there already.
    pub known: usize,
    /// Rows with faults. Nothing is entered while there is one.
    pub faulty: usize,
    /// Headings that no column has; their cells are not read.
    pub ignored: Vec<String>,
    /// The faults, row by row: the first 1,000.
    pub errors: Vec<FieldProblem>,
}

/// Why a list was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The asker's role brings in no such list.
    #[error("not allowed")]
    NotAllowed,
    /// No commune of this id, or not the asker's.
    #[error("no such commune")]
    NotFound,
    /// The file.
    #[error(transparent)]
    Sheet(#[from] SheetFault),
    /// Rows or headings are at fault; nothing was entered.
    #[error("{} rows are at fault", .0.faulty)]
    Faulty(Box<ImportView>),
    /// The store.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Carries what was found out of a transaction that is given up.
#[derive(Debug, thiserror::Error)]
#[error("the list was given up")]
struct GivenUp(ImportView);

/// One thing that is wrong with a row.
struct Fault {
    code: String,
    vi: String,
    en: String,
}

impl Fault {
    fn new(code: &str, vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code: code.to_owned(), vi: vi.into(), en: en.into() }
    }
}

/// A row as it was read: what its cells say, by the code of the column.
#[derive(Clone, Debug, Default)]
struct Line {
    at: u32,
    texts: BTreeMap<&'static str, String>,
    days: BTreeMap<&'static str, Day>,
    counts: BTreeMap<&'static str, u32>,
}

impl Line {
    fn text(&self, code: &str) -> Option<&str> {
        self.texts.get(code).map(String::as_str)
    }

    /// A text that every row has: a row without it was refused before.
    fn need(&self, code: &str) -> String {
        self.texts.get(code).cloned().unwrap_or_default()
    }

    /// What tells it from another row. A second row about the same person, house or village is a repeat, whatever else it
    /// says; a person is who has the phone number.
    fn key(&self) -> String {
        let is_person = self.texts.contains_key("phone");
        let tells = |code: &str| match code {
            "name" => !is_person,
            code => ["village", "team", "label", "landmark", "phone", "code"].contains(&code),
        };
        let texts = self.texts.iter().filter(|(code, _)| tells(code));
        texts.map(|(code, text)| format!("{code}={}\n", fold(text))).collect()
    }
}

/// What was read, before anybody looked at the store.
#[derive(Clone, Debug)]
struct Lines {
    lines: Vec<Line>,
    found: Found,
}

#[derive(Clone, Debug)]
struct Found {
    view: ImportView,
    faulty: BTreeSet<u32>,
}

impl Found {
    /// Notes a fault of a cell, or of a row as a whole.
    fn fault(&mut self, row: u32, column: Option<&Column>, fault: Fault) {
        self.faulty.insert(row);
        self.view.faulty = self.faulty.len();
        if self.view.errors.len() < FAULTS_MAX {
            let (field, vi, en) = match column {
                Some(column) => (
                    format!("rows.{row}.{}", column.code),
                    format!("Dòng {row}, cột “{}”: {}", column.vi, fault.vi),
                    format!("Row {row}, column “{}”: {}", column.en, fault.en),
                ),
                None => {
                    (format!("rows.{row}"), format!("Dòng {row}: {}", fault.vi), format!("Row {row}: {}", fault.en))
                }
            };
            self.view.errors.push(FieldProblem { field, code: fault.code, detail_vi: vi, detail_en: en });
        }
    }
}

fn column(sort: Sort, code: &str) -> Option<&'static Column> {
    sort.columns().iter().find(|column| column.code == code)
}

/// Reads the rows of a sheet as far as that takes no store.
fn lines(sort: Sort, sheet: &Sheet, dry_run: bool) -> Lines {
    let view = ImportView {
        sort: sort.code().to_owned(),
        dry_run,
        rows: sheet.rows.len(),
        entered: 0,
        known: 0,
        faulty: 0,
        ignored: Vec::new(),
        errors: Vec::new(),
    };
    let mut found = Found { view, faulty: BTreeSet::new() };
    let mut places: BTreeMap<&'static str, usize> = BTreeMap::new();
    let head = sheet.rows.first().map_or(1, |(at, _)| at.saturating_sub(1).max(1));
    for (at, heading) in sheet.heads.iter().enumerate().filter(|(_, heading)| !heading.is_empty()) {
        match sort.columns().iter().find(|column| column.is_called(heading)) {
            None => found.view.ignored.push(heading.chars().take(120).collect()),
            Some(column) => {
                if places.insert(column.code, at).is_some() {
                    let fault = Fault::new(
                        "repeated_column",
                        "tiêu đề này có hai lần. Hãy chỉ giữ một cột.",
                        "this heading stands there twice. Keep one column.",
                    );
                    found.fault(head, Some(column), fault);
                }
            }
        }
    }
    for column in sort.columns().iter().filter(|column| column.required && !places.contains_key(column.code)) {
        let fault = Fault::new(
            "missing_column",
            format!("thiếu cột này. Hãy thêm tiêu đề “{}” ở dòng đầu.", column.vi),
            format!("the column is missing. Add the heading “{}” to the first row.", column.en),
        );
        found.fault(head, Some(column), fault);
    }
    let mut lines = Vec::with_capacity(sheet.rows.len());
    if found.view.faulty > 0 {
        // With the headings at fault every row would be, and the one thing to mend would not be seen.
        return Lines { lines, found };
    }
    let mut before: BTreeMap<String, u32> = BTreeMap::new();
    for (at, cells) in &sheet.rows {
        let mut line = Line { at: *at, ..Line::default() };
        for column in sort.columns() {
            let cell = places.get(column.code).and_then(|place| cells.get(*place)).unwrap_or(&Cell::Blank);
            if let Err(fault) = read_cell(column, cell, &mut line) {
                found.fault(*at, Some(column), fault);
            }
        }
        let key = line.key();
        match before.get(&key) {
            Some(first) if !found.faulty.contains(at) => {
                let fault = Fault::new(
                    "repeated_row",
                    format!("trùng với dòng {first}. Hãy bỏ một dòng, hoặc ghi rõ chỗ khác nhau."),
                    format!("the same as row {first}. Remove one, or say how they differ."),
                );
                found.fault(*at, None, fault);
            }
            Some(_) => {}
            None => {
                before.insert(key, *at);
            }
        }
        lines.push(line);
    }
    Lines { lines, found }
}

fn read_cell(column: &Column, cell: &Cell, line: &mut Line) -> Result<(), Fault> {
    let expected = |code: &str| {
        let (vi, en) = (column.takes.vi(), column.takes.en());
        Fault::new(code, format!("chưa đúng. Cần {vi}."), format!("not as expected: {en}."))
    };
    if *cell == Cell::Broken {
        return Err(Fault::new(
            "broken_cell",
            "ô này báo lỗi trong bảng tính. Hãy nhập lại giá trị.",
            "the spreadsheet shows an error here. Enter the value again.",
        ));
    }
    let text = clean(&cell.text());
    if text.is_empty() {
        let vi = format!("còn trống. Cần {}.", column.takes.vi());
        let en = format!("empty. Expected: {}.", column.takes.en());
        return if column.required { Err(Fault::new("required", vi, en)) } else { Ok(()) };
    }
    match column.takes {
        Takes::Text(max_chars) => {
            check_text(&text, TextLimit { max_chars, newline: false }).map_err(|fault| match fault {
                TextFault::TooLong => expected(fault.code()),
                _ => Fault::new(
                    fault.code(),
                    "có ký tự ẩn hoặc ký tự điều khiển. Hãy gõ lại.",
                    "there is a hidden or control character. Type it again.",
                ),
            })?;
            line.texts.insert(column.code, text);
        }
        Takes::Phone => {
            let is_number = matches!(cell, Cell::Number(_));
            // A number of a spreadsheet has lost the zero in front.
            let text = if is_number && text.len() == 9 { format!("0{text}") } else { text };
            let phone = phone_number::normalise(&text).map_err(|fault: PhoneFault| expected(fault.code()))?;
            line.texts.insert(column.code, phone);
        }
        Takes::Choice(choices) => {
            let folded = fold(&text);
            let chosen = choices.iter().find(|(code, words)| fold(code) == folded || fold(words) == folded);
            let (code, _) = chosen.ok_or_else(|| expected("not_a_choice"))?;
            line.texts.insert(column.code, (*code).to_owned());
        }
        Takes::Day => {
            let day = match cell {
                Cell::Day(day) => Some(*day),
                _ => day_of(&text),
            };
            line.days.insert(column.code, day.ok_or_else(|| expected("not_a_day"))?);
        }
        Takes::Count(most) => {
            let count = text.parse::<u32>().ok().filter(|count| *count <= most);
            line.counts.insert(column.code, count.ok_or_else(|| expected("not_a_count"))?);
        }
    }
    Ok(())
}

/// `22/11/2026`, `22-11-2026`, `22.11.2026` or `2026-11-22`.
fn day_of(text: &str) -> Option<Day> {
    Day::parse(text).or_else(|| {
        let mut parts = text.split(['/', '-', '.']).map(str::trim);
        let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
        let is_whole = parts.next().is_none() && year.len() == 4;
        is_whole.then(|| Day::from_civil(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?))?
    })
}

/// A village as rows name it.
struct Place {
    id: UnitId,
    names: [String; 3],
    full_name: String,
}

/// What a commune has, as far as rows are compared with it.
struct Commune {
    id: UnitId,
    code: String,
    full_name: String,
    today: Day,
    villages: Vec<Place>,
    /// Teams in force: of which unit, folded name.
    teams: Vec<(UnitId, TeamId, String)>,
    /// Who is in which team.
    members: BTreeSet<(TeamId, UserId)>,
    /// Folded label and landmark, by village.
    households: BTreeMap<UnitId, BTreeSet<(String, String)>>,
}

fn registers(together: &mut Together<'_, '_>, scope: ScopeId, ty: RowType) -> Stored<Vec<Register>> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let rows = together.work.tx().rows_of(scope, ty, after, PAGE)?;
        let is_last = rows.len() < PAGE;
        for bytes in rows {
            if let sync_protocol::row::Row::Register(register) = stored_row(&bytes)? {
                after = Some(register.id);
                all.push(register);
            }
        }
        if is_last {
            return Ok(all);
        }
    }
}

fn holds(validity: Option<Validity>, today: Day) -> bool {
    validity.is_some_and(|validity| validity.to.is_none_or(|to| today < to))
}

impl Commune {
    /// Reads what the rows of this sort are compared with. `None` where the unit is no commune.
    fn read(together: &mut Together<'_, '_>, unit: UnitId, sort: Sort) -> Stored<Option<Self>> {
        let today = Day::of_ms(together.now().0);
        let Some((_, row)) = together.work.register(RowType::UNIT, unit.0)? else { return Ok(None) };
        let Some(identity) = row.group::<UnitIdentity>(unit::IDENTITY).filter(|own| own.level == "commune") else {
            return Ok(None);
        };
        let (code, full_name) = (identity.code, identity.full_name);
        let (villages, teams, members) = (Vec::new(), Vec::new(), BTreeSet::new());
        let households = BTreeMap::new();
        let mut commune = Self { id: unit, code, full_name, today, villages, teams, members, households };
        for id in together.work.tx().units_below(unit)? {
            let Some((_, row)) = together.work.register(RowType::UNIT, id.0)? else { continue };
            let Some(own) = row.group::<UnitIdentity>(unit::IDENTITY) else { continue };
            if own.level == "village" && holds(row.group(unit::VALIDITY), today) {
                let names = [fold(&own.code), fold(&own.name), fold(&own.full_name)];
                commune.villages.push(Place { id, names, full_name: own.full_name });
            }
        }
        let units: Vec<UnitId> = commune.villages.iter().map(|village| village.id).chain([unit]).collect();
        for id in units {
            if matches!(sort, Sort::Teams | Sort::Members) {
                for team in registers(together, id.into(), RowType::TEAM)? {
                    let Some(own) = team.group::<TeamIdentity>(team::IDENTITY) else { continue };
                    if holds(team.group(team::VALIDITY), today) {
                        commune.teams.push((own.unit, TeamId(team.id), fold(&own.name)));
                    }
                }
            }
            if sort == Sort::Members {
                for member in registers(together, id.into(), RowType::TEAM_MEMBER)? {
                    let Some(own) = member.group::<MemberIdentity>(team_member::IDENTITY) else { continue };
                    if holds(member.group(team_member::VALIDITY), today) {
                        commune.members.insert((own.team, own.user));
                    }
                }
            }
        }
        Ok(Some(commune))
    }

    /// The village that a cell names: by code, name or full name.
    fn village(&self, text: &str) -> Result<&Place, Fault> {
        let wanted = fold(text);
        let mut called = self.villages.iter().filter(|village| village.names.contains(&wanted));
        match (called.next(), called.next()) {
            (Some(village), None) => Ok(village),
            (None, _) => Err(Fault::new(
                "unknown_village",
                "xã không có thôn này. Hãy kiểm tra tên, hoặc nhập danh sách thôn trước.",
                "the commune has no such village. Check the name, or bring in the villages first.",
            )),
            (Some(_), Some(_)) => Err(Fault::new(
                "ambiguous_village",
                "có nhiều thôn cùng tên. Hãy ghi mã thôn thay cho tên.",
                "several villages have this name. Write the code of the village instead.",
            )),
        }
    }

    /// The unit that a row is about: the village of its cell, or the commune itself.
    fn unit_of(&self, line: &Line) -> Result<(UnitId, &str), (&'static str, Fault)> {
        match line.text("village") {
            None => Ok((self.id, &self.full_name)),
            Some(text) => match self.village(text) {
                Ok(village) => Ok((village.id, &village.full_name)),
                Err(fault) => Err(("village", fault)),
            },
        }
    }

    fn team_of(&self, line: &Line) -> Result<TeamId, (&'static str, Fault)> {
        let (unit, _) = self.unit_of(line)?;
        let wanted = line.text("team").map(fold);
        let is_meant = |name: &String| wanted.as_ref().is_none_or(|wanted| wanted == name);
        let mut teams = self.teams.iter().filter(|(of, _, name)| *of == unit && is_meant(name));
        match (teams.next(), teams.next()) {
            (Some((_, team, _)), None) => Ok(*team),
            (None, _) => Err((
                "team",
                Fault::new(
                    "unknown_team",
                    "nơi này chưa có tổ như vậy. Hãy kiểm tra tên, hoặc nhập danh sách tổ trước.",
                    "there is no such team here. Check the name, or bring in the teams first.",
                ),
            )),
            (Some(_), Some(_)) => Err((
                "team",
                Fault::new(
                    "ambiguous_team",
                    "nơi này có nhiều tổ. Hãy ghi tên tổ.",
                    "there are several teams here. Write the name of the team.",
                ),
            )),
        }
    }
}

fn raw(value: &impl Cbor) -> Raw {
    Raw(value.cbor())
}

fn create(scope: ScopeId, groups: impl IntoIterator<Item = (u8, Raw)>) -> CreateRow {
    CreateRow { scope, groups: ByKey(groups.into_iter().collect()), id: None, ext: Ext::default() }
}

/// What became of one row.
enum Row {
    Entered,
    Known,
    Faulty(Option<&'static str>, Fault),
}

impl From<(&'static str, Fault)> for Row {
    fn from((column, fault): (&'static str, Fault)) -> Self {
        Self::Faulty(Some(column), fault)
    }
}

/// In the words of the rules, at the column that they blame.
fn refused(sort: Sort, outcome: &Outcome) -> Row {
    let code = outcome.code.as_deref().and_then(Code::from_text);
    let blamed = outcome.field.as_deref().and_then(|field| field.rsplit('.').next()).unwrap_or_default();
    let at = match blamed {
        "display_name" => "name",
        "scope" | "unit" => "village",
        other => other,
    };
    Row::Faulty(
        column(sort, at).map(|column| column.code),
        Fault::new(
            outcome.code.as_deref().unwrap_or("refused"),
            code.map_or("không được nhận.", Code::vi),
            code.map_or("it was not taken.", Code::en),
        ),
    )
}

/// The type that stands before a village's name, and the name without it.
fn typed_name(line: &Line) -> Option<(&'static str, &'static str, String)> {
    let name = line.need("name");
    let begins = |words: &str| fold(&name).strip_prefix(&fold(words)).is_some_and(|rest| rest.starts_with(' '));
    let before = VILLAGE_TYPES.iter().find(|(_, words)| begins(words));
    let told = line.text("unit_type").and_then(|code| VILLAGE_TYPES.iter().find(|(known, _)| *known == code));
    let (code, words) = told.or(before)?;
    // A type that stands before the name is taken off; a name that begins with the words of another type keeps them.
    let bare = match before {
        Some((same, _)) if same == code => {
            name.chars().skip(words.chars().count()).collect::<String>().trim().to_owned()
        }
        _ => name,
    };
    Some((*code, *words, bare))
}

impl Commune {
    fn take(&mut self, together: &mut Together<'_, '_>, sort: Sort, line: &Line) -> Stored<Row> {
        match sort {
            Sort::Villages => self.take_village(together, line),
            Sort::Teams => self.take_team(together, line),
            Sort::Members => self.take_member(together, line),
            Sort::Households => self.take_household(together, line),
        }
    }

    fn take_village(&mut self, together: &mut Together<'_, '_>, line: &Line) -> Stored<Row> {
        let Some((unit_type, words, name)) = typed_name(line) else {
            let fault = Fault::new(
                "required",
                "chưa rõ là thôn, bản, xóm, tổ dân phố hay khu phố. Hãy ghi ở cột này hoặc trước tên.",
                "is it a thôn, bản, xóm, tổ dân phố or khu phố? Say so here or in front of the name.",
            );
            return Ok(("unit_type", fault).into());
        };
        let full_name = format!("{words} {name}");
        let wanted = (line.text("code").map(fold), fold(&full_name));
        let same = |village: &&Place| match &wanted.0 {
            Some(code) => village.names[0] == *code,
            None => village.names[2] == wanted.1,
        };
        if let Some(known) = self.villages.iter().find(same) {
            if known.names[2] == wanted.1 {
                return Ok(Row::Known);
            }
            let fault = Fault::new(
                "already_exists",
                "mã này đã thuộc về một thôn tên khác. Hãy kiểm tra mã và tên.",
                "another village has this code under another name. Check both.",
            );
            return Ok(("code", fault).into());
        }
        let code = match line.text("code") {
            Some(code) => code.to_owned(),
            None => {
                let own = |number: &u32| fold(&format!("{}-{number:03}", self.code));
                let is_free = |number: &u32| self.villages.iter().all(|village| village.names[0] != own(number));
                let number = (1..=999).find(is_free).unwrap_or(999);
                format!("{}-{number:03}", self.code)
            }
        };
        let from = line.days.get("from").copied().unwrap_or(self.today);
        let names = [fold(&code), fold(&name), fold(&full_name)];
        let identity = UnitIdentity {
            level: "village".into(),
            code,
            unit_type: unit_type.into(),
            name,
            full_name: full_name.clone(),
            local_name: line.text("local_name").map(str::to_owned),
            ext: Ext::default(),
        };
        let parent = UnitParent { parent: self.id, from, former: vec![], ext: Ext::default() };
        let validity = Validity { from, to: None, ext: Ext::default() };
        let groups = [(unit::IDENTITY, raw(&identity)), (unit::PARENT, raw(&parent)), (unit::VALIDITY, raw(&validity))];
        match together.offer(Intent::UnitCreate(create(self.id.into(), groups)))? {
            Err((_, outcome)) => Ok(refused(Sort::Villages, &outcome)),
            Ok(id) => {
                self.villages.push(Place { id: UnitId(id), names, full_name });
                Ok(Row::Entered)
            }
        }
    }

    fn take_team(&mut self, together: &mut Together<'_, '_>, line: &Line) -> Stored<Row> {
        let (unit, place) = match self.unit_of(line) {
            Ok((unit, place)) => (unit, place.to_owned()),
            Err(fault) => return Ok(fault.into()),
        };
        let name = line.text("name").map_or_else(|| format!("Tổ chuyển đổi số cộng đồng {place}"), str::to_owned);
        let folded = fold(&name);
        if self.teams.iter().any(|(of, _, known)| *of == unit && *known == folded) {
            return Ok(Row::Known);
        }
        let level = if unit == self.id { "commune" } else { "village" };
        let from = line.days.get("from").or(line.days.get("decision_day")).copied().unwrap_or(self.today);
        let identity = TeamIdentity { level: level.into(), unit, name, ext: Ext::default() };
        let mut groups = vec![
            (team::IDENTITY, raw(&identity)),
            (team::VALIDITY, raw(&Validity { from, to: None, ext: Ext::default() })),
        ];
        match (line.text("decision_number"), line.days.get("decision_day")) {
            (Some(number), Some(day)) => {
                let decision = TeamDecision { number: number.to_owned(), day: *day, ext: Ext::default() };
                groups.push((team::DECISION, raw(&decision)));
            }
            (None, None) => {}
            (number, _) => {
                let missing = if number.is_some() { "decision_day" } else { "decision_number" };
                let fault = Fault::new(
                    "required",
                    "quyết định cần cả số và ngày. Hãy ghi đủ, hoặc bỏ trống cả hai.",
                    "a decision needs its number and its date. Write both or neither.",
                );
                return Ok((missing, fault).into());
            }
        }
        match together.offer(Intent::TeamCreate(create(unit.into(), groups)))? {
            Err((_, outcome)) => Ok(refused(Sort::Teams, &outcome)),
            Ok(id) => {
                self.teams.push((unit, TeamId(id), folded));
                Ok(Row::Entered)
            }
        }
    }

    fn take_member(&mut self, together: &mut Together<'_, '_>, line: &Line) -> Stored<Row> {
        let team = match self.team_of(line) {
            Ok(team) => team,
            Err(fault) => return Ok(fault.into()),
        };
        let (display_name, phone) = (line.need("name"), line.need("phone"));
        let user = match together.work.user_by_phone(&phone)? {
            Some(user) => user,
            None => {
                let account =
                    CreateUser { display_name: display_name.clone(), phone, unit: self.id, ext: Ext::default() };
                match together.offer(Intent::UserCreate(account))? {
                    Ok(id) => UserId(id),
                    Err((_, outcome)) => return Ok(refused(Sort::Members, &outcome)),
                }
            }
        };
        if !self.members.insert((team, user)) {
            return Ok(Row::Known);
        }
        let member = AddMember {
            team,
            user,
            display_name,
            position: line.text("position").unwrap_or("member").to_owned(),
            organisation: line.text("organisation").unwrap_or("other").to_owned(),
            from: line.days.get("from").copied().unwrap_or(self.today),
            ext: Ext::default(),
        };
        Ok(match together.offer(Intent::MemberAdd(member))? {
            Ok(_) => Row::Entered,
            Err((_, outcome)) => refused(Sort::Members, &outcome),
        })
    }

    fn take_household(&mut self, together: &mut Together<'_, '_>, line: &Line) -> Stored<Row> {
        let unit = match self.unit_of(line) {
            Ok((unit, _)) => unit,
            Err(fault) => return Ok(fault.into()),
        };
        let read = self.households.contains_key(&unit);
        if !read {
            let mut known = BTreeSet::new();
            for household in registers(together, unit.into(), RowType::HOUSEHOLD)? {
                if let Some(own) = household.group::<HouseholdLabel>(household::LABEL) {
                    known.insert((fold(&own.label), fold(&own.landmark.unwrap_or_default())));
                }
            }
            self.households.insert(unit, known);
        }
        let (label, landmark) = (line.need("label"), line.text("landmark").map(str::to_owned));
        let key = (fold(&label), fold(landmark.as_deref().unwrap_or_default()));
        if !self.households.entry(unit).or_default().insert(key) {
            return Ok(Row::Known);
        }
        let class = line.text("class").unwrap_or("normal").to_owned();
        let adults_15_plus = line.counts.get("adults_15_plus").copied().unwrap_or_default();
        let groups = [
            (household::LABEL, raw(&HouseholdLabel { label, landmark, ext: Ext::default() })),
            (household::CLASS, raw(&HouseholdClass { class, ext: Ext::default() })),
            (household::PEOPLE, raw(&HouseholdPeople { adults_15_plus, ext: Ext::default() })),
            (household::STATUS, raw(&HouseholdStatus { status: "active".into(), ext: Ext::default() })),
        ];
        Ok(match together.offer(Intent::HouseholdCreate(create(unit.into(), groups)))? {
            Ok(_) => Row::Entered,
            Err((_, outcome)) => refused(Sort::Households, &outcome),
        })
    }
}

/// The function that a list needs.
fn function(sort: Sort) -> Action {
    match sort {
        Sort::Villages => Action::WriteUnit,
        Sort::Teams | Sort::Members => Action::WriteTeam,
        Sort::Households => Action::EnterHousehold,
    }
}

impl Desk {
    /// Brings a list into a commune: all of it, or, while one row is at fault, nothing. A dry run changes nothing.
    ///
    /// # Errors
    /// [`ImportError`]; [`ImportError::Faulty`] says row by row what is wrong and what to do. A dry run is not refused for
    /// faulty rows: finding them is what it is for.
    pub async fn import(
        &self,
        by: UserId,
        commune: Uuid,
        sort: Sort,
        sheet: Sheet,
        dry_run: bool,
    ) -> Result<ImportView, ImportError> {
        let read = lines(sort, &sheet, dry_run);
        let done = self.together(by, move |together| {
            let now = together.now();
            if !has_function(&together.principal, function(sort), now) {
                return Ok(Err(ImportError::NotAllowed));
            }
            let may = authorise(&together.principal, function(sort), ScopeId(commune), None, now);
            let commune = match may.role() {
                Some(_) => Commune::read(together, UnitId(commune), sort)?,
                None => None,
            };
            let Some(mut commune) = commune else { return Ok(Err(ImportError::NotFound)) };
            let mut found = read.found.clone();
            for line in &read.lines {
                if read.found.faulty.contains(&line.at) {
                    continue;
                }
                match commune.take(together, sort, line)? {
                    Row::Entered => found.view.entered += 1,
                    Row::Known => found.view.known += 1,
                    Row::Faulty(at, fault) => {
                        found.fault(line.at, at.and_then(|code| column(sort, code)), fault);
                    }
                }
            }
            if dry_run || found.view.faulty > 0 {
                return Err(StorageError::GivenUp(Box::new(GivenUp(found.view))));
            }
            Ok(Ok(found.view))
        });
        match done.await {
            Err(StorageError::GivenUp(why)) => match why.downcast::<GivenUp>() {
                Ok(found) if found.0.dry_run => Ok(found.0),
                Ok(found) => Err(ImportError::Faulty(Box::new(ImportView { entered: 0, ..found.0 }))),
                Err(why) => Err(ImportError::Storage(StorageError::GivenUp(why))),
            },
            Err(error) => Err(error.into()),
            Ok(answer) => answer,
        }
    }
}
