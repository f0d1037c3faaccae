//! Traces: from a caller's request over the gateway to the transaction that its event was judged in, and from a document
//! to the governor's decision; and that a collector that is away costs nothing but spans.

use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tests::broker::{runtime, unique};
use tests::collector::{Collector, Span};
use tests::process::run;
use tests::registries::ask;
use tests::{Domain, Kafka, LIMIT, TestMesh, wait_for};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn message(id: &str) -> Value {
    json!({"message_id": id, "conversation_id": "c-1", "customer_id": "acme", "sender": "user",
        "sent_at": "2026-11-22T10:15:30.250Z", "text": "Where is my invoice?", "tokens": 5})
}

/// Posts events as part of a trace; the status.
fn post(url: &str, body: &Value) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build();
    let request = client
        .expect("a client")
        .post(url)
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .timeout(Duration::from_secs(60))
        .json(body);
    // Sending wants a runtime around it from its beginning.
    let answer = runtime().block_on(async { request.send().await });
    let answer = answer.expect("an answer");
    answer.status().as_u16()
}

/// A port of the conversations that takes events, and where to post them.
fn open(mesh: &TestMesh) -> (String, String) {
    let domain = Domain::example("conversations");
    mesh.apply(&domain.dir());
    let port = domain.port_named("messages", "events");
    let url = format!("{}/api/v1/ports/{port}/events", mesh.ready.http);
    wait_for("the port takes events", LIMIT, || {
        // No body is no event: nothing is written.
        match ask(&url, Some(&json!([]))) {
            Ok((400, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    (port, url)
}

/// The one span of this kind.
#[track_caller]
fn one<'a>(spans: &'a [Span], what: &str, is: impl Fn(&Span) -> bool) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| is(span)).collect();
    assert_eq!(found.len(), 1, "{what}: {found:#?}");
    found[0]
}

#[test]
fn a_trace_leads_from_a_request_to_its_transaction_and_from_a_document_to_its_decision() {
    let collector = Collector::start();
    let configuration = format!("[traces]\nendpoint = \"{}\"\n", collector.url);
    let mut mesh = TestMesh::start_configured("traced", Kafka::Shared, &configuration);
    let (port, url) = open(&mesh);
    let bad = json!({"message_id": "m-2"});
    // One of the two is written, so that there is one transaction.
    assert_eq!(post(&url, &json!([message("m-1"), bad])), 207);
    mesh.settled(&port, 1);
    let read = mesh.cli(&["consume", &port, "--envelope"]).json_lines();
    let subjects = format!("{}/subjects", mesh.ready.registry);
    assert_eq!(ask(&subjects, None).map(|(status, _)| status), Ok(200));
    let proposals = format!("{}/api/v1/proposals", mesh.ready.http);
    let (status, refused) = ask(&proposals, Some(&json!({"no": "document"}))).expect("answers");
    assert_eq!(status, 422, "{refused}");
    // The last spans are sent before the process ends.
    mesh.stop();
    let spans = collector.spans();

    let send = of_the_event(&spans, &port);
    // A consumer can go on with the trace.
    let header = format!("00-{TRACE}-{}-01", send.id);
    assert_eq!(read[0]["headers"]["traceparent"], json!(header), "{read:?}");
    one(&spans, "the registry's", |span| {
        span.name == "GET /subjects"
    });
    of_the_documents(&spans);
    for span in &spans {
        assert_eq!(span.service, "meshlog");
        assert_eq!(span.events, 0, "a log line is in {span:?}");
    }
    let text = format!("{spans:?}");
    for secret in ["m-1", "acme", "invoice"] {
        assert!(!text.contains(secret), "`{secret}` is in a span");
    }
}

#[track_caller]
fn of_the_event<'a>(spans: &'a [Span], port: &str) -> &'a Span {
    let of_trace = |span: &Span| span.trace == TRACE;
    let request = one(spans, "the request", |span| {
        of_trace(span) && span.parent == CALLER
    });
    assert_eq!(request.name, "POST /api/v1/ports/{port}/events");
    assert_eq!(
        request.attribute("http.route"),
        "/api/v1/ports/{port}/events"
    );
    assert_eq!(request.attribute("http.response.status_code"), "207");
    let send = one(spans, "the sending", |span| {
        of_trace(span) && span.parent == request.id
    });
    assert_eq!(send.name, format!("send {port}"));
    let inbox = format!("{port}.inbox");
    let judge = one(spans, "the transaction", |span| !span.links.is_empty());
    for span in [send, judge] {
        assert_eq!(span.attribute("messaging.destination.name"), inbox);
        assert_eq!(span.attribute("mesh.accepted"), "1");
    }
    assert_eq!(send.attribute("messaging.batch.message_count"), "2");
    assert_eq!(send.attribute("mesh.refused"), "1");
    assert_eq!(judge.links, [(TRACE.to_owned(), send.id.clone())]);
    assert_eq!((judge.name.as_str(), judge.parent.as_str()), ("judge", ""));
    assert_eq!(judge.attribute("messaging.batch.message_count"), "1");
    assert_eq!(judge.attribute("mesh.outcome"), "committed");
    assert!(judge.attribute("mesh.seq").parse::<u64>().is_ok());
    send
}

#[track_caller]
fn of_the_documents(spans: &[Span]) {
    let decided = |outcome: &str| {
        one(spans, outcome, |span| {
            span.name == "decide apply" && span.attribute("mesh.outcome") == outcome
        })
    };
    let (accepted, rejected) = (decided("accepted"), decided("rejected"));
    for decision in [accepted, rejected] {
        let request = one(spans, "the proposal's request", |span| {
            span.id == decision.parent
        });
        assert_eq!(request.name, "POST /api/v1/proposals");
        assert_eq!(request.trace, decision.trace);
    }
    let seq = |name: &str| accepted.attribute(name).parse::<u64>().expect("a position");
    assert!(seq("mesh.seq.first") < seq("mesh.seq.last"));
    assert!(rejected.attribute("mesh.codes").starts_with("MESH-2"));
    assert_eq!(accepted.attribute("mesh.codes"), "");
}

/// A mesh that is told to send its spans where nobody takes them judges events as any other, and stops cleanly.
#[track_caller]
fn works_without(name: &str, address: SocketAddr) {
    let configuration = format!("[traces]\nendpoint = \"http://{address}\"\n");
    let mut mesh = TestMesh::start_configured(name, Kafka::Shared, &configuration);
    let (port, url) = open(&mesh);
    assert_eq!(post(&url, &message("m-1")), 202);
    assert_eq!(mesh.settled(&port, 1)["accepted"], 1);
    let lost = "spans did not reach the collector";
    let said = || std::fs::read_to_string(mesh.log()).expect("a log");
    wait_for("the log says that spans are lost", LIMIT, || {
        let log = said();
        if log.contains(lost) { Ok(()) } else { Err(log) }
    });
    mesh.stop();
    let log = std::fs::read_to_string(mesh.log()).expect("a log");
    assert!(log.matches(lost).count() <= 2, "said once a minute: {log}");
}

#[test]
fn a_collector_that_is_away_costs_nothing_but_spans() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    works_without("untold", address);
}

#[test]
fn a_collector_that_never_answers_costs_nothing_but_spans() {
    // The system takes connections for it, and nobody reads them.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    works_without("unheard", silent.local_addr().expect("an address"));
}

#[test]
fn a_collectors_address_that_is_none_is_said_before_anything_starts() {
    let (id, home) = (unique("mistold"), tempfile::tempdir().expect("a folder"));
    let mut command = tests::mesh::up(&id, home.path(), Kafka::Shared);
    command.env("MESHLOG_TRACES__ENDPOINT", "collector:4318");
    let said = run(&mut command, LIMIT).expect_code(2);
    assert!(said.stderr.contains("traces.endpoint"), "{said:?}");
    assert!(!home.path().join("data").exists());
}
