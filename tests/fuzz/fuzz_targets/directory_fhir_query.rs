//! The query strings of FHIR searches, as every kind of resource reads them.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    liaison_directory::fuzzing::fhir_query(text);
});
