//! `meshlog apply`: documents to the governor, its answer to the author, and the wait until the ports are open.

mod adopt;
mod collect;
mod report;

pub(crate) use collect::Documents;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use governance::body::Refusal;
use indicatif::ProgressBar;
use serde_json::Value;

use super::Global;
use crate::client::{Answer, Client, DryRun, Status};
use crate::exit::{Exit, Failure, said};
use crate::output::{self, Format};

/// How long `apply` waits for topics and schemas before it says what is missing and leaves.
const PORTS_LIMIT: Duration = Duration::from_secs(60);
/// How long what keeps a port from coming into force has to stay the same before it is told: it may pass by itself, and is
/// tried again every two seconds.
const REASON_LIMIT: Duration = Duration::from_secs(8);
/// How often it looks.
const GLANCE: Duration = Duration::from_millis(200);

/// Options of `apply`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A file of documents, or a directory: in it every .yaml, .yml and .json file with a `kind`
    #[arg(short, long = "file", value_name = "FILE|DIR", required = true)]
    files: Vec<PathBuf>,
    /// Say what would happen, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Proposes the documents and tells what happened.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<()> {
    let documents = Documents::collect(&args.files)?;
    let client = Client::new(&global.target)?;
    let dry_run = if args.dry_run {
        DryRun::Yes
    } else {
        DryRun::No
    };
    submit(&client, &documents, dry_run, global.output).await
}

/// Proposes documents and waits for the outcome.
pub(crate) async fn propose(
    client: &Client,
    documents: &Documents,
    dry_run: DryRun,
) -> anyhow::Result<Answer> {
    let answer = client.propose(&documents.bundle, dry_run).await?;
    if answer.is_pending() {
        decided(client, answer).await
    } else {
        Ok(answer)
    }
}

/// Proposes documents, prints what came of each, and waits until their ports are open.
async fn submit(
    client: &Client,
    documents: &Documents,
    dry_run: DryRun,
    format: Format,
) -> anyhow::Result<()> {
    let notes = adopt::look(client, &documents.adoptions, now_ms()).await?;
    let answer = propose(client, documents, dry_run).await?;
    match answer.status() {
        Status::Rejected => {
            refused(&answer, dry_run, format)?;
            return Err(said(Exit::Refused));
        }
        Status::Accepted | Status::Unchanged | Status::Pending => {}
    }
    let changes = match dry_run {
        DryRun::Yes => report::planned(&answer),
        DryRun::No => report::written(client, &answer).await?,
    };
    let lines = report::per_document(&documents.labels, &changes, dry_run);
    match format {
        Format::Json => {
            let mut object = answer.raw.clone();
            object["documents"] = lines.iter().map(report::Line::to_json).collect();
            if !notes.is_empty() {
                object["notes"] = notes.into();
            }
            output::json_line(&object)?;
        }
        Format::Table => {
            for line in &lines {
                output::line(line.to_string())?;
            }
        }
    }
    if dry_run == DryRun::No {
        ports_open(client, &answer).await?;
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a retention means is a question of now"
)]
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn refused(answer: &Answer, dry_run: DryRun, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        output::json_line(&answer.raw)?;
    }
    let would = if dry_run == DryRun::Yes {
        "would be refused"
    } else {
        "refused"
    };
    let fact = answer
        .seq
        .map(|seq| format!(", recorded as fact {seq}"))
        .unwrap_or_default();
    let count = answer.reasons.len();
    let reasons = if count == 1 {
        "1 reason".to_owned()
    } else {
        format!("{count} reasons")
    };
    eprintln!("{would}: {reasons}{fact}; nothing was changed");
    for reason in &answer.reasons {
        eprint!("{}", reason_text(reason));
    }
    Ok(())
}

/// `code document path`, what is wrong, the way out.
fn reason_text(reason: &Refusal) -> String {
    let place: Vec<&str> = [reason.code.as_str(), &reason.document, &reason.path]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let mut text = format!("{}: {}\n", place.join(" "), reason.message);
    if !reason.way_out.is_empty() {
        text.push_str(&format!("  way out: {}\n", reason.way_out));
    }
    text
}

/// Waits for the outcome of a proposal that the governor had not decided in time.
pub(crate) async fn decided(client: &Client, answer: Answer) -> anyhow::Result<Answer> {
    eprintln!(
        "proposal {} is taken; waiting for the governor",
        answer.proposal_id
    );
    let start = Instant::now();
    while start.elapsed() < PORTS_LIMIT {
        if let Some(value) = client.find(&["proposals", &answer.proposal_id]).await? {
            let found = Answer::read(value)?;
            if !found.is_pending() {
                return Ok(found);
            }
        }
        tokio::time::sleep(GLANCE).await;
    }
    anyhow::bail!(
        "proposal {} is not decided after {} s: the governor is not running, or cannot reach Kafka; \
         it will be decided when it does",
        answer.proposal_id,
        PORTS_LIMIT.as_secs()
    )
}

/// Waits for the outcome of a proposal about one thing: the fact that it led to, none where it is so already.
///
/// # Errors
/// It was refused, and why; or it is not decided in time.
pub(crate) async fn settled(client: &Client, answer: Answer) -> anyhow::Result<Option<u64>> {
    let answer = if answer.is_pending() {
        decided(client, answer).await?
    } else {
        answer
    };
    if answer.status() == Status::Rejected {
        let reasons = answer.reasons.iter().map(|reason| reason.message.clone());
        let text = reasons.collect::<Vec<_>>().join("; ");
        return Err(Failure::Refused(text).into());
    }
    Ok(answer.seqs.last().copied())
}

/// Waits until the ports that the proposal concerns are in force as it asked.
pub(crate) async fn ports_open(client: &Client, answer: &Answer) -> anyhow::Result<()> {
    if answer.seqs.is_empty() {
        return Ok(());
    }
    let bar = ProgressBar::new_spinner();
    let start = Instant::now();
    // The reasons as they stand, and since when.
    let mut known = (Pending::default(), Duration::ZERO);
    let pending = loop {
        let pending = pending_ports(client, &answer.proposal_id).await?;
        if pending.ports.is_empty() {
            bar.finish_and_clear();
            return Ok(());
        }
        bar.set_message(format!("preparing {}", pending.ports.join(", ")));
        bar.tick();
        if known.0 != pending {
            known = (pending, start.elapsed());
        }
        let settled = known.0.is_explained() && start.elapsed() - known.1 > REASON_LIMIT;
        if settled || start.elapsed() > PORTS_LIMIT {
            break known.0;
        }
        tokio::time::sleep(GLANCE).await;
    };
    bar.finish_and_clear();
    anyhow::bail!(
        "the documents are accepted, but after {} s these ports are not in force yet: {}",
        start.elapsed().as_secs(),
        pending.describe()
    )
}

/// Ports that are not in force as a proposal asked, and why, where that is known.
#[derive(Debug, Default, PartialEq, Eq)]
struct Pending {
    ports: Vec<String>,
    why: BTreeMap<String, String>,
}

impl Pending {
    fn is_explained(&self) -> bool {
        self.ports.iter().all(|port| self.why.contains_key(port))
    }

    fn describe(&self) -> String {
        let line = |port: &String| match self.why.get(port) {
            Some(why) => format!("\n  {port}: {why}"),
            None => format!(
                "\n  {port}: its topics and schemas are being made; the governor's log says what keeps it"
            ),
        };
        self.ports.iter().map(line).collect()
    }
}

async fn pending_ports(client: &Client, id: &str) -> anyhow::Result<Pending> {
    let Some(proposal) = client.find(&["proposals", id]).await? else {
        return Ok(Pending::default());
    };
    let ports = proposal.get("pending_ports").and_then(Value::as_array);
    let ports = ports.into_iter().flatten().filter_map(Value::as_str);
    let why = proposal.get("pending_why").and_then(Value::as_object);
    let why = why.into_iter().flatten();
    Ok(Pending {
        ports: ports.map(str::to_owned).collect(),
        why: why
            .filter_map(|(port, why)| Some((port.clone(), why.as_str()?.to_owned())))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_port_is_told_port_by_port() {
        let mut pending = Pending {
            ports: vec!["a.b.c.v1".to_owned(), "a.b.d.v1".to_owned()],
            why: BTreeMap::from([("a.b.c.v1".to_owned(), "no topic".to_owned())]),
        };
        assert!(!pending.is_explained());
        let text = pending.describe();
        assert!(
            text.contains("a.b.c.v1: no topic") && text.contains("a.b.d.v1: its"),
            "{text}"
        );
        pending.ports.pop();
        assert!(pending.is_explained());
    }

    #[test]
    fn a_reason_says_where_what_and_the_way_out() {
        let mut reason = Refusal {
            code: "MESH-2010".into(),
            document: "DataContract c@1.1.0".into(),
            path: "/schema".into(),
            message: "it breaks".into(),
            way_out: "publish as 2.0.0".into(),
        };
        let text =
            "MESH-2010 DataContract c@1.1.0 /schema: it breaks\n  way out: publish as 2.0.0\n";
        assert_eq!(reason_text(&reason), text);
        reason.way_out.clear();
        reason.path.clear();
        assert_eq!(
            reason_text(&reason),
            "MESH-2010 DataContract c@1.1.0: it breaks\n"
        );
    }
}
