//! The development broker's life: started, forgotten, adopted, restarted on the same data, stopped; and the clients that live
//! through it.

use std::net::TcpListener;

use kafka::dev::{DevBroker, DevBrokerConfig, DevError};
use kafka::{Admin, LogEvent, LogReader, LogWriter, Producer, WriterStatus};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{LIMIT, eventually, jars, next, outgoing, spec, until_end};
use crate::writer::{Counter, Names};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_broker_is_adopted_and_a_stopped_one_keeps_data_and_port() {
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
    let (pid, bootstrap) = (first.pid(), first.bootstrap());
    // What kill -9 of this process would leave: the handle is gone, the child is nobody's.
    std::mem::forget(first);

    let mut second = DevBroker::start(&config).expect("adopts");
    assert!(second.adopted() && second.is_alive());
    assert_eq!((second.pid(), second.bootstrap()), (pid, bootstrap.clone()));

    second.stop().expect("stops");
    let squatter = TcpListener::bind(&bootstrap).expect("the port is free again");
    let taken = squatter.local_addr().expect("it is bound").port();
    let refused = DevBroker::start(&config).expect_err("the port is taken");
    assert!(
        matches!(refused, DevError::PortInUse { port } if port == taken),
        "{refused}"
    );
    drop(squatter);

    let third = DevBroker::start(&config).expect("starts on the same data");
    assert_eq!((third.adopted(), third.bootstrap()), (false, bootstrap));
    let mut reader = LogReader::follow(&third.cluster(), "kept", 0).expect("a reader");
    assert_eq!(until_end(&mut reader).await, (vec!["v".to_owned()], 1));
    third.stop().expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reader_producer_and_writer_go_on_after_the_broker_was_killed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = DevBrokerConfig {
        dir: dir.path().to_owned(),
        kafka_port: 0,
        jars: jars(),
    };
    let mut broker = DevBroker::start(&config).expect("starts");
    let names = Names::fixed("w", "requests", "log", "replies");
    let admin = Admin::new(&broker.cluster()).expect("an administrator");
    let topics = ["requests", "log", "replies"].map(|name| spec(name, &[]));
    admin.ensure_topics(&topics).await.expect("topics");
    let writer = LogWriter::spawn(names.config(broker.cluster()), Counter::new(&names));
    let mut replies = LogReader::follow(&broker.cluster(), "replies", 0).expect("a reader");
    let producer = Producer::new(&broker.cluster()).expect("a producer");
    producer
        .send(outgoing("requests", "k", "before"))
        .await
        .expect("acknowledged");
    assert_eq!(one_value(&mut replies).await, "before=0");

    let pid = Pid::from_raw(i32::try_from(broker.pid()).expect("a process id"));
    kill(pid, Signal::SIGKILL).expect("it runs");
    eventually("the broker's end is seen", || {
        (!broker.is_alive()).then_some(())
    });
    let mut troubles = 0;
    while troubles == 0 {
        troubles += u32::from(matches!(next(&mut replies).await, LogEvent::Trouble(_)));
    }
    let mut status = writer.status();
    let away = status.wait_for(|status| matches!(status, WriterStatus::Waiting(_)));
    tokio::time::timeout(LIMIT, away)
        .await
        .expect("in time")
        .expect("the writer runs");

    let broker = DevBroker::start(&config).expect("starts on the same data");
    assert!(!broker.adopted());
    producer
        .send(outgoing("requests", "k", "after"))
        .await
        .expect("acknowledged");
    assert_eq!(one_value(&mut replies).await, "after=1");
    writer.stop();
    broker.stop().expect("stops");
}

/// The next record's value; ends on the way are passed over, and trouble would have been said before.
async fn one_value(reader: &mut LogReader) -> String {
    loop {
        match next(reader).await {
            LogEvent::Record(record) => {
                return String::from_utf8(record.value.unwrap_or_default()).expect("text");
            }
            LogEvent::EndReached { .. } => {}
            LogEvent::Trouble(what) => unreachable!("trouble is said once: {what}"),
        }
    }
}
