//! A small part of the story of a province, so that it can always be told.

#![allow(missing_docs)]

use sync_protocol::decide::reporting_month;
use sync_protocol::ids::{Day, Month};
use tests::province::{Province, Scale, first_day};

/// Six communes for seven weeks; one of them ends on 2024-12-01.
#[test]
fn what_is_reported_is_what_was_done_across_a_reorganisation() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let scale = Scale { seed: 5, communes: 6, days: 48 };
        let mut province = Province::begin(&folder.path().join("store"), scale).await.unwrap();
        let last = Day(first_day().0 + scale.days);
        for day in (first_day().0..last.0).map(Day) {
            province.play_day(day).await.unwrap();
        }
        let reorganised = province.instance.desk.reorganisations(province.admin).await.unwrap();
        assert!(reorganised.iter().any(|one| one.status == "applied" && one.effective == "2024-12-01"));
        assert!(province.by_hand.approved > 100 && province.by_hand.returned > 0);
        assert!(province.reconcile().await.unwrap() > 100);
        let month = Month(reporting_month(last).0 - 1);
        let (commune, officer) = province.largest_commune();
        let report = province.report(officer, "commune_month", commune, month, folder.path()).await.unwrap();
        assert!(report.head.lines.iter().any(|line| line.contains("đã gửi")), "{:?}", report.head.lines);
        assert!(folder.path().join("commune-month.pdf").exists());
    });
}
