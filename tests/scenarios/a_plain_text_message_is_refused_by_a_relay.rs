//! A relay carries S/MIME enveloped content only: what it could read, it refuses, whoever offers
//! it.

use liaison_tests::logs::{CANARY, assert_silent_about, wait_for_line};
use liaison_tests::peer::Peer;
use liaison_tests::routine::letter;
use liaison_tests::territory::{EHPAD, WARD};
use liaison_tests::{Territory, routine};

#[test]
fn a_plain_text_message_is_refused_by_a_relay() {
    let (territory, _sites) = Territory::start();
    let text = format!("Mme {CANARY} rentre ce soir.");
    let plain = letter(WARD, EHPAD, &format!("Sortie de {CANARY}"), &text);
    // What only calls itself enveloped is no better.
    let disguised = plain.replace(
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: application/pkcs7-mime; smime-type=authEnveloped-data; name=smime.p7m",
    );
    // A report carries nothing back, and has no sender: this one is a mail like another.
    let signed_only = plain.replace(
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b",
    );
    let mut peer = Peer::welcome(&territory, "hospital", "ehpad");
    for message in [&plain, &disguised, &signed_only] {
        let reply = peer.offer(WARD, EHPAD, message);
        assert_eq!(
            reply,
            "550 5.6.0 this relay carries only S/MIME enveloped messages; encrypt it for its \
             recipient\n"
        );
    }
    let line = wait_for_line(
        &territory,
        "ehpad",
        "refused",
        &[
            ("reason", "not_enveloped"),
            ("code", "550"),
            ("from", "relay.ch-valombre.test"),
        ],
    );
    assert_eq!(line["level"], "WARN");
    assert_eq!(routine::count(&territory, EHPAD), 0);
    routine::a_letter_arrives(&territory, WARD, EHPAD);
    assert_silent_about(&territory, &[]);
}
