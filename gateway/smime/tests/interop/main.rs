//! Both ways with programs that nobody here wrote: what they sign and encrypt is opened and
//! verified here, what is signed and sealed here they verify and open, for every algorithm that
//! both sides have. (The `openssl` program has tests of its own.)
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure here is the test's"
)]

mod gpgsm;
mod nss;
mod python;
#[path = "../territory/mod.rs"]
mod territory;

use std::process::{Command, Output};

use base64::Engine as _;
use liaison_smime::{
    OpenPolicy, Opener, Recipients, Refusal, SealPolicy, Sealer, SignatureForm, SignatureVerdict,
    TrustStore,
};
use rcgen::CertificateParams;
use territory::{Authority, DOCTOR, HOME, Kind, Openssl, Person, letter, now};
use time::macros::datetime;

/// The entity that the others sign.
const CONTENT: &[u8] = b"Content-Type: text/plain; charset=utf-8\r\n\r\nBonjour,\r\n";

/// Runs a program, whose failure is the test's.
fn run(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e} (see tests/packages.txt)"));
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Whether a program fails, as it should.
fn fails(command: &mut Command) -> bool {
    !command.output().unwrap().status.success()
}

/// Dates around every day on which this test may run: these programs ask the machine's clock.
fn lasting(params: &mut CertificateParams) {
    params.not_before = datetime!(2020-01-01 0:00 UTC);
    params.not_after = datetime!(2049-12-31 0:00 UTC);
}

fn lasting_root() -> Authority {
    let mut params = territory::authority_params("Territoire fictif, racine");
    lasting(&mut params);
    Authority::from_params(params)
}

fn lasting_person(root: &Authority, address: &str, kind: Kind) -> Person {
    let mut params = territory::person_params(address, kind);
    lasting(&mut params);
    root.issue(&params, kind)
}

/// A mail around a CMS object.
fn mail(object: &[u8]) -> Vec<u8> {
    let mut mail = format!("From: {DOCTOR}\r\nTo: {HOME}\r\n").into_bytes();
    mail.extend_from_slice(&entity(object));
    mail
}

/// A MIME entity around a CMS object.
fn entity(object: &[u8]) -> Vec<u8> {
    let mut entity = b"Content-Type: application/pkcs7-mime; name=\"smime.p7m\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\n"
        .to_vec();
    entity.extend_from_slice(&base64_lines(object));
    entity
}

/// A mail that is multipart/signed over [`CONTENT`].
fn detached_mail(signature: &[u8]) -> Vec<u8> {
    let mut mail = format!("From: {DOCTOR}\r\nTo: {HOME}\r\n").into_bytes();
    mail.extend_from_slice(
        b"Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n \
          micalg=sha-256; boundary=b\r\n\r\n--b\r\n",
    );
    mail.extend_from_slice(CONTENT);
    mail.extend_from_slice(
        b"\r\n--b\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n\
          Content-Transfer-Encoding: base64\r\n\r\n",
    );
    mail.extend_from_slice(&base64_lines(signature));
    mail.extend_from_slice(b"--b--\r\n");
    mail
}

fn base64_lines(octets: &[u8]) -> Vec<u8> {
    let text = base64::engine::general_purpose::STANDARD.encode(octets);
    let mut lines = Vec::with_capacity(text.len() + text.len() / 38);
    for line in text.as_bytes().chunks(76) {
        lines.extend_from_slice(line);
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

/// The verdict on a mail that may be signed only.
fn verdict(mail: &[u8], person: &Person, trust: &TrustStore) -> Result<SignatureVerdict, Refusal> {
    let mut policy = OpenPolicy::default();
    policy.accept_unencrypted = true;
    let ring = person.ring();
    let opened = Opener::new(&policy, &ring, trust).open(mail, now())?;
    Ok(opened.signature().clone())
}

fn assert_valid(mail: &[u8], person: &Person, trust: &TrustStore, why: &str) {
    let found = verdict(mail, person, trust);
    assert!(
        matches!(found, Ok(SignatureVerdict::Valid(_))),
        "{why}: {found:?}"
    );
}

/// What `doctor` signs here, opaque or detached: the signature's object, and the entity that it
/// is over. It is taken out of its envelope by the `openssl` program.
fn signed_here(
    doctor: &Person,
    form: SignatureForm,
    rsa_pss: bool,
    home: &Person,
) -> (Vec<u8>, Vec<u8>) {
    let mut policy = SealPolicy::default();
    policy.signature_form = form;
    policy.rsa_pss = rsa_pss;
    let identity = doctor.identity();
    let sealed = Sealer::new(policy)
        .sign_with(&identity)
        .seal_to_vec(
            letter("Bonjour,\r\n"),
            &Recipients::blind(home.certificate.clone()),
            now(),
        )
        .unwrap();
    let folder = Openssl::new();
    folder.write("sealed.eml", &sealed);
    folder.person("home", home);
    folder.run("cms -decrypt -binary -in sealed.eml -recip home.crt -inkey home.key -out inner");
    folder.run("cms -cmsout -in inner -outform DER -out signature.der");
    let content = match form {
        SignatureForm::Detached => first_part(&folder.read("inner")),
        _ => Vec::new(),
    };
    (folder.read("signature.der"), content)
}

/// What `doctor` signs and seals here for `home`.
fn sealed_here(doctor: &Person, home: &Person, cbc: bool) -> Vec<u8> {
    let mut recipients = Recipients::blind(home.certificate.clone());
    if cbc {
        recipients = recipients.reading_only_cbc();
    }
    Sealer::new(SealPolicy::default())
        .sign_with(&doctor.identity())
        .seal_to_vec(letter("Bonjour,\r\n"), &recipients, now())
        .unwrap()
}

/// The octets of the first part of a multipart/signed entity, as they were signed.
fn first_part(entity: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(entity.to_vec()).unwrap();
    let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
    let start = text.find("boundary=\"").unwrap() + 10;
    let boundary = format!(
        "--{}",
        &text[start..start + text[start..].find('"').unwrap()]
    );
    let first = text.find(&format!("\r\n{boundary}\r\n")).unwrap() + boundary.len() + 4;
    let end = first + text[first..].find(&format!("\r\n{boundary}")).unwrap();
    text.as_bytes()[first..end].to_vec()
}
