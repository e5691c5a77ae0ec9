//! The generator behind the attack tests: writes certificates, CMS objects and mails octet by
//! octet, so that each of them can be as wrong as an attacker wants.
//!
//! - [`der`]: values of any tag, of definite and indefinite length, in pieces;
//! - [`pki`]: an authority that signs whatever it is told to;
//! - [`cms`]: envelopes for any cipher and recipient, signatures with any attributes;
//! - [`rsa`]: blocks of any padding, encrypted (the padding oracle's probes);
//! - [`cbc`]: gadgets that change what CBC ciphertext decrypts to (EFAIL).
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure here is the test's"
)]

pub(crate) mod cbc;
pub(crate) mod cms;
pub(crate) mod der;
pub(crate) mod pki;
pub(crate) mod rsa;

use liaison_smime::{
    Certificate, Identities, Identity, OpenPolicy, Opened, Opener, Recipients, Refusal, SealError,
    SealPolicy, Sealer, TrustStore,
};
use time::OffsetDateTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A mail from the doctor to the home whose body is a CMS object.
pub(crate) fn mail(object: &[u8]) -> Vec<u8> {
    mail_with("", object)
}

/// The same, with more header fields (each ending in CRLF).
pub(crate) fn mail_with(fields: &str, object: &[u8]) -> Vec<u8> {
    let mut octets = format!(
        "From: dr.untel@hopital.test\r\nTo: accueil@ehpad.test\r\nSubject: [...]\r\n{fields}\
         MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; name=\"smime.p7m\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    )
    .into_bytes();
    octets.extend_from_slice(&base64(object));
    octets
}

/// Base64 in lines of 76.
pub(crate) fn base64(octets: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(octets);
    let mut lines = Vec::with_capacity(text.len() + text.len() / 38);
    for line in text.as_bytes().chunks(76) {
        lines.extend_from_slice(line);
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

/// The moment at which the tests happen.
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(pki::NOW).unwrap()
}

/// Opens with the default policy.
pub(crate) fn open(
    message: &[u8],
    ring: &Identities,
    trust: &TrustStore,
) -> Result<Opened<'static>, Refusal> {
    open_with(&OpenPolicy::default(), message, ring, trust)
}

pub(crate) fn open_with(
    policy: &OpenPolicy,
    message: &[u8],
    ring: &Identities,
    trust: &TrustStore,
) -> Result<Opened<'static>, Refusal> {
    Opener::new(policy, ring, trust).open(message.to_vec(), now())
}

pub(crate) fn seal(
    policy: SealPolicy,
    signer: Option<&Identity>,
    message: &[u8],
    recipients: &[Certificate],
) -> Result<Vec<u8>, SealError> {
    let mut sealer = Sealer::new(policy);
    if let Some(signer) = signer {
        sealer = sealer.sign_with(signer);
    }
    let recipients = Recipients::visible(recipients.iter().cloned());
    sealer.seal_to_vec(message, &recipients, now())
}

/// What the reader would be shown.
pub(crate) fn readable(mut opened: Opened<'_>) -> String {
    String::from_utf8_lossy(&opened.readable().into_vec().unwrap()).into_owned()
}

/// The innermost MIME entity.
pub(crate) fn content(opened: &mut Opened<'_>) -> Vec<u8> {
    opened.content().into_vec().unwrap()
}

/// The people of an attack: the doctor signs (P-256), the home receives (RSA).
pub(crate) struct Stage {
    pub(crate) root: pki::Authority,
    pub(crate) doctor: pki::Person,
    pub(crate) home: pki::Person,
    pub(crate) ring: Identities,
    pub(crate) trust: TrustStore,
}

pub(crate) const DOCTOR: &str = "dr.untel@hopital.test";
pub(crate) const HOME: &str = "accueil@ehpad.test";

/// What is told of a patient, and must never come out.
pub(crate) const SECRET: &str = "Mme Fictive sort demain";

impl Stage {
    pub(crate) fn new() -> Self {
        let root = pki::Authority::root();
        let doctor = root.person(DOCTOR, &pki::Keys::p256(), 10);
        let home = root.person(HOME, &pki::Keys::rsa(), 11);
        let (ring, trust) = (home.ring(), root.trust());
        Self {
            root,
            doctor,
            home,
            ring,
            trust,
        }
    }

    pub(crate) fn open(&self, message: &[u8]) -> Result<Opened<'static>, Refusal> {
        open(message, &self.ring, &self.trust)
    }

    /// Opens a mail that may be signed only, or not protected at all.
    pub(crate) fn look(&self, message: &[u8]) -> Result<Opened<'static>, Refusal> {
        let mut policy = OpenPolicy::default();
        policy.accept_unencrypted = true;
        open_with(&policy, message, &self.ring, &self.trust)
    }

    /// A MIME entity with the secret, signed by the doctor.
    pub(crate) fn signed_entity(&self) -> Vec<u8> {
        let content = entity(SECRET);
        let object = cms::honest_signature(&self.doctor, &content, false);
        cms::multipart_signed(&content, &object)
    }

    /// A key transport entry for the home.
    pub(crate) fn recipient(&self, key: &[u8]) -> Vec<u8> {
        cms::oaep(&self.home, key)
    }
}

/// A text part.
pub(crate) fn entity(text: &str) -> Vec<u8> {
    format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n").into_bytes()
}

/// A mail whose body is an entity in the clear, with the doctor's From.
pub(crate) fn plain_mail(from: &str, entity: &[u8]) -> Vec<u8> {
    let mut mail = format!("From: {from}\r\nTo: {HOME}\r\nSubject: Sortie\r\n").into_bytes();
    mail.extend_from_slice(entity);
    mail
}

/// Whether a refusal is one that the public octets alone explain.
pub(crate) fn is_named<T: std::fmt::Debug>(answer: &Result<T, Refusal>) -> bool {
    matches!(
        answer,
        Err(Refusal::Malformed(_) | Refusal::NotAccepted { .. } | Refusal::TooLarge { .. })
    )
}

/// A ring that counts what is asked of it.
pub(crate) struct CountingRing<'a> {
    pub(crate) ring: &'a Identities,
    pub(crate) asked: std::cell::Cell<usize>,
}

impl<'a> CountingRing<'a> {
    pub(crate) fn new(ring: &'a Identities) -> Self {
        Self {
            ring,
            asked: std::cell::Cell::new(0),
        }
    }
}

impl liaison_smime::KeyRing for CountingRing<'_> {
    fn find(
        &self,
        recipient: &liaison_smime::RecipientId<'_>,
    ) -> Option<std::sync::Arc<dyn liaison_smime::DecryptionKey>> {
        self.asked.set(self.asked.get() + 1);
        self.ring.find(recipient)
    }
}
