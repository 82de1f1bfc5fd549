//! The activity catalogue from outside: every kind, every rule, and what may not pass.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sync_protocol::catalogue::{
    ActivityContent, ActivityFacts, Catalogue, CatalogueError, Check, Condition, Decimal, EvidenceKind, EvidencePolicy,
    Field, FieldType, Finding, Kind, Lang, Problem, QUANTITY_CAP, Scalar, Severity, check_quantity, validate_visit_day,
};
use sync_protocol::ids::Day;
use sync_protocol::value::Value;
use uuid::Uuid;

const EVIDENCE: &[EvidenceKind] = &[EvidenceKind::Photo, EvidenceKind::Link, EvidenceKind::Reference];

fn day(text: &str) -> Day {
    Day::parse(text).expect("a day of a test")
}

fn facts() -> ActivityFacts<'static> {
    ActivityFacts {
        visit_day: day("2026-11-14"),
        evidence: EVIDENCE,
        evidence_policy: EvidencePolicy::Enforce,
        last_approved: None,
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn codes(codes: &[&str]) -> Value {
    Value::Codes(codes.iter().map(|code| (*code).to_owned()).collect())
}

fn check(activity: &ActivityContent) -> Vec<Finding> {
    Catalogue::shipped().validate(activity, &facts())
}

/// (code, field) of the errors and warnings, sorted.
fn found(activity: &ActivityContent) -> Vec<(String, String)> {
    codes_of(check(activity))
}

fn codes_of(findings: Vec<Finding>) -> Vec<(String, String)> {
    let mut found: Vec<_> =
        findings.into_iter().map(|finding| (finding.code, finding.field.unwrap_or_default())).collect();
    found.sort();
    found
}

fn pair(code: &str, field: &str) -> (String, String) {
    (code.to_owned(), field.to_owned())
}

/// An integer answer or a decimal one, from exact text.
fn number(field: &Field, digits: &str) -> Value {
    if field.field_type == FieldType::Decimal {
        text(digits)
    } else {
        Value::Int(digits.parse().expect("a whole number"))
    }
}

fn sample_value(field: &Field) -> Value {
    match field.field_type {
        FieldType::Text => text("Nhà văn hóa"),
        FieldType::Int | FieldType::Decimal | FieldType::MoneyVnd => {
            number(field, &field.min.map_or("1".to_owned(), |min| min.to_string()))
        }
        FieldType::Bool => Value::Bool(true),
        FieldType::Date => text("2026-11-10"),
        FieldType::Datetime => text("2026-11-10T08:30:00+07:00"),
        FieldType::PeriodMonth => text("2026-11"),
        FieldType::Enum => text(&field.choices()[0].code),
        FieldType::MultiEnum => codes(&[&field.choices()[0].code]),
        FieldType::Ref => Value::Ref(Uuid::from_bytes([7; 16])),
        FieldType::Photo => Value::Photos(vec![[7; 32]]),
        FieldType::Geo => Value::Place { lat_e3: 22_123, lon_e3: 104_901 },
        FieldType::Code if field.pattern.as_deref() == Some("^[0-9]{6}$") => text("970405"),
        FieldType::Code => text("AB12"),
        FieldType::Url => text("https://shop.example.vn/gian-hang"),
    }
}

fn first_of(condition: &Condition, fields: &mut BTreeMap<String, Value>) {
    for (code, wanted) in &condition.0 {
        let value = match &wanted[0] {
            Scalar::Bool(value) => Value::Bool(*value),
            Scalar::Int(value) => Value::Int(*value),
            Scalar::Text(value) => text(value),
        };
        fields.insert(code.clone(), value);
    }
}

/// A valid activity with every field filled, made from the catalogue alone.
fn sample(kind: &Kind) -> ActivityContent {
    let mut fields: BTreeMap<String, Value> =
        kind.fields.iter().map(|field| (field.code.clone(), sample_value(field))).collect();
    for rule in &kind.rules {
        if let Some(Check::Implies { given, then }) = &rule.check
            && given.holds(&fields)
        {
            first_of(then, &mut fields);
        }
    }
    ActivityContent { kind: kind.code.clone(), fields }
}

fn sample_of(code: &str) -> ActivityContent {
    sample(Catalogue::shipped().kind(code).expect("a kind of the shipped file"))
}

fn with(code: &str, changes: &[(&str, Value)]) -> ActivityContent {
    let mut activity = sample_of(code);
    activity.fields.extend(changes.iter().map(|(field, value)| ((*field).to_owned(), value.clone())));
    activity
}

fn without(mut activity: ActivityContent, field: &str) -> ActivityContent {
    assert!(activity.fields.remove(field).is_some(), "{field} was there");
    activity
}

// --- the shipped file ------------------------------------------------------------------------------------------------

#[test]
fn the_shipped_catalogue_has_every_core_kind() {
    let codes: Vec<&str> = Catalogue::shipped().kinds().iter().map(|kind| kind.code.as_str()).collect();
    assert_eq!(codes.len(), 34);
    for code in [
        "vneid_level2",
        "citizen_app_install",
        "party_handbook_install",
        "dvc_account",
        "dvc_submission",
        "citizen_feedback",
        "digital_signature",
        "digital_address",
        "ecom_buyer_account",
        "ecom_seller_stall",
        "ecom_product_listing",
        "online_selling_coaching",
        "traceability_label",
        "growing_area_code",
        "payment_account",
        "payment_qr_point",
        "market_4_0_round",
        "household_business_einvoice",
        "telehealth_install",
        "e_health_insurance",
        "digital_skill_session",
        "digital_skill_coaching",
        "safe_internet_guidance",
        "scam_report",
        "learning_platform",
        "outreach_communication",
        "device_need",
        "device_handover",
        "coverage_gap_report",
        "speed_test",
        "public_wifi_point",
        "household_survey",
        "village_tally",
        "digital_citizen_check",
    ] {
        assert!(codes.contains(&code), "{code}");
    }
}

#[test]
fn a_catalogue_is_shared_between_threads_and_cheap_to_clone() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    shared(Catalogue::shipped());
    let clone = Catalogue::shipped().clone();
    assert!(std::ptr::eq(clone.kinds(), Catalogue::shipped().kinds()));
    assert_eq!(clone.version(), "2026.1");
}

#[test]
fn labels_are_found_in_both_languages() {
    let catalogue = Catalogue::shipped();
    assert_eq!(catalogue.label("speed_test", Lang::Vi), Some("Đo tốc độ truy cập Internet"));
    assert_eq!(catalogue.label("speed_test", Lang::En), Some("Internet speed test"));
    assert_eq!(catalogue.field_label("vneid_level2", "outcome", Lang::Vi), Some("Kết quả"));
    assert_eq!(catalogue.option_label("vneid_level2", "outcome", "refused", Lang::Vi), Some("Từ chối"));
    assert_eq!(catalogue.option_label("vneid_level2", "step", "activated", Lang::En), Some("Level 2 activated"));
    assert_eq!(catalogue.label("no_such_kind", Lang::Vi), None);
    assert_eq!(catalogue.list("operator").unwrap().len(), 5);
}

// --- every kind ------------------------------------------------------------------------------------------------------

#[test]
fn a_full_activity_of_every_kind_is_valid() {
    for kind in Catalogue::shipped().kinds() {
        assert_eq!(check(&sample(kind)), [], "{}", kind.code);
    }
}

#[test]
fn an_activity_of_every_kind_with_only_the_required_answers_is_valid() {
    for kind in Catalogue::shipped().kinds() {
        let mut activity = sample(kind);
        let needed = |field: &Field, fields: &BTreeMap<_, _>| {
            field.required || field.required_if.as_ref().is_some_and(|condition| condition.holds(fields))
        };
        let fields = activity.fields.clone();
        activity.fields.retain(|code, _| needed(kind.field(code).unwrap(), &fields));
        assert_eq!(check(&activity), [], "{}", kind.code);
    }
}

#[test]
fn every_required_answer_of_every_kind_is_missed() {
    let mut tried = 0;
    for kind in Catalogue::shipped().kinds() {
        for field in kind.fields.iter().filter(|field| field.required) {
            let findings = check(&without(sample(kind), &field.code));
            let missed: Vec<_> = findings.iter().filter(|finding| finding.code == "required").collect();
            assert_eq!(missed.len(), 1, "{}.{}", kind.code, field.code);
            assert_eq!(missed[0].field.as_deref(), Some(&*field.code));
            assert_eq!(missed[0].severity, Severity::Error);
            tried += 1;
        }
    }
    assert_eq!(tried, 127);
}

#[test]
fn an_empty_answer_is_no_answer() {
    for (kind, field, empty) in [
        ("citizen_feedback", "summary", text("")),
        ("device_need", "need", codes(&[])),
        ("vneid_level2", "outcome", text("")),
    ] {
        assert!(found(&with(kind, &[(field, empty)])).contains(&pair("required", field)), "{kind}.{field}");
    }
    assert_eq!(check(&with("citizen_feedback", &[("photo", Value::Photos(vec![]))])), []);
    assert_eq!(
        found(&with("citizen_feedback", &[("contact_wanted", text(""))])),
        [pair("wrong_type", "contact_wanted")]
    );
}

#[test]
fn every_outcome_but_done_and_already_has_a_reason() {
    let mut tried = 0;
    for kind in Catalogue::shipped().kinds().iter().filter(|kind| kind.field("outcome").is_some()) {
        for outcome in ["done", "already", "partly", "not_done", "refused"] {
            let mut activity = without(sample(kind), "failure_reason");
            activity.fields.insert("outcome".into(), text(outcome));
            let expected: &[_] =
                if matches!(outcome, "done" | "already") { &[] } else { &[pair("required", "failure_reason")] };
            assert_eq!(found(&activity), expected, "{} {outcome}", kind.code);
            tried += 1;
        }
    }
    assert_eq!(tried, 150);
}

#[test]
fn one_step_beyond_every_bound_is_found() {
    let mut tried = 0;
    for kind in Catalogue::shipped().kinds() {
        for field in &kind.fields {
            // Rules over several answers may break too; the bound's own finding must be among them.
            for (bound, step, expected) in [(field.max, 1, "above_max"), (field.min, -1, "below_min")] {
                let Some(bound) = bound else { continue };
                let beyond = match (field.field_type, bound.to_string().as_str()) {
                    (FieldType::Decimal, "0") => continue,
                    (FieldType::Decimal, "0.01") => "0.009999999".to_owned(),
                    (FieldType::Decimal, max) => format!("{max}.000000001"),
                    (_, whole) => (whole.parse::<i64>().unwrap() + step).to_string(),
                };
                let at = |digits: &str| with(&kind.code, &[(&field.code, number(field, digits))]);
                let both = |activity: &ActivityContent| {
                    let found = found(activity);
                    (found.contains(&pair("above_max", &field.code)), found.contains(&pair("below_min", &field.code)))
                };
                assert_eq!(both(&at(&beyond)), (step == 1, step == -1), "{}.{} {expected}", kind.code, field.code);
                assert_eq!(both(&at(&bound.to_string())), (false, false), "{}.{}", kind.code, field.code);
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 80, "41 fields have both bounds, two of them a decimal zero");
}

#[test]
fn one_character_too_many_is_found_in_every_text() {
    let mut tried = 0;
    for kind in Catalogue::shipped().kinds() {
        for field in kind.fields.iter().filter(|field| field.field_type == FieldType::Text) {
            let max = field.max_length.unwrap();
            let full = with(&kind.code, &[(&field.code, text(&"ệ".repeat(max)))]);
            assert_eq!(check(&full), [], "{}.{}", kind.code, field.code);
            let over = with(&kind.code, &[(&field.code, text(&"ệ".repeat(max + 1)))]);
            assert_eq!(found(&over), [pair("too_long", &field.code)], "{}.{}", kind.code, field.code);
            tried += 1;
        }
    }
    assert_eq!(tried, 43);
}

#[test]
fn every_field_refuses_an_answer_of_another_type() {
    for kind in Catalogue::shipped().kinds() {
        for field in &kind.fields {
            let wrong = if field.field_type == FieldType::Bool { text("true") } else { Value::Bool(true) };
            let found = found(&with(&kind.code, &[(&field.code, wrong)]));
            assert!(found.contains(&pair("wrong_type", &field.code)), "{}.{}: {found:?}", kind.code, field.code);
        }
    }
}

#[test]
fn every_choice_refuses_an_option_it_does_not_have() {
    for kind in Catalogue::shipped().kinds() {
        for field in &kind.fields {
            let wrong = match field.field_type {
                FieldType::Enum => text("no_such_option"),
                FieldType::MultiEnum => codes(&[&field.choices()[0].code, "no_such_option"]),
                _ => continue,
            };
            let found = found(&with(&kind.code, &[(&field.code, wrong)]));
            assert!(found.contains(&pair("unknown_option", &field.code)), "{}.{}", kind.code, field.code);
        }
    }
}

#[test]
fn every_offered_option_is_accepted() {
    for kind in Catalogue::shipped().kinds() {
        for field in &kind.fields {
            for choice in field.choices() {
                let value =
                    if field.field_type == FieldType::Enum { text(&choice.code) } else { codes(&[&choice.code]) };
                let findings = check(&with(&kind.code, &[(&field.code, value)]));
                assert!(
                    findings.iter().all(|finding| finding.code == "done_needs_activated"),
                    "{}.{}={}: {findings:?}",
                    kind.code,
                    field.code,
                    choice.code
                );
            }
        }
    }
}

#[test]
fn every_free_text_refuses_numbers_that_must_not_be_stored() {
    let mut tried = 0;
    for kind in Catalogue::shipped().kinds() {
        for field in kind.fields.iter().filter(|field| field.is_free_text()) {
            for number in ["001099001234", "082 123 456", "0912.345.678", "19036789012345"] {
                let activity = with(&kind.code, &[(&field.code, text(&format!("Số {number} của bà")))]);
                assert_eq!(found(&activity), [pair("forbidden_number", &field.code)], "{}.{}", kind.code, field.code);
            }
            let harmless = text("Đã thu 1.234.000 đ ngày 14/11/2026,\ncòn 150000");
            assert_eq!(check(&with(&kind.code, &[(&field.code, harmless)])), [], "{}.{}", kind.code, field.code);
            tried += 1;
        }
    }
    assert_eq!(tried, 32);
}

#[test]
fn every_rule_with_a_check_can_be_broken() {
    let broken = [
        with("vneid_level2", &[("step", text("installed"))]),
        with(
            "market_4_0_round",
            &[("stalls_total", Value::Int(10)), ("stalls_qr", Value::Int(11)), ("stalls_qr_used", Value::Int(0))],
        ),
        with(
            "market_4_0_round",
            &[("stalls_total", Value::Int(10)), ("stalls_qr", Value::Int(5)), ("stalls_qr_used", Value::Int(6))],
        ),
        with("digital_skill_session", &[("participants", Value::Int(20)), ("participants_female", Value::Int(21))]),
        with("digital_skill_session", &[("participants", Value::Int(20)), ("participants_60_plus", Value::Int(21))]),
        with("digital_skill_session", &[("participants", Value::Int(20)), ("quiz_passed", Value::Int(21))]),
        with("household_survey", &[("adults", Value::Int(2)), ("adults_smartphone", Value::Int(3))]),
        with("household_survey", &[("adults", Value::Int(2)), ("adults_vneid2", Value::Int(3))]),
        with("household_survey", &[("adults", Value::Int(2)), ("adults_payment", Value::Int(3))]),
        with("village_tally", &[("adults_15_plus", Value::Int(5)), ("adults_e_health", Value::Int(6))]),
        with("village_tally", &[("households", Value::Int(5)), ("households_fibre", Value::Int(6))]),
    ];
    let expected = [
        pair("done_needs_activated", "step"),
        pair("qr_le_total", "stalls_qr"),
        pair("used_le_qr", "stalls_qr_used"),
        pair("female_le_total", "participants_female"),
        pair("older_le_total", "participants_60_plus"),
        pair("passed_le_total", "quiz_passed"),
        pair("smart_le_adults", "adults_smartphone"),
        pair("vneid_le_adults", "adults_vneid2"),
        pair("pay_le_adults", "adults_payment"),
        pair("adults_le_base", "adults_e_health"),
        pair("households_le_base", "households_fibre"),
    ];
    for (activity, expected) in broken.iter().zip(&expected) {
        let findings = check(activity);
        assert!(findings.iter().all(Finding::is_error), "{findings:?}");
        assert_eq!(codes_of(findings), std::slice::from_ref(expected));
    }
    // No rule of the file was forgotten here; the one that is left needs the last approved tally.
    let mut known: Vec<&str> = expected.iter().map(|(code, _)| code.as_str()).collect();
    known.push("not_shrinking");
    for rule in Catalogue::shipped().kinds().iter().flat_map(|kind| &kind.rules).filter(|rule| rule.check.is_some()) {
        assert!(known.contains(&rule.code.as_str()), "{}", rule.code);
    }
}

#[test]
fn every_field_of_the_tally_is_held_against_its_base() {
    let kind = Catalogue::shipped().kind("village_tally").unwrap();
    for rule in &kind.rules {
        let Some(Check::AllLe { fields, right }) = &rule.check else { continue };
        for field in fields {
            let activity = with("village_tally", &[(right, Value::Int(5)), (field, Value::Int(6))]);
            assert_eq!(found(&activity), [pair(&rule.code, field)]);
        }
    }
}

#[test]
fn a_comparison_with_an_empty_answer_is_skipped() {
    let activity = without(with("market_4_0_round", &[("stalls_qr_used", Value::Int(9))]), "stalls_qr");
    assert_eq!(found(&activity), [pair("required", "stalls_qr")]);
}

#[test]
fn a_tally_that_shrinks_by_more_than_a_fifth_is_flagged() {
    let last = with("village_tally", &[("households", Value::Int(100)), ("adults_15_plus", Value::Int(300))]).fields;
    let facts = ActivityFacts { last_approved: Some(&last), ..facts() };
    let now = |households| {
        let activity =
            with("village_tally", &[("households", Value::Int(households)), ("adults_15_plus", Value::Int(300))]);
        Catalogue::shipped().validate(&activity, &facts)
    };
    assert_eq!(now(80), []);
    let findings = now(79);
    assert_eq!(findings[0].severity, Severity::Warn);
    assert_eq!(codes_of(findings), [pair("not_shrinking", "households")]);
}

// --- the tricky ones -------------------------------------------------------------------------------------------------

#[test]
fn a_granted_growing_area_has_its_code() {
    let granted = with("growing_area_code", &[("stage", text("granted")), ("area_code", text("YB.01-2026"))]);
    assert_eq!(check(&granted), []);
    assert_eq!(found(&without(granted.clone(), "area_code")), [pair("required", "area_code")]);
    let mut submitted = without(granted, "area_code");
    submitted.fields.insert("stage".into(), text("submitted"));
    assert_eq!(check(&submitted), []);
}

#[test]
fn codes_follow_their_patterns() {
    for (kind, field, good, bad) in [
        ("dvc_submission", "dossier_tail", "00A1", "00a1"),
        ("dvc_submission", "dossier_tail", "0001", "00012"),
        ("digital_address", "plate_code", "YB-01.2", "YB 01"),
        ("growing_area_code", "area_code", "VN-YBOR-0012", "abc"),
        ("payment_qr_point", "acquirer_bin", "970405", "97040"),
    ] {
        assert_eq!(check(&with(kind, &[(field, text(good))])), [], "{kind}.{field}={good}");
        assert_eq!(found(&with(kind, &[(field, text(bad))])), [pair("pattern", field)], "{kind}.{field}={bad}");
    }
    // A line break must not hide behind the end of a pattern.
    assert_eq!(
        found(&with("payment_qr_point", &[("acquirer_bin", text("970405\n"))])),
        [pair("control_character", "acquirer_bin")]
    );
}

#[test]
fn coaching_in_selling_offers_only_its_own_topics() {
    let kind = Catalogue::shipped().kind("online_selling_coaching").unwrap();
    assert_eq!(kind.field("topics").unwrap().choices().len(), 4);
    let activity = with("online_selling_coaching", &[("topics", codes(&["livestream", "ai_basic"]))]);
    assert_eq!(found(&activity), [pair("option_not_allowed", "topics")]);
}

#[test]
fn an_option_is_chosen_once() {
    let activity = with("device_need", &[("need", codes(&["fibre", "fibre"]))]);
    assert_eq!(found(&activity), [pair("duplicate_option", "need")]);
}

#[test]
fn decimals_are_compared_exactly() {
    for good in ["0.01", "0.010", "5000", "5000.0", "12.345678901"] {
        assert_eq!(check(&with("growing_area_code", &[("area_ha", text(good))])), [], "{good}");
    }
    for (bad, code) in [
        ("5000.000000001", "above_max"),
        ("0.009999999", "below_min"),
        ("-1", "below_min"),
        ("1e3", "bad_decimal"),
        ("1,5", "bad_decimal"),
        ("1.2.3", "bad_decimal"),
        (".5", "bad_decimal"),
        ("5.", "bad_decimal"),
        ("+1", "bad_decimal"),
        ("NaN", "bad_decimal"),
        ("0.0000000001", "bad_decimal"),
        ("9999999999999999999", "bad_decimal"),
        ("١", "bad_decimal"),
    ] {
        assert_eq!(found(&with("growing_area_code", &[("area_ha", text(bad))])), [pair(code, "area_ha")], "{bad}");
    }
    assert_eq!(found(&with("speed_test", &[("up_mbps", text("-0.1"))])), [pair("below_min", "up_mbps")]);
}

#[test]
fn days_months_and_moments_must_exist() {
    for (kind, field, code, goods, bads) in [
        (
            "party_handbook_install",
            "cell_meeting_date",
            "bad_date",
            &["2026-02-28", "2024-02-29"][..],
            &["2026-02-29", "2026-13-01", "2026-2-1", "28/02/2026", "2026-+1-01", "2026-02-28T00:00:00Z", "x"][..],
        ),
        (
            "village_tally",
            "period",
            "bad_month",
            &["2026-11"][..],
            &["2026-13", "2026-00", "2026-1", "11/2026", "2026-+1"][..],
        ),
        (
            "coverage_gap_report",
            "tested_at",
            "bad_datetime",
            &[
                "2026-11-14T08:30:00+07:00",
                "2026-11-14T01:30:00Z",
                "2026-11-14T08:30:00.123+07:00",
                "2026-11-14T08:30:00-00:30",
            ][..],
            &[
                "2026-11-14",
                "2026-11-14T08:30:00",
                "2026-11-14T08:30+07:00",
                "2026-11-14 08:30:00+07:00",
                "2026-11-31T08:30:00Z",
                "2026-11-14T24:00:00Z",
                "2026-11-14T08:60:00Z",
                "2026-11-14T08:30:61Z",
                "2026-11-14T08:30:00+7",
                "2026-11-14T08:30:00.Z",
                "2026-11-14T08:30:00Zx",
                "TZ",
                "2026-11-14T+8:30:00Z",
            ][..],
        ),
    ] {
        for good in goods {
            assert_eq!(check(&with(kind, &[(field, text(good))])), [], "{good}");
        }
        for bad in bads {
            assert_eq!(found(&with(kind, &[(field, text(bad))])), [pair(code, field)], "{bad}");
        }
    }
}

#[test]
fn links_are_https_with_a_host() {
    for good in ["https://postmart.vn", "https://shopee.vn/a?b=1#c", "https://a.vn:8443/đường-dẫn"] {
        assert_eq!(check(&with("ecom_seller_stall", &[("stall_url", text(good))])), [], "{good}");
    }
    for bad in [
        "http://postmart.vn",
        "postmart.vn",
        "https://",
        "https://localhost",
        "https://me@postmart.vn",
        "https://a .vn",
        "https://-a.vn",
        "javascript:alert(1)",
        "https://a.vn/\"><script>",
        "https://a.vn:0/",
        "https://a..vn",
        "https://a.vn:+8/",
        "HTTPS://a.vn\\b",
    ] {
        assert_eq!(
            found(&with("ecom_seller_stall", &[("stall_url", text(bad))])),
            [pair("bad_url", "stall_url")],
            "{bad}"
        );
    }
    let long = format!("https://a.vn/{}", "a".repeat(300));
    assert_eq!(found(&with("ecom_seller_stall", &[("stall_url", text(&long))])), [pair("too_long", "stall_url")]);
}

#[test]
fn text_must_be_clean() {
    for (bad, code) in [
        ("Pa\u{301}o", "not_nfc"),
        (" Páo", "not_trimmed"),
        ("Páo\u{0}", "control_character"),
        ("a\u{202e}b", "bidi_control"),
        ("a\u{200b}b", "zero_width"),
        ("a\nb", "control_character"),
    ] {
        assert_eq!(found(&with("public_wifi_point", &[("place", text(bad))])), [pair(code, "place")], "{bad:?}");
    }
    assert_eq!(check(&with("public_wifi_point", &[("note", text("dòng một\ndòng hai"))])), [], "notes may have lines");
}

#[test]
fn places_and_photos_have_limits() {
    let place = |lat_e3, lon_e3| with("speed_test", &[("where", Value::Place { lat_e3, lon_e3 })]);
    assert_eq!(check(&place(-90_000, 180_000)), []);
    assert_eq!(found(&place(90_001, 0)), [pair("bad_place", "where")]);
    assert_eq!(found(&place(0, i32::MIN)), [pair("bad_place", "where")]);
    let photos = |count| with("citizen_feedback", &[("photo", Value::Photos(vec![[1; 32]; count]))]);
    assert_eq!(check(&photos(3)), []);
    assert_eq!(found(&photos(4)), [pair("too_many", "photo")]);
    assert_eq!(found(&with("device_handover", &[("case", Value::Ref(Uuid::nil()))])), [pair("wrong_type", "case")]);
}

#[test]
fn money_is_whole_and_never_negative() {
    assert_eq!(found(&with("device_handover", &[("value_vnd", Value::Int(-1))])), [pair("below_min", "value_vnd")]);
    assert_eq!(found(&with("device_handover", &[("value_vnd", text("1000.5"))])), [pair("wrong_type", "value_vnd")]);
    let findings = check(&with("ecom_product_listing", &[("price_vnd", Value::Int(2_000_000_000))]));
    assert_eq!(findings[0].vi, "«Giá bán»: không được vượt quá 1.000.000.000.");
    assert_eq!(findings[0].en, "“Price”: must not be more than 1,000,000,000.");
}

#[test]
fn what_the_catalogue_does_not_know_is_carried_and_what_it_forbids_is_not() {
    let findings = check(&with("vneid_level2", &[("from_next_year", Value::Int(1))]));
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].code.as_str(), findings[0].severity), ("unknown_field", Severity::Warn));
    let findings = check(&with("vneid_level2", &[("id_number", text("001099001234"))]));
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].code.as_str(), findings[0].severity), ("forbidden_field", Severity::Error));
    let smuggled = check(&with("vneid_level2", &[("from_next_year", text("a\u{202e}b"))]));
    assert_eq!(codes_of(smuggled), [pair("bidi_control", "from_next_year"), pair("unknown_field", "from_next_year")]);
    let unknown = ActivityContent { kind: "x_unknown".into(), fields: BTreeMap::new() };
    assert_eq!(found(&unknown), [pair("unknown_kind", "")]);
}

#[test]
fn the_party_handbook_takes_no_person() {
    let activity = with("party_handbook_install", &[("person", Value::Ref(Uuid::from_bytes([1; 16])))]);
    assert_eq!(found(&activity), [pair("unknown_field", "person")]);
}

// --- evidence --------------------------------------------------------------------------------------------------------

fn with_evidence(activity: &ActivityContent, evidence: &[EvidenceKind], policy: EvidencePolicy) -> Vec<Finding> {
    let facts = ActivityFacts { evidence, evidence_policy: policy, ..facts() };
    Catalogue::shipped().validate(activity, &facts)
}

#[test]
fn required_evidence_is_asked_for_and_nothing_else() {
    let asking = ["ecom_product_listing", "traceability_label", "digital_skill_session", "device_handover"];
    for kind in Catalogue::shipped().kinds() {
        let mut activity = sample(kind);
        activity.fields.retain(|code, _| !code.ends_with("_url") && code != "photo");
        let enforced = with_evidence(&activity, &[], EvidencePolicy::Enforce);
        if asking.contains(&kind.code.as_str()) {
            assert_eq!(codes_of(enforced.clone()), [pair("evidence_missing", "")], "{}", kind.code);
            assert!(enforced[0].is_error());
            let flagged = with_evidence(&activity, &[], EvidencePolicy::FlagOnly);
            assert_eq!((flagged[0].code.as_str(), flagged[0].severity), ("evidence_missing", Severity::Warn));
            assert_eq!(with_evidence(&activity, &[EvidenceKind::Photo], EvidencePolicy::Enforce), [], "{}", kind.code);
            assert_eq!(with_evidence(&activity, &[EvidenceKind::Reference], EvidencePolicy::Enforce).len(), 1);
        } else {
            assert_eq!(enforced, [], "{}", kind.code);
        }
    }
}

#[test]
fn either_type_of_evidence_is_enough_for_a_listing() {
    let activity = without(sample_of("ecom_product_listing"), "listing_url");
    assert_eq!(with_evidence(&activity, &[EvidenceKind::Link], EvidencePolicy::Enforce), []);
    assert_eq!(with_evidence(&activity, &[EvidenceKind::Photo], EvidencePolicy::Enforce), []);
    // The link that was typed into the form is a link.
    assert_eq!(with_evidence(&sample_of("ecom_product_listing"), &[], EvidencePolicy::Enforce), []);
    assert_eq!(
        with_evidence(&sample_of("traceability_label"), &[EvidenceKind::Link], EvidencePolicy::Enforce).len(),
        1
    );
}

#[test]
fn where_nothing_was_done_there_is_nothing_to_show() {
    for (outcome, findings) in [("done", 1), ("partly", 1), ("already", 1), ("not_done", 0), ("refused", 0)] {
        let activity = with("device_handover", &[("outcome", text(outcome))]);
        assert_eq!(with_evidence(&activity, &[], EvidencePolicy::Enforce).len(), findings, "{outcome}");
    }
}

// --- outcomes and common rules ---------------------------------------------------------------------------------------

#[test]
fn only_done_counts_as_done() {
    let catalogue = Catalogue::shipped();
    for (outcome, counts) in
        [("done", true), ("already", false), ("partly", false), ("not_done", false), ("refused", false)]
    {
        let activity = with("speed_test", &[("outcome", text(outcome))]);
        assert_eq!(catalogue.outcome(&activity), Some(outcome));
        assert_eq!(catalogue.counts_as_done(&activity), counts, "{outcome}");
    }
    assert_eq!(catalogue.outcome(&with("speed_test", &[("outcome", text("invented"))])), None);
    assert_eq!(catalogue.outcome(&sample_of("scam_report")), None);
    assert!(!catalogue.counts_as_done(&sample_of("scam_report")), "a case has no outcome");
    assert!(!catalogue.counts_as_done(&ActivityContent::default()));
}

#[test]
fn a_visit_lies_within_the_window() {
    let today = day("2026-11-14");
    let codes = |day_text, opened| codes_of(validate_visit_day(day(day_text), today, opened));
    assert_eq!(codes("2026-11-15", false), [], "a clock may run a day ahead");
    assert_eq!(codes("2026-11-16", false), [pair("visit_date_not_future", "")]);
    assert_eq!(codes("2026-11-16", true), [pair("visit_date_not_future", "")]);
    assert_eq!(codes("2026-09-15", false), [], "exactly 60 days");
    assert_eq!(codes("2026-09-14", false), [pair("visit_date_window", "")]);
    assert_eq!(codes("2026-09-14", true), []);
    assert_eq!(codes_of(validate_visit_day(Day(u32::MAX), Day(0), false)).len(), 1);
    assert_eq!(codes_of(validate_visit_day(Day(0), Day(u32::MAX), false)).len(), 1);
}

#[test]
fn more_than_the_cap_asks_for_a_reason() {
    assert_eq!(check_quantity(QUANTITY_CAP), None);
    let finding = check_quantity(QUANTITY_CAP + 1).unwrap();
    assert_eq!((finding.code.as_str(), finding.severity), ("quantity_cap", Severity::Warn));
}

// --- JSON ------------------------------------------------------------------------------------------------------------

#[test]
fn every_valid_activity_survives_json() {
    let catalogue = Catalogue::shipped();
    for kind in catalogue.kinds() {
        let activity = sample(kind);
        let json = catalogue.to_json_fields(&activity.fields).to_string();
        let read = catalogue.from_json_fields(&kind.code, &serde_json::from_str(&json).unwrap());
        assert_eq!(read, Ok(activity.fields), "{}", kind.code);
    }
}

#[test]
fn a_form_becomes_typed_answers() {
    let json = serde_json::json!({
        "tool": " i_speed ", "network": "mobile", "operator": "viettel", "tech": null, "down_mbps": 12.50, "up_mbps": "007.10",
        "ping_ms": "35", "where": {"lat": 22.1235, "lon": "104.9004999"}, "outcome": "done", "note": "  Pa\u{301}o\r\n  nói ",
        "failure_reason": "", "later": [ "a", "b" ],
    });
    let fields = Catalogue::shipped().from_json_fields("speed_test", &json).unwrap();
    let expected: BTreeMap<String, Value> = [
        ("tool", text("i_speed")),
        ("network", text("mobile")),
        ("operator", text("viettel")),
        ("down_mbps", text("12.5")),
        ("up_mbps", text("7.1")),
        ("ping_ms", Value::Int(35)),
        ("where", Value::Place { lat_e3: 22_124, lon_e3: 104_900 }),
        ("outcome", text("done")),
        ("note", text("Páo\nnói")),
        ("later", codes(&["a", "b"])),
    ]
    .into_iter()
    .map(|(code, value)| (code.to_owned(), value))
    .collect();
    assert_eq!(fields, expected);
}

#[test]
fn places_round_half_away_from_zero_without_floats() {
    for (lat, expected) in [
        ("22.1235", 22_124),
        ("-22.1235", -22_124),
        ("22.12349999999999999999", 22_123),
        ("0.0005", 1),
        ("-0.0004", 0),
        ("22", 22_000),
        ("1.0005", 1_001),
    ] {
        for lat in [format!("{lat:?}"), lat.to_owned()] {
            // The longest one is beyond what a JSON number keeps.
            if lat.len() > 20 && !lat.starts_with('"') {
                continue;
            }
            let json = serde_json::from_str(&format!(r#"{{"where":{{"lat":{lat},"lon":"104.9"}}}}"#)).unwrap();
            let fields = Catalogue::shipped().from_json_fields("speed_test", &json).unwrap();
            assert_eq!(fields["where"], Value::Place { lat_e3: expected, lon_e3: 104_900 }, "{lat}");
        }
    }
    let json = Catalogue::shipped()
        .to_json_fields(&BTreeMap::from([("where".to_owned(), Value::Place { lat_e3: -5, lon_e3: 104_900 })]));
    assert_eq!(json, serde_json::json!({"where": {"lat": "-0.005", "lon": "104.900"}}));
}

#[test]
fn json_of_the_wrong_shape_is_refused_field_by_field() {
    let json = serde_json::json!({
        "down_mbps": "1,5", "ping_ms": 1.5, "where": {"lat": 1}, "note": 5, "outcome": ["done"], "new": {"a": 1}, "new_too": 0.5,
    });
    let findings = Catalogue::shipped().from_json_fields("speed_test", &json).unwrap_err();
    let expected = [
        pair("bad_decimal", "down_mbps"),
        pair("wrong_type", "new"),
        pair("wrong_type", "new_too"),
        pair("wrong_type", "note"),
        pair("wrong_type", "outcome"),
        pair("wrong_type", "ping_ms"),
        pair("wrong_type", "where"),
    ];
    assert_eq!(codes_of(findings), expected);
    for (kind, field, json) in [
        ("device_handover", "case", r#""not-a-uuid""#),
        ("citizen_feedback", "photo", r#"["abc"]"#),
        ("device_need", "need", r#""fibre""#),
        ("device_need", "quantity", r#""1.0""#),
        ("device_need", "quantity", "1e3"),
        ("device_need", "can_pay_part", r#""yes""#),
        ("speed_test", "where", r#"{"lat":"22.1234567890x","lon":"1"}"#),
        ("speed_test", "where", r#"{"lat":"99999999999","lon":"1"}"#),
    ] {
        let json = serde_json::from_str(&format!(r#"{{"{field}":{json}}}"#)).unwrap();
        let findings = Catalogue::shipped().from_json_fields(kind, &json).unwrap_err();
        assert_eq!(codes_of(findings), [pair("wrong_type", field)], "{kind}.{field}");
    }
    assert!(Catalogue::shipped().from_json_fields("speed_test", &serde_json::json!([])).is_err());
    let unknown = Catalogue::shipped().from_json_fields("no_such_kind", &serde_json::json!({})).unwrap_err();
    assert_eq!(codes_of(unknown), [pair("unknown_kind", "")]);
}

#[test]
fn numbers_that_a_browser_would_round_travel_as_strings() {
    let fields = BTreeMap::from([("value_vnd".to_owned(), Value::Int(i64::MIN)), ("small".to_owned(), Value::Int(7))]);
    let json = Catalogue::shipped().to_json_fields(&fields);
    assert_eq!(json, serde_json::json!({"value_vnd": "-9223372036854775808", "small": 7}));
    assert_eq!(Catalogue::shipped().from_json_fields("device_handover", &json), Ok(fields));
}

// --- loading ---------------------------------------------------------------------------------------------------------

fn shipped_json() -> serde_json::Value {
    serde_json::from_str(Catalogue::SHIPPED_JSON).expect("the shipped file is JSON")
}

/// The shipped catalogue with one kind of `fields` and `more` keys, under the code `x_test`.
fn load_with(fields: serde_json::Value, more: serde_json::Value) -> Result<Catalogue, CatalogueError> {
    let mut json = shipped_json();
    let mut kind = serde_json::json!({
        "code": "x_test", "vi": "Thử", "en": "Test", "pillar": "digital_society", "group": "skills", "subject": "household",
        "count_unit": "household", "workflow": "visit", "fields": fields,
    });
    let more = more.as_object().expect("an object").clone();
    kind.as_object_mut().expect("an object").extend(more);
    json["kinds"].as_array_mut().expect("an array").push(kind);
    Catalogue::load(&json.to_string())
}

fn problem(result: Result<Catalogue, CatalogueError>) -> Problem {
    match result {
        Err(CatalogueError::Inconsistent { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_newer_catalogue_with_unknown_keys_loads_and_validates() {
    let mut json = shipped_json();
    json["brand_new"] = serde_json::json!({"a": 1});
    json["kinds"][0]["brand_new"] = true.into();
    json["kinds"][0]["fields"][0]["brand_new"] = "x".into();
    json["lists"]["outcome"][0]["icon"] = "tick".into();
    let newer = Catalogue::load(&json.to_string()).unwrap();
    assert_eq!(newer.validate(&sample_of("vneid_level2"), &facts()), []);
}

#[test]
fn a_catalogue_of_another_schema_or_no_catalogue_is_refused() {
    let mut json = shipped_json();
    json["schema_version"] = 2.into();
    assert!(matches!(Catalogue::load(&json.to_string()), Err(CatalogueError::Schema { found: 2 })));
    assert!(matches!(
        Catalogue::load(r#"{"schema_version":2,"kinds":"moved"}"#),
        Err(CatalogueError::Schema { found: 2 })
    ));
    assert!(matches!(Catalogue::load("{"), Err(CatalogueError::Json(_))));
    assert!(matches!(Catalogue::load(r#"{"schema_version":1}"#), Err(CatalogueError::Json(_))));
    assert!(matches!(Catalogue::load(&" ".repeat(2 << 20)), Err(CatalogueError::TooLarge { .. })));
}

#[test]
fn a_unit_adds_its_own_simple_kind() {
    let fields = serde_json::json!([
        {"code": "title", "type": "text", "vi": "Tên", "en": "Title", "required": true},
        {"code": "count", "type": "int", "vi": "Số", "en": "Count", "min": -2, "max": 3},
        {"code": "tags", "type": "multi_enum", "vi": "Nhãn", "en": "Tags", "min_items": 2,
         "options": [{"code": "a", "vi": "A", "en": "A"}, {"code": "b", "vi": "B", "en": "B", "retired_on": "2026-11-01"}]},
        {"code": "cost", "type": "money_vnd", "vi": "Tiền", "en": "Cost"},
    ]);
    let catalogue = load_with(fields, serde_json::json!({"retired_on": "2026-12-01"})).unwrap();
    let kind = catalogue.kind("x_test").unwrap();
    assert!(kind.is_own());
    let check_on = |visit_day: Day, changes: &[(&str, Value)]| {
        let fields = changes.iter().map(|(code, value)| ((*code).to_owned(), value.clone())).collect();
        let facts = ActivityFacts { visit_day, ..facts() };
        codes_of(catalogue.validate(&ActivityContent { kind: "x_test".into(), fields }, &facts))
    };
    let today = day("2026-10-31");
    let title = ("title", text("Đèn đường"));
    assert_eq!(check_on(today, &[title.clone(), ("count", Value::Int(-2)), ("tags", codes(&["a", "b"]))]), []);
    assert_eq!(check_on(today, &[title.clone(), ("tags", codes(&["a"]))]), [pair("too_few", "tags")]);
    assert_eq!(check_on(today, &[title.clone(), ("count", Value::Int(-3))]), [pair("below_min", "count")]);
    assert_eq!(check_on(today, &[title.clone(), ("cost", Value::Int(-1))]), [pair("below_min", "cost")]);
    assert_eq!(check_on(today, &[("title", text(&"a".repeat(121)))]), [pair("too_long", "title")]);
    assert_eq!(
        check_on(day("2026-11-01"), &[title.clone(), ("tags", codes(&["a", "b"]))]),
        [pair("retired_option", "tags")]
    );
    assert_eq!(check_on(day("2026-11-30"), std::slice::from_ref(&title)), []);
    assert_eq!(check_on(day("2026-12-01"), &[title]), [pair("retired_kind", "")]);
}

#[test]
fn a_coarser_precision_is_kept() {
    let mut json = shipped_json();
    let kinds = json["kinds"].as_array_mut().unwrap();
    let speed_test = kinds.iter_mut().find(|kind| kind["code"] == "speed_test").unwrap();
    let fields = speed_test["fields"].as_array_mut().unwrap();
    fields.iter_mut().find(|field| field["code"] == "where").unwrap()["precision_decimals"] = 2.into();
    let catalogue = Catalogue::load(&json.to_string()).unwrap();
    let fine = with("speed_test", &[("where", Value::Place { lat_e3: 22_123, lon_e3: 104_900 })]);
    assert_eq!(codes_of(catalogue.validate(&fine, &facts())), [pair("precision", "where")]);
    let read =
        catalogue.from_json_fields("speed_test", &serde_json::json!({"where": {"lat": 22.125, "lon": 104.9}})).unwrap();
    assert_eq!(read["where"], Value::Place { lat_e3: 22_130, lon_e3: 104_900 });
}

#[test]
fn a_catalogue_that_contradicts_itself_is_refused() {
    let label = |mut field: serde_json::Value| {
        let object = field.as_object_mut().unwrap();
        object.entry("code").or_insert("a".into());
        object.entry("vi").or_insert("A".into());
        object.entry("en").or_insert("A".into());
        field
    };
    let option = serde_json::json!({"code": "o", "vi": "O", "en": "O"});
    for (field, expected) in [
        (serde_json::json!({"type": "enum", "list": "no_such_list"}), Problem::UnknownList),
        (serde_json::json!({"type": "enum"}), Problem::BadChoices),
        (serde_json::json!({"type": "enum", "list": "outcome", "options": [option]}), Problem::BadChoices),
        (serde_json::json!({"type": "int", "options": [option]}), Problem::BadChoices),
        (serde_json::json!({"type": "enum", "options": [option, option]}), Problem::DuplicateCode),
        (serde_json::json!({"type": "enum", "list": "outcome", "allow": ["invented"]}), Problem::UnknownOption),
        (serde_json::json!({"type": "multi_enum", "options": [option], "min_items": 2}), Problem::BadBounds),
        (serde_json::json!({"type": "code", "pattern": "(["}), Problem::BadPattern),
        (serde_json::json!({"type": "code"}), Problem::BadPattern),
        (serde_json::json!({"type": "int", "pattern": "^1$"}), Problem::BadPattern),
        (serde_json::json!({"type": "int", "min": 2, "max": 1}), Problem::BadBounds),
        (serde_json::json!({"type": "int", "min": 0.5}), Problem::BadBounds),
        (serde_json::json!({"type": "text", "max": 5}), Problem::BadBounds),
        (serde_json::json!({"type": "int", "max_length": 5}), Problem::BadBounds),
        (serde_json::json!({"type": "text", "max_length": 0}), Problem::BadBounds),
        (serde_json::json!({"type": "text", "max_length": 2001}), Problem::BadBounds),
        (serde_json::json!({"type": "geo", "precision_decimals": 4}), Problem::BadBounds),
        (serde_json::json!({"type": "bool", "required_if": {"b": ["x"]}}), Problem::UnknownField),
        (serde_json::json!({"type": "bool", "required_if": {"a": ["x"]}}), Problem::WrongFieldType),
        (serde_json::json!({"type": "text", "code": "date_of_birth"}), Problem::ForbiddenField),
        (serde_json::json!({"type": "text", "sensitivity": "never"}), Problem::ForbiddenField),
        (serde_json::json!({"type": "text", "code": "Ten"}), Problem::BadCode),
        (serde_json::json!({"type": "text", "vi": ""}), Problem::BadLabel),
        (serde_json::json!({"type": "ref", "ref": "person"}), Problem::NotSimple),
        (serde_json::json!({"type": "photo"}), Problem::NotSimple),
    ] {
        let shown = field.to_string();
        assert_eq!(problem(load_with(serde_json::json!([label(field)]), serde_json::json!({}))), expected, "{shown}");
    }
    let twice =
        serde_json::json!([label(serde_json::json!({"type": "int"})), label(serde_json::json!({"type": "int"}))]);
    assert_eq!(problem(load_with(twice, serde_json::json!({}))), Problem::DuplicateCode);
}

#[test]
fn a_kind_that_contradicts_itself_is_refused() {
    let fields = serde_json::json!([
        {"code": "n", "type": "int", "vi": "N", "en": "N"},
        {"code": "t", "type": "text", "vi": "T", "en": "T"},
        {"code": "outcome", "type": "enum", "list": "outcome", "vi": "Kết quả", "en": "Outcome"},
    ]);
    let rule = |check: serde_json::Value| serde_json::json!({"rules": [{"code": "r", "severity": "error", "vi": "R", "en": "R", "check": check}]});
    for (more, expected) in [
        (serde_json::json!({"code": "vneid_level2"}), Problem::DuplicateCode),
        (serde_json::json!({"pillar": "no_such_pillar"}), Problem::UnknownParent),
        (serde_json::json!({"workflow": "no_such_workflow"}), Problem::UnknownParent),
        (rule(serde_json::json!({"type": "le", "left": "n", "right": "m"})), Problem::UnknownField),
        (rule(serde_json::json!({"type": "le", "left": "t", "right": "n"})), Problem::WrongFieldType),
        (rule(serde_json::json!({"type": "all_le", "fields": ["m"], "right": "n"})), Problem::UnknownField),
        (
            rule(serde_json::json!({"type": "implies", "if": {"outcome": ["won"]}, "then": {"n": [1]}})),
            Problem::UnknownOption,
        ),
        (
            rule(serde_json::json!({"type": "implies", "if": {"outcome": ["done"]}, "then": {"m": [1]}})),
            Problem::UnknownField,
        ),
        (rule(serde_json::json!({"type": "drop_against_last_approved", "percent": 0})), Problem::BadRule),
        (rule(serde_json::Value::Null), Problem::BadRule),
        (serde_json::json!({"evidence": {"mode": "required", "types": []}}), Problem::BadEvidence),
        (serde_json::json!({"dedupe": {"scope": "village", "window": "month", "on": ["m"]}}), Problem::UnknownField),
        (
            serde_json::json!({"dedupe": {"scope": "village", "window": "month", "on": ["outcome=won"]}}),
            Problem::UnknownOption,
        ),
        (serde_json::json!({"dedupe": {"scope": "village"}}), Problem::BadDedupe),
        (
            serde_json::json!({"sets_state": [{"subject": "village", "state": "s", "value": {"field": "m"}, "when": {}}]}),
            Problem::UnknownField,
        ),
        (
            serde_json::json!({"sets_state": [{"subject": "village", "state": "s", "value": true, "when": {"status": ["open"]}}]}),
            Problem::UnknownField,
        ),
        (
            serde_json::json!({"workflow": "case", "sets_state": [{"subject": "village", "state": "s", "value": true, "when": {"status": ["lost"]}}]}),
            Problem::UnknownStatus,
        ),
        (
            serde_json::json!({"sets_state": [{"subject": "village", "state": "s", "value": {"snapshot": "some"}, "when": {}}]}),
            Problem::BadState,
        ),
    ] {
        let shown = more.to_string();
        assert_eq!(problem(load_with(fields.clone(), more)), expected, "{shown}");
    }
    let fine = serde_json::json!({
        "rules": [{"code": "r", "severity": "warn", "vi": "R", "en": "R", "check": {"type": "implies", "if": {"outcome": "done"}, "then": {"n": 1}}}],
    });
    assert!(load_with(fields.clone(), fine).is_ok());
    // A check that this model cannot carry out must not be passed over in silence.
    assert!(matches!(load_with(fields, rule(serde_json::json!({"type": "invented"}))), Err(CatalogueError::Json(_))));
}

#[test]
fn a_drop_is_measured_from_numbers_below_zero_too() {
    let catalogue = load_with(
        serde_json::json!([{"code": "n", "type": "int", "vi": "Số", "en": "Number", "min": -100, "max": 100}]),
        serde_json::json!({"rules": [{"code": "r", "severity": "warn", "vi": "R", "en": "R",
            "check": {"type": "drop_against_last_approved", "percent": 20}}]}),
    )
    .unwrap();
    for (before, now, flagged) in
        [(-50, -50, false), (-50, -60, false), (-50, -61, true), (-50, 10, false), (0, 0, false)]
    {
        let answers = |n| BTreeMap::from([("n".to_owned(), Value::Int(n))]);
        let last = answers(before);
        let facts = ActivityFacts { last_approved: Some(&last), ..facts() };
        let found = catalogue.validate(&ActivityContent { kind: "x_test".into(), fields: answers(now) }, &facts);
        assert_eq!(!found.is_empty(), flagged, "{before} to {now}");
    }
}

#[test]
fn decimals_have_one_canonical_form() {
    for (written, canonical) in
        [("007.50", "7.5"), ("-0", "0"), ("0.000000001", "0.000000001"), ("-12.340", "-12.34"), ("5000", "5000")]
    {
        assert_eq!(Decimal::parse(written).unwrap().to_string(), canonical);
    }
    assert!(Decimal::parse("10").unwrap() > Decimal::parse("9.999999999").unwrap());
    assert!(Decimal::parse("-1").unwrap() < Decimal::from_int(0));
}

// --- whatever comes --------------------------------------------------------------------------------------------------

fn any_value() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        "\\PC{0,30}",
        "[0-9.:TZ+-]{0,26}",
        "[\\u{0}-\\u{ffff}]{0,12}",
        "done|partly|activated|2026-11|https://a.b/"
    ];
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![any::<i64>(), -5..500_i64].prop_map(Value::Int),
        word.clone().prop_map(Value::Text),
        proptest::collection::vec(word, 0..4).prop_map(Value::Codes),
        any::<[u8; 16]>().prop_map(|bytes| Value::Ref(Uuid::from_bytes(bytes))),
        proptest::collection::vec(any::<[u8; 32]>(), 0..5).prop_map(Value::Photos),
        (any::<i32>(), any::<i32>()).prop_map(|(lat_e3, lon_e3)| Value::Place { lat_e3, lon_e3 }),
    ]
}

/// Any kind with random answers to its own fields and to invented ones.
fn any_activity() -> impl Strategy<Value = ActivityContent> {
    (0..34usize).prop_flat_map(|at| {
        let kind = &Catalogue::shipped().kinds()[at];
        let names: Vec<String> = kind.fields.iter().map(|field| field.code.clone()).collect();
        let name = prop_oneof![8 => proptest::sample::select(names), 1 => "\\PC{0,12}"];
        proptest::collection::btree_map(name, any_value(), 0..14)
            .prop_map(|fields| ActivityContent { kind: kind.code.clone(), fields })
    })
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "\\PC{0,20}|[0-9.-]{0,24}".prop_map(Into::into),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::btree_map("lat|lon|[a-z]{1,4}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn validating_never_panics_and_says_the_same_twice(activity in any_activity(), last in any_activity(), day in any::<u32>()) {
        let facts = ActivityFacts { visit_day: Day(day), last_approved: Some(&last.fields), ..facts() };
        let findings = Catalogue::shipped().validate(&activity, &facts);
        for finding in &findings {
            prop_assert!(!finding.vi.is_empty() && !finding.en.is_empty() && !finding.code.is_empty());
        }
        prop_assert_eq!(findings, Catalogue::shipped().validate(&activity, &facts));
        Catalogue::shipped().counts_as_done(&activity);
        Catalogue::shipped().to_json_fields(&activity.fields);
    }

    #[test]
    fn reading_json_never_panics_and_what_was_read_reads_the_same_again(
        at in 0..34usize, values in proptest::collection::vec(any_json(), 16),
    ) {
        let kind = &Catalogue::shipped().kinds()[at];
        for (field, json) in kind.fields.iter().zip(values) {
            let object = serde_json::json!({ field.code.as_str(): json });
            if let Ok(fields) = Catalogue::shipped().from_json_fields(&kind.code, &object) {
                let again = Catalogue::shipped().to_json_fields(&fields);
                prop_assert_eq!(Catalogue::shipped().from_json_fields(&kind.code, &again), Ok(fields));
            }
        }
    }

    #[test]
    fn loading_never_panics(at in 0..5000usize, json in "\\PC{0,6}|[0-9\"{}\\[\\],:]{1,4}") {
        let mut text = Catalogue::SHIPPED_JSON.to_owned();
        let at = (at * 18).min(text.len());
        let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.insert_str(at, &json);
        let _ = Catalogue::load(&text);
    }

    #[test]
    fn decimals_read_as_they_are_written(billionths in any::<i64>(), other in any::<i64>()) {
        let spelled = |n: i64| format!("{}{}.{:09}", if n < 0 { "-" } else { "" }, n.unsigned_abs() / 1_000_000_000, n.unsigned_abs() % 1_000_000_000);
        let (a, b) = (Decimal::parse(&spelled(billionths)).unwrap(), Decimal::parse(&spelled(other)).unwrap());
        prop_assert_eq!(a.cmp(&b), billionths.cmp(&other));
        prop_assert_eq!(Decimal::parse(&a.to_string()), Some(a));
    }
}
