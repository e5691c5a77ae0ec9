//! Authenticated ciphers, a chunk at a time.

use std::ptr::{self, NonNull};

use aws_lc_sys as ffi;
use zeroize::Zeroize as _;

/// Octets given to the library in one call: far below the `int` that it counts with.
const AT_ONCE: usize = 1 << 20;

/// An authenticated cipher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aead {
    Aes128Gcm,
    Aes192Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
}

impl Aead {
    pub(crate) fn key_octets(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes192Gcm => 24,
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
        }
    }

    fn cipher(self) -> *const ffi::EVP_CIPHER {
        // SAFETY: these take nothing and answer a pointer to a constant of the library.
        unsafe {
            match self {
                Self::Aes128Gcm => ffi::EVP_aes_128_gcm(),
                Self::Aes192Gcm => ffi::EVP_aes_192_gcm(),
                Self::Aes256Gcm => ffi::EVP_aes_256_gcm(),
                Self::ChaCha20Poly1305 => ffi::EVP_chacha20_poly1305(),
            }
        }
    }
}

/// One run of an authenticated cipher over one message.
pub(crate) struct AeadStream {
    /// Owned; wiped and freed when dropped.
    context: NonNull<ffi::EVP_CIPHER_CTX>,
    encrypts: bool,
}

// SAFETY: a context has no ties to the thread that made it, and is used through `&mut` only.
unsafe impl Send for AeadStream {}

impl AeadStream {
    /// Starts encrypting. The nonce must never have been used with this key.
    pub(crate) fn seal(cipher: Aead, key: &[u8], nonce: &[u8; 12]) -> Option<Self> {
        Self::start(cipher, key, nonce, true)
    }

    /// Starts decrypting. What comes out must not be used before [`AeadStream::verify`].
    pub(crate) fn open(cipher: Aead, key: &[u8], nonce: &[u8; 12]) -> Option<Self> {
        Self::start(cipher, key, nonce, false)
    }

    fn start(cipher: Aead, key: &[u8], nonce: &[u8; 12], encrypts: bool) -> Option<Self> {
        if key.len() != cipher.key_octets() {
            return None;
        }
        // SAFETY: takes nothing; null is the failure.
        let context = NonNull::new(unsafe { ffi::EVP_CIPHER_CTX_new() })?;
        let stream = Self { context, encrypts };
        // SAFETY: the context is live; the key has the length of the cipher (checked above) and
        // the nonce the 12 octets that are the default of all four ciphers.
        let done = unsafe {
            ffi::EVP_CipherInit_ex(
                stream.context.as_ptr(),
                cipher.cipher(),
                ptr::null_mut(),
                key.as_ptr(),
                nonce.as_ptr(),
                i32::from(encrypts),
            )
        };
        (done == 1).then_some(stream)
    }

    /// Adds associated data; only before any text.
    pub(crate) fn aad(&mut self, octets: &[u8]) -> Option<()> {
        for piece in octets.chunks(AT_ONCE) {
            let mut written = 0;
            // SAFETY: the context is live; a null output means associated data; the length is
            // that of the slice, and at most AT_ONCE.
            let done = unsafe {
                ffi::EVP_CipherUpdate(
                    self.context.as_ptr(),
                    ptr::null_mut(),
                    &raw mut written,
                    piece.as_ptr(),
                    i32::try_from(piece.len()).ok()?,
                )
            };
            if done != 1 {
                return None;
            }
        }
        Some(())
    }

    /// Encrypts or decrypts `input` into `output`, which must be as long.
    pub(crate) fn update(&mut self, input: &[u8], output: &mut [u8]) -> Option<()> {
        if input.len() != output.len() {
            return None;
        }
        for (from, to) in input.chunks(AT_ONCE).zip(output.chunks_mut(AT_ONCE)) {
            let length = i32::try_from(from.len()).ok()?;
            let mut written = 0;
            // SAFETY: the context is live; input and output are distinct slices of the same
            // length, which is what these stream ciphers write.
            let done = unsafe {
                ffi::EVP_CipherUpdate(
                    self.context.as_ptr(),
                    to.as_mut_ptr(),
                    &raw mut written,
                    from.as_ptr(),
                    length,
                )
            };
            if done != 1 || written != length {
                return None;
            }
        }
        Some(())
    }

    /// Ends an encryption: the tag.
    pub(crate) fn tag(self) -> Option<[u8; 16]> {
        if !self.encrypts {
            return None;
        }
        self.finish()?;
        let mut tag = [0u8; 16];
        // SAFETY: the context is live and encrypting; `tag` has the 16 octets that are asked for.
        let done = unsafe {
            ffi::EVP_CIPHER_CTX_ctrl(
                self.context.as_ptr(),
                ffi::EVP_CTRL_AEAD_GET_TAG,
                16,
                tag.as_mut_ptr().cast(),
            )
        };
        (done == 1).then_some(tag)
    }

    /// Ends a decryption: whether the text and the associated data are those of `tag`, of 12 to
    /// 16 octets (RFC 5084 §3.2). Compared in constant time by the library.
    pub(crate) fn verify(self, tag: &[u8]) -> bool {
        if self.encrypts || !(12..=16).contains(&tag.len()) {
            return false;
        }
        let mut copy = [0u8; 16];
        copy[..tag.len()].copy_from_slice(tag);
        // SAFETY: the context is live and decrypting; the library copies `tag.len()` octets, at
        // most the 16 of `copy`.
        let done = unsafe {
            ffi::EVP_CIPHER_CTX_ctrl(
                self.context.as_ptr(),
                ffi::EVP_CTRL_AEAD_SET_TAG,
                tag.len() as i32,
                copy.as_mut_ptr().cast(),
            )
        };
        done == 1 && self.finish().is_some()
    }

    fn finish(&self) -> Option<()> {
        let mut rest = [0u8; 32];
        let mut written = 0;
        // SAFETY: the context is live; these ciphers write nothing at the end, and `rest` would
        // hold a block.
        let done = unsafe {
            ffi::EVP_CipherFinal_ex(self.context.as_ptr(), rest.as_mut_ptr(), &raw mut written)
        };
        rest.zeroize();
        (done == 1).then_some(())
    }
}

impl Drop for AeadStream {
    fn drop(&mut self) {
        // SAFETY: owned, and not used again; the library wipes the key schedule.
        unsafe { ffi::EVP_CIPHER_CTX_free(self.context.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
    use proptest::prelude::*;

    use super::*;

    const NONCE: [u8; 12] = [9; 12];

    fn one_shot(cipher: Aead, key: &[u8], aad: &[u8], plain: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let algorithm = match cipher {
            Aead::Aes128Gcm => &aead::AES_128_GCM,
            Aead::Aes192Gcm => &aead::AES_192_GCM,
            Aead::Aes256Gcm => &aead::AES_256_GCM,
            Aead::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).unwrap());
        let mut octets = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key(NONCE);
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(aad), &mut octets)
            .unwrap();
        (octets, tag.as_ref().to_vec())
    }

    fn streamed(
        mut stream: AeadStream,
        aad: &[u8],
        input: &[u8],
        at_once: usize,
    ) -> (AeadStream, Vec<u8>) {
        stream.aad(aad).unwrap();
        let mut output = vec![0; input.len()];
        for (from, to) in input.chunks(at_once).zip(output.chunks_mut(at_once)) {
            stream.update(from, to).unwrap();
        }
        (stream, output)
    }

    proptest! {
        #[test]
        fn a_stream_is_what_one_shot_is(
            which in 0usize..4, plain: Vec<u8>, aad: Vec<u8>, at_once in 1usize..70,
        ) {
            let cipher = [Aead::Aes128Gcm, Aead::Aes192Gcm, Aead::Aes256Gcm, Aead::ChaCha20Poly1305][which];
            let key = vec![7; cipher.key_octets()];
            let (ciphertext, tag) = one_shot(cipher, &key, &aad, &plain);
            let seal = AeadStream::seal(cipher, &key, &NONCE).unwrap();
            let (stream, output) = streamed(seal, &aad, &plain, at_once);
            prop_assert_eq!(&output, &ciphertext);
            prop_assert_eq!(&stream.tag().unwrap()[..], &tag[..]);
            let open = || AeadStream::open(cipher, &key, &NONCE).unwrap();
            let (stream, output) = streamed(open(), &aad, &ciphertext, at_once);
            prop_assert_eq!(&output, &plain);
            prop_assert!(stream.verify(&tag));
            let (stream, _) = streamed(open(), b"other", &ciphertext, at_once);
            prop_assert!(!stream.verify(&tag));
        }
    }

    #[test]
    fn tags_of_12_to_16_octets_are_checked_in_full() {
        for plain in [&b""[..], b"a secret of more than one block"] {
            let key = [7; 32];
            let (ciphertext, tag) = one_shot(Aead::Aes256Gcm, &key, b"aad", plain);
            let verify = |tag: &[u8]| {
                let open = AeadStream::open(Aead::Aes256Gcm, &key, &NONCE).unwrap();
                streamed(open, b"aad", &ciphertext, 5).0.verify(tag)
            };
            for length in 12..=16 {
                assert!(verify(&tag[..length]));
                for position in 0..length {
                    let mut wrong = tag[..length].to_vec();
                    wrong[position] ^= 1;
                    assert!(!verify(&wrong), "{length} {position}");
                }
            }
            for length in 0..12 {
                assert!(!verify(&tag[..length]), "{length}");
            }
            assert!(!verify(&[&tag[..], &[0]].concat()));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for length in [0, 15, 24, 33] {
            assert!(AeadStream::open(Aead::Aes256Gcm, &vec![0; length], &NONCE).is_none());
        }
        let mut stream = AeadStream::seal(Aead::Aes128Gcm, &[0; 16], &NONCE).unwrap();
        assert!(stream.update(&[0; 5], &mut [0; 4]).is_none());
        assert!(!stream.verify(&[0; 16]), "an encryption verifies nothing");
        let stream = AeadStream::open(Aead::Aes128Gcm, &[0; 16], &NONCE).unwrap();
        assert!(stream.tag().is_none(), "a decryption makes no tag");
    }
}
