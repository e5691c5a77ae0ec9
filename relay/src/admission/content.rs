//! The two shapes of content that a relay carries: S/MIME enveloped messages (RFC 8551 §3.2, §3.4)
//! and delivery reports that return nothing of the message (RFC 3464, RFC 6522 §3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_mail::dsn::{DeliveryReport, MAX_REPORT};
use liaison_mail::header::{self, Header};
use liaison_mail::{Refusal, ReversePath};

use super::{Denial, cms};
use crate::refusals::Reason;

/// The `smime-type` values that mean "sealed for its recipients": RFC 8551 §3.2.2, and
/// `authenticated-enveloped-data` as the KIM messages of German health care name it.
const SEALED: [&str; 3] = [
    "authenveloped-data",
    "enveloped-data",
    "authenticated-enveloped-data",
];

/// Refuses whatever is neither.
pub(crate) fn check(message: &[u8], from: &ReversePath) -> Result<(), Denial> {
    let (header, body) = header::split(message);
    // What lies beyond the limit is not looked at, so nothing may.
    if header.as_bytes().len() > header::MAX_HEADER {
        return Err(Reason::NotEnveloped.into());
    }
    let Some(media) = single(header, "Content-Type").and_then(|value| MediaType::parse(&value))
    else {
        return Err(Reason::NotEnveloped.into());
    };
    match media.kind.as_str() {
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => enveloped(header, &media, body),
        "multipart/report" => report(message, &media, body, from),
        _ => Err(Reason::NotEnveloped.into()),
    }
}

/// The shape of a message that comes in pieces: sealed, since a report is smaller.
pub(crate) struct Shape(Base64);

impl Shape {
    /// Looks at the header. `first` holds all of it, or more octets than a header may have.
    /// Answers with where the body begins, too.
    pub(crate) fn begin(first: &[u8]) -> Result<(Self, usize), Denial> {
        let (header, body) = header::split(first);
        let sealed = header.as_bytes().len() <= header::MAX_HEADER
            && single(header, "Content-Type")
                .and_then(|value| MediaType::parse(&value))
                .is_some_and(|media| says_sealed(header, &media));
        match sealed {
            true => Ok((Self(Base64::default()), first.len() - body.len())),
            false => Err(Reason::NotEnveloped.into()),
        }
    }

    /// Looks at the next piece of the body.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<(), Denial> {
        match self.0.take(piece) {
            true => Ok(()),
            false => Err(Reason::NotEnveloped.into()),
        }
    }

    /// The body was whole.
    pub(crate) fn end(self) -> Result<(), Denial> {
        let (start, total) = self.0.end().ok_or(Denial::from(Reason::NotEnveloped))?;
        if cms::is_enveloped(&start, total) {
            return Ok(());
        }
        Err(Denial {
            reason: Reason::NotEnveloped,
            refusal: Refusal {
                text: "the content is not what its S/MIME header says".to_owned(),
                ..Reason::NotEnveloped.refusal()
            },
        })
    }
}

fn enveloped(header: Header<'_>, media: &MediaType, body: &[u8]) -> Result<(), Denial> {
    if !says_sealed(header, media) {
        return Err(Reason::NotEnveloped.into());
    }
    let mut shape = Shape(Base64::default());
    shape.take(body)?;
    shape.end()
}

/// Whether the header names a sealed object in base64.
fn says_sealed(header: Header<'_>, media: &MediaType) -> bool {
    let is_cms = matches!(
        media.kind.as_str(),
        "application/pkcs7-mime" | "application/x-pkcs7-mime"
    );
    let named = media.value("smime-type").is_some_and(|kind| {
        SEALED
            .iter()
            .any(|sealed| sealed.eq_ignore_ascii_case(kind))
    });
    let encoded = single(header, "Content-Transfer-Encoding")
        .is_some_and(|encoding| encoding.eq_ignore_ascii_case("base64"));
    is_cms && named && encoded
}

/// What base64 text holds, decoded no further than needed.
#[derive(Default)]
struct Base64 {
    first: Vec<u8>,
    digits: usize,
    padding: usize,
}

impl Base64 {
    /// Reads on, to the end of the text: a line that is not base64 would travel unsealed
    /// (RFC 2045 §6.8 lets a decoder skip it). False when there is one, or padding before the end.
    fn take(&mut self, text: &[u8]) -> bool {
        for byte in text {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if self.padding == 0 => {
                    self.digits += 1;
                    if self.first.len() < cms::LOOKED_AT / 3 * 4 {
                        self.first.push(*byte);
                    }
                }
                b'=' => self.padding += 1,
                b'\r' | b'\n' => {}
                _ => return false,
            }
        }
        true
    }

    /// The first octets, and how many there are in all.
    fn end(mut self) -> Option<(Vec<u8>, usize)> {
        let groups = self.digits + self.padding;
        if !groups.is_multiple_of(4) || self.padding > 2 {
            return None;
        }
        self.first.truncate(self.first.len() / 4 * 4);
        let start = STANDARD.decode(self.first).ok()?;
        Some((start, groups / 4 * 3 - self.padding))
    }
}

/// A report that returns no content: a text for people and the machine part, nothing more.
fn report(
    message: &[u8],
    media: &MediaType,
    body: &[u8],
    from: &ReversePath,
) -> Result<(), Denial> {
    let is_report = media
        .value("report-type")
        .is_some_and(|kind| kind.eq_ignore_ascii_case("delivery-status"));
    if !is_report {
        return Err(Reason::NotEnveloped.into());
    }
    let fits = *from == ReversePath::Null
        && message.len() <= MAX_REPORT
        && media
            .value("boundary")
            .is_some_and(|boundary| has_the_two_parts(body, boundary))
        && DeliveryReport::read(message).is_ok();
    if fits {
        Ok(())
    } else {
        Err(Reason::ReportShape.into())
    }
}

/// Whether the body is `text/plain` then `message/delivery-status` and ends there.
fn has_the_two_parts(body: &[u8], boundary: &str) -> bool {
    let Ok(body) = std::str::from_utf8(body) else {
        return false;
    };
    let delimiter = format!("\r\n--{boundary}");
    // A first delimiter needs no line before it (RFC 2046 §5.1.1).
    let framed = format!("\r\n{body}");
    let mut pieces = framed.split(delimiter.as_str());
    let (Some(preamble), Some(first), Some(second), Some(end), None) = (
        pieces.next(),
        pieces.next(),
        pieces.next(),
        pieces.next(),
        pieces.next(),
    ) else {
        return false;
    };
    let kind = |piece: &str| {
        let part = piece.strip_prefix("\r\n")?;
        let (header, _) = header::split(part.as_bytes());
        Some(MediaType::parse(&single(header, "Content-Type")?)?.kind)
    };
    preamble.trim().is_empty()
        && kind(first).as_deref() == Some("text/plain")
        && kind(second).as_deref() == Some("message/delivery-status")
        && end
            .strip_prefix("--")
            .is_some_and(|end| end.trim().is_empty())
}

/// The field's value when it stands exactly once: a second one would let two readers disagree.
fn single(header: Header<'_>, name: &str) -> Option<String> {
    let mut fields = header.fields().filter(|field| field.is(name));
    let value = fields.next()?.value()?;
    fields.next().is_none().then_some(value)
}

/// A `Content-Type` value (RFC 2045 §5.1), without comments, which no program writes there.
struct MediaType {
    /// `type/subtype` in lower case.
    kind: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    fn parse(value: &str) -> Option<Self> {
        let mut pieces = split_outside_quotes(value).into_iter();
        let kind = pieces.next()?.trim().to_ascii_lowercase();
        let parameters = pieces
            .filter(|piece| !piece.trim().is_empty())
            .map(|piece| {
                let (name, value) = piece.split_once('=')?;
                let value = value.trim();
                let value = match value.strip_prefix('"') {
                    Some(quoted) => quoted.strip_suffix('"')?.replace('\\', ""),
                    None => value.to_owned(),
                };
                Some((name.trim().to_ascii_lowercase(), value))
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self { kind, parameters })
    }

    /// The parameter's value when it is given exactly once.
    fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.parameters.iter().filter(|(found, _)| found == name);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }
}

fn split_outside_quotes(value: &str) -> Vec<&str> {
    let mut quoted = false;
    let mut escaped = false;
    value
        .split(|c: char| {
            let ends = c == ';' && !quoted;
            if c == '"' && !escaped {
                quoted = !quoted;
            }
            escaped = c == '\\' && quoted && !escaped;
            ends
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sealed_body() -> String {
        let mut bytes = vec![0x30, 0x80, 0x06, 0x0b];
        bytes.extend([
            0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17,
        ]);
        bytes.extend([0xa0, 0x80, 0x30, 0x80]);
        bytes.extend([0; 200]);
        let text = STANDARD.encode(bytes);
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(76)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        lines.join("\r\n") + "\r\n"
    }

    fn with_type(content_type: &str, body: &str) -> String {
        format!(
            "From: a@ch.test\r\nContent-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}"
        )
    }

    fn verdict(message: &str, from: &str) -> Option<Reason> {
        check(message.as_bytes(), &ReversePath::parse(from).unwrap())
            .err()
            .map(|denial| denial.reason)
    }

    #[test]
    fn each_name_of_enveloped_content_is_taken() {
        for kind in [
            "application/pkcs7-mime; smime-type=authEnveloped-data; name=\"smime.p7m\"",
            "application/pkcs7-mime; name=\"a;b.p7m\"; smime-type=enveloped-data",
            "Application/PKCS7-MIME;\r\n\tsmime-type=\"authenticated-enveloped-data\"",
            "application/x-pkcs7-mime; smime-type=enveloped-data;",
        ] {
            assert_eq!(
                verdict(&with_type(kind, &sealed_body()), "a@ch.test"),
                None,
                "{kind}"
            );
        }
    }

    #[test]
    fn whatever_is_not_sealed_is_refused() {
        let sealed = "application/pkcs7-mime; smime-type=enveloped-data";
        let body = sealed_body();
        let twice = format!("Content-Type: {sealed}\r\n{}", with_type(sealed, &body));
        let unencoded = with_type(sealed, &body).replace("base64", "8bit");
        for message in [
            "From: a@ch.test\r\n\r\nNothing is said of any patient here.\r\n",
            "",
            "no header at all",
            &with_type("text/plain", &body),
            &with_type("application/pkcs7-mime", &body),
            &with_type("application/pkcs7-mime; smime-type=signed-data", &body),
            &with_type("multipart/mixed; boundary=x", &body),
            &with_type(
                "multipart/report; report-type=disposition-notification",
                &body,
            ),
            &with_type(sealed, ""),
            &with_type(sealed, "Nothing is said of any patient here."),
            &with_type(sealed, &format!("{body}\r\nand then a plain text\r\n")),
            &with_type(sealed, &format!("{}\r\nAAAA====\r\n", body.trim_end())),
            &with_type(sealed, &STANDARD.encode("not a CMS object, only base64")),
            &with_type(
                "application/pkcs7-mime; smime-type=enveloped-data; smime-type=signed-data",
                &body,
            ),
            &twice,
            &unencoded,
            &format!(
                "X: {}\r\n{}",
                "a".repeat(header::MAX_HEADER),
                with_type(sealed, &body)
            ),
        ] {
            let seen = verdict(message, "a@ch.test");
            assert_eq!(seen, Some(Reason::NotEnveloped), "{message:.200}");
        }
    }

    fn report_with(extra_part: &str) -> String {
        format!(
            "From: <postmaster@ehpad.test>\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"b 1\"\r\n\r\n\
             --b 1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nIt has arrived.\r\n\
             --b 1\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; relay.ehpad.test\r\n\r\n\
             Final-Recipient: rfc822; soins@ehpad.test\r\nAction: delivered\r\nStatus: 2.1.5\r\n\r\n\
             {extra_part}--b 1--\r\n"
        )
    }

    #[test]
    fn a_report_without_content_is_taken_from_the_null_path_only() {
        assert_eq!(verdict(&report_with(""), ""), None);
        assert_eq!(
            verdict(&report_with(""), "a@ch.test"),
            Some(Reason::ReportShape)
        );
    }

    #[test]
    fn a_report_that_returns_content_is_refused() {
        for extra in [
            "--b 1\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: a name\r\n\r\n",
            "--b 1\r\nContent-Type: message/rfc822\r\n\r\nSubject: a name\r\n\r\ntext\r\n",
        ] {
            assert_eq!(verdict(&report_with(extra), ""), Some(Reason::ReportShape));
        }
        let after = report_with("") + "and a plain text\r\n";
        assert_eq!(verdict(&after, ""), Some(Reason::ReportShape));
        let large = report_with("").replace("It has arrived.", &"a".repeat(MAX_REPORT));
        assert_eq!(verdict(&large, ""), Some(Reason::ReportShape));
        let html = report_with("").replace("text/plain", "text/html");
        assert_eq!(verdict(&html, ""), Some(Reason::ReportShape));
    }

    proptest! {
        #[test]
        fn no_content_makes_the_check_panic(
            kind in "[ -~]{0,60}",
            body in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut message = with_type(&kind, "").into_bytes();
            message.extend(body);
            let _ = check(&message, &ReversePath::Null);
        }
    }
}
