// Registry clients of Go against Meshlog: franz-go's sr, and Confluent's with its serializers.
//
//	clients CLIENT produce SCHEMAS REGISTRY BOOTSTRAP FORMAT:TOPIC... < records.jsonl
//	clients CLIENT consume SCHEMAS REGISTRY BOOTSTRAP COUNT FORMAT:TOPIC...
//	clients CLIENT check REGISTRY PREFIX
//
// CLIENT is franz or confluent, FORMAT is avro, json or protobuf. produce and consume print one JSON object for each
// topic: what was produced, the values read, or the error. What the driver expects of them stands in ../interop.py.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Longest time for all topics together; the driver's own limit is longer.
const limit = 60 * time.Second

// Reading is the record that the clients of all languages exchange.
type Reading struct {
	Sensor   string   `json:"sensor" avro:"sensor"`
	Sequence int64    `json:"sequence" avro:"sequence"`
	Celsius  float64  `json:"celsius" avro:"celsius"`
	Valid    bool     `json:"valid" avro:"valid"`
	Note     *string  `json:"note" avro:"note"`
	Tags     []string `json:"tags" avro:"tags"`
	Place    Place    `json:"place" avro:"place"`
}

// Place is where a sensor hangs.
type Place struct {
	Name  string `json:"name" avro:"name"`
	Floor int    `json:"floor" avro:"floor"`
}

// client is one library under test.
type client interface {
	// serializer registers the format's schema for the topic's values and gives a function that frames them.
	serializer(format, topic string) (func(Reading) ([]byte, error), error)
	// deserializer gives a function that reads framed values.
	deserializer(format, topic string) (func([]byte) (Reading, error), error)
	// check makes the calls of an ordinary application, on subjects that start with the prefix.
	check(prefix string) error
}

func open(name, registry string, schemas schemas) (client, error) {
	switch name {
	case "franz":
		return newFranz(registry, schemas)
	case "confluent":
		return newConfluent(registry, schemas)
	}
	return nil, fmt.Errorf("no client %q", name)
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 4 && args[1] == "check" {
		client, err := open(args[0], args[2], schemas{})
		if err != nil {
			return err
		}
		return client.check(args[3])
	}
	if len(args) < 6 {
		return errors.New("see the head of main.go for the arguments")
	}
	schemas, err := readSchemas(args[2])
	if err != nil {
		return err
	}
	client, err := open(args[0], args[3], schemas)
	if err != nil {
		return err
	}
	switch args[1] {
	case "produce":
		return produce(client, args[4], args[5:])
	case "consume":
		count, err := strconv.Atoi(args[5])
		if err != nil {
			return err
		}
		return consume(client, args[4], count, args[6:])
	}
	return fmt.Errorf("no command %q", args[1])
}

// report prints what became of one topic.
func report(topic string, result map[string]any, err error) {
	if err != nil {
		result = map[string]any{"error": err.Error()}
	}
	result["topic"] = topic
	line, err := json.Marshal(result)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func produce(client client, bootstrap string, targets []string) error {
	var readings []Reading
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var reading Reading
		if err := json.Unmarshal(lines.Bytes(), &reading); err != nil {
			return err
		}
		readings = append(readings, reading)
	}
	// Snappy by default, which kafkajs cannot read without another library.
	uncompressed := kgo.ProducerBatchCompression(kgo.NoCompression())
	kafka, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), uncompressed)
	if err != nil {
		return err
	}
	defer kafka.Close()
	for _, target := range targets {
		format, topic, _ := strings.Cut(target, ":")
		err := produceTo(client, kafka, format, topic, readings)
		report(topic, map[string]any{"produced": len(readings)}, err)
	}
	return nil
}

func produceTo(client client, kafka *kgo.Client, format, topic string, readings []Reading) error {
	serialize, err := client.serializer(format, topic)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for _, reading := range readings {
		value, err := serialize(reading)
		if err != nil {
			return err
		}
		record := &kgo.Record{Topic: topic, Key: []byte(reading.Sensor), Value: value}
		if err := kafka.ProduceSync(ctx, record).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}

func consume(client client, bootstrap string, count int, targets []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for _, target := range targets {
		format, topic, _ := strings.Cut(target, ":")
		values, err := consumeFrom(ctx, client, bootstrap, count, format, topic)
		report(topic, map[string]any{"values": values}, err)
	}
	return nil
}

func consumeFrom(ctx context.Context, client client, bootstrap string, count int, format, topic string) ([]Reading, error) {
	deserialize, err := client.deserializer(format, topic)
	if err != nil {
		return nil, err
	}
	start := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}
	kafka, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumePartitions(start))
	if err != nil {
		return nil, err
	}
	defer kafka.Close()
	values := []Reading{}
	for len(values) < count {
		fetches := kafka.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("after %d records: %w", len(values), err)
		}
		for _, record := range fetches.Records() {
			value, err := deserialize(record.Value)
			if err != nil {
				return nil, err
			}
			if value.Tags == nil {
				value.Tags = []string{} // null in JSON otherwise
			}
			values = append(values, value)
		}
	}
	return values, nil
}

// expect says what differs from what was asked for.
func expect(what string, got, want any) error {
	left, err := json.Marshal(got)
	if err != nil {
		return err
	}
	right, err := json.Marshal(want)
	if err != nil {
		return err
	}
	if !bytes.Equal(left, right) {
		return fmt.Errorf("%s: %s, expected %s", what, left, right)
	}
	return nil
}

// first gives the first of some errors.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
