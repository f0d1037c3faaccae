//! Other forms of a schema's text, asked for by the `format` of a request.

use super::{avro, canonical, protobuf};
use crate::schema_error::SchemaError;
use crate::source::{SchemaType, Source};

/// A form of a schema's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// As it is stored.
    Default,
    /// Avro: with the types of other schemas in it, so that it needs none of them.
    Resolved,
    /// Protobuf: without extensions and the options that they define, save Confluent's own.
    IgnoreExtensions,
    /// Protobuf: the base64 of the serialized file descriptor, which Python's clients read.
    Serialized,
}

impl Format {
    /// As written in a request; what is unknown is [`Format::Default`], as with the reference.
    pub fn of(text: &str) -> Self {
        match text.trim() {
            "resolved" => Format::Resolved,
            "ignore_extensions" => Format::IgnoreExtensions,
            "serialized" => Format::Serialized,
            _ => Format::Default,
        }
    }
}

/// The text in that form; a form that the language does not have is the default one.
///
/// # Errors
/// [`SchemaError`] says where the text, or one that it refers to, is not a schema.
pub fn formatted(source: &Source<'_>, format: Format) -> Result<String, SchemaError> {
    let (text, imports) = (source.text, source.imports);
    match (source.ty, format) {
        (SchemaType::Avro, Format::Resolved) => avro::resolved(text, imports),
        (SchemaType::Protobuf, Format::IgnoreExtensions) => {
            protobuf::without_extensions(text, imports)
        }
        (SchemaType::Protobuf, Format::Serialized) => protobuf::serialized(text, imports),
        (SchemaType::Avro | SchemaType::Json | SchemaType::Protobuf, _) => canonical(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Import;

    #[test]
    fn avro_takes_in_what_it_refers_to() {
        let imports = [
            Import {
                name: "b",
                text: r#"{"type": "record", "name": "o.B", "fields": [
                    {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["X"]}}]}"#,
            },
            Import {
                name: "a",
                text: r#"{"type": "record", "name": "A", "namespace": "n", "fields": [
                    {"name": "b", "type": "o.B"}, {"name": "e", "type": ["null", "o.E"]}]}"#,
            },
        ];
        let source = Source {
            ty: SchemaType::Avro,
            text: r#"{"type": "record", "name": "M", "namespace": "n", "fields": [
                {"name": "a", "type": "A"}, {"name": "again", "type": "n.A"}, {"name": "b", "type": "o.B"}]}"#,
            imports: &imports,
        };
        let resolved = formatted(&source, Format::of("resolved")).expect("a schema");
        assert_eq!(
            resolved,
            concat!(
                r#"{"type":"record","name":"M","namespace":"n","fields":[{"name":"a","type":"#,
                r#"{"type":"record","name":"A","fields":[{"name":"b","type":{"type":"record","name":"B","namespace":"o","#,
                r#""fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["X"]}}]}},"#,
                r#"{"name":"e","type":["null","o.E"]}]}},"#,
                r#"{"name":"again","type":"A"},{"name":"b","type":"o.B"}]}"#
            )
        );
        let alone = Source::new(SchemaType::Avro, &resolved);
        assert_eq!(canonical(&alone).expect("needs no other"), resolved);
        assert_eq!(formatted(&source, Format::of("other")), canonical(&source));
    }

    const CUSTOM: &str = "syntax = \"proto2\";\npackage p;\n\nimport \"confluent/meta.proto\";\n\
        import \"google/protobuf/descriptor.proto\";\n\noption (confluent.file_meta).doc = \"d\";\n\
        option (own) = \"x\";\n\nmessage M {\n  optional int32 a = 1 [\n    deprecated = true,\n    \
        (confluent.field_meta) = {\n      doc: \"d\"\n    },\n    (n) = 1\n  ];\n\n  extensions 5 to max;\n}\n\n\
        extend google.protobuf.FileOptions {\n  optional string own = 50001;\n}\n\
        extend google.protobuf.FieldOptions {\n  optional int32 n = 50001;\n}\n";

    #[test]
    fn protobuf_goes_without_extensions() {
        let source = Source::new(SchemaType::Protobuf, CUSTOM);
        assert_eq!(
            formatted(&source, Format::Resolved).expect("a schema"),
            CUSTOM
        );
        let expected = "syntax = \"proto2\";\npackage p;\n\nimport \"confluent/meta.proto\";\n\
            import \"google/protobuf/descriptor.proto\";\n\noption (confluent.file_meta).doc = \"d\";\n\n\
            message M {\n  optional int32 a = 1 [\n    deprecated = true,\n    (confluent.field_meta) = {\n      \
            doc: \"d\"\n    }\n  ];\n}\n";
        let found = formatted(&source, Format::of("ignore_extensions"));
        assert_eq!(found.expect("a schema"), expected);
    }

    #[test]
    fn protobuf_is_serialized_and_read_again() {
        let text = "syntax = \"proto3\";\npackage p;\n\nmessage M {\n  repeated int32 a = 1;\n  .p.M b = 2;\n}\n";
        let source = Source::new(SchemaType::Protobuf, text);
        let serialized = formatted(&source, Format::of("serialized")).expect("a schema");
        let again = Source::new(SchemaType::Protobuf, &serialized);
        assert_eq!(canonical(&again).expect("a schema"), text);
    }

    #[test]
    fn normalized_protobuf_knows_no_order() {
        let one = "syntax = \"proto3\"; package p; import \"google/protobuf/timestamp.proto\"; import \"confluent/meta.proto\"; \
            option java_package = \"x\"; option (confluent.file_meta).doc = \"d\"; option (confluent.file_meta).tags = \"t\"; \
            message M { reserved 9, 7; reserved \"z\"; N b = 2; .p.M.N a = 1; google.protobuf.Timestamp t = 3; \
            map<string, N> m = 4; message N { repeated ME x = 1; message ME { option map_entry = true; string key = 1; N value = 2; } } } \
            enum E { A = 0; C = 2; B = 0x1; }";
        let other = "syntax = \"proto3\"; package p; import \"confluent/meta.proto\"; import \"google/protobuf/timestamp.proto\"; \
            option (confluent.file_meta) = { tags: [\"t\"] doc: \"d\" }; option java_package = \"x\"; \
            message M { reserved \"z\"; reserved 7; reserved 9; M.N a = 1; p.M.N b = 2; .google.protobuf.Timestamp t = 3; \
            map<string, .p.M.N> m = 4; message N { map<string, M.N> x = 1; } } enum E { A = 0; B = 1; C = 2; }";
        let normal = protobuf::normalized(one, &[]).expect("a schema");
        assert_eq!(normal, protobuf::normalized(other, &[]).expect("a schema"));
        assert_eq!(
            normal,
            protobuf::normalized(&normal, &[]).expect("a schema"),
            "a fixed point"
        );
        assert_eq!(
            normal,
            "syntax = \"proto3\";\npackage p;\n\nimport \"confluent/meta.proto\";\nimport \"google/protobuf/timestamp.proto\";\n\n\
             option (confluent.file_meta) = {\n  doc: \"d\",\n  tags: \"t\"\n};\noption java_package = \"x\";\n\n\
             message M {\n  reserved 7;\n  reserved 9;\n  reserved \"z\";\n\n  .p.M.N a = 1;\n  .p.M.N b = 2;\n  \
             .google.protobuf.Timestamp t = 3;\n  map<string, .p.M.N> m = 4;\n\n  message N {\n    map<string, .p.M.N> x = 1;\n  }\n}\n\
             enum E {\n  A = 0;\n  B = 1;\n  C = 2;\n}\n"
        );
    }
}
