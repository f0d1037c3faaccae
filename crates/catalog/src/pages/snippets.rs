//! Programs that read a port, to copy: they run as shown, with this mesh's addresses in them.
//!
//! All read `read_committed`: accepted events become visible with their transaction.

use super::layout::code;
use crate::api::Site;
use crate::config::Shown;
use crate::model::PortInfo;
use contract::protobuf::{Demands, ProtobufEvents};
use contract::settings::LogicalTypes;
use governance::body::ContractVersion;
use maud::{Markup, html};

/// The address at which client commands look by themselves.
const DEFAULT_HTTP: &str = "http://127.0.0.1:8080";

/// One program.
struct Snippet {
    name: &'static str,
    /// What it needs, if anything.
    needs: &'static str,
    text: String,
}

/// All programs for a port, the first one open.
pub(crate) fn all(site: &Site, info: &PortInfo<'_>, contract: &ContractVersion) -> Markup {
    let (shown, topic) = (site.shown(), info.body.address.as_str());
    let rest = match contract.encoding.as_str() {
        "avro" => vec![
            python_avro(shown, topic),
            console_framed(shown, topic, "avro"),
            rust_avro(shown, topic),
        ],
        "protobuf" => vec![
            python_protobuf(site, topic, contract),
            console_framed(shown, topic, "protobuf"),
        ],
        _ => vec![
            python_json(shown, topic),
            console_json(shown, topic),
            rust_json(shown, topic),
        ],
    };
    html! {
        div.snippets {
            (one(&cli(shown, topic), topic, true))
            @for snippet in &rest { (one(snippet, topic, false)) }
        }
    }
}

fn one(snippet: &Snippet, topic: &str, open: bool) -> Markup {
    html! {
        // Of the same name: opening one closes the others.
        details name={ "read-" (topic) } open[open] {
            summary { (snippet.name) }
            @if !snippet.needs.is_empty() { p.faint { "Needs " code { (snippet.needs) } } }
            (code(&snippet.text))
        }
    }
}

fn cli(shown: &Shown, topic: &str) -> Snippet {
    let http = match shown.http.as_str() {
        DEFAULT_HTTP => String::new(),
        http => format!(" --http {http}"),
    };
    let text = format!(
        "# what is there, one JSON object a line\nmeshlog consume {topic}{http}\n\n# and what comes from now on\nmeshlog consume {topic}{http} --from end --follow"
    );
    Snippet {
        name: "meshlog",
        needs: "",
        text,
    }
}

/// A group id that nobody else uses and that says whose it is to be.
const GROUP: &str = "my-team.my-app";

/// What is done with a message whose `decode` a client of the registry gives.
const DECODED: &str =
    "        context = SerializationContext(message.topic(), MessageField.VALUE, message.headers())
        print(decode(message.value(), context))";

/// The loop of a Python consumer; `each` is what it does with a message.
fn python_consumer(shown: &Shown, topic: &str, each: &str) -> String {
    let bootstrap = &shown.bootstrap_servers;
    format!(
        r#"consumer = Consumer({{
    "bootstrap.servers": "{bootstrap}",
    "group.id": "{GROUP}",
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
}})
consumer.subscribe(["{topic}"])
try:
    while True:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
{each}
except KeyboardInterrupt:
    pass
finally:
    consumer.close()"#
    )
}

fn python_json(shown: &Shown, topic: &str) -> Snippet {
    let each = r#"        value = message.value()
        if value[:1] == b"\0":  # framed with a schema id
            value = value[5:]
        print(json.loads(value))"#;
    let consumer = python_consumer(shown, topic, each);
    let text = format!(
        r#"import json
from confluent_kafka import Consumer, KafkaException

{consumer}"#
    );
    Snippet {
        name: "Python",
        needs: "pip install confluent-kafka",
        text,
    }
}

fn python_avro(shown: &Shown, topic: &str) -> Snippet {
    let registry = &shown.registry;
    let consumer = python_consumer(shown, topic, DECODED);
    let text = format!(
        r#"from confluent_kafka import Consumer, KafkaException
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

decode = AvroDeserializer(SchemaRegistryClient({{"url": "{registry}"}}))
{consumer}"#
    );
    let needs = "pip install \"confluent-kafka[avro,schemaregistry]\"";
    Snippet {
        name: "Python",
        needs,
        text,
    }
}

fn python_protobuf(site: &Site, topic: &str, contract: &ContractVersion) -> Snippet {
    let shown = site.shown();
    let (registry, http) = (&shown.registry, &shown.http);
    let consumer = python_consumer(shown, topic, DECODED);
    let (id, version) = (&contract.contract_id, &contract.version);
    let message = contract.spec().and_then(|spec| {
        let demands = Demands {
            required: &[],
            logical: LogicalTypes::Ignore,
        };
        let events = ProtobufEvents::compile_with(&spec.value_schema(), &demands).ok()?;
        Some(events.local_name().to_owned())
    });
    let message = message.unwrap_or_else(|| "Event".to_owned());
    let text = format!(
        r#"# once: curl -o events.proto "{http}/api/v1/contracts/{id}/versions/{version}?format=protobuf"
#       python -m grpc_tools.protoc -I. --python_out=. events.proto
from confluent_kafka import Consumer, KafkaException
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from confluent_kafka.schema_registry import SchemaRegistryClient

import events_pb2

registry = SchemaRegistryClient({{"url": "{registry}"}})
decode = ProtobufDeserializer(
    events_pb2.{message}, {{"use.deprecated.format": False}}, registry
)
{consumer}"#
    );
    Snippet {
        name: "Python",
        needs: "pip install grpcio-tools \"confluent-kafka[protobuf,schemaregistry]\"",
        text,
    }
}

fn console_json(shown: &Shown, topic: &str) -> Snippet {
    let bootstrap = &shown.bootstrap_servers;
    let text = format!(
        "kafka-console-consumer.sh --bootstrap-server {bootstrap} \\\n  --topic {topic} \\\n  --from-beginning --isolation-level read_committed"
    );
    Snippet {
        name: "Java console",
        needs: "Apache Kafka's command line tools",
        text,
    }
}

fn console_framed(shown: &Shown, topic: &str, encoding: &str) -> Snippet {
    let (bootstrap, registry) = (&shown.bootstrap_servers, &shown.registry);
    let text = format!(
        "kafka-{encoding}-console-consumer --bootstrap-server {bootstrap} \\\n  --topic {topic} \\\n  --from-beginning --isolation-level read_committed \\\n  --property schema.registry.url={registry}"
    );
    Snippet {
        name: "Java console",
        needs: "Confluent's command line tools",
        text,
    }
}

fn rust_json(shown: &Shown, topic: &str) -> Snippet {
    let bootstrap = &shown.bootstrap_servers;
    let text = format!(
        r#"use rdkafka::consumer::{{BaseConsumer, Consumer}};
use rdkafka::{{ClientConfig, Message}};

fn main() -> Result<(), Box<dyn std::error::Error>> {{
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", "{bootstrap}")
        .set("group.id", "{GROUP}")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .create()?;
    consumer.subscribe(&["{topic}"])?;
    for message in consumer.iter() {{
        let message = message?;
        let value = message.payload().unwrap_or_default();
        // A first byte 0 says that five bytes with a schema id come first.
        let value = if value.first() == Some(&0) {{ &value[5..] }} else {{ value }};
        println!("{{}}", String::from_utf8_lossy(value));
    }}
    Ok(())
}}"#
    );
    Snippet {
        name: "Rust",
        needs: "cargo add rdkafka",
        text,
    }
}

fn rust_avro(shown: &Shown, topic: &str) -> Snippet {
    let (bootstrap, registry) = (&shown.bootstrap_servers, &shown.registry);
    let text = format!(
        r#"use rdkafka::consumer::{{Consumer, StreamConsumer}};
use rdkafka::{{ClientConfig, Message}};
use schema_registry_converter::async_impl::avro::AvroDecoder;
use schema_registry_converter::async_impl::schema_registry::SrSettings;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {{
    let decoder = AvroDecoder::new(SrSettings::new("{registry}".into()));
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", "{bootstrap}")
        .set("group.id", "{GROUP}")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .create()?;
    consumer.subscribe(&["{topic}"])?;
    loop {{
        let message = consumer.recv().await?;
        println!("{{:?}}", decoder.decode(message.payload()).await?.value);
    }}
}}"#
    );
    let needs =
        "cargo add rdkafka; cargo add tokio -F full; cargo add schema_registry_converter -F avro";
    Snippet {
        name: "Rust",
        needs,
        text,
    }
}
