//! Arguments of the messages. Unknown members are refused: a page of another version must not half work.

use serde::{Deserialize, Serialize};
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::outcome::Code;
use sync_protocol::phone_number;
use sync_protocol::row::GroupKey;
use uuid::Uuid;

use super::{Answer, Problem, VisitForm};
use crate::error::{Error, Refused};
use crate::store::{Enrolment, HouseholdPage};

/// Nothing to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct NoArgs {}

macro_rules! args {
    ($($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* pub $field:ident: $ty:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[cfg_attr(feature = "ts", derive(ts_rs::TS))]
        #[cfg_attr(feature = "ts", ts(optional_fields))]
        pub struct $name { $($(#[$field_doc])* pub $field: $ty,)+ }
    )+};
}

args! {
    /// What the server gave at an enrolment: the members of its answer that a phone keeps.
    pub struct EnrolAnswer {
        /// The user.
        pub user_id: Uuid,
        /// The user's name.
        pub display_name: String,
        /// The device.
        pub device_id: Uuid,
        /// The session, a 64-bit number as text.
        pub session_id: String,
        /// The key that seals requests, 32 bytes in hex.
        pub sync_key: String,
        /// For a new session.
        pub refresh_token: String,
        /// For JSON calls.
        pub access_token: String,
        /// The server's address.
        pub server: String,
    }
    /// One thing, by its id.
    pub struct ById {
        /// Which one.
        pub id: Uuid,
    }
    /// A change of one thing that needs no more words.
    pub struct WriteArgs {
        /// Drawn when the person pressed.
        pub call: Uuid,
        /// Which one.
        pub id: Uuid,
    }
    /// A day.
    pub struct OnDay {
        /// `YYYY-MM-DD`; today when left out.
        pub day: Option<String>,
    }
    /// A reporting month.
    pub struct MonthArgs {
        /// `YYYY-MM`; the current one when left out.
        pub month: Option<String>,
    }
    /// Which plans.
    pub struct PlansArgs {
        /// Only what is still owed from an earlier visit.
        pub follow_ups: bool,
        /// Done and cancelled ones too.
        pub all: bool,
    }
    /// Which households.
    pub struct HouseholdsArgs {
        /// What was typed: any part of a name, initials, a landmark, the end of a phone number. Empty for all.
        pub query: String,
        /// At most so many; 50 when left out.
        pub limit: Option<u32>,
    }
    /// A household that somebody is about to enter.
    pub struct NewHouseholdArgs {
        /// The village.
        pub village: Option<Uuid>,
        /// What the village calls it.
        pub label: String,
        /// A landmark.
        pub landmark: Option<String>,
        /// The head.
        pub head: Option<String>,
        /// The phone, as typed.
        pub phone: Option<String>,
    }
    /// What an activity can name.
    pub struct SubjectsArgs {
        /// `business`, `product`, `market`, `person`, `case`.
        pub of: String,
        /// The village.
        pub village: Uuid,
        /// The household that is visited.
        pub household: Option<Uuid>,
        /// Products of this business only.
        pub business: Option<Uuid>,
    }
    /// A business that is entered.
    pub struct BusinessCreateArgs {
        /// Drawn when the person pressed.
        pub call: Uuid,
        /// The village.
        pub village: Uuid,
        /// Its name.
        pub name: String,
        /// `farm`, `shop`, `stall`, `cooperative`, `craft`.
        pub kind: String,
        /// Whose it is.
        pub household: Option<Uuid>,
    }
    /// A product that is entered.
    pub struct ProductCreateArgs {
        /// Drawn when the person pressed.
        pub call: Uuid,
        /// The village.
        pub village: Uuid,
        /// Who makes or sells it.
        pub business: Uuid,
        /// Its name.
        pub name: String,
        /// A code: `crop`, `livestock`, `food`, `craft`, `other`.
        pub category: String,
    }
    /// A person who is entered, and agreed to it.
    pub struct PersonCreateArgs {
        /// Drawn when the person pressed.
        pub call: Uuid,
        /// The village.
        pub village: Uuid,
        /// Where the person lives.
        pub household: Option<Uuid>,
        /// The name.
        pub name: String,
        /// `7-14`, `15-17`, `18-39`, `40-59`, `60+`.
        pub band: Option<String>,
        /// What the person agreed to.
        pub consent: ConsentArgs,
    }
    /// What is entered about a household. What is left out stays as it was.
    pub struct HouseholdGroups {
        /// What the village calls it.
        pub label: Option<String>,
        /// A landmark.
        pub landmark: Option<String>,
        /// The head; needs consent.
        pub head: Option<String>,
        /// The phone; needs consent.
        pub phone: Option<String>,
        /// `normal`, `poor`, `near_poor`, `policy`.
        pub class: Option<String>,
        /// People aged 15 and over.
        pub adults_15_plus: Option<u32>,
        /// `active`, `closed`.
        pub status: Option<String>,
        /// The household agreed to these purposes today.
        pub consent: Option<ConsentArgs>,
    }
    /// A consent that was given just now.
    pub struct ConsentArgs {
        /// Codes of purposes: `visit_log`, `photo`, …
        pub purposes: Vec<String>,
        /// Which text was read out.
        pub notice_version: String,
        /// In which language.
        pub language: String,
        /// `spoken_witnessed`, `on_screen`, …
        pub method: String,
        /// It was taken back today.
        pub withdrawn: bool,
    }
    /// A new household.
    pub struct HouseholdCreateArgs {
        /// Drawn when the person pressed.
        pub call: Uuid,
        /// The village.
        pub village: Uuid,
        /// What is entered.
        pub groups: HouseholdGroups,
    }
    /// A changed household.
    pub struct HouseholdSetArgs {
        /// Drawn when the person pressed.
        pub call: Uuid,
        /// Which one.
        pub id: Uuid,
        /// The version that the person was looking at.
        pub seen_ver: String,
        /// What is changed.
        pub groups: HouseholdGroups,
    }
    /// A household that lives elsewhere now.
    pub struct HouseholdMoveArgs {
        /// Drawn when the person pressed.
        pub call: Uuid,
        /// Which one.
        pub id: Uuid,
        /// The version that the person was looking at.
        pub seen_ver: String,
        /// The village.
        pub to: Uuid,
    }
    /// Which visits.
    pub struct VisitsArgs {
        /// Of a household.
        pub household: Option<Uuid>,
        /// With this status.
        pub status: Option<String>,
        /// From this day on.
        pub from: Option<String>,
        /// Up to this day.
        pub to: Option<String>,
        /// At most so many; 100 when left out, 0 for all.
        pub limit: Option<u32>,
    }
    /// A form.
    pub struct FormArgs {
        /// As it stands.
        pub form: VisitForm,
    }
    /// A new draft.
    pub struct DraftBeginArgs {
        /// Drawn when the person pressed.
        pub call: Uuid,
        /// What is known already.
        pub form: VisitForm,
    }
    /// A draft that corrects a visit.
    pub struct DraftCorrectArgs {
        /// Drawn when the person pressed.
        pub call: Uuid,
        /// The visit.
        pub visit: Uuid,
    }
    /// What a form holds now.
    pub struct DraftKeepArgs {
        /// The draft.
        pub id: Uuid,
        /// As it stands.
        pub form: VisitForm,
    }
    /// A finished draft.
    pub struct DraftFinishArgs {
        /// The draft.
        pub id: Uuid,
        /// As it stands.
        pub form: VisitForm,
        /// Handed in at once.
        pub submit: bool,
    }
    /// A visit that should not have been recorded.
    pub struct VisitVoidArgs {
        /// Drawn when the person pressed.
        pub call: Uuid,
        /// Which one.
        pub id: Uuid,
        /// `duplicate`, `wrong_household`, `entered_by_mistake`, `other`.
        pub code: String,
        /// In free words.
        pub text: Option<String>,
    }
    /// A visit that is sent back.
    pub struct VisitReturnArgs {
        /// Drawn when the person pressed.
        pub call: Uuid,
        /// Which one.
        pub id: Uuid,
        /// Why.
        pub reasons: Vec<ReturnReasonArgs>,
        /// In free words.
        pub note: Option<String>,
    }
    /// One reason of a return.
    pub struct ReturnReasonArgs {
        /// A stable code: `wrong_answer`, `missing_answer`, …
        pub code: String,
        /// Index of the activity.
        pub activity: Option<u32>,
        /// Code of the field.
        pub field: Option<String>,
        /// In free words.
        pub text: Option<String>,
    }
    /// A planned visit.
    pub struct PlanCreateArgs {
        /// Drawn when the person pressed.
        pub call: Uuid,
        /// The village.
        pub village: Uuid,
        /// The team.
        pub team: Uuid,
        /// Who is to go.
        pub user: Option<Uuid>,
        /// Whom to visit.
        pub household: Option<Uuid>,
        /// A code of the catalogue's list.
        pub visit_type: String,
        /// When, `YYYY-MM-DD`.
        pub day: String,
        /// What is still owed: kinds of activity.
        pub kinds: Vec<String>,
        /// In free words.
        pub note: Option<String>,
        /// The visit on which something stayed undone.
        pub follows: Option<Uuid>,
    }
    /// A plan that is called off.
    pub struct PlanCancelArgs {
        /// Drawn when the person pressed.
        pub call: Uuid,
        /// Which one.
        pub id: Uuid,
        /// Why.
        pub reason: Option<String>,
    }
    /// Which conflicts.
    pub struct ConflictsArgs {
        /// Settled ones too.
        pub all: bool,
    }
    /// A conflict that is settled.
    pub struct ConflictSettleArgs {
        /// Drawn when the person pressed.
        pub call: Uuid,
        /// Which one.
        pub id: Uuid,
        /// The version that the person was looking at.
        pub seen_ver: String,
        /// The side that holds, from 0.
        pub side: u32,
    }
    /// Which figures.
    pub struct FiguresArgs {
        /// The village or commune.
        pub unit: Uuid,
        /// `YYYY-MM`; the current reporting month when left out.
        pub month: Option<String>,
        /// `month`, `quarter`, `half_year`, `year`; the month when left out.
        pub span: Option<String>,
        /// Approved activities only, of what the server has.
        pub official: bool,
    }
    /// Which campaigns.
    pub struct CampaignsArgs {
        /// The village.
        pub village: Uuid,
        /// `YYYY-MM-DD`; today when left out.
        pub day: Option<String>,
    }
    /// A course.
    pub struct CourseArgs {
        /// Its code.
        pub code: String,
    }
    /// An attempt at a quiz.
    pub struct QuizArgs {
        /// Drawn when the person pressed.
        pub call: Uuid,
        /// The course.
        pub code: String,
        /// The chosen answers, question by question.
        pub chosen: Vec<Vec<String>>,
    }
    /// A payment code as it was scanned.
    pub struct PaymentCodeArgs {
        /// Its text.
        pub text: String,
    }
}

impl EnrolAnswer {
    /// What the store keeps; `None` when a member does not read.
    pub(super) fn enrolment(self) -> Option<Enrolment> {
        let pairs = self.sync_key.as_bytes().chunks(2);
        let key: Option<Vec<u8>> =
            pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
        Some(Enrolment {
            user: UserId(self.user_id),
            display_name: self.display_name,
            device: DeviceId(self.device_id),
            session: self.session_id.parse().ok()?,
            sync_key: key?.try_into().ok()?,
            refresh_token: self.refresh_token,
            access_token: self.access_token,
            server: Some(self.server),
        })
    }
}

impl ReturnReasonArgs {
    pub(super) fn reason(self) -> ReturnReason {
        let Self { code, activity, field, text } = self;
        ReturnReason { code, activity, field, text, ext: Ext::default() }
    }
}

impl HouseholdGroups {
    /// The field groups that an op sets. A landmark alone keeps the label that was there, and the other way round.
    pub(super) fn groups(self, page: Option<&HouseholdPage>, today: Day) -> Answer<Vec<(GroupKey, Raw)>> {
        let ext = Ext::default;
        let mut groups = Vec::new();
        let filled = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if self.label.is_some() || self.landmark.is_some() {
            let old = page.map(|page| &page.household);
            let label = HouseholdLabel {
                label: filled(self.label).or_else(|| old.map(|old| old.label.clone())).unwrap_or_default(),
                landmark: match self.landmark {
                    Some(landmark) => filled(Some(landmark)),
                    None => old.and_then(|old| old.landmark.clone()),
                },
                ext: ext(),
            };
            groups.push((household::LABEL, Raw(label.cbor())));
        }
        if let Some(display_name) = filled(self.head) {
            groups.push((household::HEAD, Raw(HouseholdHead { display_name, ext: ext() }.cbor())));
        }
        if let Some(phone) = filled(self.phone) {
            let Ok(phone) = phone_number::normalise(&phone) else {
                let refused = Refused::new(Code::BadValue, Some("phone".into()), None);
                return Err(Problem {
                    vi: "Số điện thoại không đúng. Hãy nhập 10 chữ số, bắt đầu bằng 0.".into(),
                    en: "Not a phone number. Enter 10 digits, beginning with 0.".into(),
                    ..Problem::from(Error::Refused(refused))
                });
            };
            groups.push((household::PHONE, Raw(HouseholdPhone { phone, ext: ext() }.cbor())));
        }
        if let Some(class) = self.class {
            groups.push((household::CLASS, Raw(HouseholdClass { class, ext: ext() }.cbor())));
        }
        if let Some(adults_15_plus) = self.adults_15_plus {
            groups.push((household::PEOPLE, Raw(HouseholdPeople { adults_15_plus, ext: ext() }.cbor())));
        }
        if let Some(status) = self.status {
            groups.push((household::STATUS, Raw(HouseholdStatus { status, ext: ext() }.cbor())));
        }
        if let Some(consent) = self.consent {
            let before = page.and_then(|page| page.consent.clone());
            let given = match (&before, consent.withdrawn) {
                (Some(before), true) => before.given,
                _ => today,
            };
            let consent = Consent {
                purposes: consent.purposes,
                notice_version: consent.notice_version,
                language: consent.language,
                method: consent.method,
                given,
                withdrawn: consent.withdrawn.then_some(today),
                ext: before.map_or_else(ext, |before| before.ext),
            };
            groups.push((household::CONSENT, Raw(consent.cbor())));
        }
        Ok(groups)
    }
}

impl BusinessCreateArgs {
    /// The groups of the row.
    pub(super) fn groups(&self) -> Vec<(GroupKey, Raw)> {
        let name = self.name.trim().to_owned();
        let identity = BusinessIdentity { name, kind: self.kind.clone(), ext: Ext::default() };
        let owner = self.household.map(|household| {
            let owner = BusinessOwner { household: HouseholdId(household), ext: Ext::default() };
            (business::OWNER, Raw(owner.cbor()))
        });
        std::iter::once((business::IDENTITY, Raw(identity.cbor()))).chain(owner).collect()
    }
}

impl ProductCreateArgs {
    /// The groups of the row.
    pub(super) fn groups(&self) -> Vec<(GroupKey, Raw)> {
        let identity = ProductIdentity {
            business: BusinessId(self.business),
            name: self.name.trim().to_owned(),
            category: self.category.clone(),
            ext: Ext::default(),
        };
        vec![(product::IDENTITY, Raw(identity.cbor()))]
    }
}

impl PersonCreateArgs {
    /// The groups of the row.
    pub(super) fn groups(&self, today: Day) -> Vec<(GroupKey, Raw)> {
        let ext = Ext::default;
        let name = PersonName { display_name: self.name.trim().to_owned(), ext: ext() };
        let consent = Consent {
            purposes: self.consent.purposes.clone(),
            notice_version: self.consent.notice_version.clone(),
            language: self.consent.language.clone(),
            method: self.consent.method.clone(),
            given: today,
            withdrawn: self.consent.withdrawn.then_some(today),
            ext: ext(),
        };
        let mut groups = vec![(person::NAME, Raw(name.cbor())), (person::CONSENT, Raw(consent.cbor()))];
        if let Some(household) = self.household {
            let lives = PersonHousehold { household: HouseholdId(household), ext: ext() };
            groups.push((person::HOUSEHOLD, Raw(lives.cbor())));
        }
        if let Some(band) = &self.band {
            groups.push((person::BIRTH, Raw(PersonBirth { band: band.clone(), ext: ext() }.cbor())));
        }
        groups
    }
}
