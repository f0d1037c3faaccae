//! One client's connection, carried to the broker and back.

use super::Shared;
use super::frame::{self, Head, correlation, with_length};
use super::lock;
use super::rules::{Action, Held, Then};
use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

/// How long a late request may take to be answered.
const LATE: Duration = Duration::from_secs(10);

/// Why a connection is over.
type Ended = io::Result<()>;

/// What is known of a request until its response comes.
struct Expected {
    head: Head,
    lose: Lose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lose {
    Yes,
    No,
}

type Open = Mutex<HashMap<i32, Expected>>;

/// Carries a connection until one side ends it, or a fault does.
pub(super) async fn connection(client: TcpStream, shared: Arc<Shared>) {
    let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.upstream)).await else {
        return;
    };
    // Small frames must not wait for more; and a client whose connection ends learns it at once.
    for stream in [&client, &broker] {
        drop(stream.set_nodelay(true));
    }
    drop(client.set_zero_linger());
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let open = Open::default();
    let (forged, answers) = mpsc::unbounded_channel();
    let mut broken = shared.broken.subscribe();
    broken.mark_unchanged();
    // Whatever ends first ends all: the halves are dropped, and both connections closed.
    tokio::select! {
        ended = requests(from_client, to_broker, &open, &shared, forged) => drop(ended),
        ended = responses(from_broker, to_client, &open, &shared, answers) => drop(ended),
        changed = broken.changed() => drop(changed),
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    open: &Open,
    shared: &Shared,
    answers: mpsc::UnboundedSender<Vec<u8>>,
) -> Ended {
    while let Some(frame) = frame::read(&mut from).await? {
        shared.thawed().await;
        let Some(head) = Head::parse(&frame) else {
            return Err(io::Error::other("no request"));
        };
        let action = shared.rules().meet(&head);
        let lose = match action {
            None => Lose::No,
            Some(Action::Delay(time)) => {
                shared.say_of("delay", &head);
                tokio::time::sleep(time).await;
                Lose::No
            }
            Some(Action::LoseResponse) => Lose::Yes,
            Some(Action::Refuse(code)) => {
                shared.say_of(&format!("refuse by {code}"), &head);
                let id = head.correlation.to_be_bytes();
                let answer = [&id[..], &[0; 4], &code.to_be_bytes()].concat();
                drop(answers.send(answer));
                continue;
            }
            Some(Action::Hold(release)) => {
                shared.say_of("hold", &head);
                shared.rules().hold(head, frame, release);
                return Ok(());
            }
        };
        lock(open).insert(head.correlation, Expected { head, lose });
        to.write_all(&with_length(&frame)).await?;
    }
    Ok(())
}

async fn responses(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    open: &Open,
    shared: &Shared,
    mut forged: mpsc::UnboundedReceiver<Vec<u8>>,
) -> Ended {
    // Reads in a task of its own: a frame that is half read must not be dropped for a forged one.
    let (sender, mut real) = mpsc::channel(1);
    let _reader = AbortOnDrop(tokio::spawn(async move {
        while let Ok(Some(frame)) = frame::read(&mut from).await {
            if sender.send(frame).await.is_err() {
                return;
            }
        }
    }));
    loop {
        let frame = tokio::select! {
            Some(frame) = forged.recv() => frame,
            frame = real.recv() => match frame {
                Some(frame) => frame,
                None => return Ok(()),
            },
        };
        shared.thawed().await;
        if passes(&frame, open, shared).await == Lose::Yes {
            return Ok(());
        }
        to.write_all(&with_length(&frame)).await?;
    }
}

/// Delivers what waits for this response, and says whether the response is lost.
async fn passes(frame: &[u8], open: &Open, shared: &Shared) -> Lose {
    let expected = correlation(frame).and_then(|id| lock(open).remove(&id));
    let Some(Expected { head, lose }) = expected else {
        return Lose::No;
    };
    if lose == Lose::Yes {
        shared.say_of("lose the response to", &head);
        return lose;
    }
    let due = shared.rules().answered(&head);
    for held in due {
        shared.deliver(held).await;
        shared.thawed().await;
    }
    lose
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Shared {
    /// Waits while nothing may pass.
    async fn thawed(&self) {
        let mut frozen = self.frozen.subscribe();
        // An error means that the proxy is gone, and so is what it froze.
        drop(frozen.wait_for(|frozen| !frozen).await);
    }

    /// Delivers a held request over a connection of its own, as the network would have from a connection that the
    /// client has given up. The broker cannot tell one from the other.
    pub(super) async fn deliver(&self, held: Held) {
        let answer = tokio::time::timeout(LATE, late(self.upstream, &held.frame)).await;
        let answer = match answer {
            Ok(Ok(Some(frame))) => format!("answered {}", hex(&frame)),
            Ok(Ok(None)) => "the broker hung up".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        self.say_of(&format!("deliver late ({answer})"), &held.head);
        if held.then() == Then::Freeze {
            self.say("freeze".to_owned());
            self.frozen.send_replace(true);
        }
    }
}

async fn late(upstream: u16, request: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut broker = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await?;
    broker.write_all(&with_length(request)).await?;
    frame::read(&mut broker).await
}

/// Of `EndTxn`, version 1: correlation id, time to wait, error code.
fn hex(frame: &[u8]) -> String {
    let shown = &frame[..frame.len().min(64)];
    shown.iter().map(|byte| format!("{byte:02x}")).collect()
}
