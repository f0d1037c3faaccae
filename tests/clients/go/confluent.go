package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/rest"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/avrov2"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/jsonschema"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/protobuf"
	"google.golang.org/protobuf/types/dynamicpb"
)

// confluent is Confluent's registry client with its serializers.
type confluent struct {
	registry schemaregistry.Client
	schemas  schemas
}

func newConfluent(registry string, schemas schemas) (*confluent, error) {
	client, err := schemaregistry.NewClient(schemaregistry.NewConfig(registry))
	return &confluent{client, schemas}, err
}

func (c *confluent) serializer(format, topic string) (func(Reading) ([]byte, error), error) {
	// Avro and JSON Schema: registered here, found by `use.latest.version`; Protobuf: by the serializer itself.
	register := func(kind, text string) error {
		info := schemaregistry.SchemaInfo{Schema: text, SchemaType: kind}
		_, err := c.registry.Register(topic+"-value", info, false)
		return err
	}
	switch format {
	case "avro":
		config := avrov2.NewSerializerConfig()
		config.AutoRegisterSchemas, config.UseLatestVersion = false, true
		serializer, err := avrov2.NewSerializer(c.registry, serde.ValueSerde, config)
		if err := first(err, register("AVRO", c.schemas.avro)); err != nil {
			return nil, err
		}
		return func(reading Reading) ([]byte, error) { return serializer.Serialize(topic, &reading) }, nil
	case "json":
		config := jsonschema.NewSerializerConfig()
		config.AutoRegisterSchemas, config.UseLatestVersion, config.EnableValidation = false, true, true
		serializer, err := jsonschema.NewSerializer(c.registry, serde.ValueSerde, config)
		if err := first(err, register("JSON", c.schemas.json)); err != nil {
			return nil, err
		}
		return func(reading Reading) ([]byte, error) { return serializer.Serialize(topic, &reading) }, nil
	case "protobuf":
		serializer, err := protobuf.NewSerializer(c.registry, serde.ValueSerde, protobuf.NewSerializerConfig())
		if err != nil {
			return nil, err
		}
		descriptor, err := compile(c.schemas.proto, messageIndex)
		if err != nil {
			return nil, err
		}
		serialize := func(reading Reading) ([]byte, error) {
			message, err := toMessage(reading, descriptor)
			if err != nil {
				return nil, err
			}
			return serializer.Serialize(topic, message)
		}
		return serialize, nil
	}
	return nil, fmt.Errorf("no format %q", format)
}

func (c *confluent) deserializer(format, topic string) (func([]byte) (Reading, error), error) {
	switch format {
	case "avro":
		deserializer, err := avrov2.NewDeserializer(c.registry, serde.ValueSerde, avrov2.NewDeserializerConfig())
		return into(deserializer, topic), err
	case "json":
		// Without validation, which would refuse a struct of ours for being no map.
		deserializer, err := jsonschema.NewDeserializer(c.registry, serde.ValueSerde, jsonschema.NewDeserializerConfig())
		return into(deserializer, topic), err
	case "protobuf":
		deserializer, err := protobuf.NewDeserializer(c.registry, serde.ValueSerde, protobuf.NewDeserializerConfig())
		if err != nil {
			return nil, err
		}
		descriptor, err := compile(c.schemas.proto, messageIndex)
		if err != nil {
			return nil, err
		}
		deserialize := func(value []byte) (Reading, error) {
			message := dynamicpb.NewMessage(descriptor)
			err := deserializer.DeserializeInto(topic, value, message)
			return fromMessage(message), err
		}
		return deserialize, nil
	}
	return nil, fmt.Errorf("no format %q", format)
}

func into(deserializer serde.Deserializer, topic string) func([]byte) (Reading, error) {
	return func(value []byte) (Reading, error) {
		var reading Reading
		err := deserializer.DeserializeInto(topic, value, &reading)
		return reading, err
	}
}

// refused holds an error against the code that the registry should give.
func (c *confluent) refused(what string, code int, err error) error {
	var answer *rest.Error
	if !errors.As(err, &answer) {
		return fmt.Errorf("%s: %v, expected the code %d", what, err, code)
	}
	return expect(what, answer.Code, code)
}

func (c *confluent) check(prefix string) error {
	subject := prefix + "/a b-value"
	avro := func(text string) schemaregistry.SchemaInfo { return schemaregistry.SchemaInfo{Schema: text} }

	_, err := c.registry.GetLatestSchemaMetadata(subject)
	if err := c.refused("an unknown subject", 40401, err); err != nil {
		return err
	}
	one, err := c.registry.Register(subject, avro(avroV1), false)
	if err != nil {
		return err
	}
	two, err := c.registry.RegisterFullResponse(subject, avro(avroV2), true)
	if err := first(err, expect("the answer to a register", two.Version, 2)); err != nil {
		return err
	}
	_, err = c.registry.Register(subject, avro(avroBad), false)
	if err := c.refused("an incompatible schema", 409, err); err != nil {
		return err
	}

	// What this instance has cached would not reach the registry.
	err = first(
		c.registry.ClearCaches(), c.checkReading(subject, one, two.ID), c.checkCompatibility(subject),
		c.checkReferences(prefix), c.checkRules(prefix),
	)
	if err != nil {
		return err
	}

	gone, err := c.registry.DeleteSubjectVersion(subject, 1, false)
	if err := first(err, expect("a deleted version", gone, 1)); err != nil {
		return err
	}
	all, err := c.registry.DeleteSubject(subject, false)
	if err := first(err, expect("deleted versions", all, []int{2})); err != nil {
		return err
	}
	all, err = c.registry.DeleteSubject(subject, true)
	return first(err, expect("deleted for good", all, []int{1, 2}))
}

// checkReading reads what is registered: the first version by the id one, the second by two.
func (c *confluent) checkReading(subject string, one, two int) error {
	avro := func(text string) schemaregistry.SchemaInfo { return schemaregistry.SchemaInfo{Schema: text} }
	id, err := c.registry.GetID(subject, avro(avroV1), false)
	if err := first(err, expect("lookup", id, one)); err != nil {
		return err
	}
	version, err := c.registry.GetVersion(subject, avro(avroV2), false)
	if err := first(err, expect("lookup", version, 2)); err != nil {
		return err
	}
	latest, err := c.registry.GetLatestSchemaMetadata(subject)
	if err := first(err, expect("latest", []int{latest.ID, latest.Version}, []int{two, 2})); err != nil {
		return err
	}
	byID, err := c.registry.GetBySubjectAndID(subject, one)
	if err := first(err, expect("by id", byID.Schema, avroV1)); err != nil {
		return err
	}
	byGUID, err := c.registry.GetByGUID(latest.GUID)
	if err := first(err, expect("by guid", byGUID.Schema, avroV2)); err != nil {
		return err
	}
	versions, err := c.registry.GetAllVersions(subject)
	if err := first(err, expect("versions", versions, []int{1, 2})); err != nil {
		return err
	}
	places, err := c.registry.GetSubjectsAndVersionsByID(two)
	wanted := schemaregistry.SubjectAndVersion{Subject: subject, Version: 2}
	return first(err, expect("versions of an id", slices.Contains(places, wanted), true))
}

func (c *confluent) checkCompatibility(subject string) error {
	fits, err := c.registry.TestCompatibility(subject, 2, schemaregistry.SchemaInfo{Schema: avroV2})
	if err := first(err, expect("a compatible schema", fits, true)); err != nil {
		return err
	}
	fits, err = c.registry.TestSubjectCompatibility(subject, schemaregistry.SchemaInfo{Schema: avroBad})
	if err := first(err, expect("an incompatible schema", fits, false)); err != nil {
		return err
	}
	level, err := c.registry.UpdateCompatibility(subject, schemaregistry.FullTransitive)
	if err := first(err, expect("compatibility", level.String(), "FULL_TRANSITIVE")); err != nil {
		return err
	}
	level, err = c.registry.GetCompatibility(subject)
	if err := first(err, expect("compatibility", level.String(), "FULL_TRANSITIVE")); err != nil {
		return err
	}
	config, err := c.registry.UpdateConfig(subject, schemaregistry.ServerConfig{Normalize: true})
	return first(err, expect("config", config.Normalize, true))
}

func (c *confluent) checkReferences(prefix string) error {
	base, user := prefix+"-place", prefix+"-room"
	place := schemaregistry.SchemaInfo{Schema: protoPlace, SchemaType: "PROTOBUF"}
	if _, err := c.registry.Register(base, place, false); err != nil {
		return err
	}
	references := []schemaregistry.Reference{{Name: "place.proto", Subject: base, Version: 1}}
	room := schemaregistry.SchemaInfo{Schema: protoRoom, SchemaType: "PROTOBUF", References: references}
	id, err := c.registry.Register(user, room, false)
	if err != nil {
		return err
	}
	read, err := c.registry.GetBySubjectAndID(user, id)
	if err := first(err, expect("references", read.References, references)); err != nil {
		return err
	}
	_, err = c.registry.DeleteSubject(base, false)
	if err := c.refused("deleting what is referred to", 42206, err); err != nil {
		return err
	}
	return c.remove(user, base)
}

func (c *confluent) checkRules(prefix string) error {
	subject := prefix + "-rules"
	rule := schemaregistry.Rule{
		Name: "positive", Kind: "CONDITION", Mode: "WRITE", Type: "CEL", Expr: "message.a > 0", OnFailure: "ERROR",
	}
	info := schemaregistry.SchemaInfo{
		Schema:   avroV1,
		Metadata: &schemaregistry.Metadata{Properties: map[string]string{"owner": "sensors"}},
		RuleSet:  &schemaregistry.RuleSet{DomainRules: []schemaregistry.Rule{rule}},
	}
	if _, err := c.registry.Register(subject, info, false); err != nil {
		return err
	}
	read, err := c.registry.GetLatestSchemaMetadata(subject)
	if err != nil {
		return err
	}
	if read.RuleSet == nil || len(read.RuleSet.DomainRules) != 1 || read.Metadata == nil {
		text, _ := json.Marshal(read)
		return fmt.Errorf("rules and metadata are not given back: %s", text)
	}
	if err := expect("the rule", read.RuleSet.DomainRules[0].Expr, rule.Expr); err != nil {
		return err
	}
	if err := expect("the metadata", read.Metadata.Properties, info.Metadata.Properties); err != nil {
		return err
	}
	return c.remove(subject)
}

func (c *confluent) remove(subjects ...string) error {
	for _, subject := range subjects {
		for _, permanent := range []bool{false, true} {
			if _, err := c.registry.DeleteSubject(subject, permanent); err != nil {
				return err
			}
		}
	}
	return nil
}
