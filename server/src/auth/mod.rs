//! Who is asking: secrets that people remember, secrets that devices carry, and how often either may be tried.
//!
//! What a person may do is not decided here: roles and scopes are read from the store for every request.

pub mod password;
pub mod throttle;
pub mod token;
