//! Simulated disks for SQLite under test: they lose power, fill up and fail, and do so again in the same way for the
//! same seed.
//!
//! [`install`] makes this the process's default VFS, so code that opens databases by path needs no change. A path that
//! [`Disk::path`] gave lies on a simulated disk, in memory. Every other path, and every temporary file without a name,
//! goes to the VFS that was the default before.
//!
//! ```
//! use faultdisk::{Disk, Faults, Loss};
//!
//! faultdisk::install();
//! let disk = Disk::new();
//! let db = rusqlite::Connection::open(disk.path("phone.db"))?;
//! db.pragma_update(None, "journal_mode", "WAL")?;
//! disk.faults(Faults { crash_at_write: Some(3), ..Faults::default() });
//! assert!(db.pragma_update(None, "user_version", 7).is_err());
//! drop(db);
//! disk.power_on(Loss::Random(1));
//! let db = rusqlite::Connection::open(disk.path("phone.db"))?;
//! # let _: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
//! # Ok::<(), rusqlite::Error>(())
//! ```
//!
//! # What a disk promises
//!
//! - What was written and then synced stays. What was not synced is lost or kept at [`Disk::power_on`], as [`Loss`] says.
//! - A file is created and deleted at once and for good, in the order of the calls: folders need no sync here. So a lost
//!   name after a crash is not simulated.
//! - A connection that was open when the power went stays dead; all it gets is errors. Locks and shared memory go with
//!   the power, as with the process that held them.
//! - Writes keep to their bytes (`POWERSAFE_OVERWRITE`): a torn write never harms what lies beside it.
//!
//! # What is the same between two runs
//!
//! One thread that makes the same calls on a disk finds the same faults, losses and counts. SQLite has one source of
//! randomness per process; it is fixed when it starts and after [`reseed`]. Worlds that run side by side draw from it in
//! turn, so the salts in their WAL files, and nothing that is decided here, differ between runs. The clock stands still
//! for every connection, on a disk or not, and waiting for a lock only lets other threads go first.

mod content;
mod disk;
mod random;
mod vfs;

pub use disk::{Disk, Faults, Files, Loss, Stats};
pub use vfs::{install, reseed};
