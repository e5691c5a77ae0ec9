//! Attack 20: what is written back, or on: a bounce that quotes what was decrypted, a reply to a
//! message with somebody else's ciphertext in it (Covert Content). What a refusal, a verdict, a
//! finding or an inspection says holds nothing of the content; ciphertext beside other parts is
//! never decrypted, so that there is nothing to quote. (A relay's reports return nothing of the
//! message, whose plaintext it never had; what a gateway writes back is in the scenario of a key
//! that changed, and what it writes for anybody it seals for all of them or holds.)

use liaison_smime::{OpenPolicy, Opener, inspect};

use crate::forge::{SECRET, Stage, cms, entity, mail, now, plain_mail, readable};

/// Refusals and verdicts of every kind, in every form in which they could be written down.
#[test]
fn no_answer_quotes_the_content() {
    let stage = Stage::new();
    let signed = stage.signed_entity();
    let recipient = stage.recipient(&cms::KEY_256);
    let mut broken = cms::honest_gcm(std::slice::from_ref(&recipient), &signed);
    *broken.last_mut().unwrap() ^= 1;
    let unsigned_cbc = cms::enveloped(
        std::slice::from_ref(&recipient),
        cms::cbc(cms::AES256_CBC, &cms::IV),
        &cms::encrypt_cbc(&cms::KEY_256, &entity(SECRET)),
    );
    let other_from = cms::honest_gcm(std::slice::from_ref(&recipient), &signed);
    let malformed = cms::honest_gcm(
        &[recipient],
        format!("Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\r\n\r\n{SECRET}").as_bytes(),
    );
    for object in [&broken, &unsigned_cbc, &other_from, &malformed] {
        let spoofed = String::from_utf8(mail(object)).unwrap();
        let spoofed = spoofed.replacen("From: dr.untel@", "From: autre@", 1);
        for message in [mail(object), spoofed.into_bytes()] {
            let answer = stage.open(&message);
            let mut said = format!("{answer:?}");
            match &answer {
                Ok(opened) => said.push_str(&format!(
                    "{:?} {:?} {:?}",
                    opened.signature(),
                    opened.headers(),
                    opened.layers()
                )),
                Err(refusal) => said.push_str(&format!("{refusal} {}", refusal.enhanced_status())),
            }
            let policy = OpenPolicy::default();
            said.push_str(&format!("{:?}", inspect(&message, &policy.limits)));
            assert!(!said.contains("Fictive"), "{said}");
        }
    }
}

#[test]
fn ciphertext_in_a_quoted_part_is_not_opened_for_a_reply() {
    let stage = Stage::new();
    let object = cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &stage.signed_entity());
    let mut body = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
        Content-Type: text/plain\r\n\r\nMerci de me repondre en citant ceci.\r\n--b\r\n"
        .to_vec();
    body.extend_from_slice(&cms::entity(&object));
    body.extend_from_slice(b"\r\n--b--\r\n");
    let opened = stage.look(&plain_mail("autre@a.test", &body)).unwrap();
    assert!(opened.layers().is_empty());
    assert!(!readable(opened).contains("Fictive"));
    // The same inside an envelope and a signature of the attacker's own.
    let nested = cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &body);
    let policy = OpenPolicy::default();
    let opened = Opener::new(&policy, &stage.ring, &stage.trust).open(mail(&nested), now());
    assert!(!readable(opened.unwrap()).contains("Fictive"));
}
