//! `meshlog breaker`: the circuit breaker of a port: how it is, hold a port by hand, reset.

use clap::Subcommand;
use contract::address::PortAddress;
use governance::breaker::BreakerAct;
use serde_json::{Value, json};

use super::Global;
use super::apply::settled;
use crate::client::Client;
use crate::output::{self, Format};

/// What to do with a circuit breaker.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Whether it is open or the port held, where and why
    Status {
        /// The port
        port: PortAddress,
    },
    /// Close what is open and hold the port no longer; what waits is judged and, where refused, quarantined
    Reset(Args),
    /// Hold the port: no event is judged until it is reset
    Hold(Args),
}

/// Which port, and why.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The port
    port: PortAddress,
    /// Why: recorded for ever with the fact, so no personal data
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Runs a verb.
pub(super) async fn run(global: &Global, verb: Verb) -> anyhow::Result<()> {
    let client = Client::new(&global.target)?;
    match verb {
        Verb::Status { port } => status(&client, &port, global.output).await,
        Verb::Reset(Args { port, reason }) => {
            let port = port.topic();
            act(&client, &BreakerAct::Reset { port, reason }, global.output).await
        }
        Verb::Hold(Args { port, reason }) => {
            let port = port.topic();
            act(&client, &BreakerAct::Hold { port, reason }, global.output).await
        }
    }
}

async fn status(client: &Client, port: &PortAddress, format: Format) -> anyhow::Result<()> {
    let address = port.topic();
    let shown = client.get(&["ports", &address], &[]).await?;
    let stats = client.get(&["ports", &address, "stats"], &[]).await?;
    output::object(format, &combined(&address, &shown["breaker"], &stats))?;
    Ok(())
}

/// What the facts say and what is seen now: an enforcer holds at once, and the fact follows.
fn combined(port: &str, recorded: &Value, stats: &Value) -> Value {
    let mut status = json!({"port": port});
    for (name, value) in recorded.as_object().into_iter().flatten() {
        status[name] = value.clone();
    }
    if stats["state"] == "breaker" && status["state"] == "closed" {
        status["state"] = json!("open");
    }
    let why = stats.get("why").filter(|_| stats["state"] == "breaker");
    status["why"] = why.cloned().unwrap_or_default();
    status["lag"] = stats["lag"].clone();
    status
}

async fn act(client: &Client, act: &BreakerAct, format: Format) -> anyhow::Result<()> {
    let answer = client.act_on_breaker(act).await?;
    let seq = settled(client, answer).await?;
    let port = act.port();
    let (done, already) = match act {
        BreakerAct::Hold { .. } => ("held", "is held already"),
        BreakerAct::Reset { .. } | BreakerAct::Opened { .. } | BreakerAct::Closed { .. } => {
            ("reset", "has no open circuit breaker and is not held")
        }
    };
    match format {
        Format::Json => {
            output::json_line(&json!({"port": port, "done": seq.map(|_| done), "seq": seq}))?;
        }
        Format::Table => {
            output::line(match seq {
                Some(seq) => format!("{port}: {done}, recorded as fact {seq}"),
                None => format!("{port} {already}: nothing to do"),
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_comes_before_the_fact() {
        let closed = json!({"state": "closed", "held": null, "open": []});
        let stats = json!({"state": "breaker", "why": "6 of 10", "lag": 3});
        let status = combined("a.b.c.v1", &closed, &stats);
        assert_eq!(
            (&status["state"], &status["why"], &status["lag"]),
            (&json!("open"), &json!("6 of 10"), &json!(3))
        );
        let held = json!({"state": "held", "held": "drill", "open": []});
        assert_eq!(combined("p", &held, &stats)["state"], "held");
        let running = json!({"state": "paused", "why": "other", "lag": 0});
        assert_eq!(combined("p", &closed, &running)["why"], Value::Null);
    }
}
