//! The file of an export: JSON Lines, a header and then one line for each version, setting and mode, in order.
//!
//! On disk since v0.1. Add a version: what stands here is read for ever. It holds no time, so that one registry gives
//! one file.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::dump::{Dump, Schema, WHOLE};
use crate::exit::Failure;

/// What the header says the file is.
const FORMAT: &str = "meshlog-registry-export";

/// The version written.
const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    source: String,
    contexts: Vec<String>,
    /// How many lines of each kind follow: a file that was cut off is noticed.
    schemas: usize,
    configs: usize,
    modes: usize,
}

/// Every other line. A line without a subject is about the whole registry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Schema(Schema),
    Config {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        config: Map<String, Value>,
    },
    Mode {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        mode: String,
    },
}

/// Writes an export, whole or not at all.
pub(super) fn write(dump: &Dump, path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    let directory = directory.unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(directory).map_err(|error| {
        Failure::Usage(format!(
            "cannot write into {}: {error}",
            directory.display()
        ))
    })?;
    let mut out = BufWriter::new(file.as_file());
    write_lines(dump, &mut out).with_context(|| format!("cannot write {shown}"))?;
    out.flush()
        .with_context(|| format!("cannot write {shown}"))?;
    drop(out);
    file.as_file().sync_all()?;
    readable_as_usual(file.path())?;
    file.persist(path)
        .map_err(|error| Failure::Usage(format!("cannot write {shown}: {}", error.error)))?;
    Ok(())
}

/// A temporary file is its owner's alone; schemas are no secrets.
fn readable_as_usual(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

fn write_lines(dump: &Dump, out: &mut impl Write) -> anyhow::Result<()> {
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        source: dump.source.clone(),
        contexts: dump.contexts.clone(),
        schemas: dump.schemas.len(),
        configs: dump.configs.len(),
        modes: dump.modes.len(),
    };
    line(out, &header)?;
    for schema in dump.schemas.values() {
        line(out, &Line::Schema(schema.clone()))?;
    }
    let named = |scope: &String| (scope != WHOLE).then(|| scope.clone());
    for (scope, config) in &dump.configs {
        let (subject, config) = (named(scope), config.clone());
        line(out, &Line::Config { subject, config })?;
    }
    for (scope, mode) in &dump.modes {
        let (subject, mode) = (named(scope), mode.clone());
        line(out, &Line::Mode { subject, mode })?;
    }
    Ok(())
}

fn line(out: &mut impl Write, value: &impl Serialize) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// Reads an export.
///
/// # Errors
/// [`Failure::Usage`] for a file that is not there, is no export, was made by a newer version, or was cut off.
pub(super) fn read(path: &Path) -> anyhow::Result<Dump> {
    let shown = path.display().to_string();
    let file = File::open(path).map_err(|error| cannot_open(&shown, &error))?;
    let read = read_lines(BufReader::new(file));
    Ok(read.map_err(|why| Failure::Usage(format!("{shown}: {why:#}")))?)
}

fn cannot_open(shown: &str, error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::NotFound {
        return Failure::Usage(format!(
            "{shown}: there is no such file; a registry is named by its URL, as http://127.0.0.1:8081"
        ));
    }
    Failure::Usage(format!("{shown}: {error}"))
}

fn read_lines(input: impl BufRead) -> anyhow::Result<Dump> {
    let mut lines = input.split(b'\n');
    let first = lines.next().transpose()?.unwrap_or_default();
    let header = header(&first)?;
    let mut dump = Dump {
        source: header.source,
        contexts: header.contexts,
        ..Dump::default()
    };
    for (index, text) in lines.enumerate() {
        let text = text?;
        if text.trim_ascii().is_empty() {
            continue;
        }
        let line = serde_json::from_slice(&text);
        let line = line.map_err(|error| anyhow::anyhow!("line {}{}", index + 2, place(&error)))?;
        take(&mut dump, line);
    }
    let found = [dump.schemas.len(), dump.configs.len(), dump.modes.len()];
    let expected = [header.schemas, header.configs, header.modes];
    anyhow::ensure!(
        found == expected,
        "the file is not whole: it has {}, its first line says {}; export once more",
        counted(found),
        counted(expected)
    );
    Ok(dump)
}

fn counted([schemas, configs, modes]: [usize; 3]) -> String {
    format!("{schemas} schemas, {configs} settings and {modes} modes")
}

/// What is wrong in a line, and at which of its characters, where that is known. Each line is read by itself.
fn place(error: &serde_json::Error) -> String {
    let (text, column) = (error.to_string(), error.column());
    match text.strip_suffix(&format!(" at line {} column {column}", error.line())) {
        Some(text) => format!(", column {column}: {text}"),
        None => format!(": {text}"),
    }
}

fn header(first: &[u8]) -> anyhow::Result<Header> {
    let said: Value = serde_json::from_slice(first).unwrap_or_default();
    anyhow::ensure!(
        said["format"] == FORMAT,
        "not an export of a registry: its first line does not say \"format\":\"{FORMAT}\""
    );
    anyhow::ensure!(
        said["version"] == VERSION,
        "version {} of the format, but this meshlog reads version {VERSION}: use the meshlog that made the file, or export \
         once more with this one",
        said["version"]
    );
    serde_json::from_value(said).context("line 1")
}

fn take(dump: &mut Dump, line: Line) {
    match line {
        Line::Schema(schema) => {
            dump.schemas.insert(schema.key(), schema);
        }
        Line::Config { subject, config } => {
            dump.configs.insert(subject.unwrap_or_default(), config);
        }
        Line::Mode { subject, mode } => {
            dump.modes.insert(subject.unwrap_or_default(), mode);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dump::samples::{deleted, dump, referring, schema};
    use super::*;
    use serde_json::json;

    /// Version 1 of the format, byte for byte. It is read for ever.
    const GOLDEN: &str = concat!(
        r#"{"format":"meshlog-registry-export","version":1,"source":"http://127.0.0.1:8081","contexts":[".",".eu"],"schemas":2,"configs":2,"modes":2}"#,
        "\n",
        r#"{"kind":"schema","subject":":.eu:t","version":1,"id":1,"schemaType":"AVRO","references":[{"name":":.us:s","subject":":.us:s","version":3}],"schema":"{\"type\":\"fixed\",\"name\":\"n1\",\"size\":1}","deleted":true}"#,
        "\n",
        r#"{"kind":"schema","subject":"s","version":2,"id":7,"guid":"095d71cf-1255-6b9d-5e33-0ad575b3df5d","schemaType":"JSON","metadata":{"properties":{"a":"b"}},"ruleSet":{"domainRules":[]},"schema":"{}"}"#,
        "\n",
        r#"{"kind":"config","config":{"compatibilityLevel":"BACKWARD"}}"#,
        "\n",
        r#"{"kind":"config","subject":"s","config":{"compatibilityLevel":"FULL","normalize":true}}"#,
        "\n",
        r#"{"kind":"mode","mode":"READWRITE"}"#,
        "\n",
        r#"{"kind":"mode","subject":":.eu:","mode":"READONLY"}"#,
        "\n",
    );

    fn sample() -> Dump {
        let object = |value: Value| value.as_object().expect("an object").clone();
        let full = Schema {
            guid: Some("095d71cf-1255-6b9d-5e33-0ad575b3df5d".into()),
            schema_type: "JSON".into(),
            metadata: Some(json!({"properties": {"a": "b"}})),
            rule_set: Some(json!({"domainRules": []})),
            schema: "{}".into(),
            ..schema("s", 2, 7)
        };
        Dump {
            contexts: vec![".".into(), ".eu".into()],
            configs: [
                (
                    String::new(),
                    object(json!({"compatibilityLevel": "BACKWARD"})),
                ),
                (
                    "s".into(),
                    object(json!({"compatibilityLevel": "FULL", "normalize": true})),
                ),
            ]
            .into(),
            modes: [
                (String::new(), "READWRITE".into()),
                (":.eu:".into(), "READONLY".into()),
            ]
            .into(),
            ..dump(vec![
                full,
                deleted(referring(schema(":.eu:t", 1, 1), ":.us:s", 3)),
            ])
        }
    }

    #[test]
    fn the_format_stays_as_it_is() {
        let mut bytes = Vec::new();
        write_lines(&sample(), &mut bytes).expect("writes");
        assert_eq!(String::from_utf8(bytes).expect("text"), GOLDEN);
        assert_eq!(read_lines(GOLDEN.as_bytes()).expect("reads"), sample());
    }

    #[test]
    fn a_file_that_is_none_or_not_whole_is_refused() {
        let why = |text: &str| format!("{:#}", read_lines(text.as_bytes()).expect_err("refused"));
        assert!(why("").contains("not an export"));
        assert!(why("{\"format\":\"other\"}").contains("not an export"));
        let newer = GOLDEN.replacen("\"version\":1", "\"version\":2", 1);
        assert!(why(&newer).contains("version 2"), "{}", why(&newer));
        let cut: String = GOLDEN.split_inclusive('\n').take(3).collect();
        assert!(why(&cut).contains("not whole"), "{}", why(&cut));
        let broken = GOLDEN.replacen("\"id\":7", "\"id\":\"x\"", 1);
        assert!(why(&broken).contains("line 3"), "{}", why(&broken));
        let no_json = GOLDEN.replacen("\"s\",\"version\":2", "\"s\",version:2", 1);
        let place = "line 3, column 32: key must be a string";
        assert_eq!(why(&no_json), place, "no line of serde's beside ours");
        let mut no_text = GOLDEN.as_bytes().to_vec();
        let third = GOLDEN.match_indices('\n').nth(1).expect("three lines").0 + 30;
        no_text[third] = 0xff;
        let why = format!("{:#}", read_lines(no_text.as_slice()).expect_err("refused"));
        assert!(why.starts_with("line 3, column"), "{why}");
        let binary = read_lines(&b"\xff\xfe\n"[..]).expect_err("refused");
        assert!(binary.to_string().contains("not an export"), "{binary}");
    }

    #[test]
    fn a_line_end_is_one_in_windows_too() {
        let windows = GOLDEN.replace('\n', "\r\n");
        assert_eq!(read_lines(windows.as_bytes()).expect("reads"), sample());
    }

    #[test]
    fn a_file_that_is_not_there_may_have_been_meant_as_a_registry() {
        let error = read(Path::new("localhost:8081")).expect_err("refused");
        assert!(error.to_string().contains("named by its URL"), "{error}");
        assert!(matches!(error.downcast_ref(), Some(Failure::Usage(_))));
    }

    #[test]
    fn a_file_is_written_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("export.jsonl");
        write(&sample(), &path).expect("writes");
        assert_eq!(fs::read_to_string(&path).expect("reads"), GOLDEN);
        assert_eq!(read(&path).expect("reads"), sample());
        let nowhere = write(&sample(), Path::new("/no/such/place/x")).expect_err("refused");
        assert!(matches!(nowhere.downcast_ref(), Some(Failure::Usage(_))));
    }
}
