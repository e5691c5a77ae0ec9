//! What is left of the machine: room on the disk, memory, processor time. Linux tells.

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;
use std::thread;

/// What a gauge shows. `None` where the system does not tell: no alarm is raised on it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Octets that this user may still write where the data lie.
    pub disk_free: Option<u64>,
    /// Octets of memory that can be had without swapping.
    pub memory_free: Option<u64>,
    /// Runnable tasks a processor, averaged over a minute: 1.0 is a machine fully used.
    pub load: Option<f64>,
}

/// Reads the machine; a test makes its own.
pub trait Gauge: Debug + Send + Sync {
    /// What it shows now. Takes microseconds and never waits.
    fn read(&self) -> Reading;
}

/// This machine, and the disk under one folder.
#[derive(Clone, Debug)]
pub struct Machine {
    folder: PathBuf,
}

impl Machine {
    /// The disk is the one that `folder` lies on.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }
}

impl Gauge for Machine {
    fn read(&self) -> Reading {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let group = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/memory.{name}")).ok();
        let loadavg = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let memory = [
            available(&meminfo),
            left(group("max").as_deref(), group("current").as_deref()),
        ];
        Reading {
            disk_free: rustix::fs::statvfs(&self.folder)
                .ok()
                .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
            memory_free: memory.into_iter().flatten().min(),
            load: load(&loadavg, processors),
        }
    }
}

/// `MemAvailable` of proc_meminfo(5), in octets.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// What a control group may still use (`memory.max`, `memory.current` of cgroups v2); `max` is no
/// limit.
fn left(max: Option<&str>, current: Option<&str>) -> Option<u64> {
    let max: u64 = max?.trim().parse().ok()?;
    let current: u64 = current?.trim().parse().ok()?;
    Some(max.saturating_sub(current))
}

/// The first number of proc_loadavg(5), a processor.
fn load(loadavg: &str, processors: usize) -> Option<f64> {
    let minute: f64 = loadavg.split_ascii_whitespace().next()?.parse().ok()?;
    let processors = u32::try_from(processors.max(1)).ok()?;
    Some(minute / f64::from(processors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_disk_memory_and_a_load() {
        let reading = Machine::new("/tmp").read();
        assert!(
            reading.disk_free.is_some() && reading.load.is_some(),
            "{reading:?}"
        );
        assert!(
            reading.memory_free.is_some_and(|free| free > 1024 * 1024),
            "{reading:?}"
        );
        assert_eq!(Machine::new("/nonexistent").read().disk_free, None);
    }

    #[test]
    fn what_linux_writes_is_read() {
        let meminfo = "MemTotal:  8000 kB\nMemAvailable:    4000 kB\n";
        assert_eq!(available(meminfo), Some(4000 * 1024));
        assert_eq!(available(""), None);
        assert_eq!(left(Some("100\n"), Some("30\n")), Some(70));
        assert_eq!(left(Some("max\n"), Some("30\n")), None);
        assert_eq!(load("3.00 2.00 1.00 1/234 567", 2), Some(1.5));
    }
}
