//! Everything that can be decoded, against bytes from anywhere: no panic, and what is accepted is written back to the
//! letter.

#![allow(missing_docs)]

#[path = "../examples/made_up/mod.rs"]
mod made_up;
mod support;

use std::collections::BTreeMap;

use made_up::{Mix, Rng};
use proptest::prelude::*;
use sync_protocol::cbor::{Bytes, Cbor, Ext, IntMap, Malformed, Raw, check, read};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::outcome::{Outcome, Verdict};
use sync_protocol::row::{ByKey, Class, Event, Group, Register, Row, RowType, Stamp, Ver};
use sync_protocol::value::Value;
use sync_protocol::wire::*;

/// Calls a function for every type that travels.
macro_rules! every_type {
    ($call:ident, $($argument:expr),*) => {
        every_type! { @each $call ($($argument),*)
            u8 u16 u32 u64 i64 bool String Bytes Raw Value Ver Stamp Group Register Row Event Verdict Outcome Op
            UnitId ScopeId TeamId TeamMemberId UserId DeviceId GrantId HouseholdId PersonId PlanId VisitId EventId
            ActivityId CaseId OpUid Epoch Salt ClaimedMs ServerMs Day Month
            CreateRow SetGroups MoveRow RecordVisit VisitRef CorrectVisit VoidVisit ReturnVisit ApproveVisit CancelPlan
            ResolveCase AddMember EndMember GiveGrant EndGrant CreateUser SetPeriod
            UnitIdentity UnitParent Validity TeamIdentity TeamDecision MemberIdentity MemberPosition HouseholdLabel
            HouseholdHead HouseholdPhone HouseholdClass HouseholdPeople Consent HouseholdStatus PlanTask PlanAssignee
            PlanStatus VisitPointer VisitStatusValue Review ReturnReason Batch CaseSubject CaseSides Side
            CaseStatusValue PeriodStatus VisitContent Activity VoidReason UserProfile
            Cursors Hello OpsFrame Header Outcomes Control HeldRole RowsFrame DropFrame Trailer Head Fork Problem
        }
        $call::<[u8; 8]>($($argument),*);
        $call::<[u8; 64]>($($argument),*);
        $call::<Vec<u64>>($($argument),*);
        $call::<(i64, i64)>($($argument),*);
        $call::<(Epoch, u64)>($($argument),*);
        $call::<ByKey<Raw>>($($argument),*);
        $call::<ByKey<Group>>($($argument),*);
        $call::<BTreeMap<String, Value>>($($argument),*);
    };
    (@each $call:ident $arguments:tt $($type:ident)*) => { $(every_type!(@one $call $arguments $type);)* };
    (@one $call:ident ($($argument:expr),*) $type:ident) => { $call::<$type>($($argument),*); };
}

/// Reads untrusted bytes; what is accepted must come back the same.
fn law<T: Cbor>(bytes: &[u8]) {
    if let Ok(value) = read::<T>(bytes) {
        assert_eq!(value.cbor(), bytes, "{} was written another way", std::any::type_name::<T>());
    }
    // Bytes that nobody checked: never a panic.
    let _ = T::from_cbor(bytes);
}

fn law_for_every_type(bytes: &[u8]) {
    every_type!(law, bytes);
    let _ = SealedHello::read(bytes);
    if let Ok(op) = Op::read(bytes) {
        let _ = (op.uid(), op.row_id(), op.case_id(0));
        if let Some(Ok(intent)) = Intent::of(&op) {
            let again = intent.into_op(Salt(op.salt), op.at, op.grants_rev);
            assert_eq!((again.code, again.body), (op.code, op.body));
        }
    }
}

/// One valid value of most types that travel, by the traffic that a team makes.
fn valid(seed: u64) -> Vec<Vec<u8>> {
    let mut rng = Rng::new(seed);
    let mut world = made_up::World::new(&mut rng);
    let mut all = vec![
        world.visits_frame(&mut rng, 2, Mix::EveryKind).cbor(),
        world.outcomes_frame(&mut rng, 3).cbor(),
        world.control(&mut rng).cbor(),
        world.event(&mut rng).cbor(),
        world.visit(&mut rng, Mix::EveryKind).cbor(),
        world.content(&mut rng, Mix::EveryKind, Day(20_800)).cbor(),
    ];
    for class in [Class::Control, Class::Register, Class::Event] {
        all.push(world.rows_frame(&mut rng, class, 2).cbor());
    }
    for ty in [
        RowType::UNIT,
        RowType::TEAM,
        RowType::TEAM_MEMBER,
        RowType::HOUSEHOLD,
        RowType::PLAN,
        RowType::VISIT_STATE,
        RowType::CASE,
        RowType::PERIOD,
        RowType::PERSON,
        RowType::BUSINESS,
        RowType::PRODUCT,
        RowType::MARKET,
    ] {
        all.push(world.register(&mut rng, ty).cbor());
    }
    for _ in 0..8 {
        let op = world.other_op(&mut rng);
        all.push(op.body.0.clone());
        all.push(op.cbor());
    }
    all
}

#[test]
fn traffic_of_a_whole_team_is_read_and_written_back() {
    for seed in 0..60 {
        for bytes in valid(seed) {
            assert_eq!(check(&bytes), Ok(()));
            law_for_every_type(&bytes);
        }
    }
}

/// A CBOR value that keeps the rules of the encoding, of any shape.
fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(|number| number.cbor()),
        (0u64..40).prop_map(|number| number.cbor()),
        any::<i64>().prop_map(|number| number.cbor()),
        any::<bool>().prop_map(|flag| flag.cbor()),
        "[a-zđẵ]{0,12}".prop_map(|text| text.cbor()),
        prop::collection::vec(any::<u8>(), 0..70).prop_map(|bytes| Bytes(bytes).cbor()),
        any::<[u8; 16]>().prop_map(|bytes| bytes.cbor()),
        any::<[u8; 8]>().prop_map(|bytes| bytes.cbor()),
    ];
    leaf.prop_recursive(5, 60, 12, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| items
                .into_iter()
                .map(Raw)
                .collect::<Vec<_>>()
                .cbor()),
            prop::collection::btree_map(0u8..24, inner, 0..16)
                .prop_map(|map| ByKey(map.into_iter().map(|(key, raw)| (key, Raw(raw))).collect()).cbor()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        law_for_every_type(&bytes);
    }

    #[test]
    fn well_formed_values_of_any_shape_are_refused_or_written_back(bytes in any_value()) {
        prop_assert_eq!(check(&bytes), Ok(()));
        law_for_every_type(&bytes);
    }

    #[test]
    fn damaged_traffic_is_refused_or_written_back(
        seed in 0u64..40,
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..4),
    ) {
        let all = valid(seed);
        let mut bytes = all[which.index(all.len())].clone();
        for (place, byte, how) in changes {
            let at = place.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        law_for_every_type(&bytes);
    }

    /// P18: whatever a newer version adds under keys of its own is carried, whoever edits the rest.
    #[test]
    fn unknown_keys_survive_an_old_reader(seed in 0u64..40, which in any::<prop::sample::Index>(), key in 100u64..9_000, extra in any_value()) {
        let all = valid(seed);
        let bytes = &all[which.index(all.len())];
        let mut newer = IntMap::parse(bytes).unwrap().rest();
        newer.0.insert(key, extra.clone());
        let newer = map(&newer);
        prop_assume!(check(&newer).is_ok());
        carried(&newer, key, &extra);
    }
}

/// A map with these keys.
fn map(entries: &Ext) -> Vec<u8> {
    let mut out = Vec::new();
    sync_protocol::cbor::IntMapWriter::with_ext(entries).finish(&mut out);
    out
}

fn carried(newer: &[u8], key: u64, extra: &[u8]) {
    fn one<T: Cbor>(newer: &[u8], key: u64, extra: &[u8]) {
        if let Ok(value) = read::<T>(newer) {
            let back = value.cbor();
            let mut fields = IntMap::parse(&back).expect("a map");
            assert_eq!(fields.take(key), Some(extra), "{} lost a key", std::any::type_name::<T>());
        }
    }
    one::<Op>(newer, key, extra);
    one::<Row>(newer, key, extra);
    one::<Register>(newer, key, extra);
    one::<Event>(newer, key, extra);
    one::<VisitContent>(newer, key, extra);
    one::<OpsFrame>(newer, key, extra);
    one::<Outcomes>(newer, key, extra);
    one::<Control>(newer, key, extra);
    one::<RowsFrame>(newer, key, extra);
}

#[test]
fn an_edit_by_an_old_app_leaves_a_newer_ones_keys_alone() {
    let mut content = support::World::new().content();
    content.ext.0.insert(40, "mới".to_owned().cbor());
    content.activities[0].ext.0.insert(41, 7u8.cbor());
    let mut read_again: VisitContent = read(&content.cbor()).unwrap();
    read_again.minutes = Some(5);
    read_again.activities[0].kind = "vneid_level2".into();
    let back: VisitContent = read(&read_again.cbor()).unwrap();
    assert_eq!((&back.ext, &back.activities[0].ext), (&content.ext, &content.activities[0].ext));
}

#[test]
fn a_row_of_a_later_type_is_carried_whole() {
    let later = [0xa4, 0x00, 0x18, 0x50, 0x01, 0x50]
        .iter()
        .copied()
        .chain([7; 16])
        .chain([0x02, 0x05, 0x03, 0x82, 0x01, 0x61, b'x'])
        .collect::<Vec<u8>>();
    let row: Row = read(&later).unwrap();
    assert!(matches!(&row, Row::Opaque { ty: RowType(80), ver: Ver(5), .. }));
    assert_eq!(row.cbor(), later);
}

#[test]
fn each_way_of_being_wrong_has_its_own_code() {
    let op = support::World::new().op(support::World::submit(VisitId(support::id(3))));
    let bytes = op.cbor();
    assert_eq!(Op::read(&[&bytes[..], &[0]].concat()), Err(Malformed::Trailing));
    assert_eq!(Op::read(&bytes[..bytes.len() - 1]), Err(Malformed::Truncated));
    assert_eq!(Op::read(&[0xa0]), Err(Malformed::MissingKey));
    assert_eq!(Op::read(&[0x80]), Err(Malformed::WrongShape));
    // What may be left out must be left out when it says nothing: one value, one spelling.
    for empty in [&[0xa1u8, 0x00, 0x80][..], &[0xa1, 0x02, 0xf4], &[0xa1, 0x00, 0xf4]] {
        assert_eq!(read::<Trailer>(empty).is_err(), empty[2] != 0x80 || empty[1] == 0x00, "{empty:02x?}");
    }
    assert_eq!(read::<Trailer>(&[0xa1, 0x00, 0xf4]), Err(Malformed::NotDeterministic));
    assert_eq!(read::<Outcomes>(&[0xa1, 0x00, 0x80]), Err(Malformed::NotDeterministic));
    assert_eq!(read::<Head>(&[0xa1, 0x01, 0x00]), Err(Malformed::MissingKey));
}
