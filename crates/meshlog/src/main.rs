//! The `meshlog` binary: the command line, wiring, exit codes.
//!
//! ```text
//! main ─▶ cmd (noun, verb) ─▶ client ──HTTP──▶ the mesh
//!   │        └───────────────▶ kafka ────────▶ its topics (publish, consume, quarantine, audit)
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
mod up;

use clap::Parser;
use std::io::IsTerminal;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cmd::Cli::parse();
    start_telemetry(cli.is_service());
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return exit::conclude(Err(error.into())).into(),
    };
    let result = runtime.block_on(cmd::run(cli));
    let code = exit::conclude(result);
    // A blocked thread (a broker that does not answer) must not keep the process.
    runtime.shutdown_background();
    code.into()
}

/// Telemetry goes to stderr; `RUST_LOG` chooses what.
fn start_telemetry(is_service: bool) {
    // A client command says itself what its user must know; a service has only its log.
    let default = if is_service {
        "warn,kafka=error"
    } else {
        "off"
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| default.into()))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
