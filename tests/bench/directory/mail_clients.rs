//! What the directory and slapd answer to mail clients over LDAP.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

use ldap3_proto::proto::LdapResultCode;
use liaison_directory::text::fold;
use liaison_tests::registers::{Registers, Someone};

use crate::client::{Client, connect, connect_tls, trusting};
use crate::figures::{at_least, at_most, memory, plain, processor, times, within};
use crate::hospital;
use crate::library::some;
use crate::served::{ACCOUNTS, PASSWORD, SUFFIX, Served, certified};
use crate::slapd::{self, Slapd};

/// Searches of each kind.
const ROUNDS: u32 = 1_000;
/// Connections of Thunderbird.
const CYCLES: u32 = 300;

pub(crate) fn measure(registers: &Registers, folder: &Path) {
    let served = Served::start(folder);
    plain(
        "memory of the serving process",
        "MiB",
        memory(served.id(), "VmRSS"),
    );
    let people = some(registers, ROUNDS);
    // Each account may see a fiftieth; its password is checked once, slowly, and then remembered.
    let mut clients: Vec<_> = (0..ACCOUNTS)
        .map(|number| {
            let mut client = connect(served.clear);
            client.bind(&format!("banc{number}"), PASSWORD);
            client
        })
        .collect();
    let mut ask = |round: u32, filter: &str, attributes: &[&str]| {
        clients[(round % ACCOUNTS) as usize].search(SUFFIX, filter, attributes)
    };
    for (letters, target) in [(3, 10.0), (4, 10.0), (6, 10.0)] {
        let mut refused = 0;
        let before = processor(served.id());
        let taken = times(ROUNDS, |round| {
            let answer = ask(round, &thunderbird(&people[round as usize], letters), &[]);
            refused += u32::from(answer.code == LdapResultCode::AdminLimitExceeded);
        });
        if refused > 0 {
            println!(
                "{refused} of {ROUNDS} searches were refused: too broad, or the day's share seen"
            );
        }
        let used = (processor(served.id()) - before) * 1e3 / f64::from(ROUNDS);
        let what = format!("Thunderbird's filter over LDAP, {letters} letters, p95");
        at_most(&what, "ms", within(&taken, 950), target);
        plain("  the server's processor, each", "ms", used);
    }
    let certified: Vec<String> = certified(registers)
        .filter_map(|number| registers.person(number).address)
        .collect();
    let attribute = "userCertificate;binary";
    let taken = times(ROUNDS, |round| {
        let address = &certified[round as usize % certified.len()];
        let answer = ask(round, &format!("(mail={address})"), &[attribute]);
        let has = |name: &str| name.eq_ignore_ascii_case(attribute);
        let found = answer
            .entries
            .iter()
            .flat_map(|one| &one.attributes)
            .any(|one| has(&one.atype));
        assert!(found, "{address}");
    });
    at_most(
        "certificate of an address over LDAP, p95",
        "ms",
        within(&taken, 950),
        2.0,
    );
    rate(&served, &people, &mut clients[0]);
    cycles(&served, folder, &people);
    refusal(&served);
    idle(&served, folder);
    hospital::measure(&served, folder, &people);
    beside(registers, folder);
}

/// What Thunderbird sends for the first letters of a family name.
fn thunderbird(person: &Someone, letters: usize) -> String {
    let typed: String = fold(&person.family).chars().take(letters).collect();
    format!("(|(cn=*{typed}*)(mail=*{typed}*)(givenName=*{typed}*)(sn=*{typed}*))")
}

fn rate(served: &Served, people: &[Someone], client: &mut Client<TcpStream>) {
    let before = processor(served.id());
    let rounds = ROUNDS * 4;
    for round in 0..rounds {
        let person = &people[round as usize % people.len()];
        let answer = client.search(
            SUFFIX,
            &format!("(IdentifiantPP={})", person.rpps),
            &["mail"],
        );
        assert_eq!(answer.code, LdapResultCode::Success);
    }
    let used = processor(served.id()) - before;
    let what = "by RPPS number over LDAP, a second of the server's processor";
    at_least(what, "/s", f64::from(rounds) / used.max(0.01), 10_000.0);
}

/// Thunderbird opens a connection for each search.
fn cycles(served: &Served, folder: &Path, people: &[Someone]) {
    let config = trusting(folder);
    let one = |round: u32| {
        let mut client = connect_tls(served.tls, &config);
        client.bind(&format!("banc{}", round % ACCOUNTS), PASSWORD);
        let person = &people[round as usize % people.len()];
        let _ = client.search(SUFFIX, &thunderbird(person, 6), &[]);
        client.unbind();
    };
    one(0);
    let (before, began) = (processor(served.id()), Instant::now());
    for round in 0..CYCLES {
        one(round);
    }
    let used = (processor(served.id()) - before) * 1e3 / f64::from(CYCLES);
    at_most(
        "connect, bind, search, close: the server's processor",
        "ms",
        used,
        5.0,
    );
    let rate = f64::from(CYCLES) / began.elapsed().as_secs_f64();
    plain(
        "connect, bind, search, close: one client after the other",
        "/s",
        rate,
    );
}

/// A filter of a million parts is refused by the first octets of its message, before it has come.
fn refusal(served: &Served) {
    const FIRST: usize = 1_400;
    /// The notice of disconnection (RFC 4511 §4.4.1).
    const NOTICE: &[u8] = b"1.3.6.1.4.1.1466.20036";
    let wide = b"\x87\x02cn".repeat(1_000_000);
    let deep = [0xa2, 0x84, 0, 0x3d, 9, 0].repeat(1_000_000);
    for (what, filter) in [("side by side", wide), ("one in the other", deep)] {
        let mut message = vec![0x30, 0x84];
        message.extend_from_slice(&u32::try_from(filter.len()).unwrap().to_be_bytes());
        message.extend_from_slice(&filter);
        let mut taken: Vec<_> = (0..200)
            .map(|_| {
                let mut stream = TcpStream::connect(served.clear).unwrap();
                stream.set_nodelay(true).unwrap();
                let began = Instant::now();
                stream.write_all(&message[..FIRST]).unwrap();
                let mut answer = [0; 256];
                let read = stream.read(&mut answer).unwrap();
                let taken = began.elapsed();
                let is_notice = answer[..read]
                    .windows(NOTICE.len())
                    .any(|part| part == NOTICE);
                assert!(is_notice, "the filter was not refused");
                taken
            })
            .collect();
        taken.sort_unstable();
        let what = format!("a filter of a million parts {what}: refused, p95");
        at_most(&what, "ms", within(&taken, 950), 1.0);
    }
}

/// Connections that are kept open.
fn idle(served: &Served, folder: &Path) {
    const CONNECTIONS: u32 = 900;
    let config = trusting(folder);
    let before = memory(served.id(), "VmRSS");
    let kept: Vec<_> = (0..CONNECTIONS)
        .map(|round| {
            let mut client = connect_tls(served.tls, &config);
            client.bind(&format!("banc{}", round % ACCOUNTS), PASSWORD);
            client
        })
        .collect();
    let more = (memory(served.id(), "VmRSS") - before) * 1_000.0 / f64::from(CONNECTIONS);
    at_most("a thousand idle connections, memory", "MiB", more, 64.0);
    drop(kept);
}

/// The same client and the same searches, on slapd.
fn beside(registers: &Registers, folder: &Path) {
    let Some(slapd) = Slapd::start(registers, folder) else {
        println!("slapd cannot be installed: nothing to compare with");
        return;
    };
    let people: Vec<Someone> = slapd::people(registers).take(ROUNDS as usize).collect();
    let mut client = connect(slapd.address());
    for letters in [3, 4, 6] {
        let taken = times(ROUNDS, |round| {
            let _ = client.search(
                slapd::SUFFIX,
                &thunderbird(&people[round as usize], letters),
                &[],
            );
        });
        let what = format!("slapd, {} people: {letters} letters, p95", slapd::PEOPLE);
        plain(&what, "ms", within(&taken, 950));
    }
    let taken = times(ROUNDS, |round| {
        let address = people[round as usize].address.as_deref().unwrap();
        let answer = client.search(slapd::SUFFIX, &format!("(mail={address})"), &[]);
        assert_eq!(answer.entries.len(), 1, "{address}");
    });
    plain("slapd: by address, p95", "ms", within(&taken, 950));
}
