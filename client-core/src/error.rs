//! What can go wrong on the phone. What the protocol foresees for an op is an outcome, never one of these.

use sync_protocol::cbor::Malformed;
use sync_protocol::decide::Decision;
use sync_protocol::outcome::Code;

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an entry is not taken. The person can put it right now; nothing was saved.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Refused {
    /// A stable code of `outcome::Code`.
    pub code: String,
    /// What it is about: a field, or `activities[2].step`.
    pub field: Option<String>,
    /// The rule behind the code.
    pub rule: Option<String>,
    /// In plain Vietnamese.
    pub vi: String,
    /// In plain English.
    pub en: String,
}

impl Refused {
    /// From a prediction without effect.
    pub(crate) fn of(decision: &Decision) -> Self {
        Self::new(decision.code.unwrap_or(Code::Malformed), decision.field.clone(), decision.rule.clone())
    }

    /// From a code with what it is about.
    pub(crate) fn new(code: Code, field: Option<String>, rule: Option<String>) -> Self {
        Self { code: code.text().to_owned(), field, rule, vi: code.vi().to_owned(), en: code.en().to_owned() }
    }
}

/// Everything that can go wrong. Messages carry no names, answers or keys.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A newer app wrote the file. It is left as it was.
    #[error("the store has schema {found}, this app knows up to {supported}")]
    StoreFromNewerApp {
        /// The file's schema.
        found: u32,
        /// The newest schema that this app knows.
        supported: u32,
    },
    /// The file is a database of something else, or encrypted with another key.
    #[error("the file is not a store, or the key does not fit")]
    NotAStore,
    /// The file is damaged; `Store::open_or_rescue` sets it aside and saves what was not sent yet.
    #[error("the local store is damaged")]
    StoreDamaged,
    /// No room on the disk. Nothing was half saved.
    #[error("the storage is full")]
    StorageFull,
    /// The store belongs to somebody else: one file per user.
    #[error("the store belongs to another user")]
    OtherUser,
    /// Nobody is enrolled on this store yet.
    #[error("this store is not enrolled")]
    NotEnrolled,
    /// The entry is not taken; nothing was saved.
    #[error("refused: {}", .0.code)]
    Refused(Refused),
    /// What was asked for is not here.
    #[error("not found")]
    NotFound,
    /// A setting that must hold does not.
    #[error("the database does not take the setting {0}")]
    Setting(&'static str),
    /// Bytes in the store do not read as what they should be.
    #[error("stored bytes do not read: {0}")]
    Stored(#[from] Malformed),
    /// A file beside the store could not be written or moved.
    #[error("a file of the store could not be written")]
    File(#[source] std::io::Error),
    /// The server could not be asked, or refused a call that is not a sync.
    #[error("the server said {status}: {code}")]
    Server {
        /// HTTP status; 0 when there was no answer.
        status: u16,
        /// A stable code.
        code: String,
        /// The server's words in Vietnamese.
        vi: String,
        /// The server's words in English.
        en: String,
    },
    /// The database failed.
    #[error("the local store failed")]
    Sqlite(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Whether the file is damaged, so that what was not sent yet should be rescued from it.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::StoreDamaged | Self::Stored(_))
    }

    /// A stable code, for scripts.
    pub fn code(&self) -> &str {
        match self {
            Self::StoreFromNewerApp { .. } => "store_from_newer_app",
            Self::NotAStore => "not_a_store",
            Self::StoreDamaged | Self::Stored(_) => "local_store_damaged",
            Self::StorageFull => "storage_full",
            Self::OtherUser => "other_user",
            Self::NotEnrolled => "not_enrolled",
            Self::Refused(refused) => &refused.code,
            Self::NotFound => "not_found",
            Self::Server { code, .. } => code,
            Self::Setting(_) | Self::File(_) | Self::Sqlite(_) => "local_store_failed",
        }
    }

    /// What a person can do about it, in plain Vietnamese.
    pub fn vi(&self) -> String {
        match self {
            Self::StoreFromNewerApp { .. } => {
                "Dữ liệu trên máy do bản ứng dụng mới hơn ghi. Hãy cập nhật ứng dụng; dữ liệu được giữ nguyên.".into()
            }
            Self::NotAStore => "Tệp này không phải kho dữ liệu của Thôn Số, hoặc khóa không đúng.".into(),
            Self::StoreDamaged | Self::Stored(_) => {
                "Kho dữ liệu trên máy bị hỏng. Ứng dụng sẽ để riêng tệp hỏng và cứu những gì chưa gửi.".into()
            }
            Self::StorageFull => "Bộ nhớ máy đã đầy. Hãy xóa bớt ảnh, video rồi thử lại; chưa có gì bị mất.".into(),
            Self::OtherUser => "Kho dữ liệu này của người khác. Mỗi người dùng một tệp riêng.".into(),
            Self::NotEnrolled => "Máy chưa đăng ký. Hãy nhập mã đăng ký do cán bộ xã cấp.".into(),
            Self::Refused(refused) => refused.vi.clone(),
            Self::NotFound => "Không tìm thấy.".into(),
            Self::Server { vi, .. } => vi.clone(),
            Self::Setting(_) | Self::File(_) | Self::Sqlite(_) => {
                "Kho dữ liệu trên máy gặp lỗi. Hãy khởi động lại ứng dụng; dữ liệu đã lưu vẫn còn.".into()
            }
        }
    }

    /// What a person can do about it, in plain English.
    pub fn en(&self) -> String {
        match self {
            Self::StoreFromNewerApp { .. } => {
                "A newer app wrote this store. Update the app; nothing was changed.".into()
            }
            Self::NotAStore => "This file is not a Thôn Số store, or the key does not fit.".into(),
            Self::StoreDamaged | Self::Stored(_) => {
                "The local store is damaged. It is set aside, and what was not sent yet is rescued.".into()
            }
            Self::StorageFull => {
                "The storage is full. Delete photos or videos, then try again; nothing was lost.".into()
            }
            Self::OtherUser => "This store belongs to somebody else. Everybody has a file of their own.".into(),
            Self::NotEnrolled => "This device is not enrolled. Enter the code that the officer gave you.".into(),
            Self::Refused(refused) => refused.en.clone(),
            Self::NotFound => "Not found.".into(),
            Self::Server { en, .. } => en.clone(),
            Self::Setting(_) | Self::File(_) | Self::Sqlite(_) => {
                "The local store failed. Restart the app; what was saved is still there.".into()
            }
        }
    }
}
