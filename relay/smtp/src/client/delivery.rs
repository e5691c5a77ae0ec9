//! One message on its way: what is known of each recipient so far.

use liaison_mail::{EnhancedStatus, Refusal, Verdict};

/// What is known of each recipient.
pub(super) struct Delivery {
    recipients: Vec<Known>,
    /// Octets of the content.
    pub(super) octets: u64,
    /// The end of the content may have left.
    pub(super) is_sent: bool,
    /// The peer has said something about it.
    pub(super) is_heard: bool,
    /// Nothing more is awaited.
    pub(super) is_decided: bool,
}

#[derive(Clone)]
enum Known {
    /// Not answered yet.
    Nothing,
    /// Taken at RCPT; the content decides.
    Accepted,
    Decided(Verdict),
}

impl Delivery {
    pub(super) fn new(recipients: usize, octets: u64) -> Self {
        Self {
            recipients: vec![Known::Nothing; recipients],
            octets,
            is_sent: false,
            is_heard: false,
            is_decided: false,
        }
    }

    pub(super) fn accept(&mut self, index: usize) {
        // Stands only if MAIL was not refused: a pipelining peer may answer each by itself.
        if let Some(known @ Known::Nothing) = self.recipients.get_mut(index) {
            *known = Known::Accepted;
        }
    }

    pub(super) fn refuse(&mut self, index: usize, refusal: Refusal) {
        if let Some(known @ Known::Nothing) = self.recipients.get_mut(index) {
            *known = Known::Decided(Verdict::Refused(refusal));
        }
    }

    /// Refuses every recipient that has no verdict.
    pub(super) fn refuse_rest(&mut self, refusal: &Refusal) {
        for known in &mut self.recipients {
            if !matches!(known, Known::Decided(_)) {
                *known = Known::Decided(Verdict::Refused(refusal.clone()));
            }
        }
    }

    /// The answer to the content, for every accepted recipient.
    pub(super) fn conclude(&mut self, refusal: Option<&Refusal>) {
        let verdict = match refusal {
            None => Verdict::Accepted,
            Some(refusal) => Verdict::Refused(refusal.clone()),
        };
        for known in &mut self.recipients {
            if matches!(known, Known::Accepted) {
                *known = Known::Decided(verdict.clone());
            }
        }
    }

    pub(super) fn has_accepted(&self) -> bool {
        let accepted = |known: &Known| matches!(known, Known::Accepted);
        self.recipients.iter().any(accepted)
    }

    /// Whether every recipient has been refused.
    pub(super) fn is_refused(&self) -> bool {
        let refused = |known: &Known| matches!(known, Known::Decided(_));
        self.recipients.iter().all(refused)
    }

    /// The verdicts; what was never answered can be tried again.
    pub(super) fn verdicts(self) -> Vec<Verdict> {
        let verdict = |known| match known {
            Known::Decided(verdict) => verdict,
            Known::Nothing | Known::Accepted => Verdict::Refused(Refusal::transient(
                451,
                EnhancedStatus::NO_ANSWER,
                "no answer for this recipient",
            )),
        };
        self.recipients.into_iter().map(verdict).collect()
    }
}
