//! The simulator: whole worlds of phones and a server, drawn from a seed, played with the real stores and the real
//! protocol over disks and networks that fail, and judged by a model that knows nothing of how any of it works.
//! What it checks and how to use it: docs/TESTING.md.

pub mod hub;
pub mod model;
pub mod phone;
pub mod report;
pub mod world;

pub use crate::rng;
use report::{Stats, Stop};
use sync_protocol::museum::Exhibit;
use world::{Shape, Step, World, draw, draw_calm};

/// The bugs that the simulator found in this engine, each with a seed that shows it while it is switched on.
pub const FOUND: &[(Exhibit, u64)] = &[
    (Exhibit::DurableUnproven, 100_220),
    (Exhibit::RestoreUnnoticed, 58),
    (Exhibit::EpochNumberAgain, 256),
    (Exhibit::AnswerMixedUp, 0),
    (Exhibit::RowsNeverCounted, 1),
    (Exhibit::LogKeepsPurged, 0),
    (Exhibit::WordsOutliveRows, 99),
    (Exhibit::GrantOutlivesItsDay, 462),
    (Exhibit::StoppedClockWaits, 1),
    (Exhibit::EchoLeavesPrediction, 1_234),
    (Exhibit::HeldRowUnseen, 100_012),
    (Exhibit::CaseForgetsSides, 1_001_419),
    (Exhibit::CallsAlike, 2_001_266),
];

/// How a world ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Its counters.
    pub stats: Stats,
    /// The fingerprint of everything that happened: the same for the same seed, on every machine.
    pub trace: [u8; 32],
    /// What it came to, for comparing plays.
    pub digest: String,
    /// What broke, and at which step; the number of steps when it broke at the end.
    pub broken: Option<(usize, Stop)>,
    /// What happened, in plain words, when it was asked for.
    pub story: Vec<String>,
}

/// Plays a world.
pub fn play(shape: Shape, steps: &[Step], tell: bool) -> Ending {
    let mut world = match World::new(shape, tell) {
        Ok(world) => world,
        Err(stop) => {
            let mut stats = Stats::default();
            stats.broke(&stop);
            return Ending { stats, trace: [0; 32], digest: String::new(), broken: Some((0, stop)), story: vec![] };
        }
    };
    let mut broken = None;
    for (at, step) in steps.iter().enumerate() {
        if let Err(stop) = world.play(step) {
            broken = Some((at, stop));
            break;
        }
    }
    if broken.is_none()
        && let Err(stop) = world.end()
    {
        broken = Some((steps.len(), stop));
    }
    let mut stats = world.stats();
    if let Some((_, stop)) = &broken {
        stats.broke(stop);
    }
    Ending {
        stats,
        trace: *world.hub.trace.finalize().as_bytes(),
        digest: if broken.is_none() { world.digest() } else { String::new() },
        broken,
        story: world.story.take().unwrap_or_default(),
    }
}

/// Plays the world of a seed. One in sixteen is played once more with other clocks and must come to the same (P15).
pub fn run(seed: u64) -> Ending {
    if seed % 16 == 15 {
        return run_clocks(seed);
    }
    let (shape, steps) = draw(seed);
    play(shape, &steps, false)
}

/// P15: whatever the clocks of the phones show, the same values, cases and outcomes come about.
pub fn run_clocks(seed: u64) -> Ending {
    let (shape, steps) = draw_calm(seed);
    let mut right = play(shape, &steps, false);
    if right.broken.is_some() {
        return right;
    }
    let wrong = play(Shape { clocks_wrong: true, ..shape }, &steps, false);
    right.stats.add(&wrong.stats);
    right.broken = wrong.broken;
    if right.broken.is_none() && right.digest != wrong.digest {
        let (ours, theirs) = (right.digest.lines(), wrong.digest.lines());
        let first = ours.zip(theirs).find(|(a, b)| a != b);
        let stop = Stop::broken(format!("P15: with other clocks the world came to something else: {first:?}"));
        right.stats.broke(&stop);
        right.broken = Some((steps.len(), stop));
    }
    right
}

/// The steps of a seed's world.
pub fn steps_of(seed: u64) -> (Shape, Vec<Step>) {
    if seed % 16 == 15 { draw_calm(seed) } else { draw(seed) }
}

/// Leaves out what is not needed to break the same property, as long as there is time for it: at most so many plays.
pub fn shrink(shape: Shape, steps: Vec<Step>, property: &str, plays_max: usize) -> Vec<Step> {
    let mut steps = steps;
    let mut plays = 0;
    let breaks =
        |candidate: &[Step]| play(shape, candidate, false).broken.is_some_and(|(_, stop)| stop.property == property);
    let mut size = steps.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        let mut shorter = false;
        while at < steps.len() && plays < plays_max {
            let end = (at + size).min(steps.len());
            let mut candidate = steps[..at].to_vec();
            candidate.extend_from_slice(&steps[end..]);
            plays += 1;
            if breaks(&candidate) {
                steps = candidate;
                shorter = true;
            } else {
                at = end;
            }
        }
        if plays >= plays_max || (size == 1 && !shorter) {
            return steps;
        }
        size = if shorter { size } else { size / 2 }.max(1);
    }
}
