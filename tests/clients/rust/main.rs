//! Rust's `schema_registry_converter`, against Meshlog.
//!
//! ```text
//! interop-client produce SCHEMAS REGISTRY BOOTSTRAP avro|json:TOPIC... < records.jsonl
//! interop-client consume SCHEMAS REGISTRY BOOTSTRAP COUNT avro|json:TOPIC...
//! interop-client check REGISTRY PREFIX
//! ```
//!
//! produce and consume print one JSON object for each topic: what was produced, the values read, or the error. What the
//! driver expects of them stands in `../interop.py`. Records are written and read with the project's own Kafka client; what
//! is tested is the registry's.

use std::error::Error;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use kafka::{Cluster, Outgoing, Producer, ScanEnd, ScanSpec, ScanStart};
use schema_registry_converter::async_impl::avro::{AvroDecoder, AvroEncoder};
use schema_registry_converter::async_impl::json::{JsonDecoder, JsonEncoder};
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_all_versions, get_schema_by_id, get_schema_by_subject, is_compatible_schema,
    post_schema,
};
use schema_registry_converter::schema_registry_common::{
    SchemaType, SubjectNameStrategy, SuppliedSchema,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

type Failure = Box<dyn Error>;

/// A record as an application has it.
#[derive(Debug, Serialize, Deserialize)]
struct Reading {
    sensor: String,
    sequence: i64,
    celsius: f64,
    valid: bool,
    note: Option<String>,
    tags: Vec<String>,
    place: Place,
}

#[derive(Debug, Serialize, Deserialize)]
struct Place {
    name: String,
    floor: i32,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["produce", schemas, registry, bootstrap, targets @ ..] => {
            produce(Path::new(schemas), registry, bootstrap, targets).await
        }
        ["consume", _, registry, bootstrap, count, targets @ ..] => {
            consume(registry, bootstrap, count.parse()?, targets).await
        }
        ["check", registry, prefix] => check(registry, prefix).await,
        _ => Err(format!("no such call: {arguments:?}").into()),
    }
}

/// One line for each topic.
fn report(topic: &str, result: Result<Value, Failure>) {
    let mut line = result.unwrap_or_else(|error| json!({"error": told(&*error)}));
    line["topic"] = topic.into();
    println!("{line}");
}

fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn target(text: &str) -> Result<(&str, &str), Failure> {
    text.split_once(':')
        .ok_or_else(|| format!("{text} is no FORMAT:TOPIC").into())
}

async fn produce(
    schemas: &Path,
    registry: &str,
    bootstrap: &str,
    targets: &[&str],
) -> Result<(), Failure> {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let records: Vec<Reading> = input
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let producer = Producer::new(&Cluster::new(bootstrap))?;
    for text in targets {
        let (format, topic) = target(text)?;
        let written = write(schemas, registry, &producer, format, topic, &records).await;
        report(topic, written.map(|()| json!({"produced": records.len()})));
    }
    Ok(())
}

async fn write(
    schemas: &Path,
    registry: &str,
    producer: &Producer,
    format: &str,
    topic: &str,
    records: &[Reading],
) -> Result<(), Failure> {
    let (file, kind) = match format {
        "avro" => ("reading.avsc", SchemaType::Avro),
        "json" => ("reading.schema.json", SchemaType::Json),
        other => return Err(format!("{other} is not known here").into()),
    };
    let text = std::fs::read_to_string(schemas.join(file))?;
    let schema = SuppliedSchema::new(None, kind, text);
    let strategy =
        SubjectNameStrategy::TopicNameStrategyWithSchema(topic.to_owned(), false, schema);
    let settings = SrSettings::new(registry.to_owned());
    let avro = AvroEncoder::new(settings.clone());
    let json = JsonEncoder::new(settings);
    for record in records {
        let value = if format == "avro" {
            avro.encode_struct(record, &strategy).await?
        } else {
            let value = serde_json::to_value(record)?;
            json.encode(&value, strategy.clone()).await?
        };
        let outgoing = Outgoing {
            topic: topic.to_owned(),
            key: Some(record.sensor.clone().into_bytes()),
            value: Some(value),
            ..Outgoing::default()
        };
        producer.send(outgoing).await?;
    }
    Ok(())
}

async fn consume(
    registry: &str,
    bootstrap: &str,
    count: usize,
    targets: &[&str],
) -> Result<(), Failure> {
    for text in targets {
        let (format, topic) = target(text)?;
        let values = read(registry, bootstrap, count, format, topic).await;
        report(topic, values.map(|values| json!({"values": values})));
    }
    Ok(())
}

async fn read(
    registry: &str,
    bootstrap: &str,
    count: usize,
    format: &str,
    topic: &str,
) -> Result<Vec<Value>, Failure> {
    let (cluster, spec) = (
        Cluster::new(bootstrap),
        ScanSpec {
            topic: topic.to_owned(),
            partitions: None,
            from: ScanStart::Beginning,
            until: ScanEnd::CurrentEnd,
        },
    );
    let mut payloads = Vec::new();
    let payloads = tokio::task::spawn_blocking(move || {
        kafka::scan(&cluster, &spec, |record| {
            payloads.push(record.value.unwrap_or_default());
            ControlFlow::Continue(())
        })
        .map(|_| payloads)
    })
    .await??;
    if payloads.len() != count {
        return Err(format!("{} records, not {count}", payloads.len()).into());
    }
    let settings = SrSettings::new(registry.to_owned());
    let avro = AvroDecoder::new(settings.clone());
    let json = JsonDecoder::new(settings);
    let mut values = Vec::new();
    for payload in &payloads {
        values.push(if format == "avro" {
            let decoded = avro.decode(Some(payload)).await?;
            let reading: Reading = apache_avro::from_value(&decoded.value)?;
            serde_json::to_value(reading)?
        } else {
            let decoded = json.decode(Some(payload)).await?;
            decoded.ok_or("no value")?.value
        });
    }
    Ok(values)
}

/// The calls of an ordinary application.
async fn check(registry: &str, prefix: &str) -> Result<(), Failure> {
    let settings = SrSettings::new(registry.to_owned());
    let subject = format!("{prefix}-value");
    let avro = |text: &str| SuppliedSchema::new(None, SchemaType::Avro, text.to_owned());
    let first = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
    let second = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":0}]}"#;
    let broken = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;

    let registered = post_schema(&settings, subject.clone(), avro(first)).await?;
    let again = post_schema(&settings, subject.clone(), avro(first)).await?;
    expect("the same text, the same id", registered.id == again.id)?;
    let by_id = get_schema_by_id(registered.id, &settings).await?;
    expect("the schema by its id", same_json(&by_id.schema, first)?)?;
    let compatible = is_compatible_schema(&settings, subject.clone(), avro(second)).await?;
    expect("a field with a default is compatible", compatible)?;
    let compatible = is_compatible_schema(&settings, subject.clone(), avro(broken)).await?;
    expect("another type is not", !compatible)?;
    post_schema(&settings, subject.clone(), avro(second)).await?;
    let versions = get_all_versions(&settings, subject.clone()).await?;
    expect("two versions", versions == [1, 2])?;
    let strategy = SubjectNameStrategy::RecordNameStrategy(subject.clone());
    let latest = get_schema_by_subject(&settings, &strategy).await?;
    expect("the latest", same_json(&latest.schema, second)?)?;
    let refused = post_schema(&settings, subject, avro(broken)).await;
    expect("what is not compatible is refused", refused.is_err())
}

fn same_json(one: &str, other: &str) -> Result<bool, Failure> {
    let (one, other): (Value, Value) = (serde_json::from_str(one)?, serde_json::from_str(other)?);
    Ok(one == other)
}

fn expect(what: &str, holds: bool) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(format!("not so: {what}").into())
    }
}
