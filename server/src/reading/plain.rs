//! Field groups as plain JSON, for people to read and, where an answer can be typed, to write.

use serde_json::{Value as Json, json};
use sync_protocol::catalogue::Catalogue;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::phone_number::{mask, mask_name};
use sync_protocol::row::{GroupKey, RowType};

/// What a row is called.
pub fn type_name(ty: RowType) -> &'static str {
    match ty {
        RowType::UNIT => "unit",
        RowType::TEAM => "team",
        RowType::TEAM_MEMBER => "team_member",
        RowType::HOUSEHOLD => "household",
        RowType::PLAN => "plan",
        RowType::VISIT_STATE => "visit",
        RowType::CASE => "case",
        RowType::PERIOD => "period",
        RowType::PERSON => "person",
        RowType::BUSINESS => "business",
        RowType::PRODUCT => "product",
        RowType::MARKET => "market",
        RowType::CAMPAIGN => "campaign",
        RowType::TARGET => "target",
        RowType::DENOMINATOR => "denominator",
        RowType::MANUAL_NUMBER => "manual_number",
        RowType::RECOGNITION => "recognition",
        RowType::REPORT => "report",
        RowType::COURSE_RUN => "course_run",
        RowType::COURSE_RESULT => "course_result",
        RowType::SUPPORT_CERTIFICATE => "support_certificate",
        _ => "other",
    }
}

/// What a field group is called.
pub fn group_name(ty: RowType, group: GroupKey) -> &'static str {
    match (ty, group) {
        (RowType::HOUSEHOLD, household::LABEL) => "label",
        (RowType::HOUSEHOLD, household::HEAD) => "head",
        (RowType::HOUSEHOLD, household::PHONE) => "phone",
        (RowType::HOUSEHOLD, household::CLASS) => "class",
        (RowType::HOUSEHOLD, household::PEOPLE) => "people",
        (RowType::HOUSEHOLD, household::CONSENT) => "consent",
        (RowType::HOUSEHOLD, household::STATUS) => "status",
        (RowType::PLAN, plan::TASK) => "task",
        (RowType::PLAN, plan::ASSIGNEE) => "assignee",
        (RowType::VISIT_STATE, visit_state::CONTENT) => "content",
        (RowType::UNIT, unit::IDENTITY)
        | (RowType::TEAM, team::IDENTITY)
        | (RowType::BUSINESS, business::IDENTITY)
        | (RowType::PRODUCT, product::IDENTITY)
        | (RowType::MARKET, market::IDENTITY) => "identity",
        (RowType::UNIT, unit::ATTRIBUTES) => "attributes",
        (RowType::UNIT, unit::PRIVACY) => "privacy",
        (RowType::PERSON, person::HOUSEHOLD) => "household",
        (RowType::PERSON, person::NAME) => "name",
        (RowType::PERSON, person::BIRTH) => "birth_band",
        (RowType::PERSON, person::GENDER) => "gender",
        (RowType::PERSON, person::PHONE) => "phone_last3",
        (RowType::PERSON, person::CONSENT) => "consent",
        (RowType::BUSINESS, business::OWNER) => "owner_household",
        (RowType::BUSINESS, business::MARKET) => "market",
        (RowType::PRODUCT, product::OCOP) => "ocop_stars",
        (RowType::MARKET, market::DAYS) => "days",
        (RowType::UNIT, unit::PARENT) => "parent",
        (RowType::TEAM, team::DECISION) => "decision",
        (RowType::UNIT, unit::VALIDITY) | (RowType::TEAM, team::VALIDITY) => "validity",
        _ => "other",
    }
}

/// How much of a row somebody sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sight {
    /// Names and phones as they are; otherwise masked.
    pub names: bool,
    /// Restricted answers.
    pub restricted: bool,
}

/// Writes a group's value; `null` when this version cannot read it or the asker may not see it.
pub fn group(ty: RowType, key: GroupKey, value: &Raw, sight: Sight) -> Json {
    try_group(ty, key, value, sight).unwrap_or(Json::Null)
}

fn try_group(ty: RowType, key: GroupKey, value: &Raw, sight: Sight) -> Option<Json> {
    fn read<T: Cbor>(raw: &Raw) -> Option<T> {
        T::from_cbor(&raw.0).ok()
    }
    Some(match (ty, key) {
        (RowType::HOUSEHOLD, household::LABEL) => {
            let value: HouseholdLabel = read(value)?;
            json!({ "label": value.label, "landmark": value.landmark })
        }
        (RowType::HOUSEHOLD, household::HEAD) => {
            let name = read::<HouseholdHead>(value)?.display_name;
            json!({ "display_name": if sight.names { name } else { mask_name(&name) } })
        }
        (RowType::HOUSEHOLD, household::PHONE) => {
            let phone = read::<HouseholdPhone>(value)?.phone;
            json!({ "phone": if sight.names { phone } else { mask(&phone) } })
        }
        (RowType::HOUSEHOLD, household::CLASS) if sight.restricted => {
            json!({ "class": read::<HouseholdClass>(value)?.class })
        }
        (RowType::HOUSEHOLD, household::PEOPLE) => {
            json!({ "adults_15_plus": read::<HouseholdPeople>(value)?.adults_15_plus })
        }
        (RowType::HOUSEHOLD, household::CONSENT) | (RowType::PERSON, person::CONSENT) => {
            let value: Consent = read(value)?;
            json!({
                "purposes": value.purposes,
                "notice_version": value.notice_version,
                "language": value.language,
                "method": value.method,
                "given": value.given.to_string(),
                "withdrawn": value.withdrawn.map(|day| day.to_string()),
            })
        }
        (RowType::HOUSEHOLD, household::STATUS) => json!({ "status": read::<HouseholdStatus>(value)?.status }),
        (RowType::PLAN, plan::TASK) => {
            let value: PlanTask = read(value)?;
            json!({
                "village": value.village,
                "household": value.household,
                "visit_type": value.visit_type,
                "planned_for": value.planned_for.to_string(),
                "kinds": value.kinds,
                "note": value.note,
                "follows": value.follows,
            })
        }
        (RowType::PLAN, plan::ASSIGNEE) => {
            let value: PlanAssignee = read(value)?;
            json!({ "team": value.team, "user": value.user })
        }
        (RowType::VISIT_STATE, visit_state::CONTENT) => {
            let value: VisitPointer = read(value)?;
            json!({ "event": value.event, "content_hash": super::hex(&value.hash) })
        }
        (RowType::UNIT, unit::IDENTITY) => {
            let value: UnitIdentity = read(value)?;
            json!({
                "level": value.level,
                "code": value.code,
                "unit_type": value.unit_type,
                "name": value.name,
                "full_name": value.full_name,
                "local_name": value.local_name,
            })
        }
        (RowType::UNIT, unit::PARENT) => {
            let value: UnitParent = read(value)?;
            json!({ "parent": value.parent, "from": value.from.to_string() })
        }
        (RowType::TEAM, team::IDENTITY) => {
            let value: TeamIdentity = read(value)?;
            json!({ "level": value.level, "unit": value.unit, "name": value.name })
        }
        (RowType::TEAM, team::DECISION) => {
            let value: TeamDecision = read(value)?;
            json!({ "number": value.number, "day": value.day.to_string() })
        }
        (RowType::UNIT, unit::VALIDITY) | (RowType::TEAM, team::VALIDITY) => {
            let value: Validity = read(value)?;
            json!({ "from": value.from.to_string(), "to": value.to.map(|day| day.to_string()) })
        }
        (RowType::UNIT, unit::ATTRIBUTES) => {
            let value: UnitAttributes = read(value)?;
            let entry = |entry: AttributeFrom| json!({ "code": entry.code, "from": entry.from.to_string(), "value": entry.value });
            json!({ "history": value.history.into_iter().map(entry).collect::<Vec<_>>() })
        }
        (RowType::UNIT, unit::PRIVACY) => json!({ "mode": read::<UnitPrivacy>(value)?.mode }),
        (RowType::PERSON, person::HOUSEHOLD) => json!({ "household": read::<PersonHousehold>(value)?.household }),
        (RowType::PERSON, person::NAME) => {
            let name = read::<PersonName>(value)?.display_name;
            json!({ "display_name": if sight.names { name } else { mask_name(&name) } })
        }
        (RowType::PERSON, person::BIRTH) => json!({ "band": read::<PersonBirth>(value)?.band }),
        (RowType::PERSON, person::GENDER) => json!({ "gender": read::<PersonGender>(value)?.gender }),
        (RowType::PERSON, person::PHONE) if sight.names => {
            json!({ "phone_last3": read::<PersonPhone>(value)?.phone_last3 })
        }
        (RowType::BUSINESS, business::IDENTITY) => {
            let value: BusinessIdentity = read(value)?;
            json!({ "name": value.name, "kind": value.kind })
        }
        (RowType::BUSINESS, business::OWNER) => json!({ "household": read::<BusinessOwner>(value)?.household }),
        (RowType::BUSINESS, business::MARKET) => json!({ "market": read::<BusinessMarket>(value)?.market }),
        (RowType::PRODUCT, product::IDENTITY) => {
            let value: ProductIdentity = read(value)?;
            json!({ "business": value.business, "name": value.name, "category": value.category })
        }
        (RowType::PRODUCT, product::OCOP) => json!({ "stars": read::<ProductOcop>(value)?.stars }),
        (RowType::MARKET, market::IDENTITY) => json!({ "name": read::<MarketIdentity>(value)?.name }),
        (RowType::MARKET, market::DAYS) => json!({ "days": read::<MarketDays>(value)?.days }),
        _ => return None,
    })
}

/// Reads a third answer to a case: only for groups whose whole value a person types. Whether the value is taken is for
/// `decide` to say.
pub fn read_group(ty: RowType, key: GroupKey, value: &Json) -> Option<Raw> {
    let text = |name: &str| value.get(name).and_then(Json::as_str).map(str::to_owned);
    let ext = Ext::default;
    let cbor = match (ty, key) {
        (RowType::HOUSEHOLD, household::LABEL) => {
            HouseholdLabel { label: text("label")?, landmark: text("landmark"), ext: ext() }.cbor()
        }
        (RowType::HOUSEHOLD, household::HEAD) => {
            HouseholdHead { display_name: text("display_name")?, ext: ext() }.cbor()
        }
        (RowType::HOUSEHOLD, household::PHONE) => HouseholdPhone { phone: text("phone")?, ext: ext() }.cbor(),
        (RowType::HOUSEHOLD, household::CLASS) => HouseholdClass { class: text("class")?, ext: ext() }.cbor(),
        (RowType::HOUSEHOLD, household::PEOPLE) => {
            let adults = value.get("adults_15_plus").and_then(Json::as_u64)?;
            HouseholdPeople { adults_15_plus: u32::try_from(adults).ok()?, ext: ext() }.cbor()
        }
        (RowType::HOUSEHOLD, household::STATUS) => HouseholdStatus { status: text("status")?, ext: ext() }.cbor(),
        (RowType::PERSON, person::NAME) => PersonName { display_name: text("display_name")?, ext: ext() }.cbor(),
        (RowType::PERSON, person::BIRTH) => PersonBirth { band: text("band")?, ext: ext() }.cbor(),
        (RowType::PERSON, person::GENDER) => PersonGender { gender: text("gender")?, ext: ext() }.cbor(),
        (RowType::PERSON, person::PHONE) => PersonPhone { phone_last3: text("phone_last3")?, ext: ext() }.cbor(),
        (RowType::BUSINESS, business::IDENTITY) => {
            BusinessIdentity { name: text("name")?, kind: text("kind")?, ext: ext() }.cbor()
        }
        (RowType::MARKET, market::IDENTITY) => MarketIdentity { name: text("name")?, ext: ext() }.cbor(),
        (RowType::MARKET, market::DAYS) => MarketDays { days: text("days")?, ext: ext() }.cbor(),
        (RowType::TEAM, team::DECISION) => {
            TeamDecision { number: text("number")?, day: Day::parse(&text("day")?)?, ext: ext() }.cbor()
        }
        _ => return None,
    };
    Some(Raw(cbor))
}

/// The answers of an activity as far as the asker may see them: who was helped only for the team.
pub fn answers(catalogue: &Catalogue, activity: &Activity, sight: Sight) -> Json {
    use sync_protocol::catalogue::Sensitivity;
    let kind = catalogue.kind(&activity.kind);
    let is_shown = |code: &str| match kind.and_then(|kind| kind.field(code)).and_then(|field| field.sensitivity) {
        Some(Sensitivity::Personal) => sight.names,
        Some(Sensitivity::Restricted) => sight.restricted,
        Some(Sensitivity::Never) => false,
        Some(Sensitivity::FreeText) | None => true,
    };
    let shown = activity.fields.iter().filter(|(code, _)| is_shown(code));
    catalogue.to_json_fields(&shown.map(|(code, value)| (code.clone(), value.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEAM: Sight = Sight { names: true, restricted: true };
    const COMMUNE: Sight = Sight { names: false, restricted: true };
    const AUDITOR: Sight = Sight { names: false, restricted: false };

    #[test]
    fn names_are_whole_for_the_team_only() {
        let head = Raw(HouseholdHead { display_name: "Giàng A Páo".into(), ext: Ext::default() }.cbor());
        let name = |sight| group(RowType::HOUSEHOLD, household::HEAD, &head, sight)["display_name"].clone();
        assert_eq!((name(TEAM), name(COMMUNE)), (json!("Giàng A Páo"), json!("Giàng A. P.")));
        let class = Raw(HouseholdClass { class: "poor".into(), ext: Ext::default() }.cbor());
        let class = |sight| group(RowType::HOUSEHOLD, household::CLASS, &class, sight);
        assert_eq!(class(COMMUNE), json!({ "class": "poor" }));
        assert_eq!(class(AUDITOR), Json::Null);
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        for (key, value) in [
            (household::LABEL, json!({ "label": "nhà đầu suối", "landmark": null })),
            (household::HEAD, json!({ "display_name": "Giàng A Páo" })),
            (household::CLASS, json!({ "class": "poor" })),
            (household::PEOPLE, json!({ "adults_15_plus": 3 })),
        ] {
            let raw = read_group(RowType::HOUSEHOLD, key, &value).unwrap();
            assert_eq!(group(RowType::HOUSEHOLD, key, &raw, TEAM), value);
        }
        assert_eq!(read_group(RowType::VISIT_STATE, visit_state::CONTENT, &json!({})), None);
    }
}
