//! ZAM: telling a hospital system what became of what it sent (ANS, volet « transmission de
//! documents CDA en HL7 v2 » 2.1: ZAM^Z02 received, ZAM^Z03 read; structure ZAM_Z01, v2.6).

use time::PrimitiveDateTime;

use crate::er7::{Charset, Separators};
use crate::timestamp::Timestamp;
use crate::write::Writer;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Z02: it is in the recipient's mailbox, or will not arrive.
    Received {
        /// Whether it is.
        arrived: bool,
    },
    /// Z03: a program opened it for the recipient, or a person has taken charge.
    Read,
}

/// One acknowledgement for a hospital system.
#[derive(Clone)]
pub struct Zam<'a> {
    /// Which event.
    pub event: Event,
    /// MSH-10: an identifier of ours that is not used again, at most 20 characters.
    pub control_id: &'a str,
    /// MSH-7: when it happened, local.
    pub at: PrimitiveDateTime,
    /// MSH-5: the system that sent the message (its MSH-3).
    pub application: &'a str,
    /// MSH-4 and MSH-6: the facility (its MSH-4).
    pub facility: &'a str,
    /// OBX-4: the control identifier (MSH-10) of the message that it is about.
    pub about: &'a str,
    /// The recipient's RPPS or FINESS; empty where only the address is known.
    pub recipient_id: &'a str,
    /// The recipient's address.
    pub recipient: &'a str,
    /// ERR-5: the SMTP code and text of a recipient that the message did not reach.
    pub failure: Option<&'a str>,
}

impl Zam<'_> {
    /// The message, without frame.
    pub fn write(&self) -> Vec<u8> {
        let mut writer = Writer::new(Separators::RECOMMENDED, Charset::Utf8);
        let (trigger, what, who) = match self.event {
            Event::Received { .. } => (
                "Z02",
                ["ACK_RECEPTION_MSS", "Accusé de réception", "AckMetierZAM"],
                [
                    "DESTINATAIRE_MSS",
                    "Destinataire du courriel MSSanté",
                    "AckMetierZAM",
                ],
            ),
            Event::Read => (
                "Z03",
                ["ACK_LECTURE_MSS", "Accusé de lecture", "AckMetierZAM"],
                ["LECTEUR_MSS", "Lecteur du courriel MSSanté", "AckMetierZAM"],
            ),
        };
        let yes = !matches!(self.event, Event::Received { arrived: false });
        let at = Timestamp::format(self.at);
        writer
            .header()
            .text("LIAISON")
            .text(self.facility)
            .text(self.application)
            .text(self.facility)
            .text(&at)
            .skip(1)
            .composed(&["ZAM", trigger, "ZAM_Z01"])
            .text(self.control_id)
            .text("P")
            .text("2.6")
            .skip(4)
            .text("FRA")
            .text(Charset::Utf8.name())
            .skip(2)
            .composed(&["2.1", "CISIS_CDA_HL7_V2"]);
        writer.segment("EVN").skip(1).text(&at);
        if let Some(failure) = self.failure {
            writer
                .segment("ERR")
                .skip(2)
                .composed(&["207", "Application internal error", "HL70357"])
                .text("E")
                .text(failure);
        }
        writer
            .segment("OBX")
            .text("1")
            .text("CWE")
            .composed(&what)
            .text(self.about)
            .composed(&[if yes { "Y" } else { "N" }, "", "expandedYes-NoIndicator"])
            .skip(5)
            .text("F");
        writer
            .segment("OBX")
            .text("2")
            .text("XTN")
            .composed(&who)
            .text(self.recipient_id)
            .composed(&["", "", "X.400", self.recipient])
            .skip(5)
            .text("F");
        writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn zam(event: Event, failure: Option<&str>) -> String {
        let zam = Zam {
            event,
            control_id: "L-a113",
            at: datetime!(2026-11-21 21:55:02),
            application: "GAM",
            facility: "CH-TEST",
            about: "700045",
            recipient_id: "009400777",
            recipient: "soins@ehpad-tilleuls.test",
            failure,
        };
        String::from_utf8(zam.write()).unwrap()
    }

    #[test]
    fn a_reading_is_told_as_the_ans_writes_it() {
        assert_eq!(
            zam(Event::Read, None),
            "MSH|^~\\&|LIAISON|CH-TEST|GAM|CH-TEST|20261121215502||ZAM^Z03^ZAM_Z01|L-a113|P|2.6|||||FRA|UNICODE UTF-8|||2.1^CISIS_CDA_HL7_V2\r\
             EVN||20261121215502\r\
             OBX|1|CWE|ACK_LECTURE_MSS^Accusé de lecture^AckMetierZAM|700045|Y^^expandedYes-NoIndicator||||||F\r\
             OBX|2|XTN|LECTEUR_MSS^Lecteur du courriel MSSanté^AckMetierZAM|009400777|^^X.400^soins@ehpad-tilleuls.test||||||F\r"
        );
    }

    #[test]
    fn a_message_that_did_not_arrive_says_why() {
        let text = zam(
            Event::Received { arrived: false },
            Some("550 5.1.1 no such mailbox"),
        );
        assert!(text.contains("|ZAM^Z02^ZAM_Z01|"), "{text}");
        assert!(
            text.contains(
                "ERR|||207^Application internal error^HL70357|E|550 5.1.1 no such mailbox\r"
            ),
            "{text}"
        );
        assert!(text.contains("ACK_RECEPTION_MSS^Accusé de réception^AckMetierZAM|700045|N^^"));
    }
}
