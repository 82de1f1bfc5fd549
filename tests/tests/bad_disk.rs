//! What the server says while its disk fails.

use std::sync::Arc;

use faultdisk::{Disk, Faults};
use server::storage::sqlite::SqliteStorage;
use server::storage::{StorageError, Store};

#[test]
fn a_read_that_fails_tells_its_own_error_and_the_next_one_works() {
    faultdisk::install();
    let disk = Disk::new();
    let path = disk.path("thonso.sqlite3");
    let storage = SqliteStorage::open(&path).unwrap();
    // More than a reader keeps from its opening, so that it has to ask the disk.
    let store = Store(Arc::new(storage));
    store.write_blocking(|tx| tx.put_meta("a", &[7; 200_000])).unwrap();
    let read = || store.read_blocking(|tx| tx.meta("a"));
    let mut failures = 0;
    for at in 1..60 {
        disk.faults(Faults { read_error_at: Some(at), ..Faults::default() });
        let before = disk.stats().read_errors;
        let result = read();
        let failed = disk.stats().read_errors > before;
        disk.faults(Faults::default());
        match result {
            Ok(found) => assert_eq!(found.map(|bytes| bytes.len()), Some(200_000)),
            Err(StorageError::Failed(cause)) => {
                assert!(failed && cause.to_string().contains("disk I/O error"), "{cause}");
                failures += 1;
            }
            Err(other) => panic!("{other}"),
        }
        assert!(read().is_ok(), "a failed read leaves its reader as it was");
    }
    assert!(failures > 0, "no read failed");
    store.0.close();
}
