//! Properties: nothing panics, nothing depends on how a stream is cut, nothing is lost.

#![expect(clippy::unwrap_used, reason = "a test")]

use liaison_hl7::ack::{self, Stamp};
use liaison_hl7::adt::AdtEvent;
use liaison_hl7::er7::{Charset, Message, Separators, escape};
use liaison_hl7::mllp::{self, Decoder};
use liaison_hl7::write::Writer;
use proptest::prelude::*;
use time::macros::datetime;

const SAMPLES: [&str; 5] = [
    include_str!("data/a01_admission_through_emergency.hl7"),
    include_str!("data/a03_discharge_to_nursing_home.hl7"),
    include_str!("data/a08_international_update.hl7"),
    include_str!("data/a13_discharge_cancelled.hl7"),
    include_str!("data/a16_planned_discharge.hl7"),
];

const STAMP: Stamp<'_> = Stamp {
    now: datetime!(2026-11-21 21:41:05),
    control_id: "L-1",
};

/// Reads everything there is to read and answers.
fn use_fully(bytes: &[u8]) {
    let reply = match Message::parse(bytes) {
        Err(error) => error
            .refusal()
            .map(|refusal| ack::acknowledge_unreadable(refusal, &STAMP)),
        Ok(message) => {
            for segment in message.segments() {
                for number in 0..50 {
                    for repetition in segment.field(number).repetitions() {
                        let _ = repetition.component(2).subcomponent(2).text();
                        let _ = repetition.unescape().unknown;
                    }
                }
            }
            let verdict = AdtEvent::parse(&message).map(|event| {
                let _ = (
                    event.effective_at(),
                    event.is_confidential(),
                    format!("{event:?}"),
                );
            });
            let verdict = verdict.map_err(|error| error.refusal().unwrap());
            ack::acknowledge(&message, verdict, &STAMP)
        }
    };
    if let Some(reply) = reply {
        // Whatever came in, the answer is itself a message of one MSH and one MSA.
        let read = Message::parse(&reply).unwrap();
        assert_eq!(read.segments_named("MSA").count(), 1);
        assert_eq!(reply.last(), Some(&b'\r'));
    }
}

fn decode(stream: &[u8], cuts: &[usize]) -> (Vec<Vec<u8>>, bool) {
    let mut decoder = Decoder::new(10_000);
    let mut frames = Vec::new();
    let mut from = 0;
    for &cut in cuts.iter().chain([&stream.len()]) {
        let to = cut.clamp(from, stream.len());
        let mut input = &stream[from..to];
        while let Some(frame) = decoder.next_frame(&mut input).unwrap() {
            frames.push(frame);
        }
        from = to;
    }
    let awaits = decoder.awaits_final_cr();
    if awaits {
        frames.extend(decoder.finish().unwrap());
    }
    (frames, awaits)
}

/// Streams made mostly of the bytes that matter.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0x0B), Just(0x1C), Just(0x0D), Just(b'|'), any::<u8>()];
    prop::collection::vec(byte, 0..400)
}

proptest! {
    #[test]
    fn a_frame_comes_back_as_it_was_sent(
        content in prop::collection::vec(any::<u8>().prop_filter("no end byte", |byte| *byte != 0x1C), 0..2000),
        cuts in prop::collection::vec(0usize..2000, 0..6),
    ) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let (frames, awaits) = decode(&mllp::encode(&content), &cuts);
        prop_assert_eq!(frames, vec![content]);
        prop_assert!(!awaits);
    }

    #[test]
    fn any_split_of_a_stream_gives_the_same_frames(
        stream in stream(),
        cuts in prop::collection::vec(0usize..400, 0..10),
    ) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        prop_assert_eq!(decode(&stream, &cuts), decode(&stream, &[]));
        let every: Vec<usize> = (0..stream.len()).collect();
        prop_assert_eq!(decode(&stream, &every), decode(&stream, &[]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        use_fully(&bytes);
        let mut headed = b"MSH|^~\\&|".to_vec();
        headed.extend_from_slice(&bytes);
        use_fully(&headed);
    }

    #[test]
    fn damaged_samples_never_panic(
        sample in 0..SAMPLES.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = SAMPLES[sample].replace('\n', "\r").into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(end.index(bytes.len()) + 1);
        use_fully(&bytes);
    }

    #[test]
    fn a_text_written_is_the_text_read(text in "[ -~éœ€\r\n\u{0B}\u{1C}]{0,80}") {
        for charset in [Charset::Latin9, Charset::Utf8] {
            let mut out = Vec::new();
            escape::escape(&text, &Separators::RECOMMENDED, charset, &mut out);
            let back = escape::unescape(&out, &Separators::RECOMMENDED, charset);
            prop_assert_eq!(&back.text, &text);
            prop_assert_eq!(back.unknown, 0);
        }
    }

    #[test]
    fn a_message_written_is_the_message_read(
        fields in prop::collection::vec("[ -~éàç\r]{0,20}", 1..10),
    ) {
        let mut writer = Writer::new(Separators::RECOMMENDED, Charset::Latin9);
        drop(writer.header().text("LIAISON"));
        let mut segment = writer.segment("ZZZ");
        for field in &fields {
            segment = segment.text(field);
        }
        drop(segment);
        let bytes = writer.finish();
        let message = Message::parse(&bytes).unwrap();
        prop_assert_eq!(message.segments().count(), 2);
        let segment = message.segment("ZZZ").unwrap();
        for (at, field) in fields.iter().enumerate() {
            if field != "\"\"" {
                prop_assert_eq!(&segment.field(at + 1).text(), field);
            }
        }
    }
}

#[test]
fn a_hostile_byte_in_every_place_of_a_sample_does_no_harm() {
    for sample in &SAMPLES[..2] {
        let bytes = sample.replace('\n', "\r").into_bytes();
        for at in 0..bytes.len() {
            for hostile in [0x00, 0x0B, 0x0C, 0x1C, b'\\', b'\r', b'"', 0xFF] {
                let mut damaged = bytes.clone();
                damaged[at] = hostile;
                use_fully(&damaged);
            }
        }
    }
}
