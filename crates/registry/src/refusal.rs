//! The answer "no", as every Confluent client knows it: an error code and a message, nothing else.
//!
//! Codes and texts are those of Confluent Schema Registry 8.1.1: clients branch on code and status, and some
//! suites on the text. Unknown members in the body broke clients (Apicurio #1081), so there are exactly two.

use serde::{Deserialize, Serialize};

/// A refusal or a failure: `{"error_code": …, "message": "…"}`, as answered over HTTP and stored in replies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} (error code {error_code})")]
pub struct Refusal {
    /// Confluent's code; its first three digits are the HTTP status.
    pub error_code: u32,
    /// What is wrong, for a person.
    pub message: String,
}

/// Longest message, in bytes. It quotes what a client sent, and tells every difference of two schemas; escaped it must
/// still fit the record that carries the reply. Far above the 10 KiB of an old schema that it quotes.
const MAX_MESSAGE: usize = 64 * 1024;

/// The start of a message that is too long.
fn clipped(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        let mut end = MAX_MESSAGE;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push('…');
    }
    message
}

impl Refusal {
    fn new(error_code: u32, message: impl Into<String>) -> Self {
        Self {
            error_code,
            message: clipped(message.into()),
        }
    }

    /// The HTTP status: the first three digits of the code.
    pub fn status(&self) -> u16 {
        let digits = if self.error_code >= 10_000 {
            self.error_code / 100
        } else {
            self.error_code
        };
        u16::try_from(digits).unwrap_or(500)
    }

    /// An HTTP error of the router itself, such as 404 or 406.
    pub fn plain(status: u16, reason: &str) -> Self {
        Self::new(u32::from(status), format!("HTTP {status} {reason}"))
    }

    /// 400: the body is not JSON or not of the shape asked for.
    pub fn bad_body(why: impl Into<String>) -> Self {
        Self::new(400, why)
    }

    /// 40401.
    pub fn subject_not_found(subject: &str) -> Self {
        Self::new(40401, format!("Subject '{subject}' not found."))
    }

    /// 40402.
    pub fn version_not_found(version: u32) -> Self {
        Self::new(40402, format!("Version {version} not found."))
    }

    /// 40403, by content.
    pub fn schema_not_found() -> Self {
        Self::new(40403, "Schema not found")
    }

    /// 40403, by id or GUID.
    pub fn id_not_found(id: &str) -> Self {
        Self::new(40403, format!("Schema {id} not found"))
    }

    /// 40404.
    pub fn subject_soft_deleted(subject: &str) -> Self {
        Self::new(
            40404,
            format!(
                "Subject '{subject}' was soft deleted.Set permanent=true to delete permanently"
            ),
        )
    }

    /// 40405.
    pub fn subject_not_soft_deleted(subject: &str) -> Self {
        Self::new(
            40405,
            format!("Subject '{subject}' was not deleted first before being permanently deleted"),
        )
    }

    /// 40406.
    pub fn version_soft_deleted(subject: &str, version: u32) -> Self {
        Self::new(
            40406,
            format!(
                "Subject '{subject}' Version {version} was soft deleted.Set permanent=true to delete permanently"
            ),
        )
    }

    /// 40407.
    pub fn version_not_soft_deleted(subject: &str, version: u32) -> Self {
        Self::new(
            40407,
            format!(
                "Subject '{subject}' Version {version} was not deleted first before being permanently deleted"
            ),
        )
    }

    /// 40408.
    pub fn no_subject_config(subject: &str) -> Self {
        Self::new(
            40408,
            format!("Subject '{subject}' does not have subject-level compatibility configured"),
        )
    }

    /// 40409.
    pub fn no_subject_mode(subject: &str) -> Self {
        Self::new(
            40409,
            format!("Subject '{subject}' does not have subject-level mode configured"),
        )
    }

    /// 409: incompatible with an earlier version (40901 only from 8.2.0 on).
    pub fn incompatible(subject: &str, details: &[String]) -> Self {
        Self::new(
            409,
            format!(
                "Schema being registered is incompatible with an earlier schema for subject \"{subject}\", \
                 details: [{}]",
                details.join(", ")
            ),
        )
    }

    /// 42201.
    pub fn invalid_schema(why: impl Into<String>) -> Self {
        Self::new(42201, why)
    }

    /// 42202.
    pub fn invalid_version(version: &str) -> Self {
        Self::new(
            42202,
            format!(
                "The specified version '{version}' is not a valid version id. Allowed values are between \
                 [1, 2^31-1] and the string \"latest\""
            ),
        )
    }

    /// 42203.
    pub fn invalid_level() -> Self {
        Self::new(
            42203,
            "Invalid compatibility level. Valid values are none, backward, forward, full, \
             backward_transitive, forward_transitive, and full_transitive",
        )
    }

    /// 42205: the operation is not permitted.
    pub fn not_permitted(why: impl Into<String>) -> Self {
        Self::new(42205, why)
    }

    /// 42205: a write to a subject that belongs to a port's contract. It names the way that is open.
    pub fn owned_by_port(subject: &str, port: &str) -> Self {
        Self::not_permitted(format!(
            "Subject '{subject}' belongs to port {port}: its schemas and settings follow the port's data \
             contract. Propose a new contract version with `meshlog apply`."
        ))
    }

    /// 42206.
    pub fn referenced(subject: &str, version: u32) -> Self {
        Self::new(
            42206,
            format!(
                "One or more references exist to the schema \
                 {{magic=1,keytype=SCHEMA,subject={subject},version={version}}}."
            ),
        )
    }

    /// 42208.
    pub fn invalid_subject(subject: &str) -> Self {
        Self::new(
            42208,
            format!("The specified subject '{subject}' is not a valid."),
        )
    }

    /// 42209.
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            42209,
            format!("Schema is too large: the limit is {limit} bytes"),
        )
    }

    /// 42203, for a policy.
    pub fn invalid_policy() -> Self {
        Self::new(
            42203,
            "Invalid compatibility policy. Valid values are strict, lenient and logical",
        )
    }

    /// 42204.
    pub fn invalid_mode() -> Self {
        Self::new(
            42204,
            "Invalid mode. Valid values are READWRITE, READONLY, IMPORT and FORWARD.",
        )
    }

    /// 42210.
    pub fn invalid_rules(why: String) -> Self {
        Self::new(42210, format!("Invalid ruleSet: {why}"))
    }

    /// 42211.
    pub fn context_not_empty(context: &str) -> Self {
        Self::new(
            42211,
            format!("The specified context '{context}' is not empty."),
        )
    }

    /// 422: what a path names cannot be a context.
    pub fn invalid_context(given: &str) -> Self {
        Self::new(
            422,
            format!(
                "Invalid context name '{given}': letters, digits, '.', '-' and '_' are allowed"
            ),
        )
    }

    /// 400: schemas cannot be in the context that holds settings only.
    pub fn global_context() -> Self {
        Self::new(
            400,
            "The context '.__GLOBAL' holds settings for all contexts; it has no subjects",
        )
    }

    /// 50001: the log cannot be read or written now.
    pub fn store(why: impl Into<String>) -> Self {
        Self::new(50001, why)
    }

    /// 50001: the registry itself is at fault, and its log says how.
    pub fn defect() -> Self {
        Self::new(50001, "Error in the schema registry: see its log")
    }

    /// 50002: no answer in time. The write may still happen: registering again is safe.
    pub fn timeout(why: impl Into<String>) -> Self {
        Self::new(50002, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_the_first_three_digits() {
        assert_eq!(Refusal::subject_not_found("s").status(), 404);
        assert_eq!(Refusal::incompatible("s", &[]).status(), 409);
        assert_eq!(Refusal::timeout("").status(), 500);
        assert_eq!(Refusal::plain(406, "Not Acceptable").status(), 406);
    }

    #[test]
    fn a_message_fits_a_record_whatever_it_quotes() {
        let details = vec!["\u{1}é".repeat(1_000_000)];
        let body =
            serde_json::to_string(&Refusal::incompatible("s", &details)).expect("serializes");
        assert!(body.len() < 1_000_000, "{}", body.len());
        assert!(body.contains("subject \\\"s\\\"") && body.contains('…'));
    }

    #[test]
    fn body_has_exactly_two_members() {
        let body = serde_json::to_string(&Refusal::subject_not_found("a")).expect("serializes");
        assert_eq!(
            body,
            r#"{"error_code":40401,"message":"Subject 'a' not found."}"#
        );
    }
}
