//! Name constraints (RFC 5280 §4.2.1.10) on mail addresses and DNS names. A constraint on any
//! other kind of name holds only if the certificate has no name of that kind that we could fail
//! to check: directoryName is compared with the subject, the rest is refused.

use der::Encode as _;
use x509_cert::ext::pkix::NameConstraints;
use x509_cert::ext::pkix::name::GeneralName;

use crate::ber::Element;
use crate::certificate::Certificate;

/// Whether every name of `certificate` is inside the permitted and outside the excluded trees.
pub(crate) fn allow(constraints: &NameConstraints, certificate: &Certificate) -> bool {
    let permitted: Vec<&GeneralName> = constraints
        .permitted_subtrees
        .iter()
        .flatten()
        .map(|tree| &tree.base)
        .collect();
    let excluded: Vec<&GeneralName> = constraints
        .excluded_subtrees
        .iter()
        .flatten()
        .map(|tree| &tree.base)
        .collect();
    let names = names_of(certificate);
    let mut unchecked = permitted
        .iter()
        .chain(&excluded)
        .filter(|base| kind(base).is_none());
    if unchecked.any(|base| has_name_like(certificate, base)) {
        return false;
    }
    names.iter().all(|name| {
        let of_kind = |base: &&&GeneralName| kind(base) == Some(name.kind());
        let mut allowed = permitted.iter().filter(of_kind).peekable();
        (allowed.peek().is_none() || allowed.any(|base| name.is_within(base)))
            && !excluded
                .iter()
                .filter(of_kind)
                .any(|base| name.is_within(base))
    })
}

/// Whether the certificate has a name of the kind of `base`, a kind that is not compared here.
fn has_name_like(certificate: &Certificate, base: &GeneralName) -> bool {
    let kind = std::mem::discriminant(base);
    let mut others = certificate.other_names().iter();
    others.any(|name| std::mem::discriminant(name) == kind)
}

enum Name<'a> {
    Address(&'a str),
    Domain(&'a str),
    Directory(&'a [u8]),
}

#[derive(PartialEq, Eq)]
enum Kind {
    Address,
    Domain,
    Directory,
}

fn kind(base: &GeneralName) -> Option<Kind> {
    match base {
        GeneralName::Rfc822Name(_) => Some(Kind::Address),
        GeneralName::DnsName(_) => Some(Kind::Domain),
        GeneralName::DirectoryName(_) => Some(Kind::Directory),
        _ => None,
    }
}

fn names_of(certificate: &Certificate) -> Vec<Name<'_>> {
    let addresses = certificate.addresses().iter().map(|a| Name::Address(a));
    let domains = certificate.dns_names().iter().map(|d| Name::Domain(d));
    let subject = std::iter::once(Name::Directory(certificate.subject_der()));
    addresses.chain(domains).chain(subject).collect()
}

impl Name<'_> {
    fn kind(&self) -> Kind {
        match self {
            Self::Address(_) => Kind::Address,
            Self::Domain(_) => Kind::Domain,
            Self::Directory(_) => Kind::Directory,
        }
    }

    fn is_within(&self, base: &GeneralName) -> bool {
        match (self, base) {
            (Self::Address(address), GeneralName::Rfc822Name(base)) => {
                address_within(address, base.as_str())
            }
            (Self::Domain(domain), GeneralName::DnsName(base)) => {
                let base = base.as_str().trim_start_matches('.');
                domain.eq_ignore_ascii_case(base) || is_subdomain(domain, base)
            }
            (Self::Directory(subject), GeneralName::DirectoryName(base)) => base
                .to_der()
                .is_ok_and(|base| directory_within(subject, &base)),
            _ => false,
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
    } else if let Some(domain) = base.strip_prefix('.') {
        is_subdomain(host, domain)
    } else {
        host.eq_ignore_ascii_case(base)
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

/// Whether the RDNs of `base` are the first ones of `subject`.
fn directory_within(subject: &[u8], base: &[u8]) -> bool {
    match (Element::only(subject, 8), Element::only(base, 8)) {
        (Ok(subject), Ok(base)) => subject.content.starts_with(base.content),
        _ => false,
    }
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
}
