//! The post-quantum algorithms by name: ML-KEM (FIPS 203, RFC 9935, RFC 9936) for recipients,
//! ML-DSA (FIPS 204, RFC 9881, RFC 9882) for signers.

use aws_lc_rs::digest::{SHA3_256, digest};
use aws_lc_rs::{kem, signature};
use const_oid::ObjectIdentifier;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::algorithm::{Digest, PublicKeyKind};
use crate::ber::{BerError, Element, OCTET_STRING, SEQUENCE, context};
use crate::{evp, oid};

/// A parameter set of ML-KEM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MlKem {
    /// Security category 1: read, never sent to (RFC 9936 §2.2 pairs it with AES-128).
    MlKem512,
    /// Security category 3.
    MlKem768,
    /// Security category 5.
    MlKem1024,
}

impl MlKem {
    pub(crate) fn of_oid(oid: &ObjectIdentifier) -> Option<Self> {
        match *oid {
            oid::ML_KEM_512 => Some(Self::MlKem512),
            oid::ML_KEM_768 => Some(Self::MlKem768),
            oid::ML_KEM_1024 => Some(Self::MlKem1024),
            _ => None,
        }
    }

    pub(crate) fn of_kind(kind: PublicKeyKind) -> Option<Self> {
        match kind {
            PublicKeyKind::MlKem512 => Some(Self::MlKem512),
            PublicKeyKind::MlKem768 => Some(Self::MlKem768),
            PublicKeyKind::MlKem1024 => Some(Self::MlKem1024),
            _ => None,
        }
    }

    pub(crate) fn kind(self) -> PublicKeyKind {
        match self {
            Self::MlKem512 => PublicKeyKind::MlKem512,
            Self::MlKem768 => PublicKeyKind::MlKem768,
            Self::MlKem1024 => PublicKeyKind::MlKem1024,
        }
    }

    pub(crate) fn oid(self) -> ObjectIdentifier {
        match self {
            Self::MlKem512 => oid::ML_KEM_512,
            Self::MlKem768 => oid::ML_KEM_768,
            Self::MlKem1024 => oid::ML_KEM_1024,
        }
    }

    pub(crate) fn algorithm(self) -> &'static kem::Algorithm {
        match self {
            Self::MlKem512 => &kem::ML_KEM_512,
            Self::MlKem768 => &kem::ML_KEM_768,
            Self::MlKem1024 => &kem::ML_KEM_1024,
        }
    }

    /// The length of an encapsulated secret (FIPS 203 table 3).
    pub(crate) fn ciphertext_octets(self) -> usize {
        match self {
            Self::MlKem512 => 768,
            Self::MlKem768 => 1088,
            Self::MlKem1024 => 1568,
        }
    }

    /// The length of a public key (FIPS 203 table 3).
    pub(crate) fn public_key_octets(self) -> usize {
        match self {
            Self::MlKem512 => 800,
            Self::MlKem768 => 1184,
            Self::MlKem1024 => 1568,
        }
    }

    /// The length of an expanded private key (FIPS 203 table 3).
    pub(crate) fn expanded_octets(self) -> usize {
        2 * self.public_key_octets() + 32
    }
}

/// An ML-KEM private key with its public half.
pub(crate) struct MlKemKey {
    kem: MlKem,
    decapsulation: kem::DecapsulationKey,
    public: Vec<u8>,
}

/// Why a `PrivateKey` of RFC 9935 §6 is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MlKemKeyFault {
    Malformed,
    /// The expanded key is not one, or not that of the seed beside it (RFC 9935 §8).
    Inconsistent,
}

impl From<BerError> for MlKemKeyFault {
    fn from(_: BerError) -> Self {
        Self::Malformed
    }
}

impl MlKemKey {
    /// Reads the content of `privateKey`: the seed, the expanded key, or both (RFC 9935 §6).
    pub(crate) fn read(kem: MlKem, private_key: &[u8]) -> Result<Self, MlKemKeyFault> {
        let choice = Element::only(private_key, 4)?;
        let expanded = match choice.tag {
            tag if tag == context(0) => expand(kem, choice.content)?,
            OCTET_STRING => Zeroizing::new(choice.content.to_vec()),
            SEQUENCE => {
                let mut both = choice.children()?;
                let seed = both.expect(OCTET_STRING)?.content;
                let expanded = both.expect(OCTET_STRING)?.content;
                both.finish()?;
                let of_seed = expand(kem, seed)?;
                if !bool::from(of_seed.as_slice().ct_eq(expanded)) {
                    return Err(MlKemKeyFault::Inconsistent);
                }
                of_seed
            }
            _ => return Err(MlKemKeyFault::Malformed),
        };
        Self::from_expanded(kem, &expanded)
    }

    fn from_expanded(kem: MlKem, expanded: &[u8]) -> Result<Self, MlKemKeyFault> {
        if expanded.len() != kem.expanded_octets() {
            return Err(MlKemKeyFault::Malformed);
        }
        // FIPS 203 algorithm 16: the secret polynomials, the public key, its hash, a random string.
        let public_octets = kem.public_key_octets();
        let secret_octets = public_octets - 32;
        let (public, rest) = expanded[secret_octets..].split_at(public_octets);
        // FIPS 203 §7.3: the decapsulation key check.
        if digest(&SHA3_256, public).as_ref() != &rest[..32] {
            return Err(MlKemKeyFault::Inconsistent);
        }
        let decapsulation = kem::DecapsulationKey::new(kem.algorithm(), expanded)
            .map_err(|_| MlKemKeyFault::Malformed)?;
        Ok(Self {
            kem,
            decapsulation,
            public: public.to_vec(),
        })
    }

    pub(crate) fn kind(&self) -> PublicKeyKind {
        self.kem.kind()
    }

    pub(crate) fn public_key(&self) -> &[u8] {
        &self.public
    }

    /// The shared secret; a ciphertext that is not one for this key gives random octets
    /// (FIPS 203 §6.3), one of another length nothing.
    pub(crate) fn decapsulate(&self, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        if ciphertext.len() != self.kem.ciphertext_octets() {
            return None;
        }
        let secret = self.decapsulation.decapsulate(ciphertext.into()).ok()?;
        Some(Zeroizing::new(secret.as_ref().to_vec()))
    }
}

fn expand(kem: MlKem, seed: &[u8]) -> Result<Zeroizing<Vec<u8>>, MlKemKeyFault> {
    let seed: &[u8; 64] = seed.try_into().map_err(|_| MlKemKeyFault::Malformed)?;
    evp::expand_ml_kem_seed(kem, seed).ok_or(MlKemKeyFault::Malformed)
}

/// A parameter set of ML-DSA, in its pure mode with the empty context (RFC 9882 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MlDsa {
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

impl MlDsa {
    pub(crate) fn of_oid(oid: &ObjectIdentifier) -> Option<Self> {
        match *oid {
            oid::ML_DSA_44 => Some(Self::MlDsa44),
            oid::ML_DSA_65 => Some(Self::MlDsa65),
            oid::ML_DSA_87 => Some(Self::MlDsa87),
            _ => None,
        }
    }

    pub(crate) fn kind(self) -> PublicKeyKind {
        match self {
            Self::MlDsa44 => PublicKeyKind::MlDsa44,
            Self::MlDsa65 => PublicKeyKind::MlDsa65,
            Self::MlDsa87 => PublicKeyKind::MlDsa87,
        }
    }

    pub(crate) fn verification(self) -> &'static dyn signature::VerificationAlgorithm {
        match self {
            Self::MlDsa44 => &signature::ML_DSA_44,
            Self::MlDsa65 => &signature::ML_DSA_65,
            Self::MlDsa87 => &signature::ML_DSA_87,
        }
    }

    pub(crate) fn signing(self) -> &'static signature::PqdsaSigningAlgorithm {
        match self {
            Self::MlDsa44 => &signature::ML_DSA_44_SIGNING,
            Self::MlDsa65 => &signature::ML_DSA_65_SIGNING,
            Self::MlDsa87 => &signature::ML_DSA_87_SIGNING,
        }
    }

    /// Whether a digest of the content is strong enough beside this signature (RFC 9882 §3.3).
    pub(crate) fn admits(self, digest: Digest) -> bool {
        match self {
            Self::MlDsa44 => true,
            Self::MlDsa65 => digest != Digest::Sha256,
            Self::MlDsa87 => digest == Digest::Sha512,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ber::{Node, octet_string, sequence};

    const ALL: [MlKem; 3] = [MlKem::MlKem512, MlKem::MlKem768, MlKem::MlKem1024];

    fn seed() -> [u8; 64] {
        std::array::from_fn(|i| i as u8)
    }

    #[test]
    fn the_three_forms_of_a_private_key_are_one_key() {
        for kem in ALL {
            let expanded = evp::expand_ml_kem_seed(kem, &seed()).unwrap();
            let forms = [
                Node::Primitive(context(0), seed().to_vec().into()).encode(),
                octet_string(&expanded[..]).encode(),
                sequence(vec![
                    octet_string(seed().to_vec()),
                    octet_string(&expanded[..]),
                ])
                .encode(),
            ];
            let read = forms.map(|form| MlKemKey::read(kem, &form).ok().unwrap());
            let public = kem::EncapsulationKey::new(kem.algorithm(), read[0].public_key()).unwrap();
            let (ciphertext, secret) = public.encapsulate().unwrap();
            for key in &read {
                assert_eq!(key.public_key(), read[0].public_key());
                let found = key.decapsulate(ciphertext.as_ref()).unwrap();
                assert_eq!(found.as_slice(), secret.as_ref());
            }
        }
    }

    #[test]
    fn a_private_key_that_contradicts_itself_is_refused() {
        let kem = MlKem::MlKem768;
        let expanded = evp::expand_ml_kem_seed(kem, &seed()).unwrap();
        let fault = |form: Vec<u8>| MlKemKey::read(kem, &form).err();
        let mut other = seed();
        other[0] ^= 1;
        let crossed = sequence(vec![
            octet_string(other.to_vec()),
            octet_string(&expanded[..]),
        ]);
        assert_eq!(fault(crossed.encode()), Some(MlKemKeyFault::Inconsistent));
        let mut damaged = expanded.to_vec();
        damaged[1152] ^= 1;
        let damaged = octet_string(damaged).encode();
        assert_eq!(fault(damaged), Some(MlKemKeyFault::Inconsistent));
        for wrong in [
            octet_string(&expanded[1..]).encode(),
            Node::Primitive(context(0), vec![0; 32].into()).encode(),
            sequence(vec![octet_string(seed().to_vec())]).encode(),
            vec![0x05, 0x00],
            Vec::new(),
        ] {
            assert_eq!(fault(wrong), Some(MlKemKeyFault::Malformed));
        }
    }

    #[test]
    fn a_ciphertext_of_another_length_gives_nothing() {
        let kem = MlKem::MlKem768;
        let form = Node::Primitive(context(0), seed().to_vec().into()).encode();
        let key = MlKemKey::read(kem, &form).ok().unwrap();
        for length in [0, 1087, 1089, 1568] {
            assert!(key.decapsulate(&vec![7; length]).is_none(), "{length}");
        }
        assert!(key.decapsulate(&[7; 1088]).is_some(), "implicit rejection");
    }
}
