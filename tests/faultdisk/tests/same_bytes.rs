//! Two runs are equal to the byte. This is alone in its process, because SQLite has one source of randomness for all.

use faultdisk::{Disk, Faults, Files, Loss};
use rusqlite::Connection;

fn run(seed: u64, loss: Loss) -> Files {
    faultdisk::install();
    faultdisk::reseed(seed);
    let disk = Disk::new();
    let work = || -> rusqlite::Result<()> {
        let db = Connection::open(disk.path("a.db"))?;
        db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        db.pragma_update(None, "synchronous", "OFF")?;
        db.execute_batch("CREATE TABLE t (x, made TEXT DEFAULT CURRENT_TIMESTAMP)")?;
        disk.faults(Faults { crash_at_write: Some(100), ..Faults::default() });
        loop {
            db.execute("INSERT INTO t (x) VALUES (randomblob(3000))", [])?;
        }
    };
    assert!(work().is_err());
    disk.power_on(loss);
    disk.export()
}

#[test]
fn the_same_seeds_give_the_same_bytes() {
    let files = run(1, Loss::Random(5));
    assert_eq!(files, run(1, Loss::Random(5)));
    assert_ne!(files, run(1, Loss::Random(6)));
    assert_ne!(files, run(2, Loss::Random(5)));
    assert_eq!(run(1, Loss::All), run(1, Loss::All));
}
