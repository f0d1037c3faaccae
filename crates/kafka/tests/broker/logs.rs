//! Following and scanning topics with transactions: aborted records stay hidden, and ends are found behind markers.

use std::ops::ControlFlow;
use std::time::Duration;

use kafka::{LogEvent, LogReader, Producer, ScanEnd, ScanSpec, ScanStart, scan};
use rdkafka::producer::{BaseRecord, Producer as _};

use crate::support::{
    LIMIT, cluster, next, outgoing, stranger, topic, transaction, unique, until_end,
};

#[tokio::test]
async fn a_reader_hides_aborted_records_and_reaches_the_end_behind_markers() {
    let name = topic("log").await;
    let producer = stranger(&unique("tx"));
    transaction(&producer, &name, &["a", "b"], true); // 0 1, marker 2
    transaction(&producer, &name, &["x", "y"], false); // 3 4, marker 5
    let mut reader = LogReader::follow(&cluster(), &name, 0).expect("a reader");
    let (values, end) = until_end(&mut reader).await;
    assert_eq!((values, end), (vec!["a".to_owned(), "b".to_owned()], 6));

    // Asked again with nothing new: answered at once, with the same end.
    reader.request_end();
    assert_eq!(until_end(&mut reader).await, (vec![], 6));

    // An open transaction is neither delivered nor waited for.
    producer.begin_transaction().expect("begin");
    let record = BaseRecord::<str, str>::to(&name).partition(0).payload("c");
    producer
        .send(record)
        .map_err(|(error, _)| error)
        .expect("send");
    producer.flush(LIMIT).expect("flush");
    reader.request_end();
    assert_eq!(until_end(&mut reader).await, (vec![], 6));
    producer.commit_transaction(LIMIT).expect("commit");

    // Written before the request, so it comes before the end.
    reader.request_end();
    let mut seen = Vec::new();
    let mut end = 0;
    while end < 8 {
        let (values, reached) = until_end(&mut reader).await;
        seen.extend(values);
        end = reached;
    }
    assert_eq!((seen, end), (vec!["c".to_owned()], 8));
    reader.stop();
}

#[tokio::test]
async fn a_reader_starts_anywhere_and_says_when_its_offset_is_gone() {
    let name = topic("anywhere").await;
    let producer = Producer::new(&cluster()).expect("a producer");
    for value in ["a", "b", "c"] {
        producer
            .send(outgoing(&name, "k", value))
            .await
            .expect("acknowledged");
    }
    let mut reader = LogReader::follow(&cluster(), &name, 2).expect("a reader");
    assert_eq!(until_end(&mut reader).await, (vec!["c".to_owned()], 3));
    let mut reader = LogReader::follow(&cluster(), &name, 3).expect("a reader at the end");
    assert_eq!(until_end(&mut reader).await, (vec![], 3));

    let mut lost = LogReader::follow(&cluster(), &name, 900).expect("a reader");
    loop {
        match next(&mut lost).await {
            LogEvent::EndReached { .. } => {}
            LogEvent::Trouble(what) => {
                assert!(what.contains("no longer has offset 900"), "{what}");
                break;
            }
            LogEvent::Record(record) => unreachable!("there is none at 900: {record:?}"),
        }
    }
    assert_eq!(
        tokio::time::timeout(LIMIT, lost.next())
            .await
            .expect("in time"),
        None
    );
}

#[tokio::test]
async fn a_slow_reader_stops_quickly() {
    let name = topic("slow").await;
    let producer = Producer::new(&cluster()).expect("a producer");
    let big = "x".repeat(1000);
    let sends: Vec<_> = (0..2000)
        .map(|_| producer.send(outgoing(&name, "k", &big)))
        .collect();
    for send in sends {
        send.await.expect("acknowledged");
    }
    let mut reader = LogReader::follow(&cluster(), &name, 0).expect("a reader");
    assert!(matches!(next(&mut reader).await, LogEvent::Record(_)));
    // Nobody takes the rest; the thread waits for room in the channel.
    let stopping = tokio::task::spawn_blocking(move || reader.stop());
    tokio::time::timeout(Duration::from_secs(5), stopping)
        .await
        .expect("quick")
        .expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_reads_a_range_and_no_more() {
    let name = topic("scan").await;
    let producer = Producer::new(&cluster()).expect("a producer");
    for time in [1_000, 2_000, 3_000, 4_000] {
        let mut record = outgoing(&name, "k", &time.to_string());
        record.timestamp_ms = Some(time);
        producer.send(record).await.expect("acknowledged");
    }
    transaction(&stranger(&unique("tx")), &name, &["aborted"], false);
    let read = |from, until| {
        let spec = ScanSpec {
            topic: name.clone(),
            partitions: None,
            from,
            until,
        };
        let mut values = Vec::new();
        let summary = scan(&cluster(), &spec, |record| {
            let value = record.value.unwrap_or_default();
            values.push(String::from_utf8_lossy(&value).into_owned());
            ControlFlow::Continue(())
        })
        .expect("readable");
        assert_eq!(summary.records, values.len() as u64);
        values.join(" ")
    };
    tokio::task::block_in_place(|| {
        use ScanEnd::{CurrentEnd, Offset, Time};
        assert_eq!(
            read(ScanStart::Beginning, CurrentEnd),
            "1000 2000 3000 4000"
        );
        assert_eq!(read(ScanStart::Time(1_500), Time(4_000)), "2000 3000");
        assert_eq!(read(ScanStart::Offset(1), Offset(2)), "2000");
        assert_eq!(read(ScanStart::End, CurrentEnd), "");
        assert_eq!(read(ScanStart::Time(9_000_000_000_000), CurrentEnd), "");
        let spec = ScanSpec {
            topic: "no-such-topic".into(),
            partitions: None,
            from: ScanStart::Beginning,
            until: CurrentEnd,
        };
        let error = scan(&cluster(), &spec, |_| ControlFlow::Continue(())).expect_err("no topic");
        assert!(error.to_string().contains("no-such-topic"), "{error}");
    });
}
