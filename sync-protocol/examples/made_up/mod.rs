//! Made-up traffic: what phones and the server would send, with content that nobody ever wrote or lived.
//!
//! Deterministic: a seed gives the same bytes on every machine. Used to train the dictionary, to measure, and to bench.

#![allow(dead_code, unreachable_pub, missing_docs)]

use std::collections::BTreeMap;

use sync_protocol::catalogue::{
    ActivityContent, ActivityFacts, Catalogue, EvidencePolicy, Field, FieldType, Kind, Severity,
};
use sync_protocol::cbor::{Bytes, Cbor, Raw};
use sync_protocol::decide::initial_state;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::outcome::{Code, Outcome, Verdict};
use sync_protocol::row::{ByKey, Class, Event, Group, Register, RowType, Stamp, Ver, flag, rows_as_bytes};
use sync_protocol::value::Value;
use sync_protocol::wire::*;

/// splitmix64: the same numbers everywhere.
pub struct Rng {
    state: u64,
    /// Every random byte string that was given out, so that a dictionary can be cleaned of them.
    pub drawn: Vec<Vec<u8>>,
    /// Writes notes in words that no training ever sees.
    pub held_out: bool,
}

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self { state: seed, drawn: Vec::new(), held_out: false }
    }
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit.max(1)
    }
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
    pub fn word(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len() as u64) as usize]
    }
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.number().to_be_bytes()[..chunk.len()]);
        }
        self.drawn.push(out.to_vec());
        out
    }
    /// An id of a thing made at a moment.
    pub fn id(&mut self, at: u64) -> uuid::Uuid {
        let secret = self.bytes::<16>();
        let id = derive_id(DerivedTag::Row, ClaimedMs(at), &secret, 0);
        self.drawn.push(id.as_bytes().to_vec());
        id
    }
}

/// Clauses that notes are put together from while training.
const WHO: &[&str] = &[
    "Bà con",
    "Chủ hộ",
    "Gia đình",
    "Người cao tuổi trong nhà",
    "Con trai chủ hộ",
    "Cả nhà",
    "Hai vợ chồng",
    "Bác chủ nhà",
    "Anh chủ nhà",
    "Chị chủ nhà",
    "Hộ kinh doanh",
    "Nhiều người trong xóm",
];
const WHAT: &[&str] = &[
    " chưa có điện thoại thông minh",
    " đi nương, chiều tối mới về",
    " đã cài xong ứng dụng",
    " còn nợ bước xác nhận mã",
    " không nhớ mật khẩu cũ, đã đặt lại",
    " sợ bị lừa nên chưa muốn liên kết ngân hàng",
    " dùng SIM không chính chủ",
    " cần đến nhà hướng dẫn thêm",
    " đã biết tự nộp hồ sơ trực tuyến",
    " muốn đăng bán nông sản trên sàn",
    " đang dùng máy cũ, hết bộ nhớ",
    " đã quét mã và chuyển khoản được",
    " chưa biết chữ, nhờ cháu đọc giúp",
    " đã được phát tờ rơi và dán mã ở cửa",
];
const WHY: &[&str] = &[
    ", sóng yếu phải ra đầu thôn.",
    ", hẹn tuần sau quay lại.",
    ", mạng chập chờn nên cài dở.",
    ", cần hỏi thêm cán bộ xã về thủ tục.",
    ", hẹn thứ bảy gặp lại.",
    ", đã hướng dẫn lại từ đầu.",
    ", sẽ gọi điện nhắc.",
    ", gia đình hợp tác tốt.",
    ", mất điện nên chưa làm được.",
    ".",
    "",
];
/// Notes that no training ever sees, so that measuring stays honest.
const HELD_OUT_NOTES: &[&str] = &[
    "Bố mẹ đi làm xa, chỉ có ông bà ở nhà.",
    "Điện thoại vỡ màn hình, bấm không ăn.",
    "Trời mưa to, đường vào trơn, làm nhanh rồi về.",
    "Đã làm xong cho hai cháu học sinh lớp mười.",
    "Bà chủ quán hỏi cách xem sao kê, đã chỉ từng bước.",
    "Nhà vừa đổi số, chờ ra trung tâm nhận lại.",
    "Ứng dụng báo lỗi khuôn mặt ba lần, tạm dừng.",
    "Đề nghị cấp loa tay cho buổi sau.",
    "Hộ mới tách, chưa có giấy tờ đầy đủ.",
    "Xong việc.",
];
const LABELS: &[&str] = &[
    "nhà đầu suối, mái tôn đỏ",
    "nhà sàn cạnh nhà văn hóa",
    "quán tạp hóa ngã ba",
    "nhà sau trường tiểu học",
    "nhà gần đập nước, cổng xanh",
    "nhà dốc cao, vườn quế",
    "nhà ven đường, có xưởng mộc",
    "nhà cuối bản, cạnh ruộng bậc thang",
];
const PLACES: &[&str] = &["nhà văn hóa thôn", "đầu cầu treo", "trường tiểu học", "chợ phiên", "trạm y tế", "đồi chè"];
const TOPICS: &[&str] = &[
    "phòng chống lừa đảo qua mạng",
    "nộp hồ sơ trực tuyến",
    "thanh toán không dùng tiền mặt",
    "bảo hiểm y tế điện tử",
];
const PROCEDURES: &[&str] =
    &["Đăng ký khai sinh", "Cấp đổi giấy phép lái xe", "Đăng ký tạm trú", "Hỗ trợ chi phí học tập"];
const CROPS: &[&str] = &["quế", "chè", "bưởi", "lúa nếp", "măng"];
const STALLS: &[&str] = &["Quế vùng cao", "Măng khô bản mới", "Chè sạch đồi xanh", "Mật ong rừng"];
/// Kinds that make up most of the work; the others come now and then.
const COMMON: &[&str] = &[
    "vneid_level2",
    "vneid_level2",
    "citizen_app_install",
    "citizen_app_install",
    "dvc_account",
    "dvc_submission",
    "payment_account",
    "payment_account",
    "safe_internet_guidance",
    "digital_skill_coaching",
    "household_survey",
    "telehealth_install",
    "e_health_insurance",
    "learning_platform",
];

/// Which activities a visit is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// As in the field: mostly the common kinds.
    Field,
    /// Every kind alike.
    EveryKind,
    /// One activity of a common kind, no words.
    Plain,
}

/// One team with its village, its people and its households.
pub struct World {
    pub village: UnitId,
    pub team: TeamId,
    pub users: Vec<UserId>,
    pub households: Vec<HouseholdId>,
    pub device: DeviceId,
    pub epoch: Epoch,
    pub clock: u64,
    pub grants_rev: u64,
    pub n: u64,
}

/// 1 November 2026, eight in the morning in Việt Nam.
pub const START_MS: u64 = 1_793_494_800_000;

impl World {
    pub fn new(rng: &mut Rng) -> Self {
        let clock = START_MS + rng.below(60) * 86_400_000;
        let early = START_MS - 300 * 86_400_000;
        let entered = |rng: &mut Rng| early + rng.below(200 * 86_400_000);
        Self {
            village: UnitId(rng.id(early)),
            team: TeamId(rng.id(early)),
            users: (0..5).map(|_| UserId(rng.id(early))).collect(),
            households: (0..150)
                .map(|_| {
                    let at = entered(rng);
                    HouseholdId(rng.id(at))
                })
                .collect(),
            device: DeviceId(rng.id(early)),
            epoch: Epoch(u64::from_be_bytes(rng.bytes::<8>())),
            clock,
            grants_rev: 1 + rng.below(12),
            n: 1 + rng.below(400),
        }
    }

    fn later(&mut self, rng: &mut Rng) -> ClaimedMs {
        self.clock += 300_000 + rng.below(2_400_000);
        if (self.clock / 3_600_000 + 7) % 24 >= 18 {
            self.clock += 14 * 3_600_000;
        }
        ClaimedMs(self.clock)
    }

    fn op(&mut self, rng: &mut Rng, intent: Intent) -> Op {
        let at = self.later(rng);
        intent.into_op(Salt(rng.bytes()), at, self.grants_rev)
    }

    /// A visit as the form saves it.
    pub fn visit(&mut self, rng: &mut Rng, mix: Mix) -> Op {
        let at = self.later(rng);
        let content = self.content(rng, mix, Day::of_ms(at.0));
        let submit = rng.percent(70);
        let body = RecordVisit { content: Raw(content.cbor()), submit, plan: None, ext: Default::default() };
        Intent::VisitRecord(body).into_op(Salt(rng.bytes()), at, self.grants_rev)
    }

    /// What a visit says.
    pub fn content(&mut self, rng: &mut Rng, mix: Mix, day: Day) -> VisitContent {
        let catalogue = Catalogue::shipped();
        let household = *rng.pick(&self.households);
        let nobody = mix != Mix::Plain && rng.percent(6);
        let count = match mix {
            Mix::Plain => 1,
            _ if nobody => 0,
            _ => 1 + u64::from(rng.percent(35)) + u64::from(rng.percent(10)),
        };
        let activities = (0..count)
            .map(|_| {
                let code = if mix == Mix::Plain || (mix == Mix::Field && rng.percent(85)) {
                    rng.word(COMMON).to_owned()
                } else {
                    rng.pick(catalogue.kinds()).code.clone()
                };
                let mut made = activity(rng, catalogue.kind(&code).expect("a kind of the catalogue"), day);
                if mix == Mix::Plain {
                    made.fields.remove("note");
                }
                made
            })
            .collect();
        VisitContent {
            village: self.village,
            team: self.team,
            household: Some(household),
            visit_type: "household".into(),
            day,
            minutes: rng.percent(60).then(|| 5 * (1 + rng.below(18)) as u32),
            activities,
            members: if rng.percent(15) { vec![*rng.pick(&self.users)] } else { vec![] },
            result: nobody.then(|| rng.word(&["absent", "refused"]).to_owned()),
            summary: (mix != Mix::Plain && rng.percent(8)).then(|| note(rng)),
            place: rng.percent(10).then(|| place(rng)),
            catalogue: "2026.1".into(),
            partner_org: None,
            quantity_reason: None,
            ext: Default::default(),
        }
    }

    /// Something other than a visit.
    pub fn other_op(&mut self, rng: &mut Rng) -> Op {
        let scope = ScopeId::from(self.village);
        let visit = VisitId(rng.id(self.clock));
        let day = Day::of_ms(self.clock);
        let base_ver = Ver::first(1);
        let intent = match rng.below(8) {
            0 | 1 => Intent::HouseholdCreate(CreateRow {
                scope,
                groups: ByKey(household_groups(rng, day)),
                id: None,
                ext: Default::default(),
            }),
            2 => Intent::HouseholdSet(SetGroups {
                id: rng.pick(&self.households).0,
                base_ver,
                groups: ByKey(BTreeMap::from([(
                    household::CLASS,
                    Raw(HouseholdClass {
                        class: rng.word(&["normal", "poor", "near_poor", "policy"]).into(),
                        ext: Default::default(),
                    }
                    .cbor()),
                )])),
                ext: Default::default(),
            }),
            3 => Intent::VisitSubmit(VisitRef { visit, ext: Default::default() }),
            4 | 5 => Intent::VisitCorrect(CorrectVisit {
                visit,
                base_ver,
                content: Raw(self.content(rng, Mix::EveryKind, day).cbor()),
                submit: true,
                ext: Default::default(),
            }),
            6 => Intent::PlanCreate(CreateRow {
                scope,
                groups: ByKey(self.plan_groups(rng, day)),
                id: None,
                ext: Default::default(),
            }),
            _ => Intent::VisitReturn(ReturnVisit {
                visit,
                hash: rng.bytes(),
                reasons: vec![ReturnReason {
                    code: rng.word(&["wrong_answer", "missing_answer", "evidence_unclear", "other"]).into(),
                    activity: Some(0),
                    field: Some("outcome".into()),
                    text: Some(note(rng)),
                    ext: Default::default(),
                }],
                note: None,
                ext: Default::default(),
            }),
        };
        self.op(rng, intent)
    }

    fn plan_groups(&mut self, rng: &mut Rng, day: Day) -> BTreeMap<u8, Raw> {
        let task = PlanTask {
            village: self.village,
            household: Some(*rng.pick(&self.households)),
            visit_type: "household".into(),
            planned_for: Day(day.0 + 1 + rng.below(20) as u32),
            kinds: vec![rng.word(COMMON).to_owned()],
            note: rng.percent(40).then(|| note(rng)),
            follows: rng.percent(50).then(|| VisitId(rng.id(self.clock))),
            ext: Default::default(),
        };
        let assignee = PlanAssignee { team: self.team, user: Some(*rng.pick(&self.users)), ext: Default::default() };
        let status = PlanStatus { status: "planned".into(), visit: None, reason: None, ext: Default::default() };
        BTreeMap::from([
            (plan::TASK, Raw(task.cbor())),
            (plan::ASSIGNEE, Raw(assignee.cbor())),
            (plan::STATUS, Raw(status.cbor())),
        ])
    }

    /// A frame of ops, signed with noise.
    pub fn ops_frame(&mut self, rng: &mut Rng, ops: Vec<Op>) -> OpsFrame {
        let first_n = self.n;
        self.n += ops.len() as u64;
        OpsFrame {
            first_n,
            before: rng.bytes(),
            ops: ops.iter().map(|op| Bytes(op.cbor())).collect(),
            signature: rng.bytes(),
            ext: Default::default(),
        }
    }

    /// A frame of recorded visits.
    pub fn visits_frame(&mut self, rng: &mut Rng, count: usize, mix: Mix) -> OpsFrame {
        let ops = (0..count).map(|_| self.visit(rng, mix)).collect();
        self.ops_frame(rng, ops)
    }

    fn stamp(&self, rng: &mut Rng) -> Stamp {
        let epoch = if rng.percent(60) { self.epoch } else { Epoch(u64::from_be_bytes(rng.bytes::<8>())) };
        Stamp { ver: Ver(Ver::first(1).0 + rng.below(3)), epoch, n: 1 + rng.below(400) }
    }

    /// The row of a recorded visit.
    pub fn event(&mut self, rng: &mut Rng) -> Event {
        let op = self.visit(rng, Mix::Field);
        let body = match Intent::of(&op) {
            Some(Ok(Intent::VisitRecord(body))) => body,
            _ => unreachable!("it was just made"),
        };
        let id = op.row_id();
        rng.drawn.push(id.as_bytes().to_vec());
        Event {
            ty: RowType::VISIT_RECORDED.0,
            id: EventId(id),
            ver: Ver::first(1),
            visit: None,
            author: *rng.pick(&self.users),
            epoch: self.stamp(rng).epoch,
            n: 1 + rng.below(400),
            received: ServerMs(op.at.0 + rng.below(3 * 86_400_000)),
            flags: if rng.percent(15) { *rng.pick(&[flag::LATE, flag::QUANTITY, flag::EVIDENCE_MISSING]) } else { 0 },
            at: op.at,
            body: body.content,
            submitted: body.submit,
            ext: Default::default(),
        }
    }

    /// A row of any sort but an event, with the class of its bucket.
    pub fn register(&mut self, rng: &mut Rng, ty: RowType) -> Register {
        let day = Day::of_ms(self.clock);
        let stamp = self.stamp(rng);
        let id = rng.id(self.clock);
        let raw = |value: Vec<u8>| Raw(value);
        let values: Vec<(u8, Raw)> = match ty {
            RowType::HOUSEHOLD => household_groups(rng, day).into_iter().collect(),
            RowType::PLAN => self.plan_groups(rng, day).into_iter().collect(),
            RowType::VISIT_STATE => {
                let event = self.event(rng);
                let mut state = initial_state(&event);
                state.ver = Ver(Ver::first(1).0 + 1);
                let status = rng.word(&["submitted", "returned", "approved", "approved"]);
                let status = VisitStatusValue {
                    status: status.into(),
                    handed_in: None,
                    was_returned: status == "returned",
                    ext: Default::default(),
                };
                let decision = if status.status == "returned" { "returned" } else { "approved" };
                let review = Review {
                    decision: decision.into(),
                    by: *rng.pick(&self.users),
                    at: ServerMs(self.clock),
                    hash: rng.bytes(),
                    reasons: vec![],
                    note: None,
                    batch: None,
                    ext: Default::default(),
                };
                state.groups.insert(visit_state::STATUS, Group::set(raw(status.cbor()), stamp));
                state.groups.insert(visit_state::REVIEW, Group::set(raw(review.cbor()), stamp));
                return state;
            }
            RowType::TEAM_MEMBER => {
                let who = MemberIdentity {
                    team: self.team,
                    user: *rng.pick(&self.users),
                    display_name: format!("Thành viên mẫu {}", rng.below(90)),
                    ext: Default::default(),
                };
                let position = MemberPosition {
                    position: rng.word(&["leader", "deputy", "member"]).into(),
                    organisation: rng.word(&["youth", "women", "farmers", "veterans", "front", "village_head"]).into(),
                    ext: Default::default(),
                };
                let validity = Validity { from: Day(day.0 - 200), to: None, ext: Default::default() };
                vec![(1, raw(who.cbor())), (2, raw(position.cbor())), (3, raw(validity.cbor()))]
            }
            RowType::TEAM => {
                let identity = TeamIdentity {
                    level: "village".into(),
                    unit: self.village,
                    name: format!("Tổ công nghệ số cộng đồng thôn {}", rng.below(20)),
                    ext: Default::default(),
                };
                let decision = TeamDecision {
                    number: format!("{}/QĐ-UBND", 10 + rng.below(200)),
                    day: Day(day.0 - 300),
                    ext: Default::default(),
                };
                let validity = Validity { from: Day(day.0 - 300), to: None, ext: Default::default() };
                vec![(1, raw(identity.cbor())), (2, raw(decision.cbor())), (3, raw(validity.cbor()))]
            }
            RowType::CASE => {
                let subject = CaseSubject {
                    kind: "conflict".into(),
                    ty: RowType::HOUSEHOLD.0,
                    id: rng.pick(&self.households).0,
                    group: household::CLASS,
                    ext: Default::default(),
                };
                let side = |rng: &mut Rng, world: &Self| Side {
                    value: raw(
                        HouseholdClass { class: rng.word(&["normal", "poor"]).into(), ext: Default::default() }.cbor()
                    ),
                    author: Some(*rng.pick(&world.users)),
                    at: Some(ClaimedMs(world.clock)),
                    op: Some(OpUid(rng.id(world.clock))),
                    ext: Default::default(),
                };
                let sides = CaseSides { sides: vec![side(rng, self), side(rng, self)], ext: Default::default() };
                let status = CaseStatusValue {
                    status: "open".into(),
                    by: None,
                    at: None,
                    chosen: None,
                    ext: Default::default(),
                };
                vec![(1, raw(subject.cbor())), (2, raw(sides.cbor())), (3, raw(status.cbor()))]
            }
            RowType::PERIOD => {
                let status = PeriodStatus {
                    commune: self.village,
                    month: Month::of_day(day, 14),
                    open: rng.percent(50),
                    ext: Default::default(),
                };
                vec![(1, raw(status.cbor()))]
            }
            _ => {
                let identity = UnitIdentity {
                    level: "village".into(),
                    code: format!("0{}-{:03}", 4000 + rng.below(900), rng.below(30)),
                    unit_type: "thon".into(),
                    name: format!("Mẫu {}", rng.below(40)),
                    full_name: format!("Thôn Mẫu {}", rng.below(40)),
                    local_name: None,
                    ext: Default::default(),
                };
                let parent = UnitParent {
                    parent: UnitId(rng.id(self.clock)),
                    from: Day(day.0 - 400),
                    former: vec![],
                    ext: Default::default(),
                };
                let validity = Validity { from: Day(20_270), to: None, ext: Default::default() };
                vec![(1, raw(identity.cbor())), (2, raw(parent.cbor())), (3, raw(validity.cbor()))]
            }
        };
        Register::new(ty, id, stamp, values)
    }

    /// A frame of rows of one bucket.
    pub fn rows_frame(&mut self, rng: &mut Rng, class: Class, count: usize) -> RowsFrame {
        let rows: Vec<sync_protocol::row::Row> = (0..count)
            .map(|_| match class {
                Class::Event => sync_protocol::row::Row::Event(self.event(rng)),
                Class::Register => {
                    let ty = *rng.pick(&[
                        RowType::HOUSEHOLD,
                        RowType::HOUSEHOLD,
                        RowType::VISIT_STATE,
                        RowType::VISIT_STATE,
                        RowType::PLAN,
                    ]);
                    sync_protocol::row::Row::Register(self.register(rng, ty))
                }
                Class::Notice => {
                    let said = AnnouncementWords {
                        title: format!("Thông báo mẫu {}", rng.below(40)),
                        body: "Thứ bảy, 8 giờ, tại nhà văn hoá thôn.".into(),
                        from: Day(20_770),
                        to: Day(20_777),
                        unit_name: "Xã Mẫu".into(),
                        ext: Default::default(),
                    };
                    let stands = AnnouncementState { published: Day(20_769), withdrawn: None, ext: Default::default() };
                    let other = self.register(rng, RowType::TEAM);
                    let stamp = other.groups.values().flat_map(|group| &group.stamps).copied().next();
                    let stamp = stamp.unwrap_or(Stamp { ver: other.ver, epoch: Epoch(1), n: 1 });
                    let values = [(1, Raw(said.cbor())), (2, Raw(stands.cbor()))];
                    let register = Register::new(RowType::ANNOUNCEMENT, other.id, stamp, values);
                    sync_protocol::row::Row::Register(register)
                }
                Class::Control => {
                    let ty = *rng.pick(&[
                        RowType::TEAM_MEMBER,
                        RowType::TEAM_MEMBER,
                        RowType::TEAM,
                        RowType::UNIT,
                        RowType::CASE,
                        RowType::PERIOD,
                    ]);
                    sync_protocol::row::Row::Register(self.register(rng, ty))
                }
            })
            .collect();
        let from = rng.below(2_000);
        RowsFrame {
            scope: self.village.into(),
            class: class as u8,
            quarter: if class == Class::Event { 2026 * 4 + 3 } else { 0 },
            gen_: 1,
            from,
            to: from + count as u64,
            mac: rng.bytes(),
            rows: rows_as_bytes(&rows),
            ext: Default::default(),
        }
    }

    /// A frame of outcomes.
    pub fn outcomes_frame(&mut self, rng: &mut Rng, count: usize) -> Outcomes {
        let outcomes = (0..count as u64)
            .map(|index| {
                let (verdict, code) = match rng.below(100) {
                    0..=89 => (Verdict::Applied, None),
                    90..=92 => (Verdict::AppliedWithCase, None),
                    93 => (Verdict::Deferred, Some(Code::NeedsServerUpdate)),
                    _ => (Verdict::Rejected, Some(*rng.pick(Code::ALL))),
                };
                let ver = matches!(verdict, Verdict::Applied | Verdict::AppliedWithCase).then_some(Ver::first(1));
                Outcome {
                    n: self.n + index,
                    verdict,
                    code: code.map(|code| code.text().to_owned()),
                    field: (code == Some(Code::ValidationFailed)).then(|| "activities[0].outcome".to_owned()),
                    ver,
                    case: (verdict == Verdict::AppliedWithCase).then(|| CaseId(rng.id(self.clock))),
                    rule: (code == Some(Code::ValidationFailed)).then(|| "required".to_owned()),
                    ext: Default::default(),
                }
            })
            .collect();
        Outcomes { outcomes, ext: Default::default() }
    }

    /// What a member may see.
    pub fn control(&mut self, rng: &mut Rng) -> Control {
        let scopes = 1 + rng.below(3);
        Control {
            grants_rev: self.grants_rev,
            user: self.users[0],
            display_name: "Thành viên mẫu".into(),
            holdings: (0..scopes)
                .map(|_| HeldRole {
                    scope: ScopeId(rng.id(START_MS)),
                    role: rng.word(&["member", "team_leader", "commune_officer"]).into(),
                    ext: Default::default(),
                })
                .collect(),
            schema_min: 0,
            seal_key: None,
            ext: Default::default(),
        }
    }
}

fn note(rng: &mut Rng) -> String {
    if rng.held_out {
        return rng.word(HELD_OUT_NOTES).to_owned();
    }
    format!("{}{}{}", rng.word(WHO), rng.word(WHAT), rng.word(WHY))
}

fn place(rng: &mut Rng) -> (i64, i64) {
    (21_600 + rng.below(400) as i64, 104_500 + rng.below(600) as i64)
}

fn household_groups(rng: &mut Rng, day: Day) -> BTreeMap<u8, Raw> {
    let label = HouseholdLabel {
        label: rng.word(LABELS).to_owned(),
        landmark: rng.percent(30).then(|| rng.word(PLACES).to_owned()),
        ext: Default::default(),
    };
    let class =
        HouseholdClass { class: rng.word(&["normal", "normal", "poor", "near_poor"]).into(), ext: Default::default() };
    let people = HouseholdPeople { adults_15_plus: 1 + rng.below(6) as u32, ext: Default::default() };
    let mut groups = BTreeMap::from([
        (household::LABEL, Raw(label.cbor())),
        (household::CLASS, Raw(class.cbor())),
        (household::PEOPLE, Raw(people.cbor())),
    ]);
    if rng.percent(50) {
        let consent = Consent {
            purposes: vec!["visit_log".into(), "follow_up".into()],
            notice_version: "2026.1".into(),
            language: "vi".into(),
            method: rng.word(&["spoken_witnessed", "signed_on_screen"]).into(),
            given: day,
            withdrawn: None,
            ext: Default::default(),
        };
        let head =
            HouseholdHead { display_name: format!("Chủ hộ mẫu {}", rng.below(200)), ext: Default::default() };
        let phone = HouseholdPhone { phone: format!("09{:08}", rng.below(100_000_000)), ext: Default::default() };
        rng.drawn.push(phone.phone.clone().into_bytes());
        groups.insert(household::HEAD, Raw(head.cbor()));
        groups.insert(household::CONSENT, Raw(consent.cbor()));
        if rng.percent(50) {
            groups.insert(household::PHONE, Raw(phone.cbor()));
        }
    }
    groups
}

/// An activity that the catalogue accepts.
pub fn activity(rng: &mut Rng, kind: &Kind, day: Day) -> Activity {
    let catalogue = Catalogue::shipped();
    for _ in 0..2_000 {
        let fields = kind.fields.iter().filter_map(|field| Some((field.code.clone(), answer(rng, field, day)?)));
        let fields: BTreeMap<String, Value> = fields.collect();
        let facts = ActivityFacts {
            visit_day: day,
            evidence: &[],
            evidence_policy: EvidencePolicy::FlagOnly,
            last_approved: None,
        };
        let content = ActivityContent { kind: kind.code.clone(), fields };
        if catalogue.validate(&content, &facts).iter().all(|finding| finding.severity != Severity::Error) {
            return Activity { kind: kind.code.clone(), fields: content.fields, id: None, ext: Default::default() };
        }
    }
    unreachable!("no valid activity of kind {} was found", kind.code)
}

fn answer(rng: &mut Rng, field: &Field, day: Day) -> Option<Value> {
    let wanted = match field.code.as_str() {
        _ if field.required => 100,
        "note" => 20,
        "failure_reason" => 35,
        "person" => 5,
        "photo" => 2,
        _ => 40,
    };
    if !rng.percent(wanted) {
        return None;
    }
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    match field.field_type {
        FieldType::Bool => Some(Value::Bool(rng.percent(70))),
        FieldType::Int => {
            let top = match field.code.as_str() {
                "households" => 180,
                "adults_15_plus" => 400,
                "participants" => 40,
                "minutes" => 120,
                _ => 6,
            };
            Some(Value::Int(1 + rng.below(top) as i64))
        }
        FieldType::MoneyVnd => Some(Value::Int(1_000 * (5 + rng.below(2_000) as i64))),
        FieldType::Decimal => Some(Value::Text(format!("{}.{}", 1 + rng.below(30), rng.below(10)))),
        FieldType::Date => Some(Value::Text(day.to_string())),
        FieldType::Datetime => {
            Some(Value::Text(format!("{day}T{:02}:{:02}:00+07:00", 8 + rng.below(9), 5 * rng.below(12))))
        }
        FieldType::PeriodMonth => Some(Value::Text(Month::of_day(day, 0).to_string())),
        FieldType::Ref => Some(Value::Ref(rng.id(START_MS))),
        FieldType::Photo => Some(Value::Photos(vec![rng.bytes()])),
        FieldType::Geo => {
            let (lat, lon) = place(rng);
            Some(Value::Place { lat_e3: lat as i32, lon_e3: lon as i32 })
        }
        FieldType::Url => Some(Value::Text(format!("https://cho-mau.example/gian-hang/{}", rng.below(900)))),
        FieldType::Enum if field.code == "outcome" => {
            text(rng.word(&["done", "done", "done", "done", "partly", "not_done", "already", "refused"]))
        }
        FieldType::Enum => {
            let choices = offered(field);
            text(choices[rng.below(choices.len() as u64) as usize])
        }
        FieldType::MultiEnum => {
            let choices = offered(field);
            let fewest = field.min_items.unwrap_or(1) as u64;
            let wanted = (fewest + rng.below(3)).min(choices.len() as u64);
            let start = rng.below(choices.len() as u64);
            let codes = (0..wanted).map(|step| choices[((start + step) % choices.len() as u64) as usize].to_owned());
            Some(Value::Codes(codes.collect()))
        }
        FieldType::Code => match field.code.as_str() {
            "dossier_tail" => Some(Value::Text(format!("{:04}", rng.below(10_000)))),
            "acquirer_bin" => Some(Value::Text(format!("9704{:02}", rng.below(100)))),
            "plate_code" => Some(Value::Text(format!("YB-{:03}", rng.below(1_000)))),
            _ => Some(Value::Text(format!("VN-YB-{:04}", rng.below(10_000)))),
        },
        FieldType::Text => match field.code.as_str() {
            "procedure_name" => text(rng.word(PROCEDURES)),
            "stall_name" => text(rng.word(STALLS)),
            "crop" => text(rng.word(CROPS)),
            "place" => text(rng.word(PLACES)),
            "topic" => text(rng.word(TOPICS)),
            "provider" | "donor" | "partners" => text("đơn vị mẫu"),
            "label_url_host" => text("truy-xuat-mau.example"),
            _ => Some(Value::Text(note(rng))),
        },
    }
}

fn offered(field: &Field) -> Vec<&str> {
    let choices = field.choices().iter().filter(|choice| choice.retired_on.is_none());
    let allowed = |code: &str| field.allow.as_ref().is_none_or(|allow| allow.iter().any(|one| one == code));
    choices.map(|choice| choice.code.as_str()).filter(|code| allowed(code)).collect()
}
