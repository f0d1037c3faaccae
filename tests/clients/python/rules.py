"""Rules that travel with a schema: Confluent's Python client stores them, is given them back, and obeys them.

    rules.py REGISTRY PREFIX

A CEL condition on writing refuses a record that breaks it, a CEL_FIELD transformation on a tag masks what it marks.
The registry only keeps rules; the client runs them.
"""

import json
import sys

from confluent_kafka.schema_registry import (
    Metadata,
    MetadataProperties,
    Rule,
    RuleKind,
    RuleMode,
    RuleSet,
    Schema,
    SchemaRegistryClient,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.rules.cel.cel_executor import CelExecutor
from confluent_kafka.schema_registry.rules.cel.cel_field_executor import CelFieldExecutor
from confluent_kafka.serialization import MessageField, SerializationContext, SerializationError

SCHEMA = {
    "type": "record",
    "name": "Payment",
    "fields": [
        {"name": "amount", "type": "long"},
        {"name": "card", "type": "string", "confluent:tags": ["PII"]},
    ],
}
POSITIVE = Rule(
    "positive", "amounts are positive", RuleKind.CONDITION, RuleMode.WRITE, "CEL", [], None,
    "message.amount > 0", None, "ERROR", False,
)  # fmt: skip
MASK = Rule(
    "mask", None, RuleKind.TRANSFORM, RuleMode.WRITE, "CEL_FIELD", ["PII"], None,
    "typeName == 'STRING' ; '****'", None, None, False,
)  # fmt: skip


def main():
    url, prefix = sys.argv[1:]
    topic = f"{prefix}-payments"
    subject = f"{topic}-value"
    client, other = SchemaRegistryClient({"url": url}), SchemaRegistryClient({"url": url})
    CelExecutor.register()
    CelFieldExecutor.register()

    metadata = Metadata(None, MetadataProperties({"owner": "payments"}), None)
    schema = Schema(json.dumps(SCHEMA), "AVRO", [], metadata, RuleSet(None, [POSITIVE, MASK]))
    registered = client.register_schema(subject, schema)

    read = other.get_latest_version(subject)
    assert read.schema_id == registered, read
    given_back = {rule.name: rule for rule in read.schema.rule_set.domain_rules}
    assert given_back["positive"].expr == POSITIVE.expr, given_back
    assert given_back["positive"].doc == POSITIVE.doc, given_back
    assert set(given_back["mask"].tags) == {"PII"}, given_back
    assert read.schema.metadata.properties.properties == {"owner": "payments"}, read.schema.metadata
    # another rule set makes another schema, with an id of its own
    bare = client.register_schema(f"{topic}-bare-value", Schema(json.dumps(SCHEMA), "AVRO"))
    assert bare != registered, bare

    config = {"auto.register.schemas": False, "use.latest.version": True}
    serialize = AvroSerializer(other, None, conf=config)
    deserialize = AvroDeserializer(other)
    context = SerializationContext(topic, MessageField.VALUE)
    framed = serialize({"amount": 5, "card": "4111 1111"}, context)
    assert deserialize(framed, context) == {"amount": 5, "card": "****"}, deserialize(framed, context)
    try:
        serialize({"amount": 0, "card": "4111 1111"}, context)
    except SerializationError as error:
        assert POSITIVE.doc in str(error.__cause__), error.__cause__
    else:
        raise AssertionError("the client wrote what the rule forbids")

    for name in (subject, f"{topic}-bare-value"):
        client.delete_subject(name)
        client.delete_subject(name, permanent=True)
    print(json.dumps({"ok": True}))


if __name__ == "__main__":
    main()
