//! The web face over real TLS, asked by a client library and by Liaison's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up must fail"
)]

use crate::territory;

use std::sync::Arc;
use std::time::Duration;

use liaison_base::shutdown::Shutdown;
use liaison_base::tls;
use liaison_directory::{DirectoryError, Running, serve};
use liaison_directory_client::{
    Finding, HttpLookup, Lookup, LookupError, PROBLEM_MEDIA_TYPE, Problem, ProblemKind, Query, Rpps,
};
use liaison_mail::Domain;
use liaison_store::testing::database;
use reqwest::{Client, Response, StatusCode};
use rustls::{ClientConfig, RootCertStore};
use territory::{Bench, ENTRIES};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

struct Served {
    bench: Bench,
    running: Running,
    shutdown: Shutdown,
    client: Client,
}

impl Served {
    async fn start() -> Self {
        let bench = Bench::new();
        let entries = bench.entries("entries.toml", ENTRIES);
        let shutdown = Shutdown::new();
        let settings = bench.settings(Some(entries));
        let running = serve(&settings, &shutdown, Arc::new(bench.clock.clone()))
            .await
            .unwrap();
        let client = Client::builder()
            .tls_backend_preconfigured(trusting(&bench))
            .no_proxy()
            .build()
            .unwrap();
        Self {
            bench,
            running,
            shutdown,
            client,
        }
    }

    fn base(&self) -> String {
        format!("https://localhost:{}", self.running.address.port())
    }

    fn lookup(&self) -> HttpLookup {
        HttpLookup::new(&self.base(), trusting(&self.bench)).unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        self.client
            .get(format!("{}{path}", self.base()))
            .send()
            .await
            .unwrap()
    }

    async fn post(&self, body: impl Into<reqwest::Body>) -> Response {
        self.client
            .post(format!("{}/v1/resolve", self.base()))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap()
    }
}

fn trusting(bench: &Bench) -> ClientConfig {
    tls::client(tls::anchors(&bench.path("root.pem")).unwrap()).unwrap()
}

/// The problem in an answer, whose status, media type and body must agree.
async fn problem(response: Response, status: StatusCode) -> Problem {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], PROBLEM_MEDIA_TYPE);
    let problem: Problem = response.json().await.unwrap();
    assert_eq!(problem.status, status.as_u16());
    assert!(!problem.title.is_empty() && !problem.detail.is_empty());
    problem
}

#[tokio::test]
async fn a_question_over_https_is_answered_as_in_the_process() {
    let served = Served::start().await;
    let lookup = served.lookup();
    for number in [
        "00100000017",
        "00200000015",
        "00300000013",
        "00400000011",
        "00900000009",
    ] {
        let query = Query::rpps(Rpps::parse(number).unwrap());
        let here = served.running.directory.resolve(&query).await.unwrap();
        let there = lookup.resolve(&query).await.unwrap();
        assert_eq!(here, there, "{number}");
    }
    for domain in ["ch.test", "ehpad.test", "autre.test"] {
        let domain = Domain::parse(domain).unwrap();
        let here = served.running.directory.relay_of(&domain).await.unwrap();
        assert_eq!(here, lookup.relay_of(&domain).await.unwrap(), "{domain}");
    }
    assert!(lookup.peer("relay.ch.test").await.unwrap().is_some());
    assert!(lookup.peer("relay.autre.test").await.unwrap().is_none());
}

#[tokio::test]
async fn a_plain_request_gets_plain_json() {
    let served = Served::start().await;
    let response = served
        .post(r#"{"by":{"address":"helene.essai@ch.test"}}"#)
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    let answer: serde_json::Value = response.json().await.unwrap();
    assert_eq!(
        answer["finding"]["found"]["name"],
        "Dr Hélène LEFÈVRE-ESSAI"
    );
    assert_eq!(answer["as_of"], "2026-11-20T08:00:00Z");
    assert_eq!(answer["reasons"][0]["code"], "exact_address");

    let relay: serde_json::Value = served
        .get("/v1/relays/by-name/relay.ch.test")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        relay["serves"],
        serde_json::json!(["ch.test", "ehpad.test"])
    );
}

#[tokio::test]
async fn a_question_that_is_not_one_is_refused_without_being_repeated() {
    let served = Served::start().await;
    for body in [
        "",
        "{",
        "null",
        r#"{"by":{"rpps":"secret"}}"#,
        r#"{"by":{"address":"secret secret"}}"#,
        r#"{"by":{"rpps":"00100000017"},"secret":1}"#,
        "\u{feff}{}",
    ] {
        let problem = problem(served.post(body).await, StatusCode::BAD_REQUEST).await;
        assert_eq!(problem.kind, ProblemKind::BadRequest);
        assert!(!problem.detail.contains("secret"), "{}", problem.detail);
    }
    let binary: Vec<u8> = vec![0xff; 100];
    problem(served.post(binary).await, StatusCode::BAD_REQUEST).await;
    let response = served
        .client
        .post(format!("{}/v1/resolve", served.base()))
        .body(r#"{"by":{"rpps":"00100000017"}}"#)
        .send()
        .await
        .unwrap();
    problem(response, StatusCode::BAD_REQUEST).await;
}

#[tokio::test]
async fn a_body_over_64_kib_is_refused() {
    let served = Served::start().await;
    let question = r#"{"by":{"rpps":"00100000017"}}"#;
    let longest = format!("{question}{}", " ".repeat(64 * 1024 - question.len()));
    assert_eq!(served.post(longest.clone()).await.status(), StatusCode::OK);
    let problem = problem(
        served.post(longest + " ").await,
        StatusCode::PAYLOAD_TOO_LARGE,
    )
    .await;
    assert_eq!(problem.kind, ProblemKind::TooLarge);
}

#[tokio::test]
async fn unknown_paths_relays_and_methods_are_told_apart() {
    let served = Served::start().await;
    let kinds = [
        (
            "/v1/nothing",
            StatusCode::NOT_FOUND,
            ProblemKind::NoSuchPage,
        ),
        (
            "/v1/resolve",
            StatusCode::METHOD_NOT_ALLOWED,
            ProblemKind::WrongMethod,
        ),
        (
            "/v1/relays/by-domain/autre.test",
            StatusCode::NOT_FOUND,
            ProblemKind::NoSuchRelay,
        ),
        (
            "/v1/relays/by-name/autre.test",
            StatusCode::NOT_FOUND,
            ProblemKind::NoSuchRelay,
        ),
        (
            "/v1/relays/by-domain/a%20b",
            StatusCode::BAD_REQUEST,
            ProblemKind::BadRequest,
        ),
        (
            "/v1/relays/by-name/%ff",
            StatusCode::BAD_REQUEST,
            ProblemKind::BadRequest,
        ),
        (
            "/v1/relays/by-name/..%2f..%2fx",
            StatusCode::BAD_REQUEST,
            ProblemKind::BadRequest,
        ),
    ];
    for (path, status, kind) in kinds {
        assert_eq!(
            problem(served.get(path).await, status).await.kind,
            kind,
            "{path}"
        );
    }
    let health = served.get("/healthz").await;
    assert_eq!(
        (health.status(), health.text().await.unwrap().as_str()),
        (StatusCode::OK, "ok\n")
    );
}

#[tokio::test]
async fn a_directory_with_an_untrusted_certificate_is_not_believed() {
    let served = Served::start().await;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let nobody = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let lookup = HttpLookup::new(&served.base(), nobody).unwrap();
    let error = lookup.peer("relay.ch.test").await.unwrap_err();
    assert!(matches!(error, LookupError::Unreachable(_)), "{error:?}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_path_that_is_no_directory_is_not_understood() {
    let served = Served::start().await;
    let base = format!("{}/elsewhere", served.base());
    let lookup = HttpLookup::new(&base, trusting(&served.bench)).unwrap();
    let domain = Domain::parse("ch.test").unwrap();
    let error = lookup.relay_of(&domain).await.unwrap_err();
    assert!(matches!(error, LookupError::Protocol(_)), "{error:?}");
    assert!(
        error.is_retryable(),
        "a message must wait, not fail, until the address is right"
    );
}

#[tokio::test]
async fn a_caller_that_speaks_no_tls_is_sent_away() {
    let served = Served::start().await;
    let mut stream = tokio::net::TcpStream::connect(served.running.address)
        .await
        .unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.windows(4).any(|octets| octets == b"HTTP"));
    assert_eq!(served.get("/healthz").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_page_is_french_accessible_and_says_that_it_is_a_demonstration() {
    let served = Served::start().await;
    let response = served.get("/").await;
    assert_eq!(response.status(), StatusCode::OK);
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(policy.contains("default-src 'none'"));
    let page = response.text().await.unwrap();
    for expected in [
        r#"<html lang="fr">"#,
        "Annuaire de démonstration",
        "Annuaire du Vallon",
        "Données du 20/11/2026",
        r#"<label for="q">"#,
        r#"<th scope="col">"#,
        "Dr Hélène LEFÈVRE-ESSAI",
        "Certificat valable jusqu’au 20/02/2027",
        "Pas de certificat",
        "11 résultats.",
    ] {
        assert!(page.contains(expected), "no {expected} in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("style=\""));

    let page = served.get("/?q=lefevre").await.text().await.unwrap();
    assert!(
        page.contains("1 résultat.") && !page.contains("FICTIF"),
        "{page}"
    );
    let css = served.get("/style.css").await;
    assert_eq!(css.headers()["content-type"], "text/css; charset=utf-8");
}

#[tokio::test]
async fn a_search_is_shown_as_text_never_as_markup() {
    let served = Served::start().await;
    let attack = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    let page = served
        .get(&format!("/?q={attack}"))
        .await
        .text()
        .await
        .unwrap();
    assert!(page.contains("Personne ne correspond"), "{page}");
    assert!(!page.contains("<script"), "{page}");
    for path in ["/?q=%ff", "/?q=a&q=b", "/?x=y"] {
        assert_eq!(served.get(path).await.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_file_that_became_wrong_does_not_stop_the_directory() {
    let served = Served::start().await;
    assert!(served.shutdown.finish(Duration::from_secs(10)).await);
    drop(served.running);
    let wrong = served.bench.entries("wrong.toml", "title = 1\n");
    let shutdown = Shutdown::new();
    let clock = Arc::new(served.bench.clock.clone());
    let settings = served.bench.settings(Some(wrong));
    let running = serve(&settings, &shutdown, clock.clone()).await.unwrap();
    let query = Query::rpps(Rpps::parse("00100000017").unwrap());
    let resolution = running.directory.resolve(&query).await.unwrap();
    assert!(matches!(resolution.finding, Finding::Found(_)));

    let mut settings = settings;
    settings.database = database(served.bench.path("new.db"));
    let error = serve(&settings, &shutdown, clock).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Entries { .. }), "{error}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let served = Served::start().await;
    let mut settings = served.bench.settings(None);
    settings.listen = served.running.address;
    settings.database = database(served.bench.path("other.db"));
    let clock = Arc::new(served.bench.clock.clone());
    let error = serve(&settings, &Shutdown::new(), clock).await.unwrap_err();
    assert!(
        error.to_string().contains(&settings.listen.to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn a_shutdown_ends_idle_connections() {
    let served = Served::start().await;
    // reqwest keeps this connection open for the next request.
    assert_eq!(served.get("/healthz").await.status(), StatusCode::OK);
    assert!(served.shutdown.finish(Duration::from_secs(10)).await);
    let gone = served
        .client
        .get(format!("{}/healthz", served.base()))
        .send()
        .await;
    assert!(gone.is_err());
}
