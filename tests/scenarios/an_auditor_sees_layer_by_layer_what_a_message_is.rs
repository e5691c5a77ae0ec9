//! The tools say in words, and as JSON, what was found and why it does not hold.

use serde_json::Value;

use super::correspondents::{Correspondents, DOCTOR, HOME, said};

fn sealed(people: &Correspondents) {
    let output = people.smime(
        "seal letter.eml --to home.crt --p12 doctor.p12 --passphrase-file pass --out sealed.eml",
    );
    assert_eq!(said(&output).2, 0, "{output:?}");
}

#[test]
fn a_message_is_opened_and_judged_at_a_moment() {
    let people = Correspondents::new();
    sealed(&people);
    let open = |options: &str| {
        said(&people.smime(&format!(
            "open sealed.eml --key home.key --cert home.crt --out plain.eml {options}"
        )))
    };
    let (report, _, code) = open("--trust root.pem --crl good.crl --at 2026-11-20T12:00:00Z");
    assert_eq!(code, 0, "{report}");
    for line in [
        "layer 1       encrypted with Aes256Gcm (authenticated), for 1 recipient",
        "layer 2       signed by CN=dr.untel@hopital.test",
        "revocation    not revoked, as of 2026-11-10T00:00:00Z (10 days old)",
        "headers       protected inside the encryption",
        "VALID         signed by dr.untel@hopital.test",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
    // The same signature, and what else can be known of it.
    for (options, code, said) in [
        (
            "--trust root.pem --crl good.crl --at 2026-12-25",
            0,
            "15 days ago",
        ),
        (
            "--trust root.pem --crl revoked.crl --at 2026-11-20",
            1,
            "was revoked on 2026-11-10",
        ),
        ("--trust root.pem --at 2040-01-01", 1, "expired on"),
        ("--trust root.pem --at 2020-01-01", 1, "not valid before"),
        (
            "--trust home.crt --at 2026-11-20",
            1,
            "no trusted authority issued the certificate",
        ),
        ("--at 2026-11-20", 1, "name authorities with --trust"),
        (
            "--trust root.pem --require-revocation --at 2026-11-20",
            1,
            "not known",
        ),
        (
            "--trust root.pem --from a@b.test --at 2026-11-20",
            1,
            "not from a@b.test",
        ),
    ] {
        let (report, errors, found) = open(options);
        assert_eq!(found, code, "{options}: {report}{errors}");
        assert!(report.contains(said), "{options}: {report}");
    }
}

#[test]
fn a_program_reads_the_same_as_json() {
    let people = Correspondents::new();
    sealed(&people);
    let output = people.smime(
        "open sealed.eml --key home.key --cert home.crt --trust root.pem --crl good.crl \
         --at 2026-11-20 --out plain.eml --json",
    );
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["result"], "valid");
    assert_eq!(value["from"], DOCTOR);
    assert_eq!(value["layers"][0]["cipher"], "Aes256Gcm");
    assert_eq!(value["signature"]["signer"]["addresses"][0], DOCTOR);
    assert_eq!(value["signature"]["revocation"]["state"], "good");
    assert_eq!(value["headers"]["protection"], "cipher");

    let output = people.smime("inspect sealed.eml --json");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["layers"][0]["kind"], "encrypted");
    let recipient = &value["layers"][0]["recipients"][0];
    assert_eq!(recipient["issuer"], "CN=Territoire fictif\\, racine");
    assert!(
        recipient["method"].as_str().unwrap().contains("RSA-OAEP"),
        "{value}"
    );
}

#[test]
fn a_message_is_inspected_without_any_key() {
    let people = Correspondents::new();
    sealed(&people);
    let (report, errors, code) = said(&people.smime("inspect sealed.eml"));
    assert_eq!(code, 0, "{report}{errors}");
    assert!(report.contains("AuthEnvelopedData"), "{report}");
    assert!(report.contains("AES-256-GCM"), "{report}");
    people.openssl("cms -sign -in letter.eml -signer doctor.crt -inkey doctor.key -out signed.eml");
    let (report, _, code) = said(&people.smime("inspect signed.eml"));
    assert_eq!(code, 0);
    for part in ["SignedData", "ECDSA with SHA-256", DOCTOR] {
        assert!(report.contains(part), "{part}: {report}");
    }
    // What would be refused is still described.
    people.openssl("cms -encrypt -des3 -in letter.eml -outform DER -out old.der home.crt");
    let (report, _, code) = said(&people.smime("inspect old.der"));
    assert_eq!(code, 0);
    assert!(report.contains("3DES"), "{report}");
}

#[test]
fn the_opened_message_goes_to_standard_output_and_the_report_beside_it() {
    let people = Correspondents::new();
    sealed(&people);
    let sealed = people.read("sealed.eml");
    let output = people.smime_with(
        "open - --key home.key --cert home.crt --trust root.pem",
        &sealed,
    );
    let (message, report, code) = said(&output);
    assert_eq!(code, 0, "{report}");
    assert!(
        message.contains("Subject: Sortie de Mme Fictive\r\n"),
        "{message}"
    );
    assert!(message.contains(&format!("To: {HOME}\r\n")), "{message}");
    assert!(
        !message.contains("VALID") && report.contains("VALID"),
        "{report}"
    );
    // The report repeats nothing of the message.
    assert!(!report.contains("Fictive"), "{report}");
}
