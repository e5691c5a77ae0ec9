//! A whole message, sealed, signed or neither: opened or refused, and what is shown can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| liaison_fuzz::open(message));
