//! What an activity may be about besides the household: businesses, products, markets, persons, devices that are needed.

use serde::Serialize;
use sync_protocol::case_flow::CaseKind;
use sync_protocol::entity::*;
use sync_protocol::fold::sort_key;
use sync_protocol::ids::*;
use sync_protocol::row::RowType;
use uuid::Uuid;

use super::Store;
use crate::error::Result;

/// Something that an activity can name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SubjectView {
    /// Which one.
    pub id: Uuid,
    /// Its name. For a need without words: its day.
    pub name: String,
    /// A code for what it is more closely: a business's kind, a product's category, a person's age.
    pub detail: Option<String>,
    /// In free words: when a market is held, whose product it is.
    pub words: Option<String>,
    /// It belongs to the household that is visited.
    pub here: bool,
    /// It has not reached the server yet.
    pub waiting: bool,
}

/// Which subjects are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubjectFilter {
    /// Of this village; markets of the commune above.
    pub village: ScopeId,
    /// Those of this household come first; persons and needs only of it.
    pub household: Option<HouseholdId>,
    /// Products of this business only.
    pub business: Option<BusinessId>,
}

impl Store {
    /// Businesses of a village, those of the household first.
    pub fn businesses_to_pick(&mut self, wanted: SubjectFilter) -> Result<Vec<SubjectView>> {
        self.read(|db| {
            let mut found = Vec::new();
            for id in db.ids_of_type(RowType::BUSINESS)? {
                let Some((scope, row)) = db.visible_register(RowType::BUSINESS, id)? else { continue };
                let Some(identity) = row.group::<BusinessIdentity>(business::IDENTITY) else { continue };
                if scope != wanted.village {
                    continue;
                }
                let owner = row.group::<BusinessOwner>(business::OWNER).map(|owner| owner.household);
                let here = owner.is_some() && owner == wanted.household;
                let waiting = db.is_predicted(RowType::BUSINESS, id)?;
                found.push(SubjectView {
                    id,
                    name: identity.name,
                    detail: Some(identity.kind),
                    words: None,
                    here,
                    waiting,
                });
            }
            Ok(sorted(found))
        })
    }

    /// Products of a village, or of one business; those of the household first.
    pub fn products_to_pick(&mut self, wanted: SubjectFilter) -> Result<Vec<SubjectView>> {
        let businesses = self.businesses_to_pick(wanted)?;
        self.read(|db| {
            let mut found = Vec::new();
            for id in db.ids_of_type(RowType::PRODUCT)? {
                let Some((_, row)) = db.visible_register(RowType::PRODUCT, id)? else { continue };
                let Some(identity) = row.group::<ProductIdentity>(product::IDENTITY) else { continue };
                let maker = businesses.iter().find(|business| business.id == identity.business.0);
                let Some(maker) = maker.filter(|_| wanted.business.is_none_or(|only| only == identity.business)) else {
                    continue;
                };
                found.push(SubjectView {
                    id,
                    name: identity.name,
                    detail: Some(identity.category),
                    words: Some(maker.name.clone()),
                    here: maker.here,
                    waiting: db.is_predicted(RowType::PRODUCT, id)?,
                });
            }
            Ok(sorted(found))
        })
    }

    /// Persons of a household who agreed that their name is kept.
    pub fn persons_to_pick(&mut self, wanted: SubjectFilter) -> Result<Vec<SubjectView>> {
        self.read(|db| {
            let mut found = Vec::new();
            for id in db.ids_of_type(RowType::PERSON)? {
                let Some((scope, row)) = db.visible_register(RowType::PERSON, id)? else { continue };
                let Some(name) = row.group::<PersonName>(person::NAME) else { continue };
                let lives = row.group::<PersonHousehold>(person::HOUSEHOLD).map(|lives| lives.household);
                let here = lives.is_some() && lives == wanted.household;
                if scope != wanted.village || (wanted.household.is_some() && !here) {
                    continue;
                }
                let detail = row.group::<PersonBirth>(person::BIRTH).map(|birth| birth.band);
                let waiting = db.is_predicted(RowType::PERSON, id)?;
                found.push(SubjectView { id, name: name.display_name, detail, words: None, here, waiting });
            }
            Ok(sorted(found))
        })
    }

    /// Needs for a device that are still open in a village.
    pub fn device_needs(&mut self, wanted: SubjectFilter) -> Result<Vec<SubjectView>> {
        let cases = self.field_cases()?;
        let open = cases.into_iter().filter(|case| {
            case.kind == CaseKind::DeviceNeed.code()
                && case.unit == UnitId::from(wanted.village)
                && !["closed", "rejected", "resolved"].contains(&case.status.as_str())
        });
        Ok(open
            .map(|case| SubjectView {
                id: case.id.0,
                name: case.text.unwrap_or_else(|| case.opened.clone()),
                detail: None,
                words: Some(case.opened),
                here: false,
                waiting: false,
            })
            .collect())
    }
}

fn sorted(mut found: Vec<SubjectView>) -> Vec<SubjectView> {
    found.sort_by_cached_key(|subject| (!subject.here, sort_key(&subject.name), subject.id));
    found
}
