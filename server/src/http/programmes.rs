//! What communes and provinces run: campaigns, recognitions, courses, and the certificates for the monthly support.

use actix_web::web::{self, Data};
use serde::Deserialize;
use sync_protocol::cbor::Ext;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::text::{clean, clean_lines};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::error::{ChangeRefusals, HttpError};
use super::extract::{Caller, Id, Json, Once, day, ver};
use super::registers::{Groups, enter};
use super::visits::{Changed, changed, perform};

type Answer<T> = Result<web::Json<T>, HttpError>;

fn spoken(text: Option<&str>) -> Option<String> {
    text.map(clean_lines).filter(|text| !text.is_empty())
}

/// A date of every year.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct YearlyBody {
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

/// When a campaign is held, and what counts.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FrameBody {
    /// `peak_month`, `peak_week`, `digital_day`, `national_day`, `province_day`, `thursday_online`, `drive`,
    /// `literacy_movement`.
    pub kind: String,
    /// First day.
    #[schema(format = Date)]
    pub from: String,
    /// Last day.
    #[schema(format = Date)]
    pub to: String,
    /// Weekly on one day: 1 is Monday, 7 Sunday.
    #[serde(default)]
    pub weekly: Option<u8>,
    /// Yearly on one date.
    #[serde(default)]
    pub yearly: Option<YearlyBody>,
    /// Kinds of activity that count.
    pub kinds: Vec<String>,
}

/// What a campaign is called, and who takes part.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WordsBody {
    /// Its title.
    pub title: String,
    /// Its theme.
    #[serde(default)]
    pub theme: Option<String>,
    /// Partner organisations.
    #[serde(default)]
    pub partners: Vec<String>,
    /// A daily report is asked for.
    #[serde(default)]
    pub daily_report: bool,
}

/// How many activities of a kind a unit is to reach.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignTargetBody {
    /// The campaign's own unit, or one below it.
    pub unit: Uuid,
    /// A kind that counts.
    pub kind: String,
    /// How many.
    pub value: u64,
}

/// Drafts a campaign.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCampaign {
    /// The commune or province.
    pub unit: Uuid,
    /// When it is held, and what counts.
    pub frame: FrameBody,
    /// What it is called.
    pub words: WordsBody,
    /// Its targets.
    #[serde(default)]
    pub targets: Option<Vec<CampaignTargetBody>>,
}

/// Changes a draft; what is left out stays. To a published campaign targets are added, nothing else.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignChange {
    /// The version that was seen.
    pub base_ver: String,
    /// When it is held, and what counts.
    #[serde(default)]
    pub frame: Option<FrameBody>,
    /// What it is called.
    #[serde(default)]
    pub words: Option<WordsBody>,
    /// All targets of a draft; of a published campaign those that are added.
    #[serde(default)]
    pub targets: Option<Vec<CampaignTargetBody>>,
}

fn campaign_groups(
    frame: Option<FrameBody>,
    words: Option<WordsBody>,
    targets: Option<Vec<CampaignTargetBody>>,
) -> Result<Groups, HttpError> {
    let mut groups = Groups::default();
    if let Some(frame) = frame {
        let frame = CampaignFrame {
            kind: frame.kind,
            from: day(&frame.from, "frame.from")?,
            to: day(&frame.to, "frame.to")?,
            weekly: frame.weekly,
            yearly: frame.yearly.map(|yearly| (yearly.month, yearly.day)),
            kinds: frame.kinds,
            ext: Ext::default(),
        };
        groups.put(campaign::FRAME, &frame);
    }
    if let Some(words) = words {
        let words = CampaignWords {
            title: clean(&words.title),
            theme: spoken(words.theme.as_deref()),
            partners: words.partners.iter().map(|partner| clean(partner)).collect(),
            daily_report: words.daily_report,
            ext: Ext::default(),
        };
        groups.put(campaign::WORDS, &words);
    }
    if let Some(targets) = targets {
        let target = |CampaignTargetBody { unit, kind, value }| CampaignTarget {
            unit: UnitId(unit),
            kind,
            value,
            ext: Ext::default(),
        };
        let targets = targets.into_iter().map(target).collect();
        groups.put(campaign::TARGETS, &CampaignTargets { targets, ext: Ext::default() });
    }
    Ok(groups)
}

/// Drafts a campaign.
#[utoipa::path(post, path = "/api/v1/campaigns", tag = "programmes",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn create_campaign(app: Data<App>, caller: Caller, once: Once, body: Json<NewCampaign>) -> Answer<Changed> {
    let NewCampaign { unit, frame, words, targets } = body.0;
    let groups = campaign_groups(Some(frame), Some(words), targets)?;
    enter(&app, caller, once, Intent::CampaignCreate(groups.create(unit))).await
}

/// Changes a draft, or adds targets to a campaign.
#[utoipa::path(patch, path = "/api/v1/campaigns/{id}", tag = "programmes",
    params(
        ("id" = Uuid, Path, description = "The campaign"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn change_campaign(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<CampaignChange>,
) -> Answer<Changed> {
    let CampaignChange { base_ver, frame, words, targets } = body.0;
    let intent = campaign_groups(frame, words, targets)?.set(id, &base_ver)?;
    perform(&app, caller, once, Intent::CampaignSet(intent), Some(id.0)).await
}

/// Publishes a campaign.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignPublication {
    /// The version that was seen.
    pub base_ver: String,
}

/// Publishes a campaign; refused while something stands against it (`campaign_fault`, `rule` says what).
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/publish", tag = "programmes",
    params(
        ("id" = Uuid, Path, description = "The campaign"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn publish_campaign(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<CampaignPublication>,
) -> Answer<Changed> {
    let base_ver = ver(&body.0.base_ver, "base_ver")?;
    let intent = PublishCampaign { campaign: CampaignId(id.0), base_ver, ext: Ext::default() };
    perform(&app, caller, once, Intent::CampaignPublish(intent), Some(id.0)).await
}

/// Closes a campaign: today is the last day on which it counts, unless it ended before.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/close", tag = "programmes",
    params(
        ("id" = Uuid, Path, description = "The campaign"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn close_campaign(app: Data<App>, caller: Caller, once: Once, id: Id) -> Answer<Changed> {
    let intent = CloseCampaign { campaign: CampaignId(id.0), ext: Ext::default() };
    perform(&app, caller, once, Intent::CampaignClose(intent), Some(id.0)).await
}

/// Proposes a person or a commune for recognition.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRecognition {
    /// The village of the person, or the commune.
    pub unit: Uuid,
    /// `digital_citizen`, `digital_commune`.
    pub what: String,
    /// The person, or the commune again.
    pub subject: Uuid,
    /// The set of criteria, a code of the indicators file.
    pub set: String,
    /// The person has agreed to be recognised.
    #[serde(default)]
    pub consent: bool,
}

/// Takes a recognition one step on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecognitionMove {
    /// `verified`, `granted`, `refused`, `revoked`.
    pub to: String,
    /// Number of the decision that grants it; only then.
    #[serde(default)]
    pub number: Option<String>,
    /// Day of that decision.
    #[serde(default)]
    #[schema(format = Date)]
    pub day: Option<String>,
    /// Why it is refused or revoked; only then.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Proposes a person or a commune for recognition.
#[utoipa::path(post, path = "/api/v1/recognitions", tag = "programmes",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn propose_recognition(
    app: Data<App>,
    caller: Caller,
    once: Once,
    body: Json<NewRecognition>,
) -> Answer<Changed> {
    let NewRecognition { unit, what, subject, set, consent } = body.0;
    let intent = ProposeRecognition { unit: UnitId(unit), what, subject, set, consent, ext: Ext::default() };
    perform(&app, caller, once, Intent::RecognitionPropose(intent), None).await
}

/// Takes a recognition one step on.
#[utoipa::path(post, path = "/api/v1/recognitions/{id}/advance", tag = "programmes",
    params(
        ("id" = Uuid, Path, description = "The recognition"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn advance_recognition(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<RecognitionMove>,
) -> Answer<Changed> {
    let RecognitionMove { to, number, day: on, reason } = body.0;
    let intent = AdvanceRecognition {
        recognition: RecognitionId(id.0),
        to,
        number: number.as_deref().map(clean).filter(|number| !number.is_empty()),
        day: on.as_deref().map(|text| day(text, "day")).transpose()?,
        reason: spoken(reason.as_deref()),
        ext: Ext::default(),
    };
    perform(&app, caller, once, Intent::RecognitionAdvance(intent), Some(id.0)).await
}

/// Enters a course that was held.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCourseRun {
    /// The unit for which it was held.
    pub unit: Uuid,
    /// The course's code.
    pub course: String,
    /// When.
    #[schema(format = Date)]
    pub day: String,
    /// Who taught.
    pub trainer: String,
    /// How many came.
    pub participants: u32,
    /// How many of them were women.
    #[serde(default)]
    pub women: u32,
    /// How many of them were 60 or older.
    #[serde(default)]
    pub aged_60: u32,
}

/// Enters one's own attempt at a course's quiz. Attempts add up and the best stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCourseResult {
    /// One's own membership.
    pub member: Uuid,
    /// The course's code.
    pub course: String,
    /// Questions answered right.
    pub right: u32,
    /// Questions asked.
    pub of: u32,
}

/// Enters a course that was held.
#[utoipa::path(post, path = "/api/v1/course-runs", tag = "programmes",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn record_course(app: Data<App>, caller: Caller, once: Once, body: Json<NewCourseRun>) -> Answer<Changed> {
    let said = body.0;
    let intent = CourseRun {
        course: said.course,
        unit: UnitId(said.unit),
        day: day(&said.day, "day")?,
        trainer: clean(&said.trainer),
        participants: said.participants,
        women: said.women,
        aged_60: said.aged_60,
        ext: Ext::default(),
    };
    perform(&app, caller, once, Intent::CourseRunRecord(intent), None).await
}

/// Enters one's own attempt at a course's quiz.
#[utoipa::path(post, path = "/api/v1/course-results", tag = "programmes",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn set_course_result(
    app: Data<App>,
    caller: Caller,
    once: Once,
    body: Json<NewCourseResult>,
) -> Answer<Changed> {
    let NewCourseResult { member, course, right, of } = body.0;
    let member = TeamMemberId(member);
    let id = course_result_id(member, &course);
    let intent = SetCourseResult { member, course, right, of, ext: Ext::default() };
    perform(&app, caller, once, Intent::CourseResultSet(intent), Some(id)).await
}

/// Signs that a team was active in a month. What was counted, and the amount, follow from the approved visits.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSupportCertificate {
    /// The team.
    pub team: Uuid,
    /// The reporting month, `YYYY-MM`.
    pub month: String,
}

/// Takes a signature back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SupportRevocation {
    /// Why.
    pub reason: String,
}

/// Signs that a team was active in a month. The server counts; too few approved visits are refused with
/// `support_not_earned`, and `errors` says how many are missing.
#[utoipa::path(post, path = "/api/v1/support-certificates", tag = "programmes",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn sign_support(
    app: Data<App>,
    caller: Caller,
    once: Once,
    body: Json<NewSupportCertificate>,
) -> Answer<Changed> {
    let month = Month::parse(&body.0.month).ok_or_else(|| HttpError::bad_value("month"))?;
    let team = TeamId(body.0.team);
    let signed = app.desk.sign_support(caller.user(), once.0, team, month).await?;
    changed(Some(signed), Some(support_id(team, month)))
}

/// Takes a signature back; the month may be signed again.
#[utoipa::path(post, path = "/api/v1/support-certificates/{id}/revoke", tag = "programmes",
    params(
        ("id" = Uuid, Path, description = "The certificate"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn revoke_support(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<SupportRevocation>,
) -> Answer<Changed> {
    let reason = clean_lines(&body.0.reason);
    let intent = RevokeSupport { certificate: SupportId(id.0), reason, ext: Ext::default() };
    perform(&app, caller, once, Intent::SupportRevoke(intent), Some(id.0)).await
}
