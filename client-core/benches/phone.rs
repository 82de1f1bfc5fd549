//! What a phone does all day: save, search, open, take rows in. Sizes are printed beside the times.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::Instant;

use client_core::{Location, Store};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use support::*;
use sync_protocol::access::Role;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::content_hash;
use sync_protocol::ids::*;
use sync_protocol::row::{Event, Row, RowType, Ver};

const EVENTS: u64 = 20_000;

/// A village with 150 households and so many visits that the server already has.
fn village(events: u64) -> MiniServer {
    let mut server = MiniServer::new();
    server.frame_rows = 400;
    server.frames_max = 100_000;
    for n in 0..150 {
        server.put_household(village_a(), 10_000 + n, &format!("nhà số {n} cuối bản"), Some("Giàng A Páo"), None);
    }
    for n in 0..events {
        let mut content = content(Some(10_000 + n % 150), if n % 7 == 0 { "already" } else { "done" });
        content.day = Day(content.day.0 - (n % 85) as u32);
        content.minutes = Some((n % 90) as u32);
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&n.to_be_bytes());
        let at = ClaimedMs(NOW - (events - n) * 60_000);
        let event = Event {
            ty: RowType::VISIT_RECORDED.0,
            id: EventId(derive_id(DerivedTag::Row, at, &salt, 0)),
            ver: Ver::first(1),
            visit: None,
            author: user(1 + n % 5),
            epoch: Epoch(0x1234_5678_9abc_def0 + n % 5),
            n: n / 5 + 1,
            received: ServerMs(at.0 + 7_200_123),
            flags: 0,
            at,
            body: Raw(content.cbor()),
            submitted: true,
            ext: Ext::default(),
        };
        server.put_row(village_a().into(), &Row::Event(event));
    }
    server.grant(user(1), &[(village_a(), Role::Member)]);
    server
}

fn sizes() {
    let folder = tempfile::tempdir().unwrap();
    let mut empty = village(0);
    let (mut store, mut random) = empty.phone_at(Location::File(folder.path().join("empty.db")), user(1), 1);
    sync(&mut store, &mut random, &mut empty);
    let before = store.bytes_used().unwrap();

    let mut server = village(EVENTS);
    let path = folder.path().join("full.db");
    let (mut store, mut random) = server.phone_at(Location::File(path.clone()), user(1), 1);
    let mut link = Link::to(&mut server);
    let start = Instant::now();
    let summary = sync_over(&mut store, &mut random, &mut link);
    let took = start.elapsed();
    let wire: usize = link.answers.iter().map(Vec::len).sum();
    let used = store.bytes_used().unwrap();
    println!("bulk apply of {EVENTS} events: {took:?}, {} rows, answer made by the test server included", summary.rows);
    println!("on the wire: {:.1} B per event", wire as f64 / EVENTS as f64);
    println!("on the disk: {:.1} B per event with indexes", (used - before) as f64 / EVENTS as f64);
    drop(store);
    let start = Instant::now();
    let mut store = Store::open(path.as_path(), None).unwrap();
    let counts = store.counts(Month::parse("2026-12").unwrap()).unwrap();
    println!("cold open with the first counts: {:?} ({} visits)", start.elapsed(), counts.visits.recorded);

    let mut server = village(0);
    server.frame_rows = 400;
    let (mut store, mut random) = server.phone_at(Location::File(folder.path().join("push.db")), user(1), 1);
    sync(&mut store, &mut random, &mut server);
    let start = Instant::now();
    for n in 0..EVENTS {
        let entry = entry(Some(10_000 + n % 150), "done", true);
        store.record_visit(entry, ClaimedMs(NOW + n * 311_000), &mut random).unwrap();
    }
    let saved = start.elapsed();
    let start = Instant::now();
    let mut link = Link::to(&mut server);
    let summary = sync_over(&mut store, &mut random, &mut link);
    let (up, took) = (link.sent.iter().map(Vec::len).sum::<usize>(), start.elapsed());
    println!(
        "outbox of {EVENTS}: saved in {saved:?}, pushed and echoed in {took:?}, {} requests, {:.1} B up per visit",
        summary.rounds,
        up as f64 / EVENTS as f64
    );

    for visits in [1, 10, 100, 400] {
        let mut server = village(0);
        let (mut store, mut random) = server.phone(user(1), 1);
        sync(&mut store, &mut random, &mut server);
        sync(&mut store, &mut random, &mut server);
        let idle = {
            let mut link = Link::to(&mut server);
            sync_over(&mut store, &mut random, &mut link);
            (link.sent[0].len(), link.answers[0].len())
        };
        for n in 0..visits {
            let entry = entry(Some(10_000 + n % 150), "done", true);
            store.record_visit(entry, ClaimedMs(NOW + n * 311_000), &mut random).unwrap();
        }
        let mut link = Link::to(&mut server);
        let summary = sync_over(&mut store, &mut random, &mut link);
        let (up, down): (usize, usize) =
            (link.sent.iter().map(Vec::len).sum(), link.answers.iter().map(Vec::len).sum());
        println!(
            "push of {visits} visits: {} requests, {up} B up ({:.1} B per visit above an idle sync), {down} B down; idle {} + {} B",
            summary.rounds,
            (up as f64 - idle.0 as f64) / visits as f64,
            idle.0,
            idle.1
        );
    }
    black_box(content_hash(&[]));
}

fn benches(criterion: &mut Criterion) {
    sizes();
    let folder = tempfile::tempdir().unwrap();
    let mut server = village(2_000);
    let path = folder.path().join("save.db");
    let (mut store, mut random) = server.phone_at(Location::File(path.clone()), user(1), 1);
    sync(&mut store, &mut random, &mut server);
    let mut at = NOW;
    criterion.bench_function("save a visit, file, one fsync", |bench| {
        bench.iter(|| {
            at += 1;
            store.record_visit(entry(Some(10_003), "done", true), ClaimedMs(at), &mut random).unwrap()
        })
    });
    let mut server = village(0);
    let (mut store, mut random) = server.phone(user(1), 1);
    sync(&mut store, &mut random, &mut server);
    criterion.bench_function("save a visit, memory", |bench| {
        bench.iter(|| {
            at += 1;
            store.record_visit(entry(Some(10_003), "done", true), ClaimedMs(at), &mut random).unwrap()
        })
    });

    let mut server = MiniServer::new();
    let (family, given) =
        (["Giàng", "Vàng", "Lò", "Nguyễn", "Đặng"], ["Páo", "Hường", "Nam", "Sùng", "Dở", "Mỷ", "An"]);
    for n in 0..5_000usize {
        let name = format!("{} {} {}", family[n % 5], ["A", "Thị", "Văn"][n % 3], given[n % 7]);
        let phone = format!("09{:08}", n * 7_919);
        server.put_household(village_a(), 10_000 + n as u64, &format!("nhà số {n}"), Some(&name), Some(&phone));
    }
    server.grant(user(1), &[(village_a(), Role::Member)]);
    let (mut store, mut random) = server.phone(user(1), 1);
    sync(&mut store, &mut random, &mut server);
    for query in ["ng v nam", "dang thi huong", "g", "4711"] {
        criterion.bench_function(&format!("search \"{query}\" among 5,000 households"), |bench| {
            bench.iter(|| store.search_households(black_box(query), 20).unwrap())
        });
    }

    let full = village(EVENTS);
    let (mut store, mut random) = full.clone().phone_at(Location::File(folder.path().join("open.db")), user(1), 1);
    sync(&mut store, &mut random, &mut full.clone());
    drop(store);
    let open = folder.path().join("open.db");
    criterion.bench_function("cold open, 20,000 events", |bench| {
        bench.iter_batched(|| (), |()| Store::open(open.as_path(), None).unwrap(), BatchSize::PerIteration)
    });
}

criterion_group! {
    name = phone;
    config = Criterion::default().sample_size(10).without_plots().warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1));
    targets = benches
}
criterion_main!(phone);
