//! Attack 3: an unauthenticated cipher inside AuthEnvelopedData, an authenticated one without
//! its tag in EnvelopedData (CVE-2026-34182), any other mode. Refused before a key is looked for.

use liaison_smime::{OpenPolicy, Opener, Refusal};

use crate::forge::der::{algorithm, int, octets, oid, seq};
use crate::forge::{CountingRing, Stage, cms, mail, now};

#[test]
fn every_pair_that_is_not_listed_is_refused_before_the_key_is_used() {
    let stage = Stage::new();
    let recipient = [stage.recipient(&cms::KEY_256)];
    let plain = stage.signed_entity();
    let (stream, tag) = cms::encrypt_gcm(&cms::KEY_256, &plain, b"");
    let blocks = cms::encrypt_cbc(&cms::KEY_256, &plain);
    let iv = |name: &str| seq(&[oid(name), octets(cms::IV)]);
    let in_auth = |cipher| cms::auth_enveloped(&recipient, cipher, &blocks, None, &tag);
    let in_plain = |cipher| cms::enveloped(&recipient, cipher, &stream);
    let aes = |n: u8| format!("2.16.840.1.101.3.4.1.{n}");
    let mut objects = vec![
        (
            "CBC, authenticated",
            in_auth(cms::cbc(cms::AES256_CBC, &cms::IV)),
        ),
        (
            "GCM, no tag",
            in_plain(cms::gcm(cms::AES256_GCM, &cms::NONCE, Some(16))),
        ),
        (
            "GCM parameters of CBC",
            in_auth(seq(&[oid(cms::AES256_GCM), octets(cms::IV)])),
        ),
        (
            "CBC parameters of GCM",
            in_plain(cms::gcm(cms::AES256_CBC, &cms::NONCE, Some(16))),
        ),
        ("no parameters", in_plain(algorithm(cms::AES256_CBC))),
        ("GCM, no parameters", in_auth(algorithm(cms::AES256_GCM))),
    ];
    // ECB, OFB, CFB, CCM of 128 and 256 bits; triple DES; RC4; AES-192-GCM and ChaCha20-Poly1305
    // where they do not belong.
    for name in [1, 3, 4, 7, 27, 41, 43, 44, 47, 26]
        .map(aes)
        .into_iter()
        .chain(
            [
                "1.2.840.113549.1.9.16.3.18",
                "1.2.840.113549.3.7",
                "1.2.840.113549.3.4",
            ]
            .map(str::to_owned),
        )
    {
        objects.push(("another cipher", in_plain(iv(&name))));
        objects.push(("another cipher", in_auth(iv(&name))));
        let parameters = seq(&[octets(cms::NONCE), int(16)]);
        if name != aes(26) {
            objects.push(("another cipher", in_auth(seq(&[oid(&name), parameters]))));
        }
    }
    for (why, object) in objects {
        let ring = CountingRing::new(&stage.ring);
        let policy = OpenPolicy::default();
        let answer = Opener::new(&policy, &ring, &stage.trust).open(mail(&object), now());
        assert!(
            matches!(
                answer,
                Err(Refusal::NotAccepted { .. } | Refusal::Malformed(_))
            ),
            "{why}: {answer:?}"
        );
        assert_eq!(ring.asked.get(), 0, "{why}: a key was looked for");
    }
}
