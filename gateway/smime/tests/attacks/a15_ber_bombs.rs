//! Attack 15: encodings meant to exhaust the reader, or to be read in two ways.

use liaison_smime::Refusal;

use crate::forge::der::{ctx, indefinite, int, octets, oid, seq, set, tlv};
use crate::forge::{Stage, cms, content, entity, is_named, mail};

#[test]
fn nesting_stops_at_the_limit() {
    let stage = Stage::new();
    for tag in [0x30, 0x31, 0xa0, 0x24] {
        let bomb = [tag, 0x80].repeat(1_000_000);
        assert!(is_named(&stage.look(&mail(&bomb))), "{tag:#x}");
        let inside = cms::content_info(cms::SIGNED_DATA, seq(&[int(1), bomb]));
        assert!(is_named(&stage.look(&mail(&inside))), "{tag:#x} inside");
    }
    let mut deep = int(1);
    for _ in 0..5000 {
        deep = seq(&[deep]);
    }
    assert!(is_named(&stage.look(&mail(&deep))));
}

#[test]
fn a_million_tiny_pieces_are_one_string() {
    let stage = Stage::new();
    let text = entity(&"x".repeat(1 << 20));
    let pieces: Vec<u8> = text.iter().flat_map(|o| [4, 1, *o]).collect();
    for wrap in [indefinite, tlv_of] {
        let object = seq(&[
            oid(cms::SIGNED_DATA),
            ctx(
                0,
                seq(&[
                    int(1),
                    set(&[]),
                    seq(&[oid(cms::DATA), ctx(0, wrap(0x24, &pieces))]),
                    set(&[]),
                ]),
            ),
        ]);
        let mut opened = stage.look(&mail(&object)).unwrap();
        assert_eq!(content(&mut opened), text);
    }
}

fn tlv_of(tag: u8, content: &Vec<u8>) -> Vec<u8> {
    tlv(tag, content)
}

#[test]
fn lengths_that_lie_cost_nothing() {
    let stage = Stage::new();
    let honest = cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &entity("x"));
    for length in [
        &[0x84, 0xff, 0xff, 0xff, 0xff][..],
        &[0x84, 0x7f, 0xff, 0xff, 0xff],
        &[0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xff],
        &[0x82],
    ] {
        for tag in [0x30, 0x24, 0x04, 0x06, 0x02] {
            let outer = [&[tag], length, &honest[..]].concat();
            assert!(is_named(&stage.look(&mail(&outer))));
            let inner = seq(&[oid(cms::ENVELOPED_DATA), [&[tag], length, &[0; 8]].concat()]);
            assert!(is_named(&stage.look(&mail(&inner))));
        }
    }
}

#[test]
fn ends_and_tails_are_where_they_should_be() {
    let stage = Stage::new();
    let honest = cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &entity("x"));
    assert!(stage.open(&mail(&honest)).is_ok());
    for tail in [&[0][..], &[0, 0], b"\x30\x00", b"suite"] {
        let octets = [&honest, tail].concat();
        assert!(is_named(&stage.open(&mail(&octets))), "trailing {tail:?}");
    }
    for cut in [1, 2, 17, 100, honest.len() - 1] {
        let octets = &honest[..honest.len() - cut];
        assert!(is_named(&stage.open(&mail(octets))), "cut {cut}");
    }
    let body = &honest[4..];
    let mut open_ended = vec![0x30, 0x80];
    open_ended.extend_from_slice(body);
    assert!(
        is_named(&stage.open(&mail(&open_ended))),
        "no end of contents"
    );
    open_ended.extend_from_slice(&[0, 0]);
    assert!(
        stage.open(&mail(&open_ended)).is_ok(),
        "the indefinite form"
    );
    open_ended.extend_from_slice(&[0, 0]);
    assert!(is_named(&stage.open(&mail(&open_ended))), "two ends");
}

#[test]
fn forms_and_fields_are_not_confused() {
    let stage = Stage::new();
    let recipient = stage.recipient(&cms::KEY_256);
    let (ciphertext, tag) = cms::encrypt_gcm(&cms::KEY_256, &entity("x"), b"");
    let cipher = || cms::gcm(cms::AES256_GCM, &cms::NONCE, Some(16));
    let object =
        |fields: &[Vec<u8>]| mail(&cms::content_info(cms::AUTH_ENVELOPED_DATA, seq(fields)));
    let version = || int(0);
    let recipients = || set(std::slice::from_ref(&recipient));
    let info = |content: Vec<u8>| seq(&[oid(cms::DATA), cipher(), content]);
    let content = || tlv(0x80, &ciphertext);
    let mac = || octets(&tag);
    assert!(
        stage
            .open(&object(&[version(), recipients(), info(content()), mac()]))
            .is_ok()
    );
    for (fields, why) in [
        (vec![recipients(), info(content()), mac()], "no version"),
        (vec![version(), info(content()), mac()], "no recipients"),
        (vec![version(), recipients(), mac()], "no content"),
        (vec![version(), recipients(), info(content())], "no mac"),
        (
            vec![
                version(),
                recipients(),
                recipients(),
                info(content()),
                mac(),
            ],
            "recipients twice",
        ),
        (
            vec![
                version(),
                recipients(),
                info(content()),
                info(content()),
                mac(),
            ],
            "content twice",
        ),
        (
            vec![version(), recipients(), info(content()), mac(), mac()],
            "mac twice",
        ),
        (
            vec![version(), recipients(), info(tlv(0xa0, &ciphertext)), mac()],
            "a primitive called constructed",
        ),
        (
            vec![version(), recipients(), info(octets(&ciphertext)), mac()],
            "content under another tag",
        ),
        (
            vec![
                version(),
                seq(std::slice::from_ref(&recipient)),
                info(content()),
                mac(),
            ],
            "a SEQUENCE for a SET",
        ),
        (
            vec![version(), tlv(0x11, &recipient), info(content()), mac()],
            "a primitive SET",
        ),
        (
            vec![version(), recipients(), info(tlv(0xa0, int(5))), mac()],
            "another type among the pieces",
        ),
        (
            vec![tlv(0x22, int(0)), recipients(), info(content()), mac()],
            "a constructed INTEGER",
        ),
        (
            vec![tlv(0x02, []), recipients(), info(content()), mac()],
            "an empty INTEGER",
        ),
        (
            vec![
                version(),
                recipients(),
                seq(&[tlv(0x06, []), cipher(), content()]),
                mac(),
            ],
            "an empty OBJECT IDENTIFIER",
        ),
        (
            vec![tlv(0x1f, [0x81, 0]), recipients(), info(content()), mac()],
            "a tag of several octets",
        ),
    ] {
        let answer = stage.open(&object(&fields));
        assert!(is_named(&answer), "{why}: {answer:?}");
    }
}

#[test]
fn counts_meet_their_limits() {
    let stage = Stage::new();
    let recipient = stage.recipient(&cms::KEY_256);
    let mut many = vec![recipient; 512];
    let object = cms::honest_gcm(&many, &entity("x"));
    assert!(stage.open(&mail(&object)).is_ok());
    many.push(many[0].clone());
    let object = cms::honest_gcm(&many, &entity("x"));
    assert!(matches!(
        stage.open(&mail(&object)),
        Err(Refusal::TooLarge {
            what: "recipients",
            limit: 512
        })
    ));
    let text = entity("x");
    let signer = cms::Signer::honest(&stage.doctor, &text).encode(&text);
    let object = cms::signed(
        cms::DATA,
        Some(&text),
        &[stage.doctor.certificate.der()],
        &vec![signer; 9],
    );
    assert!(matches!(
        stage.look(&mail(&object)),
        Err(Refusal::TooLarge {
            what: "signers",
            limit: 8
        })
    ));
    let mut attributes = cms::honest_attributes(&text);
    for n in 0..64 {
        attributes.push(cms::attribute(&format!("1.3.6.1.4.1.99999.{n}"), &[int(n)]));
    }
    let signer = cms::Signer::with(&stage.doctor, attributes).encode(&text);
    let object = cms::signed(
        cms::DATA,
        Some(&text),
        &[stage.doctor.certificate.der()],
        &[signer],
    );
    let opened = stage.look(&mail(&object)).unwrap();
    assert!(matches!(
        opened.signature(),
        liaison_smime::SignatureVerdict::Invalid(liaison_smime::InvalidReason::Attributes(_))
    ));
}
