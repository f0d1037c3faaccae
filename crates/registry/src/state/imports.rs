//! What a schema refers to, directly or not: gathered within bounds, since all of it is read with the schema each time.

use super::State;
use crate::{
    content::{Content, Imported},
    name,
    record::Reference,
    refusal::Refusal,
};
use std::{collections::HashSet, sync::Arc};

/// Most schemas that one may bring with it, directly or not: what it refers to is read with it each time.
const MAX_IMPORTS: usize = 1_000;

/// Most bytes of their texts, for the same reason; as many as the `contract` crate reads.
const MAX_IMPORTED: usize = contract::source::MAX_IMPORTED_BYTES;

impl State {
    /// What a schema of `subject` refers to, directly or not, each after those that it needs itself.
    ///
    /// # Errors
    /// 42201 for a reference to what is not there, and for too many.
    pub fn imports(
        &self,
        subject: &str,
        references: &[Reference],
    ) -> Result<Vec<Imported>, Refusal> {
        let mut gathered = Gathered::default();
        self.collect(subject, references, &mut gathered, 0)?;
        Ok(gathered.found)
    }

    fn collect(
        &self,
        subject: &str,
        references: &[Reference],
        gathered: &mut Gathered,
        depth: usize,
    ) -> Result<(), Refusal> {
        for reference in references {
            if gathered.names.contains(&reference.name) {
                continue;
            }
            gathered.check(depth)?;
            let holder = name::beside(subject, &reference.subject);
            let (_, version) = self.referenced(&holder, reference.version).ok_or_else(|| {
                Refusal::invalid_schema(format!(
                    "Invalid schema: No schema reference found for subject \"{}\" and version {}",
                    reference.subject, reference.version
                ))
            })?;
            self.collect(&holder, &version.content.references, gathered, depth + 1)?;
            gathered.take(&reference.name, &version.content);
        }
        Ok(())
    }
}

/// What a schema refers to, as far as it has been gathered.
#[derive(Default)]
struct Gathered {
    found: Vec<Imported>,
    names: HashSet<String>,
    bytes: usize,
}

impl Gathered {
    /// Whether there may be one more, so deep.
    fn check(&self, depth: usize) -> Result<(), Refusal> {
        let levels = MAX_IMPORTS / 10;
        if self.found.len() < MAX_IMPORTS && depth < levels && self.bytes <= MAX_IMPORTED {
            return Ok(());
        }
        Err(Refusal::invalid_schema(format!(
            "Invalid schema: more than {MAX_IMPORTS} schemas, {levels} levels of them, or {MAX_IMPORTED} bytes of \
             their texts are referred to"
        )))
    }

    fn take(&mut self, name: &str, content: &Arc<Content>) {
        // a circle ends in an error, so a name is met here once
        self.names.insert(name.to_owned());
        self.bytes += content.text.len();
        self.found.push(Imported {
            name: name.to_owned(),
            content: content.clone(),
        });
    }
}
