//! A fact: one record of the governance log, as bytes and as a value.
//!
//! Value = Avro single-object encoding: `C3 01`, the CRC-64-AVRO fingerprint of `mesh.fact.v1`, the datum. Kafka
//! offsets never appear here: a fact's position is its `seq` (decision 2).
//! Source: <https://avro.apache.org/docs/1.12.0/specification/#single-object-encoding>

use crate::event::{BodyError, Event};
use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// SHA-256.
pub type Hash = [u8; 32];

/// The envelope's schema text.
pub const ENVELOPE_SCHEMA: &str = include_str!("../../../schemas/governance/mesh.fact.v1.avsc");

const MAGIC: [u8; 2] = [0xC3, 0x01];
const HEADER: usize = 10;

static ENVELOPE: LazyLock<Schema> =
    LazyLock::new(|| Schema::parse_str(ENVELOPE_SCHEMA).expect("the embedded schema parses"));

static FINGERPRINT: LazyLock<[u8; 8]> = LazyLock::new(|| {
    let bytes = ENVELOPE.fingerprint::<Rabin>().bytes;
    bytes.try_into().expect("a Rabin fingerprint has 8 bytes")
});

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Position, dense from 0.
    pub seq: u64,
    /// Leaf hash of the fact before; zeros in the first.
    pub prev_hash: Hash,
    /// UTC milliseconds, never going back.
    pub time_ms: i64,
    /// Person id, `system:<role>` or `domain:<name>`.
    pub actor: String,
    /// How the actor was authenticated.
    pub authenticated_by: String,
    /// The proposal it answers.
    pub proposal_id: String,
    /// What happened.
    pub event: Event,
}

/// A record of the governance log is not a fact that this build can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    /// It does not start as an Avro single object of a known envelope.
    #[error("not a fact of a known version: {0}")]
    Envelope(String),
    /// The envelope is known, the body is not.
    #[error("fact {seq}")]
    Body {
        /// Position.
        seq: u64,
        /// Why.
        #[source]
        source: BodyError,
    },
}

// Avro's serializer compares the record's name.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Fact")]
struct Envelope {
    seq: i64,
    #[serde(with = "apache_avro::serde::fixed")]
    prev_hash: [u8; 32],
    time: i64,
    actor: String,
    authenticated_by: String,
    proposal_id: String,
    #[serde(rename = "type")]
    kind: String,
    subject: String,
    #[serde(with = "apache_avro::serde::bytes")]
    body: Vec<u8>,
}

impl Fact {
    /// `<entity>/<id>`: also the record's key.
    pub fn subject(&self) -> String {
        self.event.subject(&self.proposal_id)
    }

    /// The record's value.
    pub fn encode(&self) -> Vec<u8> {
        let envelope = Envelope {
            seq: i64::try_from(self.seq).expect("a log of 2^63 facts does not exist"),
            prev_hash: self.prev_hash,
            time: self.time_ms,
            actor: self.actor.clone(),
            authenticated_by: self.authenticated_by.clone(),
            proposal_id: self.proposal_id.clone(),
            kind: self.event.kind().to_owned(),
            subject: self.subject(),
            body: self.event.encode_body(),
        };
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&*FINGERPRINT);
        let writer = GenericDatumWriter::builder(&ENVELOPE)
            .build()
            .expect("no references");
        bytes.extend(
            writer
                .write_ser_to_vec(&envelope)
                .expect("the envelope fits its schema"),
        );
        bytes
    }

    /// Read a record's value.
    ///
    /// # Errors
    /// [`FactError`]: the reader stops there, says where, and goes on serving its last good view.
    pub fn decode(value: &[u8]) -> Result<Self, FactError> {
        let fail = |message: &str| FactError::Envelope(message.to_owned());
        let mut datum = value
            .get(HEADER..)
            .ok_or_else(|| fail("shorter than its header"))?;
        if value[..2] != MAGIC {
            return Err(fail("no Avro single object (C3 01)"));
        }
        if value[2..HEADER] != *FINGERPRINT {
            return Err(fail("the envelope's schema is not known to this build"));
        }
        let reader = GenericDatumReader::builder(&ENVELOPE)
            .build()
            .map_err(|error| FactError::Envelope(error.to_string()))?;
        let envelope: Envelope = reader
            .read_deser(&mut datum)
            .map_err(|error| FactError::Envelope(error.to_string()))?;
        if !datum.is_empty() {
            return Err(fail("bytes are left over"));
        }
        let seq = u64::try_from(envelope.seq).map_err(|_| fail("seq is negative"))?;
        let event = Event::decode_body(&envelope.kind, &envelope.body)
            .map_err(|source| FactError::Body { seq, source })?;
        let fact = Self {
            seq,
            prev_hash: envelope.prev_hash,
            time_ms: envelope.time,
            actor: envelope.actor,
            authenticated_by: envelope.authenticated_by,
            proposal_id: envelope.proposal_id,
            event,
        };
        // The subject stands there for readers who do not know the type; it must say what the body says.
        if envelope.subject != fact.subject() {
            return Err(fail("the subject is not the body's"));
        }
        Ok(fact)
    }
}

/// RFC 6962 leaf hash of a record's value: `SHA-256(0x00 ‖ value)`.
pub fn leaf_hash(value: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(value);
    hasher.finalize().into()
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
            text
        })
}
