//! What processes have used: processor time from `/proc`, disk syncs from `strace`.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Clock ticks a second in `/proc/<pid>/stat`: fixed by the kernel's interface to user space.
const TICKS: f64 = 100.0;

/// Processor seconds, user and system, that the trees under `roots` have used: of the processes
/// that run and of their children that have ended.
pub(crate) fn cpu_seconds(roots: &[u32]) -> f64 {
    let ticks: u64 = tree(roots).iter().filter_map(|pid| ticks(*pid)).sum();
    ticks as f64 / TICKS
}

/// Begins to watch a process's peak of memory, and says how much it has now, in octets.
pub(crate) fn begin_peak(pid: u32) -> u64 {
    // 5 resets the peak: proc_pid_clear_refs(5).
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    status(pid, "VmRSS:")
}

/// The most memory that a process has had since [`begin_peak`], in octets.
pub(crate) fn peak(pid: u32) -> u64 {
    status(pid, "VmHWM:")
}

fn status(pid: u32, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

/// Every process under `roots`, themselves included.
fn tree(roots: &[u32]) -> HashSet<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| Some((pid, fields(pid)?.get(1)?.parse().ok()?)))
        .collect();
    let mut tree: HashSet<u32> = roots.iter().copied().collect();
    loop {
        let before = tree.len();
        for (pid, parent) in &parents {
            if tree.contains(parent) {
                tree.insert(*pid);
            }
        }
        if tree.len() == before {
            return tree;
        }
    }
}

/// utime, stime, cutime and cstime: fields 14 to 17 of proc(5).
fn ticks(pid: u32) -> Option<u64> {
    let fields = fields(pid)?;
    fields
        .get(11..15)?
        .iter()
        .map(|one| one.parse::<u64>().ok())
        .sum()
}

/// The fields after the command's name, which may hold spaces; the first is the state.
fn fields(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_ascii_whitespace().map(str::to_owned).collect())
}

/// Counts the syncs of running processes and of those that they start.
pub(crate) struct SyncCounter {
    strace: Child,
}

impl SyncCounter {
    pub(crate) fn attach(roots: &[u32]) -> Self {
        let mut command = Command::new("strace");
        command.args([
            "-f",
            "-c",
            "-e",
            "trace=fsync,fdatasync,sync_file_range,syncfs",
        ]);
        for pid in tree(roots) {
            command.args(["-p", &pid.to_string()]);
        }
        let strace = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It says nothing that could be waited for once it is attached to many.
        std::thread::sleep(Duration::from_secs(1));
        Self { strace }
    }

    /// Lets go of the processes and adds up the table.
    pub(crate) fn finish(mut self) -> u64 {
        let pid = self.strace.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        let mut table = String::new();
        self.strace
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut table)
            .unwrap();
        self.strace.wait().unwrap();
        table
            .lines()
            .filter(|line| line.ends_with("sync") || line.ends_with("sync_file_range"))
            .filter_map(|line| line.split_ascii_whitespace().nth(3)?.parse::<u64>().ok())
            .sum()
    }
}
