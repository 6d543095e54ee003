//! What can be typed: commands, flags, and the environment variables that mirror them.
//!
//! Flags that phrase one question (`--by`, `--last`, ...) have no variable on purpose: a forgotten one would change
//! what the next question asks without a sign of it.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{
    ArgMatches, Args, Parser, Subcommand, ValueEnum, builder::BoolishValueParser, parser::ValueSource,
};

use super::{connect::Target, error::CliError, when::When};
use crate::config::{Config, Window, values};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "rajut",
    bin_name = "rajut",
    version,
    about = "Where each pod's milliseconds go, from inside the kernel",
    after_help = "Examples:
  rajut top                               watch this node; starts an agent of its own if none runs
  rajut top --once -o json                the same once, for programs
  rajut query rajut.cpu.run_queue.latency --by pod --last 5m
  rajut doctor                            what works on this host, and what to do about the rest
  rajut agent                             measure and serve until stopped

Exit codes: 0 done, 1 partly (doctor), 2 usage or config, 3 no permission, 4 unreachable, 5 nothing works."
)]
pub(crate) struct Cli {
    /// When to use colour; `auto` honours NO_COLOR
    #[arg(long, global = true, env = "RAJUT_COLOR", value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: ColorChoice,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When to use colour. Its values have no help of their own: that would stretch every `--help`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    // On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    // Always.
    Always,
    // Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure this node and serve until stopped
    Agent(AgentArgs),
    /// Live view: every pod, worst first, and what hurts
    Top(TopArgs),
    /// Ask one metric over any time and grouping
    Query(QueryArgs),
    /// Print each window as it closes
    Watch(WatchArgs),
    /// What works, what was lost, and what the agent itself costs
    Status(PlainArgs),
    /// List the metrics that can be asked for
    Metrics(TableArgs),
    /// Say what works on this host, and what to do about the rest
    Doctor(DoctorArgs),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  rajut completions bash > /etc/bash_completion.d/rajut")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page
    #[command(after_help = "Examples:\n  rajut man | man -l -\n  rajut man top > rajut-top.1")]
    Man {
        /// Of which command; without it, of rajut itself
        command: Option<String>,
    },
}

/// Flags of `rajut agent`. Each is laid over the config file.
#[derive(Debug, Default, Args)]
#[command(after_help = "Examples:
  rajut agent                                     serve on /run/rajut/rajut.sock
  rajut agent --listen 127.0.0.1:9161 --off sched
  RAJUT_WINDOW=5s rajut agent --config ./rajut.toml

Flags come before the environment, that before the file, and that before the defaults.")]
pub(crate) struct AgentArgs {
    /// Config file, which must exist [default: /etc/rajut.toml if it exists]
    #[arg(long, env = "RAJUT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Serve on this unix socket [default: /run/rajut/rajut.sock]
    #[arg(long, env = "RAJUT_SOCKET", value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Serve TCP beside it: loopback only, unless --insecure
    #[arg(long, env = "RAJUT_LISTEN", value_name = "HOST:PORT", value_parser = values::listen)]
    pub(crate) listen: Option<SocketAddr>,
    /// Let TCP beyond loopback go without encryption: anyone who reaches the port can read every answer
    #[arg(long, env = "RAJUT_INSECURE", value_parser = BoolishValueParser::new(), num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) insecure: Option<bool>,
    /// This node's name [default: NODE_NAME, else the host name]
    #[arg(long, env = "RAJUT_NODE", value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Length of a window: 1s to 60s [default: 1s]
    #[arg(long, env = "RAJUT_WINDOW", value_name = "DURATION", value_parser = values::window)]
    pub(crate) window: Option<Window>,
    /// Switch a probe off; may be repeated
    #[arg(long, env = "RAJUT_OFF", value_name = "PROBE", value_delimiter = ',', value_parser = values::probe)]
    pub(crate) off: Vec<String>,
    /// Use only this rung of each ladder, to compare: exact, exact-fork, short
    #[arg(long, env = "RAJUT_RUNG", value_name = "RUNG", value_parser = values::rung)]
    pub(crate) rung: Option<String>,
    /// Entities with numbers of their own; the rest is folded into `other` [default: 1024]
    #[arg(long, env = "RAJUT_SLOTS", value_name = "N", value_parser = bounded(values::SLOTS))]
    pub(crate) slots: Option<u32>,
    /// Log of the kernel programs themselves: off, error, warn, info, debug, trace [default: off]
    #[arg(long, env = "RAJUT_KERNEL_LOG", value_name = "LEVEL", value_parser = values::level)]
    pub(crate) kernel_log: Option<u8>,
    /// Log of the agent, on standard error: a level, or directives as in `rajut::kernel=debug`
    #[arg(long, env = "RAJUT_LOG", value_name = "FILTER", default_value = "info")]
    pub(crate) log: String,
}

fn bounded(bounds: std::ops::RangeInclusive<u32>) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(i64::from(*bounds.start())..=i64::from(*bounds.end()))
}

impl AgentArgs {
    /// The file's config with these flags over it.
    ///
    /// # Errors
    /// When the file is wrong, or when the values contradict each other.
    pub(crate) fn load(&self) -> Result<Config, CliError> {
        let mut config = Config::load(self.config.as_deref())?;
        self.apply(&mut config);
        config.check()?;
        Ok(config)
    }

    /// Lays what is set over a config.
    pub(crate) fn apply(&self, config: &mut Config) {
        // Exhaustive, so that a new flag cannot be forgotten here.
        let AgentArgs {
            config: _,
            socket,
            listen,
            insecure,
            node,
            window,
            off,
            rung,
            slots,
            kernel_log,
            log: _,
        } = self;
        fn over<T: Clone>(flag: Option<&T>, value: &mut T) {
            if let Some(flag) = flag {
                value.clone_from(flag);
            }
        }
        over(socket.as_ref(), &mut config.sinks.socket);
        over(insecure.as_ref(), &mut config.sinks.insecure);
        over(window.as_ref(), &mut config.window);
        over(slots.as_ref(), &mut config.kernel.slots);
        over(kernel_log.as_ref(), &mut config.kernel.log);
        config.sinks.listen = listen.or(config.sinks.listen);
        config.node = node.clone().or(config.node.take());
        config.kernel.rung = rung.clone().or(config.kernel.rung.take());
        if !off.is_empty() {
            config.off.clone_from(off);
        }
    }
}

/// Which agent to ask.
#[derive(Debug, Default, Args)]
pub(crate) struct AgentAt {
    /// The agent's unix socket [default: /run/rajut/rajut.sock]
    #[arg(long, env = "RAJUT_SOCKET", value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// The agent's TCP address, instead of a socket
    #[arg(long, env = "RAJUT_ADDRESS", value_name = "HOST:PORT")]
    pub(crate) address: Option<String>,
}

impl AgentAt {
    /// Where that is, and whether somebody said so. What is typed comes before the environment.
    ///
    /// # Errors
    /// When both are named equally.
    pub(crate) fn target(&self, matches: &ArgMatches) -> Result<(Target, bool), CliError> {
        let typed = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
        let socket = self.socket.clone().map(Target::Socket);
        let address = self.address.clone().map(Target::Tcp);
        match (socket, address) {
            (None, None) => Ok((Target::Socket(crate::sinks::Config::default().socket), false)),
            (Some(one), None) | (None, Some(one)) => Ok((one, true)),
            (Some(socket), Some(address)) => match (typed("socket"), typed("address")) {
                (true, false) => Ok((socket, true)),
                (false, true) => Ok((address, true)),
                (true, true) => {
                    Err(CliError::Usage("--socket and --address name two agents: use one".into()))
                }
                (false, false) => {
                    Err(CliError::Usage("RAJUT_SOCKET and RAJUT_ADDRESS name two agents: use one".into()))
                }
            },
        }
    }
}

/// How to print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    // For people.
    #[default]
    Table,
    // For programs.
    Json,
    // For spreadsheets.
    Csv,
}

/// How to print, where rows are not all alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    // For people.
    #[default]
    Table,
    // For programs.
    Json,
}

/// Flags of `rajut status`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rajut status -o json | jq '.probes[] | select(.state != \"on\")'")]
pub(crate) struct PlainArgs {
    #[command(flatten)]
    pub(crate) at: AgentAt,
    /// How to print
    #[arg(short, long, env = "RAJUT_OUTPUT", value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: PlainFormat,
}

/// Flags of `rajut metrics`.
#[derive(Debug, Args)]
pub(crate) struct TableArgs {
    #[command(flatten)]
    pub(crate) at: AgentAt,
    /// How to print
    #[arg(short, long, env = "RAJUT_OUTPUT", value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
}

/// Flags of `rajut doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 every probe works, 1 some do, 5 none does.")]
pub(crate) struct DoctorArgs {
    /// How to print
    #[arg(short, long, env = "RAJUT_OUTPUT", value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: PlainFormat,
}

/// Flags of `rajut top`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rajut top
  rajut top --once --for 5s -o json       measure 5 s, print once
  rajut top --by namespace
  ssh worker-3 rajut top | head -20       without a terminal: a plain table, once")]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub(crate) at: AgentAt,
    /// Print once instead of a live view; so does anything but a table on a terminal
    #[arg(long)]
    pub(crate) once: bool,
    /// Measure so long from now, then print once
    #[arg(long = "for", value_name = "DURATION", value_parser = values::span)]
    pub(crate) measure: Option<Duration>,
    /// Look back so far [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = values::span, conflicts_with = "measure")]
    pub(crate) last: Option<Duration>,
    /// Fold rows by labels: pod, namespace, workload, node, ...
    #[arg(long, value_name = "LABEL", value_delimiter = ',')]
    pub(crate) by: Vec<String>,
    /// Only rows with this label, e.g. namespace=shop; may be repeated
    #[arg(long = "where", value_name = "LABEL=VALUE", value_parser = matcher)]
    pub(crate) filter: Vec<(String, String)>,
    /// How to print; json and csv print once
    #[arg(short, long, env = "RAJUT_OUTPUT", value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
}

/// Flags of `rajut query`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rajut query rajut.cpu.run_queue.latency --by pod --quantile 0.5,0.99
  rajut query rajut.cpu.run_queue.time --by namespace,cause --last 10m
  rajut query rajut.cpu.run_queue.latency --where pod=redis-0 --from -15m --to -5m --histogram
  rajut query rajut.cpu.time --by node --from 2026-01-31T03:00:00Z --to 2026-01-31T03:10:00Z -o csv

`rajut metrics` lists what can be asked for.")]
pub(crate) struct QueryArgs {
    /// The metric's name
    pub(crate) metric: String,
    #[command(flatten)]
    pub(crate) at: AgentAt,
    /// Fold rows by labels or attributes: pod, namespace, cause, ...
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    pub(crate) by: Vec<String>,
    /// Only rows with this label or attribute, e.g. namespace=shop; may be repeated
    #[arg(long = "where", value_name = "KEY=VALUE", value_parser = matcher)]
    pub(crate) filter: Vec<(String, String)>,
    /// Quantiles of a histogram, 0 to 1 [default: 0.5,0.9,0.99]
    #[arg(long, value_name = "Q", value_delimiter = ',', value_parser = quantile)]
    pub(crate) quantile: Vec<f64>,
    /// Look back so far [default: 1m]
    #[arg(long, value_name = "DURATION", value_parser = values::span, conflicts_with_all = ["from", "to"])]
    pub(crate) last: Option<Duration>,
    /// From then: RFC 3339, or so long ago, as in -5m
    #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true)]
    pub(crate) from: Option<When>,
    /// Until then [default: now]
    #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true, requires = "from")]
    pub(crate) to: Option<When>,
    /// Show the buckets too
    #[arg(long)]
    pub(crate) histogram: bool,
    /// How to print
    #[arg(short, long, env = "RAJUT_OUTPUT", value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
}

/// Flags of `rajut watch`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rajut watch --where namespace=shop
  rajut watch rajut.cpu.time -o json | jq -c '[.labels.pod, .metrics[0].rate]'

json prints one line for each entity and window, and {\"lost\": ...} where windows are missing.")]
pub(crate) struct WatchArgs {
    /// Metrics to print [default: all]
    #[arg(value_name = "METRIC")]
    pub(crate) metrics: Vec<String>,
    #[command(flatten)]
    pub(crate) at: AgentAt,
    /// Only entities with this label, e.g. namespace=shop; may be repeated
    #[arg(long = "where", value_name = "LABEL=VALUE", value_parser = matcher)]
    pub(crate) filter: Vec<(String, String)>,
    /// Buckets of histograms too (json)
    #[arg(long)]
    pub(crate) histogram: bool,
    /// End after so many windows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// How to print
    #[arg(short, long, env = "RAJUT_OUTPUT", value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: PlainFormat,
}

fn matcher(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is no condition: write it as label=value, e.g. namespace=shop")),
    }
}

fn quantile(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(quantile) if (0.0..=1.0).contains(&quantile) => Ok(quantile),
        _ => Err(format!("`{text}` is no quantile: it is between 0 and 1, e.g. 0.99")),
    }
}

#[cfg(test)]
mod tests;
