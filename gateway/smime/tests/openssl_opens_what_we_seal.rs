//! The `openssl cms` program decrypts and verifies our messages with the recipient's key.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

use crate::territory;

use std::io::Cursor;

use liaison_smime::{
    Certificate, ContentCipher, Identities, Identity, Layer, OpenPolicy, Opener, PrivateKey,
    Profile, Recipients, SealError, SealPolicy, Sealer, SignatureForm, SignatureVerdict, Spool,
};
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

fn profiled(profile: Profile) -> SealPolicy {
    let mut policy = SealPolicy::default();
    policy.profile = profile;
    policy
}

/// Decrypts `sealed.eml` as `home`, and verifies what is inside against the root.
fn decrypt_and_verify(folder: &Openssl) -> String {
    folder.run("cms -decrypt -in sealed.eml -recip home.crt -inkey home.key -out inner.eml");
    folder.run(&format!(
        "cms -verify -in inner.eml -CAfile root.crt -purpose smimesign -attime {} -out payload.eml",
        now().unix_timestamp()
    ));
    let payload = String::from_utf8(folder.read("payload.eml")).unwrap();
    payload.replace("\r\n", "\n")
}

#[test]
fn every_curve_signs_and_receives_and_cbc_is_read() {
    let root = Authority::root();
    let folder = Openssl::new();
    folder.authority("root", &root);
    for (signer, recipient) in [
        (Kind::P384, Kind::P521),
        (Kind::P521, Kind::P384),
        (Kind::Rsa, Kind::Rsa),
    ] {
        let doctor = root.person(DOCTOR, signer);
        let home = root.person(HOME, recipient);
        folder.person("home", &home);
        for cbc in [false, true] {
            let mut recipients = Recipients::blind(home.certificate.clone());
            if cbc {
                recipients = recipients.reading_only_cbc();
            }
            let identity = doctor.identity();
            let sealer = Sealer::new(SealPolicy::default()).sign_with(&identity);
            let mut sealed = Vec::new();
            let message = Spool::file(Cursor::new(letter(BODY)));
            let report = sealer
                .seal(message, &recipients, now(), &mut sealed)
                .unwrap();
            assert_eq!(report.octets, sealed.len() as u64);
            assert_eq!(report.cipher == ContentCipher::Aes256Cbc, cbc);
            folder.write("sealed.eml", &sealed);
            let payload = decrypt_and_verify(&folder);
            assert!(payload.ends_with(&format!("\n\n{}", BODY.replace("\r\n", "\n"))));
            // We read it as well, from a file too.
            let (ring, trust, policy) = (home.ring(), root.trust(), OpenPolicy::default());
            let opener = Opener::new(&policy, &ring, &trust);
            let mut opened = opener
                .open(Spool::file(Cursor::new(sealed)), now())
                .unwrap();
            assert!(matches!(opened.signature(), SignatureVerdict::Valid(_)));
            assert!(
                opened
                    .readable()
                    .into_vec()
                    .unwrap()
                    .ends_with(BODY.as_bytes())
            );
        }
        let unsigned = Sealer::new(SealPolicy::default()).seal_to_vec(
            letter(BODY),
            &Recipients::blind(home.certificate.clone()).reading_only_cbc(),
            now(),
        );
        assert_eq!(unsigned.err(), Some(SealError::UnsignedCbc));
    }
}

/// Whether OpenSSL cannot do what [`decrypt_and_verify`] asks.
fn openssl_fails(folder: &Openssl) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| decrypt_and_verify(folder))).is_err()
}

#[test]
fn ed25519_signatures_are_ours_alone() {
    let root = Authority::root();
    let folder = Openssl::new();
    folder.authority("root", &root);
    let doctor = root.person(DOCTOR, Kind::Ed25519);
    let home = root.person(HOME, Kind::P256);
    folder.person("home", &home);
    let sealed = Sealer::new(SealPolicy::default())
        .sign_with(&doctor.identity())
        .seal_to_vec(
            letter(BODY),
            &Recipients::blind(home.certificate.clone()),
            now(),
        )
        .unwrap();
    folder.write("sealed.eml", &sealed);
    assert!(openssl_fails(&folder));
    let opened = territory::open(&sealed, &home, &root.trust()).unwrap();
    assert!(matches!(opened.signature(), SignatureVerdict::Valid(_)));
}

#[test]
fn wrapped_and_kim_messages() {
    let root = Authority::root();
    let folder = Openssl::new();
    folder.authority("root", &root);
    let doctor = root.person(DOCTOR, Kind::Rsa);
    let home = root.person(HOME, Kind::Rsa);
    let identity = doctor.identity();
    folder.person("home", &home);
    let alone = Recipients::visible([home.certificate.clone()]);
    let both = alone.clone().and_sender(doctor.certificate.clone());
    let kim = Sealer::new(profiled(Profile::KomLe)).sign_with(&identity);
    let refused = kim.seal_to_vec(letter(BODY), &alone, now());
    assert!(matches!(refused, Err(SealError::Profile(_))), "{refused:?}");
    let direct = Sealer::new(profiled(Profile::WrappedRfc822)).sign_with(&identity);
    for (sealer, recipients, outer) in [
        (&direct, &alone, "Subject: [...]\r\n"),
        (&kim, &both, "X-KOM-LE-Version: 1.0\r\n"),
    ] {
        let sealed = sealer.seal_to_vec(letter(BODY), recipients, now()).unwrap();
        let text = String::from_utf8(sealed.clone()).unwrap();
        assert!(text.contains(outer) && !text.contains("Fictive"), "{text}");
        folder.write("sealed.eml", &sealed);
        if std::ptr::eq(sealer, &kim) {
            // OpenSSL 3.0 takes the unauthenticated attributes of RFC 5083 for something else.
            assert!(openssl_fails(&folder));
        } else {
            let payload = decrypt_and_verify(&folder);
            assert!(payload.starts_with("Content-Type: message/rfc822"));
            assert!(payload.contains("Subject: Sortie de Mme Fictive\n"));
        }
        let (ring, trust, policy) = (home.ring(), root.trust(), OpenPolicy::default());
        let mut opened = Opener::new(&policy, &ring, &trust)
            .open(&sealed, now())
            .unwrap();
        assert!(
            matches!(opened.signature(), SignatureVerdict::Valid(_)),
            "{opened:?}"
        );
        let readable = String::from_utf8(opened.readable().into_vec().unwrap()).unwrap();
        assert!(readable.contains("Subject: Sortie de Mme Fictive\r\n"));
        assert!(readable.ends_with(BODY));
    }
    // What the sender kept a copy of, the sender opens.
    let sealed = kim.seal_to_vec(letter(BODY), &both, now()).unwrap();
    assert!(territory::open(&sealed, &doctor, &root.trust()).is_ok());
}

#[test]
fn x25519_recipients_are_ours_alone() {
    // OpenSSL 3 has X25519 keys and certificates, and no X25519 in CMS (its issue 22388).
    let root = Authority::root();
    let doctor = root.person(DOCTOR, Kind::P256);
    let folder = Openssl::new();
    folder.run("genpkey -algorithm X25519 -out home.key");
    folder.run("pkey -in home.key -pubout -out home.pub");
    folder.run("ecparam -name prime256v1 -genkey -noout -out other.key");
    folder.run("req -x509 -new -key other.key -subj /CN=racine -days 30 -out other.crt");
    folder.run("req -new -key other.key -subj /CN=accueil -out home.csr");
    folder.run("x509 -req -in home.csr -CA other.crt -CAkey other.key -CAcreateserial -force_pubkey home.pub -days 30 -out home.crt");
    let text = |name| String::from_utf8(folder.read(name)).unwrap();
    let certificate = Certificate::from_pem(&text("home.crt")).unwrap();
    let key = PrivateKey::from_pkcs8_pem(&text("home.key")).unwrap();
    assert_eq!(key.to_pkcs8_pem().unwrap().trim(), text("home.key").trim());
    let home = Identity::new(certificate.clone(), Vec::new(), key).unwrap();
    let sealed = Sealer::new(SealPolicy::default())
        .sign_with(&doctor.identity())
        .seal_to_vec(letter(BODY), &Recipients::blind(certificate), now())
        .unwrap();
    let ring = Identities::new().with(home);
    let (trust, policy) = (root.trust(), OpenPolicy::default());
    let opened = Opener::new(&policy, &ring, &trust)
        .open(&sealed, now())
        .unwrap();
    assert!(matches!(opened.signature(), SignatureVerdict::Valid(_)));
    assert!(matches!(
        opened.layers(),
        [Layer::Encrypted { recipients: 1, .. }, Layer::Signed { .. }]
    ));
}
