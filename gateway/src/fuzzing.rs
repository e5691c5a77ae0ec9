//! Doors for `tests/fuzz` to parsers that are private to the gateway; only cargo-fuzz builds them.

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder as _;

use crate::hospital::{care_circles, circle_import};
use crate::imap::frame::{Framed, Frames, Limits, Mode, verb};
use crate::imap::list;
use crate::imap::mime::Part;
use crate::imap::{structure, utf7};
use crate::tracking::keyword_of;

/// Octets as they arrive at the IMAP door, in two pieces: cut into commands, then parsed as a
/// session does.
///
/// # Panics
/// When more is kept than the limits allow, or when the cut depends on how the octets arrived.
pub fn imap_commands(octets: &[u8], cut: usize) {
    let whole = frames(&[octets]);
    let (one, two) = octets.split_at(cut.min(octets.len()));
    if !whole
        .iter()
        .any(|framed| matches!(framed, Framed::Refused { .. }))
    {
        assert_eq!(whole, frames(&[one, two]));
    }
    for framed in whole {
        let Framed::Whole(command) = framed else {
            continue;
        };
        if list::Verb::of(verb(&command)).is_some() {
            let mut spaces = command.iter().enumerate().filter(|(_, b)| **b == b' ');
            if let Some((second, _)) = spaces.nth(1) {
                let _ = list::Listing::read(&command[second + 1..]);
            }
        }
        let _ = CommandCodec::default().decode(&command);
    }
}

fn frames(pieces: &[&[u8]]) -> Vec<Framed> {
    let limits = Limits {
        lines: 4096,
        literals: 1024,
        append: 8192,
    };
    let mut frames = Frames::default();
    let mut all = Vec::new();
    for piece in pieces {
        frames.room().extend_from_slice(piece);
        loop {
            match frames.next(Mode::Command, limits) {
                Framed::More => break,
                framed => {
                    let close = matches!(framed, Framed::Refused { close: true, .. });
                    all.push(framed);
                    if close {
                        return all;
                    }
                }
            }
        }
    }
    all
}

/// A message as FETCH shows its structure, and the name of a folder.
///
/// # Panics
/// When a structure has unbalanced parentheses outside quotes and literals, or a folder's name
/// does not come back as it was.
pub fn imap_structure(message: &[u8]) {
    let part = Part::message(message);
    for extended in [false, true] {
        let mut out = Vec::new();
        structure::body(&mut out, &part, extended);
        structure::envelope(&mut out, &part);
        assert!(!out.is_empty());
    }
    for numbers in [&[1][..], &[1, 1], &[2], &[1, 2, 3], &[0], &[u32::MAX]] {
        let _ = part.at(numbers);
    }
    if let Some(name) = utf7::decode(message) {
        assert_eq!(utf7::decode(utf7::encode(&name).as_bytes()), Some(name));
    }
}

/// The keyword of a reply: at most one, whatever the message.
pub fn keyword(message: &[u8]) {
    let _ = keyword_of(message);
}

/// The file of care circles, and the table of them.
pub fn circles(text: &str) {
    let _ = care_circles::read(text);
    let _ = circle_import::read(text.as_bytes());
}
