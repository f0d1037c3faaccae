//! Instances of the schema registry that run alone, side by side on the shared Kafka.

use crate::broker::runtime;
use crate::role::Role;
use reqwest::Method;
use serde_json::Value;
use std::sync::OnceLock;
use std::time::Duration;

/// An instance. Dropping it ends its process.
#[derive(Debug)]
pub struct Registry {
    /// Where it is.
    pub url: String,
    /// Its process.
    pub role: Role,
}

impl Registry {
    /// Starts an instance of the registry of a mesh, on a free port, and waits until it is ready.
    #[track_caller]
    pub fn start(mesh: &str) -> Self {
        let role = Role::start(mesh, &["registry", "--registry-port", "0"]);
        let url = role.ready["registry"].as_str().unwrap_or_default();
        Self {
            url: url.to_owned(),
            role,
        }
    }

    /// Whether it is the one that writes.
    pub fn is_writer(&self) -> bool {
        let text = ask(&format!("{}/metrics", self.url), None);
        text.is_ok_and(|(_, text)| text.contains("kafka_schema_registry_master_slave_role 1"))
    }

    /// Asks for JSON.
    ///
    /// # Errors
    /// Why there is no answer, as text.
    pub fn get(&self, path: &str) -> Result<(u16, Value), String> {
        let (status, text) = ask(&format!("{}{path}", self.url), None)?;
        Ok((
            status,
            serde_json::from_str(&text).map_err(|e| e.to_string())?,
        ))
    }
}

/// A GET, or a POST with a body; status and text.
///
/// # Errors
/// Why there is no answer, as text.
pub fn ask(url: &str, body: Option<&Value>) -> Result<(u16, String), String> {
    runtime().block_on(ask_async(url.to_owned(), body.cloned()))
}

/// As [`ask`].
///
/// # Errors
/// Why there is no answer, as text.
pub async fn ask_async(url: String, body: Option<Value>) -> Result<(u16, String), String> {
    let method = if body.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    send_async(method, url, body).await
}

/// A request of any kind; status and text.
///
/// # Errors
/// Why there is no answer, as text.
pub fn send(method: Method, url: &str, body: Option<&Value>) -> Result<(u16, String), String> {
    runtime().block_on(send_async(method, url.to_owned(), body.cloned()))
}

/// One for all, since making one takes a while; each request has a connection of its own.
fn client() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        // A proxy of the environment is for the world outside.
        let builder = reqwest::Client::builder().no_proxy();
        let builder = builder.pool_max_idle_per_host(0);
        builder.build().expect("a client")
    })
}

async fn send_async(
    method: Method,
    url: String,
    body: Option<Value>,
) -> Result<(u16, String), String> {
    let mut request = client().request(method, &url);
    if let Some(body) = body {
        request = request
            .header("content-type", "application/json")
            .body(body.to_string());
    }
    let answer = request.timeout(Duration::from_secs(15)).send().await;
    let answer = answer.map_err(|error| format!("{error:?}"))?;
    let status = answer.status().as_u16();
    let text = answer.text().await.map_err(|error| format!("{error:?}"))?;
    Ok((status, text))
}
