//! Reports: what a unit or team hands in for a period, as a document.
//!
//! Layouts are data; what a block works out is Rust; a renderer turns the document into bytes. Everything that a report
//! needs is passed in, so that the same input gives the same document. Source: docs/DOMAIN.md §11.

mod build;
mod campaign;
mod count;
mod document;
mod frozen;
mod layout;

use std::collections::BTreeMap;

pub use build::{NoLayout, build};
pub use campaign::{CampaignDay, CampaignKindLine, CampaignUnitLine};
pub use count::{BreakdownLine, CaseCount, Counts, FunnelStep, KindCount, KindFigures, TeamLine, since_new_year};
pub use document::{
    COUNTRY, Cell, CellValue, Column, Counted, DASH, Entry, FEW, Head, Item, Missing, Reference, ReportDocument, Row,
    RowStyle, Section, Signature, Table,
};
pub use frozen::{Difference, differences, freeze, snapshot_hash, thaw};
pub use layout::{
    Block, KindColumn, LAYOUT_BYTES_MAX, LayoutError, LayoutProblem, Layouts, ReportLayout, SCHEMA_VERSION,
    SectionLayout, Step, UnitColumn, Words,
};

use crate::calendar::{self, Report};
use crate::catalogue::Lang;
use crate::ids::{Day, TeamId, UnitId};
use crate::indicator::{Figure, Indicators, Level, Overrides, Period};

/// Where a report stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ReportStatus {
    /// Being written.
    Draft,
    /// Handed in.
    Submitted,
    /// Given back.
    Returned,
    /// Taken.
    Accepted,
}

impl ReportStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Draft, Self::Submitted, Self::Returned, Self::Accepted];

    /// The stable code.
    pub fn code(self) -> &'static str {
        ["draft", "submitted", "returned", "accepted"][self as usize]
    }

    /// In words.
    pub fn words(self, lang: Lang) -> &'static str {
        let vi = ["bản nháp", "đã gửi", "bị trả lại", "đã tiếp nhận"];
        let en = ["draft", "submitted", "returned", "accepted"];
        if lang == Lang::Vi { vi[self as usize] } else { en[self as usize] }
    }

    /// Whether it is with the one who asked for it.
    pub fn is_in(self) -> bool {
        matches!(self, Self::Submitted | Self::Accepted)
    }
}

/// A unit as it is called on the last day of the period.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReportUnit {
    /// The unit.
    pub id: UnitId,
    /// Its level; above [`Level::Commune`], small numbers of persons are hidden.
    pub level: Level,
    /// Its official name, for example `Xã Việt Hồng`.
    pub name: String,
    /// Names of what it lies in, from the nearest up; official.
    pub path: Vec<String>,
}

/// When a unit handed its report in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Submission {
    /// Where the report stands.
    pub status: ReportStatus,
    /// The day on which it was handed in.
    pub submitted: Option<Day>,
    /// The last day on which it is in time.
    pub due: Day,
}

/// A unit inside, for comparing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// The unit.
    pub unit: ReportUnit,
    /// Teams on the last day.
    pub teams: u64,
    /// Members on the last day.
    pub members: u64,
    /// What kinds achieved in the period.
    pub kinds: BTreeMap<String, Figure>,
    /// Indicators.
    pub figures: BTreeMap<String, Figure>,
    /// Its own report.
    pub report: Submission,
}

/// Everything that a report is made of.
#[derive(Clone, Debug)]
pub struct ReportInput<'i> {
    /// Which one.
    pub report: Report,
    /// Its layout is here.
    pub layouts: &'i Layouts,
    /// Labels and formulas; the same that the figures were worked out with.
    pub indicators: &'i Indicators,
    /// The body that issues it, for example `Ủy ban nhân dân xã Việt Hồng`.
    pub issuer: String,
    /// The body above it.
    pub superior: String,
    /// Where it is signed.
    pub place: String,
    /// The unit; for a team, the unit that the team belongs to.
    pub unit: ReportUnit,
    /// The team, in a team's report.
    pub team: Option<TeamId>,
    /// The period by name.
    pub period: calendar::Period,
    /// Its days.
    pub days: Period,
    /// The day on the paper.
    pub dated: Day,
    /// The day on which the numbers were taken.
    pub as_of: Day,
    /// How far the rows went.
    pub position: Option<u64>,
    /// The period still takes changes.
    pub open: bool,
    /// Where the report stands.
    pub status: ReportStatus,
    /// It was handed in after its last day.
    pub late: bool,
    /// What was typed, by code of the block.
    pub texts: BTreeMap<String, String>,
    /// What [`crate::units::Comparison::text`] says when units changed in the time that is compared.
    pub comparison: Option<String>,
    /// The teams, in order.
    pub teams: Vec<TeamLine>,
    /// What the facts say ([`Counts::of`]).
    pub counts: Counts,
    /// The unit's own targets by indicator.
    pub overrides: Overrides,
    /// The units inside, in order; for a province's report.
    pub parts: Vec<Part>,
    /// The day of a campaign that it is about.
    pub campaign: Option<CampaignDay>,
    /// Made-up facts: the title says so.
    pub sample: bool,
}
