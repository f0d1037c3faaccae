//! The judge alone, on one core and without Kafka: verdicts over events in memory, in turns with a library that reads the
//! same bytes.

use super::{BenchError, Row, events::Events, rounds::median};
use apache_avro::{Schema, reader::datum::GenericDatumReader};
use contract::{rule::Event, spec::Encoding, verdict::Verdict};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// Different events that are gone through again and again: more than the processor keeps next to it.
const EVENTS: usize = 2_000;

/// How long each side runs in a round.
const TURN: Duration = Duration::from_millis(200);

const ROUNDS: usize = 7;

/// Bytes of the remark: events of some 100, 300 and 2,100 bytes.
const SIZES: [usize; 3] = [20, 205, 2_000];

/// Length of the prefix: a zero and the schema's id.
const PREFIX: usize = 5;

type Run<'a> = Box<dyn FnMut(&Sample) -> Result<(), String> + 'a>;

struct Sample {
    key: Vec<u8>,
    value: Vec<u8>,
}

/// A library that reads values.
struct Peer {
    name: &'static str,
    read: Run<'static>,
}

pub(super) fn rows(say: &mut dyn FnMut(&str)) -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    for remark in SIZES {
        for encoding in [Encoding::Avro, Encoding::Json, Encoding::Protobuf] {
            let events = Events::new(encoding, EVENTS).with_remark(remark);
            say(&format!("{} of {} bytes", encoding.name(), events.bytes()));
            rows.extend(compared(events)?);
        }
    }
    Ok(rows)
}

/// One of those that take turns: a name, what it reads, and how.
struct Reader<'a> {
    name: String,
    samples: &'a [Sample],
    run: Run<'a>,
}

fn compared(events: Events) -> Result<Vec<Row>, BenchError> {
    // What is measured is the way of events that are accepted; those that are not have a row of their own.
    let (bad, good): (Vec<_>, Vec<_>) = (0..EVENTS)
        .map(|number| {
            let sample = Sample {
                key: Events::key(number),
                value: events.value(number),
            };
            (events.is_bad(number), sample)
        })
        .partition(|(is_bad, _)| *is_bad);
    let of = |samples: Vec<(bool, Sample)>| samples.into_iter().map(|(_, sample)| sample);
    let (bad, good): (Vec<Sample>, Vec<Sample>) = (of(bad).collect(), of(good).collect());
    let peer = peer(&events)?;
    let name = events.encoding.name();
    let side = |name: String, samples, run| Reader { name, samples, run };
    let mut sides = [
        side(peer.name.to_owned(), &*good, peer.read),
        side(name.to_owned(), &good, judge(events, true)?),
        side(
            format!("{name}-3-rules"),
            &good,
            judge(events.with_rules(), true)?,
        ),
        side(format!("{name}-refused"), &bad, judge(events, false)?),
    ];
    let mut rates = vec![Vec::new(); sides.len()];
    for round in 0..ROUNDS {
        for turn in 0..sides.len() {
            let at = (turn + round) % rates.len();
            let Reader { name, samples, run } = &mut sides[at];
            rates[at].push(rate(samples, run).map_err(|problem| BenchError::Peer {
                library: peer.name,
                problem: format!("{name}: {problem}"),
            })?);
        }
    }
    let names: Vec<String> = sides.into_iter().map(|side| side.name).collect();
    Ok(table(&events, &names, &rates))
}

/// One row a side: events and megabytes a second.
fn table(events: &Events, names: &[String], rates: &[Vec<f64>]) -> Vec<Row> {
    let peers = rates.first().cloned().unwrap_or_default();
    let mut rows = Vec::new();
    for (at, (name, rates)) in names.iter().zip(rates).enumerate() {
        let mut ratios: Vec<f64> = rates
            .iter()
            .zip(&peers)
            .map(|(rate, peer)| rate / peer)
            .collect();
        let row = |rate, unit| Row {
            name: name.clone(),
            rate,
            unit,
            event_bytes: events.bytes(),
            rounds: rates.len(),
            ..Row::default()
        };
        let rate = median(&mut rates.clone());
        rows.push(Row {
            ratio: (at > 0).then(|| median(&mut ratios)),
            against: names.first().filter(|_| at > 0).cloned(),
            ..row(rate, "events/s")
        });
        rows.push(row(megabytes(rate, events.bytes()), "MB/s"));
    }
    rows
}

#[expect(clippy::cast_precision_loss, reason = "the bytes of one event are few")]
fn megabytes(rate: f64, bytes: usize) -> f64 {
    rate * bytes as f64 / 1e6
}

/// The judge of these events, which accepts each it is given, or refuses each.
fn judge(events: Events, accepts: bool) -> Result<Run<'static>, BenchError> {
    let rules = events.rules().map_err(BenchError::Contract)?;
    Ok(Box::new(move |sample| {
        let event = Event {
            key: Some(&sample.key),
            value: Some(&sample.value),
            headers: &[],
        };
        match rules.judge(&event) {
            Ok(Verdict::Accepted) if accepts => Ok(()),
            Ok(Verdict::Quarantined(_)) if !accepts => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "events of a second are far below 2^52"
)]
fn rate(samples: &[Sample], run: &mut Run<'_>) -> Result<f64, String> {
    let start = Instant::now();
    let mut done = 0_u64;
    while start.elapsed() < TURN {
        for sample in samples {
            run(black_box(sample))?;
        }
        done += samples.len() as u64;
    }
    Ok(done as f64 / start.elapsed().as_secs_f64())
}

fn peer(events: &Events) -> Result<Peer, BenchError> {
    let refused =
        |library: &'static str| move |problem: String| BenchError::Peer { library, problem };
    match events.encoding {
        Encoding::Avro => avro_peer(events).map_err(refused("apache-avro")),
        Encoding::Json => Ok(Peer {
            name: "serde_json",
            read: Box::new(|sample| {
                let read = serde_json::from_slice::<serde_json::Value>(&sample.value);
                read.map(|value| drop(black_box(value)))
                    .map_err(|error| error.to_string())
            }),
        }),
        Encoding::Protobuf => protobuf_peer(events).map_err(refused("prost-reflect")),
    }
}

fn avro_peer(events: &Events) -> Result<Peer, String> {
    let schema = Schema::parse_str(events.schema()).map_err(|error| error.to_string())?;
    // Read for as long as the benchmark runs, which is once.
    let schema: &'static Schema = Box::leak(Box::new(schema));
    let reader = GenericDatumReader::builder(schema)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Peer {
        name: "apache-avro",
        read: Box::new(move |sample| {
            let read = reader.read_value(&mut &sample.value[PREFIX..]);
            read.map(|value| drop(black_box(value)))
                .map_err(|error| error.to_string())
        }),
    })
}

fn protobuf_peer(events: &Events) -> Result<Peer, String> {
    let schema = contract::protobuf::Schema::parse(events.schema(), &[])
        .map_err(|error| error.to_string())?;
    let message: MessageDescriptor = schema
        .descriptor()
        .messages()
        .next()
        .ok_or("it has no message")?;
    Ok(Peer {
        name: "prost-reflect",
        read: Box::new(move |sample| {
            let read = DynamicMessage::decode(message.clone(), &sample.value[PREFIX + 1..]);
            read.map(|value| drop(black_box(value)))
                .map_err(|error| error.to_string())
        }),
    })
}
