//! Persons, businesses, products, markets, and what a village is like: who may enter them, what they need, what goes
//! with a withdrawn consent.

#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;

use support::*;
use sync_protocol::access::Role;
use sync_protocol::cbor::{Cbor, Raw};
use sync_protocol::decide::Decision;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::outcome::{Code, Verdict};
use sync_protocol::row::{RowType, Ver};
use sync_protocol::value::Value;

/// Turns the direction of writing round; no text of ours may hold it.
const BAD: &str = "a\u{202e}b";

type Groups = Vec<(u8, Raw)>;

fn refused(decision: &Decision, code: Code, field: Option<&str>, rule: Option<&str>) {
    let got = (decision.verdict, decision.code, decision.field.as_deref(), decision.rule.as_deref());
    assert_eq!(got, (Verdict::Rejected, Some(code), field, rule));
}

fn privacy(mode: &str) -> (u8, Raw) {
    (unit::PRIVACY, Raw(UnitPrivacy { mode: mode.into(), ext: ext() }.cbor()))
}

fn unit_set(unit: u8, group: (u8, Raw)) -> Intent {
    Intent::UnitSet(set(id(unit), Ver(u64::MAX), [group]))
}

fn lives_in(household: HouseholdId) -> (u8, Raw) {
    (person::HOUSEHOLD, Raw(PersonHousehold { household, ext: ext() }.cbor()))
}
fn called(name: &str) -> (u8, Raw) {
    (person::NAME, Raw(PersonName { display_name: name.into(), ext: ext() }.cbor()))
}
fn born(band: &str) -> (u8, Raw) {
    (person::BIRTH, Raw(PersonBirth { band: band.into(), ext: ext() }.cbor()))
}
fn gender(gender: &str) -> (u8, Raw) {
    (person::GENDER, Raw(PersonGender { gender: gender.into(), ext: ext() }.cbor()))
}
fn last3(digits: &str) -> (u8, Raw) {
    (person::PHONE, Raw(PersonPhone { phone_last3: digits.into(), ext: ext() }.cbor()))
}

/// A world whose village keeps persons, and what a person there needs.
fn world_with_persons() -> (World, Groups) {
    let mut world = World::new();
    let mut officer = world.officer.clone();
    world.applied(&mut officer, unit_set(VILLAGE, privacy("person")));
    let groups = vec![lives_in(world.household), called("Giàng A Mẫu"), born("18-39"), consent(None)];
    (world, groups)
}

fn person_create(groups: &Groups) -> Intent {
    Intent::PersonCreate(create(VILLAGE, groups.clone()))
}

/// The groups with one of them replaced or added.
fn with(groups: &Groups, group: (u8, Raw)) -> Groups {
    groups.iter().cloned().chain([group]).collect::<BTreeMap<_, _>>().into_iter().collect()
}

#[test]
fn a_village_keeps_persons_only_where_the_commune_says_so() {
    let mut world = World::new();
    let (mut member, mut officer) = (world.member.clone(), world.officer.clone());
    let groups = vec![lives_in(world.household), called("Giàng A Mẫu"), born("18-39"), consent(None)];
    let household = || Intent::HouseholdCreate(create(VILLAGE, [label("nhà mới")]));

    refused(&world.send(&mut member, person_create(&groups)), Code::PersonsNotKept, None, None);
    world.applied(&mut member, household());
    world.applied(&mut officer, unit_set(VILLAGE, privacy("household")));
    refused(&world.send(&mut member, person_create(&groups)), Code::PersonsNotKept, None, None);
    world.applied(&mut member, household());
    world.applied(&mut officer, unit_set(VILLAGE, privacy("tally")));
    refused(&world.send(&mut member, person_create(&groups)), Code::PersonsNotKept, None, None);
    refused(&world.send(&mut member, household()), Code::HouseholdsNotKept, None, None);
    world.applied(&mut officer, unit_set(VILLAGE, privacy("person")));
    world.applied(&mut member, person_create(&groups));

    // Nor does a household go to where none is kept.
    world.applied(&mut officer, unit_set(OTHER_VILLAGE, privacy("tally")));
    let body = MoveRow { id: world.household.0, base_ver: Ver(1), to: ScopeId(id(OTHER_VILLAGE)), ext: ext() };
    refused(&world.send(&mut officer, Intent::HouseholdMove(body)), Code::HouseholdsNotKept, None, None);
}

#[test]
fn only_villages_have_a_mode_and_it_is_one_of_three() {
    let mut world = World::new();
    let (mut officer, mut leader) = (world.officer.clone(), world.leader.clone());
    refused(&world.send(&mut officer, unit_set(COMMUNE, privacy("tally"))), Code::BadValue, Some("privacy"), None);
    refused(&world.send(&mut officer, unit_set(VILLAGE, privacy("all"))), Code::BadValue, Some("privacy"), None);
    refused(&world.send(&mut leader, unit_set(VILLAGE, privacy("person"))), Code::NotFound, None, None);
}

#[test]
fn a_person_exists_only_with_consent_to_log_visits() {
    let (mut world, groups) = world_with_persons();
    let mut member = world.member.clone();
    for without in [person::HOUSEHOLD, person::NAME, person::BIRTH, person::CONSENT] {
        let groups: Groups = groups.iter().filter(|(key, _)| *key != without).cloned().collect();
        let field = format!("groups[{without}]");
        refused(&world.send(&mut member, person_create(&groups)), Code::BadValue, Some(&field), None);
    }
    let other_purpose = Consent {
        purposes: vec!["photo".into()],
        notice_version: "2026.1".into(),
        language: "vi".into(),
        method: "guardian".into(),
        given: Day(20_700),
        withdrawn: None,
        ext: ext(),
    };
    for consent in [consent(Some(Day(20_777))), (person::CONSENT, Raw(other_purpose.cbor()))] {
        let decision = world.send(&mut member, person_create(&with(&groups, consent)));
        refused(&decision, Code::ConsentMissing, Some("consent"), None);
    }
    world.applied(&mut member, person_create(&groups));
}

#[test]
fn a_withdrawn_consent_takes_name_phone_and_household_and_lets_nothing_in() {
    let (mut world, groups) = world_with_persons();
    let mut member = world.member.clone();
    let groups = with(&with(&groups, last3("678")), gender("female"));
    let person = world.created(&mut member, person_create(&groups));
    let edit = |groups: Groups| Intent::PersonSet(set(person, Ver(u64::MAX), groups));
    world.applied(&mut member, edit(vec![called("Giàng A Páo"), last3("679")]));
    world.applied(&mut member, edit(vec![consent(Some(Day(20_777)))]));
    let left: Vec<u8> = world.state.get(RowType::PERSON, person).groups.keys().copied().collect();
    assert_eq!(left, [person::BIRTH, person::GENDER, person::CONSENT]);
    for group in [called("Giàng A Páo"), last3("679"), lives_in(world.household), born("60+")] {
        refused(&world.send(&mut member, edit(vec![group])), Code::ConsentMissing, Some("consent"), None);
    }
    world.applied(&mut member, edit(vec![consent(None), called("Giàng A Páo")]));
}

#[test]
fn every_answer_about_a_person_is_checked() {
    let (mut world, groups) = world_with_persons();
    let mut member = world.member.clone();
    let foreign = lives_in(world.foreign_household);
    for (group, code, field, rule) in [
        (called(""), Code::BadValue, "name", None),
        (called(BAD), Code::BadValue, "name", Some("bidi_control")),
        (called("Giàng A Mẫu 12/03/1985"), Code::BadValue, "name", Some("digits")),
        (called("Giàng A Mẫu ０１２"), Code::BadValue, "name", Some("digits")),
        (born("1985"), Code::BadValue, "birth_band", None),
        (born("0-6"), Code::BadValue, "birth_band", None),
        (gender("x"), Code::BadValue, "gender", None),
        (last3("67"), Code::BadValue, "phone_last3", None),
        (last3("0912345678"), Code::BadValue, "phone_last3", None),
        (last3("6a8"), Code::BadValue, "phone_last3", None),
        (foreign, Code::NotFound, "household", None),
    ] {
        refused(&world.send(&mut member, person_create(&with(&groups, group))), code, Some(field), rule);
    }
    for band in ["7-14", "15-17", "18-39", "40-59", "60+"] {
        world.applied(&mut member, person_create(&with(&groups, born(band))));
    }
    let decision = world.send(&mut member, Intent::PersonCreate(create(COMMUNE, groups.clone())));
    refused(&decision, Code::NotFound, None, None);
    let mut officer = world.officer.clone();
    refused(&world.send(&mut officer, person_create(&groups)), Code::NotFound, None, None);
}

#[test]
fn a_person_stays_with_a_household_that_went_away() {
    let (mut world, groups) = world_with_persons();
    let (mut member, mut officer) = (world.member.clone(), world.officer.clone());
    let body = MoveRow { id: world.household.0, base_ver: Ver(1), to: ScopeId(id(OTHER_VILLAGE)), ext: ext() };
    world.applied(&mut officer, Intent::HouseholdMove(body));
    world.applied(&mut member, person_create(&groups));
}

#[test]
fn two_names_for_one_person_are_a_case_and_the_first_stands() {
    let (mut world, groups) = world_with_persons();
    let (mut member, mut colleague) = (world.member.clone(), world.colleague.clone());
    let person = world.created(&mut member, person_create(&groups));
    let seen = world.state.get(RowType::PERSON, person).ver;
    let edit = |name: &str| Intent::PersonSet(set(person, seen, [called(name)]));
    world.applied(&mut member, edit("Giàng A Páo"));
    let clash = world.send(&mut colleague, edit("Giàng A Phổng"));
    assert_eq!(clash.verdict, Verdict::AppliedWithCase);
    assert_eq!(world.state.get(RowType::PERSON, person).groups[&person::NAME].value, called("Giàng A Páo").1);
}

#[test]
fn work_on_persons_and_businesses_outlives_a_grant_like_other_field_work() {
    let (mut world, groups) = world_with_persons();
    let mut member = world.member.clone();
    member.lose_grants(NOW - 1_000);
    world.applied(&mut member, person_create(&groups));
    let stall = BusinessIdentity { name: "Quầy rau".into(), kind: "stall".into(), ext: ext() };
    world.applied(&mut member, Intent::BusinessCreate(create(VILLAGE, [(business::IDENTITY, Raw(stall.cbor()))])));
}

fn business_of(name: &str, kind: &str) -> (u8, Raw) {
    (business::IDENTITY, Raw(BusinessIdentity { name: name.into(), kind: kind.into(), ext: ext() }.cbor()))
}
fn owned_by(household: HouseholdId) -> (u8, Raw) {
    (business::OWNER, Raw(BusinessOwner { household, ext: ext() }.cbor()))
}
fn sells_at(market: uuid::Uuid) -> (u8, Raw) {
    (business::MARKET, Raw(BusinessMarket { market: MarketId(market), ext: ext() }.cbor()))
}
fn product_of(business: uuid::Uuid, name: &str, category: &str) -> (u8, Raw) {
    let business = BusinessId(business);
    let identity = ProductIdentity { business, name: name.into(), category: category.into(), ext: ext() };
    (product::IDENTITY, Raw(identity.cbor()))
}
fn stars(stars: u8) -> (u8, Raw) {
    (product::OCOP, Raw(ProductOcop { stars, ext: ext() }.cbor()))
}
fn market_of(name: &str) -> (u8, Raw) {
    (market::IDENTITY, Raw(MarketIdentity { name: name.into(), ext: ext() }.cbor()))
}
fn held_on(days: &str) -> (u8, Raw) {
    (market::DAYS, Raw(MarketDays { days: days.into(), ext: ext() }.cbor()))
}

#[test]
fn a_business_belongs_to_a_village_its_household_and_a_market_of_the_commune() {
    let mut world = World::new();
    let (mut member, mut officer) = (world.member.clone(), world.officer.clone());
    let market = world.created(
        &mut officer,
        Intent::MarketCreate(create(COMMUNE, [market_of("Chợ Mẫu"), held_on("ngày 2 và 7 âm lịch")])),
    );
    let mut other = Person::new(0xb1, Role::CommuneOfficer, &[FOREIGN_COMMUNE, FOREIGN_VILLAGE]);
    let foreign = world.created(&mut other, Intent::MarketCreate(create(FOREIGN_COMMUNE, [market_of("Chợ xa")])));
    let groups = vec![business_of("Quầy rau", "stall"), owned_by(world.household), sells_at(market)];
    let enter = |groups: &Groups| Intent::BusinessCreate(create(VILLAGE, groups.clone()));
    world.applied(&mut member, enter(&groups));
    for (group, code, field, rule) in [
        (business_of("Quầy rau", "bank"), Code::BadValue, "identity.kind", None),
        (business_of("Quầy rau 0123456789012", "stall"), Code::BadValue, "identity.name", Some("account_like")),
        (owned_by(world.foreign_household), Code::NotFound, "owner_household", None),
        (sells_at(foreign), Code::NotFound, "market", None),
    ] {
        refused(&world.send(&mut member, enter(&with(&groups, group))), code, Some(field), rule);
    }
}

#[test]
fn markets_are_the_officers_and_lie_in_the_commune() {
    let mut world = World::new();
    let (mut officer, mut leader) = (world.officer.clone(), world.leader.clone());
    let enter = |scope, groups: Groups| Intent::MarketCreate(create(scope, groups));
    let market = world.created(&mut officer, enter(COMMUNE, vec![market_of("Chợ Mẫu")]));
    world.applied(&mut officer, Intent::MarketSet(set(market, Ver(u64::MAX), [held_on("Chủ nhật hằng tuần")])));
    refused(&world.send(&mut officer, enter(VILLAGE, vec![market_of("Chợ Mẫu")])), Code::BadValue, Some("scope"), None);
    refused(&world.send(&mut leader, enter(VILLAGE, vec![market_of("Chợ Mẫu")])), Code::NotFound, None, None);
    let bad = enter(COMMUNE, vec![market_of("Chợ Mẫu"), held_on(BAD)]);
    refused(&world.send(&mut officer, bad), Code::BadValue, Some("days"), Some("bidi_control"));
}

#[test]
fn a_product_is_of_a_business_of_the_village_with_at_most_five_stars() {
    let mut world = World::new();
    let (mut member, mut stranger) = (world.member.clone(), world.stranger.clone());
    let business =
        world.created(&mut member, Intent::BusinessCreate(create(VILLAGE, [business_of("HTX chè", "cooperative")])));
    let foreign =
        world.created(&mut stranger, Intent::BusinessCreate(create(FOREIGN_VILLAGE, [business_of("Xưởng", "craft")])));
    let groups = vec![product_of(business, "Chè Mẫu", "tea"), stars(5)];
    let enter = |groups: &Groups| Intent::ProductCreate(create(VILLAGE, groups.clone()));
    let product = world.created(&mut member, enter(&groups));
    world.applied(&mut member, Intent::ProductSet(set(product, Ver(u64::MAX), [stars(0)])));
    for (group, code, field) in [
        (stars(6), Code::BadValue, "ocop_stars"),
        (product_of(business, "Chè Mẫu", "chè xanh"), Code::BadValue, "identity.category"),
        (product_of(foreign, "Chè Mẫu", "tea"), Code::NotFound, "identity.business"),
    ] {
        refused(&world.send(&mut member, enter(&with(&groups, group))), code, Some(field), None);
    }
}

fn attribute(code: &str, from: u32, value: Value) -> AttributeFrom {
    AttributeFrom { code: code.into(), from: Day(from), value, ext: ext() }
}

fn attributes(history: Vec<AttributeFrom>) -> (u8, Raw) {
    (unit::ATTRIBUTES, Raw(UnitAttributes { history, ext: ext() }.cbor()))
}

#[test]
fn the_commune_says_what_a_village_is_like_and_since_when() {
    let mut world = World::new();
    let (mut officer, mut leader) = (world.officer.clone(), world.leader.clone());
    let codes = |codes: &[&str]| Value::Codes(codes.iter().map(|code| (*code).to_owned()).collect());
    let text = |text: &str| Value::Text(text.to_owned());
    let all = vec![
        attribute("access", 20_300, text("motorbike")),
        attribute("common_languages", 20_300, codes(&["hmn", "vi"])),
        attribute("distance_to_commune_km", 20_300, Value::Int(12)),
        attribute("fibre_available", 20_300, Value::Bool(false)),
        attribute("fibre_available", 20_500, Value::Bool(true)),
        attribute("grid_power", 20_300, Value::Bool(true)),
        attribute("mobile_tech_best", 20_300, text("4g")),
        attribute("operators_ok", 20_300, codes(&[])),
        attribute("public_wifi", 20_300, Value::Bool(false)),
    ];
    world.applied(&mut officer, unit_set(VILLAGE, attributes(all.clone())));
    refused(&world.send(&mut leader, unit_set(VILLAGE, attributes(all.clone()))), Code::NotFound, None, None);
    let elsewhere = unit_set(COMMUNE, attributes(all.clone()));
    refused(&world.send(&mut officer, elsewhere), Code::BadValue, Some("attributes"), None);
    for wrong in [
        attribute("electricity", 20_300, Value::Bool(true)),
        attribute("grid_power", 20_300, text("yes")),
        attribute("mobile_tech_best", 20_300, text("6g")),
        attribute("operators_ok", 20_300, codes(&["vinaphone", "viettel"])),
        attribute("operators_ok", 20_300, codes(&["vodafone"])),
        attribute("common_languages", 20_300, codes(&["xx"])),
        attribute("distance_to_commune_km", 20_300, Value::Int(301)),
        attribute("access", 20_300, text("horse")),
    ] {
        let decision = world.send(&mut officer, unit_set(VILLAGE, attributes(vec![wrong])));
        refused(&decision, Code::BadValue, Some("attributes[0]"), None);
    }
    for (first, second) in [(4, 3), (3, 3), (5, 4)] {
        let history = vec![all[first].clone(), all[second].clone()];
        let decision = world.send(&mut officer, unit_set(VILLAGE, attributes(history)));
        refused(&decision, Code::BadValue, Some("attributes[1]"), Some("order"));
    }
}
