//! The example documents under names that nobody else uses.

use crate::broker::unique;
use crate::root;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A domain of the examples, renamed, in a folder of its own.
#[derive(Debug)]
pub struct Domain {
    /// Its name.
    pub name: String,
    dir: TempDir,
}

impl Domain {
    /// The flights domain under a new name.
    pub fn flights() -> Self {
        Self::example("flights")
    }

    /// The domain of a folder of examples under a new name.
    pub fn example(folder: &str) -> Self {
        let name = unique(folder);
        let dir = tempfile::tempdir().expect("a temporary directory");
        for folder in ["documents", "changed"] {
            fs::create_dir(dir.path().join(folder)).expect("a directory can be made");
        }
        let examples = root().join("schemas/examples").join(folder);
        for entry in fs::read_dir(examples).expect("the examples are there") {
            let path = entry.expect("a directory entry").path();
            let text = fs::read_to_string(&path).expect("an example is text");
            let file = path.file_name().expect("a file has a name");
            fs::write(
                dir.path().join("documents").join(file),
                text.replace(folder, &name),
            )
            .expect("writes");
        }
        Self { name, dir }
    }

    /// The folder of documents.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().join("documents")
    }

    /// A folder for whatever else a test writes; it goes with the domain.
    pub fn scratch(&self) -> PathBuf {
        self.dir.path().join("changed")
    }

    /// The text of one of its documents.
    pub fn text(&self, file: &str) -> String {
        fs::read_to_string(self.dir().join(file)).expect("the document is there")
    }

    /// The address of the port `events` of a product, as `departures`.
    pub fn port(&self, product: &str) -> String {
        self.port_named(product, "events")
    }

    /// The address of a port.
    pub fn port_named(&self, product: &str, port: &str) -> String {
        format!("{}.{product}.{port}.v1", self.name)
    }

    /// A document changed: each pair's first text, which must be there, becomes its second. In a file beside the folder
    /// that is applied as a whole.
    #[track_caller]
    pub fn changed(&self, file: &str, changes: &[(&str, &str)]) -> PathBuf {
        let mut text = self.text(file);
        for (from, to) in changes {
            assert!(text.contains(from), "{file} does not hold `{from}`");
            text = text.replacen(from, to, 1);
        }
        let path = self.scratch().join(format!("{}-{file}", unique("doc")));
        fs::write(&path, text).expect("writes");
        path
    }
}
