//! How much memory a message of 100 MB takes, above a process that holds the keys and nothing
//! else: this program again, once for each, and the peak of its resident memory.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;

use liaison_smime::{OpenPolicy, Opener, SealPolicy, Sealer, SignatureVerdict, Spool};
use time::OffsetDateTime;

use crate::figures::{Figure, Target};
use crate::message::letter;
use crate::people::{Kind, People};

/// Octets of the message.
const OCTETS: usize = 100_000_000;

/// The measured processes, by their argument.
const IDLE: &str = "--idle";
const SEAL_AND_OPEN: &str = "--seal-and-open";

/// Measures, in processes of their own.
pub(crate) fn figures() -> Vec<Figure> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let idle = peaks(IDLE, folder.path());
    let busy = peaks(SEAL_AND_OPEN, folder.path());
    let above = |what, kib: u64| Figure {
        what: format!("100 MB, files, {what}: MiB above an idle process"),
        measured: (kib.saturating_sub(idle[0])) as f64 / 1024.0,
        unit: "MiB",
        target: Some(Target::AtMost(24.0)),
        note: String::new(),
    };
    vec![
        above("sign + encrypt", busy[0]),
        above("decrypt + verify", busy[1]),
    ]
}

/// What one of the measured processes does, in `folder`; it prints the peaks in KiB.
pub(crate) fn run(what: &str, folder: &Path) {
    let people = People::new(Kind::Rsa2048, &[Kind::Rsa2048, Kind::P256]);
    reset_peak();
    if what == SEAL_AND_OPEN {
        let plain = folder.join("message.eml");
        let sealed = folder.join("sealed.eml");
        let mut file = BufWriter::new(File::create_new(&plain).expect("a file"));
        letter(OCTETS, &mut file);
        file.flush().expect("a file");
        reset_peak();
        seal(&people, &plain, &sealed);
        println!("{}", peak());
        reset_peak();
        open(&people, &plain, &sealed);
    }
    println!("{}", peak());
}

fn seal(people: &People, plain: &Path, sealed: &Path) {
    let mut out = File::create_new(sealed).expect("a file");
    let message = Spool::file(File::open(plain).expect("a file"));
    let mut policy = SealPolicy::default();
    policy.limits.message_octets = 2 * OCTETS;
    Sealer::new(policy)
        .sign_with(&people.doctor.identity)
        .seal(
            message,
            &people.recipients(),
            OffsetDateTime::now_utc(),
            &mut out,
        )
        .expect("it seals");
}

fn open(people: &People, plain: &Path, sealed: &Path) {
    let mut policy = OpenPolicy::default();
    policy.limits.message_octets = 2 * OCTETS;
    for home in &people.homes {
        let ring = home.ring();
        let opener = Opener::new(&policy, &ring, &people.trust);
        let message = Spool::file(File::open(sealed).expect("a file"));
        let mut opened = opener
            .open(message, OffsetDateTime::now_utc())
            .expect("it opens");
        assert!(
            matches!(opened.signature(), SignatureVerdict::Valid(_)),
            "{opened:?}"
        );
        let mut out = File::create(plain.with_extension("opened")).expect("a file");
        let octets = opened.readable().copy_to(&mut out).expect("it is read");
        assert!(octets >= OCTETS as u64, "{octets}");
    }
}

fn peaks(what: &str, folder: &Path) -> Vec<u64> {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .arg(what)
        .arg(folder)
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("numbers");
    text.lines()
        .map(|line| line.parse().expect("a number"))
        .collect()
}

/// Forgets the peak so far (proc_pid_clear_refs(5)).
fn reset_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux");
}

/// The highest resident memory, KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("a peak");
    line.trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number")
}
