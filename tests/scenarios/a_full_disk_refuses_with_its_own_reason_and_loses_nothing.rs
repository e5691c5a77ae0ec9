//! The disk of a relay fills up: its peers are told so, with a code of its own, and try again; once
//! there is room, every letter arrives once.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::territory::{DOCTOR, EHPAD, liaison};
use toml::Table;

use crate::shared_site::until;

/// Unmounts when the test ends.
struct Small<'a>(&'a Path);

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_with_its_own_reason_and_loses_nothing() {
    let territory = Territory::build();
    let member = territory.account(EHPAD).member.clone();
    let sender = territory.account(DOCTOR).member.clone();
    let small = territory.site_folder(&member).join("small");
    fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
        .arg(&small)
        .output()
        .unwrap();
    if !mounted.status.success() {
        println!("not run: a small disk cannot be mounted here");
        return;
    }
    let _small = Small(&small);
    let path = territory.config(&member);
    let mut settings: Table = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let relay = settings["relay"].as_table_mut().unwrap();
    for (key, file) in [("database", "relay.db"), ("bodies", "bodies")] {
        let place = small.join(file).display().to_string();
        relay.insert(key.to_owned(), place.into());
    }
    // The door stays open: here it is a write that finds the disk full.
    let mut pressure = Table::new();
    pressure.insert("disk_free".to_owned(), 0.into());
    relay.insert("pressure".to_owned(), pressure.into());
    fs::write(&path, toml::to_string(&settings).unwrap()).unwrap();
    let path = territory.config(&sender);
    let mut settings: Table = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let mut schedule = Table::new();
    schedule.insert("first_retry".to_owned(), "300ms".into());
    schedule.insert("longest_retry".to_owned(), "1s".into());
    let relay = settings["relay"].as_table_mut().unwrap();
    relay.insert("schedule".to_owned(), schedule.into());
    fs::write(&path, toml::to_string(&settings).unwrap()).unwrap();

    let _sites: Vec<_> = ["dac", &member, &sender]
        .map(|name| territory.start_site(name))
        .into();
    send(&territory, "Lettre 1");
    territory.imap(EHPAD).wait_for(1);

    let ballast = small.join("ballast");
    fill(&ballast);
    for subject in ["Lettre 2", "Lettre 3"] {
        send(&territory, subject);
    }
    until("the sender's relay hears of the full disk", || {
        let queue = liaison()
            .args(["queue", "--config"])
            .arg(territory.config(&sender))
            .output()
            .unwrap();
        String::from_utf8_lossy(&queue.stdout)
            .matches("452 4.3.1")
            .count()
            == 2
    });
    assert!(
        territory.log(&member).contains("disk_full"),
        "counted by its name"
    );
    assert_eq!(territory.imap(EHPAD).messages().len(), 1);

    fs::remove_file(&ballast).unwrap();
    let mut subjects = Vec::new();
    until("the letters arrive once there is room", || {
        subjects = territory.imap(EHPAD).subjects();
        subjects.len() >= 3
    });
    subjects.sort();
    assert_eq!(subjects.len(), 3, "{subjects:?}");
    for (subject, number) in subjects.iter().zip(1..) {
        assert!(
            subject.contains(&format!("Lettre {number}")),
            "{subjects:?}"
        );
    }
}

fn send(territory: &Territory, subject: &str) {
    let text = format!(
        "From: <{DOCTOR}>\r\nTo: <{EHPAD}>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nBonjour.\r\n"
    );
    let reply = territory.smtp(DOCTOR).submit(DOCTOR, &[EHPAD], &text);
    assert!(reply.starts_with("250"), "{reply}");
}

/// Writes until nothing more goes in.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [64 * 1024, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}
