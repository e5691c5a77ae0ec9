//! The ciphers of old key exports.

use std::ptr;

use aws_lc_sys::{
    EVP_CIPHER_CTX, EVP_CIPHER_CTX_free, EVP_CIPHER_CTX_iv_length, EVP_CIPHER_CTX_key_length,
    EVP_CIPHER_CTX_new, EVP_DecryptFinal_ex, EVP_DecryptInit_ex, EVP_DecryptUpdate,
    EVP_des_ede3_cbc, EVP_rc2_40_cbc, EVP_rc2_cbc,
};
use zeroize::Zeroizing;

/// A cipher that only old exports of keys use. Nothing else is ever decrypted with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OldCipher {
    /// With three keys.
    TripleDes,
    /// RC2 with an effective key of 128 bits.
    Rc2With128Bits,
    /// RC2 with an effective key of 40 bits: it protects only certificates, in files of before
    /// 2010, and protects them not at all.
    Rc2With40Bits,
}

/// Decrypts in CBC mode and removes the padding; `None` whatever is wrong.
///
/// aws-lc-rs has no RC2, and 3DES only in a build of its own.
pub(crate) fn decrypt_old_cbc(
    cipher: OldCipher,
    key: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    // One block more than the input is what the library may write at most.
    let mut plain = Zeroizing::new(vec![0u8; ciphertext.len().checked_add(8)?]);
    let input_length = i32::try_from(ciphertext.len()).ok()?;
    let (mut first, mut rest) = (0i32, 0i32);
    // SAFETY: the context is owned by `context`, which frees it, and checked for null. The
    // cipher's own lengths are compared with those of the slices before the library reads them,
    // and the output has room for all that it may write.
    let done = unsafe {
        let cipher = match cipher {
            OldCipher::TripleDes => EVP_des_ede3_cbc(),
            OldCipher::Rc2With128Bits => EVP_rc2_cbc(),
            OldCipher::Rc2With40Bits => EVP_rc2_40_cbc(),
        };
        let context = OwnedCipher(EVP_CIPHER_CTX_new());
        let none = ptr::null_mut();
        !context.0.is_null()
            && EVP_DecryptInit_ex(context.0, cipher, none, ptr::null(), ptr::null()) == 1
            && usize::try_from(EVP_CIPHER_CTX_key_length(context.0)) == Ok(key.len())
            && usize::try_from(EVP_CIPHER_CTX_iv_length(context.0)) == Ok(iv.len())
            && EVP_DecryptInit_ex(context.0, ptr::null(), none, key.as_ptr(), iv.as_ptr()) == 1
            && EVP_DecryptUpdate(
                context.0,
                plain.as_mut_ptr(),
                &raw mut first,
                ciphertext.as_ptr(),
                input_length,
            ) == 1
            && usize::try_from(first).is_ok_and(|written| {
                let end = plain.as_mut_ptr().wrapping_add(written);
                EVP_DecryptFinal_ex(context.0, end, &raw mut rest) == 1
            })
    };
    let length = usize::try_from(first.checked_add(rest)?).ok()?;
    if !done || length > plain.len() {
        return None;
    }
    plain.truncate(length);
    Some(plain)
}

struct OwnedCipher(*mut EVP_CIPHER_CTX);

impl Drop for OwnedCipher {
    fn drop(&mut self) {
        // SAFETY: null, or a context that nothing else owns.
        unsafe { EVP_CIPHER_CTX_free(self.0) }
    }
}
