//! Attack 22: capabilities that make every later message go out under an old cipher, in
//! signatures that are not the partner's, of the future, long past, or replayed. (Certificates
//! that redirect: the known keys' own tests, and those of the gateway's partners.)

use liaison_smime::{
    CapabilityMemory, CipherChoice, CipherFloor, Lesson, NoLesson, SignatureVerdict, ValidSignature,
};
use time::Duration;

use crate::forge::der::{octets, oid, seq, utc_time};
use crate::forge::pki::{Authority, Keys, Person};
use crate::forge::{DOCTOR, Stage, cms, entity, mail, now};

const SMIME_CAPABILITIES: &str = "1.2.840.113549.1.9.15";

/// A sealed message signed by `signer`, which says that its client reads AES-CBC alone and that
/// it was signed `ahead` of now.
fn message(stage: &Stage, signer: &Person, ahead: Duration) -> Vec<u8> {
    let content = entity("x");
    let at = (now() + ahead).unix_timestamp();
    let cbc = seq(&[seq(&[oid(cms::AES128_CBC)])]);
    let attributes = vec![
        cms::attribute(cms::CONTENT_TYPE, &[oid(cms::DATA)]),
        cms::attribute(cms::SIGNING_TIME, &[utc_time(at)]),
        cms::attribute(cms::MESSAGE_DIGEST, &[octets(cms::sha256(&content))]),
        cms::attribute(SMIME_CAPABILITIES, &[cbc]),
    ];
    let info = cms::Signer::with(signer, attributes).encode(&content);
    let object = cms::signed(cms::DATA, None, &[signer.certificate.der()], &[info]);
    let entity = cms::multipart_signed(&content, &object);
    mail(&cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &entity))
}

fn signature(stage: &Stage, message: &[u8]) -> Option<ValidSignature> {
    match stage.open(message).unwrap().signature() {
        SignatureVerdict::Valid(valid) => Some(valid.clone()),
        _ => None,
    }
}

#[test]
fn only_the_partners_own_timely_signature_teaches() {
    let stage = Stage::new();
    // A stranger, an authority of the attacker's own, another member of the territory: none of
    // them has a valid signature, and nothing else can be learned from.
    let stranger = Authority::named("Autre").person(DOCTOR, &Keys::p256(), 80);
    let colleague = stage
        .root
        .person("collegue@hopital.test", &Keys::p256(), 81);
    for signer in [&stranger, &colleague] {
        let found = signature(&stage, &message(&stage, signer, Duration::ZERO));
        assert!(found.is_none(), "{found:?}");
    }
    let mut memory = CapabilityMemory::new();
    for (ahead, why) in [
        (Duration::hours(2), "of the future"),
        (Duration::days(-40), "long past"),
    ] {
        let valid = signature(&stage, &message(&stage, &stage.doctor, ahead)).unwrap();
        let lesson = memory.learn(&valid, now());
        assert_eq!(lesson, Lesson::Nothing(NoLesson::BadTime), "{why}");
    }
    assert_eq!(memory, CapabilityMemory::new());
    // The partner's own, once; its replay after a newer one teaches nothing.
    let old = signature(&stage, &message(&stage, &stage.doctor, Duration::hours(-2))).unwrap();
    assert_eq!(memory.learn(&old, now()), Lesson::Learned);
    let newer = signature(&stage, &message(&stage, &stage.doctor, Duration::hours(-1))).unwrap();
    assert_eq!(memory.learn(&newer, now()), Lesson::Learned);
    assert_eq!(memory.learn(&old, now()), Lesson::Nothing(NoLesson::Older));
}

#[test]
fn what_was_learned_never_goes_below_the_floor() {
    let stage = Stage::new();
    let valid = signature(&stage, &message(&stage, &stage.doctor, Duration::ZERO)).unwrap();
    let mut memory = CapabilityMemory::new();
    assert_eq!(memory.learn(&valid, now()), Lesson::Learned);
    let choice = memory.cipher_for(DOCTOR, CipherFloor::Authenticated);
    assert_eq!(choice, CipherChoice::GcmUnread, "sent in GCM, and told");
    assert_eq!(
        memory.cipher_for(DOCTOR, CipherFloor::Cbc),
        CipherChoice::Cbc
    );
}
