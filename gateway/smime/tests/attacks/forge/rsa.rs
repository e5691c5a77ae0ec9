//! Raw RSA with a public key: blocks of any padding, as Bleichenbacher's probes need them.

use aws_lc_rs::rand;

use super::pki::Person;

/// Little-endian words of a number.
type Words = Vec<u64>;

/// `block` (as long as the modulus, below it) raised to the public exponent of `person`.
pub(crate) fn encrypt_raw(person: &Person, block: &[u8]) -> Vec<u8> {
    let (modulus, exponent) = public_key(person);
    let n = words(&modulus);
    let mut power = words(block);
    power.resize(n.len(), 0);
    let base = power.clone();
    for bit in (0..63 - exponent.leading_zeros()).rev() {
        power = multiply(&power, &power, &n);
        if exponent >> bit & 1 == 1 {
            power = multiply(&power, &base, &n);
        }
    }
    let mut out: Vec<u8> = power.iter().rev().flat_map(|w| w.to_be_bytes()).collect();
    out.drain(..out.len() - modulus.len());
    out
}

/// EB = 00 || `kind` || padding || 00 || `key`, without a zero octet in the padding.
pub(crate) fn block(length: usize, kind: u8, key: &[u8]) -> Vec<u8> {
    let mut block = vec![0, kind];
    while block.len() < length - key.len() - 1 {
        let mut octet = [0];
        rand::fill(&mut octet).unwrap();
        if octet[0] != 0 {
            block.push(octet[0]);
        }
    }
    block.push(0);
    block.extend_from_slice(key);
    block
}

/// Modulus octets and exponent.
fn public_key(person: &Person) -> (Vec<u8>, u64) {
    // The last 270 octets: SEQUENCE { INTEGER modulus (257 octets with its sign), INTEGER exponent }
    let key = &person.spki[person.spki.len() - 270..];
    assert_eq!(key[..4], [0x30, 0x82, 0x01, 0x0a], "an RSA-2048 key");
    let modulus = key[9..9 + 256].to_vec();
    let exponent = &key[9 + 256 + 2..];
    let exponent = exponent
        .iter()
        .fold(0u64, |sum, o| sum << 8 | u64::from(*o));
    (modulus, exponent)
}

fn words(octets: &[u8]) -> Words {
    octets
        .rchunks(8)
        .map(|chunk| chunk.iter().fold(0u64, |sum, o| sum << 8 | u64::from(*o)))
        .collect()
}

/// `a · b mod n`, by doubling and adding.
fn multiply(a: &[u64], b: &[u64], n: &[u64]) -> Words {
    let mut sum = vec![0; n.len()];
    for word in b.iter().rev() {
        for bit in (0..64).rev() {
            sum = add(&sum, &sum, n);
            if word >> bit & 1 == 1 {
                sum = add(&sum, a, n);
            }
        }
    }
    sum
}

/// `a + b mod n`, both below `n`.
fn add(a: &[u64], b: &[u64], n: &[u64]) -> Words {
    let mut carry = false;
    let mut sum = Vec::with_capacity(n.len());
    for (x, y) in a.iter().zip(b) {
        let (word, first) = x.overflowing_add(*y);
        let (word, second) = word.overflowing_add(u64::from(carry));
        carry = first || second;
        sum.push(word);
    }
    if carry || sum.iter().rev().cmp(n.iter().rev()).is_ge() {
        let mut borrow = false;
        for (word, m) in sum.iter_mut().zip(n) {
            let (rest, first) = word.overflowing_sub(*m);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            borrow = first || second;
            *word = rest;
        }
    }
    sum
}
