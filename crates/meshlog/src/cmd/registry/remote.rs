//! A registry behind a URL, whoever's: one request at a time, its refusals as values, many at once where that helps.

use std::time::Duration;

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use crate::client::is_loopback;
use crate::exit::Failure;

/// Longer than a registry waits for its own log (ours: 40 s).
const PATIENCE: Duration = Duration::from_secs(60);

/// Requests on their way at once: enough to fill what a registry commits or reads together, few enough for a small one.
const IN_FLIGHT: usize = 32;

/// How often a request is sent that meets a registry in trouble. All of ours may be done twice.
const ATTEMPTS: u32 = 4;

/// Before the second attempt; twice as long before each further one.
const PAUSE: Duration = Duration::from_millis(500);

/// The type that every registry of this API speaks.
const JSON: &str = "application/vnd.schemaregistry.v1+json";

/// A registry.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    http: reqwest::Client,
    base: Url,
    shown: String,
}

/// A registry said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// HTTP status.
    pub(super) status: u16,
    /// Its own words.
    pub(super) message: String,
}

impl Refused {
    /// Whether what was asked about does not exist, or the registry does not know such a thing.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self.status, 404 | 405 | 501)
    }
}

/// Body of a refusal.
#[derive(Debug, Default, Deserialize)]
struct Told {
    #[serde(default)]
    message: Option<String>,
}

/// An answer: a body, or a refusal.
pub(super) type Answer = Result<Value, Refused>;

/// One request.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    method: Method,
    path: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
    body: Option<&'a Value>,
}

impl<'a> Ask<'a> {
    /// To read.
    pub(super) fn get(path: &'a [&'a str], query: &'a [(&'a str, &'a str)]) -> Self {
        Self {
            method: Method::GET,
            path,
            query,
            body: None,
        }
    }

    /// To write.
    pub(super) fn send(method: Method, path: &'a [&'a str], body: &'a Value) -> Self {
        Self {
            method,
            path,
            query: &[],
            body: Some(body),
        }
    }

    /// To delete.
    pub(super) fn delete(path: &'a [&'a str]) -> Self {
        Self {
            method: Method::DELETE,
            path,
            query: &[],
            body: None,
        }
    }

    /// The same with a query.
    pub(super) fn with(self, query: &'a [(&'a str, &'a str)]) -> Self {
        Self { query, ..self }
    }

    fn shown(&self) -> String {
        format!("{} /{}", self.method, self.path.join("/"))
    }
}

impl Remote {
    /// A registry at a URL, which may hold a user and a password; nothing is sent yet.
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        let wrong = || Failure::Usage(format!("`{url}` is no URL such as http://127.0.0.1:8081"));
        let base = Url::parse(url).map_err(|_no_url| wrong())?;
        if base.cannot_be_a_base() || !base.scheme().starts_with("http") {
            return Err(wrong().into());
        }
        let mut builder = reqwest::Client::builder().timeout(PATIENCE);
        if base.host_str().is_some_and(is_loopback) {
            builder = builder.no_proxy();
        }
        Ok(Self {
            http: builder.build().context("cannot make an HTTP client")?,
            shown: without_password(&base),
            base,
        })
    }

    /// Its address, without a password.
    pub(super) fn address(&self) -> &str {
        &self.shown
    }

    /// Ask. A refusal is an answer; a registry that stays in trouble is an error.
    pub(super) async fn ask(&self, ask: Ask<'_>) -> anyhow::Result<Answer> {
        let mut pause = PAUSE;
        let mut attempt = 1;
        loop {
            match self.once(&ask).await {
                Ok(answer) => return Ok(answer),
                Err(failure) if attempt == ATTEMPTS || failure.is_final => {
                    return Err(Failure::NotReachable(failure.text).into());
                }
                Err(_passing) => tokio::time::sleep(pause).await,
            }
            (attempt, pause) = (attempt + 1, pause * 2);
        }
    }

    /// A body that has to be there.
    pub(super) async fn need(&self, ask: Ask<'_>) -> anyhow::Result<Value> {
        let what = ask.shown();
        Ok(self
            .ask(ask)
            .await?
            .map_err(|no| self.refusal(&what, &no))?)
    }

    /// A body, or nothing where there is no such thing.
    pub(super) async fn find(&self, ask: Ask<'_>) -> anyhow::Result<Option<Value>> {
        let what = ask.shown();
        match self.ask(ask).await? {
            Ok(body) => Ok(Some(body)),
            Err(no) if no.is_missing() => Ok(None),
            Err(no) => Err(self.refusal(&what, &no).into()),
        }
    }

    /// A refusal as the end of a command.
    pub(super) fn refusal(&self, what: &str, no: &Refused) -> Failure {
        let text = format!(
            "{} refuses {what}: {} (HTTP {})",
            self.shown, no.message, no.status
        );
        match no.status {
            404 => Failure::NotFound(text),
            _ => Failure::Refused(text),
        }
    }

    async fn once(&self, ask: &Ask<'_>) -> Result<Answer, Trouble> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("an http URL has a path, checked when it was made")
            .pop_if_empty()
            .extend(ask.path);
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(ask.query);
        }
        let mut request = self
            .http
            .request(ask.method.clone(), url)
            .header("accept", JSON);
        if let Some(body) = ask.body {
            request = request.header("content-type", JSON).body(body.to_string());
        }
        let response = request.send().await.map_err(|error| self.trouble(&error))?;
        let status = response.status();
        let text = response
            .text()
            .await
            .map_err(|error| self.trouble(&error))?;
        self.read(ask, status, &text)
    }

    fn read(&self, ask: &Ask<'_>, status: StatusCode, text: &str) -> Result<Answer, Trouble> {
        let what = ask.shown();
        if status.is_success() {
            if text.trim().is_empty() {
                return Ok(Ok(Value::Null));
            }
            return serde_json::from_str(text)
                .map(Ok)
                .map_err(|_no_json| Trouble {
                    text: format!(
                        "{} answers {what} with something that is not JSON: is it a registry?",
                        self.shown
                    ),
                    is_final: true,
                });
        }
        let told: Told = serde_json::from_str(text).unwrap_or_default();
        let message = told
            .message
            .unwrap_or_else(|| status.canonical_reason().unwrap_or("no reason").to_owned());
        if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
            || status == StatusCode::TOO_MANY_REQUESTS
        {
            return Err(Trouble {
                text: format!(
                    "{} fails at {what}: {message} (HTTP {})",
                    self.shown,
                    status.as_u16()
                ),
                is_final: false,
            });
        }
        Ok(Err(Refused {
            status: status.as_u16(),
            message,
        }))
    }

    fn trouble(&self, error: &reqwest::Error) -> Trouble {
        let shown = &self.shown;
        if error.is_connect() {
            return Trouble {
                text: format!("no registry answers at {shown}"),
                is_final: true,
            };
        }
        let what = if error.is_timeout() {
            "does not answer in time"
        } else {
            "broke off"
        };
        Trouble {
            text: format!("{shown} {what}"),
            is_final: false,
        }
    }
}

/// No answer, or one that says nothing about the question.
struct Trouble {
    text: String,
    is_final: bool,
}

fn without_password(base: &Url) -> String {
    let mut shown = base.clone();
    // neither can fail for a URL that has a host
    shown.set_username("").ok();
    shown.set_password(None).ok();
    shown.as_str().trim_end_matches('/').to_owned()
}

/// Does one thing for each item, several at once; results in the items' order.
pub(super) async fn each<T, R, F>(
    items: impl IntoIterator<Item = T>,
    bar: &ProgressBar,
    act: impl Fn(T) -> F,
) -> anyhow::Result<Vec<R>>
where
    F: Future<Output = anyhow::Result<R>>,
{
    stream::iter(items)
        .map(act)
        .buffered(IN_FLIGHT)
        .inspect_ok(|_| bar.inc(1))
        .try_collect()
        .await
}

/// A bar for what takes a while.
pub(super) fn bar(what: &'static str, length: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template(
        "{msg:>20} {bar:30} {pos}/{len}  {elapsed} elapsed, {eta} left",
    );
    bar.set_style(style.expect("the template is well formed"));
    bar.set_message(what);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let remote = Remote::new("http://ann:secret@127.0.0.1:1/base/").expect("a URL");
        assert_eq!(remote.address(), "http://127.0.0.1:1/base");
        for bad in ["127.0.0.1:8081", "ftp://x", "file.jsonl"] {
            assert!(Remote::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn answers_are_bodies_refusals_or_trouble() {
        let remote = Remote::new("http://127.0.0.1:1").expect("a URL");
        let read = |status: u16, text: &str| {
            let status = StatusCode::from_u16(status).expect("a status");
            remote.read(&Ask::get(&["subjects"], &[]), status, text)
        };
        assert!(matches!(read(200, "[]"), Ok(Ok(Value::Array(_)))));
        assert!(matches!(read(204, ""), Ok(Ok(Value::Null))));
        let told = r#"{"error_code":40401,"message":"Subject 's' not found."}"#;
        assert!(
            matches!(read(404, told), Ok(Err(no)) if no.is_missing() && no.message.contains("'s'"))
        );
        assert!(matches!(read(422, "<html>"), Ok(Err(no)) if no.status == 422));
        assert!(matches!(read(500, told), Err(trouble) if !trouble.is_final));
        assert!(matches!(read(200, "<html>"), Err(trouble) if trouble.is_final));
    }
}
