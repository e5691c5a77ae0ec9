//! Records of other organisations' logs: what is read is written back the same, and none speaks
//! for a domain that was not delegated.
#![no_main]

use std::sync::LazyLock;

use liaison_directory::model::Kind;
use liaison_directory::sharing::{Content, Delegation, Entry, Record, Sealed};
use liaison_mail::Domain;
use libfuzzer_sys::fuzz_target;

static DELEGATION: LazyLock<Delegation> = LazyLock::new(|| {
    let domain = Domain::parse("ch.test").expect("a domain");
    Delegation::new(&[domain], &["finess:000000018".to_owned()]).expect("an identifier")
});

fuzz_target!(|octets: &[u8]| {
    if let Some(sealed) = Sealed::read(octets) {
        let entry = sealed.entry();
        assert_eq!(Entry::read(entry.as_bytes()), Some(entry));
        assert_eq!(sealed.written(), octets);
    }
    let Some(record) = Record::read(octets) else {
        return;
    };
    assert_eq!(Record::read(&record.written()), Some(record.clone()));
    if let Content::Said(said) = &record.content
        && DELEGATION.judge(said).is_ok()
        && let Some((_, address)) = said
            .subject
            .pairs()
            .find(|(kind, _)| *kind == Kind::Mailbox)
    {
        assert!(address.ends_with("@ch.test"), "{address}");
    }
});
