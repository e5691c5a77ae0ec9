//! The commands of the desk, as an operator types them while the gateway runs: care circles taken
//! from a table, shown and forgotten; held notices released and dropped; a call before arrival
//! recommended.

use std::fs;
use std::process::Output;

use liaison_tests::Territory;
use liaison_tests::mllp::verdict;
use liaison_tests::programs::run;
use liaison_tests::territory::{DOCTOR, EHPAD, NURSE, liaison};
use serde_json::Value;

#[test]
fn a_person_decides_about_notices_and_care_circles_by_command() {
    let (territory, _sites) = Territory::start();
    let said = |arguments: &[&str]| {
        let output = hospital(&territory, arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let patient = ["--facility", "CH-VALOMBRE", "--ipp", "900123"];

    // A table adds the DAC's nurse; a wrong one is refused by its line and changes nothing.
    let table = territory.folder().join("circle.csv");
    fs::write(
        &table,
        format!("facility;ipp;role;address\nCH-VALOMBRE;900123;SSIAD;{DOCTOR}\n"),
    )
    .unwrap();
    let table = table.to_str().unwrap();
    said(&["circle", "import", table]);
    let shown = said(&[&["circle", "show"], &patient[..]].concat());
    assert!(shown.contains(DOCTOR) && shown.contains("SSIAD"), "{shown}");
    fs::write(
        table,
        "facility;ipp;role;address\nCH-VALOMBRE;900123;chef;x@y.test\n",
    )
    .unwrap();
    let refused = hospital(&territory, &["circle", "import", table]);
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && text.contains("line 2"),
        "{text}"
    );
    said(&[&["circle", "forget"], &patient[..]].concat());
    let shown = said(&[&["circle", "show"], &patient[..]].concat());
    assert!(!shown.contains(DOCTOR), "{shown}");

    // Two protected stays are held: one is released, one dropped.
    let protect = |name: &str| {
        let text = territory.hl7(name);
        text.replace("\rROL|", "\rPD1||||||||||||Y\rROL|")
    };
    let mut feed = territory.mllp();
    for name in ["a01-admission", "a01-admission-2"] {
        let answer = feed.push(&protect(name)).unwrap();
        assert_eq!(verdict(&answer).0, "CA");
    }
    let held = held(&territory, "hospital");
    let of = |visit: &str| {
        let one = held.iter().find(|one| one["stay"] == visit).unwrap();
        one["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(held.len(), 2);
    let released = said(&["release", &of("26004711-1")]);
    assert!(released.contains("released: "), "{released}");
    territory.imap(EHPAD).wait_for(1);
    said(&["drop", &of("26004822-1")]);
    assert!(self::held(&territory, "hospital").is_empty());
    let gone = hospital(&territory, &["release", &of("26004822-1")]);
    assert!(!gone.status.success(), "{gone:?}");
    assert_eq!(territory.imap(NURSE).messages().len(), 1, "the first alone");

    // A stay's patient: who receives her should call first.
    said(&[
        "contact",
        "--facility",
        "CH-VALOMBRE",
        "--visit",
        "26004711-1",
    ]);
    let unknown = ["contact", "--facility", "CH-VALOMBRE", "--visit", "0"];
    assert!(!hospital(&territory, &unknown).status.success());
}

fn hospital(territory: &Territory, arguments: &[&str]) -> Output {
    liaison()
        .arg("notice")
        .args(arguments)
        .arg("--config")
        .arg(territory.config("hospital"))
        .output()
        .unwrap()
}

fn held(territory: &Territory, member: &str) -> Vec<Value> {
    let said = run(
        liaison()
            .args(["notice", "held", "--json", "--config"])
            .arg(territory.config(member)),
        b"",
    );
    let lines = String::from_utf8(said).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}
