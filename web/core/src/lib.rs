//! The phone's half in a browser: a thin door from the messages of a page to `client-core`. It runs in a dedicated worker,
//! because only there a page may own files of the origin's private file system.
//!
//! There is one store at a time, in a pool of files that only this worker holds. SQLite's default here would be memory,
//! which forgets everything; so the pool is opened first and named explicitly, and nothing opens without it.
#![cfg(all(target_family = "wasm", target_os = "unknown"))]

use argon2::{Algorithm, Argon2, Params, Version};
use client_core::app::App;
use client_core::store::Migration;
use client_core::sync::Instruction;
use client_core::{Error, Location, Random, Store, StoreKey};
use js_sys::{Array, Function, Reflect, Uint8Array};
use rsqlite_vfs::VfsFilesManager;
use serde_json::{Value, json};
use sqlite_wasm_rs::WasmOsCallback;
use sqlite_wasm_vfs::sahpool::{OpfsSAHPoolCfgBuilder, OpfsSAHPoolUtil, install};
use wasm_bindgen::prelude::*;

/// The pool as SQLite knows it.
const VFS: &str = "thonso-pool";
/// A store takes two files, its log included; a rescue has two stores open; the rest is for what SQLite makes by itself.
const FILES: usize = 12;
/// At an opening so many are free, however many stores were set aside before.
const FREE_FILES: usize = 6;
/// Memory of the key derivation, in KiB, and rounds: the least that OWASP names, for phones with 2 GB.
const PIN_MEMORY_KIB: u32 = 19 * 1024;
const PIN_ROUNDS: u32 = 2;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(bytes: &Uint8Array) -> Result<Uint8Array, JsValue>;
}

/// The browser's random bytes.
struct BrowserRandom;

impl Random for BrowserRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        // A browser gives at most 65,536 at once.
        for part in bytes.chunks_mut(65_536) {
            let drawn = Uint8Array::new_with_length(part.len() as u32);
            get_random_values(&drawn).expect("every browser with a worker gives random bytes");
            drawn.copy_to(part);
        }
    }
}

/// The files of one person on this device.
#[wasm_bindgen]
pub struct Core {
    pool: OpfsSAHPoolUtil,
    app: Option<App>,
    /// A made-up village to practise on: in memory, beside the store and apart from it.
    practice: Option<App>,
    file: Option<String>,
}

/// A failure as the page reads it: `{code, vi, en, detail}`.
fn failure(code: &str, vi: &str, en: &str, detail: impl std::fmt::Display) -> JsValue {
    let text = json!({"code": code, "vi": vi, "en": en, "detail": detail.to_string()}).to_string();
    JsValue::from_str(&text)
}

fn core_failure(error: &Error) -> JsValue {
    // For whoever is asked for help: what lies behind, without a word of what was entered.
    let behind = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    failure(error.code(), &error.vi(), &error.en(), format!("{error} {behind}"))
}

fn pool_failure(error: impl std::fmt::Display) -> JsValue {
    failure(
        "pool_unavailable",
        "Không mở được vùng lưu trữ của ứng dụng. Có thể ứng dụng đang mở ở cửa sổ khác.",
        "The app's storage cannot be opened. It may be open in another window.",
        error,
    )
}

fn answer(app: &mut App, name: &str, args: &str, now: f64) -> String {
    let args: Value = serde_json::from_str(args).unwrap_or(Value::Null);
    match app.call(name, args, claimed(now)) {
        Ok(answer) => json!({"ok": answer}).to_string(),
        Err(problem) => json!({"problem": problem}).to_string(),
    }
}

fn practice_over() -> JsValue {
    failure("practice_over", "Buổi tập dượt đã kết thúc.", "The practice is over.", "")
}

fn closed() -> JsValue {
    failure("closed", "Kho dữ liệu đang đóng.", "The store is closed.", "")
}

#[wasm_bindgen]
impl Core {
    /// Takes hold of the pool in the folder `dir` of the origin's private file system. Fails while another worker has it.
    pub async fn hold(dir: String) -> Result<Core, JsValue> {
        let settings = OpfsSAHPoolCfgBuilder::new().vfs_name(VFS).directory(&dir).initial_capacity(FILES).build();
        let pool = install::<WasmOsCallback>(&settings, false).await.map_err(pool_failure)?;
        if pool.is_paused() {
            pool.resume().await.map_err(pool_failure)?;
        }
        let taken = pool.names().map_err(pool_failure)?.len();
        let grown = pool.ensure_capacity(FILES.max(taken + FREE_FILES)).await;
        // A full phone has no room for more files; the store that is there opens with those it has.
        if taken == 0 {
            grown.map_err(pool_failure)?;
        }
        Ok(Self { pool, app: None, practice: None, file: None })
    }

    /// Names of the files in the pool.
    pub fn files(&self) -> Result<Vec<String>, JsValue> {
        self.pool.names().map_err(pool_failure)
    }

    /// Opens the store, or makes a new one. `key`: 32 bytes of key and 16 of salt.
    ///
    /// A damaged store stays where it is; a new one takes over what was not sent yet. The answer says so:
    /// `{"rescued": {"ops": 3, "drafts": 1} | null, "lost": false}`.
    ///
    /// `fresh`: the key was drawn just now. A store that is there all the same belongs to a key that is gone: it stays where it
    /// is, nobody can read it, and a new one begins; `lost` says so.
    ///
    /// `tell(steps_done, steps, rows_done, rows)` is called while a store of an older app is brought to this one's schema.
    pub fn open(&mut self, key: &[u8], fresh: bool, tell: &Function) -> Result<String, JsValue> {
        let Ok(key) = <[u8; 48]>::try_from(key) else {
            return Err(failure("bad_key", "Khóa không đúng.", "The key does not fit.", key.len()));
        };
        let key = StoreKey(key);
        let found = self.last_number()?;
        let lost = fresh && found.is_some();
        let number = found.unwrap_or(0) + u32::from(lost || found.is_none());
        let place = |number: u32| Location::Pool { vfs: VFS.to_owned(), name: name(number) };
        let mut moving = |now: Migration| {
            let numbers = [f64::from(now.steps_done), f64::from(now.steps), now.rows_done as f64, now.rows as f64];
            let told: Array = numbers.into_iter().map(JsValue::from_f64).collect();
            // A page that is not there any more hears nothing; the store goes on.
            drop(tell.apply(&JsValue::NULL, &told));
        };
        let opened = Store::open_telling(place(number), Some(&key), &mut moving).and_then(|mut store| {
            store.check_pages()?;
            Ok(store)
        });
        let (store, number, rescued) = match opened {
            Ok(store) => (store, number, Value::Null),
            Err(error) if error.is_damage() => {
                let (store, rescue) =
                    Store::rescue_from(&place(number), place(number + 1), Some(&key), &mut BrowserRandom)
                        .map_err(|error| core_failure(&error))?;
                (store, number + 1, json!({"ops": rescue.ops, "drafts": rescue.drafts}))
            }
            Err(error) => return Err(core_failure(&error)),
        };
        self.file = Some(name(number));
        self.app = Some(App::new(store, Box::new(BrowserRandom)));
        Ok(json!({"rescued": rescued, "lost": lost}).to_string())
    }

    /// Answers a message: `{"ok": …}` or `{"problem": …}`. `now` is this phone's clock in ms.
    pub fn call(&mut self, name: &str, args: &str, now: f64) -> Result<String, JsValue> {
        let app = self.app.as_mut().ok_or_else(closed)?;
        Ok(answer(app, name, args, now))
    }

    /// Begins to practise, from the beginning: whatever was practised before is gone.
    pub fn practice_begin(&mut self, display_name: &str) -> Result<(), JsValue> {
        self.app.as_ref().ok_or_else(closed)?;
        let begun = App::practice(display_name, Box::new(BrowserRandom));
        self.practice = Some(begun.map_err(|problem| JsValue::from_str(&json!(problem).to_string()))?);
        Ok(())
    }

    /// Ends it: nothing of it stays.
    pub fn practice_end(&mut self) {
        self.practice = None;
    }

    /// Answers a message as [`Core::call`] does, from the made-up village.
    pub fn practice_call(&mut self, name: &str, args: &str, now: f64) -> Result<String, JsValue> {
        let app = self.practice.as_mut().ok_or_else(practice_over)?;
        Ok(answer(app, name, args, now))
    }

    /// Begins a sync; gives what to do: bytes to post, or text that says that it is over.
    pub fn sync_start(&mut self, pressed: bool, now: f64) -> Result<JsValue, JsValue> {
        let app = self.app.as_mut().ok_or_else(closed)?;
        instruction(app.sync_start(pressed, claimed(now)))
    }

    /// Tells what the server answered, whole or cut; gives what to do next.
    pub fn sync_received(&mut self, body: Vec<u8>, now: f64) -> Result<JsValue, JsValue> {
        let app = self.app.as_mut().ok_or_else(closed)?;
        instruction(app.sync_received(body, claimed(now)))
    }

    /// Tells that there was no answer; gives what to do next. `status` is HTTP's, 0 when nothing came.
    pub fn sync_failed(&mut self, status: u16, retry_after_s: u32, now: f64) -> Result<JsValue, JsValue> {
        let app = self.app.as_mut().ok_or_else(closed)?;
        instruction(app.sync_failed(status, u64::from(retry_after_s), claimed(now)))
    }

    /// Closes the store and keeps hold of the files.
    pub fn close(&mut self) {
        self.app = None;
        self.practice = None;
        self.file = None;
    }

    /// Closes the store and lets go of the files, so that another window may take them.
    pub fn release(&mut self) -> Result<(), JsValue> {
        self.app = None;
        self.practice = None;
        self.file = None;
        self.pool.pause().map_err(pool_failure)
    }

    /// Closes the store and deletes every file of this person from the device.
    pub fn wipe(&mut self) -> Result<(), JsValue> {
        self.app = None;
        self.practice = None;
        self.file = None;
        self.pool.clear().map_err(pool_failure)
    }

    fn last_number(&self) -> Result<Option<u32>, JsValue> {
        let names = self.pool.names().map_err(pool_failure)?;
        let number =
            |file: &String| file.trim_start_matches('/').strip_prefix("field-")?.strip_suffix(".db")?.parse().ok();
        Ok(names.iter().filter_map(number).max())
    }
}

/// The name of the `number`-th store: a rescue begins the next one.
fn name(number: u32) -> String {
    format!("field-{number}.db")
}

fn claimed(now: f64) -> client_core::ClaimedMs {
    client_core::ClaimedMs(now as u64)
}

/// What a sync wants next, as the page reads it.
fn instruction(answer: client_core::app::Answer<Instruction>) -> Result<JsValue, JsValue> {
    let object = js_sys::Object::new();
    let put = |name: &str, value: JsValue| Reflect::set(&object, &name.into(), &value).map(|_| ());
    match answer {
        Ok(Instruction::Send(bytes)) => put("send", Uint8Array::from(bytes.as_slice()).into())?,
        Ok(Instruction::RetryAfter { wait_ms }) => put("wait_ms", JsValue::from_f64(wait_ms as f64))?,
        Ok(Instruction::Finished(summary)) => put("finished", JsValue::from_str(&json!(summary).to_string()))?,
        Err(problem) => put("problem", JsValue::from_str(&json!(problem).to_string()))?,
    }
    Ok(object.into())
}

/// Derives 32 bytes from a PIN: slow on purpose. `salt`: 16 random bytes of this device.
#[wasm_bindgen]
pub fn pin_key(pin: &str, salt: &[u8]) -> Result<Vec<u8>, JsValue> {
    let wrong = |error: argon2::Error| failure("bad_pin", "Mã PIN không dùng được.", "The PIN cannot be used.", error);
    let params = Params::new(PIN_MEMORY_KIB, PIN_ROUNDS, 1, Some(32)).map_err(wrong)?;
    let mut key = vec![0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(pin.as_bytes(), salt, &mut key)
        .map_err(wrong)?;
    Ok(key)
}
