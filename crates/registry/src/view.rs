//! An instance's own view of the registry: it follows `_schemas` and the replies, and knows how far it has read.
//!
//! Handlers read the state under a short lock. Whoever needs to see everything that was acknowledged before asks the
//! broker for the end of the log first ([`View::fresh`]); questions that are close together become one.

use crate::{
    refusal::Refusal,
    request::{REQUEST_HEADER, Reply},
    state::State,
    topics::Topics,
    writer,
};
use kafka::{Admin, Cluster, LogEvent, LogReader, Record};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

/// How long a read may wait for the view to reach the end of the log.
const FRESH_WITHIN: Duration = Duration::from_secs(10);

/// How long a partition may take to find its leader, after it was made or its broker went away. Less than
/// [`FRESH_WITHIN`], so that those who wait hear the reason.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Between two questions for the end of a log that could not be answered.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How far the view has come.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// Everything before this offset of `_schemas` has been folded.
    next: i64,
    /// The end has been reached once.
    caught_up: bool,
    /// What keeps it from reading on, in words; it goes on by itself.
    trouble: Option<String>,
    /// What ended it for good, in words: a topic that was truncated, or deleted and made again.
    lost: Option<String>,
    /// Counts up with every event, so that waiters look again.
    events: u64,
}

impl Progress {
    fn is_ready(&self) -> bool {
        self.caught_up && self.trouble.is_none() && self.lost.is_none()
    }

    fn has_reached(&self, end: i64) -> bool {
        self.lost.is_some() || (self.caught_up && self.next >= end)
    }
}

/// A request of this instance whose reply is awaited.
#[derive(Debug, Default)]
struct Awaited {
    /// Records of `_schemas` seen that follow from it.
    seen: usize,
    reply: Option<Reply>,
}

#[derive(Debug, Default)]
struct Inner {
    state: RwLock<State>,
    progress: watch::Sender<Progress>,
    awaited: Mutex<HashMap<String, Awaited>>,
}

type EndAnswer = Result<i64, String>;

/// The view. Cheap to clone; the last clone dropped stops its tasks.
#[derive(Debug, Clone)]
pub(crate) struct View {
    inner: Arc<Inner>,
    ends: mpsc::Sender<oneshot::Sender<EndAnswer>>,
    /// Held so that the tasks stop with the last clone.
    _tasks: Arc<Tasks>,
}

#[derive(Debug)]
struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl View {
    /// Start to follow the topics: `_schemas` from its beginning, replies from now on.
    ///
    /// # Errors
    /// When the end of the replies cannot be read, or no reader can be made.
    pub(crate) async fn follow(
        cluster: &Cluster,
        topics: &Topics,
        admin: Arc<Admin>,
    ) -> Result<Self, kafka::StartError> {
        let replies_from = end_of(&admin, &topics.replies).await?;
        let schemas = LogReader::follow(cluster, &topics.schemas, 0)?;
        let replies = LogReader::follow(cluster, &topics.replies, replies_from)?;
        let inner = Arc::<Inner>::default();
        let (ends, questions) = mpsc::channel(1024);
        // asking for an end needs the reader's own handle, since the reader itself is busy reading
        let nudge = schemas.end_requester();
        let tasks = vec![
            tokio::spawn(follow_schemas(schemas, inner.clone())),
            tokio::spawn(follow_replies(replies, inner.clone())),
            tokio::spawn(answer_ends(
                questions,
                admin,
                topics.schemas.clone(),
                inner.clone(),
                nudge,
            )),
        ];
        Ok(Self {
            inner,
            ends,
            _tasks: Arc::new(Tasks(tasks)),
        })
    }

    /// A view of a log that has come to its end, for tests that need no broker.
    #[cfg(test)]
    pub(crate) fn still(state: State) -> Self {
        let inner = Arc::new(Inner {
            state: RwLock::new(state),
            ..Inner::default()
        });
        inner.progress(|p| p.caught_up = true);
        let (ends, mut questions) = mpsc::channel::<oneshot::Sender<EndAnswer>>(1);
        let answers = tokio::spawn(async move {
            while let Some(one) = questions.recv().await {
                one.send(Ok(0)).ok();
            }
        });
        Self {
            inner,
            ends,
            _tasks: Arc::new(Tasks(vec![answers])),
        }
    }

    /// Take one more record, as from the log.
    #[cfg(test)]
    pub(crate) fn take(&self, record: &Record) {
        self.inner.take(record);
    }

    /// Whether nobody looks at the state, so that it could go on.
    #[cfg(test)]
    pub(crate) fn is_free(&self) -> bool {
        self.inner.state.try_write().is_ok()
    }

    /// Look at the state as far as it has been read.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(
            &self
                .inner
                .state
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Whether the log has been read to its end once, and is not in trouble now.
    pub(crate) fn is_ready(&self) -> bool {
        self.inner.progress.borrow().is_ready()
    }

    /// Wait until the log has been read to its end once.
    pub(crate) async fn ready(&self) {
        let mut progress = self.inner.progress.subscribe();
        // the sender lives in `inner`, so the channel cannot close here
        progress.wait_for(Progress::is_ready).await.ok();
    }

    /// Wait until everything that was committed before this call has been folded.
    ///
    /// # Errors
    /// 50001 when the broker cannot be asked, or the log not read to there in time.
    pub(crate) async fn fresh(&self) -> Result<(), Refusal> {
        let reached = tokio::time::timeout(FRESH_WITHIN, self.reach_end());
        reached.await.unwrap_or_else(|_elapsed| {
            let trouble = self.inner.progress.borrow().trouble.clone();
            let why = trouble.unwrap_or_else(|| "its end was not reached in time".to_owned());
            Err(Refusal::store(format!(
                "Error while reading the schema log: {why}"
            )))
        })
    }

    async fn reach_end(&self) -> Result<(), Refusal> {
        let failed =
            |why: String| Refusal::store(format!("Error while reading the schema log: {why}"));
        let stopping = || failed("the registry is stopping".to_owned());
        let (sender, answer) = oneshot::channel();
        self.ends.send(sender).await.map_err(|_closed| stopping())?;
        let end = answer
            .await
            .map_err(|_closed| stopping())?
            .map_err(failed)?;
        let mut progress = self.inner.progress.subscribe();
        let reached = progress
            .wait_for(|p| p.has_reached(end))
            .await
            .map_err(|_closed| stopping())?;
        reached.lost.clone().map_or(Ok(()), |why| Err(failed(why)))
    }

    /// Await the reply to a request that is about to be appended.
    pub(crate) fn expect(&self, request: &str) -> Expected {
        self.inner
            .with_awaited(|map| map.insert(request.to_owned(), Awaited::default()));
        Expected {
            inner: self.inner.clone(),
            request: request.to_owned(),
        }
    }
}

/// A reply that is awaited. Dropping it gives up waiting.
#[derive(Debug)]
pub(crate) struct Expected {
    inner: Arc<Inner>,
    request: String,
}

impl Expected {
    /// The reply, once every record of `_schemas` that follows from the request has been folded here.
    pub(crate) async fn reply(&self) -> Reply {
        let mut progress = self.inner.progress.subscribe();
        loop {
            progress.mark_unchanged();
            if let Some(reply) = self.inner.with_awaited(|map| settled(map, &self.request)) {
                return reply;
            }
            // the sender lives in `inner`, so this ends with a change only
            progress.changed().await.ok();
        }
    }
}

fn settled(map: &HashMap<String, Awaited>, request: &str) -> Option<Reply> {
    let awaited = map.get(request)?;
    awaited
        .reply
        .as_ref()
        .filter(|reply| awaited.seen >= reply.records)
        .cloned()
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.inner.with_awaited(|map| map.remove(&self.request));
    }
}

impl Inner {
    fn with_awaited<T>(&self, act: impl FnOnce(&mut HashMap<String, Awaited>) -> T) -> T {
        act(&mut self.awaited.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn progress(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(|progress| {
            progress.events += 1;
            change(progress);
        });
    }

    /// A reader has ended by itself, which its last trouble explains. Only a restart helps.
    fn lose(&self) {
        self.progress(|p| {
            let why = p.trouble.clone().unwrap_or_else(|| "its reader has stopped".to_owned());
            tracing::error!(%why, "the registry's log is lost: start it anew once its topics are whole");
            p.lost.get_or_insert(why);
        });
    }

    fn take(&self, record: &Record) {
        writer::fold(
            &mut self.state.write().unwrap_or_else(PoisonError::into_inner),
            record,
        );
        let request = record
            .header(REQUEST_HEADER)
            .and_then(|id| std::str::from_utf8(id).ok());
        if let Some(request) = request {
            self.with_awaited(|map| {
                if let Some(awaited) = map.get_mut(request) {
                    awaited.seen += 1;
                }
            });
        }
        self.progress(|p| {
            p.next = record.offset + 1;
            p.trouble = None;
        });
    }
}

async fn follow_schemas(mut reader: LogReader, inner: Arc<Inner>) {
    while let Some(event) = reader.next().await {
        match event {
            LogEvent::Record(record) => inner.take(&record),
            LogEvent::EndReached { next } => inner.progress(|p| {
                p.next = p.next.max(next);
                p.caught_up = true;
                p.trouble = None;
            }),
            LogEvent::Trouble(what) => {
                tracing::warn!(%what, "cannot read the schema log");
                inner.progress(|p| p.trouble = Some(what));
            }
        }
    }
    inner.progress(|p| {
        p.trouble
            .get_or_insert_with(|| "its reader has stopped".to_owned());
    });
}

async fn follow_replies(mut reader: LogReader, inner: Arc<Inner>) {
    while let Some(event) = reader.next().await {
        match event {
            LogEvent::Record(record) => {
                match Reply::decode(record.value.as_deref().unwrap_or_default()) {
                    Ok(reply) => inner.with_awaited(|map| {
                        if let Some(awaited) = map.get_mut(&reply.request) {
                            awaited.reply = Some(reply);
                        }
                    }),
                    Err(error) => tracing::warn!(%error, "a registry reply cannot be read"),
                }
                inner.progress(|_| {});
            }
            LogEvent::EndReached { .. } => inner.progress(|p| p.trouble = None),
            LogEvent::Trouble(what) => {
                tracing::warn!(%what, "cannot read registry replies");
                inner.progress(|p| p.trouble = Some(what));
            }
        }
    }
    inner.lose();
}

/// Answers questions for the end of the log, all that wait with one question to the broker.
async fn answer_ends(
    mut questions: mpsc::Receiver<oneshot::Sender<EndAnswer>>,
    admin: Arc<Admin>,
    topic: String,
    inner: Arc<Inner>,
    nudge: kafka::EndRequester,
) {
    while let Some(first) = questions.recv().await {
        let mut waiting = vec![first];
        while let Ok(more) = questions.try_recv() {
            waiting.push(more);
        }
        let end = end_of(&admin, &topic)
            .await
            .map_err(|error| error.to_string());
        // markers at the end of the log are no records: only the reader can say that it has passed them
        if end
            .as_ref()
            .is_ok_and(|end| inner.progress.borrow().next < *end)
        {
            nudge.request_end();
        }
        for one in waiting {
            // whoever asked may have gone
            one.send(end.clone()).ok();
        }
    }
}

/// The end of a topic's log. A broker that has just been given the partition is asked again.
async fn end_of(admin: &Admin, topic: &str) -> Result<i64, kafka::AdminError> {
    let deadline = Instant::now() + END_WITHIN;
    loop {
        match admin.end_offsets(topic).await {
            Ok(ends) => return Ok(ends.first().map_or(0, |partition| partition.end)),
            Err(_passing) if Instant::now() < deadline => tokio::time::sleep(ASK_AGAIN).await,
            Err(error) => return Err(error),
        }
    }
}
