//! Frames and messages from a bad network and from bad people.

#![allow(missing_docs)]

#[path = "../examples/made_up/mod.rs"]
mod made_up;

use made_up::{Mix, Rng};
use proptest::prelude::*;
use sync_protocol::cbor::{Bytes, Cbor, Ext, Malformed, read};
use sync_protocol::ids::*;
use sync_protocol::op::{Chain, signing_input};
use sync_protocol::row::{BucketId, Class};
use sync_protocol::wire::*;
use uuid::Uuid;

fn ext() -> Ext {
    Ext::default()
}

fn frames(body: &[u8]) -> Vec<ReadFrame> {
    Frames::new(body).collect()
}

/// A frame with any head and any payload.
fn raw_frame(kind: u8, packing: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u16).to_be_bytes().to_vec();
    out.extend_from_slice(&[kind, packing]);
    out.extend_from_slice(payload);
    out
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

const HELLO: u8 = 1;
const OPS: u8 = 2;
const ROWS: u8 = 19;
const STORED: u8 = 0;
const ZSTD_PLAIN: u8 = 1;
const ZSTD_DICTIONARY_1: u8 = 2;

#[test]
fn every_kind_of_frame_has_a_number_of_its_own() {
    let kinds: Vec<u8> = (0..=255).filter(|code| FrameKind::from_code(*code).is_some()).collect();
    assert_eq!(kinds, [1, 2, 16, 17, 18, 19, 20, 21, 22, 23]);
    assert!(kinds.iter().all(|code| FrameKind::from_code(*code).unwrap().code() == *code));
}

#[test]
fn a_body_cut_anywhere_keeps_the_frames_before_the_cut() {
    let payloads = [b"short".to_vec(), "một hai ba bốn năm ".repeat(40).into_bytes(), noise(500)];
    let mut body = Vec::new();
    let mut ends = vec![0];
    for payload in &payloads {
        write_frame(FrameKind::Rows, payload, Effort::Phone, &mut body).unwrap();
        ends.push(body.len());
    }
    for cut in 0..=body.len() {
        let read = frames(&body[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        for (frame, payload) in read.iter().zip(&payloads).take(whole) {
            assert_eq!(frame.as_ref(), Ok(&(FrameKind::Rows, payload.clone())));
        }
        let expected = if ends.contains(&cut) { whole } else { whole + 1 };
        assert_eq!(read.len(), expected, "cut at {cut}");
        if expected > whole {
            assert_eq!(read[whole], Err(FrameFault::Truncated));
        }
    }
}

#[test]
fn a_frame_of_exactly_32_kib_is_the_largest() {
    let mut body = Vec::new();
    write_frame(FrameKind::Rows, &noise(FRAME_BYTES_MAX), Effort::Server, &mut body).unwrap();
    assert_eq!(frames(&body), [Ok((FrameKind::Rows, noise(FRAME_BYTES_MAX)))]);
    let before = body.len();
    let above = write_frame(FrameKind::Rows, &noise(FRAME_BYTES_MAX + 1), Effort::Server, &mut body);
    assert_eq!((above, body.len()), (Err(FrameFault::TooLarge), before));
    // A length that cannot be believed ends the reading: where the next frame starts is not known.
    let liar = raw_frame(ROWS, STORED, &noise(FRAME_BYTES_MAX + 1));
    assert_eq!(frames(&liar), [Err(FrameFault::TooLarge)]);
}

#[test]
fn a_frame_of_unknown_kind_or_packing_or_with_damage_spares_its_neighbours() {
    let good = raw_frame(OPS, STORED, b"good");
    let bad = [
        (raw_frame(3, STORED, b"sealed"), FrameFault::UnknownKind),
        (raw_frame(250, STORED, b"later"), FrameFault::UnknownKind),
        (raw_frame(OPS, 9, b"later"), FrameFault::UnknownPacking),
        (raw_frame(OPS, ZSTD_PLAIN, b""), FrameFault::Damaged),
        (raw_frame(OPS, ZSTD_PLAIN, b"not zstd at all"), FrameFault::Damaged),
        (raw_frame(OPS, ZSTD_DICTIONARY_1, &noise(300)), FrameFault::Damaged),
    ];
    for (bytes, fault) in bad {
        let body = [good.clone(), bytes, good.clone()].concat();
        let expected = [Ok((FrameKind::Ops, b"good".to_vec())), Err(fault), Ok((FrameKind::Ops, b"good".to_vec()))];
        assert_eq!(frames(&body), expected);
    }
}

/// A zstd frame by hand: a window descriptor, then blocks of one repeated byte, 128 KiB each for 4 bytes.
fn bomb(window: u8, blocks: usize) -> Vec<u8> {
    let mut out = 0xfd2f_b528_u32.to_le_bytes().to_vec();
    out.extend_from_slice(&[0x00, window]);
    for block in 0..blocks {
        let is_last = u32::from(block + 1 == blocks);
        let header = ((128 * 1024) << 3) | (1 << 1) | is_last;
        out.extend_from_slice(&header.to_le_bytes()[..3]);
        out.push(b'x');
    }
    out
}

#[test]
fn what_inflates_too_much_is_refused_and_its_neighbours_are_read() {
    let one_mib_window = (20 - 10) << 3;
    let two_gib_window = (31 - 10) << 3;
    // 8,190 blocks of 128 KiB: a gigabyte from one frame.
    let gigabyte = bomb(one_mib_window, 8_190);
    assert!(gigabyte.len() <= FRAME_BYTES_MAX);
    // A frame that only declares a size of 1 GiB.
    let mut declared = 0xfd2f_b528_u32.to_le_bytes().to_vec();
    declared.extend_from_slice(&[0xa0]);
    declared.extend_from_slice(&(1u32 << 30).to_le_bytes());
    declared.extend_from_slice(&[0x01, 0x00, 0x00]);
    let good = raw_frame(OPS, STORED, b"good");
    for hostile in [gigabyte, bomb(two_gib_window, 1), bomb(one_mib_window + 1, 1), bomb(one_mib_window, 9)] {
        for packing in [ZSTD_PLAIN, ZSTD_DICTIONARY_1] {
            let body = [good.clone(), raw_frame(OPS, packing, &hostile), good.clone()].concat();
            let read = frames(&body);
            assert_eq!(read[1], Err(FrameFault::InflatesTooMuch));
            assert_eq!(read[1].as_ref().unwrap_err().to_string(), "frame_inflates_too_much");
            assert!(read[0].is_ok() && read[2].is_ok() && read.len() == 3);
        }
    }
    let read = frames(&raw_frame(OPS, ZSTD_PLAIN, &declared));
    assert!(matches!(read[..], [Err(FrameFault::InflatesTooMuch | FrameFault::Damaged)]), "{read:?}");
}

#[test]
fn reading_a_full_body_of_bombs_keeps_no_more_than_one_inflated_frame() {
    let bomb = raw_frame(OPS, ZSTD_PLAIN, &bomb((20 - 10) << 3, 8_190));
    let body: Vec<u8> = bomb.iter().copied().cycle().take(bomb.len() * (BODY_BYTES_MAX / bomb.len())).collect();
    for frame in Frames::new(&body) {
        assert_eq!(frame, Err(FrameFault::InflatesTooMuch));
    }
}

#[test]
fn large_compressible_payloads_travel_within_the_limits_of_the_reader() {
    for effort in [Effort::Phone, Effort::Server] {
        for length in [24, 1_000, 20_000, FRAME_BYTES_MAX, 200_000, 1_000_000, INFLATED_BYTES_MAX] {
            // One part in twenty is noise, so that the ratio stays below the limit.
            let mut payload = "xã Mẫu, thôn Mẫu; ".repeat(length / 20 + 1).into_bytes();
            payload.truncate(length);
            for (at, byte) in noise(length / 50).iter().enumerate() {
                payload[at * 50] = *byte;
            }
            let mut body = Vec::new();
            match write_frame(FrameKind::Rows, &payload, effort, &mut body) {
                Ok(()) => assert!(frames(&body) == [Ok((FrameKind::Rows, payload))], "{effort:?} {length}"),
                Err(fault) => assert!(fault == FrameFault::TooLarge && length > FRAME_BYTES_MAX),
            }
        }
        // What compresses too well for the reader travels as it is, or not at all.
        let mut body = Vec::new();
        write_frame(FrameKind::Rows, &vec![0; FRAME_BYTES_MAX], effort, &mut body).unwrap();
        assert_eq!(frames(&body), [Ok((FrameKind::Rows, vec![0; FRAME_BYTES_MAX]))]);
        let zeros = vec![0; FRAME_BYTES_MAX + 1];
        assert_eq!(write_frame(FrameKind::Rows, &zeros, effort, &mut body), Err(FrameFault::TooLarge));
    }
}

#[test]
fn the_dictionary_is_the_one_that_phones_have() {
    let dictionary = include_bytes!("../data/dictionary-1.zdict");
    let hash = blake3::hash(dictionary).to_hex();
    // A released dictionary is never edited; a new one gets packing number 3.
    assert_eq!((dictionary.len(), &hash[..16]), (DICTIONARY_LENGTH, DICTIONARY_HASH));
    assert_eq!(dictionary[..4], [0x37, 0xa4, 0x30, 0xec]);
}
const DICTIONARY_LENGTH: usize = 31_163;
const DICTIONARY_HASH: &str = "ae6f7b7711dad9a9";

// ---- Hello -----------------------------------------------------------------------------------------------------------

fn hello() -> Hello {
    Hello {
        proto: PROTO,
        device: DeviceId(Uuid::from_bytes([1; 16])),
        session: u64::MAX,
        epoch: Epoch(7),
        parent: Some((Epoch(6), 40)),
        last_n: 44,
        chain: [2; 8],
        oldest_n: 41,
        holdings: [3; 8],
        cursors_short: Some([4; 8]),
        cursors: None,
        budget_bytes: 65_536,
        classes: 0,
        schema: SCHEMA,
        app: Some("0.1.0".into()),
        ask: vec![],
        server_epoch: 1,
        purged: vec![],
        want_digests: false,
        life: Some([5; 16]),
        call: 300,
        ext: ext(),
    }
}

#[test]
fn a_hello_is_believed_only_with_the_key_that_sealed_it() {
    let key = [9; 32];
    let payload = seal_hello(&hello(), &key);
    let sealed = SealedHello::read(&payload).unwrap();
    assert_eq!(sealed.hello, hello());
    assert!(sealed.is_sealed_by(&key));
    assert!(!sealed.is_sealed_by(&[8; 32]));
    assert_eq!(sealed.tag(), hello_tag(&payload));
    assert_ne!(sealed.tag(), hello_tag(&seal_hello(&Hello { call: 301, ..hello() }, &key)));
    for bit in 0..payload.len() * 8 {
        let mut changed = payload.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = SealedHello::read(&changed) {
            assert!(!read.is_sealed_by(&key), "bit {bit} can be changed");
        }
    }
    for cut in 0..payload.len() {
        if let Ok(read) = SealedHello::read(&payload[..cut]) {
            assert!(!read.is_sealed_by(&key));
        }
    }
    assert_eq!(SealedHello::read(&[0; 15]).unwrap_err(), Malformed::Truncated);
}

#[test]
fn an_idle_request_is_far_below_300_bytes() {
    let mut body = Vec::new();
    write_frame(FrameKind::Hello, &seal_hello(&hello(), &[9; 32]), Effort::Phone, &mut body).unwrap();
    assert!(body.len() <= 160, "{} bytes", body.len());
    assert_eq!((body[2], body[3]), (HELLO, STORED), "a hello is never compressed");
}

/// Ten visits in one request, all in: frame heads, envelope, signature, and per visit a salt and a household id of 16 bytes
/// each, which cannot be compressed. The figures are those of docs/PROTOCOL.md, section 10.
#[test]
fn ten_visits_stay_within_their_bytes() {
    for (mix, bytes_max) in [(Mix::Plain, 80), (Mix::Field, 95), (Mix::EveryKind, 110)] {
        let mut rng = Rng::new(31);
        rng.held_out = true;
        let mut total = 0;
        for _ in 0..50 {
            let frame = made_up::World::new(&mut rng).visits_frame(&mut rng, 10, mix);
            let mut body = Vec::new();
            write_message(FrameKind::Ops, &frame, Effort::Phone, &mut body).unwrap();
            total += body.len();
        }
        assert!(total <= 50 * 10 * bytes_max, "{} bytes per visit", total / 500);
    }
}

// ---- Cursors ---------------------------------------------------------------------------------------------------------

fn cursor(scope: u8, class: Class, quarter: u16) -> Cursor {
    let bucket = BucketId { scope: ScopeId(Uuid::from_bytes([scope; 16])), class, quarter };
    Cursor { bucket, gen_: 1, seq: 300, mac: [5; 8] }
}

#[test]
fn rows_and_heads_name_their_bucket_and_none_of_an_unknown_class() {
    let bucket = cursor(1, Class::Event, 8_107).bucket;
    for (class, expected) in [(2, Some(bucket)), (4, None)] {
        let head = Head { scope: bucket.scope, class, quarter: 8_107, gen_: 1, head: 9, count: 1, sum: 5, ext: ext() };
        assert_eq!(head.bucket(), expected);
        let mut rng = Rng::new(3);
        let frame = made_up::World::new(&mut rng).rows_frame(&mut rng, Class::Event, 1);
        let frame = RowsFrame { scope: bucket.scope, class, quarter: 8_107, ..frame };
        assert_eq!(frame.bucket(), expected);
    }
}

#[test]
fn cursors_come_sorted_and_once_each() {
    let sorted = Cursors(vec![
        cursor(1, Class::Control, 0),
        cursor(1, Class::Register, 0),
        cursor(1, Class::Event, 8_106),
        cursor(1, Class::Event, 8_107),
        cursor(2, Class::Control, 0),
    ]);
    assert_eq!(read::<Cursors>(&sorted.cbor()).as_ref(), Ok(&sorted));
    assert_eq!(read::<Cursors>(&Cursors::default().cbor()), Ok(Cursors::default()));
    let mut swapped = sorted.clone();
    swapped.0.swap(1, 2);
    assert_eq!(read::<Cursors>(&swapped.cbor()), Err(Malformed::NotDeterministic));
    let mut doubled = sorted.clone();
    doubled.0.insert(1, sorted.0[0]);
    assert_eq!(read::<Cursors>(&doubled.cbor()), Err(Malformed::NotDeterministic));
    assert_ne!(sorted.short(), Cursors::default().short());
    // A scope that comes without any cursor, or twice, is another spelling of the same list.
    let scope = ScopeId(Uuid::from_bytes([1; 16])).cbor();
    let empty_group = [&[0x81, 0x81][..], &scope].concat();
    assert_eq!(read::<Cursors>(&empty_group), Err(Malformed::NotDeterministic));
    let entry = &sorted.cbor()[1 + 1 + 17..][..1 + 1 + 1 + 1 + 3 + 9];
    let later = [&[0x85, 0x01][..], &entry[2..]].concat();
    let twice = [&[0x82, 0x82][..], &scope, entry, &[0x82], &scope, &later].concat();
    assert_eq!(read::<Cursors>(&twice), Err(Malformed::NotDeterministic));
}

#[test]
fn cursors_of_a_whole_commune_fit_into_a_hello() {
    let of = |count: u16| Cursors((0..count).map(|at| cursor(1, Class::Event, at)).collect());
    // Five numbers each: the limit on items is reached before the limit on cursors.
    assert!(read::<Cursors>(&of(1_600).cbor()).is_ok());
    assert_eq!(read::<Cursors>(&of(1_700).cbor()), Err(Malformed::TooManyItems));
    let commune = Cursors(
        (0..20)
            .flat_map(|scope| {
                [(Class::Control, 0), (Class::Register, 0), (Class::Event, 8_104), (Class::Event, 8_105)]
                    .map(|(class, quarter)| cursor(scope, class, quarter))
            })
            .collect(),
    );
    let full = Hello { cursors: Some(commune), cursors_short: None, ..hello() };
    let mut body = Vec::new();
    write_frame(FrameKind::Hello, &seal_hello(&full, &[9; 32]), Effort::Phone, &mut body).unwrap();
    let [Ok((FrameKind::Hello, payload))] = &frames(&body)[..] else { panic!("one hello") };
    assert_eq!(SealedHello::read(payload).unwrap().hello, full);
    assert!(body.len() < 2_500, "{} bytes", body.len());
}

// ---- Chain and signature ---------------------------------------------------------------------------------------------

#[test]
fn the_chain_tells_every_outbox_and_every_order_apart() {
    let device = DeviceId(Uuid::from_bytes([1; 16]));
    let start = Chain::start(device, Epoch(1));
    assert_ne!(start, Chain::start(device, Epoch(2)));
    assert_ne!(start.then(b"a").then(b"b"), start.then(b"b").then(b"a"));
    assert_ne!(start.then(b"a"), start.then(b"b"));
    let inputs = [
        signing_input(device, Epoch(1), 1, 2, &start),
        signing_input(device, Epoch(1), 2, 1, &start),
        signing_input(device, Epoch(2), 1, 2, &start),
        signing_input(device, Epoch(1), 1, 2, &start.then(b"a")),
    ];
    assert!(inputs.iter().all(|input| input.len() == 13 + 16 + 8 + 8 + 4 + 32));
    for (at, input) in inputs.iter().enumerate() {
        assert!(!inputs[..at].contains(input));
    }
}

#[test]
fn five_hundred_ops_fit_into_the_limits_of_a_frame_list() {
    let ops = (0..BATCH_OPS_MAX).map(|_| Bytes(noise(60))).collect();
    let frame = OpsFrame { first_n: 1, before: [0; 8], ops, signature: [0; 64], ext: ext() };
    let mut body = Vec::new();
    write_message(FrameKind::Ops, &frame, Effort::Phone, &mut body).unwrap();
    let [Ok((FrameKind::Ops, payload))] = &frames(&body)[..] else { panic!("one frame") };
    assert_eq!(read::<OpsFrame>(payload), Ok(frame));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_written_is_read(payload in prop::collection::vec(any::<u8>(), 0..4_000), repeat in 1usize..6, phone: bool) {
        let payload: Vec<u8> = payload.iter().copied().cycle().take(payload.len() * repeat).collect();
        let effort = if phone { Effort::Phone } else { Effort::Server };
        let mut body = Vec::new();
        write_frame(FrameKind::Outcomes, &payload, effort, &mut body).unwrap();
        prop_assert!(body.len() <= payload.len() + FRAME_HEAD_BYTES, "a frame is never longer than what it holds");
        prop_assert_eq!(frames(&body), vec![Ok((FrameKind::Outcomes, payload))]);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = frames(&body);
    }

    #[test]
    fn flipped_bits_harm_no_frame_before_them(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let text = "Đã hướng dẫn, còn nợ bước nhập mã. ".repeat(30).into_bytes();
        let mut body = Vec::new();
        for _ in 0..3 {
            write_frame(FrameKind::Rows, &text, Effort::Phone, &mut body).unwrap();
        }
        let one = body.len() / 3;
        let at = at.index(body.len());
        body[at] ^= 1 << bit;
        let read = frames(&body);
        for frame in read.iter().take(at / one) {
            prop_assert_eq!(frame, &Ok((FrameKind::Rows, text.clone())));
        }
        // A frame whose length still holds spares those behind it, too.
        if at % one >= 2 {
            prop_assert_eq!(read.len(), 3);
        }
    }
}
