//! The conversations domain: an ordinary service that writes its messages as plain JSON to its inbox.

use serde::Serialize;
use serde_json::{Value, json};

use super::world::{Dice, Turn};

/// The port it owns.
pub(super) const PORT: &str = "conversations.messages.events.v1";
/// Messages of a hundred that break the contract.
const BROKEN_PERCENT: u64 = 3;

/// A message, as the service knows it.
#[derive(Debug, Serialize)]
struct Message<'a> {
    message_id: String,
    conversation_id: &'a str,
    customer_id: &'a str,
    sender: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    sent_at: String,
    text: &'a str,
    tokens: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rating: Option<i64>,
    language: &'a str,
}

/// An event as it is written, and whether it breaks its contract.
#[derive(Debug)]
pub(super) struct Made {
    /// The key.
    pub(super) key: String,
    /// The value.
    pub(super) value: Vec<u8>,
    /// Whether it was spoiled on purpose.
    pub(super) broken: bool,
}

/// The two messages of a turn.
pub(super) fn messages(turn: &Turn, dice: &mut Dice) -> Vec<Made> {
    let message = |suffix: &str| Message {
        message_id: format!("{}-{}{suffix}", turn.conversation, turn.number),
        conversation_id: &turn.conversation,
        customer_id: turn.customer,
        sender: "user",
        model: None,
        sent_at: format!("{:.3}", turn.at),
        text: turn.question,
        tokens: turn.input_tokens,
        latency_ms: None,
        rating: None,
        language: "en",
    };
    let answer = Message {
        sender: "assistant",
        model: Some(turn.model),
        text: turn.answer,
        tokens: turn.output_tokens,
        latency_ms: Some(turn.latency_ms),
        rating: turn.rating,
        ..message("a")
    };
    [message("q"), answer]
        .iter()
        .map(|message| made(turn, message, dice))
        .collect()
}

fn made(turn: &Turn, message: &Message<'_>, dice: &mut Dice) -> Made {
    let value = serde_json::to_value(message).expect("a message has text keys only");
    let broken = dice.percent(BROKEN_PERCENT);
    let value = if broken {
        spoiled(value, dice)
    } else {
        value.to_string()
    };
    Made {
        key: turn.conversation.clone(),
        value: value.into_bytes(),
        broken,
    }
}

/// What goes wrong in real services: a field dropped, renamed, of another type, out of bounds, or half a text.
fn spoiled(mut message: Value, dice: &mut Dice) -> String {
    match dice.below(5) {
        0 => drop(
            message
                .as_object_mut()
                .and_then(|members| members.shift_remove("tokens")),
        ),
        1 => message["sender"] = json!("bot"),
        2 => message["tokens"] = json!(message["tokens"].to_string()),
        3 => message["tenant"] = json!("eu-1"),
        _ => {
            let text = message.to_string();
            return text.chars().take(text.chars().count() / 2).collect();
        }
    }
    message.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::world::{World, now};
    use contract::document::{Document, parse};
    use contract::rule::{ActiveVersion, Bound, Event, PortRules};
    use contract::verdict::Verdict;

    #[test]
    fn exactly_the_spoiled_messages_break_the_contract() {
        let text = include_str!("../../../../schemas/examples/conversations/messages.odcs.yaml");
        let document = parse("messages", text).expect("parses").remove(0).document;
        let Document::Contract(odcs) = document else {
            unreachable!("it is a contract")
        };
        let spec = contract::spec::derive(&odcs, &Default::default()).expect("derives");
        let bound = Bound::default();
        let version = ActiveVersion::of(&spec, &[], &bound);
        let rules = PortRules::compile("c", &[version])
            .expect("compiles")
            .expect("one version");
        let (mut world, mut dice) = (World::new(3), Dice::new(5));
        let mut broken = 0;
        for made in (0..500).flat_map(|_| messages(&world.turn(now()), &mut dice)) {
            let event = Event {
                key: Some(made.key.as_bytes()),
                value: Some(&made.value),
                headers: &[],
            };
            let verdict = rules.judge_known(&event);
            assert_eq!(verdict != Verdict::Accepted, made.broken, "{verdict:?}");
            broken += usize::from(made.broken);
        }
        assert!(broken > 10, "{broken}");
    }
}
