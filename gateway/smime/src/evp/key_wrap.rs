//! AES-192 key unwrap.

use std::ptr;

use aws_lc_sys as ffi;
use zeroize::{Zeroize as _, Zeroizing};

/// AES-192 key unwrap (RFC 3394) of a content key of 16 to 32 octets.
pub(crate) fn aes192_unwrap(kek: &[u8; 24], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if !(24..=40).contains(&wrapped.len()) || !wrapped.len().is_multiple_of(8) {
        return None;
    }
    let mut schedule = ffi::AES_KEY {
        rd_key: [0; 60],
        rounds: 0,
    };
    let mut plain = Zeroizing::new(vec![0; wrapped.len() - 8]);
    // SAFETY: the key has 192 bits; the schedule is ours and initialised.
    let set = unsafe { ffi::AES_set_decrypt_key(kek.as_ptr(), 192, &raw mut schedule) };
    // SAFETY: the schedule is set (else the result is thrown away); the input is a multiple of 8
    // from 24 up, and the output 8 octets shorter, as the library demands; a null IV is RFC 3394's.
    let length = unsafe {
        ffi::AES_unwrap_key(
            &raw const schedule,
            ptr::null(),
            plain.as_mut_ptr(),
            wrapped.as_ptr(),
            wrapped.len(),
        )
    };
    schedule.rd_key.zeroize();
    let expected = i32::try_from(plain.len()).ok()?;
    (set == 0 && length == expected).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aes_192_unwraps_the_vectors_of_rfc_3394() {
        // RFC 3394 §4.2 and §4.5.
        let kek: [u8; 24] = std::array::from_fn(|i| i as u8);
        let data: Vec<u8> = (0..16).map(|i| i * 0x11).collect();
        let wrapped = [
            0x96, 0x77, 0x8b, 0x25, 0xae, 0x6c, 0xa4, 0x35, 0xf9, 0x2b, 0x5b, 0x97, 0xc0, 0x50,
            0xae, 0xd2, 0x46, 0x8a, 0xb8, 0xa1, 0x7a, 0xd8, 0x4e, 0x5d,
        ];
        assert_eq!(*aes192_unwrap(&kek, &wrapped).unwrap(), data);
        for position in 0..wrapped.len() {
            let mut wrong = wrapped;
            wrong[position] ^= 1;
            assert!(aes192_unwrap(&kek, &wrong).is_none());
        }
        for length in [0, 8, 16, 23, 25, 41, 48, 4096] {
            assert!(aes192_unwrap(&kek, &vec![0; length]).is_none());
        }
    }
}
