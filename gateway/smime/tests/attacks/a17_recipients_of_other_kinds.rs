//! Attack 17: recipients whose key comes from a password (with as many iterations as the sender
//! likes), from a shared key, or from who knows where. They are nobody here, and cost nothing.
//! (The iterations of an imported PKCS#12 file are bounded in that reader's own tests.)

use liaison_smime::Refusal;

use crate::forge::der::{algorithm, ctx, ctx_primitive, int, octets, oid, seq};
use crate::forge::{Stage, cms, entity, mail};

/// `PasswordRecipientInfo` (RFC 3211) with 2^31 iterations.
fn password() -> Vec<u8> {
    let derivation = [
        oid("1.2.840.113549.1.5.12"),
        seq(&[octets([7; 16]), int(1 << 31)]),
    ]
    .concat();
    let encryption = seq(&[
        oid("1.2.840.113549.1.9.16.3.9"),
        cms::cbc(cms::AES256_CBC, &cms::IV),
    ]);
    ctx(
        3,
        [int(0), ctx(0, derivation), encryption, octets([1; 48])].concat(),
    )
}

/// `KEKRecipientInfo`.
fn shared_key() -> Vec<u8> {
    let id = seq(&[octets(b"cle")]);
    ctx(
        2,
        [int(4), id, algorithm(cms::AES256_WRAP), octets([1; 40])].concat(),
    )
}

/// `OtherRecipientInfo` of a kind that nobody knows.
fn other() -> Vec<u8> {
    ctx(4, [oid("1.3.6.1.4.1.99999.4"), int(1)].concat())
}

#[test]
fn alone_they_are_refused_by_name_and_beside_others_stand_in_nobodys_way() {
    let stage = Stage::new();
    for (info, why) in [
        (password(), "password"),
        (shared_key(), "shared key"),
        (other(), "other"),
        (ctx_primitive(7, [1, 2, 3]), "of no known kind"),
    ] {
        let object = cms::honest_gcm(std::slice::from_ref(&info), &entity("x"));
        let answer = stage.open(&mail(&object));
        assert!(
            matches!(
                answer,
                Err(Refusal::NotAccepted {
                    slot: "recipient",
                    ..
                })
            ),
            "{why}: {answer:?}"
        );
        let beside = cms::honest_gcm(&[info, stage.recipient(&cms::KEY_256)], &entity("x"));
        assert!(stage.open(&mail(&beside)).is_ok(), "{why}");
    }
}

/// An originator's static key, named by its certificate instead of given: no way to agree that
/// S/MIME 4.0 has. Alone it is refused by name; beside others it is nobody's.
#[test]
fn a_static_originator_is_refused_by_name() {
    let stage = Stage::new();
    let info = ctx(
        1,
        [
            int(3),
            ctx(0, stage.doctor.rid()),
            seq(&[oid("1.3.132.1.11.1"), algorithm(cms::AES256_WRAP)]),
            seq(&[seq(&[stage.home.rid(), octets([9; 40])])]),
        ]
        .concat(),
    );
    let alone = cms::honest_gcm(std::slice::from_ref(&info), &entity("x"));
    let refusal = stage.open(&mail(&alone)).err().unwrap().to_string();
    assert!(
        refusal.contains("static key of the originator"),
        "{refusal}"
    );
    let beside = cms::honest_gcm(&[info, stage.recipient(&cms::KEY_256)], &entity("x"));
    assert!(stage.open(&mail(&beside)).is_ok());
}
