//! Opening what is imported: plain or in a zip archive, UTF-8 or Latin-1, with its progress told.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _};
use std::path::Path;

use time::{Date, Month, OffsetDateTime};

use super::Progress;
use crate::error::DirectoryError;

/// The most octets that are read of one file, unpacked: ten times the largest national file.
const MAX_UNPACKED: u64 = 8 * 1024 * 1024 * 1024;
/// How many octets are read between two tellings of the progress.
const STEP: u64 = 4 * 1024 * 1024;
/// How much of a file is looked at to know its encoding.
const SAMPLE: usize = 256 * 1024;

/// Opens a file and hands its text to `read`. Of a zip archive the largest file is taken: the
/// national ones hold a single one.
///
/// # Errors
/// [`DirectoryError::Read`]; what `read` returned.
pub(super) fn with_text<T>(
    path: &Path,
    progress: Option<Progress>,
    read: impl FnOnce(&mut dyn BufRead) -> Result<T, DirectoryError>,
) -> Result<T, DirectoryError> {
    let unreadable = |cause| DirectoryError::Read {
        path: path.to_owned(),
        cause,
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut head = [0; 4];
    let length = file.read(&mut head).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let counted = |source: &mut dyn Read, total| {
        let counted = Counted {
            source: source.take(MAX_UNPACKED),
            read: 0,
            told: 0,
            total,
            progress,
        };
        let mut buffered = BufReader::with_capacity(SAMPLE, counted);
        let is_utf8 = starts_as_utf8(buffered.fill_buf().map_err(unreadable)?);
        if is_utf8 {
            skip_mark(&mut buffered).map_err(unreadable)?;
            read(&mut buffered)
        } else {
            read(&mut BufReader::with_capacity(SAMPLE, Latin1::new(buffered)))
        }
    };
    if head.get(..length) == Some(b"PK\x03\x04") {
        let wrong = |error: zip::result::ZipError| unreadable(io::Error::other(error));
        let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(wrong)?;
        let mut largest = (0, 0);
        for index in 0..archive.len() {
            let size = archive.by_index_raw(index).map_err(wrong)?.size();
            if size >= largest.1 {
                largest = (index, size);
            }
        }
        let mut entry = archive.by_index(largest.0).map_err(wrong)?;
        return counted(&mut entry, largest.1);
    }
    let total = file.metadata().map_err(unreadable)?.len();
    counted(&mut file, total)
}

/// The date of a file: in its name (`..._202611220612.txt`), else when it was last written.
pub(super) fn date_of(path: &Path) -> Option<OffsetDateTime> {
    let name = path.file_name()?.to_str()?;
    let dated = name
        .split(|c: char| !c.is_ascii_digit())
        .find_map(|digits| {
            let number = |range: std::ops::Range<usize>| digits.get(range)?.parse::<u8>().ok();
            let year: i32 = digits.get(..4)?.parse().ok()?;
            let month = Month::try_from(number(4..6)?).ok()?;
            let day = Date::from_calendar_date(year, month, number(6..8)?).ok()?;
            (2000..2200)
                .contains(&year)
                .then(|| day.midnight().assume_utc())
        });
    dated.or_else(|| {
        let modified = std::fs::metadata(path).ok()?.modified().ok()?;
        Some(OffsetDateTime::from(modified))
    })
}

/// Whether a text that is cut anywhere starts as UTF-8.
fn starts_as_utf8(sample: &[u8]) -> bool {
    match std::str::from_utf8(sample) {
        Ok(_) => true,
        // Cut inside a character.
        Err(error) => error.error_len().is_none(),
    }
}

fn skip_mark(text: &mut impl BufRead) -> io::Result<()> {
    if text.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        text.consume(3);
    }
    Ok(())
}

struct Counted<R> {
    source: R,
    read: u64,
    told: u64,
    total: u64,
    progress: Option<Progress>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.read += read as u64;
        if (self.read - self.told >= STEP || read == 0)
            && let Some(progress) = &mut self.progress
        {
            self.told = self.read;
            progress(self.read, self.total);
        }
        Ok(read)
    }
}

/// Latin-1 octets as UTF-8: each is the character of its number.
struct Latin1<R> {
    source: R,
    /// The second octet of a character for which there was no room.
    left: Option<u8>,
}

impl<R> Latin1<R> {
    fn new(source: R) -> Self {
        Self { source, left: None }
    }
}

impl<R: BufRead> Read for Latin1<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut written = 0;
        if let (Some(octet), Some(slot)) = (self.left, buffer.first_mut()) {
            *slot = octet;
            self.left = None;
            written = 1;
        }
        let octets = self.source.fill_buf()?;
        let mut taken = 0;
        for octet in octets {
            let Some(room) = buffer.get_mut(written..).filter(|room| !room.is_empty()) else {
                break;
            };
            taken += 1;
            let mut utf8 = [0; 2];
            let utf8 = char::from(*octet).encode_utf8(&mut utf8).as_bytes();
            for (slot, octet) in room.iter_mut().zip(utf8) {
                *slot = *octet;
            }
            if room.len() < utf8.len() {
                self.left = utf8.last().copied();
                written += 1;
            } else {
                written += utf8.len();
            }
        }
        self.source.consume(taken);
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn latin_1_becomes_utf_8_in_pieces_of_any_size() {
        for size in 1..5 {
            let mut reader = Latin1::new(&b"H\xe9l\xe8ne \xc9t\xe9"[..]);
            let mut text = Vec::new();
            let mut piece = vec![0; size];
            loop {
                let read = reader.read(&mut piece).unwrap();
                if read == 0 {
                    break;
                }
                text.extend_from_slice(&piece[..read]);
            }
            assert_eq!(String::from_utf8(text).unwrap(), "Hélène Été");
        }
    }

    #[test]
    fn a_date_is_read_from_the_name() {
        let path = Path::new("/x/PS_LibreAcces_Personne_activite_202611220612.txt");
        assert_eq!(date_of(path), Some(datetime!(2026-11-22 0:00 UTC)));
    }
}
