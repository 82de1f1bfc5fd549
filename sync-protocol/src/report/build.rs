//! From layout and input to the document.

mod campaign;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::count::{KindFigures, shown_kinds};
use super::document::*;
use super::layout::{ALL_KINDS, Block, KindColumn, ReportLayout, SectionLayout, Step, UnitColumn, Words};
use super::{Part, ReportInput, ReportStatus, TeamLine, since_new_year};
use crate::calendar::vi_date;
use crate::catalogue::{Catalogue, Kind, Lang};
use crate::ids::Day;
use crate::indicator::{Empty, Figure, FigureUnit, Formula, Fraction, Indicator, Level, Met, SetCheck};
use crate::team::Inactive;
use crate::text::clean_lines;

/// Numbers of persons from 1 to here are hidden above commune level (docs/DOMAIN.md §4).
const FEW_MAX: i128 = 4;
const WIDE: u32 = 32;
const MIDDLE: u32 = 18;
const NARROW: u32 = 10;

/// The file of layouts has none for this report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the file of layouts has no layout for this report; load a file that has")]
pub struct NoLayout;

impl NoLayout {
    /// The stable code.
    pub fn code(self) -> &'static str {
        "no_layout"
    }
}

/// Makes the document.
///
/// # Errors
/// [`NoLayout`].
pub fn build(input: &ReportInput<'_>, lang: Lang) -> Result<ReportDocument, NoLayout> {
    let layout = input.layouts.at(input.report, input.unit.level).ok_or(NoLayout)?;
    let scope = input.team.map_or(input.unit.id.0, |team| team.0);
    let mut build = Build { input, lang, scope, dictionary: BTreeMap::new() };
    let section = |section: &SectionLayout| Section {
        code: section.code.clone(),
        title: format!("{}. {}", section.number, build.pick(&section.vi, &section.en)),
        items: section.blocks.iter().flat_map(|block| build.block(block)).collect(),
    };
    let sections = layout.sections.iter().map(section).collect();
    let versions = [input.layouts.version(), input.indicators.version(), input.indicators.catalogue().version()];
    Ok(ReportDocument {
        code: layout.code.clone(),
        lang,
        sample: input.sample,
        versions: versions.map(str::to_owned),
        scope,
        period: input.days,
        as_of: input.as_of,
        position: input.position,
        head: build.head(layout),
        sections,
        signature: build.signature(layout),
        dictionary: build.dictionary.into_values().collect(),
    })
}

struct Build<'b> {
    input: &'b ReportInput<'b>,
    lang: Lang,
    scope: Uuid,
    dictionary: BTreeMap<String, Entry>,
}

impl Build<'_> {
    fn pick<'w>(&self, vi: &'w str, en: &'w str) -> &'w str {
        if self.lang == Lang::Vi { vi } else { en }
    }

    fn date(&self, day: Day) -> String {
        if self.lang == Lang::Vi { vi_date(day) } else { day.to_string() }
    }

    fn is_provisional(&self) -> bool {
        let counts = &self.input.counts;
        let kinds = counts.kinds.values().flat_map(|kind| [&kind.achieved, &kind.cumulative]);
        let parts = self.input.parts.iter().flat_map(|part| part.kinds.values().chain(part.figures.values()));
        self.input.open || counts.figures.values().chain(kinds).chain(parts).any(|figure| figure.provisional)
    }

    fn freshness(&self) -> String {
        let (as_of, position) = (self.date(self.input.as_of), self.input.position);
        let position = position.map_or_else(String::new, |position| match self.lang {
            Lang::Vi => format!(" (vị trí dữ liệu {position})"),
            Lang::En => format!(" (position {position})"),
        });
        format!("{} {as_of}{position}.", self.pick("Số liệu lấy đến ngày", "Figures as of"))
    }

    fn provisional_words(&self) -> &'static str {
        match self.lang {
            Lang::Vi => "Số liệu tạm tính: kỳ báo cáo chưa chốt hoặc có hoạt động chưa được duyệt.",
            Lang::En => "Provisional: the period is open, or activities are counted that are not approved yet.",
        }
    }

    fn head(&self, layout: &ReportLayout) -> Head {
        let input = self.input;
        let (year, month, day) = input.dated.civil();
        let (from, to) = (self.date(input.days.from), self.date(input.days.to));
        let mut lines = vec![
            match self.lang {
                Lang::Vi => format!("(Từ ngày {from} đến ngày {to})"),
                Lang::En => format!("(From {from} to {to})"),
            },
            format!("{}: {}.", self.pick("Đơn vị", "Unit"), self.unit_path()),
            format!(
                "{}: {}{}. {}",
                self.pick("Trạng thái", "Status"),
                input.status.words(self.lang),
                if input.late { self.pick(", gửi muộn", ", late") } else { "" },
                self.freshness()
            ),
        ];
        if self.is_provisional() {
            lines.push(self.provisional_words().to_owned());
        }
        lines.extend(input.comparison.clone());
        Head {
            superior: input.superior.to_uppercase(),
            body: input.issuer.to_uppercase(),
            number: match layout.number.as_str() {
                "" => String::new(),
                number => format!("{} ……/{number}", self.pick("Số:", "No.")),
            },
            place_date: match self.lang {
                Lang::Vi => format!("{}, ngày {day:02} tháng {month:02} năm {year}", input.place),
                Lang::En => format!("{}, {}", input.place, input.dated),
            },
            title: self.pick("BÁO CÁO", "REPORT").to_owned(),
            subject: match self.lang {
                _ if input.campaign.is_some() => {
                    let words = self.pick(&layout.vi, &layout.en);
                    input.campaign.iter().map(|campaign| self.campaign_subject(words, campaign)).collect()
                }
                Lang::Vi => format!("{} {}", layout.vi, input.period.vi()),
                Lang::En => format!("{}, {}", layout.en, input.period.en()),
            },
            lines,
        }
    }

    fn unit_path(&self) -> String {
        let team = self.input.team.and_then(|team| self.input.teams.iter().find(|line| line.team == team));
        let names = team.map(|team| &team.name).into_iter().chain([&self.input.unit.name]).chain(&self.input.unit.path);
        names.map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    fn signature(&self, layout: &ReportLayout) -> Signature {
        let words = |words: &[Words]| words.iter().map(|w| w.of(self.lang).to_owned()).collect();
        Signature {
            recipients_title: self.pick("Nơi nhận:", "Recipients:").to_owned(),
            recipients: words(&layout.recipients),
            signatory: words(&layout.signatory),
            hint: self.pick("(Ký, ghi rõ họ tên, đóng dấu)", "(Signature, full name, seal)").to_owned(),
        }
    }

    fn block(&mut self, block: &Block) -> Vec<Item> {
        let new = |title: &str| Table {
            code: block.table(),
            title: title.to_owned(),
            columns: Vec::new(),
            rows: Vec::new(),
            notes: Vec::new(),
            remarks: Vec::new(),
        };
        match block {
            Block::Typed { code, vi, en } => self.typed(code, self.pick(vi, en)),
            Block::Teams {} => self.teams(new(self.pick("Các tổ trong kỳ", "Teams in the period"))),
            Block::Kinds { kinds, columns } => {
                self.kinds(new(self.pick("Kết quả theo loại hoạt động", "Results by kind of activity")), kinds, columns)
            }
            Block::Funnel { vi, en, steps, .. } => self.funnel(new(self.pick(vi, en)), steps),
            Block::FailureReasons { top } => {
                self.reasons(new(self.pick("Lý do chưa làm được", "Why things could not be done")), *top)
            }
            Block::Breakdown { vi, en, kind, field, sums } => self.breakdown(new(self.pick(vi, en)), kind, field, sums),
            Block::Indicators { sets } => {
                self.indicators(new(self.pick("Chỉ tiêu, giá trị và mức đạt", "Indicators, values and targets")), sets)
            }
            Block::Cases { kinds } => {
                self.cases(new(self.pick("Tiếp nhận và trả lời", "Received and answered")), kinds)
            }
            Block::Units { columns } => {
                self.units(new(self.pick("So sánh các xã, phường", "Communes side by side")), columns)
            }
            Block::CampaignKinds {} => self
                .campaign_kinds(new(self.pick("Kết quả chung so với chỉ tiêu", "The whole unit against its target"))),
            Block::CampaignUnits {} => {
                self.campaign_units(new(self.pick("Kết quả theo địa bàn và tổ", "By unit and team")))
            }
            Block::LateList {} => {
                self.late_list(new(self.pick("Đơn vị chưa gửi hoặc gửi muộn", "Reports missing or late")))
            }
        }
    }

    // -----------------------------------------------------------------------------------------------------------------
    // Cells and columns

    fn hides_few(&self) -> bool {
        self.input.unit.level < Level::Commune
    }

    /// A number that may be hidden when it counts persons.
    fn number(&self, number: i128, counts_persons: bool) -> CellValue {
        if counts_persons && self.hides_few() && (1..=FEW_MAX).contains(&number) {
            CellValue::Few
        } else {
            CellValue::Count(Fraction::whole(number))
        }
    }

    fn reference(&self, what: Counted, code: &str, part: &str) -> Option<Reference> {
        let (code, part) = (code.to_owned(), part.to_owned());
        Some(Reference { what, code, part, scope: self.scope, period: self.input.days })
    }

    fn cell(&self, value: CellValue, what: Counted, code: &str, part: &str) -> Cell {
        Cell { value, reference: self.reference(what, code, part), note: None }
    }

    fn dash(&self, table: &mut Table, missing: Missing) -> Cell {
        let note = Some(table.note(missing.words(self.lang)));
        Cell { value: CellValue::Dash(missing), reference: None, note }
    }

    /// `part` of `whole` in percent, at most a hundred; more is flagged.
    fn percent(&self, table: &mut Table, part: Fraction, whole: Fraction, missing: Missing) -> Cell {
        let hundred = Fraction::whole(100);
        match part.over(whole).map(|share| share.times(hundred)) {
            None => self.dash(table, missing),
            Some(percent) => {
                let note = (percent > hundred).then(|| table.note(self.passed_words()));
                Cell { value: CellValue::Percent(percent.min(hundred)), reference: None, note }
            }
        }
    }

    fn passed_words(&self) -> &'static str {
        self.pick("Vượt chỉ tiêu năm, ghi là 100.", "Above the year's target, given as 100.")
    }

    fn capped_words(&self) -> &'static str {
        self.pick("Vượt 100%, ghi là 100; cần kiểm tra số gốc.", "Above 100%, given as 100; check the base number.")
    }

    /// The value of a figure with the note that it needs.
    fn figure(&self, table: &mut Table, figure: &Figure, counts_persons: bool) -> CellValue {
        let few = |number: Option<Fraction>| {
            let is_few = |n: &Fraction| *n > Fraction::ZERO && *n <= Fraction::whole(FEW_MAX);
            counts_persons && self.hides_few() && number.as_ref().is_some_and(is_few)
        };
        if figure.provisional {
            table.remark(self.provisional_words());
        }
        match (figure.value, figure.unit) {
            (None, _) => CellValue::Dash(Missing::Figure(figure.empty.unwrap_or(Empty::NoData))),
            _ if few(figure.numerator) => CellValue::Few,
            (Some(value), FigureUnit::Percent) => CellValue::Percent(value),
            (Some(value), _) => CellValue::Count(value),
        }
    }

    fn figure_cell(&self, table: &mut Table, figure: &Figure, what: Counted, code: &str, persons: bool) -> Cell {
        let value = self.figure(table, figure, persons);
        let note = match &value {
            CellValue::Dash(missing) => Some(table.note(missing.words(self.lang))),
            _ if figure.capped => Some(table.note(self.capped_words())),
            _ => None,
        };
        Cell { value, reference: self.reference(what, code, "value"), note }
    }

    /// Adds a column, and what it means to the dictionary.
    fn column(&mut self, table: &mut Table, code: &str, title: [&str; 2], meaning: [&str; 2], weight: u32) {
        self.titled_column(table, code, title.map(str::to_owned), meaning.map(str::to_owned), weight);
    }

    fn titled_column(&mut self, table: &mut Table, code: &str, title: [String; 2], meaning: [String; 2], weight: u32) {
        let entry = Entry {
            code: format!("{}.{code}", table.code),
            name: title.clone(),
            meaning,
            formula: Default::default(),
            numerator: String::new(),
            denominator: String::new(),
            source: String::new(),
        };
        self.dictionary.insert(entry.code.clone(), entry);
        let [vi, en] = title;
        let title = if self.lang == Lang::Vi { vi } else { en };
        table.columns.push(Column { code: code.to_owned(), title, is_text: weight != NARROW, weight });
    }

    /// The first column: what the row is about.
    fn name_column(&mut self, table: &mut Table, vi: &str, en: &str) {
        self.column(table, "name", [vi, en], ["Nội dung của dòng", "What the row is about"], WIDE);
    }

    fn finish(&self, mut table: Table) -> Vec<Item> {
        if self.hides_few() {
            protect(&mut table, self.lang);
        }
        vec![Item::Table(table)]
    }

    fn paragraph(&self, text: String) -> Item {
        Item::Paragraph { text, missing: false }
    }

    fn none(&self, vi: &str, en: &str) -> Vec<Item> {
        vec![self.paragraph(self.pick(vi, en).to_owned())]
    }

    // -----------------------------------------------------------------------------------------------------------------
    // Blocks

    fn typed(&self, code: &str, title: &str) -> Vec<Item> {
        let text = clean_lines(self.input.texts.get(code).map_or("", String::as_str));
        if text.is_empty() {
            let text = format!("{title}: {}.", self.pick("Chưa nhập", "Not typed in yet"));
            return vec![Item::Paragraph { text, missing: true }];
        }
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let lines =
            lines.enumerate().map(|(at, line)| if at == 0 { format!("{title}: {line}") } else { line.to_owned() });
        lines.map(|text| self.paragraph(text)).collect()
    }

    fn teams(&mut self, mut table: Table) -> Vec<Item> {
        let teams: &[TeamLine] = &self.input.teams;
        if teams.is_empty() {
            return self.none("Chưa có tổ nào trong kỳ.", "There was no team in the period.");
        }
        self.name_column(&mut table, "Tổ", "Team");
        let columns = [
            ("members", ["Thành viên", "Members"], ["Thành viên vào ngày cuối kỳ", "Members on the last day"]),
            ("joined", ["Thêm", "Joined"], ["Thành viên mới trong kỳ", "Memberships begun in the period"]),
            ("left", ["Thôi", "Left"], ["Thành viên thôi tham gia trong kỳ", "Memberships ended in the period"]),
        ];
        for (code, title, meaning) in columns {
            self.column(&mut table, code, title, meaning, NARROW);
        }
        let state = ["Tình trạng", "State"];
        self.column(&mut table, "state", state, ["Lý do tổ bị xem là không hoạt động", "Why a team is inactive"], WIDE);
        for line in teams {
            let state = match line.inactive.as_slice() {
                [] => self.pick("Hoạt động", "Active").to_owned(),
                reasons => {
                    let words = |reason: &Inactive| match self.lang {
                        Lang::Vi => reason.vi(),
                        Lang::En => reason.en(),
                    };
                    reasons.iter().map(words).collect::<Vec<_>>().join(" ")
                }
            };
            let number = |number: u64, part: &str| {
                let reference = Reference { scope: line.team.0, ..self.reference(Counted::Team, "members", part)? };
                Some(Cell { value: self.number(number.into(), false), reference: Some(reference), note: None })
            };
            let numbers = [(line.members, "members"), (line.joined, "joined"), (line.left, "left")];
            let numbers = numbers.into_iter().filter_map(|(value, part)| number(value, part));
            let cells = [Cell::text(&line.name)].into_iter().chain(numbers).chain([Cell::text(state)]).collect();
            table.rows.push(Row { style: RowStyle::Plain, cells });
        }
        if teams.len() > 1 {
            let sum =
                |of: fn(&TeamLine) -> u64| self.number(teams.iter().map(|line| i128::from(of(line))).sum(), false);
            let cell = |value: CellValue, part: &str| self.cell(value, Counted::Team, "members", part);
            let inactive = teams.iter().filter(|line| !line.inactive.is_empty()).count();
            let state = match self.lang {
                Lang::Vi => format!("{} tổ, {inactive} tổ không hoạt động", teams.len()),
                Lang::En => format!("{} teams, {inactive} inactive", teams.len()),
            };
            let cells = vec![
                Cell::text(self.pick("Cộng", "Total")),
                cell(sum(|line| line.members), "members"),
                cell(sum(|line| line.joined), "joined"),
                cell(sum(|line| line.left), "left"),
                Cell::text(state),
            ];
            table.rows.push(Row { style: RowStyle::Total, cells });
        }
        self.finish(table)
    }

    fn kinds(&mut self, mut table: Table, kinds: &[String], columns: &[KindColumn]) -> Vec<Item> {
        let (indicators, counts) = (self.input.indicators, &self.input.counts);
        let catalogue = indicators.catalogue();
        self.name_column(&mut table, "Loại hoạt động", "Kind of activity");
        for column in columns {
            self.column(&mut table, column.code(), column.title(), column.meaning(), NARROW);
        }
        let mut quiet = Vec::new();
        let mut pillar = "";
        let with_pillars = kinds == [ALL_KINDS];
        let mut shown: Vec<(&Kind, &KindFigures)> = Vec::new();
        for code in shown_kinds(catalogue, kinds) {
            let (Some(kind), Some(figures)) = (catalogue.kind(code), counts.kinds.get(code)) else { continue };
            let achieved = |figure: &Figure| figure.value.is_some_and(|value| value > Fraction::ZERO);
            if with_pillars
                && figures.count.activities == 0
                && figures.target.is_none()
                && !achieved(&figures.cumulative)
            {
                quiet.push(kind.label(self.lang));
            } else {
                shown.push((kind, figures));
            }
        }
        for pillar_choice in &catalogue.file().pillars {
            for (kind, figures) in shown.iter().filter(|(kind, _)| kind.pillar == pillar_choice.code) {
                if with_pillars && pillar != pillar_choice.code {
                    pillar = &pillar_choice.code;
                    let label = self.pick(&pillar_choice.vi, &pillar_choice.en);
                    let blanks = columns.iter().map(|_| Cell::of(CellValue::Blank));
                    let cells = [Cell::text(label)].into_iter().chain(blanks).collect();
                    table.rows.push(Row { style: RowStyle::Group, cells });
                }
                let mut cells = vec![Cell::text(kind.label(self.lang))];
                for column in columns {
                    cells.push(self.kind_cell(&mut table, *column, kind, figures));
                }
                table.rows.push(Row { style: RowStyle::Plain, cells });
                self.explain_kind(kind);
            }
        }
        let all = &counts.all;
        let mut cells = vec![Cell::text(self.pick("Cộng", "Total"))];
        for column in columns {
            let number = match column {
                KindColumn::Activities => i128::from(all.activities),
                KindColumn::Persons => all.persons.len() as i128,
                KindColumn::Households => all.households.len() as i128,
                KindColumn::Done => all.with(&["done"]).into(),
                KindColumn::Partly => all.with(&["partly"]).into(),
                KindColumn::Already => all.with(&["already"]).into(),
                KindColumn::NotDone => all.with(&["not_done", "refused"]).into(),
                KindColumn::Cumulative => {
                    let whole = |figure: &Figure| figure.value.map_or(0, |value| value.floor_parts(1));
                    counts.kinds.values().map(|kind| whole(&kind.cumulative)).sum()
                }
                KindColumn::Target | KindColumn::Completion => {
                    cells.push(Cell::of(CellValue::Blank));
                    continue;
                }
            };
            cells.push(self.cell(self.number(number, true), Counted::Kind, "*", column.code()));
        }
        table.rows.push(Row { style: RowStyle::Total, cells });
        if all.repeats > 0 {
            table.remark(&match self.lang {
                Lang::Vi => format!("Không tính {} hoạt động lặp lại.", all.repeats),
                Lang::En => format!("{} repeats are left out.", all.repeats),
            });
        }
        if !quiet.is_empty() {
            table.remark(&format!("{}: {}.", self.pick("Chưa phát sinh", "Nothing yet"), quiet.join("; ")));
        }
        if counts.kinds.values().any(|kind| kind.achieved.provisional) {
            table.remark(self.provisional_words());
        }
        self.finish(table)
    }

    fn kind_cell(&self, table: &mut Table, column: KindColumn, kind: &Kind, figures: &KindFigures) -> Cell {
        let count = &figures.count;
        let persons = counts_persons(kind);
        let asks_outcome = kind.field("outcome").is_some();
        let number = |number: u64| {
            let persons = persons || column == KindColumn::Persons;
            self.cell(self.number(number.into(), persons), Counted::Kind, &kind.code, column.code())
        };
        let target = figures.target.map(Fraction::from);
        match column {
            KindColumn::Activities => number(count.activities),
            KindColumn::Persons if !persons => self.dash(table, Missing::NotAsked),
            KindColumn::Persons => number(count.persons.len() as u64),
            KindColumn::Households => number(count.households.len() as u64),
            KindColumn::Done | KindColumn::Partly | KindColumn::Already | KindColumn::NotDone if !asks_outcome => {
                self.dash(table, Missing::NotAsked)
            }
            KindColumn::Done => number(count.with(&["done"])),
            KindColumn::Partly => number(count.with(&["partly"])),
            KindColumn::Already => number(count.with(&["already"])),
            KindColumn::NotDone => number(count.with(&["not_done", "refused"])),
            KindColumn::Cumulative => {
                let cell = self.figure_cell(table, &figures.cumulative, Counted::Kind, &kind.code, persons);
                let period = since_new_year(self.input.days);
                Cell { reference: cell.reference.map(|reference| Reference { period, ..reference }), ..cell }
            }
            KindColumn::Target => match target {
                Some(target) => self.cell(CellValue::Count(target), Counted::Kind, &kind.code, column.code()),
                None => self.dash(table, Missing::NoTarget),
            },
            KindColumn::Completion => match (target, figures.cumulative.value) {
                (None, _) => self.dash(table, Missing::NoTarget),
                (_, None) => self.dash(table, Missing::Figure(Empty::NoData)),
                (Some(target), Some(value)) => {
                    if self.figure(table, &figures.cumulative, persons) == CellValue::Few {
                        return self.cell(CellValue::Few, Counted::Kind, &kind.code, column.code());
                    }
                    let cell = self.percent(table, value, target, Missing::NoTarget);
                    Cell { reference: self.reference(Counted::Kind, &kind.code, column.code()), ..cell }
                }
            },
        }
    }

    fn explain_kind(&mut self, kind: &Kind) {
        let Some(formula) = self.input.indicators.achieved_formula(&kind.code) else { return };
        let describe = |lang| self.input.indicators.describe(&formula, lang);
        let entry = Entry {
            code: kind.code.clone(),
            name: [kind.vi.clone(), kind.en.clone()],
            meaning: ["Loại hoạt động của danh mục", "A kind of activity of the catalogue"].map(str::to_owned),
            formula: [describe(Lang::Vi), describe(Lang::En)],
            numerator: String::new(),
            denominator: String::new(),
            source: self.source(&formula),
        };
        self.dictionary.insert(entry.code.clone(), entry);
    }

    fn funnel(&mut self, mut table: Table, steps: &[Step]) -> Vec<Item> {
        let Some(counts) = self.input.counts.funnels.get(&table.code) else {
            return self.none("Chưa có số liệu.", "No figures yet.");
        };
        self.name_column(&mut table, "Bước", "Step");
        let columns = [
            (
                "reached",
                ["Số hộ", "House-holds"],
                ["Hộ đã đến bước này, tính đến cuối kỳ", "Households at this step by the last day"],
            ),
            (
                "through",
                ["Qua đủ các bước", "Through all"],
                ["Hộ đã qua bước này và mọi bước trước", "Households at this step and at every step before"],
            ),
            (
                "share",
                ["So với bước trước (%)", "Of the step before (%)"],
                ["Hộ qua đủ các bước so với bước liền trước", "Through all, over those of the step before"],
            ),
        ];
        for (code, title, meaning) in columns {
            self.column(&mut table, code, title, meaning, NARROW);
        }
        let mut before: Option<u64> = None;
        for (Step { vi, en, kind, .. }, step) in steps.iter().zip(counts) {
            let number =
                |number: u64, part: &str| self.cell(self.number(number.into(), true), Counted::Kind, kind, part);
            let (reached, through) = (number(step.reached, "reached"), number(step.through, "through"));
            let share = match before {
                None => Cell::of(CellValue::Blank),
                Some(_) if through.value == CellValue::Few => Cell::of(CellValue::Few),
                Some(before) => {
                    let [part, whole] = [step.through, before].map(|number| Fraction::whole(number.into()));
                    self.percent(&mut table, part, whole, Missing::NothingThere)
                }
            };
            table.rows.push(Row {
                style: RowStyle::Plain,
                cells: vec![Cell::text(self.pick(vi, en)), reached, through, share],
            });
            before = Some(step.through);
        }
        self.finish(table)
    }

    fn reasons(&mut self, mut table: Table, top: usize) -> Vec<Item> {
        let reasons = &self.input.counts.reasons;
        if reasons.is_empty() {
            return self.none("Không có hoạt động nào ghi lý do chưa làm được.", "No reason was recorded.");
        }
        self.name_column(&mut table, "Lý do", "Reason");
        let meaning = ["Số hoạt động có lý do này", "Activities with this reason"];
        self.column(&mut table, "activities", ["Lượt", "Activities"], meaning, NARROW);
        let share = ["Tỷ lệ trong các lý do", "Share of all reasons"];
        self.column(&mut table, "share", ["Tỷ lệ (%)", "Share (%)"], share, NARROW);
        let whole = Fraction::whole(reasons.values().map(|count| i128::from(*count)).sum());
        let mut ordered: Vec<(&String, &u64)> = reasons.iter().collect();
        ordered.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let labels = self.input.indicators.catalogue().list("failure_reason").unwrap_or_default();
        for (code, count) in ordered.into_iter().take(top) {
            let label = labels.iter().find(|choice| choice.code == *code);
            let label = label.map_or(code.as_str(), |choice| self.pick(&choice.vi, &choice.en));
            let number = self.number((*count).into(), true);
            let share = match number {
                CellValue::Few => Cell::of(CellValue::Few),
                _ => self.percent(&mut table, Fraction::whole((*count).into()), whole, Missing::NothingThere),
            };
            let number = self.cell(number, Counted::Kind, "*", &format!("failure_reason={code}"));
            table.rows.push(Row { style: RowStyle::Plain, cells: vec![Cell::text(label), number, share] });
        }
        self.finish(table)
    }

    fn breakdown(&mut self, mut table: Table, kind: &str, field: &str, sums: &[String]) -> Vec<Item> {
        let lines = self.input.counts.breakdowns.get(&table.code).filter(|lines| !lines.is_empty());
        let catalogue = self.input.indicators.catalogue();
        let (Some(lines), Some(kind)) = (lines, catalogue.kind(kind)) else {
            return vec![self.paragraph(format!("{}: {}", table.title, self.pick("không phát sinh.", "none.")))];
        };
        let label = |field: &str, lang| catalogue.field_label(&kind.code, field, lang).unwrap_or_default().to_owned();
        let both = |field: &str| [label(field, Lang::Vi), label(field, Lang::En)];
        let done = ["Hoạt động hoàn thành trong kỳ", "Activities done in the period"].map(str::to_owned);
        self.titled_column(&mut table, "name", both(field), done.clone(), WIDE);
        self.titled_column(&mut table, "activities", ["Số lượt", "Activities"].map(str::to_owned), done, NARROW);
        for sum in sums {
            let meaning = ["Cộng các số đã ghi", "Sum of the numbers recorded"].map(str::to_owned);
            self.titled_column(&mut table, sum, both(sum), meaning, NARROW);
        }
        let row = |style, name: &str, part: &str, activities: u64, numbers: &[i128]| {
            let cell = |number: i128, persons: bool, part: &str| {
                self.cell(self.number(number, persons), Counted::Kind, &kind.code, part)
            };
            let sums = sums.iter().zip(numbers);
            let sums = sums.map(|(sum, number)| cell(*number, sum.starts_with(PARTICIPANTS), &format!("{part}:{sum}")));
            let first = [Cell::text(name), cell(activities.into(), false, part)];
            Row { style, cells: first.into_iter().chain(sums).collect() }
        };
        let order = kind.field(field).map_or(&[][..], |field| field.choices());
        let known = order.iter().filter_map(|choice| {
            Some((self.pick(&choice.vi, &choice.en), choice.code.as_str(), lines.get(&choice.code)?))
        });
        let unnamed = lines.get("").map(|line| (self.pick("(không ghi)", "(not recorded)"), "", line));
        for (name, code, line) in known.chain(unnamed) {
            let part = format!("{field}={code}");
            table.rows.push(row(RowStyle::Plain, name, &part, line.activities, &line.sums));
        }
        let total = |at: usize| lines.values().map(|line| line.sums[at]).sum::<i128>();
        let totals: Vec<i128> = (0..sums.len()).map(total).collect();
        let activities = lines.values().map(|line| line.activities).sum();
        table.rows.push(row(RowStyle::Total, self.pick("Cộng", "Total"), field, activities, &totals));
        self.finish(table)
    }

    fn indicators(&mut self, mut table: Table, sets: &[String]) -> Vec<Item> {
        let (input, indicators) = (self.input, self.input.indicators);
        self.name_column(&mut table, "Chỉ tiêu", "Indicator");
        let columns = [
            ("numerator", ["Tử số", "Part"], ["Số đạt", "The number above the line"]),
            ("denominator", ["Mẫu số", "Whole"], ["Số gốc để tính tỷ lệ", "The base number, below the line"]),
            (
                "value",
                ["Giá trị", "Value"],
                ["Giá trị của chỉ tiêu; tỷ lệ tính bằng %", "The value; shares in percent"],
            ),
            ("target", ["Mục tiêu", "Target"], ["Mức phải đạt", "What is to be reached"]),
        ];
        for (code, title, meaning) in columns {
            self.column(&mut table, code, title, meaning, NARROW);
        }
        let met = ["So với mục tiêu", "Against the target"];
        self.column(&mut table, "met", ["Kết quả", "Result"], met, MIDDLE);
        let mut remarks = Vec::new();
        for set in sets.iter().filter_map(|code| indicators.set(code)) {
            if sets.len() > 1 {
                let blanks = (1..table.columns.len()).map(|_| Cell::of(CellValue::Blank));
                let cells = [Cell::text(set.label(self.lang))].into_iter().chain(blanks).collect();
                table.rows.push(Row { style: RowStyle::Group, cells });
            }
            for indicator in &set.indicators {
                if let Some(figure) = input.counts.figures.get(&indicator.code) {
                    let row = self.indicator_row(&mut table, indicator, figure);
                    table.rows.push(row);
                    self.explain_indicator(indicator);
                }
            }
            if let Some(check) = input.counts.checks.get(&set.code) {
                remarks.push(self.paragraph(self.check_words(set.label(self.lang), check)));
            }
        }
        table.remark(&self.freshness());
        let mut items = self.finish(table);
        items.append(&mut remarks);
        items
    }

    fn indicator_row(&self, table: &mut Table, indicator: &Indicator, figure: &Figure) -> Row {
        let code = indicator.code.as_str();
        let persons = rests_on_persons(&indicator.formula, self.input.indicators.catalogue());
        let value = self.figure_cell(table, figure, Counted::Indicator, code, persons);
        let part = |number: Option<Fraction>, part: &str| match number {
            Some(_) if value.value == CellValue::Few && part == "numerator" => {
                self.cell(CellValue::Few, Counted::Indicator, code, part)
            }
            Some(number) => self.cell(CellValue::Count(number), Counted::Indicator, code, part),
            None => Cell::of(CellValue::Blank),
        };
        let is_share = indicator.formula.is_share();
        let numerator = part(figure.numerator.filter(|_| is_share), "numerator");
        let denominator = part(figure.denominator, "denominator");
        let target = match indicator.target_for(&self.input.overrides) {
            Some(target) if indicator.unit == FigureUnit::Percent => {
                Cell::of(CellValue::Percent(Fraction::from(target)))
            }
            Some(target) => Cell::of(CellValue::Count(Fraction::from(target))),
            None => self.dash(table, Missing::NoTarget),
        };
        let met = match indicator.met(figure, &self.input.overrides) {
            Met::Yes => self.pick("Đạt", "Met"),
            Met::No => self.pick("Chưa đạt", "Not met"),
            Met::NoTarget => self.pick("Không đặt mục tiêu", "No target"),
            Met::Empty(_) => self.pick("Chưa có số liệu", "No figure"),
        };
        let name = match indicator.unit {
            FigureUnit::Percent => format!("{} (%)", indicator.label(self.lang)),
            _ => indicator.label(self.lang).to_owned(),
        };
        let mut name = Cell::text(name);
        if let Some((reported, all)) = figure.reporting.filter(|(reported, all)| reported < all) {
            name.note = Some(table.note(&match self.lang {
                Lang::Vi => format!("Mới có số liệu của {reported}/{all} thôn."),
                Lang::En => format!("Only {reported} of {all} villages reported."),
            }));
        }
        Row { style: RowStyle::Plain, cells: vec![name, numerator, denominator, value, target, Cell::text(met)] }
    }

    fn check_words(&self, set: &str, check: &SetCheck) -> String {
        let ((must, of_must), (may, of_may)) = (check.mandatory, check.optional);
        match (self.lang, check.recognised) {
            (Lang::Vi, true) => format!(
                "{set}: đạt {must}/{of_must} chỉ tiêu bắt buộc, {may}/{of_may} chỉ tiêu khác; đủ điều kiện đề nghị công nhận."
            ),
            (Lang::Vi, false) => format!(
                "{set}: đạt {must}/{of_must} chỉ tiêu bắt buộc, {may}/{of_may} chỉ tiêu khác; chưa đủ điều kiện công nhận."
            ),
            (Lang::En, true) => {
                format!("{set}: {must} of {of_must} mandatory, {may} of {of_may} others met; can be recognised.")
            }
            (Lang::En, false) => {
                format!("{set}: {must} of {of_must} mandatory, {may} of {of_may} others met; not enough yet.")
            }
        }
    }

    fn explain_indicator(&mut self, indicator: &Indicator) {
        let indicators = self.input.indicators;
        let formula = &indicator.formula;
        let (numerator, denominator) = match formula {
            Formula::Ratio { num, den } => (indicators.describe(num, self.lang), indicators.describe(den, self.lang)),
            _ => Default::default(),
        };
        let describe = |lang| indicators.describe(formula, lang);
        let entry = Entry {
            code: indicator.code.clone(),
            name: [indicator.vi.clone(), indicator.en.clone()],
            meaning: ["Chỉ tiêu của bộ chỉ tiêu", "An indicator of the set"].map(str::to_owned),
            formula: [describe(Lang::Vi), describe(Lang::En)],
            numerator,
            denominator,
            source: self.source(formula),
        };
        self.dictionary.insert(entry.code.clone(), entry);
    }

    /// Where the numbers of a formula come from.
    fn source(&self, formula: &Formula) -> String {
        let of = |term: &Formula| match term {
            Formula::Denominator { .. } => self.pick("số gốc do cán bộ nhập", "base numbers entered by the officer"),
            Formula::Manual { .. } => self.pick("số cán bộ nhập cho kỳ", "numbers typed for the period"),
            Formula::CaseShare { .. } => self.pick("sổ phản ánh, nhu cầu", "the register of cases"),
            Formula::TeamCount { .. } | Formula::MemberCount { .. } => {
                self.pick("danh sách tổ, thành viên", "the register of teams")
            }
            Formula::RecognitionCount { .. } => self.pick("sổ công nhận", "the register of recognitions"),
            Formula::TargetCompletion {} => self.pick("chỉ tiêu được giao", "the targets assigned"),
            Formula::VillageCount { .. } => {
                self.pick("thông tin thôn và hoạt động", "the villages' attributes and activities")
            }
            _ => self.pick("hoạt động đã ghi của các tổ", "activities recorded by the teams"),
        };
        let sources: BTreeSet<&str> = formula.terms().into_iter().map(of).collect();
        sources.into_iter().collect::<Vec<_>>().join("; ")
    }

    fn cases(&mut self, mut table: Table, kinds: &[String]) -> Vec<Item> {
        self.name_column(&mut table, "Nội dung", "Kind of case");
        let columns = [
            ("opened", ["Mới ghi nhận", "Opened"], ["Ghi nhận trong kỳ", "Opened in the period"]),
            ("answered", ["Đã trả lời", "Answered"], ["Trả lời trong kỳ", "Answered in the period"]),
            (
                "on_time",
                ["Đúng hạn", "On time"],
                ["Trả lời trong kỳ và đúng hạn", "Of those answered, by the last day"],
            ),
            ("share", ["Đúng hạn (%)", "On time (%)"], ["Đúng hạn so với đã trả lời", "On time, over answered"]),
            ("pending", ["Đang xử lý", "Pending"], ["Chưa trả lời vào ngày cuối kỳ", "Not answered on the last day"]),
            ("overdue", ["Quá hạn", "Overdue"], ["Chưa trả lời và đã quá hạn", "Not answered, and the limit is over"]),
        ];
        for (code, title, meaning) in columns {
            self.column(&mut table, code, title, meaning, NARROW);
        }
        let catalogue = self.input.indicators.catalogue();
        for code in kinds {
            let count = self.input.counts.cases.get(code).copied().unwrap_or_default();
            let label = match catalogue.label(code, self.lang) {
                Some(label) => label.to_owned(),
                None => self.case_label(code).to_owned(),
            };
            let number =
                |number: u64, part: &str| self.cell(self.number(number.into(), true), Counted::Case, code, part);
            let (answered, on_time) = (number(count.answered, "answered"), number(count.on_time, "on_time"));
            let share = match (&answered.value, &on_time.value) {
                (CellValue::Few, _) | (_, CellValue::Few) => Cell::of(CellValue::Few),
                _ => {
                    let [part, whole] = [count.on_time, count.answered].map(|number| Fraction::whole(number.into()));
                    self.percent(&mut table, part, whole, Missing::NothingThere)
                }
            };
            let cells = vec![
                Cell::text(label),
                number(count.opened, "opened"),
                answered,
                on_time,
                share,
                number(count.pending, "pending"),
                number(count.overdue, "overdue"),
            ];
            table.rows.push(Row { style: RowStyle::Plain, cells });
        }
        self.finish(table)
    }

    /// Cases that are no kind of activity.
    fn case_label(&self, code: &str) -> &'static str {
        match code {
            "data_subject_request" => self.pick("Yêu cầu về dữ liệu cá nhân", "Requests about personal data"),
            _ => self.pick("Hồ sơ nghi trùng", "Likely doubles"),
        }
    }

    fn units(&mut self, mut table: Table, columns: &[UnitColumn]) -> Vec<Item> {
        let input = self.input;
        let (indicators, catalogue) = (input.indicators, input.indicators.catalogue());
        if input.parts.is_empty() {
            return self.none("Chưa có đơn vị nào gửi số liệu.", "No unit has figures yet.");
        }
        self.name_column(&mut table, "Xã, phường", "Commune");
        let both = |vi: &str, en: &str| [vi.to_owned(), en.to_owned()];
        for column in columns {
            let (code, title, meaning) = match column {
                UnitColumn::Teams => {
                    ("teams", both("Số tổ", "Teams"), both("Tổ vào ngày cuối kỳ", "Teams on the last day"))
                }
                UnitColumn::Members => (
                    "members",
                    both("Thành viên", "Members"),
                    both("Thành viên vào ngày cuối kỳ", "Members on the last day"),
                ),
                UnitColumn::Kind(code) => {
                    let [vi, en] = KindColumn::Done.meaning();
                    let label = |lang| catalogue.label(code, lang).unwrap_or_default().to_owned();
                    (code.as_str(), [label(Lang::Vi), label(Lang::En)], both(vi, en))
                }
                UnitColumn::Indicator(code) => {
                    let Some(indicator) = indicators.indicator(code) else { continue };
                    let sign = if indicator.unit == FigureUnit::Percent { " (%)" } else { "" };
                    let meaning = both("Giá trị của chỉ tiêu", "The value of the indicator");
                    self.explain_indicator(indicator);
                    let label = |lang| format!("{}{sign}", indicator.label(lang));
                    (code.as_str(), [label(Lang::Vi), label(Lang::En)], meaning)
                }
            };
            self.titled_column(&mut table, code, title, meaning, NARROW);
        }
        for part in &input.parts {
            let mut cells = vec![Cell::text(&part.unit.name)];
            for column in columns {
                let cell = match column {
                    UnitColumn::Teams => self.cell(self.number(part.teams.into(), false), Counted::Team, "teams", ""),
                    UnitColumn::Members => {
                        self.cell(self.number(part.members.into(), false), Counted::Team, "members", "members")
                    }
                    UnitColumn::Kind(code) => match part.kinds.get(code) {
                        Some(figure) => {
                            let persons = catalogue.kind(code).is_some_and(counts_persons);
                            self.figure_cell(&mut table, figure, Counted::Kind, code, persons)
                        }
                        None => self.dash(&mut table, Missing::NotReported),
                    },
                    UnitColumn::Indicator(code) => match (part.figures.get(code), indicators.indicator(code)) {
                        (Some(figure), Some(indicator)) => {
                            let persons = rests_on_persons(&indicator.formula, catalogue);
                            self.figure_cell(&mut table, figure, Counted::Indicator, code, persons)
                        }
                        _ => self.dash(&mut table, Missing::NotReported),
                    },
                };
                let scope = part.unit.id.0;
                cells.push(Cell { reference: cell.reference.map(|r| Reference { scope, ..r }), ..cell });
            }
            table.rows.push(Row { style: RowStyle::Plain, cells });
        }
        table.remark(&self.freshness());
        self.finish(table)
    }

    fn late_list(&mut self, mut table: Table) -> Vec<Item> {
        let (input, today) = (self.input, self.input.as_of);
        let is_late = |part: &&Part| {
            let report = &part.report;
            let day = report.submitted.filter(|_| report.status.is_in()).unwrap_or(today);
            day > report.due
        };
        let late: Vec<_> = input.parts.iter().filter(is_late).collect();
        if late.is_empty() {
            return self.none("Không có đơn vị gửi muộn.", "No report is late.");
        }
        self.name_column(&mut table, "Xã, phường", "Commune");
        self.column(&mut table, "due", ["Hạn gửi", "Due"], ["Ngày cuối còn đúng hạn", "Last day in time"], NARROW);
        let meaning = ["Ngày đơn vị gửi báo cáo", "The day on which it was handed in"];
        self.column(&mut table, "submitted", ["Ngày gửi", "Submitted"], meaning, NARROW);
        let meaning = ["Số ngày muộn đến ngày gửi, hoặc đến ngày lấy số liệu", "Days until it came, or until today"];
        self.column(&mut table, "days_late", ["Muộn (ngày)", "Days late"], meaning, NARROW);
        let meaning = ["Báo cáo đang ở bước nào", "Where the report stands"];
        self.column(&mut table, "status", ["Trạng thái", "Status"], meaning, MIDDLE);
        for part in late {
            let report = &part.report;
            let came = report.submitted.filter(|_| report.status.is_in());
            let days = i128::from(came.unwrap_or(today).0) - i128::from(report.due.0);
            let submitted = match came {
                Some(day) => Cell::of(CellValue::Day(day)),
                None => self.dash(&mut table, Missing::NotSubmitted),
            };
            let status = match report.status {
                ReportStatus::Draft => self.pick("chưa gửi", "not submitted"),
                status => status.words(self.lang),
            };
            let cells = vec![
                Cell::text(&part.unit.name),
                Cell::of(CellValue::Day(report.due)),
                submitted,
                Cell::of(CellValue::Count(Fraction::whole(days))),
                Cell::text(status),
            ];
            table.rows.push(Row { style: RowStyle::Plain, cells });
        }
        self.finish(table)
    }
}

/// What field codes for people at a session begin with.
const PARTICIPANTS: &str = "participants";
/// What field codes for people of a village begin with.
const ADULTS: &str = "adults";

fn counts_persons(kind: &Kind) -> bool {
    kind.fields.iter().any(|field| field.reference.as_deref() == Some("person"))
}

/// Whether a figure's upper number counts persons, so that it is hidden where it is small.
fn rests_on_persons(formula: &Formula, catalogue: &Catalogue) -> bool {
    match formula.terms()[0] {
        Formula::StateCount { subject, .. } => subject == "person",
        Formula::ActivityCount { kinds, quantity_field: None, .. } => {
            kinds.iter().any(|kind| catalogue.kind(kind).is_none_or(counts_persons))
        }
        Formula::ActivityCount { quantity_field: Some(field), .. } | Formula::LatestField { field, .. } => {
            field.starts_with(PARTICIPANTS) || field.starts_with(ADULTS)
        }
        Formula::RecognitionCount { what, .. } => what == "digital_citizen",
        _ => false,
    }
}

/// Where one number of a line is hidden and the line's sum is known, hides the smallest other one too; until no line has
/// only one. The rows of a table of kinds add up by outcome, all columns add up to what stands below them or in another table.
fn protect(table: &mut Table, lang: Lang) {
    const OUTCOMES: [KindColumn; 4] = [KindColumn::Done, KindColumn::Partly, KindColumn::Already, KindColumn::NotDone];
    let plain: Vec<usize> = (0..table.rows.len()).filter(|row| table.rows[*row].style == RowStyle::Plain).collect();
    let is_outcome = |column: &Column| OUTCOMES.iter().any(|outcome| outcome.code() == column.code);
    let outcomes: Vec<usize> = (0..table.columns.len()).filter(|at| is_outcome(&table.columns[*at])).collect();
    let rows = plain.iter().map(|row| outcomes.iter().map(|column| (*row, *column)).collect());
    let columns = (0..table.columns.len()).map(|column| plain.iter().map(|row| (*row, column)).collect());
    let lines: Vec<Vec<(usize, usize)>> = rows.chain(columns).collect();
    loop {
        let lonely = lines.iter().find_map(|line| {
            let value = |(row, column): &(usize, usize)| &table.rows[*row].cells[*column].value;
            let hidden =
                |at: &&(usize, usize)| matches!(value(at), CellValue::Few | CellValue::Dash(Missing::Withheld));
            let number = |at: &(usize, usize)| match value(at) {
                CellValue::Count(number) | CellValue::Percent(number) if *number > Fraction::ZERO => {
                    Some((*number, *at))
                }
                _ => None,
            };
            if line.iter().filter(hidden).count() == 1 { line.iter().filter_map(number).min() } else { None }
        });
        let Some((_, (row, column))) = lonely else { return };
        let note = Some(table.note(Missing::Withheld.words(lang)));
        table.rows[row].cells[column] = Cell { value: CellValue::Dash(Missing::Withheld), reference: None, note };
    }
}
