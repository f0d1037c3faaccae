package main

// The schemas of the checks. Canonical Avro texts, so that they come back as they were sent.
const (
	avroV1 = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`
	// compatible with avroV1
	avroV2 = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":0}]}`
	// not compatible with either
	avroBad = `{"type":"record","name":"R","fields":[{"name":"c","type":"string"}]}`

	protoPlace = "syntax = \"proto3\";\npackage check;\n\nmessage Place {\n  string name = 1;\n}\n"
	protoRoom  = "syntax = \"proto3\";\npackage check;\n\nimport \"place.proto\";\n\nmessage Room {\n  .check.Place place = 1;\n}\n"
)
