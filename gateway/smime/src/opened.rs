//! What opening a message gives.

use std::fmt;

use crate::certificate::Certificate;
use crate::cms::enveloped::ContentCipher;
use crate::header_protection::ProtectedHeaders;
use crate::verdict::{InvalidReason, SignatureVerdict};

/// One layer of a message, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layer {
    /// An envelope that was opened.
    Encrypted {
        /// Cipher of the content.
        cipher: ContentCipher,
        /// How many recipients it names.
        recipients: usize,
    },
    /// A signature.
    Signed {
        /// Certificates whose keys made it; whether they are trusted is in the verdict. Empty if
        /// a signature does not hold.
        signers: Vec<Certificate>,
        /// Why it does not hold, if it does not.
        fault: Option<InvalidReason>,
    },
}

/// A message that was opened. Its content was authenticated: by the envelope's cipher, or by a
/// valid signature. Only [`Opener::open`](crate::Opener::open) makes one.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    pub(crate) layers: Vec<Layer>,
    pub(crate) headers: ProtectedHeaders,
    pub(crate) from: Option<String>,
    pub(crate) signature: SignatureVerdict,
    pub(crate) content: Vec<u8>,
    pub(crate) readable: Vec<u8>,
}

impl Opened {
    /// The layers, from the outside in.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// How the header was protected, and where inside and outside disagree.
    #[must_use]
    pub fn headers(&self) -> &ProtectedHeaders {
        &self.headers
    }

    /// The address of the From that counts; `None` if there is not exactly one.
    #[must_use]
    pub fn from_address(&self) -> Option<&str> {
        self.from.as_deref()
    }

    /// The verdict on the signatures.
    #[must_use]
    pub fn signature(&self) -> &SignatureVerdict {
        &self.signature
    }

    /// The innermost MIME entity, octet for octet as it was signed and encrypted.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// A plain RFC 5322 message for any mail client: the header fields that count, then the
    /// content, without S/MIME layers and without the marks of header protection.
    ///
    /// Without header protection the fields are those from outside. Where no valid signature
    /// vouches for the From inside and it differs from the one outside, the latter is shown
    /// (RFC 9788 §4.4.1).
    #[must_use]
    pub fn readable(&self) -> Vec<u8> {
        self.readable.clone()
    }

    /// [`Opened::readable`] without a copy.
    #[must_use]
    pub fn into_readable(self) -> Vec<u8> {
        self.readable
    }

    pub(crate) fn is_valid(&self) -> bool {
        matches!(self.signature, SignatureVerdict::Valid(_))
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("layers", &self.layers)
            .field("headers", &self.headers)
            .field("signature", &self.signature)
            .field("content", &format_args!("{} octets", self.content.len()))
            .finish_non_exhaustive()
    }
}
