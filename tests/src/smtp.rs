//! A mail client that submits, blocking, line by line.

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
        let mut smtp = Self {
            lines: Lines::connect(ca, port),
        };
        let greeting = smtp.reply();
        assert!(greeting.starts_with("220"), "{greeting}");
        let hello = smtp.command("EHLO client.test");
        assert!(hello.starts_with("250"), "{hello}");
        smtp
    }

    /// Connects and logs in.
    pub fn open(ca: &Path, port: u16, account: &Account) -> Self {
        let mut smtp = Self::connect(ca, port);
        let answer = smtp.login(&account.user, &account.password);
        assert!(answer.starts_with("235"), "{answer}");
        smtp
    }

    /// AUTH PLAIN; returns the reply.
    pub fn login(&mut self, user: &str, password: &str) -> String {
        let proof = STANDARD.encode(format!("\0{user}\0{password}"));
        self.command(&format!("AUTH PLAIN {proof}"))
    }

    /// Sends a line and returns the whole reply.
    pub fn command(&mut self, line: &str) -> String {
        self.lines.send(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    /// Submits a message (CRLF line ends, no lone dots) and returns the reply to its end, or the
    /// first refusal before it.
    pub fn submit(&mut self, from: &str, to: &[&str], message: &str) -> String {
        let mut commands = vec![format!("MAIL FROM:<{from}>")];
        commands.extend(to.iter().map(|to| format!("RCPT TO:<{to}>")));
        commands.push("DATA".to_owned());
        for command in commands {
            let reply = self.command(&command);
            if !reply.starts_with(['2', '3']) {
                return reply;
            }
        }
        self.command(&format!("{}\r\n.", message.trim_end()))
    }

    fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let line = self.lines.line();
            let more = line.as_bytes().get(3) == Some(&b'-');
            reply.push_str(&line);
            reply.push('\n');
            if !more {
                return reply;
            }
        }
    }
}
