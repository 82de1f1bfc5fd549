//! Rescue files: what a phone could not send, brought by hand. Through the same door as a request: the device's signatures
//! are checked, `decide` says what becomes of each op, and what is known already is known once.

use p256::ecdsa::VerifyingKey;
use serde::Serialize;
use sync_protocol::outcome::Verdict;
use sync_protocol::rescue::{self, RescueFault};
use sync_protocol::wire::{BATCH_OPS_MAX, Hello, OpsFrame};

use super::{Push, SyncError, SyncService, read_frames};
use crate::storage::StorageError;

/// What came of a rescue file.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct RescueTaken {
    /// Whose phone it was.
    pub user: String,
    /// Ops in the file.
    pub ops: u64,
    /// Ops that were here already.
    pub known: u64,
    /// Ops newly applied.
    pub applied: u64,
    /// Ops newly applied with a case: somebody else said something different.
    pub with_case: u64,
    /// Ops newly kept for later.
    pub deferred: u64,
    /// Ops newly refused.
    pub rejected: u64,
    /// Codes of what was not taken: `expected_n` when ops before these are missing here, `fork` when the server knows
    /// others under the same numbers, `bad_signature`, or a fault of the file.
    pub problems: Vec<String>,
}

/// Why a rescue file was not taken in at all.
#[derive(Debug, thiserror::Error)]
pub enum RescueError {
    /// The file.
    #[error(transparent)]
    File(#[from] RescueFault),
    /// What lies in it is no request.
    #[error("what lies in the rescue file cannot be read")]
    Request(#[source] SyncError),
    /// The device is not known here, or not of an active account.
    #[error("the phone of this rescue file is not known here, or its account is not active")]
    Device,
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl SyncService {
    /// Takes a rescue file in. A second time it changes nothing.
    ///
    /// # Errors
    /// [`RescueError`]; then nothing was taken.
    pub async fn take_rescue(&self, file: &[u8]) -> Result<RescueTaken, RescueError> {
        let now = (self.clock)();
        let sync_key = self.secrets.sync_key(rescue::session_of(file)?);
        let request = read_frames(&rescue::open(file, &sync_key)?).map_err(RescueError::Request)?;
        let hello = request.sealed.hello.clone();
        if !request.sealed.is_sealed_by(&sync_key) {
            return Err(RescueFault::Unreadable.into());
        }
        let device = hello.device;
        // The session may have ended since. What counts is the device: its key signed the ops, its account made them.
        let found = self
            .store
            .read(move |tx| {
                let Some(device) = tx.device(device)? else { return Ok(None) };
                let user = tx.user(device.user)?.filter(|user| user.active);
                Ok(user.map(|user| (device, user)))
            })
            .await?;
        let (device, user) = found.ok_or(RescueError::Device)?;
        let public_key = VerifyingKey::from_sec1_bytes(&device.public_key).map_err(|_| RescueError::Device)?;
        let mut taken = RescueTaken { user: user.display_name, ..RescueTaken::default() };
        taken.problems.extend(request.problems.into_iter().map(|problem| problem.code));
        taken.ops = request.ops.iter().map(|(_, frame)| frame.ops.len() as u64).sum();
        for frames in batches(request.ops) {
            let epoch = hello.epoch;
            let before = self.store.read(move |tx| Ok(tx.outbox(epoch)?.map_or(0, |outbox| outbox.last_n))).await?;
            let push = Push {
                frames,
                // The phone may have gone on and synced since the file was written. Whether the file's ops belong to the
                // outbox that is known here, their own chain says.
                hello: Hello { last_n: u64::MAX, ..hello.clone() },
                user: device.user,
                public_key,
                is_revoked: device.revoked.is_some(),
                now,
                server_epoch: self.server_epoch(),
                catalogue: self.catalogue,
                random: std::sync::Arc::clone(&self.random),
            };
            let pushed = self.store.write(move |tx| push.run(tx)).await?;
            for outcome in &pushed.outcomes {
                let count = match outcome.verdict {
                    _ if outcome.n <= before => &mut taken.known,
                    Verdict::Applied => &mut taken.applied,
                    Verdict::AppliedWithCase => &mut taken.with_case,
                    Verdict::Deferred => &mut taken.deferred,
                    Verdict::Rejected => &mut taken.rejected,
                };
                *count += 1;
            }
            let stopped = !pushed.problems.is_empty() || pushed.fork.is_some();
            taken.problems.extend(pushed.problems.into_iter().map(|problem| problem.code));
            taken.problems.extend(pushed.fork.map(|_| "fork".to_owned()));
            if stopped {
                break;
            }
        }
        Ok(taken)
    }
}

/// Frames in batches as large as one request may be: each is one transaction.
fn batches(frames: Vec<(u32, OpsFrame)>) -> Vec<Vec<(u32, OpsFrame)>> {
    let mut batches: Vec<Vec<(u32, OpsFrame)>> = Vec::new();
    let mut count = 0;
    for (at, frame) in frames {
        count += frame.ops.len();
        match batches.last_mut() {
            Some(batch) if count <= BATCH_OPS_MAX => batch.push((at, frame)),
            _ => {
                count = frame.ops.len();
                batches.push(vec![(at, frame)]);
            }
        }
    }
    batches
}
