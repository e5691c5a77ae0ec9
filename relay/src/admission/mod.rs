//! What may enter the queue: checked on the outside only, for a relay holds no key to look inside.
//!
//! - [`content`]: S/MIME enveloped, or a delivery report without content; nothing else.
//! - [`cms`]: whether octets that call themselves S/MIME begin like it.
//! - [`trace`]: hop count and the `Received` line.
//!
//! Who may send what to whom ([`sender`], [`recipient_domain`]) is decided from the directory's
//! word on the peer, never from the peer's own.

mod cms;
pub(crate) mod content;
pub(crate) mod trace;

use liaison_mail::port::Origin;
use liaison_mail::{Address, Domain, Refusal, ReversePath, header};
use ring::digest::{self, SHA256};

pub(crate) use content::Shape;

use crate::refusals::Reason;
use crate::settings::Settings;

/// A refusal with what its log line and counter say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) reason: Reason,
    pub(crate) refusal: Refusal,
}

impl From<Reason> for Denial {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            refusal: reason.refusal(),
        }
    }
}

/// Whether `origin` may send from `path`. The null path is anybody's: reports bear it (RFC 5321
/// §4.5.5); [`message`] lets it bear nothing else.
pub(crate) fn sender(origin: &Origin, path: &ReversePath) -> Result<(), Denial> {
    match path.address() {
        Some(address) if !origin.speaks_for(address.domain()) => Err(Reason::ForeignSender.into()),
        _ => Ok(()),
    }
}

/// Where a recipient's domain leads from the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// To the gateway behind this relay, which knows the mailbox or not.
    Here,
    /// To another relay.
    Onward,
}

/// Whether mail for `domain` is taken from `origin`: its own gateway may send anywhere, a peer to
/// what is served here or carried onward by the settings.
pub(crate) fn recipient_domain(
    served: &[Domain],
    transit: &[Domain],
    origin: &Origin,
    domain: &Domain,
) -> Result<Lead, Denial> {
    if served.contains(domain) {
        return Ok(Lead::Here);
    }
    match origin {
        Origin::Local => Ok(Lead::Onward),
        Origin::Peer { .. } if transit.contains(domain) => Ok(Lead::Onward),
        Origin::Peer { .. } => Err(Reason::NotServedHere.into()),
    }
}

/// Whether the message may be carried: its size, its hops and its shape.
pub(crate) fn message(
    settings: &Settings,
    from: &ReversePath,
    message: &[u8],
) -> Result<(), Denial> {
    if message.len() > settings.limits.message_octets {
        return Err(Reason::TooLarge.into());
    }
    let (header, _) = header::split(message);
    if trace::hops(header) > settings.limits.hops {
        return Err(Reason::TooManyHops.into());
    }
    content::check(message, from)
}

/// The header of a message that comes in pieces: its hops, and that it says it is sealed. `first` is
/// longer than a header may be. Answers with what looks at the body, and where that begins.
pub(crate) fn begun(settings: &Settings, first: &[u8]) -> Result<(Shape, usize), Denial> {
    let begun = Shape::begin(first)?;
    let (header, _) = header::split(first);
    if trace::hops(header) > settings.limits.hops {
        return Err(Reason::TooManyHops.into());
    }
    Ok(begun)
}

/// What makes two hand-overs one: the origin and the sender's name for the message. From a peer
/// the content counts too: the same message again after a lost reply is octet for octet the same
/// (RFC 5321 §6.1), while a peer that gives one name to two messages must not lose the second.
/// The own gateway may seal again before it asks again, so its name alone counts.
#[derive(Clone)]
pub(crate) struct Sameness(digest::Context);

impl Sameness {
    /// `content` is its SHA-256; it is needed from a peer.
    pub(crate) fn new(origin: &Origin, name: &str, content: Option<&[u8]>) -> Self {
        let mut sum = digest::Context::new(&SHA256);
        match origin {
            Origin::Local => sum.update(b"local\n"),
            Origin::Peer { name: peer, .. } => {
                sum.update(b"peer ");
                sum.update(peer.as_str().as_bytes());
                sum.update(b"\n");
                sum.update(content.unwrap_or_default());
            }
        }
        sum.update(name.as_bytes());
        sum.update(b"\n");
        Self(sum)
    }

    /// The same for one recipient: 128 bits of SHA-256. Only an origin could make two of its own
    /// collide, and would lose one of its own messages by it.
    pub(crate) fn of(&self, recipient: &Address) -> [u8; 16] {
        let mut sum = self.0.clone();
        sum.update(recipient.key().as_bytes());
        let mut short = [0; 16];
        short.copy_from_slice(&sum.finish().as_ref()[..16]);
        short
    }
}

/// What stood for [`Sameness`] in the first release, whose rows an upgraded queue still has.
pub(crate) fn sameness_before(origin: &Origin, name: &str, content: Option<&[u8]>) -> String {
    let text = match origin {
        Origin::Local => format!("local\n{name}"),
        Origin::Peer { name: peer, .. } => {
            format!("peer {peer}\n{name}\n{}", hex(content.unwrap_or_default()))
        }
    };
    hex(digest::digest(&SHA256, text.as_bytes()).as_ref())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        liaison_base::config::parse(
            r#"
            hostname = "relay.ehpad.test"
            listen = "127.0.0.1:0"
            certificate = "c"
            key = "k"
            anchors = "a"
            database = "d"
            bodies = "b"
            domains = ["ehpad.test"]
            transit = ["usld.test"]
            limits = { message_octets = 1000, hops = 2 }
            "#,
        )
        .unwrap()
    }

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    fn peer() -> Origin {
        Origin::Peer {
            name: domain("relay.ch.test"),
            speaks_for: vec![domain("ch.test")],
        }
    }

    #[test]
    fn a_peer_speaks_for_its_own_domains_only() {
        let path = |text| ReversePath::parse(text).unwrap();
        assert!(sender(&peer(), &path("avis@ch.test")).is_ok());
        assert!(sender(&peer(), &path("")).is_ok());
        assert_eq!(
            sender(&peer(), &path("avis@ehpad.test"))
                .unwrap_err()
                .reason,
            Reason::ForeignSender
        );
        assert!(sender(&Origin::Local, &path("avis@ehpad.test")).is_ok());
    }

    #[test]
    fn a_peer_reaches_what_is_served_here_and_the_listed_transit() {
        let settings = settings();
        let lead = |origin: &Origin, to| {
            recipient_domain(&settings.domains, &settings.transit, origin, &domain(to))
        };
        assert_eq!(lead(&peer(), "ehpad.test"), Ok(Lead::Here));
        assert_eq!(lead(&peer(), "usld.test"), Ok(Lead::Onward));
        assert_eq!(
            lead(&peer(), "elsewhere.test").unwrap_err().reason,
            Reason::NotServedHere
        );
        assert_eq!(lead(&Origin::Local, "elsewhere.test"), Ok(Lead::Onward));
    }

    #[test]
    fn size_and_hops_are_bounded() {
        let from = ReversePath::parse("avis@ch.test").unwrap();
        let reason = |text: String| {
            message(&settings(), &from, text.as_bytes())
                .unwrap_err()
                .reason
        };
        assert_eq!(reason("a".repeat(1001)), Reason::TooLarge);
        assert_eq!(reason("Received: x\r\n".repeat(3)), Reason::TooManyHops);
        assert_eq!(reason("Received: x\r\n".repeat(2)), Reason::NotEnveloped);
    }

    #[test]
    fn a_peers_second_message_under_one_name_is_another_message() {
        let to = Address::parse("a@ehpad.test").unwrap();
        let same = |origin: &Origin, name, content: &str| {
            let content = digest::digest(&SHA256, content.as_bytes());
            Sameness::new(origin, name, Some(content.as_ref())).of(&to)
        };
        assert_eq!(same(&peer(), "n1", "a"), same(&peer(), "n1", "a"));
        assert_ne!(same(&peer(), "n1", "a"), same(&peer(), "n1", "b"));
        assert_ne!(same(&peer(), "n1", "a"), same(&peer(), "n2", "a"));
        assert_eq!(
            same(&Origin::Local, "n1", "a"),
            same(&Origin::Local, "n1", "b")
        );
        assert_ne!(same(&Origin::Local, "n1", "a"), same(&peer(), "n1", "a"));
    }
}
