//! How rows lie in the file: their CBOR without what the columns already say, with short numbers for what repeats.
//!
//! The protocol never uses CBOR's major type 6, so it is free to stand for: the moment that the row's own id begins
//! with (argument 0), a number of 6 bytes (argument 1), or an entry of `ident` (argument 2 and up). Of major type 7 it
//! uses only true and false; the other values stand for common words. Unpacking gives the row back to the letter.

use rusqlite::OptionalExtension;
use sync_protocol::cbor::{Cbor, IntMap, Malformed, Raw, write_head};
use sync_protocol::row::{RowType, Ver};
use uuid::Uuid;

use super::Db;
use crate::error::{Error, Result};

const MOMENT_OF_ID: u64 = 0;
const SIX_BYTES: u64 = 1;
const IDENT_BASE: u64 = 2;
/// Words of the catalogue that nearly every visit holds. Part of the file format: append, never change or reorder.
/// The first 20 take one byte, the others two.
const WORDS: [&str; 82] = [
    "outcome",
    "done",
    "household",
    "already",
    "step",
    "note",
    "failure_reason",
    "partly",
    "not_done",
    "refused",
    "group",
    "village",
    "activated",
    "age_14_plus",
    "installed",
    "vneid_level2",
    "2026.1",
    "minutes",
    "count",
    "absent",
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
    "person",
    "business",
    "where",
    "marketplace",
    "topics",
    "place",
    "summary",
    "channel",
    "product",
    "kind",
    "market",
    "platform",
    "language",
    "adults_smartphone",
    "adults_vneid2",
    "adults_payment",
    "no_smartphone",
    "old_device",
    "no_signal",
    "no_own_sim",
    "no_id_card",
    "forgot_password",
    "no_bank_nearby",
    "afraid_of_fraud",
    "language_barrier",
    "cannot_read",
    "system_down",
    "other",
    "desk",
];
const SHORT_WORDS: usize = 20;
const FIND_LID: &str = "SELECT lid FROM ident WHERE id = :id";
const FIND_ID: &str = "SELECT id FROM ident WHERE lid = :lid";
const ADD: &str = "INSERT INTO ident (id) VALUES (:id)";

/// Versions as columns: a counter that starts at 1 stays short when the server's epoch goes to the low end.
pub(super) fn ver_column(ver: Ver) -> i64 {
    ver.0.rotate_left(16) as i64
}

/// Reads a version column.
pub(super) fn ver_of(column: i64) -> Ver {
    Ver((column as u64).rotate_right(16))
}

struct Head {
    major: u8,
    argument: u64,
    width: usize,
}

fn head(bytes: &[u8]) -> Result<Head, Malformed> {
    let first = *bytes.first().ok_or(Malformed::Truncated)?;
    let (major, info) = (first >> 5, first & 0x1f);
    let width = match info {
        0..=23 => return Ok(Head { major, argument: u64::from(info), width: 1 }),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return Err(Malformed::TypeNotAllowed),
    };
    let raw = bytes.get(1..1 + width).ok_or(Malformed::Truncated)?;
    Ok(Head { major, argument: raw.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)), width: 1 + width })
}

fn moment_of(id: Uuid) -> u64 {
    id.as_bytes()[..6].iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

impl Db<'_> {
    /// The short number of an id that has one.
    pub(super) fn known_lid(&mut self, id: &[u8]) -> Result<Option<i64>> {
        if let Some(lid) = self.cache.lids.get(id) {
            return Ok(Some(*lid));
        }
        let lid: Option<i64> = self.conn.prepare_cached(FIND_LID)?.query_row([id], |row| row.get(0)).optional()?;
        if let Some(lid) = lid {
            self.cache.lids.insert(id.to_vec(), lid);
            self.cache.ids.insert(lid, id.to_vec());
        }
        Ok(lid)
    }

    /// The short number of an id; a new one when it has none.
    pub(super) fn lid(&mut self, id: &[u8]) -> Result<i64> {
        if let Some(lid) = self.known_lid(id)? {
            return Ok(lid);
        }
        self.conn.prepare_cached(ADD)?.execute([id])?;
        let lid = self.conn.last_insert_rowid();
        self.cache.lids.insert(id.to_vec(), lid);
        self.cache.ids.insert(lid, id.to_vec());
        Ok(lid)
    }

    /// The id behind a short number.
    pub(super) fn id_bytes(&mut self, lid: i64) -> Result<Vec<u8>> {
        if let Some(id) = self.cache.ids.get(&lid) {
            return Ok(id.clone());
        }
        let id: Option<Vec<u8>> = self.conn.prepare_cached(FIND_ID)?.query_row([lid], |row| row.get(0)).optional()?;
        let id = id.ok_or(Error::StoreDamaged)?;
        self.cache.lids.insert(id.clone(), lid);
        self.cache.ids.insert(lid, id.clone());
        Ok(id)
    }

    /// The id behind a short number, where it must be one of 16 bytes.
    pub(super) fn uuid(&mut self, lid: i64) -> Result<Uuid> {
        Uuid::from_slice(&self.id_bytes(lid)?).map_err(|_| Error::StoreDamaged)
    }

    /// Packs a row that passed `cbor::check`. Its first three keys are left to the columns.
    pub(super) fn pack(&mut self, id: Uuid, row: &[u8]) -> Result<Vec<u8>> {
        let mut map = IntMap::parse(row)?;
        for key in 0..3 {
            map.take(key);
        }
        let mut out = Vec::with_capacity(row.len());
        let moment = moment_of(id);
        for (key, raw) in map.entries() {
            write_head(0, key, &mut out);
            let end = self.pack_item(moment, raw, &mut out)?;
            if end != raw.len() {
                return Err(Malformed::Trailing.into());
            }
        }
        Ok(out)
    }

    fn pack_item(&mut self, moment: u64, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize> {
        let head = head(bytes)?;
        let body = &bytes[head.width..];
        match head.major {
            0 if head.argument == moment => write_head(6, MOMENT_OF_ID, out),
            0 if head.argument >= 1 << 48 => {
                let lid = self.lid(&head.argument.to_be_bytes())?;
                write_head(6, IDENT_BASE + lid.unsigned_abs(), out);
            }
            0 if head.argument > u64::from(u32::MAX) => {
                write_head(6, SIX_BYTES, out);
                out.extend_from_slice(&head.argument.to_be_bytes()[2..]);
            }
            0 | 1 | 7 => out.extend_from_slice(&bytes[..head.width]),
            2 | 3 => {
                let length = usize::try_from(head.argument).map_err(|_| Malformed::Truncated)?;
                let text = body.get(..length).ok_or(Malformed::Truncated)?;
                if head.major == 3
                    && let Some(word) = WORDS.iter().position(|word| word.as_bytes() == text)
                {
                    match word.checked_sub(SHORT_WORDS) {
                        None => out.push(0xe0 | word as u8),
                        Some(rest) => out.extend_from_slice(&[0xf8, rest as u8]),
                    }
                    return Ok(head.width + length);
                }
                match if head.major == 2 && length == 16 { self.known_lid(text)? } else { None } {
                    Some(lid) => write_head(6, IDENT_BASE + lid.unsigned_abs(), out),
                    None => out.extend_from_slice(&bytes[..head.width + length]),
                }
                return Ok(head.width + length);
            }
            4 | 5 => {
                out.extend_from_slice(&bytes[..head.width]);
                let items = if head.major == 5 { head.argument.saturating_mul(2) } else { head.argument };
                let mut at = head.width;
                for _ in 0..items {
                    at += self.pack_item(moment, &bytes[at..], out)?;
                }
                return Ok(at);
            }
            _ => return Err(Malformed::TypeNotAllowed.into()),
        }
        Ok(head.width)
    }

    /// Gives a packed row back as it came.
    pub(super) fn unpack(&mut self, ty: RowType, id: Uuid, ver: Ver, packed: &[u8]) -> Result<Vec<u8>> {
        let mut rest = Vec::with_capacity(packed.len() * 2);
        let moment = moment_of(id);
        let (mut at, mut entries) = (0, 3);
        while at < packed.len() {
            at += self.unpack_item(moment, &packed[at..], &mut rest)?;
            at += self.unpack_item(moment, packed.get(at..).unwrap_or(&[]), &mut rest)?;
            entries += 1;
        }
        let mut row = Vec::with_capacity(rest.len() + 32);
        write_head(5, entries, &mut row);
        row.push(0);
        ty.0.to_cbor(&mut row);
        row.push(1);
        id.to_cbor(&mut row);
        row.push(2);
        ver.to_cbor(&mut row);
        Raw(rest).to_cbor(&mut row);
        Ok(row)
    }

    fn unpack_item(&mut self, moment: u64, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize> {
        let head = head(bytes)?;
        match head.major {
            6 if head.argument == MOMENT_OF_ID => write_head(0, moment, out),
            6 if head.argument == SIX_BYTES => {
                let raw = bytes.get(head.width..head.width + 6).ok_or(Malformed::Truncated)?;
                write_head(0, raw.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)), out);
                return Ok(head.width + 6);
            }
            6 => {
                let lid = i64::try_from(head.argument - IDENT_BASE).map_err(|_| Error::StoreDamaged)?;
                let id = self.id_bytes(lid)?;
                match <[u8; 8]>::try_from(id.as_slice()) {
                    Ok(number) => write_head(0, u64::from_be_bytes(number), out),
                    Err(_) => {
                        write_head(2, id.len() as u64, out);
                        out.extend_from_slice(&id);
                    }
                }
            }
            2 | 3 => {
                let length = usize::try_from(head.argument).map_err(|_| Malformed::Truncated)?;
                let end = head.width.saturating_add(length);
                out.extend_from_slice(bytes.get(..end).ok_or(Malformed::Truncated)?);
                return Ok(end);
            }
            4 | 5 => {
                out.extend_from_slice(&bytes[..head.width]);
                let items = if head.major == 5 { head.argument.saturating_mul(2) } else { head.argument };
                let mut at = head.width;
                for _ in 0..items {
                    at += self.unpack_item(moment, bytes.get(at..).unwrap_or(&[]), out)?;
                }
                return Ok(at);
            }
            7 if head.width == 2 || head.argument < 20 => {
                let place = head.argument as usize + if head.width == 2 { SHORT_WORDS } else { 0 };
                let word = WORDS.get(place).ok_or(Malformed::TypeNotAllowed)?;
                write_head(3, word.len() as u64, out);
                out.extend_from_slice(word.as_bytes());
            }
            _ => out.extend_from_slice(&bytes[..head.width]),
        }
        Ok(head.width)
    }
}

/// Adds the short numbers that a packed row uses.
pub(super) fn collect_idents(packed: &[u8], used: &mut std::collections::HashSet<i64>) -> Result<(), Malformed> {
    let mut at = 0;
    while at < packed.len() {
        let head = head(&packed[at..])?;
        at += head.width;
        match head.major {
            2 | 3 => at = at.saturating_add(usize::try_from(head.argument).map_err(|_| Malformed::Truncated)?),
            6 if head.argument == SIX_BYTES => at += 6,
            6 if head.argument >= IDENT_BASE => {
                used.insert(i64::try_from(head.argument - IDENT_BASE).map_err(|_| Malformed::WrongShape)?);
            }
            _ => {}
        }
    }
    Ok(())
}
