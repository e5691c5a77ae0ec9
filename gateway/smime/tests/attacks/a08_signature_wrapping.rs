//! Attack 8: something is signed, something else is shown (CVE-2018-18509 and its kin).

use liaison_smime::{Refusal, SignatureVerdict};

use crate::forge::{DOCTOR, Stage, cms, entity, mail, plain_mail, readable};

fn is_valid(verdict: &SignatureVerdict) -> bool {
    matches!(verdict, SignatureVerdict::Valid(_))
}

fn signed(stage: &Stage) -> (Vec<u8>, Vec<u8>) {
    let content = entity("ce qui est signé");
    let object = cms::honest_signature(&stage.doctor, &content, false);
    (content, object)
}

#[test]
fn a_detached_signature_holds_no_content() {
    let stage = Stage::new();
    let (content, _) = signed(&stage);
    let opaque = cms::honest_signature(&stage.doctor, &content, true);
    let shown = entity("ce qui est montré");
    for body in [&shown, &content] {
        let message = plain_mail(DOCTOR, &cms::multipart_signed(body, &opaque));
        assert!(matches!(stage.look(&message), Err(Refusal::Malformed(_))));
    }
    // And an opaque one has some.
    let detached = cms::honest_signature(&stage.doctor, &content, false);
    assert!(matches!(
        stage.look(&mail(&detached)),
        Err(Refusal::Malformed(_))
    ));
}

#[test]
fn parts_beside_the_signed_one_are_refused() {
    let stage = Stage::new();
    let (content, object) = signed(&stage);
    let honest = String::from_utf8(cms::multipart_signed(&content, &object)).unwrap();
    let opened = stage.look(&plain_mail(DOCTOR, honest.as_bytes())).unwrap();
    assert!(is_valid(opened.signature()));
    let extra = "--limite\r\nContent-Type: text/plain\r\n\r\nnon signé\r\n";
    let end = honest.find("--limite--").unwrap();
    let start = honest.find("--limite\r\n").unwrap();
    let middle = start + honest[start + 1..].find("--limite\r\n").unwrap() + 1;
    for (at, why) in [(start, "before"), (middle, "between"), (end, "after")] {
        let mut message = honest.clone();
        message.insert_str(at, extra);
        let answer = stage.look(&plain_mail(DOCTOR, message.as_bytes()));
        let valid = answer.as_ref().is_ok_and(|o| is_valid(o.signature()));
        assert!(!valid, "{why}: {answer:?}");
        assert!(answer.is_err(), "{why}");
    }
}

#[test]
fn preamble_and_epilogue_are_not_shown() {
    let stage = Stage::new();
    let (content, object) = signed(&stage);
    let mut message = String::from_utf8(cms::multipart_signed(&content, &object)).unwrap();
    let start = message.find("--limite\r\n").unwrap();
    message.insert_str(start, "préambule non signé\r\n");
    message.push_str("épilogue non signé\r\n");
    let opened = stage.look(&plain_mail(DOCTOR, message.as_bytes())).unwrap();
    assert!(is_valid(opened.signature()));
    let shown = readable(opened);
    assert!(shown.contains("ce qui est signé") && !shown.contains("non signé"));
}

#[test]
fn a_signed_part_among_unsigned_ones_vouches_for_nothing() {
    let stage = Stage::new();
    let (content, object) = signed(&stage);
    let inner = cms::multipart_signed(&content, &object);
    let mut body = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n".to_vec();
    body.extend_from_slice(&inner);
    body.extend_from_slice(b"\r\n--b\r\nContent-Type: text/plain\r\n\r\net ceci\r\n--b--\r\n");
    let opened = stage.look(&plain_mail(DOCTOR, &body)).unwrap();
    assert_eq!(opened.signature(), &SignatureVerdict::Unsigned);
    // Encrypted by somebody else, the same.
    let sealed = cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &body);
    let opened = stage.open(&mail(&sealed)).unwrap();
    assert_eq!(opened.signature(), &SignatureVerdict::Unsigned);
}

#[test]
fn a_signature_around_an_envelope_does_not_sign_its_content() {
    let stage = Stage::new();
    let sealed = cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &entity("de qui ?"));
    let envelope = cms::entity(&sealed);
    let signature = cms::honest_signature(&stage.doctor, &envelope, false);
    let message = plain_mail(DOCTOR, &cms::multipart_signed(&envelope, &signature));
    let opened = stage.open(&message).unwrap();
    assert_eq!(opened.signature(), &SignatureVerdict::Unsigned);
}
