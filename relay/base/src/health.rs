//! What a probe asks a role: can it do its work now?

use time::OffsetDateTime;

/// One thing that a role needs, looked at just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at: `relay.store`, `relay.certificate`.
    pub name: String,
    /// Whether the role can work with what was found.
    pub ok: bool,
    /// What was found, for the operator: no patient, no secret.
    pub detail: String,
}

impl Check {
    /// A check that found what is needed.
    pub fn passed(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ok: true,
            detail: detail.into(),
        }
    }

    /// A check that did not.
    pub fn failed(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            ok: false,
            ..Self::passed(name, detail)
        }
    }

    /// A certificate is good until it expires.
    pub fn certificate(
        name: impl Into<String>,
        not_after: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Self {
        let days = (not_after - now).whole_days();
        if not_after > now {
            Self::passed(name, format!("expires in {days} days"))
        } else {
            Self::failed(name, format!("expired {} days ago: renew it", -days))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;
    use time::macros::datetime;

    #[test]
    fn a_certificate_passes_until_its_last_instant() {
        let now = datetime!(2026-11-22 12:00 UTC);
        assert!(Check::certificate("c", now + Duration::SECOND, now).ok);
        let expired = Check::certificate("c", now - Duration::days(3), now);
        assert_eq!(
            (expired.ok, expired.detail.as_str()),
            (false, "expired 3 days ago: renew it")
        );
    }
}
