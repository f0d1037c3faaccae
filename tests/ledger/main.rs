//! The ledger test for as long as one likes; scripts/soak and scripts/mutants run it.
//!
//! ```text
//! ledger [--seconds N] [--seed N] [--rate N] [--slots N] [--faults a,b|none] [--mutant M4] [--dir DIRECTORY]
//! ```
//!
//! Prints one line of words and one of JSON. Exit status: 0 green, 1 red, 3 invalid; 101 when it could not be found out.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tests::ledger::{Fault, Plan, Verdict, run};

fn main() -> ExitCode {
    let (plan, dir) = match arguments() {
        Ok(told) => told,
        Err(error) => {
            eprintln!("ledger: {error}");
            return ExitCode::from(2);
        }
    };
    std::fs::create_dir_all(&dir).expect("the directory can be made");
    let report = run(&plan, &dir);
    println!("{report}");
    println!("{}", report.json());
    match report.verdict() {
        Verdict::Green => ExitCode::SUCCESS,
        Verdict::Red(_) => ExitCode::from(1),
        Verdict::Invalid(_) => ExitCode::from(3),
    }
}

fn arguments() -> Result<(Plan, PathBuf), String> {
    let mut plan = Plan::default();
    let mut dir = std::env::temp_dir().join(format!("meshlog-ledger-{}", std::process::id()));
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| format!("{name}: no number"))
        };
        match name.as_str() {
            "--seconds" => plan.time = Duration::from_secs(number()?),
            "--seed" => plan.seed = number()?,
            "--rate" => plan.rate = number()?,
            "--slots" => plan.slots = usize::try_from(number()?).map_err(|e| e.to_string())?,
            "--faults" if value == "none" => plan.faults = Vec::new(),
            "--faults" => {
                let faults = value.split(',').map(str::parse::<Fault>);
                plan.faults = faults.collect::<Result<_, _>>()?;
            }
            "--mutant" => plan.mutant = Some(value),
            "--dir" => dir = PathBuf::from(value),
            _ => return Err(format!("no option {name}")),
        }
    }
    Ok((plan, dir))
}
