//! `kill -9` of any site at any moment of a busy day: every message that a sender was told is
//! taken arrives exactly once, in every mailbox, and the ledgers say so.
//!
//! Senders do what real ones do: they send again what was not acknowledged, the same octets, until
//! it is. What was read was opened for ever, and who has taken charge has. `LIAISON_SEED` repeats a
//! run's choices (the processes' own timing stays theirs); `LIAISON_LONG=1` kills a thousand times.

pub(crate) mod load;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use liaison_tests::Territory;
use liaison_tests::imap::Imap;
use liaison_tests::mllp::{Mllp, verdict};
use liaison_tests::smtp::Smtp;
use liaison_tests::territory::{DAC, DOCTOR, EHPAD, NURSE, PHARMACY, Site, WARD, liaison};
use mail_parser::MessageParser;

use load::{
    Dice, Event, Letter, Read, admission, discharge, ipp, key_of, letter, mail, reply, report,
    token,
};

/// Everybody who logs in.
const PEOPLE: [&str; 6] = [EHPAD, DOCTOR, NURSE, PHARMACY, WARD, DAC];
/// How long the territory may take to come to rest once nobody kills any more.
const REST: Duration = Duration::from_secs(240);
/// A sender that fails this often with its site up has found a fault.
const TRIES: usize = 500;

#[test]
fn nothing_acknowledged_is_lost_or_shown_twice_when_sites_are_killed() {
    let seed = seed();
    let kills = match std::env::var("LIAISON_LONG").as_deref() {
        Ok("1") => 1000,
        _ => 200,
    };
    println!("LIAISON_SEED={seed}, {kills} kills");
    let territory = Territory::build();
    let day = Day::begin(&territory, kills);
    let mut dice = Dice(seed);
    let (mut killed, mut patients) = (0, 0);
    while killed < kills {
        let round = day.round(&mut dice, &mut patients);
        let (steps, heard) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| day.push(&round.feed, &steps));
            scope.spawn(|| day.submit(&round.mail, &steps));
            scope.spawn(|| day.read(&round.readers));
            let expected = 2 * (round.feed.len() + round.mail.len());
            killed += day.kill(&mut dice, &heard, expected);
        });
    }
    day.comes_to_rest(seed);
    day.is_shown_once(seed);
    // What a relay still held and would deliver again comes now, before the last letters do.
    let last = day.last_letters(&mut dice);
    day.restart_all();
    let (steps, _heard) = mpsc::channel();
    day.submit(&last, &steps);
    day.comes_to_rest(seed);
    day.is_shown_once(seed);
    println!("{killed} kills, {}", day.summary());
}

/// What happens between two kills.
struct Round {
    feed: Vec<Event>,
    mail: Vec<Letter>,
    readers: Vec<&'static str>,
}

/// What has been acknowledged so far, and so must be true in the end.
#[derive(Default)]
struct Promises {
    /// What each mailbox shows, each key once.
    shown: BTreeMap<&'static str, BTreeSet<String>>,
    /// Notices (number, reader) whose content was handed to a mail client.
    opened: BTreeSet<(String, String)>,
    /// Notices (number, reader) of which somebody took charge.
    charged: BTreeSet<(String, String)>,
    /// Patients who are still in the hospital.
    inside: Vec<usize>,
    /// Notices to be answered.
    unanswered: Vec<Read>,
    /// Names the next thing that somebody writes.
    next: usize,
    resent: usize,
}

struct Day<'a> {
    territory: &'a Territory,
    sites: BTreeMap<String, RwLock<Option<Site>>>,
    promises: Mutex<Promises>,
}

impl<'a> Day<'a> {
    fn begin(territory: &'a Territory, patients: usize) -> Self {
        let path = territory.site_folder("hospital").join("care-circles.toml");
        let mut circles = std::fs::read_to_string(&path).unwrap();
        for patient in 0..3 * patients {
            circles.push_str(&format!(
                "\n[[patient]]\nfacility = \"CH-VALOMBRE\"\nipp = \"{}\"\n",
                ipp(patient)
            ));
            for (role, target) in [
                ("nursing_home", "finess = \"000000777\""),
                ("home_nurse", "rpps = \"00000000022\""),
                ("pharmacy", "finess = \"000000888\""),
            ] {
                circles.push_str(&format!(
                    "[[patient.member]]\nrole = \"{role}\"\ntarget = {{ {target} }}\n"
                ));
            }
        }
        std::fs::write(&path, circles).unwrap();
        let sites = territory.start_all().into_iter();
        Self {
            territory,
            sites: sites
                .map(|(name, site)| (name, RwLock::new(Some(site))))
                .collect(),
            promises: Mutex::default(),
        }
    }

    /// Draws what happens until the next kill.
    fn round(&self, dice: &mut Dice, patients: &mut usize) -> Round {
        let mut promises = self.promises.lock().unwrap();
        let (mut feed, mut mail) = (Vec::new(), Vec::new());
        for _ in 0..1 + dice.below(3) {
            let leaves = !promises.inside.is_empty() && dice.below(2) == 0;
            if leaves {
                let at = dice.below(promises.inside.len());
                feed.push(discharge(promises.inside.swap_remove(at)));
            } else {
                feed.push(admission(*patients));
                promises.inside.push(*patients);
                *patients += 1;
            }
        }
        for _ in 0..1 + dice.below(4) {
            promises.next += 1;
            let token = token(promises.next);
            let answers = !promises.unanswered.is_empty() && dice.below(2) == 0;
            mail.push(match (answers, dice.below(5)) {
                (true, _) => reply(promises.unanswered.remove(0), &token),
                (false, 0) => report(&token),
                (false, _) => letter(dice, &token),
            });
        }
        let readers = vec![[EHPAD, DOCTOR, NURSE, WARD][dice.below(4)]];
        // Nobody leaves before the admission was acknowledged: a feed keeps its order.
        Round {
            feed,
            mail,
            readers,
        }
    }

    /// The hospital's engine: one message at a time, again until it is acknowledged.
    fn push(&self, events: &[Event], steps: &Sender<String>) {
        let port = self.territory.member("hospital").mllp.unwrap();
        let mut feed = None;
        for event in events {
            let answer = self.until_told("hospital", || {
                let open = match feed.take() {
                    Some(open) => open,
                    None => Mllp::connect(port)?,
                };
                let open = feed.insert(open);
                let _ = steps.send("hospital".to_owned());
                open.push(&event.text).inspect_err(|_| feed = None)
            });
            assert_eq!(verdict(&answer).0, "CA", "{answer}");
            let mut promises = self.promises.lock().unwrap();
            for recipient in event.recipients {
                promises.show(recipient, event.key.clone());
            }
            let _ = steps.send("hospital".to_owned());
        }
    }

    /// Mail clients: each again, under the same Message-ID, until it is told 250.
    fn submit(&self, letters: &[Letter], steps: &Sender<String>) {
        for letter in letters {
            let account = self.territory.account(letter.from);
            let member = self.territory.member(&account.member);
            let reply = self.until_told(&account.member, || {
                let port = member.submissions.unwrap();
                let mut smtp = Smtp::try_open(self.territory.ca(), port, account)?;
                let _ = steps.send(account.member.clone());
                let reply = smtp.try_submit(letter.from, &letter.to, &letter.text)?;
                match reply.starts_with('4') {
                    true => Err(io::Error::other(reply)),
                    false => Ok(reply),
                }
            });
            assert!(reply.starts_with("250"), "{reply}");
            let mut promises = self.promises.lock().unwrap();
            for (reader, key) in &letter.shown {
                promises.show(reader, key.clone());
            }
            promises.charged.extend(letter.charge.clone());
            let _ = steps.send(account.member.clone());
        }
    }

    /// Somebody looks at what is new. What cannot be read now is read another time.
    fn read(&self, readers: &[&'static str]) {
        for reader in readers {
            // Whatever a kill has cut off was not shown.
            let _ = self.try_read(reader);
        }
    }

    fn try_read(&self, reader: &'static str) -> io::Result<()> {
        let account = self.territory.account(reader);
        let port = self.territory.member(&account.member).imaps.unwrap();
        let mut imap = Imap::try_open(self.territory.ca(), port, account)?;
        let found = imap.try_command("UID SEARCH UNSEEN SUBJECT \"avis n\"")?;
        let uids: Vec<_> = found
            .lines
            .iter()
            .filter_map(|line| line.strip_prefix("* SEARCH"))
            .flat_map(|uids| uids.split_ascii_whitespace().map(str::to_owned))
            .take(3)
            .collect();
        for uid in uids {
            let answer = imap.try_command(&format!("UID FETCH {uid} (BODY[])"))?;
            assert!(answer.verdict.starts_with("OK"), "{}", answer.verdict);
            let parsed = MessageParser::default().parse(&answer.literals[0]).unwrap();
            let Some((_, number)) = parsed.subject().unwrap().split_once("avis n° ") else {
                continue;
            };
            let mut promises = self.promises.lock().unwrap();
            promises
                .opened
                .insert((number.to_owned(), reader.to_owned()));
            promises.unanswered.push(Read {
                by: reader,
                message_id: parsed.message_id().unwrap().to_owned(),
                number: number.to_owned(),
            });
        }
        Ok(())
    }

    /// Waits for some steps (a sender asks, or was told) and a little more, kills a site or two,
    /// and starts them again, sometimes at the second try. Returns how many processes were killed.
    fn kill(&self, dice: &mut Dice, heard: &Receiver<String>, expected: usize) -> usize {
        let mut asked = None;
        for _ in 0..dice.below(expected + 1) {
            match heard.recv_timeout(Duration::from_secs(2)) {
                Ok(member) => asked = Some(member),
                Err(_) => break,
            }
        }
        // Not a wait for anything: it draws the moment.
        let longest = if dice.below(2) == 0 { 10_000 } else { 80_000 };
        thread::sleep(Duration::from_micros(dice.below(longest) as u64));
        let names: Vec<&String> = self.sites.keys().collect();
        let any = names[dice.below(names.len())];
        // As often as not the site that is about to answer.
        let first = asked.as_ref().filter(|_| dice.below(2) == 0);
        let mut victims = BTreeSet::from([first.unwrap_or(any)]);
        if dice.below(4) == 0 {
            victims.insert(names[dice.below(names.len())]);
        }
        let mut killed = 0;
        let mut down: Vec<_> = victims
            .into_iter()
            .map(|name| (name, self.sites[name].write().unwrap()))
            .collect();
        for (_, site) in &mut down {
            site.take().unwrap().kill();
            killed += 1;
        }
        for (name, site) in &mut down {
            if dice.below(4) == 0 {
                self.kill_while_starting(name, Duration::from_millis(dice.below(150) as u64));
                killed += 1;
            }
            **site = Some(self.territory.start_site(name));
        }
        killed
    }

    fn kill_while_starting(&self, member: &str, after: Duration) {
        let mut process = liaison()
            .args(["serve", "--config"])
            .arg(self.territory.config(member))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(after);
        process.kill().unwrap();
        process.wait().unwrap();
    }

    fn restart_all(&self) {
        for (name, site) in &self.sites {
            let mut site = site.write().unwrap();
            assert!(site.take().unwrap().stop().success(), "{name} did not stop");
            *site = Some(self.territory.start_site(name));
        }
    }

    /// Asks again after every failure, once the site is up.
    fn until_told<T>(&self, member: &str, mut ask: impl FnMut() -> io::Result<T>) -> T {
        for _ in 0..TRIES {
            match ask() {
                Ok(answer) => return answer,
                Err(_) => {
                    self.promises.lock().unwrap().resent += 1;
                    // Held for writing while the site is down.
                    drop(self.sites[member].read().unwrap());
                }
            }
        }
        panic!(
            "{member} is up and does not answer: {}",
            self.territory.log(member)
        );
    }

    /// One letter from everybody to everybody else: in the queues, they are the last.
    fn last_letters(&self, dice: &mut Dice) -> Vec<Letter> {
        PEOPLE
            .into_iter()
            .map(|from| {
                let mut promises = self.promises.lock().unwrap();
                promises.next += 1;
                let to = PEOPLE.into_iter().filter(|to| *to != from).collect();
                mail(dice, (from, to, Vec::new()), &token(promises.next))
            })
            .collect()
    }

    /// Waits until every ledger says of everything that it has arrived, that what was read is
    /// opened, and that who has taken charge has.
    fn comes_to_rest(&self, seed: u64) {
        let deadline = Instant::now() + REST;
        loop {
            let waiting = self.not_yet();
            if waiting.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "LIAISON_SEED={seed}: {} never came to rest, the first: {:?}",
                waiting.len(),
                &waiting[..waiting.len().min(5)]
            );
        }
    }

    fn not_yet(&self) -> Vec<String> {
        let promises = self.promises.lock().unwrap();
        let mut waiting = Vec::new();
        let (mut opened, mut charged) = (promises.opened.clone(), promises.charged.clone());
        for member in self.sites.keys() {
            for message in self.territory.track(member) {
                for recipient in message["recipients"].as_array().unwrap() {
                    let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_owned();
                    let state = text(&recipient["state"]);
                    let notice = (text(&message["number"]), text(&recipient["address"]));
                    if !["delivered", "opened", "taken_charge"].contains(&state.as_str()) {
                        waiting.push(format!("{member} {message}"));
                    }
                    if state == "taken_charge" {
                        charged.remove(&notice);
                    }
                    if state != "delivered" {
                        opened.remove(&notice);
                    }
                }
            }
        }
        waiting.extend(
            opened
                .iter()
                .map(|notice| format!("not opened: {notice:?}")),
        );
        waiting.extend(
            charged
                .iter()
                .map(|notice| format!("not charged: {notice:?}")),
        );
        waiting
    }

    /// Every mailbox shows exactly what was acknowledged, each once.
    fn is_shown_once(&self, seed: u64) {
        let promises = self.promises.lock().unwrap();
        for reader in PEOPLE {
            let expected = promises.shown.get(reader).cloned().unwrap_or_default();
            let mut imap = self.territory.imap(reader);
            let mut shown = headers(&mut imap);
            while shown.len() < expected.len() {
                imap.wait_for(shown.len() + 1);
                shown = headers(&mut imap);
            }
            let mut seen = BTreeSet::new();
            for message in &shown {
                let key = key_of(message);
                assert!(
                    expected.contains(&key),
                    "LIAISON_SEED={seed}: {reader} never promised {key}"
                );
                assert!(
                    seen.insert(key.clone()),
                    "LIAISON_SEED={seed}: {reader} sees {key} twice"
                );
            }
            let lost: Vec<_> = expected.difference(&seen).collect();
            assert!(
                lost.is_empty(),
                "LIAISON_SEED={seed}: {reader} lacks {lost:?}"
            );
        }
    }

    fn summary(&self) -> String {
        let promises = self.promises.lock().unwrap();
        let shown: usize = promises.shown.values().map(BTreeSet::len).sum();
        format!(
            "{} asked again; {shown} messages each shown once; {} notices opened, {} in charge",
            promises.resent,
            promises.opened.len(),
            promises.charged.len()
        )
    }
}

impl Promises {
    fn show(&mut self, reader: &'static str, key: String) {
        assert!(
            self.shown.entry(reader).or_default().insert(key),
            "keys are unique"
        );
    }
}

/// The heads of the messages of INBOX.
fn headers(imap: &mut Imap) -> Vec<Vec<u8>> {
    // Also told when nothing is there.
    imap.command("UID FETCH 1:* (BODY.PEEK[HEADER])").literals
}

fn seed() -> u64 {
    std::env::var("LIAISON_SEED").map_or_else(
        |_| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.unwrap().as_micros() as u64
        },
        |seed| seed.parse().expect("LIAISON_SEED is a number"),
    )
}
