//! What is printed: each figure beside its target.

use std::time::{Duration, Instant};

/// Prints a figure beside its target, which is the most that it may be.
pub(crate) fn at_most(what: &str, unit: &str, figure: f64, target: f64) {
    let verdict = if figure <= target { "met" } else { "MISSED" };
    println!("{what:<58} {figure:>9.2} {unit:<3}  at most {target:>7.2}  {verdict}");
}

/// Prints a figure beside its target, which is the least that it may be.
pub(crate) fn at_least(what: &str, unit: &str, figure: f64, target: f64) {
    let verdict = if figure >= target { "met" } else { "MISSED" };
    println!("{what:<58} {figure:>9.2} {unit:<3} at least {target:>7.2}  {verdict}");
}

/// Prints a figure that has no target.
pub(crate) fn plain(what: &str, unit: &str, figure: f64) {
    println!("{what:<58} {figure:>9.2} {unit}");
}

/// How long each of `count` runs took, ascending.
pub(crate) fn times(count: u32, mut run: impl FnMut(u32)) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..count)
        .map(|round| {
            let began = Instant::now();
            run(round);
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times
}

/// The time within which so many of a thousand ran, in milliseconds.
pub(crate) fn within(times: &[Duration], permille: usize) -> f64 {
    let at = (times.len() * permille / 1000).min(times.len() - 1);
    times[at].as_secs_f64() * 1e3
}

/// A line of `/proc/<pid>/status` in MiB: `VmHWM`, the most memory so far, or `VmRSS`.
pub(crate) fn memory(pid: u32, line: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|one| one.starts_with(line)).unwrap();
    let kib: f64 = line
        .split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    kib / 1024.0
}

/// Processor seconds, user and system, that a process has used.
pub(crate) fn processor(pid: u32) -> f64 {
    /// Ticks a second in `/proc/<pid>/stat`: fixed by the kernel's interface.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields = rest.split_ascii_whitespace().skip(11).take(2);
    fields
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum::<f64>()
        / TICKS
}
