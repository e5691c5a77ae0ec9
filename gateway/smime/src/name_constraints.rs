//! Name constraints (RFC 5280 §4.2.1.10) on mail addresses, DNS names, URIs, IP addresses and
//! directory names. A constraint on any other kind of name holds only if the certificate has no
//! name of that kind, since it cannot be checked.

use crate::certificate::{Certificate, NameConstraints};
use crate::name::{DistinguishedName, GeneralName};

/// Whether every name of `certificate` is inside the permitted and outside the excluded trees.
pub(crate) fn allow(constraints: &NameConstraints, certificate: &Certificate) -> bool {
    names_of(certificate).iter().all(|name| {
        let mut permitted = constraints
            .permitted
            .iter()
            .filter(|base| name.is_of_kind(base))
            .peekable();
        (permitted.peek().is_none() || permitted.any(|base| name.is_within(base)))
            && !constraints
                .excluded
                .iter()
                .filter(|base| name.is_of_kind(base))
                .any(|base| name.meets(base))
    })
}

/// A name that a certificate claims.
enum Claim<'a> {
    Address(&'a str),
    /// Every address of a domain: what a certificate without addresses is bound to by its
    /// dNSName. Without this, an authority held to some addresses could speak for all the
    /// others by naming domains.
    AddressesOf(&'a str),
    Domain(&'a str),
    Uri(&'a str),
    Directory(&'a DistinguishedName),
    Ip(&'a [u8]),
    Other(u8),
}

fn names_of(certificate: &Certificate) -> Vec<Claim<'_>> {
    let mut claims: Vec<_> = certificate
        .addresses()
        .iter()
        .map(|address| Claim::Address(address))
        .collect();
    if claims.is_empty() {
        let domains = certificate.dns_names().iter();
        claims.extend(domains.map(|domain| Claim::AddressesOf(domain)));
    }
    if !certificate.subject_name().is_empty() {
        claims.push(Claim::Directory(certificate.subject_name()));
    }
    for name in &certificate.extensions().alternative_names {
        claims.push(match name {
            // Counted among the addresses already.
            GeneralName::Address(_) => continue,
            GeneralName::Domain(domain) => Claim::Domain(domain),
            GeneralName::Uri(uri) => Claim::Uri(uri),
            GeneralName::Directory(name) => Claim::Directory(name),
            GeneralName::Ip(address) => Claim::Ip(address),
            GeneralName::Other(tag) => Claim::Other(*tag),
        });
    }
    claims
}

impl Claim<'_> {
    fn is_of_kind(&self, base: &GeneralName) -> bool {
        match (self, base) {
            (Self::Address(_) | Self::AddressesOf(_), GeneralName::Address(_))
            | (Self::Domain(_), GeneralName::Domain(_))
            | (Self::Uri(_), GeneralName::Uri(_))
            | (Self::Directory(_), GeneralName::Directory(_))
            | (Self::Ip(_), GeneralName::Ip(_)) => true,
            (Self::Other(tag), GeneralName::Other(other)) => tag == other,
            _ => false,
        }
    }

    /// Whether all of the claim is inside the tree of `base`.
    fn is_within(&self, base: &GeneralName) -> bool {
        match (self, base) {
            (Self::Address(address), GeneralName::Address(base)) => address_within(address, base),
            (Self::AddressesOf(domain), GeneralName::Address(base)) => {
                !base.contains('@') && host_within(domain, base)
            }
            (Self::Domain(domain), GeneralName::Domain(base)) => {
                let base = base.trim_start_matches('.');
                domain.eq_ignore_ascii_case(base) || is_subdomain(domain, base)
            }
            (Self::Uri(uri), GeneralName::Uri(base)) => {
                host_of(uri).is_some_and(|host| host_within(host, base))
            }
            (Self::Directory(name), GeneralName::Directory(base)) => name.is_within(base),
            (Self::Ip(address), GeneralName::Ip(base)) => ip_within(address, base),
            _ => false,
        }
    }

    /// Whether some of the claim is inside the tree of `base`, or cannot be compared with it.
    fn meets(&self, base: &GeneralName) -> bool {
        match (self, base) {
            (Self::AddressesOf(domain), GeneralName::Address(base)) => {
                let host = base
                    .rsplit_once('@')
                    .map_or(base.as_str(), |(_, host)| host);
                host_within(domain, host)
            }
            (Self::Uri(uri), GeneralName::Uri(_)) if host_of(uri).is_none() => true,
            (Self::Address(address), GeneralName::Address(_)) if !address.contains('@') => true,
            (Self::Other(_), _) => true,
            _ => self.is_within(base),
        }
    }
}

/// A mailbox, a host, or with a leading period every host below a domain.
fn address_within(address: &str, base: &str) -> bool {
    let Some((_, host)) = address.rsplit_once('@') else {
        return false;
    };
    if base.contains('@') {
        address.eq_ignore_ascii_case(base)
    } else {
        host_within(host, base)
    }
}

/// A host, or with a leading period every host below a domain.
fn host_within(host: &str, base: &str) -> bool {
    match base.strip_prefix('.') {
        Some(domain) => is_subdomain(host, domain),
        None => base.is_empty() || host.eq_ignore_ascii_case(base),
    }
}

fn is_subdomain(host: &str, domain: &str) -> bool {
    let Some(cut) = host.len().checked_sub(domain.len()) else {
        return false;
    };
    match (host.get(..cut), host.get(cut..)) {
        (Some(left), Some(right)) => {
            domain.is_empty() || (left.ends_with('.') && right.eq_ignore_ascii_case(domain))
        }
        _ => false,
    }
}

/// The host of a URI's authority part; `None` without one, or if it is an address.
fn host_of(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let named = !host.starts_with('[') && host.parse::<std::net::Ipv4Addr>().is_err();
    (named && !host.is_empty()).then_some(host)
}

/// `base` is an address followed by its mask.
fn ip_within(address: &[u8], base: &[u8]) -> bool {
    if base.len() != address.len() * 2 {
        return false;
    }
    let (network, mask) = base.split_at(address.len());
    let bits = address.iter().zip(network).zip(mask);
    bits.into_iter().all(|((a, n), m)| a & m == n & m)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_a_host_and_a_domain_constrain_differently() {
        assert!(address_within("a@hopital.test", "a@HOPITAL.test"));
        assert!(!address_within("b@hopital.test", "a@hopital.test"));
        assert!(address_within("b@hopital.test", "hopital.test"));
        assert!(!address_within("b@service.hopital.test", "hopital.test"));
        assert!(address_within("b@service.hopital.test", ".hopital.test"));
        assert!(!address_within("b@hopital.test", ".hopital.test"));
        assert!(!address_within("b@autrehopital.test", ".hopital.test"));
        assert!(!address_within("hopital.test", "hopital.test"));
    }

    #[test]
    fn a_domain_claims_every_address_of_it() {
        let all = Claim::AddressesOf("hopital.test");
        let base = |text: &str| GeneralName::Address(text.to_owned());
        assert!(all.is_within(&base("hopital.test")));
        assert!(!all.is_within(&base("ehpad.test")));
        assert!(!all.is_within(&base("a@hopital.test")), "only one of them");
        assert!(all.meets(&base("a@hopital.test")), "one of them");
        assert!(!all.meets(&base("a@ehpad.test")));
    }

    #[test]
    fn the_host_of_a_uri_is_what_is_held() {
        for (uri, host) in [
            ("http://hopital.test/x?y#z", Some("hopital.test")),
            ("ldap://u:p@hopital.test:389/cn=x", Some("hopital.test")),
            ("http://192.0.2.1/", None),
            ("http://[2001:db8::1]/", None),
            ("urn:uuid:x", None),
            ("http:///x", None),
        ] {
            assert_eq!(host_of(uri), host, "{uri}");
        }
    }

    #[test]
    fn an_ip_range_is_an_address_and_a_mask() {
        let range = [192, 0, 2, 0, 255, 255, 255, 0];
        assert!(ip_within(&[192, 0, 2, 9], &range));
        assert!(!ip_within(&[192, 0, 3, 9], &range));
        assert!(!ip_within(&[0; 16], &range), "another family");
    }
}
