//! What befalls published files, to registers of some thousand people in a directory that runs: ten
//! days of silence, a transfer broken off, a column gone, columns in another order, a fifth of the
//! lines gone, lines cut short, addresses replaced, octets of another encoding. It keeps answering,
//! says how old its lists are and why a later one was refused, and loses nobody.

use std::path::Path;
use std::process::{Command, Output};

use liaison_base::clock::{Clock as _, SystemClock};
use liaison_tests::Territory;
use liaison_tests::programs::{attempt, run};
use liaison_tests::registers::{Fault, Registers, Size, Someone, corrupt};
use liaison_tests::territory::{DOCTOR, liaison};
use time::Duration;
use time::macros::format_description;

#[test]
fn a_source_that_fails_leaves_the_last_good_list_serving() {
    let territory = Territory::build();
    let config = territory.config("dac");
    let folder = tempfile::tempdir().unwrap();
    let registers = Registers::new(7, Size::part(500));
    let files = registers.write(folder.path(), "20261122");
    let (long_ago, today) = (day(11), day(0));
    let good = [
        ("communes", &files.communes),
        ("finess", &files.finess),
        ("rpps", &files.activities),
        ("mss", &files.mailboxes),
    ];
    let mut all = liaison();
    all.args(["directory", "import", "--date", &long_ago, "--config"])
        .arg(&config);
    for (kind, file) in good {
        all.arg(kind).arg(file);
    }
    run(&mut all, b"");
    let _site = territory.start_site("dac");
    let people: Vec<Someone> = (0..registers.people())
        .map(|number| registers.person(number))
        .filter(|person| person.address.is_some())
        .take(3)
        .collect();
    let before = lists(&config);
    let served = served(&before);
    assert!(before.contains("STALE"), "ten days are told: {before}");

    for (kind, name, fault, reason) in [
        ("rpps", "truncated", Fault::Truncated(60), "removed"),
        (
            "rpps",
            "lacking",
            Fault::Without("Code profession"),
            "code profession",
        ),
        ("rpps", "fewer", Fault::Deleted(20), "removed"),
        ("rpps", "short", Fault::Broken(10), "cannot be used"),
        ("mss", "truncated-mss", Fault::Truncated(60), "removed"),
        ("mss", "fewer-mss", Fault::Deleted(20), "removed"),
        (
            "mss",
            "replaced",
            Fault::Replaced(30, "mssante.test", "ailleurs.test"),
            "removed",
        ),
    ] {
        let file = faulty(kind, &files, folder.path(), name, fault);
        let ended = import(&config, kind, &file, &today);
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success(), "{name} was taken");
        assert!(said.contains(reason), "{name}: {said}");
        let now = lists(&config);
        assert_eq!(self::served(&now), served, "{name}");
        assert!(now.contains("a later one was refused"), "{name}: {now}");
        answers(&territory, &people);
    }
    let told = find(&config, &people[0].rpps);
    assert!(told.contains("has not come for 11 days"), "{told}");

    // What is only written otherwise says the same.
    for (kind, name, fault) in [
        ("rpps", "reordered", Fault::Reordered),
        ("rpps", "latin-1", Fault::Latin1),
        ("mss", "reordered-mss", Fault::Reordered),
    ] {
        let file = faulty(kind, &files, folder.path(), name, fault);
        let ended = import(&config, kind, &file, &today);
        let said = String::from_utf8(ended.stdout).unwrap();
        assert!(ended.status.success(), "{name} was refused: {said}");
        assert!(
            said.contains(" 0 added, 0 changed, 0 removed"),
            "{name}: {said}"
        );
    }
    let after = lists(&config);
    for list in ["rpps", "mss"] {
        let line = after.lines().find(|line| line.starts_with(list)).unwrap();
        assert!(!line.contains("STALE") && line.contains(&today), "{line}");
    }
    assert!(!after.contains("a later one was refused"), "{after}");
    answers(&territory, &people);
}

/// The day that was so many days ago.
fn day(ago: i64) -> String {
    (SystemClock.now() - Duration::days(ago))
        .format(format_description!("[year]-[month]-[day]"))
        .unwrap()
}

/// A published file with a fault.
fn faulty(
    kind: &str,
    files: &liaison_tests::registers::Files,
    folder: &Path,
    name: &str,
    fault: Fault,
) -> std::path::PathBuf {
    let from = if kind == "rpps" {
        &files.activities
    } else {
        &files.mailboxes
    };
    let to = folder.join(format!("{name}.txt"));
    corrupt(from, &to, fault, 3);
    to
}

fn import(config: &Path, kind: &str, file: &Path, day: &str) -> Output {
    let mut command = liaison();
    command
        .args(["directory", "import", kind])
        .arg(file)
        .args(["--date", day, "--config"])
        .arg(config);
    attempt(&mut command, b"")
}

fn lists(config: &Path) -> String {
    let mut command = liaison();
    command.args(["directory", "lists", "--config"]).arg(config);
    String::from_utf8(run(&mut command, b"")).unwrap()
}

/// What the lists say of what serves, without the refusals.
fn served(lists: &str) -> Vec<&str> {
    lists
        .lines()
        .filter(|line| !line.starts_with(' '))
        .collect()
}

fn find(config: &Path, text: &str) -> String {
    let mut command = liaison();
    command
        .args(["directory", "find", text, "--config"])
        .arg(config);
    String::from_utf8(run(&mut command, b"")).unwrap()
}

/// The directory that runs still knows everybody's address.
fn answers(territory: &Territory, people: &[Someone]) {
    let directory = territory.member("dac");
    let account = territory.account(DOCTOR);
    let suffix = directory.ldap_base.as_deref().unwrap();
    for person in people {
        let found = run(
            Command::new("ldapsearch")
                .env("LDAPTLS_CACERT", territory.ca())
                .args(["-x", "-LLL", "-o", "ldif-wrap=no", "-H"])
                .arg(format!("ldaps://127.0.0.1:{}", directory.ldaps.unwrap()))
                .args(["-b", suffix, "-D", &account.user, "-w", &account.password])
                .args([&format!("(IdentifiantPP={})", person.rpps), "mail"]),
            b"",
        );
        let found = String::from_utf8(found).unwrap();
        let address = person.address.as_deref().unwrap();
        assert!(found.contains(address), "{address}: {found}");
    }
}
