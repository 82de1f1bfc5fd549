//! The end of a trial: every op that was called saved is looked for, on its phone and at the desk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use client_core::http::{OsRandom, Server};
use client_core::sync::{Ended, drive};
use client_core::{Location, Store};
use serde_json::json;
use sync_protocol::decide::reporting_month;
use sync_protocol::ids::*;
use sync_protocol::op::Op;
use tests::{Desk, Fallible, now, text};
use uuid::Uuid;

use crate::{Ledger, Phone, Village, lock, name_of};

/// Phones that are read at the same time.
const READERS: usize = 3;
/// Syncs until a phone must be done.
const SYNCS_MAX: u64 = 30;

/// What was found.
#[derive(Default)]
pub(crate) struct Books {
    /// Ops that the server has decided, by what the phones know.
    pub(crate) decided: usize,
    /// Visits that the desk lists.
    pub(crate) visits: usize,
    /// Ops that opened a case.
    pub(crate) cases: usize,
    /// Ops that were called saved, and are not decided or not at the desk.
    pub(crate) lost: usize,
    /// Ops or visits that are there more than once, or that nobody made.
    pub(crate) doubled: usize,
    /// Checks that did not hold.
    pub(crate) wrong: Vec<String>,
    /// Every op by the row id that it draws, which the audit trail names: device and name.
    ops: BTreeMap<Uuid, (String, String)>,
    /// Visits that phones hold ops for.
    made: BTreeSet<Uuid>,
    /// What each phone counts: village, month, and four numbers.
    counts: Vec<(String, usize, String, [i64; 4])>,
}

/// Syncs every phone to the end, twice, so that each has also what the others sent last; then reads every file.
pub(crate) fn phones(phones: &[Phone], ledger: &Ledger, url: &str, many: usize) -> Fallible<Books> {
    let books = Mutex::new(Books::default());
    for is_last in [false, true] {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..READERS.min(many) {
                scope.spawn(|| {
                    while let Some(phone) = phones.get(next.fetch_add(1, Ordering::SeqCst)) {
                        let done =
                            if is_last { read(phone, ledger, url, &books) } else { finish(phone, url).map(drop) };
                        if let Err(error) = done {
                            lock(&books).wrong.push(format!("{}: {error}", name_of(&phone.path)));
                        }
                    }
                });
            }
        });
    }
    Ok(books.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Opens a phone's file and syncs until all is sent and all is here.
fn finish(phone: &Phone, url: &str) -> Fallible<Store> {
    let mut store = Store::open(Location::File(phone.path.clone()), None).map_err(words)?;
    for press in 1..=SYNCS_MAX {
        let shown = ClaimedMs(now().0 + press * 61_000);
        let summary = drive(&mut store, &mut OsRandom, &mut Server::new(url), &mut || shown, true).map_err(words)?;
        if summary.ended == Ended::Complete && store.not_yet_synced().map_err(words)?.is_empty() {
            return Ok(store);
        }
    }
    Err(format!("not done after {SYNCS_MAX} syncs: {:?}", store.sync_state().map_err(words)?).into())
}

fn read(phone: &Phone, ledger: &Ledger, url: &str, books: &Mutex<Books>) -> Fallible<()> {
    let mut store = finish(phone, url)?;
    let mut wrong = Vec::new();
    let waiting = store.needs_attention().map_err(words)?;
    wrong.extend(waiting.iter().map(|op| format!("{} is {:?} {:?}", op.name, op.verdict, op.code)));
    wrong.extend(store.integrity().map_err(words)?);
    wrong.extend(store.rebuild_check().map_err(words)?.into_iter().take(5));
    for bucket in store.bucket_reports().map_err(words)? {
        if !bucket.digest_right || bucket.reloading {
            wrong.push(format!("a bucket's digest: {bucket:?}"));
        }
    }
    let device = store.identity().map_err(words)?.ok_or("nobody is enrolled")?.device.to_string();
    let outbox = store.outbox().map_err(words)?;
    let mut ops = Vec::new();
    for op in &outbox {
        let bytes = store.op_bytes(op.uid).map_err(words)?.ok_or("an op without bytes")?;
        let row = Op::read(&bytes).map_err(|error| format!("{error:?}"))?.row_id();
        ops.push((row, (device.clone(), op.name.clone())));
    }
    let today = Day::of_ms(now().0);
    let months = BTreeSet::from([reporting_month(today), reporting_month(Day(today.0 - 10))]);
    let mut counts = Vec::new();
    for month in months {
        let all = store.counts(month).map_err(words)?;
        if all.visits.recorded != all.visits.confirmed {
            wrong.push(format!("{month}: {} visits recorded, {} confirmed", all.visits.recorded, all.visits.confirmed));
        }
        let four = [all.visits.confirmed, all.activities.confirmed, all.achieved.confirmed, all.visits.approved];
        counts.push((name_of(&phone.path), phone.village, month.to_string(), four));
    }

    let mut books = lock(books);
    let decided: BTreeMap<Uuid, &str> =
        outbox.iter().filter_map(|op| Some((op.uid.0, op.verdict.as_deref()?))).collect();
    for (uid, (_, name, row)) in ledger.promised.iter().filter(|(_, promise)| promise.0 == phone.number) {
        if !decided.get(uid).is_some_and(|verdict| verdict.starts_with("applied")) {
            books.lost += 1;
            wrong.push(format!("LOST: {name} {uid} of row {row}: {:?}", decided.get(uid)));
        }
    }
    books.decided += decided.len();
    books.cases += decided.values().filter(|verdict| **verdict == "applied_with_case").count();
    books.made.extend(outbox.iter().filter(|op| op.name.starts_with("visit.record")).filter_map(|op| op.row));
    for (row, op) in ops {
        if books.ops.insert(row, op).is_some() {
            books.doubled += 1;
            wrong.push(format!("DOUBLED: an op that draws the row {row}"));
        }
    }
    books.counts.extend(counts);
    books.wrong.extend(wrong.into_iter().map(|what| format!("{}: {what}", name_of(&phone.path))));
    Ok(())
}

/// Compares with the desk: every visit once, every op once in the audit trail, every count the same.
pub(crate) fn desk(
    books: &mut Books,
    ledger: &Ledger,
    villages: &[Village],
    officer: &Desk,
    admin: &Desk,
) -> Fallible<()> {
    let mut listed = BTreeSet::new();
    let mut noted: BTreeMap<Uuid, u64> = BTreeMap::new();
    for (number, village) in villages.iter().enumerate() {
        for visit in officer.list(&format!("/api/v1/visits?village={}", village.unit))? {
            let id: Uuid = text(&visit, "id")?.parse()?;
            if !listed.insert(id) {
                books.doubled += 1;
                books.wrong.push(format!("DOUBLED: the desk lists the visit {id} twice"));
            }
        }
        for entry in admin.list(&format!("/api/v1/audit?scope={}", village.unit))? {
            let object = entry["object"].as_str().and_then(|object| object.parse().ok());
            let (Some(object), Some(device)) = (object, entry["device"].as_str()) else { continue };
            match books.ops.get(&object) {
                Some((by, _)) if by == device => *noted.entry(object).or_default() += 1,
                _ => {
                    books.doubled += 1;
                    books.wrong.push(format!("DOUBLED: decided, and on no phone: {entry}"));
                }
            }
        }
        for (phone, _, month, mine) in books.counts.iter().filter(|counts| counts.1 == number) {
            let theirs = officer.get(&format!("/api/v1/counts?unit={}&month={month}", village.unit))?;
            let totals = &theirs["totals"];
            let desk = json!([totals["visits"], totals["activities"], totals["achieved"], totals["approved"]]);
            if json!(mine) != desk {
                books.wrong.push(format!("{phone}: {month} counts {mine:?}, the desk {desk}"));
            }
        }
    }
    books.visits = listed.len();
    for (uid, (_, name, row)) in &ledger.promised {
        if name == "visit.record" && !listed.contains(row) {
            books.lost += 1;
            books.wrong.push(format!("LOST: the visit {row} of op {uid} is not at the desk"));
        }
    }
    for visit in listed.symmetric_difference(&books.made) {
        books.wrong.push(format!("the visit {visit} is only at the desk, or only on a phone"));
    }
    for (row, (device, name)) in &books.ops {
        match noted.get(row).copied().unwrap_or(0) {
            1 => {}
            0 => {
                books.lost += 1;
                books
                    .wrong
                    .push(format!("LOST: no decision about {name} of device {device} in the audit trail: {row}"));
            }
            times => {
                books.doubled += 1;
                books.wrong.push(format!("DOUBLED: {name} of device {device} was decided {times} times: {row}"));
            }
        }
    }
    Ok(())
}

fn words(error: client_core::Error) -> String {
    format!("{} ({}): {error:?}", error.en(), error.code())
}
