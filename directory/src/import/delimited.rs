//! Tables of text: columns by their names, rows that fit or are put aside.

use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;

use super::prepare::Intake;
use crate::error::DirectoryError;
use crate::text;

/// The longest row taken, in octets of its fields.
const MAX_ROW: usize = 64 * 1024;

/// A table whose first row names its columns.
pub(super) struct Table<'a> {
    reader: csv::Reader<&'a mut dyn BufRead>,
    columns: HashMap<String, usize>,
    width: usize,
    record: csv::ByteRecord,
    path: &'a Path,
}

/// A column by the names that it has had, folded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Column(Option<usize>);

/// What became of a row: taken, or put aside for a reason.
pub(super) type Taken = Result<Result<(), &'static str>, DirectoryError>;

/// The next row.
enum Next<'t> {
    /// A row.
    Row(Row<'t>),
    /// A row that cannot be used, why, and its line.
    Unusable(&'static str, u64),
    /// The end.
    End,
}

/// A row with as many fields as there are columns.
pub(super) struct Row<'t> {
    record: &'t csv::ByteRecord,
    /// Its line, from 1.
    line: u64,
}

impl<'a> Table<'a> {
    /// Reads the names of the columns.
    ///
    /// # Errors
    /// [`DirectoryError::Columns`] when there are none.
    pub(super) fn open(
        text: &'a mut dyn BufRead,
        delimiter: u8,
        quotes: bool,
        path: &'a Path,
    ) -> Result<Self, DirectoryError> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .quoting(quotes)
            .flexible(true)
            .has_headers(false)
            .from_reader(text);
        let mut record = csv::ByteRecord::new();
        reader
            .read_byte_record(&mut record)
            .map_err(|error| unreadable(path, error))?;
        let mut columns = HashMap::new();
        for (index, name) in record.iter().enumerate() {
            let name = text::fold(&String::from_utf8_lossy(name));
            if !name.is_empty() {
                columns.entry(name).or_insert(index);
            }
        }
        Ok(Self {
            reader,
            // A trailing delimiter makes an empty last field.
            width: columns.values().max().map_or(0, |last| last + 1),
            columns,
            record,
            path,
        })
    }

    /// The columns that must be there, each by one of its names, and those that may be.
    ///
    /// # Errors
    /// [`DirectoryError::Columns`] with every one that is missing.
    pub(super) fn columns<const N: usize>(
        &self,
        required: [&[&str]; N],
    ) -> Result<[Column; N], DirectoryError> {
        let found = required.map(|names| self.optional(names));
        let missing: Vec<&str> = required
            .iter()
            .zip(found)
            .filter(|(_, column)| column.0.is_none())
            .filter_map(|(names, _)| names.first().copied())
            .collect();
        if missing.is_empty() {
            return Ok(found);
        }
        Err(DirectoryError::Columns {
            path: self.path.to_owned(),
            problem: format!(
                "it lacks the column{} {}",
                if missing.len() > 1 { "s" } else { "" },
                missing
                    .iter()
                    .map(|name| format!("`{name}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        })
    }

    /// A column that may be absent.
    pub(super) fn optional(&self, names: &[&str]) -> Column {
        Column(
            names
                .iter()
                .find_map(|name| self.columns.get(*name).copied()),
        )
    }

    /// Hands every row to `take`. A row that cannot be used, or that `take` gives a reason against,
    /// is put aside.
    ///
    /// # Errors
    /// [`DirectoryError::Read`]; what `take` returned.
    pub(super) fn each(
        &mut self,
        intake: &mut Intake,
        mut take: impl FnMut(&Row<'_>, &mut Intake) -> Taken,
    ) -> Result<(), DirectoryError> {
        loop {
            let (taken, line) = match self.next()? {
                Next::End => return Ok(()),
                Next::Unusable(reason, line) => (Err(reason), line),
                Next::Row(row) => (take(&row, intake)?, row.line),
            };
            intake.rows += 1;
            if let Err(reason) = taken {
                intake.quarantine.add(reason, line);
            }
        }
    }

    fn next(&mut self) -> Result<Next<'_>, DirectoryError> {
        let more = self
            .reader
            .read_byte_record(&mut self.record)
            .map_err(|error| unreadable(self.path, error))?;
        if !more {
            return Ok(Next::End);
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        let record = &self.record;
        Ok(if record.len() < self.width {
            Next::Unusable("it has fewer fields than there are columns", line)
        } else if record.as_slice().len() > MAX_ROW {
            Next::Unusable("it is longer than 64 KiB", line)
        } else if std::str::from_utf8(record.as_slice()).is_err() {
            Next::Unusable("it is not UTF-8", line)
        } else {
            Next::Row(Row { record, line })
        })
    }
}

impl<'t> Row<'t> {
    /// The field of a column, without spaces around it; empty when there is none.
    pub(super) fn get(&self, column: Column) -> &'t str {
        column
            .0
            .and_then(|index| self.record.get(index))
            .and_then(|field| std::str::from_utf8(field).ok())
            .map(str::trim)
            .unwrap_or_default()
    }
}

/// The delimiter of a table: the one of `delimiters` that its first line, which is not consumed,
/// holds most often.
///
/// # Errors
/// [`DirectoryError::Read`].
pub(super) fn delimiter_of(
    text: &mut dyn BufRead,
    delimiters: &[u8],
    path: &Path,
) -> Result<u8, DirectoryError> {
    let head = text.fill_buf().map_err(|cause| DirectoryError::Read {
        path: path.to_owned(),
        cause,
    })?;
    let line = head.split(|octet| *octet == b'\n').next();
    let count = |one: u8| line.map_or(0, |line| line.iter().filter(|octet| **octet == one).count());
    let most = delimiters.iter().copied().max_by_key(|one| count(*one));
    Ok(most.unwrap_or(b';'))
}

fn unreadable(path: &Path, error: csv::Error) -> DirectoryError {
    DirectoryError::Read {
        path: path.to_owned(),
        cause: std::io::Error::other(error),
    }
}
