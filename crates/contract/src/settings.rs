//! Our extensions of ODCS: the `customProperties` whose names start with `meshlog.`.

use crate::document::odcs::CustomProperty;
use jiff::{Span, SpanTotal, Unit};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What happens to events that break the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They are quarantined.
    Enforce,
    /// They are let through, counted and tagged.
    Shadow,
}

/// What happens to something the contract does not forbid by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Treatment {
    /// It is a violation.
    Refuse,
    /// It is let through.
    Pass,
}

/// Whether events are CloudEvents, and where their attributes stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CloudEvents {
    /// They are not; headers are the producer's own affair.
    #[default]
    None,
    /// In headers, the value is the data.
    Binary,
    /// In the value, which is a JSON envelope around the data.
    Structured,
    /// Either way, as the header `content-type` says.
    Any,
}

impl CloudEvents {
    /// As written in a contract.
    pub fn name(self) -> &'static str {
        match self {
            CloudEvents::None => "none",
            CloudEvents::Binary => "binary",
            CloudEvents::Structured => "structured",
            CloudEvents::Any => "any",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        use CloudEvents::{Any, Binary, None as Not, Structured};
        let all = [Not, Binary, Structured, Any];
        all.into_iter().find(|mode| mode.name() == name)
    }
}

/// What is made of the logical types that JSON Schema (`format`) and Protobuf (`google.protobuf.Timestamp`,
/// `Duration`) leave to whoever reads. Avro's are checked in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogicalTypes {
    /// What does not fit is a violation.
    #[default]
    Check,
    /// They are remarks.
    Ignore,
}

impl LogicalTypes {
    /// As written in a contract.
    pub fn name(self) -> &'static str {
        match self {
            LogicalTypes::Check => "check",
            LogicalTypes::Ignore => "ignore",
        }
    }
}

/// The settings of a contract, defaults filled in. Durations are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Partitions of inbox, product and quarantine.
    pub partitions: u32,
    /// How long the product topic keeps events, ms.
    pub retention_ms: u64,
    /// How long the inbox keeps events, ms.
    pub inbox_retention_ms: u64,
    /// How long the quarantine keeps events, ms.
    pub quarantine_retention_ms: u64,
    /// The inbox topic, where it is not the default one.
    pub inbox: Option<String>,
    /// Enforce or shadow.
    pub mode: Mode,
    /// Null values.
    pub tombstones: Treatment,
    /// Properties that the contract does not declare (JSON).
    pub additional_properties: Treatment,
    /// The property that holds the event's own time.
    pub event_time: Option<String>,
    /// Headers each event must carry.
    pub required_headers: Vec<String>,
    /// Whether events are CloudEvents.
    pub cloud_events: CloudEvents,
    /// Whether logical types are checked beyond Avro's.
    pub logical_types: LogicalTypes,
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Most partitions one port may have: a mistyped number must not take a broker down.
const MAX_PARTITIONS: u64 = 1000;

impl Default for Settings {
    fn default() -> Self {
        Self {
            partitions: 3,
            retention_ms: 90 * DAY_MS,
            inbox_retention_ms: 7 * DAY_MS,
            quarantine_retention_ms: 30 * DAY_MS,
            inbox: None,
            mode: Mode::Enforce,
            tombstones: Treatment::Refuse,
            additional_properties: Treatment::Refuse,
            event_time: None,
            required_headers: Vec::new(),
            cloud_events: CloudEvents::None,
            logical_types: LogicalTypes::Check,
        }
    }
}

impl Settings {
    /// Read the settings; properties without our prefix are left alone.
    ///
    /// # Errors
    /// Every setting that is unknown or whose value is not valid.
    pub fn read(properties: &[CustomProperty]) -> Result<Self, Vec<String>> {
        let mut settings = Self::default();
        let mut errors = Vec::new();
        for property in properties {
            if let Some(name) = property.property.strip_prefix("meshlog.")
                && let Err(expected) = settings.set(name, &property.value)
            {
                let value = &property.value;
                errors.push(format!(
                    "customProperty `meshlog.{name}` is {value}: {expected}"
                ));
            }
        }
        if errors.is_empty() {
            Ok(settings)
        } else {
            Err(errors)
        }
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), String> {
        match name {
            "partitions" => self.partitions = partitions(value)?,
            "retention" => self.retention_ms = duration_ms(value)?,
            "inboxRetention" => self.inbox_retention_ms = duration_ms(value)?,
            "quarantineRetention" => self.quarantine_retention_ms = duration_ms(value)?,
            "inbox" => self.inbox = Some(topic(value)?),
            "mode" => self.mode = one_of(value, "enforce or shadow")?,
            "tombstones" => self.tombstones = one_of(value, "refuse or pass")?,
            "additionalProperties" => {
                self.additional_properties = one_of(value, "refuse or pass")?;
            }
            "eventTime" => self.event_time = Some(text(value, "expected a property's name")?),
            // Read with the other rules, see `quality`.
            "ruleSet" => {}
            // Read with the files that the document names, see `spec`.
            "keySchema" => drop(text(value, "expected a relative path")?),
            "cloudEvents" => {
                self.cloud_events = one_of(value, "none, binary, structured or any")?;
            }
            "logicalTypes" => self.logical_types = one_of(value, "check or ignore")?,
            "requiredHeaders" => self.required_headers = one_of(value, "a list of names")?,
            _ => return Err(format!("no such setting; known are {KNOWN}")),
        }
        Ok(())
    }
}

const KNOWN: &str = "partitions, retention, inboxRetention, quarantineRetention, inbox, mode, \
    tombstones, additionalProperties, eventTime, requiredHeaders, ruleSet, keySchema, cloudEvents, logicalTypes";

fn partitions(value: &Value) -> Result<u32, String> {
    let number = value
        .as_u64()
        .filter(|number| (1..=MAX_PARTITIONS).contains(number));
    let number = number.and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| format!("expected a whole number from 1 to {MAX_PARTITIONS}"))
}

/// An ISO 8601 duration, a day counted as 24 hours, in ms.
fn duration_ms(value: &Value) -> Result<u64, String> {
    let expected = || "expected an ISO 8601 duration above zero, as P90D or PT12H".to_owned();
    let span: Span = value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(expected)?;
    let total = span.total(SpanTotal::from(Unit::Second).days_are_24_hours());
    let seconds = total.map_err(|_| "expected days and shorter units only, as P90D".to_owned())?;
    if seconds < 1.0 {
        return Err(expected());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and jiff bounds a span far below 2^53 seconds"
    )]
    Ok(seconds as u64 * 1000)
}

fn topic(value: &Value) -> Result<String, String> {
    let name = text(value, "expected a topic's name")?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if name.len() <= 249 && !matches!(name.as_str(), "." | "..") && name.bytes().all(legal) {
        Ok(name)
    } else {
        Err("expected a topic's name: letters, digits, `.`, `_`, `-`, at most 249".to_owned())
    }
}

fn text(value: &Value, expected: &str) -> Result<String, String> {
    let given = value.as_str().filter(|text| !text.is_empty());
    given.map(str::to_owned).ok_or_else(|| expected.to_owned())
}

fn one_of<T: serde::de::DeserializeOwned>(value: &Value, expected: &str) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|_| format!("expected {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(pairs: &[(&str, Value)]) -> Result<Settings, Vec<String>> {
        let properties: Vec<_> = pairs
            .iter()
            .map(|(name, value)| CustomProperty {
                property: (*name).to_owned(),
                value: value.clone(),
            })
            .collect();
        Settings::read(&properties)
    }

    #[test]
    fn defaults_are_those_of_the_table() {
        let settings = read(&[("other.thing", json!(1))]).expect("reads");
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.retention_ms, 7_776_000_000);
    }

    #[test]
    fn settings_are_read_and_mistakes_all_reported() {
        let settings = read(&[
            ("meshlog.partitions", json!(6)),
            ("meshlog.retention", json!("PT36H")),
            ("meshlog.mode", json!("shadow")),
            ("meshlog.requiredHeaders", json!(["trace"])),
            ("meshlog.cloudEvents", json!("structured")),
            ("meshlog.logicalTypes", json!("ignore")),
            ("meshlog.keySchema", json!("key.avsc")),
        ])
        .expect("reads");
        assert_eq!(
            (settings.partitions, settings.retention_ms),
            (6, 129_600_000)
        );
        assert_eq!(settings.mode, Mode::Shadow);
        assert_eq!(settings.cloud_events, CloudEvents::Structured);
        assert_eq!(settings.logical_types, LogicalTypes::Ignore);

        let errors = read(&[
            ("meshlog.partitions", json!(0)),
            ("meshlog.retention", json!("P1Y")),
            ("meshlog.retension", json!("P1D")),
            ("meshlog.inbox", json!("a b")),
            ("meshlog.cloudEvents", json!("batch")),
            ("meshlog.keySchema", json!(7)),
        ])
        .expect_err("all wrong");
        assert_eq!(errors.len(), 6, "{errors:?}");
        assert!(errors[2].contains("known are"));
    }
}
