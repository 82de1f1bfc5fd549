//! Bytes that phones have sent and stored, kept for ever. A change that alters one of them breaks phones in the field.
//!
//! Files are made once, for new vectors only: `GOLDEN_WRITE=1 cargo test -p sync-protocol --test golden`. A file that
//! exists is never written again. docs/PROTOCOL.md quotes some of them; the quotes are checked here.

#![allow(missing_docs, clippy::disallowed_methods)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey};
use support::*;
use sync_protocol::case_flow::CaseKind;
use sync_protocol::cbor::{Bytes, Cbor, IntMap, Raw, check, read};
use sync_protocol::decide::initial_state;
use sync_protocol::digest::{BucketState, Digest, fold, row_hash};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::outcome::{Code, Outcome, Verdict};
use sync_protocol::row::{BucketId, Class, Event, Register, Row, RowType, Stamp, Ver, flag, read_row, rows_as_bytes};
use sync_protocol::units::TargetId;
use sync_protocol::value::Value;
use sync_protocol::wire::*;
use uuid::Uuid;

/// 2026-11-20T02:00:00.000Z.
const AT: ClaimedMs = ClaimedMs(1_795_140_000_000);
const RECEIVED: ServerMs = ServerMs(1_795_143_600_000);
const SALT: [u8; 16] = [0x5a; 16];
const EPOCH: Epoch = Epoch(0x0123_4567_89ab_cdef);
const SESSION: u64 = 77;
const SYNC_KEY: [u8; 32] = [0x42; 32];
/// The private key of a phone that does not exist.
const DEVICE_KEY: [u8; 32] = [0x01; 32];

fn device() -> DeviceId {
    DeviceId(id(0xd1))
}
fn user() -> UserId {
    UserId(id(0xa1))
}
fn village() -> UnitId {
    UnitId(id(VILLAGE))
}
fn visit_id() -> VisitId {
    VisitId(id(0xe1))
}
fn key() -> SigningKey {
    SigningKey::from_slice(&DEVICE_KEY).expect("a valid scalar")
}

fn content() -> VisitContent {
    let activity = Activity {
        kind: "vneid_level2".into(),
        fields: BTreeMap::from([
            ("step".to_owned(), Value::Text("activated".into())),
            ("age_14_plus".to_owned(), Value::Bool(true)),
            ("outcome".to_owned(), Value::Text("done".into())),
            ("note".to_owned(), Value::Text("Đã kích hoạt.".into())),
        ]),
        id: None,
        ext: ext(),
    };
    VisitContent {
        village: village(),
        team: TeamId(id(0x31)),
        household: Some(HouseholdId(id(0x41))),
        visit_type: "household".into(),
        day: Day(20_777),
        minutes: Some(30),
        activities: vec![activity],
        members: vec![UserId(id(0xa2))],
        result: None,
        summary: None,
        place: Some((21_722, 104_911)),
        catalogue: "2026.1".into(),
        partner_org: None,
        quantity_reason: None,
        ext: ext(),
    }
}

fn op(intent: Intent) -> Op {
    intent.into_op(Salt(SALT), AT, 7)
}

fn record() -> Intent {
    Intent::VisitRecord(RecordVisit { content: Raw(content().cbor()), submit: true, plan: None, ext: ext() })
}

fn reasons() -> Vec<ReturnReason> {
    vec![ReturnReason {
        code: "evidence_unclear".into(),
        activity: Some(0),
        field: Some("note".into()),
        text: Some("Ghi rõ hơn.".into()),
        ext: ext(),
    }]
}

fn plan_values() -> [(u8, Raw); 3] {
    let task = PlanTask {
        village: village(),
        household: Some(HouseholdId(id(0x41))),
        visit_type: "household".into(),
        planned_for: Day(20_800),
        kinds: vec!["payment_account".into()],
        note: Some("Mang theo tờ rơi.".into()),
        follows: Some(visit_id()),
        ext: ext(),
    };
    let assignee = PlanAssignee { team: TeamId(id(0x31)), user: Some(user()), ext: ext() };
    let status = PlanStatus { status: "planned".into(), visit: None, reason: None, ext: ext() };
    [(plan::TASK, Raw(task.cbor())), (plan::ASSIGNEE, Raw(assignee.cbor())), (plan::STATUS, Raw(status.cbor()))]
}

fn team_values() -> [(u8, Raw); 3] {
    let identity =
        TeamIdentity { level: "village".into(), unit: village(), name: "Tổ thôn Mẫu".into(), ext: ext() };
    let decision = TeamDecision { number: "12/QĐ-UBND".into(), day: Day(20_300), ext: ext() };
    let validity = Validity { from: Day(20_300), to: None, ext: ext() };
    [
        (team::IDENTITY, Raw(identity.cbor())),
        (team::DECISION, Raw(decision.cbor())),
        (team::VALIDITY, Raw(validity.cbor())),
    ]
}

fn person_values() -> Vec<(u8, Raw)> {
    let household = PersonHousehold { household: HouseholdId(id(0x41)), ext: ext() };
    let name = PersonName { display_name: "Người mẫu".into(), ext: ext() };
    vec![
        (person::HOUSEHOLD, Raw(household.cbor())),
        (person::NAME, Raw(name.cbor())),
        (person::BIRTH, Raw(PersonBirth { band: "18-39".into(), ext: ext() }.cbor())),
        (person::GENDER, Raw(PersonGender { gender: "female".into(), ext: ext() }.cbor())),
        (person::PHONE, Raw(PersonPhone { phone_last3: "678".into(), ext: ext() }.cbor())),
        consent(None),
    ]
}

fn business_values() -> Vec<(u8, Raw)> {
    let identity = BusinessIdentity { name: "Quầy rau Mẫu".into(), kind: "stall".into(), ext: ext() };
    let owner = BusinessOwner { household: HouseholdId(id(0x41)), ext: ext() };
    let market = BusinessMarket { market: MarketId(id(0x44)), ext: ext() };
    vec![
        (business::IDENTITY, Raw(identity.cbor())),
        (business::OWNER, Raw(owner.cbor())),
        (business::MARKET, Raw(market.cbor())),
    ]
}

fn product_values() -> Vec<(u8, Raw)> {
    let identity =
        ProductIdentity {
            business: BusinessId(id(0x42)), name: "Chè Mẫu".into(), category: "tea".into(), ext: ext()
        };
    vec![(product::IDENTITY, Raw(identity.cbor())), (product::OCOP, Raw(ProductOcop { stars: 4, ext: ext() }.cbor()))]
}

fn market_values() -> Vec<(u8, Raw)> {
    let identity = MarketIdentity { name: "Chợ Mẫu".into(), ext: ext() };
    let days = MarketDays { days: "Chủ nhật hằng tuần".into(), ext: ext() };
    vec![(market::IDENTITY, Raw(identity.cbor())), (market::DAYS, Raw(days.cbor()))]
}

fn village_values() -> Vec<(u8, Raw)> {
    let from = |code: &str, value| AttributeFrom { code: code.into(), from: Day(20_300), value, ext: ext() };
    let history = vec![
        from("distance_to_commune_km", Value::Int(12)),
        from("fibre_available", Value::Bool(false)),
        from("mobile_tech_best", Value::Text("4g".into())),
        from("operators_ok", Value::Codes(vec!["viettel".into(), "vinaphone".into()])),
    ];
    let mut groups = unit_groups("village", "Mẫu", id(COMMUNE)).0;
    groups.insert(unit::ATTRIBUTES, Raw(UnitAttributes { history, ext: ext() }.cbor()));
    groups.insert(unit::PRIVACY, Raw(UnitPrivacy { mode: "person".into(), ext: ext() }.cbor()));
    groups.into_iter().collect()
}

/// One op of every name.
fn intents() -> Vec<Intent> {
    let ver = Ver::first(1);
    let household =
        [label("nhà đầu suối"), head_of("Chủ hộ mẫu"), phone("0912345678"), class("poor"), people(3), consent(None)];
    vec![
        Intent::HouseholdCreate(create(VILLAGE, household)),
        Intent::HouseholdSet(set(id(0x41), ver, [class("near_poor")])),
        Intent::HouseholdMove(MoveRow { id: id(0x41), base_ver: ver, to: ScopeId(id(OTHER_VILLAGE)), ext: ext() }),
        Intent::HouseholdMerge(MergeHouseholds {
            winner: HouseholdId(id(0x41)),
            loser: HouseholdId(id(0x43)),
            winner_ver: ver,
            loser_ver: Ver(ver.0 + 4),
            reason: Some("Một hộ ghi hai lần.".into()),
            ext: ext(),
        }),
        Intent::HouseholdUnmerge(UnmergeHousehold { loser: HouseholdId(id(0x43)), ext: ext() }),
        Intent::PersonCreate(create(VILLAGE, person_values())),
        Intent::PersonSet(set(id(0x45), ver, [consent(Some(Day(20_777)))])),
        Intent::BusinessCreate(create(VILLAGE, business_values())),
        Intent::BusinessSet(set(id(0x42), ver, [business_values()[1].clone()])),
        Intent::ProductCreate(create(VILLAGE, product_values())),
        Intent::ProductSet(set(id(0x46), ver, [product_values()[1].clone()])),
        Intent::MarketCreate(create(COMMUNE, market_values())),
        Intent::MarketSet(set(id(0x44), ver, [market_values()[1].clone()])),
        record(),
        World::submit(visit_id()),
        World::correct(visit_id(), ver, &VisitContent { minutes: None, ..content() }, true),
        World::void(visit_id()),
        Intent::VisitReturn(ReturnVisit {
            visit: visit_id(),
            hash: content_hash(&content().cbor()),
            reasons: reasons(),
            note: Some("Cảm ơn.".into()),
            ext: ext(),
        }),
        Intent::VisitApprove(ApproveVisit {
            visit: visit_id(),
            hash: content_hash(&content().cbor()),
            batch: Some(Batch { size: 40, looked_at: true, ext: ext() }),
            ext: ext(),
        }),
        Intent::PlanCreate(create(VILLAGE, plan_values())),
        Intent::PlanSet(set(id(0x51), ver, [plan_values()[1].clone()])),
        Intent::PlanCancel(CancelPlan {
            plan: PlanId(id(0x51)), reason: Some("Gia đình đi vắng.".into()), ext: ext()
        }),
        Intent::CaseResolve(ResolveCase { case: CaseId(id(0x71)), base_ver: ver, value: class("poor").1, ext: ext() }),
        Intent::CaseOpen(OpenCase {
            unit: village(),
            kind: "device_need".into(),
            household: Some(HouseholdId(id(0x41))),
            text: "Cần một máy cũ.".into(),
            other: None,
            ext: ext(),
        }),
        Intent::CaseAdvance(AdvanceCase {
            case: CaseId(id(0x72)),
            to: "forwarded".into(),
            text: Some("Sở Khoa học và Công nghệ".into()),
            ext: ext(),
        }),
        Intent::UnitCreate(CreateRow {
            scope: ScopeId(id(COMMUNE)),
            groups: unit_groups("village", "Mẫu", id(COMMUNE)),
            id: Some(id(VILLAGE)),
            ext: ext(),
        }),
        Intent::UnitSet(set(id(VILLAGE), ver, unit_groups("village", "Mẫu Hai", id(COMMUNE)).0)),
        Intent::TeamCreate(create(VILLAGE, team_values())),
        Intent::TeamSet(set(id(0x31), ver, [team_values()[1].clone()])),
        Intent::MemberAdd(AddMember {
            team: TeamId(id(0x31)),
            user: user(),
            display_name: "Thành viên mẫu".into(),
            position: "member".into(),
            organisation: "youth".into(),
            from: Day(20_300),
            ext: ext(),
        }),
        Intent::MemberEnd(EndMember { member: TeamMemberId(id(0x61)), to: Day(20_800), ext: ext() }),
        Intent::GrantGive(GiveGrant {
            user: user(),
            role: "member".into(),
            unit: village(),
            from: Day(20_300),
            decision: Some("13/QĐ-UBND".into()),
            ext: ext(),
        }),
        Intent::GrantEnd(EndGrant { grant: GrantId(id(0x81)), to: Day(20_800), ext: ext() }),
        Intent::UserCreate(CreateUser {
            display_name: "Thành viên mẫu".into(),
            phone: "0912345678".into(),
            unit: UnitId(id(COMMUNE)),
            ext: ext(),
        }),
        Intent::PeriodSet(SetPeriod { commune: UnitId(id(COMMUNE)), month: Month(24_322), open: false, ext: ext() }),
    ]
    .into_iter()
    .chain(office_intents())
    .collect()
}

/// What the office steers with.
fn office_intents() -> Vec<Intent> {
    let (ver, commune, month) = (Ver::first(1), UnitId(id(COMMUNE)), Month(24_322));
    let mut campaign = campaign_values();
    campaign.pop();
    let mut goal = target_values();
    goal.pop();
    vec![
        Intent::CampaignCreate(create(COMMUNE, campaign.clone())),
        Intent::CampaignSet(set(id(0x13), ver, [campaign[2].clone()])),
        Intent::CampaignPublish(PublishCampaign { campaign: CampaignId(id(0x13)), base_ver: ver, ext: ext() }),
        Intent::CampaignClose(CloseCampaign { campaign: CampaignId(id(0x13)), ext: ext() }),
        Intent::TargetCreate(create(VILLAGE, goal.clone())),
        Intent::TargetSet(set(id(0x14), ver, [goal[1].clone()])),
        Intent::TargetPublish(PublishTarget { target: TargetId(id(0x14)), base_ver: ver, ext: ext() }),
        Intent::DenominatorSet(SetDenominator {
            unit: village(),
            code: "households".into(),
            from: Day(20_454),
            value: 96,
            source: "Niên giám thống kê".into(),
            base_ver: Some(ver),
            ext: ext(),
        }),
        Intent::ManualSet(SetManual {
            unit: commune,
            code: "dossiers_total".into(),
            period: "month".into(),
            month,
            value: "412".into(),
            source: "Bộ phận một cửa".into(),
            base_ver: None,
            ext: ext(),
        }),
        Intent::RecognitionPropose(ProposeRecognition {
            unit: village(),
            what: "digital_citizen".into(),
            subject: id(0x55),
            set: "digital_citizen_2023".into(),
            consent: true,
            ext: ext(),
        }),
        Intent::RecognitionAdvance(AdvanceRecognition {
            recognition: RecognitionId(id(0x17)),
            to: "granted".into(),
            number: Some("21/QĐ-UBND".into()),
            day: Some(Day(20_770)),
            reason: None,
            ext: ext(),
        }),
        Intent::ReportSave(SaveReport {
            unit: village(),
            kind: "team_month".into(),
            month,
            texts: report_texts(),
            base_ver: None,
            ext: ext(),
        }),
        Intent::ReportSubmit(SubmitReport {
            unit: village(),
            kind: "team_month".into(),
            month,
            snapshot: Some([0x51; 32]),
            base_ver: Some(ver),
            ext: ext(),
        }),
        Intent::ReportReturn(ReturnReport {
            report: ReportId(id(0x18)),
            base_ver: ver,
            reason: "Thiếu số liệu tập huấn.".into(),
            ext: ext(),
        }),
        Intent::ReportAccept(AcceptReport { report: ReportId(id(0x18)), base_ver: ver, ext: ext() }),
        Intent::CourseRunRecord(course_run()),
        Intent::CourseResultSet(SetCourseResult {
            member: TeamMemberId(id(0x61)),
            course: "safe_internet".into(),
            right: 8,
            of: 10,
            ext: ext(),
        }),
        Intent::SupportSign(SignSupport {
            team: TeamId(id(0x31)),
            month,
            measure: "visits".into(),
            found: 5,
            minimum: 4,
            amount_vnd: 500_000,
            ext: ext(),
        }),
        Intent::SupportRevoke(RevokeSupport {
            certificate: SupportId(id(0x21)),
            reason: "Nhầm tổ.".into(),
            ext: ext(),
        }),
        Intent::ReorganisationRecord(RecordReorganisation {
            id: id(0x23),
            scope: ScopeId(id(0x05)),
            what: reorganised(),
            ext: ext(),
        }),
        Intent::ReorganisationUndo(ReorganisationRef { id: id(0x23), ext: ext() }),
        Intent::AnnouncementPublish(PublishAnnouncement {
            unit: UnitId(id(COMMUNE)),
            title: "Ngày chuyển đổi số".into(),
            body: "Thứ bảy, 8 giờ, tại nhà văn hoá thôn.".into(),
            from: Day(20_770),
            to: Day(20_777),
            ext: ext(),
        }),
        Intent::AnnouncementWithdraw(WithdrawAnnouncement { announcement: AnnouncementId(id(0x22)), ext: ext() }),
    ]
}

fn campaign_values() -> Vec<(u8, Raw)> {
    let frame = CampaignFrame {
        kind: "thursday_online".into(),
        from: Day(20_758),
        to: Day(20_787),
        weekly: Some(4),
        yearly: None,
        kinds: vec!["dvc_account".into(), "dvc_submission".into()],
        ext: ext(),
    };
    let words = CampaignWords {
        title: "Thứ năm trực tuyến".into(),
        theme: Some("Nộp hồ sơ tại nhà".into()),
        partners: vec!["Bưu điện xã".into()],
        daily_report: true,
        ext: ext(),
    };
    let target = CampaignTarget { unit: village(), kind: "dvc_account".into(), value: 20, ext: ext() };
    let state = CampaignState { published: Some(Day(20_750)), closed: Some(Day(20_780)), ext: ext() };
    vec![
        (campaign::FRAME, Raw(frame.cbor())),
        (campaign::WORDS, Raw(words.cbor())),
        (campaign::TARGETS, Raw(CampaignTargets { targets: vec![target], ext: ext() }.cbor())),
        (campaign::STATE, Raw(state.cbor())),
    ]
}

fn target_values() -> Vec<(u8, Raw)> {
    let goal = TargetGoal { indicator: None, kind: Some("vneid_level2".into()), value: "40".into(), ext: ext() };
    let clears = TargetClears {
        task: Some("Kích hoạt định danh mức 2.".into()),
        person: Some("Tổ thôn Mẫu".into()),
        from: Some(Day(20_772)),
        due: Some(Day(20_801)),
        product: Some("Số lượng theo thôn".into()),
        resource: Some("Hai máy tính bảng".into()),
        ext: ext(),
    };
    let state = TargetState { role: "commune_officer".into(), published: Some(Day(20_773)), ext: ext() };
    vec![(target::GOAL, Raw(goal.cbor())), (target::CLEARS, Raw(clears.cbor())), (target::STATE, Raw(state.cbor()))]
}

fn report_texts() -> Vec<(String, String)> {
    vec![("difficulties".into(), "Sóng yếu.".into()), ("proposals".into(), "Thêm một trạm.".into())]
}

fn course_run() -> CourseRun {
    CourseRun {
        course: "safe_internet".into(),
        unit: UnitId(id(COMMUNE)),
        day: Day(20_770),
        trainer: "Cán bộ Sở".into(),
        participants: 30,
        women: 18,
        aged_60: 4,
        ext: ext(),
    }
}

/// The name of a vector, its row's type and id, its groups.
type Named = (&'static str, RowType, u8, Vec<(u8, Raw)>);

/// One row of every type that the office steers with, and a case from the field.
fn office_rows() -> Vec<Named> {
    let (commune, officer, month) = (UnitId(id(COMMUNE)), UserId(id(0xa4)), Month(24_322));
    let flow = CaseFlow {
        kind: "device_need".into(),
        unit: village(),
        household: Some(HouseholdId(id(0x41))),
        opened_by: user(),
        role: "member".into(),
        opened: Day(20_760),
        due: Some(Day(20_767)),
        receiver: Some("Sở Khoa học và Công nghệ".into()),
        visit: Some(visit_id()),
        activity: Some(ActivityId(id(0xe5))),
        text: Some("Cần một máy cũ.".into()),
        withdrawn: Some(Day(20_761)),
        other: None,
        described: None,
        ext: ext(),
    };
    let taken = |to: &str, text: Option<&str>| CaseStepTaken {
        to: to.into(),
        day: Day(20_761),
        role: "commune_officer".into(),
        by: officer,
        text: text.map(str::to_owned),
        ext: ext(),
    };
    let steps = vec![taken("acknowledged", None), taken("forwarded", Some("Sở Khoa học và Công nghệ"))];
    let number = DenominatorValue {
        unit: village(),
        code: "households".into(),
        from: Day(20_454),
        value: 96,
        source: "Niên giám thống kê".into(),
        by: officer,
        ext: ext(),
    };
    let typed = ManualValue {
        unit: commune,
        code: "dossiers_total".into(),
        period: "month".into(),
        month,
        value: "412".into(),
        source: "Bộ phận một cửa".into(),
        by: officer,
        ext: ext(),
    };
    let subject = RecognitionSubject {
        what: "digital_citizen".into(),
        subject: Some(id(0x55)),
        set: "digital_citizen_2023".into(),
        consent: true,
        ext: ext(),
    };
    let step = |to: &str, number: Option<&str>, reason: Option<&str>| RecognitionStep {
        to: to.into(),
        day: Day(20_770),
        role: "commune_officer".into(),
        by: officer,
        number: number.map(str::to_owned),
        reason: reason.map(str::to_owned),
        ext: ext(),
    };
    let way = vec![step("granted", Some("21/QĐ-UBND"), None), step("revoked", None, Some("Cấp nhầm."))];
    let frame = ReportFrame { unit: village(), kind: "team_month".into(), month, ext: ext() };
    let state = ReportState {
        status: "returned".into(),
        by: officer,
        day: Day(20_775),
        due: Some(Day(20_772)),
        late: true,
        snapshot: Some([0x51; 32]),
        reason: Some("Thiếu số liệu tập huấn.".into()),
        ext: ext(),
    };
    let record = CourseRecord {
        member: TeamMemberId(id(0x61)),
        course: "safe_internet".into(),
        right: 8,
        of: 10,
        attempts: 3,
        ext: ext(),
    };
    let certificate = Certificate {
        team: TeamId(id(0x31)),
        month,
        measure: "visits".into(),
        found: 5,
        minimum: 4,
        amount_vnd: 500_000,
        by: officer,
        day: Day(20_775),
        ext: ext(),
    };
    let revoked = Revocation { reason: "Nhầm tổ.".into(), by: officer, day: Day(20_776), ext: ext() };
    vec![
        (
            "07-case-from-the-field",
            RowType::CASE,
            0x72,
            vec![(case::FLOW, Raw(flow.cbor())), (case::STEPS, Raw(CaseSteps { steps, ext: ext() }.cbor()))],
        ),
        ("13-campaign", RowType::CAMPAIGN, 0x13, campaign_values()),
        ("14-target", RowType::TARGET, 0x14, target_values()),
        ("15-denominator", RowType::DENOMINATOR, 0x15, vec![(denominator::VALUE, Raw(number.cbor()))]),
        ("16-manual-number", RowType::MANUAL_NUMBER, 0x16, vec![(manual_number::VALUE, Raw(typed.cbor()))]),
        (
            "17-recognition",
            RowType::RECOGNITION,
            0x17,
            vec![
                (recognition::SUBJECT, Raw(subject.cbor())),
                (recognition::STEPS, Raw(RecognitionSteps { steps: way, ext: ext() }.cbor())),
            ],
        ),
        (
            "18-report",
            RowType::REPORT,
            0x18,
            vec![
                (report::FRAME, Raw(frame.cbor())),
                (report::TEXTS, Raw(ReportTexts { texts: report_texts(), ext: ext() }.cbor())),
                (report::STATE, Raw(state.cbor())),
            ],
        ),
        ("19-course-run", RowType::COURSE_RUN, 0x19, vec![(course_run::RUN, Raw(course_run().cbor()))]),
        ("20-course-result", RowType::COURSE_RESULT, 0x20, vec![(course_result::RECORD, Raw(record.cbor()))]),
        (
            "21-support-certificate",
            RowType::SUPPORT_CERTIFICATE,
            0x21,
            vec![
                (support_certificate::CERTIFICATE, Raw(certificate.cbor())),
                (support_certificate::REVOKED, Raw(revoked.cbor())),
            ],
        ),
    ]
}

fn reorganised() -> ReorganisationWhat {
    let grants = vec![MovedGrant { old: GrantId(id(0x81)), new: GrantId(id(0x82)), ext: ext() }];
    let moves = vec![ReorganisationMove {
        old: UnitId(id(COMMUNE)),
        new: UnitId(id(0x24)),
        villages: vec![village()],
        grants,
        ext: ext(),
    }];
    ReorganisationWhat {
        effective: Day(20_270),
        basis: "1673/NQ-UBTVQH15".into(),
        communes: vec![UnitId(id(COMMUNE))],
        closed: vec![UnitId(id(COMMUNE))],
        opened: vec![UnitId(id(0x24))],
        moves,
        ext: ext(),
    }
}

fn event(ty: RowType, body: Raw, visit: Option<VisitId>) -> Event {
    Event {
        ty: ty.0,
        id: if visit.is_some() { EventId(id(0xe2)) } else { visit_id().into() },
        ver: Ver::first(1),
        visit,
        author: user(),
        epoch: EPOCH,
        n: 1,
        received: RECEIVED,
        flags: if visit.is_some() { 0 } else { flag::LATE | flag::NIGHT },
        at: AT,
        body,
        submitted: visit.is_none(),
        ext: ext(),
    }
}

/// One row of every type.
fn rows() -> Vec<(&'static str, Row)> {
    let stamp = Stamp { ver: Ver::first(1), epoch: EPOCH, n: 3 };
    let register = |ty, number: u8, values: Vec<(u8, Raw)>| Register::new(ty, id(number), stamp, values);
    let recorded = event(RowType::VISIT_RECORDED, Raw(content().cbor()), None);
    let mut state = initial_state(&recorded);
    state.ver = Ver(Ver::first(1).0 + 1);
    let review = Review {
        decision: "returned".into(),
        by: UserId(id(0xa4)),
        at: RECEIVED,
        hash: content_hash(&content().cbor()),
        reasons: reasons(),
        note: None,
        batch: None,
        ext: ext(),
    };
    let status = VisitStatusValue { status: "returned".into(), handed_in: None, was_returned: false, ext: ext() };
    let second = Stamp { ver: state.ver, epoch: Epoch(9), n: 1 };
    state.groups.insert(visit_state::STATUS, sync_protocol::row::Group::set(Raw(status.cbor()), second));
    state.groups.insert(visit_state::REVIEW, sync_protocol::row::Group::set(Raw(review.cbor()), second));
    let status = VisitStatusValue { handed_in: Some(RECEIVED), was_returned: true, ..status };
    let mut sent_back = state.clone();
    sent_back.groups.insert(visit_state::STATUS, sync_protocol::row::Group::set(Raw(status.cbor()), second));
    let who =
        MemberIdentity { team: TeamId(id(0x31)), user: user(), display_name: "Thành viên mẫu".into(), ext: ext() };
    let position = MemberPosition { position: "member".into(), organisation: "youth".into(), ext: ext() };
    let validity = Validity { from: Day(20_300), to: Some(Day(20_800)), ext: ext() };
    let subject = CaseSubject {
        kind: "conflict".into(),
        ty: RowType::HOUSEHOLD.0,
        id: id(0x41),
        group: household::CLASS,
        ext: ext(),
    };
    let side = |text: &str, by: Option<UserId>| Side {
        value: class(text).1,
        author: by,
        at: by.map(|_| AT),
        op: by.map(|_| OpUid(id(0x91))),
        ext: ext(),
    };
    let sides = CaseSides { sides: vec![side("poor", None), side("near_poor", Some(user()))], ext: ext() };
    let settled = CaseStatusValue {
        status: "resolved".into(),
        by: Some(UserId(id(0xa3))),
        at: Some(RECEIVED),
        chosen: Some(class("poor").1),
        ext: ext(),
    };
    let former = vec![FormerParent { parent: UnitId(id(COMMUNE)), from: Day(20_000), ext: ext() }];
    let parent = UnitParent { parent: UnitId(id(0x24)), from: Day(20_270), former, ext: ext() };
    let mut rehung = unit_groups("village", "Mẫu", id(COMMUNE)).0;
    rehung.insert(unit::PARENT, Raw(parent.cbor()));
    let rehung = rehung.into_iter().collect();
    let reorganisation =
        ReorganisationStatus { status: "applied".into(), by: UserId(id(0xa3)), at: RECEIVED, ext: ext() };
    let said = AnnouncementWords {
        title: "Ngày chuyển đổi số".into(),
        body: "Thứ bảy, 8 giờ, tại nhà văn hoá thôn.".into(),
        from: Day(20_770),
        to: Day(20_777),
        unit_name: "Xã Mẫu".into(),
        ext: ext(),
    };
    let stands = AnnouncementState { published: Day(20_769), withdrawn: Some(Day(20_771)), ext: ext() };
    let month = PeriodStatus { commune: UnitId(id(COMMUNE)), month: Month(24_322), open: true, ext: ext() };
    let mut household = register(RowType::HOUSEHOLD, 0x41, vec![label("nhà đầu suối"), class("poor")]);
    let guarded = household.groups.get_mut(&household::CLASS).expect("it was just set");
    guarded.case = Some(CaseId(id(0x71)));
    guarded.stamps.push(second);
    let moved = household.tombstone(Ver(Ver::first(1).0 + 2));
    let void = VoidReason { code: "duplicate".into(), text: Some("Ghi hai lần.".into()), ext: ext() };
    let newer = |ty| {
        let mut newer = Register::new(ty, id(0x77), stamp, [(1, Raw(5u8.cbor()))]);
        newer.ext.0.insert(30, "mới".to_owned().cbor());
        newer
    };
    let opaque = |ty| {
        let newer = newer(ty);
        let raw = Raw(newer.cbor());
        Row::Opaque { ty, id: newer.id, ver: newer.ver, raw }
    };
    let winner = HouseholdId(id(0x41));
    let record = MergeRecord {
        ver: second.ver,
        copied: vec![household::CLASS],
        cases: vec![CaseId(id(0x71))],
        reason: Some("Một hộ ghi hai lần.".into()),
        ext: ext(),
    };
    let alias = HouseholdAlias { into: winner, record, ext: ext() };
    let merged = HouseholdMerged { merged: vec![HouseholdId(id(0x43))], ext: ext() };
    let correction = Raw(VisitContent { minutes: None, ..content() }.cbor());
    let office = office_rows().into_iter().map(|(name, ty, number, values)| {
        let row = Register::new(ty, id(number), stamp, values);
        (name, Row::Register(row))
    });
    let rows = vec![
        (
            "01-unit",
            Row::Register(register(
                RowType::UNIT,
                VILLAGE,
                unit_groups("village", "Mẫu", id(COMMUNE)).0.into_iter().collect(),
            )),
        ),
        ("01-village", Row::Register(register(RowType::UNIT, VILLAGE, village_values()))),
        ("02-team", Row::Register(register(RowType::TEAM, 0x31, team_values().to_vec()))),
        (
            "03-team-member",
            Row::Register(register(
                RowType::TEAM_MEMBER,
                0x61,
                vec![(1, Raw(who.cbor())), (2, Raw(position.cbor())), (3, Raw(validity.cbor()))],
            )),
        ),
        ("04-household-in-dispute", Row::Register(household)),
        ("04-household-moved", Row::Register(moved)),
        (
            "04-household-alias",
            Row::Register(register(
                RowType::HOUSEHOLD,
                0x43,
                vec![label("nhà cạnh suối"), (household::ALIAS, Raw(alias.cbor()))],
            )),
        ),
        (
            "04-household-merged",
            Row::Register(register(
                RowType::HOUSEHOLD,
                0x41,
                vec![label("nhà đầu suối"), (household::MERGED, Raw(merged.cbor()))],
            )),
        ),
        ("05-plan", Row::Register(register(RowType::PLAN, 0x51, plan_values().to_vec()))),
        ("06-visit-state", Row::Register(state)),
        ("06-visit-state-sent-back", Row::Register(sent_back)),
        (
            "07-case",
            Row::Register(register(
                RowType::CASE,
                0x71,
                vec![(1, Raw(subject.cbor())), (2, Raw(sides.cbor())), (3, Raw(settled.cbor()))],
            )),
        ),
        ("08-period", Row::Register(register(RowType::PERIOD, 0x08, vec![(1, Raw(month.cbor()))]))),
        ("09-person", Row::Register(register(RowType::PERSON, 0x45, person_values()))),
        ("10-business", Row::Register(register(RowType::BUSINESS, 0x42, business_values()))),
        ("11-product", Row::Register(register(RowType::PRODUCT, 0x46, product_values()))),
        ("12-market", Row::Register(register(RowType::MARKET, 0x44, market_values()))),
        // Written when 12 was not known yet: what phones stored unread is read as a register now.
        ("12-of-a-later-version", Row::Register(newer(RowType::MARKET))),
        ("31-of-a-later-version", opaque(RowType(31))),
        ("01-unit-with-former-parents", Row::Register(register(RowType::UNIT, VILLAGE, rehung))),
        (
            "22-announcement",
            Row::Register(register(
                RowType::ANNOUNCEMENT,
                0x22,
                vec![(announcement::WORDS, Raw(said.cbor())), (announcement::STATE, Raw(stands.cbor()))],
            )),
        ),
        (
            "23-reorganisation",
            Row::Register(register(
                RowType::REORGANISATION,
                0x23,
                vec![(1, Raw(reorganised().cbor())), (2, Raw(reorganisation.cbor()))],
            )),
        ),
        ("32-visit-recorded", Row::Event(recorded)),
        ("33-visit-corrected", Row::Event(event(RowType::VISIT_CORRECTED, correction, Some(visit_id())))),
        ("34-visit-voided", Row::Event(event(RowType::VISIT_VOIDED, Raw(void.cbor()), Some(visit_id())))),
    ];
    rows.into_iter().chain(office).collect()
}

fn first_op() -> Vec<u8> {
    op(record()).cbor()
}
fn second_op() -> Vec<u8> {
    World::submit(VisitId(op(record()).row_id())).into_op(Salt([0x5b; 16]), ClaimedMs(AT.0 + 60_000), 7).cbor()
}

fn chain() -> [Chain; 3] {
    let start = Chain::start(device(), EPOCH);
    let first = start.then(&first_op());
    [start, first, first.then(&second_op())]
}

fn ops_frame() -> OpsFrame {
    let [start, _, head] = chain();
    let signature: Signature = key().sign(&signing_input(device(), EPOCH, 1, 2, &head));
    OpsFrame {
        first_n: 1,
        before: start.short(),
        ops: vec![Bytes(first_op()), Bytes(second_op())],
        signature: signature.to_bytes().into(),
        ext: ext(),
    }
}

fn cursors() -> Cursors {
    let cursor = |class, quarter, seq| Cursor {
        bucket: BucketId { scope: village().into(), class, quarter },
        gen_: 65_537,
        seq,
        mac: [0x33; 8],
    };
    Cursors(vec![cursor(Class::Control, 0, 4), cursor(Class::Register, 0, 150), cursor(Class::Event, 8_107, 1_000)])
}

fn holdings() -> Vec<HeldRole> {
    vec![HeldRole { scope: village().into(), role: "member".into(), ext: ext() }]
}

fn hello(last_n: u64, oldest_n: u64) -> Hello {
    Hello {
        proto: PROTO,
        device: device(),
        session: SESSION,
        epoch: EPOCH,
        parent: None,
        last_n,
        chain: chain()[last_n as usize].short(),
        oldest_n,
        holdings: holdings_short(7, &holdings()),
        cursors_short: Some(cursors().short()),
        cursors: None,
        budget_bytes: 0,
        classes: 0,
        schema: 1,
        app: None,
        ask: vec![],
        server_epoch: 1,
        purged: vec![],
        want_digests: false,
        life: None,
        call: 3,
        ext: ext(),
    }
}

fn header() -> Header {
    Header {
        server_epoch: 1,
        server_ms: RECEIVED,
        last_n: 2,
        durable_upto: 0,
        next_after_ms: 60_000,
        flags: header_flag::UPDATE_ADVISED,
        re: hello_tag(&seal_hello(&hello(2, 1), &SYNC_KEY)),
        life: Some([0x36; 16]),
        ext: ext(),
    }
}

fn outcomes() -> Outcomes {
    let outcome = |n, verdict, code: Option<Code>| Outcome {
        n,
        verdict,
        code: code.map(|code| code.text().to_owned()),
        field: None,
        ver: None,
        case: None,
        rule: None,
        ext: ext(),
    };
    let ver = Some(Ver::first(1));
    Outcomes {
        outcomes: vec![
            Outcome { ver, ..outcome(1, Verdict::Applied, None) },
            Outcome { ver, case: Some(CaseId(id(0x71))), ..outcome(2, Verdict::AppliedWithCase, None) },
            outcome(3, Verdict::Deferred, Some(Code::NeedsServerUpdate)),
            Outcome {
                field: Some("activities[0].outcome".into()),
                rule: Some("required".into()),
                ..outcome(4, Verdict::Rejected, Some(Code::ValidationFailed))
            },
        ],
        ext: ext(),
    }
}

fn rows_frame() -> RowsFrame {
    let row = rows().into_iter().find(|(name, _)| *name == "32-visit-recorded").expect("an event").1;
    RowsFrame {
        scope: village().into(),
        class: Class::Event as u8,
        quarter: 8_107,
        gen_: 65_537,
        from: 1_000,
        to: 1_001,
        mac: [0x34; 8],
        rows: vec![Bytes(row.cbor())],
        ext: ext(),
    }
}

fn trailer() -> Trailer {
    let head = Head {
        scope: village().into(),
        class: Class::Event as u8,
        quarter: 8_107,
        gen_: 65_537,
        head: 1_001,
        count: 900,
        sum: u64::MAX,
        ext: ext(),
    };
    Trailer { complete: true, state: Some([0x35; 8]), more: false, heads: vec![head], ext: ext() }
}

fn messages() -> Vec<(&'static str, FrameKind, Vec<u8>)> {
    let control = Control {
        grants_rev: 7,
        user: user(),
        display_name: "Thành viên mẫu".into(),
        holdings: holdings(),
        schema_min: 1,
        seal_key: None,
        ext: ext(),
    };
    let full = Hello {
        parent: Some((Epoch(5), 41)),
        cursors_short: None,
        cursors: Some(cursors()),
        budget_bytes: 65_536,
        classes: 2,
        app: Some("0.1.0".into()),
        ask: vec![1],
        purged: vec![(ScopeId(id(OTHER_VILLAGE)), 200)],
        want_digests: true,
        life: Some([0x36; 16]),
        call: 70_000,
        ..hello(2, 1)
    };
    let drop = DropFrame { scopes: vec![ScopeId(id(OTHER_VILLAGE))], ext: ext() };
    let chain = chain().iter().zip(0..).map(|(chain, n)| (n, chain.short())).collect();
    let fork = Fork { last_n: 2, chain, ext: ext() };
    let problem = Problem { code: "expected_n".into(), frame: 1, expected_n: Some(3), ext: ext() };
    vec![
        ("hello-idle", FrameKind::Hello, seal_hello(&hello(0, 0), &SYNC_KEY)),
        ("hello-full", FrameKind::Hello, seal_hello(&full, &SYNC_KEY)),
        ("ops", FrameKind::Ops, ops_frame().cbor()),
        ("header", FrameKind::Header, header().cbor()),
        ("outcomes", FrameKind::Outcomes, outcomes().cbor()),
        ("control", FrameKind::Control, control.cbor()),
        ("rows", FrameKind::Rows, rows_frame().cbor()),
        ("drop", FrameKind::Drop, drop.cbor()),
        ("trailer", FrameKind::Trailer, trailer().cbor()),
        ("fork", FrameKind::Fork, fork.cbor()),
        ("problem", FrameKind::Problem, problem.cbor()),
    ]
}

fn request() -> Vec<u8> {
    let mut body = Vec::new();
    write_frame(FrameKind::Hello, &seal_hello(&hello(2, 1), &SYNC_KEY), Effort::Phone, &mut body).expect("it fits");
    write_message(FrameKind::Ops, &ops_frame(), Effort::Phone, &mut body).expect("it fits");
    body
}

fn response() -> Vec<u8> {
    let mut body = Vec::new();
    let plain = Header { next_after_ms: 0, flags: 0, ..header() };
    let both = Outcomes { outcomes: outcomes().outcomes[..2].to_vec(), ext: ext() };
    let end = Trailer { heads: vec![], ..trailer() };
    write_message(FrameKind::Header, &plain, Effort::Server, &mut body).expect("it fits");
    write_message(FrameKind::Outcomes, &both, Effort::Server, &mut body).expect("it fits");
    write_message(FrameKind::Rows, &rows_frame(), Effort::Server, &mut body).expect("it fits");
    write_message(FrameKind::Trailer, &end, Effort::Server, &mut body).expect("it fits");
    body
}

/// Values that are computed and not sent as such.
fn values() -> Vec<(&'static str, Vec<u8>)> {
    let op = op(record());
    let [start, first, second] = chain();
    let bucket = BucketId { scope: village().into(), class: Class::Event, quarter: 8_107 };
    let mut digest = Digest::default();
    digest.add(RowType::VISIT_RECORDED, id(0xe1), Ver::first(1));
    digest.add(RowType::VISIT_CORRECTED, id(0xe2), Ver::first(1));
    let state = BucketState { bucket, gen_: 65_537, head: 1_001, digest };
    let activity = activity_id(EventId(op.row_id()), AT, 0);
    vec![
        ("op-uid", op.uid().as_bytes().to_vec()),
        ("op-row-id", op.row_id().as_bytes().to_vec()),
        ("op-case-id-1", op.case_id(1).as_bytes().to_vec()),
        ("activity-id-0", activity.as_bytes().to_vec()),
        ("period-id", period_id(UnitId(id(COMMUNE)), Month(24_322)).as_bytes().to_vec()),
        ("field-case-id", field_case_id(activity, CaseKind::DeviceNeed).as_bytes().to_vec()),
        ("denominator-id", denominator_id(village(), "households", Day(20_454)).as_bytes().to_vec()),
        ("content-hash", content_hash(&content().cbor()).to_vec()),
        ("chain-start", start.0.to_vec()),
        ("chain-after-1", first.0.to_vec()),
        ("chain-after-2", second.0.to_vec()),
        ("signing-input", signing_input(device(), EPOCH, 1, 2, &second)),
        ("device-public-key", key().verifying_key().to_sec1_point(true).as_bytes().to_vec()),
        ("cursors-short", cursors().short().to_vec()),
        ("holdings-short", holdings_short(7, &holdings()).to_vec()),
        ("row-hash", row_hash(RowType::VISIT_RECORDED, id(0xe1), Ver::first(1)).to_be_bytes().to_vec()),
        ("bucket-sum", digest.sum.to_be_bytes().to_vec()),
        ("state", fold(&[state]).to_vec()),
    ]
}

/// Every vector: file name, bytes.
fn vectors() -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for intent in intents() {
        let name = intent.name();
        let text = name.text().replace(['.', '/'], "-");
        all.insert(format!("op-{:04x}-{text}", name.code()), op(intent).cbor());
    }
    all.insert("op-0202-visit-submit-after-the-first".to_owned(), second_op());
    for (name, row) in rows() {
        all.insert(format!("row-{name}"), row.cbor());
    }
    for (name, _, bytes) in messages() {
        all.insert(format!("message-{name}"), bytes);
    }
    for (name, bytes) in values() {
        all.insert(format!("value-{name}"), bytes);
    }
    all.insert("body-request".to_owned(), request());
    all.insert("body-response".to_owned(), response());
    all
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/v1")
}

fn to_hex(bytes: &[u8]) -> String {
    let lines = bytes.chunks(32).map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n");
    lines.collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: String = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or(""))
        .flat_map(str::chars)
        .filter(|char| !char.is_whitespace())
        .collect();
    assert!(digits.len().is_multiple_of(2), "half a byte");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex")).collect()
}

fn file(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.hex")));
    from_hex(&text.unwrap_or_else(|error| panic!("golden/v1/{name}.hex: {error}")))
}

fn payloads(body: &[u8]) -> Vec<(FrameKind, Vec<u8>)> {
    Frames::new(body).map(|frame| frame.expect("a good frame")).collect()
}

#[test]
fn new_vectors_are_written_once() {
    if std::env::var("GOLDEN_WRITE").as_deref() != Ok("1") {
        return;
    }
    for (name, bytes) in vectors() {
        let path = folder().join(format!("{name}.hex"));
        if !path.exists() {
            std::fs::write(path, to_hex(&bytes)).expect("a writable folder");
        }
    }
}

#[test]
fn every_vector_is_written_the_same_today() {
    for (name, bytes) in vectors() {
        if name.starts_with("body-") {
            // How well a body is compressed may change; what it says may not.
            assert_eq!(payloads(&file(&name)), payloads(&bytes), "{name}");
        } else {
            assert_eq!(file(&name), bytes, "{name}");
        }
    }
    let names: BTreeSet<String> = vectors().into_keys().collect();
    let listed = std::fs::read_dir(folder()).expect("the golden folder");
    for entry in listed {
        let name = entry.expect("an entry").file_name().into_string().expect("a plain name");
        if let Some(name) = name.strip_suffix(".hex") {
            assert!(names.contains(name), "golden/v1/{name}.hex belongs to no vector");
        }
    }
}

/// Reads the files alone, without the code that made them: what was released stays readable.
#[test]
fn every_released_byte_is_still_read_and_written_back() {
    let mut seen = [0; 3];
    for name in vectors().into_keys() {
        let bytes = file(&name);
        if name.starts_with("op-") {
            let op = Op::read(&bytes).expect("an op");
            assert_eq!(op.cbor(), bytes, "{name}");
            let intent = Intent::of(&op).expect("a known name").expect("a known body");
            assert_eq!(intent.into_op(Salt(op.salt), op.at, op.grants_rev), op, "{name}");
            seen[0] += 1;
        } else if name.starts_with("row-") {
            assert_eq!(read::<Row>(&bytes).expect("a row").cbor(), bytes, "{name}");
            seen[1] += 1;
        } else if name.starts_with("message-") {
            let kind = name.strip_prefix("message-").expect("it starts so");
            let again = match kind {
                "hello-idle" | "hello-full" => {
                    let sealed = SealedHello::read(&bytes).expect("a hello");
                    assert!(sealed.is_sealed_by(&SYNC_KEY));
                    seal_hello(&sealed.hello, &SYNC_KEY)
                }
                "ops" => read::<OpsFrame>(&bytes).expect(kind).cbor(),
                "header" => read::<Header>(&bytes).expect(kind).cbor(),
                "outcomes" => read::<Outcomes>(&bytes).expect(kind).cbor(),
                "control" => read::<Control>(&bytes).expect(kind).cbor(),
                "rows" => read::<RowsFrame>(&bytes).expect(kind).cbor(),
                "drop" => read::<DropFrame>(&bytes).expect(kind).cbor(),
                "trailer" => read::<Trailer>(&bytes).expect(kind).cbor(),
                "fork" => read::<Fork>(&bytes).expect(kind).cbor(),
                "problem" => read::<Problem>(&bytes).expect(kind).cbor(),
                other => panic!("no reader for {other}"),
            };
            assert_eq!(again, bytes, "{name}");
            seen[2] += 1;
        }
    }
    assert_eq!(seen, [OpName::ALL.len() + 1, rows().len(), 11]);
    assert!(intents().iter().map(Intent::name).eq(OpName::ALL.iter().copied()), "one vector for every op");
}

#[test]
fn every_row_begins_with_its_type_id_and_version() {
    for (name, row) in rows() {
        let bytes = row.cbor();
        let mut map = IntMap::parse(&bytes).expect("a map");
        let begin: (u8, Uuid, Ver) = (map.req(0).unwrap(), map.req(1).unwrap(), map.req(2).unwrap());
        assert_eq!((row.ty().0, row.id(), row.ver()), begin, "{name}");
        assert_eq!(row.is_tombstone(), name == "04-household-moved", "{name}");
    }
    let all: Vec<Row> = rows().into_iter().map(|(_, row)| row).collect();
    let read: Vec<Row> = rows_as_bytes(&all).iter().map(|bytes| read_row(&bytes.0).unwrap()).collect();
    assert_eq!(read, all);
}

#[test]
fn the_signature_in_the_example_is_the_phones() {
    let body = file("body-request");
    let [(FrameKind::Hello, hello), (FrameKind::Ops, ops)] = &payloads(&body)[..] else { panic!("two frames") };
    let hello = SealedHello::read(hello).expect("a hello");
    assert!(hello.is_sealed_by(&SYNC_KEY));
    let ops: OpsFrame = read(ops).expect("ops");
    let start = Chain::start(hello.hello.device, hello.hello.epoch);
    assert_eq!(ops.before, start.short());
    let head = ops.ops.iter().fold(start, |chain, op| chain.then(&op.0));
    assert_eq!(hello.hello.chain, head.short());
    let input = signing_input(hello.hello.device, hello.hello.epoch, ops.first_n, ops.ops.len() as u32, &head);
    let signature = Signature::from_slice(&ops.signature).expect("a signature");
    key().verifying_key().verify(&input, &signature).expect("the phone's signature");
    assert!(ops.ops.iter().all(|op| check(&op.0).is_ok()));
}

/// The hex in docs/PROTOCOL.md is that of the files: a block that starts with three backticks, `hex` and a file's name.
#[test]
fn the_document_quotes_the_files() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/PROTOCOL.md");
    let text = std::fs::read_to_string(path).expect("docs/PROTOCOL.md");
    let mut quoted = 0;
    for block in text.split("```hex ").skip(1) {
        let (name, rest) = block.split_once('\n').expect("a name, then hex");
        let (hex, _) = rest.split_once("```").expect("an end of the block");
        assert_eq!(from_hex(hex), file(name.trim()), "docs/PROTOCOL.md, {name}");
        quoted += 1;
    }
    assert!(quoted >= 8, "only {quoted} examples in docs/PROTOCOL.md");
    // Every op and every code is there.
    for name in OpName::ALL {
        assert!(text.contains(&format!("`{}`", name.text())), "{} is missing", name.text());
        assert!(text.contains(&format!("`0x{:04x}`", name.code())), "{:04x} is missing", name.code());
    }
    for code in Code::ALL {
        assert!(text.contains(&format!("`{}`", code.text())), "{} is missing", code.text());
    }
    for (_, code) in flag::CODES {
        assert!(text.contains(&format!("`{code}`")), "{code} is missing");
    }
}
