//! The keyword in the first line of a reply.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| liaison_gateway::fuzzing::keyword(message));
