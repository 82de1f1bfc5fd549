//! Which household a household is, after doubles were merged; and how much of people a village keeps.
//!
//! A merged household is an *alias*: its row stays, says into which other one it went, and is read through that one.
//! Visits, plans and persons keep the id under which they were recorded; whoever counts or lists households takes the
//! root. Source: docs/PROTOCOL.md, H1 to H8; docs/DOMAIN.md §4.

use std::collections::BTreeSet;

use crate::entity::{HouseholdAlias, HouseholdMerged, UnitPrivacy, household, unit};
use crate::ids::HouseholdId;
use crate::row::Register;

/// The household into which this one was merged; `None` for one that stands for itself.
pub fn alias_of(household: &Register) -> Option<HouseholdId> {
    household.group::<HouseholdAlias>(household::ALIAS).map(|alias| alias.into)
}

/// The households that were merged into this one, without those merged into them.
pub fn merged_into(household: &Register) -> Vec<HouseholdId> {
    household.group::<HouseholdMerged>(household::MERGED).map_or_else(Vec::new, |merged| merged.merged)
}

/// What tells whether one of two households is described in another way than before: it changes when somebody sets the
/// label with the landmark, the name or the phone of one of them to something else, or takes it away. It says nothing of
/// what stands there, only who set it first; the order of the two makes no difference.
pub fn description_mark(one: &Register, other: &Register) -> [u8; 16] {
    let (first, second) = if one.id <= other.id { (one, other) } else { (other, one) };
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"thonso/described/1");
    for register in [first, second] {
        hasher.update(register.id.as_bytes());
        for key in [household::LABEL, household::HEAD, household::PHONE] {
            let set = register.groups.get(&key).and_then(|group| group.stamps.iter().min());
            let [ver, epoch, n] = set.map_or([0; 3], |stamp| [stamp.ver.0, stamp.epoch.0, stamp.n]);
            for number in [u64::from(key), ver, epoch, n] {
                hasher.update(&number.to_be_bytes());
            }
        }
    }
    let mut mark = [0; 16];
    mark.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    mark
}

/// The household that stands for `id`: follows aliases to their end.
///
/// `alias` looks one step up: [`alias_of`] the household's row, or `None` when the row is not here. Rows of a server
/// never form a ring. Rows of different moments may, on a phone in the middle of an answer; then the smallest id of
/// the ring stands for all of it.
///
/// # Errors
/// Whatever the look-up fails with.
pub fn root<E>(
    id: HouseholdId,
    mut alias: impl FnMut(HouseholdId) -> Result<Option<HouseholdId>, E>,
) -> Result<HouseholdId, E> {
    let mut path = vec![id];
    let mut seen = BTreeSet::from([id]);
    let mut at = id;
    while let Some(next) = alias(at)? {
        if !seen.insert(next) {
            let ring = path.iter().skip_while(|known| **known != next);
            return Ok(ring.copied().min().unwrap_or(next));
        }
        path.push(next);
        at = next;
    }
    Ok(at)
}

/// Everything that stands under `id`: itself first, then what was merged into it, and into those.
///
/// `merged` looks one step down: [`merged_into`] the household's row, or nothing when the row is not here.
///
/// # Errors
/// Whatever the look-up fails with.
pub fn family<E>(
    id: HouseholdId,
    mut merged: impl FnMut(HouseholdId) -> Result<Vec<HouseholdId>, E>,
) -> Result<Vec<HouseholdId>, E> {
    let mut all = vec![id];
    let mut next = 0;
    while let Some(at) = all.get(next).copied() {
        for below in merged(at)? {
            if !all.contains(&below) {
                all.push(below);
            }
        }
        next += 1;
    }
    Ok(all)
}

/// How much of people is kept in a village.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PrivacyMode {
    /// Counts only: no household is entered.
    Tally,
    /// Households without persons; what holds where nothing was set.
    Household,
    /// Households and, with consent, persons.
    Person,
}

impl PrivacyMode {
    /// All of them, from the least to the most that is kept.
    pub const ALL: [Self; 3] = [Self::Tally, Self::Household, Self::Person];

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Tally => "tally",
            Self::Household => "household",
            Self::Person => "person",
        }
    }

    /// The mode of a unit. One that this version does not know is taken as the default.
    pub fn of(unit: &Register) -> Self {
        let set = unit.group::<UnitPrivacy>(unit::PRIVACY);
        let known = set.and_then(|set| Self::ALL.into_iter().find(|mode| mode.code() == set.mode));
        known.unwrap_or(Self::Household)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use uuid::Uuid;

    use super::*;

    fn id(n: u8) -> HouseholdId {
        HouseholdId(Uuid::from_bytes([n; 16]))
    }

    fn root_in(edges: &[(u8, u8)], start: u8) -> HouseholdId {
        let edges: BTreeMap<HouseholdId, HouseholdId> = edges.iter().map(|(from, to)| (id(*from), id(*to))).collect();
        let Ok(root) = root(id(start), |at| Ok::<_, Infallible>(edges.get(&at).copied()));
        root
    }

    #[test]
    fn aliases_are_followed_to_their_end() {
        assert_eq!(root_in(&[], 1), id(1));
        assert_eq!(root_in(&[(1, 2), (2, 3), (4, 3)], 1), id(3));
        assert_eq!(root_in(&[(1, 2), (2, 3), (4, 3)], 4), id(3));
    }

    #[test]
    fn rows_of_different_moments_cannot_hang_a_phone() {
        for start in [1, 2, 3] {
            assert_eq!(root_in(&[(1, 3), (3, 2), (2, 3)], start), id(2), "from {start}");
        }
    }

    #[test]
    fn a_family_is_everything_below() {
        let merged = BTreeMap::from([(id(1), vec![id(2), id(3)]), (id(3), vec![id(4)])]);
        let Ok(all) = family(id(1), |at| Ok::<_, Infallible>(merged.get(&at).cloned().unwrap_or_default()));
        assert_eq!(all, [id(1), id(2), id(3), id(4)]);
    }
}
