//! Who has logged in writes in the account's own name, in the envelope and in From.

use liaison_tests::logs::{CANARY, assert_silent_about, wait_for_line};
use liaison_tests::routine::letter;
use liaison_tests::territory::{DOCTOR, EHPAD, WARD};
use liaison_tests::{Territory, routine};

#[test]
fn a_mail_in_anothers_name_is_not_submitted() {
    let (territory, _sites) = Territory::start();
    let mut client = territory.smtp(EHPAD);
    let envelope = "the envelope sender must be one of your own addresses";
    for from in [WARD.to_owned(), String::new(), format!("{CANARY}@x.test")] {
        let reply = client.command(&format!("MAIL FROM:<{from}>"));
        assert_eq!(reply, format!("550 5.7.1 {envelope}\n"));
    }
    let author = "the From of the message must be one of your own addresses, and only one";
    for from in [
        WARD.to_owned(),
        format!("{CANARY} <{WARD}>"),
        format!("{EHPAD}, {WARD}"),
        format!("{EHPAD}\r\nFrom: {WARD}"),
        CANARY.to_owned(),
    ] {
        let message = letter(&from, DOCTOR, CANARY, CANARY);
        let reply = client.submit(EHPAD, &[DOCTOR], &message);
        assert_eq!(reply, format!("550 5.7.1 {author}\n"));
    }
    for reason in [envelope, author] {
        let wanted = [("reason", reason), ("remote", "127.0.0.1")];
        wait_for_line(&territory, "ehpad", "submission: refused", &wanted);
    }

    assert!(territory.track("ehpad").is_empty());
    assert_eq!(routine::count(&territory, DOCTOR), 0);
    routine::a_letter_arrives(&territory, EHPAD, DOCTOR);
    assert_silent_about(&territory, &[]);
}
