//! The examples of RFC 4134: S/MIME of 2005, with DSA, RC2, triple DES, SHA-1 and RSA-1024. All
//! of it is read; nothing of it is accepted, and each refusal names what for.

use liaison_smime::{
    Certificate, Crl, Identities, InvalidReason, Layer, MaterialError, OpenPolicy, PrivateKey,
    PublicKeyKind, Refusal, SignatureVerdict, TrustStore,
};
use time::macros::datetime;

use super::at_hand;

/// id-data, the content type of what nothing protects (RFC 5652 §4).
const ID_DATA: &str = "1.2.840.113549.1.7.1";

/// Why an example is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// Signed with SHA-1 (RFC 8551 §2.1).
    Sha1,
    /// Triple DES or RC2 (RFC 8551 §2.7).
    Cipher,
    /// DigestedData and EncryptedData are no mail (RFC 8551 §2.4).
    Type,
    /// An opaque object without content: a detached signature on its own, a list of certificates.
    Contentless,
    /// Not a CMS object that protects anything: id-data, and the plain content.
    NotProtected,
}
use Reason::{Cipher, Contentless, NotProtected, Sha1, Type};

const EXAMPLES: [(&str, Reason); 20] = [
    ("3.1.bin", NotProtected),
    ("3.2.bin", NotProtected),
    ("4.1.bin", Sha1),
    ("4.2.bin", Sha1),
    ("4.3.bin", Contentless),
    // An attribute certificate among the certificates, passed over.
    ("4.4.bin", Sha1),
    ("4.5.bin", Sha1),
    ("4.6.bin", Sha1),
    ("4.7.bin", Sha1),
    ("4.8.eml", Sha1),
    ("4.9.eml", Sha1),
    ("4.10.bin", Sha1),
    // Certificates only, an attribute certificate among them.
    ("4.11.bin", Contentless),
    ("5.1.bin", Cipher),
    ("5.2.bin", Cipher),
    ("5.3.eml", Cipher),
    ("6.0.bin", Type),
    ("7.1.bin", Type),
    ("7.2.bin", Type),
    ("ExContent.bin", NotProtected),
];

#[test]
fn the_examples_of_rfc_4134_are_read_and_refused_by_name() {
    let Some(folder) = at_hand::folder("bc-test-data/rfc4134") else {
        return;
    };
    let mut policy = OpenPolicy::default();
    policy.accept_unencrypted = true;
    for (name, reason) in EXAMPLES {
        let octets = std::fs::read(folder.join(name)).unwrap();
        let mail = if name.ends_with(".eml") {
            octets
        } else {
            super::mail("aliceDss@examples.com", &octets)
        };
        let answer = super::open(
            &policy,
            &mail,
            &Identities::new(),
            &TrustStore::new(),
            datetime!(2002-10-01 0:00 UTC),
        );
        let found = match &answer {
            Ok(opened) => {
                let layered = matches!(opened.layers(), [Layer::Signed { .. }]);
                assert!(layered, "{name}: {:?}", opened.layers());
                match opened.signature() {
                    SignatureVerdict::Invalid(InvalidReason::Algorithm(_)) => Some(Sha1),
                    _ => None,
                }
            }
            Err(Refusal::NotAccepted { slot, .. }) if *slot == "content encryption" => Some(Cipher),
            Err(Refusal::NotAccepted {
                slot: "CMS content type",
                name,
            }) if name == ID_DATA => Some(NotProtected),
            Err(Refusal::NotAccepted { slot, .. }) if *slot == "CMS content type" => Some(Type),
            Err(Refusal::Malformed("an opaque signature without its content")) => Some(Contentless),
            Err(Refusal::Malformed(_)) => Some(NotProtected),
            Err(_) => None,
        };
        assert_eq!(found, Some(reason), "{name}: {answer:?}");
    }
}

#[test]
fn the_people_of_rfc_4134_are_read_and_of_no_use() {
    let Some(folder) = at_hand::folder("bc-test-data/rfc4134") else {
        return;
    };
    let certificates = at_hand::files(&folder, ".cer");
    assert_eq!(certificates.len(), 7);
    for (name, octets) in certificates {
        let read = Certificate::from_der(&octets).unwrap();
        let expected = if name.contains("DSS") {
            PublicKeyKind::Other
        } else {
            PublicKeyKind::Rsa(1024)
        };
        assert_eq!(read.public_key_kind(), expected, "{name}");
        let refused = TrustStore::new().with_anchor(read.clone()).check_recipient(
            &read,
            &[],
            datetime!(2002-10-01 0:00 UTC),
        );
        assert!(refused.is_err(), "{name}");
    }
    for (name, octets) in at_hand::files(&folder, ".pri") {
        let refused = PrivateKey::from_pkcs8_der(&octets);
        assert!(
            matches!(refused, Err(MaterialError::PrivateKey(_))),
            "{name}"
        );
    }
    // Lists of the first version without a next update, signed with MD5 and DSA: they are read,
    // and count for nothing, as those signatures are none.
    for (name, octets) in at_hand::files(&folder, ".crl") {
        assert_eq!(
            Crl::from_der(&octets).unwrap().next_update(),
            None,
            "{name}"
        );
    }
}
