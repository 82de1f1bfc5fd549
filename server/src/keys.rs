//! The server's secrets, kept in files beside the database and never in it; and the file of the server's epoch.
//!
//! A stolen database alone then opens nothing: no password can be tried without the pepper, no token or cursor made
//! without its key. They need their own backup. Source: docs/SECURITY.md, "People and passwords" and "Sessions, tokens,
//! device binding".

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use serde::{Deserialize, Serialize};
use sync_protocol::ids::ServerMs;

/// Name of the folder, beside the database.
pub const FOLDER: &str = "keys";

/// Keys that are accepted at one time: the one that signs and the one before it.
pub const TOKEN_KEYS_LIVE: usize = 2;

const PEPPER: &str = "pepper";
const CURSOR_KEY: &str = "cursor_key";
const TOKEN_KEY_PREFIX: &str = "token-";
const TOKEN_KEY_SUFFIX: &str = ".pem";

/// Why the server's secrets are not at hand. No message holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file that must be there is not. Do not make a new one: restore it from its backup. With a new pepper nobody's
    /// password would be right any more.
    #[error("{path} is missing; restore the folder of keys from its backup")]
    Missing {
        /// The file or folder.
        path: PathBuf,
    },
    /// A file is there and does not hold what it should.
    #[error("{path} does not hold a key of ours; restore it from its backup")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Other users of this machine may read the file or folder.
    #[error("{path} may be read by others (mode {mode:03o}); allow only the server's own user")]
    TooOpen {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The operating system refused.
    #[error("{path} cannot be read or written")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The operating system gave no random numbers.
    #[error("no random numbers to make keys from")]
    NoRandomness,
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> KeysError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::NotFound => KeysError::Missing { path },
        _ => KeysError::Io { path, source },
    }
}

/// 32 secret bytes that go into every password hash. Without `Debug`.
#[derive(Clone)]
pub struct Pepper([u8; 32]);

impl Pepper {
    /// Takes the bytes of the file.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// The bytes, for the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// 32 secret bytes with which the server signs the cursors that it hands out. Without `Debug`.
#[derive(Clone)]
pub struct CursorKey([u8; 32]);

impl CursorKey {
    /// Takes the bytes of the file.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// The bytes, for BLAKE3's keyed mode.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// An Ed25519 key that signs access tokens. Without `Debug`.
#[derive(Clone)]
pub struct TokenKey {
    kid: String,
    created: ServerMs,
    key: SigningKey,
}

impl TokenKey {
    /// Draws a new key.
    pub fn draw(created: ServerMs) -> Result<Self, KeysError> {
        Ok(Self::from_seed(draw_32()?, created))
    }

    /// The key of a 32-byte seed.
    pub fn from_seed(seed: [u8; 32], created: ServerMs) -> Self {
        let key = SigningKey::from_bytes(&seed);
        Self { kid: kid_of(&key), created, key }
    }

    /// Names the key in a token's header: 16 hexadecimal digits of the hash of its public half.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// When it was made; the youngest key signs.
    pub fn created(&self) -> ServerMs {
        self.created
    }

    /// The public half.
    pub fn public_bytes(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// The private half as PKCS#8 DER, as the token library wants it.
    pub fn pkcs8_der(&self) -> Option<Vec<u8>> {
        self.key.to_pkcs8_der().ok().map(|der| der.as_bytes().to_vec())
    }

    fn file_name(&self) -> String {
        format!("{TOKEN_KEY_PREFIX}{:013}-{}{TOKEN_KEY_SUFFIX}", self.created.0, self.kid)
    }

    fn write(&self, folder: &Path) -> Result<(), KeysError> {
        let path = folder.join(self.file_name());
        let pem = self.key.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeysError::Damaged { path: path.clone() })?;
        write_secret(&path, pem.as_bytes())
    }

    /// Reads a key file; its name says when it was made, and its content must fit the name.
    fn read(path: &Path, name: &str) -> Result<Self, KeysError> {
        let damaged = || KeysError::Damaged { path: path.to_owned() };
        let pem = String::from_utf8(read_secret(path)?).map_err(|_| damaged())?;
        let key = SigningKey::from_pkcs8_pem(&pem).map_err(|_| damaged())?;
        let stem = name.strip_prefix(TOKEN_KEY_PREFIX).and_then(|rest| rest.strip_suffix(TOKEN_KEY_SUFFIX));
        let (created, kid) = stem.and_then(|stem| stem.split_once('-')).ok_or_else(damaged)?;
        let created = ServerMs(created.parse().map_err(|_| damaged())?);
        if kid != kid_of(&key) {
            return Err(damaged());
        }
        Ok(Self { kid: kid.to_owned(), created, key })
    }
}

fn kid_of(key: &SigningKey) -> String {
    let hash = blake3::hash(key.verifying_key().as_bytes());
    hash.as_bytes()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Everything secret that the server needs to run.
pub struct ServerKeys {
    /// Keys of access tokens, youngest first, at most [`TOKEN_KEYS_LIVE`]. The first signs, all are accepted.
    pub token_keys: Vec<TokenKey>,
    /// The pepper of passwords.
    pub pepper: Pepper,
    /// The key of cursors.
    pub cursor_key: CursorKey,
}

impl ServerKeys {
    /// Loads the folder, or makes it if it is not there.
    ///
    /// Only for a data folder without a database. Beside a database that exists use [`ServerKeys::load`]: new keys
    /// would make every password wrong.
    pub fn load_or_create(folder: &Path, now: ServerMs) -> Result<Self, KeysError> {
        match fs::symlink_metadata(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(folder, now)?,
            _ => {}
        }
        Self::load(folder)
    }

    /// Loads the folder. Refuses when anything is missing, damaged or readable by others.
    pub fn load(folder: &Path) -> Result<Self, KeysError> {
        refuse_if_open(folder)?;
        let mut token_keys = Vec::new();
        for (path, name) in token_key_files(folder)? {
            token_keys.push(TokenKey::read(&path, &name)?);
        }
        token_keys.sort_by(|a, b| (b.created, &b.kid).cmp(&(a.created, &a.kid)));
        token_keys.truncate(TOKEN_KEYS_LIVE);
        if token_keys.is_empty() {
            return Err(KeysError::Missing { path: folder.join(format!("{TOKEN_KEY_PREFIX}…{TOKEN_KEY_SUFFIX}")) });
        }
        Ok(Self {
            token_keys,
            pepper: Pepper(read_32(&folder.join(PEPPER))?),
            cursor_key: CursorKey(read_32(&folder.join(CURSOR_KEY))?),
        })
    }

    /// Makes all files in a folder of another name and then renames it: a crash leaves all of them or none.
    fn create(folder: &Path, now: ServerMs) -> Result<(), KeysError> {
        let mut new_name = folder.as_os_str().to_owned();
        new_name.push(".new");
        let new = PathBuf::from(new_name);
        match fs::remove_dir_all(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_at(&new)(error)),
            _ => {}
        }
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&new).map_err(io_at(&new))?;
        write_secret(&new.join(PEPPER), &draw_32()?)?;
        write_secret(&new.join(CURSOR_KEY), &draw_32()?)?;
        TokenKey::draw(now)?.write(&new)?;
        sync_folder(&new)?;
        fs::rename(&new, folder).map_err(io_at(folder))?;
        sync_folder(parent_of(folder))
    }

    /// Makes a new key of access tokens, which signs from the next [`ServerKeys::load`] on, and deletes those that are
    /// older than the one before it. Tokens of a deleted key are refused at once; do not rotate twice within their life
    /// unless that is what you want. Gives back the new key's id.
    pub fn rotate(folder: &Path, now: ServerMs) -> Result<String, KeysError> {
        let live = Self::load(folder)?.token_keys;
        // The youngest signs; a clock that was set back must not make the new key an old one.
        let created = live.first().map_or(now, |youngest| now.max(ServerMs(youngest.created.0 + 1)));
        let new = TokenKey::draw(created)?;
        new.write(folder)?;
        sync_folder(folder)?;
        let kept: Vec<String> = live.iter().take(TOKEN_KEYS_LIVE - 1).chain([&new]).map(TokenKey::file_name).collect();
        for (path, name) in token_key_files(folder)? {
            if !kept.contains(&name) {
                fs::remove_file(&path).map_err(io_at(&path))?;
            }
        }
        sync_folder(folder)?;
        Ok(new.kid)
    }
}

fn token_key_files(folder: &Path) -> Result<Vec<(PathBuf, String)>, KeysError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_at(folder))? {
        let entry = entry.map_err(io_at(folder))?;
        if let Ok(name) = entry.file_name().into_string()
            && name.starts_with(TOKEN_KEY_PREFIX)
            && name.ends_with(TOKEN_KEY_SUFFIX)
        {
            found.push((entry.path(), name));
        }
    }
    Ok(found)
}

fn draw_32() -> Result<[u8; 32], KeysError> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|_| KeysError::NoRandomness)?;
    Ok(bytes)
}

fn read_32(path: &Path) -> Result<[u8; 32], KeysError> {
    <[u8; 32]>::try_from(read_secret(path)?).map_err(|_| KeysError::Damaged { path: path.to_owned() })
}

fn read_secret(path: &Path) -> Result<Vec<u8>, KeysError> {
    refuse_if_open(path)?;
    fs::read(path).map_err(io_at(path))
}

fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), KeysError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(io_at(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_at(path))
}

/// Group and others get no bit at all.
fn refuse_if_open(path: &Path) -> Result<(), KeysError> {
    let metadata = fs::metadata(path).map_err(io_at(path))?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeysError::TooOpen { path: path.to_owned(), mode });
        }
    }
    #[cfg(not(unix))]
    let _ = metadata;
    Ok(())
}

/// Makes a rename or a new name survive a power cut.
fn sync_folder(folder: &Path) -> Result<(), KeysError> {
    #[cfg(unix)]
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(io_at(folder))?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Which life of the server this is, kept outside the database: a restored backup brings an old database, and only this
/// file still knows how far the server had come. Source: docs/PROTOCOL.md, "Restore".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochFile {
    /// Raised by one at every restore; phones that hold a lower one check their copy.
    pub server_epoch: u16,
    /// The highest position that the server has handed out in this epoch. In the file as text: 64-bit numbers in JSON
    /// are rounded by some readers.
    #[serde(with = "number_as_text")]
    pub high_water: u64,
}

/// Why the epoch file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    /// The file is there and does not hold an epoch.
    #[error("{path} does not hold a server epoch")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The new content is older than what the file says.
    #[error("{path} says {found:?} already and must not go back")]
    GoesBack {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: EpochFile,
    },
    /// The operating system refused.
    #[error("{path} cannot be read or written")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

impl EpochFile {
    /// Name of the file, beside the database.
    pub const NAME: &str = "server_epoch.json";

    /// Reads the file; `None` if there is none yet.
    pub fn load(path: &Path) -> Result<Option<Self>, EpochError> {
        match fs::read(path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(found) => Ok(Some(found)),
                Err(_) => Err(EpochError::Damaged { path: path.to_owned() }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(EpochError::Io { path: path.to_owned(), source }),
        }
    }

    /// Writes the file so that a power cut leaves the old or the new content, never half of one.
    ///
    /// The epoch never falls, and within an epoch the high water never does.
    pub fn store(self, path: &Path) -> Result<(), EpochError> {
        if let Some(found) = Self::load(path)?
            && found > self
        {
            return Err(EpochError::GoesBack { path: path.to_owned(), found });
        }
        self.replace(path).map_err(|source| EpochError::Io { path: path.to_owned(), source })
    }

    fn replace(self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("json.new");
        let mut file = File::create(&new)?;
        serde_json::to_writer(&file, &self)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        #[cfg(unix)]
        File::open(parent_of(path))?.sync_all()?;
        Ok(())
    }
}

mod number_as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|_| de::Error::custom("a whole number as text is expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: ServerMs = ServerMs(1_790_000_000_000);

    fn fresh() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join(FOLDER);
        (place, folder)
    }

    #[test]
    fn keys_are_made_once_and_stay_the_same() {
        let (_place, folder) = fresh();
        let first = ServerKeys::load_or_create(&folder, NOW).unwrap();
        let second = ServerKeys::load_or_create(&folder, ServerMs(NOW.0 + 1)).unwrap();
        assert_eq!(first.pepper.as_bytes(), second.pepper.as_bytes());
        assert_eq!(first.cursor_key.as_bytes(), second.cursor_key.as_bytes());
        assert_eq!(first.token_keys[0].public_bytes(), second.token_keys[0].public_bytes());
        assert_eq!(second.token_keys.len(), 1);
        assert_ne!(first.pepper.as_bytes(), first.cursor_key.as_bytes());
        assert_ne!(first.pepper.as_bytes(), &[0; 32]);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_servers_user_may_read_them() {
        use std::os::unix::fs::PermissionsExt;
        let (_place, folder) = fresh();
        ServerKeys::load_or_create(&folder, NOW).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        for entry in fs::read_dir(&folder).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }

        let pepper = folder.join(PEPPER);
        fs::set_permissions(&pepper, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(ServerKeys::load(&folder), Err(KeysError::TooOpen { mode: 0o640, path }) if path == pepper));
    }

    #[test]
    fn a_lost_or_broken_file_is_named_and_never_made_anew() {
        let (_place, folder) = fresh();
        assert!(matches!(ServerKeys::load(&folder), Err(KeysError::Missing { .. })));
        ServerKeys::load_or_create(&folder, NOW).unwrap();

        let pepper = folder.join(PEPPER);
        let kept = fs::read(&pepper).unwrap();
        fs::remove_file(&pepper).unwrap();
        let error = ServerKeys::load_or_create(&folder, NOW).err().unwrap();
        assert!(matches!(&error, KeysError::Missing { path } if *path == pepper), "{error}");
        assert!(!pepper.exists());

        write_secret(&pepper, &kept[..31]).unwrap();
        assert!(matches!(ServerKeys::load(&folder), Err(KeysError::Damaged { path }) if path == pepper));
    }

    #[test]
    fn a_key_file_under_a_foreign_name_is_refused() {
        let (_place, folder) = fresh();
        let keys = ServerKeys::load_or_create(&folder, NOW).unwrap();
        let file = folder.join(keys.token_keys[0].file_name());
        fs::rename(&file, folder.join("token-1790000000000-0123456789abcdef.pem")).unwrap();
        assert!(matches!(ServerKeys::load(&folder), Err(KeysError::Damaged { .. })));
    }

    #[test]
    fn a_first_start_that_was_cut_off_begins_again() {
        let (place, folder) = fresh();
        let half = place.path().join("keys.new");
        fs::create_dir(&half).unwrap();
        fs::write(half.join(PEPPER), b"half").unwrap();
        ServerKeys::load_or_create(&folder, NOW).unwrap();
        assert!(!half.exists());
    }

    #[test]
    fn rotation_keeps_the_key_before_and_drops_older_ones_even_with_a_clock_set_back() {
        let (_place, folder) = fresh();
        let first = ServerKeys::load_or_create(&folder, NOW).unwrap().token_keys[0].kid().to_owned();
        let second = ServerKeys::rotate(&folder, ServerMs(NOW.0 + 1_000)).unwrap();
        let kids = || -> Vec<String> {
            ServerKeys::load(&folder).unwrap().token_keys.iter().map(|key| key.kid().to_owned()).collect()
        };
        assert_eq!(kids(), [second.clone(), first]);
        let third = ServerKeys::rotate(&folder, ServerMs(0)).unwrap();
        assert_eq!(kids(), [third, second]);
        assert_eq!(token_key_files(&folder).unwrap().len(), TOKEN_KEYS_LIVE);
    }

    #[test]
    fn the_epoch_file_is_read_as_it_was_written() {
        let (place, _) = fresh();
        let path = place.path().join(EpochFile::NAME);
        assert_eq!(EpochFile::load(&path).unwrap(), None);
        let written = EpochFile { server_epoch: 3, high_water: u64::MAX };
        written.store(&path).unwrap();
        assert_eq!(EpochFile::load(&path).unwrap(), Some(written));
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "{\"server_epoch\":3,\"high_water\":\"18446744073709551615\"}\n"
        );
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "no second file stays behind");
    }

    #[test]
    fn the_epoch_never_goes_back_but_a_new_one_may_start_lower() {
        let (place, _) = fresh();
        let path = place.path().join(EpochFile::NAME);
        let at = |server_epoch, high_water| EpochFile { server_epoch, high_water };
        at(1, 500).store(&path).unwrap();
        assert!(matches!(at(1, 499).store(&path), Err(EpochError::GoesBack { .. })));
        assert!(matches!(at(0, 900).store(&path), Err(EpochError::GoesBack { .. })));
        at(2, 100).store(&path).unwrap();
        assert_eq!(EpochFile::load(&path).unwrap(), Some(at(2, 100)));
    }

    #[test]
    fn a_damaged_epoch_file_is_an_error_and_not_a_new_start() {
        let (place, _) = fresh();
        let path = place.path().join(EpochFile::NAME);
        for content in
            ["", "{}", "{\"server_epoch\":70000,\"high_water\":\"1\"}", "{\"server_epoch\":1,\"high_water\":1}"]
        {
            fs::write(&path, content).unwrap();
            assert!(matches!(EpochFile::load(&path), Err(EpochError::Damaged { .. })), "{content}");
            assert!(matches!(
                EpochFile { server_epoch: 9, high_water: 9 }.store(&path),
                Err(EpochError::Damaged { .. })
            ));
        }
    }
}
