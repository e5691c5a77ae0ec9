//! What the Python package `cryptography_vectors` carries (tests/requirements.txt): PKCS#7,
//! PKCS#12, PKCS#8, certificates, revocation lists, OCSP responses, and NIST's PKITS with its
//! S/MIME messages. `python_vectors.txt` lists every file with what becomes of it here, in the
//! words that an operator reads; a refusal is one of policy, or the file is a bad one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use liaison_smime::{
    Certificate, Crl, Identities, InvalidReason, MaterialError, OcspResponse, OpenPolicy,
    PolicyDemand, PrivateKey, SignatureVerdict, TrustStore, certificates_from_pkcs12,
    identities_from_pkcs12,
};
use time::macros::datetime;

use super::at_hand;

/// The folder of the package, in the interpreter's site-packages.
fn folder() -> Option<PathBuf> {
    let found = std::env::var_os("LIAISON_TEST_PYTHON").and_then(|python| {
        let lib = Path::new(&python).parent()?.parent()?.join("lib");
        let versions = std::fs::read_dir(lib).ok()?.filter_map(Result::ok);
        versions
            .map(|version| version.path().join("site-packages/cryptography_vectors"))
            .find(|folder| folder.is_dir())
    });
    if found.is_none() {
        at_hand::missing(
            "cryptography_vectors: LIAISON_TEST_PYTHON does not name a Python that has it",
        );
    }
    found
}

/// The passphrases of the encrypted files; a file opens with the right one.
const PASSPHRASES: [&str; 8] = [
    "password",
    "cryptography",
    "foobar",
    "baz",
    "123456",
    "PolarSSLTest",
    "hunter42",
    "",
];

/// What reading with one of the passphrases gives.
fn with_passphrase<T>(read: impl Fn(&str) -> Result<T, MaterialError>) -> Result<T, String> {
    let mut reason = MaterialError::Passphrase;
    for passphrase in PASSPHRASES {
        match read(passphrase) {
            Ok(read) => return Ok(read),
            Err(MaterialError::Passphrase) => {}
            Err(error) => reason = error,
        }
    }
    Err(reason.to_string())
}

fn pem_or_der(name: &str, octets: &[u8], label: &str) -> Result<Vec<u8>, String> {
    if name.ends_with(".der") {
        return Ok(octets.to_vec());
    }
    let text = String::from_utf8_lossy(octets);
    match text.contains(&format!("-----BEGIN {label}-----")) {
        true => Ok(super::pem(&text)),
        false => Err(format!("no {label}")),
    }
}

fn key(name: &str, octets: &[u8]) -> Result<String, String> {
    let read = if name.ends_with(".der") {
        PrivateKey::from_pkcs8_der(octets).map_err(|error| error.to_string())
    } else {
        let text = String::from_utf8_lossy(octets).into_owned();
        with_passphrase(|passphrase| PrivateKey::from_pem(&text, Some(passphrase)))
    };
    read.map(|key| format!("{:?}", key.kind()))
}

fn pkcs12(octets: &[u8]) -> Result<String, String> {
    let certificates =
        with_passphrase(|passphrase| certificates_from_pkcs12(octets, passphrase))?.len();
    let keys = with_passphrase(|passphrase| identities_from_pkcs12(octets, passphrase));
    Ok(match keys {
        Ok(keys) => format!("{} keys, {certificates} certificates", keys.len()),
        Err(error) => format!("{certificates} certificates; {error}"),
    })
}

fn certificate_or_list(name: &str, octets: &[u8]) -> Result<String, String> {
    let is_list = name.starts_with("crl_") || name.ends_with("_crl.pem");
    if is_list {
        let der = pem_or_der(name, octets, "X509 CRL")?;
        return match Crl::from_der(&der) {
            Ok(_) => Ok("list".to_owned()),
            Err(error) => Err(error.to_string()),
        };
    }
    let read = match name.ends_with(".der") {
        true => Certificate::from_der(octets),
        false => Certificate::from_pem(&String::from_utf8_lossy(octets)),
    };
    match read {
        Ok(read) => Ok(format!("{:?}", read.public_key_kind())),
        Err(error) => Err(error.to_string()),
    }
}

/// A CMS object, as an opener that has no key for it takes it.
fn cms(octets: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(octets);
    let object = if text.contains("-----BEGIN") {
        super::pem(&text)
    } else {
        octets.to_vec()
    };
    let mut policy = OpenPolicy::default();
    policy.accept_unencrypted = true;
    let answer = super::open(
        &policy,
        &super::mail("a@b.test", &object),
        &Identities::new(),
        &TrustStore::new(),
        datetime!(2025-01-01 0:00 UTC),
    );
    match answer {
        Ok(opened) => Ok(format!("{:?}", opened.signature())),
        Err(refusal) => Err(refusal.to_string()),
    }
}

/// Every file with its outcome, a line each.
fn outcomes(root: &Path) -> Vec<String> {
    type Read = fn(&str, &[u8]) -> Result<String, String>;
    let sets: [(&str, Read); 7] = [
        ("pkcs7", |_, octets| cms(octets)),
        ("pkcs12", |_, octets| pkcs12(octets)),
        ("asymmetric/PKCS8", key),
        ("x509", certificate_or_list),
        ("x509/custom", certificate_or_list),
        ("x509/ed25519", certificate_or_list),
        ("x509/ocsp", |name, octets| {
            if name.contains("req") {
                return Err("a request".to_owned());
            }
            match OcspResponse::from_der(octets) {
                Ok(_) => Ok("response".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        }),
    ];
    let mut lines = Vec::new();
    for (set, read) in sets {
        let mut files = Vec::new();
        for ending in [".pem", ".der", ".p12", ".p7b"] {
            files.extend(at_hand::files(&root.join(set), ending));
        }
        files.sort();
        for (name, octets) in files {
            let outcome = match read(&name, &octets) {
                Ok(outcome) => format!("taken: {outcome}"),
                Err(reason) => format!("refused: {reason}"),
            };
            lines.push(format!("{set}/{name} | {outcome}"));
        }
    }
    lines
}

#[test]
fn every_file_has_the_outcome_of_the_table() {
    let Some(root) = folder() else {
        return;
    };
    let found = outcomes(&root);
    let table = include_str!("python_vectors.txt");
    let table: Vec<&str> = table.lines().filter(|l| !l.starts_with('#')).collect();
    let mut wrong = Vec::new();
    for line in &found {
        if !table.contains(&line.as_str()) {
            wrong.push(format!("not in the table: {line}"));
        }
    }
    for line in &table {
        if !found.iter().any(|found| found == line) {
            wrong.push(format!("not found so: {line}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// NIST's PKITS as S/MIME messages: each is signed by the leaf of a path, and is valid exactly if
/// the path is, its revocation known to be good. (Most leaves name no address, so that "not one for
/// the From address" is what a valid path comes to there.)
#[test]
fn the_messages_of_pkits_get_the_verdict_of_their_paths() {
    let Some(root) = folder() else {
        return;
    };
    let root = root.join("x509/PKITS_data");
    let mut messages: BTreeMap<String, Vec<u8>> = at_hand::files(&root.join("smime"), ".eml")
        .into_iter()
        .map(|(name, octets)| (plain(&name["Signed".len()..name.len() - 4]), octets))
        .collect();
    assert_eq!(messages.len(), 224);
    let mut policy = OpenPolicy::default();
    policy.accept_unencrypted = true;
    policy.require_revocation = true;
    let mut wrong = Vec::new();
    let mut checked = BTreeSet::new();
    for line in include_str!("../../src/path/pkits.txt").lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let [
            number,
            title,
            expected,
            policies,
            flags,
            certificates,
            lists,
        ] = fields[..]
        else {
            continue;
        };
        // This message carries the leaf of test 4.14.19, and is worth what that is.
        let (certificates, lists) = match number {
            "4.14.18" => (ONLY_SOME_REASONS_4, ONLY_SOME_REASONS_4_LISTS),
            _ => (certificates, lists),
        };
        let leaf = certificates.split(' ').next_back().unwrap();
        let whole = title.split(" (").next().unwrap_or(title);
        let named = [plain(whole), plain(leaf.trim_end_matches("EE"))];
        let Some(name) = named.into_iter().find(|name| messages.contains_key(name)) else {
            continue;
        };
        let trust = pkits_trust(&root, (policies, flags), certificates, lists);
        let opened = super::open(
            &policy,
            &messages[&name],
            &Identities::new(),
            &trust,
            datetime!(2012-01-01 0:00 UTC),
        )
        .unwrap_or_else(|refusal| panic!("{number} {title}: {refusal}"));
        let holds = matches!(
            opened.signature(),
            SignatureVerdict::Valid(_) | SignatureVerdict::Invalid(InvalidReason::WrongAddress)
        );
        if holds != (expected == "valid" && !DSA.contains(&number)) {
            wrong.push(format!("{number} {title}: {:?}", opened.signature()));
        }
        checked.insert(name);
    }
    messages.retain(|name, _| !checked.contains(name));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(messages.is_empty(), "not checked: {:?}", messages.keys());
}

const ONLY_SOME_REASONS_4: &str = "onlySomeReasonsCA4Cert ValidonlySomeReasonsTest18EE";
const ONLY_SOME_REASONS_4_LISTS: &str =
    "onlySomeReasonsCA4compromiseCRL onlySomeReasonsCA4otherreasonsCRL";

/// Tests of DSA, which is not accepted (RFC 8551 §2).
const DSA: [&str; 2] = ["4.1.4", "4.1.5"];

fn plain(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

fn pkits_trust(
    root: &Path,
    (policies, flags): (&str, &str),
    certificates: &str,
    lists: &str,
) -> TrustStore {
    let certificate = |name: &str| {
        let octets = std::fs::read(root.join(format!("certs/{name}.crt"))).unwrap();
        // One that cannot be read at all leads nowhere: those whose
        // signatures the suite spoils.
        Certificate::from_der(&octets).ok()
    };
    let list = |name: &str| {
        let octets = std::fs::read(root.join(format!("crls/{name}.crl"))).unwrap();
        Crl::from_der(&octets).ok()
    };
    let policies: Vec<String> = policies
        .split_whitespace()
        .map(|n| format!("2.16.840.1.101.3.2.1.48.{n}"))
        .collect();
    let mut demand = PolicyDemand::one_of(policies.iter().map(String::as_str))
        .unwrap()
        .explicit(flags.contains('e'));
    if flags.contains('m') {
        demand = demand.without_mapping();
    }
    if flags.contains('a') {
        demand = demand.without_any_policy();
    }
    let mut trust = TrustStore::new()
        .with_anchor(certificate("TrustAnchorRootCertificate").unwrap())
        .with_crl(list("TrustAnchorRootCRL").unwrap())
        .with_policy_demand(demand);
    let (authorities, _) = certificates.rsplit_once(' ').unwrap_or(("", ""));
    for name in authorities.split_whitespace() {
        if let Some(certificate) = certificate(name) {
            trust = trust.with_intermediate(certificate);
        }
    }
    for name in lists.split_whitespace() {
        if let Some(list) = list(name) {
            trust = trust.with_crl(list);
        }
    }
    trust
}
