//! Back to the hospital: what became of each notice, to the system whose message it came from.
//!
//! By configuration: ZAM^Z02 and ZAM^Z03 over MLLP, a FHIR Task, a plain webhook, or nothing. News
//! is noted in the commit that records it, and told until the hospital system has it: a system
//! that is away loses nothing, and each piece is told once (its identifier says which, should an
//! answer get lost).

mod line;

use std::time::Duration;

use liaison_base::clock::{Clock, from_millis, millis};
use liaison_base::shutdown::Shutdown;
use liaison_base::tls;
use liaison_mail::EnvelopeId;
use liaison_store::Store;
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use sqlx::{AnyConnection, Row as _};
use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_rustls::TlsConnector;

use crate::GatewayError;
use crate::settings::{BackPace, BackSettings};
use crate::tracking::State;

use line::connect;

/// How often news is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// News told on one connection.
const AT_ONCE: i64 = 50;
/// After so many refusals a piece of news waits for a person: some four hours.
const MOST_REFUSALS: i64 = 20;
/// Longest wait between two tries.
const LONGEST_WAIT: i64 = 15 * 60_000;

/// Notes a piece of news about an envelope for the hospital system, in the caller's transaction;
/// nothing where the envelope came from no message of one.
pub(crate) async fn note(
    tx: &mut AnyConnection,
    (envelope, recipient): (&EnvelopeId, &str),
    (state, detail): (State, &str),
    at: i64,
) -> Result<(), GatewayError> {
    let told = [
        State::Delivered,
        State::Failed,
        State::Opened,
        State::TakenCharge,
    ];
    if !told.contains(&state) {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO hospital_return
         (envelope, recipient, state, at, detail, attempts, next_attempt_at)
         SELECT envelope, $2, $3, $4, $5, 0, $4 FROM notice_origin WHERE envelope = $1
         ON CONFLICT (envelope, recipient, state) DO NOTHING",
    )
    .bind(envelope.as_str())
    .bind(recipient)
    .bind(state.rank())
    .bind(at)
    .bind(detail)
    .execute(tx)
    .await?;
    Ok(())
}

/// A piece of news, without patient data.
struct News {
    envelope: String,
    recipient: String,
    state: State,
    at: i64,
    detail: String,
    attempts: i64,
    number: String,
    wanted: String,
    control_id: String,
    application: String,
    facility: String,
}

/// Tells a hospital system.
pub(crate) struct Back {
    store: Store,
    clock: Arc<dyn Clock>,
    way: Way,
    /// Longest wait for a connection or an answer.
    patience: Duration,
    /// Wait before the first retry, in milliseconds; doubled each time up to [`LONGEST_WAIT`].
    first_wait: i64,
}

enum Way {
    Zam {
        to: String,
        tls: Option<(TlsConnector, ServerName<'static>)>,
    },
    Http {
        client: reqwest::Client,
        url: String,
        token: Option<String>,
        fhir: bool,
    },
}

/// What telling came to.
enum Told {
    /// The system has it.
    Yes,
    /// The system refuses this piece of news (AE, AR, 4xx). Engines also say so of faults of their
    /// own, so it is told again, alone, and in the end kept for a person to see.
    Refused(String),
}

/// A piece of news that the hospital's system has not taken, for the command line.
#[derive(Clone, Debug)]
pub struct Untold {
    /// The notice's number.
    pub number: String,
    /// Who it is about: role and RPPS, FINESS or address.
    pub wanted: String,
    /// What became of the notice.
    pub state: State,
    /// Since when.
    pub since: OffsetDateTime,
    /// How often it was told.
    pub attempts: i64,
    /// What the hospital's system last answered, or why it could not be reached.
    pub answer: String,
    /// Whether it is told again by itself.
    pub is_due_again: bool,
}

/// What the hospital's system has not taken, oldest first, at most `limit`.
pub(crate) async fn untold(store: &Store, limit: i64) -> Result<Vec<Untold>, GatewayError> {
    sqlx::query(
        "SELECT h.state, h.at, h.attempts, h.answer, h.next_attempt_at, t.number, r.wanted
         FROM hospital_return h
         JOIN tracked t ON t.envelope = h.envelope
         JOIN tracked_recipient r ON r.envelope = h.envelope AND r.address = h.recipient
         WHERE h.told_at IS NULL ORDER BY h.at, h.state LIMIT $1",
    )
    .bind(limit)
    .fetch_all(store.read())
    .await?
    .iter()
    .map(|row| {
        let answer: Option<String> = row.try_get("answer")?;
        let next: i64 = row.try_get("next_attempt_at")?;
        Ok(Untold {
            number: row.try_get("number")?,
            wanted: row.try_get("wanted")?,
            state: State::from_rank(row.try_get("state")?)
                .ok_or(GatewayError::Stored("state of a recipient"))?,
            since: from_millis(row.try_get("at")?),
            attempts: row.try_get("attempts")?,
            answer: answer.unwrap_or_default(),
            is_due_again: next != i64::MAX,
        })
    })
    .collect()
}

/// Has what was refused told again from now on. Gives how many pieces of news that is.
pub(crate) async fn tell_again(store: &Store, now: i64) -> Result<u64, GatewayError> {
    store
        .write(move |tx| {
            Box::pin(async move {
                let again = sqlx::query(
                    "UPDATE hospital_return SET next_attempt_at = $1, attempts = 0
                     WHERE told_at IS NULL",
                )
                .bind(now)
                .execute(tx)
                .await?;
                Ok::<_, GatewayError>(again.rows_affected())
            })
        })
        .await
}

impl Back {
    /// # Errors
    /// [`GatewayError`] naming the setting or file that cannot be used.
    pub(crate) fn new(
        settings: &BackSettings,
        pace: &BackPace,
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, GatewayError> {
        let patience = Duration::from_secs(pace.answer_seconds.max(1));
        let first_wait = i64::try_from(pace.retry_seconds.max(1)).unwrap_or(5) * 1000;
        let setting = |cause: String| GatewayError::Setting {
            key: "hospital.back",
            cause,
        };
        let way = match settings {
            BackSettings::Zam { to, anchors } => {
                let host = to.rsplit_once(':').map_or(to.as_str(), |(host, _)| host);
                let tls = match anchors {
                    None if !["127.0.0.1", "[::1]", "localhost"].contains(&host) => {
                        return Err(setting(format!(
                            "{to} is another machine: give the anchors of its certificate, for TLS"
                        )));
                    }
                    None => None,
                    Some(anchors) => {
                        let config = tls::client(tls::anchors(anchors)?)?;
                        let name = ServerName::try_from(host.to_owned())
                            .map_err(|_| setting(format!("{host} is no name of a machine")))?;
                        Some((TlsConnector::from(Arc::new(config)), name))
                    }
                };
                Way::Zam {
                    to: to.clone(),
                    tls,
                }
            }
            BackSettings::FhirTask {
                url,
                anchors,
                token,
            }
            | BackSettings::Webhook {
                url,
                anchors,
                token,
            } => {
                let client = reqwest::Client::builder()
                    .tls_backend_preconfigured(tls::client(tls::anchors(anchors)?)?)
                    .timeout(patience)
                    .redirect(reqwest::redirect::Policy::none())
                    .build()
                    .map_err(|error| setting(error.to_string()))?;
                let token = token
                    .as_ref()
                    .map(|path| {
                        std::fs::read_to_string(path)
                            .map(|token| token.trim().to_owned())
                            .map_err(|cause| setting(format!("{}: {cause}", path.display())))
                    })
                    .transpose()?;
                Way::Http {
                    client,
                    url: url.clone(),
                    token,
                    fhir: matches!(settings, BackSettings::FhirTask { .. }),
                }
            }
        };
        Ok(Self {
            store,
            clock,
            way,
            patience,
            first_wait,
        })
    }

    /// Works until a shutdown is asked for.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        loop {
            if let Err(reason) = self.tell_due().await {
                tracing::warn!(reason, "the hospital system is not told yet; tried again");
            }
            tokio::select! {
                () = shutdown.asked() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn tell_due(&self) -> Result<(), String> {
        let due = self.due().await.map_err(|error| error.to_string())?;
        if due.is_empty() {
            return Ok(());
        }
        let mut line = None;
        for news in due {
            let told = match &self.way {
                Way::Zam { to, tls } => {
                    if line.is_none() {
                        line = match connect(to, tls.as_ref(), self.patience).await {
                            Ok(open) => Some(open),
                            Err(reason) => return self.postpone(&news, reason).await,
                        };
                    }
                    match &mut line {
                        Some(line) => line.tell(&news).await,
                        None => return Ok(()),
                    }
                }
                Way::Http { .. } => self.post(&news).await,
            };
            match told {
                Ok(told) => self
                    .keep(&news, told)
                    .await
                    .map_err(|error| error.to_string())?,
                Err(reason) => return self.postpone(&news, reason).await,
            }
        }
        Ok(())
    }

    async fn due(&self) -> Result<Vec<News>, GatewayError> {
        sqlx::query(
            "SELECT h.envelope, h.recipient, h.state, h.at, h.detail, h.attempts,
                    o.control_id, o.application, o.facility, t.number, r.wanted
             FROM hospital_return h
             JOIN notice_origin o ON o.envelope = h.envelope
             JOIN tracked t ON t.envelope = h.envelope
             JOIN tracked_recipient r ON r.envelope = h.envelope AND r.address = h.recipient
             WHERE h.next_attempt_at <= $1 ORDER BY h.at, h.state LIMIT $2",
        )
        .bind(millis(self.clock.now()))
        .bind(AT_ONCE)
        .fetch_all(self.store.read())
        .await?
        .iter()
        .map(|row| {
            Ok(News {
                envelope: row.try_get("envelope")?,
                recipient: row.try_get("recipient")?,
                state: State::from_rank(row.try_get("state")?)
                    .ok_or(GatewayError::Stored("state of a recipient"))?,
                at: row.try_get("at")?,
                detail: row.try_get("detail")?,
                attempts: row.try_get("attempts")?,
                number: row.try_get("number")?,
                wanted: row.try_get("wanted")?,
                control_id: row.try_get("control_id")?,
                application: row.try_get("application")?,
                facility: row.try_get("facility")?,
            })
        })
        .collect()
    }

    async fn keep(&self, news: &News, told: Told) -> Result<(), GatewayError> {
        let key = (
            news.envelope.clone(),
            news.recipient.clone(),
            news.state.rank(),
        );
        let now = millis(self.clock.now());
        let (told_at, next, answer) = match told {
            // The row stays, never due again: the same news is not noted twice.
            Told::Yes => (Some(now), i64::MAX, None),
            Told::Refused(answer) => {
                let next = match news.attempts + 1 < MOST_REFUSALS {
                    true => now + self.wait(news.attempts),
                    false => i64::MAX,
                };
                tracing::warn!(
                    envelope = news.envelope,
                    answer,
                    again = next != i64::MAX,
                    "the hospital system refuses news; see liaison notice back"
                );
                (None, next, Some(answer))
            }
        };
        self.store
            .write(move |tx| {
                let (key, answer) = (key.clone(), answer.clone());
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE hospital_return
                         SET next_attempt_at = $4, told_at = $5, answer = COALESCE($6, answer),
                             attempts = attempts + 1
                         WHERE envelope = $1 AND recipient = $2 AND state = $3",
                    )
                    .bind(key.0)
                    .bind(key.1)
                    .bind(key.2)
                    .bind(next)
                    .bind(told_at)
                    .bind(answer)
                    .execute(tx)
                    .await?;
                    Ok::<_, GatewayError>(())
                })
            })
            .await
    }

    /// The wait after so many tries, in milliseconds.
    fn wait(&self, attempts: i64) -> i64 {
        self.first_wait
            .saturating_mul(1 << attempts.clamp(0, 16))
            .min(LONGEST_WAIT)
    }

    /// Tries again later, and says why.
    async fn postpone(&self, news: &News, reason: String) -> Result<(), String> {
        let until = millis(self.clock.now()) + self.wait(news.attempts);
        let key = (
            news.envelope.clone(),
            news.recipient.clone(),
            news.state.rank(),
        );
        let answer = reason.clone();
        // Whatever is due waits with it: the order of news is the order of events.
        let kept: Result<(), GatewayError> = self
            .store
            .write(move |tx| {
                let (key, answer) = (key.clone(), answer.clone());
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE hospital_return SET attempts = attempts + 1, answer = $4
                         WHERE envelope = $1 AND recipient = $2 AND state = $3",
                    )
                    .bind(key.0)
                    .bind(key.1)
                    .bind(key.2)
                    .bind(answer)
                    .execute(&mut *tx)
                    .await?;
                    sqlx::query(
                        "UPDATE hospital_return SET next_attempt_at = $1
                         WHERE next_attempt_at < $1 AND told_at IS NULL",
                    )
                    .bind(until)
                    .execute(tx)
                    .await?;
                    Ok(())
                })
            })
            .await;
        kept.map_err(|error| error.to_string())?;
        Err(reason)
    }

    async fn post(&self, news: &News) -> Result<Told, String> {
        let Way::Http {
            client,
            url,
            token,
            fhir,
        } = &self.way
        else {
            return Ok(Told::Yes);
        };
        let (body, content_type) = if *fhir {
            (task(news), "application/fhir+json")
        } else {
            (plain(news), "application/json")
        };
        let mut request = client
            .post(url)
            .header("Content-Type", content_type)
            .header("Idempotency-Key", identifier(news))
            .body(body.to_string());
        if *fhir {
            let condition = format!("identifier=urn:liaison:news|{}", identifier(news));
            request = request.header("If-None-Exist", condition);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request
            .send()
            .await
            .map_err(|error| error.without_url().to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(Told::Yes),
            // 408 and 429 ask for patience; other 4xx are about the message.
            status
                if status.is_client_error() && ![401, 403, 408, 429].contains(&status.as_u16()) =>
            {
                Ok(Told::Refused(status.to_string()))
            }
            status => Err(status.to_string()),
        }
    }
}

/// Names a piece of news for ever.
fn identifier(news: &News) -> String {
    format!("{}.{}", news.envelope, news.state.rank())
}

fn stamp(at: i64) -> String {
    from_millis(at).format(&Rfc3339).unwrap_or_default()
}

/// A webhook's body.
fn plain(news: &News) -> Value {
    json!({
        "id": identifier(news),
        "notice": news.number,
        "message": news.control_id,
        "facility": news.facility,
        "recipient": news.recipient,
        "role": news.wanted,
        "state": news.state.to_string(),
        "at": stamp(news.at),
        "detail": news.detail,
    })
}

/// A FHIR R4 Task: telling the recipient is the task, its state what became of it.
fn task(news: &News) -> Value {
    let status = match news.state {
        State::TakenCharge => "completed",
        State::Failed => "failed",
        _ => "in-progress",
    };
    json!({
        "resourceType": "Task",
        "identifier": [{ "system": "urn:liaison:news", "value": identifier(news) }],
        "basedOn": [{ "identifier": { "system": "urn:hl7:msh-10", "value": news.control_id } }],
        "groupIdentifier": { "system": "urn:liaison:notice", "value": news.number },
        "status": status,
        "businessStatus": { "text": news.state.to_string() },
        "intent": "order",
        "description": format!("Avis n° {}", news.number),
        "lastModified": stamp(news.at),
        "owner": { "identifier": { "system": "urn:ietf:rfc:6068", "value": format!("mailto:{}", news.recipient) }, "display": news.wanted },
        "note": if news.detail.is_empty() { json!([]) } else { json!([{ "text": news.detail }]) },
    })
}
