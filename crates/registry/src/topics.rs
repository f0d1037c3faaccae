//! The registry's topics: their names, and the settings without which it refuses to start.

use kafka::TopicSpec;

/// Retention of requests and replies, in ms: 7 days, long enough to look into what went wrong last week.
const RETENTION_MS: &str = "604800000";

/// Names of a mesh's registry topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// The mesh.
    pub mesh: String,
    /// The log of schemas, in Confluent's format.
    pub schemas: String,
    /// Write requests.
    pub requests: String,
    /// One reply per request.
    pub replies: String,
}

impl Topics {
    /// The topics of `mesh`, with `schemas` (usually `_schemas`) as its log.
    pub fn new(mesh: &str, schemas: &str) -> Self {
        Self {
            mesh: mesh.to_owned(),
            schemas: schemas.to_owned(),
            requests: format!("{mesh}.registry.requests"),
            replies: format!("{mesh}.registry.replies"),
        }
    }

    /// The topics as they must be. A `_schemas` that is not compacted loses schemas: it is refused, not mended.
    pub fn specs(&self, replication: i32) -> Vec<TopicSpec> {
        let spec = |name: &str, configs: &[(&str, &str)]| TopicSpec {
            name: name.to_owned(),
            partitions: 1,
            replication,
            configs: configs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        };
        let week = [("cleanup.policy", "delete"), ("retention.ms", RETENTION_MS)];
        vec![
            spec(&self.schemas, &[("cleanup.policy", "compact")]),
            spec(&self.requests, &week),
            spec(&self.replies, &week),
        ]
    }
}

/// The registry's topics as they must be, for those who make all of a mesh's topics at once.
pub fn topics(mesh: &str, schemas: &str, replication: i32) -> Vec<TopicSpec> {
    Topics::new(mesh, schemas).specs(replication)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_settings() {
        let specs = topics("mesh", "_schemas", 3);
        let names: Vec<_> = specs.iter().map(|spec| spec.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "_schemas",
                "mesh.registry.requests",
                "mesh.registry.replies"
            ]
        );
        assert!(
            specs
                .iter()
                .all(|spec| spec.partitions == 1 && spec.replication == 3)
        );
        assert_eq!(specs[0].configs["cleanup.policy"], "compact");
        assert_eq!(specs[1].configs["retention.ms"], "604800000");
    }
}
