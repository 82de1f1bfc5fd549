//! Ops: one intent each, from one outbox, in order. What an op is called carries its version; a released name keeps its
//! meaning for ever. Source: docs/PROTOCOL.md, "Ops".

use uuid::Uuid;

use crate::cbor::{self, Cbor, Malformed, Raw};
use crate::entity::{Activity, CourseRun, ReturnReason, VisitContent};
use crate::ids::*;
use crate::int_map;
use crate::row::{ByKey, Ver};
use crate::units::TargetId;

/// Largest op, in bytes as sent.
pub const OP_BYTES_MAX: usize = 16 * 1024;

int_map! {
    /// An op as it is signed, sent, hashed and kept: these bytes are never rewritten.
    pub struct Op {
        /// A number of `OpName`; an unknown one is kept and answered `deferred`.
        0 => code: req u16,
        /// Random bytes; ids of what the op creates derive from them.
        1 => salt: req [u8; 16],
        /// When the intent began, as the device's clock claimed.
        2 => at: req ClaimedMs,
        /// The newest revision of the author's grants that the device knew.
        3 => grants_rev: num u64,
        /// What is wanted; its shape follows from `code`.
        4 => body: req Raw,
    }
}

impl Op {
    /// What names this op under whatever identity it arrives.
    pub fn uid(&self) -> OpUid {
        OpUid(derive_id(DerivedTag::Op, self.at, &self.salt, 0))
    }

    /// The id of the event or register that this op creates.
    pub fn row_id(&self) -> Uuid {
        derive_id(DerivedTag::Row, self.at, &self.salt, 0)
    }

    /// The id of the `index`-th conflict case that this op opens.
    pub fn case_id(&self, index: u32) -> CaseId {
        CaseId(derive_id(DerivedTag::Case, self.at, &self.salt, index))
    }

    /// Reads an op from outside.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        cbor::read(bytes)
    }
}

macro_rules! op_names {
    ($($(#[$doc:meta])* $number:literal $text:literal $variant:ident($body:ident),)+) => {
        /// Every op ever released.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum OpName { $($(#[$doc])* $variant,)+ }

        impl OpName {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The number that travels.
            pub fn code(self) -> u16 { match self { $(Self::$variant => $number,)+ } }

            /// Reads the number that travels.
            pub fn from_code(code: u16) -> Option<Self> { match code { $($number => Some(Self::$variant),)+ _ => None } }

            /// Name and version, for people.
            pub fn text(self) -> &'static str { match self { $(Self::$variant => $text,)+ } }
        }

        /// What an op wants.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Intent { $($(#[$doc])* $variant($body),)+ }

        impl Intent {
            /// Its name.
            pub fn name(&self) -> OpName { match self { $(Self::$variant(_) => OpName::$variant,)+ } }

            /// Reads the body of an op; `None` for a name that this version does not know.
            pub fn of(op: &Op) -> Option<Result<Self, Malformed>> {
                let name = OpName::from_code(op.code)?;
                Some(match name { $(OpName::$variant => $body::from_cbor(&op.body.0).map(Self::$variant),)+ })
            }

            /// The op that carries this intent.
            pub fn into_op(self, salt: Salt, at: ClaimedMs, grants_rev: u64) -> Op {
                let code = self.name().code();
                let body = match self { $(Self::$variant(body) => body.cbor(),)+ };
                Op { code, salt: salt.0, at, grants_rev, body: Raw(body), ext: Default::default() }
            }
        }
    };
}

op_names! {
    /// A household is entered.
    0x0101 "household.create/1" HouseholdCreate(CreateRow),
    /// Field groups of a household are set.
    0x0102 "household.set/1" HouseholdSet(SetGroups),
    /// A household goes to another village.
    0x0103 "household.move/1" HouseholdMove(MoveRow),
    /// Two households turn out to be one.
    0x0104 "household.merge/1" HouseholdMerge(MergeHouseholds),
    /// Two households that were merged are two again.
    0x0105 "household.unmerge/1" HouseholdUnmerge(UnmergeHousehold),
    /// A person is entered.
    0x0110 "person.create/1" PersonCreate(CreateRow),
    /// Field groups of a person are set.
    0x0111 "person.set/1" PersonSet(SetGroups),
    /// A business is entered.
    0x0120 "business.create/1" BusinessCreate(CreateRow),
    /// Field groups of a business are set.
    0x0121 "business.set/1" BusinessSet(SetGroups),
    /// A product is entered.
    0x0130 "product.create/1" ProductCreate(CreateRow),
    /// Field groups of a product are set.
    0x0131 "product.set/1" ProductSet(SetGroups),
    /// A market is entered.
    0x0140 "market.create/1" MarketCreate(CreateRow),
    /// Field groups of a market are set.
    0x0141 "market.set/1" MarketSet(SetGroups),
    /// A visit is recorded.
    0x0201 "visit.record/1" VisitRecord(RecordVisit),
    /// A recorded visit is handed in.
    0x0202 "visit.submit/1" VisitSubmit(VisitRef),
    /// A visit's content is corrected.
    0x0203 "visit.correct/1" VisitCorrect(CorrectVisit),
    /// A visit is declared void.
    0x0204 "visit.void/1" VisitVoid(VoidVisit),
    /// A visit is sent back with reasons.
    0x0205 "visit.return/1" VisitReturn(ReturnVisit),
    /// A visit is approved.
    0x0206 "visit.approve/1" VisitApprove(ApproveVisit),
    /// A visit is planned.
    0x0301 "plan.create/1" PlanCreate(CreateRow),
    /// Field groups of a plan are set.
    0x0302 "plan.set/1" PlanSet(SetGroups),
    /// A planned visit is called off.
    0x0303 "plan.cancel/1" PlanCancel(CancelPlan),
    /// A conflict case is settled.
    0x0401 "case.resolve/1" CaseResolve(ResolveCase),
    /// A case from the field is opened.
    0x0402 "case.open/1" CaseOpen(OpenCase),
    /// A case from the field goes one step on.
    0x0403 "case.advance/1" CaseAdvance(AdvanceCase),
    /// A unit is entered.
    0x0501 "unit.create/1" UnitCreate(CreateRow),
    /// Field groups of a unit are set.
    0x0502 "unit.set/1" UnitSet(SetGroups),
    /// A team is set up.
    0x0503 "team.create/1" TeamCreate(CreateRow),
    /// Field groups of a team are set.
    0x0504 "team.set/1" TeamSet(SetGroups),
    /// A person joins a team.
    0x0505 "member.add/1" MemberAdd(AddMember),
    /// A person leaves a team.
    0x0506 "member.end/1" MemberEnd(EndMember),
    /// A role is given.
    0x0507 "grant.give/1" GrantGive(GiveGrant),
    /// A role is taken back.
    0x0508 "grant.end/1" GrantEnd(EndGrant),
    /// An account is entered.
    0x0509 "user.create/1" UserCreate(CreateUser),
    /// A reporting month is opened or closed.
    0x050a "period.set/1" PeriodSet(SetPeriod),
    /// A campaign is drafted.
    0x0601 "campaign.create/1" CampaignCreate(CreateRow),
    /// Field groups of a campaign are set; targets are added.
    0x0602 "campaign.set/1" CampaignSet(SetGroups),
    /// A campaign is published.
    0x0603 "campaign.publish/1" CampaignPublish(PublishCampaign),
    /// A campaign is closed.
    0x0604 "campaign.close/1" CampaignClose(CloseCampaign),
    /// A target is drafted.
    0x0610 "target.create/1" TargetCreate(CreateRow),
    /// Field groups of a target are set.
    0x0611 "target.set/1" TargetSet(SetGroups),
    /// A target is published.
    0x0612 "target.publish/1" TargetPublish(PublishTarget),
    /// A base number is entered.
    0x0620 "denominator.set/1" DenominatorSet(SetDenominator),
    /// A number is typed for a period.
    0x0621 "manual.set/1" ManualSet(SetManual),
    /// A person or commune is proposed for recognition.
    0x0630 "recognition.propose/1" RecognitionPropose(ProposeRecognition),
    /// A recognition goes one step on.
    0x0631 "recognition.advance/1" RecognitionAdvance(AdvanceRecognition),
    /// The typed texts of a report are saved.
    0x0640 "report.save/1" ReportSave(SaveReport),
    /// A report is handed in.
    0x0641 "report.submit/1" ReportSubmit(SubmitReport),
    /// A report is sent back with a reason.
    0x0642 "report.return/1" ReportReturn(ReturnReport),
    /// A report is accepted.
    0x0643 "report.accept/1" ReportAccept(AcceptReport),
    /// A course that was held is entered.
    0x0650 "course_run.record/1" CourseRunRecord(CourseRun),
    /// A member's attempt at a course's quiz is entered.
    0x0651 "course_result.set/1" CourseResultSet(SetCourseResult),
    /// The commune signs that a team was active in a month.
    0x0660 "support.sign/1" SupportSign(SignSupport),
    /// Such a signature is taken back.
    0x0661 "support.revoke/1" SupportRevoke(RevokeSupport),
    /// A reorganisation of communes is entered with what it did.
    0x0670 "reorganisation.record/1" ReorganisationRecord(RecordReorganisation),
    /// A reorganisation of communes is taken back.
    0x0671 "reorganisation.undo/1" ReorganisationUndo(ReorganisationRef),
    /// A commune or province announces something to its villages.
    0x0680 "announcement.publish/1" AnnouncementPublish(PublishAnnouncement),
    /// An announcement is taken back.
    0x0681 "announcement.withdraw/1" AnnouncementWithdraw(WithdrawAnnouncement),
}

int_map! {
    /// Enters a register in a scope.
    pub struct CreateRow {
        /// The village or commune it belongs to.
        0 => scope: req ScopeId,
        /// Its field groups.
        1 => groups: req ByKey<Raw>,
        /// The id, only where it is not derived from the op: imported units.
        2 => id: opt Uuid,
    }
    /// Sets field groups of a register.
    pub struct SetGroups {
        /// Which one.
        0 => id: req Uuid,
        /// The version that the person was looking at.
        1 => base_ver: req Ver,
        /// The groups that are set.
        2 => groups: req ByKey<Raw>,
    }
    /// Takes a register to another scope.
    pub struct MoveRow {
        /// Which one.
        0 => id: req Uuid,
        /// The version that the person was looking at.
        1 => base_ver: req Ver,
        /// Where to.
        2 => to: req ScopeId,
    }
    /// Merges two households that are one.
    pub struct MergeHouseholds {
        /// The one that stays.
        0 => winner: req HouseholdId,
        /// The one that becomes its alias.
        1 => loser: req HouseholdId,
        /// The version of the winner that the person was looking at.
        2 => winner_ver: req Ver,
        /// The version of the loser that the person was looking at.
        3 => loser_ver: req Ver,
        /// Why.
        4 => reason: opt String,
    }
    /// Undoes a merging.
    pub struct UnmergeHousehold {
        /// The one that became an alias.
        0 => loser: req HouseholdId,
    }
    /// Records a visit.
    pub struct RecordVisit {
        /// A `VisitContent`, kept as it was sent.
        0 => content: req Raw,
        /// Handed in at once.
        1 => submit: flag bool,
        /// The plan that it carries out.
        2 => plan: opt PlanId,
    }
    /// Names a visit.
    pub struct VisitRef {
        /// Which one.
        0 => visit: req VisitId,
    }
    /// Corrects a visit.
    pub struct CorrectVisit {
        /// Which one.
        0 => visit: req VisitId,
        /// The version of the visit's state (or of its event, before it had one) that the person was looking at.
        1 => base_ver: req Ver,
        /// The whole content, as it should have been.
        2 => content: req Raw,
        /// Handed in at once.
        3 => submit: flag bool,
    }
    /// Declares a visit void.
    pub struct VoidVisit {
        /// Which one.
        0 => visit: req VisitId,
        /// A `VoidReason`.
        1 => reason: req Raw,
    }
    /// Sends a visit back.
    pub struct ReturnVisit {
        /// Which one.
        0 => visit: req VisitId,
        /// The content that the reviewer saw.
        1 => hash: req [u8; 16],
        /// Why; at least one.
        2 => reasons: list ReturnReason,
        /// The reviewer's own words.
        3 => note: opt String,
    }
    /// Approves a visit.
    pub struct ApproveVisit {
        /// Which one.
        0 => visit: req VisitId,
        /// The content that the reviewer saw.
        1 => hash: req [u8; 16],
        /// How many were approved together, when by sample.
        2 => batch: opt crate::entity::Batch,
    }
    /// Calls off a planned visit.
    pub struct CancelPlan {
        /// Which one.
        0 => plan: req PlanId,
        /// Why.
        1 => reason: opt String,
    }
    /// Settles a conflict case.
    pub struct ResolveCase {
        /// Which one.
        0 => case: req CaseId,
        /// The version of the case that the person was looking at.
        1 => base_ver: req Ver,
        /// The value that holds from now on; one of the sides, or a third.
        2 => value: req Raw,
    }
    /// Takes a person into a team.
    pub struct AddMember {
        /// The team.
        0 => team: req TeamId,
        /// The user.
        1 => user: req UserId,
        /// The name that colleagues see.
        2 => display_name: req String,
        /// `leader`, `deputy`, `member`.
        3 => position: req String,
        /// A code of docs/DOMAIN.md §8.
        4 => organisation: req String,
        /// First day.
        5 => from: req Day,
    }
    /// Ends a membership.
    pub struct EndMember {
        /// Which one.
        0 => member: req TeamMemberId,
        /// First day on which it no longer holds.
        1 => to: req Day,
    }
    /// Gives a role.
    pub struct GiveGrant {
        /// To whom.
        0 => user: req UserId,
        /// Which; a code of `Role`.
        1 => role: req String,
        /// For which unit.
        2 => unit: req UnitId,
        /// First day.
        3 => from: req Day,
        /// Number of the decision.
        4 => decision: opt String,
    }
    /// Takes a role back.
    pub struct EndGrant {
        /// Which one.
        0 => grant: req GrantId,
        /// First day on which it no longer holds.
        1 => to: req Day,
    }
    /// Enters an account, without any secret.
    pub struct CreateUser {
        /// The name.
        0 => display_name: req String,
        /// `0` and nine digits; the sign-in name.
        1 => phone: req String,
        /// The unit under which the account is kept.
        2 => unit: req UnitId,
    }
    /// Opens or closes a reporting month.
    pub struct SetPeriod {
        /// The commune.
        0 => commune: req UnitId,
        /// The month.
        1 => month: req Month,
        /// Open or closed.
        2 => open: flag bool,
    }
    /// Opens a case from the field.
    pub struct OpenCase {
        /// The village or commune.
        0 => unit: req UnitId,
        /// A code of `case_flow::CaseKind`.
        1 => kind: req String,
        /// Whose need or word it is.
        2 => household: opt HouseholdId,
        /// What it is about.
        3 => text: req String,
        /// The other household of a `duplicate`: the two may be one.
        4 => other: opt HouseholdId,
    }
    /// Takes a case from the field one step on.
    pub struct AdvanceCase {
        /// Which one.
        0 => case: req CaseId,
        /// Where to: a code of `case_flow::CaseStatus`.
        1 => to: req String,
        /// Receiver, answer or reason, where the step needs one.
        2 => text: opt String,
    }
    /// Publishes a campaign.
    pub struct PublishCampaign {
        /// Which one.
        0 => campaign: req CampaignId,
        /// The version that the person was looking at.
        1 => base_ver: req Ver,
    }
    /// Closes a campaign.
    pub struct CloseCampaign {
        /// Which one.
        0 => campaign: req CampaignId,
    }
    /// Announces something to the villages below a unit.
    pub struct PublishAnnouncement {
        /// The commune or province that speaks.
        0 => unit: req UnitId,
        /// What it is about.
        1 => title: req String,
        /// What it says: plain text.
        2 => body: req String,
        /// First day on which it is in force.
        3 => from: req Day,
        /// Last day.
        4 => to: req Day,
    }
    /// Takes an announcement back.
    pub struct WithdrawAnnouncement {
        /// Which one.
        0 => announcement: req AnnouncementId,
    }
    /// Publishes a target.
    pub struct PublishTarget {
        /// Which one.
        0 => target: req TargetId,
        /// The version that the person was looking at.
        1 => base_ver: req Ver,
    }
    /// Enters a base number.
    pub struct SetDenominator {
        /// The unit.
        0 => unit: req UnitId,
        /// A code of the indicators file.
        1 => code: req String,
        /// First day.
        2 => from: req Day,
        /// The number.
        3 => value: req u64,
        /// Where it was taken from.
        4 => source: req String,
        /// The version that the person was looking at; left out when they saw none.
        5 => base_ver: opt Ver,
    }
    /// Types a number for a period.
    pub struct SetManual {
        /// The unit.
        0 => unit: req UnitId,
        /// A code of the indicators file.
        1 => code: req String,
        /// `month`, `quarter`, `half_year`, `year`.
        2 => period: req String,
        /// A reporting month of the period.
        3 => month: req Month,
        /// The number: digits with at most one dot.
        4 => value: req String,
        /// Where it was taken from.
        5 => source: req String,
        /// The version that the person was looking at; left out when they saw none.
        6 => base_ver: opt Ver,
    }
    /// Proposes a recognition.
    pub struct ProposeRecognition {
        /// The village of the person, or the commune.
        0 => unit: req UnitId,
        /// `digital_citizen`, `digital_commune`.
        1 => what: req String,
        /// The person, or the commune.
        2 => subject: req Uuid,
        /// The set of criteria, a code of the indicators file.
        3 => set: req String,
        /// The person has agreed to be recognised.
        4 => consent: flag bool,
    }
    /// Takes a recognition one step on.
    pub struct AdvanceRecognition {
        /// Which one.
        0 => recognition: req RecognitionId,
        /// Where to: `verified`, `granted`, `refused`, `revoked`.
        1 => to: req String,
        /// Number of the decision that grants it.
        2 => number: opt String,
        /// Day of that decision.
        3 => day: opt Day,
        /// Why it is refused or revoked.
        4 => reason: opt String,
    }
    /// Saves the typed texts of a report.
    pub struct SaveReport {
        /// Whose.
        0 => unit: req UnitId,
        /// A code of `calendar::Report`.
        1 => kind: req String,
        /// A reporting month of its period.
        2 => month: req Month,
        /// By section: its code and the text, in ascending order of the codes.
        3 => texts: list (String, String),
        /// The version that the person was looking at; left out when they saw none.
        4 => base_ver: opt Ver,
    }
    /// Hands a report in.
    pub struct SubmitReport {
        /// Whose.
        0 => unit: req UnitId,
        /// A code of `calendar::Report`.
        1 => kind: req String,
        /// A reporting month of its period.
        2 => month: req Month,
        /// The hash of the frozen figures that belong to it.
        3 => snapshot: opt [u8; 32],
        /// The version that the person was looking at; left out when they saw none.
        4 => base_ver: opt Ver,
    }
    /// Sends a report back.
    pub struct ReturnReport {
        /// Which one.
        0 => report: req ReportId,
        /// The version that the reviewer saw.
        1 => base_ver: req Ver,
        /// Why.
        2 => reason: req String,
    }
    /// Accepts a report.
    pub struct AcceptReport {
        /// Which one.
        0 => report: req ReportId,
        /// The version that the reviewer saw.
        1 => base_ver: req Ver,
    }
    /// Enters a member's attempt at a course's quiz.
    pub struct SetCourseResult {
        /// The membership.
        0 => member: req TeamMemberId,
        /// The course's code.
        1 => course: req String,
        /// Questions answered right.
        2 => right: req u32,
        /// Questions asked.
        3 => of: req u32,
    }
    /// Signs that a team was active in a month.
    pub struct SignSupport {
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
    }
    /// Takes such a signature back.
    pub struct RevokeSupport {
        /// Which certificate.
        0 => certificate: req SupportId,
        /// Why.
        1 => reason: req String,
    }
    /// Enters a reorganisation of communes that the ops before it carried out.
    pub struct RecordReorganisation {
        /// Its id, which follows from its day and its communes.
        0 => id: req Uuid,
        /// The province that it concerns; the nil id when there are several.
        1 => scope: req ScopeId,
        /// What it did.
        2 => what: req crate::entity::ReorganisationWhat,
    }
    /// Names a reorganisation of communes.
    pub struct ReorganisationRef {
        /// Which one.
        0 => id: req Uuid,
    }
}

/// Reads a visit's content and its activities from the bytes as sent.
pub fn read_content(raw: &Raw) -> Result<VisitContent, Malformed> {
    VisitContent::from_cbor(&raw.0)
}

/// The activities of a content with their ids: the activity's own, or the one derived from the event.
pub fn activities_with_ids(event: EventId, at: ClaimedMs, content: &VisitContent) -> Vec<(ActivityId, &Activity)> {
    let ids = (0u32..).map(|index| crate::entity::activity_id(event, at, index));
    content.activities.iter().zip(ids).map(|(activity, derived)| (activity.id.unwrap_or(derived), activity)).collect()
}

/// The hash chain over an outbox: what makes a lost, doubled or swapped op visible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chain(pub [u8; 32]);

impl Chain {
    /// The value before the first op of an outbox.
    pub fn start(device: DeviceId, epoch: Epoch) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"thonso/chain/1");
        hasher.update(device.as_bytes());
        hasher.update(&epoch.0.to_be_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    /// The value after one more op, over its bytes as sent.
    pub fn then(self, op: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0);
        hasher.update(op);
        Self(*hasher.finalize().as_bytes())
    }

    /// The first 8 bytes, which are what travels.
    pub fn short(&self) -> [u8; 8] {
        let mut short = [0; 8];
        short.copy_from_slice(&self.0[..8]);
        short
    }
}

/// What the device key signs for one frame of ops:
/// `"thonso/ops/1\0" ‖ device ‖ epoch ‖ first n ‖ count ‖ chain after the last op`.
pub fn signing_input(device: DeviceId, epoch: Epoch, first_n: u64, count: u32, head: &Chain) -> Vec<u8> {
    let mut input = b"thonso/ops/1\0".to_vec();
    input.extend_from_slice(device.as_bytes());
    input.extend_from_slice(&epoch.0.to_be_bytes());
    input.extend_from_slice(&first_n.to_be_bytes());
    input.extend_from_slice(&count.to_be_bytes());
    input.extend_from_slice(&head.0);
    input
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_op_name_has_one_number_and_one_text() {
        let codes: BTreeSet<u16> = OpName::ALL.iter().map(|name| name.code()).collect();
        let texts: BTreeSet<&str> = OpName::ALL.iter().map(|name| name.text()).collect();
        assert_eq!((codes.len(), texts.len()), (OpName::ALL.len(), OpName::ALL.len()));
        for name in OpName::ALL {
            assert_eq!(OpName::from_code(name.code()), Some(*name));
            assert!(name.text().ends_with("/1"), "a new version is a new name: {}", name.text());
        }
    }

    #[test]
    fn an_op_keeps_fields_and_names_that_a_newer_app_wrote() {
        let known = Intent::VisitSubmit(VisitRef { visit: VisitId(Uuid::nil()), ext: Default::default() });
        let mut op = known.into_op(Salt([1; 16]), ClaimedMs(9), 3);
        op.ext.0.insert(40, "mới".to_owned().cbor());
        assert_eq!(Op::read(&op.cbor()).unwrap(), op);
        op.code = 0x7fff;
        assert!(Intent::of(&Op::read(&op.cbor()).unwrap()).is_none());
    }
}
