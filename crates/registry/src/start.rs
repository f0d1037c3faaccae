//! Starting and stopping the registry: topics, writer, view, and the handle that the binary and the provisioner hold.

use crate::{
    http,
    record::Reference,
    refusal::Refusal,
    request::Register,
    service::{Registered, Service},
    topics::Topics,
    view::View,
    writer::Core,
};
use kafka::{Admin, Cluster, LogWriter, LogWriterConfig, Producer, StartError, WriterStatus};
use std::sync::Arc;
use tokio::sync::watch;

/// What a registry needs to know.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    /// The Kafka cluster.
    pub cluster: Cluster,
    /// The mesh id: prefix of topics, group and transactional id.
    pub mesh: String,
    /// The log of schemas, usually `_schemas`.
    pub topic: String,
    /// Replication factor of topics that are created; -1 is the broker's default.
    pub replication: i32,
}

/// A running registry.
#[derive(Debug)]
pub struct RegistryHandle {
    service: Service,
    writer: LogWriter,
}

/// Start a registry: make or check its topics, join the writers, and follow the log. It serves what it has read from
/// the first moment on; [`RegistryHandle::ready`] waits for the whole log.
///
/// # Errors
/// [`StartError`], notably when a topic exists with settings that would lose schemas.
pub async fn start(config: RegistryConfig) -> Result<RegistryHandle, StartError> {
    let topics = Topics::new(&config.mesh, &config.topic);
    let follower = follow(&config, &topics).await?;
    let identity = format!("{}.registry", config.mesh);
    let writer = LogWriter::spawn(
        LogWriterConfig {
            cluster: config.cluster,
            group: identity.clone(),
            transactional_id: identity,
            primary_request_topic: topics.requests.clone(),
            log_topics: vec![topics.schemas.clone()],
        },
        Core::new(topics),
    );
    Ok(RegistryHandle {
        service: follower(writer.status()),
        writer,
    })
}

/// Have the schemas of ports registered by whichever registry of the mesh writes: for a governor that runs alone. This
/// process never becomes the writer and serves no client.
///
/// # Errors
/// As [`start`].
pub async fn ask(config: RegistryConfig) -> Result<OwnedSubjects, StartError> {
    let topics = Topics::new(&config.mesh, &config.topic);
    let follower = follow(&config, &topics).await?;
    let (_, never) = watch::channel(WriterStatus::StandBy);
    Ok(OwnedSubjects {
        service: follower(never),
    })
}

/// Make or check the topics, and follow the log. What is missing is what the writer of this process does.
async fn follow(
    config: &RegistryConfig,
    topics: &Topics,
) -> Result<impl FnOnce(watch::Receiver<WriterStatus>) -> Service + use<>, StartError> {
    let admin = Arc::new(Admin::new(&config.cluster)?);
    admin
        .ensure_topics(&topics.specs(config.replication))
        .await?;
    let cluster_id = admin.cluster_id().await?;
    let producer = Producer::new(&config.cluster)?;
    let view = View::follow(&config.cluster, topics, admin).await?;
    let topics = topics.clone();
    Ok(|writer| Service::new(view, producer, topics, writer, cluster_id))
}

impl RegistryHandle {
    /// Confluent's HTTP API over this registry.
    pub fn router(&self) -> axum::Router {
        http::router(self.service.clone())
    }

    /// Wait until the log has been read to its end.
    pub async fn ready(&self) {
        self.service.view().ready().await;
    }

    /// Whether the log has been read to its end, and can be read now.
    pub fn is_ready(&self) -> bool {
        self.service.view().is_ready()
    }

    /// What this instance's writer is doing; most instances stand by.
    pub fn writer(&self) -> watch::Receiver<WriterStatus> {
        self.writer.status()
    }

    /// Why this instance's writer has ended for good, once it has: the log is not as it must be, and a human has to look.
    pub async fn ended(&self) -> String {
        self.writer.ended().await
    }

    /// Something that registers the schemas of ports, for the provisioner. Cheap to clone.
    pub fn owned(&self) -> OwnedSubjects {
        OwnedSubjects {
            service: self.service.clone(),
        }
    }

    /// Stop the writer cleanly, and follow the log no longer. Waits for the writer's thread.
    pub async fn stop(self) {
        let Self { service, writer } = self;
        drop(service);
        if tokio::task::spawn_blocking(move || writer.stop())
            .await
            .is_err()
        {
            tracing::warn!("the schema log's writer did not stop cleanly");
        }
    }
}

/// Registers schemas under subjects that belong to ports. There is no HTTP address for this: a client cannot take a
/// subject, on purpose or by accident.
#[derive(Debug, Clone)]
pub struct OwnedSubjects {
    service: Service,
}

impl OwnedSubjects {
    /// Wait until the log has been read to its end.
    pub async fn ready(&self) {
        self.service.view().ready().await;
    }

    /// Register `schema` (`schema_type` is `AVRO`, `JSON` or `PROTOBUF`), which imports `references`, under a subject of `port`, which owns the subject from
    /// then on. Governance has decided on the schema, so its compatibility is not checked again. Doing it twice is
    /// doing it once.
    ///
    /// # Errors
    /// 42201 when it is not a schema, 42205 when the subject belongs to another port, 50001 and 50002 when Kafka
    /// cannot be reached in time: then it may be tried again.
    pub async fn register_owned(
        &self,
        subject: &str,
        schema_type: &str,
        schema: &str,
        references: &[Reference],
        port: &str,
    ) -> Result<Registered, Refusal> {
        let request = Register {
            subject: subject.to_owned(),
            schema_type: Some(schema_type.to_owned()),
            schema: schema.to_owned(),
            references: references.to_vec(),
            owner: Some(port.to_owned()),
            ..Register::default()
        };
        let (_, registered) = self.service.register(request).await?;
        Ok(registered)
    }
}
