//! Every dependency has a licence of `deny.toml`, and none of the banned is in the lock file.

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

#[test]
fn no_banned_crate_is_locked() {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Banned>,
    }
    let lock: Lock = toml::from_str(include_str!("../../Cargo.lock")).expect("a lock file");
    for banned in deny().bans.deny {
        assert!(
            !lock
                .package
                .iter()
                .any(|package| package.name == banned.name),
            "{} is banned by deny.toml",
            banned.name
        );
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
