//! A proxy in front of one broker that does what networks do, at moments that networks choose seldom: it delays a
//! request, loses a response, or keeps a request, breaks the client's connection, and delivers it later.
//!
//! ```text
//! client ──▶ proxy ──▶ broker's second listener (whose advertised port is the proxy's: `kafka::dev::Detour`)
//!              │
//!            rules: which call, whose transaction ▶ delay | lose the response | hold, and release when …
//! ```
//!
//! It reads the head of each request ([`frame`]) and the correlation id of each response, nothing else; bytes go on as
//! they came. `rules.rs` decides, `relay.rs` carries.

pub mod frame;
mod relay;
mod rules;

pub use frame::Api;
pub use rules::{Action, Release, Rule, Then};

use frame::Head;
use rules::Rules;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// How often somebody who waits for the proxy looks.
const GLANCE: Duration = Duration::from_millis(5);

/// A running proxy. Its tasks end with their runtime.
#[derive(Debug, Clone)]
pub struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
}

/// What connections and their master share.
#[derive(Debug)]
struct Shared {
    upstream: u16,
    started: Instant,
    rules: Mutex<Rules>,
    /// While true nothing passes, in either direction.
    frozen: watch::Sender<bool>,
    /// Counted up to break all connections.
    broken: watch::Sender<u64>,
    said: Mutex<Vec<String>>,
}

impl FaultProxy {
    /// Listens on a free port for clients of the broker that listens on `upstream`, which may not run yet.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(upstream: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            upstream,
            started: Instant::now(),
            rules: Mutex::default(),
            frozen: watch::Sender::new(false),
            broken: watch::Sender::new(0),
            said: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        Handle::current().spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay::connection(client, Arc::clone(&accepting)));
            }
        });
        Ok(Self { port, shared })
    }

    /// The port to come to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Adds a rule; a request meets the first that matches it.
    pub fn add(&self, rule: Rule) {
        self.shared.say(format!("rule: {rule}"));
        self.shared.rules().add(rule);
    }

    /// Forgets all rules. What is held stays held: see [`release`](Self::release).
    pub fn clear(&self) {
        self.shared.rules().clear();
    }

    /// Requests that are held now.
    pub fn held(&self) -> usize {
        self.shared.rules().held()
    }

    /// Rules that are still to be met.
    pub fn pending(&self) -> usize {
        self.shared.rules().pending()
    }

    /// Delivers what is held, whatever it waits for.
    pub async fn release(&self) {
        let held = self.shared.rules().take_all();
        for held in held {
            self.shared.deliver(held).await;
        }
    }

    /// Lets nothing pass until [`thaw`](Self::thaw); connections stay open.
    pub fn freeze(&self) {
        self.shared.say("freeze".to_owned());
        self.shared.frozen.send_replace(true);
    }

    /// Whether it lets nothing pass.
    pub fn is_frozen(&self) -> bool {
        *self.shared.frozen.borrow()
    }

    /// Lets everything pass again.
    pub fn thaw(&self) {
        self.shared.say("thaw".to_owned());
        self.shared.frozen.send_replace(false);
    }

    /// Breaks all connections.
    pub fn reset(&self) {
        self.shared.say("reset".to_owned());
        self.shared.broken.send_modify(|times| *times += 1);
    }

    /// Waits until something holds of the proxy; `false` when it does not in time.
    pub async fn reaches(&self, limit: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        while !holds(self) {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(GLANCE).await;
        }
        true
    }

    /// What it did so far, in order.
    pub fn said(&self) -> Vec<String> {
        lock(&self.shared.said).clone()
    }
}

impl Shared {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        lock(&self.rules)
    }

    fn say(&self, what: String) {
        let at = self.started.elapsed().as_millis();
        lock(&self.said).push(format!("{at:>7} ms {what}"));
    }

    fn say_of(&self, what: &str, head: &Head) {
        let whose = head.transactional_id.as_deref().unwrap_or("nobody");
        self.say(format!("{what} {} of {whose}", head.api));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
