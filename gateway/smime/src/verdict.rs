//! What was found out about a message's signature: an enum with reasons, never a bool.

use time::OffsetDateTime;

use crate::capabilities::ClientCapabilities;
use crate::certificate::Certificate;
use crate::path::{PathFault, Revocation};

/// The verdict on the signatures of a message as a whole.
///
/// Signatures of several signers, and of several layers, combine with AND: the verdict is
/// [`Valid`](Self::Valid) only if every one of them is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureVerdict {
    /// Every signature holds, every signer is trusted, and the first is bound to From.
    Valid(ValidSignature),
    /// A signature is there and does not hold, or its signer is not to be believed.
    Invalid(InvalidReason),
    /// Nobody signed the decrypted content. A signature *around* an envelope says nothing of
    /// who wrote what is inside, so it does not count (see [`Layer`](crate::Layer)).
    Unsigned,
}

/// A signature that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidSignature {
    /// The certificate of the signer.
    pub signer: Certificate,
    /// How the certificate is bound to the protected From.
    pub binding: AddressBinding,
    /// What the signer says the time was. A claim: never used to judge validity.
    pub claimed_time: Option<OffsetDateTime>,
    /// What is known of the revocation of the signer and its authorities. Show anything but
    /// [`Revocation::Good`] to the reader.
    pub revocation: Revocation,
    /// What the signer's client says that it reads (RFC 8551 §2.5.2); for
    /// [`CapabilityMemory::learn`](crate::CapabilityMemory::learn), which knows what to believe.
    pub capabilities: Option<ClientCapabilities>,
}

/// How a certificate is bound to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressBinding {
    /// It names the address itself (RFC 8550 §3).
    Address(String),
    /// It names no address but the address's domain (Direct's organisational certificate).
    Domain(String),
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidReason {
    /// The content is not what was signed.
    #[error("the content was changed after it was signed")]
    ContentChanged,
    /// The signature is not one of the certificate's key.
    #[error("the signature is not one of the signer's key")]
    BadSignature,
    /// The digest or signature algorithm is refused, or they disagree.
    #[error("the signature uses an algorithm that is not accepted: {0}")]
    Algorithm(String),
    /// The signed attributes break RFC 5652 §11 or RFC 6211.
    #[error("the signed attributes are not acceptable: {0}")]
    Attributes(&'static str),
    /// Nobody has the signer's certificate.
    #[error("the signer's certificate is neither in the message nor known here")]
    NoCertificate,
    /// The SignedData has no signer.
    #[error("the signature names no signer")]
    NoSigner,
    /// The signer's certificate is not acceptable.
    #[error(transparent)]
    Path(#[from] PathFault),
    /// Revocation could not be established, and the policy demands it.
    #[error("it is not known whether the signer's certificate was revoked")]
    RevocationUnknown(Revocation),
    /// The signer's certificate is not one for the From address.
    #[error("the signer's certificate is not one for the From address")]
    WrongAddress,
    /// The addresses that the envelope names are not those that were signed (KIM).
    #[error("the envelope was not made for the recipients that were signed")]
    OtherRecipients,
    /// From is missing, unreadable or names several addresses.
    #[error("From does not name exactly one address")]
    AmbiguousFrom,
}

/// How `certificate` is bound to `address`, if it is.
///
/// RFC 8550 §3: the address must match one of the certificate's, the domain without regard to
/// case; the local part is compared the same way, since no mail system in use tells cases apart.
pub(crate) fn binding(
    certificate: &Certificate,
    address: &str,
    accept_domain: bool,
) -> Option<AddressBinding> {
    // An authority writes no letters: whatever its certificate names, it would vouch for itself.
    if certificate.authority().is_some() {
        return None;
    }
    let named = certificate.addresses();
    if named.iter().any(|a| a.eq_ignore_ascii_case(address)) {
        return Some(AddressBinding::Address(address.to_owned()));
    }
    let (_, domain) = address.rsplit_once('@')?;
    // Without an explicit emailProtection, this could be a web server's certificate.
    let organisational = accept_domain
        && named.is_empty()
        && certificate.extended_key_usage().is_some()
        && certificate.is_for_mail();
    let bound = organisational
        && certificate
            .dns_names()
            .iter()
            .any(|name| name.eq_ignore_ascii_case(domain));
    bound.then(|| AddressBinding::Domain(domain.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, SanType};

    fn certificate(names: &[SanType], for_mail: bool) -> Certificate {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        if for_mail {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        }
        let key = KeyPair::generate().unwrap();
        Certificate::from_der(params.self_signed(&key).unwrap().der()).unwrap()
    }

    #[test]
    fn a_domain_binds_only_a_mail_certificate_without_addresses() {
        let domain = SanType::DnsName("hopital.test".try_into().unwrap());
        let other = SanType::Rfc822Name("autre@hopital.test".try_into().unwrap());
        let bound = |names: &[SanType], for_mail, address| {
            binding(&certificate(names, for_mail), address, true)
        };
        let by_domain = Some(AddressBinding::Domain("Hopital.TEST".to_owned()));
        assert_eq!(
            bound(std::slice::from_ref(&domain), true, "a@Hopital.TEST"),
            by_domain
        );
        assert_eq!(
            bound(std::slice::from_ref(&domain), false, "a@hopital.test"),
            None
        );
        assert_eq!(
            bound(std::slice::from_ref(&domain), true, "a@x.hopital.test"),
            None
        );
        assert_eq!(bound(&[domain, other], true, "a@hopital.test"), None);
        assert_eq!(bound(&[], true, "a@hopital.test"), None);
    }

    #[test]
    fn an_address_is_matched_whole() {
        let name = |text: &str| SanType::Rfc822Name(text.try_into().unwrap());
        let one = certificate(&[name("dr.untel@hopital.test")], true);
        for other in [
            "r.untel@hopital.test",
            "dr.untel@hopital.test.x",
            "dr.untel@hopital",
            "dr.untel",
            "",
        ] {
            assert_eq!(binding(&one, other, true), None, "{other}");
        }
        assert!(binding(&one, "DR.untel@HOPITAL.test", false).is_some());
    }
}
