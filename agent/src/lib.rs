//! Rajut: a node agent that tells, for every pod, where its milliseconds go.
//!
//! The modules in the data's order:
//!
//! ```text
//! kernel, files --Reading--> aggregate --Delta--> pods --Sample--> store --Series--> sinks
//! ```

pub mod guess;
pub mod harmless;
pub mod model;
pub mod probes;

pub mod aggregate;
pub mod cgroups;
pub mod files;
pub mod kernel;
pub mod pods;
pub mod sinks;
pub mod status;
pub mod store;

pub mod app;
pub mod cli;
pub mod client;
pub mod config;
pub mod doctor;
