//! Where one LDAP message ends and the next begins.
//!
//! A message is one BER element (RFC 4511 §5.1). Its size is read off its header before anything of
//! it is kept, so that a peer that announces a huge one is refused at once.

/// The largest message of a client, in octets. A search with sixty attributes takes two thousand.
pub(super) const MAX_MESSAGE: usize = 32 * 1024;

/// What stands at the front of the octets received.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// More octets are needed.
    Partial,
    /// A whole message of so many octets.
    Whole(usize),
    /// Nothing that could become a message, or one that is too large.
    Refused(&'static str),
}

/// Looks at the octets received so far.
pub(super) fn look(octets: &[u8]) -> Frame {
    let Some(tag) = octets.first() else {
        return Frame::Partial;
    };
    if *tag != 0x30 {
        return Frame::Refused("not an LDAP message");
    }
    let Some(first) = octets.get(1) else {
        return Frame::Partial;
    };
    let (header, length) = match usize::from(*first) {
        short @ 0..0x80 => (2, short),
        // RFC 4511 §5.1: only the definite form.
        0x80 => return Frame::Refused("indefinite length"),
        // Outlook writes four octets whatever the length.
        long @ 0x81..=0x84 => {
            let count = long - 0x80;
            let Some(digits) = octets.get(2..2 + count) else {
                return Frame::Partial;
            };
            let length = digits
                .iter()
                .fold(0_usize, |sum, digit| (sum << 8) | usize::from(*digit));
            (2 + count, length)
        }
        _ => return Frame::Refused("the message is too large"),
    };
    match header + length {
        whole if whole > MAX_MESSAGE => Frame::Refused("the message is too large"),
        whole if whole <= octets.len() => Frame::Whole(whole),
        _ => Frame::Partial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_once_its_last_octet_is_there() {
        let message = [0x30, 0x05, 0x02, 0x01, 0x01, 0x42, 0x00];
        for end in 0..message.len() {
            assert_eq!(look(&message[..end]), Frame::Partial, "{end}");
        }
        assert_eq!(look(&message), Frame::Whole(7));
        let mut two = message.to_vec();
        two.extend_from_slice(&message);
        assert_eq!(look(&two), Frame::Whole(7));
    }

    #[test]
    fn a_length_in_more_octets_than_it_needs_is_read() {
        let message = [0x30, 0x84, 0, 0, 0, 5, 0x02, 0x01, 0x01, 0x42, 0x00];
        assert_eq!(look(&message), Frame::Whole(11));
        assert_eq!(look(&message[..4]), Frame::Partial);
    }

    #[test]
    fn a_filter_of_a_million_nodes_is_refused_by_the_first_octets_of_its_message() {
        // (|(cn=*)(cn=*)…): context tag 7, length 2, `cn`.
        let filter = [0x87, 2, b'c', b'n'].repeat(1_000_000);
        let length = u32::try_from(filter.len()).unwrap().to_be_bytes();
        let mut message = vec![0x30, 0x84];
        message.extend_from_slice(&length);
        message.extend_from_slice(&filter);
        let seen = (1..=message.len()).find(|end| look(&message[..*end]) != Frame::Partial);
        assert_eq!(seen, Some(6));
        assert!(matches!(look(&message[..6]), Frame::Refused(_)));
    }

    #[test]
    fn what_cannot_become_a_message_is_refused_by_its_header() {
        for octets in [
            &b"GET / HTTP/1.1"[..],
            &[0x30, 0x80],
            &[0x30, 0x85, 0, 0, 0, 0, 1],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0x83, 0x80, 0x00, 0x01],
            &[0x16, 0x03, 0x01],
        ] {
            assert!(matches!(look(octets), Frame::Refused(_)), "{octets:x?}");
        }
    }
}
