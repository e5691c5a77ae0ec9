//! A throw-away PKI, and the `openssl` program to compare with.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure here is the test's"
)]

use std::path::PathBuf;
use std::process::Command;

use liaison_smime::{
    Certificate, Crl, Identities, Identity, OpenPolicy, Opened, Opener, PrivateKey, Recipients,
    Refusal, SealPolicy, Sealer, TrustStore,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason,
    RevokedCertParams, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

pub(crate) const DOCTOR: &str = "dr.untel@hopital.test";
pub(crate) const HOME: &str = "accueil@ehpad.test";

/// The moment at which the tests happen.
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

pub(crate) struct Authority {
    pub(crate) certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A person's certificate and key, in every form that a test wants.
pub(crate) struct Person {
    pub(crate) certificate: Certificate,
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
    pub(crate) chain: Vec<Certificate>,
}

impl Person {
    pub(crate) fn identity(&self) -> Identity {
        let key = PrivateKey::from_pkcs8_pem(&self.key_pem).unwrap();
        Identity::new(self.certificate.clone(), self.chain.clone(), key).unwrap()
    }

    pub(crate) fn ring(&self) -> Identities {
        Identities::new().with(self.identity())
    }
}

pub(crate) fn key_pair(kind: Kind) -> KeyPair {
    match kind {
        Kind::Rsa => KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256),
        Kind::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        Kind::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        Kind::P521 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512),
        Kind::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519),
    }
    .unwrap()
}

fn dates(params: &mut CertificateParams) {
    params.not_before = now() - Duration::days(30);
    params.not_after = now() + Duration::days(30);
}

pub(crate) fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = now() - Duration::days(3000);
    params.not_after = now() + Duration::days(3000);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

pub(crate) fn person_params(address: &str, kind: Kind) -> CertificateParams {
    let mut params = CertificateParams::default();
    dates(&mut params);
    params.distinguished_name.push(DnType::CommonName, address);
    params.subject_alt_names = vec![SanType::Rfc822Name(address.try_into().unwrap())];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    match kind {
        Kind::Rsa => params.key_usages.push(KeyUsagePurpose::KeyEncipherment),
        Kind::P256 | Kind::P384 | Kind::P521 => {
            params.key_usages.push(KeyUsagePurpose::KeyAgreement);
        }
        Kind::Ed25519 => {}
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params
}

impl Authority {
    pub(crate) fn root() -> Self {
        Self::from_params(authority_params("Territoire fictif, racine"))
    }

    pub(crate) fn from_params(params: CertificateParams) -> Self {
        let key = key_pair(Kind::P256);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate: Certificate::from_der(certificate.der()).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    /// An authority whose certificate lets it issue certificates, and no revocation list; it
    /// issues one all the same.
    pub(crate) fn without_crl_sign() -> Self {
        let mut params = authority_params("Autorité sans liste");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = key_pair(Kind::P256);
        let certificate = params.self_signed(&key).unwrap();
        params.key_usages.push(KeyUsagePurpose::CrlSign);
        Self {
            certificate: Certificate::from_der(certificate.der()).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    /// An authority below this one.
    pub(crate) fn below(&self, params: CertificateParams) -> Self {
        let key = key_pair(Kind::P256);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self {
            certificate: Certificate::from_der(certificate.der()).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn person(&self, address: &str, kind: Kind) -> Person {
        self.issue(&person_params(address, kind), kind)
    }

    pub(crate) fn issue(&self, params: &CertificateParams, kind: Kind) -> Person {
        let key = key_pair(kind);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Person {
            certificate: Certificate::from_der(certificate.der()).unwrap(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            chain: vec![self.certificate.clone()],
        }
    }

    pub(crate) fn crl(
        &self,
        revoked: &[&Certificate],
        this: OffsetDateTime,
        next: OffsetDateTime,
    ) -> Crl {
        let params = CertificateRevocationListParams {
            this_update: this,
            next_update: next,
            crl_number: SerialNumber::from(7),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .iter()
                .map(|certificate| RevokedCertParams {
                    serial_number: SerialNumber::from_slice(certificate.serial()),
                    revocation_time: this - Duration::hours(1),
                    reason_code: Some(RevocationReason::KeyCompromise),
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Crl::from_der(params.signed_by(&self.issuer).unwrap().der()).unwrap()
    }

    pub(crate) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    pub(crate) fn trust(&self) -> TrustStore {
        TrustStore::new().with_anchor(self.certificate.clone())
    }
}

/// A message as a mail client submits it.
pub(crate) fn letter(body: &str) -> Vec<u8> {
    format!(
        "From: Dr Untel <{DOCTOR}>\r\nTo: {HOME}\r\nSubject: Sortie de Mme Fictive\r\n\
         Date: Mon, 21 Sep 2026 10:00:00 +0200\r\nMessage-ID: <1@hopital.test>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{body}"
    )
    .into_bytes()
}

pub(crate) fn seal(message: &[u8], signer: &Person, recipients: &[&Person]) -> Vec<u8> {
    let certificates: Vec<_> = recipients.iter().map(|r| r.certificate.clone()).collect();
    Sealer::new(SealPolicy::default())
        .sign_with(&signer.identity())
        .seal_to_vec(message, &Recipients::visible(certificates), now())
        .unwrap()
}

pub(crate) fn open(
    message: &[u8],
    recipient: &Person,
    trust: &TrustStore,
) -> Result<Opened<'static>, Refusal> {
    Opener::new(&OpenPolicy::default(), &recipient.ring(), trust).open(message.to_vec(), now())
}

/// A folder for the `openssl` program, with the certificates and keys of a few people.
pub(crate) struct Openssl(tempfile::TempDir);

impl Openssl {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn write(&self, name: &str, octets: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, octets).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.path().join(name)).unwrap()
    }

    /// Writes `<name>.crt`, `<name>.key` and `<name>.ca`.
    pub(crate) fn person(&self, name: &str, person: &Person) {
        self.write(&format!("{name}.crt"), person.certificate_pem.as_bytes());
        self.write(&format!("{name}.key"), person.key_pem.as_bytes());
    }

    pub(crate) fn authority(&self, name: &str, authority: &Authority) {
        self.write(&format!("{name}.der"), authority.certificate.der());
        self.run(&format!("x509 -inform DER -in {name}.der -out {name}.crt"));
    }

    /// Runs `openssl` in the folder; its failure is the test's.
    pub(crate) fn run(&self, arguments: &str) -> Vec<u8> {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .expect("the openssl program (Debian package openssl)");
        assert!(
            output.status.success(),
            "openssl {arguments}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }

    /// Runs `openssl` in the folder, which must fail; what it says.
    pub(crate) fn fails(&self, arguments: &str) -> String {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .expect("the openssl program (Debian package openssl)");
        assert!(!output.status.success(), "openssl {arguments} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// Says that a collection or a program is not at hand; `tests/run` repeats it at its end.
#[allow(clippy::print_stderr, reason = "a test says what it could not run")]
pub(crate) fn not_at_hand(what: &str) {
    eprintln!("not at hand: {what}");
    if let Some(path) = std::env::var_os("LIAISON_NOT_AT_HAND") {
        use std::io::Write as _;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(path).unwrap();
        writeln!(file, "{what}").unwrap();
    }
}
