//! Every dependency has a licence of `deny.toml`, and none of the banned is in the lock file.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::metadata::Metadata;

#[derive(Deserialize)]
struct Deny {
    licenses: Licences,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    name: String,
}

fn deny() -> Deny {
    let text = include_str!("../../deny.toml");
    toml::from_str(text).expect("deny.toml is readable")
}

/// Whether an SPDX expression can be met by the allowed licences: one side of each OR, both of
/// each AND. Slashes are the older form of OR.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
    expression.split(" AND ").all(|part| {
        part.split(" OR ")
            .any(|licence| allowed.iter().any(|a| a == licence.trim()))
    })
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let allowed = deny().licenses.allow;
    let wrong: Vec<_> = Metadata::read()
        .packages
        .into_iter()
        .filter(|package| {
            !package
                .license
                .as_deref()
                .is_some_and(|licence| is_allowed(licence, &allowed))
        })
        .map(|package| {
            format!(
                "{} {}: {:?}",
                package.name, package.version, package.license
            )
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "licences that deny.toml does not allow: {wrong:#?}"
    );
}

/// The one lock file that may have what is banned, and why: a measurement beside OpenSSL, which
/// is no part of the product.
const MEASURED_BESIDE: (&str, &str) = ("tests/bench/smime_beside_libcrypto", "openssl-sys");

#[test]
fn no_banned_crate_is_locked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut locks = Vec::new();
    find_locks(&root, Path::new(""), &mut locks);
    let known = ["", "tests/fuzz", MEASURED_BESIDE.0].map(PathBuf::from);
    for folder in &known {
        assert!(
            locks.contains(folder),
            "{} has no lock file",
            folder.display()
        );
    }
    let banned = deny().bans.deny;
    for folder in locks {
        assert!(
            known.contains(&folder),
            "{} is a workspace without a reason",
            folder.display()
        );
        let text = std::fs::read_to_string(root.join(&folder).join("Cargo.lock"));
        let lock: Lock = toml::from_str(&text.expect("a lock file")).expect("a lock file");
        for banned in &banned {
            let accepted =
                folder == Path::new(MEASURED_BESIDE.0) && banned.name == MEASURED_BESIDE.1;
            let locked = lock
                .package
                .iter()
                .any(|package| package.name == banned.name);
            assert!(
                locked == accepted,
                "{} in {}/Cargo.lock: deny.toml bans it, but for {MEASURED_BESIDE:?}",
                banned.name,
                folder.display()
            );
        }
    }
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Banned>,
}

/// The folders with a `Cargo.lock`, relative to `root`; what is built or hidden has none of ours.
fn find_locks(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
    if root.join(folder).join("Cargo.lock").is_file() {
        found.push(folder.to_path_buf());
    }
    for entry in root.join(folder).read_dir().expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name();
        let skipped = name == "target" || name.to_string_lossy().starts_with('.');
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !skipped {
            find_locks(root, &folder.join(name), found);
        }
    }
}

#[test]
fn an_expression_is_judged_by_its_parts() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    for (expression, expected) in [
        ("MIT", true),
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND ISC", true),
        ("MIT AND GPL-3.0", false),
        ("GPL-3.0", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}
