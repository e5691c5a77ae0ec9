//! One command line in, one [`Command`] or a reply out (RFC 5321 §4.1.1).
//!
//! The grammar is the RFC's, without what no member needs and attackers like: quoted local parts,
//! source routes, address literals as destinations, characters outside ASCII. What mail clients
//! are known to get wrong is taken only where [`Dialect`] names it.

mod path;

use std::fmt;

use liaison_mail::{Domain, Recipient};
use zeroize::Zeroizing;

use crate::reply::FixedReply;
use crate::transaction::Mail;

/// A command, valid in itself; whether it may come now is the session's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `EHLO` (§4.1.1.1).
    Ehlo(ClientName),
    /// `HELO` (§4.1.1.1).
    Helo(ClientName),
    /// `AUTH` with its initial response, still in base64 (RFC 4954 §4).
    Auth(Mechanism, Option<Base64>),
    /// `STARTTLS` (RFC 3207 §4).
    StartTls,
    /// `MAIL FROM` (§4.1.1.2).
    Mail(Mail),
    /// `RCPT TO` (§4.1.1.3).
    Rcpt(Recipient),
    /// `DATA` (§4.1.1.4).
    Data,
    /// `BDAT` with the size of the chunk behind it, and whether it is the last (RFC 3030 §2).
    Bdat {
        /// Octets that follow the line.
        size: u64,
        /// Whether the content ends with them.
        last: bool,
    },
    /// `RSET` (§4.1.1.5).
    Rset,
    /// `VRFY` (§4.1.1.6).
    Vrfy,
    /// `HELP` (§4.1.1.8).
    Help,
    /// `NOOP` (§4.1.1.9).
    Noop,
    /// `QUIT` (§4.1.1.10).
    Quit,
    /// A verb of HTTP, or `BDAT` though chunking is not announced: what follows is not commands,
    /// and reading it as commands would let a web page or a body speak SMTP (ALPACA 2021).
    Foreign,
}

/// What is understood beyond the grammar, and for whom.
#[derive(Clone, Debug)]
pub struct Dialect {
    /// Stands behind `<Postmaster>` alone (§4.1.1.3).
    pub host: Domain,
    /// Outlook writes `MAIL FROM: <a@b>`, with a space that §4.1.1.2 does not have.
    pub space_before_path: bool,
    /// `BDAT` is announced, and so understood (RFC 3030).
    pub chunking: bool,
    /// Windows machines greet with names such as `POSTE_3`, which are not domains.
    pub loose_client_name: bool,
}

impl Dialect {
    /// The RFC's grammar, spoken between relays.
    pub fn strict(host: Domain) -> Self {
        Self {
            host,
            space_before_path: false,
            chunking: true,
            loose_client_name: false,
        }
    }

    /// With the concessions made to mail clients on submission.
    pub fn submission(host: Domain) -> Self {
        Self {
            host,
            space_before_path: true,
            chunking: false,
            loose_client_name: true,
        }
    }
}

/// The name a client gives itself: 1 to 255 printable ASCII characters. It proves nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientName(String);

impl ClientName {
    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str, dialect: &Dialect) -> Option<Self> {
        let literal = || {
            let inner = text.strip_prefix('[')?.strip_suffix(']')?;
            let inner = inner.strip_prefix("IPv6:").unwrap_or(inner);
            inner.parse::<std::net::IpAddr>().ok()
        };
        let printable =
            (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        let valid = printable
            && (dialect.loose_client_name || Domain::parse(text).is_ok() || literal().is_some());
        valid.then(|| Self(text.to_owned()))
    }
}

impl fmt::Debug for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SASL mechanisms taken (on submission, under TLS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Never standardised; Outlook knows no other.
    Login,
}

/// A SASL response as it came; may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Base64(pub(crate) Zeroizing<String>);

impl fmt::Debug for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Base64(redacted)")
    }
}

/// The answers to lines that are not a command.
pub(crate) const LINE_TOO_LONG: FixedReply = refusal(500, "5.5.6", "Line too long");
pub(crate) const BARE_NEWLINE: FixedReply = refusal(500, "5.5.2", "Lines end with CR LF");
const CONTROL: FixedReply = refusal(500, "5.5.2", "Control character in command");
const EIGHT_BIT: FixedReply = refusal(553, "5.6.7", "Addresses with accents are not taken here");
const UNKNOWN: FixedReply = refusal(500, "5.5.2", "Command not recognized");
const ARGUMENT: FixedReply = refusal(501, "5.5.4", "Syntax error in argument");
const CLIENT_NAME: FixedReply = refusal(501, "5.5.4", "Give your host name or [address]");
/// After it the connection is closed.
pub(crate) const CHUNK: FixedReply = refusal(501, "5.5.4", "Give the chunk's size in octets");
const MECHANISM: FixedReply = refusal(504, "5.5.4", "Mechanism not known: PLAIN or LOGIN");

impl Command {
    /// Parses a line without its CRLF.
    ///
    /// # Errors
    /// The reply to give. It repeats nothing of what the client sent.
    pub fn parse(line: &[u8], dialect: &Dialect) -> Result<Self, FixedReply> {
        if line.iter().any(u8::is_ascii_control) {
            return Err(CONTROL);
        }
        let line = str::from_utf8(line).map_err(|_| EIGHT_BIT)?;
        if !line.is_ascii() {
            return Err(EIGHT_BIT);
        }
        // §4.1.1: white space before the CRLF is tolerated.
        let line = line.trim_end_matches(' ');
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => client_name(argument, dialect).map(Self::Ehlo),
            "HELO" => client_name(argument, dialect).map(Self::Helo),
            "MAIL" => path::mail(argument, dialect).map(Self::Mail),
            "RCPT" => path::recipient(argument, dialect).map(Self::Rcpt),
            "AUTH" => auth(argument),
            "DATA" => alone(argument, Self::Data),
            "RSET" => alone(argument, Self::Rset),
            "QUIT" => alone(argument, Self::Quit),
            "STARTTLS" => alone(argument, Self::StartTls),
            "NOOP" => Ok(Self::Noop),
            "VRFY" => Ok(Self::Vrfy),
            "HELP" => Ok(Self::Help),
            "BDAT" if dialect.chunking => chunk(argument),
            "BDAT" | "CONNECT" | "GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" => Ok(Self::Foreign),
            _ => Err(UNKNOWN),
        }
    }
}

fn client_name(argument: &str, dialect: &Dialect) -> Result<ClientName, FixedReply> {
    ClientName::parse(argument, dialect).ok_or(CLIENT_NAME)
}

fn auth(argument: &str) -> Result<Command, FixedReply> {
    let (mechanism, initial) = match argument.split_once(' ') {
        Some((mechanism, initial)) => (mechanism, Some(initial)),
        None => (argument, None),
    };
    let mechanism = match mechanism.to_ascii_uppercase().as_str() {
        "PLAIN" => Mechanism::Plain,
        "LOGIN" => Mechanism::Login,
        _ => return Err(MECHANISM),
    };
    let initial = initial.map(|text| Base64(Zeroizing::new(text.to_owned())));
    Ok(Command::Auth(mechanism, initial))
}

/// `chunk-size [SP "LAST"]` (RFC 3030 §2).
fn chunk(argument: &str) -> Result<Command, FixedReply> {
    let (size, last) = match argument.split_once(' ') {
        Some((size, word)) if word.eq_ignore_ascii_case("LAST") => (size, true),
        Some(_) => return Err(CHUNK),
        None => (argument, false),
    };
    let size = path::number(size).ok_or(CHUNK)?;
    Ok(Command::Bdat { size, last })
}

fn alone(argument: &str, command: Command) -> Result<Command, FixedReply> {
    match argument {
        "" => Ok(command),
        _ => Err(ARGUMENT),
    }
}

const fn refusal(code: u16, status: &'static str, text: &'static str) -> FixedReply {
    FixedReply { code, status, text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host() -> Domain {
        Domain::parse("relay.ch.test").unwrap()
    }

    fn strict(line: &str) -> Result<Command, FixedReply> {
        Command::parse(line.as_bytes(), &Dialect::strict(host()))
    }

    fn submission(line: &str) -> Result<Command, FixedReply> {
        Command::parse(line.as_bytes(), &Dialect::submission(host()))
    }

    #[test]
    fn commands_are_read_in_any_case_and_with_trailing_spaces() {
        for (line, command) in [
            ("data", Command::Data),
            ("RSET  ", Command::Rset),
            ("quit", Command::Quit),
            ("NOOP anything", Command::Noop),
            ("VRFY claire", Command::Vrfy),
            ("help", Command::Help),
            ("StartTLS", Command::StartTls),
            ("GET / HTTP/1.1", Command::Foreign),
            (
                "bdat 10 last",
                Command::Bdat {
                    size: 10,
                    last: true,
                },
            ),
            (
                "BDAT 0",
                Command::Bdat {
                    size: 0,
                    last: false,
                },
            ),
        ] {
            assert_eq!(strict(line), Ok(command), "{line}");
        }
        for line in [
            "", " ", "DATA now", "QUIT 1", "NOOPS", " NOOP", "MAIL", "RCPT", "EHLO",
        ] {
            assert!(strict(line).is_err(), "{line:?} was accepted");
        }
    }

    #[test]
    fn bad_arguments_are_refused_each_with_its_code() {
        for (line, code) in [
            ("MAIL FROM:a@b.test", 501),
            ("MAIL FROM <a@b.test>", 501),
            ("MAIL FROM:<a@b.test", 501),
            ("MAIL FROM:<a@b.test>SIZE=1", 501),
            ("MAIL FROM:<a b@c.test>", 553),
            ("MAIL FROM:<@hop.test:a@b.test>", 553),
            ("MAIL FROM:<\"a\"@b.test>", 553),
            ("MAIL FROM:<a@b.test> SIZE=", 501),
            ("MAIL FROM:<a@b.test> SIZE=-1", 501),
            ("MAIL FROM:<a@b.test> SIZE=123456789012345678901", 501),
            ("MAIL FROM:<a@b.test> SIZE=1 SIZE=2", 501),
            ("MAIL FROM:<a@b.test> BODY=BINARYMIME", 501),
            ("MAIL FROM:<a@b.test> RET=ALL", 501),
            ("MAIL FROM:<a@b.test> ENVID=", 501),
            ("MAIL FROM:<a@b.test> ENVID=+0A", 501),
            ("MAIL FROM:<a@b.test> MT-PRIORITY=10", 501),
            ("MAIL FROM:<a@b.test> MT-PRIORITY=+1", 501),
            ("MAIL FROM:<a@b.test> AUTH=a=b", 501),
            ("MAIL FROM:<a@b.test> SMTPUTF8", 555),
            ("MAIL FROM:<a@b.test> X=1", 555),
            ("RCPT TO:<>", 553),
            ("RCPT TO:<a@[127.0.0.1]>", 553),
            ("RCPT TO:<a@b.test> NOTIFY=NEVER,SUCCESS", 501),
            ("RCPT TO:<a@b.test> ORCPT=a@b.test", 501),
            ("RCPT TO:<a@b.test> ORCPT=rfc822;a=b", 501),
            ("RCPT TO:<a@b.test> SIZE=1", 555),
            ("AUTH CRAM-MD5", 504),
            ("EHLO a b", 501),
            ("EHLO poste_3", 501),
            ("EHLO [127.0.0.300]", 501),
        ] {
            assert_eq!(strict(line).unwrap_err().code, code, "{line}");
        }
    }

    #[test]
    fn control_and_eight_bit_characters_are_refused() {
        for line in [
            "NOOP\0",
            "MAIL FROM:<a\tb@c.test>",
            "RCPT TO:<a@b.test>\x1b",
            "NO\rOP",
        ] {
            assert_eq!(strict(line), Err(CONTROL), "{line:?}");
        }
        assert_eq!(strict("RCPT TO:<hélène@b.test>"), Err(EIGHT_BIT));
        let latin = Command::parse(b"RCPT TO:<h\xe9@b.test>", &Dialect::strict(host()));
        assert_eq!(latin, Err(EIGHT_BIT));
    }

    /// Where a chunk of unknown size ends nobody knows: what follows must not be commands.
    #[test]
    fn a_chunk_without_a_size_closes_the_connection() {
        for line in [
            "BDAT",
            "BDAT -1",
            "BDAT x LAST",
            "BDAT 1 FIRST",
            "BDAT 1 LAST x",
        ] {
            assert_eq!(strict(line), Err(CHUNK), "{line}");
        }
        assert_eq!(submission("BDAT 10 LAST"), Ok(Command::Foreign));
    }

    /// Concession: machine names that are no domain, on submission only.
    #[test]
    fn a_machine_name_is_taken_on_submission_only() {
        for name in ["POSTE_3", "localhost.", "192.168.1.5"] {
            assert!(submission(&format!("EHLO {name}")).is_ok(), "{name}");
        }
        assert!(strict("EHLO POSTE_3").is_err());
        for name in ["relay.test", "[192.0.2.1]", "[IPv6:2001:db8::1]"] {
            assert!(strict(&format!("EHLO {name}")).is_ok(), "{name}");
        }
    }

    #[test]
    fn debug_output_shows_no_password() {
        let command = submission("AUTH PLAIN AHVzZXIAc2VjcmV0").unwrap();
        assert_eq!(
            format!("{command:?}"),
            "Auth(Plain, Some(Base64(redacted)))"
        );
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Command::parse(&line, &Dialect::submission(host()));
        }

        #[test]
        fn no_accepted_mail_line_holds_a_control_character(tail in "[ -~\\r\\n\\t]{0,60}") {
            let line = format!("MAIL FROM:<{tail}");
            if let Ok(Command::Mail(mail)) = submission(&line) {
                prop_assert!(!mail.from.to_string().contains(|c: char| c.is_control()));
            }
        }
    }
}
