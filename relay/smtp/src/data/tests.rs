use proptest::prelude::*;

use super::*;

fn write(content: &[u8]) -> Vec<u8> {
    Canonical::new(content).unwrap();
    let (mut stuffing, mut wire) = (Stuffing::default(), Vec::new());
    for piece in content.chunks(7) {
        stuffing.write(piece, &mut wire);
    }
    wire.extend(FINAL_DOT);
    wire
}

/// Reads `wire` in pieces of `step` octets; gives the outcome and what was left over.
fn read(wire: &[u8], step: usize, limit: usize) -> (Result<Content, ContentFault>, usize) {
    let mut reader = Reader::new(limit);
    let mut used = 0;
    for piece in wire.chunks(step) {
        let taken = reader.read(piece);
        used += taken;
        if reader.is_complete() {
            break;
        }
        assert_eq!(taken, piece.len(), "input left before the end");
    }
    (reader.finish(), wire.len() - used)
}

fn canonical() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![Just(b'.'), Just(b'a'), Just(0), Just(0xe9), any::<u8>()];
    let line = prop::collection::vec(octet, 0..20).prop_map(|mut line| {
        line.retain(|b| !matches!(b, b'\r' | b'\n'));
        line.extend(b"\r\n");
        line
    });
    prop::collection::vec(line, 0..20).prop_map(|lines| lines.concat())
}

/// Octets that make every kind of line end likely.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a'), Just(0)];
    prop::collection::vec(octet, 0..60)
}

proptest! {
    #[test]
    fn canonical_content_comes_back_as_it_was(content in canonical(), step in 1usize..40) {
        let mut wire = write(&content);
        wire.extend(b"QUIT\r\n");
        let (outcome, left) = read(&wire, step, 1 << 20);
        prop_assert_eq!(outcome.unwrap().into_bytes(), content);
        prop_assert!(left <= 6);
    }

    #[test]
    fn chunks_bring_the_same_content_or_the_same_fault(wire in hostile(), cut in 1usize..60, step in 1usize..10) {
        let mut reader = ChunkReader::new(1 << 20);
        for (index, chunk) in wire.chunks(cut).enumerate() {
            reader.begin(chunk.len() as u64, (index + 1) * cut >= wire.len());
            let mut rest = chunk;
            while !rest.is_empty() {
                let taken = reader.read(&rest[..step.min(rest.len())]);
                rest = &rest[taken..];
            }
            prop_assert!(reader.is_complete());
        }
        match (reader.finish(), Canonical::new(&wire)) {
            (Ok(content), Ok(_)) => prop_assert_eq!(content.into_bytes(), wire),
            (Err(ours), Err(fault)) => prop_assert_eq!(ours, fault),
            (ours, _) => prop_assert!(false, "{ours:?}"),
        }
    }

    #[test]
    fn what_is_taken_early_and_what_is_held_make_the_content(content in canonical(), step in 1usize..40, hold in 0usize..30) {
        let wire = write(&content);
        let (mut reader, mut taken) = (Reader::new(1 << 20), Vec::new());
        for piece in wire.chunks(step) {
            reader.read(piece);
            taken.extend(reader.spill(hold).unwrap_or_default());
        }
        let last = reader.finish().unwrap();
        prop_assert_eq!(last.len(), content.len() as u64);
        prop_assert_eq!(last.is_eight_bit(), !content.is_ascii());
        taken.extend(last.into_bytes());
        prop_assert_eq!(taken, content);
    }

    #[test]
    fn the_end_is_at_the_first_crlf_dot_crlf_and_nowhere_else(
        wire in hostile(),
        step in 1usize..10,
    ) {
        let mut framed = b"\r\n".to_vec();
        framed.extend(&wire);
        let end = framed.windows(5).position(|w| w == b"\r\n.\r\n").map(|at| at + 3);
        let mut reader = Reader::new(1 << 20);
        let mut used = 0;
        for piece in wire.chunks(step) {
            used += reader.read(piece);
            if reader.is_complete() {
                break;
            }
        }
        prop_assert_eq!(reader.is_complete().then_some(used), end);
    }

    #[test]
    fn accepted_content_is_canonical(wire in hostile(), step in 1usize..10) {
        let mut wire = wire;
        wire.extend(b"\r\n.\r\n");
        if let (Ok(content), _) = read(&wire, step, 1 << 20) {
            prop_assert!(Canonical::new(content.as_bytes()).is_ok());
        }
    }
}

/// The end-of-data forms of SMTP smuggling (SEC Consult 2023, CVE-2023-51764 to 51766) and
/// of readers that mend line ends: each must be content, and the content refused.
#[test]
fn every_smuggling_form_is_refused_with_what_follows_it() {
    let forms: [&[u8]; 16] = [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r\n.\r",
        b"\n.\r",
        b"\r.\n",
        b"\r\n.\r\r\n",
        b"\r\r\n.\r\r\n",
        b"\n\n.\r\n",
        b"\r\n\0.\n",
        b"\r\n.\0\n",
        b"\n\r.\r\n",
        b"\r\n.\n\r\n",
        b"\r\n.\r\0\n",
    ];
    for form in forms {
        let mut wire = b"Subject: one\r\n\r\nfirst".to_vec();
        wire.extend(form);
        wire.extend(b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\nsecond\r\n.\r\n");
        for step in [1, 2, 3, 7, 1000] {
            let (outcome, left) = read(&wire, step, 1 << 20);
            assert_eq!(left, 0, "{form:?} ended the message");
            assert!(
                matches!(outcome, Err(ContentFault::BareCr | ContentFault::BareLf)),
                "{form:?} was accepted"
            );
        }
    }
}

/// `CR CR LF . CR LF` holds a true end, before which a CR stands alone.
#[test]
fn a_doubled_cr_before_the_true_end_spoils_the_message() {
    let (outcome, left) = read(b"a\r\r\n.\r\nQUIT\r\n", 1, 100);
    assert_eq!((outcome, left), (Err(ContentFault::BareCr), 6));
}

#[test]
fn dots_are_added_and_removed_on_every_line() {
    assert_eq!(write(b"..x\r\n.\r\na\r\n"), b"...x\r\n..\r\na\r\n.\r\n");
    assert_eq!(write(b""), b".\r\n");
    let (outcome, _) = read(b"..\r\n...x\r\n.y\r\n.\r\n", 1, 100);
    assert_eq!(outcome.unwrap().as_bytes(), b".\r\n..x\r\ny\r\n");
}

#[test]
fn more_than_the_limit_is_read_to_its_end_and_not_kept() {
    let mut wire = vec![b'a'; 5000];
    wire.extend(b"\r\n.\r\nNOOP\r\n");
    assert_eq!(
        read(&wire, 100, 5001),
        (Err(ContentFault::TooLarge), b"NOOP\r\n".len())
    );
    assert_eq!(read(&wire, 100, 5002).0.unwrap().len(), 5002);
    let mut reader = Reader::new(10);
    reader.read(&wire[..4000]);
    assert_eq!((reader.kept.held.capacity(), reader.excess()), (0, 3990));
}

#[test]
fn content_that_would_need_mending_is_not_sent() {
    for (content, fault) in [
        (&b"a\nb\r\n"[..], ContentFault::BareLf),
        (b"a\rb\r\n", ContentFault::BareCr),
        (b"a\r\r\n", ContentFault::BareCr),
        (b"a\r\n\n", ContentFault::BareLf),
        (b"a\r\nb", ContentFault::Unterminated),
        (b"a\r", ContentFault::BareCr),
    ] {
        assert_eq!(Canonical::new(content).err(), Some(fault), "{content:?}");
    }
}

#[test]
fn debug_output_shows_no_content() {
    let (outcome, _) = read(b"Subject: secret\r\n.\r\n", 5, 100);
    let shown = format!("{:?}", outcome.unwrap());
    assert_eq!(shown, "Content(17 octets)");
}
