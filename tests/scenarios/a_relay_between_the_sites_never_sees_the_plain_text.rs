//! Every message of this territory passes a hub: a process that only relays, with nobody's keys,
//! between proxies that record every octet. Unmistakable words go through every door, some rest
//! in the hub's queue for a while, and then everything stored, logged, printed and carried is
//! searched for them in every form that they could have.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use liaison_certs_dev::Territory as Authorities;
use liaison_tests::Territory;
use liaison_tests::mllp::verdict;
use liaison_tests::territory::{DAC, DOCTOR, EHPAD, PHARMACY, REPORTS, WARD, liaison};
use mail_parser::MessageParser;
use serde_json::{Value, json};

#[test]
fn a_relay_between_the_sites_never_sees_the_plain_text() {
    let began = SystemTime::now();
    let territory = Territory::build();
    let (mut hub, traffic) = Hub::between(&territory);
    let words = Words::draw();
    // What is searched is proven to be findable before anything is not found.
    words.are_found_in_every_form(&territory.folder().join("planted"));

    let mut sites = territory.start_all();
    hub.start();
    sites.remove("ehpad").unwrap().kill();
    say_them_at_every_door(&territory, &words);
    hub.holds_what_waits();
    words.are_nowhere_in(territory.folder());

    sites.insert("ehpad".to_owned(), territory.start_site("ehpad"));
    are_read_where_they_belong(&territory, &words);
    let printed = liaison()
        .args(["track", "--config"])
        .arg(territory.config("hospital"))
        .output()
        .unwrap();
    assert!(!printed.stdout.is_empty());
    words.are_not_in("what track prints", &printed.stdout);
    words.are_not_in("what track complains of", &printed.stderr);
    words.are_nowhere_in(territory.folder());
    words.are_in_no_new_file(&std::env::temp_dir(), began);
    let recorded = traffic.lock().unwrap();
    let octets: usize = recorded.values().map(Vec::len).sum();
    assert!(octets > 1_000_000, "{octets} octets were recorded");
    for (proxy, octets) in &*recorded {
        words.are_not_in(proxy, octets);
    }
}

/// An admission, a mail with a large attachment, a reply and a report.
fn say_them_at_every_door(territory: &Territory, words: &Words) {
    let Words {
        name,
        street,
        insee,
        subject,
        body,
        attached,
        answer,
        error,
        ..
    } = words;
    let mut feed = territory.mllp();
    for (trigger, left, mode) in [
        ("A01", "", "ZFM|8||7||5"),
        ("A03", "20261121203000", "ZFM||8||7"),
    ] {
        let text = [
            &format!("MSH|^~\\&|GAM|CH-VALOMBRE|LIAISON|CH-VALOMBRE|20261121203000||ADT^{trigger}^ADT_{trigger}|{trigger}|P|2.5^FRA^2.11|||AL|NE|FRA|8859/15|FR||2.11^IHE_FRANCE-2.11-PAM"),
            "EVN||20261121203000||||20261121203000",
            &format!("PID|1||900123^^^CH-VALOMBRE&000000001&L^PI~{insee}^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS||{name}^JEANNE^^^Mme^^L||19380512|F|||{street}^^VALOMBRE^^99000^FRA^H|||||||26009999^^^CH-VALOMBRE&000000001&L^AN||||||||||||||VALI"),
            "ROL||UC|ODRP|00000000011^GARNIER^CLAIRE^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^L^^^RPPS",
            &format!("PV1|1|I|3120^GER2^05^CH-VALOMBRE&000000001&L|R|||||||||||||||26009999-1^^^CH-VALOMBRE&000000001&L^VN||||||||||||||||||||||||20261121143000|{left}"),
            &format!("ZBE|{trigger}^CH-VALOMBRE^000000001^L|20261121203000||INSERT|N||GERIATRIE^^^^^CH-VALOMBRE&000000001&L^UF^^^3120|GERIATRIE^^^^^CH-VALOMBRE&000000001&L^UF^^^3120|HMS"),
            mode,
        ]
        .map(|segment| format!("{segment}\r"))
        .concat();
        let answer = feed.push(&text).unwrap();
        assert_eq!(verdict(&answer).0, "CA", "{answer}");
        words.are_not_in("the acknowledgement", answer.as_bytes());
    }
    // Kept beside the database, in files of its own: larger than 128 KiB.
    let filler = format!("{attached} compte rendu {}\r\n", "x".repeat(40)).repeat(3000);
    let encoded: Vec<_> = STANDARD
        .encode(filler)
        .as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let mail = format!(
        "From: <{DOCTOR}>\r\nTo: {EHPAD}, {DAC}\r\nSubject: =?utf-8?B?{subject}?=\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=part\r\n\r\n\
         --part\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{body}\r\n\
         --part\r\nContent-Type: application/pdf\r\n\
         Content-Disposition: attachment; filename=\"{attached}.pdf\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{attachment}\r\n--part--\r\n",
        subject = STANDARD.encode(subject),
        attachment = encoded.join("\r\n"),
    );
    submit(territory, DOCTOR, &[EHPAD, DAC], &mail);
    submit(
        territory,
        DOCTOR,
        &[WARD],
        &text(
            DOCTOR,
            WARD,
            "Re: avis",
            &format!("PRIS EN CHARGE\r\n{answer}"),
        ),
    );
    submit(
        territory,
        PHARMACY,
        &[REPORTS],
        &text(PHARMACY, REPORTS, "Erreur", error),
    );
}

fn text(from: &str, to: &str, subject: &str, body: &str) -> String {
    format!(
        "From: <{from}>\r\nTo: {to}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}\r\n"
    )
}

fn submit(territory: &Territory, from: &str, to: &[&str], message: &str) {
    let reply = territory.smtp(from).submit(from, to, message);
    assert!(reply.starts_with("250"), "{reply}");
}

/// The words did travel: their readers see them.
fn are_read_where_they_belong(territory: &Territory, words: &Words) {
    for (reader, count, word) in [
        (EHPAD, 3, &words.name),
        (EHPAD, 3, &words.subject),
        (EHPAD, 3, &words.body),
        (EHPAD, 3, &words.attached),
        (DAC, 1, &words.body),
        (WARD, 1, &words.answer),
        (DOCTOR, 2, &words.name),
    ] {
        let messages = territory.imap(reader).wait_for(count);
        let seen = messages.iter().any(|message| {
            let parsed = MessageParser::default().parse(message).unwrap();
            let subject = parsed.subject().unwrap_or_default().to_owned();
            let texts = (0..parsed.text_body_count()).filter_map(|at| parsed.body_text(at));
            texts
                .map(std::borrow::Cow::into_owned)
                .chain([subject])
                .any(|text| text.contains(word.as_str()))
                || parsed
                    .attachments()
                    .any(|part| find(part.contents(), word.as_bytes()))
        });
        assert!(seen, "{reader} does not see a word");
    }
    // The receipt of the report, which is in the register.
    territory.imap(PHARMACY).wait_for(1);
}

/// A process with a relay and a directory of its own: every other site's way to every other.
struct Hub {
    folder: PathBuf,
    process: Option<Child>,
}

type Traffic = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

impl Hub {
    /// Sets the hub up and writes it into the shared directory in place of the sites' relays.
    fn between(territory: &Territory) -> (Self, Traffic) {
        let folder = territory.site_folder("hub");
        fs::create_dir(&folder).unwrap();
        let authorities = Authorities::new(SystemTime::now().into()).unwrap();
        let member = authorities.member("carrefour.test").unwrap();
        let relay = member
            .relay_identity()
            .unwrap()
            .write(&folder, "relay")
            .unwrap();
        let web = member
            .directory_identity()
            .unwrap()
            .write(&folder, "web")
            .unwrap();
        let mut trusted = fs::read_to_string(territory.ca()).unwrap();
        trusted.push_str(&authorities.root_pem());
        fs::write(territory.ca(), trusted).unwrap();

        let shared = territory.site_folder("dac").join("entries.json");
        let mut entries: Value = serde_json::from_slice(&fs::read(&shared).unwrap()).unwrap();
        let traffic = Traffic::default();
        let mut domains = Vec::new();
        let mut relays = entries["relays"].clone();
        for relay in relays.as_array_mut().unwrap() {
            let port = relay["port"].as_u64().unwrap() as u16;
            let domain = relay["domain"].as_str().unwrap().to_owned();
            relay["port"] = proxy(port, format!("to {domain}"), &traffic).into();
            domains.push(domain);
        }
        let own = json!({"title": "Carrefour", "source": "Carrefour", "demonstration": true,
            "organisations": [], "services": [], "people": [], "relays": relays});
        fs::write(folder.join("entries.json"), own.to_string()).unwrap();
        let listen = free_port();
        entries["relays"] = json!([{"domain": "carrefour.test", "server_name": "relay.carrefour.test",
            "host": "127.0.0.1", "port": proxy(listen, "to the hub".to_owned(), &traffic),
            "serves": domains}]);
        fs::write(&shared, entries.to_string()).unwrap();

        let at = |name: &str| folder.join(name).display().to_string();
        let settings = format!(
            "[relay]\nhostname = \"relay.carrefour.test\"\nlisten = \"127.0.0.1:{listen}\"\n\
             certificate = {:?}\nkey = {:?}\nanchors = {:?}\ndatabase = {:?}\nbodies = {:?}\n\
             domains = []\ntransit = {domains:?}\nschedule = {{ first_retry = \"200ms\", longest_retry = \"1s\" }}\n\
             [directory]\nlisten = \"127.0.0.1:{}\"\ntls_certificate = {:?}\ntls_key = {:?}\n\
             database = {:?}\nsets = {:?}\nentries = {:?}\n",
            relay.chain,
            relay.key,
            territory.ca(),
            at("relay.db"),
            at("relay-bodies"),
            free_port(),
            web.chain,
            web.key,
            at("directory.db"),
            at("directory.sets"),
            at("entries.json"),
        );
        fs::write(folder.join("liaison.toml"), settings).unwrap();
        (
            Self {
                folder,
                process: None,
            },
            traffic,
        )
    }

    fn start(&mut self) {
        let log = fs::File::create(self.folder.join("liaison.log")).unwrap();
        let mut process = liaison()
            .args(["serve", "--config"])
            .arg(self.folder.join("liaison.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        let read = process.stdout.take().unwrap().read_exact(&mut ready);
        self.process = Some(process);
        assert!(read.is_ok(), "{}", self.log());
        assert_eq!(&ready, b"ready\n");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("liaison.log")).unwrap()
    }

    /// The nursing home is away: the notices and the mail for it rest here, sealed.
    fn holds_what_waits(&self) {
        let deadline = std::time::Instant::now() + liaison_tests::tls::PATIENCE;
        loop {
            let waits = self.log().matches("not taken").count() > 0;
            let bodies = fs::read_dir(self.folder.join("relay-bodies"))
                .unwrap()
                .count();
            let stored = ["relay.db", "relay.db-wal"]
                .map(|name| fs::read(self.folder.join(name)).unwrap_or_default())
                .concat();
            if waits && bodies > 0 && find(&stored, b"application/pkcs7-mime") {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{}", self.log());
            thread::yield_now();
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Listens on a port of its own, carries to `port` and records both directions.
fn proxy(port: u16, name: String, traffic: &Traffic) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    let traffic = Arc::clone(traffic);
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            // Nobody is there: the near side is closed, as a refused connection is.
            let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
                continue;
            };
            for (from, to, way) in [
                (near.try_clone().unwrap(), far.try_clone().unwrap(), "there"),
                (far, near, "back"),
            ] {
                let (traffic, name) = (Arc::clone(&traffic), format!("{name}, {way}"));
                thread::spawn(move || carry(from, to, &name, &traffic));
            }
        }
    });
    own
}

fn carry(mut from: TcpStream, mut to: TcpStream, name: &str, traffic: &Traffic) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        traffic
            .lock()
            .unwrap()
            .entry(name.to_owned())
            .or_default()
            .extend_from_slice(&chunk[..count]);
        if to.write_all(&chunk[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// Words that nothing else contains, new in each run. Those for which a charset or a transfer
/// encoding matters have an accent.
struct Words {
    name: String,
    street: String,
    insee: String,
    subject: String,
    body: String,
    attached: String,
    answer: String,
    error: String,
    search: Search,
}

impl Words {
    fn draw() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let mut number = now.unwrap().as_nanos();
        let mut letters = |count: u32| -> String {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let drawn = number >> 40;
            (0..count)
                .map(|at| char::from(b'A' + (drawn / 26_u128.pow(at) % 26) as u8))
                .collect()
        };
        let digits: String = letters(7)
            .bytes()
            .map(|letter| char::from(b'0' + letter % 10))
            .collect();
        let words = [
            format!("QZN{}", letters(10)),
            format!("QZA{}", letters(10)),
            format!("23805990{digits}"),
            format!("Qzsé{}", letters(9)),
            format!("Qzbé{}", letters(9)),
            format!("qzp{}", letters(9)),
            format!("Qzrè{}", letters(9)),
            format!("Qzeê{}", letters(9)),
        ];
        let search = Search::of(&words);
        let [name, street, insee, subject, body, attached, answer, error] = words;
        Self {
            name,
            street,
            insee,
            subject,
            body,
            attached,
            answer,
            error,
            search,
        }
    }

    fn are_not_in(&self, place: &str, bytes: &[u8]) {
        let found = self.search.found_in(bytes);
        assert!(
            found.is_none(),
            "{place} holds « {} »",
            found.unwrap_or_default()
        );
    }

    /// Every file of a folder: stores and their journals, bodies, logs, settings, keys.
    fn are_nowhere_in(&self, folder: &Path) {
        let mut searched = 0;
        for path in files(folder) {
            // A journal may be gone by now.
            if let Ok(bytes) = fs::read(&path) {
                self.are_not_in(&path.display().to_string(), &bytes);
                searched += 1;
            }
        }
        assert!(searched > 60, "{searched} files were searched");
    }

    /// Files that appeared beside the territory while it ran.
    fn are_in_no_new_file(&self, folder: &Path, began: SystemTime) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let Ok(about) = entry.metadata() else {
                continue;
            };
            if about.is_file() && about.modified().is_ok_and(|at| at >= began) {
                let bytes = fs::read(entry.path()).unwrap_or_default();
                self.are_not_in(&entry.path().display().to_string(), &bytes);
            }
        }
    }

    fn are_found_in_every_form(&self, planted: &Path) {
        for form in &self.search.forms {
            let (head, tail) = form.split_at(form.len() / 2);
            let whole = [b"before", form.as_slice(), b"after"].concat();
            let broken = [b"before ", head, b"\r\n", tail, b" after"].concat();
            for bytes in [whole, broken] {
                fs::write(planted, bytes).unwrap();
                let found = self.search.found_in(&fs::read(planted).unwrap());
                assert!(found.is_some(), "a planted word is not found");
            }
        }
        fs::remove_file(planted).unwrap();
    }
}

/// Looks for many forms at once.
struct Search {
    forms: Vec<Vec<u8>>,
    /// The forms that begin with these two octets.
    beginning: Vec<Vec<usize>>,
}

impl Search {
    fn of(words: &[String]) -> Self {
        let cases = |word: &String| [word.clone(), word.to_uppercase(), word.to_lowercase()];
        let mut forms: Vec<_> = words
            .iter()
            .flat_map(cases)
            .flat_map(|word| forms(&word))
            .collect();
        forms.sort();
        forms.dedup();
        let mut beginning = vec![Vec::new(); 1 << 16];
        for (form, at) in forms.iter().zip(0..) {
            beginning[usize::from(form[0]) << 8 | usize::from(form[1])].push(at);
        }
        Self { forms, beginning }
    }

    fn found_in(&self, bytes: &[u8]) -> Option<String> {
        // A form broken over lines is the same form.
        let joined: Vec<u8> = bytes
            .iter()
            .copied()
            .filter(|b| !b"\r\n".contains(b))
            .collect();
        self.found(bytes).or_else(|| self.found(&joined))
    }

    fn found(&self, bytes: &[u8]) -> Option<String> {
        let mut last = 0;
        for (at, octet) in bytes.iter().enumerate() {
            last = (last << 8 | usize::from(*octet)) & 0xffff;
            for form in &self.beginning[last] {
                let form = &self.forms[*form];
                if at > 0 && bytes[at - 1..].starts_with(form) {
                    return Some(String::from_utf8_lossy(form).into_owned());
                }
            }
        }
        None
    }
}

/// UTF-8, UTF-16 of either order, Latin-9, hexadecimal, quoted-printable, and base64 wherever the
/// word begins.
fn forms(word: &str) -> Vec<Vec<u8>> {
    let utf16: Vec<u16> = word.encode_utf16().collect();
    // The accents drawn here have the same octet in Latin-1 and Latin-9.
    let latin: Vec<u8> = word
        .chars()
        .map(|c| u8::try_from(c as u32).unwrap())
        .collect();
    let plain = [
        word.as_bytes().to_vec(),
        utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
        latin,
    ];
    let mut forms = Vec::new();
    for octets in plain {
        let hex = |octets: &[u8]| {
            octets
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect::<String>()
        };
        forms.push(hex(&octets).into_bytes());
        forms.push(hex(&octets).to_uppercase().into_bytes());
        let quoted: String = octets
            .iter()
            .map(|b| match b.is_ascii_alphanumeric() {
                true => char::from(*b).to_string(),
                false => format!("={b:02X}"),
            })
            .collect();
        forms.push(quoted.into_bytes());
        for before in 0..3 {
            let padded = [vec![0; before], octets.clone()].concat();
            let encoded = STANDARD_NO_PAD.encode(&padded).into_bytes();
            // Without the letters that also depend on what stands before and after.
            let (from, to) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
            forms.push(encoded[from..to].to_vec());
        }
        forms.push(octets);
    }
    forms.sort();
    forms.dedup();
    forms
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(io::Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => files.extend(self::files(&entry.path())),
            false => files.push(entry.path()),
        }
    }
    files
}

fn find(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}
