//! Which request meets which fault, and when a held one is let go.

use super::frame::{Api, Head};
use std::fmt;
use std::time::Duration;

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It is passed on later; what follows on its connection waits behind it.
    Delay(Duration),
    /// It is passed on, its response is thrown away, and the client's connection is broken.
    LoseResponse,
    /// It is not passed on; the client is answered with this error. Only for responses that hold nothing but a time to wait
    /// and an error, as those to `AddOffsetsToTxn` and `EndTxn` before their flexible versions.
    Refuse(i16),
    /// It is kept, the client's connection is broken, and it is delivered later.
    Hold(Release),
}

/// When a held request is delivered: before the client is given the `count`-th response to `api` that the same
/// transactional id gets after the hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Which call's responses are counted.
    pub api: Api,
    /// How many.
    pub count: u32,
    /// Whether the proxy freezes before that response is passed on, so that nothing happens between the delivery and
    /// whatever is done next.
    pub then: Then,
}

/// What follows a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Life goes on.
    GoOn,
    /// The proxy freezes.
    Freeze,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Of which call.
    pub api: Api,
    /// Of whose transactions; `None` for anybody's.
    pub whose: Option<String>,
    /// How many requests pass first.
    pub skip: u32,
    /// How many requests it meets after that.
    pub times: u32,
    /// What happens to them.
    pub action: Action,
}

impl Rule {
    /// The next request of that call by that transactional id.
    pub fn next(api: Api, whose: &str, action: Action) -> Self {
        Self {
            api,
            whose: Some(whose.to_owned()),
            skip: 0,
            times: 1,
            action,
        }
    }

    fn matches(&self, head: &Head) -> bool {
        self.api == head.api && (self.whose.is_none() || self.whose == head.transactional_id)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = self.whose.as_deref().unwrap_or("anybody");
        let Self { api, action, .. } = self;
        write!(f, "{api} of {whose}: {action:?}")
    }
}

/// A request that is held.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) head: Head,
    pub(super) frame: Vec<u8>,
    release: Release,
}

impl Held {
    pub(super) fn then(&self) -> Then {
        self.release.then
    }
}

/// All rules, and what they hold.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    held: Vec<Held>,
}

impl Rules {
    pub(super) fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    pub(super) fn pending(&self) -> usize {
        self.rules.len()
    }

    /// What happens to this request; nothing, mostly.
    pub(super) fn meet(&mut self, head: &Head) -> Option<Action> {
        let at = self.rules.iter().position(|rule| rule.matches(head))?;
        let rule = &mut self.rules[at];
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        let action = rule.action.clone();
        rule.times = rule.times.saturating_sub(1);
        if rule.times == 0 {
            self.rules.remove(at);
        }
        Some(action)
    }

    pub(super) fn hold(&mut self, head: Head, frame: Vec<u8>, release: Release) {
        self.held.push(Held {
            head,
            frame,
            release,
        });
    }

    /// What a response to this request lets go.
    pub(super) fn answered(&mut self, head: &Head) -> Vec<Held> {
        let mut due = Vec::new();
        for mut held in std::mem::take(&mut self.held) {
            let counts =
                held.release.api == head.api && held.head.transactional_id == head.transactional_id;
            held.release.count -= u32::from(counts && held.release.count > 0);
            if counts && held.release.count == 0 {
                due.push(held);
            } else {
                self.held.push(held);
            }
        }
        due
    }

    pub(super) fn take_all(&mut self) -> Vec<Held> {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(api: Api, whose: &str) -> Head {
        Head {
            api,
            correlation: 1,
            transactional_id: Some(whose.to_owned()),
        }
    }

    #[test]
    fn a_rule_meets_its_call_and_transaction_so_many_times() {
        let mut rules = Rules::default();
        let mut rule = Rule::next(Api::END_TXN, "a", Action::LoseResponse);
        rule.skip = 1;
        rules.add(rule);
        assert_eq!(rules.meet(&head(Api::END_TXN, "b")), None);
        assert_eq!(rules.meet(&head(Api::PRODUCE, "a")), None);
        assert_eq!(rules.meet(&head(Api::END_TXN, "a")), None, "skipped");
        let met = rules.meet(&head(Api::END_TXN, "a"));
        assert_eq!(met, Some(Action::LoseResponse));
        assert_eq!(rules.meet(&head(Api::END_TXN, "a")), None, "used up");
    }

    #[test]
    fn a_held_request_waits_for_responses_of_its_own_transaction() {
        let mut rules = Rules::default();
        let release = Release {
            api: Api::PRODUCE,
            count: 2,
            then: Then::GoOn,
        };
        rules.hold(head(Api::END_TXN, "a"), vec![1], release);
        assert!(rules.answered(&head(Api::PRODUCE, "b")).is_empty());
        assert!(rules.answered(&head(Api::PRODUCE, "a")).is_empty());
        assert!(rules.answered(&head(Api::END_TXN, "a")).is_empty());
        assert_eq!(rules.answered(&head(Api::PRODUCE, "a")).len(), 1);
        assert_eq!(rules.held(), 0);
    }
}
