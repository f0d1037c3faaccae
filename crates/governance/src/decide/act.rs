//! What every act about an open port must fit.

use super::Rejection;
use crate::command::Stamp;
use crate::mesh::{Mesh, Port};
use crate::refusal::{Code, refuse};

/// Most characters of a reason: it stays in the log for ever.
const REASON: usize = 500;

/// An act as far as all acts are alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    /// What a refusal is called.
    pub(super) code: Code,
    /// Port address.
    pub(super) port: &'a str,
    /// Partition of the inbox, where the act is about one.
    pub(super) partition: Option<i32>,
    /// Why.
    pub(super) reason: Option<&'a String>,
}

impl About<'_> {
    /// The port, where the act fits it and may be done by whoever proposes it.
    pub(super) fn checked<'m>(self, mesh: &'m Mesh, stamp: &Stamp) -> Result<&'m Port, Rejection> {
        let refused = |path: &str, message: String, way_out: String| {
            let refusal = refuse(self.code, "", path, message, way_out);
            Err(Rejection(vec![refusal]))
        };
        let Some(port) = mesh.ports.get(self.port) else {
            let message = format!("port {} is not open", self.port);
            return refused("/port", message, "`meshlog port list` shows what is".into());
        };
        let state = &port.opened.state;
        let owner = &state.owner;
        if let Some(domain) = stamp.domain.as_ref().filter(|domain| *domain != owner) {
            let message = format!("port {} is not domain `{domain}`'s", self.port);
            return refused("/port", message, format!("send it on `{owner}.proposals`"));
        }
        let known = 0..state.partitions;
        if self
            .partition
            .is_some_and(|partition| !known.contains(&partition))
        {
            let message = format!("port {} has {} partitions", self.port, state.partitions);
            return refused("/partition", message, String::new());
        }
        let long = |reason: &String| reason.chars().count() > REASON;
        if self.reason.is_some_and(long) {
            let message = format!("the reason has more than {REASON} characters");
            return refused("/reason", message, "shorten it".into());
        }
        Ok(port)
    }
}
