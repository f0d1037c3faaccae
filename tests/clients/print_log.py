import io, json, sys
from confluent_kafka import Consumer, TopicPartition
from fastavro import parse_schema, schemaless_reader

bootstrap, mesh, schemas = sys.argv[1:]
load = lambda name: parse_schema(json.load(open(f"{schemas}/{name}.avsc")), {})
decode = lambda name, data: schemaless_reader(io.BytesIO(data), load(name), None)
log = TopicPartition(f"{mesh}.governance", 0, 0)
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "log", "enable.partition.eof": True})
consumer.assign([log])
while (record := consumer.poll(30)) and not record.error():
    fact = decode("mesh.fact.v1", record.value())
    fact["body"] = decode(fact["type"], fact["body"])
    print(json.dumps(fact, default=lambda value: value.hex() if isinstance(value, bytes) else str(value)))
