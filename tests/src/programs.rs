//! Programs that nobody here wrote, run as a person would run them.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The Python of the test set-up, which has the packages of `tests/requirements.txt`.
pub fn python() -> Command {
    let python = std::env::var_os("LIAISON_TEST_PYTHON").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/test-venv/bin/python"),
        PathBuf::from,
    );
    assert!(
        python.exists(),
        "{} is missing: tests/run makes it, or set LIAISON_TEST_PYTHON",
        python.display()
    );
    Command::new(python)
}

/// Says that something could not be tried on this machine: here, and at the end of `tests/run`.
#[expect(clippy::print_stdout, reason = "whoever runs the test alone reads it")]
pub fn not_run(what: &str) {
    println!("not run: {what}");
    if let Some(path) = std::env::var_os("LIAISON_NOT_AT_HAND") {
        let list = File::options().append(true).create(true).open(path);
        writeln!(list.unwrap(), "{what}").unwrap();
    }
}

/// Runs a program with this input and returns what it said; it must succeed.
pub fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let output = attempt(command, input);
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Runs a program with this input and returns how it ended.
pub fn attempt(command: &mut Command, input: &[u8]) -> Output {
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|cause| panic!("{command:?} cannot be run: {cause}"));
    // A program that does not read its input may close it early.
    let _ = process.stdin.take().unwrap().write_all(input);
    process.wait_with_output().unwrap()
}
