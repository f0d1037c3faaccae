"""Read a port's topic with Confluent's ordinary deserializers, as a consumer of the data product would.

    consume.py BOOTSTRAP REGISTRY TOPIC [--max N] [--message NAME]

Reads committed records from the beginning to the present end, and prints one JSON object a line: partition, offset,
key, headers, value. Plain JSON (neither a magic byte nor a header with a GUID) is printed as it is. The class of a
Protobuf message, which --message names, is made of the registry's descriptor; a field that it does not know is an
error.
"""

import argparse
import json
import uuid

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import json_format
from google.protobuf.unknown_fields import UnknownFieldSet
from produce import message_class


class Decoder:
    """Decodes values by the type of the schema that their id, in front of them or in a header, names."""

    def __init__(self, url, message):
        registry = SchemaRegistryClient({"url": url})
        # A client keeps texts whatever their format, and Protobuf's decoder wants another.
        self.plain = SchemaRegistryClient({"url": url})
        self.registry = registry
        self.message = message
        self.avro = AvroDeserializer(registry)
        self.json = JSONDeserializer(None, schema_registry_client=registry)

    @staticmethod
    def schema(registry, value, headers, form=None):
        """The schema that a value names, if it names one."""
        guid = dict(headers).get("__value_schema_id")
        if guid is not None:
            return registry.get_schema_by_guid(str(uuid.UUID(bytes=guid[1:17])), fmt=form)
        if value[:1] != b"\x00":
            return None
        return registry.get_schema(int.from_bytes(value[1:5], "big"), fmt=form)

    def __call__(self, value, context):
        if value is None:
            return None
        schema = self.schema(self.plain, value, context.headers)
        if schema is None:
            return json.loads(value)
        if schema.schema_type == "PROTOBUF":
            return self.protobuf(value, context)
        decode = self.json if schema.schema_type == "JSON" else self.avro
        return decode(value, context)

    def protobuf(self, value, context):
        serialized = self.schema(self.registry, value, context.headers, "serialized").schema_str
        made = message_class(serialized, self.message)
        message = ProtobufDeserializer(made, {"use.deprecated.format": False}, self.registry)(value, context)
        unknown = len(UnknownFieldSet(message))
        if unknown:
            raise SystemExit(f"{unknown} fields of a message are not in its schema")
        return json_format.MessageToDict(message, preserving_proto_field_name=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("registry")
    parser.add_argument("topic")
    parser.add_argument("--max", type=int)
    parser.add_argument("--message")
    args = parser.parse_args()

    decode = Decoder(args.registry, args.message)
    consumer = Consumer(
        {
            "bootstrap.servers": args.bootstrap,
            "group.id": f"consume-{uuid.uuid4()}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    partitions = consumer.list_topics(args.topic, timeout=30).topics[args.topic].partitions
    consumer.assign([TopicPartition(args.topic, p, OFFSET_BEGINNING) for p in partitions])
    open_partitions = set(partitions)
    shown = 0
    while open_partitions and shown != args.max:
        message = consumer.poll(30)
        if message is None:
            raise SystemExit(f"no answer from {args.bootstrap} within 30 s")
        if message.error():
            if message.error().code() != KafkaError._PARTITION_EOF:
                raise SystemExit(message.error())
            open_partitions.discard(message.partition())
            continue
        shown += 1
        context = SerializationContext(args.topic, MessageField.VALUE, message.headers() or [])
        record = {
            "partition": message.partition(),
            "offset": message.offset(),
            "key": message.key() and message.key().decode(errors="replace"),
            "headers": [[k, v and v.decode(errors="replace")] for k, v in message.headers() or []],
            "value": decode(message.value(), context),
        }
        print(json.dumps(record, default=str))
    consumer.close()


if __name__ == "__main__":
    main()
