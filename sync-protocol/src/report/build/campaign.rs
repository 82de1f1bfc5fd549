//! The tables of a campaign's day.

use super::super::campaign::{CampaignDay, CampaignKindLine};
use super::*;
use crate::campaign::DayCount;

impl Build<'_> {
    /// What the whole unit did, a line for each kind.
    pub(super) fn campaign_kinds(&mut self, mut table: Table) -> Vec<Item> {
        let Some(campaign) = &self.input.campaign else { return self.no_campaign() };
        self.name_column(&mut table, "Loại hoạt động", "Kind of activity");
        self.campaign_columns(&mut table);
        for line in &campaign.kinds {
            let mut cells = vec![Cell::text(self.kind_label(&line.kind))];
            cells.extend(self.campaign_cells(&mut table, &line.kind, &line.count, line.target));
            table.rows.push(Row { style: RowStyle::Plain, cells });
        }
        self.say_cut(&mut table);
        self.finish(table)
    }

    /// What each unit inside did, by its teams.
    pub(super) fn campaign_units(&mut self, mut table: Table) -> Vec<Item> {
        let Some(campaign) = &self.input.campaign else { return self.no_campaign() };
        if campaign.units.is_empty() {
            return self.none("Chưa có địa bàn nào phát sinh.", "No unit has done anything yet.");
        }
        self.name_column(&mut table, "Địa bàn", "Unit");
        self.column(&mut table, "kind", ["Loại hoạt động", "Kind"], ["Loại hoạt động", "Kind of activity"], WIDE);
        self.column(
            &mut table,
            "team",
            ["Tổ", "Team"],
            ["Tổ đã làm; trống khi tính cả địa bàn", "Who did it; empty for the whole unit"],
            MIDDLE,
        );
        self.campaign_columns(&mut table);
        for line in &campaign.units {
            let CampaignKindLine { kind, count, target } = &line.whole;
            let label = self.kind_label(kind);
            let lines = match line.teams.as_slice() {
                [(team, count)] => vec![(team.as_str(), count, *target)],
                teams => {
                    let whole = std::iter::once(("", count, *target));
                    whole.chain(teams.iter().map(|(team, count)| (team.as_str(), count, None))).collect()
                }
            };
            for (team, count, target) in lines {
                let mut cells = vec![Cell::text(&line.unit), Cell::text(&label), Cell::text(team)];
                cells.extend(self.campaign_cells(&mut table, kind, count, target));
                table.rows.push(Row { style: RowStyle::Plain, cells });
            }
        }
        if !campaign.quiet.is_empty() {
            let names = campaign.quiet.join("; ");
            table.remark(&format!("{}: {names}.", self.pick("Chưa phát sinh", "Nothing yet")));
        }
        self.finish(table)
    }

    /// What the paper is about, and the day.
    pub(super) fn campaign_subject(&self, words: &str, campaign: &CampaignDay) -> String {
        let date = self.date(campaign.day);
        match self.lang {
            Lang::Vi => format!("{words} “{}”, ngày {date}", campaign.title),
            Lang::En => format!("{words} “{}”, {date}", campaign.title),
        }
    }

    fn no_campaign(&self) -> Vec<Item> {
        self.none("Báo cáo này không gắn với chiến dịch nào.", "This report is about no campaign.")
    }

    fn kind_label(&self, kind: &str) -> String {
        self.input.indicators.catalogue().kind(kind).map_or(kind, |kind| kind.label(self.lang)).to_owned()
    }

    fn campaign_columns(&mut self, table: &mut Table) {
        let columns = [
            (
                "on_day",
                ["Trong ngày", "That day"],
                ["Hoàn thành, nhập trong ngày đến 17:00", "Done, entered until 17:00"],
            ),
            ("so_far", ["Lũy kế", "So far"], ["Hoàn thành từ đầu chiến dịch", "Done since the campaign began"]),
            ("approved", ["Đã duyệt", "Approved"], ["Phần lũy kế đã được duyệt", "The part of it that is approved"]),
            ("target", ["Chỉ tiêu", "Target"], ["Chỉ tiêu chiến dịch giao", "What the campaign asks for"]),
            ("completion", ["Đạt (%)", "Reached (%)"], ["Lũy kế so với chỉ tiêu", "So far over target"]),
        ];
        for (code, title, meaning) in columns {
            self.column(table, code, title, meaning, NARROW);
        }
    }

    fn campaign_cells(&self, table: &mut Table, kind: &str, count: &DayCount, target: Option<u64>) -> Vec<Cell> {
        let known = self.input.indicators.catalogue().kind(kind);
        let persons = known.is_some_and(counts_persons);
        let number =
            |number: u64, part: &str| self.cell(self.number(number.into(), persons), Counted::Kind, kind, part);
        let mut cells =
            vec![number(count.on_day, "on_day"), number(count.so_far, "so_far"), number(count.approved, "approved")];
        match target {
            None => cells.extend([Cell::of(CellValue::Blank), Cell::of(CellValue::Blank)]),
            Some(target) => {
                let whole = Fraction::whole(target.into());
                cells.push(Cell::of(CellValue::Count(whole)));
                let so_far = Fraction::whole(count.so_far.into());
                let hundred = Fraction::whole(100);
                let percent = so_far.over(whole).map_or(Fraction::ZERO, |share| share.times(hundred));
                let note = (percent > hundred).then(|| {
                    table.note(self.pick("Vượt chỉ tiêu chiến dịch, ghi là 100.", "Above the target, given as 100."))
                });
                let hides = matches!(self.number(count.so_far.into(), persons), CellValue::Few);
                let value = if hides { CellValue::Few } else { CellValue::Percent(percent.min(hundred)) };
                cells.push(Cell { value, reference: None, note });
            }
        }
        cells
    }

    fn say_cut(&self, table: &mut Table) {
        table.remark(self.pick(
            "Số trong ngày chốt lúc 17:00; nhập sau đó tính vào ngày hôm sau. Số chưa duyệt là số tạm tính.",
            "The day is cut at 17:00; what is entered later counts on the next day. What is not approved is provisional.",
        ));
    }
}
