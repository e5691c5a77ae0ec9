//! GnuPG's `gpgsm` (2.2), with a home of its own. It has no elliptic keys of its own in PKCS#12,
//! no ECDH, no RSA-OAEP and no authenticated encryption that OpenSSL's and this crate's forms
//! agree with (`OPENSSL.md` lists what that means): both ways is signatures, and its envelopes
//! are opened here.

use std::path::Path;
use std::process::{Command, Stdio};

use liaison_smime::{Refusal, SignatureForm};

use super::territory::{self, Authority, DOCTOR, HOME, Kind, Openssl, Person};
use super::{
    CONTENT, assert_valid, detached_mail, entity, fails, mail, run, sealed_here, signed_here,
    verdict,
};

/// The passphrase of the files and of the agent.
const PASSPHRASE: &str = "secret";

/// A GnuPG home in a short path: its sockets' names have room for about a hundred characters.
struct Gnupg(tempfile::TempDir);

impl Gnupg {
    fn new(root: &Authority, people: &[&Person]) -> Self {
        let home = tempfile::Builder::new()
            .prefix("g")
            .tempdir_in("/tmp")
            .unwrap();
        let gnupg = Self(home);
        let at = territory::now() - time::OffsetDateTime::UNIX_EPOCH;
        // No lists, no network, and the day on which the tests happen.
        gnupg.write(
            "gpgsm.conf",
            format!(
                "disable-crl-checks\ndisable-dirmngr\nbatch\nyes\nfaked-system-time {}\n",
                at.whole_seconds()
            )
            .as_bytes(),
        );
        gnupg.write("gpg-agent.conf", b"allow-loopback-pinentry\n");
        gnupg.write("passphrase", PASSPHRASE.as_bytes());
        let openssl = Openssl::new();
        openssl.authority("ca", root);
        gnupg.write("import", &openssl.read("ca.crt"));
        run(&mut gnupg.gpgsm("--import import"));
        let fingerprint = openssl.run("x509 -in ca.crt -noout -fingerprint -sha1");
        let fingerprint = String::from_utf8(fingerprint).unwrap();
        let (_, fingerprint) = fingerprint.trim().split_once('=').unwrap();
        gnupg.write(
            "trustlist.txt",
            format!("{fingerprint} S relax\n").as_bytes(),
        );
        for person in people {
            gnupg.import(person);
        }
        gnupg
    }

    /// Imports a key. This `gpgsm` fails to read about one PKCS#12 file in five, by their salt.
    fn import(&self, person: &Person) {
        let openssl = Openssl::new();
        openssl.person("p", person);
        let mut said = String::new();
        for _ in 0..10 {
            openssl.run(&format!(
                "pkcs12 -export -legacy -in p.crt -inkey p.key -out p.p12 -passout pass:{PASSPHRASE}"
            ));
            self.write("import", &openssl.read("p.p12"));
            let output = self.gpgsm("--import import").output().unwrap();
            said = String::from_utf8_lossy(&output.stderr).into_owned();
            if said.contains("secret keys imported: 1") {
                return;
            }
        }
        panic!("gpgsm does not import the key:\n{said}");
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn gpgsm(&self, arguments: &str) -> Command {
        let mut command = Command::new("gpgsm");
        let passphrase = std::fs::File::open(self.path().join("passphrase")).unwrap();
        command
            .args(["--homedir", self.path().to_str().unwrap()])
            .args(["--pinentry-mode", "loopback", "--passphrase-fd", "0"])
            .args(arguments.split_whitespace())
            .current_dir(self.path())
            .stdin(Stdio::from(passphrase));
        command
    }

    fn write(&self, name: &str, octets: &[u8]) {
        std::fs::write(self.path().join(name), octets).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }
}

impl Drop for Gnupg {
    fn drop(&mut self) {
        // The agent that gpgsm started for this home.
        let _ = Command::new("gpgconf")
            .args(["--homedir", self.path().to_str().unwrap(), "--kill", "all"])
            .output();
    }
}

#[test]
fn we_verify_and_open_what_gpgsm_makes() {
    let root = Authority::root();
    let home = root.person(HOME, Kind::Rsa);
    let doctor = root.person(DOCTOR, Kind::Rsa);
    let gnupg = Gnupg::new(&root, &[&doctor, &home]);
    let trust = root.trust();
    gnupg.write("content", CONTENT);
    for digest in ["SHA256", "SHA384", "SHA512"] {
        let sign = format!("-u {DOCTOR} --digest-algo {digest} -o signed.der");
        run(&mut gnupg.gpgsm(&format!("{sign} --detach-sign content")));
        let detached = detached_mail(&gnupg.read("signed.der"));
        assert_valid(&detached, &home, &trust, &format!("detached {digest}"));
        run(&mut gnupg.gpgsm(&format!("{sign} --sign content")));
        let signed = gnupg.read("signed.der");
        assert_valid(&mail(&signed), &home, &trust, digest);
        gnupg.write("inner", &entity(&signed));
    }
    for cipher in ["AES128", "AES192", "AES256"] {
        let seal = format!("-r {HOME} --cipher-algo {cipher} -o sealed.der --encrypt");
        run(&mut gnupg.gpgsm(&format!("{seal} inner")));
        let sealed = mail(&gnupg.read("sealed.der"));
        assert_valid(&sealed, &home, &trust, cipher);
        // The same cipher around what nobody signed: the policy on CBC.
        run(&mut gnupg.gpgsm(&format!("{seal} content")));
        let unsigned = verdict(&mail(&gnupg.read("sealed.der")), &home, &trust);
        assert_eq!(unsigned.err(), Some(Refusal::CannotOpen), "{cipher}");
    }
}

#[test]
fn gpgsm_verifies_what_we_sign() {
    let root = Authority::root();
    let home = root.person(HOME, Kind::Rsa);
    let gnupg = Gnupg::new(&root, &[]);
    for (kind, rsa_pss) in [
        (Kind::Rsa, false),
        (Kind::Rsa, true),
        (Kind::P256, false),
        (Kind::P384, false),
    ] {
        let doctor = root.person(DOCTOR, kind);
        let (opaque, _) = signed_here(&doctor, SignatureForm::Opaque, rsa_pss, &home);
        gnupg.write("opaque.der", &opaque);
        run(&mut gnupg.gpgsm("--verify opaque.der"));
        let (signature, content) = signed_here(&doctor, SignatureForm::Detached, rsa_pss, &home);
        gnupg.write("signature.der", &signature);
        gnupg.write("content", &content);
        run(&mut gnupg.gpgsm("--verify signature.der content"));
        gnupg.write("content", b"autre chose");
        assert!(
            fails(&mut gnupg.gpgsm("--verify signature.der content")),
            "{kind:?}: a change was not seen"
        );
    }
}

#[test]
fn gpgsm_does_not_verify_what_p521_signs() {
    let root = Authority::root();
    let home = root.person(HOME, Kind::Rsa);
    let gnupg = Gnupg::new(&root, &[]);
    let doctor = root.person(DOCTOR, Kind::P521);
    let (opaque, _) = signed_here(&doctor, SignatureForm::Opaque, false, &home);
    assert_valid(&mail(&opaque), &home, &root.trust(), "P-521");
    gnupg.write("opaque.der", &opaque);
    assert!(fails(&mut gnupg.gpgsm("--verify opaque.der")));
}

#[test]
fn gpgsm_has_none_of_the_key_managements_that_we_send() {
    let root = Authority::root();
    let doctor = root.person(DOCTOR, Kind::P256);
    let home = root.person(HOME, Kind::Rsa);
    let gnupg = Gnupg::new(&root, &[&home]);
    let openssl = Openssl::new();
    for cbc in [false, true] {
        let sealed = sealed_here(&doctor, &home, cbc);
        openssl.write("sealed.eml", &sealed);
        openssl.run("cms -cmsout -in sealed.eml -outform DER -out sealed.der");
        gnupg.write("sealed.der", &openssl.read("sealed.der"));
        assert!(fails(&mut gnupg.gpgsm("--decrypt sealed.der")));
    }
    // The key is there, and serves for the transport that we do not send any more.
    openssl.person("home", &home);
    openssl.write("content", CONTENT);
    openssl.run(
        "cms -encrypt -aes-256-cbc -binary -in content -recip home.crt -outform DER -out old.der",
    );
    gnupg.write("old.der", &openssl.read("old.der"));
    assert_eq!(
        run(&mut gnupg.gpgsm("--decrypt old.der")).stdout,
        CONTENT,
        "RSA PKCS#1 v1.5"
    );
}
