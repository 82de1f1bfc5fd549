//! `field-cases`, `recognitions`: what the village asked for and what became of it.

use clap::Subcommand;
use serde_json::json;
use sync_protocol::cbor::Ext;
use sync_protocol::op::{Intent, ProposeRecognition};
use uuid::Uuid;

use super::{Answer, Field, Outcome, done};

/// Recognitions.
#[derive(Subcommand)]
pub(crate) enum Recognitions {
    /// Those of the villages of this phone, with their steps.
    List,
    /// Propose a person of the village as a digital citizen.
    Propose {
        /// The person.
        person: Uuid,
        /// The village: its id or a part of its name.
        #[arg(long)]
        village: Option<String>,
        /// The set of criteria.
        #[arg(long, default_value = "digital_citizen_2023")]
        set: String,
        /// The person has agreed to be recognised.
        #[arg(long)]
        consent: bool,
    },
}

impl Field {
    pub(crate) fn field_cases(&mut self) -> Outcome<Answer> {
        let found = self.store.field_cases()?;
        let mut lines = Vec::new();
        for one in &found {
            let due = match &one.due {
                Some(due) => self.say(format!(", hạn trả lời {due}"), format!(", answer due {due}")),
                None => String::new(),
            };
            lines.push(format!("{}  {}  {}  {}{due}", one.id.0, one.opened, one.kind, one.status));
            lines.extend(one.text.iter().map(|text| format!("  {text}")));
            let steps = one.steps.iter();
            lines.extend(
                steps.map(|step| format!("  {} {}  {}", step.day, step.to, step.text.as_deref().unwrap_or(""))),
            );
        }
        done(json!(found), lines)
    }

    pub(crate) fn recognitions(&mut self, command: Recognitions) -> Outcome<Answer> {
        match command {
            Recognitions::List => {
                let found = self.store.recognitions()?;
                let mut lines = Vec::new();
                for one in &found {
                    lines.push(format!("{}  {}  {}", one.id.0, one.what, one.set));
                    let steps = one.steps.iter();
                    lines.extend(
                        steps.map(|step| format!("  {} {}  {}", step.day, step.to, step.text.as_deref().unwrap_or(""))),
                    );
                }
                done(json!(found), lines)
            }
            Recognitions::Propose { person, village, set, consent } => {
                let unit = self.village(village.as_deref())?;
                let what = "digital_citizen".to_owned();
                let body = ProposeRecognition { unit, what, subject: person, set, consent, ext: Ext::default() };
                let now = self.now();
                let saved = self.store.save(Intent::RecognitionPropose(body), now, &mut self.random)?;
                self.saved(&saved)
            }
        }
    }
}
