//! Addresses, domains, paths and identifiers: what is taken is written back as it was.
#![no_main]

use liaison_mail::{Address, Domain, EnvelopeId, MessageId, Notify, Return, ReversePath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(address) = Address::parse(text) {
        assert_eq!(Address::parse(&address.to_string()).as_ref(), Ok(&address));
        assert!(address.to_string().is_ascii());
    }
    if let Ok(domain) = Domain::parse(text) {
        assert_eq!(Domain::parse(domain.as_str()).as_ref(), Ok(&domain));
    }
    if let Ok(id) = MessageId::parse(text) {
        assert_eq!(MessageId::parse(id.as_str()).as_ref(), Ok(&id));
    }
    if let Ok(id) = EnvelopeId::parse(text) {
        assert_eq!(EnvelopeId::parse(id.as_str()).as_ref(), Ok(&id));
    }
    let _ = ReversePath::parse(text);
    let _ = Notify::parse(text);
    let _ = Return::parse(text);
});
