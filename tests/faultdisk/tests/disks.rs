//! What a simulated disk keeps, loses and refuses, seen through SQLite.

use std::path::Path;

use faultdisk::{Disk, Faults, Files, Loss, Stats};
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};

const FULL: &str = "FULL";
const OFF: &str = "OFF";

/// A database in WAL mode that checkpoints often.
fn open(path: &Path, synchronous: &str) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", synchronous)?;
    db.pragma_update_and_check(None, "wal_autocheckpoint", 12, |_| Ok(()))?;
    db.execute_batch("CREATE TABLE IF NOT EXISTS entry (n INTEGER, half INTEGER, body BLOB, PRIMARY KEY (n, half))")?;
    Ok(db)
}

fn body(n: i64, half: i64) -> Vec<u8> {
    (0..2500).map(|at: i64| (at * 31 + n * 7 + half) as u8).collect()
}

/// One transaction: two rows that belong together.
fn add(db: &mut Connection, n: i64) -> rusqlite::Result<()> {
    let transaction = db.transaction()?;
    for half in 0..2 {
        transaction.execute("INSERT INTO entry VALUES (?1, ?2, ?3)", (n, half, body(n, half)))?;
    }
    transaction.commit()
}

const ENTRIES: i64 = 24;

/// Fills a database and says how many transactions were acknowledged before the first error.
fn work(disk: &Disk, synchronous: &str) -> i64 {
    let mut acknowledged = 0;
    let mut run = || -> rusqlite::Result<()> {
        let mut db = open(&disk.path("a.db"), synchronous)?;
        for n in 0..ENTRIES {
            add(&mut db, n)?;
            acknowledged += 1;
        }
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        add(&mut db, ENTRIES)?;
        acknowledged += 1;
        Ok(())
    };
    // The crash is the point; what counts is what was acknowledged.
    drop(run());
    acknowledged
}

/// How many whole transactions there are, from the first on; nothing if the database is broken.
fn whole(disk: &Disk) -> Option<i64> {
    let look = || -> rusqlite::Result<Option<i64>> {
        let db = Connection::open(disk.path("a.db"))?;
        let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if verdict != "ok" || tables == 0 {
            return Ok((verdict == "ok").then_some(0));
        }
        let mut statement = db.prepare("SELECT n, half, body FROM entry ORDER BY n, half")?;
        let rows: Vec<(i64, i64, Vec<u8>)> =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
        let sound = rows.iter().zip(0..).all(|(row, at)| *row == (at / 2, at % 2, body(at / 2, at % 2)));
        Ok((sound && rows.len().is_multiple_of(2)).then_some(rows.len() as i64 / 2))
    };
    look().unwrap_or(None)
}

fn crash_points(synchronous: &str) -> u64 {
    let disk = Disk::new();
    assert_eq!(work(&disk, synchronous), ENTRIES + 1);
    let Stats { writes, truncates, syncs, .. } = disk.stats();
    writes + truncates + syncs
}

fn crash(synchronous: &str, at: u64, loss: Loss) -> (i64, Option<i64>, Stats) {
    let disk = Disk::new();
    disk.faults(Faults { crash_at_write: Some(at), ..Faults::default() });
    let acknowledged = work(&disk, synchronous);
    assert!(!disk.is_on(), "the power went at call {at}");
    disk.power_on(loss);
    let stats = disk.stats();
    assert_eq!(stats.power_cuts, 1);
    (acknowledged, whole(&disk), stats)
}

#[test]
fn what_was_committed_in_full_survives_every_crash() {
    faultdisk::install();
    let points = crash_points(FULL);
    assert!(points > 200, "the work is worth crashing: {points} calls");
    let (mut kept, mut lost, mut later) = (0, 0, 0);
    for at in 1..=points {
        for loss in [Loss::Random(at), Loss::Random(at + 7777), Loss::All, Loss::Nothing] {
            let (acknowledged, found, stats) = crash(FULL, at, loss);
            let found = found.unwrap_or_else(|| panic!("call {at}, {loss:?}: the database is broken"));
            assert!(
                (acknowledged..=acknowledged + 1).contains(&found),
                "call {at}, {loss:?}: {acknowledged} were acknowledged, {found} are there"
            );
            kept += stats.kept;
            lost += stats.lost;
            later += found - acknowledged;
        }
    }
    assert!(kept > 100 && lost > 100, "chance went both ways: {kept} kept, {lost} lost");
    assert!(later > 0, "some transactions were there before they were acknowledged");
}

#[test]
fn what_was_not_synced_is_lost() {
    faultdisk::install();
    let losses = (1..=crash_points(OFF)).filter(|at| {
        let (acknowledged, found, _) = crash(OFF, *at, Loss::Random(*at));
        found.is_none_or(|found| found < acknowledged)
    });
    assert!(losses.count() > 20);
    // With nothing lost, not syncing does no harm: it is the loss that does it.
    for at in 1..=crash_points(OFF) {
        let (acknowledged, found, _) = crash(OFF, at, Loss::Nothing);
        assert!(found.is_some_and(|found| found >= acknowledged));
    }
}

#[test]
fn a_power_cut_leaves_old_connections_dead() {
    faultdisk::install();
    let disk = Disk::new();
    let mut old = open(&disk.path("a.db"), FULL).unwrap();
    add(&mut old, 0).unwrap();
    disk.cut_power();
    assert!(Connection::open(disk.path("a.db")).is_err());
    disk.power_on(Loss::All);
    let mut new = open(&disk.path("a.db"), FULL).unwrap();
    assert!(add(&mut old, 1).is_err());
    assert!(old.query_row("SELECT count(*) FROM entry", [], |row| row.get::<_, i64>(0)).is_err());
    drop(old);
    add(&mut new, 1).unwrap();
    drop(new);
    assert_eq!(whole(&disk), Some(2));
}

#[test]
fn a_full_disk_refuses_and_works_again_with_room() {
    faultdisk::install();
    let disk = Disk::new();
    let mut db = open(&disk.path("a.db"), FULL).unwrap();
    add(&mut db, 0).unwrap();
    disk.faults(Faults { full_after_bytes: Some(60_000), ..Faults::default() });
    let (stopped, error) = (1..).find_map(|n| add(&mut db, n).err().map(|error| (n, error))).unwrap();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
    assert!((2..20).contains(&stopped), "there was room for {stopped}");
    assert!(disk.stats().full > 0);
    disk.faults(Faults::default());
    add(&mut db, stopped).unwrap();
    drop(db);
    assert_eq!(whole(&disk), Some(stopped + 1));
}

#[test]
fn errors_come_once() {
    faultdisk::install();
    let disk = Disk::new();
    let mut db = open(&disk.path("a.db"), FULL).unwrap();
    add(&mut db, 0).unwrap();
    let fails_once = |faults, extended, attempt: &mut dyn FnMut() -> rusqlite::Result<()>| {
        disk.faults(faults);
        let Err(Error::SqliteFailure(error, _)) = attempt() else { panic!("{faults:?}: no failure") };
        assert_eq!(error.extended_code, extended);
        attempt().unwrap();
    };
    let read = Faults { read_error_at: Some(3), ..Faults::default() };
    let path = disk.path("a.db");
    fails_once(read, rusqlite::ffi::SQLITE_IOERR_READ, &mut || count(&Connection::open(&path)?).map(drop));
    let write = Faults { write_error_at: Some(3), ..Faults::default() };
    fails_once(write, rusqlite::ffi::SQLITE_IOERR_WRITE, &mut || add(&mut db, 1));
    let sync = Faults { sync_error_at: Some(1), ..Faults::default() };
    fails_once(sync, rusqlite::ffi::SQLITE_IOERR_FSYNC, &mut || add(&mut db, 2));
    let Stats { read_errors, write_errors, sync_errors, .. } = disk.stats();
    assert_eq!((read_errors, write_errors, sync_errors), (1, 1, 1));
    drop(db);
    assert_eq!(whole(&disk), Some(3));
}

#[test]
fn a_failed_sync_leaves_the_unsynced_at_risk() {
    faultdisk::install();
    let disk = Disk::new();
    let mut db = open(&disk.path("a.db"), FULL).unwrap();
    add(&mut db, 0).unwrap();
    disk.faults(Faults { sync_error_at: Some(1), ..Faults::default() });
    assert!(add(&mut db, 1).is_err());
    let before = disk.export();
    disk.power_on(Loss::All);
    drop(db);
    assert_ne!(disk.export(), before);
    assert_eq!(whole(&disk), Some(1));
}

fn count(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("SELECT count(*) FROM entry", [], |row| row.get(0))
}

#[test]
fn connections_see_and_block_each_other() {
    faultdisk::install();
    let disk = Disk::new();
    let path = disk.path("a.db");
    let mut one = open(&path, FULL).unwrap();
    let mut two = open(&path, FULL).unwrap();
    let reader = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    for db in [&one, &two, &reader] {
        db.busy_timeout(std::time::Duration::ZERO).unwrap();
    }
    assert!(one.path().is_some_and(|name| Path::new(name) == path));

    // A reader keeps its view while another connection commits, and a writer keeps other writers out.
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(count(&reader).unwrap(), 0);
    add(&mut one, 0).unwrap();
    assert_eq!((count(&reader).unwrap(), count(&two).unwrap()), (0, 2));
    one.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(two.execute_batch("BEGIN IMMEDIATE").unwrap_err().sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    one.execute_batch("ROLLBACK").unwrap();
    two.execute_batch("BEGIN IMMEDIATE; ROLLBACK").unwrap();

    // The WAL cannot be emptied below a reader. Once the reader is through, it can.
    let emptied = |db: &Connection| {
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0)).unwrap()
    };
    assert!(!emptied(&one));
    reader.execute_batch("COMMIT").unwrap();
    assert!(emptied(&one));
    assert_eq!(count(&reader).unwrap(), 2);
    assert!(add_to(&reader).is_err());
    add(&mut two, 1).unwrap();
    assert_eq!(count(&reader).unwrap(), 4);

    // Who closes last cleans up.
    drop((one, two));
    assert!(disk.export().names().any(|name| name == "a.db-wal"));
    drop(reader);
    drop(open(&path, FULL).unwrap());
    assert_eq!(disk.export().names().collect::<Vec<_>>(), ["a.db"]);
}

fn add_to(db: &Connection) -> rusqlite::Result<usize> {
    db.execute("INSERT INTO entry VALUES (9, 9, NULL)", [])
}

#[test]
fn rollback_journals_lock_and_recover_too() {
    faultdisk::install();
    let disk = Disk::new();
    let path = disk.path("a.db");
    let db = || {
        let db = Connection::open(&path).unwrap();
        db.busy_timeout(std::time::Duration::ZERO).unwrap();
        db
    };
    let busy = |result: rusqlite::Result<()>| result.unwrap_err().sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
    let (one, two, three) = (db(), db(), db());
    one.execute_batch("CREATE TABLE t (x)").unwrap();
    // A reader holds a commit back, and a waiting commit holds new readers back.
    two.execute_batch("BEGIN; SELECT x FROM t").unwrap();
    one.execute_batch("BEGIN; INSERT INTO t VALUES (1)").unwrap();
    assert!(busy(three.execute_batch("BEGIN IMMEDIATE")));
    three.execute_batch("SELECT x FROM t").unwrap();
    assert!(busy(one.execute_batch("COMMIT")));
    assert!(busy(three.execute_batch("SELECT x FROM t")));
    two.execute_batch("COMMIT").unwrap();
    one.execute_batch("COMMIT").unwrap();
    three.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert!(busy(two.execute_batch("SELECT x FROM t")));
    three.execute_batch("ROLLBACK").unwrap();
    two.execute_batch("SELECT x FROM t").unwrap();

    // What a crash leaves half done is rolled back from the journal.
    for at in 1..1000 {
        disk.faults(Faults { crash_at_write: Some(at), ..Faults::default() });
        let db = db();
        let done = db.execute_batch("UPDATE t SET x = x + 1; CREATE TABLE IF NOT EXISTS u (y); DROP TABLE u").is_ok();
        drop(db);
        let on = disk.is_on();
        disk.power_on(Loss::Random(at));
        let db = Connection::open(&path).unwrap();
        let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok");
        if done && on {
            assert!(at > 10);
            return;
        }
    }
    panic!("the work never came through");
}

#[test]
fn copies_carry_what_is_only_in_the_wal() {
    faultdisk::install();
    let disk = Disk::new();
    let mut db = open(&disk.path("a.db"), FULL).unwrap();
    db.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(())).unwrap();
    add(&mut db, 0).unwrap();
    add(&mut db, 1).unwrap();
    let copy = disk.export();
    assert_eq!(copy.names().collect::<Vec<_>>(), ["a.db", "a.db-wal"]);
    add(&mut db, 2).unwrap();

    let clone = Disk::new();
    clone.import(&copy);
    assert_eq!(clone.export(), copy);
    let mut other = open(&clone.path("a.db"), FULL).unwrap();
    add(&mut other, 2).unwrap();
    add(&mut other, 3).unwrap();
    drop(other);
    assert_eq!((whole(&clone), whole(&disk)), (Some(4), Some(3)));

    // An old copy comes back below an open connection, which dies of it.
    disk.import(&copy);
    assert!(add(&mut db, 3).is_err());
    drop(db);
    assert_eq!(whole(&disk), Some(2));
    // What was imported counts as synced.
    disk.import(&copy);
    disk.power_on(Loss::All);
    assert_eq!(disk.export(), copy);

    let mut lacking = copy.clone();
    assert!(lacking.remove("a.db-wal") && !lacking.remove("a.db-wal"));
    disk.import(&lacking);
    assert_ne!(whole(&disk), Some(2));
}

#[test]
fn files_can_be_made_and_read_by_hand() {
    faultdisk::install();
    let disk = Disk::new();
    drop(open(&disk.path("a.db"), FULL).unwrap());
    let bytes = disk.export().read("a.db").unwrap();
    assert!(bytes.starts_with(b"SQLite format 3\0"));
    let mut files = Files::default();
    files.put("b.db", &bytes);
    assert!(files.rename("b.db", "a.db") && !files.rename("b.db", "a.db"));
    assert_eq!(files, disk.export());
    files.put("a.db", &[7; 40_000]);
    disk.import(&files);
    assert_eq!(disk.export().read("a.db").unwrap(), [7; 40_000]);
    assert!(open(&disk.path("a.db"), FULL).is_err());
}

#[test]
fn a_database_is_vacuumed_into_a_second_one() {
    faultdisk::install();
    let disk = Disk::new();
    let mut db = open(&disk.path("live.db"), FULL).unwrap();
    add(&mut db, 0).unwrap();
    let reader = Connection::open_with_flags(disk.path("live.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    reader.execute("VACUUM INTO ?1", [disk.path("a.db").to_str()]).unwrap();
    add(&mut db, 1).unwrap();
    // A crash does not undo it: the copy is whole and synced before the statement returns.
    disk.power_on(Loss::Random(4));
    assert_eq!(whole(&disk), Some(1));
}

#[test]
fn other_paths_go_where_they_always_went() {
    faultdisk::install();
    faultdisk::install();
    let folder = std::env::temp_dir().join(format!("faultdisk-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("real.db");
    let mut db = open(&path, FULL).unwrap();
    add(&mut db, 0).unwrap();
    let reader = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    assert_eq!(count(&reader).unwrap(), 2);
    drop(reader);
    drop(db);
    assert!(std::fs::read(&path).unwrap().starts_with(b"SQLite format 3\0"));
    // Sorting beyond the cache needs a temporary file, whatever the disk.
    let memory = Connection::open_in_memory().unwrap();
    memory.execute_batch("PRAGMA temp_store = FILE; PRAGMA cache_size = 5; CREATE TABLE t (x)").unwrap();
    memory
        .execute_batch(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20000)
             INSERT INTO t SELECT x * 7919 % 20011 FROM n; CREATE INDEX i ON t (x)",
        )
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    // A disk that is not there is not looked for elsewhere.
    assert!(Connection::open("/faultdisk/none/a.db").is_err());
}

#[test]
fn a_disk_goes_with_its_last_handle() {
    faultdisk::install();
    let disk = Disk::new();
    let path = disk.path("a.db");
    let clone = disk.clone();
    let mut kept = open(&path, FULL).unwrap();
    drop(disk);
    drop(open(&path, FULL).unwrap());
    drop(clone);
    assert!(Connection::open(&path).is_err());
    add(&mut kept, 0).unwrap();
}

#[test]
fn a_disk_can_stand_in_place_of_a_real_folder() {
    faultdisk::install();
    let folder = std::env::temp_dir().join(format!("faultdisk-at-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let disk = Disk::at(&folder);
    let path = disk.path("a.db");
    assert_eq!(path, folder.join("a.db"));
    let mut db = open(&path, FULL).unwrap();
    add(&mut db, 0).unwrap();
    drop(db);
    assert_eq!((disk.export().names().collect::<Vec<_>>(), path.exists()), (vec!["a.db"], false));
    drop(disk);
    drop(open(&path, FULL).unwrap());
    assert!(path.exists());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn disks_do_not_disturb_each_other() {
    faultdisk::install();
    let alone = |at| crash(FULL, at, Loss::Random(at));
    let expected: Vec<_> = (1..=60).map(alone).collect();
    let side_by_side: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| (1..=60).map(alone).collect::<Vec<_>>())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(side_by_side.iter().all(|found| *found == expected));
}

#[test]
fn one_writer_and_readers_work_on_threads_of_their_own() {
    faultdisk::install();
    let disk = Disk::new();
    let mut db = open(&disk.path("a.db"), FULL).unwrap();
    add(&mut db, 0).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let reader = Connection::open_with_flags(disk.path("a.db"), flags).unwrap();
                let mut last = 0;
                while last < 400 {
                    let found = count(&reader).unwrap();
                    assert!(found >= last && found % 2 == 0);
                    last = found;
                }
            });
        }
        scope.spawn(move || (1..200).for_each(|n| add(&mut db, n).unwrap()));
    });
    assert_eq!(whole(&disk), Some(200));
}

#[test]
fn the_clock_stands_still_and_nobody_waits() {
    faultdisk::install();
    let disk = Disk::new();
    let db = open(&disk.path("a.db"), FULL).unwrap();
    let now: String = db.query_row("SELECT datetime('now')", [], |row| row.get(0)).unwrap();
    assert_eq!(now, "2025-01-01 00:00:00");
    let other = Connection::open(disk.path("a.db")).unwrap();
    other.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(other.execute_batch("BEGIN IMMEDIATE").is_err());
}
