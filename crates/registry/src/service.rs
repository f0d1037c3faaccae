//! The registry as its handlers see it: read the view, or submit a write and wait until it shows.
//!
//! Any instance takes writes: it appends a request, the one writer decides, and the answer is given once this
//! instance's own view has passed it. So every instance reads its writes, and none forwards to another.

use crate::{
    aside::Aside,
    decide,
    refusal::Refusal,
    request::{Answer, Command, Outcome, Register, Reply, Request},
    state::State,
    topics::Topics,
    view::View,
};
use kafka::{Outgoing, Producer, WriterStatus};
use std::time::Duration;
use tokio::sync::watch;

/// How long a write may take, from the request to the reply: longer than a writer's take-over, shorter than the 60 s
/// after which clients hang up.
const WRITE_WITHIN: Duration = Duration::from_secs(40);

/// A schema that was registered, or had been before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The schema's id.
    pub id: u32,
    /// The version under the subject.
    pub version: u32,
    /// The schema's GUID.
    pub guid: String,
}

/// The registry's operations. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    view: View,
    producer: Producer,
    topics: Topics,
    writer: watch::Receiver<WriterStatus>,
    aside: Aside,
    /// The id of the Kafka cluster, for `GET /v1/metadata/id`.
    pub(crate) cluster_id: String,
}

impl Service {
    /// The operations over a view and a producer of requests.
    pub(crate) fn new(
        view: View,
        producer: Producer,
        topics: Topics,
        writer: watch::Receiver<WriterStatus>,
        cluster_id: String,
    ) -> Self {
        Self {
            view,
            producer,
            topics,
            writer,
            aside: Aside::new(),
            cluster_id,
        }
    }

    /// Whether this instance is the one that writes.
    pub(crate) fn is_writer(&self) -> bool {
        matches!(*self.writer.borrow(), WriterStatus::Writing)
    }

    /// The view.
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// Where work is done that reads or compares schemas.
    pub(crate) fn aside(&self) -> &Aside {
        &self.aside
    }

    /// Look at the state, with everything in it that was committed before this call.
    ///
    /// # Errors
    /// 50001 when the log cannot be read to its end; else what `look` says.
    pub(crate) async fn read_fresh<T>(
        &self,
        look: impl FnOnce(&State) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.view.fresh().await?;
        self.view.read(look)
    }

    /// Look at the state in memory, and only if that finds nothing, at the state as of now: for what never changes.
    ///
    /// # Errors
    /// As [`Service::read_fresh`].
    pub(crate) async fn read_known<T>(
        &self,
        look: impl Fn(&State) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        match self.view.read(&look) {
            Ok(found) => Ok(found),
            Err(_missing) => self.read_fresh(look).await,
        }
    }

    /// Have a write decided, and wait until this instance shows what follows from it.
    ///
    /// # Errors
    /// What the rules refuse; 42209 when the request does not fit a record; 50001 when it cannot be appended; 50002
    /// when no reply came in time.
    pub(crate) async fn submit(&self, command: Command) -> Result<Answer, Refusal> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the edge: the id only ties a reply to its request"
        )]
        let id = uuid::Uuid::now_v7().to_string();
        let expected = self.view.expect(&id);
        let written = async {
            self.append(&Request::new(id, command)).await?;
            Ok(expected.reply().await)
        };
        let reply = match tokio::time::timeout(WRITE_WITHIN, written).await {
            Ok(reply) => reply?,
            Err(_elapsed) => {
                return Err(Refusal::timeout(
                    "Write to the schema log timed out. It may still be done: asking again is safe.",
                ));
            }
        };
        self.settle(reply).await
    }

    async fn append(&self, request: &Request) -> Result<(), Refusal> {
        let value = request.encode();
        let size = value.len();
        let record = Outgoing {
            topic: self.topics.requests.clone(),
            partition: Some(0),
            timestamp_ms: None,
            key: None,
            value: Some(value),
            headers: Vec::new(),
        };
        match self.producer.send(record).await {
            Ok(_delivered) => Ok(()),
            Err(error) if error.is_too_large() => Err(Refusal::too_large(size)),
            Err(error) => Err(Refusal::store(format!(
                "Failed to write to the schema log: {error}"
            ))),
        }
    }

    async fn settle(&self, reply: Reply) -> Result<Answer, Refusal> {
        match reply.outcome {
            Outcome::Refused(refusal) => Err(refusal),
            Outcome::Done(answer) => {
                if reply.records == 0 {
                    // it rests on records of an earlier request, which this view may not have reached
                    self.view.fresh().await?;
                }
                Ok(answer)
            }
        }
    }

    /// The subject that a name means: another's alias stands for that other.
    ///
    /// # Errors
    /// As [`Service::read_fresh`].
    pub(crate) async fn meant(&self, subject: &str) -> Result<String, Refusal> {
        self.read_fresh(|state| Ok(state.aliased(subject)))
            .await
            .map(|aliased| aliased.unwrap_or_else(|| subject.to_owned()))
    }

    /// Register a schema under the subject that is meant, which is given back. What the subject holds already is
    /// answered without a write.
    ///
    /// # Errors
    /// As [`Service::submit`].
    pub(crate) async fn register(
        &self,
        mut request: Register,
    ) -> Result<(String, Registered), Refusal> {
        decide::check_name(&request.subject)?;
        self.view.fresh().await?;
        let excerpt = self.view.read(|state| {
            if let Some(aliased) = state.aliased(&request.subject) {
                request.subject = aliased;
            }
            let subjects = std::slice::from_ref(&request.subject);
            state.excerpt(subjects, &request.references)
        });
        let subject = request.subject.clone();
        let work = move || Ok((held(&excerpt, &request)?, request));
        let (known, request) = self.aside.run(work).await?;
        let registered = match known {
            Some(registered) => registered,
            None => self.submit_registration(Command::Register(request)).await?,
        };
        Ok((subject, registered))
    }

    /// Have a write decided that leads to a version of a subject.
    ///
    /// # Errors
    /// As [`Service::submit`].
    pub(crate) async fn submit_registration(
        &self,
        command: Command,
    ) -> Result<Registered, Refusal> {
        match self.submit(command).await? {
            Answer::Registered { id, version, guid } => Ok(Registered { id, version, guid }),
            Answer::Deleted(_)
            | Answer::Configured(_)
            | Answer::ConfigDeleted(_)
            | Answer::Mode(_)
            | Answer::ContextDeleted => Err(stray()),
        }
    }
}

/// The reply to another kind of request: only a writer of another build gives one.
pub(crate) fn stray() -> Refusal {
    Refusal::store("The schema log's writer gave an answer of another kind")
}

fn held(state: &State, request: &Register) -> Result<Option<Registered>, Refusal> {
    if request.owner.is_some() && request.owner.as_deref() != state.owner(&request.subject) {
        return Ok(None);
    }
    let found = decide::held(state, request)?;
    Ok(found.map(|(version, found)| Registered {
        id: found.id,
        version,
        guid: found.guid.clone(),
    }))
}
