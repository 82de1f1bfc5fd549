//! Accounts: how people and phones get in, stay in, and are put out.
//!
//! Source: docs/SECURITY.md, "People and passwords" and "Sessions, tokens, device binding".

use std::net::IpAddr;
use std::sync::Arc;

use sync_protocol::ids::*;

use crate::auth::password::PasswordHasherPool;
use crate::auth::throttle::Throttle;
use crate::auth::token::AccessTokens;
use crate::keys::Pepper;
use crate::storage::{StorageError, Store};
use crate::sync::{Clock, Random, Secrets};

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
