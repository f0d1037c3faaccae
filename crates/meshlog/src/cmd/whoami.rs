//! `meshlog whoami`: who the mesh takes the caller for.

use serde_json::json;

use super::Global;
use crate::client::Client;
use crate::output;

/// Prints principal and mesh; the mesh must answer, since without it the caller is nobody.
pub(super) async fn run(global: &Global) -> anyhow::Result<()> {
    let client = Client::new(&global.target)?;
    let mesh = client.mesh().await?;
    let shown = json!({
        "principal": client.principal(),
        "authenticated_by": "unverified",
        "mesh": mesh.mesh_id,
        "http": client.address(),
    });
    output::object(global.output, &shown)?;
    Ok(())
}
