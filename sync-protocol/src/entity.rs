//! What the field groups of each register hold. Group numbers and keys are never reused.
//!
//! Source: docs/PROTOCOL.md, "Entities"; the words are those of docs/GLOSSARY.md.

use std::collections::BTreeMap;

use crate::calendar::{Period, PeriodKind, Report};
use crate::case_flow::CaseKind;
use crate::cbor::{Ext, Raw};
use crate::ids::*;
use crate::int_map;
use crate::row::{GroupKey, RowType, Ver};
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
    /// `UnitAttributes`. Villages only.
    pub const ATTRIBUTES: GroupKey = 4;
    /// `UnitPrivacy`. Villages only.
    pub const PRIVACY: GroupKey = 5;
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
    /// `HouseholdAlias`: it was merged into another. Set by merging, never directly.
    pub const ALIAS: GroupKey = 8;
    /// `HouseholdMerged`: others were merged into it. Set by merging, never directly.
    pub const MERGED: GroupKey = 9;
}

/// Group numbers of a person. All but the consent need it.
pub mod person {
    use super::GroupKey;
    /// `PersonHousehold`. Goes with the consent.
    pub const HOUSEHOLD: GroupKey = 1;
    /// `PersonName`. Guarded; goes with the consent.
    pub const NAME: GroupKey = 2;
    /// `PersonBirth`.
    pub const BIRTH: GroupKey = 3;
    /// `PersonGender`.
    pub const GENDER: GroupKey = 4;
    /// `PersonPhone`. Goes with the consent.
    pub const PHONE: GroupKey = 5;
    /// `Consent`.
    pub const CONSENT: GroupKey = 6;
}

/// Group numbers of a business.
pub mod business {
    use super::GroupKey;
    /// `BusinessIdentity`.
    pub const IDENTITY: GroupKey = 1;
    /// `BusinessOwner`.
    pub const OWNER: GroupKey = 2;
    /// `BusinessMarket`.
    pub const MARKET: GroupKey = 3;
}

/// Group numbers of a product.
pub mod product {
    use super::GroupKey;
    /// `ProductIdentity`.
    pub const IDENTITY: GroupKey = 1;
    /// `ProductOcop`.
    pub const OCOP: GroupKey = 2;
}

/// Group numbers of a market.
pub mod market {
    use super::GroupKey;
    /// `MarketIdentity`.
    pub const IDENTITY: GroupKey = 1;
    /// `MarketDays`.
    pub const DAYS: GroupKey = 2;
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
    /// `CaseFlow`: what a case from the field is about. Such a case has no groups 1 to 3. Moved on by rules, never merged.
    pub const FLOW: GroupKey = 4;
    /// `CaseSteps`. Moved on by rules, never merged.
    pub const STEPS: GroupKey = 5;
}

/// Group numbers of a campaign. None is ever merged: an edit from an older view is refused.
pub mod campaign {
    use super::GroupKey;
    /// `CampaignFrame`.
    pub const FRAME: GroupKey = 1;
    /// `CampaignWords`.
    pub const WORDS: GroupKey = 2;
    /// `CampaignTargets`.
    pub const TARGETS: GroupKey = 3;
    /// `CampaignState`. Moved on by rules.
    pub const STATE: GroupKey = 4;
}

/// Group numbers of a target. None is ever merged.
pub mod target {
    use super::GroupKey;
    /// `TargetGoal`.
    pub const GOAL: GroupKey = 1;
    /// `TargetClears`.
    pub const CLEARS: GroupKey = 2;
    /// `TargetState`. Moved on by rules.
    pub const STATE: GroupKey = 3;
}

/// Group numbers of a denominator. Never merged.
pub mod denominator {
    use super::GroupKey;
    /// `DenominatorValue`.
    pub const VALUE: GroupKey = 1;
}

/// Group numbers of a typed number. Never merged.
pub mod manual_number {
    use super::GroupKey;
    /// `ManualValue`.
    pub const VALUE: GroupKey = 1;
}

/// Group numbers of a recognition. None is ever merged.
pub mod recognition {
    use super::GroupKey;
    /// `RecognitionSubject`.
    pub const SUBJECT: GroupKey = 1;
    /// `RecognitionSteps`. Moved on by rules.
    pub const STEPS: GroupKey = 2;
}

/// Group numbers of a report. None is ever merged.
pub mod report {
    use super::GroupKey;
    /// `ReportFrame`.
    pub const FRAME: GroupKey = 1;
    /// `ReportTexts`.
    pub const TEXTS: GroupKey = 2;
    /// `ReportState`. Moved on by rules.
    pub const STATE: GroupKey = 3;
}

/// Group numbers of a course that was held.
pub mod course_run {
    use super::GroupKey;
    /// `CourseRun`.
    pub const RUN: GroupKey = 1;
}

/// Group numbers of a member's record in a course.
pub mod course_result {
    use super::GroupKey;
    /// `CourseRecord`. Adds up, never merged.
    pub const RECORD: GroupKey = 1;
}

/// Group numbers of a support certificate.
pub mod support_certificate {
    use super::GroupKey;
    /// `Certificate`.
    pub const CERTIFICATE: GroupKey = 1;
    /// `Revocation`.
    pub const REVOKED: GroupKey = 2;
}

/// Group numbers of an announcement. None is ever merged; nobody changes one that is out.
pub mod announcement {
    use super::GroupKey;
    /// `AnnouncementWords`.
    pub const WORDS: GroupKey = 1;
    /// `AnnouncementState`. Moved on by rules.
    pub const STATE: GroupKey = 2;
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
    match ty {
        RowType::HOUSEHOLD => matches!(group, household::HEAD | household::CLASS | household::STATUS),
        RowType::PERSON => group == person::NAME,
        _ => false,
    }
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
        /// What it lay in before, oldest first. The rules keep this list (docs/PROTOCOL.md, D18).
        2 => former: list FormerParent,
    }
    /// What a unit lay in before; until the next one, or the present one, begins.
    pub struct FormerParent {
        /// The unit above.
        0 => parent: req UnitId,
        /// Since when.
        1 => from: req Day,
    }
    /// What a village is like, with its history.
    pub struct UnitAttributes {
        /// By code, then by day; one entry for each code and day.
        0 => history: list AttributeFrom,
    }
    /// What an attribute was from a day on, until its next entry.
    pub struct AttributeFrom {
        /// A code of docs/DOMAIN.md §3.
        0 => code: req String,
        /// First day.
        1 => from: req Day,
        /// What it is; its shape follows from the code.
        2 => value: req Value,
    }
    /// How much of people is kept in a village.
    pub struct UnitPrivacy {
        /// `tally`, `household`, `person`.
        0 => mode: req String,
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
    /// What a household or a person agreed to.
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
    /// That a household is another one: it was entered twice and merged.
    pub struct HouseholdAlias {
        /// The household into which it was merged; perhaps an alias itself since.
        0 => into: req HouseholdId,
        /// What the merging did, so that it can be undone.
        1 => record: req MergeRecord,
    }
    /// What a merging did to the household that stayed.
    pub struct MergeRecord {
        /// That household's version after it.
        0 => ver: req Ver,
        /// The groups that were copied to it.
        1 => copied: list u8,
        /// The cases that it opened.
        2 => cases: list CaseId,
        /// Why, in the words of whoever merged.
        3 => reason: opt String,
    }
    /// Which households were merged into this one.
    pub struct HouseholdMerged {
        /// In the order in which they came; those merged into them are named there.
        0 => merged: list HouseholdId,
    }
    /// Where a person lives.
    pub struct PersonHousehold {
        /// The household.
        0 => household: req HouseholdId,
    }
    /// What a person is called.
    pub struct PersonName {
        /// The name as written. Without digits: no date of birth, no number.
        0 => display_name: req String,
    }
    /// How old a person is, coarsely.
    pub struct PersonBirth {
        /// `7-14`, `15-17`, `18-39`, `40-59`, `60+`.
        0 => band: req String,
    }
    /// A person's gender.
    pub struct PersonGender {
        /// `female`, `male`, `other`.
        0 => gender: req String,
    }
    /// The end of a person's phone number, which tells namesakes apart.
    pub struct PersonPhone {
        /// Three digits.
        0 => phone_last3: req String,
    }
    /// What a business is.
    pub struct BusinessIdentity {
        /// Its name.
        0 => name: req String,
        /// `farm`, `shop`, `stall`, `cooperative`, `craft`.
        1 => kind: req String,
    }
    /// Whose business it is.
    pub struct BusinessOwner {
        /// The household.
        0 => household: req HouseholdId,
    }
    /// At which market a business sells.
    pub struct BusinessMarket {
        /// The market.
        0 => market: req MarketId,
    }
    /// What a product is.
    pub struct ProductIdentity {
        /// Who makes or sells it.
        0 => business: req BusinessId,
        /// Its name.
        1 => name: req String,
        /// A code.
        2 => category: req String,
    }
    /// A product's rank in the one-commune-one-product programme.
    pub struct ProductOcop {
        /// 0 to 5; 0 for none.
        0 => stars: req u8,
    }
    /// What a market is.
    pub struct MarketIdentity {
        /// Its name.
        0 => name: req String,
    }
    /// When a market is held.
    pub struct MarketDays {
        /// "Chủ nhật hằng tuần", "ngày 2 và 7 âm lịch".
        0 => days: req String,
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
        /// When the server first had it as handed in; left out when it came handed in, or was never handed in.
        1 => handed_in: opt ServerMs,
        /// Whether it was ever sent back.
        2 => was_returned: flag bool,
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
    /// What a conflict case is about.
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
    /// What a case from the field is about, and how it stands.
    pub struct CaseFlow {
        /// A code of `case_flow::CaseKind`.
        0 => kind: req String,
        /// The village or commune.
        1 => unit: req UnitId,
        /// Whose need or word it is.
        2 => household: opt HouseholdId,
        /// Who opened it.
        3 => opened_by: req UserId,
        /// As what: a code of `Role`.
        4 => role: req String,
        /// The server's day on which it was opened.
        5 => opened: req Day,
        /// The last day on which an answer is in time; left out where the holidays are not known.
        6 => due: opt Day,
        /// To whom it was last forwarded.
        7 => receiver: opt String,
        /// The visit on which it was found.
        8 => visit: opt VisitId,
        /// The activity that opened it.
        9 => activity: opt ActivityId,
        /// What it is about, when no activity says so.
        10 => text: opt String,
        /// The server's day on which it fell with its activity, untouched.
        11 => withdrawn: opt Day,
        /// The other household of a `duplicate`. Resolved: they were one. Rejected: they are not.
        12 => other: opt HouseholdId,
        /// How the two households of a `duplicate` were described when they were last said not to be one
        /// (`household::description_mark`).
        13 => described: opt [u8; 16],
    }
    /// What was done about a case.
    pub struct CaseSteps {
        /// In order, since it was opened.
        0 => steps: list CaseStepTaken,
    }
    /// One step of a case.
    pub struct CaseStepTaken {
        /// A code of `case_flow::CaseStatus`.
        0 => to: req String,
        /// The server's day.
        1 => day: req Day,
        /// As what: a code of `Role`.
        2 => role: req String,
        /// Who.
        3 => by: req UserId,
        /// Receiver, answer or reason.
        4 => text: opt String,
    }
    /// When a campaign is held, and what counts.
    pub struct CampaignFrame {
        /// A code of `campaign::CampaignKind`.
        0 => kind: req String,
        /// First day.
        1 => from: req Day,
        /// Last day.
        2 => to: req Day,
        /// Weekly on one day: 1 is Monday, 7 Sunday.
        3 => weekly: opt u8,
        /// Yearly on one date: month and day.
        4 => yearly: opt (u32, u32),
        /// Kinds of activity that count.
        5 => kinds: list String,
    }
    /// What a campaign is called, and who takes part.
    pub struct CampaignWords {
        /// Its title.
        0 => title: req String,
        /// Its theme.
        1 => theme: opt String,
        /// Partner organisations.
        2 => partners: list String,
        /// A daily report is asked for.
        3 => daily_report: flag bool,
    }
    /// The targets of a campaign.
    pub struct CampaignTargets {
        /// Of its own unit and of units below; one for each unit and kind.
        0 => targets: list CampaignTarget,
    }
    /// How many activities of a kind a unit is to reach.
    pub struct CampaignTarget {
        /// The unit.
        0 => unit: req UnitId,
        /// The kind.
        1 => kind: req String,
        /// How many.
        2 => value: req u64,
    }
    /// Where a campaign stands, apart from the calendar.
    pub struct CampaignState {
        /// The server's day on which it was published.
        0 => published: opt Day,
        /// The server's day on which it was closed; the last day on which it counts, if that is before its own.
        1 => closed: opt Day,
    }
    /// What an announcement says.
    pub struct AnnouncementWords {
        /// What it is about.
        0 => title: req String,
        /// What it says: plain text.
        1 => body: req String,
        /// First day on which it is in force.
        2 => from: req Day,
        /// Last day.
        3 => to: req Day,
        /// Who speaks: the full name of the unit at that time. The rules write it.
        4 => unit_name: req String,
    }
    /// Where an announcement stands, apart from the calendar.
    pub struct AnnouncementState {
        /// The server's day on which it was published.
        0 => published: req Day,
        /// The server's day on which it was taken back.
        1 => withdrawn: opt Day,
    }
    /// What is to be reached.
    pub struct TargetGoal {
        /// An indicator.
        0 => indicator: opt String,
        /// Or a kind of activity.
        1 => kind: opt String,
        /// How much: digits with at most one dot.
        2 => value: req String,
    }
    /// The five clears, as far as they are written.
    pub struct TargetClears {
        /// Rõ việc.
        0 => task: opt String,
        /// Rõ người.
        1 => person: opt String,
        /// Rõ thời gian: first day.
        2 => from: opt Day,
        /// Rõ thời gian: last day.
        3 => due: opt Day,
        /// Rõ sản phẩm.
        4 => product: opt String,
        /// Rõ nguồn lực.
        5 => resource: opt String,
    }
    /// Who set a target, and whether it is published.
    pub struct TargetState {
        /// As what it was set: a code of `Role`.
        0 => role: req String,
        /// The server's day on which it was published.
        1 => published: opt Day,
    }
    /// A base number of a unit.
    pub struct DenominatorValue {
        /// The unit.
        0 => unit: req UnitId,
        /// A code of the indicators file.
        1 => code: req String,
        /// First day; it holds until a later one begins.
        2 => from: req Day,
        /// The number.
        3 => value: req u64,
        /// Where it was taken from.
        4 => source: req String,
        /// Who entered it.
        5 => by: req UserId,
    }
    /// A number that was typed for a period.
    pub struct ManualValue {
        /// The unit.
        0 => unit: req UnitId,
        /// A code of the indicators file.
        1 => code: req String,
        /// `month`, `quarter`, `half_year`, `year`.
        2 => period: req String,
        /// The last reporting month of the period.
        3 => month: req Month,
        /// The number: digits with at most one dot.
        4 => value: req String,
        /// Where it was taken from.
        5 => source: req String,
        /// Who typed it.
        6 => by: req UserId,
    }
    /// Who is to be recognised as what.
    pub struct RecognitionSubject {
        /// `digital_citizen`, `digital_commune`.
        0 => what: req String,
        /// A person, or the commune itself; left out once anonymised.
        1 => subject: opt uuid::Uuid,
        /// The set of criteria, a code of the indicators file.
        2 => set: req String,
        /// The person has agreed to be recognised.
        3 => consent: flag bool,
    }
    /// The way of a recognition.
    pub struct RecognitionSteps {
        /// In order; the first is `proposed`.
        0 => steps: list RecognitionStep,
    }
    /// One step of a recognition.
    pub struct RecognitionStep {
        /// `proposed`, `verified`, `granted`, `refused`, `revoked`.
        0 => to: req String,
        /// The server's day; when granted, the day of the decision.
        1 => day: req Day,
        /// As what: a code of `Role`.
        2 => role: req String,
        /// Who.
        3 => by: req UserId,
        /// Number of the decision that grants it.
        4 => number: opt String,
        /// Why it was refused or revoked.
        5 => reason: opt String,
    }
    /// Which report it is.
    pub struct ReportFrame {
        /// Whose.
        0 => unit: req UnitId,
        /// A code of `calendar::Report`.
        1 => kind: req String,
        /// The last reporting month of its period.
        2 => month: req Month,
    }
    /// What was typed into a report.
    pub struct ReportTexts {
        /// By section: its code and the text, in ascending order of the codes.
        0 => texts: list (String, String),
    }
    /// Where a report stands.
    pub struct ReportState {
        /// `draft`, `submitted`, `returned`, `accepted`.
        0 => status: req String,
        /// Who brought it there.
        1 => by: req UserId,
        /// The server's day.
        2 => day: req Day,
        /// The last day on which it was in time.
        3 => due: opt Day,
        /// It was handed in after that day.
        4 => late: flag bool,
        /// The hash of the frozen figures that it was handed in with.
        5 => snapshot: opt [u8; 32],
        /// Why it was returned.
        6 => reason: opt String,
    }
    /// A course that was held.
    pub struct CourseRun {
        /// The course's code.
        0 => course: req String,
        /// For which unit.
        1 => unit: req UnitId,
        /// When.
        2 => day: req Day,
        /// Who taught.
        3 => trainer: req String,
        /// How many came.
        4 => participants: req u32,
        /// How many of them were women.
        5 => women: num u32,
        /// How many of them were 60 or older.
        6 => aged_60: num u32,
    }
    /// A member's record in a course.
    pub struct CourseRecord {
        /// The membership.
        0 => member: req TeamMemberId,
        /// The course's code.
        1 => course: req String,
        /// The best attempt: questions answered right.
        2 => right: req u32,
        /// The best attempt: questions asked.
        3 => of: req u32,
        /// How often it was tried.
        4 => attempts: req u32,
    }
    /// That a team was active in a month, as the commune signed it.
    pub struct Certificate {
        /// The team.
        0 => team: req TeamId,
        /// The reporting month.
        1 => month: req Month,
        /// What was counted: a code of `team::Measure`.
        2 => measure: req String,
        /// How many there were.
        3 => found: req u64,
        /// How many were asked for.
        4 => minimum: req u64,
        /// Whole đồng.
        5 => amount_vnd: req u64,
        /// Who signed.
        6 => by: req UserId,
        /// The server's day.
        7 => day: req Day,
    }
    /// Why a signature was taken back.
    pub struct Revocation {
        /// The reason.
        0 => reason: req String,
        /// Who.
        1 => by: req UserId,
        /// The server's day.
        2 => day: req Day,
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

/// The id of the case that an activity opens. It follows from the activity alone, so that no second one can be opened.
pub fn field_case_id(activity: ActivityId, kind: CaseKind) -> CaseId {
    let mut at = [0; 8];
    at[2..].copy_from_slice(&activity.as_bytes()[..6]);
    let at = ClaimedMs(u64::from_be_bytes(at));
    CaseId(derive_id(DerivedTag::FieldCase, at, activity.as_bytes(), kind as u32))
}

/// The id of a unit's base number from a day on.
pub fn denominator_id(unit: UnitId, code: &str, from: Day) -> uuid::Uuid {
    keyed_id(RowType::DENOMINATOR, unit.0, code, from.0)
}

/// The id of a number that was typed for the period of a kind (`calendar::PeriodKind`) with this month.
pub fn manual_number_id(unit: UnitId, code: &str, period: &str, month: Month) -> uuid::Uuid {
    let last = PeriodKind::from_code(period).map_or(month, |kind| Period::of_month(kind, month).last_month());
    keyed_id(RowType::MANUAL_NUMBER, unit.0, &format!("{period}/{code}"), last.0)
}

/// The id of a unit's report of a kind (`calendar::Report`) for the period with this month.
pub fn report_id(unit: UnitId, kind: &str, month: Month) -> uuid::Uuid {
    let last = Report::from_code(kind).map_or(month, |of| Period::of_month(of.period_kind(), month).last_month());
    keyed_id(RowType::REPORT, unit.0, kind, last.0)
}

/// The id of a member's record in a course.
pub fn course_result_id(member: TeamMemberId, course: &str) -> uuid::Uuid {
    keyed_id(RowType::COURSE_RESULT, member.0, course, 0)
}

/// The id of a team's certificate for a month.
pub fn support_id(team: TeamId, month: Month) -> uuid::Uuid {
    keyed_id(RowType::SUPPORT_CERTIFICATE, team.0, "", month.0)
}

/// The id of the one row of a type for an id, words and a number (docs/PROTOCOL.md, I8).
fn keyed_id(ty: RowType, id: uuid::Uuid, words: &str, number: u32) -> uuid::Uuid {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"thonso/key/1").update(&[ty.0]).update(id.as_bytes()).update(words.as_bytes());
    let mut secret = [0; 16];
    secret.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    derive_id(DerivedTag::Keyed, ClaimedMs(0), &secret, number)
}
