//! Events of the governance log: every type, its stored name, its schema.

use crate::body::{
    Activated, ContractVersion, ContractVersionV1, ContractVersionV2, Domain, Founded, Port,
    Product, Redriven, Rejected, SloReport, Team,
};
use crate::breaker::Breaker;
use crate::skip::Skip;
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use std::sync::LazyLock;

/// A fact's body cannot be read: a newer build wrote it, or its bytes are damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The type or its version is not known to this build.
    #[error("event type `{0}` is not known to this build")]
    UnknownType(String),
    /// The bytes do not decode under the type's schema.
    #[error("the body of `{kind}` does not decode: {message}")]
    Undecodable {
        /// Event type.
        kind: String,
        /// What the decoder said.
        message: String,
    },
}

macro_rules! events {
    (@write $kind:literal, $body:ident) => { write(schema($kind).expect("every kind has a schema"), $body) };
    (@write $kind:literal, $body:ident, $stored:ty) => {
        write(schema($kind).expect("every kind has a schema"), &<$stored>::from($body.clone()))
    };
    (@read $kind:ident, $bytes:ident) => { read($kind, $bytes)? };
    (@read $kind:ident, $bytes:ident, $stored:ty) => { read::<$stored>($kind, $bytes)?.into() };
    ($($(#[$doc:meta])* $name:ident($body:ty $(, stored as $stored:ty)?) = $kind:literal,)*) => {
        /// What happened, in the past tense.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event {
            $($(#[$doc])* $name($body),)*
        }

        impl Event {
            /// Every event type, as stored.
            pub const KINDS: &'static [&'static str] = &[$($kind),*];

            /// The type as stored: name and version.
            pub fn kind(&self) -> &'static str {
                match self { $(Event::$name(_) => $kind),* }
            }

            /// The body's bytes.
            pub fn encode_body(&self) -> Vec<u8> {
                match self {
                    $(Event::$name(body) => events!(@write $kind, body $(, $stored)?)),*
                }
            }

            /// Read a body back.
            ///
            /// # Errors
            /// [`BodyError`]: the reader stops there and says so.
            pub fn decode_body(kind: &str, bytes: &[u8]) -> Result<Self, BodyError> {
                match kind {
                    $($kind => Ok(Event::$name(events!(@read kind, bytes $(, $stored)?))),)*
                    other => Err(BodyError::UnknownType(other.to_owned())),
                }
            }
        }

        /// The Avro schema of a type's body, as in `schemas/governance/`.
        pub fn schema_text(kind: &str) -> Option<&'static str> {
            match kind {
                $($kind => Some(include_str!(
                    concat!("../../../schemas/governance/", $kind, ".avsc")
                )),)*
                _ => None,
            }
        }

        fn schema(kind: &str) -> Option<&'static Schema> {
            match kind {
                $($kind => {
                    static PARSED: LazyLock<Schema> = LazyLock::new(|| parsed($kind));
                    Some(&PARSED)
                })*
                _ => None,
            }
        }
    };
}

events! {
    /// The mesh began.
    MeshFounded(Founded) = "mesh.founded.v1",
    /// A team is new.
    TeamRegistered(Team) = "mesh.team.registered.v1",
    /// A team changed.
    TeamUpdated(Team) = "mesh.team.updated.v1",
    /// A domain is new.
    DomainRegistered(Domain) = "mesh.domain.registered.v1",
    /// A domain changed.
    DomainUpdated(Domain) = "mesh.domain.updated.v1",
    /// A product is new.
    ProductApproved(Product) = "mesh.product.approved.v1",
    /// A product's description or inputs changed.
    ProductMetadataChanged(Product) = "mesh.product.metadata.changed.v1",
    /// A contract version may be provisioned; without the rules of its document, which were not run then.
    ContractVersionApprovedV1(ContractVersion, stored as ContractVersionV1) = "mesh.contract.version.approved.v1",
    /// The same before CloudEvents, key schemas and imports were checked.
    ContractVersionApprovedV2(ContractVersion, stored as ContractVersionV2) = "mesh.contract.version.approved.v2",
    /// A contract version may be provisioned.
    ContractVersionApproved(ContractVersion) = "mesh.contract.version.approved.v3",
    /// A port is new.
    PortOpened(Port) = "mesh.port.opened.v1",
    /// A contract version is in force on a port.
    ContractVersionActivated(Activated) = "mesh.contract.version.activated.v1",
    /// Quarantined events were sent through the inbox again.
    QuarantineRedriven(Redriven) = "mesh.quarantine.redriven.v1",
    /// A port's circuit breaker opened on a partition.
    BreakerOpened(Breaker) = "mesh.port.breaker.opened.v1",
    /// A port's circuit breaker closed by itself on a partition.
    BreakerClosed(Breaker) = "mesh.port.breaker.closed.v1",
    /// Somebody holds a port.
    BreakerHeld(Breaker) = "mesh.port.breaker.held.v1",
    /// Somebody reset a port's circuit breaker.
    BreakerReset(Breaker) = "mesh.port.breaker.reset.v1",
    /// Offsets of an inbox were given up: nobody can read what is there.
    BatchSkipped(Skip) = "mesh.port.batch.skipped.v1",
    /// A promise of a port is breached.
    SloBreached(SloReport) = "mesh.port.slo.breached.v1",
    /// A promise of a port is kept again.
    SloRecovered(SloReport) = "mesh.port.slo.recovered.v1",
    /// A proposal was refused.
    ProposalRejected(Rejected) = "mesh.proposal.rejected.v1",
}

impl Event {
    /// `<entity>/<id>` of what the event is about; the proposal's id stands in for a refusal's.
    pub fn subject(&self, proposal_id: &str) -> String {
        match self {
            Event::MeshFounded(body) => format!("mesh/{}", body.mesh_id),
            Event::TeamRegistered(body) | Event::TeamUpdated(body) => format!("team/{}", body.name),
            Event::DomainRegistered(body) | Event::DomainUpdated(body) => {
                format!("domain/{}", body.name)
            }
            Event::ProductApproved(body) | Event::ProductMetadataChanged(body) => {
                format!("product/{}", body.key)
            }
            Event::ContractVersionApproved(body)
            | Event::ContractVersionApprovedV1(body)
            | Event::ContractVersionApprovedV2(body) => {
                format!("contract/{}@{}", body.contract_id, body.version)
            }
            Event::PortOpened(body) => format!("port/{}", body.address),
            Event::ContractVersionActivated(body) => format!("port/{}", body.port),
            Event::QuarantineRedriven(body) => format!("port/{}", body.port),
            Event::BreakerOpened(body)
            | Event::BreakerClosed(body)
            | Event::BreakerHeld(body)
            | Event::BreakerReset(body) => format!("port/{}", body.port),
            Event::BatchSkipped(body) => format!("port/{}", body.port),
            Event::SloBreached(body) | Event::SloRecovered(body) => format!("port/{}", body.port),
            Event::ProposalRejected(_) => format!("proposal/{proposal_id}"),
        }
    }
}

fn parsed(kind: &str) -> Schema {
    let text = schema_text(kind).expect("every kind has a schema");
    Schema::parse_str(text).expect("embedded schemas parse: tested")
}

fn write<T: serde::Serialize>(schema: &Schema, body: &T) -> Vec<u8> {
    let writer = GenericDatumWriter::builder(schema)
        .build()
        .expect("no references to resolve");
    writer
        .write_ser_to_vec(body)
        .expect("bodies fit their schemas: tested for every type")
}

fn read<T: serde::de::DeserializeOwned>(kind: &str, mut bytes: &[u8]) -> Result<T, BodyError> {
    let schema = schema(kind).expect("every kind has a schema");
    let undecodable = |message: String| BodyError::Undecodable {
        kind: kind.to_owned(),
        message,
    };
    let reader = GenericDatumReader::builder(schema)
        .build()
        .map_err(|error| undecodable(error.to_string()))?;
    let body = reader
        .read_deser(&mut bytes)
        .map_err(|error| undecodable(error.to_string()))?;
    if bytes.is_empty() {
        Ok(body)
    } else {
        Err(undecodable("bytes are left over".to_owned()))
    }
}
