//! A mail client that reads, blocking.

use std::io;
use std::path::Path;

use crate::territory::Account;
use crate::tls::Lines;

/// A session with INBOX selected.
pub struct Imap {
    lines: Lines,
    tags: u32,
    /// How many messages the server has said there are.
    exists: usize,
}

/// What a command was answered: untagged lines, and the literals in them.
#[derive(Debug, Default)]
pub struct Answer {
    /// The untagged lines, each up to its literal.
    pub lines: Vec<String>,
    /// The literals, in order.
    pub literals: Vec<Vec<u8>>,
    /// The tagged line after its tag: `OK …`, `NO …` or `BAD …`.
    pub verdict: String,
}

impl Imap {
    /// Connects and reads the greeting.
    pub fn connect(ca: &Path, port: u16) -> Self {
        Self::try_connect(ca, port).expect("the server greets")
    }

    /// Connects, logs in and selects INBOX.
    pub fn open(ca: &Path, port: u16, account: &Account) -> Self {
        Self::try_open(ca, port, account).expect("the server lets in")
    }

    /// As [`Imap::open`]; an error says that the server is gone.
    pub fn try_open(ca: &Path, port: u16, account: &Account) -> io::Result<Self> {
        let mut imap = Self::try_connect(ca, port)?;
        let login = format!("LOGIN \"{}\" \"{}\"", account.user, account.password);
        for command in [login.as_str(), "SELECT INBOX"] {
            let verdict = imap.try_command(command)?.verdict;
            assert!(verdict.starts_with("OK"), "{verdict}");
        }
        Ok(imap)
    }

    /// Sends a command and returns its answer, whatever the verdict.
    pub fn command(&mut self, text: &str) -> Answer {
        self.try_command(text).expect("the server answers")
    }

    /// Sends a command that must be answered OK.
    pub fn ok(&mut self, text: &str) -> Answer {
        let answer = self.command(text);
        assert!(
            answer.verdict.starts_with("OK"),
            "{text}: {}",
            answer.verdict
        );
        answer
    }

    /// As [`Imap::command`]; an error says that the server is gone.
    pub fn try_command(&mut self, text: &str) -> io::Result<Answer> {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.lines
            .try_send(format!("{tag} {text}\r\n").as_bytes())?;
        self.answer(&tag)
    }

    /// The decoded subjects of INBOX, in order.
    pub fn subjects(&mut self) -> Vec<String> {
        self.messages()
            .iter()
            .map(|message| {
                let parsed = mail_parser::MessageParser::default()
                    .parse(message)
                    .unwrap();
                parsed.subject().unwrap_or_default().to_owned()
            })
            .collect()
    }

    /// The messages of INBOX, in order, without setting \Seen.
    pub fn messages(&mut self) -> Vec<Vec<u8>> {
        let uids = self.ok("UID SEARCH ALL");
        if uids.lines.iter().any(|line| line.trim() == "* SEARCH") {
            return Vec::new();
        }
        self.ok("UID FETCH 1:* (BODY.PEEK[])").literals
    }

    /// Waits until INBOX has at least `count` messages, as a client in IDLE does.
    pub fn wait_for(&mut self, count: usize) -> Vec<Vec<u8>> {
        loop {
            let messages = self.messages();
            if messages.len() >= count {
                return messages;
            }
            // What the last answer has told already is not told again in IDLE.
            if self.exists <= messages.len() {
                self.idle(messages.len());
            }
        }
    }

    /// Begins IDLE; returns once the server has agreed. End it with [`Imap::idle_end`].
    pub fn idle_begin(&mut self) -> String {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.lines.send(format!("{tag} IDLE\r\n").as_bytes());
        loop {
            if self.lines.line().starts_with('+') {
                return tag;
            }
        }
    }

    /// The next line that the server sends of itself.
    pub fn pushed(&mut self) -> String {
        self.lines.line()
    }

    /// Ends the IDLE of this tag.
    pub fn idle_end(&mut self, tag: &str) {
        self.lines.send(b"DONE\r\n");
        self.answer(tag).unwrap();
    }

    fn try_connect(ca: &Path, port: u16) -> io::Result<Self> {
        let mut lines = Lines::try_connect(ca, port)?;
        let greeting = lines.try_line()?;
        assert!(greeting.starts_with("* OK"), "{greeting}");
        Ok(Self {
            lines,
            tags: 0,
            exists: 0,
        })
    }

    fn idle(&mut self, have: usize) {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.lines.send(format!("{tag} IDLE\r\n").as_bytes());
        loop {
            let line = self.lines.line();
            if exists(&line).is_some_and(|count| count > have) {
                break;
            }
        }
        self.idle_end(&tag);
    }

    /// Keeps count of the messages in the selected folder (RFC 3501 §7.3.1, §7.4.1).
    fn count(&mut self, line: &str) {
        let word = line.rsplit(' ').next().unwrap_or_default();
        match (exists(line), word) {
            (Some(count), _) => self.exists = count,
            (None, "EXPUNGE") => self.exists = self.exists.saturating_sub(1),
            _ => {}
        }
    }

    fn answer(&mut self, tag: &str) -> io::Result<Answer> {
        let mut answer = Answer::default();
        loop {
            let line = self.lines.try_line()?;
            self.count(&line);
            if let Some(verdict) = line.strip_prefix(tag).and_then(|v| v.strip_prefix(' ')) {
                answer.verdict = verdict.to_owned();
                return Ok(answer);
            }
            let announced = line
                .strip_suffix('}')
                .and_then(|line| line.rsplit_once('{')?.1.parse().ok());
            if let Some(count) = announced {
                answer.literals.push(self.lines.try_octets(count)?);
            }
            answer.lines.push(line);
        }
    }
}

fn exists(line: &str) -> Option<usize> {
    line.strip_suffix(" EXISTS")?
        .strip_prefix("* ")?
        .parse()
        .ok()
}
