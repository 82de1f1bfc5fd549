//! Deterministic CBOR: the one encoding in which anything travels, is hashed or is compared.
//!
//! Maps with integer keys in ascending order, definite lengths, shortest integers, no tags, no floats, no `undefined`.
//! What is not written that way is refused, so decoding and encoding again gives the same bytes, and two equal values
//! have equal bytes. Source: docs/PROTOCOL.md, "Encoding", E1 to E8.

use std::collections::BTreeMap;

use minicbor::Decoder;
use minicbor::data::Type;
use uuid::Uuid;

use crate::ids::*;
use crate::units::TargetId;
use crate::value::Value;

/// Deepest nesting of arrays and maps.
pub const DEPTH_MAX: usize = 16;
/// Most items (numbers, texts, arrays, maps, keys…) in one encoded value.
pub const ITEMS_MAX: usize = 10_000;

/// Why bytes were refused. Each has a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end before the value does.
    #[error("truncated")]
    Truncated,
    /// There are bytes after the value.
    #[error("trailing_bytes")]
    Trailing,
    /// Nested deeper than `DEPTH_MAX`.
    #[error("too_deep")]
    TooDeep,
    /// More than `ITEMS_MAX` items.
    #[error("too_many_items")]
    TooManyItems,
    /// Correct CBOR, but not the one deterministic way to write it.
    #[error("not_deterministic")]
    NotDeterministic,
    /// A float, tag, simple value or other type that never travels.
    #[error("type_not_allowed")]
    TypeNotAllowed,
    /// A text that is not UTF-8.
    #[error("bad_text")]
    BadText,
    /// A value of another type or size than the place asks for.
    #[error("wrong_shape")]
    WrongShape,
    /// A required key is missing.
    #[error("missing_key")]
    MissingKey,
}

/// Checks that `bytes` hold exactly one deterministic value within the limits. Everything from outside passes here
/// first; it reserves no memory and never recurses deeper than `DEPTH_MAX`.
pub fn check(bytes: &[u8]) -> Result<(), Malformed> {
    match check_item(bytes, 0, 0, &mut { ITEMS_MAX })? {
        end if end == bytes.len() => Ok(()),
        _ => Err(Malformed::Trailing),
    }
}

/// Reads the head of an item: (major type, argument, position behind the head).
fn head(bytes: &[u8], at: usize) -> Result<(u8, u64, usize), Malformed> {
    let first = *bytes.get(at).ok_or(Malformed::Truncated)?;
    let (major, info) = (first >> 5, first & 0x1f);
    let width = match info {
        0..=23 => return Ok((major, u64::from(info), at + 1)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        28..=30 => return Err(Malformed::TypeNotAllowed),
        _ => return Err(Malformed::NotDeterministic),
    };
    let raw = bytes.get(at + 1..at + 1 + width).ok_or(Malformed::Truncated)?;
    let argument = raw.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let shortest = match width {
        1 => argument >= 24,
        2 => argument > 0xff,
        4 => argument > 0xffff,
        _ => argument > 0xffff_ffff,
    };
    if major == 7 {
        return Err(Malformed::TypeNotAllowed);
    }
    if !shortest {
        return Err(Malformed::NotDeterministic);
    }
    Ok((major, argument, at + 1 + width))
}

/// The end of the item at `at`, checked. `left` is how many items there may still be.
fn check_item(bytes: &[u8], at: usize, depth: usize, left: &mut usize) -> Result<usize, Malformed> {
    *left = left.checked_sub(1).ok_or(Malformed::TooManyItems)?;
    let (major, argument, mut at) = head(bytes, at)?;
    match major {
        0 | 1 => Ok(at),
        2 | 3 => {
            let length = usize::try_from(argument).map_err(|_| Malformed::Truncated)?;
            let end = at.checked_add(length).ok_or(Malformed::Truncated)?;
            let raw = bytes.get(at..end).ok_or(Malformed::Truncated)?;
            if major == 3 && std::str::from_utf8(raw).is_err() {
                return Err(Malformed::BadText);
            }
            Ok(end)
        }
        4 | 5 => {
            if depth == DEPTH_MAX {
                return Err(Malformed::TooDeep);
            }
            let mut last_key: Option<&[u8]> = None;
            for _ in 0..argument {
                if major == 5 {
                    let end = check_item(bytes, at, depth + 1, left)?;
                    let key = &bytes[at..end];
                    if !matches!(key[0] >> 5, 0 | 3) {
                        return Err(Malformed::TypeNotAllowed);
                    }
                    if last_key.is_some_and(|last| last >= key) {
                        return Err(Malformed::NotDeterministic);
                    }
                    last_key = Some(key);
                    at = end;
                }
                at = check_item(bytes, at, depth + 1, left)?;
            }
            Ok(at)
        }
        7 if matches!(argument, 20 | 21) => Ok(at),
        _ => Err(Malformed::TypeNotAllowed),
    }
}

/// The end of the item that starts at `at`, in bytes that passed `check` or are our own: of any number of items.
fn item_end(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    check_item(bytes, at, 0, &mut { usize::MAX })
}

/// Splits a checked array into the bytes of its items.
pub fn array_items(bytes: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let (major, count, mut at) = head(bytes, 0)?;
    if major != 4 {
        return Err(Malformed::WrongShape);
    }
    let mut items = Vec::new();
    for _ in 0..count {
        let end = item_end(bytes, at)?;
        items.push(&bytes[at..end]);
        at = end;
    }
    if at == bytes.len() { Ok(items) } else { Err(Malformed::Trailing) }
}

/// Keys that this version does not know, with their values as they came. Carried unread, so that an old app never erases
/// what a newer one wrote (P18).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ext(pub BTreeMap<u64, Vec<u8>>);

impl std::fmt::Debug for Ext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ext({} unknown keys)", self.0.len())
    }
}

/// A map with integer keys, split into the bytes of its values. What is not taken ends in `rest`.
pub struct IntMap<'b>(BTreeMap<u64, &'b [u8]>);

impl<'b> IntMap<'b> {
    /// Splits a map.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, Malformed> {
        let (major, count, mut at) = head(bytes, 0)?;
        if major != 5 {
            return Err(Malformed::WrongShape);
        }
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let (key_major, key, value_at) = head(bytes, at)?;
            if key_major != 0 {
                return Err(Malformed::WrongShape);
            }
            let end = item_end(bytes, value_at)?;
            entries.insert(key, &bytes[value_at..end]);
            at = end;
        }
        if at == bytes.len() { Ok(Self(entries)) } else { Err(Malformed::Trailing) }
    }

    /// Takes the bytes of a key's value.
    pub fn take(&mut self, key: u64) -> Option<&'b [u8]> {
        self.0.remove(&key)
    }

    /// Takes and reads a value that must be there.
    pub fn req<T: Cbor>(&mut self, key: u64) -> Result<T, Malformed> {
        T::from_cbor(self.take(key).ok_or(Malformed::MissingKey)?)
    }

    /// Takes and reads a value that may be absent.
    pub fn opt<T: Cbor>(&mut self, key: u64) -> Result<Option<T>, Malformed> {
        self.take(key).map(T::from_cbor).transpose()
    }

    /// What nobody took.
    pub fn rest(self) -> Ext {
        Ext(self.0.into_iter().map(|(key, raw)| (key, raw.to_vec())).collect())
    }

    /// The keys and values that nobody took, in order.
    pub fn entries(&self) -> impl Iterator<Item = (u64, &'b [u8])> + '_ {
        self.0.iter().map(|(key, raw)| (*key, *raw))
    }
}

/// Collects the entries of a map with integer keys and writes them in order.
#[derive(Default)]
pub struct IntMapWriter(BTreeMap<u64, Vec<u8>>);

impl IntMapWriter {
    /// Starts with the keys that were carried unread.
    pub fn with_ext(ext: &Ext) -> Self {
        Self(ext.0.clone())
    }

    /// Sets a key.
    pub fn put<T: Cbor>(&mut self, key: u64, value: &T) {
        let mut out = Vec::new();
        value.to_cbor(&mut out);
        self.0.insert(key, out);
    }

    /// Writes the map.
    pub fn finish(self, out: &mut Vec<u8>) {
        write_head(5, self.0.len() as u64, out);
        for (key, raw) in self.0 {
            write_head(0, key, out);
            out.extend_from_slice(&raw);
        }
    }
}

/// Writes the head of an item in its shortest form.
pub fn write_head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend_from_slice(&[major | 24, argument as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

/// What can be written as, and read from, exactly one item.
pub trait Cbor: Sized {
    /// Appends the item.
    fn to_cbor(&self, out: &mut Vec<u8>);
    /// Reads the item from exactly these bytes.
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed>;

    /// The item alone.
    fn cbor(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.to_cbor(&mut out);
        out
    }
}

/// Checks bytes from outside and reads them.
pub fn read<T: Cbor>(bytes: &[u8]) -> Result<T, Malformed> {
    check(bytes)?;
    T::from_cbor(bytes)
}

fn whole<'b, T>(
    bytes: &'b [u8],
    read: impl FnOnce(&mut Decoder<'b>) -> Result<T, minicbor::decode::Error>,
) -> Result<T, Malformed> {
    let mut decoder = Decoder::new(bytes);
    let value = read(&mut decoder).map_err(|_| Malformed::WrongShape)?;
    if decoder.position() == bytes.len() { Ok(value) } else { Err(Malformed::Trailing) }
}

macro_rules! integers {
    ($($type:ty: $read:ident),+) => {$(
        impl Cbor for $type {
            fn to_cbor(&self, out: &mut Vec<u8>) { write_head(0, u64::from(*self), out) }
            fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> { whole(bytes, |d| d.$read()) }
        }
    )+};
}
integers!(u8: u8, u16: u16, u32: u32, u64: u64);

impl Cbor for i64 {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        if *self >= 0 { write_head(0, *self as u64, out) } else { write_head(1, !*self as u64, out) }
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        whole(bytes, |d| d.i64())
    }
}

impl Cbor for bool {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        out.push(if *self { 0xf5 } else { 0xf4 })
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        whole(bytes, |d| d.bool())
    }
}

impl Cbor for String {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        write_head(3, self.len() as u64, out);
        out.extend_from_slice(self.as_bytes());
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        whole(bytes, |d| d.str().map(str::to_owned))
    }
}

/// A byte string.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Bytes(pub Vec<u8>);

impl Cbor for Bytes {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        write_head(2, self.0.len() as u64, out);
        out.extend_from_slice(&self.0);
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        whole(bytes, |d| d.bytes().map(|raw| Self(raw.to_vec())))
    }
}

impl<const N: usize> Cbor for [u8; N] {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        write_head(2, N as u64, out);
        out.extend_from_slice(self);
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        let raw = whole(bytes, |d| d.bytes())?;
        raw.try_into().map_err(|_| Malformed::WrongShape)
    }
}

/// One item of any shape, kept as it came.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Raw(pub Vec<u8>);

impl Cbor for Raw {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0)
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        Ok(Self(bytes.to_vec()))
    }
}

impl<T: Cbor> Cbor for Vec<T> {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        write_head(4, self.len() as u64, out);
        for item in self {
            item.to_cbor(out);
        }
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        array_items(bytes)?.into_iter().map(T::from_cbor).collect()
    }
}

impl<A: Cbor, B: Cbor> Cbor for (A, B) {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        write_head(4, 2, out);
        self.0.to_cbor(out);
        self.1.to_cbor(out);
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        let items = array_items(bytes)?;
        let [a, b] = items[..] else { return Err(Malformed::WrongShape) };
        Ok((A::from_cbor(a)?, B::from_cbor(b)?))
    }
}

impl Cbor for Uuid {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        self.as_bytes().to_cbor(out)
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        <[u8; 16]>::from_cbor(bytes).map(Self::from_bytes)
    }
}

macro_rules! newtypes {
    ($($type:ident($inner:ty)),+ $(,)?) => {$(
        impl Cbor for $type {
            fn to_cbor(&self, out: &mut Vec<u8>) { self.0.to_cbor(out) }
            fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> { <$inner>::from_cbor(bytes).map(Self) }
        }
    )+};
}
newtypes! {
    UnitId(Uuid), ScopeId(Uuid), TeamId(Uuid), TeamMemberId(Uuid), UserId(Uuid), DeviceId(Uuid), GrantId(Uuid),
    HouseholdId(Uuid), PersonId(Uuid), BusinessId(Uuid), ProductId(Uuid), MarketId(Uuid), PlanId(Uuid), VisitId(Uuid),
    EventId(Uuid), ActivityId(Uuid), CaseId(Uuid), CampaignId(Uuid), TargetId(Uuid), RecognitionId(Uuid), ReportId(Uuid),
    SupportId(Uuid), AnnouncementId(Uuid), OpUid(Uuid), Epoch(u64), Salt([u8; 16]), ClaimedMs(u64), ServerMs(u64), Day(u32), Month(u32),
}

impl Cbor for Value {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bool(value) => value.to_cbor(out),
            Self::Int(value) => value.to_cbor(out),
            Self::Text(value) => value.to_cbor(out),
            Self::Codes(value) => value.to_cbor(out),
            Self::Ref(value) => value.to_cbor(out),
            Self::Photos(value) => value.to_cbor(out),
            Self::Place { lat_e3, lon_e3 } => (i64::from(*lat_e3), i64::from(*lon_e3)).to_cbor(out),
        }
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        match Decoder::new(bytes).datatype().map_err(|_| Malformed::WrongShape)? {
            Type::Bool => bool::from_cbor(bytes).map(Self::Bool),
            Type::String => String::from_cbor(bytes).map(Self::Text),
            Type::Bytes => Uuid::from_cbor(bytes).map(Self::Ref),
            Type::Array => {
                let items = array_items(bytes)?;
                match items.first().map(|item| item[0] >> 5) {
                    None | Some(3) => Vec::from_cbor(bytes).map(Self::Codes),
                    Some(2) => Vec::from_cbor(bytes).map(Self::Photos),
                    Some(0 | 1) => {
                        let (lat, lon) = <(i64, i64)>::from_cbor(bytes)?;
                        let narrow = |value: i64| i32::try_from(value).map_err(|_| Malformed::WrongShape);
                        Ok(Self::Place { lat_e3: narrow(lat)?, lon_e3: narrow(lon)? })
                    }
                    Some(_) => Err(Malformed::WrongShape),
                }
            }
            _ => i64::from_cbor(bytes).map(Self::Int),
        }
    }
}

/// Answers by field code: a map with text keys, in deterministic order (shorter keys first).
impl Cbor for BTreeMap<String, Value> {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        let mut entries: Vec<(Vec<u8>, &Value)> = self.iter().map(|(code, value)| (code.cbor(), value)).collect();
        entries.sort();
        write_head(5, entries.len() as u64, out);
        for (key, value) in entries {
            out.extend_from_slice(&key);
            value.to_cbor(out);
        }
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        let (major, count, mut at) = head(bytes, 0)?;
        if major != 5 {
            return Err(Malformed::WrongShape);
        }
        let mut answers = Self::new();
        for _ in 0..count {
            let key_end = item_end(bytes, at)?;
            let end = item_end(bytes, key_end)?;
            answers.insert(String::from_cbor(&bytes[at..key_end])?, Value::from_cbor(&bytes[key_end..end])?);
            at = end;
        }
        if at == bytes.len() { Ok(answers) } else { Err(Malformed::Trailing) }
    }
}

/// Declares a struct that travels as a map with integer keys.
///
/// `req` must be present, `opt` is an `Option` left out when `None`, `list` is a `Vec` left out when empty, `flag` is a
/// `bool` left out when false, `num` an unsigned number left out when 0. All other keys are carried in `ext`.
#[macro_export]
macro_rules! int_map {
    ($($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* $key:literal => $field:ident: $sort:ident $type:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $crate::int_map!(@type $sort $type),)+
            /// Keys that this version does not know, carried unread.
            pub ext: $crate::cbor::Ext,
        }
        impl $crate::cbor::Cbor for $name {
            fn to_cbor(&self, out: &mut Vec<u8>) {
                let mut map = $crate::cbor::IntMapWriter::with_ext(&self.ext);
                $($crate::int_map!(@put $sort map, $key, self.$field);)+
                map.finish(out);
            }
            fn from_cbor(bytes: &[u8]) -> std::result::Result<Self, $crate::cbor::Malformed> {
                let mut map = $crate::cbor::IntMap::parse(bytes)?;
                Ok(Self {
                    $($field: $crate::int_map!(@get $sort map, $key, $type),)+
                    ext: map.rest(),
                })
            }
        }
    )+};
    (@type req $type:ty) => { $type };
    (@type opt $type:ty) => { Option<$type> };
    (@type list $type:ty) => { Vec<$type> };
    (@type flag $type:ty) => { $type };
    (@type num $type:ty) => { $type };
    (@put req $map:ident, $key:literal, $value:expr) => { $map.put($key, &$value) };
    (@put opt $map:ident, $key:literal, $value:expr) => { if let Some(value) = &$value { $map.put($key, value) } };
    (@put list $map:ident, $key:literal, $value:expr) => { if !$value.is_empty() { $map.put($key, &$value) } };
    (@put flag $map:ident, $key:literal, $value:expr) => { if $value { $map.put($key, &true) } };
    (@put num $map:ident, $key:literal, $value:expr) => { if $value != 0 { $map.put($key, &$value) } };
    (@get req $map:ident, $key:literal, $type:ty) => { $map.req::<$type>($key)? };
    (@get opt $map:ident, $key:literal, $type:ty) => { $map.opt::<$type>($key)? };
    (@get list $map:ident, $key:literal, $type:ty) => {
        match $map.opt::<Vec<$type>>($key)? {
            None => Vec::new(),
            Some(list) if list.is_empty() => return Err($crate::cbor::Malformed::NotDeterministic),
            Some(list) => list,
        }
    };
    (@get flag $map:ident, $key:literal, $type:ty) => {
        match $map.opt::<bool>($key)? {
            None => false,
            Some(false) => return Err($crate::cbor::Malformed::NotDeterministic),
            Some(true) => true,
        }
    };
    (@get num $map:ident, $key:literal, $type:ty) => {
        match $map.opt::<$type>($key)? {
            None => 0,
            Some(0) => return Err($crate::cbor::Malformed::NotDeterministic),
            Some(number) => number,
        }
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    mod shapes {
        #![allow(unreachable_pub)]
        int_map! {
            /// A struct of an older app.
            pub struct Old {
                /// Known.
                0 => a: req u32,
                /// Known.
                1 => b: opt String,
            }
            /// The same of a newer app.
            pub struct New {
                /// Known to both.
                0 => a: req u32,
                /// Known to both.
                1 => b: opt String,
                /// Known to the newer only.
                7 => c: list String,
            }
        }
    }
    use shapes::{New, Old};

    #[test]
    fn an_old_app_carries_what_a_newer_one_wrote() {
        let new = New { a: 5, b: None, c: vec!["mới".into()], ext: Ext::default() }.cbor();
        let mut old: Old = read(&new).unwrap();
        old.b = Some("sửa".into());
        let back: New = read(&old.cbor()).unwrap();
        assert_eq!((back.a, back.b.as_deref(), back.c), (5, Some("sửa"), vec!["mới".to_owned()]));
    }

    #[test]
    fn hostile_shapes_are_refused_with_their_own_code() {
        let deep = [vec![0x81; DEPTH_MAX + 1], vec![0x00]].concat();
        let huge_array = [0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0];
        let wide: Vec<u8> = [vec![0x99, 0x27, 0x10], vec![0; 10_000]].concat();
        let cases: [(&[u8], Malformed); 16] = [
            (&[], Malformed::Truncated),
            (&[0x00, 0x00], Malformed::Trailing),
            (&deep, Malformed::TooDeep),
            (&huge_array, Malformed::Truncated),
            (&wide, Malformed::TooManyItems),
            (&[0x18, 0x05], Malformed::NotDeterministic),
            (&[0x9f, 0xff], Malformed::NotDeterministic),
            (&[0xbf, 0xff], Malformed::NotDeterministic),
            (&[0xa2, 0x01, 0x00, 0x00, 0x00], Malformed::NotDeterministic),
            (&[0xa2, 0x01, 0x00, 0x01, 0x00], Malformed::NotDeterministic),
            (&[0xf9, 0x7e, 0x00], Malformed::TypeNotAllowed),
            (&[0xf6], Malformed::TypeNotAllowed),
            (&[0xf7], Malformed::TypeNotAllowed),
            (&[0xc1, 0x00], Malformed::TypeNotAllowed),
            (&[0x61, 0xff], Malformed::BadText),
            (&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Malformed::Truncated),
        ];
        for (bytes, expected) in cases {
            assert_eq!(check(bytes), Err(expected), "{bytes:02x?}");
        }
        let nested = [vec![0x81; 100_000], vec![0x00]].concat();
        assert_eq!(check(&nested), Err(Malformed::TooDeep));
    }

    #[test]
    fn every_number_has_one_head() {
        for (number, head) in [
            (23, &[0x17][..]),
            (24, &[0x18, 24]),
            (0xff, &[0x18, 0xff]),
            (0x100, &[0x19, 1, 0]),
            (0xffff, &[0x19, 0xff, 0xff]),
            (0x1_0000, &[0x1a, 0, 1, 0, 0]),
            (0xffff_ffff, &[0x1a, 0xff, 0xff, 0xff, 0xff]),
            (0x1_0000_0000, &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0]),
        ] {
            assert_eq!((number.cbor(), read::<u64>(head)), (head.to_vec(), Ok(number)));
        }
        for longer in
            [&[0x18, 23][..], &[0x19, 0, 0xff], &[0x1a, 0, 0, 0xff, 0xff], &[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]]
        {
            assert_eq!(read::<u64>(longer), Err(Malformed::NotDeterministic), "{longer:02x?}");
        }
    }

    #[test]
    fn what_just_keeps_the_limits_is_taken() {
        let deep = [vec![0x81; DEPTH_MAX], vec![0x00]].concat();
        let wide = [vec![0x99, 0x27, 0x0f], vec![0; ITEMS_MAX - 1]].concat();
        assert_eq!((check(&deep), check(&wide)), (Ok(()), Ok(())));
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_written_back_to_the_letter(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(answers) = read::<BTreeMap<String, Value>>(&bytes) {
                prop_assert_eq!(answers.cbor(), bytes.clone());
            }
            if let Ok(old) = read::<Old>(&bytes) {
                prop_assert_eq!(old.cbor(), bytes);
            }
        }

        #[test]
        fn numbers_and_texts_survive(number in any::<i64>(), text in ".{0,40}", id in any::<[u8; 16]>()) {
            prop_assert_eq!(read::<i64>(&number.cbor()), Ok(number));
            prop_assert_eq!(read::<String>(&text.clone().cbor()), Ok(text));
            prop_assert_eq!(read::<Uuid>(&Uuid::from_bytes(id).cbor()), Ok(Uuid::from_bytes(id)));
        }
    }
}
