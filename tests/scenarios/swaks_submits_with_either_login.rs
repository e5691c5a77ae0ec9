//! swaks, which nobody here wrote, submits over TLS from the first byte with AUTH PLAIN and with
//! AUTH LOGIN; what it sends arrives signed. A wrong password is refused as SMTP says.

use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::programs::{attempt, run};
use liaison_tests::territory::{DOCTOR, EHPAD};
use mail_parser::MessageParser;

/// What swaks ends with when no login succeeded.
const LOGIN_REFUSED: i32 = 28;

#[test]
fn swaks_submits_with_either_login() {
    let territory = Territory::build();
    let _sites = ["dac", "practice", "ehpad"].map(|member| territory.start_site(member));
    let mut nursing_home = territory.imap(EHPAD);
    let password = &territory.account(DOCTOR).password;
    for (count, method) in (1..).zip(["PLAIN", "LOGIN"]) {
        let dialogue = run(&mut swaks(&territory, method, password), b"");
        let dialogue = String::from_utf8_lossy(&dialogue);
        assert!(
            dialogue.contains(&format!("~> AUTH {method}")),
            "{dialogue}"
        );
        let message = nursing_home.wait_for(count).pop().unwrap();
        let parsed = MessageParser::default().parse(&message).unwrap();
        let subject = format!("Surveillance par {method}");
        assert_eq!(parsed.subject(), Some(subject.as_str()));
        assert!(
            parsed
                .body_text(0)
                .unwrap()
                .contains("Tension à surveiller.")
        );
        let verdict = parsed.header_raw("X-Liaison-Verification").unwrap();
        assert_eq!(verdict.trim(), "verified");
    }

    for method in ["PLAIN", "LOGIN"] {
        let refused = attempt(&mut swaks(&territory, method, "wrong"), b"");
        let dialogue = String::from_utf8_lossy(&refused.stdout);
        assert_eq!(refused.status.code(), Some(LOGIN_REFUSED), "{dialogue}");
        assert!(dialogue.contains("<~* 535 5.7.8 "), "{dialogue}");
    }
    assert_eq!(nursing_home.messages().len(), 2);
}

fn swaks(territory: &Territory, method: &str, password: &str) -> Command {
    let account = territory.account(DOCTOR);
    let port = territory.member(&account.member).submissions.unwrap();
    let mut swaks = Command::new("swaks");
    swaks
        .args(["-4", "--server", "localhost", "--port", &port.to_string()])
        .args(["--tlsc", "--tls-verify", "--tls-ca-path"])
        .arg(territory.ca())
        .args(["--auth", method, "--auth-user", &account.user])
        .args(["--auth-password", password, "--timeout", "30"])
        .args(["--helo", "client.test", "--from", DOCTOR, "--to", EHPAD])
        .args(["--header", &format!("Subject: Surveillance par {method}")])
        .args(["--add-header", "MIME-Version: 1.0"])
        .args(["--add-header", "Content-Type: text/plain; charset=utf-8"])
        .args(["--add-header", "Content-Transfer-Encoding: 8bit"])
        .args(["--body", "Tension à surveiller."]);
    swaks
}
