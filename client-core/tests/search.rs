//! Finding households as people type: without tones, by initials, by the end of a phone number; and never failing.

#![allow(clippy::unwrap_used)]

mod support;

use client_core::store::{HouseholdHit, NewHousehold};
use support::*;
use sync_protocol::access::Role;
use sync_protocol::cbor::Ext;
use sync_protocol::ids::*;
use sync_protocol::op::{Intent, MergeHouseholds, UnmergeHousehold};
use sync_protocol::row::RowType;

fn labels(hits: &[HouseholdHit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.head.as_deref().unwrap_or(&hit.label)).collect()
}

#[test]
fn a_household_is_found_without_tones_by_initials_and_by_its_phone() {
    let (_, mut store, _) = world();
    let (nam, huong) = ("Nguyễn Văn Nam", "Đặng Thị Hường");
    for (query, expected) in [
        ("Nguyễn Văn Nam", vec![nam]),
        ("nguyen van nam", vec![nam]),
        ("NGUYEN NAM", vec![nam]),
        ("Ng. V. Nam", vec![nam]),
        ("dang thi huong", vec![huong]),
        ("đặng", vec![huong]),
        ("ð huong", vec![huong]),
        ("suoi do", vec![nam]),
        ("mái tôn", vec![nam]),
        ("canh truong", vec![huong]),
        ("5678", vec![nam]),
        ("345 678", vec![nam]),
        ("0912345678", vec![nam]),
        ("+84 912 345 678", vec![nam]),
        ("12/3", vec!["nhà số 12/3"]),
        ("so 12", vec!["nhà số 12/3"]),
        ("khong co ai", vec![]),
    ] {
        assert_eq!(labels(&store.search_households(query, 20).unwrap()), expected, "{query}");
    }
    assert_eq!(store.search_households("", 20).unwrap().len(), 3);
    assert_eq!(store.search_households("nha", 2).unwrap().len(), 2);
}

#[test]
fn what_looks_like_a_command_is_only_text() {
    let (_, mut store, _) = world();
    for query in
        ["%' OR 1=1 --", "\"*\"", "NEAR(", "a*b\"", "phone:", "^nam", "{name}: nam", "🙂", "AND OR NOT", "a\0b"]
    {
        store.search_households(query, 20).unwrap();
    }
    store.search_households(&"ă".repeat(2_000), 20).unwrap();
    store.search_households(&"x ".repeat(2_000), 20).unwrap();
    assert!(store.search_households("🙂 không", 20).unwrap().is_empty());
}

#[test]
fn a_change_is_found_under_its_new_words_only() {
    use sync_protocol::cbor::{Cbor, Ext, Raw};
    use sync_protocol::entity::{HouseholdHead, household};
    let (mut server, mut store, mut random) = world();
    let head = HouseholdHead { display_name: "Nguyễn Văn Bắc".into(), ext: Ext::default() };
    let at = ClaimedMs(server.now);
    let seen = store.seen_ver(RowType::HOUSEHOLD, id(11)).unwrap();
    store.set_household(HouseholdId(id(11)), seen, [(household::HEAD, Raw(head.cbor()))], at, &mut random).unwrap();
    for _ in 0..2 {
        assert_eq!(store.search_households("van bac", 20).unwrap().len(), 1);
        assert!(store.search_households("van nam", 20).unwrap().is_empty());
        sync(&mut store, &mut random, &mut server);
    }
}

#[test]
fn a_household_that_is_there_already_is_suggested() {
    let (_, mut store, _) = world();
    let new = |label: &str, head: Option<&str>, phone: Option<&str>| NewHousehold {
        scope: Some(village_a().into()),
        label: label.into(),
        landmark: None,
        head: head.map(str::to_owned),
        phone: phone.map(str::to_owned),
    };
    let mut reasons = |new: NewHousehold| -> Vec<&'static str> {
        store.similar_households(&new).unwrap().first().map_or(vec![], |similar| similar.reasons.clone())
    };
    assert_eq!(reasons(new("nhà khác hẳn", None, Some("+84 912345678"))), vec!["same_phone"]);
    assert_eq!(reasons(new("nhà khác hẳn", Some("ông Nguyen Van Nam"), None)), vec!["same_name"]);
    assert_eq!(reasons(new("nhà khác hẳn", Some("Ng. V. Nam"), None)), vec!["name_fits"]);
    assert_eq!(reasons(new("Nhà đầu suối mái tôn đỏ", None, None)), vec!["similar_label"]);
    assert!(reasons(new("nhà bên kia đồi", Some("Lò Văn Pánh"), Some("0900000000"))).is_empty());
    assert!(reasons(new("", None, None)).is_empty());
}

#[test]
fn lists_come_in_vietnamese_order() {
    let mut server = MiniServer::new();
    for (n, name) in ["Đinh Văn Ân", "Dương Văn An", "Ân Văn Bé", "Đinh Văn An", "An Văn Bé"].iter().enumerate()
    {
        server.put_household(village_a(), 30 + n as u64, "nhà", Some(name), None);
    }
    server.grant(user(1), &[(village_a(), Role::Member)]);
    let (mut store, mut random) = server.phone(user(1), 1);
    sync(&mut store, &mut random, &mut server);
    assert_eq!(
        labels(&store.households().unwrap()),
        ["An Văn Bé", "Ân Văn Bé", "Dương Văn An", "Đinh Văn An", "Đinh Văn Ân"]
    );
}

#[test]
fn a_household_that_was_merged_shows_only_as_the_one_that_stayed() {
    let mut server = MiniServer::new();
    server.grant(user(1), &[(village_a(), Role::TeamLeader)]);
    for n in [30, 31] {
        server.put_household(village_a(), n, "nhà đầu suối", Some("Lò Văn Mẫu"), None);
    }
    let (mut store, mut random) = server.phone(user(1), 1);
    sync(&mut store, &mut random, &mut server);
    let at = ClaimedMs(server.now);
    let [winner, loser] = [30, 31].map(|n| HouseholdId(id(n)));
    let visit = store.record_visit(entry(Some(31), "done", false), at, &mut random).unwrap().row;
    let merge = MergeHouseholds {
        winner,
        loser,
        winner_ver: store.seen_ver(RowType::HOUSEHOLD, winner.0).unwrap(),
        loser_ver: store.seen_ver(RowType::HOUSEHOLD, loser.0).unwrap(),
        reason: None,
        ext: Ext::default(),
    };
    store.save(Intent::HouseholdMerge(merge), at, &mut random).unwrap();
    // Predicted first, then as the server says.
    for _ in 0..2 {
        let ids: Vec<HouseholdId> = store.households().unwrap().iter().map(|hit| hit.id).collect();
        assert_eq!(ids, [winner]);
        assert_eq!(store.search_households("suoi", 20).unwrap().len(), 1);
        for asked in [winner, loser] {
            let page = store.household(asked, 20, Day::of_ms(NOW)).unwrap();
            assert_eq!((page.household.id, page.visits[0].id), (winner, VisitId(visit)));
        }
        assert!(store.rebuild_check().unwrap().is_empty());
        sync(&mut store, &mut random, &mut server);
    }
    let unmerge = UnmergeHousehold { loser, ext: Ext::default() };
    store.save(Intent::HouseholdUnmerge(unmerge), at, &mut random).unwrap();
    assert_eq!(store.households().unwrap().len(), 2);
}
