//! Courses on the phone: what there is, what is done, a quiz taken without a connection.

use std::collections::BTreeSet;

use serde::Serialize;
use sync_protocol::cbor::Ext;
use sync_protocol::course::Courses;
use sync_protocol::entity::{CourseRecord, course_result, course_result_id};
use sync_protocol::ids::*;
use sync_protocol::op::{Intent, SetCourseResult};
use sync_protocol::row::RowType;

use super::{Saved, Store};
use crate::Random;
use crate::error::{Error, Result};

/// A course, and how its member stands with it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct CourseView {
    /// Its code.
    pub code: String,
    /// Its title in Vietnamese.
    pub title_vi: String,
    /// Its title in English.
    pub title_en: String,
    /// How long it takes, in minutes.
    pub minutes: u32,
    /// How many of a hundred answers must be right.
    pub pass_percent: u32,
    /// The best attempt: questions answered right, and asked.
    pub best: Option<(u32, u32)>,
    /// How often it was tried.
    pub attempts: u32,
    /// The best attempt reached what must be reached.
    pub passed: bool,
}

/// An attempt that was saved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// Questions answered right.
    pub right: u32,
    /// Questions asked.
    pub of: u32,
    /// Enough of them.
    pub passed: bool,
    /// The op that carries the result to the server.
    pub saved: Saved,
}

impl Store {
    /// The membership under which results are kept: the first of the user's own that this phone knows.
    fn own_membership(&mut self) -> Result<TeamMemberId> {
        let user = self.identity()?.ok_or(Error::NotEnrolled)?.user;
        let mut own: Vec<TeamMemberId> =
            self.members()?.into_iter().filter(|member| member.user == user).map(|member| member.id).collect();
        own.sort();
        own.into_iter().next().ok_or(Error::NotFound)
    }

    /// The courses that this phone carries, with the user's own results, sent or not.
    pub fn courses(&mut self) -> Result<Vec<CourseView>> {
        let member = match self.own_membership() {
            Ok(member) => Some(member),
            Err(Error::NotFound) => None,
            Err(error) => return Err(error),
        };
        self.read(|db| {
            let mut views = Vec::new();
            for course in Courses::shipped().all() {
                let id = member.map(|member| course_result_id(member, &course.code));
                let row = id.map(|id| db.visible_register(RowType::COURSE_RESULT, id)).transpose()?.flatten();
                let record = row.and_then(|(_, row)| row.group::<CourseRecord>(course_result::RECORD));
                let best = record.as_ref().map(|record| (record.right, record.of));
                let passed = best
                    .is_some_and(|(right, of)| sync_protocol::team::Score { right, of }.reaches(course.pass_percent));
                views.push(CourseView {
                    code: course.code.clone(),
                    title_vi: course.title.vi.clone(),
                    title_en: course.title.en.clone(),
                    minutes: course.minutes,
                    pass_percent: course.pass_percent,
                    best,
                    attempts: record.map_or(0, |record| record.attempts),
                    passed,
                });
            }
            Ok(views)
        })
    }

    /// Scores an attempt at a quiz and saves its result: the chosen codes, question by question.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such course, or the user is in no team that this phone knows.
    pub fn take_quiz(
        &mut self,
        code: &str,
        chosen: &[BTreeSet<String>],
        now: ClaimedMs,
        random: &mut dyn Random,
    ) -> Result<Taken> {
        let mut salt = [0; 16];
        random.fill(&mut salt);
        self.take_quiz_once(code, chosen, Salt(salt), now)
    }

    /// As [`Store::take_quiz`], under a salt that the caller drew: the same call again is the same attempt.
    ///
    /// # Errors
    /// As [`Store::take_quiz`].
    pub fn take_quiz_once(
        &mut self,
        code: &str,
        chosen: &[BTreeSet<String>],
        salt: Salt,
        now: ClaimedMs,
    ) -> Result<Taken> {
        let course = Courses::shipped().course(code).ok_or(Error::NotFound)?;
        let member = self.own_membership()?;
        let score = course.score(chosen);
        let (right, of) = (score.right, score.of);
        let body = SetCourseResult { member, course: code.to_owned(), right, of, ext: Ext::default() };
        let saved = self.save_once(Intent::CourseResultSet(body), salt, now)?;
        Ok(Taken { right, of, passed: score.reaches(course.pass_percent), saved })
    }
}
