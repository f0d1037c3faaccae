//! People: opaque ids in facts, names and addresses behind them in `mesh.people`, erasable (decision 14).
//!
//! A personal value in a stored document becomes `person:<commitment>`, commitment = SHA-256(salt ‖ value); salt and
//! value live under that commitment in `mesh.people`. Once they are erased there, the log still verifies and nobody can
//! tell the value, not even by trying likely ones: the salt is gone too.
//!
//! Salts and person ids must come out the same when an aborted attempt is decided again, so they are made of a secret
//! of the mesh (in `mesh.people` as well) and the request, by HMAC-SHA-256.

use crate::fact::{Hash, hex};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::document::personal::{self, PersonalSpan};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What stands in a stored document in place of a personal value starts with this.
pub const TOKEN: &str = "person:";

/// Key of the mesh's secret in `mesh.people`.
pub const SECRET_KEY: &str = "secret";

/// A record of `mesh.people`, versioned JSON. Key: `secret`, `person/<id>` or `span/<commitment>`.
///
/// On disk since v0.1. Add a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// The mesh's secret, 32 bytes, base64.
    Secret {
        /// Version of this shape: 1.
        v: u32,
        /// base64.
        secret: String,
    },
    /// A person.
    Person {
        /// Version of this shape: 1.
        v: u32,
        /// The account name by which the person acts.
        principal: String,
    },
    /// A personal value of a stored document.
    Span {
        /// Version of this shape: 1.
        v: u32,
        /// base64.
        salt: String,
        /// As written in the document, quotes included.
        value: String,
    },
}

/// The fold of `mesh.people`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct People {
    secret: Option<Hash>,
    persons: BTreeMap<String, String>,
    ids: BTreeMap<String, String>,
    spans: BTreeMap<String, (Vec<u8>, String)>,
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (persons, spans) = (self.persons.len(), self.spans.len());
        write!(
            f,
            "People {{ persons: {persons}, spans: {spans}, secret: *** }}"
        )
    }
}

/// A record of `mesh.people` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record `{key}` of the people topic cannot be read: {message}")]
pub struct PeopleError {
    /// Its key.
    pub key: String,
    /// Why.
    pub message: String,
}

/// A new record for `mesh.people`: key and value.
pub type NewEntry = (String, Entry);

impl People {
    /// Fold one record; a null value erases.
    ///
    /// # Errors
    /// [`PeopleError`] for a record that this build cannot read.
    pub fn apply(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), PeopleError> {
        let fail = |message: String| PeopleError {
            key: key.to_owned(),
            message,
        };
        let Some(value) = value else {
            self.erase(key);
            return Ok(());
        };
        let entry: Entry = serde_json::from_slice(value).map_err(|e| fail(e.to_string()))?;
        match entry {
            Entry::Secret { v: 1, secret } => {
                let bytes = URL_SAFE_NO_PAD
                    .decode(secret)
                    .map_err(|e| fail(e.to_string()))?;
                let secret = bytes
                    .try_into()
                    .map_err(|_| fail("not 32 bytes".to_owned()))?;
                self.secret = Some(secret);
            }
            Entry::Person { v: 1, principal } => {
                let id = key.strip_prefix("person/").unwrap_or(key);
                self.persons.insert(id.to_owned(), principal.clone());
                self.ids.insert(principal, id.to_owned());
            }
            Entry::Span { v: 1, salt, value } => {
                let salt = URL_SAFE_NO_PAD
                    .decode(salt)
                    .map_err(|e| fail(e.to_string()))?;
                let id = key.strip_prefix("span/").unwrap_or(key);
                self.spans.insert(id.to_owned(), (salt, value));
            }
            Entry::Secret { v, .. } | Entry::Person { v, .. } | Entry::Span { v, .. } => {
                return Err(fail(format!("version {v} is not known to this build")));
            }
        }
        Ok(())
    }

    fn erase(&mut self, key: &str) {
        if let Some(id) = key.strip_prefix("person/")
            && let Some(principal) = self.persons.remove(id)
        {
            self.ids.remove(&principal);
        }
        if let Some(id) = key.strip_prefix("span/") {
            self.spans.remove(id);
        }
    }

    /// Whether the mesh's secret is there: without it nothing can be decided.
    pub fn is_ready(&self) -> bool {
        self.secret.is_some()
    }

    /// The entry that gives a mesh its secret.
    pub fn secret_entry(secret: &Hash) -> NewEntry {
        let secret = URL_SAFE_NO_PAD.encode(secret);
        (SECRET_KEY.to_owned(), Entry::Secret { v: 1, secret })
    }

    /// The principal behind a person id, unless erased.
    pub fn principal(&self, id: &str) -> Option<&str> {
        self.persons.get(id).map(String::as_str)
    }

    /// The id of a principal; a new one, with its entry, where there is none. It depends on the request, so that a
    /// person erased and met again is not known as the same.
    pub fn person(&mut self, principal: &str, request: &str) -> (String, Option<NewEntry>) {
        if let Some(id) = self.ids.get(principal) {
            return (id.clone(), None);
        }
        let digest = self.derive(&["person", request, principal]);
        let id = format!("p-{}", &hex(&digest)[..20]);
        self.persons.insert(id.clone(), principal.to_owned());
        self.ids.insert(principal.to_owned(), id.clone());
        let entry = Entry::Person {
            v: 1,
            principal: principal.to_owned(),
        };
        let key = format!("person/{id}");
        (id, Some((key, entry)))
    }

    /// The text of a document that may be stored, and the entries that its commitments need.
    ///
    /// Where `known` is the stored text of the same document, it comes back as it is: a document applied again is
    /// unchanged, whatever its salts.
    pub fn hide(
        &mut self,
        text: &str,
        known: Option<&str>,
        request: &str,
    ) -> (String, Vec<NewEntry>) {
        if let Some(known) = known
            && self.reveal(known) == text
        {
            return (known.to_owned(), Vec::new());
        }
        let spans = personal::find(text);
        let mut entries = Vec::new();
        let hidden = personal::replace(text, &spans, |index, span| {
            let entry = self.commit(span, request, &format!("{index}"));
            let id = entry.0.trim_start_matches("span/").to_owned();
            entries.push(entry);
            format!("{TOKEN}{id}")
        });
        (hidden, entries)
    }

    fn commit(&mut self, span: &PersonalSpan, request: &str, index: &str) -> NewEntry {
        let salt = self.derive(&["salt", request, index]);
        let id = commitment(&salt, &span.raw);
        self.spans
            .insert(id.clone(), (salt.to_vec(), span.raw.clone()));
        let salt = URL_SAFE_NO_PAD.encode(salt);
        (
            format!("span/{id}"),
            Entry::Span {
                v: 1,
                salt,
                value: span.raw.clone(),
            },
        )
    }

    /// A stored text with the personal values put back, byte for byte; what was erased stays a commitment.
    pub fn reveal(&self, stored: &str) -> String {
        let mut out = String::with_capacity(stored.len());
        let mut rest = stored;
        while let Some(at) = rest.find(TOKEN) {
            let (before, token) = rest.split_at(at);
            let body = &token[TOKEN.len()..];
            let end = body.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
            let id = &body[..end.unwrap_or(body.len())];
            let after = &body[id.len()..];
            match self.spans.get(id) {
                Some((_, value)) => {
                    // The value's own quotes stand around the token too.
                    let quoted = value.starts_with('"') && before.ends_with('"');
                    out.push_str(if quoted {
                        &before[..before.len() - 1]
                    } else {
                        before
                    });
                    out.push_str(value);
                    rest = if quoted {
                        after.strip_prefix('"').unwrap_or(after)
                    } else {
                        after
                    };
                }
                None => {
                    out.push_str(before);
                    out.push_str(TOKEN);
                    out.push_str(id);
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// HMAC-SHA-256 of the parts, each with its length, under the mesh's secret.
    fn derive(&self, parts: &[&str]) -> Hash {
        let key = self.secret.unwrap_or_default();
        let mut block = [0x36_u8; 64];
        block
            .iter_mut()
            .zip(key)
            .for_each(|(byte, key)| *byte ^= key);
        let mut inner = Sha256::new_with_prefix(block);
        for part in parts {
            inner.update((part.len() as u64).to_be_bytes());
            inner.update(part.as_bytes());
        }
        block.iter_mut().for_each(|byte| *byte ^= 0x36 ^ 0x5c);
        let mut outer = Sha256::new_with_prefix(block);
        outer.update(inner.finalize());
        outer.finalize().into()
    }
}

/// Commitment to a value: base64url of SHA-256(salt ‖ value).
pub fn commitment(salt: &[u8], value: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(salt);
    hasher.update(value.as_bytes());
    URL_SAFE_NO_PAD.encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "team:\n- username: \"zoë\" # kept\n  email: z@x.org\n- {username: bob, role: owner}\n";

    fn people() -> People {
        let mut people = People::default();
        let (key, entry) = People::secret_entry(&[7; 32]);
        let value = serde_json::to_vec(&entry).expect("serializes");
        people.apply(&key, Some(&value)).expect("reads");
        people
    }

    fn replay(entries: &[NewEntry]) -> People {
        let mut again = people();
        for (key, entry) in entries {
            let value = serde_json::to_vec(entry).expect("serializes");
            again.apply(key, Some(&value)).expect("reads");
        }
        again
    }

    #[test]
    fn documents_come_back_byte_for_byte_until_erased() {
        let (hidden, entries) = people().hide(TEXT, None, "r1");
        assert!(!hidden.contains("zoë") && !hidden.contains("z@x") && !hidden.contains("bob"));
        assert!(hidden.contains("# kept") && hidden.contains("role: owner"));
        let mut again = replay(&entries);
        assert_eq!(again.reveal(&hidden), TEXT);
        for (key, _) in &entries {
            again.apply(key, None).expect("erases");
        }
        assert_eq!(again.reveal(&hidden), hidden);
    }

    #[test]
    fn the_same_document_again_is_unchanged_and_the_same_request_gives_the_same_bytes() {
        let (hidden, entries) = people().hide(TEXT, None, "r1");
        let mut later = replay(&entries);
        assert_eq!(
            later.hide(TEXT, Some(&hidden), "r2"),
            (hidden.clone(), vec![])
        );
        assert_eq!(people().hide(TEXT, None, "r1").0, hidden);
        assert_ne!(people().hide(TEXT, None, "r2").0, hidden);
        let changed = TEXT.replace("owner", "steward");
        assert_ne!(later.hide(&changed, Some(&hidden), "r2").0, hidden);
    }

    #[test]
    fn persons_keep_their_id_until_erased() {
        let mut people = people();
        let (id, entry) = people.person("alice", "r1");
        assert!(entry.is_some());
        assert_eq!(people.person("alice", "r2"), (id.clone(), None));
        people.apply(&format!("person/{id}"), None).expect("erases");
        assert_ne!(people.person("alice", "r3").0, id);
    }

    #[test]
    fn hmac_is_the_standard_one() {
        // Python: hmac.new(bytes([7])*32, (1).to_bytes(8,'big')+b'a', 'sha256').hexdigest()
        let expected = "0eff5865c6601ac7c16849c20a20547c55637abc83d589476c630c8fb6394be6";
        assert_eq!(hex(&people().derive(&["a"])), expected);
    }
}
