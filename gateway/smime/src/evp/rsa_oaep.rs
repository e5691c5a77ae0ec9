//! RSA-OAEP with any two digests.

use std::ptr::{self, NonNull};

use aws_lc_sys as ffi;
use zeroize::Zeroizing;

use crate::key::OaepDigest;

/// An RSA private key for OAEP with two digests.
pub(crate) struct RsaOaepKey(NonNull<ffi::EVP_PKEY>);

// SAFETY: the library shares RSA keys between threads: what an operation changes (blinding, cached
// numbers) is behind its locks. aws-lc-rs relies on the same.
unsafe impl Send for RsaOaepKey {}
// SAFETY: as above.
unsafe impl Sync for RsaOaepKey {}

/// Frees an operation's context however the operation ends.
struct PkeyContext(NonNull<ffi::EVP_PKEY_CTX>);

impl Drop for PkeyContext {
    fn drop(&mut self) {
        // SAFETY: owned, and not used again.
        unsafe { ffi::EVP_PKEY_CTX_free(self.0.as_ptr()) }
    }
}

impl RsaOaepKey {
    /// Reads a PKCS#8 RSA key.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let mut cbs = ffi::CBS {
            data: der.as_ptr(),
            len: der.len(),
        };
        // SAFETY: the reader borrows `der`, which outlives the call, and makes a key of its own.
        let key = NonNull::new(unsafe { ffi::EVP_parse_private_key(&raw mut cbs) })?;
        let key = Self(key);
        // SAFETY: the key is live.
        let kind = unsafe { ffi::EVP_PKEY_id(key.0.as_ptr()) };
        (kind == ffi::EVP_PKEY_RSA && cbs.len == 0).then_some(key)
    }

    /// Decrypts one block; `None` whatever went wrong.
    pub(crate) fn decrypt(
        &self,
        digest: OaepDigest,
        mask_digest: OaepDigest,
        label: &[u8],
        block: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        // SAFETY: the key is live.
        let size = usize::try_from(unsafe { ffi::EVP_PKEY_size(self.0.as_ptr()) }).ok()?;
        if block.len() != size {
            return None;
        }
        // SAFETY: the key is live; the context takes a reference of its own.
        let context = unsafe { ffi::EVP_PKEY_CTX_new(self.0.as_ptr(), ptr::null_mut()) };
        let context = PkeyContext(NonNull::new(context)?);
        let raw = context.0.as_ptr();
        // SAFETY: the context is live; the digests are constants of the library.
        let ready = unsafe {
            ffi::EVP_PKEY_decrypt_init(raw) == 1
                && ffi::EVP_PKEY_CTX_set_rsa_padding(raw, ffi::RSA_PKCS1_OAEP_PADDING) == 1
                && ffi::EVP_PKEY_CTX_set_rsa_oaep_md(raw, message_digest(digest)) == 1
                && ffi::EVP_PKEY_CTX_set_rsa_mgf1_md(raw, message_digest(mask_digest)) == 1
        };
        if !ready || !set_label(&context, label) {
            return None;
        }
        let mut plain = Zeroizing::new(vec![0; size]);
        let mut length = size;
        // SAFETY: the context is live; `plain` has `length` octets, the size of the modulus,
        // which is the most that the library writes; `block` has as many.
        let done = unsafe {
            ffi::EVP_PKEY_decrypt(
                raw,
                plain.as_mut_ptr(),
                &raw mut length,
                block.as_ptr(),
                block.len(),
            )
        };
        if done != 1 || length > size {
            return None;
        }
        plain.truncate(length);
        Some(plain)
    }
}

impl Drop for RsaOaepKey {
    fn drop(&mut self) {
        // SAFETY: owned, and not used again; the library wipes the private numbers.
        unsafe { ffi::EVP_PKEY_free(self.0.as_ptr()) }
    }
}

fn set_label(context: &PkeyContext, label: &[u8]) -> bool {
    if label.is_empty() {
        return true;
    }
    // SAFETY: copies the octets of the slice into memory of the library.
    let copy = unsafe { ffi::OPENSSL_memdup(label.as_ptr().cast(), label.len()) };
    if copy.is_null() {
        return false;
    }
    // SAFETY: the context is live and takes ownership of the copy if the call succeeds.
    let done = unsafe {
        ffi::EVP_PKEY_CTX_set0_rsa_oaep_label(context.0.as_ptr(), copy.cast(), label.len())
    };
    if done != 1 {
        // SAFETY: not taken over, so still ours.
        unsafe { ffi::OPENSSL_free(copy) }
    }
    done == 1
}

fn message_digest(digest: OaepDigest) -> *const ffi::EVP_MD {
    // SAFETY: these take nothing and answer a pointer to a constant of the library.
    unsafe {
        match digest {
            OaepDigest::Sha1 => ffi::EVP_sha1(),
            OaepDigest::Sha224 => ffi::EVP_sha224(),
            OaepDigest::Sha256 => ffi::EVP_sha256(),
            OaepDigest::Sha384 => ffi::EVP_sha384(),
            OaepDigest::Sha512 => ffi::EVP_sha512(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_an_rsa_key_is_refused() {
        assert!(RsaOaepKey::from_pkcs8(b"not a key").is_none());
        let other = rcgen::KeyPair::generate().unwrap();
        assert!(RsaOaepKey::from_pkcs8(other.serialized_der()).is_none());
    }

    #[test]
    fn a_block_of_another_length_is_refused() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let key = RsaOaepKey::from_pkcs8(key.serialized_der()).unwrap();
        for length in [0, 1, 255, 256, 257, 512] {
            let digest = OaepDigest::Sha256;
            let block = vec![1; length];
            assert!(
                key.decrypt(digest, OaepDigest::Sha1, b"label", &block)
                    .is_none()
            );
        }
    }
}
