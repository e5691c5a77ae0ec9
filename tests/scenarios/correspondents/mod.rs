//! Two people and their authority in a folder, for the tools that work on files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use liaison_smime::{
    CertificateRequest, Identity, IssuingAuthority, Lifetimes, PrivateKey, PublicKeyKind,
    RevocationReason, RevocationRegister,
};
use liaison_tests::territory::liaison;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

pub(crate) const DOCTOR: &str = "dr.untel@hopital.test";
pub(crate) const HOME: &str = "accueil@ehpad.test";
pub(crate) const PASSPHRASE: &str = "une phrase de passe";

/// When the certificates were issued.
const ISSUED: OffsetDateTime = datetime!(2026-01-01 0:00 UTC);

/// The folder: `root.pem`; `doctor.crt`, `.key`, `.p12` (P-256); `home.crt`, `.key`, `.p12`
/// (RSA); `good.crl` of 10 November 2026, `revoked.crl`, which names the doctor; `letter.eml`.
/// The `.p12` files have [`PASSPHRASE`], which is in `pass` too.
pub(crate) struct Correspondents(tempfile::TempDir);

impl Correspondents {
    pub(crate) fn new() -> Self {
        let root = IssuingAuthority::root(
            PrivateKey::generate(PublicKeyKind::P384).unwrap(),
            "Territoire fictif, racine",
            &[],
            (ISSUED - Duration::days(1), ISSUED + Duration::days(9000)),
        )
        .unwrap()
        .with_lifetimes(Lifetimes {
            validity: Duration::days(3650),
            ..Lifetimes::default()
        });
        let this = Self(tempfile::tempdir().unwrap());
        this.write("root.pem", root.certificate().to_pem());
        this.write("pass", PASSPHRASE);
        let doctor = this.person(&root, "doctor", DOCTOR, PublicKeyKind::P256);
        this.person(&root, "home", HOME, PublicKeyKind::Rsa(2048));
        let (since, due) = (
            datetime!(2026-11-10 0:00 UTC),
            datetime!(2026-12-10 0:00 UTC),
        );
        let mut register = RevocationRegister::new();
        let list = root.issue_crl(&mut register, since, due).unwrap();
        this.write("good.crl", list.to_pem());
        register.revoke(doctor.certificate(), RevocationReason::KeyCompromise, since);
        let list = root.issue_crl(&mut register, since, due).unwrap();
        this.write("revoked.crl", list.to_pem());
        this.write(
            "letter.eml",
            format!(
                "From: Dr Untel <{DOCTOR}>\r\nTo: {HOME}\r\nSubject: Sortie de Mme Fictive\r\n\
                 Date: Fri, 20 Nov 2026 10:00:00 +0100\r\nMessage-ID: <1@hopital.test>\r\n\
                 MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nBonjour,\r\n"
            ),
        );
        this
    }

    fn person(
        &self,
        authority: &IssuingAuthority,
        name: &str,
        address: &str,
        kind: PublicKeyKind,
    ) -> Identity {
        let key = PrivateKey::generate(kind).unwrap();
        let request = CertificateRequest::new(&key, address, &[address]).unwrap();
        let certificate = authority.issue(&request, ISSUED).unwrap();
        self.write(&format!("{name}.crt"), certificate.to_pem());
        self.write(&format!("{name}.key"), key.to_pkcs8_pem().unwrap().as_str());
        let identity = Identity::new(certificate, authority.chain(), key).unwrap();
        let file = identity.to_pkcs12(name, PASSPHRASE).unwrap();
        self.write(&format!("{name}.p12"), file);
        identity
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, octets: impl AsRef<[u8]>) {
        fs::write(self.folder().join(name), octets).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder().join(name)).unwrap()
    }

    /// `liaison smime` with these arguments, in the folder.
    pub(crate) fn smime(&self, arguments: &str) -> Output {
        self.smime_with(arguments, b"")
    }

    /// The same, with something on standard input.
    pub(crate) fn smime_with(&self, arguments: &str, input: &[u8]) -> Output {
        let mut command = liaison();
        command
            .arg("smime")
            .args(arguments.split_whitespace())
            .current_dir(self.folder());
        liaison_tests::programs::attempt(&mut command, input)
    }

    /// `openssl` with these arguments, in the folder; it must succeed.
    pub(crate) fn openssl(&self, arguments: &str) -> Vec<u8> {
        let mut command = Command::new("openssl");
        command
            .args(arguments.split_whitespace())
            .current_dir(self.folder());
        liaison_tests::programs::run(&mut command, b"")
    }
}

/// What a command said, on both outputs, and how it ended.
pub(crate) fn said(output: &Output) -> (String, String, i32) {
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
        output.status.code().unwrap(),
    )
}
