//! Refusals as people and programs read them: problem details (RFC 9457) with a stable code.
//!
//! The only place where a refusal gets its status and its words. A status is chosen by what the asker should do: put it
//! right (400), sign in (401), give it up (403, 404), look again (409), split it (413), update (426), wait (429, 503, 507).
//! No text holds a name, an answer or a token. Source: docs/SECURITY.md, "Web"; docs/PROTOCOL.md, "Refusals".

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $name:ident $code:literal $status:literal { $title:literal, $vi:literal, $en:literal })+) => {
        /// What was refused. The texts of the codes never change: programs match on them.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ProblemCode { $($(#[$doc])* $name,)+ }

        impl ProblemCode {
            /// All codes, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The stable text.
            pub fn as_str(self) -> &'static str { match self { $(Self::$name => $code,)+ } }
            /// The HTTP status.
            pub fn status(self) -> u16 { match self { $(Self::$name => $status,)+ } }
            /// A few words in Vietnamese, for a heading.
            pub fn title(self) -> &'static str { match self { $(Self::$name => $title,)+ } }
            /// What happened and what to do, in Vietnamese.
            pub fn detail_vi(self) -> &'static str { match self { $(Self::$name => $vi,)+ } }
            /// The same in English.
            pub fn detail_en(self) -> &'static str { match self { $(Self::$name => $en,)+ } }
        }
    };
}

problem_codes! {
    /// Not there, or not the asker's to see: the two are answered alike.
    NotFound "not_found" 404 {
        "Không tìm thấy",
        "Không tìm thấy nội dung này, hoặc nội dung nằm ngoài phạm vi của bạn.",
        "This does not exist, or it is outside your area."
    }
    /// The asker's role does not have this function at all.
    NotAllowed "not_allowed" 403 {
        "Không được phép",
        "Vai trò của bạn không dùng được chức năng này. Nếu cần, hãy hỏi cán bộ phụ trách của xã.",
        "Your role does not have this function. If you need it, ask your commune officer."
    }
    /// No access token, or one that is not valid.
    TokenInvalid "token_invalid" 401 {
        "Cần đăng nhập lại",
        "Phiên làm việc không hợp lệ. Hãy đăng nhập lại; dữ liệu chưa gửi vẫn được giữ trên máy.",
        "Your session is not valid. Sign in again; unsent work stays on your phone."
    }
    /// The access token's time is over; the app refreshes it without asking.
    TokenExpired "token_expired" 401 {
        "Phiên đã hết hạn",
        "Phiên làm việc đã hết hạn. Ứng dụng sẽ tự gia hạn; nếu không được, hãy đăng nhập lại.",
        "Your session has expired. The app renews it by itself; if it cannot, sign in again."
    }
    /// Wrong name or wrong secret: never said which.
    SignInFailed "sign_in_failed" 401 {
        "Đăng nhập không thành công",
        "Tên đăng nhập hoặc mật khẩu không đúng.",
        "The sign-in name or the password is wrong."
    }
    /// The request needs a registered device.
    DeviceRequired "device_required" 401 {
        "Cần thiết bị đã đăng ký",
        "Việc này chỉ làm được trên thiết bị đã đăng ký. Hãy xin tổ trưởng mã đăng ký thiết bị.",
        "This needs a registered device. Ask your team leader for an enrolment code."
    }
    /// The device was reported lost or taken out of use.
    DeviceRevoked "device_revoked" 401 {
        "Thiết bị đã bị thu hồi",
        "Thiết bị này đã bị thu hồi quyền. Nếu đây là máy của bạn, hãy liên hệ tổ trưởng hoặc cán bộ xã.",
        "This device has been revoked. If it is yours, contact your team leader or commune officer."
    }
    /// The session was ended by its owner, by an administrator, or because its secret was used twice.
    SessionRevoked "session_revoked" 401 {
        "Phiên đã bị đóng",
        "Phiên làm việc đã bị đóng. Hãy đăng nhập lại; dữ liệu chưa gửi vẫn được giữ trên máy.",
        "Your session has been closed. Sign in again; unsent work stays on your phone."
    }
    /// An enrolment code that is wrong, used, over its time or tried too often.
    CodeInvalid "code_invalid" 400 {
        "Mã không đúng",
        "Mã đăng ký không đúng hoặc đã hết hạn. Hãy xin tổ trưởng mã mới.",
        "The enrolment code is wrong or has expired. Ask your team leader for a new one."
    }
    /// Tried too often; `Retry-After` says when to come back.
    TooManyAttempts "too_many_attempts" 429 {
        "Thử quá nhiều lần",
        "Bạn đã thử quá nhiều lần. Hãy chờ một lát rồi thử lại.",
        "Too many attempts. Wait a moment and try again."
    }
    /// More work than can be taken on; `Retry-After` says when to come back.
    Busy "busy" 503 {
        "Máy chủ đang bận",
        "Máy chủ đang bận. Ứng dụng sẽ tự thử lại sau; dữ liệu vẫn được giữ trên máy.",
        "The server is busy. The app will try again by itself; your work stays on your phone."
    }
    /// The server's disk is full. Nothing was half done.
    StorageFull "storage_full" 507 {
        "Máy chủ hết chỗ lưu trữ",
        "Máy chủ tạm hết chỗ lưu trữ. Dữ liệu vẫn được giữ trên máy và sẽ được gửi khi máy chủ có chỗ.",
        "The server is out of storage. Your work stays on your phone and is sent when there is space."
    }
    /// The body did not come in time.
    RequestTimeout "request_timeout" 408 {
        "Gửi quá lâu",
        "Dữ liệu không đến kịp thời gian cho phép. Ứng dụng sẽ tự thử lại; dữ liệu vẫn được giữ trên máy.",
        "The request did not arrive in time. The app will try again by itself; your work stays on your phone."
    }
    /// The body is larger than the limit; smaller parts will pass.
    BodyTooLarge "body_too_large" 413 {
        "Dữ liệu gửi quá lớn",
        "Dữ liệu gửi một lần vượt quá giới hạn. Hãy chia nhỏ rồi gửi lại.",
        "The request is larger than the limit. Send it in smaller parts."
    }
    /// More ops in one request than are taken; nothing was taken.
    BatchTooLarge "batch_too_large" 413 {
        "Gửi quá nhiều mục một lần",
        "Một lần gửi có quá nhiều mục. Hãy chia nhỏ rồi gửi lại; chưa có mục nào được nhận.",
        "Too many entries were sent at once. Send fewer; none of them was taken."
    }
    /// A compressed body; ours are compressed inside.
    EncodingNotAllowed "encoding_not_allowed" 415 {
        "Kiểu nén không được nhận",
        "Máy chủ không nhận nội dung nén bằng Content-Encoding. Hãy gửi lại mà không nén.",
        "The server takes no body with a Content-Encoding. Send it without one."
    }
    /// A body that is not JSON where JSON is expected.
    ContentTypeNotAllowed "content_type_not_allowed" 415 {
        "Kiểu nội dung không được nhận",
        "Máy chủ chỉ nhận nội dung JSON ở đây. Hãy gửi với Content-Type là application/json.",
        "Only JSON is taken here. Send it with the content type application/json."
    }
    /// The path exists, but not with this method; `Allow` names those it has.
    MethodNotAllowed "method_not_allowed" 405 {
        "Phương thức không được nhận",
        "Địa chỉ này không nhận phương thức vừa gửi.",
        "This address does not take the method that was sent."
    }
    /// The bytes are not what they claim to be.
    Malformed "malformed" 400 {
        "Dữ liệu sai định dạng",
        "Máy chủ không đọc được dữ liệu vì sai định dạng.",
        "The request cannot be read: its format is wrong."
    }
    /// Nested deeper than anything of ours.
    TooDeep "too_deep" 400 {
        "Dữ liệu lồng quá nhiều lớp",
        "Dữ liệu lồng quá nhiều lớp nên không được nhận.",
        "The request is nested too deeply."
    }
    /// Readable, but values are missing or wrong; `errors` names them.
    ValidationFailed "validation_failed" 400 {
        "Thông tin chưa hợp lệ",
        "Một số thông tin còn thiếu hoặc chưa đúng. Hãy kiểm tra các mục được chỉ ra.",
        "Some values are missing or wrong. Check the fields that are named."
    }
    /// A list has faults; `errors` names row, column and remedy. Nothing of it was entered.
    ImportRefused "import_refused" 400 {
        "Chưa nhập được danh sách",
        "Danh sách có chỗ chưa đúng; chưa có dòng nào được nhập. Hãy sửa các dòng được chỉ ra rồi gửi lại tệp.",
        "Something in the list is wrong and no row was entered. Mend the rows that are named, then send the file again."
    }
    /// Somebody changed it since the asker looked; an approval binds to what was seen.
    ContentChanged "content_changed" 409 {
        "Nội dung đã thay đổi",
        "Nội dung đã thay đổi sau khi bạn mở. Hãy xem lại bản mới rồi quyết định.",
        "The content has changed since you opened it. Look at the new version, then decide."
    }
    /// The thing is in a state from which this step is not possible.
    WrongState "wrong_state" 409 {
        "Không làm được ở trạng thái này",
        "Bước này không thực hiện được ở trạng thái hiện tại. Hãy tải lại để xem trạng thái mới.",
        "This step is not possible in the present state. Reload to see what has happened."
    }
    /// The reporting period is closed.
    PeriodClosed "period_closed" 409 {
        "Kỳ báo cáo đã chốt",
        "Kỳ báo cáo này đã chốt nên không sửa được nữa.",
        "This reporting period is closed and can no longer be changed."
    }
    /// Somebody else has settled the case.
    AlreadyResolved "already_resolved" 409 {
        "Đã được giải quyết",
        "Việc này đã được người khác giải quyết. Hãy tải lại để xem kết quả.",
        "Somebody else has settled this already. Reload to see the result."
    }
    /// Too few visits were looked at for an approval by sample; `sample` names what is missing.
    SampleIncomplete "sample_incomplete" 422 {
        "Chưa xem đủ mẫu",
        "Trước khi duyệt hàng loạt, hãy mở xem mọi chuyến thăm có cảnh báo và ít nhất một phần mười số còn lại.",
        "Before approving many at once, look at every flagged visit and at least a tenth of the others."
    }
    /// Something stands in the way of a reorganisation; `errors` names every row with the remedy.
    ReorganisationBlocked "reorganisation_blocked" 409 {
        "Chưa sắp xếp được",
        "Chưa thực hiện được đợt sắp xếp; chưa có gì thay đổi. Hãy xử lý các mục được chỉ ra rồi làm lại.",
        "The reorganisation was not carried out and nothing was changed. Deal with what is named, then try again."
    }
    /// Something depends on a reorganisation; `errors` names it.
    CannotUndo "cannot_undo" 409 {
        "Không hoàn tác được",
        "Không hoàn tác được vì đã có dữ liệu mới dựa vào đợt sắp xếp. Hãy chuyển hoặc thu hồi các mục được chỉ ra trước.",
        "It cannot be undone: what is named came after it and depends on it. Move or withdraw that first."
    }
    /// The team's approved visits do not reach what the monthly support asks for; `errors` says how many are missing.
    SupportNotEarned "support_not_earned" 409 {
        "Chưa đủ điều kiện hỗ trợ",
        "Tổ chưa đạt mức hoạt động được duyệt để nhận hỗ trợ của tháng. Hãy duyệt các chuyến thăm đang chờ, nếu có.",
        "The team has not reached what the support of the month asks for. Approve the visits that wait, if any."
    }
    /// It collides with something that exists.
    Conflict "conflict" 409 {
        "Trùng với dữ liệu đã có",
        "Thông tin này trùng hoặc mâu thuẫn với dữ liệu đã có.",
        "This collides with something that exists already."
    }
    /// The app is too old for this request. Recorded work is still taken.
    UpdateNeeded "update_needed" 426 {
        "Cần cập nhật ứng dụng",
        "Ứng dụng đã cũ. Hãy cập nhật để tiếp tục; dữ liệu đã ghi vẫn được giữ và vẫn gửi được.",
        "The app is too old. Update it to go on; recorded work is kept and can still be sent."
    }
    /// Starting, stopping or being maintained; `Retry-After` says when to come back.
    Unavailable "unavailable" 503 {
        "Máy chủ tạm ngừng",
        "Máy chủ tạm ngừng phục vụ. Ứng dụng sẽ tự thử lại sau.",
        "The server is not available at the moment. The app will try again by itself."
    }
    /// Our own fault.
    Internal "internal" 500 {
        "Lỗi máy chủ",
        "Máy chủ gặp lỗi. Dữ liệu trên máy không mất; hãy thử lại sau và báo mã yêu cầu nếu còn lỗi.",
        "The server failed. Nothing on your phone is lost; try again later, and report the request id if it goes on."
    }
}

impl ProblemCode {
    /// RFC 9457 `type`: a name, not an address to fetch.
    pub fn type_urn(self) -> String {
        format!("urn:thonso:problem:{}", self.as_str())
    }

    /// Whether the same request may succeed later without a change; such answers carry `Retry-After`.
    pub fn may_retry(self) -> bool {
        matches!(self.status(), 429 | 503 | 507)
    }

    /// Reads the stable text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

/// A refusal as it travels, with the media type [`Problem::MEDIA_TYPE`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:thonso:problem:<code>`.
    #[serde(rename = "type")]
    #[schema(example = "urn:thonso:problem:not_found")]
    pub type_urn: String,
    /// A few words in Vietnamese.
    pub title: String,
    /// The HTTP status again, for who only keeps the body.
    #[schema(example = 404)]
    pub status: u16,
    /// What programs match on.
    pub code: ProblemCode,
    /// What happened and what to do, in Vietnamese.
    pub detail_vi: String,
    /// The same in English.
    pub detail_en: String,
    /// Names this request in the server's log.
    pub request_id: String,
    /// The field that is to blame, when there is just one: a path such as `members.0.phone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Every field that is to blame.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

/// What is wrong with one field.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// Path of the field.
    pub field: String,
    /// A stable word, such as `required` or `too_long`.
    pub code: String,
    /// For the person, in Vietnamese. Does not repeat what was typed.
    pub detail_vi: String,
    /// The same in English.
    pub detail_en: String,
}

impl Problem {
    /// Media type of the body.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// A refusal with the standing words of its code.
    pub fn new(code: ProblemCode, request_id: impl Into<String>) -> Self {
        Self {
            type_urn: code.type_urn(),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail_vi: code.detail_vi().to_owned(),
            detail_en: code.detail_en().to_owned(),
            request_id: request_id.into(),
            field: None,
            errors: Vec::new(),
        }
    }

    /// Names the one field that is to blame.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Names all fields that are to blame; a single one also becomes `field`.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldProblem>) -> Self {
        self.field = match errors.as_slice() {
            [only] => Some(only.field.clone()),
            _ => self.field,
        };
        self.errors = errors;
        self
    }

    /// Replaces the standing words by more exact ones. They must not repeat what somebody typed.
    #[must_use]
    pub fn with_details(mut self, vi: impl Into<String>, en: impl Into<String>) -> Self {
        self.detail_vi = vi.into();
        self.detail_en = en.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;
    use utoipa::PartialSchema;

    use super::*;

    /// Programs out there match on these: a line may be added, none may change.
    #[test]
    fn codes_and_statuses_are_as_released() {
        let table: Vec<(&str, u16)> = ProblemCode::ALL.iter().map(|code| (code.as_str(), code.status())).collect();
        assert_eq!(
            table,
            [
                ("not_found", 404),
                ("not_allowed", 403),
                ("token_invalid", 401),
                ("token_expired", 401),
                ("sign_in_failed", 401),
                ("device_required", 401),
                ("device_revoked", 401),
                ("session_revoked", 401),
                ("code_invalid", 400),
                ("too_many_attempts", 429),
                ("busy", 503),
                ("storage_full", 507),
                ("request_timeout", 408),
                ("body_too_large", 413),
                ("batch_too_large", 413),
                ("encoding_not_allowed", 415),
                ("content_type_not_allowed", 415),
                ("method_not_allowed", 405),
                ("malformed", 400),
                ("too_deep", 400),
                ("validation_failed", 400),
                ("import_refused", 400),
                ("content_changed", 409),
                ("wrong_state", 409),
                ("period_closed", 409),
                ("already_resolved", 409),
                ("sample_incomplete", 422),
                ("reorganisation_blocked", 409),
                ("cannot_undo", 409),
                ("support_not_earned", 409),
                ("conflict", 409),
                ("update_needed", 426),
                ("unavailable", 503),
                ("internal", 500),
            ]
        );
    }

    #[test]
    fn every_code_has_words_of_its_own_in_both_languages() {
        let mut seen = BTreeSet::new();
        for code in ProblemCode::ALL {
            for text in [code.title(), code.detail_vi(), code.detail_en()] {
                assert!(unicode_normalization::is_nfc(text) && text.trim() == text && !text.is_empty(), "{text}");
                assert!(seen.insert(text), "twice: {text}");
            }
            assert!(code.detail_vi().ends_with('.') && code.detail_en().ends_with('.'));
            assert!(!code.detail_vi().is_ascii(), "{} has no Vietnamese letters", code.as_str());
            assert!(code.detail_en().is_ascii());
            assert_eq!(ProblemCode::parse(code.as_str()), Some(*code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn a_problem_has_the_shape_of_the_rfc_and_leaves_out_what_is_empty() {
        assert_eq!(
            serde_json::to_value(Problem::new(ProblemCode::NotFound, "r-1")).unwrap(),
            json!({
                "type": "urn:thonso:problem:not_found",
                "title": "Không tìm thấy",
                "status": 404,
                "code": "not_found",
                "detail_vi": "Không tìm thấy nội dung này, hoặc nội dung nằm ngoài phạm vi của bạn.",
                "detail_en": "This does not exist, or it is outside your area.",
                "request_id": "r-1",
            })
        );
    }

    #[test]
    fn fields_to_blame_travel_and_come_back() {
        let error = |field: &str| FieldProblem {
            field: field.to_owned(),
            code: "required".to_owned(),
            detail_vi: "Mục này còn trống.".to_owned(),
            detail_en: "This is empty.".to_owned(),
        };
        let one = Problem::new(ProblemCode::ValidationFailed, "r-1").with_errors(vec![error("name")]);
        assert_eq!(one.field.as_deref(), Some("name"));
        let two = Problem::new(ProblemCode::ValidationFailed, "r-1").with_errors(vec![error("name"), error("phone")]);
        assert_eq!(two.field, None);
        let read: Problem = serde_json::from_str(&serde_json::to_string(&two).unwrap()).unwrap();
        assert_eq!(read, two);
    }

    #[test]
    fn only_waiting_helps_where_waiting_is_advised() {
        let retry: Vec<&str> =
            ProblemCode::ALL.iter().filter(|code| code.may_retry()).map(|code| code.as_str()).collect();
        assert_eq!(retry, ["too_many_attempts", "busy", "storage_full", "unavailable"]);
    }

    #[test]
    fn the_schema_shows_the_names_that_travel() {
        let schema = serde_json::to_value(Problem::schema()).unwrap();
        assert!(schema["properties"]["type"].is_object(), "{schema}");
        let codes = serde_json::to_value(ProblemCode::schema()).unwrap();
        let names: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes["enum"], json!(names));
    }
}
