//! What the field groups of each register hold. Group numbers and keys are never reused.
//!
//! Source: docs/PROTOCOL.md, "Entities"; the words are those of docs/GLOSSARY.md.

use std::collections::BTreeMap;

use crate::cbor::{Ext, Raw};
use crate::ids::*;
use crate::int_map;
use crate::row::{GroupKey, RowType};
use crate::value::Value;

/// Group numbers of an administrative unit.
pub mod unit {
    use super::GroupKey;
    /// `UnitIdentity`.
    pub const IDENTITY: GroupKey = 1;
    /// `UnitParent`.
    pub const PARENT: GroupKey = 2;
    /// `Validity`.
    pub const VALIDITY: GroupKey = 3;
}

/// Group numbers of a team.
pub mod team {
    use super::GroupKey;
    /// `TeamIdentity`.
    pub const IDENTITY: GroupKey = 1;
    /// `TeamDecision`.
    pub const DECISION: GroupKey = 2;
    /// `Validity`.
    pub const VALIDITY: GroupKey = 3;
}

/// Group numbers of a team membership.
pub mod team_member {
    use super::GroupKey;
    /// `MemberIdentity`.
    pub const IDENTITY: GroupKey = 1;
    /// `MemberPosition`.
    pub const POSITION: GroupKey = 2;
    /// `Validity`.
    pub const VALIDITY: GroupKey = 3;
}

/// Group numbers of a household.
pub mod household {
    use super::GroupKey;
    /// `HouseholdLabel`.
    pub const LABEL: GroupKey = 1;
    /// `HouseholdHead`. Guarded; needs consent.
    pub const HEAD: GroupKey = 2;
    /// `HouseholdPhone`. Needs consent.
    pub const PHONE: GroupKey = 3;
    /// `HouseholdClass`. Guarded.
    pub const CLASS: GroupKey = 4;
    /// `HouseholdPeople`.
    pub const PEOPLE: GroupKey = 5;
    /// `Consent`.
    pub const CONSENT: GroupKey = 6;
    /// `HouseholdStatus`. Guarded.
    pub const STATUS: GroupKey = 7;
}

/// Group numbers of a planned visit.
pub mod plan {
    use super::GroupKey;
    /// `PlanTask`.
    pub const TASK: GroupKey = 1;
    /// `PlanAssignee`.
    pub const ASSIGNEE: GroupKey = 2;
    /// `PlanStatus`. Moved on by rules, never merged.
    pub const STATUS: GroupKey = 3;
}

/// Group numbers of a visit's state.
pub mod visit_state {
    use super::GroupKey;
    /// `VisitPointer`: which event holds the valid content.
    pub const CONTENT: GroupKey = 1;
    /// `VisitStatusValue`. Moved on by rules, never merged.
    pub const STATUS: GroupKey = 2;
    /// `Review`. Moved on by rules, never merged.
    pub const REVIEW: GroupKey = 3;
}

/// Group numbers of a case.
pub mod case {
    use super::GroupKey;
    /// `CaseSubject`.
    pub const SUBJECT: GroupKey = 1;
    /// `CaseSides`.
    pub const SIDES: GroupKey = 2;
    /// `CaseStatusValue`.
    pub const STATUS: GroupKey = 3;
}

/// Group numbers of a reorganisation of communes.
pub mod reorganisation {
    use super::GroupKey;
    /// `ReorganisationWhat`.
    pub const WHAT: GroupKey = 1;
    /// `ReorganisationStatus`.
    pub const STATUS: GroupKey = 2;
}

/// Group numbers of a reporting month.
pub mod period {
    use super::GroupKey;
    /// `PeriodStatus`.
    pub const STATUS: GroupKey = 1;
}

/// Groups that keep their current value in a clash, because a wrong one harms a person. Who decides: the law and the
/// province; the list is the product's default (docs/PROTOCOL.md, C4).
pub fn is_guarded(ty: RowType, group: GroupKey) -> bool {
    ty == RowType::HOUSEHOLD && matches!(group, household::HEAD | household::CLASS | household::STATUS)
}

int_map! {
    /// What a unit is.
    pub struct UnitIdentity {
        /// `province`, `district`, `commune`, `village`.
        0 => level: req String,
        /// The official code; for villages `<commune code>-<nnn>`. Not an identity: codes are reused.
        1 => code: req String,
        /// `xa`, `phuong`, `thon`, `ban`, …
        2 => unit_type: req String,
        /// Name without the type.
        3 => name: req String,
        /// Name with the type.
        4 => full_name: req String,
        /// Name in the local language.
        5 => local_name: opt String,
    }
    /// Where a unit belongs.
    pub struct UnitParent {
        /// The unit above.
        0 => parent: req UnitId,
        /// Since when.
        1 => from: req Day,
        /// What it lay in before, oldest first. The rules keep this list (docs/PROTOCOL.md, D16).
        2 => former: list FormerParent,
    }
    /// What a unit lay in before; until the next one, or the present one, begins.
    pub struct FormerParent {
        /// The unit above.
        0 => parent: req UnitId,
        /// Since when.
        1 => from: req Day,
    }
    /// From when to when something holds.
    pub struct Validity {
        /// First day.
        0 => from: req Day,
        /// First day on which it no longer holds; left out while in force.
        1 => to: opt Day,
    }
    /// What a team is.
    pub struct TeamIdentity {
        /// `commune` or `village`.
        0 => level: req String,
        /// Its village or commune.
        1 => unit: req UnitId,
        /// Its name.
        2 => name: req String,
    }
    /// The decision that set a team up.
    pub struct TeamDecision {
        /// Number of the decision.
        0 => number: req String,
        /// Its date.
        1 => day: req Day,
    }
    /// Who is a member of what.
    pub struct MemberIdentity {
        /// The team.
        0 => team: req TeamId,
        /// The user.
        1 => user: req UserId,
        /// The name that colleagues see.
        2 => display_name: req String,
    }
    /// A member's place in the team.
    pub struct MemberPosition {
        /// `leader`, `deputy`, `member`.
        0 => position: req String,
        /// `youth`, `women`, `farmers`, … (docs/DOMAIN.md §8).
        1 => organisation: req String,
    }
    /// What the village calls a household.
    pub struct HouseholdLabel {
        /// "nhà đầu suối, mái tôn đỏ".
        0 => label: req String,
        /// A landmark.
        1 => landmark: opt String,
    }
    /// The head of a household. Only with consent `visit_log`.
    pub struct HouseholdHead {
        /// The name as written.
        0 => display_name: req String,
    }
    /// A household's phone. Only with consent `visit_log`.
    pub struct HouseholdPhone {
        /// `0` and nine digits.
        0 => phone: req String,
    }
    /// A household's class.
    pub struct HouseholdClass {
        /// `normal`, `poor`, `near_poor`, `policy`.
        0 => class: req String,
    }
    /// Who lives there, as counts.
    pub struct HouseholdPeople {
        /// People aged 15 and over.
        0 => adults_15_plus: req u32,
    }
    /// What a household agreed to.
    pub struct Consent {
        /// `visit_log`, `follow_up`, `recognition`, `photo`.
        0 => purposes: list String,
        /// The version of the notice that was read out.
        1 => notice_version: req String,
        /// The language it was read in.
        2 => language: req String,
        /// `spoken_witnessed`, `signed_on_screen`, `guardian`.
        3 => method: req String,
        /// When.
        4 => given: req Day,
        /// When it was withdrawn.
        5 => withdrawn: opt Day,
    }
    /// Whether a household is still there.
    pub struct HouseholdStatus {
        /// `active`, `closed`.
        0 => status: req String,
    }
    /// What a planned visit is for.
    pub struct PlanTask {
        /// Where.
        0 => village: req UnitId,
        /// Whom to visit.
        1 => household: opt HouseholdId,
        /// A code of the catalogue's `visit_type` list.
        2 => visit_type: req String,
        /// When.
        3 => planned_for: req Day,
        /// What is still owed ("còn nợ"): kinds of activity.
        4 => kinds: list String,
        /// A note.
        5 => note: opt String,
        /// The visit on which something stayed undone.
        6 => follows: opt VisitId,
    }
    /// Who is to go.
    pub struct PlanAssignee {
        /// The team.
        0 => team: req TeamId,
        /// The member.
        1 => user: opt UserId,
    }
    /// How a planned visit stands.
    pub struct PlanStatus {
        /// `planned`, `done`, `cancelled`.
        0 => status: req String,
        /// The visit that carried it out.
        1 => visit: opt VisitId,
        /// Why it was cancelled.
        2 => reason: opt String,
    }
    /// Which event holds a visit's valid content.
    pub struct VisitPointer {
        /// The event that recorded or corrected it.
        0 => event: req EventId,
        /// `content_hash` of that content.
        1 => hash: req [u8; 16],
        /// The event that declared the visit void.
        2 => voided_by: opt EventId,
    }
    /// A visit's status.
    pub struct VisitStatusValue {
        /// A code of the visit workflow.
        0 => status: req String,
    }
    /// What a reviewer decided.
    pub struct Review {
        /// `returned` or `approved`.
        0 => decision: req String,
        /// Who.
        1 => by: req UserId,
        /// When, by the server's clock.
        2 => at: req ServerMs,
        /// The content that the reviewer saw.
        3 => hash: req [u8; 16],
        /// Why it was returned.
        4 => reasons: list ReturnReason,
        /// The reviewer's own words.
        5 => note: opt String,
        /// How the approval came about, when it was one of many.
        6 => batch: opt Batch,
    }
    /// One reason for a return, at the place it is about.
    pub struct ReturnReason {
        /// A stable code: `wrong_answer`, `missing_answer`, `evidence_unclear`, `duplicate`, `wrong_household`,
        /// `wrong_day`, `other`.
        0 => code: req String,
        /// Index of the activity; left out when the reason is about the visit.
        1 => activity: opt u32,
        /// Code of the field.
        2 => field: opt String,
        /// The reviewer's own words.
        3 => text: opt String,
    }
    /// An approval of many visits at once, by sample.
    pub struct Batch {
        /// How many were approved together.
        0 => size: req u32,
        /// Whether this one was looked at.
        1 => looked_at: flag bool,
    }
    /// What a case is about.
    pub struct CaseSubject {
        /// `conflict`.
        0 => kind: req String,
        /// The row's type.
        1 => ty: req u8,
        /// The row.
        2 => id: req uuid::Uuid,
        /// The field group.
        3 => group: req u8,
    }
    /// What people said, none of it lost.
    pub struct CaseSides {
        /// In the order of arrival.
        0 => sides: list Side,
    }
    /// One answer in a case.
    pub struct Side {
        /// The group's value.
        0 => value: req Raw,
        /// Who gave it; left out when it was there before anyone disagreed and its author is not recorded.
        1 => author: opt UserId,
        /// When, as the device's clock claimed.
        2 => at: opt ClaimedMs,
        /// The op that carried it.
        3 => op: opt OpUid,
    }
    /// How a case stands.
    pub struct CaseStatusValue {
        /// `open`, `resolved`.
        0 => status: req String,
        /// Who settled it.
        1 => by: opt UserId,
        /// When, by the server's clock.
        2 => at: opt ServerMs,
        /// The value chosen.
        3 => chosen: opt Raw,
    }
    /// Whether a reporting month takes changes.
    pub struct PeriodStatus {
        /// The commune.
        0 => commune: req UnitId,
        /// The month.
        1 => month: req Month,
        /// Open or closed.
        2 => open: flag bool,
    }
    /// What a reorganisation of communes did.
    pub struct ReorganisationWhat {
        /// First day of the new communes.
        0 => effective: req Day,
        /// The legal basis: number of the resolution.
        1 => basis: req String,
        /// The communes that ended.
        2 => communes: list UnitId,
        /// Those of them to which it gave their last day.
        3 => closed: list UnitId,
        /// Units that it opened, upper ones first.
        4 => opened: list UnitId,
        /// What went from which old commune to which new one.
        5 => moves: list ReorganisationMove,
    }
    /// What went from an old commune to a new one.
    pub struct ReorganisationMove {
        /// The old commune.
        0 => old: req UnitId,
        /// The new one.
        1 => new: req UnitId,
        /// Villages.
        2 => villages: list UnitId,
        /// Roles held for the commune.
        3 => grants: list MovedGrant,
    }
    /// A role that goes on at another commune.
    pub struct MovedGrant {
        /// The grant for the old commune.
        0 => old: req GrantId,
        /// The grant for the new one, to be confirmed.
        1 => new: req GrantId,
    }
    /// How a reorganisation stands.
    pub struct ReorganisationStatus {
        /// `applied`, `undone`.
        0 => status: req String,
        /// Who did that.
        1 => by: req UserId,
        /// When, by the server's clock.
        2 => at: req ServerMs,
    }
    /// What was done on a visit.
    pub struct VisitContent {
        /// Where.
        0 => village: req UnitId,
        /// By which team.
        1 => team: req TeamId,
        /// At whose house; left out for group sessions, village surveys and desk duty.
        2 => household: opt HouseholdId,
        /// A code of the catalogue's `visit_type` list.
        3 => visit_type: req String,
        /// The day, as the person entered it.
        4 => day: req Day,
        /// How long it took, in minutes.
        5 => minutes: opt u32,
        /// What was done.
        6 => activities: list Activity,
        /// Who came along.
        7 => members: list UserId,
        /// `absent` or `refused`, when nothing could be done.
        8 => result: opt String,
        /// A summary in free words.
        9 => summary: opt String,
        /// Where it was: latitude and longitude in thousandths of a degree.
        10 => place: opt (i64, i64),
        /// The catalogue version that the form came from.
        11 => catalogue: req String,
        /// A partner organisation that took part.
        12 => partner_org: opt String,
        /// Why so many activities in one day.
        13 => quantity_reason: opt String,
    }
    /// One activity of a visit.
    pub struct Activity {
        /// A kind of the catalogue.
        0 => kind: req String,
        /// The answers, by field code.
        1 => fields: req BTreeMap<String, Value>,
        /// The activity's id when a correction continues an earlier one; else it is derived from the event.
        2 => id: opt ActivityId,
    }
    /// Why a visit was declared void.
    pub struct VoidReason {
        /// A stable code: `duplicate`, `wrong_household`, `entered_by_mistake`, `other`.
        0 => code: req String,
        /// In free words.
        1 => text: opt String,
    }
    /// A user account's public half. Secrets never travel in ops.
    pub struct UserProfile {
        /// The name.
        0 => display_name: req String,
        /// `0` and nine digits; the sign-in name.
        1 => phone: req String,
    }
}

impl UnitParent {
    /// What the unit lay in over time, oldest first: the unit above, its first day, and the first day of the next one.
    pub fn spans(&self) -> Vec<(UnitId, Day, Option<Day>)> {
        let starts = self.former.iter().map(|former| (former.parent, former.from)).chain([(self.parent, self.from)]);
        let ends = self.former.iter().skip(1).map(|former| former.from).chain([self.from]).map(Some).chain([None]);
        let ends = ends.skip(usize::from(self.former.is_empty()));
        starts.zip(ends).map(|((parent, from), to)| (parent, from, to)).collect()
    }

    /// The unit above on a day; before the first day known, the first one known.
    pub fn on(&self, day: Day) -> UnitId {
        let started = self.former.iter().rev().find(|former| former.from <= day);
        match started.or(self.former.first()) {
            Some(former) if day < self.from => former.parent,
            _ => self.parent,
        }
    }

    /// Whether the unit lies in another one, or did at some time.
    pub fn ever_in(&self, unit: UnitId) -> bool {
        self.parent == unit || self.former.iter().any(|former| former.parent == unit)
    }

    /// This parent after another one: what held before its first day is kept, what would have held later is corrected.
    pub fn following(self, before: &Self) -> Self {
        let present = FormerParent { parent: before.parent, from: before.from, ext: Ext::default() };
        let mut former: Vec<FormerParent> = before.former.iter().cloned().chain([present]).collect();
        former.retain(|former| former.from < self.from);
        if former.last().is_some_and(|last| last.parent == self.parent) {
            former.pop();
        }
        Self { former, ..self }
    }
}

/// What an approval binds to: `BLAKE3("thonso/content/1" ‖ content)`, 16 bytes, over the content as it was sent.
pub fn content_hash(content: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"thonso/content/1");
    hasher.update(content);
    let mut hash = [0; 16];
    hash.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    hash
}

/// The id of the `index`-th activity of a content, unless the activity names its own.
pub fn activity_id(event: EventId, at: ClaimedMs, index: u32) -> ActivityId {
    ActivityId(derive_id(DerivedTag::Activity, at, event.as_bytes(), index))
}

/// The id of a commune's reporting month: there is one row per commune and month.
pub fn period_id(commune: UnitId, month: Month) -> uuid::Uuid {
    derive_id(DerivedTag::Row, ClaimedMs(0), commune.as_bytes(), month.0)
}
