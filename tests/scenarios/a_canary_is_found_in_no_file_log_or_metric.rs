//! A patient's name that exists once in the world is pushed through every path: HL7 v2, FHIR, plain
//! JSON, the drop folder, a letter, a message, a held notice, refusals, replies of carers. It is in
//! the notices that they read, and in no file, log, metric, answer or temporary file.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_tests::mllp::verdict;
use liaison_tests::programs::{attempt, run};
use liaison_tests::territory::{EHPAD, WARD, liaison};
use liaison_tests::{Territory, mllp::Mllp};
use liaison_tests::{admin, logs};
use mail_parser::MessageParser;

const CANARY: &str = "ZANZIBARIENNE";
const TOKEN: &str = "un-jeton-assez-long-pour-un-essai";

#[test]
fn a_canary_is_found_in_no_file_log_or_metric() {
    let territory = Territory::build();
    let port = open_the_door(&territory);
    let _sites = territory.start_all();
    let mut said = Vec::new();
    let mut feed = territory.mllp();
    let named = |name: &str| territory.hl7(name).replace("LEFEBVRE", CANARY);

    // HL7 v2: taken, refused, held, unusable.
    let mut push = |feed: &mut Mllp, text: &str, code: &str| {
        let answer = feed.push(text).unwrap();
        assert_eq!(verdict(&answer).0, code, "{answer}");
        said.push(answer);
    };
    push(&mut feed, &named("a01-admission"), "CA");
    push(&mut feed, &letter(&format!("<a>{CANARY}</a>")), "AE");
    push(
        &mut feed,
        &named("a01-admission").replace("900123", ""),
        "CE",
    );
    let second = named("a01-admission-2").replace("BERNIER", CANARY);
    let protected = second.replace("\rROL|", "\rPD1||||||||||||Y\rROL|");
    push(&mut feed, &protected, "CA");
    // The drop folder.
    let dropped = territory.site_folder("hospital").join("drop");
    let moved = named("a16-planned-discharge");
    fs::write(dropped.join("a16.part"), &moved).unwrap();
    fs::rename(dropped.join("a16.part"), dropped.join("a16.hl7")).unwrap();
    logs::wait_for_line(&territory, "hospital", "drop folder: file taken", &[]);

    // HTTPS: plain JSON taken and refused, FHIR refused, a message taken and refused.
    let patient =
        format!(r#""patient": {{"ipp": "930001", "birth_family": "{CANARY}", "given": "JEANNE"}}"#);
    let event = format!(
        r#"{{"event": "discharge", "visit": "27000001-1", "at": "2026-11-21T20:30:00",
            "destination": {{"kind": "nursing_home", "finess": "000000777"}}, {patient}}}"#
    );
    let message = format!(
        r#"{{"kind": "social_note", "visit": "26004711-1", "fields": {{"note": "{CANARY}"}}}}"#
    );
    let bundle = format!(r#"{{"resourceType": "Bundle", "type": "{CANARY}", "entry": []}}"#);
    for (page, key, body, status) in [
        ("v1/notices", "k1", event.clone(), "201"),
        ("v1/notices", "k2", event.replace("20:30:00", CANARY), "400"),
        ("v1/messages", "k3", message.clone(), "201"),
        (
            "v1/messages",
            "k4",
            message.replace("note\"", "zzz\""),
            "400",
        ),
        ("v1/messages", "k5", message.replace("4711", CANARY), "404"),
        ("fhir/$process-message", "k6", bundle, "422"),
    ] {
        let answer = call(&territory, port, (page, key), &body);
        assert!(answer.ends_with(status), "{page} {key}: {answer}");
        said.push(answer);
    }

    // People read it, and answer.
    let notice = territory.imap(EHPAD).wait_for(2).remove(0);
    let parsed = MessageParser::default().parse(&notice).unwrap();
    assert!(parsed.subject().unwrap().contains(CANARY));
    let reply = format!(
        "From: Soins <{EHPAD}>\r\nTo: {WARD}\r\nSubject: Demande d'admission {CANARY}\r\nIn-Reply-To: <{}>\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{CANARY}\r\n",
        parsed.message_id().unwrap()
    );
    let answer = territory.smtp(EHPAD).submit(EHPAD, &[WARD], &reply);
    assert!(answer.starts_with("250"), "{answer}");
    // What was held, the answer to the request, the reply itself.
    territory.imap(WARD).wait_for(3);
    for command in ["answers", "held", "back"] {
        let output = run(
            liaison()
                .args(["notice", command, "--config"])
                .arg(territory.config("hospital")),
            b"",
        );
        said.push(String::from_utf8(output).unwrap());
    }
    let unusable = territory.folder().join("unusable.hl7");
    fs::write(&unusable, format!("MSH|^~\\&|{CANARY}")).unwrap();
    let explained = attempt(liaison().args(["notice", "explain"]).arg(&unusable), b"");
    assert!(!explained.status.success());
    said.push(String::from_utf8_lossy(&explained.stderr).into_owned());
    fs::remove_file(unusable).unwrap();
    for member in ["hospital", "ehpad"] {
        said.push(admin::get(&territory, member, "/metrics").body);
    }
    for text in &said {
        assert!(!text.contains(CANARY), "{text}");
    }
    let mut seen = 0;
    nowhere(territory.folder(), &mut seen);
    assert!(seen > 50, "{seen} files were looked into");
}

/// No file beneath has the name, in its octets or in its own name.
fn nowhere(folder: &Path, seen: &mut usize) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(!path.to_string_lossy().contains(CANARY));
        if path.is_dir() {
            nowhere(&path, seen);
            continue;
        }
        // A journal may go while it is looked at.
        let Ok(octets) = fs::read(&path) else {
            continue;
        };
        let base64 = STANDARD.encode(CANARY);
        for needle in [CANARY.as_bytes(), base64.trim_end_matches('=').as_bytes()] {
            let found = octets.windows(needle.len()).any(|window| window == needle);
            assert!(!found, "{} has the patient's name", path.display());
        }
        *seen += 1;
    }
}

fn letter(document: &str) -> String {
    let data = STANDARD.encode(document);
    format!(
        "MSH|^~\\&|DPI|CH-VALOMBRE|LIAISON|CH-VALOMBRE|20261121200000||MDM^T02^MDM_T02|800001|P|2.6\rEVN||20261121200000\rPID|1||900123^^^CH-VALOMBRE&000000001&L^PI||{CANARY}^JEANNE\rPV1|1|I|||||||||||||||||26004711-1^^^CH-VALOMBRE&000000001&L^VN\rTXA|1|{CANARY}||||||||||lettre-7\rOBX|1|ED|11490-0^Lettre de liaison^LN||^text^xml^Base64^{data}||||||F\r"
    )
}

fn open_the_door(territory: &Territory) -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let token = territory.site_folder("hospital").join("dpi.token");
    fs::write(&token, TOKEN).unwrap();
    let path = territory.config("hospital");
    let settings = fs::read_to_string(&path).unwrap();
    let door = format!(
        "\n[gateway.hospital.http]\nlisten = \"127.0.0.1:{port}\"\n\n[[gateway.hospital.http.client]]\nname = \"DPI\"\nfacility = \"CH-VALOMBRE\"\ntoken = \"{}\"\nmay = [\"fhir\", \"notices\"]\n",
        token.display()
    );
    fs::write(path, settings + &door).unwrap();
    port
}

/// The body, and the status at the end.
fn call(territory: &Territory, port: u16, (page, key): (&str, &str), body: &str) -> String {
    let name = &territory.member("hospital").server_name;
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "30"])
        .args(["--write-out", "\n%{http_code}", "--cacert"])
        .arg(territory.ca())
        .args(["--resolve", &format!("{name}:{port}:127.0.0.1")])
        .args(["--header", &format!("Authorization: Bearer {TOKEN}")])
        .args(["--header", &format!("Idempotency-Key: {key}")])
        .args(["--header", "Content-Type: application/json"])
        .args([
            "--data-binary",
            "@-",
            &format!("https://{name}:{port}/{page}"),
        ]);
    String::from_utf8(run(&mut curl, body.as_bytes())).unwrap()
}
