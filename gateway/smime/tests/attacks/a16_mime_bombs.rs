//! Attack 16: parts without number or end, giant headers, base64 that is none, compressed data.

use liaison_smime::{OpenPolicy, Refusal, SignatureVerdict};

use crate::forge::der::{algorithm, ctx, int, octets, oid, seq};
use crate::forge::{DOCTOR, Stage, cms, entity, is_named, mail, open_with, plain_mail};

#[test]
fn parts_without_number_are_not_a_signature() {
    let stage = Stage::new();
    let head = "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; \
                boundary=b\r\n\r\n";
    for body in [
        "--b\r\n\r\n".repeat(200_000),
        "--b--\r\n".repeat(200_000),
        "--b".repeat(200_000),
        "-".repeat(2_000_000),
        "\r\n".repeat(1_000_000),
    ] {
        let message = plain_mail(DOCTOR, format!("{head}{body}").as_bytes());
        assert!(is_named(&stage.look(&message)));
    }
}

#[test]
fn parts_inside_parts_are_not_followed() {
    let stage = Stage::new();
    let mut nested = String::new();
    for n in 0..20_000 {
        nested.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"
        ));
    }
    let opened = stage.look(&plain_mail(DOCTOR, nested.as_bytes())).unwrap();
    assert_eq!(opened.signature(), &SignatureVerdict::Unsigned);
    let object = cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], nested.as_bytes());
    assert!(stage.open(&mail(&object)).is_ok());
}

#[test]
fn layers_inside_layers_stop_at_the_limit() {
    let stage = Stage::new();
    let mut content = entity("x");
    for _ in 0..4 {
        content = cms::entity(&cms::honest_signature(&stage.doctor, &content, true));
    }
    let four = plain_mail(DOCTOR, &content);
    assert!(stage.look(&four).is_ok());
    content = cms::entity(&cms::honest_signature(&stage.doctor, &content, true));
    assert_eq!(
        stage.look(&plain_mail(DOCTOR, &content)).err(),
        Some(Refusal::TooLarge {
            what: "layers",
            limit: 4
        })
    );
}

#[test]
fn headers_meet_their_limits() {
    let stage = Stage::new();
    let object = cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &entity("x"));
    let honest = String::from_utf8(mail(&object)).unwrap();
    for fields in [
        format!("X-Long: {}\r\n", "y".repeat(300_000)),
        format!("X-Folded:{}\r\n", "\r\n y".repeat(100_000)),
        "X: y\r\n".repeat(1001),
    ] {
        let answer = stage.open(format!("{fields}{honest}").as_bytes());
        assert!(matches!(answer, Err(Refusal::TooLarge { .. })));
        // The same inside: the content is not shown either.
        let inside = cms::honest_gcm(
            &[stage.recipient(&cms::KEY_256)],
            format!("{fields}Content-Type: text/plain\r\n\r\nx").as_bytes(),
        );
        assert!(stage.open(&mail(&inside)).is_err());
    }
    let mut policy = OpenPolicy::default();
    policy.limits.message_octets = 500;
    let answer = open_with(&policy, &mail(&object), &stage.ring, &stage.trust);
    assert!(matches!(answer, Err(Refusal::TooLarge { limit: 500, .. })));
}

#[test]
fn base64_that_is_none_is_refused() {
    let stage = Stage::new();
    let object = cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &entity("x"));
    let honest = String::from_utf8(mail(&object)).unwrap();
    assert!(stage.open(honest.as_bytes()).is_ok());
    let at = honest.find("\r\n\r\n").unwrap() + 100;
    for garbage in ["*", "-_", "====", "\0", "é", "<!-- -->", "\u{200b}"] {
        let mut message = honest.clone();
        message.insert_str(at, garbage);
        assert!(is_named(&stage.open(message.as_bytes())), "{garbage:?}");
        // Octets after the object.
        let message = format!("{honest}{garbage}");
        let answer = stage.open(message.as_bytes());
        assert!(is_named(&answer), "after {garbage:?}: {answer:?}");
    }
}

#[test]
fn compressed_data_is_not_expanded() {
    let stage = Stage::new();
    // RFC 3274: a kilobyte that becomes a gigabyte need not be a true one to be refused.
    let object = cms::content_info(
        cms::COMPRESSED_DATA,
        seq(&[
            int(0),
            algorithm("1.2.840.113549.1.9.16.3.8"),
            seq(&[oid(cms::DATA), ctx(0, octets([0x78; 1024]))]),
        ]),
    );
    assert!(matches!(
        stage.look(&mail(&object)),
        Err(Refusal::NotAccepted {
            slot: "CMS content type",
            ..
        })
    ));
    let inside = cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &cms::entity(&object));
    assert!(matches!(
        stage.open(&mail(&inside)),
        Err(Refusal::NotAccepted {
            slot: "CMS content type",
            ..
        })
    ));
}
