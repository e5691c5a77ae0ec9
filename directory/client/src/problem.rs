//! What an error looks like on the wire (RFC 9457).

use serde::{Deserialize, Serialize};

/// The media type of a problem (RFC 9457 §3).
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// A problem that the directory tells its caller. It holds public text only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which kind of problem, for programs.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong this time and what to do, never repeating what was sent.
    #[serde(default)]
    pub detail: String,
}

/// The kinds of problems: a URN each, so that nothing is looked up on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProblemKind {
    /// The request's body or path could not be understood.
    #[serde(rename = "urn:liaison:problem:bad-request")]
    BadRequest,
    /// The body was longer than the directory takes.
    #[serde(rename = "urn:liaison:problem:too-large")]
    TooLarge,
    /// No relay is listed by that domain or name: an answer rather than a failure.
    #[serde(rename = "urn:liaison:problem:no-such-relay")]
    NoSuchRelay,
    /// The directory has no such page.
    #[serde(rename = "urn:liaison:problem:no-such-page")]
    NoSuchPage,
    /// The page exists, but not for that method.
    #[serde(rename = "urn:liaison:problem:wrong-method")]
    WrongMethod,
    /// The request took too long.
    #[serde(rename = "urn:liaison:problem:timeout")]
    Timeout,
    /// The directory cannot answer now.
    #[serde(rename = "urn:liaison:problem:unavailable")]
    Unavailable,
    /// A kind of a later version.
    #[serde(other)]
    Other,
}
