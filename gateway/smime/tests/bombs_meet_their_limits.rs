//! Deep, numerous and oversized things are refused by a named limit, in little time.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

use crate::territory;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_smime::{OpenPolicy, Opener, Refusal, TrustStore};
use territory::{Authority, DOCTOR, HOME, Kind, Openssl, letter, now, open};

fn refusal(message: &[u8]) -> Refusal {
    let home = Authority::root().person(HOME, Kind::P256);
    open(message, &home, &TrustStore::new()).unwrap_err()
}

fn object(octets: &[u8]) -> Vec<u8> {
    let mut message = b"From: a@b.test\r\nContent-Type: application/pkcs7-mime\r\n\
                        Content-Transfer-Encoding: base64\r\n\r\n"
        .to_vec();
    message.extend_from_slice(STANDARD.encode(octets).as_bytes());
    message
}

/// SEQUENCE { OID, [0] { SEQUENCE { INTEGER 0, SET { inner… } … all of indefinite length.
fn auth_enveloped(recipients: &[u8]) -> Vec<u8> {
    let mut octets = vec![0x30, 0x80, 0x06, 0x0b];
    octets.extend([
        0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17,
    ]);
    octets.extend([0xa0, 0x80, 0x30, 0x80, 0x02, 0x01, 0x00, 0x31, 0x80]);
    octets.extend(recipients);
    octets.extend([0; 8]);
    octets
}

#[test]
fn nesting() {
    let bomb = [0x30, 0x80].repeat(2_000_000);
    assert!(matches!(refusal(&object(&bomb)), Refusal::Malformed(_)));
    assert!(matches!(
        refusal(&object(&auth_enveloped(&bomb))),
        Refusal::Malformed(_)
    ));
}

#[test]
fn recipients() {
    // Password recipients: empty, of no use, and a million of them.
    let many = auth_enveloped(&[0xa3, 0x00].repeat(1_000_000));
    assert_eq!(
        refusal(&object(&many)),
        Refusal::TooLarge {
            what: "recipients",
            limit: 512
        }
    );
}

#[test]
fn lengths_that_lie() {
    for length in [
        &[0x84, 0xff, 0xff, 0xff, 0xff][..],
        &[0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        let octets = [&[0x30][..], length, &[0x06, 0x00]].concat();
        assert!(matches!(refusal(&object(&octets)), Refusal::Malformed(_)));
    }
}

#[test]
fn message_and_header_sizes() {
    let mut policy = OpenPolicy::default();
    policy.limits.message_octets = 1000;
    let home = Authority::root().person(HOME, Kind::P256);
    let ring = home.ring();
    let trust = TrustStore::new();
    let opener = Opener::new(&policy, &ring, &trust);
    let large = letter(&"x".repeat(1000));
    assert!(matches!(
        opener.open(&large, now()),
        Err(Refusal::TooLarge { limit: 1000, .. })
    ));
    let fields = "X: y\r\n".repeat(2000);
    assert!(matches!(
        refusal(fields.as_bytes()),
        Refusal::TooLarge {
            what: "header fields",
            ..
        }
    ));
    let long = format!("X: {}\r\n\r\n", "y".repeat(1 << 20));
    assert!(matches!(refusal(long.as_bytes()), Refusal::TooLarge { .. }));
    let folded = format!("X:{}\r\n\r\n", "\r\n y".repeat(1 << 18));
    assert!(matches!(
        refusal(folded.as_bytes()),
        Refusal::TooLarge { .. }
    ));
}

#[test]
fn layers_and_parts() {
    let root = Authority::root();
    let home = root.person(HOME, Kind::P256);
    let folder = Openssl::new();
    folder.person("doctor", &root.person(DOCTOR, Kind::P256));
    folder.person("home", &home);
    folder.write("content", b"Content-Type: text/plain\r\n\r\nx\r\n");
    for _ in 0..5 {
        folder
            .run("cms -sign -nodetach -in content -signer doctor.crt -inkey doctor.key -out next");
        folder.write("content", &folder.read("next"));
    }
    folder.run("cms -encrypt -aes-256-gcm -in content -out sealed.eml -recip home.crt");
    assert_eq!(
        open(&folder.read("sealed.eml"), &home, &root.trust()).err(),
        Some(Refusal::TooLarge {
            what: "layers",
            limit: 4
        })
    );
    let parts = format!(
        "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\r\n\r\n{}",
        "--b\r\n\r\n".repeat(200_000)
    );
    assert!(matches!(refusal(parts.as_bytes()), Refusal::Malformed(_)));
}

#[test]
fn bodies_that_are_not_cms() {
    for body in [
        "",
        "!!!!",
        "AAAA",
        "MIAA",
        "MAA=\r\nPied de page de liste\r\n",
    ] {
        let message = format!(
            "Content-Type: application/x-pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}"
        );
        assert!(
            matches!(refusal(message.as_bytes()), Refusal::Malformed(_)),
            "{body}"
        );
    }
    let quoted = "Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n0";
    assert!(matches!(refusal(quoted.as_bytes()), Refusal::Malformed(_)));
}
