//! Given facts, when a command, then events or refusals: on the example documents that ship with the project.

mod breaker;
mod skip;

use super::*;
use crate::fact::Fact;
use crate::log;
use crate::people::People;
use contract::document;
use contract::settings::{CloudEvents, LogicalTypes, Settings};
use std::path::Path;

/// A log in memory: what the governor does, without Kafka.
pub(super) struct Log {
    pub(super) mesh: Mesh,
    people: People,
    pub(super) values: Vec<Vec<u8>>,
}

impl Log {
    fn founded() -> Self {
        let mut people = People::default();
        let (key, entry) = People::secret_entry(&[1; 32]);
        people
            .apply(&key, Some(&serde_json::to_vec(&entry).expect("json")))
            .expect("applies");
        let mut log = Self {
            mesh: Mesh::default(),
            people,
            values: Vec::new(),
        };
        let founded = body::Founded {
            mesh_id: "mesh".to_owned(),
            cluster_id: "cluster".to_owned(),
            administrators: vec!["p-1".to_owned()],
            notary_key: "key".to_owned(),
        };
        log.when("founding", &Command::Found(founded))
            .expect("founds");
        log
    }

    /// Facts from `first` on, and the state's hash after them, are the bytes that a golden file holds.
    pub(super) fn is_written_as(&self, first: usize, name: &str) {
        let facts = self.values[first..].iter();
        let mut now: String = facts
            .map(|value| format!("{}\n", crate::fact::hex(value)))
            .collect();
        let hash = crate::fact::hex(&self.mesh.state_hash());
        now.push_str(&format!("state_hash {hash}\n"));
        let path = golden(name);
        if std::fs::read_to_string(&path).unwrap_or_default() != now {
            let new = path.with_extension("new");
            std::fs::write(&new, &now).expect("writes");
            let new = new.display();
            panic!("stored bytes changed: compare {new}; add a version, do not edit");
        }
    }

    pub(super) fn when(&mut self, id: &str, command: &Command) -> Result<Vec<Event>, Rejection> {
        self.when_from(None, id, command)
    }

    fn when_from(
        &mut self,
        domain: Option<&str>,
        id: &str,
        command: &Command,
    ) -> Result<Vec<Event>, Rejection> {
        let stamp = Stamp {
            time_ms: 1_700_000_000_000 + i64::try_from(self.values.len()).expect("few"),
            actor: "p-1".to_owned(),
            authenticated_by: "unverified".to_owned(),
            proposal_id: id.to_owned(),
            domain: domain.map(str::to_owned),
        };
        let decided = decide(&self.mesh, &stamp, command);
        let events = match &decided {
            Ok(events) => events.clone(),
            Err(rejection) => vec![rejected(command, rejection.clone())],
        };
        for event in events {
            let value = log::next(&self.mesh, &stamp, event).encode();
            log::fold(&mut self.mesh, &value).expect("our own facts fold");
            self.values.push(value);
        }
        decided
    }

    fn documents(&mut self, text: &str) -> Command {
        let parsed = document::parse("test", text).expect("parses");
        let submitted = parsed.into_iter().map(|sourced| {
            let known = match &sourced.document {
                Document::Team(t) => self
                    .mesh
                    .teams
                    .get(&t.name)
                    .map(|k| k.state.document.clone()),
                Document::Contract(odcs) => self
                    .mesh
                    .contracts
                    .get(&odcs.id)
                    .and_then(|c| c.versions.get(&odcs.version.parse().ok()?))
                    .map(|k| k.state.document.clone()),
                Document::Product(p) => {
                    let key = format!("{}/{}", p.domain.clone().unwrap_or_default(), p.name());
                    self.mesh
                        .products
                        .get(&key)
                        .map(|k| k.state.document.clone())
                }
                Document::Domain(_) => None,
            };
            let (stored, _) = self.people.hide(&sourced.text, known.as_deref(), "request");
            let persons = match &sourced.document {
                Document::Team(team) => team
                    .members
                    .iter()
                    .map(|m| format!("p-{}", m.username.len()))
                    .collect(),
                Document::Domain(_) | Document::Product(_) | Document::Contract(_) => Vec::new(),
            };
            let named = match &sourced.document {
                Document::Contract(odcs) => odcs.implementation(),
                Document::Domain(_) | Document::Product(_) | Document::Team(_) => None,
            };
            let file = named.map(|path| (path.to_owned(), example(&format!("devices/{path}"))));
            let keys = match &sourced.document {
                Document::Contract(odcs) => odcs.key_schema(),
                Document::Domain(_) | Document::Product(_) | Document::Team(_) => None,
            };
            let keys = keys.map(|path| (path.to_owned(), "\"string\"".to_owned()));
            let files = file.into_iter().chain(keys).collect();
            Submitted {
                document: sourced.document,
                stored,
                persons,
                files,
            }
        });
        Command::Apply(submitted.collect())
    }

    fn apply(&mut self, text: &str) -> Result<Vec<Event>, Rejection> {
        let command = self.documents(text);
        let id = format!("apply-{}", self.values.len());
        self.when(&id, &command)
    }
}

fn example(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/examples");
    std::fs::read_to_string(root.join(path)).expect("the example is there")
}

fn flights() -> String {
    [
        "team.yaml",
        "domain.yaml",
        "departures.odcs.yaml",
        "departures.odps.yaml",
    ]
    .map(|file| example(&format!("flights/{file}")))
    .join("\n---\n")
}

fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::kind).collect()
}

fn codes(rejection: &Rejection) -> Vec<&str> {
    rejection
        .0
        .iter()
        .map(|refusal| refusal.code.as_str())
        .collect()
}

fn activation(version: &str) -> Command {
    Command::Activate(body::Activated {
        port: "flights.departures.events.v1".to_owned(),
        contract_id: "flights-departures".to_owned(),
        version: version.to_owned(),
        bindings: vec![body::Binding {
            subject: "flights.departures.events.v1-value".to_owned(),
            schema_id: 1,
            guid: "0".repeat(32),
        }],
    })
}

#[test]
fn documents_lead_to_facts_in_the_order_of_their_references() {
    let mut log = Log::founded();
    // Backwards on purpose: any order is accepted.
    let backwards: Vec<String> = flights().rsplit("\n---\n").map(str::to_owned).collect();
    let events = log.apply(&backwards.join("\n---\n")).expect("accepted");
    assert_eq!(
        kinds(&events),
        [
            "mesh.team.registered.v1",
            "mesh.domain.registered.v1",
            "mesh.contract.version.approved.v3",
            "mesh.product.approved.v1",
            "mesh.port.opened.v1",
        ]
    );
    assert_eq!(log.mesh.due_activations().len(), 1);
    assert_eq!(
        kinds(&log.when("a", &activation("1.0.0")).expect("due")).len(),
        1
    );
    assert!(log.mesh.due_activations().is_empty());
    assert_eq!(
        log.when("b", &activation("1.0.0"))
            .expect("in force already"),
        []
    );
    assert_eq!(
        codes(&log.when("c", &activation("1.1.0")).expect_err("not due")),
        ["MESH-2014"]
    );
}

/// The departures' contract with other settings, as the version given.
fn departures(version: &str, settings: &str) -> String {
    example("flights/departures.odcs.yaml")
        .replacen("version: 1.0.0", &format!("version: {version}"), 1)
        .replacen(
            "  - property: meshlog.partitions\n    value: 3\n",
            settings,
            1,
        )
}

const SIX: &str = "  - property: meshlog.partitions\n    value: 6\n";
const LEGACY: &str = "  - property: meshlog.partitions\n    value: 3\n  \
    - property: meshlog.inbox\n    value: legacy.departures\n";

#[test]
fn a_port_that_was_never_in_force_takes_another_inbox_and_other_partitions() {
    let mut log = Log::founded();
    log.apply(&flights()).expect("accepted");
    let events = log.apply(&departures("1.0.1", SIX)).expect("a patch");
    let expected = ["mesh.contract.version.approved.v3", "mesh.port.opened.v1"];
    assert_eq!(kinds(&events), expected);
    let events = log.apply(&departures("1.0.2", LEGACY)).expect("a patch");
    assert_eq!(kinds(&events), expected);
    let port = &log.mesh.ports["flights.departures.events.v1"].opened;
    assert_eq!(
        (port.state.inbox.as_str(), port.state.partitions),
        ("legacy.departures", 3)
    );
    assert!(port.created_seq < port.changed_seq);
    // Nothing to amend, nothing said of the port.
    let same = departures("1.0.3", LEGACY).replace("Flights that actually", "Flights that");
    let events = log.apply(&same).expect("a patch");
    assert_eq!(kinds(&events), ["mesh.contract.version.approved.v3"]);

    log.when("a", &activation("1.0.3")).expect("due");
    for settings in [SIX, "  - property: meshlog.partitions\n    value: 3\n"] {
        let rejection = log
            .apply(&departures("1.0.4", settings))
            .expect_err("settled");
        assert!(codes(&rejection).contains(&"MESH-2010"), "{rejection:?}");
    }
}

#[test]
fn a_port_in_shadow_has_promised_nothing_until_it_enforces() {
    let mut log = Log::founded();
    let shadow = "  - property: meshlog.partitions\n    value: 3\n  - property: meshlog.mode\n    value: shadow\n";
    log.apply(&flights().replace("  - property: meshlog.partitions\n    value: 3\n", shadow))
        .expect("accepted");
    log.when("a", &activation("1.0.0")).expect("due");
    let optional = |text: &str| {
        text.replacen(
            "logicalTypeOptions: {minimum: 1, maximum: 2400}\n        required: true",
            "logicalTypeOptions: {minimum: 1, maximum: 2400}",
            1,
        )
    };
    let looser = optional(&departures("1.1.0", shadow));
    let events = log.apply(&looser).expect("nothing was promised");
    assert_eq!(kinds(&events), ["mesh.contract.version.approved.v3"]);
    let rejection = log
        .apply(&optional(&departures("1.2.0", SIX)))
        .expect_err("what is stored stays where it is");
    assert!(codes(&rejection).contains(&"MESH-2010"), "{rejection:?}");

    let enforced = "  - property: meshlog.partitions\n    value: 3\n";
    log.apply(&optional(&departures("1.1.1", enforced)))
        .expect("a patch");
    log.when("b", &activation("1.1.1")).expect("due");
    let rejection = log
        .apply(&departures("1.2.0", enforced))
        .expect_err("promised");
    assert!(codes(&rejection).contains(&"MESH-2010"), "{rejection:?}");
    let rejection = log
        .apply(&departures("1.2.0", shadow))
        .expect_err("promised before");
    assert!(codes(&rejection).contains(&"MESH-2010"), "{rejection:?}");
}

#[test]
fn an_amended_inbox_must_be_free() {
    let mut log = Log::founded();
    log.apply(&flights()).expect("accepted");
    let taken = LEGACY.replace("legacy.departures", "mesh.governance");
    let rejection = log.apply(&departures("1.0.1", &taken)).expect_err("taken");
    assert!(codes(&rejection).contains(&"MESH-2012"), "{rejection:?}");
    let port = &log.mesh.ports["flights.departures.events.v1"].opened.state;
    assert_eq!(port.inbox, "flights.departures.events.v1.inbox");
}

#[test]
fn a_protobuf_contract_is_stored_with_its_file_and_read_back() {
    let mut log = Log::founded();
    let files = [
        "team.yaml",
        "domain.yaml",
        "readings.odcs.yaml",
        "readings.odps.yaml",
    ];
    let text = files.map(|file| example(&format!("devices/{file}")));
    log.apply(&text.join("\n---\n")).expect("accepted");
    let version = "1.0.0".parse().expect("a version");
    let stored = &log.mesh.contracts["devices-readings"].versions[&version].state;
    assert_eq!(stored.encoding, "protobuf");
    assert_eq!(stored.schema, example("devices/readings.proto"));
    assert_eq!(stored.files["readings.proto"], stored.schema);
    let spec = stored.spec().expect("reads back");
    assert_eq!(spec.record, "telemetry.v1.Reading");
    assert_eq!(spec.key.properties, ["device_id"]);
}

#[test]
fn applying_again_changes_nothing() {
    let mut log = Log::founded();
    log.apply(&flights()).expect("accepted");
    let size = log.mesh.size;
    assert_eq!(log.apply(&flights()).expect("accepted"), []);
    assert_eq!(log.mesh.size, size);
}

#[test]
fn an_unknown_owner_is_refused_with_the_way_out_and_the_refusal_is_a_fact() {
    let mut log = Log::founded();
    let rejection = log
        .apply(&example("flights/domain.yaml"))
        .expect_err("no team");
    assert_eq!(codes(&rejection), ["MESH-2002"]);
    assert!(
        rejection.0[0].way_out.contains("kind Team"),
        "{rejection:?}"
    );
    assert_eq!(log.mesh.size, 2, "founding and refusal");
    assert!(log.mesh.domains.is_empty());
}

#[test]
fn a_proposal_is_taken_whole_or_not_at_all_and_all_reasons_come_back() {
    let mut log = Log::founded();
    let broken = flights()
        .replace(
            "domain: flights\ndescription:\n  purpose",
            "domain: fligths\ndescription:\n  purpose",
        )
        .replace("logicalType: boolean", "logicalType: bool");
    let text = format!("{broken}\n---\n{}", example("conversations/domain.yaml"));
    let rejection = log.apply(&text).expect_err("several mistakes");
    assert!(rejection.0.len() >= 2, "{rejection:?}");
    assert!(log.mesh.teams.is_empty(), "nothing is half done");
}

#[test]
fn a_domain_speaks_for_itself_only() {
    let mut log = Log::founded();
    log.apply(&flights()).expect("accepted");
    let command =
        log.documents(&example("flights/departures.odps.yaml").replace("usage:", "usage: x"));
    let rejection = log
        .when_from(Some("billing"), "x", &command)
        .expect_err("not theirs");
    assert!(codes(&rejection).contains(&"MESH-2005"), "{rejection:?}");
}

#[test]
fn a_domain_does_not_publish_versions_of_anothers_contract() {
    let mut log = Log::founded();
    log.apply(&flights()).expect("accepted");
    let billing = ["team.yaml", "domain.yaml"].map(|file| example(&format!("billing/{file}")));
    log.apply(&billing.join("\n---\n")).expect("accepted");
    let theirs = example("flights/departures.odcs.yaml");
    let next = theirs.replace("\nversion: 1.0.0", "\nversion: 1.0.1");
    let taken = next.replace("\ndomain: flights", "\ndomain: billing");
    assert_ne!(next, taken);
    let command = log.documents(&taken);
    let rejection = log
        .when_from(Some("billing"), "x", &command)
        .expect_err("not theirs");
    assert_eq!(codes(&rejection), ["MESH-2005"], "{rejection:?}");
}

#[test]
fn an_incompatible_change_says_what_breaks_for_whom_and_the_way_out() {
    let mut log = Log::founded();
    let base = [
        "team.yaml",
        "domain.yaml",
        "messages.odcs.yaml",
        "messages.odps.yaml",
    ]
    .map(|file| example(&format!("conversations/{file}")))
    .join("\n---\n");
    log.apply(&base).expect("accepted");
    let refused = example("refused/conversations-messages-1.1.0.odcs.yaml");
    let rejection = log.apply(&refused).expect_err("breaks");
    assert!(
        codes(&rejection).iter().all(|code| *code == "MESH-2010"),
        "{rejection:?}"
    );
    let text = format!("{rejection:?}");
    for expected in [
        "old data",
        "old readers",
        "readers who replay",
        "2.0.0",
        "token",
    ] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
}

#[test]
fn a_redrive_is_recorded_where_its_port_is_and_its_counts_add_up() {
    let mut log = Log::founded();
    log.apply(&flights()).expect("accepted");
    let redriven = body::Redriven {
        port: "flights.departures.events.v1".to_owned(),
        filter: body::RedriveFilter::default(),
        selected: 10,
        sent: 7,
        still_refused: 2,
        held_back: 1,
    };
    let record = |body: &body::Redriven| Command::RecordRedrive(body.clone());
    let events = log.when("r", &record(&redriven)).expect("accepted");
    assert_eq!(events, [Event::QuarantineRedriven(redriven.clone())]);
    for wrong in [
        body::Redriven {
            port: "flights.x.y.v1".to_owned(),
            ..redriven.clone()
        },
        body::Redriven {
            sent: 8,
            ..redriven.clone()
        },
        body::Redriven {
            sent: i64::MAX,
            still_refused: i64::MAX,
            ..redriven.clone()
        },
        body::Redriven {
            sent: -1,
            selected: 2,
            ..redriven.clone()
        },
    ] {
        let rejection = log.when("w", &record(&wrong)).expect_err("does not fit");
        assert_eq!(codes(&rejection), ["MESH-2016"], "{wrong:?}");
    }
    for value in &log.values {
        assert_eq!(Fact::decode(value).expect("decodes").encode(), *value);
    }
}

#[test]
fn versions_follow_from_the_change() {
    let mut log = Log::founded();
    log.apply(&flights()).expect("accepted");
    let original = example("flights/departures.odcs.yaml");
    let wordier = original.replace("name: Flight departures", "name: Departures of flights");

    let taken = log.apply(&wordier).expect_err("1.0.0 is taken");
    assert_eq!(codes(&taken), ["MESH-2008"]);
    assert!(taken.0[0].way_out.contains("1.0.1"), "{taken:?}");

    let patched = wordier.replace("version: 1.0.0", "version: 1.0.1");
    let events = log.apply(&patched).expect("a patch");
    let Event::ContractVersionApproved(approved) = &events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (approved.bump.as_str(), approved.supersedes.as_deref()),
        ("patch", Some("1.0.0"))
    );

    let field = "      - name: gate\n        logicalType: string\n        description: Gate.\n      - name: year\n";
    let grown = patched.replacen("      - name: year\n", field, 1);
    let low = log
        .apply(&grown.replace("1.0.1", "1.0.2"))
        .expect_err("too low");
    assert_eq!(codes(&low), ["MESH-2009"]);
    assert!(low.0[0].way_out.contains("1.1.0"), "{low:?}");
    let events = log
        .apply(&grown.replace("1.0.1", "1.1.0"))
        .expect("a minor change");
    let Event::ContractVersionApproved(approved) = &events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(approved.bump, "minor");
}

#[test]
fn a_contract_of_another_topic_or_port_is_refused() {
    let mut log = Log::founded();
    let other = flights().replace(
        "physicalName: flights.departures.events.v1",
        "physicalName: flights.x",
    );
    assert_eq!(
        codes(&log.apply(&other).expect_err("other topic")),
        ["MESH-2011"]
    );
    log.apply(&flights()).expect("accepted");
    let second = example("flights/departures.odps.yaml").replace("- name: events", "- name: copy");
    let rejection = log
        .apply(&second)
        .expect_err("one contract major, one port");
    assert!(codes(&rejection).contains(&"MESH-2012"), "{rejection:?}");
}

#[test]
fn replay_gives_the_state_and_a_changed_byte_is_found_where_it_is() {
    let mut log = Log::founded();
    log.apply(&flights()).expect("accepted");
    log.apply("apiVersion: meshlog/v1\nkind: Domain\nname: x\nowner: nobody\n")
        .expect_err("refused");
    let mut again = Mesh::default();
    for value in &log.values {
        log::fold(&mut again, value).expect("folds");
    }
    assert_eq!(again.state_hash(), log.mesh.state_hash());
    assert_eq!(again.root(), log.mesh.root());

    for at in 0..log.values.len() {
        let mut mesh = Mesh::default();
        let mut first_bad = None;
        for (index, value) in log.values.iter().enumerate() {
            let mut value = value.clone();
            if index == at {
                let last = value.len() - 1;
                value[last] ^= 1;
            }
            if let Err(error) = log::fold(&mut mesh, &value) {
                first_bad = Some(error.seq());
                break;
            }
        }
        // A change that still decodes shows in the fact after it, or, in the last fact, in the root alone.
        let found = first_bad.is_some_and(|seq| seq == at as u64 || seq == at as u64 + 1);
        assert!(
            found || mesh.root() != log.mesh.root(),
            "a change of fact {at} went unseen"
        );
    }
}

#[test]
fn every_event_type_round_trips_under_its_schema() {
    let mut log = Log::founded();
    log.apply(&flights()).expect("accepted");
    log.apply(&flights().replace(
        "name: flight-operations\n",
        "name: flight-operations\n# changed\n",
    ))
    .ok();
    log.when("a", &activation("1.0.0")).expect("due");
    log.apply("apiVersion: meshlog/v1\nkind: Domain\nname: x\nowner: nobody\n")
        .expect_err("refused");
    for value in &log.values {
        let fact = Fact::decode(value).expect("decodes");
        assert_eq!(fact.encode(), *value);
    }
    for kind in Event::KINDS {
        let text = crate::event::schema_text(kind).expect("has a schema");
        apache_avro::Schema::parse_str(text).expect("parses");
    }
}

/// Documents of the golden log: never edited, so that the bytes of v0.1 stay what they are.
const GOLDEN_DOCUMENTS: &str = "apiVersion: meshlog/v1
kind: Team
name: crew
members:
  - {username: alice, name: Alice, email: alice@crew.example, role: owner, dateIn: 2026-01-01}
---
apiVersion: meshlog/v1
kind: Domain
name: flights
owner: crew
tags: [aviation]
---
apiVersion: v3.1.0
kind: DataContract
id: calls
version: 1.0.0
status: active
domain: flights
servers: [{server: d, type: kafka, format: json}]
schema:
- name: call
  properties:
  - {name: id, logicalType: string, required: true, primaryKey: true}
  - {name: ms, logicalType: integer, description: Milliseconds.}
---
apiVersion: v1.0.0
kind: DataProduct
id: calls
status: active
domain: flights
outputPorts: [{name: events, version: 1.0.0, contractId: calls}]
";

pub(super) fn golden_log() -> Log {
    let mut log = Log::founded();
    log.apply(GOLDEN_DOCUMENTS).expect("accepted");
    let activated = body::Activated {
        port: "flights.calls.events.v1".to_owned(),
        contract_id: "calls".to_owned(),
        version: "1.0.0".to_owned(),
        bindings: vec![body::Binding {
            subject: "flights.calls.events.v1-value".to_owned(),
            schema_id: 7,
            guid: "0123456789abcdef0123456789abcdef".to_owned(),
        }],
    };
    log.when("activation", &Command::Activate(activated))
        .expect("due");
    log.apply("apiVersion: meshlog/v1\nkind: Domain\nname: x\nowner: nobody\n")
        .expect_err("refused");
    log.apply(GOLDEN_CLOUD_EVENTS).expect("accepted");
    log
}

/// What contracts can say since v0.3.
const GOLDEN_CLOUD_EVENTS: &str = "apiVersion: v3.1.0
kind: DataContract
id: notes
version: 1.0.0
status: active
domain: flights
servers: [{server: d, type: kafka, format: json}]
customProperties:
- {property: meshlog.cloudEvents, value: any}
- {property: meshlog.keySchema, value: key.avsc}
schema:
- name: note
  properties:
  - {name: id, logicalType: string, required: true}
";

/// The facts and hashes of a golden file, folded.
pub(super) fn folded(golden: &str) -> (Mesh, Vec<Vec<u8>>) {
    let mut mesh = Mesh::default();
    let bytes = |line: &str| -> Vec<u8> {
        let byte = |at| u8::from_str_radix(&line[at..at + 2], 16).expect("hex");
        (0..line.len()).step_by(2).map(byte).collect()
    };
    let values: Vec<Vec<u8>> = golden
        .lines()
        .filter(|line| !line.contains(' '))
        .map(bytes)
        .collect();
    for value in &values {
        log::fold(&mut mesh, value).expect("an old fact folds");
    }
    (mesh, values)
}

pub(super) fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name)
}

/// What this build writes is what the last golden file holds.
#[test]
fn facts_are_written_as_they_were() {
    let path = golden("facts-v0.3.txt");
    let log = golden_log();
    let mut now: String = log
        .values
        .iter()
        .map(|value| format!("{}\n", crate::fact::hex(value)))
        .collect();
    now.push_str(&format!(
        "state_hash {}\n",
        crate::fact::hex(&log.mesh.state_hash())
    ));
    now.push_str(&format!("root {}\n", crate::fact::hex(&log.mesh.root())));
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    if stored != now {
        std::fs::write(path.with_extension("new"), &now).expect("writes");
        panic!("stored bytes changed: compare golden/facts-v0.3.new; add a version, do not edit");
    }
    let (mesh, _) = folded(&stored);
    assert_eq!(mesh.state_hash(), log.mesh.state_hash());
}

/// Facts that v0.1 wrote are read by this build, and come out the same when written again. Their contract has no rules,
/// whatever its document says: they were not run then, and the same record at the same `seq` has the same verdict.
#[test]
fn facts_of_v0_1_are_read() {
    let stored = std::fs::read_to_string(golden("facts-v0.1.txt")).expect("is there");
    let (mesh, values) = folded(&stored);
    for value in &values {
        assert_eq!(Fact::decode(value).expect("decodes").encode(), *value);
    }
    let calls = &mesh.contracts["calls"].versions;
    assert!(calls.values().all(|version| version.state.rules.is_empty()));
    let root = format!("root {}", crate::fact::hex(&mesh.root()));
    assert!(stored.contains(&root));
    let now = golden_log().mesh;
    assert_eq!(mesh.ports["flights.calls.events.v1"].activations.len(), 1);
    assert_eq!(mesh.teams, now.teams);
    assert_eq!(mesh.products, now.products);
}

/// Facts that v0.2 wrote: their contracts ask for no CloudEvents, and no formats are checked that were not then.
#[test]
fn facts_of_v0_2_are_read() {
    let stored = std::fs::read_to_string(golden("facts-v0.2.txt")).expect("is there");
    let (mesh, values) = folded(&stored);
    for value in &values {
        assert_eq!(Fact::decode(value).expect("decodes").encode(), *value);
    }
    let root = format!("root {}", crate::fact::hex(&mesh.root()));
    assert!(stored.contains(&root));
    let calls = &mesh.contracts["calls"].versions;
    for version in calls.values() {
        let settings = Settings::from(&version.state.settings);
        assert_eq!(settings.cloud_events, CloudEvents::None);
        assert_eq!(settings.logical_types, LogicalTypes::Ignore);
        assert_eq!(version.state.key_schema, None);
    }
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is proposed, in whatever order: the replayed log gives the live state, at every position.
        #[test]
        fn replay_equals_fold(steps in proptest::collection::vec(0_usize..8, 1..20)) {
            let mut log = Log::founded();
            for step in steps {
                let outcome = match step {
                    0 => log.apply(&flights()),
                    1 => log.apply(&example("flights/team.yaml")),
                    2 => log.apply(&example("flights/domain.yaml")),
                    3 => log.apply(&example("flights/departures.odps.yaml")),
                    4 => log.apply(&example("flights/departures.odcs.yaml").replace("1.0.0", "1.0.1")),
                    5 => log.when(&format!("a{}", log.values.len()), &activation("1.0.0")),
                    6 => log.when(&format!("b{}", log.values.len()), &activation("1.0.1")),
                    _ => log.apply(GOLDEN_DOCUMENTS),
                };
                let mut again = Mesh::default();
                for value in &log.values {
                    log::fold(&mut again, value).expect("folds");
                }
                prop_assert_eq!(again.state_hash(), log.mesh.state_hash(), "{:?}", outcome.is_ok());
                prop_assert_eq!(again.root(), log.mesh.root());
            }
        }

        /// No bytes, however wrong, make the reader of facts panic; and no two facts have the same bytes.
        #[test]
        fn damaged_facts_never_panic(at in 0_usize..10_000, bit in 0_u8..8, cut in 0_usize..10_000) {
            let log = golden_log();
            for value in &log.values {
                let mut damaged = value.clone();
                let index = at % damaged.len();
                damaged[index] ^= 1 << bit;
                if let Ok(fact) = Fact::decode(&damaged) {
                    prop_assert_ne!(&fact.encode(), value);
                }
                prop_assert!(Fact::decode(&value[..cut % value.len()]).is_err());
            }
        }
    }
}
