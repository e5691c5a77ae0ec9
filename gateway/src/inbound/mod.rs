//! What arrives: opened with the recipient's own keys, verified, and filed with its verdict.
//!
//! ```text
//!  arrival ──▶ a delivery report? ──▶ tracking
//!     │
//!     └──▶ open ──▶ judge ──▶ a receipt? ──▶ tracking
//!                     │    ──▶ a report address? ──▶ the register of reports
//!                     │    ──▶ a reply with a keyword? ──▶ tracking, and
//!                     └──▶ file in the mailbox, with a plain warning if it does not verify
//! ```
//!
//! Everything that one arrival changes for one recipient is one commit, made at most once for
//! each envelope and recipient, so that a relay that delivers again shows nothing twice.
//!
//! - `judge`: what the verdict is, and the message as its reader will see it.
//! - `warning`: what is filed when a message cannot be opened.

mod judge;
mod warning;

use std::sync::Arc;

use liaison_base::clock::Clock;
use liaison_mail::dsn::DeliveryReport;
use liaison_mail::mdn::DispositionReport;
use liaison_mail::port::{Arrival, Origin};
use liaison_mail::{
    Address, Body, EnhancedStatus, MessageId, Refusal, ReversePath, Verdict, header,
};
use liaison_smime::{SignatureVerdict, ValidSignature};
use liaison_store::Store;
use mail_parser::MessageParser;
use time::OffsetDateTime;

use crate::GatewayError;
use crate::hospital::feed::Feed;
use crate::hospital::mail::WardMail;
use crate::mailbox::{Filing, Mailboxes, SpecialUse};
use crate::notifications::Notifications;
use crate::outbound::identity::Identities;
use crate::partners::Partners;
use crate::reports::Register;
use crate::tracking::{Ledger, ReceiptToken, Reply, keyword_of};

use judge::Judged;

/// The inbound side of a gateway.
#[derive(Clone)]
pub(crate) struct Inbound(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) identities: Arc<Identities>,
    pub(crate) partners: Partners,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) notifications: Notifications,
    pub(crate) reports: Option<Register>,
    /// Whose ward mail is answered.
    pub(crate) hospital: Option<Feed>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Inbound {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Whether mail for this address ends here.
    pub(crate) fn serves(&self, address: &Address) -> Result<(), Refusal> {
        let reports = self.0.reports.as_ref();
        if self.0.mailboxes.serves(address) || reports.is_some_and(|r| r.address() == address) {
            Ok(())
        } else {
            let status = EnhancedStatus::NO_SUCH_MAILBOX;
            Err(Refusal::permanent(550, status, "no such mailbox here"))
        }
    }

    /// Files an arrival for each of its recipients.
    pub(crate) async fn deliver(&self, arrival: &Arrival) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(arrival.envelope.recipients.len());
        for recipient in &arrival.envelope.recipients {
            let address = &recipient.address;
            let verdict = match self.serves(address) {
                Err(refusal) => Verdict::Refused(refusal),
                Ok(()) => match self.take_in(arrival, address).await {
                    Ok(()) => Verdict::Accepted,
                    Err(error) => {
                        tracing::error!(envelope = %arrival.envelope.id, %address, %error, "an arrival could not be filed");
                        let status = EnhancedStatus::TRY_LATER;
                        Verdict::Refused(Refusal::transient(451, status, "not filed, try later"))
                    }
                },
            };
            verdicts.push(verdict);
        }
        verdicts
    }

    async fn take_in(&self, arrival: &Arrival, recipient: &Address) -> Result<(), GatewayError> {
        let now = self.0.clock.now();
        if arrival.envelope.from == ReversePath::Null
            && arrival.message.size() <= LARGEST_REPORT
            && let Ok(report) = DeliveryReport::read(&whole(&arrival.message).await?)
        {
            return self
                .delivery_report(report, arrival.origin.clone(), now)
                .await;
        }
        match self.open(arrival, recipient, now).await? {
            Some(judged) => self.file(arrival, recipient, judged, now).await,
            // The recipient's own client holds the key: the bytes pass untouched.
            None => {
                let message = whole(&arrival.message).await?;
                self.file_bytes(arrival, recipient, &message, None).await
            }
        }
    }

    /// `None` when this gateway holds no key of the recipient.
    async fn open(
        &self,
        arrival: &Arrival,
        recipient: &Address,
        now: OffsetDateTime,
    ) -> Result<Option<Judged>, GatewayError> {
        let identities = Arc::clone(&self.0.identities);
        let (message, address) = (arrival.message.clone(), recipient.clone());
        // Opening costs milliseconds of CPU with RSA or a large message, reading some more.
        let opened = tokio::task::spawn_blocking(move || identities.open(&address, message, now))
            .await
            .map_err(|_| GatewayError::Stored("opening was cut off"))?;
        match opened {
            None => Ok(None),
            Some(Ok(opened)) => {
                let change = match opened.signature() {
                    SignatureVerdict::Valid(valid) => {
                        self.0.partners.signing_change(valid, now).await?
                    }
                    _ => None,
                };
                let address = recipient.clone();
                tokio::task::spawn_blocking(move || judge::judge(opened, &address, change))
                    .await
                    .map_err(|_| GatewayError::Stored("judging was cut off"))?
                    .map(Some)
            }
            Some(Err(refusal)) => {
                tracing::warn!(envelope = %arrival.envelope.id, %recipient, reason = %refusal, "an arrival could not be opened");
                let original = whole(&arrival.message).await?;
                let reason = (&refusal, &*original);
                Ok(Some(warning::unreadable(arrival, recipient, reason, now)?))
            }
        }
    }

    async fn file(
        &self,
        arrival: &Arrival,
        recipient: &Address,
        judged: Judged,
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        // Not the author: who reports an error is known to the register alone.
        tracing::info!(envelope = %arrival.envelope.id, %recipient, verdict = judged.verdict, "arrived");
        if let Some(author) = judged.author.clone()
            && let Ok(report) = DispositionReport::read(&judged.message)
        {
            return self.receipt(report, author, now).await;
        }
        if let Some(reports) = &self.0.reports
            && reports.address() == recipient
        {
            return reports
                .take_in(&arrival.envelope.id, judged.author, judged.message, now)
                .await;
        }
        let ward = self
            .0
            .hospital
            .as_ref()
            .filter(|feed| judged.verdict == judge::VERIFIED && feed.reads(recipient))
            .zip(judged.author.as_ref())
            .and_then(|(feed, author)| {
                let mail = WardMail::read(&arrival.envelope.id, author, &judged.message)?;
                Some((feed.clone(), mail))
            });
        let reply = judged
            .author
            .as_ref()
            .and_then(|author| reply_of(author, &judged.message));
        self.file_bytes(
            arrival,
            recipient,
            &judged.message,
            Some(Meaning {
                receipt: judged.receipt,
                reply,
                signature: judged.signature,
                ward,
            }),
        )
        .await
    }

    /// Files the bytes that a mail client will read, with what they mean for tracking.
    async fn file_bytes(
        &self,
        arrival: &Arrival,
        recipient: &Address,
        message: &[u8],
        meaning: Option<Meaning>,
    ) -> Result<(), GatewayError> {
        let Meaning {
            receipt,
            reply,
            signature,
            ward,
        } = meaning.unwrap_or_default();
        let prepared = self
            .0
            .mailboxes
            .prepare(Filing {
                mailbox: recipient.clone(),
                folder: SpecialUse::Inbox,
                message,
                dedupe: format!("arrival:{}", arrival.envelope.id),
                tracked: receipt.map(|token| token.encode()),
                seen: false,
            })
            .await?;
        let now = self.0.clock.now();
        let answering = ward.as_ref().map(|(feed, _)| feed.clone());
        self.0
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let filed = prepared.file(tx).await?;
                    if let Some((feed, mail)) = ward.filter(|_| filed.new) {
                        feed.take_mail(tx, &mail, now).await?;
                    }
                    if let Some(reply) = reply.filter(|_| filed.new) {
                        Ledger::reply(tx, &reply, now).await?;
                    }
                    if let Some(signature) = signature.filter(|_| filed.new) {
                        Partners::learn(tx, &signature, now).await?;
                    }
                    Ok::<_, GatewayError>(())
                })
            })
            .await?;
        self.0.mailboxes.wake(recipient);
        if let Some(feed) = answering {
            feed.wake_answers();
        }
        Ok(())
    }

    /// A relay's word on what became of our messages. Authors are told of failures.
    async fn delivery_report(
        &self,
        report: DeliveryReport,
        origin: Origin,
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let reported = report.clone();
        let failed = self
            .0
            .store
            .write(move |tx| {
                Box::pin(async move { Ledger::delivery_report(tx, &reported, &origin, now).await })
            })
            .await?;
        for (envelope, address) in failed {
            let reason = report
                .recipients
                .iter()
                .find(|r| r.address == address)
                .and_then(|r| r.diagnostic.clone())
                .unwrap_or_default();
            self.tell_author(&envelope, (&address, &reason), now)
                .await?;
        }
        Ok(())
    }

    pub(crate) async fn tell_author(
        &self,
        envelope: &liaison_mail::EnvelopeId,
        (recipient, reason): (&Address, &str),
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let Some(sent) = Ledger::sent(self.0.store.read(), envelope).await? else {
            return Ok(());
        };
        let notice = self
            .0
            .notifications
            .not_delivered(&sent, (recipient, reason), now)
            .await?;
        if let Some(notice) = notice {
            self.0
                .store
                .write(move |tx| {
                    Box::pin(async move {
                        notice.file(tx).await?;
                        Ok::<_, GatewayError>(())
                    })
                })
                .await?;
            self.0.mailboxes.wake(&sent.sender);
        }
        Ok(())
    }

    async fn receipt(
        &self,
        report: DispositionReport,
        author: Address,
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        self.0
            .store
            .write(move |tx| {
                Box::pin(async move {
                    if !Ledger::disposition_report(tx, &report, &author, now).await? {
                        tracing::info!(%author, "a receipt about no message of ours: not believed");
                    }
                    Ok::<_, GatewayError>(())
                })
            })
            .await
    }
}

/// A delivery report returns headers only: a larger one is none (octets).
const LARGEST_REPORT: u64 = 1024 * 1024;

/// A message that is needed in memory.
async fn whole(message: &Body) -> Result<Arc<[u8]>, GatewayError> {
    if let Body::Held(octets) = message {
        return Ok(Arc::clone(octets));
    }
    let message = message.clone();
    tokio::task::spawn_blocking(move || message.whole())
        .await
        .ok()
        .and_then(Result::ok)
        .ok_or(GatewayError::Stored("an arrival could not be read"))
}

/// What an arrival means besides its content.
#[derive(Default)]
struct Meaning {
    receipt: Option<ReceiptToken>,
    reply: Option<Reply>,
    /// A valid signature, which teaches about its author's client and key.
    signature: Option<ValidSignature>,
    /// Mail to the ward: an answer, a request.
    ward: Option<(Feed, WardMail)>,
}

/// A reply that begins with a keyword and cites a message.
fn reply_of(author: &Address, message: &[u8]) -> Option<Reply> {
    let keyword = keyword_of(message)?;
    let (head, _) = header::split(message);
    let mut cites: Vec<MessageId> = ["In-Reply-To", "References"]
        .into_iter()
        .filter_map(|name| head.value(name))
        .flat_map(|value| MessageId::parse_list(&value))
        .collect();
    // `References` lists the oldest first; the message answered is the newest.
    cites.reverse();
    cites.dedup();
    let name = MessageParser::default()
        .parse_headers(message)
        .and_then(|parsed| Some(parsed.from()?.first()?.name()?.to_owned()))
        .unwrap_or_else(|| author.to_string());
    (!cites.is_empty()).then_some(Reply {
        cites,
        author: author.clone(),
        name,
        keyword,
    })
}
