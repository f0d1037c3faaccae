"""Send one record that is small on the wire and large once its batch is decompressed.

    bomb.py BOOTSTRAP TOPIC PARTITION CODEC MEGABYTES

The value is MEGABYTES million letters x. Prints {"offset": N}; exit 1 when the record could not be delivered.
"""

import json
import sys

from confluent_kafka import Producer


def main():
    bootstrap, topic, partition, codec, megabytes = sys.argv[1:6]
    size = int(megabytes) * 1_000_000
    config = {
        "bootstrap.servers": bootstrap,
        "compression.type": codec,
        # The client's own limit is on what it was given; the broker's is on what it gets.
        "message.max.bytes": 1_000_000_000,
        "batch.size": 1_000_000_000,
        "queue.buffering.max.kbytes": 2_000_000,
    }
    producer = Producer(config)
    delivered = []
    producer.produce(
        topic,
        partition=int(partition),
        key=b"bomb",
        value=b"x" * size,
        on_delivery=lambda error, message: delivered.append((error, message.offset())),
    )
    producer.flush(120)
    if not delivered or delivered[0][0]:
        sys.exit(str(delivered[0][0]) if delivered else "the record was not acknowledged in time")
    print(json.dumps({"offset": delivered[0][1]}))


if __name__ == "__main__":
    main()
