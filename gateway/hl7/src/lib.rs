//! HL7 v2 frames, messages and acknowledgements; no I/O, no clock, no logging.
//!
//! # Map
//! - [`mllp`]: bytes of a connection in, whole frames out; and the frame around a reply.
//! - [`er7`]: reading a message where it lies: separators, segments, fields, repetitions,
//!   components, subcomponents, escapes, character sets. Nothing is copied until asked for, and
//!   the bytes received stay the bytes kept.
//! - [`batch`]: the messages of a file.
//! - [`write`]: composing a message, each value escaped.
//! - [`ack`]: the acknowledgement of a message, in original and enhanced mode, also of one whose
//!   header cannot be read.
//! - [`zam`]: telling a hospital system what became of its message.
//! - [`adt`]: what a French admission, discharge or transfer message (PAM-FR) says, as types.
//! - [`document`]: documents and results that a hospital pushes (MDM, ORU).
//! - [`cda`]: what a discharge letter says that a machine can act on. [`xdm`]: the zip file in
//!   which letters travel.
//! - [`fhir`]: the same events, letters and treatments out of FHIR R4 bundles.
//! - [`timestamp`]: HL7 times, local to the sender.
//! - [`refusal`]: what is wrong with a message: an ERR-3 code and a place, never a value.
//!
//! # How a listener uses it
//! Read into [`mllp::Decoder`], give each frame to [`er7::Message::parse`] and
//! [`adt::AdtEvent::parse`], commit, and only then send what [`ack::acknowledge`] gives. A fault
//! of our own (disk, database) has no reply: close the connection, and the sender repeats.
//!
//! # Patient data
//! `Debug` of every type here that can hold patient data shows its shape alone.
//!
//! # Dependencies
//! `time` holds dates; `thiserror` words the errors; `base64` reads documents in OBX-5;
//! `quick-xml` reads letters, `zip` packs them; `serde` keeps what they say;
//! `serde_json` reads FHIR. The character sets of PAM-FR differ from
//! Unicode in eight code points, so their table is here: the `encoding_rs` tables follow the
//! WHATWG, which reads `8859/1` as windows-1252.

pub mod ack;
pub mod adt;
pub mod batch;
pub mod cda;
pub mod document;
pub mod er7;
pub mod fhir;
pub mod mllp;
pub mod refusal;
pub mod timestamp;
pub mod write;
pub mod xdm;
pub mod zam;

mod error;

pub use error::Error;
pub use refusal::{Code, Location, Refusal};
