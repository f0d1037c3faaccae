//! Confluent's rule sets: the CEL conditions that its clients check, checked here for every client.
//!
//! `domainRules` of kind `CONDITION` and type `CEL` or `CEL_FIELD` are run where events are written (`WRITE`,
//! `WRITEREAD`). Transformations are the producer's: events pass unchanged. `onFailure: NONE` is our shadow.
//! Source: <https://docs.confluent.io/platform/current/schema-registry/fundamentals/data-contracts.html>

use super::read::RuleField;
use super::{Check, QualityRule};
use crate::settings::Mode;
use serde::Deserialize;
use serde_json::Value;

/// The custom property that holds a rule set, in the form of the registry's interface.
pub(crate) const PROPERTY: &str = "meshlog.ruleSet";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct RuleSet {
    domain_rules: Vec<Rule>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Rule {
    name: String,
    doc: Option<String>,
    kind: String,
    mode: String,
    #[serde(rename = "type")]
    engine: String,
    tags: Vec<String>,
    expr: Option<String>,
    on_failure: Option<String>,
    disabled: bool,
}

/// Read a rule set; `fields` are those that `CEL_FIELD` rules may be about.
pub(super) fn read(value: &Value, fields: &[RuleField]) -> Result<Vec<QualityRule>, Vec<String>> {
    let set: RuleSet = serde_json::from_value(value.clone()).map_err(|error| {
        vec![format!(
            "customProperty `{PROPERTY}` is no rule set of the registry's interface: {error}"
        )]
    })?;
    let mut rules = Vec::new();
    let mut errors = Vec::new();
    for rule in set.domain_rules.iter().filter(|rule| rule.is_checked()) {
        match rule.read(fields) {
            Ok(read) => rules.extend(read),
            Err(problem) => errors.push(format!("{PROPERTY}, rule `{}`: {problem}", rule.name)),
        }
    }
    if errors.is_empty() {
        Ok(rules)
    } else {
        Err(errors)
    }
}

impl Rule {
    fn is_checked(&self) -> bool {
        !self.disabled
            && self.kind == "CONDITION"
            && matches!(self.mode.as_str(), "WRITE" | "WRITEREAD")
            && matches!(self.engine.as_str(), "CEL" | "CEL_FIELD")
    }

    fn read(&self, fields: &[RuleField]) -> Result<Vec<QualityRule>, String> {
        if self.name.is_empty() {
            return Err("has no name".to_owned());
        }
        let expr = self.expr.as_deref().unwrap_or_default().trim();
        if expr.is_empty() {
            return Err("has no `expr`".to_owned());
        }
        let (guard, condition) = match split_guard(expr) {
            Some((guard, condition)) => (Some(guard.trim().to_owned()), condition.trim()),
            None => (None, expr),
        };
        let rule = |path: &str, field| QualityRule {
            name: self.name.clone(),
            path: path.to_owned(),
            mode: self.failure_mode(),
            description: self.doc.clone().unwrap_or_default(),
            check: Check::Cel {
                condition: condition.to_owned(),
                guard: guard.clone(),
                field,
            },
        };
        if self.engine == "CEL" {
            return Ok(vec![rule("", None)]);
        }
        let is_meant = |field: &&RuleField| {
            let primitive = !matches!(
                field.facts.type_name.as_str(),
                "ARRAY" | "MAP" | "RECORD" | "COMBINED"
            );
            let tagged =
                self.tags.is_empty() || self.tags.iter().any(|tag| field.facts.tags.contains(tag));
            primitive && tagged
        };
        let rules: Vec<QualityRule> = fields
            .iter()
            .filter(is_meant)
            .map(|field| rule(&field.path, Some(field.facts.clone())))
            .collect();
        if rules.is_empty() {
            let tags = self.tags.join(", ");
            return Err(format!(
                "a CEL_FIELD rule for tags [{tags}] is about no field; the fields and their `tags` are those under \
                 `schema[0].properties`"
            ));
        }
        Ok(rules)
    }

    fn failure_mode(&self) -> Mode {
        // An action for writing may stand before a comma: "NONE,ERROR".
        let write = self.on_failure.as_deref().unwrap_or_default();
        match write.split(',').next().map(str::trim) {
            Some("NONE") => Mode::Shadow,
            Some(_) | None => Mode::Enforce,
        }
    }
}

/// `guard ; condition`, where the semicolon stands in no text.
fn split_guard(expr: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in expr.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, ';') => return Some((&expr[..at], &expr[at + 1..])),
            (Some(_) | None, _) => {}
        }
    }
    None
}
