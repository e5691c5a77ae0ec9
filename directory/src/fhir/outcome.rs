//! What went wrong, as an OperationOutcome (FHIR R4, http.html#ops).

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::error::DirectoryError;

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    /// A code of `issue-type`.
    code: &'static str,
    /// For people; never repeats a value that was sent.
    text: String,
}

impl Fault {
    /// The request is not understood.
    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", text)
    }

    /// It is understood and not served.
    pub(super) fn unsupported(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "not-supported", text)
    }

    pub(super) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "nothing has this identifier",
        )
    }

    pub(super) fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self {
            status,
            code,
            text: text.into(),
        }
    }

    pub(super) fn outcome(&self) -> Value {
        json!({
            "resourceType": "OperationOutcome",
            "issue": [{"severity": "error", "code": self.code, "diagnostics": self.text}],
        })
    }
}

impl From<DirectoryError> for Fault {
    /// The cause is for the log only.
    fn from(error: DirectoryError) -> Self {
        if matches!(error, DirectoryError::Filter) {
            return Self::new(StatusCode::BAD_REQUEST, "too-costly", error.to_string());
        }
        tracing::error!(%error, "FHIR: a request could not be answered");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "transient",
            "the directory cannot read its entries now; ask again later",
        )
    }
}
