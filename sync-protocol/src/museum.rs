//! The museum: bugs that other engines had, and those of our own drafts, as mutants of this engine. One can be switched on
//! to see whether the trials notice. A trial that does not notice is the one at fault.
//!
//! Only with the feature `museum`, which no release has. Without it [`on`] is a constant and nothing of this is compiled
//! in. Each mutant stands where the rule lives that it breaks: `if museum::on(Exhibit::…)`.

macro_rules! exhibits {
    ($($(#[doc = $doc:literal])+ $name:ident => $code:literal, $source:literal, $breaks:literal, $shown:literal;)+) => {
        /// A bug that can be switched on.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Exhibit {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Exhibit {
            /// All of them, in the order of the numbers that the switch uses.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// A stable name for files and command lines.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// Where the bug was met.
            pub const fn source(self) -> &'static str {
                match self {
                    $(Self::$name => $source,)+
                }
            }

            /// The properties that must fail, the surest first.
            pub const fn breaks(self) -> &'static str {
                match self {
                    $(Self::$name => $breaks,)+
                }
            }

            /// Who shows it: `simulator`, or `postgres` where only several writers at once can. Those have no mutant.
            pub const fn shown_by(self) -> &'static str {
                match self {
                    $(Self::$name => $shown,)+
                }
            }
        }
    };
}

exhibits! {
    /// The cursors of an answer are committed in a transaction before its rows: what dies in between never asks for
    /// these rows again.
    CursorBeforeRows => "cursor-before-rows", "pouchdb#1240", "P4, P9", "simulator";
    /// The server reads rows in a snapshot from before the request's ops were taken in, the cursor in one from after.
    CursorOfAnotherSnapshot => "cursor-of-another-snapshot", "turso PR#3860", "P4, P5", "simulator";
    /// A position is an identity column, given out before the commit: a slower transaction commits below a cursor. Our
    /// engines write one after the other, so only PostgreSQL can show it.
    PgOrderHole => "pg-order-hole", "PostgreSQL, order of identities", "P4", "postgres";
    /// `xid < xmin` with a cursor on the id: a higher transaction may hold a lower id. As above.
    PgXminFilter => "pg-xmin-filter", "dba.stackexchange 342896", "P4", "postgres";
    /// A frame that does not follow what is here is taken all the same. Our session has no clock to wait by, so it gives up
    /// at once.
    GapGivenUp => "gap-given-up", "sync_gateway skipped sequences", "P4, P3", "simulator";
    /// The server goes by numbers alone: neither chain nor last number of an outbox is compared, and no signature over the
    /// chain can be asked for either.
    NoForkCheck => "no-fork-check", "turso#8129", "P1, P17", "simulator";
    /// A server that finds itself restored goes on in its old epoch, whether it learns of it at its start or from a
    /// cursor above its head.
    RestoreKeepsEpoch => "restore-keeps-epoch", "atuin LocalAheadOtherHost", "P4, P17, P3, P1", "simulator";
    /// The disk is full while a page is stored: its rows are not kept, its cursors are.
    DiskFullKeepsCursor => "disk-full-keeps-cursor", "atuin#2879", "P4, P16", "simulator";
    /// One op that cannot be read fails the whole request.
    DecodeErrorAbortsBatch => "decode-error-aborts-batch", "sync15#1926", "P12", "simulator";
    /// After an upload that failed, nothing is sent until something new is saved.
    UploadWaitsForWrite => "upload-waits-for-write", "powersync native#15", "P12, P1", "simulator";
    /// A session marks itself as running in the file, and only its end takes the mark away: a phone that dies in between
    /// never syncs again. The real gate of our store, the flag of a stale overlay, is written with what makes it stale.
    GateNotCleared => "gate-not-cleared", "powersync sqlite-core#162", "P12, P9", "simulator";
    /// Rungs of the repair ladder are climbed without counting: a difference that stays is loaded for ever.
    HealWithoutLimit => "heal-without-limit", "powersync-js#954", "P13", "simulator";
    /// An op leaves the overlay when its outcome comes, not when its row does.
    OverlayDroppedAtAck => "overlay-dropped-at-ack", "powersync dart#253", "P6, P5", "simulator";
    /// Numbers and outcomes of ops are stored in a transaction after that of their effects.
    OutcomeApart => "outcome-apart", "Replicache's rule broken", "P2", "simulator";
    /// Two uploads in flight arrive in the other order. Our phone has one in flight and the chain holds its order, so the
    /// server itself takes the later ops of a frame first.
    UploadsReorder => "uploads-reorder", "zero mono PR#6340", "P7, P1", "simulator";
    /// What is left of a row that moved away is purged before every phone has seen it, and no floor is raised.
    TombstonePurged => "tombstone-purged", "Ditto, pouchdb#6666", "P4, P3", "simulator";
    /// Phones settle open cases by themselves: each sets its own person's value again. Ours are settled by an op that only
    /// counts once, so the mutant goes around it with ordinary edits.
    ClientsResolve => "clients-resolve", "pouchdb#4630", "P3", "simulator";
    /// What belongs to a lost scope stays on the phone.
    NoPurge => "no-purge", "CHT#11306, PR#3603", "P10, P3", "simulator";
    /// What a phone did itself is not taken from the server again: when its own move takes a household away, the
    /// household stays in the old village.
    OwnEditRemovesAccess => "own-edit-removes-access", "couchbase-lite-c#241", "P3, P10, P4", "simulator";
    /// A bucket that is loaded afresh comes from a copy that was sealed some writes ago; the cursor says it is whole.
    SnapshotTailHole => "snapshot-tail-hole", "electric#4773", "P4, P3", "simulator";
    /// What is left of a row that moved has the version that the row had before: a phone that holds this version takes
    /// neither, and both sides have the same digest.
    DeletesTie => "deletes-tie", "corrosion PR#352", "P3, P10", "simulator";
    /// The proof of a bucket also counts what is predicted for it.
    DerivedInChecksum => "derived-in-checksum", "AnkiDroid#5672", "P16 (false alarm)", "simulator";
    /// After a failure everything is loaded from the beginning.
    FailureEscalates => "failure-escalates", "AnkiDroid#3128", "P13", "simulator";
    /// An edit drops keys and groups that this version does not know.
    ExtDropped => "ext-dropped", "sync15 payload evolution", "P18", "simulator";
    /// The server believes that a phone has what was sent to it, whatever the phone says.
    SilentStop => "silent-stop", "automerge#702", "P3, P13", "simulator";
    /// Of two values the one with the later claimed time holds, and the other is forgotten.
    LwwOnClock => "lww-on-clock", "a hybrid clock from the future", "P15, P11", "simulator";
    /// An op leaves the overlay when the cursor of its bucket has moved on, although its row may have moved further.
    EchoByCursor => "echo-by-cursor", "our draft 1", "P6", "simulator";
    /// A fork is taken to be where the shorter history ends, not where it is proven.
    ForkPointAssumed => "fork-point-assumed", "our draft 2", "P11", "simulator";
    /// The stamp of an equal answer replaces the one that stood there.
    AgreeReplacesStamp => "agree-replaces-stamp", "our draft 3", "P11", "simulator";
    /// What is left of a row that moved away acts at once, before its new home is here.
    TombstoneAtOnce => "tombstone-at-once", "our draft 4", "P5", "simulator";
    /// After a server restore buckets are replaced one by one, without a staging area.
    ReloadOneByOne => "reload-one-by-one", "our draft 5", "P5, P6", "simulator";
    /// A server that wants an op which the phone dropped is asked the same for ever: no new outbox begins.
    StuckOnLostOp => "stuck-on-lost-op", "our draft 6", "P12, P1", "simulator";
    /// A person's own past is that of the device, not of the epoch: a restored phone counts its lost future as seen.
    PastPerDevice => "past-per-device", "our toy: own past", "P11", "simulator";
    /// An op is known by its outbox and number alone: the same intent from another outbox takes effect again.
    NoOpUid => "no-op-uid", "our toy: no op uid", "P2", "simulator";
    /// The last to arrive overwrites, seen or not.
    LastWriteWins => "last-write-wins", "our toy: last write wins", "P11", "simulator";
    /// What is safe in a backup is told by numbers alone: a clone of a file forgets its own ops because other ones have
    /// their numbers.
    DurableUnproven => "durable-unproven", "found by the simulator", "P1, P9", "simulator";
    /// A restore shows only in cursors beyond the heads: after as many new changes as were lost it is never noticed.
    RestoreUnnoticed => "restore-unnoticed", "found by the simulator", "P3, P4, P5", "simulator";
    /// A new server epoch is the old number plus one: after two restores of a whole machine phones meet the number of a
    /// life that is gone.
    EpochNumberAgain => "epoch-number-again", "found by the simulator", "P5, P3", "simulator";
    /// A phone takes any answer for the one to its last request.
    AnswerMixedUp => "answer-mixed-up", "found by the simulator", "P8, P1, P9, P10", "simulator";
    /// Counters are compared, rows never counted: what bad storage took away is never missed.
    RowsNeverCounted => "rows-never-counted", "found by the simulator", "P16, P3", "simulator";
    /// What was purged stays in the write-ahead log when the power goes before the log is emptied, or when an op is
    /// forgotten.
    LogKeepsPurged => "log-keeps-purged", "found by the simulator", "P10", "simulator";
    /// A purge goes by the rows alone: the search words of a row that bad storage took away stay.
    WordsOutliveRows => "words-outlive-rows", "found by the simulator", "P3, P10", "simulator";
    /// A role that ends in the small hours ends a revision later: what was stamped with the revision that ended it is
    /// taken as work from before.
    GrantOutlivesItsDay => "grant-outlives-its-day", "found by the simulator", "P10", "simulator";
    /// The button waits by a clock that stands still.
    StoppedClockWaits => "stopped-clock-waits", "found by the simulator", "P13, P3", "simulator";
    /// An op is echoed, and what was predicted from it goes on being shown, as waiting, until something else changes.
    EchoLeavesPrediction => "echo-leaves-prediction", "found by the simulator", "P3", "simulator";
    /// Who edits a household that is just leaving is said to have seen nothing of it.
    HeldRowUnseen => "held-row-unseen", "found by the simulator", "P11 (false alarm)", "simulator";
    /// A side that joins an open case takes away who wrote the earlier ones: the case can be settled by somebody who has
    /// seen only the last.
    CaseForgetsSides => "case-forgets-sides", "found by the simulator", "P11", "simulator";
    /// The requests of a phone are alike: an old copy of its file takes an answer that the phone once got.
    CallsAlike => "calls-alike", "found by the simulator", "P10, P5", "simulator";
}

impl Exhibit {
    /// The exhibit of that name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|exhibit| exhibit.code() == code)
    }
}

#[cfg(feature = "museum")]
mod switched {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Exhibit;

    /// 0: none. Otherwise the place in `ALL`, from 1.
    static SHOWN: AtomicU8 = AtomicU8::new(0);

    /// Whether this exhibit is switched on.
    pub fn on(exhibit: Exhibit) -> bool {
        SHOWN.load(Ordering::Relaxed) == exhibit as u8 + 1
    }

    /// Switches one exhibit on and all others off, for the whole process.
    pub fn switch(exhibit: Option<Exhibit>) {
        SHOWN.store(exhibit.map_or(0, |exhibit| exhibit as u8 + 1), Ordering::Relaxed);
    }
}

#[cfg(feature = "museum")]
pub use switched::{on, switch};

/// Never: this build has no museum.
#[cfg(not(feature = "museum"))]
#[inline(always)]
pub const fn on(_: Exhibit) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exhibit_has_a_name_of_its_own() {
        for (at, exhibit) in Exhibit::ALL.iter().enumerate() {
            assert_eq!(*exhibit as usize, at);
            assert_eq!(Exhibit::from_code(exhibit.code()), Some(*exhibit));
            assert!(exhibit.code().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert!(["simulator", "postgres"].contains(&exhibit.shown_by()));
        }
        assert_eq!(Exhibit::from_code("cursor"), None);
    }

    #[test]
    fn nothing_is_on_unless_it_was_switched_on() {
        assert!(Exhibit::ALL.iter().all(|exhibit| !on(*exhibit)));
    }
}
