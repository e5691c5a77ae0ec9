//! Where the public collections are, and what is said when they are not.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use liaison_smime::{Certificate, Identity};

/// The folder of a collection, or `None` after saying that it is not at hand. `tests/run` lists
/// what was said under `LIAISON_NOT_AT_HAND`.
pub(crate) fn folder(inside: &str) -> Option<PathBuf> {
    let found = std::env::var_os("LIAISON_VECTORS")
        .map(|root| Path::new(&root).join(inside))
        .filter(|folder| folder.is_dir());
    if found.is_none() {
        missing(&format!(
            "{inside}: LIAISON_VECTORS does not name a folder that holds it"
        ));
    }
    found
}

/// Says that a collection is not at hand.
pub(crate) fn missing(what: &str) {
    eprintln!("not at hand: {what}");
    if let Some(path) = std::env::var_os("LIAISON_NOT_AT_HAND") {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(file, "{what}").unwrap();
    }
}

/// The files of a folder whose names end so, sorted.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .filter(|(name, _)| name.ends_with(ending))
        .map(|(name, path)| (name, std::fs::read(path).unwrap()))
        .collect();
    found.sort();
    found
}

/// The identity in a PKCS#12 file, as the `openssl` program reads it.
pub(crate) fn pkcs12(path: &Path, password: &str) -> Identity {
    let output = Command::new("openssl")
        .args([
            "pkcs12",
            "-nodes",
            "-passin",
            &format!("pass:{password}"),
            "-in",
        ])
        .arg(path)
        .output()
        .expect("the openssl program (Debian package openssl)");
    assert!(output.status.success(), "{}", path.display());
    let text = String::from_utf8(output.stdout).unwrap();
    let key = liaison_smime::PrivateKey::from_pkcs8_pem(&text).unwrap();
    let mut certificates = Certificate::all_from_pem(&text).unwrap();
    // NSS writes the chain in any order: the leaf is the one whose key this is.
    for _ in 0..certificates.len() {
        let leaf = certificates.remove(0);
        let again = liaison_smime::PrivateKey::from_pkcs8_pem(&text).unwrap();
        if let Ok(identity) = Identity::new(leaf.clone(), certificates.clone(), again) {
            return identity;
        }
        certificates.push(leaf);
    }
    drop(key);
    panic!("{}: no certificate of the key", path.display());
}
