//! Each role in a process of its own, as production runs them: started in any order, followed by another of its kind when
//! it dies, stopped cleanly.

use nix::sys::signal::Signal;
use serde_json::Value;
use tests::broker::{cluster, unique};
use tests::mesh::{Ready, binary};
use tests::process::run;
use tests::registries::{Registry, ask};
use tests::{Domain, Flights, LIMIT, Role, TestMesh, wait_for};

/// The commands' view of roles that run apart.
fn at(id: &str, catalog: &Role, registry: &Registry) -> TestMesh {
    let http = catalog.ready["http"].as_str().unwrap_or_default();
    let ready = Ready {
        bootstrap_servers: cluster().bootstrap().to_owned(),
        registry: registry.url.clone(),
        http: http.to_owned(),
        dir: std::path::PathBuf::new(),
    };
    TestMesh::apart(id, ready)
}

#[track_caller]
fn publish(mesh: &TestMesh, port: &str, flights: &Flights) {
    let file = flights.path.to_str().expect("our paths are text");
    let arguments = ["publish", port, "--csv", file, "--null-value", "NA"];
    mesh.cli(&arguments).expect_code(0);
}

#[track_caller]
fn counts(mesh: &TestMesh, port: &str, inbox: u64) -> (Value, Value) {
    let stats = mesh.settled(port, inbox);
    (stats["accepted"].clone(), stats["quarantined"].clone())
}

#[test]
fn roles_start_in_any_order_and_are_followed_when_they_die() {
    let id = unique("apart");
    // The hardest order: nothing of what the first ones need is there.
    let catalog = Role::begin(&id, &["catalog", "--http-port", "0"]);
    let enforcer = Role::begin(&id, &["enforcer"]);
    let governor = Role::start(&id, &["governor"]);
    let registry = Registry::start(&id);
    let (catalog, enforcer) = (catalog.ready(), enforcer.ready());
    for (role, name) in [
        (&catalog, "catalog"),
        (&enforcer, "enforcer"),
        (&governor, "governor"),
        (&registry.role, "registry"),
    ] {
        assert_eq!(role.ready["event"], "ready");
        assert_eq!(role.ready["role"], name);
    }
    let mesh = at(&id, &catalog, &registry);
    let domain = Domain::flights();
    mesh.apply(&domain.dir());
    let port = domain.port("departures");
    let flights = Flights::generate(&domain.scratch(), 2_000, 7);
    publish(&mesh, &port, &flights);
    let once = (flights.departed(), flights.cancelled());
    assert_eq!(counts(&mesh, &port, 2_000), (once.0.into(), once.1.into()));

    let second = Role::start(&id, &["governor"]);
    governor.kill_9();
    let changed = domain.changed(
        "domain.yaml",
        &[("description: Flights", "description: All flights")],
    );
    assert_eq!(mesh.apply(&changed)["status"], "accepted");

    enforcer.kill_9();
    let stats = || mesh.try_get(&format!("/api/v1/ports/{port}/stats"));
    wait_for("the catalog says that no enforcer runs", LIMIT, || {
        let stats = stats()?;
        let why = stats["why"].as_str().unwrap_or_default();
        if stats["state"] == "stalled" && why.contains("meshlog enforcer") {
            Ok(())
        } else {
            Err(stats.to_string())
        }
    });
    // Other rows: the same file again would go on where it stopped, at its end.
    let more = Flights::generate(&domain.scratch(), 1_000, 8);
    publish(&mesh, &port, &more);
    let enforcer = Role::start(&id, &["enforcer"]);
    assert_eq!(
        counts(&mesh, &port, 3_000),
        (
            (once.0 + more.departed()).into(),
            (once.1 + more.cancelled()).into()
        )
    );
    assert_eq!(stats().expect("answers")["state"], "running");

    enforcer.stop();
    second.stop();
    catalog.stop();
    registry.role.stop();
}

/// How many partitions of a port an enforcer says that it owns.
fn owned(enforcer: &Role, port: &str) -> Result<i64, String> {
    let url = enforcer.ready["metrics"].as_str().unwrap_or_default();
    let (_, text) = ask(&format!("{url}/metrics"), None)?;
    let name = format!("meshlog_enforcer_partitions{{port=\"{port}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&name));
    value.and_then(|value| value.parse().ok()).ok_or(text)
}

#[test]
fn two_enforcers_share_the_partitions_and_one_takes_what_the_other_leaves() {
    let id = unique("shared");
    let governor = Role::start(&id, &["governor"]);
    let registry = Registry::start(&id);
    let catalog = Role::start(&id, &["catalog", "--http-port", "0"]);
    let enforcers: Vec<Role> = ["0", "1"]
        .iter()
        .map(|slot| Role::start(&id, &["enforcer", "--slot", slot, "--metrics-port", "0"]))
        .collect();
    let mesh = at(&id, &catalog, &registry);
    let domain = Domain::flights();
    mesh.apply(&domain.dir());
    let port = domain.port("departures");
    wait_for("each has a part of the three partitions", LIMIT, || {
        let owned = [owned(&enforcers[0], &port)?, owned(&enforcers[1], &port)?];
        let shared = owned.iter().sum::<i64>() == 3 && !owned.contains(&0);
        if shared {
            Ok(())
        } else {
            Err(format!("{owned:?}"))
        }
    });
    let flights = Flights::generate(&domain.scratch(), 2_000, 9);
    publish(&mesh, &port, &flights);
    let mut enforcers = enforcers.into_iter();
    let (first, second) = (
        enforcers.next().expect("two"),
        enforcers.next().expect("two"),
    );
    first.kill_9();
    wait_for("the other has them all", LIMIT, || {
        match owned(&second, &port)? {
            3 => Ok(()),
            other => Err(other.to_string()),
        }
    });
    let more = Flights::generate(&domain.scratch(), 1_000, 10);
    publish(&mesh, &port, &more);
    let expected = (
        (flights.departed() + more.departed()).into(),
        (flights.cancelled() + more.cancelled()).into(),
    );
    assert_eq!(counts(&mesh, &port, 3_000), expected);
    second.stop();
    catalog.stop();
    governor.stop();
    registry.role.stop();
}

#[test]
fn a_role_that_cannot_run_says_why() {
    let home = tempfile::tempdir().expect("a temporary directory");
    for role in ["governor", "enforcer", "catalog", "registry"] {
        let output = run(binary(home.path()).arg(role), LIMIT).expect_code(2);
        assert!(
            output.stderr.contains("bootstrap_servers"),
            "{role}: {output:?}"
        );
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let arguments = ["catalog", "--http-port", &port];
    let output = run(&mut Role::command("taken", &arguments, home.path()), LIMIT).expect_code(2);
    assert!(output.stderr.contains("is in use"), "{output:?}");

    // Two meshes with one log of schemas would give ids twice.
    let (id, other) = (unique("mine"), unique("theirs"));
    let theirs = Registry::start(&other);
    let schema = serde_json::json!({"schema": "\"string\""});
    let url = format!("{}/subjects/s/versions", theirs.url);
    let (status, answer) = ask(&url, Some(&schema)).expect("answers");
    assert_eq!(status, 200, "{answer}");
    let mut command = Role::command(&id, &["registry", "--registry-port", "0"], home.path());
    command.env("MESHLOG_REGISTRY__TOPIC", format!("{other}.schemas"));
    let output = run(&mut command, LIMIT).expect_code(1);
    assert!(
        output.stderr.contains(&format!("mesh `{other}`"))
            && output.stderr.contains("registry.topic"),
        "{output:?}"
    );

    // Two governors in one directory: the second would use the first one's key.
    let id = unique("twice");
    let dir = home.path().join("governor");
    let dir = [
        "governor",
        "--dir",
        dir.to_str().expect("our paths are text"),
    ];
    let first = Role::start(&id, &dir);
    let output = run(&mut Role::command(&id, &dir, home.path()), LIMIT).expect_code(1);
    assert!(output.stderr.contains("meshlog governor"), "{output:?}");
    first.stop();
}

#[test]
fn a_role_that_waits_can_be_stopped() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut waiting: Vec<_> = ["governor", "enforcer", "catalog"]
        .into_iter()
        .map(|role| {
            let mut command = binary(home.path());
            // Nobody listens there.
            command.args([role, "--bootstrap-servers", "127.0.0.1:1"]);
            if role == "catalog" {
                command.args(["--http-port", "0"]);
            }
            (role, tests::process::Running::start(&mut command))
        })
        .collect();
    std::thread::sleep(std::time::Duration::from_secs(4));
    for (role, running) in &mut waiting {
        assert!(running.is_running(), "{role} waits");
    }
    for (role, running) in waiting {
        running.signal(Signal::SIGTERM);
        let output = running.finish(LIMIT).expect_code(0);
        assert!(
            output.stderr.contains("waiting for Kafka at 127.0.0.1:1"),
            "{role}: {output:?}"
        );
    }
}
