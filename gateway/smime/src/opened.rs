//! What opening a message gives.

use std::fmt;
use std::io::{self, Read, Write};

use crate::certificate::Certificate;
use crate::cms::enveloped::ContentCipher;
use crate::header_protection::ProtectedHeaders;
use crate::spool::Spool;
use crate::stream::{Fault, Source, View, drain};
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
///
/// It holds the spool of the sealed message, not the content: reading decrypts again, from the
/// octets that were authenticated, so that a large content is never in memory, and no plaintext
/// is ever on a disk.
pub struct Opened<'s> {
    pub(crate) layers: Vec<Layer>,
    pub(crate) headers: ProtectedHeaders,
    pub(crate) from: Option<String>,
    pub(crate) signature: SignatureVerdict,
    pub(crate) spool: Spool<'s>,
    /// The innermost entity.
    pub(crate) content: View,
    /// The header section to show, and the body under it.
    pub(crate) section: Vec<u8>,
    pub(crate) body: View,
}

impl Opened<'_> {
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
    pub fn content(&mut self) -> AuthenticContent<'_> {
        AuthenticContent {
            section: &[],
            source: self.content.open(&mut self.spool),
        }
    }

    /// A plain RFC 5322 message for any mail client: the header fields that count, then the
    /// content, without S/MIME layers and without the marks of header protection.
    ///
    /// Without header protection the fields are those from outside. Where no valid signature
    /// vouches for the From inside and it differs from the one outside, the latter is shown
    /// (RFC 9788 §4.4.1).
    pub fn readable(&mut self) -> AuthenticContent<'_> {
        AuthenticContent {
            section: &self.section,
            source: self.body.open(&mut self.spool),
        }
    }

    pub(crate) fn is_valid(&self) -> bool {
        matches!(self.signature, SignatureVerdict::Valid(_))
    }
}

impl fmt::Debug for Opened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("layers", &self.layers)
            .field("headers", &self.headers)
            .field("signature", &self.signature)
            .finish_non_exhaustive()
    }
}

/// Octets that were authenticated before the first of them can be read. Nothing else in this
/// crate gives out content.
///
/// Reading fails if the spool fails, or holds other octets than when it was authenticated.
pub struct AuthenticContent<'o> {
    section: &'o [u8],
    source: Result<Box<dyn Source + 'o>, Fault>,
}

impl AuthenticContent<'_> {
    /// Writes what is left to `out`, and says how many octets that were.
    ///
    /// # Errors
    /// Those of the spool and of `out`; what was written is then not the whole.
    pub fn copy_to(mut self, out: &mut dyn Write) -> io::Result<u64> {
        out.write_all(self.section)?;
        let mut failed = None;
        let mut source = std::mem::replace(&mut self.source, Ok(Box::new(&[][..])))?;
        let copied = drain(&mut *source, |octets| {
            out.write_all(octets).map_err(|error| {
                let fault = Fault::Io(error.kind());
                failed = Some(error);
                fault
            })
        });
        match (copied, failed) {
            (_, Some(error)) => Err(error),
            (copied, None) => Ok(copied? + self.section.len() as u64),
        }
    }

    /// What is left, in memory: for messages that fit there.
    ///
    /// # Errors
    /// As [`AuthenticContent::copy_to`]; a spool in memory does not fail.
    pub fn into_vec(self) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        self.copy_to(&mut octets)?;
        Ok(octets)
    }
}

impl Read for AuthenticContent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.section.is_empty() {
            return self.section.read(buffer);
        }
        let source = match &mut self.source {
            Ok(source) => source,
            Err(fault) => return Err((*fault).into()),
        };
        let chunk = source.chunk()?;
        let count = chunk.len().min(buffer.len());
        buffer[..count].copy_from_slice(&chunk[..count]);
        source.consume(count);
        Ok(count)
    }
}

impl fmt::Debug for AuthenticContent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthenticContent")
    }
}
