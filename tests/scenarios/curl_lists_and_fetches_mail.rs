//! curl, which nobody here wrote, lists the folders of a mailbox over TLS, searches it, reads a
//! message octet for octet and files one.

use std::fs;
use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::programs::{attempt, run};
use liaison_tests::routine::a_letter_arrives;
use liaison_tests::territory::{DOCTOR, EHPAD};

/// What curl ends with when a login was refused.
const LOGIN_REFUSED: i32 = 67;

#[test]
fn curl_lists_and_fetches_mail() {
    let territory = Territory::build();
    let _sites = ["dac", "practice", "ehpad"].map(|member| territory.start_site(member));
    a_letter_arrives(&territory, DOCTOR, EHPAD);
    let password = &territory.account(EHPAD).password;
    let read =
        |path: &str, options: &[&str]| run(curl(&territory, path, password).args(options), b"");

    let folders = String::from_utf8(read("", &[])).unwrap();
    for folder in ["INBOX", r"\Sent", r"\Drafts", r"\Trash"] {
        assert!(folders.contains(folder), "{folder} is not in:\n{folders}");
    }
    let found = read("INBOX?SUBJECT%20contr%26", &[]);
    assert_eq!(found, b"* SEARCH\r\n", "no such subject");
    let found = read("INBOX?FROM%20claire.garnier%20UNSEEN", &[]);
    assert_eq!(found, b"* SEARCH 1\r\n");

    let mut ours = territory.imap(EHPAD);
    let message = ours.messages().pop().unwrap();
    let text = String::from_utf8(message.clone()).unwrap();
    assert!(
        text.contains("X-Liaison-Verification: verified\r\n"),
        "{text}"
    );
    assert_eq!(read("INBOX;UID=1", &[]), message);
    assert_eq!(read("INBOX;MAILINDEX=1", &[]), message);
    let body = text.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(read("INBOX;UID=1;SECTION=TEXT", &[]), body.as_bytes());
    // Reading it is seen by the other client, which hears of it with its next command.
    ours.ok("NOOP");
    assert_eq!(ours.ok("UID SEARCH SEEN").lines, ["* SEARCH 1"]);
    let filed = format!("From: {EHPAD}\r\nSubject: copie\r\n\r\n.\r\nune copie  \r\n");
    // curl must know the size of what it files.
    let file = territory.folder().join("copie.eml");
    fs::write(&file, &filed).unwrap();
    let mut filing = curl(&territory, "INBOX", password);
    run(filing.arg("--upload-file").arg(&file), b"");
    assert_eq!(ours.wait_for(2).pop().unwrap(), filed.as_bytes());

    let refused = attempt(&mut curl(&territory, "INBOX;UID=1", "wrong"), b"");
    assert_eq!(refused.status.code(), Some(LOGIN_REFUSED));
    assert!(refused.stdout.is_empty());
}

fn curl(territory: &Territory, path: &str, password: &str) -> Command {
    let account = territory.account(EHPAD);
    let port = territory.member(&account.member).imaps.unwrap();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "30", "--cacert"])
        .arg(territory.ca())
        .args(["--user", &format!("{}:{password}", account.user)])
        .arg(format!("imaps://127.0.0.1:{port}/{path}"));
    curl
}
