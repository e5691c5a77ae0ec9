//! S/MIME 4.0 (RFC 8551) for a mail gateway: sign, verify, seal, open, certification paths and
//! header protection. Bytes in, bytes out: no socket, no file, no clock, no log.
//!
//! # Map
//!
//! | module | what it holds |
//! |---|---|
//! | `sealer` | [`Sealer`]: header protection, then a signature, then encryption |
//! | `recipients` | [`Recipients`]: visible ones together, a blind one alone, by type |
//! | `spool`, `stream` | [`Spool`]: a message in memory or in a file; its layers, never held whole |
//! | `opener`, `opened` | [`Opener`]: layer after layer from the outside in; [`Opened`] |
//! | `verdict` | [`SignatureVerdict`]: an enum with reasons, never a bool |
//! | `header_protection` | RFC 9788: what goes inside, what stays outside, how they compare |
//! | `legacy_display` | header fields repeated before the text for older clients, left out |
//! | `certificate`, `name`, `crl`, `ocsp` | X.509 certificates, lists and [`OcspResponse`]s, as received |
//! | `trust`, `path`, `name_constraints` | [`TrustStore`], RFC 5280 path building and validation, revocation |
//! | `key` | [`PrivateKey`], [`Identity`], the [`KeyRing`] and [`DecryptionKey`] ports |
//! | `pkcs8`, `pkcs12`, `pbe`, `pem` | keys and certificates in files, in and out; passphrases |
//! | `capabilities`, `known_keys` | what partners' clients read, which keys they use: [`CapabilityMemory`], [`KnownKeys`] |
//! | `inspection` | [`inspect`]: what a message is made of, said without a key |
//! | `request`, `issuing` | certificate requests, and a small [`IssuingAuthority`] |
//! | `cms` | the CMS objects (RFC 5652, RFC 5083), written and read |
//! | `ber` | a bounded BER reader, a DER writer |
//! | `mime` | header fields, multipart/signed, base64, over the received octets |
//! | `algorithm`, `post_quantum`, `oid` | what is accepted; anything else has no representation |
//! | `evp` | the one module with unsafe code: what aws-lc-rs does not offer safely |
//! | `limits`, `error` | [`Limits`]; [`MaterialError`], [`SealError`], [`Refusal`] |
//!
//! # How to
//!
//! ```
//! use liaison_smime::{
//!     Identities, Identity, OpenPolicy, Opener, Recipients, SealPolicy, Sealer, SignatureVerdict,
//!     TrustStore,
//! };
//! # use rcgen::{CertificateParams, IsCa, BasicConstraints, Issuer, KeyPair, SanType};
//! # use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};
//! # let ca_key = KeyPair::generate()?;
//! # let mut ca = CertificateParams::default();
//! # ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
//! # ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
//! # let anchor_pem = ca.self_signed(&ca_key)?.pem();
//! # let issuer = Issuer::new(ca, ca_key);
//! # let person = |address: &str| -> Result<(String, String), Box<dyn std::error::Error>> {
//! #     let mut params = CertificateParams::default();
//! #     params.subject_alt_names = vec![SanType::Rfc822Name(address.try_into()?)];
//! #     params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
//! #     let key = KeyPair::generate()?;
//! #     Ok((params.signed_by(&key, &issuer)?.pem(), key.serialize_pem()))
//! # };
//! # let (doctor_pem, doctor_key) = person("dr.untel@hopital.test")?;
//! # let (home_pem, home_key) = person("accueil@ehpad.test")?;
//! # let now = time::OffsetDateTime::from_unix_timestamp(1_790_000_000)?;
//! let doctor = Identity::from_pem(&doctor_pem, &doctor_key)?;
//! let home = Identity::from_pem(&home_pem, &home_key)?;
//! let anchor = liaison_smime::Certificate::from_pem(&anchor_pem)?;
//! let trust = TrustStore::new().with_anchor(anchor);
//!
//! // Sending: check the recipient, then seal for all of them.
//! let message = b"From: dr.untel@hopital.test\r\nTo: accueil@ehpad.test\r\n\
//!     Subject: Sortie\r\n\r\nBonjour,\r\n";
//! trust.check_recipient(home.certificate(), home.chain(), now)?;
//! let sealed = Sealer::new(SealPolicy::default())
//!     .sign_with(&doctor)
//!     .seal_to_vec(message, &Recipients::visible([home.certificate().clone()]), now)?;
//!
//! // Receiving: open with every key held, judge by the trust store.
//! let ring = Identities::new().with(home);
//! let policy = OpenPolicy::default();
//! let mut opened = Opener::new(&policy, &ring, &trust).open(&sealed, now)?;
//! match opened.signature() {
//!     SignatureVerdict::Valid(valid) => assert_eq!(valid.signer.addresses(), ["dr.untel@hopital.test"]),
//!     SignatureVerdict::Invalid(reason) => panic!("show the warning: {reason}"),
//!     _ => panic!("show that nobody signed"),
//! }
//! let plain = String::from_utf8(opened.readable().into_vec()?)?;
//! assert!(plain.contains("Subject: Sortie\r\n") && plain.ends_with("\r\n\r\nBonjour,\r\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Large messages
//!
//! Both ways take a [`Spool`]: octets in memory, or a file that the caller gives. Sealing passes
//! over it twice (digest, then writing). Opening passes once for each layer, to authenticate, and
//! once more when the content is read: [`AuthenticContent`] decrypts from the octets that were
//! authenticated, so that memory does not grow with the message and no plaintext is ever stored.
//!
//! ```no_run
//! # use std::fs::File;
//! # use liaison_smime::{Opener, Recipients, Sealer, Spool};
//! # fn f(sealer: Sealer<'_>, opener: Opener<'_>, to: Recipients, now: time::OffsetDateTime)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! let mut sealed = File::create_new("sealed.eml")?;
//! sealer.seal(Spool::file(File::open("message.eml")?), &to, now, &mut sealed)?;
//! let mut opened = opener.open(Spool::file(File::open("received.eml")?), now)?;
//! opened.readable().copy_to(&mut std::io::stdout())?;
//! # Ok(())
//! # }
//! ```
//!
//! # Partners over time
//!
//! What a valid signature says of its author's client, and which keys a partner used, outlive a
//! message: [`CapabilityMemory`] and [`KnownKeys`] hold it, serialise, and decide.
//!
//! ```
//! use liaison_smime::{
//!     CapabilityMemory, Certificate, CipherChoice, CipherFloor, KeyChange, KnownKeys, Opened,
//!     Recipients, SignatureVerdict,
//! };
//! # use time::OffsetDateTime;
//!
//! /// After a message was opened; what it returns is for the reader to see.
//! fn learn(
//!     opened: &Opened<'_>,
//!     clients: &mut CapabilityMemory,
//!     keys: &mut KnownKeys,
//!     now: OffsetDateTime,
//! ) -> Option<KeyChange> {
//!     let SignatureVerdict::Valid(signature) = opened.signature() else {
//!         return None;
//!     };
//!     clients.learn(signature, now);
//!     Some(keys.observe(opened.from_address()?, &signature.signer, now))
//! }
//!
//! /// Before the next one is sealed; `None` while a person has to ask the partner.
//! fn choose(
//!     partner: (&str, Certificate),
//!     clients: &CapabilityMemory,
//!     keys: &KnownKeys,
//!     now: OffsetDateTime,
//! ) -> Option<Recipients> {
//!     let (address, certificate) = partner;
//!     if let KeyChange::Held(_) = keys.judge(address, &certificate, now) {
//!         return None;
//!     }
//!     let recipients = Recipients::visible([certificate]);
//!     Some(match clients.cipher_for(address, CipherFloor::Authenticated) {
//!         CipherChoice::Cbc => recipients.reading_only_cbc(),
//!         _ => recipients,
//!     })
//! }
//!
//! let (clients, keys) = (CapabilityMemory::new(), KnownKeys::new());
//! assert_eq!(
//!     clients.cipher_for("accueil@ehpad.test", CipherFloor::Cbc),
//!     CipherChoice::Gcm,
//!     "of a partner of whom nothing is known, S/MIME 4.0 is supposed"
//! );
//! # let _ = (learn, choose, keys);
//! ```
//!
//! # What is sent, and why
//!
//! - **Signed, then encrypted**: `SignedData` inside `AuthEnvelopedData`. SHA-256 with ECDSA P-256
//!   or RSA PKCS#1 v1.5 (RSASSA-PSS by policy), SHA-384 with P-384, Ed25519: what the certificate
//!   holds, an id-RSASSA-PSS one included. Signed attributes are contentType, messageDigest, signingTime and
//!   CMSAlgorithmProtection; certificate and chain travel along.
//! - **AES-256-GCM** with a fresh key and nonce for each envelope, 16-octet tag, no authenticated
//!   attributes (several implementations got their encoding wrong). RSA recipients by RSA-OAEP
//!   with SHA-256; P-256, P-384, P-521 and X25519 by ephemeral-static ECDH with AES-256 key wrap, without
//!   user keying material. ML-KEM-768 and ML-KEM-1024 recipients by `KEMRecipientInfo` with
//!   HKDF-SHA256, where [`SealPolicy::ml_kem`] says that the partner reads it.
//! - **multipart/signed inside the envelope** by default: clients that decrypt but cannot verify
//!   still show the content. [`SignatureForm::Opaque`] is there for partners that demand it.
//! - **Header protection** with a policy stricter than `hcp_baseline`: every field goes inside;
//!   From, Sender, To, Cc, Date, Message-ID, In-Reply-To, References and Auto-Submitted are
//!   repeated outside; the outer Subject is `[...]`. Bcc is dropped. A message that its author's
//!   client signed keeps that signature, untouched, inside the gateway's.
//! - **Partners' profiles**: [`Profile::WrappedRfc822`] for Direct, [`Profile::KomLe`] for KIM;
//!   [`Recipients::reading_only_cbc`] for a client that is known to read nothing better, and then
//!   only signed.
//! - **DER**, definite lengths: the oldest receivers want them.
//!
//! # What is accepted
//!
//! AES-GCM (tags of 12 to 16 octets) and ChaCha20-Poly1305 in `AuthEnvelopedData`; AES-CBC in
//! `EnvelopedData` only if the content turns out to be signed, validly, by the sender; RSA
//! PKCS#1 v1.5 and OAEP with any two digests, ECDH with the SHA-1 (OpenSSL's default) to SHA-512
//! derivations, ML-KEM-512, 768 and 1024 (RFC 9936); signatures of ML-DSA-44, 65 and 87
//! (RFC 9882), in certificates too (RFC 9881); BER with indefinite lengths and strings in pieces; opaque and detached
//! signatures, nested. Refused, with a named reason: every other cipher, SHA-1 and MD5
//! signatures, RSA under 2048 bits, password and shared-key recipients, compressed data.
//!
//! # Known attacks, and what stands against them
//!
//! - **EFAIL**: only the outermost body is decrypted, never a part beside others; unauthenticated
//!   ciphers need a valid signature; the header says which From counts.
//! - **Padding and key oracles** (Bleichenbacher, two-recipient probes): one recipient entry is
//!   tried, a random key stands in for one that cannot be had, and every failure is
//!   [`Refusal::CannotOpen`]. Do not tell a sender more than that.
//! - **Signature wrapping**: exactly two parts, no content inside a detached signature, attributes
//!   once each, and a verdict only for what was signed. A signature around an envelope does not
//!   sign what is inside.
//! - **Bombs**: [`Limits`] before allocation; the reader is linear and never recurses on input
//!   beyond its depth.
//! - **Lookups**: nothing is fetched from an address inside a certificate.
//! - **Tags, nonces, keys of odd lengths** and ciphers in the wrong container: refused by an
//!   allow-list before a key is touched.
//! - **Downgrade by capabilities, redirection by a new key**: [`CapabilityMemory`] learns from
//!   valid, bound and timely signatures alone and never goes below the floor; [`KnownKeys`] holds
//!   a key that changed before its time.
//! - **Surreptitious forwarding**: the protected To and Cc are the author's; compare them with the
//!   recipient, and tell the reader (the project's gateway does).
//! - **Leaks by answers**: a refusal, a verdict, a finding and `Debug` hold nothing of the content.
//!
//! `tests/attacks/` has each of them as a test, with the generator of what an attacker sends.
//!
//! # Dependencies
//!
//! `aws-lc-rs` is the only cryptographic back end: it alone has RSA decryption, stored ECDH keys,
//! AES key wrap, AES-CBC, ML-KEM and ML-DSA in one place; `aws-lc-sys` is the same library, for
//! the few calls of `evp` that it does not wrap. `const-oid` holds object identifiers and `der`
//! the PEM and time forms; everything else of ASN.1 is read by `ber`: a streamed OCTET STRING
//! comes out of `der` with its inner headers in it, and its certificates have no dates before
//! 1970. `mail-parser` reads the addresses of From. `serde` lets the state that a site keeps (revocations,
//! capabilities, known keys) be stored. `base64-simd`, `memchr`, `subtle`, `thiserror`, `time` and `zeroize` do
//! what their names say.

mod algorithm;
mod ber;
mod capabilities;
mod certificate;
mod cms;
mod crl;
mod error;
mod evp;
mod header_protection;
mod inspection;
mod issuing;
mod key;
mod known_keys;
mod legacy_display;
mod limits;
mod mime;
mod name;
mod name_constraints;
mod ocsp;
mod oid;
mod opened;
mod opener;
mod path;
mod pbe;
mod pem;
mod pkcs12;
mod pkcs8;
mod post_quantum;
mod recipients;
mod request;
mod sealer;
mod spool;
mod stream;
mod trust;
mod verdict;
#[cfg(test)]
mod wycheproof;

pub use algorithm::{PublicKeyKind, SignatureScheme};
pub use capabilities::{
    CapabilityMemory, CipherChoice, CipherFloor, ClientCapabilities, Lesson, NoLesson,
};
pub use certificate::Certificate;
pub use cms::enveloped::ContentCipher;
pub use crl::{Crl, RevocationReason};
pub use error::{MaterialError, Refusal, SealError};
pub use header_protection::{HeaderFinding, HeaderProtection, ProtectedHeaders};
pub use inspection::{Inspection, Seen, SeenName, SeenRecipient, SeenSigner, inspect};
pub use issuing::{IssuingAuthority, Lifetimes, RevocationRegister};
pub use key::{
    DecryptionKey, Identities, Identity, KeyRing, OaepDigest, PrivateKey, RecipientId, RsaPadding,
    Signer,
};
pub use known_keys::{HoldReason, KeyChange, KnownKeys};
pub use limits::Limits;
pub use ocsp::{OcspResponse, ocsp_request};
pub use opened::{AuthenticContent, Layer, Opened};
pub use opener::{OpenPolicy, Opener};
pub use path::{CheckedPath, PathFault, PolicyDemand, Revocation};
pub use pkcs12::{certificates_from_pkcs12, identities_from_pkcs12};
pub use recipients::Recipients;
pub use request::CertificateRequest;
pub use sealer::{Profile, SealPolicy, SealReport, Sealer, SignatureForm};
pub use spool::Spool;
pub use trust::{Trust, TrustStore};
pub use verdict::{AddressBinding, InvalidReason, SignatureVerdict, ValidSignature};
