//! The figures of docs/BENCHMARKS.md: bytes on the wire, bytes on the phone, saves, ops and syncs a second.
//!
//! Everything runs on this machine, the network being loopback. Prints one JSON object a line, then a table.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use client_core::http::{OsRandom, Server};
use client_core::store::{Enrolment, VisitEntry};
use client_core::sync::{Ended, Failure, SyncSummary, Transport, drive};
use client_core::{Location, Store};
use serde_json::json;
use server::seed::{self, Seeded};
use server::startup::{Instance, machine_clock, machine_random};
use sync_protocol::access::Role;
use sync_protocol::catalogue::Catalogue;
use sync_protocol::cbor::Ext;
use sync_protocol::entity::{Activity, VisitContent};
use sync_protocol::ids::*;
use tests::{Fallible, now};

/// Notes as people write them; one visit in five has one.
const NOTES: [&str; 6] = [
    "Đã hướng dẫn tận nhà, chủ hộ tự thao tác được",
    "Con gái dùng máy thay, hẹn tối thứ Năm quay lại",
    "Máy đời cũ, bộ nhớ đầy, chưa cài được ứng dụng",
    "Không có ai ở nhà, sẽ quay lại buổi chiều",
    "Đã đưa cam lên gian hàng, còn thiếu ảnh sản phẩm",
    "Sóng yếu ở đầu suối, phải ra nhà văn hóa để làm",
];
/// Devices of the load, and ops of each.
const DEVICES: usize = 40;
const OPS_EACH: usize = 500;
/// Visits of the bulk.
const BULK: usize = 20_000;

fn main() -> Fallible<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let world = World::new(&folder.path().join("server"), &runtime)?;
    let mut table = Vec::new();
    let mut row = |what: &str, figure: f64, unit: &str, goal: &str| {
        println!("{}", json!({ "what": what, "figure": figure, "unit": unit, "goal": goal }));
        table.push(format!("| {what} | {figure:.1} {unit} | {goal} |"));
    };

    wire(&world, folder.path(), &mut row)?;
    save(&world, folder.path(), &mut row)?;
    bulk(&world, folder.path(), &mut row)?;
    load(&world, folder.path(), &mut row)?;

    println!("\n| measure | here | goal |\n| --- | --- | --- |\n{}", table.join("\n"));
    Ok(())
}

type Row<'r> = &'r mut dyn FnMut(&str, f64, &str, &str);

/// A server in this process, with its sample commune.
struct World<'r> {
    instance: Arc<Instance>,
    seeded: Seeded,
    runtime: &'r tokio::runtime::Runtime,
    data: std::path::PathBuf,
}

impl<'r> World<'r> {
    fn new(data: &Path, runtime: &'r tokio::runtime::Runtime) -> Fallible<Self> {
        let instance = Arc::new(Instance::open(data, "thonso", machine_clock(), machine_random())?);
        let seeded = runtime.block_on(seed::demo(&instance, 1, 0))?;
        Ok(Self { instance, seeded, runtime, data: data.to_owned() })
    }

    /// Enrols a phone of the `index`-th village's team, without HTTP.
    fn enrol(&self, store: &mut Store, village: usize) -> Fallible<()> {
        let unit = self.seeded.villages[village];
        let user = self.instance.store.read_blocking(|tx| tx.users_of(unit))?[0].id;
        let officer = self.seeded.accounts.iter().find(|account| account.role == Role::CommuneOfficer);
        let officer = officer.ok_or("no officer")?.user;
        let (code, _) = self.runtime.block_on(self.instance.accounts.give_code(officer, user))?;
        let key = store.device_public_key(&mut OsRandom).map_err(|error| error.en())?;
        // Attempts are limited per address: each phone has its own.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let address = std::net::Ipv6Addr::from(u128::from(NEXT.fetch_add(1, Ordering::SeqCst)) << 64);
        let entered = self.instance.accounts.enrol(&code, &key, "measure", address.into());
        let entered = self.runtime.block_on(entered)?;
        let enrolment = Enrolment {
            user: entered.user,
            display_name: entered.display_name,
            device: entered.device.ok_or("no device")?,
            session: entered.session,
            sync_key: entered.sync_key.ok_or("no key")?,
            refresh_token: entered.refresh_token,
            access_token: entered.access_token,
            server: None,
        };
        Ok(store.enrol(enrolment, &mut OsRandom).map_err(|error| error.en())?)
    }

    fn phone(&self, location: Location, village: usize) -> Fallible<Store> {
        let mut store = Store::open(location, None).map_err(|error| error.en())?;
        self.enrol(&mut store, village)?;
        let summary = self.sync(&mut store)?;
        assert_eq!(summary.ended, Ended::Complete);
        Ok(store)
    }

    fn sync(&self, store: &mut Store) -> Fallible<SyncSummary> {
        let mut direct = Direct { runtime: self.runtime, instance: &self.instance, requests: Vec::new() };
        Ok(drive(store, &mut OsRandom, &mut direct, &mut now, true).map_err(|error| error.en())?)
    }

    fn visit(&self, store: &mut Store, village: usize, houses: &[HouseholdId], n: usize) -> Fallible<()> {
        let kinds = ["vneid_level2", "payment_account", "safe_internet_guidance"];
        let mut answers = match kinds[n % 3] {
            "vneid_level2" => json!({ "step": "activated", "age_14_plus": true }),
            "payment_account" => json!({ "kind": "bank_account", "age_15_plus": true }),
            _ => json!({ "points_covered": ["otp", "fake_app"] }),
        };
        answers["outcome"] = json!(["done", "already", "not_done"][n / 3 % 3]);
        if n / 3 % 3 == 2 {
            answers["failure_reason"] = json!("no_signal");
        }
        if n.is_multiple_of(5) {
            answers["note"] = json!(NOTES[n / 5 % NOTES.len()]);
        }
        let fields = Catalogue::shipped().from_json_fields(kinds[n % 3], &answers);
        let fields = fields.map_err(|findings| format!("{findings:?}"))?;
        let content = VisitContent {
            village: self.seeded.villages[village],
            team: self.seeded.teams[village],
            household: Some(houses[n * 7 % houses.len()]),
            visit_type: "household".into(),
            day: Day(Day::of_ms(now().0).0 - (n % 20) as u32),
            minutes: Some(10 + (n % 30) as u32),
            activities: vec![Activity { kind: kinds[n % 3].into(), fields, id: None, ext: Ext::default() }],
            members: vec![],
            result: None,
            summary: None,
            place: None,
            catalogue: Catalogue::shipped().version().into(),
            partner_org: None,
            quantity_reason: None,
            ext: Ext::default(),
        };
        let entry = VisitEntry { content, submit: true, plan: None };
        store.record_visit(entry, now(), &mut OsRandom).map_err(|error| error.en())?;
        Ok(())
    }

    fn houses(&self, store: &mut Store) -> Fallible<Vec<HouseholdId>> {
        Ok(store.households().map_err(|error| error.en())?.iter().map(|house| house.id).collect())
    }
}

/// Requests go straight into the service; kept for a second run.
struct Direct<'w> {
    runtime: &'w tokio::runtime::Runtime,
    instance: &'w Instance,
    requests: Vec<Vec<u8>>,
}

impl Transport for Direct<'_> {
    fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, Failure> {
        self.requests.push(request.to_vec());
        self.runtime.block_on(self.instance.sync.exchange(request)).map_err(|_| Failure::Network)
    }
}

/// A line between phone and server that counts every byte, heads included.
struct Counter {
    address: String,
    up: Arc<AtomicU64>,
    down: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
}

impl Counter {
    fn start(to: String) -> Fallible<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let (up, down) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let connections = Arc::new(AtomicU64::new(0));
        let (counted_up, counted_down, made) = (Arc::clone(&up), Arc::clone(&down), Arc::clone(&connections));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                made.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(&to) else { continue };
                let ends = (stream.try_clone(), server.try_clone());
                let (Ok(stream_2), Ok(server_2)) = ends else { continue };
                let (up, down) = (Arc::clone(&counted_up), Arc::clone(&counted_down));
                std::thread::spawn(move || pump(stream, server_2, &up));
                std::thread::spawn(move || pump(server, stream_2, &down));
            }
        });
        Ok(Self { address, up, down, connections })
    }

    fn take(&self) -> (u64, u64) {
        (self.up.swap(0, Ordering::SeqCst), self.down.swap(0, Ordering::SeqCst))
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, count: &AtomicU64) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        count.fetch_add(read as u64, Ordering::SeqCst);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}

/// Bytes of an idle sync and of ten visits, over a real HTTP connection, heads included, TLS not.
fn wire(world: &World<'_>, folder: &Path, row: Row<'_>) -> Fallible<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let instance = Arc::clone(&world.instance);
    let (handles, handle) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let app = server::http::app(&instance);
            let running = server::http::run(listener, app).expect("the listener is free");
            drop(handles.send(running.handle()));
            running.await
        })
    });
    let handle = handle.recv()?;
    let counter = Counter::start(address)?;
    let mut store = world.phone(Location::File(folder.join("wire.sqlite3")), 0)?;
    let houses = world.houses(&mut store)?;
    let mut over = Server::new(&format!("http://{}", counter.address));
    let mut sync = |store: &mut Store| -> Fallible<(u64, u64, SyncSummary)> {
        counter.take();
        let summary = drive(store, &mut OsRandom, &mut over, &mut now, true).map_err(|error| error.en())?;
        assert_eq!(summary.ended, Ended::Complete);
        let (up, down) = counter.take();
        Ok((up, down, summary))
    };
    sync(&mut store)?;
    let (up, down, summary) = sync(&mut store)?;
    assert_eq!(summary.rounds, 1);
    row("idle sync, both ways, HTTP heads included", (up + down) as f64, "B", "≤ 300 B, 1 round trip");
    row("… of that up", up as f64, "B", "");
    row("… of that in frames", (summary.bytes_up + summary.bytes_down) as f64, "B", "");
    for n in 0..10 {
        world.visit(&mut store, 0, &houses, n)?;
    }
    let (up, down, summary) = sync(&mut store)?;
    assert_eq!(summary.applied, 10);
    row("push of 10 visits, up, per visit, heads included", up as f64 / 10.0, "B", "≤ 80 B, 1 round trip");
    row("… frames alone", summary.bytes_up as f64 / 10.0, "B", "");
    row("… answer with outcomes and rows, per visit", down as f64 / 10.0, "B", "");
    row("… round trips", f64::from(summary.rounds), "", "1");
    assert_eq!(counter.connections.load(Ordering::SeqCst), 1, "one connection is kept");
    drop(over);
    world.runtime.block_on(handle.stop(false));
    drop(thread.join());
    Ok(())
}

/// Saving one visit with everything on disk, against a file that is appended to and synced with the same bytes.
fn save(world: &World<'_>, folder: &Path, row: Row<'_>) -> Fallible<()> {
    const SAVES: usize = 300;
    let mut store = world.phone(Location::File(folder.join("save.sqlite3")), 1)?;
    let houses = world.houses(&mut store)?;
    let mut floor_file = std::fs::File::create(folder.join("floor"))?;
    let (mut saves, mut floors) = (Vec::new(), Vec::new());
    for n in 0..SAVES {
        let start = Instant::now();
        world.visit(&mut store, 1, &houses, n)?;
        saves.push(start.elapsed().as_secs_f64() * 1_000.0);
        let start = Instant::now();
        floor_file.write_all(&[7; 4096])?;
        floor_file.sync_data()?;
        floors.push(start.elapsed().as_secs_f64() * 1_000.0);
    }
    let (save, floor) = (median(&mut saves), median(&mut floors));
    row("save a visit, median", save, "ms", "one fsync, < 5 ms of our own work");
    row("one 4 KiB append with fdatasync, same run", floor, "ms", "the floor");
    row("save : floor", save / floor, "×", "");
    let mut memory = world.phone(Location::Memory, 1)?;
    let start = Instant::now();
    for n in 0..SAVES {
        world.visit(&mut memory, 1, &houses, n)?;
    }
    row(
        "our own work in a save (no disk), mean",
        start.elapsed().as_secs_f64() * 1_000.0 / SAVES as f64,
        "ms",
        "< 5 ms",
    );
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Twenty thousand visits of one village: sent by one phone, loaded by another.
fn bulk(world: &World<'_>, folder: &Path, row: Row<'_>) -> Fallible<()> {
    const VILLAGE: usize = 2;
    let mut sender = world.phone(Location::Memory, VILLAGE)?;
    let houses = world.houses(&mut sender)?;
    for n in 0..BULK {
        world.visit(&mut sender, VILLAGE, &houses, n)?;
    }
    let start = Instant::now();
    let summary = world.sync(&mut sender)?;
    assert_eq!((summary.ended, summary.applied), (Ended::Complete, BULK as u64));
    row("bulk push of 20,000, per visit up", summary.bytes_up as f64 / BULK as f64, "B", "≤ 60 B");
    row("… whole session, both sides on this machine", start.elapsed().as_secs_f64(), "s", "");

    let path = folder.join("bulk.sqlite3");
    let mut fresh = Store::open(Location::File(path), None).map_err(|error| error.en())?;
    world.enrol(&mut fresh, VILLAGE)?;
    let before = fresh.bytes_used().map_err(|error| error.en())?;
    let start = Instant::now();
    let summary = world.sync(&mut fresh)?;
    assert_eq!(summary.ended, Ended::Complete);
    row(
        "load one village with 20,000 visits, per event down",
        summary.bytes_down as f64 / BULK as f64,
        "B",
        "≤ 25 B (sealed segments, not built yet)",
    );
    row("… whole load", start.elapsed().as_secs_f64(), "s", "< 60 s");
    let used = fresh.bytes_used().map_err(|error| error.en())? - before;
    row("phone storage per event, indexes included", used as f64 / BULK as f64, "B", "≤ 250 B");
    let start = Instant::now();
    let found = fresh.search_households("nguyen", 20).map_err(|error| error.en())?.len();
    row("search in one village", start.elapsed().as_secs_f64() * 1_000.0, "ms", "< 20 ms");
    println!("{}", json!({ "found": found }));
    Ok(())
}

/// Many devices at once: their real requests, recorded once, replayed against a copy of the store.
fn load(world: &World<'_>, folder: &Path, row: Row<'_>) -> Fallible<()> {
    let mut phones = Vec::new();
    for device in 0..DEVICES {
        let village = 3 + device % 12;
        let mut store = world.phone(Location::Memory, village)?;
        let houses = world.houses(&mut store)?;
        for n in 0..OPS_EACH {
            world.visit(&mut store, village, &houses, n)?;
        }
        phones.push(store);
    }
    // Two servers on copies of the store before any of these ops. Neither remembers a phone's cursors, so that what one is
    // sent suits the other: first a request that is answered with a question for them, then the one that counts.
    let copy = |name: &str| -> Fallible<Arc<Instance>> {
        let copy = folder.join(name);
        std::fs::create_dir_all(&copy)?;
        world.instance.store.0.backup(&copy.join(server::startup::DATABASE))?;
        copy_folder(&world.data.join(server::keys::FOLDER), &copy.join(server::keys::FOLDER))?;
        Ok(Arc::new(Instance::open(&copy, "thonso", machine_clock(), machine_random())?))
    };
    let (first, replay) = (copy("recorded")?, copy("replayed")?);
    let mut recorded = Vec::new();
    let mut idle = Vec::new();
    for mut store in phones {
        let mut direct = Direct { runtime: world.runtime, instance: &first, requests: Vec::new() };
        let summary = drive(&mut store, &mut OsRandom, &mut direct, &mut now, true).map_err(|error| error.en())?;
        assert_eq!((summary.ended, summary.applied), (Ended::Complete, OPS_EACH as u64));
        recorded.push(direct.requests.split_off(1));
        let mut direct = Direct { runtime: world.runtime, instance: &first, requests: Vec::new() };
        drive(&mut store, &mut OsRandom, &mut direct, &mut now, true).map_err(|error| error.en())?;
        idle.extend(direct.requests);
    }

    // Idle syncs: the same requests again and again, all devices, on the store that has everything.
    const IDLE: usize = 20_000;
    let start = Instant::now();
    let queue = Arc::new(AtomicU64::new(0));
    let idle = Arc::new(idle);
    let mut tasks = Vec::new();
    for _ in 0..64 {
        let (service, queue, idle) = (Arc::clone(&first.sync), Arc::clone(&queue), Arc::clone(&idle));
        tasks.push(world.runtime.spawn(async move {
            while let n = queue.fetch_add(1, Ordering::SeqCst) as usize
                && n < IDLE
            {
                service.exchange(&idle[n % idle.len()]).await.expect("an idle sync is answered");
            }
        }));
    }
    world.runtime.block_on(async {
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    row("idle syncs, embedded SQLite, without HTTP", IDLE as f64 / start.elapsed().as_secs_f64(), "/s", "≥ 2,000 /s");

    let held =
        || -> Fallible<u64> { Ok(replay.store.read_blocking(|tx| tx.outboxes())?.iter().map(|(_, last)| *last).sum()) };
    let before = held()?;
    let latencies = Arc::new(Mutex::new(Vec::new()));
    let start = Instant::now();
    let mut tasks = Vec::new();
    for requests in recorded {
        let (service, latencies) = (Arc::clone(&replay.sync), Arc::clone(&latencies));
        tasks.push(world.runtime.spawn(async move {
            for request in requests {
                let start = Instant::now();
                service.exchange(&request).await.expect("the request is answered");
                latencies.lock().expect("no panic").push(start.elapsed().as_secs_f64() * 1_000.0);
            }
        }));
    }
    world.runtime.block_on(async {
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(held()? - before, (DEVICES * OPS_EACH) as u64, "the server did not take the ops");
    println!("{}", json!({ "ops_before": before, "ops_replayed": DEVICES * OPS_EACH, "seconds": seconds }));
    row(
        "server, ops in batches from 40 devices, durable",
        (DEVICES * OPS_EACH) as f64 / seconds,
        "ops/s",
        "≥ 20,000 ops/s",
    );
    let mut latencies = latencies.lock().map_err(|_| "no panic")?.clone();
    latencies.sort_by(f64::total_cmp);
    row("… p99 of one request", latencies[latencies.len() * 99 / 100], "ms", "< 250 ms");
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Fallible<()> {
    std::fs::create_dir_all(to)?;
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
