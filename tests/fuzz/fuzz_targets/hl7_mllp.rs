//! MLLP: frames are the same however the octets arrive, and none passes the limit.
#![no_main]

use liaison_hl7::Error;
use liaison_hl7::mllp::{Decoder, encode};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 256;

fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, Error> {
    let mut decoder = Decoder::new(LIMIT);
    let mut frames = Vec::new();
    for mut piece in pieces {
        while let Some(frame) = decoder.next_frame(&mut piece)? {
            frames.push(frame);
        }
    }
    frames.extend(decoder.finish()?);
    Ok(frames)
}

fuzz_target!(|bytes: &[u8]| {
    let whole = frames([bytes].into_iter());
    if let Ok(frames) = &whole {
        assert!(frames.iter().all(|frame| frame.len() <= LIMIT));
    }
    assert_eq!(whole.is_ok(), frames(bytes.chunks(1)).is_ok());
    if whole.is_ok() {
        assert_eq!(whole, frames(bytes.chunks(1)));
    }
    if bytes.len() <= LIMIT && !bytes.contains(&0x1c) {
        let frame = encode(bytes);
        assert_eq!(frames([&frame[..]].into_iter()), Ok(vec![bytes.to_vec()]));
    }
});
