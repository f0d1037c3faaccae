//! A schema with every file that it imports, directly or not, each after those that it needs itself.

use super::ast::File;
use super::parser::check_limit;
use super::{bundle, read};
use crate::schema_error::SchemaError;
use crate::source::{Import, Source};
use std::collections::BTreeMap;

/// Most files that one schema may import, directly or not: far beyond any real one, and checked within a second.
const MAX_FILES: usize = 1_000;

/// What the schema itself is called among its files; the reference calls it so in its descriptors.
const MAIN: &str = "default";

/// Where a file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin<'a> {
    /// Given as a text, with the schema or as the schema.
    Given(&'a str),
    /// One of those that every registry knows.
    Bundled,
}

/// One file.
#[derive(Debug)]
pub(crate) struct LoadedFile<'a> {
    pub(crate) name: String,
    pub(crate) origin: Origin<'a>,
    pub(crate) file: File,
}

/// A schema's files; the schema itself is the last.
#[derive(Debug)]
pub(crate) struct Loaded<'a> {
    pub(crate) files: Vec<LoadedFile<'a>>,
}

impl Loaded<'_> {
    /// The schema itself.
    pub(crate) fn main(&self) -> &File {
        &self
            .files
            .last()
            .expect("the schema is among its files")
            .file
    }

    /// The schema itself, to be changed.
    pub(crate) fn main_mut(&mut self) -> &mut File {
        let main = self.files.last_mut();
        &mut main.expect("the schema is among its files").file
    }
}

/// Load a schema and what it imports.
///
/// # Errors
/// [`SchemaError`] when one is not a schema's text, is missing, or imports itself in the end.
pub(crate) fn load<'a>(text: &'a str, imports: &[Import<'a>]) -> Result<Loaded<'a>, SchemaError> {
    check_limit(imports.len(), MAX_FILES, "imports")?;
    Source::check_imports(imports)?;
    let mut name = MAIN.to_owned();
    while imports.iter().any(|import| import.name == name) {
        name.push('_');
    }
    let mut loader = Loader {
        given: imports
            .iter()
            .map(|import| (import.name, import.text))
            .collect(),
        seen: BTreeMap::new(),
        open: Vec::new(),
        files: Vec::new(),
    };
    let file = read(text)?;
    if file == File::default() {
        return Err(SchemaError::invalid("", "the text declares nothing"));
    }
    let main = LoadedFile {
        name,
        origin: Origin::Given(text),
        file,
    };
    loader.run(main)?;
    Ok(Loaded {
        files: loader.files,
    })
}

struct Loader<'a> {
    given: BTreeMap<&'a str, &'a str>,
    /// Whether a file is still open, waiting for its imports.
    seen: BTreeMap<String, bool>,
    /// Files whose imports are being loaded, each imported by the one before it, with those still to come.
    open: Vec<(LoadedFile<'a>, Vec<String>)>,
    files: Vec<LoadedFile<'a>>,
}

impl<'a> Loader<'a> {
    fn run(&mut self, main: LoadedFile<'a>) -> Result<(), SchemaError> {
        self.enter(main)?;
        while let Some((file, waiting)) = self.open.last_mut() {
            let Some(import) = waiting.pop() else {
                self.seen.insert(file.name.clone(), false);
                if let Some((done, _)) = self.open.pop() {
                    self.files.push(done);
                }
                continue;
            };
            match self.seen.get(&import) {
                Some(false) => {}
                Some(true) => return Err(self.cycle(&import)),
                None => {
                    let file = self.find(import)?;
                    self.enter(file)?;
                }
            }
        }
        Ok(())
    }

    fn enter(&mut self, file: LoadedFile<'a>) -> Result<(), SchemaError> {
        check_limit(self.seen.len(), MAX_FILES, "imported files")?;
        self.seen.insert(file.name.clone(), true);
        // Taken from the end: in the order of the text.
        let mut waiting: Vec<String> = file.file.all_imports().cloned().collect();
        waiting.reverse();
        self.open.push((file, waiting));
        Ok(())
    }

    fn find(&self, name: String) -> Result<LoadedFile<'a>, SchemaError> {
        let found = match self.given.get(&*name) {
            Some(text) => {
                let file = read(text).map_err(|error| within(&name, error))?;
                Some((Origin::Given(text), file))
            }
            None => bundle::file(&name)?.map(|file| (Origin::Bundled, file)),
        };
        let Some((origin, file)) = found else {
            let by = self.open.last().map_or("", |(file, _)| file.name.as_str());
            let by = if self.open.len() > 1 {
                format!(" by `{by}`")
            } else {
                String::new()
            };
            return Err(SchemaError::Invalid {
                path: format!("import \"{name}\""),
                problem: format!("the file `{name}`, imported{by}, is not among the references"),
            });
        };
        Ok(LoadedFile { name, origin, file })
    }

    fn cycle(&self, import: &str) -> SchemaError {
        let names = self.open.iter().map(|(file, _)| file.name.as_str());
        let mut cycle: Vec<&str> = names.skip_while(|name| *name != import).collect();
        cycle.push(import);
        SchemaError::Invalid {
            path: format!("import \"{import}\""),
            problem: format!("the file imports itself: {}", cycle.join(" -> ")),
        }
    }
}

/// An error of an imported file says which.
pub(super) fn within(name: &str, error: SchemaError) -> SchemaError {
    match error {
        SchemaError::Invalid { path, problem } => SchemaError::Invalid {
            path: format!("{path} of `{name}`"),
            problem,
        },
        SchemaError::NotJson { .. } | SchemaError::TooLarge { .. } => error,
    }
}
