//! What the desk reads. Scope is in the query, never a filter behind it; whoever may not see something learns nothing.
//!
//! Every read runs on one snapshot with the principal as it stands in it. `Scoped` is the only way to rows, and it is
//! made only from a principal. Reading one visit or household leaves an audit entry, a list leaves one with its filter
//! and count; the answer goes out after the entry is on disk. Source: docs/SECURITY.md, "Authorisation".

pub mod announcements;
pub mod campaign_report;
pub mod campaigns;
pub mod cases;
pub mod country;
pub mod counts;
pub mod duplicates;
pub mod field_cases;
pub mod figures;
pub mod households;
pub mod indicators;
pub mod league;
pub mod lists;
pub mod overview;
pub mod papers;
pub mod people;
pub mod places;
pub mod plain;
pub mod quality;
pub mod reports;
pub(crate) mod support;
pub mod trail;
pub mod units;
pub mod visits;

use std::collections::BTreeMap;
use std::sync::Arc;

use sync_protocol::access::{Action, INSTALLATION, Principal, Role, authorise};
use sync_protocol::cbor::Cbor;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::row::{Event, Register, RowType};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::desk::{has_function, home_scope};
use crate::principal::principal;
use crate::shapes::Shapes;
use crate::storage::{StorageError, Store, Tx};
use crate::sync::{Clock, Random};
use crate::work::{AuditBody, Work, audit_body};

/// Most items of a page.
pub const PAGE_MAX: usize = 200;
/// Items of a page when nothing is asked.
pub const PAGE_DEFAULT: usize = 50;
/// Most rows that one request looks through.
const SCAN_MAX: usize = 5_000;
const SCAN_PAGE: usize = 500;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not there, or not the asker's to see.
    #[error("not found")]
    NotFound,
    /// The asker's roles do not have this function anywhere.
    #[error("not allowed")]
    NotAllowed,
    /// A parameter that is not taken.
    #[error("{0} is not valid")]
    BadValue(&'static str),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Shorthand.
pub type Answer<T> = Result<T, ReadError>;

/// A place among the rows of several scopes.
type Place = (ScopeId, Uuid);

/// One page of a list.
#[derive(Clone, PartialEq, Debug, serde::Serialize, ToSchema)]
pub struct Page<T: ToSchema> {
    /// The items.
    pub items: Vec<T>,
    /// Give this as `cursor` for the next page; absent on the last. A page may be shorter than its limit, even empty,
    /// while there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A name with the id that it belongs to.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, ToSchema)]
pub struct Named {
    /// The id.
    pub id: Uuid,
    /// The name.
    pub name: String,
}

/// A text in the two languages of the interface.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, ToSchema)]
pub struct Label {
    /// Vietnamese.
    pub vi: String,
    /// English.
    pub en: String,
}

/// What is noted about a reading.
pub struct Entry {
    /// In whose chain.
    pub scope: ScopeId,
    /// About which row.
    pub object: Option<Uuid>,
    /// How it ended; for a list, how many items it had.
    pub outcome: String,
    /// Under which filter. Ids and codes only, never what was typed.
    pub filter: Option<String>,
}

/// The desk's half of reading.
pub struct Reading {
    store: Store,
    clock: Clock,
    random: Random,
    known: Arc<figures::Known>,
    shapes: Arc<Shapes>,
}

impl Reading {
    /// Builds it.
    pub fn new(store: Store, clock: Clock, random: Random) -> Self {
        Self { store, clock, random, known: Arc::default(), shapes: Arc::default() }
    }

    /// With the shapes of places, for maps.
    #[must_use]
    pub fn with_shapes(self, shapes: Shapes) -> Self {
        Self { shapes: Arc::new(shapes), ..self }
    }

    /// Reads on one snapshot.
    async fn read<T: Send + 'static>(
        &self,
        by: UserId,
        mut work: impl FnMut(&mut Scoped<'_>) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let now = (self.clock)();
        let answer = self.store.read(move |tx| Scoped::new(tx, by, now).map(|mut scoped| work(&mut scoped)));
        answer.await?
    }

    /// Reads on one snapshot and leaves an audit entry, also when nothing was found; then the entry lies where the asker
    /// is at home, so that an absent row and a foreign one leave the same trace in the same time.
    async fn read_noted<T: Send + 'static>(
        &self,
        by: UserId,
        action: &'static str,
        object: Option<Uuid>,
        mut work: impl FnMut(&mut Scoped<'_>) -> Answer<(T, Entry)> + Send + 'static,
    ) -> Answer<T> {
        let now = (self.clock)();
        let read = self.store.read(move |tx| {
            let mut scoped = Scoped::new(tx, by, now)?;
            let home = home_scope(&scoped.principal);
            Ok((home, work(&mut scoped)))
        });
        let (home, answer) = read.await?;
        let refused = |outcome: &str| Entry { scope: home, object, outcome: outcome.to_owned(), filter: None };
        let (answer, entry) = match answer {
            Ok((answer, entry)) => (Ok(answer), entry),
            Err(ReadError::NotFound) => (Err(ReadError::NotFound), refused("not_found")),
            Err(ReadError::NotAllowed) => (Err(ReadError::NotAllowed), refused("not_allowed")),
            Err(other) => return Err(other),
        };
        let mut salt = [0; 16];
        (self.random)(&mut salt);
        let body = AuditBody {
            object: entry.object,
            reason: entry.filter,
            ..audit_body(salt, now, by, action, &entry.outcome)
        };
        self.store
            .write(move |tx| {
                let mut work = Work::new(tx, now);
                work.audit(entry.scope, body.clone());
                work.finish()
            })
            .await?;
        answer
    }
}

/// A snapshot as one principal may see it.
pub(crate) struct Scoped<'t> {
    tx: &'t mut dyn Tx,
    principal: Principal,
    now: ServerMs,
    unit_names: BTreeMap<UnitId, String>,
    team_names: BTreeMap<TeamId, String>,
    user_names: BTreeMap<UserId, String>,
}

impl<'t> Scoped<'t> {
    fn new(tx: &'t mut dyn Tx, by: UserId, now: ServerMs) -> Result<Self, StorageError> {
        let principal = principal(tx, by, now)?;
        Ok(Self::of(tx, principal, now))
    }

    fn of(tx: &'t mut dyn Tx, principal: Principal, now: ServerMs) -> Self {
        let (unit_names, team_names, user_names) = Default::default();
        Self { tx, principal, now, unit_names, team_names, user_names }
    }

    fn may(&self, action: Action, scope: ScopeId) -> bool {
        authorise(&self.principal, action, scope, None, self.now).role().is_some()
    }

    /// Refuses what the asker's roles have nowhere.
    fn function(&self, action: Action) -> Answer<()> {
        if has_function(&self.principal, action, self.now) { Ok(()) } else { Err(ReadError::NotAllowed) }
    }

    /// Passes what is in a scope of the asker's; the rest does not exist.
    fn within<T>(&self, action: Action, found: Option<(ScopeId, T)>) -> Answer<(ScopeId, T)> {
        self.function(action)?;
        found.filter(|(scope, _)| self.may(action, *scope)).ok_or(ReadError::NotFound)
    }

    /// The scopes in which to look: a unit with what lies directly below it, or all that the asker holds.
    fn scopes(&mut self, action: Action, unit: Option<UnitId>) -> Answer<Vec<ScopeId>> {
        self.function(action)?;
        let mut scopes: Vec<ScopeId> = match unit {
            Some(unit) => {
                if !self.may(action, unit.into()) || !self.unit_exists(unit)? {
                    return Err(ReadError::NotFound);
                }
                let below = self.tx.units_below(unit)?;
                std::iter::once(unit).chain(below).map(ScopeId::from).collect()
            }
            None => self.principal.holdings.iter().map(|holding| holding.scope).collect(),
        };
        scopes.retain(|scope| self.may(action, *scope));
        scopes.sort();
        scopes.dedup();
        Ok(scopes)
    }

    fn unit_exists(&mut self, unit: UnitId) -> Answer<bool> {
        Ok(ScopeId::from(unit) == INSTALLATION || self.register(RowType::UNIT, unit.0)?.is_some())
    }

    /// Whether names of people of a scope are shown as they are: to the team that works there, and to nobody else.
    fn sees_names(&self, scope: ScopeId) -> bool {
        self.may(Action::WriteHousehold, scope)
    }

    /// Whether a scope's restricted answers are shown: to the team and to the commune.
    fn sees_restricted(&self, scope: ScopeId) -> bool {
        self.sees_names(scope) || self.may(Action::ApproveVisit, scope)
    }

    /// Whether the asker holds one of these roles in a scope; an installation's holding covers all of it.
    fn holds(&self, roles: &[Role], scope: ScopeId) -> bool {
        self.principal.holdings.iter().any(|holding| {
            holding.ended.is_none()
                && roles.contains(&holding.role)
                && (holding.scope == scope || holding.scope == INSTALLATION)
        })
    }

    fn register(&mut self, ty: RowType, id: Uuid) -> Answer<Option<(ScopeId, Register)>> {
        let Some((scope, bytes)) = self.tx.live(ty, id)? else { return Ok(None) };
        Ok(Some((scope, register_of(&bytes)?)))
    }

    fn event(&mut self, ty: RowType, id: EventId) -> Answer<Option<(ScopeId, Event)>> {
        let Some((scope, bytes)) = self.tx.live(ty, id.0)? else { return Ok(None) };
        Ok(Some((scope, event_of(&bytes)?)))
    }

    /// Walks through the registers of a type, scope by scope, behind a place; gives the items that `pick` makes of them
    /// and the place where it stopped.
    fn walk<T>(
        &mut self,
        scopes: &[ScopeId],
        ty: RowType,
        from: Option<Place>,
        limit: usize,
        mut pick: impl FnMut(&mut Self, ScopeId, Register) -> Answer<Option<T>>,
    ) -> Answer<(Vec<T>, Option<Place>)> {
        let (mut items, mut seen) = (Vec::new(), 0);
        for scope in scopes.iter().filter(|scope| from.is_none_or(|(at, _)| **scope >= at)) {
            let mut after = from.filter(|(at, _)| at == scope).map(|(_, id)| id);
            loop {
                let rows = self.tx.rows_of(*scope, ty, after, SCAN_PAGE)?;
                let is_last = rows.len() < SCAN_PAGE;
                for bytes in rows {
                    let register = register_of(&bytes)?;
                    let id = register.id;
                    if items.len() == limit || seen == SCAN_MAX {
                        let place = after.map(|id| (*scope, id)).unwrap_or((*scope, Uuid::nil()));
                        return Ok((items, Some(place)));
                    }
                    seen += 1;
                    items.extend(pick(self, *scope, register)?);
                    after = Some(id);
                }
                if is_last {
                    break;
                }
            }
        }
        Ok((items, None))
    }

    fn unit_name(&mut self, unit: UnitId) -> Answer<String> {
        if let Some(name) = self.unit_names.get(&unit) {
            return Ok(name.clone());
        }
        let found = self.register(RowType::UNIT, unit.0)?;
        let identity = found.and_then(|(_, unit)| unit.group::<UnitIdentity>(unit::IDENTITY));
        let name = identity.map(|identity| identity.full_name).unwrap_or_default();
        self.unit_names.insert(unit, name.clone());
        Ok(name)
    }

    fn unit_named(&mut self, unit: UnitId) -> Answer<Named> {
        Ok(Named { id: unit.0, name: self.unit_name(unit)? })
    }

    fn team_named(&mut self, team: TeamId) -> Answer<Named> {
        let name = match self.team_names.get(&team) {
            Some(name) => name.clone(),
            None => {
                let found = self.register(RowType::TEAM, team.0)?;
                let identity = found.and_then(|(_, team)| team.group::<TeamIdentity>(team::IDENTITY));
                let name = identity.map(|identity| identity.name).unwrap_or_default();
                self.team_names.insert(team, name.clone());
                name
            }
        };
        Ok(Named { id: team.0, name })
    }

    /// The name of a colleague, as kept with the account.
    fn user_named(&mut self, user: UserId) -> Answer<Named> {
        let name = match self.user_names.get(&user) {
            Some(name) => name.clone(),
            None => {
                let name = self.tx.user(user)?.map(|user| user.display_name).unwrap_or_default();
                self.user_names.insert(user, name.clone());
                name
            }
        };
        Ok(Named { id: user.0, name })
    }
}

fn register_of(bytes: &[u8]) -> Answer<Register> {
    Register::from_cbor(bytes).map_err(|_| damaged("register"))
}

fn event_of(bytes: &[u8]) -> Answer<Event> {
    Event::from_cbor(bytes).map_err(|_| damaged("event"))
}

fn damaged(what: &str) -> ReadError {
    ReadError::Storage(StorageError::Damaged(format!("an unreadable {what} in the store")))
}

/// How many items a page has.
fn page_size(limit: Option<u16>) -> usize {
    usize::from(limit.unwrap_or(0)).min(PAGE_MAX).max(if limit.is_none() { PAGE_DEFAULT } else { 1 })
}

/// A place in a list, as it travels: opaque, and good for nothing but going on.
mod cursor {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use sync_protocol::ids::*;
    use sync_protocol::indicator::Contribution;
    use uuid::Uuid;

    use super::{Answer, ReadError};

    fn read<const N: usize>(text: &str) -> Answer<[u8; N]> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ReadError::BadValue("cursor"))?;
        bytes.try_into().map_err(|_| ReadError::BadValue("cursor"))
    }

    pub(super) fn of_row((scope, id): (ScopeId, Uuid)) -> String {
        URL_SAFE_NO_PAD.encode([*scope.as_bytes(), *id.as_bytes()].concat())
    }

    pub(super) fn to_row(text: Option<&str>) -> Answer<Option<(ScopeId, Uuid)>> {
        let Some(text) = text else { return Ok(None) };
        let bytes: [u8; 32] = read(text)?;
        let id = Uuid::from_slice(&bytes[16..]).map_err(|_| ReadError::BadValue("cursor"))?;
        Ok(ScopeId::from_slice(&bytes[..16]).map(|scope| (scope, id)))
    }

    pub(super) fn of_visit((received, visit): (ServerMs, VisitId)) -> String {
        URL_SAFE_NO_PAD.encode([&received.0.to_be_bytes()[..], visit.as_bytes()].concat())
    }

    pub(super) fn to_visit(text: Option<&str>) -> Answer<Option<(ServerMs, VisitId)>> {
        let Some(text) = text else { return Ok(None) };
        let bytes: [u8; 24] = read(text)?;
        let (ms, id) = bytes.split_first_chunk::<8>().ok_or(ReadError::BadValue("cursor"))?;
        Ok(VisitId::from_slice(id).map(|visit| (ServerMs(u64::from_be_bytes(*ms)), visit)))
    }

    pub(super) fn of_contribution(contribution: Contribution) -> String {
        let (tag, visit, id) = match contribution {
            Contribution::Activity { visit, activity } => (0, visit.0, activity.0),
            Contribution::Village(id) => (1, Uuid::nil(), id.0),
            Contribution::Team(id) => (2, Uuid::nil(), id.0),
            Contribution::Member(id) => (3, Uuid::nil(), id.0),
            Contribution::Case(id) => (4, Uuid::nil(), id.0),
            Contribution::Recognition(id) => (5, Uuid::nil(), id),
            Contribution::Entry(id) => (6, Uuid::nil(), id.0),
        };
        URL_SAFE_NO_PAD.encode([&[tag][..], visit.as_bytes(), id.as_bytes()].concat())
    }

    pub(super) fn to_contribution(text: Option<&str>) -> Answer<Option<Contribution>> {
        let Some(text) = text else { return Ok(None) };
        let bytes: [u8; 33] = read(text)?;
        let uuid = |bytes: &[u8]| Uuid::from_slice(bytes).map_err(|_| ReadError::BadValue("cursor"));
        let (visit, id) = (uuid(&bytes[1..17])?, uuid(&bytes[17..])?);
        Ok(Some(match bytes[0] {
            0 => Contribution::Activity { visit: VisitId(visit), activity: ActivityId(id) },
            1 => Contribution::Village(UnitId(id)),
            2 => Contribution::Team(TeamId(id)),
            3 => Contribution::Member(TeamMemberId(id)),
            4 => Contribution::Case(CaseId(id)),
            5 => Contribution::Recognition(id),
            6 => Contribution::Entry(UnitId(id)),
            _ => return Err(ReadError::BadValue("cursor")),
        }))
    }

    pub(super) fn of_seq(seq: u64) -> String {
        URL_SAFE_NO_PAD.encode(seq.to_be_bytes())
    }

    pub(super) fn to_seq(text: Option<&str>) -> Answer<u64> {
        text.map_or(Ok(0), |text| read(text).map(u64::from_be_bytes))
    }
}

/// A moment as RFC 3339 in UTC, to the millisecond.
pub fn rfc3339(ms: u64) -> String {
    let (seconds, millis) = (ms / 1_000, ms % 1_000);
    let day = Day(u32::try_from(seconds / 86_400).unwrap_or(u32::MAX));
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{day}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_751_302_799_987), "2025-06-30T16:59:59.987Z");
    }

    #[test]
    fn a_cursor_comes_back_as_it_went_and_nothing_else_is_taken() {
        let place = (ServerMs(1_751_302_799_987), VisitId(Uuid::from_u128(7)));
        assert_eq!(cursor::to_visit(Some(&cursor::of_visit(place))).unwrap(), Some(place));
        let row = (ScopeId(Uuid::from_u128(3)), Uuid::from_u128(4));
        assert_eq!(cursor::to_row(Some(&cursor::of_row(row))).unwrap(), Some(row));
        assert_eq!(cursor::to_seq(Some(&cursor::of_seq(9))).unwrap(), 9);
        for bad in ["", "!", "AAAA", &cursor::of_seq(9)] {
            assert!(cursor::to_visit(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn pages_have_a_limit() {
        assert_eq!([None, Some(0), Some(7), Some(999)].map(page_size), [50, 1, 7, 200]);
    }
}
