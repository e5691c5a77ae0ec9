//! Python's imaplib, which nobody here wrote, works through a nursing home's notices as a mail
//! client would, and Python's own parser reads them; the hospital is told that one was opened.

use std::time::Instant;

use liaison_tests::Territory;
use liaison_tests::mllp::verdict;
use liaison_tests::programs::{python, run};
use liaison_tests::routine::a_letter_arrives;
use liaison_tests::territory::{EHPAD, WARD};
use liaison_tests::tls::PATIENCE;
use serde_json::Value;

#[test]
fn python_imaplib_works_through_an_inbox() {
    let territory = Territory::build();
    let _sites = ["dac", "hospital", "ehpad"].map(|member| territory.start_site(member));
    let mut feed = territory.mllp();
    for (message, count) in [("a01-admission", 1), ("a03-return-to-nursing-home", 2)] {
        let answer = feed.push(&territory.hl7(message)).unwrap();
        assert_eq!(verdict(&answer).0, "CA");
        territory.imap(EHPAD).wait_for(count);
    }
    a_letter_arrives(&territory, WARD, EHPAD);

    let account = territory.account(EHPAD);
    let said = run(
        python()
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/scenarios/work_through_with_imaplib.py"
            ))
            .arg(territory.member(&account.member).imaps.unwrap().to_string())
            .arg(territory.ca())
            .args([&account.user, &account.password]),
        b"",
    );
    assert_eq!(String::from_utf8(said).unwrap(), "worked through\n");

    // What Python did is there for the next client.
    let mut ours = territory.imap(EHPAD);
    assert_eq!(ours.messages().len(), 2);
    let flagged = ours.ok("UID SEARCH FLAGGED SEEN").lines;
    assert_eq!(flagged, ["* SEARCH 2"]);
    // The receipt of the one that was opened, and of no other, comes home.
    let deadline = Instant::now() + PATIENCE;
    while !opened(&territory).contains(&"Retour à l'EHPAD".to_owned()) {
        assert!(
            Instant::now() < deadline,
            "{:?}",
            territory.track("hospital")
        );
    }
    assert_eq!(opened(&territory), ["Retour à l'EHPAD"]);
}

/// The titles of the notices that the hospital knows to be opened at the nursing home. Each look
/// runs `liaison track`, which is the pause between them.
fn opened(territory: &Territory) -> Vec<String> {
    let at_home =
        |recipient: &Value| recipient["address"] == EHPAD && recipient["state"] == "opened";
    territory
        .track("hospital")
        .iter()
        .filter(|message| {
            message["recipients"]
                .as_array()
                .unwrap()
                .iter()
                .any(at_home)
        })
        .map(|message| message["title"].as_str().unwrap().to_owned())
        .collect()
}
