//! ENVELOPE and BODYSTRUCTURE of any message; folder names in modified UTF-7.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| liaison_gateway::fuzzing::imap_structure(message));
