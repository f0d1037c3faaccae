"""Count what topics hold, as a consumer that knows nothing of Meshlog's code.

    count.py BOOTSTRAP TOPIC... [--row FIELD]

Reads committed records from the beginning to the present end and prints one JSON object:

    records           {topic: number of records}
    distinct_sources  different inbox positions named by `mesh-src` (<partition>/<offset>@<seq>), over all topics
    sources_increase  whether they increase within each partition of each topic
    distinct_rows     with --row: different values of that field of the JSON values, over all topics
    rows_increase     with --row: whether they increase for each key of each topic
"""

import argparse
import json
import uuid

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition


class Increasing:
    """Whether numbers increase, for each of many sequences."""

    def __init__(self):
        self.last = {}
        self.holds = True

    def add(self, sequence, number):
        self.holds = self.holds and self.last.get(sequence, -1) < number
        self.last[sequence] = number


def records(bootstrap, topics):
    """Every committed record up to the present end."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"count-{uuid.uuid4()}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    waiting = set()
    for topic in topics:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        waiting |= {(topic, partition) for partition in partitions}
    consumer.assign([TopicPartition(t, p, OFFSET_BEGINNING) for t, p in waiting])
    while waiting:
        messages = consumer.consume(5000, timeout=30)
        if not messages:
            raise SystemExit(f"no answer from {bootstrap} within 30 s")
        for message in messages:
            if not message.error():
                yield message
            elif message.error().code() == KafkaError._PARTITION_EOF:
                waiting.discard((message.topic(), message.partition()))
            else:
                raise SystemExit(message.error())
    consumer.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("topics", nargs="+")
    parser.add_argument("--row")
    args = parser.parse_args()

    counts = dict.fromkeys(args.topics, 0)
    sources, source_order = set(), Increasing()
    rows, row_order = set(), Increasing()
    for message in records(args.bootstrap, args.topics):
        counts[message.topic()] += 1
        position = dict(message.headers())["mesh-src"].decode().split("@")[0]
        partition, offset = map(int, position.split("/"))
        sources.add((partition, offset))
        source_order.add((message.topic(), message.partition()), offset)
        if args.row:
            row = json.loads(message.value())[args.row]
            rows.add(row)
            row_order.add((message.topic(), message.key()), row)
    result = {"records": counts, "distinct_sources": len(sources), "sources_increase": source_order.holds}
    if args.row:
        result |= {"distinct_rows": len(rows), "rows_increase": row_order.holds}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
