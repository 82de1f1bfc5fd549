//! Plays simulated worlds: `sim --seeds 1000 --start 0 --minutes 10 --jobs 2`. Prints one line per broken world, with the
//! command that plays it again, and at the end one line of JSON. Exits 0 only if nothing broke.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use sync_protocol::museum::{self, Exhibit};
use tests::sim::report::Stats;
use tests::sim::world::Shape;
use tests::sim::{FOUND, play, run, shrink, steps_of};

/// Branches and faults that a run of thousands of worlds takes; one that is not taken is not tested.
const MUST_BE_REACHED: &[&str] = &[
    "bucket_reloaded",
    "digest agrees",
    "digest askheads",
    "digest recounted",
    "frame control",
    "frame drop",
    "frame fork",
    "frame outcomes",
    "frame problem",
    "frame rows",
    "garbage_refused",
    "half_saved_op_survived",
    "new_outbox",
    "op_under_another_identity",
    "outcome applied",
    "outcome applied_with_case",
    "outcome deferred device_revoked",
    "outcome deferred needs_server_update",
    "outcome rejected already_resolved",
    "outcome rejected case_open",
    "outcome rejected content_changed",
    "outcome rejected grant_ended",
    "outcome rejected malformed",
    "outcome rejected moved_away",
    "outcome rejected not_allowed",
    "outcome rejected not_found",
    "outcome rejected period_closed",
    "outcome rejected wrong_state",
    "problem expected_n",
    "refused_op_dealt_with",
    "scope_purged",
    "server_epoch_raised_at_start",
    "server_epoch_raised_by_a_phone",
    "server_failed",
    "server_full",
    "server_restore_noticed",
    "session failed cut",
    "session failed no_network",
    "session failed server_error",
    "session failed server_full",
    "session incomplete",
    "session wiped",
    "session_broken_by_storage",
    "thin_link",
    "village_split",
    "village_under_another_commune",
    "clock set",
    "damage addrow",
    "damage changeversion",
    "damage droprow",
    "damage wrongcounter",
    "device revoked",
    "network answercut",
    "network answercutafterrows",
    "network answerlost",
    "network answerstale",
    "network frameunreadable",
    "network late arrival",
    "network requestcut",
    "network requestdoubled",
    "network requestheld",
    "network requestlost",
    "op of a newer app",
    "op that does not read",
    "phone cloned",
    "phone disk full",
    "phone enrolled again",
    "phone power cut",
    "phone read error",
    "phone restored",
    "phone sync error",
    "phone write error",
    "server counter wrong",
    "server disk full",
    "server power cut",
    "server read error",
    "server restored",
    "server restored to an older backup",
    "server restored unknowing",
    "server sync error",
    "server write error",
];

#[derive(Parser)]
struct Arguments {
    /// How many worlds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// Stop after so many minutes.
    #[arg(long)]
    minutes: Option<u64>,
    /// Worlds at a time.
    #[arg(long, default_value_t = 2)]
    jobs: u64,
    /// Play this one world, tell what happens, and shrink what breaks.
    #[arg(long)]
    replay: Option<u64>,
    /// Play every world twice and compare the fingerprints.
    #[arg(long)]
    twice: bool,
    /// Fail also if a branch that a long run must reach was never taken.
    #[arg(long)]
    complete: bool,
    /// Stop at the first world that breaks.
    #[arg(long)]
    first: bool,
    /// Switch a bug of the museum on, by its code.
    #[arg(long)]
    exhibit: Option<String>,
    /// Switch every bug of the museum on, one after the other, and see that each is caught within so many worlds.
    #[arg(long)]
    museum: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(code) = &arguments.exhibit {
        let Some(exhibit) = Exhibit::from_code(code) else {
            eprintln!("there is no exhibit {code}");
            return ExitCode::FAILURE;
        };
        museum::switch(Some(exhibit));
    }
    if arguments.museum {
        return visit_museum(&arguments);
    }
    if let Some(seed) = arguments.replay {
        return replay(seed);
    }
    let next = AtomicU64::new(arguments.start);
    let end = arguments.start + arguments.seeds;
    let total = Mutex::new((Stats::default(), Vec::new()));
    let until = arguments.minutes.map(|minutes| Instant::now() + Duration::from_secs(minutes * 60));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || until.is_some_and(|until| Instant::now() >= until) {
                        break;
                    }
                    let mut ending = run(seed);
                    if arguments.twice && ending.broken.is_none() && run(seed).trace != ending.trace {
                        let stop = tests::sim::report::Stop::broken("P19: the same seed did not give the same trace");
                        ending.stats.broke(&stop);
                        ending.broken = Some((0, stop));
                    }
                    let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                    total.0.add(&ending.stats);
                    if let Some((at, stop)) = ending.broken {
                        println!("seed {seed}, step {at}: {stop}\n  again: cargo xtask sim --replay {seed}");
                        total.1.push(seed);
                        if arguments.first {
                            next.store(end, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let (stats, broken) = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut line = stats.json();
    line["seconds"] = began.elapsed().as_secs().into();
    line["broken_seeds"] = broken.len().into();
    let missing = if arguments.complete { stats.missing(MUST_BE_REACHED) } else { Vec::new() };
    line["never_reached"] = missing.clone().into();
    println!("{line}");
    if broken.is_empty() && missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn replay(seed: u64) -> ExitCode {
    let (shape, steps) = steps_of(seed);
    let ending = run(seed);
    let Some((at, stop)) = ending.broken else {
        println!("seed {seed}: {} steps, nothing broke", steps.len());
        return ExitCode::SUCCESS;
    };
    println!("seed {seed}, step {at}: {stop}");
    if stop.property == "P15" {
        let tell = |shape| play(shape, &steps, true).story;
        let (right, wrong) = (tell(shape), tell(Shape { clocks_wrong: true, ..shape }));
        let differs = right.iter().zip(&wrong).position(|(a, b)| without_ids(a) != without_ids(b)).unwrap_or(0);
        let from = differs.saturating_sub(10);
        right[from..].iter().zip(&wrong[from..]).take(14).for_each(|(a, b)| println!("  {a}\n  {b}\n"));
        return ExitCode::FAILURE;
    }
    let few = shrink(shape, steps[..(at + 1).min(steps.len())].to_vec(), &stop.property, 600);
    let told = play(shape, &few, true);
    println!("{} steps are enough: {:?}", few.len(), few.iter().map(|step| step.kind).collect::<Vec<_>>());
    told.story.iter().for_each(|line| println!("  {line}"));
    if let Some((_, stop)) = told.broken {
        println!("  {stop}");
    }
    ExitCode::FAILURE
}

/// A line without the ids in it: they hold the moment that the device's clock showed.
fn without_ids(line: &str) -> String {
    line.split(' ').filter(|word| word.len() < 30).collect::<Vec<_>>().join(" ")
}

/// Every exhibit must be noticed; one that is not says that the trials are at fault.
fn visit_museum(arguments: &Arguments) -> ExitCode {
    println!("| exhibit | first met | caught by seed | property | must break |");
    println!("|---|---|---|---|---|");
    let mut missed = Vec::new();
    for exhibit in Exhibit::ALL {
        let (code, source, breaks) = (exhibit.code(), exhibit.source(), exhibit.breaks());
        if exhibit.shown_by() != "simulator" {
            println!("| {code} | {source} | `cargo test -p tests --test postgres_order` | | {breaks} |");
            continue;
        }
        museum::switch(Some(*exhibit));
        // Some of our own are rare: they start where they were met.
        let known = FOUND.iter().find(|(found, _)| found == exhibit).map(|(_, seed)| *seed);
        let start = known.unwrap_or(arguments.start);
        let caught = first_broken(start, arguments);
        museum::switch(None);
        match caught {
            Some((seed, property)) => {
                println!("| {code} | {source} | {seed} | {property} | {breaks} |");
            }
            None => {
                println!("| {code} | {source} | **not caught** | | {breaks} |");
                missed.push(code);
            }
        }
    }
    if missed.is_empty() {
        ExitCode::SUCCESS
    } else {
        println!("not caught: {}", missed.join(", "));
        ExitCode::FAILURE
    }
}

/// The lowest seed whose world breaks, and what breaks.
fn first_broken(start: u64, arguments: &Arguments) -> Option<(u64, String)> {
    let next = AtomicU64::new(start);
    let end = AtomicU64::new(start + arguments.seeds);
    let found = Mutex::new(None::<(u64, String)>);
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end.load(Ordering::Relaxed) {
                        break;
                    }
                    if let Some((_, stop)) = run(seed).broken {
                        end.fetch_min(seed, Ordering::Relaxed);
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        if found.as_ref().is_none_or(|(known, _)| seed < *known) {
                            *found = Some((seed, stop.property));
                        }
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}
