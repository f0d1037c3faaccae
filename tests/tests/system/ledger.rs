//! The ledger test in the form that CI runs, and proof that its checker can fail.

use std::time::Duration;
use tests::ledger::{Plan, Verdict, run};

/// A number from the environment, for whoever wants another run than CI's.
fn number(name: &str, otherwise: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn every_event_comes_out_once_whatever_fails() {
    let plan = Plan::default();
    let plan = Plan {
        seed: number("LEDGER_SEED", plan.seed),
        // The other tests take the processors meanwhile.
        fresh: Duration::from_secs(90),
        ..plan
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let report = run(&plan, dir.path());
    eprintln!("{report}");
    if report.verdict() != Verdict::Green {
        let kept = dir.keep();
        assert_eq!(
            report.verdict(),
            Verdict::Green,
            "see {}: {}",
            kept.display(),
            report.json()
        );
    }
}
