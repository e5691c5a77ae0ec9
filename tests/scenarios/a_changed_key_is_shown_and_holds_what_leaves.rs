//! A partner's key that is another one than was known: the reader sees it, and what would be
//! sealed for it waits until a person has confirmed the key and released it.

use std::path::Path;
use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::territory::{EHPAD, WARD, liaison};
use mail_parser::{Message, MessageParser};

/// Has the nursing home take a certificate of a stranger's making for the ward's: from then on
/// the ward's true key is, to it, the other one.
fn confirm_a_strangers(territory: &Territory) {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("certificate.pem");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "30"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=autre"])
        .args(["-addext", &format!("subjectAltName=email:{WARD}")])
        .args(["-keyout", "/dev/null", "-out"])
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success());
    confirm(territory, &certificate);
}

/// The nursing home takes a certificate for the ward's.
fn confirm(territory: &Territory, certificate: &Path) {
    let confirmed = liaison()
        .args(["partner", "confirm", WARD])
        .arg(certificate)
        .arg("--config")
        .arg(territory.config("ehpad"))
        .output()
        .unwrap();
    assert!(confirmed.status.success(), "{confirmed:?}");
}

fn verification(message: &Message<'_>) -> String {
    let field = message.header_raw("X-Liaison-Verification").unwrap();
    field.trim().to_owned()
}

#[test]
fn a_changed_key_is_shown_and_holds_what_leaves() {
    let (territory, _sites) = Territory::start();
    let mut feed = territory.mllp();
    let mut nursing_home = territory.imap(EHPAD);
    feed.push(&territory.hl7("a01-admission")).unwrap();
    let notice = nursing_home.wait_for(1).remove(0);
    let notice = MessageParser::default().parse(&notice).unwrap();
    assert_eq!(verification(&notice), "verified");

    confirm_a_strangers(&territory);
    feed.push(&territory.hl7("a03-return-to-nursing-home"))
        .unwrap();
    let changed = nursing_home.wait_for(2).pop().unwrap();
    let changed = MessageParser::default().parse(&changed).unwrap();
    assert_eq!(verification(&changed), "key changed");
    assert!(changed.subject().unwrap().starts_with("[CLÉ CHANGÉE] "));

    let letter = format!(
        "From: Nadia Roche <{EHPAD}>\r\nTo: {WARD}\r\nSubject: Question\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nMme Fictive\r\n"
    );
    let answer = territory.smtp(EHPAD).submit(EHPAD, &[WARD], &letter);
    assert!(answer.starts_with("250"), "{answer}");
    let told = nursing_home.wait_for(3).pop().unwrap();
    let told = MessageParser::default().parse(&told).unwrap();
    let text = told.body_text(0).unwrap();
    assert!(
        text.contains("la clé de chiffrement de") && text.contains(WARD),
        "{text}"
    );
    // What is written back says nothing of what was written (attack 20).
    let whole = String::from_utf8_lossy(told.raw_message());
    assert!(!whole.contains("Fictive") && !whole.contains("Question"));
    let held = liaison()
        .args(["notice", "held", "--json", "--config"])
        .arg(territory.config("ehpad"))
        .output()
        .unwrap();
    let held = String::from_utf8(held.stdout).unwrap();
    assert!(held.contains("liaison partner confirm"), "{held}");
    let mut ward = territory.imap(WARD);
    assert_eq!(ward.messages().len(), 0, "nothing has left");

    // The ward was asked: its key is the true one. What waited leaves.
    let name = WARD.split('@').next().unwrap();
    let certificate = territory
        .site_folder("hospital")
        .join(format!("{name}.crt"));
    confirm(&territory, &certificate);
    let held: serde_json::Value = serde_json::from_str(&held).unwrap();
    let id = held["id"].as_str().unwrap_or_else(|| panic!("{held}"));
    let released = liaison()
        .args(["notice", "release", id, "--config"])
        .arg(territory.config("ehpad"))
        .output()
        .unwrap();
    assert!(released.status.success(), "{released:?}");
    let arrived = ward.wait_for(1).remove(0);
    assert!(String::from_utf8_lossy(&arrived).contains("Mme Fictive"));
}
