//! The tools say what is wrong with what they were given: 1 for the message, 2 for the command.

use super::correspondents::{Correspondents, said};

#[test]
fn a_message_that_does_not_hold_ends_with_1() {
    let people = Correspondents::new();
    let sealing = people
        .smime("seal letter.eml --to home.crt --key doctor.key --cert doctor.crt --out sealed.eml");
    assert_eq!(said(&sealing).2, 0);
    let sealed = String::from_utf8(people.read("sealed.eml")).unwrap();
    let middle = sealed.len() * 3 / 4;
    let swapped = if sealed.as_bytes()[middle] == b'A' {
        "B"
    } else {
        "A"
    };
    let mut changed = sealed.clone();
    changed.replace_range(middle..middle + 1, swapped);
    people.write("changed.eml", changed);
    people.write("cut.eml", &sealed[..middle]);
    people.write("garbage.der", [0x30, 0x80, 1, 2, 3]);
    people.openssl("cms -encrypt -des3 -in letter.eml -outform DER -out old.der home.crt");
    for (arguments, why) in [
        ("open changed.eml --key home.key --cert home.crt", "REFUSED"),
        ("open cut.eml --key home.key --cert home.crt", "REFUSED"),
        ("open garbage.der --key home.key --cert home.crt", "REFUSED"),
        (
            "open old.der --key home.key --cert home.crt",
            "which is not accepted",
        ),
        (
            "open sealed.eml --key doctor.key --cert doctor.crt",
            "`inspect` says for whom",
        ),
        (
            "open sealed.eml",
            "cannot be opened with the keys held here",
        ),
        ("verify letter.eml", "UNSIGNED"),
        ("inspect garbage.der", "REFUSED"),
        (
            "seal letter.eml --to home.crt --key home.key --cert home.crt",
            "From address",
        ),
        (
            "seal letter.eml --to home.crt --key doctor.key --cert doctor.crt --trust doctor.crt",
            "no trusted authority",
        ),
    ] {
        let (report, errors, code) = said(&people.smime(arguments));
        assert_eq!(code, 1, "{arguments}: {report}{errors}");
        assert!(
            format!("{report}{errors}").contains(why),
            "{arguments}: {report}{errors}"
        );
    }
}

#[test]
fn a_command_that_makes_no_sense_ends_with_2() {
    let people = Correspondents::new();
    people.write("empty", b"");
    for (arguments, why) in [
        ("open nowhere.eml", "nowhere.eml"),
        ("open empty", "empty"),
        (
            "open letter.eml --p12 home.p12 --passphrase-env LIAISON_NO_SUCH_VARIABLE",
            "not set",
        ),
        (
            "open letter.eml --p12 home.crt --passphrase-file pass",
            "PKCS #12",
        ),
        (
            "open letter.eml --p12 home.p12 --passphrase-file root.pem",
            "passphrase",
        ),
        ("open letter.eml --key home.key", "--cert"),
        (
            "open letter.eml --key home.key --cert doctor.crt",
            "does not belong",
        ),
        ("open letter.eml --trust letter.eml", "letter.eml"),
        ("open letter.eml --at yesterday", "2026-11-22"),
        ("seal letter.eml --to home.crt", "nobody to sign as"),
        (
            "seal letter.eml --to home.crt --unsigned --p12 doctor.p12 --passphrase-file pass",
            "--unsigned",
        ),
        ("seal root.pem --to home.crt --unsigned", "mail message"),
        ("verify letter.eml --content letter.eml", "--content"),
        ("frobnicate letter.eml", "frobnicate"),
    ] {
        let (report, errors, code) = said(&people.smime(arguments));
        assert_eq!(code, 2, "{arguments}: {report}{errors}");
        assert!(errors.contains(why), "{arguments}: {errors}");
    }
}
