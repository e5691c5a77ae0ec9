//! What the directory is asked and what it answers, as JSON.
#![no_main]

use liaison_directory_client::{Query, RelayEndpoint, Resolution};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(query) = serde_json::from_slice::<Query>(bytes) {
        let written = serde_json::to_vec(&query).expect("a question is JSON");
        assert_eq!(serde_json::from_slice::<Query>(&written).ok(), Some(query));
    }
    if let Ok(resolution) = serde_json::from_slice::<Resolution>(bytes) {
        let written = serde_json::to_vec(&resolution).expect("an answer is JSON");
        assert_eq!(
            serde_json::from_slice::<Resolution>(&written).ok(),
            Some(resolution)
        );
    }
    let _ = serde_json::from_slice::<RelayEndpoint>(bytes);
});
