//! NIST's Public Key Interoperability Test Suite for path validation, run whole against the data
//! in `$LIAISON_VECTORS/bc-test-data/PKITS`. `pkits.txt` lists its tests.
//!
//! The suite was signed in 2001 with SHA-1 and RSA-1024, which this crate takes for no signature
//! at all. Only for this test, and only in its thread, [`verify`] takes them for one, so that
//! everything else of path validation is what is tested.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use time::macros::datetime;

use super::{PolicyDemand, Purpose, Revocation};
use crate::crl::Crl;
use crate::{Certificate, Limits, TrustStore};

/// Tests whose certificates are refused for a reason of policy, listed by number.
const NOT_TAKEN: [(&str, &str); 2] = [
    ("4.1.4", "DSA signatures are not accepted (RFC 8551 §2)"),
    ("4.1.5", "DSA signatures are not accepted (RFC 8551 §2)"),
];

thread_local! {
    static OLD_SIGNATURES: Cell<bool> = const { Cell::new(false) };
}

/// Whether `signature` is one of SHA-1 and RSA, in the one test that takes them.
pub(crate) fn verify(issuer: &Certificate, message: &[u8], signature: &[u8]) -> bool {
    let key = UnparsedPublicKey::new(
        &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        issuer.public_key(),
    );
    OLD_SIGNATURES.get() && key.verify(message, signature).is_ok()
}

struct Suite {
    folder: PathBuf,
    certificates: HashMap<String, Certificate>,
    crls: HashMap<String, Crl>,
}

impl Suite {
    /// The suite, or `None` where it is not at hand.
    fn at_hand() -> Option<Self> {
        let vectors = std::env::var_os("LIAISON_VECTORS")?;
        let folder = Path::new(&vectors).join("bc-test-data/PKITS");
        folder.is_dir().then(|| Self {
            folder,
            certificates: HashMap::new(),
            crls: HashMap::new(),
        })
    }

    fn certificate(&mut self, name: &str) -> Certificate {
        let folder = &self.folder;
        let read = || {
            let octets = std::fs::read(folder.join(format!("certs/{name}.crt"))).unwrap();
            Certificate::from_der(&octets).unwrap_or_else(|e| panic!("{name}: {e}"))
        };
        let entry = self.certificates.entry(name.to_owned());
        entry.or_insert_with(read).clone()
    }

    fn crl(&mut self, name: &str) -> Crl {
        let folder = &self.folder;
        let read = || {
            let octets = std::fs::read(folder.join(format!("crls/{name}.crl"))).unwrap();
            Crl::from_der(&octets).unwrap_or_else(|e| panic!("{name}: {e}"))
        };
        self.crls
            .entry(name.to_owned())
            .or_insert_with(read)
            .clone()
    }
}

/// One line of `pkits.txt`.
struct Case<'a> {
    number: &'a str,
    title: &'a str,
    valid: bool,
    demand: PolicyDemand,
    certificates: Vec<&'a str>,
    crls: Vec<&'a str>,
}

fn cases() -> Vec<Case<'static>> {
    let lines = include_str!("pkits.txt").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split('|').collect();
            let [number, title, expected, policies, flags, certificates, crls] = fields[..] else {
                panic!("{line}");
            };
            let oids: Vec<String> = policies
                .split_whitespace()
                .map(|n| format!("2.16.840.1.101.3.2.1.48.{n}"))
                .collect();
            let mut demand = PolicyDemand::one_of(oids.iter().map(String::as_str))
                .unwrap()
                .explicit(flags.contains('e'));
            if flags.contains('m') {
                demand = demand.without_mapping();
            }
            if flags.contains('a') {
                demand = demand.without_any_policy();
            }
            Case {
                number,
                title,
                valid: expected == "valid",
                demand,
                certificates: certificates.split_whitespace().collect(),
                crls: crls.split_whitespace().collect(),
            }
        })
        .collect()
}

/// The outcome in words; the beginning is `valid` if the suite would call it that: a path that
/// holds, whose revocation is known to be good.
fn outcome(suite: &mut Suite, case: &Case<'_>) -> String {
    let (leaf, authorities) = case.certificates.split_last().unwrap();
    let mut trust = TrustStore::new()
        .with_anchor(suite.certificate("TrustAnchorRootCertificate"))
        .with_crl(suite.crl("TrustAnchorRootCRL"))
        .with_policy_demand(case.demand.clone());
    for name in authorities {
        trust = trust.with_intermediate(suite.certificate(name));
    }
    for name in &case.crls {
        trust = trust.with_crl(suite.crl(name));
    }
    let leaf = suite.certificate(leaf);
    let limits = Limits::default();
    let context = trust.at(datetime!(2010-09-01 12:00 UTC), &limits);
    match super::validate(&leaf, Purpose::Sign, &[], &context) {
        Ok(path) if matches!(path.revocation, Revocation::Good { .. }) => "valid".to_owned(),
        Ok(path) => format!("unknown: {:?}", path.revocation),
        Err(fault) => format!("invalid: {fault}"),
    }
}

#[test]
fn every_test_of_pkits_has_its_verdict() {
    let Some(mut suite) = Suite::at_hand() else {
        not_at_hand("NIST PKITS: LIAISON_VECTORS does not name a folder that holds it");
        return;
    };
    OLD_SIGNATURES.set(true);
    let mut wrong = Vec::new();
    let cases = cases();
    for case in &cases {
        let outcome = outcome(&mut suite, case);
        let not_taken = NOT_TAKEN.iter().any(|(number, _)| *number == case.number);
        if (outcome == "valid") != (case.valid && !not_taken) {
            let expected = if case.valid { "valid" } else { "invalid" };
            wrong.push(format!(
                "{} {}: expected {expected}, is {outcome}",
                case.number, case.title
            ));
        }
    }
    OLD_SIGNATURES.set(false);
    assert_eq!(cases.len(), 249, "the suite is run whole");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `tests/run` repeats at its end what was not at hand.
#[allow(clippy::print_stderr, reason = "a test says what it could not run")]
fn not_at_hand(what: &str) {
    eprintln!("not at hand: {what}");
    if let Some(path) = std::env::var_os("LIAISON_NOT_AT_HAND") {
        use std::io::Write as _;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(path).unwrap();
        writeln!(file, "{what}").unwrap();
    }
}
