//! Octets at the IMAP door, cut into commands within their limits, then parsed.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    liaison_gateway::fuzzing::imap_commands(octets, octets.len() / 2);
});
