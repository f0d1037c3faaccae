//! The domain of the run: one product with one port, Avro under a contract that changes once.

use std::path::Path;

/// The product's port, under a domain.
pub fn port(domain: &str) -> String {
    format!("{domain}.entries.events.v1")
}

/// Writes the documents, with the contract in its first version.
///
/// # Errors
/// The folder does not take them.
pub fn write(folder: &Path, domain: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let file =
        |name: &str, text: &str| std::fs::write(folder.join(name), text.replace("DOMAIN", domain));
    file("domain.yaml", DOMAIN)?;
    file("team.yaml", TEAM)?;
    file("entries.odps.yaml", PRODUCT)?;
    file("entries.odcs.yaml", &contract("1.0.0", ""))
}

/// Writes the contract's second version, which a reader of the first can read.
///
/// # Errors
/// The folder does not take it.
pub fn write_second(folder: &Path, domain: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let text = contract("1.1.0", NOTE).replace("DOMAIN", domain);
    std::fs::write(folder.join("entries.odcs.yaml"), text)
}

fn contract(version: &str, more: &str) -> String {
    CONTRACT.replace("VERSION", version).replace("MORE\n", more)
}

const DOMAIN: &str = "apiVersion: meshlog/v1
kind: Domain
name: DOMAIN
description: Entries of a ledger.
owner: DOMAIN-keepers
principals: []
";

const TEAM: &str = "apiVersion: meshlog/v1
kind: Team
name: DOMAIN-keepers
description: Keeps the ledger.
members:
  - username: ada.moreno
    name: Ada Moreno
    email: ada.moreno@ledger.example
    role: owner
    dateIn: \"2025-03-01\"
";

const PRODUCT: &str = "apiVersion: v1.0.0
kind: DataProduct
id: DOMAIN-entries
name: entries
version: 1.0.0
status: active
domain: DOMAIN
description:
  purpose: Entries of a ledger, to see that none is lost or doubled.
outputPorts:
  - name: events
    description: One event for each entry.
    type: kafka
    version: 1.0.0
    contractId: DOMAIN-entries
team:
  name: DOMAIN-keepers
";

const CONTRACT: &str = "apiVersion: v3.1.0
kind: DataContract
id: DOMAIN-entries
name: Entries
version: VERSION
status: active
domain: DOMAIN
description:
  purpose: Entries of a ledger.
servers:
  - server: development
    type: kafka
    environment: development
    host: \"127.0.0.1:9092\"
    format: avro
schema:
  - name: entry
    physicalName: DOMAIN.entries.events.v1
    physicalType: topic
    logicalType: object
    description: One entry.
    properties:
      - name: account
        description: Whose entry it is.
        logicalType: string
        required: true
        primaryKey: true
        primaryKeyPosition: 1
        classification: public
      - name: number
        description: Which entry of the run it is.
        logicalType: integer
        required: true
        classification: public
      - name: sequence
        description: Which entry of its account it is.
        logicalType: integer
        required: true
        classification: public
      - name: text
        description: What it says.
        logicalType: string
        required: true
        classification: public
MORE
team:
  name: DOMAIN-keepers
customProperties:
  - property: meshlog.partitions
    value: 6
";

const NOTE: &str = "      - name: note
        description: What was added later.
        logicalType: string
        classification: public
";
