//! Python's smtplib, which nobody here wrote, submits bodies that careless software damages; they
//! arrive octet for octet, signed and verified.

use liaison_tests::Territory;
use liaison_tests::programs::{python, run};
use liaison_tests::territory::{DOCTOR, EHPAD};
use mail_parser::MessageParser;

#[test]
fn python_smtplib_submits_any_octets() {
    let territory = Territory::build();
    let _sites = ["dac", "practice", "ehpad"].map(|member| territory.start_site(member));
    let mut nursing_home = territory.imap(EHPAD);
    let account = territory.account(DOCTOR);
    let port = territory.member(&account.member).submissions.unwrap();
    for (count, (charset, body)) in (1..).zip(bodies()) {
        let head = format!(
            "From: {DOCTOR}\r\nTo: {EHPAD}\r\nSubject: Lettre {count}\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset={charset}\r\n\
             Content-Transfer-Encoding: 8bit\r\n\r\n"
        );
        let message = [head.as_bytes(), &body].concat();
        run(
            python()
                .arg(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/scenarios/submit_with_smtplib.py"
                ))
                .arg(port.to_string())
                .arg(territory.ca())
                .args([&account.user, &account.password, DOCTOR, EHPAD]),
            &message,
        );

        let arrived = nursing_home.wait_for(count).pop().unwrap();
        let head_ends = arrived
            .windows(4)
            .position(|octets| octets == b"\r\n\r\n")
            .unwrap();
        assert!(
            arrived[head_ends + 4..] == body,
            "{charset} became:\n{}",
            String::from_utf8_lossy(&arrived)
        );
        let parsed = MessageParser::default().parse(&arrived).unwrap();
        let subject = format!("Lettre {count}");
        assert_eq!(parsed.subject(), Some(subject.as_str()));
        let verdict = parsed.header_raw("X-Liaison-Verification").unwrap();
        assert_eq!(verdict.trim(), "verified");
    }
}

fn bodies() -> [(&'static str, Vec<u8>); 3] {
    let dots = ".\r\n..\r\n.début à l'hôpital\r\n\r\n.\r\nMAIL FROM:<a@b.test>\r\n.\r\n";
    let blanks =
        "\r\n\r\nFrom ici\r\n>From là\r\n-- \r\nblancs   \r\n\ttab\t\r\n=C3=A9 =\r\n\r\n\r\n";
    let long = format!("{}\r\n{}\r\n", "x".repeat(998), "é".repeat(499));
    let upper: Vec<u8> = (0xa0..=0xff).chain(*b"\r\n.\r\n").collect();
    [
        ("utf-8", format!("{dots}œuf, 5 €\r\n{blanks}").into_bytes()),
        ("utf-8", long.into_bytes()),
        ("iso-8859-15", upper),
    ]
}
