//! What is decoded before anybody is believed: no panic, no memory beyond the limits, and one spelling for each value.

use fuzz::{around, corpus, times};
use sync_protocol::catalogue::{ActivityContent, ActivityFacts, Catalogue, EvidencePolicy};
use sync_protocol::cbor::{Cbor, Ext, IntMap, IntMapWriter, check, read};
use sync_protocol::entity::VisitContent;
use sync_protocol::ids::Salt;
use sync_protocol::op::{Intent, OP_BYTES_MAX, Op};
use sync_protocol::outcome::Outcome;
use sync_protocol::row::{Event, Register, Row, read_row};
use sync_protocol::wire::*;

/// Runs a function on the corpus, on random bytes, and on what is made from the corpus.
macro_rules! target {
    ($name:ident, $usual:expr, $target:expr) => {
        #[test]
        fn $name() {
            bolero::check!(name = stringify!($name))
                .with_iterations(times(300))
                .for_each(|input: &[u8]| $target(input));
            around(&corpus(stringify!($name)), $usual, $target);
        }
    };
}

target!(frames, 20_000, read_frames);
target!(hello, 20_000, read_hello);
target!(messages, 40_000, read_messages);
target!(ops, 60_000, read_ops);
target!(rows, 40_000, read_rows);
target!(content, 30_000, read_content);

fn read_frames(input: &[u8]) {
    let mut count = 0;
    for frame in Frames::new(input) {
        count += 1;
        let Ok((kind, payload)) = frame else { continue };
        assert!(payload.len() <= INFLATED_BYTES_MAX);
        assert!(payload.len() <= input.len() * INFLATE_RATIO_MAX);
        written_and_read(kind, &payload);
    }
    assert!(count <= input.len() / FRAME_HEAD_BYTES + 1);
    // The same bytes as what a frame holds, and as what a compressed one unpacks from.
    written_and_read(FrameKind::Rows, input);
    for packing in [1, 2] {
        let mut packed = Vec::new();
        fuzz::stored(FrameKind::Rows.code(), input, &mut packed);
        packed[3] = packing;
        for (_, payload) in Frames::new(&packed).flatten() {
            assert!(payload.len() <= INFLATED_BYTES_MAX.min(input.len() * INFLATE_RATIO_MAX));
        }
    }
}

fn written_and_read(kind: FrameKind, payload: &[u8]) {
    for effort in [Effort::Phone, Effort::Server] {
        let mut out = Vec::new();
        match write_frame(kind, payload, effort, &mut out) {
            Ok(()) => {
                let again: Vec<ReadFrame> = Frames::new(&out).collect();
                assert_eq!(again, [Ok((kind, payload.to_vec()))]);
            }
            Err(fault) => {
                assert_eq!((fault, out.len()), (FrameFault::TooLarge, 0));
                assert!(payload.len() > FRAME_BYTES_MAX);
            }
        }
    }
}

fn read_hello(input: &[u8]) {
    let key = [7; 32];
    if let Ok(sealed) = SealedHello::read(input) {
        assert!(!sealed.is_sealed_by(&key), "a seal without the key");
        assert_eq!(sealed.hello.cbor(), input[..input.len() - SEAL_BYTES]);
    }
    if let Some(hello) = one_spelling::<Hello>(input) {
        let sealed = seal_hello(&hello, &key);
        let again = SealedHello::read(&sealed).expect("what was sealed is read");
        assert!(again.is_sealed_by(&key) && !again.is_sealed_by(&[8; 32]));
        assert_eq!(again.hello, hello);
    }
}

fn read_messages(input: &[u8]) {
    one_spelling::<Header>(input);
    one_spelling::<Outcomes>(input);
    one_spelling::<Outcome>(input);
    one_spelling::<Control>(input);
    one_spelling::<HeldRole>(input);
    one_spelling::<RowsFrame>(input);
    one_spelling::<DropFrame>(input);
    one_spelling::<Trailer>(input);
    one_spelling::<Head>(input);
    one_spelling::<Fork>(input);
    one_spelling::<Problem>(input);
    one_spelling::<OpsFrame>(input);
    if let Ok(cursors) = read::<Cursors>(input) {
        assert_eq!(cursors.cbor(), input);
        assert!(cursors.0.len() <= CURSORS_MAX);
    }
}

fn read_ops(input: &[u8]) {
    let Ok(op) = Op::read(input) else { return };
    assert_eq!(op.cbor(), input);
    let _ = (op.uid(), op.row_id(), op.case_id(0), op.case_id(u32::MAX));
    let Some(Ok(intent)) = Intent::of(&op) else { return };
    let again = intent.clone().into_op(Salt(op.salt), op.at, op.grants_rev);
    assert_eq!((again.code, &again.body), (op.code, &op.body));
    assert_eq!(Intent::of(&again), Some(Ok(intent)));
    // A newer app's op: what it adds is carried, and changes nothing that is known.
    if let Some(newer) = with_a_later_key(input).filter(|newer| newer.len() <= OP_BYTES_MAX) {
        let newer_op = Op::read(&newer).expect("an op with a key of a later version");
        assert_eq!(newer_op.cbor(), newer);
        assert_eq!((newer_op.code, &newer_op.body), (op.code, &op.body));
    }
}

fn read_rows(input: &[u8]) {
    if let Ok(row) = read_row(input) {
        assert_eq!(row.cbor(), input);
        let _ = (row.ty(), row.id(), row.ver());
    }
    one_spelling::<Row>(input);
    one_spelling::<Register>(input);
    one_spelling::<Event>(input);
}

fn read_content(input: &[u8]) {
    let Some(content) = one_spelling::<VisitContent>(input) else { return };
    let catalogue = Catalogue::shipped();
    for activity in &content.activities {
        let answers = ActivityContent { kind: activity.kind.clone(), fields: activity.fields.clone() };
        for evidence_policy in [EvidencePolicy::Enforce, EvidencePolicy::FlagOnly] {
            let last_approved = Some(&activity.fields);
            let facts = ActivityFacts { visit_day: content.day, evidence: &[], evidence_policy, last_approved };
            let findings = catalogue.validate(&answers, &facts);
            assert_eq!(findings, catalogue.validate(&answers, &facts));
        }
        let _ = (catalogue.outcome(&answers), catalogue.counts_as_done(&answers));
        let json = catalogue.to_json_fields(&activity.fields);
        // A form writes cleaned answers, so the second time round nothing changes any more.
        if let Ok(fields) = catalogue.from_json_fields(&activity.kind, &json) {
            let again = catalogue.from_json_fields(&activity.kind, &catalogue.to_json_fields(&fields));
            assert_eq!(again.as_ref(), Ok(&fields));
        }
    }
}

/// What is accepted is written back to the letter, and so is the same message from a newer version.
fn one_spelling<T: Cbor + PartialEq + std::fmt::Debug>(input: &[u8]) -> Option<T> {
    let value = read::<T>(input).ok()?;
    assert_eq!(value.cbor(), input, "{} was written another way", std::any::type_name::<T>());
    assert_eq!(read::<T>(&value.cbor()).as_ref(), Ok(&value));
    if let Some(newer) = with_a_later_key(input) {
        let newer_value = read::<T>(&newer).expect("a message with a key of a later version");
        assert_eq!(newer_value.cbor(), newer, "{} lost a key", std::any::type_name::<T>());
    }
    Some(value)
}

/// The same map with one more key, as a later version might write it; nothing where that breaks a limit.
fn with_a_later_key(input: &[u8]) -> Option<Vec<u8>> {
    let mut entries: Ext = IntMap::parse(input).ok()?.rest();
    let key = entries.0.keys().max().map_or(1_000, |max| max.saturating_add(1).max(1_000));
    entries.0.insert(key, "mới".to_owned().cbor());
    let mut newer = Vec::new();
    IntMapWriter::with_ext(&entries).finish(&mut newer);
    check(&newer).ok().map(|()| newer)
}
