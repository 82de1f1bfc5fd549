//! From an empty folder to a filled one, and what happens when the folder is not what it was.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use server::keys::EpochFile;
use server::seed::{self, SeedError};
use server::startup::{DATABASE, Instance, Serving, StartError, epoch_at_start};
use server::storage::StorageError;
use server::work::{rebuild_projections, verify_audit, verify_digests};
use sync_protocol::access::Role;
use sync_protocol::ids::*;
use sync_protocol::row::RowType;

const NOW: u64 = 1_795_312_800_000; // 2026-11-22
/// Hours from the beginning of 2026 to `NOW`: the number of an epoch that begins then.
const EPOCH_OF_NOW: u16 = 7_802;

fn open(folder: &Path) -> Result<Instance, StartError> {
    let drawn = AtomicU64::new(1);
    let random = Arc::new(move |bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(8) {
            let next = drawn.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chunk.copy_from_slice(&next.to_be_bytes()[..chunk.len()]);
        }
    });
    Instance::open(folder, "thonso", Arc::new(|| ServerMs(NOW)), random)
}

fn open_beside(folder: &Path) -> Result<Instance, StartError> {
    Instance::open_beside(folder, "thonso", Arc::new(|| ServerMs(NOW)), Arc::new(|bytes: &mut [u8]| bytes.fill(7)))
}

/// How many lives the store has noted.
fn lives(instance: &Instance) -> usize {
    instance.store.read_blocking(|tx| tx.meta("lives")).unwrap().map_or(0, |bytes| bytes.len() / 14)
}

#[test]
fn a_command_beside_a_running_server_leaves_its_life_alone() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::begin(folder.path()).unwrap();
    let running = open(folder.path()).unwrap();
    assert_eq!(lives(&running), 1);
    let beside = open_beside(folder.path()).unwrap();
    beside.backup(&folder.path().join("copy.sqlite3")).unwrap();
    assert_eq!(lives(&running), 1, "what phones read from the server afterwards is still of its life");
    assert!(matches!(Serving::begin(folder.path()), Err(StartError::Served(_))), "one server a folder");

    drop((beside, running, serving));
    // On its own a command begins a life: the store may have been put back before.
    assert_eq!(lives(&open_beside(folder.path()).unwrap()), 2);
    assert!(Serving::begin(folder.path()).is_ok(), "the sign goes with its process");
}

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn the_sample_commune_comes_in_through_the_door_like_everybody_s_work() {
    let folder = tempfile::tempdir().unwrap();
    let instance = open(folder.path()).unwrap();
    let seeded = block(seed::demo(&instance, 7, 2)).unwrap();
    assert_eq!(seeded.villages.len(), 15);
    assert!((1_800..3_200).contains(&seeded.households), "{}", seeded.households);
    assert!(seeded.units > 400, "{}", seeded.units);
    let count = |role: Role| seeded.accounts.iter().filter(|account| account.role == role).count();
    assert_eq!((count(Role::Admin), count(Role::CommuneOfficer), count(Role::ProvinceOfficer)), (1, 1, 1));
    assert_eq!(count(Role::TeamLeader), 16);

    assert!(instance.store.read_blocking(verify_audit).unwrap().is_empty());
    let mut households = 0;
    for village in &seeded.villages {
        let scope = ScopeId::from(*village);
        assert!(instance.store.read_blocking(|tx| verify_digests(tx, scope)).unwrap().is_empty());
        let rows = instance.store.read_blocking(|tx| tx.rows_of(scope, RowType::HOUSEHOLD, None, 10_000)).unwrap();
        households += rows.len();
    }
    assert_eq!(households, seeded.households);
    let counts = instance.store.read_blocking(|tx| tx.counts(&seeded.villages, None)).unwrap();
    let visits: u64 = counts.iter().filter(|(key, _)| key.kind.is_empty()).map(|(_, n)| n).sum();
    assert_eq!((seeded.visits, visits), (30, 30));
    // The officer reads the villages; the admin reads no household.
    let holdings =
        |user| instance.store.read_blocking(|tx| server::principal::principal(tx, user, ServerMs(NOW))).unwrap();
    let officer = seeded.accounts.iter().find(|account| account.role == Role::CommuneOfficer).unwrap();
    let scopes: Vec<ScopeId> = holdings(officer.user).holdings.iter().map(|holding| holding.scope).collect();
    assert!(seeded.villages.iter().all(|village| scopes.contains(&ScopeId::from(*village))));
    // Who may bring a phone in for whom: never for somebody who holds more than one could give.
    let leader_of = |place: &str| {
        let found = seeded.accounts.iter().find(|account| account.role == Role::TeamLeader && account.place == place);
        found.unwrap().user
    };
    let member = seeded.accounts.iter().find(|account| account.role == Role::Member && account.place != "Xã Gia Hội");
    let member = member.unwrap();
    let code = |by, user| block(instance.accounts.give_code(by, user)).is_ok();
    assert!(code(leader_of(&member.place), member.user) && code(officer.user, member.user));
    assert!(code(officer.user, leader_of(&member.place)));
    assert!(!code(leader_of("Xã Gia Hội"), officer.user), "a team leader of the commune does not become the officer");
    assert!(!code(member.user, leader_of(&member.place)));
    let secret = server::auth::password::Secret::new("mot-mat-khau-rat-dai-26");
    assert!(block(instance.accounts.set_password(officer.user, seeded.accounts[0].user, secret)).is_err());
    instance.store.write_blocking(rebuild_projections).unwrap();
    assert!(holdings(officer.user).holdings.len() >= 16, "the tree of units was computed again");
    // A second sample would mix two worlds.
    assert!(matches!(block(seed::demo(&instance, 8, 2)), Err(SeedError::NotEmpty)));
}

#[test]
fn a_store_that_is_behind_what_lies_beside_it_begins_a_new_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let instance = open(folder.path()).unwrap();
    assert_eq!(instance.sync.server_epoch(), 1);
    instance.add_admin("Quản trị", "0530000001").unwrap();
    let backup = folder.path().join("backup.sqlite3");
    instance.backup(&backup).unwrap();
    instance.add_admin("Quản trị hai", "0530000002").unwrap();
    instance.keep_high_water().unwrap();
    instance.store.0.close();
    drop(instance);

    // A plain restart changes nothing.
    let instance = open(folder.path()).unwrap();
    assert_eq!(instance.sync.server_epoch(), 1);
    instance.store.0.close();
    drop(instance);

    // The backup takes the database's place; keys and epoch file stay.
    let database = folder.path().join(DATABASE);
    for suffix in ["-wal", "-shm"] {
        drop(std::fs::remove_file(folder.path().join(format!("{DATABASE}{suffix}"))));
    }
    std::fs::copy(&backup, &database).unwrap();
    let instance = open(folder.path()).unwrap();
    assert_eq!(instance.sync.server_epoch(), EPOCH_OF_NOW);
    assert!(instance.store.read_blocking(|tx| tx.user_by_phone("0530000002")).unwrap().is_none());
    instance.store.0.close();
    drop(instance);
    assert_eq!(open(folder.path()).unwrap().sync.server_epoch(), EPOCH_OF_NOW, "once is enough");
}

#[test]
fn the_epoch_at_a_start_follows_from_the_store_and_what_lies_beside_it() {
    let now = ServerMs(NOW);
    let beside = |server_epoch, high_water| Some(EpochFile { server_epoch, high_water });
    assert_eq!(epoch_at_start(None, 0, 0, now), (1, false), "a new store");
    assert_eq!(epoch_at_start(beside(1, 40), 1, 40, now), (1, false), "nothing happened");
    assert_eq!(epoch_at_start(beside(1, 40), 1, 90, now), (1, false), "the file is written now and then");
    assert_eq!(epoch_at_start(beside(1, 40), 1, 39, now), (EPOCH_OF_NOW, true), "an older copy");
    assert_eq!(epoch_at_start(beside(5, 0), 3, 40, now), (EPOCH_OF_NOW, true), "a copy from an earlier epoch");
    assert_eq!(epoch_at_start(None, 3, 40, now), (EPOCH_OF_NOW, true), "a copy alone");
    // Above every epoch that is known, also when the clock stands wrong.
    assert_eq!(epoch_at_start(beside(9_000, 0), 3, 40, now), (9_001, true));
    assert_eq!(epoch_at_start(None, 9_000, 40, ServerMs(0)), (9_001, true));
}

#[test]
fn a_folder_without_its_keys_is_refused_not_given_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let instance = open(folder.path()).unwrap();
    instance.add_admin("Quản trị", "0530000001").unwrap();
    instance.store.0.close();
    drop(instance);
    std::fs::remove_dir_all(folder.path().join(server::keys::FOLDER)).unwrap();
    assert!(matches!(open(folder.path()), Err(StartError::Keys(_))));
    assert!(!folder.path().join(server::keys::FOLDER).exists());
}

#[test]
fn a_file_that_is_no_store_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let database = folder.path().join(DATABASE);
    for suffix in ["-wal", "-shm"] {
        drop(std::fs::remove_file(folder.path().join(format!("{DATABASE}{suffix}"))));
    }
    std::fs::write(&database, vec![9u8; 8192]).unwrap();
    assert!(matches!(open(folder.path()), Err(StartError::Storage(StorageError::Damaged(_)))));
    assert_eq!(std::fs::read(&database).unwrap(), vec![9u8; 8192]);
}

#[test]
fn a_server_starts_where_nothing_can_be_written_beside_its_store() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open(folder.path()).unwrap();
    opened.keep_high_water().unwrap();
    let epoch = opened.sync.server_epoch();
    drop(opened);
    // As on a full disk: the new file cannot be made. The old one still says enough.
    std::fs::create_dir(folder.path().join("server_epoch.json.new")).unwrap();
    let again = open(folder.path()).unwrap();
    assert_eq!(again.sync.server_epoch(), epoch);
    assert!(again.keep_high_water().is_err(), "what could not be kept is told");
    drop(again);
    // Without the old one nobody knows whether the store was restored.
    std::fs::remove_file(folder.path().join("server_epoch.json")).unwrap();
    assert!(open(folder.path()).is_err());
}
