//! What a phone keeps beside households and visits, as it lists it.

#![allow(clippy::unwrap_used)]

mod support;

use support::*;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::row::RowType;

fn ext() -> Ext {
    Ext::default()
}

fn person(server: &mut MiniServer, n: u64, home: u64, name: Option<&str>) {
    let mut values = vec![(person::BIRTH, Raw(PersonBirth { band: "18-39".into(), ext: ext() }.cbor()))];
    if let Some(name) = name {
        let household = HouseholdId(id(home));
        values.push((person::HOUSEHOLD, Raw(PersonHousehold { household, ext: ext() }.cbor())));
        values.push((person::NAME, Raw(PersonName { display_name: name.into(), ext: ext() }.cbor())));
    }
    server.put_register(village_a().into(), RowType::PERSON, id(n), values);
}

fn target(server: &mut MiniServer, n: u64, due: &str, is_out: bool) {
    let goal = TargetGoal { indicator: None, kind: Some("vneid_level2".into()), value: "40".into(), ext: ext() };
    let clears = TargetClears {
        task: Some("Kích hoạt tại nhà".into()),
        person: Some("Tổ thôn".into()),
        from: Day::parse("2026-01-01"),
        due: Day::parse(due),
        product: None,
        resource: None,
        ext: ext(),
    };
    let published = Day::parse("2026-11-01").filter(|_| is_out);
    let state = TargetState { role: "commune_officer".into(), published, ext: ext() };
    let values =
        [(target::GOAL, Raw(goal.cbor())), (target::CLEARS, Raw(clears.cbor())), (target::STATE, Raw(state.cbor()))];
    server.put_register(commune().into(), RowType::TARGET, id(n), values);
}

#[test]
fn persons_are_listed_by_name_and_by_household() {
    let (mut server, mut store, mut random) = world();
    person(&mut server, 801, 11, Some("Đặng Thị Hoa"));
    person(&mut server, 802, 12, Some("Bàn Văn An"));
    person(&mut server, 803, 11, None);
    sync(&mut store, &mut random, &mut server);
    let found = store.persons(None).unwrap();
    let names: Vec<Option<&str>> = found.iter().map(|one| one.name.as_deref()).collect();
    assert_eq!(names, [Some("Bàn Văn An"), Some("Đặng Thị Hoa"), None], "who withdrew consent has no name and is last");
    let of_house = store.persons(Some(HouseholdId(id(11)))).unwrap();
    assert_eq!((of_house.len(), of_house[0].id, of_house[0].unit), (1, id(801), village_a()));
}

#[test]
fn businesses_and_products_hang_together() {
    let (mut server, mut store, mut random) = world();
    let stall = BusinessIdentity { name: "Quán cô Mỷ".into(), kind: "stall".into(), ext: ext() };
    let owner = BusinessOwner { household: HouseholdId(id(11)), ext: ext() };
    let values = [(business::IDENTITY, Raw(stall.cbor())), (business::OWNER, Raw(owner.cbor()))];
    server.put_register(village_a().into(), RowType::BUSINESS, id(811), values);
    for (n, business, stars) in [(821, 811, Some(3)), (822, 899, None)] {
        let business = BusinessId(id(business));
        let honey = ProductIdentity { business, name: format!("Mật ong {n}"), category: "food".into(), ext: ext() };
        let mut values = vec![(product::IDENTITY, Raw(honey.cbor()))];
        values.extend(stars.map(|stars| (product::OCOP, Raw(ProductOcop { stars, ext: ext() }.cbor()))));
        server.put_register(village_a().into(), RowType::PRODUCT, id(n), values);
    }
    sync(&mut store, &mut random, &mut server);
    let businesses = store.businesses().unwrap();
    assert_eq!((businesses.len(), businesses[0].household), (1, Some(HouseholdId(id(11)))));
    let products = store.products().unwrap();
    let lines: Vec<(Option<&str>, u8)> =
        products.iter().map(|one| (one.business_name.as_deref(), one.ocop_stars)).collect();
    assert_eq!(lines, [(Some("Quán cô Mỷ"), 3), (None, 0)], "a business that this phone does not have has no name");
}

#[test]
fn targets_that_were_published_are_listed_the_earliest_due_first() {
    let (mut server, mut store, mut random) = world();
    target(&mut server, 831, "2026-12-31", true);
    target(&mut server, 832, "2026-11-30", true);
    target(&mut server, 833, "2026-11-25", false);
    sync(&mut store, &mut random, &mut server);
    let found = store.targets().unwrap();
    let due: Vec<Option<&str>> = found.iter().map(|one| one.due.as_deref()).collect();
    assert_eq!(due, [Some("2026-11-30"), Some("2026-12-31")], "no drafts");
    assert_eq!((found[0].unit, found[0].task.as_deref()), (commune(), Some("Kích hoạt tại nhà")));
}
