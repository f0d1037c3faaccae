//! The wider API over HTTP: contexts, references, the three languages, warnings, tags, imports, metrics.

use crate::support::{Mesh, Node};
use serde_json::{Value, json};

const PROTO: &str = "syntax = \"proto3\"; package p; message M { int32 a = 1; }";

async fn register(node: &Node, path: &str, body: &Value) -> Value {
    let (status, answer) = node.post(path, body).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_is_a_registry_of_its_own() {
    let mesh = Mesh::new("contexts");
    let node = mesh.start().await;
    let schema = json!({"schema": "\"string\""});
    register(&node, "/subjects/s/versions", &json!({"schema": "\"int\""})).await;
    let inner = register(&node, "/contexts/.eu/subjects/s/versions", &schema).await;
    assert_eq!(inner["id"], 1, "ids are counted by context");
    assert_eq!(
        node.get("/subjects/:.eu:s/versions/1/schema").await.1,
        "string"
    );
    assert_eq!(
        node.get("/contexts/eu/schemas/ids/1/schema").await.1,
        "string"
    );
    assert_eq!(node.get("/schemas/ids/1/schema").await.1, "int");
    assert_eq!(node.get("/contexts").await.1, json!([".", ".eu"]));
    assert_eq!(node.get("/subjects").await.1, json!(["s"]));
    assert_eq!(
        node.get("/subjects?subjectPrefix=:*:").await.1,
        json!(["s", ":.eu:s"])
    );
    assert_eq!(node.get("/contexts/.eu/subjects").await.1, json!(["s"]));
    node.put("/contexts/.eu/config", &json!({"compatibility": "NONE"}))
        .await;
    let level = node.get("/config/:.eu:s?defaultToGlobal=true").await.1;
    assert_eq!(level["compatibilityLevel"], "NONE");
    let level = node.get("/config/s?defaultToGlobal=true").await.1;
    assert_eq!(level["compatibilityLevel"], "BACKWARD");
    let guid = inner["guid"].as_str().expect("a guid");
    let ids = node.get(&format!("/schemas/guids/{guid}/ids")).await.1;
    assert_eq!(ids, json!([{"context": ".eu", "id": 1}]));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_of_each_language_refer_to_others() {
    let mesh = Mesh::new("references");
    let node = mesh.start().await;
    let user = r#"{"type":"record","name":"n.User","fields":[{"name":"id","type":"int"}]}"#;
    let order = r#"{"type":"record","name":"n.Order","fields":[{"name":"by","type":"n.User"}]}"#;
    let json_user = r#"{"type":"object","properties":{"id":{"type":"integer"}}}"#;
    let json_order = r#"{"type":"object","properties":{"by":{"$ref":"user.json"}}}"#;
    let proto_order = "syntax = \"proto3\"; package p; import \"m.proto\"; message O { M by = 1; }";
    for (ty, name, base, referring) in [
        ("AVRO", "n.User", user, order),
        ("JSON", "user.json", json_user, json_order),
        ("PROTOBUF", "m.proto", PROTO, proto_order),
    ] {
        let base_subject = format!("/subjects/{ty}-base/versions");
        register(
            &node,
            &base_subject,
            &json!({"schemaType": ty, "schema": base}),
        )
        .await;
        let path = format!("/subjects/{ty}-order/versions");
        let alone = json!({"schemaType": ty, "schema": referring});
        let (status, refused) = node.post(&path, &alone).await;
        assert_eq!(
            (status, &refused["error_code"]),
            (422, &json!(42201)),
            "{ty}"
        );
        let reference = json!({"name": name, "subject": format!("{ty}-base"), "version": 1});
        let whole = json!({"schemaType": ty, "schema": referring, "references": [reference]});
        let done = register(&node, &path, &whole).await;
        assert_eq!(done["references"], json!([reference]), "{ty}");
        let by = node.get(&format!("{base_subject}/1/referencedby")).await.1;
        assert_eq!(by, json!([done["id"]]), "{ty}");
        let (status, refused) = node.delete(&format!("/subjects/{ty}-base")).await;
        assert_eq!(
            (status, &refused["error_code"]),
            (422, &json!(42206)),
            "{ty}"
        );
    }
    let resolved = node
        .get("/subjects/AVRO-order/versions/1/schema?format=resolved")
        .await
        .1;
    assert_eq!(resolved["fields"][0]["type"]["name"], "User", "{resolved}");
    let serialized = node
        .get("/subjects/PROTOBUF-base/versions/1?format=serialized")
        .await
        .1;
    let again = json!({"schemaType": "PROTOBUF", "schema": serialized["schema"]});
    let known = node.post("/subjects/PROTOBUF-base", &again).await.1;
    assert_eq!(
        known["id"], serialized["id"],
        "the serialized form is the same schema"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_reference_overlooks_is_warned_of_with_an_example() {
    let mesh = Mesh::new("warnings");
    let node = mesh.start().await;
    let object = |pattern: &str| {
        let schema = format!(
            r#"{{"type":"object","patternProperties":{{"^x":{{"type":"{pattern}"}}}},"additionalProperties":false}}"#
        );
        json!({"schemaType": "JSON", "schema": schema})
    };
    register(&node, "/subjects/s/versions", &object("string")).await;
    let check = "/compatibility/subjects/s/versions/latest";
    let (_, answer) = node.post(check, &object("integer")).await;
    assert_eq!(
        answer,
        json!({"is_compatible": true}),
        "the reference's verdict stays"
    );
    let (_, answer) = node
        .post(&format!("{check}?verbose=true"), &object("integer"))
        .await;
    let message = answer["messages"][0].as_str().expect("a warning");
    assert!(
        message.contains("PATTERN_PROPERTIES_NOT_COMPARED"),
        "{message}"
    );
    assert!(message.contains("for example {\"x"), "{message}");
    let warnings = node
        .warnings("/subjects/s/versions", &object("integer"))
        .await;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_rules_and_tags_are_kept_and_given_back() {
    let mesh = Mesh::new("rules");
    let node = mesh.start().await;
    let record = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;
    let rule = json!({"name": "r", "type": "CEL", "expr": "message.a != ''"});
    let body = json!({
        "schema": record, "metadata": {"properties": {"team": "x"}},
        "ruleSet": {"domainRules": [rule]},
    });
    register(&node, "/subjects/s/versions", &body).await;
    let stored = node.get("/subjects/s/versions/1").await.1;
    assert_eq!(stored["ruleSet"]["domainRules"][0]["mode"], "WRITEREAD");
    let found = node.get("/subjects/s/metadata?key=team&value=x").await.1;
    assert_eq!(found["version"], 1);
    assert_eq!(
        node.get("/subjects/s/metadata?key=team&value=y").await.0,
        404
    );
    let entity = json!({"entityPath": "R.a", "entityType": "sr_field"});
    let tags = json!({"tagsToAdd": [{"schemaEntity": entity, "tags": ["PII"]}]});
    let tagged = register(&node, "/subjects/s/versions/1/tags", &tags).await;
    assert_eq!(tagged["version"], 2);
    let shown = node.get("/subjects/s/versions/2?findTags=PII").await.1;
    assert_eq!(
        shown["schemaTags"],
        json!([{"schemaEntity": entity, "tags": ["PII"]}])
    );
    let (status, refused) = node.post("/subjects/s/versions", &json!({
        "schema": record, "ruleSet": {"domainRules": [{"name": "r", "type": "CEL", "kind": "NO"}]},
    })).await;
    assert_eq!((status, &refused["error_code"]), (422, &json!(42210)));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_keeps_ids_and_versions() {
    let mesh = Mesh::new("import");
    let node = mesh.start().await;
    let given = json!({"schema": "\"string\"", "id": 42, "version": 3});
    let (status, refused) = node.post("/subjects/s/versions", &given).await;
    assert_eq!((status, &refused["error_code"]), (422, &json!(42205)));
    assert_eq!(node.put("/mode", &json!({"mode": "IMPORT"})).await.0, 200);
    let done = register(&node, "/subjects/s/versions", &given).await;
    assert_eq!((&done["id"], &done["version"]), (&json!(42), &json!(3)));
    let (status, refused) = node.put("/mode/s", &json!({"mode": "READONLY"})).await;
    assert_eq!(status, 200, "{refused}");
    let (status, refused) = node.delete("/subjects/s").await;
    assert_eq!((status, &refused["error_code"]), (422, &json!(42205)));
    assert_eq!(node.delete("/mode/s").await.1, json!({"mode": "READONLY"}));
    assert_eq!(node.delete("/mode").await.1, json!({"mode": "IMPORT"}));
    let next = register(&node, "/subjects/t/versions", &json!({"schema": "\"int\""})).await;
    assert_eq!(next["id"], 43, "ids go on after the highest");
    let metrics = node.raw("/metrics", "*/*").await.1;
    assert!(
        metrics.contains("kafka_schema_registry_registered_count 2"),
        "{metrics}"
    );
    assert!(
        metrics.contains(r#"route="/subjects/{subject}/versions",status="422""#),
        "{metrics}"
    );
    node.stop().await;
}
