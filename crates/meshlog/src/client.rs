//! The mesh's HTTP API as the client commands use it: where it is, who asks, what its refusals mean for the exit code.

use std::time::Duration;

use anyhow::Context;
use governance::body::{Redriven, Refusal};
use governance::breaker::BreakerAct;
use governance::proposal::{BREAKER_TYPE, BUNDLE, Bundle, REDRIVEN_TYPE, SKIP_TYPE};
use governance::skip::Skip;
use kafka::Cluster;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use crate::config::Config;
use crate::exit::Failure;

/// Where the mesh is when nobody says.
const DEFAULT_HTTP: &str = "http://127.0.0.1:8080";
/// Header with the principal, believed where authentication is off.
const PRINCIPAL: &str = "Meshlog-Principal";
/// Proposals wait for their outcome; everything else answers at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the mesh is found, and who asks.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Target {
    /// The mesh's address; otherwise `[client] http` in meshlog.toml, then http://127.0.0.1:8080
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "MESHLOG_HTTP",
        hide_env_values = true
    )]
    pub(crate) http: Option<String>,
    /// Who you are, where authentication is off (recorded as unverified); default: the OS user
    #[arg(long = "as", global = true, value_name = "PRINCIPAL")]
    pub(crate) principal: Option<String>,
    /// A token, where authentication is on
    #[arg(
        long,
        global = true,
        hide = true,
        env = "MESHLOG_TOKEN",
        hide_env_values = true
    )]
    pub(crate) token: Option<String>,
}

impl Target {
    /// The principal in effect.
    pub(crate) fn principal(&self) -> String {
        self.principal.clone().unwrap_or_else(os_user)
    }
}

/// The OS user's name; its number where it has none.
pub(crate) fn os_user() -> String {
    let id = nix::unistd::getuid();
    match nix::unistd::User::from_uid(id) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => id.to_string(),
    }
}

/// What `GET /api/v1/mesh` says.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct MeshInfo {
    /// Prefix of system topics and groups.
    pub(crate) mesh_id: String,
    /// Kafka.
    pub(crate) bootstrap_servers: String,
    /// The schema registry's address.
    pub(crate) registry: String,
}

impl MeshInfo {
    /// The cluster.
    pub(crate) fn cluster(&self) -> Cluster {
        Cluster::new(&self.bootstrap_servers)
    }
}

/// An RFC 9457 problem document.
#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    detail: Option<String>,
}

/// The answer to a proposal.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Answer {
    /// Which proposal; missing in a dry run's answer.
    #[serde(default)]
    pub(crate) proposal_id: String,
    /// `accepted`, `rejected`, `unchanged`; a problem document has a number here.
    #[serde(default)]
    status: Value,
    /// Facts written.
    #[serde(default)]
    pub(crate) seqs: Vec<u64>,
    /// The fact of a refusal.
    #[serde(default)]
    pub(crate) seq: Option<u64>,
    /// Why it was refused.
    #[serde(default)]
    pub(crate) reasons: Vec<Refusal>,
    /// The answer as it came.
    #[serde(skip)]
    pub(crate) raw: Value,
}

/// What came of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Facts were, or would be, written.
    Accepted,
    /// Refused.
    Rejected,
    /// Everything is so already.
    Unchanged,
    /// Not decided yet.
    Pending,
}

impl Answer {
    /// Reads an answer of the proposals API.
    pub(crate) fn read(raw: Value) -> anyhow::Result<Self> {
        let answer = serde_json::from_value(raw.clone());
        let answer: Self = answer.context("the answer about a proposal has an unknown shape")?;
        Ok(Self { raw, ..answer })
    }

    /// Whether the governor has not decided yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.status() == Status::Pending
    }

    /// What came of it.
    pub(crate) fn status(&self) -> Status {
        match self.status.as_str() {
            Some("accepted") => Status::Accepted,
            Some("unchanged") => Status::Unchanged,
            // Accepted, and its ports are not open yet.
            Some("pending") if !self.seqs.is_empty() => Status::Accepted,
            Some("pending" | "unknown") => Status::Pending,
            // A refusal is a problem document, whose `status` is the HTTP code.
            Some(_) | None => Status::Rejected,
        }
    }
}

/// Whether a proposal is only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DryRun {
    /// Nothing is written.
    Yes,
    /// The real thing.
    No,
}

/// A client of one mesh.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    shown: String,
    principal: String,
    token: Option<String>,
}

impl Client {
    /// A client of the mesh that the target names; nothing is sent yet.
    pub(crate) fn new(target: &Target) -> anyhow::Result<Self> {
        let named = target
            .http
            .clone()
            .map_or_else(configured, |url| Ok(Some(url)))?;
        let shown = named.unwrap_or_else(|| DEFAULT_HTTP.to_owned());
        let wrong = |why: String| {
            let example = format!("expected a URL such as {DEFAULT_HTTP}");
            Failure::Usage(format!(
                "`{shown}` is no address of a mesh ({why}); {example}"
            ))
        };
        let base = Url::parse(&shown).map_err(|error| wrong(error.to_string()))?;
        if base.cannot_be_a_base() || !base.scheme().starts_with("http") {
            return Err(wrong("not http or https".to_owned()).into());
        }
        let mut builder = reqwest::Client::builder().timeout(PATIENCE);
        if base.host_str().is_some_and(is_loopback) {
            // A proxy of the environment is for the world outside, not for this machine.
            builder = builder.no_proxy();
        }
        Ok(Self {
            http: builder.build().context("cannot make an HTTP client")?,
            base,
            shown: shown.trim_end_matches('/').to_owned(),
            principal: target.principal(),
            token: target.token.clone(),
        })
    }

    /// The mesh's address, as given.
    pub(crate) fn address(&self) -> &str {
        &self.shown
    }

    /// Who asks.
    pub(crate) fn principal(&self) -> &str {
        &self.principal
    }

    /// What the mesh says about itself.
    pub(crate) async fn mesh(&self) -> anyhow::Result<MeshInfo> {
        let value = self.get(&["mesh"], &[]).await?;
        serde_json::from_value(value).context("GET /api/v1/mesh answered in an unknown shape")
    }

    /// `GET /api/v1/<path>`.
    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let request = self.request(Method::GET, path, query);
        let (status, body) = self.send(request).await?;
        if status.is_success() {
            let what = || {
                format!(
                    "GET {} answered with something that is not JSON",
                    path.join("/")
                )
            };
            return serde_json::from_str(&body).with_context(what);
        }
        Err(self.failure(status, &body, path).into())
    }

    /// As [`Self::get`], with `None` for what does not exist.
    pub(crate) async fn find(&self, path: &[&str]) -> anyhow::Result<Option<Value>> {
        match self.get(path, &[]).await {
            Ok(value) => Ok(Some(value)),
            Err(error) => match error.downcast_ref::<Failure>() {
                Some(Failure::NotFound(_)) => Ok(None),
                Some(_) | None => Err(error),
            },
        }
    }

    /// The objects of a list, whether it stands alone or as a member.
    pub(crate) async fn items(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> anyhow::Result<Vec<Value>> {
        Ok(items(self.get(path, query).await?))
    }

    /// Propose documents and wait for the outcome. A refusal is an answer, not an error.
    pub(crate) async fn propose(&self, bundle: &Bundle, dry_run: DryRun) -> anyhow::Result<Answer> {
        let query: &[(&str, &str)] = match dry_run {
            DryRun::Yes => &[("dry_run", "true")],
            DryRun::No => &[],
        };
        let request = self
            .request(Method::POST, &["proposals"], query)
            .header("content-type", BUNDLE)
            .body(serde_json::to_vec(bundle)?);
        self.answered(request).await
    }

    /// Propose the record of a redrive. A refusal is an answer, not an error.
    pub(crate) async fn record_redrive(&self, redriven: &Redriven) -> anyhow::Result<Answer> {
        self.propose_as(REDRIVEN_TYPE, redriven).await
    }

    /// Propose an act about a port's circuit breaker. A refusal is an answer, not an error.
    pub(crate) async fn act_on_breaker(&self, act: &BreakerAct) -> anyhow::Result<Answer> {
        self.propose_as(BREAKER_TYPE, act).await
    }

    /// Propose that a batch be given up. A refusal is an answer, not an error.
    pub(crate) async fn give_up(&self, skip: &Skip) -> anyhow::Result<Answer> {
        self.propose_as(SKIP_TYPE, skip).await
    }

    async fn propose_as(
        &self,
        content_type: &str,
        body: &impl serde::Serialize,
    ) -> anyhow::Result<Answer> {
        let request = self
            .request(Method::POST, &["proposals"], &[])
            .header("content-type", content_type)
            .body(serde_json::to_vec(body)?);
        self.answered(request).await
    }

    async fn answered(&self, request: RequestBuilder) -> anyhow::Result<Answer> {
        let (status, body) = self.send(request).await?;
        if status.is_success() || status == StatusCode::UNPROCESSABLE_ENTITY {
            let raw = serde_json::from_str(&body);
            return Answer::read(raw.context("POST /api/v1/proposals answered no JSON")?);
        }
        Err(self.failure(status, &body, &["proposals"]).into())
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("an http URL has a path, checked when the client was made")
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self
            .http
            .request(method, url)
            .header(PRINCIPAL, &self.principal);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<(StatusCode, String)> {
        let unreachable = |source: reqwest::Error| {
            if source.is_connect() {
                Failure::NoMesh {
                    url: self.shown.clone(),
                    source,
                }
            } else {
                let what = if source.is_timeout() {
                    "did not answer in time"
                } else {
                    "broke off"
                };
                Failure::NotReachable(format!("the mesh at {} {what}: {source}", self.shown))
            }
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        Ok((status, response.text().await.map_err(unreachable)?))
    }

    fn failure(&self, status: StatusCode, body: &str, path: &[&str]) -> Failure {
        let problem: Problem = serde_json::from_str(body).unwrap_or_default();
        let plain = || {
            body.lines()
                .next()
                .filter(|line| !line.starts_with('<'))
                .map(str::to_owned)
        };
        let said = problem
            .detail
            .or(problem.title)
            .or_else(plain)
            .filter(|text| !text.is_empty());
        let text = said.unwrap_or_else(|| format!("{} answered {status}", path.join("/")));
        match status.as_u16() {
            400 | 413 | 415 => Failure::Usage(text),
            401 | 403 | 409 | 422 => Failure::Refused(text),
            404 | 410 => Failure::NotFound(text),
            502..=504 => Failure::NotReachable(format!("the mesh at {}: {text}", self.shown)),
            _ => Failure::NotReachable(format!(
                "the mesh at {} failed ({status}): {text}",
                self.shown
            )),
        }
    }
}

/// The objects of a list answer.
pub(crate) fn items(answer: Value) -> Vec<Value> {
    match answer {
        Value::Array(items) => items,
        Value::Object(members) => members
            .into_iter()
            .find_map(|(_, value)| match value {
                Value::Array(items) => Some(items),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Object(_) => None,
            })
            .unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Whether a host of a URL is this machine itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The address in the configuration, if there is one.
fn configured() -> anyhow::Result<Option<String>> {
    let config = Config::load(None)?;
    Ok(Some(config.client.http).filter(|http| !http.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn client(http: &str) -> Client {
        let target = Target {
            http: Some(http.to_owned()),
            ..Target::default()
        };
        Client::new(&target).expect("a client")
    }

    #[test]
    fn paths_are_segments_and_are_escaped() {
        let client = client("http://127.0.0.1:1/base/");
        let request = client.request(Method::GET, &["proposals", "a#1/x y"], &[("q", "ä&b")]);
        let url = request.build().expect("builds").url().to_string();
        assert_eq!(
            url,
            "http://127.0.0.1:1/base/api/v1/proposals/a%231%2Fx%20y?q=%C3%A4%26b"
        );
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        for bad in ["127.0.0.1:8080", "mailto:x", "ftp://a", ""] {
            let target = Target {
                http: Some(bad.to_owned()),
                ..Target::default()
            };
            let error = Client::new(&target).expect_err(bad);
            assert!(
                matches!(error.downcast_ref(), Some(Failure::Usage(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn answers_become_failures_with_the_words_of_the_problem() {
        let client = client("http://127.0.0.1:1");
        let problem = json!({"title": "Not Found", "detail": "no port x"}).to_string();
        let of = |status: u16, body: &str| {
            client.failure(
                StatusCode::from_u16(status).expect("a status"),
                body,
                &["ports", "x"],
            )
        };
        assert!(matches!(of(404, &problem), Failure::NotFound(text) if text == "no port x"));
        assert!(matches!(of(403, &problem), Failure::Refused(_)));
        assert!(matches!(of(400, ""), Failure::Usage(text) if text.contains("ports/x")));
        assert!(matches!(of(503, "<html>"), Failure::NotReachable(_)));
    }

    #[test]
    fn answers_to_proposals_are_read_from_replies_and_problems() {
        let read = |value: Value| {
            serde_json::from_value::<Answer>(value)
                .expect("reads")
                .status()
        };
        assert_eq!(
            read(json!({"status": "accepted", "seqs": [1]})),
            Status::Accepted
        );
        assert_eq!(
            read(json!({"status": "unchanged", "seq": 4})),
            Status::Unchanged
        );
        assert_eq!(
            read(json!({"status": 422, "title": "refused"})),
            Status::Rejected
        );
        assert_eq!(
            read(json!({"status": "unknown", "seqs": []})),
            Status::Pending
        );
        assert_eq!(
            read(json!({"status": "pending", "seqs": [7]})),
            Status::Accepted
        );
    }

    #[test]
    fn lists_stand_alone_or_as_a_member() {
        assert_eq!(items(json!([1])), [json!(1)]);
        assert_eq!(items(json!({"seq": 3, "products": [2]})), [json!(2)]);
        assert!(items(json!("x")).is_empty());
    }
}
