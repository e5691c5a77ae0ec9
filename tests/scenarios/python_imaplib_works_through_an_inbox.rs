//! Python's imaplib, which nobody here wrote, works through a nursing home's notices as a mail
//! client would, and Python's own parser reads them; the hospital is told that one was opened.

use liaison_tests::Territory;
use liaison_tests::mllp::verdict;
use liaison_tests::programs::{python, run};
use liaison_tests::routine::a_letter_arrives;
use liaison_tests::territory::{EHPAD, WARD};

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
}
