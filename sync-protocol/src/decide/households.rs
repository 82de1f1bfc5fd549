//! Households that were entered twice: merged into one, and taken apart again. Source: docs/PROTOCOL.md, H1 to H8.

use crate::access::Action;
use crate::cbor::{Cbor, Ext, Raw};
use crate::decide::cases::Disputes;
use crate::decide::registers::{NOTE, forget_without_consent, free_text, has_consent, reach};
use crate::decide::{Change, Context, Decision, Refusal, State, Stop, store};
use crate::entity::*;
use crate::household::{alias_of, family, merged_into, root};
use crate::ids::*;
use crate::op::{MergeHouseholds, Op, UnmergeHousehold};
use crate::outcome::Code;
use crate::row::{Group, GroupKey, Register, RowType, Stamp};

fn register<S: State>(state: &mut S, id: HouseholdId) -> Result<Option<(ScopeId, Register)>, S::Error> {
    state.register(RowType::HOUSEHOLD, id.0)
}

/// Finds the household that stands for `id`, where the author may act on both. One whose root lies where they may not
/// act has moved away for them.
pub(super) fn reach_root<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    id: HouseholdId,
    action: Action,
) -> Result<(ScopeId, Register), Stop<S::Error>> {
    let (scope, found) = reach(state, context, op, RowType::HOUSEHOLD, id.0, action)?;
    let up = |at| Ok(register(state, at)?.and_then(|(_, row)| alias_of(&row)));
    let root = store(root(id, up))?;
    if root == id {
        return Ok((scope, found));
    }
    let Some((scope, found)) = store(register(state, root))? else { return Err(Code::NotFound.into()) };
    if context.may(op, action, scope).role().is_none() {
        return Err(Code::MovedAway.into());
    }
    Ok((scope, found))
}

/// A household's row, then those of everything merged into it, each with its scope.
pub(super) fn with_merged<S: State>(state: &mut S, id: HouseholdId) -> Result<Vec<(ScopeId, Register)>, S::Error> {
    let all = family(id, |at| Ok(register(state, at)?.map_or_else(Vec::new, |(_, row)| merged_into(&row))))?;
    let mut rows = Vec::new();
    for id in all {
        rows.extend(register(state, id)?);
    }
    Ok(rows)
}

/// A household's consent was set: one that is withdrawn is withdrawn for everything merged into it, names go there too.
pub(super) fn forgotten_below<S: State>(
    state: &mut S,
    context: &Context<'_>,
    row: &Register,
) -> Result<Vec<Change>, S::Error> {
    let mut changes = Vec::new();
    if row.ty != RowType::HOUSEHOLD || has_consent(row) {
        return Ok(changes);
    }
    for (scope, below) in with_merged(state, HouseholdId(row.id))?.into_iter().skip(1) {
        let mut next = below.clone();
        next.groups.retain(|key, _| !matches!(*key, household::HEAD | household::PHONE));
        if next != below {
            next.ver = below.ver.next(context.server_epoch);
            changes.push(Change::PutRegister { scope, register: next });
        }
    }
    Ok(changes)
}

/// Groups that say something of the row and not of the people: merging leaves them where they are.
fn stays(key: GroupKey) -> bool {
    matches!(key, household::STATUS | household::ALIAS | household::MERGED)
}

pub(super) fn merge<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &MergeHouseholds,
) -> Result<Decision, Stop<S::Error>> {
    let (winner_scope, winner) = reach_root(state, context, op, body.winner, Action::MergeHousehold)?;
    let (loser_scope, loser) = reach_root(state, context, op, body.loser, Action::MergeHousehold)?;
    if let Some(reason) = &body.reason {
        free_text(reason, NOTE, "reason")?;
    }
    if winner.id == loser.id {
        return Ok(Decision::applied(winner.ver, vec![]));
    }
    let ver = winner.ver.next(context.server_epoch);
    let mut next = Register { ver, ..winner.clone() };
    let mut disputes = Disputes::new(op);
    let (mut copied, mut cases) = (Vec::new(), Vec::new());
    for (key, theirs) in loser.groups.iter().filter(|(key, _)| !stays(**key)) {
        match winner.groups.get(key) {
            None => {
                next.groups.insert(*key, Group::set(theirs.value.clone(), context.stamp(ver)));
                copied.push(*key);
            }
            Some(ours) if ours.value == theirs.value => {}
            Some(ours) => {
                let case = store(disputes.open_between(state, context, winner_scope, &winner, *key, theirs))?;
                if ours.case != Some(case) {
                    cases.push(case);
                }
                next.groups.insert(*key, Group { case: Some(case), ..ours.clone() });
            }
        }
    }
    // What the loser's people agreed to does not speak for names where the winner's own consent says otherwise.
    forget_without_consent(&mut next);
    copied.retain(|key| next.groups.contains_key(key));
    let mut merged = merged_into(&winner);
    merged.push(HouseholdId(loser.id));
    next.groups.insert(household::MERGED, Group::set(merged_value(merged), context.stamp(ver)));

    let record = MergeRecord { ver, copied, cases, reason: body.reason.clone(), ext: Ext::default() };
    let alias = HouseholdAlias { into: HouseholdId(winner.id), record, ext: Ext::default() };
    let loser_ver = loser.ver.next(context.server_epoch);
    let mut gone = Register { ver: loser_ver, ..loser };
    gone.groups.insert(household::ALIAS, Group::set(Raw(alias.cbor()), context.stamp(loser_ver)));
    let mut changes = vec![
        Change::PutRegister { scope: winner_scope, register: next },
        Change::PutRegister { scope: loser_scope, register: gone },
    ];
    let case = disputes.finish(&mut changes);
    Ok(Decision::applied(ver, changes).with_case(case))
}

fn merged_value(merged: Vec<HouseholdId>) -> Raw {
    Raw(HouseholdMerged { merged, ext: Ext::default() }.cbor())
}

/// Takes back what the merging did and nobody touched since; what people did later stays where they did it.
pub(super) fn unmerge<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &UnmergeHousehold,
) -> Result<Decision, Stop<S::Error>> {
    let action = Action::MergeHousehold;
    let (loser_scope, loser) = reach(state, context, op, RowType::HOUSEHOLD, body.loser.0, action)?;
    let (Some(alias), Some(stamp)) = (
        loser.group::<HouseholdAlias>(household::ALIAS),
        loser.groups.get(&household::ALIAS).and_then(|group| group.stamps.first()),
    ) else {
        return Err(Code::WrongState.into());
    };
    let HouseholdAlias { into, record, .. } = alias;
    let Some((winner_scope, winner)) = store(register(state, into))? else { return Err(Code::NotFound.into()) };
    if context.may(op, action, winner_scope).role().is_none() {
        return Err(Code::MovedAway.into());
    }
    // What was copied may have been copied on: the later merging is undone first.
    if alias_of(&winner).is_some() {
        let rule = Some("merged_further".to_owned());
        return Err(Refusal { code: Code::WrongState, field: Some("loser".into()), rule }.into());
    }
    let set_by_merging = Stamp { ver: record.ver, ..*stamp };
    let ver = winner.ver.next(context.server_epoch);
    let mut next = Register { ver, ..winner };
    for key in &record.copied {
        if next.groups.get(key).is_some_and(|group| group.stamps == [set_by_merging] && group.case.is_none()) {
            next.groups.remove(key);
        }
    }
    let mut withdrawn = Vec::new();
    for id in &record.cases {
        let Some((scope, case)) = store(state.register(RowType::CASE, id.0))? else { continue };
        let Some(key) = case.group::<CaseSubject>(case::SUBJECT).map(|subject| subject.group) else { continue };
        let Some(group) = next.groups.get_mut(&key).filter(|group| group.case == Some(*id)) else { continue };
        // Somebody else joined it: it is about more than this merging.
        let op_of = |stamp: &Stamp| (stamp.epoch, stamp.n);
        let is_untouched =
            case.groups.get(&case::SIDES).is_some_and(|sides| sides.stamps.iter().all(|s| op_of(s) == op_of(stamp)));
        if is_untouched {
            let register = super::cases::settled(context, case, group.value.clone());
            group.case = None;
            withdrawn.push(Change::PutRegister { scope, register });
        }
    }
    let merged: Vec<HouseholdId> = merged_into(&next).into_iter().filter(|id| *id != body.loser).collect();
    if merged.is_empty() {
        next.groups.remove(&household::MERGED);
    } else {
        next.groups.insert(household::MERGED, Group::set(merged_value(merged), context.stamp(ver)));
    }
    forget_without_consent(&mut next);
    let loser_ver = loser.ver.next(context.server_epoch);
    let mut back = Register { ver: loser_ver, ..loser };
    back.groups.remove(&household::ALIAS);
    let mut changes = vec![
        Change::PutRegister { scope: winner_scope, register: next },
        Change::PutRegister { scope: loser_scope, register: back },
    ];
    changes.extend(withdrawn);
    Ok(Decision::applied(loser_ver, changes))
}
