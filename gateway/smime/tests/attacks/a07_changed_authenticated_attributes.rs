//! Attack 7: authenticated attributes that were changed, removed, tagged otherwise, or that
//! RFC 5083 §2.1 forbids.

use liaison_smime::Refusal;

use crate::forge::der::{int, octets, oid, set_of};
use crate::forge::{Stage, cms, is_named, mail};

/// The field `[1] IMPLICIT SET OF Attribute` and its authenticated form.
fn attributes(list: &[Vec<u8>]) -> (Vec<u8>, Vec<u8>) {
    let authenticated = set_of(list);
    let mut field = authenticated.clone();
    field[0] = 0xa1;
    (field, authenticated)
}

fn content_type(kind: &str) -> Vec<u8> {
    cms::attribute(cms::CONTENT_TYPE, &[oid(kind)])
}

#[test]
fn authenticated_attributes_are_authenticated() {
    let stage = Stage::new();
    let recipient = [stage.recipient(&cms::KEY_256)];
    let cipher = || cms::gcm(cms::AES256_GCM, &cms::NONCE, Some(16));
    let sealed = |field: Option<Vec<u8>>, aad: &[u8]| {
        let (ciphertext, tag) = cms::encrypt_gcm(&cms::KEY_256, &stage.signed_entity(), aad);
        let object = cms::auth_enveloped(&recipient, cipher(), &ciphertext, field, &tag);
        stage.open(&mail(&object)).map(|_| ())
    };
    let (field, aad) = attributes(&[content_type(cms::DATA)]);
    assert_eq!(sealed(Some(field.clone()), &aad), Ok(()));
    assert_eq!(sealed(None, &aad), Err(Refusal::CannotOpen), "removed");
    assert_eq!(
        sealed(Some(field.clone()), b""),
        Err(Refusal::CannotOpen),
        "added"
    );
    // The tag of the field instead of SET OF's: what some readers took for the same.
    assert_eq!(
        sealed(Some(field.clone()), &field),
        Err(Refusal::CannotOpen),
        "re-tagged"
    );
    let own = |value: u64| cms::attribute("1.3.6.1.4.1.99999.1", &[int(value)]);
    let (honest, aad) = attributes(&[content_type(cms::DATA), own(1)]);
    let (changed, _) = attributes(&[content_type(cms::DATA), own(2)]);
    assert_eq!(sealed(Some(honest), &aad), Ok(()));
    assert_eq!(
        sealed(Some(changed), &aad),
        Err(Refusal::CannotOpen),
        "changed"
    );
}

#[test]
fn attributes_that_rfc_5083_forbids_are_refused() {
    let stage = Stage::new();
    let recipient = [stage.recipient(&cms::KEY_256)];
    let digest = cms::attribute(cms::MESSAGE_DIGEST, &[octets(cms::sha256(b"x"))]);
    for (list, why) in [
        (
            vec![content_type(cms::DATA), digest.clone()],
            "messageDigest",
        ),
        (vec![digest], "messageDigest alone"),
        (vec![content_type(cms::SIGNED_DATA)], "another content type"),
        (
            vec![content_type(cms::DATA), content_type(cms::DATA)],
            "contentType twice",
        ),
        (
            vec![cms::attribute(
                cms::CONTENT_TYPE,
                &[oid(cms::DATA), oid(cms::DATA)],
            )],
            "two values",
        ),
        (vec![cms::attribute(cms::CONTENT_TYPE, &[])], "no value"),
        (vec![octets(b"x")], "no attribute at all"),
    ] {
        let (field, aad) = attributes(&list);
        let (ciphertext, tag) = cms::encrypt_gcm(&cms::KEY_256, &stage.signed_entity(), &aad);
        let cipher = cms::gcm(cms::AES256_GCM, &cms::NONCE, Some(16));
        let object = cms::auth_enveloped(&recipient, cipher, &ciphertext, Some(field), &tag);
        let answer = stage.open(&mail(&object));
        assert!(is_named(&answer), "{why}: {answer:?}");
    }
}
