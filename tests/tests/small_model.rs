//! Every order in which a little can happen: two phones, one server, three ops, with lost, late and doubled messages, cut
//! answers, restored and copied phones, a restored server and a role that comes and goes.
//!
//! The rules are the real ones (`decide` with `merge`, chains, outcomes, digests); the two sides of the conversation are
//! small models of `server/src/sync.rs` and `client-core`, on plain maps. Within the bounds of a configuration every
//! state is visited, breadth first, so what is found wrong comes with a shortest story. Properties are those of the
//! design (P1 to P12), docs/PROTOCOL.md has the rules. A checker that finds nothing proves nothing by itself: the same
//! model with one rule broken must be caught, for every rule.
//!
//! `SMALL_MODEL_DEEPER=1` raises every bound by one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "small_model/explore.rs"]
mod explore;
#[path = "small_model/phone.rs"]
mod phone;
#[path = "small_model/server.rs"]
mod server;
#[path = "small_model/stage.rs"]
mod stage;

use explore::{Bounds, Config, Sight, explore};
use stage::{Step, Tag};

/// Which rule is broken, if any.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Rule {
    /// None: the protocol as it is.
    AsItIs,
    /// The server takes ops without comparing chains.
    NoChainCheck,
    /// After a fork, the phone's past is taken to reach to the highest number.
    ForkAtHighest,
    /// The server does not know an op again by its uid.
    NoUid,
    /// A restored server goes on under its old epoch, and cursors beyond its heads alarm nobody.
    RestoreUnnoticed,
    /// A restored server goes on under its old epoch; only cursors beyond its heads can tell.
    RestoreNoticedByCursorsOnly,
    /// Phones offer nothing again after a restore.
    NoReoffer,
    /// The server calls an op durable before it is in a backup.
    DurableWithoutBackup,
    /// An edit names the version that the phone predicted as the one that the person saw.
    SeesPredictions,
    /// A prediction goes with the answer, not with the row.
    OverlayDropsEarly,
    /// A phone keeps the rows of a role that it lost.
    NoPurge,
    /// The server reads rows without asking for roles.
    ReadsWithoutGrant,
}

/// The visit that An records with the first step.
const VISIT: Tag = 1;
/// Nothing goes wrong: the ground that each configuration adds to.
const CALM: Bounds = Bounds { losses: 0, doubles: 0, copies: 0, backups: 0, server_restores: 0, roles: 0 };

const LABELS: Config = Config {
    name: "two phones set one label",
    steps: [&[Step::Label("a"), Step::Label("c")], &[Step::Label("b")], &[]],
    is_clone: false,
    bounds: Bounds { losses: 1, doubles: 1, ..CALM },
    sights: &[Sight::Case],
};
const SAME: Config = Config {
    name: "two phones say the same, then differ",
    steps: [&[Step::Label("a"), Step::Label("b")], &[Step::Label("a")], &[]],
    is_clone: false,
    bounds: Bounds { losses: 1, doubles: 1, ..CALM },
    sights: &[Sight::Agreement, Sight::Case],
};
const GUARDED: Config = Config {
    name: "two phones set a guarded class",
    steps: [&[Step::Class("poor")], &[Step::Class("near_poor"), Step::Class("policy")], &[]],
    is_clone: false,
    bounds: Bounds { losses: 1, doubles: 1, ..CALM },
    sights: &[Sight::Case],
};
const GROUPS: Config = Config {
    name: "two groups of one household",
    steps: [&[Step::Class("poor"), Step::Label("c")], &[Step::Label("b")], &[]],
    is_clone: false,
    bounds: Bounds { losses: 1, doubles: 1, ..CALM },
    sights: &[Sight::Case],
};
const REVIEW: Config = Config {
    name: "a visit is corrected on both phones while the desk reviews",
    steps: [
        &[Step::Record { submit: true }, Step::Correct(VISIT, 40, true)],
        &[Step::Correct(VISIT, 50, true)],
        &[Step::Return(VISIT), Step::Approve(VISIT)],
    ],
    is_clone: false,
    bounds: Bounds { losses: 1, doubles: 1, ..CALM },
    sights: &[Sight::Case],
};
const PHONE_RESTORED: Config = Config {
    name: "a phone is restored from an old copy",
    steps: [&[Step::Label("a"), Step::Label("c")], &[Step::Label("b")], &[]],
    is_clone: false,
    bounds: Bounds { losses: 1, doubles: 1, copies: 1, ..CALM },
    sights: &[Sight::Case, Sight::Fork, Sight::NewEpoch],
};
const CLONED: Config = Config {
    name: "a phone's file is copied to a second phone",
    steps: [&[Step::Record { submit: false }, Step::Label("a")], &[Step::Label("b"), Step::Submit(VISIT)], &[]],
    is_clone: true,
    bounds: Bounds { losses: 1, doubles: 1, copies: 1, ..CALM },
    sights: &[Sight::Case, Sight::Fork, Sight::NewEpoch],
};
const SERVER_RESTORED: Config = Config {
    name: "the server is restored from a backup",
    steps: [&[Step::Label("a"), Step::Record { submit: true }], &[Step::Label("b")], &[]],
    is_clone: false,
    bounds: Bounds { losses: 1, backups: 1, server_restores: 1, ..CALM },
    sights: &[Sight::Case, Sight::Staged],
};
const BOTH_RESTORED: Config = Config {
    name: "server and phone are restored",
    steps: [&[Step::Label("a"), Step::Label("c")], &[Step::Label("b")], &[]],
    is_clone: false,
    bounds: Bounds { copies: 1, backups: 1, server_restores: 1, ..CALM },
    sights: &[Sight::Fork, Sight::NewEpoch, Sight::Staged],
};
const ROLES: Config = Config {
    name: "a role is taken and given back",
    steps: [&[Step::Label("a")], &[Step::Label("b"), Step::Record { submit: true }], &[]],
    is_clone: false,
    bounds: Bounds { losses: 1, doubles: 1, roles: 2, ..CALM },
    sights: &[Sight::Case, Sight::Purge, Sight::LateWork],
};
const ROLES_RESTORED: Config = Config {
    name: "a role is taken while the server is restored",
    steps: [&[Step::Label("a")], &[Step::Label("b")], &[]],
    is_clone: false,
    bounds: Bounds { backups: 1, server_restores: 1, roles: 2, ..CALM },
    sights: &[Sight::Case, Sight::Purge, Sight::Refusal],
};

const REVIEW_RESTORED: Config = Config {
    name: "the server is restored between two reviews",
    steps: [&[Step::Record { submit: true }], &[Step::Label("b")], &[Step::Return(VISIT), Step::Approve(VISIT)]],
    is_clone: false,
    bounds: Bounds { losses: 1, backups: 1, server_restores: 1, ..CALM },
    sights: &[Sight::Staged],
};

/// Explores a configuration with the rules as they are; what is found is told and fails the test.
fn sound(config: &Config) {
    let mut config = *config;
    if std::env::var_os("SMALL_MODEL_DEEPER").is_some() {
        config.bounds = config.bounds.deeper();
    }
    let report = explore(&config, Rule::AsItIs);
    println!("{report}");
    if let Some(found) = report.found {
        panic!("{}\n{found}", config.name);
    }
    let missing: Vec<&Sight> = config.sights.iter().filter(|sight| !report.seen.contains(sight)).collect();
    assert!(missing.is_empty(), "{}: {missing:?} never occurred", config.name);
}

/// The model with one rule broken must be caught, by one of these properties.
fn bites(config: &Config, rule: Rule, properties: &[&str]) {
    let report = explore(config, rule);
    println!("{report}");
    let Some(found) = report.found else {
        panic!("{}: nothing was found although {rule:?}", config.name);
    };
    println!("{found}");
    assert!(properties.iter().any(|property| found.what.starts_with(property)), "{rule:?} was caught by {found}");
}

#[test]
fn edits_of_one_label_are_never_lost_silently() {
    sound(&LABELS);
}

#[test]
fn equal_answers_are_told_from_unseen_ones() {
    sound(&SAME);
}

#[test]
fn a_guarded_group_keeps_every_answer() {
    sound(&GUARDED);
}

#[test]
fn groups_of_one_household_do_not_hide_each_other() {
    sound(&GROUPS);
}

#[test]
fn corrections_and_reviews_meet_in_every_order() {
    sound(&REVIEW);
}

#[test]
fn a_restored_phone_loses_nothing_that_its_file_holds() {
    sound(&PHONE_RESTORED);
}

#[test]
fn a_copied_phone_forks_and_heals() {
    sound(&CLONED);
}

#[test]
fn a_restored_server_gets_back_what_phones_hold() {
    sound(&SERVER_RESTORED);
}

#[test]
fn a_restored_server_meets_a_restored_phone() {
    sound(&BOTH_RESTORED);
}

#[test]
fn a_review_after_a_restore_is_seen_by_everybody() {
    sound(&REVIEW_RESTORED);
}

#[test]
fn a_role_comes_and_goes() {
    sound(&ROLES);
}

#[test]
fn a_role_comes_and_goes_while_the_server_is_restored() {
    sound(&ROLES_RESTORED);
}

#[test]
fn every_broken_rule_is_caught() {
    bites(&PHONE_RESTORED, Rule::NoChainCheck, &["P1:"]);
    bites(&PHONE_RESTORED, Rule::ForkAtHighest, &["P11:"]);
    bites(&CLONED, Rule::NoUid, &["P2:"]);
    bites(&SERVER_RESTORED, Rule::RestoreUnnoticed, &["P1:", "P3:", "P5:", "P6:", "P11:"]);
    bites(&REVIEW_RESTORED, Rule::RestoreNoticedByCursorsOnly, &["P3:"]);
    bites(&SERVER_RESTORED, Rule::NoReoffer, &["P1:", "P6:"]);
    bites(&SERVER_RESTORED, Rule::DurableWithoutBackup, &["P1:"]);
    bites(&GROUPS, Rule::SeesPredictions, &["P11:"]);
    bites(&LABELS, Rule::OverlayDropsEarly, &["P6:"]);
    bites(&ROLES, Rule::NoPurge, &["P10:"]);
    bites(&ROLES, Rule::ReadsWithoutGrant, &["P10:"]);
}
