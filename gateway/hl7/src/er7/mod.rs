//! Reading a message in the encoding "ER7" (HL7 v2.5 §2.5-2.7), on bytes, where it lies.
//!
//! - [`Message`]: the segments, found once; everything below is found when asked for.
//! - [`Element`]: a field, repetition, component or subcomponent, and its text.
//! - [`separators`]: MSH-1 and MSH-2.
//! - [`charset`]: character sets, MSH-18.
//! - [`escape`]: `\F\`, `\S\`, `\X..\` and the others.

pub mod charset;
pub mod escape;
pub mod separators;

mod element;
mod message;

pub use charset::{Charset, Declared};
pub use element::{Element, Elements};
pub use message::{MAX_SEGMENTS, Message, Segment};
pub use separators::Separators;
