//! A broker for the tests of this crate, and a registry with its HTTP address.

use kafka::{
    Admin, Cluster, TopicSpec,
    dev::{DevBroker, DevBrokerConfig, JarSource},
};
use registry::{RegistryConfig, RegistryHandle};
use serde_json::Value;
use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};

/// Longer than anything takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Where the jars are kept between runs.
fn jars() -> JarSource {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let caches = variable("XDG_CACHE_HOME")
        .unwrap_or_else(|| variable("HOME").expect("HOME is set").join(".cache"));
    JarSource::Cache(variable("MESHLOG_CACHE").unwrap_or_else(|| caches.join("meshlog")))
}

/// The shared broker, ended when this test binary ends.
fn cluster() -> Cluster {
    static BROKER: OnceLock<(DevBroker, tempfile::TempDir)> = OnceLock::new();
    let (broker, _dir) = BROKER.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = DevBrokerConfig {
            dir: dir.path().to_owned(),
            kafka_port: 0,
            jars: jars(),
        };
        let broker = DevBroker::start(&config).expect("a development broker");
        end_with_us(broker.pid(), &dir.path().display().to_string());
        (broker, dir)
    });
    broker.cluster()
}

/// The broker outlives us by design, and a test binary has no last moment of its own; so somebody watches.
#[expect(
    clippy::zombie_processes,
    reason = "it waits for our end, so we cannot wait for its"
)]
fn end_with_us(broker: u32, dir: &str) {
    let us = std::process::id();
    let script = format!(
        "while kill -0 {us} 2>/dev/null; do sleep 1; done; kill {broker}; \
         while kill -0 {broker} 2>/dev/null; do sleep 1; done; rm -rf '{dir}'"
    );
    let mut watcher = Command::new("sh");
    std::os::unix::process::CommandExt::process_group(&mut watcher, 0);
    watcher
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    watcher.args(["-c", &script]).spawn().expect("sh is there");
}

/// A mesh of its own for one test.
pub(crate) struct Mesh {
    id: String,
}

impl Mesh {
    pub(crate) fn new(name: &str) -> Self {
        if std::env::var_os("RUST_LOG").is_some() {
            tracing_subscriber::fmt().with_test_writer().try_init().ok();
        }
        Self {
            id: format!("{name}-{}", std::process::id()),
        }
    }

    pub(crate) fn config(&self) -> RegistryConfig {
        RegistryConfig {
            cluster: cluster(),
            mesh: self.id.clone(),
            topic: format!("_schemas-{}", self.id),
            replication: 1,
        }
    }

    /// One more instance of this mesh's registry.
    pub(crate) async fn start(&self) -> Node {
        let handle = registry::start(self.config()).await.expect("a registry");
        timeout(LIMIT, handle.ready())
            .await
            .expect("the log is read in time");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = handle.router();
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serves");
        });
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        Node {
            url,
            handle,
            server,
            client,
        }
    }

    pub(crate) async fn make_log_with_deletion(&self) {
        let config = self.config();
        let spec = TopicSpec {
            name: config.topic,
            partitions: 1,
            replication: 1,
            configs: [("cleanup.policy".to_owned(), "delete".to_owned())].into(),
        };
        let admin = Admin::new(&config.cluster).expect("an admin");
        admin.ensure_topics(&[spec]).await.expect("made");
    }
}

/// A running instance.
pub(crate) struct Node {
    pub(crate) url: String,
    handle: RegistryHandle,
    server: JoinHandle<()>,
    client: reqwest::Client,
}

impl Node {
    pub(crate) fn handle(&self) -> &RegistryHandle {
        &self.handle
    }

    async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request
                .header("content-type", "application/vnd.schemaregistry.v1+json")
                .body(body.to_string());
        }
        let response = timeout(LIMIT, request.send())
            .await
            .expect("in time")
            .expect("answered");
        let status = response.status().as_u16();
        (status, response.json().await.expect("JSON"))
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.send(reqwest::Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send(reqwest::Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send(reqwest::Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        self.send(reqwest::Method::DELETE, path, None).await
    }

    /// Content type and text of a GET with this `Accept`.
    pub(crate) async fn raw(&self, path: &str, accept: &str) -> (String, String) {
        let request = self
            .client
            .get(format!("{}{path}", self.url))
            .header("accept", accept);
        let response = request.send().await.expect("answered");
        let name = response.headers()["content-type"]
            .to_str()
            .expect("text")
            .to_owned();
        (name, response.text().await.expect("text"))
    }

    /// The warnings that come with the answer to a POST.
    pub(crate) async fn warnings(&self, path: &str, body: &Value) -> Vec<String> {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string());
        let response = request.send().await.expect("answers");
        let values = response.headers().get_all("meshlog-warning").iter();
        let texts = values.map(|value| value.to_str().expect("plain text").to_owned());
        texts.collect()
    }

    pub(crate) async fn stop(self) {
        self.server.abort();
        timeout(LIMIT, self.handle.stop())
            .await
            .expect("stops in time");
    }
}
