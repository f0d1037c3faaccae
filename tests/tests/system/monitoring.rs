//! What an operator looks at: the metrics that a running mesh serves are those of docs/operations.md, and dashboard and alerts
//! ask for nothing else.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::registries::{Registry, ask};
use tests::{Domain, LIMIT, Role, TestMesh, root, wait_for};

/// Names of families with what is asked for of them: a counter is `_total`, a histogram has three.
fn served(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text.lines() {
        let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        match kind {
            "counter" if !name.ends_with("_total") && !text.contains(&format!("\n{name} ")) => {
                names.insert(format!("{name}_total"));
            }
            _ => {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// Metrics named in an expression or a page.
fn named(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !word(c));
    let ours = words
        .filter(|word| word.starts_with("meshlog_") || word.starts_with("kafka_schema_registry_"));
    ours.map(str::to_owned).collect()
}

/// A histogram is asked for by its parts.
fn family(name: &str) -> &str {
    let parts = ["_bucket", "_count", "_sum"];
    let histogram = parts.iter().find_map(|part| name.strip_suffix(part));
    histogram
        .filter(|family| family.ends_with("_seconds"))
        .unwrap_or(name)
}

fn file(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("the file is there")
}

fn scraped(mesh: &TestMesh) -> BTreeSet<String> {
    let text = |url: &str| {
        let (status, text) = ask(&format!("{url}/metrics"), None).expect("answers");
        assert_eq!(status, 200, "{text}");
        text
    };
    let mut names = served(&text(&mesh.ready.http));
    names.extend(served(&text(&mesh.ready.registry)));
    names
}

#[test]
fn dashboard_alerts_and_pages_name_the_metrics_that_are_served() {
    let mut mesh = TestMesh::start("monitored");
    let domain = Domain::flights();
    mesh.apply(&domain.dir());
    // What counts by label is served once there is something to count.
    let port = domain.port("departures");
    let url = format!("{}/api/v1/ports/{port}/events", mesh.ready.http);
    let (status, answer) = ask(&url, Some(&json!({}))).expect("the gateway answers");
    assert_eq!(status, 422, "{answer}");
    mesh.produce(&format!("{port}.inbox"), "k", "{}");
    mesh.settled(&port, 1);
    ask(&format!("{}/subjects", mesh.ready.registry), None).expect("the registry answers");
    let names = scraped(&mesh);

    // A line of the table holds the name, and what its labels may be.
    let page = file("docs/operations.md");
    let table: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let cells: String = table
        .iter()
        .filter_map(|line| line.split('|').nth(1))
        .collect();
    assert_eq!(
        named(&cells),
        names,
        "the table of docs/operations.md, and what is served"
    );

    let dashboard: Value = serde_json::from_str(&file("docs/grafana/meshlog.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let expressions: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .filter_map(|target| target["expr"].as_str())
        .collect();
    assert!(expressions.len() > 20, "{expressions:?}");
    let ids: BTreeSet<u64> = panels
        .iter()
        .filter_map(|panel| panel["id"].as_u64())
        .collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    let alerts = alerts(&page);
    for expression in expressions.into_iter().map(str::to_owned).chain(alerts) {
        let asked = named(&expression);
        assert!(!asked.is_empty(), "{expression}");
        for name in asked {
            assert!(
                names.contains(family(&name)),
                "{name} of `{expression}` is not served"
            );
        }
    }
    mesh.stop();
}

/// The expressions of the alerts, each of which is complete and explained on the page.
fn alerts(page: &str) -> Vec<String> {
    let rules: Value = serde_saphyr::from_str(&file("docs/alerts.yaml")).expect("YAML");
    let rules = rules["groups"][0]["rules"]
        .as_array()
        .cloned()
        .expect("rules");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let expression = |rule: &Value| {
        let name = text(&rule["alert"]);
        assert!(!text(&rule["for"]).is_empty(), "{name}");
        assert!(
            ["warning", "critical"].contains(&text(&rule["labels"]["severity"]).as_str()),
            "{name}"
        );
        assert!(!text(&rule["annotations"]["summary"]).is_empty(), "{name}");
        let anchor = format!("docs/operations.md#{}", name.to_lowercase());
        assert_eq!(text(&rule["annotations"]["runbook"]), anchor);
        assert!(
            page.contains(&format!("\n### {name}\n")),
            "{name} is not explained"
        );
        text(&rule["expr"])
    };
    rules.iter().map(expression).collect()
}

#[test]
fn roles_that_listen_for_nothing_else_serve_metrics_where_they_are_told() {
    let id = tests::broker::unique("told");
    let governor = Role::start(&id, &["governor", "--metrics-port", "0"]);
    let registry = Registry::start(&id);
    let enforcer = Role::start(&id, &["enforcer", "--metrics-port", "0"]);
    let scrape = |role: &Role| {
        let url = role.ready["metrics"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let (_, text) = ask(&format!("{url}/metrics"), None)?;
        Ok::<_, String>(text)
    };
    wait_for("the governor decides", LIMIT, || {
        let text = scrape(&governor)?;
        let decides = text.contains("\nmeshlog_governor_writing 1\n");
        if decides { Ok(()) } else { Err(text) }
    });
    let text = scrape(&enforcer).expect("answers");
    assert!(text.contains("\nmeshlog_enforcer_stalled 0\n"), "{text}");
    let url = enforcer.ready["metrics"].as_str().unwrap_or_default();
    let (status, _) = ask(&format!("{url}/readyz"), None).expect("answers");
    assert_eq!(status, 200);
    assert_eq!(enforcer.ready["slot"], json!(0));
    enforcer.stop();
    governor.stop();
    registry.role.stop();
}
