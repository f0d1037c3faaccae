//! What is promised: each of a contract's `slaProperties`, and each of its rules over many events, as something that can
//! be measured, or as the reason why it cannot. Nothing is dropped.
//!
//! Source: <https://bitol-io.github.io/open-data-contract-standard/latest/service-level-agreement/> (v3.0 to v3.2)

use super::unit::{self, Quantity};
use crate::document::odcs::SlaProperty;
use crate::quality::{Library, QualityRule, window_rules};
use crate::spec::Field;
use serde_json::Value;

/// Something that was promised.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// The property's name in full, or the rule's.
    pub name: String,
    /// Where it stands in the contract.
    pub kind: Kind,
    /// The promise, in words.
    pub promised: String,
    /// The figure promised, where there is one.
    pub target: Option<f64>,
    /// The unit of the target, and of what is measured.
    pub unit: String,
    /// How it is measured, or why it is not.
    pub demand: Result<Demand, String>,
}

/// Where a promise stands in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `slaProperties`.
    Promise,
    /// `quality`: a rule over many events.
    Rule,
}

impl Kind {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Promise => "promise",
            Kind::Rule => "rule",
        }
    }
}

/// What a window has to show. Times in ms, shares in percent.
#[derive(Debug, Clone, PartialEq)]
pub enum Demand {
    /// 99 % of the events read within this time.
    Latency {
        /// Most.
        at_most_ms: f64,
    },
    /// The newest event no older than this.
    Freshness {
        /// Most.
        at_most_ms: f64,
    },
    /// An event every so often.
    Frequency {
        /// Most between two events.
        every_ms: f64,
    },
    /// A due event arrived in so many of the windows.
    Availability {
        /// Least share of windows.
        at_least_percent: f64,
        /// How often an event is due; a window where nothing says so.
        every_ms: Option<f64>,
    },
    /// At least so much in a time.
    Throughput {
        /// Least.
        at_least: f64,
        /// Of what.
        of: Quantity,
        /// In which time.
        per_ms: f64,
    },
    /// At most so many of the events refused.
    ErrorRate {
        /// Most.
        at_most_percent: f64,
    },
    /// Events kept for so long.
    Retention {
        /// Least.
        at_least_ms: f64,
    },
    /// A rule over many events.
    Rule {
        /// Its name in the figures of a window.
        key: String,
        /// What must hold.
        library: Library,
    },
}

impl Demand {
    /// How much of the base unit (ms) is one of the unit that the promise was given in.
    pub(super) fn is_time(&self) -> bool {
        match self {
            Demand::Latency { .. }
            | Demand::Freshness { .. }
            | Demand::Frequency { .. }
            | Demand::Retention { .. } => true,
            Demand::Availability { .. }
            | Demand::Throughput { .. }
            | Demand::ErrorRate { .. }
            | Demand::Rule { .. } => false,
        }
    }
}

/// Names and short names of properties, as ODCS has them, in the order of its list.
const NAMES: [(&str, &str); 12] = [
    ("availability", "av"),
    ("throughput", "th"),
    ("errorRate", "er"),
    ("generalAvailability", "ga"),
    ("endOfSupport", "es"),
    ("endOfLife", "el"),
    ("retention", "re"),
    ("frequency", "fy"),
    ("latency", "ly"),
    ("timeToDetect", "td"),
    ("timeToNotify", "tn"),
    ("timeToRepair", "tr"),
];

/// Everything that a contract promises: its properties, then its rules over many events.
pub fn objectives(sla: &[SlaProperty], rules: &[QualityRule]) -> Vec<Objective> {
    let mut objectives: Vec<Objective> = sla.iter().map(promise).collect();
    let every = objectives
        .iter()
        .find_map(|objective| match &objective.demand {
            Ok(Demand::Frequency { every_ms }) => Some(*every_ms),
            Ok(_) | Err(_) => None,
        });
    for objective in &mut objectives {
        if let Ok(Demand::Availability { every_ms, .. }) = &mut objective.demand {
            *every_ms = every;
        }
    }
    tell_apart(&mut objectives);
    let over_many = window_rules(rules).into_iter();
    objectives.extend(over_many.map(|(name, rule, library)| Objective {
        name: name.clone(),
        kind: Kind::Rule,
        promised: rule.demand(),
        target: library.operator.target(),
        unit: library.unit.word().to_owned(),
        demand: Ok(Demand::Rule {
            key: name,
            library: library.clone(),
        }),
    }));
    objectives
}

/// A property that comes twice is told apart by its element, or by its place.
fn tell_apart(objectives: &mut [Objective]) {
    let names: Vec<String> = objectives.iter().map(|it| it.name.clone()).collect();
    for (at, objective) in objectives.iter_mut().enumerate() {
        let before = names[..at]
            .iter()
            .filter(|name| **name == names[at])
            .count();
        if before > 0 {
            objective.name = format!("{} {}", objective.name, before + 1);
        }
    }
}

/// The fields that hold the times of an event; `None` is the record's own time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventTimes {
    /// What latency is counted from.
    pub latency: Option<String>,
    /// What freshness is counted from.
    pub freshness: Option<String>,
}

/// Where an event's times stand: in the timestamp that the promise names as its element. A latency without one is of the
/// way through the mesh, from the record's own time; a freshness without one is of the contract's event time. A classified
/// field is never it, for the newest time seen is shown.
pub fn event_times(setting: Option<&str>, sla: &[SlaProperty], fields: &[Field]) -> EventTimes {
    let masked = crate::quality::Mask::new(&crate::quality::Mask::classified(fields), &[]);
    let public = |field: &&Field| !masked.covers(&pointer_of(&field.path));
    let find = |path: &str| {
        fields
            .iter()
            .find(|field| field.path == path)
            .filter(public)
    };
    let element = |property: &str| {
        let given = sla
            .iter()
            .filter(|given| full_name(given.property.trim()) == property);
        let mut found = given.filter_map(|given| {
            let element = given.element.as_deref()?;
            // `object.field`, as ODCS writes it, or the field alone.
            let inner = element.split_once('.').map(|(_, inner)| inner);
            let field = find(element).or_else(|| find(inner?))?;
            (field.kind == "timestamp").then(|| field.path.clone())
        });
        found.next()
    };
    EventTimes {
        latency: element("latency"),
        freshness: element("freshness")
            .or_else(|| setting.and_then(find).map(|field| field.path.clone())),
    }
}

/// A contract's path as the pointer to the first value at it.
fn pointer_of(path: &str) -> String {
    path.split('.').fold(String::new(), |at, part| {
        let name = part.trim_end_matches("[]");
        let lists = (part.len() - name.len()) / 2;
        crate::pointer::join(&at, name) + &"/0".repeat(lists)
    })
}

fn full_name(given: &str) -> String {
    let known = NAMES.into_iter().find(|(name, short)| {
        given.eq_ignore_ascii_case(name) || given.eq_ignore_ascii_case(short)
    });
    match known {
        Some((name, _)) => name.to_owned(),
        None if given.eq_ignore_ascii_case("freshness") => "freshness".to_owned(),
        None => given.to_owned(),
    }
}

fn promise(given: &SlaProperty) -> Objective {
    let name = full_name(given.property.trim());
    let (figure, unit) = figure(given);
    let demand = demand(&name, figure, &unit);
    let text = given.value.as_str().map(str::to_owned);
    let shown = text.unwrap_or_else(|| given.value.to_string());
    let shown = match &given.unit {
        Some(unit) if unit::is_percent(unit) => format!("{shown} %"),
        Some(unit) => format!("{shown} {unit}"),
        None => shown,
    };
    let promised = match &demand {
        Ok(Demand::Latency { .. }) => format!("at most {shown} for 99 % of the events"),
        Ok(Demand::Freshness { .. }) => format!("newest event at most {shown} old"),
        Ok(Demand::Frequency { .. }) => format!("an event every {shown}"),
        Ok(Demand::Availability { .. }) => format!("at least {shown} of the windows"),
        Ok(Demand::Throughput { .. }) => format!("at least {shown}"),
        Ok(Demand::ErrorRate { .. }) => format!("at most {shown} of the events refused"),
        Ok(Demand::Retention { .. }) => format!("kept for at least {shown}"),
        Ok(Demand::Rule { .. }) | Err(_) => shown,
    };
    let unit = match &demand {
        Ok(Demand::Availability { .. } | Demand::ErrorRate { .. }) => "%".to_owned(),
        Ok(_) | Err(_) => unit,
    };
    Objective {
        name,
        kind: Kind::Promise,
        promised,
        target: figure,
        unit,
        demand,
    }
}

/// The figure and its unit; the unit may stand behind the figure in one text, as `99.9 %`.
fn figure(given: &SlaProperty) -> (Option<f64>, String) {
    let unit = given.unit.clone().unwrap_or_default().trim().to_owned();
    match &given.value {
        Value::Number(number) => (number.as_f64(), unit),
        Value::String(text) => {
            let text = text.trim();
            let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '-' | '+'));
            let (number, rest) = text.split_at(end.unwrap_or(text.len()));
            let unit = if unit.is_empty() {
                rest.trim().to_owned()
            } else {
                unit
            };
            (number.parse().ok(), unit)
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => (None, unit),
    }
}

fn demand(name: &str, figure: Option<f64>, unit: &str) -> Result<Demand, String> {
    let why = match name {
        "generalAvailability" | "endOfSupport" | "endOfLife" => {
            "a date is kept by people, not by a stream"
        }
        "timeToDetect" | "timeToNotify" | "timeToRepair" => {
            "it is about how people react; a stream does not show it"
        }
        "latency" | "freshness" | "frequency" | "retention" | "availability" | "throughput"
        | "errorRate" => "",
        _ => "not a property that Meshlog knows how to measure",
    };
    if !why.is_empty() {
        return Err(why.to_owned());
    }
    let Some(figure) = figure.filter(|figure| figure.is_finite() && *figure >= 0.0) else {
        return Err("its value is not a number that is 0 or more".to_owned());
    };
    let time = || {
        unit::time_ms(unit).map(|ms| figure * ms).ok_or_else(|| {
            format!("its unit is `{unit}`; expected one of ms, s, m, h, d, w, mo, y")
        })
    };
    Ok(match name {
        "latency" => Demand::Latency {
            at_most_ms: time()?,
        },
        "freshness" => Demand::Freshness {
            at_most_ms: time()?,
        },
        "frequency" => Demand::Frequency { every_ms: time()? },
        "retention" => Demand::Retention {
            at_least_ms: time()?,
        },
        "availability" => Demand::Availability {
            at_least_percent: percent(figure, unit)?,
            every_ms: None,
        },
        "errorRate" => Demand::ErrorRate {
            at_most_percent: percent(figure, unit)?,
        },
        _ => {
            let (of, per_ms) = unit::rate(unit).ok_or_else(|| {
                format!("its unit is `{unit}`; expected events/s, events/m, events/h, events/d, B/s, KB/s or MB/s")
            })?;
            Demand::Throughput {
                at_least: figure,
                of,
                per_ms,
            }
        }
    })
}

fn percent(figure: f64, unit: &str) -> Result<f64, String> {
    if !unit::is_percent(unit) && !unit.is_empty() {
        return Err(format!("its unit is `{unit}`; expected percent"));
    }
    if unit.is_empty() && figure > 0.0 && figure <= 1.0 {
        return Err(format!(
            "{figure} without a unit may be a share or a percentage; say `unit: percent`"
        ));
    }
    if figure > 100.0 {
        return Err(format!("{figure} % is more than all"));
    }
    Ok(figure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn given(property: &str, value: Value, unit: &str) -> SlaProperty {
        SlaProperty {
            property: property.to_owned(),
            value,
            unit: (!unit.is_empty()).then(|| unit.to_owned()),
            element: None,
        }
    }

    fn read(property: &str, value: Value, unit: &str) -> Objective {
        promise(&given(property, value, unit))
    }

    #[test]
    fn names_and_short_names_are_read_in_any_case() {
        let table = [
            ("latency", "s", Demand::Latency { at_most_ms: 4000.0 }),
            (
                "ly",
                "h",
                Demand::Latency {
                    at_most_ms: 14_400_000.0,
                },
            ),
            ("LY", "ms", Demand::Latency { at_most_ms: 4.0 }),
            (
                "freshness",
                "m",
                Demand::Freshness {
                    at_most_ms: 240_000.0,
                },
            ),
            (
                "frequency",
                "days",
                Demand::Frequency {
                    every_ms: 345_600_000.0,
                },
            ),
            (
                "fy",
                "d",
                Demand::Frequency {
                    every_ms: 345_600_000.0,
                },
            ),
            (
                "retention",
                "y",
                Demand::Retention {
                    at_least_ms: 126_144_000_000.0,
                },
            ),
            (
                "Re",
                "w",
                Demand::Retention {
                    at_least_ms: 2_419_200_000.0,
                },
            ),
            (
                "er",
                "percent",
                Demand::ErrorRate {
                    at_most_percent: 4.0,
                },
            ),
            (
                "errorrate",
                "%",
                Demand::ErrorRate {
                    at_most_percent: 4.0,
                },
            ),
            (
                "av",
                "%",
                Demand::Availability {
                    at_least_percent: 4.0,
                    every_ms: None,
                },
            ),
            (
                "throughput",
                "events/s",
                Demand::Throughput {
                    at_least: 4.0,
                    of: Quantity::Events,
                    per_ms: 1000.0,
                },
            ),
            (
                "th",
                "KB/m",
                Demand::Throughput {
                    at_least: 4.0,
                    of: Quantity::Bytes(1000.0),
                    per_ms: 60_000.0,
                },
            ),
        ];
        for (property, unit, expected) in table {
            assert_eq!(
                read(property, json!(4), unit).demand,
                Ok(expected),
                "{property}"
            );
        }
        assert_eq!(read("er", json!(4), "%").name, "errorRate");
    }

    #[test]
    fn figures_may_be_texts_with_their_units() {
        let availability = read("availability", json!("99.9 %"), "");
        assert_eq!(availability.target, Some(99.9));
        assert_eq!(availability.unit, "%");
        assert_eq!(availability.promised, "at least 99.9 % of the windows");
        let latency = read("latency", json!("30s"), "");
        assert_eq!(
            latency.demand,
            Ok(Demand::Latency {
                at_most_ms: 30_000.0
            })
        );
    }

    #[test]
    fn what_cannot_be_measured_says_why_and_is_not_dropped() {
        let table = [
            ("generalAvailability", json!("2026-05-12"), "", "a date"),
            ("el", json!("2030-01-01T00:00:00Z"), "", "a date"),
            ("timeToRepair", json!(2), "h", "people"),
            (
                "timeOfAvailability",
                json!("09:00-08:00"),
                "",
                "not a property",
            ),
            ("latency", json!(4), "parsec", "its unit is `parsec`"),
            ("latency", json!(4), "", "its unit is ``"),
            ("latency", json!("soon"), "s", "not a number"),
            ("latency", json!(-1), "s", "not a number"),
            ("availability", json!(0.999), "", "say `unit: percent`"),
            ("availability", json!(101), "%", "more than all"),
            ("throughput", json!(5), "events", "its unit is `events`"),
            ("retention", Value::Null, "d", "not a number"),
        ];
        for (property, value, unit, why) in table {
            let objective = read(property, value, unit);
            let found = objective.demand.expect_err(property);
            assert!(found.contains(why), "{property}: {found}");
        }
    }

    #[test]
    fn the_times_of_an_event_are_where_the_contract_says() {
        let field = |path: &str, kind: &str, classification: Option<&str>| Field {
            path: path.to_owned(),
            kind: kind.to_owned(),
            required: true,
            key: 0,
            description: String::new(),
            classification: classification.map(str::to_owned),
        };
        let fields = [
            field("at", "timestamp", None),
            field("meta.sent", "timestamp", Some("internal")),
            field("born", "timestamp", Some("restricted")),
            field("id", "string", None),
        ];
        let of = |property: &str, setting, element: &str| {
            let promise = SlaProperty {
                element: Some(element.to_owned()),
                ..given(property, json!(1), "s")
            };
            let EventTimes { latency, freshness } = event_times(setting, &[promise], &fields);
            (latency.unwrap_or_default(), freshness.unwrap_or_default())
        };
        let pair = |latency: &str, freshness: &str| (latency.to_owned(), freshness.to_owned());
        assert_eq!(of("ly", Some("meta.sent"), ""), pair("", "meta.sent"));
        assert_eq!(
            of("ly", Some("meta.sent"), "call.at"),
            pair("at", "meta.sent")
        );
        assert_eq!(of("freshness", Some("meta.sent"), "at"), pair("", "at"));
        assert_eq!(of("ly", None, "call.meta.sent"), pair("meta.sent", ""));
        assert_eq!(of("ly", None, "call.id"), pair("", ""));
        assert_eq!(of("ly", Some("born"), "call.born"), pair("", ""));
    }

    #[test]
    fn an_event_is_due_as_often_as_the_frequency_says() {
        let sla = [
            given("availability", json!(99), "%"),
            given("fy", json!(5), "m"),
            given("latency", json!(1), "s"),
            given("latency", json!(2), "s"),
        ];
        let objectives = objectives(&sla, &[]);
        assert_eq!(
            objectives[0].demand,
            Ok(Demand::Availability {
                at_least_percent: 99.0,
                every_ms: Some(300_000.0)
            })
        );
        assert_eq!(objectives[3].name, "latency 2");
    }
}
