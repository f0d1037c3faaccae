//! The judge of one port: which contract version an event is under, and whether it meets it.
//!
//! A pure function of the port's activated versions and the event: the same record at the same governance position
//! has the same verdict, for ever (decision 7).

use crate::avro::{AvroValidator, Selection};
use crate::framing::{Framing, read_framing};
use crate::json::{self, JsonValidator};
use crate::protobuf::{ProtobufEvents, Selected};
use crate::quality::{EventRules, Findings, Mask, QualityRule};
use crate::settings::{Settings, Treatment};
use crate::spec::{Encoding, Key, Spec};
use crate::verdict::{Code, Reason, Verdict};
use crate::version::Version;
use serde_json::Value;
use std::collections::BTreeMap;

/// Kafka header in which Confluent's clients may carry the value's schema GUID.
pub const VALUE_SCHEMA_ID_HEADER: &str = "__value_schema_id";

/// An event as it lies in the inbox.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Key bytes.
    pub key: Option<&'a [u8]>,
    /// Value bytes; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// The event names a schema that no fact known here binds to this port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schema {0} is not bound to this port by any fact known here")]
pub struct UnknownSchema(pub String);

/// A schema id and GUID, bound to a contract version by `contract.version.activated`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// Registry id.
    pub id: u32,
    /// MD5 of the schema's canonical text.
    pub guid: [u8; 16],
}

/// One activated contract version, as the governance state has it.
#[derive(Debug, Clone)]
pub struct ActiveVersion<'a> {
    /// Contract version.
    pub version: Version,
    /// Encoding of values.
    pub encoding: Encoding,
    /// Schema text.
    pub schema: &'a str,
    /// The name of the value's record, as [`crate::spec::Spec`] has it: says which message of a Protobuf file it is.
    pub record: &'a str,
    /// Key rule.
    pub key: &'a Key,
    /// Settings.
    pub settings: &'a Settings,
    /// Rules over the content.
    pub rules: &'a [QualityRule],
    /// Paths of the fields whose values no reason shows.
    pub classified: &'a [String],
    /// The value schemas of this version.
    pub bindings: &'a [Binding],
}

impl<'a> ActiveVersion<'a> {
    /// The version that a spec describes.
    pub fn of(spec: &'a Spec, classified: &'a [String], bindings: &'a [Binding]) -> Self {
        Self {
            version: spec.version,
            encoding: spec.encoding,
            schema: &spec.schema,
            record: &spec.record,
            key: &spec.key,
            settings: &spec.settings,
            rules: &spec.rules,
            classified,
            bindings,
        }
    }
}

/// A version whose schema does not compile: it was approved by a newer build, or memory is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("contract version {version} does not compile: {message}")]
pub struct CompileError {
    /// The version.
    pub version: Version,
    /// Why.
    pub message: String,
}

#[derive(Debug)]
enum Validator {
    /// With the fields that the rules read.
    Avro(AvroValidator, Selection),
    Json(JsonValidator),
    /// With the part that the rules read.
    Protobuf(Box<ProtobufEvents>, Option<Selected>),
}

#[derive(Debug)]
struct VersionRule {
    version: Version,
    validator: Validator,
    key: Key,
    settings: Settings,
    rules: EventRules,
    mask: Mask,
}

/// The judge of a port.
#[derive(Debug)]
pub struct PortRules {
    versions: Vec<VersionRule>,
    by_id: BTreeMap<u32, usize>,
    by_guid: BTreeMap<[u8; 16], usize>,
    label: String,
}

impl PortRules {
    /// Compile the judge; `versions` are in order of activation, the last one is active.
    ///
    /// # Errors
    /// [`CompileError`] for a schema that this build cannot compile.
    pub fn compile(
        contract_id: &str,
        versions: &[ActiveVersion<'_>],
    ) -> Result<Option<Self>, CompileError> {
        let Some(active) = versions.last() else {
            return Ok(None);
        };
        let label = format!("{contract_id}@{}", active.version);
        let mut rules = Self {
            versions: Vec::new(),
            by_id: BTreeMap::new(),
            by_guid: BTreeMap::new(),
            label,
        };
        for (index, version) in versions.iter().enumerate() {
            for binding in version.bindings {
                rules.by_id.insert(binding.id, index);
                rules.by_guid.insert(binding.guid, index);
            }
            rules.versions.push(VersionRule::compile(version)?);
        }
        Ok(Some(rules))
    }

    /// The active version, as `id@version`.
    pub fn contract(&self) -> &str {
        &self.label
    }

    /// The active version.
    pub fn active_version(&self) -> Version {
        self.active().version
    }

    fn active(&self) -> &VersionRule {
        self.versions
            .last()
            .expect("compile() makes no judge without a version")
    }

    /// Judge an event.
    ///
    /// # Errors
    /// [`UnknownSchema`]: the caller reads the governance log to its end and asks again, then [`Self::judge_known`].
    pub fn judge(&self, event: &Event<'_>) -> Result<Verdict, UnknownSchema> {
        let Some(value) = event.value else {
            return Ok(self.judge_tombstone(event));
        };
        if value.is_empty() {
            let expected = "an event, or null for a tombstone";
            return Ok(Verdict::refused(Reason::new(
                Code::Empty,
                "",
                expected,
                "an empty value",
            )));
        }
        let header = event
            .headers
            .iter()
            .rev()
            .find(|(name, _)| *name == VALUE_SCHEMA_ID_HEADER);
        let framing = match read_framing(value, header.and_then(|(_, value)| *value)) {
            Ok(framing) => framing,
            Err(reason) => return Ok(Verdict::refused(reason)),
        };
        let rule = match framing {
            Framing::Prefix { id, .. } => {
                let index = self
                    .by_id
                    .get(&id)
                    .ok_or_else(|| UnknownSchema(format!("id {id}")))?;
                &self.versions[*index]
            }
            Framing::Header { guid, .. } => {
                let unknown = || UnknownSchema(format!("GUID {}", hex(&guid)));
                &self.versions[*self.by_guid.get(&guid).ok_or_else(unknown)?]
            }
            Framing::Plain(_) => self.active(),
        };
        Ok(rule.judge(event, framing))
    }

    /// Judge an event when the log has been read to its end: an unknown schema is then the event's fault.
    pub fn judge_known(&self, event: &Event<'_>) -> Verdict {
        self.judge(event).unwrap_or_else(|UnknownSchema(found)| {
            let ids: Vec<String> = self.by_id.keys().map(u32::to_string).collect();
            let expected = format!("a schema id of {}: {}", self.label, ids.join(", "));
            Verdict::refused(Reason::new(Code::UnknownSchemaId, "", expected, &found))
        })
    }

    /// Take the values of classified fields out of reasons, as this judge does with its own.
    pub fn mask(&self, reasons: &mut [Reason]) {
        self.active().mask.apply(reasons);
    }

    fn judge_tombstone(&self, event: &Event<'_>) -> Verdict {
        let rule = self.active();
        match rule.settings.tombstones {
            Treatment::Refuse => {
                let expected = "a value (`meshlog.tombstones` is refuse)";
                Verdict::refused(Reason::new(Code::Tombstone, "", expected, "a null value"))
            }
            Treatment::Pass => {
                let mut reasons = Vec::new();
                rule.check_key(event, &mut reasons);
                rule.mask.apply(&mut reasons);
                if event.key.is_none() {
                    reasons.push(Reason::new(
                        Code::Key,
                        "",
                        "a tombstone with a key",
                        "no key",
                    ));
                }
                Verdict::from_reasons(reasons)
            }
        }
    }
}

impl VersionRule {
    fn compile(version: &ActiveVersion<'_>) -> Result<Self, CompileError> {
        let fail = |message: String| CompileError {
            version: version.version,
            message,
        };
        let rules = EventRules::compile(version.rules).map_err(|e| fail(e.to_string()))?;
        let validator = match version.encoding {
            Encoding::Avro => {
                let avro =
                    AvroValidator::compile(version.schema).map_err(|e| fail(e.to_string()))?;
                let read = avro.select(rules.members());
                Validator::Avro(avro, read)
            }
            Encoding::Json => Validator::Json(
                JsonValidator::compile(version.schema).map_err(|e| fail(e.to_string()))?,
            ),
            Encoding::Protobuf => {
                let events = ProtobufEvents::compile(version.schema, version.record)
                    .map_err(|e| fail(e.to_string()))?;
                let read = events.select(rules.members());
                Validator::Protobuf(Box::new(events), read)
            }
        };
        Ok(Self {
            version: version.version,
            validator,
            key: version.key.clone(),
            settings: version.settings.clone(),
            rules,
            mask: Mask::new(version.classified, &version.key.properties),
        })
    }

    fn judge(&self, event: &Event<'_>, framing: Framing<'_>) -> Verdict {
        let checked = match self.check_value(framing) {
            Ok(checked) => checked,
            Err(refusal) => return refusal,
        };
        if checked.is_ok()
            && self.rules.is_empty()
            && self.key.properties.is_empty()
            && self.settings.required_headers.is_empty()
        {
            return Verdict::Accepted;
        }
        let (mut reasons, findings) = match checked {
            Err(reasons) => (reasons, Findings::default()),
            Ok(Some(document)) => {
                let findings = self
                    .rules
                    .check(&document, event.key, event.headers, &self.mask);
                (Vec::new(), findings)
            }
            Ok(None) => (Vec::new(), Findings::default()),
        };
        self.check_key(event, &mut reasons);
        self.check_headers(event, &mut reasons);
        reasons.extend(findings.enforced);
        self.mask.apply(&mut reasons);
        let mut shadowed = findings.shadowed;
        self.mask.apply(&mut shadowed);
        Verdict::from_reasons(reasons).shadowed(shadowed)
    }

    /// Check the value under its schema; gives what the rules read of it, where there are rules.
    fn check_value(
        &self,
        framing: Framing<'_>,
    ) -> Result<Result<Option<Value>, Vec<Reason>>, Verdict> {
        let body = framing.body();
        let has_rules = !self.rules.is_empty();
        Ok(match (&self.validator, framing) {
            (Validator::Avro(..), Framing::Plain(_)) => return Err(not_framed("Avro", body)),
            (Validator::Protobuf(..), Framing::Plain(_)) => {
                return Err(not_framed("Protobuf", body));
            }
            (Validator::Protobuf(events, read), framing) => {
                let indexes = match framing {
                    Framing::Header { indexes, .. } => Some(indexes),
                    Framing::Prefix { .. } | Framing::Plain(_) => None,
                };
                if has_rules {
                    events
                        .decode_selected(indexes, body, read.as_ref())
                        .map(Some)
                } else {
                    events.check(indexes, body).map(|()| None)
                }
            }
            (Validator::Avro(..) | Validator::Json(_), Framing::Header { indexes, .. })
                if !indexes.is_empty() =>
            {
                let expected = "a schema id header of byte 01 and a 16-byte GUID";
                let found = format!("{} more bytes", indexes.len());
                return Err(Verdict::refused(Reason::new(
                    Code::NotFramed,
                    "",
                    expected,
                    &found,
                )));
            }
            (Validator::Avro(validator, read), _) if has_rules => {
                validator.decode_selected(body, read).map(Some)
            }
            (Validator::Avro(validator, _), _) => validator.check(body).map(|()| None),
            (Validator::Json(validator), _) => json::parse(body)
                .map_err(|reason| vec![reason])
                .and_then(|document| {
                    validator.check_value(&document)?;
                    Ok(Some(document).filter(|_| has_rules))
                }),
        })
    }

    /// The key's form; that its parts equal the value's is the producer's care (our own producers see to it).
    fn check_key(&self, event: &Event<'_>, reasons: &mut Vec<Reason>) {
        if self.key.properties.is_empty() {
            return;
        }
        let found = match event.key {
            None => "no key".to_owned(),
            Some(key) if self.key_is_well_formed(key) => return,
            Some(key) => String::from_utf8_lossy(key).into_owned(),
        };
        let names = self.key.properties.join(", ");
        let expected = if self.key.text {
            format!("a key: {names} as UTF-8")
        } else {
            format!("a key: JSON array of {names}")
        };
        reasons.push(Reason::new(Code::Key, "", expected, &found));
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

#[cold]
fn not_framed(encoding: &str, body: &[u8]) -> Verdict {
    let expected =
        format!("{encoding} with a schema id (first byte 0, or header __value_schema_id)");
    let found = format!("first byte {}", body.first().copied().unwrap_or_default());
    Verdict::refused(Reason::new(Code::NotFramed, "", expected, &found))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type":"object","properties":{"id":{"type":"string"},"n":{"type":"integer"}},"required":["id","n"],"additionalProperties":false}"#;

    fn rules(settings: Settings, key: Key) -> PortRules {
        let version = ActiveVersion {
            version: "1.0.0".parse().expect("version"),
            encoding: Encoding::Json,
            schema: SCHEMA,
            record: "event",
            key: &key,
            settings: &settings,
            rules: &[],
            classified: &[],
            bindings: &[Binding {
                id: 7,
                guid: [1; 16],
            }],
        };
        PortRules::compile("c", &[version])
            .expect("compiles")
            .expect("has a version")
    }

    fn free_key() -> Key {
        Key {
            properties: vec![],
            text: false,
        }
    }

    fn event(value: Option<&[u8]>) -> Event<'_> {
        Event {
            key: None,
            value,
            headers: &[],
        }
    }

    fn codes(verdict: &Verdict) -> Vec<Code> {
        match verdict {
            Verdict::Accepted | Verdict::Shadowed(_) => vec![],
            Verdict::Quarantined(reasons) => reasons.iter().map(|reason| reason.code).collect(),
        }
    }

    #[test]
    fn json_events_may_be_plain_or_framed() {
        let rules = rules(Settings::default(), free_key());
        let plain = br#"{"id":"a","n":1}"#;
        let framed = [&[0, 0, 0, 0, 7][..], plain].concat();
        assert_eq!(rules.judge(&event(Some(plain))), Ok(Verdict::Accepted));
        assert_eq!(rules.judge(&event(Some(&framed))), Ok(Verdict::Accepted));
    }

    #[test]
    fn protobuf_events_are_framed_either_way() {
        let schema = "syntax = \"proto3\"; package p; message A { string a = 1; } message B { string id = 1; }";
        let version = ActiveVersion {
            version: "1.0.0".parse().expect("version"),
            encoding: Encoding::Protobuf,
            schema,
            record: "p.B",
            key: &free_key(),
            settings: &Settings::default(),
            rules: &[],
            classified: &[],
            bindings: &[Binding {
                id: 7,
                guid: [1; 16],
            }],
        };
        let rules = PortRules::compile("c", &[version])
            .expect("compiles")
            .expect("has a version");
        let judged = |header: Option<&[u8]>, value: &[u8]| {
            let headers = [(VALUE_SCHEMA_ID_HEADER, header)];
            let headers = if header.is_some() { &headers[..] } else { &[] };
            let event = Event {
                key: None,
                value: Some(value),
                headers,
            };
            codes(&rules.judge_known(&event))
        };
        let body = [0x0a, 1, b'x'];
        let framed = |indexes: &[u8]| [&[0, 0, 0, 0, 7][..], indexes, &body].concat();
        let guid = |rest: &[u8]| [&[1; 17][..], rest].concat();
        assert_eq!(judged(None, &framed(&[2, 2])), []);
        assert_eq!(judged(Some(&guid(&[2, 2])), &body), []);
        assert_eq!(judged(None, &framed(&[0])), [Code::WrongType]);
        assert_eq!(judged(None, &framed(&[])), [Code::NotFramed]);
        assert_eq!(judged(None, &body), [Code::NotFramed]);
        assert_eq!(judged(None, &[0, 0, 0, 0, 7]), [Code::NotFramed]);
        assert_eq!(
            judged(None, &[0, 0, 0, 0, 8, 2, 2]),
            [Code::UnknownSchemaId]
        );
        assert_eq!(judged(Some(&guid(&[])), &body), [Code::NotFramed]);
        assert_eq!(judged(Some(&guid(&[2, 2, 0])), &body), [Code::NotFramed]);
        assert_eq!(judged(Some(&[2; 17]), &body), [Code::NotFramed]);
        assert_eq!(
            judged(Some(&guid(&[2, 2])), &framed(&[2, 2])),
            [Code::Undecodable]
        );
    }

    #[test]
    fn only_protobuf_has_more_in_the_header() {
        let rules = rules(Settings::default(), free_key());
        let header = [1; 18];
        let headers = [(VALUE_SCHEMA_ID_HEADER, Some(&header[..]))];
        let value = br#"{"id":"a","n":1}"#;
        let event = Event {
            headers: &headers,
            ..event(Some(value))
        };
        assert_eq!(codes(&rules.judge_known(&event)), [Code::NotFramed]);
    }

    #[test]
    fn all_reasons_are_given() {
        let rules = rules(
            Settings::default(),
            Key {
                properties: vec!["id".into()],
                text: true,
            },
        );
        let verdict = rules
            .judge(&event(Some(br#"{"n":"x","z":1}"#)))
            .expect("known");
        let mut codes = codes(&verdict);
        codes.sort();
        assert_eq!(
            codes,
            [Code::Missing, Code::WrongType, Code::Undeclared, Code::Key]
        );
    }

    #[test]
    fn an_unknown_schema_is_first_a_question_then_a_reason() {
        let rules = rules(Settings::default(), free_key());
        let value = [&[0, 0, 0, 0, 8][..], b"{}"].concat();
        assert_eq!(
            rules.judge(&event(Some(&value))),
            Err(UnknownSchema("id 8".to_owned()))
        );
        assert_eq!(
            codes(&rules.judge_known(&event(Some(&value)))),
            [Code::UnknownSchemaId]
        );
    }

    #[test]
    fn null_and_empty_are_not_the_same() {
        let refuse = rules(Settings::default(), free_key());
        assert_eq!(codes(&refuse.judge_known(&event(None))), [Code::Tombstone]);
        assert_eq!(codes(&refuse.judge_known(&event(Some(b"")))), [Code::Empty]);
        let pass = rules(
            Settings {
                tombstones: Treatment::Pass,
                ..Settings::default()
            },
            free_key(),
        );
        let with_key = Event {
            key: Some(b"k"),
            value: None,
            headers: &[],
        };
        assert_eq!(pass.judge_known(&with_key), Verdict::Accepted);
    }
}
