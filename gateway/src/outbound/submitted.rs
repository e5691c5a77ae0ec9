//! A client that did not hear the reply to its message submits it again: for each recipient it is
//! taken once.
//!
//! `Message-ID` names one version of one message (RFC 5322 §3.6.4), so the same author, the same
//! identifier and the same octets are the same message, and a recipient who has it gets no second
//! one. A message without an identifier is always a new one: nothing says that it is not. The rows
//! share the commit of the drafts, so a crash leaves both or neither.

use std::time::Duration;

use liaison_base::clock::millis;
use liaison_mail::{Address, MessageId};
use sqlx::AnyConnection;
use time::OffsetDateTime;

use super::{Draft, Drafts};
use crate::GatewayError;

/// How long a submission is recognised: longer than a message stays in a client's outbox.
const RECOGNISED: Duration = Duration::from_secs(30 * 24 * 3600);

/// What makes two submissions one.
pub(crate) struct Submitted<'a> {
    /// The author.
    pub(crate) from: &'a Address,
    /// The identifier that the author's client gave.
    pub(crate) message_id: &'a MessageId,
    /// The message, octet for octet.
    pub(crate) message: &'a [u8],
}

impl Drafts {
    /// Makes the drafts of one submission durable and wakes the worker. Recipients who were
    /// written to by an earlier submission of the same message are left out; `None` takes all.
    /// Answers with how many recipients are new.
    ///
    /// # Errors
    /// [`GatewayError::Store`]; nothing was kept then.
    pub(crate) async fn submit(
        &self,
        drafts: Vec<Draft>,
        submitted: Option<Submitted<'_>>,
        at: OffsetDateTime,
    ) -> Result<usize, GatewayError> {
        let this = self.clone();
        let name = submitted.map(|one| self.name(&one));
        let fresh = self
            .store()
            .write(move |tx| {
                Box::pin(async move {
                    forget(tx, at).await?;
                    let mut fresh = 0;
                    for mut draft in drafts {
                        if let Some(name) = &name {
                            this.leave_out_known(tx, &mut draft, name, at).await?;
                        }
                        if !draft.wanted.is_empty() {
                            fresh += draft.wanted.len();
                            this.insert(tx, &draft, at).await?;
                        }
                    }
                    Ok::<_, GatewayError>(fresh)
                })
            })
            .await?;
        self.wake();
        Ok(fresh)
    }

    /// The same for the same message of the same author.
    fn name(&self, submitted: &Submitted<'_>) -> Vec<u8> {
        let head = format!("{}\n{}\n", submitted.from.key(), submitted.message_id);
        let mut name = self.key().tag("submitted message", submitted.message);
        name.extend_from_slice(head.as_bytes());
        name
    }

    async fn leave_out_known(
        &self,
        tx: &mut AnyConnection,
        draft: &mut Draft,
        name: &[u8],
        at: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let mut fresh = Vec::with_capacity(draft.wanted.len());
        for wanted in std::mem::take(&mut draft.wanted) {
            let value = [name, wanted.label.to_lowercase().as_bytes()].concat();
            let new = sqlx::query(
                "INSERT INTO submitted (tag, at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            )
            .bind(self.key().tag("submitted", &value))
            .bind(millis(at))
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if new > 0 {
                fresh.push(wanted);
            }
        }
        draft.wanted = fresh;
        Ok(())
    }
}

async fn forget(tx: &mut AnyConnection, now: OffsetDateTime) -> Result<(), GatewayError> {
    sqlx::query("DELETE FROM submitted WHERE at < $1")
        .bind(millis(now - RECOGNISED))
        .execute(tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{self, SiteKey, Vault};
    use crate::outbound::{Content, Loop, Wanted, draft};
    use crate::tracking;
    use liaison_base::clock::ManualClock;
    use liaison_directory_client::Query;
    use liaison_mail::{EnvelopeId, Urgency};
    use liaison_store::Store;
    use liaison_store::testing::database;
    use std::sync::Arc;
    use std::time::Duration;
    use time::macros::datetime;

    const NOON: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    async fn drafts(folder: &std::path::Path) -> Drafts {
        let key = folder.join("site.key");
        SiteKey::create(&key).unwrap();
        let schemas = [keys::SCHEMA, draft::SCHEMA, tracking::SCHEMA];
        let store = Store::open(database(folder.join("gateway.db")), &schemas)
            .await
            .unwrap();
        let vault = Vault::new(SiteKey::load(&key).unwrap(), store.clone());
        Drafts::new(store, &vault)
    }

    fn draft(to: &[&str]) -> Draft {
        Draft {
            envelope: EnvelopeId::fresh(),
            message_id: MessageId::parse("m1@cabinet.test").unwrap(),
            from: Address::parse("claire@cabinet.test").unwrap(),
            wanted: to
                .iter()
                .map(|to| Wanted {
                    label: (*to).to_owned(),
                    query: Query::address(Address::parse(to).unwrap()),
                })
                .collect(),
            urgency: Urgency::Normal,
            closed_loop: Loop::Open,
            content: Content::Mime(b"sealed later".to_vec()),
        }
    }

    async fn submit(
        drafts: &Drafts,
        (id, message): (&str, &[u8]),
        to: &[&str],
        at: OffsetDateTime,
    ) -> usize {
        let from = Address::parse("Claire@cabinet.test").unwrap();
        let message_id = MessageId::parse(id).unwrap();
        let submitted = Submitted {
            from: &from,
            message_id: &message_id,
            message,
        };
        drafts
            .submit(vec![draft(to)], Some(submitted), at)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_message_submitted_again_reaches_only_who_did_not_have_it() {
        let folder = tempfile::tempdir().unwrap();
        let drafts = drafts(folder.path()).await;
        let message = ("m1@cabinet.test", b"text".as_slice());
        assert_eq!(submit(&drafts, message, &["a@x.test"], NOON).await, 1);
        assert_eq!(submit(&drafts, message, &["a@x.test"], NOON).await, 0);
        let both = ["A@x.test", "b@x.test", "b@x.test"];
        assert_eq!(submit(&drafts, message, &both, NOON).await, 1);
        let clock = Arc::new(ManualClock::at(NOON));
        let holder = drafts
            .store()
            .enter("gateway", clock, Duration::from_secs(30))
            .await
            .unwrap();
        let due = drafts.claim(NOON, 10, &[], &holder).await.unwrap();
        let mut labels: Vec<_> = due
            .iter()
            .flat_map(|due| due.draft.wanted.iter().map(|wanted| wanted.label.as_str()))
            .collect();
        labels.sort_unstable();
        assert_eq!(labels, ["a@x.test", "b@x.test"]);
    }

    #[tokio::test]
    async fn another_text_another_identifier_or_none_is_another_message() {
        let folder = tempfile::tempdir().unwrap();
        let drafts = drafts(folder.path()).await;
        let to = ["a@x.test"];
        for message in [
            ("m1@cabinet.test", b"text".as_slice()),
            ("m1@cabinet.test", b"corrected"),
            ("m2@cabinet.test", b"text"),
        ] {
            assert_eq!(submit(&drafts, message, &to, NOON).await, 1);
        }
        for _ in 0..2 {
            let fresh = drafts.submit(vec![draft(&to)], None, NOON).await.unwrap();
            assert_eq!(fresh, 1);
        }
    }

    #[tokio::test]
    async fn a_submission_is_forgotten_after_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let drafts = drafts(folder.path()).await;
        let message = ("m1@cabinet.test", b"text".as_slice());
        let days = time::Duration::days;
        for (after, fresh) in [(0, 1), (29, 0), (31, 1), (32, 0)] {
            let at = NOON + days(after);
            assert_eq!(submit(&drafts, message, &["a@x.test"], at).await, fresh);
        }
    }
}
