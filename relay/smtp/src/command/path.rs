//! The arguments of `MAIL` and `RCPT`: a path and its parameters (RFC 5321 §4.1.2).

use liaison_mail::{Address, EnvelopeId, Notify, Recipient, Return, ReversePath};

use super::{ARGUMENT, Dialect, refusal};
use crate::reply::FixedReply;
use crate::transaction::{Body, Mail, urgency};
use crate::xtext;

const SENDER: FixedReply = refusal(553, "5.1.7", "Sender address not valid: <name@domain>");
const RECIPIENT: FixedReply = refusal(553, "5.1.3", "Recipient address not valid: <name@domain>");
const PARAMETER: FixedReply = refusal(555, "5.5.4", "Parameter not recognized");

/// Reads what follows `MAIL`.
pub(super) fn mail(argument: &str, dialect: &Dialect) -> Result<Mail, FixedReply> {
    let argument = path_argument(argument, "FROM:", dialect)?;
    let mut mail = Mail::new(ReversePath::parse(argument.path).map_err(|_| SENDER)?);
    for_each_parameter(argument.parameters, |keyword, value| {
        match keyword {
            "SIZE" => mail.size = Some(number(value).ok_or(ARGUMENT)?),
            "BODY" => mail.body = body(value).ok_or(ARGUMENT)?,
            "RET" => mail.ret = Return::parse(value).map_err(|_| ARGUMENT)?,
            "ENVID" => mail.envelope_id = Some(envelope_id(value).ok_or(ARGUMENT)?),
            "MT-PRIORITY" => mail.urgency = urgency(priority(value).ok_or(ARGUMENT)?),
            // RFC 8689 §3: it has no value.
            "REQUIRETLS" if value.is_empty() => mail.require_tls = true,
            // RFC 4954 §5: whom an earlier hop authenticated. Read, and not believed.
            "AUTH" if !value.is_empty() => drop(xtext::decode(value).ok_or(ARGUMENT)?),
            _ => return Err(PARAMETER),
        }
        Ok(())
    })?;
    Ok(mail)
}

/// Reads what follows `RCPT`.
pub(super) fn recipient(argument: &str, dialect: &Dialect) -> Result<Recipient, FixedReply> {
    let argument = path_argument(argument, "TO:", dialect)?;
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

/// Calls `take` with each `KEYWORD=value` (§4.1.2 `esmtp-param`); a keyword may come once.
fn for_each_parameter<'a>(
    parameters: &'a str,
    mut take: impl FnMut(&str, &'a str) -> Result<(), FixedReply>,
) -> Result<(), FixedReply> {
    let mut seen: Vec<String> = Vec::new();
    for parameter in parameters.split(' ').filter(|text| !text.is_empty()) {
        let (keyword, value) = match parameter.split_once('=') {
            Some((_, "")) => return Err(ARGUMENT),
            Some(both) => both,
            None => (parameter, ""),
        };
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
pub(super) fn number(value: &str) -> Option<u64> {
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

#[cfg(test)]
mod tests {
    use liaison_mail::Urgency;

    use super::super::Command;
    use super::*;

    fn host() -> liaison_mail::Domain {
        liaison_mail::Domain::parse("relay.ch.test").unwrap()
    }

    fn strict(line: &str) -> Result<Command, FixedReply> {
        Command::parse(line.as_bytes(), &Dialect::strict(host()))
    }

    fn submission(line: &str) -> Result<Command, FixedReply> {
        Command::parse(line.as_bytes(), &Dialect::submission(host()))
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

    /// Concession: Outlook's space before the path, on submission only.
    #[test]
    fn a_space_before_the_path_is_taken_on_submission_only() {
        for line in ["MAIL FROM: <a@b.test> SIZE=1", "RCPT TO:  <a@b.test>"] {
            assert!(submission(line).is_ok(), "{line}");
            assert_eq!(strict(line), Err(ARGUMENT), "{line}");
        }
    }
}
