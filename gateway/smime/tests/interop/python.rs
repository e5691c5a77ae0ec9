//! Python's `cryptography` signs and encrypts; `asn1crypto` reads what is sealed here strictly,
//! and `cryptography`'s primitives open it, apart from every CMS library.

use std::process::Command;

use super::territory::{self, Authority, DOCTOR, HOME, Kind, Openssl, letter};
use super::{CONTENT, assert_valid, entity, mail, run};

/// The interpreter with the packages of tests/requirements.txt.
fn python() -> Option<Command> {
    let interpreter = std::env::var_os("LIAISON_TEST_PYTHON")?;
    let mut command = Command::new(interpreter);
    command.arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/interop/with_python.py"
    ));
    Some(command)
}

#[test]
fn python_reads_strictly_and_opens_what_we_seal() {
    if python().is_none() {
        territory::not_at_hand(
            "Python with cryptography and asn1crypto: LIAISON_TEST_PYTHON is not set",
        );
        return;
    }
    let root = Authority::root();
    for signer in [Kind::Rsa, Kind::P256, Kind::P384, Kind::Ed25519] {
        let doctor = root.person(DOCTOR, signer);
        let people = [Kind::Rsa, Kind::P256, Kind::P384].map(|kind| root.person(HOME, kind));
        let recipients: Vec<_> = people.iter().collect();
        let sealed = territory::seal(&letter("Bonjour,\r\n"), &doctor, &recipients);
        let folder = Openssl::new();
        let message = folder.write("sealed.eml", &sealed);
        for person in &people {
            let key = folder.write("key.pem", person.key_pem.as_bytes());
            let certificate = folder.write("cert.pem", person.certificate_pem.as_bytes());
            let mut command = python().unwrap();
            command.arg("check").args([&message, &key, &certificate]);
            let said = run(&mut command).stdout;
            let said = String::from_utf8(said).unwrap();
            assert!(said.contains("Subject: Sortie de Mme Fictive"), "{said}");
        }
    }
}

#[test]
fn we_verify_and_open_what_python_makes() {
    if python().is_none() {
        territory::not_at_hand(
            "Python with cryptography and asn1crypto: LIAISON_TEST_PYTHON is not set",
        );
        return;
    }
    let root = Authority::root();
    let home = root.person(HOME, Kind::Rsa);
    let folder = Openssl::new();
    let content = folder.write("content", CONTENT);
    let recipient = folder.write("home.pem", home.certificate_pem.as_bytes());
    for (kind, methods) in [
        (Kind::Rsa, &["pkcs1", "pss"][..]),
        (Kind::P256, &["ecdsa"]),
        (Kind::P384, &["ecdsa"]),
    ] {
        let doctor = root.person(DOCTOR, kind);
        let key = folder.write("key.pem", doctor.key_pem.as_bytes());
        let certificate = folder.write("cert.pem", doctor.certificate_pem.as_bytes());
        for method in methods {
            for digest in ["sha256", "sha384", "sha512"] {
                let mut command = python().unwrap();
                command.args(["sign", method, digest]);
                command.args([&content, &key, &certificate]);
                let object = run(&mut command).stdout;
                let why = format!("{kind:?} {method} {digest}");
                assert_valid(&mail(&object), &home, &root.trust(), &why);
                for cipher in ["aes128", "aes256"] {
                    let inner = folder.write("inner", &entity(&object));
                    let mut command = python().unwrap();
                    command.args(["encrypt", cipher]).args([&inner, &recipient]);
                    let sealed = mail(&run(&mut command).stdout);
                    assert_valid(&sealed, &home, &root.trust(), &format!("{why} {cipher}"));
                }
            }
        }
    }
}
