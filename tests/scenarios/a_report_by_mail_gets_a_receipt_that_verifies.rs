//! A pharmacist writes to the reports address; the receipt that comes back proves the entry, and
//! a changed receipt does not.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use liaison_tests::Territory;
use liaison_tests::territory::{PHARMACY, REPORTS, liaison};
use mail_parser::MessageParser;

#[test]
fn a_report_by_mail_gets_a_receipt_that_verifies() {
    let (territory, _sites) = Territory::start();
    let report = format!(
        "From: {PHARMACY}\r\nTo: {REPORTS}\r\nSubject: Erreur de dosage\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nComprimé de 5 mg au lieu de 2,5 mg.\r\n"
    );
    let reply = territory
        .smtp(PHARMACY)
        .submit(PHARMACY, &[REPORTS], &report);
    assert!(reply.starts_with("250"), "{reply}");
    let receipt = territory.imap(PHARMACY).wait_for(1).remove(0);

    let config = territory.config("dac");
    let key = said(liaison().args(["reports", "key", "--config"]).arg(&config));
    let file = territory.folder().join("receipt.eml");
    fs::write(&file, &receipt).unwrap();
    let proved = said(&mut verify(&file, &key));
    assert!(proved.starts_with("proved: EM-"), "{proved}");

    let listed = said(liaison().args(["reports", "list", "--config"]).arg(&config));
    assert!(listed.contains("author proved"), "{listed}");
    said(
        liaison()
            .args(["reports", "audit", "--config"])
            .arg(&config),
    );

    // One letter of the entry that the proof carries.
    let parsed = MessageParser::default().parse(&receipt).unwrap();
    let mut text = parsed.body_text(0).unwrap().into_owned();
    let at = text.find("extra ").unwrap() + 20;
    let other = if text.as_bytes()[at] == b'A' {
        "B"
    } else {
        "A"
    };
    text.replace_range(at..=at, other);
    fs::write(&file, text).unwrap();
    let refused: Output = verify(&file, &key).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(why.contains("not proved"), "{why}");
}

fn verify(receipt: &Path, key: &str) -> Command {
    let mut command = liaison();
    command
        .args(["reports", "verify"])
        .arg(receipt)
        .args(["--key", key.trim()]);
    command
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
