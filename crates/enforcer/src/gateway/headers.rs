//! A request's address and headers: who asks for what, before its body is read.

use super::answer::Problem;
use super::judge::OnInvalid;
use super::posted::Form;
use super::{Admit, NotAdmitted};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use contract::address::PortAddress;
use kafka::trace::TRACEPARENT;

/// Longest idempotency key.
const MAX_KEY: usize = 200;

/// What the address and the headers of a request say.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) address: PortAddress,
    pub(super) on_invalid: OnInvalid,
    pub(super) key: Option<String>,
    pub(super) form: Form,
    /// The caller's place in a trace, as it came.
    pub(super) traceparent: Option<Vec<u8>>,
}

/// What is asked, if it may be asked by this caller.
pub(super) fn read_headers(
    admit: &Admit,
    port: &str,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Asked, Problem> {
    let address: PortAddress = port.parse().map_err(|_| no_port(port))?;
    admit(headers, &address).map_err(|why| match why {
        NotAdmitted::Malformed(detail) => {
            Problem::new(StatusCode::BAD_REQUEST, "not a principal", detail)
        }
        NotAdmitted::Forbidden(detail) => {
            Problem::new(StatusCode::FORBIDDEN, "not permitted", detail)
        }
    })?;
    let form = check_content(headers)?;
    let on_invalid = match query.unwrap_or_default() {
        "" => OnInvalid::Report,
        "on_invalid=quarantine" => OnInvalid::Quarantine,
        other => {
            let detail = format!("the only parameter is on_invalid=quarantine, found `{other}`");
            let status = StatusCode::BAD_REQUEST;
            return Err(Problem::new(status, "unknown parameter", detail));
        }
    };
    Ok(Asked {
        address,
        on_invalid,
        key: idempotency_key(headers)?,
        form,
        traceparent: headers
            .get(TRACEPARENT)
            .map(|value| value.as_bytes().to_vec()),
    })
}

pub(super) fn no_port(port: &str) -> Problem {
    let detail = format!("there is no port `{port}`");
    Problem::new(StatusCode::NOT_FOUND, "no such port", detail)
}

fn check_content(headers: &HeaderMap) -> Result<Form, Problem> {
    let text = |name| {
        let value: Option<&HeaderValue> = headers.get(name);
        value.map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase())
    };
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    match text(header::CONTENT_ENCODING).as_deref() {
        None | Some("identity") => Form::of(essence, headers),
        Some(encoding) => {
            let detail = format!("Content-Encoding `{encoding}` is not read");
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            Err(Problem::new(status, "not JSON", detail))
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let printable = |text: &&str| {
        let fits = (1..=MAX_KEY).contains(&text.len());
        fits && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
    };
    let text = value.to_str().ok().filter(printable);
    let text = text.ok_or_else(|| {
        let detail = format!("an Idempotency-Key is 1 to {MAX_KEY} printable ASCII characters");
        Problem::new(StatusCode::BAD_REQUEST, "not an idempotency key", detail)
    })?;
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const PORT: &str = "d.p.e.v1";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            (header::HeaderName::from_static(name), value)
        };
        pairs.iter().map(pair).collect()
    }

    fn status(port: &str, query: Option<&str>, pairs: &[(&'static str, &str)]) -> u16 {
        let admit: Admit = Arc::new(|headers, _| match headers.get("meshlog-principal") {
            Some(_) => Err(NotAdmitted::Forbidden("not here".to_owned())),
            None => Ok(()),
        });
        match read_headers(&admit, port, query, &headers(pairs)) {
            Ok(_) => 200,
            Err(problem) => problem.status.as_u16(),
        }
    }

    #[test]
    fn what_is_asked_is_checked_before_the_body_is_read() {
        let json = ("content-type", "Application/JSON; charset=utf-8");
        assert_eq!(status(PORT, None, &[json]), 200);
        assert_eq!(status(PORT, Some("on_invalid=quarantine"), &[json]), 200);
        assert_eq!(status(PORT, Some("on_invalid=drop"), &[json]), 400);
        assert_eq!(status("No.Port", None, &[json]), 404);
        assert_eq!(status(PORT, None, &[json, ("meshlog-principal", "x")]), 403);
        assert_eq!(status(PORT, None, &[]), 415);
        assert_eq!(status(PORT, None, &[("content-type", "text/json")]), 415);
        assert_eq!(
            status(PORT, None, &[json, ("content-encoding", "gzip")]),
            415
        );
    }

    #[test]
    fn keys_are_printable_and_short() {
        let key = |text: &str| {
            let found = idempotency_key(&headers(&[("idempotency-key", text)]));
            found.map(Option::unwrap_or_default).ok()
        };
        assert_eq!(key("order 1/2").as_deref(), Some("order 1/2"));
        assert!(key(&"k".repeat(MAX_KEY)).is_some());
        assert!(key(&"k".repeat(MAX_KEY + 1)).is_none());
        assert!(key("").is_none() && key("a\tb").is_none() && key("ä").is_none());
        assert!(matches!(idempotency_key(&HeaderMap::new()), Ok(None)));
    }
}
