//! How often somebody may try to sign in, before any hashing.
//!
//! Two limits, both answered with a wait and never with a lock: one per account, so that a PIN cannot be guessed, and
//! one per network address, so that one machine cannot try every account. A whole village shares one address behind
//! its operator's translation; so the address limit is wide and its wait short. Nobody can lock somebody else out: a
//! device that the account already knows is not held to the account's limit. Against a flood from everywhere stands the
//! bounded queue of [`PasswordHasherPool`](super::password::PasswordHasherPool).
//! Source: docs/SECURITY.md, "People and passwords".

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{NotUntil, Quota, RateLimiter};
use sync_protocol::ids::ServerMs;
use sync_protocol::phone_number;
use unicode_normalization::UnicodeNormalization;

/// May this attempt go on?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Throttled {
    /// Go on.
    Allowed,
    /// Not now. Answer 429 `too_many_attempts` with `Retry-After`.
    SlowDown {
        /// Milliseconds after which the same attempt would be allowed; at least 1.
        wait_ms: u64,
    },
}

/// How many attempts come free, and how long each further one takes to come back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowance {
    /// Attempts that may follow each other at once.
    pub burst: NonZeroU32,
    /// Milliseconds until one more is allowed. At least 1; a 0 is read as 1.
    pub period_ms: u64,
}

impl Allowance {
    fn quota(self) -> Quota {
        let one_per = Quota::with_period(Duration::from_millis(self.period_ms.max(1)));
        one_per.expect("a period of at least a millisecond is no zero").allow_burst(self.burst)
    }
}

/// The two limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// For one account, from devices that it does not know.
    pub account: Allowance,
    /// For one address prefix.
    pub address: Allowance,
    /// For one-time codes typed at one address: a whole course of volunteers may sit behind it.
    pub codes: Allowance,
}

impl Default for Limits {
    /// Five attempts at an account, then one a minute: 1,440 guesses a day at a PIN of a million values. Sixty from an
    /// address, then one a second. Forty codes typed at an address, then three a minute: a room full of volunteers enrols at
    /// once, and an eight-digit code that lives for ten minutes is still met by seventy guesses at most.
    fn default() -> Self {
        Self {
            account: Allowance { burst: const { NonZeroU32::new(5).expect("not 0") }, period_ms: 60_000 },
            address: Allowance { burst: const { NonZeroU32::new(60).expect("not 0") }, period_ms: 1_000 },
            codes: Allowance { burst: const { NonZeroU32::new(40).expect("not 0") }, period_ms: 20_000 },
        }
    }
}

/// What somebody typed to name an account, hashed: the limiter's memory holds no phone number, and an account that does
/// not exist is limited like one that does.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccountKey([u8; 16]);

impl AccountKey {
    /// From a log-in name: case, surrounding space and the way of writing accents make no difference, and a telephone
    /// number is one however it is written.
    pub fn of_login(login: &str) -> Self {
        let lower_case = || login.trim().nfc().flat_map(char::to_lowercase).collect();
        let normal: String = phone_number::normalise(login).unwrap_or_else(|_| lower_case());
        let hash = blake3::derive_key("thonso 2026 throttle account", normal.as_bytes());
        let mut key = [0u8; 16];
        key.copy_from_slice(&hash[..16]);
        Self(key)
    }
}

/// The part of an address that stands for one customer: all of IPv4, the first 64 bits of IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct AddressPrefix(Ipv6Addr);

impl AddressPrefix {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(v4.to_ipv6_mapped()),
            IpAddr::V6(v6) => Self(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        }
    }
}

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, ElapsedClock, NoOpMiddleware<Nanos>>;

/// The limiter of sign-in and enrolment attempts. One per server process; shared by reference.
pub struct Throttle {
    accounts: Limiter<AccountKey>,
    addresses: Limiter<AddressPrefix>,
    codes: Limiter<AddressPrefix>,
    clock: ElapsedClock,
}

impl Throttle {
    /// A limiter that has seen nobody.
    pub fn new(limits: Limits) -> Self {
        let clock = ElapsedClock::default();
        Self {
            accounts: RateLimiter::new(limits.account.quota(), DashMapStateStore::default(), clock.clone()),
            addresses: RateLimiter::new(limits.address.quota(), DashMapStateStore::default(), clock.clone()),
            codes: RateLimiter::new(limits.codes.quota(), DashMapStateStore::default(), clock.clone()),
            clock,
        }
    }

    /// Counts one attempt and says whether it may go on. A refused attempt is not counted against the account.
    ///
    /// `device_known` says that the request proved to come from a device registered for this account; then only the
    /// address counts.
    pub fn check(&self, account: AccountKey, device_known: bool, address: IpAddr, now: ServerMs) -> Throttled {
        self.clock.advance(now);
        let by_address = self.addresses.check_key(&AddressPrefix::of(address));
        let by_account =
            by_address.and_then(|()| if device_known { Ok(()) } else { self.accounts.check_key(&account) });
        self.answer(by_account)
    }

    /// Counts one attempt at a one-time code, right or wrong, and says whether it may go on.
    pub fn check_code(&self, address: IpAddr, now: ServerMs) -> Throttled {
        self.clock.advance(now);
        let address = AddressPrefix::of(address);
        self.answer(self.addresses.check_key(&address).and_then(|()| self.codes.check_key(&address)))
    }

    fn answer(&self, checked: Result<(), NotUntil<Nanos>>) -> Throttled {
        match checked {
            Ok(()) => Throttled::Allowed,
            Err(until) => {
                let wait = until.wait_time_from(self.clock.now());
                let wait_ms = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
                Throttled::SlowDown { wait_ms: wait_ms.max(1) }
            }
        }
    }

    /// Forgets those who would be allowed anyway. Call it every minute, or the memory grows for ever.
    pub fn retain_recent(&self, now: ServerMs) {
        self.clock.advance(now);
        self.accounts.retain_recent();
        self.accounts.shrink_to_fit();
        self.addresses.retain_recent();
        self.addresses.shrink_to_fit();
        self.codes.retain_recent();
        self.codes.shrink_to_fit();
    }

    /// Accounts and addresses that are remembered; for the metrics.
    pub fn remembered(&self) -> usize {
        self.accounts.len() + self.addresses.len() + self.codes.len()
    }
}

/// Time that has gone by, gathered from the moments that callers pass in.
///
/// A wall clock that is set back by hand stops this one for nobody: only steps forward count.
#[derive(Clone, Default)]
struct ElapsedClock {
    elapsed_ms: Arc<AtomicU64>,
    last: Arc<Mutex<Option<ServerMs>>>,
}

impl ElapsedClock {
    /// Requests overtake each other by a little; a step back by more than this is somebody setting the clock.
    const OVERTAKING_MS: u64 = 5_000;

    fn advance(&self, now: ServerMs) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.unwrap_or(now);
        let step_ms = now.0.saturating_sub(before.0);
        self.elapsed_ms.fetch_add(step_ms, Ordering::Relaxed);
        if last.is_none() || step_ms > 0 || before.0 - now.0 > Self::OVERTAKING_MS {
            *last = Some(now);
        }
    }
}

impl Clock for ElapsedClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.elapsed_ms.load(Ordering::Relaxed).saturating_mul(1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: u64 = 1_790_000_000_000;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
    fn at(ms: u64) -> ServerMs {
        ServerMs(T0 + ms)
    }

    /// Attempts that are allowed one after the other at the same moment.
    fn allowed(throttle: &Throttle, login: &str, known: bool, from: &str, now: ServerMs) -> usize {
        let account = AccountKey::of_login(login);
        (0..1_000).take_while(|_| throttle.check(account, known, address(from), now) == Throttled::Allowed).count()
    }

    #[test]
    fn an_account_gets_five_attempts_and_then_one_a_minute() {
        let throttle = Throttle::new(Limits::default());
        let try_at = |ms| throttle.check(AccountKey::of_login("0530123456"), false, address("203.0.113.7"), at(ms));
        assert_eq!(allowed(&throttle, "0530123456", false, "203.0.113.7", at(0)), 5);
        assert_eq!(try_at(0), Throttled::SlowDown { wait_ms: 60_000 });
        assert_eq!(try_at(45_000), Throttled::SlowDown { wait_ms: 15_000 });
        assert_eq!(try_at(60_000), Throttled::Allowed);
        assert_eq!(try_at(60_000), Throttled::SlowDown { wait_ms: 60_000 });
    }

    #[test]
    fn changing_the_address_or_the_writing_of_the_name_does_not_help() {
        let throttle = Throttle::new(Limits::default());
        assert_eq!(allowed(&throttle, "Cán.Bộ", false, "203.0.113.7", at(0)), 5);
        let decomposed: String = " cán.bộ ".nfd().collect();
        assert_eq!(allowed(&throttle, &decomposed, false, "198.51.100.9", at(0)), 0);
        assert_eq!(allowed(&throttle, "another", false, "203.0.113.7", at(0)), 5);
        assert_eq!(allowed(&throttle, "+84 53 012 3456", false, "203.0.113.7", at(0)), 5);
        assert_eq!(allowed(&throttle, "0530.123.456", false, "203.0.113.7", at(0)), 0);
    }

    #[test]
    fn a_known_device_is_not_shut_out_by_a_stranger() {
        let throttle = Throttle::new(Limits::default());
        assert_eq!(allowed(&throttle, "0530123456", false, "198.51.100.9", at(0)), 5);
        assert_eq!(allowed(&throttle, "0530123456", true, "203.0.113.7", at(0)), 60);
    }

    #[test]
    fn a_shared_address_is_slowed_and_never_for_more_than_a_second() {
        let throttle = Throttle::new(Limits::default());
        for member in 0..60 {
            let account = AccountKey::of_login(&format!("member {member}"));
            assert_eq!(throttle.check(account, false, address("203.0.113.7"), at(0)), Throttled::Allowed);
        }
        for member in 0..500 {
            let account = AccountKey::of_login(&format!("late member {member}"));
            let answer = throttle.check(account, false, address("203.0.113.7"), at(0));
            assert_eq!(answer, Throttled::SlowDown { wait_ms: 1_000 });
        }
        let account = AccountKey::of_login("late member 0");
        assert_eq!(throttle.check(account, false, address("203.0.113.7"), at(1_000)), Throttled::Allowed);
    }

    #[test]
    fn a_room_of_volunteers_enrols_at_once_and_guessing_codes_stays_slow() {
        let throttle = Throttle::new(Limits::default());
        let room = address("203.0.113.7");
        let at_once = (0..1_000).take_while(|_| throttle.check_code(room, at(0)) == Throttled::Allowed).count();
        assert_eq!(at_once, 40);
        assert_eq!(throttle.check_code(room, at(0)), Throttled::SlowDown { wait_ms: 20_000 });
        assert_eq!(throttle.check_code(room, at(20_000)), Throttled::Allowed);
        assert_eq!(throttle.check_code(address("198.51.100.9"), at(20_000)), Throttled::Allowed);
        throttle.retain_recent(at(3_600_000));
        assert_eq!(throttle.remembered(), 0);
    }

    #[test]
    fn an_ipv6_customer_is_one_address_and_a_mapped_ipv4_address_is_itself() {
        let same = |a: &str, b: &str| AddressPrefix::of(address(a)) == AddressPrefix::of(address(b));
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:203.0.113.7", "203.0.113.7"));
        assert!(!same("203.0.113.7", "203.0.113.8"));
    }

    #[test]
    fn those_who_stopped_trying_are_forgotten_and_the_others_are_not() {
        let throttle = Throttle::new(Limits::default());
        for login in ["a", "b", "c"] {
            allowed(&throttle, login, false, "203.0.113.7", at(0));
        }
        throttle.retain_recent(at(30_000));
        assert_eq!(allowed(&throttle, "a", false, "203.0.113.7", at(30_000)), 0);
        throttle.retain_recent(at(3_600_000));
        assert_eq!(throttle.remembered(), 0);
    }

    #[test]
    fn setting_the_clock_back_neither_frees_nor_freezes_anybody() {
        let throttle = Throttle::new(Limits::default());
        assert_eq!(allowed(&throttle, "a", false, "203.0.113.7", at(86_400_000)), 5);
        assert_eq!(allowed(&throttle, "a", false, "203.0.113.7", at(0)), 0);
        assert_eq!(allowed(&throttle, "a", false, "203.0.113.7", at(60_000)), 1);
    }

    #[test]
    fn requests_that_overtake_each_other_do_not_make_time_run_faster() {
        let throttle = Throttle::new(Limits::default());
        assert_eq!(allowed(&throttle, "a", false, "203.0.113.7", at(0)), 5);
        for _ in 0..1_000 {
            throttle.clock.advance(at(100));
            throttle.clock.advance(at(0));
        }
        assert_eq!(allowed(&throttle, "a", false, "203.0.113.7", at(100)), 0);
    }
}
