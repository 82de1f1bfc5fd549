//! What every engine must show. Each promise of `Storage` and `Tx` is one test, run over every engine.

#![cfg(test)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::memory::MemoryStorage;
use super::sqlite::SqliteStorage;
use super::*;

/// A store with whatever must outlive it.
struct Bench {
    store: Store,
    _folder: Option<tempfile::TempDir>,
}

fn memory() -> Bench {
    Bench { store: Store(Arc::new(MemoryStorage::default())), _folder: None }
}

fn sqlite() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let store = Store(Arc::new(SqliteStorage::open(&folder.path().join("store.sqlite3")).unwrap()));
    Bench { store, _folder: Some(folder) }
}

macro_rules! promises {
    ($($name:ident)+) => {
        mod on_memory { $(#[test] fn $name() { super::$name(&super::memory().store) })+ }
        mod on_sqlite { $(#[test] fn $name() { super::$name(&super::sqlite().store) })+ }
    };
}

promises! {
    a_failed_job_leaves_no_trace
    a_panicking_job_harms_nobody
    jobs_of_one_commit_do_not_harm_each_other
    a_snapshot_does_not_see_later_commits
    positions_are_given_in_commit_order_without_gaps
    a_row_has_one_place_and_moves_forward
    a_row_that_left_is_found_only_where_it_went
    a_page_holds_at_least_one_row
    equal_ops_keep_the_first_place_of_their_uid
    durable_marks_never_go_back
    a_phone_number_names_one_account
    grants_are_found_by_user_and_by_unit
    an_audit_entry_is_never_replaced
    visits_are_listed_by_scope_filter_and_place
    counts_add_up_and_vanish_at_zero
    units_have_one_parent
    units_are_found_below_what_they_lay_in_on_a_day
    rows_of_a_scope_are_counted_and_weighed
    kept_ops_are_paged
    numbers_of_64_bits_survive
    a_closed_engine_says_busy
    a_version_of_a_report_is_kept_once
}

fn uuid(n: u8) -> Uuid {
    Uuid::from_bytes([n; 16])
}
fn scope(n: u8) -> ScopeId {
    ScopeId(uuid(n))
}
fn bucket(n: u8) -> BucketId {
    BucketId { scope: scope(n), class: sync_protocol::row::Class::Register, quarter: 0 }
}

fn row(bucket: BucketId, id: u8, seq: u64, ver: u64) -> StoredRow {
    StoredRow { bucket, seq, ty: RowType::HOUSEHOLD, id: uuid(id), ver: Ver(ver), gone: false, body: vec![id; 10] }
}

fn failed() -> StorageError {
    StorageError::Failed("on purpose".into())
}

fn a_failed_job_leaves_no_trace(store: &Store) {
    let result: Result<()> = store.write_blocking(|tx| {
        tx.put_meta("a", b"1")?;
        tx.put_row(&row(bucket(1), 1, 1, 1))?;
        Err(failed())
    });
    assert!(result.is_err());
    let (meta, live) = store.read_blocking(|tx| Ok((tx.meta("a")?, tx.live(RowType::HOUSEHOLD, uuid(1))?))).unwrap();
    assert_eq!((meta, live), (None, None));
}

fn a_panicking_job_harms_nobody(store: &Store) {
    let result: Result<()> = store.write_blocking(|tx| {
        tx.put_meta("a", b"1")?;
        panic!("on purpose");
    });
    assert!(result.is_err());
    store.write_blocking(|tx| tx.put_meta("b", b"2")).unwrap();
    let seen = store.read_blocking(|tx| Ok((tx.meta("a")?, tx.meta("b")?))).unwrap();
    assert_eq!(seen, (None, Some(b"2".to_vec())));
}

fn jobs_of_one_commit_do_not_harm_each_other(store: &Store) {
    let outcomes = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
    let (sender, receiver) = std::sync::mpsc::channel();
    for n in 0..40u8 {
        let job: Job = Box::new(move |tx| {
            tx.put_meta(&format!("key {n}"), &[n])?;
            if n % 3 == 0 { Err(failed()) } else { Ok(()) }
        });
        let (outcomes, sender) = (Arc::clone(&outcomes), sender.clone());
        let done: Done = Box::new(move |result| {
            let counter = if result.is_ok() { &outcomes.0 } else { &outcomes.1 };
            counter.fetch_add(1, Ordering::SeqCst);
            sender.send(()).unwrap();
        });
        store.0.submit(job, done);
    }
    for _ in 0..40 {
        receiver.recv().unwrap();
    }
    assert_eq!((outcomes.0.load(Ordering::SeqCst), outcomes.1.load(Ordering::SeqCst)), (26, 14));
    for n in 0..40u8 {
        let kept = store.read_blocking(|tx| tx.meta(&format!("key {n}"))).unwrap();
        assert_eq!(kept.is_some(), n % 3 != 0, "key {n}");
    }
}

fn a_snapshot_does_not_see_later_commits(store: &Store) {
    store.write_blocking(|tx| tx.put_meta("a", b"old")).unwrap();
    let (before, after) = store
        .read_blocking(|tx| {
            let before = tx.meta("a")?;
            let writer = store.clone();
            // A write while the snapshot is open, from another thread.
            std::thread::spawn(move || writer.write_blocking(|tx| tx.put_meta("a", b"new"))).join().unwrap().unwrap();
            Ok((before, tx.meta("a")?))
        })
        .unwrap();
    assert_eq!(before, after);
    assert_eq!(store.read_blocking(|tx| tx.meta("a")).unwrap(), Some(b"new".to_vec()));
}

/// The hazard of sequences: a position seen while a lower one is still to come. Eight writers, one reader that follows.
fn positions_are_given_in_commit_order_without_gaps(store: &Store) {
    const WRITERS: u8 = 8;
    const EACH: u8 = 25;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            std::thread::spawn(move || {
                for n in 0..EACH {
                    let fails = n % 10 == 9;
                    let result: Result<()> = store.write_blocking(move |tx| {
                        let mut counters = tx.bucket(bucket(1))?.unwrap_or_default();
                        counters.head += 1;
                        let mut id = [writer; 16];
                        id[15] = n;
                        let mut new = row(bucket(1), 0, counters.head, 1);
                        new.id = Uuid::from_bytes(id);
                        tx.put_row(&new)?;
                        tx.put_bucket(bucket(1), &counters)?;
                        if fails { Err(failed()) } else { Ok(()) }
                    });
                    assert_eq!(result.is_err(), fails);
                }
            })
        })
        .collect();
    let mut cursor = 0;
    let mut seen = 0;
    let expected = u64::from(WRITERS) * u64::from(EACH - EACH / 10);
    while seen < expected {
        let (head, rows) = store
            .read_blocking(|tx| {
                Ok((tx.bucket(bucket(1))?.unwrap_or_default().head, tx.rows_after(bucket(1), cursor, usize::MAX)?))
            })
            .unwrap();
        for (seq, _) in rows {
            assert_eq!(seq, cursor + 1, "a position was skipped, or came late");
            cursor = seq;
            seen += 1;
        }
        assert_eq!(head, cursor, "the head and its rows become visible together");
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(cursor, expected);
}

fn a_row_has_one_place_and_moves_forward(store: &Store) {
    store
        .write_blocking(|tx| {
            tx.put_row(&row(bucket(1), 1, 1, 1))?;
            tx.put_row(&row(bucket(1), 2, 2, 1))?;
            tx.put_row(&row(bucket(1), 1, 3, 2))
        })
        .unwrap();
    let (all, rest, versions) = store
        .read_blocking(|tx| {
            Ok((
                tx.rows_after(bucket(1), 0, usize::MAX)?,
                tx.rows_after(bucket(1), 2, usize::MAX)?,
                tx.row_versions(bucket(1))?,
            ))
        })
        .unwrap();
    assert_eq!(all.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(rest, [(3, vec![1; 10])]);
    assert_eq!(versions, [(RowType::HOUSEHOLD, uuid(2), Ver(1)), (RowType::HOUSEHOLD, uuid(1), Ver(2))]);
}

fn a_row_that_left_is_found_only_where_it_went(store: &Store) {
    store
        .write_blocking(|tx| {
            tx.put_row(&row(bucket(1), 1, 1, 1))?;
            tx.put_row(&StoredRow { gone: true, ..row(bucket(1), 1, 2, 2) })?;
            tx.put_row(&row(bucket(2), 1, 1, 2))
        })
        .unwrap();
    let (live, old, new, listed) = store
        .read_blocking(|tx| {
            Ok((
                tx.live(RowType::HOUSEHOLD, uuid(1))?,
                tx.row_in(scope(1), RowType::HOUSEHOLD, uuid(1))?,
                tx.row_in(scope(2), RowType::HOUSEHOLD, uuid(1))?,
                tx.rows_of(scope(1), RowType::HOUSEHOLD, None, 10)?,
            ))
        })
        .unwrap();
    assert_eq!(live.map(|(scope, _)| scope), Some(scope(2)));
    assert_eq!(old, Some((bucket(1), Ver(2), true)));
    assert_eq!(new, Some((bucket(2), Ver(2), false)));
    assert!(listed.is_empty());
    // The order of the two writes must not matter: a tombstone never removes the place of the live row.
    store
        .write_blocking(|tx| {
            tx.put_row(&row(bucket(1), 1, 3, 3))?;
            tx.put_row(&StoredRow { gone: true, ..row(bucket(2), 1, 2, 3) })
        })
        .unwrap();
    let back = store.read_blocking(|tx| tx.live(RowType::HOUSEHOLD, uuid(1))).unwrap();
    assert_eq!(back.map(|(scope, _)| scope), Some(scope(1)));
}

fn a_page_holds_at_least_one_row(store: &Store) {
    store.write_blocking(|tx| (1..=5).try_for_each(|n| tx.put_row(&row(bucket(1), n, u64::from(n), 1)))).unwrap();
    let page = |after, bytes| store.read_blocking(|tx| tx.rows_after(bucket(1), after, bytes)).unwrap().len();
    assert_eq!((page(0, 1), page(0, 25), page(0, 30), page(4, 1_000), page(5, 1_000)), (1, 2, 3, 1, 0));
}

fn op(epoch: u64, n: u64, uid: u8) -> LoggedOp {
    LoggedOp {
        epoch: Epoch(epoch),
        n,
        uid: Some(OpUid(uuid(uid))),
        chain: Chain([uid; 32]),
        outcome: vec![uid],
        body: None,
        received: ServerMs(n),
    }
}

fn equal_ops_keep_the_first_place_of_their_uid(store: &Store) {
    store.write_blocking(|tx| tx.put_op(&op(1, 1, 7))).unwrap();
    store.write_blocking(|tx| tx.put_op(&op(2, 5, 7))).unwrap();
    let (place, second, chains) = store
        .read_blocking(|tx| Ok((tx.op_by_uid(OpUid(uuid(7)))?, tx.op(Epoch(2), 5)?, tx.chains(Epoch(1), 1, 9)?)))
        .unwrap();
    assert_eq!(place, Some((Epoch(1), 1)));
    assert_eq!(second.map(|op| op.outcome), Some(vec![7]));
    assert_eq!(chains, [(1, Chain([7; 32]))]);
}

fn outbox(epoch: u64, last_n: u64) -> Outbox {
    Outbox {
        epoch: Epoch(epoch),
        device: DeviceId(uuid(1)),
        user: UserId(uuid(2)),
        parent: Some((Epoch(u64::MAX), 3)),
        last_n,
        chain: Chain([9; 32]),
        durable_upto: 0,
    }
}

fn durable_marks_never_go_back(store: &Store) {
    store
        .write_blocking(|tx| {
            tx.put_outbox(&outbox(1, 10))?;
            tx.mark_durable(Epoch(1), 8)?;
            tx.mark_durable(Epoch(1), 5)?;
            tx.put_outbox(&outbox(1, 12))
        })
        .unwrap();
    let found = store.read_blocking(|tx| tx.outbox(Epoch(1))).unwrap().unwrap();
    assert_eq!(found, Outbox { durable_upto: 8, ..outbox(1, 12) });
    store.write_blocking(|tx| tx.mark_durable(Epoch(1), 99)).unwrap();
    assert_eq!(store.read_blocking(|tx| tx.outbox(Epoch(1))).unwrap().unwrap().durable_upto, 12);
    assert_eq!(store.read_blocking(|tx| tx.outboxes()).unwrap(), [(Epoch(1), 12)]);
}

fn user(n: u8, phone: &str) -> User {
    User {
        id: UserId(uuid(n)),
        display_name: "Lò Văn Mẫu".into(),
        phone: phone.into(),
        unit: UnitId(uuid(9)),
        grants_rev: 3,
        active: true,
    }
}

fn a_phone_number_names_one_account(store: &Store) {
    store.write_blocking(|tx| tx.put_user(&user(1, "0530000001"))).unwrap();
    assert!(store.write_blocking(|tx| tx.put_user(&user(2, "0530000001"))).is_err());
    store
        .write_blocking(|tx| {
            tx.put_secret(UserId(uuid(1)), "phc")?;
            tx.put_user(&User { active: false, ..user(1, "0530000009") })
        })
        .unwrap();
    let (old, new, secret, absent, listed) = store
        .read_blocking(|tx| {
            Ok((
                tx.user_by_phone("0530000001")?,
                tx.user_by_phone("0530000009")?,
                tx.secret(UserId(uuid(1)))?,
                tx.secret(UserId(uuid(2)))?,
                tx.users_of(UnitId(uuid(9)))?.len(),
            ))
        })
        .unwrap();
    assert_eq!((old, new, listed), (None, Some(UserId(uuid(1))), 1));
    assert_eq!((secret.as_deref(), absent), (Some("phc"), None));
}

fn grants_are_found_by_user_and_by_unit(store: &Store) {
    let grant = Grant {
        id: GrantId(uuid(1)),
        user: UserId(uuid(2)),
        role: "member".into(),
        unit: UnitId(uuid(3)),
        from: Day(20_000),
        to: None,
        ended: None,
        decision: Some("12/QĐ".into()),
    };
    let ended = Grant { to: Some(Day(20_100)), ended: Some((4, ServerMs(5))), ..grant.clone() };
    let (first, second) = (grant.clone(), ended.clone());
    store
        .write_blocking(move |tx| {
            tx.put_grant(&first)?;
            tx.put_grant(&second)
        })
        .unwrap();
    let found = store
        .read_blocking(|tx| {
            Ok((tx.grants_of(UserId(uuid(2)))?, tx.grants_for(UnitId(uuid(3)))?, tx.grant(GrantId(uuid(1)))?))
        })
        .unwrap();
    assert_eq!(found, (vec![ended.clone()], vec![ended.clone()], Some(ended)));
}

fn an_audit_entry_is_never_replaced(store: &Store) {
    let entry = |seq, byte| AuditEntry { scope: scope(1), seq, hash: [byte; 32], body: vec![byte] };
    store
        .write_blocking(move |tx| {
            tx.put_audit(&entry(1, 1))?;
            tx.put_audit(&entry(2, 2))
        })
        .unwrap();
    assert!(store.write_blocking(move |tx| tx.put_audit(&entry(2, 9))).is_err());
    let (head, rest, scopes) = store
        .read_blocking(|tx| Ok((tx.audit_head(scope(1))?, tx.audit_after(scope(1), 1, 10)?, tx.audited_scopes()?)))
        .unwrap();
    assert_eq!((head, rest, scopes), (Some((2, [2; 32])), vec![entry(2, 2)], vec![scope(1)]));
}

fn visit(in_scope: u8, n: u8, status: VisitStatus) -> VisitSummary {
    VisitSummary {
        scope: scope(in_scope),
        visit: VisitId(uuid(n)),
        team: TeamId(uuid(50)),
        author: UserId(uuid(60 + n % 2)),
        household: n.is_multiple_of(2).then(|| HouseholdId(uuid(70))),
        day: Day(20_000 + u32::from(n)),
        status,
        is_void: false,
        is_disputed: false,
        flags: u32::from(n),
        kinds: vec!["payment_account".into(), "vneid_level2".into()],
        received: ServerMs(u64::from(100 - n)),
        changed: ServerMs(1),
        content: EventId(uuid(n)),
        hash: [n; 16],
        ver: Ver(1 << 48),
    }
}

fn visits_are_listed_by_scope_filter_and_place(store: &Store) {
    store
        .write_blocking(|tx| {
            for n in 1..=6 {
                let status = if n <= 4 { VisitStatus::Submitted } else { VisitStatus::Approved };
                let summary = visit(if n == 6 { 2 } else { 1 }, n, status);
                // The list finds a visit through its event's place.
                let mut event = row(bucket(if n == 6 { 2 } else { 1 }), n, u64::from(n), 1);
                event.ty = RowType::VISIT_RECORDED;
                tx.put_row(&event)?;
                tx.put_visit(&summary)?;
            }
            tx.put_visit(&VisitSummary { status: VisitStatus::Returned, ..visit(1, 3, VisitStatus::Submitted) })
        })
        .unwrap();
    let list = |filter: VisitFilter| -> Vec<u8> {
        let found = store.read_blocking(|tx| tx.visits(&filter)).unwrap();
        found.iter().map(|visit| visit.visit.as_bytes()[0]).collect()
    };
    let base = VisitFilter { scopes: vec![scope(1)], limit: 10, ..VisitFilter::default() };
    assert_eq!(list(base.clone()), [5, 4, 3, 2, 1]);
    assert_eq!(list(VisitFilter { scopes: vec![], ..base.clone() }), [0u8; 0]);
    assert_eq!(list(VisitFilter { scopes: vec![scope(1), scope(2)], ..base.clone() }), [6, 5, 4, 3, 2, 1]);
    assert_eq!(list(VisitFilter { status: Some(VisitStatus::Submitted), ..base.clone() }), [4, 2, 1]);
    assert_eq!(list(VisitFilter { author: Some(UserId(uuid(61))), ..base.clone() }), [5, 3, 1]);
    assert_eq!(list(VisitFilter { households: vec![HouseholdId(uuid(70))], ..base.clone() }), [4, 2]);
    assert_eq!(list(VisitFilter { kind: Some("vneid".into()), ..base.clone() }), [0u8; 0]);
    assert_eq!(list(VisitFilter { kind: Some("vneid_level2".into()), limit: 2, ..base.clone() }), [5, 4]);
    assert_eq!(list(VisitFilter { flags: 4, ..base.clone() }), [5, 4]);
    assert_eq!(list(VisitFilter { from: Some(Day(20_002)), to: Some(Day(20_003)), ..base.clone() }), [3, 2]);
    let after = Some((ServerMs(97), VisitId(uuid(3))));
    assert_eq!(list(VisitFilter { after, ..base }), [2, 1]);
    let one = store.read_blocking(|tx| tx.visit(VisitId(uuid(3)))).unwrap().unwrap();
    assert_eq!(one, VisitSummary { status: VisitStatus::Returned, ..visit(1, 3, VisitStatus::Submitted) });
}

fn counts_add_up_and_vanish_at_zero(store: &Store) {
    let key = |village: u8, month, outcome: &str| CountKey {
        village: UnitId(uuid(village)),
        month: Month(month),
        team: TeamId(uuid(5)),
        kind: "vneid_level2".into(),
        outcome: outcome.into(),
        status: VisitStatus::Submitted,
    };
    store
        .write_blocking(move |tx| {
            tx.add_count(&key(1, 100, "done"), 2)?;
            tx.add_count(&key(1, 100, "done"), 3)?;
            tx.add_count(&key(1, 100, "already"), 1)?;
            tx.add_count(&key(1, 100, "already"), -1)?;
            tx.add_count(&key(1, 101, "done"), 1)?;
            tx.add_count(&key(2, 100, "done"), 9)
        })
        .unwrap();
    let counts = |villages: &[u8], month: Option<u32>| {
        let villages: Vec<UnitId> = villages.iter().map(|village| UnitId(uuid(*village))).collect();
        store.read_blocking(|tx| tx.counts(&villages, month.map(Month))).unwrap()
    };
    assert_eq!(counts(&[1], Some(100)), [(key(1, 100, "done"), 5)]);
    assert_eq!(counts(&[1], None), [(key(1, 100, "done"), 5), (key(1, 101, "done"), 1)]);
    assert_eq!(counts(&[2, 1], Some(100)), [(key(1, 100, "done"), 5), (key(2, 100, "done"), 9)]);
    store.write_blocking(|tx| tx.clear_projections()).unwrap();
    assert!(counts(&[1, 2], None).is_empty());
}

fn units_have_one_parent(store: &Store) {
    let unit = |n| UnitId(uuid(n));
    store
        .write_blocking(move |tx| {
            tx.put_unit_parent(unit(3), unit(1), &[])?;
            tx.put_unit_parent(unit(2), unit(1), &[])?;
            tx.put_unit_parent(unit(3), unit(9), &[])
        })
        .unwrap();
    let below = |n| store.read_blocking(|tx| tx.units_below(unit(n))).unwrap();
    assert_eq!((below(1), below(9)), (vec![unit(2)], vec![unit(3)]));
}

fn units_are_found_below_what_they_lay_in_on_a_day(store: &Store) {
    let unit = |n| UnitId(uuid(n));
    let on = |n, day| store.read_blocking(|tx| tx.units_below_on(unit(n), Day(day))).unwrap();
    let put = |former: Vec<(UnitId, Day, Day)>| {
        store.write_blocking(move |tx| tx.put_unit_parent(unit(3), unit(9), &former)).unwrap();
    };
    store.write_blocking(move |tx| tx.put_unit_parent(unit(2), unit(9), &[])).unwrap();
    put(vec![(unit(1), Day(10), Day(20)), (unit(5), Day(20), Day(30))]);
    assert_eq!([on(1, 10), on(1, 19), on(5, 20), on(5, 29)], [(); 4].map(|()| vec![unit(3)]));
    assert_eq!((on(1, 20), on(5, 30), on(9, 19)), (vec![], vec![], vec![unit(2)]));
    assert_eq!(
        (on(9, 30), on(9, 9)),
        (vec![unit(2), unit(3)], vec![unit(2), unit(3)]),
        "now, and where nothing is known"
    );
    assert_eq!(store.read_blocking(|tx| tx.units_below(unit(1))).unwrap(), []);
    put(vec![]);
    assert_eq!((on(1, 15), on(9, 15)), (vec![], vec![unit(2), unit(3)]));
    put(vec![(unit(1), Day(10), Day(20))]);
    store.write_blocking(|tx| tx.clear_projections()).unwrap();
    assert_eq!((on(1, 15), on(9, 15)), (vec![], vec![]));
}

fn rows_of_a_scope_are_counted_and_weighed(store: &Store) {
    store
        .write_blocking(|tx| {
            tx.put_row(&row(bucket(1), 1, 1, 1))?;
            tx.put_row(&row(bucket(1), 2, 2, 1))?;
            tx.put_row(&StoredRow { gone: true, ..row(bucket(1), 3, 3, 2) })?;
            tx.put_row(&row(bucket(2), 4, 1, 1))
        })
        .unwrap();
    let of = |n| store.read_blocking(|tx| Ok((tx.count_rows(scope(n), RowType::HOUSEHOLD)?, tx.bytes_of(scope(n))?)));
    assert_eq!([of(1).unwrap(), of(2).unwrap(), of(3).unwrap()], [(2, 30), (1, 10), (0, 0)]);
    assert_eq!(store.read_blocking(|tx| tx.count_rows(scope(1), RowType::PLAN)).unwrap(), 0);
}

fn kept_ops_are_paged(store: &Store) {
    store
        .write_blocking(|tx| {
            for n in 1..=5u8 {
                let body = (n != 2).then(|| vec![n]);
                tx.put_op(&LoggedOp { body, ..op(1, u64::from(n), n) })?;
            }
            Ok(())
        })
        .unwrap();
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.read_blocking(|tx| tx.kept_ops(after, 2)).unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.epoch, last.n));
        found.extend(page.iter().map(|op| op.n));
    }
    assert_eq!(found, [1, 3, 4, 5]);
    // An op that got its effect at last is no longer kept.
    store.write_blocking(|tx| tx.put_op(&LoggedOp { body: None, outcome: vec![99], ..op(1, 3, 3) })).unwrap();
    let kept = store.read_blocking(|tx| tx.kept_ops(None, 10)).unwrap();
    assert_eq!(kept.iter().map(|op| op.n).collect::<Vec<_>>(), [1, 4, 5]);
    assert_eq!(store.read_blocking(|tx| tx.op(Epoch(1), 3)).unwrap().unwrap().outcome, [99]);
}

fn numbers_of_64_bits_survive(store: &Store) {
    let high = u64::MAX - 1;
    let counters = BucketRow { gen_: u16::MAX, head: 1, floor: 0, digest: Digest { count: 1, sum: high } };
    store
        .write_blocking(move |tx| {
            tx.put_bucket(bucket(1), &counters)?;
            tx.put_row(&row(bucket(1), 1, 1, high))?;
            tx.put_outbox(&outbox(high, 5))
        })
        .unwrap();
    let (found, version, outboxes) = store
        .read_blocking(|tx| Ok((tx.bucket(bucket(1))?, tx.row_versions(bucket(1))?, tx.outbox(Epoch(high))?)))
        .unwrap();
    assert_eq!(found, Some(counters));
    assert_eq!(version, [(RowType::HOUSEHOLD, uuid(1), Ver(high))]);
    assert_eq!(outboxes, Some(outbox(high, 5)));
}

fn a_version_of_a_report_is_kept_once(store: &Store) {
    let version = |version: u32| ReportSnapshot {
        report: uuid(1),
        version,
        scope: scope(2),
        at: ServerMs(u64::MAX),
        by: UserId(uuid(3)),
        event: "submitted".into(),
        figures: [4; 32],
        hash: [5; 32],
        body: vec![6, version as u8],
    };
    let put = |one: ReportSnapshot| store.write_blocking(move |tx| tx.put_snapshot(&one));
    put(version(2)).unwrap();
    put(version(1)).unwrap();
    put(ReportSnapshot { report: uuid(9), ..version(1) }).unwrap();
    assert!(put(ReportSnapshot { body: vec![7], ..version(2) }).is_err());
    let (one, all, none) = store
        .read_blocking(|tx| Ok((tx.snapshot(uuid(1), 2)?, tx.snapshots(uuid(1))?, tx.snapshot(uuid(1), 3)?)))
        .unwrap();
    assert_eq!((one, none), (Some(version(2)), None));
    let listed = [1, 2].map(|n| ReportSnapshot { body: Vec::new(), ..version(n) });
    assert_eq!(all, listed, "in order, without bytes");
}

fn a_closed_engine_says_busy(store: &Store) {
    store.write_blocking(|tx| tx.put_meta("a", b"1")).unwrap();
    store.0.close();
    assert!(matches!(store.write_blocking(|tx| tx.put_meta("b", b"1")), Err(StorageError::Busy)));
}

#[test]
fn sqlite_keeps_everything_over_a_restart_and_refuses_a_newer_schema() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite3");
    let open = || SqliteStorage::open(&path).map(|engine| Store(Arc::new(engine)));
    let store = open().unwrap();
    store.write_blocking(|tx| tx.put_meta("a", b"1")).unwrap();
    let copy = folder.path().join("copy.sqlite3");
    store.0.backup(&copy).unwrap();
    drop(store);
    assert_eq!(open().unwrap().read_blocking(|tx| tx.meta("a")).unwrap(), Some(b"1".to_vec()));
    let restored = Store(Arc::new(SqliteStorage::open(&copy).unwrap()));
    assert_eq!(restored.read_blocking(|tx| tx.meta("a")).unwrap(), Some(b"1".to_vec()));

    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 999).unwrap();
    drop(raw);
    assert!(matches!(open(), Err(StorageError::FromNewerVersion { found: 999, .. })));
    std::fs::write(folder.path().join("other.sqlite3"), vec![7u8; 8192]).unwrap();
    let other = SqliteStorage::open(&folder.path().join("other.sqlite3"));
    assert!(matches!(other, Err(StorageError::Damaged(_))));
}

#[test]
fn a_full_disk_refuses_the_job_keeps_what_was_there_and_takes_work_again_with_space() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite3");
    let store = Store(Arc::new(SqliteStorage::open_limited(&path, Some(80)).unwrap()));
    let big = |n: u8| StoredRow { body: vec![n; 20_000], ..row(bucket(1), n, u64::from(n), 1) };
    let mut kept = 0;
    let refused = loop {
        let next = big(kept + 1);
        // Half of the job fits, the other half does not: nothing of it may stay.
        let result = store.write_blocking(move |tx| {
            tx.put_meta("last", &[next.id.as_bytes()[0]])?;
            tx.put_row(&next)
        });
        match result {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StorageError::Full), "{refused:?}");
    assert!(kept > 2);
    let (last, rows) =
        store.read_blocking(|tx| Ok((tx.meta("last")?, tx.rows_after(bucket(1), 0, usize::MAX)?))).unwrap();
    assert_eq!((last, rows.len()), (Some(vec![kept]), usize::from(kept)));
    // What still fits is still taken: one job too large harms none of its neighbours, though the full disk takes their
    // common transaction back.
    let (sender, receiver) = std::sync::mpsc::channel();
    for n in 0..12u8 {
        let too_large = big(kept + 1);
        let job: Job = Box::new(move |tx| match n {
            5 => tx.put_row(&too_large),
            _ => tx.put_meta("small", &[n]),
        });
        let sender = sender.clone();
        store.0.submit(job, Box::new(move |result| sender.send((n, result.is_ok())).unwrap()));
    }
    let mut answers: Vec<(u8, bool)> = (0..12).map(|_| receiver.recv().unwrap()).collect();
    answers.sort_unstable();
    assert!(answers.iter().all(|(n, taken)| *taken == (*n != 5)), "{answers:?}");
    assert_eq!(store.read_blocking(|tx| tx.meta("small")).unwrap(), Some(vec![11]));
    store.0.close();
    drop(store);
    let store = Store(Arc::new(SqliteStorage::open(&path).unwrap()));
    let next = big(kept + 1);
    store.write_blocking(move |tx| tx.put_row(&next)).unwrap();
}
