//! The files that a contract names: the schema of its events, that of its keys, and what those import.
//!
//! On the way from an author's directory to a proposal, and from a stored contract to its schemas. Reading is the
//! caller's. Paths are relative to the document, with `/`; a Protobuf file's imports are looked for in the directory of
//! the file that the contract names, as `protoc -I` does, whichever file of them imports.

use crate::document::odcs::Odcs;
use crate::protobuf;
use crate::source::Imported;
use std::collections::{BTreeMap, BTreeSet};

/// Most files that one contract may have.
const MAX_FILES: usize = 200;

/// Read every file that a contract needs, each once; what is wrong with any of them comes beside them.
///
/// `read` is given paths relative to the document that stay within its directory.
pub fn collect(
    odcs: &Odcs,
    read: impl Fn(&str) -> Result<String, String>,
) -> (BTreeMap<String, String>, Vec<String>) {
    let mut files = BTreeMap::new();
    let mut errors = Vec::new();
    for named in [odcs.implementation(), odcs.key_schema()] {
        let Some(named) = named else { continue };
        let mut open = vec![(named.to_owned(), None)];
        while let Some((path, by)) = open.pop() {
            if files.contains_key(&path) {
                continue;
            }
            match checked(&path, by.as_deref(), files.len()).and_then(|()| read(&path)) {
                Ok(text) => {
                    let imports = imported(&path, &text).into_iter().rev();
                    open.extend(imports.map(|name| (beside(named, &name), Some(path.clone()))));
                    files.insert(path, text);
                }
                Err(why) => errors.push(why),
            }
        }
    }
    (files, errors)
}

/// What the schema file at `path` imports, directly or not, each after those that it needs itself.
///
/// # Errors
/// The imports whose files are not there, or lie elsewhere.
pub(crate) fn imports(
    path: &str,
    files: &BTreeMap<String, String>,
) -> Result<Vec<Imported>, Vec<String>> {
    let mut search = Search {
        root: path,
        files,
        seen: BTreeSet::new(),
        found: Vec::new(),
        errors: Vec::new(),
    };
    if let Some(text) = files.get(path) {
        search.within(path, text);
    }
    if search.errors.is_empty() {
        Ok(search.found)
    } else {
        Err(search.errors)
    }
}

/// A search in depth, bounded by the number of files.
struct Search<'a> {
    root: &'a str,
    files: &'a BTreeMap<String, String>,
    seen: BTreeSet<String>,
    found: Vec<Imported>,
    errors: Vec<String>,
}

impl Search<'_> {
    fn within(&mut self, path: &str, text: &str) {
        for name in imported(path, text) {
            if !self.seen.insert(name.clone()) {
                continue;
            }
            let file = beside(self.root, &name);
            if let Err(why) = checked(&file, Some(path), self.found.len()) {
                self.errors.push(why);
                continue;
            }
            let Some(text) = self.files.get(&file) else {
                let why = format!("the file `{file}`, imported by `{path}`, is not there");
                self.errors.push(why);
                continue;
            };
            self.within(&file, text);
            let text = text.clone();
            self.found.push(Imported { name, file, text });
        }
    }
}

/// The imports of a file that do not come with every registry; none of a file that does not parse, which is told where
/// it is compiled.
fn imported(path: &str, text: &str) -> Vec<String> {
    if !path.ends_with(".proto") {
        return Vec::new();
    }
    let mut names = protobuf::imports(text).unwrap_or_default();
    names.retain(|name| !protobuf::is_bundled(name));
    names
}

fn beside(path: &str, name: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{name}"),
        None => name.to_owned(),
    }
}

fn checked(path: &str, by: Option<&str>, files: usize) -> Result<(), String> {
    let climbs = path.split('/').any(|step| matches!(step, "" | "." | ".."));
    let by = by.map_or(String::new(), |by| format!(", imported by `{by}`,"));
    if climbs || path.contains(['\\', ':']) {
        return Err(format!(
            "the schema file `{path}`{by} is not within the document's directory: name it by a relative path with \
             `/`, without `..`"
        ));
    }
    if files >= MAX_FILES {
        return Err(format!("a contract has at most {MAX_FILES} schema files"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(implementation: &str) -> Odcs {
        let text = format!(
            "id: c\nversion: 1.0.0\nstatus: active\nauthoritativeDefinitions: [{{type: implementation, url: {implementation}}}]\ncustomProperties: [{{property: meshlog.keySchema, value: key.avsc}}]\n"
        );
        serde_saphyr::from_str(&text).expect("parses")
    }

    fn read(path: &str) -> Result<String, String> {
        let file = |imports: &[&str]| {
            let imports = imports.iter().map(|name| format!("import \"{name}\";\n"));
            let imports: String = imports.collect();
            Ok(format!("syntax = \"proto3\";\n{imports}message M {{}}"))
        };
        match path {
            "p/order.proto" => file(&[
                "common/money.proto",
                "google/protobuf/timestamp.proto",
                "line.proto",
            ]),
            "p/line.proto" => file(&["common/money.proto"]),
            "p/common/money.proto" => file(&["common/code.proto"]),
            "p/common/code.proto" => file(&[]),
            "p/climbing.proto" => file(&["../../etc/passwd"]),
            "p/absolute.proto" => file(&["/etc/passwd"]),
            "p/loop.proto" => file(&["loop.proto", "gone.proto"]),
            "key.avsc" => Ok("\"string\"".to_owned()),
            other => Err(format!("no file {other}")),
        }
    }

    #[test]
    fn every_file_is_read_once_and_imports_come_before_what_needs_them() {
        let (files, errors) = collect(&contract("p/order.proto"), read);
        assert_eq!(errors, Vec::<String>::new());
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        let all = [
            "key.avsc",
            "p/common/code.proto",
            "p/common/money.proto",
            "p/line.proto",
            "p/order.proto",
        ];
        assert_eq!(names, all);
        let found = imports("p/order.proto", &files).expect("all there");
        let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(
            names,
            ["common/code.proto", "common/money.proto", "line.proto"]
        );
    }

    #[test]
    fn files_outside_of_the_directory_are_not_read() {
        let only_inside = |path: &str| {
            assert!(!path.contains("etc"), "asked for {path}");
            read(path)
        };
        for named in [
            "p/climbing.proto",
            "p/absolute.proto",
            "/etc/passwd",
            "../etc/x.proto",
            "c:x.proto",
        ] {
            let (_, errors) = collect(&contract(named), only_inside);
            assert!(
                errors[0].contains("not within the document's directory"),
                "{named}: {errors:?}"
            );
        }
        let (files, errors) = collect(&contract("p/loop.proto"), read);
        assert_eq!(errors, ["no file p/gone.proto"]);
        let missing = imports("p/loop.proto", &files).expect_err("not there");
        assert_eq!(
            missing,
            ["the file `p/gone.proto`, imported by `p/loop.proto`, is not there"]
        );
    }
}
