// The ledger's checker: another language, another Kafka client, nothing of Meshlog's code. Reads the inbox, the product topic,
// the quarantine, the group's committed offsets and the ledger, and says which rule of docs/reliability.md is broken.
//
//   java -cp "<kafka's jars>/*" Checker.java BOOTSTRAP GROUP PORT INBOX LEDGER
//
// Prints one line of JSON. Exit status: 0 every rule holds, 1 one is broken, 2 it could not be found out.

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.*;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public final class Checker {
    static final List<String> RULES = List.of("lost", "duplicate", "ahead", "misrouted", "corrupted", "spurious",
        "reordered", "unfinished", "hanging", "counts");
    static final Pattern SOURCE = Pattern.compile("(\\d+)/(\\d+)@(\\d+)");
    static final Pattern COUNTERS = Pattern.compile("v1 seq=\\d+ in=(\\d+) ok=(\\d+) q=(\\d+).*");
    static final long LIMIT_MS = 120_000;

    record Entry(String key, long sequence, String expected, String digest, boolean acked, int partition, long offset) {}

    record Place(int partition, long offset) {
        @Override
        public String toString() {
            return partition + "/" + offset;
        }
    }

    final Map<String, Integer> broken = new LinkedHashMap<>();
    final List<String> examples = new ArrayList<>();
    final Map<String, Integer> reasons = new TreeMap<>();
    final Map<Long, Entry> ledger = new HashMap<>();
    final Map<Place, Long> inbox = new HashMap<>();
    final Map<Place, String> outputs = new HashMap<>();
    final Map<String, int[]> found = new HashMap<>();
    final String bootstrap;

    Checker(String bootstrap) {
        this.bootstrap = bootstrap;
        RULES.forEach(rule -> broken.put(rule, 0));
    }

    public static void main(String[] arguments) {
        try {
            System.exit(new Checker(arguments[0]).run(arguments));
        } catch (Exception error) {
            error.printStackTrace();
            System.exit(2);
        }
    }

    int run(String[] arguments) throws Exception {
        String group = arguments[1], port = arguments[2], inboxTopic = arguments[3];
        readLedger(Path.of(arguments[4]));
        Map<Integer, OffsetAndMetadata> committed = committed(group, inboxTopic);
        Map<Integer, Long> ends = read(inboxTopic, this::inboxRecord);
        output(port, "product");
        output(port + ".quarantine", "quarantine");
        checkInbox(committed);
        checkOffsets(committed, ends);
        System.out.println(json());
        return broken.values().stream().anyMatch(count -> count > 0) ? 1 : 0;
    }

    void breaks(String rule, String how) {
        if (broken.merge(rule, 1, Integer::sum) <= 5) {
            examples.add(rule + ": " + how);
        }
    }

    void readLedger(Path path) throws Exception {
        // A long run has millions of lines, of few keys and verdicts.
        try (Stream<String> lines = Files.lines(path)) {
            lines.forEach(line -> {
                String[] parts = line.split("\t");
                boolean acked = parts[5].equals("acked");
                int partition = acked ? Integer.parseInt(parts[6]) : -1;
                long offset = acked ? Long.parseLong(parts[7]) : -1;
                ledger.put(Long.parseLong(parts[0]), new Entry(parts[1].equals("-") ? null : parts[1].intern(),
                    Long.parseLong(parts[2]), parts[3].intern(), parts[4], acked, partition, offset));
            });
        }
    }

    Map<Integer, OffsetAndMetadata> committed(String group, String topic) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        Map<Integer, OffsetAndMetadata> committed = new TreeMap<>();
        try (Admin admin = Admin.create(properties)) {
            admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().forEach((at, offset) -> {
                if (at.topic().equals(topic) && offset != null) {
                    committed.put(at.partition(), offset);
                }
            });
        }
        return committed;
    }

    Properties consumer(String isolation) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("isolation.level", isolation);
        properties.put("enable.auto.commit", "false");
        properties.put("auto.offset.reset", "none");
        properties.put("max.poll.records", "5000");
        properties.put("key.deserializer", ByteArrayDeserializer.class.getName());
        properties.put("value.deserializer", ByteArrayDeserializer.class.getName());
        return properties;
    }

    /** Reads a topic from beginning to end as a reader of committed records; the ends that it reached. */
    Map<Integer, Long> read(String topic, Consumer<ConsumerRecord<byte[], byte[]>> handle) {
        Map<Integer, Long> reached = new TreeMap<>();
        try (var reader = new KafkaConsumer<byte[], byte[]>(consumer("read_committed"));
             var all = new KafkaConsumer<byte[], byte[]>(consumer("read_uncommitted"))) {
            List<TopicPartition> partitions = reader.partitionsFor(topic).stream()
                .map(info -> new TopicPartition(topic, info.partition())).toList();
            reader.assign(partitions);
            reader.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = reader.endOffsets(partitions);
            all.endOffsets(partitions).forEach((at, end) -> {
                if (ends.get(at) < end) {
                    breaks("hanging", at + " has an open transaction at " + ends.get(at) + " before its end " + end);
                }
            });
            long deadline = System.currentTimeMillis() + LIMIT_MS;
            while (ends.entrySet().stream().anyMatch(end -> reader.position(end.getKey()) < end.getValue())) {
                reader.poll(Duration.ofMillis(500)).forEach(handle);
                if (System.currentTimeMillis() > deadline) {
                    throw new IllegalStateException(topic + " could not be read to its end");
                }
            }
            ends.forEach((at, end) -> reached.put(at.partition(), end));
        }
        return reached;
    }

    static String header(ConsumerRecord<byte[], byte[]> record, String name) {
        Header header = record.headers().lastHeader(name);
        return header == null || header.value() == null ? null : new String(header.value(), StandardCharsets.UTF_8);
    }

    static String digest(byte[] value) {
        try {
            return value == null ? "null" : HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(value));
        } catch (java.security.NoSuchAlgorithmException error) {
            throw new IllegalStateException(error);
        }
    }

    Entry entry(ConsumerRecord<byte[], byte[]> record) {
        String number = header(record, "ledger-n");
        return number == null ? null : ledger.get(Long.parseLong(number));
    }

    static String at(ConsumerRecord<byte[], byte[]> record) {
        return record.topic() + " " + record.partition() + "/" + record.offset();
    }

    /** Key and value as the ledger says. */
    void compare(ConsumerRecord<byte[], byte[]> record, Entry entry) {
        String key = record.key() == null ? null : new String(record.key(), StandardCharsets.UTF_8);
        if (!Objects.equals(key, entry.key) || !digest(record.value()).equals(entry.digest)) {
            breaks("corrupted", at(record) + " is not what was sent");
        }
    }

    final Set<Long> numbers = new HashSet<>();

    void inboxRecord(ConsumerRecord<byte[], byte[]> record) {
        Entry entry = entry(record);
        if (entry == null) {
            breaks("spurious", at(record) + " was never sent");
            return;
        }
        long number = Long.parseLong(header(record, "ledger-n"));
        if (!numbers.add(number)) {
            breaks("duplicate", at(record) + " is a second copy of " + number + " in the inbox");
        }
        inbox.put(new Place(record.partition(), record.offset()), number);
        compare(record, entry);
    }

    /** Reads one output topic; the state of its order is its own. */
    void output(String topic, String kind) {
        Map<Integer, Long> last = new HashMap<>();
        Map<String, Long> sequences = new HashMap<>();
        read(topic, record -> {
            Matcher source = SOURCE.matcher(Objects.requireNonNullElse(header(record, "mesh-src"), ""));
            Entry entry = entry(record);
            if (!source.matches() || entry == null) {
                breaks("spurious", at(record) + " comes from nowhere");
                return;
            }
            Place place = new Place(Integer.parseInt(source.group(1)), Long.parseLong(source.group(2)));
            found.computeIfAbsent(kind, any -> new int[64])[record.partition()] += 1;
            placed(record, place, entry, kind);
            Long before = last.put(record.partition(), place.offset);
            if (before != null && before >= place.offset) {
                breaks("reordered", at(record) + " comes from " + place + " after one from " + before);
            }
            if (entry.key != null) {
                Long earlier = sequences.put(entry.key, entry.sequence);
                if (earlier != null && earlier >= entry.sequence) {
                    breaks("reordered", at(record) + " is " + entry.sequence + " of its key after " + earlier);
                }
            }
        });
    }

    void placed(ConsumerRecord<byte[], byte[]> record, Place place, Entry entry, String kind) {
        String other = outputs.put(place, at(record));
        if (other != null) {
            breaks("duplicate", place + " is at " + other + " and at " + at(record));
        }
        long number = Long.parseLong(header(record, "ledger-n"));
        if (!Objects.equals(inbox.get(place), number)) {
            breaks("spurious", at(record) + " says it is " + place + ", which is another event");
        }
        if (record.partition() != place.partition) {
            breaks("misrouted", at(record) + " changed its partition");
        }
        String verdict = "ok";
        if (kind.equals("quarantine")) {
            String code = Objects.requireNonNullElse(header(record, "__rule.name"), "none");
            String texts = Objects.requireNonNullElse(header(record, "mesh-reasons"), "");
            verdict = texts.contains("\"" + code + "\"") ? code : "no reason";
            reasons.merge(verdict, 1, Integer::sum);
        }
        if (!verdict.equals(entry.expected)) {
            breaks("misrouted", at(record) + " is " + verdict + ", expected " + entry.expected);
        }
        compare(record, entry);
    }

    /** Each event that was acknowledged is in the inbox, and each event of the inbox in one output. */
    void checkInbox(Map<Integer, OffsetAndMetadata> committed) {
        ledger.forEach((number, entry) -> {
            if (entry.acked && !Objects.equals(inbox.get(new Place(entry.partition, entry.offset)), number)) {
                breaks("lost", number + " was acknowledged and is not in the inbox");
            }
        });
        inbox.forEach((place, number) -> {
            OffsetAndMetadata next = committed.get(place.partition);
            boolean judged = next != null && place.offset < next.offset();
            if (judged && !outputs.containsKey(place)) {
                breaks("lost", place + " is below the committed offset and in no output");
            }
            if (!judged && outputs.containsKey(place)) {
                breaks("ahead", place + " is in an output and not below the committed offset");
            }
        });
    }

    /** Everything is judged, and the counters that travel with the offsets say what the topics hold. */
    void checkOffsets(Map<Integer, OffsetAndMetadata> committed, Map<Integer, Long> ends) {
        ends.forEach((partition, end) -> {
            OffsetAndMetadata next = committed.get(partition);
            long offset = next == null ? 0 : next.offset();
            if (offset < end) {
                breaks("unfinished", "partition " + partition + " is judged up to " + offset + " of " + end);
            }
            if (next == null) {
                return;
            }
            long events = inbox.keySet().stream().filter(p -> p.partition == partition && p.offset < offset).count();
            long accepted = count("product", partition), refused = count("quarantine", partition);
            Matcher text = COUNTERS.matcher(next.metadata());
            String counted = text.matches() ? text.group(1) + " " + text.group(2) + " " + text.group(3) : next.metadata();
            String expected = events + " " + accepted + " " + refused;
            if (!counted.equals(expected)) {
                breaks("counts", "partition " + partition + " counts " + counted + ", there are " + expected);
            }
        });
    }

    long count(String kind, int partition) {
        return found.getOrDefault(kind, new int[64])[partition];
    }

    String json() {
        StringBuilder text = new StringBuilder("{\"events\":" + inbox.size());
        text.append(",\"accepted\":").append(Arrays.stream(found.getOrDefault("product", new int[0])).sum());
        text.append(",\"quarantined\":").append(Arrays.stream(found.getOrDefault("quarantine", new int[0])).sum());
        text.append(",\"broken\":").append(object(broken)).append(",\"reasons\":").append(object(reasons));
        text.append(",\"examples\":[");
        for (int index = 0; index < examples.size(); index++) {
            text.append(index == 0 ? "" : ",").append(quoted(examples.get(index)));
        }
        return text.append("]}").toString();
    }

    static String object(Map<String, Integer> map) {
        StringJoiner members = new StringJoiner(",", "{", "}");
        map.forEach((name, count) -> members.add(quoted(name) + ":" + count));
        return members.toString();
    }

    static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", " ") + '"';
    }
}
