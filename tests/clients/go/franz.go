package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

// franz is franz-go's registry client. It frames values; how they are encoded is the application's, as here.
type franz struct {
	registry *sr.Client
	schemas  schemas
}

func newFranz(registry string, schemas schemas) (*franz, error) {
	client, err := sr.NewClient(sr.URLs(registry))
	return &franz{client, schemas}, err
}

func (f *franz) serializer(format, topic string) (func(Reading) ([]byte, error), error) {
	var schema sr.Schema
	var options []sr.EncodingOpt
	switch format {
	case "avro":
		schema = sr.Schema{Schema: f.schemas.avro, Type: sr.TypeAvro}
		parsed, err := avro.Parse(schema.Schema)
		if err != nil {
			return nil, err
		}
		encode := func(v any) ([]byte, error) { return avro.Marshal(parsed, v) }
		options = append(options, sr.EncodeFn(encode))
	case "json":
		schema = sr.Schema{Schema: f.schemas.json, Type: sr.TypeJSON}
		options = append(options, sr.EncodeFn(json.Marshal))
	case "protobuf":
		schema = sr.Schema{Schema: f.schemas.proto, Type: sr.TypeProtobuf}
		descriptor, err := compile(schema.Schema, messageIndex)
		if err != nil {
			return nil, err
		}
		encode := func(v any) ([]byte, error) {
			message, err := toMessage(v.(Reading), descriptor)
			if err != nil {
				return nil, err
			}
			return proto.Marshal(message)
		}
		options = append(options, sr.EncodeFn(encode), sr.Index(messageIndex))
	}
	registered, err := f.registry.CreateSchema(context.Background(), topic+"-value", schema)
	if err != nil {
		return nil, err
	}
	serde := sr.NewSerde()
	serde.Register(registered.ID, Reading{}, options...)
	return func(reading Reading) ([]byte, error) { return serde.Encode(reading) }, nil
}

// deserializer looks the schema up by the id in front of the value, and decodes by what it finds there.
func (f *franz) deserializer(string, string) (func([]byte) (Reading, error), error) {
	serde := sr.NewSerde()
	decode := func(value []byte) (Reading, error) {
		var reading Reading
		err := serde.Decode(value, &reading)
		if !errors.Is(err, sr.ErrNotRegistered) {
			return reading, err
		}
		id, rest, err := serde.DecodeID(value)
		if err != nil {
			return reading, err
		}
		options, err := f.decoding(serde, id, rest)
		if err != nil {
			return reading, err
		}
		serde.Register(id, Reading{}, options...)
		return reading, serde.Decode(value, &reading)
	}
	return decode, nil
}

func (f *franz) decoding(serde *sr.Serde, id int, rest []byte) ([]sr.EncodingOpt, error) {
	schema, err := f.registry.SchemaByID(context.Background(), id)
	if err != nil {
		return nil, err
	}
	switch schema.Type {
	case sr.TypeAvro:
		parsed, err := avro.Parse(schema.Schema)
		if err != nil {
			return nil, err
		}
		decode := func(b []byte, v any) error { return avro.Unmarshal(parsed, b, v) }
		return []sr.EncodingOpt{sr.DecodeFn(decode)}, nil
	case sr.TypeJSON:
		return []sr.EncodingOpt{sr.DecodeFn(json.Unmarshal)}, nil
	case sr.TypeProtobuf:
		index, _, err := serde.DecodeIndex(rest, 1)
		if err != nil {
			return nil, err
		}
		descriptor, err := compile(schema.Schema, index[0])
		if err != nil {
			return nil, err
		}
		decode := func(b []byte, v any) error {
			message := dynamicpb.NewMessage(descriptor)
			err := proto.Unmarshal(b, message)
			*v.(*Reading) = fromMessage(message)
			return err
		}
		return []sr.EncodingOpt{sr.DecodeFn(decode), sr.Index(index...)}, nil
	}
	return nil, fmt.Errorf("schema %d is of the type %s", id, schema.Type)
}

// refused holds an error against the code that the registry should give.
func (f *franz) refused(what string, code int, err error) error {
	var answer *sr.ResponseError
	if !errors.As(err, &answer) {
		return fmt.Errorf("%s: %v, expected the code %d", what, err, code)
	}
	return expect(what, answer.ErrorCode, code)
}

func (f *franz) check(prefix string) error {
	ctx := context.Background()
	subject := prefix + "/a b-value"
	v1, v2, bad := sr.Schema{Schema: avroV1}, sr.Schema{Schema: avroV2}, sr.Schema{Schema: avroBad}

	_, err := f.registry.SchemaByVersion(ctx, subject, -1)
	if err := f.refused("an unknown subject", 40401, err); err != nil {
		return err
	}
	one, err := f.registry.CreateSchema(ctx, subject, v1)
	if err != nil {
		return err
	}
	two, err := f.registry.CreateSchema(ctx, subject, v2)
	if err != nil {
		return err
	}
	_, err = f.registry.CreateSchema(ctx, subject, bad)
	if err := f.refused("an incompatible schema", 409, err); err != nil {
		return err
	}
	_, err = f.registry.CreateSchema(ctx, subject, sr.Schema{Schema: "{"})
	if err := f.refused("no schema", 42201, err); err != nil {
		return err
	}

	err = first(
		f.checkReading(ctx, subject, one.ID, two.ID), f.checkCompatibility(ctx, subject), f.checkReferences(ctx, prefix),
	)
	if err != nil {
		return err
	}

	if err := f.registry.DeleteSchema(ctx, subject, 1, sr.SoftDelete); err != nil {
		return err
	}
	gone, err := f.registry.DeleteSubject(ctx, subject, sr.SoftDelete)
	if err := first(err, expect("deleted versions", gone, []int{2})); err != nil {
		return err
	}
	gone, err = f.registry.DeleteSubject(ctx, subject, sr.HardDelete)
	return first(err, expect("deleted for good", gone, []int{1, 2}))
}

// checkReading reads what is registered: the first version by the id one, the second by two.
func (f *franz) checkReading(ctx context.Context, subject string, one, two int) error {
	found, err := f.registry.LookupSchema(ctx, subject, sr.Schema{Schema: avroV1})
	if err := first(err, expect("lookup", []int{found.ID, found.Version}, []int{one, 1})); err != nil {
		return err
	}
	latest, err := f.registry.SchemaByVersion(ctx, subject, -1)
	if err := first(err, expect("latest", []int{latest.ID, latest.Version}, []int{two, 2})); err != nil {
		return err
	}
	byID, err := f.registry.SchemaByID(ctx, one)
	if err := first(err, expect("by id", byID.Schema, avroV1)); err != nil {
		return err
	}
	versions, err := f.registry.SchemaVersionsByID(ctx, two)
	wanted := sr.SubjectVersion{Subject: subject, Version: 2}
	if err := first(err, expect("versions of an id", slices.Contains(versions, wanted), true)); err != nil {
		return err
	}
	types, err := f.registry.SupportedTypes(ctx)
	return first(err, expect("types", len(types), 3))
}

func (f *franz) checkCompatibility(ctx context.Context, subject string) error {
	fits, err := f.registry.CheckCompatibility(ctx, subject, -1, sr.Schema{Schema: avroV2})
	if err := first(err, expect("a compatible schema", fits.Is, true)); err != nil {
		return err
	}
	fits, err = f.registry.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), subject, -1, sr.Schema{Schema: avroBad})
	if err := first(err, expect("an incompatible schema", []bool{fits.Is, len(fits.Messages) > 0}, []bool{false, true})); err != nil {
		return err
	}
	set := f.registry.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatNone}, subject)[0]
	if err := first(set.Err, expect("compatibility", set.Level, sr.CompatNone)); err != nil {
		return err
	}
	level := f.registry.Compatibility(ctx, subject)[0]
	if err := first(level.Err, expect("compatibility", level.Level, sr.CompatNone)); err != nil {
		return err
	}
	if err := f.registry.ResetCompatibility(ctx, subject)[0].Err; err != nil {
		return err
	}
	level = f.registry.Compatibility(sr.WithParams(ctx, sr.DefaultToGlobal), subject)[0]
	return first(level.Err, expect("compatibility by default", level.Level, sr.CompatBackward))
}

func (f *franz) checkReferences(ctx context.Context, prefix string) error {
	base, user := prefix+"-place", prefix+"-room"
	if _, err := f.registry.CreateSchema(ctx, base, sr.Schema{Schema: protoPlace, Type: sr.TypeProtobuf}); err != nil {
		return err
	}
	room := sr.Schema{
		Schema: protoRoom, Type: sr.TypeProtobuf,
		References: []sr.SchemaReference{{Name: "place.proto", Subject: base, Version: 1}},
	}
	created, err := f.registry.CreateSchema(ctx, user, room)
	if err := first(err, expect("references", created.References, room.References)); err != nil {
		return err
	}
	users, err := f.registry.SchemaReferences(ctx, base, 1)
	if err := first(err, expect("referenced by", len(users), 1), expect("referenced by", users[0].Subject, user)); err != nil {
		return err
	}
	_, err = f.registry.DeleteSubject(ctx, base, sr.SoftDelete)
	if err := f.refused("deleting what is referred to", 42206, err); err != nil {
		return err
	}
	for _, subject := range []string{user, base} {
		for _, how := range []sr.DeleteHow{sr.SoftDelete, sr.HardDelete} {
			if _, err := f.registry.DeleteSubject(ctx, subject, how); err != nil {
				return err
			}
		}
	}
	return nil
}
