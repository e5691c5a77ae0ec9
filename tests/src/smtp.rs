//! A mail client that submits, blocking, line by line.

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::territory::Account;
use crate::tls::Lines;

/// A submission session.
pub struct Smtp {
    lines: Lines,
}

impl Smtp {
    /// Connects, reads the greeting and says EHLO.
    pub fn connect(ca: &Path, port: u16) -> Self {
        Self::try_connect(ca, port).expect("the server greets")
    }

    /// Connects and logs in.
    pub fn open(ca: &Path, port: u16, account: &Account) -> Self {
        Self::try_open(ca, port, account).expect("the server lets in")
    }

    /// As [`Smtp::open`]; an error says that the server is gone.
    pub fn try_open(ca: &Path, port: u16, account: &Account) -> io::Result<Self> {
        let mut smtp = Self::try_connect(ca, port)?;
        let proof = proof(&account.user, &account.password);
        let answer = smtp.try_command(&format!("AUTH PLAIN {proof}"))?;
        assert!(answer.starts_with("235"), "{answer}");
        Ok(smtp)
    }

    /// AUTH PLAIN; returns the reply.
    pub fn login(&mut self, user: &str, password: &str) -> String {
        self.command(&format!("AUTH PLAIN {}", proof(user, password)))
    }

    /// Sends a line and returns the whole reply.
    pub fn command(&mut self, line: &str) -> String {
        self.try_command(line).expect("the server answers")
    }

    /// As [`Smtp::command`]; an error says that the server is gone.
    pub fn try_command(&mut self, line: &str) -> io::Result<String> {
        self.lines.try_send(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// Submits a message (CRLF line ends, no lone dots) and returns the reply to its end, or the
    /// first refusal before it.
    pub fn submit(&mut self, from: &str, to: &[&str], message: &str) -> String {
        self.try_submit(from, to, message)
            .expect("the server answers")
    }

    /// As [`Smtp::submit`]; an error says that the server is gone, and whether it has the message
    /// is not known.
    pub fn try_submit(&mut self, from: &str, to: &[&str], message: &str) -> io::Result<String> {
        let mut commands = vec![format!("MAIL FROM:<{from}>")];
        commands.extend(to.iter().map(|to| format!("RCPT TO:<{to}>")));
        commands.push("DATA".to_owned());
        for command in commands {
            let reply = self.try_command(&command)?;
            if !reply.starts_with(['2', '3']) {
                return Ok(reply);
            }
        }
        self.try_command(&format!("{}\r\n.", message.trim_end()))
    }

    fn try_connect(ca: &Path, port: u16) -> io::Result<Self> {
        let mut smtp = Self {
            lines: Lines::try_connect(ca, port)?,
        };
        let greeting = smtp.reply()?;
        assert!(greeting.starts_with("220"), "{greeting}");
        let hello = smtp.try_command("EHLO client.test")?;
        assert!(hello.starts_with("250"), "{hello}");
        Ok(smtp)
    }

    fn reply(&mut self) -> io::Result<String> {
        let mut reply = String::new();
        loop {
            let line = self.lines.try_line()?;
            let more = line.as_bytes().get(3) == Some(&b'-');
            reply.push_str(&line);
            reply.push('\n');
            if !more {
                return Ok(reply);
            }
        }
    }
}

/// The initial response of SASL PLAIN (RFC 4616).
fn proof(user: &str, password: &str) -> String {
    STANDARD.encode(format!("\0{user}\0{password}"))
}
