//! The message that the command is about: a file or standard input; a mail message, or a bare CMS
//! object, which is read as if a message without any other field had carried it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::Fault;

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A message with a header section.
    Mail,
    /// A CMS object in PEM.
    Pem,
    /// A CMS object in DER or BER.
    Binary,
}

impl Form {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mail => "a mail message",
            Self::Pem => "a bare CMS object in PEM",
            Self::Binary => "a bare CMS object in DER or BER",
        }
    }
}

/// A message, to be read any number of times.
pub(super) struct Input {
    pub(super) form: Form,
    pub(super) octets: u64,
    file: File,
    /// Where the part of the file that is read begins and ends.
    range: (u64, u64),
}

impl Input {
    /// Opens `path`, or takes in standard input for `-`.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let failed = |e: io::Error| Fault::file(path, e);
        let mut file = match path.to_str() {
            Some("-") => spooled(&mut io::stdin().lock()).map_err(failed)?,
            _ => File::open(path).map_err(failed)?,
        };
        let octets = file.seek(SeekFrom::End(0)).map_err(failed)?;
        if octets == 0 {
            return Err(Fault::file(path, "it is empty"));
        }
        file.rewind().map_err(failed)?;
        let mut start = vec![0; 4096];
        let length = read_up_to(&mut file, &mut start).map_err(failed)?;
        start.truncate(length);
        let form = form_of(&start);
        let range = match form {
            Form::Pem => pem_body(&mut file).map_err(failed)?,
            Form::Mail | Form::Binary => (0, octets),
        };
        Ok(Self {
            form,
            octets,
            file,
            range,
        })
    }

    /// The message; a bare object inside one. `from` becomes its From, if it has none.
    pub(super) fn message(&self, from: Option<&str>) -> io::Result<Joined> {
        let body = Part::file(self.file.try_clone()?, self.range)?;
        let encoding = match self.form {
            Form::Mail => return Ok(Joined::new(vec![body])),
            Form::Pem => "base64",
            Form::Binary => "binary",
        };
        let from = from.map_or_else(String::new, |address| format!("From: {address}\r\n"));
        let head = format!(
            "{from}MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; name=smime.p7m\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\r\n"
        );
        Ok(Joined::new(vec![Part::memory(head.into_bytes())?, body]))
    }

    /// A bare signature with the content that is apart from it, as multipart/signed.
    pub(super) fn with_content(&self, content: &Self, from: Option<&str>) -> io::Result<Joined> {
        // "=_" occurs in no base64; a DER signature with this text in it is not to be feared.
        const BOUNDARY: &str = "=_liaison-detached-signature";
        let encoding = match self.form {
            Form::Pem => "base64",
            Form::Mail | Form::Binary => "binary",
        };
        let from = from.map_or_else(String::new, |address| format!("From: {address}\r\n"));
        let head = format!(
            "{from}MIME-Version: 1.0\r\nContent-Type: multipart/signed; \
             protocol=\"application/pkcs7-signature\"; micalg=sha-256; \
             boundary=\"{BOUNDARY}\"\r\n\r\n--{BOUNDARY}\r\n"
        );
        let between = format!(
            "\r\n--{BOUNDARY}\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\r\n"
        );
        let tail = format!("\r\n--{BOUNDARY}--\r\n");
        Ok(Joined::new(vec![
            Part::memory(head.into_bytes())?,
            Part::file(content.file.try_clone()?, content.range)?,
            Part::memory(between.into_bytes())?,
            Part::file(self.file.try_clone()?, self.range)?,
            Part::memory(tail.into_bytes())?,
        ]))
    }
}

/// Standard input in a file without a name: it may be large. It holds what was sent, which is
/// sealed unless its author sent it in clear.
fn spooled(input: &mut dyn Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(input, &mut file)?;
    file.flush()?;
    Ok(file)
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// A CMS object is a SEQUENCE; no header field begins with that octet and a length that DER or
/// BER would have, since a field's name is followed by a colon.
fn form_of(start: &[u8]) -> Form {
    match start {
        [0x30, 0x80..=0x88, ..] => Form::Binary,
        _ if find(start, b"-----BEGIN ").is_some_and(|at| at == 0 || start[at - 1] == b'\n')
            && !is_mail(start) =>
        {
            Form::Pem
        }
        _ => Form::Mail,
    }
}

/// Whether the first line is a header field.
fn is_mail(start: &[u8]) -> bool {
    let line = start.split(|o| *o == b'\n').next().unwrap_or_default();
    let name = line.split(|o| *o == b':').next().unwrap_or_default();
    name.len() < line.len() && !name.is_empty() && name.iter().all(|o| (33..127).contains(o))
}

/// Where the base64 of the first PEM block begins and ends.
fn pem_body(file: &mut File) -> io::Result<(u64, u64)> {
    file.rewind()?;
    let mut reader = BufReader::new(file);
    let (mut position, mut start, mut line) = (0u64, None, Vec::new());
    loop {
        line.clear();
        // A line of a PEM file is short; one that is not ends the search.
        let count = (&mut reader).take(64 * 1024).read_until(b'\n', &mut line)? as u64;
        match start {
            _ if count == 0 => break,
            None if line.starts_with(b"-----BEGIN ") => start = Some(position + count),
            Some(start) if line.starts_with(b"-----END ") => return Ok((start, position)),
            _ => {}
        }
        position += count;
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "the PEM block does not end",
    ))
}

fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    octets
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// Octets that can be read from anywhere, and how many they are.
struct Part {
    source: Box<dyn ReadSeek>,
    start: u64,
    length: u64,
}

trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

impl Part {
    fn memory(octets: Vec<u8>) -> io::Result<Self> {
        let length = octets.len() as u64;
        Ok(Self {
            source: Box::new(Cursor::new(octets)),
            start: 0,
            length,
        })
    }

    fn file(file: File, (start, end): (u64, u64)) -> io::Result<Self> {
        Ok(Self {
            source: Box::new(file),
            start,
            length: end.saturating_sub(start),
        })
    }
}

/// Parts read one after the other as one file.
pub(super) struct Joined {
    parts: Vec<Part>,
    position: u64,
}

impl Joined {
    fn new(parts: Vec<Part>) -> Self {
        Self { parts, position: 0 }
    }

    fn length(&self) -> u64 {
        self.parts.iter().map(|part| part.length).sum()
    }
}

impl Read for Joined {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut offset = self.position;
        for part in &mut self.parts {
            if offset >= part.length {
                offset -= part.length;
                continue;
            }
            // The files of two parts may be one and the same: each read says where.
            part.source.seek(SeekFrom::Start(part.start + offset))?;
            let left = part.length - offset;
            let count = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            let count = part.source.read(&mut buffer[..count])?;
            self.position += count as u64;
            return Ok(count);
        }
        Ok(0)
    }
}

impl Seek for Joined {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let moved = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.length().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = moved.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_by_its_first_octets() {
        assert_eq!(form_of(b"\x30\x80\x06\x09"), Form::Binary);
        assert_eq!(form_of(b"\x30\x82\x10\x00"), Form::Binary);
        assert_eq!(form_of(b"-----BEGIN CMS-----\nMIIB"), Form::Pem);
        assert_eq!(form_of(b"a remark\n-----BEGIN PKCS7-----\n"), Form::Pem);
        assert_eq!(
            form_of(b"From: a@b.test\r\n\r\n-----BEGIN CMS-----\n"),
            Form::Mail
        );
        assert_eq!(form_of(b"0: a field of this name\r\n"), Form::Mail);
        assert_eq!(form_of(b""), Form::Mail);
    }

    #[test]
    fn parts_read_as_one_from_anywhere() {
        let parts = [&b"ab"[..], b"", b"cde"];
        let parts = parts.map(|octets| Part::memory(octets.to_vec()).unwrap());
        let mut joined = Joined::new(parts.into_iter().collect());
        for start in 0..=5u64 {
            joined.seek(SeekFrom::Start(start)).unwrap();
            let mut text = String::new();
            joined.read_to_string(&mut text).unwrap();
            assert_eq!(text, "abcde"[start as usize..]);
        }
        assert_eq!(joined.seek(SeekFrom::End(-1)).unwrap(), 4);
    }
}
