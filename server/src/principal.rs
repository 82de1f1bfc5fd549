//! From an account to what it may do: grants, read from the store at every request, expanded to scopes.

use std::collections::BTreeSet;

use sync_protocol::access::{Ended, Holding, INSTALLATION, Principal, Role};
use sync_protocol::cbor::Cbor;
use sync_protocol::decide::Grant;
use sync_protocol::entity::{UnitParent, unit};
use sync_protocol::ids::*;
use sync_protocol::museum::{self, Exhibit};
use sync_protocol::row::{Register, RowType};

use crate::storage::{Result, StorageError, Tx};

/// No unit lies deeper below the top than this.
const LEVELS_MAX: usize = 8;

/// The units above these, as they lie today: whose notices may be read besides all that is in the scopes themselves
/// (docs/PROTOCOL.md, S10a).
pub fn above(tx: &mut dyn Tx, scopes: &BTreeSet<ScopeId>) -> Result<BTreeSet<ScopeId>> {
    let mut above = BTreeSet::new();
    for scope in scopes {
        let mut at = *scope;
        for _ in 0..LEVELS_MAX {
            let Some((_, bytes)) = tx.live(RowType::UNIT, at.0)? else { break };
            let register = Register::from_cbor(&bytes)
                .map_err(|_| StorageError::Damaged("an unreadable unit in the store".into()))?;
            let Some(parent) = register.group::<UnitParent>(unit::PARENT).map(|parent| parent.parent) else { break };
            at = parent.into();
            if at == INSTALLATION || scopes.contains(&at) || !above.insert(at) {
                break;
            }
        }
    }
    Ok(above)
}

/// Reads what a user holds and lately held.
///
/// A grant for a commune holds in its villages; a grant for a province in its communes, where it gives counts only.
/// An account that is not in use holds nothing.
pub fn principal(tx: &mut dyn Tx, user: UserId, now: ServerMs) -> Result<Principal> {
    let Some(account) = tx.user(user)? else {
        return Ok(Principal { user, grants_rev: 0, holdings: Vec::new() });
    };
    let today = Day::of_ms(now.0);
    let mut holdings = Vec::new();
    if account.active {
        for grant in tx.grants_of(user)? {
            expand(tx, &grant, today, account.grants_rev, &mut holdings)?;
        }
    }
    Ok(Principal { user, grants_rev: account.grants_rev, holdings })
}

fn expand(tx: &mut dyn Tx, grant: &Grant, today: Day, rev: u64, holdings: &mut Vec<Holding>) -> Result<()> {
    let Some(role) = Role::from_code(&grant.role) else { return Ok(()) };
    if today < grant.from {
        return Ok(());
    }
    let is_over = grant.to.is_some_and(|to| today >= to);
    let ended = match (is_over, grant.ended) {
        (false, _) => None,
        (true, ended) => {
            let to = match grant.to.unwrap_or(today) {
                to if museum::on(Exhibit::GrantOutlivesItsDay) => ServerMs(u64::from(to.0) * 86_400_000),
                to => to.begins(),
            };
            match ended {
                Some((rev, at)) if at >= to => Some(Ended { rev, at }),
                // It ran out by its date, foreseen or not: what was stamped with any revision up to now is from before.
                _ => Some(Ended { rev: rev + 1, at: to }),
            }
        }
    };
    let mut hold = |unit: UnitId| holdings.push(Holding { scope: unit.into(), role, ended });
    hold(grant.unit);
    if ScopeId::from(grant.unit) != INSTALLATION {
        // What ended held in the units that lay there till then: they may lie elsewhere by now.
        let below = match grant.to {
            Some(to) if is_over => tx.units_below_on(grant.unit, Day(to.0.saturating_sub(1)))?,
            _ => tx.units_below(grant.unit)?,
        };
        for below in below {
            hold(below);
        }
    }
    Ok(())
}
