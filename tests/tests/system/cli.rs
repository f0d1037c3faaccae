//! What people get wrong, and what the command line says then: never a crash, always a way out, and the right exit code.

use nix::sys::signal::Signal;
use serde_json::json;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::process::{Output, Running, run};
use tests::{Domain, Flights, Kafka, TestMesh, flights, mesh, wait_for};

/// An `up` that must not come up.
const UP: Duration = Duration::from_secs(60);

/// The command fails with this code and says all of this, in a few lines and without a backtrace.
#[track_caller]
fn fails(output: Output, code: i32, words: &[&str]) -> Output {
    let output = output.expect_code(code);
    for word in words {
        assert!(
            output.stderr.contains(word),
            "`{word}` is missing: {output:?}"
        );
    }
    assert!(!output.stderr.contains("panicked"), "{output:?}");
    output
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path: PathBuf = folder.join(name);
    std::fs::write(&path, text).expect("writes");
    path.to_str().expect("our paths are text").to_owned()
}

#[test]
fn wrong_input_is_told_with_its_place_and_a_way_out() {
    let mesh = TestMesh::start("wrong");
    let domain = Domain::flights();
    mesh.apply(&domain.dir());
    let port = domain.port("departures");
    let folder = domain.scratch();

    let none = "nobody.here.events.v1";
    fails(mesh.cli(&["port", "stats", none]), 4, &[none]);
    fails(mesh.cli(&["quarantine", "stats", none]), 4, &[none]);
    fails(mesh.cli(&["audit", "show", "100000"]), 4, &["100000"]);
    fails(
        mesh.cli(&["port", "stats", "Not A Port"]),
        2,
        &["<domain>.<product>.<port>.v<major>"],
    );
    fails(mesh.cli(&["apply"]), 2, &["--file"]);

    fails(
        mesh.cli(&["apply", "-f", "missing.yaml"]),
        2,
        &["missing.yaml"],
    );
    let bad = write(
        &folder,
        "bad.yaml",
        "kind: Domain\napiVersion: meshlog/v1\nname: [x\nowner: y\n",
    );
    fails(mesh.cli(&["apply", "-f", &bad]), 3, &["bad.yaml:4:"]);
    let typo = write(
        &folder,
        "typo.yaml",
        "apiVersion: meshlog/v1\nkind: Domain\nnaem: x\nowner: y\n",
    );
    fails(mesh.cli(&["apply", "-f", &typo]), 3, &["typo.yaml", "naem"]);

    fails(
        mesh.cli(&["publish", &port, "--csv", "missing.csv"]),
        2,
        &["missing.csv"],
    );
    let short = flights::COLUMNS.replace("dep_time,", "");
    let short = write(&folder, "short.csv", &format!("{short}\n"));
    fails(
        mesh.cli(&["publish", &port, "--csv", &short]),
        2,
        &["dep_time"],
    );
    let long = write(&folder, "long.csv", &format!("{},gate\n", flights::COLUMNS));
    fails(mesh.cli(&["publish", &port, "--csv", &long]), 2, &["gate"]);
    fails(mesh.cli(&["publish", none, "--csv", &short]), 4, &[none]);
    let stats = mesh.cli(&["port", "stats", &port, "-o", "json"]).json();
    assert_eq!(stats["inbox"], 0, "nothing was sent: {stats}");

    rows_that_cannot_be_typed_are_told_and_skipped(&mesh, &domain);
}

fn rows_that_cannot_be_typed_are_told_and_skipped(mesh: &TestMesh, domain: &Domain) {
    let port = domain.port("departures");
    let flights = Flights::generate(&domain.scratch(), 100, 5);
    let text = std::fs::read_to_string(&flights.path).expect("reads");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // Rows 2 and 7: lines 3 and 8.
    lines[2] = lines[2].replacen("2013,", "twenty-thirteen,", 1);
    lines[7].push_str(",one too many");
    let file = write(&domain.scratch(), "typed.csv", &lines.join("\n"));
    let publish = [
        "publish",
        &port,
        "--csv",
        &file,
        "--null-value",
        "NA",
        "-o",
        "json",
    ];
    let words = [
        "row 2, line 3",
        "column year",
        "twenty-thirteen",
        "row 7, line 8",
        "19 fields",
    ];
    let output = fails(mesh.cli(&publish), 1, &words);
    let report = output.json_line();
    assert_eq!(
        (&report["published"], &report["skipped"]),
        (&json!(98), &json!(2)),
        "{report}"
    );
    let stats = mesh.settled(&port, 98);
    assert_eq!(stats["inbox"], 98, "{stats}");
}

#[test]
fn an_up_that_cannot_be_says_why() {
    let mut mesh = TestMesh::start("second");
    let second = run(&mut mesh.up_command(), UP);
    assert!(!matches!(second.code, None | Some(0)), "{second:?}");
    assert!(
        second
            .stderr
            .contains("another `meshlog up` or `meshlog governor` runs"),
        "{second:?}"
    );
    assert!(second.stderr.contains("--dir"), "{second:?}");

    let home = tempfile::tempdir().expect("a temporary directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let number = taken.local_addr().expect("bound").port().to_string();
    for flag in ["--http-port", "--registry-port"] {
        let mut up = mesh::binary(home.path());
        up.env("MESHLOG_MESH__ID", "taken")
            .args(["up", "--dir", "data", flag, &number]);
        let other = if flag == "--http-port" {
            "--registry-port"
        } else {
            "--http-port"
        };
        fails(run(up.args([other, "0"]), UP), 2, &[&number, flag]);
    }

    mesh.stop();
    let record = mesh.dir().join("meshlog.json");
    let text = std::fs::read_to_string(&record).expect("the directory has a record");
    let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    value["format"] = json!(99);
    std::fs::write(&record, value.to_string()).expect("writes");
    let other = run(&mut mesh.up_command(), UP);
    assert!(!matches!(other.code, None | Some(0)), "{other:?}");
    assert!(
        other.stderr.contains("99") && other.stderr.contains("--dir"),
        "{other:?}"
    );
}

#[test]
fn a_mesh_or_a_kafka_that_is_not_there_is_not_reachable() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let nobody = "http://127.0.0.1:1";
    for arguments in [["port", "list"], ["audit", "verify"], ["domain", "list"]] {
        let mut command = mesh::binary(home.path());
        let output = run(command.args(arguments).args(["--http", nobody]), UP);
        fails(output, 5, &[nobody, "meshlog up"]);
    }
    let mut up = mesh::up("unreachable", home.path(), Kafka::Own);
    let output = run(up.args(["--bootstrap-servers", "127.0.0.1:1"]), UP);
    fails(output, 5, &["127.0.0.1:1"]);
}

/// The processes that were started with this in their arguments.
fn processes_with(word: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let of_process = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let arguments = std::fs::read(entry.path().join("cmdline")).ok()?;
        String::from_utf8_lossy(&arguments)
            .contains(word)
            .then_some(pid)
    };
    entries.filter_map(of_process).collect()
}

#[test]
fn an_interrupted_benchmark_leaves_no_kafka_behind() {
    if !Path::new("/proc/self/cmdline").exists() {
        eprintln!("skipped: this system has no /proc to look into");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let place = folder.path().to_str().expect("our paths are text");
    let mut command = mesh::binary(folder.path());
    let running = Running::start(command.env("TMPDIR", place).args(["bench", "enforce"]));
    wait_for("its Kafka runs", UP, || {
        let kafka = processes_with(&format!("{place}/"));
        kafka.first().copied().ok_or("none yet".to_owned())
    });
    // In the middle of its start, or of its work: it is the same.
    std::thread::sleep(Duration::from_secs(2));
    running.signal(Signal::SIGINT);
    let output = running.finish(UP).expect_code(1);
    assert!(output.stderr.contains("stopping"), "{output:?}");
    assert_eq!(processes_with(&format!("{place}/")), [0; 0]);
    let left = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 0, "files in {place}");
}
