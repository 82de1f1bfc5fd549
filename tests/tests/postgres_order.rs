//! Which order may stand for "newer than" in PostgreSQL: a number is taken before its transaction commits, so a reader
//! that remembers the highest number it saw can pass one that is still to appear.
//!
//! Two orders are known to lose rows, and must lose them here: a test that could not fail would prove nothing. The order
//! that the server uses, and the one for feeds inside the server, must lose none. Each test starts a cluster of its own
//! in a temporary folder. Where PostgreSQL is absent it says so and passes, unless `THONSO_NEED_POSTGRES` is set.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};
use tempfile::TempDir;

/// Buckets of the experiment, from 1.
const BUCKETS: i32 = 3;

/// Identity and transaction of each row, and its position in its bucket where the writer took one.
const TABLES: &str = "
    CREATE TABLE bucket (id int PRIMARY KEY, head bigint NOT NULL);
    CREATE TABLE entry (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        bucket int NOT NULL REFERENCES bucket (id),
        seq bigint,
        label text NOT NULL UNIQUE,
        UNIQUE (bucket, seq)
    );";

// ---------------------------------------------------------------------------------------------------------------------
// Orders that lose rows, and the cure
// ---------------------------------------------------------------------------------------------------------------------

#[test]
fn a_cursor_on_the_identity_column_loses_what_commits_late() {
    let Some(cluster) = Cluster::start() else { return };
    let mut readers = cluster.readers();
    let (mut early, mut late, mut after) = (cluster.connect(), cluster.connect(), cluster.connect());

    run(&mut early, "BEGIN");
    insert(&mut early, "early");
    insert(&mut late, "late");
    readers.read();
    run(&mut early, "COMMIT");
    readers.read();
    insert(&mut after, "after");
    readers.read();

    assert!(cluster.id("early") < cluster.id("late"));
    assert_eq!(readers.by_id.seen, ["late", "after"], "the early number was passed, and is never looked at again");
    // Numbers and transactions agree here: waiting for the older transaction is enough.
    assert_eq!(readers.by_id_settled.seen, ["early", "late", "after"]);
    assert_eq!(readers.by_xid_and_id.seen, ["early", "late", "after"]);
}

#[test]
fn waiting_for_older_transactions_does_not_save_a_cursor_on_the_identity_column() {
    let Some(cluster) = Cluster::start() else { return };
    let mut readers = cluster.readers();
    let (mut slow, mut quick, mut after) = (cluster.connect(), cluster.connect(), cluster.connect());

    // The quick one is the older transaction, but takes its number second.
    run(&mut quick, "BEGIN; SELECT pg_current_xact_id()");
    run(&mut slow, "BEGIN");
    insert(&mut slow, "slow");
    insert(&mut quick, "quick");
    run(&mut quick, "COMMIT");
    readers.read();
    run(&mut slow, "COMMIT");
    readers.read();
    insert(&mut after, "after");
    readers.read();

    assert!(cluster.id("slow") < cluster.id("quick") && cluster.xid("slow") > cluster.xid("quick"));
    assert_eq!(readers.by_id.seen, ["quick", "after"]);
    assert_eq!(readers.by_id_settled.seen, ["quick", "after"], "a lower number in a younger transaction was passed");
    assert_eq!(readers.by_xid_and_id.seen, ["quick", "slow", "after"]);
}

#[test]
fn a_number_taken_before_its_transaction_has_an_id_is_lost_although_nobody_is_writing() {
    let Some(cluster) = Cluster::start() else { return };
    let mut readers = cluster.readers();
    let (mut slow, mut quick, mut after) = (cluster.connect(), cluster.connect(), cluster.connect());

    // A sequence logs some values ahead, and only the logging needs a transaction id.
    insert(&mut quick, "first");
    run(&mut slow, "BEGIN");
    let number: i64 =
        slow.query_one("SELECT nextval(pg_get_serial_sequence('entry', 'id'))", &[]).unwrap().get::<_, i64>(0);
    let id_given = "SELECT pg_current_xact_id_if_assigned() IS NOT NULL";
    assert!(!slow.query_one(id_given, &[]).unwrap().get::<_, bool>(0));
    insert(&mut quick, "quick");
    readers.read();
    let with_number = "INSERT INTO entry (id, bucket, label) OVERRIDING SYSTEM VALUE VALUES ($1, 1, 'slow')";
    slow.execute(with_number, &[&number]).unwrap();
    run(&mut slow, "COMMIT");
    readers.read();
    insert(&mut after, "after");
    readers.read();

    assert!(cluster.id("slow") < cluster.id("quick") && cluster.xid("slow") > cluster.xid("quick"));
    assert_eq!(readers.by_id.seen, ["first", "quick", "after"]);
    assert_eq!(readers.by_id_settled.seen, ["first", "quick", "after"]);
    assert_eq!(readers.by_xid_and_id.seen, ["first", "quick", "slow", "after"]);
}

// ---------------------------------------------------------------------------------------------------------------------
// The counter row
// ---------------------------------------------------------------------------------------------------------------------

#[test]
fn a_counter_row_gives_positions_in_the_order_of_commits_without_holes() {
    let Some(cluster) = Cluster::start() else { return };
    let mut reader = Reader::new(Order::Counter, cluster.connect());
    let (mut a, mut b) = (cluster.connect(), cluster.connect());

    // Whoever took a position keeps others from the next one until it is visible; other buckets are free.
    run(&mut a, "BEGIN");
    assert_eq!(place(&mut a, 1, "a"), 1);
    let refused = b.simple_query("SELECT head FROM bucket WHERE id = 1 FOR UPDATE NOWAIT").unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::LOCK_NOT_AVAILABLE));
    assert_eq!(place(&mut b, 2, "b"), 1);
    reader.read();
    assert_eq!(reader.seen, ["b"]);
    run(&mut a, "COMMIT");
    reader.read();
    assert_eq!(reader.seen, ["b", "a"]);

    // What is rolled back leaves no hole.
    run(&mut a, "BEGIN");
    assert_eq!(place(&mut a, 1, "undone"), 2);
    reader.read();
    run(&mut a, "ROLLBACK");
    assert_eq!(place(&mut b, 1, "c"), 2);
    reader.read();
    assert_eq!(reader.seen, ["b", "a", "c"]);

    // Neither the older transaction nor the lower number of the identity column counts, only who is done first.
    run(&mut b, "BEGIN; SELECT pg_current_xact_id(), nextval(pg_get_serial_sequence('entry', 'id'))");
    run(&mut a, "BEGIN");
    assert_eq!(place(&mut a, 1, "younger"), 3);
    run(&mut a, "COMMIT");
    reader.read();
    assert_eq!(place(&mut b, 1, "older"), 4);
    run(&mut b, "COMMIT");
    reader.read();
    assert!(cluster.xid("younger") > cluster.xid("older"));
    assert_eq!(reader.seen, ["b", "a", "c", "younger", "older"]);
}

// ---------------------------------------------------------------------------------------------------------------------
// Many writers at once
// ---------------------------------------------------------------------------------------------------------------------

#[test]
fn the_two_right_orders_lose_nothing_and_double_nothing_among_many_writers() {
    const WRITERS: u64 = 4;
    const TRANSACTIONS: u64 = 60;
    let Some(cluster) = Cluster::start() else { return };
    let at_work = AtomicUsize::new(WRITERS as usize);

    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (mut client, at_work) = (cluster.connect(), &at_work);
            scope.spawn(move || {
                // Also on a panic: the readers wait for nobody who is gone.
                let _leaves = Leaves(at_work);
                let mut dice = Dice(writer + 1);
                (0..TRANSACTIONS).for_each(|n| some_transaction(&mut client, &mut dice, &format!("{writer}-{n}")));
            });
        }
        for order in [Order::XidAndId, Order::Counter] {
            let (mut reader, at_work) = (Reader::new(order, cluster.connect()), &at_work);
            let cluster = &cluster;
            scope.spawn(move || {
                while at_work.load(Ordering::Acquire) > 0 {
                    reader.read();
                }
                reader.read();
                let seen: BTreeSet<String> = reader.seen.iter().cloned().collect();
                assert_eq!(seen.len(), reader.seen.len(), "{order:?} saw a row twice");
                assert_eq!(seen, cluster.committed(order), "{order:?} lost rows");
            });
        }
    });
    // The run says something only if both kinds of rows, and rollbacks, took place.
    let (all, placed) = (cluster.committed(Order::XidAndId).len(), cluster.committed(Order::Counter).len());
    assert!(placed > 0 && all > placed && all < (WRITERS * TRANSACTIONS * 2) as usize, "{placed} of {all}");
}

/// One or two rows, an id of the transaction taken early or late, other work in between, and sometimes no commit.
fn some_transaction(client: &mut Client, dice: &mut Dice, label: &str) {
    run(client, "BEGIN");
    if dice.below(2) == 0 {
        run(client, "SELECT pg_current_xact_id()");
    }
    think(client, dice);
    if dice.below(2) == 0 {
        insert(client, &format!("{label}-free"));
        think(client, dice);
    }
    // Counters come last, in the order of their buckets, so that no two writers wait for each other.
    let first = 1 + dice.below(BUCKETS as u64) as i32;
    for bucket in first..=(first + dice.below(2) as i32).min(BUCKETS) {
        place(client, bucket, &format!("{label}-in-{bucket}"));
    }
    run(client, if dice.below(12) == 0 { "ROLLBACK" } else { "COMMIT" });
}

/// Round trips that change nothing: others get their turn.
fn think(client: &mut Client, dice: &mut Dice) {
    for _ in 0..dice.below(4) {
        run(client, "SELECT 1");
    }
}

struct Leaves<'c>(&'c AtomicUsize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// The same throws in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        // Xorshift: any state but 0.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) % limit
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Writers and readers
// ---------------------------------------------------------------------------------------------------------------------

fn run(client: &mut Client, statements: &str) {
    client.batch_execute(statements).unwrap();
}

/// A row that has no position.
fn insert(client: &mut Client, label: &str) {
    client.execute("INSERT INTO entry (bucket, label) VALUES (1, $1)", &[&label]).unwrap();
}

/// A row at the next position of its bucket, which the same statement takes.
fn place(client: &mut Client, bucket: i32, label: &str) -> i64 {
    let statement = "
        WITH place AS (UPDATE bucket SET head = head + 1 WHERE id = $1 RETURNING head)
        INSERT INTO entry (bucket, seq, label) SELECT $1, head, $2 FROM place RETURNING seq";
    client.query_one(statement, &[&bucket, &label]).unwrap().get(0)
}

/// What a reader takes for "newer than".
#[derive(Clone, Copy, Debug)]
enum Order {
    /// The identity column.
    Id,
    /// The identity column, without rows of transactions that older ones could still overtake.
    IdSettled,
    /// Transaction and identity column, without rows of transactions that older ones could still overtake.
    XidAndId,
    /// The position in each bucket.
    Counter,
}

/// Somebody who asks now and then for what is new.
struct Reader {
    order: Order,
    client: Client,
    /// Labels, as they came.
    seen: Vec<String>,
    id: i64,
    xid: i64,
    heads: BTreeMap<i32, i64>,
}

impl Reader {
    fn new(order: Order, client: Client) -> Self {
        let heads = (1..=BUCKETS).map(|bucket| (bucket, 0)).collect();
        Self { order, client, seen: Vec::new(), id: 0, xid: 0, heads }
    }

    fn read(&mut self) {
        let columns = "SELECT label, id, xid::text::bigint FROM entry";
        let settled = "xid < pg_snapshot_xmin(pg_current_snapshot())";
        let rows = match self.order {
            Order::Id => self.client.query(&format!("{columns} WHERE id > $1 ORDER BY id"), &[&self.id]),
            Order::IdSettled => {
                self.client.query(&format!("{columns} WHERE id > $1 AND {settled} ORDER BY id"), &[&self.id])
            }
            Order::XidAndId => self.client.query(
                &format!("{columns} WHERE (xid, id) > ($1::text::xid8, $2) AND {settled} ORDER BY xid, id"),
                &[&self.xid.to_string(), &self.id],
            ),
            Order::Counter => return self.read_buckets(),
        };
        for row in rows.unwrap() {
            self.seen.push(row.get(0));
            (self.id, self.xid) = (row.get(1), row.get(2));
        }
    }

    /// Head and rows of each bucket in one snapshot: up to the head nothing is missing, behind it there is nothing.
    fn read_buckets(&mut self) {
        let statement = "
            SELECT head, seq, label FROM bucket LEFT JOIN entry ON bucket.id = entry.bucket AND seq > $2
            WHERE bucket.id = $1 ORDER BY seq";
        for (bucket, cursor) in &mut self.heads {
            let rows = self.client.query(statement, &[bucket, cursor]).unwrap();
            let head: i64 = rows[0].get(0);
            for row in rows.iter().filter(|row| row.get::<_, Option<i64>>(1).is_some()) {
                assert_eq!(row.get::<_, i64>(1), *cursor + 1, "a hole in bucket {bucket}");
                *cursor += 1;
                self.seen.push(row.get(2));
            }
            assert_eq!(*cursor, head, "the head of bucket {bucket} and its rows became visible apart");
        }
    }
}

/// One reader for each order that has no need of positions.
struct Readers {
    by_id: Reader,
    by_id_settled: Reader,
    by_xid_and_id: Reader,
}

impl Readers {
    fn read(&mut self) {
        self.by_id.read();
        self.by_id_settled.read();
        self.by_xid_and_id.read();
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The cluster
// ---------------------------------------------------------------------------------------------------------------------

/// A PostgreSQL of its own, reachable through a socket in its folder alone; ended and removed with the value.
struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    /// User and group to run as: PostgreSQL refuses to be root.
    owner: Option<(u32, u32)>,
}

impl Cluster {
    fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            let needed = std::env::var_os("THONSO_NEED_POSTGRES").is_some();
            assert!(!needed, "THONSO_NEED_POSTGRES is set, but there is no initdb: install PostgreSQL");
            // Not through `println!`, which a passing test keeps to itself.
            let say =
                "\nSKIPPED the order of positions in PostgreSQL: there is no initdb in /usr/lib/postgresql or PATH\n";
            std::io::stderr().write_all(say.as_bytes()).unwrap();
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let is_root = fs::metadata(folder.path()).unwrap().uid() == 0;
        let owner = is_root.then(|| account("postgres").or_else(|| account("nobody")).unwrap());
        if let Some((user, group)) = owner {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let cluster = Self { folder, programs, owner };

        cluster.call("initdb", &["-D", "data", "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]);
        // Nothing runs by itself that could hold a snapshot, and nothing has to outlive the test.
        let socket = cluster.folder.path().display();
        let settings = format!(
            "listen_addresses='' unix_socket_directories='{socket}' fsync=off autovacuum=off checkpoint_timeout=1h \
             shared_buffers=16MB max_connections=20"
        );
        let options: String = settings.split(' ').map(|setting| format!("-c {setting} ")).collect();
        cluster.call("pg_ctl", &["start", "-D", "data", "-s", "-w", "-t", "120", "-l", "log", "-o", &options]);
        let mut client = cluster.connect();
        run(&mut client, TABLES);
        let buckets = "INSERT INTO bucket SELECT id, 0 FROM generate_series(1, $1) AS id";
        client.execute(buckets, &[&BUCKETS]).unwrap();
        Some(cluster)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    fn call(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program, arguments).output().unwrap();
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(output.status.success(), "{program}: {}\n{log}", String::from_utf8_lossy(&output.stderr));
    }

    fn connect(&self) -> Client {
        Config::new().host_path(self.folder.path()).user("tests").dbname("postgres").connect(NoTls).unwrap()
    }

    fn readers(&self) -> Readers {
        let reader = |order| Reader::new(order, self.connect());
        Readers {
            by_id: reader(Order::Id),
            by_id_settled: reader(Order::IdSettled),
            by_xid_and_id: reader(Order::XidAndId),
        }
    }

    fn id(&self, label: &str) -> i64 {
        self.connect().query_one("SELECT id FROM entry WHERE label = $1", &[&label]).unwrap().get(0)
    }

    fn xid(&self, label: &str) -> i64 {
        self.connect().query_one("SELECT xid::text::bigint FROM entry WHERE label = $1", &[&label]).unwrap().get(0)
    }

    /// Labels of all rows that a reader of this order has to see.
    fn committed(&self, order: Order) -> BTreeSet<String> {
        let statement = match order {
            Order::Counter => "SELECT label FROM entry WHERE seq IS NOT NULL",
            Order::Id | Order::IdSettled | Order::XidAndId => "SELECT label FROM entry",
        };
        self.connect().query(statement, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // While it is there the folder cannot be removed; what cannot be ended ends itself without its folder.
        let _ = self.command("pg_ctl", &["stop", "-D", "data", "-s", "-w", "-m", "immediate"]).output();
    }
}

/// The folder of the newest `initdb` and its companions.
fn programs() -> Option<PathBuf> {
    let packaged = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = packaged
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, programs)| has_programs(programs))
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let newest = versions.pop().map(|(_, programs)| programs);
    newest.or_else(|| std::env::split_paths(&path).find(|folder| has_programs(folder)))
}

fn has_programs(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file())
}

/// User and group number of an account.
fn account(name: &str) -> Option<(u32, u32)> {
    let number = |what: &str| {
        let output = Command::new("id").args([what, name]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    Some((number("-u")?, number("-g")?))
}
