//! A mail client that writes to nobody of the directory is told at once, in French, and nothing
//! leaves. The refused address stays out of the log: people write to patients, too.

use liaison_tests::logs::{CANARY, assert_silent_about, wait_for_line};
use liaison_tests::routine::letter;
use liaison_tests::territory::{DOCTOR, EHPAD};
use liaison_tests::{Territory, routine};

#[test]
fn an_unknown_recipient_is_refused_while_the_client_waits() {
    let (territory, _sites) = Territory::start();
    let unknown = format!("{}@cabinet-riviere.test", CANARY.to_lowercase());
    let mut client = territory.smtp(EHPAD);
    let reply = client.command(&format!("MAIL FROM:<{EHPAD}>"));
    assert_eq!(reply, "250 2.1.0 Sender OK\n");
    let reply = client.command(&format!("RCPT TO:<{unknown}>"));
    assert_eq!(
        reply,
        "550 5.1.1 adresse inconnue de l'annuaire : verifiez-la, rien n'a ete envoye\n"
    );
    let reply = client.command("DATA");
    assert_eq!(reply, "554 5.5.1 No valid recipients\n");
    wait_for_line(
        &territory,
        "ehpad",
        "submission: recipient refused",
        &[
            ("domain", "cabinet-riviere.test"),
            ("reason", "not in the directory"),
        ],
    );

    // Beside a known recipient, the unknown one is refused and the known one is served.
    client.command("RSET");
    client.command(&format!("MAIL FROM:<{EHPAD}>"));
    let reply = client.command(&format!("RCPT TO:<{unknown}>"));
    assert!(reply.starts_with("550 5.1.1 "), "{reply}");
    let reply = client.command(&format!("RCPT TO:<{DOCTOR}>"));
    assert_eq!(reply, "250 2.1.5 Recipient OK\n");
    assert!(client.command("DATA").starts_with("354 "));
    let text = letter(EHPAD, &format!("{DOCTOR}, {unknown}"), "Essai", CANARY);
    let reply = client.command(&format!("{}\r\n.", text.trim_end()));
    assert_eq!(reply, "250 2.0.0 Message accepted\n");
    assert_eq!(territory.imap(DOCTOR).wait_for(1).len(), 1);
    routine::a_letter_arrives(&territory, EHPAD, DOCTOR);
    assert_silent_about(&territory, &[]);
}
