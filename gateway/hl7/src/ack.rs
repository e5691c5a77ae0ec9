//! Acknowledgements (HL7 v2.5 §2.9).
//!
//! | mode | MSH-15 and MSH-16 | taken | refused |
//! |---|---|---|---|
//! | original (§2.9.2) | both empty | `AA` | `AE`, `AR` |
//! | enhanced (§2.9.3), accept level | MSH-15 asks | `CA` | `CE`, `CR` |
//! | enhanced, application level | MSH-15 does not ask, MSH-16 does | `AA` | `AE`, `AR` |
//!
//! `AA` and `CA` say that the message is in safe storage and need not be sent again: send them
//! after the durable commit, never before. The refusals are for faults *of the message*, which a
//! repeat cannot mend. For a fault of the receiver send nothing and close the connection: many
//! engines take any answer as the end of the matter and skip the message.

use time::PrimitiveDateTime;

use crate::er7::{Charset, Element, Message, Segment, Separators};
use crate::refusal::Refusal;
use crate::timestamp::Timestamp;
use crate::write::Writer;

/// When an acknowledgement is wanted: MSH-15, MSH-16 (table HL70155).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// `AL`.
    Always,
    /// `NE`, or empty beside the other field.
    Never,
    /// `ER`: only for a refusal.
    OnRefusal,
    /// `SU`: only for success.
    OnSuccess,
}

/// Which acknowledgements the sender wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One answer, at application level.
    Original,
    /// Each level by its own condition.
    Enhanced {
        /// MSH-15.
        accept: Condition,
        /// MSH-16.
        application: Condition,
    },
}

/// Level of an acknowledgement: the letter before its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Accept,
    Application,
}

impl Mode {
    /// Reads MSH-15 and MSH-16.
    pub fn of(message: &Message<'_>) -> Mode {
        let msh = message.msh();
        let (accept, application) = (msh.field(15), msh.field(16));
        if !accept.has_value() && !application.has_value() {
            return Mode::Original;
        }
        Mode::Enhanced {
            accept: condition(accept),
            application: condition(application),
        }
    }

    fn level(self, taken: bool) -> Option<Level> {
        match self {
            Mode::Original => Some(Level::Application),
            Mode::Enhanced { accept, .. } if accept.holds(taken) => Some(Level::Accept),
            // Asked for at accept level and not due: silence is what was asked for.
            Mode::Enhanced { accept, .. } if accept != Condition::Never => None,
            Mode::Enhanced { application, .. } => {
                application.holds(taken).then_some(Level::Application)
            }
        }
    }
}

impl Condition {
    fn holds(self, taken: bool) -> bool {
        match self {
            Condition::Always => true,
            Condition::Never => false,
            Condition::OnRefusal => !taken,
            Condition::OnSuccess => taken,
        }
    }
}

/// What is particular to one acknowledgement.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// MSH-7: now, local to the receiver, to the second.
    pub now: PrimitiveDateTime,
    /// MSH-10: an identifier of ours that is not used again, at most 20 characters.
    pub control_id: &'a str,
}

/// The acknowledgement of a message whose header was read: `Ok` for one that is safely stored,
/// `Err` for one at fault. `None` when the sender asked for no answer in that case.
///
/// MSH-3 and MSH-4 are swapped with MSH-5 and MSH-6, MSA-2 is the message's MSH-10, the
/// character set and separators are the message's. Without frame: see [`crate::mllp::encode`].
pub fn acknowledge(
    message: &Message<'_>,
    verdict: Result<(), Refusal>,
    stamp: &Stamp<'_>,
) -> Option<Vec<u8>> {
    let level = Mode::of(message).level(verdict.is_ok())?;
    let msh = message.msh();
    let mut writer = Writer::new(message.separators(), message.charset());
    write_header(&mut writer, &msh, message.charset(), stamp);
    write_verdict(
        &mut writer,
        code(level, verdict),
        msh.field(10).bytes(),
        verdict,
    );
    Some(writer.finish())
}

/// The acknowledgement of a frame whose header cannot be read: `AR`, with the recommended
/// separators and an empty MSA-2, for there is no identifier to echo.
///
/// Always sent: what the sender asked for is not known, and without an answer it would repeat
/// the same bytes for ever.
pub fn acknowledge_unreadable(refusal: Refusal, stamp: &Stamp<'_>) -> Vec<u8> {
    let mut writer = Writer::new(Separators::RECOMMENDED, Charset::Latin9);
    writer
        .header()
        .skip(4)
        .text(&Timestamp::format(stamp.now))
        .skip(1)
        .text("ACK")
        .text(stamp.control_id)
        .text("P")
        .text("2.5");
    write_verdict(&mut writer, "AR", b"", Err(refusal));
    writer.finish()
}

fn write_header(writer: &mut Writer, msh: &Segment<'_>, charset: Charset, stamp: &Stamp<'_>) {
    let trigger = msh.field(9).component(2);
    let header = writer
        .header()
        .raw(msh.field(5).bytes())
        .raw(msh.field(6).bytes())
        .raw(msh.field(3).bytes())
        .raw(msh.field(4).bytes())
        .text(&Timestamp::format(stamp.now))
        .skip(1);
    let header = if trigger.has_value() && trigger.bytes().len() <= 3 {
        header.composed(&["ACK", &trigger.text(), "ACK"])
    } else {
        header.text("ACK")
    };
    header
        .text(stamp.control_id)
        .raw(or(msh.field(11), b"P"))
        .raw(or(msh.field(12), b"2.5"))
        .skip(4)
        // MSH-17 is MSH-12's companion: the French profile wants it on every message.
        .raw(msh.field(17).bytes())
        .text(charset.name());
}

fn write_verdict(writer: &mut Writer, code: &str, control_id: &[u8], verdict: Result<(), Refusal>) {
    writer.segment("MSA").text(code).raw(control_id);
    let Err(refusal) = verdict else {
        return;
    };
    let at = refusal.at;
    let sequence = at.sequence.to_string();
    let field = at.field.to_string();
    let component = at.component.to_string();
    let whole = [at.segment, &sequence, &field, "1", &component];
    let location = match (at.field, at.component) {
        (0, _) => &whole[..2],
        (_, 0) => &whole[..3],
        _ => &whole[..],
    };
    let number = refusal.code.number().to_string();
    writer
        .segment("ERR")
        .skip(1)
        .composed(location)
        .composed(&[&number, refusal.code.text(), "HL70357"])
        .text("E");
}

fn code(level: Level, verdict: Result<(), Refusal>) -> &'static str {
    match (level, verdict) {
        (Level::Application, Ok(())) => "AA",
        (Level::Accept, Ok(())) => "CA",
        (Level::Application, Err(refusal)) if refusal.code.is_rejection() => "AR",
        (Level::Application, Err(_)) => "AE",
        (Level::Accept, Err(refusal)) if refusal.code.is_rejection() => "CR",
        (Level::Accept, Err(_)) => "CE",
    }
}

fn condition(field: Element<'_>) -> Condition {
    match field.bytes() {
        b"AL" => Condition::Always,
        b"ER" => Condition::OnRefusal,
        b"SU" => Condition::OnSuccess,
        _ => Condition::Never,
    }
}

fn or<'m>(field: Element<'m>, otherwise: &'m [u8]) -> &'m [u8] {
    if field.has_value() {
        field.bytes()
    } else {
        otherwise
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Code;
    use time::macros::datetime;

    const STAMP: Stamp<'_> = Stamp {
        now: datetime!(2026-11-21 21:41:05),
        control_id: "L-1",
    };

    fn message(fifteen: &str, sixteen: &str) -> String {
        format!(
            r"MSH|^~\&|GAM|CH-TEST|LIAISON|SITE|20261121214104||ADT^A03^ADT_A03|700045|P|2.5^FRA^2.11|||{fifteen}|{sixteen}|FRA|8859/15"
        )
    }

    fn reply(text: &str, verdict: Result<(), Refusal>) -> Option<String> {
        let message = Message::parse(text.as_bytes()).unwrap();
        acknowledge(&message, verdict, &STAMP).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_stored_message_in_original_mode_gets_aa() {
        assert_eq!(
            reply(&message("", ""), Ok(())).unwrap(),
            "MSH|^~\\&|LIAISON|SITE|GAM|CH-TEST|20261121214105||ACK^A03^ACK|L-1|P|2.5^FRA^2.11|||||FRA|8859/15\r\
             MSA|AA|700045\r"
        );
    }

    #[test]
    fn a_fault_names_its_place_and_code() {
        let refused = reply(&message("AL", "NE"), Err(Refusal::missing("PID", 3))).unwrap();
        assert!(
            refused
                .ends_with("\rMSA|CE|700045\rERR||PID^1^3|101^Required field missing^HL70357|E\r")
        );
        let rejected = Refusal::at_field(Code::MessageType, "MSH", 9);
        assert!(
            reply(&message("", ""), Err(rejected))
                .unwrap()
                .contains("\rMSA|AR|700045\r")
        );
        assert!(
            reply(&message("AL", ""), Err(rejected))
                .unwrap()
                .contains("\rMSA|CR|700045\r")
        );
        assert!(
            reply(&message("", ""), Err(Refusal::no_segment("PID")))
                .unwrap()
                .contains("\rMSA|AE|700045\rERR||PID^1|100^Segment sequence error^HL70357|E\r")
        );
    }

    #[test]
    fn enhanced_mode_follows_msh_15_and_16() {
        let fault = Err(Refusal::missing("PID", 3));
        let code = |fifteen: &str, sixteen: &str, verdict| {
            reply(&message(fifteen, sixteen), verdict)
                .map(|text| text.split("\rMSA|").nth(1).unwrap()[..2].to_owned())
        };
        for (fifteen, sixteen, taken, refused) in [
            ("AL", "NE", Some("CA"), Some("CE")),
            ("AL", "AL", Some("CA"), Some("CE")),
            ("NE", "AL", Some("AA"), Some("AE")),
            ("", "AL", Some("AA"), Some("AE")),
            ("NE", "NE", None, None),
            ("ER", "NE", None, Some("CE")),
            ("SU", "NE", Some("CA"), None),
            ("NE", "ER", None, Some("AE")),
        ] {
            assert_eq!(
                code(fifteen, sixteen, Ok(())).as_deref(),
                taken,
                "{fifteen} {sixteen}"
            );
            assert_eq!(
                code(fifteen, sixteen, fault).as_deref(),
                refused,
                "{fifteen} {sixteen}"
            );
        }
    }

    #[test]
    fn a_frame_without_header_is_rejected_all_the_same() {
        let text = acknowledge_unreadable(Refusal::no_segment("MSH"), &STAMP);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "MSH|^~\\&|||||20261121214105||ACK|L-1|P|2.5\r\
             MSA|AR|\rERR||MSH^1|100^Segment sequence error^HL70357|E\r"
        );
    }

    #[test]
    fn the_senders_separators_are_kept() {
        let text = r"MSH$!~\&$GAM$CH$L$S$2026$$ADT!A01$9!x$P$2.5";
        assert!(
            reply(text, Ok(()))
                .unwrap()
                .contains("$$ACK!A01!ACK$L-1$P$2.5")
        );
        assert!(reply(text, Ok(())).unwrap().contains("\rMSA$AA$9!x\r"));
    }
}
