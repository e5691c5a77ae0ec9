//! Content ciphers as sources: what was authenticated before comes out in clear.

use aws_lc_rs::cipher::{self, DecryptionContext, StreamingDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use super::{Fault, Source, drain};
use crate::evp::{Aead, AeadStream, Wiped};

/// Octets decrypted at once.
const AT_ONCE: usize = 64 * 1024;

/// Everything that decrypting a content takes.
pub(crate) enum Decryption {
    Aead {
        cipher: Aead,
        key: Zeroizing<Vec<u8>>,
        nonce: [u8; 12],
        aad: Vec<u8>,
        tag: Vec<u8>,
    },
    Cbc {
        key: Zeroizing<Vec<u8>>,
        iv: [u8; 16],
    },
}

impl Decryption {
    /// A source of the plain octets of `inner`.
    pub(crate) fn source<'s>(
        &'s self,
        inner: Box<dyn Source + 's>,
    ) -> Result<Box<dyn Source + 's>, Fault> {
        match self {
            Self::Aead {
                cipher,
                key,
                nonce,
                aad,
                tag,
            } => {
                let mut stream = AeadStream::open(*cipher, key, nonce).ok_or(Fault::Changed)?;
                stream.aad(aad).ok_or(Fault::Changed)?;
                Ok(Box::new(AeadSource {
                    inner,
                    stream: Some(stream),
                    tag,
                    plain: Plain::default(),
                }))
            }
            Self::Cbc { key, iv } => Ok(Box::new(CbcSource {
                inner,
                cbc: Some(Cbc::new(key, iv).ok_or(Fault::Changed)?),
                plain: Plain::default(),
            })),
        }
    }

    /// Whether `inner` is the ciphertext that this decrypts. Every octet is read either way.
    pub(crate) fn verify(&self, inner: &mut dyn Source) -> Result<bool, Fault> {
        let mut verifier = Verifier::new(self);
        drain(inner, |octets| {
            verifier.update(octets);
            Ok(())
        })?;
        Ok(verifier.finish(self.tag()))
    }

    fn tag(&self) -> &[u8] {
        match self {
            Self::Aead { tag, .. } => tag,
            Self::Cbc { .. } => &[],
        }
    }
}

/// Checks a ciphertext as it goes by: the tag for an authenticated cipher, else no more than the
/// padding. What it decrypts on the way is thrown away. It takes every octet even if the key does
/// not fit, so that its work tells nothing.
pub(crate) struct Verifier {
    cipher: Running,
    scratch: Wiped,
    good: bool,
}

enum Running {
    Aead(AeadStream),
    Cbc(Cbc),
    Failed,
}

impl Verifier {
    /// Begins; the tag of `decryption` is not looked at.
    pub(crate) fn new(decryption: &Decryption) -> Self {
        let started = match decryption {
            Decryption::Aead {
                cipher,
                key,
                nonce,
                aad,
                ..
            } => AeadStream::open(*cipher, key, nonce)
                .and_then(|mut stream| stream.aad(aad).map(|()| Running::Aead(stream))),
            Decryption::Cbc { key, iv } => Cbc::new(key, iv).map(Running::Cbc),
        };
        Self {
            good: started.is_some(),
            cipher: started.unwrap_or(Running::Failed),
            scratch: Wiped::default(),
        }
    }

    pub(crate) fn update(&mut self, octets: &[u8]) {
        for piece in octets.chunks(AT_ONCE) {
            let done = match &mut self.cipher {
                Running::Aead(stream) => {
                    if self.scratch.len() < piece.len() {
                        self.scratch.resize(piece.len());
                    }
                    stream.update(piece, &mut self.scratch[..piece.len()])
                }
                Running::Cbc(cbc) => cbc.update(piece, &mut self.scratch),
                Running::Failed => None,
            };
            self.good &= done.is_some();
        }
    }

    /// Whether the ciphertext was right.
    pub(crate) fn finish(mut self, tag: &[u8]) -> bool {
        let ended = match self.cipher {
            Running::Aead(stream) => stream.verify(tag),
            Running::Cbc(cbc) => cbc.finish(&mut self.scratch).is_some(),
            Running::Failed => false,
        };
        ended && self.good
    }
}

#[derive(Default)]
struct Plain {
    octets: Wiped,
    from: usize,
}

impl Plain {
    fn is_read(&self) -> bool {
        self.from == self.octets.len()
    }

    fn left(&self) -> &[u8] {
        &self.octets[self.from..]
    }

    fn consume(&mut self, count: usize) {
        self.from = (self.from + count).min(self.octets.len());
    }
}

/// Decrypts, and checks the tag again at the end: the spool is the caller's, and may have changed
/// since it was verified.
struct AeadSource<'s> {
    inner: Box<dyn Source + 's>,
    stream: Option<AeadStream>,
    tag: &'s [u8],
    plain: Plain,
}

impl Source for AeadSource<'_> {
    fn chunk(&mut self) -> Result<&[u8], Fault> {
        if self.plain.is_read()
            && let Some(stream) = &mut self.stream
        {
            let chunk = self.inner.chunk()?;
            let count = chunk.len().min(AT_ONCE);
            self.plain.from = 0;
            self.plain.octets.resize(count);
            if count == 0 {
                let stream = self.stream.take();
                if !stream.is_some_and(|s| s.verify(self.tag)) {
                    return Err(Fault::Changed);
                }
            } else {
                stream
                    .update(&chunk[..count], &mut self.plain.octets)
                    .ok_or(Fault::Changed)?;
                self.inner.consume(count);
            }
        }
        Ok(self.plain.left())
    }

    fn consume(&mut self, count: usize) {
        self.plain.consume(count);
    }
}

struct CbcSource<'s> {
    inner: Box<dyn Source + 's>,
    cbc: Option<Cbc>,
    plain: Plain,
}

impl Source for CbcSource<'_> {
    fn chunk(&mut self) -> Result<&[u8], Fault> {
        while self.plain.is_read()
            && let Some(cbc) = &mut self.cbc
        {
            self.plain.from = 0;
            let chunk = self.inner.chunk()?;
            let count = chunk.len().min(AT_ONCE);
            if count == 0 {
                let cbc = self.cbc.take();
                cbc.and_then(|c| c.finish(&mut self.plain.octets))
                    .ok_or(Fault::Changed)?;
            } else {
                cbc.update(&chunk[..count], &mut self.plain.octets)
                    .ok_or(Fault::Changed)?;
                self.inner.consume(count);
            }
        }
        Ok(self.plain.left())
    }

    fn consume(&mut self, count: usize) {
        self.plain.consume(count);
    }
}

/// AES in cipher block chaining with the padding of RFC 5652 §6.3, decrypting.
pub(crate) struct Cbc(StreamingDecryptingKey);

impl Cbc {
    fn new(key: &[u8], iv: &[u8; 16]) -> Option<Self> {
        let algorithm = cbc_algorithm(key)?;
        let context = DecryptionContext::Iv128(FixedLength::from(*iv));
        let key = UnboundCipherKey::new(algorithm, key).ok()?;
        Some(Self(StreamingDecryptingKey::cbc_pkcs7(key, context).ok()?))
    }

    /// Replaces `plain` by what `input` completes.
    fn update(&mut self, input: &[u8], plain: &mut Wiped) -> Option<()> {
        plain.resize(input.len() + 16);
        let written = self.0.update(input, plain).ok()?.written().len();
        plain.truncate(written);
        Some(())
    }

    /// Replaces `plain` by the last octets, the padding removed.
    fn finish(self, plain: &mut Wiped) -> Option<()> {
        plain.resize(32);
        let written = self.0.finish(plain).ok()?.written().len();
        plain.truncate(written);
        Some(())
    }
}

fn cbc_algorithm(key: &[u8]) -> Option<&'static cipher::Algorithm> {
    match key.len() {
        16 => Some(&cipher::AES_128),
        24 => Some(&cipher::AES_192),
        32 => Some(&cipher::AES_256),
        _ => None,
    }
}
