//! The demo's documents, part of the binary: it needs no clone of the repository.

use crate::cmd::Documents;

macro_rules! examples {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../schemas/examples/", $name)))),*]
    };
}

/// Three domains with teams, products and contracts.
const DOMAINS: &[(&str, &str)] = examples![
    "conversations/domain.yaml",
    "conversations/team.yaml",
    "conversations/messages.odcs.yaml",
    "conversations/messages.odps.yaml",
    "billing/domain.yaml",
    "billing/team.yaml",
    "billing/usage.odcs.yaml",
    "billing/usage.odps.yaml",
    "ai/domain.yaml",
    "ai/team.yaml",
    "ai/model-performance.odcs.yaml",
    "ai/model-performance.odps.yaml",
];

/// A change that consumers could not follow.
const REFUSED: &[(&str, &str)] = examples!["refused/conversations-messages-1.1.0.odcs.yaml"];

/// The three domains.
pub(super) fn domains() -> Documents {
    collect(DOMAINS)
}

/// The change that will be refused.
pub(super) fn refused() -> Documents {
    collect(REFUSED)
}

fn collect(files: &[(&str, &str)]) -> Documents {
    let mut documents = Documents::default();
    let mut mistakes = Vec::new();
    for (name, text) in files {
        let no_file = |name: &str| Err(format!("{name} is not part of the demo"));
        documents.add(name, (*text).to_owned(), no_file, &mut mistakes);
    }
    debug_assert_eq!(mistakes, Vec::<String>::new());
    documents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_documents_parse() {
        assert_eq!(domains().labels.len(), 12);
        assert_eq!(refused().labels.len(), 1);
    }
}
