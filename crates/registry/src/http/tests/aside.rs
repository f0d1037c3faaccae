//! Whoever has schemas read or compared, however long that takes, keeps neither a read nor the view waiting.
//!
//! All of it on one thread, as in a runtime with one worker: work that was done on it would end before anything else.

use super::{Answer, ask_of, router, schema, service};
use crate::{record::Key, refusal::Refusal, service::Service};
use serde_json::json;
use std::{sync::mpsc, thread};
use tokio::task::{JoinHandle, yield_now};

/// A version of subject `s`, as from the log.
fn record(number: u32, id: u32) -> kafka::Record {
    let value =
        json!({"subject": "s", "version": number, "id": id, "schema": format!("\"fixed{id}\"")});
    kafka::Record {
        topic: "_schemas".into(),
        partition: 0,
        offset: 0,
        timestamp_ms: None,
        key: Some(Key::schema("s", number).encode()),
        value: Some(value.to_string().into_bytes()),
        headers: vec![],
    }
}

/// The view goes on, and what it then knows is read by id.
async fn goes_on(service: &Service, number: u32) {
    assert!(service.view().is_free(), "the state is held");
    let id = 100 + number;
    service.view().take(&record(number, id));
    let registry = router(service.clone());
    let answer = ask_of(registry, "GET", &format!("/schemas/ids/{id}"), "").await;
    assert_eq!(answer.codes(), (200, 0), "{}", answer.body);
}

fn spawned(
    service: &Service,
    method: &'static str,
    path: &str,
    body: String,
) -> JoinHandle<Answer> {
    let (registry, path) = (router(service.clone()), path.to_owned());
    tokio::spawn(async move { ask_of(registry, method, &path, body).await })
}

#[tokio::test]
async fn reads_go_on_while_schemas_are_worked_on() {
    let service = service();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let (end, ends) = mpsc::channel::<()>();
    let serving = thread::current().id();
    let worker = service.clone();
    let work = tokio::spawn(async move {
        let work = move || {
            if thread::current().id() == serving {
                return Err(Refusal::store("this thread serves requests"));
            }
            begun.send(()).ok();
            // until the test says so, or is over
            ends.recv().ok();
            Ok("done")
        };
        worker.aside().run(work).await
    });
    begins.await.expect("begins on a thread of its own");
    goes_on(&service, 3).await;
    assert!(!work.is_finished());
    end.send(()).expect("still at work");
    assert_eq!(work.await.expect("ends"), Ok("done"));
}

#[tokio::test]
async fn whatever_reads_or_compares_schemas_does_so_aside() {
    let text = schema("\"string\"");
    let broken = schema("{");
    for (number, (method, path, body, status)) in (3..).zip([
        ("POST", "/compatibility/subjects/s/versions", &text, 422),
        ("POST", "/compatibility/subjects/s/versions/1", &text, 422),
        ("POST", "/compatibility/subjects/n/versions", &text, 200),
        ("POST", "/subjects/s", &text, 404),
        ("POST", "/subjects/n/versions", &broken, 422),
        ("GET", "/schemas/ids/2?format=resolved", &text, 422),
        ("GET", "/subjects/s/versions/1?findTags=*", &text, 200),
        (
            "GET",
            "/subjects/s/versions/1/schema?format=resolved",
            &text,
            422,
        ),
        ("GET", "/subjects/s/metadata?format=resolved", &text, 422),
    ]) {
        let service = service();
        let all_places = service.aside().occupy().await;
        let asked = spawned(&service, method, path, body.clone());
        for _ in 0..100 {
            yield_now().await;
        }
        goes_on(&service, number).await;
        assert!(
            !asked.is_finished(),
            "{path} is answered on the thread that serves"
        );
        drop(all_places);
        let answer = asked.await.expect("answered");
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn what_is_asked_for_as_it_is_stored_needs_no_place() {
    let service = service();
    let _all_places = service.aside().occupy().await;
    for path in [
        "/schemas/ids/1",
        "/schemas/ids/1/schema",
        "/schemas/ids/1/versions",
        "/schemas?subjectPrefix=s",
        "/subjects",
        "/subjects/s/versions/latest",
        "/subjects/s/metadata",
        "/config",
    ] {
        let answer = ask_of(router(service.clone()), "GET", path, "").await;
        assert_eq!(answer.codes(), (200, 0), "{path}: {}", answer.body);
    }
}
