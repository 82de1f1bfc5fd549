//! "Is it one of these?": whether two descriptions may be of one household.
//!
//! The same scale as the phone's search: from [`SIMILAR_MIN`] on, people are asked. Tones, marks and đ/d do not count;
//! names may be abbreviated ("Ng. V. Nam"). Nothing is ever merged by a score. Source: docs/DOMAIN.md §4.

use std::collections::{BTreeMap, BTreeSet};

use crate::fold::{fold, matches_name};

/// From this score on, two descriptions look like one household.
pub const SIMILAR_MIN: u32 = 40;
/// Forms of address that people write before a name (docs/DOMAIN.md §4), folded.
const HONORIFICS: [&str; 11] = ["ong", "ba", "anh", "chi", "co", "chu", "bac", "em", "cu", "thay", "nha"];
/// Most characters of each text that are looked at; names and labels have no more.
const CHARS_MAX: usize = 120;
/// Fewest digits of a whole phone number.
const PHONE_DIGITS: usize = 9;
/// Fewest digits that are taken as the end of a phone number.
const ENDING_DIGITS: usize = 3;

/// What is known of a household. An empty text is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Description<'a> {
    /// What the village calls it.
    pub label: &'a str,
    /// A landmark.
    pub landmark: &'a str,
    /// The head's name, with consent.
    pub head: &'a str,
    /// The phone, or its last digits, as typed.
    pub phone: &'a str,
}

/// What speaks for one household.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// The same whole phone number: 100.
    SamePhone,
    /// The last digits of one phone number end the other: 15.
    PhoneEnding,
    /// The same name: 60.
    SameName,
    /// One name is an abbreviation of the other: 40.
    NameFits,
    /// At least half of all words of the labels are in both: half that percentage.
    SimilarLabel,
    /// At least half of all words of the landmarks are in both: 15.
    SimilarLandmark,
}

impl Reason {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::SamePhone => "same_phone",
            Self::PhoneEnding => "phone_ending",
            Self::SameName => "same_name",
            Self::NameFits => "name_fits",
            Self::SimilarLabel => "similar_label",
            Self::SimilarLandmark => "similar_landmark",
        }
    }

    /// In words, in Vietnamese.
    pub fn vi(self) -> &'static str {
        match self {
            Self::SamePhone => "cùng số điện thoại",
            Self::PhoneEnding => "cuối số điện thoại giống",
            Self::SameName => "cùng tên",
            Self::NameFits => "tên gần giống",
            Self::SimilarLabel => "tên gọi gần giống",
            Self::SimilarLandmark => "chỗ dễ nhận gần giống",
        }
    }

    /// In words, in English.
    pub fn en(self) -> &'static str {
        match self {
            Self::SamePhone => "same phone number",
            Self::PhoneEnding => "same end of the phone number",
            Self::SameName => "same name",
            Self::NameFits => "the name fits",
            Self::SimilarLabel => "similar name in the village",
            Self::SimilarLandmark => "similar landmark",
        }
    }
}

/// How alike two descriptions are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Likeness {
    /// How much speaks for one household.
    pub score: u32,
    /// What does.
    pub reasons: Vec<Reason>,
}

impl Likeness {
    /// Whether people are asked.
    pub fn is_similar(&self) -> bool {
        self.score >= SIMILAR_MIN
    }

    fn add(&mut self, reason: Reason, score: u32) {
        self.reasons.push(reason);
        self.score += score;
    }
}

/// A description made ready for comparing: folded, cut to a bounded length, without forms of address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folded {
    label: BTreeSet<String>,
    landmark: BTreeSet<String>,
    name: String,
    phone: String,
}

fn cut(text: &str) -> String {
    fold(&text.chars().take(CHARS_MAX).collect::<String>())
}

/// The words that tell one house from another.
fn words(text: &str) -> BTreeSet<String> {
    cut(text).split(' ').filter(|word| !word.is_empty() && *word != "nha").map(str::to_owned).collect()
}

fn name(text: &str) -> String {
    let folded = cut(text);
    let words: Vec<&str> = folded.split(' ').collect();
    let skipped = words.iter().take_while(|word| HONORIFICS.contains(word)).count();
    // A name that consists of nothing else is a name.
    if skipped == words.len() { folded } else { words[skipped..].join(" ") }
}

/// The digits of a phone number as it is kept: 84 before nine digits is written as 0.
pub fn local_digits(text: &str) -> String {
    let digits: String = text.chars().take(CHARS_MAX).filter(char::is_ascii_digit).collect();
    match digits.strip_prefix("84") {
        Some(rest) if rest.len() == 9 => format!("0{rest}"),
        _ => digits,
    }
}

impl Folded {
    /// Makes a description ready.
    pub fn of(description: &Description<'_>) -> Self {
        Self {
            label: words(description.label),
            landmark: words(description.landmark),
            name: name(description.head),
            phone: local_digits(description.phone),
        }
    }

    /// Every folded word of name and label: what is similar has one of them, or begins with one, unless its phone says it.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.name.split(' ').filter(|word| !word.is_empty()).chain(self.label.iter().map(String::as_str))
    }

    /// The digits of the phone.
    pub fn phone(&self) -> &str {
        &self.phone
    }

    fn whole_phone(&self) -> Option<&str> {
        (self.phone.len() >= PHONE_DIGITS).then_some(self.phone.as_str())
    }
}

/// Words in common, in percent of all words; 0 when there are none.
fn share(a: &BTreeSet<String>, b: &BTreeSet<String>) -> u32 {
    let all = a.union(b).count();
    (a.intersection(b).count() * 100).checked_div(all).and_then(|share| u32::try_from(share).ok()).unwrap_or(0)
}

fn last_word(name: &str) -> &str {
    name.rsplit(' ').next().unwrap_or_default()
}

/// Whether one name is an abbreviation of the other: at least two words, and the last one, the given name, is whole.
fn fits(short: &str, long: &str) -> bool {
    short.contains(' ') && last_word(short) == last_word(long) && matches_name(short, long)
}

/// Compares two descriptions. Which one comes first makes no difference.
pub fn compare(a: &Folded, b: &Folded) -> Likeness {
    let mut likeness = Likeness::default();
    let (short, long) = if a.phone.len() <= b.phone.len() { (&a.phone, &b.phone) } else { (&b.phone, &a.phone) };
    if short.len() >= PHONE_DIGITS {
        if short == long {
            likeness.add(Reason::SamePhone, 100);
        }
    } else if short.len() >= ENDING_DIGITS && long.ends_with(short.as_str()) {
        likeness.add(Reason::PhoneEnding, 15);
    }
    if !a.name.is_empty() && a.name == b.name {
        likeness.add(Reason::SameName, 60);
    } else if fits(&a.name, &b.name) || fits(&b.name, &a.name) {
        likeness.add(Reason::NameFits, 40);
    }
    let label = share(&a.label, &b.label);
    if label >= 50 {
        likeness.add(Reason::SimilarLabel, label / 2);
    }
    if share(&a.landmark, &b.landmark) >= 50 {
        likeness.add(Reason::SimilarLandmark, 15);
    }
    likeness
}

/// Two descriptions of a list that look like one household.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SimilarPair {
    /// Index of one.
    pub first: usize,
    /// Index of the other; larger than `first`.
    pub second: usize,
    /// How alike they are.
    pub likeness: Likeness,
}

/// What similar descriptions have in common: every pair that [`compare`] takes as similar shares at least one key.
///
/// The endings and landmarks together stay under [`SIMILAR_MIN`], so a similar pair has the same phone, names that fit,
/// or labels with half of their words in common.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Phone(&'a str),
    /// The given name, and the initial of one of the words before it; none when it stands alone. An abbreviation has a
    /// word before the given name, and that begins a word before the given name of the whole name.
    Name(&'a str, Option<char>),
    /// Two of the rarer words. Two sets of which one has three words or more share half of all their words only when
    /// they have two in common, and at least half of the words of each: so even the rarer words of each, all but half
    /// of them and two more, have two in common.
    Label(&'a str, &'a str),
    /// A word of a label that has one or two: one word is half of two.
    Word(&'a str),
}

fn keys<'a>(folded: &'a Folded, frequency: &BTreeMap<&str, usize>) -> Vec<Key<'a>> {
    let mut keys: Vec<Key<'a>> = folded.whole_phone().map(Key::Phone).into_iter().collect();
    let given = last_word(&folded.name);
    match folded.name.rsplit_once(' ') {
        Some((before, _)) => {
            keys.extend(before.split(' ').map(|word| Key::Name(given, word.chars().next())));
        }
        None if !given.is_empty() => keys.push(Key::Name(given, None)),
        None => {}
    }
    let mut rare: Vec<&str> = folded.label.iter().map(String::as_str).collect();
    rare.sort_by_key(|word| (frequency.get(word), *word));
    if rare.len() <= 2 {
        keys.extend(rare.iter().map(|word| Key::Word(word)));
    }
    let in_common = rare.len().div_ceil(2).max(2);
    rare.truncate((rare.len() + 2).saturating_sub(in_common));
    for (at, first) in rare.iter().enumerate() {
        keys.extend(rare[at + 1..].iter().map(|second| Key::Label(first, second)));
    }
    keys
}

/// All pairs of a list that look like one household, the most alike first, then by index.
///
/// Only descriptions that share a given name with an initial, a phone number or two rarer words of the label are compared,
/// and none is missed by that. The cost grows with the number of such pairs.
pub fn similar_pairs(list: &[Folded]) -> Vec<SimilarPair> {
    let mut frequency: BTreeMap<&str, usize> = BTreeMap::new();
    for word in list.iter().flat_map(|folded| &folded.label) {
        *frequency.entry(word).or_default() += 1;
    }
    let mut buckets: BTreeMap<Key<'_>, Vec<usize>> = BTreeMap::new();
    for (index, folded) in list.iter().enumerate() {
        for key in keys(folded, &frequency) {
            let bucket = buckets.entry(key).or_default();
            if bucket.last() != Some(&index) {
                bucket.push(index);
            }
        }
    }
    let mut candidates = Vec::new();
    for (key, bucket) in &buckets {
        // Two labels of two words each are alike only with both of them, and then they have another key in common.
        let has_two = |index: usize| matches!(key, Key::Word(_)) && list[index].label.len() == 2;
        for (at, first) in bucket.iter().enumerate() {
            let others = bucket[at + 1..].iter().filter(|second| !(has_two(*first) && has_two(**second)));
            candidates.extend(others.map(|second| (*first, *second)));
        }
    }
    candidates.sort_unstable();
    candidates.dedup();
    let mut pairs: Vec<SimilarPair> = candidates
        .into_iter()
        .map(|(first, second)| SimilarPair { first, second, likeness: compare(&list[first], &list[second]) })
        .filter(|pair| pair.likeness.is_similar())
        .collect();
    pairs.sort_by_key(|pair| (std::cmp::Reverse(pair.likeness.score), pair.first, pair.second));
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(head: &str, phone: &str, label: &str, landmark: &str) -> Folded {
        Folded::of(&Description { label, landmark, head, phone })
    }

    fn head(name: &str) -> Folded {
        folded(name, "", "", "")
    }

    fn result(a: &Folded, b: &Folded) -> (u32, Vec<&'static str>) {
        let likeness = compare(a, b);
        (likeness.score, likeness.reasons.iter().map(|reason| reason.code()).collect())
    }

    #[test]
    fn abbreviated_names_are_found_without_tones() {
        let whole = head("Nguyễn Văn Nam");
        for (name, score) in [
            ("nguyen van nam", 60),
            ("Ông Nguyễn Văn Nam", 60),
            ("NGUYỄN VĂN NAM", 60),
            ("Ng. V. Nam", 40),
            ("N.V.Nam", 40),
            ("Nguyễn Nam", 40),
            ("anh V. Nam", 40),
            ("Nam", 0),
            ("Nguyễn Văn N.", 0),
            ("Nguyễn Văn Năm Anh", 0),
            ("Trần Văn Nam", 0),
            ("", 0),
        ] {
            assert_eq!(compare(&whole, &head(name)).score, score, "{name}");
            assert_eq!(compare(&whole, &head(name)).is_similar(), score > 0, "{name}");
        }
        assert_eq!(result(&head("Đặng Thị Hoà"), &head("Dang Thi Hòa")), (60, vec!["same_name"]));
        assert_eq!(result(&head("Páo"), &head("ông Páo")), (60, vec!["same_name"]));
        assert_eq!(compare(&head("Ông Bà"), &head("ông bà")).score, 60, "forms of address alone are a name");
        assert_eq!(compare(&head(""), &head("")).score, 0);
    }

    #[test]
    fn a_whole_phone_number_is_enough_and_its_end_is_a_hint() {
        let phone = |number| folded("", number, "", "");
        assert_eq!(result(&phone("+84 912 345 678"), &phone("0912.345.678")), (100, vec!["same_phone"]));
        assert_eq!(result(&phone("0912345678"), &phone("678")), (15, vec!["phone_ending"]));
        assert_eq!(compare(&phone("0912345678"), &phone("78")).score, 0);
        assert_eq!(compare(&phone("0912345678"), &phone("679")).score, 0);
        assert_eq!(compare(&phone("0912345678"), &phone("0312345678")).score, 0, "two whole numbers differ");
        assert!(!compare(&phone(""), &phone("")).is_similar());
    }

    #[test]
    fn labels_and_landmarks_are_compared_by_their_words() {
        let label = |label| folded("", "", label, "");
        let tin_roof = label("Nhà đầu suối, mái tôn đỏ");
        assert_eq!(result(&tin_roof, &label("nhà mái tôn đỏ đầu suối")), (50, vec!["similar_label"]));
        assert_eq!(compare(&tin_roof, &label("mái tôn đỏ đầu suối cạn")).score, 41);
        assert_eq!(compare(&tin_roof, &label("mái tôn đỏ")).score, 30);
        assert_eq!(compare(&tin_roof, &label("nhà đầu cầu")).score, 0);
        assert_eq!(compare(&label("nhà"), &label("nhà")).score, 0, "every house is one");
        let with = |label, landmark, phone| folded("", phone, label, landmark);
        let (near, hint) = (with("", "gần trường học", "678"), with("", "cạnh trường học", "678"));
        assert_eq!(result(&near, &hint), (30, vec!["phone_ending", "similar_landmark"]));
        assert!(!compare(&near, &hint).is_similar(), "a landmark has many neighbours");
        let both = compare(&with("đầu suối", "trường học", ""), &with("đầu suối cạn mới", "trường học", ""));
        assert_eq!((both.score, both.is_similar()), (40, true));
    }

    #[test]
    fn what_is_compared_is_bounded() {
        let long = "x".repeat(100_000);
        let folded = folded(&long, &"9".repeat(100_000), &long, &long);
        assert!(folded.name.len() <= CHARS_MAX && folded.phone.len() <= CHARS_MAX);
        assert!(folded.label.iter().chain(&folded.landmark).all(|word| word.len() <= CHARS_MAX));
    }

    #[test]
    fn pairs_come_with_the_most_alike_first() {
        let list = [
            folded("Nguyễn Văn Nam", "", "nhà đầu suối", ""),
            folded("Giàng A Páo", "0912345678", "", ""),
            folded("Ng. V. Nam", "", "", ""),
            folded("", "+84912345678", "", ""),
            folded("Lò Thị Mai", "", "", ""),
        ];
        let pairs: Vec<_> =
            similar_pairs(&list).iter().map(|pair| (pair.first, pair.second, pair.likeness.score)).collect();
        assert_eq!(pairs, [(1, 3, 100), (0, 2, 40)]);
        assert_eq!(similar_pairs(&[]), []);
    }

    #[test]
    fn few_of_all_pairs_are_compared() {
        let families = ["Nguyễn", "Trần", "Lê", "Hoàng", "Giàng", "Lò", "Vàng", "Đặng"];
        let given = ["Nam", "Mai", "Páo", "Dia", "Hòa", "Sơn", "Lan", "Tú", "Hải", "Dung"];
        let list: Vec<Folded> = (0..800)
            .map(|n| head(&format!("{} {} {}", families[n % 8], ["Văn", "Thị", "A"][n % 3], given[n / 8 % 10])))
            .collect();
        let frequency = BTreeMap::new();
        let mut buckets: BTreeMap<Key<'_>, usize> = BTreeMap::new();
        for key in list.iter().flat_map(|folded| keys(folded, &frequency)) {
            *buckets.entry(key).or_default() += 1;
        }
        let compared: usize = buckets.values().map(|size| size * (size - 1) / 2).sum();
        assert!(compared * 10 < 800 * 799 / 2, "{compared} of {}", 800 * 799 / 2);
    }

    prop_compose! {
        fn any_household()(
            head in "(Ông |bà )?((Nguyễn|Ng\\.|N|nam|Trần|T\\.) )?((Văn|V\\.|nam) )?(Nam|Năm|N|Hoà|hòa|)",
            phone in "|678|345678|0912345678|84912345678|0312345678",
            label in "(nhà )?((đầu|cuối) )?((suối|cầu) )?((mái|tôn|đỏ) ){0,3}(mới)?",
            landmark in "|gần trường|trường học|chợ",
        ) -> Folded {
            folded(&head, &phone, &label, &landmark)
        }
    }

    proptest! {
        #[test]
        fn comparing_is_symmetric(a in any_household(), b in any_household()) {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a));
        }

        #[test]
        fn free_text_is_compared_without_panic(texts in proptest::collection::vec("\\PC{0,30}", 4..6)) {
            let a = folded(&texts[0], &texts[1], &texts[2], &texts[3]);
            let b = folded(&texts[3], &texts[2], &texts[1], &texts[0]);
            prop_assert_eq!(compare(&a, &b), compare(&b, &a));
            let itself = compare(&a, &a);
            prop_assert_eq!(itself.reasons.contains(&Reason::SameName), !a.name.is_empty());
        }

        #[test]
        fn the_finder_finds_exactly_what_comparing_all_finds(
            list in proptest::collection::vec(any_household(), 0..25),
        ) {
            let mut all = Vec::new();
            for first in 0..list.len() {
                for second in first + 1..list.len() {
                    let likeness = compare(&list[first], &list[second]);
                    if likeness.is_similar() {
                        all.push(SimilarPair { first, second, likeness });
                    }
                }
            }
            all.sort_by_key(|pair| (std::cmp::Reverse(pair.likeness.score), pair.first, pair.second));
            prop_assert_eq!(similar_pairs(&list), all);
        }
    }
}
