//! NSS's `cmsutil` (3.87), Mozilla's own CMS code and that of Thunderbird, on a database of its
//! own whose keys come from PKCS#12 files written here. It has no ECDH recipient, no RSA-OAEP and
//! no `AuthEnvelopedData`: both ways is signatures, and its envelopes are opened here.

use std::process::Command;

use liaison_smime::{Refusal, SignatureForm};

use super::territory::{Authority, DOCTOR, HOME, Kind, Openssl, Person};
use super::{
    CONTENT, assert_valid, detached_mail, entity, fails, lasting_person, lasting_root, mail, run,
    sealed_here, signed_here, verdict,
};

/// A folder with an NSS database.
struct Nss(tempfile::TempDir);

impl Nss {
    fn new(root: &Authority) -> Self {
        let nss = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(nss.0.path().join("db")).unwrap();
        nss.run("certutil", "-N -d sql:db --empty-password");
        let openssl = Openssl::new();
        openssl.authority("ca", root);
        nss.write("ca.crt", &openssl.read("ca.crt"));
        nss.run("certutil", "-A -d sql:db -n racine -t C,C,C -i ca.crt");
        nss
    }

    /// Imports a person under a nickname, from our own export.
    fn import(&self, nickname: &str, person: &Person) {
        let file = person.identity().to_pkcs12(nickname, "secret").unwrap();
        self.write("p.p12", &file);
        self.run("pk12util", "-i p.p12 -d sql:db -W secret");
    }

    fn command(&self, program: &str, arguments: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments.split_whitespace())
            .current_dir(self.0.path());
        command
    }

    fn run(&self, program: &str, arguments: &str) -> Vec<u8> {
        run(&mut self.command(program, arguments)).stdout
    }

    fn write(&self, name: &str, octets: &[u8]) {
        std::fs::write(self.0.path().join(name), octets).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.path().join(name)).unwrap()
    }
}

#[test]
fn we_verify_and_open_what_nss_makes() {
    let root = lasting_root();
    let home = lasting_person(&root, HOME, Kind::Rsa);
    let trust = root.trust();
    for kind in [Kind::Rsa, Kind::P256, Kind::P384, Kind::P521] {
        // NSS has one nickname for a subject: a database for each of the doctor's keys.
        let nss = Nss::new(&root);
        nss.import("home", &home);
        nss.import("doctor", &lasting_person(&root, DOCTOR, kind));
        nss.write("content", CONTENT);
        for digest in ["SHA256", "SHA384", "SHA512"] {
            let why = format!("{kind:?} {digest}");
            let sign = format!("-S -d sql:db -N doctor -H {digest} -G -P -i content");
            nss.run("cmsutil", &format!("{sign} -T -o signed.der"));
            let detached = detached_mail(&nss.read("signed.der"));
            assert_valid(&detached, &home, &trust, &format!("detached {why}"));
            nss.run("cmsutil", &format!("{sign} -o signed.der"));
            let signed = nss.read("signed.der");
            assert_valid(&mail(&signed), &home, &trust, &why);
            nss.write("inner", &entity(&signed));
            nss.run("cmsutil", "-E -d sql:db -r home -i inner -o sealed.der");
            assert_valid(&mail(&nss.read("sealed.der")), &home, &trust, &why);
        }
        // AES-CBC, all that it has, around what nobody signed: the policy.
        nss.run("cmsutil", "-E -d sql:db -r home -i content -o sealed.der");
        let unsigned = verdict(&mail(&nss.read("sealed.der")), &home, &trust);
        assert_eq!(unsigned.err(), Some(Refusal::CannotOpen));
    }
}

#[test]
fn nss_verifies_what_we_sign() {
    let root = lasting_root();
    let home = lasting_person(&root, HOME, Kind::Rsa);
    let nss = Nss::new(&root);
    for (kind, rsa_pss) in [
        (Kind::Rsa, false),
        (Kind::Rsa, true),
        (Kind::P256, false),
        (Kind::P384, false),
        (Kind::P521, false),
    ] {
        let doctor = lasting_person(&root, DOCTOR, kind);
        let (opaque, _) = signed_here(&doctor, SignatureForm::Opaque, rsa_pss, &home);
        nss.write("opaque.der", &opaque);
        let payload = nss.run("cmsutil", "-D -d sql:db -i opaque.der");
        assert!(
            String::from_utf8_lossy(&payload).contains("Subject: Sortie de Mme Fictive"),
            "{kind:?}"
        );
        let (signature, content) = signed_here(&doctor, SignatureForm::Detached, rsa_pss, &home);
        nss.write("signature.der", &signature);
        nss.write("content", &content);
        let check = "-D -d sql:db -n -i signature.der -c content";
        nss.run("cmsutil", check);
        nss.write("content", b"autre chose");
        assert!(
            fails(&mut nss.command("cmsutil", check)),
            "{kind:?}: a change was not seen"
        );
    }
}

#[test]
fn nss_has_none_of_the_key_managements_that_we_send() {
    let root = lasting_root();
    let doctor = lasting_person(&root, DOCTOR, Kind::P256);
    let openssl = Openssl::new();
    for kind in [Kind::Rsa, Kind::P256] {
        let nss = Nss::new(&root);
        let home = lasting_person(&root, HOME, kind);
        nss.import("home", &home);
        for cbc in [false, true] {
            openssl.write("sealed.eml", &sealed_here(&doctor, &home, cbc));
            openssl.run("cms -cmsout -in sealed.eml -outform DER -out sealed.der");
            nss.write("sealed.der", &openssl.read("sealed.der"));
            let decode = "-D -d sql:db -i sealed.der";
            assert!(
                fails(&mut nss.command("cmsutil", decode)),
                "{kind:?} {cbc}: it can now; send it so in the tests"
            );
        }
    }
}
