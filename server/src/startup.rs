//! From a data folder to a running server. `main` and the tests build the same thing.

use std::fs::{File, TryLockError};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sync_protocol::access::{INSTALLATION, Role};
use sync_protocol::cbor;
use sync_protocol::decide::{Change, Grant, User};
use sync_protocol::ids::*;
use sync_protocol::museum::{self, Exhibit};
use sync_protocol::outcome::{Code, Outcome, Verdict};

use crate::accounts::{Accounts, Parts};
use crate::auth::password::{HashingError, PasswordHasherPool};
use crate::auth::throttle::{Limits, Throttle};
use crate::auth::token::{AccessTokens, UnusableKey};
use crate::desk::Desk;
use crate::keys::{self, EpochError, EpochFile, KeysError, Pepper, ServerKeys};
use crate::reading::Reading;
use crate::shapes::{self, Shapes};
use crate::storage::sqlite::SqliteStorage;
use crate::storage::{StorageError, Store};
use crate::sync::{Clock, Random, SERVER_EPOCH_KEY, Secrets, SyncService, decide_again, next_epoch, server_epoch_of};
use crate::work::{Work, audit_body, commits_of};

/// Name of the database in the data folder.
pub const DATABASE: &str = "thonso.sqlite3";
/// Who stands behind what is done by a command on the machine itself.
pub const MACHINE: UserId = UserId(uuid::Uuid::nil());

/// Why a data folder does not become a server.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder cannot be made or read.
    #[error("the data folder {path} cannot be used: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A server is running on the folder.
    #[error("a server is running on {0} already; end it first")]
    Served(PathBuf),
    /// The secret files.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The epoch file.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// The store.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Hashing threads.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// Token keys.
    #[error(transparent)]
    Tokens(#[from] UnusableKey),
}

/// The sign that a process serves phones from a data folder. The operating system takes it away with the process, however
/// that ends.
#[derive(Debug)]
pub struct Serving {
    _lock: File,
}

impl Serving {
    const NAME: &str = "serving.lock";

    /// Puts the sign up.
    ///
    /// # Errors
    /// [`StartError::Served`] while another process has it, [`StartError::Folder`] when the folder cannot be used.
    pub fn begin(folder: &Path) -> Result<Self, StartError> {
        let at = |source| StartError::Folder { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(at)?;
        let lock =
            File::options().create(true).truncate(false).write(true).open(folder.join(Self::NAME)).map_err(at)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StartError::Served(folder.to_owned())),
            Err(TryLockError::Error(source)) => Err(at(source)),
        }
    }

    /// Whether a process has it up.
    fn is_up(folder: &Path) -> bool {
        let lock = File::open(folder.join(Self::NAME));
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

/// Everything that runs behind the HTTP door.
pub struct Instance {
    /// The store.
    pub store: Store,
    /// The exchange with phones.
    pub sync: Arc<SyncService>,
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// The desk's door for changes.
    pub desk: Arc<Desk>,
    /// The desk's reads.
    pub reading: Arc<Reading>,
    /// The server's clock.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
    folder: PathBuf,
}

/// The machine's clock.
pub fn machine_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ServerMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    })
}

/// The machine's randomness.
pub fn machine_random() -> Random {
    Arc::new(|bytes| getrandom::fill(bytes).expect("the operating system gives random numbers"))
}

impl Instance {
    /// Opens a data folder, or makes it, and begins a life of its store.
    pub fn open(folder: &Path, issuer: &str, clock: Clock, random: Random) -> Result<Self, StartError> {
        Self::open_in_life(folder, issuer, clock, random, true)
    }

    /// Opens a data folder for a command, perhaps beside a server that runs on it. Then the life of that server goes on: one
    /// that began here would end it in the books, and phones that it answers later would seem to know a lost past
    /// (docs/adr/0008-lives-of-a-store.md).
    pub fn open_beside(folder: &Path, issuer: &str, clock: Clock, random: Random) -> Result<Self, StartError> {
        Self::open_in_life(folder, issuer, clock, random, !Serving::is_up(folder))
    }

    fn open_in_life(
        folder: &Path,
        issuer: &str,
        clock: Clock,
        random: Random,
        begins_life: bool,
    ) -> Result<Self, StartError> {
        let at = |source| StartError::Folder { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(at)?;
        let database = folder.join(DATABASE);
        let keys_folder = folder.join(keys::FOLDER);
        // New keys beside an old database would make every password wrong: then a missing file is an error.
        let keys = if database.exists() {
            ServerKeys::load(&keys_folder)?
        } else {
            ServerKeys::load_or_create(&keys_folder, clock())?
        };
        let store = Store(Arc::new(SqliteStorage::open(&database)?));
        let epoch_path = folder.join(EpochFile::NAME);
        let server_epoch = settle_epoch(&store, &epoch_path, clock())?;
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let pepper = Pepper::from_bytes(*keys.pepper.as_bytes());
        let hashers = PasswordHasherPool::start(keys.pepper, cores)?;
        let secrets = Secrets::of(&keys.cursor_key);
        let kept = epoch_path.clone();
        let on_new_epoch = Box::new(move |server_epoch| {
            if let Err(error) = (EpochFile { server_epoch, high_water: 0 }).store(&kept) {
                tracing::error!(%error, "the new server epoch could not be kept outside the store");
            }
        });
        let (at, chance) = (Arc::clone(&clock), Arc::clone(&random));
        let sync = SyncService::new(store.clone(), secrets.clone(), server_epoch, at, chance, on_new_epoch);
        let sync = Arc::new(if begins_life { sync.begin_life()? } else { sync });
        let accounts = Arc::new(Accounts::new(Parts {
            store: store.clone(),
            hashers,
            tokens: AccessTokens::new(issuer, issuer, &keys.token_keys)?,
            throttle: Throttle::new(Limits::default()),
            secrets,
            pepper,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
        }));
        let desk = Arc::new(Desk::new(store.clone(), Arc::clone(&sync), Arc::clone(&clock), Arc::clone(&random)));
        // A map is worth no refusal to start.
        let shapes = Shapes::load(folder).unwrap_or_else(|error| {
            tracing::error!(%error, file = shapes::FILE, "the shapes of places are not used");
            Shapes::default()
        });
        let reading = Reading::new(store.clone(), Arc::clone(&clock), Arc::clone(&random)).with_shapes(shapes);
        let reading = Arc::new(reading);
        let instance = Self { store, sync, accounts, desk, reading, clock, random, folder: folder.to_owned() };
        let retried = instance.retry_deferred()?;
        if retried > 0 {
            tracing::info!(retried, "ops that waited for this version were decided");
        }
        Ok(instance)
    }

    /// Writes the server's epoch and how far the store has come beside the store. To be called every few seconds and at
    /// the end: a store that is found behind this file was restored.
    pub fn keep_high_water(&self) -> Result<(), StartError> {
        let (server_epoch, high_water) = self.store.read_blocking(|tx| Ok((server_epoch_of(tx)?, commits_of(tx)?)))?;
        Ok(EpochFile { server_epoch, high_water }.store(&self.folder.join(EpochFile::NAME))?)
    }

    /// Enters an admin. Only a command on the machine itself may do this: there is no default account.
    pub fn add_admin(&self, display_name: &str, phone: &str) -> Result<UserId, StartError> {
        let now = (self.clock)();
        let mut salt = [0; 16];
        (self.random)(&mut salt);
        let id = UserId(derive_id(DerivedTag::Row, ClaimedMs(now.0), &salt, 0));
        let user = User {
            id,
            display_name: display_name.to_owned(),
            phone: phone.to_owned(),
            unit: INSTALLATION.into(),
            grants_rev: 1,
            active: true,
        };
        let grant = Grant {
            id: GrantId(derive_id(DerivedTag::Row, ClaimedMs(now.0), &salt, 1)),
            user: id,
            role: Role::Admin.code().to_owned(),
            unit: INSTALLATION.into(),
            from: Day::of_ms(now.0),
            to: None,
            ended: None,
            decision: None,
        };
        Ok(self.store.write_blocking(move |tx| {
            let mut work = Work::new(tx, now);
            work.apply(vec![Change::PutUser(user.clone()), Change::PutGrant(grant.clone())])?;
            work.audit(INSTALLATION, audit_body(salt, now, MACHINE, "admin.add", "applied"));
            work.finish()?;
            Ok(id)
        })?)
    }

    /// Writes a verified copy of the store, then tells phones that what is in it is safe.
    pub fn backup(&self, to: &Path) -> Result<(), StartError> {
        // Read before the copy is made: what comes in between is in the copy at most, never only in the marks.
        let held = self.store.read_blocking(|tx| tx.outboxes())?;
        self.store.0.backup(to)?;
        Ok(self.store.write_blocking(move |tx| {
            for (epoch, upto) in &held {
                tx.mark_durable(*epoch, *upto)?;
            }
            Ok(())
        })?)
    }

    /// Decides again what an older version could not read.
    fn retry_deferred(&self) -> Result<usize, StartError> {
        const PAGE: usize = 200;
        let (mut after, mut retried) = (None, 0);
        loop {
            let page = self.store.read_blocking(|tx| tx.kept_ops(after, PAGE))?;
            after = page.last().map(|op| (op.epoch, op.n));
            for op in &page {
                if let Ok(outcome) = cbor::read::<Outcome>(&op.outcome)
                    && outcome.verdict == Verdict::Deferred
                    && outcome.code.as_deref() == Some(Code::NeedsServerUpdate.text())
                {
                    let (op, server_epoch) = (op.clone(), self.sync.server_epoch());
                    retried += usize::from(
                        self.store.write_blocking(move |tx| decide_again(tx, &op, server_epoch))?.is_some(),
                    );
                }
            }
            if page.len() < PAGE {
                return Ok(retried);
            }
        }
    }
}

/// The epoch of a server that starts: what lies beside its store, the epoch in the store, and how many units of work the
/// store has seen. The second half says whether a new epoch begins, because the store is older than what lies beside it.
pub fn epoch_at_start(beside: Option<EpochFile>, stored: u16, commits: u64, now: ServerMs) -> (u16, bool) {
    match beside {
        _ if stored > 0 && museum::on(Exhibit::RestoreKeepsEpoch) => (stored, false),
        None if stored == 0 => (1, false),
        None => (next_epoch(stored, now), true),
        Some(beside)
            if beside.server_epoch > stored || (beside.server_epoch == stored && beside.high_water > commits) =>
        {
            (next_epoch(beside.server_epoch.max(stored), now), true)
        }
        Some(_) => (stored, false),
    }
}

/// Finds the server's epoch. A store that is behind what lies beside it, or that came without it, was restored: then a
/// new epoch begins, and phones offer again what the store has lost.
fn settle_epoch(store: &Store, path: &Path, now: ServerMs) -> Result<u16, StartError> {
    // The file first: a server that runs meanwhile can only be further on in the store than in the file.
    let beside = EpochFile::load(path)?;
    let (stored, commits) = store.read_blocking(|tx| Ok((server_epoch_of(tx)?, commits_of(tx)?)))?;
    let (server_epoch, is_new) = epoch_at_start(beside, stored, commits, now);
    if server_epoch != stored {
        store.write_blocking(move |tx| tx.put_meta(SERVER_EPOCH_KEY, &server_epoch.to_be_bytes()))?;
    }
    if is_new {
        tracing::error!(server_epoch, "the store is older than what was written beside it; a new server epoch begins");
    }
    match (EpochFile { server_epoch, high_water: commits }).store(path) {
        // A full disk keeps nobody from reading. What the file says of this epoch stays true: it is only behind.
        Err(error @ EpochError::Io { .. }) if beside.is_some_and(|beside| beside.server_epoch == server_epoch) => {
            tracing::error!(%error, "the server epoch could not be kept beside the store");
        }
        stored => stored?,
    }
    Ok(server_epoch)
}
