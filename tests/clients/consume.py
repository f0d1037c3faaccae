"""Read a port's topic with Confluent's ordinary deserializers, as a consumer of the data product would.

    consume.py BOOTSTRAP REGISTRY TOPIC [--max N]

Reads committed records from the beginning to the present end, and prints one JSON object a line: partition, offset, key,
headers, value. Plain JSON (no magic byte) is printed as it is.
"""

import argparse
import json
import uuid

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


class Decoder:
    """Decodes framed values by the type of the schema that their id names."""

    def __init__(self, registry):
        self.registry = registry
        self.avro = AvroDeserializer(registry)
        self.json = JSONDeserializer(None, schema_registry_client=registry)

    def __call__(self, value, context):
        if value is None:
            return None
        if value[:1] != b"\x00":
            return json.loads(value)
        schema = self.registry.get_schema(int.from_bytes(value[1:5], "big"))
        decode = self.json if schema.schema_type == "JSON" else self.avro
        return decode(value, context)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("registry")
    parser.add_argument("topic")
    parser.add_argument("--max", type=int)
    args = parser.parse_args()

    decode = Decoder(SchemaRegistryClient({"url": args.registry}))
    context = SerializationContext(args.topic, MessageField.VALUE)
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
