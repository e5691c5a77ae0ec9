//! `liaison hl7 send FILE --to HOST:PORT`: pushes a file over MLLP and prints the answers.

use std::path::PathBuf;

use clap::Subcommand;
use liaison_hl7::mllp::{self, Decoder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::error::CommandError;

#[derive(Subcommand)]
pub(crate) enum Hl7Command {
    /// Send each message of an ER7 file (segments ended by CR or LF; each MSH begins a message).
    Send {
        /// The file.
        file: PathBuf,
        /// Where the gateway's MLLP port is, for example 127.0.0.1:2575.
        #[arg(long)]
        to: String,
    },
}

#[expect(clippy::print_stdout, reason = "the answers are the command's output")]
pub(crate) async fn run(command: Hl7Command) -> Result<(), CommandError> {
    let Hl7Command::Send { file, to } = command;
    let bytes = tokio::fs::read(&file)
        .await
        .map_err(|cause| CommandError::File {
            path: file.clone(),
            cause,
        })?;
    let messages = messages(&bytes);
    if messages.is_empty() {
        return Err(CommandError::Settings(
            "the file holds no HL7 message: the first line must begin with MSH",
        ));
    }
    let mut feed = Feed::connect(&to).await?;
    for message in messages {
        let answer = feed.send(&message).await?;
        println!(
            "{}",
            String::from_utf8_lossy(&answer)
                .trim_end()
                .replace('\r', "\n")
        );
    }
    Ok(())
}

/// A connection to a gateway's MLLP port.
pub(crate) struct Feed {
    stream: TcpStream,
    decoder: Decoder,
    pending: Vec<u8>,
}

impl Feed {
    pub(crate) async fn connect(to: &str) -> Result<Self, CommandError> {
        let stream = TcpStream::connect(to)
            .await
            .map_err(|cause| CommandError::Peer(format!("nobody answers at {to}: {cause}")))?;
        Ok(Self {
            stream,
            decoder: Decoder::new(mllp::DEFAULT_LIMIT),
            pending: Vec::new(),
        })
    }

    /// Sends one message and waits for its acknowledgement.
    pub(crate) async fn send(&mut self, message: &[u8]) -> Result<Vec<u8>, CommandError> {
        let lost = |cause: std::io::Error| CommandError::Peer(format!("the feed broke: {cause}"));
        self.stream
            .write_all(&mllp::encode(message))
            .await
            .map_err(lost)?;
        loop {
            let mut input = self.pending.as_slice();
            let frame = self
                .decoder
                .next_frame(&mut input)
                .map_err(|cause| CommandError::Peer(format!("not MLLP: {cause}")))?;
            self.pending = input.to_vec();
            if let Some(frame) = frame {
                return Ok(frame);
            }
            let mut chunk = [0; 4096];
            let read = self.stream.read(&mut chunk).await.map_err(lost)?;
            if read == 0 {
                return Err(CommandError::Peer(
                    "the gateway closed the feed without an answer: nothing was accepted"
                        .to_owned(),
                ));
            }
            self.pending.extend_from_slice(&chunk[..read]);
        }
    }
}

/// The messages of a file, segments ended by CR as HL7 v2.5 §2.3 wants.
pub(crate) fn messages(file: &[u8]) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for line in file.split(|b| matches!(b, b'\r' | b'\n')) {
        if line.is_empty() {
            continue;
        }
        if line.starts_with(b"MSH") {
            messages.push(Vec::new());
        }
        if let Some(message) = messages.last_mut() {
            message.extend_from_slice(line);
            message.push(b'\r');
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_msh_begins_a_message_whatever_ends_the_lines() {
        let file = b"\r\nMSH|1\r\nPID|a\r\n\r\nMSH|2\nPID|b\n";
        assert_eq!(
            messages(file),
            [b"MSH|1\rPID|a\r".to_vec(), b"MSH|2\rPID|b\r".to_vec()]
        );
        assert!(messages(b"FHS|x\n").is_empty());
    }
}
