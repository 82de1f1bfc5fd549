//! The table of C functions by which SQLite reaches the disks.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::slice;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};

use crate::disk::{Code, Core, Region, Shm, State, find, is_ours};
use crate::random::Stream;

/// What SQLite is told. Power loss tears in smaller units.
const SECTOR: c_int = 4096;
/// 2025-01-01 00:00 UTC as SQLite counts: milliseconds since the Julian epoch.
const NOW: sqlite3_int64 = 4_921_353 * 43_200_000;
const SEED: u64 = 0x7D15_C0DE;

static INSTALLED: Once = Once::new();
static RANDOMNESS: Mutex<Stream> = Mutex::new(Stream::new(SEED));

/// Makes the disks reachable for every database that is opened from now on. Only the first call does something.
pub fn install() {
    INSTALLED.call_once(|| {
        // SAFETY: finding the default VFS starts SQLite if need be, and what it returns lives as long as the process.
        let base = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        assert!(!base.is_null(), "SQLite has a default VFS");
        // SAFETY: as above; nobody changes these fields after registration.
        let (file_size, path_max) = unsafe { ((*base).szOsFile, (*base).mxPathname) };
        let vfs = Box::leak(Box::new(sqlite3_vfs {
            iVersion: 2,
            szOsFile: file_size.max(size_of::<File>() as c_int),
            mxPathname: path_max,
            pNext: ptr::null_mut(),
            zName: c"faultdisk".as_ptr(),
            pAppData: base.cast(),
            xOpen: Some(x_open),
            xDelete: Some(x_delete),
            xAccess: Some(x_access),
            xFullPathname: Some(x_full_pathname),
            xDlOpen: Some(x_dl_open),
            xDlError: Some(x_dl_error),
            xDlSym: Some(x_dl_sym),
            xDlClose: Some(x_dl_close),
            xRandomness: Some(x_randomness),
            xSleep: Some(x_sleep),
            xCurrentTime: Some(x_current_time),
            xGetLastError: Some(x_get_last_error),
            xCurrentTimeInt64: Some(x_current_time_int64),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        // SAFETY: the table is complete, and it is never freed.
        let code = unsafe { ffi::sqlite3_vfs_register(vfs, 1) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite takes another VFS");
    });
    reseed(SEED);
}

/// Starts SQLite's randomness anew, for the whole process: salts of WAL files, `random()`, names of temporary files.
///
/// It makes two runs equal to the byte if nothing else in the process uses SQLite at the same time. Encrypted files
/// differ all the same: their salts come from elsewhere.
pub fn reseed(seed: u64) {
    *RANDOMNESS.lock().unwrap_or_else(PoisonError::into_inner) = Stream::new(seed);
    // SAFETY: no bytes are asked for, which is the documented way to have SQLite ask its VFS again.
    unsafe { ffi::sqlite3_randomness(0, ptr::null_mut()) };
}

/// What SQLite holds for an open file of a disk. Files elsewhere have what their VFS puts there.
#[repr(C)]
struct File {
    base: sqlite3_file,
    open: *mut Open,
}

/// An open file. SQLite uses one from one thread at a time.
struct Open {
    core: Arc<Core>,
    node: usize,
    /// The life of the disk in which the file was opened.
    life: u64,
    read_only: bool,
    delete_on_close: Option<String>,
    level: c_int,
    shm: Option<Arc<Mutex<Shm>>>,
    /// Slots of shared memory that this connection has locked, a bit for each.
    shm_shared: u32,
    shm_exclusive: u32,
}

impl Open {
    fn new(core: Arc<Core>, name: &str, flags: c_int) -> Result<Self, Code> {
        let has = |flag| flags & flag != 0;
        let mut state = core.state();
        let node = state.open(name, has(ffi::SQLITE_OPEN_CREATE), has(ffi::SQLITE_OPEN_EXCLUSIVE))?;
        let life = state.life;
        drop(state);
        Ok(Self {
            core,
            node,
            life,
            read_only: has(ffi::SQLITE_OPEN_READONLY),
            delete_on_close: has(ffi::SQLITE_OPEN_DELETEONCLOSE).then(|| name.to_owned()),
            level: ffi::SQLITE_LOCK_NONE,
            shm: None,
            shm_shared: 0,
            shm_exclusive: 0,
        })
    }

    /// The disk, unless the file died with the power or was replaced.
    fn live(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.core.state();
        (state.life == self.life).then_some(state)
    }

    fn lock(&mut self, want: c_int) -> Result<(), Code> {
        let (node, level, read_only) = (self.node, self.level, self.read_only);
        let mut state = self.live().ok_or(ffi::SQLITE_IOERR_LOCK)?;
        if level >= want {
            return Ok(());
        }
        if want > ffi::SQLITE_LOCK_SHARED && read_only {
            return Err(ffi::SQLITE_IOERR_LOCK);
        }
        let locks = &mut state.node(node).locks;
        let (reached, code) = match want {
            ffi::SQLITE_LOCK_SHARED if locks.pending => (level, Err(ffi::SQLITE_BUSY)),
            ffi::SQLITE_LOCK_SHARED => {
                locks.shared += 1;
                (want, Ok(()))
            }
            _ if level < ffi::SQLITE_LOCK_RESERVED && locks.reserved => (level, Err(ffi::SQLITE_BUSY)),
            ffi::SQLITE_LOCK_RESERVED => {
                locks.reserved = true;
                (want, Ok(()))
            }
            // Who waits for the readers to leave lets no new one in meanwhile, also if the answer is BUSY for now.
            _ => {
                (locks.reserved, locks.pending) = (true, true);
                let alone = locks.shared <= 1;
                if alone { (want, Ok(())) } else { (ffi::SQLITE_LOCK_PENDING, Err(ffi::SQLITE_BUSY)) }
            }
        };
        drop(state);
        self.level = reached;
        code
    }

    fn unlock(&mut self, keep: c_int) {
        if let Some(mut state) = self.live()
            && self.level > keep
        {
            let locks = &mut state.node(self.node).locks;
            if self.level >= ffi::SQLITE_LOCK_RESERVED {
                (locks.reserved, locks.pending) = (false, false);
            }
            if keep == ffi::SQLITE_LOCK_NONE {
                locks.shared -= 1;
            }
        }
        self.level = self.level.min(keep);
    }

    /// A region of shared memory; null if there is none yet and none shall be made.
    fn shm_map(&mut self, region: usize, bytes: usize, extend: bool) -> Result<*mut c_void, Code> {
        let mut state = self.live().ok_or(ffi::SQLITE_IOERR_SHMMAP)?;
        let mine = match &self.shm {
            Some(shm) => Arc::clone(shm),
            None => {
                let shm = Arc::clone(state.node(self.node).shm.get_or_insert_default());
                lock(&shm).users += 1;
                shm
            }
        };
        drop(state);
        let mut shm = lock(&mine);
        if extend && shm.regions.len() <= region {
            shm.regions.resize_with(region + 1, || Region::new(bytes));
        }
        let pointer = shm.regions.get(region).map_or(ptr::null_mut(), Region::pointer);
        drop(shm);
        self.shm = Some(mine);
        Ok(pointer)
    }

    fn shm_lock(&mut self, slots: std::ops::Range<usize>, flags: c_int) -> Result<(), Code> {
        // A lock on dead memory would be granted, and the connection would answer from its cache.
        drop(self.live().ok_or(ffi::SQLITE_IOERR_SHMLOCK)?);
        let mut shm = lock(self.shm.as_ref().ok_or(ffi::SQLITE_IOERR_SHMLOCK)?);
        let bits = slots.clone().fold(0, |bits, slot| bits | 1 << slot);
        if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
            let (shared, exclusive) = (self.shm_shared & bits, self.shm_exclusive & bits);
            give_back(&mut shm, shared, exclusive);
            drop(shm);
            self.shm_shared &= !shared;
            self.shm_exclusive &= !exclusive;
        } else if flags & ffi::SQLITE_SHM_SHARED != 0 {
            let fresh = bits & !self.shm_shared;
            let asked = || slots.clone().filter(|slot| fresh >> slot & 1 == 1);
            if asked().any(|slot| shm.exclusive[slot]) {
                return Err(ffi::SQLITE_BUSY);
            }
            asked().for_each(|slot| shm.shared[slot] += 1);
            drop(shm);
            self.shm_shared |= fresh;
        } else {
            let taken = slots.clone().any(|slot| {
                let mine = (self.shm_shared >> slot & 1) as usize;
                shm.shared[slot] > mine || shm.exclusive[slot] && self.shm_exclusive & 1 << slot == 0
            });
            if taken {
                return Err(ffi::SQLITE_BUSY);
            }
            shm.exclusive[slots].fill(true);
            drop(shm);
            self.shm_exclusive |= bits;
        }
        Ok(())
    }

    fn shm_unmap(&mut self) {
        let Some(shm) = self.shm.take() else { return };
        let mut held = lock(&shm);
        give_back(&mut held, self.shm_shared, self.shm_exclusive);
        (self.shm_shared, self.shm_exclusive) = (0, 0);
        drop(held);
        if let Some(mut state) = self.live() {
            // Counted under the lock of the disk, or another connection could map what is being forgotten.
            let users = {
                let mut held = lock(&shm);
                held.users -= 1;
                held.users
            };
            if users == 0 {
                state.node(self.node).shm = None;
            }
        }
    }

    fn close(mut self) {
        self.shm_unmap();
        self.unlock(ffi::SQLITE_LOCK_NONE);
        if let Some(mut state) = self.live() {
            if let Some(name) = &self.delete_on_close {
                // Somebody may have deleted it before.
                let _ = state.delete(name);
            }
            state.close(self.node);
        }
    }
}

fn lock(shm: &Mutex<Shm>) -> MutexGuard<'_, Shm> {
    shm.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives back locks of shared memory that one connection holds.
fn give_back(shm: &mut Shm, shared: u32, exclusive: u32) {
    for slot in 0..ffi::SQLITE_SHM_NLOCK as usize {
        shm.shared[slot] -= (shared >> slot & 1) as usize;
        if exclusive >> slot & 1 == 1 {
            shm.exclusive[slot] = false;
        }
    }
}

fn code(result: Result<(), Code>) -> c_int {
    result.err().unwrap_or(ffi::SQLITE_OK)
}

/// The VFS for everything that is not on a disk.
///
/// # Safety
///
/// `vfs` is the table that `install` registered.
unsafe fn base_of(vfs: *mut sqlite3_vfs) -> *mut sqlite3_vfs {
    // SAFETY: `install` put it there, and it lives as long as the process.
    unsafe { (*vfs).pAppData.cast() }
}

/// Calls a function of the VFS for everything else; every VFS has these functions.
macro_rules! base {
    ($vfs:expr, $function:ident, $otherwise:expr $(, $argument:expr)*) => {{
        // SAFETY: the arguments are those that SQLite gave for the same function, but for the VFS, which is its own.
        unsafe {
            let base = base_of($vfs);
            match (*base).$function {
                Some(function) => function(base $(, $argument)*),
                None => $otherwise,
            }
        }
    }};
}

/// The path, if it lies on a disk.
///
/// # Safety
///
/// `path` is null or ends with a zero byte, and lives long enough.
unsafe fn on_disk<'a>(path: *const c_char) -> Option<&'a str> {
    if path.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) };
    path.to_str().ok().filter(|path| is_ours(path))
}

unsafe extern "C" fn x_open(
    vfs: *mut sqlite3_vfs,
    path: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives null or a text that ends with a zero byte.
    let Some(path) = (unsafe { on_disk(path) }) else {
        return base!(vfs, xOpen, ffi::SQLITE_CANTOPEN, path, file, flags, flags_out);
    };
    // SAFETY: SQLite gives room for a file, and must not close it if it was not opened.
    unsafe { (*file).pMethods = ptr::null() };
    let Some((core, name)) = find(path) else { return ffi::SQLITE_CANTOPEN };
    let open = match Open::new(core, name, flags) {
        Ok(open) => open,
        Err(code) => return code,
    };
    // SAFETY: `szOsFile` says that there is room for a `File`, aligned for pointers; `flags_out` may be null.
    unsafe {
        let open = Box::into_raw(Box::new(open));
        file.cast::<File>().write(File { base: sqlite3_file { pMethods: &METHODS }, open });
        if !flags_out.is_null() {
            *flags_out = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_delete(vfs: *mut sqlite3_vfs, path: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite gives a text that ends with a zero byte.
    let Some(path) = (unsafe { on_disk(path) }) else {
        return base!(vfs, xDelete, ffi::SQLITE_IOERR_DELETE, path, sync);
    };
    find(path).map_or(ffi::SQLITE_IOERR_DELETE, |(core, name)| code(core.state().delete(name)))
}

unsafe extern "C" fn x_access(vfs: *mut sqlite3_vfs, path: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    // SAFETY: SQLite gives a text that ends with a zero byte.
    let Some(path) = (unsafe { on_disk(path) }) else {
        return base!(vfs, xAccess, ffi::SQLITE_IOERR_ACCESS, path, flags, out);
    };
    let Some((core, name)) = find(path) else { return ffi::SQLITE_IOERR_ACCESS };
    let state = core.state();
    if state.down {
        return ffi::SQLITE_IOERR_ACCESS;
    }
    // An empty file does not count as there, as with the VFS for Unix: an empty journal is none.
    let there = state.exists(name).is_some_and(|len| flags != ffi::SQLITE_ACCESS_EXISTS || len > 0);
    // SAFETY: SQLite gives a place for the answer.
    unsafe { *out = c_int::from(there) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_full_pathname(
    vfs: *mut sqlite3_vfs,
    path: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite gives a text that ends with a zero byte.
    let Some(full) = (unsafe { on_disk(path) }) else {
        return base!(vfs, xFullPathname, ffi::SQLITE_CANTOPEN, path, room, out);
    };
    if full.len() >= room as usize {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: there is room for the text and its zero byte, and SQLite's two buffers are apart.
    unsafe { ptr::copy_nonoverlapping(path, out, full.len() + 1) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_dl_open(vfs: *mut sqlite3_vfs, path: *const c_char) -> *mut c_void {
    base!(vfs, xDlOpen, ptr::null_mut(), path)
}

unsafe extern "C" fn x_dl_error(vfs: *mut sqlite3_vfs, room: c_int, out: *mut c_char) {
    base!(vfs, xDlError, (), room, out);
}

type Symbol = unsafe extern "C" fn(*mut sqlite3_vfs, *mut c_void, *const c_char);

unsafe extern "C" fn x_dl_sym(vfs: *mut sqlite3_vfs, library: *mut c_void, name: *const c_char) -> Option<Symbol> {
    base!(vfs, xDlSym, None, library, name)
}

unsafe extern "C" fn x_dl_close(vfs: *mut sqlite3_vfs, library: *mut c_void) {
    base!(vfs, xDlClose, (), library);
}

unsafe extern "C" fn x_randomness(_: *mut sqlite3_vfs, room: c_int, out: *mut c_char) -> c_int {
    // SAFETY: SQLite gives room for so many bytes.
    let bytes = unsafe { slice::from_raw_parts_mut(out.cast::<u8>(), room as usize) };
    RANDOMNESS.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes);
    room
}

/// Nobody waits here: who holds the lock gets a chance to give it back, no more.
unsafe extern "C" fn x_sleep(_: *mut sqlite3_vfs, microseconds: c_int) -> c_int {
    std::thread::yield_now();
    microseconds
}

unsafe extern "C" fn x_current_time(_: *mut sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: SQLite gives a place for the answer.
    unsafe { *out = NOW as f64 / 86_400_000.0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_current_time_int64(_: *mut sqlite3_vfs, out: *mut sqlite3_int64) -> c_int {
    // SAFETY: SQLite gives a place for the answer.
    unsafe { *out = NOW };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_get_last_error(vfs: *mut sqlite3_vfs, room: c_int, out: *mut c_char) -> c_int {
    base!(vfs, xGetLastError, 0, room, out)
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(x_close),
    xRead: Some(x_read),
    xWrite: Some(x_write),
    xTruncate: Some(x_truncate),
    xSync: Some(x_sync),
    xFileSize: Some(x_file_size),
    xLock: Some(x_lock),
    xUnlock: Some(x_unlock),
    xCheckReservedLock: Some(x_check_reserved_lock),
    xFileControl: Some(x_file_control),
    xSectorSize: Some(x_sector_size),
    xDeviceCharacteristics: Some(x_device_characteristics),
    xShmMap: Some(x_shm_map),
    xShmLock: Some(x_shm_lock),
    xShmBarrier: Some(x_shm_barrier),
    xShmUnmap: Some(x_shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// The open file behind what SQLite holds.
///
/// # Safety
///
/// `file` was opened by `x_open` on a disk, is not closed, and nobody else uses it at the same time.
unsafe fn open<'a>(file: *mut sqlite3_file) -> &'a mut Open {
    // SAFETY: the caller's promise, which is SQLite's for all functions below.
    unsafe { &mut *(*file.cast::<File>()).open }
}

unsafe extern "C" fn x_close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: as for `open`; SQLite closes a file once, and the methods are taken away so that it knows.
    let open = unsafe {
        (*file).pMethods = ptr::null();
        Box::from_raw((*file.cast::<File>()).open)
    };
    open.close();
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_read(file: *mut sqlite3_file, out: *mut c_void, room: c_int, at: sqlite3_int64) -> c_int {
    // SAFETY: as for `open`; SQLite gives room for so many bytes.
    let (open, buffer) = unsafe { (open(file), slice::from_raw_parts_mut(out.cast::<u8>(), room as usize)) };
    let Some(mut state) = open.live() else { return ffi::SQLITE_IOERR_READ };
    code(state.read(open.node, at as u64, buffer))
}

unsafe extern "C" fn x_write(file: *mut sqlite3_file, bytes: *const c_void, len: c_int, at: sqlite3_int64) -> c_int {
    // SAFETY: as for `open`; SQLite gives so many bytes.
    let (open, bytes) = unsafe { (open(file), slice::from_raw_parts(bytes.cast::<u8>(), len as usize)) };
    if open.read_only {
        return ffi::SQLITE_IOERR_WRITE;
    }
    let Some(mut state) = open.live() else { return ffi::SQLITE_IOERR_WRITE };
    code(state.write(open.node, at as u64, bytes))
}

unsafe extern "C" fn x_truncate(file: *mut sqlite3_file, len: sqlite3_int64) -> c_int {
    // SAFETY: as for `open`.
    let open = unsafe { open(file) };
    if open.read_only {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    let Some(mut state) = open.live() else { return ffi::SQLITE_IOERR_TRUNCATE };
    code(state.truncate(open.node, len as u64))
}

unsafe extern "C" fn x_sync(file: *mut sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: as for `open`.
    let open = unsafe { open(file) };
    let Some(mut state) = open.live() else { return ffi::SQLITE_IOERR_FSYNC };
    code(state.sync(open.node))
}

unsafe extern "C" fn x_file_size(file: *mut sqlite3_file, out: *mut sqlite3_int64) -> c_int {
    // SAFETY: as for `open`.
    let open = unsafe { open(file) };
    let Some(mut state) = open.live() else { return ffi::SQLITE_IOERR_FSTAT };
    // SAFETY: SQLite gives a place for the answer.
    unsafe { *out = state.node(open.node).content.len() as sqlite3_int64 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: as for `open`.
    code(unsafe { open(file) }.lock(level))
}

unsafe extern "C" fn x_unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: as for `open`.
    unsafe { open(file) }.unlock(level);
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_check_reserved_lock(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: as for `open`.
    let open = unsafe { open(file) };
    let Some(mut state) = open.live() else { return ffi::SQLITE_IOERR_CHECKRESERVEDLOCK };
    // SAFETY: SQLite gives a place for the answer.
    unsafe { *out = c_int::from(state.node(open.node).locks.reserved) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_file_control(file: *mut sqlite3_file, what: c_int, argument: *mut c_void) -> c_int {
    // SAFETY: as for `open`.
    let open = unsafe { open(file) };
    match what {
        ffi::SQLITE_FCNTL_LOCKSTATE => {
            // SAFETY: SQLite gives a place for a number with this question.
            unsafe { *argument.cast::<c_int>() = open.level };
            ffi::SQLITE_OK
        }
        ffi::SQLITE_FCNTL_HAS_MOVED => {
            let moved = open.live().is_none_or(|state| !state.is_named(open.node));
            // SAFETY: SQLite gives a place for a number with this question.
            unsafe { *argument.cast::<c_int>() = c_int::from(moved) };
            ffi::SQLITE_OK
        }
        ffi::SQLITE_FCNTL_VFSNAME => {
            // SAFETY: SQLite gives a place for a text of its own memory with this question, and frees it.
            unsafe { *argument.cast::<*mut c_char>() = ffi::sqlite3_mprintf(c"faultdisk".as_ptr()) };
            ffi::SQLITE_OK
        }
        ffi::SQLITE_FCNTL_SIZE_HINT => ffi::SQLITE_OK,
        _ => ffi::SQLITE_NOTFOUND,
    }
}

unsafe extern "C" fn x_sector_size(_: *mut sqlite3_file) -> c_int {
    SECTOR
}

unsafe extern "C" fn x_device_characteristics(_: *mut sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn x_shm_map(
    file: *mut sqlite3_file,
    region: c_int,
    bytes: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: as for `open`.
    let mapped = unsafe { open(file) }.shm_map(region as usize, bytes as usize, extend != 0);
    // SAFETY: SQLite gives a place for the answer.
    unsafe { *out = mapped.unwrap_or(ptr::null_mut()) };
    code(mapped.map(drop))
}

unsafe extern "C" fn x_shm_lock(file: *mut sqlite3_file, first: c_int, count: c_int, flags: c_int) -> c_int {
    let slots = first as usize..(first + count) as usize;
    // SAFETY: as for `open`.
    code(unsafe { open(file) }.shm_lock(slots, flags))
}

unsafe extern "C" fn x_shm_barrier(_: *mut sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn x_shm_unmap(file: *mut sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: as for `open`.
    unsafe { open(file) }.shm_unmap();
    ffi::SQLITE_OK
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Disk;

    const BUSY: Result<(), Code> = Err(ffi::SQLITE_BUSY);

    fn opened(disk: &Disk, flags: c_int) -> Open {
        let path = disk.path("a.db");
        let (core, name) = find(path.to_str().unwrap()).unwrap();
        Open::new(core, name, flags).unwrap_or_else(|code| panic!("{code}"))
    }

    #[test]
    fn slots_of_shared_memory_are_shared_or_owned() {
        let disk = Disk::new();
        let [mut one, mut two] = [0; 2].map(|_| opened(&disk, ffi::SQLITE_OPEN_CREATE));
        let mut read_only = opened(&disk, ffi::SQLITE_OPEN_READONLY);
        let (share, own) =
            (ffi::SQLITE_SHM_LOCK | ffi::SQLITE_SHM_SHARED, ffi::SQLITE_SHM_LOCK | ffi::SQLITE_SHM_EXCLUSIVE);
        let (unshare, disown) =
            (ffi::SQLITE_SHM_UNLOCK | ffi::SQLITE_SHM_SHARED, ffi::SQLITE_SHM_UNLOCK | ffi::SQLITE_SHM_EXCLUSIVE);
        assert_eq!(one.shm_map(0, 32768, false), Ok(ptr::null_mut()));
        let region = one.shm_map(0, 32768, true).unwrap();
        assert!(!region.is_null());
        assert!(one.shm_map(1, 32768, true).is_ok_and(|second| !second.is_null()));
        for open in [&mut one, &mut two, &mut read_only] {
            assert_eq!(open.shm_map(0, 32768, false), Ok(region));
        }

        assert_eq!((one.shm_lock(3..4, share), two.shm_lock(3..4, share)), (Ok(()), Ok(())));
        assert_eq!(one.shm_lock(2..5, own), BUSY);
        assert_eq!(two.shm_lock(2..3, own), Ok(()));
        assert_eq!((one.shm_lock(2..3, own), one.shm_lock(2..3, share)), (BUSY, BUSY));
        assert_eq!(two.shm_lock(3..4, unshare), Ok(()));
        assert_eq!(two.shm_lock(3..4, own), BUSY);
        assert_eq!(one.shm_lock(3..4, unshare), Ok(()));
        assert_eq!(two.shm_lock(3..8, own), Ok(()));
        assert_eq!(read_only.shm_lock(7..8, share), BUSY);
        assert_eq!(two.shm_lock(3..8, disown), Ok(()));
        assert_eq!(read_only.shm_lock(7..8, share), Ok(()));
        // Closing gives back what is left, and the memory goes with the last connection.
        two.close();
        assert_eq!(one.shm_lock(2..3, own), Ok(()));
        read_only.close();
        assert_eq!(one.shm_lock(7..8, own), Ok(()));
        one.close();
        assert_eq!(opened(&disk, 0).shm_map(0, 32768, false), Ok(ptr::null_mut()));
    }

    #[test]
    fn locks_of_a_file_go_through_five_levels() {
        let disk = Disk::new();
        let [mut one, mut two, mut three] = [0; 3].map(|_| opened(&disk, ffi::SQLITE_OPEN_CREATE));
        let (none, shared) = (ffi::SQLITE_LOCK_NONE, ffi::SQLITE_LOCK_SHARED);
        let (reserved, exclusive) = (ffi::SQLITE_LOCK_RESERVED, ffi::SQLITE_LOCK_EXCLUSIVE);
        assert_eq!((one.lock(shared), two.lock(shared)), (Ok(()), Ok(())));
        assert_eq!((one.lock(reserved), two.lock(reserved), two.lock(exclusive)), (Ok(()), BUSY, BUSY));
        assert_eq!(three.lock(shared), Ok(()));
        three.unlock(none);
        assert_eq!(one.lock(exclusive), BUSY);
        assert_eq!((one.level, three.lock(shared)), (ffi::SQLITE_LOCK_PENDING, BUSY));
        two.unlock(none);
        assert_eq!(one.lock(exclusive), Ok(()));
        assert_eq!(two.lock(shared), BUSY);
        one.unlock(shared);
        assert_eq!((two.lock(shared), two.lock(reserved)), (Ok(()), Ok(())));
        // A connection that closes, or whose disk loses power, holds nothing.
        two.close();
        assert_eq!(three.lock(shared), Ok(()));
        assert_eq!(three.lock(reserved), Ok(()));
        disk.power_on(crate::Loss::Nothing);
        assert_eq!(one.lock(reserved), Err(ffi::SQLITE_IOERR_LOCK));
        let mut four = opened(&disk, 0);
        assert_eq!((four.lock(shared), four.lock(exclusive)), (Ok(()), Ok(())));
        one.close();
        three.close();
        assert_eq!(opened(&disk, 0).lock(shared), BUSY);
    }
}
