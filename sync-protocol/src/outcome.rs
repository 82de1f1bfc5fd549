//! What became of an op. What the protocol foresees is an outcome, stored with its effects; it is never an error.
//!
//! Codes are stable: never renamed, never reused; retired ones stay as comments. Words are for people, in both languages.

use crate::cbor::{Cbor, Malformed};
use crate::ids::*;
use crate::int_map;
use crate::row::Ver;

/// Which of the four ways an op ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// Its effects hold.
    Applied,
    /// Its effects hold, and people must settle a disagreement.
    AppliedWithCase,
    /// Kept, to be decided later; `code` says what is awaited.
    Deferred,
    /// No effect; kept, with the reason. The phone shows it until the person has dealt with it.
    Rejected,
}

impl Cbor for Verdict {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        match self {
            Self::Applied => 0u8,
            Self::AppliedWithCase => 1,
            Self::Deferred => 2,
            Self::Rejected => 3,
        }
        .to_cbor(out);
    }
    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        match u8::from_cbor(bytes)? {
            0 => Ok(Self::Applied),
            1 => Ok(Self::AppliedWithCase),
            2 => Ok(Self::Deferred),
            3 => Ok(Self::Rejected),
            _ => Err(Malformed::WrongShape),
        }
    }
}

int_map! {
    /// What became of one op, as it travels and as it is kept.
    pub struct Outcome {
        /// The op's number in its outbox.
        0 => n: req u64,
        /// Which way it ended.
        1 => verdict: req Verdict,
        /// A stable code; left out when simply applied.
        2 => code: opt String,
        /// What the code is about: a field, or `activities[2].step`.
        3 => field: opt String,
        /// The version of the row after the op: the phone drops its own prediction once it holds that version.
        4 => ver: opt Ver,
        /// The case that was opened or joined.
        5 => case: opt CaseId,
        /// The rule behind the code, when the code names a family: a finding of the catalogue.
        6 => rule: opt String,
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $text:literal $vi:literal $en:literal,)+) => {
        /// Why an op was deferred or rejected.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Code { $($(#[$doc])* $variant,)+ }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
            /// The stable code.
            pub fn text(self) -> &'static str { match self { $(Self::$variant => $text,)+ } }
            /// Reads the stable code.
            pub fn from_text(text: &str) -> Option<Self> { match text { $($text => Some(Self::$variant),)+ _ => None } }
            /// In plain Vietnamese, with what to do.
            pub fn vi(self) -> &'static str { match self { $(Self::$variant => $vi,)+ } }
            /// In plain English, with what to do.
            pub fn en(self) -> &'static str { match self { $(Self::$variant => $en,)+ } }
        }
    };
}

codes! {
    /// The bytes are not an op.
    Malformed "malformed"
        "Dữ liệu bị hỏng khi ghi. Hãy ghi lại; bản cũ vẫn được giữ trên máy."
        "The entry is damaged. Enter it again; the old one stays on the phone.",
    /// Larger than `OP_BYTES_MAX`.
    OpTooLarge "op_too_large"
        "Nội dung quá dài. Hãy tách thành nhiều lần ghi."
        "The entry is too large. Split it into several.",
    /// An op name, kind or version that this server does not know yet.
    NeedsServerUpdate "needs_server_update"
        "Máy chủ chưa cập nhật. Dữ liệu đã được giữ và sẽ được xử lý sau."
        "The server is older than the app. The entry is kept and will be handled later.",
    /// The row does not exist, or is not the author's to see; the two are never told apart.
    NotFound "not_found"
        "Không tìm thấy, hoặc không thuộc địa bàn của anh/chị."
        "Not found, or not in your area.",
    /// The author's role may not do that.
    NotAllowed "not_allowed"
        "Vai trò của anh/chị không được làm việc này."
        "Your role may not do this.",
    /// The grant had ended too long ago.
    GrantEnded "grant_ended"
        "Quyền tại địa bàn này đã hết hơn 30 ngày. Hãy báo tổ trưởng hoặc cán bộ xã."
        "Your role in this area ended more than 30 days ago. Tell the team leader or the officer.",
    /// An answer that the catalogue refuses; `rule` says which rule.
    ValidationFailed "validation_failed"
        "Có câu trả lời chưa đúng. Hãy mở lại và sửa chỗ được đánh dấu."
        "An answer is not right. Open the entry and correct the marked place.",
    /// A visit without activities that is neither "absent" nor "refused".
    NothingDone "nothing_done"
        "Chuyến thăm chưa có hoạt động nào. Hãy thêm hoạt động, hoặc chọn vắng nhà / từ chối."
        "The visit has no activity. Add one, or choose absent or refused.",
    /// The workflow has no such step from here.
    WrongState "wrong_state"
        "Mục này không còn ở trạng thái cho phép làm việc này. Hãy tải lại để xem."
        "This is no longer in a state that allows it. Reload to see what has happened.",
    /// The reviewer saw another content than the one that holds now.
    ContentChanged "content_changed"
        "Nội dung đã thay đổi sau khi anh/chị xem. Hãy xem lại rồi quyết định."
        "The content changed after you looked. Look again, then decide.",
    /// A return without a reason.
    ReasonMissing "reason_missing"
        "Trả lại phải nêu lý do."
        "A return needs a reason.",
    /// Nobody reviews their own visit.
    OwnVisit "own_visit"
        "Không tự duyệt chuyến thăm của chính mình. Hãy để người khác duyệt."
        "You cannot review your own visit. Let somebody else do it.",
    /// The reporting month is closed.
    PeriodClosed "period_closed"
        "Kỳ báo cáo đã chốt. Cán bộ xã phải mở lại kỳ trước."
        "The reporting month is closed. The officer must open it first.",
    /// The content is disputed.
    CaseOpen "case_open"
        "Nội dung đang có hai bản khác nhau. Hãy xử lý bản trùng trước."
        "Two people disagree about this content. Settle the case first.",
    /// Somebody settled it before.
    AlreadyResolved "already_resolved"
        "Việc này đã có người xử lý."
        "This was already settled by somebody else.",
    /// Such a row exists already.
    AlreadyExists "already_exists"
        "Đã có bản ghi như vậy."
        "This exists already.",
    /// Name or phone without the household's consent.
    ConsentMissing "consent_missing"
        "Chưa có sự đồng ý của hộ nên không lưu tên, số điện thoại."
        "Without the household's consent, name and phone are not stored.",
    /// The household went to another village.
    MovedAway "moved_away"
        "Hộ đã chuyển sang thôn khác."
        "The household has moved to another village.",
    /// A text, number or code that the field does not take.
    BadValue "bad_value"
        "Giá trị không hợp lệ."
        "The value is not valid.",
    /// The device was revoked; an officer decides what becomes of the entry.
    DeviceRevoked "device_revoked"
        "Máy này đã bị thu hồi. Dữ liệu đã được giữ lại cho cán bộ xã xem xét."
        "This phone was revoked. The entry is kept for the officer to look at.",
    /// The village or commune was not in force on that day.
    UnitNotInForce "unit_not_in_force"
        "Đơn vị hành chính không còn hiệu lực vào ngày này."
        "The unit was not in force on that day.",
    /// The village keeps counts only.
    HouseholdsNotKept "households_not_kept"
        "Thôn này chỉ ghi số tổng, không lập danh sách hộ. Hãy ghi vào phiếu tổng hợp của thôn."
        "This village keeps counts only, no list of households. Enter them in the village tally.",
    /// The village keeps no persons.
    PersonsNotKept "persons_not_kept"
        "Thôn này không lập danh sách người. Hãy ghi theo hộ hoặc số tổng; muốn ghi từng người phải được cán bộ xã bật."
        "This village keeps no list of persons. Record by household or as counts; the commune officer decides otherwise.",
    /// A conflict is settled by choosing a value, a case from the field step by step.
    CaseOtherKind "case_other_kind"
        "Vụ việc thuộc loại khác. Hai bản khác nhau thì chọn một bản; phản ánh, nhu cầu thì xử lý theo từng bước."
        "The case is of another kind. Two answers are settled by choosing one; feedback and needs go step by step.",
    /// What stands against a campaign; `rule` says what.
    CampaignFault "campaign_fault"
        "Chiến dịch chưa hợp lệ. Hãy sửa chỗ được nêu rồi gửi lại."
        "The campaign is not right yet. Correct what is named, then send again.",
    /// A target that is not clear in all five respects; `rule` names everything that is missing or wrong.
    TargetIncomplete "target_incomplete"
        "Mức giao chưa đủ 5 rõ. Hãy bổ sung các mục được nêu rồi công bố."
        "The target is not clear in all five respects. Fill in what is named, then publish it.",
}

#[cfg(test)]
mod tests {
    use unicode_normalization::is_nfc;

    use super::*;

    #[test]
    fn every_code_has_words_in_both_languages() {
        for code in Code::ALL {
            assert_eq!(Code::from_text(code.text()), Some(*code));
            assert!(is_nfc(code.vi()) && code.vi().ends_with('.') && code.en().ends_with('.'), "{code:?}");
        }
    }
}
