//! Announcements, as the desk lists them.

use serde::{Deserialize, Serialize};
use sync_protocol::access::Action;
use sync_protocol::entity::{AnnouncementState, AnnouncementWords, announcement};
use sync_protocol::ids::*;
use sync_protocol::row::RowType;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::*;

/// Which announcements are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AnnouncementQuery {
    /// A province with its communes, or a commune. Without it: wherever the asker may read.
    pub unit: Option<Uuid>,
    /// Only those that are in force on this day.
    #[param(format = Date)]
    pub on: Option<String>,
    /// Behind this place.
    pub cursor: Option<String>,
    /// At most so many: 50 unless told, 200 at most.
    pub limit: Option<u16>,
}

/// An announcement.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct AnnouncementView {
    /// The announcement.
    pub id: Uuid,
    /// The commune or province that speaks.
    pub unit: Named,
    /// What it is about.
    pub title: String,
    /// What it says.
    pub body: String,
    /// First day on which it is in force.
    #[schema(format = Date)]
    pub from: String,
    /// Last day.
    #[schema(format = Date)]
    pub to: String,
    /// The day on which it was published.
    #[schema(format = Date)]
    pub published: String,
    /// The day on which it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub withdrawn: Option<String>,
}

impl Reading {
    /// Lists announcements, those that were taken back too.
    pub async fn announcements(&self, by: UserId, query: AnnouncementQuery) -> Answer<Page<AnnouncementView>> {
        self.read_noted(by, "list.announcements", None, move |scoped| {
            let on = query.on.as_deref().map(|on| Day::parse(on).ok_or(ReadError::BadValue("on"))).transpose()?;
            let scopes = scoped.scopes(Action::ReadCounts, query.unit.map(UnitId))?;
            let (from, limit) = (cursor::to_row(query.cursor.as_deref())?, page_size(query.limit));
            let (items, place) =
                scoped.walk(&scopes, RowType::ANNOUNCEMENT, from, limit, |scoped, scope, register| {
                    let (Some(said), Some(stands)) = (
                        register.group::<AnnouncementWords>(announcement::WORDS),
                        register.group::<AnnouncementState>(announcement::STATE),
                    ) else {
                        return Ok(None);
                    };
                    if on.is_some_and(|on| stands.withdrawn.is_some() || !(said.from..=said.to).contains(&on)) {
                        return Ok(None);
                    }
                    Ok(Some(AnnouncementView {
                        id: register.id,
                        unit: scoped.unit_named(scope.into())?,
                        title: said.title,
                        body: said.body,
                        from: said.from.to_string(),
                        to: said.to.to_string(),
                        published: stands.published.to_string(),
                        withdrawn: stands.withdrawn.map(|day| day.to_string()),
                    }))
                })?;
            let entry = Entry {
                scope: query.unit.map_or_else(|| home_scope(&scoped.principal), ScopeId),
                object: None,
                outcome: items.len().to_string(),
                filter: query.on.clone(),
            };
            Ok((Page { items, next: place.map(cursor::of_row) }, entry))
        })
        .await
    }
}
