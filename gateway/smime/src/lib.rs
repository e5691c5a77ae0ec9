//! S/MIME 4.0 (RFC 8551): sign, verify, seal, open, chains and header protection; bytes in,
//! bytes out.

mod algorithm;
mod ber;
mod certificate;
mod cms;
mod crl;
mod error;
mod header_protection;
mod key;
mod limits;
mod mime;
mod name_constraints;
mod oid;
mod opened;
mod opener;
mod path;
mod pem;
mod sealer;
mod trust;
mod verdict;

pub use algorithm::PublicKeyKind;
pub use certificate::Certificate;
pub use cms::enveloped::ContentCipher;
pub use crl::{Crl, RevocationReason};
pub use error::{MaterialError, Refusal, SealError};
pub use header_protection::{HeaderFinding, HeaderProtection, ProtectedHeaders};
pub use key::{
    DecryptionKey, Identities, Identity, KeyRing, OaepDigest, PrivateKey, RecipientId, RsaPadding,
};
pub use limits::Limits;
pub use opened::{Layer, Opened};
pub use opener::{OpenPolicy, Opener};
pub use path::{CheckedPath, PathFault, Revocation};
pub use sealer::{SealPolicy, Sealer, SignatureForm};
pub use trust::TrustStore;
pub use verdict::{AddressBinding, InvalidReason, SignatureVerdict, ValidSignature};
