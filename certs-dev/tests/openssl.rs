//! A program that nobody here wrote judges the PKI: every scenario asks the `openssl` command.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot be set up must fail"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use liaison_certs_dev::{DEMO_ORGANISATION, Issued, KeyKind, Member, Territory};
use tempfile::TempDir;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

struct Pki {
    folder: TempDir,
    member: Member,
}

impl Pki {
    fn of(domain: &str) -> Self {
        let territory = Territory::new(NOW).unwrap();
        let member = territory.member(domain).unwrap();
        let folder = tempfile::tempdir().unwrap();
        territory
            .write_root(&folder.path().join("root.pem"))
            .unwrap();
        member
            .write_authority(&folder.path().join("authority.pem"))
            .unwrap();
        Self { folder, member }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn save(&self, issued: &Issued) -> PathBuf {
        issued
            .write(self.folder.path(), "leaf")
            .unwrap()
            .certificate
    }

    /// `openssl verify` at [`NOW`] with more arguments: true and its output, or false and its.
    fn verify(&self, leaf: &Path, more: &[&str]) -> (bool, String) {
        self.verify_at(NOW, leaf, more)
    }

    fn verify_at(&self, at: OffsetDateTime, leaf: &Path, more: &[&str]) -> (bool, String) {
        let output = Command::new("openssl")
            .args(["verify", "-x509_strict", "-attime"])
            .arg(at.unix_timestamp().to_string())
            .arg("-CAfile")
            .arg(self.path("root.pem"))
            .arg("-untrusted")
            .arg(self.path("authority.pem"))
            .args(more)
            .arg(leaf)
            .output()
            .expect("the openssl command is needed: install the package `openssl`");
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    }
}

fn text_of(certificate: &Path) -> String {
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-text", "-nameopt", "RFC2253", "-in"])
        .arg(certificate)
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_relay_identity_serves_and_calls() {
    let pki = Pki::of("ch-vallon.test");
    let leaf = pki.save(&pki.member.relay_identity().unwrap());

    for purpose in ["sslserver", "sslclient"] {
        let (ok, text) = pki.verify(&leaf, &["-purpose", purpose]);
        assert!(ok, "{purpose}: {text}");
    }
    let (ok, text) = pki.verify(&leaf, &["-verify_hostname", "relay.ch-vallon.test"]);
    assert!(ok, "{text}");
    let (ok, text) = pki.verify(&leaf, &["-verify_ip", "127.0.0.1"]);
    assert!(ok, "{text}");
    let (ok, _) = pki.verify(&leaf, &["-verify_hostname", "relay.autre.test"]);
    assert!(!ok);
    let (ok, _) = pki.verify(&leaf, &["-purpose", "smimesign"]);
    assert!(!ok, "a relay must not sign mail");
}

#[test]
fn server_identities_serve_and_never_call() {
    let pki = Pki::of("ehpad-tilleuls.test");
    for (issued, host) in [
        (
            pki.member.mail_server_identity(),
            "mail.ehpad-tilleuls.test",
        ),
        (
            pki.member.directory_identity(),
            "directory.ehpad-tilleuls.test",
        ),
    ] {
        let leaf = pki.save(&issued.unwrap());
        for name in [host, "localhost"] {
            let (ok, text) =
                pki.verify(&leaf, &["-purpose", "sslserver", "-verify_hostname", name]);
            assert!(ok, "{name}: {text}");
        }
        let (ok, _) = pki.verify(&leaf, &["-purpose", "sslclient"]);
        assert!(!ok, "{host} must not be a client");
    }
}

#[test]
fn an_smime_certificate_signs_and_encrypts_for_its_address_with_any_key() {
    let pki = Pki::of("cabinet-essai.test");
    for (key, usage, algorithm) in [
        (
            KeyKind::P256,
            "Digital Signature, Key Agreement",
            "NIST CURVE: P-256",
        ),
        (
            KeyKind::Rsa2048,
            "Digital Signature, Key Encipherment",
            "(2048 bit)",
        ),
        (
            KeyKind::Rsa3072,
            "Digital Signature, Key Encipherment",
            "(3072 bit)",
        ),
    ] {
        let address = "helene.essai@cabinet-essai.test";
        let leaf = pki.save(&pki.member.smime(address, "Dr Hélène ESSAI", key).unwrap());
        let (ok, text) = pki.verify(&leaf, &["-purpose", "smimesign", "-verify_email", address]);
        assert!(ok, "{key:?}: {text}");
        // The purpose `smimeencrypt` asks keyEncipherment, which an EC key cannot have.
        let (ok, _) = pki.verify(&leaf, &["-purpose", "smimeencrypt"]);
        assert_eq!(ok, key != KeyKind::P256, "{key:?}");
        let (ok, _) = pki.verify(&leaf, &["-purpose", "sslserver"]);
        assert!(!ok, "{key:?}: a person is no server");

        let text = text_of(&leaf);
        for expected in [
            usage,
            algorithm,
            "E-mail Protection",
            "email:helene.essai@cabinet-essai.test",
            "CA:FALSE",
            "Subject Key Identifier",
            "Authority Key Identifier",
        ] {
            assert!(
                text.contains(expected),
                "{key:?}: no `{expected}` in {text}"
            );
        }
    }
}

#[test]
fn every_certificate_says_that_it_is_not_to_be_trusted() {
    let mut pki = Pki::of("ch-vallon.test");
    let revoked = pki
        .member
        .revoked_smime("a@ch-vallon.test", "A", KeyKind::P256)
        .unwrap();
    let mut files = vec![pki.path("root.pem"), pki.path("authority.pem")];
    for (stem, issued) in [
        ("relay", pki.member.relay_identity().unwrap()),
        ("mail", pki.member.mail_server_identity().unwrap()),
        (
            "person",
            pki.member
                .smime("b@ch-vallon.test", "B", KeyKind::P256)
                .unwrap(),
        ),
        (
            "expired",
            pki.member
                .expired_smime("c@ch-vallon.test", "C", KeyKind::P256)
                .unwrap(),
        ),
        ("revoked", revoked),
    ] {
        files.push(issued.write(pki.folder.path(), stem).unwrap().certificate);
    }
    for file in files {
        let text = text_of(&file);
        let subject = text
            .lines()
            .find(|line| line.contains("Subject: "))
            .unwrap();
        assert!(
            subject.contains(&format!("O={DEMO_ORGANISATION}")),
            "{subject}"
        );
    }
}

#[test]
fn an_expired_certificate_has_that_one_fault() {
    let pki = Pki::of("ch-vallon.test");
    let address = "ancien@ch-vallon.test";
    let leaf = pki.save(
        &pki.member
            .expired_smime(address, "Ancien", KeyKind::P256)
            .unwrap(),
    );

    let (ok, text) = pki.verify(&leaf, &["-purpose", "smimesign"]);
    assert!(!ok && text.contains("certificate has expired"), "{text}");
    let (ok, text) = pki.verify_at(NOW - Duration::days(2), &leaf, &["-purpose", "smimesign"]);
    assert!(ok, "{text}");
}

#[test]
fn a_revoked_certificate_is_on_the_list_of_its_issuer() {
    let mut pki = Pki::of("ch-vallon.test");
    let good = pki
        .member
        .smime("bon@ch-vallon.test", "Bon", KeyKind::P256)
        .unwrap();
    let revoked = pki
        .member
        .revoked_smime("vole@ch-vallon.test", "Volé", KeyKind::P256)
        .unwrap();
    let list = pki.path("crl.pem");
    pki.member.write_crl(&list).unwrap();
    let with_list = [
        "-purpose",
        "smimesign",
        "-crl_check",
        "-CRLfile",
        list.to_str().unwrap(),
    ];

    let leaf = pki.save(&good);
    let (ok, text) = pki.verify(&leaf, &with_list);
    assert!(ok, "{text}");

    let leaf = pki.save(&revoked);
    let (ok, text) = pki.verify(&leaf, &with_list);
    assert!(!ok && text.contains("certificate revoked"), "{text}");
    let (ok, text) = pki.verify(&leaf, &["-purpose", "smimesign"]);
    assert!(ok, "without the list nothing tells: {text}");

    let output = Command::new("openssl")
        .args(["crl", "-noout", "-text", "-in"])
        .arg(&list)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains(&format!("Serial Number: {}", revoked.serial_hex())),
        "{text}"
    );
    assert!(!text.contains(&good.serial_hex()), "{text}");
}

#[test]
fn a_list_without_an_entry_is_valid_too() {
    let pki = Pki::of("ch-vallon.test");
    let list = pki.path("crl.pem");
    pki.member.write_crl(&list).unwrap();
    let leaf = pki.save(&pki.member.relay_identity().unwrap());
    let (ok, text) = pki.verify(&leaf, &["-crl_check", "-CRLfile", list.to_str().unwrap()]);
    assert!(ok, "{text}");
}

#[test]
fn an_authority_cannot_speak_for_another_domain() {
    let pki = Pki::of("ch-vallon.test");
    let forged = pki
        .member
        .smime("coordination@ehpad-tilleuls.test", "Forgé", KeyKind::P256)
        .unwrap();
    let leaf = pki.save(&forged);
    let (ok, text) = pki.verify(&leaf, &["-purpose", "smimesign"]);
    assert!(
        !ok && text.contains("permitted subtree violation"),
        "{text}"
    );
}

#[test]
fn another_territory_is_not_trusted() {
    let here = Pki::of("ch-vallon.test");
    let elsewhere = Pki::of("ch-vallon.test");
    let leaf = elsewhere.save(&elsewhere.member.relay_identity().unwrap());
    let (ok, _) = here.verify(&leaf, &[]);
    assert!(!ok);
}
