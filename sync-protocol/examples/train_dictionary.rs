//! Trains the compression dictionary from made-up traffic, and measures it.
//!
//! ```text
//! cargo run --release -p sync-protocol --example train_dictionary             measures the dictionary in use
//! cargo run --release -p sync-protocol --example train_dictionary -- train    tries sizes, writes a candidate file
//! ```
//!
//! A released dictionary is never replaced: phones have it. A better one gets the next packing number.

mod made_up;

use std::collections::BTreeSet;
use std::error::Error;

use made_up::{Mix, Rng, World};
use sync_protocol::cbor::Cbor;
use sync_protocol::row::Class;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

const TRAINING_SEED: u64 = 20_261_101;
const MEASURING_SEED: u64 = 7_000_003;
const FRAME_HEAD_BYTES: usize = 4;
/// Shorter runs of bytes may be equal by chance.
const STRIPPED_BYTES_MIN: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let released: &[u8] = include_bytes!("../data/dictionary-1.zdict");
    if std::env::args().nth(1).as_deref() == Some("train") {
        let path = std::env::args().nth(2).unwrap_or_else(|| "dictionary-candidate.zdict".to_owned());
        let kib: usize = std::env::args().nth(3).map_or(Ok(32), |text| text.parse())?;
        for kib in [10, 20, 42, 64] {
            let dictionary = train(kib * 1024)?;
            report(&format!("candidate {kib} KiB ({} bytes)", dictionary.len()), &dictionary)?;
        }
        let chosen = train(kib * 1024)?;
        write(&path, &chosen)?;
        println!("wrote {path}, {} bytes", chosen.len());
    }
    report("no dictionary", &[])?;
    report(&format!("dictionary 1 ({} bytes)", released.len()), released)
}

#[allow(clippy::disallowed_methods)]
fn write(path: &str, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::write(path, bytes)
}

/// Payloads as they travel, and every random run of bytes in them.
fn samples() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut rng = Rng::new(TRAINING_SEED);
    let mut samples = Vec::new();
    for round in 0..1_500u64 {
        let mut world = World::new(&mut rng);
        let mix = if round % 2 == 0 { Mix::Field } else { Mix::EveryKind };
        for count in [1, 1 + rng.below(4), 1 + rng.below(10)] {
            samples.push(world.visits_frame(&mut rng, count as usize, mix).cbor());
        }
        let others = 1 + rng.below(4);
        let ops = (0..others).map(|_| world.other_op(&mut rng)).collect();
        samples.push(world.ops_frame(&mut rng, ops).cbor());
        let count = 1 + rng.below(10) as usize;
        samples.push(world.rows_frame(&mut rng, Class::Event, count).cbor());
        samples.push(world.rows_frame(&mut rng, Class::Register, count).cbor());
        if round % 3 == 0 {
            samples.push(world.rows_frame(&mut rng, Class::Control, 1 + count / 2).cbor());
            samples.push(world.outcomes_frame(&mut rng, count).cbor());
            samples.push(world.control(&mut rng).cbor());
        }
    }
    (samples, rng.drawn)
}

/// A dictionary of about this size, without any random run of bytes from the samples.
fn train(bytes: usize) -> Result<Vec<u8>, Box<dyn Error>> {
    let (samples, drawn) = samples();
    let trained = zstd::dict::from_samples(&samples, bytes)?;
    let random: BTreeSet<&[u8]> = drawn.iter().flat_map(|run| run.windows(STRIPPED_BYTES_MIN)).collect();
    let mut kept = vec![true; trained.len()];
    for (at, window) in trained.windows(STRIPPED_BYTES_MIN).enumerate() {
        if random.contains(window) {
            kept[at..at + STRIPPED_BYTES_MIN].fill(false);
        }
    }
    Ok(trained.iter().zip(kept).filter(|(_, kept)| *kept).map(|(byte, _)| *byte).collect())
}

fn packed(payload: &[u8], dictionary: &[u8]) -> std::io::Result<usize> {
    let mut compressor = Compressor::with_dictionary(19, dictionary)?;
    compressor.set_parameter(CParameter::ContentSizeFlag(false))?;
    compressor.set_parameter(CParameter::DictIdFlag(false))?;
    Ok(FRAME_HEAD_BYTES + compressor.compress(payload)?.len().min(payload.len()))
}

/// Bytes per item, all in: frame head, envelope, signature.
fn report(title: &str, dictionary: &[u8]) -> Result<(), Box<dyn Error>> {
    println!("\n{title}");
    println!("  {:<42} {:>7} {:>7} {:>7}", "bytes per item, items per frame:", 1, 10, 200);
    type Make = fn(&mut World, &mut Rng, usize) -> Vec<u8>;
    let sorts: [(&str, Make); 6] = [
        ("visits up, one activity, no note (signed)", |world, rng, n| world.visits_frame(rng, n, Mix::Plain).cbor()),
        ("visits up, as in the field (signed)", |world, rng, n| world.visits_frame(rng, n, Mix::Field).cbor()),
        ("visits up, every kind alike (signed)", |world, rng, n| world.visits_frame(rng, n, Mix::EveryKind).cbor()),
        ("events down", |world, rng, n| world.rows_frame(rng, Class::Event, n).cbor()),
        ("households, plans, visit states down", |world, rng, n| world.rows_frame(rng, Class::Register, n).cbor()),
        ("outcomes down", |world, rng, n| world.outcomes_frame(rng, n).cbor()),
    ];
    for (name, make) in sorts {
        let mut line = format!("  {name:<42}");
        for count in [1usize, 10, 200] {
            let mut rng = Rng::new(MEASURING_SEED);
            rng.held_out = true;
            let frames = if count == 200 { 5 } else { 200 };
            let mut total = 0;
            for _ in 0..frames {
                let mut world = World::new(&mut rng);
                total += packed(&make(&mut world, &mut rng, count), dictionary)?;
            }
            line.push_str(&format!(" {:>7.1}", total as f64 / (frames * count) as f64));
        }
        println!("{line}");
    }
    Ok(())
}
