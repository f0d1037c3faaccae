//! `meshlog up`: every role in one process.

use std::path::PathBuf;

use crate::output::Format;

/// What `up` is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct UpArgs {
    /// Where data, ports and keys are kept
    #[arg(long, value_name = "DIR", default_value = ".meshlog")]
    pub(crate) dir: PathBuf,
    /// An existing Kafka cluster; otherwise one is started as a child process
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) bootstrap_servers: Option<String>,
    /// Port of the Kafka of our own; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 9092)]
    pub(crate) kafka_port: u16,
    /// Port of the schema registry; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8081)]
    pub(crate) registry_port: u16,
    /// Port of the API and the pages; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(crate) http_port: u16,
    /// Who may act for every domain while authentication is off; default: the OS user
    #[arg(long, value_name = "PRINCIPAL")]
    pub(crate) admin: Option<String>,
    /// How the line that says it is ready is printed
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

/// Starts everything and runs until it is told to stop.
pub(crate) async fn run(_args: UpArgs) -> anyhow::Result<()> {
    anyhow::bail!("this build has no roles wired in yet")
}
