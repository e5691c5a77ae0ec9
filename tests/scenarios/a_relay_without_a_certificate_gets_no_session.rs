//! Whoever shows no certificate at a relay's door gets a TLS alert in place of a greeting.

use liaison_tests::logs::{assert_silent_about, wait_for_line};
use liaison_tests::peer::Peer;
use liaison_tests::territory::{DOCTOR, EHPAD};
use liaison_tests::{Territory, routine};

#[test]
fn a_relay_without_a_certificate_gets_no_session() {
    let (territory, _sites) = Territory::start();
    let mut nobody = Peer::dial(&territory, None, "ehpad");
    let error = nobody.reply().unwrap_err();
    // RFC 8446 §6.2: certificate_required.
    assert_eq!(
        error.to_string(),
        "received fatal alert: CertificateRequired"
    );
    let line = wait_for_line(
        &territory,
        "ehpad",
        "refused",
        &[
            ("reason", "handshake"),
            ("cause", "peer sent no certificates"),
        ],
    );
    assert_eq!(line["level"], "WARN");
    assert!(line["from"].as_str().unwrap().starts_with("127.0.0.1:"));

    // A listed relay is greeted, before and after.
    Peer::welcome(&territory, "hospital", "ehpad");
    routine::a_letter_arrives(&territory, DOCTOR, EHPAD);
    assert_silent_about(&territory, &[]);
}
