//! Those who write to one another here: a root, doctors who sign, homes that receive.

use liaison_smime::{Certificate, Identities, Identity, Recipients, TrustStore};
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
};
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::{X509, X509Builder, X509NameBuilder};

pub(crate) const DOCTOR: &str = "dr.untel@hopital.test";
pub(crate) const HOME: &str = "accueil@ehpad.test";

/// A kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rsa2048,
    P256,
}

/// A key with its certificate, as each of the two libraries holds them.
pub(crate) struct Person {
    pub(crate) key: PKey<Private>,
    pub(crate) certificate: X509,
    pub(crate) identity: Identity,
}

impl Person {
    /// A ring with this person's key alone.
    pub(crate) fn ring(&self) -> Identities {
        let der = self.certificate.to_der().expect("a certificate");
        let certificate = Certificate::from_der(&der).expect("a certificate");
        let key = liaison_smime::PrivateKey::from_pkcs8_der(&pkcs8(&self.key)).expect("a key");
        Identities::new().with(Identity::new(certificate, Vec::new(), key).expect("a pair"))
    }
}

/// Who writes, who receives, and whom both libraries trust.
pub(crate) struct People {
    pub(crate) doctor: Person,
    pub(crate) homes: Vec<Person>,
    pub(crate) trust: TrustStore,
    pub(crate) store: X509Store,
}

impl People {
    pub(crate) fn new(signer: Kind, recipients: &[Kind]) -> Self {
        let root_key = generate(Kind::P256);
        let root = certificate("racine", &root_key, None);
        let issuer = Some((&root, &root_key));
        let der = root.to_der().expect("a certificate");
        let anchor = Certificate::from_der(&der).expect("a certificate");
        let mut store = X509StoreBuilder::new().expect("a store");
        store.add_cert(root.clone()).expect("an anchor");
        Self {
            doctor: person(DOCTOR, signer, issuer),
            homes: recipients
                .iter()
                .map(|kind| person(HOME, *kind, issuer))
                .collect(),
            trust: TrustStore::new().with_anchor(anchor),
            store: store.build(),
        }
    }

    /// The recipients, as ours takes them.
    pub(crate) fn recipients(&self) -> Recipients {
        Recipients::visible(
            self.homes
                .iter()
                .map(|home| home.identity.certificate().clone()),
        )
    }
}

fn person(address: &str, kind: Kind, issuer: Option<(&X509, &PKey<Private>)>) -> Person {
    let key = generate(kind);
    let certificate = certificate(address, &key, issuer);
    let der = certificate.to_der().expect("a certificate");
    let ours = Certificate::from_der(&der).expect("a certificate");
    let private = liaison_smime::PrivateKey::from_pkcs8_der(&pkcs8(&key)).expect("a key");
    Person {
        key,
        certificate,
        identity: Identity::new(ours, Vec::new(), private).expect("a pair"),
    }
}

fn pkcs8(key: &PKey<Private>) -> Vec<u8> {
    key.private_key_to_pkcs8().expect("PKCS#8")
}

fn generate(kind: Kind) -> PKey<Private> {
    match kind {
        Kind::Rsa2048 => PKey::from_rsa(Rsa::generate(2048).expect("a key")),
        Kind::P256 => {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
            PKey::from_ec_key(EcKey::generate(&group).expect("a key"))
        }
    }
    .expect("a key")
}

/// A certificate for an address, or for an authority if nobody issues it.
fn certificate(name: &str, key: &PKey<Private>, issuer: Option<(&X509, &PKey<Private>)>) -> X509 {
    build(name, key, issuer).expect("a certificate")
}

fn build(
    name: &str,
    key: &PKey<Private>,
    issuer: Option<(&X509, &PKey<Private>)>,
) -> Result<X509, openssl::error::ErrorStack> {
    let mut subject = X509NameBuilder::new()?;
    subject.append_entry_by_text("O", "Territoire fictif")?;
    subject.append_entry_by_text("CN", name)?;
    let subject = subject.build();
    let mut serial = BigNum::new()?;
    serial.rand(120, MsbOption::MAYBE_ZERO, false)?;
    let mut certificate = X509Builder::new()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(&*serial.to_asn1_integer()?)?;
    certificate.set_subject_name(&subject)?;
    certificate.set_issuer_name(issuer.map_or(&*subject, |(issuer, _)| issuer.subject_name()))?;
    certificate.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    certificate.set_not_after(&*Asn1Time::days_from_now(30)?)?;
    certificate.set_pubkey(key)?;
    if issuer.is_none() {
        certificate.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        let usage = KeyUsage::new()
            .critical()
            .key_cert_sign()
            .crl_sign()
            .build()?;
        certificate.append_extension(usage)?;
    } else {
        let mut usage = KeyUsage::new();
        usage.critical().digital_signature();
        match key.rsa() {
            Ok(_) => usage.key_encipherment(),
            Err(_) => usage.key_agreement(),
        };
        certificate.append_extension(usage.build()?)?;
        certificate.append_extension(ExtendedKeyUsage::new().email_protection().build()?)?;
        let mut names = SubjectAlternativeName::new();
        let names = names
            .email(name)
            .build(&certificate.x509v3_context(None, None))?;
        certificate.append_extension(names)?;
    }
    certificate.sign(issuer.map_or(key, |(_, key)| key), MessageDigest::sha256())?;
    Ok(certificate.build())
}
