//! Attack 23: a message that was truly signed, taken out of its envelope and sealed again for
//! somebody else (surreptitious forwarding), or delivered once more. The signature holds; whom it
//! was for stands in the protected fields, which nobody can change, and in KIM's signed list.
//! (The gateway compares them with the recipient and tells the reader: its own tests.)

use liaison_smime::{
    HeaderFinding, HeaderProtection, InvalidReason, Profile, Recipients, SealPolicy, Sealer,
    SignatureVerdict,
};

use crate::forge::pki::Keys;
use crate::forge::{HOME, Stage, cms, mail, now, open, readable};

const LETTER: &[u8] = b"From: dr.untel@hopital.test\r\nTo: accueil@ehpad.test\r\n\
    Subject: Sortie\r\nMessage-ID: <1@hopital.test>\r\n\r\nVotre patiente sort demain.\r\n";

#[test]
fn the_protected_recipients_are_those_of_the_author() {
    let stage = Stage::new();
    let other = stage.root.person("autre@ehpad.test", &Keys::rsa(), 91);
    let signer = stage.doctor.identity();
    let to_home = Recipients::visible([stage.home.certificate.clone()]);
    let sealed = Sealer::new(SealPolicy::default())
        .sign_with(&signer)
        .seal_to_vec(LETTER, &to_home, now())
        .unwrap();
    // The home takes off the envelope, and what the doctor signed goes to another, under another
    // To.
    let signed = cms::without_envelope(&sealed, &stage.home);
    let forwarded = cms::honest_gcm(&[cms::oaep(&other, &cms::KEY_256)], &signed);
    let forwarded = String::from_utf8(mail(&forwarded)).unwrap();
    let forwarded = forwarded.replacen("To: accueil@", "To: autre@", 1);
    let opened = open(forwarded.as_bytes(), &other.ring(), &stage.trust).unwrap();
    assert!(matches!(opened.signature(), SignatureVerdict::Valid(_)));
    assert_eq!(opened.headers().protection, HeaderProtection::Cipher);
    assert!(
        opened
            .headers()
            .findings
            .contains(&HeaderFinding::Altered { name: "To" })
    );
    let shown = readable(opened);
    assert!(shown.contains(&format!("To: {HOME}\r\n")), "{shown}");
    assert!(!shown.contains("autre@"), "{shown}");
}

/// KIM: the addresses that the envelope was made for are signed too (gemSMIME_KOMLE).
#[test]
fn an_envelope_without_the_list_that_was_signed_is_found_out() {
    let stage = Stage::new();
    let doctor = stage.root.person(crate::forge::DOCTOR, &Keys::rsa(), 92);
    let signer = doctor.identity();
    let mut policy = SealPolicy::default();
    policy.profile = Profile::KomLe;
    let both = Recipients::visible([stage.home.certificate.clone()])
        .and_sender(doctor.certificate.clone());
    let sealed = Sealer::new(policy)
        .sign_with(&signer)
        .seal_to_vec(LETTER, &both, now())
        .unwrap();
    let honest = stage.open(&sealed).unwrap();
    assert!(matches!(honest.signature(), SignatureVerdict::Valid(_)));
    // The signed entity in another envelope, which has no such list.
    let inner = cms::without_envelope(&sealed, &stage.home);
    let again = cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &inner);
    let opened = stage.open(&mail(&again)).unwrap();
    assert_eq!(
        opened.signature(),
        &SignatureVerdict::Invalid(InvalidReason::OtherRecipients)
    );
}
