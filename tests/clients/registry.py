"""Confluent's Python registry client against a registry: what an ordinary client does, checked.

    registry.py REGISTRY

Works on subjects of its own, and prints {"ok": true} at the end.
"""

import json
import sys
import uuid

from confluent_kafka.schema_registry import (
    ConfigCompatibilityLevel,
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    ServerConfig,
)
from confluent_kafka.schema_registry.error import SchemaRegistryError

V1 = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}
V2 = {**V1, "fields": V1["fields"] + [{"name": "b", "type": "int", "default": 0}]}
BAD = {**V1, "fields": [{"name": "c", "type": "string"}]}
PLACE = 'syntax = "proto3";\npackage check;\n\nmessage Place {\n  string name = 1;\n}\n'
ROOM = (
    'syntax = "proto3";\npackage check;\n\nimport "place.proto";\n\n'
    "message Room {\n  .check.Place place = 1;\n}\n"
)
OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}


def avro(schema):
    return Schema(json.dumps(schema), "AVRO")


def refused(status, code, act):
    """The act is refused with this HTTP status and error code."""
    try:
        act()
    except SchemaRegistryError as error:
        assert (error.http_status_code, error.error_code) == (status, code), error
    else:
        raise AssertionError(f"expected {code}")


def check_references(client, other, run):
    """A Protobuf schema that imports another, by reference."""
    place, room = f"{run}-place", f"{run}-room"
    references = [SchemaReference("place.proto", place, 1)]
    client.register_schema(place, Schema(PLACE, "PROTOBUF"))
    registered = client.register_schema(room, Schema(ROOM, "PROTOBUF", references))
    read = other.get_schema(registered)
    assert (read.schema_str, read.schema_type, read.references) == (ROOM, "PROTOBUF", references), read
    assert other.lookup_schema(room, Schema(ROOM, "PROTOBUF", references)).version == 1
    refused(422, 42206, lambda: client.delete_subject(place))
    for name in (room, place):
        client.delete_subject(name)
        client.delete_subject(name, permanent=True)


def main():
    client = SchemaRegistryClient({"url": sys.argv[1]})
    # other instances of the client see what this one did, without its caches
    other = SchemaRegistryClient({"url": sys.argv[1]})
    run = uuid.uuid4().hex
    subject, json_subject = f"{run}/a b-value", f"{run}-json-value"

    refused(404, 40401, lambda: client.get_latest_version(subject))
    first = client.register_schema(subject, avro(V1))
    assert client.register_schema(subject, avro(V1)) == first
    refused(409, 409, lambda: client.register_schema(subject, avro(BAD)))
    refused(422, 42201, lambda: client.register_schema(subject, Schema("{", "AVRO")))
    refused(422, 42201, lambda: client.register_schema(subject, Schema("syntax", "PROTOBUF")))
    second = client.register_schema(subject, avro(V2))
    assert second != first
    assert client.register_schema(f"{run}-copy", avro(V2)) == second

    assert other.get_versions(subject) == [1, 2]
    assert other.get_latest_version(subject).schema_id == second
    assert other.get_version(subject, 1).schema_id == first
    assert json.loads(other.get_schema(first).schema_str) == V1
    assert other.lookup_schema(subject, avro(V1)).version == 1
    refused(404, 40403, lambda: other.lookup_schema(subject, avro(BAD)))
    refused(404, 40402, lambda: other.get_version(subject, 9))
    refused(404, 40403, lambda: other.get_schema(2**31 - 1))
    guid = other.get_latest_version(subject).guid
    assert json.loads(other.get_schema_by_guid(guid).schema_str) == V2

    assert other.test_compatibility(subject, avro(V2))
    assert not other.test_compatibility(subject, avro(BAD))
    refused(404, 40408, lambda: client.get_config(subject))
    client.set_config(subject, ServerConfig(compatibility=ConfigCompatibilityLevel.NONE))
    assert other.get_config(subject).compatibility_level == "NONE"
    assert other.test_compatibility(subject, avro(BAD))
    client.set_compatibility(subject, "FULL_TRANSITIVE")
    assert other.get_compatibility(subject) == "FULL_TRANSITIVE"

    third = client.register_schema(json_subject, Schema(json.dumps(OBJECT), "JSON"))
    assert other.get_schema(third).schema_type == "JSON"
    assert {subject, json_subject} <= set(other.get_subjects())
    check_references(client, other, run)

    assert client.delete_version(subject, 1) == 1
    assert client.delete_subject(subject) == [2]
    assert client.delete_subject(subject, permanent=True) == [1, 2]
    assert subject not in other.get_subjects()
    for name in (json_subject, f"{run}-copy"):
        client.delete_subject(name)
        client.delete_subject(name, permanent=True)
    print(json.dumps({"ok": True}))


if __name__ == "__main__":
    main()
