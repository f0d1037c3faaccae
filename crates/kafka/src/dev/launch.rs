//! How Kafka is run here: by a JDK with jars, or by Docker with the official image. The first that works is taken.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::layout::{BrokerRecord, Layout};
use super::{DevError, JarSource};

/// Kafka 4 does not start on anything older.
const JAVA_AT_LEAST: u32 = 17;
/// The official image, of the same version as the jars.
const IMAGE: &str = "apache/kafka:4.3.1";
/// Where the broker's directory is seen inside the container.
const MOUNT: &str = "/meshlog";

/// A way to run Kafka.
#[derive(Debug)]
pub(super) enum Launcher {
    /// `java` with a class path of jars.
    Jdk { jars: PathBuf },
    /// `docker run`, in the foreground: the command passes signals on, so it stands for the broker.
    Docker,
}

impl Launcher {
    /// Finds what this machine has.
    pub(super) fn choose(jars: &JarSource) -> Result<Self, DevError> {
        let java = java_version();
        let mut missing = Vec::new();
        match java {
            Some(version) if version >= JAVA_AT_LEAST => {}
            Some(version) => {
                missing.push(format!("Java {JAVA_AT_LEAST} or later (found {version})"))
            }
            None => missing.push(format!("Java {JAVA_AT_LEAST} or later (`java` not found)")),
        }
        let present = jars.present();
        if present.is_none() && !runs(Command::new("mvn").arg("--version")) {
            missing.push("Maven (`mvn` not found) to fetch Kafka's jars".to_owned());
        }
        if missing.is_empty() {
            let jars = present.map_or_else(|| jars.fetch(), Ok)?;
            return Ok(Self::Jdk { jars });
        }
        if runs(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"])) {
            return Ok(Self::Docker);
        }
        Err(DevError::Requirements {
            missing: missing.join(" and "),
        })
    }

    /// The address that the broker listens on: a container's loopback is not ours.
    pub(super) fn listen_host(&self) -> &'static str {
        match self {
            Self::Jdk { .. } => "127.0.0.1",
            Self::Docker => "0.0.0.0",
        }
    }

    /// The data directory as the broker sees it.
    pub(super) fn data_dir(&self, layout: &Layout) -> PathBuf {
        match self {
            Self::Jdk { .. } => layout.data(),
            Self::Docker => Path::new(MOUNT).join("data"),
        }
    }

    /// The command that formats the data directory for a cluster.
    pub(super) fn format(&self, layout: &Layout, cluster_id: &str) -> Command {
        let mut command = match self {
            Self::Jdk { jars } => java(layout, jars, "kafka.tools.StorageTool"),
            Self::Docker => docker(layout, "/opt/kafka/bin/kafka-storage.sh", &[]),
        };
        command.args(["format", "-t", cluster_id, "-c"]);
        command
            .arg(self.properties(layout))
            .arg("--ignore-formatted");
        command
    }

    /// The command that is the broker.
    pub(super) fn serve(&self, layout: &Layout, record: &BrokerRecord) -> Command {
        let port = format!("127.0.0.1:{0}:{0}", record.kafka_port);
        let mut command = self.kafka(layout, record, &["-p", &port]);
        command.arg(self.properties(layout));
        command
    }

    /// The command that is the controller alone.
    pub(super) fn settle(&self, layout: &Layout, record: &BrokerRecord) -> Command {
        let mut command = self.kafka(layout, record, &[]);
        command.arg(match self {
            Self::Jdk { .. } => layout.controller_properties(),
            Self::Docker => Path::new(MOUNT).join("controller.properties"),
        });
        command
    }

    fn kafka(&self, layout: &Layout, record: &BrokerRecord, container: &[&str]) -> Command {
        match self {
            Self::Jdk { jars } => java(layout, jars, "kafka.Kafka"),
            Self::Docker => {
                let name = format!("meshlog-{}", record.cluster_id);
                // What a killed run may have left behind.
                runs(Command::new("docker").args(["rm", "-f", &name]));
                let options = [&["--name", &name], container].concat();
                docker(layout, "/opt/kafka/bin/kafka-server-start.sh", &options)
            }
        }
    }

    fn properties(&self, layout: &Layout) -> PathBuf {
        match self {
            Self::Jdk { .. } => layout.properties(),
            Self::Docker => Path::new(MOUNT).join("server.properties"),
        }
    }
}

fn java(layout: &Layout, jars: &Path, class: &str) -> Command {
    let mut command = Command::new("java");
    command
        .args([
            "-Xmx1G",
            "-Xms256m",
            "-XX:+UseG1GC",
            "-Djava.awt.headless=true",
        ])
        .arg(format!(
            "-Dlog4j2.configurationFile={}",
            layout.logging().display()
        ))
        .arg("-cp")
        .arg(jars.join("*"))
        .arg(class);
    command
}

fn docker(layout: &Layout, program: &str, options: &[&str]) -> Command {
    let user = format!("{}:{}", nix::unistd::getuid(), nix::unistd::getgid());
    let mut command = Command::new("docker");
    command
        .args(["run", "--rm", "--user", &user, "-e", "LOG_DIR=/tmp"])
        .args(["-e", "KAFKA_HEAP_OPTS=-Xmx1G -Xms256m"])
        .arg("-v")
        .arg(format!("{}:{MOUNT}", layout.dir().display()))
        .args(options)
        .args(["--entrypoint", program, IMAGE]);
    command
}

fn runs(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn java_version() -> Option<u32> {
    let output = Command::new("java")
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    major_version(&String::from_utf8_lossy(&output.stderr))
}

/// `openjdk version "17.0.15"`, `java version "1.8.0_402"`.
fn major_version(text: &str) -> Option<u32> {
    let version = text.split('"').nth(1)?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        major => Some(major),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_tells_its_version_in_two_ways() {
        assert_eq!(
            major_version("openjdk version \"17.0.15\" 2025-04-15"),
            Some(17)
        );
        assert_eq!(major_version("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(major_version("java version \"1.8.0_402\""), Some(8));
        assert_eq!(major_version("The operation couldn't be completed"), None);
    }
}
