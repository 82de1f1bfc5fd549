//! Field groups of a register meet an op that sets them.
//!
//! Version stamps decide, never clocks (P15). Total: every op gets an answer, so none can block the next (P12).
//! Source: docs/PROTOCOL.md, "Conflicts", C1 to C7.

use crate::cbor::Raw;
use crate::ids::Epoch;
use crate::museum::{self, Exhibit};
use crate::row::{Group, Stamp, Ver};

/// Most independent equal answers that one group remembers; one more is treated as a clash.
pub const STAMPS_MAX: usize = 4;

/// The outbox lives that an op's author has behind them: an earlier epoch of the same file, up to where it was left.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lineage(pub Vec<(Epoch, u64)>);

/// Where an op stands: which outbox, which number, what it knew.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The outbox.
    pub epoch: Epoch,
    /// The op's number.
    pub n: u64,
    /// The version of the row that the person was looking at.
    pub base_ver: Ver,
    /// Earlier lives of the outbox: (epoch, first number that is *not* part of this past).
    pub lineage: &'a Lineage,
}

impl Writer<'_> {
    /// C1, C2: whether the op's author had seen, or made, the change that left this stamp.
    pub fn knows(&self, stamp: &Stamp) -> bool {
        stamp.ver <= self.base_ver
            || (stamp.epoch == self.epoch && stamp.n < self.n)
            || self
                .lineage
                .0
                .iter()
                .any(|(epoch, below)| stamp.epoch == *epoch && (stamp.n < *below || museum::on(Exhibit::PastPerDevice)))
    }
}

/// What became of one group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meeting {
    /// The person had seen the current value: the new one holds.
    Clean,
    /// Somebody else had said the same: both are remembered.
    Agree,
    /// Somebody else had said something different, unseen.
    Clash,
}

/// Compares a group with an op that sets it (C1 to C3).
pub fn meet(current: &Group, value: &Raw, writer: &Writer<'_>) -> Meeting {
    if museum::on(Exhibit::LastWriteWins) || museum::on(Exhibit::LwwOnClock) {
        return Meeting::Clean;
    }
    if current.stamps.iter().all(|stamp| writer.knows(stamp)) {
        Meeting::Clean
    } else if current.value == *value && current.stamps.len() < STAMPS_MAX {
        Meeting::Agree
    } else {
        Meeting::Clash
    }
}

/// The group after the op (C4, C5): an ordinary group shows the later arrival, a guarded one keeps its value in a clash.
pub fn after(current: &Group, value: &Raw, stamp: Stamp, meeting: Meeting, guarded: bool) -> Group {
    let mut next = current.clone();
    match meeting {
        Meeting::Clash if guarded => {}
        Meeting::Agree if museum::on(Exhibit::AgreeReplacesStamp) => next.stamps = vec![stamp],
        Meeting::Agree => next.stamps.push(stamp),
        Meeting::Clean | Meeting::Clash => {
            next.value = value.clone();
            next.stamps = vec![stamp];
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cbor::{Cbor, Ext};

    /// One phone's edit: who, what it was looking at (index of an earlier edit, or the start), the value.
    #[derive(Clone, Debug)]
    struct Edit {
        phone: u64,
        seen: usize,
        value: u8,
    }

    /// A plain world without buckets or frames: edits arrive in order; the oracle knows what each person had seen.
    fn play(edits: &[Edit], guarded: bool) -> Result<(), String> {
        let lineage = Lineage::default();
        let raw = |value: u8| Raw(value.cbor());
        let start = Stamp { ver: Ver(1), epoch: Epoch(0), n: 1 };
        let mut group = Group { value: raw(255), stamps: vec![start], case: None, ext: Ext::default() };
        let mut sides: Vec<Raw> = Vec::new();
        // For the oracle: per arrived edit its value, and the set of edits whose value its author had seen.
        let mut known: Vec<Vec<usize>> = Vec::new();
        let mut numbers = [0u64; 4];
        for (index, edit) in edits.iter().enumerate() {
            let ver = Ver(index as u64 + 2);
            let seen = edit.seen.min(index);
            numbers[edit.phone as usize] += 1;
            let n = numbers[edit.phone as usize];
            let writer = Writer { epoch: Epoch(edit.phone + 1), n, base_ver: Ver(seen as u64 + 1), lineage: &lineage };
            let value = raw(edit.value);
            let meeting = meet(&group, &value, &writer);
            if meeting == Meeting::Clash {
                for side in [group.value.clone(), value.clone()] {
                    if !sides.contains(&side) {
                        sides.push(side);
                    }
                }
            }
            group = after(&group, &value, Stamp { ver, epoch: writer.epoch, n }, meeting, guarded);
            let mut mine: Vec<usize> = (0..seen).collect();
            mine.extend((0..index).filter(|other| edits[*other].phone == edit.phone));
            known.push(mine);
        }
        // P11: two different values of people who had not seen each other are both kept: in the register, in the case, or
        // replaced by someone who had seen them.
        for (index, edit) in edits.iter().enumerate() {
            let value = raw(edit.value);
            let superseded = (index + 1..edits.len()).any(|later| known[later].contains(&index));
            if group.value != value && !sides.contains(&value) && !superseded {
                return Err(format!("the value {} of edit {index} is nowhere", edit.value));
            }
        }
        Ok(())
    }

    fn edits() -> impl Strategy<Value = Vec<Edit>> {
        prop::collection::vec(
            (0u64..4, 0usize..8, 0u8..3).prop_map(|(phone, seen, value)| Edit { phone, seen, value }),
            1..8,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// P11: phones that have not seen each other lose nothing.
        #[test]
        fn every_unseen_value_is_in_the_register_or_in_a_case(edits in edits(), guarded: bool) {
            play(&edits, guarded).map_err(TestCaseError::fail)?;
        }

        /// The same inputs give the same answer, and order of stamps does not matter.
        #[test]
        fn the_order_of_stamps_decides_nothing(vers in prop::collection::vec((1u64..6, 1u64..4, 1u64..4), 1..4), base in 0u64..6) {
            let lineage = Lineage::default();
            let stamps: Vec<Stamp> = vers.iter().map(|(v, e, n)| Stamp { ver: Ver(*v), epoch: Epoch(*e), n: *n }).collect();
            let writer = Writer { epoch: Epoch(1), n: 2, base_ver: Ver(base), lineage: &lineage };
            let group = |stamps| Group { value: Raw(vec![1]), stamps, case: None, ext: Ext::default() };
            let reversed: Vec<Stamp> = stamps.iter().rev().copied().collect();
            for value in [Raw(vec![1]), Raw(vec![2])] {
                prop_assert_eq!(meet(&group(stamps.clone()), &value, &writer), meet(&group(reversed.clone()), &value, &writer));
            }
        }
    }

    #[test]
    fn a_second_edit_of_the_same_phone_opens_no_second_case() {
        let lineage = Lineage::default();
        let seen = Stamp { ver: Ver(5), epoch: Epoch(9), n: 1 };
        let group = Group { value: Raw(vec![1]), stamps: vec![seen], case: None, ext: Ext::default() };
        let first = Writer { epoch: Epoch(1), n: 1, base_ver: Ver(5), lineage: &lineage };
        let other = Stamp { ver: Ver(6), epoch: Epoch(2), n: 7 };
        let changed = after(&group, &Raw(vec![2]), other, Meeting::Clean, false);
        assert_eq!(meet(&changed, &Raw(vec![3]), &first), Meeting::Clash);
        let shown = after(&changed, &Raw(vec![3]), Stamp { ver: Ver(7), epoch: Epoch(1), n: 1 }, Meeting::Clash, false);
        let second = Writer { n: 2, ..first };
        assert_eq!(meet(&shown, &Raw(vec![4]), &second), Meeting::Clean);
    }

    #[test]
    fn a_restored_phone_has_not_seen_its_lost_future() {
        let lineage = Lineage(vec![(Epoch(1), 6)]);
        let writer = Writer { epoch: Epoch(2), n: 1, base_ver: Ver(1), lineage: &lineage };
        let stamp = |n| Stamp { ver: Ver(9), epoch: Epoch(1), n };
        assert!(writer.knows(&stamp(5)));
        assert!(!writer.knows(&stamp(6)));
        // Nor what another copy of its file did under the same epoch and number.
        let copy = Writer { epoch: Epoch(1), n: 6, ..writer };
        assert!(copy.knows(&stamp(5)));
        assert!(!copy.knows(&stamp(6)));
    }

    #[test]
    fn an_agreeing_answer_is_remembered_beside_the_first() {
        let lineage = Lineage::default();
        let mine = Stamp { ver: Ver(2), epoch: Epoch(1), n: 1 };
        let group = Group { value: Raw(vec![1]), stamps: vec![mine], case: None, ext: Ext::default() };
        let theirs = Stamp { ver: Ver(3), epoch: Epoch(2), n: 1 };
        let writer = Writer { epoch: Epoch(2), n: 1, base_ver: Ver(1), lineage: &lineage };
        assert_eq!(meet(&group, &Raw(vec![1]), &writer), Meeting::Agree);
        let both = after(&group, &Raw(vec![1]), theirs, Meeting::Agree, false);
        // Had the second stamp replaced the first, the second phone's next edit would overwrite the first one's answer.
        let next = Writer { n: 2, ..writer };
        assert_eq!(meet(&both, &Raw(vec![7]), &next), Meeting::Clash);
    }
}
