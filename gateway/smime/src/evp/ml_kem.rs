//! ML-KEM private keys from their seeds.

use std::ptr;

use aws_lc_sys::{
    EVP_PKEY, EVP_PKEY_CTX, EVP_PKEY_CTX_free, EVP_PKEY_CTX_kem_set_params, EVP_PKEY_CTX_new_id,
    EVP_PKEY_KEM, EVP_PKEY_free, EVP_PKEY_get_raw_private_key, EVP_PKEY_keygen_deterministic,
    EVP_PKEY_keygen_init, NID_MLKEM512, NID_MLKEM768, NID_MLKEM1024,
};
use zeroize::Zeroizing;

use crate::post_quantum::MlKem;

/// The expanded private key of an ML-KEM seed (`d` then `z`, FIPS 203 algorithm 16).
///
/// aws-lc-rs takes expanded keys only, while RFC 9935 §6 makes the seed the form in which keys
/// travel.
pub(crate) fn expand_ml_kem_seed(kem: MlKem, seed: &[u8; 64]) -> Option<Zeroizing<Vec<u8>>> {
    let nid = match kem {
        MlKem::MlKem512 => NID_MLKEM512,
        MlKem::MlKem768 => NID_MLKEM768,
        MlKem::MlKem1024 => NID_MLKEM1024,
    };
    let mut expanded = Zeroizing::new(vec![0u8; kem.expanded_octets()]);
    let mut length = expanded.len();
    let mut seed_length = seed.len();
    let mut key = OwnedKey(ptr::null_mut());
    // SAFETY: the context is owned by `context`, which frees it, and every call checks it for
    // null. The seed and the output are slices whose lengths go along; the library writes at
    // most `length` octets. `key` is null or a key that the library made, freed once by its drop.
    let done = unsafe {
        let context = OwnedContext(EVP_PKEY_CTX_new_id(EVP_PKEY_KEM, ptr::null_mut()));
        !context.0.is_null()
            && EVP_PKEY_CTX_kem_set_params(context.0, nid) == 1
            && EVP_PKEY_keygen_init(context.0) == 1
            && EVP_PKEY_keygen_deterministic(
                context.0,
                &raw mut key.0,
                seed.as_ptr(),
                &raw mut seed_length,
            ) == 1
            && EVP_PKEY_get_raw_private_key(key.0, expanded.as_mut_ptr(), &raw mut length) == 1
    };
    (done && length == expanded.len()).then_some(expanded)
}

struct OwnedContext(*mut EVP_PKEY_CTX);

impl Drop for OwnedContext {
    fn drop(&mut self) {
        // SAFETY: null, or a context that nothing else owns.
        unsafe { EVP_PKEY_CTX_free(self.0) }
    }
}

struct OwnedKey(*mut EVP_PKEY);

impl Drop for OwnedKey {
    fn drop(&mut self) {
        // SAFETY: null, or a key that nothing else owns.
        unsafe { EVP_PKEY_free(self.0) }
    }
}
