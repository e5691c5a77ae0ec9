//! The organisation's own log: a folder as c2sp.org/tlog-tiles serves it.
//!
//! One writer at a time, by a lock on the folder. Records and tiles are durable before the
//! checkpoint that covers them takes the place of the one before: after a crash the earlier
//! checkpoint stands, and what lies beyond it is written anew.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_base::tlog::cosignature::Cosigner;
use liaison_base::tlog::merkle::{Node, Tree};
use liaison_base::tlog::note::{Checkpoint, Origin, Signer, VerifierKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use time::OffsetDateTime;

use super::authority::Delegation;
use super::facts::{Facts, by_field, own_name};
use super::key::{read_key, refused, signers};
use super::record::{
    Content, ENTRY, Endorsement, Entry, MAX_RECORD, Record, SALT, Sealed, Statement,
};
use super::settings::LogSettings;
use super::tile::{Part, WIDTH, read_bundle, write_bundle};
use crate::error::DirectoryError;
use crate::model::{Assertion, Field, Kind, Period, Subject};

/// The own log.
#[derive(Debug)]
pub struct OwnLog {
    folder: PathBuf,
    origin: Origin,
    key: PathBuf,
    delegation: Delegation,
}

/// An entry of the own log with its record, unless that was erased.
pub type OwnEntry = (Entry, Option<Sealed>);

impl OwnLog {
    /// Opens the log of the settings. The folder is made if absent; the key must be there.
    ///
    /// # Errors
    /// [`DirectoryError::Sharing`].
    pub fn open(settings: &LogSettings) -> Result<Self, DirectoryError> {
        let origin = Origin::parse(&settings.origin)
            .map_err(|error| refused(Path::new("[directory.sharing.log]"), error.to_string()))?;
        let delegation = Delegation::new(&settings.domains, &settings.organisations)
            .filter(|_| !settings.domains.is_empty());
        let log = Self {
            folder: settings.folder.clone(),
            origin,
            key: settings.key.clone(),
            delegation: delegation.ok_or_else(|| {
                refused(
                    Path::new("[directory.sharing.log]"),
                    "it needs a mail domain, and identifiers such as finess:000000018",
                )
            })?,
        };
        fs::create_dir_all(&log.folder).map_err(|error| log.failed(&error))?;
        log.signers()?;
        Ok(log)
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.origin.as_str()
    }

    /// What the organisation speaks for.
    #[must_use]
    pub fn delegation(&self) -> &Delegation {
        &self.delegation
    }

    /// The key that signs.
    ///
    /// # Errors
    /// [`DirectoryError::Sharing`].
    pub fn verifier(&self) -> Result<VerifierKey, DirectoryError> {
        Ok(self.signers()?.0.verifier().clone())
    }

    /// The signed checkpoint; `None` before the first entry.
    ///
    /// # Errors
    /// [`DirectoryError::Sharing`].
    pub fn note(&self) -> Result<Option<String>, DirectoryError> {
        match fs::read_to_string(self.path(Part::Checkpoint)) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Every entry that the checkpoint covers.
    ///
    /// # Errors
    /// [`DirectoryError::Sharing`] when the folder is not as this program left it: nothing is
    /// signed over it.
    pub fn entries(&self) -> Result<Vec<OwnEntry>, DirectoryError> {
        let Some(note) = self.note()? else {
            return Ok(Vec::new());
        };
        let checkpoint = Checkpoint::unverified(&note)
            .map_err(|error| refused(&self.folder, error.to_string()))?;
        let mut entries = Vec::new();
        for part in Part::bundles(0, checkpoint.size) {
            let Part::Entries { index, .. } = part else {
                continue;
            };
            let bundle = self.read(part)?;
            let records = self.read(Part::Records { index })?;
            let broken = || refused(&self.folder, format!("`{part}` cannot be read"));
            let items = read_bundle(&bundle, ENTRY).map_err(|_| broken())?;
            let records = read_bundle(&records, SALT + MAX_RECORD).map_err(|_| broken())?;
            for (item, record) in items.iter().zip(records) {
                let entry = Entry::read(item).ok_or_else(broken)?;
                let sealed = Sealed::read(record);
                entries.push((entry, sealed));
            }
        }
        let tree = Tree::of(entries.iter().map(|(entry, _)| entry.leaf()));
        if tree.root_at(checkpoint.size) != Some(checkpoint.root) || tree.size() != checkpoint.size
        {
            return Err(refused(
                &self.folder,
                "its entries are not those of its checkpoint: put the folder back from a copy \
                 that is whole and as new",
            ));
        }
        Ok(entries)
    }

    /// What the log says of each subject now.
    ///
    /// # Errors
    /// As [`OwnLog::entries`].
    pub fn said(&self) -> Result<BTreeMap<Subject, Facts>, DirectoryError> {
        let mut said: BTreeMap<Subject, Facts> = BTreeMap::new();
        for (_, sealed) in self.entries()? {
            let record = sealed.and_then(|sealed| Record::read(&sealed.record));
            let Some(Content::Said(one)) = record.map(|record| record.content) else {
                continue;
            };
            let facts = said.entry(one.subject.clone()).or_default();
            facts.period = one.period;
            for (field, values) in by_field(&one.facts) {
                facts.values.insert(field, values);
            }
        }
        for facts in said.values_mut() {
            facts.values.retain(|_, values| !values.is_empty());
        }
        said.retain(|_, facts| !facts.values.is_empty());
        Ok(said)
    }

    /// Appends what the organisation says now and the log does not yet, and takes back what it no
    /// longer says. `assertions` are what this directory holds of its own sources; what the
    /// organisation may not speak for is left out. Gives the number of new entries.
    ///
    /// # Errors
    /// [`DirectoryError::Sharing`].
    pub fn publish(
        &self,
        assertions: &[Assertion],
        now: OffsetDateTime,
    ) -> Result<usize, DirectoryError> {
        let _lock = self.lock()?;
        let mut wanted = self.wanted(assertions);
        let mut changes = Vec::new();
        for (subject, old) in self.said()? {
            let new = wanted.remove(&subject).unwrap_or_default();
            let mut facts = Vec::new();
            for field in old
                .values
                .keys()
                .filter(|field| !new.values.contains_key(field))
            {
                facts.push((*field, String::new()));
            }
            let moved = old.period != new.period && !new.values.is_empty();
            for (field, values) in &new.values {
                if moved || old.values.get(field) != Some(values) {
                    facts.extend(values.iter().map(|value| (*field, value.clone())));
                }
            }
            if !facts.is_empty() {
                changes.push((subject, new.period, facts));
            }
        }
        for (subject, new) in wanted {
            let facts = new
                .values
                .iter()
                .flat_map(|(field, values)| values.iter().map(|value| (*field, value.clone())));
            changes.push((subject, new.period, facts.collect()));
        }
        let contents = changes.into_iter().map(|(subject, period, facts)| {
            Content::Said(Statement {
                subject,
                period,
                facts,
                endorsement: None,
            })
        });
        self.add(contents.collect(), now)
    }

    fn wanted(&self, assertions: &[Assertion]) -> BTreeMap<Subject, Facts> {
        let mut wanted: BTreeMap<Subject, Facts> = BTreeMap::new();
        let domain = self.delegation.domains().first();
        let domain = domain.map_or("", |domain| domain.as_str());
        for assertion in assertions {
            let own = own_name(&assertion.subject, domain);
            let Some(subject) = own else { continue };
            let facts = assertion.facts.iter().map(|(field, value)| {
                let key = matches!(field, Field::Organisation | Field::Parent | Field::To)
                    .then(|| own_name(&Subject::parse(value)?, domain))
                    .flatten();
                (
                    *field,
                    key.map_or_else(|| value.clone(), |key| key.key().to_owned()),
                )
            });
            let said = Statement {
                subject,
                period: assertion.period,
                facts: facts.filter(|(_, value)| !value.is_empty()).collect(),
                endorsement: None,
            };
            if said.facts.is_empty() || self.delegation.judge(&said).is_err() {
                continue;
            }
            let facts = wanted.entry(said.subject.clone()).or_default();
            facts.period = said.period;
            for (field, values) in by_field(&said.facts) {
                facts.values.insert(field, values);
            }
        }
        wanted
    }

    /// Appends records. Gives their number.
    ///
    /// # Errors
    /// [`DirectoryError::Sharing`].
    pub fn append(
        &self,
        contents: Vec<Content>,
        now: OffsetDateTime,
    ) -> Result<usize, DirectoryError> {
        let _lock = self.lock()?;
        self.add(contents, now)
    }

    fn add(&self, contents: Vec<Content>, now: OffsetDateTime) -> Result<usize, DirectoryError> {
        let number = contents.len();
        if number == 0 {
            return Ok(0);
        }
        let mut entries = self.entries()?;
        let before = entries.len() as u64;
        for content in contents {
            let record = Record { at: now, content }.written();
            if record.len() > MAX_RECORD {
                return Err(refused(&self.folder, "a record is longer than 32 KiB"));
            }
            let mut salt = [0; SALT];
            SystemRandom::new()
                .fill(&mut salt)
                .map_err(|_| refused(&self.folder, "the machine gives no random numbers"))?;
            let sealed = Sealed { salt, record };
            entries.push((sealed.entry(), Some(sealed)));
        }
        let tree = Tree::of(entries.iter().map(|(entry, _)| entry.leaf()));
        self.write_parts(&entries, &tree, before)?;
        self.sign(&tree, "", now)?;
        Ok(number)
    }

    /// Says again, now, that the checkpoint stands. Cosignatures stay.
    ///
    /// # Errors
    /// [`DirectoryError::Sharing`].
    pub fn vouch(&self, now: OffsetDateTime) -> Result<(), DirectoryError> {
        let _lock = self.lock()?;
        let Some(note) = self.note()? else {
            return Ok(());
        };
        let tree = self.tree()?;
        self.sign(&tree, &self.others(&note), now)
    }

    /// The tree of the entries.
    ///
    /// # Errors
    /// As [`OwnLog::entries`].
    pub fn tree(&self) -> Result<Tree, DirectoryError> {
        let entries = self.entries()?;
        Ok(Tree::of(entries.iter().map(|(entry, _)| entry.leaf())))
    }

    /// Adds what witnesses signed to the checkpoint, if it is still the one that they saw.
    ///
    /// # Errors
    /// [`DirectoryError::Sharing`].
    pub fn cosigned(&self, seen: &Checkpoint, lines: &str) -> Result<(), DirectoryError> {
        let _lock = self.lock()?;
        let Some(note) = self.note()? else {
            return Ok(());
        };
        if Checkpoint::unverified(&note).ok().as_ref() != Some(seen) {
            return Ok(());
        }
        let names: Vec<&str> = lines
            .lines()
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(name, _)| name)
            .collect();
        let (text, kept) = note.split_once("\n\n").unwrap_or((&note, ""));
        let mut signed = format!("{text}\n\n");
        for line in kept.lines() {
            if !names
                .iter()
                .any(|name| line.starts_with(&format!("{name} ")))
            {
                signed.push_str(line);
                signed.push('\n');
            }
        }
        signed.push_str(lines);
        self.write(Part::Checkpoint, signed.as_bytes())
    }

    /// Hands over to another key: the present one signs the entry that names it. From then on the
    /// settings must name the file of the new key.
    ///
    /// # Errors
    /// [`DirectoryError::Sharing`].
    pub fn hand_over(&self, next: &VerifierKey, now: OffsetDateTime) -> Result<(), DirectoryError> {
        let _lock = self.lock()?;
        self.add(vec![Content::NextKey(next.clone())], now)?;
        let note = self.note()?.unwrap_or_default();
        let before = self.read(Part::Successions).unwrap_or_default();
        let mut notes: Vec<&[u8]> = read_bundle(&before, usize::from(u16::MAX))
            .map_err(|_| refused(&self.folder, "`successions` cannot be read"))?;
        notes.push(note.as_bytes());
        self.write(Part::Successions, &write_bundle(notes))
    }

    /// Publishes a mailbox's next certificate with the word of the key before: followers use it at
    /// once. `earlier` and `next` are DER, `pkcs8` is the key of the earlier one.
    ///
    /// # Errors
    /// [`DirectoryError::Sharing`] when the log does not publish the earlier one, when the key is
    /// not that of a certificate, or when the next one is not for the same mailbox.
    pub fn succeed(
        &self,
        (earlier, pkcs8): (&[u8], &[u8]),
        next: &[u8],
        now: OffsetDateTime,
    ) -> Result<(), DirectoryError> {
        let refused = |problem: &str| refused(&self.folder, problem);
        let sha256 = |der: &[u8]| -> String {
            let digest = digest(&SHA256, der);
            digest
                .as_ref()
                .iter()
                .map(|octet| format!("{octet:02x}"))
                .collect()
        };
        let (old, new) = (sha256(earlier), sha256(next));
        let _lock = self.lock()?;
        let said = self.said()?;
        let mailbox = said
            .keys()
            .filter(|subject| subject.kind() == Kind::Certificate && subject.component() == old)
            .find_map(Subject::parent)
            .ok_or_else(|| refused("it does not publish the earlier certificate"))?;
        let endorsement = Endorsement::sign(pkcs8, &old, &new)
            .ok_or_else(|| refused("the key must be RSA, P-256 or P-384"))?;
        let statement = Statement {
            subject: mailbox.certificate(&new),
            period: Period::ALWAYS,
            facts: vec![(Field::Der, STANDARD.encode(next))],
            endorsement: Some(endorsement),
        };
        self.delegation
            .judge(&statement)
            .map_err(|verdict| refused(&format!("the next certificate is refused: {verdict}")))?;
        self.add(vec![Content::Said(statement)], now)?;
        Ok(())
    }

    /// Erases the record of an entry, and says so in the log. What it said is taken back by those
    /// who follow.
    ///
    /// # Errors
    /// [`DirectoryError::Sharing`] when there is no such record.
    pub fn erase(&self, position: u64, now: OffsetDateTime) -> Result<(), DirectoryError> {
        let _lock = self.lock()?;
        let entries = self.entries()?;
        let at = usize::try_from(position).unwrap_or(usize::MAX);
        let record = entries
            .get(at)
            .and_then(|(_, sealed)| sealed.as_ref())
            .and_then(|sealed| Record::read(&sealed.record));
        if !matches!(record.map(|record| record.content), Some(Content::Said(_))) {
            return Err(refused(
                &self.folder,
                "no entry there has a record to erase",
            ));
        }
        self.add(vec![Content::Erased(position)], now)?;
        let mut entries = self.entries()?;
        if let Some(erased) = entries.get_mut(at) {
            erased.1 = None;
        }
        self.write_records(&entries, position / WIDTH)
    }

    fn write_parts(
        &self,
        entries: &[OwnEntry],
        tree: &Tree,
        before: u64,
    ) -> Result<(), DirectoryError> {
        for part in Part::bundles(before, tree.size()) {
            let Part::Entries { index, .. } = part else {
                continue;
            };
            let items = run(entries, index)
                .iter()
                .map(|(entry, _)| entry.as_bytes());
            self.write(part, &write_bundle(items))?;
            self.write_records(entries, index)?;
        }
        for level in 0_u8..8 {
            let step = u32::from(level) * 8;
            let (old, new) = (before >> step, tree.size() >> step);
            if old == new {
                break;
            }
            for index in old / WIDTH..=(new - 1) / WIDTH {
                let count = (new - index * WIDTH).min(WIDTH);
                let mut octets = Vec::new();
                for place in 0..count {
                    let index = index * WIDTH + place;
                    let hash = tree.node(Node { level: step, index });
                    octets.extend_from_slice(
                        hash.ok_or_else(|| refused(&self.folder, "its tree is not whole"))?
                            .as_bytes(),
                    );
                }
                let width = u8::try_from(count).ok();
                self.write(
                    Part::Hashes {
                        level,
                        index,
                        width,
                    },
                    &octets,
                )?;
            }
        }
        Ok(())
    }

    fn write_records(&self, entries: &[OwnEntry], index: u64) -> Result<(), DirectoryError> {
        let records: Vec<Vec<u8>> = run(entries, index)
            .iter()
            .map(|(_, sealed)| sealed.as_ref().map(Sealed::written).unwrap_or_default())
            .collect();
        let bundle = write_bundle(records.iter().map(Vec::as_slice));
        self.write(Part::Records { index }, &bundle)
    }

    /// Signs and serves the checkpoint of a tree; `others` are lines of witnesses.
    fn sign(&self, tree: &Tree, others: &str, now: OffsetDateTime) -> Result<(), DirectoryError> {
        let (signer, cosigner) = self.signers()?;
        let root = tree
            .root_at(tree.size())
            .ok_or_else(|| refused(&self.folder, "its tree is not whole"))?;
        let mut note = signer.sign(tree.size(), root);
        let time = u64::try_from(now.unix_timestamp()).unwrap_or(0);
        let line = cosigner
            .cosign(&note, time)
            .map_err(|error| refused(&self.folder, error.to_string()))?;
        note.push_str(&line);
        note.push_str(others);
        self.write(Part::Checkpoint, note.as_bytes())
    }

    /// The lines of a note that are not the log's own.
    fn others(&self, note: &str) -> String {
        let own = format!("\u{2014} {} ", self.origin.as_str());
        let lines = note.split_once("\n\n").map_or("", |(_, lines)| lines);
        lines
            .lines()
            .filter(|line| !line.starts_with(&own))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    fn signers(&self) -> Result<(Signer, Cosigner), DirectoryError> {
        signers(self.origin.as_str(), &read_key(&self.key)?)
    }

    /// The file of a part.
    #[must_use]
    pub fn path(&self, part: Part) -> PathBuf {
        self.folder.join(part.to_string())
    }

    fn read(&self, part: Part) -> Result<Vec<u8>, DirectoryError> {
        fs::read(self.path(part)).map_err(|error| self.failed(&error))
    }

    /// Puts a part in its place, durably, whole or not at all.
    fn write(&self, part: Part, octets: &[u8]) -> Result<(), DirectoryError> {
        let path = self.path(part);
        let fresh = self.folder.join("new");
        let write = || {
            let folder = path.parent().unwrap_or(&self.folder);
            fs::create_dir_all(folder)?;
            let mut file = File::create(&fresh)?;
            file.write_all(octets)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error: io::Error| self.failed(&error))
    }

    fn lock(&self) -> Result<File, DirectoryError> {
        let lock = || {
            let file = File::create(self.folder.join("lock"))?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|error: io::Error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> DirectoryError {
        refused(&self.folder, error.to_string())
    }
}

fn run(entries: &[OwnEntry], index: u64) -> &[OwnEntry] {
    let start = usize::try_from(index * WIDTH).unwrap_or(usize::MAX);
    let rest = entries.get(start..).unwrap_or_default();
    rest.get(..rest.len().min(WIDTH as usize))
        .unwrap_or_default()
}
