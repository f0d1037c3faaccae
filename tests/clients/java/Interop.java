// Spring Cloud Stream's client of Confluent's registry, Apache Avro and Kafka's own client, against Meshlog.
//
//   java -cp JARS Interop.java produce SCHEMAS REGISTRY BOOTSTRAP avro:TOPIC... < records.jsonl
//   java -cp JARS Interop.java consume SCHEMAS REGISTRY BOOTSTRAP COUNT avro:TOPIC...
//   java -cp JARS Interop.java check REGISTRY PREFIX
//
// The client knows Avro only, and has no serializer for Kafka: the five bytes in front of a value are written here.
// produce and consume print one JSON object for each topic: what was produced, the values read, or the error. What the
// driver expects of them stands in ../interop.py.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.springframework.cloud.stream.schema.registry.SchemaNotFoundException;
import org.springframework.cloud.stream.schema.registry.SchemaReference;
import org.springframework.cloud.stream.schema.registry.SchemaRegistrationResponse;
import org.springframework.cloud.stream.schema.registry.client.ConfluentSchemaRegistryClient;

public final class Interop {
    /** In front of a value: a zero byte and the schema's id. */
    private static final int PREFIX_BYTES = 5;

    /** Longest time for one topic; the driver's own limit is longer. */
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private static final ObjectMapper JSON = new ObjectMapper();

    /** What is done for one topic. */
    private interface Act {
        void to(String topic, ObjectNode result) throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        List<String> rest = Arrays.asList(arguments);
        switch (arguments[0]) {
            case "produce" -> produce(rest.get(1), client(rest.get(2)), rest.get(3), rest.subList(4, rest.size()));
            case "consume" -> consume(
                    client(rest.get(2)), rest.get(3), Integer.parseInt(rest.get(4)), rest.subList(5, rest.size()));
            case "check" -> check(client(rest.get(1)), rest.get(2));
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    private static ConfluentSchemaRegistryClient client(String registry) {
        ConfluentSchemaRegistryClient client = new ConfluentSchemaRegistryClient();
        client.setEndpoint(registry);
        return client;
    }

    private static void eachTopic(List<String> targets, Act act) {
        for (String target : targets) {
            String topic = target.split(":")[1];
            ObjectNode result = JSON.createObjectNode().put("topic", topic);
            try {
                act.to(topic, result);
            } catch (Exception error) {
                result.put("error", error.toString());
            }
            System.out.println(result);
        }
    }

    private static void produce(
            String schemas, ConfluentSchemaRegistryClient client, String bootstrap, List<String> targets)
            throws Exception {
        String text = Files.readString(Path.of(schemas, "reading.avsc"));
        Schema schema = new Schema.Parser().parse(text);
        List<GenericRecord> records = new ArrayList<>();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            records.add(record(schema, JSON.readTree(line)));
        }
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap);
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            eachTopic(targets, (topic, result) -> {
                int id = client.register(topic + "-value", "avro", text).getId();
                for (GenericRecord record : records) {
                    byte[] key = record.get("sensor").toString().getBytes(StandardCharsets.UTF_8);
                    producer.send(new ProducerRecord<>(topic, key, frame(id, record)))
                            .get(LIMIT.toSeconds(), TimeUnit.SECONDS);
                }
                result.put("produced", records.size());
            });
        }
    }

    private static void consume(
            ConfluentSchemaRegistryClient client, String bootstrap, int count, List<String> targets) {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "group.id", "interop-" + UUID.randomUUID());
        eachTopic(targets, (topic, result) -> {
            var values = result.putArray("values");
            try (var consumer =
                    new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                List<TopicPartition> partitions = List.of(new TopicPartition(topic, 0));
                consumer.assign(partitions);
                consumer.seekToBeginning(partitions);
                while (values.size() < count) {
                    var polled = consumer.poll(LIMIT);
                    if (polled.isEmpty()) {
                        throw new IllegalStateException("only " + values.size() + " records within " + LIMIT);
                    }
                    for (ConsumerRecord<byte[], byte[]> record : polled) {
                        values.add(JSON.readTree(read(client, record.value())));
                    }
                }
            }
        });
    }

    private static byte[] frame(int id, GenericRecord record) throws Exception {
        var bytes = new java.io.ByteArrayOutputStream();
        bytes.write(ByteBuffer.allocate(PREFIX_BYTES).put((byte) 0).putInt(id).array());
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
        new GenericDatumWriter<GenericRecord>(record.getSchema()).write(record, encoder);
        encoder.flush();
        return bytes.toByteArray();
    }

    /** A framed value as JSON, read by the schema that its id names. */
    private static String read(ConfluentSchemaRegistryClient client, byte[] value) throws Exception {
        ByteBuffer prefix = ByteBuffer.wrap(value, 0, PREFIX_BYTES);
        if (prefix.get() != 0) {
            throw new IllegalStateException("no framed value");
        }
        Schema schema = new Schema.Parser().parse(client.fetch(prefix.getInt()));
        var decoder = DecoderFactory.get().binaryDecoder(value, PREFIX_BYTES, value.length - PREFIX_BYTES, null);
        return new GenericDatumReader<GenericRecord>(schema).read(null, decoder).toString();
    }

    private static GenericRecord record(Schema schema, JsonNode json) {
        GenericRecord place = new GenericData.Record(schema.getField("place").schema());
        place.put("name", json.at("/place/name").textValue());
        place.put("floor", json.at("/place/floor").intValue());
        List<String> tags = new ArrayList<>();
        json.get("tags").forEach(tag -> tags.add(tag.textValue()));
        GenericRecord record = new GenericData.Record(schema);
        record.put("sensor", json.get("sensor").textValue());
        record.put("sequence", json.get("sequence").longValue());
        record.put("celsius", json.get("celsius").doubleValue());
        record.put("valid", json.get("valid").booleanValue());
        record.put("note", json.get("note").textValue());
        record.put("tags", tags);
        record.put("place", place);
        return record;
    }

    /** All that this client can ask a registry. */
    private static void check(ConfluentSchemaRegistryClient client, String prefix) {
        String subject = prefix + "-value";
        String first = "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}";
        String second = "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},"
                + "{\"name\":\"b\",\"type\":\"int\",\"default\":0}]}";
        SchemaRegistrationResponse one = client.register(subject, "avro", first);
        SchemaRegistrationResponse again = client.register(subject, "avro", first);
        SchemaRegistrationResponse two = client.register(subject, "avro", second);
        expect("the id of the same schema", one.getId(), again.getId());
        expect("the version", 2, two.getSchemaReference().getVersion());
        expect("the schema by id", first, client.fetch(one.getId()));
        expect("the schema by version", second, client.fetch(new SchemaReference(subject, 2, "avro")));
        refused("an unknown id", () -> client.fetch(Integer.MAX_VALUE));
        refused("an unknown subject", () -> client.fetch(new SchemaReference(prefix, 1, "avro")));
    }

    private static void expect(String what, Object wanted, Object got) {
        if (!Objects.equals(wanted, got)) {
            throw new AssertionError(what + ": " + got + ", expected " + wanted);
        }
    }

    private static void refused(String what, Runnable call) {
        try {
            call.run();
        } catch (SchemaNotFoundException expected) {
            return;
        }
        throw new AssertionError(what + " is found");
    }
}
