//! `meshlog registry export | import | check`: a registry's content goes into another as it is, once, also after a kill,
//! and what cannot go there leaves everything as it was.

use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;
use tests::gate::Gate;
use tests::mesh::binary;
use tests::process::{Output, Running, run};
use tests::registries::{Registry, send};
use tests::{LIMIT, broker, wait_for};

/// A folder, and `meshlog registry …` run in it.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).expect("a file can be written");
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file can be read")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = binary(self.folder.path());
        command.arg("registry").args(arguments);
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Output {
        run(&mut self.command(arguments), LIMIT)
    }

    /// An import that leaves nothing undone; what it did.
    #[track_caller]
    fn import(&self, from: &str, to: &Registry) -> Value {
        let told = self.run(&[
            "import",
            "--from",
            from,
            "--registry",
            &to.url,
            "-o",
            "json",
        ]);
        let told = told.json();
        assert_eq!(told["differences"], json!([]), "{told}");
        told
    }

    /// What a check lists.
    #[track_caller]
    fn differences(&self, from: &str, to: &Registry) -> Vec<Value> {
        let told = self.run(&["check", "--from", from, "--registry", &to.url, "-o", "json"]);
        let differences = told.json_lines();
        told.expect_code(if differences.is_empty() { 0 } else { 3 });
        differences
    }
}

fn start(name: &str) -> Registry {
    Registry::start(&broker::unique(name))
}

/// A request that is answered as asked.
#[track_caller]
fn done(registry: &Registry, method: Method, path: &str, body: Option<Value>) -> Value {
    let url = format!("{}{path}", registry.url);
    let (status, text) = send(method, &url, body.as_ref()).expect("an answer");
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

#[track_caller]
fn put(registry: &Registry, path: &str, body: Value) {
    done(registry, Method::PUT, path, Some(body));
}

#[track_caller]
fn delete(registry: &Registry, path: &str) {
    done(registry, Method::DELETE, path, None);
}

/// Registers; the id.
#[track_caller]
fn register(registry: &Registry, subject: &str, body: Value) -> u64 {
    let path = format!("/subjects/{subject}/versions");
    let told = done(registry, Method::POST, &path, Some(body));
    told["id"].as_u64().expect("an id")
}

#[track_caller]
fn get(registry: &Registry, path: &str) -> Value {
    registry.get(path).expect("an answer").1
}

fn avro(schema: &Value) -> Value {
    json!({"schema": schema.to_string()})
}

/// An Avro record of optional texts.
fn record(name: &str, fields: &[&str]) -> Value {
    let field = |name: &&str| json!({"name": name, "type": ["null", "string"], "default": null});
    let fields: Vec<Value> = fields.iter().map(field).collect();
    avro(&json!({"type": "record", "name": name, "fields": fields}))
}

/// An Avro record with a field of a type that another subject has.
fn holder(name: &str, of: &str, subject: &str, version: i64) -> Value {
    let fields = json!([{"name": "it", "type": of}]);
    let mut body = avro(&json!({"type": "record", "name": name, "fields": fields}));
    body["references"] = json!([{"name": of, "subject": subject, "version": version}]);
    body
}

fn fixed(name: &str) -> Value {
    avro(&json!({"type": "fixed", "name": name, "size": 8}))
}

/// Versions in all languages, with gaps and deletions.
fn fill_with_versions(registry: &Registry) {
    for fields in [&["a"][..], &["a", "b"], &["a", "b", "c"]] {
        register(registry, "orders-value", record("Order", fields));
    }
    delete(registry, "/subjects/orders-value/versions/2");
    delete(registry, "/subjects/orders-value/versions/2?permanent=true");
    delete(registry, "/subjects/orders-value/versions/1");
    register(registry, "customers-value", record("Customer", &["a"]));
    let address = json!({"type": "object", "properties": {"street": {"type": "string"}}});
    let json_schema = |schema: Value| json!({"schemaType": "JSON", "schema": schema.to_string()});
    register(registry, "address", json_schema(address));
    let mut person = json_schema(json!({"properties": {"home": {"$ref": "address.json"}}}));
    person["references"] = json!([{"name": "address.json", "subject": "address", "version": 1}]);
    register(registry, "person-value", person);
    let proto = |text: &str| json!({"schemaType": "PROTOBUF", "schema": format!("syntax = \"proto3\";\n{text}")});
    register(
        registry,
        "unit.proto",
        proto("message Unit { string name = 1; }"),
    );
    for more in ["", "int32 count = 2;"] {
        let text = format!("import \"unit.proto\";\nmessage Amount {{ Unit unit = 1; {more} }}");
        let mut amount = proto(&text);
        amount["references"] =
            json!([{"name": "unit.proto", "subject": "unit.proto", "version": 1}]);
        register(registry, "amount-value", amount);
    }
    register(registry, "erased", fixed("Erased"));
    register(registry, "gone", fixed("Gone"));
    delete(registry, "/subjects/gone");
    delete(registry, "/subjects/erased");
    delete(registry, "/subjects/erased?permanent=true");
}

/// References: to the latest, into another context, and to a deleted version that has a twin.
fn fill_with_references(registry: &Registry) {
    register(registry, "money", fixed("Money"));
    register(registry, "bill-value", holder("Bill", "Money", "money", 1));
    // by its name before what it refers to
    register(registry, "a-latest", holder("Latest", "Money", "money", -1));
    register(registry, ":.eu:money", fixed("Euro"));
    register(
        registry,
        "abroad",
        holder("Abroad", "Euro", ":.eu:money", 1),
    );
    put(registry, "/config/again", json!({"compatibility": "NONE"}));
    let first = register(registry, "again", fixed("First"));
    register(registry, "again", fixed("Second"));
    delete(registry, "/subjects/again/versions/1");
    register(registry, "again-user", holder("User", "First", "again", 1));
    assert_eq!(register(registry, "again", fixed("First")), first, "a twin");
}

/// Settings of every kind, in every state, and modes.
fn fill_with_settings(registry: &Registry) {
    put(
        registry,
        "/config",
        json!({"compatibility": "FULL_TRANSITIVE"}),
    );
    put(
        registry,
        "/config/orders-value",
        json!({"compatibility": "FORWARD"}),
    );
    put(
        registry,
        "/config/old-orders",
        json!({"alias": "orders-value"}),
    );
    put(
        registry,
        "/config/person-value",
        json!({"compatibility": "NONE"}),
    );
    put(
        registry,
        "/config/person-value",
        json!({"compatibility": null}),
    );
    put(
        registry,
        "/config/:.eu:",
        json!({"compatibility": "BACKWARD_TRANSITIVE"}),
    );
    put(
        registry,
        "/config/:.__GLOBAL:",
        json!({"compatibility": "FULL"}),
    );
    put(registry, "/mode/:.eu:", json!({"mode": "READONLY"}));
    put(registry, "/mode/money", json!({"mode": "READONLY"}));
}

/// A version with metadata and rules, on which settings have laid more.
fn fill_with_rules(registry: &Registry) {
    let rule = |name: &str| json!({"name": name, "kind": "CONDITION", "mode": "WRITE", "type": "CEL", "expr": "true"});
    let config = json!({
        "compatibility": "NONE",
        "defaultMetadata": {"properties": {"team": "shop"}},
        "overrideRuleSet": {"domainRules": [rule("everywhere")]},
    });
    put(registry, "/config/ruled-value", config);
    let mut ruled = record("Ruled", &["a"]);
    ruled["metadata"] = json!({"tags": {"**.a": ["PII"]}, "sensitive": ["team"]});
    ruled["ruleSet"] = json!({"domainRules": [rule("here")]});
    register(registry, "ruled-value", ruled);
    put(
        registry,
        "/config/ruled-value",
        json!({"compatibility": null, "normalize": true}),
    );
}

/// All that a registry says, by the path asked for; but for the times of its records.
fn content(registry: &Registry) -> BTreeMap<String, Value> {
    let mut told = BTreeMap::new();
    let mut ask = |path: String| -> Value {
        let mut answer = get(registry, &path);
        if let Some(members) = answer.as_object_mut() {
            members.remove("ts");
        }
        told.insert(path, answer.clone());
        answer
    };
    let all = "deleted=true&subjectPrefix=:*:";
    let subjects = ask(format!("/subjects?{all}"));
    ask("/contexts".to_owned());
    let texts = |list: Value| -> Vec<String> { serde_json::from_value(list).expect("texts") };
    let mut scopes = texts(subjects);
    for subject in &scopes {
        ask(format!("/subjects/{subject}/versions"));
        let versions = ask(format!("/subjects/{subject}/versions?deleted=true"));
        for version in versions.as_array().expect("numbers") {
            let one = ask(format!(
                "/subjects/{subject}/versions/{version}?deleted=true"
            ));
            let id = &one["id"];
            ask(format!("/schemas/ids/{id}?subject={subject}"));
            let guid = one["guid"].as_str().expect("a GUID");
            ask(format!("/schemas/guids/{guid}/ids"));
        }
    }
    let others = ["", ":.eu:", ":.__GLOBAL:", "old-orders"];
    scopes.extend(others.map(str::to_owned));
    for scope in scopes {
        for kind in ["config", "mode"] {
            let path = format!("/{kind}/{scope}");
            let path = path.trim_end_matches('/');
            ask(path.to_owned());
            ask(format!("{path}?defaultToGlobal=true"));
        }
    }
    told
}

/// The two say the same; where not, what they say.
#[track_caller]
fn is_same(one: &Registry, other: &Registry) {
    let (one, other) = (content(one), content(other));
    for (path, told) in &one {
        assert_eq!(Some(told), other.get(path), "{path}");
    }
    assert_eq!(one.len(), other.len());
}

#[test]
fn a_registry_moves_whole_and_only_once() {
    let desk = Desk::new();
    let (from, to) = (start("moving-from"), start("moving-to"));
    fill_with_versions(&from);
    fill_with_references(&from);
    fill_with_rules(&from);
    fill_with_settings(&from);
    exports_are_the_same_and_tell_all(&desk, &from);
    an_import_does_what_it_said(&desk, &to);
    is_same(&from, &to);
    for source in ["one.jsonl", &from.url] {
        assert_eq!(desk.differences(source, &to), Vec::<Value>::new());
    }
    let again = desk.import("one.jsonl", &to);
    for member in ["registered", "deleted", "configs", "modes"] {
        assert_eq!(again[member], 0, "{member} of a second import: {again}");
    }
    assert_eq!(again["unchanged"], 19, "{again}");

    a_check_names_what_differs(&desk, &from, &to);
    a_copy_follows_its_source(&desk, &from, &to);
    let third = start("moving-third");
    desk.import(&from.url, &third);
    is_same(&from, &third);
    // and it goes on as the first would
    for registry in [&from, &third] {
        assert_eq!(register(registry, "new", fixed("New")), 22);
        put(registry, "/config/new", json!({"compatibility": "FULL"}));
    }
    is_same(&from, &third);
}

/// A dry run says what is done then, and does nothing.
fn an_import_does_what_it_said(desk: &Desk, to: &Registry) {
    let empty = content(to);
    let import = ["import", "--from", "one.jsonl", "--registry", &to.url];
    let dry = [&import[..], &["--dry-run", "-o", "json"]].concat();
    let mut planned = desk.run(&dry).json();
    assert_eq!(planned["differences"], Value::Null, "nobody has looked");
    assert_eq!(content(to), empty, "a dry run writes nothing");
    let mut did = desk.import("one.jsonl", to);
    for (member, number) in [
        ("registered", 19),
        ("deleted", 3),
        ("unchanged", 0),
        ("left_out", 0),
        ("configs", 8),
        ("modes", 2),
    ] {
        assert_eq!(did[member], number, "{member}: {did}");
    }
    for told in [&mut planned, &mut did] {
        let members = told.as_object_mut().expect("an object");
        members.retain(|name, _| name != "dry_run" && name != "differences");
    }
    assert_eq!(planned, did);
}

fn exports_are_the_same_and_tell_all(desk: &Desk, from: &Registry) {
    for file in ["one.jsonl", "two.jsonl"] {
        let told = desk.run(&["export", "--from", &from.url, "--to", file, "-o", "json"]);
        let expected = json!({
            "file": file, "source": from.url, "contexts": 2, "subjects": 15, "schemas": 19, "deleted": 3,
            "configs": 8, "modes": 3,
        });
        assert_eq!(told.json(), expected);
    }
    assert_eq!(desk.read("one.jsonl"), desk.read("two.jsonl"));
    let schemas = desk
        .read("one.jsonl")
        .matches(r#"{"kind":"schema""#)
        .count();
    assert_eq!(schemas, 19);
}

/// The copy is changed by hand, found out, and mended.
fn a_check_names_what_differs(desk: &Desk, from: &Registry, to: &Registry) {
    put(
        to,
        "/config/customers-value",
        json!({"compatibility": "NONE"}),
    );
    delete(to, "/subjects/person-value/versions/1");
    let expected = [
        json!({
            "kind": "schema", "subject": "person-value", "version": 1, "member": "deleted",
            "source": false, "registry": true,
        }),
        json!({
            "kind": "config", "subject": "customers-value", "version": null,
            "member": "compatibilityLevel", "source": null, "registry": "NONE",
        }),
    ];
    assert_eq!(desk.differences(&from.url, to), expected);
    let shown = desk.run(&["check", "--from", &from.url, "--registry", &to.url]);
    let shown = shown.expect_code(3).stdout;
    let row = "schema  person-value     1        deleted             false   true\n";
    assert!(
        shown.contains("differences  2\n") && shown.contains(row),
        "{shown}"
    );
    let mended = desk.import(&from.url, to);
    assert_eq!(
        [&mended["registered"], &mended["configs"]],
        [&json!(1), &json!(1)]
    );
    is_same(from, to);
}

/// What comes to the source later, where in the copy a name is an alias, a context may only be read, and schemas are
/// normalized.
fn a_copy_follows_its_source(desk: &Desk, from: &Registry, to: &Registry) {
    put(from, "/config/old-orders", json!({"alias": null}));
    register(from, "old-orders", fixed("Old"));
    put(from, "/config/old-orders", json!({"alias": "orders-value"}));
    put(from, "/mode/:.eu:", json!({"mode": "READWRITE"}));
    put(from, "/config/:.eu:money", json!({"normalize": true}));
    put(from, "/mode/:.eu:", json!({"mode": "READONLY"}));
    let unsorted =
        r#"{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"string"}}}"#;
    let unsorted = json!({"schemaType": "JSON", "schema": unsorted});
    register(from, "unsorted-value", unsorted);
    put(to, "/config", json!({"normalize": true}));
    let followed = desk.import(&from.url, to);
    assert_eq!(followed["registered"], 2, "{followed}");
    is_same(from, to);
    assert_eq!(get(to, "/subjects/orders-value/versions"), json!([3]));
}

/// Versions of the import that is killed.
const MANY: usize = 400;

/// Bytes of requests after which it is: far more than reading an empty registry takes, far fewer than the schemas have.
const UNTIL: usize = 60_000;

#[test]
fn a_killed_import_is_gone_on_with() {
    let desk = Desk::new();
    let to = start("killed-to");
    desk.write("many.jsonl", many());
    let gate = Gate::open(&to.url, UNTIL);
    let import = ["import", "--from", "many.jsonl", "--registry", &gate.url];
    let running = Running::start(&mut desk.command(&import));
    wait_for("the import is in its midst", LIMIT, || {
        if gate.is_shut() {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    });
    running.kill_9();
    for scope in ["", "/:.eu:"] {
        let mode = get(&to, &format!("/mode{scope}"));
        assert_eq!(
            mode,
            json!({"mode": "IMPORT"}),
            "a killed import leaves it behind"
        );
    }
    let rest = desk.import("many.jsonl", &to);
    let [registered, unchanged] = ["registered", "unchanged"].map(|name| rest[name].as_u64());
    let (registered, unchanged) = (registered.expect("a number"), unchanged.expect("a number"));
    assert!(registered > 0 && unchanged > 0, "{rest}");
    assert_eq!(Some(registered + unchanged), u64::try_from(MANY).ok());
    assert_eq!(get(&to, "/mode"), json!({"mode": "READWRITE"}));
    assert_eq!(get(&to, "/mode/:.eu:")["error_code"], 40409, "it has none");
    assert_eq!(desk.differences("many.jsonl", &to), Vec::<Value>::new());
    for number in [0, MANY - 1] {
        let path = format!("/subjects/{}/versions/3", subject(number));
        assert_eq!(get(&to, &path)["id"], number * 2 + 5);
    }
    the_modes_alone_are_restored(&desk, &to);
}

/// A run that is killed when the last schema is there has left them.
fn the_modes_alone_are_restored(desk: &Desk, to: &Registry) {
    put(to, "/mode/:.eu:?force=true", json!({"mode": "IMPORT"}));
    let modes = desk.import("many.jsonl", to);
    assert_eq!(
        [&modes["registered"], &modes["modes"]],
        [&json!(0), &json!(1)]
    );
    assert_eq!(get(to, "/mode/:.eu:")["error_code"], 40409, "it has none");
}

fn subject(number: usize) -> String {
    let context = if number.is_multiple_of(2) {
        ":.eu:"
    } else {
        ""
    };
    format!("{context}s{number}")
}

/// A file with versions of as many subjects, in two contexts, with gaps in ids and versions.
fn many() -> String {
    let header = json!({
        "format": "meshlog-registry-export", "version": 1, "source": "made", "contexts": [".", ".eu"],
        "schemas": MANY, "configs": 0, "modes": 1,
    });
    let schema = |number: usize| {
        json!({
            "kind": "schema", "subject": subject(number), "version": 3, "id": number * 2 + 5,
            "schemaType": "AVRO", "schema": fixed(&format!("F{number}"))["schema"],
        })
    };
    let mode = json!({"kind": "mode", "mode": "READWRITE"});
    let lines = std::iter::once(header)
        .chain((0..MANY).map(schema))
        .chain([mode]);
    lines.map(|line| format!("{line}\n")).collect()
}

/// The command is refused with this code, says all of this, and nothing of a registry changes.
#[track_caller]
fn refused(desk: &Desk, arguments: &[&str], code: i32, words: &[&str]) {
    let told = desk.run(arguments).expect_code(code);
    for word in words {
        assert!(
            told.stderr.contains(word),
            "`{word}` is missing: {}",
            told.stderr
        );
    }
    assert!(told.stdout.is_empty(), "{}", told.stdout);
}

#[test]
fn what_cannot_be_imported_leaves_the_registry_as_it_is() {
    let desk = Desk::new();
    let (from, to) = (start("refused-from"), start("refused-to"));
    register(&from, "s", fixed("S"));
    register(&from, "t", fixed("T"));
    register(&to, "other", fixed("Other"));
    put(&to, "/config/other", json!({"compatibility": "FULL"}));
    let export = ["export", "--from", &from.url, "--to", "good.jsonl"];
    desk.run(&export).expect_code(0);
    let before = content(&to);
    let import = |source: &str, code: i32, words: &[&str]| {
        let import = ["import", "--from", source, "--registry", &to.url];
        refused(&desk, &import, code, words);
    };
    // the id is another schema's there: what, where, and what would be right
    let taken =
        "id 1 of subject 's' version 1 stands for another schema there: subject 'other' version 1";
    let right = "or import into another registry";
    import(
        "good.jsonl",
        3,
        &[&to.url, "nothing was written", taken, right],
    );
    import(&from.url, 3, &[taken]);
    bad_files(&desk, import);
    let none = "no registry answers at http://127.0.0.1:1";
    import(NOBODY, 5, &[none]);
    for arguments in [
        ["import", "--from", "good.jsonl", "--registry", NOBODY],
        ["check", "--from", "good.jsonl", "--registry", NOBODY],
        ["export", "--to", "x.jsonl", "--from", NOBODY],
    ] {
        refused(&desk, &arguments, 5, &[none]);
    }
    assert!(
        !desk.path("x.jsonl").exists(),
        "a failed export leaves no file"
    );
    assert_eq!(content(&to), before);
}

/// An address where nobody listens.
const NOBODY: &str = "http://127.0.0.1:1";

/// Files that are none, or not whole, or broken, made from a good one.
fn bad_files(desk: &Desk, import: impl Fn(&str, i32, &[&str])) {
    let good = desk.read("good.jsonl");
    let cut: String = good.split_inclusive('\n').take(2).collect();
    for (file, text) in [
        (
            "broken.jsonl",
            good.replacen(r#""subject":"t""#, r#""subject":t"#, 1),
        ),
        (
            "wrong.jsonl",
            good.replacen(r#""id":2"#, r#""id":"two""#, 1),
        ),
        (
            "newer.jsonl",
            good.replacen(r#""version":1"#, r#""version":2"#, 1),
        ),
        ("cut.jsonl", cut),
        ("other.txt", "hello\n".to_owned()),
    ] {
        assert_ne!(text, good);
        desk.write(file, text);
    }
    import("nowhere.jsonl", 2, &["nowhere.jsonl", "no such file"]);
    import("127.0.0.1:8081", 2, &["named by its URL, as http://"]);
    import(
        "broken.jsonl",
        2,
        &["broken.jsonl: line 3, column 29: expected"],
    );
    import("wrong.jsonl", 2, &["wrong.jsonl: line 3: ", "\"two\""]);
    let newer = "version 2 of the format, but this meshlog reads version 1";
    import(
        "newer.jsonl",
        2,
        &["newer.jsonl", newer, "use the meshlog that made the file"],
    );
    let cut = "it has 1 schemas, 0 settings and 0 modes, its first line says 2 schemas";
    import("cut.jsonl", 2, &["not whole", cut]);
    import("other.txt", 2, &["not an export of a registry"]);
}

#[test]
fn a_version_that_refers_to_nothing_any_more_is_left_out_and_named() {
    let desk = Desk::new();
    let (from, to) = (start("orphan-from"), start("orphan-to"));
    register(&from, "base", fixed("Base"));
    register(&from, "orphan", holder("Orphan", "Base", "base", 1));
    for path in ["orphan", "base", "base?permanent=true"] {
        delete(&from, &format!("/subjects/{path}"));
    }
    register(&from, "z-whole", fixed("Whole"));
    let import = [
        "import",
        "--from",
        &from.url,
        "--registry",
        &to.url,
        "-o",
        "json",
    ];
    let told = desk.run(&import).expect_code(3);
    let why = "subject 'orphan' version 1 refers to 'base' version 1";
    assert!(told.stderr.contains(why), "{}", told.stderr);
    let did = told.json_line();
    assert_eq!(
        [&did["registered"], &did["left_out"]],
        [&json!(1), &json!(1)]
    );
    let presence = json!([{
        "kind": "schema", "subject": "orphan", "version": 1, "member": "presence",
        "source": true, "registry": false,
    }]);
    assert_eq!(did["differences"], presence);
    assert_eq!(get(&to, "/subjects/z-whole/versions/1")["id"], 3);
    assert_eq!(get(&to, "/mode"), json!({"mode": "READWRITE"}));
}
