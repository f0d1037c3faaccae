//! placeholder
use super::Global;
use contract::address::PortAddress;

/// Options of `publish`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The port
    port: PortAddress,
}
pub(super) async fn run(_: &Global, _: Args) -> anyhow::Result<()> { Ok(()) }
