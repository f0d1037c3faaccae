//! Documents as authors write them: YAML or JSON, several per file, told apart by `kind`.
//!
//! On the path: `meshlog apply` and the governor both parse with this module, so that what the author sees on the
//! command line is what the governor will say. Not for: deciding anything; see the governance crate.
//!
//! | kind | format | module |
//! |---|---|---|
//! | `DataContract` | ODCS 3.0.x to 3.2.0 | [`odcs`] |
//! | `DataProduct` | Bitol ODPS 1.0.0, 1.1.0 | [`odps`] |
//! | `Domain`, `Team` | `apiVersion: meshlog/v1` | [`own`] |

pub mod odcs;
pub mod odps;
pub mod own;
pub mod personal;

use serde::de::DeserializeOwned;
use std::fmt;

/// Largest document accepted, in bytes: a proposal with its schema files must fit one Kafka record (1 MiB).
pub const MAX_DOCUMENT: usize = 512 * 1024;

/// One document, parsed.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// A domain and the team that owns it.
    Domain(own::Domain),
    /// A team and its members.
    Team(own::Team),
    /// A data product with its ports.
    Product(Box<odps::Product>),
    /// A data contract.
    Contract(Box<odcs::Odcs>),
}

impl Document {
    /// `Kind name`, as messages call the document.
    pub fn label(&self) -> String {
        match self {
            Document::Domain(domain) => format!("Domain {}", domain.name),
            Document::Team(team) => format!("Team {}", team.name),
            Document::Product(product) => format!("DataProduct {}", product.name()),
            Document::Contract(odcs) => format!("DataContract {}@{}", odcs.id, odcs.version),
        }
    }
}

/// A document with the text it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Sourced {
    /// What it says.
    pub document: Document,
    /// The text as written, byte for byte.
    pub text: String,
    /// The line of its first character within the file, from 1.
    pub line: u64,
}

/// A text is not a document that Meshlog knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError {
    /// File or other name of the source.
    pub source: String,
    /// Line in the source, from 1, where known.
    pub line: Option<u64>,
    /// Column, from 1, where known.
    pub column: Option<u64>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl std::error::Error for DocumentError {}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        write!(f, ": {}", self.message)
    }
}

#[derive(serde::Deserialize)]
struct Head {
    kind: Option<String>,
    #[serde(rename = "apiVersion")]
    api_version: Option<String>,
}

/// Parse every document of a source.
///
/// # Errors
/// All errors of all documents, with line and column where the parser knows them.
pub fn parse(source: &str, text: &str) -> Result<Vec<Sourced>, Vec<DocumentError>> {
    let mut documents = Vec::new();
    let mut errors = Vec::new();
    for piece in split(text) {
        match parse_one(source, piece) {
            Ok(Some(document)) => documents.push(document),
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(documents)
    } else {
        Err(errors)
    }
}

/// Whether a file found in a directory is ours to read: it has a document with a `kind`.
///
/// A file that is no YAML at all counts as ours, so that a broken document is reported, not skipped.
pub fn has_kind(text: &str) -> bool {
    split(text).iter().any(|piece| {
        let head: Result<Head, _> = from_yaml(piece.text);
        match head {
            Ok(head) => head.kind.is_some(),
            Err(_) => piece.text.lines().any(|line| line.starts_with("kind:")),
        }
    })
}

#[derive(Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    first_line: u64,
}

/// Cut a stream at its `---` lines: a marker in column 0 ends a document wherever it stands (YAML 1.2, 9.1.2).
fn split(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut start, mut first_line, mut offset) = (0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marker = line.trim_end();
        if marker == "---" || marker.starts_with("--- ") {
            pieces.push(Piece {
                text: &text[start..offset],
                first_line,
            });
            start = offset;
            first_line = number as u64 + 1;
        }
        offset += line.len();
    }
    pieces.push(Piece {
        text: &text[start..],
        first_line,
    });
    pieces.retain(|piece| !is_blank(piece.text));
    pieces
}

fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
    })
}

fn parse_one(source: &str, piece: Piece<'_>) -> Result<Option<Sourced>, DocumentError> {
    let fail = |message: String| DocumentError {
        source: source.to_owned(),
        line: Some(piece.first_line),
        column: None,
        message,
    };
    if piece.text.len() > MAX_DOCUMENT {
        let size = piece.text.len();
        return Err(fail(format!(
            "the document has {size} bytes; at most {MAX_DOCUMENT} fit"
        )));
    }
    let head: Head = yaml(source, piece)?;
    let api_version = head.api_version.unwrap_or_default();
    let document = match head.kind.as_deref() {
        Some("Domain") => Document::Domain(ours(source, piece, &api_version)?),
        Some("Team") => Document::Team(ours(source, piece, &api_version)?),
        Some("DataProduct") => {
            let product: odps::Product = yaml(source, piece)?;
            odps::check_version(&api_version).map_err(fail)?;
            Document::Product(Box::new(product))
        }
        Some("DataContract") => {
            let odcs: odcs::Odcs = yaml(source, piece)?;
            odcs::check_version(&api_version).map_err(fail)?;
            Document::Contract(Box::new(odcs))
        }
        Some(other) => {
            let known = "DataContract, DataProduct, Domain, Team";
            return Err(fail(format!(
                "kind `{other}` is not known; expected one of {known}"
            )));
        }
        None => {
            let known = "DataContract, DataProduct, Domain, Team";
            return Err(fail(format!(
                "the document has no `kind`; expected one of {known}"
            )));
        }
    };
    Ok(Some(Sourced {
        document,
        text: piece.text.to_owned(),
        line: piece.first_line,
    }))
}

fn ours<T: DeserializeOwned>(
    source: &str,
    piece: Piece<'_>,
    api_version: &str,
) -> Result<T, DocumentError> {
    if api_version != own::API_VERSION {
        return Err(DocumentError {
            source: source.to_owned(),
            line: Some(piece.first_line),
            column: None,
            message: format!(
                "apiVersion is `{api_version}`; expected `{}`",
                own::API_VERSION
            ),
        });
    }
    yaml(source, piece)
}

fn yaml<T: DeserializeOwned>(source: &str, piece: Piece<'_>) -> Result<T, DocumentError> {
    from_yaml(piece.text).map_err(|error| {
        let location = error.location();
        DocumentError {
            source: source.to_owned(),
            line: location.map(|at| at.line() + piece.first_line - 1),
            column: location.map(|at| at.column()),
            message: first_line(&error.without_snippet().to_string()),
        }
    })
}

/// The parser repeats the position and a picture of the source after its first line.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line = line.split(" at line ").next().unwrap_or(line);
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// Read YAML as its version 1.2 has it: `NO` is a country and `n` a name, not "false". A document that needs the older
/// booleans (`required: yes`) is read with them.
pub(crate) fn from_yaml<T: serde::de::DeserializeOwned>(
    text: &str,
) -> Result<T, serde_saphyr::Error> {
    let strict = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, strict)
        .or_else(|error| serde_saphyr::from_str(text).map_err(|_| error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "# team first\napiVersion: meshlog/v1\nkind: Team\nname: crew\nmembers: []\n---\napiVersion: meshlog/v1\nkind: Domain\nname: flights\nowner: crew\n";

    #[test]
    fn several_documents_in_a_file_keep_their_text() {
        let documents = parse("mesh.yaml", TWO).expect("parses");
        let labels: Vec<_> = documents.iter().map(|d| d.document.label()).collect();
        assert_eq!(labels, ["Team crew", "Domain flights"]);
        let joined: String = documents.iter().map(|d| d.text.as_str()).collect();
        assert_eq!(joined, TWO);
        assert_eq!(documents[1].line, 6);
    }

    #[test]
    fn errors_say_line_and_column_of_the_file() {
        let broken = format!("{TWO}---\napiVersion: meshlog/v1\nkind: Domain\nname: [x\n");
        let errors = parse("mesh.yaml", &broken).expect_err("broken");
        assert_eq!(errors.len(), 1);
        assert!(errors[0].line.is_some_and(|line| line >= 13), "{errors:?}");

        let typo = "apiVersion: meshlog/v1\nkind: Domain\nname: flights\nowner: crew\nowners: x\n";
        let errors = parse("d.yaml", typo).expect_err("unknown field");
        assert_eq!(errors[0].line, Some(5), "{errors:?}");
        assert!(
            errors[0].to_string().starts_with("d.yaml:5:1: "),
            "{}",
            errors[0]
        );
        assert!(errors[0].message.contains("owners"), "{errors:?}");
    }

    #[test]
    fn json_is_a_document_too() {
        let text = r#"{"apiVersion":"meshlog/v1","kind":"Domain","name":"flights","owner":"crew"}"#;
        assert_eq!(parse("d.json", text).expect("parses").len(), 1);
    }

    #[test]
    fn unknown_kinds_and_versions_are_named() {
        let errors = parse("x", "kind: Policy\n").expect_err("unknown");
        assert!(errors[0].message.contains("`Policy`"));
        let errors = parse("x", "kind: Team\napiVersion: v2\nname: a\n").expect_err("version");
        assert!(errors[0].message.contains("meshlog/v1"));
        let text =
            "kind: DataContract\napiVersion: v2.2.2\nid: a\nversion: 1.0.0\nstatus: active\n";
        assert!(
            parse("x", text).expect_err("old")[0]
                .message
                .contains("3.0")
        );
    }

    #[test]
    fn only_files_with_a_kind_are_ours() {
        assert!(has_kind(TWO));
        assert!(!has_kind("a: 1\n"));
        assert!(has_kind("kind: Domain\nname: [\n"));
    }
}
