//! What a sync costs in CPU: reading and writing ten visits, checking bytes, deciding one visit.

#![allow(missing_docs)]

#[path = "../examples/made_up/mod.rs"]
mod made_up;
#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use made_up::{Mix, Rng};
use sync_protocol::cbor::{Cbor, check, read};
use sync_protocol::decide::decide_bytes;
use sync_protocol::wire::{Effort, FrameKind, Frames, OpsFrame, write_message};

fn codec(c: &mut Criterion) {
    let mut rng = Rng::new(1);
    let frame = made_up::World::new(&mut rng).visits_frame(&mut rng, 10, Mix::Field);
    let payload = frame.cbor();
    let write = |effort| {
        let mut body = Vec::new();
        write_message(FrameKind::Ops, &frame, effort, &mut body).expect("ten visits fit into a frame");
        body
    };
    let body = write(Effort::Phone);
    c.bench_function("ten visits: encode, no compression", |b| b.iter(|| black_box(&frame).cbor()));
    c.bench_function("ten visits: frame, as a phone does", |b| b.iter(|| write(Effort::Phone)));
    c.bench_function("ten visits: frame, as the server does", |b| b.iter(|| write(Effort::Server)));
    c.bench_function("ten visits: unpack and decode", |b| {
        b.iter(|| {
            let frame = Frames::new(black_box(&body)).next().expect("a frame").expect("a good frame");
            read::<OpsFrame>(&frame.1).expect("ops")
        });
    });
    c.bench_function("ten visits: check", |b| b.iter(|| check(black_box(&payload))));
}

fn decide(c: &mut Criterion) {
    let mut world = support::World::new();
    let content = world.content();
    let op = world.op(support::World::record(&content, true)).cbor();
    let member = world.member.clone();
    c.bench_function("decide visit.record, from bytes", |b| {
        b.iter_batched(
            || world.state.clone(),
            |mut state| decide_bytes(&mut state, &world.context(&member), black_box(&op)),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, codec, decide);
criterion_main!(benches);
