use liaison_smime::{
    CertificateRequest, Identities, Identity, IssuingAuthority, OpenPolicy, Opener, PrivateKey,
    Recipients, SealPolicy, Sealer, SignatureVerdict, TrustStore,
};
use liaison_store::testing::database;
use time::Duration;
use time::macros::datetime;

use super::*;

pub(crate) const PARTNER: &str = "accueil@ehpad.test";

pub(crate) fn now() -> OffsetDateTime {
    datetime!(2026-11-22 12:00 UTC)
}

pub(crate) fn authority(name: &str) -> IssuingAuthority {
    let key = PrivateKey::generate(PublicKeyKind::P256).unwrap();
    let validity = (now() - Duration::days(3000), now() + Duration::days(3000));
    IssuingAuthority::root(key, name, &[], validity).unwrap()
}

/// A person with a new key, certified at that moment.
pub(crate) fn person(authority: &IssuingAuthority, address: &str, at: OffsetDateTime) -> Identity {
    let key = PrivateKey::generate(PublicKeyKind::P256).unwrap();
    let request = CertificateRequest::new(&key, "", &[address]).unwrap();
    Identity::new(authority.issue(&request, at).unwrap(), Vec::new(), key).unwrap()
}

async fn partners(folder: &std::path::Path, rules: &[PartnerSettings]) -> Partners {
    let store = Store::open(database(folder.join("gateway.db")), &[SCHEMA])
        .await
        .unwrap();
    Partners::new(store, rules)
}

fn rule() -> PartnerSettings {
    PartnerSettings {
        address: None,
        domain: Some(liaison_mail::Domain::parse("ehpad.test").unwrap()),
        ml_kem: false,
        cbc: false,
        form: PartnerForm::Rfc9788,
    }
}

fn address() -> Address {
    Address::parse(PARTNER).unwrap()
}

fn der(identity: &Identity) -> Vec<u8> {
    identity.certificate().der().to_vec()
}

/// The valid signature of a message that `author` sealed for itself at `at`.
fn signature(authority: &IssuingAuthority, author: Identity, at: OffsetDateTime) -> ValidSignature {
    let letter = format!("From: {PARTNER}\r\nTo: {PARTNER}\r\nSubject: s\r\n\r\nx\r\n");
    let recipients = Recipients::blind(author.certificate().clone());
    let sealed = Sealer::new(SealPolicy::default())
        .sign_with(&author)
        .seal_to_vec(letter.as_bytes(), &recipients, at)
        .unwrap();
    let trust = TrustStore::new().with_anchor(authority.certificate().clone());
    let (policy, ring) = (OpenPolicy::default(), Identities::new().with(author));
    let opened = Opener::new(&policy, &ring, &trust)
        .open(&sealed, at)
        .unwrap();
    match opened.signature() {
        SignatureVerdict::Valid(valid) => valid.clone(),
        other => panic!("{other:?}"),
    }
}

async fn learn(partners: &Partners, signature: &ValidSignature, at: OffsetDateTime) {
    let signature = signature.clone();
    partners
        .store
        .write(move |tx| Box::pin(async move { Partners::learn(tx, &signature, at).await }))
        .await
        .unwrap();
}

fn sealed_for(choice: Choice) -> Vec<Vec<u8>> {
    match choice {
        Choice::Seal { certificates, .. } => certificates,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_that_changes_early_is_held_until_a_person_confirms_it() {
    let folder = tempfile::tempdir().unwrap();
    let partners = partners(folder.path(), &[]).await;
    let authority = authority("Autorité");
    let first = person(&authority, PARTNER, now());
    let other = person(&authority, PARTNER, now());
    let choose = |certificates: Vec<Vec<u8>>, at| {
        let partners = partners.clone();
        async move { partners.choose(&address(), certificates, at).await.unwrap() }
    };
    assert_eq!(
        sealed_for(choose(vec![der(&first)], now()).await),
        [der(&first)]
    );
    // Beside the known key, another one is left out; alone it holds the message.
    let both = choose(vec![der(&other), der(&first)], now()).await;
    assert_eq!(sealed_for(both), [der(&first)]);
    let held = Choice::Held(HoldReason::EarlyChange);
    assert_eq!(choose(vec![der(&other)], now()).await, held);
    let listed = partners.all().await.unwrap();
    assert_eq!((listed.len(), listed[0].held), (1, 1));
    assert_eq!(listed[0].address, PARTNER);
    let certificate = other.certificate().clone();
    partners
        .confirm(&address(), certificate, now())
        .await
        .unwrap();
    assert_eq!(
        sealed_for(choose(vec![der(&other)], now()).await),
        [der(&other)]
    );
    assert_eq!(
        choose(vec![der(&first)], now()).await,
        held,
        "the one before"
    );
    assert!(partners.forget(&address()).await.unwrap());
    assert!(!partners.forget(&address()).await.unwrap());
    assert_eq!(
        sealed_for(choose(vec![der(&first)], now()).await),
        [der(&first)]
    );
}

#[tokio::test]
async fn a_renewal_is_followed_and_several_certificates_stay_known() {
    let folder = tempfile::tempdir().unwrap();
    let partners = partners(folder.path(), &[]).await;
    let authority = authority("Autorité");
    let (one, two) = (
        person(&authority, PARTNER, now()),
        person(&authority, PARTNER, now()),
    );
    let choose = |certificates: Vec<Vec<u8>>, at| {
        let partners = partners.clone();
        async move { sealed_for(partners.choose(&address(), certificates, at).await.unwrap()) }
    };
    let all = choose(vec![der(&one), der(&two)], now()).await;
    assert_eq!(all.len(), 2, "the first answer of the directory is whole");
    assert_eq!(choose(vec![der(&two), der(&one)], now()).await.len(), 2);
    let near = one.certificate().not_after() - Duration::days(10);
    let next = person(&authority, PARTNER, near);
    assert_eq!(
        choose(vec![der(&next), der(&one)], near).await.len(),
        2,
        "old and new, while both are in the directory"
    );
    assert_eq!(choose(vec![der(&next)], near).await, [der(&next)]);
    assert_eq!(choose(vec![der(&next)], near).await, [der(&next)]);
    let elsewhere = person(&self::authority("Autre"), PARTNER, near);
    let held = partners
        .choose(&address(), vec![der(&elsewhere)], near)
        .await
        .unwrap();
    assert!(matches!(held, Choice::Held(_)), "{held:?}");
}

#[tokio::test]
async fn clients_are_learned_from_valid_signatures_and_never_below_the_floor() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority("Autorité");
    let author = person(&authority, PARTNER, now() - Duration::days(1));
    let recipient = der(&author);
    let mut signed = signature(&authority, author, now());
    let plain = partners(folder.path(), &[]).await;
    learn(&plain, &signed, now()).await;
    let state = plain.all().await.unwrap();
    assert_eq!(state[0].reads, ["AES-GCM", "AES-CBC"]);
    assert_eq!(state[0].signing_since, Some(now()));
    // Attack 22: a later signature says that AES-CBC is all that its client reads.
    let mut cbc = signed.capabilities.unwrap();
    cbc.gcm = false;
    signed.capabilities = Some(cbc);
    let at = now() + Duration::hours(1);
    for (claimed, is_taken) in [
        (None, false),
        (Some(at + Duration::hours(1)), false),
        (Some(at - Duration::days(40)), false),
        (Some(at), true),
    ] {
        signed.claimed_time = claimed;
        learn(&plain, &signed, at).await;
        let reads = plain.all().await.unwrap()[0].reads.clone();
        assert_eq!(reads == ["AES-CBC"], is_taken, "{claimed:?}");
    }
    let only_cbc = |choice| match choice {
        Choice::Seal { way, .. } => way.only_cbc,
        other => panic!("{other:?}"),
    };
    let choice = plain.choose(&address(), vec![recipient.clone()], at).await;
    assert!(!only_cbc(choice.unwrap()), "the site's floor holds");
    let mut rule = rule();
    rule.cbc = true;
    let lenient = Partners::new(plain.store.clone(), &[rule]);
    let choice = lenient.choose(&address(), vec![recipient], at).await;
    assert!(only_cbc(choice.unwrap()));
}

#[tokio::test]
async fn a_signature_with_another_key_is_told_and_teaches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let partners = partners(folder.path(), &[]).await;
    let authority = authority("Autorité");
    let made = now() - Duration::days(1);
    let known = signature(&authority, person(&authority, PARTNER, made), now());
    let mut other = signature(&authority, person(&authority, PARTNER, made), now());
    let change = |signature: ValidSignature| {
        let partners = partners.clone();
        async move { partners.signing_change(&signature, now()).await.unwrap() }
    };
    assert_eq!(change(known.clone()).await, Some(KeyChange::First));
    learn(&partners, &known, now()).await;
    assert_eq!(change(known).await, Some(KeyChange::Same));
    let held = Some(KeyChange::Held(HoldReason::EarlyChange));
    assert_eq!(change(other.clone()).await, held);
    let mut cbc = other.capabilities.unwrap();
    cbc.gcm = false;
    other.capabilities = Some(cbc);
    other.claimed_time = Some(now() + Duration::minutes(1));
    learn(&partners, &other, now()).await;
    let state = &partners.all().await.unwrap()[0];
    assert_eq!(state.reads, ["AES-GCM", "AES-CBC"], "not learned");
    assert_eq!(state.held, 1);
    let certificate = other.signer.clone();
    partners
        .confirm(&address(), certificate, now())
        .await
        .unwrap();
    assert_eq!(change(other).await, Some(KeyChange::Same));
}

#[test]
fn a_partners_own_entry_counts_before_its_domains() {
    let own = PartnerSettings {
        address: Some(address()),
        domain: None,
        ml_kem: true,
        cbc: false,
        form: PartnerForm::Rfc9788,
    };
    assert!(crate::settings::check_partners(&[own.clone(), rule()]).is_ok());
    let mut both = rule();
    both.address = Some(address());
    assert!(crate::settings::check_partners(&[both]).is_err());
}

#[test]
fn ml_kem_keys_are_sent_to_alone_where_the_settings_choose_them() {
    use PublicKeyKind::{MlKem768, P256, Rsa};
    let sent = |kinds: &[PublicKeyKind], ml_kem| {
        let rule = PartnerSettings { ml_kem, ..rule() };
        sent_to(kinds.to_vec(), Some(&rule), |kind| *kind)
    };
    let both = [Rsa(3072), MlKem768, P256];
    assert_eq!(sent(&both, true), [MlKem768]);
    assert_eq!(sent(&both, false), [Rsa(3072), P256]);
    assert_eq!(sent(&[MlKem768], false), []);
    assert_eq!(sent(&[P256], true), [P256]);
}

#[test]
fn kim_is_sent_to_rsa_keys_alone() {
    use PublicKeyKind::{MlKem768, P256, Rsa};
    let kim = PartnerSettings {
        form: PartnerForm::Kim,
        ml_kem: true,
        ..rule()
    };
    let sent = |kinds: &[PublicKeyKind]| sent_to(kinds.to_vec(), Some(&kim), |kind| *kind);
    assert_eq!(sent(&[Rsa(3072), MlKem768, P256]), [Rsa(3072)]);
    assert_eq!(sent(&[P256]), []);
}

#[tokio::test]
async fn recipients_who_are_sent_to_alike_share_an_envelope() {
    let folder = tempfile::tempdir().unwrap();
    let mut direct = rule();
    direct.form = PartnerForm::Direct;
    let partners = partners(folder.path(), &[direct]).await;
    let address = |text| Address::parse(text).unwrap();
    let all = vec![
        address("a@cabinet.test"),
        address("b@ehpad.test"),
        address("c@cabinet.test"),
        address("d@ehpad.test"),
    ];
    let groups = partners.alike(all.clone(), |address| address);
    let [a, b, c, d] = &all[..] else { panic!() };
    assert_eq!(groups, [[a.clone(), c.clone()], [b.clone(), d.clone()]]);
    assert_eq!(
        partners.alike(Vec::new(), |address| address),
        Vec::<Vec<Address>>::new()
    );
}

#[test]
fn an_envelope_for_many_is_made_as_all_of_them_read_it() {
    let way = |form, only_cbc| Way { form, only_cbc };
    let of = |ways: &[Way]| Way::of_all(ways.iter().copied());
    let direct = way(PartnerForm::Direct, true);
    assert_eq!(of(&[direct, direct]), direct);
    assert_eq!(
        of(&[direct, way(PartnerForm::Direct, false)]),
        way(PartnerForm::Direct, false)
    );
    assert_eq!(
        of(&[direct, way(PartnerForm::Rfc9788, true)]),
        Way::default()
    );
    assert_eq!(of(&[]), Way::default());
}
