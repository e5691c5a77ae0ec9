//! Whatever the body, it arrives octet for octet, save that a bare LF arrives as CRLF.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

use crate::territory;

use std::sync::OnceLock;

use liaison_smime::{Recipients, SealPolicy, Sealer, SignatureForm, SignatureVerdict};
use proptest::prelude::*;
use territory::{Authority, DOCTOR, HOME, Kind, Person, letter, now, open};

fn scene() -> &'static (Authority, Person, Person) {
    static SCENE: OnceLock<(Authority, Person, Person)> = OnceLock::new();
    SCENE.get_or_init(|| {
        let root = Authority::root();
        let doctor = root.person(DOCTOR, Kind::P256);
        let home = root.person(HOME, Kind::P256);
        (root, doctor, home)
    })
}

fn check(body: &[u8], form: SignatureForm) {
    let (root, doctor, home) = scene();
    let mut message = letter("");
    message.extend_from_slice(body);
    let mut policy = SealPolicy::default();
    policy.signature_form = form;
    let identity = doctor.identity();
    let certificates = [home.certificate.clone()];
    let sealed = Sealer::new(policy)
        .sign_with(&identity)
        .seal_to_vec(&message, &Recipients::visible(certificates.clone()), now())
        .unwrap();
    assert!(sealed.is_ascii());
    assert!(sealed.split(|o| *o == b'\n').all(|line| line.len() <= 78));
    let mut opened = open(&sealed, home, &root.trust()).unwrap();
    assert!(
        matches!(opened.signature(), SignatureVerdict::Valid(_)),
        "{:?}",
        opened.signature()
    );
    let mut expected = Vec::new();
    for (i, octet) in body.iter().enumerate() {
        if *octet == b'\n' && (i == 0 || body[i - 1] != b'\r') {
            expected.push(b'\r');
        }
        expected.push(*octet);
    }
    let readable = opened.readable().into_vec().unwrap();
    let start = readable.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(readable[start..], expected[..]);
}

#[test]
fn the_bodies_that_break_mailers() {
    for body in [
        &b""[..],
        b"\r\n",
        b"\r\n\r\n\r\n",
        b".\r\n..\r\n.\r\n",
        b"blancs   \r\n\t\r\n",
        b"sans fin de ligne",
        b"From d'un ancien format\r\n",
        b"\xe9\xe8\xff\x00\x01\r\n",
        b"\n\nLF nus\n",
        b"\r",
        b"--=_\r\n--\r\n",
    ] {
        check(body, SignatureForm::Detached);
        check(body, SignatureForm::Opaque);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_octets(body in prop::collection::vec(any::<u8>(), 0..2000), opaque: bool) {
        check(&body, if opaque { SignatureForm::Opaque } else { SignatureForm::Detached });
    }

    #[test]
    fn any_lines(body in "([ -~àéœ]{0,90}(\r\n|\n| \r\n|\r\n\\.\r\n)){0,20}", opaque: bool) {
        check(body.as_bytes(), if opaque { SignatureForm::Opaque } else { SignatureForm::Detached });
    }
}
