//! The ledger's checker, shown topics and ledgers in which something is wrong: it has to say what. A checker that cannot
//! fail checks nothing.

use kafka::{Admin, Delivered, Header, Outgoing, Producer, TopicSpec, TxProducer};
use std::collections::BTreeMap;
use std::path::Path;
use tests::broker::{cluster, runtime, unique};
use tests::ledger::book::{Book, Outcome};
use tests::ledger::checker::{Finding, Subject, check};
use tests::ledger::event::{Event, Events, Schemas};

/// An output: of which event, said to be of which inbox offset, in the product topic or not.
#[derive(Debug, Clone, Copy)]
struct Out {
    event: usize,
    source: i64,
    product: bool,
}

/// A small world: three events, all judged rightly unless changed.
struct World {
    name: String,
    events: Vec<Event>,
    outs: Vec<Out>,
    committed: i64,
    counters: &'static str,
    /// The event whose value is another one in the product.
    corrupted: Option<usize>,
    /// The event that the ledger does not know.
    unknown: Option<usize>,
}

impl World {
    fn new() -> Self {
        let schemas = Schemas {
            first: 1,
            second: None,
        };
        let mut events = Events::new(7);
        let mut chosen = vec![events.probe(schemas), events.probe(schemas)];
        while chosen.len() < 3 {
            let event = events.next(schemas);
            if event.expected == "MESH-1001" {
                chosen.push(event);
            }
        }
        let out = |event, product| Out {
            event,
            source: i64::try_from(event).expect("few events"),
            product,
        };
        Self {
            name: unique("doctored"),
            events: chosen,
            outs: vec![out(0, true), out(1, true), out(2, false)],
            committed: 3,
            counters: "v1 seq=1 in=3 ok=2 q=1",
            corrupted: None,
            unknown: None,
        }
    }

    fn topic(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.name)
    }

    /// Writes topics, offsets and ledger, and has them checked.
    fn checked(&self, dir: &Path) -> Finding {
        let (inbox, quarantine) = (self.topic(".inbox"), self.topic(".quarantine"));
        let specs = [&inbox, &quarantine, &self.name].map(|topic| TopicSpec {
            name: topic.clone(),
            partitions: 1,
            replication: 1,
            configs: BTreeMap::new(),
        });
        let admin = Admin::new(&cluster()).expect("a client");
        runtime()
            .block_on(admin.ensure_topics(&specs))
            .expect("topics");
        let producer = Producer::new(&cluster()).expect("a producer");
        let send = |record: Outgoing| runtime().block_on(producer.send(record)).expect("taken");
        let ledger = dir.join(&self.name);
        let mut book = Book::create(&ledger).expect("a ledger");
        for (index, event) in self.events.iter().enumerate() {
            let Delivered { partition, offset } = send(event.outgoing(&inbox));
            if self.unknown != Some(index) {
                let outcome = Outcome::Acked(partition, offset);
                book.write(event, outcome).expect("writes");
            }
        }
        book.close().expect("writes");
        for out in &self.outs {
            let topic = if out.product { &self.name } else { &quarantine };
            send(self.output(*out, topic));
        }
        self.commit(&inbox);
        check(&Subject {
            bootstrap: cluster().bootstrap(),
            group: &self.name,
            port: &self.name,
            inbox: &inbox,
            ledger: &ledger,
        })
    }

    fn output(&self, out: Out, topic: &str) -> Outgoing {
        let mut record = self.events[out.event].outgoing(topic);
        let source = format!("0/{}@1", out.source);
        record.headers.push(Header::new("mesh-src", source));
        if !out.product {
            let reasons = r#"[{"code":"MESH-1001"}]"#;
            record.headers.push(Header::new("mesh-reasons", reasons));
            record.headers.push(Header::new("__rule.name", "MESH-1001"));
        }
        if self.corrupted == Some(out.event) {
            record.value = Some(b"something else".to_vec());
        }
        record
    }

    fn commit(&self, inbox: &str) {
        let mut producer = TxProducer::new(&cluster(), &self.name).expect("a producer");
        producer.begin().expect("begins");
        let position = kafka::Position {
            topic: inbox.to_owned(),
            partition: 0,
            offset: self.committed,
            metadata: self.counters.to_owned(),
        };
        producer
            .send_offsets(&self.name, &[position])
            .expect("sends");
        producer.commit().expect("commits");
    }
}

/// Which rules the checker finds broken in a world that was changed.
#[track_caller]
fn broken(change: impl FnOnce(&mut World)) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = World::new();
    change(&mut world);
    let finding = world.checked(dir.path());
    finding.broken().into_iter().map(|(rule, _)| rule).collect()
}

#[test]
fn the_checker_tells_what_is_wrong() {
    assert_eq!(broken(|_| {}), Vec::<String>::new());
    assert_eq!(
        broken(|world| {
            world.outs.remove(1);
            world.counters = "v1 seq=1 in=3 ok=1 q=1";
        }),
        ["lost"]
    );
    assert_eq!(
        broken(|world| {
            world.outs.push(world.outs[2]);
            world.counters = "v1 seq=1 in=3 ok=2 q=2";
        }),
        ["duplicate", "reordered"]
    );
    assert_eq!(
        broken(|world| {
            world.committed = 2;
            world.counters = "v1 seq=1 in=2 ok=2 q=1";
        }),
        ["ahead", "unfinished"]
    );
    assert_eq!(
        broken(|world| {
            world.outs[2].product = true;
            world.counters = "v1 seq=1 in=3 ok=3 q=0";
        }),
        ["misrouted"]
    );
    assert_eq!(broken(|world| world.corrupted = Some(0)), ["corrupted"]);
    assert_eq!(broken(|world| world.outs.swap(0, 1)), ["reordered"]);
    assert_eq!(broken(|world| world.counters = ""), ["counts"]);
    assert!(broken(|world| world.unknown = Some(1)).contains(&"spurious".to_owned()));
}

#[test]
fn the_checker_sees_a_transaction_that_nobody_ends() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::new();
    assert_eq!(world.checked(dir.path()).broken(), []);
    let mut open = TxProducer::new(&cluster(), &unique("open")).expect("a producer");
    open.begin().expect("begins");
    open.send(&world.output(world.outs[0], &world.name))
        .expect("sends");
    let found = tests::wait_for("the record is there", tests::LIMIT, || {
        let finding = check(&Subject {
            bootstrap: cluster().bootstrap(),
            group: &world.name,
            port: &world.name,
            inbox: &world.topic(".inbox"),
            ledger: &dir.path().join(&world.name),
        });
        (!finding.broken().is_empty())
            .then_some(finding)
            .ok_or_else(String::new)
    });
    assert!(found.count("hanging") > 0, "{found:?}");
    open.abort().expect("aborts");
}
