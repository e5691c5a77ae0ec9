//! Bodies: header sections and transfer encodings of layers, the two parts of multipart/signed.

use memchr::memmem;

use super::{ContentType, Entity, MimeError};
use crate::limits::Limits;
use crate::spool::Spool;
use crate::stream::{Fault, Source, Step, View, drain};

/// The header section that a layer begins with, its blank line included, of bounded size.
pub(crate) fn read_section(source: &mut dyn Source, limits: &Limits) -> Result<Vec<u8>, Fault> {
    let mut section = Vec::with_capacity(2048);
    let mut line_start = 0;
    loop {
        let chunk = source.chunk()?;
        if chunk.is_empty() {
            return Ok(section);
        }
        let before = section.len();
        let room = limits.header_octets + 3 - before.min(limits.header_octets + 2);
        section.extend_from_slice(&chunk[..chunk.len().min(room)]);
        let taken = section.len() - before;
        let mut from = before;
        while let Some(lf) = memchr::memchr(b'\n', &section[from..]) {
            let end = from + lf + 1;
            if matches!(&section[line_start..end], b"\n" | b"\r\n") {
                section.truncate(end);
                source.consume(end - before);
                return Ok(section);
            }
            line_start = end;
            from = end;
        }
        source.consume(taken);
        if section.len() > limits.header_octets + 2 {
            // What is no header at all is told as that, whatever its size.
            Entity::read(&section[..line_start], limits)?;
            if line_start == 0 && !section.contains(&b':') {
                return Err(Fault::Malformed("a header line is not a field"));
            }
            return Err(Fault::TooLarge {
                what: "octets of a header section",
                limit: limits.header_octets,
            });
        }
    }
}

/// The octets of a CMS body, its transfer encoding undone.
pub(crate) fn decoded_body(
    entity: &Entity<'_>,
    body: &View,
    spool: &mut Spool<'_>,
) -> Result<View, Fault> {
    let encoding = entity
        .single("Content-Transfer-Encoding")?
        .map(|f| f.unfolded().to_ascii_lowercase())
        .unwrap_or_default();
    match encoding.as_slice() {
        b"base64" => return Ok(body.then(Step::Base64)),
        // Without a true encoding the octets are DER or BER: a SEQUENCE.
        b"" | b"binary" | b"8bit" | b"7bit"
            if body.open(spool)?.chunk()?.first() == Some(&0x30) =>
        {
            return Ok(body.clone());
        }
        _ => {}
    }
    Err(Fault::Malformed("a CMS body is neither base64 nor binary"))
}

/// The two parts of a multipart/signed body, as signed: without the line ending that belongs to
/// the delimiter (RFC 1847 §2.1, RFC 2046 §5.1.1).
pub(crate) struct TwoParts {
    /// Where in the body the first part begins, and its length.
    pub(crate) first: (u64, u64),
    /// The second part.
    pub(crate) second: Vec<u8>,
}

/// The boundary of a multipart/signed.
pub(crate) fn boundary(content_type: &ContentType) -> Result<&str, MimeError> {
    content_type
        .parameter("boundary")
        .filter(|b| !b.is_empty() && b.len() <= 200)
        .ok_or(MimeError::Malformed("multipart/signed without a boundary"))
}

/// Reads a multipart/signed body: `first` is fed its first part. Any other number of parts than
/// two is refused, and a second part of more than `limit` octets.
pub(crate) fn two_parts(
    body: &mut dyn Source,
    boundary: &str,
    limit: usize,
    first: impl FnMut(&[u8]),
) -> Result<TwoParts, Fault> {
    let needle = [b"--", boundary.as_bytes()].concat();
    let mut splitter = Splitter {
        finder: memmem::Finder::new(&needle),
        needle: &needle,
        buffer: Vec::new(),
        position: 0,
        at_line_start: true,
        from: 0,
        part: Part::Preamble,
        parts: TwoParts {
            first: (0, 0),
            second: Vec::new(),
        },
        limit,
        sink: first,
    };
    loop {
        let chunk = body.chunk()?;
        let chunk = &chunk[..chunk.len().min(64 * 1024)];
        let count = chunk.len();
        splitter.buffer.extend_from_slice(chunk);
        body.consume(count);
        if splitter.advance(count == 0)? {
            return Ok(splitter.parts);
        }
        if count == 0 {
            return Err(COUNT);
        }
    }
}

const COUNT: Fault = Fault::Malformed("multipart/signed does not have two parts");
/// A delimiter line is not longer than this, the white space at its end included.
const DELIMITER: usize = 1000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Preamble,
    First,
    Second,
}

struct Splitter<'n, F> {
    finder: memmem::Finder<'n>,
    needle: &'n [u8],
    /// What is not yet known to be content: it may hold the beginning of a delimiter line.
    buffer: Vec<u8>,
    /// Octets before the buffer.
    position: u64,
    /// Whether the buffer begins a line.
    at_line_start: bool,
    /// Where in the buffer to look on.
    from: usize,
    part: Part,
    parts: TwoParts,
    limit: usize,
    sink: F,
}

impl<F: FnMut(&[u8])> Splitter<'_, F> {
    /// Takes what the buffer holds; whether the closing delimiter was met.
    fn advance(&mut self, at_end: bool) -> Result<bool, Fault> {
        while let Some(found) = self.finder.find(&self.buffer[self.from..]) {
            let start = self.from + found;
            let begins_line = match start.checked_sub(1) {
                Some(before) => self.buffer[before] == b'\n',
                None => self.at_line_start,
            };
            let after = start + self.needle.len();
            let line = &self.buffer[after..];
            let ending = memchr::memchr(b'\n', &line[..line.len().min(DELIMITER)]);
            if begins_line && ending.is_none() && !at_end && line.len() < DELIMITER {
                // The line goes on in what comes next.
                self.from = start;
                return self.pass_on(start).map(|()| false);
            }
            let end = ending.map_or(line.len(), |lf| lf + 1);
            let rest = line[..end].trim_ascii_end();
            let complete = ending.is_some() || at_end;
            if !begins_line || !complete || !(rest.is_empty() || rest == b"--") {
                self.from = start + 1;
                continue;
            }
            let closes = !rest.is_empty();
            let next = after + end;
            if self.delimiter(start, next, closes)? {
                return Ok(true);
            }
        }
        if at_end {
            return Ok(false);
        }
        let held = self.needle.len() + 1;
        let passed = self.buffer.len().saturating_sub(held);
        self.from = self.from.max(passed);
        self.pass_on(passed)?;
        Ok(false)
    }

    /// A delimiter line from `start` to `next`; whether it was the last.
    fn delimiter(&mut self, start: usize, next: usize, closes: bool) -> Result<bool, Fault> {
        let before = &self.buffer[..start];
        let before = before.strip_suffix(b"\n").unwrap_or(before);
        let content_end = before.strip_suffix(b"\r").unwrap_or(before).len();
        self.content(content_end)?;
        let content_end = self.position + content_end as u64;
        let next_position = self.position + next as u64;
        self.buffer.drain(..next);
        self.position = next_position;
        self.at_line_start = true;
        self.from = 0;
        match (self.part, closes) {
            (Part::Preamble, false) => {
                self.part = Part::First;
                self.parts.first.0 = next_position;
                Ok(false)
            }
            (Part::First, false) => {
                self.part = Part::Second;
                let start = self.parts.first.0;
                self.parts.first.1 = content_end.saturating_sub(start);
                Ok(false)
            }
            (Part::Second, true) => Ok(true),
            _ => Err(COUNT),
        }
    }

    /// Gives the first octets of the buffer, but for a line ending that may belong to a delimiter
    /// after them, to the part that they are of.
    fn pass_on(&mut self, count: usize) -> Result<(), Fault> {
        let count = count.saturating_sub(2);
        if count == 0 {
            return Ok(());
        }
        self.content(count)?;
        self.at_line_start = self.buffer[count - 1] == b'\n';
        self.buffer.drain(..count);
        self.position += count as u64;
        self.from -= count;
        Ok(())
    }

    fn content(&mut self, count: usize) -> Result<(), Fault> {
        let octets = &self.buffer[..count];
        match self.part {
            Part::Preamble => {}
            Part::First => (self.sink)(octets),
            Part::Second => {
                if self.parts.second.len() + octets.len() > self.limit {
                    return Err(Fault::TooLarge {
                        what: "octets of a signature",
                        limit: self.limit,
                    });
                }
                self.parts.second.extend_from_slice(octets);
            }
        }
        Ok(())
    }
}

/// Everything that a layer holds, if it is at most `limit` octets.
pub(crate) fn read_whole(source: &mut dyn Source, limit: usize) -> Result<Option<Vec<u8>>, Fault> {
    let mut whole = Vec::new();
    let total = drain(source, |octets| {
        let room = limit.saturating_sub(whole.len()).min(octets.len());
        whole.extend_from_slice(&octets[..room]);
        Ok(())
    })?;
    Ok((total <= limit as u64).then_some(whole))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Dribble<'a>(&'a [u8], usize);

    impl Source for Dribble<'_> {
        fn chunk(&mut self) -> Result<&[u8], Fault> {
            Ok(&self.0[..self.0.len().min(self.1)])
        }

        fn consume(&mut self, count: usize) {
            self.0 = &self.0[count..];
        }
    }

    fn parts(body: &[u8], at_once: usize) -> Result<(Vec<u8>, Vec<u8>), Fault> {
        let mut first = Vec::new();
        let read = two_parts(&mut Dribble(body, at_once), "b", 1000, |octets| {
            first.extend_from_slice(octets);
        })?;
        let (start, length) = read.first;
        let (start, length) = (start as usize, length as usize);
        assert_eq!(first, body[start..start + length]);
        Ok((first, read.second))
    }

    #[test]
    fn the_line_ending_before_a_delimiter_is_not_signed() {
        let body = b"preamble\r\n--b\r\nA: 1\r\n\r\ntext\r\n\r\n--b \r\nB: 2\r\n\r\nx\r\n--b--\r\nepilogue";
        for at_once in 1..100 {
            let (first, second) = parts(body, at_once).unwrap();
            assert_eq!(first, b"A: 1\r\n\r\ntext\r\n");
            assert_eq!(second, b"B: 2\r\n\r\nx");
        }
    }

    #[test]
    fn one_or_three_parts_are_refused() {
        for body in [
            "",
            "--b--",
            "--b\r\nx\r\n--b--\r\n",
            "--b\r\n1\r\n--b\r\n2\r\n--b\r\n3\r\n--b--",
            "--b\r\n1\r\n--b\r\n2",
            "--b\r\n1\r\n--b\r\n2\r\n--bb--",
            "--b\r\n1\r\n--b\r\n2\r\n--b-",
        ] {
            for at_once in [1, 2, 3, 5, 100] {
                assert!(parts(body.as_bytes(), at_once).is_err(), "{body}");
            }
        }
    }

    #[test]
    fn lines_that_only_look_like_delimiters_are_content() {
        let body = b"--b\n--bc\nx --b\n --b\n--b-\n\n--b\n2\n--b--";
        for at_once in 1..40 {
            let (first, second) = parts(body, at_once).unwrap();
            assert_eq!(first, b"--bc\nx --b\n --b\n--b-\n");
            assert_eq!(second, b"2");
        }
    }

    #[test]
    fn what_is_held_is_bounded() {
        let long = [b"--b\n", &vec![b'x'; 200_000][..], b"\n--b\n2\n--b--"].concat();
        assert_eq!(parts(&long, 7).unwrap().0.len(), 200_000);
        let large = [b"--b\n1\n--b\n", &vec![b'x'; 1001][..], b"\n--b--"].concat();
        assert!(matches!(parts(&large, 64), Err(Fault::TooLarge { .. })));
    }

    /// The delimiter lines as one would write it who holds the whole body.
    fn expected(body: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut delimiters = Vec::new();
        let mut at = 0;
        while at < body.len() {
            let end = body[at..]
                .iter()
                .position(|o| *o == b'\n')
                .map_or(body.len(), |lf| at + lf + 1);
            if let Some(rest) = body[at..end].strip_prefix(b"--b") {
                let rest = rest.trim_ascii_end();
                if rest.is_empty() || rest == b"--" {
                    let before = body[..at].strip_suffix(b"\n").unwrap_or(&body[..at]);
                    let before = before.strip_suffix(b"\r").unwrap_or(before);
                    delimiters.push((before.len(), end, !rest.is_empty()));
                }
            }
            at = end;
        }
        let [
            (_, first, false),
            (first_end, second, false),
            (second_end, _, true),
            ..,
        ] = delimiters[..]
        else {
            return None;
        };
        let part = |from: usize, to: usize| body[from..to.max(from)].to_vec();
        Some((part(first, first_end), part(second, second_end)))
    }

    proptest! {
        #[test]
        fn the_parts_do_not_depend_on_the_chunks(
            lines in prop::collection::vec(prop::sample::select(&["--b\r\n", "--b\n", "--b--\n", "x\r\n", "\n", "--bx\n", "-", "\r", "--b "][..]), 0..12),
            at_once in 1usize..9,
        ) {
            let body = lines.concat();
            prop_assert_eq!(parts(body.as_bytes(), at_once).ok(), expected(body.as_bytes()));
        }

        #[test]
        fn a_section_ends_at_its_blank_line(text in "[a:\r\n ]{0,30}", at_once in 1usize..9) {
            let octets = text.as_bytes();
            let section = read_section(&mut Dribble(octets, at_once), &Limits::default()).unwrap();
            prop_assert!(octets.starts_with(&section));
            let blank = section.is_empty() || section == octets || section.ends_with(b"\n\n")
                || section.ends_with(b"\n\r\n") || matches!(&section[..], b"\n" | b"\r\n");
            prop_assert!(blank, "{:?}", section);
            let whole = Entity::read(octets, &Limits::default()).map(|e| e.fields.len());
            let part = Entity::read(&section, &Limits::default()).map(|e| e.fields.len());
            prop_assert_eq!(whole.ok(), part.ok());
        }
    }
}
