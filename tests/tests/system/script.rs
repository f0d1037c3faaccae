//! The command line as golden files: each script in `tests/scripts/` holds commands and what they print, byte for byte.
//!
//! A line that begins with `$ meshlog` is a command; below it stand its standard output, its standard error (each line
//! after `! `) and its exit code. When a command says something else, the test writes the script as it is now beside the
//! old one, as `.new`, for a reviewer to compare.

use std::path::Path;
use tests::process::{Output, run};
use tests::{Domain, TestMesh, mesh, root};

/// Long enough for whatever a script does.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(90);

/// A field renamed, called a minor change.
const BREAKING: [(&str, &str); 2] = [
    ("version: 1.0.0", "version: 1.1.0"),
    ("- name: dep_time", "- name: departed_at"),
];

/// What differs from run to run, and the name it has in the script.
type Names<'a> = &'a [(String, &'a str)];

fn play(script: &str, names: Names<'_>, call: impl Fn(&[String]) -> Output) -> String {
    let mut played = String::new();
    for line in script.lines() {
        let Some(command) = line.strip_prefix("$ meshlog ") else {
            if line.starts_with("# ") {
                played.push_str(&format!("{line}\n"));
            }
            continue;
        };
        let mut real = command.to_owned();
        for (actual, name) in names {
            real = real.replace(name, actual);
        }
        let words: Vec<String> = real.split(' ').map(str::to_owned).collect();
        played.push_str(&format!(
            "\n$ meshlog {command}\n{}",
            shown(&call(&words), names)
        ));
    }
    played.trim_start().to_owned()
}

fn shown(output: &Output, names: Names<'_>) -> String {
    let said: String = output
        .stderr
        .lines()
        .map(|line| format!("! {line}\n"))
        .collect();
    let code = output
        .code
        .map_or_else(|| "by a signal".to_owned(), |code| code.to_string());
    let mut text = format!("{}{said}[exit {code}]\n", output.stdout);
    for (actual, name) in names {
        text = text.replace(actual, name);
    }
    text
}

#[track_caller]
fn is_golden(name: &str, names: Names<'_>, call: impl Fn(&[String]) -> Output) {
    let path = root().join("tests/scripts").join(format!("{name}.txt"));
    let script = std::fs::read_to_string(&path).expect("the script is there");
    let played = play(&script, names, call);
    if played != script {
        std::fs::write(path.with_extension("new"), &played).expect("writes");
    }
    assert!(
        played == script,
        "tests/scripts/{name}.txt is not what is printed now: compare it with {name}.new"
    );
}

fn text(path: &Path) -> String {
    path.to_str().expect("our paths are text").to_owned()
}

#[test]
fn what_needs_no_mesh_prints_what_it_printed() {
    let home = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(
        home.path().join("broken.yaml"),
        "kind: Domain\nname: [flights\n",
    )
    .expect("writes");
    std::fs::write(home.path().join("policy.yaml"), "kind: Policy\nname: x\n").expect("writes");
    let names = [(text(&root().join("schemas/examples")), "EXAMPLES")];
    is_golden("offline", &names, |words| {
        let mut command = mesh::binary(home.path());
        // Nothing listens on port 1.
        run(
            command
                .env("MESHLOG_HTTP", "http://127.0.0.1:1")
                .args(words),
            LIMIT,
        )
    });
}

#[test]
fn a_first_session_prints_what_it_printed() {
    let mesh = TestMesh::start("script");
    let domain = Domain::flights();
    let names = [
        (text(&domain.dir()), "DOCUMENTS"),
        (
            text(&domain.changed("departures.odcs.yaml", &BREAKING)),
            "BREAKING",
        ),
        (domain.name.clone(), "flights"),
    ];
    is_golden("session", &names, |words| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        mesh.cli(&words)
    });
}
