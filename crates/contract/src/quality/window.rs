//! Rules over many events: what is counted of the events of one window.
//!
//! The counts of windows and partitions add up, but for duplicates: an event whose double lies in another partition, or in
//! another window, is not known to be one.

use super::check::RuleError;
use super::library::{FieldCheck, Library, Metric};
use super::path::Path;
use super::{Check, QualityRule, Scope};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Most different values that one rule remembers in one window of one partition, 16 bytes each. Beyond it only doubles of
/// those are found.
const MOST_VALUES: usize = 100_000;

/// What one rule counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCount {
    /// Events looked at.
    pub rows: u64,
    /// Of these, the events that the rule's metric is about.
    pub counted: u64,
    /// Whether there may be more: not every value could be remembered, or doubles may lie in other partitions.
    #[serde(default, skip_serializing_if = "is_false")]
    pub at_least: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl RuleCount {
    /// Both together.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.counted += other.counted;
        self.at_least |= other.at_least;
    }
}

/// The rules of one contract version that are about many events.
#[derive(Debug, Default)]
pub struct WindowRules(Vec<WindowRule>);

#[derive(Debug)]
struct WindowRule {
    key: String,
    test: Test,
    /// Doubles of one key are in one partition; of other values they need not be.
    partial: bool,
}

#[derive(Debug)]
enum Test {
    Rows,
    Field(FieldCheck),
    Doubles(Vec<Path>),
}

/// What the rules counted so far in a window.
#[derive(Debug, Default)]
pub struct WindowCounts {
    counts: Vec<RuleCount>,
    seen: Vec<BTreeSet<u64>>,
}

/// The names of the rules over many events: a rule's own, and its field's where two share a name.
pub fn window_rules(rules: &[QualityRule]) -> Vec<(String, &QualityRule, &Library)> {
    let over_many = |rule: &&QualityRule| rule.scope() == Scope::Window;
    let named = |name: &str| rules.iter().filter(|rule| rule.name == name).count();
    let found = rules.iter().filter(over_many).filter_map(|rule| {
        let Check::Library(library) = &rule.check else {
            return None;
        };
        let key = if named(&rule.name) > 1 {
            format!("{} of {}", rule.name, rule.path)
        } else {
            rule.name.clone()
        };
        Some((key, rule, library))
    });
    found.collect()
}

impl WindowRules {
    /// Compile the rules over many events; the others are left out. `key` holds the properties of the contract's key.
    ///
    /// # Errors
    /// [`RuleError`] for a rule that this build cannot compile.
    pub fn compile(rules: &[QualityRule], key: &[String]) -> Result<Self, RuleError> {
        let compiled = window_rules(rules)
            .into_iter()
            .map(|(name, rule, library)| {
                let test = match library.metric {
                    Metric::RowCount => Test::Rows,
                    Metric::DuplicateValues => Test::Doubles(doubles(library, &rule.path)),
                    Metric::NullValues | Metric::MissingValues | Metric::InvalidValues => {
                        let check = FieldCheck::compile(library, &rule.path);
                        Test::Field(check.map_err(|problem| RuleError {
                            name: rule.name.clone(),
                            problem,
                        })?)
                    }
                };
                let partial = match &test {
                    Test::Doubles(paths) => !holds_key(paths, key),
                    Test::Rows | Test::Field(_) => false,
                };
                Ok(WindowRule {
                    key: name,
                    test,
                    partial,
                })
            });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    /// Whether an event has to be decoded to be counted.
    pub fn read_events(&self) -> bool {
        let reads = |rule: &WindowRule| !matches!(rule.test, Test::Rows);
        self.0.iter().any(reads)
    }

    /// Counts of a window that begins.
    pub fn start(&self) -> WindowCounts {
        WindowCounts {
            counts: vec![RuleCount::default(); self.0.len()],
            seen: vec![BTreeSet::new(); self.0.len()],
        }
    }

    /// Count an event; `None` is one that has no value or was not decoded, which counts as a row alone.
    pub fn count(&self, counts: &mut WindowCounts, event: Option<&Value>) {
        let slots = counts.counts.iter_mut().zip(&mut counts.seen);
        for (rule, (count, seen)) in self.0.iter().zip(slots) {
            match (&rule.test, event) {
                (Test::Rows, _) => count.counted += 1,
                (Test::Field(check), Some(event)) => {
                    count.counted += u64::from(!check.check(event, "").is_empty());
                }
                (Test::Doubles(paths), Some(event)) => doubled(paths, event, count, seen),
                (Test::Field(_) | Test::Doubles(_), None) => {}
            }
            count.rows += 1;
        }
    }

    /// The counts by the rules' names. `partitions` is how many the topic has.
    pub fn finish(&self, counts: &WindowCounts, partitions: i32) -> BTreeMap<String, RuleCount> {
        let rules = self.0.iter().zip(&counts.counts).map(|(rule, count)| {
            let mut count = *count;
            count.at_least |= rule.partial && partitions > 1 && count.rows > 0;
            (rule.key.clone(), count)
        });
        rules.collect()
    }
}

/// The fields whose values together must not come twice: those named, else the rule's own, else the whole event.
fn doubles(library: &Library, path: &str) -> Vec<Path> {
    let named = library.values.iter().filter_map(Value::as_str);
    let paths: Vec<Path> = named.map(Path::parse).collect();
    if paths.is_empty() && !path.is_empty() {
        return vec![Path::parse(path)];
    }
    paths
}

fn holds_key(paths: &[Path], key: &[String]) -> bool {
    let has = |name: &String| paths.iter().any(|path| *path == Path::parse(name));
    !key.is_empty() && (paths.is_empty() || key.iter().all(has))
}

fn doubled(paths: &[Path], event: &Value, count: &mut RuleCount, seen: &mut BTreeSet<u64>) {
    let mut hasher = DefaultHasher::new();
    let mut present = paths.is_empty();
    if paths.is_empty() {
        event.to_string().hash(&mut hasher);
    }
    for path in paths {
        for (_, value) in path.values(event) {
            let value = value.unwrap_or(&Value::Null);
            present |= !value.is_null();
            value.to_string().hash(&mut hasher);
        }
    }
    if !present {
        return; // nothing is not the double of nothing
    }
    let value = hasher.finish();
    if seen.contains(&value) {
        count.counted += 1;
    } else if seen.len() < MOST_VALUES {
        seen.insert(value);
    } else {
        count.at_least = true;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Operator, Unit};
    use super::*;
    use crate::settings::Mode;
    use serde_json::json;

    fn rule(name: &str, path: &str, metric: Metric, values: Vec<Value>) -> QualityRule {
        QualityRule {
            name: name.to_owned(),
            path: path.to_owned(),
            mode: Mode::Enforce,
            description: String::new(),
            check: Check::Library(Library {
                metric,
                operator: Operator::MustBeLessThan(5.into()),
                unit: Unit::Percent,
                values,
                pattern: None,
            }),
        }
    }

    fn counted(
        rules: &[QualityRule],
        key: &[&str],
        events: &[Value],
    ) -> BTreeMap<String, RuleCount> {
        let key: Vec<String> = key.iter().map(|name| (*name).to_owned()).collect();
        let compiled = WindowRules::compile(rules, &key).expect("compiles");
        let mut counts = compiled.start();
        for event in events {
            compiled.count(&mut counts, Some(event));
        }
        compiled.finish(&counts, 3)
    }

    #[test]
    fn each_metric_counts_the_events_it_is_about() {
        let events = [
            json!({"id": "a", "gate": null, "code": "X"}),
            json!({"id": "a", "gate": "A1", "code": "n/a"}),
            json!({"id": "b", "gate": "A1", "code": "X"}),
            json!({"id": null, "gate": null, "code": "X"}),
            json!({"id": null, "gate": null, "code": "X"}),
        ];
        let rules = [
            rule("rows", "", Metric::RowCount, vec![]),
            rule("nulls", "gate", Metric::NullValues, vec![]),
            rule("missing", "code", Metric::MissingValues, vec![json!("n/a")]),
            rule("invalid", "code", Metric::InvalidValues, vec![json!("X")]),
            rule("doubles", "id", Metric::DuplicateValues, vec![]),
            rule(
                "pairs",
                "",
                Metric::DuplicateValues,
                vec![json!("id"), json!("gate")],
            ),
        ];
        let counts = counted(&rules, &["id"], &events);
        let of = |name: &str| {
            (
                counts[name].rows,
                counts[name].counted,
                counts[name].at_least,
            )
        };
        assert_eq!(of("rows"), (5, 5, false));
        assert_eq!(of("nulls"), (5, 3, false));
        assert_eq!(of("missing"), (5, 1, false));
        assert_eq!(of("invalid"), (5, 1, false));
        assert_eq!(of("doubles"), (5, 1, false));
        assert_eq!(of("pairs"), (5, 0, false));
    }

    #[test]
    fn doubles_of_other_values_than_the_key_are_a_lower_bound() {
        let events = [json!({"id": "a", "seat": 1}), json!({"id": "b", "seat": 1})];
        let rules = [rule("seats", "seat", Metric::DuplicateValues, vec![])];
        let counts = counted(&rules, &["id"], &events);
        assert_eq!(
            (counts["seats"].counted, counts["seats"].at_least),
            (1, true)
        );
    }

    #[test]
    fn more_values_than_can_be_remembered_make_the_count_a_lower_bound() {
        let rules = [rule("doubles", "id", Metric::DuplicateValues, vec![])];
        let compiled = WindowRules::compile(&rules, &["id".to_owned()]).expect("compiles");
        let mut counts = compiled.start();
        for id in 0..=MOST_VALUES {
            compiled.count(&mut counts, Some(&json!({ "id": id })));
        }
        compiled.count(&mut counts, Some(&json!({ "id": 0 })));
        let found = compiled.finish(&counts, 1)["doubles"];
        assert_eq!((found.counted, found.at_least), (1, true));
    }

    #[test]
    fn rules_that_share_a_name_are_told_apart_by_their_fields() {
        let rules = [
            rule("few", "a", Metric::NullValues, vec![]),
            rule("few", "b", Metric::NullValues, vec![]),
        ];
        let names: Vec<String> = window_rules(&rules)
            .into_iter()
            .map(|(name, ..)| name)
            .collect();
        assert_eq!(names, ["few of a", "few of b"]);
    }
}
