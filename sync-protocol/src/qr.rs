//! Payment QR codes at a counter: reads the text of a VietQR merchant code and keeps only what may be kept.
//!
//! Kept: static or dynamic, the bank's number, the service, the amount of a dynamic code, and whether other schemes are
//! in it too. The account number and the merchant's name are read over and never leave this module: not in a result, not
//! in an error, not in `Debug`. Source: docs/DOMAIN.md §5, "QR points".

use std::collections::BTreeMap;

use crate::value::Value;

/// Longest text that is read, in characters: the limit of the EMVCo format, far below what a QR code can hold.
pub const QR_CHARS_MAX: usize = 512;

/// The scheme that a VietQR code names in field 38.
const VIETQR_AID: &str = "A000000727";
/// Field, length and value of the checksum, always the last characters.
const CHECKSUM_CHARS: usize = 8;
/// Longest amount, in digits.
const AMOUNT_DIGITS_MAX: usize = 13;

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident $code:literal $vi:literal $en:literal,)+) => {
        /// Why a text is no VietQR code that can be used. Holds nothing of the text.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
        pub enum QrFault { $($(#[$doc])* #[error($en)] $variant,)+ }

        impl QrFault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
            /// Stable code for screens and logs.
            pub fn code(self) -> &'static str { match self { $(Self::$variant => $code,)+ } }
            /// In plain Vietnamese, with what to do.
            pub fn vi(self) -> &'static str { match self { $(Self::$variant => $vi,)+ } }
            /// In plain English, with what to do.
            pub fn en(self) -> &'static str { match self { $(Self::$variant => $en,)+ } }
        }
    };
}

faults! {
    /// More than [`QR_CHARS_MAX`] characters.
    TooLong "qr_too_long"
        "Nội dung mã QR quá dài, không phải mã thanh toán. Hãy quét đúng mã đặt ở quầy."
        "The QR code holds too much to be a payment code. Scan the code at the counter.",
    /// Does not begin as payment codes do: a link, a contact, an identity card.
    NotPayment "qr_not_payment"
        "Đây không phải mã QR thanh toán. Hãy quét đúng mã nhận tiền đặt ở quầy."
        "This is not a payment QR code. Scan the code at the counter that takes payments.",
    /// A character other than the printable ones of ASCII.
    BadCharacter "qr_bad_character"
        "Mã QR có ký tự lạ (chữ có dấu hoặc ký tự ẩn). Hãy quét lại; nếu vẫn vậy, đề nghị ngân hàng cấp lại mã."
        "The QR code has odd characters (accented or hidden). Scan again; if it stays so, ask the bank for a new code.",
    /// The end with the checksum is not there.
    CutOff "qr_cut_off"
        "Mã QR đọc chưa đủ. Hãy lau sạch mã, giữ máy thẳng và quét lại toàn bộ mã."
        "The QR code was not read to its end. Wipe it, hold the phone straight and scan the whole code.",
    /// The checksum belongs to another text.
    WrongChecksum "qr_wrong_checksum"
        "Mã QR sai mã kiểm tra: đọc nhầm hoặc mã in hỏng. Hãy quét lại; nếu vẫn sai, đề nghị ngân hàng cấp lại mã."
        "The checksum is wrong: misread or badly printed. Scan again; if it stays wrong, ask the bank for a new code.",
    /// A field number is not two digits.
    BadTag "qr_bad_tag"
        "Mã QR ghi sai số thứ tự của một mục. Đề nghị ngân hàng cấp lại mã."
        "A field of the QR code has no proper number. Ask the bank for a new code.",
    /// A length is not two digits, is zero, or reaches beyond the end.
    BadLength "qr_bad_length"
        "Mã QR ghi sai độ dài của một mục. Đề nghị ngân hàng cấp lại mã."
        "A field of the QR code has a wrong length. Ask the bank for a new code.",
    /// The same field twice.
    DuplicateTag "qr_duplicate_tag"
        "Mã QR có một mục bị ghi hai lần. Đề nghị ngân hàng cấp lại mã."
        "A field is in the QR code twice. Ask the bank for a new code.",
    /// Field 00 is not 01.
    UnknownVersion "qr_unknown_version"
        "Mã QR theo phiên bản mà ứng dụng chưa biết. Hãy cập nhật ứng dụng rồi quét lại."
        "The QR code has a version that this app does not know. Update the app, then scan again.",
    /// Field 01 is missing.
    KindMissing "qr_kind_missing"
        "Mã QR không ghi là mã tĩnh hay mã động. Đề nghị ngân hàng cấp lại mã."
        "The QR code does not say whether it is static or dynamic. Ask the bank for a new code.",
    /// Field 01 is neither 11 nor 12.
    UnknownKind "qr_unknown_kind"
        "Mã QR không phải mã tĩnh, cũng không phải mã động. Đề nghị ngân hàng cấp lại mã."
        "The QR code is neither static nor dynamic. Ask the bank for a new code.",
    /// Field 38 is missing or names another scheme.
    NotVietQr "qr_not_vietqr"
        "Đây là mã thanh toán khác, không phải VietQR. Hãy hỏi chủ quầy có mã VietQR không."
        "This payment code is not a VietQR code. Ask the owner whether there is a VietQR code.",
    /// Field 38 names no bank.
    BinMissing "qr_bin_missing"
        "Mã VietQR thiếu mã ngân hàng. Đề nghị ngân hàng cấp lại mã."
        "The VietQR code names no bank. Ask the bank for a new code.",
    /// The bank's number is not six digits.
    BadBin "qr_bad_bin"
        "Mã ngân hàng trong mã VietQR không phải 6 chữ số. Đề nghị ngân hàng cấp lại mã."
        "The bank's number in the VietQR code is not six digits. Ask the bank for a new code.",
    /// Field 38 names no account or card.
    AccountMissing "qr_account_missing"
        "Mã VietQR thiếu tài khoản nhận tiền. Đề nghị ngân hàng cấp lại mã."
        "The VietQR code names no account to pay into. Ask the bank for a new code.",
    /// Field 38 names no service.
    ServiceMissing "qr_service_missing"
        "Mã VietQR không ghi chuyển tiền đến tài khoản hay đến thẻ. Đề nghị ngân hàng cấp lại mã."
        "The VietQR code does not say whether it pays to an account or a card. Ask the bank for a new code.",
    /// A service other than QRIBFTTA and QRIBFTTC.
    UnknownService "qr_unknown_service"
        "Mã VietQR dùng dịch vụ khác với chuyển tiền đến tài khoản hoặc đến thẻ. Hãy hỏi chủ quầy mã chuyển tiền."
        "The VietQR code is for a service other than paying to an account or a card. Ask the owner for a transfer code.",
    /// Field 53 is missing.
    CurrencyMissing "qr_currency_missing"
        "Mã QR không ghi loại tiền. Đề nghị ngân hàng cấp lại mã."
        "The QR code names no currency. Ask the bank for a new code.",
    /// Field 53 is not 704.
    WrongCurrency "qr_wrong_currency"
        "Mã QR không dùng tiền đồng Việt Nam. Đề nghị chủ quầy dùng mã nhận tiền đồng."
        "The QR code is not in Vietnamese đồng. Ask the owner for a code that takes đồng.",
    /// Field 54 is no whole number of đồng above zero.
    BadAmount "qr_bad_amount"
        "Số tiền trong mã QR không phải số đồng nguyên lớn hơn 0. Hãy tạo lại mã với số tiền đúng."
        "The amount in the QR code is not a whole number of đồng above zero. Make the code again with the right amount.",
    /// Field 58 is missing.
    CountryMissing "qr_country_missing"
        "Mã QR không ghi nước. Đề nghị ngân hàng cấp lại mã."
        "The QR code names no country. Ask the bank for a new code.",
    /// Field 58 is not VN.
    WrongCountry "qr_wrong_country"
        "Mã QR không phải của Việt Nam. Đề nghị chủ quầy dùng mã của ngân hàng trong nước."
        "The QR code is not from Việt Nam. Ask the owner for a code of a Vietnamese bank.",
}

/// Whether a code is for every payment or for one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum QrKind {
    /// Printed once; the payer types the amount.
    Static,
    /// Made for one payment.
    Dynamic,
}

impl QrKind {
    /// The option of the catalogue's field `qr_kind`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Dynamic => "dynamic",
        }
    }
}

/// Where the money goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum QrService {
    /// QRIBFTTA.
    ToAccount,
    /// QRIBFTTC.
    ToCard,
}

/// What is kept of a VietQR code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PaymentQr {
    /// Static or dynamic.
    pub kind: QrKind,
    /// The acquirer's BIN: six digits. Its name: [`acquirers`].
    pub bin: String,
    /// To an account or to a card.
    pub service: QrService,
    /// Whole đồng; only of a dynamic code that names its amount.
    pub amount_vnd: Option<u64>,
    /// Whether other schemes take payments with the same code: another field of 02 to 51.
    pub other_schemes: bool,
}

impl PaymentQr {
    /// Reads the text of a code, as a scanner gives it.
    ///
    /// Fields may come in any order between 00 and 63; fields that are not needed are passed over.
    ///
    /// # Errors
    /// The first [`QrFault`] found: a misread text before a code that was made wrongly.
    pub fn parse(text: &str) -> Result<Self, QrFault> {
        if text.len() > QR_CHARS_MAX && text.chars().count() > QR_CHARS_MAX {
            return Err(QrFault::TooLong);
        }
        if !text.starts_with("0002") {
            return Err(QrFault::NotPayment);
        }
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(QrFault::BadCharacter);
        }
        let (body, end) = text.len().checked_sub(CHECKSUM_CHARS).map(|at| text.split_at(at)).ok_or(QrFault::CutOff)?;
        let checksum = end.strip_prefix("6304").ok_or(QrFault::CutOff)?;
        if format!("{:04X}", crc16(&text.as_bytes()[..body.len() + 4])) != checksum {
            return Err(QrFault::WrongChecksum);
        }
        let root = fields(body)?;
        if root.contains_key("63") {
            return Err(QrFault::DuplicateTag);
        }
        if root.get("00") != Some(&"01") {
            return Err(QrFault::UnknownVersion);
        }
        let kind = match *root.get("01").ok_or(QrFault::KindMissing)? {
            "11" => QrKind::Static,
            "12" => QrKind::Dynamic,
            _ => return Err(QrFault::UnknownKind),
        };
        let (bin, service) = vietqr(root.get("38").ok_or(QrFault::NotVietQr)?)?;
        if *root.get("53").ok_or(QrFault::CurrencyMissing)? != "704" {
            return Err(QrFault::WrongCurrency);
        }
        let amount = root.get("54").map(|digits| amount(digits).ok_or(QrFault::BadAmount)).transpose()?;
        if *root.get("58").ok_or(QrFault::CountryMissing)? != "VN" {
            return Err(QrFault::WrongCountry);
        }
        Ok(Self {
            kind,
            bin,
            service,
            amount_vnd: amount.filter(|_| kind == QrKind::Dynamic),
            other_schemes: root.keys().any(|tag| ("02"..="51").contains(tag) && *tag != "38"),
        })
    }

    /// The answers that a valid code gives to the catalogue's kind `payment_qr_point`.
    pub fn answers(&self) -> BTreeMap<String, Value> {
        BTreeMap::from([
            ("acquirer_bin".to_owned(), Value::Text(self.bin.clone())),
            ("qr_kind".to_owned(), Value::Text(self.kind.code().to_owned())),
            ("qr_valid".to_owned(), Value::Bool(true)),
        ])
    }
}

/// Field 38: the bank's number and the service. The account is only looked for.
fn vietqr(field: &str) -> Result<(String, QrService), QrFault> {
    let scheme = fields(field)?;
    if scheme.get("00") != Some(&VIETQR_AID) {
        return Err(QrFault::NotVietQr);
    }
    let receiver = fields(scheme.get("01").ok_or(QrFault::BinMissing)?)?;
    let bin = *receiver.get("00").ok_or(QrFault::BinMissing)?;
    if bin.len() != 6 || !all_digits(bin) {
        return Err(QrFault::BadBin);
    }
    if !receiver.contains_key("01") {
        return Err(QrFault::AccountMissing);
    }
    let service = match *scheme.get("02").ok_or(QrFault::ServiceMissing)? {
        "QRIBFTTA" => QrService::ToAccount,
        "QRIBFTTC" => QrService::ToCard,
        _ => return Err(QrFault::UnknownService),
    };
    Ok((bin.to_owned(), service))
}

/// Field number to value: two digits, two digits of length, and so many characters.
fn fields(mut rest: &str) -> Result<BTreeMap<&str, &str>, QrFault> {
    let two_digits = |text| str::split_at_checked(text, 2).filter(|(digits, _)| all_digits(digits));
    let mut fields = BTreeMap::new();
    while !rest.is_empty() {
        let (tag, after) = two_digits(rest).ok_or(QrFault::BadTag)?;
        let (length, after) = two_digits(after).ok_or(QrFault::BadLength)?;
        let length = length.parse().ok().filter(|length| *length > 0).ok_or(QrFault::BadLength)?;
        let (value, after) = after.split_at_checked(length).ok_or(QrFault::BadLength)?;
        if fields.insert(tag, value).is_some() {
            return Err(QrFault::DuplicateTag);
        }
        rest = after;
    }
    Ok(fields)
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn amount(digits: &str) -> Option<u64> {
    let fits = digits.len() <= AMOUNT_DIGITS_MAX && all_digits(digits) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| fits)
}

/// CRC-16/CCITT-FALSE: polynomial 1021, begun with FFFF, the checksum of these codes.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

/// A bank or wallet that takes payments by VietQR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acquirer {
    /// Short code, for example `AGRIBANK`.
    pub code: &'static str,
    /// The name that people use.
    pub short_name: &'static str,
    /// The name as the institution writes it.
    pub name: &'static str,
}

/// Who has a BIN. Several after a renaming; nobody for a number that is newer than the list, which is no fault.
pub fn acquirers(bin: &str) -> impl Iterator<Item = Acquirer> {
    include_str!("../data/payment_acquirers.csv").lines().skip(1).filter_map(move |line| {
        let mut columns = line.splitn(4, ',');
        let found = columns.next() == Some(bin);
        let [code, short_name, name] = [columns.next()?, columns.next()?, columns.next()?];
        found.then_some(Acquirer { code, short_name, name })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::is_nfc;

    use super::*;
    use crate::catalogue::{ActivityContent, ActivityFacts, Catalogue, EvidencePolicy};
    use crate::ids::Day;

    // Invented accounts; docs/DOMAIN.md §5.
    const STATIC: &str =
        "00020101021138570010A00000072701270006970405011312345678901230208QRIBFTTA53037045802VN6304EF9A";
    const DYNAMIC: &str =
        "00020101021238540010A00000072701240006970422011000000000010208QRIBFTTA53037045405250005802VN630496F2";

    const VIETQR: &str = "0010A00000072701240006970422011000000000010208QRIBFTTC";

    fn field(tag: &str, value: &str) -> String {
        format!("{tag}{:02}{value}", value.len())
    }

    /// Puts the right checksum behind fields.
    fn sealed(fields: &str) -> String {
        let text = format!("{fields}6304");
        format!("{text}{:04X}", crc16(text.as_bytes()))
    }

    /// A sealed code of these fields, in this order.
    fn code(fields: &[(&str, &str)]) -> String {
        sealed(&fields.iter().map(|(tag, value)| field(tag, value)).collect::<String>())
    }

    const FIELDS: [(&str, &str); 5] = [("00", "01"), ("01", "12"), ("38", VIETQR), ("53", "704"), ("58", "VN")];

    /// [`FIELDS`] with one field changed or added.
    fn with(tag: &'static str, value: &'static str) -> String {
        let mut fields = FIELDS.to_vec();
        match fields.iter_mut().find(|(known, _)| *known == tag) {
            Some(known) => known.1 = value,
            None => fields.push((tag, value)),
        }
        code(&fields)
    }

    #[test]
    fn the_two_known_codes_are_read() {
        assert_eq!(crc16(b"123456789"), 0x29b1);
        let expected = PaymentQr {
            kind: QrKind::Static,
            bin: "970405".into(),
            service: QrService::ToAccount,
            amount_vnd: None,
            other_schemes: false,
        };
        assert_eq!(PaymentQr::parse(STATIC), Ok(expected.clone()));
        let expected = PaymentQr { kind: QrKind::Dynamic, bin: "970422".into(), amount_vnd: Some(25_000), ..expected };
        assert_eq!(PaymentQr::parse(DYNAMIC), Ok(expected));
    }

    #[test]
    fn every_single_changed_character_is_refused() {
        let alphabet: Vec<char> = (' '..='~').chain("\0\n\u{a0}éẬđ０".chars()).collect();
        for good in [STATIC, DYNAMIC] {
            for at in 0..good.len() {
                for new in alphabet.iter().filter(|new| !good[at..].starts_with(**new)) {
                    let changed = format!("{}{new}{}", &good[..at], &good[at + 1..]);
                    assert!(PaymentQr::parse(&changed).is_err(), "{changed}");
                }
            }
        }
    }

    #[test]
    fn a_missing_doubled_or_exchanged_character_is_refused() {
        for good in [STATIC, DYNAMIC] {
            for at in 0..good.len() {
                assert!(PaymentQr::parse(&good[..at]).is_err(), "cut at {at}");
                assert!(PaymentQr::parse(&good[at + 1..]).is_err(), "begun behind {at}");
                assert!(PaymentQr::parse(&format!("{}{}", &good[..at], &good[at + 1..])).is_err(), "without {at}");
                assert!(PaymentQr::parse(&format!("{}{}", &good[..=at], &good[at..])).is_err(), "twice {at}");
                for other in at + 1..good.len() {
                    let mut bytes = good.as_bytes().to_vec();
                    bytes.swap(at, other);
                    let swapped = String::from_utf8(bytes).unwrap();
                    assert!(swapped == good || PaymentQr::parse(&swapped).is_err(), "{at} and {other} exchanged");
                }
            }
        }
        assert_eq!(PaymentQr::parse(&format!("{STATIC} ")), Err(QrFault::CutOff));
        assert_eq!(PaymentQr::parse(&format!("{STATIC}{STATIC}")), Err(QrFault::WrongChecksum));
    }

    #[test]
    fn fields_may_stand_in_any_order_between_the_first_and_the_last() {
        let [first, middle @ ..] = FIELDS;
        let expected = PaymentQr::parse(&code(&FIELDS)).unwrap();
        for turn in 0..middle.len() {
            let mut turned = middle;
            turned.rotate_left(turn);
            assert_eq!(PaymentQr::parse(&code(&[&[first], &turned[..]].concat())), Ok(expected.clone()));
            turned.reverse();
            assert_eq!(PaymentQr::parse(&code(&[&[first], &turned[..]].concat())), Ok(expected.clone()));
        }
        let mut moved = FIELDS;
        moved.swap(0, 1);
        assert_eq!(PaymentQr::parse(&code(&moved)), Err(QrFault::NotPayment), "00 comes first");
        assert_eq!(PaymentQr::parse(&sealed(&format!("{}5802VN", &code(&FIELDS[..4])))), Err(QrFault::DuplicateTag));
    }

    #[test]
    fn every_way_of_being_wrong_has_its_own_fault() {
        let swallowed = format!("{}5920Quầy", FIELDS.iter().map(|(tag, value)| field(tag, value)).collect::<String>());
        let cases = [
            ("0".repeat(QR_CHARS_MAX + 1), QrFault::TooLong),
            (String::new(), QrFault::NotPayment),
            ("https://example.vn".into(), QrFault::NotPayment),
            (sealed("010211"), QrFault::NotPayment),
            (with("59", "CA\u{302}Y"), QrFault::BadCharacter),
            (with("59", "A\nB"), QrFault::BadCharacter),
            (sealed(&swallowed), QrFault::BadCharacter),
            ("0002".into(), QrFault::CutOff),
            (STATIC[..STATIC.len() - 1].into(), QrFault::CutOff),
            (STATIC.replace("EF9A", "ef9a"), QrFault::WrongChecksum),
            (sealed("0002015x02AB"), QrFault::BadTag),
            (sealed("0002011"), QrFault::BadTag),
            (sealed("000201591xAB"), QrFault::BadLength),
            (sealed("0002015900"), QrFault::BadLength),
            (sealed("000201590"), QrFault::BadLength),
            // Reaches into the checksum.
            (sealed("0002015903AB"), QrFault::BadLength),
            (code(&[FIELDS[0], FIELDS[1], FIELDS[1]]), QrFault::DuplicateTag),
            (with("00", "02"), QrFault::UnknownVersion),
            (with("01", "13"), QrFault::UnknownKind),
            (with("38", "0010A000000775"), QrFault::NotVietQr),
            (with("38", "0204A000"), QrFault::NotVietQr),
            (with("38", "0010A0000007270010A000000727"), QrFault::DuplicateTag),
            (with("38", "0011A000000727"), QrFault::BadLength),
            (with("38", "0010A0000007270208QRIBFTTA"), QrFault::BinMissing),
            (with("38", "0010A000000727010801041234"), QrFault::BinMissing),
            (with("38", "0010A00000072701160006970422010912"), QrFault::BadLength),
            (with("38", "0010A0000007270117000597042010412340208QRIBFTTA"), QrFault::BadBin),
            (with("38", "0010A0000007270118000697042A010412340208QRIBFTTA"), QrFault::BadBin),
            (with("38", "0010A000000727011000069704220208QRIBFTTA"), QrFault::AccountMissing),
            (with("38", "0010A0000007270114000697042201000208QRIBFTTA"), QrFault::BadLength),
            (with("38", "0010A0000007270118000697042201041234"), QrFault::ServiceMissing),
            (with("38", "0010A00000072701180006970422010412340206QRPUSH"), QrFault::UnknownService),
            (with("53", "840"), QrFault::WrongCurrency),
            (with("54", "0"), QrFault::BadAmount),
            (with("54", "25000.00"), QrFault::BadAmount),
            (with("54", "025000"), QrFault::BadAmount),
            (with("54", "-25000"), QrFault::BadAmount),
            (with("54", "12345678901234"), QrFault::BadAmount),
            (with("58", "vn"), QrFault::WrongCountry),
            (with("58", "LA"), QrFault::WrongCountry),
        ];
        let mut seen: Vec<QrFault> = cases.iter().map(|(_, fault)| *fault).collect();
        for (text, fault) in cases {
            assert_eq!(PaymentQr::parse(&text), Err(fault), "{text}");
        }
        for (missing, fault) in [
            ("01", QrFault::KindMissing),
            ("38", QrFault::NotVietQr),
            ("53", QrFault::CurrencyMissing),
            ("58", QrFault::CountryMissing),
        ] {
            let fields: Vec<_> = FIELDS.into_iter().filter(|(tag, _)| *tag != missing).collect();
            assert_eq!(PaymentQr::parse(&code(&fields)), Err(fault), "without {missing}");
            seen.push(fault);
        }
        for fault in QrFault::ALL {
            assert!(*fault == QrFault::WrongChecksum || seen.contains(fault), "{fault:?} was not seen");
        }
    }

    #[test]
    fn amounts_are_kept_for_dynamic_codes_only() {
        assert_eq!(PaymentQr::parse(&with("54", "9999999999999")).unwrap().amount_vnd, Some(9_999_999_999_999));
        let fields = [("00", "01"), ("01", "11"), ("38", VIETQR), ("53", "704"), ("54", "25000"), ("58", "VN")];
        let read = PaymentQr::parse(&code(&fields)).unwrap();
        assert_eq!((read.kind, read.amount_vnd, read.service), (QrKind::Static, None, QrService::ToCard));
    }

    #[test]
    fn other_schemes_are_seen_and_not_read() {
        for (tag, other) in
            [("02", true), ("26", true), ("37", true), ("39", true), ("51", true), ("52", false), ("62", false)]
        {
            let read = PaymentQr::parse(&with(tag, "0010A000000775")).unwrap();
            assert_eq!(read.other_schemes, other, "{tag}");
        }
    }

    #[test]
    fn what_a_code_gives_is_what_the_catalogue_asks_for() {
        for text in [STATIC, DYNAMIC] {
            let mut fields = PaymentQr::parse(text).unwrap().answers();
            fields.insert("business".into(), Value::Ref(uuid::Uuid::from_bytes([7; 16])));
            fields.insert("outcome".into(), Value::Text("done".into()));
            let facts = ActivityFacts {
                visit_day: Day::parse("2026-11-20").unwrap(),
                evidence: &[],
                evidence_policy: EvidencePolicy::Enforce,
                last_approved: None,
            };
            let activity = ActivityContent { kind: "payment_qr_point".into(), fields };
            assert_eq!(Catalogue::shipped().validate(&activity, &facts), []);
        }
    }

    #[test]
    fn banks_are_found_by_their_number() {
        let names = |bin| acquirers(bin).map(|acquirer| acquirer.short_name).collect::<Vec<_>>();
        assert_eq!(names("970405"), ["Agribank"]);
        assert_eq!(names("970422"), ["MB Bank"]);
        assert_eq!(names("970406"), ["DongA Bank", "Vikki Bank"], "before and after a renaming");
        assert!(names("000000").is_empty() && names("bin").is_empty() && names("").is_empty());
        for line in include_str!("../data/payment_acquirers.csv").lines().skip(1) {
            let bin = &line[..6];
            let complete = |acquirer: Acquirer| !acquirer.code.is_empty() && acquirer.name.contains(' ');
            assert!(all_digits(bin) && acquirers(bin).count() > 0 && acquirers(bin).all(complete), "{line}");
        }
    }

    #[test]
    fn every_fault_has_its_code_and_words_in_both_languages() {
        let codes: std::collections::BTreeSet<_> = QrFault::ALL.iter().map(|fault| fault.code()).collect();
        assert_eq!(codes.len(), QrFault::ALL.len());
        for fault in QrFault::ALL {
            assert!(fault.code().starts_with("qr_") && fault.to_string() == fault.en());
            assert!(is_nfc(fault.vi()) && fault.vi().ends_with('.') && fault.en().ends_with('.'), "{fault:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}|[\\u{0}-\\u{ffff}]{0,40}|[0-9A-Z]{0,600}", cut in 0..120usize) {
            let _ = PaymentQr::parse(&text);
            let _ = PaymentQr::parse(&format!("0002{text}"));
            // Behind a right checksum, so that the fields are read too.
            let _ = PaymentQr::parse(&sealed(&format!("0002{text}")));
            let half: String = DYNAMIC.chars().take(cut).chain(text.chars()).collect();
            let _ = PaymentQr::parse(&sealed(&half));
        }

        #[test]
        fn account_and_name_are_never_shown(
            account in "[2-9]{7,19}", name in "[A-Z]{4} [A-Z]{4,20}", city in "[A-Z]{4,15}", bad in any::<bool>(),
        ) {
            let receiver = [field("00", "970405"), field("01", &account)].concat();
            let scheme = [field("00", VIETQR_AID), field("01", &receiver), field("02", "QRIBFTTA")].concat();
            let country = if bad { "XX" } else { "VN" };
            let text =
                code(&[("00", "01"), ("01", "11"), ("38", &scheme), ("53", "704"), ("58", country), ("59", &name), ("60", &city)]);
            let read = PaymentQr::parse(&text);
            prop_assert_eq!(read.is_err(), bad);
            let shown = match &read {
                Ok(read) => format!("{read:?} {:?}", read.answers()),
                Err(fault) => format!("{fault:?} {fault} {} {} {}", fault.code(), fault.vi(), fault.en()),
            };
            for secret in [&account, &name, &city] {
                prop_assert!(!shown.contains(secret.as_str()), "{} in {}", secret, shown);
            }
        }
    }
}
