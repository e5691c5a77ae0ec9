//! Wake-ups between the processes that share a database.
//!
//! A process that has committed work for another says so in a word ([`crate::Store::tell`]); the
//! others hear it ([`crate::Store::news`]) and look at the tables at once rather than at their next
//! round. A word is a hint and never the only way to the work: words may be lost or come twice.
//! PostgreSQL carries them by LISTEN and NOTIFY, outside of the transactions, where a NOTIFY would
//! make commits wait for each other. A SQLite file has one process, and nobody to tell.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{AnyConnection, Row as _};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::location::Hosts;
use crate::{StoreError, connect};

/// The channel of LISTEN and NOTIFY.
const CHANNEL: &str = "liaison";
/// Words waiting to be sent, or to be heard by a slow listener; more are told as [`Word::Missed`].
const WAITING: usize = 1024;
/// Longest word, in octets: a NOTIFY carries less than 8000.
const LONGEST: usize = 4000;
/// The wait before a lost connection is tried again.
const PAUSE: Duration = Duration::from_millis(250);

/// What another process has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The word given to [`crate::Store::tell`].
    Said(Arc<str>),
    /// Words may have been missed: look at everything.
    Missed,
}

/// What other processes say from now on.
#[derive(Debug)]
pub struct News {
    heard: Option<broadcast::Receiver<Word>>,
}

impl News {
    /// The next word; never resolves where no other process can speak.
    pub async fn next(&mut self) -> Word {
        let Some(heard) = &mut self.heard else {
            return std::future::pending().await;
        };
        match heard.recv().await {
            Ok(word) => word,
            Err(broadcast::error::RecvError::Lagged(_)) => Word::Missed,
            Err(broadcast::error::RecvError::Closed) => {
                self.heard = None;
                std::future::pending().await
            }
        }
    }
}

/// The way in and out for one process. Copies share it; the last one ends it.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    said: mpsc::Sender<String>,
    heard: broadcast::Sender<Word>,
    _tasks: Arc<DropGuard>,
}

impl Wire {
    /// Listens and speaks over connections of its own, under `name`.
    pub(crate) fn start(hosts: &Hosts, name: &str) -> Self {
        let (said, words) = mpsc::channel(WAITING);
        let heard = broadcast::Sender::new(WAITING);
        let stop = CancellationToken::new();
        let (speaking, listening) = (stop.clone(), stop.clone());
        let (speaker, listener) = (
            speak(hosts.clone(), name.to_owned(), words),
            listen(hosts.clone(), name.to_owned(), heard.clone()),
        );
        tokio::spawn(async move { speaking.run_until_cancelled(speaker).await });
        tokio::spawn(async move { listening.run_until_cancelled(listener).await });
        Self {
            said,
            heard,
            _tasks: Arc::new(stop.drop_guard()),
        }
    }

    pub(crate) fn tell(&self, word: &str) {
        // Full means that the server does not answer: the others' rounds find the work.
        if word.len() <= LONGEST {
            let _ = self.said.try_send(word.to_owned());
        }
    }

    pub(crate) fn news(&self) -> News {
        News {
            heard: Some(self.heard.subscribe()),
        }
    }
}

impl News {
    /// Where nobody else can speak.
    pub(crate) fn silence() -> Self {
        Self { heard: None }
    }
}

/// Sends words; the same word twice in what waits is one.
async fn speak(hosts: Hosts, name: String, mut words: mpsc::Receiver<String>) {
    let mut connection: Option<AnyConnection> = None;
    while let Some(first) = words.recv().await {
        let mut waiting = HashSet::from([first]);
        while let Ok(word) = words.try_recv() {
            waiting.insert(word);
        }
        if let Err(error) = send(&hosts, &name, &mut connection, &waiting).await {
            tracing::debug!(%error, "other processes are not told");
            connection = None;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn send(
    hosts: &Hosts,
    name: &str,
    connection: &mut Option<AnyConnection>,
    words: &HashSet<String>,
) -> Result<(), StoreError> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(connect::primary(hosts).await?.0),
    };
    for word in words {
        sqlx::query("SELECT 1 FROM pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(format!("{name} {word}"))
            .fetch_optional(&mut *connection)
            .await?
            .map(|row| row.try_get::<i32, _>(0))
            .transpose()?;
    }
    Ok(())
}

/// Hears words, over a new connection whenever one is lost.
async fn listen(hosts: Hosts, name: String, heard: broadcast::Sender<Word>) {
    let mut first = true;
    loop {
        for url in hosts.urls() {
            let Ok(mut listener) = PgListener::connect(url).await else {
                continue;
            };
            // A standby refuses.
            if listener.listen(CHANNEL).await.is_err() {
                continue;
            }
            if !std::mem::take(&mut first) {
                let _ = heard.send(Word::Missed);
            }
            listener.eager_reconnect(false);
            while let Ok(Some(notification)) = listener.try_recv().await {
                if let Some((from, word)) = notification.payload().split_once(' ')
                    && from != name
                {
                    // Nobody may be listening yet.
                    let _ = heard.send(Word::Said(word.into()));
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
