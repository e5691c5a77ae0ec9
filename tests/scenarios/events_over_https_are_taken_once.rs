//! Systems without HL7 v2: FHIR and plain JSON over HTTPS, pushed with curl.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::programs::run;
use liaison_tests::territory::{DOCTOR, EHPAD};

const TOKEN: &str = "un-jeton-assez-long-pour-un-essai";
/// A name that must be nowhere but in the notices.
const CANARY: &str = "ZANZIBARIENNE";

#[test]
fn events_over_https_are_taken_once() {
    let territory = Territory::build();
    let port = open_the_door(&territory);
    let _sites = territory.start_all();
    let call =
        |page: &str, headers: &[&str], body: &str| call(&territory, port, (page, headers), body);

    let event = format!(
        r#"{{"event": "discharge", "visit": "27000001-1", "at": "2026-11-21T20:30:00", "recorded_at": "2026-11-21T20:41:00",
            "destination": {{"kind": "nursing_home", "finess": "000000777"}},
            "family_doctor": {{"rpps": "00000000011"}},
            "patient": {{"ipp": "930001", "birth_family": "{CANARY}", "given": "JEANNE", "birth_date": "1938-05-12", "sex": "F"}}}}"#
    );
    let token = format!("Authorization: Bearer {TOKEN}");
    let key = "Idempotency-Key: k-1";
    let (status, body) = call("v1/notices", &[&token, key], &event);
    assert_eq!(
        (status.as_str(), body.as_str()),
        ("201", r#"{"notices":1,"outcome":"notices"}"#)
    );
    let notices = territory.imap(EHPAD).wait_for(1);
    let parsed = mail_parser::MessageParser::default()
        .parse(&notices[0])
        .unwrap();
    assert!(parsed.subject().unwrap().contains(CANARY));
    assert!(
        parsed
            .subject()
            .unwrap()
            .starts_with("URGENT - Retour à l'EHPAD")
    );

    // Again with its key: the same answer, and nobody is told twice. Another event: refused.
    assert_eq!(call("v1/notices", &[&token, key], &event), (status, body));
    let (status, body) = call(
        "v1/notices",
        &[&token, key],
        &event.replace("20:30", "20:35"),
    );
    assert_eq!(status, "422", "{body}");
    assert!(body.contains("urn:liaison:problem:key-reused"), "{body}");

    // What is wrong is named without its values.
    for (headers, body, expected) in [
        (vec![key], event.clone(), "401"),
        (
            vec!["Authorization: Bearer another-token-of-somebody", key],
            event.clone(),
            "401",
        ),
        (vec![token.as_str()], event.clone(), "400"),
        (
            vec![token.as_str(), "Idempotency-Key: k-2"],
            event.replace("\"discharge\"", "\"party\""),
            "400",
        ),
        (
            vec![token.as_str(), "Idempotency-Key: k-3"],
            "{".to_owned(),
            "400",
        ),
    ] {
        let (status, said) = call("v1/notices", &headers, &body);
        assert_eq!(status, expected, "{said}");
        assert!(
            said.contains("urn:liaison:problem:") && !said.contains(CANARY),
            "{said}"
        );
    }

    // The same hospital's FHIR: an admission, and one that cannot be used.
    let (status, said) = call("fhir/$process-message", &[&token], &admission());
    assert_eq!(status, "201", "{said}");
    assert!(
        said.contains("OperationOutcome") && said.contains("informational"),
        "{said}"
    );
    territory.imap(DOCTOR).wait_for(2);
    let (status, said) = call(
        "fhir",
        &[&token],
        &admission().replace("notification-admit", CANARY),
    );
    assert_eq!(status, "422", "{said}");
    assert!(said.contains("MessageHeader.eventCoding"), "{said}");
    assert!(!said.contains(CANARY), "{said}");

    let (status, described) = call("v1/openapi.json", &[], "");
    assert_eq!(status, "200");
    assert!(described.contains("\"openapi\": \"3.1.0\""));
    assert_eq!(territory.imap(EHPAD).messages().len(), 1, "told once");
    for site in ["hospital", "ehpad", "dac"] {
        assert!(!territory.log(site).contains(CANARY), "{site}");
        assert!(!territory.log(site).contains(TOKEN), "{site}");
    }
}

/// Adds the port and its client to the hospital's settings.
fn open_the_door(territory: &Territory) -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let token = territory.site_folder("hospital").join("dpi.token");
    fs::write(&token, TOKEN).unwrap();
    let path = territory.config("hospital");
    let mut settings = fs::read_to_string(&path).unwrap();
    settings.push_str(&format!(
        "\n[gateway.hospital.http]\nlisten = \"127.0.0.1:{port}\"\n\n[[gateway.hospital.http.client]]\nname = \"DPI\"\nfacility = \"CH-VALOMBRE\"\ntoken = \"{}\"\nmay = [\"fhir\", \"notices\"]\n",
        token.display()
    ));
    fs::write(path, settings).unwrap();
    port
}

/// Status and body of what curl got.
fn call(
    territory: &Territory,
    port: u16,
    (page, headers): (&str, &[&str]),
    body: &str,
) -> (String, String) {
    let member = territory.member("hospital");
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--max-time",
        "30",
        "--write-out",
        "\n%{http_code}",
    ]);
    curl.arg("--cacert").arg(territory.ca());
    curl.args([
        "--resolve",
        &format!("{}:{port}:127.0.0.1", member.server_name),
    ]);
    for header in headers {
        curl.args(["--header", header]);
    }
    if !body.is_empty() {
        curl.args([
            "--header",
            "Content-Type: application/json",
            "--data-binary",
            "@-",
        ]);
    }
    curl.arg(format!("https://{}:{port}/{page}", member.server_name));
    let said = String::from_utf8(run(&mut curl, body.as_bytes())).unwrap();
    let (body, status) = said.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

fn admission() -> String {
    r#"{"resourceType": "Bundle", "type": "message", "timestamp": "2026-11-21T20:41:00Z", "entry": [
        {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "MessageHeader", "id": "m-1",
            "eventCoding": {"system": "http://hl7.org/fhir/us/davinci-alerts/CodeSystem/notification-event", "code": "notification-admit"},
            "focus": [{"reference": "Encounter/e-1"}]}},
        {"fullUrl": "urn:uuid:2", "resource": {"resourceType": "Encounter", "id": "e-1", "status": "in-progress", "class": {"code": "IMP"},
            "identifier": [{"value": "27000002-1"}], "subject": {"reference": "Patient/p-1"},
            "period": {"start": "2026-11-21T20:30:00+01:00"}}},
        {"resource": {"resourceType": "Patient", "id": "p-1", "identifier": [{"system": "urn:oid:1.2.3", "value": "930002"}],
            "name": [{"family": "ESSAI", "given": ["OCTAVIE"]}], "birthDate": "1938-05-12",
            "generalPractitioner": [{"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "00000000011"}}]}}
    ]}"#
    .to_owned()
}
