//! One mail to two recipients whose software wants different forms: each gets it in an envelope of
//! its own, in its form, and neither envelope names the other's recipient.

use std::fs;
use std::path::Path;
use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::programs::{attempt, run};
use liaison_tests::routine::letter;
use liaison_tests::sink::Sink;
use liaison_tests::territory::{DOCTOR, EHPAD, NURSE};

fn decrypt(message: &Path, keys: &Path, address: &str) -> Command {
    let name = address.split('@').next().unwrap();
    let mut openssl = Command::new("openssl");
    openssl
        .args(["cms", "-decrypt", "-inform", "SMIME", "-in"])
        .arg(message)
        .arg("-recip")
        .arg(keys.join(format!("{name}.crt")))
        .arg("-inkey")
        .arg(keys.join(format!("{name}.key")));
    openssl
}

#[test]
fn a_partner_gets_the_form_that_its_software_wants() {
    let territory = Territory::build();
    let config = territory.config("ehpad");
    let mut settings: toml::Table = fs::read_to_string(&config).unwrap().parse().unwrap();
    let rule = toml::Table::from_iter([
        ("address".to_owned(), toml::Value::from(DOCTOR)),
        ("form".to_owned(), toml::Value::from("direct")),
    ]);
    settings["gateway"]
        .as_table_mut()
        .unwrap()
        .insert("partner".into(), vec![toml::Value::from(rule)].into());
    fs::write(&config, settings.to_string()).unwrap();
    let _sites = ["dac", "ehpad"].map(|member| territory.start_site(member));
    let practice = Sink::in_place_of(&territory, "practice");
    let text = letter(
        EHPAD,
        &format!("{DOCTOR}, {NURSE}"),
        "Chute",
        "Mme Fictive est tombée.",
    );
    let answer = territory.smtp(EHPAD).submit(EHPAD, &[DOCTOR, NURSE], &text);
    assert!(answer.starts_with("250"), "{answer}");

    let wire = territory.folder().join("wire.eml");
    let keys = territory.site_folder("practice");
    for _ in 0..2 {
        let received = practice.take();
        assert_eq!(received.recipients.len(), 1, "{:?}", received.recipients);
        let is_for = |address: &str| received.recipients[0].contains(address);
        fs::write(&wire, &received.message).unwrap();
        let (own, other) = match is_for(DOCTOR) {
            true => (DOCTOR, NURSE),
            false => (NURSE, DOCTOR),
        };
        assert!(
            !attempt(&mut decrypt(&wire, &keys, other), b"")
                .status
                .success()
        );
        let signed = run(&mut decrypt(&wire, &keys, own), b"");
        let signed = String::from_utf8(signed).unwrap();
        let shown = signed.split("\r\n--=_").nth(1).unwrap();
        let (_, shown) = shown.split_once("\r\n").unwrap();
        assert!(shown.contains("Subject: Chute"), "{shown}");
        let wrapped = shown.starts_with("Content-Type: message/rfc822; forwarded=no\r\n");
        assert_eq!(wrapped, own == DOCTOR, "{shown}");
        assert_eq!(shown.contains("hp=\"cipher\""), own == NURSE, "{shown}");
    }
}
