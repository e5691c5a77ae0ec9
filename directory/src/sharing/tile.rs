//! The parts of a log as it is served (c2sp.org/tlog-tiles), beside the records.
//!
//! `checkpoint`, `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]` are of the specification;
//! `records/<N>` are the records of a bundle's entries as they are now, an erased one empty, and
//! `successions` the checkpoints with which keys handed over. `<N>` is written `x001/x234/067`.

use std::fmt;

/// Hashes of a full tile, entries of a full bundle.
pub(super) const WIDTH: u64 = 256;
/// The highest level of tiles.
const MAX_LEVEL: u8 = 63;

/// A part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The signed state.
    Checkpoint,
    /// The checkpoints with which keys handed over.
    Successions,
    /// Hashes of the tree.
    Hashes {
        /// 0 for leaves.
        level: u8,
        /// Counted from 0 within its level.
        index: u64,
        /// How many hashes; all 256 when absent.
        width: Option<u8>,
    },
    /// Entries.
    Entries {
        /// Counted from 0.
        index: u64,
        /// How many entries; all 256 when absent.
        width: Option<u8>,
    },
    /// Records.
    Records {
        /// Counted from 0.
        index: u64,
    },
}

impl Part {
    /// Reads a path below the log's prefix, without a leading slash; `None` for any other.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        match path {
            "checkpoint" => return Some(Self::Checkpoint),
            "successions" => return Some(Self::Successions),
            _ => {}
        }
        if let Some(rest) = path.strip_prefix("records/") {
            return Some(Self::Records {
                index: number(rest)?,
            });
        }
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, Some(small(width).filter(|width| *width > 0)?)),
            None => (rest, None),
        };
        let index = number(index)?;
        if level == "entries" {
            return Some(Self::Entries { index, width });
        }
        let level = small(level).filter(|level| *level <= MAX_LEVEL)?;
        Some(Self::Hashes {
            level,
            index,
            width,
        })
    }

    /// The bundles of entries and records that hold the entries `from..size` of a log of `size`.
    pub fn bundles(from: u64, size: u64) -> impl Iterator<Item = Self> {
        let first = from / WIDTH;
        let end = size.div_ceil(WIDTH).max(first);
        let end = if from == size { first } else { end };
        (first..end).map(move |index| Self::Entries {
            index,
            width: u8::try_from(size - index * WIDTH).ok(),
        })
    }

    /// Whether it never changes once it is there.
    #[must_use]
    pub fn is_immutable(self) -> bool {
        matches!(self, Self::Hashes { .. } | Self::Entries { .. })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (folder, index, width) = match self {
            Self::Checkpoint => return f.write_str("checkpoint"),
            Self::Successions => return f.write_str("successions"),
            Self::Hashes {
                level,
                index,
                width,
            } => (format!("tile/{level}"), index, *width),
            Self::Entries { index, width } => ("tile/entries".to_owned(), index, *width),
            Self::Records { index } => ("records".to_owned(), index, None),
        };
        f.write_str(&folder)?;
        let mut groups = vec![index % 1000];
        let mut rest = index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        while let Some(group) = groups.pop() {
            let mark = if groups.is_empty() { "" } else { "x" };
            write!(f, "/{mark}{group:03}")?;
        }
        match width {
            Some(width) => write!(f, ".p/{width}"),
            None => Ok(()),
        }
    }
}

/// `x001/x234/067`, in the one way to write it.
fn number(text: &str) -> Option<u64> {
    let mut value = 0_u64;
    let mut groups = text.split('/').peekable();
    let mut first = true;
    while let Some(group) = groups.next() {
        let digits = if groups.peek().is_some() {
            group.strip_prefix('x')?
        } else {
            group
        };
        let plain = digits.len() == 3 && digits.bytes().all(|octet| octet.is_ascii_digit());
        if !plain || (first && digits == "000" && groups.peek().is_some()) {
            return None;
        }
        value = value.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        first = false;
    }
    // Further, a first entry's index would not fit.
    (value < u64::MAX / WIDTH).then_some(value)
}

fn small(text: &str) -> Option<u8> {
    let value: u8 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

/// Why a bundle cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleError {
    /// A length that leads beyond its end.
    Malformed,
    /// More than 256 items, or one longer than it may be.
    Oversized,
}

/// Reads a bundle: items behind their lengths, two octets, the higher first (tlog-tiles, "Log
/// entries"). `longest` is that of one item.
///
/// # Errors
/// [`BundleError`].
pub fn read_bundle(mut octets: &[u8], longest: usize) -> Result<Vec<&[u8]>, BundleError> {
    let mut items = Vec::new();
    while !octets.is_empty() {
        let (length, rest) = octets
            .split_first_chunk::<2>()
            .ok_or(BundleError::Malformed)?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length > longest || items.len() as u64 == WIDTH {
            return Err(BundleError::Oversized);
        }
        let (item, rest) = rest
            .split_at_checked(length)
            .ok_or(BundleError::Malformed)?;
        items.push(item);
        octets = rest;
    }
    Ok(items)
}

/// Writes a bundle; an item longer than 65,535 octets is written empty.
#[must_use]
pub fn write_bundle<'a>(items: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut octets = Vec::new();
    for item in items {
        let length = u16::try_from(item.len()).unwrap_or(0);
        octets.extend_from_slice(&length.to_be_bytes());
        octets.extend_from_slice(item.get(..usize::from(length)).unwrap_or_default());
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        for (part, path) in [
            (Part::Checkpoint, "checkpoint"),
            (
                Part::Hashes {
                    level: 0,
                    index: 1_234_067,
                    width: None,
                },
                "tile/0/x001/x234/067",
            ),
            (
                Part::Entries {
                    index: 273,
                    width: Some(112),
                },
                "tile/entries/273.p/112",
            ),
            (Part::Records { index: 0 }, "records/000"),
        ] {
            assert_eq!(part.to_string(), path);
            assert_eq!(Part::parse(path), Some(part));
        }
    }

    #[test]
    fn other_ways_to_write_a_path_are_refused() {
        for path in [
            "",
            "/checkpoint",
            "tile/0/1",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/00/001",
            "tile/64/001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/01",
            "tile/entries/../../key",
            "records/001.p/3",
            "tile/0/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(Part::parse(path), None, "{path}");
        }
    }

    #[test]
    fn the_bundles_of_a_growth_are_named() {
        let named = |from, size| -> Vec<String> {
            Part::bundles(from, size)
                .map(|part| part.to_string())
                .collect()
        };
        assert_eq!(named(0, 0), Vec::<String>::new());
        assert_eq!(named(256, 256), Vec::<String>::new());
        assert_eq!(named(0, 3), ["tile/entries/000.p/3"]);
        assert_eq!(named(3, 256), ["tile/entries/000"]);
        assert_eq!(
            named(300, 600),
            ["tile/entries/001", "tile/entries/002.p/88"]
        );
    }

    proptest! {
        #[test]
        fn a_path_is_read_back(level in 0_u8..64, index in 0_u64..u64::MAX / 256,
                               width in prop::option::of(1_u8..)) {
            let part = Part::Hashes { level, index, width };
            prop_assert_eq!(Part::parse(&part.to_string()), Some(part));
        }

        #[test]
        fn a_bundle_is_read_back(items in prop::collection::vec(
            prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let octets = write_bundle(items.iter().map(Vec::as_slice));
            prop_assert_eq!(read_bundle(&octets, 40).unwrap(), items);
        }

        #[test]
        fn any_octets_are_read_without_harm(octets in prop::collection::vec(any::<u8>(), 0..60),
                                            path in "\\PC{0,40}") {
            let _ = read_bundle(&octets, 20);
            if let Some(part) = Part::parse(&path) {
                prop_assert_eq!(part.to_string(), path);
            }
        }
    }
}
