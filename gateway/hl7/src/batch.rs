//! Files of messages: one, several, or a batch (HL7 v2.5 §2.10.3: `FHS BHS message… BTS FTS`).
//!
//! Segments may end with CR, LF or both, as people and programs write files. A file whose own
//! count (BTS-1) is not what it holds was cut or mixed: nothing of it is taken.

use crate::er7::MAX_SEGMENTS;
use crate::refusal::{Code, Location, Refusal};

/// Most messages of one file.
pub const MAX_MESSAGES: usize = 50_000;

/// The messages of a file, each with its segments ended by CR (HL7 v2.5 §2.3).
///
/// # Errors
/// 100 at MSH: text before the first message, or none; 199 at BTS-1: the count differs; 198: more
/// than [`MAX_MESSAGES`] messages, or a message of more than [`MAX_SEGMENTS`] segments.
pub fn split(file: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
    let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let mut segments = 0_usize;
    let mut batch = Batch::default();
    for line in file.split(|byte| matches!(byte, b'\r' | b'\n' | 0x0B | 0x1C)) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match line.get(..3) {
            Some(b"MSH") => {
                if messages.len() == MAX_MESSAGES {
                    return Err(too_many());
                }
                messages.push(Vec::new());
                segments = 0;
                batch.open = false;
            }
            Some(b"FHS" | b"BHS") => {
                batch.open = true;
                batch.first = messages.len();
                batch.separator = line.get(3).copied();
                continue;
            }
            Some(b"BTS") => {
                batch.check(line, messages.len())?;
                batch.open = true;
                continue;
            }
            Some(b"FTS") => {
                batch.open = true;
                continue;
            }
            _ => {}
        }
        // Between a batch's header or trailer and the next MSH nothing may stand.
        let Some(message) = messages.last_mut().filter(|_| !batch.open) else {
            return Err(Refusal::no_segment("MSH"));
        };
        segments += 1;
        if segments > MAX_SEGMENTS {
            return Err(too_many());
        }
        message.extend_from_slice(line);
        message.push(b'\r');
    }
    if messages.is_empty() && batch.separator.is_none() {
        return Err(Refusal::no_segment("MSH"));
    }
    Ok(messages)
}

/// Where we are in a batch.
#[derive(Default)]
struct Batch {
    /// After a header or trailer, before the next MSH.
    open: bool,
    /// Messages before this batch.
    first: usize,
    /// FHS-1 or BHS-1.
    separator: Option<u8>,
}

impl Batch {
    fn check(&self, trailer: &[u8], messages: usize) -> Result<(), Refusal> {
        let separator = self.separator.or(trailer.get(3).copied()).unwrap_or(b'|');
        let said = trailer
            .split(|&byte| byte == separator)
            .nth(1)
            .unwrap_or_default();
        if said.is_empty() {
            return Ok(());
        }
        let said = std::str::from_utf8(said)
            .ok()
            .and_then(|text| text.trim().parse::<usize>().ok());
        if said == Some(messages - self.first) {
            Ok(())
        } else {
            Err(Refusal::at_field(Code::Other, "BTS", 1))
        }
    }
}

fn too_many() -> Refusal {
    Refusal {
        code: Code::Cardinality,
        at: Location::segment("MSH"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(file: &[u8]) -> Vec<String> {
        split(file)
            .unwrap()
            .into_iter()
            .map(|message| String::from_utf8(message).unwrap())
            .collect()
    }

    #[test]
    fn each_msh_begins_a_message_whatever_ends_the_lines() {
        let expected = ["MSH|1\rPID|a\r", "MSH|2\rPID|b\r"];
        assert_eq!(texts(b"\r\nMSH|1\rPID|a\r\n\r\nMSH|2\nPID|b\n"), expected);
        assert_eq!(
            texts(b"\xEF\xBB\xBF\x0bMSH|1\rPID|a\r\x1c\r\x0bMSH|2\rPID|b\r\x1c\r"),
            expected
        );
    }

    #[test]
    fn a_batch_is_its_messages() {
        let file = b"FHS|^~\\&|GAM\rBHS|^~\\&|GAM\rMSH|1\rPID|a\rMSH|2\rBTS|2\rFTS|1\r";
        assert_eq!(texts(file), ["MSH|1\rPID|a\r", "MSH|2\r"]);
        let two = b"FHS|x\rBHS|x\rMSH|1\rBTS|1\rBHS|x\rMSH|2\rMSH|3\rBTS|2\rFTS|2\r";
        assert_eq!(texts(two).len(), 3);
        assert!(texts(b"FHS|x\rBHS|x\rBTS|0\rFTS|1\r").is_empty());
        assert_eq!(texts(b"BHS|x\rMSH|1\rBTS\r").len(), 1, "no count, no check");
    }

    #[test]
    fn a_batch_whose_count_is_wrong_is_refused_whole() {
        for file in [
            &b"FHS|x\rBHS|x\rMSH|1\rBTS|2\r"[..],
            b"BHS|x\rMSH|1\rMSH|2\rBTS|1\r",
            b"BHS|x\rMSH|1\rBTS|one\r",
            b"BHS|x\rMSH|1\rBTS|-1\r",
        ] {
            let refusal = split(file).unwrap_err();
            assert_eq!(refusal.to_string(), "199 Other HL7 Error at BTS^1^1");
        }
    }

    #[test]
    fn what_is_outside_messages_is_refused() {
        for file in [
            &b""[..],
            b"hello\r",
            b"PID|1\rMSH|1\r",
            b"BHS|x\rPID|1\rMSH|1\r",
            b"MSH|1\rBTS|1\rPID|1\r",
        ] {
            assert_eq!(split(file).unwrap_err(), Refusal::no_segment("MSH"));
        }
    }
}
