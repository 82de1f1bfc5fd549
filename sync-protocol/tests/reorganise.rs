//! A reorganisation of communes: what the preview shows, what blocks it, and the laws of applying and undoing it.

#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "a test may fail here")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sync_protocol::ids::*;
use sync_protocol::units::*;
use uuid::Uuid;

fn effective() -> Day {
    TWO_TIERS_FROM
}

fn start() -> Day {
    Day::parse("2021-11-01").unwrap()
}

fn uuid(n: usize) -> Uuid {
    Uuid::from_u128(n as u128)
}

fn row(n: usize) -> UnitId {
    UnitId(uuid(n))
}

fn unit(n: usize, level: Level, parent: Option<usize>, from: Day, to: Option<Day>) -> Unit {
    let unit_type = match level {
        Level::Province => UnitType::Tinh,
        Level::District => UnitType::Huyen,
        Level::Commune => UnitType::Xa,
        Level::Village => UnitType::Thon,
    };
    Unit {
        row_id: row(n),
        level,
        code: n.to_string(),
        unit_type,
        name: n.to_string(),
        full_name: format!("{} {n}", unit_type.label_vi()),
        parents: parent.map(|parent| ParentSpan { parent: row(parent), from, to }).into_iter().collect(),
        valid_from: from,
        valid_to: to,
    }
}

/// What became of the n-th old commune (10 + n): kept as 30 + n, merged into 20 or 21, or divided between these two.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Kept,
    Into20,
    Into21,
    Divided,
}
use Fate::*;

fn registry(fates: &[Fate]) -> Units {
    let after = Some(effective());
    let mut units =
        vec![unit(1, Level::Province, None, start(), None), unit(2, Level::District, Some(1), start(), after)];
    let mut successions = Vec::new();
    for (n, fate) in fates.iter().enumerate() {
        units.push(unit(10 + n, Level::Commune, Some(2), start(), after));
        let mut step = |new, relation| {
            successions.push(Succession { old: row(10 + n), new: row(new), effective: effective(), relation });
        };
        match fate {
            Kept => step(30 + n, Relation::Kept),
            Into20 => step(20, Relation::Merged),
            Into21 => step(21, Relation::Merged),
            Divided => {
                step(20, Relation::Part);
                step(21, Relation::Part);
            }
        }
    }
    let new: BTreeSet<UnitId> = successions.iter().map(|step| step.new).collect();
    let new = new.into_iter().map(|new| usize::try_from(new.0.as_u128()).unwrap());
    units.extend(new.map(|new| unit(new, Level::Commune, Some(1), effective(), None)));
    let known = Exceptions::from([(Fault::ClosedWithoutSuccessor, row(2))]);
    Units::new(units, successions, start(), &known).unwrap()
}

/// Communes as the installation knows them before the reform: still open. Every commune has two villages (100 + 2n and
/// one more), each with a team, an open visit, a case, a target, a member and a phone, and the commune has its own.
fn installation(communes: usize) -> Installation {
    let mut state = Installation::default();
    state.units.insert(row(1), unit(1, Level::Province, None, start(), None));
    state.units.insert(row(2), unit(2, Level::District, Some(1), start(), Some(effective())));
    for n in 0..communes {
        state.units.insert(row(10 + n), unit(10 + n, Level::Commune, Some(2), start(), None));
        let villages = [100 + 2 * n, 101 + 2 * n];
        for village in villages {
            state.units.insert(row(village), unit(village, Level::Village, Some(10 + n), start(), None));
            state.households.insert(row(village), village as u64);
            state.open_visits.insert(VisitId(uuid(village)), row(village));
        }
        for holder in villages.into_iter().chain([10 + n]) {
            state.teams.insert(TeamId(uuid(holder)), row(holder));
            state.open_cases.insert(CaseId(uuid(holder)), row(holder));
            state.targets.insert(TargetId(uuid(holder)), row(holder));
            let (user, role) = (UserId(uuid(holder)), "member".to_owned());
            let grant = Grant { user, role, unit: row(holder), from: start(), to: None, to_confirm: false };
            state.grants.insert(GrantId(uuid(holder)), grant);
            state.phones.insert(DeviceId(uuid(holder)), BTreeMap::from([(row(holder), 1_000 + holder as u64)]));
        }
    }
    state
}

const ID: ReorganisationId = ReorganisationId(Uuid::from_u128(7));

fn reorganisation(communes: usize) -> Reorganisation {
    let communes = (0..communes).map(|n| row(10 + n)).collect();
    Reorganisation { id: ID, effective: effective(), communes, assignments: vec![] }
}

/// Puts what must be decided by hand alternately into the communes to choose from.
fn assigned(registry: &Units, state: &Installation, mut reorganisation: Reorganisation, turn: usize) -> Reorganisation {
    let open = preview(registry, &reorganisation, state).by_hand;
    let choose = |(n, (item, choices)): (usize, (Item, Vec<UnitId>))| (item, choices[(n + turn) % choices.len()]);
    reorganisation.assignments = open.into_iter().enumerate().map(choose).collect();
    reorganisation
}

fn blocks(registry: &Units, reorganisation: &Reorganisation, state: &Installation) -> Vec<(Item, &'static str)> {
    let blocks = plan(registry, reorganisation, state).unwrap_err();
    assert_eq!(blocks, preview(registry, reorganisation, state).blocks);
    blocks.iter().map(|block| (block.item, block.reason.code())).collect()
}

#[test]
fn the_preview_counts_what_each_new_commune_gets() {
    let (registry, state) = (registry(&[Into20, Into20, Kept]), installation(3));
    let shown = preview(&registry, &reorganisation(3), &state);
    let tally = |n: u64, households| Tally {
        villages: 2 * n,
        households,
        teams: 2 * n,
        open_visits: 2 * n,
        open_cases: 3 * n,
        targets: 3 * n,
        users: 3 * n,
    };
    let expected = BTreeMap::from([(row(20), tally(2, 100 + 101 + 102 + 103)), (row(32), tally(1, 104 + 105))]);
    assert_eq!((shown.communes, shown.blocks, shown.by_hand), (expected, vec![], BTreeMap::new()));
    assert_eq!(shown.commune_teams, [10, 11, 12].map(|n| TeamId(uuid(n))).into());
    let bytes = |n| shown.bytes_to_move[&DeviceId(uuid(n))];
    assert_eq!((bytes(100), bytes(105), bytes(10)), (0, 0, 1_010), "a village moves no data");
}

#[test]
fn one_person_with_two_roles_is_one_user_and_an_ended_role_is_none() {
    let (registry, mut state) = (registry(&[Into20]), installation(1));
    state.grants.get_mut(&GrantId(uuid(100))).unwrap().user = UserId(uuid(10));
    state.grants.get_mut(&GrantId(uuid(101))).unwrap().to = Some(effective());
    assert_eq!(preview(&registry, &reorganisation(1), &state).communes[&row(20)].users, 1);
}

#[test]
fn everything_of_a_divided_commune_is_assigned_by_hand() {
    let (registry, state) = (registry(&[Divided, Into20, Into21]), installation(3));
    let mut todo = reorganisation(3);
    let shown = preview(&registry, &todo, &state);
    let items = [
        Item::Unit(row(100)),
        Item::Unit(row(101)),
        Item::Grant(GrantId(uuid(10))),
        Item::Case(CaseId(uuid(10))),
        Item::Target(TargetId(uuid(10))),
    ];
    assert_eq!(shown.by_hand, items.map(|item| (item, vec![row(20), row(21)])).into());
    assert_eq!(blocks(&registry, &todo, &state), items.map(|item| (item, "unassigned")));
    todo.assignments = items.map(|item| (item, row(21))).into();
    assert_eq!(preview(&registry, &todo, &state).communes[&row(21)].villages, 4);
    todo.assignments.pop();
    assert_eq!(blocks(&registry, &todo, &state), [(items[4], "unassigned")]);
}

#[test]
fn what_stands_in_the_way_is_named() {
    let (registry, mut state) = (registry(&[Into20, Divided, Into21]), installation(3));
    let village = Item::Unit(row(100));
    let with = |communes: &[usize], assignments: &[(Item, usize)]| Reorganisation {
        communes: communes.iter().map(|n| row(*n)).collect(),
        assignments: assignments.iter().map(|(item, n)| (*item, row(*n))).collect(),
        ..reorganisation(0)
    };
    let of = |n| Item::Unit(row(n));
    assert_eq!(blocks(&registry, &with(&[99], &[]), &state), [(of(99), "unknown_unit")]);
    assert_eq!(blocks(&registry, &with(&[100], &[]), &state), [(of(100), "not_a_commune")]);
    assert_eq!(blocks(&registry, &with(&[10], &[(village, 21)]), &state), [(village, "bad_assignment")]);
    assert_eq!(blocks(&registry, &with(&[10], &[(of(104), 20)]), &state), [(of(104), "bad_assignment")]);
    assert_eq!(blocks(&registry, &with(&[10], &[(village, 20), (village, 21)]), &state)[0].1, "assigned_twice");
    let on_another_day = Reorganisation { effective: Day(effective().0 + 1), ..with(&[10], &[]) };
    assert_eq!(blocks(&registry, &on_another_day, &state), [(of(10), "no_successor")]);
    state.units.get_mut(&row(10)).unwrap().valid_to = Some(Day(effective().0 - 1));
    assert_eq!(blocks(&registry, &with(&[10], &[]), &state), [(of(10), "not_in_force")]);
}

#[test]
fn the_plan_closes_opens_re_parents_and_moves_in_this_order() {
    let (registry, state) = (registry(&[Into20]), installation(1));
    let made = plan(&registry, &reorganisation(1), &state).unwrap();
    let kinds: Vec<_> = made
        .changes
        .iter()
        .map(|change| match change {
            Change::Unit { row, before: Some(_), after: Some(after) } => match after.valid_to {
                Some(_) => format!("close {}", row.0.as_u128()),
                None => format!("re-parent {}", row.0.as_u128()),
            },
            Change::Unit { row, .. } => format!("open {}", row.0.as_u128()),
            Change::Grant { before: Some(_), .. } => "end role".to_owned(),
            Change::Grant { .. } => "begin role".to_owned(),
            Change::Case { .. } => "case".to_owned(),
            Change::Target { .. } => "target".to_owned(),
        })
        .collect();
    let expected =
        ["close 10", "open 20", "re-parent 100", "re-parent 101", "end role", "begin role", "case", "target"];
    assert_eq!(kinds, expected);

    let mut after = state.clone();
    apply(&made, &mut after).unwrap();
    let old = &after.grants[&GrantId(uuid(10))];
    assert_eq!((old.unit, old.to), (row(10), Some(effective())), "the old role stays as history");
    let new: Vec<_> = after.grants.values().filter(|grant| grant.unit == row(20)).collect();
    assert_eq!((new.len(), new[0].user, new[0].from, new[0].to_confirm), (1, UserId(uuid(10)), effective(), true));
    assert_eq!(after.open_cases[&CaseId(uuid(10))], row(20));
    assert_eq!(after.open_cases[&CaseId(uuid(100))], row(100), "a village's case stays with the village");
}

#[test]
fn a_village_recorded_under_the_old_commune_after_the_day_moves_as_well() {
    let (registry, mut state) = (registry(&[Into20]), installation(1));
    let late = Day(effective().0 + 30);
    state.units.insert(row(500), unit(500, Level::Village, Some(10), late, None));
    apply(&plan(&registry, &reorganisation(1), &state).unwrap(), &mut state).unwrap();
    assert_eq!(state.units[&row(500)].parents, [ParentSpan { parent: row(20), from: late, to: None }]);
}

#[test]
fn a_second_reorganisation_may_fill_the_same_new_commune_and_is_undone_first() {
    let (registry, mut state) = (registry(&[Into20, Into20]), installation(2));
    let before = state.clone();
    let one =
        |n: usize| Reorganisation { id: ReorganisationId(uuid(n)), communes: vec![row(10 + n)], ..reorganisation(0) };
    let first = plan(&registry, &one(0), &state).unwrap();
    apply(&first, &mut state).unwrap();
    let second = plan(&registry, &one(1), &state).unwrap();
    apply(&second, &mut state).unwrap();
    let CannotUndo(dependent) = undo(&first, &state, &[]).unwrap_err();
    assert!(dependent.contains(&Item::Unit(row(102))) && !dependent.contains(&Item::Unit(row(100))));
    apply(&undo(&second, &state, &[]).unwrap(), &mut state).unwrap();
    apply(&undo(&first, &state, &[]).unwrap(), &mut state).unwrap();
    assert_eq!(state, before);
}

#[test]
fn undoing_is_refused_with_what_depends_on_the_plan() {
    let (registry, mut state) = (registry(&[Into20]), installation(1));
    let made = plan(&registry, &reorganisation(1), &state).unwrap();
    let not_applied = undo(&made, &state, &[]).unwrap_err();
    assert!(not_applied.0.contains(&Item::Reorganisation(ID)));
    apply(&made, &mut state).unwrap();
    let (on_new, on_village) = (uuid(900), uuid(901));
    let writes = [(on_new, row(20)), (on_village, row(100))];
    assert_eq!(undo(&made, &state, &writes), Err(CannotUndo(vec![Item::Write(on_new)])));

    let mut later = state.clone();
    let confirmed = later.grants.iter_mut().find(|(_, grant)| grant.to_confirm).unwrap();
    confirmed.1.to_confirm = false;
    let grant = *confirmed.0;
    later.teams.insert(TeamId(uuid(902)), row(20));
    later.open_cases.insert(CaseId(uuid(903)), row(20));
    later.targets.insert(TargetId(uuid(904)), row(20));
    let dependent = vec![
        Item::Grant(grant),
        Item::Case(CaseId(uuid(903))),
        Item::Target(TargetId(uuid(904))),
        Item::Team(TeamId(uuid(902))),
    ];
    assert_eq!(undo(&made, &later, &[]), Err(CannotUndo(dependent)));
    later.open_visits.insert(VisitId(uuid(905)), row(100));
    assert!(undo(&made, &state, &[(on_village, row(100))]).is_ok());
}

#[test]
fn a_plan_does_not_apply_to_what_changed_since() {
    let (registry, mut state) = (registry(&[Into20]), installation(1));
    let made = plan(&registry, &reorganisation(1), &state).unwrap();
    state.open_cases.remove(&CaseId(uuid(10)));
    let before = state.clone();
    let blocked = apply(&made, &mut state).unwrap_err();
    assert_eq!(blocked, [Block { item: Item::Case(CaseId(uuid(10))), reason: BlockReason::Changed }]);
    assert_eq!(state, before, "all or nothing");
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    prop::collection::vec(prop::sample::select(vec![Kept, Into20, Into21, Divided]), 1..6)
}

/// The parents that a village has on a day.
fn parents_on(unit: &Unit, day: Day) -> Vec<UnitId> {
    let spans = unit.parents.iter().filter(|span| span.from <= day && span.to.is_none_or(|to| day < to));
    spans.map(|span| span.parent).collect()
}

proptest! {
    #[test]
    fn the_laws_of_a_reorganisation(fates in fates(), turn in 0usize..2, reverse: bool, offset in 0u32..2_000) {
        let (registry, before) = (registry(&fates), installation(fates.len()));
        let todo = assigned(&registry, &before, reorganisation(fates.len()), turn);
        let made = plan(&registry, &todo, &before).unwrap();

        let mut shuffled = todo.clone();
        shuffled.communes.rotate_left(turn);
        shuffled.assignments.rotate_left(turn.min(todo.assignments.len()));
        if reverse {
            shuffled.communes.reverse();
            shuffled.assignments.reverse();
        }
        prop_assert_eq!(&plan(&registry, &shuffled, &before).unwrap(), &made, "order does not matter");

        let mut after = before.clone();
        apply(&made, &mut after).unwrap();
        let applied = after.clone();
        prop_assert!(apply(&made, &mut after).is_err(), "twice");
        prop_assert_eq!(plan(&registry, &todo, &after).unwrap_err()[0].reason, BlockReason::AlreadyApplied);
        prop_assert_eq!(&after, &applied, "a refused plan changes nothing");

        prop_assert_eq!(&after.households, &before.households);
        prop_assert_eq!(&after.teams, &before.teams);
        prop_assert_eq!(&after.open_visits, &before.open_visits);
        prop_assert_eq!(&after.phones, &before.phones);
        let shown = preview(&registry, &todo, &before);
        for village in before.households.keys() {
            let (old, new) = (&before.units[village], &after.units[village]);
            prop_assert_eq!(&Unit { parents: old.parents.clone(), ..new.clone() }, old, "only the parent changes");
            let early = Day((start().0 + offset).min(effective().0 - 1));
            let late = Day(effective().0 + offset);
            prop_assert_eq!(parents_on(new, early), parents_on(old, early), "old periods look as they were");
            let now = parents_on(new, late);
            prop_assert_eq!(now.len(), 1);
            prop_assert!(shown.communes.contains_key(&now[0]) && after.units[&now[0]].is_valid_on(late));
            prop_assert!(after.units[&parents_on(new, early)[0]].is_valid_on(early));
            prop_assert_eq!(shown.bytes_to_move[&DeviceId(village.0)], 0);
        }
        for (commune, tally) in &shown.communes {
            let lies_there = |unit: &UnitId| after.units[unit].parent_on(effective()) == Some(*commune);
            let there = before.households.keys().filter(|village| lies_there(village));
            prop_assert_eq!(there.count() as u64, tally.villages, "the preview is what happens");
            let held = after.grants.values().filter(|grant| {
                grant.to.is_none() && (grant.unit == *commune || lies_there(&grant.unit))
            });
            let people: BTreeSet<UserId> = held.map(|grant| grant.user).collect();
            prop_assert_eq!(people.len() as u64, tally.users);
        }

        let back = undo(&made, &after, &[]).unwrap();
        apply(&back, &mut after).unwrap();
        prop_assert_eq!(&after, &before, "undone");
        prop_assert!(apply(&back, &mut after).is_err());
        apply(&made, &mut after).unwrap();
        prop_assert_eq!(&after, &applied, "and done again");
    }
}
