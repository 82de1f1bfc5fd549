//! A phone as a process of its own: it saves, says so, and syncs, until somebody kills it.
//!
//! A line `saved` on its standard output is the promise: the store has said that the op is on the disk.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use client_core::http::{OsRandom, Server};
use client_core::store::{Saved, VisitEntry};
use client_core::sync::drive;
use client_core::{Error, Location, Store};
use serde_json::json;
use sync_protocol::catalogue::Catalogue;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::row::RowType;
use tests::now;

use crate::chance::Chance;

/// The store cannot be opened, or used, because its disk is full.
pub(crate) const EXIT_FULL: u8 = 3;
/// Households of a village that are edited.
const DISPUTED: usize = 8;
/// The enrolment code is used up.
pub(crate) const EXIT_CODE: u8 = 4;
/// Anything else.
pub(crate) const EXIT_FAILED: u8 = 5;

/// What the parent tells a phone.
#[derive(Parser)]
pub(crate) struct Arguments {
    /// The file.
    #[arg(long)]
    pub(crate) store: PathBuf,
    /// Where the line to the server is.
    #[arg(long)]
    pub(crate) server: String,
    /// An enrolment code, until it is enrolled.
    #[arg(long)]
    pub(crate) code: Option<String>,
    /// The village.
    #[arg(long)]
    pub(crate) village: UnitId,
    /// The team.
    #[arg(long)]
    pub(crate) team: TeamId,
    /// Choices.
    #[arg(long)]
    pub(crate) seed: u64,
    /// Longest pause between two syncs, in milliseconds.
    #[arg(long)]
    pub(crate) pause: u64,
}

/// Plays the phone.
pub(crate) fn main(words: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    let arguments = Arguments::parse_from(words);
    let Err(error) = play(&arguments);
    say(&format!("ended {} {error:?}", error.code()).replace('\n', " "));
    ExitCode::from(match &error {
        Error::StorageFull => EXIT_FULL,
        Error::Server { status: 400, .. } => EXIT_CODE,
        _ => EXIT_FAILED,
    })
}

/// Says a line at once. A phone whose parent is gone ends.
fn say(line: &str) {
    let mut out = std::io::stdout();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

fn play(arguments: &Arguments) -> Result<std::convert::Infallible, Error> {
    let mut chance = Chance::new(arguments.seed, 0);
    let mut store = Store::open(Location::File(arguments.store.clone()), None)?;
    let server = Server::new(&arguments.server);
    while store.identity()?.is_none() {
        let code = arguments.code.as_deref().unwrap_or_default();
        match server.enrol(&mut store, &mut OsRandom, code, "Máy thử") {
            Err(Error::Server { status, .. }) if status != 400 => {
                std::thread::sleep(Duration::from_millis(chance.within(50, 300)));
            }
            done => done?,
        }
    }
    say("open");
    let mut presses = 0;
    let mut phone = Phone { store, village: arguments.village, team: arguments.team, chance, own: Vec::new() };
    loop {
        for _ in 0..phone.chance.within(0, 4) {
            phone.save();
        }
        presses += 1;
        // A press a minute, by the phone's clock: more often it would be asked to wait.
        let shown = ClaimedMs(now().0 + presses * 61_000);
        let mut server = Server::new(&arguments.server);
        match drive(&mut phone.store, &mut OsRandom, &mut server, &mut || shown, true) {
            Ok(summary) => say(&format!("sync {:?}", summary.ended)),
            Err(Error::StorageFull) => say("full sync"),
            Err(error) => return Err(error),
        }
        let pause = phone.chance.within(arguments.pause / 8, arguments.pause + 1);
        std::thread::sleep(Duration::from_millis(pause));
    }
}

struct Phone {
    store: Store,
    village: UnitId,
    team: TeamId,
    chance: Chance,
    /// Visits that this process recorded and has not handed in.
    own: Vec<VisitId>,
}

impl Phone {
    fn save(&mut self) {
        let house = match self.store.households() {
            Ok(houses) if !houses.is_empty() => houses[self.chance.place(houses.len())].id,
            // Nothing has come yet.
            Ok(_) => return,
            Err(error) => return say(&told(&error)),
        };
        let done = match self.chance.within(0, 100) {
            0..65 => self.record(house),
            65..80 => self.set(),
            80..88 => self.correct(),
            88..94 => self.hand_in(),
            _ => self.create(),
        };
        match done {
            Ok(Some((name, saved))) => say(&format!("saved {} {name} {}", saved.uid.0, saved.row)),
            Ok(None) => {}
            Err(error) => say(&told(&error)),
        }
    }

    fn content(&mut self, house: HouseholdId) -> VisitContent {
        let outcome = ["done", "already", "not_done"][self.chance.place(3)];
        let (kind, mut answers) = match self.chance.within(0, 3) {
            0 => ("payment_account", json!({ "kind": "bank_account", "age_15_plus": true })),
            1 => ("safe_internet_guidance", json!({ "points_covered": ["otp", "fake_app"] })),
            _ => {
                let step = if outcome == "not_done" { "told" } else { "activated" };
                ("vneid_level2", json!({ "step": step, "age_14_plus": true }))
            }
        };
        answers["outcome"] = outcome.into();
        if outcome == "not_done" {
            answers["failure_reason"] = "no_signal".into();
            answers["note"] = "Sóng yếu ở đầu suối, hẹn chiều thứ Năm quay lại.".into();
        }
        let fields = Catalogue::shipped().from_json_fields(kind, &answers).expect("the catalogue takes these answers");
        VisitContent {
            village: self.village,
            team: self.team,
            household: Some(house),
            visit_type: "household".into(),
            day: Day(Day::of_ms(now().0).0 - self.chance.within(0, 10) as u32),
            minutes: Some(10 + self.chance.within(0, 30) as u32),
            activities: vec![Activity { kind: kind.into(), fields, id: None, ext: Ext::default() }],
            members: vec![],
            result: None,
            summary: None,
            place: None,
            catalogue: Catalogue::shipped().version().into(),
            partner_org: None,
            quantity_reason: None,
            ext: Ext::default(),
        }
    }

    fn record(&mut self, house: HouseholdId) -> Result<Option<(&'static str, Saved)>, Error> {
        let submit = self.chance.yes(60);
        let entry = VisitEntry { content: self.content(house), submit, plan: None };
        let saved = self.store.record_visit(entry, now(), &mut OsRandom)?;
        if !submit {
            self.own.push(VisitId(saved.row));
        }
        Ok(Some(("visit.record", saved)))
    }

    fn hand_in(&mut self) -> Result<Option<(&'static str, Saved)>, Error> {
        let Some(visit) = self.own.last().copied() else { return Ok(None) };
        let saved = self.store.submit_visit(visit, now(), &mut OsRandom)?;
        self.own.pop();
        Ok(Some(("visit.submit", saved)))
    }

    fn correct(&mut self) -> Result<Option<(&'static str, Saved)>, Error> {
        if self.own.is_empty() {
            return Ok(None);
        }
        let visit = self.own[self.chance.place(self.own.len())];
        let mut content = self.store.visit(visit)?.content;
        content.minutes = Some(10 + self.chance.within(0, 60) as u32);
        let seen = self.store.visit_base_ver(visit)?;
        let saved = self.store.correct_visit(visit, seen, &content, false, now(), &mut OsRandom)?;
        Ok(Some(("visit.correct", saved)))
    }

    fn set(&mut self) -> Result<Option<(&'static str, Saved)>, Error> {
        // Everybody of a village edits the same few households: unseen by each other, as it happens.
        let mut houses: Vec<HouseholdId> = self.store.households()?.iter().map(|house| house.id).collect();
        houses.sort();
        let house = houses[self.chance.place(houses.len().min(DISPUTED))];
        let people = HouseholdPeople { adults_15_plus: self.chance.within(1, 9) as u32, ext: Ext::default() };
        let seen = self.store.seen_ver(RowType::HOUSEHOLD, house.0)?;
        let groups = [(household::PEOPLE, Raw(people.cbor()))];
        let saved = self.store.set_household(house, seen, groups, now(), &mut OsRandom)?;
        Ok(Some(("household.set", saved)))
    }

    fn create(&mut self) -> Result<Option<(&'static str, Saved)>, Error> {
        let label = format!("Nhà mới số {:08x}", self.chance.draw() as u32);
        let label = HouseholdLabel { label, landmark: None, ext: Ext::default() };
        let class = HouseholdClass { class: "normal".into(), ext: Ext::default() };
        let people = HouseholdPeople { adults_15_plus: 2, ext: Ext::default() };
        let status = HouseholdStatus { status: "active".into(), ext: Ext::default() };
        let groups = [
            (household::LABEL, Raw(label.cbor())),
            (household::CLASS, Raw(class.cbor())),
            (household::PEOPLE, Raw(people.cbor())),
            (household::STATUS, Raw(status.cbor())),
        ];
        let saved = self.store.create_household(self.village.into(), groups, now(), &mut OsRandom)?;
        Ok(Some(("household.create", saved)))
    }
}

fn told(error: &Error) -> String {
    match error {
        Error::StorageFull => "full save".to_owned(),
        Error::Refused(refused) => format!("refused {} {}", refused.code, refused.field.as_deref().unwrap_or("")),
        _ => format!("failed {} {error:?}", error.code()).replace('\n', " "),
    }
}
