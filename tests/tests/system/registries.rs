//! Three instances of the registry on one Kafka, all taking writes, while the one that writes is killed or held.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::registries::{Registry, ask, ask_async};
use tests::{LIMIT, broker, wait_for};

/// Different schemas, each registered by every client under a subject of the client's own.
const SCHEMAS: usize = 40;

/// Clients, which go from instance to instance.
const CLIENTS: usize = 6;

/// How long the writer is held: longer than its group waits for it, so that another takes over.
const HELD: Duration = Duration::from_secs(14);

/// What the clients were told: schema, id, version.
type Answers = Arc<Mutex<Vec<(usize, u64, u64)>>>;

fn schema(number: usize) -> String {
    format!(
        r#"{{"type":"fixed","name":"F{number}","size":{}}}"#,
        number + 1
    )
}

/// Registers every schema; a request that fails is tried again at the next instance.
async fn client(
    me: usize,
    urls: Arc<Mutex<Vec<String>>>,
    answers: Answers,
    done: Arc<AtomicUsize>,
) {
    for step in 0..SCHEMAS {
        let number = (step + 7 * me) % SCHEMAS;
        let body = json!({"schema": schema(number)});
        let mut turn = me + step;
        loop {
            let url = {
                let urls = urls.lock().expect("not poisoned");
                format!(
                    "{}/subjects/c{me}-{number}/versions",
                    urls[turn % urls.len()]
                )
            };
            if let Ok((200, text)) = ask_async(url, Some(body.clone())).await {
                let answer: Value = serde_json::from_str(&text).expect("JSON");
                let told = |member: &str| answer[member].as_u64().expect("a number");
                let told = (number, told("id"), told("version"));
                answers.lock().expect("not poisoned").push(told);
                break;
            }
            turn += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

fn writer(instances: &[Registry]) -> usize {
    wait_for("one instance writes", LIMIT, || {
        let found = instances.iter().position(Registry::is_writer);
        found.ok_or_else(|| "none".to_owned())
    })
}

/// Waits until that share of the work is done, in percent.
fn progressed(done: &AtomicUsize, percent: usize) {
    wait_for(&format!("{percent} % of the registrations"), LIMIT, || {
        let count = done.load(Ordering::Relaxed);
        let due = CLIENTS * SCHEMAS * percent / 100;
        if count >= due {
            Ok(())
        } else {
            Err(format!("{count} of {due}"))
        }
    });
}

#[test]
fn three_instances_give_one_answer_while_their_writer_is_killed_and_held() {
    let mesh = broker::unique("registries");
    let mut instances: Vec<Registry> = (0..3).map(|_| Registry::start(&mesh)).collect();
    let shared = Arc::new(Mutex::new(instances_urls(&instances)));
    let (answers, done) = (Answers::default(), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|me| {
            let work = client(me, shared.clone(), answers.clone(), done.clone());
            broker::runtime().spawn(work)
        })
        .collect();

    progressed(&done, 15);
    let held = writer(&instances);
    instances[held].role.pause();
    std::thread::sleep(HELD);
    instances[held].role.resume();
    progressed(&done, 45);
    let killed = instances.remove(writer(&instances));
    *shared.lock().expect("not poisoned") = instances_urls(&instances);
    killed.role.kill_9();
    progressed(&done, 75);
    instances.push(Registry::start(&mesh));
    *shared.lock().expect("not poisoned") = instances_urls(&instances);
    for client in clients {
        broker::runtime()
            .block_on(client)
            .expect("no client panics");
    }

    let answers = answers.lock().expect("not poisoned").clone();
    assert_eq!(
        answers.len(),
        CLIENTS * SCHEMAS,
        "every request was answered once"
    );
    let mut ids: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
    for (number, id, version) in &answers {
        ids.entry(*number).or_default().insert(*id);
        assert_eq!(
            *version, 1,
            "schema {number}: a repeated request made no second version"
        );
    }
    let of_schema: BTreeMap<usize, u64> = ids
        .iter()
        .map(|(number, ids)| {
            assert_eq!(ids.len(), 1, "schema {number} was given {ids:?}");
            (*number, *ids.first().expect("one"))
        })
        .collect();
    let distinct: BTreeSet<u64> = of_schema.values().copied().collect();
    assert_eq!(distinct.len(), SCHEMAS, "no id stands for two schemas");
    // an instance that reads the log from its beginning says the same as those that lived through it
    instances.push(Registry::start(&mesh));
    for instance in &instances {
        agrees(instance, &of_schema);
    }
}

fn instances_urls(instances: &[Registry]) -> Vec<String> {
    instances
        .iter()
        .map(|instance| instance.url.clone())
        .collect()
}

/// An instance knows every schema by its id, and every subject.
#[track_caller]
fn agrees(instance: &Registry, of_schema: &BTreeMap<usize, u64>) {
    for (number, id) in of_schema {
        let text = ask(&format!("{}/schemas/ids/{id}/schema", instance.url), None);
        assert_eq!(
            text,
            Ok((200, schema(*number))),
            "{}: id {id}",
            instance.url
        );
    }
    let (_, subjects) = instance.get("/subjects").expect("answers");
    assert_eq!(
        subjects.as_array().map(Vec::len),
        Some(CLIENTS * SCHEMAS),
        "{}",
        instance.url
    );
}
