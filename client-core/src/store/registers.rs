//! What a village keeps beside its households: persons, businesses, products; and the targets that are set for it.

use serde::Serialize;
use sync_protocol::entity::*;
use sync_protocol::fold::sort_key;
use sync_protocol::ids::*;
use sync_protocol::row::RowType;
use uuid::Uuid;

use super::Store;
use crate::error::Result;

/// A person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PersonView {
    /// Which one.
    pub id: Uuid,
    /// The village.
    pub unit: UnitId,
    /// Where the person lives; goes with the consent.
    pub household: Option<HouseholdId>,
    /// The name; goes with the consent.
    pub name: Option<String>,
    /// `7-14`, `15-17`, `18-39`, `40-59`, `60+`.
    pub birth_band: Option<String>,
    /// `female`, `male`, `other`.
    pub gender: Option<String>,
    /// The last three digits of the phone; go with the consent.
    pub phone_last3: Option<String>,
}

/// A business.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BusinessView {
    /// Which one.
    pub id: BusinessId,
    /// The village.
    pub unit: UnitId,
    /// Its name.
    pub name: String,
    /// `farm`, `shop`, `stall`, `cooperative`, `craft`.
    pub kind: String,
    /// Whose it is.
    pub household: Option<HouseholdId>,
    /// At which market it sells.
    pub market: Option<MarketId>,
}

/// A product.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ProductView {
    /// Which one.
    pub id: Uuid,
    /// The village.
    pub unit: UnitId,
    /// Who makes or sells it.
    pub business: BusinessId,
    /// The name of that business, where this phone has it.
    pub business_name: Option<String>,
    /// Its name.
    pub name: String,
    /// A code.
    pub category: String,
    /// Its rank in the one-commune-one-product programme, 0 to 5; 0 for none.
    pub ocop_stars: u8,
}

/// A published target of a unit of this phone or of one above.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TargetView {
    /// Which one.
    pub id: Uuid,
    /// Whose.
    pub unit: UnitId,
    /// The indicator that is to reach the value, or …
    pub indicator: Option<String>,
    /// … the kind of which so many activities are to be done.
    pub kind: Option<String>,
    /// How much: digits with at most one dot.
    pub value: String,
    /// What is to be done.
    pub task: Option<String>,
    /// Who answers for it.
    pub person: Option<String>,
    /// First day, `YYYY-MM-DD`.
    pub from: Option<String>,
    /// Last day.
    pub due: Option<String>,
}

impl Store {
    /// Persons that this phone holds, by name, those without one last; of one household only, when that is given.
    pub fn persons(&mut self, household: Option<HouseholdId>) -> Result<Vec<PersonView>> {
        self.read(|db| {
            let mut found = Vec::new();
            for id in db.ids_of_type(RowType::PERSON)? {
                let Some((scope, row)) = db.visible_register(RowType::PERSON, id)? else { continue };
                let home = row.group::<PersonHousehold>(person::HOUSEHOLD).map(|home| home.household);
                if household.is_some() && household != home {
                    continue;
                }
                found.push(PersonView {
                    id,
                    unit: scope.into(),
                    household: home,
                    name: row.group::<PersonName>(person::NAME).map(|name| name.display_name),
                    birth_band: row.group::<PersonBirth>(person::BIRTH).map(|birth| birth.band),
                    gender: row.group::<PersonGender>(person::GENDER).map(|gender| gender.gender),
                    phone_last3: row.group::<PersonPhone>(person::PHONE).map(|phone| phone.phone_last3),
                });
            }
            found.sort_by_cached_key(|view| (view.name.is_none(), view.name.as_deref().map(sort_key), view.id));
            Ok(found)
        })
    }

    /// Businesses that this phone holds, by name.
    pub fn businesses(&mut self) -> Result<Vec<BusinessView>> {
        self.read(|db| {
            let mut found = Vec::new();
            for id in db.ids_of_type(RowType::BUSINESS)? {
                let Some((scope, row)) = db.visible_register(RowType::BUSINESS, id)? else { continue };
                let Some(identity) = row.group::<BusinessIdentity>(business::IDENTITY) else { continue };
                found.push(BusinessView {
                    id: BusinessId(id),
                    unit: scope.into(),
                    name: identity.name,
                    kind: identity.kind,
                    household: row.group::<BusinessOwner>(business::OWNER).map(|owner| owner.household),
                    market: row.group::<BusinessMarket>(business::MARKET).map(|at| at.market),
                });
            }
            found.sort_by_cached_key(|view| (sort_key(&view.name), view.id));
            Ok(found)
        })
    }

    /// Products that this phone holds, by name.
    pub fn products(&mut self) -> Result<Vec<ProductView>> {
        self.read(|db| {
            let mut found = Vec::new();
            for id in db.ids_of_type(RowType::PRODUCT)? {
                let Some((scope, row)) = db.visible_register(RowType::PRODUCT, id)? else { continue };
                let Some(identity) = row.group::<ProductIdentity>(product::IDENTITY) else { continue };
                let of = db.visible_register(RowType::BUSINESS, identity.business.0)?;
                let of = of.and_then(|(_, row)| row.group::<BusinessIdentity>(business::IDENTITY));
                found.push(ProductView {
                    id,
                    unit: scope.into(),
                    business: identity.business,
                    business_name: of.map(|business| business.name),
                    name: identity.name,
                    category: identity.category,
                    ocop_stars: row.group::<ProductOcop>(product::OCOP).map_or(0, |ocop| ocop.stars),
                });
            }
            found.sort_by_cached_key(|view| (sort_key(&view.name), view.id));
            Ok(found)
        })
    }

    /// Published targets that this phone holds, the earliest due first. Drafts are for those who write them.
    pub fn targets(&mut self) -> Result<Vec<TargetView>> {
        self.read(|db| {
            let mut found = Vec::new();
            for id in db.ids_of_type(RowType::TARGET)? {
                let Some((scope, row)) = db.visible_register(RowType::TARGET, id)? else { continue };
                let state: Option<TargetState> = row.group(target::STATE);
                let Some(goal) = row.group::<TargetGoal>(target::GOAL) else { continue };
                if state.is_none_or(|state| state.published.is_none()) {
                    continue;
                }
                let clears: Option<TargetClears> = row.group(target::CLEARS);
                let (from, due) = clears.as_ref().map_or((None, None), |clears| (clears.from, clears.due));
                let (task, person) = clears.map_or((None, None), |clears| (clears.task, clears.person));
                let view = TargetView {
                    id,
                    unit: scope.into(),
                    indicator: goal.indicator,
                    kind: goal.kind,
                    value: goal.value,
                    task,
                    person,
                    from: from.map(|day| day.to_string()),
                    due: due.map(|day| day.to_string()),
                };
                found.push((due, view));
            }
            found.sort_by_key(|(due, view)| (due.is_none(), *due, view.id));
            Ok(found.into_iter().map(|(_, view)| view).collect())
        })
    }
}
