//! What only the store itself can be asked: settings, steps, damage, a full disk.

use rusqlite::Connection;
use sync_protocol::access::Role;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::{CreateRow, Intent};
use sync_protocol::row::*;
use sync_protocol::wire::{HeldRole, RowsFrame, no_ext};
use uuid::Uuid;

use super::*;
use crate::Random;

struct Counting(u64);

impl Random for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 33) as u8;
        }
    }
}

const NOW: ClaimedMs = ClaimedMs(1_795_143_600_000);

fn village() -> ScopeId {
    ScopeId(Uuid::from_bytes([2; 16]))
}

/// A store that is enrolled and knows its village.
fn enrolled(location: Location) -> (Store, Counting) {
    let mut store = Store::open(location, None).unwrap();
    let mut random = Counting(1);
    prepare(&mut store, &mut random);
    (store, random)
}

fn prepare(store: &mut Store, random: &mut Counting) {
    store.device_public_key(random).unwrap();
    let enrolment = Enrolment {
        user: UserId(Uuid::from_bytes([1; 16])),
        display_name: "Vàng Thị Mỷ".into(),
        device: DeviceId(Uuid::from_bytes([9; 16])),
        session: 1,
        sync_key: [1; 32],
        refresh_token: "r".into(),
        access_token: "a".into(),
        server: None,
    };
    store.enrol(enrolment, random).unwrap();
    let unit = Register::new(
        RowType::UNIT,
        village().0,
        Stamp { ver: Ver::first(1), epoch: Epoch(1), n: 1 },
        [(unit::VALIDITY, Raw(Validity { from: Day(0), to: None, ext: Ext::default() }.cbor()))],
    );
    let frame = RowsFrame {
        scope: village(),
        class: Class::Control as u8,
        quarter: 0,
        gen_: 1,
        from: 0,
        to: 3,
        mac: [0; 8],
        rows: rows_as_bytes(&[Row::Register(unit)]),
        ext: no_ext(),
    };
    store
        .write(|db| {
            db.apply_rows(&frame, false, true)?;
            let mut control = db.control()?;
            control.grants_rev = 1;
            control.holdings = vec![HeldRole { scope: village(), role: Role::Member.code().to_owned(), ext: no_ext() }];
            db.set_control(&control)
        })
        .unwrap();
}

fn label(text: &str) -> (GroupKey, Raw) {
    let label = HouseholdLabel { label: text.into(), landmark: None, ext: Ext::default() };
    (household::LABEL, Raw(label.cbor()))
}

fn add(store: &mut Store, text: &str, random: &mut Counting) -> Result<Saved> {
    store.create_household(village(), [label(text)], NOW, random)
}

#[test]
fn a_piece_of_work_that_fails_leaves_no_trace() {
    let (mut store, mut random) = enrolled(Location::Memory);
    add(&mut store, "nhà thứ nhất", &mut random).unwrap();
    let failed: Result<()> = store.write(|db| {
        let body = CreateRow {
            scope: village(),
            groups: ByKey([label("nhà dở dang")].into_iter().collect()),
            id: None,
            ext: no_ext(),
        };
        db.save(&Intent::HouseholdCreate(body).into_op(Salt([5; 16]), NOW, 1))?;
        Err(Error::NotFound)
    });
    assert!(failed.is_err());
    assert_eq!(store.outbox().unwrap().len(), 1);
    assert!(store.search_households("do dang", 5).unwrap().is_empty());
    assert_eq!(store.rebuild_check().unwrap(), Vec::<String>::new());
    assert_eq!(add(&mut store, "nhà thứ hai", &mut random).unwrap().n, 2, "numbers have no gap");
}

#[test]
fn a_full_disk_refuses_and_keeps_everything() {
    let (mut store, mut random) = enrolled(Location::Memory);
    add(&mut store, "nhà thứ nhất", &mut random).unwrap();
    let pages: i64 = store.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    store.conn.pragma_update_and_check(None, "max_page_count", pages + 1, |_| Ok(())).unwrap();
    let mut saved = 1;
    let error = loop {
        match add(&mut store, &format!("nhà số {saved} với một cái tên rất dài để đầy nhanh hơn"), &mut random)
        {
            Ok(_) => saved += 1,
            Err(error) => break error,
        }
        assert!(saved < 1_000, "the limit does not bite");
    };
    assert!(matches!(error, Error::StorageFull), "{error:?}");
    assert_eq!(store.outbox().unwrap().len(), saved);
    assert_eq!(store.households().unwrap().len(), saved);
    assert_eq!(store.rebuild_check().unwrap_or_default(), Vec::<String>::new());
    store.conn.pragma_update_and_check(None, "max_page_count", 1_000_000, |_| Ok(())).unwrap();
    assert_eq!(add(&mut store, "nhà sau cùng", &mut random).unwrap().n, saved as u64 + 1);
}

#[test]
fn the_reserve_lies_beside_the_file_until_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phone.db");
    let mut store = Store::open(path.as_path(), None).unwrap();
    assert_eq!(std::fs::metadata(beside(&path, "ballast")).unwrap().len(), BALLAST_BYTES as u64);
    assert!(store.release_ballast());
    assert!(!beside(&path, "ballast").exists());
    assert!(store.has_room() && beside(&path, "ballast").exists());
}

#[test]
fn a_sync_gives_up_the_reserve_and_a_missing_folder_is_no_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phone.db");
    let mut store = Store::open(path.as_path(), None).unwrap();
    let mut tries = 0;
    let done = store.write_with_reserve(|_| {
        tries += 1;
        if tries == 1 { Err(Error::StorageFull) } else { Ok(tries) }
    });
    assert_eq!(done.unwrap(), 2);
    assert!(!beside(&path, "ballast").exists());
    // There is one reserve, and it is gone.
    assert!(matches!(store.write_with_reserve(|_| Err::<(), _>(Error::StorageFull)), Err(Error::StorageFull)));
    let error = Store::open(folder.path().join("nowhere").join("phone.db").as_path(), None).unwrap_err();
    assert!(matches!(error, Error::Sqlite(_)), "{error:?}");
}

#[test]
fn a_store_of_a_newer_app_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phone.db");
    drop(enrolled(Location::File(path.clone())));
    let newer = Connection::open(&path).unwrap();
    newer.execute_batch("CREATE TABLE of_a_newer_app (x) STRICT;").unwrap_err();
    newer.execute_batch("CREATE TABLE of_a_newer_app (x INTEGER) STRICT; PRAGMA user_version = 99;").unwrap();
    newer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(newer);
    let before = std::fs::read(&path).unwrap();
    let error = Store::open(path.as_path(), None).unwrap_err();
    assert!(matches!(error, Error::StoreFromNewerApp { found: 99, supported: SCHEMA }), "{error:?}");
    assert!(Store::open_or_rescue(path.as_path(), None, &mut Counting(3)).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_foreign_file_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1);").unwrap();
    drop(other);
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(Store::open(path.as_path(), None), Err(Error::NotAStore)));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn an_encrypted_file_opens_with_its_key_only_and_shows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phone.db");
    let key = StoreKey([7; 48]);
    let mut store = Store::open(path.as_path(), Some(&key)).unwrap();
    let mut random = Counting(1);
    prepare(&mut store, &mut random);
    add(&mut store, "DAUVETMAHOA", &mut random).unwrap();
    drop(store);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(11).any(|window| window == b"DAUVETMAHOA" || window == b"dauvetmahoa"));
    }
    assert!(matches!(Store::open(path.as_path(), None), Err(Error::NotAStore)));
    assert!(matches!(Store::open(path.as_path(), Some(&StoreKey([8; 48]))), Err(Error::NotAStore)));
    let mut store = Store::open(path.as_path(), Some(&key)).unwrap();
    assert_eq!(store.search_households("dauvetmahoa", 5).unwrap().len(), 1);
}

#[test]
fn a_damaged_file_is_set_aside_and_its_outbox_is_rescued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phone.db");
    let (mut store, mut random) = enrolled(Location::File(path.clone()));
    let saved: Vec<OpUid> =
        (0..40).map(|n| add(&mut store, &format!("nhà số {n}"), &mut random).unwrap().uid).collect();
    store.checkpoint().unwrap();
    // One page of the search index is lost.
    let root: i64 = store
        .conn
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'household_search_content'", [], |row| row.get(0))
        .unwrap();
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    let page = 4096 * (root as usize - 1);
    bytes[page..page + 4096].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let (mut store, rescue) = Store::open_or_rescue(path.as_path(), None, &mut random).unwrap();
    let rescue = rescue.expect("the damage is noticed");
    assert_eq!((rescue.ops, rescue.unreadable.len()), (40, 0));
    assert_eq!(std::fs::read(&rescue.set_aside).unwrap(), bytes);
    let here: Vec<OpUid> = store.not_yet_synced().unwrap().iter().map(|op| op.uid).collect();
    assert_eq!(here, saved);
    assert_eq!(store.identity().unwrap().unwrap().display_name, "Vàng Thị Mỷ");
}

/// A household of the village, as the server sent it.
fn receive_household(store: &mut Store, text: &str) -> Uuid {
    let id = derive_id(DerivedTag::Row, NOW, &[7; 16], 0);
    let stamp = Stamp { ver: Ver::first(1), epoch: Epoch(1), n: 1 };
    let household = Register::new(RowType::HOUSEHOLD, id, stamp, [label(text)]);
    let frame = RowsFrame {
        scope: village(),
        class: Class::Register as u8,
        quarter: 0,
        gen_: 1,
        from: 0,
        to: 1,
        mac: [0; 8],
        rows: rows_as_bytes(&[Row::Register(household)]),
        ext: no_ext(),
    };
    store.write(|db| db.apply_rows(&frame, false, true)).unwrap();
    id
}

/// What bad storage does: the row is gone, and no counter says so.
fn lose_row(store: &mut Store, id: Uuid) {
    let lost = store.conn.execute("DELETE FROM base WHERE id = ?1", [id.as_bytes()]).unwrap();
    assert_eq!(lost, 1);
}

#[test]
fn a_row_that_bad_storage_took_is_missed_within_a_day() {
    use sync_protocol::digest::{BucketState, fold};
    let (mut store, _) = enrolled(Location::Memory);
    let id = receive_household(&mut store, "nhà đầu suối");
    let state = |bucket: &base::Bucket| BucketState {
        bucket: bucket.id,
        gen_: bucket.gen_,
        head: bucket.seq,
        digest: bucket.digest,
    };
    let states: Vec<BucketState> = store.read(|db| Ok(db.buckets(false)?.iter().map(state).collect())).unwrap();
    let proof = fold(&states);
    let mut counted = 0;
    let mut check = |store: &mut Store, day| store.write(|db| db.check_digest(false, proof, Day(day), &mut counted));
    assert_eq!(check(&mut store, 20_000).unwrap(), DigestCheck::Agrees);
    lose_row(&mut store, id);
    // Counting takes time, so it is done once a day; then the server is asked for its heads, and the bucket comes again.
    assert_eq!(check(&mut store, 20_000).unwrap(), DigestCheck::Agrees);
    assert_eq!(check(&mut store, 20_001).unwrap(), DigestCheck::AskHeads);
}

#[test]
fn a_purge_removes_the_words_of_a_row_that_bad_storage_took() {
    let (mut store, _) = enrolled(Location::Memory);
    let id = receive_household(&mut store, "nhà đầu suối");
    lose_row(&mut store, id);
    let words = |store: &Store| -> (i64, i64) {
        let count = |sql| store.conn.query_row(sql, [], |row| row.get(0)).unwrap();
        (count("SELECT count(*) FROM household"), count("SELECT count(*) FROM household_search_content"))
    };
    assert_eq!(words(&store), (1, 1), "the words are still there");
    store.write(|db| db.purge_scope(village())).unwrap();
    assert_eq!(words(&store), (0, 0));
}

#[test]
fn what_was_purged_does_not_survive_a_power_cut_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phone.db");
    let (mut store, _) = enrolled(Location::File(path.clone()));
    receive_household(&mut store, "DAUVETTHONCU");
    store.write(|db| db.purge_scope(village())).unwrap();
    // The power goes here: the purge is on the disk, and so is the log from before it.
    let after = folder.path().join("after.db");
    let file_of = |path: &Path, ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    for ending in ["", "-wal"] {
        std::fs::copy(file_of(&path, ending), file_of(&after, ending)).unwrap();
    }
    drop(store);
    let shows = |ending| {
        let bytes = std::fs::read(file_of(&after, ending)).unwrap_or_default();
        ["DAUVETTHONCU", "dauvetthoncu"].iter().any(|mark| bytes.windows(12).any(|window| window == mark.as_bytes()))
    };
    assert!(shows("-wal"), "the test would see it");
    let store = Store::open(after.as_path(), None).unwrap();
    assert!(!shows("") && !shows("-wal"), "the purged is still in a file");
    drop(store);
}

#[test]
fn a_draft_never_becomes_an_op_by_itself_and_keeps_the_id_that_it_was_given() {
    let (mut store, mut random) = enrolled(Location::Memory);
    let content = VisitContent {
        village: village().into(),
        team: TeamId(Uuid::nil()),
        household: None,
        visit_type: "village".into(),
        day: Day(20_000),
        minutes: None,
        activities: vec![],
        members: vec![],
        result: Some("absent".into()),
        summary: Some("đang viết".into()),
        place: None,
        catalogue: "2026.1".into(),
        partner_org: None,
        quantity_reason: None,
        ext: Ext::default(),
    };
    let mut body =
        DraftBody { content, plan: None, corrects: None, base_ver: None, form: Some("{}".into()), ext: Ext::default() };
    let id = store.begin_draft(&body, NOW, &mut random).unwrap();
    body.content.summary = Some("viết xong".into());
    store.update_draft(id, &body, ClaimedMs(NOW.0 + 5)).unwrap();
    assert!(store.outbox().unwrap().is_empty());
    // The team is not known here: refused, and the draft is still there.
    assert!(matches!(store.finish_draft(id, true), Err(Error::Refused(_))));
    let draft = store.draft(id).unwrap();
    assert_eq!((draft.body, draft.at, draft.changed.0), (body, NOW, NOW.0 + 5));
    let team = Register::new(
        RowType::TEAM,
        Uuid::nil(),
        Stamp { ver: Ver::first(1), epoch: Epoch(1), n: 1 },
        [(
            team::IDENTITY,
            Raw(TeamIdentity { level: "village".into(), unit: village().into(), name: "Tổ".into(), ext: no_ext() }
                .cbor()),
        )],
    );
    let frame = RowsFrame {
        scope: village(),
        class: Class::Control as u8,
        quarter: 0,
        gen_: 1,
        from: 3,
        to: 4,
        mac: [0; 8],
        rows: rows_as_bytes(&[Row::Register(team)]),
        ext: no_ext(),
    };
    store.write(|db| db.apply_rows(&frame, false, true)).unwrap();
    let saved = store.finish_draft(id, true).unwrap();
    assert_eq!(saved.row, id);
    assert!(store.drafts().unwrap().is_empty());
    assert_eq!(store.visit(VisitId(id)).unwrap().summary.status, "submitted");
}

#[test]
fn a_packed_row_comes_back_to_the_letter() {
    use sync_protocol::cbor::{read, write_head};
    let (mut store, _) = enrolled(Location::Memory);
    let id = derive_id(DerivedTag::Row, NOW, &[3; 16], 0);
    // Every shape: the moment of the id, known and unknown ids, small and large numbers, negative ones, nesting.
    let mut row = Vec::new();
    write_head(5, 9, &mut row);
    let mut put = |key: u64, bytes: &[u8]| {
        write_head(0, key, &mut row);
        row.extend_from_slice(bytes);
    };
    put(0, &[0x18, 200]);
    put(1, &id.cbor());
    put(2, &Ver::first(3).cbor());
    put(5, &NOW.cbor());
    put(6, &vec![village(), ScopeId(Uuid::from_bytes([77; 16]))].cbor());
    put(
        7,
        &vec![0u64, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, (1 << 48) - 1, 1 << 48, u64::MAX]
            .cbor(),
    );
    put(8, &vec![-1i64, -25, i64::MIN].cbor());
    put(9, &["chữ Việt", "outcome", "absent", "desk", "citizen_app_install", ""].map(str::to_owned).to_vec().cbor());
    put(40, &(true, vec![sync_protocol::cbor::Bytes(vec![1; 16]), sync_protocol::cbor::Bytes(vec![])]).cbor());
    let read_row: Row = read(&row).unwrap();
    store
        .write(|db| {
            let packed = db.pack(id, &row)?;
            assert!(packed.len() + 40 < row.len(), "{} of {}", packed.len(), row.len());
            assert_eq!(db.unpack(read_row.ty(), id, read_row.ver(), &packed)?, row);
            Ok(())
        })
        .unwrap();
}

/// Filled stores as released apps left them, dumped once per release; never edited.
const RELEASED: &[(u32, &str)] = &[(1, include_str!("../../fixtures/store_v1.sql"))];

fn schema_of(conn: &Connection) -> Vec<(String, String)> {
    let mut statement =
        conn.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    statement
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap()
}

#[test]
fn every_released_store_ends_with_the_fresh_schema_and_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = Store::open(Location::Memory, None).unwrap();
    for (version, dump) in RELEASED {
        let path = folder.path().join(format!("v{version}.db"));
        let old = Connection::open(&path).unwrap();
        old.execute_batch(dump).unwrap();
        drop(old);
        let mut store = Store::open(path.as_path(), None).unwrap();
        assert_eq!(schema_of(&store.conn), schema_of(&fresh.conn));
        let waiting = store.not_yet_synced().unwrap();
        assert_eq!(waiting.iter().map(|op| op.n).collect::<Vec<_>>(), vec![1, 2]);
        assert_eq!(store.search_households("dau suoi", 5).unwrap()[0].label, "nhà đầu suối, mái tôn đỏ");
        assert_eq!(store.drafts().unwrap().len(), 1);
        assert_eq!(store.identity().unwrap().unwrap().display_name, "Vàng Thị Mỷ");
        assert_eq!(store.rebuild_check().unwrap(), Vec::<String>::new());
        let mut random = Counting(50);
        assert_eq!(add(&mut store, "nhà mới", &mut random).unwrap().n, 3);
    }
}

/// Writes the fixture of the current schema to standard output, to be kept with a release:
/// `THONSO_DUMP=1 cargo test -p client-core --lib dump_a_filled_store -- --nocapture`.
#[test]
fn dump_a_filled_store() {
    let (mut store, mut random) = enrolled(Location::Memory);
    add(&mut store, "nhà đầu suối, mái tôn đỏ", &mut random).unwrap();
    add(&mut store, "nhà cạnh trường", &mut random).unwrap();
    let content = VisitContent {
        village: village().into(),
        team: TeamId(Uuid::nil()),
        household: None,
        visit_type: "village".into(),
        day: Day(20_000),
        minutes: None,
        activities: vec![],
        members: vec![],
        result: Some("absent".into()),
        summary: None,
        place: None,
        catalogue: "2026.1".into(),
        partner_org: None,
        quantity_reason: None,
        ext: Ext::default(),
    };
    let body = DraftBody { content, plan: None, corrects: None, base_ver: None, form: None, ext: Ext::default() };
    store.begin_draft(&body, NOW, &mut random).unwrap();
    let dump = dump(&store.conn);
    assert!(dump.contains("INSERT INTO op "));
    if std::env::var_os("THONSO_DUMP").is_some() {
        println!("{dump}");
    }
}

/// The schema's own script, then every row of every table that is not derived from the search module.
fn dump(conn: &Connection) -> String {
    let mut out = String::from("BEGIN;\nPRAGMA defer_foreign_keys = ON;\n");
    out.push_str(include_str!("sql/0001_init.sql"));
    let tables: Vec<String> = {
        let mut statement = conn
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'household_search_%' ORDER BY name")
            .unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
    };
    for table in tables {
        let columns: Vec<String> = {
            let mut statement = conn.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
        };
        let (mut columns, mut quoted): (Vec<String>, Vec<String>) =
            columns.iter().map(|column| (column.clone(), format!("quote({column})"))).unzip();
        if table == "household_search" {
            columns.insert(0, "rowid".into());
            quoted.insert(0, "rowid".into());
        }
        let sql = format!("SELECT {} FROM {table}", quoted.join(" || ', ' || "));
        let mut statement = conn.prepare(&sql).unwrap();
        for values in statement.query_map([], |row| row.get::<_, String>(0)).unwrap() {
            out.push_str(&format!("INSERT INTO {table} ({}) VALUES ({});\n", columns.join(", "), values.unwrap()));
        }
    }
    let id: i64 = conn.query_row("PRAGMA application_id", [], |row| row.get(0)).unwrap();
    out.push_str(&format!("PRAGMA application_id = {id};\nPRAGMA user_version = {SCHEMA};\nCOMMIT;\n"));
    out
}
