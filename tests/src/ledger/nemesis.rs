//! The nemesis: brings about one fault after the other, by a seed, and puts everything right at the end.

use super::event::Dice;
use super::fault::Fault;
use super::progress::Watch;
use super::signs::Signs;
use super::system::System;
use crate::fault_proxy::{Action, Api, Release, Rule, Then};
use kafka::TxProducer;
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

/// Longer than an enforcer's session, so that others take over.
const PAUSE: Duration = Duration::from_secs(13);

/// How long a fault of the proxy may wait for a request that it can meet.
const MEETS_WITHIN: Duration = Duration::from_secs(8);

/// Longer than a killed enforcer's session, after which others take over.
const FLOWS_WITHIN: Duration = Duration::from_secs(12);

/// How long an enforcer at work may take to see that its transactional id was taken.
const NOTICED_WITHIN: Duration = Duration::from_secs(4);

/// How long nothing passes.
const FREEZE: Duration = Duration::from_secs(3);

/// An error after which a transaction can only be given up. Source: <https://kafka.apache.org/protocol#protocol_error_codes>
const GROUP_AUTHORIZATION_FAILED: i16 = 30;

/// How long the end of a transaction takes, and much less than until the end of the next one.
const ENDS_WITHIN: Duration = Duration::from_millis(20);

/// How long an extra enforcer stays.
const VISIT: Duration = Duration::from_secs(2);

/// Brings faults about.
#[derive(Debug)]
pub struct Nemesis {
    dice: Dice,
    faults: Vec<Fault>,
    /// What is left of the round: each fault comes once in a round.
    round: Vec<Fault>,
    rounds: usize,
    paused: Option<(usize, Instant)>,
    started: Instant,
    /// Enforcers killed.
    pub kills: usize,
    /// What was done, with its time.
    pub log: Vec<String>,
}

impl Nemesis {
    /// A nemesis that draws from these faults.
    pub fn new(seed: u64, faults: &[Fault]) -> Self {
        Self {
            dice: Dice(seed),
            faults: faults.to_vec(),
            round: Vec::new(),
            rounds: 0,
            paused: None,
            started: Instant::now(),
            kills: 0,
            log: Vec::new(),
        }
    }

    /// Whether each fault has come.
    pub fn had_all(&self) -> bool {
        self.rounds > 0 || self.faults.is_empty()
    }

    /// Waits a moment, and brings the next fault about.
    pub fn step(&mut self, system: &mut System, watch: &Watch) {
        std::thread::sleep(Duration::from_millis(500 + self.dice.below(2_000)));
        if self.faults.is_empty() {
            return;
        }
        if self.round.is_empty() {
            self.round.clone_from(&self.faults);
        }
        let at = usize::try_from(self.dice.below(self.round.len() as u64)).unwrap_or_default();
        let fault = self.round.swap_remove(at);
        self.rounds += usize::from(self.round.is_empty());
        self.resume_in_time(system);
        system.revive();
        if fault.needs_flow() {
            wait_for_flow(watch);
        }
        self.note(fault.name());
        self.bring(fault, system);
    }

    /// Puts right whatever still is not.
    pub fn heal(&mut self, system: &mut System) {
        self.note("heal");
        system.proxy.clear();
        system.proxy.thaw();
        system.runtime.block_on(system.proxy.release());
        if !system.has_broker() {
            system.start_broker();
        }
        if let Some((slot, _)) = self.paused.take() {
            resume(system, slot);
        }
        self.mend_registry(system);
        system.revive();
        for slot in 0..system.enforcers.len() {
            if system.enforcers[slot].is_none() {
                system.start_enforcer(slot);
            }
        }
    }

    /// Makes sure that the registry runs.
    pub fn mend_registry(&mut self, system: &mut System) {
        if system.registry.is_none() {
            self.note("registry back");
            system.start_registry();
        }
    }

    fn note(&mut self, what: &str) {
        let at = self.started.elapsed().as_millis();
        self.log.push(format!("{at:>7} ms {what}"));
    }

    fn bring(&mut self, fault: Fault, system: &mut System) {
        match fault {
            Fault::Kill => {
                let slot = self.slot(system);
                self.replace(system, slot);
            }
            Fault::KillAll => self.replace_all(system),
            Fault::Pause => self.pause(system),
            Fault::HoldEnd => self.hold_end(system, Then::GoOn),
            Fault::HoldEndKill => self.hold_end(system, Then::Freeze),
            Fault::HoldOffsets => self.hold_offsets(system),
            Fault::LoseEnd => self.lose(system, &[Api::END_TXN]),
            Fault::LoseOthers => {
                let others = [
                    Api::TXN_OFFSET_COMMIT,
                    Api::PRODUCE,
                    Api::ADD_OFFSETS_TO_TXN,
                    Api::ADD_PARTITIONS_TO_TXN,
                ];
                self.lose(system, &others);
            }
            Fault::Refuse => self.refuse(system),
            Fault::Reset => system.proxy.reset(),
            Fault::Freeze => {
                system.proxy.freeze();
                std::thread::sleep(FREEZE);
                system.proxy.thaw();
            }
            Fault::BrokerKill => {
                system.kill_broker();
                system.start_broker();
            }
            Fault::BrokerStop => {
                system.stop_broker();
                system.start_broker();
            }
            Fault::Hijack => self.hijack(system),
            Fault::Storm => self.storm(system),
            Fault::Registry => match system.registry.take() {
                Some(registry) => registry.kill_9(),
                None => self.mend_registry(system),
            },
        }
    }

    fn slot(&mut self, system: &System) -> usize {
        usize::try_from(self.dice.below(system.enforcers.len() as u64)).unwrap_or_default()
    }

    fn replace(&mut self, system: &mut System, slot: usize) {
        self.kill(system, slot);
        system.start_enforcer(slot);
    }

    fn replace_all(&mut self, system: &mut System) {
        self.kill_all(system);
        for slot in 0..system.enforcers.len() {
            system.start_enforcer(slot);
        }
    }

    fn kill_all(&mut self, system: &mut System) {
        for slot in 0..system.enforcers.len() {
            self.kill(system, slot);
        }
    }

    fn kill(&mut self, system: &mut System, slot: usize) {
        if self.paused.is_some_and(|(paused, _)| paused == slot) {
            self.paused = None;
        }
        if let Some(process) = system.enforcers[slot].take() {
            process.kill_9();
            self.kills += 1;
        }
    }

    fn pause(&mut self, system: &mut System) {
        if self.paused.is_some() {
            return;
        }
        let slot = self.slot(system);
        if let Some(process) = &system.enforcers[slot] {
            process.signal(Signal::SIGSTOP);
            self.paused = Some((slot, Instant::now()));
        }
    }

    fn resume_in_time(&mut self, system: &System) {
        if let Some((slot, since)) = self.paused
            && since.elapsed() >= PAUSE
        {
            self.paused = None;
            self.note("resume");
            resume(system, slot);
        }
    }

    fn hold_end(&mut self, system: &mut System, then: Then) {
        let release = Release {
            api: Api::PRODUCE,
            count: 1,
            then,
        };
        let met = self.hold(system, Api::END_TXN, release);
        if then == Then::Freeze {
            self.die_frozen(system);
        }
        self.note(met);
    }

    fn hold_offsets(&mut self, system: &mut System) {
        // The first response is that of the repetition, the second that of the next transaction.
        let release = Release {
            api: Api::TXN_OFFSET_COMMIT,
            count: 2,
            then: Then::GoOn,
        };
        let met = self.hold(system, Api::TXN_OFFSET_COMMIT, release);
        // Time for the end of that transaction, and none for another.
        std::thread::sleep(ENDS_WITHIN);
        self.kill_all(system);
        for slot in 0..system.enforcers.len() {
            system.start_enforcer(slot);
        }
        self.note(met);
    }

    /// Adds the rule for whoever comes first, and waits until it has been met and what it holds delivered.
    fn hold(&mut self, system: &System, api: Api, release: Release) -> &'static str {
        system.proxy.add(Rule {
            api,
            whose: None,
            skip: 0,
            times: 1,
            action: Action::Hold(release),
        });
        let delivered = system
            .runtime
            .block_on(system.proxy.reaches(MEETS_WITHIN, |proxy| {
                proxy.pending() == 0 && proxy.held() == 0
            }));
        if delivered {
            "delivered"
        } else {
            "not delivered"
        }
    }

    /// Nothing passes: all that is left to the enforcers is to die.
    fn die_frozen(&mut self, system: &mut System) {
        self.kill_all(system);
        system.proxy.thaw();
        for slot in 0..system.enforcers.len() {
            system.start_enforcer(slot);
        }
    }

    fn lose(&mut self, system: &System, apis: &[Api]) {
        let api = *self.dice.pick(apis);
        self.note(&format!("lose responses to {api}"));
        system.proxy.add(Rule {
            api,
            whose: None,
            skip: 0,
            times: 3,
            action: Action::LoseResponse,
        });
    }

    fn refuse(&self, system: &System) {
        system.proxy.add(Rule {
            api: Api::ADD_OFFSETS_TO_TXN,
            whose: None,
            skip: 0,
            times: 2,
            action: Action::Refuse(GROUP_AUTHORIZATION_FAILED),
        });
    }

    /// Of one slot after the other, until one is seen to notice: an enforcer that owns nothing does not.
    fn hijack(&mut self, system: &System) {
        let (first, count) = (self.slot(system), system.enforcers.len());
        let fenced = || Signs::of(&system.enforcer_logs()).fenced;
        for turn in 0..count {
            let (slot, before, since) = ((first + turn) % count, fenced(), Instant::now());
            let taken = TxProducer::new(&system.cluster(), &system.transactional_id(slot));
            let told = taken.map_or_else(|error| error.to_string(), |_| "taken".to_owned());
            self.note(&told);
            while since.elapsed() < NOTICED_WITHIN {
                if fenced() > before {
                    return;
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        }
    }

    /// Each comes into a group that has not settled since the one before.
    fn storm(&mut self, system: &System) {
        let first = system.enforcers.len();
        let mut visitors = Vec::new();
        for slot in first..first + 2 {
            visitors.push(system.extra_enforcer(slot));
            std::thread::sleep(VISIT);
        }
        for (number, visitor) in visitors.into_iter().enumerate() {
            if number % 2 == 0 {
                visitor.kill_9();
                self.kills += 1;
                // Nobody comes again under this number: what it left open would stand until it times out.
                let id = system.transactional_id(first + number);
                drop(TxProducer::new(&system.cluster(), &id));
            } else {
                // As a user would; it leaves the group and says so.
                visitor.signal(Signal::SIGTERM);
                std::thread::sleep(VISIT);
            }
        }
    }
}

/// Waits until events are judged, so that there is something to disturb; not for ever.
fn wait_for_flow(watch: &Watch) {
    let (before, since) = (watch.last().committed, Instant::now());
    while watch.last().committed <= before && since.elapsed() < FLOWS_WITHIN {
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn resume(system: &System, slot: usize) {
    if let Some(process) = &system.enforcers[slot] {
        process.signal(Signal::SIGCONT);
    }
}
