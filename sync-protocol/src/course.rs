//! Courses that a phone carries with it: cards to read, a quiz to take. Data, read strictly; the words are our own.
//!
//! Source: docs/DOMAIN.md §8. What an attempt brings is `team::score`; where a member stands is `team::course_result`.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::team::{Score, score};
use crate::text::{TextLimit, check_text};

/// Largest file that is loaded, in bytes.
pub const COURSE_BYTES_MAX: usize = 1 << 18;
/// Most cards, questions or options.
const ENTRIES_MAX: usize = 50;
/// Longest code, in characters.
const CODE_CHARS_MAX: usize = 64;

/// Words in both languages.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CourseWords {
    /// In Vietnamese.
    pub vi: String,
    /// In English.
    pub en: String,
}

/// One card to read.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Its title.
    pub title: CourseWords,
    /// What it says.
    pub text: CourseWords,
}

/// One answer that can be chosen.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerOption {
    /// Its code within the question.
    pub code: String,
    /// In Vietnamese.
    pub vi: String,
    /// In English.
    pub en: String,
}

/// One question of a quiz.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What is asked.
    pub text: CourseWords,
    /// What can be chosen; two at least.
    pub options: Vec<AnswerOption>,
    /// The codes of the right ones: some, not all.
    pub right: BTreeSet<String>,
}

/// A course.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Course {
    /// Its code, as results carry it.
    pub code: String,
    /// Version of its content.
    pub version: u32,
    /// Its title.
    pub title: CourseWords,
    /// How long it takes, in minutes.
    pub minutes: u32,
    /// How many of a hundred answers must be right.
    pub pass_percent: u32,
    /// What is read.
    pub cards: Vec<Card>,
    /// What is asked.
    pub questions: Vec<Question>,
}

impl Course {
    /// Scores one attempt: the chosen codes, question by question.
    pub fn score(&self, chosen: &[BTreeSet<String>]) -> Score {
        let right: Vec<BTreeSet<String>> = self.questions.iter().map(|question| question.right.clone()).collect();
        score(&right, chosen)
    }
}

/// Why a file of courses is not taken.
#[derive(Debug, thiserror::Error)]
pub enum CourseError {
    /// Larger than [`COURSE_BYTES_MAX`].
    #[error("the file has {0} bytes, more than are read")]
    TooLarge(usize),
    /// Not of the form.
    #[error("the file does not read: {0}")]
    Json(#[from] serde_json::Error),
    /// Something in a course does not hold.
    #[error("course {course}: {place}: {what}")]
    Wrong {
        /// The course's code, as written.
        course: String,
        /// Where in it.
        place: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// All courses of a file.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Courses {
    courses: Vec<Course>,
}

impl Courses {
    /// The shipped file.
    pub const SHIPPED_JSON: &'static str = include_str!("../data/courses.json");

    /// The courses that every phone carries.
    pub fn shipped() -> &'static Self {
        static SHIPPED: OnceLock<Courses> = OnceLock::new();
        SHIPPED.get_or_init(|| Self::load(Self::SHIPPED_JSON).expect("the shipped file is loaded by our own tests"))
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`CourseError`] for the first thing found wrong.
    pub fn load(json: &str) -> Result<Self, CourseError> {
        if json.len() > COURSE_BYTES_MAX {
            return Err(CourseError::TooLarge(json.len()));
        }
        let read: Self = serde_json::from_str(json)?;
        let mut codes = BTreeSet::new();
        for course in &read.courses {
            let wrong = |place: String, what| CourseError::Wrong { course: course.code.clone(), place, what };
            check(course).map_err(|(place, what)| wrong(place, what))?;
            if !codes.insert(&course.code) {
                return Err(wrong("code".to_owned(), "there is another course with this code"));
            }
        }
        Ok(read)
    }

    /// All of them, in the order of the file.
    pub fn all(&self) -> &[Course] {
        &self.courses
    }

    /// One of them.
    pub fn course(&self, code: &str) -> Option<&Course> {
        self.courses.iter().find(|course| course.code == code)
    }
}

type Found = Result<(), (String, &'static str)>;

fn code(value: &str, place: &str) -> Found {
    let fits = (1..=CODE_CHARS_MAX).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if fits { Ok(()) } else { Err((place.to_owned(), "a code has a-z, 0-9 and _ only")) }
}

fn said(vi: &str, en: &str, limit: TextLimit, place: &str) -> Found {
    for (text, lang) in [(vi, "vi"), (en, "en")] {
        if text.trim().is_empty() || check_text(text, limit).is_err() {
            return Err((format!("{place}.{lang}"), "empty, too long, or not plain text"));
        }
    }
    Ok(())
}

fn few(count: usize, least: usize, place: &str) -> Found {
    let fits = (least..=ENTRIES_MAX).contains(&count);
    if fits { Ok(()) } else { Err((place.to_owned(), "too few or too many")) }
}

fn check(course: &Course) -> Found {
    code(&course.code, "code")?;
    said(&course.title.vi, &course.title.en, TextLimit::NAME, "title")?;
    if course.version == 0 || course.minutes == 0 || !(1..=100).contains(&course.pass_percent) {
        return Err(("version, minutes, pass_percent".to_owned(), "out of range"));
    }
    few(course.cards.len(), 1, "cards")?;
    for (at, card) in course.cards.iter().enumerate() {
        said(&card.title.vi, &card.title.en, TextLimit::NAME, &format!("cards[{at}].title"))?;
        said(&card.text.vi, &card.text.en, TextLimit::NOTE, &format!("cards[{at}].text"))?;
    }
    few(course.questions.len(), 1, "questions")?;
    for (at, question) in course.questions.iter().enumerate() {
        let place = format!("questions[{at}]");
        said(&question.text.vi, &question.text.en, TextLimit::NOTE, &place)?;
        few(question.options.len(), 2, &format!("{place}.options"))?;
        let mut codes = BTreeSet::new();
        for option in &question.options {
            code(&option.code, &format!("{place}.options"))?;
            said(&option.vi, &option.en, TextLimit::NOTE, &format!("{place}.options"))?;
            if !codes.insert(option.code.clone()) {
                return Err((format!("{place}.options"), "the same code twice"));
            }
        }
        if question.right.is_empty() || !question.right.is_subset(&codes) || question.right == codes {
            return Err((format!("{place}.right"), "some of the options must be right, and some wrong"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use unicode_normalization::is_nfc;

    use super::*;

    #[test]
    fn the_shipped_courses_load_and_can_be_passed() {
        assert!(is_nfc(Courses::SHIPPED_JSON));
        let courses = Courses::load(Courses::SHIPPED_JSON).unwrap();
        assert!(courses.all().len() >= 3);
        for course in courses.all() {
            let right: Vec<_> = course.questions.iter().map(|question| question.right.clone()).collect();
            assert!(course.score(&right).reaches(course.pass_percent), "{}", course.code);
            assert!(!course.score(&[]).reaches(course.pass_percent), "{}", course.code);
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let with = |change: &dyn Fn(&mut Json)| {
            let mut file: Json = serde_json::from_str(Courses::SHIPPED_JSON).unwrap();
            change(&mut file["courses"][0]);
            Courses::load(&file.to_string()).map(|_| ()).unwrap_err().to_string()
        };
        let question =
            |key: &'static str, value: Json| move |course: &mut Json| course["questions"][1][key] = value.clone();
        assert!(with(&question("right", json!(["z"]))).contains("questions[1].right"));
        assert!(with(&question("right", json!([]))).contains("questions[1].right"));
        assert!(with(&question("right", json!(["a", "b", "c"]))).contains("questions[1].right"));
        assert!(with(&question("options", json!([]))).contains("questions[1].options"));
        assert!(with(&|course| course["cards"][0]["text"]["en"] = json!(" ")).contains("cards[0].text.en"));
        assert!(with(&|course| course["code"] = json!("huong_dan_vneid_muc_2")).contains("another course"));
        assert!(with(&|course| course["author"] = json!("x")).contains("unknown field"));
        assert!(with(&|course| course["pass_percent"] = json!(101)).contains("out of range"));
    }
}
