//! The bytes of one file, in chunks that copies share, and the log that takes unsynced writes back.

use std::sync::Arc;

use crate::random::Stream;

const CHUNK: usize = 16 * 1024;
/// What a disk writes wholly or not at all.
const SECTOR: u64 = 512;

type Chunk = [u8; CHUNK];

/// Bytes of a file. A clone shares the chunks until one side writes to them. Behind the end all bytes are zero.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    chunks: Vec<Arc<Chunk>>,
    len: u64,
}

/// Splits a range of a file at chunk boundaries: chunk, place in it, length.
fn pieces(at: u64, len: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let (mut chunk, mut place) = ((at / CHUNK as u64) as usize, (at % CHUNK as u64) as usize);
    let mut left = len;
    std::iter::from_fn(move || {
        let n = left.min(CHUNK - place);
        let piece = (left > 0).then_some((chunk, place, n));
        (chunk, place, left) = (chunk + 1, 0, left - n);
        piece
    })
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Fills the buffer from a place in the file and says how much of it the file had; the rest becomes zero.
    pub(crate) fn read(&self, at: u64, buffer: &mut [u8]) -> usize {
        let found = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX).min(buffer.len());
        let mut done = 0;
        for (chunk, place, n) in pieces(at, found) {
            buffer[done..done + n].copy_from_slice(&self.chunks[chunk][place..place + n]);
            done += n;
        }
        buffer[found..].fill(0);
        found
    }

    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) {
        let end = at + bytes.len() as u64;
        if end > self.len {
            self.set_len(end);
        }
        let mut done = 0;
        for (chunk, place, n) in pieces(at, bytes.len()) {
            Arc::make_mut(&mut self.chunks[chunk])[place..place + n].copy_from_slice(&bytes[done..done + n]);
            done += n;
        }
    }

    pub(crate) fn set_len(&mut self, len: u64) {
        let chunks = len.div_ceil(CHUNK as u64) as usize;
        if len < self.len {
            self.chunks.truncate(chunks);
            let kept = (len % CHUNK as u64) as usize;
            if kept > 0 {
                Arc::make_mut(&mut self.chunks[chunks - 1])[kept..].fill(0);
            }
        } else {
            self.chunks.resize_with(chunks, || Arc::new([0; CHUNK]));
        }
        self.len = len;
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len as usize];
        self.read(0, &mut bytes);
        bytes
    }
}

/// One unsynced change.
enum Step {
    /// `old` bytes lie in the log's buffer; where the file was shorter they are fewer than `len`.
    Write { at: u64, len: usize, old: usize, old_len: u64 },
    /// The chunks from the shorter of both lengths on, as they were. They are shared, not copied.
    Resize { from: usize, old: Vec<Arc<Chunk>>, old_len: u64, new_len: u64 },
}

/// Everything that happened to a file since it was last synced, with what was there before.
#[derive(Default)]
pub(crate) struct Undo {
    steps: Vec<Step>,
    old: Vec<u8>,
}

impl Undo {
    /// Notes what a write is about to replace.
    pub(crate) fn before_write(&mut self, content: &Content, at: u64, len: usize) {
        let old = usize::try_from(content.len.saturating_sub(at)).unwrap_or(usize::MAX).min(len);
        let start = self.old.len();
        self.old.resize(start + old, 0);
        content.read(at, &mut self.old[start..]);
        self.steps.push(Step::Write { at, len, old, old_len: content.len });
    }

    /// Notes what a change of length is about to replace.
    pub(crate) fn before_resize(&mut self, content: &Content, new_len: u64) {
        let from = (content.len.min(new_len) / CHUNK as u64) as usize;
        let old = content.chunks[from.min(content.chunks.len())..].to_vec();
        self.steps.push(Step::Resize { from, old, old_len: content.len, new_len });
    }

    /// What was written is now safe.
    pub(crate) fn clear(&mut self) {
        self.steps.clear();
        self.old.clear();
    }

    /// Takes everything back.
    pub(crate) fn lose_all(&mut self, content: &mut Content) {
        self.rewind(content);
        self.clear();
    }

    /// Takes everything back and lets by chance some of it happen all the same: a write wholly, not at all, or each
    /// sector of it for itself. Returns how many sectors were kept and lost.
    pub(crate) fn lose_some(&mut self, content: &mut Content, chance: &mut Stream) -> (u64, u64) {
        let (mut kept, mut lost) = (0, 0);
        let mut written = self.rewind(content);
        for step in &self.steps {
            match step {
                Step::Write { at, len, .. } => {
                    let bytes = written.pop().unwrap_or_default();
                    let mode = chance.next() % 4;
                    let mut done = 0;
                    while done < *len {
                        let place = at + done as u64;
                        let n = ((SECTOR - place % SECTOR) as usize).min(len - done);
                        let survives = match mode {
                            0 => true,
                            1 => false,
                            _ => chance.next().is_multiple_of(2),
                        };
                        if survives {
                            content.write(place, &bytes[done..done + n]);
                        }
                        kept += u64::from(survives);
                        lost += u64::from(!survives);
                        done += n;
                    }
                }
                Step::Resize { new_len, .. } => {
                    let survives = chance.next().is_multiple_of(2);
                    if survives {
                        content.set_len(*new_len);
                    }
                    kept += u64::from(survives);
                    lost += u64::from(!survives);
                }
            }
        }
        self.clear();
        (kept, lost)
    }

    /// Brings the file back to where it was when last synced. Returns what the writes had written, the last one first.
    fn rewind(&mut self, content: &mut Content) -> Vec<Vec<u8>> {
        let mut written = Vec::new();
        let mut end = self.old.len();
        for step in self.steps.iter().rev() {
            match step {
                Step::Write { at, len, old, old_len } => {
                    let mut bytes = vec![0; *len];
                    content.read(*at, &mut bytes);
                    written.push(bytes);
                    content.write(*at, &self.old[end - old..end]);
                    content.set_len(*old_len);
                    end -= old;
                }
                Step::Resize { from, old, old_len, .. } => {
                    content.chunks.truncate(*from);
                    content.chunks.extend_from_slice(old);
                    content.len = *old_len;
                }
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes and changes of length at places that chance chooses, noted in the log and in a plain vector.
    fn change(content: &mut Content, undo: &mut Undo, plain: &mut Vec<u8>, chance: &mut Stream) {
        let at = (chance.next() % 60_000) as usize;
        if chance.next().is_multiple_of(4) {
            undo.before_resize(content, at as u64);
            content.set_len(at as u64);
            plain.resize(at, 0);
        } else {
            let mut bytes = vec![0; (chance.next() % 20_000) as usize + 1];
            chance.fill(&mut bytes);
            undo.before_write(content, at as u64, bytes.len());
            content.write(at as u64, &bytes);
            plain.resize(plain.len().max(at + bytes.len()), 0);
            plain[at..at + bytes.len()].copy_from_slice(&bytes);
        }
    }

    #[test]
    fn everything_can_be_taken_back() {
        for seed in 0..300 {
            let (mut content, mut undo, mut plain) = (Content::default(), Undo::default(), Vec::new());
            let mut chance = Stream::new(seed);
            for _ in 0..4 {
                change(&mut content, &mut undo, &mut plain, &mut chance);
            }
            undo.clear();
            let (synced, old) = (content.clone(), plain.clone());
            for _ in 0..6 {
                change(&mut content, &mut undo, &mut plain, &mut chance);
                assert!(content.to_vec() == plain);
            }
            assert!(synced.to_vec() == old, "a copy does not change with the file");
            undo.lose_all(&mut content);
            assert!(content == synced);
            undo.lose_all(&mut content);
            assert!(content == synced);
        }
    }

    #[test]
    fn sectors_are_kept_or_lost_each_for_itself() {
        let (mut torn, mut whole, mut none) = (0, 0, 0);
        for seed in 0..200 {
            let (mut content, mut undo) = (Content::default(), Undo::default());
            content.write(0, &[1; 8192]);
            undo.before_write(&content, 100, 4096);
            content.write(100, &[2; 4096]);
            let (kept, lost) = undo.lose_some(&mut content, &mut Stream::new(seed));
            assert_eq!(kept + lost, 9);
            let bytes = content.to_vec();
            assert!(bytes[..100].iter().chain(&bytes[4196..]).all(|byte| *byte == 1));
            assert!(bytes.len() == 8192 && bytes[100..4196].chunk_by(|a, b| a == b).count() <= 9);
            // A sector is of one kind, and the counts say how many are of which.
            let places = (0..9).map(|sector| (sector * 512).max(100)..((sector + 1) * 512).min(4196));
            let new = places.map(|place| {
                assert!(bytes[place.clone()].iter().all(|byte| *byte == bytes[place.start]));
                u64::from(bytes[place.start] == 2)
            });
            assert_eq!(new.sum::<u64>(), kept);
            whole += u64::from(lost == 0);
            none += u64::from(kept == 0);
            torn += u64::from(kept > 0 && lost > 0);
        }
        assert!(torn > 20 && whole > 20 && none > 20, "{torn} torn, {whole} whole, {none} not at all");
    }
}
