package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// The place of Reading among the messages of reading.proto.
const messageIndex = 1

// schemas are the texts of ../schemas.
type schemas struct {
	avro, json, proto string
}

func readSchemas(folder string) (schemas, error) {
	var read schemas
	files := map[string]*string{
		"reading.avsc": &read.avro, "reading.schema.json": &read.json, "reading.proto": &read.proto,
	}
	for name, text := range files {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return read, err
		}
		*text = string(content)
	}
	return read, nil
}

// compile gives the message at an index of a .proto text.
func compile(text string, index int) (protoreflect.MessageDescriptor, error) {
	const name = "reading.proto"
	sources := protocompile.SourceAccessorFromMap(map[string]string{name: text})
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{Accessor: sources}}
	files, err := compiler.Compile(context.Background(), name)
	if err != nil {
		return nil, fmt.Errorf("%w in: %s", err, text)
	}
	messages := files[0].Messages()
	if index >= messages.Len() {
		return nil, fmt.Errorf("no message %d in: %s", index, text)
	}
	return messages.Get(index), nil
}

func toMessage(reading Reading, descriptor protoreflect.MessageDescriptor) (proto.Message, error) {
	text, err := json.Marshal(reading)
	if err != nil {
		return nil, err
	}
	message := dynamicpb.NewMessage(descriptor)
	return message, protojson.Unmarshal(text, message)
}

// fromMessage reads the fields by name, as protojson writes 64-bit numbers as texts.
func fromMessage(message protoreflect.Message) Reading {
	field := func(message protoreflect.Message, name protoreflect.Name) protoreflect.Value {
		return message.Get(message.Descriptor().Fields().ByName(name))
	}
	reading := Reading{
		Sensor:   field(message, "sensor").String(),
		Sequence: field(message, "sequence").Int(),
		Celsius:  field(message, "celsius").Float(),
		Valid:    field(message, "valid").Bool(),
		Tags:     []string{},
	}
	if message.Has(message.Descriptor().Fields().ByName("note")) {
		note := field(message, "note").String()
		reading.Note = &note
	}
	tags := field(message, "tags").List()
	for i := range tags.Len() {
		reading.Tags = append(reading.Tags, tags.Get(i).String())
	}
	place := field(message, "place").Message()
	reading.Place = Place{Name: field(place, "name").String(), Floor: int(field(place, "floor").Int())}
	return reading
}
