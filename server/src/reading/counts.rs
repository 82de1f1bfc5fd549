//! Counts, with what is needed to explain them: how far each village had come, and the list behind each row.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sync_protocol::access::Action;
use sync_protocol::catalogue::Catalogue;
use sync_protocol::count::{CountKey, VISIT_ITSELF, is_achieved};
use sync_protocol::ids::*;
use sync_protocol::row::Class;
use sync_protocol::workflow::VisitStatus;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::*;

/// Which counts are wanted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CountQuery {
    /// A village, commune or province; everything below it is counted.
    pub unit: Uuid,
    /// The reporting month, `YYYY-MM`: it runs from the 15th of the month before to the 14th. Without it: all months.
    #[param(example = "2026-12")]
    pub month: Option<String>,
    /// `village`, `team`, `kind`, `status`, separated by commas. Without it there are only totals.
    #[param(example = "village,kind")]
    pub group_by: Option<String>,
}

/// By what rows are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Grouping {
    village: bool,
    team: bool,
    kind: bool,
    status: bool,
}

impl Grouping {
    fn parse(text: Option<&str>) -> Answer<Self> {
        let mut grouping = Self::default();
        for word in text.into_iter().flat_map(|text| text.split(',')) {
            match word {
                "village" => grouping.village = true,
                "team" => grouping.team = true,
                "kind" => grouping.kind = true,
                "status" => grouping.status = true,
                _ => return Err(ReadError::BadValue("group_by")),
            }
        }
        Ok(grouping)
    }

    fn key(self, cell: &CountKey) -> GroupKey {
        GroupKey {
            village: self.village.then_some(cell.village),
            team: self.team.then_some(cell.team),
            kind: self.kind.then(|| cell.kind.clone()),
            status: self.status.then_some(cell.status),
        }
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
struct GroupKey {
    village: Option<UnitId>,
    team: Option<TeamId>,
    kind: Option<String>,
    status: Option<VisitStatus>,
}

/// What was counted. A visit counts once, each of its activities once; a void visit counts nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, ToSchema)]
pub struct Tally {
    /// Visits. 0 in rows told apart by kind, because a visit may have several kinds: read `activities` there.
    pub visits: u32,
    /// Activities.
    pub activities: u32,
    /// Activities with the outcome `done`.
    pub achieved: u32,
    /// Approved visits; in rows told apart by kind, approved activities.
    pub approved: u32,
    /// Submitted visits (or activities) that wait for a decision.
    pub submitted: u32,
    /// Returned visits (or activities).
    pub returned: u32,
    /// Visits (or activities) that the server holds, whatever their status: what a phone shows as confirmed.
    pub confirmed: u32,
}

impl Tally {
    fn add(&mut self, cell: &CountKey, n: u64, by_kind: bool) {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        let add = |number: &mut u32| *number = number.saturating_add(n);
        let is_visit = cell.kind == VISIT_ITSELF;
        if is_visit {
            add(&mut self.visits);
        } else {
            add(&mut self.activities);
            if is_achieved(Catalogue::shipped(), cell) {
                add(&mut self.achieved);
            }
        }
        if is_visit != by_kind {
            add(&mut self.confirmed);
            match cell.status {
                VisitStatus::Approved => add(&mut self.approved),
                VisitStatus::Submitted => add(&mut self.submitted),
                VisitStatus::Returned => add(&mut self.returned),
                _ => {}
            }
        }
    }
}

/// One row.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CountRow {
    /// The village, when rows are told apart by village.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub village: Option<Named>,
    /// The team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<Named>,
    /// The kind of activity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The label of the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind_label: Option<Label>,
    /// The status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The numbers.
    #[serde(flatten)]
    pub tally: Tally,
    /// The list behind this row; absent where the asker sees counts only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
}

/// Counts.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CountView {
    /// The unit.
    pub unit: Named,
    /// The reporting month, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month: Option<String>,
    /// First and last day of that month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<[String; 2]>,
    /// The rows, in the order of their keys; none when only totals were asked for.
    pub rows: Vec<CountRow>,
    /// The sum over everything, told apart by nothing.
    pub totals: Tally,
    /// When this was counted, by the server's clock.
    #[schema(format = DateTime)]
    pub counted_at: String,
    /// How far each village had come: its buckets with their heads, 64-bit numbers as text. Two counts with the same
    /// heads are the same; a phone with the same heads counts the same. Left out above the commune.
    pub as_of: BTreeMap<Uuid, BTreeMap<String, String>>,
}

impl Reading {
    /// Counts visits and activities.
    pub async fn counts(&self, by: UserId, query: CountQuery) -> Answer<CountView> {
        let month = query.month.as_deref().map(|month| Month::parse(month).ok_or(ReadError::BadValue("month")));
        let month = month.transpose()?;
        let grouping = Grouping::parse(query.group_by.as_deref())?;
        self.read(by, move |scoped| scoped.counts(UnitId(query.unit), month, grouping)).await
    }
}

impl Scoped<'_> {
    fn counts(&mut self, unit: UnitId, month: Option<Month>, grouping: Grouping) -> Answer<CountView> {
        self.function(Action::ReadCounts)?;
        if !self.covers(Action::ReadCounts, unit)? || !self.unit_exists(unit)? {
            return Err(ReadError::NotFound);
        }
        // A month belongs to the commune in which the village lay on its last day: an old period stays as it was.
        let days = month.and_then(days_of);
        let (villages, depth) = self.below(unit, days.map(|(_, last)| last))?;
        let cells = self.tx.counts(&villages, month)?;
        let mut totals = Tally::default();
        let mut groups: BTreeMap<GroupKey, Tally> = BTreeMap::new();
        for (cell, n) in &cells {
            totals.add(cell, *n, false);
            // A row about a kind counts activities; visits themselves have no kind.
            if !grouping.kind || cell.kind != VISIT_ITSELF {
                groups.entry(grouping.key(cell)).or_default().add(cell, *n, grouping.kind);
            }
        }
        let mut rows = Vec::new();
        if grouping != Grouping::default() {
            for (key, tally) in groups {
                rows.push(self.count_row(unit, days, key, tally)?);
            }
        }
        let mut as_of = BTreeMap::new();
        for village in villages.iter().filter(|_| depth < 2) {
            let heads = self.tx.buckets_of((*village).into())?.into_iter().map(|(id, bucket)| {
                let name = match id.class {
                    Class::Control => "control".to_owned(),
                    Class::Register => "register".to_owned(),
                    Class::Notice => "notice".to_owned(),
                    Class::Event => format!("event-{}q{}", id.quarter / 4, id.quarter % 4 + 1),
                };
                (name, bucket.head.to_string())
            });
            as_of.insert(village.0, heads.collect());
        }
        Ok(CountView {
            unit: self.unit_named(unit)?,
            month: month.map(|month| month.to_string()),
            days: days.map(|(from, to)| [from.to_string(), to.to_string()]),
            rows,
            totals,
            counted_at: rfc3339(self.now.0),
            as_of,
        })
    }

    fn count_row(&mut self, unit: UnitId, days: Option<(Day, Day)>, key: GroupKey, tally: Tally) -> Answer<CountRow> {
        let catalogue = Catalogue::shipped();
        let place = key.village.unwrap_or(unit);
        let list = self.may(Action::ReadRows, place.into()).then(|| {
            let mut link = format!("/api/v1/visits?unit={place}");
            let mut add = |name: &str, value: Option<String>| {
                link.extend(value.map(|value| format!("&{name}={value}")));
            };
            add("team", key.team.map(|team| team.to_string()));
            add("kind", key.kind.clone());
            add("status", key.status.map(|status| status.code().to_owned()));
            add("from", days.map(|(from, _)| from.to_string()));
            add("to", days.map(|(_, to)| to.to_string()));
            link
        });
        Ok(CountRow {
            village: match key.village {
                Some(village) => Some(self.unit_named(village)?),
                None => None,
            },
            team: match key.team {
                Some(team) => Some(self.team_named(team)?),
                None => None,
            },
            kind_label: key.kind.as_ref().and_then(|code| {
                let kind = catalogue.kind(code)?;
                Some(Label { vi: kind.vi.clone(), en: kind.en.clone() })
            }),
            kind: key.kind,
            status: key.status.map(|status| status.code().to_owned()),
            tally,
            list,
        })
    }

    /// Whether a right that somebody holds somewhere reaches a unit: in it, or in a unit above it.
    pub(super) fn covers(&mut self, action: Action, unit: UnitId) -> Answer<bool> {
        const LEVELS: usize = 4;
        let mut next = Some(unit);
        for _ in 0..LEVELS {
            let Some(unit) = next else { return Ok(false) };
            if self.may(action, unit.into()) {
                return Ok(true);
            }
            next = self.parent(unit)?;
        }
        Ok(false)
    }

    pub(super) fn parent(&mut self, unit: UnitId) -> Answer<Option<UnitId>> {
        use sync_protocol::entity::{UnitParent, unit};
        use sync_protocol::row::RowType;
        let found = self.register(RowType::UNIT, unit.0)?;
        let parent = found.and_then(|(_, register)| register.group::<UnitParent>(unit::PARENT));
        Ok(parent.map(|parent| parent.parent).filter(|parent| *parent != unit))
    }

    /// A unit with everything below it, at present or on a day, and how many levels that is.
    pub(super) fn below(&mut self, unit: UnitId, day: Option<Day>) -> Answer<(Vec<UnitId>, usize)> {
        const LEVELS: usize = 4;
        let mut all = vec![unit];
        let (mut from, mut depth) = (0, 0);
        while depth < LEVELS {
            let mut next = Vec::new();
            for unit in &all[from..] {
                next.extend(match day {
                    Some(day) => self.tx.units_below_on(*unit, day)?,
                    None => self.tx.units_below(*unit)?,
                });
            }
            next.retain(|unit| !all.contains(unit));
            if next.is_empty() {
                break;
            }
            (from, depth) = (all.len(), depth + 1);
            all.extend(next);
        }
        Ok((all, depth))
    }
}

/// First and last day of a reporting month.
pub(super) fn days_of(month: Month) -> Option<(Day, Day)> {
    let civil = |month: u32| (i64::from(month / 12), month % 12 + 1);
    let (year, number) = civil(month.0);
    let (year_before, number_before) = civil(month.0.checked_sub(1)?);
    let last = Month::LAST_DAY_DEFAULT;
    Some((Day::from_civil(year_before, number_before, last + 1)?, Day::from_civil(year, number, last)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reporting_month_has_the_days_that_count_in_it() {
        for text in ["2026-12", "2027-01", "2028-03"] {
            let month = Month::parse(text).unwrap();
            let (first, last) = days_of(month).unwrap();
            let of = |day: u32| sync_protocol::decide::reporting_month(Day(day));
            assert_eq!((of(first.0), of(last.0)), (month, month));
            assert!(of(first.0 - 1) < month && of(last.0 + 1) > month);
        }
    }

    #[test]
    fn only_known_groupings_are_taken() {
        assert!(Grouping::parse(Some("village,kind")).is_ok());
        assert!(Grouping::parse(Some("village,month")).is_err());
        assert_eq!(Grouping::parse(None).unwrap(), Grouping::default());
    }
}
