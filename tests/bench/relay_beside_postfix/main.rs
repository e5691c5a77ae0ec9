//! Liaison's relay beside Postfix from Debian, on this machine, in one run:
//! `cargo bench -p liaison-tests --bench relay_beside_postfix`.
//!
//! Two relays of each kind, joined by mutual TLS on the loopback, carry the same sealed messages:
//! a peer brings them to the first relay over mutual TLS on 1, 10 or 50 connections, the first
//! carries them to the second, and the second gives them away (Postfix's `discard`, a counting
//! gateway behind Liaison). Both sync every message before they answer for it. The same client
//! brings the messages to both, and uses what the relay announces.
//!
//! - *accepted*: messages a second until the last 250 of the first relay;
//! - *delivered*: messages a second from the first connection to the last delivery;
//! - *CPU*: of both relays with all their processes, user and system, for each message;
//! - *syncs*: `fsync` and `fdatasync` of both relays for each message, counted by `strace` in a
//!   short run of its own.
//!
//! Postfix is installed with apt when it is lacking; root is needed to run it. Set
//! `LIAISON_BENCH=carry`, `large`, `memory`, `tuned`, `syncs` or `million` (or several, with commas)
//! for a part of the whole.
//!
//! `memory` brings messages of 25 MiB to Liaison alone and prints by how much each relay's memory
//! has grown at its peak, for each connection. `million` starts Liaison's first relay with a million
//! messages that wait, and prints how long that takes and what they cost those that pass.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark speaks to its user, measures real time, and ends when it cannot go on"
)]

mod liaison;
mod load;
mod material;
mod million;
mod postfix;
mod process;

use std::time::Duration;

use load::{Carried, Load};
use material::Material;
use postfix::Postfix;

/// Postfix's rate times this is the aim, at 2 KB and at 50 KB (issue 4).
const RATE_2KB: f64 = 10.0;
const RATE_50KB: f64 = 5.0;
/// Postfix's CPU a message divided by this is the aim.
const CPU: f64 = 8.0;

/// A pair of relays at work, whoever wrote them.
trait Pair {
    /// Where the first one takes messages.
    fn door(&self) -> std::net::SocketAddr;
    /// The processes whose trees do the work.
    fn roots(&self) -> Vec<u32>;
    /// Messages given away by the second since the start.
    fn delivered(&mut self) -> u64;
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, folder, ..] = arguments.as_slice()
        && role == "relay"
    {
        return liaison::serve(folder.as_ref());
    }
    let wanted = std::env::var("LIAISON_BENCH").unwrap_or_default();
    let wants = |part: &str| wanted.is_empty() || wanted.split(',').any(|one| one == part);
    let material = Material::new();
    if wants("carry") {
        carry(&material, false);
    }
    if wants("large") {
        carry(&material, true);
    }
    if wants("memory") {
        memory(&material);
    }
    if wants("million") {
        million::run(&material);
    }
    if wants("tuned") {
        tuned(&material);
    }
    if wants("syncs") {
        syncs(&material);
    }
}

/// The three sizes at the three numbers of connections.
fn carry(material: &Material, large: bool) {
    let mut liaison = liaison::start(material);
    let mut postfix = Postfix::start(material, postfix::Setup::Debian);
    println!("size    conn   relay     accepted/s  delivered/s  CPU ms a message");
    let sizes: &[usize] = if large {
        &[5_000_000]
    } else {
        &[2_000, 50_000]
    };
    for &size in sizes {
        for connections in [1, 10, 50] {
            let (few, many) = match size {
                2_000 => (500, 6_000),
                50_000 => (300, 2_000),
                _ => (30, 60),
            };
            let load = |count| Load {
                size,
                connections,
                count,
            };
            let theirs = measured(material, "postfix", &mut postfix, load(few));
            let ours = measured(material, "liaison", &mut liaison, load(many));
            compare(size, connections, &ours, &theirs);
        }
    }
}

/// Peak memory at 25 MiB a message.
fn memory(material: &Material) {
    println!("memory while messages of 25 MiB pass:");
    for connections in [1, 10] {
        let mut liaison = liaison::start(material);
        let load = |count| Load {
            size: material::LARGEST,
            connections,
            count,
        };
        // Small ones first: connections and caches are there before it is measured.
        let warm = Load {
            size: 2_000,
            connections,
            count: 50 * connections,
        };
        load::run(material, &mut liaison, &warm);
        let before: Vec<u64> = liaison
            .roots()
            .into_iter()
            .map(process::begin_peak)
            .collect();
        load::run(material, &mut liaison, &load(2 * connections));
        let grown = liaison
            .roots()
            .into_iter()
            .zip(before)
            .map(|(pid, before)| {
                process::peak(pid).saturating_sub(before) as f64
                    / connections as f64
                    / (1 << 20) as f64
            });
        let grown: Vec<String> = grown.map(|one| format!("{one:.1}")).collect();
        println!(
            "{connections:>4} connections   first relay {} MiB a connection, second {} (aim 8)",
            grown[0], grown[1]
        );
    }
}

/// Postfix with what its own guide advises for more throughput.
fn tuned(material: &Material) {
    let mut liaison = liaison::start(material);
    let mut postfix = Postfix::start(material, postfix::Setup::Tuned);
    println!("Postfix tuned (connections reused, no delay on inflow, more processes):");
    for connections in [10, 50] {
        let load = |count| Load {
            size: 2_000,
            connections,
            count,
        };
        let theirs = measured(material, "postfix", &mut postfix, load(800));
        let ours = measured(material, "liaison", &mut liaison, load(6_000));
        compare(2_000, connections, &ours, &theirs);
    }
}

/// Disk syncs a message at 2 KB, in short runs under `strace`, which slows both.
fn syncs(material: &Material) {
    println!("disk syncs a message (2 KB, both relays together, under strace):");
    for connections in [1, 10, 50] {
        let load = |count| Load {
            size: 2_000,
            connections,
            count,
        };
        let mut postfix = Postfix::start(material, postfix::Setup::Debian);
        let theirs = counted(material, &mut postfix, load(150));
        drop(postfix);
        let mut liaison = liaison::start(material);
        let ours = counted(material, &mut liaison, load(1_000));
        println!("{connections:>4} connections   postfix {theirs:>6.2}   liaison {ours:>6.2}");
    }
}

fn counted(material: &Material, pair: &mut dyn Pair, load: Load) -> f64 {
    load::run(material, pair, &Load { count: 20, ..load });
    let counter = process::SyncCounter::attach(&pair.roots());
    load::run(material, pair, &load);
    counter.finish() as f64 / load.count as f64
}

fn measured(material: &Material, name: &str, pair: &mut dyn Pair, load: Load) -> Carried {
    // Connections, caches and processes are made before the clock runs.
    let warm = Load {
        count: load.connections.max(10),
        ..load
    };
    load::run(material, pair, &warm);
    let carried = load::run(material, pair, &load);
    println!(
        "{:>7} {:>4}   {name:<8} {:>11.1} {:>12.1} {:>17.3}",
        load.size,
        load.connections,
        carried.rate(carried.accepted),
        carried.rate(carried.delivered),
        carried.cpu_a_message() * 1e3,
    );
    carried
}

fn compare(size: usize, connections: usize, ours: &Carried, theirs: &Carried) {
    let rate = ours.rate(ours.delivered) / theirs.rate(theirs.delivered);
    let cpu = theirs.cpu_a_message() / ours.cpu_a_message();
    let aim = match size {
        2_000 => format!("aim {RATE_2KB:.0}"),
        50_000 => format!("aim {RATE_50KB:.0}"),
        _ => "no aim".to_owned(),
    };
    println!(
        "{size:>7} {connections:>4}   ratio    {rate:>11.1} times the rate ({aim}); CPU {cpu:.1} times less (aim {CPU:.0})"
    );
}

/// A run that takes longer has gone wrong.
const PATIENCE: Duration = Duration::from_secs(180);
