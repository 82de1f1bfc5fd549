//! The main job, end to end, without a screen: `cargo xtask demo --once`.
//!
//! Three phones with real files, two of them with wrong clocks, a real server process that is killed in mid-sync and later
//! restored from a backup, a phone that is restored from an old copy, a member who changes villages while offline. Prints what happens; ends with 0 only if every count agrees, nothing
//! is lost or doubled, and the moved member's phone holds no row of the old village.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use client_core::Error;
use client_core::store::{HouseholdHit, VisitEntry};
use serde_json::{Value, json};
use sync_protocol::catalogue::Catalogue;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::decide::reporting_month;
use sync_protocol::entity::{Activity, HouseholdPeople, VisitContent, household};
use sync_protocol::ids::*;
use sync_protocol::row::RowType;
use tests::{Death, Desk, DyingServer, Fallible, Phone, Program, ServerProcess, now, text};

/// The story of one visit, and of everything that goes wrong around it.
#[derive(Parser)]
struct Arguments {
    /// The server's program; left out, this program plays it.
    #[arg(long)]
    server: Option<PathBuf>,
    /// The field client's program; it shows a phone's state at the end.
    #[arg(long)]
    field: Option<PathBuf>,
    /// An empty folder for everything.
    #[arg(long)]
    dir: PathBuf,
    /// Another number gives another commune.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The word after which this program is the server.
const AS_SERVER: &str = "as-server";

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    if words.nth(1).is_some_and(|word| word == AS_SERVER) {
        return server::cli::main(std::iter::once("thonso".into()).chain(words));
    }
    let arguments = Arguments::parse();
    match tell(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\n  FAILED: {error}");
            println!("  the files are in {}", arguments.dir.display());
            ExitCode::FAILURE
        }
    }
}

fn chapter(title: &str) {
    println!("\n{title}")
}
fn line(text: impl AsRef<str>) {
    println!("  {}", text.as_ref())
}

fn must(holds: bool, what: impl AsRef<str>) -> Fallible<()> {
    if holds {
        line(format!("✓ {}", what.as_ref()));
        Ok(())
    } else {
        Err(what.as_ref().to_owned().into())
    }
}

/// A village as the story needs it.
struct Village {
    unit: UnitId,
    team: TeamId,
    name: String,
}

/// Whoever plays a part.
struct Cast {
    villages: Vec<Village>,
    officer: Desk,
    members: Vec<(UserId, String)>,
}

/// All visits that somebody recorded, with what must become of them.
#[derive(Default)]
struct Ledger(BTreeMap<VisitId, &'static str>);

fn tell(arguments: &Arguments) -> Fallible<()> {
    let program = match &arguments.server {
        Some(path) => Program { path: path.clone(), before: vec![] },
        None => Program { path: std::env::current_exe()?, before: vec![AS_SERVER.into()] },
    };
    std::fs::create_dir_all(&arguments.dir)?;
    let data = arguments.dir.join("server");

    chapter("1. A commune comes to life");
    let seed = arguments.seed.to_string();
    let data_text = data.to_str().ok_or("the folder's name is not UTF-8")?;
    let seeded: Value = serde_json::from_str(&program.output(&[
        "--data",
        data_text,
        "demo-seed",
        "--json",
        "--visits",
        "0",
        "--seed",
        &seed,
    ])?)?;
    let mut server = ServerProcess::start(&program, &data)?;
    line(format!(
        "{} official units, {} villages, {} households, {} accounts; the server listens on {}",
        seeded["units"],
        seeded["villages"].as_array().map_or(0, Vec::len),
        seeded["households"],
        seeded["accounts"].as_array().map_or(0, Vec::len),
        server.url()
    ));
    let cast = cast(&seeded, &server)?;
    let (home, away) = (&cast.villages[0], &cast.villages[1]);

    chapter("2. Three phones are enrolled with one-time codes, and load their village once");
    let mut phones = Vec::new();
    line("An's clock is right, Bình's believes it is 1970, Chi's 2038: nothing may depend on a phone's clock");
    let clocks = [("An", now()), ("Binh", ClaimedMs(0)), ("Chi", ClaimedMs(2_145_916_800_000))];
    for (index, (label, clock)) in clocks.into_iter().enumerate() {
        let (user, name) = &cast.members[index];
        let code = cast.officer.post(&format!("/api/v1/users/{user}/enrolment-code"), &json!({}))?;
        let mut phone = Phone::new(label, &arguments.dir.join("phones"), clock)?;
        phone.enrol(&server.url(), &text(&code, "code")?)?;
        let summary = phone.sync(&server.url())?;
        line(format!(
            "{label} ({name}): {} households, {} rows in {} bytes",
            phone.store.households().map_err(words)?.len(),
            summary.rows,
            summary.bytes_down
        ));
        phones.push(phone);
    }
    let [mut an, mut binh, mut chi] = <[Phone; 3]>::try_from(phones).map_err(|_| "three phones")?;
    let houses = an.store.households().map_err(words)?;
    must(
        houses.len() == binh.store.households().map_err(words)?.len(),
        "both phones of one village hold the same households",
    )?;

    chapter("3. No signal: visits are recorded on the phones");
    let mut ledger = Ledger::default();
    let first = record(&mut an, home, &houses[0], "done", &mut ledger)?;
    line(format!("An visits “{}” and notes VNeID level 2: saved", houses[0].label));
    for house in &houses[1..4] {
        record(&mut an, home, house, "not_done", &mut ledger)?;
    }
    for house in &houses[4..6] {
        record(&mut binh, home, house, "already", &mut ledger)?;
    }
    for house in &houses[6..8] {
        record(&mut chi, home, house, "done", &mut ledger)?;
    }
    let refused = an.store.check_visit(&content(&cast.villages[1], &houses[0], "done")?, now());
    must(
        matches!(refused, Err(Error::Refused(_))),
        "a visit in a village that is not hers is refused while she can still correct it",
    )?;
    let counts = an.store.counts(month()).map_err(words)?;
    must((counts.visits.recorded, counts.visits.confirmed) == (4, 0), "An's phone shows 4 recorded, 0 confirmed")?;

    chapter("4. The server is killed in the middle of An's sync, three times");
    for (death, what) in [
        (Death::MidRequest, "half of the request had arrived"),
        (Death::AtOnce, "the request had just arrived"),
        (Death::AnswerLost, "everything was committed, and the answer was lost"),
    ] {
        let summary = an.sync_over(&mut DyingServer { server: &mut server, death })?;
        line(format!("SIGKILL when {what}: the phone says {:?}", summary.ended));
        server.restart()?;
    }
    an.sync(&server.url())?;
    let counts = an.store.counts(month()).map_err(words)?;
    must((counts.visits.recorded, counts.visits.confirmed) == (4, 4), "after the fourth try: 4 recorded, 4 confirmed")?;
    must(visits_of(&cast.officer, home)?.len() == 4, "the officer sees 4 visits, each once")?;

    chapter("5. The officer returns a visit; An corrects it without signal");
    let seen = cast.officer.get(&format!("/api/v1/visits/{first}"))?;
    let reason =
        json!([{ "code": "wrong_answer", "activity": 0, "field": "step", "text": "Ghi lại bước đã làm được." }]);
    cast.officer.post(
        &format!("/api/v1/visits/{first}/return"),
        &json!({ "content_hash": text(&seen, "content_hash")?, "reasons": reason, "note": "Cảm ơn chị, sửa giúp một chỗ." }),
    )?;
    an.sync(&server.url())?;
    let returned = an.store.returned().map_err(words)?;
    let review = returned.first().and_then(|returned| returned.review.as_ref()).ok_or("nothing came back")?;
    line(format!(
        "An's phone: “{}” — {}",
        review.note.as_deref().unwrap_or(""),
        review.reasons[0].text.as_deref().unwrap_or("")
    ));
    let mut corrected = an.store.visit(first).map_err(words)?.content;
    corrected.activities[0] = activity("done", "documents_added")?;
    let seen = an.store.visit_base_ver(first).map_err(words)?;
    an.store.correct_visit(first, seen, &corrected, true, an.clock(), &mut an.random).map_err(words)?;
    must(an.store.returned().map_err(words)?.is_empty(), "corrected offline: nothing returned is left on her list")?;

    chapter("6. Two phones say different things about one household, unseen");
    for (phone, adults) in [(&mut an, 3), (&mut binh, 5)] {
        let people = HouseholdPeople { adults_15_plus: adults, ext: Ext::default() };
        let groups = [(household::PEOPLE, Raw(people.cbor()))];
        let seen = phone.store.seen_ver(RowType::HOUSEHOLD, houses[0].id.0).map_err(words)?;
        phone.store.set_household(houses[0].id, seen, groups, phone.clock(), &mut phone.random).map_err(words)?;
    }
    an.sync(&server.url())?;
    let copies = arguments.dir.join("old-copy");
    binh.copy_to(&copies)?;
    record(&mut binh, home, &houses[9], "done", &mut ledger)?;
    let summary = binh.sync(&server.url())?;
    must(summary.with_case == 1, "Bình's edit is applied and a conflict case is opened")?;
    let cases = cast.officer.list("/api/v1/cases?status=open")?;
    must(cases.len() == 1, "the officer has one case with both answers")?;
    let case = text(&cases[0], "id")?;
    let seen = cast.officer.get(&format!("/api/v1/cases/{case}"))?;
    let base_ver = text(&seen, "ver").or_else(|_| text(&seen["case"], "ver"))?;
    cast.officer.post(&format!("/api/v1/cases/{case}/resolve"), &json!({ "base_ver": base_ver, "side": 0 }))?;
    an.sync(&server.url())?;
    binh.sync(&server.url())?;
    let adults = |phone: &mut Phone| -> Fallible<Option<u32>> {
        Ok(phone.store.household(houses[0].id, 1, today()).map_err(words)?.adults_15_plus)
    };
    must(adults(&mut an)? == Some(3) && adults(&mut binh)? == Some(3), "settled: both phones show the chosen answer")?;

    chapter("7. Bình's phone is restored from an old copy");
    let before = visits_of(&cast.officer, home)?.len();
    binh = binh.restore_from(&copies)?;
    line("the copy is older than her last visit and than the syncs: it does not know that all of it arrived");
    record(&mut binh, home, &houses[8], "done", &mut ledger)?;
    let summary = binh.sync(&server.url())?;
    must(summary.new_epochs == 1, "the two histories are noticed, and a new outbox begins")?;
    must(
        visits_of(&cast.officer, home)?.len() == before + 1,
        "only the new visit is added: nothing lost, nothing doubled",
    )?;

    chapter("8. Chi is moved to another village while she is offline");
    let label_of_home = houses
        .iter()
        .find(|house| house.label.len() > 20)
        .map_or(houses[10].label.clone(), |house| house.label.clone());
    must(chi.file_holds(label_of_home.as_bytes())?, format!("before: her file holds “{label_of_home}”"))?;
    let members = cast.officer.get(&format!("/api/v1/teams/{}/members", home.team))?;
    let members = members["items"].as_array().or(members.as_array()).cloned().unwrap_or_default();
    let (chi_user, chi_name) = &cast.members[2];
    let membership = members
        .iter()
        .find(|member| member["user"] == json!(chi_user.to_string()))
        .ok_or_else(|| format!("{chi_name} is not in the team"))?;
    let day = today().to_string();
    cast.officer.post(&format!("/api/v1/members/{}/end", text(membership, "id")?), &json!({ "to": day }))?;
    cast.officer.post(
        &format!("/api/v1/teams/{}/members", away.team),
        &json!({ "user": chi_user, "display_name": chi_name, "position": "member", "organisation": "women", "from": day }),
    )?;
    let summary = chi.sync(&server.url())?;
    must(summary.applied == 2, "her two visits from before are taken")?;
    must(
        chi.store.base_dump().map_err(words)?.iter().all(|(scope, _, _)| *scope == ScopeId::from(away.unit)),
        format!("her phone holds only rows of {}", away.name),
    )?;
    must(!chi.file_holds(label_of_home.as_bytes())?, "and no trace of the old village's households in its file")?;
    let late = cast.officer.list(&format!("/api/v1/visits?village={}&flag=after_grant_ended", home.unit))?;
    must(late.len() == 2, "the officer sees the two visits flagged as sent after her grant ended")?;
    let houses_away = chi.store.households().map_err(words)?;
    record(&mut chi, away, &houses_away[0], "done", &mut ledger)?;
    chi.sync(&server.url())?;

    chapter("9. The server's disk dies; its last backup is put in place");
    let backup = arguments.dir.join("backup.sqlite3");
    let backup_text = backup.to_str().ok_or("the folder's name is not UTF-8")?;
    program.output(&["--data", data_text, "backup", "--to", backup_text])?;
    for house in &houses[11..13] {
        record(&mut an, home, house, "done", &mut ledger)?;
    }
    an.sync(&server.url())?;
    let before = visits_of(&cast.officer, home)?.len();
    server.kill()?;
    for suffix in ["-wal", "-shm"] {
        drop(std::fs::remove_file(data.join(format!("{}{suffix}", server::startup::DATABASE))));
    }
    std::fs::copy(&backup, data.join(server::startup::DATABASE))?;
    server.restart()?;
    must(visits_of(&cast.officer, home)?.len() == before - 2, "the backup does not have An's last two visits")?;
    let summary = an.sync(&server.url())?;
    must(summary.server_restored, "her phone notices that the server was restored, and offers them again")?;
    must(visits_of(&cast.officer, home)?.len() == before, "they are back, each once")?;

    chapter("10. The officer approves");
    let submitted = cast.officer.list(&format!("/api/v1/visits?village={}&status=submitted", home.unit))?;
    let visits: Vec<Value> = submitted
        .iter()
        .map(|visit| json!({ "id": visit["id"], "content_hash": visit["content_hash"], "looked_at": true }))
        .collect();
    let approved = visits.len();
    cast.officer.post("/api/v1/visits/bulk-approve", &json!({ "visits": visits }))?;
    line(format!("{approved} visits approved in one go, every one of them looked at"));
    for phone in [&mut an, &mut binh, &mut chi] {
        phone.sync(&server.url())?;
    }

    chapter("11. Every counter agrees, and says why");
    for (village, phones) in [(home, vec![&mut an, &mut binh]), (away, vec![&mut chi])] {
        let desk = cast.officer.get(&format!("/api/v1/counts?unit={}&month={}", village.unit, month()))?;
        let totals = &desk["totals"];
        line(format!("desk, {}: {totals}", village.name));
        for phone in phones {
            let counts = phone.store.counts(month()).map_err(words)?;
            let shown = [
                (counts.visits.confirmed, "visits"),
                (counts.activities.confirmed, "activities"),
                (counts.achieved.confirmed, "achieved"),
                (counts.visits.approved, "approved"),
            ];
            for (number, name) in shown {
                let desk = totals[name].as_i64().ok_or_else(|| format!("no {name} at the desk"))?;
                must(number == desk, format!("{}'s phone and the desk: {name} {number} = {desk}", phone.name))?;
            }
            must(counts.visits.recorded == counts.visits.confirmed, "recorded and confirmed are one number again")?;
            must(phone.store.outbox().map_err(words)?.iter().all(|op| op.code.is_none()), "nothing was refused")?;
            must(phone.store.rebuild_check().map_err(words)?.is_empty(), "what is shown is what the rows say")?;
        }
    }
    let page = an.store.visit(first).map_err(words)?;
    let desk = cast.officer.get(&format!("/api/v1/visits/{first}"))?;
    must(
        desk["content"]["activities"][0]["id"] == json!(page.activities[0].id.to_string())
            && desk["content"]["content_hash"] == json!(page.hash.map(|byte| format!("{byte:02x}")).concat()),
        "phone and desk call the corrected visit's content and its activity by the same names",
    )?;
    let why = an.store.explain(first).map_err(words)?;
    line(format!("why the first visit counts: {}", serde_json::to_string(&why)?));
    let mut held = BTreeSet::new();
    for village in [home, away] {
        for visit in visits_of(&cast.officer, village)? {
            must_once(held.insert(visit), visit)?;
        }
    }
    let recorded: BTreeSet<VisitId> = ledger.0.keys().copied().collect();
    must(
        held == recorded,
        format!("{} visits were saved on phones, and the server holds exactly those", recorded.len()),
    )?;

    server.kill()?;
    let doctor = program.output(&["--data", data_text, "doctor"])?;
    must(doctor.trim() == "ok", "audit chains and digests of the server's file are in order after one more SIGKILL")?;
    if let Some(field) = &arguments.field {
        chapter("An's phone, as the field client shows it");
        show(field, &an.path)?;
    }
    println!("\nAll of it holds.");
    Ok(())
}

fn show(field: &Path, store: &Path) -> Fallible<()> {
    let output = std::process::Command::new(field).arg("--store").arg(store).arg("status").output()?;
    for text in String::from_utf8_lossy(&output.stdout).lines() {
        line(text);
    }
    if output.status.success() { Ok(()) } else { Err("the field client failed".into()) }
}

fn words(error: Error) -> String {
    format!("{} ({})", error.en(), error.code())
}

fn must_once(is_new: bool, visit: VisitId) -> Fallible<()> {
    if is_new { Ok(()) } else { Err(format!("the visit {visit} is there twice").into()) }
}

fn today() -> Day {
    Day::of_ms(now().0)
}
fn month() -> Month {
    reporting_month(today())
}

fn cast(seeded: &Value, server: &ServerProcess) -> Fallible<Cast> {
    let accounts = seeded["accounts"].as_array().ok_or("no accounts")?;
    let password = text(seeded, "password")?;
    let officer = accounts.iter().find(|account| account["role"] == "commune_officer").ok_or("no officer")?;
    let officer = Desk::sign_in(&server.url(), &text(officer, "phone")?, &password)?;
    let mut villages = Vec::new();
    for index in 0..2 {
        let unit: UnitId = seeded["villages"][index].as_str().ok_or("no village")?.parse()?;
        let team: TeamId = seeded["teams"][index].as_str().ok_or("no team")?.parse()?;
        let name = text(&officer.get(&format!("/api/v1/units/{unit}"))?, "full_name")?;
        villages.push(Village { unit, team, name });
    }
    let mut members = Vec::new();
    for account in accounts {
        let is_of_team = matches!(account["role"].as_str(), Some("team_leader" | "member"));
        if is_of_team && account["place"] == json!(villages[0].name) {
            members.push((text(account, "user")?.parse()?, text(account, "display_name")?));
        }
    }
    if members.len() < 3 {
        return Err("the first village's team has fewer than three members".into());
    }
    Ok(Cast { villages, officer, members })
}

fn activity(outcome: &str, step: &str) -> Fallible<Activity> {
    let mut answers = json!({ "step": step, "age_14_plus": true, "outcome": outcome });
    if outcome == "not_done" {
        answers["failure_reason"] = json!("no_signal");
        answers["note"] = json!("Sóng yếu ở đầu suối, hẹn chiều thứ Năm quay lại.");
    }
    let fields =
        Catalogue::shipped().from_json_fields("vneid_level2", &answers).map_err(|findings| format!("{findings:?}"))?;
    Ok(Activity { kind: "vneid_level2".into(), fields, id: None, ext: Ext::default() })
}

fn content(village: &Village, house: &HouseholdHit, outcome: &str) -> Fallible<VisitContent> {
    let step = if outcome == "not_done" { "told" } else { "activated" };
    Ok(VisitContent {
        village: village.unit,
        team: village.team,
        household: Some(house.id),
        visit_type: "household".into(),
        day: today(),
        minutes: Some(15),
        activities: vec![activity(outcome, step)?],
        members: vec![],
        result: None,
        summary: None,
        place: None,
        catalogue: Catalogue::shipped().version().into(),
        partner_org: None,
        quantity_reason: None,
        ext: Ext::default(),
    })
}

fn record(
    phone: &mut Phone,
    village: &Village,
    house: &HouseholdHit,
    outcome: &'static str,
    ledger: &mut Ledger,
) -> Fallible<VisitId> {
    let entry = VisitEntry { content: content(village, house, outcome)?, submit: true, plan: None };
    let saved = phone.store.record_visit(entry, phone.clock(), &mut phone.random).map_err(words)?;
    let visit = VisitId(saved.row);
    ledger.0.insert(visit, outcome);
    Ok(visit)
}

fn visits_of(officer: &Desk, village: &Village) -> Fallible<Vec<VisitId>> {
    let visits = officer.list(&format!("/api/v1/visits?village={}", village.unit))?;
    visits.iter().map(|visit| Ok(text(visit, "id")?.parse()?)).collect()
}
