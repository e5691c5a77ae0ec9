//! What `liaison smime` seals, `openssl cms` opens and verifies; what `openssl cms` makes, in any
//! of its forms, the tools take.

use super::correspondents::{Correspondents, DOCTOR, said};

#[test]
fn openssl_opens_what_the_tools_seal() {
    let people = Correspondents::new();
    for options in ["", "--opaque", "--profile direct"] {
        let output = people.smime(&format!(
            "seal letter.eml --to home.crt --key doctor.key --cert doctor.crt --trust root.pem \
             --out sealed.eml {options}"
        ));
        let (report, errors, code) = said(&output);
        assert_eq!(code, 0, "{options}: {report}{errors}");
        assert!(report.starts_with("SEALED"), "{report}");
        people
            .openssl("cms -decrypt -in sealed.eml -recip home.crt -inkey home.key -out inner.eml");
        people.openssl("cms -verify -in inner.eml -CAfile root.pem -out plain.eml");
        let plain = String::from_utf8(people.read("plain.eml")).unwrap();
        assert!(
            plain.contains("Sortie de Mme Fictive") && plain.contains("Bonjour"),
            "{plain}"
        );
        let sealed = String::from_utf8(people.read("sealed.eml")).unwrap();
        assert!(!sealed.contains("Fictive"), "{sealed}");
    }
}

#[test]
fn the_tools_open_what_openssl_seals() {
    let people = Correspondents::new();
    people.openssl("cms -sign -in letter.eml -signer doctor.crt -inkey doctor.key -out signed.eml");
    let from = format!("cms -encrypt -aes-256-gcm -from {DOCTOR} -in signed.eml");
    for (options, file) in [
        ("-outform SMIME", "sealed.eml"),
        ("-outform PEM", "sealed.pem"),
        ("-outform DER", "sealed.der"),
        ("-outform DER -stream", "sealed.ber"),
        ("-outform PEM -stream", "streamed.pem"),
    ] {
        people.openssl(&format!("{from} {options} -out {file} home.crt"));
        for keys in [
            "--key home.key --cert home.crt".to_owned(),
            "--p12 home.p12 --passphrase-file pass".to_owned(),
        ] {
            let output = people.smime(&format!(
                "open {file} {keys} --trust root.pem --crl good.crl --at 2026-11-20 --out plain.eml"
            ));
            let (report, errors, code) = said(&output);
            assert_eq!(code, 0, "{file}: {report}{errors}");
            assert!(report.contains("encrypted with Aes256Gcm"), "{report}");
            assert!(
                report.contains("signed by CN=dr.untel@hopital.test"),
                "{report}"
            );
            assert!(report.contains("VALID"), "{report}");
            assert!(report.contains("10 days old"), "{report}");
            let plain = String::from_utf8(people.read("plain.eml")).unwrap();
            assert!(plain.contains("Bonjour"), "{plain}");
        }
    }
}

#[test]
fn the_tools_verify_what_openssl_signs() {
    let people = Correspondents::new();
    let sign = "cms -sign -in letter.eml -signer doctor.crt -inkey doctor.key";
    for (options, file) in [
        ("-outform SMIME", "detached.eml"),
        ("-nodetach -outform SMIME", "opaque.eml"),
        ("-nodetach -outform PEM", "opaque.pem"),
        ("-nodetach -outform DER", "opaque.der"),
        ("-nodetach -outform DER -stream", "opaque.ber"),
        ("-nodetach -outform DER -keyid", "keyid.der"),
    ] {
        people.openssl(&format!("{sign} -from {DOCTOR} {options} -out {file}"));
        let verify = format!("verify {file} --trust root.pem --at 2026-11-20");
        let (report, errors, code) = said(&people.smime(&verify));
        assert_eq!(code, 0, "{file}: {report}{errors}");
        assert!(report.contains(&format!("signed by {DOCTOR}")), "{report}");
        assert!(
            report.contains("is not known"),
            "no list was given: {report}"
        );
        // From standard input, too.
        let input = people.read(file);
        let from_input = verify.replace(file, "-");
        let (_, errors, code) = said(&people.smime_with(&from_input, &input));
        assert_eq!(code, 0, "{file}: {errors}");
    }
    // A signature apart from its content, as a file.
    people.openssl(&format!("{sign} -binary -outform DER -out letter.p7s"));
    people.openssl(&format!("{sign} -binary -outform PEM -out letter.pem"));
    for file in ["letter.p7s", "letter.pem"] {
        let verify = format!("verify {file} --trust root.pem --at 2026-11-20");
        let (report, _, code) = said(&people.smime(&verify));
        assert_eq!(code, 1);
        assert!(report.contains("--content"), "{report}");
        let (report, errors, code) = said(&people.smime(&format!("{verify} --content letter.eml")));
        assert_eq!(code, 0, "{file}: {report}{errors}");
        people.write("other.eml", b"Something else\r\n");
        let (report, _, code) = said(&people.smime(&format!("{verify} --content other.eml")));
        assert_eq!(code, 1, "{report}");
        assert!(report.contains("changed"), "{report}");
    }
}
