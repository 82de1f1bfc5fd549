//! Disks: their files, locks, faults and counts.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use rusqlite::ffi;

use crate::content::{Content, Undo};
use crate::random::Stream;

/// Where disks lie that were not put elsewhere. Nothing is ever made there in the real file system.
pub(crate) const PREFIX: &str = "/faultdisk/";

/// An SQLite result code that is not `SQLITE_OK`.
pub(crate) type Code = i32;

/// By folder.
static DISKS: RwLock<BTreeMap<String, Weak<Core>>> = RwLock::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A disk in memory, with a name of its own. Clones are the same disk; it goes when the last one does.
///
/// A connection that outlives its disk goes on working, but no new one finds the disk.
#[derive(Clone)]
pub struct Disk(Arc<Registered>);

struct Registered {
    folder: String,
    core: Arc<Core>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        DISKS.write().unwrap_or_else(PoisonError::into_inner).remove(&self.folder);
    }
}

/// What goes wrong, and when. Calls are counted on from [`Disk::faults`]; the next one is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The power goes at this write, truncation or sync. The call fails, but what it wrote may be there afterwards.
    pub crash_at_write: Option<u64>,
    /// The disk is full once all files together have grown by so many bytes.
    pub full_after_bytes: Option<u64>,
    /// This read fails, once.
    pub read_error_at: Option<u64>,
    /// This write fails, once, and writes nothing.
    pub write_error_at: Option<u64>,
    /// This sync fails, once. What was not synced stays so.
    pub sync_error_at: Option<u64>,
}

/// What becomes of the unsynced when the power comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of it is lost.
    All,
    /// None of it is lost, as when only the process died.
    Nothing,
    /// By the seed, each write is kept, lost, or torn into sectors of 512 bytes that are kept or lost each for itself;
    /// a later write may be kept where an earlier one is lost. A truncation is kept or lost.
    Random(u64),
}

/// What a disk did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Reads, also failed ones.
    pub reads: u64,
    /// Writes, also failed ones.
    pub writes: u64,
    /// Truncations, also failed ones.
    pub truncates: u64,
    /// Syncs, also failed ones.
    pub syncs: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// Bytes that were written.
    pub bytes_written: u64,
    /// Times the power went, at a write or by [`Disk::cut_power`].
    pub power_cuts: u64,
    /// Writes refused because the disk was full.
    pub full: u64,
    /// Reads that failed by [`Faults::read_error_at`].
    pub read_errors: u64,
    /// Writes that failed by [`Faults::write_error_at`].
    pub write_errors: u64,
    /// Syncs that failed by [`Faults::sync_error_at`].
    pub sync_errors: u64,
    /// Unsynced sectors and truncations that survived a [`Loss::Random`].
    pub kept: u64,
    /// Unsynced sectors and truncations that did not survive a [`Loss::Random`].
    pub lost: u64,
}

/// All files of a disk, apart from it. A copy costs no more than a list of references.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<String, Content>);

impl Files {
    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The bytes of a file.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.0.get(name).map(Content::to_vec)
    }

    /// Puts a file in, in place of one of the same name.
    pub fn put(&mut self, name: &str, bytes: &[u8]) {
        let mut content = Content::default();
        content.write(0, bytes);
        self.0.insert(name.to_owned(), content);
    }

    /// Gives a file another name, in place of what had it. Says whether there was such a file.
    pub fn rename(&mut self, from: &str, to: &str) -> bool {
        self.0.remove(from).map(|content| self.0.insert(to.to_owned(), content)).is_some()
    }

    /// Takes a file out. Says whether there was such a file.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, content)| (name, content.len()))).finish()
    }
}

impl Disk {
    /// An empty disk under power.
    #[expect(clippy::new_without_default, reason = "every disk is another one")]
    pub fn new() -> Self {
        Self::in_place_of(format!("{PREFIX}d{:08}", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// An empty disk under power in place of a folder, for programs that also keep other files beside their database.
    ///
    /// Only SQLite finds the disk there; everybody else finds the real folder, if there is one. Once the disk is gone,
    /// so does SQLite.
    ///
    /// # Panics
    ///
    /// If there is a disk in place of that folder already, or its name is not text.
    pub fn at(folder: &Path) -> Self {
        Self::in_place_of(folder.to_str().expect("the name of the folder is text").to_owned())
    }

    fn in_place_of(folder: String) -> Self {
        let core = Arc::new(Core(Mutex::new(State::default())));
        let mut disks = DISKS.write().unwrap_or_else(PoisonError::into_inner);
        assert!(!disks.contains_key(&folder), "a disk of its own for each folder");
        disks.insert(folder.clone(), Arc::downgrade(&core));
        Self(Arc::new(Registered { folder, core }))
    }

    /// The path by which SQLite finds a file of this disk. Disks have no folders inside.
    pub fn path(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("{}/{file}", self.0.folder))
    }

    /// Sets what goes wrong from now on, in place of what was set before.
    pub fn faults(&self, faults: Faults) {
        let mut state = self.0.core.state();
        state.limit = faults.full_after_bytes.map(|bytes| state.total.saturating_add(bytes));
        state.faults = faults;
    }

    /// The power goes now. Every call on the disk fails until [`Disk::power_on`].
    pub fn cut_power(&self) {
        self.0.core.state().cut_power();
    }

    /// The power comes back, and the unsynced is lost or not. If the power was on, it goes first.
    pub fn power_on(&self, loss: Loss) {
        self.0.core.state().power_on(loss);
    }

    /// Whether the disk has power.
    pub fn is_on(&self) -> bool {
        !self.0.core.state().down
    }

    /// The files as a program sees them now, synced or not, also while connections are open or the power is off.
    pub fn export(&self) -> Files {
        let state = self.0.core.state();
        Files(state.names.iter().map(|(name, node)| (name.clone(), state.nodes[*node].content.clone())).collect())
    }

    /// Puts other files in place of all files, synced. Connections that are open die, as with a power cut.
    pub fn import(&self, files: &Files) {
        let mut state = self.0.core.state();
        state.life += 1;
        state.names.clear();
        state.nodes.clear();
        state.free.clear();
        state.total = files.0.values().map(Content::len).sum();
        for (node, (name, content)) in files.0.iter().enumerate() {
            state.names.insert(name.clone(), node);
            state.nodes.push(Node { content: content.clone(), named: true, ..Node::default() });
        }
        // A limit is counted from what is there now.
        let faults = state.faults;
        state.limit = faults.full_after_bytes.map(|bytes| state.total.saturating_add(bytes));
    }

    /// What the disk did so far.
    pub fn stats(&self) -> Stats {
        self.0.core.state().stats
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Disk").field(&self.0.folder).finish()
    }
}

/// The disk and the file that a path means; nothing if there is no such disk.
pub(crate) fn find(path: &str) -> Option<(Arc<Core>, &str)> {
    let (folder, file) = path.rsplit_once('/')?;
    let core = DISKS.read().unwrap_or_else(PoisonError::into_inner).get(folder)?.upgrade()?;
    Some((core, file))
}

/// Whether a path is a matter for disks, even if the disk is gone.
pub(crate) fn is_ours(path: &str) -> bool {
    path.starts_with(PREFIX) || find(path).is_some()
}

/// What is behind the handles of a disk and behind its open files.
pub(crate) struct Core(Mutex<State>);

impl Core {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(crate) struct State {
    names: BTreeMap<String, usize>,
    nodes: Vec<Node>,
    free: Vec<usize>,
    /// Counts power cuts and imports. An open file of an earlier life is dead.
    pub(crate) life: u64,
    pub(crate) down: bool,
    /// Bytes of all files.
    total: u64,
    limit: Option<u64>,
    faults: Faults,
    stats: Stats,
}

/// A file, with or without a name, and its locks.
#[derive(Default)]
pub(crate) struct Node {
    pub(crate) content: Content,
    undo: Undo,
    named: bool,
    open: usize,
    pub(crate) locks: Locks,
    pub(crate) shm: Option<Arc<Mutex<Shm>>>,
}

/// The locks of a database file. The level of each connection is kept with the connection.
#[derive(Default)]
pub(crate) struct Locks {
    /// Connections that hold SHARED or more.
    pub(crate) shared: usize,
    /// Whether one of them holds RESERVED or more.
    pub(crate) reserved: bool,
    /// Whether that one lets no new reader in.
    pub(crate) pending: bool,
}

/// Shared memory of a database, and its locks. It lives as long as a connection has it mapped.
#[derive(Default)]
pub(crate) struct Shm {
    /// Each region has its own allocation and never moves. SQLite writes to them through pointers.
    pub(crate) regions: Vec<Region>,
    pub(crate) users: usize,
    pub(crate) shared: [usize; ffi::SQLITE_SHM_NLOCK as usize],
    pub(crate) exclusive: [bool; ffi::SQLITE_SHM_NLOCK as usize],
}

/// Counts a one-time fault down. True when its time has come.
fn due(at: &mut Option<u64>) -> bool {
    match at {
        Some(0 | 1) => {
            *at = None;
            true
        }
        Some(n) => {
            *n -= 1;
            false
        }
        None => false,
    }
}

impl State {
    pub(crate) fn node(&mut self, node: usize) -> &mut Node {
        &mut self.nodes[node]
    }

    pub(crate) fn exists(&self, name: &str) -> Option<u64> {
        self.names.get(name).map(|node| self.nodes[*node].content.len())
    }

    pub(crate) fn is_named(&self, node: usize) -> bool {
        self.nodes[node].named
    }

    pub(crate) fn open(&mut self, name: &str, create: bool, exclusive: bool) -> Result<usize, Code> {
        if self.down {
            return Err(ffi::SQLITE_CANTOPEN);
        }
        let node = match self.names.get(name) {
            Some(_) if exclusive && create => return Err(ffi::SQLITE_CANTOPEN),
            Some(node) => *node,
            None if !create => return Err(ffi::SQLITE_CANTOPEN),
            None => {
                let node = self.free.pop().unwrap_or(self.nodes.len());
                let fresh = Node { named: true, ..Node::default() };
                if node == self.nodes.len() {
                    self.nodes.push(fresh);
                } else {
                    self.nodes[node] = fresh;
                }
                self.names.insert(name.to_owned(), node);
                node
            }
        };
        self.nodes[node].open += 1;
        Ok(node)
    }

    pub(crate) fn close(&mut self, node: usize) {
        self.nodes[node].open -= 1;
        self.release(node);
    }

    pub(crate) fn delete(&mut self, name: &str) -> Result<(), Code> {
        if self.down {
            return Err(ffi::SQLITE_IOERR_DELETE);
        }
        let node = self.names.remove(name).ok_or(ffi::SQLITE_IOERR_DELETE_NOENT)?;
        self.nodes[node].named = false;
        self.release(node);
        Ok(())
    }

    /// Forgets a file that has neither a name nor a connection.
    fn release(&mut self, node: usize) {
        if !self.nodes[node].named && self.nodes[node].open == 0 {
            self.total -= self.nodes[node].content.len();
            self.nodes[node] = Node::default();
            self.free.push(node);
        }
    }

    pub(crate) fn read(&mut self, node: usize, at: u64, buffer: &mut [u8]) -> Result<(), Code> {
        self.stats.reads += 1;
        if due(&mut self.faults.read_error_at) {
            self.stats.read_errors += 1;
            return Err(ffi::SQLITE_IOERR_READ);
        }
        let found = self.nodes[node].content.read(at, buffer);
        self.stats.bytes_read += found as u64;
        if found < buffer.len() { Err(ffi::SQLITE_IOERR_SHORT_READ) } else { Ok(()) }
    }

    pub(crate) fn write(&mut self, node: usize, at: u64, bytes: &[u8]) -> Result<(), Code> {
        self.stats.writes += 1;
        if due(&mut self.faults.write_error_at) {
            self.stats.write_errors += 1;
            return Err(ffi::SQLITE_IOERR_WRITE);
        }
        let file = &mut self.nodes[node];
        let grown = (at + bytes.len() as u64).saturating_sub(file.content.len());
        if grown > 0 && self.limit.is_some_and(|limit| self.total + grown > limit) {
            self.stats.full += 1;
            return Err(ffi::SQLITE_FULL);
        }
        file.undo.before_write(&file.content, at, bytes.len());
        file.content.write(at, bytes);
        self.total += grown;
        self.stats.bytes_written += bytes.len() as u64;
        self.survive(ffi::SQLITE_IOERR_WRITE)
    }

    pub(crate) fn truncate(&mut self, node: usize, len: u64) -> Result<(), Code> {
        self.stats.truncates += 1;
        let file = &mut self.nodes[node];
        let grown = len.saturating_sub(file.content.len());
        if grown > 0 && self.limit.is_some_and(|limit| self.total + grown > limit) {
            self.stats.full += 1;
            return Err(ffi::SQLITE_FULL);
        }
        file.undo.before_resize(&file.content, len);
        self.total = self.total - file.content.len() + len;
        file.content.set_len(len);
        self.survive(ffi::SQLITE_IOERR_TRUNCATE)
    }

    pub(crate) fn sync(&mut self, node: usize) -> Result<(), Code> {
        self.stats.syncs += 1;
        if due(&mut self.faults.sync_error_at) {
            self.stats.sync_errors += 1;
            return Err(ffi::SQLITE_IOERR_FSYNC);
        }
        self.survive(ffi::SQLITE_IOERR_FSYNC)?;
        self.nodes[node].undo.clear();
        Ok(())
    }

    /// An error if this is the call at which the power goes.
    fn survive(&mut self, code: Code) -> Result<(), Code> {
        if due(&mut self.faults.crash_at_write) {
            self.cut_power();
            return Err(code);
        }
        Ok(())
    }

    fn cut_power(&mut self) {
        if !self.down {
            self.down = true;
            self.life += 1;
            self.stats.power_cuts += 1;
        }
    }

    fn power_on(&mut self, loss: Loss) {
        self.cut_power();
        self.down = false;
        let mut chance = Stream::new(if let Loss::Random(seed) = loss { seed } else { 0 });
        // In the order of the names, so that the same seed means the same loss.
        let order: Vec<usize> = self.names.values().copied().collect();
        for node in order {
            let Node { content, undo, .. } = &mut self.nodes[node];
            match loss {
                Loss::All => undo.lose_all(content),
                Loss::Nothing => undo.clear(),
                Loss::Random(_) => {
                    let (kept, lost) = undo.lose_some(content, &mut chance);
                    self.stats.kept += kept;
                    self.stats.lost += lost;
                }
            }
        }
        self.total = 0;
        self.free.clear();
        for (number, node) in self.nodes.iter_mut().enumerate() {
            (node.open, node.locks, node.shm) = (0, Locks::default(), None);
            if node.named {
                self.total += node.content.len();
            } else {
                *node = Node::default();
                self.free.push(number);
            }
        }
    }
}

/// A region of shared memory, zero at first, and aligned for what SQLite keeps there.
pub(crate) struct Region(Box<[std::cell::UnsafeCell<u64>]>);

// SAFETY: the memory is only reached through `pointer`, and whoever uses it keeps SQLite's locking protocol.
unsafe impl Send for Region {}

impl Region {
    pub(crate) fn new(bytes: usize) -> Self {
        Self((0..bytes.div_ceil(8)).map(|_| std::cell::UnsafeCell::new(0)).collect())
    }

    pub(crate) fn pointer(&self) -> *mut std::ffi::c_void {
        std::cell::UnsafeCell::raw_get(self.0.as_ptr()).cast()
    }
}
