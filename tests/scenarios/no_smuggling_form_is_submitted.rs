//! SMTP smuggling: what somebody else may take for the end of a message is content here, and
//! spoils it. No second message is born, and the first is refused whole.

use liaison_tests::Territory;
use liaison_tests::logs::{CANARY, assert_silent_about, wait_for_line};
use liaison_tests::routine::{self, letter};
use liaison_tests::territory::{DOCTOR, EHPAD, WARD};

const FORMS: [&str; 10] = [
    "\n.\n",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r",
    "\r.\r\n",
    "\r\n.\r",
    "\r\n.\r\r\n",
    "\n\n.\r\n",
    "\r\n.\n\r\n",
    "\r\n\0.\n",
];

#[test]
fn no_smuggling_form_is_submitted() {
    let (territory, _sites) = Territory::start();
    let second = letter(WARD, DOCTOR, CANARY, "second");
    for form in FORMS {
        let first = letter(EHPAD, DOCTOR, CANARY, "first");
        let smuggled = format!(
            "{}{form}MAIL FROM:<{WARD}>\r\nRCPT TO:<{DOCTOR}>\r\nDATA\r\n{second}",
            first.trim_end()
        );
        let mut client = territory.smtp(EHPAD);
        let reply = client.submit(EHPAD, &[DOCTOR], &smuggled);
        assert_eq!(
            reply, "554 5.6.0 Message has a bare CR or LF; lines end with CR LF\n",
            "{form:?}"
        );
        // Nothing is left over that would be read as a command.
        assert_eq!(client.command("NOOP"), "250 2.0.0 OK\n", "{form:?}");
    }
    wait_for_line(
        &territory,
        "ehpad",
        "submission: refused",
        &[
            ("code", "554"),
            (
                "reason",
                "Message has a bare CR or LF; lines end with CR LF",
            ),
        ],
    );

    // Among commands a bare line end closes the connection: what is behind it is nobody's.
    let mut client = territory.smtp(EHPAD);
    let reply = client.command(&format!("NOOP\nMAIL FROM:<{EHPAD}>"));
    assert_eq!(reply, "500 5.5.2 Lines end with CR LF\n");
    assert!(client.try_command("NOOP").is_err());
    let wanted = [("code", "500"), ("reason", "Lines end with CR LF")];
    wait_for_line(&territory, "ehpad", "submission: refused", &wanted);

    assert!(territory.track("ehpad").is_empty());
    assert_eq!(routine::count(&territory, DOCTOR), 0);
    routine::a_letter_arrives(&territory, EHPAD, DOCTOR);
    assert_silent_about(&territory, &[]);
}
