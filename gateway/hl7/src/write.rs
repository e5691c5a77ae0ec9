//! Composing a message in ER7.

use crate::er7::escape::escape;
use crate::er7::{Charset, Separators};

/// A message being written. Every text passed in is escaped; a value can therefore neither add
/// a field nor a segment.
///
/// ```
/// use liaison_hl7::er7::{Charset, Separators};
/// use liaison_hl7::write::Writer;
///
/// let mut writer = Writer::new(Separators::RECOMMENDED, Charset::Latin9);
/// writer.header().text("LIAISON").composed(&["ACK", "A03"]);
/// writer.segment("MSA").text("AA").skip(1).text("a|b");
/// assert_eq!(writer.finish(), b"MSH|^~\\&|LIAISON|ACK^A03\rMSA|AA||a\\F\\b\r");
/// ```
pub struct Writer {
    out: Vec<u8>,
    separators: Separators,
    charset: Charset,
}

impl Writer {
    /// An empty message in that character set.
    pub fn new(separators: Separators, charset: Charset) -> Writer {
        Writer {
            out: Vec::with_capacity(512),
            separators,
            charset,
        }
    }

    /// The header with MSH-1 and MSH-2; the next field is MSH-3.
    pub fn header(&mut self) -> SegmentWriter<'_> {
        self.out.extend_from_slice(b"MSH");
        self.out.push(self.separators.field);
        self.out
            .extend_from_slice(&self.separators.encoding_characters());
        SegmentWriter { writer: self }
    }

    /// A segment; the next field is its first.
    pub fn segment(&mut self, name: &'static str) -> SegmentWriter<'_> {
        self.out.extend_from_slice(name.as_bytes());
        SegmentWriter { writer: self }
    }

    /// The message, each segment ended by CR, the last one too (HL7 v2.5 §2.5.1).
    pub fn finish(self) -> Vec<u8> {
        self.out
    }
}

/// A segment being written, field after field. It ends when it is dropped.
pub struct SegmentWriter<'w> {
    writer: &'w mut Writer,
}

impl SegmentWriter<'_> {
    /// A field of one text.
    pub fn text(self, text: &str) -> Self {
        self.composed(&[text])
    }

    /// A field of several components.
    pub fn composed(self, components: &[&str]) -> Self {
        let Writer {
            out,
            separators,
            charset,
        } = &mut *self.writer;
        out.push(separators.field);
        for (at, component) in components.iter().enumerate() {
            if at > 0 {
                out.push(separators.component);
            }
            escape(component, separators, *charset, out);
        }
        self
    }

    /// A field as another message has it, escapes and parts included. Both messages must have
    /// the same separators and character set. An end of segment in it is dropped.
    pub fn raw(self, field: &[u8]) -> Self {
        let Writer {
            out, separators, ..
        } = &mut *self.writer;
        out.push(separators.field);
        out.extend(field.iter().filter(|&&byte| {
            byte != b'\r'
                && byte != b'\n'
                && byte != separators.field
                && byte != 0x0B
                && byte != 0x1C
        }));
        self
    }

    /// So many empty fields.
    pub fn skip(self, fields: usize) -> Self {
        let field = self.writer.separators.field;
        self.writer.out.extend(std::iter::repeat_n(field, fields));
        self
    }
}

impl Drop for SegmentWriter<'_> {
    fn drop(&mut self) {
        self.writer.out.push(b'\r');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_field_can_add_neither_field_nor_segment_nor_frame() {
        let mut writer = Writer::new(Separators::RECOMMENDED, Charset::Latin9);
        writer.segment("MSA").raw(b"a|b\rMSH\x1c\x0b^c");
        assert_eq!(writer.finish(), b"MSA|abMSH^c\r");
    }
}
