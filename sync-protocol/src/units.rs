//! Administrative units through time: what had a code on a day, what it lay in, and what became of it.
//!
//! An official code is not an identity: codes are given to other units later. A [`Unit`] is one row over one period of
//! validity; every look-up takes a day. [`Units`] holds only data that keeps every rule of [`Fault`], so its
//! answers need no second look. Days run from `valid_from` to the day before `valid_to`. Source: docs/DOMAIN.md §3.

mod compare;
mod reorganise;
mod succession;
mod verify;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

pub use self::compare::{Comparison, Figures, Line, NotComparable, compare};
pub use self::reorganise::{
    Block, BlockReason, CannotUndo, Change, Grant, Installation, Item, Plan, Preview, Reorganisation, ReorganisationId,
    Tally, TargetId, apply, plan, preview, undo,
};
pub use self::succession::{Mapping, Relation, Succession};
pub use self::verify::{Exceptions, Fault, Issue};
use crate::ids::{Day, UnitId};

/// First day with two tiers, 2025-07-01: communes lie directly in provinces, there are no districts.
pub const TWO_TIERS_FROM: Day = Day(20_270);

/// A level of the hierarchy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    /// Tỉnh, thành phố trực thuộc trung ương.
    Province,
    /// Huyện, quận, thị xã, thành phố thuộc tỉnh; until 2025-06-30.
    District,
    /// Xã, phường, thị trấn, đặc khu.
    Commune,
    /// Thôn, bản, xóm, tổ dân phố, khu phố. Never in the shipped files.
    Village,
}

impl Level {
    /// Code in files and rows.
    pub fn code(self) -> &'static str {
        match self {
            Self::Province => "province",
            Self::District => "district",
            Self::Commune => "commune",
            Self::Village => "village",
        }
    }

    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Province, Self::District, Self::Commune, Self::Village].into_iter().find(|level| level.code() == code)
    }

    /// Digits of an official code of this level; villages have none.
    pub fn code_digits(self) -> Option<usize> {
        match self {
            Self::Province => Some(2),
            Self::District => Some(3),
            Self::Commune => Some(5),
            Self::Village => None,
        }
    }
}

macro_rules! unit_types {
    ($($(#[$doc:meta])* $name:ident $code:literal $label:literal $level:ident;)+) => {
        /// What kind of unit it is; two units of one level may have different types and the same name.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum UnitType { $($(#[$doc])* $name,)+ }

        impl UnitType {
            const ALL: &[Self] = &[$(Self::$name,)+];

            /// Code in files and rows.
            pub fn code(self) -> &'static str { match self { $(Self::$name => $code,)+ } }
            /// As written before the name at the beginning of a sentence.
            pub fn label_vi(self) -> &'static str { match self { $(Self::$name => $label,)+ } }
            /// Whether a unit of this level may be of this type.
            pub fn is_of(self, level: Level) -> bool {
                let usual = match self { $(Self::$name => Level::$level,)+ };
                level == usual || (self == Self::ThanhPho && level == Level::District)
            }
            /// Reads a code.
            pub fn from_code(code: &str) -> Option<Self> { Self::ALL.iter().copied().find(|kind| kind.code() == code) }
        }
    };
}

unit_types! {
    /// Province.
    Tinh "tinh" "Tỉnh" Province;
    /// City: of the first level, or until 2025-06-30 of a province.
    ThanhPho "thanh_pho" "Thành phố" Province;
    /// Urban district.
    Quan "quan" "Quận" District;
    /// Rural district.
    Huyen "huyen" "Huyện" District;
    /// Town with the rank of a district.
    ThiXa "thi_xa" "Thị xã" District;
    /// Ward.
    Phuong "phuong" "Phường" Commune;
    /// Rural commune.
    Xa "xa" "Xã" Commune;
    /// Township; until 2025-06-30.
    ThiTran "thi_tran" "Thị trấn" Commune;
    /// Special zone; since 2025-07-01.
    DacKhu "dac_khu" "Đặc khu" Commune;
    /// Village, the common word of the lowlands.
    Thon "thon" "Thôn" Village;
    /// Village, the common word of the highlands.
    Ban "ban" "Bản" Village;
    /// Hamlet.
    Xom "xom" "Xóm" Village;
    /// Residential group of a ward.
    ToDanPho "to_dan_pho" "Tổ dân phố" Village;
    /// Quarter of a ward.
    KhuPho "khu_pho" "Khu phố" Village;
}

/// The id of a unit's row, the same wherever it is computed: a UUID of version 8 from
/// `BLAKE3("thonso/unit/1" ‖ level ‖ code ‖ 0 ‖ valid_from)`, level as one byte (0 province to 3 village), code as text,
/// the day as four bytes, most significant first.
pub fn unit_id(level: Level, code: &str, valid_from: Day) -> UnitId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"thonso/unit/1");
    hasher.update(&[match level {
        Level::Province => 0,
        Level::District => 1,
        Level::Commune => 2,
        Level::Village => 3,
    }]);
    hasher.update(code.as_bytes());
    hasher.update(&[0]);
    hasher.update(&valid_from.0.to_be_bytes());
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    bytes[6] = 0x80 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    UnitId(Uuid::from_bytes(bytes))
}

/// Code of a village: `<commune code>-<nnn>`, counted within the commune in which it was first recorded. Like the official
/// codes it is a label; a village keeps it when its commune is merged.
pub fn village_code(commune_code: &str, n: u16) -> String {
    format!("{commune_code}-{n:03}")
}

/// What a unit lay in, over a stretch of days.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParentSpan {
    /// The unit above.
    pub parent: UnitId,
    /// First day.
    pub from: Day,
    /// First day on which it no longer holds; `None` while it does.
    pub to: Option<Day>,
}

/// One unit over one period of validity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unit {
    /// The row's identity.
    pub row_id: UnitId,
    /// Its level.
    pub level: Level,
    /// Official code, leading zeros kept; of a village its own. Reused over time.
    pub code: String,
    /// Its type.
    pub unit_type: UnitType,
    /// Name without the type, NFC.
    pub name: String,
    /// Name with the type, NFC.
    pub full_name: String,
    /// What it lies in, oldest first, without gaps over its validity; empty for a province.
    pub parents: Vec<ParentSpan>,
    /// First day of validity.
    pub valid_from: Day,
    /// First day on which it is no longer valid; `None` while in force.
    pub valid_to: Option<Day>,
}

/// Whether `day` lies in the days from `from` to the day before `to`.
fn within(day: Day, from: Day, to: Option<Day>) -> bool {
    from <= day && to.is_none_or(|to| day < to)
}

impl Unit {
    /// Whether the unit exists on a day.
    pub fn is_valid_on(&self, day: Day) -> bool {
        within(day, self.valid_from, self.valid_to)
    }

    /// The row of the unit above on a day; `None` for a province and on days on which this unit does not exist.
    pub fn parent_on(&self, day: Day) -> Option<UnitId> {
        let span = self.parents.iter().find(|span| within(day, span.from, span.to))?;
        self.is_valid_on(day).then_some(span.parent)
    }
}

/// A unit as the files name it: its parent by code, to be looked up day by day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnitRow {
    /// Its level.
    pub level: Level,
    /// Official code.
    pub code: String,
    /// Its type.
    pub unit_type: UnitType,
    /// Name without the type.
    pub name: String,
    /// Name with the type.
    pub full_name: String,
    /// Level and code of the unit above; `None` for provinces.
    pub parent: Option<(Level, String)>,
    /// First day of validity.
    pub valid_from: Day,
    /// First day on which it is no longer valid.
    pub valid_to: Option<Day>,
}

/// A succession as the files name it: the old unit by its code on the day before, the new one by its code on the day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SuccessionRow {
    /// Level and code of the old unit on the day before `effective`.
    pub old: (Level, String),
    /// Level and code of the new unit on `effective`.
    pub new: (Level, String),
    /// First day of the new unit's responsibility.
    pub effective: Day,
    /// What became of the old unit.
    pub relation: Relation,
}

/// Rows of each code, oldest first.
type ByCode = BTreeMap<Level, BTreeMap<String, Vec<UnitId>>>;

/// Units and successions that hang together, with look-ups by day.
#[derive(Clone, Debug)]
pub struct Units {
    units: BTreeMap<UnitId, Unit>,
    by_code: ByCode,
    below: BTreeMap<UnitId, BTreeSet<UnitId>>,
    successions: Vec<Succession>,
    by_old: BTreeMap<UnitId, Vec<Succession>>,
    by_new: BTreeMap<UnitId, Vec<Succession>>,
}

impl Units {
    /// Takes units and successions that pass every rule of [`Fault`]; otherwise all breaches, by row.
    ///
    /// `begins` is the first day that the data speaks of: what is valid from then on was not opened by a reform.
    /// `exceptions` are the breaches that the data is known to have; one that does not occur is a breach itself.
    pub fn new(
        units: Vec<Unit>,
        successions: Vec<Succession>,
        begins: Day,
        exceptions: &Exceptions,
    ) -> Result<Self, Vec<Issue>> {
        let (index, mut issues) = Self::index(units, successions);
        issues.extend(verify::issues(&index, begins));
        let issues = verify::without(issues, exceptions, &index);
        if issues.is_empty() { Ok(index) } else { Err(issues) }
    }

    /// Resolves codes to rows by day, then takes the result as [`Units::new`] does.
    pub fn from_rows(
        rows: &[UnitRow],
        successions: &[SuccessionRow],
        begins: Day,
        exceptions: &Exceptions,
    ) -> Result<Self, Vec<Issue>> {
        let mut by_code: BTreeMap<Level, BTreeMap<&str, Vec<&UnitRow>>> = BTreeMap::new();
        for row in rows {
            by_code.entry(row.level).or_default().entry(&row.code).or_default().push(row);
        }
        let find = |level: Level, code: &str, day: Day| {
            let rows = by_code.get(&level)?.get(code)?;
            rows.iter().copied().find(|row| within(day, row.valid_from, row.valid_to))
        };
        let spans = |row: &UnitRow| {
            let mut spans = Vec::new();
            let mut next = row.parent.as_ref().map(|_| row.valid_from);
            while let (Some(from), Some((level, code))) = (next, &row.parent) {
                let Some(parent) = find(*level, code, from) else { break };
                let to = parent.valid_to.into_iter().chain(row.valid_to).min();
                spans.push(ParentSpan { parent: unit_id(*level, code, parent.valid_from), from, to });
                next = to.filter(|to| row.is_valid_on(*to));
            }
            spans
        };
        let units = rows.iter().map(|row| Unit {
            row_id: unit_id(row.level, &row.code, row.valid_from),
            level: row.level,
            code: row.code.clone(),
            unit_type: row.unit_type,
            name: row.name.clone(),
            full_name: row.full_name.clone(),
            parents: spans(row),
            valid_from: row.valid_from,
            valid_to: row.valid_to,
        });
        let mut unknown = Vec::new();
        let mut resolve = |(level, code): &(Level, String), day: Day| match find(*level, code, day) {
            Some(row) => Some(unit_id(*level, code, row.valid_from)),
            None => {
                let (row, label) = (unit_id(*level, code, day), format!("{} {code}", level.code()));
                unknown.push(Issue { fault: Fault::UnknownRow, row, label, other: None, day });
                None
            }
        };
        let mut resolved = Vec::new();
        for SuccessionRow { old, new, effective, relation } in successions {
            let old = resolve(old, Day(effective.0.saturating_sub(1)));
            if let (Some(old), Some(new)) = (old, resolve(new, *effective)) {
                resolved.push(Succession { old, new, effective: *effective, relation: *relation });
            }
        }
        if !unknown.is_empty() {
            return Err(unknown);
        }
        Self::new(units.collect(), resolved, begins, exceptions)
    }

    fn index(list: Vec<Unit>, mut successions: Vec<Succession>) -> (Self, Vec<Issue>) {
        successions.sort();
        let mut issues = Vec::new();
        let mut units = BTreeMap::new();
        let (mut by_code, mut below) = (ByCode::new(), BTreeMap::<_, BTreeSet<_>>::new());
        for unit in list {
            if units.contains_key(&unit.row_id) {
                issues.push(Issue::of(Fault::DuplicateRow, &unit, None, unit.valid_from));
                continue;
            }
            by_code.entry(unit.level).or_default().entry(unit.code.clone()).or_default().push(unit.row_id);
            for span in &unit.parents {
                below.entry(span.parent).or_default().insert(unit.row_id);
            }
            units.insert(unit.row_id, unit);
        }
        for rows in by_code.values_mut().flat_map(BTreeMap::values_mut) {
            rows.sort_by_key(|row| (units[row].valid_from, *row));
        }
        let (mut by_old, mut by_new) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
        for succession in &successions {
            by_old.entry(succession.old).or_default().push(*succession);
            by_new.entry(succession.new).or_default().push(*succession);
        }
        (Self { units, by_code, below, successions, by_old, by_new }, issues)
    }

    /// All units, by row.
    pub fn all(&self) -> impl Iterator<Item = &Unit> {
        self.units.values()
    }

    /// The unit of a row.
    pub fn unit(&self, row: UnitId) -> Option<&Unit> {
        self.units.get(&row)
    }

    /// The unit that had a code on a day.
    pub fn get(&self, level: Level, code: &str, day: Day) -> Option<&Unit> {
        let rows = self.by_code.get(&level)?.get(code)?;
        rows.iter().map(|row| &self.units[row]).find(|unit| unit.is_valid_on(day))
    }

    /// All units of a level on a day, by row.
    pub fn on(&self, level: Level, day: Day) -> impl Iterator<Item = &Unit> {
        self.all().filter(move |unit| unit.level == level && unit.is_valid_on(day))
    }

    /// The unit above on a day.
    pub fn parent(&self, row: UnitId, day: Day) -> Option<&Unit> {
        self.unit(self.unit(row)?.parent_on(day)?)
    }

    /// All units above on a day, nearest first: three above a village until 2025-06-30, two since.
    pub fn ancestors(&self, row: UnitId, day: Day) -> Vec<&Unit> {
        std::iter::successors(self.parent(row, day), |unit| self.parent(unit.row_id, day)).collect()
    }

    /// The units directly below on a day, by code.
    pub fn children(&self, row: UnitId, day: Day) -> Vec<&Unit> {
        let below = self.below.get(&row).into_iter().flatten().map(|row| &self.units[row]);
        let mut children: Vec<&Unit> = below.filter(|unit| unit.parent_on(day) == Some(row)).collect();
        children.sort_by(|a, b| a.code.cmp(&b.code));
        children
    }

    /// The name with those of all units above, as it is written in Vietnamese: `Xã Gia Hội, huyện Văn Chấn, tỉnh Yên
    /// Bái`. `None` when the unit does not exist on the day.
    pub fn full_path(&self, row: UnitId, day: Day) -> Option<String> {
        let unit = self.unit(row).filter(|unit| unit.is_valid_on(day))?;
        let mut path = unit.full_name.clone();
        for above in self.ancestors(row, day) {
            path.push_str(", ");
            path.push_str(&in_sentence(&above.full_name));
        }
        Some(path)
    }
}

impl UnitRow {
    fn is_valid_on(&self, day: Day) -> bool {
        within(day, self.valid_from, self.valid_to)
    }
}

/// A full name inside a sentence: its type is not capitalised there.
fn in_sentence(full_name: &str) -> String {
    let mut letters = full_name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// `dd/MM/yyyy`.
fn vietnamese_date(day: Day) -> String {
    let (year, month, day) = day.civil();
    format!("{day:02}/{month:02}/{year:04}")
}
