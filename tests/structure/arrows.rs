//! Who may depend on whom. The roles' crates meet through ports, never through each other.

use std::collections::BTreeMap;

use crate::metadata::Metadata;

/// The arrows of the design, crate by crate; `liaison` (the executable) may use every library,
/// and the tests may too.
const ARROWS: &[(&str, &[&str])] = &[
    ("liaison-base", &[]),
    ("liaison-mail", &[]),
    ("liaison-smime", &[]),
    ("liaison-hl7", &[]),
    ("liaison-certs-dev", &[]),
    ("liaison-smtp", &["mail"]),
    ("liaison-store", &["base"]),
    ("liaison-directory-client", &["mail"]),
    (
        "liaison-relay",
        &["base", "mail", "smtp", "store", "directory-client"],
    ),
    (
        "liaison-gateway",
        &[
            "base",
            "mail",
            "smtp",
            "store",
            "smime",
            "hl7",
            "directory-client",
        ],
    ),
    (
        "liaison-directory",
        &["base", "mail", "store", "directory-client"],
    ),
];

/// Crates that may use every library of ours.
const ABOVE_ALL: &[&str] = &["liaison", "liaison-tests"];

/// What dev-dependencies may add anywhere: the throw-away PKI.
const FOR_TESTS: &str = "liaison-certs-dev";

#[test]
fn no_crate_depends_on_another_that_the_design_does_not_allow() {
    let metadata = Metadata::read();
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for package in metadata.ours() {
        if ABOVE_ALL.contains(&package.name.as_str()) {
            continue;
        }
        seen += 1;
        let Some(allowed) = arrows.get(package.name.as_str()) else {
            wrong.push(format!("{} has no place in the design", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(name) = dependency.name.strip_prefix("liaison-") else {
                continue;
            };
            // A crate's tests may ask itself for a feature.
            if dependency.name == package.name {
                continue;
            }
            let for_tests =
                dependency.kind.as_deref() == Some("dev") && dependency.name == FOR_TESTS;
            if !allowed.contains(&name) && !for_tests {
                wrong.push(format!("{} -> {}", package.name, dependency.name));
            }
        }
    }
    assert_eq!(seen, ARROWS.len(), "a crate of the design is missing");
    assert!(
        wrong.is_empty(),
        "arrows that the design does not have: {wrong:#?}"
    );
}
