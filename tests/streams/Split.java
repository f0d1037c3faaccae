// What one would write with Kafka Streams in place of the enforcer: decode each event of the inbox with Avro's generic
// reader, and send it to the product topic or, where that fails, to the quarantine; exactly once, by transactions.
//
// usage: Split BOOTSTRAP INBOX PRODUCT QUARANTINE GROUP SCHEMA   (run by `meshlog bench enforce --peer`, see
// scripts/bench-streams); SCHEMA is the Avro schema's text. Environment: SPLIT_THREADS, 1 where it is not set.

import java.nio.file.Files;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

public final class Split {
    private static final int PREFIX = 5;

    private final ThreadLocal<GenericDatumReader<GenericRecord>> readers;
    private final ThreadLocal<BinaryDecoder> decoders = new ThreadLocal<>();

    private Split(Schema schema) {
        readers = ThreadLocal.withInitial(() -> new GenericDatumReader<>(schema));
    }

    private boolean meets(byte[] value) {
        if (value == null || value.length < PREFIX || value[0] != 0) {
            return false;
        }
        BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(value, PREFIX, value.length - PREFIX, decoders.get());
        decoders.set(decoder);
        try {
            readers.get().read(null, decoder);
            return decoder.isEnd();
        } catch (Exception broken) {
            return false;
        }
    }

    public static void main(String[] args) throws Exception {
        String inbox = args[1];
        String product = args[2];
        String quarantine = args[3];
        Split split = new Split(new Schema.Parser().parse(args[5]));
        Properties config = new Properties();
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, args[4]);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 200);
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, System.getenv().getOrDefault("SPLIT_THREADS", "1"));
        config.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("split").toString());
        config.put("auto.offset.reset", "earliest");
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(inbox, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
                .split()
                .branch((key, value) -> split.meets(value),
                        Branched.withConsumer(good -> good.to(product, Produced.with(Serdes.ByteArray(), Serdes.ByteArray()))))
                .defaultBranch(
                        Branched.withConsumer(bad -> bad.to(quarantine, Produced.with(Serdes.ByteArray(), Serdes.ByteArray()))));
        KafkaStreams streams = new KafkaStreams(builder.build(), config);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
