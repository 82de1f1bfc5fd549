//! Inputs made from other inputs: what `cargo test` runs beside the corpus, the same in every run.
//!
//! A coverage-guided engine makes better ones, but not in a few seconds. Both drive the same targets: README.md.

use std::fs;
use std::path::Path;

// An engine that watches the code has to be linked wherever watched code is, and that is here too.
use bolero as _;
use sync_protocol::wire::{FRAME_HEAD_BYTES, FrameKind, Frames};

/// How many inputs a target gets, from a usual number: `FUZZ_TIMES` multiplies it.
pub fn times(usual: usize) -> usize {
    let more = std::env::var("FUZZ_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    usual.saturating_mul(more)
}

/// The committed inputs of a target, in the order of their names.
///
/// # Panics
/// When there are none: a target without a corpus starts from nothing.
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/__fuzz__").join(target).join("corpus");
    let mut files: Vec<_> = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let inputs: Vec<Vec<u8>> = files.iter().filter_map(|file| fs::read(file).ok()).collect();
    assert!(!inputs.is_empty(), "no corpus in {}", folder.display());
    inputs
}

/// The same throws in every run.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that begin somewhere.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits (SplitMix64).
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below a limit; 0 when there is nothing below it.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.throw() % limit as u64) as usize }
    }
}

/// Bytes that decoders take for lengths, types, ends and borders.
const TELLING: &[u8] = &[
    0x00, 0x01, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x20, 0x3b, 0x40, 0x58, 0x5f, 0x60, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc0,
    0xf4, 0xf6, 0xf9, 0xfb, 0xfe, 0xff, b'"', b',', b'\n', b'-', b'0', b'.', b'{', b'}',
];

/// Changes an input a little; `other` lends pieces.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(input.len());
        let upto = (at + 1 + dice.below(8)).min(input.len());
        match dice.below(9) {
            0 if !input.is_empty() => input[at] ^= 1 << dice.below(8),
            1 if !input.is_empty() => input[at] = TELLING[dice.below(TELLING.len())],
            2 if !input.is_empty() => input[at] = input[at].wrapping_add(if dice.below(2) == 0 { 1 } else { 255 }),
            3 => input.insert(at, TELLING[dice.below(TELLING.len())]),
            4 if !input.is_empty() => drop(input.drain(at..upto)),
            5 if !input.is_empty() => {
                let piece = input[at..upto].to_vec();
                drop(input.splice(at..at, piece));
            }
            6 => {
                let from = dice.below(other.len());
                let piece = other[from..(from + 1 + dice.below(40)).min(other.len())].to_vec();
                drop(input.splice(at..upto.max(at), piece));
            }
            7 => input.truncate(at + 1),
            _ => {
                let bytes = dice.throw().to_be_bytes();
                for (byte, new) in input.iter_mut().skip(at).zip(&bytes[..1 + dice.below(8)]) {
                    *byte = *new;
                }
            }
        }
    }
}

/// Runs a target on every seed, and on inputs made from them.
pub fn around(seeds: &[Vec<u8>], usual: usize, target: impl Fn(&[u8])) {
    seeds.iter().for_each(|seed| target(seed));
    let mut dice = Dice::new(seeds.len() as u64);
    for _ in 0..times(usual) {
        let mut input = seeds[dice.below(seeds.len())].clone();
        let other = &seeds[dice.below(seeds.len())];
        mutate(&mut input, other, &mut dice);
        target(&input);
    }
}

/// What frames hold.
pub type Contents = Vec<(FrameKind, Vec<u8>)>;

/// A body's frames as they are inside; what cannot be read is left out.
pub fn unpacked(body: &[u8]) -> Contents {
    Frames::new(body).flatten().collect()
}

/// A frame that is stored, whatever is in it; cut where a length would not fit.
pub fn stored(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    let payload = &payload[..payload.len().min(usize::from(u16::MAX))];
    out.reserve(payload.len() + FRAME_HEAD_BYTES);
    out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    out.extend_from_slice(&[kind, 0]);
    out.extend_from_slice(payload);
}

/// [`around`] for bodies behind one byte of flags: frames are changed inside, dropped, doubled and exchanged, and their
/// lengths stay right, so that what is changed is also read.
pub fn around_bodies(seeds: &[Vec<u8>], usual: usize, target: impl Fn(&[u8])) {
    seeds.iter().for_each(|seed| target(seed));
    let bodies: Vec<(u8, Contents)> =
        seeds.iter().filter_map(|seed| Some((*seed.first()?, unpacked(&seed[1..])))).collect();
    let pool: Contents = bodies.iter().flat_map(|(_, frames)| frames.clone()).collect();
    let mut dice = Dice::new(seeds.len() as u64);
    for _ in 0..times(usual) {
        let (mut flags, mut frames) = bodies[dice.below(bodies.len())].clone();
        for _ in 0..=dice.below(3) {
            let (at, to) = (dice.below(frames.len()), dice.below(frames.len()));
            match dice.below(10) {
                0 if !frames.is_empty() => drop(frames.remove(at)),
                1 if !frames.is_empty() => frames.insert(to, frames[at].clone()),
                2 if !frames.is_empty() => frames.swap(at, to),
                3 => frames.insert(to, pool[dice.below(pool.len())].clone()),
                4 => flags ^= 1 << dice.below(8),
                _ if !frames.is_empty() => mutate(&mut frames[at].1, &pool[dice.below(pool.len())].1, &mut dice),
                _ => {}
            }
        }
        let mut input = vec![flags];
        frames.iter().for_each(|(kind, payload)| stored(kind.code(), payload, &mut input));
        target(&input);
    }
}
