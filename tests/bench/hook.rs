//! What the hook costs: nanoseconds hot and cold, throughput, and how it scales.

use std::{
    os::fd::{AsFd as _, AsRawFd as _},
    time::{Duration, Instant},
};

use aya::{
    Btf,
    maps::{Map, RingBuf},
    programs::BtfTracePoint,
};
use rajut::kernel::{
    Config,
    load::{self, Loaded},
    program_info::{ProgramCounts, counts},
};

use crate::{
    Row,
    load::{Cgroups, Pair, Sleeper},
};

const EXACT: &str = "sched_switch_exact";
const SHORT: &str = "sched_switch_short";
const EMPTY: &str = "sched_switch_empty";
/// The kernel's run-time statistics.
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// The object with all three programs loaded and none attached.
struct Bench {
    loaded: Loaded,
}

impl Bench {
    fn new() -> Bench {
        let config = Config::default();
        // Off: the maps are there, nothing is attached.
        let mut loaded = load::load(&config, &["sched".to_owned()]).unwrap();
        let types = Btf::from_sys_fs().unwrap();
        for name in [EXACT, SHORT, EMPTY] {
            program(&mut loaded, name).load("sched_switch", &types).unwrap();
        }
        Bench { loaded }
    }

    fn attached<R>(&mut self, name: Option<&str>, run: impl FnOnce() -> R) -> R {
        let link = name.map(|name| program(&mut self.loaded, name).attach().unwrap());
        let result = run();
        if let (Some(name), Some(link)) = (name, link) {
            program(&mut self.loaded, name).detach(link).unwrap();
        }
        result
    }

    fn counts(&mut self, name: &str) -> ProgramCounts {
        counts(&program(&mut self.loaded, name).fd().unwrap().as_fd().as_raw_fd()).unwrap()
    }

    /// Records that wait in the object's rings for user space; no map of another sort could carry any.
    fn records(&mut self) -> u64 {
        let mut records = 0;
        for (name, map) in self.loaded.object.maps_mut() {
            match map {
                Map::RingBuf(_) => {
                    let mut ring = RingBuf::try_from(map).unwrap();
                    while ring.next().is_some() {
                        records += 1;
                    }
                }
                Map::PerfEventArray(_) => panic!("{name} carries an event at a time"),
                _ => {}
            }
        }
        records
    }

    /// Nanoseconds of a run, averaged over `time`.
    fn ns_per_run(&mut self, name: &str, time: Duration) -> f64 {
        let link = program(&mut self.loaded, name).attach().unwrap();
        std::thread::sleep(time / 8);
        let before = self.counts(name);
        std::thread::sleep(time);
        let after = self.counts(name);
        program(&mut self.loaded, name).detach(link).unwrap();
        (after.run_time_ns - before.run_time_ns) as f64 / (after.runs - before.runs).max(1) as f64
    }

    /// Medians of nine rounds, the programs by turns in both orders.
    fn ns<const N: usize>(&mut self, names: [&str; N], time: Duration) -> [f64; N] {
        let _statistics = Statistics::on();
        let mut seen = [const { Vec::new() }; N];
        for round in 0..9 {
            for turn in 0..N {
                let which = if round % 2 == 0 { turn } else { N - 1 - turn };
                seen[which].push(self.ns_per_run(names[which], time));
            }
        }
        seen.map(median)
    }

    /// Throughput with a program against without, median of 25 groups of ABBA.
    fn ratio(&mut self, name: Option<&str>, pairs: &[Pair]) -> f64 {
        let slice = |pairs: &[Pair]| {
            let total = || pairs.iter().map(Pair::rounds).sum::<u64>();
            let (began, before) = (Instant::now(), total());
            std::thread::sleep(Duration::from_millis(70));
            (total() - before) as f64 / began.elapsed().as_secs_f64()
        };
        let groups = (0..25).map(|_| {
            let with = self.attached(name, || slice(pairs));
            let without = slice(pairs) + slice(pairs);
            let with = with + self.attached(name, || slice(pairs));
            with / without
        });
        let groups: Vec<f64> = groups.collect();
        median(groups)
    }
}

fn program<'a>(loaded: &'a mut Loaded, name: &str) -> &'a mut BtfTracePoint {
    load::program(&mut loaded.object, name).unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The kernel's run-time statistics, on while this lives.
struct Statistics(String);

impl Statistics {
    fn on() -> Statistics {
        let before = std::fs::read_to_string(STATISTICS).unwrap();
        std::fs::write(STATISTICS, "1").unwrap();
        Statistics(before)
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        let _ = std::fs::write(STATISTICS, self.0.trim());
    }
}

/// Two threads on one CPU.
pub(crate) fn hot() -> Vec<Row> {
    let mut bench = Bench::new();
    let _pair = Pair::start(0);
    let [empty, exact, short] = bench.ns([EMPTY, EXACT, SHORT], Duration::from_millis(250));
    let runs = bench.counts(EXACT).runs as f64;
    let records = bench.records() as f64;
    let method = "run-time statistics, two threads on one CPU, median of 9, less an empty program's";
    vec![
        Row::beside("sched_switch.empty.raw", empty, "ns/run", method),
        Row::at_most("sched_switch.hot.net", exact - empty, "ns/run", 60.0, method),
        Row::beside("sched_switch.short.hot.net", short - empty, "ns/run", method),
        Row::at_most(
            "sched_switch.records",
            records / runs,
            "per run",
            0.0,
            "records in every ring of the object after the runs of the exact form above",
        ),
    ]
}

/// 200 pods at about 3,500 switches a second.
pub(crate) fn cold() -> Vec<Row> {
    let mut bench = Bench::new();
    let cgroups = Cgroups::new(200);
    let _sleepers: Vec<_> =
        cgroups.dirs.iter().map(|dir| Sleeper::start(dir, Duration::from_millis(57))).collect();
    let [empty, exact] = bench.ns([EMPTY, EXACT], Duration::from_secs(1));
    let method = "run-time statistics, 200 cgroups with a thread each that wakes every 57 ms, switches from idle among the runs, median of 9, raw";
    vec![
        Row::beside("sched_switch.empty.cold.raw", empty, "ns/run", method),
        Row::at_most("sched_switch.cold.raw", exact, "ns/run", 500.0, method),
    ]
}

/// Throughput of a pipe benchmark.
pub(crate) fn pipe() -> Vec<Row> {
    let mut bench = Bench::new();
    let pairs = [Pair::start(0)];
    let method =
        "rounds of two threads through pipes, attached against detached, ABBA slices of 70 ms, median of 25";
    vec![
        Row::beside("pipe.null", bench.ratio(None, &pairs), "of none", method),
        Row::beside("pipe.empty", bench.ratio(Some(EMPTY), &pairs), "of none", method),
        Row::at_least("pipe.exact", bench.ratio(Some(EXACT), &pairs), "of none", 0.94, method),
    ]
}

/// What a second CPU does to the cost.
pub(crate) fn cpus() -> Vec<Row> {
    let mut bench = Bench::new();
    let time = Duration::from_millis(250);
    let one = Pair::start(0);
    let [exact_one] = bench.ns([EXACT], time);
    let two = Pair::start(1);
    let [exact_two] = bench.ns([EXACT], time);
    drop((one, two));
    let method = "raw ns/run with a pair on each of two CPUs, against one pair";
    vec![Row::at_most("sched_switch.two_cpus", exact_two / exact_one, "of one", 1.15, method)]
}
