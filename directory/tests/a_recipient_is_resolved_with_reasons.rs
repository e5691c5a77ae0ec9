//! Whom a query means, and why.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up must fail"
)]

use crate::territory;

use std::time::Duration;

use liaison_directory::Search;
use liaison_directory_client::{
    EntryKind, Finding, Finess, Lookup, Purpose, Query, ReasonCode, Resolution, Rpps,
};
use liaison_mail::{Address, Domain};
use territory::{Bench, ENTRIES, NOW};

fn address(text: &str) -> Query {
    Query::address(Address::parse(text).unwrap())
}

fn rpps(text: &str) -> Query {
    Query::rpps(Rpps::parse(text).unwrap())
}

fn finess(text: &str) -> Query {
    Query::finess(Finess::parse(text).unwrap())
}

fn purpose(word: &str) -> Purpose {
    Purpose::parse(word).unwrap()
}

fn found(resolution: &Resolution) -> String {
    match resolution.found() {
        Some(entry) => entry.mailbox.address.to_string(),
        None => panic!("not found: {resolution:?}"),
    }
}

fn candidates(resolution: &Resolution) -> Vec<String> {
    match &resolution.finding {
        Finding::Ambiguous(entries) => entries
            .iter()
            .map(|entry| entry.mailbox.address.to_string())
            .collect(),
        other => panic!("not ambiguous: {other:?}"),
    }
}

#[tokio::test]
async fn an_address_is_found_whatever_its_capital_letters() {
    let bench = Bench::new();
    let directory = bench.directory(ENTRIES).await;

    let exact = directory
        .resolve(&address("Helene.Essai@ch.test"))
        .await
        .unwrap();
    let entry = exact.found().unwrap();
    assert_eq!(entry.name, "Dr Hélène LEFÈVRE-ESSAI");
    assert_eq!(entry.profession.as_deref(), Some("Médecin généraliste"));
    assert_eq!(
        entry.organisation.as_deref(),
        Some("Centre hospitalier du Vallon")
    );
    assert_eq!(entry.finess.as_ref().unwrap().as_str(), "000000018");
    assert!(exact.has_reason(ReasonCode::ExactAddress));
    assert!(!exact.has_reason(ReasonCode::AddressCaseDiffers));
    assert_eq!(exact.source, "CPTS fictive du Vallon");
    assert_eq!(exact.as_of, NOW - time::Duration::hours(52));

    let other = directory
        .resolve(&address("HELENE.ESSAI@CH.TEST"))
        .await
        .unwrap();
    assert_eq!(found(&other), "Helene.Essai@ch.test");
    assert!(other.has_reason(ReasonCode::AddressCaseDiffers));

    let nobody = directory
        .resolve(&address("personne@ch.test"))
        .await
        .unwrap();
    assert_eq!(nobody.finding, Finding::Unknown);
    assert!(nobody.has_reason(ReasonCode::NotListed));
}

#[tokio::test]
async fn only_the_valid_certificate_is_usable_and_the_expired_one_is_told() {
    let bench = Bench::new();
    let directory = bench.directory(ENTRIES).await;
    let query = address("helene.essai@ch.test");

    let resolution = directory.resolve(&query).await.unwrap();
    let entry = resolution.found().unwrap();
    assert_eq!(entry.certificates.len(), 2);
    let usable = entry.usable_certificates(NOW);
    assert_eq!(usable.len(), 1);
    let pem = std::fs::read_to_string(bench.path("helene.crt")).unwrap();
    let der = liaison_base::tls::certificates(&bench.path("helene.crt")).unwrap();
    assert!(pem.contains("BEGIN CERTIFICATE"));
    assert_eq!(usable[0].der, der[0].as_ref());
    assert!(resolution.has_reason(ReasonCode::CertificateExpired));
    assert!(!resolution.has_reason(ReasonCode::NoUsableCertificate));

    bench.clock.advance(Duration::from_secs(91 * 24 * 3600));
    let later = directory.resolve(&query).await.unwrap();
    assert!(later.has_reason(ReasonCode::NoUsableCertificate));
    assert!(
        later
            .found()
            .unwrap()
            .usable_certificates(NOW + time::Duration::days(91))
            .is_empty()
    );
}

#[tokio::test]
async fn a_revoked_certificate_is_told_and_never_usable() {
    let bench = Bench::new();
    let entries = r#"
        title = "T"
        source = "S"
        [[people]]
        id = "dr"
        name = "Dr ESSAI"
        rpps = "00100000017"
        [[people.mailboxes]]
        address = "helene.essai@ch.test"
        type = "PER"
        certificates = [{ file = "revoked.crt", revoked_at = "2026-11-21T00:00:00Z" }]
    "#;
    let directory = bench.directory(entries).await;
    let resolution = directory.resolve(&rpps("00100000017")).await.unwrap();
    assert!(resolution.has_reason(ReasonCode::CertificateRevoked));
    assert!(resolution.has_reason(ReasonCode::NoUsableCertificate));
    assert!(
        resolution
            .found()
            .unwrap()
            .usable_certificates(NOW)
            .is_empty()
    );
    assert_eq!(
        resolution.as_of, NOW,
        "without a date of its own the file is as old as its import"
    );
}

#[tokio::test]
async fn an_rpps_number_with_one_mailbox_is_found() {
    let bench = Bench::new();
    let directory = bench.directory(ENTRIES).await;
    let resolution = directory.resolve(&rpps("00100000017")).await.unwrap();
    assert_eq!(found(&resolution), "Helene.Essai@ch.test");
    assert!(resolution.has_reason(ReasonCode::ExactRpps));
    assert!(resolution.has_reason(ReasonCode::OnlyMailbox));
}

#[tokio::test]
async fn an_rpps_number_with_two_mailboxes_is_ambiguous_until_a_purpose_chooses() {
    let bench = Bench::new();
    let directory = bench.directory(ENTRIES).await;

    let open = directory.resolve(&rpps("00200000015")).await.unwrap();
    assert_eq!(
        candidates(&open),
        ["paul.fictif@idel.test", "secretariat@idel.test"]
    );
    assert!(open.has_reason(ReasonCode::SeveralMailboxes));

    let query = rpps("00200000015").for_purpose(purpose("secretariat"));
    let chosen = directory.resolve(&query).await.unwrap();
    assert_eq!(found(&chosen), "secretariat@idel.test");
    assert!(chosen.has_reason(ReasonCode::PurposeMatch));
    let alternates = &chosen.found().unwrap().alternates;
    assert_eq!(alternates[0].address.to_string(), "paul.fictif@idel.test");

    let query = rpps("00200000015").for_purpose(purpose("discharge"));
    let general = directory.resolve(&query).await.unwrap();
    assert_eq!(found(&general), "paul.fictif@idel.test");
    assert!(general.has_reason(ReasonCode::OnlyMailbox));
}

#[tokio::test]
async fn a_person_in_two_roles_is_ambiguous_even_for_a_purpose() {
    let bench = Bench::new();
    let directory = bench.directory(ENTRIES).await;
    for query in [
        rpps("00300000013"),
        rpps("00300000013").for_purpose(purpose("discharge")),
    ] {
        let resolution = directory.resolve(&query).await.unwrap();
        assert_eq!(
            candidates(&resolution),
            ["jean.double@cabinet.test", "jean.double@ch.test"]
        );
        assert!(resolution.has_reason(ReasonCode::SeveralEntries));
    }
}

#[tokio::test]
async fn a_recipient_without_a_mailbox_is_named() {
    let bench = Bench::new();
    let directory = bench.directory(ENTRIES).await;
    let doctor = directory.resolve(&rpps("00400000011")).await.unwrap();
    assert_eq!(
        doctor.finding,
        Finding::NoMailbox {
            kind: EntryKind::Person,
            name: "Dr Luc SANSBOITE".to_owned()
        }
    );
    let town = directory.resolve(&finess("000000034")).await.unwrap();
    assert!(town.has_reason(ReasonCode::NoMailbox));
    let nobody = directory.resolve(&rpps("00900000009")).await.unwrap();
    assert_eq!(nobody.finding, Finding::Unknown);
}

#[tokio::test]
async fn a_finess_number_is_the_organisation_and_its_services() {
    let bench = Bench::new();
    let directory = bench.directory(ENTRIES).await;

    let own = directory.resolve(&finess("000000026")).await.unwrap();
    assert_eq!(
        found(&own),
        "accueil@ehpad.test",
        "its own mailbox comes before its services'"
    );
    assert!(own.has_reason(ReasonCode::ExactFiness));

    let query = finess("000000026").for_purpose(purpose("discharge"));
    let service = directory.resolve(&query).await.unwrap();
    assert_eq!(found(&service), "soins@ehpad.test");
    let entry = service.found().unwrap();
    assert_eq!(entry.kind, EntryKind::Service);
    assert_eq!(entry.organisation.as_deref(), Some("EHPAD Les Tilleuls"));
    assert_eq!(entry.finess.as_ref().unwrap().as_str(), "000000026");

    let query = finess("000000026").for_purpose(purpose("laboratory"));
    let fallback = directory.resolve(&query).await.unwrap();
    assert_eq!(found(&fallback), "accueil@ehpad.test");

    let open = directory.resolve(&finess("000000018")).await.unwrap();
    assert_eq!(
        candidates(&open),
        ["admissions@ch.test", "medecine@ch.test"]
    );
    let query = finess("000000018").for_purpose(purpose("laboratory"));
    let open = directory.resolve(&query).await.unwrap();
    assert_eq!(candidates(&open).len(), 2);
    assert!(open.has_reason(ReasonCode::PurposeUnmatched));
}

#[tokio::test]
async fn a_relay_is_known_by_its_domains_and_by_its_certificates_name() {
    let bench = Bench::new();
    let directory = bench.directory(ENTRIES).await;
    let served = Domain::parse("ehpad.test").unwrap();
    let relay = directory.relay_of(&served).await.unwrap().unwrap();
    assert_eq!(relay.server_name.as_str(), "relay.ch.test");
    assert!(relay.serves(&served) && relay.serves(&relay.domain));
    assert_eq!(
        (relay.host.to_string().as_str(), relay.port),
        ("127.0.0.1", 2525)
    );
    assert_eq!(directory.peer("Relay.CH.test").await.unwrap(), Some(relay));
    for name in ["localhost", "ch.test", "", "relay.ch.test\0"] {
        assert_eq!(directory.peer(name).await.unwrap(), None, "{name:?}");
    }
    let unknown = Domain::parse("autre.test").unwrap();
    assert_eq!(directory.relay_of(&unknown).await.unwrap(), None);
}

#[tokio::test]
async fn an_empty_directory_says_that_it_is_empty_not_that_nobody_exists() {
    let bench = Bench::new();
    let directory = bench.open(&bench.path("empty.db")).await;
    let error = directory.resolve(&rpps("00100000017")).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let domain = Domain::parse("ch.test").unwrap();
    assert!(
        directory
            .relay_of(&domain)
            .await
            .unwrap_err()
            .is_retryable()
    );
    assert!(
        directory
            .peer("relay.ch.test")
            .await
            .unwrap_err()
            .is_retryable()
    );
}

#[tokio::test]
async fn a_search_ignores_accents_capitals_and_the_order_of_words() {
    let bench = Bench::new();
    let directory = bench.directory(ENTRIES).await;
    let view = directory.view().unwrap();
    for text in [
        "lefevre",
        "LEFÈVRE",
        "essai helene",
        "00100000017",
        "généraliste valfictif",
        "essai@ch",
    ] {
        let found = view.search(&Search::new(text, 10)).unwrap();
        assert_eq!(found.len(), 1, "{text}");
        let listing = &found[0].listing;
        assert_eq!(listing.subject.component(), "dr-essai", "{text}");
        let employer = listing.organisation().unwrap();
        assert_eq!(employer.component(), "000000018", "{text}");
    }
    let count = |text, limit| view.search(&Search::new(text, limit)).unwrap().len();
    assert_eq!(count("", 100), 11);
    assert_eq!(count("", 3), 3);
    for text in ["%", "_", "\\", "'; DROP TABLE directory_entry; --", "zzz"] {
        assert_eq!(count(text, 10), 0, "{text}");
    }
}
