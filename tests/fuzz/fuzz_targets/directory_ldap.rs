//! What an LDAP client sends: frames, binds, searches with their filters and names.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    liaison_directory::ldap::fuzzing::session(octets);
});
