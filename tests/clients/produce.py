"""Produce events with Confluent's ordinary serializers, as a domain's own service would.

    produce.py BOOTSTRAP REGISTRY TOPIC [--key FIELD] [--register FILE] [--header NAME=VALUE]...
               [--message NAME] [--id-in-header] [--events FILE] < events.jsonl

Every line of the input, or of the file, is one event. The schema is the latest of `TOPIC-value`, which the port's
contract put there; with --register FILE (an .avsc or JSON Schema file) the producer registers its own first, as
`auto.register.schemas` does. For Protobuf --message names the message of the schema's file; its class is made of the
registry's descriptor. With --id-in-header the schema's GUID goes into a header and the value stands unframed. Prints
{"produced": N} at the end; exit 1 when an event could not be delivered.
"""

import argparse
import base64
import json
import sys

from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, timestamp_pb2


def message_class(serialized, name):
    """The class of a message, as `protoc` would make it of the schema, from the registry's descriptor in base64."""
    file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(serialized))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def serializer(url, subject, register, message, id_in_header):
    """The serializer of the subject's schema type: with its latest schema, or with the one to be registered."""
    registry = SchemaRegistryClient({"url": url})
    if register:
        with open(register, encoding="utf-8") as file:
            text = file.read()
        kind = "AVRO" if register.endswith(".avsc") else "JSON"
        config = {"auto.register.schemas": True}
    else:
        # A client of its own: the serializer's keeps texts whatever their format, and Protobuf's wants another.
        latest = SchemaRegistryClient({"url": url}).get_latest_version(subject)
        text, kind = latest.schema.schema_str, latest.schema.schema_type or "AVRO"
        config = {"auto.register.schemas": False, "use.latest.version": True}
    if id_in_header:
        config["schema.id.serializer"] = header_schema_id_serializer
    if kind == "PROTOBUF":
        made = message_class(registry.get_schema(latest.schema_id, fmt="serialized").schema_str, message)
        serialize = ProtobufSerializer(made, registry, config)
        return lambda event, context: serialize(json_format.ParseDict(event, made()), context)
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
    parser.add_argument("--message")
    parser.add_argument("--events", type=argparse.FileType(encoding="utf-8"), default=sys.stdin)
    parser.add_argument("--id-in-header", action="store_true")
    args = parser.parse_args()

    subject = f"{args.topic}-value"
    serialize = serializer(args.registry, subject, args.register, args.message, args.id_in_header)
    headers = [tuple(header.split("=", 1)) for header in args.header]
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
    for line in args.events:
        event = json.loads(line)
        key = None if args.key is None else str(event[args.key]).encode()
        own_headers = list(headers)
        context = SerializationContext(args.topic, MessageField.VALUE, own_headers)
        value = serialize(event, context)
        producer.produce(
            args.topic,
            key=key,
            value=value,
            headers=own_headers,
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
