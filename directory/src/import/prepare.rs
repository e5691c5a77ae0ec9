//! The course of an import: read, sort, compare, judge, write.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use time::{Date, OffsetDateTime};

use liaison_base::clock::{from_millis, millis};

use super::{
    FileKind, Options, Quarantine, Report, cards, community, entries, finess, mailboxes, rpps,
    source,
};
use crate::error::DirectoryError;
use crate::model::{Field, Kind, Period, Source, Subject, codes};
use crate::set::claim::Claim;
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
    pub(super) sorter: Sorter,
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
    let mut options = options;
    let about = match kind {
        FileKind::Entries => entries(path, &list, place.now, &mut intake),
        _ => read(kind, path, &list, &mut options, &mut intake),
    };
    about
        .and_then(|about| judge(path, about, intake, &options, place))
        .map_err(|error| (list, error))
}

/// Any other file: row by row.
fn read(
    kind: FileKind,
    path: &Path,
    list: &str,
    options: &mut Options,
    intake: &mut Intake,
) -> Result<About, DirectoryError> {
    let said = source::with_text(path, options.progress.take(), |text| {
        match kind {
            FileKind::Entries => {}
            FileKind::Rpps => rpps::activities(text, path, intake)?,
            FileKind::Skills => rpps::skills(text, path, intake)?,
            FileKind::Mailboxes => mailboxes::mailboxes(text, path, intake)?,
            FileKind::Finess => return finess::former(text, path, intake),
            FileKind::FinessPlus => return finess::plus(text, path, intake),
            FileKind::Community => community::community(text, path, list, intake)?,
            FileKind::Ldif => cards::ldif(text, path, list, intake)?,
            FileKind::Vcard => cards::vcard(text, path, list, intake)?,
            FileKind::Communes => community::communes(text, path, intake)?,
        }
        Ok(None)
    })?;
    let observed_at = options
        .observed_at
        .or(said)
        .or_else(|| source::date_of(path));
    Ok(About {
        list: list.to_owned(),
        source: kind.source(),
        signer: options
            .signer
            .clone()
            .unwrap_or_else(|| kind.signer().to_owned()),
        // To the millisecond, which is what is kept.
        observed_at: from_millis(millis(observed_at.ok_or_else(|| {
            DirectoryError::Columns {
                path: path.to_owned(),
                problem: "its date is not known: say it with --date".to_owned(),
            }
        })?)),
    })
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
    let (file, writer) = new_set(&about.list, place)?;
    let written = place.folder.join(&file);
    let earlier = before.map(|row| place.folder.join(&row.file));
    let since = (about.source == Source::Extract).then(|| about.observed_at.date());
    let (changes, subjects) = write(intake.sorter, earlier.as_deref(), writer, since)?;
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

/// How long a mailbox that the extract no longer lists is still answered, with a warning: the
/// extract is a list of the day without dates, and has left out boxes by mistake.
const KEPT_MISSING: time::Duration = time::Duration::days(7);

/// Writes the sorted claims and compares them with the set before. When `day` is given, mailboxes
/// that have gone are kept as suspected for a while.
fn write(
    sorter: Sorter,
    earlier: Option<&Path>,
    writer: SetWriter,
    day: Option<Date>,
) -> Result<(Comparison, u64), DirectoryError> {
    let mut sorted = sorter.finish()?;
    let mut out = Output {
        earlier: earlier.map(SetReader::open).transpose()?,
        writer,
        changes: Comparison::default(),
        subjects: 0,
        day,
    };
    while let Some((key, claim)) = sorted.next()? {
        out.gone_before(Some(&key))?;
        let change = match &mut out.earlier {
            None => Change::Added,
            Some(earlier) if earlier.key() == Some(key.as_bytes()) => {
                let same = earlier.claim() == claim;
                earlier.advance()?;
                if same {
                    Change::Unchanged
                } else {
                    Change::Changed
                }
            }
            Some(_) => Change::Added,
        };
        out.changes.count(&key, change);
        out.writer.push(&key, &claim)?;
        out.subjects += 1;
    }
    out.gone_before(None)?;
    out.writer.finish()?;
    Ok((out.changes, out.subjects))
}

struct Output {
    earlier: Option<SetReader>,
    writer: SetWriter,
    changes: Comparison,
    subjects: u64,
    day: Option<Date>,
}

impl Output {
    /// Counts what the set before has before `key`; all that is left when there is none.
    fn gone_before(&mut self, key: Option<&str>) -> Result<(), DirectoryError> {
        let Some(earlier) = &mut self.earlier else {
            return Ok(());
        };
        while let Some(before) = earlier
            .key()
            .filter(|before| key.is_none_or(|key| *before < key.as_bytes()))
        {
            let before = String::from_utf8_lossy(before).into_owned();
            let kept = self
                .day
                .and_then(|day| suspected(&before, earlier.claim(), day));
            match kept {
                // It was counted as removed when it went; nothing new is said of it since.
                Some((claim, was_missing)) => {
                    let change = if was_missing {
                        Change::Unchanged
                    } else {
                        Change::Removed
                    };
                    self.changes.count(&before, change);
                    self.writer.push(&before, &claim)?;
                    self.subjects += 1;
                }
                None => self.changes.count(&before, Change::Removed),
            }
            earlier.advance()?;
        }
        Ok(())
    }
}

/// What is still said of a mailbox that has gone, and whether it had gone before; `None` when it
/// has been gone too long, or is no mailbox.
fn suspected(key: &str, claim: &[u8], day: Date) -> Option<(Vec<u8>, bool)> {
    if Subject::parse(key)?.kind() != Kind::Mailbox {
        return None;
    }
    let mut facts: Vec<(Field, &str)> = Claim::read(claim)?.collect();
    let since = facts
        .iter()
        .find(|(field, _)| *field == Field::MissingSince)
        .and_then(|(_, since)| codes::date(since));
    if since.is_some_and(|since| day - since > KEPT_MISSING) {
        return None;
    }
    let today = codes::day(day);
    if since.is_none() {
        facts.push((Field::MissingSince, &today));
    }
    let mut octets = Vec::new();
    claim::encode(Period::ALWAYS, facts.into_iter(), &mut octets);
    Some((octets, since.is_some()))
}

/// A set with a name that no other has: two imports in one millisecond must not meet.
fn new_set(list: &str, place: &Place) -> io::Result<(String, SetWriter)> {
    let mut number = 0_u32;
    loop {
        let name = format!("{}-{}-{number}.set", file_name(list), millis(place.now));
        match SetWriter::create(&place.folder.join(&name)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            created => return Ok((name, created?)),
        }
    }
}

/// A list's name as part of a file name.
fn file_name(list: &str) -> String {
    list.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}
