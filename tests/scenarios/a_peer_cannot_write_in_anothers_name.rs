//! A listed relay speaks for its own member only: not for another in MAIL FROM, not to a mailbox
//! that is elsewhere, and what it calls itself in EHLO counts for nothing.

use liaison_tests::logs::{CANARY, assert_silent_about, wait_for_line};
use liaison_tests::peer::Peer;
use liaison_tests::territory::{DOCTOR, EHPAD, PHARMACY, WARD};
use liaison_tests::{Territory, routine};

#[test]
fn a_peer_cannot_write_in_anothers_name() {
    let (territory, _sites) = Territory::start();
    let mut pharmacy = Peer::welcome(&territory, "pharmacy", "ehpad");
    pharmacy.command("EHLO relay.ch-valombre.test");
    let refused = "550 5.7.1 your relay does not speak for the sender's domain\n";
    let forged = format!("{CANARY}@ch-valombre.test");
    for from in [WARD, &forged] {
        assert_eq!(pharmacy.command(&format!("MAIL FROM:<{from}>")), refused);
        // Nothing was begun.
        let reply = pharmacy.command(&format!("RCPT TO:<{EHPAD}>"));
        assert_eq!(reply, "503 5.5.1 Say MAIL first\n");
    }
    let reply = pharmacy.command(&format!("MAIL FROM:<{PHARMACY}>"));
    assert_eq!(reply, "250 2.1.0 Sender OK\n");
    assert_eq!(
        pharmacy.command(&format!("RCPT TO:<{DOCTOR}>")),
        "550 5.7.1 this relay does not carry mail for the recipient's domain\n"
    );
    assert_eq!(
        pharmacy.command(&format!("RCPT TO:<{CANARY}@ehpad-tilleuls.test>")),
        "550 5.1.1 no such mailbox here\n"
    );
    for reason in ["foreign_sender", "not_served_here", "mailbox", "protocol"] {
        let wanted = [("reason", reason), ("from", "relay.pharmacie-halle.test")];
        wait_for_line(&territory, "ehpad", "refused", &wanted);
    }

    assert_eq!(routine::count(&territory, EHPAD), 0);
    routine::a_letter_arrives(&territory, PHARMACY, EHPAD);
    assert_silent_about(&territory, &[]);
}
