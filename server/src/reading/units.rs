//! Administrative units as they are in the store.

use serde::{Deserialize, Serialize};
use sync_protocol::access::{Action, INSTALLATION};
use sync_protocol::decide::reporting_month;
use sync_protocol::entity::*;
use sync_protocol::household::PrivacyMode;
use sync_protocol::ids::*;
use sync_protocol::row::{Register, RowType};
use sync_protocol::value::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::country::country;
use super::counts::days_of;
use super::visits::day;
use super::*;
use crate::units::Level;

/// Which units are wanted: those below one, or the one with a code.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UnitQuery {
    /// The unit above.
    pub parent: Option<Uuid>,
    /// `province`, `district`, `commune` or `village`; together with `code`.
    pub level: Option<String>,
    /// The official code; for a village `<commune code>-<nnn>`. Codes are reused, so `on` decides.
    pub code: Option<String>,
    /// Only what is in force on this day; with `parent`, what lay there on it. With `code`: today unless told.
    pub on: Option<String>,
}

/// A unit over its period of validity.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct UnitView {
    /// The unit's row; the same code in another period is another row.
    pub id: Uuid,
    /// `province`, `district`, `commune` or `village`.
    pub level: String,
    /// The official code.
    pub code: String,
    /// `xa`, `phuong`, `thon`, `ban`, …
    pub unit_type: String,
    /// Name without the type.
    pub name: String,
    /// Name with the type.
    pub full_name: String,
    /// Name in the local language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_name: Option<String>,
    /// The unit above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Uuid>,
    /// First day in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub from: Option<String>,
    /// First day on which it is no longer in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub to: Option<String>,
    /// How much of people a village keeps: `tally`, `household`, `person`; absent above villages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy: Option<String>,
    /// What a village is like: the whole history, by code, then by day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<AttributeEntry>,
    /// Its version; a 64-bit number as text.
    pub ver: String,
}

/// What an attribute of a village is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum AttributeValue {
    /// `fibre_available`, `grid_power`, `public_wifi`.
    Holds(bool),
    /// `distance_to_commune_km`.
    Number(i64),
    /// `mobile_tech_best`, `access`: a code.
    Code(String),
    /// `operators_ok`, `common_languages`: codes.
    Codes(Vec<String>),
}

/// What an attribute was from a day on, until its next entry.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributeEntry {
    /// `mobile_tech_best`, `fibre_available`, `operators_ok`, `grid_power`, `distance_to_commune_km`, `access`,
    /// `common_languages`, `public_wifi`.
    pub code: String,
    /// First day.
    #[schema(format = Date)]
    pub from: String,
    /// What it is; its form follows from the code.
    pub value: AttributeValue,
}

/// Whose reporting months are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PeriodQuery {
    /// The commune.
    pub unit: Uuid,
    /// The last month wanted, `YYYY-MM`; unless told the one in which today lies.
    #[param(example = "2026-12")]
    pub until: Option<String>,
}

/// A reporting month of a commune.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PeriodView {
    /// The month, `YYYY-MM`.
    pub month: String,
    /// Its first day.
    #[schema(format = Date)]
    pub from: String,
    /// Its last day.
    #[schema(format = Date)]
    pub until: String,
    /// Whether it takes changes.
    pub open: bool,
}

/// Months in one list: a year, and the one before it.
const PERIODS: u32 = 13;

impl Reading {
    /// Lists units.
    pub async fn units(&self, by: UserId, query: UnitQuery) -> Answer<Page<UnitView>> {
        let on = day(query.on.as_deref(), "on")?;
        let level = query.level.as_deref().map(|level| Level::from_code(level).ok_or(ReadError::BadValue("level")));
        let level = level.transpose()?;
        if query.parent.is_none() && (level.is_none() || query.code.is_none()) {
            return Err(ReadError::BadValue("parent"));
        }
        self.read(by, move |scoped| {
            scoped.function(Action::ReadTeams)?;
            let ids = match (query.parent, level, &query.code) {
                (Some(parent), _, _) => {
                    if !scoped.sees_unit(UnitId(parent))? {
                        return Err(ReadError::NotFound);
                    }
                    match on {
                        Some(on) => scoped.tx.units_below_on(UnitId(parent), on)?,
                        None => scoped.tx.units_below(UnitId(parent))?,
                    }
                }
                (None, Some(level), Some(code)) => {
                    let today = on.unwrap_or(Day::of_ms(scoped.now.0));
                    // Village codes are the product's own; those above them are in the official lists.
                    let (commune, is_village) = match code.split_once('-') {
                        Some((commune, _)) if level == Level::Village => (commune, true),
                        _ => (code.as_str(), false),
                    };
                    let found = country().and_then(|country| {
                        country.get(if is_village { Level::Commune } else { level }, commune, today)
                    });
                    match found {
                        Some(commune) if is_village => scoped.tx.units_below(commune.row_id)?,
                        Some(unit) => vec![unit.row_id],
                        None => vec![],
                    }
                }
                _ => vec![],
            };
            let mut items = Vec::new();
            for id in ids {
                if let Some((_, register)) = scoped.register(RowType::UNIT, id.0)?
                    && scoped.sees_unit(id)?
                    && on.is_none_or(|on| is_in_force(&register, on))
                    && let Some(view) = unit_view(&register)
                    && (query.parent.is_some() || query.code.as_ref() == Some(&view.code))
                    && level.is_none_or(|level| level.code() == view.level)
                {
                    items.push(view);
                }
            }
            items.sort_by(|a, b| (&a.code, &a.from).cmp(&(&b.code, &b.from)));
            Ok(Page { items, next: None })
        })
        .await
    }

    /// Shows one unit.
    pub async fn unit(&self, by: UserId, id: UnitId) -> Answer<UnitView> {
        self.read(by, move |scoped| {
            scoped.function(Action::ReadTeams)?;
            let found = scoped.register(RowType::UNIT, id.0)?;
            let (_, register) = found.ok_or(ReadError::NotFound)?;
            if !scoped.sees_unit(id)? {
                return Err(ReadError::NotFound);
            }
            unit_view(&register).ok_or(ReadError::NotFound)
        })
        .await
    }

    /// Lists reporting months of a commune, the latest first. A month is open until it is closed.
    pub async fn periods(&self, by: UserId, query: PeriodQuery) -> Answer<Page<PeriodView>> {
        let until = query.until.as_deref().map(|month| Month::parse(month).ok_or(ReadError::BadValue("until")));
        let (commune, until) = (UnitId(query.unit), until.transpose()?);
        self.read(by, move |scoped| {
            scoped.function(Action::ReadTeams)?;
            if !scoped.may(Action::ReadTeams, commune.into()) || !scoped.unit_exists(commune)? {
                return Err(ReadError::NotFound);
            }
            let last = until.unwrap_or_else(|| reporting_month(Day::of_ms(scoped.now.0)));
            let mut items = Vec::new();
            for month in (0..PERIODS).filter_map(|back| last.0.checked_sub(back).map(Month)) {
                let Some((from, until)) = days_of(month) else { break };
                let found = scoped.register(RowType::PERIOD, period_id(commune, month))?;
                let status = found.and_then(|(_, row)| row.group::<PeriodStatus>(period::STATUS));
                items.push(PeriodView {
                    month: month.to_string(),
                    from: from.to_string(),
                    until: until.to_string(),
                    open: status.is_none_or(|status| status.open),
                });
            }
            Ok(Page { items, next: None })
        })
        .await
    }
}

impl Scoped<'_> {
    /// A unit is visible where somebody holds a role, below it, and on the way up from it.
    fn sees_unit(&mut self, unit: UnitId) -> Answer<bool> {
        if self.covers(Action::ReadTeams, unit)? {
            return Ok(true);
        }
        let held: Vec<ScopeId> = self.principal.holdings.iter().map(|holding| holding.scope).collect();
        for scope in held {
            if scope == INSTALLATION || !self.may(Action::ReadTeams, scope) {
                continue;
            }
            let mut above = self.parent(scope.into())?;
            for _ in 0..3 {
                if above == Some(unit) {
                    return Ok(true);
                }
                above = match above {
                    Some(above) => self.parent(above)?,
                    None => break,
                };
            }
        }
        Ok(false)
    }
}

fn is_in_force(register: &Register, on: Day) -> bool {
    let validity: Option<Validity> = register.group(unit::VALIDITY);
    validity.is_none_or(|validity| validity.from <= on && validity.to.is_none_or(|to| on < to))
}

fn unit_view(register: &Register) -> Option<UnitView> {
    let identity: UnitIdentity = register.group(unit::IDENTITY)?;
    let parent: Option<UnitParent> = register.group(unit::PARENT);
    let validity: Option<Validity> = register.group(unit::VALIDITY);
    let attributes: Option<UnitAttributes> = register.group(unit::ATTRIBUTES);
    let privacy = (identity.level == "village").then(|| PrivacyMode::of(register).code().to_owned());
    Some(UnitView {
        id: register.id,
        level: identity.level,
        code: identity.code,
        unit_type: identity.unit_type,
        name: identity.name,
        full_name: identity.full_name,
        local_name: identity.local_name,
        parent: parent.map(|parent| parent.parent.0).filter(|parent| !parent.is_nil()),
        from: validity.as_ref().map(|validity| validity.from.to_string()),
        to: validity.and_then(|validity| validity.to).map(|to| to.to_string()),
        privacy,
        attributes: attributes.into_iter().flat_map(|all| all.history).filter_map(attribute).collect(),
        ver: register.ver.0.to_string(),
    })
}

fn attribute(entry: AttributeFrom) -> Option<AttributeEntry> {
    let value = match entry.value {
        Value::Bool(holds) => AttributeValue::Holds(holds),
        Value::Int(number) => AttributeValue::Number(number),
        Value::Text(code) => AttributeValue::Code(code),
        Value::Codes(codes) => AttributeValue::Codes(codes),
        _ => return None,
    };
    Some(AttributeEntry { code: entry.code, from: entry.from.to_string(), value })
}
