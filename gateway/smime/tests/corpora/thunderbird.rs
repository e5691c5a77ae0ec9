//! Thunderbird's S/MIME mails (mailnews/test/data/smime): signed, opaque and enveloped mails and
//! their nestings, made by NSS.

use std::collections::BTreeMap;

use liaison_smime::{
    Certificate, Identities, InvalidReason, OpenPolicy, Refusal, SignatureVerdict, TrustStore,
};
use time::macros::datetime;

use super::at_hand;

/// What is expected of a mail, with the reason where it is not plainly valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Opened (where it is enveloped), signed by the person in From.
    Valid,
    /// The mail is bad, and shown with the warning that says so.
    Changed,
    /// Policy: SHA-1 proves nothing, whatever it signs (RFC 8551 §2.1).
    Sha1,
    /// Policy: every layer's signer has to be the person in From, and one is somebody else.
    AnotherSigner,
    /// Policy: CBC content is released only under a valid signature inside it (EFAIL).
    NotAuthenticated,
    /// A detached signature that carries another content (CVE-2018-18509).
    TwoContents,
}
use Expected::{AnotherSigner, Changed, NotAuthenticated, Sha1, TwoContents, Valid};

/// Mails that are there once for each digest; what is expected with SHA-2, then with SHA-1.
const BY_DIGEST: [(&str, Expected, Expected); 16] = [
    ("alice.dsig.*.multipart.eml", Valid, Sha1),
    ("alice.dsig.*.multipart.bad.eml", Changed, Sha1),
    (
        "alice.dsig.*.multipart.mismatch-econtent.eml",
        TwoContents,
        TwoContents,
    ),
    ("alice.dsig.*.multipart.env.eml", Valid, NotAuthenticated),
    (
        "alice.env.dsig.*.multipart.eml",
        NotAuthenticated,
        NotAuthenticated,
    ),
    (
        "alice.env.dsig.*.multipart.dave.sig.*.opaque.eml",
        NotAuthenticated,
        NotAuthenticated,
    ),
    (
        "alice.env.sig.*.opaque.eml",
        NotAuthenticated,
        NotAuthenticated,
    ),
    (
        "alice.env.sig.*.opaque.dave.sig.*.opaque.eml",
        NotAuthenticated,
        NotAuthenticated,
    ),
    ("alice.html.sig.*.opaque.eml", Valid, Sha1),
    ("alice.html.sig.*.opaque.env.eml", Valid, NotAuthenticated),
    ("alice.sig.*.opaque.eml", Valid, Sha1),
    ("alice.sig.*.opaque.env.eml", Valid, NotAuthenticated),
    (
        "alice.plain.dsig.*.multipart.dave.dsig.*.multipart.eml",
        AnotherSigner,
        Sha1,
    ),
    (
        "alice.plain.dsig.*.multipart.dave.sig.*.opaque.eml",
        AnotherSigner,
        Sha1,
    ),
    (
        "alice.plain.sig.*.opaque.dave.dsig.*.multipart.eml",
        AnotherSigner,
        Sha1,
    ),
    (
        "alice.plain.sig.*.opaque.dave.sig.*.opaque.eml",
        AnotherSigner,
        Sha1,
    ),
];

const OTHERS: [(&str, Expected); 2] = [
    ("alice.env.eml", NotAuthenticated),
    // Its Date is six hours after the signature's claim. Neither is taken for the truth.
    ("alice.future.dsig.SHA256.multipart.eml", Valid),
];

fn table() -> BTreeMap<String, Expected> {
    let mut table: BTreeMap<_, _> = OTHERS
        .iter()
        .map(|(name, expected)| ((*name).to_owned(), *expected))
        .collect();
    for (name, with_sha2, with_sha1) in BY_DIGEST {
        for digest in ["SHA256", "SHA384", "SHA512"] {
            table.insert(name.replace('*', digest), with_sha2);
        }
        table.insert(name.replace('*', "SHA1"), with_sha1);
    }
    table
}

#[test]
fn thunderbirds_mails_get_the_verdict_of_the_table() {
    let Some(folder) = at_hand::folder("thunderbird/mailnews/test/data/smime") else {
        return;
    };
    let mut ring = Identities::new();
    for person in ["Alice", "Bob", "Dave", "Eve"] {
        ring = ring.with(at_hand::pkcs12(
            &folder.join(format!("{person}.p12")),
            "nss",
        ));
    }
    let anchor = std::fs::read_to_string(folder.join("TestCA.pem")).unwrap();
    let trust = TrustStore::new().with_anchor(Certificate::from_pem(&anchor).unwrap());
    let mut policy = OpenPolicy::default();
    policy.accept_unencrypted = true;
    let mut table = table();
    let mut wrong = Vec::new();
    for (name, mail) in at_hand::files(&folder, ".eml") {
        let Some(expected) = table.remove(&name) else {
            panic!("{name}: no verdict is listed for it");
        };
        let opened = super::open(
            &policy,
            &mail,
            &ring,
            &trust,
            datetime!(2026-06-01 0:00 UTC),
        );
        let found = match opened.as_ref().map(liaison_smime::Opened::signature) {
            Ok(SignatureVerdict::Valid(_)) => Some(Valid),
            Ok(SignatureVerdict::Invalid(InvalidReason::ContentChanged)) => Some(Changed),
            Ok(SignatureVerdict::Invalid(InvalidReason::Algorithm(_))) => Some(Sha1),
            Ok(SignatureVerdict::Invalid(InvalidReason::WrongAddress)) => Some(AnotherSigner),
            Err(Refusal::CannotOpen) => Some(NotAuthenticated),
            Err(Refusal::Malformed("a detached signature with content inside")) => {
                Some(TwoContents)
            }
            _ => None,
        };
        if found != Some(expected) {
            wrong.push(format!("{name}: expected {expected:?}, got {opened:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(table.is_empty(), "not in the folder: {table:?}");
}
