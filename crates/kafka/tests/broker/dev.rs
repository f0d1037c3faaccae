//! The development broker's life: started, forgotten, adopted, restarted on the same data, stopped.

use std::net::TcpListener;

use kafka::dev::{DevBroker, DevBrokerConfig, DevError};
use kafka::{Admin, LogReader, Producer};

use crate::support::{jars, outgoing, spec, until_end};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_broker_is_adopted_and_a_killed_one_keeps_its_data() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = DevBrokerConfig {
        dir: dir.path().to_owned(),
        kafka_port: 0,
        jars: jars(),
    };

    let first = DevBroker::start(&config).expect("starts");
    assert!(!first.adopted());
    let admin = Admin::new(&first.cluster()).expect("an administrator");
    assert_eq!(
        admin.cluster_id().await.expect("answers"),
        first.cluster_id()
    );
    admin
        .ensure_topics(&[spec("kept", &[])])
        .await
        .expect("a topic");
    let producer = Producer::new(&first.cluster()).expect("a producer");
    producer
        .send(outgoing("kept", "k", "v"))
        .await
        .expect("acknowledged");
    let mut reader = LogReader::follow(&first.cluster(), "kept", 0).expect("a reader");
    assert_eq!(until_end(&mut reader).await, (vec!["v".to_owned()], 1));
    let (pid, bootstrap) = (first.pid(), first.bootstrap());
    // What kill -9 of this process would leave: the handle is gone, the child is nobody's.
    std::mem::forget(first);

    let mut second = DevBroker::start(&config).expect("adopts");
    assert!(second.adopted() && second.is_alive());
    assert_eq!((second.pid(), second.bootstrap()), (pid, bootstrap.clone()));

    second.stop().expect("stops");
    let squatter = TcpListener::bind(&bootstrap).expect("the port is free again");
    let refused = DevBroker::start(&config).expect_err("the port is taken");
    assert!(matches!(refused, DevError::PortInUse { .. }), "{refused}");
    assert!(
        bootstrap.ends_with(&refused.to_string()[5..10]),
        "names the port: {refused}"
    );
    drop(squatter);

    let third = DevBroker::start(&config).expect("starts on the same data");
    assert_eq!((third.adopted(), third.bootstrap()), (false, bootstrap));
    producer
        .send(outgoing("kept", "k", "w"))
        .await
        .expect("the producer found it again");
    // The reader was told of trouble, and goes on by itself.
    let mut seen = Vec::new();
    while seen.last() != Some(&"w".to_owned()) {
        seen.extend(until_end(&mut reader).await.0);
    }
    assert_eq!(seen, ["w"]);
    third.stop().expect("stops");
}
