//! A wrong password is refused at both doors of the mail client, and neither it nor the name
//! typed with it is logged.

use liaison_tests::imap::Imap;
use liaison_tests::logs::{CANARY, assert_silent_about, wait_for_line};
use liaison_tests::smtp::Smtp;
use liaison_tests::territory::{DOCTOR, EHPAD};
use liaison_tests::{Territory, routine};

#[test]
fn a_wrong_password_is_refused_and_named_nowhere() {
    let (territory, _sites) = Territory::start();
    let account = territory.account(EHPAD);
    let doors = territory.member("ehpad");
    let refused = "535 5.7.8 Wrong user name or password\n";

    let mut client = Smtp::connect(territory.ca(), doors.submissions.unwrap());
    assert_eq!(client.login(&account.user, CANARY), refused);
    // An unknown user is answered with the same words.
    assert_eq!(client.login(CANARY, &account.password), refused);
    let reply = client.command(&format!("MAIL FROM:<{EHPAD}>"));
    assert_eq!(reply, "530 5.7.0 Authentication required\n");
    for reason in ["wrong password", "unknown user"] {
        let wanted = [("reason", reason), ("remote", "127.0.0.1")];
        wait_for_line(&territory, "ehpad", "submission: login refused", &wanted);
    }

    let refused = "NO [AUTHENTICATIONFAILED] Wrong user name or password";
    let mut client = Imap::connect(territory.ca(), doors.imaps.unwrap());
    let answer = client.command(&format!("LOGIN \"{}\" \"{CANARY}\"", account.user));
    assert_eq!(answer.verdict, refused);
    let answer = client.command(&format!("LOGIN \"{CANARY}\" \"{}\"", account.password));
    assert_eq!(answer.verdict, refused);
    let answer = client.command("SELECT INBOX");
    assert_eq!(answer.verdict, "BAD Log in first");
    for reason in ["wrong password", "unknown user"] {
        let wanted = [("reason", reason), ("remote", "127.0.0.1")];
        wait_for_line(&territory, "ehpad", "IMAP login failed", &wanted);
    }

    // The account's owner is not locked out by that.
    routine::a_letter_arrives(&territory, EHPAD, DOCTOR);
    assert_silent_about(&territory, &[&account.password]);
}
