//! `announcements`, `campaigns`, `markets`, `courses`: what commune and province tell a village, and what is learnt.

use std::collections::BTreeSet;

use clap::Subcommand;
use serde_json::json;
use sync_protocol::catalogue::Catalogue;
use sync_protocol::course::Courses as Shipped;

use super::{Answer, Field, Outcome, done, usage};

/// Courses that this phone carries.
#[derive(Subcommand)]
pub(crate) enum Courses {
    /// All of them, with your own results.
    List,
    /// The cards of one, and the questions of its quiz.
    Show {
        /// The course's code.
        code: String,
    },
    /// Take the quiz; works without a connection.
    Quiz {
        /// The course's code.
        code: String,
        /// The chosen options of one question, such as `b` or `a,c`; once for each question, in order.
        #[arg(long = "answer")]
        answers: Vec<String>,
    },
}

impl Field {
    pub(crate) fn announcements(&mut self, day: Option<&str>) -> Outcome<Answer> {
        let day = self.day(day)?;
        let found = self.store.announcements(day)?;
        let mut lines = Vec::new();
        for one in &found {
            let until = self.say(format!("đến hết {}", one.to), format!("until {}", one.to));
            lines.push(format!("{}  {} ({until})", one.unit_name, one.title));
            lines.extend(one.body.lines().map(|line| format!("  {line}")));
        }
        if lines.is_empty() {
            lines.push(self.say("Hôm nay không có thông báo nào.", "No announcement is in force."));
        }
        done(json!(found), lines)
    }

    pub(crate) fn campaigns(&mut self, village: Option<&str>, day: Option<&str>) -> Outcome<Answer> {
        let (village, day) = (self.village(village)?, self.day(day)?);
        let found = self.store.campaigns(village, day)?;
        let lang = self.catalogue_lang();
        let mut lines = Vec::new();
        for one in &found {
            let held = match one.is_campaign_day {
                true => self.say("hôm nay là ngày chiến dịch", "held today"),
                false => self.say("hôm nay không phải ngày chiến dịch", "not held today"),
            };
            lines.push(format!("{}  {} → {} ({held})", one.title, one.from, one.to));
            for line in &one.lines {
                let known = Catalogue::shipped().kind(&line.kind);
                let name = known.map_or(line.kind.as_str(), |kind| kind.label(lang));
                let mut words = self.say(
                    format!("{name}: hôm nay {}, từ đầu đợt {}", line.on_day, line.so_far),
                    format!("{name}: today {}, so far {}", line.on_day, line.so_far),
                );
                for (whose, value) in &line.targets {
                    let own = *whose == village;
                    words.push_str(&match own {
                        true => {
                            self.say(format!("; chỉ tiêu của thôn {value}"), format!("; the village's target {value}"))
                        }
                        false => {
                            self.say(format!("; chỉ tiêu cấp trên {value}"), format!("; target from above {value}"))
                        }
                    });
                }
                lines.push(format!("  {words}"));
            }
        }
        if lines.is_empty() {
            lines.push(self.say("Không có chiến dịch nào đang chạy.", "No campaign is running."));
        }
        done(json!(found), lines)
    }

    pub(crate) fn markets(&mut self) -> Outcome<Answer> {
        let found = self.store.markets()?;
        let line = |market: &client_core::store::MarketView| {
            format!("{}  {}  {}", market.id.0, market.name, market.days.as_deref().unwrap_or(""))
        };
        done(json!(found), found.iter().map(line).collect())
    }

    pub(crate) fn courses(&mut self, command: Courses) -> Outcome<Answer> {
        match command {
            Courses::List => {
                let found = self.store.courses()?;
                let mut lines = Vec::new();
                for one in &found {
                    let title = self.say(one.title_vi.clone(), one.title_en.clone());
                    let how = match one.best {
                        None => self.say("chưa làm bài", "not tried yet"),
                        Some((right, of)) => {
                            let passed = match one.passed {
                                true => self.say("đạt", "passed"),
                                false => self.say("chưa đạt", "not passed yet"),
                            };
                            self.say(
                                format!("{passed}, tốt nhất {right}/{of}, đã làm {} lần", one.attempts),
                                format!("{passed}, best {right}/{of}, tried {} times", one.attempts),
                            )
                        }
                    };
                    lines.push(format!("{}  {title} ({how})", one.code));
                }
                done(json!(found), lines)
            }
            Courses::Show { code } => {
                let Some(course) = Shipped::shipped().course(&code) else {
                    return usage("Không có khoá học này.", "There is no such course.");
                };
                let pick = |words: &sync_protocol::course::CourseWords| self.say(words.vi.clone(), words.en.clone());
                let mut lines = vec![pick(&course.title)];
                for card in &course.cards {
                    lines.push(format!("■ {}", pick(&card.title)));
                    lines.push(format!("  {}", pick(&card.text)));
                }
                for (number, question) in (1..).zip(&course.questions) {
                    lines.push(format!("{number}. {}", pick(&question.text)));
                    for option in &question.options {
                        let words = self.say(option.vi.clone(), option.en.clone());
                        lines.push(format!("   {}) {words}", option.code));
                    }
                }
                let cards: Vec<_> = course
                    .cards
                    .iter()
                    .map(|card| json!({"title": pick(&card.title), "text": pick(&card.text)}))
                    .collect();
                let questions: Vec<_> = course
                    .questions
                    .iter()
                    .map(|question| {
                        let options: Vec<_> = question
                            .options
                            .iter()
                            .map(|o| json!({"code": o.code, "text": self.say(o.vi.clone(), o.en.clone())}))
                            .collect();
                        json!({"text": pick(&question.text), "options": options})
                    })
                    .collect();
                done(json!({"code": course.code, "cards": cards, "questions": questions}), lines)
            }
            Courses::Quiz { code, answers } => {
                let Some(course) = Shipped::shipped().course(&code) else {
                    return usage("Không có khoá học này.", "There is no such course.");
                };
                if answers.len() != course.questions.len() {
                    let asked = course.questions.len();
                    return usage(
                        format!("Bài có {asked} câu: mỗi câu một --answer."),
                        format!("The quiz has {asked} questions: one --answer for each."),
                    );
                }
                let chosen: Vec<BTreeSet<String>> = answers
                    .iter()
                    .map(|answer| answer.split(',').map(|code| code.trim().to_owned()).collect())
                    .collect();
                let now = self.now();
                let taken = self.store.take_quiz(&code, &chosen, now, &mut self.random)?;
                let words = match taken.passed {
                    true => self.say("đạt", "passed"),
                    false => self
                        .say("chưa đạt, hãy xem lại các thẻ rồi làm lại", "not passed: read the cards and try again"),
                };
                done(
                    json!({"right": taken.right, "of": taken.of, "passed": taken.passed, "uid": taken.saved.uid}),
                    vec![format!("{}/{}: {words}", taken.right, taken.of)],
                )
            }
        }
    }
}
