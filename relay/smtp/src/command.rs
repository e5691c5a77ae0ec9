//! One command line in, one [`Command`] or a reply out (RFC 5321 §4.1.1).
//!
//! The grammar is the RFC's, without what no member needs and attackers like: quoted local parts,
//! source routes, address literals as destinations, characters outside ASCII. What mail clients
//! are known to get wrong is taken only where [`Dialect`] names it.

use std::fmt;

use liaison_mail::{Address, Domain, EnvelopeId, Notify, Recipient, Return, ReversePath};
use zeroize::Zeroizing;

use crate::reply::FixedReply;
use crate::transaction::{Body, Mail, urgency};
use crate::xtext;

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
    /// Windows machines greet with names such as `POSTE_3`, which are not domains.
    pub loose_client_name: bool,
}

impl Dialect {
    /// The RFC's grammar, spoken between relays.
    pub fn strict(host: Domain) -> Self {
        Self {
            host,
            space_before_path: false,
            loose_client_name: false,
        }
    }

    /// With the concessions made to mail clients on submission.
    pub fn submission(host: Domain) -> Self {
        Self {
            host,
            space_before_path: true,
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
const SENDER: FixedReply = refusal(553, "5.1.7", "Sender address not valid: <name@domain>");
const RECIPIENT: FixedReply = refusal(553, "5.1.3", "Recipient address not valid: <name@domain>");
const PARAMETER: FixedReply = refusal(555, "5.5.4", "Parameter not recognized");
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
            "MAIL" => mail(path_argument(argument, "FROM:", dialect)?).map(Self::Mail),
            "RCPT" => rcpt(path_argument(argument, "TO:", dialect)?, dialect).map(Self::Rcpt),
            "AUTH" => auth(argument),
            "DATA" => alone(argument, Self::Data),
            "RSET" => alone(argument, Self::Rset),
            "QUIT" => alone(argument, Self::Quit),
            "STARTTLS" => alone(argument, Self::StartTls),
            "NOOP" => Ok(Self::Noop),
            "VRFY" => Ok(Self::Vrfy),
            "HELP" => Ok(Self::Help),
            "BDAT" | "CONNECT" | "GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" => Ok(Self::Foreign),
            _ => Err(UNKNOWN),
        }
    }
}

/// What stands between `<` and `>`, and the parameters behind.
struct PathArgument<'a> {
    path: &'a str,
    parameters: &'a str,
}

fn path_argument<'a>(
    argument: &'a str,
    keyword: &str,
    dialect: &Dialect,
) -> Result<PathArgument<'a>, FixedReply> {
    let (head, mut rest) = argument.split_at_checked(keyword.len()).ok_or(ARGUMENT)?;
    if !head.eq_ignore_ascii_case(keyword) {
        return Err(ARGUMENT);
    }
    if dialect.space_before_path {
        rest = rest.trim_start_matches(' ');
    }
    let rest = rest.strip_prefix('<').ok_or(ARGUMENT)?;
    let (path, parameters) = rest.split_once('>').ok_or(ARGUMENT)?;
    if !(parameters.is_empty() || parameters.starts_with(' ')) {
        return Err(ARGUMENT);
    }
    Ok(PathArgument { path, parameters })
}

fn mail(argument: PathArgument<'_>) -> Result<Mail, FixedReply> {
    let mut mail = Mail::new(ReversePath::parse(argument.path).map_err(|_| SENDER)?);
    for_each_parameter(argument.parameters, |keyword, value| {
        match keyword {
            "SIZE" => mail.size = Some(number(value).ok_or(ARGUMENT)?),
            "BODY" => mail.body = body(value).ok_or(ARGUMENT)?,
            "RET" => mail.ret = Return::parse(value).map_err(|_| ARGUMENT)?,
            "ENVID" => mail.envelope_id = Some(envelope_id(value).ok_or(ARGUMENT)?),
            "MT-PRIORITY" => mail.urgency = urgency(priority(value).ok_or(ARGUMENT)?),
            // RFC 4954 §5: whom an earlier hop authenticated. Read, and not believed.
            "AUTH" => drop(xtext::decode(value).ok_or(ARGUMENT)?),
            _ => return Err(PARAMETER),
        }
        Ok(())
    })?;
    Ok(mail)
}

fn rcpt(argument: PathArgument<'_>, dialect: &Dialect) -> Result<Recipient, FixedReply> {
    let address = if argument.path.eq_ignore_ascii_case("postmaster") {
        Address::parse(&format!("{}@{}", argument.path, dialect.host))
    } else {
        Address::parse(argument.path)
    };
    let mut recipient = Recipient {
        address: address.map_err(|_| RECIPIENT)?,
        original: None,
        notify: Notify::DEFAULT,
    };
    for_each_parameter(argument.parameters, |keyword, value| {
        match keyword {
            "NOTIFY" => recipient.notify = Notify::parse(value).map_err(|_| ARGUMENT)?,
            "ORCPT" => recipient.original = original(value)?,
            _ => return Err(PARAMETER),
        }
        Ok(())
    })?;
    recipient.original = recipient
        .original
        .filter(|original| *original != recipient.address);
    Ok(recipient)
}

/// Calls `take` with each `KEYWORD=value` (§4.1.2 `esmtp-param`); a keyword may come once.
fn for_each_parameter<'a>(
    parameters: &'a str,
    mut take: impl FnMut(&str, &'a str) -> Result<(), FixedReply>,
) -> Result<(), FixedReply> {
    let mut seen: Vec<String> = Vec::new();
    for parameter in parameters.split(' ').filter(|text| !text.is_empty()) {
        let (keyword, value) = parameter.split_once('=').ok_or(PARAMETER)?;
        let keyword = keyword.to_ascii_uppercase();
        if seen.contains(&keyword) {
            return Err(ARGUMENT);
        }
        take(&keyword, value)?;
        seen.push(keyword);
    }
    Ok(())
}

/// `SIZE`: up to 20 digits (RFC 1870 §6.1).
fn number(value: &str) -> Option<u64> {
    let digits = (1..=20).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
    // Twenty digits can exceed 64 bits; such a message is too large whatever the limit.
    digits.then(|| value.parse().unwrap_or(u64::MAX))
}

fn body(value: &str) -> Option<Body> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" => Some(Body::SevenBit),
        "8BITMIME" => Some(Body::EightBitMime),
        _ => None,
    }
}

fn envelope_id(value: &str) -> Option<EnvelopeId> {
    EnvelopeId::parse(&xtext::decode(value)?).ok()
}

/// `ORCPT=rfc822;xtext` (RFC 3461 §4.2). It only decorates reports: an address of another type, or
/// one that no member can have, is not kept, and the message goes its way.
fn original(value: &str) -> Result<Option<Address>, FixedReply> {
    let (kind, address) = value.split_once(';').ok_or(ARGUMENT)?;
    let address = xtext::decode(address).ok_or(ARGUMENT)?;
    let known = kind.eq_ignore_ascii_case("rfc822");
    Ok(Address::parse(&address).ok().filter(|_| known))
}

/// -9 to 9 without leading zero or plus sign (RFC 6710 §6).
fn priority(value: &str) -> Option<i8> {
    let (sign, digit) = match value.strip_prefix('-') {
        Some(digit) => (-1, digit),
        None => (1, value),
    };
    match digit.as_bytes() {
        [digit @ b'0'..=b'9'] => Some(sign * (digit - b'0') as i8),
        _ => None,
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
    use liaison_mail::Urgency;
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
            ("BDAT 10 LAST", Command::Foreign),
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
    fn mail_parameters_are_read() {
        let line = "mail from:<garde@ch.test> SIZE=1000 body=8bitmime RET=FULL ENVID=QQ+2B1 \
                    MT-PRIORITY=4 AUTH=<>";
        let Ok(Command::Mail(mail)) = strict(line) else {
            panic!("refused");
        };
        assert_eq!(mail.from.to_string(), "garde@ch.test");
        assert_eq!(mail.size, Some(1000));
        assert_eq!(mail.body, Body::EightBitMime);
        assert_eq!(mail.ret, Return::Full);
        assert_eq!(mail.envelope_id.unwrap().as_str(), "QQ+1");
        assert_eq!(mail.urgency, Urgency::Urgent);
        let null = Command::Mail(Mail::new(ReversePath::Null));
        assert_eq!(strict("MAIL FROM:<>"), Ok(null));
    }

    #[test]
    fn recipient_parameters_are_read() {
        let line = "RCPT TO:<b@ehpad.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old+2Bx@ehpad.test";
        let Ok(Command::Rcpt(recipient)) = strict(line) else {
            panic!("refused");
        };
        assert_eq!(recipient.address.to_string(), "b@ehpad.test");
        assert_eq!(recipient.original.unwrap().to_string(), "old+x@ehpad.test");
        assert_eq!(recipient.notify.to_string(), "SUCCESS,DELAY");
        let Ok(Command::Rcpt(same)) = strict("RCPT TO:<b@x.test> ORCPT=rfc822;B@X.test") else {
            panic!("refused");
        };
        assert_eq!((same.original, same.notify), (None, Notify::DEFAULT));
    }

    #[test]
    fn the_postmaster_needs_no_domain() {
        let Ok(Command::Rcpt(recipient)) = strict("RCPT TO:<Postmaster>") else {
            panic!("refused");
        };
        assert_eq!(recipient.address.to_string(), "Postmaster@relay.ch.test");
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

    /// Concession: Outlook's space before the path, on submission only.
    #[test]
    fn a_space_before_the_path_is_taken_on_submission_only() {
        for line in ["MAIL FROM: <a@b.test> SIZE=1", "RCPT TO:  <a@b.test>"] {
            assert!(submission(line).is_ok(), "{line}");
            assert_eq!(strict(line), Err(ARGUMENT), "{line}");
        }
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
