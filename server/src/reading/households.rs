//! Households: search, and one household with its open cases. Lists hold those that stand for themselves; one that was
//! merged into another is shown when it is asked for by its id.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sync_protocol::access::Action;
use sync_protocol::entity::*;
use sync_protocol::fold::{fold, matches_name};
use sync_protocol::household::{alias_of, family, merged_into, root};
use sync_protocol::ids::*;
use sync_protocol::row::{Register, RowType};
use utoipa::ToSchema;
use uuid::Uuid;

use super::plain;
use super::*;

/// What is searched. Names are typed here, so this travels in a body and never in an address.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HouseholdSearch {
    /// A village, or a commune with its villages. Without it: wherever the asker may read households.
    pub unit: Option<Uuid>,
    /// The same as `unit`, for who has a village at hand.
    pub village: Option<Uuid>,
    /// Beginnings of words of the label, the landmark or the head's name, without regard to tones; all must occur.
    /// Whoever sees names shortened finds them only as far as they are shown.
    #[schema(max_length = 120)]
    pub q: Option<String>,
    /// Behind this place.
    pub cursor: Option<String>,
    /// At most so many: 50 unless told, 200 at most.
    pub limit: Option<u16>,
}

/// A household.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct HouseholdView {
    /// The household.
    pub id: Uuid,
    /// The village.
    pub village: Named,
    /// What the village calls it.
    pub label: String,
    /// A landmark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landmark: Option<String>,
    /// The head's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Whether name and phone are shortened.
    pub is_masked: bool,
    /// `normal`, `poor`, `near_poor`, `policy`; for team and commune only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// People aged 15 and over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adults_15_plus: Option<u32>,
    /// `active` or `closed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What the household agreed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub consent: Option<Json>,
    /// Households that were merged into it, and into those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<Uuid>,
    /// The household into which it was merged: what holds stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<Uuid>,
    /// Open cases about it.
    pub cases: Vec<Uuid>,
    /// Its version; a 64-bit number as text. Whoever changes it says which version they saw.
    pub ver: String,
    /// Where its visits are listed.
    pub visits: String,
}

impl Reading {
    /// Searches households.
    pub async fn households(&self, by: UserId, search: HouseholdSearch) -> Answer<Page<HouseholdView>> {
        if search.q.as_ref().is_some_and(|q| q.chars().count() > 120) {
            return Err(ReadError::BadValue("q"));
        }
        self.read_noted(by, "list.households", None, move |scoped| {
            let unit = search.unit.or(search.village).map(UnitId);
            let scopes = scoped.scopes(Action::ReadRows, unit)?;
            let (from, limit) = (cursor::to_row(search.cursor.as_deref())?, page_size(search.limit));
            let query = search.q.clone().unwrap_or_default();
            let (items, place) = scoped.walk(&scopes, RowType::HOUSEHOLD, from, limit, |scoped, scope, register| {
                if alias_of(&register).is_some() {
                    return Ok(None);
                }
                let view = scoped.household_view(scope, &register)?;
                // What is shown is what is searched: a shortened name cannot be found out letter by letter.
                let words = [Some(&view.label), view.landmark.as_ref(), view.head.as_ref()];
                let words: Vec<String> = words.into_iter().flatten().map(|words| fold(words)).collect();
                let fits = words.iter().any(|words| matches_name(&query, words));
                Ok(fits.then_some(view))
            })?;
            let entry = Entry {
                scope: unit.map_or_else(|| home_scope(&scoped.principal), ScopeId::from),
                object: None,
                outcome: items.len().to_string(),
                filter: Some(if query.is_empty() { "all" } else { "by words" }.into()),
            };
            Ok((Page { items, next: place.map(cursor::of_row) }, entry))
        })
        .await
    }

    /// Shows one household.
    pub async fn household(&self, by: UserId, id: HouseholdId) -> Answer<HouseholdView> {
        self.read_noted(by, "read.household", Some(id.0), move |scoped| {
            let found = scoped.register(RowType::HOUSEHOLD, id.0)?;
            let (scope, register) = scoped.within(Action::ReadRows, found)?;
            let view = scoped.household_view(scope, &register)?;
            Ok((view, Entry { scope, object: Some(id.0), outcome: "read".into(), filter: None }))
        })
        .await
    }
}

impl Scoped<'_> {
    /// The household that stands for this one.
    pub(super) fn household_root(&mut self, id: HouseholdId) -> Answer<HouseholdId> {
        root(id, |at| Ok(self.register(RowType::HOUSEHOLD, at.0)?.and_then(|(_, row)| alias_of(&row))))
    }

    /// A household with everything that was merged into it.
    pub(super) fn household_family(&mut self, id: HouseholdId) -> Answer<Vec<HouseholdId>> {
        family(id, |at| {
            Ok(self.register(RowType::HOUSEHOLD, at.0)?.map_or_else(Vec::new, |(_, row)| merged_into(&row)))
        })
    }

    pub(super) fn household_view(&mut self, scope: ScopeId, register: &Register) -> Answer<HouseholdView> {
        let sight = self.sight(scope);
        let shown = |key| register.groups.get(&key).map(|group| plain::group(register.ty, key, &group.value, sight));
        let text = |key, name: &str| shown(key)?.get(name)?.as_str().map(str::to_owned);
        let people: Option<HouseholdPeople> = register.group(household::PEOPLE);
        Ok(HouseholdView {
            id: register.id,
            village: self.unit_named(scope.into())?,
            label: text(household::LABEL, "label").unwrap_or_default(),
            landmark: text(household::LABEL, "landmark"),
            head: text(household::HEAD, "display_name"),
            phone: text(household::PHONE, "phone"),
            is_masked: !sight.names,
            class: text(household::CLASS, "class"),
            adults_15_plus: people.map(|people| people.adults_15_plus),
            status: text(household::STATUS, "status"),
            consent: shown(household::CONSENT).filter(|consent| !consent.is_null()),
            merged: self.household_family(HouseholdId(register.id))?.into_iter().skip(1).map(|id| id.0).collect(),
            merged_into: alias_of(register).map(|into| into.0),
            cases: register.groups.values().filter_map(|group| group.case).map(|case| case.0).collect(),
            ver: register.ver.0.to_string(),
            visits: format!("/api/v1/visits?household={}", register.id),
        })
    }
}
