//! Chain, dates, usages, revocation, address: each fault alone makes the signature invalid, and
//! says which one it is.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

use crate::territory;

use liaison_smime::{
    AddressBinding, Crl, InvalidReason, OpenPolicy, Opener, PathFault, Recipients, Revocation,
    RevocationReason, SealError, SealPolicy, Sealer, SignatureVerdict, TrustStore,
};
use rcgen::{
    BasicConstraints, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyUsagePurpose,
    NameConstraints, SanType,
};
use territory::{
    Authority, DOCTOR, HOME, Kind, Openssl, Person, authority_params, now, person_params,
};
use time::Duration;

/// What `openssl` seals as `signer` (it checks nothing), judged at the nursing home.
fn verdict(
    signer: &Person,
    trust: &TrustStore,
    from: &str,
    policy: &OpenPolicy,
    at: time::OffsetDateTime,
) -> SignatureVerdict {
    let home = Authority::root().person(HOME, Kind::P256);
    let folder = Openssl::new();
    folder.write("content", b"Content-Type: text/plain\r\n\r\nx\r\n");
    folder.person("signer", signer);
    folder.person("home", &home);
    for (position, link) in signer.chain.iter().enumerate() {
        folder.write(&format!("{position}.der"), link.der());
        folder.run(&format!(
            "x509 -inform DER -in {position}.der -out {position}.crt"
        ));
    }
    let chain: Vec<u8> = (0..signer.chain.len())
        .flat_map(|position| folder.read(&format!("{position}.crt")))
        .collect();
    folder.write("chain.crt", &chain);
    folder.run("cms -sign -in content -signer signer.crt -inkey signer.key -certfile chain.crt -out signed.eml");
    folder.run(&format!(
        "cms -encrypt -aes-256-gcm -in signed.eml -out sealed.eml -from {from} -to {HOME} -subject x -recip home.crt"
    ));
    let sealed = folder.read("sealed.eml");
    let ring = home.ring();
    let opened = Opener::new(policy, &ring, trust).open(&sealed, at).unwrap();
    opened.signature().clone()
}

fn simple(signer: &Person, trust: &TrustStore) -> SignatureVerdict {
    verdict(signer, trust, DOCTOR, &OpenPolicy::default(), now())
}

#[track_caller]
fn fault(verdict: &SignatureVerdict) -> PathFault {
    match verdict {
        SignatureVerdict::Invalid(InvalidReason::Path(fault)) => fault.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn dates_count_at_the_moment_of_reading() {
    let root = Authority::root();
    let doctor = root.person(DOCTOR, Kind::P256);
    let at = |days| {
        let when = now() + Duration::days(days);
        verdict(&doctor, &root.trust(), DOCTOR, &OpenPolicy::default(), when)
    };
    assert!(matches!(at(0), SignatureVerdict::Valid(_)));
    assert!(matches!(fault(&at(31)), PathFault::Expired { .. }));
    assert!(matches!(fault(&at(-31)), PathFault::NotYetValid { .. }));
    let mut params = authority_params("Racine ancienne");
    params.not_after = now() - Duration::days(1);
    let old = Authority::from_params(params);
    let doctor = old.person(DOCTOR, Kind::P256);
    assert!(matches!(
        fault(&simple(&doctor, &old.trust())),
        PathFault::Expired { .. }
    ));
}

#[test]
fn only_a_chain_to_an_anchor_counts() {
    let root = Authority::root();
    let doctor = root.person(DOCTOR, Kind::P256);
    // Same name, another key: what an attacker would make.
    let forged = Authority::root();
    assert_eq!(
        fault(&simple(&doctor, &forged.trust())),
        PathFault::Untrusted
    );
    assert_eq!(
        fault(&simple(&doctor, &TrustStore::new())),
        PathFault::Untrusted
    );
    let member = root.below(authority_params("Hôpital fictif"));
    let doctor = member.person(DOCTOR, Kind::Rsa);
    assert!(matches!(
        simple(&doctor, &root.trust()),
        SignatureVerdict::Valid(_)
    ));
    // A person is not an authority.
    let mut params = person_params("chef@hopital.test", Kind::P256);
    params.is_ca = IsCa::ExplicitNoCa;
    let chief = root.below(params);
    let below = chief.person(DOCTOR, Kind::P256);
    assert!(matches!(
        fault(&simple(&below, &root.trust())),
        PathFault::NotAnAuthority { .. }
    ));
    let mut params = authority_params("Sans descendance");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let last = root.below(params);
    let doctor = last.person(DOCTOR, Kind::P256);
    assert!(matches!(
        simple(&doctor, &root.trust()),
        SignatureVerdict::Valid(_)
    ));
    let mut too_deep = last
        .below(authority_params("En trop"))
        .person(DOCTOR, Kind::P256);
    too_deep.chain.push(last.certificate.clone());
    assert!(matches!(
        fault(&simple(&too_deep, &root.trust())),
        PathFault::NotAnAuthority { .. }
    ));
}

#[test]
fn usages_are_those_of_mail() {
    let root = Authority::root();
    let mut params = person_params(DOCTOR, Kind::P256);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server = root.issue(&params, Kind::P256);
    assert!(matches!(
        fault(&simple(&server, &root.trust())),
        PathFault::Usage(_)
    ));
    let mut params = person_params(DOCTOR, Kind::P256);
    params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    let receiver = root.issue(&params, Kind::P256);
    assert!(matches!(
        fault(&simple(&receiver, &root.trust())),
        PathFault::Usage(_)
    ));
    let refused = Sealer::new(SealPolicy::default())
        .sign_with(&receiver.identity())
        .seal_to_vec(
            territory::letter("x"),
            &Recipients::blind(receiver.certificate.clone()),
            now(),
        );
    assert!(matches!(refused, Err(SealError::Signer(_))));
    let trust = root.trust();
    assert!(
        trust
            .check_recipient(&receiver.certificate, &[], now())
            .is_ok()
    );
    let mut params = person_params(DOCTOR, Kind::P256);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let signer = root.issue(&params, Kind::P256);
    assert!(matches!(
        trust.check_recipient(&signer.certificate, &[], now()),
        Err(PathFault::Usage(_))
    ));
    assert!(trust.check_signer(&signer.certificate, &[], now()).is_ok());
}

#[test]
fn revocation_is_known_or_said_to_be_unknown() {
    let root = Authority::root();
    let doctor = root.person(DOCTOR, Kind::P256);
    let other = root.person(DOCTOR, Kind::P256);
    let hour = Duration::hours(1);
    let with = |crl: Crl| simple(&doctor, &root.trust().with_crl(crl));
    let revocation = |verdict: SignatureVerdict| match verdict {
        SignatureVerdict::Valid(valid) => valid.revocation,
        other => panic!("{other:?}"),
    };
    let good = with(root.crl(&[&other.certificate], now() - hour, now() + hour));
    assert_eq!(
        revocation(good),
        Revocation::Good {
            as_of: now() - hour
        }
    );
    let revoked = with(root.crl(&[&doctor.certificate], now() - hour, now() + hour));
    assert!(matches!(
        fault(&revoked),
        PathFault::Revoked {
            reason: RevocationReason::KeyCompromise,
            ..
        }
    ));
    let stale = with(root.crl(&[], now() - hour * 3, now() - hour));
    assert!(matches!(revocation(stale), Revocation::Stale { due, .. } if due == now() - hour));
    let stale_but_named = with(root.crl(&[&doctor.certificate], now() - hour * 3, now() - hour));
    assert!(matches!(fault(&stale_but_named), PathFault::Revoked { .. }));
    let future = with(root.crl(&[&doctor.certificate], now() + hour, now() + hour * 2));
    assert!(matches!(revocation(future), Revocation::NoList { .. }));
    // Same issuer name, another key: the list counts for nothing.
    let forged = with(Authority::root().crl(&[&doctor.certificate], now() - hour, now() + hour));
    assert!(matches!(revocation(forged), Revocation::NoList { .. }));
    let unable = Authority::without_crl_sign();
    let signer = unable.person(DOCTOR, Kind::P256);
    let list = unable.crl(&[&signer.certificate], now() - hour, now() + hour);
    let unlisted = simple(&signer, &unable.trust().with_crl(list));
    assert!(matches!(revocation(unlisted), Revocation::NoList { .. }));
    let mut demanding = OpenPolicy::default();
    demanding.require_revocation = true;
    assert!(matches!(
        verdict(&doctor, &root.trust(), DOCTOR, &demanding, now()),
        SignatureVerdict::Invalid(InvalidReason::RevocationUnknown(Revocation::NoList { .. }))
    ));
}

#[test]
fn the_signer_is_bound_to_from() {
    let root = Authority::root();
    let at_from = |signer: &Person, from: &str| {
        verdict(signer, &root.trust(), from, &OpenPolicy::default(), now())
    };
    let wrong = SignatureVerdict::Invalid(InvalidReason::WrongAddress);
    let doctor = root.person("Dr.Untel@Hopital.TEST", Kind::P256);
    assert!(matches!(
        at_from(&doctor, DOCTOR),
        SignatureVerdict::Valid(_)
    ));
    assert_eq!(at_from(&doctor, "autre@hopital.test"), wrong);
    assert_eq!(
        at_from(&doctor, &format!("{DOCTOR},autre@hopital.test")),
        SignatureVerdict::Invalid(InvalidReason::AmbiguousFrom)
    );
    let mut params = person_params(DOCTOR, Kind::P256);
    params.subject_alt_names = vec![SanType::DnsName("hopital.test".try_into().unwrap())];
    let organisation = root.issue(&params, Kind::P256);
    let SignatureVerdict::Valid(valid) = at_from(&organisation, DOCTOR) else {
        panic!("domain certificate");
    };
    assert_eq!(
        valid.binding,
        AddressBinding::Domain("hopital.test".to_owned())
    );
    assert_eq!(at_from(&organisation, "x@service.hopital.test"), wrong);
    let mut policy = OpenPolicy::default();
    policy.accept_domain_certificates = false;
    assert_eq!(
        verdict(&organisation, &root.trust(), DOCTOR, &policy, now()),
        wrong
    );
    let sealed = Sealer::new(SealPolicy::default())
        .sign_with(&root.person("autre@hopital.test", Kind::P256).identity())
        .seal_to_vec(
            territory::letter("x"),
            &Recipients::blind(doctor.certificate.clone()),
            now(),
        );
    assert_eq!(sealed, Err(SealError::SignerAddress));
}

#[test]
fn an_authority_speaks_only_for_the_names_it_is_constrained_to() {
    let root = Authority::root();
    let constrained = |permitted: &str, excluded: &str| {
        let subtrees = |text: &str| {
            text.split_whitespace()
                .map(|t| GeneralSubtree::Rfc822Name(t.to_owned()))
                .collect()
        };
        let mut params = authority_params("Autorité bornée");
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: subtrees(permitted),
            excluded_subtrees: subtrees(excluded),
        });
        let doctor = root.below(params).person(DOCTOR, Kind::P256);
        simple(&doctor, &root.trust())
    };
    assert!(matches!(
        constrained("hopital.test", ""),
        SignatureVerdict::Valid(_)
    ));
    assert!(matches!(
        constrained("ehpad.test", "x.test"),
        SignatureVerdict::Invalid(_)
    ));
    assert!(matches!(
        fault(&constrained("hopital.test", DOCTOR)),
        PathFault::NameConstraint { .. }
    ));
}
