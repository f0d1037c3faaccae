//! `meshlog apply`: documents to the governor, its answer to the author, and the wait until the ports are open.

mod collect;
mod report;

pub(crate) use collect::Documents;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use governance::body::Refusal;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::Global;
use crate::client::{Answer, Client, DryRun, Status};
use crate::exit::{Exit, said};
use crate::output::{self, Format};

/// How long `apply` waits for topics and schemas before it says what is missing and leaves.
const PORTS_LIMIT: Duration = Duration::from_secs(60);
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

/// Waits until the ports that the proposal concerns are in force as it asked.
pub(crate) async fn ports_open(client: &Client, answer: &Answer) -> anyhow::Result<()> {
    if answer.seqs.is_empty() {
        return Ok(());
    }
    let bar = ProgressBar::new_spinner();
    let start = Instant::now();
    loop {
        let pending = pending_ports(client, &answer.proposal_id).await?;
        if pending.is_empty() {
            bar.finish_and_clear();
            return Ok(());
        }
        if start.elapsed() > PORTS_LIMIT {
            bar.finish_and_clear();
            anyhow::bail!(
                "the documents are accepted, but after {} s these ports are still being prepared \
                 (topics, schemas): {}; `meshlog port show PORT` says more",
                PORTS_LIMIT.as_secs(),
                pending.join(", ")
            );
        }
        bar.set_message(format!("preparing {}", pending.join(", ")));
        bar.tick();
        tokio::time::sleep(GLANCE).await;
    }
}

async fn pending_ports(client: &Client, id: &str) -> anyhow::Result<Vec<String>> {
    let Some(proposal) = client.find(&["proposals", id]).await? else {
        return Ok(Vec::new());
    };
    let ports = proposal
        .get("pending_ports")
        .cloned()
        .unwrap_or_else(|| json!([]));
    let ports = ports.as_array().cloned().unwrap_or_default();
    Ok(ports
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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
