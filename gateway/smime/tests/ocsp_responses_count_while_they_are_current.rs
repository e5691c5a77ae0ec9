//! OCSP responses made by `openssl ocsp`, by the issuer itself and by delegated responders.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure here is the test's"
)]

use crate::territory;

use liaison_smime::{
    Certificate, MaterialError, OcspResponse, PathFault, Revocation, RevocationReason, TrustStore,
    ocsp_request,
};
use rcgen::{CertificateParams, CustomExtension, ExtendedKeyUsagePurpose};
use territory::{Authority, DOCTOR, Kind, Openssl, Person, authority_params, person_params};
use time::{Duration, OffsetDateTime};

const NONCE: [u8; 32] = [7; 32];

/// `openssl ocsp` signs at the machine's own time, so these tests happen then.
fn real_now() -> OffsetDateTime {
    let output = std::process::Command::new("date")
        .arg("+%s")
        .output()
        .unwrap();
    let seconds = String::from_utf8(output.stdout).unwrap();
    OffsetDateTime::from_unix_timestamp(seconds.trim().parse().unwrap()).unwrap()
}

fn current(mut params: CertificateParams) -> CertificateParams {
    params.not_before = real_now() - Duration::days(1);
    params.not_after = real_now() + Duration::days(100);
    params
}

struct Scene {
    openssl: Openssl,
    authority: Authority,
    person: Person,
}

impl Scene {
    fn new() -> Self {
        let openssl = Openssl::new();
        let authority =
            Authority::from_params(current(authority_params("Territoire fictif, OCSP")));
        let person = authority.issue(&current(person_params(DOCTOR, Kind::P256)), Kind::P256);
        openssl.authority("ca", &authority);
        openssl.write("ca.key", authority.key_pem().as_bytes());
        openssl.person("p", &person);
        Self {
            openssl,
            authority,
            person,
        }
    }

    /// The certificate of a responder, issued by `issuer`, and its key, as `r.crt` and `r.key`.
    fn responder(&self, issuer: &Authority, for_ocsp: bool, no_check: bool) {
        let mut params = current(person_params("ocsp@territoire.test", Kind::P256));
        if for_ocsp {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        }
        if no_check {
            let kind = [1, 3, 6, 1, 5, 5, 7, 48, 1, 5];
            params.custom_extensions = vec![CustomExtension::from_oid_content(&kind, vec![5, 0])];
        }
        self.openssl.person("r", &issuer.issue(&params, Kind::P256));
    }

    /// The answer on the person's certificate. `state` is `V`, or `R` with a date and a reason.
    fn answer(&self, state: &str, signer: &str, options: &str) -> Vec<u8> {
        let serial: String = self
            .person
            .certificate
            .serial()
            .iter()
            .map(|o| format!("{o:02X}"))
            .collect();
        let serial = serial.trim_start_matches("00");
        let index =
            format!("{state}\t{serial}\tunknown\t/CN=x\n").replace("V\t", "V\t491231235959Z\t\t");
        self.openssl.write("index.txt", index.as_bytes());
        let request = ocsp_request(
            &self.person.certificate,
            &self.authority.certificate,
            Some(&NONCE),
        );
        self.openssl.write("q.der", &request);
        self.openssl.run(&format!(
            "ocsp -index index.txt -CA ca.crt -rsigner {signer}.crt -rkey {signer}.key -reqin q.der \
             -respout a.der {options}"
        ));
        self.openssl.read("a.der")
    }

    fn check(&self, response: &[u8], at: OffsetDateTime) -> Result<Revocation, PathFault> {
        TrustStore::new()
            .with_anchor(self.authority.certificate.clone())
            .with_ocsp_response(OcspResponse::from_der(response).unwrap())
            .check_signer(&self.person.certificate, &[], at)
            .map(|path| path.revocation)
    }
}

fn is_good(state: &Result<Revocation, PathFault>) -> bool {
    matches!(state, Ok(Revocation::Good { .. }))
}

fn is_unknown(state: &Result<Revocation, PathFault>) -> bool {
    matches!(state, Ok(Revocation::NoList { .. }))
}

#[test]
fn an_answer_of_the_issuer_counts_until_its_next_update() {
    let scene = Scene::new();
    let response = scene.answer("V", "ca", "-ndays 2");
    let now = real_now() + Duration::minutes(1);
    assert!(is_good(&scene.check(&response, now)));
    let late = scene.check(&response, now + Duration::days(3));
    assert!(matches!(late, Ok(Revocation::Stale { .. })), "{late:?}");
    let early = scene.check(&response, now - Duration::hours(1));
    assert!(is_unknown(&early), "{early:?}");
    let read = OcspResponse::from_der(&response).unwrap();
    assert_eq!(read.answers_nonce(&NONCE), Some(true));
    assert_eq!(read.answers_nonce(b"another"), Some(false));
    let without =
        OcspResponse::from_der(&scene.answer("V", "ca", "-ndays 2 -resp_no_certs")).unwrap();
    assert!(without.produced_at() <= now);
}

#[test]
fn a_revocation_counts_even_when_it_is_old() {
    let scene = Scene::new();
    let revoked = "R\t491231235959Z\t260101000000Z,keyCompromise";
    let response = scene.answer(revoked, "ca", "-ndays 2");
    for days in [0, 30] {
        let state = scene.check(
            &response,
            real_now() + Duration::minutes(1) + Duration::days(days),
        );
        assert!(
            matches!(
                state,
                Err(PathFault::Revoked {
                    reason: RevocationReason::KeyCompromise,
                    ..
                })
            ),
            "{state:?}"
        );
    }
}

#[test]
fn only_a_responder_that_the_issuer_delegated_counts() {
    let scene = Scene::new();
    let now = real_now() + Duration::minutes(1);
    scene.responder(&scene.authority, true, true);
    assert!(is_good(
        &scene.check(&scene.answer("V", "r", "-ndays 2"), now)
    ));
    // Named by its key instead of its name.
    assert!(is_good(
        &scene.check(&scene.answer("V", "r", "-ndays 2 -resp_key_id"), now)
    ));
    // Nothing says that it was not revoked itself.
    scene.responder(&scene.authority, true, false);
    assert!(is_unknown(
        &scene.check(&scene.answer("V", "r", "-ndays 2"), now)
    ));
    // A certificate of the issuer, for mail.
    scene.responder(&scene.authority, false, true);
    assert!(is_unknown(
        &scene.check(&scene.answer("V", "r", "-ndays 2"), now)
    ));
    // A responder of another authority with the same name.
    let other = Authority::from_params(current(authority_params("Territoire fictif, OCSP")));
    scene.responder(&other, true, true);
    assert!(is_unknown(
        &scene.check(&scene.answer("V", "r", "-ndays 2"), now)
    ));
}

#[test]
fn an_answer_on_another_certificate_or_with_a_changed_octet_says_nothing() {
    let scene = Scene::new();
    let now = real_now() + Duration::minutes(1);
    let response = scene.answer("V", "ca", "-ndays 2");
    let other: Certificate = scene
        .authority
        .issue(&current(person_params(DOCTOR, Kind::P256)), Kind::P256)
        .certificate;
    let trust = TrustStore::new()
        .with_anchor(scene.authority.certificate.clone())
        .with_ocsp_response(OcspResponse::from_der(&response).unwrap());
    let state = trust
        .check_signer(&other, &[], now)
        .map(|path| path.revocation);
    assert!(is_unknown(&state), "{state:?}");
    for position in 0..response.len() {
        let mut changed = response.clone();
        changed[position] ^= 1;
        if let Ok(read) = OcspResponse::from_der(&changed) {
            let trust = TrustStore::new()
                .with_anchor(scene.authority.certificate.clone())
                .with_ocsp_response(read);
            let state = trust.check_signer(&scene.person.certificate, &[], now);
            // The certificates that come along are not signed with the answer.
            let signed = position < response.len() - scene.authority.certificate.der().len() - 8;
            let good =
                matches!(state, Ok(path) if matches!(path.revocation, Revocation::Good { .. }));
            assert!(!(signed && good), "octet {position}");
        }
    }
}

#[test]
fn a_responder_that_does_not_answer_is_named() {
    for (status, why) in [(1, "malformed"), (3, "try later"), (6, "refused")] {
        let refused = OcspResponse::from_der(&[0x30, 3, 0x0a, 1, status]).unwrap_err();
        assert!(
            matches!(refused, MaterialError::Ocsp(said) if said.contains(why)),
            "{refused}"
        );
    }
}
