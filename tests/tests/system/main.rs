//! Whole-system tests: the built program `meshlog` on a real Kafka, used as its users use it.

mod adopt;
mod apart;
mod bomb;
mod breaker;
mod checker;
mod cli;
mod control;
mod demo;
mod flights;
mod formats;
mod gateway;
mod kill;
mod ledger;
mod monitoring;
mod moving;
mod protobuf;
mod rebuild;
mod registries;
mod registry;
mod retention;
mod rules;
mod script;
mod slo;
mod traces;
mod unreadable;
