//! The one writer of `_schemas`: requests in, records and replies out, in one transaction.
//!
//! The `kafka` crate runs it: group, fence, reading the log, batches, and handing back what was written. Here is only
//! what a request leads to.

use crate::{
    decide::decide,
    defect,
    record::{Key, NoopValue, Write},
    refusal::Refusal,
    request::{Outcome, REQUEST_HEADER, Reply, Request},
    state::State,
    topics::Topics,
};
use kafka::{Header, LogCore, Outgoing, Record};
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Longest id of a request, in bytes: replies and headers repeat it. Ours are UUIDs.
const MAX_ID: usize = 256;

/// The registry's part of the log writer.
#[derive(Debug)]
pub(crate) struct Core {
    topics: Topics,
    state: State,
    /// Records written and not yet read back.
    unconfirmed: VecDeque<Write>,
}

impl Core {
    /// A writer over `topics`, before it has read anything.
    pub(crate) fn new(topics: Topics) -> Self {
        Self {
            topics,
            state: State::default(),
            unconfirmed: VecDeque::new(),
        }
    }

    fn answer(&mut self, request: &Request) -> Vec<Outgoing> {
        let decided = unpanicked(|| decide(&self.state, &request.command));
        let (writes, outcome) = match decided {
            Ok(decision) => (
                self.claimed(decision.writes),
                Outcome::Done(decision.answer),
            ),
            Err(refusal) => (Vec::new(), Outcome::Refused(refusal)),
        };
        let reply = Reply {
            v: crate::request::FORMAT,
            request: request.id.clone(),
            records: writes.len(),
            outcome,
        };
        let mut out = Vec::with_capacity(writes.len() + 1);
        for write in writes {
            if let Err(error) = self.state.fold(&write.key, write.value.as_deref(), None) {
                // decide and fold disagree: a defect, which the read-back would meet as well
                tracing::error!(%error, request = %request.id, "a record just decided does not fold");
            }
            self.unconfirmed.push_back(write.clone());
            let headers = vec![Header::new(REQUEST_HEADER, request.id.as_bytes())];
            out.push(outgoing(
                &self.topics.schemas,
                Some(write.key),
                write.value,
                headers,
            ));
        }
        let key = Some(request.id.clone().into_bytes());
        out.push(outgoing(
            &self.topics.replies,
            key,
            Some(reply.encode()),
            Vec::new(),
        ));
        out
    }
}

impl Core {
    /// The writes, the first ones with the mesh's name before them: two meshes on one log would give ids twice.
    fn claimed(&self, mut writes: Vec<Write>) -> Vec<Write> {
        if self.state.mesh().is_none() && !writes.is_empty() {
            let claim = NoopValue {
                mesh: Some(self.topics.mesh.clone()),
                ..self.state.max_ids()
            };
            let claim = Write::put(&Key::Noop, &claim);
            // One record holds both; a later one without the name would take it away.
            writes.retain(|write| write.key != claim.key);
            writes.insert(0, claim);
        }
        writes
    }
}

/// Ask, and refuse where asking panics: a defect, often of a library in reading a schema. A writer that ended by it would
/// meet the same request after every start; what is asked changes nothing, so going on is safe.
fn unpanicked<T>(ask: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(ask))
        .unwrap_or_else(|panic| Err(defect::refuse("deciding a registry request", &*panic)))
}

fn outgoing(
    topic: &str,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
) -> Outgoing {
    Outgoing {
        topic: topic.to_owned(),
        partition: Some(0),
        timestamp_ms: None,
        key,
        value,
        headers,
    }
}

impl LogCore for Core {
    fn reset(&mut self) {
        self.state = State::default();
        self.unconfirmed.clear();
    }

    fn fold(&mut self, record: &Record) -> Result<(), String> {
        fold(&mut self.state, record);
        match self.state.mesh() {
            Some(mesh) if mesh != self.topics.mesh => Err(format!(
                "{} belongs to the registry of mesh `{mesh}`, this is mesh `{}`: each mesh needs a topic of its own, set \
                 registry.topic",
                record.topic, self.topics.mesh
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn decide(&mut self, request: &Record) -> Vec<Outgoing> {
        match Request::decode(request.value.as_deref().unwrap_or_default()) {
            Ok(request) if request.id.len() > MAX_ID => {
                tracing::warn!("a registry request has an id too long to be replied to");
                Vec::new()
            }
            Ok(request) => self.answer(&request),
            Err(error) => {
                // whoever wrote it waits for no reply of ours
                tracing::warn!(%error, offset = request.offset, "a registry request cannot be read");
                Vec::new()
            }
        }
    }

    fn confirm(&mut self, record: &Record) -> Result<(), String> {
        if record.topic != self.topics.schemas {
            return Ok(());
        }
        match self.unconfirmed.pop_front() {
            Some(write)
                if Some(&write.key) == record.key.as_ref() && write.value == record.value =>
            {
                Ok(())
            }
            Some(_) => Err(format!(
                "the record at offset {} of {} is not the one written: another writer is at work",
                record.offset, record.topic
            )),
            None => Err(format!(
                "the record at offset {} of {} was not written by this writer",
                record.offset, record.topic
            )),
        }
    }

    fn request_topics(&self) -> Vec<String> {
        vec![self.topics.requests.clone()]
    }
}

/// Fold a record of `_schemas`. What cannot be taken is passed over, by writers and readers alike, as the reference
/// does: one bad record must not take every schema away.
pub(crate) fn fold(state: &mut State, record: &Record) {
    let key = record.key.as_deref().unwrap_or_default();
    if let Err(error) = state.fold(key, record.value.as_deref(), record.timestamp_ms) {
        tracing::warn!(%error, topic = %record.topic, offset = record.offset, "passed over a record");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Answer, Command, Register};

    fn request(id: &str, schema: &str) -> Record {
        let command = Command::Register(Register {
            subject: "s".into(),
            schema: schema.into(),
            ..Register::default()
        });
        record(
            "mesh.registry.requests",
            None,
            Some(Request::new(id.into(), command).encode()),
        )
    }

    fn record(topic: &str, key: Option<Vec<u8>>, value: Option<Vec<u8>>) -> Record {
        Record {
            topic: topic.into(),
            partition: 0,
            offset: 0,
            timestamp_ms: None,
            key,
            value,
            headers: vec![],
        }
    }

    fn core() -> Core {
        Core::new(Topics::new("mesh", "_schemas"))
    }

    #[test]
    fn a_request_leads_to_its_records_and_one_reply() {
        let mut core = core();
        let out = core.decide(&request("r-1", "\"string\""));
        let topics: Vec<_> = out.iter().map(|o| o.topic.as_str()).collect();
        assert_eq!(topics, ["_schemas", "_schemas", "mesh.registry.replies"]);
        let claim = out[0].value.as_deref().expect("a value");
        assert_eq!(claim, br#"{"maxId":0,"mesh":"mesh"}"#, "whose log it is");
        assert_eq!(out[1].headers, [Header::new(REQUEST_HEADER, "r-1")]);
        let reply = Reply::decode(out[2].value.as_deref().expect("a value")).expect("a reply");
        assert_eq!((reply.request.as_str(), reply.records), ("r-1", 2));
        assert!(matches!(
            reply.outcome,
            Outcome::Done(Answer::Registered {
                id: 1,
                version: 1,
                ..
            })
        ));

        for written in &out[..2] {
            let back = record("_schemas", written.key.clone(), written.value.clone());
            core.confirm(&back).expect("what was written");
        }
        let back = record("_schemas", out[1].key.clone(), out[1].value.clone());
        assert!(core.confirm(&back).is_err(), "only once");
        let more = vec![Write::put(&Key::Noop, &NoopValue::default())];
        assert_eq!(core.claimed(more.clone()), more, "said once");
    }

    #[test]
    fn a_log_of_another_mesh_is_refused_and_the_first_to_say_so_has_it() {
        let claims = |mesh: &str| {
            let mut core = Core::new(Topics::new(mesh, "_schemas"));
            let out = core.decide(&request("r-1", "\"string\""));
            record("_schemas", out[0].key.clone(), out[0].value.clone())
        };
        let (ours, theirs) = (claims("mesh"), claims("another"));
        let why = core().fold(&theirs).expect_err("theirs");
        assert!(
            why.contains("belongs to the registry of mesh `another`"),
            "{why}"
        );
        let mut first = core();
        first.fold(&ours).expect("ours");
        first
            .fold(&theirs)
            .expect("they have not seen that it is ours");
        let unclaimed = record(
            "_schemas",
            Some(Key::Noop.encode()),
            Some(br#"{"maxId":7}"#.to_vec()),
        );
        core().fold(&unclaimed).expect("an older build's");
    }

    #[test]
    fn what_remembers_the_ids_keeps_whose_log_it_is() {
        let mut core = core();
        let noop = Write::put(&Key::Noop, &NoopValue::default());
        let writes = core.claimed(vec![noop.clone()]);
        assert_eq!(writes.len(), 1, "one record says both");
        core.state
            .fold(&writes[0].key, writes[0].value.as_deref(), None)
            .expect("folds");
        assert_eq!(core.state.mesh(), Some("mesh"));
        assert_eq!(core.state.max_ids().mesh.as_deref(), Some("mesh"));
    }

    #[test]
    fn requests_of_one_batch_see_each_other() {
        let mut core = core();
        core.decide(&request("r-1", "\"string\""));
        let out = core.decide(&request("r-2", "\"string\""));
        assert_eq!(out.len(), 1, "a reply, no record");
    }

    #[test]
    fn an_aborted_attempt_is_written_again_with_the_same_bytes() {
        let mut core = core();
        let first = core.decide(&request("r-1", "\"string\""));
        core.reset();
        assert_eq!(core.decide(&request("r-1", "\"string\"")), first);
    }

    #[test]
    fn anothers_record_in_place_of_ours_stops_the_writer() {
        let mut core = core();
        let out = core.decide(&request("r-1", "\"string\""));
        let other = record("_schemas", out[0].key.clone(), Some(b"{}".to_vec()));
        assert!(core.confirm(&other).is_err());
    }

    #[test]
    fn a_request_whose_deciding_panics_is_refused() {
        let refused = unpanicked::<()>(|| unreachable!("a defect"));
        assert_eq!(refused, Err(Refusal::defect()));
    }

    #[test]
    fn what_is_no_request_is_passed_over() {
        let junk = record("mesh.registry.requests", None, Some(b"junk".to_vec()));
        assert!(core().decide(&junk).is_empty());
        let id = "i".repeat(1_000_000);
        assert!(core().decide(&request(&id, "\"string\"")).is_empty());
    }
}
