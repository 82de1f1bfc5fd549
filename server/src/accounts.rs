//! Accounts: how people and phones get in, stay in, and are put out.
//!
//! Roles and scopes are in no token: they are read from the store at every request. Refresh tokens are not stored at all:
//! each is a session, a generation and a proof that only this server can make.
//! Source: docs/SECURITY.md, "People and passwords" and "Sessions, tokens, device binding".

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::VerifyingKey;
use sync_protocol::access::{Action, Role, authorise};
use sync_protocol::cbor::Ext;
use sync_protocol::decide::User;
use sync_protocol::ids::*;
use sync_protocol::phone_number;
use sync_protocol::text::{TextLimit, check_text};
use uuid::Uuid;

use crate::auth::password::{HashingError, PasswordHasherPool, Secret, Verdict, check_password};
use crate::auth::throttle::{AccountKey, Throttle, Throttled};
use crate::auth::token::{ACCESS_LIFE_S, AccessTokens, EnrolmentCode, SessionId, TokenFault};
use crate::keys::Pepper;
use crate::principal::principal;
use crate::storage::{Device, Enrolment, Session, StorageError, Store, Tx};
use crate::sync::{Clock, Random, Secrets};
use crate::work::{AuditBody, Work};

/// Longest life of a session, in milliseconds: 180 days.
pub const SESSION_LIFE_MS: u64 = 180 * 86_400_000;
/// Longest pause of a session without a refresh, in milliseconds: 60 days.
pub const SESSION_IDLE_MS: u64 = 60 * 86_400_000;

/// Longest life of a desk's session in a browser, in milliseconds: 12 hours.
pub const DESK_LIFE_MS: u64 = 12 * 3_600_000;
/// Longest pause of such a session, in milliseconds: 30 minutes.
pub const DESK_IDLE_MS: u64 = 30 * 60_000;
/// How exactly a pause is known, in milliseconds: a session that is in use is written down once a minute.
const DESK_NOTED_MS: u64 = 60_000;

/// Who is calling, from a valid access token; what they may do is looked up per request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The user.
    pub user: UserId,
    /// The device, unless it is the desk.
    pub device: Option<DeviceId>,
    /// The session.
    pub session: u64,
}

/// What a caller gets who came in.
#[derive(Clone)]
pub struct SignedIn {
    /// The user.
    pub user: UserId,
    /// The user's name.
    pub display_name: String,
    /// The device, unless it is the desk.
    pub device: Option<DeviceId>,
    /// The session.
    pub session: u64,
    /// The key with which a device seals its hellos.
    pub sync_key: Option<[u8; 32]>,
    /// For all other calls.
    pub access_token: String,
    /// For the next access token.
    pub refresh_token: String,
    /// Life of the access token, in seconds.
    pub expires_in_s: u64,
}

/// Why somebody does not get in.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Phone number or secret is wrong; nobody learns which.
    #[error("the phone number or the secret is wrong")]
    SignInFailed,
    /// Members sign in on a registered device.
    #[error("this account signs in on a registered device")]
    DeviceRequired,
    /// The device was revoked.
    #[error("the device was revoked")]
    DeviceRevoked,
    /// The session has ended, or an old refresh token came back.
    #[error("the session has ended")]
    SessionRevoked,
    /// The code is wrong, used or too old.
    #[error("the enrolment code is not valid")]
    CodeInvalid,
    /// Slow down.
    #[error("too many attempts")]
    TooManyAttempts {
        /// For so long.
        wait_ms: u64,
    },
    /// The queue for hashing is full.
    #[error("busy")]
    Busy,
    /// A value that is not taken.
    #[error("{field}: {reason}")]
    BadValue {
        /// Which.
        field: &'static str,
        /// Why.
        reason: String,
    },
    /// Not in this role.
    #[error("not allowed")]
    NotAllowed,
    /// Not there, or not theirs.
    #[error("not found")]
    NotFound,
    /// The access token is not valid.
    #[error(transparent)]
    Token(#[from] TokenFault),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A fault of ours.
    #[error("an internal fault")]
    Internal,
}

impl From<HashingError> for AccountError {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Busy => Self::Busy,
            HashingError::StoredHashUnreadable => {
                tracing::error!("a stored password hash cannot be read");
                Self::SignInFailed
            }
            HashingError::Failed => Self::Internal,
        }
    }
}

/// The accounts of an installation.
pub struct Accounts {
    store: Store,
    hashers: PasswordHasherPool,
    tokens: AccessTokens,
    throttle: Throttle,
    secrets: Secrets,
    pepper: Pepper,
    clock: Clock,
    random: Random,
}

/// What `Accounts` is made of.
pub struct Parts {
    /// The store.
    pub store: Store,
    /// Threads for hashing.
    pub hashers: PasswordHasherPool,
    /// Access tokens.
    pub tokens: AccessTokens,
    /// The limiter of attempts.
    pub throttle: Throttle,
    /// Derived keys.
    pub secrets: Secrets,
    /// The pepper of codes.
    pub pepper: Pepper,
    /// The clock.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
}

/// What the store answered inside a transaction, with the refusal as a value: a refusal is no failure of the job.
type Answer<T> = Result<Result<T, AccountError>, StorageError>;

impl Accounts {
    /// Builds it.
    pub fn new(parts: Parts) -> Self {
        let Parts { store, hashers, tokens, throttle, secrets, pepper, clock, random } = parts;
        Self { store, hashers, tokens, throttle, secrets, pepper, clock, random }
    }

    /// Lets the limiter forget whoever has been quiet. To be called about once a minute.
    pub fn forget_quiet_callers(&self) {
        self.throttle.retain_recent((self.clock)())
    }

    fn slow_down(&self, account: AccountKey, address: IpAddr, now: ServerMs) -> Result<(), AccountError> {
        match self.throttle.check(account, false, address, now) {
            Throttled::Allowed => Ok(()),
            Throttled::SlowDown { wait_ms } => Err(AccountError::TooManyAttempts { wait_ms }),
        }
    }

    /// Registers a phone with a one-time code. `public_key` is the SEC1 form of the device's P-256 key.
    pub async fn enrol(
        &self,
        code: &str,
        public_key: &[u8],
        label: &str,
        address: IpAddr,
    ) -> Result<SignedIn, AccountError> {
        let now = (self.clock)();
        if let Throttled::SlowDown { wait_ms } = self.throttle.check_code(address, now) {
            return Err(AccountError::TooManyAttempts { wait_ms });
        }
        let label = label.trim().to_owned();
        if label.is_empty() || check_text(&label, TextLimit::NAME).is_err() {
            return Err(AccountError::BadValue { field: "device_label", reason: "1 to 120 characters".into() });
        }
        VerifyingKey::from_sec1_bytes(public_key).map_err(|_| AccountError::BadValue {
            field: "device_public_key",
            reason: "the SEC1 form of a P-256 public key is expected".into(),
        })?;
        let code = EnrolmentCode::parse(code).ok_or(AccountError::CodeInvalid)?;
        let code_hash = code.hash(&self.pepper).0;
        let device = DeviceId(derive_id(DerivedTag::Row, ClaimedMs(now.0), &self.draw(), 0));
        let session = self.new_session_id();
        let (public_key, salt) = (public_key.to_vec(), self.draw());
        let entered = self
            .store
            .write(move |tx| -> Answer<User> {
                let Some(enrolment) = tx.enrolment(&code_hash)? else { return Ok(Err(AccountError::CodeInvalid)) };
                if enrolment.used.is_some() || enrolment.expires < now {
                    return Ok(Err(AccountError::CodeInvalid));
                }
                let Some(user) = tx.user(enrolment.user)?.filter(|user| user.active) else {
                    return Ok(Err(AccountError::CodeInvalid));
                };
                tx.put_enrolment(&Enrolment { used: Some(now), ..enrolment })?;
                tx.put_device(&Device {
                    id: device,
                    user: user.id,
                    public_key: public_key.clone(),
                    label: label.clone(),
                    created: now,
                    revoked: None,
                    last_seen: now,
                })?;
                tx.put_session(&new_session(session, user.id, Some(device), now))?;
                note(tx, now, salt, &user, user.id, Some(device), "device.enrol", None)?;
                Ok(Ok(user))
            })
            .await??;
        self.signed_in(&entered, Some(device), session, 0, now)
    }

    /// Lets an officer or admin in with phone number and password. Members come in with their device.
    pub async fn sign_in(&self, phone: &str, secret: Secret, address: IpAddr) -> Result<SignedIn, AccountError> {
        let now = (self.clock)();
        self.slow_down(AccountKey::of_login(phone), address, now)?;
        let phone = phone_number::normalise(phone).unwrap_or_default();
        let found = self
            .store
            .read(move |tx| {
                let Some(id) = tx.user_by_phone(&phone)? else { return Ok(None) };
                let Some(user) = tx.user(id)? else { return Ok(None) };
                let phc = tx.secret(id)?;
                Ok(Some((user, phc)))
            })
            .await?;
        // Whoever is not there, or has no password, costs the same time.
        let phc = found.as_ref().and_then(|(user, phc)| phc.clone().filter(|_| user.active));
        let verdict = self.hashers.verify(phc.clone(), secret.clone()).await?;
        let (Verdict::Match { rehash }, Some((user, _)), Some(_)) = (verdict, found, phc) else {
            return Err(AccountError::SignInFailed);
        };
        let fresh = if rehash { Some(self.hashers.hash(secret).await?) } else { None };
        let (session, salt, user_id) = (self.new_session_id(), self.draw(), user.id);
        let noted = user.clone();
        self.store
            .write(move |tx| {
                if let Some(phc) = &fresh {
                    tx.put_secret(user_id, phc)?;
                }
                tx.put_session(&new_session(session, user_id, None, now))?;
                note(tx, now, salt, &noted, user_id, None, "desk.sign_in", None)
            })
            .await?;
        self.signed_in(&user, None, session, 0, now)
    }

    /// Gives the next tokens. The same refresh token may be shown again until the next one was used, because an answer
    /// can get lost; an older one ends the session.
    pub async fn refresh(&self, token: &str) -> Result<SignedIn, AccountError> {
        let now = (self.clock)();
        let (id, generation) = self.read_refresh(token).ok_or(AccountError::SessionRevoked)?;
        let salt = self.draw();
        let (user, device, generation) = self
            .store
            .write(move |tx| -> Answer<(User, Option<DeviceId>, u32)> {
                let Some(session) = tx.session(id)? else { return Ok(Err(AccountError::SessionRevoked)) };
                let Some(user) = tx.user(session.user)?.filter(|user| user.active) else {
                    return Ok(Err(AccountError::SessionRevoked));
                };
                let over = session.revoked.is_some()
                    || now.0 > session.created.0.saturating_add(SESSION_LIFE_MS)
                    || now.0 > session.last_used.0.saturating_add(SESSION_IDLE_MS);
                if over {
                    return Ok(Err(AccountError::SessionRevoked));
                }
                if generation < session.refresh_gen {
                    // Somebody shows a token whose successor was used: two hold what one should.
                    note(tx, now, salt, &user, user.id, session.device, "session.reuse", None)?;
                    tx.put_session(&Session { revoked: Some(now), ..session })?;
                    return Ok(Err(AccountError::SessionRevoked));
                }
                if generation > session.refresh_gen + 1 {
                    return Ok(Err(AccountError::SessionRevoked));
                }
                let device = session.device;
                tx.put_session(&Session { refresh_gen: generation, last_used: now, ..session })?;
                Ok(Ok((user, device, generation)))
            })
            .await??;
        self.signed_in(&user, device, id, generation, now)
    }

    /// Ends a session.
    pub async fn sign_out(&self, identity: Identity) -> Result<(), AccountError> {
        let now = (self.clock)();
        self.store
            .write(move |tx| {
                if let Some(session) = tx.session(identity.session)? {
                    tx.put_session(&Session { revoked: Some(now), ..session })?;
                }
                Ok(())
            })
            .await?;
        Ok(())
    }

    /// Believes an access token, if its session, account and device still stand.
    pub async fn authenticate(&self, bearer: &str) -> Result<Identity, AccountError> {
        let claims = self.tokens.check(bearer, (self.clock)())?;
        let (_, session) = claims.session.0.as_u64_pair();
        let stands = self
            .store
            .read(move |tx| -> Answer<()> {
                let Some(found) = tx.session(session)? else { return Ok(Err(AccountError::SessionRevoked)) };
                let user = tx.user(claims.user)?;
                if found.revoked.is_some() || found.user != claims.user || !user.is_some_and(|user| user.active) {
                    return Ok(Err(AccountError::SessionRevoked));
                }
                if found.device != claims.device {
                    return Ok(Err(AccountError::Token(TokenFault::Invalid)));
                }
                if let Some(device) = found.device
                    && tx.device(device)?.is_none_or(|device| device.revoked.is_some())
                {
                    return Ok(Err(AccountError::DeviceRevoked));
                }
                Ok(Ok(()))
            })
            .await?;
        stands.map(|()| Identity { user: claims.user, device: claims.device, session })
    }

    /// What a browser shows for a desk's session: the session and a proof that only this server can make.
    pub fn desk_cookie(&self, session: u64) -> String {
        let mut bytes = session.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.secrets.desk_proof(session));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Believes a desk's cookie, if its session and account still stand and a person used it within [`DESK_IDLE_MS`]; that a page
    /// asks by itself (`is_attended` is false) is no use.
    pub async fn authenticate_desk(&self, cookie: &str, is_attended: bool) -> Result<Identity, AccountError> {
        let now = (self.clock)();
        let session = self.read_desk_cookie(cookie).ok_or(AccountError::SessionRevoked)?;
        let found = self
            .store
            .read(move |tx| -> Answer<Session> {
                let Some(found) = tx.session(session)? else { return Ok(Err(AccountError::SessionRevoked)) };
                let is_over = found.revoked.is_some()
                    || found.device.is_some()
                    || now.0 > found.created.0.saturating_add(DESK_LIFE_MS)
                    || now.0 > found.last_used.0.saturating_add(DESK_IDLE_MS);
                if is_over || !tx.user(found.user)?.is_some_and(|user| user.active) {
                    return Ok(Err(AccountError::SessionRevoked));
                }
                Ok(Ok(found))
            })
            .await??;
        let user = found.user;
        if is_attended && now.0 > found.last_used.0.saturating_add(DESK_NOTED_MS) {
            self.store
                .write(move |tx| match tx.session(session)? {
                    // What was ended meanwhile stays so.
                    Some(session) if session.revoked.is_none() => {
                        tx.put_session(&Session { last_used: now, ..session })
                    }
                    _ => Ok(()),
                })
                .await?;
        }
        Ok(Identity { user, device: None, session })
    }

    fn read_desk_cookie(&self, cookie: &str) -> Option<u64> {
        let bytes: [u8; 40] = URL_SAFE_NO_PAD.decode(cookie).ok()?.try_into().ok()?;
        let (session, proof) = bytes.split_first_chunk::<8>()?;
        let session = u64::from_be_bytes(*session);
        let proof: [u8; 32] = proof.try_into().ok()?;
        // Compared in constant time.
        (blake3::Hash::from_bytes(self.secrets.desk_proof(session)) == blake3::Hash::from_bytes(proof))
            .then_some(session)
    }

    /// Gives out a code that brings one phone in for an account.
    pub async fn give_code(&self, by: UserId, user: UserId) -> Result<(String, ServerMs), AccountError> {
        let now = (self.clock)();
        let code = EnrolmentCode::draw().map_err(|_| AccountError::Internal)?;
        let code_hash = code.hash(&self.pepper).0;
        let expires = ServerMs(now.0 + EnrolmentCode::LIFE_MS);
        let salt = self.draw();
        self.store
            .write(move |tx| -> Answer<()> {
                let user = match administered(tx, by, user, Action::GiveCode, now)? {
                    Ok(user) => user,
                    Err(refused) => return Ok(Err(refused)),
                };
                tx.put_enrolment(&Enrolment { code_hash, user: user.id, by, expires, used: None })?;
                note(tx, now, salt, &user, by, None, "enrolment.give", Some(user.id.0))?;
                Ok(Ok(()))
            })
            .await??;
        Ok((code.to_text(), expires))
    }

    /// Sets a password: one's own, or that of an account one administers. All sessions of the account end.
    pub async fn set_password(&self, by: UserId, user: UserId, secret: Secret) -> Result<(), AccountError> {
        let now = (self.clock)();
        // The right first: whoever may not, learns nothing and costs nothing.
        let words = self
            .store
            .read(move |tx| -> Answer<User> {
                match administered(tx, by, user, Action::WriteUser, now)? {
                    Err(_) if by == user => Ok(tx.user(user)?.ok_or(AccountError::NotFound)),
                    found => Ok(found),
                }
            })
            .await??;
        let own = [words.display_name.as_str(), words.phone.as_str()];
        secret
            .check(|text| check_password(text, &own).map_err(|fault| fault.to_string()))
            .map_err(|reason| AccountError::BadValue { field: "password", reason })?;
        let phc = self.hashers.hash(secret).await?;
        let salt = self.draw();
        self.store
            .write(move |tx| -> Answer<()> {
                let user = match administered(tx, by, user, Action::WriteUser, now)? {
                    Ok(user) => user,
                    Err(_) if by == user => match tx.user(user)? {
                        Some(user) => user,
                        None => return Ok(Err(AccountError::NotFound)),
                    },
                    Err(refused) => return Ok(Err(refused)),
                };
                tx.put_secret(user.id, &phc)?;
                for session in tx.sessions_of(user.id)? {
                    if session.revoked.is_none() {
                        tx.put_session(&Session { revoked: Some(now), ..session })?;
                    }
                }
                note(tx, now, salt, &user, by, None, "password.set", Some(user.id.0))?;
                Ok(Ok(()))
            })
            .await?
    }

    /// Revokes a device: from now on it may deliver, into the late queue, and reads nothing.
    pub async fn revoke_device(&self, by: UserId, device: DeviceId) -> Result<(), AccountError> {
        let now = (self.clock)();
        let salt = self.draw();
        self.store
            .write(move |tx| -> Answer<()> {
                let Some(device) = tx.device(device)? else { return Ok(Err(AccountError::NotFound)) };
                let user = match administered(tx, by, device.user, Action::GiveCode, now)? {
                    Ok(user) => user,
                    Err(refused) => return Ok(Err(refused)),
                };
                let id = device.id;
                for session in tx.sessions_of(user.id)? {
                    if session.device == Some(id) && session.revoked.is_none() {
                        tx.put_session(&Session { revoked: Some(now), ..session })?;
                    }
                }
                tx.put_device(&Device { revoked: Some(now), ..device })?;
                note(tx, now, salt, &user, by, Some(id), "device.revoke", Some(id.0))?;
                Ok(Ok(()))
            })
            .await?
    }

    /// The devices of an account that one administers.
    pub async fn devices_of(&self, by: UserId, user: UserId) -> Result<Vec<Device>, AccountError> {
        let now = (self.clock)();
        self.store
            .read(move |tx| -> Answer<Vec<Device>> {
                match administered(tx, by, user, Action::GiveCode, now)? {
                    Ok(user) => tx.devices_of(user.id).map(Ok),
                    Err(refused) => Ok(Err(refused)),
                }
            })
            .await?
    }

    /// Sets a password without asking who: for the command on the machine itself.
    pub async fn set_password_on_the_machine(&self, user: UserId, secret: Secret) -> Result<(), AccountError> {
        let phc = self.hashers.hash(secret).await?;
        Ok(self.store.write(move |tx| tx.put_secret(user, &phc)).await?)
    }

    fn draw(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        (self.random)(&mut bytes);
        bytes
    }

    fn new_session_id(&self) -> u64 {
        let mut bytes = [0; 8];
        (self.random)(&mut bytes);
        // Below 2⁶³ and never 0, so that every engine and language holds it.
        (u64::from_be_bytes(bytes) >> 1).max(1)
    }

    fn signed_in(
        &self,
        user: &User,
        device: Option<DeviceId>,
        session: u64,
        generation: u32,
        now: ServerMs,
    ) -> Result<SignedIn, AccountError> {
        let id = SessionId(Uuid::from_u64_pair(0, session));
        let access_token = self.tokens.issue(user.id, device, id, now).map_err(|_| AccountError::Internal)?;
        Ok(SignedIn {
            user: user.id,
            display_name: user.display_name.clone(),
            device,
            session,
            sync_key: device.map(|_| self.secrets.sync_key(session)),
            access_token,
            refresh_token: self.refresh_token(session, generation + 1),
            expires_in_s: ACCESS_LIFE_S,
        })
    }

    fn refresh_token(&self, session: u64, generation: u32) -> String {
        let mut bytes = session.to_be_bytes().to_vec();
        bytes.extend_from_slice(&generation.to_be_bytes());
        bytes.extend_from_slice(&self.secrets.refresh_proof(session, generation));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn read_refresh(&self, token: &str) -> Option<(u64, u32)> {
        let bytes: [u8; 44] = URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
        let (session, rest) = bytes.split_first_chunk::<8>()?;
        let (generation, proof) = rest.split_first_chunk::<4>()?;
        let (session, generation) = (u64::from_be_bytes(*session), u32::from_be_bytes(*generation));
        let expected = self.secrets.refresh_proof(session, generation);
        let proof: [u8; 32] = proof.try_into().ok()?;
        // Compared in constant time.
        (blake3::Hash::from_bytes(expected) == blake3::Hash::from_bytes(proof)).then_some((session, generation))
    }
}

fn new_session(id: u64, user: UserId, device: Option<DeviceId>, now: ServerMs) -> Session {
    Session { id, user, device, refresh_gen: 0, created: now, last_used: now, revoked: None }
}

/// The account, if the caller may administer it; otherwise as if it did not exist.
pub(crate) fn administered(
    tx: &mut dyn Tx,
    by: UserId,
    user: UserId,
    action: Action,
    now: ServerMs,
) -> Result<Result<User, AccountError>, StorageError> {
    let caller = principal(tx, by, now)?;
    let user = tx.user(user)?;
    let Some(user) = user.filter(|user| authorise(&caller, action, user.unit.into(), None, now).role().is_some())
    else {
        return Ok(Err(AccountError::NotFound));
    };
    // Whoever could enter an account could act as its owner: that takes at least the rights to give what it holds.
    for grant in tx.grants_of(user.id)?.iter().filter(|grant| grant.ended.is_none()) {
        let needed = match Role::from_code(&grant.role) {
            Some(Role::Member) => action,
            Some(Role::TeamLeader) => Action::GrantTeamRole,
            _ => Action::GrantOfficeRole,
        };
        if authorise(&caller, needed, grant.unit.into(), None, now).role().is_none() {
            return Ok(Err(AccountError::NotFound));
        }
    }
    Ok(Ok(user))
}

/// Writes an audit entry about an account, under the unit that keeps it.
#[expect(clippy::too_many_arguments, reason = "an entry has as many parts")]
pub(crate) fn note(
    tx: &mut dyn Tx,
    now: ServerMs,
    salt: [u8; 16],
    account: &User,
    actor: UserId,
    device: Option<DeviceId>,
    action: &str,
    object: Option<Uuid>,
) -> Result<(), StorageError> {
    let body = AuditBody {
        salt,
        at: now,
        actor,
        device,
        action: action.to_owned(),
        object,
        outcome: "applied".into(),
        reason: None,
        ext: Ext::default(),
    };
    let mut work = Work::new(tx, now);
    work.audit(account.unit.into(), body);
    work.finish()
}
