//! Serves the catalog over the example documents, without Kafka: `cargo run -p catalog --example preview -- 8099`.
//! A second argument `empty` shows a mesh just founded, `stale` one whose log cannot be followed.

#[path = "../tests/catalog/fixture.rs"]
mod fixture;

use catalog::Freshness;
use fixture::Fixture;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().unwrap_or_default().parse().unwrap_or(8099);
    let state = arguments.next().unwrap_or_default();
    let mut fixture = if state == "empty" {
        Fixture::founded()
    } else {
        Fixture::full()
    };
    if state == "stale" {
        let why = "stopped at position 30: record at position 30 cannot be read";
        fixture.view.freshness = Freshness::Stale(why.into());
    }
    let (site, _sender) = fixture.site();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, site.router()).await?;
    Ok(())
}
