//! What the sites wrote to their logs: one JSON object a line, and never a patient.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Territory;

/// The family name of a patient who does not exist, to be put into bad input: wherever it turns
/// up afterwards, patient data would have.
pub const CANARY: &str = "QWYZCANARI";

/// How long a line may take from its event to the file, in seconds.
const PATIENCE: &str = "20";

/// Waits for the first line of a site's log for which `is_it` holds.
pub fn wait_for(territory: &Territory, member: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let path = territory.site_folder(member).join("liaison.log");
    let mut reading = Command::new("timeout")
        .args([PATIENCE, "tail", "-n", "+1", "-f"])
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(reading.stdout.take().unwrap()).lines();
    let found = lines
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str(&line).ok())
        .find(|line| is_it(line));
    let _ = reading.kill();
    let _ = reading.wait();
    found.unwrap_or_else(|| panic!("no such line in:\n{}", territory.log(member)))
}

/// As [`wait_for`], for a line with this message and these values, all of them texts or numbers
/// compared as text.
pub fn wait_for_line(
    territory: &Territory,
    member: &str,
    message: &str,
    values: &[(&str, &str)],
) -> Value {
    wait_for(territory, member, |line| {
        line["message"] == message
            && values.iter().all(|(key, wanted)| match &line[*key] {
                Value::String(text) => text == wanted,
                other => wanted.parse::<i64>().is_ok_and(|number| *other == number),
            })
    })
}

/// Checks that every line of every site's log is JSON and that none holds the canary or any of
/// these other texts.
pub fn assert_silent_about(territory: &Territory, secrets: &[&str]) {
    for member in ["dac", "hospital", "ehpad", "practice", "pharmacy"] {
        let log = territory.log(member);
        for line in log.lines() {
            assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
            let lower = line.to_lowercase();
            for secret in secrets.iter().copied().chain([CANARY]) {
                assert!(!lower.contains(&secret.to_lowercase()), "{member}: {line}");
            }
        }
    }
}
