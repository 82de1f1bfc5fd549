//! What the screens ask: today, follow-ups, returned, one household, one visit. Typed answers; no SQL leaves here.

use rusqlite::OptionalExtension;
use serde::Serialize;
use sync_protocol::cbor::Raw;
use sync_protocol::entity::*;
use sync_protocol::fold::sort_key;
use sync_protocol::household::{alias_of, family, merged_into, root};
use sync_protocol::ids::*;
use sync_protocol::op::{activities_with_ids, read_content};
use sync_protocol::row::{Register, RowType, Ver, flag};
use sync_protocol::workflow::VisitStatus;
use uuid::Uuid;

use super::index::{DISPUTED, FLAGS_SHIFT, Side, VOID, VisitView, WAITING, status_number, status_of};
use super::{Db, HouseholdHit, Store};
use crate::error::{Error, Result};

const VISIT_COLUMNS: &str = "SELECT id, scope, household, author, day, status, bits FROM visit";
const PLAN_COLUMNS: &str = "SELECT lid FROM plan";

/// A visit in a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct VisitSummary {
    /// Which one.
    pub id: VisitId,
    /// Its village.
    pub scope: ScopeId,
    /// The household.
    pub household: Option<HouseholdId>,
    /// Who recorded it.
    pub author: UserId,
    /// The day, `YYYY-MM-DD`.
    pub day: String,
    /// A code of the visit workflow.
    pub status: String,
    /// Declared void.
    pub void: bool,
    /// Something about it has not reached the server, or its answer has not come back.
    pub waiting: bool,
    /// People disagree about it.
    pub disputed: bool,
    /// What a reviewer should look at: stable codes.
    pub flags: Vec<&'static str>,
}

/// A review, for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ReviewView {
    /// `returned` or `approved`.
    pub decision: String,
    /// Who.
    pub by: UserId,
    /// The name, where it is known here.
    pub by_name: Option<String>,
    /// When, by the server's clock.
    pub at: ServerMs,
    /// Why it was returned.
    pub reasons: Vec<ReasonView>,
    /// The reviewer's own words.
    pub note: Option<String>,
    /// Whether the review is about the content that holds now.
    pub current: bool,
}

/// One reason of a return, at the place it is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ReasonView {
    /// A stable code.
    pub code: String,
    /// Index of the activity.
    pub activity: Option<u32>,
    /// Code of the field.
    pub field: Option<String>,
    /// The reviewer's own words.
    pub text: Option<String>,
}

/// One activity of a visit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ActivityView {
    /// Which one.
    pub id: ActivityId,
    /// A kind of the catalogue.
    pub kind: String,
    /// The answers, as `Catalogue::to_json_fields` writes them.
    pub fields: serde_json::Value,
}

/// How far a visit has come on its way to the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum Delivery {
    /// On this phone only.
    Recorded,
    /// On its way: sent, not answered.
    Sent,
    /// The server has it.
    Confirmed,
}

/// One visit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VisitPage {
    /// Its line in a list.
    pub summary: VisitSummary,
    /// How far it has come.
    pub delivery: Delivery,
    /// The content that holds now.
    pub content: VisitContent,
    /// The valid content has not arrived; the one recorded first stands in.
    pub content_awaited: bool,
    /// Its activities with their ids.
    pub activities: Vec<ActivityView>,
    /// The last review.
    pub review: Option<ReviewView>,
    /// Open cases about it.
    pub cases: Vec<CaseId>,
    /// What a reviewer binds an approval to.
    pub hash: [u8; 16],
    /// Who recorded it, where the name is known here.
    pub author_name: Option<String>,
}

/// One household.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HouseholdPage {
    /// Its line in a list.
    pub household: HouseholdHit,
    /// All its field groups, with the cases about them.
    pub register: Register,
    /// The version that an edit is based on.
    pub seen_ver: Ver,
    /// Its class.
    pub class: Option<String>,
    /// People aged 15 and over.
    pub adults_15_plus: Option<u32>,
    /// What it agreed to.
    pub consent: Option<Consent>,
    /// Open cases about it.
    pub cases: Vec<CaseId>,
    /// Visits, the latest first.
    pub visits: Vec<VisitSummary>,
    /// Plans that are still open.
    pub plans: Vec<PlanView>,
}

/// A planned visit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct PlanView {
    /// Which one.
    pub id: PlanId,
    /// The village.
    pub village: UnitId,
    /// Whom to visit.
    pub household: Option<HouseholdId>,
    /// The household's name or label.
    pub household_label: Option<String>,
    /// A code of the catalogue's `visit_type` list.
    pub visit_type: String,
    /// When, `YYYY-MM-DD`.
    pub day: String,
    /// `planned`, `done`, `cancelled`.
    pub status: String,
    /// What is still owed: kinds of activity.
    pub kinds: Vec<String>,
    /// A note.
    pub note: Option<String>,
    /// The visit on which something stayed undone.
    pub follows: Option<VisitId>,
    /// The team.
    pub team: Option<TeamId>,
    /// The member.
    pub user: Option<UserId>,
    /// The visit that carried it out.
    pub visit: Option<VisitId>,
    /// Its day has passed.
    pub overdue: bool,
    /// It has not reached the server.
    pub waiting: bool,
}

/// The home screen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Today {
    /// The day, `YYYY-MM-DD`.
    pub day: String,
    /// Plans for today or before.
    pub plans: Vec<PlanView>,
    /// Visits of today.
    pub visits: Vec<VisitSummary>,
    /// Plans in which something is owed from an earlier visit.
    pub follow_ups: u64,
    /// Drafts.
    pub drafts: u64,
    /// Visits that were sent back.
    pub returned: u64,
    /// Ops that wait to be sent or answered.
    pub not_yet_synced: u64,
    /// Ops that were refused or are kept for later.
    pub needs_attention: u64,
}

/// A visit that was sent back, with why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Returned {
    /// The visit.
    pub visit: VisitSummary,
    /// The household's name or label.
    pub household_label: Option<String>,
    /// Why.
    pub review: Option<ReviewView>,
}

/// One answer in a case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SideView {
    /// The value, as it travels.
    pub value: Raw,
    /// The value, for people.
    pub words: String,
    /// What the visit says there, where two contents of a visit stand against each other and this one is here.
    pub content: Option<VisitContent>,
    /// Who gave it.
    pub author: Option<UserId>,
    /// The name, where it is known here.
    pub author_name: Option<String>,
    /// When, as the device's clock claimed.
    pub at: Option<ClaimedMs>,
}

/// A case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaseView {
    /// Which one.
    pub id: CaseId,
    /// Its village.
    pub scope: ScopeId,
    /// The row's type.
    pub ty: RowType,
    /// The row.
    pub subject: Uuid,
    /// The field group.
    pub group: u8,
    /// What people said.
    pub sides: Vec<SideView>,
    /// Still to be settled.
    pub open: bool,
}

/// A unit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct UnitView {
    /// Which one.
    pub id: UnitId,
    /// Its level.
    pub level: String,
    /// Name with the type.
    pub name: String,
    /// The official code.
    pub code: String,
    /// The unit above.
    pub parent: Option<UnitId>,
}

/// A team.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TeamView {
    /// Which one.
    pub id: TeamId,
    /// Its name.
    pub name: String,
    /// Its village or commune.
    pub unit: UnitId,
}

/// A member of a team.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct MemberView {
    /// The membership.
    pub id: TeamMemberId,
    /// The team.
    pub team: TeamId,
    /// The user.
    pub user: UserId,
    /// The name that colleagues see.
    pub display_name: String,
    /// `leader`, `deputy`, `member`.
    pub position: Option<String>,
}

/// Which visits are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VisitFilter {
    /// Of this household, or of one that was merged into it.
    pub household: Option<HouseholdId>,
    /// With this status.
    pub status: Option<VisitStatus>,
    /// From this day on.
    pub from: Option<Day>,
    /// Up to this day.
    pub to: Option<Day>,
    /// At most so many; 0 for all.
    pub limit: usize,
}

struct VisitLine {
    id: Uuid,
    scope: i64,
    household: Option<i64>,
    author: i64,
    day: u32,
    status: u8,
    bits: u32,
}

impl Db<'_> {
    fn visit_lines(&mut self, condition: &str, params: &[(&str, &dyn rusqlite::ToSql)]) -> Result<Vec<VisitSummary>> {
        let lines: Vec<VisitLine> = {
            let mut statement = self.conn.prepare_cached(&format!("{VISIT_COLUMNS} {condition}"))?;
            statement
                .query_map(params, |row| {
                    Ok(VisitLine {
                        id: Uuid::from_bytes(row.get(0)?),
                        scope: row.get(1)?,
                        household: row.get(2)?,
                        author: row.get(3)?,
                        day: row.get(4)?,
                        status: row.get(5)?,
                        bits: row.get(6)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()?
        };
        lines.into_iter().map(|line| self.visit_summary(&line)).collect()
    }

    fn visit_summary(&mut self, line: &VisitLine) -> Result<VisitSummary> {
        Ok(VisitSummary {
            id: VisitId(line.id),
            scope: ScopeId(self.uuid(line.scope)?),
            household: match line.household {
                Some(lid) => Some(HouseholdId(self.uuid(lid)?)),
                None => None,
            },
            author: UserId(self.uuid(line.author)?),
            day: Day(line.day).to_string(),
            status: status_of(line.status).code().to_owned(),
            void: line.bits & VOID != 0,
            waiting: line.bits & WAITING != 0,
            disputed: line.bits & DISPUTED != 0,
            flags: flag::codes(line.bits >> FLAGS_SHIFT),
        })
    }

    fn member_name(&mut self, user: UserId) -> Result<Option<String>> {
        if let Ok(identity) = self.identity_row()
            && identity.user == user
        {
            return Ok(Some(identity.display_name));
        }
        for id in self.ids_of_type(RowType::TEAM_MEMBER)? {
            if let Some((_, member)) = self.visible_register(RowType::TEAM_MEMBER, id)?
                && let Some(who) = member.group::<MemberIdentity>(team_member::IDENTITY)
                && who.user == user
            {
                return Ok(Some(who.display_name));
            }
        }
        Ok(None)
    }

    fn review_of(&mut self, view: &VisitView) -> Result<Option<ReviewView>> {
        let Some(review) = view.state.group::<Review>(visit_state::REVIEW) else { return Ok(None) };
        Ok(Some(ReviewView {
            by_name: self.member_name(review.by)?,
            current: review.hash == view.pointer.hash,
            decision: review.decision,
            by: review.by,
            at: review.at,
            reasons: review
                .reasons
                .into_iter()
                .map(|r| ReasonView { code: r.code, activity: r.activity, field: r.field, text: r.text })
                .collect(),
            note: review.note,
        }))
    }

    fn open_cases(&mut self, subject: Uuid) -> Result<Vec<CaseId>> {
        let lids: Vec<i64> = {
            let mut statement = self
                .conn
                .prepare_cached("SELECT lid FROM dispute WHERE subject = :subject AND open = 1 ORDER BY lid")?;
            statement.query_map([subject.as_bytes()], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        };
        lids.into_iter().map(|lid| self.uuid(lid).map(CaseId)).collect()
    }

    /// The household that stands for this one, as far as it is here: it may lie in a village that is not.
    fn household_root(&mut self, id: HouseholdId) -> Result<HouseholdId> {
        root(id, |at| {
            let up = self.visible_register(RowType::HOUSEHOLD, at.0)?.and_then(|(_, row)| alias_of(&row));
            Ok(match up {
                Some(up) if self.visible_register(RowType::HOUSEHOLD, up.0)?.is_some() => Some(up),
                _ => None,
            })
        })
    }

    /// The household that stands for this one at the server.
    pub(super) fn base_household_root(&mut self, id: HouseholdId) -> Result<HouseholdId> {
        root(id, |at| Ok(self.base_register(RowType::HOUSEHOLD, at.0)?.and_then(|(_, row)| alias_of(&row))))
    }

    /// A condition on a column that names a household: this one, or one that was merged into it.
    fn at_household(&mut self, id: HouseholdId) -> Result<String> {
        let all = family(id, |at| {
            let found = self.visible_register(RowType::HOUSEHOLD, at.0)?;
            Ok::<_, Error>(found.map_or_else(Vec::new, |(_, row)| merged_into(&row)))
        })?;
        let mut lids = Vec::new();
        for id in all {
            lids.extend(self.known_lid(id.as_bytes())?.map(|lid| lid.to_string()));
        }
        Ok(format!("household IN ({})", lids.join(", ")))
    }

    fn household_label(&mut self, household: HouseholdId) -> Result<Option<String>> {
        let household = self.household_root(household)?;
        let Some(lid) = self.known_lid(household.as_bytes())? else { return Ok(None) };
        Ok(self.hit(lid)?.map(|hit| hit.head.unwrap_or(hit.label)))
    }

    fn plan_lines(
        &mut self,
        condition: &str,
        params: &[(&str, &dyn rusqlite::ToSql)],
        today: Day,
    ) -> Result<Vec<PlanView>> {
        let lids: Vec<i64> = {
            let mut statement = self.conn.prepare_cached(&format!("{PLAN_COLUMNS} {condition}"))?;
            statement.query_map(params, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        };
        let mut plans = Vec::new();
        for lid in lids {
            let id = self.uuid(lid)?;
            let Some((_, register)) = self.visible_register(RowType::PLAN, id)? else { continue };
            let Some(task) = register.group::<PlanTask>(plan::TASK) else { continue };
            let assignee = register.group::<PlanAssignee>(plan::ASSIGNEE);
            let status = register.group::<PlanStatus>(plan::STATUS);
            let planned = status.as_ref().is_none_or(|status| status.status == "planned");
            let household_label = match task.household {
                Some(household) => self.household_label(household)?,
                None => None,
            };
            plans.push(PlanView {
                id: PlanId(id),
                village: task.village,
                household: task.household,
                household_label,
                visit_type: task.visit_type,
                day: task.planned_for.to_string(),
                overdue: planned && task.planned_for < today,
                kinds: task.kinds,
                note: task.note,
                follows: task.follows,
                team: assignee.as_ref().map(|assignee| assignee.team),
                user: assignee.and_then(|assignee| assignee.user),
                visit: status.as_ref().and_then(|status| status.visit),
                status: status.map_or_else(|| "planned".to_owned(), |status| status.status),
                waiting: self.is_predicted(RowType::PLAN, id)?,
            });
        }
        Ok(plans)
    }

    fn count(&mut self, sql: &str) -> Result<u64> {
        Ok(self.conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0))? as u64)
    }

    fn case_view(&mut self, id: Uuid) -> Result<Option<CaseView>> {
        let Some((scope, register)) = self.visible_register(RowType::CASE, id)? else { return Ok(None) };
        let Some(subject) = register.group::<CaseSubject>(case::SUBJECT) else { return Ok(None) };
        let sides = register.group::<CaseSides>(case::SIDES).map_or_else(Vec::new, |sides| sides.sides);
        let mut views = Vec::new();
        for side in sides {
            let author_name = match side.author {
                Some(author) => self.member_name(author)?,
                None => None,
            };
            let words = words_of_value(RowType(subject.ty), subject.group, &side.value);
            let content = self.content_on_side(&subject, &side.value)?;
            views.push(SideView { words, content, value: side.value, author: side.author, author_name, at: side.at });
        }
        Ok(Some(CaseView {
            id: CaseId(id),
            scope,
            ty: RowType(subject.ty),
            subject: subject.id,
            group: subject.group,
            sides: views,
            open: register.group::<CaseStatusValue>(case::STATUS).is_some_and(|status| status.status == "open"),
        }))
    }

    fn content_on_side(&mut self, subject: &CaseSubject, value: &Raw) -> Result<Option<VisitContent>> {
        use sync_protocol::cbor::Cbor;
        if (RowType(subject.ty), subject.group) != (RowType::VISIT_STATE, visit_state::CONTENT) {
            return Ok(None);
        }
        let Ok(pointer) = VisitPointer::from_cbor(&value.0) else { return Ok(None) };
        let event = self.visible_event(pointer.event)?;
        Ok(event.and_then(|(_, event)| read_content(&event.body).ok()))
    }
}

/// A group's value in words that need no translation: names, numbers, codes. A consent is `agreed`, `refused` or
/// `withdrawn`, a visit's content `void` or the id of its event.
fn words_of_value(ty: RowType, group: u8, value: &Raw) -> String {
    use sync_protocol::cbor::Cbor;
    let words = match (ty, group) {
        (RowType::HOUSEHOLD, household::LABEL) => HouseholdLabel::from_cbor(&value.0)
            .map(|v| [Some(v.label), v.landmark].into_iter().flatten().collect::<Vec<_>>().join("; ")),
        (RowType::HOUSEHOLD, household::HEAD) => HouseholdHead::from_cbor(&value.0).map(|v| v.display_name),
        (RowType::HOUSEHOLD, household::PHONE) => HouseholdPhone::from_cbor(&value.0).map(|v| v.phone),
        (RowType::HOUSEHOLD, household::CLASS) => HouseholdClass::from_cbor(&value.0).map(|v| v.class),
        (RowType::HOUSEHOLD, household::PEOPLE) => {
            HouseholdPeople::from_cbor(&value.0).map(|v| v.adults_15_plus.to_string())
        }
        (RowType::HOUSEHOLD, household::STATUS) => HouseholdStatus::from_cbor(&value.0).map(|v| v.status),
        (RowType::PERSON, person::NAME) => PersonName::from_cbor(&value.0).map(|v| v.display_name),
        (RowType::PERSON, person::BIRTH) => PersonBirth::from_cbor(&value.0).map(|v| v.band),
        (RowType::PERSON, person::GENDER) => PersonGender::from_cbor(&value.0).map(|v| v.gender),
        (RowType::PERSON, person::PHONE) => PersonPhone::from_cbor(&value.0).map(|v| v.phone_last3),
        (RowType::BUSINESS, business::IDENTITY) => BusinessIdentity::from_cbor(&value.0).map(|v| v.name),
        (RowType::PRODUCT, product::IDENTITY) => ProductIdentity::from_cbor(&value.0).map(|v| v.name),
        (RowType::PRODUCT, product::OCOP) => ProductOcop::from_cbor(&value.0).map(|v| v.stars.to_string()),
        (RowType::MARKET, market::IDENTITY) => MarketIdentity::from_cbor(&value.0).map(|v| v.name),
        (RowType::MARKET, market::DAYS) => MarketDays::from_cbor(&value.0).map(|v| v.days),
        (RowType::HOUSEHOLD, household::CONSENT) | (RowType::PERSON, person::CONSENT) => Consent::from_cbor(&value.0)
            .map(|v| match v {
                Consent { withdrawn: Some(_), .. } => "withdrawn".to_owned(),
                Consent { purposes, .. } if purposes.is_empty() => "refused".to_owned(),
                Consent { .. } => "agreed".to_owned(),
            }),
        (RowType::VISIT_STATE, visit_state::CONTENT) => VisitPointer::from_cbor(&value.0)
            .map(|v| if v.voided_by.is_some() { "void".to_owned() } else { v.event.to_string() }),
        _ => Ok(value.0.iter().map(|byte| format!("{byte:02x}")).collect()),
    };
    words.unwrap_or_default()
}

impl Store {
    /// What a household is called here: its head where there is consent, else the village's name for it.
    pub fn household_label(&mut self, household: HouseholdId) -> Result<Option<String>> {
        self.read(|db| db.household_label(household))
    }

    /// One visit.
    pub fn visit(&mut self, id: VisitId) -> Result<VisitPage> {
        self.read(|db| {
            let view = db.visit_view(id.0, Side::Visible)?.ok_or(Error::NotFound)?;
            let lines = db.visit_lines("WHERE id = :id", &[(":id", id.as_bytes())])?;
            let summary = lines.into_iter().next().ok_or(Error::NotFound)?;
            let in_base = db.base_ver(RowType::VISIT_RECORDED, id.0)?.is_some();
            let delivery = if in_base {
                Delivery::Confirmed
            } else {
                let sent: Option<bool> = db
                    .conn
                    .prepare_cached("SELECT state > 0 FROM op WHERE epoch = :epoch AND n = :n")?
                    .query_row(rusqlite::params![view.recorded.epoch.0 as i64, view.recorded.n as i64], |row| {
                        row.get(0)
                    })
                    .optional()?;
                if sent == Some(true) { Delivery::Sent } else { Delivery::Recorded }
            };
            let catalogue = sync_protocol::catalogue::Catalogue::shipped();
            let activities = activities_with_ids(view.pointer.event, view.content_at, &view.content)
                .into_iter()
                .map(|(id, activity)| ActivityView {
                    id,
                    kind: activity.kind.clone(),
                    fields: catalogue.to_json_fields(&activity.fields),
                })
                .collect();
            Ok(VisitPage {
                summary,
                delivery,
                review: db.review_of(&view)?,
                cases: db.open_cases(id.0)?,
                author_name: db.member_name(view.recorded.author)?,
                hash: view.pointer.hash,
                content_awaited: view.stand_in,
                activities,
                content: view.content,
            })
        })
    }

    /// Visits, the latest first.
    pub fn visits(&mut self, filter: &VisitFilter) -> Result<Vec<VisitSummary>> {
        self.read(|db| {
            let from = filter.from.map_or(0, |day| day.0);
            let to = filter.to.map_or(u32::MAX, |day| day.0);
            let limit = if filter.limit == 0 { i64::MAX } else { filter.limit as i64 };
            let status = filter.status.map(status_number);
            let mut condition = "WHERE day BETWEEN :from AND :to".to_owned();
            let mut params: Vec<(&str, &dyn rusqlite::ToSql)> =
                vec![(":from", &from), (":to", &to), (":limit", &limit)];
            if let Some(household) = filter.household {
                condition = format!("{condition} AND {}", db.at_household(household)?);
            }
            if let Some(status) = &status {
                condition.push_str(" AND status = :status");
                params.push((":status", status));
            }
            condition.push_str(" ORDER BY day DESC, id DESC LIMIT :limit");
            db.visit_lines(&condition, &params)
        })
    }

    /// Visits that were sent back, with the reviewer's reasons and words.
    pub fn returned(&mut self) -> Result<Vec<Returned>> {
        self.read(|db| {
            // The number stands in the query so that SQLite sees that the small index fits.
            let lines = db.visit_lines("WHERE status = 4 AND bits & 1 = 0 ORDER BY day, id", &[])?;
            let mut returned = Vec::new();
            for visit in lines {
                let review = match db.visit_view(visit.id.0, Side::Visible)? {
                    Some(view) => db.review_of(&view)?,
                    None => None,
                };
                let household_label = match visit.household {
                    Some(household) => db.household_label(household)?,
                    None => None,
                };
                returned.push(Returned { visit, household_label, review });
            }
            Ok(returned)
        })
    }

    /// The home screen.
    pub fn today(&mut self, day: Day) -> Result<Today> {
        self.read(|db| {
            let attention = "SELECT count(*) FROM op WHERE (verdict = 3 AND dismissed = 0) OR verdict = 2";
            Ok(Today {
                day: day.to_string(),
                plans: db.plan_lines("WHERE status = 0 AND day <= :day ORDER BY day, lid", &[(":day", &day.0)], day)?,
                visits: db.visit_lines("WHERE day = :day ORDER BY id DESC", &[(":day", &day.0)])?,
                follow_ups: db.count("SELECT count(*) FROM plan WHERE status = 0 AND owed = 1")?,
                drafts: db.draft_count()?,
                returned: db.count("SELECT count(*) FROM visit WHERE status = 4 AND bits & 1 = 0")?,
                not_yet_synced: db.undecided()?,
                needs_attention: db.count(attention)?,
            })
        })
    }

    /// Plans in which something is owed from an earlier visit ("còn nợ"), the oldest first.
    pub fn follow_ups(&mut self, today: Day) -> Result<Vec<PlanView>> {
        self.read(|db| db.plan_lines("WHERE status = 0 AND owed = 1 ORDER BY day, lid", &[], today))
    }

    /// Plans; all, or only those still open. By day.
    pub fn plans(&mut self, open_only: bool, today: Day) -> Result<Vec<PlanView>> {
        let condition = if open_only { "WHERE status = 0 ORDER BY day, lid" } else { "ORDER BY day, lid" };
        self.read(|db| db.plan_lines(condition, &[], today))
    }

    /// One household with its last visits, also those recorded at one that was merged into it. Asked for one that was
    /// merged, it shows the household that stands for it.
    pub fn household(&mut self, id: HouseholdId, visits_max: usize, today: Day) -> Result<HouseholdPage> {
        self.read(|db| {
            let id = db.household_root(id)?;
            let at_household = db.at_household(id)?;
            let (_, register) = db.visible_register(RowType::HOUSEHOLD, id.0)?.ok_or(Error::NotFound)?;
            let lid = db.known_lid(id.as_bytes())?.ok_or(Error::NotFound)?;
            let household = db.hit(lid)?.ok_or(Error::NotFound)?;
            let limit = visits_max as i64;
            Ok(HouseholdPage {
                household,
                seen_ver: db.base_ver(RowType::HOUSEHOLD, id.0)?.unwrap_or_default(),
                class: register.group::<HouseholdClass>(household::CLASS).map(|class| class.class),
                adults_15_plus: register.group::<HouseholdPeople>(household::PEOPLE).map(|p| p.adults_15_plus),
                consent: register.group(household::CONSENT),
                register,
                cases: db.open_cases(id.0)?,
                visits: db.visit_lines(
                    &format!("WHERE {at_household} ORDER BY day DESC, id DESC LIMIT :limit"),
                    &[(":limit", &limit)],
                )?,
                plans: db.plan_lines(&format!("WHERE {at_household} AND status = 0 ORDER BY day, lid"), &[], today)?,
            })
        })
    }

    /// Cases, with what each side said.
    pub fn cases(&mut self, open_only: bool) -> Result<Vec<CaseView>> {
        self.read(|db| {
            let mut cases = Vec::new();
            for id in db.ids_of_type(RowType::CASE)? {
                cases.extend(db.case_view(id)?.filter(|case| case.open || !open_only));
            }
            Ok(cases)
        })
    }

    /// One case.
    pub fn case(&mut self, id: CaseId) -> Result<CaseView> {
        self.read(|db| db.case_view(id.0)?.ok_or(Error::NotFound))
    }

    /// Villages and communes that are known here, in Vietnamese order.
    pub fn units(&mut self) -> Result<Vec<UnitView>> {
        self.read(|db| {
            let mut units = Vec::new();
            for id in db.ids_of_type(RowType::UNIT)? {
                let Some((_, register)) = db.visible_register(RowType::UNIT, id)? else { continue };
                let Some(identity) = register.group::<UnitIdentity>(unit::IDENTITY) else { continue };
                units.push(UnitView {
                    id: UnitId(id),
                    level: identity.level,
                    name: identity.full_name,
                    code: identity.code,
                    parent: register.group::<UnitParent>(unit::PARENT).map(|parent| parent.parent),
                });
            }
            units.sort_by_cached_key(|unit| (unit.level.clone(), sort_key(&unit.name)));
            Ok(units)
        })
    }

    /// Teams that are known here.
    pub fn teams(&mut self) -> Result<Vec<TeamView>> {
        self.read(|db| {
            let mut teams = Vec::new();
            for id in db.ids_of_type(RowType::TEAM)? {
                let Some((_, register)) = db.visible_register(RowType::TEAM, id)? else { continue };
                let Some(identity) = register.group::<TeamIdentity>(team::IDENTITY) else { continue };
                teams.push(TeamView { id: TeamId(id), name: identity.name, unit: identity.unit });
            }
            teams.sort_by_cached_key(|team| sort_key(&team.name));
            Ok(teams)
        })
    }

    /// Members of the teams that are known here.
    pub fn members(&mut self) -> Result<Vec<MemberView>> {
        self.read(|db| {
            let mut members = Vec::new();
            for id in db.ids_of_type(RowType::TEAM_MEMBER)? {
                let Some((_, register)) = db.visible_register(RowType::TEAM_MEMBER, id)? else { continue };
                let Some(who) = register.group::<MemberIdentity>(team_member::IDENTITY) else { continue };
                let position = register.group::<MemberPosition>(team_member::POSITION);
                members.push(MemberView {
                    id: TeamMemberId(id),
                    team: who.team,
                    user: who.user,
                    display_name: who.display_name,
                    position: position.map(|position| position.position),
                });
            }
            members.sort_by_cached_key(|member| sort_key(&member.display_name));
            Ok(members)
        })
    }

    /// How many activities a member has on a day, as shown here: above a limit the form asks for the reason.
    pub fn activities_on(&mut self, author: UserId, day: Day) -> Result<u32> {
        self.read(|db| {
            let mut sum = 0;
            for visit in db.visit_lines("WHERE day = :day", &[(":day", &day.0)])? {
                if visit.author == author
                    && !visit.void
                    && let Some(view) = db.visit_view(visit.id.0, Side::Visible)?
                {
                    sum += u32::try_from(view.content.activities.len()).unwrap_or(u32::MAX);
                }
            }
            Ok(sum)
        })
    }
}
