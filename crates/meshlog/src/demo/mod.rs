//! `meshlog demo`: a mesh with three domains at work.

/// Options of `demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// End after this many events and print counts
    #[arg(long, hide = true)]
    pub(crate) events: Option<u64>,
}

/// Runs the demo.
pub(crate) async fn run(_args: DemoArgs) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}
