//! Passwords and PINs: what is accepted, and hashing that a flood cannot turn into an outage.
//!
//! One hash costs tens of milliseconds of a core and 19 MiB. Therefore hashing has threads of its own, as many as
//! cores, and a short queue; who comes when the queue is full is told so at once and costs nothing. Callers ask the
//! [throttle](super::throttle) first. Source: docs/SECURITY.md, "People and passwords".

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error as PhcError, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::oneshot;
use unicode_normalization::UnicodeNormalization;

use crate::keys::Pepper;

/// Memory of one hash, in KiB: 19 MiB.
pub const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over that memory.
pub const PASSES: u32 = 2;
/// Lanes; more would let one log-in take more than one core.
pub const LANES: u32 = 1;
/// Jobs that may wait for a thread. The next one is refused.
pub const QUEUE_JOBS_MAX: usize = 32;

/// Dearest stored parameters that we still follow: a row edited by an enemy must not order gigabytes.
const STORED_MEMORY_KIB_MAX: u32 = 64 * 1024;
const STORED_PASSES_MAX: u32 = 8;
const STORED_LANES_MAX: u32 = 4;

/// What a person typed as password or PIN. Deliberately without `Debug`, `Display` and `Serialize`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes the text as it arrived; it is normalised to NFC only for hashing.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Looks at the text with a rule for new secrets.
    pub fn check<E>(&self, rule: impl FnOnce(&str) -> Result<(), E>) -> Result<(), E> {
        rule(&self.0)
    }

    /// The bytes that are hashed: UTF-8 of the NFC form, so that two keyboards that write `ố` differently agree.
    fn hashed_bytes(&self) -> Vec<u8> {
        self.0.nfc().collect::<String>().into_bytes()
    }
}

/// What came of comparing a secret with a stored hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The secret is right.
    Match {
        /// The stored hash has other parameters than today's: store a new one now, while the secret is at hand.
        rehash: bool,
    },
    /// The secret is wrong, or there is no such account: the caller cannot tell which, and must not try to.
    NoMatch,
}

/// Why there is no verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HashingError {
    /// The queue is full. Answer 503 `busy`; nothing was computed.
    #[error("the queue for password hashing is full")]
    Busy,
    /// The stored text is no argon2id hash that we accept. Answer as for a wrong secret, and alarm the operator.
    #[error("a stored password hash cannot be read")]
    StoredHashUnreadable,
    /// Hashing itself failed: no memory, no random numbers, no thread.
    #[error("password hashing failed")]
    Failed,
}

type Reply<T> = oneshot::Sender<Result<T, HashingError>>;

enum Job {
    Hash { secret: Secret, reply: Reply<String> },
    Verify { phc: Option<String>, secret: Secret, reply: Reply<Verdict> },
}

#[derive(Default)]
struct Counters {
    runs: AtomicU64,
    waiting: AtomicUsize,
}

/// Threads that do nothing but argon2id.
///
/// Dropping the pool ends them after their present job.
pub struct PasswordHasherPool {
    jobs: mpsc::SyncSender<Job>,
    counters: Arc<Counters>,
}

impl PasswordHasherPool {
    /// Starts `threads` threads; give it the number of cores. Computes one hash, the one for unknown accounts.
    pub fn start(pepper: Pepper, threads: NonZeroUsize) -> Result<Self, HashingError> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| HashingError::Failed)?;
        Self::start_with(pepper, threads, params)
    }

    fn start_with(pepper: Pepper, threads: NonZeroUsize, params: Params) -> Result<Self, HashingError> {
        let (jobs, queue) = mpsc::sync_channel(QUEUE_JOBS_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let counters = Arc::new(Counters::default());
        let hasher = Arc::new(Hasher::new(pepper, params)?);
        for index in 0..threads.get() {
            let (queue, counters, hasher) = (Arc::clone(&queue), Arc::clone(&counters), Arc::clone(&hasher));
            std::thread::Builder::new()
                .name(format!("argon2-{index}"))
                .spawn(move || work(&queue, &counters, &hasher))
                .map_err(|_| HashingError::Failed)?;
        }
        Ok(Self { jobs, counters })
    }

    /// Hashes a new secret with a fresh salt. Gives back a PHC string, at most 128 ASCII characters.
    pub async fn hash(&self, secret: Secret) -> Result<String, HashingError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Hash { secret, reply })?;
        answer.await.unwrap_or(Err(HashingError::Failed))
    }

    /// Compares a secret with a stored PHC string.
    ///
    /// `None` stands for an account that does not exist: the secret is compared with a hash of nothing anybody knows,
    /// so that the answer takes as long as for an account that does.
    pub async fn verify(&self, phc: Option<String>, secret: Secret) -> Result<Verdict, HashingError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Verify { phc, secret, reply })?;
        answer.await.unwrap_or(Err(HashingError::Failed))
    }

    /// Hashes computed since the start; for the metrics. Sync traffic must leave it unchanged.
    pub fn runs(&self) -> u64 {
        self.counters.runs.load(Ordering::Relaxed)
    }

    /// Jobs that wait for a thread; for the metrics.
    pub fn waiting(&self) -> usize {
        self.counters.waiting.load(Ordering::Relaxed)
    }

    fn submit(&self, job: Job) -> Result<(), HashingError> {
        self.counters.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs.try_send(job).map_err(|refused| {
            self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
            match refused {
                mpsc::TrySendError::Full(_) => HashingError::Busy,
                mpsc::TrySendError::Disconnected(_) => HashingError::Failed,
            }
        })
    }
}

/// One thread's life: a job at a time, until the pool is dropped. Jobs whose asker has gone are not computed.
fn work(queue: &Mutex<mpsc::Receiver<Job>>, counters: &Counters, hasher: &Hasher) {
    loop {
        let taken = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = taken else { return };
        counters.waiting.fetch_sub(1, Ordering::Relaxed);
        // An answer that nobody waits for any more is no failure.
        match job {
            Job::Hash { secret, reply } if !reply.is_closed() => {
                counters.runs.fetch_add(1, Ordering::Relaxed);
                let _ = reply.send(hasher.hash(&secret));
            }
            Job::Verify { phc, secret, reply } if !reply.is_closed() => {
                counters.runs.fetch_add(1, Ordering::Relaxed);
                let _ = reply.send(hasher.verify(phc.as_deref(), &secret));
            }
            Job::Hash { .. } | Job::Verify { .. } => {}
        }
    }
}

/// The computation, without threads.
struct Hasher {
    pepper: Pepper,
    params: Params,
    /// PHC string with today's parameters of a secret that was drawn and forgotten.
    dummy: String,
}

impl Hasher {
    fn new(pepper: Pepper, params: Params) -> Result<Self, HashingError> {
        let mut nobody_knows = [0u8; 32];
        getrandom::fill(&mut nobody_knows).map_err(|_| HashingError::Failed)?;
        let mut hasher = Self { pepper, params, dummy: String::new() };
        hasher.dummy = hasher.argon2()?.hash_password(&nobody_knows).map_err(|_| HashingError::Failed)?.to_string();
        Ok(hasher)
    }

    fn argon2(&self) -> Result<Argon2<'_>, HashingError> {
        Argon2::new_with_secret(self.pepper.as_bytes(), Algorithm::Argon2id, Version::V0x13, self.params.clone())
            .map_err(|_| HashingError::Failed)
    }

    fn hash(&self, secret: &Secret) -> Result<String, HashingError> {
        let hash = self.argon2()?.hash_password(&secret.hashed_bytes()).map_err(|_| HashingError::Failed)?;
        Ok(hash.to_string())
    }

    fn verify(&self, phc: Option<&str>, secret: &Secret) -> Result<Verdict, HashingError> {
        let argon2 = self.argon2()?;
        let bytes = secret.hashed_bytes();
        let stored = phc.map(|text| StoredHash::read(text).ok_or(HashingError::StoredHashUnreadable));
        match stored {
            Some(Ok(stored)) => match argon2.verify_password(&bytes, &stored.hash) {
                Ok(()) => Ok(Verdict::Match { rehash: !stored.is_like(&self.params) }),
                Err(PhcError::PasswordInvalid) => Ok(Verdict::NoMatch),
                Err(_) => Err(HashingError::Failed),
            },
            // No account, or an unreadable hash: the same work, and never a match.
            other => {
                let dummy = PasswordHash::new(&self.dummy).map_err(|_| HashingError::Failed)?;
                let _ = argon2.verify_password(&bytes, &dummy);
                other.map_or(Ok(Verdict::NoMatch), |unreadable| unreadable.map(|_| Verdict::NoMatch))
            }
        }
    }
}

/// A stored hash that we are willing to compute.
struct StoredHash {
    hash: PasswordHash,
    params: Params,
}

impl StoredHash {
    fn read(text: &str) -> Option<Self> {
        let hash = PasswordHash::new(text).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let affordable = params.m_cost() <= STORED_MEMORY_KIB_MAX
            && params.t_cost() <= STORED_PASSES_MAX
            && params.p_cost() <= STORED_LANES_MAX;
        let ours = hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some();
        (affordable && ours).then_some(Self { hash, params })
    }

    fn is_like(&self, today: &Params) -> bool {
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        let version = self.hash.version == Some(u32::from(Version::V0x13));
        let length = self.hash.hash.as_ref().map(|output| output.len());
        version && cost(&self.params) == cost(today) && length == Some(Params::DEFAULT_OUTPUT_LEN)
    }
}

/// Fewest digits of a PIN.
pub const PIN_DIGITS_MIN: usize = 6;
/// Most digits of a PIN; more is a password.
pub const PIN_DIGITS_MAX: usize = 12;

/// What is wrong with a PIN that somebody wants to set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PinFault {
    /// Something else than the digits 0 to 9.
    #[error("a PIN has digits only")]
    NotDigits,
    /// Fewer than [`PIN_DIGITS_MIN`] digits.
    #[error("the PIN is too short")]
    TooShort,
    /// More than [`PIN_DIGITS_MAX`] digits.
    #[error("the PIN is too long")]
    TooLong,
    /// One digit over and over.
    #[error("the PIN is one digit repeated")]
    AllEqual,
    /// Digits that go up or down one by one, also over 9 and 0: `123456`, `654321`, `789012`.
    #[error("the PIN is a run of digits")]
    Run,
}

/// Checks a PIN that somebody wants to set: at least six digits, not all equal, no run.
pub fn check_pin(pin: &str) -> Result<(), PinFault> {
    let digits = pin.as_bytes();
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(PinFault::NotDigits);
    }
    match digits.len() {
        0..PIN_DIGITS_MIN => return Err(PinFault::TooShort),
        PIN_DIGITS_MIN..=PIN_DIGITS_MAX => {}
        _ => return Err(PinFault::TooLong),
    }
    if digits.windows(2).all(|pair| pair[0] == pair[1]) {
        return Err(PinFault::AllEqual);
    }
    if is_run(digits) {
        return Err(PinFault::Run);
    }
    Ok(())
}

/// Fewest characters of a password. Twelve, since there is no second factor yet.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Most characters of a password.
pub const PASSWORD_CHARS_MAX: usize = 128;

/// What is wrong with a password that somebody wants to set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PasswordFault {
    /// Fewer than [`PASSWORD_CHARS_MIN`] characters after normalisation.
    #[error("the password is too short")]
    TooShort,
    /// More than [`PASSWORD_CHARS_MAX`] characters after normalisation.
    #[error("the password is too long")]
    TooLong,
    /// A character that no keyboard types, NUL for one.
    #[error("the password contains a control character")]
    Control,
    /// Among the first that anybody would try: a common word, a place, our own name, a pattern.
    #[error("the password is easily guessed")]
    Common,
}

/// Checks a password that somebody wants to set.
///
/// Only length and a blocklist count; no rule asks for capitals, digits or signs. `own_words` are words of that person
/// which an acquaintance would try, such as name and phone number; they are blocked like the common ones. A password
/// counts as common when, after marks, case and the usual number-for-letter tricks are taken away, fewer than four
/// letters are left beside blocked words. Source: docs/SECURITY.md, "People and passwords" (ASVS 6.2.4, 6.2.11).
pub fn check_password(password: &str, own_words: &[&str]) -> Result<(), PasswordFault> {
    let normal: String = password.nfc().collect();
    match normal.chars().count() {
        0..PASSWORD_CHARS_MIN => return Err(PasswordFault::TooShort),
        PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX => {}
        _ => return Err(PasswordFault::TooLong),
    }
    if normal.chars().any(char::is_control) {
        return Err(PasswordFault::Control);
    }
    let mut blocked: BTreeSet<String> = BLOCKED.iter().map(|&word| word.to_owned()).collect();
    for own in own_words {
        blocked.extend(own.split_whitespace().chain([*own]).map(fold).filter(|word| word.chars().count() >= 3));
    }
    // Longest first: `matkhau` must go before a shorter word takes a bite out of it.
    let mut blocked: Vec<String> = blocked.into_iter().collect();
    blocked.sort_by_key(|word| std::cmp::Reverse(word.len()));

    let folded = fold(&normal);
    let plain_letters = folded.chars().map(unleet).collect::<String>();
    if [folded, plain_letters].iter().any(|text| is_pattern(text) || is_mostly_blocked(text, &blocked)) {
        return Err(PasswordFault::Common);
    }
    Ok(())
}

/// Letters left beside blocked words below which a password counts as common.
const LETTERS_OF_ITS_OWN_MIN: usize = 4;

/// Words that the first guesses are made of, folded. Ours, the places we work in, and what every list begins with.
const BLOCKED: &[&str] = &[
    // The product and its world.
    "thonso",
    "chuyendoiso",
    "congdong",
    "congnghe",
    "tochuyendoiso",
    "thanhvien",
    "totruong",
    "canbo",
    "xathon",
    "dichvucong",
    "vneid",
    "yenbais",
    "cthainguyen",
    "thonban",
    "uyban",
    "ubnd",
    "congdanso",
    "hogiadinh",
    // Places.
    "vietnam",
    "hanoi",
    "hochiminh",
    "saigon",
    "danang",
    "haiphong",
    "cantho",
    "hue",
    "yenbai",
    "laocai",
    "thainguyen",
    "backan",
    "caobang",
    "hagiang",
    "tuyenquang",
    "langson",
    "sonla",
    "laichau",
    "dienbien",
    "hoabinh",
    "phutho",
    "vinhphuc",
    "bacgiang",
    "bacninh",
    "quangninh",
    "sapa",
    "mucangchai",
    "vanchan",
    "giahoi",
    "nghialo",
    "thanhpho",
    // Words that people choose.
    "matkhau",
    "matma",
    "dangnhap",
    "quantri",
    "nguoidung",
    "anhyeuem",
    "emyeuanh",
    "yeuem",
    "yeuanh",
    "giadinh",
    "xinchao",
    "khongbiet",
    "password",
    "passwd",
    "passphrase",
    "pass",
    "welcome",
    "letmein",
    "iloveyou",
    "admin",
    "administrator",
    "root",
    "user",
    "login",
    "secret",
    "master",
    "changeme",
    "default",
    "guest",
    "test",
    "demo",
    "hello",
    "dragon",
    "monkey",
    "sunshine",
    "princess",
    "football",
    "superman",
    "batman",
    "shadow",
    "computer",
    "internet",
    "facebook",
    "zalo",
    "google",
    "viettel",
    "vinaphone",
    "mobifone",
    "samsung",
    "android",
    "iphone",
    // Keyboard walks.
    "qwertyuiop",
    "qwerty",
    "asdfghjkl",
    "asdfgh",
    "asdf",
    "zxcvbnm",
    "zxcvbn",
    "qazwsx",
    "qazwsxedc",
    "abcdef",
    "abcd",
    "abc",
    "aaaa",
];

/// As names are searched, and without the spaces too.
fn fold(text: &str) -> String {
    sync_protocol::fold::fold(text).replace(' ', "")
}

/// Undoes the usual writing of letters as digits.
fn unleet(c: char) -> char {
    match c {
        '0' => 'o',
        '1' => 'i',
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        '7' => 't',
        other => other,
    }
}

/// One to four characters repeated to the end, or one run from the first character to the last.
fn is_pattern(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let repeats =
        |period: usize| chars.len() >= 2 * period && (period..chars.len()).all(|i| chars[i] == chars[i - period]);
    (1..=4).any(repeats) || is_run(text.as_bytes())
}

/// Whether ASCII letters or digits go up or down one by one; digits also pass from 9 to 0 and back.
fn is_run(bytes: &[u8]) -> bool {
    let next = |from: u8, to: u8| to == from.wrapping_add(1) || (from == b'9' && to == b'0');
    bytes.len() > 1
        && bytes.iter().all(u8::is_ascii_alphanumeric)
        && (bytes.windows(2).all(|pair| next(pair[0], pair[1])) || bytes.windows(2).all(|pair| next(pair[1], pair[0])))
}

fn is_mostly_blocked(text: &str, blocked: &[String]) -> bool {
    // A gap stays where a word was, or two halves would make a new word.
    let rest = blocked.iter().fold(text.to_owned(), |rest, word| rest.replace(word.as_str(), " "));
    rest.contains(' ') && rest.chars().filter(|c| c.is_alphabetic()).count() < LETTERS_OF_ITS_OWN_MIN
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn cheap() -> Params {
        Params::new(64, 1, 1, None).unwrap()
    }
    fn hasher(pepper: u8, params: Params) -> Hasher {
        Hasher::new(Pepper::from_bytes([pepper; 32]), params).unwrap()
    }
    fn one() -> NonZeroUsize {
        NonZeroUsize::new(1).unwrap()
    }

    #[test]
    fn a_hash_names_todays_parameters() {
        let pool_params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap();
        let phc = hasher(1, pool_params).hash(&Secret::new("một mật khẩu dài")).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(phc.len() <= 128);
    }

    #[test]
    fn the_right_secret_matches_and_others_do_not() {
        let hasher = hasher(1, cheap());
        let phc = hasher.hash(&Secret::new("đường về bản xa")).unwrap();
        let verify = |secret: &str| hasher.verify(Some(&phc), &Secret::new(secret)).unwrap();
        assert_eq!(verify("đường về bản xa"), Verdict::Match { rehash: false });
        assert_eq!(verify("đường về bản xạ"), Verdict::NoMatch);
        assert_eq!(verify(""), Verdict::NoMatch);
    }

    #[test]
    fn two_ways_of_typing_the_same_letters_are_one_secret() {
        let hasher = hasher(1, cheap());
        let composed = "Suối Giàng mùa chè";
        let decomposed: String = composed.nfd().collect();
        assert_ne!(composed, decomposed);
        let phc = hasher.hash(&Secret::new(decomposed)).unwrap();
        assert_eq!(hasher.verify(Some(&phc), &Secret::new(composed)).unwrap(), Verdict::Match { rehash: false });
    }

    #[test]
    fn a_hash_is_worthless_without_the_pepper() {
        let secret = Secret::new("đường về bản xa");
        let phc = hasher(1, cheap()).hash(&secret).unwrap();
        assert_eq!(hasher(2, cheap()).verify(Some(&phc), &secret).unwrap(), Verdict::NoMatch);
    }

    #[test]
    fn a_hash_with_older_parameters_asks_to_be_renewed() {
        let secret = Secret::new("đường về bản xa");
        let phc = hasher(1, Params::new(32, 1, 1, None).unwrap()).hash(&secret).unwrap();
        assert_eq!(hasher(1, cheap()).verify(Some(&phc), &secret).unwrap(), Verdict::Match { rehash: true });
    }

    #[test]
    fn a_stored_hash_that_orders_gigabytes_or_another_algorithm_is_not_followed() {
        let hasher = hasher(1, cheap());
        let salted = "c29tZXNhbHRzb21lc2FsdA$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY";
        for head in
            ["$argon2id$v=19$m=4194304,t=2,p=1$", "$argon2id$v=19$m=64,t=900,p=1$", "$argon2i$v=19$m=64,t=1,p=1$"]
        {
            let verdict = hasher.verify(Some(&format!("{head}{salted}")), &Secret::new("x"));
            assert_eq!(verdict, Err(HashingError::StoredHashUnreadable), "{head}");
        }
        assert_eq!(hasher.verify(Some("plain"), &Secret::new("plain")), Err(HashingError::StoredHashUnreadable));
    }

    #[test]
    fn an_unknown_account_is_compared_at_todays_price_and_never_matches() {
        let hasher = hasher(1, cheap());
        let dummy = StoredHash::read(&hasher.dummy).unwrap();
        assert!(dummy.is_like(&hasher.params));
        for secret in ["", "123456", "admin"] {
            assert_eq!(hasher.verify(None, &Secret::new(secret)).unwrap(), Verdict::NoMatch);
        }
    }

    #[tokio::test]
    async fn the_pool_answers_and_counts_each_hash_once() {
        let pool = PasswordHasherPool::start_with(Pepper::from_bytes([1; 32]), one(), cheap()).unwrap();
        let phc = pool.hash(Secret::new("246813")).await.unwrap();
        assert_eq!(pool.verify(Some(phc), Secret::new("246813")).await, Ok(Verdict::Match { rehash: false }));
        assert_eq!(pool.verify(None, Secret::new("246813")).await, Ok(Verdict::NoMatch));
        assert_eq!(pool.runs(), 3);
        assert_eq!(pool.waiting(), 0);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_abandoned_jobs_cost_nothing() {
        // Dear parameters, so that the one thread is still busy with the first job when the last is offered.
        let slow = Params::new(64 * 1024, 4, 1, None).unwrap();
        let pool = PasswordHasherPool::start_with(Pepper::from_bytes([1; 32]), one(), slow).unwrap();
        let mut waiting: Vec<Pin<Box<dyn Future<Output = _> + '_>>> = Vec::new();
        let mut refused = 0;
        for _ in 0..50 {
            let mut job = Box::pin(pool.verify(None, Secret::new("135790")));
            match job.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => waiting.push(job),
                Poll::Ready(answer) => {
                    assert_eq!(answer, Err(HashingError::Busy));
                    refused += 1;
                }
            }
        }
        assert!((QUEUE_JOBS_MAX..=QUEUE_JOBS_MAX + 2).contains(&waiting.len()), "{} waited", waiting.len());
        assert_eq!(refused + waiting.len(), 50);

        drop(waiting);
        let verdict = loop {
            match pool.verify(None, Secret::new("135790")).await {
                Err(HashingError::Busy) => tokio::task::yield_now().await,
                other => break other,
            }
        };
        assert_eq!(verdict, Ok(Verdict::NoMatch));
        assert!(pool.runs() <= 4, "{} hashes for one answer that was wanted", pool.runs());
    }

    #[test]
    fn a_pin_is_refused_for_the_right_reason() {
        for (pin, expected) in [
            ("246813", Ok(())),
            ("112233", Ok(())),
            ("000001", Ok(())),
            ("12345", Err(PinFault::TooShort)),
            ("", Err(PinFault::TooShort)),
            ("1234567890123", Err(PinFault::TooLong)),
            ("12345a", Err(PinFault::NotDigits)),
            ("１２３４５６", Err(PinFault::NotDigits)),
            ("000000", Err(PinFault::AllEqual)),
            ("123456", Err(PinFault::Run)),
            ("654321", Err(PinFault::Run)),
            ("789012", Err(PinFault::Run)),
            ("210987", Err(PinFault::Run)),
        ] {
            assert_eq!(check_pin(pin), expected, "{pin}");
        }
    }

    #[test]
    fn a_password_is_judged_by_length_and_by_what_others_would_try() {
        let long = "a sentence of its own ".repeat(6);
        let exactly_128: String = long.chars().take(128).collect();
        for (password, expected) in [
            ("chè shan tuyết trên đỉnh", Ok(())),
            ("con trau di truoc cai cay", Ok(())),
            ("thôn số của bà con nhà sàn", Ok(())),
            ("839201746582", Ok(())),
            (exactly_128.as_str(), Ok(())),
            ("ngắn thôi", Err(PasswordFault::TooShort)),
            (&long[..129], Err(PasswordFault::TooLong)),
            ("có ký tự \u{0} lạ đây", Err(PasswordFault::Control)),
            ("matkhau123456", Err(PasswordFault::Common)),
            ("Mật khẩu 2026!", Err(PasswordFault::Common)),
            ("P4ssw0rd!!2026", Err(PasswordFault::Common)),
            ("ThônSố@2026!!", Err(PasswordFault::Common)),
            ("YênBái-LàoCai", Err(PasswordFault::Common)),
            ("Chuyển đổi số", Err(PasswordFault::Common)),
            ("qwertyuiop12", Err(PasswordFault::Common)),
            ("aaaaaaaaaaaaaa", Err(PasswordFault::Common)),
            ("xyzxyzxyzxyz", Err(PasswordFault::Common)),
            ("123456789012", Err(PasswordFault::Common)),
            ("abcdefghijklm", Err(PasswordFault::Common)),
        ] {
            assert_eq!(check_password(password, &[]), expected, "{password}");
        }
    }

    #[test]
    fn a_password_of_ones_own_name_and_number_is_refused() {
        let own = ["Giàng A Páo", "0530123456"];
        assert_eq!(check_password("GiangAPao0530123456", &own), Err(PasswordFault::Common));
        assert_eq!(check_password("giàng páo 1990!!", &own), Err(PasswordFault::Common));
        assert_eq!(check_password("GiangAPao0530123456", &[]), Ok(()));
    }

    #[test]
    fn blocked_words_are_written_as_they_are_compared() {
        for word in BLOCKED {
            assert_eq!(fold(word), *word);
        }
    }
}
