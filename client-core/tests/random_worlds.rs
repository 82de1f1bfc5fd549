//! Random days of two phones on a bad link, against a naive model: what was saved is shown, what the server has is what
//! the phone has, and everything derived follows from it.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;

use client_core::store::VisitFilter;
use client_core::sync::Ended;
use client_core::{Error, Store};
use proptest::prelude::*;
use support::*;
use sync_protocol::access::Role;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::row::RowType;

#[derive(Clone, Debug)]
enum Step {
    /// A phone records a visit.
    Visit { phone: usize, household: u64 },
    /// A phone sets a household's class.
    Class { phone: usize, household: u64, class: usize },
    /// A phone hands its oldest recorded visit in.
    Submit { phone: usize },
    /// Somebody else moves a household between the villages.
    Move { household: u64 },
    /// A phone syncs; its first answer may be lost, cut or doubled.
    Sync { phone: usize, lose: bool, cut: Option<usize>, doubled: bool, frames: usize },
    /// The server is restored to where it was when the last `Backup` was made.
    Restore,
    /// A backup of the server is made, and the phones hear of it.
    Backup,
    /// The second phone gains or loses the other village.
    Grant { both: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let phone = 0..2usize;
    let household = 11..14u64;
    let step = prop_oneof![
        4 => (phone.clone(), household.clone()).prop_map(|(phone, household)| Step::Visit { phone, household }),
        4 => (phone.clone(), household.clone(), 0..4usize)
            .prop_map(|(phone, household, class)| Step::Class { phone, household, class }),
        1 => phone.clone().prop_map(|phone| Step::Submit { phone }),
        1 => household.prop_map(|household| Step::Move { household }),
        8 => (phone, any::<bool>(), proptest::option::of(0..900usize), any::<bool>(), 1..30usize)
            .prop_map(|(phone, lose, cut, doubled, frames)| Step::Sync { phone, lose, cut, doubled, frames }),
        1 => Just(Step::Restore),
        1 => Just(Step::Backup),
        1 => any::<bool>().prop_map(|both| Step::Grant { both }),
    ];
    proptest::collection::vec(step, 1..40)
}

struct Phone {
    store: Store,
    random: Seeded,
    /// What this phone told its user was saved: visits, and the last class of each household.
    visits: BTreeSet<VisitId>,
}

fn play(steps: &[Step]) -> Result<(), TestCaseError> {
    let (mut server, _, _) = world();
    server.frame_rows = 2;
    server.grant(user(2), &[(village_a(), Role::TeamLeader), (village_b(), Role::TeamLeader)]);
    let mut phones: Vec<Phone> = [(1, 31), (2, 32)]
        .into_iter()
        .map(|(who, seed)| {
            let (mut store, mut random) = server.phone(user(who), seed);
            sync(&mut store, &mut random, &mut server);
            Phone { store, random, visits: BTreeSet::new() }
        })
        .collect();
    let mut backup = server.clone();
    let mut at = NOW;
    for step in steps {
        at += 60_000;
        match step.clone() {
            Step::Visit { phone, household } => {
                let Phone { store, random, visits } = &mut phones[phone];
                match store.record_visit(entry(Some(household), "done", false), ClaimedMs(at), random) {
                    Ok(saved) => drop(visits.insert(VisitId(saved.row))),
                    Err(Error::Refused(_)) => {}
                    Err(error) => return Err(TestCaseError::fail(error.to_string())),
                }
            }
            Step::Class { phone, household, class } => {
                let Phone { store, random, .. } = &mut phones[phone];
                let class = ["normal", "poor", "near_poor", "policy"][class];
                let value = Raw(HouseholdClass { class: class.into(), ext: Ext::default() }.cbor());
                let seen = store.seen_ver(RowType::HOUSEHOLD, id(household)).unwrap_or_default();
                let set = store.set_household(
                    HouseholdId(id(household)),
                    seen,
                    [(household::CLASS, value)],
                    ClaimedMs(at),
                    random,
                );
                prop_assert!(matches!(set, Ok(_) | Err(Error::Refused(_) | Error::NotFound)));
            }
            Step::Submit { phone } => {
                let Phone { store, random, visits } = &mut phones[phone];
                if let Some(visit) = visits.first().copied() {
                    let submitted = store.submit_visit(visit, ClaimedMs(at), random);
                    prop_assert!(matches!(submitted, Ok(_) | Err(Error::Refused(_))));
                }
            }
            Step::Move { household } => {
                let here = server.household_scope(id(household));
                let to = if here == village_a().into() { village_b() } else { village_a() };
                server.move_household(id(household), here.into(), to);
            }
            Step::Sync { phone, lose, cut, doubled, frames } => {
                server.frames_max = frames;
                let Phone { store, random, visits } = &mut phones[phone];
                let mut link = Link::to(&mut server);
                link.lose = u64::from(lose);
                link.cut = cut.map(|bytes| (1, bytes));
                link.doubled = doubled;
                sync_over(store, random, &mut link);
                let held = store.identity().unwrap().unwrap().holdings.iter().any(|h| h.scope == village_a().into());
                prop_assert!(held);
                check(store, visits)?;
            }
            Step::Backup => {
                server.outboxes.values_mut().for_each(|outbox| outbox.durable_upto = outbox.last_n());
                backup = server.clone();
            }
            Step::Restore => server.restore(&backup),
            Step::Grant { both } => {
                let mut scopes = vec![(village_a(), Role::TeamLeader)];
                if both {
                    scopes.push((village_b(), Role::TeamLeader));
                }
                server.grant(user(2), &scopes);
            }
        }
    }
    server.frames_max = 1_000;
    // Some days later everybody has had a good link; what was reported as differing is tried again each day.
    for _ in 0..3 {
        server.now += 86_400_000;
        for phone in &mut phones {
            sync(&mut phone.store, &mut phone.random, &mut server);
        }
    }
    for (phone, who) in phones.iter_mut().zip([1, 2]) {
        let summary = sync(&mut phone.store, &mut phone.random, &mut server);
        prop_assert_eq!(summary.ended, Ended::Complete, "{:?}", summary);
        prop_assert_eq!(phone.store.base_dump().unwrap(), server.expected(user(who)));
        prop_assert!(phone.store.not_yet_synced().unwrap().is_empty());
        check(&mut phone.store, &phone.visits)?;
        for visit in phone.store.visits(&VisitFilter::default()).unwrap() {
            prop_assert!(!visit.waiting, "everything is echoed");
        }
    }
    Ok(())
}

/// At every moment: what this phone said it saved is shown (read your writes), and nothing derived has drifted.
fn check(store: &mut Store, visits: &BTreeSet<VisitId>) -> Result<(), TestCaseError> {
    let shown: BTreeSet<VisitId> =
        store.visits(&VisitFilter::default()).unwrap().iter().map(|visit| visit.id).collect();
    let refused: BTreeSet<VisitId> =
        store.needs_attention().unwrap().iter().filter_map(|op| op.row.map(VisitId)).collect();
    for visit in visits {
        prop_assert!(shown.contains(visit) || refused.contains(visit), "a saved visit is not shown");
    }
    prop_assert_eq!(store.rebuild_check().unwrap(), Vec::<String>::new());
    prop_assert!(store.bucket_reports().unwrap().iter().all(|bucket| bucket.digest_right));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_phones_on_a_bad_link_end_as_the_server(steps in steps()) {
        play(&steps)?;
    }
}
