//! ZAM over an MLLP connection, one at a time, each with its acknowledgement.

use std::time::Duration;

use liaison_base::civil::legal_time;
use liaison_base::clock::from_millis;
use liaison_hl7::er7::Message;
use liaison_hl7::mllp::{self, Decoder};
use liaison_hl7::zam::{Event, Zam};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{News, Told};
use crate::tracking::State;

/// Longest acknowledgement.
const LONGEST_ANSWER: usize = 64 * 1024;

/// An open connection to an MLLP port.
pub(super) struct Line {
    stream: Box<dyn Duplex>,
    decoder: Decoder,
    patience: Duration,
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// Opens a connection, within `patience`.
pub(super) async fn connect(
    to: &str,
    tls: Option<&(TlsConnector, ServerName<'static>)>,
    patience: Duration,
) -> Result<Line, String> {
    let opening = async {
        let stream = TcpStream::connect(to).await.map_err(|e| e.to_string())?;
        let _ = stream.set_nodelay(true);
        let stream: Box<dyn Duplex> = match tls {
            None => Box::new(stream),
            Some((connector, name)) => Box::new(
                connector
                    .connect(name.clone(), stream)
                    .await
                    .map_err(|e| e.to_string())?,
            ),
        };
        Ok(Line {
            stream,
            decoder: Decoder::new(LONGEST_ANSWER),
            patience,
        })
    };
    tokio::time::timeout(patience, opening)
        .await
        .unwrap_or_else(|_| Err("no connection in time".to_owned()))
}

impl Line {
    /// Sends one ZAM and waits for its own acknowledgement; one that answers another message is
    /// stale and dropped.
    pub(super) async fn tell(&mut self, news: &News) -> Result<Told, String> {
        // The end of the envelope's UUID is its random part; MSH-10 has at most 20 characters.
        let tail: String = news.envelope.chars().rev().take(15).collect();
        let tail: String = tail.chars().rev().collect();
        let control_id = format!("L{}-{tail}", news.state.rank());
        let patience = self.patience;
        let message = zam(news, &control_id);
        let exchange = async {
            self.stream
                .write_all(&mllp::encode(&message))
                .await
                .map_err(|e| e.to_string())?;
            self.stream.flush().await.map_err(|e| e.to_string())?;
            loop {
                let answer = self.frame().await?;
                if let Some(told) = verdict(&answer, &control_id) {
                    return told;
                }
            }
        };
        tokio::time::timeout(patience, exchange)
            .await
            .unwrap_or_else(|_| Err("no acknowledgement in time".to_owned()))
    }

    async fn frame(&mut self) -> Result<Vec<u8>, String> {
        let mut chunk = [0; 4096];
        loop {
            let count = self
                .stream
                .read(&mut chunk)
                .await
                .map_err(|e| e.to_string())?;
            if count == 0 {
                return Err("the hospital system closed the connection".to_owned());
            }
            let mut input = &chunk[..count];
            // A second frame in one read would answer nothing that we asked: it is dropped.
            if let Some(frame) = self
                .decoder
                .next_frame(&mut input)
                .map_err(|e| e.to_string())?
            {
                return Ok(frame);
            }
        }
    }
}

fn zam(news: &News, control_id: &str) -> Vec<u8> {
    let recipient_id = news
        .wanted
        .split_whitespace()
        .last()
        .filter(|last| last.len() >= 9 && last.bytes().all(|b| b.is_ascii_alphanumeric()))
        .unwrap_or_default();
    Zam {
        event: match news.state {
            State::Opened | State::TakenCharge => Event::Read,
            State::Failed => Event::Received { arrived: false },
            _ => Event::Received { arrived: true },
        },
        control_id,
        at: legal_time(from_millis(news.at)),
        application: &news.application,
        facility: &news.facility,
        about: &news.control_id,
        recipient_id,
        recipient: &news.recipient,
        failure: (news.state == State::Failed).then_some(&*news.detail),
    }
    .write()
}

/// What an acknowledgement of ours says; `None` for one that answers another message.
fn verdict(answer: &[u8], control_id: &str) -> Option<Result<Told, String>> {
    let message = match Message::parse(answer) {
        Ok(message) => message,
        Err(error) => return Some(Err(error.to_string())),
    };
    let msa = message.segment("MSA")?;
    if !msa.field(2).is(control_id) {
        return None;
    }
    Some(match msa.field(1).bytes() {
        b"AA" | b"CA" => Ok(Told::Yes),
        // The code alone: what stands beside it may quote the message.
        b"AE" => Ok(Told::Refused("AE".to_owned())),
        b"AR" => Ok(Told::Refused("AR".to_owned())),
        b"CE" => Ok(Told::Refused("CE".to_owned())),
        b"CR" => Ok(Told::Refused("CR".to_owned())),
        _ => Err("an acknowledgement without a code (MSA-1)".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_acknowledgement_answers_a_message() {
        let ack = |code: &str, id: &str| {
            format!("MSH|^~\\&|GAM|CH|LIAISON|CH|20261121||ACK|1|P|2.6\rMSA|{code}|{id}\r")
                .into_bytes()
        };
        assert!(matches!(
            verdict(&ack("AA", "L6-x"), "L6-x"),
            Some(Ok(Told::Yes))
        ));
        assert!(matches!(
            verdict(&ack("CA", "L6-x"), "L6-x"),
            Some(Ok(Told::Yes))
        ));
        assert!(matches!(
            verdict(&ack("AR", "L6-x"), "L6-x"),
            Some(Ok(Told::Refused(_)))
        ));
        assert!(verdict(&ack("AA", "L6-stale"), "L6-x").is_none());
        assert!(matches!(verdict(b"hello", "L6-x"), Some(Err(_))));
    }
}
