//! Folding of Vietnamese names for search, and their order in lists.
//!
//! Source: docs/GLOSSARY.md, "Names and text". SQLite's own folding misses đ, so folded columns are filled from here.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The form in which names are searched: lower case, without tones and marks, đ as d, one space between words.
///
/// Precomposed and decomposed input give the same result, and so do the two ways of placing a tone (hoà, hòa).
/// Everything that is neither letter nor digit separates words. Folding twice changes nothing.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase).nfd() {
        let c = match c {
            // ð and ɖ are the lower case of two capitals that look exactly like Đ and are typed for it.
            'đ' | 'ð' | 'ɖ' => 'd',
            other => other,
        };
        if is_combining_mark(c) {
            continue;
        }
        if c.is_alphanumeric() {
            folded.push(c);
        } else if !folded.is_empty() && !folded.ends_with(' ') {
            folded.push(' ');
        }
    }
    if folded.ends_with(' ') {
        folded.pop();
    }
    folded
}

/// Says whether a typed name fits a folded one: each word typed begins some word of the target, in the same order.
///
/// So "Ng. V. Nam" and "nguyen nam" both fit "nguyen van nam". A query without letters or digits fits everything.
/// `folded_target` is a result of [`fold`]; `query` is as typed.
pub fn matches_name(query: &str, folded_target: &str) -> bool {
    let mut words = folded_target.split(' ');
    // Taking the first word that fits never spoils a later match, because only the order counts.
    fold(query).split(' ').filter(|token| !token.is_empty()).all(|token| words.any(|word| word.starts_with(token)))
}

/// The alphabet's order; f, j, w and z, which only foreign names have, keep their Latin places.
const ALPHABET: &str = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz";
/// Tones are 1 to 6, so that any word sorts before the same word with more letters.
const DIGIT_BASE: u32 = 16;
const LETTER_BASE: u32 = 32;

/// A key that sorts names in Vietnamese order when compared element by element.
///
/// Word by word as written (family, middle, given). Within a word the letters decide first
/// (a ă â b c d đ e ê g h i k l m n o ô ơ p q r s t u ư v x y, foreign letters in their Latin places), then the tone
/// (ngang, huyền, hỏi, ngã, sắc, nặng). Digits come before letters, other scripts after them; case does not count.
pub fn sort_key(name: &str) -> Vec<u32> {
    let mut key = Vec::with_capacity(name.len());
    let mut in_word = false;
    let mut tone = 1;
    let mut chars = name.chars().flat_map(char::to_lowercase).nfd().peekable();
    while let Some(base) = chars.next() {
        let mut letter = base;
        while let Some(mark) = chars.next_if(|next| is_combining_mark(*next)) {
            letter = match (letter, mark) {
                ('a', '\u{302}') => 'â',
                ('e', '\u{302}') => 'ê',
                ('o', '\u{302}') => 'ô',
                ('a', '\u{306}') => 'ă',
                ('o', '\u{31b}') => 'ơ',
                ('u', '\u{31b}') => 'ư',
                (letter, _) => letter,
            };
            tone = match mark {
                '\u{300}' => 2,
                '\u{309}' => 3,
                '\u{303}' => 4,
                '\u{301}' => 5,
                '\u{323}' => 6,
                _ => tone,
            };
        }
        if letter.is_alphanumeric() {
            key.push(weight(letter));
            in_word = true;
        } else if in_word {
            key.push(tone);
            in_word = false;
        }
        if !in_word {
            tone = 1;
        }
    }
    if in_word {
        key.push(tone);
    }
    key
}

fn weight(letter: char) -> u32 {
    let letter = if letter == 'ð' || letter == 'ɖ' { 'đ' } else { letter };
    if let Some(digit) = letter.to_digit(10) {
        return DIGIT_BASE + digit;
    }
    match (0u32..).zip(ALPHABET.chars()).find(|(_, known)| *known == letter) {
        Some((place, _)) => LETTER_BASE + place,
        // Every ASCII letter is in the alphabet: the number of any other is above its weights.
        None => u32::from(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn folding_ignores_tones_marks_case_and_the_bar_of_d() {
        assert_eq!(fold("Đặng Thị Hường"), "dang thi huong");
        assert_eq!(fold("hoà"), fold("hòa"));
        assert_eq!(fold("NGUYỄN  VĂN\tẤn"), "nguyen van an");
        assert_eq!(fold("  nhà số 12/3, mái tôn đỏ. "), "nha so 12 3 mai ton do");
        assert_eq!(fold("Ðức"), "duc", "Eth stands for Đ in old documents");
        assert_eq!(fold(" .-"), "");
    }

    #[test]
    fn abbreviated_names_fit() {
        let target = fold("Nguyễn Văn Nam");
        for query in ["Ng. V. Nam", "nguyen nam", "văn", "NGUYỄN VĂN NAM", "n n", ""] {
            assert!(matches_name(query, &target), "{query}");
        }
        for query in ["Nam Nguyễn", "nguyen van nam anh", "uyen", "nguyenvan", "n n n n"] {
            assert!(!matches_name(query, &target), "{query}");
        }
    }

    #[test]
    fn names_sort_in_vietnamese_order() {
        let ordered = [
            "0 An", "1 An", "9 An", "An", "Ba", "bà", "Bà An", "Bả", "bã", "BÁ", "bạ", "Ban", "Băng", "Bân", "Da",
            "Đa", "Em", "Êm", "Fa", "Ga", "Ja", "Ka", "Oa", "Ôn", "Ơn", "Tu", "Tư", "Uy", "Wa", "Xa", "Ya", "Za", "あ",
        ];
        let mut sorted = ordered;
        sorted.reverse();
        sorted.sort_by_key(|name| sort_key(name));
        assert_eq!(sorted, ordered);
    }

    #[test]
    fn what_is_typed_for_the_letter_with_a_bar_sorts_as_it() {
        for typed in ["Ðức", "Ɖức"] {
            assert_eq!(sort_key(typed), sort_key("Đức"), "{typed}");
        }
    }

    #[test]
    fn a_family_stays_together() {
        let mut names = ["Hồ Văn An", "Hộ Văn An", "Hồ Văn Bình", "Hố Văn An"];
        names.sort_by_key(|name| sort_key(name));
        assert_eq!(names, ["Hồ Văn An", "Hồ Văn Bình", "Hố Văn An", "Hộ Văn An"]);
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}|[\\u{0}-\\u{10ffff}]{0,20}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once.clone());
            prop_assert!(matches_name(&text, &once));
        }

        #[test]
        fn the_form_of_the_input_does_not_count(text in "\\PC{0,40}") {
            let (composed, decomposed): (String, String) = (text.nfc().collect(), text.nfd().collect());
            prop_assert_eq!(fold(&composed), fold(&decomposed));
            prop_assert_eq!(sort_key(&composed), sort_key(&decomposed));
        }
    }
}
