//! Encryption by passphrase: PBES2 (RFC 8018 §6.2) for what we write, and for what we read also
//! the schemes of PKCS #12 (RFC 7292 appendix C) that old exports use. Only for keys at rest that
//! their owner imports: no message is ever decrypted by passphrase.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    self, DecryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{digest, hmac, pbkdf2, rand};
use const_oid::ObjectIdentifier;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::algorithm::{Algorithm, Digest};
use crate::ber::{
    BerError, Element, INTEGER, Node, OCTET_STRING, Reader, SEQUENCE, implicit, null, octet_string,
    oid as oid_node, sequence,
};
use crate::error::MaterialError;
use crate::evp::{self, OldCipher};
use crate::oid;

/// Iterations of one derivation, at most. OpenSSL writes 2,048, NSS up to 600,000.
pub(crate) const ITERATIONS: u32 = 1_000_000;
/// Iterations that one file may cost in all.
const FILE_ITERATIONS: u32 = 4_000_000;
/// Iterations of what is written here.
const WRITTEN_ITERATIONS: u32 = 100_000;

/// A passphrase, and the work that it may still cost.
pub(crate) struct Passphrase {
    text: Zeroizing<String>,
    /// Whether there is none at all, which PKCS #12 tells from an empty one.
    absent: bool,
    budget: u32,
}

impl Passphrase {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: Zeroizing::new(text.to_owned()),
            absent: false,
            budget: FILE_ITERATIONS,
        }
    }

    fn utf8(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The form of RFC 7292 appendix B.1: UTF-16 with two zero octets at the end.
    fn utf16(&self) -> Zeroizing<Vec<u8>> {
        let end = (!self.absent).then_some(0);
        let units = self.text.encode_utf16().chain(end);
        Zeroizing::new(units.flat_map(u16::to_be_bytes).collect())
    }

    /// Takes the iterations of one derivation from the budget.
    fn spend(&mut self, iterations: u32) -> Result<NonZeroU32, PbeError> {
        if iterations > ITERATIONS {
            return Err(PbeError::TooManyIterations);
        }
        self.budget = self
            .budget
            .checked_sub(iterations)
            .ok_or(PbeError::TooManyIterations)?;
        NonZeroU32::new(iterations).ok_or(PbeError::Malformed)
    }
}

/// Why something was not decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PbeError {
    Malformed,
    /// A scheme that is not taken; the name helps whoever exports anew.
    NotAccepted,
    TooManyIterations,
    /// The passphrase is wrong, or the octets are damaged.
    Wrong,
}

impl From<BerError> for PbeError {
    fn from(_: BerError) -> Self {
        Self::Malformed
    }
}

impl From<PbeError> for MaterialError {
    fn from(error: PbeError) -> Self {
        match error {
            PbeError::Malformed => Self::Encrypted("its encryption is malformed"),
            PbeError::NotAccepted => Self::Encrypted(
                "its encryption is none of PBES2 with PBKDF2 and AES or 3DES, and PKCS #12's own",
            ),
            PbeError::TooManyIterations => {
                Self::Encrypted("it asks for more than a million iterations")
            }
            PbeError::Wrong => Self::Passphrase,
        }
    }
}

/// Decrypts `ciphertext` under the algorithm that it names.
pub(crate) fn decrypt(
    algorithm: &Algorithm<'_>,
    ciphertext: &[u8],
    passphrase: &mut Passphrase,
) -> Result<Zeroizing<Vec<u8>>, PbeError> {
    if algorithm.oid == oid::PBES2 {
        return decrypt_pbes2(algorithm, ciphertext, passphrase);
    }
    // RFC 7292 appendix C.
    let (cipher, key_octets) = match algorithm.oid {
        oid::PBE_SHA1_3DES => (OldCipher::TripleDes, 24),
        oid::PBE_SHA1_2DES => (OldCipher::TripleDes, 16),
        oid::PBE_SHA1_RC2_128 => (OldCipher::Rc2With128Bits, 16),
        oid::PBE_SHA1_RC2_40 => (OldCipher::Rc2With40Bits, 5),
        _ => return Err(PbeError::NotAccepted),
    };
    let mut inner = algorithm
        .parameters
        .ok_or(PbeError::Malformed)?
        .children()?;
    let salt = inner.octets(OCTET_STRING)?;
    let iterations = passphrase.spend(count(&mut inner)?)?.get();
    inner.finish()?;
    let password = passphrase.utf16();
    let derivation = Pkcs12Derivation {
        digest: MacDigest::Sha1,
        password: &password,
        salt: &salt,
        iterations,
    };
    let mut key = derivation.derive(1, key_octets);
    if algorithm.oid == oid::PBE_SHA1_2DES {
        // Two keys: the first one comes again as the third.
        let first = Zeroizing::new(key[..8].to_vec());
        key.extend_from_slice(&first);
    }
    evp::decrypt_old_cbc(cipher, &key, &derivation.derive(2, 8), ciphertext).ok_or(PbeError::Wrong)
}

fn decrypt_pbes2(
    algorithm: &Algorithm<'_>,
    ciphertext: &[u8],
    passphrase: &mut Passphrase,
) -> Result<Zeroizing<Vec<u8>>, PbeError> {
    // A wrong key can leave a right padding, one time in 256: what comes out must be one ASN.1
    // value, as everything that is encrypted so is.
    let candidates = pbes2_candidates(algorithm, ciphertext, passphrase)?;
    let mut values = candidates
        .into_iter()
        .filter(|plain| Element::only(plain, 32).is_ok());
    values.next().ok_or(PbeError::Wrong)
}

/// What comes out under each form of the passphrase whose padding is right.
pub(crate) fn pbes2_candidates(
    algorithm: &Algorithm<'_>,
    ciphertext: &[u8],
    passphrase: &mut Passphrase,
) -> Result<Vec<Zeroizing<Vec<u8>>>, PbeError> {
    let mut inner = algorithm
        .parameters
        .ok_or(PbeError::Malformed)?
        .children()?;
    let derivation = Algorithm::read(inner.expect(SEQUENCE)?)?;
    let scheme = Algorithm::read(inner.expect(SEQUENCE)?)?;
    inner.finish()?;
    let (name, octets) = match scheme.oid {
        oid::AES128_CBC => (Some(&cipher::AES_128), 16),
        oid::AES192_CBC => (Some(&cipher::AES_192), 24),
        oid::AES256_CBC => (Some(&cipher::AES_256), 32),
        oid::DES_EDE3_CBC => (None, 24),
        _ => return Err(PbeError::NotAccepted),
    };
    let parameters = scheme.parameters.ok_or(PbeError::Malformed)?;
    let iv = Reader::new(parameters.raw, 2).octets(OCTET_STRING)?;
    let derived = Pbkdf2::read(&derivation)?;
    let keys = derived.keys(passphrase, octets)?;
    let mut candidates = Vec::new();
    for key in &keys {
        candidates.extend(match name {
            Some(name) => decrypt_aes(name, key, &iv, ciphertext)?,
            None => evp::decrypt_old_cbc(OldCipher::TripleDes, key, &iv, ciphertext),
        });
    }
    Ok(candidates)
}

fn decrypt_aes(
    name: &'static cipher::Algorithm,
    key: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
) -> Result<Option<Zeroizing<Vec<u8>>>, PbeError> {
    let iv: FixedLength<16> = iv.try_into().map_err(|_| PbeError::Malformed)?;
    let key = UnboundCipherKey::new(name, key).map_err(|_| PbeError::Malformed)?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(|_| PbeError::Malformed)?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let length = key
        .decrypt(&mut buffer, DecryptionContext::Iv128(iv))
        .map(|p| p.len());
    Ok(length.ok().map(|length| {
        buffer.truncate(length);
        buffer
    }))
}

/// `PBKDF2-params` (RFC 8018 appendix A.2).
struct Pbkdf2<'a> {
    salt: std::borrow::Cow<'a, [u8]>,
    iterations: u32,
    length: Option<u32>,
    function: pbkdf2::Algorithm,
}

impl<'a> Pbkdf2<'a> {
    fn read(algorithm: &Algorithm<'a>) -> Result<Self, PbeError> {
        if algorithm.oid != oid::PBKDF2 {
            return Err(PbeError::NotAccepted);
        }
        let mut inner = algorithm
            .parameters
            .ok_or(PbeError::Malformed)?
            .children()?;
        let salt = inner.octets(OCTET_STRING)?;
        let iterations = count(&mut inner)?;
        let length = match inner.peek() {
            Some(INTEGER) => Some(count(&mut inner)?),
            _ => None,
        };
        let function = if inner.is_empty() {
            pbkdf2::PBKDF2_HMAC_SHA1
        } else {
            match Algorithm::read(inner.expect(SEQUENCE)?)?.oid {
                oid::HMAC_SHA1 => pbkdf2::PBKDF2_HMAC_SHA1,
                oid::HMAC_SHA256 => pbkdf2::PBKDF2_HMAC_SHA256,
                oid::HMAC_SHA384 => pbkdf2::PBKDF2_HMAC_SHA384,
                oid::HMAC_SHA512 => pbkdf2::PBKDF2_HMAC_SHA512,
                _ => return Err(PbeError::NotAccepted),
            }
        };
        inner.finish()?;
        Ok(Self {
            salt,
            iterations,
            length,
            function,
        })
    }

    /// The key for the passphrase in UTF-8, as the standard says, and in UTF-16, as NSS writes.
    fn keys(
        &self,
        passphrase: &mut Passphrase,
        octets: usize,
    ) -> Result<[Zeroizing<Vec<u8>>; 2], PbeError> {
        if self.length.is_some_and(|length| length as usize != octets) {
            return Err(PbeError::Malformed);
        }
        let iterations = passphrase.spend(self.iterations)?;
        let wide = passphrase.utf16();
        let derive = |secret: &[u8]| {
            let mut key = Zeroizing::new(vec![0; octets]);
            pbkdf2::derive(self.function, iterations, &self.salt, secret, &mut key);
            key
        };
        Ok([derive(passphrase.utf8()), derive(&wide)])
    }
}

/// A positive number of at most 32 bits.
pub(crate) fn count(inner: &mut Reader<'_>) -> Result<u32, PbeError> {
    let content = inner.integer()?;
    if content[0] >= 0x80 || content.len() > 5 {
        return Err(PbeError::TooManyIterations);
    }
    let value = content.iter().fold(0u64, |sum, o| sum << 8 | u64::from(*o));
    u32::try_from(value).map_err(|_| PbeError::TooManyIterations)
}

/// Encrypts under PBES2: PBKDF2 with HMAC-SHA-256 and AES-256-CBC, which OpenSSL 1.1, NSS and
/// Java all read. Gives the `AlgorithmIdentifier` and the ciphertext.
pub(crate) fn encrypt(plain: &[u8], passphrase: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut salt = [0u8; 16];
    rand::fill(&mut salt).ok()?;
    let iterations = NonZeroU32::new(WRITTEN_ITERATIONS)?;
    let mut key = Zeroizing::new([0u8; 32]);
    let function = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(
        function,
        iterations,
        &salt,
        passphrase.as_bytes(),
        &mut *key,
    );
    let key = UnboundCipherKey::new(&cipher::AES_256, &*key).ok()?;
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).ok()?;
    let mut octets = Zeroizing::new(plain.to_vec());
    let context = key.encrypt(&mut *octets).ok()?;
    let DecryptionContext::Iv128(iv) = &context else {
        return None;
    };
    let iv: &[u8; 16] = iv.as_ref();
    let derivation = sequence(vec![
        octet_string(&salt[..]),
        number(WRITTEN_ITERATIONS),
        sequence(vec![oid_node(&oid::HMAC_SHA256), null()]),
    ]);
    let algorithm = sequence(vec![
        oid_node(&oid::PBES2),
        sequence(vec![
            sequence(vec![oid_node(&oid::PBKDF2), derivation]),
            sequence(vec![oid_node(&oid::AES256_CBC), octet_string(&iv[..])]),
        ]),
    ])
    .encode();
    Some((algorithm, octets.to_vec()))
}

/// INTEGER of a positive number.
pub(crate) fn number<'a>(value: u32) -> Node<'a> {
    let mut octets = vec![0];
    octets.extend_from_slice(&value.to_be_bytes());
    let zeroes = octets
        .windows(2)
        .take_while(|w| w[0] == 0 && w[1] < 0x80)
        .count();
    implicit(INTEGER, octets[zeroes..].to_vec())
}

/// A digest of the integrity code of PKCS #12. SHA-1 is what every export before 2022 has: as a
/// MAC under a passphrase it is not used for its resistance to collisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MacDigest {
    Sha1,
    Sha2(Digest),
}

impl MacDigest {
    fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        if *oid == oid::SHA1 {
            return Some(Self::Sha1);
        }
        Digest::from_oid(oid).map(Self::Sha2)
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha2(Digest::Sha256) => &digest::SHA256,
            Self::Sha2(Digest::Sha384) => &digest::SHA384,
            Self::Sha2(Digest::Sha512) => &digest::SHA512,
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha2(Digest::Sha256) => hmac::HMAC_SHA256,
            Self::Sha2(Digest::Sha384) => hmac::HMAC_SHA384,
            Self::Sha2(Digest::Sha512) => hmac::HMAC_SHA512,
        }
    }
}

/// Checks `MacData` (RFC 7292 §4) over `content`.
pub(crate) fn check_mac(
    mac_data: &Element<'_>,
    content: &[u8],
    passphrase: &mut Passphrase,
) -> Result<(), PbeError> {
    let mut inner = mac_data.children()?;
    let mut info = inner.expect(SEQUENCE)?.children()?;
    let algorithm = Algorithm::read(info.expect(SEQUENCE)?)?;
    let expected = info.octets(OCTET_STRING)?;
    info.finish()?;
    let salt = inner.octets(OCTET_STRING)?;
    let iterations = if inner.is_empty() {
        1
    } else {
        count(&mut inner)?
    };
    inner.finish()?;
    if algorithm.oid == oid::PBMAC1 {
        return check_pbmac1(&algorithm, &expected, content, passphrase);
    }
    let digest = MacDigest::from_oid(&algorithm.oid).ok_or(PbeError::NotAccepted)?;
    let iterations = passphrase.spend(iterations)?.get();
    let is_tag = |password: &[u8]| {
        let tag = mac(digest, password, &salt, iterations, content);
        bool::from(tag.as_ref().ct_eq(&expected))
    };
    let mut holds = is_tag(&passphrase.utf16());
    // An empty passphrase is two zero octets to some, and nothing at all to others.
    if !holds && passphrase.text.is_empty() {
        holds = is_tag(&[]);
        passphrase.absent = holds;
    }
    if holds { Ok(()) } else { Err(PbeError::Wrong) }
}

/// PBMAC1 (RFC 9579).
fn check_pbmac1(
    algorithm: &Algorithm<'_>,
    expected: &[u8],
    content: &[u8],
    passphrase: &mut Passphrase,
) -> Result<(), PbeError> {
    let mut inner = algorithm
        .parameters
        .ok_or(PbeError::Malformed)?
        .children()?;
    let derivation = Pbkdf2::read(&Algorithm::read(inner.expect(SEQUENCE)?)?)?;
    let (function, octets) = match Algorithm::read(inner.expect(SEQUENCE)?)?.oid {
        oid::HMAC_SHA256 => (hmac::HMAC_SHA256, 32),
        oid::HMAC_SHA384 => (hmac::HMAC_SHA384, 48),
        oid::HMAC_SHA512 => (hmac::HMAC_SHA512, 64),
        _ => return Err(PbeError::NotAccepted),
    };
    inner.finish()?;
    let octets = derivation.length.map_or(octets, |l| (l as usize).min(64));
    // RFC 9579 §4: at least 20 octets of key.
    if octets < 20 {
        return Err(PbeError::NotAccepted);
    }
    let keys = derivation.keys(passphrase, octets)?;
    let holds = hmac::verify(&hmac::Key::new(function, &keys[0]), content, expected).is_ok();
    if holds { Ok(()) } else { Err(PbeError::Wrong) }
}

/// `MacData` over `content`, with SHA-256.
pub(crate) fn mac_data(content: &[u8], passphrase: &str) -> Option<Vec<u8>> {
    let mut salt = [0u8; 16];
    rand::fill(&mut salt).ok()?;
    let password = Passphrase::new(passphrase).utf16();
    let digest = MacDigest::Sha2(Digest::Sha256);
    let tag = mac(digest, &password, &salt, WRITTEN_ITERATIONS, content);
    let data = sequence(vec![
        sequence(vec![
            Digest::Sha256.identifier_with_null(),
            octet_string(tag.as_ref()),
        ]),
        octet_string(&salt[..]),
        number(WRITTEN_ITERATIONS),
    ]);
    Some(data.encode())
}

fn mac(
    digest: MacDigest,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    content: &[u8],
) -> hmac::Tag {
    let derivation = Pkcs12Derivation {
        digest,
        password,
        salt,
        iterations,
    };
    let key = derivation.derive(3, digest.algorithm().output_len());
    hmac::sign(&hmac::Key::new(digest.hmac(), &key), content)
}

/// The key derivation of PKCS #12 (RFC 7292 appendix B.2).
struct Pkcs12Derivation<'a> {
    digest: MacDigest,
    password: &'a [u8],
    salt: &'a [u8],
    iterations: u32,
}

impl Pkcs12Derivation<'_> {
    /// `id` is 1 for a key, 2 for an initialisation vector, 3 for a MAC key.
    fn derive(&self, id: u8, octets: usize) -> Zeroizing<Vec<u8>> {
        let algorithm = self.digest.algorithm();
        let block = algorithm.block_len();
        let filled = |source: &[u8]| -> Vec<u8> {
            let length = source.len().div_ceil(block) * block;
            source.iter().copied().cycle().take(length).collect()
        };
        let diversifier = vec![id; block];
        let mut input = Zeroizing::new(filled(self.salt));
        input.append(&mut filled(self.password));
        let mut derived = Zeroizing::new(Vec::with_capacity(octets + algorithm.output_len()));
        while derived.len() < octets {
            let mut context = digest::Context::new(algorithm);
            context.update(&diversifier);
            context.update(&input);
            let mut round = Zeroizing::new(context.finish().as_ref().to_vec());
            for _ in 1..self.iterations {
                let next = digest::digest(algorithm, &round);
                round.copy_from_slice(next.as_ref());
            }
            derived.extend_from_slice(&round);
            let addend = Zeroizing::new(filled(&round)[..block].to_vec());
            for part in input.chunks_exact_mut(block) {
                add_and_one(part, &addend);
            }
        }
        derived.truncate(octets);
        derived
    }
}

/// `part + addend + 1`, modulo its length, big-endian.
fn add_and_one(part: &mut [u8], addend: &[u8]) {
    let mut carry = 1u16;
    for (octet, other) in part.iter_mut().zip(addend).rev() {
        let sum = u16::from(*octet) + u16::from(*other) + carry;
        *octet = sum.to_be_bytes()[1];
        carry = sum >> 8;
    }
}
