//! Worlds that broke once, by name; and that a seed means one world. Built with `--features sim` only.

#![cfg(feature = "sim")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use sync_protocol::museum::{self, Exhibit};
use tests::sim::{FOUND, run};

/// Which exhibit is on is a matter of the whole process.
static MUSEUM: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    MUSEUM.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seeds of worlds that broke on the day that is told of.
const BROKE_ONCE: &[(u64, &str)] = &[
    (970, "a visit that goes with its place and comes back with it"),
    (1076, "a disk of the server that fails under a request that never came"),
    (1234, "a visit that was echoed and went on being shown as waiting"),
    (100_012, "a household that was edited while it was leaving"),
    (100_220, "a clone that was told that the other's op is safe"),
    (100_637, "an old copy of a device that a restore had taken away"),
    (1_000_223, "a village named by the moment it was made"),
    (1_000_905, "a copy that was loaded for a server that was restored once more"),
    (1_001_419, "a case that was settled by somebody who had not read all of it"),
    (1_002_777, "the same, on another way"),
    (1_003_426, "a household that went with the village it was seen in"),
    (2_001_266, "an old copy of a file that got an answer of before"),
    (3_003_801, "a visit of which only the first half had come"),
    (4_000_848, "a guarded value that was said twice by a phone of whom not all was known"),
    (5_002_860, "a server put back twice within an hour, whose epochs had one number"),
    (4_006_063, "a desk whose choice went by a phone's clock"),
];

#[test]
fn worlds_that_broke_once_hold() {
    let _alone = alone();
    for (seed, what) in BROKE_ONCE {
        let broken = run(*seed).broken;
        assert!(broken.is_none(), "{what}: {broken:?}; again: cargo xtask sim --replay {seed}");
    }
}

#[test]
fn a_seed_means_one_world() {
    let _alone = alone();
    let mut traces = Vec::new();
    for seed in 0..40 {
        let (first, second) = (run(seed), run(seed));
        assert!(first.broken.is_none(), "{:?}; again: cargo xtask sim --replay {seed}", first.broken);
        assert_eq!(first.trace, second.trace, "seed {seed} gave two worlds");
        traces.push(first.trace);
    }
    traces.sort();
    traces.dedup();
    assert_eq!(traces.len(), 40, "two seeds gave the same world");
}

#[test]
fn every_bug_that_was_found_here_would_be_found_again() {
    let _alone = alone();
    let found: Vec<Exhibit> = FOUND.iter().map(|(exhibit, _)| *exhibit).collect();
    let ours = Exhibit::ALL.iter().filter(|exhibit| exhibit.source() == "found by the simulator");
    assert!(ours.into_iter().all(|exhibit| found.contains(exhibit)), "a bug of our own has no seed");
    for (exhibit, seed) in FOUND {
        museum::switch(Some(*exhibit));
        let broken = run(*seed).broken;
        museum::switch(None);
        assert!(broken.is_some(), "{} is no longer noticed by seed {seed}", exhibit.code());
    }
}
