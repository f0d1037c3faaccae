//! May a schema follow the versions that a subject has? The comparing itself is the `contract` crate's.

use crate::{
    content::{Content, Imported},
    refusal::Refusal,
    settings::InForce,
    state::{Deleted, State, Version},
};
use contract::{compat, source::Source};

/// How much of an old schema's text a message quotes, in bytes.
const QUOTED: usize = 10 * 1024;

/// What comparing a schema with earlier versions brought out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Why it may not follow them, in the reference's words; empty when it may.
    pub incompatible: Vec<String>,
    /// What the reference passes over though data may be lost by it, with an example where one was found.
    pub warnings: Vec<String>,
}

impl Findings {
    /// Whether the schema may follow.
    pub fn is_compatible(&self) -> bool {
        self.incompatible.is_empty()
    }
}

/// Why `content` may not follow `earlier` (versions of `subject`, oldest first) under what is in force.
///
/// # Errors
/// 42201 when a schema cannot be compared: it refers to what is gone, or an edited log holds what is none.
pub fn against(
    state: &State,
    subject: &str,
    content: &Content,
    earlier: &[(u32, &Version)],
) -> Result<Findings, Refusal> {
    let in_force = InForce::of(state, subject);
    let compared = compared(content, earlier, &in_force);
    if let Some((number, other)) = compared
        .iter()
        .rev()
        .find(|(_, v)| v.content.schema_type != content.schema_type)
    {
        let found = vec!["Incompatible because of different schema type".to_owned()];
        return Ok(Findings {
            incompatible: with_context(found, Some((*number, *other)), &in_force),
            warnings: Vec::new(),
        });
    }
    let mut findings = reserved(state, subject, content, earlier, &in_force)?;
    let (report, warnings) = report(state, subject, content, &compared, &in_force)?;
    let first = report.incompatible.first().map(|first| first.version);
    let other = first.and_then(|number| compared.iter().find(|(n, _)| *n == number).copied());
    findings.extend(
        report
            .incompatible
            .iter()
            .map(|one| one.difference.to_string()),
    );
    Ok(Findings {
        incompatible: with_context(findings, other, &in_force),
        warnings,
    })
}

fn report(
    state: &State,
    subject: &str,
    content: &Content,
    compared: &[(u32, &Version)],
    in_force: &InForce<'_>,
) -> Result<(compat::Report, Vec<String>), Refusal> {
    let imported = state.imports(subject, &content.references)?;
    let mut old = Vec::with_capacity(compared.len());
    for (number, version) in compared {
        let imports = state.imports(subject, &version.content.references)?;
        old.push((*number, version, imports));
    }
    content.ask(&imported, |new| {
        // the sources borrow their lists of imports, so the lists are made before them
        let lists: Vec<_> = old
            .iter()
            .map(|(_, _, imported)| Imported::list(imported))
            .collect();
        let previous: Vec<_> = old
            .iter()
            .zip(&lists)
            .map(|((number, version, _), imports)| compat::Version {
                number: *number,
                schema: Source {
                    ty: new.ty,
                    text: &version.content.text,
                    imports,
                },
            })
            .collect();
        let report =
            compat::check(in_force.level, in_force.policy, new, &previous).map_err(cannot)?;
        let warnings = warnings(&report, new, &previous);
        Ok((report, warnings))
    })?
}

/// Most examples that are searched for, for one answer.
const MOST_WITNESSES: usize = 3;

/// What the reference passes over, each with an example of what is lost by it where one is found.
fn warnings(
    report: &compat::Report,
    new: &Source<'_>,
    previous: &[compat::Version<'_>],
) -> Vec<String> {
    let mut searches = 0;
    let mut warning = |found: &compat::Incompatibility| {
        let old = previous.iter().find(|old| old.number == found.version);
        searches += 1;
        let example = old
            .filter(|_| searches <= MOST_WITNESSES)
            .and_then(|old| compat::witness(found, new, &old.schema));
        let example = example.map(|example| format!("; for example {example}"));
        format!(
            "{} (version {}){}",
            found.difference,
            found.version,
            example.unwrap_or_default()
        )
    };
    report.unjudged.iter().map(&mut warning).collect()
}

/// The metadata property that names fields which no version may have.
const RESERVED_PROPERTY: &str = "confluent:reserved";

/// Fields that metadata reserve must stay reserved and unused, where that is asked for.
fn reserved(
    state: &State,
    subject: &str,
    content: &Content,
    earlier: &[(u32, &Version)],
    in_force: &InForce<'_>,
) -> Result<Vec<String>, Refusal> {
    if !in_force.validate_fields {
        return Ok(Vec::new());
    }
    fn names(content: &Content) -> Vec<&str> {
        let metadata = content.metadata.as_ref();
        let value = metadata.and_then(|metadata| metadata.property(RESERVED_PROPERTY));
        compat::reserved_names(value.unwrap_or_default())
    }
    let latest = earlier.last().map(|(_, version)| &*version.content);
    let names = compat::Reserved {
        old: &latest.map(names).unwrap_or_default(),
        new: &names(content),
    };
    let imported = state.imports(subject, &content.references)?;
    let found = content
        .ask(&imported, |new| compat::reserved(new, names))?
        .map_err(cannot)?;
    Ok(found.iter().map(ToString::to_string).collect())
}

fn cannot(error: contract::schema_error::SchemaError) -> Refusal {
    Refusal::invalid_schema(format!("Cannot compare schemas: {error}"))
}

/// The versions that the level and the group look at: none, the newest, or all.
fn compared<'a>(
    content: &Content,
    earlier: &[(u32, &'a Version)],
    in_force: &InForce<'_>,
) -> Vec<(u32, &'a Version)> {
    let group = |content: &Content| {
        let property = in_force.group?;
        let metadata = content.metadata.as_ref()?;
        metadata.property(property).map(str::to_owned)
    };
    let own = group(content);
    let mut of_group: Vec<_> = earlier
        .iter()
        .filter(|(_, v)| group(&v.content) == own)
        .copied()
        .collect();
    let depth = match (in_force.level.directions(), in_force.level.is_transitive()) {
        ([], _) => 0,
        (_, true) => of_group.len(),
        (_, false) => 1,
    };
    of_group.split_off(of_group.len().saturating_sub(depth))
}

/// Why `content` may not be registered next under `subject`.
///
/// # Errors
/// As [`against`].
pub fn with_subject(state: &State, subject: &str, content: &Content) -> Result<Findings, Refusal> {
    let earlier: Vec<_> = state.versions(subject, Deleted::Hidden).collect();
    against(state, subject, content, &earlier)
}

fn with_context(
    mut texts: Vec<String>,
    other: Option<(u32, &Version)>,
    in_force: &InForce<'_>,
) -> Vec<String> {
    if texts.is_empty() {
        return texts;
    }
    if let Some((number, version)) = other {
        let text = &version.content.text;
        let mut end = text.len().min(QUOTED);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        texts.push(format!("{{oldSchemaVersion: {number}}}"));
        texts.push(format!("{{oldSchema: '{}'}}", &text[..end]));
    }
    texts.push(format!(
        "{{validateFields: '{}', compatibility: '{}'}}",
        in_force.validate_fields, in_force.level
    ));
    texts
}
