//! What a run found and how far it came.

use std::collections::{BTreeMap, BTreeSet};

use client_core::sync::{Ended, SyncSummary};
use serde_json::{Value, json};
use sync_protocol::outcome::{Outcome, Verdict};
use sync_protocol::wire::FrameKind;

/// Why a world ended early.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stop {
    /// The property, `P1` to `P19`.
    pub property: String,
    /// What was seen.
    pub what: String,
    /// An op had its effect twice.
    pub doubled: bool,
}

impl Stop {
    /// A property is broken. The text starts with its name.
    pub fn broken(text: impl Into<String>) -> Self {
        let text: String = text.into();
        let property = text.split(':').next().filter(|name| name.starts_with('P')).unwrap_or("P12").to_owned();
        Self { property, what: text, doubled: false }
    }

    /// P2 is broken.
    pub fn doubled(text: impl Into<String>) -> Self {
        Self { doubled: true, ..Self::broken(text) }
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl From<server::storage::StorageError> for Stop {
    fn from(error: server::storage::StorageError) -> Self {
        Self::broken(format!(
            "P12: the server's store failed: {error} {:?}",
            std::error::Error::source(&error).map(ToString::to_string)
        ))
    }
}

impl From<client_core::Error> for Stop {
    fn from(error: client_core::Error) -> Self {
        Self::broken(format!(
            "P12: the phone's store failed: {error} {:?}",
            std::error::Error::source(&error).map(ToString::to_string)
        ))
    }
}

/// Counters of one or many worlds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Worlds.
    pub worlds: u64,
    /// Simulated milliseconds of all phones together.
    pub device_ms: u64,
    /// Ops that people made.
    pub ops: u64,
    /// Ops that a server decided; more than were made where it was restored.
    pub decided: u64,
    /// Sessions of phones.
    pub sessions: u64,
    /// Requests.
    pub requests: u64,
    /// Bytes both ways.
    pub bytes: u64,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// Branches by name.
    pub reached: BTreeMap<String, u64>,
    /// Acknowledged writes that were lost.
    pub lost: u64,
    /// Effects that occurred twice.
    pub doubled: u64,
    /// Bytes that went where they may not be read.
    pub leaked: u64,
    /// Copies that did not become equal.
    pub diverged: u64,
    /// Worlds that broke anything else.
    pub other: u64,
}

impl Stats {
    /// Notes that a branch was taken.
    pub fn reach(&mut self, branch: &str) {
        self.reach_many(branch, 1);
    }

    /// Notes that a branch was taken so many times.
    pub fn reach_many(&mut self, branch: &str, times: u64) {
        if times > 0 {
            *self.reached.entry(branch.to_owned()).or_default() += times;
        }
    }

    /// Notes a fault.
    pub fn fault(&mut self, kind: &str) {
        *self.faults.entry(kind.to_owned()).or_default() += 1;
    }

    /// Notes an outcome.
    pub fn outcome(&mut self, outcome: &Outcome) {
        let verdict = match outcome.verdict {
            Verdict::Applied => "applied",
            Verdict::AppliedWithCase => "applied_with_case",
            Verdict::Deferred => "deferred",
            Verdict::Rejected => "rejected",
        };
        match &outcome.code {
            Some(code) => self.reach(&format!("outcome {verdict} {code}")),
            None => self.reach(&format!("outcome {verdict}")),
        }
    }

    /// Notes a frame of an answer.
    pub fn frame(&mut self, kind: FrameKind) {
        self.reach(&format!("frame {kind:?}").to_lowercase());
    }

    /// Notes how a session ended.
    pub fn session(&mut self, summary: &SyncSummary) {
        self.sessions += 1;
        self.requests += u64::from(summary.rounds);
        self.bytes += summary.bytes_up + summary.bytes_down;
        let ended = match summary.ended {
            Ended::Failed(kind) => format!("session failed {}", kind.code()),
            other => format!("session {other:?}").to_lowercase(),
        };
        self.reach(&ended);
        self.reach_many("new_outbox", u64::from(summary.new_epochs));
        self.reach_many("server_restore_noticed", u64::from(summary.server_restored));
        self.reach_many("scope_purged", summary.purged.len() as u64);
        self.reach_many("bucket_reloaded", u64::from(summary.reloaded));
        if let Some(check) = summary.digest {
            self.reach(&format!("digest {check:?}").to_lowercase());
        }
        for problem in &summary.problems {
            self.reach(&format!("problem {problem}"));
        }
    }

    /// Adds the counters of another run.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.worlds, other.worlds),
            (&mut self.device_ms, other.device_ms),
            (&mut self.ops, other.ops),
            (&mut self.decided, other.decided),
            (&mut self.sessions, other.sessions),
            (&mut self.requests, other.requests),
            (&mut self.bytes, other.bytes),
            (&mut self.lost, other.lost),
            (&mut self.doubled, other.doubled),
            (&mut self.leaked, other.leaked),
            (&mut self.diverged, other.diverged),
            (&mut self.other, other.other),
        ] {
            *mine += theirs;
        }
        for (mine, theirs) in [(&mut self.faults, &other.faults), (&mut self.reached, &other.reached)] {
            for (name, times) in theirs {
                *mine.entry(name.clone()).or_default() += times;
            }
        }
    }

    /// Counts a broken property under what it means to a person.
    pub fn broke(&mut self, stop: &Stop) {
        match stop.property.as_str() {
            _ if stop.doubled => self.doubled += 1,
            "P1" | "P9" => self.lost += 1,
            "P2" => self.doubled += 1,
            "P10" => self.leaked = self.leaked.max(1),
            "P3" | "P4" | "P5" | "P6" | "P16" => self.diverged += 1,
            _ => self.other += 1,
        }
    }

    /// Branches of a list that were never taken.
    pub fn missing(&self, wanted: &[&'static str]) -> Vec<&'static str> {
        let known: BTreeSet<&str> = self.reached.keys().chain(self.faults.keys()).map(String::as_str).collect();
        wanted.iter().copied().filter(|name| !known.contains(name)).collect()
    }

    /// The counters as one object.
    pub fn json(&self) -> Value {
        json!({
            "worlds": self.worlds,
            "device_days": self.device_ms / 86_400_000,
            "ops": self.ops,
            "decided": self.decided,
            "sessions": self.sessions,
            "requests": self.requests,
            "bytes": self.bytes,
            "faults": self.faults,
            "reached": self.reached,
            "lost": self.lost,
            "doubled": self.doubled,
            "leaked": self.leaked,
            "diverged": self.diverged,
            "other": self.other,
        })
    }
}
