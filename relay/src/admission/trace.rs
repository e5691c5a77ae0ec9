//! The trace that a relay leaves: one `Received` line on top, the rest untouched (RFC 5321 §4.4).

use std::net::IpAddr;

use liaison_mail::Domain;
use liaison_mail::header::Header;
use liaison_mail::port::Origin;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// How many relays a message has passed: its `Received` lines (RFC 5321 §6.3).
pub(super) fn hops(header: Header<'_>) -> usize {
    header.count("Received")
}

/// This relay's line, to go before the message. It names the relays and the time; no recipient, so
/// that those of one copy do not learn of the others (RFC 5321 §7.2).
pub(crate) fn line(
    origin: &Origin,
    from: Option<IpAddr>,
    by: &Domain,
    at: OffsetDateTime,
) -> String {
    let source = match (origin, from) {
        (Origin::Peer { name, .. }, Some(ip)) => {
            format!("from {name} ([{}])\r\n\t", literal(ip))
        }
        (Origin::Peer { name, .. }, None) => format!("from {name}\r\n\t"),
        (Origin::Local, _) => String::new(),
    };
    let with = if source.is_empty() {
        ""
    } else {
        " with ESMTPS"
    };
    // A date is written for every year up to 9999; beyond it the line goes without.
    let date = at
        .format(&Rfc2822)
        .map(|date| format!(";\r\n\t{date}"))
        .unwrap_or_default();
    format!("Received: {source}by {by}{with}{date}\r\n")
}

/// An address literal of RFC 5321 §4.1.3, without its brackets.
fn literal(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("IPv6:{ip}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use liaison_mail::header;
    use time::macros::datetime;

    #[test]
    fn the_line_names_the_relays_and_the_time() {
        let origin = Origin::Peer {
            name: Domain::parse("relay.ch.test").unwrap(),
            speaks_for: Vec::new(),
        };
        let by = Domain::parse("relay.ehpad.test").unwrap();
        let message = b"Subject: x\r\n\r\nbody";
        for ip in [
            None,
            Some("192.0.2.1".parse().unwrap()),
            Some("2001:db8::1".parse().unwrap()),
        ] {
            let line = line(&origin, ip, &by, datetime!(2026-11-22 12:00 UTC));
            let stamped = [line.as_bytes(), message].concat();
            let (header, _) = header::split(&stamped);
            assert_eq!(hops(header), 1);
            let line = header.value("received").unwrap();
            assert!(line.starts_with("from relay.ch.test"), "{line}");
            assert!(line.ends_with("Sun, 22 Nov 2026 12:00:00 +0000"), "{line}");
        }
        let own = line(&Origin::Local, None, &by, datetime!(2026-11-22 12:00 UTC));
        assert!(own.starts_with("Received: by relay.ehpad.test;\r\n\t"));
    }
}
