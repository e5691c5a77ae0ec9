//! The people of RFC 9216: two authorities, four persons, each with a key that signs and one that
//! receives. `rfc9216.pem` holds the blocks of the RFC's text, by section.

use liaison_smime::{
    Certificate, Identities, Identity, OpenPolicy, PrivateKey, PublicKeyKind, Recipients,
    SealPolicy, Sealer, SignatureVerdict, TrustStore, identities_from_pkcs12,
};
use time::OffsetDateTime;
use time::macros::datetime;

const TEXT: &str = include_str!("rfc9216.pem");
/// All of them are valid from December 2020 to September 2052.
const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

/// Each person with the sections of the certificate that signs and of the one that receives; the
/// key stands in the section after. The name is the passphrase of the PKCS #12 object, in the
/// chapter's fifth section.
const PERSONS: [(&str, usize); 4] = [("alice", 4), ("bob", 5), ("carlos", 7), ("dana", 8)];

/// The PEM block of a section.
fn block(section: &str) -> String {
    let heading = format!("# §{section} ");
    let at = TEXT.find(&heading).unwrap();
    let block: Vec<&str> = TEXT[at..]
        .lines()
        .skip(1)
        .take_while(|line| !line.is_empty())
        .collect();
    block.join("\n") + "\n"
}

fn certificate(section: &str) -> Certificate {
    Certificate::from_pem(&block(section)).unwrap()
}

fn identity(chapter: usize, section: usize) -> Identity {
    let key = PrivateKey::from_pkcs8_pem(&block(&format!("{chapter}.{}", section + 1))).unwrap();
    let certificate = certificate(&format!("{chapter}.{section}"));
    Identity::new(certificate, Vec::new(), key).unwrap()
}

/// Everybody's keys, and trust in the RSA authority alone: it vouches for the other (§6.3).
pub(crate) struct People {
    pub(crate) ring: Identities,
    pub(crate) trust: TrustStore,
}

pub(crate) fn people() -> People {
    let ring = PERSONS
        .iter()
        .fold(Identities::new(), |ring, (_, chapter)| {
            ring.with(identity(*chapter, 1)).with(identity(*chapter, 3))
        });
    let trust = TrustStore::new()
        .with_anchor(certificate("3.1"))
        .with_intermediate(certificate("6.3"));
    People { ring, trust }
}

#[test]
fn each_certificate_does_what_it_is_for_and_no_more() {
    let trust = people().trust;
    for (name, chapter) in PERSONS {
        let (signs, receives) = (identity(chapter, 1), identity(chapter, 3));
        let address = format!("{name}@smime.example");
        assert_eq!(signs.certificate().addresses(), [address.as_str()]);
        let expected = match name {
            "alice" | "bob" => PublicKeyKind::Rsa(2048),
            _ => PublicKeyKind::Ed25519,
        };
        assert_eq!(signs.certificate().public_key_kind(), expected, "{name}");
        let check = |who: &Identity| trust.check_recipient(who.certificate(), &[], NOW);
        assert!(check(&signs).is_err(), "{name} signs");
        check(&receives).unwrap();
    }
}

/// Without the certificate by which the RSA authority vouches for the other (§6.3), its people are
/// strangers; their own root (§6.1) makes them known.
#[test]
fn the_other_authority_is_known_by_a_cross_signature_or_by_its_root() {
    let dana = identity(8, 3);
    let check = |trust: &TrustStore| trust.check_recipient(dana.certificate(), &[], NOW);
    let rsa = TrustStore::new().with_anchor(certificate("3.1"));
    assert!(check(&rsa).is_err());
    check(&rsa.with_intermediate(certificate("6.3"))).unwrap();
    check(&TrustStore::new().with_anchor(certificate("6.1"))).unwrap();
    let alice = identity(4, 3);
    let ed25519 = TrustStore::new().with_anchor(certificate("6.1"));
    assert!(
        ed25519
            .check_recipient(alice.certificate(), &[], NOW)
            .is_err()
    );
    // And the other way round (§3.3).
    ed25519
        .with_intermediate(certificate("3.3"))
        .check_recipient(alice.certificate(), &[], NOW)
        .unwrap();
}

/// §§4.5, 5.5, 7.5, 8.5: the same certificates and keys, with the authority's.
#[test]
fn everybodys_pkcs12_object_holds_their_two_identities() {
    for (name, chapter) in PERSONS {
        let file = super::pem(&block(&format!("{chapter}.5")));
        assert!(identities_from_pkcs12(&file, "wrong").is_err(), "{name}");
        let found = identities_from_pkcs12(&file, name).unwrap();
        assert_eq!(found.len(), 2, "{name}");
        for section in [1, 3] {
            let wanted = certificate(&format!("{chapter}.{section}"));
            assert!(
                found.iter().any(|one| one.certificate() == &wanted),
                "{name} §{chapter}.{section}"
            );
        }
    }
}

#[test]
fn each_of_them_writes_to_all_and_is_read_and_known_by_all() {
    let People { trust, .. } = people();
    let everybody: Vec<Certificate> = PERSONS
        .iter()
        .map(|(_, chapter)| certificate(&format!("{chapter}.3")))
        .collect();
    for (author, chapter) in PERSONS {
        let signer = identity(chapter, 1);
        let message = format!(
            "From: {author}@smime.example\r\nTo: all@smime.example\r\nSubject: Bonjour\r\n\r\n\
             Bonjour,\r\n"
        );
        let sealed = Sealer::new(SealPolicy::default())
            .sign_with(&signer)
            .seal_to_vec(
                message.as_bytes(),
                &Recipients::visible(everybody.clone()),
                NOW,
            )
            .unwrap();
        for (reader, chapter) in PERSONS {
            let ring = Identities::new().with(identity(chapter, 3));
            let policy = OpenPolicy::default();
            let mut opened = super::open(&policy, &sealed, &ring, &trust, NOW).unwrap();
            let verdict = opened.signature();
            assert!(
                matches!(verdict, SignatureVerdict::Valid(_)),
                "{author} to {reader}: {verdict:?}"
            );
            let plain = opened.readable().into_vec().unwrap();
            assert!(
                plain.ends_with(b"\r\n\r\nBonjour,\r\n"),
                "{author} to {reader}"
            );
        }
    }
}
