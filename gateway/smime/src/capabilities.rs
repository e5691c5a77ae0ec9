//! What the clients of one's partners read, remembered from their signatures (RFC 8551 §2.5.2,
//! §2.7.1).
//!
//! Whoever can make this memory believe that a partner reads only an old cipher has every later
//! message sent in it. So nothing is learned but from a signature that is valid, bound to the
//! address itself, and of a sane time; and whatever was learned, no choice falls below the
//! site's [`CipherFloor`].

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::ber::{BerError, Element, Node, SEQUENCE, oid as oid_node, sequence};
use crate::oid;
use crate::verdict::{AddressBinding, ValidSignature};

/// Capabilities read of one signature, at most: more is not a client speaking.
const CAPABILITIES: usize = 64;
/// How far a signer's clock may be ahead.
const AHEAD: Duration = Duration::minutes(5);
/// How long ago a signature may have been made to teach something.
const BEHIND: Duration = Duration::days(30);

/// The content ciphers, of those that this crate sends, that a client says it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClientCapabilities {
    /// AES-128 or AES-256 in Galois/counter mode: authenticated.
    pub gcm: bool,
    /// AES in cipher block chaining: not authenticated.
    pub cbc: bool,
}

impl ClientCapabilities {
    /// Reads `SMIMECapabilities`: a SEQUENCE OF SEQUENCE { capability, parameters }.
    pub(crate) fn read(value: &Element<'_>) -> Result<Self, BerError> {
        if value.tag != SEQUENCE {
            return Err(BerError::UnexpectedTag);
        }
        let mut list = value.children()?;
        let mut read = Self::default();
        let mut count = 0;
        while !list.is_empty() {
            count += 1;
            if count > CAPABILITIES {
                return Err(BerError::Value);
            }
            match list.expect(SEQUENCE)?.children()?.oid()? {
                oid::AES128_GCM | oid::AES256_GCM => read.gcm = true,
                oid::AES128_CBC | oid::AES192_CBC | oid::AES256_CBC => read.cbc = true,
                _ => {}
            }
        }
        Ok(read)
    }
}

/// `SMIMECapabilities` of this crate, best first: what an [`Opener`](crate::Opener) reads.
pub(crate) fn ours<'a>() -> Node<'a> {
    static ENCODED: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let ciphers = [
            oid::AES256_GCM,
            oid::AES128_GCM,
            oid::AES256_CBC,
            oid::AES128_CBC,
        ];
        let each = ciphers
            .iter()
            .map(|cipher| sequence(vec![oid_node(cipher)]));
        sequence(each.collect::<Vec<_>>()).encode()
    });
    Node::Encoded(ENCODED.as_slice().into())
}

/// The least that a site sends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CipherFloor {
    /// Only authenticated encryption, whatever a client says.
    #[default]
    Authenticated,
    /// AES-CBC too, for a partner that is known to read nothing better.
    Cbc,
}

/// What to send a partner in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CipherChoice {
    /// AES-256-GCM: the partner reads it, or nothing says otherwise.
    Gcm,
    /// AES-256-CBC: the partner reads nothing better, and the floor allows it
    /// ([`Recipients::reading_only_cbc`](crate::Recipients::reading_only_cbc)).
    Cbc,
    /// AES-256-GCM, though the partner's client says that it does not read it: the floor forbids
    /// less. Tell the sender that the partner may not be able to open the message.
    GcmUnread,
}

/// What a signature taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lesson {
    /// Something new, or something newer.
    Learned,
    /// Nothing; the reason is for the record.
    Nothing(NoLesson),
}

/// Why a signature taught nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoLesson {
    /// It states no capabilities.
    #[error("the signature states no capabilities")]
    NotStated,
    /// Its certificate is one for a domain: it speaks for no single client.
    #[error("the certificate is bound to a domain, not to the address")]
    NotBound,
    /// It does not say when it was made.
    #[error("the signature does not say when it was made")]
    NoTime,
    /// Its time is in the future, long past, or outside the certificate's validity.
    #[error("the time that the signature claims is not believable")]
    BadTime,
    /// A later signature was seen already: this one is replayed, or late.
    #[error("a later signature is known already")]
    Older,
}

/// What partners' clients are known to read. Its owner stores it (it serialises); it knows no
/// clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilityMemory {
    by_address: BTreeMap<String, Learned>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Learned {
    capabilities: ClientCapabilities,
    /// When the signature says that it was made.
    signed: OffsetDateTime,
}

impl CapabilityMemory {
    /// A memory of nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns from the signature of a message opened at `now`. That it is valid is in its type:
    /// only an [`Opener`](crate::Opener) makes one.
    pub fn learn(&mut self, signature: &ValidSignature, now: OffsetDateTime) -> Lesson {
        match self.lesson(signature, now) {
            Ok((address, learned)) => {
                self.by_address.insert(address, learned);
                Lesson::Learned
            }
            Err(reason) => Lesson::Nothing(reason),
        }
    }

    fn lesson(
        &self,
        signature: &ValidSignature,
        now: OffsetDateTime,
    ) -> Result<(String, Learned), NoLesson> {
        let AddressBinding::Address(address) = &signature.binding else {
            return Err(NoLesson::NotBound);
        };
        let capabilities = signature.capabilities.ok_or(NoLesson::NotStated)?;
        let signed = signature.claimed_time.ok_or(NoLesson::NoTime)?;
        let signer = &signature.signer;
        let believable = signed <= now + AHEAD
            && signed >= now - BEHIND
            && (signer.not_before()..=signer.not_after()).contains(&signed);
        if !believable {
            return Err(NoLesson::BadTime);
        }
        let address = folded(address);
        match self.by_address.get(&address) {
            Some(known) if known.signed >= signed => Err(NoLesson::Older),
            _ => Ok((
                address,
                Learned {
                    capabilities,
                    signed,
                },
            )),
        }
    }

    /// What is known of the client of `address`, and since when.
    #[must_use]
    pub fn known(&self, address: &str) -> Option<(ClientCapabilities, OffsetDateTime)> {
        let learned = self.by_address.get(&folded(address))?;
        Some((learned.capabilities, learned.signed))
    }

    /// What to send `address` in. Of a partner of whom nothing is known, S/MIME 4.0 is supposed
    /// (RFC 8551 §2.7.1.2).
    #[must_use]
    pub fn cipher_for(&self, address: &str, floor: CipherFloor) -> CipherChoice {
        match self.known(address) {
            Some((capabilities, _)) if !capabilities.gcm && capabilities.cbc => match floor {
                CipherFloor::Authenticated => CipherChoice::GcmUnread,
                CipherFloor::Cbc => CipherChoice::Cbc,
            },
            _ => CipherChoice::Gcm,
        }
    }

    /// Forgets `address`: its owner changed clients, or was a mistake.
    pub fn forget(&mut self, address: &str) {
        self.by_address.remove(&folded(address));
    }
}

/// Addresses are compared without regard to case (see `verdict::binding`).
pub(crate) fn folded(address: &str) -> String {
    address.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::Certificate;
    use crate::path::Revocation;

    const ADDRESS: &str = "dr.untel@hopital.test";
    const GCM: ClientCapabilities = ClientCapabilities {
        gcm: true,
        cbc: true,
    };
    const CBC: ClientCapabilities = ClientCapabilities {
        gcm: false,
        cbc: true,
    };

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap()
    }

    fn signature(
        capabilities: Option<ClientCapabilities>,
        signed: Option<OffsetDateTime>,
    ) -> ValidSignature {
        let mut params = CertificateParams::default();
        params.not_before = now() - Duration::days(100);
        params.not_after = now() + Duration::days(100);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        ValidSignature {
            signer: Certificate::from_der(certificate.der()).unwrap(),
            binding: AddressBinding::Address(ADDRESS.to_owned()),
            claimed_time: signed,
            revocation: Revocation::Good { as_of: now() },
            capabilities,
        }
    }

    #[test]
    fn what_a_client_says_it_reads_is_read() {
        let list = |oids: &[const_oid::ObjectIdentifier]| {
            let each = oids.iter().map(|o| sequence(vec![oid_node(o)]));
            sequence(each.collect::<Vec<_>>()).encode()
        };
        let read = |der: &[u8]| ClientCapabilities::read(&Element::only(der, 8).unwrap());
        assert_eq!(read(&list(&[oid::AES256_CBC, oid::AES128_GCM])), Ok(GCM));
        assert_eq!(read(&list(&[oid::AES128_CBC, oid::DES_EDE3_CBC])), Ok(CBC));
        assert_eq!(read(&list(&[])), Ok(ClientCapabilities::default()));
        assert!(read(&list(&[oid::AES128_CBC; 65])).is_err());
    }

    #[test]
    fn only_a_bound_and_timely_signature_teaches() {
        let mut memory = CapabilityMemory::new();
        let taught = |memory: &mut CapabilityMemory, s: &ValidSignature| memory.learn(s, now());
        let nothing = Lesson::Nothing;
        let mut domain = signature(Some(CBC), Some(now()));
        domain.binding = AddressBinding::Domain("hopital.test".to_owned());
        assert_eq!(taught(&mut memory, &domain), nothing(NoLesson::NotBound));
        for (signed, reason) in [
            (None, NoLesson::NoTime),
            (Some(now() + Duration::hours(1)), NoLesson::BadTime),
            (Some(now() - Duration::days(31)), NoLesson::BadTime),
        ] {
            let lesson = taught(&mut memory, &signature(Some(CBC), signed));
            assert_eq!(lesson, nothing(reason));
        }
        let silent = signature(None, Some(now()));
        assert_eq!(taught(&mut memory, &silent), nothing(NoLesson::NotStated));
        assert_eq!(memory, CapabilityMemory::new(), "nothing was learned");

        let sound = signature(Some(CBC), Some(now() - Duration::days(1)));
        assert_eq!(taught(&mut memory, &sound), Lesson::Learned);
        assert_eq!(
            taught(&mut memory, &sound),
            nothing(NoLesson::Older),
            "a replay"
        );
        let next = signature(Some(GCM), Some(now()));
        assert_eq!(taught(&mut memory, &next), Lesson::Learned);
        assert_eq!(taught(&mut memory, &sound), nothing(NoLesson::Older));
        assert_eq!(memory.known("Dr.Untel@HOPITAL.test"), Some((GCM, now())));
        let stored = serde_json::to_string(&memory).unwrap();
        assert_eq!(
            serde_json::from_str::<CapabilityMemory>(&stored).unwrap(),
            memory
        );
    }

    #[test]
    fn no_choice_falls_below_the_floor() {
        let mut memory = CapabilityMemory::new();
        let choice = |memory: &CapabilityMemory, floor| memory.cipher_for(ADDRESS, floor);
        assert_eq!(
            choice(&memory, CipherFloor::Cbc),
            CipherChoice::Gcm,
            "unknown"
        );
        memory.learn(&signature(Some(CBC), Some(now())), now());
        assert_eq!(choice(&memory, CipherFloor::Cbc), CipherChoice::Cbc);
        assert_eq!(
            choice(&memory, CipherFloor::Authenticated),
            CipherChoice::GcmUnread
        );
        memory.forget(ADDRESS);
        assert_eq!(choice(&memory, CipherFloor::Cbc), CipherChoice::Gcm);
    }

    proptest! {
        /// Whatever the order in which signatures arrive, the latest believable one counts, and
        /// the default floor never yields an unauthenticated cipher.
        #[test]
        fn the_latest_believable_signature_counts(
            arrivals in prop::collection::vec((-60i64 * 24..48, any::<bool>(), any::<bool>()), 0..20)
        ) {
            let mut memory = CapabilityMemory::new();
            let mut latest: Option<(i64, ClientCapabilities)> = None;
            let template = signature(None, None);
            for (hours, gcm, cbc) in arrivals {
                let capabilities = ClientCapabilities { gcm, cbc };
                let mut seen = template.clone();
                seen.capabilities = Some(capabilities);
                seen.claimed_time = Some(now() + Duration::hours(hours));
                memory.learn(&seen, now());
                let believable = (-30 * 24..=0).contains(&hours);
                if believable && latest.is_none_or(|(known, _)| hours > known) {
                    latest = Some((hours, capabilities));
                }
            }
            prop_assert_eq!(memory.known(ADDRESS).map(|(c, _)| c), latest.map(|(_, c)| c));
            let choice = memory.cipher_for(ADDRESS, CipherFloor::Authenticated);
            prop_assert_ne!(choice, CipherChoice::Cbc);
        }
    }
}
