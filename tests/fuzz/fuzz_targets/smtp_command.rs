//! One command line, in both dialects: a command or a reply of one line.
#![no_main]

use liaison_mail::Domain;
use liaison_smtp::command::{Command, Dialect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let host = Domain::parse("relay.ehpad.test").expect("a domain");
    for dialect in [Dialect::strict(host.clone()), Dialect::submission(host)] {
        if let Err(reply) = Command::parse(line, &dialect) {
            let mut written = Vec::new();
            reply.write(&mut written);
            assert!(reply.code >= 400 && written.ends_with(b"\r\n"));
        }
    }
});
