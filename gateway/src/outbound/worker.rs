//! Takes drafts in order of urgency and brings them to the relay.

use std::sync::Arc;
use std::time::Duration;

use liaison_base::clock::{Clock, from_millis, millis};
use liaison_base::shutdown::Shutdown;
use liaison_directory_client::{Client, Query};
use liaison_mail::port::HandOver;
use liaison_mail::{Address, Envelope, EnvelopeId, Recipient, Return, ReversePath};
use liaison_store::{Holder, Store};
use time::OffsetDateTime;
use tokio::task::JoinSet;

use super::draft::Due;
use super::identity::Identities;
use super::resolve::{Impediment, Ready, Resolved, resolve};
use super::{Content, Draft, Drafts, Loop, compose};
use crate::GatewayError;
use crate::mailbox::Mailboxes;
use crate::notifications::Notifications;
use crate::partners::{Choice, Partners, Way};
use crate::tracking::{Ledger, State};

/// Drafts worked on at once.
const AT_ONCE: usize = 8;
/// Wait before the first retry; doubled each time up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// A command that puts a draft into the database of a running gateway cannot tell it on SQLite: it is
/// looked for this often.
const LOOKED_FOR: Duration = Duration::from_secs(2);
/// After this long without success a draft fails and its sender is told.
const PATIENCE: Duration = Duration::from_secs(48 * 3600);

/// The outbound side of a gateway.
#[derive(Clone)]
pub struct Outbound(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) store: Store,
    /// Names this process in its claims.
    pub(crate) holder: Holder,
    pub(crate) drafts: Drafts,
    pub(crate) identities: Arc<Identities>,
    pub(crate) partners: Partners,
    pub(crate) directory: Arc<Client>,
    pub(crate) relay: Arc<dyn HandOver>,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) notifications: Notifications,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What a try came to.
enum Outcome {
    /// Handed over, failed or held: the draft needs no other try.
    Done,
    /// Try again later, for this reason (for the log).
    Later(String),
}

impl Outbound {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Works until a shutdown is asked for; what is under way is finished first.
    pub async fn run(self, shutdown: Shutdown) {
        let mut working = JoinSet::new();
        let mut busy: Vec<EnvelopeId> = Vec::new();
        while !shutdown.is_asked() {
            let wait = match self.start(&mut working, &mut busy).await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::error!(%error, "drafts cannot be read");
                    FIRST_WAIT
                }
            };
            tokio::select! {
                () = shutdown.asked() => break,
                () = self.0.drafts.woken() => {}
                () = tokio::time::sleep(wait) => {}
                Some(done) = working.join_next(), if !working.is_empty() => {
                    if let Ok(envelope) = done {
                        busy.retain(|id| *id != envelope);
                    }
                }
            }
        }
        while working.join_next().await.is_some() {}
    }

    /// Starts work on what is due and says how long nothing else will be.
    async fn start(
        &self,
        working: &mut JoinSet<EnvelopeId>,
        busy: &mut Vec<EnvelopeId>,
    ) -> Result<Duration, GatewayError> {
        let now = self.0.clock.now();
        let room = AT_ONCE.saturating_sub(busy.len());
        for due in self.0.drafts.claim(now, room, busy, &self.0.holder).await? {
            busy.push(due.draft.envelope.clone());
            let this = self.clone();
            working.spawn(async move { this.work(due).await });
        }
        let next = self.0.drafts.next_due().await?;
        let wait = next.map_or(LOOKED_FOR, |at| {
            Duration::from_millis(u64::try_from(at - millis(now)).unwrap_or(0))
        });
        // What is due and busy is looked at again when it ends, not in a tight loop.
        Ok(wait.clamp(Duration::from_millis(100), LOOKED_FOR))
    }

    async fn work(&self, due: Due) -> EnvelopeId {
        let envelope = due.draft.envelope.clone();
        let age = millis(self.0.clock.now()) - due.created_at;
        let expired = age > i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX);
        let reason = match self.bring(&due).await {
            Ok(Outcome::Done) => return envelope,
            Ok(Outcome::Later(reason)) => reason,
            Err(error) => error.to_string(),
        };
        let result = if expired {
            self.fail_all(&due, &reason).await
        } else {
            tracing::warn!(%envelope, attempts = due.attempts + 1, reason, "not handed over yet");
            self.postpone(&due).await
        };
        if let Err(error) = result {
            tracing::error!(%envelope, %error, "the state of a draft could not be kept");
        }
        envelope
    }

    /// Resolves, composes, seals and hands over. When the draft was made becomes the date
    /// of the message, so that a client that sorts by date shows a correction after what it
    /// corrects, whichever arrives first.
    async fn bring(&self, due: &Due) -> Result<Outcome, GatewayError> {
        let (draft, taken_in) = (&due.draft, from_millis(due.created_at));
        let now = self.0.clock.now();
        let mut ready = Vec::new();
        let mut stopped = Vec::new();
        let mut wanted = draft.wanted.clone();
        self.keep_to_earlier_answers(draft, &mut wanted).await?;
        for (wanted, position) in wanted.iter().zip(0_i64..) {
            match resolve(&self.0.directory, wanted, now).await {
                Resolved::Ready(recipient) => match self.trusted(draft, recipient, now).await? {
                    Ok(recipient) => ready.push((position, recipient)),
                    Err(impediment) => stopped.push((position, impediment)),
                },
                Resolved::Stopped(impediment) => stopped.push((position, impediment)),
                Resolved::Later(reason) => return Ok(Outcome::Later(reason)),
            }
        }
        self.record(draft, &ready, &stopped, now).await?;
        if !ready.is_empty() {
            let message = self.seal(draft, &ready, (taken_in, now)).await?;
            let envelope = envelope_of(draft, &ready);
            let handed = self.0.relay.hand_over(envelope, due.order, message.into());
            match handed.await {
                Ok(()) => {}
                Err(refusal) if refusal.is_transient() => {
                    return Ok(Outcome::Later(refusal.to_string()));
                }
                Err(refusal) => {
                    self.fail_all(due, &refusal.to_string()).await?;
                    return Ok(Outcome::Done);
                }
            }
        }
        self.end(due, &stopped, now).await?;
        tracing::info!(
            envelope = %draft.envelope,
            message_id = %draft.message_id,
            recipients = ready.len(),
            stopped = stopped.len(),
            "handed over to the relay"
        );
        Ok(Outcome::Done)
    }

    /// Keeps the certificates that an authority trusted here vouches for: the directory's word
    /// alone is not enough to encrypt to a key. Of those, the keys that are known, first or
    /// renewed.
    async fn trusted(
        &self,
        draft: &Draft,
        mut recipient: Ready,
        now: OffsetDateTime,
    ) -> Result<Result<Ready, Impediment>, GatewayError> {
        recipient.certificates.retain(|der| {
            let checked = self.0.identities.check_recipient(der, &recipient.address, now);
            if let Err(fault) = &checked {
                tracing::warn!(envelope = %draft.envelope, recipient = %recipient.address, %fault, "a certificate of the directory is not used");
            }
            checked.is_ok()
        });
        let address = recipient.address;
        if recipient.certificates.is_empty() {
            return Ok(Err(Impediment::Untrusted(address)));
        }
        // What its author's client sealed is for the keys that that client chose.
        if let Content::Sealed(_) = draft.content {
            return Ok(Ok(Ready {
                address,
                ..recipient
            }));
        }
        let partners = &self.0.partners;
        Ok(
            match partners
                .choose(&address, recipient.certificates, now)
                .await?
            {
                Choice::Seal { certificates, way } => Ok(Ready {
                    address,
                    certificates,
                    way,
                }),
                Choice::Held(reason) => {
                    tracing::warn!(envelope = %draft.envelope, recipient = %address, %reason, "held: its key changed");
                    Err(Impediment::KeyChanged(address, reason))
                }
                Choice::NotSentTo => Err(Impediment::NoCertificate(address)),
            },
        )
    }

    /// A recipient that an earlier try has resolved keeps its address: the relay may already
    /// carry the message there.
    async fn keep_to_earlier_answers(
        &self,
        draft: &Draft,
        wanted: &mut [super::Wanted],
    ) -> Result<(), GatewayError> {
        if draft.closed_loop == Loop::Open {
            return Ok(());
        }
        for (position, address) in Ledger::addresses(self.0.store.read(), &draft.envelope).await? {
            let slot = usize::try_from(position)
                .ok()
                .and_then(|p| wanted.get_mut(p));
            if let Some(wanted) = slot {
                wanted.query = Query::address(address);
            }
        }
        Ok(())
    }

    /// Records the directory's answers before the message leaves: news of it may come back
    /// before the hand-over has returned.
    async fn record(
        &self,
        draft: &Draft,
        ready: &[(i64, Ready)],
        stopped: &[(i64, Impediment)],
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        if draft.closed_loop == Loop::Open {
            return Ok(());
        }
        let envelope = draft.envelope.clone();
        let ready: Vec<(i64, Address)> = ready
            .iter()
            .map(|(position, recipient)| (*position, recipient.address.clone()))
            .collect();
        let stopped = stopped.to_vec();
        self.0
            .store
            .write(move |tx| {
                Box::pin(async move {
                    for (position, address) in &ready {
                        Ledger::resolved(tx, &envelope, *position, address).await?;
                    }
                    for (position, impediment) in &stopped {
                        let state = match impediment {
                            stopped if stopped.waits_for_a_person() => State::Held,
                            _ => State::Failed,
                        };
                        let reason = impediment.to_string();
                        Ledger::stopped(tx, &envelope, (*position, state, &reason), now).await?;
                    }
                    Ok::<_, GatewayError>(())
                })
            })
            .await
    }

    async fn seal(
        &self,
        draft: &Draft,
        ready: &[(i64, Ready)],
        (taken_in, now): (OffsetDateTime, OffsetDateTime),
    ) -> Result<Vec<u8>, GatewayError> {
        let addresses: Vec<_> = ready.iter().map(|(_, r)| r.address.clone()).collect();
        let name = self.0.identities.name_of(&draft.from).unwrap_or_default();
        let inner = compose::compose(draft, &name, &addresses, taken_in)?;
        if let Content::Sealed(_) = draft.content {
            return Ok(inner);
        }
        let certificates: Vec<Vec<u8>> = ready
            .iter()
            .flat_map(|(_, recipient)| recipient.certificates.clone())
            .collect();
        let way = Way::of_all(ready.iter().map(|(_, recipient)| recipient.way));
        let identities = Arc::clone(&self.0.identities);
        let from = draft.from.clone();
        // Signing with RSA and sealing a large message take milliseconds of CPU.
        tokio::task::spawn_blocking(move || {
            identities.seal(&from, &inner, (&certificates, way), now)
        })
        .await
        .unwrap_or(Err(GatewayError::Stored("sealing was cut off")))
    }

    /// Ends a draft: the sender is told of recipients that it did not leave for, and its content
    /// is erased, unless a recipient is held: then it stays until a person decides.
    async fn end(
        &self,
        due: &Due,
        stopped: &[(i64, Impediment)],
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let (draft, token) = (&due.draft, due.token);
        let failures: Vec<_> = stopped
            .iter()
            .map(|(position, impediment)| {
                let label = usize::try_from(*position)
                    .ok()
                    .and_then(|p| draft.wanted.get(p))
                    .map(|wanted| wanted.label.clone())
                    .unwrap_or_default();
                (label, impediment.clone())
            })
            .collect();
        let notice = self.0.notifications.not_sent(draft, &failures, now).await?;
        let envelope = draft.envelope.clone();
        let told = notice.as_ref().map(|_| draft.from.clone());
        let held = stopped
            .iter()
            .any(|(_, impediment)| impediment.waits_for_a_person());
        self.0
            .store
            .write(move |tx| {
                Box::pin(async move {
                    if let Some(notice) = notice {
                        notice.file(tx).await?;
                    }
                    match held {
                        true => Drafts::hold(tx, &envelope, token).await,
                        false => Drafts::erase(tx, &envelope, token).await,
                    }
                })
            })
            .await?;
        if let Some(mailbox) = told {
            self.0.mailboxes.wake(&mailbox);
        }
        Ok(())
    }

    async fn fail_all(&self, due: &Due, reason: &str) -> Result<(), GatewayError> {
        let draft = &due.draft;
        let now = self.0.clock.now();
        let stopped: Vec<_> = (0_i64..)
            .zip(&draft.wanted)
            .map(|(position, _)| (position, Impediment::Refused(reason.to_owned())))
            .collect();
        tracing::warn!(envelope = %draft.envelope, reason, "not sent: the sender is told");
        self.record(draft, &[], &stopped, now).await?;
        self.end(due, &stopped, now).await
    }

    async fn postpone(&self, due: &Due) -> Result<(), GatewayError> {
        let doublings = u32::try_from(due.attempts.min(16)).unwrap_or(16);
        let wait = FIRST_WAIT
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(LONGEST_WAIT);
        let until = millis(self.0.clock.now() + wait);
        let (envelope, token) = (due.draft.envelope.clone(), due.token);
        self.0
            .store
            .write(move |tx| {
                Box::pin(async move { Drafts::postpone(tx, (&envelope, token), until).await })
            })
            .await
    }
}

fn envelope_of(draft: &Draft, ready: &[(i64, Ready)]) -> Envelope {
    let followed = draft.closed_loop != Loop::Open;
    Envelope {
        id: draft.envelope.clone(),
        from: if followed {
            ReversePath::Address(draft.from.clone())
        } else {
            // An answer by program is never itself answered by one (RFC 8098 §3, RFC 3834 §3.3).
            ReversePath::Null
        },
        recipients: ready
            .iter()
            .map(|(_, recipient)| match followed {
                true => Recipient::closed_loop(recipient.address.clone()),
                false => Recipient::silent(recipient.address.clone()),
            })
            .collect(),
        ret: Return::Headers,
        urgency: draft.urgency,
    }
}
