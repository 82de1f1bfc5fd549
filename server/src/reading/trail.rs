//! The audit trail: who did or read what, when, and how it ended. Ids and codes only.

use serde::{Deserialize, Serialize};
use sync_protocol::access::{INSTALLATION, Role};
use sync_protocol::cbor::Cbor;
use sync_protocol::ids::*;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::*;
use crate::work::AuditBody;

/// Who may read the trail of a place.
const READERS: [Role; 3] = [Role::Auditor, Role::PrivacyOfficer, Role::Admin];

/// Which entries are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TrailQuery {
    /// The unit whose chain is read; the nil id, or nothing, stands for the installation.
    pub scope: Option<Uuid>,
    /// Behind this place.
    pub cursor: Option<String>,
    /// At most so many: 50 unless told, 200 at most.
    pub limit: Option<u16>,
}

/// One entry.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct TrailEntry {
    /// Place in the scope's chain, from 1; a 64-bit number as text.
    pub seq: String,
    /// Hash of the chain up to and with this entry.
    pub hash: String,
    /// When, by the server's clock.
    #[schema(format = DateTime)]
    pub at: String,
    /// Who.
    pub actor: Uuid,
    /// With which device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Uuid>,
    /// What: an op's name, or the name of a reading.
    pub action: String,
    /// About which row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Uuid>,
    /// How it ended; for a list, how many items it had.
    pub outcome: String,
    /// Why, or under which filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Reading {
    /// Reads the trail of a scope, oldest first. Reading it is an entry too.
    pub async fn trail(&self, by: UserId, query: TrailQuery) -> Answer<Page<TrailEntry>> {
        self.read_noted(by, "list.audit", None, move |scoped| {
            let scope = query.scope.map_or(INSTALLATION, ScopeId);
            let reads = |role: Role| READERS.contains(&role);
            if !scoped.principal.holdings.iter().any(|holding| holding.ended.is_none() && reads(holding.role)) {
                return Err(ReadError::NotAllowed);
            }
            if !scoped.holds(&READERS, scope) || !scoped.unit_exists(scope.into())? {
                return Err(ReadError::NotFound);
            }
            let (after, limit) = (cursor::to_seq(query.cursor.as_deref())?, page_size(query.limit));
            let mut entries = scoped.tx.audit_after(scope, after, limit + 1)?;
            let more = entries.len() > limit;
            entries.truncate(limit);
            let last = entries.last().map(|entry| entry.seq);
            let items = entries.iter().map(|entry| {
                let body = AuditBody::from_cbor(&entry.body).map_err(|_| damaged("audit entry"))?;
                Ok(TrailEntry {
                    seq: entry.seq.to_string(),
                    hash: hex(&entry.hash),
                    at: rfc3339(body.at.0),
                    actor: body.actor.0,
                    device: body.device.map(|device| device.0),
                    action: body.action,
                    object: body.object,
                    outcome: body.outcome,
                    reason: body.reason,
                })
            });
            let items = items.collect::<Answer<Vec<TrailEntry>>>()?;
            let next = if more { last.map(cursor::of_seq) } else { None };
            let entry = Entry { scope, object: None, outcome: items.len().to_string(), filter: None };
            Ok((Page { items, next }, entry))
        })
        .await
    }
}
