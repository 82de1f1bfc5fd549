//! The country's units through time, and what became of them: public data that ships with the server, whatever of it an
//! installation holds.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use sync_protocol::access::Action;
use sync_protocol::catalogue::Lang;
use sync_protocol::ids::*;
use sync_protocol::units::{Level, Unit, Units};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::visits::day;
use super::*;
use crate::units;

/// The lists, read and verified when they are first needed. `None` only if what ships breaks its own rules.
pub(crate) fn country() -> Option<&'static Units> {
    static COUNTRY: OnceLock<Option<Units>> = OnceLock::new();
    COUNTRY.get_or_init(|| units::country().ok()).as_ref()
}

/// Which unit is wanted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CountryQuery {
    /// `province`, `district` or `commune`.
    #[param(example = "commune")]
    pub level: String,
    /// The official code. Codes are reused, so `on` decides.
    #[param(example = "04636")]
    pub code: String,
    /// The day on which the unit had this code; today unless told.
    pub on: Option<String>,
    /// The later day for which its successors are wanted; today unless told.
    pub until: Option<String>,
}

/// A unit of the country, and what became of it.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CountryUnit {
    /// The unit.
    pub unit: NamedUnit,
    /// The units that stand for it on `until`. One, unless it was divided.
    pub became: Vec<NamedUnit>,
    /// Whether the whole unit is one unit then. If not, its villages must say where they went, or the data does not know.
    pub exact: bool,
    /// What became of it, in a sentence.
    pub text_vi: String,
    /// The same in English.
    pub text_en: String,
}

/// A unit with its place.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct NamedUnit {
    /// The unit's row; the same code in another period is another row.
    pub id: Uuid,
    /// `province`, `district` or `commune`.
    pub level: String,
    /// The official code.
    pub code: String,
    /// Its name with those of the units above.
    pub path: String,
    /// First day in force.
    #[schema(format = Date)]
    pub from: String,
    /// First day on which it is no longer in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub to: Option<String>,
}

fn named(country: &Units, unit: &Unit, on: Day) -> NamedUnit {
    NamedUnit {
        id: unit.row_id.0,
        level: unit.level.code().to_owned(),
        code: unit.code.clone(),
        path: country.full_path(unit.row_id, on).unwrap_or_else(|| unit.full_name.clone()),
        from: unit.valid_from.to_string(),
        to: unit.valid_to.map(|day| day.to_string()),
    }
}

impl Reading {
    /// Finds a unit by its code on a day, and what stands for it on a later one.
    pub async fn country_unit(&self, by: UserId, query: CountryQuery) -> Answer<CountryUnit> {
        let level = Level::from_code(&query.level).filter(|level| *level != Level::Village);
        let level = level.ok_or(ReadError::BadValue("level"))?;
        let (on, until) = (day(query.on.as_deref(), "on")?, day(query.until.as_deref(), "until")?);
        self.read(by, move |scoped| {
            scoped.function(Action::ReadTeams)?;
            let today = Day::of_ms(scoped.now.0);
            let (on, until) = (on.unwrap_or(today), until.unwrap_or(today));
            let country = country().ok_or(ReadError::NotFound)?;
            let unit = country.get(level, &query.code, on).ok_or(ReadError::NotFound)?;
            if until < on {
                return Err(ReadError::BadValue("until"));
            }
            let mapping = country.successors(unit.row_id, until);
            let became = mapping.units.iter().filter_map(|row| country.unit(*row));
            Ok(CountryUnit {
                unit: named(country, unit, on),
                became: became.map(|unit| named(country, unit, until)).collect(),
                exact: mapping.is_exact(),
                text_vi: mapping.text(country, Lang::Vi),
                text_en: mapping.text(country, Lang::En),
            })
        })
        .await
    }
}
