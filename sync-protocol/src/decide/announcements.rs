//! What a commune or province announces to its villages. Nobody changes an announcement that is out: it is taken back,
//! and another one says it better.
//!
//! Source: docs/PROTOCOL.md, W9, W10.

use crate::access::Action;
use crate::cbor::{Cbor, Ext, Raw};
use crate::decide::office::{group, reach};
use crate::decide::registers::{level_of, put_groups, put_new, unit_in_force, words};
use crate::decide::{Context, Decision, Refusal, State, Stop, allowed};
use crate::entity::*;
use crate::op::*;
use crate::outcome::Code;
use crate::row::RowType;
use crate::text::TextLimit;

pub(super) fn publish<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &PublishAnnouncement,
) -> Result<Decision, Stop<S::Error>> {
    allowed(context.may(op, Action::WriteCampaign, body.unit.into()))?;
    let unit = unit_in_force(state, context, body.unit, "unit")?;
    if !matches!(level_of(&unit).as_deref(), Some("commune" | "province")) {
        return Err(Refusal::by_rule(Code::BadValue, "unit", "wrong_level").into());
    }
    words(&body.title, TextLimit::NAME, "title")?;
    words(&body.body, TextLimit::NOTE, "body")?;
    if body.to < body.from {
        return Err(Refusal::by_rule(Code::BadValue, "to", "before_from").into());
    }
    if body.to < context.today() {
        return Err(Refusal::by_rule(Code::BadValue, "to", "in_past").into());
    }
    let identity: UnitIdentity = group(&unit, unit::IDENTITY)?;
    let said = AnnouncementWords {
        title: body.title.clone(),
        body: body.body.clone(),
        from: body.from,
        to: body.to,
        unit_name: identity.full_name,
        ext: Ext::default(),
    };
    let stands = AnnouncementState { published: context.today(), withdrawn: None, ext: Ext::default() };
    let values = [(announcement::WORDS, Raw(said.cbor())), (announcement::STATE, Raw(stands.cbor()))];
    Ok(put_new(context, body.unit.into(), RowType::ANNOUNCEMENT, op.row_id(), values))
}

pub(super) fn withdraw<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &WithdrawAnnouncement,
) -> Result<Decision, Stop<S::Error>> {
    let (scope, register) =
        reach(state, context, op, RowType::ANNOUNCEMENT, body.announcement.0, Action::WriteCampaign)?;
    let stands: AnnouncementState = group(&register, announcement::STATE)?;
    if stands.withdrawn.is_some() {
        return Err(Code::WrongState.into());
    }
    let withdrawn = AnnouncementState { withdrawn: Some(context.today()), ..stands };
    Ok(put_groups(context, scope, register, [(announcement::STATE, Raw(withdrawn.cbor()))]))
}
