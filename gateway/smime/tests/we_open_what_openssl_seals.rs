//! Every form that `openssl cms` writes and RFC 8551 allows is opened: AES-GCM envelopes, key
//! transport and agreement with its defaults and ours, streamed BER, opaque and detached.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

use crate::territory;

use liaison_smime::{Layer, SignatureVerdict};
use territory::{Authority, DOCTOR, HOME, Kind, Openssl, open};

const CONTENT: &[u8] = b"Content-Type: text/plain; charset=utf-8\r\n\r\nun\r\n.\r\ndeux  \r\n";

struct Scene {
    folder: Openssl,
    root: Authority,
    rsa: territory::Person,
    p256: territory::Person,
}

impl Scene {
    fn new() -> Self {
        let root = Authority::root();
        let rsa = root.person(HOME, Kind::Rsa);
        let p256 = root.person(HOME, Kind::P256);
        let folder = Openssl::new();
        folder.write("content", CONTENT);
        folder.person("rsa", &rsa);
        folder.person("p256", &p256);
        Self {
            folder,
            root,
            rsa,
            p256,
        }
    }

    /// Signs as the doctor into `signed.eml`.
    fn sign(&self, kind: Kind, options: &str) {
        self.folder
            .person("doctor", &self.root.person(DOCTOR, kind));
        self.folder.run(&format!(
            "cms -sign -in content -signer doctor.crt -inkey doctor.key -out signed.eml {options}"
        ));
    }

    /// Encrypts `signed.eml` with `options` and opens it as `recipient`.
    fn check(&self, options: &str, recipient: &territory::Person) {
        self.folder.run(&format!(
            "cms -encrypt -in signed.eml -out sealed.eml -from {DOCTOR} -to {HOME} -subject x {options}"
        ));
        let sealed = self.folder.read("sealed.eml");
        let mut opened = open(&sealed, recipient, &self.root.trust())
            .unwrap_or_else(|refusal| panic!("{options}: {refusal}"));
        assert!(
            matches!(opened.signature(), SignatureVerdict::Valid(_)),
            "{options}: {:?}",
            opened.signature()
        );
        assert!(
            opened
                .readable()
                .into_vec()
                .unwrap()
                .ends_with(b"\r\n\r\nun\r\n.\r\ndeux  \r\n"),
            "{options}"
        );
        assert!(matches!(
            opened.layers(),
            [Layer::Encrypted { .. }, Layer::Signed { .. }]
        ));
    }
}

#[test]
fn every_key_management_and_content_cipher() {
    let scene = Scene::new();
    scene.sign(Kind::P256, "");
    let rsa = [
        "-recip rsa.crt",
        "-recip rsa.crt -keyopt rsa_padding_mode:oaep",
        "-recip rsa.crt -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256",
        "-recip rsa.crt -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256 -keyopt rsa_mgf1_md:sha1",
        "-recip rsa.crt -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha1 -keyopt rsa_mgf1_md:sha512",
        "-recip rsa.crt -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha224",
        "-recip rsa.crt -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_label:0102",
        "-recip rsa.crt -keyid",
        "-recip p256.crt -recip rsa.crt",
    ];
    let p256 = [
        "-recip p256.crt",
        "-recip p256.crt -keyopt ecdh_kdf_md:sha256",
        "-recip p256.crt -keyopt ecdh_kdf_md:sha384 -keyid",
        "-recip p256.crt -keyopt ecdh_kdf_md:sha224",
        "-recip p256.crt -keyopt ecdh_kdf_md:sha512 -keyopt ecdh_cofactor_mode:1",
        "-recip p256.crt -aes128-wrap",
        "-recip rsa.crt -recip p256.crt",
    ];
    for cipher in [
        "-aes-128-gcm",
        "-aes-192-gcm",
        "-aes-256-gcm",
        "-aes-128-cbc",
        "-aes-192-cbc",
        "-aes-256-cbc",
    ] {
        for stream in ["", "-stream"] {
            for options in rsa {
                scene.check(&format!("{cipher} {stream} {options}"), &scene.rsa);
            }
            for options in p256 {
                scene.check(&format!("{cipher} {stream} {options}"), &scene.p256);
            }
        }
    }
}

#[test]
fn every_signature_form() {
    let scene = Scene::new();
    for (kind, options) in [
        (Kind::P256, ""),
        (Kind::P256, "-nodetach"),
        (Kind::P256, "-nodetach -stream"),
        (Kind::P256, "-nodetach -stream -indef"),
        (Kind::P256, "-noattr"),
        (Kind::P256, "-nodetach -noattr"),
        (Kind::P256, "-md sha512 -keyid"),
        (Kind::P384, "-md sha384"),
        (Kind::Rsa, ""),
        (Kind::Rsa, "-nodetach -md sha512"),
        (
            Kind::Rsa,
            "-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:32",
        ),
        (Kind::Rsa, "-keyopt rsa_padding_mode:pss"),
        (
            Kind::Rsa,
            "-md sha384 -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:20",
        ),
        (Kind::P256, "-crlfeol"),
    ] {
        scene.sign(kind, options);
        scene.check("-aes-256-gcm -recip p256.crt", &scene.p256);
    }
}
