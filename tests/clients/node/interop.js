// Confluent's registry client for Node with its serializers, and kafkajs, against Meshlog.
//
//   node interop.js produce SCHEMAS REGISTRY BOOTSTRAP FORMAT:TOPIC... < records.jsonl
//   node interop.js consume SCHEMAS REGISTRY BOOTSTRAP COUNT FORMAT:TOPIC...
//   node interop.js check REGISTRY PREFIX
//
// FORMAT is avro, json or protobuf. produce and consume print one JSON object for each topic: what was produced, the
// values read, or the error. What the driver expects of them stands in ../interop.py.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { Kafka, logLevel } = require("kafkajs");
const { createFileRegistry, createMutableRegistry, fromJson, toJson } = require("@bufbuild/protobuf");
const { FileDescriptorProtoSchema } = require("@bufbuild/protobuf/wkt");
const {
  AvroDeserializer,
  AvroSerializer,
  JsonDeserializer,
  JsonSerializer,
  ProtobufDeserializer,
  ProtobufSerializer,
  SchemaRegistryClient,
  SerdeType,
} = require("@confluentinc/schemaregistry");

const MESSAGE = "meshlog.interop.Reading";
// Longest time for one topic; the driver's own limit is longer.
const LIMIT = 60_000;

const open = (registry) => new SchemaRegistryClient({ baseURLs: [registry] });
const kafka = (bootstrap) =>
  new Kafka({ clientId: "interop", brokers: [bootstrap], logLevel: logLevel.NOTHING });

/** The message's description, from its descriptor in JSON. */
function describe(schemas) {
  const text = fs.readFileSync(path.join(schemas, "reading.proto.json"), "utf8");
  const files = createFileRegistry(fromJson(FileDescriptorProtoSchema, JSON.parse(text)), () => undefined);
  return files.getMessage(MESSAGE);
}

/** A function that frames one record; the schema is registered for the topic's values. */
async function serializer(format, topic, client, schemas) {
  const schema = (name) => fs.readFileSync(path.join(schemas, name), "utf8");
  const latest = { autoRegisterSchemas: false, useLatestVersion: true };
  if (format === "avro") {
    await client.register(`${topic}-value`, { schemaType: "AVRO", schema: schema("reading.avsc") });
    const avro = new AvroSerializer(client, SerdeType.VALUE, latest);
    return (record) => avro.serialize(topic, record);
  }
  if (format === "json") {
    await client.register(`${topic}-value`, { schemaType: "JSON", schema: schema("reading.schema.json") });
    const json = new JsonSerializer(client, SerdeType.VALUE, { ...latest, validate: true });
    return (record) => json.serialize(topic, record);
  }
  const message = describe(schemas);
  const registry = createMutableRegistry(message);
  const protobuf = new ProtobufSerializer(client, SerdeType.VALUE, { autoRegisterSchemas: true, registry });
  return (record) => protobuf.serialize(topic, fromJson(message, withoutNulls(record)));
}

/** A function that reads one framed value. */
function deserializer(format, topic, client, schemas) {
  if (format === "avro") {
    const avro = new AvroDeserializer(client, SerdeType.VALUE, {});
    return (value) => avro.deserialize(topic, value);
  }
  if (format === "json") {
    const json = new JsonDeserializer(client, SerdeType.VALUE, { validate: true });
    return (value) => json.deserialize(topic, value);
  }
  const protobuf = new ProtobufDeserializer(client, SerdeType.VALUE, {});
  const message = describe(schemas);
  return async (value) => plain(toJson(message, await protobuf.deserialize(topic, value), { alwaysEmitImplicit: true }));
}

const withoutNulls = (record) => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null));
/** Protobuf's JSON has 64-bit numbers as texts, and leaves out what is not there. */
const plain = (record) => ({ note: null, ...record, sequence: Number(record.sequence) });

const report = (topic, result) => console.log(JSON.stringify({ topic, ...result }));

/** Does it for every topic, and reports each. */
async function eachTopic(targets, act) {
  for (const target of targets) {
    const [format, topic] = target.split(":");
    try {
      report(topic, await act(format, topic));
    } catch (error) {
      report(topic, { error: String(error.stack) });
    }
  }
}

async function produce([schemas, registry, bootstrap, ...targets]) {
  const records = fs.readFileSync(0, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  const client = open(registry);
  const producer = kafka(bootstrap).producer();
  await producer.connect();
  await eachTopic(targets, async (format, topic) => {
    const serialize = await serializer(format, topic, client, schemas);
    const messages = [];
    for (const record of records) {
      messages.push({ key: record.sensor, value: await serialize(record) });
    }
    await producer.send({ topic, messages });
    return { produced: messages.length };
  });
  await producer.disconnect();
}

async function consume([schemas, registry, bootstrap, count, ...targets]) {
  const client = open(registry);
  const values = await readAll(bootstrap, targets.map((target) => target.split(":")[1]), Number(count));
  await eachTopic(targets, async (format, topic) => {
    const deserialize = deserializer(format, topic, client, schemas);
    const decoded = [];
    for (const value of values[topic]) {
      decoded.push(await deserialize(value));
    }
    return { values: decoded };
  });
}

/** The first `count` values of each topic. kafkajs reads in groups only, so all topics are read by one. */
async function readAll(bootstrap, topics, count) {
  const values = Object.fromEntries(topics.map((topic) => [topic, []]));
  const groupId = `interop-${process.pid}-${Date.now()}`;
  const consumer = kafka(bootstrap).consumer({ groupId, maxWaitTimeInMs: 200 });
  await consumer.connect();
  await consumer.subscribe({ topics, fromBeginning: true });
  await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not all records within ${LIMIT} ms`)), LIMIT);
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    const eachMessage = async ({ topic, message }) => {
      values[topic].push(message.value);
      if (topics.every((name) => values[name].length >= count)) {
        clearTimeout(timer);
        resolve();
      }
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();
  return values;
}

const V1 = '{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}';
const V2 = '{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":0}]}';
const BAD = '{"type":"record","name":"R","fields":[{"name":"c","type":"string"}]}';
const PLACE = 'syntax = "proto3";\npackage check;\n\nmessage Place {\n  string name = 1;\n}\n';
const ROOM =
  'syntax = "proto3";\npackage check;\n\nimport "place.proto";\n\nmessage Room {\n  .check.Place place = 1;\n}\n';

/** The calls of an ordinary application. */
async function check([registry, prefix]) {
  const client = open(registry);
  // Another instance sees what this one did, without its caches.
  const other = open(registry);
  // Not every call of this client encodes what a path cannot hold, so no slash here.
  const subject = `${prefix} a b-value`;
  const avro = (schema) => ({ schemaType: "AVRO", schema });
  const refused = (status, errorCode, act) => assert.rejects(act, { status, errorCode });

  await refused(404, 40401, () => client.getLatestSchemaMetadata(subject));
  const one = await client.register(subject, avro(V1));
  const two = await client.registerFullResponse(subject, avro(V2));
  assert.equal(two.version, 2);
  await refused(409, 409, () => client.register(subject, avro(BAD)));
  await refused(422, 42201, () => client.register(subject, avro("{")));

  assert.equal(await other.getId(subject, avro(V1)), one);
  assert.equal(await other.getVersion(subject, avro(V2)), 2);
  const latest = await other.getLatestSchemaMetadata(subject);
  assert.deepEqual([latest.id, latest.version, latest.schema], [two.id, 2, V2]);
  assert.equal((await other.getBySubjectAndId(subject, one)).schema, V1);
  assert.equal((await other.getByGuid(latest.guid)).schema, V2);
  assert.equal((await other.getSchemaMetadata(subject, 1)).id, one);
  assert.deepEqual(await other.getAllVersions(subject), [1, 2]);
  assert((await other.getAllSubjects()).includes(subject));
  await refused(404, 40403, () => other.getId(subject, avro(BAD)));

  assert.equal(await other.testCompatibility(subject, 2, avro(V2)), true);
  assert.equal(await other.testSubjectCompatibility(subject, avro(BAD)), false);
  await refused(404, 40408, () => other.getCompatibility(subject));
  assert.equal(await client.updateCompatibility(subject, "FULL_TRANSITIVE"), "FULL_TRANSITIVE");
  assert.equal(await other.getCompatibility(subject), "FULL_TRANSITIVE");
  assert.equal((await client.updateConfig(subject, { normalize: true })).normalize, true);

  await checkReferences(client, other, prefix, refused);
  await checkRules(client, other, prefix);

  assert.equal(await client.deleteSubjectVersion(subject, 1), 1);
  assert.deepEqual(await client.deleteSubject(subject), [2]);
  assert.deepEqual(await client.deleteSubject(subject, true), [1, 2]);
}

async function checkReferences(client, other, prefix, refused) {
  const [base, user] = [`${prefix}-place`, `${prefix}-room`];
  const references = [{ name: "place.proto", subject: base, version: 1 }];
  await client.register(base, { schemaType: "PROTOBUF", schema: PLACE });
  const id = await client.register(user, { schemaType: "PROTOBUF", schema: ROOM, references });
  assert.deepEqual((await other.getBySubjectAndId(user, id)).references, references);
  await refused(422, 42206, () => client.deleteSubject(base));
  await remove(client, user, base);
}

async function checkRules(client, other, prefix) {
  const subject = `${prefix}-rules`;
  const rule = { name: "positive", kind: "CONDITION", mode: "WRITE", type: "CEL", expr: "message.a > 0" };
  const metadata = { properties: { owner: "sensors" } };
  await client.register(subject, { schemaType: "AVRO", schema: V1, metadata, ruleSet: { domainRules: [rule] } });
  const read = await other.getLatestWithMetadata(subject, { owner: "sensors" });
  assert.deepEqual(read.metadata.properties, metadata.properties);
  assert.equal(read.ruleSet.domainRules[0].expr, rule.expr);
  await remove(client, subject);
}

async function remove(client, ...subjects) {
  for (const subject of subjects) {
    await client.deleteSubject(subject);
    await client.deleteSubject(subject, true);
  }
}

const [command, ...args] = process.argv.slice(2);
const commands = { produce, consume, check };
if (!Object.hasOwn(commands, command)) {
  console.error("see the head of interop.js for the arguments");
  process.exit(2);
}
commands[command](args).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
