//! The registers of villages and communes: persons, businesses, products, markets, and what a village is like.

use std::collections::BTreeMap;

use actix_web::web::{self, Data};
use serde::Deserialize;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::row::{ByKey, GroupKey};
use sync_protocol::text::clean;
use sync_protocol::value::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::error::{ChangeRefusals, HttpError};
use super::extract::{Caller, Id, Json, Once, day, ver};
use super::visits::{Changed, perform};
use crate::reading::units::{AttributeEntry, AttributeValue};

type Answer<T> = Result<web::Json<T>, HttpError>;

/// Field groups as they are filled from the members of a body.
#[derive(Default)]
pub(super) struct Groups(BTreeMap<GroupKey, Raw>);

impl Groups {
    /// Sets a group.
    pub(super) fn put(&mut self, key: GroupKey, value: &impl Cbor) {
        self.0.insert(key, Raw(value.cbor()));
    }

    /// Enters a new row of a unit with these groups.
    pub(super) fn create(self, unit: Uuid) -> CreateRow {
        CreateRow { scope: ScopeId(unit), groups: ByKey(self.0), id: None, ext: Ext::default() }
    }

    /// Sets these groups of a row. A body that sets nothing is refused.
    pub(super) fn set(self, id: Id, base_ver: &str) -> Result<SetGroups, HttpError> {
        let base_ver = ver(base_ver, "base_ver")?;
        if self.0.is_empty() {
            return Err(HttpError::bad_value_because("body", "nothing is changed: name at least one member"));
        }
        Ok(SetGroups { id: id.0, base_ver, groups: ByKey(self.0), ext: Ext::default() })
    }
}

/// Does one thing. Where the rules blame the scope of a row, the asker called it `unit`.
pub(super) async fn enter(app: &App, caller: Caller, once: Once, intent: Intent) -> Answer<Changed> {
    perform(app, caller, once, intent, None).await.map_err(|error| match error {
        HttpError::Refused(mut outcome) if outcome.field.as_deref() == Some("scope") => {
            outcome.field = Some("unit".to_owned());
            HttpError::Refused(outcome)
        }
        error => error,
    })
}

/// What a person agreed to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentBody {
    /// `visit_log`, `follow_up`, `recognition`, `photo`.
    pub purposes: Vec<String>,
    /// The version of the notice that was read out.
    pub notice_version: String,
    /// The language it was read in.
    pub language: String,
    /// `spoken_witnessed`, `signed_on_screen`, `guardian`.
    pub method: String,
    /// When.
    #[schema(format = Date)]
    pub given: String,
    /// When it was withdrawn: name, phone and household then go from the row everywhere.
    #[serde(default)]
    #[schema(format = Date)]
    pub withdrawn: Option<String>,
}

impl ConsentBody {
    fn read(self) -> Result<Consent, HttpError> {
        let withdrawn = self.withdrawn.as_deref().map(|text| day(text, "consent.withdrawn")).transpose()?;
        Ok(Consent {
            purposes: self.purposes,
            notice_version: self.notice_version,
            language: self.language,
            method: self.method,
            given: day(&self.given, "consent.given")?,
            withdrawn,
            ext: Ext::default(),
        })
    }
}

/// Enters a person, with their consent. Only in villages that keep persons.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPerson {
    /// The village.
    pub unit: Uuid,
    /// The household in which they live.
    pub household: Uuid,
    /// The name as written; no digits.
    pub name: String,
    /// `7-14`, `15-17`, `18-39`, `40-59`, `60+`.
    pub birth_band: String,
    /// `female`, `male`, `other`.
    #[serde(default)]
    pub gender: Option<String>,
    /// The last three digits of the phone number.
    #[serde(default)]
    pub phone_last3: Option<String>,
    /// What they agreed to; at least `visit_log`.
    pub consent: ConsentBody,
}

/// Changes a person; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonChange {
    /// The version that was seen.
    pub base_ver: String,
    /// The household in which they live.
    #[serde(default)]
    pub household: Option<Uuid>,
    /// The name as written; no digits.
    #[serde(default)]
    pub name: Option<String>,
    /// `7-14`, `15-17`, `18-39`, `40-59`, `60+`.
    #[serde(default)]
    pub birth_band: Option<String>,
    /// `female`, `male`, `other`.
    #[serde(default)]
    pub gender: Option<String>,
    /// The last three digits of the phone number.
    #[serde(default)]
    pub phone_last3: Option<String>,
    /// What they agreed to.
    #[serde(default)]
    pub consent: Option<ConsentBody>,
}

impl PersonChange {
    fn groups(self) -> Result<Groups, HttpError> {
        let mut groups = Groups::default();
        let ext = Ext::default;
        if let Some(household) = self.household {
            groups.put(person::HOUSEHOLD, &PersonHousehold { household: HouseholdId(household), ext: ext() });
        }
        if let Some(name) = self.name {
            groups.put(person::NAME, &PersonName { display_name: clean(&name), ext: ext() });
        }
        if let Some(band) = self.birth_band {
            groups.put(person::BIRTH, &PersonBirth { band, ext: ext() });
        }
        if let Some(gender) = self.gender {
            groups.put(person::GENDER, &PersonGender { gender, ext: ext() });
        }
        if let Some(phone_last3) = self.phone_last3 {
            groups.put(person::PHONE, &PersonPhone { phone_last3, ext: ext() });
        }
        if let Some(consent) = self.consent {
            groups.put(person::CONSENT, &consent.read()?);
        }
        Ok(groups)
    }
}

/// Enters a person.
#[utoipa::path(post, path = "/api/v1/persons", tag = "registers",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn create_person(app: Data<App>, caller: Caller, once: Once, body: Json<NewPerson>) -> Answer<Changed> {
    let NewPerson { unit, household, name, birth_band, gender, phone_last3, consent } = body.0;
    let said = PersonChange {
        base_ver: String::new(),
        household: Some(household),
        name: Some(name),
        birth_band: Some(birth_band),
        gender,
        phone_last3,
        consent: Some(consent),
    };
    enter(&app, caller, once, Intent::PersonCreate(said.groups()?.create(unit))).await
}

/// Changes a person.
#[utoipa::path(patch, path = "/api/v1/persons/{id}", tag = "registers",
    params(
        ("id" = Uuid, Path, description = "The person"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn change_person(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<PersonChange>,
) -> Answer<Changed> {
    let base_ver = body.0.base_ver.clone();
    let intent = body.0.groups()?.set(id, &base_ver)?;
    perform(&app, caller, once, Intent::PersonSet(intent), Some(id.0)).await
}

/// What a business is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BusinessBody {
    /// Its name.
    pub name: String,
    /// `farm`, `shop`, `stall`, `cooperative`, `craft`.
    pub kind: String,
}

/// Enters a business.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBusiness {
    /// The village.
    pub unit: Uuid,
    /// What it is.
    pub identity: BusinessBody,
    /// The household whose business it is.
    #[serde(default)]
    pub owner_household: Option<Uuid>,
    /// The market at which it sells, one of the commune.
    #[serde(default)]
    pub market: Option<Uuid>,
}

/// Changes a business; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BusinessChange {
    /// The version that was seen.
    pub base_ver: String,
    /// What it is.
    #[serde(default)]
    pub identity: Option<BusinessBody>,
    /// The household whose business it is.
    #[serde(default)]
    pub owner_household: Option<Uuid>,
    /// The market at which it sells, one of the commune.
    #[serde(default)]
    pub market: Option<Uuid>,
}

fn business_groups(identity: Option<BusinessBody>, owner: Option<Uuid>, market: Option<Uuid>) -> Groups {
    let mut groups = Groups::default();
    if let Some(BusinessBody { name, kind }) = identity {
        groups.put(business::IDENTITY, &BusinessIdentity { name: clean(&name), kind, ext: Ext::default() });
    }
    if let Some(household) = owner {
        groups.put(business::OWNER, &BusinessOwner { household: HouseholdId(household), ext: Ext::default() });
    }
    if let Some(market) = market {
        groups.put(business::MARKET, &BusinessMarket { market: MarketId(market), ext: Ext::default() });
    }
    groups
}

/// Enters a business.
#[utoipa::path(post, path = "/api/v1/businesses", tag = "registers",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn create_business(app: Data<App>, caller: Caller, once: Once, body: Json<NewBusiness>) -> Answer<Changed> {
    let NewBusiness { unit, identity, owner_household, market } = body.0;
    let groups = business_groups(Some(identity), owner_household, market);
    enter(&app, caller, once, Intent::BusinessCreate(groups.create(unit))).await
}

/// Changes a business.
#[utoipa::path(patch, path = "/api/v1/businesses/{id}", tag = "registers",
    params(
        ("id" = Uuid, Path, description = "The business"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn change_business(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<BusinessChange>,
) -> Answer<Changed> {
    let BusinessChange { base_ver, identity, owner_household, market } = body.0;
    let intent = business_groups(identity, owner_household, market).set(id, &base_ver)?;
    perform(&app, caller, once, Intent::BusinessSet(intent), Some(id.0)).await
}

/// What a product is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductBody {
    /// Who makes or sells it.
    pub business: Uuid,
    /// Its name.
    pub name: String,
    /// A code.
    pub category: String,
}

/// Enters a product.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProduct {
    /// The village.
    pub unit: Uuid,
    /// What it is.
    pub identity: ProductBody,
    /// Its rank in the one-commune-one-product programme: 0 to 5, 0 for none.
    #[serde(default)]
    pub ocop_stars: Option<u8>,
}

/// Changes a product; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductChange {
    /// The version that was seen.
    pub base_ver: String,
    /// What it is.
    #[serde(default)]
    pub identity: Option<ProductBody>,
    /// Its rank in the one-commune-one-product programme: 0 to 5, 0 for none.
    #[serde(default)]
    pub ocop_stars: Option<u8>,
}

fn product_groups(identity: Option<ProductBody>, stars: Option<u8>) -> Groups {
    let mut groups = Groups::default();
    if let Some(ProductBody { business, name, category }) = identity {
        let (business, name) = (BusinessId(business), clean(&name));
        groups.put(product::IDENTITY, &ProductIdentity { business, name, category, ext: Ext::default() });
    }
    if let Some(stars) = stars {
        groups.put(product::OCOP, &ProductOcop { stars, ext: Ext::default() });
    }
    groups
}

/// Enters a product.
#[utoipa::path(post, path = "/api/v1/products", tag = "registers",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn create_product(app: Data<App>, caller: Caller, once: Once, body: Json<NewProduct>) -> Answer<Changed> {
    let NewProduct { unit, identity, ocop_stars } = body.0;
    let groups = product_groups(Some(identity), ocop_stars);
    enter(&app, caller, once, Intent::ProductCreate(groups.create(unit))).await
}

/// Changes a product.
#[utoipa::path(patch, path = "/api/v1/products/{id}", tag = "registers",
    params(
        ("id" = Uuid, Path, description = "The product"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn change_product(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<ProductChange>,
) -> Answer<Changed> {
    let ProductChange { base_ver, identity, ocop_stars } = body.0;
    let intent = product_groups(identity, ocop_stars).set(id, &base_ver)?;
    perform(&app, caller, once, Intent::ProductSet(intent), Some(id.0)).await
}

/// What a market is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarketBody {
    /// Its name.
    pub name: String,
}

/// Enters a market.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMarket {
    /// The commune.
    pub unit: Uuid,
    /// What it is.
    pub identity: MarketBody,
    /// When it is held, in words: "Chủ nhật hằng tuần", "ngày 2 và 7 âm lịch".
    #[serde(default)]
    pub days: Option<String>,
}

/// Changes a market; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarketChange {
    /// The version that was seen.
    pub base_ver: String,
    /// What it is.
    #[serde(default)]
    pub identity: Option<MarketBody>,
    /// When it is held, in words.
    #[serde(default)]
    pub days: Option<String>,
}

fn market_groups(identity: Option<MarketBody>, days: Option<String>) -> Groups {
    let mut groups = Groups::default();
    if let Some(MarketBody { name }) = identity {
        groups.put(market::IDENTITY, &MarketIdentity { name: clean(&name), ext: Ext::default() });
    }
    if let Some(days) = days {
        groups.put(market::DAYS, &MarketDays { days: clean(&days), ext: Ext::default() });
    }
    groups
}

/// Enters a market. It goes to the phones of the commune's villages with their next sync.
#[utoipa::path(post, path = "/api/v1/markets", tag = "registers",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn create_market(app: Data<App>, caller: Caller, once: Once, body: Json<NewMarket>) -> Answer<Changed> {
    let NewMarket { unit, identity, days } = body.0;
    enter(&app, caller, once, Intent::MarketCreate(market_groups(Some(identity), days).create(unit))).await
}

/// Changes a market.
#[utoipa::path(patch, path = "/api/v1/markets/{id}", tag = "registers",
    params(
        ("id" = Uuid, Path, description = "The market"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn change_market(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<MarketChange>,
) -> Answer<Changed> {
    let MarketChange { base_ver, identity, days } = body.0;
    let intent = market_groups(identity, days).set(id, &base_ver)?;
    perform(&app, caller, once, Intent::MarketSet(intent), Some(id.0)).await
}

/// Writes what a village is like, with its history.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributesChange {
    /// The version of the unit that was seen.
    pub base_ver: String,
    /// The whole history as it is to stand, by code, then by day; it takes the place of the one before.
    pub attributes: Vec<AttributeEntry>,
}

/// Chooses how much of people is kept in a village.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivacyChange {
    /// The version of the unit that was seen.
    pub base_ver: String,
    /// `tally`: counts only; `household`: households; `person`: persons too.
    pub privacy: String,
}

/// Writes what a village is like, with its history.
#[utoipa::path(patch, path = "/api/v1/units/{id}/attributes", tag = "registers",
    params(
        ("id" = Uuid, Path, description = "The village"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn change_attributes(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<AttributesChange>,
) -> Answer<Changed> {
    let AttributesChange { base_ver, attributes } = body.0;
    let read = |(at, entry): (usize, AttributeEntry)| {
        let value = match entry.value {
            AttributeValue::Holds(holds) => Value::Bool(holds),
            AttributeValue::Number(number) => Value::Int(number),
            AttributeValue::Code(code) => Value::Text(code),
            AttributeValue::Codes(mut codes) => {
                // A set has one spelling; in which order it was typed says nothing.
                codes.sort();
                Value::Codes(codes)
            }
        };
        let from = day(&entry.from, &format!("attributes[{at}].from"))?;
        Ok(AttributeFrom { code: entry.code, from, value, ext: Ext::default() })
    };
    let history = attributes.into_iter().enumerate().map(read).collect::<Result<_, HttpError>>()?;
    let mut groups = Groups::default();
    groups.put(unit::ATTRIBUTES, &UnitAttributes { history, ext: Ext::default() });
    perform(&app, caller, once, Intent::UnitSet(groups.set(id, &base_ver)?), Some(id.0)).await
}

/// Chooses how much of people is kept in a village.
#[utoipa::path(patch, path = "/api/v1/units/{id}/privacy", tag = "registers",
    params(
        ("id" = Uuid, Path, description = "The village"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn change_privacy(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<PrivacyChange>,
) -> Answer<Changed> {
    let mut groups = Groups::default();
    groups.put(unit::PRIVACY, &UnitPrivacy { mode: body.0.privacy, ext: Ext::default() });
    perform(&app, caller, once, Intent::UnitSet(groups.set(id, &body.0.base_ver)?), Some(id.0)).await
}
