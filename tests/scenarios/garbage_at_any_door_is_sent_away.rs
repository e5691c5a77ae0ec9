//! Octets that are not the door's protocol, in the clear and inside TLS, end their connection;
//! the door stays open to everybody else.

use liaison_tests::logs::{CANARY, assert_silent_about, wait_for};
use liaison_tests::territory::{DOCTOR, EHPAD};
use liaison_tests::{Territory, raw, routine};
use serde_json::Value;

/// What people and programs send to the wrong door.
fn garbage() -> [Vec<u8>; 5] {
    [
        format!("EHLO {CANARY}\r\nMAIL FROM:<{EHPAD}>\r\n").into_bytes(),
        format!("GET /{CANARY} HTTP/1.1\r\nHost: {CANARY}\r\n\r\n").into_bytes(),
        format!("a LOGIN {CANARY} {CANARY}\r\n").into_bytes(),
        vec![0xff; 70_000],
        [b"\x16\x03\x01\xff\xff".as_slice(), CANARY.as_bytes()].concat(),
    ]
}

#[test]
fn garbage_at_any_door_is_sent_away() {
    let (territory, _sites) = Territory::start();
    let ehpad = territory.member("ehpad");
    let directory = territory.member("dac").https.unwrap();
    let hospital = territory.member("hospital");
    let tls_doors = [
        ("ehpad", ehpad.relay.unwrap(), "no TLS"),
        (
            "ehpad",
            ehpad.submissions.unwrap(),
            "submission: no TLS session",
        ),
        ("ehpad", ehpad.imaps.unwrap(), "IMAP TLS handshake failed"),
        ("dac", directory, "directory: no TLS session"),
        ("hospital", hospital.mllps.unwrap(), "feed: no TLS session"),
    ];
    for (member, port, message) in tls_doors {
        for octets in garbage() {
            let answer = raw::plain(port, &octets);
            // At most a TLS alert: content type 21 (RFC 8446 §6), and nothing readable.
            assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
            assert!(answer.len() <= 7, "{answer:?}");
        }
        let refused = |line: &Value| match message {
            "no TLS" => line["message"] == "refused" && line["reason"] == "handshake",
            message => line["message"] == message,
        };
        wait_for(&territory, member, refused);
    }

    for octets in garbage() {
        assert!(raw::plain(hospital.mllp.unwrap(), &octets).is_empty());
    }
    wait_for(&territory, "hospital", |line| {
        let reason = line["reason"].as_str().unwrap_or_default();
        line["message"] == "feed closed" && reason.ends_with(" bytes came outside MLLP frames")
    });

    inside_tls(&territory);
    routine::a_letter_arrives(&territory, EHPAD, DOCTOR);
    routine::an_admission_arrives(&territory);
    assert_silent_about(&territory, &[]);
}

fn inside_tls(territory: &Territory) {
    let ehpad = territory.member("ehpad");
    let directory = territory.member("dac").https.unwrap();
    let said = |port, octets: &[u8]| {
        let answer = raw::tls(territory.ca(), port, octets);
        let answer = String::from_utf8(answer).expect("no garbage comes back");
        assert!(!answer.contains(CANARY), "{answer}");
        answer
    };
    let web = format!("POST /{CANARY} HTTP/1.1\r\nHost: {CANARY}\r\n\r\n");
    let answer = said(ehpad.submissions.unwrap(), web.as_bytes());
    assert!(
        answer.ends_with("\r\n554 5.7.0 This is not a web server\r\n"),
        "{answer}"
    );
    let answer = said(ehpad.imaps.unwrap(), web.as_bytes());
    assert!(
        answer.ends_with("BAD Unknown command or arguments\r\n"),
        "{answer}"
    );
    let answer = said(directory, format!("EHLO {CANARY}\r\n\r\n").as_bytes());
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
    for port in [ehpad.submissions.unwrap(), ehpad.imaps.unwrap(), directory] {
        said(port, &vec![0xff; 70_000]);
        said(port, &vec![0; 70_000]);
    }
    for (member, message) in [
        ("ehpad", "submission: refused"),
        ("ehpad", "IMAP command refused"),
        ("dac", "directory: connection ended early"),
    ] {
        wait_for(territory, member, |line| line["message"] == message);
    }
}
