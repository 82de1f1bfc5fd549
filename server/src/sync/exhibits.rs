//! What the exhibits of the museum need of the exchange. Only with the feature `museum`; no release has it.

use super::*;

impl SyncService {
    /// `SilentStop`: what was sent is taken for received, whatever the phone says it holds.
    pub(super) fn believed(&self, device: DeviceId) -> Option<Cursors> {
        if !museum::on(Exhibit::SilentStop) {
            return None;
        }
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(&device).map(|(_, cursors)| cursors.clone())
    }

    /// `CursorOfAnotherSnapshot`: how far the buckets had come before the request's ops.
    pub(super) async fn note_heads(&self, user: UserId, now: ServerMs) -> Result<(), SyncError> {
        if !museum::on(Exhibit::CursorOfAnotherSnapshot) {
            return Ok(());
        }
        let read = self.store.read(move |tx| {
            let mut heads = BTreeMap::new();
            for held in held_roles(&principal(tx, user, now)?) {
                heads.extend(tx.buckets_of(held.scope)?.into_iter().map(|(id, bucket)| (id, bucket.head)));
            }
            Ok(heads)
        });
        *self.heads_before.lock().unwrap_or_else(PoisonError::into_inner) = read.await?;
        Ok(())
    }

    /// The rows of a page as the exhibit that is on would have read them. The cursor behind them stays.
    pub(super) fn as_exhibited(
        &self,
        id: BucketId,
        head: u64,
        afresh: bool,
        mut rows: Vec<(u64, Vec<u8>)>,
    ) -> Vec<(u64, Vec<u8>)> {
        if museum::on(Exhibit::CursorOfAnotherSnapshot) {
            let heads = self.heads_before.lock().unwrap_or_else(PoisonError::into_inner);
            let before = heads.get(&id).copied().unwrap_or(0);
            rows.retain(|(seq, _)| *seq <= before);
        }
        if museum::on(Exhibit::SnapshotTailHole) && afresh {
            let sealed = head - (head % 8).min(head / 2);
            rows.retain(|(seq, _)| *seq <= sealed);
        }
        if museum::on(Exhibit::TombstonePurged) {
            rows.retain(|(_, row)| !sync_protocol::row::read_row(row).is_ok_and(|row| row.is_tombstone()));
        }
        rows
    }

    /// `OutcomeApart`: what belongs to the effects, in a transaction of its own.
    pub(super) async fn store_apart(&self, apart: (Vec<LoggedOp>, Option<Outbox>)) -> Result<(), SyncError> {
        if !museum::on(Exhibit::OutcomeApart) {
            return Ok(());
        }
        let write = self.store.write(move |tx| {
            apart.0.iter().try_for_each(|op| tx.put_op(op))?;
            apart.1.iter().try_for_each(|outbox| tx.put_outbox(outbox))
        });
        Ok(write.await?)
    }
}

impl Push {
    /// `UploadsReorder`: the ops of a frame, the last one first.
    pub(super) fn take_backwards(
        &self,
        work: &mut Work<'_>,
        taking: &mut Taking,
        frame: &OpsFrame,
        chains: &[Chain],
    ) -> Result<bool, StorageError> {
        let expected = taking.outbox.last_n + 1;
        let (mut last_n, mut last_chain) = (taking.outbox.last_n, taking.outbox.chain);
        for ((n, op), chain) in (frame.first_n..).zip(&frame.ops).zip(chains).collect::<Vec<_>>().into_iter().rev() {
            let known = if n < expected { work.tx().op(taking.outbox.epoch, n)? } else { None };
            let outcome = match known {
                Some(known) => outcome_now(work.tx(), &known)?,
                None => Some(self.take_op(work, taking, n, &op.0, *chain)?),
            };
            taking.pushed.outcomes.extend(outcome);
            if n > last_n {
                (last_n, last_chain) = (n, *chain);
            }
        }
        (taking.outbox.last_n, taking.outbox.chain) = (last_n, last_chain);
        Ok(true)
    }
}
