//! One-off publishing in transactions: records and a position together or not at all, and resumed where it stopped.

use std::ops::ControlFlow;

use kafka::{Admin, Position, ScanEnd, ScanSpec, ScanStart, TxError, TxProducer, scan};

use crate::support::{cluster, outgoing, topic, unique};

fn values(topic: &str) -> Vec<String> {
    let spec = ScanSpec {
        topic: topic.to_owned(),
        partitions: None,
        from: ScanStart::Beginning,
        until: ScanEnd::CurrentEnd,
    };
    let mut values = Vec::new();
    scan(&cluster(), &spec, |record| {
        values.push(String::from_utf8(record.value.unwrap_or_default()).expect("text"));
        ControlFlow::Continue(())
    })
    .expect("readable");
    values
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_and_position_are_published_together_or_not_at_all() {
    let (name, id) = (topic("published").await, unique("publish"));
    cluster();
    let (topic, id2) = (name.clone(), id.clone());
    let published = tokio::task::spawn_blocking(move || publish(&topic, &id2));
    published.await.expect("no panic").expect("published");

    let admin = Admin::new(&cluster()).expect("an administrator");
    let committed = admin.committed(&id, &name).await.expect("answers");
    assert_eq!(
        (committed[0].offset, committed[0].metadata.as_str()),
        (2, "line 2 of a.csv")
    );
    let seen = tokio::task::spawn_blocking(move || values(&name))
        .await
        .expect("no panic");
    assert_eq!(seen, ["1", "2", "4"]);
}

fn publish(topic: &str, id: &str) -> Result<(), TxError> {
    let position = |offset, metadata: &str| Position {
        topic: topic.to_owned(),
        partition: 0,
        offset,
        metadata: metadata.to_owned(),
    };
    let mut producer = TxProducer::new(&cluster(), id)?;
    producer.begin()?;
    producer.send(&outgoing(topic, "k", "1"))?;
    producer.send(&outgoing(topic, "k", "2"))?;
    producer.send_offsets(id, &[position(2, "line 2 of a.csv")])?;
    producer.commit()?;

    // Ten thousand in flight, given up: nothing is visible and nothing blocks.
    producer.begin()?;
    for _ in 0..10_000 {
        producer.send(&outgoing(topic, "k", "3"))?;
    }
    producer.send_offsets(id, &[position(10_002, "never")])?;
    producer.abort()?;

    producer.begin()?;
    producer.send(&outgoing(topic, "k", "4"))?;
    producer.commit()?;

    // A second run of the same command takes the fence; the first can do nothing any more.
    let _second = TxProducer::new(&cluster(), id)?;
    let begun = producer
        .begin()
        .and_then(|()| producer.send(&outgoing(topic, "k", "5")));
    let error = begun.and_then(|()| producer.commit()).expect_err("fenced");
    assert!(matches!(error, TxError::Fenced { .. }), "{error}");
    Ok(())
}
