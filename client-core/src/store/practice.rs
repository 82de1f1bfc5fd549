//! A store to practise on: in memory, with a made-up village, gone when it is closed. Nothing of it is ever sent, and no name
//! in it can be taken for somebody's.

use sync_protocol::access::Role;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::row::*;
use sync_protocol::wire::{HeldRole, RowsFrame, no_ext};
use uuid::Uuid;

use super::{Enrolment, Location, Store};
use crate::Random;
use crate::error::Result;

/// What the made-up households are called, and where they stand.
const HOUSEHOLDS: [(&str, &str); 5] = [
    ("Hộ mẫu 1: nhà mái tôn đỏ", "đầu thôn"),
    ("Hộ mẫu 2: nhà sàn", "cạnh suối"),
    ("Hộ mẫu 3: nhà có quán nước", "gần nhà văn hóa"),
    ("Hộ mẫu 4: nhà hai tầng", "ngã ba"),
    ("Hộ mẫu 5: nhà cuối dốc", "sau trường học"),
];
/// First bytes of the ids of everything made up here.
const MARK: u8 = 0xee;

fn id(what: u8, number: u8) -> Uuid {
    let mut bytes = [MARK; 16];
    (bytes[14], bytes[15]) = (what, number);
    Uuid::from_bytes(bytes)
}

fn row(ty: RowType, id: Uuid, groups: Vec<(GroupKey, Vec<u8>)>) -> Row {
    let stamp = Stamp { ver: Ver::first(1), epoch: Epoch(1), n: 1 };
    Row::Register(Register::new(ty, id, stamp, groups.into_iter().map(|(key, value)| (key, Raw(value)))))
}

impl Store {
    /// A store in memory with a made-up village, for whoever is called so.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn practice(display_name: &str, random: &mut dyn Random) -> Result<Self> {
        let mut store = Self::open(Location::Memory, None)?;
        store.device_public_key(random)?;
        let (village, commune, team, user) = (id(1, 2), id(1, 1), id(2, 1), UserId(id(3, 1)));
        let mut sync_key = [0; 32];
        random.fill(&mut sync_key);
        let enrolment = Enrolment {
            user,
            display_name: display_name.to_owned(),
            device: DeviceId(id(4, 1)),
            session: 0,
            sync_key,
            refresh_token: String::new(),
            access_token: String::new(),
            server: None,
        };
        store.enrol(enrolment, random)?;
        let validity = Validity { from: Day(0), to: None, ext: Ext::default() }.cbor();
        let unit_row = |id: Uuid, level: &str, name: &str, parent: Option<Uuid>| {
            let identity = UnitIdentity {
                level: level.to_owned(),
                code: "TAP-DUOT".to_owned(),
                unit_type: if level == "village" { "thon" } else { "xa" }.to_owned(),
                name: name.to_owned(),
                full_name: name.to_owned(),
                local_name: None,
                ext: Ext::default(),
            };
            let mut groups = vec![(unit::IDENTITY, identity.cbor()), (unit::VALIDITY, validity.clone())];
            if let Some(parent) = parent {
                let above = UnitParent { parent: UnitId(parent), from: Day(0), former: vec![], ext: Ext::default() };
                groups.push((unit::PARENT, above.cbor()));
            }
            row(RowType::UNIT, id, groups)
        };
        let team_identity = TeamIdentity {
            level: "village".to_owned(),
            unit: UnitId(village),
            name: "Tổ tập dượt".to_owned(),
            ext: Ext::default(),
        };
        let member =
            MemberIdentity { team: TeamId(team), user, display_name: display_name.to_owned(), ext: Ext::default() };
        let control = [
            unit_row(commune, "commune", "Xã Tập Dượt", None),
            unit_row(village, "village", "Thôn Tập Dượt", Some(commune)),
            row(RowType::TEAM, team, vec![(team::IDENTITY, team_identity.cbor()), (team::VALIDITY, validity.clone())]),
            row(
                RowType::TEAM_MEMBER,
                id(5, 1),
                vec![(team_member::IDENTITY, member.cbor()), (team_member::VALIDITY, validity.clone())],
            ),
        ];
        let households: Vec<Row> = (1..)
            .zip(HOUSEHOLDS)
            .map(|(number, (label, landmark))| {
                let label = HouseholdLabel {
                    label: label.to_owned(),
                    landmark: Some(landmark.to_owned()),
                    ext: Ext::default(),
                };
                row(RowType::HOUSEHOLD, id(6, number), vec![(household::LABEL, label.cbor())])
            })
            .collect();
        let frame = |class: Class, rows: &[Row]| RowsFrame {
            scope: ScopeId(village),
            class: class as u8,
            quarter: 0,
            gen_: 1,
            from: 0,
            to: rows.len() as u64,
            mac: [0; 8],
            rows: rows_as_bytes(rows),
            ext: no_ext(),
        };
        store.write(|db| {
            db.apply_rows(&frame(Class::Control, &control), false, true)?;
            db.apply_rows(&frame(Class::Register, &households), false, true)?;
            let mut held = db.control()?;
            held.grants_rev = 1;
            held.holdings =
                vec![HeldRole { scope: ScopeId(village), role: Role::Member.code().to_owned(), ext: no_ext() }];
            db.set_control(&held)?;
            db.rebuild_derived()
        })?;
        Ok(store)
    }
}
