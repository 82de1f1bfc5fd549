//! The document and its dictionary as JSON. Shares and counts are exact: `num` over `den`.

use serde_json::{Value, json};
use sync_protocol::indicator::{Fraction, Period};
use sync_protocol::report::{Cell, CellValue, Entry, Item, Reference, ReportDocument, RowStyle, Table};

use super::lang_code;

pub(super) fn render(document: &ReportDocument) -> String {
    format!("{:#}\n", value(document))
}

pub(super) fn value(document: &ReportDocument) -> Value {
    let [layout, indicators, catalogue] = &document.versions;
    let (head, signature) = (&document.head, &document.signature);
    let sections = document.sections.iter().map(|section| {
        let items: Vec<Value> = section.items.iter().map(|one| item(one, document)).collect();
        json!({"code": section.code, "title": section.title, "items": items})
    });
    json!({
        "schema_version": 1,
        "report": document.code,
        "lang": lang_code(document.lang),
        "sample": document.sample,
        "versions": {"layout": layout, "indicators": indicators, "catalogue": catalogue},
        "scope": document.scope.to_string(),
        "period": period(document.period),
        "as_of": document.as_of.to_string(),
        "position": document.position,
        "head": {
            "superior": head.superior, "body": head.body, "number": head.number, "place_date": head.place_date,
            "title": document.full_title(), "subject": head.subject, "lines": head.lines,
        },
        "sections": sections.collect::<Vec<_>>(),
        "signature": {
            "recipients_title": signature.recipients_title, "recipients": signature.recipients,
            "signatory": signature.signatory, "hint": signature.hint,
        },
        "dictionary": document.dictionary.iter().map(entry).collect::<Vec<_>>(),
    })
}

fn period(period: Period) -> Value {
    json!({"from": period.from.to_string(), "to": period.to.to_string()})
}

fn item(item: &Item, document: &ReportDocument) -> Value {
    match item {
        Item::Paragraph { text, missing } => json!({"type": "paragraph", "text": text, "missing": missing}),
        Item::Table(table) => self::table(table, document),
    }
}

fn table(table: &Table, document: &ReportDocument) -> Value {
    let columns = table.columns.iter().map(|column| json!({"code": column.code, "title": column.title}));
    let rows = table.rows.iter().map(|row| {
        let style = match row.style {
            RowStyle::Plain => "plain",
            RowStyle::Group => "group",
            RowStyle::Total => "total",
        };
        let cells: Vec<Value> = row.cells.iter().map(|one| cell(one, document)).collect();
        json!({"style": style, "cells": cells})
    });
    let (columns, rows) = (columns.collect::<Vec<_>>(), rows.collect::<Vec<_>>());
    json!({
        "type": "table", "code": table.code, "title": table.title, "columns": columns, "rows": rows, "notes": table.notes,
        "remarks": table.remarks,
    })
}

fn cell(cell: &Cell, document: &ReportDocument) -> Value {
    // As text: an exact number may be larger than what JSON readers keep.
    let number = |kind: &str, number: Fraction| json!({"type": kind, "num": number.num().to_string(), "den": number.den().to_string()});
    let mut value = match &cell.value {
        CellValue::Blank => json!({"type": "blank"}),
        CellValue::Text(text) => json!({"type": "text", "text": text}),
        CellValue::Count(count) => number("count", *count),
        CellValue::Percent(percent) => number("percent", *percent),
        CellValue::Day(day) => json!({"type": "day", "day": day.to_string()}),
        CellValue::Few => json!({"type": "few"}),
        CellValue::Dash(missing) => json!({"type": "dash", "reason": missing.code()}),
    };
    value["shown"] = json!(cell.shown(document.lang));
    if let Some(note) = cell.note {
        value["note"] = json!(note);
    }
    if let Some(Reference { what, code, part, scope, period: days }) = &cell.reference {
        value["reference"] = json!({
            "what": what.code(), "code": code, "part": part, "scope": scope.to_string(), "period": period(*days),
        });
    }
    value
}

fn entry(entry: &Entry) -> Value {
    let both = |[vi, en]: &[String; 2]| json!({"vi": vi, "en": en});
    json!({
        "code": entry.code, "name": both(&entry.name), "meaning": both(&entry.meaning),
        "formula": both(&entry.formula), "numerator": entry.numerator, "denominator": entry.denominator,
        "source": entry.source,
    })
}
