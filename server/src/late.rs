//! Work that a revoked phone still delivered: kept without effect until whoever administers its owner adopts it.
//!
//! Source: docs/PROTOCOL.md, S19.

use sync_protocol::access::Action;
use sync_protocol::cbor;
use sync_protocol::entity::VisitContent;
use sync_protocol::ids::*;
use sync_protocol::op::{Intent, Op, OpName};
use sync_protocol::outcome::{Outcome, Verdict};

use crate::accounts::{AccountError, administered, note};
use crate::desk::Desk;
use crate::storage::{Device, LoggedOp, StorageError, Tx};
use crate::sync::decide_again;

/// Ops that are read from the store at once.
const PAGE: usize = 200;

/// What a phone has brought, and what of it waits.
#[derive(Clone, PartialEq, Debug)]
pub struct Ledger {
    /// The phone.
    pub device: Device,
    /// Ops that were taken in from it, whatever became of them. What it recorded after it was last heard is not known.
    pub held: u64,
    /// What was delivered after it was revoked and has no effect yet, in the order in which it was made.
    pub waiting: Vec<Waiting>,
}

/// An op without effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// What it wants.
    pub action: String,
    /// When it was received.
    pub received: ServerMs,
    /// For a visit: its village and day.
    pub visit: Option<(UnitId, Day)>,
}

/// What became of adopted work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Adopted {
    /// Ops that had their effect.
    pub applied: u32,
    /// Ops that had their effect with a case: somebody else said something different.
    pub with_case: u32,
    /// Ops that were refused; they are kept.
    pub rejected: u32,
    /// Ops that still wait: for a newer server, or for an op that waits.
    pub waiting: u32,
}

type Answer<T> = Result<Result<T, AccountError>, StorageError>;

impl Desk {
    /// What a phone has brought: for whoever may give codes to its owner.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] when it is not there, or not theirs.
    pub async fn ledger(&self, by: UserId, device: DeviceId) -> Result<Ledger, AccountError> {
        let now = (self.clock)();
        self.store
            .read(move |tx| -> Answer<Ledger> {
                let device = match phone(tx, by, device, now)? {
                    Ok((device, _)) => device,
                    Err(refused) => return Ok(Err(refused)),
                };
                let (held, ops) = late_ops(tx, device.id)?;
                let waiting = ops.iter().map(waiting).collect();
                Ok(Ok(Ledger { device, held, waiting }))
            })
            .await?
    }

    /// Decides everything that a revoked phone delivered late, as its owner's, as of when it was received. Asked for again it
    /// finds nothing left to do.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] when the phone is not there, not theirs, or not revoked.
    pub async fn adopt(&self, by: UserId, device: DeviceId) -> Result<Adopted, AccountError> {
        let (now, server_epoch) = ((self.clock)(), self.server_epoch());
        let mut salt = [0; 16];
        (self.random)(&mut salt);
        self.store
            .write(move |tx| -> Answer<Adopted> {
                let (device, owner) = match phone(tx, by, device, now)? {
                    Ok(found) => found,
                    Err(refused) => return Ok(Err(refused)),
                };
                if device.revoked.is_none() {
                    return Ok(Err(AccountError::NotFound));
                }
                let mut adopted = Adopted::default();
                for op in late_ops(tx, device.id)?.1 {
                    let count = match decide_again(tx, &op, server_epoch)?.map(|outcome| outcome.verdict) {
                        Some(Verdict::Applied) => &mut adopted.applied,
                        Some(Verdict::AppliedWithCase) => &mut adopted.with_case,
                        Some(Verdict::Rejected) => &mut adopted.rejected,
                        Some(Verdict::Deferred) | None => &mut adopted.waiting,
                    };
                    *count += 1;
                }
                note(tx, now, salt, &owner, by, Some(device.id), "device.adopt", Some(device.id.0))?;
                Ok(Ok(adopted))
            })
            .await?
    }
}

/// A phone with its owner, if the caller may give its owner codes; otherwise as if it did not exist.
fn phone(
    tx: &mut dyn Tx,
    by: UserId,
    device: DeviceId,
    now: ServerMs,
) -> Answer<(Device, sync_protocol::decide::User)> {
    let Some(device) = tx.device(device)? else { return Ok(Err(AccountError::NotFound)) };
    Ok(administered(tx, by, device.user, Action::GiveCode, now)?.map(|owner| (device, owner)))
}

/// How many ops came from a phone, and those that wait because it was revoked, oldest first.
fn late_ops(tx: &mut dyn Tx, device: DeviceId) -> Result<(u64, Vec<LoggedOp>), StorageError> {
    let (mut held, mut late) = (0, Vec::new());
    for (epoch, _) in tx.outboxes()? {
        let Some(outbox) = tx.outbox(epoch)?.filter(|outbox| outbox.device == device) else { continue };
        held += outbox.last_n;
        let mut after = (epoch, 0);
        loop {
            let page = tx.kept_ops(Some(after), PAGE)?;
            let is_last = page.len() < PAGE || page.iter().any(|op| op.epoch != epoch);
            for op in page.into_iter().filter(|op| op.epoch == epoch) {
                after = (epoch, op.n);
                let outcome = cbor::read::<Outcome>(&op.outcome).ok();
                // What waits behind such an op waits under another code.
                if outcome.is_some_and(|outcome| outcome.verdict == Verdict::Deferred) {
                    late.push(op);
                }
            }
            if is_last {
                break;
            }
        }
    }
    late.sort_by_key(|op| (op.received, op.epoch, op.n));
    Ok((held, late))
}

fn waiting(op: &LoggedOp) -> Waiting {
    let read = op.body.as_ref().and_then(|body| Op::read(body).ok());
    let name = read.as_ref().and_then(|op| OpName::from_code(op.code));
    let visit = read.as_ref().and_then(|op| match Intent::of(op)?.ok()? {
        Intent::VisitRecord(body) => cbor::read::<VisitContent>(&body.content.0).ok(),
        _ => None,
    });
    Waiting {
        action: name.map_or_else(|| "op.unknown".to_owned(), |name| name.text().to_owned()),
        received: op.received,
        visit: visit.map(|content| (content.village, content.day)),
    }
}
