//! The public key of a recipient, read and checked once for all the messages to it.

use aws_lc_rs::agreement::{self, ParsedPublicKey, UnparsedPublicKey};
use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey};

use crate::algorithm::PublicKeyKind;
use crate::certificate::Certificate;

/// A public key that content keys are sealed to. A site writes to the same people again and
/// again: an RSA modulus is prepared, and a point is checked to lie on its curve, only once.
pub(crate) enum RecipientKey {
    Rsa(OaepPublicEncryptingKey),
    Agreement(ParsedPublicKey),
}

impl RecipientKey {
    /// The key of a certificate; `None` if it is none of these, or not usable.
    pub(crate) fn read(certificate: &Certificate) -> Option<Self> {
        let curve = match certificate.public_key_kind() {
            PublicKeyKind::Rsa(2048..=8192) => {
                let key = PublicEncryptingKey::from_der(certificate.spki()).ok()?;
                return OaepPublicEncryptingKey::new(key).ok().map(Self::Rsa);
            }
            PublicKeyKind::P256 => &agreement::ECDH_P256,
            PublicKeyKind::P384 => &agreement::ECDH_P384,
            PublicKeyKind::P521 => &agreement::ECDH_P521,
            PublicKeyKind::X25519 => &agreement::X25519,
            _ => return None,
        };
        let key = UnparsedPublicKey::new(curve, certificate.public_key());
        ParsedPublicKey::try_from(key).ok().map(Self::Agreement)
    }
}
