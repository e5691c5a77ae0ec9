//! A stranger may not make the IMAP door wait for, or keep, a literal of a gigabyte.

use liaison_tests::imap::Imap;
use liaison_tests::logs::{CANARY, assert_silent_about, wait_for_line};
use liaison_tests::territory::{DOCTOR, EHPAD};
use liaison_tests::{Territory, routine};

const GIGABYTE: u32 = 1 << 30;

#[test]
fn a_gigabyte_announced_before_login_is_refused() {
    let (territory, sites) = Territory::start();
    let port = territory.member("ehpad").imaps.unwrap();
    let before = resident(sites["ehpad"].id());
    let too_large = "BAD The command is too large";

    // Who asks for leave is refused, and may go on.
    let mut client = Imap::connect(territory.ca(), port);
    for command in [
        format!("LOGIN {CANARY} {{{GIGABYTE}}}"),
        format!("LOGIN {{{GIGABYTE}}}"),
        format!("APPEND INBOX {{{GIGABYTE}}}"),
        format!("ID (\"name\" {{{GIGABYTE}}}"),
    ] {
        assert_eq!(client.command(&command).verdict, too_large, "{command}");
    }
    assert!(client.command("NOOP").verdict.starts_with("OK"));
    // Who does not ask sends the literal anyway: the connection ends.
    let verdict = client.command(&format!("LOGIN {{{GIGABYTE}+}}")).verdict;
    assert_eq!(verdict, too_large);
    assert!(client.try_command("NOOP").is_err());
    let wanted = [
        ("reason", "command or literal too large"),
        ("level", "WARN"),
    ];
    wait_for_line(&territory, "ehpad", "IMAP command refused", &wanted);

    let grown = resident(sites["ehpad"].id()).saturating_sub(before);
    assert!(grown < 32 * 1024, "the site has grown by {grown} KiB");
    routine::a_letter_arrives(&territory, DOCTOR, EHPAD);
    assert_silent_about(&territory, &[]);
}

/// Resident memory of a process, in KiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}
