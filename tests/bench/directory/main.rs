//! The directory at the size of France, on this machine, each figure beside its target:
//! `cargo bench -p liaison-tests --bench directory`.
//!
//! Files of the real shape are made from a seed (2.3 million lines of activity, 0.54 million
//! mailboxes), imported by a process of its own, and then asked: by the library, over LDAP on the
//! loopback as Thunderbird asks, and over HTTPS as hospital software asks. OpenLDAP's slapd from
//! Debian answers the same client in the same run; it holds 100,000 of the people, loaded with
//! slapadd and indexed for substrings, while Liaison holds everything. slapd is installed when it is
//! lacking, which needs root; that part is left out when it cannot be.
//!
//! The time of an answer says little on a machine that others use too: beside it stands what the
//! server's processor spent on each search. The last figures are in `directory/PERFORMANCE.md`.
//!
//! `LIAISON_BENCH_PART=100` takes a hundredth of France; `LIAISON_BENCH_FOLDER` keeps the files
//! and what was imported from one run to the next.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark speaks to its user, measures real time, and ends when it cannot go on"
)]

mod client;
mod figures;
mod hospital;
mod library;
mod mail_clients;
mod served;
mod slapd;

use std::path::{Path, PathBuf};
use std::time::Instant;

use liaison_tests::registers::{Registers, Size};

/// The seed of everything that is drawn.
const SEED: u64 = 20_261_122;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "import", folder, ..] => return served::import(Path::new(folder)),
        [_, "serve", folder, ..] => return served::serve(Path::new(folder)),
        _ => {}
    }
    let part = std::env::var("LIAISON_BENCH_PART").map_or(1, |text| text.parse().unwrap());
    let size = if part == 1 {
        Size::FRANCE
    } else {
        Size::part(part)
    };
    let registers = Registers::new(SEED, size);
    let kept = std::env::var_os("LIAISON_BENCH_FOLDER").map(PathBuf::from);
    let temporary = tempfile::tempdir().unwrap();
    let folder = kept.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder).unwrap();

    if !folder.join("files").exists() {
        let began = Instant::now();
        std::fs::create_dir_all(folder.join("files.new")).unwrap();
        let _ = registers.write(&folder.join("files.new"), "20261122");
        served::certificates(&registers, folder);
        std::fs::rename(folder.join("files.new"), folder.join("files")).unwrap();
        println!("files written in {:.1} s", began.elapsed().as_secs_f64());
    }
    if !folder.join("imported").exists() {
        served::run_import(folder);
        std::fs::write(folder.join("imported"), "").unwrap();
    }
    library::measure(&registers, folder);
    mail_clients::measure(&registers, folder);
}
