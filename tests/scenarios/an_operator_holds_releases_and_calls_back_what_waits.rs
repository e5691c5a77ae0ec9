//! While the nursing home is away, an operator of the hospital's relay holds what waits for it, lets
//! one letter go and calls another back; who and why stand in the history. The letter that was let
//! go arrives, the other never does.

use liaison_tests::Territory;
use liaison_tests::admin::{get, steer};
use liaison_tests::logs::wait_for;
use liaison_tests::routine::letter;
use liaison_tests::territory::{EHPAD, WARD, liaison};
use serde_json::Value;

#[test]
fn an_operator_holds_releases_and_calls_back_what_waits() {
    let (territory, mut sites) = Territory::start();
    let home = territory.account(EHPAD).member.clone();
    sites.remove(&home).unwrap().kill();
    let mut envelopes = Vec::new();
    for subject in ["Premier", "Second"] {
        let text = letter(WARD, EHPAD, subject, "Bonjour.");
        let reply = territory.smtp(WARD).submit(WARD, &[EHPAD], &text);
        assert!(reply.starts_with("250"), "{reply}");
        let known: Vec<String> = envelopes.clone();
        let queued = wait_for(&territory, "hospital", |line: &Value| {
            let envelope = line["envelope"].as_str().unwrap_or_default();
            line["message"] == "queued" && !known.iter().any(|one| one == envelope)
        });
        envelopes.push(queued["envelope"].as_str().unwrap().to_owned());
    }
    for envelope in &envelopes {
        wait_for(&territory, "hospital", |line: &Value| {
            line["message"] == "not taken" && line["envelope"] == envelope.as_str()
        });
    }
    let [first, second] = [&envelopes[0], &envelopes[1]];

    let domain = EHPAD.split('@').nth(1).unwrap();
    // A try may be under way: what is in hand is left alone, and held a moment later.
    for envelope in [first, second] {
        until_held(&territory, envelope);
    }
    let waiting = steer(&territory, "hospital", "GET /v1/queue", "").json();
    let states: Vec<_> = waiting["recipients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["held", "held"]);

    let recalled = order(&territory, &["recall", second, "--why", "wrong patient"]);
    assert!(recalled.contains("stopped"), "{recalled}");
    sites.insert(home.clone(), territory.start_site(&home));
    let released = order(&territory, &["release", domain, "--domain"]);
    assert!(released.contains("queued"), "{released}");
    let mut reader = territory.imap(EHPAD);
    reader.wait_for(1);
    assert_eq!(reader.subjects(), ["Premier"]);

    let steps = steer(
        &territory,
        "hospital",
        &format!("GET /v1/messages/{second}"),
        "",
    )
    .json();
    let last = steps["steps"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["state"], "cancelled");
    let why = last["reply"].as_str().unwrap();
    assert!(
        why.starts_with("by ") && why.ends_with(": wrong patient"),
        "{why}"
    );

    // Nothing of it waits any more; without the token nobody is heard; other words are refused.
    let again = steer(
        &territory,
        "hospital",
        "POST /v1/queue/retry",
        &body(second),
    );
    assert_eq!(again.status, 404, "{}", again.body);
    assert_eq!(get(&territory, "hospital", "/v1/queue").status, 401);
    for (path, said) in [
        ("POST /v1/queue/burn", body(first)),
        ("POST /v1/queue/hold", "{}".to_owned()),
        ("POST /v1/queue/hold", "no JSON".to_owned()),
        ("POST /v1/queue/hold", r#"{"envelope":"a b"}"#.to_owned()),
    ] {
        let refused = steer(&territory, "hospital", path, &said);
        assert_eq!(refused.status, 400, "{path} {said}: {}", refused.body);
    }
}

fn body(envelope: &str) -> String {
    format!(r#"{{"envelope":"{envelope}","who":"garde"}}"#)
}

fn until_held(territory: &Territory, envelope: &str) {
    for _ in 0..500 {
        let held = steer(
            territory,
            "hospital",
            "POST /v1/queue/hold",
            &body(envelope),
        );
        if held.status == 200 {
            return;
        }
        assert_eq!(held.status, 404, "{}", held.body);
    }
    panic!("{envelope} is never held");
}

fn order(territory: &Territory, arguments: &[&str]) -> String {
    let output = liaison()
        .arg("queue")
        .args(arguments)
        .arg("--config")
        .arg(territory.config("hospital"))
        .env("LOGNAME", "garde")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}
