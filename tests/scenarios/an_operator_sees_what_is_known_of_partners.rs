//! What sites learn of one another from the mail itself, as an operator sees and corrects it.

use liaison_tests::Territory;
use liaison_tests::territory::{EHPAD, WARD, liaison};
use serde_json::Value;

/// Runs `liaison partner …` for a member; whether it succeeded, and what it said.
fn partner(territory: &Territory, member: &str, arguments: &[&str]) -> (bool, String) {
    let output = liaison()
        .arg("partner")
        .args(arguments)
        .arg("--config")
        .arg(territory.config(member))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn listed(territory: &Territory, member: &str, address: &str) -> Option<Value> {
    let (done, said) = partner(territory, member, &["list", "--json"]);
    assert!(done, "{said}");
    said.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|partner| partner["address"] == address)
}

#[test]
fn an_operator_sees_and_corrects_what_is_known_of_partners() {
    let (territory, _sites) = Territory::start();
    let mut nursing_home = territory.imap(EHPAD);
    territory
        .mllp()
        .push(&territory.hl7("a01-admission"))
        .unwrap();
    nursing_home.wait_for(1);

    // The hospital knows the key that it sealed for; the nursing home whose signature it was, and
    // what that client reads.
    let home = listed(&territory, "hospital", EHPAD).unwrap();
    assert!(home["receiving_since"].is_string(), "{home}");
    assert!(home["signing_since"].is_null(), "{home}");
    let ward = listed(&territory, "ehpad", WARD).unwrap();
    assert!(ward["signing_since"].is_string(), "{ward}");
    assert_eq!(ward["reads"], serde_json::json!(["AES-GCM", "AES-CBC"]));
    assert_eq!(ward["held"], 0);

    // A certificate that is not the partner's confirms nothing.
    let anchors = territory.ca().to_str().unwrap();
    let (done, said) = partner(&territory, "ehpad", &["confirm", WARD, anchors]);
    assert!(!done && said.contains("does not name"), "{said}");
    assert_eq!(listed(&territory, "ehpad", WARD), Some(ward));

    let (done, said) = partner(&territory, "ehpad", &["forget", WARD]);
    assert!(done && said.contains("forgotten"), "{said}");
    assert_eq!(listed(&territory, "ehpad", WARD), None);
    let (done, said) = partner(&territory, "ehpad", &["list"]);
    assert!(done && !said.contains(WARD), "{said}");
}
