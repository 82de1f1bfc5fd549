//! Conflict cases: what people said differently, kept until a person settles it.

use crate::access::Action;
use crate::cbor::{Cbor, Ext, Raw};
use crate::decide::{Change, Context, Decision, Refusal, State, Stop, allowed, registers, store};
use crate::entity::*;
use crate::ids::*;
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
        let group = row.groups.get(&key);
        let mine = side(value, Some(context.principal.user), Some(self.op.at), Some(self.op.uid()));
        if let Some(id) = group.and_then(|group| group.case)
            && let Some((at, case)) = state.register(RowType::CASE, id.0)?
            && case.group::<CaseStatusValue>(case::STATUS).is_some_and(|status| status.status == "open")
        {
            let mut sides: CaseSides =
                case.group(case::SIDES).unwrap_or(CaseSides { sides: vec![], ext: Ext::default() });
            sides.sides.push(mine);
            let ver = case.ver.next(context.server_epoch);
            let mut next = Register { ver, ..case };
            next.groups.insert(case::SIDES, Group::set(Raw(sides.cbor()), context.stamp(ver)));
            self.cases.push((at, next));
            return Ok(id);
        }
        let id = self.op.case_id(self.opened);
        self.opened += 1;
        let mut sides = Vec::new();
        if let Some(group) = group {
            let author = match group.stamps.first() {
                Some(stamp) => state.author_of(stamp.epoch)?,
                None => None,
            };
            sides.push(side(&group.value, author, None, None));
        }
        sides.push(mine);
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
    allowed(context.may(op, Action::ResolveCase, scope))?;
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
    registers::check_value(ty, subject.group, &body.value, &row)?;
    let row_ver = row.ver.next(context.server_epoch);
    let mut next = Register { ver: row_ver, ..row };
    next.groups.insert(subject.group, Group::set(body.value.clone(), context.stamp(row_ver)));

    let case_ver = case.ver.next(context.server_epoch);
    let settled = CaseStatusValue {
        status: "resolved".into(),
        by: Some(context.principal.user),
        at: Some(context.received),
        chosen: Some(body.value.clone()),
        ext: Ext::default(),
    };
    let mut closed = Register { ver: case_ver, ..case };
    closed.groups.insert(case::STATUS, Group::set(Raw(settled.cbor()), context.stamp(case_ver)));
    let changes =
        vec![Change::PutRegister { scope: row_scope, register: next }, Change::PutRegister { scope, register: closed }];
    Ok(Decision::applied(case_ver, changes))
}
