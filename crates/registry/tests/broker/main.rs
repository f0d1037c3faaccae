//! The registry against a real broker, as unmodified clients use it.

mod api;
mod support;

use apache_avro::types::Value as Avro;
use futures_util::future::join_all;
use schema_registry_converter::{
    async_impl::{
        avro::{AvroDecoder, AvroEncoder},
        json::{JsonDecoder, JsonEncoder},
        schema_registry::{SrSettings, get_schema_by_subject, post_schema},
    },
    schema_registry_common::{SchemaType, SubjectNameStrategy, SuppliedSchema},
};
use serde_json::{Value, json};
use support::{Mesh, Node};

const RECORD: &str = r#"{"type":"record","name":"Reading","fields":[{"name":"place","type":"string"},{"name":"value","type":"int"}]}"#;
const WIDER: &str = r#"{"type":"record","name":"Reading","fields":[{"name":"place","type":"string"},{"name":"value","type":"int"},{"name":"unit","type":"string","default":"m"}]}"#;
const OTHER: &str =
    r#"{"type":"record","name":"Reading","fields":[{"name":"weight","type":"int"}]}"#;
const OBJECT: &str =
    r#"{"type":"object","properties":{"place":{"type":"string"}},"additionalProperties":false}"#;

fn settings(node: &Node) -> SrSettings {
    SrSettings::new_builder(node.url.clone())
        .no_proxy()
        .build()
        .expect("settings")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_converter_registers_encodes_and_decodes_avro() {
    let mesh = Mesh::new("avro");
    let node = mesh.start().await;
    let supplied = SuppliedSchema::new(Some("Reading".into()), SchemaType::Avro, RECORD.into());
    let strategy =
        SubjectNameStrategy::TopicNameStrategyWithSchema("readings".into(), false, supplied);
    let encoder = AvroEncoder::new(settings(&node));
    let fields = vec![
        ("place", Avro::String("Sète".into())),
        ("value", Avro::Int(7)),
    ];
    let bytes = encoder.encode(fields, strategy).await.expect("encoded");
    assert_eq!(bytes[..5], [0, 0, 0, 0, 1], "magic byte and the first id");

    let decoder = AvroDecoder::new(settings(&node));
    let decoded = decoder.decode(Some(&bytes)).await.expect("decoded");
    let Avro::Record(fields) = decoded.value else {
        unreachable!("a record was encoded")
    };
    assert_eq!(fields[1], ("value".to_owned(), Avro::Int(7)));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_converter_registers_encodes_and_decodes_json() {
    let mesh = Mesh::new("json");
    let node = mesh.start().await;
    let supplied = SuppliedSchema::new(None, SchemaType::Json, OBJECT.into());
    let settings = settings(&node);
    post_schema(&settings, "places-value".into(), supplied)
        .await
        .expect("registered");
    let strategy = SubjectNameStrategy::TopicNameStrategy("places".into(), false);
    let latest = get_schema_by_subject(&settings, &strategy)
        .await
        .expect("a schema");
    assert_eq!(latest.schema_type, SchemaType::Json);

    let encoder = JsonEncoder::new(settings.clone());
    let value = json!({"place": "Sète"});
    let bytes = encoder.encode(&value, strategy).await.expect("encoded");
    let decoder = JsonDecoder::new(settings);
    let decoded = decoder
        .decode(Some(&bytes))
        .await
        .expect("decoded")
        .expect("a value");
    assert_eq!(decoded.value, value);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registering_looking_up_and_refusing_over_http() {
    let mesh = Mesh::new("http");
    let node = mesh.start().await;
    let versions = "/subjects/a%2Fb%20c/versions";
    assert_eq!(node.get(versions).await.1["error_code"], 40401);

    let (status, body) = node.post(versions, &json!({"schema": RECORD})).await;
    assert_eq!(
        (status, &body["id"], &body["version"]),
        (200, &json!(1), &json!(1))
    );
    assert_eq!(body["schemaType"], "AVRO");
    let guid = body["guid"].as_str().expect("a guid").to_owned();
    assert_eq!(node.get("/subjects").await.1, json!(["a/b c"]));

    let (_, again) = node.post(versions, &json!({"schema": RECORD})).await;
    assert_eq!(again["version"], 1);
    let (status, refused) = node.post(versions, &json!({"schema": OTHER})).await;
    assert_eq!((status, &refused["error_code"]), (409, &json!(409)));
    let (_, wider) = node.post(versions, &json!({"schema": WIDER})).await;
    assert_eq!((&wider["id"], &wider["version"]), (&json!(2), &json!(2)));

    let (_, found) = node
        .post("/subjects/a%2Fb%20c", &json!({"schema": RECORD}))
        .await;
    assert_eq!(
        (&found["subject"], &found["version"]),
        (&json!("a/b c"), &json!(1))
    );
    let (_, by_id) = node.get("/schemas/ids/1").await;
    assert_eq!(by_id["schema"].as_str(), found["schema"].as_str());
    assert_eq!(
        node.get(&format!("/schemas/guids/{guid}")).await.1["schemaType"],
        "AVRO"
    );
    assert_eq!(
        node.get("/schemas/ids/99").await.1["message"],
        "Schema 99 not found"
    );
    let (_, latest) = node.get(&format!("{versions}/latest")).await;
    assert_eq!(latest["version"], 2);
    assert_eq!(
        node.get(&format!("{versions}/none")).await.1["error_code"],
        42202
    );
    let (_, protobuf) = node
        .post(
            versions,
            &json!({"schema": "syntax", "schemaType": "PROTOBUF"}),
        )
        .await;
    assert_eq!(protobuf["error_code"], 42201);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_are_set_and_checked_over_http() {
    let mesh = Mesh::new("levels");
    let node = mesh.start().await;
    assert_eq!(
        node.get("/config").await.1,
        json!({"compatibilityLevel": "BACKWARD"})
    );
    assert_eq!(node.get("/config/s").await.1["error_code"], 40408);
    node.post("/subjects/s/versions", &json!({"schema": RECORD}))
        .await;
    let check = "/compatibility/subjects/s/versions/latest?verbose=true";
    let (_, body) = node.post(check, &json!({"schema": OTHER})).await;
    assert_eq!(body["is_compatible"], false);
    assert!(
        body["messages"][0]
            .as_str()
            .is_some_and(|m| m.contains("errorType")),
        "{body}"
    );

    let (_, echo) = node
        .put("/config/s", &json!({"compatibility": "NONE"}))
        .await;
    assert_eq!(echo, json!({"compatibility": "NONE"}));
    assert_eq!(
        node.get("/config/s").await.1,
        json!({"compatibilityLevel": "NONE"})
    );
    let (_, body) = node.post(check, &json!({"schema": OTHER})).await;
    assert_eq!(body, json!({"is_compatible": true}));
    let (status, body) = node
        .put("/config", &json!({"compatibility": "SIDEWAYS"}))
        .await;
    assert_eq!((status, &body["error_code"]), (422, &json!(42203)));
    let (_, old) = node.delete("/config/s").await;
    assert_eq!(old, json!({"compatibilityLevel": "NONE"}));
    assert_eq!(node.get("/mode").await.1, json!({"mode": "READWRITE"}));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_over_http() {
    let mesh = Mesh::new("deletions");
    let node = mesh.start().await;
    node.post("/subjects/s/versions", &json!({"schema": RECORD}))
        .await;
    assert_eq!(
        node.delete("/subjects/s/versions/latest").await,
        (200, json!(1))
    );
    assert_eq!(node.get("/subjects").await.1, json!([]));
    assert_eq!(node.get("/subjects?deleted=true").await.1, json!(["s"]));
    assert_eq!(node.get("/schemas/ids/1").await.0, 200, "readable by id");
    assert_eq!(
        node.delete("/subjects/s?permanent=true").await,
        (200, json!([1]))
    );
    assert_eq!(node.get("/schemas/ids/1").await.0, 404);
    let (_, body) = node
        .post("/subjects/s/versions", &json!({"schema": RECORD}))
        .await;
    assert_eq!(
        (&body["id"], &body["version"]),
        (&json!(2), &json!(1)),
        "ids are not reused"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ports_subject_belongs_to_its_contract() {
    let mesh = Mesh::new("owned");
    let node = mesh.start().await;
    let owned = node.handle().owned();
    let port = "flights.departures.events.v1";
    let first = owned
        .register_owned("t-value", "AVRO", RECORD, &[], port)
        .await
        .expect("registered");
    let again = owned
        .register_owned("t-value", "AVRO", RECORD, &[], port)
        .await
        .expect("registered");
    assert_eq!((first.id, first.version, &again), (1, 1, &first));

    let (status, body) = node
        .post("/subjects/t-value/versions", &json!({"schema": RECORD}))
        .await;
    assert_eq!(
        (status, &body["id"]),
        (200, &json!(1)),
        "the identical schema is welcome"
    );
    let (status, body) = node
        .post("/subjects/t-value/versions", &json!({"schema": WIDER}))
        .await;
    assert_eq!((status, &body["error_code"]), (422, &json!(42205)));
    let message = body["message"].as_str().expect("a message");
    assert!(
        message.contains(port) && message.contains("meshlog apply"),
        "{message}"
    );
    let (_, config) = node.get("/config/t-value").await;
    assert_eq!(config["compatibilityLevel"], "FULL_TRANSITIVE");
    assert_eq!(
        config["overrideMetadata"]["properties"]["meshlog.port"],
        port
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_instance_reads_its_writes_and_another_takes_over() {
    let mesh = Mesh::new("pair");
    let (one, two) = (mesh.start().await, mesh.start().await);
    for (number, node) in [&one, &two, &one, &two].into_iter().enumerate() {
        let subject = format!("/subjects/s{number}/versions");
        let schema = format!(r#"{{"type":"fixed","name":"F","size":{}}}"#, number + 1);
        let (status, body) = node.post(&subject, &json!({"schema": schema})).await;
        assert_eq!((status, &body["id"]), (200, &json!(number + 1)), "{body}");
        for reader in [&one, &two] {
            assert_eq!(
                reader.get(&format!("{subject}/latest")).await.0,
                200,
                "seen everywhere"
            );
        }
    }
    one.stop().await;
    let (status, body) = two
        .post("/subjects/after/versions", &json!({"schema": RECORD}))
        .await;
    assert_eq!((status, &body["id"]), (200, &json!(5)), "{body}");
    two.stop().await;

    let rebuilt = mesh.start().await;
    let (_, subjects) = rebuilt.get("/subjects").await;
    assert_eq!(subjects, json!(["after", "s0", "s1", "s2", "s3"]));
    rebuilt.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_registrations_give_each_content_one_id() {
    let mesh = Mesh::new("race");
    let node = mesh.start().await;
    let requests = (0..40).map(|n| {
        let schema = format!(r#"{{"type":"fixed","name":"F","size":{}}}"#, n % 4 + 1);
        let node = &node;
        async move {
            let subject = format!("/subjects/s{n}/versions");
            let (status, body) = node.post(&subject, &json!({"schema": schema})).await;
            assert_eq!(status, 200, "{body}");
            (n % 4, body["id"].clone())
        }
    });
    let answers: Vec<(u32, Value)> = join_all(requests).await;
    for (content, id) in &answers {
        let same = answers.iter().filter(|(other, _)| other == content);
        assert!(same.clone().all(|(_, other)| other == id), "{answers:?}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_log_that_is_not_compacted_is_refused() {
    let mesh = Mesh::new("refused");
    mesh.make_log_with_deletion().await;
    let error = registry::start(mesh.config()).await.expect_err("refused");
    assert!(error.to_string().contains("cleanup.policy"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_unknown_paths() {
    let mesh = Mesh::new("headers");
    let node = mesh.start().await;
    let (content_type, body) = node.raw("/nowhere", "*/*").await;
    assert_eq!(content_type, "application/vnd.schemaregistry.v1+json");
    assert_eq!(body, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#);
    let (content_type, body) = node.raw("/schemas/types", "application/json").await;
    assert_eq!(
        (content_type.as_str(), body.as_str()),
        ("application/json", r#"["JSON","PROTOBUF","AVRO"]"#)
    );
    let (_, body) = node.raw("/subjects", "text/html").await;
    assert_eq!(
        body,
        r#"{"error_code":406,"message":"HTTP 406 Not Acceptable"}"#
    );
    let (_, body) = node.put("/subjects", &json!({})).await;
    assert_eq!(
        body,
        json!({"error_code": 405, "message": "HTTP 405 Method Not Allowed"})
    );
    node.stop().await;
}
