//! The ledger test: events with known verdicts go in, everything around them fails, and an independent program says
//! whether each came out once, in order, where it belongs.
//!
//! ```text
//! generator ──▶ inbox ──▶ enforcers (killed, paused, fenced …) ──▶ product topic, quarantine
//!     │                        ▲ through the fault proxy                    │
//!   ledger ────────────────────┼──────────────────────────▶ checker (Java) ◀┘ committed offsets
//!                           nemesis
//! ```
//!
//! [`event`] makes the events, [`generator`] sends them and writes the [`book`]; [`system`] is what is tested, [`nemesis`]
//! brings the [`fault`]s, [`signs`] says whether they had an effect, [`progress`] how long events stood still, [`memory`] what
//! the enforcers took, and [`checker`] has the last word. The rules are in docs/reliability.md.

pub mod book;
pub mod checker;
pub mod documents;
pub mod event;
pub mod fault;
pub mod generator;
pub mod memory;
pub mod nemesis;
pub mod progress;
pub mod report;
pub mod signs;
pub mod system;

pub use fault::Fault;
pub use report::{Report, Verdict};

use checker::{Subject, check};
use generator::{Generator, Load};
use memory::Memory;
use nemesis::Nemesis;
use progress::Watch;
use signs::{Expected, Signs};
use std::path::Path;
use std::time::{Duration, Instant};
use system::System;

/// How long it may take after the last fault until all that waited is judged.
const DRAINED: Duration = Duration::from_secs(180);

/// What a run is.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which events and which order of faults.
    pub seed: u64,
    /// How long events are sent, at least: until each fault has come.
    pub time: Duration,
    /// Events a second.
    pub rate: u64,
    /// Enforcers.
    pub slots: usize,
    /// What may go wrong.
    pub faults: Vec<Fault>,
    /// How soon after the last fault a fresh event must have passed.
    pub fresh: Duration,
    /// A mistake that the enforcers are to make; needs a build with the feature `mutants`.
    pub mutant: Option<String>,
}

impl Default for Plan {
    /// The form that CI runs.
    fn default() -> Self {
        Self {
            seed: 1,
            time: Duration::from_secs(60),
            rate: 800,
            slots: 3,
            faults: Fault::ALL.to_vec(),
            fresh: Duration::from_secs(30),
            mutant: None,
        }
    }
}

/// Runs a plan in a directory, which must be empty; ledger, logs and topics stay there.
#[track_caller]
pub fn run(plan: &Plan, dir: &Path) -> Report {
    let mut system = System::start(dir, plan.slots, plan.mutant.as_deref());
    let ledger = dir.join("ledger.tsv");
    let (group, port) = (system.group(), system.port());
    let inbox = format!("{port}.inbox");
    let load = Load {
        cluster: system.cluster(),
        topic: inbox.clone(),
        seed: plan.seed,
        rate: plan.rate,
        schema: system.schema(1),
    };
    let runtime = system.runtime.handle().clone();
    let watch = Watch::start(runtime, system.cluster(), group.clone(), inbox.clone());
    let watch = watch.expect("a thread");
    let generator = Generator::start(load, &ledger).expect("a ledger");

    let mut nemesis = Nemesis::new(plan.seed, &plan.faults);
    let mut memory = Memory::default();
    let lookers = (&watch, &mut memory);
    disturb(plan, &mut system, &mut nemesis, lookers, &generator);
    nemesis.heal(&mut system);
    let healed = Instant::now();
    let fresh = passes(&mut system, &inbox, healed);
    let sent = generator.stop().expect("the ledger is written");
    let drained = drains(&mut system, &inbox);
    let stall = watch.stop();
    let dead = system.dead();
    // Before anything that could go wrong with the checker, which takes long after a long run.
    memory.keep(dir);

    let bootstrap = system.cluster().bootstrap().to_owned();
    let finding = check(&Subject {
        bootstrap: &bootstrap,
        group: &group,
        port: &port,
        inbox: &inbox,
        ledger: &ledger,
    });
    let signs = Signs::of(&system.enforcer_logs());
    let fenced = if plan.faults.contains(&Fault::Hijack) {
        Expected::Yes
    } else {
        Expected::No
    };
    let missing = if plan.faults.is_empty() {
        Vec::new()
    } else {
        signs.missing(fenced)
    };
    let report = Report {
        seed: plan.seed,
        sent,
        kills: nemesis.kills,
        crashes: system.crashes,
        signs,
        missing,
        fresh,
        fresh_limit: plan.fresh,
        drained,
        stall,
        dead,
        memory,
        finding,
    };
    report.keep(dir, &nemesis.log, &system.proxy.said());
    report
}

/// Faults, for as long as the plan says; the contract changes when a third of the time is over.
fn disturb(
    plan: &Plan,
    system: &mut System,
    nemesis: &mut Nemesis,
    (watch, memory): (&Watch, &mut Memory),
    generator: &Generator,
) {
    let started = Instant::now();
    let mut changed = false;
    while started.elapsed() < plan.time || !nemesis.had_all() {
        nemesis.step(system, watch);
        memory.look(system);
        if !changed && started.elapsed() > plan.time / 3 {
            changed = true;
            nemesis.mend_registry(system);
            system.change_contract();
            generator.use_second(system.schema(2));
        }
    }
}

/// How long it takes after the last fault until events that were sent after it are judged, and every partition of the
/// product shows new ones: what a dead enforcer left open hides them from readers.
fn passes(system: &mut System, inbox: &str, healed: Instant) -> Option<Duration> {
    let (cluster, group, port) = (system.cluster(), system.group(), system.port());
    let runtime = system.runtime.handle().clone();
    let ask = || runtime.block_on(progress::ask(&cluster, &group, inbox));
    let visible = || runtime.block_on(progress::visible(&cluster, &port));
    let (mut due, mut shown) = (None, None);
    while healed.elapsed() < DRAINED {
        system.revive();
        if let (Ok(now), Ok(ends)) = (ask(), visible()) {
            // What is there now was sent before this moment; one more event was sent after it.
            let due = *due.get_or_insert(now.end + 1);
            let shown: &Vec<i64> = shown.get_or_insert_with(|| ends.clone());
            let moved = shown.iter().zip(&ends).all(|(before, now)| now > before);
            if now.committed >= due && moved {
                return Some(healed.elapsed());
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    None
}

/// Waits until all is judged; how long that took.
fn drains(system: &mut System, inbox: &str) -> Option<Duration> {
    let (cluster, group) = (system.cluster(), system.group());
    let started = Instant::now();
    while started.elapsed() < DRAINED {
        system.revive();
        let now = system
            .runtime
            .block_on(progress::ask(&cluster, &group, inbox));
        if now.is_ok_and(|now| now.end > 0 && now.is_done()) {
            return Some(started.elapsed());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    None
}
