//! Following the control path's logs: the state as this process knows it, for provisioner, API and enforcer.
//!
//! A record that does not extend the log stops the follower: it says where, and the last good view stays, marked stale.

use crate::core::{chain, fold_people};
use crate::topics::Topics;
use governance::log;
use governance::mesh::Mesh;
use governance::people::People;
use kafka::{Cluster, EndRequester, LogEvent, LogReader, ReadError, Record};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What is known at one moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The folded facts.
    pub mesh: Arc<Mesh>,
    /// The folded people.
    pub people: Arc<People>,
    /// How many ends of the governance log have been reached: grows with every answered end-of-log read.
    pub ends: u64,
    /// Why the view no longer moves, or does so late.
    pub trouble: Option<String>,
}

/// A follower of the governance and people logs.
#[derive(Debug)]
pub struct Follower {
    view: watch::Receiver<View>,
    ends: Ends,
    task: JoinHandle<()>,
}

/// Asks for end-of-log reads.
#[derive(Debug, Clone)]
pub struct Ends {
    requester: EndRequester,
    view: watch::Receiver<View>,
    asked: Arc<AtomicU64>,
}

/// The log could not be read to its end in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the governance log could not be read to its end: {0}")]
pub struct NotAtEnd(pub String);

impl Ends {
    /// Wait until the view has taken in everything that was in the governance log when this was called.
    ///
    /// # Errors
    /// [`NotAtEnd`] after `limit`, or when the follower has stopped.
    pub async fn reach(&self, limit: Duration) -> Result<View, NotAtEnd> {
        let mut view = self.view.clone();
        let before = view.borrow_and_update().ends;
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.requester.request_end();
        let reached = view.wait_for(|view| view.ends > before);
        match tokio::time::timeout(limit, reached).await {
            Ok(Ok(view)) => Ok(view.clone()),
            Ok(Err(_)) => Err(NotAtEnd("the follower has stopped".to_owned())),
            Err(_) => {
                let trouble = self.view.borrow().trouble.clone();
                Err(NotAtEnd(
                    trouble.unwrap_or_else(|| format!("no answer within {limit:?}")),
                ))
            }
        }
    }
}

impl Follower {
    /// Follow the logs from their beginning.
    ///
    /// # Errors
    /// When no Kafka client can be made.
    pub fn start(cluster: &Cluster, topics: &Topics) -> Result<Self, ReadError> {
        let facts = LogReader::follow(cluster, &topics.governance, 0)?;
        let people = LogReader::follow(cluster, &topics.people, 0)?;
        let requester = facts.end_requester();
        let (sender, view) = watch::channel(View::default());
        let task = tokio::spawn(run(facts, people, sender));
        let ends = Ends {
            requester,
            view: view.clone(),
            asked: Arc::default(),
        };
        Ok(Self { view, ends, task })
    }

    /// The view, and every change of it.
    pub fn view(&self) -> watch::Receiver<View> {
        self.view.clone()
    }

    /// A handle for end-of-log reads.
    pub fn ends(&self) -> Ends {
        self.ends.clone()
    }

    /// Wait until the mesh is founded: its log has been read, and is not empty.
    pub async fn founded(&self) {
        let mut view = self.view();
        // The sender lives as long as we do.
        drop(view.wait_for(|view| view.mesh.founded.is_some()).await);
    }

    /// Stop following.
    pub fn stop(self) {
        self.task.abort();
    }
}

async fn run(mut facts: LogReader, mut people: LogReader, sender: watch::Sender<View>) {
    let mut mesh = Mesh::default();
    let mut names = People::default();
    loop {
        tokio::select! {
            event = facts.next() => match event {
                Some(LogEvent::Record(record)) => {
                    if let Err(why) = fold(&mut mesh, &record) {
                        tracing::error!(reason = %why, "the governance log cannot be folded further");
                        sender.send_modify(|view| view.trouble = Some(why));
                        return hold_still(sender).await;
                    }
                }
                Some(LogEvent::EndReached { .. }) => publish(&sender, &mesh, None),
                Some(LogEvent::Trouble(why)) => {
                    tracing::warn!(reason = %why, "the governance log cannot be read now");
                    sender.send_modify(|view| view.trouble = Some(why));
                }
                None => return,
            },
            event = people.next() => match event {
                Some(LogEvent::Record(record)) => {
                    if let Err(why) = fold_people(&mut names, &record) {
                        tracing::error!(reason = %why, "a record of the people topic is unreadable");
                    }
                }
                Some(LogEvent::EndReached { .. }) => publish(&sender, &mesh, Some(&names)),
                Some(LogEvent::Trouble(why)) => {
                    tracing::warn!(reason = %why, "the people topic cannot be read now");
                }
                None => return,
            },
        }
    }
}

fn fold(mesh: &mut Mesh, record: &Record) -> Result<(), String> {
    let value = record.value.as_deref().unwrap_or_default();
    log::fold(mesh, value)
        .map(drop)
        .map_err(|error| chain(&error))
}

fn publish(sender: &watch::Sender<View>, mesh: &Mesh, people: Option<&People>) {
    sender.send_modify(|view| {
        if view.mesh.size != mesh.size {
            view.mesh = Arc::new(mesh.clone());
        }
        match people {
            Some(people) => view.people = Arc::new(people.clone()),
            None => {
                view.ends += 1;
                view.trouble = None;
            }
        }
    });
}

/// Keep the channel open: the last good view is served as stale.
async fn hold_still(sender: watch::Sender<View>) {
    sender.closed().await;
}
