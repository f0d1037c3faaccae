//! Two contracts over the same dirty rows: every count is known beforehand, and counted afterwards by somebody else.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::{Domain, Flights, TestMesh, python, root};

/// Publishing a whole year on a busy machine.
const PUBLISH: Duration = Duration::from_secs(300);

/// Rows of a file, and those of them without a departure.
struct Known<'a> {
    file: &'a Path,
    rows: u64,
    cancelled: u64,
}

/// Publishes the rows to both ports; departures refuse the cancelled ones, arrivals take all.
fn both_ports_judge(mesh: &TestMesh, domain: &Domain, known: &Known<'_>) {
    let file = known.file.to_str().expect("our paths are text");
    for product in ["departures", "arrivals"] {
        let port = domain.port(product);
        let publish = [
            "publish",
            &port,
            "--csv",
            file,
            "--null-value",
            "NA",
            "-o",
            "json",
        ];
        let published = mesh.cli_in_background(&publish).finish(PUBLISH).json();
        assert_eq!(published["published"], known.rows, "{published}");
        assert_eq!(published["skipped"], 0, "{published}");
    }
    let expected = [("departures", known.cancelled), ("arrivals", 0)];
    for (product, quarantined) in expected {
        let port = domain.port(product);
        mesh.settled(&port, known.rows);
        let stats = mesh.cli(&["port", "stats", &port, "-o", "json"]).json();
        assert_eq!(stats["inbox"], known.rows, "{stats}");
        assert_eq!(stats["accepted"], known.rows - quarantined, "{stats}");
        assert_eq!(stats["quarantined"], quarantined, "{stats}");
        assert_eq!(
            (&stats["lag"], &stats["state"]),
            (&json!(0), &json!("running")),
            "{stats}"
        );
        let reasons = mesh
            .cli(&["quarantine", "stats", &port, "-o", "json"])
            .json();
        assert_eq!(reasons, refused_for_departure(&port, quarantined));
        let Some(counted) = count(mesh, &port) else {
            continue;
        };
        let topics =
            json!({&port: known.rows - quarantined, format!("{port}.quarantine"): quarantined});
        assert_eq!(counted["records"], topics);
        assert_eq!(
            counted["distinct_sources"], known.rows,
            "each event once: {counted}"
        );
        assert_eq!(counted["sources_increase"], true, "{counted}");
    }
}

fn refused_for_departure(port: &str, count: u64) -> Value {
    let reasons = match count {
        0 => json!([]),
        count => json!([{"code": "MESH-1006", "path": "/dep_time", "count": count}]),
    };
    json!({"port": port, "total": count, "by_reason": reasons})
}

/// What another client finds in the port's two topics.
fn count(mesh: &TestMesh, port: &str) -> Option<Value> {
    let quarantine = format!("{port}.quarantine");
    let bootstrap = &mesh.ready.bootstrap_servers;
    Some(python::client("count.py", &[bootstrap, port, &quarantine])?.json())
}

#[test]
fn every_generated_flight_is_judged_once_and_rightly() {
    let mut mesh = TestMesh::start("flights");
    let domain = Domain::flights();
    mesh.apply(&domain.dir());
    let flights = Flights::generate(&domain.scratch(), 30_000, 2013);
    let known = Known {
        file: &flights.path,
        rows: flights.rows,
        cancelled: flights.cancelled(),
    };
    both_ports_judge(&mesh, &domain, &known);
    a_quarantined_event_tells_its_story(&mesh, &domain.port("departures"));
    mesh.stop();
}

/// An operator finds the event as it came, what was expected, and where it stood in the inbox.
fn a_quarantined_event_tells_its_story(mesh: &TestMesh, port: &str) {
    let listed = mesh.cli(&[
        "quarantine",
        "list",
        port,
        "--reason",
        "MESH-1006",
        "-o",
        "json",
    ]);
    let first = listed.expect_code(0).json_lines().remove(0);
    let (partition, offset) = (first["partition"].to_string(), first["offset"].to_string());
    let shown = mesh
        .cli(&[
            "quarantine",
            "show",
            port,
            &partition,
            &offset,
            "-o",
            "json",
        ])
        .json();
    assert_eq!(shown["reasons"][0]["code"], "MESH-1006", "{shown}");
    assert_eq!(shown["reasons"][0]["path"], "/dep_time", "{shown}");
    let event = &shown["value"]["decoded"];
    assert_eq!(
        (&event["year"], event.get("dep_time")),
        (&json!(2013), None),
        "{shown}"
    );
    let none = mesh.cli(&[
        "quarantine",
        "list",
        port,
        "--reason",
        "MESH-1001",
        "-o",
        "json",
    ]);
    assert_eq!(none.expect_code(0).stdout, "");
}

/// The real file, where it is: `shared/data` beside the repository, or in the folder that `MESHLOG_SHARED` names.
fn real_file() -> Option<PathBuf> {
    let named = std::env::var_os("MESHLOG_SHARED").map(PathBuf::from);
    let shared = named.or_else(|| Some(root().parent()?.join("shared")))?;
    Some(shared.join("data/flights.csv.zip")).filter(|path| path.is_file())
}

#[test]
fn a_year_of_real_flights_gives_the_counts_that_others_counted() {
    let Some(zipped) = real_file() else {
        // It is not part of the project, so its absence is no failure anywhere.
        eprintln!(
            "\n=== SKIPPED: the real flights: no ../shared/data/flights.csv.zip, and MESHLOG_SHARED is not set ===\n"
        );
        return;
    };
    let mesh = TestMesh::start("year");
    let domain = Domain::flights();
    mesh.apply(&domain.dir());
    let archive = std::fs::File::open(zipped).expect("opens");
    let mut archive = zip::ZipArchive::new(archive).expect("a zip archive");
    let mut entry = archive.by_name("flights.csv").expect("holds flights.csv");
    let path = domain.scratch().join("flights.csv");
    let mut file = std::fs::File::create(&path).expect("a file can be made");
    std::io::copy(&mut entry, &mut file).expect("unpacks");
    let known = Known {
        file: &path,
        rows: 336_776,
        cancelled: 8_255,
    };
    both_ports_judge(&mesh, &domain, &known);
}
