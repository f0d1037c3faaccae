//! A collector of OTLP over HTTP, as far as a test needs one: it takes spans and keeps them.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use prost::Message;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A span as it came; ids in hex, attributes as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// `service.name` of whose it is.
    pub service: String,
    /// Its name.
    pub name: String,
    /// The trace.
    pub trace: String,
    /// The span.
    pub id: String,
    /// The span that it is a part of, empty where there is none.
    pub parent: String,
    /// Trace and span of each link.
    pub links: Vec<(String, String)>,
    /// Attributes by their names.
    pub attributes: BTreeMap<String, String>,
    /// Events in it.
    pub events: usize,
}

impl Span {
    /// An attribute; empty where there is none.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// A collector. Its threads end with the process.
#[derive(Debug)]
pub struct Collector {
    /// What to name as the endpoint.
    pub url: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    /// Listens on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let kept = Arc::clone(&spans);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                // an exporter that goes away ends its connection
                std::thread::spawn(move || serve(client, &kept).unwrap_or_default());
            }
        });
        Self {
            url: format!("http://{address}"),
            spans,
        }
    }

    /// The spans that have come so far.
    pub fn spans(&self) -> Vec<Span> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.clone()
    }
}

/// Answers the requests of one connection.
fn serve(client: TcpStream, kept: &Mutex<Vec<Span>>) -> std::io::Result<()> {
    let mut answers = client.try_clone()?;
    let mut requests = BufReader::new(client);
    while let Some((head, body)) = request(&mut requests)? {
        let expected = head.starts_with("POST /v1/traces HTTP/1.1\r\n")
            && head.contains("content-type: application/x-protobuf");
        let export = ExportTraceServiceRequest::decode(body.as_slice()).ok();
        let status = match export.filter(|_| expected) {
            Some(export) => {
                let mut spans = kept.lock().unwrap_or_else(PoisonError::into_inner);
                spans.extend(read(export));
                "200 OK"
            }
            None => "400 Bad Request",
        };
        write!(answers, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")?;
    }
    Ok(())
}

/// The next request: its head in lower case but for its first line, and its body; none at the end.
fn request(from: &mut impl BufRead) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line == "\r\n" {
            break;
        }
        if !head.is_empty() {
            line.make_ascii_lowercase();
        }
        if let Some(told) = line.strip_prefix("content-length:") {
            length = told.trim().parse().unwrap_or(0);
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(Some((head, body)))
}

fn read(export: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource in export.resource_spans {
        let told = resource.resource.map(|told| attributes(told.attributes));
        let service = told.and_then(|mut told| told.remove("service.name"));
        let service = service.unwrap_or_default();
        let sent = resource
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans);
        spans.extend(sent.map(|sent| span(&service, sent)));
    }
    spans
}

fn span(service: &str, sent: Sent) -> Span {
    let links = sent.links.iter();
    Span {
        service: service.to_owned(),
        name: sent.name,
        trace: hex(&sent.trace_id),
        id: hex(&sent.span_id),
        parent: hex(&sent.parent_span_id),
        links: links
            .map(|link| (hex(&link.trace_id), hex(&link.span_id)))
            .collect(),
        attributes: attributes(sent.attributes),
        events: sent.events.len(),
    }
}

fn attributes(sent: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = sent.into_iter();
    pairs.map(|pair| (pair.key, text(pair.value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
