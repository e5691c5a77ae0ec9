//! Algorithm identifiers, digests and signature schemes: what is accepted, and nothing else.
//!
//! SHA-1 and MD5 digests, DSA, and RSA keys outside 2048 to 8192 bits have no representation
//! here, so no signature that uses them can be valid (RFC 8551 §2, RFC 8550 §4.3).

use aws_lc_rs::{digest, signature};
use const_oid::ObjectIdentifier;

use crate::ber::{
    BerError, Element, NULL, Node, OCTET_STRING, SEQUENCE, Values, explicit, integer, null,
};
use crate::ber::{oid as oid_node, sequence};
use crate::oid;
use crate::post_quantum::MlDsa;

/// An `AlgorithmIdentifier` as received (RFC 5280 §4.1.1.2).
#[derive(Clone, Copy)]
pub(crate) struct Algorithm<'a> {
    pub(crate) oid: ObjectIdentifier,
    pub(crate) parameters: Option<Element<'a>>,
    /// The whole identifier as received: it is an input of the key derivation of RFC 5753.
    pub(crate) raw: &'a [u8],
}

impl<'a> Algorithm<'a> {
    /// Reads the SEQUENCE itself.
    pub(crate) fn read(element: Element<'a>) -> Result<Self, BerError> {
        Self::read_tagged(element, SEQUENCE)
    }

    /// Reads an identifier under an implicit tag.
    pub(crate) fn read_tagged(element: Element<'a>, tag: u8) -> Result<Self, BerError> {
        if element.tag != tag {
            return Err(BerError::UnexpectedTag);
        }
        let mut inner = element.children()?;
        let oid = inner.oid()?;
        let parameters = if inner.is_empty() {
            None
        } else {
            Some(inner.any()?)
        };
        inner.finish()?;
        Ok(Self {
            oid,
            parameters,
            raw: element.raw,
        })
    }

    /// The parameters, NULL counting as absent.
    pub(crate) fn meaningful_parameters(&self) -> Option<Element<'a>> {
        self.parameters.filter(|p| p.tag != NULL)
    }

    /// Whether both name the same algorithm with the same parameters (NULL counts as absent).
    pub(crate) fn same_as(&self, other: &Algorithm<'_>) -> bool {
        self.oid == other.oid
            && self.meaningful_parameters().map(|p| p.raw)
                == other.meaningful_parameters().map(|p| p.raw)
    }
}

/// An accepted digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    Sha256,
    Sha384,
    Sha512,
}

impl Digest {
    pub(crate) fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        match *oid {
            oid::SHA256 => Some(Self::Sha256),
            oid::SHA384 => Some(Self::Sha384),
            oid::SHA512 => Some(Self::Sha512),
            _ => None,
        }
    }

    pub(crate) fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => oid::SHA256,
            Self::Sha384 => oid::SHA384,
            Self::Sha512 => oid::SHA512,
        }
    }

    /// The name for the `micalg` parameter (RFC 8551 §3.5.3.2).
    pub(crate) fn micalg(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// The digest of a `micalg` parameter.
    pub(crate) fn of_micalg(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "sha-256" | "sha256" => Some(Self::Sha256),
            "sha-384" | "sha384" => Some(Self::Sha384),
            "sha-512" | "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The length of the digest.
    pub(crate) fn octets(self) -> u8 {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    pub(crate) fn of(self, octets: &[u8]) -> digest::Digest {
        digest::digest(self.algorithm(), octets)
    }

    pub(crate) fn context(self) -> digest::Context {
        digest::Context::new(self.algorithm())
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    /// The `AlgorithmIdentifier` without parameters (RFC 5754 §2).
    pub(crate) fn identifier<'a>(self) -> Node<'a> {
        match self {
            Self::Sha256 => sequence(const { &[Node::Oid(oid::SHA256)] }),
            Self::Sha384 => sequence(const { &[Node::Oid(oid::SHA384)] }),
            Self::Sha512 => sequence(const { &[Node::Oid(oid::SHA512)] }),
        }
    }

    /// The `AlgorithmIdentifier` with NULL, as RFC 4055 §2.1 writes it inside OAEP and PSS.
    pub(crate) fn identifier_with_null<'a>(self) -> Node<'a> {
        sequence(vec![oid_node(&self.oid()), null()])
    }
}

/// The kind of a public key, as far as this crate uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublicKeyKind {
    /// RSA with this modulus length in bits.
    Rsa(u32),
    /// RSA with this modulus length in bits, for RSASSA-PSS alone (RFC 4055 §1.2).
    RsaPss(u32),
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// Ed25519 (signatures only).
    Ed25519,
    /// X25519 (key agreement only).
    X25519,
    /// ML-KEM-512 (reception only, and never sent to).
    MlKem512,
    /// ML-KEM-768 (reception only).
    MlKem768,
    /// ML-KEM-1024 (reception only).
    MlKem1024,
    /// ML-DSA-44 (signatures only).
    MlDsa44,
    /// ML-DSA-65 (signatures only).
    MlDsa65,
    /// ML-DSA-87 (signatures only).
    MlDsa87,
    /// Any other kind: it can neither verify nor receive here.
    Other,
}

/// An accepted signature scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    RsaPkcs1(Digest),
    /// With the length of the salt in octets.
    RsaPss(Digest, u16),
    Ecdsa(Digest),
    Ed25519,
    MlDsa(MlDsa),
}

/// What a signature is over.
#[derive(Clone, Copy)]
pub(crate) enum Signed<'a> {
    Message(&'a [u8]),
    /// A message that went by, and left its digest. Not for schemes that make their own.
    Digest(&'a digest::Digest),
}

/// How a [`Signer`](crate::Signer) is asked to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureScheme {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2).
    RsaPkcs1Sha256,
    /// RSASSA-PSS with SHA-256, its mask by SHA-256, a salt of 32 octets (RFC 4056).
    RsaPssSha256,
    /// ECDSA on P-256 with SHA-256; the signature in DER (RFC 5753 §2.1).
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaP384Sha384,
    /// ECDSA on P-521 with SHA-512.
    EcdsaP521Sha512,
    /// Ed25519, pure (RFC 8419).
    Ed25519,
    /// ML-DSA-44, pure, with the empty context (RFC 9882).
    MlDsa44,
    /// ML-DSA-65, likewise.
    MlDsa65,
    /// ML-DSA-87, likewise.
    MlDsa87,
}

impl SignatureScheme {
    /// The scheme for a key: what RFC 8551 §2.2 makes every receiver understand. `None` for a
    /// key that only decrypts.
    pub(crate) fn for_key(kind: PublicKeyKind, prefer_pss: bool) -> Option<Self> {
        Some(match kind {
            PublicKeyKind::Rsa(_) if prefer_pss => Self::RsaPssSha256,
            PublicKeyKind::RsaPss(_) => Self::RsaPssSha256,
            PublicKeyKind::Rsa(_) => Self::RsaPkcs1Sha256,
            PublicKeyKind::P256 => Self::EcdsaP256Sha256,
            PublicKeyKind::P384 => Self::EcdsaP384Sha384,
            PublicKeyKind::P521 => Self::EcdsaP521Sha512,
            PublicKeyKind::Ed25519 => Self::Ed25519,
            PublicKeyKind::MlDsa44 => Self::MlDsa44,
            PublicKeyKind::MlDsa65 => Self::MlDsa65,
            PublicKeyKind::MlDsa87 => Self::MlDsa87,
            _ => return None,
        })
    }

    /// The digest of the content beside this signature.
    pub(crate) fn digest(self) -> Digest {
        match self {
            Self::RsaPkcs1Sha256 | Self::RsaPssSha256 | Self::EcdsaP256Sha256 => Digest::Sha256,
            Self::EcdsaP384Sha384 => Digest::Sha384,
            // RFC 8419 §3.1; RFC 9882 §3.3: strong enough for every set, and what all must know.
            Self::EcdsaP521Sha512
            | Self::Ed25519
            | Self::MlDsa44
            | Self::MlDsa65
            | Self::MlDsa87 => Digest::Sha512,
        }
    }

    /// The fields of the `AlgorithmIdentifier` in a certificate, which has no other place for the
    /// digest (RFC 5754, RFC 5758, RFC 8410).
    pub(crate) fn certificate_identifier(self) -> Values<'static> {
        match self {
            Self::RsaPkcs1Sha256 => vec![oid_node(&oid::SHA256_WITH_RSA), null()].into(),
            other => other.identifier(),
        }
    }

    /// The fields of the `AlgorithmIdentifier` in a `SignerInfo`.
    pub(crate) fn identifier(self) -> Values<'static> {
        match self {
            // RFC 5754 §3.2: every implementation understands rsaEncryption here.
            Self::RsaPkcs1Sha256 => const { &[Node::Oid(oid::RSA_ENCRYPTION), null()] }.into(),
            Self::RsaPssSha256 => {
                vec![oid_node(&oid::RSA_PSS), pss_parameters(Digest::Sha256)].into()
            }
            Self::EcdsaP256Sha256 => const { &[Node::Oid(oid::ECDSA_SHA256)] }.into(),
            Self::EcdsaP384Sha384 => const { &[Node::Oid(oid::ECDSA_SHA384)] }.into(),
            Self::EcdsaP521Sha512 => const { &[Node::Oid(oid::ECDSA_SHA512)] }.into(),
            Self::Ed25519 => const { &[Node::Oid(oid::ED25519)] }.into(),
            Self::MlDsa44 => const { &[Node::Oid(oid::ML_DSA_44)] }.into(),
            Self::MlDsa65 => const { &[Node::Oid(oid::ML_DSA_65)] }.into(),
            Self::MlDsa87 => const { &[Node::Oid(oid::ML_DSA_87)] }.into(),
        }
    }
}

/// The signature is not of this key over these octets, or the key does not fit the scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadSignature;

impl Scheme {
    /// The scheme of a certificate's or CRL's `signatureAlgorithm`.
    pub(crate) fn of_certificate(algorithm: &Algorithm<'_>) -> Option<Self> {
        Some(match algorithm.oid {
            oid::SHA256_WITH_RSA => Self::RsaPkcs1(Digest::Sha256),
            oid::SHA384_WITH_RSA => Self::RsaPkcs1(Digest::Sha384),
            oid::SHA512_WITH_RSA => Self::RsaPkcs1(Digest::Sha512),
            oid::ECDSA_SHA256 => Self::Ecdsa(Digest::Sha256),
            oid::ECDSA_SHA384 => Self::Ecdsa(Digest::Sha384),
            oid::ECDSA_SHA512 => Self::Ecdsa(Digest::Sha512),
            oid::ED25519 => Self::Ed25519,
            oid::RSA_PSS => {
                let (digest, salt) = pss_form(algorithm).ok()?;
                Self::RsaPss(digest, salt)
            }
            // RFC 9881 §2: parameters are absent.
            other if algorithm.parameters.is_none() => Self::MlDsa(MlDsa::of_oid(&other)?),
            _ => return None,
        })
    }

    /// The scheme of a `SignerInfo`, whose digest is named apart and must be the same one
    /// (RFC 8933 §3).
    pub(crate) fn of_signer(algorithm: &Algorithm<'_>, digest: Digest) -> Option<Self> {
        // RFC 5754 §3.2: rsaEncryption leaves the digest to digestAlgorithm.
        if algorithm.oid == oid::RSA_ENCRYPTION {
            return Some(Self::RsaPkcs1(digest));
        }
        let scheme = Self::of_certificate(algorithm)?;
        let agrees = match scheme {
            Self::RsaPkcs1(d) | Self::RsaPss(d, _) | Self::Ecdsa(d) => d == digest,
            // RFC 8419 §3.1: the digest of the content is SHA-512.
            Self::Ed25519 => digest == Digest::Sha512,
            Self::MlDsa(set) => set.admits(digest),
        };
        agrees.then_some(scheme)
    }

    /// Checks a signature with the `subjectPublicKey` octets of a certificate.
    pub(crate) fn verify(
        self,
        kind: PublicKeyKind,
        key: &[u8],
        signed: Signed<'_>,
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        use Digest::{Sha256, Sha384, Sha512};
        use PublicKeyKind::{Ed25519, P256, P384, P521, Rsa, RsaPss};
        let algorithm: &'static dyn signature::VerificationAlgorithm = match (self, kind) {
            (Self::RsaPkcs1(Sha256), Rsa(_)) => &signature::RSA_PKCS1_2048_8192_SHA256,
            (Self::RsaPkcs1(Sha384), Rsa(_)) => &signature::RSA_PKCS1_2048_8192_SHA384,
            (Self::RsaPkcs1(Sha512), Rsa(_)) => &signature::RSA_PKCS1_2048_8192_SHA512,
            (Self::RsaPss(digest, salt), Rsa(_) | RsaPss(_)) => {
                // RFC 4056 §3: the signer chooses the salt; OpenSSL takes the longest.
                let salt = signature::RsaPssSaltLength::Custom(salt);
                let parameters = match digest {
                    Sha256 => signature::RSA_PSS_2048_8192_SHA256,
                    Sha384 => signature::RSA_PSS_2048_8192_SHA384,
                    Sha512 => signature::RSA_PSS_2048_8192_SHA512,
                };
                let parameters = parameters.with_pss_salt_length(salt);
                return signed.verify(&parameters, key, signature);
            }
            (Self::Ecdsa(Sha256), P256) => &signature::ECDSA_P256_SHA256_ASN1,
            (Self::Ecdsa(Sha384), P256) => &signature::ECDSA_P256_SHA384_ASN1,
            (Self::Ecdsa(Sha512), P256) => &signature::ECDSA_P256_SHA512_ASN1,
            (Self::Ecdsa(Sha256), P384) => &signature::ECDSA_P384_SHA256_ASN1,
            (Self::Ecdsa(Sha384), P384) => &signature::ECDSA_P384_SHA384_ASN1,
            (Self::Ecdsa(Sha512), P384) => &signature::ECDSA_P384_SHA512_ASN1,
            (Self::Ecdsa(Sha256), P521) => &signature::ECDSA_P521_SHA256_ASN1,
            (Self::Ecdsa(Sha384), P521) => &signature::ECDSA_P521_SHA384_ASN1,
            (Self::Ecdsa(Sha512), P521) => &signature::ECDSA_P521_SHA512_ASN1,
            (Self::Ed25519, Ed25519) => &signature::ED25519,
            (Self::MlDsa(set), kind) if kind == set.kind() => set.verification(),
            _ => return Err(BadSignature),
        };
        signed.verify(algorithm, key, signature)
    }
}

impl Signed<'_> {
    fn verify(
        self,
        algorithm: &dyn signature::VerificationAlgorithm,
        key: &[u8],
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        match self {
            Self::Message(message) => algorithm.verify_sig(key, message, signature),
            Self::Digest(digest) => algorithm.verify_digest_sig(key, digest, signature),
        }
        .map_err(|_| BadSignature)
    }
}

/// Whether a key whose `AlgorithmIdentifier` is id-RSASSA-PSS may make signatures of this digest
/// and salt: its parameters, where it has some, fix the digest and the least salt (RFC 4055 §3.3).
pub(crate) fn pss_key_admits(key: &Algorithm<'_>, digest: Digest, salt: u16) -> bool {
    match (key.meaningful_parameters(), pss_form(key)) {
        (None, _) => true,
        (Some(_), Ok((only, least))) => only == digest && least <= salt,
        (Some(_), Err(_)) => false,
    }
}

/// `RSASSA-PSS-params` for a digest, its MGF1 and a salt of the same length (RFC 4056 §3).
pub(crate) fn pss_parameters<'a>(digest: Digest) -> Node<'a> {
    let salt = digest.octets();
    sequence(vec![
        explicit(0, digest.identifier_with_null()),
        explicit(1, mgf1_identifier(digest)),
        explicit(2, integer(salt)),
    ])
}

/// The `AlgorithmIdentifier` of MGF1 over a digest (RFC 4055 §2.2).
pub(crate) fn mgf1_identifier<'a>(digest: Digest) -> Node<'a> {
    sequence(vec![oid_node(&oid::MGF1), digest.identifier_with_null()])
}

/// Why OAEP or PSS parameters are not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParametersError {
    /// They are not the ASN.1 that RFC 4055 defines.
    Malformed,
    /// The digest, mask function or salt is one that we do not take.
    NotAccepted,
}

impl From<BerError> for ParametersError {
    fn from(_: BerError) -> Self {
        Self::Malformed
    }
}

/// The digest and the salt's length of `RSASSA-PSS-params`; the mask must use the same digest
/// (RFC 4056 §3). Absent fields mean SHA-1, which is refused.
fn pss_form(algorithm: &Algorithm<'_>) -> Result<(Digest, u16), ParametersError> {
    let parameters = algorithm.parameters.ok_or(ParametersError::NotAccepted)?;
    let mut inner = parameters.children()?;
    let digest = explicit_algorithm(inner.optional(0xa0)?)?.ok_or(ParametersError::NotAccepted)?;
    let mask = explicit_algorithm(inner.optional(0xa1)?)?.ok_or(ParametersError::NotAccepted)?;
    let salt = match inner.optional(0xa2)? {
        Some(salt) => salt.children()?.small_integer()?,
        None => 20,
    };
    if let Some(trailer) = inner.optional(0xa3)?
        && trailer.children()?.small_integer()? != 1
    {
        return Err(ParametersError::NotAccepted);
    }
    inner.finish()?;
    let digest = Digest::from_oid(&digest.oid).ok_or(ParametersError::NotAccepted)?;
    if mask_function(&mask)? != digest.oid() {
        return Err(ParametersError::NotAccepted);
    }
    Ok((digest, salt))
}

/// `RSAES-OAEP-params`: the digest, that of the mask, and the label (RFC 4055 §4.1). Absent
/// fields mean SHA-1, SHA-1 and the empty label.
pub(crate) struct OaepParameters {
    pub(crate) digest: ObjectIdentifier,
    pub(crate) mask_digest: ObjectIdentifier,
    pub(crate) label: Vec<u8>,
}

impl OaepParameters {
    pub(crate) fn read(algorithm: &Algorithm<'_>) -> Result<Self, ParametersError> {
        let mut read = Self {
            digest: oid::SHA1,
            mask_digest: oid::SHA1,
            label: Vec::new(),
        };
        let Some(parameters) = algorithm.meaningful_parameters() else {
            return Ok(read);
        };
        let mut inner = parameters.children()?;
        if let Some(digest) = explicit_algorithm(inner.optional(0xa0)?)? {
            read.digest = digest.oid;
        }
        if let Some(mask) = explicit_algorithm(inner.optional(0xa1)?)? {
            read.mask_digest = mask_function(&mask)?;
        }
        if let Some(source) = explicit_algorithm(inner.optional(0xa2)?)? {
            if source.oid != oid::P_SPECIFIED {
                return Err(ParametersError::NotAccepted);
            }
            let label = source.parameters.ok_or(ParametersError::Malformed)?;
            if label.tag != OCTET_STRING {
                return Err(ParametersError::Malformed);
            }
            read.label = label.content.to_vec();
        }
        inner.finish()?;
        Ok(read)
    }
}

fn explicit_algorithm<'a>(
    wrapped: Option<Element<'a>>,
) -> Result<Option<Algorithm<'a>>, ParametersError> {
    let Some(wrapped) = wrapped else {
        return Ok(None);
    };
    let mut inner = wrapped.children()?;
    let algorithm = Algorithm::read(inner.any()?)?;
    inner.finish()?;
    Ok(Some(algorithm))
}

fn mask_function(mask: &Algorithm<'_>) -> Result<ObjectIdentifier, ParametersError> {
    if mask.oid != oid::MGF1 {
        return Err(ParametersError::NotAccepted);
    }
    let digest = mask.parameters.ok_or(ParametersError::Malformed)?;
    Ok(Algorithm::read(digest)?.oid)
}
