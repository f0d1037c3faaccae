//! Retention that is faster than the enforcer: what is gone is named in the log, and nothing that is left comes out twice.

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::fs;
use tests::usage::{publish, stats};
use tests::{Domain, Kafka, TestMesh, broker, wait_for};

/// Deletes everything that an inbox holds now, as retention does with what is too old.
fn delete_all(inbox: &str) {
    let cluster = broker::cluster();
    let client: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap())
        .create()
        .expect("a client");
    let admin = kafka::Admin::new(&cluster).expect("a client");
    let deleted = broker::runtime().block_on(async {
        let ends = admin.end_offsets(inbox).await.expect("the topic is there");
        let mut all = TopicPartitionList::new();
        for at in ends {
            let upto = Offset::Offset(at.end);
            let added = all.add_partition_offset(inbox, at.partition, upto);
            added.expect("an offset");
        }
        let deleted = client.delete_records(&all, &AdminOptions::new()).await;
        deleted.expect("records are deleted")
    });
    for at in deleted.elements() {
        assert_eq!(at.error(), Ok(()), "partition {}", at.partition());
    }
}

#[test]
fn what_retention_took_is_named_and_the_rest_comes_out_once() {
    let mesh = TestMesh::start_on("retention", Kafka::Shared);
    let domain = Domain::example("billing");
    mesh.apply(&domain.dir());
    let port = domain.port_named("usage", "records");

    publish(&mesh, &domain, &port, 40);
    mesh.settled(&port, 40);
    // Held, as by an outage that lasts longer than the inbox keeps events.
    mesh.cli(&["breaker", "hold", &port]).expect_code(0);
    publish(&mesh, &domain, &port, 60);
    delete_all(&format!("{port}.inbox"));
    publish(&mesh, &domain, &port, 30);
    mesh.cli(&["breaker", "reset", &port]).expect_code(0);

    let after = stats(&mesh, &port, "what is left is judged", |stats| {
        stats["inbox"] == 70
    });
    assert_eq!(after["accepted"], 70, "{after}");
    assert_eq!(after["quarantined"], 0, "{after}");
    wait_for("what is gone is named", tests::LIMIT, || {
        let log = fs::read_to_string(mesh.log()).map_err(|error| error.to_string())?;
        let named = log.lines().any(|line| {
            line.contains("what was to be judged next is not there") && line.contains(&port)
        });
        named.then_some(()).ok_or(log)
    });
    // It goes on as ever.
    publish(&mesh, &domain, &port, 10);
    let settled = mesh.settled(&port, 80);
    assert_eq!(settled["accepted"], 80, "{settled}");
}
