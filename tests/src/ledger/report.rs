//! What came of a run.

use super::checker::Finding;
use super::generator::Sent;
use super::memory::Memory;
use super::signs::Signs;
use serde_json::{Value, json};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// What came of a run, in one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every rule holds, and the faults had an effect.
    Green,
    /// These rules are broken.
    Red(Vec<String>),
    /// Every rule holds, and these things did not happen: nothing is proved.
    Invalid(Vec<&'static str>),
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// The plan's seed.
    pub seed: u64,
    /// What went in.
    pub sent: Sent,
    /// Enforcers killed.
    pub kills: usize,
    /// Enforcers that a known fault of librdkafka ended.
    pub crashes: usize,
    /// What the enforcers' logs say.
    pub signs: Signs,
    /// What should have happened and did not.
    pub missing: Vec<&'static str>,
    /// How long after the last fault an event sent after it was judged.
    pub fresh: Option<Duration>,
    /// How long it may be.
    pub fresh_limit: Duration,
    /// How long after the last event all was judged.
    pub drained: Option<Duration>,
    /// The longest time without progress.
    pub stall: Duration,
    /// Roles that ended by themselves.
    pub dead: Vec<String>,
    /// What the enforcers took.
    pub memory: Memory,
    /// What the checker found.
    pub finding: Finding,
}

/// Reasons that the generator gives cause for.
const REASONS: usize = 7;

impl Report {
    /// In one word.
    pub fn verdict(&self) -> Verdict {
        let mut rules: Vec<String> = Vec::new();
        for (rule, _) in self.finding.broken() {
            rules.push(rule);
        }
        if self.fresh.is_none_or(|fresh| fresh > self.fresh_limit) {
            rules.push("liveness".to_owned());
        }
        rules.extend(self.dead.iter().map(|role| format!("dead {role}")));
        rules.extend(self.memory.broken());
        if !rules.is_empty() {
            return Verdict::Red(rules);
        }
        let mut missing = self.missing.clone();
        let reasons = self.finding.value["reasons"].as_object();
        if reasons.is_none_or(|reasons| reasons.len() < REASONS) {
            missing.push("each reason");
        }
        if missing.is_empty() {
            Verdict::Green
        } else {
            Verdict::Invalid(missing)
        }
    }

    /// Everything, as data.
    pub fn json(&self) -> Value {
        let ms = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        json!({
            "seed": self.seed, "verdict": format!("{:?}", self.verdict()),
            "sent": self.sent.events, "unknown_sends": self.sent.unknown, "kills": self.kills, "crashes": self.crashes,
            "signs": self.signs.json(), "fresh_s": ms(self.fresh), "drained_s": ms(self.drained),
            "stall_s": self.stall.as_secs_f64(), "dead": self.dead, "memory": self.memory.json(), "checker": self.finding.value,
        })
    }

    /// Writes it beside the ledger, with what was done.
    pub(super) fn keep(&self, dir: &Path, nemesis: &[String], proxy: &[String]) {
        let write = |name: &str, text: String| {
            std::fs::write(dir.join(name), text).expect("the run's directory takes it");
        };
        write("report.json", format!("{:#}\n", self.json()));
        write("nemesis.log", nemesis.join("\n"));
        write("proxy.log", proxy.join("\n"));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Signs {
            transactions,
            aborts,
            unknown,
            replaced,
            fenced,
            rebalances,
        } = self.signs;
        write!(
            f,
            "ledger: seed {} events {} txns {transactions} kills {} crashes {} aborts {aborts} unknown {unknown} replaced {replaced} \
             fenced {fenced} rebalances {rebalances} ",
            self.seed, self.finding.value["events"], self.kills, self.crashes
        )?;
        let rules = self.finding.value["broken"].as_object();
        for (rule, count) in rules.into_iter().flatten() {
            write!(f, "{rule}={count} ")?;
        }
        let seconds = |time: Option<Duration>| {
            time.map_or_else(
                || "never".to_owned(),
                |time| format!("{:.1} s", time.as_secs_f64()),
            )
        };
        write!(
            f,
            "longest stall {:.1} s, fresh event after {}, an enforcer's memory at most {} MB: {:?}",
            self.stall.as_secs_f64(),
            seconds(self.fresh),
            self.memory.most_mb(),
            self.verdict()
        )
    }
}
