//! What may be brought in as a table, and what each column takes. One list makes the reading, the words of the faults and the
//! empty table to fill in.

use sync_protocol::fold::fold;

/// What the rows of a table are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Sort {
    /// Villages of a commune.
    Villages,
    /// Teams of a commune and its villages.
    Teams,
    /// People, with the team that they join; who has no account gets one.
    Members,
    /// Households, without names: those need a consent.
    Households,
}

impl Sort {
    /// All of them, in the order in which an empty commune is filled.
    pub const ALL: [Self; 4] = [Self::Villages, Self::Teams, Self::Members, Self::Households];

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Villages => "villages",
            Self::Teams => "teams",
            Self::Members => "members",
            Self::Households => "households",
        }
    }

    /// Reads the stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.code() == code)
    }

    /// Its columns, in the order of the empty table.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Villages => VILLAGES,
            Self::Teams => TEAMS,
            Self::Members => MEMBERS,
            Self::Households => HOUSEHOLDS,
        }
    }
}

/// What a cell of a column holds.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// A text of at most so many characters.
    Text(usize),
    /// A day: `22/11/2026`, `2026-11-22`, or a date of the spreadsheet.
    Day,
    /// A phone number.
    Phone,
    /// A whole number from 0 to this one.
    Count(u32),
    /// One of these: code and how it is written.
    Choice(&'static [(&'static str, &'static str)]),
}

impl Takes {
    /// What is expected, in Vietnamese.
    pub fn vi(self) -> String {
        match self {
            Self::Text(most) => format!("chữ, không quá {most} ký tự"),
            Self::Day => "ngày, ví dụ 22/11/2026".to_owned(),
            Self::Phone => "số điện thoại, ví dụ 0912 345 678".to_owned(),
            Self::Count(most) => format!("số nguyên từ 0 đến {most}"),
            Self::Choice(choices) => {
                let words: Vec<&str> = choices.iter().map(|(_, words)| *words).collect();
                format!("một trong: {}", words.join("; "))
            }
        }
    }

    /// The same in English.
    pub fn en(self) -> String {
        match self {
            Self::Text(most) => format!("text, at most {most} characters"),
            Self::Day => "a day, for example 22/11/2026".to_owned(),
            Self::Phone => "a phone number, for example 0912 345 678".to_owned(),
            Self::Count(most) => format!("a whole number from 0 to {most}"),
            Self::Choice(choices) => {
                let words: Vec<&str> = choices.iter().map(|(code, _)| *code).collect();
                format!("one of: {}", words.join("; "))
            }
        }
    }
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The stable code; also a heading.
    pub code: &'static str,
    /// The heading that the empty table has.
    pub vi: &'static str,
    /// Other headings for it, besides the English one.
    pub also: &'static [&'static str],
    /// The heading in English.
    pub en: &'static str,
    /// Whether every row needs it.
    pub required: bool,
    /// What it holds.
    pub takes: Takes,
}

impl Column {
    /// Whether a heading means this column: tones, capitals and a mark for "required" do not matter.
    pub fn is_called(&self, heading: &str) -> bool {
        let heading = fold(heading.trim().trim_end_matches('*'));
        let mut names = [self.code, self.vi, self.en].into_iter().chain(self.also.iter().copied());
        names.any(|name| fold(name) == heading)
    }
}

/// Types of a village, with the word that stands before its name (docs/DOMAIN.md §1).
pub const VILLAGE_TYPES: &[(&str, &str)] =
    &[("thon", "Thôn"), ("ban", "Bản"), ("xom", "Xóm"), ("to_dan_pho", "Tổ dân phố"), ("khu_pho", "Khu phố")];

const POSITIONS: &[(&str, &str)] = &[("leader", "Tổ trưởng"), ("deputy", "Tổ phó"), ("member", "Thành viên")];

const ORGANISATIONS: &[(&str, &str)] = &[
    ("youth", "Đoàn Thanh niên"),
    ("women", "Hội Phụ nữ"),
    ("farmers", "Hội Nông dân"),
    ("veterans", "Hội Cựu chiến binh"),
    ("front", "Mặt trận Tổ quốc"),
    ("police", "Công an"),
    ("teacher", "Giáo viên"),
    ("health", "Y tế"),
    ("post_telecom", "Bưu chính, viễn thông"),
    ("village_head", "Trưởng thôn"),
    ("village_board", "Ban công tác thôn"),
    ("other", "Khác"),
];

const CLASSES: &[(&str, &str)] = &[
    ("normal", "Bình thường"),
    ("poor", "Hộ nghèo"),
    ("near_poor", "Hộ cận nghèo"),
    ("policy", "Gia đình chính sách"),
];

/// Most people in one household.
const ADULTS_MAX: u32 = 50;

macro_rules! columns {
    ($($code:literal $vi:literal $en:literal [$($also:literal),*] $need:ident $takes:expr;)+) => {
        &[$(Column {
            code: $code,
            vi: $vi,
            en: $en,
            also: &[$($also),*],
            required: columns!(@ $need),
            takes: $takes,
        }),+]
    };
    (@ required) => { true };
    (@ optional) => { false };
}

const VILLAGES: &[Column] = columns! {
    "name" "Tên thôn" "Name" ["Thôn", "Tên", "Village"] required Takes::Text(120);
    "unit_type" "Loại" "Type" ["Loại thôn"] optional Takes::Choice(VILLAGE_TYPES);
    "code" "Mã thôn" "Code" ["Mã"] optional Takes::Text(20);
    "local_name" "Tên địa phương" "Local name" [] optional Takes::Text(120);
    "from" "Từ ngày" "From" [] optional Takes::Day;
};

const TEAMS: &[Column] = columns! {
    "village" "Thôn" "Village" ["Tên thôn", "Mã thôn"] optional Takes::Text(120);
    "name" "Tên tổ" "Team" ["Tổ"] optional Takes::Text(120);
    "from" "Từ ngày" "From" [] optional Takes::Day;
    "decision_number" "Số quyết định" "Decision number" ["Quyết định"] optional Takes::Text(120);
    "decision_day" "Ngày quyết định" "Decision date" [] optional Takes::Day;
};

const MEMBERS: &[Column] = columns! {
    "village" "Thôn" "Village" ["Tên thôn", "Mã thôn"] optional Takes::Text(120);
    "team" "Tên tổ" "Team" ["Tổ"] optional Takes::Text(120);
    "name" "Họ và tên" "Name" ["Họ tên", "Tên"] required Takes::Text(120);
    "phone" "Số điện thoại" "Phone" ["Điện thoại", "SĐT"] required Takes::Phone;
    "position" "Chức vụ" "Position" ["Vai trò"] optional Takes::Choice(POSITIONS);
    "organisation" "Đơn vị, đoàn thể" "Organisation" ["Đoàn thể", "Đơn vị"] optional Takes::Choice(ORGANISATIONS);
    "from" "Từ ngày" "From" [] optional Takes::Day;
};

const HOUSEHOLDS: &[Column] = columns! {
    "village" "Thôn" "Village" ["Tên thôn", "Mã thôn"] required Takes::Text(120);
    "label" "Tên gọi của nhà" "Label" ["Nhà", "Tên gọi"] required Takes::Text(120);
    "landmark" "Mốc dễ thấy" "Landmark" ["Mốc"] optional Takes::Text(120);
    "class" "Diện hộ" "Class" ["Loại hộ"] optional Takes::Choice(CLASSES);
    "adults_15_plus" "Số người từ 15 tuổi" "Adults 15+" ["Số người từ 15 tuổi trở lên"] required Takes::Count(ADULTS_MAX);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_means_one_column_whatever_its_tones_and_capitals() {
        let phone = Sort::Members.columns().iter().find(|column| column.code == "phone").unwrap();
        for heading in ["Số điện thoại", "SO DIEN THOAI *", "sđt", "phone", "Phone"] {
            assert!(phone.is_called(heading), "{heading}");
        }
        assert!(!phone.is_called("Số"));
        for sort in Sort::ALL {
            for column in sort.columns() {
                for heading in [column.code, column.vi, column.en].into_iter().chain(column.also.iter().copied()) {
                    let meant = sort.columns().iter().filter(|other| other.is_called(heading)).count();
                    assert_eq!(meant, 1, "{} of {}", heading, sort.code());
                }
            }
        }
    }
}
