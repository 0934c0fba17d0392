//! One binary for all tests that run the program: each module is a promise to a user.
//!
//! `tests/run` provides the peers and runs this; see CONTRIBUTING.md.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests create files of every kind, fail by panicking, and are not a library"
)]

mod accounts;
mod agent;
mod agent_check;
mod agent_endpoints;
mod agent_process;
mod agent_service_manager;
mod aws;
mod aws_endpoint;
mod cache;
mod children;
mod concurrency;
mod config;
mod corpus;
mod demo;
mod docs;
mod doctor;
mod doctor_end_to_end;
mod doctor_fake_kubectl;
mod doctor_gcp;
mod doctor_kubectl;
mod doctor_profiles;
mod doctor_report;
mod echoes;
mod edits;
mod exec;
mod exec_endpoint;
mod fake_secret_service;
mod fake_server;
mod fake_sts;
mod fake_vault;
mod fake_yc;
mod faults;
mod federation;
mod front;
mod gcp;
mod identities;
mod keyring;
mod kubectl;
mod leaks;
mod limits;
mod network;
mod network_faults;
mod output;
mod pipes;
mod places;
mod processes;
mod profiles;
mod proxies;
#[path = "../real/mod.rs"]
mod real;
mod refresh;
mod sandbox;
mod secrets;
mod settings;
mod setup;
mod setup_gcp;
mod setup_kubectl;
mod setup_kubectl_check;
mod setup_undo;
mod sharing;
mod shells;
mod signals;
mod spinner;
mod status;
mod tls;
mod token;
mod topics;
mod values;
mod vault;
mod vault_cli;
mod vault_exec;
mod vault_helper;
mod verification;
mod yc;
