//! Choices that the seed makes: SplitMix64, which is plenty for choosing when to do harm.

/// A row of numbers that a seed gives.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The row of a seed, and of whom it is drawn for.
    pub(crate) fn new(seed: u64, whom: u64) -> Self {
        let mut chance = Self(seed ^ whom.wrapping_mul(0xd6e8_feb8_6659_fd93));
        chance.draw();
        chance
    }

    /// The next number.
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `from` up to `to`, without `to`.
    pub(crate) fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.draw() % (to - from).max(1)
    }

    /// A place in a list of so many.
    pub(crate) fn place(&mut self, len: usize) -> usize {
        self.within(0, len as u64) as usize
    }

    /// Yes, so many times in a hundred.
    pub(crate) fn yes(&mut self, percent: u64) -> bool {
        self.within(0, 100) < percent
    }
}
