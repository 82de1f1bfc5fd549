//! Facts, and the tally that adds them up.
//!
//! A tally is a commutative monoid: facts may come in any order, and tallies of any partition of them may be merged in
//! any order, with one result. A server keeps one per village and period; a phone builds it from its rows. What counts
//! once is kept as a set or as the first of its kind, never as a number that a second tally could count again. Only a
//! condensed history holds such numbers: those of units that no longer share anybody.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::formula::{Formula, HOUSEHOLD_CLASS, names_kind};
use super::{Indicators, Period};
use crate::catalogue::{Catalogue, Condition, Decimal, DedupeScope, DedupeWindow, Kind, Scalar, StateRule, StateValue};
use crate::cbor::Cbor;
use crate::decide::reporting_month;
use crate::entity::{Activity, VisitContent, activity_id};
use crate::ids::*;
use crate::row::Ver;
use crate::value::Value;
use crate::workflow::VisitStatus;

/// One activity of a visit, as its visit stands now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActivityFact {
    /// The activity.
    pub id: ActivityId,
    /// Its visit.
    pub visit: VisitId,
    /// Code of the kind.
    pub kind: String,
    /// The answers; they name the person, business, product or market.
    pub fields: BTreeMap<String, Value>,
    /// The day of the visit.
    pub day: Day,
    /// Where.
    pub village: UnitId,
    /// At whose house: the root ([`crate::household::root`]) of the household that the visit names, so that one that was
    /// entered twice counts once.
    pub household: Option<HouseholdId>,
    /// The household's class, where it is known: `normal`, `poor`, `near_poor`, `policy`.
    pub household_class: Option<String>,
    /// By which team.
    pub team: TeamId,
    /// The members who took part, the author included.
    pub members: BTreeSet<UserId>,
    /// The visit's status. Approved ones are official, submitted ones provisional, all others count nowhere.
    pub status: VisitStatus,
    /// Whether the visit was ever returned.
    pub returned: bool,
    /// The day on which it was handed in; `None` while the server has not received it.
    pub submitted: Option<Day>,
    /// A void visit counts nowhere.
    pub void: bool,
}

/// A visit with what its rows say of it.
#[derive(Clone, Copy, Debug)]
pub struct VisitFact<'v> {
    /// The visit.
    pub visit: VisitId,
    /// The event that holds its valid content.
    pub event: EventId,
    /// That event's own time, from which the ids of its activities derive.
    pub at: ClaimedMs,
    /// Who wrote it.
    pub author: UserId,
    /// The valid content.
    pub content: &'v VisitContent,
    /// The household's class, where it is known.
    pub household_class: Option<&'v str>,
    /// Its status.
    pub status: VisitStatus,
    /// Whether it was ever returned.
    pub returned: bool,
    /// The day on which the server received it as handed in.
    pub submitted: Option<Day>,
    /// Whether it was declared void.
    pub void: bool,
}

impl VisitFact<'_> {
    /// One fact for each of its activities.
    pub fn activities(&self) -> Vec<Fact> {
        let content = self.content;
        let fact = |(index, activity): (u32, &Activity)| {
            Fact::Activity(Box::new(ActivityFact {
                id: activity.id.unwrap_or_else(|| activity_id(self.event, self.at, index)),
                visit: self.visit,
                kind: activity.kind.clone(),
                fields: activity.fields.clone(),
                day: content.day,
                village: content.village,
                household: content.household,
                household_class: self.household_class.map(str::to_owned),
                team: content.team,
                members: content.members.iter().copied().chain([self.author]).collect(),
                status: self.status,
                returned: self.returned,
                submitted: self.submitted,
                void: self.void,
            }))
        };
        (0..).zip(&content.activities).map(fact).collect()
    }
}

/// A row that is no activity. Of two with the same key, the newer version holds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RowFact {
    /// Its version.
    pub ver: Ver,
    /// What it says.
    pub row: RowData,
}

/// What a row says.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RowData {
    /// An attribute of a village from a day on. Key: village, attribute, day.
    Village {
        /// The village.
        village: UnitId,
        /// For example `fibre_available`.
        attribute: String,
        /// First day.
        from: Day,
        /// What it is.
        value: Value,
    },
    /// A team. Key: team.
    Team {
        /// The team.
        team: TeamId,
        /// First day.
        from: Day,
        /// First day on which it is no longer in force.
        to: Option<Day>,
    },
    /// A membership. Key: membership.
    Member {
        /// The membership.
        id: TeamMemberId,
        /// The team.
        team: TeamId,
        /// Whose.
        user: UserId,
        /// First day.
        from: Day,
        /// First day on which it is no longer in force.
        to: Option<Day>,
    },
    /// A case. Key: case.
    Case {
        /// The case.
        id: CaseId,
        /// Its kind.
        kind: String,
        /// When it was opened.
        opened: Day,
        /// The last day of its limit.
        due: Option<Day>,
        /// The statuses it came to, each with its day, in order.
        steps: Vec<(Day, String)>,
    },
    /// A recognition. Key: recognition.
    Recognition {
        /// The recognition.
        id: Uuid,
        /// `digital_citizen`, `digital_commune`.
        what: String,
        /// Who was recognised; `None` once anonymised.
        subject: Option<Uuid>,
        /// The statuses it came to, each with its day, in order.
        steps: Vec<(Day, String)>,
    },
    /// A base number that an officer entered for a unit. Key: unit, code, first day.
    Denominator {
        /// The unit.
        unit: UnitId,
        /// Its code.
        code: String,
        /// First day; it holds until a later one begins.
        from: Day,
        /// The number.
        value: u64,
        /// Where it was taken from.
        source: String,
    },
    /// A number that an officer typed for a period. Key: unit, code, period.
    Manual {
        /// The unit.
        unit: UnitId,
        /// Its code.
        code: String,
        /// The period.
        period: Period,
        /// The number.
        value: Decimal,
    },
}

/// What makes two rows versions of one thing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct RowKey(u8, Uuid, String, Day, Day);

impl RowData {
    fn key(&self) -> RowKey {
        let simple = |tag: u8, id: Uuid| RowKey(tag, id, String::new(), Day(0), Day(0));
        match self {
            Self::Village { village, attribute, from, .. } => RowKey(0, village.0, attribute.clone(), *from, Day(0)),
            Self::Team { team, .. } => simple(1, team.0),
            Self::Member { id, .. } => simple(2, id.0),
            Self::Case { id, .. } => simple(3, id.0),
            Self::Recognition { id, .. } => simple(4, *id),
            Self::Denominator { unit, code, from, .. } => RowKey(5, unit.0, code.clone(), *from, Day(0)),
            Self::Manual { unit, code, period, .. } => RowKey(6, unit.0, code.clone(), period.from, period.to),
        }
    }
}

/// Anything that a figure may rest on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// One activity.
    Activity(Box<ActivityFact>),
    /// Another row.
    Row(RowFact),
}

/// What a repeat shares with the first: a hash over kind, subject, outcome, compared answers and time window.
pub(crate) type Claim = [u8; 32];

/// The first activity of a claim, and what it adds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct First {
    day: Day,
    pub(super) activity: ActivityId,
    amount: i128,
}

/// The newest answer or state of a subject. The id decides between two of one day: any rule will do, if all use it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Latest {
    pub(super) day: Day,
    pub(super) activity: ActivityId,
    pub(super) village: UnitId,
    pub(super) value: Value,
}

/// What one term adds up.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Cell {
    /// Activities that entered.
    pub(super) activities: u64,
    /// What those add that cannot be repeats; of shares, those that fulfil the condition. Condensed: the whole result.
    pub(super) sum: i128,
    /// Condensed: how many newest answers stand behind `sum`.
    pub(super) known: i128,
    pub(super) firsts: BTreeMap<Claim, First>,
    pub(super) subjects: BTreeSet<Uuid>,
    /// By subject; for villages also by attribute.
    pub(super) latest: BTreeMap<(Uuid, String), Latest>,
    pub(super) active: BTreeMap<(TeamId, Option<UserId>, Month), u64>,
}

fn keep<K: Ord, V: Ord>(map: &mut BTreeMap<K, V>, key: K, value: V, better: impl Fn(&V, &V) -> bool) {
    match map.get_mut(&key) {
        Some(held) if better(&value, held) => *held = value,
        Some(_) => {}
        None => {
            map.insert(key, value);
        }
    }
}

impl Cell {
    pub(super) fn merge(&mut self, other: &Self) {
        self.activities += other.activities;
        self.sum = self.sum.saturating_add(other.sum);
        self.known += other.known;
        self.subjects.extend(&other.subjects);
        for (claim, first) in &other.firsts {
            keep(&mut self.firsts, *claim, first.clone(), |new, held| new < held);
        }
        for (subject, latest) in &other.latest {
            keep(&mut self.latest, subject.clone(), latest.clone(), |new, held| new > held);
        }
        for (who, count) in &other.active {
            *self.active.entry(*who).or_default() += count;
        }
    }

    /// What was counted here and is no repeat of what `before` holds.
    pub(super) fn counted(&self, before: &Self) -> i128 {
        let new = self.firsts.iter().filter(|(claim, _)| !before.firsts.contains_key(*claim));
        new.fold(self.sum, |sum, (_, first)| sum.saturating_add(first.amount))
    }
}

/// The cells of one standing, by the place of their term; an empty cell is left out.
pub(super) type Lane = BTreeMap<usize, Cell>;

/// What a set of facts adds up to.
///
/// Each activity must be added to one tally only; rows may be added to several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally {
    indicators: Indicators,
    pub(super) approved: Lane,
    pub(super) submitted: Lane,
    pub(super) rows: BTreeMap<RowKey, RowFact>,
}

/// Two tallies that were made with different indicators or catalogues; build one of them anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("tallies of different indicator files cannot be added up; build the older one anew")]
pub struct MixedTallies;

impl MixedTallies {
    /// The stable code.
    pub fn code(self) -> &'static str {
        "mixed_tallies"
    }
}

impl Tally {
    /// A tally of nothing, for the terms of these indicators.
    pub fn new(indicators: &Indicators) -> Self {
        let (approved, submitted) = Default::default();
        Self { indicators: indicators.clone(), approved, submitted, rows: BTreeMap::new() }
    }

    /// Adds a fact.
    pub fn add(&mut self, fact: &Fact) {
        match fact {
            Fact::Row(row) => keep(&mut self.rows, row.row.key(), row.clone(), |new, held| new > held),
            Fact::Activity(activity) => {
                let lane = match activity.status {
                    _ if activity.void => return,
                    VisitStatus::Approved => &mut self.approved,
                    VisitStatus::Submitted => &mut self.submitted,
                    _ => return,
                };
                let catalogue = self.indicators.catalogue();
                for (at, term) in self.indicators.terms().iter() {
                    if let Some(cell) = enter(term, activity, catalogue) {
                        lane.entry(at).or_default().merge(&cell);
                    }
                }
            }
        }
    }

    /// Adds another tally's facts.
    ///
    /// # Errors
    /// [`MixedTallies`] when the two were made with different indicator files; then nothing is added.
    pub fn merge(&mut self, other: &Self) -> Result<(), MixedTallies> {
        if self.indicators != other.indicators {
            return Err(MixedTallies);
        }
        for (lane, others) in [(&mut self.approved, &other.approved), (&mut self.submitted, &other.submitted)] {
            for (at, cell) in others {
                lane.entry(*at).or_default().merge(cell);
            }
        }
        for (key, row) in &other.rows {
            keep(&mut self.rows, key.clone(), row.clone(), |new, held| new > held);
        }
        Ok(())
    }

    /// What one activity alone adds to a term, whatever its status.
    pub(super) fn alone(&self, term: &Formula, activity: &ActivityFact) -> Option<Cell> {
        enter(term, activity, self.indicators.catalogue())
    }
}

/// The facts of a period, and those before it: what came before makes a repeat of what comes after.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct History {
    pub(super) before: Tally,
    pub(super) now: Tally,
}

impl History {
    /// From the sum of all tallies before the period, and that of the period. Rows may be in either.
    ///
    /// # Errors
    /// [`MixedTallies`] when the two were made with different indicator files.
    pub fn new(before: Tally, now: Tally) -> Result<Self, MixedTallies> {
        if before.indicators == now.indicators { Ok(Self { before, now }) } else { Err(MixedTallies) }
    }

    /// From the facts themselves; activities after the period are passed over.
    pub fn of<'f>(indicators: &Indicators, facts: impl IntoIterator<Item = &'f Fact>, period: Period) -> Self {
        let (mut before, mut now) = (Tally::new(indicators), Tally::new(indicators));
        for fact in facts {
            match fact {
                Fact::Activity(activity) if activity.day > period.to => {}
                Fact::Activity(activity) if activity.day < period.from => before.add(fact),
                _ => now.add(fact),
            }
        }
        Self { before, now }
    }

    /// All rows, of each the newest version, as one tally keeps them.
    pub(super) fn newest_rows(&self) -> BTreeMap<RowKey, RowFact> {
        let mut rows = self.before.rows.clone();
        for (key, row) in &self.now.rows {
            keep(&mut rows, key.clone(), row.clone(), |new, held| new > held);
        }
        rows
    }

    /// Adds the history of another unit over the same period.
    ///
    /// # Errors
    /// [`MixedTallies`] when the two were made with different indicator files; then nothing is added.
    pub fn merge(&mut self, other: &Self) -> Result<(), MixedTallies> {
        self.before.merge(&other.before)?;
        self.now.merge(&other.now)
    }

    /// All rows, of each the newest version.
    pub(super) fn rows(&self) -> impl Iterator<Item = &RowData> {
        let older = self.before.rows.iter().filter(|(key, row)| self.now.rows.get(key).is_none_or(|now| now < *row));
        let newer = self.now.rows.iter().filter(|(key, row)| self.before.rows.get(key).is_none_or(|held| held <= *row));
        newer.chain(older).map(|(_, row)| &row.row)
    }
}

fn enter(term: &Formula, activity: &ActivityFact, catalogue: &Catalogue) -> Option<Cell> {
    let kind = catalogue.kind(&activity.kind);
    let mut cell = Cell { activities: 1, ..Cell::default() };
    let latest = |value: Value| Latest { day: activity.day, activity: activity.id, village: activity.village, value };
    match term {
        Formula::ActivityCount { kinds, count, quantity_field, wanted, .. } => {
            if !names_kind(kinds, &activity.kind) || !wanted.as_ref().is_none_or(|wanted| holds(wanted, activity)) {
                return None;
            }
            if let Some(subject) = count.subject() {
                cell.subjects.insert(subject_of(kind, subject, activity)?);
                return Some(cell);
            }
            let amount = match quantity_field {
                None => 1,
                Some(field) => match activity.fields.get(field)? {
                    Value::Int(number) => i128::from(*number),
                    _ => return None,
                },
            };
            match kind.and_then(|kind| claim(kind, activity)) {
                Some(claim) => {
                    cell.firsts.insert(claim, First { day: activity.day, activity: activity.id, amount });
                }
                None => cell.sum = amount,
            }
        }
        Formula::StateCount { subject, state, .. } => {
            let kind = kind?;
            let value = state_set(kind, subject, state, activity)?;
            cell.latest.insert((subject_of(Some(kind), subject, activity)?, String::new()), latest(value));
        }
        Formula::VillageCount { wanted } => {
            // Attributes that activities find out; the officer's rows are looked up when the figure is worked out.
            for attribute in wanted.0.keys() {
                if let Some(value) = kind.and_then(|kind| state_set(kind, "village", attribute, activity)) {
                    cell.latest.insert((activity.village.0, attribute.clone()), latest(value));
                }
            }
            if cell.latest.is_empty() {
                return None;
            }
        }
        Formula::LatestField { kind: wanted, field, aggregate } => {
            let value = activity.fields.get(field).filter(|value| matches!(value, Value::Int(_)))?;
            if *wanted != activity.kind {
                return None;
            }
            cell.latest
                .insert((subject_of(kind, aggregate.subject(), activity)?, String::new()), latest(value.clone()));
        }
        Formula::TeamCount { min_approved_activities: Some(_), .. } => {
            cell.active.insert((activity.team, None, reporting_month(activity.day)), 1);
        }
        Formula::MemberCount { min_approved_activities: Some(_), .. } => {
            let month = reporting_month(activity.day);
            cell.active.extend(activity.members.iter().map(|user| ((activity.team, Some(*user), month), 1)));
        }
        Formula::TimelinessShare { days } => {
            let submitted = activity.submitted?;
            cell.sum = i128::from(submitted.0 <= activity.day.0.saturating_add(*days));
        }
        Formula::NotReturnedShare {} => {
            if activity.status != VisitStatus::Approved {
                return None;
            }
            cell.sum = i128::from(!activity.returned);
        }
        _ => return None,
    }
    Some(cell)
}

fn holds(wanted: &Condition, activity: &ActivityFact) -> bool {
    let mut answers = wanted.clone();
    let classes = answers.0.remove(HOUSEHOLD_CLASS);
    let of_class = |classes: &Vec<Scalar>| {
        activity.household_class.as_ref().is_some_and(|class| classes.contains(&Scalar::Text(class.clone())))
    };
    classes.as_ref().is_none_or(of_class) && answers.holds(&activity.fields)
}

/// The id of what an activity is about; `None` when it does not name one.
pub(crate) fn subject_of(kind: Option<&Kind>, subject: &str, activity: &ActivityFact) -> Option<Uuid> {
    match subject {
        "household" => activity.household.map(|household| household.0),
        "village" => Some(activity.village.0),
        subject => {
            let field = kind?.fields.iter().find(|field| field.reference.as_deref() == Some(subject))?;
            match activity.fields.get(&field.code)? {
                Value::Ref(id) => Some(*id),
                _ => None,
            }
        }
    }
}

/// What an activity makes of a state; `None` when it leaves it alone.
pub(super) fn state_set(kind: &Kind, subject: &str, state: &str, activity: &ActivityFact) -> Option<Value> {
    let sets = |rule: &&StateRule| rule.subject == subject && rule.state == state && rule.when.holds(&activity.fields);
    match &kind.sets_state.iter().find(sets)?.value {
        StateValue::Fixed(value) => Some(Value::Bool(*value)),
        StateValue::Field { field } => activity.fields.get(field).cloned(),
        StateValue::Ratio { .. } | StateValue::Snapshot { .. } => None,
    }
}

/// What a repeat of this activity would share with it; `None` when the catalogue knows no repeat of it.
///
/// Windows are spans of the calendar, not distances to another activity, so that the order of arrival cannot matter.
/// The outcome is always compared: a failed try never stands in the way of a later success.
pub(crate) fn claim(kind: &Kind, activity: &ActivityFact) -> Option<Claim> {
    let scope = match kind.dedupe.scope {
        DedupeScope::None => return None,
        DedupeScope::Person => "person",
        DedupeScope::Household => "household",
        DedupeScope::Business => "business",
        DedupeScope::Product => "product",
        DedupeScope::Market => "market",
        DedupeScope::Village => "village",
    };
    let (year, month, _) = activity.day.civil();
    let window = match kind.dedupe.window? {
        DedupeWindow::Ever => 0,
        DedupeWindow::Day => i64::from(activity.day.0),
        DedupeWindow::Month => i64::from(reporting_month(activity.day).0),
        DedupeWindow::HalfYear => year * 2 + i64::from(month > 6),
        DedupeWindow::Year => year,
        // A case is one row for as long as it is open.
        DedupeWindow::OpenCase => return None,
    };
    let mut compared = BTreeMap::from([("outcome".to_owned(), activity.fields.get("outcome").cloned())]);
    for on in &kind.dedupe.on {
        let mut answer = activity.fields.get(&on.field).cloned();
        if let Some(Value::Codes(codes)) = &mut answer {
            codes.sort();
        }
        match (&on.equals, &answer) {
            (Some(wanted), Some(Value::Text(text))) if wanted == text => {}
            (Some(_), _) => return None,
            (None, _) => {
                compared.insert(on.field.clone(), answer);
            }
        }
    }
    let compared: BTreeMap<String, Value> =
        compared.into_iter().filter_map(|(field, answer)| Some((field, answer?))).collect();
    let mut hashed = Vec::new();
    kind.code.to_cbor(&mut hashed);
    subject_of(Some(kind), scope, activity)?.to_cbor(&mut hashed);
    window.to_cbor(&mut hashed);
    compared.to_cbor(&mut hashed);
    Some(*blake3::hash(&hashed).as_bytes())
}

impl Cell {
    /// Whether an activity that entered this cell alone as `alone` is what the whole cell keeps of it.
    pub(super) fn keeps(&self, alone: &Self, activity: ActivityId) -> bool {
        alone.firsts.keys().all(|claim| self.firsts.get(claim).is_some_and(|first| first.activity == activity))
            && alone.latest.keys().all(|id| self.latest.get(id).is_some_and(|latest| latest.activity == activity))
    }
}
