//! Attack 13: a certificate for one address under a From of another, however alike they look.

use liaison_smime::{AddressBinding, InvalidReason, SignatureVerdict};

use crate::forge::der::{oid, seq, set, tlv};
use crate::forge::pki::{Keys, Template, alternative_names};
use crate::forge::{DOCTOR, Stage, cms, entity, plain_mail};

/// The verdict on a mail with this header section, signed with a certificate of these names.
fn verdict(stage: &Stage, names: &[Vec<u8>], header: &str) -> SignatureVerdict {
    let keys = Keys::p256();
    let template = Template::person(DOCTOR, &keys, 40).with(alternative_names(names));
    signed_by(stage, &template, &keys, header)
}

fn signed_by(stage: &Stage, template: &Template, keys: &Keys, header: &str) -> SignatureVerdict {
    let signer = stage.root.person_of(template, keys);
    let content = entity("x");
    let object = cms::honest_signature(&signer, &content, false);
    let mut message = header.as_bytes().to_vec();
    message.extend_from_slice(&cms::multipart_signed(&content, &object));
    stage.look(&message).unwrap().signature().clone()
}

fn mail_name(address: &[u8]) -> Vec<u8> {
    tlv(0x81, address)
}

const FROM: &str = "From: dr.untel@hopital.test\r\n";

#[test]
fn the_address_is_matched_whole() {
    let stage = Stage::new();
    let exact = verdict(&stage, &[mail_name(DOCTOR.as_bytes())], FROM);
    let SignatureVerdict::Valid(valid) = exact else {
        panic!("{exact:?}");
    };
    assert_eq!(valid.binding, AddressBinding::Address(DOCTOR.to_owned()));
    for other in [
        "autre@hopital.test",
        "dr.untel@hopital.test.attaquant.test",
        "dr.untel@xn--hpital-0ta.test",
        "\"dr.untel\"@hopital.test",
        "dr.untel@hopital.test ",
        " dr.untel@hopital.test",
        "dr.untel@hopital.test@attaquant.test",
        "attaquant@attaquant.test,dr.untel@hopital.test",
        "<dr.untel@hopital.test>",
        "dr.untel",
        "@hopital.test",
        "",
    ] {
        let answer = verdict(&stage, &[mail_name(other.as_bytes())], FROM);
        assert!(
            !matches!(answer, SignatureVerdict::Valid(_)),
            "{other}: {answer:?}"
        );
    }
}

#[test]
fn a_nul_or_a_look_alike_is_not_the_address() {
    let stage = Stage::new();
    for name in [
        &b"dr.untel@hopital.test\0.attaquant.test"[..],
        b"dr.untel\0@hopital.test",
        "dr.untel@h\u{043e}pital.test".as_bytes(),
        "dr.untel@hopital.test\u{200b}".as_bytes(),
        b"dr.untel@hopital.test\r\n",
        b"\xff\xfe",
    ] {
        let keys = Keys::p256();
        let template =
            Template::person(DOCTOR, &keys, 41).with(alternative_names(&[mail_name(name)]));
        // A certificate that cannot be read helps nobody either.
        let der = stage.root.issue(&template);
        if liaison_smime::Certificate::from_der(&der).is_err() {
            continue;
        }
        let answer = signed_by(&stage, &template, &keys, FROM);
        assert!(
            !matches!(answer, SignatureVerdict::Valid(_)),
            "{name:?}: {answer:?}"
        );
    }
}

#[test]
fn the_subject_counts_only_where_there_is_no_alternative_name() {
    let stage = Stage::new();
    let subject = seq(&[set(&[seq(&[
        oid("1.2.840.113549.1.9.1"),
        tlv(0x16, DOCTOR),
    ])])]);
    let keys = Keys::p256();
    let mut template = Template::person("autre@hopital.test", &keys, 42);
    template.subject = subject.clone();
    assert_eq!(
        signed_by(&stage, &template, &keys, FROM),
        SignatureVerdict::Invalid(InvalidReason::WrongAddress),
        "the two disagree"
    );
    let mut template = Template::person(DOCTOR, &keys, 43);
    template.subject = subject;
    template.extensions.pop();
    assert!(matches!(
        signed_by(&stage, &template, &keys, FROM),
        SignatureVerdict::Valid(_)
    ));
}

#[test]
fn from_names_exactly_one_author() {
    let stage = Stage::new();
    let name = [mail_name(DOCTOR.as_bytes())];
    for (header, why) in [
        (
            "From: dr.untel@hopital.test, autre@hopital.test\r\n",
            "two addresses",
        ),
        (
            "From: autre@hopital.test, dr.untel@hopital.test\r\n",
            "two addresses",
        ),
        ("", "none"),
        ("From: \r\n", "empty"),
        ("From: dr.untel\r\n", "no domain"),
        (
            "From: groupe: dr.untel@hopital.test, a@b.test;\r\n",
            "a group",
        ),
        (
            "From: autre@hopital.test\r\nSender: dr.untel@hopital.test\r\n",
            "the signer is only the Sender",
        ),
        (
            "From: \"dr.untel@hopital.test\" <autre@hopital.test>\r\n",
            "the address is only a display name",
        ),
        (
            "From: dr.untel@hopital.test <autre@hopital.test>\r\n",
            "the address is only a display name",
        ),
        (
            "From: =?utf-8?q?dr.untel=40hopital.test?= <autre@hopital.test>\r\n",
            "the address is only an encoded display name",
        ),
        (
            "From: (dr.untel@hopital.test) autre@hopital.test\r\n",
            "the address is only a comment",
        ),
        ("From: dr.untel@h\u{043e}pital.test\r\n", "a look-alike"),
    ] {
        let answer = verdict(&stage, &name, header);
        assert!(
            !matches!(answer, SignatureVerdict::Valid(_)),
            "{why}: {answer:?}"
        );
    }
    // Two From fields: readers disagree on which one counts.
    let content = entity("x");
    let object = cms::honest_signature(&stage.doctor, &content, false);
    let twice = plain_mail(
        "a@b.test\r\nFrom: dr.untel@hopital.test",
        &cms::multipart_signed(&content, &object),
    );
    assert!(stage.look(&twice).is_err());
}
