//! A doctor whose own client encrypts (here `openssl cms`): the gateway adds no layer, the relay
//! carries it, and the recipient's gateway opens and verifies it like any other.

use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::programs::run;
use liaison_tests::territory::{DOCTOR, EHPAD};
use mail_parser::MessageParser;

#[test]
fn a_message_that_a_client_sealed_passes_untouched() {
    let (territory, _sites) = Territory::start();
    let doctor = territory.site_folder("practice");
    let inner =
        "Content-Type: text/plain; charset=utf-8\r\n\r\nScellé par mon propre logiciel.\r\n";
    let signed = run(
        Command::new("openssl")
            .args(["cms", "-sign", "-signer"])
            .arg(doctor.join("claire.garnier.crt"))
            .arg("-inkey")
            .arg(doctor.join("claire.garnier.key")),
        inner.as_bytes(),
    );
    let sealed = run(
        Command::new("openssl")
            .args([
                "cms",
                "-encrypt",
                "-aes-256-gcm",
                "-from",
                DOCTOR,
                "-to",
                EHPAD,
            ])
            .args(["-subject", "..."])
            .arg(territory.site_folder("ehpad").join("soins.crt")),
        &signed,
    );
    // Mail travels with CRLF; openssl writes the system's line ends. It also leaves the smime-type
    // that RFC 8551 wants to the caller's eye: the header is as a mail client would write it.
    let sealed = String::from_utf8(sealed).unwrap().replace("\r\n", "\n");
    let sealed = sealed
        .replace('\n', "\r\n")
        .replace("smime-type=enveloped-data", "smime-type=authEnveloped-data");

    let reply = territory.smtp(DOCTOR).submit(DOCTOR, &[EHPAD], &sealed);
    assert!(reply.starts_with("250"), "{reply}");
    let message = territory.imap(EHPAD).wait_for(1).remove(0);
    let message = MessageParser::default().parse(&message).unwrap();
    assert_eq!(
        message.header_raw("X-Liaison-Verification").map(str::trim),
        Some("verified")
    );
    assert_eq!(
        message.body_text(0).unwrap().trim(),
        "Scellé par mon propre logiciel."
    );
    assert!(message.message_id().is_none(), "not a header was added");
}
