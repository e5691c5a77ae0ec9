//! What operators see: probes, metrics, the path of one message through the logs of two sites, and
//! its steps. None of it names a patient, and what names a mailbox asks for the token.

use std::collections::BTreeSet;

use liaison_tests::admin::{get, sample, steer};
use liaison_tests::logs::{CANARY, assert_silent_about, wait_for};
use liaison_tests::routine::letter;
use liaison_tests::territory::{EHPAD, WARD, liaison};
use liaison_tests::{Territory, routine};
use serde_json::Value;

#[test]
fn an_operator_sees_a_site_and_follows_a_message() {
    let (territory, _sites) = Territory::start();
    for member in ["dac", "hospital", "ehpad"] {
        assert_eq!(get(&territory, member, "/health/live").status, 200);
        let ready = get(&territory, member, "/health/ready");
        assert_eq!(ready.status, 200, "{}", ready.body);
        let checks = ready.json()["checks"].as_array().unwrap().clone();
        let names: BTreeSet<_> = checks
            .iter()
            .filter_map(|one| one["name"].as_str())
            .collect();
        for name in [
            "relay.store",
            "relay.disk",
            "relay.certificate",
            "relay.directory",
        ] {
            assert!(names.contains(name), "{names:?}");
        }
    }

    let mut reader = territory.imap(EHPAD);
    let subject = format!("Pour {CANARY}");
    let text = letter(WARD, EHPAD, &subject, "Bonjour.");
    let reply = territory.smtp(WARD).submit(WARD, &[EHPAD], &text);
    assert!(reply.starts_with("250"), "{reply}");
    reader.wait_for(1);

    // One identifier, from the sender's gateway to the recipient's mailbox.
    let relayed = wait_for(&territory, "hospital", |line| line["message"] == "relayed");
    let envelope = relayed["envelope"].as_str().unwrap().to_owned();
    for (member, message) in [
        ("hospital", "queued"),
        ("ehpad", "queued"),
        ("ehpad", "arrived"),
        ("ehpad", "delivered"),
    ] {
        wait_for(&territory, member, |line: &Value| {
            line["message"] == message && line["envelope"] == envelope.as_str()
        });
    }

    // Its steps, by the port and by the command.
    let path = format!("/v1/messages/{envelope}");
    assert_eq!(get(&territory, "hospital", &path).status, 401);
    let steps = steer(&territory, "hospital", &format!("GET {path}"), "").json();
    let states: Vec<_> = steps["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["queued", "active", "relayed"]);
    let traced = liaison()
        .args(["trace", "--json", &envelope, "--config"])
        .arg(territory.config("hospital"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(traced.stdout).unwrap().lines().count(), 3);
    let unknown = steer(&territory, "hospital", "GET /v1/messages/nothing", "");
    assert_eq!(unknown.status, 404, "{}", unknown.body);
    assert_eq!(
        unknown.json()["type"],
        "urn:liaison:problem:unknown-message"
    );

    // What it counted.
    let metrics = get(&territory, "hospital", "/metrics").body;
    let shown = |name, labels: &[(&str, &str)]| sample(&metrics, name, labels);
    assert!(shown("liaison_relay_messages_taken_total", &[("from", "gateway")]) >= 1.0);
    assert!(shown("liaison_relay_tries_total", &[("outcome", "relayed")]) >= 1.0);
    assert!(
        shown(
            "liaison_relay_tls_handshakes_total",
            &[("side", "out"), ("result", "ok")]
        ) >= 1.0
    );
    assert!(
        shown(
            "liaison_certificate_expiry_days",
            &[("certificate", "relay")]
        ) > 1.0
    );
    assert!(
        shown(
            "liaison_certificate_expiry_days",
            &[("certificate", "smime")]
        ) > 1.0
    );
    assert!(shown("liaison_build_info", &[]) >= 1.0);
    assert!(
        metrics.contains("liaison_relay_refusals_total{reason=\"not_enveloped\",code=\"550\"} 0")
    );
    assert!(
        !metrics.contains(CANARY) && !metrics.contains('@'),
        "{metrics}"
    );

    routine::a_letter_arrives(&territory, EHPAD, WARD);
    assert_silent_about(&territory, &[]);
}
