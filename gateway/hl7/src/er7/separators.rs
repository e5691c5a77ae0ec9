//! The separators of a message: MSH-1 and MSH-2 (HL7 v2.5 §2.5.4).

use crate::refusal::{Code, Refusal};

/// Five different ASCII punctuation characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separators {
    pub(crate) field: u8,
    pub(crate) component: u8,
    pub(crate) repetition: u8,
    pub(crate) escape: u8,
    pub(crate) subcomponent: u8,
}

impl Separators {
    /// The recommended ones, the only ones PAM-FR knows: `|^~\&`.
    pub const RECOMMENDED: Separators = Separators {
        field: b'|',
        component: b'^',
        repetition: b'~',
        escape: b'\\',
        subcomponent: b'&',
    };

    /// Reads them off the start of a message.
    ///
    /// # Errors
    /// The message does not begin with `MSH`, or MSH-1 and MSH-2 are not five different
    /// punctuation characters (a sixth, the truncation character of v2.7, is passed over).
    pub fn parse(message: &[u8]) -> Result<Separators, Refusal> {
        let rest = message
            .strip_prefix(b"MSH")
            .ok_or(Refusal::no_segment("MSH"))?;
        let (&field, rest) = rest.split_first().ok_or(Refusal::missing("MSH", 1))?;
        let fault = Refusal::at_field(Code::DataType, "MSH", 2);
        if !field.is_ascii_punctuation() {
            return Err(Refusal::at_field(Code::DataType, "MSH", 1));
        }
        let end = rest
            .iter()
            .take(8)
            .position(|&byte| byte == field || byte == b'\r' || byte == b'\n')
            .unwrap_or(rest.len().min(8));
        let &[
            component,
            repetition,
            escape,
            subcomponent,
            ref truncation @ ..,
        ] = &rest[..end]
        else {
            return Err(fault);
        };
        let all = [field, component, repetition, escape, subcomponent];
        let distinct = all
            .iter()
            .enumerate()
            .all(|(at, byte)| !all[..at].contains(byte));
        if truncation.len() > 1 || !distinct || !all.iter().all(u8::is_ascii_punctuation) {
            return Err(fault);
        }
        Ok(Separators {
            field,
            component,
            repetition,
            escape,
            subcomponent,
        })
    }

    /// MSH-2 as it is written.
    pub fn encoding_characters(&self) -> [u8; 4] {
        [
            self.component,
            self.repetition,
            self.escape,
            self.subcomponent,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_separators_are_read() {
        assert_eq!(
            Separators::parse(br"MSH|^~\&|A"),
            Ok(Separators::RECOMMENDED)
        );
        assert_eq!(
            Separators::parse(br"MSH|^~\&#|A"),
            Ok(Separators::RECOMMENDED)
        );
        assert_eq!(Separators::parse(br"MSH|^~\&"), Ok(Separators::RECOMMENDED));
    }

    #[test]
    fn other_separators_are_allowed_if_they_can_be_told_apart() {
        assert_eq!(Separators::parse(br"MSH$!~\&$A").unwrap().field, b'$');
        assert!(Separators::parse(br"MSH|^^\&|A").is_err());
        assert!(Separators::parse(br"MSH|^~|A").is_err());
        assert!(Separators::parse(br"MSHA^~\&A").is_err());
        assert!(Separators::parse(b"MSH|^~\\a|").is_err());
    }

    #[test]
    fn what_does_not_begin_with_msh_lacks_its_first_segment() {
        assert_eq!(
            Separators::parse(b"PID|1").unwrap_err().code,
            Code::SegmentSequence
        );
        assert_eq!(
            Separators::parse(b"MSH").unwrap_err().code,
            Code::RequiredField
        );
    }
}
