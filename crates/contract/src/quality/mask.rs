//! Classified fields: their values never stand in a reason.

use super::path::Path;
use crate::spec::Field;
use crate::verdict::{Code, Reason};

/// Classifications that anybody in the mesh may read; every other one is masked.
const OPEN: [&str; 2] = ["public", "internal"];

/// What stands for a masked value.
pub(super) const MASKED: &str = "(masked: the field is classified)";

/// The classified fields of a contract.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    paths: Vec<Path>,
    /// The key is made of a classified field.
    key: bool,
}

impl Mask {
    /// Mask the fields of these paths; `key` are the properties that the key is made of.
    pub fn new(classified: &[String], key: &[String]) -> Self {
        Self {
            paths: classified.iter().map(|path| Path::parse(path)).collect(),
            key: key.iter().any(|property| classified.contains(property)),
        }
    }

    /// The paths of the fields whose values are masked.
    pub fn classified(fields: &[Field]) -> Vec<String> {
        let masked = fields.iter().filter(|field| {
            let class = field.classification.as_deref().map(str::trim);
            class.is_some_and(|class| {
                !class.is_empty() && !OPEN.iter().any(|open| open.eq_ignore_ascii_case(class))
            })
        });
        masked.map(|field| field.path.clone()).collect()
    }

    /// Whether nothing is masked.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Whether what stands at this JSON Pointer must not be shown.
    pub fn covers(&self, pointer: &str) -> bool {
        self.paths.iter().any(|path| path.touches(pointer))
    }

    /// Take what must not be shown out of the reasons.
    pub fn apply(&self, reasons: &mut [Reason]) {
        if self.is_empty() {
            return;
        }
        for reason in reasons {
            let hidden = match reason.code {
                // A key under a schema of its own may hold any field.
                Code::Key => self.key || reason.path.starts_with("key"),
                Code::WrongType | Code::OutOfBounds | Code::LogicalType => {
                    self.covers(&reason.path)
                }
                // A rule over the event as a whole masks what it shows, member by member.
                Code::RuleBroken => !reason.path.is_empty() && self.covers(&reason.path),
                // It may be a classified field whose name was mistyped.
                Code::Undeclared => true,
                // These show nothing of what the event holds.
                Code::NotFramed
                | Code::UnknownSchemaId
                | Code::Undecodable
                | Code::TrailingBytes
                | Code::NotJson
                | Code::Missing
                | Code::Tombstone
                | Code::Empty
                | Code::Header
                | Code::CloudEvent
                | Code::TooComplex
                | Code::Internal
                | Code::TooLarge
                | Code::RuleFailed
                | Code::Unreadable => false,
            };
            if hidden {
                MASKED.clone_into(&mut reason.found);
            }
        }
    }
}
