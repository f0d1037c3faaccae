//! Kafka's jars: fetched once per user by Maven from a pinned `pom.xml`, whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::DevError;

/// The pinned versions. A change here must change [`VERSION`], or old jars would be taken for the new ones.
const POM: &str = include_str!("pom.xml");
/// Names the directory of the jars: Kafka's version, and the revision of the `pom.xml`.
const VERSION: &str = "kafka-4.3.1-1";
/// Written last; a directory without it is the remains of something.
const COMPLETE: &str = "COMPLETE";

/// Where Kafka's jars come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JarSource {
    /// A per-user directory into which `mvn` fetches them when they are missing.
    Cache(PathBuf),
    /// A directory that holds them already.
    Directory(PathBuf),
}

impl JarSource {
    /// The directory with the jars, if they are all there.
    pub(super) fn present(&self) -> Option<PathBuf> {
        match self {
            Self::Directory(dir) => dir.is_dir().then(|| dir.clone()),
            Self::Cache(cache) => {
                let dir = cache.join(VERSION);
                dir.join(COMPLETE).is_file().then_some(dir)
            }
        }
    }

    /// The directory with the jars, for other programs that need Kafka's classes; fetched when they are missing.
    ///
    /// # Errors
    /// [`DevError`], when they are missing and cannot be fetched.
    pub fn directory(&self) -> Result<PathBuf, DevError> {
        self.present().map_or_else(|| self.fetch(), Ok)
    }

    /// Fetches the jars, or waits for another process that does. Needs `mvn`.
    pub(super) fn fetch(&self) -> Result<PathBuf, DevError> {
        let Self::Cache(cache) = self else {
            return Err(DevError::Requirements {
                missing: format!("the jars in the directory that was named ({self:?})"),
            });
        };
        fs::create_dir_all(cache).map_err(|e| DevError::io("create", cache, e))?;
        let lock = cache.join("fetch.lock");
        let lock = File::create(&lock)
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|e| DevError::io("lock", lock, e))?;
        let dir = match self.present() {
            Some(dir) => dir,
            None => fetch_into(cache)?,
        };
        drop(lock);
        Ok(dir)
    }
}

/// Fetches into a directory beside the final one and renames it, so that a killed fetch leaves nothing that looks whole.
fn fetch_into(cache: &Path) -> Result<PathBuf, DevError> {
    let (partial, dir) = (
        cache.join(format!("{VERSION}.partial")),
        cache.join(VERSION),
    );
    for old in [&partial, &dir] {
        if old.exists() {
            fs::remove_dir_all(old).map_err(|e| DevError::io("remove", old, e))?;
        }
    }
    fs::create_dir(&partial).map_err(|e| DevError::io("create", &partial, e))?;
    let pom = cache.join("pom.xml");
    fs::write(&pom, POM).map_err(|e| DevError::io("write", &pom, e))?;
    tracing::info!(target: "kafka", into = %dir.display(), "fetching Kafka's jars with Maven, once");
    run_maven(&pom, &partial)?;
    fs::write(partial.join(COMPLETE), VERSION)
        .and_then(|()| fs::rename(&partial, &dir))
        .map_err(|e| DevError::io("rename", &partial, e))?;
    Ok(dir)
}

fn run_maven(pom: &Path, into: &Path) -> Result<(), DevError> {
    let output = Command::new("mvn")
        // -C: a jar whose checksum is wrong fails the fetch instead of printing a warning.
        .args(["-q", "-B", "-C", "-f"])
        .arg(pom)
        .arg("dependency:copy-dependencies")
        .arg(format!("-DoutputDirectory={}", into.display()))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| DevError::io("run", "mvn", e))?;
    let fetched = |prefix: &str| {
        fs::read_dir(into).is_ok_and(|mut entries| {
            entries.any(|entry| {
                entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
            })
        })
    };
    if !output.status.success() || !fetched("kafka_2.13-") || !fetched("log4j-core-") {
        let text = [output.stdout, output.stderr].concat();
        let tail = super::layout::last_lines(&String::from_utf8_lossy(&text));
        return Err(DevError::Tool {
            tool: "mvn dependency:copy-dependencies",
            tail,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_named_after_the_pinned_version() {
        let version = VERSION.trim_start_matches("kafka-").trim_end_matches("-1");
        assert!(
            POM.contains(&format!("<version>{version}</version>")),
            "{VERSION}"
        );
    }
}
