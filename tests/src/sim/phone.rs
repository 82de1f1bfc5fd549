//! A phone of a world: the real store over a disk that fails, a clock that lies, and what its owner remembers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use client_core::Store;
use faultdisk::{Disk, Faults, Files, Loss};
use sync_protocol::cbor::Raw;
use sync_protocol::ids::*;
use sync_protocol::row::{GroupKey, Ver};
use uuid::Uuid;

use super::model::{OpIx, RowKey, Wish};
use super::report::Stop;
use super::rng::Rng;

/// What a phone's clock shows.
#[derive(Clone, Copy, Debug)]
pub enum Clockwork {
    /// So many milliseconds ahead (or behind) of the truth.
    Off(i64),
    /// It stands still.
    Stopped(u64),
}

impl Clockwork {
    /// What it shows at a moment.
    pub fn shows(self, truth: u64) -> ClaimedMs {
        ClaimedMs(match self {
            Self::Off(ms) => truth.saturating_add_signed(ms),
            Self::Stopped(at) => at,
        })
    }
}

/// How good the way to the server is.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Round trip in milliseconds.
    pub round_trip_ms: u64,
    /// Bytes per second.
    pub bytes_per_s: u64,
    /// Of a hundred requests so many meet with a fault.
    pub bad: u64,
}

impl Link {
    /// From GPRS in the hills to Wi-Fi in the office, and a line that carries a kilobyte in a second.
    pub const ALL: [Self; 5] = [
        Self { round_trip_ms: 900, bytes_per_s: 1_000, bad: 30 },
        Self { round_trip_ms: 800, bytes_per_s: 3_500, bad: 25 },
        Self { round_trip_ms: 450, bytes_per_s: 12_000, bad: 15 },
        Self { round_trip_ms: 200, bytes_per_s: 40_000, bad: 8 },
        Self { round_trip_ms: 30, bytes_per_s: 1_000_000, bad: 2 },
    ];
}

/// What somebody was looking at when a page was opened.
#[derive(Clone, Debug)]
pub struct Look {
    /// The version.
    pub ver: Ver,
    /// The ops behind it.
    pub saw: BTreeSet<OpIx>,
    /// For a visit: the hash and the op of its content.
    pub content: Option<([u8; 16], OpIx)>,
    /// For a case: a value to settle it with.
    pub value: Option<Raw>,
}

/// A copy of a phone's file, and what was true of it.
#[derive(Clone)]
pub struct Copy {
    files: Files,
    mine: Vec<OpIx>,
    saved: BTreeMap<OpUid, OpIx>,
    base: BTreeMap<(ScopeId, u8, Uuid), Ver>,
    seen_epoch: u16,
    history: u32,
    device: DeviceId,
    damaged: Option<Day>,
}

/// A phone.
pub struct Phone {
    /// Who carries it.
    pub user: UserId,
    /// Its disk.
    pub disk: Disk,
    /// The open store; nothing while a session runs.
    pub store: Option<Store>,
    /// Its chance.
    pub random: Rng,
    /// Its clock.
    pub clock: Clockwork,
    /// Its way to the server.
    pub link: Link,
    /// Its device.
    pub device: DeviceId,
    /// Which life of the server its rows are of.
    pub history: u32,
    /// Writes in a newer app's way: with fields that others do not know.
    pub newer: bool,
    /// Ops that this file made, in order.
    pub mine: Vec<OpIx>,
    /// Ops that the phone called saved, and that were not lost with a file.
    pub saved: BTreeMap<OpUid, OpIx>,
    /// Ops that were dealt with after a refusal.
    pub dismissed: BTreeSet<OpUid>,
    /// What pages are open.
    pub looks: BTreeMap<RowKey, Look>,
    /// Versions at the last look at the base.
    pub base: BTreeMap<(ScopeId, u8, Uuid), Ver>,
    /// The server epoch of those versions.
    pub seen_epoch: u16,
    /// Old copies of the file.
    pub copies: Vec<Copy>,
    /// Its rows were tampered with, and it has not found out yet.
    pub damaged: Option<Day>,
    /// Its device was revoked.
    pub revoked: bool,
    /// A wish whose saving was cut short.
    pub half_saved: Option<HalfSaved>,
    /// Ops whose effect must be shown until the row that they made has arrived: visits, and labels of households.
    pub shown: BTreeMap<OpUid, Shown>,
    /// A household group that was edited in the future that an old copy has lost.
    pub prefer: Option<(Uuid, GroupKey)>,
    truth: Arc<AtomicU64>,
    failing: bool,
    fired: faultdisk::Stats,
}

/// What must be shown.
#[derive(Clone, Debug)]
pub enum Shown {
    /// A visit.
    Visit(OpIx),
    /// A household's label.
    Label(Uuid, Raw),
}

/// What was being saved when the power went.
#[derive(Clone, Debug)]
pub struct HalfSaved {
    /// What was wanted.
    pub wish: Wish,
    /// What its author had seen.
    pub saw: BTreeSet<OpIx>,
    /// The revision of the author's grants.
    pub rev: u64,
    /// The hash of a visit's content.
    pub content: Option<[u8; 16]>,
    /// For a household's label: which, and what.
    pub label: Option<(Uuid, Raw)>,
}

impl Phone {
    /// A phone with an empty store on a disk of its own.
    pub fn new(
        user: UserId,
        device: DeviceId,
        seed: u64,
        clock: Clockwork,
        link: Link,
        template: &Files,
        truth: Arc<AtomicU64>,
    ) -> Result<Self, Stop> {
        let disk = Disk::new();
        disk.import(template);
        let store = Store::open(disk.path("phone.sqlite3").as_path(), None)?;
        Ok(Self {
            user,
            disk,
            store: Some(store),
            random: Rng::new(seed),
            clock,
            link,
            device,
            history: 0,
            newer: false,
            mine: Vec::new(),
            saved: BTreeMap::new(),
            dismissed: BTreeSet::new(),
            looks: BTreeMap::new(),
            base: BTreeMap::new(),
            seen_epoch: 0,
            copies: Vec::new(),
            damaged: None,
            revoked: false,
            half_saved: None,
            shown: BTreeMap::new(),
            prefer: None,
            truth,
            failing: false,
            fired: faultdisk::Stats::default(),
        })
    }

    /// What its clock shows.
    pub fn now(&self) -> ClaimedMs {
        self.clock.shows(self.truth.load(Ordering::SeqCst))
    }

    /// The open store.
    pub fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("the store is open between steps")
    }

    /// Lets the disk fail from now on.
    pub fn faults(&mut self, faults: Faults) {
        self.failing = true;
        self.disk.faults(faults);
    }

    /// Whether its disk may fail just now.
    pub fn is_failing(&self) -> bool {
        self.failing
    }

    /// Which faults of its disk came about since the last time.
    pub fn disk_news(&mut self) -> [(&'static str, u64); 5] {
        let (before, now) = (self.fired, self.disk.stats());
        [
            ("phone power cut", now.power_cuts - before.power_cuts),
            ("phone disk full", now.full - before.full),
            ("phone read error", now.read_errors - before.read_errors),
            ("phone write error", now.write_errors - before.write_errors),
            ("phone sync error", now.sync_errors - before.sync_errors),
        ]
    }

    /// The power goes and comes back; or, one time in four, only the app was ended, and what it had written stays.
    pub fn power_cut(&mut self, chance: &mut Rng) -> Result<(), Stop> {
        self.disk.cut_power();
        self.fired = self.disk.stats();
        self.failing = false;
        self.store = None;
        self.disk.faults(Faults::default());
        self.disk.power_on(match chance.draw() {
            draw if draw % 4 == 0 => Loss::Nothing,
            draw => Loss::Random(draw),
        });
        self.open()
    }

    /// Opens the store.
    pub fn open(&mut self) -> Result<(), Stop> {
        self.store = Some(Store::open(self.disk.path("phone.sqlite3").as_path(), None)?);
        self.looks.clear();
        Ok(())
    }

    /// Copies the file as it lies there.
    pub fn copy(&self) -> Copy {
        Copy {
            files: self.disk.export(),
            mine: self.mine.clone(),
            saved: self.saved.clone(),
            base: self.base.clone(),
            seen_epoch: self.seen_epoch,
            history: self.history,
            device: self.device,
            damaged: self.damaged,
        }
    }

    /// Puts an old copy in place of the file. What was saved since is lost with the file it was saved in.
    pub fn restore(&mut self, copy: &Copy) -> Result<(), Stop> {
        self.store = None;
        self.disk.import(&copy.files);
        self.take_over(copy);
        self.open()
    }

    fn take_over(&mut self, copy: &Copy) {
        self.mine = copy.mine.clone();
        self.saved = copy.saved.clone();
        self.base = copy.base.clone();
        self.seen_epoch = copy.seen_epoch;
        self.history = copy.history;
        self.device = copy.device;
        self.shown.clear();
        self.damaged = copy.damaged;
    }

    /// Another phone with a copy of this one's file.
    pub fn clone_of(&self, seed: u64) -> Result<Self, Stop> {
        let copy = self.copy();
        let mut other =
            Self::new(self.user, self.device, seed, self.clock, self.link, &copy.files, Arc::clone(&self.truth))?;
        other.take_over(&copy);
        other.newer = self.newer;
        other.revoked = self.revoked;
        Ok(other)
    }
}

/// A household's groups as a form sets them.
pub type Groups = BTreeMap<GroupKey, Raw>;
