//! Telephone numbers of Việt Nam as people write them, and the masks under which names and numbers are shown.
//!
//! Source: docs/GLOSSARY.md, "Names and text" and "Masking".

use unicode_normalization::UnicodeNormalization;

/// Why something typed is no telephone number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PhoneFault {
    /// Nothing but separators.
    #[error("no digits")]
    Empty,
    /// Something other than digits, spaces, dots, dashes and a leading plus sign.
    #[error("a character that no telephone number has")]
    BadCharacter,
    /// Begins neither with 0 nor with the country code 84.
    #[error("begins neither with 0 nor with 84")]
    BadPrefix,
    /// Fewer digits than any number has.
    #[error("too few digits")]
    TooShort,
    /// More digits than the longest number of its kind has.
    #[error("too many digits")]
    TooLong,
}

impl PhoneFault {
    /// Stable code for the wire and for screens.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "phone_empty",
            Self::BadCharacter => "phone_bad_character",
            Self::BadPrefix => "phone_bad_prefix",
            Self::TooShort => "phone_too_short",
            Self::TooLong => "phone_too_long",
        }
    }
}

/// Brings a number into the one form that is kept: `0` and 9 digits; landlines (`02…`) may have 10.
///
/// Accepts +84, 84 or 0 in front, and spaces, dots and dashes anywhere. An unknown prefix is no fault: see
/// [`prefix_known`].
///
/// # Errors
/// A [`PhoneFault`]; the number itself is never part of it.
pub fn normalise(text: &str) -> Result<String, PhoneFault> {
    let mut digits = String::new();
    let mut international = false;
    for c in text.trim().chars() {
        match c {
            '0'..='9' => digits.push(c),
            '+' if digits.is_empty() && !international => international = true,
            ' ' | '\u{a0}' | '.' | '-' | '\u{2010}'..='\u{2013}' => {}
            _ => return Err(PhoneFault::BadCharacter),
        }
    }
    if digits.is_empty() {
        return Err(PhoneFault::Empty);
    }
    let national = match digits.strip_prefix("84") {
        // "+84 0912…" is a common slip: the trunk zero belongs to the national form only.
        Some(rest) => rest.strip_prefix('0').unwrap_or(rest),
        None if international => return Err(PhoneFault::BadPrefix),
        None => digits.strip_prefix('0').ok_or(PhoneFault::BadPrefix)?,
    };
    if national.starts_with('0') {
        return Err(PhoneFault::BadPrefix);
    }
    let longest = if national.starts_with('2') { 10 } else { 9 };
    match national.len() {
        0..=8 => Err(PhoneFault::TooShort),
        n if n > longest => Err(PhoneFault::TooLong),
        _ => Ok(format!("0{national}")),
    }
}

/// Says whether a number begins like one in use: 03, 05, 07, 08, 09 for mobiles, 02 for landlines.
///
/// For a warning only: prefixes change, and a number that people use must not be refused for them.
pub fn prefix_known(text: &str) -> bool {
    normalise(text)
        .is_ok_and(|number| ["02", "03", "05", "07", "08", "09"].iter().any(|prefix| number.starts_with(prefix)))
}

/// Hides the middle of a normalised number: the first three and the last two digits stay. Anything shorter than seven
/// characters is hidden whole.
pub fn mask(number: &str) -> String {
    let length = number.chars().count();
    let hidden = |at: usize| length < 7 || (at >= 3 && at + 2 < length);
    number.chars().enumerate().map(|(at, c)| if hidden(at) { '•' } else { c }).collect()
}

/// Shortens a name to the family name and initials: "Giàng A Páo" becomes "Giàng A. P.". A single word stays.
pub fn mask_name(name: &str) -> String {
    let composed: String = name.nfc().collect();
    let mut words = composed.split_whitespace();
    let mut masked = words.next().unwrap_or_default().to_owned();
    for initial in words.filter_map(|word| word.chars().next()) {
        masked.push(' ');
        masked.extend(initial.to_uppercase());
        masked.push('.');
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ways_of_writing_one_number_give_one_number() {
        for text in [
            "0912345678",
            "+84912345678",
            "84912345678",
            "+84 912 345 678",
            "0912.345.678",
            " 0912-345-678 ",
            "+84 0912 345 678",
        ] {
            assert_eq!(normalise(text).as_deref(), Ok("0912345678"), "{text}");
        }
        // A mobile number may itself begin with 084.
        assert_eq!(normalise("0841234567").as_deref(), Ok("0841234567"));
    }

    #[test]
    fn landlines_may_have_one_digit_more() {
        assert_eq!(normalise("024 3825 1234").as_deref(), Ok("02438251234"));
        assert_eq!(normalise("+84 24 3825 1234").as_deref(), Ok("02438251234"));
        assert_eq!(normalise("0216 385 123").as_deref(), Ok("0216385123"));
        assert_eq!(normalise("09123456789"), Err(PhoneFault::TooLong));
    }

    #[test]
    fn what_is_no_number_is_refused_with_its_reason() {
        for (text, fault) in [
            ("", PhoneFault::Empty),
            (" - ", PhoneFault::Empty),
            ("091234567", PhoneFault::TooShort),
            ("8491234567", PhoneFault::TooShort),
            ("024382512345", PhoneFault::TooLong),
            ("912345678", PhoneFault::BadPrefix),
            ("+1 912345678", PhoneFault::BadPrefix),
            ("00912345678", PhoneFault::BadPrefix),
            ("09123x5678", PhoneFault::BadCharacter),
            ("0912+345678", PhoneFault::BadCharacter),
        ] {
            assert_eq!(normalise(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn an_unknown_prefix_is_kept_and_only_warned_about() {
        for known in ["0312345678", "0512345678", "0712345678", "0812345678", "0912345678", "02438251234"] {
            assert!(prefix_known(known), "{known}");
        }
        for unknown in ["0112345678", "0412345678", "0612345678", "not a number"] {
            assert!(!prefix_known(unknown), "{unknown}");
        }
        assert_eq!(normalise("0612345678").as_deref(), Ok("0612345678"));
    }

    #[test]
    fn masks_leave_what_the_rules_allow() {
        assert_eq!(mask("0912345678"), "091•••••78");
        assert_eq!(mask("02438251234"), "024••••••34");
        assert_eq!(mask("113"), "•••");
        assert_eq!(mask_name("Giàng A Páo"), "Giàng A. P.");
        assert_eq!(mask_name("  Đặng   thị  đào "), "Đặng T. Đ.");
        assert_eq!(mask_name("Páo"), "Páo");
        assert_eq!(mask_name(""), "");
    }

    proptest! {
        #[test]
        fn normalising_is_stable_and_never_panics(text in "\\PC{0,30}|[+0-9 .-]{0,16}") {
            if let Ok(number) = normalise(&text) {
                prop_assert_eq!(normalise(&number), Ok(number.clone()));
                prop_assert!(number.len() == 10 || (number.len() == 11 && number.starts_with("02")));
            }
            mask(&text);
            mask_name(&text);
            prefix_known(&text);
        }
    }
}
