//! The indicators, each with its formula in words.

use std::sync::OnceLock;

use serde_json::{Value as Json, json};
use sync_protocol::catalogue::Lang;
use sync_protocol::indicator::{Formula, Indicators};

/// The file as it ships, and beside every `formula` a `formula_text` that says it in words: `{"vi", "en"}`.
pub fn indicators() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let shipped = Indicators::shipped();
        let mut file: Json = serde_json::from_str(Indicators::SHIPPED_JSON).unwrap_or_default();
        explain(&mut file["sets"], "indicators", |_, code| Some(&shipped.indicator(code)?.formula));
        explain(&mut file["team_score_sets"], "items", |set, code| {
            let items = &shipped.score_set(set)?.items;
            Some(&items.iter().find(|item| item.code == code)?.formula)
        });
        file.to_string()
    })
}

fn explain<'f>(sets: &mut Json, list: &str, formula: impl Fn(&str, &str) -> Option<&'f Formula>) {
    for set in sets.as_array_mut().into_iter().flatten() {
        let code = set["code"].as_str().unwrap_or_default().to_owned();
        for entry in set[list].as_array_mut().into_iter().flatten() {
            if let Some(formula) = entry["code"].as_str().and_then(|entry| formula(&code, entry)) {
                let say = |lang| Indicators::shipped().describe(formula, lang);
                entry["formula_text"] = json!({ "vi": say(Lang::Vi), "en": say(Lang::En) });
            }
        }
    }
}
