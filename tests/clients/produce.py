"""Produce events with Confluent's ordinary serializers, as a domain's own service would.

    produce.py BOOTSTRAP REGISTRY TOPIC [--key FIELD] [--register FILE] [--header NAME=VALUE]... < events.jsonl

Every line of the input is one event. The schema is the latest of `TOPIC-value`, which the port's contract put there;
with --register FILE (an .avsc or JSON Schema file) the producer registers its own first, as `auto.register.schemas`
does. Prints {"produced": N} at the end; exit 1 when an event could not be delivered.
"""

import argparse
import json
import sys

from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext


def serializer(registry, subject, register):
    """The serializer of the subject's schema type: with its latest schema, or with the one to be registered."""
    if register:
        with open(register, encoding="utf-8") as file:
            text = file.read()
        kind = "AVRO" if register.endswith(".avsc") else "JSON"
        config = {"auto.register.schemas": True}
    else:
        latest = registry.get_latest_version(subject).schema
        text, kind = latest.schema_str, latest.schema_type or "AVRO"
        config = {"auto.register.schemas": False, "use.latest.version": True}
    if kind == "AVRO":
        return AvroSerializer(registry, Schema(text, "AVRO"), conf=config)
    return JSONSerializer(Schema(text, "JSON"), registry, conf=config)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("registry")
    parser.add_argument("topic")
    parser.add_argument("--key")
    parser.add_argument("--register")
    parser.add_argument("--header", action="append", default=[])
    args = parser.parse_args()

    registry = SchemaRegistryClient({"url": args.registry})
    serialize = serializer(registry, f"{args.topic}-value", args.register)
    headers = [tuple(header.split("=", 1)) for header in args.header]
    context = SerializationContext(args.topic, MessageField.VALUE)
    # Java's partitioner: the same key goes to the same partition whoever writes it
    producer = Producer(
        {
            "bootstrap.servers": args.bootstrap,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
        }
    )
    failed = []
    produced = 0
    for line in sys.stdin:
        event = json.loads(line)
        key = None if args.key is None else str(event[args.key]).encode()
        producer.produce(
            args.topic,
            key=key,
            value=serialize(event, context),
            headers=headers,
            on_delivery=lambda error, _message: error and failed.append(error),
        )
        producer.poll(0)
        produced += 1
    waiting = producer.flush(30)
    print(json.dumps({"produced": produced - len(failed) - waiting}))
    if failed or waiting:
        sys.exit(str(failed[0]) if failed else f"{waiting} events were not acknowledged in time")


if __name__ == "__main__":
    main()
