//! From a contract's document to its rules: ODCS `quality` of the schema object and of every property, and
//! `meshlog.ruleSet`.

use super::condition::Condition;
use super::library::{Library, Metric};
use super::{Check, FieldFacts, QualityRule, rule_set};
use crate::document::odcs::{CustomProperty, Odcs, Property, Quality, SchemaObject};
use crate::settings::Mode;
use std::collections::BTreeSet;

/// The engine of a `custom` rule that Meshlog runs itself.
const CEL: &str = "cel";

/// Most rules of one contract: each costs every event its time.
const MAX_RULES: usize = 200;

/// A field that rules can be about.
#[derive(Debug, Clone)]
pub(super) struct RuleField {
    pub(super) path: String,
    pub(super) facts: FieldFacts,
}

/// The rules of a contract. Rules of other engines, SQL and prose are kept in the document and not run.
///
/// # Errors
/// Every rule that is wrong, with what would be right.
pub(crate) fn read(odcs: &Odcs, object: &SchemaObject) -> Result<Vec<QualityRule>, Vec<String>> {
    let mut reading = Reading::default();
    reading.list(&object.quality, "", None);
    let record = object.name.as_deref().unwrap_or("event");
    for property in &object.properties {
        reading.property(record, "", property);
    }
    let given = odcs
        .custom_properties
        .iter()
        .find(|property| property.property == rule_set::PROPERTY);
    if let Some(CustomProperty { value, .. }) = given {
        match rule_set::read(value, &reading.fields) {
            Ok(rules) => rules.into_iter().for_each(|rule| reading.keep(rule)),
            Err(errors) => reading.errors.extend(errors),
        }
    }
    reading.finish()
}

#[derive(Default)]
struct Reading {
    rules: Vec<QualityRule>,
    fields: Vec<RuleField>,
    errors: Vec<String>,
}

impl Reading {
    fn property(&mut self, record: &str, above: &str, property: &Property) {
        let name = property.name.as_deref().unwrap_or_default();
        let path = format!("{above}{name}");
        let facts = FieldFacts {
            name: name.to_owned(),
            full_name: format!("{record}.{path}"),
            type_name: type_name(property).to_owned(),
            tags: property.tags.clone(),
        };
        let field = RuleField {
            path: path.clone(),
            facts,
        };
        self.list(&property.quality, &path, Some(&field));
        self.fields.push(field);
        for inner in &property.properties {
            self.property(record, &format!("{path}."), inner);
        }
        if let Some(items) = &property.items {
            let path = format!("{path}[]");
            let facts = FieldFacts {
                name: name.to_owned(),
                full_name: format!("{record}.{path}"),
                type_name: type_name(items).to_owned(),
                tags: items.tags.clone(),
            };
            let field = RuleField {
                path: path.clone(),
                facts,
            };
            self.list(&items.quality, &path, Some(&field));
            for inner in &items.properties {
                self.property(record, &format!("{path}."), inner);
            }
        }
    }

    fn list(&mut self, list: &[Quality], path: &str, field: Option<&RuleField>) {
        for (index, quality) in list.iter().enumerate() {
            match rule(quality, path, field) {
                Ok(Some(rule)) => self.keep(rule),
                Ok(None) => {}
                Err(problem) => {
                    let label = quality.name.as_deref().or(quality.id.as_deref());
                    let label = label.map_or_else(|| index.to_string(), |name| format!("`{name}`"));
                    let place = if path.is_empty() { "the schema" } else { path };
                    self.errors
                        .push(format!("quality rule {label} of {place}: {problem}"));
                }
            }
        }
    }

    fn keep(&mut self, rule: QualityRule) {
        if let Check::Cel {
            condition, guard, ..
        } = &rule.check
        {
            let parts = [Some(condition), guard.as_ref()].into_iter().flatten();
            for part in parts {
                if let Err(problem) = Condition::compile(part) {
                    self.errors
                        .push(format!("quality rule `{}`: {problem}", rule.name));
                    return;
                }
            }
        }
        self.rules.push(rule);
    }

    fn finish(mut self) -> Result<Vec<QualityRule>, Vec<String>> {
        let mut names = BTreeSet::new();
        for rule in &self.rules {
            // One rule of a rule set stands for each of its fields.
            if !names.insert((&rule.name, &rule.path)) {
                self.errors.push(format!(
                    "two quality rules are called `{}`; give each a name of its own",
                    rule.name
                ));
            }
        }
        if self.rules.len() > MAX_RULES {
            self.errors.push(format!(
                "the contract has {} quality rules; at most {MAX_RULES} are run",
                self.rules.len()
            ));
        }
        if self.errors.is_empty() {
            Ok(self.rules)
        } else {
            Err(self.errors)
        }
    }
}

fn rule(
    quality: &Quality,
    path: &str,
    field: Option<&RuleField>,
) -> Result<Option<QualityRule>, String> {
    let given = quality.name.clone().or_else(|| quality.id.clone());
    let mode = mode(quality)?;
    let (name, check) = match (quality.kind.as_deref(), metric(quality)) {
        (None | Some("library"), Some(metric)) => {
            let library = Library::read(quality, metric, path)?;
            let place = if path.is_empty() { "events" } else { path };
            let name = given.unwrap_or_else(|| format!("{} of {place}", library.metric.name()));
            (name, Check::Library(library))
        }
        (Some("library"), None) if quality.rule.is_none() => {
            return Err("has no `metric`".to_owned());
        }
        (Some("custom"), _) if quality.engine.as_deref() == Some(CEL) => {
            let name = given.ok_or("a CEL rule needs a `name`; it stands in every reason")?;
            (name, cel(quality, field)?)
        }
        (None | Some("library" | "text" | "sql" | "custom"), _) => return Ok(None),
        (Some(other), _) => {
            return Err(format!(
                "`type` is `{other}`; expected library, custom, sql or text"
            ));
        }
    };
    let description = quality.description.clone().unwrap_or_default();
    Ok(Some(QualityRule {
        name,
        path: path.to_owned(),
        mode,
        description: description.trim().to_owned(),
        check,
    }))
}

/// The metric; ODCS 3.0 called it `rule`, with names of its own.
fn metric(quality: &Quality) -> Option<&str> {
    quality
        .metric
        .as_deref()
        .or_else(|| match quality.rule.as_deref() {
            Some("duplicateCount") => Some(Metric::DuplicateValues.name()),
            Some("rowCount") => Some(Metric::RowCount.name()),
            Some(_) | None => None,
        })
}

fn cel(quality: &Quality, field: Option<&RuleField>) -> Result<Check, String> {
    let condition = match &quality.implementation {
        Some(serde_json::Value::String(text)) => text.trim().to_owned(),
        Some(_) | None => {
            return Err(
                "`implementation` must be a text: the CEL expression that each event meets"
                    .to_owned(),
            );
        }
    };
    Ok(Check::Cel {
        condition,
        guard: None,
        field: field.map(|field| field.facts.clone()),
    })
}

/// `meshlog.mode` of the rule; else what its severity says: a rule that is to warn refuses nothing.
fn mode(quality: &Quality) -> Result<Mode, String> {
    let given = quality
        .custom_properties
        .iter()
        .find(|property| property.property == "meshlog.mode");
    match given.map(|property| property.value.as_str()) {
        Some(Some("enforce")) => Ok(Mode::Enforce),
        Some(Some("shadow")) => Ok(Mode::Shadow),
        Some(_) => Err("customProperty `meshlog.mode`: expected enforce or shadow".to_owned()),
        None => Ok(match quality.severity.as_deref() {
            Some("info" | "warning") => Mode::Shadow,
            Some(_) | None => Mode::Enforce,
        }),
    }
}

/// Confluent's name of a field's type, as its CEL rules know it.
fn type_name(property: &Property) -> &'static str {
    match property.logical_type.as_deref() {
        Some("string" | "date" | "timestamp" | "time") => "STRING",
        Some("integer") => "LONG",
        Some("number") => "DOUBLE",
        Some("boolean") => "BOOLEAN",
        Some("array") => "ARRAY",
        Some("map") => "MAP",
        Some("object") => "RECORD",
        Some(_) | None => "COMBINED",
    }
}
