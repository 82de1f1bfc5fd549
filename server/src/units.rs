//! Administrative units of Việt Nam with their dates of validity, as shipped with the server.
//!
//! An official code is not an identity: codes are given to other units later. Every look-up therefore takes a day, and
//! every row has a [`UnitId`] of its own, which is the same on every server. Villages are in no public register; they
//! are the product's own records. What the rows must keep together, and what follows from them, is in
//! `sync_protocol::units`. Source: docs/DOMAIN.md, "Administrative hierarchy with dates"; server/data/README.md.

use std::collections::HashMap;

use sync_protocol::ids::{Day, UnitId};
use sync_protocol::units::{Fault, Issue, SuccessionRow, UnitRow, Units};
pub use sync_protocol::units::{Level, Relation, UnitType, unit_id, village_code};

/// One unit over one period of validity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnitRecord {
    /// The row's identity, see [`unit_id`].
    pub id: UnitId,
    /// Its level.
    pub level: Level,
    /// Official code, leading zeros kept. Reused over time.
    pub code: String,
    /// First day of validity. 2021-11-01 is where the data begins, not where the unit did.
    pub valid_from: Day,
    /// First day on which it is no longer valid; `None` while in force.
    pub valid_to: Option<Day>,
    /// Its type.
    pub unit_type: UnitType,
    /// Name without the type, NFC.
    pub name: String,
    /// Name with the type, NFC.
    pub full_name: String,
    /// Level and code of the unit above; `None` for provinces. Resolve it with [`UnitIndex::parent`].
    pub parent: Option<(Level, String)>,
    /// Code of the province on `valid_from`; its own for a province.
    pub province_code: String,
    /// Name in lower-case ASCII.
    pub slug: String,
}

impl UnitRecord {
    /// Whether the unit exists on a day.
    pub fn is_valid_on(&self, day: Day) -> bool {
        self.valid_from <= day && self.valid_to.is_none_or(|to| day < to)
    }
}

/// How sure the source of a succession is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NameMatch {
    /// The names agree letter by letter.
    Exact,
    /// The spelling differs.
    Tolerant,
    /// Set by hand.
    Checked,
}

/// An old unit and one of its successors.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Succession {
    /// Level and code of the old unit, as they were before `effective`.
    pub old: (Level, String),
    /// Level and code of the new unit, as they are on `effective`.
    pub new: (Level, String),
    /// First day of the new unit's responsibility.
    pub effective: Day,
    /// What became of the old unit.
    pub relation: Relation,
    /// How the two were matched.
    pub matched: NameMatch,
}

/// Why a file of units is not accepted. `line` counts from 1, the heading included.
#[derive(Debug, thiserror::Error)]
pub enum UnitsError {
    /// Not CSV at all.
    #[error("{file} is not a readable CSV file")]
    Csv {
        /// Which file.
        file: &'static str,
        /// What the reader said.
        #[source]
        source: csv::Error,
    },
    /// The heading is not the one that this version knows.
    #[error("{file} does not have the expected columns")]
    Columns {
        /// Which file.
        file: &'static str,
    },
    /// A cell does not hold what its column promises.
    #[error("{file}, line {line}: the value in column {column} is not valid")]
    Cell {
        /// Which file.
        file: &'static str,
        /// Which line.
        line: u64,
        /// Which column.
        column: &'static str,
    },
    /// Two rows of one code are valid on the same day.
    #[error("{level:?} {code} is there twice on {day}")]
    Overlap {
        /// Level of both.
        level: Level,
        /// Code of both.
        code: String,
        /// A day on which both are valid.
        day: Day,
    },
    /// A row names a unit that does not exist on the day that matters.
    #[error("{level:?} {code} does not exist on {day} but is referred to")]
    Unknown {
        /// Level of the unit named.
        level: Level,
        /// Code of the unit named.
        code: String,
        /// The day.
        day: Day,
    },
    /// The rows break rules that no listed exception excuses.
    #[error("the units break {} rule(s); first: {}", .0.len(), .0.first().map_or_else(String::new, Issue::to_string))]
    Rules(Vec<Issue>),
}

const UNITS: &str = "admin_units.csv";
const SUCCESSION: &str = "admin_succession.csv";
const EXCEPTIONS: &str = "admin_exceptions.csv";

const UNIT_COLUMNS: [&str; 11] = [
    "level",
    "code",
    "valid_from",
    "valid_to",
    "unit_type",
    "name",
    "full_name",
    "parent_level",
    "parent_code",
    "province_code",
    "slug",
];
const SUCCESSION_COLUMNS: [&str; 7] =
    ["old_level", "old_code", "new_level", "new_code", "effective", "relation", "match"];
const EXCEPTION_COLUMNS: [&str; 5] = ["fault", "level", "code", "valid_from", "reason"];

/// The units that come with this version of the server. Reads and verifies some 15,000 rows: do it once.
pub fn shipped() -> Result<UnitIndex, UnitsError> {
    UnitIndex::read(include_bytes!("../data/admin_units.csv"), include_bytes!("../data/admin_succession.csv"))
}

/// The units that come with this version of the server under the rules of `sync_protocol::units`, with the exceptions
/// that the data is known to need.
pub fn country() -> Result<Units, UnitsError> {
    let index = shipped()?;
    let exceptions = include_bytes!("../data/admin_exceptions.csv");
    let exceptions = read_rows(EXCEPTIONS, &EXCEPTION_COLUMNS, exceptions, exception_of)?.into_iter().collect();
    let begins = index.records.iter().map(|unit| unit.valid_from).min().unwrap_or_default();
    let units: Vec<UnitRow> = index.records.into_iter().map(UnitRow::from).collect();
    let successions: Vec<SuccessionRow> = index.successions.into_iter().map(SuccessionRow::from).collect();
    Units::from_rows(&units, &successions, begins, &exceptions).map_err(UnitsError::Rules)
}

impl From<UnitRecord> for UnitRow {
    fn from(record: UnitRecord) -> Self {
        let UnitRecord { level, code, valid_from, valid_to, unit_type, name, full_name, parent, .. } = record;
        Self { level, code, unit_type, name, full_name, parent, valid_from, valid_to }
    }
}

impl From<Succession> for SuccessionRow {
    fn from(Succession { old, new, effective, relation, .. }: Succession) -> Self {
        Self { old, new, effective, relation }
    }
}

/// Units and successions, verified, with look-ups by day.
#[derive(Debug)]
pub struct UnitIndex {
    records: Vec<UnitRecord>,
    successions: Vec<Succession>,
    by_id: HashMap<UnitId, usize>,
    /// Rows of one code, oldest first.
    by_code: HashMap<Level, HashMap<String, Vec<usize>>>,
    children: HashMap<Level, HashMap<String, Vec<usize>>>,
    succession_of: HashMap<Level, HashMap<String, Vec<usize>>>,
}

fn push(map: &mut HashMap<Level, HashMap<String, Vec<usize>>>, (level, code): (Level, &str), row: usize) {
    map.entry(level).or_default().entry(code.to_owned()).or_default().push(row);
}

fn rows<'m>(map: &'m HashMap<Level, HashMap<String, Vec<usize>>>, level: Level, code: &str) -> &'m [usize] {
    map.get(&level).and_then(|codes| codes.get(code)).map_or(&[], Vec::as_slice)
}

impl UnitIndex {
    /// Reads two CSV files and verifies them: no code is valid twice on a day, every parent and province exists on the
    /// day a row begins, and every succession joins two units that exist before and on its day.
    pub fn read(units: &[u8], succession: &[u8]) -> Result<Self, UnitsError> {
        let records = read_rows(UNITS, &UNIT_COLUMNS, units, unit_of)?;
        let successions = read_rows(SUCCESSION, &SUCCESSION_COLUMNS, succession, succession_of)?;
        let mut index = Self {
            by_id: records.iter().enumerate().map(|(row, unit)| (unit.id, row)).collect(),
            by_code: HashMap::new(),
            children: HashMap::new(),
            succession_of: HashMap::new(),
            records,
            successions,
        };
        for (row, unit) in index.records.iter().enumerate() {
            push(&mut index.by_code, (unit.level, &unit.code), row);
            if let Some((level, code)) = &unit.parent {
                push(&mut index.children, (*level, code), row);
            }
        }
        for (row, succession) in index.successions.iter().enumerate() {
            push(&mut index.succession_of, (succession.old.0, &succession.old.1), row);
        }
        for rows in index.by_code.values_mut().flat_map(HashMap::values_mut) {
            rows.sort_by_key(|&row| index.records[row].valid_from);
        }
        for rows in index.children.values_mut().flat_map(HashMap::values_mut) {
            rows.sort_by(|&a, &b| index.records[a].code.cmp(&index.records[b].code));
        }
        index.verify()?;
        Ok(index)
    }

    fn verify(&self) -> Result<(), UnitsError> {
        for rows in self.by_code.values().flat_map(HashMap::values) {
            for pair in rows.windows(2) {
                let (first, second) = (&self.records[pair[0]], &self.records[pair[1]]);
                if first.is_valid_on(second.valid_from) {
                    let (level, code) = (second.level, second.code.clone());
                    return Err(UnitsError::Overlap { level, code, day: second.valid_from });
                }
            }
        }
        let exists = |level: Level, code: &str, day: Day| match self.get(level, code, day) {
            Some(_) => Ok(()),
            None => Err(UnitsError::Unknown { level, code: code.to_owned(), day }),
        };
        for unit in &self.records {
            if let Some((level, code)) = &unit.parent {
                exists(*level, code, unit.valid_from)?;
            }
            exists(Level::Province, &unit.province_code, unit.valid_from)?;
        }
        for Succession { old, new, effective, .. } in &self.successions {
            exists(old.0, &old.1, Day(effective.0.saturating_sub(1)))?;
            exists(new.0, &new.1, *effective)?;
        }
        Ok(())
    }

    /// All rows, in the order of the file.
    pub fn records(&self) -> &[UnitRecord] {
        &self.records
    }

    /// All successions, in the order of the file.
    pub fn successions(&self) -> &[Succession] {
        &self.successions
    }

    /// The unit that had a code on a day.
    pub fn get(&self, level: Level, code: &str, day: Day) -> Option<&UnitRecord> {
        rows(&self.by_code, level, code).iter().map(|&row| &self.records[row]).find(|unit| unit.is_valid_on(day))
    }

    /// The row of an id.
    pub fn by_id(&self, id: UnitId) -> Option<&UnitRecord> {
        self.by_id.get(&id).map(|&row| &self.records[row])
    }

    /// The unit above on a day; `None` for a province, and on days on which `unit` does not exist.
    pub fn parent(&self, unit: &UnitRecord, day: Day) -> Option<&UnitRecord> {
        let (level, code) = unit.parent.as_ref().filter(|_| unit.is_valid_on(day))?;
        self.get(*level, code, day)
    }

    /// The units directly below on a day, by code. Empty when the parent itself does not exist on that day.
    pub fn children(&self, level: Level, code: &str, day: Day) -> Vec<&UnitRecord> {
        if self.get(level, code, day).is_none() {
            return Vec::new();
        }
        let below = rows(&self.children, level, code).iter().map(|&row| &self.records[row]);
        below.filter(|unit| unit.is_valid_on(day)).collect()
    }

    /// All units of a level on a day.
    pub fn on(&self, level: Level, day: Day) -> impl Iterator<Item = &UnitRecord> {
        self.records.iter().filter(move |unit| unit.level == level && unit.is_valid_on(day))
    }

    /// What this row's unit became: each succession that took effect in its time or ended it, with the new unit.
    pub fn successors(&self, unit: &UnitRecord) -> Vec<(&Succession, &UnitRecord)> {
        let from_here = rows(&self.succession_of, unit.level, &unit.code).iter().map(|&row| &self.successions[row]);
        from_here
            .filter(|s| unit.is_valid_on(Day(s.effective.0.saturating_sub(1))))
            .filter_map(|s| Some((s, self.get(s.new.0, &s.new.1, s.effective)?)))
            .collect()
    }
}

/// One line of a file, for error messages that say where.
struct Line<'r> {
    file: &'static str,
    columns: &'static [&'static str],
    record: &'r csv::StringRecord,
}

impl Line<'_> {
    fn text(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or("")
    }

    fn wrong(&self, column: usize) -> UnitsError {
        let line = self.record.position().map_or(0, csv::Position::line);
        UnitsError::Cell { file: self.file, line, column: self.columns[column] }
    }

    fn read<T>(&self, column: usize, read: impl FnOnce(&str) -> Option<T>) -> Result<T, UnitsError> {
        read(self.text(column)).ok_or_else(|| self.wrong(column))
    }

    /// An official code has exactly the digits of its level.
    fn code(&self, column: usize, level: Level) -> Result<String, UnitsError> {
        self.read(column, |text| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && Some(text.len()) == level.code_digits();
            digits.then(|| text.to_owned())
        })
    }

    fn level_and_code(&self, column: usize) -> Result<(Level, String), UnitsError> {
        let level = self.read(column, Level::from_code)?;
        Ok((level, self.code(column + 1, level)?))
    }

    fn name(&self, column: usize) -> Result<String, UnitsError> {
        self.read(column, |text| {
            let good = !text.is_empty() && text.trim() == text && unicode_normalization::is_nfc(text);
            good.then(|| text.to_owned())
        })
    }
}

fn read_rows<T>(
    file: &'static str,
    columns: &'static [&'static str],
    bytes: &[u8],
    read: impl Fn(&Line<'_>) -> Result<T, UnitsError>,
) -> Result<Vec<T>, UnitsError> {
    let broken = |source| UnitsError::Csv { file, source };
    let mut reader = csv::Reader::from_reader(bytes);
    if reader.headers().map_err(broken)? != columns {
        return Err(UnitsError::Columns { file });
    }
    reader.records().map(|record| read(&Line { file, columns, record: &record.map_err(broken)? })).collect()
}

fn unit_of(line: &Line<'_>) -> Result<UnitRecord, UnitsError> {
    let (level, code) = line.level_and_code(0)?;
    let valid_from = line.read(2, Day::parse)?;
    let valid_to = match line.text(3) {
        "" => None,
        _ => Some(line.read(3, |text| Day::parse(text).filter(|&to| valid_from < to))?),
    };
    let unit_type = line.read(4, |text| UnitType::from_code(text).filter(|kind| kind.is_of(level)))?;
    let parent = match (level, line.text(7)) {
        (Level::Province, "") if line.text(8).is_empty() => None,
        (Level::Province, _) => return Err(line.wrong(7)),
        _ => Some(line.level_and_code(7)?).filter(|(above, _)| *above < level),
    };
    if parent.is_none() && level != Level::Province {
        return Err(line.wrong(7));
    }
    let slug = line.read(10, |text| {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        (!text.is_empty() && text.bytes().all(good)).then(|| text.to_owned())
    })?;
    Ok(UnitRecord {
        id: unit_id(level, &code, valid_from),
        level,
        code,
        valid_from,
        valid_to,
        unit_type,
        name: line.name(5)?,
        full_name: line.name(6)?,
        parent,
        province_code: line.code(9, Level::Province)?,
        slug,
    })
}

fn succession_of(line: &Line<'_>) -> Result<Succession, UnitsError> {
    Ok(Succession {
        old: line.level_and_code(0)?,
        new: line.level_and_code(2)?,
        effective: line.read(4, Day::parse)?,
        relation: line.read(5, Relation::from_code)?,
        matched: line.read(6, |text| match text {
            "exact" => Some(NameMatch::Exact),
            "tolerant" => Some(NameMatch::Tolerant),
            "checked" => Some(NameMatch::Checked),
            _ => None,
        })?,
    })
}

fn exception_of(line: &Line<'_>) -> Result<(Fault, UnitId), UnitsError> {
    let fault = line.read(0, Fault::from_code)?;
    let (level, code) = line.level_and_code(1)?;
    Ok((fault, unit_id(level, &code, line.read(3, Day::parse)?)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::LazyLock;

    use super::*;

    static SHIPPED: LazyLock<UnitIndex> = LazyLock::new(|| shipped().unwrap());

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn the_counts_are_those_of_the_readme() {
        let communes_of = |province: &str, on: Day| {
            SHIPPED.on(Level::Commune, on).filter(|unit| unit.province_code == province).count()
        };
        for (on, provinces, districts, communes, pilot) in [
            ("2022-08-08", 63, 705, 10_599, [173, 152, 178, 108]),
            ("2024-12-15", 63, 704, 10_462, [168, 151, 172, 108]),
            ("2025-06-30", 63, 696, 10_035, [168, 151, 172, 108]),
            ("2025-07-01", 34, 0, 3_321, [99, 0, 92, 0]),
        ] {
            let on_day = day(on);
            let count = |level| SHIPPED.on(level, on_day).count();
            assert_eq!(
                (count(Level::Province), count(Level::District), count(Level::Commune)),
                (provinces, districts, communes),
                "{on}"
            );
            assert_eq!(["15", "10", "19", "06"].map(|province| communes_of(province, on_day)), pilot, "{on}");
        }
        assert_eq!((SHIPPED.records().len(), SHIPPED.successions().len()), (15_358, 10_647));
    }

    #[test]
    fn a_code_means_what_it_meant_on_that_day() {
        let name = |level, code, on: &str| SHIPPED.get(level, code, day(on)).map(|unit| unit.full_name.as_str());
        assert_eq!(name(Level::Province, "15", "2025-06-30"), Some("Tỉnh Yên Bái"));
        assert_eq!(name(Level::Province, "15", "2025-07-01"), Some("Tỉnh Lào Cai"));
        assert_eq!(name(Level::Province, "10", "2025-06-30"), Some("Tỉnh Lào Cai"));
        assert_eq!(name(Level::Province, "10", "2025-07-01"), None);
        assert_eq!(name(Level::Commune, "04252", "2025-06-30"), Some("Phường Yên Ninh"));
        assert_eq!(name(Level::Commune, "04252", "2025-07-01"), Some("Phường Yên Bái"));
        assert_eq!(name(Level::Commune, "15", "2025-07-01"), None);
        assert_eq!(name(Level::Province, "15", "2021-10-31"), None);
    }

    #[test]
    fn every_unit_finds_its_parent_on_every_day_and_is_found_by_it() {
        let turning_days: BTreeSet<Day> =
            SHIPPED.records().iter().flat_map(|unit| [Some(unit.valid_from), unit.valid_to]).flatten().collect();
        for on in turning_days {
            let mut below = 0;
            for unit in SHIPPED.records().iter().filter(|unit| unit.is_valid_on(on)) {
                let parent = SHIPPED.parent(unit, on);
                assert_eq!(parent.is_none(), unit.level == Level::Province, "{} on {on}", unit.full_name);
                below += usize::from(parent.is_some());
            }
            let parents = SHIPPED.records().iter().filter(|unit| unit.is_valid_on(on));
            let listed: usize = parents.map(|unit| SHIPPED.children(unit.level, &unit.code, on).len()).sum();
            assert_eq!(listed, below, "{on}");
        }
    }

    #[test]
    fn a_commune_is_under_a_district_before_and_under_the_province_after() {
        let above = |on: &str| {
            let unit = SHIPPED.get(Level::Commune, "04636", day(on)).unwrap();
            SHIPPED.parent(unit, day(on)).unwrap().full_name.as_str()
        };
        assert_eq!(above("2025-06-30"), "Huyện Văn Chấn");
        assert_eq!(above("2025-07-01"), "Tỉnh Lào Cai");
        let old = SHIPPED.get(Level::Commune, "04636", day("2025-06-30")).unwrap();
        assert_eq!(SHIPPED.parent(old, day("2025-07-01")), None);
        assert_eq!(SHIPPED.children(Level::Province, "15", day("2025-07-01")).len(), 99);
        assert!(SHIPPED.children(Level::Province, "10", day("2025-07-01")).is_empty());
    }

    #[test]
    fn no_commune_that_ended_with_the_districts_is_without_a_successor() {
        let end = day("2025-07-01");
        for unit in SHIPPED.on(Level::Commune, Day(end.0 - 1)).filter(|unit| unit.valid_to == Some(end)) {
            let successors = SHIPPED.successors(unit);
            let parts = successors.iter().filter(|(succession, _)| succession.relation == Relation::Part).count();
            assert!(!successors.is_empty(), "{}", unit.full_name);
            assert!(parts == 0 || parts == successors.len() && parts > 1, "{}: {parts}", unit.full_name);
        }
        let split = SHIPPED.get(Level::Commune, "05461", day("2025-06-30")).unwrap();
        assert!(SHIPPED.successors(split).len() > 1);
        let new = SHIPPED.get(Level::Commune, "04636", end).unwrap();
        assert!(SHIPPED.successors(new).is_empty(), "the successions of an older holder of the code are not its own");
    }

    #[test]
    fn ids_are_stable_version_8_and_never_shared() {
        let yen_bai = SHIPPED.get(Level::Province, "15", day("2025-06-30")).unwrap();
        let lao_cai = SHIPPED.get(Level::Province, "15", day("2025-07-01")).unwrap();
        assert_ne!(yen_bai.id, lao_cai.id);
        // Rows in the field carry this id: changing how it is made orphans them.
        assert_eq!(lao_cai.id.to_string(), "b2e89f04-e75a-8646-9dd3-24efd8e40f30");
        assert_eq!(lao_cai.id.0.get_version_num(), 8);
        assert_eq!(lao_cai.id.0.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(SHIPPED.by_id.len(), SHIPPED.records().len());
        assert_eq!(SHIPPED.by_id(yen_bai.id), Some(yen_bai));
        let start = day("2021-11-01");
        assert_ne!(unit_id(Level::Province, "101", start), unit_id(Level::District, "101", start));
    }

    #[test]
    fn the_shipped_units_keep_the_rules_with_their_listed_exceptions() {
        let units = country().unwrap();
        let communes = |on: &str| units.on(Level::Commune, day(on)).count();
        assert_eq!((communes("2025-06-30"), communes("2025-07-01")), (10_035, 3_321));
    }

    #[test]
    fn names_begin_with_their_type() {
        for unit in SHIPPED.records() {
            let (label, name) = (unit.unit_type.label_vi(), &unit.name);
            assert!(unit.full_name.starts_with(label) && unit.full_name.ends_with(name.as_str()), "{}", unit.full_name);
        }
    }

    #[test]
    fn a_village_code_is_its_communes_code_and_a_number() {
        assert_eq!(village_code("04636", 7), "04636-007");
        assert_eq!(village_code("04636", 1_234), "04636-1234");
    }

    const HEAD: &str =
        "level,code,valid_from,valid_to,unit_type,name,full_name,parent_level,parent_code,province_code,slug\n";
    const PROVINCE: &str = "province,15,2021-11-01,,tinh,Yên Bái,Tỉnh Yên Bái,,,15,yen_bai\n";
    const COMMUNE: &str = "commune,04636,2021-11-01,,xa,Gia Hội,Xã Gia Hội,province,15,15,gia_hoi\n";
    const SUCCESSION_HEAD: &str = "old_level,old_code,new_level,new_code,effective,relation,match\n";

    fn read(rows: &[&str], successions: &str) -> Result<UnitIndex, UnitsError> {
        UnitIndex::read(
            (HEAD.to_owned() + &rows.concat()).as_bytes(),
            (SUCCESSION_HEAD.to_owned() + successions).as_bytes(),
        )
    }

    #[test]
    fn files_that_contradict_themselves_are_refused() {
        assert!(read(&[PROVINCE, COMMUNE], "").is_ok());
        assert!(matches!(read(&[COMMUNE], ""), Err(UnitsError::Unknown { level: Level::Province, .. })));
        assert!(matches!(read(&[PROVINCE, PROVINCE], ""), Err(UnitsError::Overlap { .. })));
        let later = PROVINCE.replace("2021-11-01", "2025-07-01");
        assert!(matches!(read(&[PROVINCE, &later], ""), Err(UnitsError::Overlap { .. })));
        let ended = PROVINCE.replace("2021-11-01,", "2021-11-01,2025-07-01");
        assert!(read(&[&later, &ended], "").is_ok(), "in any order");
        let too_early = COMMUNE.replace("2021-11-01", "2020-01-01");
        assert!(matches!(read(&[PROVINCE, &too_early], ""), Err(UnitsError::Unknown { .. })));
        let no_such = "commune,04636,province,15,2025-07-01,kept,exact\n";
        assert!(read(&[PROVINCE, COMMUNE], no_such).is_ok());
        assert!(matches!(read(&[PROVINCE], no_such), Err(UnitsError::Unknown { level: Level::Commune, .. })));
    }

    #[test]
    fn nothing_is_above_or_below_what_does_not_exist_on_that_day() {
        let ended = |row: &str| row.replacen("2021-11-01,", "2021-11-01,2025-07-01", 1);
        let (before, after) = (day("2025-06-30"), day("2025-07-01"));
        let below = |index: &UnitIndex, on| index.children(Level::Province, "15", on).len();

        let orphans = read(&[&ended(PROVINCE), COMMUNE], "").unwrap();
        assert_eq!((below(&orphans, before), below(&orphans, after)), (1, 0));

        let childless = read(&[PROVINCE, &ended(COMMUNE)], "").unwrap();
        let commune = childless.get(Level::Commune, "04636", before).unwrap();
        assert!(childless.parent(commune, before).is_some());
        assert_eq!(childless.parent(commune, after), None);
        assert_eq!((below(&childless, before), below(&childless, after)), (1, 0));
    }

    #[test]
    fn a_wrong_cell_is_named() {
        for (from, to, expected) in [
            ("commune,04636", "commune,4636", "code"),
            ("commune,04636", "village,04636", "code"),
            ("commune,", "canton,", "level"),
            ("2021-11-01,", "2021-02-30,", "valid_from"),
            ("2021-11-01,", "2021-11-01,2021-11-01", "valid_to"),
            (",xa,", ",huyen,", "unit_type"),
            (",Gia Hội,", ",Gia Ho\u{302}\u{323}i,", "name"),
            ("province,15,15", ",,15", "parent_level"),
            ("province,15,15", "commune,04636,15", "parent_level"),
            (",gia_hoi", ",Gia Hội", "slug"),
        ] {
            let row = COMMUNE.replacen(from, to, 1);
            match read(&[PROVINCE, &row], "") {
                Err(UnitsError::Cell { line: 3, column, .. }) if column == expected => {}
                other => panic!("{row} gave {:?}", other.map(|_| ())),
            }
        }
        assert!(matches!(UnitIndex::read(b"a,b\n", b""), Err(UnitsError::Columns { file: UNITS })));
    }
}
