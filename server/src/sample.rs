//! A sample commune to try the product with: real in its size and its language, invented in everything else.
//!
//! The commune is a real one, so that units, boundaries and mergers behave as in the field. Its villages, teams,
//! households, names, telephone numbers and decisions are all invented; likeness to anybody is chance. The same seed
//! gives the same commune on every machine. Proportions follow docs/DOMAIN.md, "Scale": about 162 households a village
//! (219,238 in 1,356 villages) and three to seven members a team.

use sync_protocol::ids::Day;

use crate::units::{UnitType, village_code};

/// Official code of the commune that lends its name: xã Gia Hội, valid since 2025-07-01.
pub const COMMUNE_CODE: &str = "04636";
/// Its name without the type.
pub const COMMUNE_NAME: &str = "Gia Hội";
/// Code of its province, Lào Cai.
pub const PROVINCE_CODE: &str = "15";

/// First digits of every telephone number in the sample.
///
/// Việt Nam keeps no numbers for invention. The prefix 053 is in no operator's list that we ship
/// (server/data/mobile_prefixes.csv), so a number made of it has the right shape and should ring nowhere. No demo may
/// send messages all the same.
pub const PHONE_PREFIX: &str = "0530";

/// A commune with everything a demo needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SampleCommune {
    /// Always true. Who stores this must keep the mark, and show it on every page: names in it carry none.
    pub sample: bool,
    /// Official code, see [`COMMUNE_CODE`].
    pub commune_code: &'static str,
    /// Name without the type.
    pub commune_name: &'static str,
    /// Code of the province.
    pub province_code: &'static str,
    /// First day on which villages and teams exist.
    pub valid_from: Day,
    /// The commune's own team.
    pub team: SampleTeam,
    /// Its villages, by code.
    pub villages: Vec<SampleVillage>,
}

/// A village with its team and its households.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SampleVillage {
    /// `<commune code>-<nnn>`.
    pub code: String,
    /// Thôn or bản.
    pub unit_type: UnitType,
    /// Name without the type.
    pub name: &'static str,
    /// Name with the type.
    pub full_name: String,
    /// The village's team.
    pub team: SampleTeam,
    /// In the order in which somebody walking through the village would meet them.
    pub households: Vec<SampleHousehold>,
}

/// A community digital team.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SampleTeam {
    /// Name with its place.
    pub name: String,
    /// Number of the (invented) decision that appointed it.
    pub decision_no: String,
    /// Day of that decision.
    pub decision_date: Day,
    /// Three to seven members: one leader first, then at most one deputy.
    pub members: Vec<SampleMember>,
}

/// A member of a team.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SampleMember {
    /// Full name.
    pub display_name: String,
    /// Telephone number, `0` and nine digits; no two in the sample are equal. Also the sign-in name.
    pub phone: String,
    /// Place in the team.
    pub position: Position,
    /// Where the member comes from.
    pub organisation: Organisation,
}

/// Place in a team. Source: docs/DOMAIN.md, "Teams and training".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Position {
    /// Tổ trưởng.
    Leader,
    /// Tổ phó.
    Deputy,
    /// Thành viên.
    Member,
}

impl Position {
    /// Code in rows.
    pub fn code(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Deputy => "deputy",
            Self::Member => "member",
        }
    }
}

/// The organisation that a member comes from. Party offices are sensitive and have no code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Organisation {
    /// Đoàn Thanh niên.
    Youth,
    /// Hội Phụ nữ.
    Women,
    /// Hội Nông dân.
    Farmers,
    /// Hội Cựu chiến binh.
    Veterans,
    /// Mặt trận Tổ quốc.
    Front,
    /// Công an.
    Police,
    /// Giáo viên.
    Teacher,
    /// Y tế.
    Health,
    /// Bưu điện, viễn thông.
    PostTelecom,
    /// Trưởng thôn, trưởng bản.
    VillageHead,
    /// Ban quản lý thôn.
    VillageBoard,
    /// Others, such as staff of the commune's office.
    Other,
}

impl Organisation {
    /// Code in rows.
    pub fn code(self) -> &'static str {
        match self {
            Self::Youth => "youth",
            Self::Women => "women",
            Self::Farmers => "farmers",
            Self::Veterans => "veterans",
            Self::Front => "front",
            Self::Police => "police",
            Self::Teacher => "teacher",
            Self::Health => "health",
            Self::PostTelecom => "post_telecom",
            Self::VillageHead => "village_head",
            Self::VillageBoard => "village_board",
            Self::Other => "other",
        }
    }
}

/// A household.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SampleHousehold {
    /// What the village says: `nhà đầu suối, mái tôn đỏ`. No two in a village are equal, and none holds a name.
    pub house_label: String,
    /// How to find it, for some.
    pub landmark: Option<&'static str>,
    /// Whether the head agreed that name and number are kept for visits (purpose `visit_log`).
    pub consent_visit_log: bool,
    /// The head's name; only with consent.
    pub head_display_name: Option<String>,
    /// The head's number, `0` and nine digits; only with consent, and for a part of those. No two are equal.
    pub phone: Option<String>,
    /// People of 15 and older, 2 to 6.
    pub adults_15_plus: u8,
    /// Class by the poverty survey.
    pub class: HouseholdClass,
}

/// Class of a household.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HouseholdClass {
    /// None of the others.
    Normal,
    /// Hộ nghèo.
    Poor,
    /// Hộ cận nghèo.
    NearPoor,
    /// Hộ chính sách.
    Policy,
}

impl HouseholdClass {
    /// Code in rows.
    pub fn code(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Poor => "poor",
            Self::NearPoor => "near_poor",
            Self::Policy => "policy",
        }
    }
}

/// Makes the sample commune of a seed.
pub fn sample_commune(seed: u64) -> SampleCommune {
    let valid_from = Day::from_civil(2025, 7, 1).expect("1 July 2025 is a day");
    let decision_date = Day::from_civil(2025, 8, 12).expect("12 August 2025 is a day");
    let mut maker = Maker { rng: SplitMix64(seed), phones: 0, phone_offset: 0, decision_date };
    maker.phone_offset = maker.rng.below(PHONES);
    let team = maker.commune_team();
    let villages = VILLAGES.iter().zip(1..).map(|(plan, n)| maker.village(plan, n)).collect();
    SampleCommune {
        sample: true,
        commune_code: COMMUNE_CODE,
        commune_name: COMMUNE_NAME,
        province_code: PROVINCE_CODE,
        valid_from,
        team,
        villages,
    }
}

/// SplitMix64: small, fast and the same everywhere. Not for secrets.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `bound` - 1. Takes the upper half of the product, whose bias is far below anything a sample shows.
    fn below(&mut self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.next()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let index = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        from[index]
    }

    /// Picks by weights, which need not add up to anything.
    fn weighted<T: Copy>(&mut self, from: &[(T, u64)]) -> T {
        let mut left = self.below(from.iter().map(|(_, weight)| weight).sum());
        for &(value, weight) in from {
            match left.checked_sub(weight) {
                Some(rest) => left = rest,
                None => return value,
            }
        }
        from[0].0
    }
}

/// Six digits follow the prefix.
const PHONES: u64 = 1_000_000;
/// From one number to the next. Without a common factor with [`PHONES`].
const PHONE_STEP: u64 = 618_033;

struct Maker {
    rng: SplitMix64,
    phones: u64,
    phone_offset: u64,
    decision_date: Day,
}

impl Maker {
    /// A number that was not given out before: multiplying by a number without a common factor visits each of the
    /// million once.
    fn phone(&mut self) -> String {
        self.phones += 1;
        format!("{PHONE_PREFIX}{:06}", (self.phone_offset + self.phones * PHONE_STEP) % PHONES)
    }

    fn name(&mut self, mix: Mix) -> String {
        let (style, woman) = (self.rng.weighted(mix), self.rng.percent(38));
        self.name_of(style, woman)
    }

    fn name_of(&mut self, style: NameStyle, woman: bool) -> String {
        let parts = style.parts();
        let (middles, givens) = if woman { parts.women } else { parts.men };
        format!("{} {} {}", self.rng.pick(parts.families), self.rng.pick(middles), self.rng.pick(givens))
    }

    fn commune_team(&mut self) -> SampleTeam {
        use Organisation::{Front, Other, Police, PostTelecom, Teacher, Women, Youth};
        let members = self.members(&[Other, Youth, Police, Women, PostTelecom, Teacher, Front], COMMUNE_MIX);
        SampleTeam {
            name: format!("Tổ chuyển đổi số cộng đồng xã {COMMUNE_NAME}"),
            decision_no: "41/QĐ-UBND".to_owned(),
            decision_date: self.decision_date,
            members,
        }
    }

    fn village_team(&mut self, place: &str, n: u16) -> SampleTeam {
        use Organisation::{
            Farmers, Front, Health, Police, Teacher, Veterans, VillageBoard, VillageHead, Women, Youth,
        };
        let mut others = vec![Youth, Women, Farmers, Veterans, Front, Teacher, Health, Police, VillageBoard];
        // The village head leads, as nearly everywhere; the rest is drawn.
        let mut organisations = vec![VillageHead];
        for _ in 0..2 + self.rng.below(5) {
            let index = usize::try_from(self.rng.below(others.len() as u64)).unwrap_or(0);
            organisations.push(others.swap_remove(index));
        }
        let mix = VILLAGES[usize::from(n) - 1].mix;
        SampleTeam {
            name: format!("Tổ chuyển đổi số cộng đồng {place}"),
            decision_no: format!("{}/QĐ-UBND", 41 + n),
            decision_date: self.decision_date,
            members: self.members(&organisations, mix),
        }
    }

    fn members(&mut self, organisations: &[Organisation], mix: Mix) -> Vec<SampleMember> {
        let mut members: Vec<SampleMember> = Vec::new();
        for (index, &organisation) in organisations.iter().enumerate() {
            let display_name = loop {
                // A village chooses its head from its own families.
                let head = organisation == Organisation::VillageHead;
                let style = if head { mix[0].0 } else { self.rng.weighted(mix) };
                let woman = organisation == Organisation::Women || self.rng.percent(35);
                let name = self.name_of(style, woman);
                if members.iter().all(|member| member.display_name != name) {
                    break name;
                }
            };
            let position = match index {
                0 => Position::Leader,
                1 if organisations.len() > 3 => Position::Deputy,
                _ => Position::Member,
            };
            members.push(SampleMember { display_name, phone: self.phone(), position, organisation });
        }
        members
    }

    fn village(&mut self, plan: &VillagePlan, n: u16) -> SampleVillage {
        let word = if plan.unit_type == UnitType::Ban { "bản" } else { "thôn" };
        let team = self.village_team(&format!("{word} {}", plan.name), n);
        let mut labels: Vec<String> = Vec::new();
        let count = 112 + self.rng.below(101);
        let mut households = Vec::new();
        for _ in 0..count {
            let house_label = loop {
                let place = self.rng.pick(PLACES).replace("{}", word);
                let label = format!("nhà {place}, {}", self.rng.pick(MARKS));
                if !labels.contains(&label) {
                    break label;
                }
            };
            labels.push(house_label.clone());
            households.push(self.household(house_label, plan.mix));
        }
        SampleVillage {
            code: village_code(COMMUNE_CODE, n),
            unit_type: plan.unit_type,
            name: plan.name,
            full_name: format!("{} {}", plan.unit_type.label_vi(), plan.name),
            team,
            households,
        }
    }

    fn household(&mut self, house_label: String, mix: Mix) -> SampleHousehold {
        use HouseholdClass::{NearPoor, Normal, Policy, Poor};
        let landmark = if self.rng.percent(40) { Some(self.rng.pick(LANDMARKS)) } else { None };
        let consent_visit_log = self.rng.percent(62);
        let (mut head_display_name, mut phone) = (None, None);
        if consent_visit_log {
            head_display_name = Some(self.name(mix));
            phone = if self.rng.percent(70) { Some(self.phone()) } else { None };
        }
        SampleHousehold {
            house_label,
            landmark,
            consent_visit_log,
            head_display_name,
            phone,
            adults_15_plus: self.rng.weighted(&[(2, 36), (3, 26), (4, 22), (5, 11), (6, 5)]),
            class: self.rng.weighted(&[(Normal, 71), (Poor, 13), (NearPoor, 10), (Policy, 6)]),
        }
    }
}

/// How names are made in one part of the valley. A way of naming only: nothing about a household says its origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NameStyle {
    Kinh,
    Tay,
    Dao,
    Mong,
    Thai,
}

/// Shares of naming styles in a village.
type Mix = &'static [(NameStyle, u64)];

type Words = &'static [&'static str];

struct NameParts {
    families: Words,
    men: (Words, Words),
    women: (Words, Words),
}

impl NameStyle {
    fn parts(self) -> NameParts {
        match self {
            Self::Kinh => NameParts {
                families: &["Nguyễn", "Trần", "Lê", "Phạm", "Vũ", "Bùi", "Đỗ", "Ngô", "Đặng", "Hoàng", "Phan", "Đinh"],
                men: (
                    &["Văn", "Đức", "Quang", "Hữu", "Xuân", "Minh", "Ngọc"],
                    &["Hùng", "Dũng", "Tuấn", "Hải", "Thắng", "Bình", "Long", "Sơn", "Cường", "Khánh", "Toàn", "Tuyên"],
                ),
                women: (
                    &["Thị", "Thị", "Thị Thu", "Thị Bích", "Thị Thanh", "Thúy"],
                    &["Hương", "Lan", "Hoa", "Thủy", "Hiền", "Nga", "Yến", "Dung", "Loan", "Hạnh", "Ngân", "Oanh"],
                ),
            },
            Self::Tay => NameParts {
                families: &["Hoàng", "Nông", "Hà", "Lương", "Ma", "Hứa", "Lục", "Sầm", "La", "Vi", "Trương"],
                men: (
                    &["Văn", "Đình", "Quốc", "Ngọc", "Kim", "Thế"],
                    &["Thiện", "Lâm", "Khoa", "Tiến", "Sự", "Đoàn", "Chiến", "Thuận", "Bằng", "Nghĩa", "Quyết", "Hợi"],
                ),
                women: (
                    &["Thị", "Thị", "Thị Kim", "Thị Hồng"],
                    &["Sen", "Nhung", "Thắm", "Chanh", "Bưởi", "Mơ", "Vân", "Huệ", "Đào", "Thơm", "Liễu", "Hằng"],
                ),
            },
            Self::Dao => NameParts {
                families: &["Triệu", "Đặng", "Bàn", "Lý", "Phùng", "Chảo", "Tẩn", "Phàn"],
                men: (
                    &["Tòn", "Tài", "Văn", "Phúc", "Nho", "Kim", "Tiến", "Trung"],
                    &["Phú", "Lộc", "Vượng", "Quý", "An", "Tâm", "Thọ", "Thanh", "Minh", "Hiện", "Chiêu"],
                ),
                women: (
                    &["Thị", "Mùi", "Tả", "Thị"],
                    &["Chạn", "Nái", "Chài", "Ghến", "Nhất", "Mẩy", "Liều", "Xuân", "Lai", "Khé"],
                ),
            },
            Self::Mong => NameParts {
                families: &["Giàng", "Sùng", "Vàng", "Thào", "Mùa", "Hảng", "Lý", "Cứ", "Chang", "Lờ"],
                men: (
                    &["A"],
                    &[
                        "Páo", "Dơ", "Chua", "Của", "Sình", "Tủa", "Lử", "Nủ", "Chư", "Phổng", "Sáng", "Khua", "Dế",
                        "Tông",
                    ],
                ),
                women: (
                    &["Thị"],
                    &["Mỷ", "Dợ", "Sua", "Pàng", "Máy", "Chở", "Dua", "Ly", "Xế", "Cá", "Sống", "Mảy", "Dí"],
                ),
            },
            Self::Thai => NameParts {
                families: &["Lò", "Hà", "Cầm", "Lường", "Quàng", "Đồng", "Sa", "Vì", "Hoàng", "Điêu"],
                men: (
                    &["Văn", "Văn", "Ngọc", "Quang"],
                    &[
                        "Inh", "Pâng", "Ún", "Hặc", "Thoong", "Phanh", "Piêng", "Pọm", "Xiên", "Thương", "Nghiêm",
                        "Duân",
                    ],
                ),
                women: (
                    &["Thị", "Thị", "Thị Ngọc"],
                    &["Inh", "Pâng", "Hặc", "Muôn", "Ơn", "Thoan", "Dung", "Phương", "Pản", "Xoan", "Lả", "Thiêm"],
                ),
            },
        }
    }
}

struct VillagePlan {
    unit_type: UnitType,
    name: &'static str,
    mix: Mix,
}

const fn thon(name: &'static str, mix: Mix) -> VillagePlan {
    VillagePlan { unit_type: UnitType::Thon, name, mix }
}
const fn ban(name: &'static str, mix: Mix) -> VillagePlan {
    VillagePlan { unit_type: UnitType::Ban, name, mix }
}

const COMMUNE_MIX: Mix =
    &[(NameStyle::Kinh, 35), (NameStyle::Tay, 30), (NameStyle::Dao, 15), (NameStyle::Mong, 10), (NameStyle::Thai, 10)];
const MARKET: Mix = &[(NameStyle::Kinh, 70), (NameStyle::Tay, 25), (NameStyle::Dao, 5)];
const TAY: Mix = &[(NameStyle::Tay, 85), (NameStyle::Kinh, 12), (NameStyle::Dao, 3)];
const DAO: Mix = &[(NameStyle::Dao, 92), (NameStyle::Tay, 6), (NameStyle::Kinh, 2)];
const MONG: Mix = &[(NameStyle::Mong, 97), (NameStyle::Kinh, 3)];
const THAI: Mix = &[(NameStyle::Thai, 84), (NameStyle::Tay, 10), (NameStyle::Kinh, 6)];

/// The villages, from the market up the valley. Invented, in the manner of the region.
const VILLAGES: [VillagePlan; 15] = [
    thon("Trung Tâm", MARKET),
    thon("Tân Lập", MARKET),
    thon("Đồng Chè", MARKET),
    ban("Nà Pồng", TAY),
    ban("Nà Kẹn", TAY),
    ban("Nà Đon", TAY),
    thon("Hồng Sơn", TAY),
    ban("Pom Hán", THAI),
    ban("Nậm Mười Hạ", THAI),
    thon("Khe Vải", DAO),
    thon("Khe Sứa", DAO),
    ban("Nậm Cài", DAO),
    ban("Suối Quế", DAO),
    ban("Háng Chơ", MONG),
    ban("Sà Rèn", MONG),
];

/// Where a house stands, as neighbours say it; `{}` becomes thôn or bản.
const PLACES: Words = &[
    "đầu suối",
    "cuối suối",
    "đầu {}",
    "cuối {}",
    "giữa {}",
    "cạnh nhà văn hóa",
    "gần cầu treo",
    "chân dốc",
    "đỉnh dốc",
    "lưng chừng đồi",
    "bên ao cá",
    "cạnh đồi chè",
    "dưới đồi quế",
    "gần trạm biến áp",
    "ngã ba đường bê tông",
    "dưới gốc gạo",
    "cạnh giếng nước",
    "gần điểm trường",
    "bên mương nước",
    "ven đường liên {}",
    "trong khe",
    "cạnh sân bóng",
    "đối diện quán tạp hóa",
    "trên ruộng bậc thang",
    "sau rặng tre",
    "cạnh máng nước",
    "xóm trên",
    "xóm dưới",
    "sau vườn mận",
    "cạnh xưởng sao chè",
];

/// What a house is known by.
const MARKS: Words = &[
    "mái tôn đỏ",
    "mái tôn xanh",
    "mái ngói cũ",
    "mái lá cọ",
    "mái fibro xi măng",
    "nhà sàn gỗ",
    "nhà sàn ba gian",
    "cổng sắt xanh",
    "cổng gỗ",
    "không có cổng",
    "hàng rào đá",
    "hàng rào dâm bụt",
    "tường vôi vàng",
    "tường gạch chưa trát",
    "vách gỗ pơ mu",
    "có cây mít to",
    "có cây bưởi trước sân",
    "có cây đào trước cửa",
    "có hai cây cau",
    "có giàn bầu",
    "có giàn su su",
    "có bể nước tròn",
    "có chuồng trâu bên phải",
    "có quán nhỏ trước cửa",
    "có tấm pin mặt trời",
    "sân phơi rộng",
    "bậc thang đá",
    "cửa sơn xanh",
];

/// How a stranger finds it.
const LANDMARKS: Words = &[
    "qua cầu treo thì rẽ trái",
    "qua cầu treo thì rẽ phải",
    "cách nhà văn hóa khoảng 200 m",
    "cách điểm trường khoảng 500 m",
    "đi hết đường bê tông, lên dốc đất",
    "đi bộ 10 phút từ chỗ để xe",
    "lối nhỏ cạnh trạm biến áp",
    "sau trạm y tế",
    "đối diện bảng tin của thôn",
    "rẽ ở gốc gạo to",
    "lội qua suối, mùa lũ đi vòng cầu treo",
    "cạnh cột sóng di động",
    "gần chợ phiên",
    "phía trên ruộng bậc thang",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sync_protocol::phone_number;
    use sync_protocol::text::forbidden_numbers;

    use super::*;
    use crate::units;

    const SEEDS: [u64; 4] = [0, 1, 20_261_122, u64::MAX];

    /// Every text of a commune that somebody may read.
    fn texts(commune: &SampleCommune) -> Vec<String> {
        let mut all = vec![commune.commune_name.to_owned()];
        let mut team = |team: &SampleTeam| {
            all.extend([team.name.clone(), team.decision_no.clone()]);
            all.extend(team.members.iter().map(|member| member.display_name.clone()));
        };
        team(&commune.team);
        commune.villages.iter().for_each(|village| team(&village.team));
        for village in &commune.villages {
            all.push(village.full_name.clone());
            for household in &village.households {
                all.push(household.house_label.clone());
                all.extend(household.head_display_name.clone());
                all.extend(household.landmark.map(str::to_owned));
            }
        }
        all
    }

    fn teams(commune: &SampleCommune) -> impl Iterator<Item = &SampleTeam> {
        [&commune.team].into_iter().chain(commune.villages.iter().map(|village| &village.team))
    }

    fn phones(commune: &SampleCommune) -> Vec<&str> {
        let members = teams(commune).flat_map(|team| team.members.iter().map(|member| member.phone.as_str()));
        let heads = commune.villages.iter().flat_map(|v| v.households.iter().filter_map(|h| h.phone.as_deref()));
        members.chain(heads).collect()
    }

    #[test]
    fn the_generator_is_the_published_one() {
        let mut rng = SplitMix64(1_234_567);
        assert_eq!(
            [rng.next(), rng.next(), rng.next()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,]
        );
    }

    #[test]
    fn a_seed_always_gives_the_same_commune_and_another_seed_another() {
        assert_eq!(sample_commune(7), sample_commune(7));
        assert_ne!(sample_commune(7), sample_commune(8));
    }

    #[test]
    fn the_commune_is_a_real_one_of_the_pilot_province() {
        let shipped = units::shipped().unwrap();
        let commune = sample_commune(0);
        let unit = shipped.get(units::Level::Commune, commune.commune_code, commune.valid_from).unwrap();
        assert_eq!((unit.name.as_str(), unit.unit_type, unit.valid_to), (commune.commune_name, UnitType::Xa, None));
        assert_eq!(shipped.parent(unit, commune.valid_from).unwrap().code, commune.province_code);
        assert!(commune.sample);
    }

    #[test]
    fn it_has_the_size_of_a_commune_of_the_region() {
        for seed in SEEDS {
            let commune = sample_commune(seed);
            assert_eq!(commune.villages.len(), 15);
            let sizes: Vec<usize> = commune.villages.iter().map(|village| village.households.len()).collect();
            let mean = sizes.iter().sum::<usize>() / sizes.len();
            assert!((140..=184).contains(&mean), "{mean} households a village");
            assert!(sizes.iter().all(|size| (112..=212).contains(size)), "{sizes:?}");
            let codes: Vec<&str> = commune.villages.iter().map(|village| village.code.as_str()).collect();
            assert_eq!((codes[0], codes[14]), ("04636-001", "04636-015"));
            assert_eq!(commune.villages.iter().map(|v| &v.full_name).collect::<BTreeSet<_>>().len(), 15);
        }
    }

    #[test]
    fn every_team_has_one_leader_and_three_to_seven_members() {
        for seed in SEEDS {
            let commune = sample_commune(seed);
            assert_eq!(teams(&commune).count(), 16);
            for team in teams(&commune) {
                let count = |position| team.members.iter().filter(|member| member.position == position).count();
                assert!((3..=7).contains(&team.members.len()), "{}: {}", team.name, team.members.len());
                assert_eq!(count(Position::Leader), 1);
                assert_eq!(team.members[0].position, Position::Leader);
                assert!(count(Position::Deputy) <= 1);
                assert_eq!(
                    team.members.iter().map(|m| &m.display_name).collect::<BTreeSet<_>>().len(),
                    team.members.len()
                );
            }
            for village in &commune.villages {
                assert_eq!(village.team.members[0].organisation, Organisation::VillageHead);
                assert!(village.team.name.ends_with(&village.full_name[1..]), "{}", village.team.name);
            }
        }
    }

    #[test]
    fn name_and_number_are_there_only_with_consent() {
        for seed in SEEDS {
            let commune = sample_commune(seed);
            let households: Vec<&SampleHousehold> = commune.villages.iter().flat_map(|v| &v.households).collect();
            for household in &households {
                assert_eq!(household.head_display_name.is_some(), household.consent_visit_log);
                assert!(household.phone.is_none() || household.consent_visit_log);
                assert!((2..=6).contains(&household.adults_15_plus));
            }
            let share = |of: &dyn Fn(&SampleHousehold) -> bool| {
                households.iter().filter(|household| of(household)).count() * 100 / households.len()
            };
            assert!((55..=69).contains(&share(&|h| h.consent_visit_log)));
            assert!((36..=51).contains(&share(&|h| h.phone.is_some())));
            assert!((66..=76).contains(&share(&|h| h.class == HouseholdClass::Normal)));
            for class in [HouseholdClass::Poor, HouseholdClass::NearPoor, HouseholdClass::Policy] {
                assert!((3..=17).contains(&share(&|h| h.class == class)), "{}", class.code());
            }
        }
    }

    #[test]
    fn no_two_houses_of_a_village_have_the_same_label() {
        for village in &sample_commune(3).villages {
            let labels: BTreeSet<&str> = village.households.iter().map(|h| h.house_label.as_str()).collect();
            assert_eq!(labels.len(), village.households.len());
            let other = if village.unit_type == UnitType::Ban { "thôn" } else { "bản" };
            assert!(labels.iter().all(|label| !label.contains(other) && !label.contains('{')));
        }
    }

    #[test]
    fn no_number_is_given_twice_and_none_belongs_to_an_operator() {
        let shipped = include_str!("../data/mobile_prefixes.csv");
        let taken: Vec<&str> = shipped.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
        assert!(taken.len() > 30);
        for seed in SEEDS {
            let commune = sample_commune(seed);
            let phones = phones(&commune);
            assert!(phones.len() > 500);
            assert_eq!(phones.iter().collect::<BTreeSet<_>>().len(), phones.len());
            for phone in phones {
                assert_eq!(phone_number::normalise(phone).as_deref(), Ok(phone));
                assert!(phone.len() == 10 && phone.bytes().all(|byte| byte.is_ascii_digit()), "{phone}");
                assert!(!taken.contains(&&phone[..3]), "{phone}");
            }
        }
        let mut common = (PHONES, PHONE_STEP);
        while common.1 != 0 {
            common = (common.1, common.0 % common.1);
        }
        assert_eq!(common.0, 1);
    }

    #[test]
    fn every_text_is_normal_vietnamese() {
        const LETTERS: &str =
            "aàáảãạăằắẳẵặâầấẩẫậbcdđeèéẻẽẹêềếểễệfghiìíỉĩịjklmnoòóỏõọôồốổỗộơờớởỡợpqrstuùúủũụưừứửữựvwxyỳýỷỹỵz";
        for seed in SEEDS {
            for text in texts(&sample_commune(seed)) {
                assert!(unicode_normalization::is_nfc(&text), "{text}");
                assert!(forbidden_numbers(&text).is_empty(), "{text}");
                assert!(text.trim() == text && !text.contains("  ") && !text.is_empty(), "{text}");
                let odd = text
                    .chars()
                    .flat_map(char::to_lowercase)
                    .find(|&c| !LETTERS.contains(c) && !"0123456789 ,/-".contains(c));
                assert_eq!(odd, None, "{text}");
                // A syllable carries at most one tone.
                for syllable in text.split([' ', ',', '/', '-']) {
                    assert!(tones(syllable) <= 1, "{syllable} in {text}");
                }
            }
        }
    }

    fn tones(syllable: &str) -> usize {
        use unicode_normalization::UnicodeNormalization;
        syllable.nfd().filter(|c| matches!(c, '\u{300}' | '\u{301}' | '\u{303}' | '\u{309}' | '\u{323}')).count()
    }
}
