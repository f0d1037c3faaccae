//! The `meshlog` binary: the command line, wiring, exit codes.
//!
//! ```text
//! main ─▶ cmd (noun, verb) ─▶ client ──HTTP──▶ the mesh
//!   │        └───────────────▶ kafka ────────▶ its topics (publish, consume, quarantine, audit)
//!   ├──▶ telemetry (log, spans)
//!   ├──▶ role (one alone)   up (every role in one process)   demo (up, and three domains at work)
//!   └──▶ exit (codes), output (tables, JSON)
//! ```

mod client;
mod cmd;
mod config;
mod demo;
mod directory;
mod event;
mod exit;
mod output;
mod port;
mod role;
mod telemetry;
mod up;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cmd::Cli::parse();
    // Before the runtime: what exports spans has a thread of its own.
    let telemetry = match telemetry::start(cli.service()) {
        Ok(telemetry) => telemetry,
        Err(error) => return exit::conclude(Err(error)).into(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return exit::conclude(Err(error.into())).into(),
    };
    let result = runtime.block_on(cmd::run(cli));
    let code = exit::conclude(result);
    telemetry.finish();
    // A blocked thread (a broker that does not answer) must not keep the process.
    runtime.shutdown_background();
    code.into()
}
