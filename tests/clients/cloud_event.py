"""Produce CloudEvents in binary mode with Confluent's ordinary serializers: keys under the topic's key schema.

    cloud_event.py BOOTSTRAP REGISTRY TOPIC KEY_FIELD EVENTS.jsonl

Every line is the data of one event; its key is a record of the member KEY_FIELD, written by AvroSerializer with the latest
schema of `TOPIC-key`, which the port's contract put there. Prints {"produced": N}; exit 1 when an event could not be delivered.
"""

import json
import sys
import uuid

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext


def main():
    bootstrap, registry, topic, field, events = sys.argv[1:6]
    client = SchemaRegistryClient({"url": registry})
    schema = client.get_latest_version(f"{topic}-key").schema
    config = {"auto.register.schemas": False, "use.latest.version": True}
    serialize = AvroSerializer(client, schema, conf=config)
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "enable.idempotence": True})
    failed, produced = [], 0
    with open(events, encoding="utf-8") as lines:
        events = [json.loads(line) for line in lines]
    for event in events:
        headers = {
            "ce_specversion": "1.0",
            "ce_id": str(uuid.uuid4()),
            "ce_source": "/services/notes",
            "ce_type": "note.written",
            "content-type": "application/json",
        }
        producer.produce(
            topic,
            key=serialize({field: event[field]}, SerializationContext(topic, MessageField.KEY)),
            value=json.dumps(event).encode(),
            headers=headers,
            on_delivery=lambda error, _message: error and failed.append(error),
        )
        produced += 1
    waiting = producer.flush(30)
    print(json.dumps({"produced": produced - len(failed) - waiting}))
    if failed or waiting:
        sys.exit(str(failed[0]) if failed else f"{waiting} events were not acknowledged in time")


if __name__ == "__main__":
    main()
