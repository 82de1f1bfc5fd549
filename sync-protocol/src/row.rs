//! Rows: what the server keeps and phones copy. A *register* changes, group by group; an *event* never does.
//!
//! Every row starts with the same three keys (0: type, 1: id, 2: version), so that a row of a type that this version
//! does not know can still be stored, counted in a digest and replaced. Source: docs/PROTOCOL.md, "Rows".

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::cbor::{self, Bytes, Cbor, Ext, IntMap, IntMapWriter, Malformed, Raw, array_items, write_head};
use crate::ids::*;
use crate::int_map;

/// Longest row. Leaves room in a frame even when nothing compresses.
pub const ROW_BYTES_MAX: usize = 24 * 1024;

/// Version of a row: the server's epoch in the top 16 bits, a per-row counter below. It is independent of the row's
/// position in a bucket, survives a move between buckets, and is never used again after a server was restored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Ver(pub u64);

impl Ver {
    /// The version of a new row.
    pub fn first(server_epoch: u16) -> Self {
        Self((u64::from(server_epoch) << 48) + 1)
    }

    /// The version after this one. A counter starts anew under a new server epoch; no version goes back.
    pub fn next(self, server_epoch: u16) -> Self {
        Self::first(server_epoch).max(Self(self.0 + 1))
    }
}

impl Cbor for Ver {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        self.0.to_cbor(out)
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        u64::from_cbor(bytes).map(Self)
    }
}

/// What a row is. Numbers are never reused; a type above these is carried unread.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RowType(pub u8);

impl RowType {
    /// An administrative unit: a village or its commune.
    pub const UNIT: Self = Self(1);
    /// A community digital team.
    pub const TEAM: Self = Self(2);
    /// A membership of a team.
    pub const TEAM_MEMBER: Self = Self(3);
    /// A household.
    pub const HOUSEHOLD: Self = Self(4);
    /// A planned visit.
    pub const PLAN: Self = Self(5);
    /// What became of a visit after it was recorded: its valid content, its status, its review.
    pub const VISIT_STATE: Self = Self(6);
    /// A case.
    pub const CASE: Self = Self(7);
    /// A reporting month of a commune: open or closed.
    pub const PERIOD: Self = Self(8);
    /// A person of a household. Exists only with consent.
    pub const PERSON: Self = Self(9);
    /// A business: a farm, a shop, a stall, a cooperative, a craft.
    pub const BUSINESS: Self = Self(10);
    /// A product of a business.
    pub const PRODUCT: Self = Self(11);
    /// A market of a commune.
    pub const MARKET: Self = Self(12);
    /// A campaign of a commune or province.
    pub const CAMPAIGN: Self = Self(13);
    /// A target of a unit.
    pub const TARGET: Self = Self(14);
    /// A base number of a unit from a day on.
    pub const DENOMINATOR: Self = Self(15);
    /// A number that was typed for a period.
    pub const MANUAL_NUMBER: Self = Self(16);
    /// A recognition of a person or a commune.
    pub const RECOGNITION: Self = Self(17);
    /// A report of a unit for a period.
    pub const REPORT: Self = Self(18);
    /// A course that was held.
    pub const COURSE_RUN: Self = Self(19);
    /// A member's record in a course.
    pub const COURSE_RESULT: Self = Self(20);
    /// That a team was active in a month.
    pub const SUPPORT_CERTIFICATE: Self = Self(21);
    /// An announcement of a commune or province.
    pub const ANNOUNCEMENT: Self = Self(22);
    /// A reorganisation of communes.
    pub const REORGANISATION: Self = Self(23);
    /// Event: a visit was recorded.
    pub const VISIT_RECORDED: Self = Self(32);
    /// Event: a visit's content was corrected.
    pub const VISIT_CORRECTED: Self = Self(33);
    /// Event: a visit was declared void.
    pub const VISIT_VOIDED: Self = Self(34);

    /// Whether rows of this type are events. Numbers from 32 to 63 are.
    pub fn is_event(self) -> bool {
        (32..64).contains(&self.0)
    }

    /// The class whose bucket carries rows of this type.
    pub fn class(self) -> Class {
        match self {
            Self::UNIT | Self::TEAM | Self::TEAM_MEMBER | Self::CASE | Self::PERIOD => Class::Control,
            Self::MARKET | Self::CAMPAIGN | Self::TARGET | Self::COURSE_RUN | Self::ANNOUNCEMENT => Class::Notice,
            _ if self.is_event() => Class::Event,
            _ => Class::Register,
        }
    }
}

/// What a bucket carries. Buckets are sent in the order of [`Class::sent`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// Units, teams, members, cases, periods.
    Control = 0,
    /// Households, plans, visit states, persons, businesses, products, and the office's numbers and reports.
    Register = 1,
    /// Events, one bucket per quarter in which the server received them.
    Event = 2,
    /// What a unit tells the units below it: markets, campaigns, targets, courses held, announcements. Whoever may read
    /// rows of a unit may read the notices of every unit above it.
    Notice = 3,
}

impl Class {
    /// Reads a class number.
    pub fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Control),
            1 => Some(Self::Register),
            2 => Some(Self::Event),
            3 => Some(Self::Notice),
            _ => None,
        }
    }

    /// The place in the order in which buckets are sent: what people wait for today goes before the past.
    pub fn sent(self) -> u8 {
        match self {
            Self::Control => 0,
            Self::Register => 1,
            Self::Notice => 2,
            Self::Event => 3,
        }
    }
}

/// A bucket: one class of rows of one scope; for events also one quarter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BucketId {
    /// Whose rows.
    pub scope: ScopeId,
    /// Which rows.
    pub class: Class,
    /// Event buckets: `year * 4 + quarter - 1` of the server's receipt (UTC+7); otherwise 0.
    pub quarter: u16,
}

impl BucketId {
    /// The quarter number of a moment.
    pub fn quarter_of(received: ServerMs) -> u16 {
        let (year, month, _) = Day::of_ms(received.0).civil();
        u16::try_from(year * 4 + i64::from((month - 1) / 3)).unwrap_or(u16::MAX)
    }

    /// The bucket that a row belongs to.
    pub fn of(scope: ScopeId, ty: RowType, received: ServerMs) -> Self {
        let class = ty.class();
        let quarter = if class == Class::Event { Self::quarter_of(received) } else { 0 };
        Self { scope, class, quarter }
    }
}

/// Who last set a field group, and at which version of the row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stamp {
    /// The row's version at that change.
    pub ver: Ver,
    /// The outbox that held the op.
    pub epoch: Epoch,
    /// The op's number in it.
    pub n: u64,
}

impl Cbor for Stamp {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        write_head(4, 3, out);
        self.ver.to_cbor(out);
        self.epoch.to_cbor(out);
        self.n.to_cbor(out);
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        let items = array_items(bytes)?;
        let [ver, epoch, n] = items[..] else { return Err(Malformed::WrongShape) };
        Ok(Self { ver: Ver::from_cbor(ver)?, epoch: Epoch::from_cbor(epoch)?, n: u64::from_cbor(n)? })
    }
}

int_map! {
    /// A field group of a register: what people set together, and what clashes together.
    pub struct Group {
        /// The value: a map, kept as it came so that unknown fields survive and equal values have equal bytes.
        0 => value: req Raw,
        /// Who set it; several only when people independently gave the same answer.
        1 => stamps: list Stamp,
        /// The open case about this group, if people disagree.
        2 => case: opt CaseId,
    }
}

/// Number of a field group within its register type.
pub type GroupKey = u8;

/// How a register stands in its scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It is here.
    Live,
    /// It went to another scope; this row only says so, never where to.
    Moved,
}

/// A mutable row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Register {
    /// 0: what it is.
    pub ty: RowType,
    /// 1: which one.
    pub id: Uuid,
    /// 2: its version.
    pub ver: Ver,
    /// 3: its field groups.
    pub groups: BTreeMap<GroupKey, Group>,
    /// 4: absent while live, 1 when moved.
    pub standing: Standing,
    /// All other keys.
    pub ext: Ext,
}

impl Register {
    /// A new register with these group values, all set by one op.
    pub fn new(ty: RowType, id: Uuid, stamp: Stamp, values: impl IntoIterator<Item = (GroupKey, Raw)>) -> Self {
        let groups = values.into_iter().map(|(key, value)| (key, Group::set(value, stamp))).collect();
        Self { ty, id, ver: stamp.ver, groups, standing: Standing::Live, ext: Ext::default() }
    }

    /// Reads a group's value; `None` when the group is not set or does not read as `T`.
    pub fn group<T: Cbor>(&self, key: GroupKey) -> Option<T> {
        T::from_cbor(&self.groups.get(&key)?.value.0).ok()
    }

    /// The row that stays behind when this one goes to another scope.
    pub fn tombstone(&self, ver: Ver) -> Self {
        let (ty, id) = (self.ty, self.id);
        Self { ty, id, ver, groups: BTreeMap::new(), standing: Standing::Moved, ext: Ext::default() }
    }
}

impl Group {
    /// A group set by one op.
    pub fn set(value: Raw, stamp: Stamp) -> Self {
        Self { value, stamps: vec![stamp], case: None, ext: Ext::default() }
    }
}

/// A map from small numbers to items.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ByKey<T>(pub BTreeMap<u8, T>);

impl<T: Cbor> Cbor for ByKey<T> {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        write_head(5, self.0.len() as u64, out);
        for (key, item) in &self.0 {
            key.to_cbor(out);
            item.to_cbor(out);
        }
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        let map = IntMap::parse(bytes)?;
        map.entries()
            .map(|(key, raw)| Ok((u8::try_from(key).map_err(|_| Malformed::WrongShape)?, T::from_cbor(raw)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

int_map! {
    /// An immutable row.
    pub struct Event {
        /// What it is: a number from 32 to 63.
        0 => ty: req u8,
        /// Which one. For a recorded visit also the visit's id.
        1 => id: req EventId,
        /// Its version.
        2 => ver: req Ver,
        /// The visit it corrects or voids; left out when it records one.
        3 => visit: opt VisitId,
        /// Who wrote it.
        4 => author: req UserId,
        /// The outbox that held the op.
        5 => epoch: req Epoch,
        /// The op's number in it.
        6 => n: req u64,
        /// When the server received it.
        7 => received: req ServerMs,
        /// What a reviewer should look at; see `flag`.
        8 => flags: num u32,
        /// When it was made, as the device's clock claimed.
        9 => at: req ClaimedMs,
        /// The content as the author sent it: a `VisitContent`, or a `VoidReason`.
        10 => body: req Raw,
        /// A recorded visit or correction that was handed in at once.
        11 => submitted: flag bool,
    }
}

impl Event {
    /// The visit that this event is about.
    pub fn visit_id(&self) -> VisitId {
        self.visit.unwrap_or(VisitId(self.id.0))
    }

    /// The row type.
    pub fn row_type(&self) -> RowType {
        RowType(self.ty)
    }

    /// The stamp that the op of this event leaves on what it sets.
    pub fn stamp(&self) -> Stamp {
        Stamp { ver: self.ver, epoch: self.epoch, n: self.n }
    }
}

/// What a reviewer should look at. Bits of `Event::flags`; a flag never refuses a visit.
pub mod flag {
    /// Arrived more than 7 days after the day of the visit.
    pub const LATE: u32 = 1;
    /// The day of the visit lies after the day of receipt.
    pub const FUTURE_DAY: u32 = 1 << 1;
    /// The day of the visit lies more than 60 days before the day of receipt.
    pub const OLD_DAY: u32 = 1 << 2;
    /// Sent after the author had lost the grant for the village.
    pub const AFTER_GRANT_ENDED: u32 = 1 << 3;
    /// More than 30 activities by one member on one day.
    pub const QUANTITY: u32 = 1 << 4;
    /// Evidence that the catalogue asks for is missing.
    pub const EVIDENCE_MISSING: u32 = 1 << 5;
    /// The household had gone to another village when the visit arrived.
    pub const HOUSEHOLD_MOVED: u32 = 1 << 6;
    /// Recorded between 22:00 and 05:00 by the phone's clock.
    pub const NIGHT: u32 = 1 << 7;
    /// Carries fields that this server's catalogue does not know.
    pub const UNKNOWN_FIELD: u32 = 1 << 8;
    /// The reporting month of the visit was closed when it arrived.
    pub const PERIOD_CLOSED: u32 = 1 << 9;

    /// Bits with their stable codes.
    pub const CODES: [(u32, &str); 10] = [
        (LATE, "late"),
        (FUTURE_DAY, "future_day"),
        (OLD_DAY, "old_day"),
        (AFTER_GRANT_ENDED, "after_grant_ended"),
        (QUANTITY, "quantity_cap"),
        (EVIDENCE_MISSING, "evidence_missing"),
        (HOUSEHOLD_MOVED, "household_moved"),
        (NIGHT, "night_hours"),
        (UNKNOWN_FIELD, "unknown_field"),
        (PERIOD_CLOSED, "period_closed"),
    ];

    /// The stable codes of the flags that are set.
    pub fn codes(flags: u32) -> Vec<&'static str> {
        CODES.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, code)| *code).collect()
    }
}

/// A row as it travels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Row {
    /// A mutable row of a known sort.
    Register(Register),
    /// An immutable row of a known sort.
    Event(Event),
    /// A row of a type that a newer version made.
    Opaque {
        /// Its type.
        ty: RowType,
        /// Its id.
        id: Uuid,
        /// Its version.
        ver: Ver,
        /// All of it.
        raw: Raw,
    },
}

impl Row {
    /// Its type.
    pub fn ty(&self) -> RowType {
        match self {
            Self::Register(register) => register.ty,
            Self::Event(event) => event.row_type(),
            Self::Opaque { ty, .. } => *ty,
        }
    }

    /// Its id.
    pub fn id(&self) -> Uuid {
        match self {
            Self::Register(register) => register.id,
            Self::Event(event) => event.id.0,
            Self::Opaque { id, .. } => *id,
        }
    }

    /// Its version.
    pub fn ver(&self) -> Ver {
        match self {
            Self::Register(register) => register.ver,
            Self::Event(event) => event.ver,
            Self::Opaque { ver, .. } => *ver,
        }
    }

    /// Whether the row only says that it left this bucket.
    pub fn is_tombstone(&self) -> bool {
        matches!(self, Self::Register(register) if register.standing == Standing::Moved)
    }
}

impl Cbor for Register {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        let mut map = IntMapWriter::with_ext(&self.ext);
        map.put(0, &self.ty.0);
        map.put(1, &self.id);
        map.put(2, &self.ver);
        if !self.groups.is_empty() {
            let mut groups = Vec::new();
            write_head(5, self.groups.len() as u64, &mut groups);
            for (key, group) in &self.groups {
                key.to_cbor(&mut groups);
                group.to_cbor(&mut groups);
            }
            map.put(3, &Raw(groups));
        }
        if self.standing == Standing::Moved {
            map.put(4, &1u8);
        }
        map.finish(out);
    }

    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut map = IntMap::parse(bytes)?;
        let (ty, id, ver) = (RowType(map.req(0)?), map.req(1)?, map.req(2)?);
        let groups = match map.opt::<ByKey<Group>>(3)? {
            Some(groups) if groups.0.is_empty() => return Err(Malformed::NotDeterministic),
            Some(groups) => groups.0,
            None => BTreeMap::new(),
        };
        let standing = match map.opt::<u8>(4)? {
            None => Standing::Live,
            Some(1) => Standing::Moved,
            Some(_) => return Err(Malformed::WrongShape),
        };
        Ok(Self { ty, id, ver, groups, standing, ext: map.rest() })
    }
}

impl Cbor for Row {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        match self {
            Self::Register(register) => register.to_cbor(out),
            Self::Event(event) => event.to_cbor(out),
            Self::Opaque { raw, .. } => raw.to_cbor(out),
        }
    }

    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut map = IntMap::parse(bytes)?;
        let (ty, id, ver): (u8, Uuid, Ver) = (map.req(0)?, map.req(1)?, map.req(2)?);
        match RowType(ty) {
            RowType::UNIT
            | RowType::TEAM
            | RowType::TEAM_MEMBER
            | RowType::HOUSEHOLD
            | RowType::PLAN
            | RowType::VISIT_STATE
            | RowType::CASE
            | RowType::PERIOD
            | RowType::PERSON
            | RowType::BUSINESS
            | RowType::PRODUCT
            | RowType::MARKET
            | RowType::CAMPAIGN
            | RowType::TARGET
            | RowType::DENOMINATOR
            | RowType::MANUAL_NUMBER
            | RowType::RECOGNITION
            | RowType::REPORT
            | RowType::COURSE_RUN
            | RowType::COURSE_RESULT
            | RowType::SUPPORT_CERTIFICATE
            | RowType::ANNOUNCEMENT
            | RowType::REORGANISATION => Register::from_cbor(bytes).map(Self::Register),
            RowType::VISIT_RECORDED | RowType::VISIT_CORRECTED | RowType::VISIT_VOIDED => {
                Event::from_cbor(bytes).map(Self::Event)
            }
            ty => Ok(Self::Opaque { ty, id, ver, raw: Raw(bytes.to_vec()) }),
        }
    }
}

/// Reads a row that came over the wire.
pub fn read_row(bytes: &[u8]) -> Result<Row, Malformed> {
    cbor::read(bytes)
}

/// Rows as byte strings, so that one unreadable row spoils no other.
pub fn rows_as_bytes(rows: &[Row]) -> Vec<Bytes> {
    rows.iter().map(|row| Bytes(row.cbor())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_of_flags_are_the_codes_in_order() {
        for (place, (bit, code)) in flag::CODES.iter().enumerate() {
            assert_eq!((*bit, flag::codes(*bit)), (1 << place, vec![*code]));
        }
        assert_eq!(flag::codes(flag::LATE | flag::NIGHT), ["late", "night_hours"]);
        assert!(flag::codes(0).is_empty());
    }

    #[test]
    fn an_event_lies_in_the_quarter_of_its_receipt_in_viet_nam() {
        let scope = ScopeId(Uuid::nil());
        let bucket = |ty, day: &str, before: u64| {
            BucketId::of(scope, ty, ServerMs(Day::parse(day).unwrap().begins().0 - before)).quarter
        };
        let event = |day, before| bucket(RowType::VISIT_CORRECTED, day, before);
        assert_eq!([event("2026-10-01", 0), event("2026-10-01", 1)], [2026 * 4 + 3, 2026 * 4 + 2]);
        assert_eq!([event("2027-01-01", 0), event("2027-01-01", 1)], [2027 * 4, 2026 * 4 + 3]);
        assert_eq!(bucket(RowType::HOUSEHOLD, "2026-10-01", 0), 0);
    }

    #[test]
    fn a_register_has_one_spelling() {
        let id = Uuid::from_bytes([1; 16]);
        let with = |key: u64, value: Raw| {
            let mut map = IntMapWriter::default();
            map.put(0, &RowType::HOUSEHOLD.0);
            map.put(1, &id);
            map.put(2, &Ver::first(1));
            map.put(key, &value);
            let mut bytes = Vec::new();
            map.finish(&mut bytes);
            cbor::read::<Register>(&bytes).map(|register| register.standing)
        };
        assert_eq!(with(3, Raw(vec![0xa0])), Err(Malformed::NotDeterministic));
        assert_eq!(with(4, Raw(0u8.cbor())), Err(Malformed::WrongShape));
        assert_eq!(with(4, Raw(1u8.cbor())), Ok(Standing::Moved));
    }

    #[test]
    fn a_type_of_a_newer_version_has_a_class_by_its_number() {
        let of = |ty| RowType(ty).class();
        assert_eq!([of(30), of(31), of(64)], [Class::Register; 3]);
        assert_eq!([of(35), of(63)], [Class::Event; 2]);
        let control = [RowType::UNIT, RowType::TEAM, RowType::TEAM_MEMBER, RowType::CASE, RowType::PERIOD];
        assert_eq!(control.map(RowType::class), [Class::Control; 5]);
        let notices = [RowType::MARKET, RowType::CAMPAIGN, RowType::TARGET, RowType::COURSE_RUN, RowType::ANNOUNCEMENT];
        assert_eq!(notices.map(RowType::class), [Class::Notice; 5]);
        for class in [Class::Control, Class::Register, Class::Event, Class::Notice] {
            assert_eq!(Class::from_u8(class as u8), Some(class));
        }
        assert_eq!(Class::from_u8(4), None);
    }
}
