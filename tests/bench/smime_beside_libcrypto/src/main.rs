//! S/MIME beside OpenSSL's, in one program and one thread: how long sealing and opening take, and
//! how much memory a large message.
//!
//! ```text
//! cargo run --release --manifest-path tests/bench/smime_beside_libcrypto/Cargo.toml
//! … -- --check                each opens what the other sealed, and nothing is measured
//! … -- --only "2 KB"          the comparisons whose name has that
//! … -- --repeat seal ec 2000  ours alone for some seconds, for a profiler: seal or open, ec or rsa
//! ```
//!
//! Needs Debian's libssl-dev and pkg-config. Both sides take the same message from memory, sign
//! it (multipart/signed, SHA-256), encrypt it (AES-256-GCM, RSA-OAEP with SHA-256 or ECDH) and
//! give a complete message; both take that message, decrypt it, verify the signature and its
//! certificate against the same root, and give the content. They take turns, a few operations
//! each; a ratio is the median over the rounds of OpenSSL's thread CPU time by ours.

mod figures;
mod libcrypto;
mod memory;
mod message;
mod people;

use std::path::Path;
use std::time::{Duration, Instant};

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, PublicKey, UnparsedPublicKey, agree};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use liaison_smime::{OpenPolicy, Opener, SealPolicy, Sealer, SignatureVerdict};
use time::OffsetDateTime;

use crate::figures::{Figure, Target, median};
use crate::libcrypto::Form;
use crate::people::{Kind, People, Person};

/// How long the rounds of one comparison may take together.
const MEASURED: Duration = Duration::from_secs(6);
/// Rounds of a comparison, at least.
const ROUNDS: usize = 15;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => {}
        [only] if only == "--check" => return check(),
        [only, name] if only == "--only" => return compare(name),
        [only, what, keys, octets] if only == "--repeat" => return repeat(what, keys, octets),
        [what, folder] => return memory::run(what, Path::new(folder)),
        _ => panic!("no argument, --check, --only NAME, or --repeat seal|open ec|rsa OCTETS"),
    }
    check();
    compare("");
    for figure in memory::figures() {
        println!("{figure}");
    }
}

/// Measures the comparisons whose keys and size contain `name`.
fn compare(name: &str) {
    for comparison in comparisons() {
        if format!("{}, {}", comparison.keys, comparison.size.0).contains(name) {
            for figure in comparison.measure() {
                println!("{figure}");
            }
        }
    }
}

/// Keys, a size, and what is aimed at.
struct Comparison {
    keys: &'static str,
    signer: Kind,
    recipients: &'static [Kind],
    size: (&'static str, usize),
    seal: Option<Target>,
    open: Option<Target>,
}

fn comparisons() -> Vec<Comparison> {
    const SIZES: [(&str, usize); 3] = [("2 KB", 2_000), ("100 KB", 100_000), ("20 MB", 20_000_000)];
    let mut comparisons = Vec::new();
    for (size, seal) in SIZES.into_iter().zip([1.5, 1.5, 1.8]) {
        comparisons.push(Comparison {
            keys: "RSA-2048 to RSA-2048 and P-256",
            signer: Kind::Rsa2048,
            recipients: &[Kind::Rsa2048, Kind::P256],
            size,
            seal: Some(Target::AtLeast(seal)),
            open: Some(Target::AtLeast(1.5)),
        });
    }
    for (size, seal) in SIZES.into_iter().zip([Some(3.0), None, None]) {
        comparisons.push(Comparison {
            keys: "P-256 to P-256",
            signer: Kind::P256,
            recipients: &[Kind::P256],
            size,
            seal: seal.map(Target::AtLeast),
            open: Some(Target::AtLeast(1.5)),
        });
    }
    comparisons
}

impl Comparison {
    fn measure(&self) -> Vec<Figure> {
        let people = People::new(self.signer, self.recipients);
        let mut message = Vec::new();
        message::letter(self.size.1, &mut message);
        let outer = message::outer_fields();
        let theirs = |form| libcrypto::seal(&people, outer.as_bytes(), &message, form);
        let mut figures = vec![
            self.figure(
                "sign + encrypt",
                self.seal,
                || seal(&people, &message),
                || theirs(Form::Mime),
            ),
            self.figure(
                "   beside one streaming pass of OpenSSL's",
                None,
                || seal(&people, &message),
                || theirs(Form::Streamed),
            ),
            self.figure(
                "   beside OpenSSL's bare DER, without MIME",
                None,
                || seal(&people, &message),
                || theirs(Form::Der),
            ),
        ];
        if self.signer == Kind::P256 {
            let primitives = Primitives::new();
            figures.push(self.figure(
                "   if only the library's P-256 operations took time",
                None,
                || primitives.run(),
                || theirs(Form::Mime),
            ));
        }
        let sealed = seal(&people, &message);
        for home in &people.homes {
            let what = match home.key.rsa() {
                Ok(_) => "decrypt + verify, with the RSA key",
                Err(_) => "decrypt + verify, with the P-256 key",
            };
            let ring = home.ring();
            let ours = || open(&people, &ring, &sealed);
            figures.push(self.figure(what, self.open, ours, || {
                libcrypto::open(&people, home, &sealed)
            }));
        }
        figures
    }

    fn figure(
        &self,
        what: &str,
        target: Option<Target>,
        ours: impl Fn() -> Vec<u8>,
        theirs: impl Fn() -> Vec<u8>,
    ) -> Figure {
        let beside = beside(&ours, &theirs);
        Figure {
            what: format!("{}, {}: {what}", self.keys, self.size.0),
            measured: beside.ratio,
            unit: "x",
            target,
            note: format!(
                "{:.3} ms beside {:.3} (wall {:.3} and {:.3})",
                beside.cpu.0, beside.cpu.1, beside.wall.0, beside.wall.1
            ),
        }
    }
}

/// What the cryptographic library does for one signer and one recipient on P-256, and nothing
/// else: the most that any program over this library can reach.
struct Primitives {
    signer: EcdsaKeyPair,
    recipient: PublicKey,
    random: SystemRandom,
}

impl Primitives {
    fn new() -> Self {
        let recipient = PrivateKey::generate(&ECDH_P256).expect("a key");
        Self {
            signer: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key"),
            recipient: recipient.compute_public_key().expect("a key"),
            random: SystemRandom::new(),
        }
    }

    fn run(&self) -> Vec<u8> {
        let ephemeral = PrivateKey::generate(&ECDH_P256).expect("a key");
        let peer = UnparsedPublicKey::new(&ECDH_P256, self.recipient.as_ref());
        let secret = |secret: &[u8]| Ok(secret.to_vec());
        let mut out = agree(&ephemeral, peer, (), secret).expect("a secret");
        let signature = self.signer.sign(&self.random, &out).expect("a signature");
        out.extend_from_slice(signature.as_ref());
        out
    }
}

/// Milliseconds of one operation, ours and theirs; medians over the rounds.
struct Beside {
    cpu: (f64, f64),
    wall: (f64, f64),
    ratio: f64,
}

fn beside(ours: &dyn Fn() -> Vec<u8>, theirs: &dyn Fn() -> Vec<u8>) -> Beside {
    // The first time prepares keys and seeds generators: it says nothing of the next.
    time(ours, 2);
    let (warm, _) = time(ours, 3);
    let at_once = (0.02 / warm.max(1e-6)).ceil().clamp(1.0, 200.0) as usize;
    time(theirs, at_once);
    let (mut cpu, mut wall, mut ratios) = ((vec![], vec![]), (vec![], vec![]), vec![]);
    let began = Instant::now();
    while ratios.len() < ROUNDS || began.elapsed() < MEASURED && ratios.len() < 400 {
        // Each goes first every other round.
        let (our, their) = if ratios.len() % 2 == 0 {
            (time(ours, at_once), time(theirs, at_once))
        } else {
            let their = time(theirs, at_once);
            (time(ours, at_once), their)
        };
        ratios.push(their.0 / our.0);
        cpu.0.push(our.0 * 1000.0);
        cpu.1.push(their.0 * 1000.0);
        wall.0.push(our.1 * 1000.0);
        wall.1.push(their.1 * 1000.0);
    }
    Beside {
        cpu: (median(cpu.0), median(cpu.1)),
        wall: (median(wall.0), median(wall.1)),
        ratio: median(ratios),
    }
}

/// Seconds of this thread's CPU and of the wall for one of `count` operations.
fn time(operation: &dyn Fn() -> Vec<u8>, count: usize) -> (f64, f64) {
    let (cpu, wall) = (thread_cpu(), Instant::now());
    for _ in 0..count {
        std::hint::black_box(operation());
    }
    let count = count as f64;
    (
        (thread_cpu() - cpu) / count,
        wall.elapsed().as_secs_f64() / count,
    )
}

fn thread_cpu() -> f64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is ours, and filled in by the call.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) };
    assert_eq!(done, 0, "a clock");
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn seal(people: &People, message: &[u8]) -> Vec<u8> {
    Sealer::new(SealPolicy::default())
        .sign_with(&people.doctor.identity)
        .seal_to_vec(message, &people.recipients(), OffsetDateTime::now_utc())
        .expect("it seals")
}

fn open(people: &People, ring: &liaison_smime::Identities, sealed: &[u8]) -> Vec<u8> {
    let policy = OpenPolicy::default();
    let opener = Opener::new(&policy, ring, &people.trust);
    let mut opened = opener
        .open(sealed, OffsetDateTime::now_utc())
        .expect("it opens");
    let valid = matches!(opened.signature(), SignatureVerdict::Valid(_));
    assert!(valid, "{:?}", opened.signature());
    opened.readable().into_vec().expect("it is read")
}

/// Ours alone, for a profiler.
fn repeat(what: &str, keys: &str, octets: &str) {
    let (signer, recipients): (_, &[Kind]) = match keys {
        "ec" => (Kind::P256, &[Kind::P256]),
        _ => (Kind::Rsa2048, &[Kind::Rsa2048, Kind::P256]),
    };
    let people = People::new(signer, recipients);
    let mut message = Vec::new();
    message::letter(octets.parse().expect("octets"), &mut message);
    let sealed = seal(&people, &message);
    let ring = people.homes[0].ring();
    let (mut count, before, began) = (0u32, thread_cpu(), Instant::now());
    while began.elapsed() < MEASURED {
        match what {
            "seal" => std::hint::black_box(seal(&people, &message)),
            _ => std::hint::black_box(open(&people, &ring, &sealed)),
        };
        count += 1;
    }
    let each = (thread_cpu() - before) * 1e6 / f64::from(count);
    println!("{what} {keys} {octets}: {each:.1} us of CPU each, {count} times");
}

/// Each opens what it sealed, and what the other sealed.
fn check() {
    for comparison in comparisons() {
        let people = People::new(comparison.signer, comparison.recipients);
        let mut message = Vec::new();
        message::letter(comparison.size.1, &mut message);
        let outer = message::outer_fields();
        let body = message
            .windows(4)
            .position(|at| at == b"\r\n\r\n")
            .expect("a body");
        let body = &message[body..];
        let sealed = [
            seal(&people, &message),
            libcrypto::seal(&people, outer.as_bytes(), &message, Form::Mime),
            libcrypto::seal(&people, outer.as_bytes(), &message, Form::Streamed),
        ];
        for (home, sealed) in people
            .homes
            .iter()
            .flat_map(|h| sealed.iter().map(move |s| (h, s)))
        {
            check_opened(&people, home, sealed, body);
        }
    }
    println!("each opens what the other sealed");
}

fn check_opened(people: &People, home: &Person, sealed: &[u8], body: &[u8]) {
    let opened = open(people, &home.ring(), sealed);
    assert!(opened.ends_with(body), "ours reads another content");
    let opened = libcrypto::open(people, home, sealed);
    assert!(opened.ends_with(body), "OpenSSL reads another content");
}
