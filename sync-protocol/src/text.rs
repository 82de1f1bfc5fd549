//! What text may be: its form, its length, and the numbers that free text must not contain.
//!
//! Source: docs/SECURITY.md, "Input limits" and "Never stored".

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::phone_number;

/// What one text field allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TextLimit {
    /// Unicode characters (scalar values of the NFC form), not bytes.
    pub max_chars: usize,
    /// Whether line breaks (U+000A) are allowed, as in notes.
    pub newline: bool,
}

impl TextLimit {
    /// Names and other short answers that set no limit of their own.
    pub const NAME: Self = Self { max_chars: 120, newline: false };
    /// Notes that set no limit of their own.
    pub const NOTE: Self = Self { max_chars: 2_000, newline: true };
}

/// Why a text is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TextFault {
    /// More characters than the field allows.
    #[error("too many characters")]
    TooLong,
    /// Contains NUL or another control character, or a line break where none is allowed.
    #[error("a control character")]
    Control,
    /// Contains a character that turns the reading direction round (U+202A to U+202E, U+2066 to U+2069).
    #[error("a character that changes the reading direction")]
    Bidi,
    /// Contains a character without width (U+200B to U+200D, U+FEFF).
    #[error("an invisible character")]
    ZeroWidth,
    /// Not in normalisation form C.
    #[error("not in normalisation form C")]
    NotNfc,
    /// Begins or ends with white space.
    #[error("white space at an end")]
    NotTrimmed,
}

impl TextFault {
    /// Stable code for the wire and for screens.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Control => "control_character",
            Self::Bidi => "bidi_control",
            Self::ZeroWidth => "zero_width",
            Self::NotNfc => "not_nfc",
            Self::NotTrimmed => "not_trimmed",
        }
    }
}

/// Checks a text against its limit. Never changes it: what arrives from outside is taken or refused, not repaired.
///
/// # Errors
/// The first [`TextFault`] found.
pub fn check_text(text: &str, limit: TextLimit) -> Result<(), TextFault> {
    // No character takes more than four bytes, so this bounds the work on hostile input.
    if text.len() > limit.max_chars.saturating_mul(4) || text.chars().count() > limit.max_chars {
        return Err(TextFault::TooLong);
    }
    for c in text.chars() {
        match c {
            '\n' if limit.newline => {}
            '\u{2028}' | '\u{2029}' => return Err(TextFault::Control),
            c if c.is_control() => return Err(TextFault::Control),
            c if is_bidi(c) => return Err(TextFault::Bidi),
            c if is_zero_width(c) => return Err(TextFault::ZeroWidth),
            _ => {}
        }
    }
    if !is_nfc(text) {
        return Err(TextFault::NotNfc);
    }
    if text.trim() != text { Err(TextFault::NotTrimmed) } else { Ok(()) }
}

/// What the phone does to one typed line: NFC, no invisible characters, runs of white space as one space, trimmed.
///
/// The result passes [`check_text`] unless it is too long. Cleaning twice changes nothing.
pub fn clean(text: &str) -> String {
    let visible: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !is_bidi(*c) && !is_zero_width(*c))
        .collect();
    let mut joined = String::with_capacity(visible.len());
    for word in visible.split(' ').filter(|word| !word.is_empty()) {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(word);
    }
    joined.nfc().collect()
}

/// [`clean`] for notes: line breaks stay, each line is cleaned, empty lines at both ends go.
pub fn clean_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(clean).collect();
    lines.join("\n").trim().to_owned()
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_zero_width(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200d}' | '\u{feff}')
}

/// What a number in free text looks like.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForbiddenKind {
    /// Twelve digits: a personal number.
    #[serde(rename = "id_number_12")]
    IdNumber12,
    /// Nine digits: an identity card of the old kind.
    #[serde(rename = "id_number_9")]
    IdNumber9,
    /// A telephone number.
    PhoneNumber,
    /// Eight digits or more: an account, a card or a customer number.
    AccountLike,
}

impl ForbiddenKind {
    /// Stable code for the wire and for screens.
    pub fn code(self) -> &'static str {
        match self {
            Self::IdNumber12 => "id_number_12",
            Self::IdNumber9 => "id_number_9",
            Self::PhoneNumber => "phone_number",
            Self::AccountLike => "account_like",
        }
    }
}

/// A number that must be taken out of a text before it is saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ForbiddenNumber {
    /// First byte of the number in the text.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// What it looks like.
    pub kind: ForbiddenKind,
}

/// Finds the numbers that free text must not contain, in the order of the text and without overlaps.
///
/// Digits may be divided by spaces, dots and dashes. Amounts (`1.234.000 đ`, `150000`), dates (`14/11/2026`,
/// `2026-11-14`) and spans of years are let pass. In doubt a number is reported: a person can reword a note, but cannot
/// call back a personal number that has been synchronised.
///
/// Source: the catalogue's sensitivity `free_text`.
pub fn forbidden_numbers(text: &str) -> Vec<ForbiddenNumber> {
    let mut groups = digit_groups(text);
    mark_dates(text, &mut groups);
    let mut found = Vec::new();
    let mut first = 0;
    while first < groups.len() {
        let chain = chain_length(text, &groups[first..]);
        search_chain(text, &groups[first..first + chain], &mut found);
        first += chain;
    }
    found
}

/// A run of digits without anything between them.
struct Group {
    start: usize,
    end: usize,
    digits: String,
    /// Directly behind a plus sign.
    plus: bool,
    /// Part of a date or of a span of years.
    date: bool,
}

impl Group {
    fn len(&self) -> usize {
        self.digits.len()
    }
    fn leads_with_zero(&self) -> bool {
        self.digits.starts_with('0')
    }
    fn number(&self) -> u32 {
        if self.len() <= 4 { self.digits.parse().unwrap_or(u32::MAX) } else { u32::MAX }
    }
    fn is_year(&self) -> bool {
        self.len() == 4 && (1900..2100).contains(&self.number())
    }
    fn is_month(&self) -> bool {
        self.len() <= 2 && (1..=12).contains(&self.number())
    }
    fn is_day(&self) -> bool {
        self.len() <= 2 && (1..=31).contains(&self.number())
    }
    /// Whole thousands, as people write amounts without dots.
    fn is_round(&self) -> bool {
        self.len() >= 5 && !self.leads_with_zero() && self.digits.ends_with("000")
    }
}

/// Longest run of digits that is looked at as one number; a longer one is reported as it is.
const DIGITS_MAX: usize = 20;

fn digit_groups(text: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let digit = match c {
            '0'..='9' => Some(c),
            // Full-width digits, from some keyboards.
            '\u{ff10}'..='\u{ff19}' => char::from_digit(u32::from(c) - 0xff10, 10),
            _ => None,
        };
        if let Some(digit) = digit {
            match groups.last_mut() {
                Some(group) if group.end == at => {
                    group.end = at + c.len_utf8();
                    group.digits.push(digit);
                }
                _ => groups.push(Group {
                    start: at,
                    end: at + c.len_utf8(),
                    digits: digit.to_string(),
                    plus: before == '+',
                    date: false,
                }),
            }
        }
        before = c;
    }
    groups
}

fn between<'a>(text: &'a str, left: &Group, right: &Group) -> &'a str {
    text.get(left.end..right.start).unwrap_or("")
}

/// Whether what stands between two groups may stand inside one number.
fn links(gap: &str) -> bool {
    gap.chars().count() <= 3
        && gap.chars().all(|c| matches!(c, ' ' | '\u{a0}' | '.' | '-' | '\u{2010}'..='\u{2014}' | '(' | ')'))
}

fn is_tight(gap: &str) -> bool {
    links(gap) && !gap.contains([' ', '\u{a0}'])
}

fn mark_dates(text: &str, groups: &mut [Group]) {
    let date_mark = |gap: &str| matches!(gap, "/" | "-" | ".");
    let mut at = 0;
    while at < groups.len() {
        let gap = |offset: usize| match (groups.get(at + offset), groups.get(at + offset + 1)) {
            (Some(left), Some(right)) => between(text, left, right),
            _ => "\n",
        };
        // A dash or dot with more digits on either side makes it part of something longer.
        let clear_before = at == 0 || groups[at - 1].date || !date_mark(between(text, &groups[at - 1], &groups[at]));
        let clear_after = |length: usize| !date_mark(gap(length - 1));
        let length = match &groups[at..] {
            [day, month, year, ..]
                if day.is_day() && month.is_month() && year.is_year() && date_mark(gap(0)) && gap(0) == gap(1) =>
            {
                3
            }
            [year, month, day, ..]
                if year.is_year() && month.is_month() && day.is_day() && date_mark(gap(0)) && gap(0) == gap(1) =>
            {
                3
            }
            [month, year, ..] if month.is_month() && year.is_year() && date_mark(gap(0)) => 2,
            [from, to, ..] if from.is_year() && to.is_year() && matches!(gap(0).trim(), "-" | "–" | "/") => 2,
            _ => 0,
        };
        if length > 0 && clear_before && clear_after(length) {
            groups[at..at + length].iter_mut().for_each(|group| group.date = true);
            at += length;
        } else {
            at += 1;
        }
    }
}

/// How many of the first groups may belong to one number; at least one.
fn chain_length(text: &str, groups: &[Group]) -> usize {
    let linked = groups
        .windows(2)
        .take_while(|pair| !pair[0].date && !pair[1].date && !pair[1].plus && links(between(text, &pair[0], &pair[1])));
    1 + linked.count()
}

fn search_chain(text: &str, chain: &[Group], found: &mut Vec<ForbiddenNumber>) {
    let mut first = 0;
    while first < chain.len() {
        let last = (first..chain.len()).take_while(|last| digits_in(&chain[first..=*last]) <= DIGITS_MAX).last();
        let ends = || (first..=last.unwrap_or(first)).rev();
        if chain[first].date {
            first += 1;
            continue;
        }
        if let Some(end) = ends().find(|end| {
            // More digits behind a dot belong to the same number.
            let goes_on = chain.get(end + 1).is_some_and(|next| between(text, &chain[*end], next) == ".");
            !goes_on && is_amount(text, &chain[first..=*end])
        }) {
            first = end + 1;
            continue;
        }
        // The longest number that begins here; a card number may begin like a personal one.
        let pick = ends().find_map(|end| {
            let window = &chain[first..=end];
            identifier(text, window).or_else(|| account(text, window)).map(|kind| (end, kind))
        });
        match pick {
            Some((end, kind)) => {
                let start = chain[first].start - usize::from(chain[first].plus);
                found.push(ForbiddenNumber { start, end: chain[end].end, kind });
                first = end + 1;
            }
            None => first += 1,
        }
    }
}

fn digits_in(window: &[Group]) -> usize {
    window.iter().map(Group::len).sum()
}

fn gaps<'a>(text: &'a str, window: &'a [Group]) -> impl Iterator<Item = &'a str> {
    window.windows(2).map(|pair| between(text, &pair[0], &pair[1]))
}

/// One to three digits and then threes: how thousands are grouped.
fn is_in_thousands(window: &[Group]) -> bool {
    match window {
        [head, tail @ ..] if !tail.is_empty() => {
            head.len() <= 3 && !head.leads_with_zero() && tail.iter().all(|group| group.len() == 3)
        }
        _ => false,
    }
}

/// An amount of money or another quantity, by its currency, its dots or its zeros.
fn is_amount(text: &str, window: &[Group]) -> bool {
    let Some((head, last)) = window.first().zip(window.last()) else { return false };
    if head.leads_with_zero() || head.plus {
        return false;
    }
    let digits = digits_in(window);
    let grouped = is_in_thousands(window) && gaps(text, window).all(|gap| matches!(gap, "." | " " | "\u{a0}"));
    if (window.len() == 1 || grouped) && currency_follows(text.get(last.end..).unwrap_or("")) {
        return true;
    }
    if window.len() == 1 {
        // Nine digits may be an old identity card, so they need more zeros to pass; twelve never pass.
        let zeros = head.digits.len() - head.digits.trim_end_matches('0').len();
        return match digits {
            0..=7 | 13.. => false,
            9 => zeros >= 5,
            12 => false,
            _ => zeros >= 4,
        };
    }
    let dotted = grouped && gaps(text, window).all(|gap| gap == ".");
    let phone = phone_number::normalise(&joined(window)).is_ok();
    dotted && !phone && !matches!(digits, 9 | 12)
}

fn currency_follows(rest: &str) -> bool {
    let rest = rest.trim_start_matches([' ', '\u{a0}']);
    if rest.starts_with('₫') {
        return true;
    }
    let word: String = rest.chars().take_while(|c| c.is_alphabetic()).flat_map(char::to_lowercase).nfc().collect();
    matches!(
        word.as_str(),
        "đ" | "đồng" | "dong" | "vnd" | "vnđ" | "triệu" | "tr" | "nghìn" | "ngàn" | "tỷ" | "tỉ" | "kg"
    )
}

fn joined(window: &[Group]) -> String {
    window.iter().map(|group| group.digits.as_str()).collect()
}

/// Telephone numbers and the two kinds of personal number.
fn identifier(text: &str, window: &[Group]) -> Option<ForbiddenKind> {
    let head = window.first()?;
    let digits = joined(window);
    let country = head.plus || (digits.starts_with("84") && digits.len() == 11);
    if (country || head.leads_with_zero()) && phone_number::prefix_known(&digits) {
        return Some(ForbiddenKind::PhoneNumber);
    }
    let kind = match digits.len() {
        12 => ForbiddenKind::IdNumber12,
        9 => ForbiddenKind::IdNumber9,
        _ => return None,
    };
    if window.len() == 1 {
        return Some(kind);
    }
    // A long run is a number of its own, whatever stands beside it.
    if window.iter().any(|group| group.len() >= 8) || window.iter().all(Group::is_year) {
        return None;
    }
    if head.leads_with_zero() {
        return Some(kind);
    }
    let listed = window.iter().all(|group| !group.leads_with_zero() && group.digits.ends_with('0'));
    let holds_amount = window.iter().any(Group::is_round)
        || (0..window.len()).any(|from| {
            (from + 2..=window.len()).any(|to| {
                to - from < window.len()
                    && is_in_thousands(&window[from..to])
                    && window[to - 1].digits == "000"
                    && gaps(text, &window[from..to]).all(|gap| gap == ".")
            })
        });
    if listed || holds_amount {
        return None;
    }
    let tight = gaps(text, window).all(is_tight);
    let (last, others) = window.split_last()?;
    let even = others.iter().all(|group| group.len() >= 3) || window.iter().all(|group| group.len() == 1);
    (tight || even || last.len() >= 5 || others.iter().any(|group| group.len() >= 5)).then_some(kind)
}

/// Accounts, cards and the like: eight digits in one run or between tight separators, ten with spaces.
fn account(text: &str, window: &[Group]) -> Option<ForbiddenKind> {
    let digits = digits_in(window);
    let (last, others) = window.split_last()?;
    if others.is_empty() {
        return (last.len() >= 8).then_some(ForbiddenKind::AccountLike);
    }
    let least = if gaps(text, window).all(is_tight) { 8 } else { 10 };
    let first_gap = gaps(text, window).next()?;
    let is_number = digits >= least
        && gaps(text, window).all(|gap| gap == first_gap)
        && others.iter().all(|group| (3..8).contains(&group.len()))
        && last.len() < 8
        && !window.iter().any(Group::is_round)
        && !window.iter().all(Group::is_year)
        && !window.iter().all(|group| !group.leads_with_zero() && group.digits.ends_with('0'));
    is_number.then_some(ForbiddenKind::AccountLike)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: TextLimit = TextLimit { max_chars: 10, newline: false };

    #[test]
    fn only_plain_composed_trimmed_text_passes() {
        assert_eq!(check_text("Giàng A Pá", LIMIT), Ok(()));
        assert_eq!(check_text("", LIMIT), Ok(()));
        for (text, fault) in [
            ("Giàng A Páo", TextFault::TooLong),
            ("a\0b", TextFault::Control),
            ("a\u{7f}b", TextFault::Control),
            ("a\u{85}b", TextFault::Control),
            ("a\nb", TextFault::Control),
            ("a\u{2028}b", TextFault::Control),
            ("a\u{202e}b", TextFault::Bidi),
            ("a\u{2066}b", TextFault::Bidi),
            ("a\u{200b}b", TextFault::ZeroWidth),
            ("a\u{200d}b", TextFault::ZeroWidth),
            ("\u{feff}ab", TextFault::ZeroWidth),
            ("Pa\u{301}o", TextFault::NotNfc),
            (" ab", TextFault::NotTrimmed),
            ("ab\u{a0}", TextFault::NotTrimmed),
        ] {
            assert_eq!(check_text(text, LIMIT), Err(fault), "{text:?}");
        }
        assert_eq!(check_text("a\nb", TextLimit { newline: true, ..LIMIT }), Ok(()));
        assert_eq!(check_text("a\tb", TextLimit { newline: true, ..LIMIT }), Err(TextFault::Control));
    }

    #[test]
    fn cleaning_makes_typed_text_acceptable() {
        assert_eq!(clean("  Nha\u{300}  đầu\tsuối\u{200b}\r\n "), "Nhà đầu suối");
        assert_eq!(clean("a\u{200d}\u{301}"), "á", "joiners go before composing");
        assert_eq!(clean_lines(" một \r\n\n  hai  ba \n"), "một\n\nhai ba");
    }

    fn kinds(text: &str) -> Vec<(&str, ForbiddenKind)> {
        forbidden_numbers(text).into_iter().map(|found| (&text[found.start..found.end], found.kind)).collect()
    }

    #[test]
    fn personal_numbers_are_found_however_they_are_divided() {
        use ForbiddenKind::{IdNumber9, IdNumber12};
        for number in [
            "001099001234",
            "001 099 001 234",
            "001.099.001.234",
            "001-099-001-234",
            "0010 9900 1234",
            "0 0 1 0 9 9 0 0 1 2 3 4",
            "00-1099.001 234",
            "00-11-2026-1234",
            "123456789012",
            "123 456 789 012",
            "123.456.789.012",
            "１２３４５６７８９０１２",
        ] {
            assert_eq!(kinds(&format!("Số căn cước {number}, đã báo")), [(number, IdNumber12)], "{number}");
        }
        for number in
            ["082123456", "082 123 456", "123.456.789", "123456789", "123-456-789", "12-3456789", "12 3456789"]
        {
            assert_eq!(kinds(&format!("CMND {number}.")), [(number, IdNumber9)], "{number}");
        }
    }

    #[test]
    fn telephone_numbers_are_found_however_they_are_written() {
        for number in [
            "0912345678",
            "0912 345 678",
            "0912.345.678",
            "0912-345-678",
            "09 12 34 56 78",
            "+84912345678",
            "+84 912 345 678",
            "84912345678",
            "84.912.345.678",
            "024 3825 1234",
        ] {
            let text = format!("Gọi cho chị Mai {number} nhé");
            assert_eq!(kinds(&text), [(number, ForbiddenKind::PhoneNumber)], "{number}");
        }
        // A number beside another one does not hide it.
        assert_eq!(kinds("nhà 2 0912345678"), [("0912345678", ForbiddenKind::PhoneNumber)]);
    }

    #[test]
    fn account_numbers_are_found() {
        for number in
            ["12345678", "19036789012345", "9704 1234 5678 9012", "9704-1234-5678-9012", "1234567890123456789012345"]
        {
            assert_eq!(kinds(&format!("tài khoản {number} ở xã")), [(number, ForbiddenKind::AccountLike)], "{number}");
        }
    }

    #[test]
    fn two_numbers_are_reported_apart() {
        let text = "0912345678 và 001099001234";
        let expected = [("0912345678", ForbiddenKind::PhoneNumber), ("001099001234", ForbiddenKind::IdNumber12)];
        assert_eq!(kinds(text), expected);
    }

    #[test]
    fn amounts_dates_and_counts_pass() {
        for text in [
            "1.234.000 đ",
            "150000",
            "150.000 - 200.000",
            "150000 200000",
            "12.345.678 đồng",
            "giá 123.456.789 đ",
            "150000000 đ",
            "150 000 000 đồng",
            "15000000",
            "250000000",
            "1.234.567.890",
            "14/11/2026",
            "2026-11-14",
            "14-11-2026",
            "14.11.2026",
            "ngày 2026-11-14 150000",
            "14/11/2026 150000",
            "giai đoạn 2025-2026",
            "2025 - 2030",
            "11/2026",
            "2025 2026 2027",
            "có 25 hộ, 120 người, 45 máy",
            "số nhà 12 15 18 20",
            "7 giờ 30 ngày 14/11/2026, 35 người",
            "100 200 300",
            "lúc 08:30 ngày 14-11-2026",
            "thôn 3, 1250 m",
            "08:30-11:45",
            "từ 14/11/2026 - 20/11/2026",
        ] {
            assert_eq!(kinds(text), [], "{text}");
        }
    }

    #[test]
    fn a_currency_does_not_excuse_what_starts_with_zero() {
        assert_eq!(kinds("0912345678 đ").len(), 1);
        assert_eq!(kinds("001099001234 đồng").len(), 1);
        assert_eq!(kinds("123456789 đã đăng ký").len(), 1, "the word is not the currency");
    }

    proptest! {
        #[test]
        fn cleaned_text_is_accepted_and_stays(text in "\\PC{0,40}|[\\u{0}-\\u{10ffff}]{0,20}") {
            let cleaned = clean(&text);
            prop_assert_eq!(check_text(&cleaned, TextLimit { max_chars: usize::MAX, newline: false }), Ok(()));
            prop_assert_eq!(clean(&cleaned), cleaned.clone());
            let lines = clean_lines(&text);
            prop_assert_eq!(check_text(&lines, TextLimit { max_chars: usize::MAX, newline: true }), Ok(()));
            prop_assert_eq!(clean_lines(&lines), lines.clone());
        }

        #[test]
        fn found_numbers_are_places_in_the_text(text in "\\PC{0,40}|[0-9 .đ+/-]{0,60}") {
            let mut free_from = 0;
            for found in forbidden_numbers(&text) {
                prop_assert!(found.start >= free_from && found.end > found.start);
                prop_assert!(text.get(found.start..found.end).is_some_and(|number| number.chars().filter(char::is_ascii_digit).count() >= 8 || !number.is_ascii()));
                free_from = found.end;
            }
        }

        #[test]
        fn a_number_with_a_leading_zero_is_found_with_any_separators(
            digits in "0[0-9]{11}|0[0-9]{8}|0[35789][0-9]{8}", gaps in proptest::collection::vec("[ .-]?", 12),
        ) {
            // Digits alone, between words; a date may hide in them only with three groups of the right lengths.
            let number: String = digits.chars().zip(gaps).flat_map(|(c, gap)| [c.to_string(), gap]).collect();
            let groups = number.split([' ', '.', '-']).filter(|group| !group.is_empty()).collect::<Vec<_>>();
            prop_assume!(!groups.iter().any(|group| group.len() == 4 && (group.starts_with("19") || group.starts_with("20"))));
            prop_assert!(!forbidden_numbers(&format!("số {number} nhé")).is_empty(), "{}", number);
        }
    }
}
