//! One client's connection: who it is, whom it writes to, and the drafts that result.

use std::net::IpAddr;
use std::sync::Arc;

use liaison_directory_client::Query;
use liaison_mail::header::{self, Header};
use liaison_mail::{
    Address, EnhancedStatus, EnvelopeId, MessageId, Recipient, Refusal, ReversePath,
};
use liaison_smtp::io::{Session, Taken};
use liaison_smtp::reply::FixedReply;
use liaison_smtp::server::Credentials;
use liaison_smtp::{Content, Mail, Transaction};
use mail_parser::MessageParser;
use zeroize::Zeroizing;

use super::Door;
use crate::accounts::Account;
use crate::outbound::Submitted;
use crate::outbound::draft::{Content as DraftContent, Draft, Loop, Wanted};
use crate::outbound::resolve::{Impediment, Resolved, resolve_query};

pub(super) struct Submission {
    door: Door,
    remote: IpAddr,
    account: Option<Arc<Account>>,
}

impl Submission {
    pub(super) fn new(door: Door, remote: IpAddr) -> Self {
        Self {
            door,
            remote,
            account: None,
        }
    }

    /// The account, which the state machine has demanded before any transaction.
    fn account(&self) -> Result<&Account, Refusal> {
        self.account.as_deref().ok_or_else(|| {
            let status = EnhancedStatus::REFUSED;
            Refusal::permanent(530, status, "log in first")
        })
    }

    /// A refusal of what this account may not do, on its way to the client and to the log.
    fn refuse(&self, reason: &str) -> Refusal {
        let remote = self.remote;
        tracing::warn!(%remote, code = 550, reason, "submission: refused");
        Refusal::permanent(550, EnhancedStatus::REFUSED, reason)
    }

    fn drafts(
        &self,
        transaction: Transaction,
        bytes: &[u8],
        own_id: Option<MessageId>,
    ) -> Result<Vec<Draft>, Refusal> {
        let account = self.account()?;
        let (head, _) = header::split(bytes);
        let from = author(bytes)
            .filter(|from| writes_as(account, from))
            .ok_or_else(|| {
                self.refuse(
                    "the From of the message must be one of your own addresses, and only one",
                )
            })?;
        let named = named_recipients(bytes);
        // One envelope for all who see one another and are sent to alike; one for each blind
        // recipient, so that nobody learns of them from the recipients that an envelope lists
        // (RFC 5652 §6.2).
        let (visible, blind): (Vec<_>, Vec<_>) = transaction
            .recipients
            .into_iter()
            .partition(|recipient| named.contains(&recipient.address));
        let mut groups = match is_sealed(head) {
            true => vec![visible],
            false => self
                .door
                .partners
                .alike(visible, |recipient| &recipient.address),
        };
        groups.extend(blind.into_iter().map(|one| vec![one]));
        groups.retain(|group| !group.is_empty());
        let message_id = own_id.unwrap_or_else(|| MessageId::new(&self.door.domain));
        let urgency = urgency(head).unwrap_or(transaction.mail.urgency);
        let mut drafts: Vec<Draft> = Vec::with_capacity(groups.len());
        for group in groups {
            drafts.push(Draft {
                envelope: EnvelopeId::fresh(),
                message_id: message_id.clone(),
                from: from.clone(),
                wanted: group.into_iter().map(wanted).collect(),
                urgency,
                closed_loop: Loop::Closed {
                    kind: "mail".to_owned(),
                    number: String::new(),
                    title: String::new(),
                },
                content: match is_sealed(head) {
                    true => DraftContent::Sealed(bytes.to_vec()),
                    false => DraftContent::Mime(bytes.to_vec()),
                },
            });
        }
        Ok(drafts)
    }

    /// Drafts what was submitted; `Ok` once the drafts are durable.
    async fn keep(&mut self, transaction: Transaction, content: Content) -> Result<(), Refusal> {
        let bytes = content.into_bytes();
        let own_id = header::split(&bytes)
            .0
            .value("Message-ID")
            .and_then(|id| MessageId::parse(&id).ok());
        let drafts = self.drafts(transaction, &bytes, own_id.clone())?;
        let from = drafts.first().map(|draft| draft.from.clone());
        let now = self.door.clock.now();
        for draft in &drafts {
            if !self.door.identities.signs_for(&draft.from) {
                return Err(self.refuse("this gateway holds no signing key for your address"));
            }
            tracing::info!(
                envelope = %draft.envelope,
                message_id = %draft.message_id,
                recipients = draft.wanted.len(),
                "submitted"
            );
        }
        let submitted = match (&from, &own_id) {
            (Some(from), Some(message_id)) => Some(Submitted {
                from,
                message_id,
                message: &bytes,
            }),
            _ => None,
        };
        match self.door.drafts.submit(drafts, submitted, now).await {
            Ok(0) => {
                tracing::info!(message_id = ?own_id, "submitted before; nothing is sent twice");
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::error!(%error, "a submitted message could not be kept");
                let status = EnhancedStatus::TRY_LATER;
                let text = "not kept: try again in a minute";
                Err(Refusal::transient(451, status, text))
            }
        }
    }
}

impl Session for Submission {
    async fn authenticate(&mut self, credentials: Credentials) -> Result<(), Refusal> {
        let accounts = &self.door.accounts;
        let password = Zeroizing::new(credentials.password.as_bytes().to_vec());
        match accounts
            .authenticate(&credentials.user, password, self.remote)
            .await
        {
            Ok(account) => {
                tracing::info!(remote = %self.remote, account = %account.user, "submission: logged in");
                self.account = Some(account);
                Ok(())
            }
            Err(denied) => {
                tracing::warn!(remote = %self.remote, reason = %denied, "submission: login refused");
                Err(login_refused(denied.retry_can_help(), denied.public()))
            }
        }
    }

    async fn mail(&mut self, mail: &Mail) -> Result<(), Refusal> {
        let account = self.account()?;
        match &mail.from {
            ReversePath::Address(from) if writes_as(account, from) => Ok(()),
            _ => Err(self.refuse("the envelope sender must be one of your own addresses")),
        }
    }

    async fn recipient(&mut self, recipient: &Recipient) -> Result<(), Refusal> {
        let query = Query::address(recipient.address.clone());
        let now = self.door.clock.now();
        match resolve_query(&self.door.directory, &query, now).await {
            // The directory is away: the draft is kept and asked for again.
            Resolved::Ready(_) | Resolved::Later(_) => Ok(()),
            Resolved::Stopped(impediment) => {
                // The domain alone: whom nobody knows here may be a patient.
                let domain = recipient.address.domain();
                tracing::info!(remote = %self.remote, %domain, reason = %impediment, "submission: recipient refused");
                Err(recipient_refused(&impediment))
            }
        }
    }

    async fn message(&mut self, transaction: Transaction, content: Content) -> Taken {
        self.keep(transaction, content).await.into()
    }

    fn fault(&mut self, reply: &FixedReply) {
        let remote = self.remote;
        tracing::warn!(%remote, code = reply.code, reason = reply.text, "submission: refused");
    }
}

fn writes_as(account: &Account, address: &Address) -> bool {
    account.address == *address || account.opens(address)
}

/// The one address in the one `From` field. Several, or none, is no author (RFC 5322 §3.6.2 with
/// the demand of RFC 8550 §3 that the signer be it).
fn author(message: &[u8]) -> Option<Address> {
    let (head, _) = header::split(message);
    if head.count("From") != 1 {
        return None;
    }
    let parsed = MessageParser::default().parse_headers(message)?;
    let mut addresses = parsed.from()?.iter();
    let address = Address::parse(addresses.next()?.address()?).ok()?;
    addresses.next().is_none().then_some(address)
}

/// The addresses that the message shows in `To` and `Cc`.
fn named_recipients(message: &[u8]) -> Vec<Address> {
    let Some(parsed) = MessageParser::default().parse_headers(message) else {
        return Vec::new();
    };
    [parsed.to(), parsed.cc()]
        .into_iter()
        .flatten()
        .flat_map(mail_parser::Address::iter)
        .filter_map(|addr| Address::parse(addr.address()?).ok())
        .collect()
}

/// Whether the author's own client has encrypted the message (RFC 8551 §3.3, §3.4). The relay
/// looks into the content before it carries it; this is only what the header says.
fn is_sealed(head: Header<'_>) -> bool {
    let Some(kind) = head.value("Content-Type").map(|v| v.to_ascii_lowercase()) else {
        return false;
    };
    let is_cms = ["application/pkcs7-mime", "application/x-pkcs7-mime"]
        .iter()
        .any(|cms| kind.starts_with(cms));
    is_cms && kind.contains("smime-type") && kind.contains("enveloped-data")
}

/// `X-Priority: 1` or `Importance: high`, as mail clients mark urgent mail.
fn urgency(head: Header<'_>) -> Option<liaison_mail::Urgency> {
    let priority = head.value("X-Priority").is_some_and(|v| v.starts_with('1'));
    let importance = head
        .value("Importance")
        .is_some_and(|v| v.eq_ignore_ascii_case("high"));
    (priority || importance).then_some(liaison_mail::Urgency::Urgent)
}

fn wanted(recipient: Recipient) -> Wanted {
    Wanted {
        label: recipient.address.to_string(),
        query: Query::address(recipient.address),
    }
}

fn login_refused(transient: bool, text: &str) -> Refusal {
    // RFC 4954 §6: 535 5.7.8 for wrong credentials, 454 4.7.0 for a passing trouble.
    match transient {
        true => Refusal::transient(454, EnhancedStatus::TRY_LATER, text),
        false => Refusal::permanent(535, EnhancedStatus::CREDENTIALS, text),
    }
}

/// In French without accents: mail clients show the line to the clinician, and SMTP is ASCII.
fn recipient_refused(impediment: &Impediment) -> Refusal {
    let text = match impediment {
        Impediment::NotListed => {
            "adresse inconnue de l'annuaire : verifiez-la, rien n'a ete envoye"
        }
        Impediment::NoMailbox(_) => "ce destinataire n'a pas de boite securisee dans l'annuaire",
        Impediment::NoCertificate(_) | Impediment::Untrusted(_) => {
            "ce destinataire n'a pas de certificat utilisable dans l'annuaire"
        }
        Impediment::Ambiguous(_) => "plusieurs destinataires correspondent : precisez l'adresse",
        Impediment::KeyChanged(..) => {
            "la cle de ce destinataire a change : rien n'a ete envoye, demandez-lui confirmation"
        }
        Impediment::Refused(_) => "l'annuaire a refuse la question : prevenez votre correspondant",
    };
    Refusal::permanent(550, EnhancedStatus::NO_SUCH_MAILBOX, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_one_author() {
        let one = b"From: Claire <c@cabinet.test>\r\n\r\n";
        assert_eq!(author(one), Address::parse("c@cabinet.test").ok());
        for message in [
            &b"From: a@x.test, b@x.test\r\n\r\n"[..],
            b"From: a@x.test\r\nFrom: b@x.test\r\n\r\n",
            b"To: a@x.test\r\n\r\n",
            b"From: nobody\r\n\r\n",
        ] {
            assert_eq!(author(message), None);
        }
    }

    #[test]
    fn a_message_that_the_client_sealed_is_told_from_one_that_it_signed() {
        for (kind, expected) in [
            (
                "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m",
                true,
            ),
            (
                "application/pkcs7-mime;\r\n smime-type=authEnveloped-data",
                true,
            ),
            (
                "application/x-pkcs7-mime; smime-type=\"enveloped-data\"",
                true,
            ),
            ("application/pkcs7-mime; smime-type=signed-data", false),
            (
                "multipart/signed; protocol=\"application/pkcs7-signature\"",
                false,
            ),
            ("text/plain; smime-type=enveloped-data", false),
        ] {
            let message = format!("Content-Type: {kind}\r\n\r\n");
            assert_eq!(
                is_sealed(header::split(message.as_bytes()).0),
                expected,
                "{kind}"
            );
        }
    }

    #[test]
    fn who_is_in_to_or_cc_is_seen_by_the_others() {
        let message = b"To: A <a@x.test>, b@x.test\r\nCc: c@x.test\r\nBcc: d@x.test\r\n\r\n";
        let named: Vec<_> = named_recipients(message).iter().map(Address::key).collect();
        assert_eq!(named, ["a@x.test", "b@x.test", "c@x.test"]);
    }
}
