//! The `openssl cms` program decrypts and verifies our messages with the recipient's key.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

mod territory;

use liaison_smime::{Recipients, SealPolicy, Sealer, SignatureForm};
use territory::{Authority, DOCTOR, HOME, Kind, Openssl, letter, now};

const BODY: &str = "Première ligne\r\n.\r\nligne avec blancs  \r\n\r\nfin\r\n";

#[test]
fn openssl_opens_what_we_seal() {
    let root = Authority::root();
    for signer in [Kind::Rsa, Kind::P256] {
        let doctor = root.person(DOCTOR, signer);
        for form in [SignatureForm::Detached, SignatureForm::Opaque] {
            for rsa_pss in [false, true] {
                let recipients = [root.person(HOME, Kind::Rsa), root.person(HOME, Kind::P256)];
                let mut policy = SealPolicy::default();
                policy.signature_form = form;
                policy.rsa_pss = rsa_pss;
                let certificates = recipients.each_ref().map(|r| r.certificate.clone());
                let sealed = Sealer::new(policy)
                    .sign_with(&doctor.identity())
                    .seal_to_vec(
                        letter(BODY),
                        &Recipients::visible(certificates.clone()),
                        now(),
                    )
                    .unwrap();
                let folder = Openssl::new();
                folder.authority("root", &root);
                folder.write("sealed.eml", &sealed);
                for recipient in &recipients {
                    folder.person("home", recipient);
                    folder.run("cms -decrypt -in sealed.eml -recip home.crt -inkey home.key -out inner.eml");
                    folder.run(&format!(
                        "cms -verify -in inner.eml -CAfile root.crt -purpose smimesign -attime {} -out payload.eml",
                        now().unix_timestamp()
                    ));
                    let payload = String::from_utf8(folder.read("payload.eml")).unwrap();
                    let payload = payload.replace("\r\n", "\n");
                    assert!(
                        payload.contains("Subject: Sortie de Mme Fictive\n"),
                        "{payload}"
                    );
                    assert!(payload.contains("HP-Outer: Subject: [...]\n"), "{payload}");
                    assert!(payload.ends_with(&format!("\n\n{}", BODY.replace("\r\n", "\n"))));
                }
            }
        }
    }
}
