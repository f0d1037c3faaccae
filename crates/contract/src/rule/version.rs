//! One version of a port's contract, compiled: value, key, headers and rules of an event under it.

use super::{ActiveVersion, CompileError, Event, Log, UnknownSchema};
use crate::framing::Framing;
use crate::key_schema::{Fault, KeyJudge};
use crate::quality::{EventRules, Findings, Mask};
use crate::settings::Settings;
use crate::spec::{Encoding, Key};
use crate::validator::{Schema, Validator, Wanted};
use crate::verdict::{Code, Reason, Verdict};
use crate::version::Version;
use serde_json::Value;

/// What a version's schema judges.
pub(super) enum Input<'a> {
    Framed(Framing<'a>),
    Document(Value),
}

/// A reason against what stands at a place within the value.
pub(super) fn within(at: &str, mut reason: Reason) -> Reason {
    reason.path.insert_str(0, at);
    reason
}

#[derive(Debug)]
pub(super) struct VersionRule {
    pub(super) version: Version,
    pub(super) encoding: Encoding,
    validator: Validator,
    key: Key,
    pub(super) key_judge: Option<KeyJudge>,
    pub(super) settings: Settings,
    rules: EventRules,
    /// There are rules, and an event's scalars can decide all of them.
    direct: bool,
    pub(super) mask: Mask,
}

impl VersionRule {
    pub(super) fn compile(version: &ActiveVersion<'_>) -> Result<Self, CompileError> {
        let fail = |message: String| CompileError {
            version: version.version,
            message,
        };
        let schema = Schema {
            encoding: version.encoding,
            text: version.schema,
            record: version.record,
            imports: version.imports,
        };
        let logical = version.settings.logical_types;
        let validator = Validator::compile(&schema, logical, version.required)
            .map_err(|error| fail(error.to_string()))?;
        let rules = EventRules::compile(version.rules).map_err(|e| fail(e.to_string()))?;
        let key_judge = version
            .key_schema
            .map(|(schema, bindings)| KeyJudge::compile(schema, bindings));
        let key_judge = key_judge.transpose();
        Ok(Self {
            version: version.version,
            encoding: version.encoding,
            validator: validator.reading(rules.members()),
            key: version.key.clone(),
            key_judge: key_judge.map_err(|error| fail(format!("the key's schema: {error}")))?,
            settings: version.settings.clone(),
            direct: !rules.is_empty() && rules.is_direct(),
            rules,
            mask: Mask::new(version.classified, &version.key.properties),
        })
    }

    /// Judge an event whose value, or the part of it at `at`, is `input`.
    pub(super) fn judge(
        &self,
        event: &Event<'_>,
        (input, at): (Input<'_>, &str),
        log: Log,
    ) -> Result<Verdict, UnknownSchema> {
        let wanted = match self.rules.is_empty() {
            true => Wanted::Nothing,
            false => Wanted::Document,
        };
        let checked = match input {
            Input::Framed(framing) if self.is_met(framing) => Ok(None),
            Input::Framed(framing) => self.validator.check(framing, wanted),
            Input::Document(document) => self.validator.check_document(document, wanted),
        };
        let (reasons, findings) = match checked {
            Err(reasons) => (reasons, Findings::default()),
            Ok(Some(document)) => {
                let findings = self
                    .rules
                    .check(&document, event.key, event.headers, &self.mask);
                (Vec::new(), findings)
            }
            Ok(None) => (Vec::new(), Findings::default()),
        };
        let mut beside = Vec::new();
        self.check_key(event, &mut beside, log)?;
        self.check_headers(event, &mut beside);
        if reasons.is_empty() && beside.is_empty() && findings.is_empty() {
            return Ok(Verdict::Accepted);
        }
        self.mask.apply(&mut beside);
        let placed = |reasons| self.placed(reasons, at);
        let mut all = placed(reasons);
        all.extend(beside);
        all.extend(placed(findings.enforced));
        Ok(Verdict::from_reasons(all).shadowed(placed(findings.shadowed)))
    }

    /// Reasons against a value that stands at a place, without what is classified.
    fn placed(&self, mut reasons: Vec<Reason>, at: &str) -> Vec<Reason> {
        self.mask.apply(&mut reasons);
        if at.is_empty() {
            return reasons;
        }
        reasons
            .into_iter()
            .map(|reason| within(at, reason))
            .collect()
    }

    /// Whether a value meets the schema and every rule for certain, without a tree. What does not is looked at again, for what
    /// is wrong with it.
    fn is_met(&self, framing: Framing<'_>) -> bool {
        let met = |leaves| self.rules.hold(&leaves);
        self.direct && self.validator.leaves(framing).is_some_and(met)
    }

    /// The key under its schema; without one its form, and that its parts equal the value's is the producer's care (our
    /// own producers see to it).
    pub(super) fn check_key(
        &self,
        event: &Event<'_>,
        reasons: &mut Vec<Reason>,
        log: Log,
    ) -> Result<(), UnknownSchema> {
        if let Some(judge) = &self.key_judge {
            match judge.check(event) {
                Ok(()) => {}
                Err(Fault::Reasons(found)) => reasons.extend(found),
                Err(Fault::Unknown(found)) if log == Log::Growing => {
                    return Err(UnknownSchema(format!("{found} of the key")));
                }
                Err(Fault::Unknown(found)) => reasons.push(judge.unknown(&found)),
            }
            return Ok(());
        }
        if self.key.properties.is_empty() {
            return Ok(());
        }
        let found = match event.key {
            None => "no key".to_owned(),
            Some(key) if self.key_is_well_formed(key) => return Ok(()),
            Some(key) => String::from_utf8_lossy(key).into_owned(),
        };
        let names = self.key.properties.join(", ");
        let expected = if self.key.text {
            format!("a key: {names} as UTF-8")
        } else {
            format!("a key: JSON array of {names}")
        };
        reasons.push(Reason::new(Code::Key, "", expected, &found));
        Ok(())
    }

    fn key_is_well_formed(&self, key: &[u8]) -> bool {
        if self.key.text {
            return !key.is_empty() && std::str::from_utf8(key).is_ok();
        }
        let parts: Result<Vec<serde::de::IgnoredAny>, _> = serde_json::from_slice(key);
        parts.is_ok_and(|parts| parts.len() == self.key.properties.len())
    }

    fn check_headers(&self, event: &Event<'_>, reasons: &mut Vec<Reason>) {
        for name in &self.settings.required_headers {
            let present = event
                .headers
                .iter()
                .any(|(key, value)| key == name && value.is_some());
            if !present {
                let expected = format!("header `{name}`");
                reasons.push(Reason::new(Code::Header, "", expected, "no such header"));
            }
        }
    }
}
