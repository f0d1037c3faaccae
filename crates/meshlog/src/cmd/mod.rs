//! The command line: one file per noun, verbs inside.

mod apply;
mod audit;
mod bench;
mod breaker;
mod consume;
mod contract;
mod contract_test;
mod domain;
mod port;
mod product;
mod publish;
mod quarantine;
mod registry;
mod search;
mod whoami;

pub(crate) use apply::{Documents, ports_open, propose};

use clap::{Parser, Subcommand};

use crate::client::Target;
use crate::demo::DemoArgs;
use crate::output::Format;
use crate::role;
use crate::telemetry::Service;
use crate::up::UpArgs;

/// Backbone of a data mesh on Apache Kafka: data products as event streams, each under a contract.
#[derive(Debug, Parser)]
#[command(
    name = "meshlog",
    version,
    max_term_width = 100,
    subcommand_required = true
)]
#[command(
    after_help = "Exit codes: 0 done, 1 else, 2 usage, 3 refused, 4 not found, 5 not reachable."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every client command understands.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Where the mesh is, and who asks.
    #[command(flatten)]
    pub(crate) target: Target,
    /// How results are printed; lists in JSON are one object a line
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub(crate) output: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything in one process: Kafka, registry, governor, enforcer, observer, catalog
    Up(UpArgs),
    /// Run everything, and three domains at work on it
    Demo(DemoArgs),
    /// Propose documents (domains, teams, products, contracts) and wait until they are in force
    Apply(apply::Args),
    /// Send a CSV or JSON lines file to a port; an interrupted run goes on where it stopped
    Publish(publish::Args),
    /// Print a port's events, decoded, one JSON a line
    Consume(consume::Args),
    /// Ports: what they carry, how they do
    #[command(subcommand)]
    Port(port::Verb),
    /// Events that broke their contract, and why
    #[command(subcommand)]
    Quarantine(quarantine::Verb),
    /// The circuit breaker of a port: a bad deploy waits in the inbox instead of flooding the quarantine
    #[command(subcommand)]
    Breaker(breaker::Verb),
    /// Data contracts: check, compare, show
    #[command(subcommand)]
    Contract(contract::Verb),
    /// Data products
    #[command(subcommand)]
    Product(product::Verb),
    /// Domains
    #[command(subcommand)]
    Domain(domain::Verb),
    /// Run the schema registry alone; export, import and compare registries
    Registry(registry::Args),
    /// Run a governor alone: it decides proposals and has topics and schemas made
    Governor(role::governor::GovernorArgs),
    /// Run an enforcer alone: it judges what comes into the inboxes
    Enforcer(role::enforcer::EnforcerArgs),
    /// Run a gateway alone: it takes events over HTTP
    Gateway(role::gateway::GatewayArgs),
    /// Run an observer alone: it measures what contracts promise
    Observer(role::observer::ObserverArgs),
    /// Run the API and the pages alone
    Catalog(role::catalog::CatalogArgs),
    /// Find products, ports, contracts and fields
    Search(search::Args),
    /// Who the mesh takes you for
    Whoami,
    /// The governance log: read it, verify it, replay it
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Measure
    #[command(subcommand, hide = true)]
    Bench(bench::Verb),
}

impl Cli {
    /// The service that it is, if it runs until it is stopped.
    pub(crate) fn service(&self) -> Option<Service<'_>> {
        let (name, config) = match &self.command {
            Command::Up(_) | Command::Demo(_) => ("meshlog", None),
            Command::Governor(args) => ("meshlog-governor", args.role.config()),
            Command::Enforcer(args) => ("meshlog-enforcer", args.role.config()),
            Command::Gateway(args) => ("meshlog-gateway", args.role.config()),
            Command::Observer(args) => ("meshlog-observer", args.role.config()),
            Command::Catalog(args) => ("meshlog-catalog", args.role.config()),
            Command::Registry(args) => ("meshlog-registry", args.service()?.config()),
            Command::Apply(_)
            | Command::Publish(_)
            | Command::Consume(_)
            | Command::Port(_)
            | Command::Quarantine(_)
            | Command::Breaker(_)
            | Command::Contract(_)
            | Command::Product(_)
            | Command::Domain(_)
            | Command::Search(_)
            | Command::Whoami
            | Command::Audit(_)
            | Command::Bench(_) => return None,
        };
        Some(Service { name, config })
    }
}

/// Runs a command.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<()> {
    let global = &cli.global;
    match cli.command {
        Command::Up(args) => crate::up::run(args).await,
        Command::Governor(args) => role::governor::run(args, global.output).await,
        Command::Enforcer(args) => role::enforcer::run(args, global.output).await,
        Command::Gateway(args) => role::gateway::run(args, global.output).await,
        Command::Observer(args) => role::observer::run(args, global.output).await,
        Command::Catalog(args) => role::catalog::run(args, global.output).await,
        Command::Demo(args) => crate::demo::run(args).await,
        Command::Apply(args) => apply::run(global, args).await,
        Command::Publish(args) => publish::run(global, args).await,
        Command::Consume(args) => consume::run(global, args).await,
        Command::Port(verb) => port::run(global, verb).await,
        Command::Quarantine(verb) => quarantine::run(global, verb).await,
        Command::Breaker(verb) => breaker::run(global, verb).await,
        Command::Contract(verb) => contract::run(global, verb).await,
        Command::Product(verb) => product::run(global, verb).await,
        Command::Domain(verb) => domain::run(global, verb).await,
        Command::Registry(args) => registry::run(global, args).await,
        Command::Search(args) => search::run(global, args).await,
        Command::Whoami => whoami::run(global).await,
        Command::Audit(verb) => audit::run(global, verb).await,
        Command::Bench(verb) => bench::run(global, verb).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn services_have_a_name_and_the_configuration_that_they_are_told() {
        let service = |line: &str| {
            let arguments = std::iter::once("meshlog").chain(line.split(' '));
            let cli = Cli::try_parse_from(arguments).expect("parses");
            let service = cli.service()?;
            Some((service.name, service.config.map(std::path::PathBuf::from)))
        };
        let told = Some("m.toml".into());
        assert_eq!(service("up"), Some(("meshlog", None)));
        let gateway = service("gateway --config m.toml");
        assert_eq!(gateway, Some(("meshlog-gateway", told.clone())));
        let registry = service("registry --config m.toml");
        assert_eq!(registry, Some(("meshlog-registry", told)));
        assert_eq!(service("registry export --to f"), None);
        assert_eq!(service("port list"), None);
    }

    #[test]
    fn command_lines_parse_or_not() {
        let good = [
            "up --dir x --kafka-port 0 --registry-port 0 --http-port 0 --admin me -o json",
            "apply -f a -f b --dry-run --as ann",
            "breaker hold a.b.c.v1 --reason drill",
            "publish a.b.c.v1 --csv f.csv --null-value NA --rate 100/s --restart",
            "publish a.b.c.v1 --jsonl -",
            "consume a.b.c.v1 --partition 0 --from 12 --until 20 --max 3 --envelope",
            "consume a.b.c.v1 --follow --from 2026-11-22T10:00:00Z -o json",
            "port list",
            "port show a.b.c.v1",
            "port stats a.b.c.v1 --http http://x",
            "port slo a.b.c.v1 -o json",
            "observer --config meshlog.toml --slot 1 -o json",
            "quarantine stats a.b.c.v1",
            "quarantine show a.b.c.v1 0 12",
            "quarantine list a.b.c.v1 --reason MESH-1006 --since 2026-11-22",
            "contract lint f.yaml",
            "contract diff a b",
            "contract show x@1.0.0",
            "contract list",
            "product show d/p",
            "domain list",
            "registry",
            "registry --config meshlog.toml --bootstrap-servers k:9092 --registry-port 0 -o json",
            "gateway --config meshlog.toml --http-port 0 -o json",
            "registry export --to f.jsonl",
            "registry export --from http://r:8081 --to f.jsonl -o json",
            "registry import --from f.jsonl --registry http://r:8081 --dry-run",
            "registry -o json check --from http://r:8081",
            "search delay",
            "whoami",
            "audit log --from 3 --type mesh.founded.v1",
            "audit show 3",
            "audit verify -o json",
            "audit replay --as-of 12",
            "bench registry -o json",
            "bench registry --bootstrap-servers k:9092",
        ];
        for line in good {
            let parsed = Cli::try_parse_from(std::iter::once("meshlog").chain(line.split(' ')));
            assert!(
                parsed.is_ok(),
                "{line}: {}",
                parsed.err().map(|e| e.to_string()).unwrap_or_default()
            );
        }
        let bad = [
            "",
            "apply",
            "publish a.b.c.v1",
            "publish a.b.c.v1 --csv f --jsonl g",
            "publish not-a-port --csv f",
            "publish a.b.c.v1 --csv f --rate fast",
            "consume A.b.c.v1",
            "consume a.b.c.v1 --from yesterday",
            "quarantine show a.b.c.v1 0",
            "product show x",
            "port list -o yaml",
            "registry export",
            "registry import",
            "registry check --registry http://r:8081",
            "registry serve",
            "registry --registry-port many",
            "up --dir",
        ];
        for line in bad {
            let arguments = line.split(' ').filter(|word| !word.is_empty());
            let error = Cli::try_parse_from(std::iter::once("meshlog").chain(arguments));
            assert_eq!(
                error.err().map(|error| error.exit_code()),
                Some(2),
                "{line}"
            );
        }
    }
}
