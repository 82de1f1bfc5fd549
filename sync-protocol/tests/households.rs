//! Households that were entered twice: merging, taking apart, and what arrives for the one that became an alias.

#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use support::*;
use sync_protocol::access::Role;
use sync_protocol::cbor::{Cbor, Raw};
use sync_protocol::decide::{Change, Decision};
use sync_protocol::entity::*;
use sync_protocol::household::{alias_of, merged_into, root};
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::outcome::{Code, Verdict};
use sync_protocol::row::{GroupKey, Register, RowType, Ver};
use uuid::Uuid;

type Values = BTreeMap<GroupKey, Raw>;

fn merge(winner: Uuid, loser: Uuid) -> Intent {
    Intent::HouseholdMerge(MergeHouseholds {
        winner: HouseholdId(winner),
        loser: HouseholdId(loser),
        winner_ver: Ver::first(1),
        loser_ver: Ver::first(1),
        reason: None,
        ext: ext(),
    })
}
fn unmerge(loser: Uuid) -> Intent {
    Intent::HouseholdUnmerge(UnmergeHousehold { loser: HouseholdId(loser), ext: ext() })
}
fn relocate(id: Uuid, to: u8) -> Intent {
    Intent::HouseholdMove(MoveRow { id, base_ver: Ver::first(1), to: ScopeId(support::id(to)), ext: ext() })
}
fn edit(id: Uuid, groups: impl IntoIterator<Item = (u8, Raw)>) -> Intent {
    Intent::HouseholdSet(set(id, Ver(u64::MAX), groups))
}
fn status(text: &str) -> (u8, Raw) {
    (household::STATUS, Raw(HouseholdStatus { status: text.into(), ext: ext() }.cbor()))
}

fn refused(decision: &Decision, code: Code) {
    assert_eq!((decision.verdict, decision.code), (Verdict::Rejected, Some(code)));
}

impl World {
    fn enter(&mut self, groups: impl IntoIterator<Item = (u8, Raw)>) -> Uuid {
        let mut member = self.member.clone();
        let id = self.created(&mut member, Intent::HouseholdCreate(create(VILLAGE, groups)));
        self.member = member;
        id
    }
    fn house(&self, id: Uuid) -> &Register {
        self.state.get(RowType::HOUSEHOLD, id)
    }
    fn place(&self, id: Uuid) -> ScopeId {
        self.state.registers[&(RowType::HOUSEHOLD, id)].0
    }
    fn values(&self, id: Uuid) -> Values {
        self.house(id).groups.iter().map(|(key, group)| (*key, group.value.clone())).collect()
    }
    fn all_values(&self) -> BTreeMap<Uuid, Values> {
        let houses = self.state.registers.keys().filter(|(ty, _)| *ty == RowType::HOUSEHOLD);
        houses.map(|(_, id)| (*id, self.values(*id))).collect()
    }
    fn root(&self, id: Uuid) -> Uuid {
        let Ok(root) = root(HouseholdId(id), |at| Ok::<_, std::convert::Infallible>(alias_of(self.house(at.0))));
        root.0
    }
}

#[test]
fn the_loser_gives_what_the_winner_lacks_and_becomes_its_alias() {
    let mut world = World::new();
    let mut leader = world.leader.clone();
    let winner = world.enter([label("nhà đầu suối")]);
    let loser = world.enter([label("nhà đầu suối"), people(4), status("closed")]);
    let before = world.values(loser);
    let decision = world.applied(&mut leader, merge(winner, loser));
    assert_eq!(decision.ver, Some(world.house(winner).ver));
    assert_eq!(world.values(winner)[&household::PEOPLE], people(4).1);
    assert!(!world.values(winner).contains_key(&household::STATUS), "a closed double closed the household");
    assert_eq!((merged_into(world.house(winner)), world.root(loser)), (vec![HouseholdId(loser)], winner));
    let mut after = world.values(loser);
    assert!(after.remove(&household::ALIAS).is_some());
    assert_eq!(after, before);
}

#[test]
fn merging_what_is_one_already_changes_nothing_whichever_end_is_named() {
    let mut world = World::new();
    let mut leader = world.leader.clone();
    let [a, b, c] = ["a", "b", "c"].map(|name| world.enter([label(name)]));
    world.send(&mut leader, merge(a, b));
    world.send(&mut leader, merge(b, c));
    assert_eq!((world.root(c), merged_into(world.house(a)).len()), (a, 2), "an alias won");
    for (winner, loser) in [(a, a), (b, a), (a, c), (c, b)] {
        let decision = world.applied(&mut leader, merge(winner, loser));
        assert_eq!((decision.changes, decision.ver), (vec![], Some(world.house(a).ver)));
    }
}

#[test]
fn what_differs_is_a_case_of_the_winner_with_who_said_each() {
    let mut world = World::new();
    let (mut leader, mut colleague) = (world.leader.clone(), world.colleague.clone());
    let winner = world.enter([label("nhà đầu suối"), class("poor")]);
    let body = create(VILLAGE, [label("nhà mái đỏ"), class("poor")]);
    let loser = world.created(&mut colleague, Intent::HouseholdCreate(body));
    let decision = world.send(&mut leader, merge(winner, loser));
    assert_eq!(decision.verdict, Verdict::AppliedWithCase);
    let case = decision.case.unwrap();
    let group = &world.house(winner).groups[&household::LABEL];
    assert_eq!((&group.value, group.case), (&label("nhà đầu suối").1, Some(case)));
    assert_eq!(world.house(winner).groups[&household::CLASS].case, None, "they agree");
    let sides: CaseSides = world.state.get(RowType::CASE, case.0).group(case::SIDES).unwrap();
    let said: Vec<_> = sides.sides.iter().map(|side| (side.value.clone(), side.author.unwrap())).collect();
    let [mine, theirs] = [label("nhà đầu suối").1, label("nhà mái đỏ").1];
    assert_eq!(said, [(mine, world.member.user()), (theirs.clone(), colleague.user())]);

    // Settled with the loser's answer, it stays settled when the two are taken apart.
    let seen = world.state.get(RowType::CASE, case.0).ver;
    let body = ResolveCase { case, base_ver: seen, value: theirs.clone(), ext: ext() };
    world.applied(&mut leader, Intent::CaseResolve(body));
    world.applied(&mut leader, unmerge(loser));
    assert_eq!(world.values(winner)[&household::LABEL], theirs);
}

#[test]
fn taking_apart_withdraws_an_untouched_case_and_leaves_one_that_others_joined() {
    for joined in [false, true] {
        let mut world = World::new();
        let (mut leader, mut member) = (world.leader.clone(), world.member.clone());
        let winner = world.enter([label("a")]);
        let loser = world.enter([label("b")]);
        let case = world.send(&mut leader, merge(winner, loser)).case.unwrap();
        if joined {
            world.send(&mut member, edit(winner, [label("c")]));
        }
        world.applied(&mut leader, unmerge(loser));
        let state: CaseStatusValue = world.state.get(RowType::CASE, case.0).group(case::STATUS).unwrap();
        let kept = world.house(winner).groups[&household::LABEL].case;
        let expected = if joined { ("open", Some(case)) } else { ("resolved", None) };
        assert_eq!((state.status.as_str(), kept), expected);
    }
}

#[test]
fn names_travel_only_under_a_consent_that_covers_them() {
    let named = [label("b"), head_of("Giàng A Páo"), phone("0912345678"), consent(None)];
    for (own, travels) in [(None, true), (Some(consent(None)), true), (Some(consent(Some(Day(20_777)))), false)] {
        let mut world = World::new();
        let mut leader = world.leader.clone();
        let winner = world.enter([label("b")].into_iter().chain(own.clone()));
        let loser = world.enter(named.clone());
        let before = world.values(winner);
        world.send(&mut leader, merge(winner, loser));
        let has = |key| world.values(winner).contains_key(&key);
        assert_eq!((has(household::HEAD), has(household::PHONE)), (travels, travels), "{own:?}");
        world.applied(&mut leader, unmerge(loser));
        assert_eq!(world.values(winner), before, "{own:?}");
    }
}

#[test]
fn a_withdrawal_reaches_everything_that_was_merged() {
    let named = || [label("a"), head_of("Giàng A Páo"), consent(None)];
    for through_case in [false, true] {
        let mut world = World::new();
        let [top, middle, low] = [0; 3].map(|_| world.enter(named()));
        let (mut leader, mut member, mut colleague) =
            (world.leader.clone(), world.member.clone(), world.colleague.clone());
        world.applied(&mut leader, merge(middle, low));
        world.applied(&mut leader, merge(top, middle));
        if through_case {
            let seen = world.house(top).ver;
            let agreed = |version: &str| {
                let mut agreed = Consent::from_cbor(&consent(None).1.0).unwrap();
                agreed.notice_version = version.into();
                Intent::HouseholdSet(set(top, seen, [(household::CONSENT, Raw(agreed.cbor()))]))
            };
            world.applied(&mut member, agreed("2026.2"));
            let case = world.send(&mut colleague, agreed("2026.3")).case.unwrap();
            let base_ver = world.state.get(RowType::CASE, case.0).ver;
            let value = consent(Some(Day(20_777))).1;
            let body = ResolveCase { case, base_ver, value, ext: ext() };
            world.applied(&mut leader, Intent::CaseResolve(body));
        } else {
            world.applied(&mut member, edit(low, [consent(Some(Day(20_777)))]));
        }
        for house in [top, middle, low] {
            assert!(!world.values(house).contains_key(&household::HEAD), "a name stayed in {house}");
        }
    }
}

#[test]
fn an_edit_of_an_alias_is_an_edit_of_its_root_by_somebody_who_did_not_see_it() {
    let mut world = World::new();
    let (mut leader, mut member) = (world.leader.clone(), world.member.clone());
    let winner = world.enter([label("a")]);
    let loser = world.enter([label("a"), class("normal")]);
    world.applied(&mut leader, merge(winner, loser));
    let before = world.house(loser).clone();
    let decision = world.applied(&mut member, edit(loser, [people(3)]));
    assert_eq!(decision.ver, Some(world.house(winner).ver));
    assert_eq!(world.values(winner)[&household::PEOPLE], people(3).1);
    // The class came with the merging; whoever edits the alias cannot have seen it here, whatever version they name.
    let mut colleague = world.colleague.clone();
    let decision = world.send(&mut colleague, edit(loser, [class("poor")]));
    assert_eq!(decision.verdict, Verdict::AppliedWithCase);
    assert_eq!(world.values(winner)[&household::CLASS], class("normal").1);
    assert_eq!(*world.house(loser), before);
}

#[test]
fn taking_apart_gives_back_only_what_nobody_touched() {
    let mut world = World::new();
    let (mut leader, mut member) = (world.leader.clone(), world.member.clone());
    let winner = world.enter([label("a")]);
    let loser = world.enter([label("a"), class("normal"), people(3)]);
    world.applied(&mut leader, merge(winner, loser));
    world.applied(&mut member, edit(winner, [people(5)]));
    let decision = world.applied(&mut leader, unmerge(loser));
    assert_eq!(decision.ver, Some(world.house(loser).ver));
    assert_eq!(world.values(winner), BTreeMap::from([label("a"), people(5)]));
    assert_eq!(world.values(loser), BTreeMap::from([label("a"), class("normal"), people(3)]));
    refused(&world.send(&mut leader, unmerge(loser)), Code::WrongState);
}

#[test]
fn the_later_of_two_mergings_in_a_row_is_undone_first() {
    let mut world = World::new();
    let mut leader = world.leader.clone();
    let [a, b, c] = [0; 3].map(|_| world.enter([label("a")]));
    world.applied(&mut leader, merge(b, c));
    world.applied(&mut leader, merge(a, b));
    let decision = world.send(&mut leader, unmerge(c));
    refused(&decision, Code::WrongState);
    assert_eq!(decision.rule.as_deref(), Some("merged_further"));
    world.applied(&mut leader, unmerge(b));
    world.applied(&mut leader, unmerge(c));
    assert_eq!([a, b, c].map(|id| world.root(id)), [a, b, c]);
}

#[test]
fn merging_needs_the_right_at_both_ends() {
    let mut world = World::new();
    let [a, b] = [0; 2].map(|_| world.enter([label("a")]));
    let (mut member, mut leader, mut officer) = (world.member.clone(), world.leader.clone(), world.officer.clone());
    refused(&world.send(&mut member, merge(a, b)), Code::NotFound);
    refused(&world.send(&mut leader, merge(a, world.foreign_household.0)), Code::NotFound);
    refused(&world.send(&mut leader, merge(world.foreign_household.0, a)), Code::NotFound);
    refused(&world.send(&mut leader, merge(a, id(9))), Code::NotFound);
    world.applied(&mut officer, relocate(b, OTHER_VILLAGE));
    refused(&world.send(&mut leader, merge(a, b)), Code::MovedAway);
    world.applied(&mut officer, merge(b, a));
    assert_eq!(world.root(a), b);
    // For the village of the alias, the household is elsewhere now.
    refused(&world.send(&mut member, edit(a, [people(2)])), Code::MovedAway);
    refused(&world.send(&mut leader, unmerge(a)), Code::MovedAway);
    world.applied(&mut officer, unmerge(a));
    world.applied(&mut member, edit(a, [people(2)]));
}

#[test]
fn a_reason_is_kept_and_must_not_hold_a_number() {
    let mut world = World::new();
    let mut leader = world.leader.clone();
    let [a, b] = [0; 2].map(|_| world.enter([label("a")]));
    let because = |reason: &str| match merge(a, b) {
        Intent::HouseholdMerge(body) => {
            Intent::HouseholdMerge(MergeHouseholds { reason: Some(reason.to_owned()), ..body })
        }
        other => other,
    };
    let decision = world.send(&mut leader, because("cùng số 012345678901"));
    refused(&decision, Code::BadValue);
    assert_eq!((decision.field.as_deref(), decision.rule.as_deref()), (Some("reason"), Some("id_number_12")));
    world.applied(&mut leader, because("cùng một nhà"));
    let alias: HouseholdAlias = world.house(b).group(household::ALIAS).unwrap();
    assert_eq!(alias.record.reason.as_deref(), Some("cùng một nhà"));
}

#[test]
fn a_household_moves_with_what_was_merged_into_it_whichever_is_named() {
    for named in [0, 1] {
        let mut world = World::new();
        let mut officer = world.officer.clone();
        let [winner, loser] = [0; 2].map(|_| world.enter([label("a"), people(2)]));
        world.applied(&mut officer, merge(winner, loser));
        world.applied(&mut officer, relocate([winner, loser][named], OTHER_VILLAGE));
        let other = ScopeId(id(OTHER_VILLAGE));
        assert_eq!([world.place(winner), world.place(loser)], [other, other]);
        assert_eq!(world.root(loser), winner);
        world.applied(&mut officer, unmerge(loser));
        world.applied(&mut officer, relocate(loser, VILLAGE));
        assert_eq!([world.place(winner), world.place(loser)], [other, ScopeId(id(VILLAGE))]);
        assert_eq!(world.values(loser), BTreeMap::from([label("a"), people(2)]));
    }
}

#[test]
fn a_visit_at_an_alias_is_taken_as_it_was_recorded() {
    let mut world = World::new();
    let (mut leader, mut member) = (world.leader.clone(), world.member.clone());
    let winner = world.enter([label("nhà khác")]);
    world.send(&mut leader, merge(winner, world.household.0));
    let content = world.content();
    let decision = world.applied(&mut member, World::record(&content, true));
    let [Change::PutEvent { event, .. }] = &decision.changes[..] else { panic!("one event") };
    assert_eq!(read_content(&event.body).unwrap().household, Some(world.household));
    assert_eq!((world.root(world.household.0), event.flags), (winner, 0));
}

#[test]
fn nobody_makes_an_alias_by_hand() {
    let mut world = World::new();
    let mut member = world.member.clone();
    let record = MergeRecord { ver: Ver(1), copied: vec![], cases: vec![], reason: None, ext: ext() };
    let alias = HouseholdAlias { into: world.household, record, ext: ext() };
    let merged = HouseholdMerged { merged: vec![world.household], ext: ext() };
    for group in [(household::ALIAS, Raw(alias.cbor())), (household::MERGED, Raw(merged.cbor()))] {
        let household = world.household.0;
        refused(&world.send(&mut member, edit(household, [group.clone()])), Code::NotAllowed);
        let body = create(VILLAGE, [label("a"), group]);
        refused(&world.send(&mut member, Intent::HouseholdCreate(body)), Code::NotAllowed);
    }
}

#[test]
fn a_former_leader_merges_nothing() {
    let mut world = World::new();
    let [a, b] = [0; 2].map(|_| world.enter([label("a")]));
    let mut former = Person::new(0xb2, Role::TeamLeader, &[VILLAGE]);
    former.lose_grants(NOW - 1_000);
    refused(&world.send(&mut former, merge(a, b)), Code::NotFound);
}

#[derive(Clone, Debug)]
enum Step {
    Create(usize),
    Set(usize, usize),
    Merge(usize, usize),
    Unmerge(usize),
    Move(usize, bool),
}

/// What somebody may say about a household.
fn groups(choice: usize) -> Vec<(u8, Raw)> {
    let named = |name| vec![head_of(name), consent(None)];
    match choice % 8 {
        0 => vec![class("poor")],
        1 => vec![class("normal"), people(2)],
        2 => vec![people(3)],
        3 => named("Giàng A Páo"),
        4 => named("Lò Thị Mai"),
        5 => vec![consent(Some(Day(20_777)))],
        6 => vec![label("nhà mái đỏ"), status("closed")],
        _ => vec![(200, Raw("mới".to_owned().cbor()))],
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0usize..8).prop_map(Step::Create),
        4 => (0usize..9, 0usize..8).prop_map(|(at, what)| Step::Set(at, what)),
        4 => (0usize..9, 0usize..9).prop_map(|(winner, loser)| Step::Merge(winner, loser)),
        2 => (0usize..9).prop_map(Step::Unmerge),
        1 => (0usize..9, any::<bool>()).prop_map(|(at, there)| Step::Move(at, there)),
    ]
}

/// A world after random steps, with its households. Members edit from two phones, so that some edits clash.
fn play(steps: &[Step]) -> (World, Vec<Uuid>) {
    let mut world = World::new();
    let mut houses = vec![world.household.0];
    houses.extend([0, 3].map(|choice| world.enter(groups(choice).into_iter().chain([label("nhà")]))));
    let mut officer = world.officer.clone();
    let mut phones = [world.member.clone(), world.colleague.clone()];
    phones[0].n = 50;
    for step in steps {
        let at = |index: usize| houses[index % houses.len()];
        match step.clone() {
            Step::Create(choice) => {
                let all: BTreeMap<u8, Raw> = [label("nhà")].into_iter().chain(groups(choice)).collect();
                let body = create(VILLAGE, all);
                houses.push(world.created(&mut phones[0], Intent::HouseholdCreate(body)));
            }
            Step::Set(index, choice) => {
                let seen = if choice % 2 == 0 { Ver(u64::MAX) } else { Ver::first(1) };
                let intent = Intent::HouseholdSet(set(at(index), seen, groups(choice)));
                world.send(&mut phones[choice % 2], intent);
            }
            Step::Merge(winner, loser) => drop(world.send(&mut officer, merge(at(winner), at(loser)))),
            Step::Unmerge(index) => drop(world.send(&mut officer, unmerge(at(index)))),
            Step::Move(index, there) => {
                let to = if there { OTHER_VILLAGE } else { VILLAGE };
                world.send(&mut officer, relocate(at(index), to));
            }
        }
    }
    world.officer = officer;
    (world, houses)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// However households were merged and taken apart, each has one root, and both ends of every edge agree.
    #[test]
    fn every_household_has_one_root_and_no_ring_ever_forms(steps in prop::collection::vec(step(), 0..16)) {
        let (world, houses) = play(&steps);
        for house in &houses {
            let mut at = *house;
            for _ in 0..houses.len() {
                at = alias_of(world.house(at)).map_or(at, |up| up.0);
            }
            prop_assert_eq!(alias_of(world.house(at)), None, "a ring");
            prop_assert_eq!(world.root(*house), at);
            let named_by: Vec<Uuid> = houses
                .iter()
                .copied()
                .filter(|other| merged_into(world.house(*other)).contains(&HouseholdId(*house)))
                .collect();
            let up: Vec<Uuid> = alias_of(world.house(*house)).into_iter().map(|up| up.0).collect();
            prop_assert_eq!(named_by, up);
        }
    }

    /// Merging and taking apart, with nothing in between, leaves every household saying what it said.
    #[test]
    fn taking_apart_undoes_merging(steps in prop::collection::vec(step(), 0..12), winner in 0usize..9, loser in 0usize..9) {
        let (mut world, houses) = play(&steps);
        let [winner, loser] = [winner, loser].map(|index| world.root(houses[index % houses.len()]));
        prop_assume!(winner != loser);
        let before = world.all_values();
        let mut officer = world.officer.clone();
        let merged = world.send(&mut officer, merge(winner, loser));
        prop_assert!(merged.code.is_none());
        let apart = world.send(&mut officer, unmerge(loser));
        prop_assert_eq!(apart.verdict, Verdict::Applied);
        prop_assert_eq!(world.all_values(), before);
    }

    /// Two mergings of different families give the same roots in either order.
    #[test]
    fn independent_mergings_may_come_in_any_order(
        steps in prop::collection::vec(step(), 2..12), picks in prop::array::uniform4(0usize..9),
    ) {
        let (world, houses) = play(&steps);
        // Of four families one member each.
        let mut families: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
        for id in &houses {
            families.entry(world.root(*id)).or_default().push(*id);
        }
        let mut families: Vec<Vec<Uuid>> = families.into_values().collect();
        prop_assume!(families.len() >= 4);
        let [a, b, c, d] = picks.map(|pick| {
            let family = families.remove(pick % families.len());
            family[pick % family.len()]
        });
        let roots = |first: (Uuid, Uuid), second: (Uuid, Uuid)| {
            let mut world = world.clone();
            let mut officer = world.officer.clone();
            for (winner, loser) in [first, second] {
                world.send(&mut officer, merge(winner, loser));
            }
            houses.iter().map(|id| world.root(*id)).collect::<Vec<_>>()
        };
        prop_assert_eq!(roots((a, b), (c, d)), roots((c, d), (a, b)));
    }
}
