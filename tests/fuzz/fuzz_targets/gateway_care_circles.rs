//! The hospital's file of care circles.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| liaison_gateway::fuzzing::circles(text));
