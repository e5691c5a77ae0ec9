//! A message signed and encrypted by `openssl cms`, which nobody here wrote, comes to a relay over
//! mutual TLS, is opened by its recipient's gateway and stands in INBOX, verified. One that is not
//! signed, or with another's, an expired or a revoked certificate, stands there with a plain warning.

use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::peer::Peer;
use liaison_tests::programs::run;
use liaison_tests::territory::{DOCTOR, EHPAD, PHARMACY};
use mail_parser::MessageParser;

const HEAD: &str = "Content-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: 8bit\r\n\r\n";
const BODY: &str = "L'anticoagulant a été délivré.\r\n.\r\nÀ surveiller  \r\n";

#[test]
fn what_openssl_seals_arrives_verified() {
    let territory = Territory::build();
    // The pharmacy's relay is played by the test.
    let _sites = ["dac", "practice", "ehpad"].map(|member| territory.start_site(member));
    // One recipient has a P-256 key, the other an RSA key.
    for (address, member, options) in [
        (EHPAD, "ehpad", ["-keyopt", "ecdh_kdf_md:sha256"]),
        (DOCTOR, "practice", ["-keyopt", "rsa_padding_mode:oaep"]),
    ] {
        let mut mailbox = territory.imap(address);
        let to = Recipient {
            address,
            member,
            options,
        };
        let signed = sign(&territory, "pharmacy", "officine");
        let (verdict, subject) = to.receives(&territory, &signed, &mut mailbox, 1);
        assert_eq!((verdict.as_str(), subject.as_str()), ("verified", "Relais"));

        let unsigned = format!("{HEAD}{BODY}").into_bytes();
        let (verdict, subject) = to.receives(&territory, &unsigned, &mut mailbox, 2);
        assert_eq!(
            (verdict.as_str(), subject.as_str()),
            ("not verified", "[NON SIGNÉ] Relais")
        );

        for (count, (member, stem)) in [
            (3, ("dac", "coordination")),
            (4, ("pharmacy", "expired")),
            (5, ("pharmacy", "revoked")),
        ] {
            let another = sign(&territory, member, stem);
            let (verdict, subject) = to.receives(&territory, &another, &mut mailbox, count);
            assert_eq!(
                (verdict.as_str(), subject.as_str()),
                ("not verified", "[SIGNATURE NON VÉRIFIÉE] Relais"),
                "{stem}"
            );
        }
    }
}

struct Recipient {
    address: &'static str,
    member: &'static str,
    options: [&'static str; 2],
}

impl Recipient {
    /// Seals what the pharmacy says, hands it to the recipient's relay, and returns the verdict
    /// and the subject that its mail client shows.
    fn receives(
        &self,
        territory: &Territory,
        content: &[u8],
        mailbox: &mut liaison_tests::imap::Imap,
        count: usize,
    ) -> (String, String) {
        let stem = self.address.split('@').next().unwrap();
        let certificate = territory
            .site_folder(self.member)
            .join(format!("{stem}.crt"));
        let sealed = run(
            Command::new("openssl")
                .args(["cms", "-encrypt", "-aes-256-gcm", "-from", PHARMACY])
                .args(["-to", self.address, "-subject", "Relais", "-recip"])
                .arg(certificate)
                .args(self.options),
            content,
        );
        let sealed = with_line_ends_of_mail(&sealed);
        let mut relay = Peer::welcome(territory, "pharmacy", self.member);
        let reply = relay.offer(PHARMACY, self.address, &sealed);
        assert!(reply.starts_with("250 "), "{reply}");

        let message = mailbox.wait_for(count).pop().unwrap();
        assert!(
            message.ends_with(format!("\r\n\r\n{BODY}").as_bytes()),
            "{}",
            String::from_utf8_lossy(&message)
        );
        let parsed = MessageParser::default().parse(&message).unwrap();
        let verdict = parsed.header_raw("X-Liaison-Verification").unwrap();
        let subject = parsed.subject().unwrap();
        (verdict.trim().to_owned(), subject.to_owned())
    }
}

/// The letter signed with the key of this name in a member's folder.
fn sign(territory: &Territory, member: &str, stem: &str) -> Vec<u8> {
    let site = territory.site_folder(member);
    run(
        Command::new("openssl")
            .args(["cms", "-sign", "-signer"])
            .arg(site.join(format!("{stem}.crt")))
            .arg("-inkey")
            .arg(site.join(format!("{stem}.key"))),
        format!("{HEAD}{BODY}").as_bytes(),
    )
}

fn with_line_ends_of_mail(message: &[u8]) -> String {
    let text = String::from_utf8(message.to_vec()).unwrap();
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}
