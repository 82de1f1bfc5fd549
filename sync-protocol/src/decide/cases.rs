//! Conflict cases: what people said differently, kept until a person settles it.

use crate::access::Action;
use crate::cbor::{Cbor, Ext, Raw};
use crate::decide::{Change, Context, Decision, Refusal, State, Stop, allowed, households, registers, store, visits};
use crate::entity::*;
use crate::ids::*;
use crate::museum::{self, Exhibit};
use crate::op::{Op, ResolveCase};
use crate::outcome::Code;
use crate::row::{Group, GroupKey, Register, RowType, Ver};

/// The cases that one op opens or joins. There is one open case per row and group; every later clash joins it.
pub(super) struct Disputes<'a> {
    op: &'a Op,
    opened: u32,
    cases: Vec<(ScopeId, Register)>,
}

impl<'a> Disputes<'a> {
    pub(super) fn new(op: &'a Op) -> Self {
        Self { op, opened: 0, cases: Vec::new() }
    }

    /// Adds a value to the open case about `row`'s group `key`, if there is one: whoever settles a case must see every
    /// value that was entered while it was open, also one whose author had seen the others.
    pub(super) fn join<S: State>(
        &mut self,
        state: &mut S,
        context: &Context<'_>,
        row: &Register,
        key: GroupKey,
        value: &Raw,
    ) -> Result<Option<CaseId>, S::Error> {
        let mine = self.said(context, value);
        self.join_with(state, context, row, key, mine)
    }

    fn join_with<S: State>(
        &mut self,
        state: &mut S,
        context: &Context<'_>,
        row: &Register,
        key: GroupKey,
        new: Side,
    ) -> Result<Option<CaseId>, S::Error> {
        let Some(group) = row.groups.get(&key) else { return Ok(None) };
        let Some(id) = group.case else { return Ok(None) };
        let Some((scope, case)) = state.register(RowType::CASE, id.0)? else { return Ok(None) };
        if case.group::<CaseStatusValue>(case::STATUS).is_none_or(|status| status.status != "open") {
            return Ok(None);
        }
        let mut sides: CaseSides = case.group(case::SIDES).unwrap_or(CaseSides { sides: vec![], ext: Ext::default() });
        if !sides.sides.iter().any(|side| side.value == group.value) {
            sides.sides.push(side(&group.value, author(state, group)?, None, None));
        }
        sides.sides.push(new);
        let ver = case.ver.next(context.server_epoch);
        let mut next = Register { ver, ..case };
        let mut group = Group::set(Raw(sides.cbor()), context.stamp(ver));
        // Sides of others stay to be seen: whoever settles the case must know every one, not only the last.
        let others = next.groups.get(&case::SIDES).map(|before| before.stamps.clone()).unwrap_or_default();
        let others = others.into_iter().filter(|_| !museum::on(Exhibit::CaseForgetsSides));
        group.stamps.extend(others.filter(|stamp| !context.writer(Ver::default()).knows(stamp)));
        next.groups.insert(case::SIDES, group);
        self.cases.push((scope, next));
        Ok(Some(id))
    }

    /// Opens a case about `row`'s group `key`, where `value` met another answer unseen, or joins the open one.
    pub(super) fn open<S: State>(
        &mut self,
        state: &mut S,
        context: &Context<'_>,
        scope: ScopeId,
        row: &Register,
        key: GroupKey,
        value: &Raw,
    ) -> Result<CaseId, S::Error> {
        let mine = self.said(context, value);
        self.open_with(state, context, scope, row, key, mine)
    }

    /// The same for what another row said, whose author is not the op's.
    pub(super) fn open_between<S: State>(
        &mut self,
        state: &mut S,
        context: &Context<'_>,
        scope: ScopeId,
        row: &Register,
        key: GroupKey,
        theirs: &Group,
    ) -> Result<CaseId, S::Error> {
        let theirs = side(&theirs.value, author(state, theirs)?, None, None);
        self.open_with(state, context, scope, row, key, theirs)
    }

    /// What the op's author says with it.
    fn said(&self, context: &Context<'_>, value: &Raw) -> Side {
        side(value, Some(context.principal.user), Some(self.op.at), Some(self.op.uid()))
    }

    fn open_with<S: State>(
        &mut self,
        state: &mut S,
        context: &Context<'_>,
        scope: ScopeId,
        row: &Register,
        key: GroupKey,
        new: Side,
    ) -> Result<CaseId, S::Error> {
        if let Some(id) = self.join_with(state, context, row, key, new.clone())? {
            return Ok(id);
        }
        let id = self.op.case_id(self.opened);
        self.opened += 1;
        let mut sides = Vec::new();
        if let Some(group) = row.groups.get(&key) {
            sides.push(side(&group.value, author(state, group)?, None, None));
        }
        sides.push(new);
        let subject =
            CaseSubject { kind: "conflict".into(), ty: row.ty.0, id: row.id, group: key, ext: Ext::default() };
        let status = CaseStatusValue { status: "open".into(), by: None, at: None, chosen: None, ext: Ext::default() };
        let ver = Ver::first(context.server_epoch);
        let values = [
            (case::SUBJECT, Raw(subject.cbor())),
            (case::SIDES, Raw(CaseSides { sides, ext: Ext::default() }.cbor())),
            (case::STATUS, Raw(status.cbor())),
        ];
        self.cases.push((scope, Register::new(RowType::CASE, id.0, context.stamp(ver), values)));
        Ok(id)
    }

    /// Adds the cases to the changes; gives the first one.
    pub(super) fn finish(self, changes: &mut Vec<Change>) -> Option<CaseId> {
        let first = self.cases.first().map(|(_, case)| CaseId(case.id));
        changes.extend(self.cases.into_iter().map(|(scope, register)| Change::PutRegister { scope, register }));
        first
    }
}

/// Who set a group, when that is known.
fn author<S: State>(state: &mut S, group: &Group) -> Result<Option<UserId>, S::Error> {
    match group.stamps.first() {
        Some(stamp) => state.author_of(stamp.epoch),
        None => Ok(None),
    }
}

fn side(value: &Raw, author: Option<UserId>, at: Option<ClaimedMs>, op: Option<OpUid>) -> Side {
    Side { value: value.clone(), author, at, op, ext: Ext::default() }
}

/// Settles a case: the chosen value holds, and whoever edits next from an older view clashes with it again.
pub(super) fn resolve<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &ResolveCase,
) -> Result<Decision, Stop<S::Error>> {
    let Some((scope, case)) = store(state.register(RowType::CASE, body.case.0))? else {
        return Err(Code::NotFound.into());
    };
    let role = allowed(context.may(op, Action::ResolveCase, scope))?;
    if case.groups.contains_key(&case::FLOW) {
        return Err(Code::CaseOtherKind.into());
    }
    let status: Option<CaseStatusValue> = case.group(case::STATUS);
    if status.is_none_or(|status| status.status != "open") {
        return Err(Code::AlreadyResolved.into());
    }
    // Whoever settles a case must have seen every side of it.
    let writer = context.writer(body.base_ver);
    if !case.groups.get(&case::SIDES).is_some_and(|group| group.stamps.iter().all(|stamp| writer.knows(stamp))) {
        return Err(Code::ContentChanged.into());
    }
    let Some(subject) = case.group::<CaseSubject>(case::SUBJECT) else { return Err(Code::NotFound.into()) };
    let ty = RowType(subject.ty);
    let Some((row_scope, row)) = store(state.register(ty, subject.id))? else { return Err(Code::NotFound.into()) };
    let sides: Vec<Side> = case.group::<CaseSides>(case::SIDES).map(|sides| sides.sides).unwrap_or_default();
    // A third answer is welcome where an answer can be typed; which event is a visit's content can only be chosen.
    if ty == RowType::VISIT_STATE && !sides.iter().any(|side| side.value == body.value) {
        return Err(Refusal::at(Code::BadValue, "value").into());
    }
    // A row that went to another scope takes its cases along; still, both places need the right.
    allowed(context.may(op, Action::ResolveCase, row_scope))?;
    registers::check_value(ty, subject.group, &body.value, &row)?;
    registers::check_settlement(state, context, op, ty, row_scope, &row, (subject.group, &body.value))?;
    let row_ver = row.ver.next(context.server_epoch);
    let before = row.clone();
    let mut next = Register { ver: row_ver, ..row };
    next.groups.insert(subject.group, Group::set(body.value.clone(), context.stamp(row_ver)));
    registers::forget_without_consent(&mut next);
    let mut more = if subject.group == household::CONSENT {
        store(households::forgotten_below(state, context, &next))?
    } else {
        Vec::new()
    };
    if ty == RowType::VISIT_STATE {
        more.extend(visits::settle(state, context, row_scope, role, &before, &mut next)?);
    }
    let closed = settled(context, case, body.value.clone());
    let case_ver = closed.ver;
    let mut changes =
        vec![Change::PutRegister { scope: row_scope, register: next }, Change::PutRegister { scope, register: closed }];
    changes.extend(more);
    Ok(Decision::applied(case_ver, changes))
}

/// The case, closed with the value that holds.
pub(super) fn settled(context: &Context<'_>, case: Register, chosen: Raw) -> Register {
    let ver = case.ver.next(context.server_epoch);
    let status = CaseStatusValue {
        status: "resolved".into(),
        by: Some(context.principal.user),
        at: Some(context.received),
        chosen: Some(chosen),
        ext: Ext::default(),
    };
    let mut closed = Register { ver, ..case };
    closed.groups.insert(case::STATUS, Group::set(Raw(status.cbor()), context.stamp(ver)));
    closed
}
