//! Communes of the real reform of 2025-07-01 are reorganised on a running server: two merge, one is divided by hand, one
//! does not take part. Names of people are made up.

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use server::desk::Desk;
use server::keys::CursorKey;
use server::principal::principal;
use server::reading::Reading;
use server::reading::counts::CountQuery;
use server::reading::units::UnitQuery;
use server::reorganisation::*;
use server::storage::memory::MemoryStorage;
use server::storage::sqlite::SqliteStorage;
use server::storage::{BucketRow, Device, Store};
use server::sync::{Clock, Random, SERVER_EPOCH_KEY, Secrets, SyncService};
use server::work::{Work, rebuild_projections, verify_audit, verify_digests};
use sync_protocol::access::{INSTALLATION, Role};
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::decide::{Change, Grant, User};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::outcome::Verdict;
use sync_protocol::row::{BucketId, ByKey, Class, Register, RowType};
use sync_protocol::units::{Level, Units};
use sync_protocol::value::Value;
use uuid::Uuid;

/// 2025-07-20, nine in the morning in Việt Nam.
const NOW: u64 = 1_752_976_800_000;
const EFFECTIVE: &str = "2025-07-01";
/// Tân Khánh and Tân Kim merge into Phú Bình (05908), Thượng Đình is divided between it and Điềm Thụy (05941), Lương Phú
/// is left out.
const MERGED: [&str; 2] = ["05929", "05938"];
const DIVIDED: &str = "05932";
const OUTSIDE: &str = "05950";
const NEW: [&str; 2] = ["05908", "05941"];
const VILLAGES: u8 = 3;

static COUNTRY: LazyLock<Units> = LazyLock::new(|| server::units::country().unwrap());

fn effective() -> Day {
    Day::parse(EFFECTIVE).unwrap()
}

fn old(code: &str) -> UnitId {
    COUNTRY.get(Level::Commune, code, Day(effective().0 - 1)).unwrap().row_id
}

fn new(code: &str) -> UnitId {
    COUNTRY.get(Level::Commune, code, effective()).unwrap().row_id
}

struct World {
    store: Store,
    desk: Desk,
    reading: Reading,
    clock: Arc<AtomicU64>,
    admin: UserId,
    /// Villages of each commune, with their leaders.
    villages: BTreeMap<&'static str, Vec<(UnitId, UserId)>>,
    officers: BTreeMap<&'static str, UserId>,
    teams: BTreeMap<UnitId, TeamId>,
    houses: BTreeMap<UnitId, HouseholdId>,
    _folder: Option<tempfile::TempDir>,
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn groups(values: Vec<(u8, Vec<u8>)>) -> ByKey<Raw> {
    ByKey(values.into_iter().map(|(key, value)| (key, Raw(value))).collect())
}

/// A unit of the country as an import enters it, or still without its last day.
fn unit(row: UnitId, imported: bool) -> Intent {
    let known = COUNTRY.unit(row).unwrap();
    let parent = known.parents.first().map_or(UnitId::from(INSTALLATION), |span| span.parent);
    let to = known.valid_to.filter(|_| imported || known.level != Level::Commune);
    let code = known.code.clone();
    enter(
        Some(row),
        parent,
        known.level.code(),
        code,
        known.unit_type.code(),
        &known.name,
        &known.full_name,
        known.valid_from,
        to,
    )
}

#[expect(clippy::too_many_arguments, reason = "the columns of a list of units")]
fn enter(
    id: Option<UnitId>,
    parent: UnitId,
    level: &str,
    code: String,
    unit_type: &str,
    name: &str,
    full_name: &str,
    from: Day,
    to: Option<Day>,
) -> Intent {
    let identity = UnitIdentity {
        level: level.into(),
        code,
        unit_type: unit_type.into(),
        name: name.into(),
        full_name: full_name.into(),
        local_name: None,
        ext: Ext::default(),
    };
    let belongs = UnitParent { parent, from, former: vec![], ext: Ext::default() };
    let validity = Validity { from, to, ext: Ext::default() };
    Intent::UnitCreate(CreateRow {
        scope: parent.into(),
        groups: groups(vec![
            (unit::IDENTITY, identity.cbor()),
            (unit::PARENT, belongs.cbor()),
            (unit::VALIDITY, validity.cbor()),
        ]),
        id: id.map(|id| id.0),
        ext: Ext::default(),
    })
}

fn team(unit: UnitId, level: &str) -> Intent {
    let identity = TeamIdentity { level: level.into(), unit, name: "Tổ mẫu".into(), ext: Ext::default() };
    let validity = Validity { from: Day(19_500), to: None, ext: Ext::default() };
    let groups = groups(vec![(team::IDENTITY, identity.cbor()), (team::VALIDITY, validity.cbor())]);
    Intent::TeamCreate(CreateRow { scope: unit.into(), groups, id: None, ext: Ext::default() })
}

fn give(user: UserId, role: Role, unit: UnitId) -> Intent {
    let (role, decision) = (role.code().into(), Some("7/QĐ-UBND".into()));
    Intent::GrantGive(GiveGrant { user, role, unit, from: Day(19_500), decision, ext: Ext::default() })
}

fn household(village: UnitId) -> Intent {
    let label = HouseholdLabel { label: "nhà đầu suối".into(), landmark: None, ext: Ext::default() };
    let groups = groups(vec![(household::LABEL, label.cbor())]);
    Intent::HouseholdCreate(CreateRow { scope: village.into(), groups, id: None, ext: Ext::default() })
}

fn visit(village: UnitId, team: TeamId, house: HouseholdId, day: Day) -> Intent {
    let fields = BTreeMap::from([
        ("step".to_owned(), Value::Text("activated".into())),
        ("age_14_plus".to_owned(), Value::Bool(true)),
        ("outcome".to_owned(), Value::Text("done".into())),
    ]);
    let content = VisitContent {
        village,
        team,
        household: Some(house),
        visit_type: "household".into(),
        day,
        minutes: Some(20),
        activities: vec![Activity { kind: "vneid_level2".into(), fields, id: None, ext: Ext::default() }],
        members: vec![],
        result: None,
        summary: None,
        place: None,
        catalogue: "2026.1".into(),
        partner_org: None,
        quantity_reason: None,
        ext: Ext::default(),
    };
    Intent::VisitRecord(RecordVisit { content: Raw(content.cbor()), submit: true, plan: None, ext: Ext::default() })
}

fn close_month(commune: UnitId) -> Intent {
    Intent::PeriodSet(SetPeriod { commune, month: Month::parse("2025-06").unwrap(), open: false, ext: Ext::default() })
}

impl World {
    fn in_memory(imported: bool) -> Self {
        Self::new(Store(Arc::new(MemoryStorage::default())), None, imported)
    }

    fn on_disk(imported: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = SqliteStorage::open(&folder.path().join("store.sqlite3")).unwrap();
        Self::new(Store(Arc::new(sqlite)), Some(folder), imported)
    }

    fn new(store: Store, folder: Option<tempfile::TempDir>, imported: bool) -> Self {
        // The old communes are still in force while they are filled.
        let time = Arc::new(AtomicU64::new(NOW - 30 * 86_400_000));
        let ticking = Arc::clone(&time);
        let clock: Clock = Arc::new(move || ServerMs(ticking.fetch_add(1, Ordering::SeqCst)));
        let drawn = AtomicU64::new(0);
        let random: Random = Arc::new(move |bytes: &mut [u8]| {
            let seed = blake3::hash(&drawn.fetch_add(1, Ordering::SeqCst).to_be_bytes());
            bytes.copy_from_slice(&seed.as_bytes()[..bytes.len()]);
        });
        let secrets = Secrets::of(&CursorKey::from_bytes([5; 32]));
        let (at, chance) = (Arc::clone(&clock), Arc::clone(&random));
        let sync = Arc::new(SyncService::new(store.clone(), secrets, 1, at, chance, Box::new(|_| {})));
        let desk = Desk::new(store.clone(), sync, Arc::clone(&clock), Arc::clone(&random));
        let reading = Reading::new(store.clone(), clock, random);
        let admin = UserId(Uuid::from_u128(1));
        store
            .write_blocking(move |tx| {
                tx.put_meta(SERVER_EPOCH_KEY, &1u16.to_be_bytes())?;
                let mut work = Work::new(tx, ServerMs(NOW));
                let (id, unit, from) = (GrantId(Uuid::from_u128(2)), INSTALLATION.into(), Day(19_500));
                let role = Role::Admin.code().into();
                let grant = Grant { id, user: admin, role, unit, from, to: None, ended: None, decision: None };
                let (display_name, phone) = ("Quản trị mẫu".into(), "0530000000".into());
                let user = User { id: admin, display_name, phone, unit, grants_rev: 1, active: true };
                work.apply(vec![Change::PutUser(user), Change::PutGrant(grant)])?;
                work.finish()
            })
            .unwrap();
        let (villages, officers, teams, houses) = Default::default();
        let clock = time;
        let mut world = Self { store, desk, reading, clock, admin, villages, officers, teams, houses, _folder: folder };
        world.fill(imported);
        world.clock.store(NOW, Ordering::SeqCst);
        world
    }

    fn fill(&mut self, imported: bool) {
        let communes = [MERGED[0], MERGED[1], DIVIDED, OUTSIDE];
        let mut rows = Vec::new();
        for code in communes {
            let before = Day(effective().0 - 1);
            rows.extend(COUNTRY.ancestors(old(code), before).iter().rev().map(|above| above.row_id).chain([old(code)]));
        }
        if imported {
            for code in NEW {
                rows.extend(
                    COUNTRY.ancestors(new(code), effective()).iter().map(|above| above.row_id).chain([new(code)]),
                );
            }
        }
        let mut seen = BTreeSet::new();
        rows.retain(|row| seen.insert(*row));
        self.act(self.admin, rows.into_iter().map(|row| unit(row, imported)).collect());
        for (at, code) in communes.into_iter().enumerate() {
            let commune = old(code);
            let officer = self.person(commune);
            self.officers.insert(code, officer);
            self.act(self.admin, vec![give(officer, Role::CommuneOfficer, commune)]);
            self.teams.insert(commune, TeamId(self.act(self.admin, vec![team(commune, "commune")])[0]));
            for n in 1..=VILLAGES {
                let (code_of, name) = (format!("{code}-00{n}"), format!("Mẫu {n}"));
                let village =
                    enter(None, commune, "village", code_of, "xom", &name, &format!("Xóm {name}"), Day(19_500), None);
                let village = UnitId(self.act(self.admin, vec![village])[0]);
                let leader = self.person(commune);
                let own = TeamId(self.act(self.admin, vec![team(village, "village")])[0]);
                self.act(self.admin, vec![give(leader, Role::TeamLeader, village)]);
                self.teams.insert(village, own);
                let house = HouseholdId(self.act(leader, (0..=at).map(|_| household(village)).collect())[0]);
                self.act(leader, vec![visit(village, own, house, Day(effective().0 - 20))]);
                self.houses.insert(village, house);
                self.villages.entry(code).or_default().push((village, leader));
            }
        }
    }

    fn person(&self, unit: UnitId) -> UserId {
        let n = self.clock.load(Ordering::SeqCst) % 1_000_000;
        let (display_name, phone) = (format!("Lò Văn {n}"), format!("0912{n:06}"));
        let body = CreateUser { display_name, phone, unit, ext: Ext::default() };
        UserId(self.act(self.admin, vec![Intent::UserCreate(body)])[0])
    }

    fn act(&self, by: UserId, intents: Vec<Intent>) -> Vec<Uuid> {
        let done = block_on(self.desk.perform(by, intents)).unwrap();
        for (outcome, _) in &done {
            assert_eq!(outcome.verdict, Verdict::Applied, "{outcome:?}");
        }
        done.into_iter().map(|(_, id)| id).collect()
    }

    fn preview(&self, communes: &[&str], assignments: &[Assignment]) -> PreviewView {
        let assign = assignments.iter().map(|one| format!("{}:{}:{}", one.kind, one.id, one.commune));
        let assign = Some(assign.collect::<Vec<_>>().join(","));
        let communes = Some(communes.join(","));
        let query = PreviewQuery { effective: EFFECTIVE.into(), communes, province: None, assign };
        block_on(self.desk.preview_reorganisation(self.admin, query)).unwrap()
    }

    fn apply(&self, communes: &[&str], assignments: &[Assignment]) -> Result<ReorganisationView, ReorganisationError> {
        let body = NewReorganisation {
            effective: EFFECTIVE.into(),
            basis: "1683/NQ-UBTVQH15".into(),
            communes: communes.iter().map(|code| (*code).to_owned()).collect(),
            assignments: assignments.to_vec(),
        };
        block_on(self.desk.apply_reorganisation(self.admin, body))
    }

    fn undo(&self, id: Uuid) -> Result<ReorganisationView, ReorganisationError> {
        block_on(self.desk.undo_reorganisation(self.admin, id))
    }

    /// Puts what the preview asks for into the new communes, by turns.
    fn by_turns(&self, communes: &[&str], turns: &[usize]) -> Vec<Assignment> {
        let items = self.preview(communes, &[]).by_hand.into_iter().zip(turns.iter().cycle());
        let choose = |(choice, turn): (ChoiceView, &usize)| Assignment {
            kind: choice.item.kind,
            id: choice.item.id,
            commune: choice.choices[turn % choice.choices.len()].id.to_string(),
        };
        items.map(choose).collect()
    }

    fn parent(&self, village: UnitId) -> UnitParent {
        let (_, bytes) = self.store.read_blocking(|tx| tx.live(RowType::UNIT, village.0)).unwrap().unwrap();
        Register::from_cbor(&bytes).unwrap().group(unit::PARENT).unwrap()
    }

    /// Units that are in force on some day, with what they lay in; cases; and who holds what where on which days.
    fn picture(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        self.store
            .read_blocking(|tx| {
                let mut units = BTreeMap::new();
                for (_, bytes) in tx.all_rows(RowType::UNIT, None, usize::MAX)? {
                    let row = Register::from_cbor(&bytes).unwrap();
                    let validity: Validity = row.group(unit::VALIDITY).unwrap();
                    if validity.to.is_none_or(|to| validity.from < to) {
                        let parent: UnitParent = row.group(unit::PARENT).unwrap();
                        units.insert(row.id, (parent.spans(), validity.from, validity.to));
                    }
                }
                let cases = tx.all_rows(RowType::CASE, None, usize::MAX)?;
                let people =
                    self.officers.values().copied().chain(self.villages.values().flatten().map(|(_, leader)| *leader));
                let days = [effective().0 - 1, effective().0, effective().0 + 400];
                let mut held = BTreeSet::new();
                for user in people {
                    for grant in tx.grants_of(user)? {
                        let on = |day: u32| grant.from <= Day(day) && grant.to.is_none_or(|to| Day(day) < to);
                        let Grant { role, unit, decision, .. } = &grant;
                        held.extend(
                            days.into_iter()
                                .filter(|day| on(*day))
                                .map(|day| (day, user, role.clone(), *unit, decision.clone())),
                        );
                    }
                }
                Ok((units, cases, held))
            })
            .unwrap()
    }

    fn buckets(&self, unit: UnitId) -> BTreeMap<BucketId, BucketRow> {
        self.store.read_blocking(|tx| tx.buckets_of(unit.into())).unwrap().into_iter().collect()
    }

    fn is_sound(&self) {
        assert_eq!(self.store.read_blocking(verify_audit).unwrap(), []);
        let units: Vec<UnitId> =
            self.villages.values().flatten().map(|(village, _)| *village).chain(NEW.map(new)).collect();
        let below = |store: &Store| -> Vec<_> {
            let on = |tx: &mut dyn server::storage::Tx, day: u32| {
                let communes = [MERGED[0], MERGED[1], DIVIDED].map(old).into_iter().chain(NEW.map(new));
                communes
                    .map(|unit| tx.units_below_on(unit, Day(effective().0 + day - 1)))
                    .collect::<Result<Vec<_>, _>>()
            };
            store.read_blocking(|tx| Ok([on(tx, 0)?, on(tx, 1)?])).unwrap().into()
        };
        let before = below(&self.store);
        self.store.write_blocking(rebuild_projections).unwrap();
        assert_eq!(below(&self.store), before, "the tree is computed again as it was");
        for unit in units {
            assert_eq!(self.store.read_blocking(|tx| verify_digests(tx, unit.into())).unwrap(), []);
        }
    }
}

fn all() -> [&'static str; 3] {
    [MERGED[0], MERGED[1], DIVIDED]
}

fn codes(blocks: &[BlockView]) -> Vec<(&str, Uuid)> {
    blocks.iter().map(|block| (block.code.as_str(), block.item.id)).collect()
}

#[test]
fn what_the_preview_counts_is_what_apply_does() {
    for world in [World::in_memory(false), World::on_disk(true)] {
        let open = world.preview(&all(), &[]);
        let divided = &world.villages[DIVIDED];
        let asked: BTreeSet<Uuid> = open.by_hand.iter().map(|choice| choice.item.id).collect();
        assert!(divided.iter().all(|(village, _)| asked.contains(&village.0)));
        assert_eq!(open.by_hand.len(), divided.len() + 1, "the villages and the officer's role");
        assert_eq!(open.blocks.len(), open.by_hand.len());
        assert!(open.blocks.iter().all(|block| block.code == "unassigned" && !block.vi.is_empty()));
        let Err(ReorganisationError::Blocked(blocks)) = world.apply(&all(), &[]) else { panic!("it was applied") };
        assert_eq!(blocks, open.blocks);

        let choices = world.by_turns(&all(), &[0, 1, 1]);
        let shown = world.preview(&all(), &choices);
        assert_eq!((shown.blocks.len(), shown.by_hand.len(), shown.commune_teams.len()), (0, 0, 3));
        let tally = |commune: &CommuneView| (commune.villages, commune.households, commune.teams, commune.open_visits);
        assert_eq!(shown.communes.len(), 2);
        let sum =
            shown.communes.iter().map(tally).fold((0, 0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2, a.3 + b.3));
        assert_eq!(sum, (9, 3 + 6 + 9, 9, 9));

        let applied = world.apply(&all(), &choices).unwrap();
        assert_eq!((applied.status.as_str(), applied.id, applied.to_confirm.len()), ("applied", shown.id, 3));
        for commune in &shown.communes {
            let unit = UnitId(commune.unit.id);
            let (villages, households, users) = world
                .store
                .read_blocking(|tx| {
                    let villages = tx.units_below(unit)?;
                    let (mut households, mut users) = (0, BTreeSet::new());
                    for at in villages.iter().chain([&unit]) {
                        households += tx.count_rows((*at).into(), RowType::HOUSEHOLD)?;
                        users.extend(
                            tx.grants_for(*at)?.into_iter().filter(|grant| grant.to.is_none()).map(|grant| grant.user),
                        );
                    }
                    Ok((villages.len(), households, users.len()))
                })
                .unwrap();
            assert_eq!(
                (villages as u64, households, users as u64),
                (commune.villages, commune.households, commune.users)
            );
        }
        for code in all() {
            assert_eq!(world.store.read_blocking(|tx| tx.units_below(old(code))).unwrap(), []);
        }
        let repeated = world.apply(&all(), &choices);
        let Err(ReorganisationError::Blocked(blocks)) = repeated else { panic!("it was applied twice") };
        assert!(codes(&blocks).contains(&("already_applied", shown.id)));
        world.is_sound();
    }
}

#[test]
fn villages_keep_their_data_and_only_rows_of_units_change() {
    let world = World::in_memory(false);
    let choices = world.by_turns(&all(), &[0, 1]);
    let villages: Vec<UnitId> = world.villages.values().flatten().map(|(village, _)| *village).collect();
    let before: Vec<_> = villages.iter().map(|village| world.buckets(*village)).collect();
    let outside = (world.buckets(old(OUTSIDE)), world.villages[OUTSIDE].clone());
    let holdings = |user| world.store.read_blocking(|tx| principal(tx, user, ServerMs(NOW))).unwrap();
    let leaders: Vec<_> = world.villages.values().flatten().map(|(_, leader)| (*leader, holdings(*leader))).collect();
    world.apply(&all(), &choices).unwrap();
    for (village, before) in villages.iter().zip(before) {
        let is_outside = outside.1.iter().any(|(unit, _)| unit == village);
        let after = world.buckets(*village);
        assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
        for (id, bucket) in &before {
            if id.class != Class::Control || is_outside {
                assert_eq!(&after[id], bucket, "nothing to load in {id:?}");
                continue;
            }
            let rows = world.store.read_blocking(|tx| tx.rows_after(*id, bucket.head, usize::MAX)).unwrap();
            let rows: Vec<Register> = rows.iter().map(|(_, row)| Register::from_cbor(row).unwrap()).collect();
            assert_eq!((rows.len(), rows[0].ty, rows[0].id), (1, RowType::UNIT, village.0), "one row, the village's");
        }
    }
    assert_eq!(world.buckets(old(OUTSIDE)), outside.0);
    for (leader, before) in leaders {
        assert_eq!(holdings(leader), before, "rights in a village do not change");
    }
}

#[test]
fn only_phones_of_a_commune_that_ends_load_again() {
    let world = World::in_memory(false);
    let (officer, leader) = (world.officers[MERGED[0]], world.villages[MERGED[0]][0].1);
    let device = |n: u128, user| Device {
        id: DeviceId(Uuid::from_u128(n)),
        user,
        public_key: vec![2; 33],
        label: "máy".into(),
        created: ServerMs(NOW),
        revoked: None,
        last_seen: ServerMs(NOW),
    };
    let devices = [device(71, officer), device(72, leader), device(73, world.officers[OUTSIDE])];
    world.store.write_blocking(move |tx| devices.iter().try_for_each(|device| tx.put_device(device))).unwrap();
    let held = world.store.read_blocking(|tx| tx.bytes_of(old(MERGED[0]).into())).unwrap();
    let phones = world.preview(&[MERGED[0]], &[]).phones;
    assert_eq!(phones, [PhoneView { device: Uuid::from_u128(71), bytes: held }]);
    assert!(held > 0);
}

#[test]
fn a_visit_by_the_team_of_the_old_commune_is_still_taken() {
    let world = World::in_memory(false);
    world.act(world.officers[MERGED[0]], vec![close_month(old(MERGED[0]))]);
    world.apply(&MERGED, &[]).unwrap();
    let (village, leader) = world.villages[MERGED[0]][0];
    let former = world.teams[&old(MERGED[0])];
    let flags = |id: Uuid| {
        world.store.read_blocking(|tx| tx.visit(VisitId(id))).unwrap().unwrap().flags
            & sync_protocol::row::flag::PERIOD_CLOSED
    };
    let house = world.houses[&village];
    let on = |day: Day| world.act(leader, vec![visit(village, former, house, day)])[0];
    assert_ne!(flags(on(Day::parse("2025-06-14").unwrap())), 0, "the old commune had closed its month");
    assert_eq!(flags(on(Day(effective().0 + 5))), 0);
    // What was held for the old commune counts for its villages, as having ended: late work is taken for its while.
    let officer = world.officers[MERGED[0]];
    let held = world.store.read_blocking(|tx| principal(tx, officer, ServerMs(NOW))).unwrap().holdings;
    let in_village = held.iter().filter(|held| held.scope == village.into());
    assert_eq!(in_village.map(|held| held.ended.is_some()).collect::<BTreeSet<_>>(), [false, true].into());
    let foreign = visit(village, world.teams[&old(OUTSIDE)], house, effective());
    let refused = block_on(world.desk.perform(leader, vec![foreign])).unwrap().remove(0).0;
    assert_eq!((refused.code.as_deref(), refused.field.as_deref()), (Some("not_found"), Some("team")));
}

#[test]
fn an_old_period_shows_villages_under_the_commune_of_that_day() {
    let world = World::on_disk(true);
    world.apply(&MERGED, &[]).unwrap();
    let below = |unit: UnitId, on: &str| {
        let query = UnitQuery { parent: Some(unit.0), on: Some(on.into()), ..UnitQuery::default() };
        block_on(world.reading.units(world.admin, query)).unwrap().items.len()
    };
    assert_eq!((below(old(MERGED[0]), "2025-06-30"), below(old(MERGED[0]), EFFECTIVE)), (3, 0));
    assert_eq!((below(new(NEW[0]), "2025-06-30"), below(new(NEW[0]), EFFECTIVE)), (0, 6));
    let visits = |month: &str| {
        let query = CountQuery { unit: old(MERGED[0]).0, month: Some(month.into()), group_by: None };
        block_on(world.reading.counts(world.officers[MERGED[0]], query)).map(|view| view.totals.visits)
    };
    assert!(visits("2025-06").is_err(), "the old commune's officer has gone to the new one");
    let again = give(world.officers[MERGED[0]], Role::Auditor, old(MERGED[0]));
    world.act(world.admin, vec![again]);
    assert_eq!((visits("2025-06").unwrap(), visits("2025-08").unwrap()), (3, 0));
}

#[test]
fn what_came_later_keeps_a_reorganisation_from_being_undone() {
    for imported in [false, true] {
        let world = World::in_memory(imported);
        let id = world.apply(&MERGED, &[]).unwrap().id;
        let made = world.act(world.admin, vec![team(new(NEW[0]), "commune")])[0];
        let Err(ReorganisationError::Depends(items)) = world.undo(id) else { panic!("it was undone") };
        assert!(items.iter().any(|item| item.id == made), "{items:?}");
        assert_eq!(world.store.read_blocking(|tx| tx.units_below(old(MERGED[0]))).unwrap(), []);
    }
    // A role that was confirmed is no longer the plan's.
    let world = World::in_memory(true);
    let applied = world.apply(&MERGED, &[]).unwrap();
    let provisional = GrantId(applied.to_confirm[0].grant);
    world.act(
        world.admin,
        vec![Intent::GrantEnd(EndGrant { grant: provisional, to: effective(), ext: Ext::default() })],
    );
    let Err(ReorganisationError::Depends(items)) = world.undo(applied.id) else { panic!("it was undone") };
    assert!(items.iter().any(|item| item.id == provisional.0 && item.kind == "grant"));
    let listed = block_on(world.desk.reorganisations(world.admin)).unwrap();
    assert_eq!(listed[0].to_confirm.len(), 1);
}

#[test]
fn what_stands_in_the_way_is_named_with_a_code() {
    let world = World::in_memory(false);
    let ask = |effective: &str, communes: &str| {
        let (effective, communes) = (effective.to_owned(), Some(communes.to_owned()));
        let query = PreviewQuery { effective, communes, province: None, assign: None };
        block_on(world.desk.preview_reorganisation(world.admin, query))
    };
    let field = |answer: Result<PreviewView, ReorganisationError>| match answer {
        Err(ReorganisationError::BadValue { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(ask("2025-02-30", MERGED[0])), "effective");
    assert_eq!(field(ask(EFFECTIVE, "05929,99999")), "communes[1]");
    assert_eq!(field(ask(EFFECTIVE, "")), "communes");
    let blocks = |effective: &str, commune: UnitId| {
        let blocks = ask(effective, &commune.to_string()).unwrap().blocks;
        blocks.into_iter().map(|block| block.code).collect::<Vec<_>>()
    };
    assert_eq!(blocks(EFFECTIVE, new(NEW[0])), ["unknown_unit"]);
    assert_eq!(blocks("2025-07-02", old(MERGED[0])), ["no_successor"]);
    assert_eq!(blocks(EFFECTIVE, world.villages[OUTSIDE][0].0), ["not_a_commune"]);
    let (village, _) = world.villages[MERGED[0]][0];
    let parent = UnitParent { parent: village, from: Day(19_600), former: vec![], ext: Ext::default() };
    let body = SetGroups {
        id: old(MERGED[0]).0,
        base_ver: sync_protocol::row::Ver(u64::MAX),
        groups: groups(vec![(unit::PARENT, parent.cbor())]),
        ext: Ext::default(),
    };
    world.act(world.admin, vec![Intent::UnitSet(body)]);
    assert_eq!(blocks(EFFECTIVE, old(MERGED[0])), ["cyclic_tree"]);
    // Before the first day it can be looked at, not applied.
    world.clock.store(NOW - 30 * 86_400_000, Ordering::SeqCst);
    let Err(ReorganisationError::Blocked(early)) = world.apply(&[MERGED[1]], &[]) else { panic!("too early") };
    assert_eq!(codes(&early)[0].0, "not_yet");
    // Nobody but an admin.
    let query =
        PreviewQuery { effective: EFFECTIVE.into(), communes: Some(MERGED[1].into()), ..PreviewQuery::default() };
    let officer = block_on(world.desk.preview_reorganisation(world.officers[MERGED[1]], query));
    assert!(matches!(officer, Err(ReorganisationError::NotAllowed)));
}

#[test]
fn a_refused_op_takes_everything_back_and_is_named() {
    let world = World::in_memory(false);
    let before = world.picture();
    let body = NewReorganisation {
        effective: EFFECTIVE.into(),
        basis: "x".repeat(200),
        communes: MERGED.map(str::to_owned).into(),
        assignments: vec![],
    };
    let Err(ReorganisationError::Refused(refused)) = block_on(world.desk.apply_reorganisation(world.admin, body))
    else {
        panic!("it was applied")
    };
    assert_eq!((refused.name, refused.outcome.field.as_deref()), ("reorganisation.record/1", Some("basis")));
    assert!(world.picture() == before);
    world.apply(&MERGED, &[]).unwrap();
    world.is_sound();
}

#[test]
fn a_whole_province_is_looked_at_as_far_as_it_is_here() {
    let world = World::in_memory(true);
    let query = PreviewQuery { effective: EFFECTIVE.into(), province: Some("19".into()), ..PreviewQuery::default() };
    let shown = block_on(world.desk.preview_reorganisation(world.admin, query)).unwrap();
    let ends: BTreeSet<Uuid> = shown.ends.iter().map(|unit| unit.id).collect();
    assert_eq!(ends, all().into_iter().chain([OUTSIDE]).map(|code| old(code).0).collect());
}

fn undone_is_as_before(world: &World, turns: &[usize]) {
    let before = world.picture();
    let choices = world.by_turns(&all(), turns);
    let first = world.apply(&all(), &choices).unwrap();
    let applied = world.picture();
    let parents: Vec<UnitId> =
        choices.iter().filter(|one| one.kind == "unit").map(|one| world.parent(UnitId(one.id)).parent).collect();
    let chosen = choices.iter().filter(|one| one.kind == "unit").map(|one| UnitId(one.commune.parse().unwrap()));
    assert_eq!(parents, chosen.collect::<Vec<_>>());
    assert_eq!(world.undo(first.id).unwrap().status, "undone");
    assert_eq!(world.picture(), before, "undone");
    assert!(matches!(world.undo(first.id), Err(ReorganisationError::Depends(_))), "twice");
    let second = world.apply(&all(), &world.by_turns(&all(), turns)).unwrap();
    assert_eq!((second.id, world.picture() == applied), (first.id, true), "and done again");
    world.undo(second.id).unwrap();
    assert_eq!(world.picture(), before);
    world.is_sound();
}

#[test]
fn undone_on_disk_it_is_as_before() {
    undone_is_as_before(&World::on_disk(false), &[1, 0, 1, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn undone_it_is_as_before(turns in prop::collection::vec(0usize..2, 4), imported: bool) {
        undone_is_as_before(&World::in_memory(imported), &turns);
    }
}
