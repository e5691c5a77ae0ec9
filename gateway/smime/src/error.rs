//! What can go wrong, by the moment at which it does: while loading keys and certificates
//! ([`MaterialError`]), while sealing ([`SealError`]), while opening ([`Refusal`]).
//!
//! No text here ever quotes the content of a message.

use crate::ber::BerError;

/// A certificate, key or CRL that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MaterialError {
    /// Not a certificate of RFC 5280; `0` says which part.
    #[error("not a readable X.509 certificate ({0}); give one DER or PEM CERTIFICATE")]
    Certificate(&'static str),
    /// Not a CRL of RFC 5280; `0` says which part.
    #[error("not a readable CRL ({0}); give one DER or PEM X509 CRL")]
    Crl(&'static str),
    /// Not an OCSP response of RFC 6960 that answers; `0` says which part, or why not.
    #[error("not a usable OCSP response ({0}); ask the responder anew")]
    Ocsp(&'static str),
    /// Not a PKCS #12 file that can be used; `0` says why.
    #[error("not a usable PKCS #12 file: {0}; export it anew, with a passphrase")]
    Pkcs12(&'static str),
    /// Encrypted in a way that is not taken; `0` says which.
    #[error(
        "cannot be decrypted: {0} (`openssl pkcs12 -export` and `openssl pkcs8 -topk8` write \
         what is taken)"
    )]
    Encrypted(&'static str),
    /// The passphrase is wrong, or the file was damaged.
    #[error("the passphrase is not the one of the file, or the file is damaged")]
    Passphrase,
    /// The key is encrypted and no passphrase was given.
    #[error("the private key is encrypted: give its passphrase")]
    PassphraseMissing,
    /// Not a certificate request that can be used; `0` says why.
    #[error("not a usable certificate request: {0}")]
    Request(&'static str),
    /// An authority cannot issue what was asked of it; `0` says why.
    #[error("the authority cannot issue this: {0}")]
    Issue(&'static str),
    /// Not an unencrypted PKCS#8 private key of a supported kind.
    #[error(
        "not a readable private key ({0}); give a PKCS#8 key, RSA 2048 to 8192 bits, \
         P-256, P-384, P-521, Ed25519, X25519, ML-KEM or ML-DSA (`openssl pkcs8 -topk8 -nocrypt` converts)"
    )]
    PrivateKey(&'static str),
    /// The private key is not the one of the certificate.
    #[error("the private key does not belong to the certificate; pair them anew")]
    KeyMismatch,
    /// The PEM text has no block of the expected label.
    #[error("no PEM block labelled {0}")]
    NoPemBlock(&'static str),
}

/// Why a message was not sealed. Nothing is sent when this is returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The message given is not one RFC 5322 message; `0` says what is wrong.
    #[error("the message to seal is malformed: {0}")]
    Malformed(&'static str),
    /// The message is larger than [`Limits`](crate::Limits) allows.
    #[error("the message to seal exceeds the limit on {what} ({limit})")]
    TooLarge {
        /// What is bounded.
        what: &'static str,
        /// The bound, in octets or entries.
        limit: usize,
    },
    /// There is nobody to encrypt to.
    #[error("no recipient certificate: a message is never sent in clear instead")]
    NoRecipients,
    /// A recipient's certificate cannot receive; `index` counts in the slice given.
    #[error("the certificate of recipient {index} cannot receive encrypted mail: {reason}")]
    Recipient {
        /// Position in the recipients given.
        index: usize,
        /// What the certificate lacks.
        reason: &'static str,
    },
    /// Content that nobody signed would go out under a cipher that proves nothing.
    #[error("AES-CBC protects nothing by itself: sign the message, or leave the cipher alone")]
    UnsignedCbc,
    /// The message does not fit the partner's profile.
    #[error("the partner's profile cannot be kept: {0}")]
    Profile(&'static str),
    /// The signing certificate is not one for the address in From.
    #[error(
        "the signing certificate is not bound to the From address; every receiver would refuse it"
    )]
    SignerAddress,
    /// The signing certificate or key may not sign mail.
    #[error("the signing certificate cannot sign mail: {0}")]
    Signer(&'static str),
    /// The message could not be read, or the sealed one not written; what was written is to be
    /// thrown away.
    #[error("the message to seal, or where it goes, failed: {0}")]
    Spool(std::io::ErrorKind),
    /// The cryptographic library failed.
    #[error("the cryptographic library failed at {0}; the message was not sealed")]
    Crypto(&'static str),
}

/// Why a message was not opened. Nothing of its content is released when this is returned.
///
/// Every failure that depends on a private key or on decrypted octets is the one variant
/// [`Refusal::CannotOpen`], so that a sender who sees the outcome learns nothing about the key
/// or the padding (RFC 8551 §6, Bleichenbacher, EFAIL). All the other variants depend only on
/// what the sender already knows: the bytes that were sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The message has no encryption layer, and the policy demands one.
    #[error("the message is not encrypted with S/MIME")]
    NotEnveloped,
    /// The message does not follow its format; `0` says where.
    #[error("the message is malformed: {0}")]
    Malformed(&'static str),
    /// The message exceeds [`Limits`](crate::Limits).
    #[error("the message exceeds the limit on {what} ({limit})")]
    TooLarge {
        /// What is bounded.
        what: &'static str,
        /// The bound, in octets or entries.
        limit: usize,
    },
    /// An algorithm or a form that the policy does not accept.
    #[error("the message uses {slot} {name}, which is not accepted")]
    NotAccepted {
        /// Where in the message: `content encryption`, `key management`…
        slot: &'static str,
        /// The object identifier or a name.
        name: String,
    },
    /// The message could not be read from where it lies.
    #[error("the message cannot be read from its spool: {0}; open it again when it can")]
    Spool(std::io::ErrorKind),
    /// No key held here opens the message, or its content is not authentic: deliberately one
    /// answer for both.
    #[error(
        "the message cannot be opened with the keys held here, or its content is not authentic"
    )]
    CannotOpen,
}

impl Refusal {
    /// Enhanced status code for a DSN (RFC 3463 §3.8 `5.7.5`, cryptographic failure): the same
    /// for every refusal, so that it tells nothing. A retry never helps.
    #[must_use]
    pub fn enhanced_status(&self) -> &'static str {
        "5.7.5"
    }

    pub(crate) fn not_accepted(slot: &'static str, name: impl ToString) -> Self {
        Self::NotAccepted {
            slot,
            name: name.to_string(),
        }
    }
}

impl From<BerError> for Refusal {
    fn from(error: BerError) -> Self {
        Self::Malformed(error.describe())
    }
}
