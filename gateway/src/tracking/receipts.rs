//! Telling senders that their message was opened here.
//!
//! The mailbox keeps each first opening in a durable row; this turns it into a disposition
//! notification (RFC 8098), signed and sealed like any message, in the same commit that removes
//! the row. It says that a program opened the message for an account: never that anyone acts.

use std::sync::Arc;

use liaison_base::clock::Clock;
use liaison_base::shutdown::Shutdown;
use liaison_directory_client::Query;
use liaison_mail::dsn::Heading;
use liaison_mail::mdn::{Disposition, DispositionReport};
use liaison_mail::{Address, EnvelopeId, MessageId, Urgency};
use liaison_store::Store;
use serde::{Deserialize, Serialize};

use crate::GatewayError;
use crate::mailbox::{Mailboxes, Opening};
use crate::outbound::identity::Identities;
use crate::outbound::{Content, Draft, Drafts, Loop, Wanted};

/// Openings taken up at once.
const AT_ONCE: u32 = 100;

/// What a filed message remembers of the receipt that its author asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReceiptToken {
    /// Whom to tell: the verified author.
    pub(crate) to: Address,
    /// The message that was opened.
    pub(crate) message_id: MessageId,
}

impl ReceiptToken {
    /// The token as the mailbox keeps it.
    pub(crate) fn encode(&self) -> String {
        format!("{} {}", self.to, self.message_id.as_str())
    }

    fn decode(text: &str) -> Option<Self> {
        let (to, message_id) = text.split_once(' ')?;
        Some(Self {
            to: Address::parse(to).ok()?,
            message_id: MessageId::parse(message_id).ok()?,
        })
    }
}

/// Sends receipts for what is opened in the mailboxes of this gateway.
pub(crate) struct Receipts {
    pub(crate) store: Store,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) identities: Arc<Identities>,
    pub(crate) drafts: Drafts,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Receipts {
    /// Works until a shutdown is asked for.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        loop {
            if let Err(error) = self.send_waiting().await {
                tracing::error!(%error, "receipts could not be sent; they are kept");
            }
            tokio::select! {
                () = shutdown.asked() => return,
                () = self.mailboxes.openings_waiting() => {}
            }
        }
    }

    async fn send_waiting(&self) -> Result<(), GatewayError> {
        loop {
            let openings = self.mailboxes.openings(AT_ONCE).await?;
            if openings.is_empty() {
                return Ok(());
            }
            for opening in openings {
                let draft = self.draft(&opening)?;
                let drafts = self.drafts.clone();
                let now = self.clock.now();
                self.store
                    .write(move |tx| {
                        Box::pin(async move {
                            let mine = Mailboxes::delete_opening(tx, &opening).await?;
                            if let Some(draft) = draft.filter(|_| mine) {
                                drafts.insert(tx, &draft, now).await?;
                            }
                            Ok::<_, GatewayError>(())
                        })
                    })
                    .await?;
                self.drafts.wake();
            }
        }
    }

    /// `None` when this gateway cannot sign for the mailbox: an unsigned receipt proves nothing.
    fn draft(&self, opening: &Opening) -> Result<Option<Draft>, GatewayError> {
        let Some(token) = ReceiptToken::decode(&opening.token) else {
            return Ok(None);
        };
        if !self.identities.signs_for(&opening.mailbox) {
            return Ok(None);
        }
        let report = DispositionReport {
            reporting_ua: opening.mailbox.domain().clone(),
            recipient: opening.mailbox.clone(),
            message_id: token.message_id.clone(),
            envelope_id: None,
            disposition: Disposition::Displayed,
        };
        let own_id = MessageId::new(opening.mailbox.domain());
        let message = report.compose(&Heading {
            from: opening.mailbox.clone(),
            to: token.to.clone(),
            message_id: own_id.clone(),
            in_reply_to: Some(token.message_id),
            date: opening.at,
            subject: "Message ouvert".to_owned(),
            text: "Le message a été ouvert par le logiciel de messagerie du destinataire.\n\
                   Cela ne dit pas que quelqu'un l'a pris en charge."
                .to_owned(),
        })?;
        Ok(Some(Draft {
            envelope: EnvelopeId::fresh(),
            message_id: own_id,
            from: opening.mailbox.clone(),
            wanted: vec![Wanted {
                label: token.to.to_string(),
                query: Query::address(token.to),
            }],
            urgency: Urgency::Info,
            closed_loop: Loop::Open,
            content: Content::Report(message),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_as_kept() {
        let token = ReceiptToken {
            to: Address::parse("avis@ch.test").unwrap(),
            message_id: MessageId::parse("n45@ch.test").unwrap(),
        };
        assert_eq!(ReceiptToken::decode(&token.encode()), Some(token));
        assert_eq!(ReceiptToken::decode("nonsense"), None);
    }
}
