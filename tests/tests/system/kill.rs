//! Processes that die in the middle of their work: nothing is lost, nothing is there twice, nothing changes places.

use serde_json::json;
use std::time::Duration;
use tests::process::Running;
use tests::{Domain, Flights, Kafka, LIMIT, TestMesh, python, wait_for};

/// A run with its deaths and the waiting for new beginnings.
const RUN: Duration = Duration::from_secs(240);

/// Rows per second: slow enough that there is a middle.
const RATE: u64 = 4_000;

/// A publisher of flights to the departures.
struct Run {
    domain: Domain,
    flights: Flights,
    port: String,
}

impl Run {
    fn prepare(mesh: &TestMesh, rows: u64) -> Self {
        let domain = Domain::flights();
        mesh.apply(&domain.dir());
        let flights = Flights::generate(&domain.scratch(), rows, rows + 1);
        let port = domain.port("departures");
        Self {
            domain,
            flights,
            port,
        }
    }

    fn publish(&self, mesh: &TestMesh, rate: u64) -> Running {
        let file = self.flights.path.to_str().expect("our paths are text");
        let rate = format!("{rate}/s");
        let arguments = [
            "publish",
            &self.port,
            "--csv",
            file,
            "--null-value",
            "NA",
            "--rate",
            &rate,
            "-o",
            "json",
        ];
        mesh.cli_in_background(&arguments)
    }

    /// Waits until the enforcer has judged that share of the rows, in percent.
    #[track_caller]
    fn judged(&self, mesh: &TestMesh, percent: u64) {
        let due = self.flights.rows * percent / 100;
        wait_for(&format!("{due} rows are judged"), LIMIT, || {
            let stats = mesh.try_get(&format!("/api/v1/ports/{}/stats", self.port))?;
            let judged = stats["accepted"]
                .as_u64()
                .zip(stats["quarantined"].as_u64());
            let enough =
                judged.is_some_and(|(accepted, quarantined)| accepted + quarantined >= due);
            if enough {
                Ok(())
            } else {
                Err(stats.to_string())
            }
        });
    }

    /// Every row is in one of the port's topics, once, and in order for its key.
    #[track_caller]
    fn is_there_exactly_once(&self, mesh: &TestMesh) {
        let (rows, cancelled) = (self.flights.rows, self.flights.cancelled());
        let stats = mesh.settled(&self.port, rows);
        assert_eq!(stats["inbox"], rows, "{stats}");
        assert_eq!(stats["accepted"], rows - cancelled, "{stats}");
        assert_eq!(stats["quarantined"], cancelled, "{stats}");
        let quarantine = format!("{}.quarantine", self.port);
        let arguments = [
            mesh.ready.bootstrap_servers.as_str(),
            &self.port,
            &quarantine,
            "--row",
            "distance",
        ];
        let Some(counted) = python::client("count.py", &arguments) else {
            return;
        };
        let topics = json!({&self.port: rows - cancelled, quarantine: cancelled});
        let expected = json!({
            "records": topics, "distinct_sources": rows, "sources_increase": true,
            "distinct_rows": rows, "rows_increase": true,
        });
        assert_eq!(counted.json(), expected, "of {}", self.domain.name);
    }
}

#[test]
fn up_killed_three_times_in_the_middle_loses_and_doubles_nothing() {
    let mut mesh = TestMesh::start("killed");
    let run = Run::prepare(&mesh, 100_000);
    // Slow enough that it is still at it after two restarts on a busy machine.
    let mut publisher = run.publish(&mesh, RATE / 2);
    for percent in [10, 35, 60] {
        run.judged(&mesh, percent);
        assert!(publisher.is_running(), "that is no middle");
        mesh.kill_9();
        mesh.restart();
    }
    let published = publisher.finish(RUN).json();
    assert_eq!(published["published"], run.flights.rows, "{published}");
    run.is_there_exactly_once(&mesh);
    mesh.stop();
}

#[test]
fn a_broker_killed_in_the_middle_comes_back_and_everybody_goes_on() {
    let mut mesh = TestMesh::start_on("brokerless", Kafka::Own);
    let run = Run::prepare(&mesh, 20_000);
    let mut publisher = run.publish(&mesh, RATE / 2);
    run.judged(&mesh, 20);
    assert!(publisher.is_running(), "that is no middle");
    // `up` notices and starts it again.
    mesh.kill_9_broker();
    let published = publisher.finish(RUN).json();
    assert_eq!(published["published"], run.flights.rows, "{published}");
    run.is_there_exactly_once(&mesh);

    let run = Run::prepare(&mesh, 20_000);
    let mut publisher = run.publish(&mesh, RATE / 2);
    run.judged(&mesh, 20);
    assert!(publisher.is_running(), "that is no middle");
    // Both at once: the next `up` begins with a broker that has to recover.
    mesh.kill_9();
    mesh.kill_9_broker();
    mesh.restart();
    let published = publisher.finish(RUN).json();
    assert_eq!(published["published"], run.flights.rows, "{published}");
    run.is_there_exactly_once(&mesh);
    mesh.stop();
}

#[test]
fn a_publisher_killed_in_the_middle_goes_on_where_it_stopped() {
    let mesh = TestMesh::start("publisher");
    let run = Run::prepare(&mesh, 20_000);
    for percent in [20, 50] {
        let mut publisher = run.publish(&mesh, RATE);
        run.judged(&mesh, percent);
        assert!(publisher.is_running(), "that is no middle");
        publisher.kill_9();
    }
    let published = run.publish(&mesh, 1_000_000).finish(RUN).json();
    assert_eq!(published["published"], run.flights.rows, "{published}");
    assert!(
        published["resumed_at"].as_u64() > Some(run.flights.rows / 2),
        "{published}"
    );
    run.is_there_exactly_once(&mesh);
    // All of it is there: once more does nothing.
    let again = run.publish(&mesh, 1_000_000).finish(RUN).json();
    assert_eq!(again["resumed_at"], run.flights.rows, "{again}");
    run.is_there_exactly_once(&mesh);
}
