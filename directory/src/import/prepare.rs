//! The course of an import: read, sort, compare, judge, write.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::{FileKind, Options, Quarantine, Report, entries};
use crate::error::DirectoryError;
use crate::model::{Field, Period, Source, Subject};
use crate::set::compare::Change;
use crate::set::{Comparison, SetReader, SetWriter, Sorter, claim};
use crate::store::ListRow;
use crate::view::ListState;

/// The memory that sorting may take, in octets.
const SORT_BUDGET: usize = 96 * 1024 * 1024;

/// Where an import happens.
pub(crate) struct Place {
    /// The folder of sets.
    pub(crate) folder: PathBuf,
    pub(crate) now: OffsetDateTime,
    pub(crate) accepted_before: Vec<ListRow>,
}

/// A set that is written and may be accepted.
pub(crate) struct Prepared {
    pub(crate) row: ListRow,
    pub(crate) report: Report,
}

/// What a reader gives: its claims go to [`Intake::claim`], its unusable rows to
/// [`Intake::put_aside`].
pub(crate) struct Intake {
    sorter: Sorter,
    octets: Vec<u8>,
    pub(crate) rows: u64,
    pub(crate) quarantine: Quarantine,
}

impl Intake {
    /// Takes what a row says of a subject.
    pub(crate) fn claim<'a>(
        &mut self,
        subject: &Subject,
        facts: impl ExactSizeIterator<Item = (Field, &'a str)>,
    ) -> io::Result<()> {
        self.octets.clear();
        claim::encode(Period::ALWAYS, facts, &mut self.octets);
        self.sorter.push(subject.key(), &self.octets)
    }
}

/// What a file says of itself.
pub(crate) struct About {
    pub(crate) list: String,
    pub(crate) source: Source,
    pub(crate) signer: String,
    pub(crate) observed_at: OffsetDateTime,
}

/// Reads a file and writes the set that may be accepted. With an error comes the name of the list.
pub(crate) fn prepare(
    kind: FileKind,
    path: &Path,
    options: Options,
    place: &Place,
) -> Result<Prepared, (String, DirectoryError)> {
    let list = options
        .list
        .clone()
        .unwrap_or_else(|| kind.word().to_owned());
    let mut intake = Intake {
        sorter: Sorter::new(&place.folder, SORT_BUDGET),
        octets: Vec::new(),
        rows: 0,
        quarantine: Quarantine::default(),
    };
    let about = match kind {
        FileKind::Entries => entries(path, &list, place.now, &mut intake),
    };
    about
        .and_then(|about| judge(path, about, intake, &options, place))
        .map_err(|error| (list, error))
}

/// The settings' own list: taken whole or not at all.
fn entries(
    path: &Path,
    list: &str,
    now: OffsetDateTime,
    intake: &mut Intake,
) -> Result<About, DirectoryError> {
    let catalogue = entries::read(path, now)?;
    for (subject, facts) in catalogue.claims() {
        intake.rows += 1;
        intake.claim(
            &subject,
            facts.iter().map(|(field, value)| (*field, value.as_str())),
        )?;
    }
    Ok(About {
        list: list.to_owned(),
        source: Source::Entries,
        signer: catalogue.about.source,
        observed_at: catalogue.about.as_of,
    })
}

fn judge(
    path: &Path,
    about: About,
    intake: Intake,
    options: &Options,
    place: &Place,
) -> Result<Prepared, DirectoryError> {
    let before = place
        .accepted_before
        .iter()
        .find(|row| row.state.list == about.list);
    let file = format!(
        "{}-{}.set",
        file_name(&about.list),
        place.now.unix_timestamp_nanos()
    );
    let written = place.folder.join(&file);
    let earlier = before.map(|row| place.folder.join(&row.file));
    let (changes, subjects) = write(intake.sorter, earlier.as_deref(), &written)?;
    let report = Report {
        list: about.list.clone(),
        observed_at: about.observed_at,
        rows: intake.rows,
        quarantine: intake.quarantine,
        changes,
    };
    let reasons = refusals(&report, &about, options, before);
    if !reasons.is_empty() {
        // What is not accepted is not kept; a leftover goes with the next import.
        let _ = fs::remove_file(&written);
        return Err(DirectoryError::Refused {
            path: path.to_owned(),
            reasons,
        });
    }
    Ok(Prepared {
        row: ListRow {
            state: ListState {
                list: about.list,
                source: about.source,
                signer: about.signer,
                observed_at: about.observed_at,
                accepted_at: place.now,
                subjects,
                quarantined: report.quarantine.count(),
                refused: None,
            },
            file,
        },
        report,
    })
}

/// Why a set is not accepted; nothing when it is.
fn refusals(
    report: &Report,
    about: &About,
    options: &Options,
    before: Option<&ListRow>,
) -> Vec<String> {
    // The settings' own list is what its operator wrote.
    if options.accept_changes || about.source == Source::Entries {
        return Vec::new();
    }
    let limits = &options.limits;
    let mut reasons = Vec::new();
    let aside = report.quarantine.count();
    if report.rows >= limits.from
        && aside.saturating_mul(100) > report.rows.saturating_mul(u64::from(limits.quarantined))
    {
        reasons.push(format!(
            "{aside} of {} rows cannot be used ({}; the limit is {} %)",
            report.rows, report.quarantine, limits.quarantined
        ));
    }
    if let Some(before) = before {
        reasons.extend(
            report
                .changes
                .tripped(limits)
                .iter()
                .map(ToString::to_string),
        );
        if about.observed_at < before.state.observed_at {
            reasons.push(format!(
                "it is of {}, older than the list of {} that serves",
                about.observed_at.date(),
                before.state.observed_at.date()
            ));
        }
    }
    if report.changes.total().added
        + report.changes.total().changed
        + report.changes.total().unchanged
        == 0
    {
        reasons.push("it has no usable row".to_owned());
    }
    reasons
}

/// Writes the sorted claims and compares them with the set before.
fn write(
    sorter: Sorter,
    earlier: Option<&Path>,
    written: &Path,
) -> Result<(Comparison, u64), DirectoryError> {
    let mut sorted = sorter.finish()?;
    let mut earlier = earlier.map(SetReader::open).transpose()?;
    let mut writer = SetWriter::create(written)?;
    let mut changes = Comparison::default();
    let mut subjects = 0;
    while let Some((key, claim)) = sorted.next()? {
        let change = match &mut earlier {
            None => Change::Added,
            Some(earlier) => {
                while let Some(before) = earlier.key().filter(|before| *before < key.as_bytes()) {
                    changes.count(&String::from_utf8_lossy(before), Change::Removed);
                    earlier.advance()?;
                }
                if earlier.key() == Some(key.as_bytes()) {
                    let same = earlier.claim() == claim;
                    earlier.advance()?;
                    if same {
                        Change::Unchanged
                    } else {
                        Change::Changed
                    }
                } else {
                    Change::Added
                }
            }
        };
        changes.count(&key, change);
        writer.push(&key, &claim)?;
        subjects += 1;
    }
    if let Some(earlier) = &mut earlier {
        while let Some(before) = earlier.key() {
            changes.count(&String::from_utf8_lossy(before), Change::Removed);
            earlier.advance()?;
        }
    }
    writer.finish()?;
    Ok((changes, subjects))
}

/// A list's name as part of a file name.
fn file_name(list: &str) -> String {
    list.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}
