//! CBC gadgets (EFAIL, Poddebniak et al. 2018): whoever knows one plaintext block of a CBC
//! ciphertext writes blocks of their own choice, each followed by one of noise.

/// The block size of AES.
pub(crate) const BLOCK: usize = 16;

/// A ciphertext and its initialization vector.
pub(crate) struct Gadget {
    pub(crate) iv: [u8; BLOCK],
    pub(crate) ciphertext: Vec<u8>,
}

/// Puts blocks of the attacker's before the original message.
///
/// `known` is the first plaintext block (a MIME header is guessed easily). Each block of `chosen`
/// appears in the plaintext as it is, followed by 16 octets of noise; then the whole original
/// follows, with one block of noise before it.
pub(crate) fn inject(
    iv: [u8; BLOCK],
    ciphertext: &[u8],
    known: [u8; BLOCK],
    chosen: &[[u8; BLOCK]],
) -> Gadget {
    let first: [u8; BLOCK] = ciphertext[..BLOCK].try_into().unwrap();
    // D(first) = known ^ iv, so that first after X decrypts to X ^ known ^ iv.
    let before = |plain: &[u8; BLOCK]| -> [u8; BLOCK] {
        std::array::from_fn(|i| plain[i] ^ known[i] ^ iv[i])
    };
    let (head, rest) = chosen.split_first().unwrap();
    let mut out = Vec::with_capacity(ciphertext.len() + 2 * BLOCK * chosen.len());
    out.extend_from_slice(&first);
    for block in rest {
        out.extend_from_slice(&before(block));
        out.extend_from_slice(&first);
    }
    // The true vector becomes a block of noise, and the original follows it.
    out.extend_from_slice(&iv);
    out.extend_from_slice(ciphertext);
    Gadget {
        iv: before(head),
        ciphertext: out,
    }
}

/// Changes the octets of block `index` at will, at the price of noise in the block before it
/// (or nothing but the vector, for the first).
pub(crate) fn flip(iv: &mut [u8; BLOCK], ciphertext: &mut [u8], index: usize, mask: [u8; BLOCK]) {
    let target = match index.checked_sub(1) {
        Some(previous) => &mut ciphertext[previous * BLOCK..(previous + 1) * BLOCK],
        None => &mut iv[..],
    };
    for (octet, change) in target.iter_mut().zip(mask) {
        *octet ^= change;
    }
}
