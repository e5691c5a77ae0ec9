//! What a peer answers: replies are the same however they arrive, and hold nothing unprintable.
#![no_main]

use liaison_smtp::reply::{Reply, ReplyReader};
use libfuzzer_sys::fuzz_target;

fn replies(pieces: &[&[u8]]) -> (Vec<Reply>, bool) {
    let mut reader = ReplyReader::default();
    let mut replies = Vec::new();
    for piece in pieces {
        reader.input(piece);
        loop {
            match reader.next_reply() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(_) => return (replies, false),
            }
        }
    }
    (replies, true)
}

fuzz_target!(|bytes: &[u8]| {
    let (whole, ok) = replies(&[bytes]);
    for reply in &whole {
        let printable = |line: &String| line.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        assert!(reply.lines().iter().all(printable));
        let _ = reply.refusal();
    }
    let (one, two) = bytes.split_at(bytes.len() / 2);
    let (pieces, pieces_ok) = replies(&[one, two]);
    assert_eq!(pieces, whole);
    assert!(!ok || pieces_ok);
});
