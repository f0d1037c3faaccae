//! `meshlog audit verify`: every fact extends the one before, every invariant holds, and the mesh serves what its log says.

use std::ops::ControlFlow;

use governance::fact::hex;
use governance::log::LogError;
use kafka::Cluster;
use serde_json::{Value, json};

use super::{claim, fold};
use crate::exit::{Exit, said};
use crate::output::{self, Format};

/// Checks the log and prints the verdict.
pub(super) fn run(
    cluster: &Cluster,
    topic: String,
    claimed: &Value,
    format: Format,
) -> anyhow::Result<()> {
    let claimed_seq = claim(claimed, "seq").and_then(Value::as_u64);
    // The log may have grown since the mesh was asked: compare at the position it named.
    let mut at_claim = None;
    let (mesh, result) = fold(cluster, topic, |mesh, fact| {
        if Some(fact.seq) == claimed_seq {
            at_claim = Some(hex(&mesh.state_hash()));
        }
        ControlFlow::Continue(())
    })?;
    let problem = problem(mesh.size, result, claimed, at_claim.as_deref());
    let verdict = match &problem {
        None => json!({"ok": true, "size": mesh.size, "root": hex(&mesh.root())}),
        Some((seq, why)) => {
            json!({"ok": false, "size": mesh.size, "first_bad_seq": seq, "error": why})
        }
    };
    match format {
        Format::Json => output::json_line(&verdict)?,
        Format::Table => match &problem {
            None => output::line(format!(
                "ok: {} facts, root {}",
                mesh.size,
                hex(&mesh.root())
            ))?,
            Some((seq, why)) => output::line(format!("bad from position {seq} on: {why}"))?,
        },
    }
    if problem.is_none() {
        Ok(())
    } else {
        Err(said(Exit::Refused))
    }
}

/// The first bad position and what is wrong there.
fn problem(
    size: u64,
    result: Result<(), LogError>,
    claimed: &Value,
    at_claim: Option<&str>,
) -> Option<(u64, String)> {
    if let Err(error) = result {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        return Some((error.seq(), format!("{error}{}", cause.unwrap_or_default())));
    }
    let seq = claim(claimed, "seq").and_then(Value::as_u64)?;
    if seq >= size {
        let why = format!("truncated: the mesh serves position {seq}, the log ends before {size}");
        return Some((size, why));
    }
    let served = claim(claimed, "state_hash").and_then(Value::as_str)?;
    let computed = at_claim?;
    (served != computed).then(|| {
        (
            seq,
            format!("the mesh serves state {served} at position {seq}, its log says {computed}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_mesh_claims_is_compared_with_its_log() {
        let claim = |seq: u64, hash: &str| json!({"seq": seq, "state_hash": hash});
        let found = |claimed: Value| problem(3, Ok(()), &claimed, Some("aa"));
        assert_eq!(found(claim(2, "aa")), None);
        assert_eq!(found(claim(2, "bb")).map(|(seq, _)| seq), Some(2));
        assert_eq!(found(claim(3, "aa")).map(|(seq, _)| seq), Some(3));
        assert_eq!(found(Value::Null), None);
        let gap = LogError::Gap {
            expected: 1,
            found: 2,
        };
        assert_eq!(
            problem(3, Err(gap), &Value::Null, None).map(|(seq, _)| seq),
            Some(1)
        );
    }
}
