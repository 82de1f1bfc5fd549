//! Exact fractions, so that a share compares the same on every machine.

use std::cmp::Ordering;

use crate::catalogue::{Decimal, Lang};
use crate::cbor::{Cbor, Malformed};

/// A fraction in lowest terms with a positive denominator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fraction {
    num: i128,
    den: i128,
}

impl Fraction {
    /// Nothing.
    pub const ZERO: Self = Self { num: 0, den: 1 };
    /// The whole.
    pub const ONE: Self = Self { num: 1, den: 1 };

    /// `num / den`; `None` when `den` is 0.
    pub fn new(num: i128, den: i128) -> Option<Self> {
        let divisor = gcd(num.unsigned_abs(), den.unsigned_abs());
        // Only the least number of i128 does not fit, and no sum comes near it.
        let divisor = i128::try_from(divisor).ok().filter(|_| den != 0)? * den.signum();
        Some(Self { num: num / divisor, den: den / divisor })
    }

    /// A whole number.
    pub fn whole(number: i128) -> Self {
        Self { num: number, den: 1 }
    }

    /// Above the line.
    pub fn num(self) -> i128 {
        self.num
    }

    /// Below the line; at least 1.
    pub fn den(self) -> i128 {
        self.den
    }

    /// Exact product; saturates where it does not fit.
    pub fn times(self, other: Self) -> Self {
        let (left, right) = (Self::new(self.num, other.den), Self::new(other.num, self.den));
        let (Some(left), Some(right)) = (left, right) else { return Self::ZERO };
        Self { num: left.num.saturating_mul(right.num), den: left.den.saturating_mul(right.den) }
    }

    /// Exact quotient; `None` when `other` is 0.
    pub fn over(self, other: Self) -> Option<Self> {
        Some(self.times(Self::new(other.den, other.num)?))
    }

    /// A count of so many parts of one, rounded down.
    pub fn floor_parts(self, parts: i128) -> i128 {
        self.num.saturating_mul(parts).div_euclid(self.den)
    }

    /// A count of so many parts of one, halves upwards.
    pub fn round_parts(self, parts: i128) -> i128 {
        (self.num.saturating_mul(parts).saturating_mul(2).saturating_add(self.den))
            .div_euclid(self.den.saturating_mul(2))
    }

    /// As it is kept: always `num/den`.
    fn written(self) -> String {
        format!("{}/{}", self.num, self.den)
    }

    /// For people: at most two decimals, halves upwards, with the marks of the language.
    pub fn spelled(self, lang: Lang) -> String {
        let hundredths = self.round_parts(100);
        let sign = if hundredths < 0 { "-" } else { "" };
        let (whole, rest) = (hundredths.unsigned_abs() / 100, hundredths.unsigned_abs() % 100);
        let plain = format!("{sign}{whole}.{rest:02}");
        Decimal::parse(&plain).map_or(plain, |decimal| decimal.spelled(lang))
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl From<Decimal> for Fraction {
    fn from(decimal: Decimal) -> Self {
        Self::new(decimal.rounded(9), 1_000_000_000).unwrap_or(Self::ZERO)
    }
}

impl Ord for Fraction {
    /// By the whole parts, then by what remains turned upside down: nothing is multiplied, so nothing overflows.
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut left, mut right, mut turned) = (*self, *other, false);
        loop {
            let whole = left.num.div_euclid(left.den).cmp(&right.num.div_euclid(right.den));
            let rests = (left.num.rem_euclid(left.den), right.num.rem_euclid(right.den));
            let found = match (whole, rests) {
                (Ordering::Equal, (0, _) | (_, 0)) => rests.0.cmp(&rests.1),
                (Ordering::Equal, (left_rest, right_rest)) => {
                    left = Self { num: left.den, den: left_rest };
                    right = Self { num: right.den, den: right_rest };
                    turned = !turned;
                    continue;
                }
                (decided, _) => decided,
            };
            return if turned { found.reverse() } else { found };
        }
    }
}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Exact: a whole number, or `num/den`.
impl std::fmt::Display for Fraction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.den == 1 { write!(f, "{}", self.num) } else { write!(f, "{}/{}", self.num, self.den) }
    }
}

/// As the text `num/den` in lowest terms: counts may exceed what an integer of the encoding holds.
impl Cbor for Fraction {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        self.written().to_cbor(out);
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        let text = String::from_cbor(bytes)?;
        let (num, den) = text.split_once('/').ok_or(Malformed::WrongShape)?;
        let number = |text: &str| text.parse::<i128>().map_err(|_| Malformed::WrongShape);
        let read = Self::new(number(num)?, number(den)?).ok_or(Malformed::WrongShape)?;
        if read.written() == text { Ok(read) } else { Err(Malformed::NotDeterministic) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fraction(num: i128, den: i128) -> Fraction {
        Fraction::new(num, den).unwrap()
    }

    #[test]
    fn comparing_is_exact_where_products_would_overflow() {
        let huge = i128::MAX / 2;
        assert!(fraction(huge, huge - 1) > fraction(huge + 1, huge));
        assert!(fraction(1, 3) < fraction(333_334, 1_000_000));
        assert!(fraction(-1, 2) < fraction(-1, 3));
        assert_eq!(fraction(2, 4).cmp(&fraction(-1, -2)), Ordering::Equal);
        assert_eq!(Fraction::new(1, 0), None);
    }

    #[test]
    fn people_read_two_decimals_with_the_marks_of_their_language() {
        assert_eq!(fraction(200, 3).spelled(Lang::Vi), "66,67");
        assert_eq!(fraction(219_238, 1).spelled(Lang::Vi), "219.238");
        assert_eq!(fraction(1, 8).spelled(Lang::En), "0.13");
    }

    #[test]
    fn only_lowest_terms_are_read_back() {
        assert_eq!(Fraction::from_cbor(&fraction(2, 3).cbor()), Ok(fraction(2, 3)));
        assert_eq!(Fraction::from_cbor(&"4/6".to_owned().cbor()), Err(Malformed::NotDeterministic));
        assert_eq!(Fraction::from_cbor(&"4/0".to_owned().cbor()), Err(Malformed::WrongShape));
    }
}
