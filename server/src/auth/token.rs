//! Access tokens, and secrets that mean nothing to who holds them.
//!
//! An access token is a JWT of ten minutes with one algorithm. This module alone encodes and decodes them: what the
//! library leaves open by default is closed here. The token says who, with which device and in which session; it never
//! says what that person may do. Everything that lives longer is an [`OpaqueSecret`], of which the server keeps only a
//! hash. Source: docs/SECURITY.md, "Sessions, tokens, device binding"; RFC 8725, RFC 9068.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sync_protocol::ids::{DeviceId, ServerMs, UserId};
use uuid::Uuid;

use crate::keys::{Pepper, TokenKey};

/// Life of an access token, in seconds.
pub const ACCESS_LIFE_S: u64 = 600;
/// By how much two servers' clocks may differ, in seconds.
pub const LEEWAY_S: u64 = 5;
/// Longest token that is looked at. Ours have about 500 bytes.
pub const TOKEN_BYTES_MAX: usize = 2_048;

/// Header `typ` of an access token (RFC 9068): a signed text of ours for another purpose is no access token.
const TYP: &str = "at+jwt";

/// A sign-in of one person on one device; what is revoked when somebody logs out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

/// Why a token is refused. Both are answered 401.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenFault {
    /// Ours and in order, but its time is over: answer `token_expired`, the phone refreshes by itself.
    #[error("the access token has expired")]
    Expired,
    /// Anything else: answer `token_invalid`. The caller is not told what was wrong.
    #[error("the access token is not valid")]
    Invalid,
}

/// The given keys cannot sign. A fault of the installation, found at the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a key of access tokens cannot be used")]
pub struct UnusableKey;

/// What a valid access token says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccessClaims {
    /// Whose token it is.
    pub user: UserId,
    /// The device it was issued to; none for the officer's desk.
    pub device: Option<DeviceId>,
    /// The session it belongs to. Whether that is still open is for the store to say.
    pub session: SessionId,
    /// When it was issued, to the second.
    pub issued_at: ServerMs,
    /// When its time is over, to the second.
    pub expires_at: ServerMs,
}

impl AccessClaims {
    /// Refuses a token that was issued to another device, or to none.
    pub fn of_device(self, device: DeviceId) -> Result<Self, TokenFault> {
        if self.device == Some(device) { Ok(self) } else { Err(TokenFault::Invalid) }
    }
}

/// The claims as they are signed. Every field is required: a token without one does not parse.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dev: Option<DeviceId>,
    sid: SessionId,
    iat: u64,
    nbf: u64,
    exp: u64,
}

/// Issues and checks access tokens.
pub struct AccessTokens {
    issuer: String,
    audience: String,
    header: Header,
    signing: EncodingKey,
    accepted: BTreeMap<String, DecodingKey>,
    validation: Validation,
}

impl AccessTokens {
    /// `keys` youngest first: the first signs, all are accepted. There must be one at least.
    pub fn new(issuer: &str, audience: &str, keys: &[TokenKey]) -> Result<Self, UnusableKey> {
        let first = keys.first().ok_or(UnusableKey)?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYP.to_owned());
        header.kid = Some(first.kid().to_owned());

        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[issuer]);
        // The library would ask the system's clock. Time is an argument here, so `check_times` does it.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.leeway = LEEWAY_S;

        let accepted = keys.iter().map(|key| (key.kid().to_owned(), DecodingKey::from_ed_der(&key.public_bytes())));
        let tokens = Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            header,
            signing: EncodingKey::from_ed_der(&first.pkcs8_der().ok_or(UnusableKey)?),
            accepted: accepted.collect(),
            validation,
        };
        let trial = tokens.issue(UserId(Uuid::nil()), None, SessionId(Uuid::nil()), ServerMs(0))?;
        tokens.check(&trial, ServerMs(0)).map_err(|_| UnusableKey)?;
        Ok(tokens)
    }

    /// Issues a token of [`ACCESS_LIFE_S`] seconds.
    pub fn issue(
        &self,
        user: UserId,
        device: Option<DeviceId>,
        session: SessionId,
        now: ServerMs,
    ) -> Result<String, UnusableKey> {
        let iat = now.0 / 1_000;
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user,
            dev: device,
            sid: session,
            iat,
            nbf: iat,
            exp: iat + ACCESS_LIFE_S,
        };
        jsonwebtoken::encode(&self.header, &claims, &self.signing).map_err(|_| UnusableKey)
    }

    /// Checks a token completely. `Expired` is said only of a token that is in order otherwise.
    pub fn check(&self, token: &str, now: ServerMs) -> Result<AccessClaims, TokenFault> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::Invalid);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenFault::Invalid)?;
        if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some(TYP) || header.crit.is_some() {
            return Err(TokenFault::Invalid);
        }
        // A key is found in our own short list or not at all: never a file, an address or a key that the token brings.
        let key = header.kid.and_then(|kid| self.accepted.get(&kid)).ok_or(TokenFault::Invalid)?;
        let decoded = jsonwebtoken::decode::<Claims>(token, key, &self.validation).map_err(|_| TokenFault::Invalid)?;
        check_times(&decoded.claims, now)?;
        let Claims { sub, dev, sid, iat, exp, .. } = decoded.claims;
        Ok(AccessClaims {
            user: sub,
            device: dev,
            session: sid,
            issued_at: ServerMs(iat.saturating_mul(1_000)),
            expires_at: ServerMs(exp.saturating_mul(1_000)),
        })
    }
}

/// Times in order: not before its beginning, not longer than a token of ours lives, not over.
fn check_times(claims: &Claims, now: ServerMs) -> Result<(), TokenFault> {
    let now_s = now.0 / 1_000;
    let begun = |from: u64| from <= now_s.saturating_add(LEEWAY_S);
    let lives = claims.exp.checked_sub(claims.iat);
    if !begun(claims.iat) || !begun(claims.nbf) || lives.is_none_or(|lives_s| lives_s > ACCESS_LIFE_S) {
        return Err(TokenFault::Invalid);
    }
    if now_s >= claims.exp.saturating_add(LEEWAY_S) {
        return Err(TokenFault::Expired);
    }
    Ok(())
}

/// The operating system gave no random numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no random numbers")]
pub struct NoRandomness;

/// 256 random bits that a device or a browser keeps and shows again: a refresh token, a desk session, the QR code of an
/// enrolment. Without `Debug`; the server keeps its [`SecretHash`].
#[derive(Clone)]
pub struct OpaqueSecret([u8; 32]);

impl OpaqueSecret {
    /// Characters of the text form.
    pub const TEXT_CHARS: usize = 43;

    /// Draws a secret.
    pub fn draw() -> Result<Self, NoRandomness> {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self(bytes))
    }

    /// 43 characters of base64url without padding.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads what [`OpaqueSecret::to_text`] wrote, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != Self::TEXT_CHARS {
            return None;
        }
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// What the database keeps. A plain hash will do: nobody tries 2²⁵⁶ values.
    pub fn hash(&self) -> SecretHash {
        SecretHash(blake3::derive_key("thonso 2026 opaque secret", &self.0))
    }
}

/// Hash of a secret, as the database keeps it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SecretHash(pub [u8; 32]);

impl SecretHash {
    /// Compares in a time that does not depend on where the two differ.
    pub fn matches(&self, other: &Self) -> bool {
        blake3::Hash::from_bytes(self.0) == blake3::Hash::from_bytes(other.0)
    }
}

/// Eight decimal digits that a leader reads out to enrol a phone. Without `Debug`.
///
/// Short enough to say, so it must be short-lived, single-use, bound to one waiting account and limited to a few tries.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolmentCode(u32);

impl EnrolmentCode {
    /// Digits of a code.
    pub const DIGITS: usize = 8;
    /// Life of a code, in milliseconds.
    pub const LIFE_MS: u64 = 10 * 60 * 1_000;
    /// Wrong tries after which the code is dead.
    pub const TRIES_MAX: u32 = 5;

    const VALUES: u32 = 100_000_000;

    /// Draws a code; every one of the 10⁸ is equally likely.
    pub fn draw() -> Result<Self, NoRandomness> {
        Self::from_random(|| getrandom::u32().map_err(|_| NoRandomness))
    }

    /// Takes the first of the random numbers that falls into the largest multiple of 10⁸ below 2³²; taking the
    /// remainder of every number would make low codes more likely.
    fn from_random(mut random: impl FnMut() -> Result<u32, NoRandomness>) -> Result<Self, NoRandomness> {
        const FAIR_BELOW: u32 = u32::MAX / EnrolmentCode::VALUES * EnrolmentCode::VALUES;
        loop {
            let number = random()?;
            if number < FAIR_BELOW {
                return Ok(Self(number % Self::VALUES));
            }
        }
    }

    /// Eight digits.
    pub fn to_text(&self) -> String {
        format!("{:08}", self.0)
    }

    /// Two groups of four, for reading out: `0123 4567`.
    pub fn to_spoken(&self) -> String {
        format!("{:04} {:04}", self.0 / 10_000, self.0 % 10_000)
    }

    /// Reads eight digits; spaces, dots and hyphens between them are allowed, since people type them.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '.' | '-')).collect();
        let eight = digits.len() == Self::DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        if eight { digits.parse().ok().map(Self) } else { None }
    }

    /// What the database keeps. With the pepper, since anybody tries 10⁸ values.
    pub fn hash(&self, pepper: &Pepper) -> SecretHash {
        let key = blake3::derive_key("thonso 2026 enrolment code", pepper.as_bytes());
        SecretHash(*blake3::keyed_hash(&key, &self.0.to_be_bytes()).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: ServerMs = ServerMs(1_790_000_000_500);
    const NOW_S: u64 = NOW.0 / 1_000;
    const ISSUER: &str = "https://thonso.example";
    const AUDIENCE: &str = "thonso-api";

    fn key(seed: u8) -> TokenKey {
        TokenKey::from_seed([seed; 32], ServerMs(u64::from(seed)))
    }
    fn tokens() -> AccessTokens {
        AccessTokens::new(ISSUER, AUDIENCE, &[key(2), key(1)]).unwrap()
    }
    fn user() -> UserId {
        UserId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001))
    }
    fn device() -> DeviceId {
        DeviceId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0002))
    }
    fn session() -> SessionId {
        SessionId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0003))
    }

    /// Parts of a token that is good until somebody changes it.
    fn good() -> (Value, Value) {
        let header = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": key(2).kid()});
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": user(), "dev": device(), "sid": session(),
            "iat": NOW_S, "nbf": NOW_S, "exp": NOW_S + 600,
        });
        (header, claims)
    }

    fn encoded(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    fn signed_text(header: &str, claims: &str, by: &TokenKey) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let der = EncodingKey::from_ed_der(&by.pkcs8_der().unwrap());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &der, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    }

    fn signed(header: &Value, claims: &Value, by: &TokenKey) -> String {
        signed_text(&header.to_string(), &claims.to_string(), by)
    }

    fn with_header(name: &str, value: Value) -> String {
        let (mut header, claims) = good();
        header[name] = value;
        signed(&header, &claims, &key(2))
    }

    fn with_claim(name: &str, value: Value) -> String {
        let (header, mut claims) = good();
        claims[name] = value;
        signed(&header, &claims, &key(2))
    }

    fn without(part: &str, name: &str) -> String {
        let (mut header, mut claims) = good();
        let object = if part == "header" { &mut header } else { &mut claims };
        object.as_object_mut().unwrap().remove(name).unwrap();
        signed(&header, &claims, &key(2))
    }

    #[test]
    fn a_good_token_says_what_was_put_in() {
        let expected = AccessClaims {
            user: user(),
            device: Some(device()),
            session: session(),
            issued_at: ServerMs(NOW_S * 1_000),
            expires_at: ServerMs((NOW_S + ACCESS_LIFE_S) * 1_000),
        };
        let issued = tokens().issue(user(), Some(device()), session(), NOW).unwrap();
        assert_eq!(tokens().check(&issued, NOW), Ok(expected));
        assert!(issued.len() < 600, "{} bytes", issued.len());

        // The table below changes this hand-made token, so it must be good itself.
        let (header, claims) = good();
        assert_eq!(tokens().check(&signed(&header, &claims, &key(2)), NOW), Ok(expected));
    }

    #[test]
    fn the_key_before_the_last_is_still_accepted() {
        let before = AccessTokens::new(ISSUER, AUDIENCE, &[key(1)]).unwrap();
        let issued = before.issue(user(), None, session(), NOW).unwrap();
        assert_eq!(tokens().check(&issued, NOW).unwrap().device, None);
        let after = AccessTokens::new(ISSUER, AUDIENCE, &[key(3), key(2)]).unwrap();
        assert_eq!(after.check(&issued, NOW), Err(TokenFault::Invalid));
    }

    #[test]
    fn time_is_judged_with_five_seconds_of_grace_and_no_more() {
        let tokens = tokens();
        let issued = tokens.issue(user(), Some(device()), session(), NOW).unwrap();
        let at = |offset_s: i64| tokens.check(&issued, ServerMs(NOW.0.checked_add_signed(offset_s * 1_000).unwrap()));
        assert!(at(-5).is_ok());
        assert_eq!(at(-6), Err(TokenFault::Invalid));
        assert!(at(604).is_ok());
        assert_eq!(at(605), Err(TokenFault::Expired));
        assert_eq!(at(630), Err(TokenFault::Expired));
    }

    /// H21: every one is refused, and none makes the server fail.
    #[test]
    fn the_token_table_is_refused() {
        let (header, claims) = good();
        let issued = signed(&header, &claims, &key(2));
        let (message, signature) = issued.rsplit_once('.').unwrap();
        let hs256 = |secret: &[u8]| {
            let mut header = Header::new(Algorithm::HS256);
            header.typ = Some(TYP.to_owned());
            header.kid = Some(key(2).kid().to_owned());
            jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
        };
        let public_pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            base64::engine::general_purpose::STANDARD.encode(key(2).public_bytes())
        );
        let none = |alg: &str| {
            let mut header = header.clone();
            header["alg"] = json!(alg);
            format!("{}.{}.", encoded(&header), encoded(&claims))
        };
        let mut rows = vec![
            ("empty", String::new()),
            ("one part", "abc".to_owned()),
            ("two parts", message.to_owned()),
            ("only dots", "..".to_owned()),
            ("four parts", format!("{issued}.{signature}")),
            ("trailing dot", format!("{issued}.")),
            ("trailing letter", format!("{issued}A")),
            ("trailing newline", format!("{issued}\n")),
            ("leading space", format!(" {issued}")),
            ("scheme inside", format!("Bearer {issued}")),
            ("empty signature", format!("{message}.")),
            ("padded signature", format!("{issued}==")),
            ("signature with a space", format!("{message}. {signature}")),
            ("short signature", format!("{message}.{}", &signature[..80])),
            ("other letters in the signature", format!("{message}.{}", signature.chars().rev().collect::<String>())),
            ("letters beyond ASCII", format!("{message}.ố{signature}")),
            ("padded header", issued.replacen('.', "=.", 1)),
            ("alg none", none("none")),
            ("alg None", none("None")),
            ("alg EdDSA, unsigned", none("EdDSA")),
            ("HS256 with the public key", hs256(&key(2).public_bytes())),
            ("HS256 with the public key as PEM", hs256(public_pem.as_bytes())),
            ("HS256 with nothing", hs256(b"")),
            ("alg ES256 over an EdDSA signature", with_header("alg", json!("ES256"))),
            ("alg HS256 over an EdDSA signature", with_header("alg", json!("HS256"))),
            ("alg in small letters", with_header("alg", json!("eddsa"))),
            ("no alg", without("header", "alg")),
            ("typ of a refresh token", with_header("typ", json!("rt+jwt"))),
            ("typ JWT", with_header("typ", json!("JWT"))),
            ("typ in capitals", with_header("typ", json!("AT+JWT"))),
            ("no typ", without("header", "typ")),
            ("kid with a path", with_header("kid", json!("../../x"))),
            ("kid with an address", with_header("kid", json!("https://evil.example/key"))),
            ("kid empty", with_header("kid", json!(""))),
            ("kid a number", with_header("kid", json!(2))),
            ("kid of the other live key", with_header("kid", json!(key(1).kid()))),
            ("no kid", without("header", "kid")),
            ("crit that we do not know", with_header("crit", json!(["exp"]))),
            ("signed by a stranger under our kid", signed(&header, &claims, &key(9))),
            ("iss wrong", with_claim("iss", json!("https://evil.example"))),
            ("iss a list", with_claim("iss", json!([ISSUER]))),
            ("aud wrong", with_claim("aud", json!("other-api"))),
            ("aud a list with ours", with_claim("aud", json!(["other-api", AUDIENCE]))),
            ("sub no id", with_claim("sub", json!("admin"))),
            ("sub null", with_claim("sub", Value::Null)),
            ("sid wrong", with_claim("sid", json!(7))),
            ("dev wrong", with_claim("dev", json!("phone"))),
            ("exp a text", with_claim("exp", json!((NOW_S + 600).to_string()))),
            ("exp negative", with_claim("exp", json!(-1))),
            ("exp a fraction", with_claim("exp", json!(NOW_S as f64 + 0.5))),
            ("exp for ever", with_claim("exp", json!(u64::MAX))),
            ("exp a second too far", with_claim("exp", json!(NOW_S + 601))),
            ("exp before iat", with_claim("exp", json!(NOW_S - 1))),
            ("nbf an hour ahead", with_claim("nbf", json!(NOW_S + 3_600))),
            ("nbf six seconds ahead", with_claim("nbf", json!(NOW_S + 6))),
            ("iat an hour ahead", with_claim("iat", json!(NOW_S + 3_600))),
            ("huge header", with_header("x", json!("x".repeat(TOKEN_BYTES_MAX)))),
        ];
        for name in ["iss", "aud", "sub", "sid", "iat", "nbf", "exp"] {
            rows.push((name, without("claims", name)));
        }
        let twice = claims.to_string().replacen('{', "{\"exp\":9999999999,", 1);
        rows.push(("exp twice", signed_text(&header.to_string(), &twice, &key(2))));
        rows.push(("claims no object", signed_text(&header.to_string(), "[]", &key(2))));
        rows.push(("claims no JSON", signed_text(&header.to_string(), "nothing", &key(2))));
        for (what, token) in &rows {
            assert_eq!(tokens().check(token, NOW), Err(TokenFault::Invalid), "{what}");
        }

        let (header, mut claims) = good();
        for (name, before_s) in [("iat", 630), ("nbf", 630), ("exp", 30)] {
            claims[name] = json!(NOW_S - before_s);
        }
        assert_eq!(tokens().check(&signed(&header, &claims, &key(2)), NOW), Err(TokenFault::Expired));
        claims["aud"] = json!("other-api");
        assert_eq!(tokens().check(&signed(&header, &claims, &key(2)), NOW), Err(TokenFault::Invalid));
    }

    #[test]
    fn a_token_of_another_device_is_refused() {
        let other = DeviceId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0009));
        let claims_for = |device| {
            let issued = tokens().issue(user(), device, session(), NOW).unwrap();
            tokens().check(&issued, NOW).unwrap()
        };
        assert!(claims_for(Some(device())).of_device(device()).is_ok());
        assert_eq!(claims_for(Some(other)).of_device(device()), Err(TokenFault::Invalid));
        assert_eq!(claims_for(None).of_device(device()), Err(TokenFault::Invalid));
    }

    #[test]
    fn a_token_tells_nothing_about_rights() {
        let issued = tokens().issue(user(), Some(device()), session(), NOW).unwrap();
        let body = URL_SAFE_NO_PAD.decode(issued.split('.').nth(1).unwrap()).unwrap();
        let body: BTreeMap<String, Value> = serde_json::from_slice(&body).unwrap();
        assert_eq!(body.keys().collect::<Vec<_>>(), ["aud", "dev", "exp", "iat", "iss", "nbf", "sid", "sub"]);
    }

    #[test]
    fn without_a_key_there_are_no_tokens() {
        assert!(matches!(AccessTokens::new(ISSUER, AUDIENCE, &[]), Err(UnusableKey)));
    }

    #[test]
    fn an_opaque_secret_survives_its_text_and_nothing_else_does() {
        let secret = OpaqueSecret::draw().unwrap();
        let text = secret.to_text();
        assert_eq!(text.len(), OpaqueSecret::TEXT_CHARS);
        assert!(OpaqueSecret::parse(&text).unwrap().hash().matches(&secret.hash()));
        assert!(!OpaqueSecret::draw().unwrap().hash().matches(&secret.hash()));
        let last_bit_set = format!("{}B", "A".repeat(42));
        for wrong in
            ["", &text[1..], &format!("{text}="), &format!("{text}A"), &last_bit_set, &"+".repeat(43), &"ố".repeat(15)]
        {
            assert!(OpaqueSecret::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_hash_of_a_secret_is_not_its_plain_hash() {
        let secret = OpaqueSecret([7; 32]);
        assert_ne!(secret.hash().0, *blake3::hash(&[7; 32]).as_bytes());
    }

    #[test]
    fn enrolment_codes_are_fair() {
        let draw = |numbers: &[u32]| {
            let mut numbers = numbers.iter().copied();
            EnrolmentCode::from_random(|| numbers.next().ok_or(NoRandomness)).map(|code| code.to_text())
        };
        assert_eq!(draw(&[0]), Ok("00000000".to_owned()));
        assert_eq!(draw(&[4_199_999_999]), Ok("99999999".to_owned()));
        assert_eq!(draw(&[4_200_000_000, u32::MAX, 12_345_678]), Ok("12345678".to_owned()));
        assert_eq!(draw(&[u32::MAX]), Err(NoRandomness));
    }

    #[test]
    fn enrolment_codes_are_read_as_people_type_them() {
        let code = EnrolmentCode::parse("01234567").unwrap();
        assert_eq!(code.to_spoken(), "0123 4567");
        for typed in ["0123 4567", "0123-4567", " 01.23.45.67 "] {
            assert!(EnrolmentCode::parse(typed) == Some(code.clone()), "{typed}");
        }
        for wrong in ["", "1234567", "123456789", "1234567a", "+1234567", "１２３４５６７８"] {
            assert!(EnrolmentCode::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_stolen_table_of_enrolment_codes_needs_the_pepper() {
        let code = EnrolmentCode::parse("01234567").unwrap();
        let hash = |pepper: u8| code.hash(&Pepper::from_bytes([pepper; 32]));
        assert!(hash(1).matches(&hash(1)));
        assert!(!hash(1).matches(&hash(2)));
    }
}
