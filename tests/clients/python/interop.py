"""Confluent's Python client with its serializers against Meshlog.

    interop.py produce SCHEMAS REGISTRY BOOTSTRAP FORMAT:TOPIC... < records.jsonl
    interop.py consume SCHEMAS REGISTRY BOOTSTRAP COUNT FORMAT:TOPIC...

FORMAT is avro, json or protobuf. Both print one JSON object for each topic: what was produced, the values read, or the
error. What the driver expects of them stands in ../interop.py; the calls of an application are checked by
../registry.py.
"""

import json
import sys
import traceback
import uuid
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

# Longest wait for one record, in seconds; the driver's own limit is longer.
LIMIT = 30


def reading_class(schemas):
    """The message's class, from its descriptor in JSON."""
    text = (schemas / "reading.proto.json").read_text(encoding="utf-8")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(json_format.Parse(text, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("meshlog.interop.Reading"))


def serializer(kind, schemas, registry):
    """A function of a record and its context that registers the schema and frames the record."""
    if kind == "avro":
        text = (schemas / "reading.avsc").read_text(encoding="utf-8")
        return AvroSerializer(registry, Schema(text, "AVRO"))
    if kind == "json":
        text = (schemas / "reading.schema.json").read_text(encoding="utf-8")
        return JSONSerializer(Schema(text, "JSON"), registry)
    reading = reading_class(schemas)
    serialize = ProtobufSerializer(reading, registry, {"use.deprecated.format": False})
    return lambda record, context: serialize(json_format.ParseDict(record, reading()), context)


def deserializer(kind, schemas, registry):
    """A function of a framed value and its context."""
    if kind == "avro":
        return AvroDeserializer(registry)
    if kind == "json":
        return JSONDeserializer(None, schema_registry_client=registry)
    decode = ProtobufDeserializer(reading_class(schemas), {"use.deprecated.format": False}, registry)
    return lambda value, context: plain(decode(value, context))


def plain(message):
    """A Protobuf message as the other formats have it."""
    record = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    # Protobuf's JSON has 64-bit numbers as texts, and leaves out what is not there.
    return {"note": None, **record, "sequence": int(record["sequence"])}


def each_topic(targets, act):
    """Does it for every topic, and reports each."""
    for target in targets:
        kind, topic = target.split(":")
        try:
            result = act(kind, topic)
        except Exception:  # whatever a client raises is what became of the topic
            result = {"error": traceback.format_exc()}
        print(json.dumps({"topic": topic, **result}))


def produce(schemas, registry, bootstrap, *targets):
    records = [json.loads(line) for line in sys.stdin]

    def to_topic(kind, topic):
        serialize = serializer(kind, schemas, registry)
        context = SerializationContext(topic, MessageField.VALUE)
        producer = Producer({"bootstrap.servers": bootstrap})
        failed = []
        for record in records:
            producer.produce(
                topic,
                key=record["sensor"].encode(),
                value=serialize(record, context),
                on_delivery=lambda error, _message: error and failed.append(error),
            )
        waiting = producer.flush(LIMIT)
        if failed or waiting:
            raise RuntimeError(f"{waiting} records are not acknowledged, refused: {failed}")
        return {"produced": len(records)}

    each_topic(targets, to_topic)


def consume(schemas, registry, bootstrap, count, *targets):
    def from_topic(kind, topic):
        deserialize = deserializer(kind, schemas, registry)
        context = SerializationContext(topic, MessageField.VALUE)
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"interop-{uuid.uuid4()}"})
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        values = []
        while len(values) < int(count):
            message = consumer.poll(LIMIT)
            if message is None or message.error():
                raise RuntimeError(f"after {len(values)} records: {message and message.error()}")
            values.append(deserialize(message.value(), context))
        consumer.close()
        return {"values": values}

    each_topic(targets, from_topic)


def main():
    command, schemas, registry, *rest = sys.argv[1:]
    act = {"produce": produce, "consume": consume}[command]
    act(Path(schemas), SchemaRegistryClient({"url": registry}), *rest)


if __name__ == "__main__":
    main()
