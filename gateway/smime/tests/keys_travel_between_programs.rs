//! Private keys and certificates in files: what OpenSSL, NSS and Thunderbird export is imported
//! here, and what is exported here they import.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure here is the test's"
)]

use crate::territory;

use std::process::Command;

use liaison_smime::{
    Identity, MaterialError, PrivateKey, PublicKeyKind, certificates_from_pkcs12,
    identities_from_pkcs12,
};
use territory::{Authority, DOCTOR, Kind, Openssl, Person};

const PASSPHRASE: &str = "pâte à crêpes";

/// A person whose certificate has an intermediate authority above it.
fn person(kind: Kind) -> (Person, Authority) {
    let root = Authority::root();
    let below = root.below(territory::authority_params("Autorité intermédiaire"));
    (below.person(DOCTOR, kind), below)
}

fn exported(openssl: &Openssl, options: &str) -> Vec<u8> {
    openssl.write("pass", PASSPHRASE.as_bytes());
    openssl.run(&format!(
        "pkcs12 -export -in p.crt -inkey p.key -certfile ca.crt -passout file:pass -out p.p12 {options}"
    ));
    openssl.read("p.p12")
}

#[test]
fn what_openssl_exports_is_imported() {
    for kind in [Kind::Rsa, Kind::P256, Kind::P384, Kind::Ed25519] {
        let (person, authority) = person(kind);
        let openssl = Openssl::new();
        openssl.person("p", &person);
        // OpenSSL 3.0 does not read the second version of PKCS#8, which the test's PKI writes.
        let key = PrivateKey::from_pkcs8_pem(&person.key_pem).unwrap();
        openssl.write("p.key", key.to_pkcs8_pem().unwrap().as_bytes());
        openssl.authority("ca", &authority);
        for options in [
            "",
            "-macalg sha512 -iter 10000",
            "-keypbe AES-128-CBC -certpbe AES-192-CBC",
            "-keypbe DES-EDE3-CBC -certpbe DES-EDE3-CBC",
            "-legacy",
            "-legacy -keypbe PBE-SHA1-2DES -certpbe PBE-SHA1-RC2-128",
            "-keypbe NONE -certpbe NONE",
            "-descert -legacy -macalg sha1",
        ] {
            let file = exported(&openssl, options);
            let identities = identities_from_pkcs12(&file, PASSPHRASE)
                .unwrap_or_else(|e| panic!("{kind:?} {options}: {e}"));
            let [identity] = &identities[..] else {
                panic!("{} identities", identities.len());
            };
            assert_eq!(*identity.certificate(), person.certificate, "{options}");
            assert_eq!(
                identity.chain(),
                std::slice::from_ref(&authority.certificate),
                "{options}"
            );
            let wrong = identities_from_pkcs12(&file, "autre").unwrap_err();
            assert_eq!(wrong, MaterialError::Passphrase, "{options}");
        }
    }
}

#[test]
fn a_file_without_integrity_or_of_too_much_work_is_refused() {
    let (person, authority) = person(Kind::P256);
    let openssl = Openssl::new();
    openssl.person("p", &person);
    openssl.authority("ca", &authority);
    let bare = exported(&openssl, "-nomac");
    assert!(matches!(
        identities_from_pkcs12(&bare, PASSPHRASE),
        Err(MaterialError::Pkcs12(_))
    ));
    let dear = exported(&openssl, "-iter 1000001");
    assert!(matches!(
        identities_from_pkcs12(&dear, PASSPHRASE),
        Err(MaterialError::Encrypted(_))
    ));
    // Any changed octet of the safe is caught by the code before anything is decrypted.
    let good = exported(&openssl, "-iter 1");
    for position in (60..good.len()).step_by(97) {
        let mut bad = good.clone();
        bad[position] ^= 1;
        assert!(
            identities_from_pkcs12(&bad, PASSPHRASE).is_err(),
            "{position}"
        );
    }
}

#[test]
fn an_empty_passphrase_and_certificates_alone_are_read() {
    let (person, authority) = person(Kind::P256);
    let openssl = Openssl::new();
    openssl.person("p", &person);
    openssl.authority("ca", &authority);
    openssl.run("pkcs12 -export -in p.crt -inkey p.key -passout pass: -out e.p12");
    assert_eq!(
        identities_from_pkcs12(&openssl.read("e.p12"), "")
            .unwrap()
            .len(),
        1
    );
    openssl.run("pkcs12 -export -nokeys -in ca.crt -passout pass:x -out c.p12");
    let file = openssl.read("c.p12");
    assert_eq!(
        certificates_from_pkcs12(&file, "x").unwrap(),
        [authority.certificate]
    );
    assert!(matches!(
        identities_from_pkcs12(&file, "x"),
        Err(MaterialError::Pkcs12(_))
    ));
}

#[test]
fn keys_of_every_pem_form_are_read() {
    for (kind, old) in [(Kind::Rsa, "rsa"), (Kind::P256, "ec"), (Kind::P384, "ec")] {
        let (person, _) = person(kind);
        let openssl = Openssl::new();
        openssl.person("p", &person);
        openssl.write("pass", PASSPHRASE.as_bytes());
        let is_it = |name: &str, passphrase: Option<&str>| {
            let text = String::from_utf8(openssl.read(name)).unwrap();
            let key =
                PrivateKey::from_pem(&text, passphrase).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(key.is_of(&person.certificate), "{name}");
            text
        };
        for options in [
            "-v2 aes-256-cbc",
            "-v2 des3",
            "-v2 aes128 -v2prf hmacWithSHA512",
            "-v1 PBE-SHA1-3DES",
        ] {
            openssl.run(&format!(
                "pkcs8 -topk8 -in p.key -passout file:pass -out e.key {options}"
            ));
            let text = is_it("e.key", Some(PASSPHRASE));
            assert_eq!(
                PrivateKey::from_pem(&text, None).unwrap_err(),
                MaterialError::PassphraseMissing
            );
            assert_eq!(
                PrivateKey::from_pem(&text, Some("autre")).unwrap_err(),
                MaterialError::Passphrase
            );
        }
        openssl.run(&format!(
            "{old} -in p.key -out old.key {}",
            if old == "rsa" { "-traditional" } else { "" }
        ));
        is_it("old.key", None);
        // And scrypt, which the library lacks, is named.
        openssl.run("pkcs8 -topk8 -in p.key -passout file:pass -out s.key -scrypt -scrypt_N 1024");
        let text = String::from_utf8(openssl.read("s.key")).unwrap();
        assert!(matches!(
            PrivateKey::from_pem(&text, Some(PASSPHRASE)),
            Err(MaterialError::Encrypted(_))
        ));
    }
}

#[test]
fn what_is_exported_openssl_imports() {
    for kind in [Kind::Rsa, Kind::P256, Kind::P384, Kind::Ed25519] {
        let (person, authority) = person(kind);
        let identity = person.identity();
        let openssl = Openssl::new();
        openssl.write("pass", PASSPHRASE.as_bytes());
        openssl.write(
            "x.p12",
            &identity.to_pkcs12("Dr Untel", PASSPHRASE).unwrap(),
        );
        let out = openssl.run("pkcs12 -in x.p12 -passin file:pass -nodes");
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("friendlyName: Dr Untel"), "{text}");
        assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 2);
        let again = Identity::from_pem(&person.certificate_pem, &text).unwrap();
        assert_eq!(*again.certificate(), person.certificate);
        assert_eq!(
            identity.chain(),
            std::slice::from_ref(&authority.certificate)
        );
        let back = identities_from_pkcs12(&openssl.read("x.p12"), PASSPHRASE).unwrap();
        assert_eq!(back[0].chain(), identity.chain());

        let key = PrivateKey::from_pkcs8_pem(&person.key_pem).unwrap();
        openssl.write(
            "e.key",
            key.to_encrypted_pkcs8_pem(PASSPHRASE).unwrap().as_bytes(),
        );
        openssl.run("pkey -in e.key -passin file:pass -out plain.key");
        let plain = String::from_utf8(openssl.read("plain.key")).unwrap();
        assert!(
            PrivateKey::from_pem(&plain, None)
                .unwrap()
                .is_of(&person.certificate)
        );
        openssl.write("plain.key", key.to_pkcs8_pem().unwrap().as_bytes());
        openssl.run("pkey -in plain.key -check -noout");
    }
}

#[test]
fn what_is_exported_nss_imports_and_what_nss_exports_comes_back() {
    for kind in [Kind::Rsa, Kind::P256] {
        let (person, _) = person(kind);
        let folder = tempfile::tempdir().unwrap();
        let run = |program: &str, arguments: &str| {
            let output = Command::new(program)
                .args(arguments.split_whitespace())
                .current_dir(folder.path())
                .output()
                .unwrap_or_else(|e| panic!("{program} (Debian package libnss3-tools): {e}"));
            assert!(
                output.status.success(),
                "{program} {arguments}\n{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8(output.stdout).unwrap()
        };
        let file = person.identity().to_pkcs12("untel", "secret").unwrap();
        std::fs::write(folder.path().join("x.p12"), file).unwrap();
        run("certutil", "-N -d sql:. --empty-password");
        run("pk12util", "-i x.p12 -d sql:. -W secret");
        assert!(run("certutil", "-L -d sql:.").contains("untel"));
        assert!(run("certutil", "-K -d sql:.").contains("untel"));
        for cipher in ["AES-256-CBC", "AES-128-CBC", "DES-EDE3-CBC"] {
            run(
                "pk12util",
                &format!("-o y.p12 -n untel -d sql:. -W autre -c {cipher}"),
            );
            let back = std::fs::read(folder.path().join("y.p12")).unwrap();
            let identities = identities_from_pkcs12(&back, "autre")
                .unwrap_or_else(|e| panic!("{kind:?} {cipher}: {e}"));
            assert_eq!(*identities[0].certificate(), person.certificate);
        }
    }
}

#[test]
fn what_is_exported_python_cryptography_imports() {
    const PROGRAM: &str = "import sys\n\
        from cryptography.hazmat.primitives.serialization import pkcs12\n\
        key, cert, more = pkcs12.load_key_and_certificates(open(sys.argv[1], 'rb').read(), b'secret')\n\
        assert key.public_key() == cert.public_key()\n\
        print(cert.subject.rfc4514_string(), len(more))\n";
    let python = std::env::var("LIAISON_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python)
        .args(["-c", "import cryptography"])
        .output();
    if !has.is_ok_and(|output| output.status.success()) {
        territory::not_at_hand("Python's cryptography: tests/run installs it");
        return;
    }
    for kind in [Kind::Rsa, Kind::P384] {
        let (person, _) = person(kind);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.p12");
        std::fs::write(
            &path,
            person.identity().to_pkcs12("untel", "secret").unwrap(),
        )
        .unwrap();
        let output = Command::new(&python)
            .args(["-c", PROGRAM])
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.trim(), format!("CN={DOCTOR} 1"), "{output:?}");
    }
}

#[test]
fn what_thunderbird_exports_is_imported() {
    let Some(vectors) = std::env::var_os("LIAISON_VECTORS").filter(|v| !v.is_empty()) else {
        territory::not_at_hand("Thunderbird's .p12 files: LIAISON_VECTORS is not set");
        return;
    };
    let folder = std::path::Path::new(&vectors).join("thunderbird/mailnews/test/data/smime");
    let mut read = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "p12") {
            let file = std::fs::read(&path).unwrap();
            let identities = identities_from_pkcs12(&file, "nss")
                .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert_eq!(identities.len(), 1, "{}", path.display());
            assert_eq!(
                identities_from_pkcs12(&file, "nssx").unwrap_err(),
                MaterialError::Passphrase
            );
            read += 1;
        }
    }
    assert_eq!(read, 7, "the seven files of the suite");
}

#[test]
fn keys_are_made_of_each_kind() {
    for kind in [
        PublicKeyKind::Rsa(2048),
        PublicKeyKind::P256,
        PublicKeyKind::P384,
        PublicKeyKind::Ed25519,
    ] {
        assert_eq!(PrivateKey::generate(kind).unwrap().kind(), kind);
    }
    assert!(PrivateKey::generate(PublicKeyKind::Rsa(1024)).is_err());
}
