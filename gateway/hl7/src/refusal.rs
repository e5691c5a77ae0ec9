//! What is wrong with a message: an ERR-3 code (table HL70357, as the ANS lists it) and a place.

use std::fmt;

/// A code of table HL70357, those that the ANS retains for French exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// 100: segments out of order, or a required segment missing.
    SegmentSequence,
    /// 101: a required field is empty.
    RequiredField,
    /// 102: a value does not have the form of its data type.
    DataType,
    /// 103: a coded value is not in its table.
    TableValue,
    /// 198: more or fewer occurrences than allowed.
    Cardinality,
    /// 199: another fault of the message.
    Other,
    /// 200: message type not taken.
    MessageType,
    /// 201: trigger event not taken.
    EventCode,
    /// 202: processing identifier (MSH-11) not taken.
    ProcessingId,
    /// 203: version (MSH-12) not taken.
    VersionId,
    /// 207: the receiver failed. Listed by the ANS; see [`crate::ack`] on why it is not sent for
    /// a transient fault.
    Internal,
}

impl Code {
    /// The number of ERR-3.1.
    pub fn number(self) -> u16 {
        match self {
            Code::SegmentSequence => 100,
            Code::RequiredField => 101,
            Code::DataType => 102,
            Code::TableValue => 103,
            Code::Cardinality => 198,
            Code::Other => 199,
            Code::MessageType => 200,
            Code::EventCode => 201,
            Code::ProcessingId => 202,
            Code::VersionId => 203,
            Code::Internal => 207,
        }
    }

    /// The text of ERR-3.2.
    pub fn text(self) -> &'static str {
        match self {
            Code::SegmentSequence => "Segment sequence error",
            Code::RequiredField => "Required field missing",
            Code::DataType => "Data type error",
            Code::TableValue => "Table value not found",
            Code::Cardinality => "Non-Conformant Cardinality",
            Code::Other => "Other HL7 Error",
            Code::MessageType => "Unsupported message type",
            Code::EventCode => "Unsupported event code",
            Code::ProcessingId => "Unsupported processing id",
            Code::VersionId => "Unsupported version id",
            Code::Internal => "Application internal error",
        }
    }

    /// Whether the header alone rules the message out (`AR`, `CR`) rather than its content
    /// (`AE`, `CE`): HL7 v2.5 §2.9.2.2 names type, trigger, processing id and version.
    pub fn is_rejection(self) -> bool {
        matches!(
            self,
            Code::MessageType | Code::EventCode | Code::ProcessingId | Code::VersionId
        )
    }
}

/// Where in a message, as ERR-2 (ERL) says it; written `PID^1^3`.
///
/// Zero stands for "not said".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Segment name.
    pub segment: &'static str,
    /// Which occurrence of that segment, from 1.
    pub sequence: u16,
    /// Field, from 1.
    pub field: u16,
    /// Component, from 1.
    pub component: u16,
}

impl Location {
    /// The first segment of that name.
    pub const fn segment(segment: &'static str) -> Location {
        Location {
            segment,
            sequence: 1,
            field: 0,
            component: 0,
        }
    }

    /// A field of the first segment of that name.
    pub const fn field(segment: &'static str, field: u16) -> Location {
        Location {
            segment,
            sequence: 1,
            field,
            component: 0,
        }
    }

    /// A component of a field of the first segment of that name.
    pub const fn component(segment: &'static str, field: u16, component: u16) -> Location {
        Location {
            segment,
            sequence: 1,
            field,
            component,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}^{}", self.segment, self.sequence)?;
        if self.field > 0 {
            write!(f, "^{}", self.field)?;
        }
        if self.component > 0 {
            // ERL.4 is the repetition; the first one is meant.
            write!(f, "^1^{}", self.component)?;
        }
        Ok(())
    }
}

/// A fault of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What.
    pub code: Code,
    /// Where.
    pub at: Location,
}

impl Refusal {
    /// A required field that is empty or `""`.
    pub const fn missing(segment: &'static str, field: u16) -> Refusal {
        Refusal {
            code: Code::RequiredField,
            at: Location::field(segment, field),
        }
    }

    /// A required segment that is not there.
    pub const fn no_segment(segment: &'static str) -> Refusal {
        Refusal {
            code: Code::SegmentSequence,
            at: Location::segment(segment),
        }
    }

    /// Any fault at a field.
    pub const fn at_field(code: Code, segment: &'static str, field: u16) -> Refusal {
        Refusal {
            code,
            at: Location::field(segment, field),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} at {}",
            self.code.number(),
            self.code.text(),
            self.at
        )
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_reads_as_err_2_writes_it() {
        assert_eq!(Location::segment("PID").to_string(), "PID^1");
        assert_eq!(Location::field("PID", 3).to_string(), "PID^1^3");
        assert_eq!(Location::component("MSH", 9, 2).to_string(), "MSH^1^9^1^2");
    }

    #[test]
    fn a_refusal_says_what_and_where() {
        assert_eq!(
            Refusal::missing("PID", 3).to_string(),
            "101 Required field missing at PID^1^3"
        );
    }

    #[test]
    fn only_faults_of_the_header_reject() {
        assert!(Code::MessageType.is_rejection());
        assert!(!Code::SegmentSequence.is_rejection());
    }
}
