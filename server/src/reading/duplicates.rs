//! Households that may be one: found across the villages of a commune, with what speaks for each pair.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sync_protocol::access::Action;
use sync_protocol::case_flow::CaseKind;
use sync_protocol::entity::*;
use sync_protocol::household::{alias_of, description_mark};
use sync_protocol::ids::*;
use sync_protocol::row::{Register, Row, RowType};
use sync_protocol::similar::{Description, Folded, similar_pairs};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::households::HouseholdView;
use super::*;
use crate::work::stored_row;

/// Most households that are compared with each other.
const HOUSEHOLDS_MAX: usize = 20_000;

/// Where doubles are looked for.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PairQuery {
    /// A village, or a commune with its villages.
    pub unit: Uuid,
    /// Behind this place.
    pub cursor: Option<String>,
    /// At most so many: 50 unless told, 200 at most.
    pub limit: Option<u16>,
}

/// Two households that look alike.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct PairView {
    /// One.
    pub first: HouseholdView,
    /// The other.
    pub second: HouseholdView,
    /// How alike they are: 40 and more. A question, never a verdict.
    pub score: u32,
    /// What speaks for it.
    pub reasons: Vec<LikenessView>,
    /// The case about the pair, while it is not settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<Uuid>,
}

/// What speaks for two households being one.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct LikenessView {
    /// The stable code.
    pub code: String,
    /// In words.
    pub words: Label,
}

/// How a case about a pair stands.
enum Stands {
    Waits(CaseId),
    /// They are not the same, as they were described then.
    NotTheSame(Option<[u8; 16]>),
}

/// The pair in one order.
fn pair(first: HouseholdId, second: HouseholdId) -> (HouseholdId, HouseholdId) {
    (first.min(second), first.max(second))
}

/// What a case says about a pair; nothing when it is about something else, or says that the two were one.
fn said(register: &Register) -> Option<((HouseholdId, HouseholdId), Stands)> {
    let flow: CaseFlow = register.group(case::FLOW)?;
    let steps: CaseSteps = register.group(case::STEPS)?;
    if flow.kind != CaseKind::Duplicate.code() || flow.withdrawn.is_some() {
        return None;
    }
    let pair = pair(flow.household?, flow.other?);
    let mut ways = steps.steps.iter().rev().map(|step| step.to.as_str());
    match ways.next().unwrap_or("open") {
        "rejected" => Some((pair, Stands::NotTheSame(flow.described))),
        "closed" if ways.next() == Some("rejected") => Some((pair, Stands::NotTheSame(flow.described))),
        "resolved" | "closed" => None,
        _ => Some((pair, Stands::Waits(CaseId(register.id)))),
    }
}

impl Reading {
    /// Lists pairs of households that look alike.
    pub async fn duplicates(&self, by: UserId, query: PairQuery) -> Answer<Page<PairView>> {
        self.read_noted(by, "list.duplicates", None, move |scoped| {
            let scopes = scoped.scopes(Action::ReadRows, Some(UnitId(query.unit)))?;
            let skipped = usize::try_from(cursor::to_seq(query.cursor.as_deref())?).unwrap_or(usize::MAX);
            let limit = page_size(query.limit);
            let households = scoped.all(&scopes, RowType::HOUSEHOLD, |register| alias_of(register).is_none())?;
            let mut known: BTreeMap<_, Vec<Stands>> = BTreeMap::new();
            for (_, register) in scoped.all(&scopes, RowType::CASE, |register| said(register).is_some())? {
                if let Some((pair, stands)) = said(&register) {
                    known.entry(pair).or_default().push(stands);
                }
            }
            let folded: Vec<Folded> = households.iter().map(|(_, register)| folded(register)).collect();
            let mut pairs = similar_pairs(&folded).into_iter().filter_map(|found| {
                let id = |index: usize| HouseholdId(households[index].1.id);
                let cases = known.get(&pair(id(found.first), id(found.second))).map_or(&[][..], Vec::as_slice);
                let mark = || description_mark(&households[found.first].1, &households[found.second].1);
                let holds = |stands: &Stands| match stands {
                    Stands::NotTheSame(described) => described.is_none_or(|described| described == mark()),
                    Stands::Waits(_) => false,
                };
                let waits = |stands: &Stands| match stands {
                    Stands::Waits(case) => Some(case.0),
                    Stands::NotTheSame(_) => None,
                };
                if cases.iter().any(holds) { None } else { Some((found, cases.iter().find_map(waits))) }
            });
            let mut items = Vec::new();
            for (found, case) in pairs.by_ref().skip(skipped).take(limit) {
                let mut view = |index: usize| {
                    let (scope, register) = &households[index];
                    scoped.household_view(*scope, register)
                };
                let (first, second) = (view(found.first)?, view(found.second)?);
                let reasons = found.likeness.reasons.iter().map(|reason| LikenessView {
                    code: reason.code().to_owned(),
                    words: Label { vi: reason.vi().to_owned(), en: reason.en().to_owned() },
                });
                items.push(PairView { first, second, score: found.likeness.score, reasons: reasons.collect(), case });
            }
            let next = pairs.next().map(|_| cursor::of_seq((skipped + items.len()) as u64));
            let outcome = items.len().to_string();
            let entry = Entry { scope: ScopeId(query.unit), object: None, outcome, filter: None };
            Ok((Page { items, next }, entry))
        })
        .await
    }
}

fn folded(register: &Register) -> Folded {
    let label: Option<HouseholdLabel> = register.group(household::LABEL);
    let head: Option<HouseholdHead> = register.group(household::HEAD);
    let phone: Option<HouseholdPhone> = register.group(household::PHONE);
    let (label, landmark) = label.map_or_else(Default::default, |own| (own.label, own.landmark.unwrap_or_default()));
    Folded::of(&Description {
        label: &label,
        landmark: &landmark,
        head: &head.map(|head| head.display_name).unwrap_or_default(),
        phone: &phone.map(|phone| phone.phone).unwrap_or_default(),
    })
}

impl Scoped<'_> {
    /// All registers of a type in some scopes that `keep` takes, up to a limit that no commune reaches.
    fn all(
        &mut self,
        scopes: &[ScopeId],
        ty: RowType,
        keep: impl Fn(&Register) -> bool,
    ) -> Answer<Vec<(ScopeId, Register)>> {
        let mut all = Vec::new();
        for scope in scopes {
            let mut after = None;
            loop {
                let rows = self.tx.rows_of(*scope, ty, after, SCAN_PAGE)?;
                let is_last = rows.len() < SCAN_PAGE;
                for bytes in rows {
                    let register = register_of(&bytes)?;
                    after = Some(register.id);
                    if keep(&register) {
                        all.push((*scope, register));
                    }
                }
                if all.len() > HOUSEHOLDS_MAX {
                    return Err(ReadError::BadValue("unit"));
                }
                if is_last {
                    break;
                }
            }
        }
        Ok(all)
    }
}

/// The case about a pair that waits in one of these places, if there is one.
pub(crate) fn waiting_case(
    tx: &mut dyn Tx,
    scopes: &BTreeSet<ScopeId>,
    first: HouseholdId,
    second: HouseholdId,
) -> Result<Option<Register>, StorageError> {
    let wanted = pair(first, second);
    for scope in scopes {
        let mut after = None;
        loop {
            let rows = tx.rows_of(*scope, RowType::CASE, after, SCAN_PAGE)?;
            let is_last = rows.len() < SCAN_PAGE;
            for bytes in rows {
                let Row::Register(register) = stored_row(&bytes)? else { continue };
                after = Some(register.id);
                if matches!(said(&register), Some((found, Stands::Waits(_))) if found == wanted) {
                    return Ok(Some(register));
                }
            }
            if is_last {
                break;
            }
        }
    }
    Ok(None)
}
