import sys, uuid
from confluent_kafka import Consumer, Producer, TopicPartition

bootstrap, mesh, domain, path = sys.argv[1:]
outcomes = TopicPartition(f"{mesh}.outcomes", 0)
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "propose", "isolation.level": "read_committed"})
outcomes.offset = consumer.get_watermark_offsets(outcomes)[1]  # replies from now on
consumer.assign([outcomes])
proposal = str(uuid.uuid4())
headers = {"ce_specversion": "1.0", "ce_type": "mesh.proposal.apply.v1", "ce_source": domain, "ce_id": proposal}
producer = Producer({"bootstrap.servers": bootstrap})
producer.produce(f"{domain}.proposals", open(path, "rb").read(), headers=headers)
producer.flush()
while (reply := consumer.poll(60)) and reply.key().decode() != f"{domain}#{proposal}": pass
print(reply.value().decode() if reply else sys.exit("no reply within a minute"))
