//! The thin host around the session: one blocking connection, the leanest request head, the two JSON calls of an
//! enrolment. Behind the feature `host`.

use std::io::Read;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sync_protocol::wire::FRAME_HEAD_BYTES;

use crate::error::{Error, Result};
use crate::store::Enrolment;
use crate::sync::{Failure, Transport};
use crate::{Random, Store};

/// Longest answer that is read, in bytes: more than any budget that a phone asks for.
const ANSWER_BYTES_MAX: u64 = 8 << 20;
/// A thin link may be slow, but not silent for so long.
const SILENCE: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(20);

/// Random bytes of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// A server at an address such as `http://127.0.0.1:8080`.
#[derive(Clone, Debug)]
pub struct Server {
    agent: ureq::Agent,
    base: String,
    /// For fault tests: an answer is cut after so many bytes.
    pub cut_after: Option<usize>,
    /// For fault tests: an answer is cut after so many frames.
    pub frames_max: Option<usize>,
    /// For fault tests: how many answers are left as they are before one is cut.
    pub whole_answers: usize,
}

impl Server {
    /// A server at an address. Nothing is sent yet.
    pub fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .user_agent("")
            .accept("")
            .accept_encoding("")
            .max_redirects(0)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_recv_body(Some(SILENCE * 10))
            .timeout_send_body(Some(SILENCE * 10))
            .build();
        Self {
            agent: ureq::Agent::new_with_config(config),
            base: base.trim_end_matches('/').to_owned(),
            cut_after: None,
            frames_max: None,
            whole_answers: 0,
        }
    }

    /// Enrols this store's device with a one-time code.
    ///
    /// # Errors
    /// [`Error::Server`] with the server's code and words; [`Error::OtherUser`] when the code is somebody else's.
    pub fn enrol(&self, store: &mut Store, random: &mut dyn Random, code: &str, device_label: &str) -> Result<()> {
        let key = store.device_public_key(random)?;
        let body = json!({
            "code": code,
            "device_public_key": STANDARD.encode(key),
            "device_label": device_label,
        });
        let answer = self.call("/api/v1/auth/enrol", &body)?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).ok_or_else(bad_answer);
        let sync_key = STANDARD.decode(text("sync_key")?).map_err(|_| bad_answer())?;
        let enrolment = Enrolment {
            user: text("user_id")?.parse().map_err(|_| bad_answer())?,
            display_name: text("display_name")?.to_owned(),
            device: text("device_id")?.parse().map_err(|_| bad_answer())?,
            session: text("session_id")?.parse().map_err(|_| bad_answer())?,
            sync_key: sync_key.try_into().map_err(|_| bad_answer())?,
            refresh_token: text("refresh_token")?.to_owned(),
            access_token: text("access_token")?.to_owned(),
            server: Some(self.base.clone()),
        };
        store.enrol(enrolment, random)
    }

    /// Posts JSON and reads JSON.
    ///
    /// # Errors
    /// [`Error::Server`] for every answer but a success.
    pub fn call(&self, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}{path}", self.base);
        let mut response = self
            .agent
            .post(&url)
            .header("content-type", "application/json")
            .send(body.to_string().as_bytes())
            .map_err(|_| no_answer())?;
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().map_err(|_| no_answer())?;
        let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        // Problem details of RFC 9457 with our three members.
        let member = |name: &str, or: &str| answer.get(name).and_then(Value::as_str).unwrap_or(or).to_owned();
        Err(Error::Server {
            status,
            code: member("code", "server_error"),
            vi: member("detail_vi", "Máy chủ báo lỗi. Hãy thử lại sau."),
            en: member("detail_en", "The server reported an error. Try again later."),
        })
    }

    /// Cuts an answer where a fault test wants it.
    fn cut(&mut self, mut body: Vec<u8>) -> Vec<u8> {
        if self.cut_after.is_none() && self.frames_max.is_none() {
            return body;
        }
        if self.whole_answers > 0 {
            self.whole_answers -= 1;
            return body;
        }
        if let Some(bytes) = self.cut_after {
            body.truncate(bytes);
        }
        if let Some(frames) = self.frames_max {
            let mut at = 0;
            for _ in 0..frames {
                let Some(head) = body.get(at..at + FRAME_HEAD_BYTES) else { break };
                at += FRAME_HEAD_BYTES + usize::from(u16::from_be_bytes([head[0], head[1]]));
            }
            body.truncate(at);
        }
        body
    }
}

fn no_answer() -> Error {
    Error::Server {
        status: 0,
        code: "no_network".to_owned(),
        vi: "Không liên lạc được với máy chủ. Dữ liệu vẫn được giữ trên máy.".to_owned(),
        en: "The server could not be reached. Everything stays on the phone.".to_owned(),
    }
}

fn bad_answer() -> Error {
    Error::Server {
        status: 200,
        code: "bad_answer".to_owned(),
        vi: "Máy chủ trả lời không đúng quy ước. Hãy báo cán bộ kỹ thuật.".to_owned(),
        en: "The server's answer does not read. Tell the support.".to_owned(),
    }
}

impl Transport for Server {
    fn exchange(&mut self, request: &[u8]) -> std::result::Result<Vec<u8>, Failure> {
        let response = self.agent.post(&format!("{}/sync", self.base)).send(request).map_err(|_| Failure::Network)?;
        let status = response.status().as_u16();
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if status != 200 {
            return Err(Failure::of_status(status, wait.unwrap_or(0)));
        }
        // What arrived before a break is worth keeping: every whole frame of it can be committed.
        let mut body = Vec::new();
        let mut reader = response.into_body().into_reader().take(ANSWER_BYTES_MAX);
        let mut buffer = [0; 16 * 1024];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => body.extend_from_slice(&buffer[..read]),
                Err(_) if body.is_empty() => return Err(Failure::Network),
                Err(_) => break,
            }
        }
        Ok(self.cut(body))
    }
}
