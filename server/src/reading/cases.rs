//! Conflict cases: what people said differently, side by side.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sync_protocol::access::Action;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::row::{Register, RowType};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::plain::{self, group_name, type_name};
use super::visits::ContentView;
use super::*;

/// Which cases are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CaseQuery {
    /// `open` or `resolved`.
    pub status: Option<String>,
    /// A village, or a commune with its villages. Without it: wherever the asker may read cases.
    pub scope: Option<Uuid>,
    /// Behind this place.
    pub cursor: Option<String>,
    /// At most so many: 50 unless told, 200 at most.
    pub limit: Option<u16>,
}

/// A case in a list.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CaseLine {
    /// The case.
    pub id: Uuid,
    /// Where.
    pub scope: Named,
    /// `conflict`.
    pub kind: String,
    /// `open` or `resolved`.
    pub status: String,
    /// What it is about: `household`, `visit`, `plan`, `team` or `unit`.
    pub subject: String,
    /// Which one.
    pub subject_id: Uuid,
    /// The field group that people disagree about.
    pub group: String,
    /// How many answers there are.
    pub sides: u32,
    /// Its version; a 64-bit number as text. Whoever settles it says which version they saw.
    pub ver: String,
}

/// A case.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CaseView {
    /// As in the list; `sides` there is their number.
    pub case: CaseLine,
    /// The answers, in the order of arrival.
    pub sides: Vec<SideView>,
    /// The value that the row has now.
    #[schema(value_type = Option<Object>)]
    pub current: Json,
    /// Who settled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<Named>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub resolved_at: Option<String>,
    /// The value chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub chosen: Option<Json>,
}

/// One answer of a case.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SideView {
    /// The number by which it is chosen.
    pub side: u32,
    /// The answer, masked as the asker's role demands.
    #[schema(value_type = Object)]
    pub value: Json,
    /// For a visit: the content that this answer stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentView>,
    /// Who gave it, when that is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<Named>,
    /// When, as the device's clock claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub claimed_at: Option<String>,
}

impl Reading {
    /// Lists cases.
    pub async fn cases(&self, by: UserId, query: CaseQuery) -> Answer<Page<CaseLine>> {
        if query.status.as_deref().is_some_and(|status| !matches!(status, "open" | "resolved")) {
            return Err(ReadError::BadValue("status"));
        }
        self.read_noted(by, "list.cases", None, move |scoped| {
            let scopes = scoped.scopes(Action::ReadRows, query.scope.map(UnitId))?;
            let (from, limit) = (cursor::to_row(query.cursor.as_deref())?, page_size(query.limit));
            let (items, place) = scoped.walk(&scopes, RowType::CASE, from, limit, |scoped, scope, register| {
                let line = scoped.case_line(scope, &register)?;
                Ok(line.filter(|line| query.status.as_ref().is_none_or(|status| *status == line.status)))
            })?;
            let entry = Entry {
                scope: query.scope.map_or_else(|| home_scope(&scoped.principal), ScopeId),
                object: None,
                outcome: items.len().to_string(),
                filter: query.status.clone(),
            };
            Ok((Page { items, next: place.map(cursor::of_row) }, entry))
        })
        .await
    }

    /// Shows one case.
    pub async fn case(&self, by: UserId, id: CaseId) -> Answer<CaseView> {
        self.read_noted(by, "read.case", Some(id.0), move |scoped| {
            let found = scoped.register(RowType::CASE, id.0)?;
            let (scope, register) = scoped.within(Action::ReadRows, found)?;
            let view = scoped.case_view(scope, &register)?;
            Ok((view, Entry { scope, object: Some(id.0), outcome: "read".into(), filter: None }))
        })
        .await
    }
}

impl Scoped<'_> {
    fn case_line(&mut self, scope: ScopeId, register: &Register) -> Answer<Option<CaseLine>> {
        let Some(subject) = register.group::<CaseSubject>(case::SUBJECT) else { return Ok(None) };
        let status = register.group::<CaseStatusValue>(case::STATUS).map(|status| status.status).unwrap_or_default();
        let sides = register.group::<CaseSides>(case::SIDES).map_or(0, |sides| sides.sides.len());
        Ok(Some(CaseLine {
            id: register.id,
            scope: self.unit_named(scope.into())?,
            kind: subject.kind.clone(),
            status,
            subject: type_name(RowType(subject.ty)).to_owned(),
            subject_id: subject.id,
            group: group_name(RowType(subject.ty), subject.group).to_owned(),
            sides: u32::try_from(sides).unwrap_or(u32::MAX),
            ver: register.ver.0.to_string(),
        }))
    }

    fn case_view(&mut self, scope: ScopeId, register: &Register) -> Answer<CaseView> {
        let line = self.case_line(scope, register)?.ok_or(ReadError::NotFound)?;
        let subject: CaseSubject = register.group(case::SUBJECT).ok_or(ReadError::NotFound)?;
        let (ty, sight) = (RowType(subject.ty), self.sight(scope));
        let mut sides = Vec::new();
        let said = register.group::<CaseSides>(case::SIDES).map(|sides| sides.sides).unwrap_or_default();
        for (side, said) in (0u32..).zip(said) {
            let content = match VisitPointer::from_cbor(&said.value.0) {
                Ok(pointer) if ty == RowType::VISIT_STATE => self.content_of(scope, pointer.event)?,
                _ => None,
            };
            sides.push(SideView {
                side,
                value: plain::group(ty, subject.group, &said.value, sight),
                content,
                author: match said.author {
                    Some(author) => Some(self.user_named(author)?),
                    None => None,
                },
                claimed_at: said.at.map(|at| rfc3339(at.0)),
            });
        }
        let row = self.register(ty, subject.id)?.filter(|(at, _)| *at == scope);
        let current = row.and_then(|(_, row)| {
            row.groups.get(&subject.group).map(|group| plain::group(ty, subject.group, &group.value, sight))
        });
        let status: Option<CaseStatusValue> = register.group(case::STATUS);
        Ok(CaseView {
            case: line,
            sides,
            current: current.unwrap_or(Json::Null),
            resolved_by: match status.as_ref().and_then(|status| status.by) {
                Some(by) => Some(self.user_named(by)?),
                None => None,
            },
            resolved_at: status.as_ref().and_then(|status| status.at).map(|at| rfc3339(at.0)),
            chosen: status.and_then(|status| status.chosen).map(|value| plain::group(ty, subject.group, &value, sight)),
        })
    }

    fn content_of(&mut self, scope: ScopeId, id: EventId) -> Answer<Option<ContentView>> {
        for ty in [RowType::VISIT_RECORDED, RowType::VISIT_CORRECTED] {
            if let Some((at, event)) = self.event(ty, id)?
                && at == scope
            {
                return self.content_view(scope, &event).map(Some);
            }
        }
        Ok(None)
    }
}
