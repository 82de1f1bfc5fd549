//! What people type, paste, import or present: read or refused, never a panic, and reading twice changes nothing.

use std::sync::OnceLock;

use fuzz::{around, corpus, times};
use server::auth::token::{AccessTokens, EnrolmentCode, OpaqueSecret, SessionId};
use server::keys::TokenKey;
use server::units::UnitIndex;
use sync_protocol::catalogue::{CATALOGUE_BYTES_MAX, Catalogue};
use sync_protocol::fold::{fold, matches_name, sort_key};
use sync_protocol::ids::{Day, ServerMs, UserId};
use sync_protocol::phone_number::{mask, mask_name, normalise, prefix_known};
use sync_protocol::qr::{PaymentQr, QR_CHARS_MAX, acquirers, crc16};
use sync_protocol::text::{TextFault, TextLimit, check_text, clean, clean_lines, forbidden_numbers};
use uuid::Uuid;

/// Runs a function on the corpus, on random bytes, and on what is made from the corpus.
macro_rules! target {
    ($name:ident, $usual:expr, $target:expr) => {
        #[test]
        fn $name() {
            bolero::check!(name = stringify!($name))
                .with_iterations(times(300))
                .for_each(|input: &[u8]| $target(input));
            around(&corpus(stringify!($name)), $usual, $target);
        }
    };
}

target!(units, 20_000, read_units);
target!(phones, 60_000, read_phone);
target!(texts, 8_000, read_text);
target!(qr, 40_000, read_qr);

fn read_catalogue(input: &[u8]) {
    let Ok(json) = std::str::from_utf8(input) else { return };
    let Ok(catalogue) = Catalogue::load(json) else { return };
    assert!(json.len() <= CATALOGUE_BYTES_MAX);
    for kind in catalogue.kinds() {
        assert_eq!(catalogue.kind(&kind.code).map(|found| &found.code), Some(&kind.code));
        for field in &kind.fields {
            assert!(kind.field(&field.code).is_some());
            let _ = (field.choices().len(), field.text_limit(), field.is_free_text());
        }
    }
}

/// Two files, divided by a line with an equals sign.
fn read_units(input: &[u8]) {
    let divider = b"\n=\n";
    let at = input.windows(divider.len()).position(|window| window == divider);
    let (units, successions) = at.map_or((input, &[][..]), |at| (&input[..at], &input[at + divider.len()..]));
    let Ok(index) = UnitIndex::read(units, successions) else { return };
    assert!(index.records().len() <= input.len() && index.successions().len() <= input.len());
    for unit in index.records() {
        let day = unit.valid_from;
        assert_eq!(index.get(unit.level, &unit.code, day).map(|found| found.id), Some(unit.id));
        assert_eq!(index.by_id(unit.id).map(|found| &found.code), Some(&unit.code));
        let _ = (index.parent(unit, day), index.children(unit.level, &unit.code, Day(day.0.saturating_add(1))));
        assert!(index.successors(unit).len() <= index.successions().len());
    }
}

#[test]
fn catalogue() {
    // Even a small catalogue is longer than an engine's inputs usually are.
    let check = bolero::check!(name = "catalogue").with_iterations(times(300)).with_max_len(32 * 1024);
    check.for_each(|input: &[u8]| read_catalogue(input));
    around(&corpus("catalogue"), 4_000, read_catalogue);
}

#[test]
fn tokens() {
    bolero::check!(name = "tokens").with_iterations(times(300)).for_each(|input: &[u8]| read_token(input));
    let mut seeds = corpus("tokens");
    // Half of all inputs are made from a token that is in order.
    seeds.extend(vec![issued().1.as_bytes().to_vec(); seeds.len()]);
    around(&seeds, 4_000, read_token);
}

const NOW: ServerMs = ServerMs(1_795_312_800_000);

/// The tokens of a server, and one of them.
fn issued() -> &'static (AccessTokens, String) {
    static TOKENS: OnceLock<(AccessTokens, String)> = OnceLock::new();
    TOKENS.get_or_init(|| {
        let key = TokenKey::from_seed([9; 32], ServerMs(0));
        let tokens = AccessTokens::new("thonso", "phone", &[key]).expect("a key that signs");
        let one = Uuid::from_bytes([1; 16]);
        let good = tokens.issue(UserId(one), None, SessionId(one), NOW).expect("a token");
        (tokens, good)
    })
}

fn read_token(input: &[u8]) {
    let (tokens, good) = issued();
    let Ok(text) = std::str::from_utf8(input) else { return };
    // Every other spelling of a token is another token.
    assert_eq!(tokens.check(text, NOW).is_ok(), text == good);
    if let Some(secret) = OpaqueSecret::parse(text) {
        assert_eq!(secret.to_text(), text);
    }
    if let Some(code) = EnrolmentCode::parse(text) {
        let again = [EnrolmentCode::parse(&code.to_text()), EnrolmentCode::parse(&code.to_spoken())];
        assert!(again.iter().all(|again| again.as_ref() == Some(&code)));
        assert_eq!(code.to_text().len(), EnrolmentCode::DIGITS);
    }
}

fn read_phone(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let _ = (prefix_known(&text), mask(&text), mask_name(&text));
    let Ok(number) = normalise(&text) else { return };
    assert!(number.starts_with('0') && (10..=11).contains(&number.len()), "{number}");
    assert!(number.bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(normalise(&number).as_ref(), Ok(&number));
    assert_eq!(normalise(&format!("+84 {}", &number[1..])).as_ref(), Ok(&number));
    assert!(!mask(&number).contains(&number));
}

/// As it comes, and with the checksum made right, so that what is behind it is read too.
fn read_qr(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    judge_qr(&text);
    let body = text.rsplit_once("6304").map_or(&*text, |(body, _)| body);
    let body = format!("{body}6304");
    judge_qr(&format!("{body}{:04X}", crc16(body.as_bytes())));
}

fn judge_qr(text: &str) {
    let Ok(code) = PaymentQr::parse(text) else { return };
    assert!(text.len() <= QR_CHARS_MAX && code.bin.len() == 6, "{text}");
    assert_eq!(PaymentQr::parse(text), Ok(code.clone()));
    let _ = (code.answers(), acquirers(&code.bin).count());
    // A code is refused with any of its characters changed.
    for at in 0..text.len() {
        let changed =
            format!("{}{}{}", &text[..at], if text[at..].starts_with('7') { '1' } else { '7' }, &text[at + 1..]);
        assert!(PaymentQr::parse(&changed).is_err(), "{changed}");
    }
}

fn read_text(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for (cleaned, limit, again) in [
        (clean(&text), TextLimit::NAME, clean as fn(&str) -> String),
        (clean_lines(&text), TextLimit::NOTE, clean_lines as fn(&str) -> String),
    ] {
        assert_eq!(again(&cleaned), cleaned, "cleaning twice changed {cleaned:?}");
        let fault = check_text(&cleaned, limit).err();
        assert!(fault.is_none() || fault == Some(TextFault::TooLong), "{fault:?} after cleaning: {cleaned:?}");
        assert!(cleaned.is_empty() || matches_name(&cleaned, &fold(&cleaned)));
    }
    let folded = fold(&text);
    assert_eq!(fold(&folded), folded, "folding twice changed {folded:?}");
    assert_eq!(fold(&clean(&text)).is_empty(), folded.is_empty());
    let _ = sort_key(&text);
    let mut end = 0;
    for found in forbidden_numbers(&text) {
        assert!(found.start >= end && found.start < found.end, "{found:?} behind {end}");
        assert!(text.get(found.start..found.end).is_some_and(|number| number.chars().any(|c| c.is_ascii_digit())));
        end = found.end;
    }
}
