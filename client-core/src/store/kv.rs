//! Single values: who is enrolled, what the server last said, when to try again.

use rusqlite::OptionalExtension;
use sync_protocol::access::{Holding, Principal, Role};
use sync_protocol::cbor::{self, Cbor};
use sync_protocol::ids::*;
use sync_protocol::int_map;
use sync_protocol::wire::{HeldRole, holdings_short, no_ext};

use super::{Db, Store};
use crate::Random;
use crate::error::{Error, Result};

const GET: &str = "SELECT value FROM kv WHERE key = :key";
const SET: &str =
    "INSERT INTO kv (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
const REMOVE: &str = "DELETE FROM kv WHERE key = :key";

/// How far this phone's clock may be from the server's: the day of a visit is the phone's.
const CLOCK_MAY_DIFFER_MS: u64 = 86_400_000;
pub(crate) const OVERLAY_DIRTY: &str = "overlay_dirty";
/// Only with the museum's exhibit `GateNotCleared`.
pub(crate) const SYNC_RUNNING: &str = "sync_running";
const IDENTITY: &str = "identity";
const DEVICE_KEY: &str = "device_key";
const CONTROL: &str = "control";
const LINK: &str = "link";

int_map! {
    /// Who is enrolled on this store.
    pub struct IdentityRow {
        /// The user.
        0 => user: req UserId,
        /// The user's name.
        1 => display_name: req String,
        /// The device.
        2 => device: req DeviceId,
        /// The session whose key seals requests.
        3 => session: req u64,
        /// That key.
        4 => sync_key: req [u8; 32],
        /// For a new session.
        5 => refresh_token: req String,
        /// For JSON calls.
        6 => access_token: req String,
        /// The server's address.
        7 => server: opt String,
    }
    /// What the last control frame said.
    pub struct ControlRow {
        /// Revision of the grants.
        0 => grants_rev: num u64,
        /// What the user holds.
        1 => holdings: list HeldRole,
    }
    /// How the talk with the server stands.
    pub struct LinkRow {
        /// The server epoch of the base.
        0 => server_epoch: num u16,
        /// The server epoch of the copy that waits for its swap.
        1 => staged_epoch: num u16,
        /// The server's clock at the last answer.
        2 => server_ms: num u64,
        /// This phone's clock at the last answer.
        3 => contact_ms: num u64,
        /// The server's clock at the last complete answer.
        4 => consistent_ms: num u64,
        /// The last exchange ended complete: the server remembers the cursors.
        5 => cursors_known: flag bool,
        /// Failures in a row.
        6 => failures: num u64,
        /// Not before this moment of this phone's clock.
        7 => not_before_ms: num u64,
        /// Last time that a person asked.
        8 => pressed_ms: num u64,
        /// Bytes of ops in the next request.
        9 => push_bytes: num u64,
        /// Bytes of rows wanted in the next answer.
        10 => pull_bytes: num u64,
        /// Every bucket's head is wanted next time.
        11 => want_heads: flag bool,
        /// The device was revoked.
        12 => wiped: flag bool,
        /// A newer app exists.
        13 => update_advised: flag bool,
        /// The month that the byte counters are about: `year * 12 + month - 1`.
        14 => bytes_month: num u32,
        /// Bytes sent in that month.
        15 => bytes_up: num u64,
        /// Bytes received in that month.
        16 => bytes_down: num u64,
        /// The session is no longer taken: somebody must sign in.
        17 => sign_in: flag bool,
        /// Why the last attempt ended, when it did not end well.
        18 => last_problem: opt String,
        /// The copy differs from the server's and today's repairs were tried.
        19 => differs: flag bool,
        /// Rows of answers that could not be read.
        20 => unreadable: num u64,
        /// This phone's clock when the wait began: a clock that lies before it was set back, and the wait is void.
        21 => wait_from_ms: num u64,
        /// The server's day on which the rows were last counted anew.
        22 => counted_day: num u32,
        /// In which life of the server, and how far on in it, the newest rows were read.
        23 => life: opt [u8; 16],
    }
}

impl Default for LinkRow {
    fn default() -> Self {
        // An empty map: everything left out.
        Self::from_cbor(&[0xa0]).unwrap_or_else(|_| unreachable!("every key may be left out"))
    }
}

/// What an enrolment gave this phone.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The user.
    pub user: UserId,
    /// The user's name.
    pub display_name: String,
    /// The device.
    pub device: DeviceId,
    /// The session whose key seals requests.
    pub session: u64,
    /// That key.
    pub sync_key: [u8; 32],
    /// For a new session.
    pub refresh_token: String,
    /// For JSON calls.
    pub access_token: String,
    /// The server's address, to be used when none is named.
    pub server: Option<String>,
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enrolment").field("user", &self.user).field("device", &self.device).finish_non_exhaustive()
    }
}

/// Who uses this store. Without any secret.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Identity {
    /// The user.
    pub user: UserId,
    /// The user's name.
    pub display_name: String,
    /// The device.
    pub device: DeviceId,
    /// The server's address.
    pub server: Option<String>,
    /// What the user holds, as of the last contact.
    pub holdings: Vec<Held>,
    /// Revision of the user's grants.
    pub grants_rev: u64,
}

/// One role in one scope.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Held {
    /// Where.
    pub scope: ScopeId,
    /// Which; a code of `Role`.
    pub role: String,
}

/// What the strip at the top of every screen says.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SyncState {
    /// Visits on this phone, sent or not.
    pub recorded: u64,
    /// Visits that the server has.
    pub confirmed: u64,
    /// Ops that wait to be sent.
    pub waiting: u64,
    /// Ops that were sent and not yet answered.
    pub sent: u64,
    /// Ops that the server keeps for later.
    pub deferred: u64,
    /// Ops that the server refused and nobody has dealt with.
    pub refused: u64,
    /// Why the last attempt did not end well: a stable code.
    pub problem: Option<String>,
    /// Somebody must sign in before the next sync.
    pub sign_in_needed: bool,
    /// The device was revoked.
    pub wiped: bool,
    /// A newer app exists.
    pub update_advised: bool,
    /// The copy differs from the server's and today's repairs were tried.
    pub differs: bool,
    /// At the last answer this phone's clock and the server's were more than a day apart: days of new entries are wrong.
    pub clock_wrong: bool,
    /// This phone's clock at the last answer; 0 before the first.
    pub last_contact_ms: u64,
    /// The server's clock at the last complete answer: numbers are as of then.
    pub consistent_at_ms: u64,
    /// No attempt before this moment of this phone's clock, unless a person asks.
    pub not_before_ms: u64,
    /// Bytes sent this month.
    pub bytes_up: u64,
    /// Bytes received this month.
    pub bytes_down: u64,
}

impl Db<'_> {
    fn kv(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.conn.prepare_cached(GET)?.query_row([key], |row| row.get(0)).optional()?)
    }

    fn set_kv(&mut self, key: &str, value: &[u8]) -> Result<()> {
        self.conn.prepare_cached(SET)?.execute(rusqlite::params![key, value])?;
        Ok(())
    }

    fn kv_row<T: Cbor>(&mut self, key: &str) -> Result<Option<T>> {
        Ok(self.kv(key)?.map(|bytes| cbor::read(&bytes)).transpose()?)
    }

    pub(crate) fn kv_flag(&mut self, key: &str) -> Result<bool> {
        Ok(self.kv(key)?.is_some())
    }

    pub(crate) fn set_kv_flag(&mut self, key: &str, set: bool) -> Result<()> {
        if set {
            self.set_kv(key, &[1])
        } else {
            self.conn.prepare_cached(REMOVE)?.execute([key])?;
            Ok(())
        }
    }

    pub(crate) fn link(&mut self) -> Result<LinkRow> {
        Ok(self.kv_row(LINK)?.unwrap_or_default())
    }

    pub(crate) fn set_link(&mut self, link: &LinkRow) -> Result<()> {
        self.set_kv(LINK, &link.cbor())
    }

    pub(crate) fn identity_row(&mut self) -> Result<IdentityRow> {
        self.kv_row(IDENTITY)?.ok_or(Error::NotEnrolled)
    }

    pub(crate) fn control(&mut self) -> Result<ControlRow> {
        Ok(self.kv_row(CONTROL)?.unwrap_or(ControlRow { grants_rev: 0, holdings: vec![], ext: no_ext() }))
    }

    pub(crate) fn set_control(&mut self, control: &ControlRow) -> Result<()> {
        self.set_kv(CONTROL, &control.cbor())
    }

    pub(crate) fn set_display_name(&mut self, name: &str) -> Result<()> {
        let mut identity = self.identity_row()?;
        if identity.display_name != name {
            name.clone_into(&mut identity.display_name);
            self.set_kv(IDENTITY, &identity.cbor())?;
        }
        Ok(())
    }

    pub(crate) fn holdings_short(&mut self) -> Result<[u8; 8]> {
        let control = self.control()?;
        Ok(holdings_short(control.grants_rev, &control.holdings))
    }

    /// Who is asking, as far as this phone knows.
    pub(crate) fn principal(&mut self) -> Result<Principal> {
        let user = self.identity_row()?.user;
        let control = self.control()?;
        let holdings = control
            .holdings
            .iter()
            .filter_map(|held| Some(Holding { scope: held.scope, role: Role::from_code(&held.role)?, ended: None }))
            .collect();
        Ok(Principal { user, grants_rev: control.grants_rev, holdings })
    }

    /// The device's secret key.
    pub(crate) fn device_key(&mut self) -> Result<p256::ecdsa::SigningKey> {
        let bytes = self.kv(DEVICE_KEY)?.ok_or(Error::NotEnrolled)?;
        p256::ecdsa::SigningKey::from_slice(&bytes).map_err(|_| Error::StoreDamaged)
    }

    /// Counts traffic, month by month of Việt Nam.
    pub(crate) fn count_bytes(&mut self, now: ClaimedMs, up: u64, down: u64) -> Result<()> {
        let month = Month::of_day(Day::of_ms(now.0), 0).0;
        let mut link = self.link()?;
        if link.bytes_month != month {
            (link.bytes_month, link.bytes_up, link.bytes_down) = (month, 0, 0);
        }
        link.bytes_up = link.bytes_up.saturating_add(up);
        link.bytes_down = link.bytes_down.saturating_add(down);
        self.set_link(&link)
    }

    pub(crate) fn set_purged(&mut self, scope: ScopeId, rows: u64) -> Result<()> {
        self.conn
            .prepare_cached("INSERT INTO purged (scope, cnt) VALUES (:scope, :cnt) ON CONFLICT (scope) DO UPDATE SET cnt = cnt + excluded.cnt")?
            .execute(rusqlite::params![scope.as_bytes(), rows as i64])?;
        Ok(())
    }

    pub(crate) fn purged(&mut self) -> Result<Vec<(ScopeId, u64)>> {
        let mut statement = self.conn.prepare_cached("SELECT scope, cnt FROM purged ORDER BY scope")?;
        Ok(statement
            .query_map([], |row| Ok((ScopeId::from_bytes(row.get(0)?), row.get::<_, i64>(1)? as u64)))?
            .collect::<rusqlite::Result<_>>()?)
    }

    pub(crate) fn purged_told(&mut self, told: &[(ScopeId, u64)]) -> Result<()> {
        for (scope, cnt) in told {
            self.conn
                .prepare_cached("DELETE FROM purged WHERE scope = :scope AND cnt = :cnt")?
                .execute(rusqlite::params![scope.as_bytes(), *cnt as i64])?;
        }
        Ok(())
    }
}

impl Store {
    /// The device's public key, SEC1 compressed, for an enrolment. Made on first use; the secret half stays here.
    pub fn device_public_key(&mut self, random: &mut dyn Random) -> Result<[u8; 33]> {
        self.write(|db| {
            if db.kv(DEVICE_KEY)?.is_none() {
                let key = loop {
                    let mut bytes = [0; 32];
                    random.fill(&mut bytes);
                    if let Ok(key) = p256::ecdsa::SigningKey::from_slice(&bytes) {
                        break key;
                    }
                };
                db.set_kv(DEVICE_KEY, key.to_bytes().as_slice())?;
            }
            let point = db.device_key()?.verifying_key().to_sec1_point(true);
            point.as_bytes().try_into().map_err(|_| Error::StoreDamaged)
        })
    }

    /// Takes an enrolment. On a store that has one already (a new device or session of the same user) a new outbox
    /// begins with everything that is not durable yet.
    ///
    /// # Errors
    /// [`Error::OtherUser`] when the store is somebody else's.
    pub fn enrol(&mut self, enrolment: Enrolment, random: &mut dyn Random) -> Result<()> {
        self.write(|db| {
            let before: Option<IdentityRow> = db.kv_row(IDENTITY)?;
            if before.as_ref().is_some_and(|before| before.user != enrolment.user) {
                return Err(Error::OtherUser);
            }
            let same_device = before.as_ref().is_some_and(|before| before.device == enrolment.device);
            let server = enrolment.server.or(before.and_then(|before| before.server));
            let row = IdentityRow {
                user: enrolment.user,
                display_name: enrolment.display_name,
                device: enrolment.device,
                session: enrolment.session,
                sync_key: enrolment.sync_key,
                refresh_token: enrolment.refresh_token,
                access_token: enrolment.access_token,
                server,
                ext: no_ext(),
            };
            db.set_kv(IDENTITY, &row.cbor())?;
            let mut link = db.link()?;
            link.sign_in = false;
            link.wiped = false;
            link.cursors_known = false;
            (link.failures, link.not_before_ms) = (0, 0);
            db.set_link(&link)?;
            if !same_device || !db.outbox_is_whole()? {
                db.open_epoch(random, None)?;
            }
            db.rebuild_overlay()
        })
    }

    /// Remembers a server's address for the next sync.
    pub fn set_server(&mut self, server: &str) -> Result<()> {
        self.write(|db| {
            let mut row = db.identity_row()?;
            row.server = Some(server.to_owned());
            db.set_kv(IDENTITY, &row.cbor())
        })
    }

    /// Who uses this store; `None` before the enrolment.
    pub fn identity(&mut self) -> Result<Option<Identity>> {
        self.read(|db| {
            let Some(row) = db.kv_row::<IdentityRow>(IDENTITY)? else { return Ok(None) };
            let control = db.control()?;
            let holdings =
                control.holdings.iter().map(|held| Held { scope: held.scope, role: held.role.clone() }).collect();
            Ok(Some(Identity {
                user: row.user,
                display_name: row.display_name,
                device: row.device,
                server: row.server,
                holdings,
                grants_rev: control.grants_rev,
            }))
        })
    }

    /// The tokens of the session: (access, refresh).
    pub fn tokens(&mut self) -> Result<(String, String)> {
        self.read(|db| db.identity_row().map(|row| (row.access_token, row.refresh_token)))
    }

    /// What the strip at the top of every screen says.
    pub fn sync_state(&mut self) -> Result<SyncState> {
        self.read(|db| {
            let link = db.link()?;
            let (recorded, confirmed) = db.visit_totals()?;
            let counts = db.op_counts()?;
            Ok(SyncState {
                recorded,
                confirmed,
                waiting: counts.pending,
                sent: counts.sent,
                deferred: counts.deferred,
                refused: counts.refused,
                problem: link.last_problem,
                sign_in_needed: link.sign_in,
                wiped: link.wiped,
                update_advised: link.update_advised,
                differs: link.differs,
                clock_wrong: link.server_ms.abs_diff(link.contact_ms) > CLOCK_MAY_DIFFER_MS,
                last_contact_ms: link.contact_ms,
                consistent_at_ms: link.consistent_ms,
                not_before_ms: link.not_before_ms,
                bytes_up: link.bytes_up,
                bytes_down: link.bytes_down,
            })
        })
    }
}
