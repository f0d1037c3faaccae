//! What happens in the demo's world: customers ask, models answer. The domains report it, each in its own words.

use jiff::Timestamp;

/// Models, with how long they take (ms), how well they do (percent of good ratings) and what a token costs (micros).
const MODELS: [(&str, u64, u64, i64); 3] = [
    ("swift-2", 420, 74, 4),
    ("sage-4", 1900, 91, 30),
    ("sage-4-mini", 800, 82, 9),
];
const CUSTOMERS: [&str; 5] = ["acme", "globex", "initech", "umbrella", "wayne"];
const TALKS: [(&str, &str); 5] = [
    (
        "Where is my invoice?",
        "Under Billing, Documents: the latest one stands on top.",
    ),
    (
        "Summarize this contract in three points.",
        "It runs for a year, renews by itself, and ends with a month's notice.",
    ),
    (
        "Why was my flight late?",
        "The aircraft came late from its previous flight, by 38 minutes.",
    ),
    (
        "Write a haiku about Kafka.",
        "Offsets march ahead / each partition keeps its word / nothing is forgotten",
    ),
    (
        "Which region sold most last week?",
        "North, with 18 % more than the week before.",
    ),
];

/// A small generator of numbers: a demo must look alive, not be unpredictable (xorshift64*).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// A generator; any seed will do.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// True in so many cases of a hundred.
    pub(super) fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len() as u64);
        from[usize::try_from(at).expect("below a length")]
    }
}

/// A question and its answer.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    /// Number of the turn, from 0.
    pub(super) number: u64,
    /// Conversation.
    pub(super) conversation: String,
    /// Who asks.
    pub(super) customer: &'static str,
    /// Who answers.
    pub(super) model: &'static str,
    /// What was asked.
    pub(super) question: &'static str,
    /// What was answered.
    pub(super) answer: &'static str,
    /// Tokens of the question with what came before.
    pub(super) input_tokens: i64,
    /// Tokens of the answer.
    pub(super) output_tokens: i64,
    /// How long the answer took, ms.
    pub(super) latency_ms: i64,
    /// What the customer thought of it.
    pub(super) rating: Option<i64>,
    /// Price of the turn, micros.
    pub(super) amount_micros: i64,
    /// When.
    pub(super) at: Timestamp,
}

/// The world, turn by turn.
#[derive(Debug)]
pub(super) struct World {
    dice: Dice,
    run: u64,
    turns: u64,
}

impl World {
    /// A world; `run` tells the ids of this run from those of others.
    pub(super) fn new(run: u64) -> Self {
        Self {
            dice: Dice::new(run),
            run,
            turns: 0,
        }
    }

    /// What happens next.
    pub(super) fn turn(&mut self, at: Timestamp) -> Turn {
        let dice = &mut self.dice;
        let (model, usual_ms, good, price) = dice.pick(&MODELS);
        let (question, answer) = dice.pick(&TALKS);
        let number = self.turns;
        self.turns += 1;
        let tokens = |n: u64| i64::try_from(n).expect("a few hundred");
        let (input_tokens, output_tokens) =
            (tokens(40 + dice.below(900)), tokens(15 + dice.below(300)));
        let latency_ms = tokens(usual_ms / 2 + dice.below(usual_ms));
        let rating = dice
            .percent(30)
            .then(|| if dice.percent(good) { 1 } else { -1 });
        Turn {
            number,
            conversation: format!("c-{:x}-{:05}", self.run, number / 4),
            customer: dice.pick(&CUSTOMERS),
            model,
            question,
            answer,
            input_tokens,
            output_tokens,
            latency_ms,
            rating,
            amount_micros: (input_tokens / 4 + output_tokens) * price,
            at,
        }
    }
}

/// The time, once for all of the demo.
#[expect(
    clippy::disallowed_methods,
    reason = "a domain service stamps its own events"
)]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_is_the_same_world_and_another_is_not() {
        let turns = |run: u64| {
            let mut world = World::new(run);
            (0..50)
                .map(|_| format!("{:?}", world.turn(Timestamp::UNIX_EPOCH)))
                .collect::<Vec<_>>()
        };
        assert_eq!(turns(7), turns(7));
        assert_ne!(turns(7), turns(9));
    }

    #[test]
    fn percentages_are_about_right() {
        let mut dice = Dice::new(42);
        let hits = (0..10_000).filter(|_| dice.percent(3)).count();
        assert!((200..400).contains(&hits), "{hits}");
    }
}
