//! A site run by two processes on one PostgreSQL database, letters in both directions while it is
//! troubled, and the count from both ends afterwards: each letter that was acknowledged arrives
//! once, nothing waits and nothing failed.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use liaison_store::Location;
use liaison_tests::Territory;
use liaison_tests::imap::Imap;
use liaison_tests::smtp::Smtp;
use liaison_tests::territory::{DOCTOR, EHPAD, Site};
use mail_parser::MessageParser;
use toml::{Table, Value};

/// How long the territory may take to come to rest once nobody troubles it any more.
const REST: Duration = Duration::from_secs(120);
/// A sender that fails this often has found a fault.
const TRIES: usize = 400;

/// The doctor's site in two processes; every other site in one.
pub(crate) struct SharedSite {
    pub(crate) territory: Territory,
    database: String,
    member: String,
    doors: [Doors; 2],
    processes: [Mutex<Option<Site>>; 2],
    /// Which of the two can be asked now.
    up: [AtomicBool; 2],
    _others: BTreeMap<String, Site>,
}

#[derive(Clone, Copy)]
struct Doors {
    submissions: u16,
    imaps: u16,
}

impl SharedSite {
    /// Builds the territory and starts all of it.
    pub(crate) fn start(location: &Location) -> Self {
        let territory = Territory::build();
        let database = String::from(location.clone());
        let member = territory.account(DOCTOR).member.clone();
        let first = territory.member(&member);
        let second = Doors {
            submissions: free_port(),
            imaps: free_port(),
        };
        let doors = [
            Doors {
                submissions: first.submissions.unwrap(),
                imaps: first.imaps.unwrap(),
            },
            second,
        ];
        write_settings(&territory, &member, &database, second);
        let mut others = BTreeMap::new();
        let mut names = vec!["dac".to_owned()];
        names.push(territory.account(EHPAD).member.clone());
        for name in names {
            others.insert(name.clone(), territory.start_site(&name));
        }
        let site = Self {
            processes: Default::default(),
            up: Default::default(),
            _others: others,
            territory,
            database,
            member,
            doors,
        };
        site.restart(0);
        site.restart(1);
        site
    }

    /// Starts a process again.
    pub(crate) fn restart(&self, which: usize) {
        let folder = self.territory.site_folder(&self.member);
        let config = folder.join(["liaison.toml", "second.toml"][which]);
        let process = self.territory.start_process(&config);
        *self.processes[which].lock().unwrap() = Some(process);
        self.up[which].store(true, Ordering::SeqCst);
    }

    /// `kill -9`.
    pub(crate) fn kill(&self, which: usize) {
        self.up[which].store(false, Ordering::SeqCst);
        let process = self.processes[which].lock().unwrap().take();
        process.unwrap().kill();
    }

    /// SIGSTOP, until the others have taken it for dead; then SIGCONT.
    pub(crate) fn freeze_past_its_leases(&self, which: usize) {
        self.up[which].store(false, Ordering::SeqCst);
        let process = self.processes[which].lock().unwrap();
        let id = process.as_ref().unwrap().id().to_string();
        signal("-STOP", &id);
        let dead = "SELECT COUNT(*) FROM lease_holder WHERE role = 'relay'
                    AND alive_until > (EXTRACT(EPOCH FROM now()) * 1000)::bigint";
        until("the frozen process counts as dead", || {
            self.ask(dead).is_some_and(|alive| alive < 2)
        });
        // Its successor has had time to claim what it held.
        let held = "SELECT COUNT(*) FROM relay_recipient r WHERE state = 'active' AND NOT EXISTS (
                        SELECT 1 FROM lease_holder h WHERE h.holder = r.holder AND alive_until >
                        (EXTRACT(EPOCH FROM now()) * 1000)::bigint)";
        until("what it held is taken over", || self.ask(held) == Some(0));
        signal("-CONT", &id);
        self.up[which].store(true, Ordering::SeqCst);
    }

    /// Sends `count` letters through the site's two doors, and as many from the nursing home to
    /// it, while `trouble` does its worst.
    pub(crate) fn send_while(&self, count: usize, trouble: impl FnOnce() + Send) {
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..count {
                    self.submit(DOCTOR, EHPAD, number, |attempt| {
                        let door = (number + attempt) % 2;
                        self.up[door]
                            .load(Ordering::SeqCst)
                            .then(|| self.doors[door].submissions)
                    });
                }
            });
            scope.spawn(|| {
                let member = &self.territory.account(EHPAD).member;
                let port = self.territory.member(member).submissions.unwrap();
                for number in 0..count {
                    self.submit(EHPAD, DOCTOR, number, |_| Some(port));
                }
            });
            trouble();
        });
    }

    /// Waits until everything has come to rest, then counts: each letter arrived once, whichever
    /// process is asked; nothing waits, nothing failed.
    pub(crate) fn each_letter_arrived_once(&self, count: usize) {
        let expected: Vec<String> = (0..count).map(subject).collect();
        let waiting = "SELECT (SELECT COUNT(*) FROM draft) + (SELECT COUNT(*) FROM relay_recipient
                       WHERE state IN ('queued', 'active', 'deferred'))";
        until("nothing waits any more", || self.ask(waiting) == Some(0));
        let failed = "SELECT COUNT(*) FROM relay_recipient WHERE state = 'failed'";
        assert_eq!(self.ask(failed), Some(0), "recipients failed");
        let ehpad = self.territory.account(EHPAD);
        let port = self.territory.member(&ehpad.member).imaps.unwrap();
        for (reader, port) in [
            (EHPAD, port),
            (DOCTOR, self.doors[0].imaps),
            (DOCTOR, self.doors[1].imaps),
        ] {
            let mut shown = Vec::new();
            until("every letter is shown", || {
                shown = self.letters(reader, port).unwrap_or_default();
                shown.len() >= count
            });
            assert_eq!(shown, expected, "what {reader} sees");
        }
        // The nursing home's own queue has come to rest too, so that nothing comes later.
        let track = self.territory.track(&self.member);
        let sent: Vec<_> = track.iter().filter(|one| one["kind"] == "mail").collect();
        assert_eq!(sent.len(), count, "the ledger follows each letter");
        for one in sent {
            let state = one["recipients"][0]["state"].as_str().unwrap();
            assert!(!["queued", "held", "failed"].contains(&state), "{one}");
        }
    }

    /// A number from the database; `None` while it cannot be asked.
    pub(crate) fn ask(&self, sql: &str) -> Option<i64> {
        self.database.parse::<Location>().ok()?;
        for host in hosts(&self.database) {
            let answer = Command::new("psql")
                .args(["-X", "-A", "-t", "-d", &host, "-c", sql])
                .output()
                .unwrap();
            if answer.status.success() {
                return String::from_utf8_lossy(&answer.stdout).trim().parse().ok();
            }
        }
        None
    }

    /// A mail client: again, the same octets, until it is told 250.
    fn submit(&self, from: &str, to: &str, number: usize, port: impl Fn(usize) -> Option<u16>) {
        let text = letter(from, to, number);
        let account = self.territory.account(from);
        for attempt in 0..TRIES {
            let told = port(attempt)
                .ok_or_else(|| io::Error::other("the door is closed"))
                .and_then(|port| Smtp::try_open(self.territory.ca(), port, account))
                .and_then(|mut smtp| smtp.try_submit(from, &[to], &text));
            match told {
                Ok(reply) if reply.starts_with('4') => thread::sleep(Duration::from_millis(50)),
                Ok(reply) => return assert!(reply.starts_with("250"), "{reply}"),
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        }
        panic!(
            "letter {number} of {from} was never taken:\n{}",
            self.territory.log(&self.member)
        );
    }

    /// The subjects of the letters in an INBOX, in order.
    fn letters(&self, reader: &str, port: u16) -> io::Result<Vec<String>> {
        let account = self.territory.account(reader);
        let mut imap = Imap::try_open(self.territory.ca(), port, account)?;
        let mut found: Vec<String> = imap
            .messages()
            .iter()
            .filter_map(|message| {
                let parsed = MessageParser::default().parse(message)?;
                let subject = parsed.subject()?.to_owned();
                subject.starts_with("Lettre ").then_some(subject)
            })
            .collect();
        found.sort();
        Ok(found)
    }
}

fn subject(number: usize) -> String {
    format!("Lettre {number:04}")
}

fn letter(from: &str, to: &str, number: usize) -> String {
    let domain = from.rsplit('@').next().unwrap();
    let (who, _) = from.split_once('@').unwrap();
    // Some are kept beside the database rather than in it.
    let lines = if number % 7 == 3 { 2700 } else { 3 };
    format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: {}\r\nMessage-ID: <{who}.{number}@{domain}>\r\n\
         Date: Sat, 21 Nov 2026 20:30:00 +0100\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{}",
        subject(number),
        format!("{}\r\n", "x".repeat(74)).repeat(lines)
    )
}

/// Both processes' settings: the same but for the doors of the second.
fn write_settings(territory: &Territory, member: &str, database: &str, second: Doors) {
    let path = territory.config(member);
    let mut settings: Table = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let section =
        |settings: &mut Table, name: &str| -> Table { settings[name].as_table().unwrap().clone() };
    let mut relay = section(&mut settings, "relay");
    relay.insert("database".to_owned(), database.into());
    let mut schedule = Table::new();
    for (key, value) in [
        ("first_retry", "300ms"),
        ("longest_retry", "1s"),
        ("lease", "5s"),
        ("takeover", "3s"),
    ] {
        schedule.insert(key.to_owned(), value.into());
    }
    relay.insert("schedule".to_owned(), schedule.into());
    let mut gateway = section(&mut settings, "gateway");
    gateway.insert("database".to_owned(), database.into());
    gateway.insert("takeover_seconds".to_owned(), Value::Integer(3));
    settings.insert("relay".to_owned(), relay.clone().into());
    settings.insert("gateway".to_owned(), gateway.clone().into());
    std::fs::write(&path, toml::to_string(&settings).unwrap()).unwrap();

    let local = |port: u16| Value::String(format!("127.0.0.1:{port}"));
    relay.insert("listen".to_owned(), local(0));
    gateway.insert("submissions".to_owned(), local(second.submissions));
    gateway.insert("imaps".to_owned(), local(second.imaps));
    settings.insert("relay".to_owned(), relay.into());
    settings.insert("gateway".to_owned(), gateway.into());
    settings.remove("admin");
    let path = path.with_file_name("second.toml");
    std::fs::write(path, toml::to_string(&settings).unwrap()).unwrap();
}

/// The URLs of the hosts, as psql takes them.
fn hosts(database: &str) -> Vec<String> {
    let rest = database.strip_prefix("postgres://").unwrap();
    let (authority, tail) = rest.split_once('/').unwrap();
    let (user, names) = authority.split_once('@').unwrap();
    names
        .split(',')
        .map(|host| format!("postgresql://{user}@{host}/{tail}"))
        .collect()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn signal(which: &str, id: &str) {
    let told = Command::new("kill").args([which, id]).status().unwrap();
    assert!(told.success());
}

/// Looks every little while until it is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + REST;
    while !so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}
