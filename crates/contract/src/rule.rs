//! The judge of one port: which contract version an event is under, and whether it meets it.
//!
//! A pure function of the port's activated versions and the event: the same record at the same governance position
//! has the same verdict, for ever (decision 7).

mod version;

use crate::change::schema_type;
use crate::cloud_events::{self, Data, Opened};
use crate::compat::{self, Policy};
use crate::framing::{Framing, read_framing};
use crate::key_schema::KeySchema;
use crate::quality::QualityRule;
use crate::settings::{CloudEvents, Mode, Settings, Treatment};
use crate::source::{Import, Imported, Source};
use crate::spec::{Encoding, Key, Spec};
use crate::verdict::{Code, Reason, Verdict};
use crate::version::Version;
use std::collections::BTreeMap;
use version::{Input, VersionRule, within};

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

impl<'a> Event<'a> {
    /// The value of the last header of a name.
    pub(crate) fn last_header(&self, name: &str) -> Option<&'a [u8]> {
        let mut last = self.headers.iter().rev();
        last.find(|(known, _)| *known == name)?.1
    }
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

/// The schemas that a fact binds to a contract version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bound {
    /// Of its values.
    pub values: Vec<Binding>,
    /// Of its keys.
    pub keys: Vec<Binding>,
}

impl Bound {
    /// Sort bindings by their subjects: `<topic>-key` and `<topic>-value`.
    pub fn sorted<'s>(bindings: impl Iterator<Item = (&'s str, Binding)>) -> Self {
        let mut bound = Self::default();
        for (subject, binding) in bindings {
            if subject.ends_with("-key") {
                bound.keys.push(binding);
            } else {
                bound.values.push(binding);
            }
        }
        bound
    }
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
    /// What the schema imports.
    pub imports: &'a [Imported],
    /// Protobuf: fields that must be there though the language does not say so.
    pub required: &'a [String],
    /// Key rule.
    pub key: &'a Key,
    /// The schema of keys, with its ids, where there is one.
    pub key_schema: Option<(&'a KeySchema, &'a [Binding])>,
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
    pub fn of(spec: &'a Spec, classified: &'a [String], bound: &'a Bound) -> Self {
        let key_schema = spec.key_schema.as_ref();
        Self {
            version: spec.version,
            encoding: spec.encoding,
            schema: &spec.schema,
            record: &spec.record,
            imports: &spec.imports,
            required: &spec.required,
            key: &spec.key,
            key_schema: key_schema.map(|schema| (schema, &*bound.keys)),
            settings: &spec.settings,
            rules: &spec.rules,
            classified,
            bindings: &bound.values,
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
            let counts = counts_under(active, version);
            for binding in version.bindings.iter().filter(|_| counts) {
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
        self.judge_at(event, Log::Growing)
    }

    /// Judge an event when the log has been read to its end: an unknown schema is then the event's fault.
    pub fn judge_known(&self, event: &Event<'_>) -> Verdict {
        self.judge_at(event, Log::AtItsEnd)
            .unwrap_or_else(|UnknownSchema(found)| Verdict::refused(self.unknown(&found, "")))
    }

    fn judge_at(&self, event: &Event<'_>, log: Log) -> Result<Verdict, UnknownSchema> {
        let Some(value) = event.value else {
            return self.judge_tombstone(event, log);
        };
        if value.is_empty() {
            return Ok(Verdict::refused(empty("")));
        }
        match self.active().settings.cloud_events {
            CloudEvents::None => self.judge_value(event, value, ("", log)),
            allowed @ (CloudEvents::Binary | CloudEvents::Structured | CloudEvents::Any) => {
                self.judge_cloud_event(allowed, (event, value), log)
            }
        }
    }

    /// Judge a value, or bytes that stand for one at a place within it.
    fn judge_value(
        &self,
        event: &Event<'_>,
        value: &[u8],
        (at, log): (&str, Log),
    ) -> Result<Verdict, UnknownSchema> {
        if value.is_empty() {
            return Ok(Verdict::refused(empty(at)));
        }
        let framing = match read_framing(value, event.last_header(VALUE_SCHEMA_ID_HEADER)) {
            Ok(framing) => framing,
            Err(reason) => return Ok(Verdict::refused(within(at, reason))),
        };
        match self.version_of(framing) {
            Ok(rule) => rule.judge(event, (Input::Framed(framing), at), log),
            Err(unknown) if log == Log::Growing => Err(unknown),
            Err(UnknownSchema(found)) => Ok(Verdict::refused(self.unknown(&found, at))),
        }
    }

    /// The version under which a framing puts its body.
    fn version_of(&self, framing: Framing<'_>) -> Result<&VersionRule, UnknownSchema> {
        let index = match framing {
            Framing::Prefix { id, .. } => self
                .by_id
                .get(&id)
                .ok_or_else(|| UnknownSchema(format!("id {id}")))?,
            Framing::Header { guid, .. } => {
                let unknown = || UnknownSchema(format!("GUID {}", hex(&guid)));
                self.by_guid.get(&guid).ok_or_else(unknown)?
            }
            Framing::Plain(_) => return Ok(self.active()),
        };
        Ok(&self.versions[*index])
    }

    /// Judge a CloudEvent: what stands around its data, and the data.
    fn judge_cloud_event(
        &self,
        allowed: CloudEvents,
        (event, value): (&Event<'_>, &[u8]),
        log: Log,
    ) -> Result<Verdict, UnknownSchema> {
        let opened = cloud_events::open(allowed, self.active().encoding, event, value);
        let Opened {
            data,
            reasons,
            attributes,
        } = opened;
        let attributes = attributes.iter();
        let attributes = attributes.map(|(name, value)| (name.as_str(), Some(value.as_slice())));
        // Headers of the record itself go before: rules look at the last of a name.
        let headers: Vec<(&str, Option<&[u8]>)> =
            event.headers.iter().copied().chain(attributes).collect();
        let event = &Event {
            headers: &headers,
            ..*event
        };
        let verdict = match data {
            Data::Nothing => return Ok(Verdict::from_reasons(reasons)),
            Data::Value(value) => self.judge_value(event, value, ("", log))?,
            Data::Bytes(bytes) => self.judge_value(event, &bytes, (DATA, log))?,
            Data::Json(document) => {
                let header = event.last_header(VALUE_SCHEMA_ID_HEADER);
                let rule = match read_framing(b"{", header) {
                    Ok(framing) => self.version_of(framing),
                    Err(reason) => return Ok(Verdict::from_reasons(vec![reason])),
                };
                match rule {
                    Ok(rule) => rule.judge(event, (Input::Document(document), DATA), log)?,
                    Err(unknown) if log == Log::Growing => return Err(unknown),
                    Err(UnknownSchema(found)) => Verdict::refused(self.unknown(&found, "")),
                }
            }
        };
        Ok(verdict.after(reasons))
    }

    fn unknown(&self, found: &str, at: &str) -> Reason {
        let ids: Vec<String> = self.by_id.keys().map(u32::to_string).collect();
        let expected = format!("a schema id of {}: {}", self.label, ids.join(", "));
        Reason::new(Code::UnknownSchemaId, at, expected, found)
    }

    /// Take the values of classified fields out of reasons, as this judge does with its own.
    pub fn mask(&self, reasons: &mut [Reason]) {
        self.active().mask.apply(reasons);
    }

    fn judge_tombstone(&self, event: &Event<'_>, log: Log) -> Result<Verdict, UnknownSchema> {
        let rule = self.active();
        Ok(match rule.settings.tombstones {
            Treatment::Refuse => {
                let expected = "a value (`meshlog.tombstones` is refuse)";
                Verdict::refused(Reason::new(Code::Tombstone, "", expected, "a null value"))
            }
            Treatment::Pass => {
                let mut reasons = Vec::new();
                rule.check_key(event, &mut reasons, log)?;
                rule.mask.apply(&mut reasons);
                if event.key.is_none() && rule.key_judge.is_none() {
                    reasons.push(Reason::new(
                        Code::Key,
                        "",
                        "a tombstone with a key",
                        "no key",
                    ));
                }
                Verdict::from_reasons(reasons)
            }
        })
    }
}

/// Whether events of a version are judged by it while `active` is in force. A version that only shadow let in promised
/// nothing (decision 34): its events do not count where a version enforces that cannot read them.
fn counts_under(active: &ActiveVersion<'_>, version: &ActiveVersion<'_>) -> bool {
    active.settings.mode == Mode::Shadow
        || version.settings.mode == Mode::Enforce
        || reads(active, version)
}

fn reads(reader: &ActiveVersion<'_>, writer: &ActiveVersion<'_>) -> bool {
    let (reading, written) = (
        Imported::borrow(reader.imports),
        Imported::borrow(writer.imports),
    );
    let (reading, written) = (source(reader, &reading), source(writer, &written));
    let found = compat::compare(&reading, &written, Policy::Lenient);
    let compatible = |found: &compat::Difference| found.verdict == compat::Verdict::Compatible;
    reader.encoding == writer.encoding && found.is_ok_and(|found| found.iter().all(compatible))
}

fn source<'a>(version: &ActiveVersion<'a>, imports: &'a [Import<'a>]) -> Source<'a> {
    Source {
        ty: schema_type(version.encoding),
        text: version.schema,
        imports,
    }
}

/// Where the data of an envelope stand in it.
const DATA: &str = "/data";

/// Whether there may be facts that are not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Log {
    Growing,
    AtItsEnd,
}

fn empty(at: &str) -> Reason {
    let expected = "an event, or null for a tombstone";
    Reason::new(Code::Empty, at, expected, "an empty value")
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
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
            imports: &[],
            required: &[],
            key: &key,
            key_schema: None,
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
            imports: &[],
            required: &[],
            key: &free_key(),
            key_schema: None,
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
    fn what_only_shadow_let_in_does_not_count_where_it_cannot_be_read() {
        let field = |kind: &str| {
            format!(
                r#"{{"type":"record","name":"E","fields":[{{"name":"amount","type":"{kind}"}}]}}"#
            )
        };
        let (text, long, int) = (field("string"), field("long"), field("int"));
        let shadow = Settings {
            mode: Mode::Shadow,
            ..Settings::default()
        };
        let (key, enforce) = (free_key(), Settings::default());
        let bound = |id| [Binding { id, guid: [0; 16] }];
        let bindings = [bound(1), bound(2)];
        let verdict = |old: (&str, &Settings), new: (&str, &Settings), value: &[u8]| {
            let version = |at: usize, (schema, settings)| ActiveVersion {
                version: format!("1.{at}.0").parse().expect("version"),
                encoding: Encoding::Avro,
                schema,
                record: "E",
                imports: &[],
                required: &[],
                key: &key,
                key_schema: None,
                settings,
                rules: &[],
                classified: &[],
                bindings: &bindings[at],
            };
            let rules = PortRules::compile("c", &[version(0, old), version(1, new)]);
            let rules = rules.expect("compiles").expect("has a version");
            codes(&rules.judge_known(&event(Some(value))))
        };
        let (a, three) = ([0, 0, 0, 0, 1, 2, b'a'], [0, 0, 0, 0, 1, 6]);
        let unknown = [Code::UnknownSchemaId];
        assert_eq!(verdict((&text, &shadow), (&long, &enforce), &a), unknown);
        assert_eq!(verdict((&text, &shadow), (&long, &shadow), &a), []);
        assert_eq!(verdict((&int, &shadow), (&long, &enforce), &three), []);
        // What enforcing versions promised holds for the port's life.
        assert_eq!(verdict((&text, &enforce), (&long, &enforce), &a), []);
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
