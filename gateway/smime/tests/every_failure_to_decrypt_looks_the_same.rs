//! A wrong key, a damaged encrypted key, a bad padding, a changed ciphertext, unauthenticated
//! content without a valid signature: one refusal, with one text.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

use crate::territory;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_smime::{Identities, OpenPolicy, Opener, Refusal};
use territory::{Authority, DOCTOR, HOME, Kind, Openssl, now, open};

fn to_der(folder: &Openssl) -> Vec<u8> {
    folder.run("cms -cmsout -in sealed.eml -outform DER -out sealed.der");
    folder.read("sealed.der")
}

fn as_mail(object: &[u8]) -> Vec<u8> {
    let mut mail = format!(
        "From: {DOCTOR}\r\nTo: {HOME}\r\nContent-Type: application/pkcs7-mime\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    )
    .into_bytes();
    mail.extend_from_slice(STANDARD.encode(object).as_bytes());
    mail
}

#[test]
fn every_failure_to_decrypt_looks_the_same() {
    let root = Authority::root();
    let trust = root.trust();
    let folder = Openssl::new();
    let doctor = root.person(DOCTOR, Kind::P256);
    folder.person("doctor", &doctor);
    folder.write("content", b"Content-Type: text/plain\r\n\r\nsecret\r\n");
    folder.run("cms -sign -in content -signer doctor.crt -inkey doctor.key -out signed.eml");
    for (kind, options) in [
        (Kind::Rsa, ""),
        (Kind::Rsa, "-keyopt rsa_padding_mode:oaep"),
        (Kind::P256, ""),
    ] {
        let home = root.person(HOME, kind);
        folder.person("home", &home);
        for cipher in ["-aes-256-gcm", "-aes-256-cbc"] {
            let encrypt =
                format!("cms -encrypt {cipher} -out sealed.eml -recip home.crt {options} -in");
            folder.run(&format!("{encrypt} signed.eml"));
            let object = to_der(&folder);
            assert!(open(&as_mail(&object), &home, &trust).is_ok());

            // The encrypted key precedes the content info, whose OID ends in 07 01.
            let data = [
                0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01,
            ];
            let info = object.windows(data.len()).rposition(|w| w == data).unwrap();
            for offset in [8, 16, 24] {
                let mut damaged = object.clone();
                damaged[info - offset] ^= 1;
                let answer = open(&as_mail(&damaged), &home, &trust);
                assert_eq!(
                    answer.err(),
                    Some(Refusal::CannotOpen),
                    "{kind:?} {options} {cipher}"
                );
            }
            for offset in [1, 20, 40] {
                let mut damaged = object.clone();
                let position = damaged.len() - offset;
                damaged[position] ^= 1;
                let answer = open(&as_mail(&damaged), &home, &trust);
                assert_eq!(
                    answer.err(),
                    Some(Refusal::CannotOpen),
                    "{cipher} from the end {offset}"
                );
            }
            let nobody = Identities::new();
            let policy = OpenPolicy::default();
            let answer = Opener::new(&policy, &nobody, &trust).open(as_mail(&object), now());
            assert_eq!(answer.err(), Some(Refusal::CannotOpen));
        }
        // Unauthenticated content that nobody, or nobody trusted, signed.
        folder.run(&format!(
            "cms -encrypt -aes-256-cbc -in content -out sealed.eml -recip home.crt {options}"
        ));
        let answer = open(&as_mail(&to_der(&folder)), &home, &trust);
        assert_eq!(answer.err(), Some(Refusal::CannotOpen));
        folder.run(&format!(
            "cms -encrypt -aes-256-cbc -in signed.eml -out sealed.eml -recip home.crt {options}"
        ));
        let object = to_der(&folder);
        let answer = open(&as_mail(&object), &home, &Authority::root().trust());
        assert_eq!(answer.err(), Some(Refusal::CannotOpen));
    }
}

#[test]
fn a_key_of_another_person_does_not_open() {
    let root = Authority::root();
    let folder = Openssl::new();
    let home = root.person(HOME, Kind::Rsa);
    // Same issuer and serial as the true recipient, another key.
    let mut params = territory::person_params(HOME, Kind::Rsa);
    params.serial_number = Some(rcgen::SerialNumber::from_slice(home.certificate.serial()));
    let impostor = root.issue(&params, Kind::Rsa);
    folder.person("home", &home);
    folder.write("content", b"Content-Type: text/plain\r\n\r\nsecret\r\n");
    for options in ["", "-keyopt rsa_padding_mode:oaep"] {
        folder.run(&format!(
            "cms -encrypt -aes-256-gcm -in content -out sealed.eml -recip home.crt {options}"
        ));
        let sealed = folder.read("sealed.eml");
        let answer = open(&sealed, &impostor, &root.trust());
        assert_eq!(answer.err(), Some(Refusal::CannotOpen), "{options}");
    }
}
