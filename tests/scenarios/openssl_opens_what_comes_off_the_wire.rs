//! A notice is taken off the wire between relays, where its recipients' relays would be, and
//! `openssl cms`, which nobody here wrote, decrypts it with each recipient's key and verifies who
//! wrote it. Before that it shows nothing of the patient.

use std::fs;
use std::path::Path;
use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::mllp::verdict;
use liaison_tests::programs::{attempt, run};
use liaison_tests::sink::{Received, Sink};
use liaison_tests::territory::{DOCTOR, EHPAD, NURSE, PHARMACY, WARD};
use mail_parser::MessageParser;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// What the feed says of the patient: numbers, names, address, and what the notice makes of it.
const PATIENT: [&str; 9] = [
    "LEFEBVRE",
    "MARTIN",
    "JEANNE",
    "900123",
    "238059902812300",
    "26004711",
    "LILAS",
    "GERIATRIE",
    "Entrée",
];

#[test]
fn openssl_opens_what_comes_off_the_wire() {
    let territory = Territory::build();
    let _sites = ["dac", "hospital"].map(|member| territory.start_site(member));
    let nursing_home = Sink::in_place_of(&territory, "ehpad");
    let practice = Sink::in_place_of(&territory, "practice");
    let answer = territory
        .mllp()
        .push(&territory.hl7("a01-admission"))
        .unwrap();
    assert_eq!(verdict(&answer).0, "CA");

    // Each recipient has a copy of its own; one key is RSA, the others P-256.
    let wire = territory.folder().join("wire.eml");
    let mut recipients = Vec::new();
    for (sink, member) in [
        (&nursing_home, "ehpad"),
        (&practice, "practice"),
        (&practice, "practice"),
    ] {
        let received = sink.take();
        came_from_the_hospital(&territory, &received);
        shows_nothing_of_the_patient(&received.message);

        fs::write(&wire, &received.message).unwrap();
        let address = recipient(&received);
        let structure = structure(&wire);
        assert!(
            structure.contains("id-smime-ct-authEnvelopedData"),
            "{structure}"
        );
        assert!(structure.contains("aes-256-gcm"), "{structure}");
        let is_rsa = structure.contains("rsaesOaep");
        assert_eq!(is_rsa, address == DOCTOR, "{structure}");
        let inner = run(
            &mut decrypt(&wire, &territory.site_folder(member), &address),
            b"",
        );
        let notice = verify(&territory, &inner);
        let parsed = MessageParser::default().parse(&notice).unwrap();
        assert!(parsed.subject().unwrap().contains("Entrée à l'hôpital"));
        assert!(parsed.body_text(0).unwrap().contains("LEFEBVRE"));

        let mut with_anothers_key = decrypt(&wire, &territory.site_folder("pharmacy"), PHARMACY);
        assert!(!attempt(&mut with_anothers_key, b"").status.success());
        recipients.push(address);
    }
    recipients.sort();
    assert_eq!(recipients, [DOCTOR, NURSE, EHPAD]);
}

/// What openssl prints of the objects of CMS.
fn structure(message: &Path) -> String {
    let printed = run(
        Command::new("openssl")
            .args(["cms", "-cmsout", "-print", "-noout", "-inform", "SMIME"])
            .arg("-in")
            .arg(message),
        b"",
    );
    String::from_utf8_lossy(&printed).into_owned()
}

/// The one address of the envelope.
fn recipient(received: &Received) -> String {
    assert_eq!(received.recipients.len(), 1, "{:?}", received.recipients);
    let path = received.recipients[0].strip_prefix('<').unwrap();
    path.split('>').next().unwrap().to_owned()
}

/// The peer that called is the hospital's relay by its certificate, and speaks for the ward.
fn came_from_the_hospital(territory: &Territory, received: &Received) {
    let relay = territory.site_folder("hospital").join("relay.crt");
    let relay = CertificateDer::from_pem_file(relay).unwrap();
    assert_eq!(received.peer, relay);
    assert!(
        received.from.starts_with(&format!("<{WARD}>")),
        "{}",
        received.from
    );
}

/// Neither as it is nor decoded, in the header or anywhere in the octets.
fn shows_nothing_of_the_patient(message: &[u8]) {
    let parsed = MessageParser::default().parse(message).unwrap();
    assert_eq!(parsed.subject(), Some("[...]"));
    let (head, _) = split(message);
    let decoded: String = parsed
        .headers()
        .iter()
        .map(|field| format!("{:?}\n", field.value()))
        .collect();
    for shown in [head, decoded] {
        let shown = shown.to_lowercase();
        for text in PATIENT {
            assert!(!shown.contains(&text.to_lowercase()), "{text} in {shown}");
        }
    }
    // The names of ordinary words could stand in base64 by chance, those of numbers hardly.
    let whole = String::from_utf8_lossy(message);
    for text in ["LEFEBVRE", "900123", "238059902812300", "26004711"] {
        assert!(!whole.contains(text), "{text}");
    }
}

fn decrypt(message: &Path, site: &Path, address: &str) -> Command {
    let stem = address.split('@').next().unwrap();
    let mut openssl = Command::new("openssl");
    openssl
        .args(["cms", "-decrypt", "-inform", "SMIME", "-in"])
        .arg(message)
        .arg("-inkey")
        .arg(site.join(format!("{stem}.key")))
        .arg("-recip")
        .arg(site.join(format!("{stem}.crt")));
    openssl
}

/// What was signed, after openssl has found the signature good and its author the ward.
fn verify(territory: &Territory, inner: &[u8]) -> Vec<u8> {
    let signer = territory.folder().join("signer.crt");
    let notice = run(
        Command::new("openssl")
            .args(["cms", "-verify", "-inform", "SMIME"])
            .args(["-purpose", "smimesign", "-CAfile"])
            .arg(territory.folder().join("pki/authorities.pem"))
            .arg("-signer")
            .arg(&signer),
        inner,
    );
    let author = run(
        Command::new("openssl")
            .args(["x509", "-noout", "-email", "-in"])
            .arg(&signer),
        b"",
    );
    assert_eq!(String::from_utf8(author).unwrap().trim(), WARD);
    notice
}

fn split(message: &[u8]) -> (String, &[u8]) {
    let end = message
        .windows(4)
        .position(|octets| octets == b"\r\n\r\n")
        .unwrap();
    (
        String::from_utf8(message[..end].to_vec()).unwrap(),
        &message[end + 4..],
    )
}
