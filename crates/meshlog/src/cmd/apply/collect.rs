//! Finding documents: files, directories, and the schema files that contracts name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contract::document::{self, Document};
use contract::files;
use governance::proposal::{Bundle, BundledFile};

use super::adopt::Adoption;
use crate::exit::Failure;

/// File name endings of documents within a directory.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Documents, parsed once here so that mistakes show with line and column before anything is sent.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    /// What is proposed.
    pub(crate) bundle: Bundle,
    /// Each document, in order.
    pub(crate) labels: Vec<Label>,
    /// The topics that contracts among them adopt.
    pub(super) adoptions: Vec<Adoption>,
}

/// What a document is called, and which fact would be about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    /// `Kind name`.
    pub(crate) name: String,
    /// How the subject of its fact starts and ends: `<entity>/…<name>`.
    pub(crate) subject: (&'static str, String),
}

impl Label {
    fn of(document: &Document) -> Self {
        let subject = match document {
            Document::Domain(domain) => ("domain/", format!("/{}", domain.name)),
            Document::Team(team) => ("team/", format!("/{}", team.name)),
            Document::Product(product) => ("product/", format!("/{}", product.name())),
            Document::Contract(odcs) => ("contract/", format!("/{}@{}", odcs.id, odcs.version)),
        };
        Self {
            name: document.label(),
            subject,
        }
    }

    /// Whether a fact is about this document.
    pub(crate) fn is_subject(&self, subject: &str) -> bool {
        subject.starts_with(self.subject.0) && subject.ends_with(&self.subject.1)
    }
}

impl Documents {
    /// Reads files and directories.
    ///
    /// # Errors
    /// [`Failure::Usage`] for what cannot be read; [`Failure::Refused`] with every mistake of every document.
    pub(crate) fn collect(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut documents = Self::default();
        let mut mistakes = Vec::new();
        for (path, text) in find(paths)? {
            let base = path.parent().unwrap_or(Path::new("."));
            let read_schema = |name: &str| {
                let file = base.join(name);
                std::fs::read_to_string(&file).map_err(|error| {
                    format!("the schema file {} cannot be read: {error}", file.display())
                })
            };
            let name = path.display().to_string();
            documents.add(&name, text, read_schema, &mut mistakes);
        }
        if !mistakes.is_empty() {
            let count = mistakes.len();
            let noun = if count == 1 { "mistake" } else { "mistakes" };
            let text = mistakes.join("\n  ");
            let text = format!("{count} {noun}; nothing was sent\n  {text}");
            return Err(Failure::Refused(text));
        }
        if documents.labels.is_empty() {
            return Err(nothing_in(paths));
        }
        Ok(documents)
    }

    /// Adds the documents of one file.
    pub(crate) fn add(
        &mut self,
        name: &str,
        text: String,
        read_schema: impl Fn(&str) -> Result<String, String>,
        mistakes: &mut Vec<String>,
    ) {
        let parsed = match document::parse(name, &text) {
            Ok(parsed) => parsed,
            Err(errors) => {
                mistakes.extend(errors.iter().map(ToString::to_string));
                return;
            }
        };
        let mut files = BTreeMap::new();
        for sourced in &parsed {
            self.labels.push(Label::of(&sourced.document));
            let Document::Contract(odcs) = &sourced.document else {
                continue;
            };
            self.adoptions.extend(Adoption::of(odcs));
            let (found, wrong) = files::collect(odcs, &read_schema);
            files.extend(found);
            let wrong = wrong.into_iter();
            mistakes.extend(wrong.map(|why| format!("{name}:{}: {why}", sourced.line)));
        }
        self.bundle.documents.push(BundledFile {
            name: name.to_owned(),
            text,
            files,
        });
    }
}

/// The files that were named, and the documents of the directories that were.
fn find(paths: &[PathBuf]) -> Result<Vec<(PathBuf, String)>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, &mut files)?;
        } else {
            files.push((path.clone(), read(path)?));
        }
    }
    Ok(files)
}

fn nothing_in(paths: &[PathBuf]) -> Failure {
    let names: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let kinds = "DataContract, DataProduct, Domain, Team";
    let names = names.join(", ");
    Failure::Usage(format!(
        "no document in {names}: expected YAML or JSON with a `kind` ({kinds})"
    ))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))
}

/// Documents of a directory and those below, by name, so that two runs propose the same.
fn walk(dir: &Path, files: &mut Vec<(PathBuf, String)>) -> Result<(), Failure> {
    let unreadable =
        |error: std::io::Error| Failure::Usage(format!("cannot read {}: {error}", dir.display()));
    let entries = std::fs::read_dir(dir).map_err(unreadable)?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    paths.sort();
    for path in paths {
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        if path.is_dir() && !hidden {
            walk(&path, files)?;
        } else if path.is_file() && ENDINGS.contains(&ending) {
            let text = read(&path)?;
            if document::has_kind(&text) {
                files.push((path, text));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn example(domain: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../schemas/examples")
            .join(domain)
    }

    #[test]
    fn a_directory_gives_its_documents_in_order() {
        let documents = Documents::collect(&[example("conversations")]).expect("parses");
        let names: Vec<_> = documents
            .labels
            .iter()
            .map(|label| label.name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "Domain conversations",
                "DataContract conversations-messages@1.0.0",
                "DataProduct messages",
                "Team conversation-platform"
            ]
        );
    }

    #[test]
    fn other_files_are_left_alone_and_schema_files_go_along() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("inner")).expect("made");
        let contract = "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\nschema:\n- name: call\n  authoritativeDefinitions: [{type: implementation, url: call.avsc}]\n";
        fs::write(dir.path().join("inner/c.yml"), contract).expect("written");
        fs::write(dir.path().join("inner/call.avsc"), "\"string\"").expect("written");
        fs::write(dir.path().join("values.yaml"), "a: 1\n").expect("written");
        fs::write(dir.path().join("notes.txt"), "kind: Domain\n").expect("written");
        let documents = Documents::collect(&[dir.path().to_owned()]).expect("parses");
        assert_eq!(documents.bundle.documents.len(), 1);
        assert_eq!(
            documents.bundle.documents[0].files["call.avsc"],
            "\"string\""
        );

        fs::remove_file(dir.path().join("inner/call.avsc")).expect("removed");
        let error = Documents::collect(&[dir.path().to_owned()]).expect_err("missing");
        assert!(
            error.to_string().contains("c.yml:1: the schema file"),
            "{error}"
        );
    }

    #[test]
    fn every_mistake_is_named_before_anything_is_sent() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(
            dir.path().join("a.yaml"),
            "kind: Domain\napiVersion: meshlog/v1\nname: x\n",
        )
        .expect("written");
        fs::write(dir.path().join("b.yaml"), "kind: Policy\n").expect("written");
        let error = Documents::collect(&[dir.path().to_owned()]).expect_err("wrong");
        let text = error.to_string();
        assert!(matches!(error, Failure::Refused(_)));
        assert!(
            text.starts_with("2 mistakes") && text.contains("a.yaml:") && text.contains("b.yaml:1"),
            "{text}"
        );
    }

    #[test]
    fn nothing_to_apply_is_wrong_use() {
        let dir = tempfile::tempdir().expect("a directory");
        let missing = dir.path().join("no.yaml");
        for path in [dir.path().to_owned(), missing] {
            let error = Documents::collect(&[path]).expect_err("nothing");
            assert!(matches!(error, Failure::Usage(_)), "{error}");
        }
    }
}
