//! The register: the one that takes reports in, shows them, proves them and erases them.

use std::sync::Arc;

use liaison_directory_client::Query;
use liaison_mail::{Address, EnvelopeId, MessageId, Urgency, header};
use liaison_store::Store;
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::entry::Number;
use super::log::{self, Addition, Listed};
use super::receipt::{self, Proof};
use super::record::{self, Record};
use crate::GatewayError;
use crate::keys::{KeyError, SealingKey, Vault};
use crate::outbound::{Content, Draft, Drafts, Loop, Wanted};
use crate::settings::ReportsSettings;
use liaison_base::tlog::merkle::{self, Hash};
use liaison_base::tlog::note::{Checkpoint, Origin, Signer, VerifierKey};

/// How many entries an audit reads at a time.
const PAGE: u32 = 500;

/// The register of reports of a gateway. Copies share it.
#[derive(Clone)]
pub struct Register(Arc<Parts>);

struct Parts {
    address: Address,
    store: Store,
    key: Arc<SealingKey>,
    signer: Signer,
    drafts: Drafts,
}

impl Register {
    /// Opens the register in the gateway's database, opened with [`super::SCHEMA`]. At the first
    /// start the log and its signing key are made. The log is named after the domain of the
    /// reports address, for ever: its name is part of its key.
    ///
    /// # Errors
    /// [`GatewayError::Store`]; [`GatewayError::Key`] when the site key is another;
    /// [`GatewayError::Setting`] when the domain cannot name a log; [`GatewayError::Stored`] when
    /// the log has more or fewer entries than it says: restore the database.
    pub async fn open(
        settings: &ReportsSettings,
        store: Store,
        vault: &Vault,
        drafts: Drafts,
    ) -> Result<Self, GatewayError> {
        let key = vault.purpose("reports");
        let signer = signer(&settings.address, &store, &key).await?;
        let row = sqlx::query(
            "SELECT (SELECT size FROM report_log WHERE log = 1), (SELECT COUNT(*) FROM report_entry)",
        )
        .fetch_one(store.read())
        .await?;
        if row.try_get::<i64, _>(0)? != row.try_get::<i64, _>(1)? {
            return Err(GatewayError::Stored("the log of reports lacks entries"));
        }
        Ok(Self(Arc::new(Parts {
            address: settings.address.clone(),
            store,
            key,
            signer,
            drafts,
        })))
    }

    /// The address that takes reports.
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// The public key with which receipts and checkpoints verify; `Display` prints it. To be
    /// published where reporters find it without asking this gateway.
    pub fn verifier(&self) -> &VerifierKey {
        self.0.signer.verifier()
    }

    /// Makes a mail an entry of the log and drafts its receipt, in one commit. A second delivery
    /// of the same envelope changes nothing. `author` is the verified signer; without one the
    /// report is kept, marked as unverified, and nobody gets a receipt.
    ///
    /// # Errors
    /// [`GatewayError::Store`] and [`GatewayError::Key`]; nothing was kept then, and the sender
    /// should try again.
    pub(crate) async fn take_in(
        &self,
        envelope: &EnvelopeId,
        author: Option<Address>,
        message: Vec<u8>,
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let answer = self.answer(author.as_ref(), &message);
        let verified = author.is_some();
        let tag = self.0.key.tag("arrival", envelope.as_str().as_bytes());
        let id = envelope.clone();
        // A mail of tens of megabytes costs as many milliseconds.
        let sealed = tokio::task::spawn_blocking(move || record::seal(author, Some(&id), &message))
            .await
            .map_err(|_| GatewayError::Stored("sealing was cut off"))??;
        let addition = Addition {
            sealed,
            erases: None,
            verified,
            at: now,
        };
        let this = self.clone();
        let unanswered = answer.as_ref().err().copied();
        let taken = self
            .0
            .store
            .write(move |tx| {
                Box::pin(async move { this.enter(tx, tag, addition, answer.ok()).await })
            })
            .await?;
        match (taken, unanswered) {
            (None, _) => tracing::info!("a report that was already taken in"),
            (Some(number), None) => {
                self.0.drafts.wake();
                tracing::info!(%number, "a report was taken in");
            }
            (Some(number), Some(reason)) => {
                tracing::warn!(%number, reason, "a report was taken in, without a receipt");
            }
        }
        Ok(())
    }

    /// The newest entries, newest first.
    ///
    /// # Errors
    /// [`GatewayError::Store`].
    pub async fn entries(&self, limit: u32) -> Result<Vec<Listed>, GatewayError> {
        let mut connection = self.0.store.read().acquire().await?;
        log::newest(&mut connection, u64::MAX, limit).await
    }

    /// The present state of the log, signed (c2sp.org/tlog-checkpoint).
    ///
    /// # Errors
    /// [`GatewayError::Store`].
    pub async fn checkpoint(&self) -> Result<String, GatewayError> {
        let mut connection = self.0.store.read().acquire().await?;
        let size = log::size(&mut connection).await?;
        let root = log::hash_of(&mut connection, 0..size).await?;
        Ok(self.0.signer.sign(size, root))
    }

    /// The proof that the entry at `index` is in the log as it is now; `None` when there is none.
    ///
    /// # Errors
    /// [`GatewayError::Store`].
    pub async fn prove(&self, index: u64) -> Result<Option<Proof>, GatewayError> {
        let mut connection = self.0.store.read().acquire().await?;
        let size = log::size(&mut connection).await?;
        let Some(entry) = log::at(&mut connection, index).await? else {
            return Ok(None);
        };
        log::prove(
            &mut connection,
            &self.0.signer,
            (index, entry),
            size.max(index + 1),
        )
        .await
        .map(Some)
    }

    /// The proof that the log of `earlier` entries begins the log as it is now, with the signed
    /// checkpoint that it leads to; `None` when `earlier` is 0 or more than there are. Checked
    /// with [`merkle::verify_consistency`].
    ///
    /// # Errors
    /// [`GatewayError::Store`].
    pub async fn prove_growth(
        &self,
        earlier: u64,
    ) -> Result<Option<(Vec<Hash>, String)>, GatewayError> {
        let mut connection = self.0.store.read().acquire().await?;
        let size = log::size(&mut connection).await?;
        let Ok(ranges) = merkle::consistency(earlier, size) else {
            return Ok(None);
        };
        let path = log::hashes_of(&mut connection, ranges).await?;
        let root = log::hash_of(&mut connection, 0..size).await?;
        Ok(Some((path, self.0.signer.sign(size, root))))
    }

    /// Opens what was reported under a number; `None` when there is no such entry or its content
    /// was erased. The opened record has been checked against the entry's commitment.
    ///
    /// # Errors
    /// [`GatewayError::Store`]; [`GatewayError::Key`] when it was changed or the key is another.
    pub async fn read(&self, number: Number) -> Result<Option<Record>, GatewayError> {
        let mut connection = self.0.store.read().acquire().await?;
        let Some((index, entry)) = log::by_number(&mut connection, number).await? else {
            return Ok(None);
        };
        let Some((wrapped, sealed)) = log::record(&mut connection, index).await? else {
            return Ok(None);
        };
        let key = zeroize::Zeroizing::new(self.0.key.open(&log::place(index), &wrapped)?);
        record::open(entry.commitment(), &sealed, &key).map(Some)
    }

    /// Erases the content of a report for ever and adds an entry that says so, in one commit.
    /// What is erased is overwritten in a SQLite file; PostgreSQL keeps the sealed key's old row
    /// version until its next vacuum, and in its journal for as long as that is archived.
    /// `reason` is kept sealed; it should name nobody. Returns the number of the erasure, or
    /// `None` when there is no such report or it was erased before.
    ///
    /// # Errors
    /// [`GatewayError::Store`], [`GatewayError::Key`]; nothing was erased then.
    pub async fn erase(
        &self,
        number: Number,
        reason: &str,
        now: OffsetDateTime,
    ) -> Result<Option<Number>, GatewayError> {
        let addition = Addition {
            sealed: record::seal(None, None, reason.as_bytes())?,
            erases: Some(number),
            verified: true,
            at: now,
        };
        let key = Arc::clone(&self.0.key);
        let erasure = self
            .0
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let found = log::by_number(tx, number).await?;
                    let Some((index, entry)) = found else {
                        return Ok(None);
                    };
                    if entry.erases().is_some() || !log::destroy(tx, index).await? {
                        return Ok(None);
                    }
                    let (_, entry) = log::append(tx, &key, addition).await?;
                    Ok::<_, GatewayError>(Some(entry.number()))
                })
            })
            .await?;
        if let Some(erasure) = erasure {
            tracing::info!(%number, %erasure, "the content of a report was erased");
        }
        Ok(erasure)
    }

    /// Reads the whole log and makes its root anew from the entries. An entry or a hash changed,
    /// removed or inserted since is found; a log rewritten from end to end is found only by who
    /// holds an earlier receipt or checkpoint.
    ///
    /// # Errors
    /// [`GatewayError::Stored`] when the log does not verify; [`GatewayError::Store`].
    pub async fn audit(&self) -> Result<Checkpoint, GatewayError> {
        let mut connection = self.0.store.read().acquire().await?;
        let size = log::size(&mut connection).await?;
        let mut leaves = Vec::new();
        let mut before = size;
        while before > 0 {
            let page = log::newest(&mut connection, before, PAGE).await?;
            for listed in &page {
                before = before
                    .checked_sub(1)
                    .filter(|place| *place == listed.index)
                    .ok_or(GatewayError::Stored(
                        "the log does not verify: an entry is gone",
                    ))?;
                leaves.push(listed.entry.leaf());
            }
            if page.is_empty() {
                return Err(GatewayError::Stored(
                    "the log does not verify: entries are gone",
                ));
            }
        }
        leaves.reverse();
        let root = root_of(&leaves);
        if log::hash_of(&mut connection, 0..size).await? != root {
            return Err(GatewayError::Stored(
                "the log does not verify: an entry was changed",
            ));
        }
        let origin = self.verifier().origin().clone();
        Ok(Checkpoint { origin, size, root })
    }

    /// To whom the receipt goes and which message it answers, or why there is none.
    fn answer(&self, author: Option<&Address>, message: &[u8]) -> Result<Answer, &'static str> {
        let (head, _) = header::split(message);
        let author = author.ok_or("its author is not proved")?;
        if *author == self.0.address {
            return Err("it comes from the reports address itself");
        }
        // RFC 3834 §2: no automatic answer to an automatic message.
        let automatic = head.value("Auto-Submitted").is_some_and(|value| {
            let keyword = value.split(';').next().unwrap_or_default();
            !keyword.trim().eq_ignore_ascii_case("no")
        });
        if automatic {
            return Err("a program wrote it");
        }
        Ok(Answer {
            to: author.clone(),
            cites: head
                .value("Message-ID")
                .and_then(|id| MessageId::parse(&id).ok()),
        })
    }

    /// The whole effect of a report. `None` when its envelope was taken in before.
    async fn enter(
        &self,
        tx: &mut AnyConnection,
        tag: Vec<u8>,
        addition: Addition,
        answer: Option<Answer>,
    ) -> Result<Option<Number>, GatewayError> {
        if !log::note_arrival(tx, tag).await? {
            return Ok(None);
        }
        let at = addition.at;
        let (index, entry) = log::append(tx, &self.0.key, addition).await?;
        let number = entry.number();
        if let Some(answer) = answer {
            let proof = log::prove(tx, &self.0.signer, (index, entry), index + 1).await?;
            let text = receipt::letter(&proof, index + 1, self.verifier())?;
            let draft = self.draft(number, answer, text);
            self.0.drafts.insert(tx, &draft, at).await?;
        }
        Ok(Some(number))
    }

    fn draft(&self, number: Number, answer: Answer, text: String) -> Draft {
        Draft {
            envelope: EnvelopeId::fresh(),
            message_id: MessageId::new(self.0.address.domain()),
            from: self.0.address.clone(),
            wanted: vec![Wanted {
                label: answer.to.to_string(),
                query: Query::address(answer.to),
            }],
            urgency: Urgency::Normal,
            closed_loop: Loop::Open,
            content: Content::Text {
                attachments: Vec::new(),
                subject: format!("Accusé de réception du signalement {number}"),
                text,
                in_reply_to: answer.cites,
                ask_receipt: false,
            },
        }
    }
}

/// Whom a receipt answers.
#[derive(Clone)]
struct Answer {
    to: Address,
    cites: Option<MessageId>,
}

/// The log's signer, made at the first start. Its key lies sealed under the site key.
async fn signer(
    address: &Address,
    store: &Store,
    key: &SealingKey,
) -> Result<Signer, GatewayError> {
    let name = format!("{}/signalements", address.domain());
    let origin = Origin::parse(&name).map_err(|error| GatewayError::Setting {
        key: "gateway.reports.address",
        cause: error.to_string(),
    })?;
    let fresh =
        Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Random)?;
    let sealed = key.seal(&place_of_key(&origin), fresh.as_ref())?;
    // The key of an earlier start stays.
    let (origin, sealed) = store
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO report_log (log, origin, signing_key, size) VALUES (1, $1, $2, 0)
                     ON CONFLICT (log) DO NOTHING",
                )
                .bind(origin.as_str())
                .bind(sealed)
                .execute(&mut *tx)
                .await?;
                let row = sqlx::query("SELECT origin, signing_key FROM report_log WHERE log = 1")
                    .fetch_one(tx)
                    .await?;
                let origin: String = row.try_get(0)?;
                Ok::<_, GatewayError>((origin, row.try_get::<Vec<u8>, _>(1)?))
            })
        })
        .await?;
    let origin = Origin::parse(&origin).map_err(|_| GatewayError::Stored("name of the log"))?;
    let pkcs8 = zeroize::Zeroizing::new(key.open(&place_of_key(&origin), &sealed)?);
    Signer::new(origin, &pkcs8).map_err(|_| GatewayError::Stored("signing key of the log"))
}

/// What the sealed signing key is bound to.
fn place_of_key(origin: &Origin) -> String {
    format!("signing key of {}", origin.as_str())
}

/// RFC 6962 §2.1 over all leaves, level by level: a node without a neighbour rises as it is.
fn root_of(leaves: &[Hash]) -> Hash {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => Hash::inner(*left, *right),
                odd => odd[0],
            })
            .collect();
    }
    level.first().copied().unwrap_or_else(Hash::empty_root)
}
