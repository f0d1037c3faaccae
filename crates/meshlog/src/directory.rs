//! The directory of an `up` or a governor: who holds it, which ports it has, its keys.
//!
//! ```text
//! <dir>/meshlog.json   format, mesh id, ports    On disk since v0.1. Add a version.
//! <dir>/lock           held while an `up` or a governor runs
//! <dir>/notary.key     Ed25519 secret key, mode 0600, made at founding
//! <dir>/kafka/         the development broker
//! <dir>/catalog/       the projector's snapshot
//! ```

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Version of the directory's layout.
const FORMAT: u32 = 1;

/// A directory, held by this process.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    record: Record,
    _lock: File,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    format: u32,
    mesh_id: String,
    #[serde(default)]
    registry_port: u16,
    #[serde(default)]
    http_port: u16,
}

impl Directory {
    /// Take a directory, making it when it is not there.
    pub(crate) fn open(path: &Path, mesh_id: &str) -> anyhow::Result<Self> {
        let shown = path.display();
        fs::create_dir_all(path).with_context(|| format!("cannot make the directory {shown}"))?;
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot open {shown}"))?;
        let lock = lock(&path)?;
        let record = match fs::read(path.join("meshlog.json")) {
            Ok(bytes) => read_record(&path, &bytes, mesh_id)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mesh_id = mesh_id.to_owned();
                Record {
                    format: FORMAT,
                    mesh_id,
                    registry_port: 0,
                    http_port: 0,
                }
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        };
        Ok(Self {
            path,
            record,
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A directory in it, made when it is not there.
    pub(crate) fn sub(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// The port to ask for: what was told, else what this directory had before, else 0.
    pub(crate) fn registry_port(&self, told: u16) -> u16 {
        if told == 0 {
            self.record.registry_port
        } else {
            told
        }
    }

    /// As [`Self::registry_port`].
    pub(crate) fn http_port(&self, told: u16) -> u16 {
        if told == 0 {
            self.record.http_port
        } else {
            told
        }
    }

    /// Keep the ports for the next `up` here.
    pub(crate) fn keep_ports(&mut self, registry: u16, http: u16) -> anyhow::Result<()> {
        self.record.registry_port = registry;
        self.record.http_port = http;
        let text = serde_json::to_vec_pretty(&self.record)?;
        replace(&self.path.join("meshlog.json"), &text)
    }

    /// The notary's public key, base64; the pair is made when there is none.
    pub(crate) fn notary_key(&self) -> anyhow::Result<String> {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        let file = self.path.join("notary.key");
        let secret: [u8; 32] = match fs::read(&file) {
            Ok(bytes) => match bytes.try_into() {
                Ok(secret) => secret,
                Err(_) => bail!("{} is not a key of 32 bytes", file.display()),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => new_key(&file)?,
            Err(error) => return Err(error).context("cannot read the notary's key"),
        };
        let key = ed25519_dalek::SigningKey::from_bytes(&secret);
        Ok(STANDARD.encode(key.verifying_key().as_bytes()))
    }
}

fn lock(path: &Path) -> anyhow::Result<File> {
    let file = File::create(path.join("lock")).context("cannot make the lock file")?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another `meshlog up` or `meshlog governor` runs on {}: stop it, or name another directory with --dir",
            path.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).context("cannot lock the directory"),
    }
}

fn read_record(path: &Path, bytes: &[u8], mesh_id: &str) -> anyhow::Result<Record> {
    let shown = path.display();
    let value: serde_json::Value = serde_json::from_slice(bytes)
        .with_context(|| format!("{shown}/meshlog.json is damaged"))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(format) => bail!(
            "{shown} has layout {format}, this meshlog knows {FORMAT}: use the meshlog that made it, or \
             another directory with --dir"
        ),
        None => bail!("{shown}/meshlog.json says no format: it is not a directory of meshlog"),
    }
    let record: Record = serde_json::from_value(value)
        .with_context(|| format!("{shown}/meshlog.json is damaged"))?;
    if record.mesh_id != mesh_id {
        bail!(
            "{shown} belongs to mesh `{}`, the configuration says `{mesh_id}`: set mesh.id, or name another \
             directory with --dir",
            record.mesh_id
        );
    }
    Ok(record)
}

fn new_key(file: &Path) -> anyhow::Result<[u8; 32]> {
    let secret = random_bytes()?;
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .context("cannot make the notary's key")?;
    out.write_all(&secret)
        .and_then(|()| out.sync_all())
        .context("cannot write the notary's key")?;
    Ok(secret)
}

/// Bytes that nobody can guess.
pub(crate) fn random_bytes() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(bytes)
}

/// Write a file whole or not at all.
fn replace(file: &Path, text: &[u8]) -> anyhow::Result<()> {
    let partial = file.with_extension("partial");
    fs::write(&partial, text)
        .and_then(|()| fs::rename(&partial, file))
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_keeps_its_ports_and_key_and_has_one_holder() {
        let temp = tempfile::tempdir().expect("temp dir");
        let mut first = Directory::open(temp.path(), "mesh").expect("opens");
        first.keep_ports(1, 2).expect("writes");
        let key = first.notary_key().expect("makes a key");
        let error = Directory::open(temp.path(), "mesh")
            .expect_err("held")
            .to_string();
        assert!(error.contains("another `meshlog up` or"), "{error}");
        drop(first);
        let again = Directory::open(temp.path(), "mesh").expect("opens again");
        assert_eq!((again.registry_port(0), again.http_port(0)), (1, 2));
        assert_eq!(again.http_port(80), 80);
        assert_eq!(again.notary_key().expect("reads"), key);
        drop(again);
        assert!(Directory::open(temp.path(), "other").is_err());
    }

    #[test]
    fn a_directory_of_another_version_is_refused() {
        let temp = tempfile::tempdir().expect("temp dir");
        fs::write(
            temp.path().join("meshlog.json"),
            r#"{"format":2,"mesh_id":"mesh"}"#,
        )
        .expect("writes");
        let error = Directory::open(temp.path(), "mesh")
            .expect_err("newer")
            .to_string();
        assert!(error.contains("layout 2"), "{error}");
    }
}
