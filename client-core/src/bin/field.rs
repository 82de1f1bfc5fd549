//! `thonso-field`: a field client for the command line. It does what a phone does, on the same store, for scripts,
//! tests and support.
//!
//! Exit codes: 0 done · 1 the store or something unexpected failed · 2 wrong usage · 3 refused by the rules, nothing was
//! saved · 4 not found · 5 not enrolled, or sign-in needed · 6 the server could not be reached or reported an error ·
//! 7 the storage is full · 8 the store is damaged or of a newer app · 9 the sync ended before everything was exchanged.

#[path = "field/notices.rs"]
mod notices;
#[path = "field/registers.rs"]
mod registers;
#[path = "field/village.rs"]
mod village;

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand, ValueEnum};
use client_core::http::{OsRandom, Server};
use client_core::store::*;
use client_core::sync::{Ended, Failure, drive, rescue_file};
use client_core::{Error, Location, Refused, Store};
use serde_json::{Map, Value as Json, json};
use sync_protocol::calendar::{Period as Span, PeriodKind};
use sync_protocol::catalogue::{Catalogue, FieldType, Finding, Lang as CatalogueLang};
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::indicator::{Empty, Figure, FigureUnit, Indicators, View};
use sync_protocol::op::{ApproveVisit, Intent, MoveRow, ReturnVisit};
use sync_protocol::outcome::Code;
use sync_protocol::phone_number;
use sync_protocol::qr::{PaymentQr, QrFault, QrKind, acquirers};
use sync_protocol::row::{GroupKey, RowType};
use sync_protocol::workflow::VisitStatus;
use uuid::Uuid;

#[derive(Parser)]
#[command(name = "thonso-field", about = "Thôn Số: ứng dụng hiện trường trên dòng lệnh · field client", version)]
struct Cli {
    /// The phone's file.
    #[arg(long, global = true, default_value = "thonso-field.db")]
    store: PathBuf,
    /// Language of messages.
    #[arg(long, global = true, value_enum, default_value_t = Lang::Vi)]
    lang: Lang,
    /// Answers as JSON, for scripts.
    #[arg(long = "json", global = true)]
    as_json: bool,
    /// This phone's clock, in ms since 1970: for tests of wrong clocks.
    #[arg(long, global = true, hide = true)]
    now_ms: Option<u64>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lang {
    /// Vietnamese.
    Vi,
    /// English.
    En,
}

#[derive(Subcommand)]
enum Command {
    /// Enrol this phone with a one-time code.
    Enrol {
        /// The server's address.
        #[arg(long)]
        server: String,
        /// The code that the officer gave.
        #[arg(long)]
        code: String,
        /// What the phone is called in lists.
        #[arg(long, default_value = "thonso-field")]
        label: String,
    },
    /// Who, what is waiting, since when.
    Status,
    /// Households.
    #[command(subcommand)]
    Households(Households),
    /// Visits.
    #[command(subcommand)]
    Visit(Visits),
    /// Planned visits.
    #[command(subcommand)]
    Plan(Plans),
    /// The home screen.
    Today {
        /// The day, YYYY-MM-DD.
        #[arg(long)]
        day: Option<String>,
    },
    /// What is still owed from earlier visits.
    FollowUps,
    /// Visits that were sent back, with the reasons.
    Returned,
    /// Drafts.
    Drafts {
        #[command(subcommand)]
        command: Option<Drafts>,
    },
    /// Conflict cases.
    #[command(subcommand)]
    Cases(Cases),
    /// The counts of a reporting month.
    Counts {
        /// The month, YYYY-MM.
        #[arg(long)]
        month: Option<String>,
    },
    /// The figures of a village, worked out on this phone.
    Figures {
        /// The village or commune; by default the first village that this phone knows.
        #[arg(long)]
        unit: Option<Uuid>,
        /// The reporting month, YYYY-MM.
        #[arg(long)]
        month: Option<String>,
        /// `month`, or the `quarter`, `half_year` or `year` that the month lies in.
        #[arg(long, default_value = "month")]
        span: String,
        /// Approved activities only, of what the server has.
        #[arg(long)]
        official: bool,
    },
    /// Why a visit counts where it does.
    Explain {
        /// The visit.
        visit: Uuid,
    },
    /// What in the visits of the last 30 days is worth a second look, and why.
    Signals,
    /// Talk to the server.
    Sync(SyncArgs),
    /// Every op that is kept.
    Outbox,
    /// Ops that were refused or are kept for later.
    Attention,
    /// Ghi bản cứu hộ: những gì chưa gửi, chỉ máy chủ đọc được · write what is not sent yet as a file for the operator.
    Rescue {
        /// The file; must not exist yet.
        #[arg(long)]
        out: PathBuf,
    },
    /// A refused op has been dealt with.
    Dismiss {
        /// The op's uid.
        uid: Uuid,
    },
    /// The kinds of activity, or the fields of one.
    Kinds {
        /// A kind's code.
        kind: Option<String>,
    },
    /// Read a payment code from standard input: what of it may be kept, as answers to `payment_qr_point`.
    Qr,
    /// Villages and communes that are known here.
    Units,
    /// Teams that are known here.
    Teams,
    /// Members of the teams that are known here.
    Members,
    /// Thông báo đang có hiệu lực · announcements in force.
    Announcements {
        /// The day, YYYY-MM-DD.
        #[arg(long)]
        day: Option<String>,
    },
    /// Chiến dịch đang chạy ở thôn, kèm kết quả và chỉ tiêu · campaigns that run for a village, with counts and targets.
    Campaigns {
        /// The village: its id or a part of its name.
        #[arg(long)]
        village: Option<String>,
        /// The day, YYYY-MM-DD.
        #[arg(long)]
        day: Option<String>,
    },
    /// Vụ việc từ hiện trường và câu trả lời · cases from the field with their answers.
    FieldCases,
    /// Công nhận công dân số · recognitions.
    #[command(subcommand)]
    Recognitions(village::Recognitions),
    /// Chợ của xã · markets of the commune.
    Markets,
    /// Người dân mà thôn lưu tên · persons that the village keeps.
    Persons {
        /// Of this household only.
        #[arg(long)]
        household: Option<Uuid>,
    },
    /// Cơ sở kinh doanh · businesses.
    Businesses,
    /// Sản phẩm · products.
    Products,
    /// Chỉ tiêu đã giao cho thôn, xã · targets that were published for the village and from above.
    Targets,
    /// Khoá học trên máy, làm được khi không có mạng · courses that this phone carries; they work without a connection.
    #[command(subcommand)]
    Courses(notices::Courses),
    /// Look for damage: pages, proofs, everything derived.
    Doctor,
}

#[derive(Args)]
struct SyncArgs {
    /// The server's address; by default that of the enrolment.
    #[arg(long)]
    server: Option<String>,
    /// As a phone in the background would: waits count.
    #[arg(long)]
    background: bool,
    /// Fault test: cut answers after so many frames.
    #[arg(long)]
    max_frames: Option<usize>,
    /// Fault test: cut answers after so many bytes.
    #[arg(long)]
    cut_after: Option<usize>,
    /// Fault test: leave the first so many answers whole.
    #[arg(long, default_value_t = 0)]
    whole_answers: usize,
}

#[derive(Subcommand)]
enum Households {
    /// Find by any part of a name, initials, a landmark, the end of a phone number.
    Search {
        /// What was typed.
        query: String,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// All.
    List,
    /// One, with its last visits.
    Show {
        /// The household.
        id: Uuid,
    },
    /// Enter one.
    Add {
        /// The village: id or part of its name; by default the only one.
        #[arg(long)]
        village: Option<String>,
        #[command(flatten)]
        groups: HouseholdFlags,
        /// Enter it although a similar one exists.
        #[arg(long)]
        force: bool,
    },
    /// Change one.
    Set {
        /// The household.
        id: Uuid,
        #[command(flatten)]
        groups: HouseholdFlags,
    },
    /// Send one to another village.
    Move {
        /// The household.
        id: Uuid,
        /// The village.
        #[arg(long)]
        to: Uuid,
    },
}

#[derive(Args)]
struct HouseholdFlags {
    /// What the village calls it.
    #[arg(long)]
    label: Option<String>,
    /// A landmark.
    #[arg(long)]
    landmark: Option<String>,
    /// The head; needs consent.
    #[arg(long)]
    head: Option<String>,
    /// The phone; needs consent.
    #[arg(long)]
    phone: Option<String>,
    /// normal, poor, near_poor, policy.
    #[arg(long)]
    class: Option<String>,
    /// People aged 15 and over.
    #[arg(long)]
    adults: Option<u32>,
    /// active, closed.
    #[arg(long)]
    status: Option<String>,
    /// The household agreed that visits are logged, today, spoken before a witness.
    #[arg(long)]
    consent: bool,
}

#[derive(Subcommand)]
enum Visits {
    /// Record one.
    Log(Box<LogArgs>),
    /// List.
    List {
        /// Of a household.
        #[arg(long)]
        household: Option<Uuid>,
        /// With a status.
        #[arg(long)]
        status: Option<String>,
        /// From this day on.
        #[arg(long)]
        from: Option<String>,
        /// Up to this day.
        #[arg(long)]
        to: Option<String>,
        /// At most so many; 0 for all.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// One, with its activities and its review.
    Show {
        /// The visit.
        id: Uuid,
    },
    /// Correct one: what the file does not name stays as it was.
    Correct {
        /// The visit.
        id: Uuid,
        /// The corrected content; `-` reads the standard input.
        #[arg(long)]
        file: String,
        /// Hand it in at once.
        #[arg(long)]
        submit: bool,
    },
    /// Declare one void.
    Void {
        /// The visit.
        id: Uuid,
        /// duplicate, wrong_household, entered_by_mistake, other.
        #[arg(long)]
        code: String,
        /// In free words.
        #[arg(long)]
        text: Option<String>,
    },
    /// Hand one in.
    Submit {
        /// The visit.
        id: Uuid,
    },
    /// Send one back (leader, officer). A reason is CODE, CODE@FIELD or CODE@INDEX.FIELD.
    Return {
        /// The visit.
        id: Uuid,
        /// Why.
        #[arg(long = "reason", required = true)]
        reasons: Vec<String>,
        /// In free words.
        #[arg(long)]
        note: Option<String>,
    },
    /// Approve one (officer).
    Approve {
        /// The visit.
        id: Uuid,
    },
}

#[derive(Args)]
struct LogArgs {
    /// The whole content as JSON; `-` reads the standard input. Flags win over it.
    #[arg(long)]
    file: Option<String>,
    /// The village: id or part of its name; by default the only one.
    #[arg(long)]
    village: Option<String>,
    /// The team; by default the one that works there.
    #[arg(long)]
    team: Option<Uuid>,
    /// The household.
    #[arg(long)]
    household: Option<Uuid>,
    /// A code of the catalogue's list.
    #[arg(long = "type")]
    visit_type: Option<String>,
    /// The day, YYYY-MM-DD; by default today.
    #[arg(long)]
    day: Option<String>,
    /// How long it took, in minutes.
    #[arg(long)]
    minutes: Option<u32>,
    /// KIND or KIND:field=value,field=value; several choices are joined by `|`.
    #[arg(long = "activity")]
    activities: Vec<String>,
    /// absent, refused.
    #[arg(long)]
    result: Option<String>,
    /// In free words.
    #[arg(long)]
    summary: Option<String>,
    /// The plan that it carries out.
    #[arg(long)]
    plan: Option<Uuid>,
    /// Hand it in at once.
    #[arg(long)]
    submit: bool,
    /// Keep it as a draft.
    #[arg(long)]
    draft: bool,
}

#[derive(Subcommand)]
enum Plans {
    /// Plan a visit.
    Add {
        /// The village: id or part of its name; by default the only one.
        #[arg(long)]
        village: Option<String>,
        /// The team; by default the one that works there.
        #[arg(long)]
        team: Option<Uuid>,
        /// Who is to go.
        #[arg(long)]
        user: Option<Uuid>,
        /// Whom to visit.
        #[arg(long)]
        household: Option<Uuid>,
        /// A code of the catalogue's list.
        #[arg(long = "type", default_value = "household")]
        visit_type: String,
        /// When, YYYY-MM-DD.
        #[arg(long)]
        day: String,
        /// What is still owed: kinds of activity.
        #[arg(long = "kind")]
        kinds: Vec<String>,
        /// In free words.
        #[arg(long)]
        note: Option<String>,
        /// The visit on which something stayed undone.
        #[arg(long)]
        follows: Option<Uuid>,
    },
    /// List.
    List {
        /// Done and cancelled ones too.
        #[arg(long)]
        all: bool,
    },
    /// Call one off.
    Cancel {
        /// The plan.
        id: Uuid,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
}

#[derive(Subcommand)]
enum Drafts {
    /// List.
    List,
    /// Finish one: it becomes a visit.
    Finish {
        /// The draft.
        id: Uuid,
        /// Hand it in at once.
        #[arg(long)]
        submit: bool,
    },
    /// Throw one away.
    Discard {
        /// The draft.
        id: Uuid,
    },
}

#[derive(Subcommand)]
enum Cases {
    /// List.
    List {
        /// Settled ones too.
        #[arg(long)]
        all: bool,
    },
    /// Settle one.
    Resolve {
        /// The case.
        id: Uuid,
        /// Which side holds, from 1.
        #[arg(long)]
        side: usize,
    },
}

/// What a command ends with.
struct Answer {
    json: Json,
    lines: Vec<String>,
    exit: u8,
}

/// Why a command did not do what was asked.
enum Stop {
    Core(Error),
    Usage(String, String),
    Findings(Vec<Finding>),
    Qr(QrFault),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

type Outcome<T> = Result<T, Stop>;

fn usage<T>(vi: impl Into<String>, en: impl Into<String>) -> Outcome<T> {
    Err(Stop::Usage(vi.into(), en.into()))
}

fn done(json: Json, lines: Vec<String>) -> Outcome<Answer> {
    Ok(Answer { json, lines, exit: 0 })
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (lang, as_json) = (cli.lang, cli.as_json);
    let answer = match Field::open(&cli) {
        Ok(mut field) => field.run(cli.command),
        Err(stop) => Err(stop),
    };
    match answer {
        Ok(answer) => {
            if as_json {
                println!("{}", answer.json);
            } else {
                answer.lines.iter().for_each(|line| println!("{line}"));
            }
            ExitCode::from(answer.exit)
        }
        Err(stop) => {
            let (code, vi, en, detail, exit) = explain(stop);
            if as_json {
                println!("{}", json!({"error": {"code": code, "vi": vi, "en": en, "detail": detail}}));
            } else {
                eprintln!("{} [{code}]", if lang == Lang::Vi { vi } else { en });
                if !detail.is_null() {
                    eprintln!("{detail}");
                }
            }
            ExitCode::from(exit)
        }
    }
}

fn explain(stop: Stop) -> (String, String, String, Json, u8) {
    match stop {
        Stop::Usage(vi, en) => ("usage".to_owned(), vi, en, Json::Null, 2),
        Stop::Qr(fault) => (fault.code().to_owned(), fault.vi().to_owned(), fault.en().to_owned(), Json::Null, 3),
        Stop::Findings(findings) => {
            let first = findings.first();
            let vi = first.map_or_else(String::new, |finding| finding.vi.clone());
            let en = first.map_or_else(String::new, |finding| finding.en.clone());
            (Code::ValidationFailed.text().to_owned(), vi, en, json!(findings), 3)
        }
        Stop::Core(error) => {
            let detail = match &error {
                Error::Refused(Refused { field, rule, .. }) if field.is_some() || rule.is_some() => {
                    json!({"field": field, "rule": rule})
                }
                _ => Json::Null,
            };
            let exit = match &error {
                Error::Refused(_) | Error::OtherUser => 3,
                Error::NotFound => 4,
                Error::NotEnrolled => 5,
                Error::Server { status: 401 | 403, .. } => 5,
                Error::Server { .. } => 6,
                Error::StorageFull => 7,
                Error::StoreDamaged | Error::Stored(_) | Error::StoreFromNewerApp { .. } | Error::NotAStore => 8,
                Error::Setting(_) | Error::File(_) | Error::Sqlite(_) => 1,
            };
            (error.code().to_owned(), error.vi(), error.en(), detail, exit)
        }
    }
}

struct Field {
    store: Store,
    lang: Lang,
    now_ms: Option<u64>,
    random: OsRandom,
}

impl Field {
    fn open(cli: &Cli) -> Outcome<Self> {
        let mut random = OsRandom;
        let (store, rescue) = Store::open_or_rescue(Location::File(cli.store.clone()), None, &mut random)?;
        if let Some(rescue) = rescue {
            let aside = rescue.set_aside.display();
            match cli.lang {
                Lang::Vi => eprintln!(
                    "Kho dữ liệu bị hỏng, đã để riêng ở {aside}. Cứu được {} thao tác, {} bản nháp.",
                    rescue.ops, rescue.drafts
                ),
                Lang::En => eprintln!(
                    "The store was damaged and set aside at {aside}. Rescued: {} ops, {} drafts.",
                    rescue.ops, rescue.drafts
                ),
            }
        }
        Ok(Self { store, lang: cli.lang, now_ms: cli.now_ms, random })
    }

    fn now(&self) -> ClaimedMs {
        ClaimedMs(self.now_ms.unwrap_or_else(|| {
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
        }))
    }

    fn say(&self, vi: impl Into<String>, en: impl Into<String>) -> String {
        if self.lang == Lang::Vi { vi.into() } else { en.into() }
    }

    fn day(&self, text: Option<&str>) -> Outcome<Day> {
        match text {
            None => Ok(Day::of_ms(self.now().0)),
            Some(text) => match Day::parse(text) {
                Some(day) => Ok(day),
                None => usage(format!("Ngày không đúng: {text} (cần YYYY-MM-DD)."), format!("Not a day: {text}.")),
            },
        }
    }

    fn run(&mut self, command: Command) -> Outcome<Answer> {
        match command {
            Command::Enrol { server, code, label } => self.enrol(&server, &code, &label),
            Command::Status => self.status(),
            Command::Households(command) => self.households(command),
            Command::Visit(command) => self.visits(command),
            Command::Plan(command) => self.plans(command),
            Command::Today { day } => self.today(day.as_deref()),
            Command::FollowUps => {
                let plans = self.store.follow_ups(self.day(None)?)?;
                done(json!(plans), plans.iter().map(|plan| self.plan_line(plan)).collect())
            }
            Command::Returned => self.returned(),
            Command::Drafts { command } => self.drafts(command),
            Command::Cases(command) => self.cases(command),
            Command::Counts { month } => self.counts(month.as_deref()),
            Command::Figures { unit, month, span, official } => self.figures(unit, month.as_deref(), &span, official),
            Command::Explain { visit } => self.explain_visit(VisitId(visit)),
            Command::Signals => {
                let today = self.day(None)?;
                let found = self.store.signals(today)?;
                let lines = found.iter().map(|one| self.say(one.vi.clone(), one.en.clone())).collect();
                done(json!(found), lines)
            }
            Command::Sync(args) => self.sync(&args),
            Command::Outbox => {
                let ops = self.store.outbox()?;
                done(json!(ops), ops.iter().map(|op| self.op_line(op)).collect())
            }
            Command::Rescue { out } => {
                let file = rescue_file(&mut self.store, &mut self.random)?;
                let mut to = std::fs::File::create_new(&out).map_err(Error::File)?;
                std::io::Write::write_all(&mut to, &file.bytes).map_err(Error::File)?;
                to.sync_all().map_err(Error::File)?;
                let vi = format!("Đã ghi {} thay đổi ({} chuyến thăm) vào {}.", file.ops, file.visits, out.display());
                let en = format!("{} changes ({} visits) are in {}.", file.ops, file.visits, out.display());
                done(json!({"ops": file.ops, "visits": file.visits, "file": out}), vec![self.say(vi, en)])
            }
            Command::Attention => {
                let ops = self.store.needs_attention()?;
                done(json!(ops), ops.iter().map(|op| self.op_line(op)).collect())
            }
            Command::Dismiss { uid } => {
                self.store.dismiss(OpUid(uid))?;
                done(json!({"dismissed": uid}), vec![self.say("Đã xử lý xong.", "Dealt with.")])
            }
            Command::Kinds { kind } => self.kinds(kind.as_deref()),
            Command::Qr => self.qr(),
            Command::Units => {
                let units = self.store.units()?;
                done(
                    json!(units),
                    units.iter().map(|unit| format!("{}  {}  {}", unit.id, unit.code, unit.name)).collect(),
                )
            }
            Command::Teams => {
                let teams = self.store.teams()?;
                done(json!(teams), teams.iter().map(|team| format!("{}  {}", team.id, team.name)).collect())
            }
            Command::Members => {
                let members = self.store.members()?;
                done(json!(members), members.iter().map(|m| format!("{}  {}", m.user, m.display_name)).collect())
            }
            Command::Announcements { day } => self.announcements(day.as_deref()),
            Command::Campaigns { village, day } => self.campaigns(village.as_deref(), day.as_deref()),
            Command::FieldCases => self.field_cases(),
            Command::Recognitions(command) => self.recognitions(command),
            Command::Markets => self.markets(),
            Command::Persons { household } => self.persons(household),
            Command::Businesses => self.businesses(),
            Command::Products => self.products(),
            Command::Targets => self.targets(),
            Command::Courses(command) => self.courses(command),
            Command::Doctor => self.doctor(),
        }
    }

    fn enrol(&mut self, server: &str, code: &str, label: &str) -> Outcome<Answer> {
        Server::new(server).enrol(&mut self.store, &mut self.random, code, label)?;
        let identity = self.store.identity()?;
        let name = identity.as_ref().map_or("", |identity| identity.display_name.as_str());
        let line = self.say(
            format!("Đã đăng ký máy cho {name}. Hãy đồng bộ để nhận dữ liệu."),
            format!("Enrolled for {name}. Sync to receive the data."),
        );
        done(json!(identity), vec![line])
    }

    fn status(&mut self) -> Outcome<Answer> {
        let identity = self.store.identity()?;
        let state = self.store.sync_state()?;
        let drafts = self.store.drafts()?.len();
        let mut lines = Vec::new();
        lines.push(match &identity {
            Some(identity) => self.say(
                format!("Người dùng: {} · máy {}", identity.display_name, identity.device),
                format!("User: {} · device {}", identity.display_name, identity.device),
            ),
            None => self.say("Máy chưa đăng ký.", "Not enrolled."),
        });
        lines.push(self.say(
            format!("Đã ghi {} chuyến thăm, máy chủ đã nhận {}.", state.recorded, state.confirmed),
            format!("{} visits recorded, {} confirmed by the server.", state.recorded, state.confirmed),
        ));
        lines.push(self.say(
            format!(
                "Chờ gửi {} · đã gửi chờ trả lời {} · máy chủ giữ lại {} · bị từ chối {} · bản nháp {drafts}",
                state.waiting, state.sent, state.deferred, state.refused
            ),
            format!(
                "To send {} · sent, no answer yet {} · kept for later {} · refused {} · drafts {drafts}",
                state.waiting, state.sent, state.deferred, state.refused
            ),
        ));
        if let Some(problem) = &state.problem {
            lines.push(self.say(format!("Lần trước chưa xong: {problem}"), format!("Last attempt: {problem}")));
        }
        lines.push(self.say(
            format!("Tháng này: gửi {} B, nhận {} B.", state.bytes_up, state.bytes_down),
            format!("This month: {} B up, {} B down.", state.bytes_up, state.bytes_down),
        ));
        done(json!({"identity": identity, "state": state, "drafts": drafts}), lines)
    }

    /// The village that is meant: by id, by a part of its name, or the only one where this user may write.
    fn village(&mut self, named: Option<&str>) -> Outcome<UnitId> {
        if let Some(id) = named.and_then(|named| named.parse().ok()) {
            return Ok(UnitId(id));
        }
        let held: Vec<ScopeId> = match self.store.identity()? {
            Some(identity) => identity.holdings.iter().map(|held| held.scope).collect(),
            None => return Err(Error::NotEnrolled.into()),
        };
        let folded = named.map(sync_protocol::fold::fold);
        let mut fitting: Vec<UnitView> = self
            .store
            .units()?
            .into_iter()
            .filter(|unit| unit.level == "village" && held.contains(&unit.id.into()))
            .filter(|unit| folded.as_ref().is_none_or(|f| sync_protocol::fold::fold(&unit.name).contains(f.as_str())))
            .collect();
        match (fitting.pop(), fitting.is_empty()) {
            (Some(unit), true) => Ok(unit.id),
            (Some(_), false) => {
                usage("Có nhiều thôn; hãy chọn bằng --village.", "Several villages: name one with --village.")
            }
            (None, _) => usage("Không có thôn nào phù hợp.", "No such village here."),
        }
    }

    fn team(&mut self, named: Option<Uuid>, village: UnitId) -> Outcome<TeamId> {
        if let Some(id) = named {
            return Ok(TeamId(id));
        }
        let parent = self.store.units()?.into_iter().find(|unit| unit.id == village).and_then(|unit| unit.parent);
        let me = self.store.identity()?.map(|identity| identity.user);
        let mine: Vec<TeamId> =
            self.store.members()?.iter().filter(|m| Some(m.user) == me).map(|member| member.team).collect();
        let teams: Vec<TeamView> = self.store.teams()?;
        let here = |unit: UnitId| unit == village || Some(unit) == parent;
        let found = teams
            .iter()
            .find(|team| here(team.unit) && mine.contains(&team.id))
            .or_else(|| teams.iter().find(|team| team.unit == village))
            .or_else(|| teams.iter().find(|team| here(team.unit)));
        match found {
            Some(team) => Ok(team.id),
            None => {
                usage("Chưa biết tổ nào ở thôn này; hãy chọn bằng --team.", "No team known here: name one with --team.")
            }
        }
    }

    fn households(&mut self, command: Households) -> Outcome<Answer> {
        let now = self.now();
        match command {
            Households::Search { query, limit } => {
                let hits = self.store.search_households(&query, limit)?;
                done(json!(hits), hits.iter().map(household_line).collect())
            }
            Households::List => {
                let hits = self.store.households()?;
                done(json!(hits), hits.iter().map(household_line).collect())
            }
            Households::Show { id } => {
                let page = self.store.household(HouseholdId(id), 10, Day::of_ms(now.0))?;
                let mut lines = vec![household_line(&page.household)];
                lines.extend(page.visits.iter().map(|visit| self.visit_line(visit)));
                let body = json!({
                    "household": page.household, "class": page.class, "adults_15_plus": page.adults_15_plus,
                    "consent": page.consent.map(|consent| json!({
                        "purposes": consent.purposes, "given": consent.given.to_string(),
                        "withdrawn": consent.withdrawn.map(|day| day.to_string()),
                    })),
                    "cases": page.cases, "visits": page.visits, "plans": page.plans,
                });
                done(body, lines)
            }
            Households::Add { village, groups, force } => {
                let village = self.village(village.as_deref())?;
                let Some(label) = groups.label.clone() else {
                    return usage(
                        "Thiếu --label: cách thôn gọi hộ này.",
                        "--label is missing: what the village calls it.",
                    );
                };
                let new = NewHousehold {
                    scope: Some(village.into()),
                    label,
                    landmark: groups.landmark.clone(),
                    head: groups.head.clone(),
                    phone: groups.phone.clone(),
                };
                let similar = self.store.similar_households(&new)?;
                if !similar.is_empty() && !force {
                    let mut lines = vec![self.say(
                        "Có phải một trong các hộ này? Nếu không, hãy thêm --force.",
                        "Is it one of these? If not, add --force.",
                    )];
                    lines.extend(similar.iter().map(|similar| household_line(&similar.household)));
                    return Ok(Answer { json: json!({"similar": similar}), lines, exit: 3 });
                }
                let groups = self.groups(&groups, None)?;
                let saved = self.store.create_household(village.into(), groups, now, &mut self.random)?;
                self.saved(&saved)
            }
            Households::Set { id, groups } => {
                let page = self.store.household(HouseholdId(id), 0, Day::of_ms(now.0))?;
                let groups = self.groups(&groups, Some(&page))?;
                if groups.is_empty() {
                    return usage("Không có gì để đổi.", "Nothing to change.");
                }
                let seen = self.store.seen_ver(RowType::HOUSEHOLD, id)?;
                let saved = self.store.set_household(HouseholdId(id), seen, groups, now, &mut self.random)?;
                self.saved(&saved)
            }
            Households::Move { id, to } => {
                let base_ver = self.store.seen_ver(RowType::HOUSEHOLD, id)?;
                let body = MoveRow { id, base_ver, to: ScopeId(to), ext: Ext::default() };
                let saved = self.store.save(Intent::HouseholdMove(body), now, &mut self.random)?;
                self.saved(&saved)
            }
        }
    }

    fn groups(&self, flags: &HouseholdFlags, page: Option<&HouseholdPage>) -> Outcome<Vec<(GroupKey, Raw)>> {
        let ext = Ext::default;
        let mut groups = Vec::new();
        if flags.label.is_some() || flags.landmark.is_some() {
            let old = page.map(|page| &page.household);
            let label = HouseholdLabel {
                label: flags.label.clone().or_else(|| old.map(|old| old.label.clone())).unwrap_or_default(),
                landmark: flags.landmark.clone().or_else(|| old.and_then(|old| old.landmark.clone())),
                ext: ext(),
            };
            groups.push((household::LABEL, Raw(label.cbor())));
        }
        if let Some(name) = &flags.head {
            groups.push((household::HEAD, Raw(HouseholdHead { display_name: name.clone(), ext: ext() }.cbor())));
        }
        if let Some(phone) = &flags.phone {
            let phone = phone_number::normalise(phone)
                .map_err(|_| Stop::Usage("Số điện thoại không đúng.".into(), "Not a phone number.".into()))?;
            groups.push((household::PHONE, Raw(HouseholdPhone { phone, ext: ext() }.cbor())));
        }
        if let Some(class) = &flags.class {
            groups.push((household::CLASS, Raw(HouseholdClass { class: class.clone(), ext: ext() }.cbor())));
        }
        if let Some(adults_15_plus) = flags.adults {
            groups.push((household::PEOPLE, Raw(HouseholdPeople { adults_15_plus, ext: ext() }.cbor())));
        }
        if let Some(status) = &flags.status {
            groups.push((household::STATUS, Raw(HouseholdStatus { status: status.clone(), ext: ext() }.cbor())));
        }
        if flags.consent {
            let consent = Consent {
                purposes: vec!["visit_log".into()],
                notice_version: "1".into(),
                language: "vi".into(),
                method: "spoken_witnessed".into(),
                given: Day::of_ms(self.now().0),
                withdrawn: None,
                ext: ext(),
            };
            groups.push((household::CONSENT, Raw(consent.cbor())));
        }
        Ok(groups)
    }

    fn saved(&self, saved: &Saved) -> Outcome<Answer> {
        let mut lines = vec![self.say(
            format!("Đã lưu trên máy (số {}): {}", saved.n, saved.row),
            format!("Saved on this phone (number {}): {}", saved.n, saved.row),
        )];
        if let Some(case) = saved.case {
            lines.push(self.say(
                format!("Có người đã ghi khác; sẽ có việc cần thống nhất: {case}"),
                format!("Somebody said otherwise; there will be a case: {case}"),
            ));
        }
        done(json!(saved), lines)
    }

    fn visits(&mut self, command: Visits) -> Outcome<Answer> {
        let now = self.now();
        match command {
            Visits::Log(args) => self.log(&args),
            Visits::List { household, status, from, to, limit } => {
                let status = match status {
                    Some(code) => match VisitStatus::from_code(&code) {
                        Some(status) => Some(status),
                        None => return usage(format!("Không có trạng thái {code}."), format!("No status {code}.")),
                    },
                    None => None,
                };
                let from = from.as_deref().map(|day| self.day(Some(day))).transpose()?;
                let to = to.as_deref().map(|day| self.day(Some(day))).transpose()?;
                let filter = VisitFilter { household: household.map(HouseholdId), status, from, to, limit };
                let visits = self.store.visits(&filter)?;
                done(json!(visits), visits.iter().map(|visit| self.visit_line(visit)).collect())
            }
            Visits::Show { id } => self.show_visit(VisitId(id)),
            Visits::Correct { id, file, submit } => {
                let visit = VisitId(id);
                let page = self.store.visit(visit)?;
                let json = read_json(&file)?;
                let content = self.content(&json, Some(&page))?;
                let submit = submit || json.get("submit").and_then(Json::as_bool).unwrap_or(false);
                let seen = self.store.visit_base_ver(visit)?;
                let saved = self.store.correct_visit(visit, seen, &content, submit, now, &mut self.random)?;
                self.saved(&saved)
            }
            Visits::Void { id, code, text } => {
                let saved = self.store.void_visit(VisitId(id), &code, text, now, &mut self.random)?;
                self.saved(&saved)
            }
            Visits::Submit { id } => {
                let saved = self.store.submit_visit(VisitId(id), now, &mut self.random)?;
                self.saved(&saved)
            }
            Visits::Return { id, reasons, note } => {
                let visit = VisitId(id);
                let hash = self.store.visit(visit)?.hash;
                let reasons = reasons.iter().map(|reason| read_reason(reason)).collect();
                let body = ReturnVisit { visit, hash, reasons, note, ext: Ext::default() };
                let saved = self.store.save(Intent::VisitReturn(body), now, &mut self.random)?;
                self.saved(&saved)
            }
            Visits::Approve { id } => {
                let visit = VisitId(id);
                let hash = self.store.visit(visit)?.hash;
                let body = ApproveVisit { visit, hash, batch: None, ext: Ext::default() };
                let saved = self.store.save(Intent::VisitApprove(body), now, &mut self.random)?;
                self.saved(&saved)
            }
        }
    }

    fn log(&mut self, args: &LogArgs) -> Outcome<Answer> {
        let mut json = match &args.file {
            Some(file) => read_json(file)?,
            None => json!({}),
        };
        let Some(object) = json.as_object_mut() else {
            return usage("Tệp JSON phải là một đối tượng.", "The JSON must be an object.");
        };
        let mut put = |name: &str, value: Option<Json>| {
            if let Some(value) = value {
                object.insert(name.to_owned(), value);
            }
        };
        put("village", args.village.clone().map(Json::from));
        put("team", args.team.map(|id| json!(id)));
        put("household", args.household.map(|id| json!(id)));
        put("visit_type", args.visit_type.clone().map(Json::from));
        put("day", args.day.clone().map(Json::from));
        put("minutes", args.minutes.map(Json::from));
        put("result", args.result.clone().map(Json::from));
        put("summary", args.summary.clone().map(Json::from));
        put("plan", args.plan.map(|id| json!(id)));
        if !args.activities.is_empty() {
            let activities: Vec<Json> = args.activities.iter().map(|text| read_activity(text)).collect();
            put("activities", Some(Json::from(activities)));
        }
        let content = self.content(&json, None)?;
        let submit = args.submit || json.get("submit").and_then(Json::as_bool).unwrap_or(false);
        let plan = id_member(&json, "plan")?.map(PlanId);
        let now = self.now();
        if args.draft {
            let body = DraftBody { content, plan, corrects: None, base_ver: None, form: None, ext: Ext::default() };
            let id = self.store.begin_draft(&body, now, &mut self.random)?;
            let line = self.say(format!("Đã giữ bản nháp: {id}"), format!("Draft kept: {id}"));
            return done(json!({"draft": id}), vec![line]);
        }
        let saved = self.store.record_visit(VisitEntry { content, submit, plan }, now, &mut self.random)?;
        self.saved(&saved)
    }

    /// Reads a visit's content; what is not named stays as it was, or takes its usual value.
    fn content(&mut self, json: &Json, page: Option<&VisitPage>) -> Outcome<VisitContent> {
        let old = page.map(|page| &page.content);
        let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
        let village = match (json.get("village").and_then(Json::as_str), old) {
            (None, Some(old)) => old.village,
            (Some(named), _) => self.village(Some(named))?,
            // Whose house it is says which village it is.
            (None, None) => match id_member(json, "household")?.map(HouseholdId) {
                Some(household) => self.store.household(household, 0, Day(0))?.household.scope.into(),
                None => self.village(None)?,
            },
        };
        let team = match (id_member(json, "team")?, old) {
            (None, Some(old)) => old.team,
            (named, _) => self.team(named, village)?,
        };
        let household = match json.get("household") {
            Some(Json::Null) => None,
            Some(_) => id_member(json, "household")?.map(HouseholdId),
            None => old.and_then(|old| old.household),
        };
        let activities = match json.get("activities").and_then(Json::as_array) {
            Some(list) => list
                .iter()
                .enumerate()
                .map(|(index, activity)| read_json_activity(activity, index, page))
                .collect::<Outcome<Vec<Activity>>>()?,
            None => old.map_or_else(Vec::new, |old| old.activities.clone()),
        };
        let members = match json.get("members").and_then(Json::as_array) {
            Some(list) => list
                .iter()
                .map(|id| match id.as_str().and_then(|id| id.parse().ok()) {
                    Some(id) => Ok(UserId(id)),
                    None => usage("Mã thành viên không đúng.", "A member's id does not read."),
                })
                .collect::<Outcome<Vec<UserId>>>()?,
            None => old.map_or_else(Vec::new, |old| old.members.clone()),
        };
        let number = |name: &str| json.get(name).and_then(Json::as_u64).and_then(|number| u32::try_from(number).ok());
        let day = match (json.get("day").and_then(Json::as_str), old) {
            (None, Some(old)) => old.day,
            (day, _) => self.day(day)?,
        };
        let kept = |name: &str, old: Option<&Option<String>>| match json.get(name) {
            Some(_) => text(name),
            None => old.cloned().flatten(),
        };
        let default_type = if household.is_some() { "household" } else { "group" };
        let place = match json.get("place").and_then(Json::as_array).map(Vec::as_slice) {
            Some([lat, lon]) => lat.as_i64().zip(lon.as_i64()),
            _ => old.and_then(|old| old.place),
        };
        Ok(VisitContent {
            village,
            team,
            household,
            visit_type: text("visit_type")
                .or_else(|| old.map(|old| old.visit_type.clone()))
                .unwrap_or_else(|| default_type.to_owned()),
            day,
            minutes: number("minutes").or_else(|| old.and_then(|old| old.minutes)),
            activities,
            members,
            result: kept("result", old.map(|old| &old.result)),
            summary: kept("summary", old.map(|old| &old.summary)),
            place,
            catalogue: Catalogue::shipped().version().to_owned(),
            partner_org: kept("partner_org", old.map(|old| &old.partner_org)),
            quantity_reason: kept("quantity_reason", old.map(|old| &old.quantity_reason)),
            ext: old.map_or_else(Ext::default, |old| old.ext.clone()),
        })
    }

    fn show_visit(&mut self, id: VisitId) -> Outcome<Answer> {
        let page = self.store.visit(id)?;
        let mut lines = vec![self.visit_line(&page.summary)];
        for activity in &page.activities {
            let label = Catalogue::shipped().label(&activity.kind, self.catalogue_lang()).unwrap_or(&activity.kind);
            lines.push(format!("  {label}: {}", activity.fields));
        }
        if let Some(review) = &page.review {
            lines.extend(self.review_lines(review));
        }
        let content = &page.content;
        let body = json!({
            "visit": page.summary, "delivery": page.delivery, "activities": page.activities, "review": page.review,
            "cases": page.cases, "author_name": page.author_name, "content_awaited": page.content_awaited,
            "content": {
                "village": content.village, "team": content.team, "household": content.household,
                "visit_type": content.visit_type, "day": content.day.to_string(), "minutes": content.minutes,
                "members": content.members, "result": content.result, "summary": content.summary,
                "catalogue": content.catalogue, "partner_org": content.partner_org,
                "quantity_reason": content.quantity_reason,
            },
        });
        done(body, lines)
    }

    fn plans(&mut self, command: Plans) -> Outcome<Answer> {
        let now = self.now();
        match command {
            Plans::Add { village, team, user, household, visit_type, day, kinds, note, follows } => {
                let village = self.village(village.as_deref())?;
                let team = self.team(team, village)?;
                let task = PlanTask {
                    village,
                    household: household.map(HouseholdId),
                    visit_type,
                    planned_for: self.day(Some(&day))?,
                    kinds,
                    note,
                    follows: follows.map(VisitId),
                    ext: Ext::default(),
                };
                let assignee = PlanAssignee { team, user: user.map(UserId), ext: Ext::default() };
                let saved = self.store.create_plan(&task, &assignee, now, &mut self.random)?;
                self.saved(&saved)
            }
            Plans::List { all } => {
                let plans = self.store.plans(!all, Day::of_ms(now.0))?;
                done(json!(plans), plans.iter().map(|plan| self.plan_line(plan)).collect())
            }
            Plans::Cancel { id, reason } => {
                let saved = self.store.cancel_plan(PlanId(id), reason, now, &mut self.random)?;
                self.saved(&saved)
            }
        }
    }

    fn today(&mut self, day: Option<&str>) -> Outcome<Answer> {
        let today = self.store.today(self.day(day)?)?;
        let mut lines = vec![self.say(
            format!(
                "{}: còn nợ {} · bản nháp {} · bị trả lại {} · chưa đồng bộ {} · cần xử lý {}",
                today.day, today.follow_ups, today.drafts, today.returned, today.not_yet_synced, today.needs_attention
            ),
            format!(
                "{}: follow-ups {} · drafts {} · returned {} · not yet synced {} · needs attention {}",
                today.day, today.follow_ups, today.drafts, today.returned, today.not_yet_synced, today.needs_attention
            ),
        )];
        lines.extend(today.plans.iter().map(|plan| self.plan_line(plan)));
        lines.extend(today.visits.iter().map(|visit| self.visit_line(visit)));
        done(json!(today), lines)
    }

    fn returned(&mut self) -> Outcome<Answer> {
        let returned = self.store.returned()?;
        let mut lines = Vec::new();
        for item in &returned {
            lines.push(format!("{}  {}", self.visit_line(&item.visit), item.household_label.as_deref().unwrap_or("")));
            if let Some(review) = &item.review {
                lines.extend(self.review_lines(review));
            }
        }
        done(json!(returned), lines)
    }

    fn drafts(&mut self, command: Option<Drafts>) -> Outcome<Answer> {
        match command.unwrap_or(Drafts::List) {
            Drafts::List => {
                let drafts = self.store.drafts()?;
                let body: Vec<Json> = drafts
                    .iter()
                    .map(|draft| {
                        json!({
                            "id": draft.id, "at": draft.at, "changed": draft.changed, "scope_lost": draft.scope_lost,
                            "village": draft.body.content.village, "household": draft.body.content.household,
                            "day": draft.body.content.day.to_string(), "corrects": draft.body.corrects,
                        })
                    })
                    .collect();
                let lost = self.say("thôn không còn thuộc địa bàn", "the village is no longer yours");
                let line = |draft: &Draft| {
                    let note = if draft.scope_lost { lost.as_str() } else { "" };
                    format!("{}  {}  {note}", draft.id, draft.body.content.day)
                };
                done(json!(body), drafts.iter().map(line).collect())
            }
            Drafts::Finish { id, submit } => {
                let saved = self.store.finish_draft(id, submit)?;
                self.saved(&saved)
            }
            Drafts::Discard { id } => {
                self.store.discard_draft(id)?;
                done(json!({"discarded": id}), vec![self.say("Đã bỏ bản nháp.", "Draft thrown away.")])
            }
        }
    }

    fn cases(&mut self, command: Cases) -> Outcome<Answer> {
        match command {
            Cases::List { all } => {
                let cases = self.store.cases(!all)?;
                let mut lines = Vec::new();
                for case in &cases {
                    lines.push(format!("{}  {} {}", case.id, case.subject, if case.open { "" } else { "✓" }));
                    for (number, side) in (1..).zip(&case.sides) {
                        lines.push(format!(
                            "  {number}. {} ({})",
                            side.words,
                            side.author_name.as_deref().unwrap_or("?")
                        ));
                    }
                }
                let body: Vec<Json> = cases
                    .iter()
                    .map(|case| {
                        let sides: Vec<Json> = case
                            .sides
                            .iter()
                            .map(|side| json!({"words": side.words, "author": side.author, "author_name": side.author_name, "at": side.at}))
                            .collect();
                        json!({
                            "id": case.id, "scope": case.scope, "type": case.ty.0, "subject": case.subject,
                            "group": case.group, "open": case.open, "sides": sides,
                        })
                    })
                    .collect();
                done(json!(body), lines)
            }
            Cases::Resolve { id, side } => {
                let case = self.store.case(CaseId(id))?;
                let Some(chosen) = side.checked_sub(1).and_then(|index| case.sides.get(index)) else {
                    return usage("Không có bản đó.", "There is no such side.");
                };
                let now = self.now();
                let seen = self.store.seen_ver(RowType::CASE, id)?;
                let saved = self.store.resolve_case(CaseId(id), seen, chosen.value.clone(), now, &mut self.random)?;
                self.saved(&saved)
            }
        }
    }

    /// The reporting month that was asked for, or that of today.
    fn month(&mut self, text: Option<&str>) -> Outcome<Month> {
        match text {
            Some(text) => match Month::parse(text) {
                Some(month) => Ok(month),
                None => usage(format!("Tháng không đúng: {text}."), format!("Not a month: {text}.")),
            },
            None => Ok(Month::of_day(self.day(None)?, Month::LAST_DAY_DEFAULT)),
        }
    }

    fn figures(&mut self, unit: Option<Uuid>, month: Option<&str>, span: &str, official: bool) -> Outcome<Answer> {
        let month = self.month(month)?;
        let Some(kind) = PeriodKind::from_code(span) else {
            return usage(
                format!("Kỳ không đúng: {span}. Chọn month, quarter, half_year hoặc year."),
                format!("Not a period: {span}. Give month, quarter, half_year or year."),
            );
        };
        let units = self.store.units()?;
        let chosen = match unit {
            Some(unit) => units.iter().find(|known| known.id.0 == unit),
            None => units.iter().find(|known| known.level == "village"),
        };
        let unit = chosen.ok_or(Error::NotFound)?;
        let (view, rows) = if official { (View::Official, RowsOf::Server) } else { (View::Provisional, RowsOf::Phone) };
        let span = Span::of_month(kind, month);
        let figures = self.store.figures(unit.id, span, view, rows)?;
        let (indicators, lang) = (Indicators::shipped(), self.catalogue_lang());
        let mut lines = vec![format!("{} · {}", unit.name, self.say(span.vi(), span.en()))];
        let line = |label: &str, figure: &Figure| match (figure.value, figure.empty) {
            (Some(value), _) => {
                let sign = if figure.unit == FigureUnit::Percent { " %" } else { "" };
                format!("  {label}: {}{sign}", value.spelled(lang))
            }
            (None, empty) => format!("  {label}: – ({})", empty.unwrap_or(Empty::NoData).words(lang)),
        };
        for figure in &figures.sheet.indicators {
            if let Some(indicator) = indicators.indicator(&figure.indicator) {
                let label = if lang == CatalogueLang::Vi { &indicator.vi } else { &indicator.en };
                lines.push(line(label, figure));
            }
        }
        for figure in figures.sheet.kinds.iter().filter(|figure| figure.approved + figure.submitted > 0) {
            let label = Catalogue::shipped().label(&figure.indicator, lang).unwrap_or(&figure.indicator);
            lines.push(line(label, figure));
        }
        let figure = |figure: &Figure| {
            json!({
                "code": figure.indicator, "unit": figure.unit.code(),
                "value": figure.value.map(|value| value.to_string()),
                "numerator": figure.numerator.map(|value| value.to_string()),
                "denominator": figure.denominator.map(|value| value.to_string()),
                "empty": figure.empty.map(Empty::code),
                "approved": figure.approved, "submitted": figure.submitted, "provisional": figure.provisional,
            })
        };
        let answer = json!({
            "unit": unit.id, "from": figures.period.from.to_string(), "to": figures.period.to.to_string(),
            "indicators": figures.sheet.indicators.iter().map(figure).collect::<Vec<_>>(),
            "kinds": figures.sheet.kinds.iter().map(figure).collect::<Vec<_>>(),
        });
        done(answer, lines)
    }

    fn counts(&mut self, month: Option<&str>) -> Outcome<Answer> {
        let month = self.month(month)?;
        let counts = self.store.counts(month)?;
        let line = |field: &Self, vi: &str, en: &str, totals: &CountTotals| {
            field.say(
                format!(
                    "{vi}: đã ghi {} · máy chủ đã nhận {} · đã duyệt {}",
                    totals.recorded, totals.confirmed, totals.approved
                ),
                format!(
                    "{en}: recorded {} · confirmed {} · approved {}",
                    totals.recorded, totals.confirmed, totals.approved
                ),
            )
        };
        let mut lines = vec![
            self.say(format!("Kỳ {}", counts.month), format!("Month {}", counts.month)),
            line(self, "Chuyến thăm", "Visits", &counts.visits),
            line(self, "Hoạt động", "Activities", &counts.activities),
            line(self, "Đạt", "Achieved", &counts.achieved),
        ];
        // One line per kind, outcome and status, over all villages and teams; the cells themselves are in the JSON.
        let mut sums: std::collections::BTreeMap<(&str, &str, &str), (i64, i64)> = std::collections::BTreeMap::new();
        for cell in counts.cells.iter().filter(|cell| !cell.kind.is_empty()) {
            let sum = sums.entry((&cell.kind, &cell.outcome, &cell.status)).or_default();
            sum.0 += cell.recorded;
            sum.1 += cell.confirmed;
        }
        for ((kind, outcome, status), (recorded, confirmed)) in sums {
            let lang = self.catalogue_lang();
            let kind_label = Catalogue::shipped().label(kind, lang).unwrap_or(kind);
            let outcome_label = Catalogue::shipped().option_label(kind, "outcome", outcome, lang).unwrap_or(outcome);
            let status_label = self.status_words(status);
            lines.push(format!("  {kind_label} · {outcome_label} · {status_label}: {recorded}/{confirmed}"));
        }
        done(json!(counts), lines)
    }

    fn explain_visit(&mut self, id: VisitId) -> Outcome<Answer> {
        let why = self.store.explain(id)?;
        let mut lines = vec![self.say(
            format!("Ngày {} thuộc kỳ {} (từ ngày 15 tháng trước đến ngày 14).", why.day, why.month),
            format!("{} belongs to {} (from the 15th of the month before to the 14th).", why.day, why.month),
        )];
        if why.void {
            lines.push(self.say("Đã hủy: không được tính.", "Void: it counts nowhere."));
        }
        lines.push(self.say(
            format!(
                "Trạng thái {} · tính trên máy {} mục · máy chủ tính {} mục",
                why.status,
                why.recorded.len(),
                why.confirmed.len()
            ),
            format!(
                "Status {} · counts {} times here, {} times at the server",
                why.status,
                why.recorded.len(),
                why.confirmed.len()
            ),
        ));
        done(json!(why), lines)
    }

    fn sync(&mut self, args: &SyncArgs) -> Outcome<Answer> {
        let identity = self.store.identity()?.ok_or(Error::NotEnrolled)?;
        let Some(address) = args.server.clone().or(identity.server) else {
            return usage("Thiếu --server.", "--server is missing.");
        };
        let mut server = Server::new(&address);
        server.cut_after = args.cut_after;
        server.frames_max = args.max_frames;
        server.whole_answers = args.whole_answers;
        let fixed = self.now_ms;
        let mut clock = move || {
            ClaimedMs(fixed.unwrap_or_else(|| {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
            }))
        };
        let summary = drive(&mut self.store, &mut self.random, &mut server, &mut clock, !args.background)?;
        let (exit, line) = match summary.ended {
            Ended::Complete => (0, self.say("Đã đồng bộ xong.", "In sync.")),
            Ended::Wiped => (
                5,
                self.say(
                    "Máy đã bị thu hồi; dữ liệu nhận về đã xóa.",
                    "This device was revoked; what it received is gone.",
                ),
            ),
            Ended::Failed(Failure::SignIn) => (
                5,
                self.say(
                    "Cần đăng nhập lại; dữ liệu vẫn giữ trên máy.",
                    "Sign in again; everything stays on the phone.",
                ),
            ),
            Ended::Failed(Failure::Cut) => (
                9,
                self.say(
                    "Mạng bị đứt; phần đã nhận được giữ lại, sẽ tiếp tục.",
                    "The connection broke; what arrived is kept.",
                ),
            ),
            Ended::Failed(failure) => (
                6,
                self.say(
                    format!("Chưa liên lạc được ({}). Dữ liệu vẫn giữ trên máy.", failure.code()),
                    format!("No answer that could be used ({}). Everything stays on the phone.", failure.code()),
                ),
            ),
            Ended::TooEarly => (9, self.say("Chưa đến lúc thử lại.", "Too early to try again.")),
            Ended::Stalled | Ended::Incomplete | Ended::Running => {
                (9, self.say("Chưa đồng bộ hết; hãy thử lại.", "Not everything was exchanged; try again."))
            }
        };
        let mut lines = vec![line];
        lines.push(self.say(
            format!(
                "Gửi {} thao tác ({} B), nhận {} dòng ({} B), {} lượt.",
                summary.ops_sent, summary.bytes_up, summary.rows, summary.bytes_down, summary.rounds
            ),
            format!(
                "Sent {} ops ({} B), received {} rows ({} B), {} round trips.",
                summary.ops_sent, summary.bytes_up, summary.rows, summary.bytes_down, summary.rounds
            ),
        ));
        if summary.rejected > 0 {
            lines.push(self.say(
                format!("{} thao tác bị từ chối: xem `attention`.", summary.rejected),
                format!("{} ops were refused: see `attention`.", summary.rejected),
            ));
        }
        for (scope, rows) in &summary.purged {
            lines.push(self.say(
                format!("Đã xóa {rows} dòng của địa bàn {scope}."),
                format!("Forgot {rows} rows of scope {scope}."),
            ));
        }
        Ok(Answer { json: json!(summary), lines, exit })
    }

    /// Account and name are dropped while reading, and a code on the command line would stay in the shell's history.
    fn qr(&self) -> Outcome<Answer> {
        let mut text = String::new();
        let Ok(_) = std::io::stdin().read_line(&mut text) else {
            return usage("Không đọc được mã từ đầu vào chuẩn.", "The code could not be read from standard input.");
        };
        let code = PaymentQr::parse(text.trim()).map_err(Stop::Qr)?;
        let names: Vec<&str> = acquirers(&code.bin).map(|acquirer| acquirer.name).collect();
        let vi = self.lang == Lang::Vi;
        let bank = if names.is_empty() { code.bin.clone() } else { names.join(" / ") };
        let mut lines = vec![format!("{} {bank}", if vi { "Mã của" } else { "Code of" })];
        lines.push(match (code.kind, vi) {
            (QrKind::Static, true) => "Mã tĩnh: người trả tiền nhập số tiền.".to_owned(),
            (QrKind::Static, false) => "Static code: the payer types the amount.".to_owned(),
            (QrKind::Dynamic, true) => "Mã động: dùng cho một lần trả tiền.".to_owned(),
            (QrKind::Dynamic, false) => "Dynamic code: for one payment.".to_owned(),
        });
        let fields = Catalogue::shipped().to_json_fields(&code.answers());
        done(json!({"acquirers": names, "amount_vnd": code.amount_vnd, "fields": fields}), lines)
    }

    fn kinds(&self, kind: Option<&str>) -> Outcome<Answer> {
        let (catalogue, lang) = (Catalogue::shipped(), self.catalogue_lang());
        let Some(code) = kind else {
            let list: Vec<Json> = catalogue
                .kinds()
                .iter()
                .map(|kind| json!({"code": kind.code, "vi": kind.vi, "en": kind.en, "count_unit": kind.count_unit}))
                .collect();
            let lines = catalogue.kinds().iter().map(|kind| format!("{:28} {}", kind.code, kind.label(lang))).collect();
            return done(json!({"version": catalogue.version(), "kinds": list}), lines);
        };
        let kind = catalogue.kind(code).ok_or(Error::NotFound)?;
        let mut lines = vec![kind.label(lang).to_owned()];
        let mut fields = Vec::new();
        for field in &kind.fields {
            let options: Vec<&str> = field.choices().iter().map(|choice| choice.code.as_str()).collect();
            let mark = if field.required { "*" } else { "" };
            lines.push(format!(
                "  {}{mark} ({:?}) {} {}",
                field.code,
                field.field_type,
                field.label(lang),
                options.join("|")
            ));
            fields.push(json!({
                "code": field.code, "type": format!("{:?}", field.field_type), "required": field.required, "vi": field.vi,
                "en": field.en, "options": options,
            }));
        }
        done(json!({"code": kind.code, "vi": kind.vi, "en": kind.en, "fields": fields}), lines)
    }

    fn doctor(&mut self) -> Outcome<Answer> {
        let integrity = self.store.integrity()?;
        let buckets = self.store.bucket_reports()?;
        let derived = self.store.rebuild_check()?;
        let right = integrity.is_empty() && derived.is_empty() && buckets.iter().all(|bucket| bucket.digest_right);
        let bytes = self.store.bytes_used()?;
        let mut lines = vec![if right {
            self.say("Kho dữ liệu lành lặn.", "The store is sound.")
        } else {
            self.say("Kho dữ liệu có chỗ sai; hãy đồng bộ để sửa.", "The store has faults; sync to repair them.")
        }];
        lines.extend(integrity.iter().chain(&derived).cloned());
        lines.extend(buckets.iter().map(|b| {
            let mark = if b.digest_right { "=" } else { "≠" };
            format!("{} {} {} rows {} seq {} {mark}", b.scope, b.class, b.quarter, b.rows, b.seq)
        }));
        let body = json!({
            "sound": right, "integrity": integrity, "derived": derived, "buckets": buckets, "bytes_used": bytes,
            "schema": SCHEMA,
        });
        Ok(Answer { json: body, lines, exit: if right { 0 } else { 8 } })
    }

    fn catalogue_lang(&self) -> CatalogueLang {
        if self.lang == Lang::Vi { CatalogueLang::Vi } else { CatalogueLang::En }
    }

    /// A status in words.
    fn status_words(&self, status: &str) -> String {
        match status {
            "done" => self.say("đã ghi, chưa nộp", "recorded"),
            "submitted" => self.say("đã nộp", "submitted"),
            "returned" => self.say("bị trả lại", "returned"),
            "approved" => self.say("đã duyệt", "approved"),
            other => other.to_owned(),
        }
    }

    fn visit_line(&self, visit: &VisitSummary) -> String {
        let status = if visit.void { self.say("đã hủy", "void") } else { self.status_words(&visit.status) };
        let waiting = if visit.waiting { self.say(" · chưa đồng bộ", " · not synced") } else { String::new() };
        let disputed =
            if visit.disputed { self.say(" · có hai bản khác nhau", " · disputed") } else { String::new() };
        format!("{}  {}  {status}{waiting}{disputed}", visit.id, visit.day)
    }

    fn review_lines(&self, review: &ReviewView) -> Vec<String> {
        let by = review.by_name.clone().unwrap_or_else(|| review.by.to_string());
        let verb = if review.decision == "approved" {
            self.say("duyệt", "approved")
        } else {
            self.say("trả lại", "returned")
        };
        let mut lines = vec![format!("  {by}: {verb}. {}", review.note.as_deref().unwrap_or(""))];
        for reason in &review.reasons {
            let place = match (reason.activity, &reason.field) {
                (Some(index), Some(field)) => format!("[{index}].{field}: "),
                (Some(index), None) => format!("[{index}]: "),
                (None, Some(field)) => format!("{field}: "),
                (None, None) => String::new(),
            };
            let words = match reason.code.as_str() {
                "wrong_answer" => self.say("câu trả lời sai", "wrong answer"),
                "missing_answer" => self.say("thiếu câu trả lời", "missing answer"),
                "evidence_unclear" => self.say("minh chứng không rõ", "evidence unclear"),
                "duplicate" => self.say("trùng", "duplicate"),
                "wrong_household" => self.say("nhầm hộ", "wrong household"),
                "wrong_day" => self.say("sai ngày", "wrong day"),
                other => other.to_owned(),
            };
            lines.push(format!("    - {place}{words} {}", reason.text.as_deref().unwrap_or("")));
        }
        lines
    }

    fn plan_line(&self, plan: &PlanView) -> String {
        let overdue = if plan.overdue { self.say(" · quá hạn", " · overdue") } else { String::new() };
        let whom = plan.household_label.as_deref().unwrap_or(&plan.visit_type);
        format!("{}  {}  {whom}  {}{overdue}", plan.id, plan.day, plan.kinds.join(", "))
    }

    fn op_line(&self, op: &OutboxOp) -> String {
        let words = if self.lang == Lang::Vi { &op.vi } else { &op.en };
        let state = match op.state {
            OpState::Pending => self.say("chờ gửi", "pending"),
            OpState::Sent => self.say("đã gửi", "sent"),
            OpState::Decided => self.say("đã trả lời", "decided"),
            OpState::Echoed => self.say("máy chủ đã ghi", "echoed"),
            OpState::Durable => self.say("đã sao lưu", "durable"),
        };
        let field = op.field.as_ref().map_or_else(String::new, |field| format!(" [{field}]"));
        format!("{:>5}  {}  {}  {state}{field} {}", op.n, op.uid, op.name, words.as_deref().unwrap_or(""))
    }
}

fn household_line(hit: &HouseholdHit) -> String {
    let parts = [hit.head.as_deref(), Some(hit.label.as_str()), hit.landmark.as_deref(), hit.phone.as_deref()];
    let words: Vec<&str> = parts.into_iter().flatten().collect();
    format!("{}  {}{}", hit.id, words.join(" · "), if hit.waiting { " *" } else { "" })
}

fn id_member(json: &Json, name: &str) -> Outcome<Option<Uuid>> {
    match json.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(id) => match id.as_str().and_then(|id| Uuid::try_parse(id).ok()) {
            Some(id) => Ok(Some(id)),
            None => usage(format!("Mã không đúng: {name}."), format!("Not an id: {name}.")),
        },
    }
}

fn read_json(file: &str) -> Outcome<Json> {
    let mut text = String::new();
    let read = if file == "-" {
        std::io::stdin().read_to_string(&mut text).map(|_| ())
    } else {
        std::fs::read_to_string(file).map(|read| text = read)
    };
    if read.is_err() {
        return usage(format!("Không đọc được {file}."), format!("Cannot read {file}."));
    }
    match serde_json::from_str(&text) {
        Ok(json) => Ok(json),
        Err(error) => usage(format!("JSON không đúng: {error}"), format!("Not JSON: {error}")),
    }
}

fn read_reason(text: &str) -> ReturnReason {
    let (code, place) = match text.split_once('@') {
        Some((code, place)) => (code, Some(place)),
        None => (text, None),
    };
    let (activity, field) = match place.and_then(|place| place.split_once('.')) {
        Some((index, field)) if index.parse::<u32>().is_ok() => (index.parse().ok(), Some(field.to_owned())),
        _ => match place.and_then(|place| place.parse().ok()) {
            Some(index) => (Some(index), None),
            None => (None, place.map(str::to_owned)),
        },
    };
    ReturnReason { code: code.to_owned(), activity, field, text: None, ext: Ext::default() }
}

/// `KIND:field=value,field=value` as the JSON of a form. What a value is, the catalogue says.
fn read_activity(text: &str) -> Json {
    let (kind, answers) = text.split_once(':').unwrap_or((text, ""));
    let mut fields = Map::new();
    for answer in answers.split(',').filter(|answer| !answer.is_empty()) {
        let (name, value) = answer.split_once('=').unwrap_or((answer, "true"));
        let field = Catalogue::shipped().kind(kind).and_then(|kind| kind.field(name));
        let value = match field.map(|field| field.field_type) {
            Some(FieldType::MultiEnum) => Json::from(value.split('|').collect::<Vec<_>>()),
            Some(FieldType::Bool) => Json::from(matches!(value, "true" | "1" | "yes" | "co" | "có")),
            Some(FieldType::Int | FieldType::MoneyVnd) => {
                value.parse::<i64>().map_or_else(|_| Json::from(value), Json::from)
            }
            _ => Json::from(value),
        };
        fields.insert(name.to_owned(), value);
    }
    json!({"kind": kind, "fields": fields})
}

fn read_json_activity(json: &Json, index: usize, page: Option<&VisitPage>) -> Outcome<Activity> {
    let Some(kind) = json.get("kind").and_then(Json::as_str) else {
        return usage(format!("activities[{index}]: thiếu kind."), format!("activities[{index}]: kind is missing."));
    };
    let empty = json!({});
    let fields =
        Catalogue::shipped().from_json_fields(kind, json.get("fields").unwrap_or(&empty)).map_err(Stop::Findings)?;
    // An activity that was there before keeps its id through a correction.
    let before = page.and_then(|page| page.activities.get(index)).filter(|before| before.kind == kind);
    let id = match id_member(json, "id")? {
        Some(id) => Some(ActivityId(id)),
        None => before.map(|before| before.id),
    };
    Ok(Activity { kind: kind.to_owned(), fields, id, ext: Ext::default() })
}
