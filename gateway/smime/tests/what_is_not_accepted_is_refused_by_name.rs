//! Old ciphers, recipients without a certificate, other CMS types: refused, and the refusal says
//! what for. The private key is not used for any of them.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

use crate::territory;

use liaison_smime::{Certificate, Crl, Identity, MaterialError, PrivateKey, Refusal};
use territory::{Authority, HOME, Kind, Openssl, open};

#[test]
fn old_ciphers_and_key_wraps() {
    let root = Authority::root();
    let folder = Openssl::new();
    folder.write("content", b"Content-Type: text/plain\r\n\r\nx\r\n");
    for (kind, options, slot) in [
        (Kind::Rsa, "-des3", "content encryption"),
        (Kind::Rsa, "-camellia256", "content encryption"),
        (Kind::P256, "-aes-256-cbc -des3-wrap", "key wrap"),
    ] {
        let home = root.person(HOME, kind);
        folder.person("home", &home);
        let (cipher, key_options) = options.split_once(' ').unwrap_or((options, ""));
        folder.run(&format!(
            "cms -encrypt {cipher} -in content -out sealed.eml -recip home.crt {key_options}"
        ));
        let answer = open(&folder.read("sealed.eml"), &home, &root.trust());
        assert!(
            matches!(answer, Err(Refusal::NotAccepted { slot: s, .. }) if s == slot),
            "{options}: {answer:?}"
        );
    }
}

#[test]
fn password_and_shared_key_recipients() {
    let root = Authority::root();
    let home = root.person(HOME, Kind::Rsa);
    let folder = Openssl::new();
    folder.write("content", b"Content-Type: text/plain\r\n\r\nx\r\n");
    for options in [
        "-pwri_password secret",
        "-secretkey 000102030405060708090A0B0C0D0E0F -secretkeyid C0FFEE",
    ] {
        folder.run(&format!(
            "cms -encrypt -aes-256-cbc -in content -out sealed.eml {options}"
        ));
        let answer = open(&folder.read("sealed.eml"), &home, &root.trust());
        assert!(
            matches!(
                answer,
                Err(Refusal::NotAccepted {
                    slot: "recipient",
                    ..
                })
            ),
            "{options}: {answer:?}"
        );
    }
}

#[test]
fn other_cms_types() {
    let root = Authority::root();
    let home = root.person(HOME, Kind::Rsa);
    let folder = Openssl::new();
    folder.write("content", b"Content-Type: text/plain\r\n\r\nx\r\n");
    folder.run("cms -digest_create -in content -out digest.eml");
    folder.run("cms -EncryptedData_encrypt -aes-256-cbc -secretkey 000102030405060708090A0B0C0D0E0F000102030405060708090A0B0C0D0E0F -in content -out encrypted.eml");
    for file in ["digest.eml", "encrypted.eml"] {
        let answer = open(&folder.read(file), &home, &root.trust());
        assert!(
            matches!(
                answer,
                Err(Refusal::NotAccepted {
                    slot: "CMS content type",
                    ..
                })
            ),
            "{file}: {answer:?}"
        );
    }
}

#[test]
fn plain_and_signed_only_messages_are_not_enveloped() {
    let root = Authority::root();
    let home = root.person(HOME, Kind::P256);
    let folder = Openssl::new();
    folder.person("home", &home);
    folder.write("content", b"Content-Type: text/plain\r\n\r\nx\r\n");
    folder.run("cms -sign -in content -signer home.crt -inkey home.key -out signed.eml");
    for file in ["content", "signed.eml"] {
        let answer = open(&folder.read(file), &home, &root.trust());
        assert_eq!(answer.err(), Some(Refusal::NotEnveloped), "{file}");
    }
}

#[test]
fn keys_and_certificates_that_do_not_fit() {
    let root = Authority::root();
    let a = root.person(HOME, Kind::P256);
    let b = root.person(HOME, Kind::P256);
    let crossed = Identity::from_pem(&a.certificate_pem, &b.key_pem);
    assert_eq!(crossed.err(), Some(MaterialError::KeyMismatch));
    let folder = Openssl::new();
    folder.run("genrsa -out small.key 1024");
    let small = String::from_utf8(folder.read("small.key")).unwrap();
    assert!(matches!(
        PrivateKey::from_pkcs8_pem(&small),
        Err(MaterialError::PrivateKey(_))
    ));
    assert_eq!(
        PrivateKey::from_pkcs8_pem("rien").err(),
        Some(MaterialError::NoPemBlock("PRIVATE KEY"))
    );
    let key = PrivateKey::from_pkcs8_pem(&a.key_pem).unwrap();
    assert_eq!(format!("{key:?}"), "PrivateKey(P256, redacted)");
    let der = a.certificate.der();
    assert!(Certificate::from_der(&der[..der.len() - 1]).is_err());
    assert!(Certificate::from_der(&[der, &[0]].concat()).is_err());
    assert!(Certificate::from_der(&vec![0x30; 70_000]).is_err());
    assert!(Crl::from_der(der).is_err());
}
