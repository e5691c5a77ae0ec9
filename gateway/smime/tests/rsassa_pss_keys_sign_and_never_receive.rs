//! Keys and certificates of id-RSASSA-PSS (RFC 4055 §1.2, §3.1): for PSS signatures alone, with
//! the digest and the least salt that their parameters name.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

use crate::territory;

use liaison_smime::{
    Certificate, Identity, MaterialError, OpenPolicy, Opener, PathFault, PrivateKey, PublicKeyKind,
    Recipients, SealError, SealPolicy, Sealer, SignatureVerdict,
};
use territory::{Authority, DOCTOR, HOME, Kind, Openssl, Person, letter, now};

const CONTENT: &[u8] = b"Content-Type: text/plain\r\n\r\nBonjour,\r\n";

struct Scene {
    folder: Openssl,
    root: Authority,
    home: Person,
}

impl Scene {
    /// The doctor's key with these parameters, and its certificate, as `doctor.key` and
    /// `doctor.crt`.
    fn new(parameters: &str) -> Self {
        let root = Authority::root();
        let home = root.person(HOME, Kind::Rsa);
        let folder = Openssl::new();
        folder.authority("root", &root);
        folder.write("root.key", root.key_pem().as_bytes());
        folder.write(
            "doctor.ext",
            format!(
                "subjectAltName=email:{DOCTOR}\nkeyUsage=critical,digitalSignature,keyEncipherment\n\
                 extendedKeyUsage=emailProtection\nbasicConstraints=critical,CA:FALSE\n"
            )
            .as_bytes(),
        );
        folder.run(&format!(
            "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 {parameters} -out doctor.key"
        ));
        folder.run("pkey -in doctor.key -pubout -out doctor.pub");
        folder.run("req -new -newkey rsa:2048 -nodes -keyout other.key -subj /CN=untel -out a.csr");
        folder.run(
            "x509 -req -in a.csr -CA root.crt -CAkey root.key -set_serial 77 -days 36500 \
             -force_pubkey doctor.pub -extfile doctor.ext -out doctor.crt",
        );
        Self { folder, root, home }
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.folder.read(name)).unwrap()
    }

    fn certificate(&self) -> Certificate {
        Certificate::from_pem(&self.text("doctor.crt")).unwrap()
    }

    /// What is made of the doctor's signature by `openssl` with these options.
    fn verdict(&self, options: &str) -> SignatureVerdict {
        self.folder.write("content", CONTENT);
        self.folder.run(&format!(
            "cms -sign -binary -nodetach -in content -signer doctor.crt -inkey doctor.key {options} \
             -from {DOCTOR} -to {HOME} -out signed.eml"
        ));
        let mut policy = OpenPolicy::default();
        policy.accept_unencrypted = true;
        let (ring, trust) = (self.home.ring(), self.root.trust());
        // The certificate is made with the machine's clock.
        let at = self.certificate().not_before() + time::Duration::days(1);
        let opened = Opener::new(&policy, &ring, &trust)
            .open(self.folder.read("signed.eml"), at)
            .unwrap();
        opened.signature().clone()
    }
}

#[test]
fn their_signatures_are_verified_both_ways() {
    for parameters in [
        "",
        "-pkeyopt rsa_pss_keygen_md:sha256 -pkeyopt rsa_pss_keygen_mgf1_md:sha256 -pkeyopt rsa_pss_keygen_saltlen:32",
    ] {
        let scene = Scene::new(parameters);
        let certificate = scene.certificate();
        assert_eq!(certificate.public_key_kind(), PublicKeyKind::RsaPss(2048));
        let options = "-md sha256 -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:32";
        let verdict = scene.verdict(options);
        assert!(
            matches!(verdict, SignatureVerdict::Valid(_)),
            "{parameters}: {verdict:?}"
        );
        // The other way: our signature with the same key.
        let key = PrivateKey::from_pkcs8_pem(&scene.text("doctor.key")).unwrap();
        let doctor = Identity::new(certificate, Vec::new(), key).unwrap();
        let home = Recipients::blind(scene.home.certificate.clone());
        let sealed = Sealer::new(SealPolicy::default())
            .sign_with(&doctor)
            .seal_to_vec(letter("Bonjour,\r\n"), &home, now())
            .unwrap();
        scene.folder.write("sealed.eml", &sealed);
        scene.folder.person("home", &scene.home);
        scene
            .folder
            .run("cms -decrypt -in sealed.eml -recip home.crt -inkey home.key -out inner");
        scene.folder.run(
            "cms -verify -in inner -CAfile root.crt -purpose smimesign -no_check_time -out payload",
        );
        assert!(
            scene
                .text("payload")
                .contains("Subject: Sortie de Mme Fictive")
        );
    }
}

#[test]
fn a_signature_that_the_keys_parameters_forbid_is_none() {
    let scene = Scene::new(
        "-pkeyopt rsa_pss_keygen_md:sha512 -pkeyopt rsa_pss_keygen_mgf1_md:sha512 -pkeyopt rsa_pss_keygen_saltlen:48",
    );
    let verdict =
        scene.verdict("-md sha512 -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:64");
    assert!(matches!(verdict, SignatureVerdict::Valid(_)), "{verdict:?}");
    // SHA-256, which is what is signed with here, is not what this key is for.
    let key = PrivateKey::from_pkcs8_pem(&scene.text("doctor.key"));
    assert_eq!(
        key.err(),
        Some(MaterialError::PrivateKey(
            "its RSASSA-PSS parameters are not those of SHA-256"
        ))
    );
}

#[test]
fn they_never_receive() {
    let scene = Scene::new("");
    let certificate = scene.certificate();
    let at = certificate.not_before() + time::Duration::days(1);
    assert_eq!(
        scene
            .root
            .trust()
            .check_recipient(&certificate, &[], at)
            .err(),
        Some(PathFault::Usage("its RSA key is one for signatures alone"))
    );
    let doctor = scene.root.person(DOCTOR, Kind::P256).identity();
    let sealed = Sealer::new(SealPolicy::default())
        .sign_with(&doctor)
        .seal_to_vec(letter("x"), &Recipients::blind(certificate), now());
    assert!(
        matches!(sealed, Err(SealError::Recipient { .. })),
        "{sealed:?}"
    );
}
