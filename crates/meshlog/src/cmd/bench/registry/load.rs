//! The load: HTTP/1.1 connections that stay open, one request at a time on each, over plain sockets, so that little of the
//! machine goes into asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// When a run ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// So many requests have been answered.
    Count(usize),
    /// So long it has run.
    Elapsed(Duration),
}

/// What a run took.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Of each request, sorted.
    pub(super) latencies: Vec<Duration>,
    /// From the first request to the last answer.
    pub(super) took: Duration,
}

impl Measured {
    /// Answers in a second.
    pub(super) fn rate(&self) -> f64 {
        let count = u32::try_from(self.latencies.len()).unwrap_or(u32::MAX);
        f64::from(count) / self.took.as_secs_f64()
    }

    /// The latency that so many of a hundred requests stay within, in ms.
    pub(super) fn percentile(&self, percent: usize) -> f64 {
        let at = self.latencies.len() * percent / 100;
        let at = at.min(self.latencies.len().saturating_sub(1));
        let found = self.latencies.get(at).copied().unwrap_or_default();
        found.as_secs_f64() * 1_000.0
    }
}

/// A request, ready to be sent.
pub(super) fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: bench\r\naccept: application/vnd.schemaregistry.v1+json\r\n\
         content-type: application/vnd.schemaregistry.v1+json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Sends requests over so many connections; `make` makes the n-th.
pub(super) async fn drive(
    address: &str,
    connections: usize,
    until: Until,
    make: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static,
) -> anyhow::Result<Measured> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let (make, next) = (Arc::new(make), Arc::<AtomicUsize>::default());
    let start = Instant::now();
    let mut working = JoinSet::new();
    for connection in open {
        working.spawn(work(connection, until, start, make.clone(), next.clone()));
    }
    let mut measured = Measured::default();
    while let Some(done) = working.join_next().await {
        measured
            .latencies
            .extend(done.context("a connection's task failed")??);
    }
    measured.took = start.elapsed();
    measured.latencies.sort_unstable();
    Ok(measured)
}

async fn work(
    mut connection: Connection,
    until: Until,
    start: Instant,
    make: Arc<impl Fn(usize) -> Vec<u8> + Send + Sync + 'static>,
    next: Arc<AtomicUsize>,
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let over = match until {
            Until::Count(count) => index >= count,
            Until::Elapsed(span) => start.elapsed() >= span,
        };
        if over {
            return Ok(latencies);
        }
        let request = make(index);
        let sent = Instant::now();
        connection.ask(&request).await?;
        latencies.push(sent.elapsed());
    }
}

/// One connection.
struct Connection {
    stream: BufReader<TcpStream>,
    line: Vec<u8>,
    body: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            line: Vec::new(),
            body: Vec::new(),
        })
    }

    /// Sends a request and reads the whole answer, which has to be a good one.
    async fn ask(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.stream.get_mut().write_all(request).await?;
        let status = self.line().await?.to_owned();
        let mut length = None;
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse().context("an unknown content-length")?);
            }
        }
        let Some(length) = length else {
            bail!("an answer without its length");
        };
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body).await?;
        let text = String::from_utf8_lossy(&self.body);
        ensure!(status.contains(" 200 "), "{status}: {text}");
        Ok(())
    }

    async fn line(&mut self) -> anyhow::Result<&str> {
        self.line.clear();
        let read = self.stream.read_until(b'\n', &mut self.line).await?;
        ensure!(read > 0, "the registry hung up");
        Ok(std::str::from_utf8(&self.line)?.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let measured = Measured {
            latencies: (1..=200).map(Duration::from_millis).collect(),
            took: Duration::from_secs(2),
        };
        assert_eq!(measured.rate(), 100.0);
        assert_eq!(measured.percentile(50), 101.0);
        assert_eq!(measured.percentile(99), 199.0);
        assert_eq!(Measured::default().percentile(99), 0.0);
    }
}
