//! Content changed after signing, signatures wrapped around other content, absent signers: the
//! verdict says so, and never vouches for what was not signed.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

use crate::territory;

use liaison_smime::{InvalidReason, Layer, Opened, Refusal, SignatureVerdict};
use territory::{Authority, DOCTOR, HOME, Kind, Openssl, Person, open};

struct Scene {
    root: Authority,
    home: Person,
    folder: Openssl,
}

impl Scene {
    fn new() -> Self {
        let root = Authority::root();
        let home = root.person(HOME, Kind::P256);
        let folder = Openssl::new();
        folder.person("home", &home);
        folder.person("doctor", &root.person(DOCTOR, Kind::P256));
        folder.write(
            "content",
            b"Content-Type: text/plain\r\n\r\nprendre un comprime\r\n",
        );
        Self { root, home, folder }
    }

    fn sign(&self, options: &str) -> String {
        self.folder.run(&format!(
            "cms -sign -in content -signer doctor.crt -inkey doctor.key -out signed.eml {options}"
        ));
        String::from_utf8(self.folder.read("signed.eml")).unwrap()
    }

    /// Encrypts an inner entity as it is, and opens the result.
    fn carry(&self, inner: &str) -> Result<Opened<'static>, Refusal> {
        self.folder.write("inner", inner.as_bytes());
        self.folder.run(&format!(
            "cms -encrypt -binary -aes-256-gcm -in inner -out sealed.eml -from {DOCTOR} -to {HOME} -subject x -recip home.crt"
        ));
        open(
            &self.folder.read("sealed.eml"),
            &self.home,
            &self.root.trust(),
        )
    }
}

#[test]
fn changed_content_is_shown_as_changed() {
    let scene = Scene::new();
    let signed = scene.sign("");
    assert!(matches!(
        scene.carry(&signed).unwrap().signature(),
        SignatureVerdict::Valid(_)
    ));
    let changed = signed.replace("un comprime", "dix comprimes");
    let opened = scene.carry(&changed).unwrap();
    assert_eq!(
        *opened.signature(),
        SignatureVerdict::Invalid(InvalidReason::ContentChanged)
    );
    assert!(matches!(
        opened.layers(),
        [_, Layer::Signed { fault: Some(InvalidReason::ContentChanged), signers }] if signers.is_empty()
    ));
}

#[test]
fn a_changed_signature_is_a_bad_signature() {
    let scene = Scene::new();
    let signed = scene.sign("");
    // The last base64 line of the part ends with the signature.
    let lines: Vec<&str> = signed.lines().collect();
    let last = (0..lines.len())
        .rev()
        .find(|i| lines[*i].is_empty() && i + 2 < lines.len())
        .unwrap()
        - 1;
    let target = lines[last];
    let swapped: String = target
        .char_indices()
        .map(|(i, c)| {
            if i == 4 {
                if c == 'A' { 'B' } else { 'A' }
            } else {
                c
            }
        })
        .collect();
    let changed = signed.replace(target, &swapped);
    assert_ne!(changed, signed);
    let verdict = scene
        .carry(&changed)
        .map(|opened| opened.signature().clone());
    assert!(
        matches!(
            verdict,
            Ok(SignatureVerdict::Invalid(InvalidReason::BadSignature)) | Err(Refusal::Malformed(_))
        ),
        "{verdict:?}"
    );
}

#[test]
fn a_detached_signature_with_content_inside_is_refused() {
    let scene = Scene::new();
    let opaque = scene.sign("-nodetach");
    let object = opaque.split("\n\n").nth(1).unwrap();
    let wrapped = format!(
        "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\n\n\
         --b\nContent-Type: text/plain\n\nautre chose\n--b\nContent-Type: application/pkcs7-signature\n\
         Content-Transfer-Encoding: base64\n\n{object}\n--b--\n"
    );
    assert!(matches!(scene.carry(&wrapped), Err(Refusal::Malformed(_))));
}

#[test]
fn a_signed_part_among_others_vouches_for_nothing() {
    let scene = Scene::new();
    let signed = scene.sign("");
    let mixed = format!(
        "Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/plain\n\nfaux\n--m\n{signed}\n--m--\n"
    );
    assert_eq!(
        *scene.carry(&mixed).unwrap().signature(),
        SignatureVerdict::Unsigned
    );
    let third = signed.trim_end().strip_suffix("--").unwrap().to_owned()
        + "\nContent-Type: text/plain\n\nfaux\n";
    assert!(matches!(scene.carry(&third), Err(Refusal::Malformed(_))));
}

#[test]
fn certificates_alone_are_not_a_signature() {
    let scene = Scene::new();
    scene
        .folder
        .run("crl2pkcs7 -nocrl -certfile doctor.crt -out certs.pem");
    let pem = String::from_utf8(scene.folder.read("certs.pem")).unwrap();
    let object: String = pem.lines().filter(|line| !line.starts_with("--")).collect();
    let inner = format!(
        "Content-Type: application/pkcs7-mime; smime-type=certs-only\nContent-Transfer-Encoding: base64\n\n{object}\n"
    );
    assert!(matches!(scene.carry(&inner), Err(Refusal::Malformed(_))));
}

#[test]
fn a_signer_without_certificate_and_one_of_two_bad_signers_are_invalid() {
    let scene = Scene::new();
    let signed = scene.sign("-nocerts");
    assert_eq!(
        *scene.carry(&signed).unwrap().signature(),
        SignatureVerdict::Invalid(InvalidReason::NoCertificate)
    );
    scene
        .folder
        .person("stranger", &Authority::root().person(DOCTOR, Kind::P256));
    let two = scene.sign("-signer stranger.crt -inkey stranger.key");
    assert!(matches!(
        scene.carry(&two).unwrap().signature(),
        SignatureVerdict::Invalid(_)
    ));
}

#[test]
fn sha1_and_unsigned_content_are_told_apart_from_valid_ones() {
    let scene = Scene::new();
    let sha1 = scene.sign("-md sha1");
    assert!(matches!(
        scene.carry(&sha1).unwrap().signature(),
        SignatureVerdict::Invalid(InvalidReason::Algorithm(_))
    ));
    let rsa = scene.root.person(DOCTOR, Kind::Rsa);
    scene.folder.person("doctor", &rsa);
    for mask in ["sha1", "sha512"] {
        let options = format!("-keyopt rsa_padding_mode:pss -keyopt rsa_mgf1_md:{mask}");
        let mixed = scene.carry(&scene.sign(&options)).unwrap();
        assert!(matches!(
            mixed.signature(),
            SignatureVerdict::Invalid(InvalidReason::Algorithm(_))
        ));
    }
    let plain = scene
        .carry("Content-Type: text/plain\n\nbonjour\n")
        .unwrap();
    assert_eq!(*plain.signature(), SignatureVerdict::Unsigned);
}

#[test]
fn a_signature_around_an_envelope_does_not_sign_its_content() {
    let scene = Scene::new();
    scene
        .folder
        .run("cms -encrypt -aes-256-gcm -in content -out inner.eml -recip home.crt");
    scene.folder.run(&format!(
        "cms -sign -binary -in inner.eml -signer doctor.crt -inkey doctor.key -out outer.eml -from {DOCTOR} -to {HOME}"
    ));
    let opened = open(
        &scene.folder.read("outer.eml"),
        &scene.home,
        &scene.root.trust(),
    )
    .unwrap();
    assert_eq!(*opened.signature(), SignatureVerdict::Unsigned);
    assert!(matches!(
        opened.layers(),
        [Layer::Signed { .. }, Layer::Encrypted { .. }]
    ));
}
